/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/task.c, task_switch.c and stack_kernel.c: straight-line code, cancelling, deadlines, values,
 * stacks, memory.
 */
#include "tests/engine/bed.h"

#include "base/try.h"
#include "engine/task_core.h"

#include <math.h>
#include <sys/resource.h>

/* What a test's task is given and what it tells. */
struct run {
    struct bed *b;
    struct plait_deferred *op; /* what it awaits */
    struct plait_deferred *op2;
    plait_value value;
    plait_err err, err2;
    int step;
    int destroyed;
    struct plait_task *task;
    struct seen seen;
};

static struct plait_deferred *spawn(struct bed *b, struct run *run, plait_task_fn fn)
{
    *run = (struct run){.b = b};
    run->op = plait_deferred_new(b->r, "op", NULL, NULL);
    run->op2 = plait_deferred_new(b->r, "op2", NULL, NULL);
    struct plait_deferred *d = plait_task_spawn(b->r, "task", 0, fn, run);
    assert_non_null(d);
    watch_result(d, &run->seen);
    return d;
}

/* The operations end late: their producer's references go. */
static void finish(struct run *run)
{
    plait_fire(run->op, plait_value_num(0));
    plait_fire(run->op2, plait_value_num(0));
    bed_run(run->b);
}

/* --- straight-line code ------------------------------------------------------------------------------------------- */

static plait_err await_once(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->task = t;
    run->step = 1;
    run->err = plait_await(t, run->op, &run->value);
    run->step = 2;
    return run->err;
}

static void a_task_awaits_a_value(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_once);
    assert_int_equal(run.step, 0); /* its first line runs later */
    bed_run(&b);
    assert_int_equal(run.step, 1);
    assert_ptr_equal(plait_task_reactor(run.task), b.r);
    assert_false(plait_task_cancelled(run.task));
    plait_fire(run.op, plait_value_num(12));
    assert_int_equal(run.step, 1);
    bed_run(&b);
    assert_int_equal(run.step, 2);
    assert_int_equal(run.value.num, 12);
    assert_int_equal(run.seen.calls, 1);
    assert_err(run.seen.err, PLAIT_OK);
    plait_fire(run.op2, plait_value_num(0));
    bed_close(&b);
}

static plait_err await_fault(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->err = plait_await(t, run->op, NULL);
    assert_string_equal(plait_task_fault(t)->step, "test");
    assert_int_equal(plait_task_fault(t)->os_errno, ECONNRESET);
    return run->err;
}

static void a_fault_is_the_awaits_error_and_then_the_tasks(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_fault);
    plait_fire_fault(run.op, plait_fault_os(ECONNRESET, "test"));
    bed_run(&b);
    assert_err(run.err, PLAIT_ERESET);
    assert_err(run.seen.err, PLAIT_ERESET);
    assert_int_equal(run.seen.fault.os_errno, ECONNRESET);
    bed_close(&b);
}

static plait_err own_error(struct plait_task *t, void *arg)
{
    (void)t;
    (void)arg;
    return PLAIT_EPROTOCOL;
}

static void a_tasks_own_error_has_its_name(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, own_error);
    bed_run(&b);
    assert_err(run.seen.err, PLAIT_EPROTOCOL);
    assert_string_equal(run.seen.fault.step, "task");
    bed_close(&b);
}

static plait_err sleeper(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    while (run->step < 3) {
        run->step++;
        PLAIT_TRY(plait_task_sleep(t, plait_millis(10)));
    }
    return PLAIT_OK;
}

static void sleeping_lets_time_pass_and_is_never_short(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, sleeper);
    bed_run(&b);
    assert_int_equal(run.step, 1);
    bed_pass(&b, plait_millis(9));
    assert_int_equal(run.step, 1);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(run.step, 2);
    bed_pass(&b, plait_millis(11));
    bed_pass(&b, plait_millis(11));
    assert_int_equal(run.seen.calls, 1);
    bed_close(&b);
}

