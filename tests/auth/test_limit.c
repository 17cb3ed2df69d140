/* SPDX-License-Identifier: MIT
 *
 * Failures: counted in advance, taken back, forgiven by time, forgotten when there are too many.
 */
#include "tests/auth/auth_bed.h"

static void failures_are_counted_and_forgiven_one_by_one(void **state)
{
    struct bed b;
    struct plait__failures f;
    (void)state;
    bed_open(&b);
    plait__failures_init(&f, b.r, 3, plait_seconds(60), 10);
    for (int i = 0; i < 3; i++)
        assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    assert_ok(plait__failures_count(&f, PLAIT_LIT("bob")));
    bed_pass(&b, plait_seconds(59));
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    bed_pass(&b, plait_seconds(1));
    assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    bed_pass(&b, plait_seconds(100000));
    for (int i = 0; i < 3; i++)
        assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    bed_pass(&b, plait_seconds(59)); /* a whole minute from the first on, not from some minute before */
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    plait__failures_deinit(&f);
    bed_close(&b);
}

static void what_was_counted_is_taken_back(void **state)
{
    struct bed b;
    struct plait__failures f;
    (void)state;
    bed_open(&b);
    plait__failures_init(&f, b.r, 3, plait_seconds(60), 10);
    for (int i = 0; i < 3; i++)
        assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    plait__failures_take_back(&f, PLAIT_LIT("ann"), false);
    assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    assert_err(plait__failures_count(&f, PLAIT_LIT("ann")), PLAIT_ELIMIT);
    plait__failures_take_back(&f, PLAIT_LIT("ann"), true);
    assert_int_equal(f.table.count, 0);
    plait__failures_take_back(&f, PLAIT_LIT("ann"), true);
    assert_ok(plait__failures_count(&f, PLAIT_LIT("ann")));
    plait__failures_take_back(&f, PLAIT_LIT("ann"), false); /* the last one: nothing is remembered */
    assert_int_equal(f.table.count, 0);
    plait__failures_deinit(&f);
    bed_close(&b);
}

static void the_oldest_are_forgotten_first(void **state)
{
    struct bed b;
    struct plait__failures f;
    (void)state;
    bed_open(&b);
    plait__failures_init(&f, b.r, 1, plait_seconds(60), 2);
    assert_ok(plait__failures_count(&f, PLAIT_LIT("a")));
    assert_ok(plait__failures_count(&f, PLAIT_LIT("b")));
    assert_ok(plait__failures_count(&f, PLAIT_LIT("c")));
    assert_int_equal(f.table.count, 2);
    assert_err(plait__failures_count(&f, PLAIT_LIT("b")), PLAIT_ELIMIT);
    assert_ok(plait__failures_count(&f, PLAIT_LIT("a")));
    plait__failures_deinit(&f);
    bed_close(&b);
}

static void without_memory_nothing_is_counted(void **state)
{
    struct bed b;
    struct plait__failures f;
    (void)state;
    bed_open(&b);
    plait__failures_init(&f, b.r, 1, plait_seconds(60), 2);
    for (uint64_t n = 1; n <= 2; n++) {
        bed_fail(&b, n);
        assert_err(plait__failures_count(&f, PLAIT_LIT("a")), PLAIT_ENOMEM);
        assert_int_equal(f.table.count, 0);
        bed_heal(&b);
    }
    plait__failures_deinit(&f);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(failures_are_counted_and_forgiven_one_by_one),
          cmocka_unit_test(what_was_counted_is_taken_back), cmocka_unit_test(the_oldest_are_forgotten_first),
          cmocka_unit_test(without_memory_nothing_is_counted))
