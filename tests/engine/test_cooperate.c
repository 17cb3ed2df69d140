/* SPDX-License-Identifier: MIT
 *
 * Tests of the cooperator in src/engine/looping.c.
 */
#include "tests/engine/bed.h"

struct work {
    int slices;
    int until;                     /* done after so many */
    plait_err end;                 /* what the last one returns */
    struct plait_deferred *cancel; /* within a slice */
    struct bed *bed;               /* whose clock a slice moves */
    plait_span takes;
};

static plait_err slice(void *ctx)
{
    struct work *work = ctx;
    work->slices++;
    plait_deferred_cancel(work->cancel);
    work->cancel = NULL;
    if (work->bed)
        work->bed->clock += work->takes;
    return work->slices >= work->until ? work->end : PLAIT_EAGAIN;
}

static void short_slices_run_several_a_turn_until_done(void **state)
{
    struct bed b;
    struct seen seen;
    struct work work = {.until = 5};
    (void)state;
    bed_open(&b);
    watch_result(plait_cooperate(b.r, "work", slice, &work), &seen);
    assert_int_equal(work.slices, 0);
    bed_pass(&b, plait_millis(1));
    assert_int_equal(work.slices, 5);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_OK);
    bed_close(&b);
}

static void long_slices_leave_the_loop_its_turns(void **state)
{
    struct bed b;
    struct seen seen;
    struct work work = {.until = 10};
    (void)state;
    bed_open(&b);
    watch_result(plait_cooperate(b.r, "work", slice, &work), &seen);
    b.clock_step = plait_millis(6); /* each look at the clock */
    for (int turn = 1; turn < 4; turn++) {
        const int before = work.slices;
        assert_ok(plait_reactor_step(b.r, 0));
        assert_true(work.slices - before <= 2);
    }
    assert_true(work.slices >= 2);
    while (seen.calls == 0)
        assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(work.slices, 10);
    b.clock_step = 0;
    bed_close(&b);
}

static void when_the_clock_stands_still_a_turn_still_ends(void **state)
{
    struct bed b;
    struct work work = {.until = 1000000000};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_cooperate(b.r, "work", slice, &work);
    b.clock += plait_millis(1);
    assert_ok(plait_reactor_step(b.r, 0));
    assert_in_range(work.slices, 1, 1000);
    plait_deferred_cancel(d);
    bed_pass(&b, plait_millis(1));
    bed_close(&b);
}

static void works_take_turns(void **state)
{
    struct bed b;
    struct seen seen[2];
    struct work one = {.until = 4};
    struct work two = {.until = 2};
    (void)state;
    bed_open(&b);
    watch_result(plait_cooperate(b.r, "one", slice, &one), &seen[0]);
    watch_result(plait_cooperate(b.r, "two", slice, &two), &seen[1]);
    b.clock_step = plait_millis(3);
    while (seen[1].calls == 0)
        assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(seen[0].calls, 0);
    assert_in_range(one.slices, 2, 3);
    while (seen[0].calls == 0)
        assert_ok(plait_reactor_step(b.r, 0));
    b.clock_step = 0;
    bed_close(&b);
}

static void a_slices_error_is_the_end(void **state)
{
    struct bed b;
    struct seen seen;
    struct work work = {.until = 2, .end = PLAIT_EMALFORMED};
    (void)state;
    bed_open(&b);
    watch_result(plait_cooperate(b.r, "work", slice, &work), &seen);
    bed_pass(&b, plait_millis(1));
    assert_err(seen.err, PLAIT_EMALFORMED);
    assert_int_equal(work.slices, 2);
    bed_close(&b);
}

static void it_can_be_cancelled_between_and_within_slices(void **state)
{
    struct bed b;
    struct seen seen;
    struct work work = {.until = 1000000};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_cooperate(b.r, "work", slice, &work);
    watch_result(d, &seen);
    plait_deferred_cancel(d);
    bed_pass(&b, plait_millis(1));
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(work.slices, 0);
    work.cancel = plait_cooperate(b.r, "work", slice, &work);
    watch_result(work.cancel, &seen);
    bed_pass(&b, plait_millis(1));
    assert_err(seen.err, PLAIT_ECANCELLED);
    assert_int_equal(work.slices, 1);
    assert_int_equal(bed_deferreds(&b), 0);
    bed_close(&b);
}

static void work_that_is_left_ends_with_the_reactor(void **state)
{
    struct bed b;
    struct seen seen;
    struct work work = {.until = 1000000};
    (void)state;
    bed_open(&b);
    watch_result(plait_cooperate(b.r, "work", slice, &work), &seen);
    bed_close(&b);
    assert_err(seen.err, PLAIT_ECANCELLED);
}

struct again {
    struct plait_reactor *r;
    struct work work;
    int starts;
};

static void start_again(struct plait_result *result, void *ctx)
{
    struct again *again = ctx;
    (void)result;
    again->starts++;
    struct plait_deferred *d = plait_cooperate(again->r, "again", slice, &again->work);
    assert_ok(plait_then(d, start_again, again));
}

static void work_that_is_started_again_and_again_ends_with_the_reactor(void **state)
{
    struct bed b;
    struct again again = {.work = {.until = 1000000000}};
    (void)state;
    bed_open(&b);
    again.r = b.r;
    assert_ok(plait_then(plait_deferred_succeed(b.r, plait_value_num(0)), start_again, &again));
    bed_run(&b);
    bed_close(&b);
    assert_int_equal(again.starts, 12); /* at first, ten times cancelled, and once more told by the cooperator's end */
}

static void without_memory_it_is_null(void **state)
{
    struct bed b;
    struct work work = {.until = 1};
    (void)state;
    bed_open(&b);
    bed_fill(&b);
    for (uint64_t n = 1; n <= 3; n++) { /* the cooperator, the work, the deferred */
        bed_fail(&b, n == 3 ? 2 : n);   /* the cooperator stays once it is made */
        assert_null(plait_cooperate(b.r, "work", slice, &work));
        bed_heal(&b);
    }
    bed_close(&b);
}

static void a_slice_that_takes_all_of_a_turn_is_the_turns_last(void **state)
{
    struct bed b;
    struct work work = {.until = 100, .bed = &b, .takes = plait_millis(10)};
    (void)state;
    bed_open(&b);
    struct plait_deferred *d = plait_cooperate(b.r, "work", slice, &work);
    for (int turn = 1; turn < 4; turn++) {
        b.clock += plait_millis(1);
        assert_ok(plait_reactor_step(b.r, 0));
        assert_int_equal(work.slices, turn);
    }
    plait_deferred_cancel(d);
    bed_pass(&b, plait_millis(1));
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(short_slices_run_several_a_turn_until_done),
          cmocka_unit_test(long_slices_leave_the_loop_its_turns),
          cmocka_unit_test(when_the_clock_stands_still_a_turn_still_ends), cmocka_unit_test(works_take_turns),
          cmocka_unit_test(a_slices_error_is_the_end), cmocka_unit_test(it_can_be_cancelled_between_and_within_slices),
          cmocka_unit_test(work_that_is_left_ends_with_the_reactor),
          cmocka_unit_test(work_that_is_started_again_and_again_ends_with_the_reactor),
          cmocka_unit_test(without_memory_it_is_null),
          cmocka_unit_test(a_slice_that_takes_all_of_a_turn_is_the_turns_last))
