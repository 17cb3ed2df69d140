/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/deferred.c: chains that wait for other deferreds, deadlines, and running until one fires.
 */
#include "tests/engine/deferred_bed.h"

/* --- waiting for another ------------------------------------------------------------------------------------------ */

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

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

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

/* --- running until ------------------------------------------------------------------------------------------------ */

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
    assert_err(plait_reactor_run_until(b.r, plait_deferred_fail(b.r, fault_of(PLAIT_EREFUSED)), &value),
               PLAIT_EREFUSED);
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

static void the_deadline_of_what_was_cancelled_is_over(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "op", NULL, NULL); /* whose end comes later */
    watch_result(d, &seen);
    plait_deferred_deadline(d, plait_seconds(5));
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(plait_reactor_next_timeout(b.r), PLAIT_NEVER);
    plait_fire(d, plait_value_num(0));
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_chain_waits_and_goes_on_with_the_others_result),
          cmocka_unit_test(waiting_for_a_fired_one_without_callbacks_works),
          cmocka_unit_test(waiting_for_null_is_a_fault), cmocka_unit_test(waiting_for_itself_or_twice_is_a_fault),
          cmocka_unit_test(setting_a_value_gives_the_wait_up),
          cmocka_unit_test(cancelling_a_waiting_chain_reaches_the_innermost),
          cmocka_unit_test(a_deadline_cancels_and_says_timed_out),
          cmocka_unit_test(a_deadline_that_the_operation_meets_does_nothing),
          cmocka_unit_test(the_last_deadline_counts_and_never_takes_it_off),
          cmocka_unit_test(a_deadline_counts_for_what_the_chain_waits_for),
          cmocka_unit_test(an_answer_at_the_deadline_counts), cmocka_unit_test(run_until_gives_the_value_or_the_error),
          cmocka_unit_test(run_until_ends_when_the_reactor_stops),
          cmocka_unit_test(run_until_inside_a_callback_is_refused),
          cmocka_unit_test(run_until_tells_of_a_wait_that_fails),
          cmocka_unit_test(a_reactor_without_memory_for_a_part_is_not_made),
          cmocka_unit_test(the_deadline_of_what_was_cancelled_is_over))
