/* SPDX-License-Identifier: MIT
 *
 * What is done again and again: the looping call, a round on every beat, and the cooperator, which gives long work its
 * slices between other things. All pieces of work of a reactor share 10 ms a turn, one slice each in turn.
 *
 * Invariant: a looping call has either its timer running, or a round, or a round's deferred to wait for, or it has
 * ended by a fault. Tests: tests/engine/test_looping.c, tests/engine/test_cooperate.c.
 */
#include "engine/deferred_core.h"

/* --- looping call ------------------------------------------------------------------------------------------------- */

struct plait_looping {
    struct plait_reactor *reactor;
    struct plait_timer timer;
    plait_span every;
    plait_time due;  /* beat that comes next */
    uint64_t missed; /* beats that passed while a round was waited for */
    plait_looping_fn fn;
    void *ctx;
    struct plait_deferred *waits; /* for the end of the round */
    bool in_round, stopped;
};

static void round_begins(void *ctx);
static void round_waited(struct plait_result *result, void *ctx);

struct plait_looping *plait_looping_start(struct plait_reactor *reactor, plait_span every, bool now,
                                          plait_looping_fn fn, void *ctx)
{
    struct plait_looping *l = plait_mem_new(&reactor->budget, sizeof *l);
    if (!l)
        return NULL;
    l->reactor = reactor;
    l->every = every > 0 ? every : 1;
    l->fn = fn;
    l->ctx = ctx;
    l->due = plait__later(plait_now(reactor), now ? 0 : l->every);
    plait_timer_init(&l->timer, reactor, "looping", round_begins, l);
    plait_timer_arm_at(&l->timer, l->due);
    return l;
}

static void round_failed(struct plait_looping *l, const struct plait_fault *fault)
{
    const struct plait_field fields[] = {plait_field_fault(fault), plait_field_end()};
    plait_log_event(l->reactor->log, PLAIT_LOG_ERROR, "engine", "looping-failed",
                    "a round failed and ended the looping call", fields);
}

/* Goes on with the first beat that is still to come. */
static void arm_next(struct plait_looping *l)
{
    const plait_span late = l->reactor->now - l->due;
    const uint64_t passed = late < 0 ? 0 : (uint64_t)(late / l->every) + 1;
    l->missed += passed;
    l->due = plait__later(l->due, (plait_span)passed * l->every);
    plait_timer_arm_at(&l->timer, l->due);
}

static void wait_for(struct plait_looping *l, struct plait_deferred *d)
{
    if (plait_then(d, round_waited, l) == PLAIT_OK) {
        l->waits = d;
        return;
    }
    const struct plait_fault fault = plait_fault_make(PLAIT_ENOMEM, "looping");
    plait__deferred_drop(d);
    round_failed(l, &fault);
}

static void round_begins(void *ctx)
{
    struct plait_looping *l = ctx;
    const uint64_t late = (uint64_t)((l->reactor->now - l->due) / l->every);
    const uint64_t missed = l->missed + late;
    l->missed = 0;
    l->due += (plait_span)(late + 1) * l->every;
    l->in_round = true;
    struct plait_deferred *d = l->fn(missed, l->ctx);
    l->in_round = false;
    if (l->stopped) {
        plait__deferred_drop(d);
        plait_mem_free(l);
    } else if (d) {
        wait_for(l, d);
    } else {
        arm_next(l);
    }
}

static void round_waited(struct plait_result *result, void *ctx)
{
    struct plait_looping *l = ctx;
    l->waits = NULL;
    if (result->fault.err == PLAIT_OK)
        arm_next(l);
    else
        round_failed(l, &result->fault);
}

void plait_looping_stop(struct plait_looping **looping)
{
    struct plait_looping *l = *looping;
    if (!l)
        return;
    *looping = NULL;
    plait_timer_stop(&l->timer);
    if (l->in_round) {
        l->stopped = true;
        return;
    }
    if (l->waits) {
        plait__deferred_forget(l->waits, round_waited, l);
        plait_deferred_cancel(l->waits);
    }
    plait_mem_free(l);
}

/* --- cooperator --------------------------------------------------------------------------------------------------- */

enum { TURN_MS = 10, ROUNDS_MAX = 64 }; /* rounds bound a turn when the clock stands still, as in a simulated world */

