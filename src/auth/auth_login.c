/* SPDX-License-Identifier: MIT
 *
 * One login on its way: its checkers one after another, then the realm, or the wait that every failure costs. It is
 * counted as a failure before the first checker sees it; only a success, or a checker that could not tell, takes that
 * back, so that leaving before the answer comes wins nothing.
 *
 * Invariant: one thing is under way at a time, a checker (or the realm) or the wait; the deferred is fired once, and
 * the login is freed by that. An avatar that was made is handed over or logged out.
 * Tests: tests/auth/test_portal.c, tests/sim/scenario_auth.c.
 */
#include "auth/portal_core.h"
#include "base/try.h"
#include "engine/listen_core.h"

struct attempt {
    struct plait_portal *portal;
    struct plait_deferred *out;
    struct plait_deferred *inner; /* of a checker or the realm */
    struct plait_checker *asked;  /* the checker whose turn it is */
    struct plait_login login;     /* its slices lie in `bytes` */
    struct plait_address from;
    const char *const *interfaces;
    void *mind;
    struct plait_avatar *avatar;
    plait_time begun;
    struct plait_timer wait;
    plait_err err; /* the failure so far */
    bool counted, cancelled;
    uint8_t key_len;
    uint8_t key[9]; /* what the address counts as */
    uint8_t bytes[];
};

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void logout_value(void *ptr)
{
    struct plait_avatar *avatar = ptr;
    plait_avatar_logout(&avatar);
}

static void attempt_free(struct attempt *a)
{
    plait_timer_stop(&a->wait);
    a->portal->logins--;
    plait_portal_unref(&a->portal);
    plait_avatar_logout(&a->avatar);
    plait_mem_wipe(a->bytes, a->login.user.len + a->login.secret.len);
    plait_mem_free(a);
}

static void take_back(struct attempt *a, bool right)
{
    if (!a->counted)
        return;
    a->counted = false;
    if (a->login.user.len)
        plait__failures_take_back(&a->portal->users, a->login.user, right);
    if (a->key_len)
        plait__failures_take_back(&a->portal->addresses, plait_slice_of(a->key, a->key_len), false);
}

static void succeed(struct attempt *a)
{
    struct plait_avatar *avatar = a->avatar;
    a->avatar = NULL;
    plait_fire(a->out, plait_value_ptr(avatar, logout_value));
    attempt_free(a);
}

static void fail_now(struct attempt *a, plait_err err)
{
    plait_fire_fault(a->out, plait_fault_make(err, "login"));
    attempt_free(a);
}

static void waited(void *ctx)
{
    struct attempt *a = ctx;
    fail_now(a, a->err);
}

/* A failure is told at the next multiple of the wait after the beginning: how long it took to find out is no news. */
static void fail_slowly(struct attempt *a, plait_err err)
{
    const plait_span slow = a->portal->options.slow;
    const plait_span took = plait_now(a->portal->reactor) - a->begun;
    a->err = err;
    plait_timer_arm_at(&a->wait, a->begun + (took / slow + 1) * slow);
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    struct attempt *a = ctx;
    (void)deferred;
    a->cancelled = true;
    if (a->inner)
        plait_deferred_cancel(a->inner);
    else
        fail_now(a, PLAIT_ECANCELLED);
}

/* --- the realm ---------------------------------------------------------------------------------------------------- */

static void made(struct plait_result *result, void *ctx)
{
    struct attempt *a = ctx;
    const plait_err err = result->fault.err;
    a->inner = NULL;
    plait_result_set(result, plait_value_num(0));
    if (a->cancelled)
        fail_now(a, PLAIT_ECANCELLED);
    else if (err != PLAIT_OK)
        fail_slowly(a, err);
    else if (!a->avatar->interface)
        fail_slowly(a, PLAIT_EUNSUPPORTED);
    else
        succeed(a);
}

/* The avatar's name lies behind it. */
static struct plait_avatar *avatar_new(const struct attempt *a, const char *name)
{
    const size_t len = strlen(name);
    struct plait_avatar *avatar = plait_mem_new(plait_reactor_budget(a->portal->reactor), sizeof *avatar + len + 1);
    if (!avatar)
        return NULL;
    char *copy = (char *)(avatar + 1);
    memcpy(copy, name, len);
    avatar->name = copy;
    avatar->asked = a->interfaces;
    avatar->mind = a->mind;
    return avatar;
}

/* Hands the next thing's result to `fn`; what could not begin fails the login. */
static void await(struct attempt *a, struct plait_deferred *d, plait_result_fn fn)
{
    a->inner = d;
    if (plait_then(d, fn, a) == PLAIT_OK)
        return;
    a->inner = NULL;
    plait_deferred_cancel(d);
    plait_deferred_ignore(d);
    take_back(a, false);
    fail_slowly(a, PLAIT_ENOMEM);
}

