/* SPDX-License-Identifier: MIT
 *
 * Tests of the semaphore in src/engine/deferred_queue.c.
 */
#include "tests/engine/bed.h"

static void tokens_go_out_in_the_order_of_asking(void **state)
{
    struct bed b;
    struct seen seen[4];
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 2);
    for (size_t i = 0; i < 4; i++)
        watch_result(plait_acquire(s), &seen[i]);
    bed_run(&b);
    assert_int_equal(seen[0].calls + seen[1].calls, 2);
    assert_int_equal(seen[2].calls + seen[3].calls, 0);
    assert_err(seen[0].err, PLAIT_OK);
    assert_null(seen[0].ptr);
    plait_release(s);
    bed_run(&b);
    assert_int_equal(seen[2].calls, 1);
    assert_int_equal(seen[3].calls, 0);
    plait_release(s);
    bed_run(&b);
    assert_int_equal(seen[3].calls, 1);
    plait_semaphore_free(&s);
    assert_null(s);
    plait_semaphore_free(&s);
    bed_close(&b);
}

static void who_waits_can_leave_the_line(void **state)
{
    struct bed b;
    struct seen seen[3];
    struct plait_deferred *d[3];
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    for (size_t i = 0; i < 3; i++) {
        d[i] = plait_acquire(s);
        watch_result(d[i], &seen[i]);
    }
    bed_run(&b);
    plait_deferred_cancel(d[1]);
    plait_release(s);
    bed_run(&b);
    assert_err(seen[1].err, PLAIT_ECANCELLED);
    assert_int_equal(seen[2].calls, 1);
    assert_err(seen[2].err, PLAIT_OK);
    plait_semaphore_free(&s);
    bed_close(&b);
}

static void a_token_at_which_nobody_looked_goes_back(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    struct plait_deferred *first = plait_acquire(s);
    struct plait_deferred *second = plait_acquire(s);
    watch_result(second, &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 0);
    plait_deferred_cancel(first);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_OK);
    plait_semaphore_free(&s);
    bed_close(&b);
}

static void a_token_may_outlive_its_semaphore_unseen(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    struct plait_deferred *d = plait_acquire(s);
    plait_semaphore_free(&s);
    plait_deferred_ignore(d);
    bed_run(&b);
    bed_close(&b);
}

static void wait_acquire(struct plait_result *result, void *ctx)
{
    plait_result_wait(result, plait_acquire(ctx));
}

static void a_chain_that_waits_for_a_token_gets_it(void **state)
{
    struct bed b;
    struct seen seen;
    struct seen next;
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    struct plait_deferred *d = plait_deferred_succeed(b.r, plait_value_num(0));
    assert_ok(plait_then(d, wait_acquire, s));
    watch_result(d, &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_null(seen.ptr);
    watch_result(plait_acquire(s), &next);
    bed_run(&b);
    assert_int_equal(next.calls, 0); /* the chain has the token */
    plait_release(s);
    bed_run(&b);
    assert_int_equal(next.calls, 1);
    plait_semaphore_free(&s);
    bed_close(&b);
}

static void its_end_cancels_who_waits(void **state)
{
    struct bed b;
    struct seen seen[2];
    (void)state;
    bed_open(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 0);
    watch_result(plait_acquire(s), &seen[0]);
    watch_result(plait_acquire(s), &seen[1]);
    plait_semaphore_free(&s);
    bed_run(&b);
    assert_err(seen[0].err, PLAIT_ECANCELLED);
    assert_err(seen[1].err, PLAIT_ECANCELLED);
    bed_close(&b);
}

static void without_memory_it_is_null_and_no_token_is_lost(void **state)
{
    struct bed b;
    struct seen seen;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_null(plait_semaphore_new(b.r, 1));
    bed_heal(&b);
    struct plait_semaphore *s = plait_semaphore_new(b.r, 1);
    bed_fill(&b);
    for (uint64_t n = 1; n <= 2; n++) {
        bed_fail(&b, n);
        assert_null(plait_acquire(s));
        bed_heal(&b);
    }
    watch_result(plait_acquire(s), &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    plait_semaphore_free(&s);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(tokens_go_out_in_the_order_of_asking), cmocka_unit_test(who_waits_can_leave_the_line),
          cmocka_unit_test(a_token_at_which_nobody_looked_goes_back),
          cmocka_unit_test(a_token_may_outlive_its_semaphore_unseen),
          cmocka_unit_test(a_chain_that_waits_for_a_token_gets_it), cmocka_unit_test(its_end_cancels_who_waits),
          cmocka_unit_test(without_memory_it_is_null_and_no_token_is_lost))
