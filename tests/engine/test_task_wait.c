/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/task.c: what a wait brings and when it ends: faults, deadlines to the moment, awaits that fail.
 */
#include "tests/engine/bed.h"

#include "base/try.h"
#include "engine/task_core.h"

/* What a test's task is given and what it tells. */
struct run {
    struct bed *b;
    struct plait_deferred *op; /* what it awaits */
    struct plait_deferred *op2;
    plait_err err, err2;
    int step;
    struct seen seen;
};

static void spawn(struct bed *b, struct run *run, plait_task_fn fn)
{
    *run = (struct run){.b = b};
    run->op = plait_deferred_new(b->r, "op", NULL, NULL);
    run->op2 = plait_deferred_new(b->r, "op2", NULL, NULL);
    watch_result(plait_task_spawn(b->r, "task", 0, fn, run), &run->seen);
}

/* The operations end late: their producer's references go. */
static void finish(struct run *run)
{
    plait_fire(run->op, plait_value_num(0));
    plait_fire(run->op2, plait_value_num(0));
    bed_run(run->b);
}

static void fail_otherwise(struct plait_result *result, void *ctx)
{
    (void)ctx;
    plait_result_fail(result, fault_of(PLAIT_EPROTOCOL));
}

static plait_err await_changed(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->err = plait_await(t, run->op, NULL);
    assert_null(plait_task_fault(t)->peer);
    run->step = 1;
    return run->err;
}

static void a_fault_that_a_callback_changed_names_no_peer_of_the_old_one(void **state)
{
    struct bed b;
    struct run run;
    struct plait_address peer = {.kind = PLAIT_ADDR_IP4};
    struct plait_fault fault = fault_of(PLAIT_EREFUSED);
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_changed);
    fault.peer = &peer;
    assert_ok(plait_then(run.op, fail_otherwise, NULL));
    plait_fire_fault(run.op, fault);
    bed_run(&b);
    assert_int_equal(run.step, 1);
    assert_err(run.seen.err, PLAIT_EPROTOCOL);
    assert_null(run.seen.fault.peer);
    plait_fire(run.op2, plait_value_num(0));
    bed_close(&b);
}

enum { TICK = 1 << 19 }; /* the wheel's: on whole ticks a timer fires at the very time for which it is armed */

static plait_err await_with_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_task_deadline(t, 20 * TICK);
    run->err = plait_await(t, run->op, NULL);
    return PLAIT_OK;
}

static void a_deadline_is_over_in_the_moment_for_which_it_is_set(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    b.clock = (int64_t)TICK * 4096;
    spawn(&b, &run, await_with_deadline);
    bed_run(&b);
    bed_pass(&b, 20 * TICK);
    assert_int_equal(run.seen.calls, 1);
    assert_err(run.err, PLAIT_ETIMEDOUT);
    finish(&run);
    bed_close(&b);
}

static plait_err stubborn(struct plait_task *t, void *arg)
{
    struct plait_scope scope;
    (void)arg;
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    const plait_err err = plait_task_sleep(t, plait_seconds(1));
    plait_scope_close(&scope);
    return err;
}

static plait_err close_over_stubborn(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_task_deadline(t, plait_millis(10));
    plait_scope_open(t, &scope);
    PLAIT_TRY(plait_scope_spawn(&scope, "stubborn", stubborn, NULL));
    plait_scope_close(&scope);
    run->step = 1;
    return PLAIT_OK;
}

static void a_deadline_that_passed_is_not_waited_for_again(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, close_over_stubborn);
    bed_run(&b);
    bed_pass(&b, plait_millis(11));
    assert_int_equal(run.step, 0);
    assert_true(plait_reactor_next_timeout(b.r) > plait_millis(500));
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(run.step, 1);
    finish(&run);
    bed_close(&b);
}

static plait_err await_after_a_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_task_deadline(t, plait_millis(10));
    run->err = plait_await(t, run->op, NULL);
    plait_scope_close(&scope);
    run->err2 = plait_await(t, run->op2, NULL);
    return run->err2;
}

static void a_deadline_ends_with_its_scope(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_after_a_deadline);
    bed_run(&b);
    plait_fire(run.op, plait_value_num(0));
    bed_run(&b);
    bed_pass(&b, plait_millis(20));
    assert_int_equal(run.seen.calls, 0);
    plait_fire(run.op2, plait_value_num(0));
    bed_run(&b);
    assert_ok(run.err);
    assert_ok(run.seen.err);
    bed_close(&b);
}

static plait_err await_nothing_for_long(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    while (!run->step)
        run->err = plait_await(t, NULL, NULL);
    return PLAIT_OK;
}

static void let_out(void *ctx)
{
    ((struct run *)ctx)->step = 1;
}

static void a_task_whose_awaits_fail_lets_others_run(void **state)
{
    struct bed b;
    struct run run;
    struct plait_soon out;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_nothing_for_long);
    plait_soon_init(&out, b.r, "out", let_out, &run);
    plait_soon_queue(&out); /* behind the task */
    bed_run(&b);
    assert_err(run.err, PLAIT_ENOMEM);
    assert_ok(run.seen.err);
    finish(&run);
    bed_close(&b);
}

static plait_err ask_at_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_task_deadline(t, 0);
    run->step = plait_task_cancelled(t);
    plait_task_deadline(t, PLAIT_NEVER);
    run->step += 2 * plait_task_cancelled(t);
    return PLAIT_OK;
}

static void a_deadline_that_is_now_cancels_at_once(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, ask_at_deadline);
    bed_run(&b);
    assert_int_equal(run.step, 1);
    finish(&run);
    bed_close(&b);
}

static void call_it_fine(struct plait_result *result, void *ctx)
{
    (void)ctx;
    result->fault.err = PLAIT_OK; /* what else it tells stays */
}

static plait_err await_both(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->err = plait_await(t, run->op, NULL);
    run->err2 = plait_await(t, run->op2, NULL);
    return run->err2;
}

static void a_fault_that_a_callback_put_up_with_leaves_nothing(void **state)
{
    struct bed b;
    struct run run;
    struct plait_address peer = {.kind = PLAIT_ADDR_IP4};
    struct plait_fault fault = fault_of(PLAIT_EREFUSED);
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_both);
    fault.peer = &peer;
    assert_ok(plait_then(run.op, call_it_fine, NULL));
    assert_ok(plait_then(run.op2, call_it_fine, NULL));
    plait_fire_fault(run.op, fault);
    bed_run(&b);
    plait_fire_fault(run.op2, fault);
    bed_run(&b);
    assert_ok(run.err);
    assert_ok(run.seen.err);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_fault_that_a_callback_changed_names_no_peer_of_the_old_one),
          cmocka_unit_test(a_deadline_is_over_in_the_moment_for_which_it_is_set),
          cmocka_unit_test(a_deadline_that_passed_is_not_waited_for_again),
          cmocka_unit_test(a_deadline_ends_with_its_scope), cmocka_unit_test(a_task_whose_awaits_fail_lets_others_run),
          cmocka_unit_test(a_deadline_that_is_now_cancels_at_once),
          cmocka_unit_test(a_fault_that_a_callback_put_up_with_leaves_nothing))
