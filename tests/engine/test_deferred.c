/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/deferred.c: order, lifetimes, cancelling, waiting, deadlines, and running until one fires.
 */
#include "tests/engine/bed.h"

/* --- helpers ------------------------------------------------------------------------------------------------------------- */

static struct plait_deferred *pending(struct bed *b)
{
    struct plait_deferred *d = plait_deferred_new(b->r, "op", NULL, NULL);
    assert_non_null(d);
    return d;
}

struct trail {
    char text[64];
    size_t len;
};

static void mark(struct trail *trail, char c)
{
    trail->text[trail->len++] = c;
}

static void mark_a(struct plait_result *result, void *ctx)
{
    (void)result;
    mark(ctx, 'a');
}

static void mark_b(struct plait_result *result, void *ctx)
{
    (void)result;
    mark(ctx, 'b');
}

static void mark_c(struct plait_result *result, void *ctx)
{
    (void)result;
    mark(ctx, 'c');
}

static void add_one(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_set(result, plait_value_num(result->value.num + 1));
}

static void fail_it(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_fail(result, fault_of(PLAIT_EPROTOCOL));
}

static void handle_it(struct plait_result *result, void *ctx)
{
    (void)ctx;
    result->fault.err = PLAIT_OK;
}

struct wait_on {
    struct plait_deferred *other;
};

static void wait_it(struct plait_result *result, void *ctx)
{
    struct wait_on *on = ctx;
    plait_result_wait(result, on->other);
}

static size_t live(struct bed *b)
{
    size_t n = 0;
    for (struct plait__list *at = b->r->live_deferreds.next; at != &b->r->live_deferreds; at = at->next)
        n++;
    return n;
}

/* --- firing and the chain -------------------------------------------------------------------------------------------------- */

static void callbacks_run_in_order_and_later(void **state)
{
    struct bed b;
    struct trail trail = {.len = 0};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = pending(&b);
    assert_ok(plait_then(d, mark_a, &trail));
    assert_ok(plait_then(d, mark_b, &trail));
    assert_false(plait_deferred_fired(d));
    plait_fire(d, plait_value_num(1));
    assert_true(plait_deferred_fired(d));
    assert_ok(plait_then(d, mark_c, &trail));
    assert_string_equal(trail.text, "");
    bed_run(&b);
    assert_string_equal(trail.text, "abc");
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void a_value_passes_through_the_chain(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(40));
    assert_ok(plait_then_ok(d, add_one, NULL));
    assert_ok(plait_then_fault(d, fail_it, NULL));
    assert_ok(plait_then_ok(d, add_one, NULL));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.num, 42);
    assert_err(seen.err, PLAIT_OK);
    bed_close(&b);
}