struct talk {
    char text[32];
    size_t len;
};

static plait_err say_a(struct plait_task *t, void *arg)
{
    struct talk *talk = arg;
    for (int i = 0; i < 3; i++) {
        talk->text[talk->len++] = 'a';
        PLAIT_TRY(plait_task_yield(t));
    }
    return PLAIT_OK;
}

static plait_err say_b(struct plait_task *t, void *arg)
{
    struct talk *talk = arg;
    for (int i = 0; i < 3; i++) {
        talk->text[talk->len++] = 'b';
        PLAIT_TRY(plait_task_sleep(t, 0)); /* as a yield */
    }
    return PLAIT_OK;
}

static void yielding_lets_the_others_run(void **state)
{
    struct bed b;
    struct talk talk = {.len = 0};
    (void)state;
    bed_open(&b);
    plait_deferred_ignore(plait_task_spawn(b.r, "a", 0, say_a, &talk));
    plait_deferred_ignore(plait_task_spawn(b.r, "b", 0, say_b, &talk));
    bed_run(&b);
    assert_string_equal(talk.text, "ababab");
    bed_close(&b);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static plait_err await_two_values(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_value kept;
    PLAIT_TRY(plait_await(t, run->op, &run->value));
    PLAIT_TRY(plait_await(t, run->op2, &kept));
    assert_int_equal(run->destroyed, 0);
    plait_task_detach(t, kept);
    plait_task_detach(t, plait_value_num(1)); /* of which no scope knows */
    return PLAIT_OK;
}

static void values_go_at_the_tasks_end_unless_detached(void **state)
{
    struct bed b;
    struct run run;
    int detached = 0;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_two_values);
    plait_fire(run.op, counted(&run.destroyed));
    plait_fire(run.op2, counted(&detached));
    bed_run(&b);
    assert_ptr_equal(run.value.ptr, &run.destroyed);
    assert_int_equal(run.destroyed, 1);
    assert_int_equal(detached, 0);
    bed_close(&b);
}

/* --- cancelling --------------------------------------------------------------------------------------------------- */

static plait_err await_twice(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->task = t;
    run->err = plait_await(t, run->op, &run->value);
    run->step = 1;
    run->err2 = plait_await(t, run->op2, NULL);
    run->step = 2;
    if (plait_task_cancelled(t))
        run->step = 3;
    return run->err2;
}