static void make_avatar(struct attempt *a, const char *name)
{
    const struct plait_portal_options *o = &a->portal->options;
    take_back(a, true);
    a->avatar = avatar_new(a, name);
    if (!a->avatar) {
        fail_slowly(a, PLAIT_ENOMEM);
    } else if (o->realm) {
        await(a, o->realm(a->avatar, o->ctx), made);
    } else {
        a->avatar->interface = a->interfaces[0];
        a->avatar->interface ? succeed(a) : fail_slowly(a, PLAIT_EUNSUPPORTED);
    }
}

/* --- the checkers ------------------------------------------------------------------------------------------------- */

static void checked(struct plait_result *result, void *ctx);

/* The next checker that judges such credentials, or NULL. */
static struct plait_checker *next_checker(const struct attempt *a)
{
    struct plait__list *head = &a->portal->checkers;
    for (struct plait__list *at = a->asked ? a->asked->link.next : head->next; at != head; at = at->next) {
        struct plait_checker *checker = plait__container(at, struct plait_checker, link);
        if (checker->ops->kinds & (unsigned)a->login.kind)
            return checker;
    }
    return NULL;
}

/* Whoever could not tell keeps others from locking the user for it. */
static void ask_next(struct attempt *a)
{
    a->asked = next_checker(a);
    if (a->asked) {
        await(a, a->asked->ops->check(&a->login, a->asked->ctx), checked);
        return;
    }
    if (a->err != PLAIT_EACCESS)
        take_back(a, false);
    fail_slowly(a, a->err);
}

static void checked(struct plait_result *result, void *ctx)
{
    struct attempt *a = ctx;
    const plait_err err = result->fault.err;
    const plait_value name = plait_result_take(result);
    a->inner = NULL;
    plait_result_set(result, plait_value_num(0));
    if (a->cancelled) {
        fail_now(a, PLAIT_ECANCELLED);
    } else if (err == PLAIT_OK) {
        make_avatar(a, name.ptr);
    } else {
        a->err = err == PLAIT_EACCESS ? a->err : err;
        ask_next(a);
    }
    if (name.destroy)
        name.destroy(name.ptr);
}

/* --- the beginning ------------------------------------------------------------------------------------------------ */

/* Counts it as a failure of the address and of the user. */
static plait_err count(struct attempt *a)
{
    const plait_slice address = plait_slice_of(a->key, a->key_len);
    if (address.len)
        PLAIT_TRY(plait__failures_count(&a->portal->addresses, address));
    const plait_err err = a->login.user.len ? plait__failures_count(&a->portal->users, a->login.user) : PLAIT_OK;
    a->counted = err == PLAIT_OK;
    if (err == PLAIT_ENOMEM && address.len)
        plait__failures_take_back(&a->portal->addresses, address, false);
    return err;
}

static void begin(struct attempt *a)
{
    const plait_err err = count(a);
    if (err != PLAIT_OK)
        fail_slowly(a, err);
    else
        ask_next(a);
}

static void copy_login(struct attempt *a, const struct plait_login *login)
{
    a->login = *login;
    a->login.user = plait_slice_of(a->bytes, login->user.len);
    a->login.secret = plait_slice_of(a->bytes + login->user.len, login->secret.len);
    if (login->user.len)
        memcpy(a->bytes, login->user.ptr, login->user.len);
    if (login->secret.len)
        memcpy(a->bytes + login->user.len, login->secret.ptr, login->secret.len);
    if (login->from) {
        a->from = *login->from;
        a->login.from = &a->from;
        a->key_len = plait__peer_key(login->from, a->key);
    }
}

static struct attempt *attempt_new(struct plait_portal *portal, const struct plait_login *login)
{
    struct plait_budget *budget = plait_reactor_budget(portal->reactor);
    struct attempt *a = plait_mem_new(budget, sizeof *a + login->user.len + login->secret.len);
    if (!a)
        return NULL;
    a->portal = plait_portal_ref(portal);
    portal->logins++;
    copy_login(a, login);
    a->begun = plait_now(portal->reactor);
    a->err = PLAIT_EACCESS;
    plait_timer_init(&a->wait, portal->reactor, "login", waited, a);
    return a;
}

static plait_err judge(const struct plait_portal *portal, const struct plait_login *login)
{
    if (!(plait_portal_kinds(portal) & (unsigned)login->kind))
        return PLAIT_EUNSUPPORTED;
    if (login->user.len > PLAIT_LOGIN_USER_MAX || login->secret.len > PLAIT_LOGIN_SECRET_MAX)
        return PLAIT_EINVAL;
    return portal->logins >= portal->options.logins ? PLAIT_ELIMIT : PLAIT_OK;
}

struct plait_deferred *plait_portal_login(struct plait_portal *portal, const struct plait_login *login,
                                          const char *const *interfaces, void *mind)
{
    const plait_err err = judge(portal, login);
    if (err != PLAIT_OK)
        return plait_deferred_fail(portal->reactor, plait_fault_make(err, "login"));
    struct attempt *a = attempt_new(portal, login);
    if (!a)
        return NULL;
    a->interfaces = interfaces;
    a->mind = mind;
    struct plait_deferred *out = plait_deferred_new(portal->reactor, "login", cancel, a);
    a->out = out;
    if (!out) {
        attempt_free(a);
        return NULL;
    }
    begin(a);
    return out;
}
