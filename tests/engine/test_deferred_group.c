/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/deferred_group.c: all, settled, any, race, after; cancelling them, and memory that runs out at
 * each step.
 */
#include "tests/engine/bed.h"

enum { MEMBERS = 3 };

/* Three operations that a test fires, and counts the cancelling of. */
struct ops {
    struct plait_deferred *d[MEMBERS];
    int cancelled;
};

static void count_cancel(struct plait_deferred *deferred, void *ctx)
{
    ++*(int *)ctx;
    plait_fire_fault(deferred, fault_of(PLAIT_ECANCELLED));
}

static void ops_begin(struct bed *b, struct ops *ops)
{
    ops->cancelled = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        ops->d[i] = plait_deferred_new(b->r, "op", count_cancel, &ops->cancelled);
        assert_non_null(ops->d[i]);
    }
}

static void keep_value(struct plait_result *result, void *ctx)
{
    *(plait_value *)ctx = plait_result_take(result);
}

static void all_gives_the_results_in_order(void **state)
{
    struct bed b;
    struct ops ops;
    plait_value value = {NULL, 0, NULL};
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    struct plait_deferred *d = plait_all(b.r, ops.d, MEMBERS);
    assert_ok(plait_then(d, keep_value, &value));
    plait_fire(ops.d[2], plait_value_num(3));
    plait_fire(ops.d[0], counted(&destroyed));
    bed_run(&b);
    assert_null(value.ptr);
    plait_fire(ops.d[1], plait_value_num(2));
    bed_run(&b);
    struct plait_results *results = value.ptr;
    assert_int_equal(results->count, MEMBERS);
    assert_ptr_equal(results->result[0].value.ptr, &destroyed);
    assert_int_equal(results->result[1].value.num, 2);
    assert_int_equal(results->result[2].value.num, 3);
    assert_int_equal(ops.cancelled, 0);
    value.destroy(value.ptr);
    assert_int_equal(destroyed, 1);
    bed_close(&b);
}

static void a_value_taken_from_the_results_is_not_destroyed_with_them(void **state)
{
    struct bed b;
    plait_value value = {NULL, 0, NULL};
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_succeed(b.r, counted(&destroyed));
    assert_ok(plait_then(plait_all(b.r, &d, 1), keep_value, &value));
    bed_run(&b);
    struct plait_results *results = value.ptr;
    plait_value one = plait_result_take(&results->result[0]);
    value.destroy(value.ptr);
    assert_int_equal(destroyed, 0);
    assert_ptr_equal(one.ptr, &destroyed);
    bed_close(&b);
}

