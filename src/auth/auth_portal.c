/* SPDX-License-Identifier: MIT
 *
 * Portals: checkers in order, a realm, limits. How somebody gets through stands in auth_login.c.
 *
 * Invariant: a portal lives as long as a login is on its way. Test: tests/auth/test_portal.c.
 */
#include "auth/portal_core.h"
#include "base/try.h"

static void set_standard(struct plait_portal_options *o)
{
    o->failures_per_user = o->failures_per_user ? o->failures_per_user : 10;
    o->failures_per_address = o->failures_per_address ? o->failures_per_address : 50;
    o->forgive = o->forgive > 0 ? o->forgive : plait_seconds(60);
    o->slow = o->slow > 0 ? o->slow : plait_seconds(1);
    o->logins = o->logins ? o->logins : 1024;
    o->remembered = o->remembered ? o->remembered : 16384;
}

struct plait_portal *plait_portal_new(struct plait_reactor *reactor, const struct plait_portal_options *options)
{
    struct plait_portal *p = plait_mem_new(plait_reactor_budget(reactor), sizeof *p);
    if (!p)
        return NULL;
    if (options)
        p->options = *options;
    struct plait_portal_options *o = &p->options;
    set_standard(o);
    p->reactor = reactor;
    p->refs = 1;
    plait__list_init(&p->checkers);
    plait__failures_init(&p->users, reactor, o->failures_per_user, o->forgive, o->remembered);
    plait__failures_init(&p->addresses, reactor, o->failures_per_address, o->forgive, o->remembered);
    return p;
}

struct plait_portal *plait_portal_ref(struct plait_portal *portal)
{
    portal->refs++;
    return portal;
}

void plait_portal_unref(struct plait_portal **portal)
{
    struct plait_portal *p = *portal;
    *portal = NULL;
    if (!p || --p->refs > 0)
        return;
    while (!plait__list_empty(&p->checkers)) {
        struct plait_checker *checker = plait__container(p->checkers.next, struct plait_checker, link);
        plait__list_remove(&checker->link);
        plait_checker_free(&checker);
    }
    plait__failures_deinit(&p->users);
    plait__failures_deinit(&p->addresses);
    plait_mem_free(p);
}

plait_err plait_portal_add(struct plait_portal *portal, struct plait_checker *checker)
{
    if (!checker)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait__list_add_tail(&portal->checkers, &checker->link);
    return PLAIT_OK;
}

unsigned plait_portal_kinds(const struct plait_portal *portal)
{
    unsigned kinds = 0;
    for (struct plait__list *at = portal->checkers.next; at != &portal->checkers; at = at->next)
        kinds |= plait__container(at, struct plait_checker, link)->ops->kinds;
    return kinds;
}

void plait_avatar_logout(struct plait_avatar **avatar)
{
    struct plait_avatar *a = *avatar;
    *avatar = NULL;
    if (!a)
        return;
    if (a->logout)
        a->logout(a->object);
    plait_mem_free(a);
}
