/* SPDX-License-Identifier: MIT
 *
 * Several deferreds as one: all, settled, any, race; and plait_after, a deferred over a timer. A group hangs a callback
 * on each member; the first thing that decides fires the group's deferred, and the group goes when the last member has
 * told its result.
 *
 * Invariant: a member's deferred is set until its callback has run, so cancelling the rest touches only live ones.
 * Nothing of the group is allocated after it was made.
 * Test: tests/engine/test_deferred_group.c.
 */
#include "engine/deferred_core.h"

enum group_kind { GROUP_ALL, GROUP_SETTLED, GROUP_ANY, GROUP_RACE };

struct member {
    struct group *group;
    struct plait_deferred *deferred; /* NULL: has told its result */
    size_t index;
};

struct group {
    enum group_kind kind;
    struct plait_deferred *deferred; /* NULL: has been fired */
    struct plait_results *results;   /* all and settled */
    size_t left;                     /* members that have not told their result */
    size_t count;
    struct member member[];
};

/* --- results ------------------------------------------------------------------------------------------------------ */

/* What a group's results stand in. The addresses that their faults name are apart, for whoever gets the results may
 * change them. */
struct kept {
    struct plait_results results;
    struct plait_address **peer; /* one a result, NULL where there is none */
    struct plait_result result[];
};

static void results_free(void *ptr)
{
    struct kept *kept = plait__container(ptr, struct kept, results);
    for (size_t i = 0; i < kept->results.count; i++) {
        plait__value_destroy(&kept->result[i].value);
        plait_mem_free(kept->peer[i]);
    }
    plait_mem_free(kept);
}

