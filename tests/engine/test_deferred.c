/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/deferred.c: firing, the chain's order, lifetimes, faults that nobody handles, cancelling.
 */
#include "tests/engine/deferred_bed.h"

/* --- helpers ------------------------------------------------------------------------------------------------------ */

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

/* --- firing and the chain ----------------------------------------------------------------------------------------- */

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
    assert_ok(plait_then(on.other, mark_a, &(struct trail){.len = 0}));
    assert_ok(plait_then(on.other, add_last, &on)); /* the places of the first two are free by then */
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

/* --- values and lifetimes ----------------------------------------------------------------------------------------- */

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

/* --- faults that nobody handles ----------------------------------------------------------------------------------- */

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

/* --- cancelling --------------------------------------------------------------------------------------------------- */

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

/* A value becomes a fault that nobody sees, and the chain is told anew that it is to run. */
static void fail_and_cancel(struct plait_result *result, void *ctx)
{
    plait_result_fail(result, fault_of(PLAIT_EIO));
    plait_deferred_cancel(ctx);
}

static size_t times_logged(const struct bed *b, const char *text)
{
    size_t times = 0;
    for (const char *at = strstr(b->log, text); at; at = strstr(at + 1, text))
        times++;
    return times;
}

static void recover_it(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_set(result, plait_value_num(0));
}

static void a_chain_ends_once_and_its_fault_is_logged_once(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct bed b;
        bed_open(&b);
        struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL);
        assert_ok(plait_then(d, recover_it, NULL));
        assert_ok(plait_then(d, fail_and_cancel, d));
        plait_deferred_cancel(d); /* who makes it has still to say that it is over */
        bed_run(&b);
        assert_int_equal(times_logged(&b, "unhandled-fault"), 1);
        if (late)
            plait_fire(d, plait_value_num(0));
        bed_close(&b);
        assert_int_equal(times_logged(&b, "unhandled-fault"), 1);
    }
}

TEST_MAIN(cmocka_unit_test(callbacks_run_in_order_and_later), cmocka_unit_test(a_value_passes_through_the_chain),
          cmocka_unit_test(a_fault_passes_by_value_callbacks_until_handled),
          cmocka_unit_test(a_callback_may_add_callbacks), cmocka_unit_test(the_last_callback_may_add_another),
          cmocka_unit_test(many_callbacks_need_memory), cmocka_unit_test(no_memory_gives_null_and_null_is_a_failure),
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
          cmocka_unit_test(a_canceller_may_fire_something_better),
          cmocka_unit_test(a_cancelled_operation_may_finish_late),
          cmocka_unit_test(a_late_result_may_come_before_the_chain_ran),
          cmocka_unit_test(cancelling_what_has_fired_leaves_it_alone),
          cmocka_unit_test(a_cancelled_fault_is_not_logged_but_another_is),
          cmocka_unit_test(a_chain_ends_once_and_its_fault_is_logged_once))
