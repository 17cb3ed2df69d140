/* SPDX-License-Identifier: MIT
 *
 * The ready list, and the brackets around every callback that the reactor makes: counted, timed, named in the log when
 * slow.
 *
 * Invariant: one pass runs what was queued when it began and what that queues, at most BOUND calls, so that a call that
 * queues itself cannot starve the network.
 * Test: tests/engine/test_reactor.c.
 */
#include "engine/core.h"

#include <assert.h>

enum { BOUND = 4096 };

void plait__callback_begin(struct plait_reactor *r)
{
    assert(r->in_turn); /* no callback comes but from a turn */
    (void)r;            /* the end of one callback is the beginning of the next: one clock reading each */
}

static void tell_slow(struct plait_reactor *r, const char *name, plait_span took)
{
    plait_metric_add(&r->counts.slow_callbacks, 1);
    const struct plait_field fields[] = {plait_field_text("callback", name), plait_field_i64("ms", took / 1000000),
                                         plait_field_end()};
    plait__warn(r, "slow-callback", "a callback held the loop", fields);
}

void plait__callback_end(struct plait_reactor *r, const char *name)
{
    const plait_time now = r->sys->ops->clock(r->sys, PLAIT_SYS_MONOTONIC);
    const plait_span took = now - r->callback_began;
    r->callback_began = now;
    plait_metric_add(&r->counts.callbacks, 1);
    plait_histogram_count(&r->counts.callback, (uint64_t)took);
    if (took > r->slow_callback)
        tell_slow(r, name, took);
}

void plait_soon_init(struct plait_soon *soon, struct plait_reactor *reactor, const char *name, plait_call_fn fn,
                     void *ctx)
{
    *soon = (struct plait_soon){.reactor = reactor, .fn = fn, .ctx = ctx, .name = name};
}

void plait_soon_queue(struct plait_soon *soon)
{
    struct plait_reactor *r = soon->reactor;
    assert(plait__own_thread(r));
    if (soon->prev)
        return;
    soon->next = NULL;
    soon->prev = r->soon_last;
    *r->soon_last = soon;
    r->soon_last = &soon->next;
    r->soon_count++;
    plait__reactor_touch(r);
}

void plait_soon_cancel(struct plait_soon *soon)
{
    struct plait_reactor *r = soon->reactor;
    assert(plait__own_thread(r));
    if (!soon->prev)
        return;
    *soon->prev = soon->next;
    if (soon->next)
        soon->next->prev = soon->prev;
    else
        r->soon_last = soon->prev;
    soon->prev = NULL;
    soon->next = NULL;
    r->soon_count--;
}

void plait__soon_run(struct plait_reactor *r)
{
    plait_metric_set(&r->counts.ready_depth, (int64_t)r->soon_count);
    for (int n = 0; n < BOUND && r->soon_first; n++) {
        struct plait_soon *soon = r->soon_first;
        const char *name = soon->name;
        plait_soon_cancel(soon);
        plait__callback_begin(r);
        soon->fn(soon->ctx);
        plait__callback_end(r, name);
    }
}