static void cancelling_is_seen_at_once_and_stays(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = spawn(&b, &run, await_twice);
    bed_run(&b);
    plait_deferred_cancel(d);
    assert_int_equal(run.step, 0);
    bed_run(&b);
    assert_int_equal(run.step, 3);
    assert_err(run.err, PLAIT_ECANCELLED);
    assert_err(run.err2, PLAIT_ECANCELLED);
    assert_err(run.seen.err, PLAIT_ECANCELLED);
    finish(&run);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void a_value_that_was_there_before_the_cancelling_counts(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = spawn(&b, &run, await_twice);
    bed_run(&b);
    plait_fire(run.op, plait_value_num(5));
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_err(run.err, PLAIT_OK);
    assert_int_equal(run.value.num, 5);
    assert_err(run.err2, PLAIT_ECANCELLED);
    plait_fire(run.op2, plait_value_num(0));
    bed_close(&b);
}

static void a_task_cancelled_before_its_first_line_runs_and_fails(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = spawn(&b, &run, await_twice);
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_err(run.err, PLAIT_ECANCELLED);
    assert_int_equal(run.step, 3);
    finish(&run);
    bed_close(&b);
}

static plait_err sleep_then_yield(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->err = plait_task_sleep(t, PLAIT_NEVER);
    assert_string_equal(plait_task_fault(t)->step, "sleep");
    run->err2 = plait_task_yield(t);
    assert_string_equal(plait_task_fault(t)->step, "yield");
    assert_err(plait_task_sleep(t, plait_seconds(1)), PLAIT_ECANCELLED);
    return PLAIT_OK;
}

static void sleeping_and_yielding_end_with_cancelling(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = spawn(&b, &run, sleep_then_yield);
    bed_pass(&b, plait_seconds(100000));
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_err(run.err, PLAIT_ECANCELLED);
    assert_err(run.err2, PLAIT_ECANCELLED);
    assert_int_equal(run.seen.calls, 1);
    finish(&run);
    bed_close(&b);
}

static plait_err stubborn(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    while (run->step < 100000) {
        run->step++;
        (void)!plait_task_sleep(t, plait_seconds(1));
    }
    return PLAIT_OK;
}

static void a_task_that_goes_on_regardless_cannot_hold_the_loop(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = spawn(&b, &run, stubborn);
    bed_run(&b);
    plait_deferred_cancel(d);
    assert_ok(plait_reactor_step(b.r, 0));
    assert_in_range(run.step, 2, 99999);
    while (run.step < 100000)
        assert_ok(plait_reactor_step(b.r, 0));
    bed_run(&b);
    finish(&run);
    bed_close(&b);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

static plait_err with_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->task = t;
    plait_task_deadline(t, plait_millis(50));
    run->err = plait_await(t, run->op, NULL);
    assert_true(plait_task_cancelled(t));
    run->err2 = plait_await(t, run->op2, NULL);
    plait_task_deadline(t, PLAIT_NEVER);
    assert_false(plait_task_cancelled(t));
    return plait_task_sleep(t, plait_millis(5));
}

static void a_deadline_is_its_own_error_and_stays_until_taken_off(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, with_deadline);
    bed_run(&b);
    bed_pass(&b, plait_millis(49));
    assert_err(run.err, PLAIT_OK);
    assert_false(plait_task_cancelled(run.task));
    bed_pass(&b, plait_millis(2));
    assert_err(run.err, PLAIT_ETIMEDOUT);
    assert_err(run.err2, PLAIT_ETIMEDOUT);
    bed_pass(&b, plait_millis(6));
    assert_int_equal(run.seen.calls, 1);
    assert_err(run.seen.err, PLAIT_OK);
    finish(&run);
    bed_close(&b);
}

static plait_err sleep_past_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    plait_task_deadline(t, plait_millis(10));
    run->err = plait_task_sleep(t, plait_millis(5));
    run->err2 = plait_task_sleep(t, plait_seconds(5));
    return PLAIT_OK;
}

static void a_sleep_ends_at_the_deadline(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, sleep_past_deadline);
    bed_run(&b);
    bed_pass(&b, plait_millis(6));
    bed_pass(&b, plait_millis(6));
    assert_int_equal(run.seen.calls, 1);
    assert_err(run.err, PLAIT_OK);
    assert_err(run.err2, PLAIT_ETIMEDOUT);
    finish(&run);
    bed_close(&b);
}

/* --- stacks and registers ----------------------------------------------------------------------------------------- */

static long fill_stack(int depth)
{
    volatile char bytes[1024];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)depth;
    return depth == 0 ? bytes[5] : fill_stack(depth - 1) + bytes[7];
}

static plait_err deep(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    run->step = (int)fill_stack(200);
    return plait_task_yield(t);
}

static void a_larger_stack_can_be_asked_for(void **state)
{
    struct bed b;
    struct run run = {.step = 0};
    (void)state;
    bed_open(&b);
    const size_t before = b.r->budget.used;
    struct plait_deferred *d = plait_task_spawn(b.r, "deep", 1024 * 1024, deep, &run);
    watch_result(d, &run.seen);
    assert_true(b.r->budget.used >= before + 1024 * 1024);
    bed_run(&b);
    assert_int_equal(run.seen.calls, 1);
    assert_true(b.r->budget.used < before + 1024 * 1024);
    d = plait_task_spawn(b.r, "tiny", 1, say_a, &(struct talk){.len = 0}); /* gets the least there is */
    watch_result(d, &run.seen);
    bed_run(&b);
    assert_int_equal(run.seen.calls, 1);
    bed_close(&b);
}