static void a_fault_passes_by_value_callbacks_until_handled(void **state)
{
    struct bed b;
    struct trail trail = {.len = 0};
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_fail(b.r, fault_of(PLAIT_EIO));
    assert_ok(plait_then_ok(d, mark_a, &trail));
    assert_ok(plait_then_fault(d, mark_b, &trail));
    assert_ok(plait_then_fault(d, handle_it, NULL));
    assert_ok(plait_then_ok(d, mark_c, &trail));
    watch_result(d, &seen);
    bed_run(&b);
    assert_string_equal(trail.text, "bc");
    assert_err(seen.err, PLAIT_OK);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void add_during(struct plait_result *result, void *ctx)
{
    struct wait_on *on = ctx;
    (void)result;
    assert_ok(plait_then(on->other, add_one, NULL));
    assert_ok(plait_then(on->other, add_one, NULL));
}

static void a_callback_may_add_callbacks(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct wait_on on;
    struct plait_deferred *d = pending(&b);
    on.other = d;
    assert_ok(plait_then(d, add_during, &on));
    plait_fire(d, plait_value_num(0));
    plait_value value;
    assert_ok(plait_reactor_run_until(b.r, d, &value));
    assert_int_equal(value.num, 0); /* run_until's own callback came first */
    bed_run(&b);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void add_last(struct plait_result *result, void *ctx)
{
    struct wait_on *on = ctx;
    (void)result;
    assert_ok(plait_then(on->other, add_one, NULL));
}

static void the_last_callback_may_add_another(void **state)
{
    struct bed b;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    struct wait_on on = {pending(&b)};
    assert_ok(plait_then(on.other, add_last, &on));
    plait_fire(on.other, counted(&destroyed));
    bed_run(&b);
    assert_int_equal(destroyed, 1); /* add_one put its own value in */
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void many_callbacks_need_memory(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = pending(&b);
    assert_ok(plait_then(d, add_one, NULL));
    assert_ok(plait_then(d, add_one, NULL));
    bed_fail(&b, 1);
    assert_err(plait_then(d, add_one, NULL), PLAIT_ENOMEM);
    bed_heal(&b);
    for (int i = 0; i < 100; i++)
        assert_ok(plait_then(d, add_one, NULL));
    watch_result(d, &seen);
    plait_fire(d, plait_value_num(0));
    bed_run(&b);
    assert_int_equal(seen.num, 102);
    bed_close(&b);
}

static void no_memory_gives_null_and_null_is_a_failure(void **state)
{
    struct bed b;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_null(plait_deferred_new(b.r, "op", NULL, NULL));
    assert_null(plait_deferred_succeed(b.r, counted(&destroyed)));
    assert_int_equal(destroyed, 1);
    assert_null(plait_deferred_fail(b.r, fault_of(PLAIT_EIO)));
    bed_heal(&b);
    assert_err(plait_then(NULL, mark_a, NULL), PLAIT_ENOMEM);
    assert_err(plait_then_ok(NULL, mark_a, NULL), PLAIT_ENOMEM);
    assert_err(plait_then_fault(NULL, mark_a, NULL), PLAIT_ENOMEM);
    plait_deferred_cancel(NULL);
    plait_deferred_ignore(NULL);
    plait_deferred_deadline(NULL, 1);
    assert_true(plait_deferred_fired(NULL));
    plait_fire(NULL, counted(&destroyed));
    assert_int_equal(destroyed, 2);
    assert_err(plait_reactor_run_until(b.r, NULL, NULL), PLAIT_ENOMEM);
    bed_close(&b);
}

/* --- values and lifetimes -------------------------------------------------------------------------------------------------- */

static void take_it(struct plait_result *result, void *ctx)
{
    *(plait_value *)ctx = plait_result_take(result);
}

static void what_nobody_takes_is_destroyed_once(void **state)
{
    struct bed b;
    int destroyed = 0;
    struct seen seen;
    (void)state;
    bed_open(&b);
    watch_result(plait_deferred_succeed(b.r, counted(&destroyed)), &seen);
    bed_run(&b);
    assert_ptr_equal(seen.ptr, &destroyed);
    assert_int_equal(destroyed, 1);
    bed_close(&b);
}

static void what_is_taken_is_the_takers(void **state)
{
    struct bed b;
    int destroyed = 0;
    plait_value taken = {NULL, 0, NULL};
    (void)state;
    bed_open(&b);
    assert_ok(plait_then(plait_deferred_succeed(b.r, counted(&destroyed)), take_it, &taken));
    bed_run(&b);
    assert_ptr_equal(taken.ptr, &destroyed);
    assert_int_equal(destroyed, 0);
    bed_close(&b);
}

static void replacing_and_failing_destroy_the_value(void **state)
{
    struct bed b;
    int destroyed = 0;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_succeed(b.r, counted(&destroyed));
    assert_ok(plait_then(d, add_one, NULL));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(destroyed, 1);
    d = plait_deferred_succeed(b.r, counted(&destroyed));
    assert_ok(plait_then(d, fail_it, NULL));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(destroyed, 2);
    assert_err(seen.err, PLAIT_EPROTOCOL);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void a_second_firing_only_destroys_its_value(void **state)
{
    struct bed b;
    int destroyed = 0;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = pending(&b);
    watch_result(d, &seen);
    plait_fire(d, plait_value_num(7));
    plait_fire(d, counted(&destroyed));
    assert_int_equal(destroyed, 1);
    bed_run(&b);
    assert_int_equal(seen.num, 7);
    assert_int_equal(seen.calls, 1);
    bed_close(&b);
}

static void without_callbacks_a_result_waits_for_one(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(5));
    bed_run(&b);
    bed_run(&b);
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(seen.num, 5);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void ignoring_destroys_the_value_before_and_after_firing(void **state)
{
    struct bed b;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    plait_deferred_ignore(plait_deferred_succeed(b.r, counted(&destroyed)));
    struct plait_deferred *d = pending(&b);
    plait_deferred_ignore(d);
    bed_run(&b);
    assert_int_equal(destroyed, 1);
    plait_fire(d, counted(&destroyed));
    bed_run(&b);
    assert_int_equal(destroyed, 2);
    plait_deferred_ignore(plait_deferred_fail(b.r, fault_of(PLAIT_EIO)));
    bed_run(&b);
    assert_string_equal(b.log, "");
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void the_reactors_end_destroys_what_was_never_looked_at(void **state)
{
    struct bed b;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    assert_non_null(plait_deferred_succeed(b.r, counted(&destroyed)));
    assert_non_null(plait_deferred_fail(b.r, fault_of(PLAIT_EIO)));
    assert_non_null(pending(&b));
    bed_close(&b);
    assert_int_equal(destroyed, 1);
    assert_true(bed_logged(&b, "unhandled-fault"));
}

static void the_reactors_end_cancels_what_has_not_fired(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    watch_result(pending(&b), &seen);
    bed_close(&b);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_ECANCELLED);
}

/* --- faults that nobody handles ---------------------------------------------------------------------------------------------- */

static void an_unhandled_fault_is_logged_with_its_name(void **state)
{
    struct bed b;
    struct trail trail = {.len = 0};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = pending(&b);
    assert_ok(plait_then_ok(d, mark_a, &trail));
    plait_fire_fault(d, fault_of(PLAIT_ERESET));
    bed_run(&b);
    assert_int_equal(trail.len, 0);
    assert_true(bed_logged(&b, "unhandled-fault"));
    assert_true(bed_logged(&b, "op"));
    bed_close(&b);
}

static void a_fault_made_by_the_last_callback_is_logged(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(plait_then(plait_deferred_succeed(b.r, plait_value_num(1)), fail_it, NULL));
    bed_run(&b);
    assert_true(bed_logged(&b, "unhandled-fault"));
    bed_close(&b);
}

static void a_fault_that_the_last_callback_saw_is_not_logged(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    watch_result(plait_deferred_fail(b.r, fault_of(PLAIT_EIO)), &seen);
    bed_run(&b);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void a_fault_seen_early_and_left_to_pass_by_is_logged(void **state)
{
    struct bed b;
    struct seen seen;
    struct trail trail = {.len = 0};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_fail(b.r, fault_of(PLAIT_EIO));
    watch_result(d, &seen);
    assert_ok(plait_then_ok(d, mark_a, &trail));
    bed_run(&b);
    assert_true(bed_logged(&b, "unhandled-fault"));
    bed_close(&b);
}

/* --- cancelling -------------------------------------------------------------------------------------------------------------- */

struct op {
    struct plait_deferred *deferred;
    int cancelled;
    int64_t answer; /* fired by the canceller; 0: nothing */
};

static void cancel_op(struct plait_deferred *deferred, void *ctx)
{
    struct op *op = ctx;
    op->cancelled++;
    assert_ptr_equal(deferred, op->deferred);
    if (op->answer > 0)
        plait_fire(deferred, plait_value_num(op->answer));
    if (op->answer < 0)
        plait_fire_fault(deferred, fault_of(PLAIT_ECANCELLED));
}

static void op_begin(struct bed *b, struct op *op, int64_t answer)
{
    *op = (struct op){.answer = answer};
    op->deferred = plait_deferred_new(b->r, "op", cancel_op, op);
    assert_non_null(op->deferred);
}

static void cancel_reaches_the_operation_and_the_chain(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    watch_result(op.deferred, &seen);
    plait_deferred_cancel(op.deferred);
    assert_int_equal(op.cancelled, 1);
    assert_int_equal(seen.calls, 0);
    plait_deferred_cancel(op.deferred);
    assert_int_equal(op.cancelled, 1);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void a_canceller_may_fire_something_better(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 9);
    watch_result(op.deferred, &seen);
    plait_deferred_cancel(op.deferred);
    bed_run(&b);
    assert_err(seen.err, PLAIT_OK);
    assert_int_equal(seen.num, 9);
    bed_close(&b);
}

static void a_cancelled_operation_may_finish_late(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 0);
    watch_result(op.deferred, &seen);
    plait_deferred_cancel(op.deferred);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(live(&b), 1); /* the producer's reference */
    plait_fire(op.deferred, counted(&destroyed));
    assert_int_equal(destroyed, 1);
    assert_int_equal(live(&b), 0);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    bed_close(&b);
}

static void a_late_result_may_come_before_the_chain_ran(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 0);
    watch_result(op.deferred, &seen);
    plait_deferred_cancel(op.deferred);
    plait_fire(op.deferred, counted(&destroyed));
    assert_int_equal(destroyed, 1);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void cancelling_what_has_fired_leaves_it_alone(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 0);
    watch_result(op.deferred, &seen);
    plait_fire(op.deferred, plait_value_num(3));
    plait_deferred_cancel(op.deferred);
    bed_run(&b);
    assert_int_equal(op.cancelled, 0);
    assert_int_equal(seen.num, 3);
    plait_deferred_cancel(plait_deferred_succeed(b.r, counted(&destroyed)));
    bed_run(&b);
    assert_int_equal(destroyed, 1);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void a_cancelled_fault_is_not_logged_but_another_is(void **state)
{
    struct bed b;
    struct op op;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    plait_deferred_cancel(op.deferred);
    bed_run(&b);
    assert_string_equal(b.log, "");
    plait_deferred_cancel(plait_deferred_fail(b.r, fault_of(PLAIT_EIO)));
    bed_run(&b);
    assert_true(bed_logged(&b, "unhandled-fault"));
    bed_close(&b);
}

/* --- waiting for another ------------------------------------------------------------------------------------------------------ */

static void a_chain_waits_and_goes_on_with_the_others_result(void **state)
{
    struct bed b;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    struct wait_on on = {pending(&b)};
    assert_ok(plait_then(on.other, add_one, NULL));
    struct plait_deferred *d = plait_deferred_succeed(b.r, counted(&destroyed));
    assert_ok(plait_then(d, wait_it, &on));
    assert_ok(plait_then(d, add_one, NULL));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(destroyed, 1);
    assert_int_equal(seen.calls, 0);
    plait_fire(on.other, plait_value_num(10));
    bed_run(&b);
    assert_int_equal(seen.num, 12);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void waiting_for_a_fired_one_without_callbacks_works(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct wait_on on = {plait_deferred_succeed(b.r, plait_value_num(4))};
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(d, wait_it, &on));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(seen.num, 4);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void waiting_for_null_is_a_fault(void **state)
{
    struct bed b;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    struct wait_on on = {NULL};
    struct plait_deferred *d = plait_deferred_succeed(b.r, counted(&destroyed));
    assert_ok(plait_then(d, wait_it, &on));
    watch_result(d, &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ENOMEM);
    assert_int_equal(destroyed, 1);
    bed_close(&b);
}

static void waiting_for_itself_or_twice_is_a_fault(void **state)
{
    struct bed b;
    struct seen seen;
    struct seen second;
    (void)state;
    bed_open(&b);
    struct wait_on on;
    on.other = pending(&b);
    assert_ok(plait_then(on.other, wait_it, &on));
    watch_result(on.other, &seen);
    plait_fire(on.other, plait_value_num(0));
    bed_run(&b);
    assert_err(seen.err, PLAIT_ESTATE);
    on.other = pending(&b);
    struct plait_deferred *one = plait_deferred_succeed(b.r, plait_value_num(0));
    struct plait_deferred *two = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(one, wait_it, &on));
    assert_ok(plait_then(two, wait_it, &on));
    watch_result(one, &seen);
    watch_result(two, &second);
    bed_run(&b);
    assert_err(second.err, PLAIT_ESTATE);
    plait_fire(on.other, plait_value_num(6));
    bed_run(&b);
    assert_int_equal(seen.num, 6);
    bed_close(&b);
}

static void wait_then_set(struct plait_result *result, void *ctx)
{
    wait_it(result, ctx);
    plait_result_set(result, plait_value_num(77));
}

static void setting_a_value_gives_the_wait_up(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    struct wait_on on = {op.deferred};
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(d, wait_then_set, &on));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(op.cancelled, 1);
    assert_int_equal(seen.num, 77);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void cancelling_a_waiting_chain_reaches_the_innermost(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    struct wait_on inner = {op.deferred};
    struct plait_deferred *middle = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(middle, wait_it, &inner));
    struct wait_on outer = {middle};
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(d, wait_it, &outer));
    watch_result(d, &seen);
    bed_run(&b);
    plait_deferred_cancel(d);
    assert_int_equal(op.cancelled, 1);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(live(&b), 0);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------------------- */

static void a_deadline_cancels_and_says_timed_out(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    watch_result(op.deferred, &seen);
    plait_deferred_deadline(op.deferred, plait_millis(100));
    bed_pass(&b, plait_millis(99));
    assert_int_equal(op.cancelled, 0);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(op.cancelled, 1);
    assert_err(seen.err, PLAIT_ETIMEDOUT);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void a_deadline_that_the_operation_meets_does_nothing(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 0);
    watch_result(op.deferred, &seen);
    plait_deferred_deadline(op.deferred, plait_millis(100));
    plait_fire(op.deferred, plait_value_num(1));
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(seen.num, 1);
    assert_int_equal(seen.calls, 1);
    struct plait_deferred *kept = plait_deferred_succeed(b.r, plait_value_num(2));
    plait_deferred_deadline(kept, plait_millis(1));
    bed_pass(&b, plait_seconds(1));
    watch_result(kept, &seen);
    bed_run(&b);
    assert_int_equal(seen.num, 2);
    bed_close(&b);
}

static void the_last_deadline_counts_and_never_takes_it_off(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    watch_result(op.deferred, &seen);
    plait_deferred_deadline(op.deferred, plait_millis(10));
    plait_deferred_deadline(op.deferred, plait_seconds(10));
    bed_pass(&b, plait_seconds(5));
    assert_int_equal(seen.calls, 0);
    plait_deferred_deadline(op.deferred, PLAIT_NEVER);
    bed_pass(&b, plait_seconds(50));
    assert_int_equal(seen.calls, 0);
    plait_fire(op.deferred, plait_value_num(1));
    bed_run(&b);
    assert_int_equal(seen.num, 1);
    bed_close(&b);
}

static void a_deadline_counts_for_what_the_chain_waits_for(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 0);
    struct wait_on on = {op.deferred};
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(0));
    plait_deferred_deadline(d, plait_millis(10));
    assert_ok(plait_then(d, wait_it, &on));
    watch_result(d, &seen);
    bed_run(&b);
    bed_pass(&b, plait_millis(11));
    assert_int_equal(op.cancelled, 1);
    assert_err(seen.err, PLAIT_ETIMEDOUT);
    plait_fire(op.deferred, plait_value_num(1));
    bed_close(&b);
}

static void an_answer_at_the_deadline_counts(void **state)
{
    struct bed b;
    struct op op;
    struct seen seen;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, 5);
    watch_result(op.deferred, &seen);
    plait_deferred_deadline(op.deferred, plait_millis(10));
    bed_pass(&b, plait_millis(11));
    assert_err(seen.err, PLAIT_OK);
    assert_int_equal(seen.num, 5);
    bed_close(&b);
}

