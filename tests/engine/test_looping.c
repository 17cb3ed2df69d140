/* SPDX-License-Identifier: MIT
 *
 * Tests of the looping call in src/engine/looping.c.
 */
#include "tests/engine/bed.h"

struct beat {
    struct plait_looping *looping;
    int rounds;
    uint64_t missed;
    plait_time at[16];
    struct plait_reactor *r;
    struct plait_deferred *wait; /* returned by the next round */
    bool stop;                   /* in the next round */
};

static struct plait_deferred *beat(uint64_t missed, void *ctx)
{
    struct beat *beat = ctx;
    if (beat->rounds < 16)
        beat->at[beat->rounds] = plait_now(beat->r);
    beat->rounds++;
    beat->missed += missed;
    if (beat->stop)
        plait_looping_stop(&beat->looping);
    struct plait_deferred *wait = beat->wait;
    beat->wait = NULL;
    return wait;
}

static void start(struct bed *b, struct beat *beats, bool now)
{
    *beats = (struct beat){.r = b->r};
    beats->looping = plait_looping_start(b->r, plait_millis(100), now, beat, beats);
    assert_non_null(beats->looping);
}

static void a_round_comes_on_every_beat(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    bed_run(&b);
    assert_int_equal(beats.rounds, 0);
    for (int i = 0; i < 50; i++)
        bed_pass(&b, plait_millis(10));
    bed_pass(&b, plait_millis(1));
    assert_int_equal(beats.rounds, 5);
    assert_int_equal(beats.missed, 0);
    plait_looping_stop(&beats.looping);
    assert_null(beats.looping);
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(beats.rounds, 5);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void the_first_round_may_come_at_once(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, true);
    assert_int_equal(beats.rounds, 0);
    bed_pass(&b, plait_millis(1));
    assert_int_equal(beats.rounds, 1);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void beats_that_were_missed_are_counted_and_left_out(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    bed_pass(&b, plait_millis(350));
    assert_int_equal(beats.rounds, 1);
    assert_int_equal(beats.missed, 2);
    bed_pass(&b, plait_millis(49));
    assert_int_equal(beats.rounds, 1);
    bed_pass(&b, plait_millis(2)); /* still on the beat of the start */
    assert_int_equal(beats.rounds, 2);
    assert_int_equal(beats.missed, 2);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void a_round_is_waited_for(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    struct plait_deferred *work = plait_deferred_new(b.r, "work", NULL, NULL);
    beats.wait = work;
    bed_pass(&b, plait_millis(101));
    bed_pass(&b, plait_millis(300));
    assert_int_equal(beats.rounds, 1);
    plait_fire(work, plait_value_num(0));
    bed_pass(&b, plait_millis(1));
    assert_int_equal(beats.rounds, 1); /* the next beat is at 500 ms */
    bed_pass(&b, plait_millis(99));
    assert_int_equal(beats.rounds, 2);
    assert_int_equal(beats.missed, 3);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void a_round_that_fails_ends_the_loop_and_is_logged(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    beats.wait = plait_deferred_fail(b.r, fault_of(PLAIT_EIO));
    bed_pass(&b, plait_millis(101));
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(beats.rounds, 1);
    assert_true(bed_logged(&b, "looping-failed"));
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void it_can_be_stopped_inside_a_round(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    beats.stop = true;
    beats.wait = plait_deferred_new(b.r, "work", NULL, NULL);
    struct plait_deferred *work = beats.wait;
    bed_pass(&b, plait_millis(101));
    assert_null(beats.looping);
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(beats.rounds, 1);
    plait_fire(work, plait_value_num(0));
    bed_close(&b);
}

static void count_cancel(struct plait_deferred *deferred, void *ctx)
{
    ++*(int *)ctx;
    plait_fire_fault(deferred, fault_of(PLAIT_ECANCELLED));
}

static void stopping_cancels_the_round_that_is_waited_for(void **state)
{
    struct bed b;
    struct beat beats;
    int cancelled = 0;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    beats.wait = plait_deferred_new(b.r, "work", count_cancel, &cancelled);
    bed_pass(&b, plait_millis(101));
    plait_looping_stop(&beats.looping);
    assert_int_equal(cancelled, 1);
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(beats.rounds, 1);
    assert_string_equal(b.log, "");
    bed_close(&b);
}

static void nop(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)ctx;
}

static void without_memory_it_is_null_or_ends(void **state)
{
    struct bed b;
    struct beat beats;
    int cancelled = 0;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_null(plait_looping_start(b.r, 1, false, beat, &beats));
    bed_heal(&b);
    start(&b, &beats, false);
    beats.wait = plait_deferred_new(b.r, "work", count_cancel, &cancelled);
    assert_ok(plait_then(beats.wait, nop, NULL));
    assert_ok(plait_then(beats.wait, nop, NULL));
    bed_fail(&b, 1);
    bed_pass(&b, plait_millis(101)); /* a third callback needs memory */
    bed_heal(&b);
    assert_int_equal(cancelled, 1);
    assert_true(bed_logged(&b, "looping-failed"));
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void a_beat_of_no_length_is_one_of_a_nanosecond(void **state)
{
    struct bed b;
    struct beat beats = {.rounds = 0};
    (void)state;
    bed_open(&b);
    beats.r = b.r;
    beats.looping = plait_looping_start(b.r, 0, false, beat, &beats);
    b.clock += 1000000;
    assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(beats.rounds, 1);
    assert_int_equal(beats.missed, 999999);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void a_beat_that_falls_on_the_end_of_a_round_is_missed(void **state)
{
    struct bed b;
    struct beat beats;
    (void)state;
    bed_open(&b);
    const plait_time began = b.clock;
    start(&b, &beats, false);
    struct plait_deferred *work = plait_deferred_new(b.r, "work", NULL, NULL);
    beats.wait = work;
    bed_pass(&b, plait_millis(101));
    assert_int_equal(beats.rounds, 1);
    b.clock = began + plait_millis(200);
    plait_fire(work, plait_value_num(0));
    bed_run(&b);
    bed_pass(&b, plait_millis(2));
    assert_int_equal(beats.rounds, 1);
    bed_pass(&b, plait_millis(99));
    assert_int_equal(beats.rounds, 2);
    assert_int_equal(beats.missed, 1);
    plait_looping_stop(&beats.looping);
    bed_close(&b);
}

static void what_a_round_that_stops_returns_is_cancelled(void **state)
{
    struct bed b;
    struct beat beats;
    int cancelled = 0;
    (void)state;
    bed_open(&b);
    start(&b, &beats, false);
    struct plait_deferred *work = plait_deferred_new(b.r, "work", count_cancel, &cancelled);
    beats.wait = work;
    beats.stop = true;
    bed_pass(&b, plait_millis(101));
    assert_int_equal(beats.rounds, 1);
    assert_int_equal(cancelled, 1);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_round_comes_on_every_beat), cmocka_unit_test(the_first_round_may_come_at_once),
          cmocka_unit_test(beats_that_were_missed_are_counted_and_left_out), cmocka_unit_test(a_round_is_waited_for),
          cmocka_unit_test(a_round_that_fails_ends_the_loop_and_is_logged),
          cmocka_unit_test(it_can_be_stopped_inside_a_round),
          cmocka_unit_test(stopping_cancels_the_round_that_is_waited_for),
          cmocka_unit_test(without_memory_it_is_null_or_ends),
          cmocka_unit_test(a_beat_of_no_length_is_one_of_a_nanosecond),
          cmocka_unit_test(a_beat_that_falls_on_the_end_of_a_round_is_missed),
          cmocka_unit_test(what_a_round_that_stops_returns_is_cancelled))
