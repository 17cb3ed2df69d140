/* SPDX-License-Identifier: MIT
 *
 * Puts a reactor together as most programs want it: the system's resolver, every endpoint kind, and signals that drain.
 * What is registered is registered in that reactor and nowhere else.
 *
 * Invariant: everything that is made here goes with the reactor.
 * Test: tests/assembly/test_assembly.c.
 */
#include "engine/core.h"
#include "engine/kinds.h"

#include "base/try.h"

#include <plait/listen.h>

#include <signal.h>

enum { GRACE_S = 10 };

static void drained(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)ctx; /* the drain itself stops the reactor; a callback makes the deferred go */
}

/* The first signal drains, the second ends at once: plait_drain counts. */
static void end_asked(int signo, void *ctx)
{
    struct plait_reactor *r = ctx;
    const struct plait_field fields[] = {plait_field_text("signal", signo == SIGINT ? "SIGINT" : "SIGTERM"),
                                         plait_field_end()};
    plait_log_event(plait_reactor_log(r), PLAIT_LOG_NOTICE, "assembly", "signal", "stopping", fields);
    struct plait_deferred *d = plait_drain(r, plait_seconds(GRACE_S));
    if (plait_then(d, drained, r) != PLAIT_OK)
        plait_deferred_ignore(d);
}

static plait_err set_resolver(struct plait_reactor *r)
{
    struct plait_resolver resolver;
    if (r->resolver.resolve)
        return PLAIT_OK;
    PLAIT_TRY(plait_resolver_system(r, &resolver));
    plait_reactor_set_resolver(r, resolver);
    return PLAIT_OK;
}

plait_err plait_assemble(struct plait_reactor *r)
{
    PLAIT_TRY(set_resolver(r));
    PLAIT_TRY(plait__endpoint_kinds_register(r));
    PLAIT_TRY(plait_on_signal(r, SIGINT, end_asked, r));
    PLAIT_TRY(plait_on_signal(r, SIGTERM, end_asked, r));
    return PLAIT_OK;
}

struct plait_reactor *plait_new_with(const struct plait_reactor_options *options)
{
    struct plait_reactor_options o = options ? *options : (struct plait_reactor_options){.sys = NULL};
    o.own_signals = true;
    struct plait_reactor *r = plait_reactor_new(&o);
    if (r && plait_assemble(r) != PLAIT_OK)
        plait_reactor_free(&r);
    return r;
}

struct plait_reactor *plait_new(void)
{
    return plait_new_with(NULL);
}
