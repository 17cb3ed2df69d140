/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/scope.c: values of a stretch of code, nested deadlines, shields, children that cannot outlive
 * their scope.
 */
#include "tests/engine/bed.h"

#include "base/try.h"

#include <plait/task.h>

enum { OPS = 4 };

struct run {
    struct bed *b;
    struct plait_deferred *op[OPS];
    plait_err err[8];
    int destroyed[OPS];
    int ended; /* children */
    int step;
    struct plait_deferred *task;
    struct seen seen;
};

static void spawn(struct bed *b, struct run *run, plait_task_fn fn)
{
    *run = (struct run){.b = b};
    for (size_t i = 0; i < OPS; i++)
        run->op[i] = plait_deferred_new(b->r, "op", NULL, NULL);
    run->task = plait_task_spawn(b->r, "task", 0, fn, run);
    assert_non_null(run->task);
    watch_result(run->task, &run->seen);
}

/* Operations end, early or late. */
static void finish(struct run *run)
{
    for (size_t i = 0; i < OPS; i++) {
        plait_fire(run->op[i], plait_value_num(0));
        run->op[i] = NULL;
    }
    bed_run(run->b);
    assert_int_equal(run->seen.calls, 1);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static plait_err nested_values(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_value outer;
    plait_value inner;
    PLAIT_TRY(plait_await(t, run->op[0], &outer));
    plait_scope_open(t, &scope);
    PLAIT_TRY(plait_await(t, run->op[1], &inner));
    PLAIT_TRY(plait_await(t, run->op[2], NULL));
    plait_task_detach(t, outer); /* from the outer scope */
    assert_int_equal(run->destroyed[1] + run->destroyed[2], 0);
    plait_scope_close(&scope);
    assert_int_equal(run->destroyed[1], 1);
    assert_int_equal(run->destroyed[2], 1);
    return PLAIT_OK;
}

static void values_go_at_the_scopes_end(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, nested_values);
    for (size_t i = 0; i < 3; i++)
        plait_fire(run.op[i], counted(&run.destroyed[i]));
    bed_run(&b);
    run.op[0] = run.op[1] = run.op[2] = NULL;
    finish(&run);
    assert_err(run.seen.err, PLAIT_OK);
    assert_int_equal(run.destroyed[0], 0);
    bed_close(&b);
}

/* --- deadlines and shields ---------------------------------------------------------------------------------------- */

static plait_err inner_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_task_deadline(t, plait_millis(10));
    run->err[0] = plait_await(t, run->op[0], NULL);
    run->err[1] = plait_await(t, run->op[1], NULL);
    plait_scope_close(&scope);
    run->err[2] = plait_await(t, run->op[2], NULL);
    return PLAIT_OK;
}

static void a_scopes_deadline_ends_with_the_scope(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, inner_deadline);
    bed_run(&b);
    bed_pass(&b, plait_millis(11));
    assert_err(run.err[0], PLAIT_ETIMEDOUT);
    assert_err(run.err[1], PLAIT_ETIMEDOUT);
    finish(&run);
    assert_err(run.err[2], PLAIT_OK);
    bed_close(&b);
}

static plait_err outer_deadline(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_task_deadline(t, plait_millis(10));
    plait_scope_open(t, &scope);
    plait_task_deadline(t, plait_seconds(10));
    run->err[0] = plait_await(t, run->op[0], NULL);
    plait_scope_close(&scope);
    run->err[1] = plait_await(t, run->op[1], NULL);
    return PLAIT_OK;
}

static void a_nearer_deadline_around_a_scope_counts(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, outer_deadline);
    bed_run(&b);
    bed_pass(&b, plait_millis(11));
    assert_err(run.err[0], PLAIT_ETIMEDOUT);
    assert_err(run.err[1], PLAIT_ETIMEDOUT);
    finish(&run);
    bed_close(&b);
}

static plait_err clean_up_shielded(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    run->err[0] = plait_await(t, run->op[0], NULL);
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    plait_task_deadline(t, plait_millis(10));
    run->err[1] = plait_await(t, run->op[1], NULL);
    run->err[2] = plait_task_sleep(t, plait_millis(1));
    run->err[3] = plait_await(t, run->op[2], NULL); /* beyond the shield's own deadline */
    plait_scope_close(&scope);
    run->err[4] = plait_await(t, run->op[3], NULL);
    return PLAIT_OK;
}

