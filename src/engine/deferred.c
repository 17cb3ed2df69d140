/* SPDX-License-Identifier: MIT
 *
 * Deferreds: one result to come, and the chain of callbacks that it runs through. Firing, cancelling and adding to a
 * fired one only put the deferred on the ready list; run_chain, called from there, is the one place where callbacks are
 * called, results are handed to a waiting chain and the consumer's reference ends. Nothing here allocates but making a
 * deferred and a third callback.
 *
 * Invariant: a deferred is on the ready list or runs, or it waits: for its producer, for another deferred, or for a
 * callback. A fault that is left when the chain ends is logged, unless the last callback was called with it, or the
 * consumer cancelled or ignored the deferred. The rules of who holds what stand in deferred_core.h.
 * Test: tests/engine/test_deferred.c.
 */
#include "engine/deferred_core.h"

#include "base/try.h"

#include <assert.h>

static void run_chain(void *ctx);
static void expire(void *ctx);

/* --- making and ending -------------------------------------------------------------------------------------------- */

void plait__deferreds_init(struct plait_reactor *r)
{
    plait__list_init(&r->live_deferreds);
    plait__slab_init(&r->deferreds, &r->budget, sizeof(struct plait_deferred), 0);
}

struct plait_deferred *plait_deferred_new(struct plait_reactor *reactor, const char *name, plait_cancel_fn cancel,
                                          void *ctx)
{
    assert(plait__own_thread(reactor));
    struct plait_deferred *d = plait__slab_new(&reactor->deferreds);
    if (!d)
        return NULL;
    d->reactor = reactor;
    d->name = name ? name : "deferred";
    d->cancel = cancel;
    d->ctx = ctx;
    d->room = PLAIT__D_INLINE;
    d->flags = PLAIT__D_PRODUCER | PLAIT__D_CHAIN;
    plait_soon_init(&d->soon, reactor, d->name, run_chain, d);
    plait_timer_init(&d->deadline, reactor, d->name, expire, d);
    plait__list_add_tail(&reactor->live_deferreds, &d->live);
    return d;
}

void plait__value_destroy(plait_value *value)
{
    const plait_value old = *value;
    *value = (plait_value){NULL, 0, NULL};
    if (old.destroy)
        old.destroy(old.ptr);
}

static void drop_peer(struct plait_deferred *d)
{
    plait_mem_free(d->peer);
    d->peer = NULL;
}

static void release(struct plait_deferred *d)
{
    drop_peer(d);
    plait_timer_stop(&d->deadline);
    plait_soon_cancel(&d->soon);
    plait__list_remove(&d->live);
    plait_mem_free(d->more);
    plait__slab_free(&d->reactor->deferreds, d);
}

/* The consumer's reference ends. */
static void end_chain(struct plait_deferred *d)
{
    plait__value_destroy(&d->result.value);
    plait_timer_stop(&d->deadline);
    d->flags &= ~(uint32_t)PLAIT__D_CHAIN;
    if (!(d->flags & PLAIT__D_PRODUCER))
        release(d);
}

/* --- firing ------------------------------------------------------------------------------------------------------- */

/* Something is to be done with the result: callbacks, somebody who waits for it, or nobody who ever will. */
static bool chain_has_work(const struct plait_deferred *d)
{
    return (d->flags & PLAIT__D_FIRED) && !d->waits_for &&
           (d->count > 0 || d->waiter || (d->flags & PLAIT__D_GIVEN_UP));
}

static void queue_chain(struct plait_deferred *d)
{
    if (chain_has_work(d) && (d->flags & PLAIT__D_CHAIN) && !(d->flags & PLAIT__D_RUNNING))
        plait_soon_queue(&d->soon);
}

/* A deferred that ran out of time was cancelled for it; its chain is told the reason. */
static void name_timeout(struct plait_deferred *d)
{
    if (!(d->flags & PLAIT__D_TIMED_OUT))
        return;
    d->flags &= ~(uint32_t)PLAIT__D_TIMED_OUT;
    if (d->result.fault.err == PLAIT_ECANCELLED)
        d->result.fault.err = PLAIT_ETIMEDOUT;
}

/* The address that a fault names goes with who reported it: the deferred keeps its own. Without memory there is
 * none. */
static void keep_peer(struct plait_deferred *d, struct plait_fault *fault)
{
    if (!fault->peer)
        return;
    d->peer = plait_mem_new(&d->reactor->budget, sizeof *d->peer);
    if (d->peer)
        *d->peer = *fault->peer;
    fault->peer = d->peer;
}

struct plait_address *plait__deferred_take_peer(struct plait_deferred *d)
{
    struct plait_address *peer = d->peer;
    if (!peer || d->result.fault.peer != peer)
        return NULL;
    d->peer = NULL;
    d->result.fault.peer = NULL;
    return peer;
}

