/* SPDX-License-Identifier: MIT
 *
 * Tests of the queue in src/engine/deferred_queue.c.
 */
#include "tests/engine/bed.h"

static void values_come_out_in_the_order_they_went_in(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 0, 0);
    int64_t out = 0;
    for (int64_t in = 0; in < 1000;) { /* grows with the values anywhere in the ring */
        for (int i = 0; i < 7; i++)
            assert_ok(plait_queue_put(q, plait_value_num(in++)));
        for (int i = 0; i < 3; i++) {
            watch_result(plait_queue_get(q), &seen);
            bed_run(&b);
            assert_int_equal(seen.num, out++);
        }
    }
    plait_queue_free(&q);
    assert_null(q);
    plait_queue_free(&q);
    bed_close(&b);
}

static void who_waits_gets_values_in_the_order_of_asking(void **state)
{
    struct bed b;
    struct seen seen[2];
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 4, 4);
    watch_result(plait_queue_get(q), &seen[0]);
    watch_result(plait_queue_get(q), &seen[1]);
    assert_ok(plait_queue_put(q, plait_value_num(1)));
    assert_ok(plait_queue_put(q, plait_value_num(2)));
    bed_run(&b);
    assert_int_equal(seen[0].num, 1);
    assert_int_equal(seen[1].num, 2);
    plait_queue_free(&q);
    bed_close(&b);
}

static void a_full_queue_refuses_and_the_value_stays_the_callers(void **state)
{
    struct bed b;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 2, 0);
    assert_ok(plait_queue_put(q, counted(&destroyed)));
    assert_ok(plait_queue_put(q, counted(&destroyed)));
    assert_err(plait_queue_put(q, counted(&destroyed)), PLAIT_ELIMIT);
    assert_int_equal(destroyed, 0);
    plait_queue_free(&q);
    assert_int_equal(destroyed, 2);
    bed_close(&b);
}

static void too_many_that_wait_are_refused(void **state)
{
    struct bed b;
    struct seen seen[3];
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 0, 2);
    struct plait_deferred *first = plait_queue_get(q);
    watch_result(first, &seen[0]);
    watch_result(plait_queue_get(q), &seen[1]);
    watch_result(plait_queue_get(q), &seen[2]);
    bed_run(&b);
    assert_err(seen[2].err, PLAIT_ELIMIT);
    assert_int_equal(seen[0].calls, 0);
    plait_deferred_cancel(first); /* makes room in the line */
    watch_result(plait_queue_get(q), &seen[2]);
    assert_ok(plait_queue_put(q, plait_value_num(5)));
    bed_run(&b);
    assert_err(seen[0].err, PLAIT_ECANCELLED);
    assert_int_equal(seen[1].num, 5);
    assert_int_equal(seen[2].calls, 0);
    plait_queue_free(&q);
    bed_run(&b);
    assert_err(seen[2].err, PLAIT_ECANCELLED);
    bed_close(&b);
}

static void without_memory_nothing_is_lost(void **state)
{
    struct bed b;
    struct seen seen;
    int destroyed = 0;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_null(plait_queue_new(b.r, 0, 0));
    bed_heal(&b);
    struct plait_queue *q = plait_queue_new(b.r, 0, 0);
    bed_fail(&b, 1);
    assert_err(plait_queue_put(q, counted(&destroyed)), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_int_equal(destroyed, 0);
    bed_fill(&b);
    bed_fail(&b, 1);
    assert_null(plait_queue_get(q)); /* the place in the line */
    bed_fail(&b, 2);
    assert_null(plait_queue_get(q)); /* its deferred */
    bed_heal(&b);
    assert_ok(plait_queue_put(q, counted(&destroyed)));
    bed_fail(&b, 1);
    assert_null(plait_queue_get(q)); /* the value's deferred: the value stays */
    bed_heal(&b);
    watch_result(plait_queue_get(q), &seen);
    bed_run(&b);
    assert_ptr_equal(seen.ptr, &destroyed);
    plait_queue_free(&q);
    bed_close(&b);
}

static void a_queue_takes_memory_for_what_is_in_it(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_queue *q = plait_queue_new(b.r, 1 << 20, 0);
    const size_t used = plait_reactor_budget(b.r)->used;
    assert_ok(plait_queue_put(q, plait_value_num(1)));
    assert_true(plait_reactor_budget(b.r)->used < used + 4096);
    plait_queue_free(&q);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(values_come_out_in_the_order_they_went_in),
          cmocka_unit_test(who_waits_gets_values_in_the_order_of_asking),
          cmocka_unit_test(a_full_queue_refuses_and_the_value_stays_the_callers),
          cmocka_unit_test(too_many_that_wait_are_refused), cmocka_unit_test(without_memory_nothing_is_lost),
          cmocka_unit_test(a_queue_takes_memory_for_what_is_in_it))