/* --- running until ---------------------------------------------------------------------------------------------------------- */

static void run_until_gives_the_value_or_the_error(void **state)
{
    struct bed b;
    int destroyed = 0;
    plait_value value;
    (void)state;
    bed_open(&b);
    assert_ok(plait_reactor_run_until(b.r, plait_deferred_succeed(b.r, counted(&destroyed)), &value));
    assert_ptr_equal(value.ptr, &destroyed);
    assert_int_equal(destroyed, 0);
    assert_ok(plait_reactor_run_until(b.r, plait_deferred_succeed(b.r, counted(&destroyed)), NULL));
    assert_int_equal(destroyed, 1);
    assert_err(plait_reactor_run_until(b.r, plait_deferred_fail(b.r, fault_of(PLAIT_EREFUSED)), &value), PLAIT_EREFUSED);
    assert_null(value.ptr);
    bed_close(&b);
}

static void stop_it(struct plait_result *result, void *ctx)
{
    (void)result;
    plait_reactor_stop(ctx);
}

static void run_until_ends_when_the_reactor_stops(void **state)
{
    struct bed b;
    struct op op;
    (void)state;
    bed_open(&b);
    op_begin(&b, &op, -1);
    assert_ok(plait_then(plait_deferred_succeed(b.r, plait_value_num(0)), stop_it, b.r));
    assert_err(plait_reactor_run_until(b.r, op.deferred, NULL), PLAIT_ECANCELLED);
    assert_int_equal(op.cancelled, 1);
    assert_ok(plait_reactor_run_until(b.r, plait_deferred_succeed(b.r, plait_value_num(0)), NULL));
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static void run_inside(struct plait_result *result, void *ctx)
{
    struct bed *b = ctx;
    (void)result;
    assert_err(plait_reactor_run_until(b->r, plait_deferred_succeed(b->r, plait_value_num(0)), NULL), PLAIT_ESTATE);
}

static void run_until_inside_a_callback_is_refused(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(plait_then(plait_deferred_succeed(b.r, plait_value_num(0)), run_inside, &b));
    bed_run(&b);
    assert_int_equal(live(&b), 0);
    bed_close(&b);
}

static int wait_fails(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys;
    (void)epfd;
    (void)events;
    (void)max;
    (void)wait_ns;
    return -EIO;
}

static void run_until_tells_of_a_wait_that_fails(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    b.ops.epoll_wait = wait_fails;
    struct op op;
    op_begin(&b, &op, -1);
    assert_err(plait_reactor_run_until(b.r, op.deferred, NULL), PLAIT_EIO);
    b.ops.epoll_wait = plait__sys_kernel()->ops->epoll_wait;
    bed_close(&b);
}

static void a_reactor_without_memory_for_a_part_is_not_made(void **state)
{
    struct bed b;
    uint64_t n = 0;
    (void)state;
    while (!bed_try(&b, ++n, false))
        assert_int_equal(b.heap.live, 0);
    assert_true(n > 5);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(callbacks_run_in_order_and_later), cmocka_unit_test(a_value_passes_through_the_chain),
          cmocka_unit_test(a_fault_passes_by_value_callbacks_until_handled), cmocka_unit_test(a_callback_may_add_callbacks),
          cmocka_unit_test(the_last_callback_may_add_another), cmocka_unit_test(many_callbacks_need_memory),
          cmocka_unit_test(no_memory_gives_null_and_null_is_a_failure),
          cmocka_unit_test(what_nobody_takes_is_destroyed_once), cmocka_unit_test(what_is_taken_is_the_takers),
          cmocka_unit_test(replacing_and_failing_destroy_the_value),
          cmocka_unit_test(a_second_firing_only_destroys_its_value),
          cmocka_unit_test(without_callbacks_a_result_waits_for_one),
          cmocka_unit_test(ignoring_destroys_the_value_before_and_after_firing),
          cmocka_unit_test(the_reactors_end_destroys_what_was_never_looked_at),
          cmocka_unit_test(the_reactors_end_cancels_what_has_not_fired),
          cmocka_unit_test(an_unhandled_fault_is_logged_with_its_name),
          cmocka_unit_test(a_fault_made_by_the_last_callback_is_logged),
          cmocka_unit_test(a_fault_that_the_last_callback_saw_is_not_logged),
          cmocka_unit_test(a_fault_seen_early_and_left_to_pass_by_is_logged),
          cmocka_unit_test(cancel_reaches_the_operation_and_the_chain),
          cmocka_unit_test(a_canceller_may_fire_something_better), cmocka_unit_test(a_cancelled_operation_may_finish_late),
          cmocka_unit_test(a_late_result_may_come_before_the_chain_ran),
          cmocka_unit_test(cancelling_what_has_fired_leaves_it_alone),
          cmocka_unit_test(a_cancelled_fault_is_not_logged_but_another_is),
          cmocka_unit_test(a_chain_waits_and_goes_on_with_the_others_result),
          cmocka_unit_test(waiting_for_a_fired_one_without_callbacks_works),
          cmocka_unit_test(waiting_for_null_is_a_fault), cmocka_unit_test(waiting_for_itself_or_twice_is_a_fault),
          cmocka_unit_test(setting_a_value_gives_the_wait_up),
          cmocka_unit_test(cancelling_a_waiting_chain_reaches_the_innermost),
          cmocka_unit_test(a_deadline_cancels_and_says_timed_out),
          cmocka_unit_test(a_deadline_that_the_operation_meets_does_nothing),
          cmocka_unit_test(the_last_deadline_counts_and_never_takes_it_off),
          cmocka_unit_test(a_deadline_counts_for_what_the_chain_waits_for),
          cmocka_unit_test(an_answer_at_the_deadline_counts), cmocka_unit_test(run_until_gives_the_value_or_the_error),
          cmocka_unit_test(run_until_ends_when_the_reactor_stops), cmocka_unit_test(run_until_inside_a_callback_is_refused),
          cmocka_unit_test(run_until_tells_of_a_wait_that_fails),
          cmocka_unit_test(a_reactor_without_memory_for_a_part_is_not_made))