struct work {
    struct plait__list link;
    struct plait__coop *coop;
    struct plait_deferred *deferred; /* NULL: cancelled within its own slice */
    const char *name;
    plait_slice_fn fn;
    void *ctx;
};

struct plait__coop {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_timer timer;
    struct plait__list works; /* the next in turn first */
    struct work *current;
};

static void coop_release(struct plait__module *module)
{
    struct plait__coop *coop = plait__container(module, struct plait__coop, module);
    while (!plait__list_empty(&coop->works)) {
        struct work *w = plait__container(coop->works.next, struct work, link);
        plait__list_remove(&w->link);
        plait_fire_fault(w->deferred, plait_fault_make(PLAIT_ECANCELLED, w->name));
        plait_mem_free(w);
    }
    plait_timer_stop(&coop->timer);
    coop->reactor->coop = NULL;
    plait_mem_free(coop);
}

static void work_ends(struct work *w, plait_err err)
{
    plait__list_remove(&w->link);
    if (err == PLAIT_OK)
        plait_fire(w->deferred, plait_value_num(0));
    else
        plait_fire_fault(w->deferred, plait_fault_make(err, w->name));
    plait_mem_free(w);
}

static void cancel_work(struct plait_deferred *deferred, void *ctx)
{
    struct work *w = ctx;
    if (w->coop->current != w) {
        work_ends(w, PLAIT_ECANCELLED);
        return;
    }
    w->deferred = NULL; /* its slice runs: its memory goes when that returns */
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, w->name));
}

static void run_slice(struct plait__coop *coop)
{
    struct work *w = plait__container(coop->works.next, struct work, link);
    plait__list_remove(&w->link);
    plait__list_add_tail(&coop->works, &w->link);
    coop->current = w;
    plait__callback_begin(coop->reactor);
    const plait_err err = w->fn(w->ctx);
    plait__callback_end(coop->reactor, w->name);
    coop->current = NULL;
    if (err != PLAIT_EAGAIN || !w->deferred)
        work_ends(w, err);
}

static size_t works_count(const struct plait__coop *coop)
{
    size_t count = 0;
    for (const struct plait__list *at = coop->works.next; at != &coop->works; at = at->next)
        count++;
    return count;
}

static void run_slices(void *ctx)
{
    struct plait__coop *coop = ctx;
    struct plait_sys *sys = coop->reactor->sys;
    const int64_t end = sys->ops->clock(sys, PLAIT_SYS_MONOTONIC) + plait_millis(TURN_MS);
    size_t slices = works_count(coop) * ROUNDS_MAX;
    while (slices-- > 0 && !plait__list_empty(&coop->works)) {
        run_slice(coop);
        if (sys->ops->clock(sys, PLAIT_SYS_MONOTONIC) >= end)
            break;
    }
    if (!plait__list_empty(&coop->works))
        plait_timer_arm(&coop->timer, 0);
}

static struct plait__coop *coop_of(struct plait_reactor *r)
{
    if (r->coop)
        return r->coop;
    struct plait__coop *coop = plait_mem_new(&r->budget, sizeof *coop);
    if (!coop)
        return NULL;
    coop->reactor = r;
    coop->module.release = coop_release;
    plait__list_init(&coop->works);
    plait_timer_init(&coop->timer, r, "cooperate", run_slices, coop);
    plait__module_add(r, &coop->module);
    r->coop = coop;
    return coop;
}

struct plait_deferred *plait_cooperate(struct plait_reactor *reactor, const char *name, plait_slice_fn fn, void *ctx)
{
    struct plait__coop *coop = coop_of(reactor);
    struct work *w = coop ? plait_mem_new(&reactor->budget, sizeof *w) : NULL;
    if (!w)
        return NULL;
    w->deferred = plait_deferred_new(reactor, name, cancel_work, w);
    if (!w->deferred) {
        plait_mem_free(w);
        return NULL;
    }
    w->coop = coop;
    w->name = name;
    w->fn = fn;
    w->ctx = ctx;
    plait__list_add_tail(&coop->works, &w->link);
    if (!plait_timer_runs(&coop->timer))
        plait_timer_arm(&coop->timer, 0);
    return w->deferred;
}
