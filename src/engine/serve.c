/* SPDX-License-Identifier: MIT
 *
 * Endpoints for programs: a service on one, a connection to one. The kinds do the work; here the text is parsed, the
 * kind found, and a failure turned into a sentence that says what would be right.
 *
 * Invariant: the service reference is given up exactly once on every path that fails.
 * Test: tests/engine/test_serve.c.
 */
#include "base/try.h"
#include "engine/connect_core.h"
#include "engine/kinds.h"
#include "engine/listen_core.h"

#include <stdio.h>

enum { WHY = 200, TOLD = 16 };

/* --- kinds -------------------------------------------------------------------------------------------------------- */

void plait_endpoint_register(struct plait_reactor *reactor, struct plait_endpoint_kind *kind)
{
    kind->next = reactor->kinds;
    reactor->kinds = kind;
}

const struct plait_endpoint_kind *plait_endpoint_kinds(const struct plait_reactor *reactor)
{
    return reactor->kinds;
}

static const struct plait_endpoint_kind *find_kind(const struct plait_reactor *r, const char *name)
{
    for (const struct plait_endpoint_kind *k = r->kinds; k; k = k->next) {
        if (plait_slice_equal_nocase(plait_slice_text(k->name), plait_slice_text(name)))
            return k;
    }
    return NULL;
}

/* Names the kinds that there are, for who asked for another. */
static plait_err unknown_kind(struct plait_endpoint *e, bool listens)
{
    char known[120] = "";
    size_t at = 0;
    for (const struct plait_endpoint_kind *k = e->reactor->kinds; k; k = k->next) {
        const size_t len = strlen(k->name);
        if ((listens ? k->listen != NULL : k->connect != NULL) && at + len + 3 < sizeof known) {
            (void)snprintf(known + at, sizeof known - at, "%s%s", at > 0 ? ", " : "", k->name);
            at = strlen(known);
        }
    }
    const char *guess = plait__endpoint_guess(e->reactor->kinds, e->kind, listens);
    if (guess)
        return plait_endpoint_wrong(e, "there is no endpoint kind \"%.24s\"; did you mean \"%s\"?", e->kind, guess);
    return plait_endpoint_wrong(e, "there is no endpoint kind \"%.24s\"; there are %s", e->kind, known);
}

plait_err plait__endpoint_kind_of(struct plait_endpoint *e, bool listens, const struct plait_endpoint_kind **kind)
{
    *kind = find_kind(e->reactor, e->kind);
    if (!*kind)
        return unknown_kind(e, listens);
    if (listens && !(*kind)->listen)
        return plait_endpoint_wrong(e, "nothing can listen on \"%s:\"; it is for connecting only", e->kind);
    if (!listens && !(*kind)->connect)
        return plait_endpoint_wrong(e, "nothing can connect to \"%s:\"; it is for listening only", e->kind);
    return PLAIT_OK;
}

static plait_err open_endpoint(struct plait_reactor *r, const char *text, struct plait_endpoint *e, char *why,
                               const struct plait_endpoint_kind **kind, bool listens)
{
    PLAIT_TRY(plait_endpoint_parse(text, e, why));
    e->reactor = r;
    return plait__endpoint_kind_of(e, listens, kind);
}

/* --- serving ------------------------------------------------------------------------------------------------------ */

/* The sentence of a failure that no kind has put into words. */
static void explain(const char *endpoint, plait_err err, char *why)
{
    if (why[0] == '\0')
        snprintf(why, WHY, "cannot listen on \"%.90s\": %s", endpoint, plait_err_text(err));
}

static plait_err serve(struct plait_reactor *r, const char *endpoint, struct plait_listen_options *o,
                       struct plait_service *service, struct plait_listener **out, char *why)
{
    struct plait_endpoint e;
    const struct plait_endpoint_kind *kind = NULL;
    const plait_err err = service ? open_endpoint(r, endpoint, &e, why, &kind, true) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err == PLAIT_OK)
        return kind->listen(&e, o, service, out);
    plait__proxy_trust_free(&o->proxy);
    plait_service_unref(&service);
    return err;
}

plait_err plait_serve_with(struct plait_reactor *reactor, const char *endpoint,
                           const struct plait_listen_options *options, struct plait_service *service,
                           struct plait_listener **out, char *why)
{
    struct plait_listen_options o = {.backlog = 0};
    struct plait_listener *listener = NULL;
    char text[WHY] = "";
    if (options)
        o = *options;
    const plait_err err = serve(reactor, endpoint, &o, service, &listener, text);
    if (err != PLAIT_OK)
        explain(endpoint, err, text);
    if (why)
        memcpy(why, text, sizeof text);
    if (out)
        *out = listener;
    return err;
}

plait_err plait_serve(struct plait_reactor *reactor, const char *endpoint, struct plait_service *service)
{
    char why[WHY];
    const plait_err err = plait_serve_with(reactor, endpoint, NULL, service, NULL, why);
    if (err == PLAIT_OK)
        return PLAIT_OK;
    const struct plait_field fields[] = {plait_field_text("endpoint", endpoint), plait_field_end()};
    plait_log_event(reactor->log, PLAIT_LOG_ERROR, "engine", "serve-failed", why, fields);
    if (reactor->failed == PLAIT_OK)
        reactor->failed = err;
    return err;
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

/* Sentences that faults point to. The last few are kept until the reactor ends: who makes that many mistakes between
 * getting one and reading it reads a newer one. */
struct told {
    struct plait__module module;
    unsigned next;
    char text[TOLD][WHY];
};

static void release_told(struct plait__module *module)
{
    plait_mem_free(plait__container(module, struct told, module));
}

static struct told *told_of(struct plait_reactor *r)
{
    for (struct plait__list *at = r->modules.next; at != &r->modules; at = at->next) {
        struct plait__module *m = plait__container(at, struct plait__module, link);
        if (m->release == release_told)
            return plait__container(m, struct told, module);
    }
    struct told *t = plait_mem_new(&r->budget, sizeof *t);
    if (!t)
        return NULL;
    t->module.release = release_told;
    plait__module_add(r, &t->module);
    return t;
}

static struct plait_deferred *fail(struct plait_reactor *r, plait_err err, const char *why)
{
    struct plait_fault fault = plait_fault_make(err, "endpoint");
    struct told *t = why[0] ? told_of(r) : NULL;
    if (t) {
        char *text = t->text[t->next++ % TOLD];
        memcpy(text, why, WHY);
        fault.detail = text;
    }
    return plait_deferred_fail(r, fault);
}

struct plait_deferred *plait_connect(struct plait_reactor *reactor, const char *endpoint,
                                     const struct plait_connect_options *options)
{
    struct plait_connect_options o = {.timeout = 0};
    struct plait_endpoint e;
    const struct plait_endpoint_kind *kind = NULL;
    char why[WHY] = "";
    if (options)
        o = *options;
    plait_err err = open_endpoint(reactor, endpoint, &e, why, &kind, false);
    if (err != PLAIT_OK)
        return fail(reactor, err, why);
    struct plait_deferred *d = kind->connect(&e, &o, &err);
    return err == PLAIT_OK ? d : fail(reactor, err, why);
}

plait_err plait_connect_check(struct plait_reactor *reactor, const char *endpoint, char *why)
{
    struct plait_endpoint e;
    const struct plait_endpoint_kind *kind;
    return open_endpoint(reactor, endpoint, &e, why, &kind, false);
}