static plait_err compute(struct plait_task *t, void *arg)
{
    double *x = arg;
    double sum = *x;
    for (int i = 0; i < 10; i++) {
        sum = sum * 1.5 + i;
        PLAIT_TRY(plait_task_yield(t));
    }
    *x = sum;
    return PLAIT_OK;
}

static void numbers_survive_switching(void **state)
{
    struct bed b;
    double x[8];
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 8; i++) {
        x[i] = i + 0.25;
        plait_deferred_ignore(plait_task_spawn(b.r, "compute", 0, compute, &x[i]));
    }
    bed_run(&b);
    for (int i = 0; i < 8; i++) {
        double sum = i + 0.25;
        for (int n = 0; n < 10; n++)
            sum = sum * 1.5 + n;
        assert_true(fabs(x[i] - sum) < 1e-9);
    }
    bed_close(&b);
}

static plait_err count_up(struct plait_task *t, void *arg)
{
    ++*(int *)arg;
    return plait_task_yield(t);
}

static void stacks_are_used_again_and_only_some_are_kept(void **state)
{
    struct bed b;
    int count = 0;
    (void)state;
    bed_open(&b);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            plait_deferred_ignore(plait_task_spawn(b.r, "count", 0, count_up, &count));
        bed_run(&b);
        assert_int_equal(b.r->tasks->spare_count, 64);
    }
    assert_int_equal(count, 300);
    bed_close(&b);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void without_memory_no_task_is_made(void **state)
{
    struct bed b;
    int count = 0;
    (void)state;
    bed_open(&b);
    bed_fill(&b);
    for (uint64_t n = 1; n <= 2; n++) {
        bed_fail(&b, n == 1 ? 1 : 2); /* the list of tasks; its deferred (the list stays once it is made) */
        if (n == 2)
            bed_fail(&b, 2);
        assert_null(plait_task_spawn(b.r, "count", 0, count_up, &count));
        bed_heal(&b);
    }
    bed_fail(&b, 1);
    assert_null(plait_task_spawn(b.r, "count", 0, count_up, &count));
    bed_heal(&b);
    b.r->budget.max = b.r->budget.used + 1000;
    assert_null(plait_task_spawn(b.r, "count", 100000, count_up, &count)); /* the stack counts in the budget */
    b.r->budget.max = SIZE_MAX;
    assert_null(plait_task_spawn(b.r, "count", SIZE_MAX / 4, count_up, &count)); /* the kernel has no such stack */
    assert_null(plait_task_spawn(b.r, "count", SIZE_MAX, count_up, &count));
    bed_run(&b);
    assert_int_equal(count, 0);
    bed_close(&b);
}

static plait_err await_what_cannot_be(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    bed_fail(run->b, 1);
    run->err2 = plait_await(t, run->op, NULL); /* the item for its value */
    bed_heal(run->b);
    run->err = plait_await(t, NULL, &run->value);
    return PLAIT_OK;
}

static void awaiting_without_memory_fails_and_the_task_goes_on(void **state)
{
    struct bed b;
    struct run run;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_what_cannot_be);
    plait_fire(run.op, counted(&destroyed));
    bed_run(&b);
    assert_err(run.err, PLAIT_ENOMEM);
    assert_err(run.err2, PLAIT_ENOMEM);
    assert_int_equal(destroyed, 1);
    assert_int_equal(run.seen.calls, 1);
    plait_fire(run.op2, plait_value_num(0));
    bed_close(&b);
}

/* --- the reactor's end -------------------------------------------------------------------------------------------- */

static void the_reactors_end_unwinds_every_task(void **state)
{
    struct bed b;
    struct run run;
    struct run other;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, await_twice);
    spawn(&b, &other, sleep_then_yield);
    bed_run(&b);
    bed_close(&b);
    assert_int_equal(run.step, 3);
    assert_err(run.err, PLAIT_ECANCELLED);
    assert_err(other.err, PLAIT_ECANCELLED);
    assert_int_equal(run.seen.calls, 1);
}

