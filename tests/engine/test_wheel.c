/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/wheel.c: when timers fire, in which order, and that a wheel agrees with a plain list over random
 * operations.
 */
#include "tests/engine/bed.h"

struct probe {
    struct plait_timer timer;
    struct bed *bed;
    int fired;
    plait_time fired_at;
    int order;
    int *clock_of_order;
    struct probe *stops, *arms;
};

static void fire(void *ctx)
{
    struct probe *p = ctx;
    p->fired++;
    p->fired_at = plait_now(p->bed->r);
    if (p->clock_of_order)
        p->order = ++*p->clock_of_order;
    if (p->stops)
        plait_timer_stop(&p->stops->timer);
    if (p->arms)
        plait_timer_arm(&p->arms->timer, plait_seconds(100));
}

static void probe_init(struct probe *p, struct bed *b)
{
    memset(p, 0, sizeof *p);
    p->bed = b;
    plait_timer_init(&p->timer, b->r, "probe", fire, p);
}

static void a_timer_fires_once_and_never_early(void **state)
{
    static const plait_span spans[] = {0,        1,          524287,      524288,        524289,
                                       33000000, 1000000000, 61000000000, 3600000000000, 86400000000000 * 400};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(spans); i++) {
        struct bed b;
        struct probe p;
        bed_open(&b);
        bed_run(&b);
        probe_init(&p, &b);
        const plait_time due = plait_now(b.r) + spans[i];
        plait_timer_arm(&p.timer, spans[i]);
        assert_true(plait_timer_runs(&p.timer));
        if (spans[i] > 0) {
            b.clock = due - 1;
            bed_run(&b);
            assert_int_equal(p.fired, 0);
        }
        b.clock = due + plait_millis(1);
        bed_run(&b);
        assert_int_equal(p.fired, 1);
        assert_false(plait_timer_runs(&p.timer));
        bed_pass(&b, plait_seconds(1));
        assert_int_equal(p.fired, 1);
        bed_close(&b);
    }
}

static void timers_of_one_turn_fire_in_the_order_of_their_times_and_of_arming(void **state)
{
    static const int spans_ms[] = {50, 10, 5000, 10, 200, 1};
    static const int expected[] = {4, 2, 6, 3, 5, 1};
    struct bed b;
    struct probe p[6];
    int order = 0;
    (void)state;
    bed_open(&b);
    for (size_t i = 0; i < 6; i++) {
        probe_init(&p[i], &b);
        p[i].clock_of_order = &order;
        plait_timer_arm(&p[i].timer, plait_millis(spans_ms[i]));
    }
    bed_pass(&b, plait_seconds(10));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(p[i].order, expected[i]);
    bed_close(&b);
}

static void rearming_later_moves_the_firing_without_moving_the_entry(void **state)
{
    struct bed b;
    struct probe p;
    (void)state;
    bed_open(&b);
    bed_run(&b);
    probe_init(&p, &b);
    plait_timer_arm(&p.timer, plait_millis(100));
    const plait_time filed = p.timer.filed;
    plait_timer_arm(&p.timer, plait_millis(300));
    assert_int_equal(p.timer.filed, filed);
    bed_pass(&b, plait_millis(200));
    assert_int_equal(p.fired, 0);
    bed_pass(&b, plait_millis(101));
    assert_int_equal(p.fired, 1);
    bed_close(&b);
}

static void rearming_earlier_moves_the_entry(void **state)
{
    struct bed b;
    struct probe p;
    (void)state;
    bed_open(&b);
    bed_run(&b);
    probe_init(&p, &b);
    plait_timer_arm(&p.timer, plait_seconds(100));
    plait_timer_arm(&p.timer, plait_millis(5));
    bed_pass(&b, plait_millis(6));
    assert_int_equal(p.fired, 1);
    bed_close(&b);
}

static void a_callback_may_stop_a_timer_that_is_due_in_the_same_turn(void **state)
{
    struct bed b;
    struct probe p[2];
    (void)state;
    bed_open(&b);
    probe_init(&p[0], &b);
    probe_init(&p[1], &b);
    p[0].stops = &p[1];
    plait_timer_arm(&p[0].timer, plait_millis(1));
    plait_timer_arm(&p[1].timer, plait_millis(2));
    bed_pass(&b, plait_millis(10));
    assert_int_equal(p[0].fired, 1);
    assert_int_equal(p[1].fired, 0);
    bed_close(&b);
}

static void a_callback_may_arm_a_timer_anew_that_is_due_in_the_same_turn(void **state)
{
    struct bed b;
    struct probe first, second;
    (void)state;
    bed_open(&b);
    probe_init(&first, &b);
    probe_init(&second, &b);
    first.arms = &second;
    plait_timer_arm(&first.timer, plait_millis(10));
    plait_timer_arm(&second.timer, plait_millis(20));
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    assert_true(plait_timer_runs(&second.timer));
    bed_pass(&b, plait_seconds(99));
    assert_int_equal(second.fired, 0);
    bed_pass(&b, plait_seconds(2));
    assert_int_equal(second.fired, 1);
    bed_close(&b);
}

