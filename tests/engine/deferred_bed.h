/* SPDX-License-Identifier: MIT
 *
 * What the tests of deferreds share: operations that a test fires or cancels, and callbacks.
 */
#ifndef PLAIT_TESTS_ENGINE_DEFERRED_BED_H
#define PLAIT_TESTS_ENGINE_DEFERRED_BED_H

#include "tests/engine/bed.h"

static inline struct plait_deferred *pending(struct bed *b)
{
    struct plait_deferred *d = plait_deferred_new(b->r, "op", NULL, NULL);
    assert_non_null(d);
    return d;
}

static inline void add_one(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_set(result, plait_value_num(result->value.num + 1));
}

struct wait_on {
    struct plait_deferred *other;
};

static inline void wait_it(struct plait_result *result, void *ctx)
{
    struct wait_on *on = ctx;
    plait_result_wait(result, on->other);
}

static inline size_t live(struct bed *b)
{
    size_t n = 0;
    for (struct plait__list *at = b->r->live_deferreds.next; at != &b->r->live_deferreds; at = at->next)
        n++;
    return n;
}

struct op {
    struct plait_deferred *deferred;
    int cancelled;
    int64_t answer; /* fired by the canceller; 0: nothing */
};

static inline void cancel_op(struct plait_deferred *deferred, void *ctx)
{
    struct op *op = ctx;
    op->cancelled++;
    assert_ptr_equal(deferred, op->deferred);
    if (op->answer > 0)
        plait_fire(deferred, plait_value_num(op->answer));
    if (op->answer < 0)
        plait_fire_fault(deferred, fault_of(PLAIT_ECANCELLED));
}

static inline void op_begin(struct bed *b, struct op *op, int64_t answer)
{
    *op = (struct op){.answer = answer};
    op->deferred = plait_deferred_new(b->r, "op", cancel_op, op);
    assert_non_null(op->deferred);
}

#endif