static void settle(struct plait_deferred *d, plait_value value, struct plait_fault fault)
{
    keep_peer(d, &fault);
    d->flags |= PLAIT__D_FIRED;
    d->result.value = value;
    d->result.fault = fault;
    name_timeout(d);
    queue_chain(d);
}

static void fire(struct plait_deferred *d, plait_value value, struct plait_fault fault)
{
    if (!d || !(d->flags & PLAIT__D_PRODUCER)) {
        plait__value_destroy(&value);
        return;
    }
    assert(plait__own_thread(d->reactor));
    d->flags &= ~(uint32_t)PLAIT__D_PRODUCER;
    d->cancel = NULL;
    if (!(d->flags & PLAIT__D_FIRED)) {
        settle(d, value, fault);
        return;
    }
    plait__value_destroy(&value); /* late: it was cancelled */
    if (!(d->flags & PLAIT__D_CHAIN))
        release(d);
}

static struct plait_fault no_fault(void)
{
    return plait_fault_make(PLAIT_OK, NULL);
}

void plait_fire(struct plait_deferred *deferred, plait_value value)
{
    fire(deferred, value, no_fault());
}

void plait_fire_fault(struct plait_deferred *deferred, struct plait_fault fault)
{
    fire(deferred, (plait_value){NULL, 0, NULL}, fault);
}

struct plait_deferred *plait_deferred_succeed(struct plait_reactor *reactor, plait_value value)
{
    struct plait_deferred *d = plait_deferred_new(reactor, "succeed", NULL, NULL);
    fire(d, value, no_fault());
    return d;
}

struct plait_deferred *plait_deferred_fail(struct plait_reactor *reactor, struct plait_fault fault)
{
    struct plait_deferred *d = plait_deferred_new(reactor, "fail", NULL, NULL);
    plait_fire_fault(d, fault);
    return d;
}

static void claim_dropped(void *ptr)
{
    struct plait__claim *claim = ptr;
    claim->end(claim, false);
}

void plait__fire_claim(struct plait_deferred *d, struct plait__claim *claim)
{
    if (d && !(d->flags & PLAIT__D_FIRED))
        d->flags |= PLAIT__D_CLAIM;
    plait_fire(d, plait_value_ptr(claim, claim_dropped));
}

bool plait_deferred_fired(const struct plait_deferred *deferred)
{
    return !deferred || (deferred->flags & PLAIT__D_FIRED);
}

/* --- adding ------------------------------------------------------------------------------------------------------- */

static struct plait__record *record_at(struct plait_deferred *d, uint32_t i)
{
    return i < PLAIT__D_INLINE ? &d->first[i] : &d->more[i - PLAIT__D_INLINE];
}

plait_err plait__deferred_reserve(struct plait_deferred *d)
{
    if (d->count < d->room)
        return PLAIT_OK;
    if (d->at == d->count && d->at > 0) { /* all were called: their places are free */
        d->at = d->count = 0;
        return PLAIT_OK;
    }
    const uint32_t room = d->room * 2; /* memory ends long before the number does */
    struct plait__record *more =
        plait_mem_resize(&d->reactor->budget, d->more, (room - PLAIT__D_INLINE) * sizeof(struct plait__record));
    if (!more)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->more = more;
    d->room = room;
    return PLAIT_OK;
}

static plait_err add(struct plait_deferred *d, plait_result_fn fn, void *ctx, uint8_t on)
{
    if (!d)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    assert(plait__own_thread(d->reactor));
    PLAIT_TRY(plait__deferred_reserve(d));
    *record_at(d, d->count++) = (struct plait__record){fn, ctx, on};
    queue_chain(d);
    return PLAIT_OK;
}

plait_err plait_then(struct plait_deferred *deferred, plait_result_fn fn, void *ctx)
{
    return add(deferred, fn, ctx, PLAIT__ON_VALUE | PLAIT__ON_FAULT);
}

plait_err plait_then_ok(struct plait_deferred *deferred, plait_result_fn fn, void *ctx)
{
    return add(deferred, fn, ctx, PLAIT__ON_VALUE);
}

plait_err plait_then_fault(struct plait_deferred *deferred, plait_result_fn fn, void *ctx)
{
    return add(deferred, fn, ctx, PLAIT__ON_FAULT);
}

static void forgotten(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)ctx;
}

void plait__deferred_forget(struct plait_deferred *d, plait_result_fn fn, void *ctx)
{
    for (uint32_t i = d->at; i < d->count; i++) {
        struct plait__record *record = record_at(d, i);
        if (record->fn == fn && record->ctx == ctx)
            *record = (struct plait__record){forgotten, NULL, PLAIT__ON_VALUE | PLAIT__ON_FAULT};
    }
}