static void a_shield_lets_a_cancelled_task_clean_up(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, clean_up_shielded);
    bed_run(&b);
    plait_deferred_cancel(run.task);
    bed_run(&b);
    assert_err(run.err[0], PLAIT_ECANCELLED);
    plait_fire(run.op[1], plait_value_num(0));
    run.op[1] = NULL;
    bed_run(&b);
    assert_err(run.err[1], PLAIT_OK);
    bed_pass(&b, plait_millis(2));
    assert_err(run.err[2], PLAIT_OK);
    bed_pass(&b, plait_millis(10));
    assert_err(run.err[3], PLAIT_ETIMEDOUT);
    assert_err(run.err[4], PLAIT_ECANCELLED);
    finish(&run);
    bed_close(&b);
}

static plait_err shielded_wait(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    run->err[0] = plait_await(t, run->op[0], NULL);
    run->err[1] = plait_task_cancelled(t) ? PLAIT_ECANCELLED : PLAIT_OK;
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void cancelling_waits_behind_a_shield(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, shielded_wait);
    bed_run(&b);
    plait_deferred_cancel(run.task);
    bed_run(&b);
    plait_fire(run.op[0], plait_value_num(0));
    run.op[0] = NULL;
    bed_run(&b);
    assert_err(run.err[0], PLAIT_OK);
    assert_err(run.err[1], PLAIT_ECANCELLED);
    finish(&run);
    bed_close(&b);
}

/* --- children ----------------------------------------------------------------------------------------------------- */

static plait_err child_sleeps(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    const plait_err err = plait_task_sleep(t, plait_millis(10));
    run->ended++;
    return err;
}

static plait_err child_fails(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    const plait_err err = plait_task_sleep(t, plait_millis(5));
    run->ended++;
    return err == PLAIT_OK ? PLAIT_EREFUSED : err;
}

static plait_err join_three(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    for (int i = 0; i < 3; i++)
        run->err[i] = plait_scope_spawn(&scope, "child", child_sleeps, run);
    run->err[3] = plait_scope_join(&scope);
    run->step = run->ended;
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void joining_waits_for_all_children(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, join_three);
    bed_run(&b);
    assert_int_equal(run.ended, 0);
    bed_pass(&b, plait_millis(11));
    assert_int_equal(run.step, 3);
    assert_err(run.err[3], PLAIT_OK);
    finish(&run);
    bed_close(&b);
}

static plait_err join_with_failure(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    run->err[0] = plait_scope_spawn(&scope, "a", child_sleeps, run);
    run->err[1] = plait_scope_spawn(&scope, "b", child_fails, run);
    run->err[2] = plait_scope_spawn(&scope, "c", child_sleeps, run);
    run->err[3] = plait_scope_join(&scope);
    assert_string_equal(plait_task_fault(t)->step, "b");
    run->step = run->ended;
    run->err[4] = plait_scope_join(&scope); /* nothing is left of it */
    plait_scope_close(&scope);
    return run->err[3];
}

static void the_first_child_that_fails_has_the_rest_cancelled(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, join_with_failure);
    bed_run(&b);
    bed_pass(&b, plait_millis(6)); /* before the others are through */
    assert_int_equal(run.step, 3);
    assert_err(run.err[3], PLAIT_EREFUSED);
    assert_err(run.err[4], PLAIT_OK);
    finish(&run);
    assert_err(run.seen.err, PLAIT_EREFUSED);
    bed_close(&b);
}

static plait_err spawn_after_failure(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    run->err[0] = plait_scope_spawn(&scope, "b", child_fails, run);
    run->err[1] = plait_task_sleep(t, plait_millis(6));
    run->err[2] = plait_scope_spawn(&scope, "late", child_sleeps, run);
    run->err[3] = plait_scope_join(&scope);
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void a_child_of_a_scope_that_failed_is_cancelled(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, spawn_after_failure);
    bed_run(&b);
    bed_pass(&b, plait_millis(7));
    assert_int_equal(run.ended, 2);
    assert_err(run.err[3], PLAIT_EREFUSED);
    finish(&run);
    bed_close(&b);
}

static void cancelling_while_joining_ends_the_children_first(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, join_three);
    bed_run(&b);
    plait_deferred_cancel(run.task);
    bed_run(&b);
    assert_err(run.err[3], PLAIT_ECANCELLED);
    assert_int_equal(run.step, 3);
    finish(&run);
    bed_close(&b);
}

/* A child that takes its time to clean up. */
static plait_err child_cleans_up(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    (void)!plait_task_sleep(t, plait_seconds(100));
    plait_scope_open(t, &scope);
    plait_scope_shield(&scope);
    (void)!plait_task_sleep(t, plait_millis(20));
    plait_scope_close(&scope);
    run->ended++;
    return PLAIT_OK;
}