static plait_err never_ends(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    PLAIT_TRY(plait_await(t, run->op, NULL));
    for (;;)
        (void)!plait_task_yield(t);
}

static void a_task_that_will_not_end_is_left_and_its_values_destroyed(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, never_ends);
    plait_fire(run.op, counted(&run.destroyed));
    assert_ok(plait_reactor_step(b.r, 0));
    bed_close(&b);
    assert_int_equal(run.destroyed, 1);
    assert_true(bed_logged(&b, "task-abandoned"));
    assert_int_equal(run.seen.calls, 1);
}

static plait_err awaits_for_ever(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    while (run->step >= 0) {
        run->step++;
        (void)!plait_await(t, plait_after(run->b->r, PLAIT_NEVER), NULL);
    }
    return PLAIT_OK;
}

static void a_task_that_awaits_again_and_again_is_left_too(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    struct plait_reactor *r = b.r;
    spawn(&b, &run, awaits_for_ever);
    bed_run(&b);
    b.heap.fail_at = 0;
    plait_reactor_free(&r); /* the task still looks at b.r */
    assert_int_equal(b.heap.live, 0);
    assert_true(run.step > 5);
    assert_true(bed_logged(&b, "task-abandoned"));
}

/* Bytes that this process may write to, as RLIMIT_DATA counts them. */
static uint64_t data_bytes(void)
{
    unsigned long long pages = 0;
    FILE *in = fopen("/proc/self/statm", "r");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%*u %*u %*u %*u %*u %llu", &pages), 1);
    assert_int_equal(fclose(in), 0);
    return pages * plait__stack_round(1);
}

static void a_stack_without_its_guard_is_not_made(void **state)
{
    const uint64_t gigabyte = (uint64_t)1 << 30;
    struct rlimit old;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    const struct rlimit some = {data_bytes() + gigabyte, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_DATA, &some), 0); /* the pages may be had, but not be written to */
    void *stack = plait__stack_map(2 * gigabyte);
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_null(stack);
}

TEST_MAIN(cmocka_unit_test(a_task_awaits_a_value), cmocka_unit_test(a_fault_is_the_awaits_error_and_then_the_tasks),
          cmocka_unit_test(a_tasks_own_error_has_its_name),
          cmocka_unit_test(sleeping_lets_time_pass_and_is_never_short), cmocka_unit_test(yielding_lets_the_others_run),
          cmocka_unit_test(values_go_at_the_tasks_end_unless_detached),
          cmocka_unit_test(cancelling_is_seen_at_once_and_stays),
          cmocka_unit_test(a_value_that_was_there_before_the_cancelling_counts),
          cmocka_unit_test(a_task_cancelled_before_its_first_line_runs_and_fails),
          cmocka_unit_test(sleeping_and_yielding_end_with_cancelling),
          cmocka_unit_test(a_task_that_goes_on_regardless_cannot_hold_the_loop),
          cmocka_unit_test(a_deadline_is_its_own_error_and_stays_until_taken_off),
          cmocka_unit_test(a_sleep_ends_at_the_deadline), cmocka_unit_test(a_larger_stack_can_be_asked_for),
          cmocka_unit_test(numbers_survive_switching), cmocka_unit_test(stacks_are_used_again_and_only_some_are_kept),
          cmocka_unit_test(without_memory_no_task_is_made),
          cmocka_unit_test(awaiting_without_memory_fails_and_the_task_goes_on),
          cmocka_unit_test(the_reactors_end_unwinds_every_task),
          cmocka_unit_test(a_task_that_will_not_end_is_left_and_its_values_destroyed),
          cmocka_unit_test(a_task_that_awaits_again_and_again_is_left_too),
          cmocka_unit_test(a_stack_without_its_guard_is_not_made))