/* --- what a callback does with a result --------------------------------------------------------------------------- */

plait_value plait_result_take(struct plait_result *result)
{
    const plait_value value = result->value;
    result->value = (plait_value){NULL, 0, NULL};
    return value;
}

/* Empties a result. Values are destroyed last, for a destructor may look at anything. */
static void clear(struct plait_result *result, struct plait_fault fault)
{
    struct plait_deferred *wait = result->wait;
    plait_value old = plait_result_take(result);
    result->wait = NULL;
    result->fault = fault;
    plait__deferred_drop(wait);
    plait__value_destroy(&old);
}

void plait_result_set(struct plait_result *result, plait_value value)
{
    clear(result, no_fault());
    result->value = value;
}

void plait_result_fail(struct plait_result *result, struct plait_fault fault)
{
    clear(result, fault);
}

void plait_result_wait(struct plait_result *result, struct plait_deferred *other)
{
    if (!other) {
        clear(result, plait_fault_make(PLAIT_ENOMEM, "wait"));
        return;
    }
    clear(result, no_fault());
    result->wait = other;
}

/* --- the chain ---------------------------------------------------------------------------------------------------- */

/* Before the first callback sees a claim it becomes the caller's. */
static void claim_now(struct plait_deferred *d)
{
    if (!(d->flags & PLAIT__D_CLAIM))
        return;
    struct plait__claim *claim = plait_result_take(&d->result).ptr;
    d->flags &= ~(uint32_t)PLAIT__D_CLAIM;
    if (claim->give)
        claim->give(claim, &d->result);
    else
        claim->end(claim, true);
}

static uint8_t outcome_of(const struct plait_deferred *d)
{
    return d->result.fault.err == PLAIT_OK ? PLAIT__ON_VALUE : PLAIT__ON_FAULT;
}

static void call(struct plait_deferred *d, struct plait__record record)
{
    d->flags &= ~(uint32_t)PLAIT__D_SEEN;
    if (record.on & outcome_of(d))
        claim_now(d); /* which may turn out to be a fault */
    const uint8_t outcome = outcome_of(d);
    if (!(record.on & outcome))
        return;
    record.fn(&d->result, record.ctx); /* the ready list counts its time, under the deferred's name */
    if (outcome == PLAIT__ON_FAULT)
        d->flags |= PLAIT__D_SEEN;
}

/* The chain stands still until the other's has run. Waiting for itself, or for one that somebody waits for already,
 * cannot end. */
static void start_waiting(struct plait_deferred *d)
{
    struct plait_deferred *other = d->result.wait;
    d->result.wait = NULL;
    d->flags &= ~(uint32_t)PLAIT__D_SEEN;
    if (other == d || other->waiter) {
        d->result.fault = plait_fault_make(PLAIT_ESTATE, "wait");
        return;
    }
    d->waits_for = other;
    other->waiter = d;
    queue_chain(other);
}

/* The one that waits has seen nothing of what comes: start_waiting and claim_now saw to its flags. */
static void hand_over(struct plait_deferred *from, struct plait_deferred *to)
{
    to->waits_for = NULL;
    from->waiter = NULL;
    drop_peer(to);
    to->peer = from->peer;
    from->peer = NULL;
    to->result.fault = from->result.fault;
    to->result.value = plait_result_take(&from->result);
    to->flags |= from->flags & PLAIT__D_CLAIM;
    name_timeout(to);
    queue_chain(to);
}

static void log_unhandled(struct plait_deferred *d)
{
    const plait_err err = d->result.fault.err;
    if (err == PLAIT_OK || (d->flags & (PLAIT__D_SEEN | PLAIT__D_IGNORED)))
        return;
    if (err == PLAIT_ECANCELLED && (d->flags & PLAIT__D_CANCELLED))
        return;
    const struct plait_field fields[] = {plait_field_text("deferred", d->name), plait_field_fault(&d->result.fault),
                                         plait_field_end()};
    plait_log_event(d->reactor->log, PLAIT_LOG_ERROR, "engine", "unhandled-fault",
                    "a result's fault was handled by nobody", fields);
}

static void run_chain(void *ctx)
{
    struct plait_deferred *d = ctx;
    d->flags |= PLAIT__D_RUNNING;
    while (d->at < d->count && !d->waits_for) {
        const struct plait__record record = *record_at(d, d->at++);
        call(d, record);
        if (d->result.wait)
            start_waiting(d);
    }
    d->flags &= ~(uint32_t)PLAIT__D_RUNNING;
    if (d->waits_for)
        return;
    if (d->waiter)
        hand_over(d, d->waiter);
    else
        log_unhandled(d);
    end_chain(d);
}