static plait_err join_in_time(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_task_deadline(t, plait_millis(15));
    plait_scope_open(t, &scope);
    plait_task_deadline(t, plait_millis(5));
    run->err[0] = plait_scope_spawn(&scope, "slow", child_cleans_up, run);
    run->err[1] = plait_scope_join(&scope);
    run->step = run->ended;
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void a_join_that_runs_out_of_time_still_waits_for_the_children(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, join_in_time);
    bed_run(&b);
    for (int i = 0; i < 24; i++)
        bed_pass(&b, plait_millis(1));
    assert_int_equal(run.ended, 0);
    bed_pass(&b, plait_millis(5));
    assert_int_equal(run.step, 1);
    assert_err(run.err[1], PLAIT_ETIMEDOUT);
    finish(&run);
    bed_close(&b);
}

static plait_err leave_children(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    run->err[0] = plait_scope_spawn(&scope, "a", child_cleans_up, run);
    run->err[1] = plait_scope_spawn(&scope, "b", child_sleeps, run);
    run->err[2] = plait_task_yield(t);
    plait_scope_close(&scope);
    run->step = run->ended;
    return PLAIT_OK;
}

static void closing_cancels_children_and_waits_for_their_end(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, leave_children);
    bed_run(&b);
    assert_int_equal(run.ended, 1);
    plait_deferred_cancel(run.task); /* does not hurry it */
    bed_run(&b);
    assert_int_equal(run.step, 0);
    bed_pass(&b, plait_millis(21));
    assert_int_equal(run.step, 2);
    finish(&run);
    bed_close(&b);
}

static plait_err spawn_without_memory(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    run->b->r->budget.max = run->b->r->budget.used;
    run->err[0] = plait_scope_spawn(&scope, "child", child_sleeps, run);
    run->b->r->budget.max = SIZE_MAX;
    run->err[1] = plait_scope_join(&scope);
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void without_memory_no_child_is_made(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, spawn_without_memory);
    bed_run(&b);
    assert_err(run.err[0], PLAIT_ENOMEM);
    assert_err(run.err[1], PLAIT_OK);
    assert_int_equal(run.ended, 0);
    finish(&run);
    bed_close(&b);
}

static void the_reactors_end_unwinds_parents_and_children(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, join_three);
    bed_run(&b);
    bed_close(&b);
    assert_int_equal(run.ended, 3);
    assert_int_equal(run.step, 3);
}

/* --- a scope that goes on ----------------------------------------------------------------------------------------- */

static plait_err sleeps_long(struct plait_task *t, void *arg)
{
    (void)arg;
    return plait_task_sleep(t, plait_seconds(100));
}

static plait_err ends_well(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    PLAIT_TRY(plait_task_sleep(t, plait_millis(1)));
    run->ended++;
    return PLAIT_OK;
}

static plait_err joins_twice(struct plait_task *t, void *arg)
{
    struct run *run = arg;
    struct plait_scope scope;
    plait_scope_open(t, &scope);
    plait_task_deadline(t, plait_millis(10));
    PLAIT_TRY(plait_scope_spawn(&scope, "long", sleeps_long, NULL));
    run->err[0] = plait_scope_join(&scope);
    plait_task_deadline(t, PLAIT_NEVER);
    PLAIT_TRY(plait_scope_spawn(&scope, "short", ends_well, run));
    run->err[1] = plait_scope_join(&scope);
    plait_scope_close(&scope);
    return PLAIT_OK;
}

static void children_of_a_second_try_have_nothing_of_the_first(void **state)
{
    struct bed b;
    struct run run;
    (void)state;
    bed_open(&b);
    spawn(&b, &run, joins_twice);
    bed_run(&b);
    bed_pass(&b, plait_millis(11));
    assert_err(run.err[0], PLAIT_ETIMEDOUT);
    bed_pass(&b, plait_millis(2));
    assert_ok(run.err[1]);
    assert_int_equal(run.ended, 1);
    finish(&run);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(values_go_at_the_scopes_end), cmocka_unit_test(a_scopes_deadline_ends_with_the_scope),
          cmocka_unit_test(a_nearer_deadline_around_a_scope_counts),
          cmocka_unit_test(a_shield_lets_a_cancelled_task_clean_up), cmocka_unit_test(cancelling_waits_behind_a_shield),
          cmocka_unit_test(joining_waits_for_all_children),
          cmocka_unit_test(the_first_child_that_fails_has_the_rest_cancelled),
          cmocka_unit_test(a_child_of_a_scope_that_failed_is_cancelled),
          cmocka_unit_test(cancelling_while_joining_ends_the_children_first),
          cmocka_unit_test(a_join_that_runs_out_of_time_still_waits_for_the_children),
          cmocka_unit_test(closing_cancels_children_and_waits_for_their_end),
          cmocka_unit_test(without_memory_no_child_is_made),
          cmocka_unit_test(the_reactors_end_unwinds_parents_and_children),
          cmocka_unit_test(children_of_a_second_try_have_nothing_of_the_first))