static void never_means_stopped_and_a_negative_span_means_now(void **state)
{
    struct bed b;
    struct probe p;
    (void)state;
    bed_open(&b);
    probe_init(&p, &b);
    plait_timer_arm(&p.timer, plait_millis(1));
    plait_timer_arm(&p.timer, PLAIT_NEVER);
    assert_false(plait_timer_runs(&p.timer));
    assert_int_equal(plait_reactor_next_timeout(b.r), PLAIT_NEVER);
    plait_timer_arm_at(&p.timer, 0); /* long past */
    plait_timer_arm(&p.timer, -5);
    bed_pass(&b, plait_millis(1));
    assert_int_equal(p.fired, 1);
    bed_close(&b);
}

static void the_next_timeout_is_never_later_than_the_first_timer(void **state)
{
    struct bed b;
    struct probe p[3];
    (void)state;
    bed_open(&b);
    bed_run(&b);
    for (int i = 0; i < 3; i++) {
        probe_init(&p[i], &b);
        plait_timer_arm(&p[i].timer, plait_millis(70) * (i + 1));
    }
    int steps = 0;
    while (p[2].fired == 0) {
        const plait_span wait = plait_reactor_next_timeout(b.r);
        assert_true(wait <= plait_millis(71));
        bed_pass(&b, wait);
        assert_true(++steps < 50);
    }
    assert_int_equal(p[0].fired + p[1].fired, 2);
    bed_close(&b);
}

enum { MANY = 300, OPERATIONS = 20000 };

/* The wheel against the obvious: an array of due times. */
static void random_operations_agree_with_a_plain_list(void **state)
{
    static struct probe p[MANY];
    static plait_time due[MANY];
    struct bed b;
    struct test_random random = test_random_of(test_seed());
    (void)state;
    bed_open(&b);
    bed_run(&b);
    for (int i = 0; i < MANY; i++) {
        probe_init(&p[i], &b);
        due[i] = PLAIT_NEVER;
    }
    for (int n = 0; n < OPERATIONS; n++) {
        const size_t i = (size_t)test_random_below(&random, MANY);
        const uint64_t what = test_random_below(&random, 10);
        if (what < 6) {
            const uint64_t magnitude = test_random_below(&random, 36);
            const plait_span span = (plait_span)test_random_below(&random, (uint64_t)1 << magnitude);
            plait_timer_arm(&p[i].timer, span);
            due[i] = plait_now(b.r) + span;
        } else if (what < 8) {
            plait_timer_stop(&p[i].timer);
            due[i] = PLAIT_NEVER;
        } else {
            const uint64_t magnitude = test_random_below(&random, 34);
            b.clock += (plait_span)test_random_below(&random, (uint64_t)1 << magnitude) + plait_millis(1);
            for (int k = 0; k < MANY; k++)
                p[k].fired = 0;
            bed_run(&b);
            for (int k = 0; k < MANY; k++) {
                const bool must = due[k] <= b.clock - plait_millis(1);
                const bool may = due[k] <= b.clock;
                assert_true(!must || p[k].fired == 1);
                assert_true(may || p[k].fired == 0);
                if (p[k].fired)
                    due[k] = PLAIT_NEVER;
            }
        }
    }
    bed_close(&b);
}

static void a_timer_armed_between_turns_counts_from_the_present(void **state)
{
    struct bed b;
    struct probe p;
    (void)state;
    bed_open(&b);
    bed_run(&b);
    probe_init(&p, &b);
    b.clock += plait_seconds(100); /* nothing happened meanwhile: no turn */
    assert_int_equal(plait_now(b.r), b.clock);
    plait_timer_arm(&p.timer, plait_seconds(30));
    bed_run(&b);
    assert_int_equal(p.fired, 0);
    bed_pass(&b, plait_seconds(31));
    assert_int_equal(p.fired, 1);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_timer_fires_once_and_never_early),
          cmocka_unit_test(a_timer_armed_between_turns_counts_from_the_present),
          cmocka_unit_test(timers_of_one_turn_fire_in_the_order_of_their_times_and_of_arming),
          cmocka_unit_test(rearming_later_moves_the_firing_without_moving_the_entry),
          cmocka_unit_test(rearming_earlier_moves_the_entry),
          cmocka_unit_test(a_callback_may_stop_a_timer_that_is_due_in_the_same_turn),
          cmocka_unit_test(a_callback_may_arm_a_timer_anew_that_is_due_in_the_same_turn),
          cmocka_unit_test(never_means_stopped_and_a_negative_span_means_now),
          cmocka_unit_test(the_next_timeout_is_never_later_than_the_first_timer),
          cmocka_unit_test(random_operations_agree_with_a_plain_list))