/* --- ending early ------------------------------------------------------------------------------------------------- */

/* Cancels the operation that the chain stands at: its own, or the one that it waits for. */
static void cancel_inner(struct plait_deferred *d)
{
    while (d->waits_for)
        d = d->waits_for;
    if (d->flags & PLAIT__D_FIRED)
        return;
    const plait_cancel_fn cancel = d->cancel;
    d->cancel = NULL;
    if (cancel)
        cancel(d, d->ctx);
    if (!(d->flags & PLAIT__D_FIRED))
        settle(d, (plait_value){NULL, 0, NULL}, plait_fault_make(PLAIT_ECANCELLED, d->name));
}

void plait_deferred_cancel(struct plait_deferred *deferred)
{
    if (!deferred)
        return;
    assert(plait__own_thread(deferred->reactor));
    if (!(deferred->flags & PLAIT__D_FIRED) || deferred->waits_for)
        deferred->flags |= PLAIT__D_CANCELLED;
    deferred->flags |= PLAIT__D_GIVEN_UP;
    cancel_inner(deferred);
    queue_chain(deferred);
}

void plait_deferred_ignore(struct plait_deferred *deferred)
{
    if (!deferred)
        return;
    deferred->flags |= PLAIT__D_GIVEN_UP | PLAIT__D_IGNORED;
    queue_chain(deferred);
}

void plait__deferred_drop(struct plait_deferred *d)
{
    plait_deferred_cancel(d);
    plait_deferred_ignore(d);
}

static void expire(void *ctx)
{
    struct plait_deferred *d = ctx;
    if ((d->flags & PLAIT__D_FIRED) && !d->waits_for)
        return;
    d->flags |= PLAIT__D_TIMED_OUT;
    cancel_inner(d);
}

void plait_deferred_deadline(struct plait_deferred *deferred, plait_span after)
{
    if (!deferred)
        return;
    if (after == PLAIT_NEVER)
        plait_timer_stop(&deferred->deadline);
    else
        plait_timer_arm(&deferred->deadline, after);
}

/* --- the reactor's ------------------------------------------------------------------------------------------------ */

bool plait__deferreds_cancel_all(struct plait_reactor *r)
{
    bool any = false;
    for (struct plait__list *at = r->live_deferreds.next; at != &r->live_deferreds; at = at->next) {
        struct plait_deferred *d = plait__container(at, struct plait_deferred, live);
        if (d->flags & PLAIT__D_FIRED)
            continue;
        any = true;
        cancel_inner(d);
    }
    return any;
}

/* Nothing runs any more: callbacks that were not called never are. */
void plait__deferreds_deinit(struct plait_reactor *r)
{
    if (!r->live_deferreds.next)
        return; /* the reactor did not get so far */
    while (!plait__list_empty(&r->live_deferreds)) {
        struct plait_deferred *d = plait__container(r->live_deferreds.next, struct plait_deferred, live);
        if ((d->flags & PLAIT__D_FIRED) && !d->waits_for && d->count == 0)
            log_unhandled(d);
        plait__value_destroy(&d->result.value);
        release(d);
    }
    plait__slab_deinit(&r->deferreds);
}

struct until {
    struct plait_result result;
    bool done;
};

static void until_done(struct plait_result *result, void *ctx)
{
    struct until *until = ctx;
    until->result.fault = result->fault;
    until->result.fault.peer = NULL;
    until->result.value = plait_result_take(result);
    until->done = true;
}

static plait_err step_until(struct plait_reactor *r, struct plait_deferred *d, struct until *until)
{
    plait_err err = PLAIT_OK;
    while (!until->done && !r->stopping && err == PLAIT_OK)
        err = plait_reactor_step(r, PLAIT_NEVER);
    r->stopping = false; /* as at the end of plait_reactor_run */
    if (until->done)
        return until->result.fault.err;
    plait__deferred_forget(d, until_done, until);
    plait_deferred_cancel(d);
    return err != PLAIT_OK ? err : PLAIT_FAIL(PLAIT_ECANCELLED);
}

plait_err plait_reactor_run_until(struct plait_reactor *reactor, struct plait_deferred *deferred,
                                  struct plait_value *value)
{
    struct until until = {.done = false};
    if (value)
        *value = (plait_value){NULL, 0, NULL};
    const plait_err added = reactor->in_turn ? PLAIT_FAIL(PLAIT_ESTATE) : plait_then(deferred, until_done, &until);
    if (added != PLAIT_OK) {
        plait__deferred_drop(deferred);
        return added;
    }
    PLAIT_TRY(step_until(reactor, deferred, &until));
    if (value)
        *value = until.result.value;
    else
        plait__value_destroy(&until.result.value);
    return PLAIT_OK;
}