static void all_fails_with_the_first_fault_and_cancels_the_rest(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    watch_result(plait_all(b.r, ops.d, MEMBERS), &seen);
    plait_fire(ops.d[0], counted(&destroyed));
    bed_run(&b);
    plait_fire_fault(ops.d[1], fault_of(PLAIT_EREFUSED));
    bed_run(&b);
    assert_err(seen.err, PLAIT_EREFUSED);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(ops.cancelled, 1);
    assert_int_equal(destroyed, 1);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void settled_keeps_faults_among_the_results(void **state)
{
    struct bed b;
    struct ops ops;
    plait_value value = {NULL, 0, NULL};
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    ops.d[2] = NULL;
    assert_ok(plait_then(plait_settled(b.r, ops.d, MEMBERS), keep_value, &value));
    plait_fire_fault(ops.d[0], fault_of(PLAIT_EIO));
    plait_fire(ops.d[1], plait_value_num(8));
    bed_run(&b);
    struct plait_results *results = value.ptr;
    assert_err(results->result[0].fault.err, PLAIT_EIO);
    assert_int_equal(results->result[1].value.num, 8);
    assert_err(results->result[2].fault.err, PLAIT_ENOMEM);
    value.destroy(value.ptr);
    bed_close(&b);
}

static void any_gives_the_first_value_and_cancels_the_rest(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    watch_result(plait_any(b.r, ops.d, MEMBERS), &seen);
    plait_fire_fault(ops.d[0], fault_of(PLAIT_EIO));
    bed_run(&b);
    assert_int_equal(seen.calls, 0);
    plait_fire(ops.d[2], plait_value_num(5));
    bed_run(&b);
    assert_int_equal(seen.num, 5);
    assert_int_equal(ops.cancelled, 1);
    bed_close(&b);
}

static void any_gives_the_last_fault_when_none_succeeds(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    watch_result(plait_any(b.r, ops.d, MEMBERS), &seen);
    plait_fire_fault(ops.d[0], fault_of(PLAIT_EIO));
    plait_fire_fault(ops.d[2], fault_of(PLAIT_ERESET));
    plait_fire_fault(ops.d[1], fault_of(PLAIT_EREFUSED));
    bed_run(&b);
    assert_err(seen.err, PLAIT_EREFUSED);
    assert_int_equal(ops.cancelled, 0);
    bed_close(&b);
}

static void race_gives_whatever_comes_first(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    watch_result(plait_race(b.r, ops.d, MEMBERS), &seen);
    plait_fire_fault(ops.d[1], fault_of(PLAIT_EIO));
    bed_run(&b);
    assert_err(seen.err, PLAIT_EIO);
    assert_int_equal(ops.cancelled, 2);
    bed_close(&b);
}

static void of_two_values_at_once_the_second_is_destroyed(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    int first = 0;
    int second = 0;
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    watch_result(plait_race(b.r, ops.d, MEMBERS), &seen);
    plait_fire(ops.d[1], counted(&first));
    plait_fire(ops.d[0], counted(&second));
    bed_run(&b);
    assert_ptr_equal(seen.ptr, &first);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    bed_close(&b);
}

static void cancelling_a_group_cancels_its_members(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    struct plait_deferred *(*const kinds[])(struct plait_reactor *, struct plait_deferred *const *,
                                            size_t) = {plait_all, plait_settled, plait_any, plait_race};
    (void)state;
    bed_open(&b);
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
        ops_begin(&b, &ops);
        struct plait_deferred *d = kinds[i](b.r, ops.d, MEMBERS);
        watch_result(d, &seen);
        plait_fire(ops.d[0], plait_value_num(1));
        plait_deferred_cancel(d);
        assert_int_equal(ops.cancelled, 2);
        bed_run(&b);
        assert_err(seen.err, PLAIT_ECANCELLED);
    }
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void a_group_of_none(void **state)
{
    struct bed b;
    struct seen seen;
    plait_value value = {NULL, 0, NULL};
    (void)state;
    bed_open(&b);
    assert_ok(plait_then(plait_all(b.r, NULL, 0), keep_value, &value));
    bed_run(&b);
    assert_int_equal(((struct plait_results *)value.ptr)->count, 0);
    value.destroy(value.ptr);
    assert_ok(plait_then(plait_settled(b.r, NULL, 0), keep_value, &value));
    bed_run(&b);
    assert_non_null(value.ptr);
    value.destroy(value.ptr);
    watch_result(plait_any(b.r, NULL, 0), &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_EINVAL);
    watch_result(plait_race(b.r, NULL, 0), &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_EINVAL);
    bed_close(&b);
}

static void a_member_that_could_not_be_made_fails_with_no_memory(void **state)
{
    struct bed b;
    struct ops ops;
    struct seen seen;
    struct plait_deferred *nothing[2] = {NULL, NULL};
    (void)state;
    bed_open(&b);
    ops_begin(&b, &ops);
    struct plait_deferred *lost = ops.d[1];
    ops.d[1] = NULL;
    watch_result(plait_all(b.r, ops.d, MEMBERS), &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ENOMEM);
    assert_int_equal(ops.cancelled, 2);
    plait_deferred_cancel(lost);
    watch_result(plait_any(b.r, nothing, 2), &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ENOMEM);
    watch_result(plait_any(b.r, nothing, 1), &seen);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ENOMEM);
    bed_close(&b);
}