static struct plait_results *results_new(struct plait_reactor *r, size_t count)
{
    const size_t each = sizeof(struct plait_result) + sizeof(struct plait_address *);
    struct kept *kept = plait_mem_new(&r->budget, sizeof *kept + count * each);
    if (!kept)
        return NULL;
    kept->results.count = count;
    kept->results.result = kept->result;
    kept->peer = (struct plait_address **)(kept->result + count);
    return &kept->results;
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */

static void cancel_rest(struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        plait_deferred_cancel(g->member[i].deferred);
}

static void decide_value(struct group *g, plait_value value)
{
    struct plait_deferred *d = g->deferred;
    g->deferred = NULL;
    plait_fire(d, value);
    cancel_rest(g);
}

static void decide_fault(struct group *g, struct plait_fault fault)
{
    struct plait_deferred *d = g->deferred;
    g->deferred = NULL;
    plait_fire_fault(d, fault);
    cancel_rest(g);
}

static void decide_results(struct group *g)
{
    struct plait_results *results = g->results;
    g->results = NULL;
    decide_value(g, plait_value_ptr(results, results_free));
}

/* The address that a fault names goes with the member's deferred: the results take it over. */
static void keep(struct group *g, size_t index, struct plait_deferred *d, struct plait_result *result)
{
    struct kept *kept = plait__container(g->results, struct kept, results);
    kept->result[index].fault = result->fault;
    kept->peer[index] = d ? plait__deferred_take_peer(d) : NULL;
    kept->result[index].fault.peer = kept->peer[index];
    kept->result[index].value = plait_result_take(result);
}

/* One member's result, while the group is undecided. `d` is NULL where the member could not be made. */
static void look_at(struct group *g, size_t index, struct plait_deferred *d, struct plait_result *result)
{
    const bool failed = result->fault.err != PLAIT_OK;
    if (g->kind == GROUP_SETTLED || (g->kind == GROUP_ALL && !failed)) {
        keep(g, index, d, result);
        if (g->left == 0)
            decide_results(g);
    } else if (!failed) {
        decide_value(g, plait_result_take(result));
    } else if (g->kind != GROUP_ANY || g->left == 0) {
        decide_fault(g, result->fault);
    }
}

static void group_free(struct group *g)
{
    if (g->results)
        results_free(g->results);
    plait_mem_free(g);
}

static void member_done(struct plait_result *result, void *ctx)
{
    struct member *m = ctx;
    struct group *g = m->group;
    struct plait_deferred *d = m->deferred;
    m->deferred = NULL;
    g->left--;
    if (g->deferred)
        look_at(g, m->index, d, result);
    result->fault.err = PLAIT_OK; /* it was looked at, or nobody wants it any more */
    if (g->left == 0)
        group_free(g);
}

static void cancel_group(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    decide_fault(ctx, plait_fault_make(PLAIT_ECANCELLED, "group"));
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void drop_all(struct plait_deferred *const *deferreds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        plait__deferred_drop(deferreds[i]);
}

static bool reserve_all(struct plait_deferred *const *deferreds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (deferreds[i] && plait__deferred_reserve(deferreds[i]) != PLAIT_OK)
            return false;
    }
    return true;
}

/* The parts of a group, with nothing hung on the members yet. */
static struct group *group_parts(struct plait_reactor *r, enum group_kind kind, size_t count)
{
    static const char *const names[] = {"all", "settled", "any", "race"};
    struct group *g = plait_mem_new(&r->budget, sizeof *g + count * sizeof(struct member));
    if (!g)
        return NULL;
    g->kind = kind;
    g->count = count;
    g->left = count;
    if (kind == GROUP_ALL || kind == GROUP_SETTLED)
        g->results = results_new(r, count);
    if (g->results || kind == GROUP_ANY || kind == GROUP_RACE)
        g->deferred = plait_deferred_new(r, names[kind], cancel_group, g);
    if (g->deferred)
        return g;
    group_free(g);
    return NULL;
}

/* Members that could not be made fail at once. */
static void fail_members(struct group *g)
{
    struct plait_result failed = {.fault = plait_fault_make(PLAIT_ENOMEM, "group")};
    for (size_t i = 0, count = g->count; i < count; i++) {
        const bool last = g->left == 1;
        if (g->member[i].deferred)
            continue;
        failed.fault.err = PLAIT_ENOMEM;
        member_done(&failed, &g->member[i]);
        if (last)
            return; /* the group is gone */
    }
}

static void start(struct group *g, struct plait_deferred *const *deferreds)
{
    for (size_t i = 0; i < g->count; i++) {
        struct member *m = &g->member[i];
        m->group = g;
        m->index = i;
        m->deferred = plait_then(deferreds[i], member_done, m) == PLAIT_OK ? deferreds[i] : NULL;
    }
}

static struct plait_deferred *group_new(struct plait_reactor *r, enum group_kind kind,
                                        struct plait_deferred *const *deferreds, size_t count)
{
    if (count == 0 && (kind == GROUP_ANY || kind == GROUP_RACE))
        return plait_deferred_fail(r, plait_fault_make(PLAIT_EINVAL, "group"));
    struct group *g = reserve_all(deferreds, count) ? group_parts(r, kind, count) : NULL;
    if (!g) {
        drop_all(deferreds, count);
        return NULL;
    }
    struct plait_deferred *d = g->deferred;
    start(g, deferreds);
    if (count == 0) {
        decide_results(g);
        group_free(g);
    } else {
        fail_members(g);
    }
    return d;
}

struct plait_deferred *plait_all(struct plait_reactor *reactor, struct plait_deferred *const *deferreds, size_t count)
{
    return group_new(reactor, GROUP_ALL, deferreds, count);
}

struct plait_deferred *plait_settled(struct plait_reactor *reactor, struct plait_deferred *const *deferreds,
                                     size_t count)
{
    return group_new(reactor, GROUP_SETTLED, deferreds, count);
}

struct plait_deferred *plait_any(struct plait_reactor *reactor, struct plait_deferred *const *deferreds, size_t count)
{
    return group_new(reactor, GROUP_ANY, deferreds, count);
}

struct plait_deferred *plait_race(struct plait_reactor *reactor, struct plait_deferred *const *deferreds, size_t count)
{
    return group_new(reactor, GROUP_RACE, deferreds, count);
}

/* --- after -------------------------------------------------------------------------------------------------------- */

struct after {
    struct plait_timer timer;
    struct plait_deferred *deferred;
};

static void after_due(void *ctx)
{
    struct after *after = ctx;
    plait_fire(after->deferred, plait_value_num(0));
    plait_mem_free(after);
}

static void cancel_after(struct plait_deferred *deferred, void *ctx)
{
    struct after *after = ctx;
    plait_timer_stop(&after->timer);
    plait_mem_free(after);
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "after"));
}

struct plait_deferred *plait_after(struct plait_reactor *reactor, plait_span after)
{
    struct after *a = plait_mem_new(&reactor->budget, sizeof *a);
    if (!a)
        return NULL;
    a->deferred = plait_deferred_new(reactor, "after", cancel_after, a);
    if (!a->deferred) {
        plait_mem_free(a);
        return NULL;
    }
    plait_timer_init(&a->timer, reactor, "after", after_due, a);
    if (after != PLAIT_NEVER)
        plait_timer_arm(&a->timer, after);
    return a->deferred;
}