static void nop(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)ctx;
}

/* The reservation of a third callback, the group, its results, its deferred: each may find no memory. */
static void without_memory_all_members_are_cancelled(void **state)
{
    struct bed b;
    struct ops ops;
    (void)state;
    bed_open(&b);
    for (uint64_t n = 1; n <= 4; n++) {
        ops_begin(&b, &ops);
        assert_ok(plait_then(ops.d[1], nop, NULL));
        assert_ok(plait_then(ops.d[1], nop, NULL));
        bed_fill(&b);
        bed_fail(&b, n);
        assert_null(plait_all(b.r, ops.d, MEMBERS));
        assert_int_equal(ops.cancelled, MEMBERS);
        bed_heal(&b);
        bed_run(&b);
    }
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void other_groups_without_memory_give_null_too(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_deferred *none = NULL;
    bed_fail(&b, 1);
    assert_null(plait_settled(b.r, &none, 1));
    assert_null(plait_race(b.r, &none, 1));
    bed_heal(&b);
    bed_close(&b);
}

static void after_fires_when_its_span_is_over(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    watch_result(plait_after(b.r, plait_millis(20)), &seen);
    bed_pass(&b, plait_millis(19));
    assert_int_equal(seen.calls, 0);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_OK);
    bed_close(&b);
}

static void after_can_be_cancelled_and_never_may_not_come(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_after(b.r, PLAIT_NEVER);
    watch_result(d, &seen);
    bed_pass(&b, plait_seconds(1000000));
    assert_int_equal(seen.calls, 0);
    plait_deferred_cancel(d);
    bed_run(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(bed_deferreds(&b), 0);
    bed_close(&b);
}

static void after_without_memory_is_null(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    bed_fill(&b);
    for (uint64_t n = 1; n <= 2; n++) {
        bed_fail(&b, n);
        assert_null(plait_after(b.r, 1));
        bed_heal(&b);
    }
    bed_close(&b);
}

static void a_member_without_room_for_a_callback_makes_no_group(void **state)
{
    struct bed b;
    struct seen seen[2];
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_deferred_new(b.r, "member", NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        watch_result(d, &seen[i]); /* it has room for two */
    bed_fail(&b, 1);
    b.heap.fail_after = false;
    assert_null(plait_settled(b.r, &d, 1));
    bed_heal(&b);
    bed_run(&b);
    assert_int_equal(seen[1].calls, 1);
    assert_err(seen[1].err, PLAIT_ECANCELLED);
    plait_fire(d, plait_value_num(0));
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(all_gives_the_results_in_order),
          cmocka_unit_test(a_value_taken_from_the_results_is_not_destroyed_with_them),
          cmocka_unit_test(all_fails_with_the_first_fault_and_cancels_the_rest),
          cmocka_unit_test(settled_keeps_faults_among_the_results),
          cmocka_unit_test(any_gives_the_first_value_and_cancels_the_rest),
          cmocka_unit_test(any_gives_the_last_fault_when_none_succeeds),
          cmocka_unit_test(race_gives_whatever_comes_first),
          cmocka_unit_test(of_two_values_at_once_the_second_is_destroyed),
          cmocka_unit_test(cancelling_a_group_cancels_its_members), cmocka_unit_test(a_group_of_none),
          cmocka_unit_test(a_member_that_could_not_be_made_fails_with_no_memory),
          cmocka_unit_test(without_memory_all_members_are_cancelled),
          cmocka_unit_test(other_groups_without_memory_give_null_too),
          cmocka_unit_test(after_fires_when_its_span_is_over),
          cmocka_unit_test(after_can_be_cancelled_and_never_may_not_come),
          cmocka_unit_test(after_without_memory_is_null),
          cmocka_unit_test(a_member_without_room_for_a_callback_makes_no_group))
