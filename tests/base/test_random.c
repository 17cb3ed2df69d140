/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/random.c: the sequence, fairness, chances.
 */
#include "tests/support/test.h"

#include "base/random.h"

/* The reference code of the authors (prng.di.unimi.it): xoshiro256** after splitmix64 with seed 0. */
static void the_sequence_is_the_published_one(void **state)
{
    (void)state;
    struct plait__random r;
    plait__random_init(&r, 0);
    assert_true(r.state[0] == 0xe220a8397b1dcdafu);
    assert_true(r.state[1] == 0x6e789e6aa1b965f4u);
    assert_true(plait__random_next(&r) == 0x99ec5f36cb75f2b4u);
    assert_true(plait__random_next(&r) == 0xbf6e1f784956452au);
    assert_true(plait__random_next(&r) == 0x1a5f849d4933e6e0u);
}

static void equal_seeds_give_equal_sequences(void **state)
{
    (void)state;
    struct plait__random a, b, c;
    plait__random_init(&a, 42);
    plait__random_init(&b, 42);
    plait__random_init(&c, 43);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        const uint64_t x = plait__random_next(&a);
        assert_true(x == plait__random_next(&b));
        differs = differs || x != plait__random_next(&c);
    }
    assert_true(differs);
}

static void numbers_stay_below_the_bound_and_are_fair(void **state)
{
    (void)state;
    struct plait__random r;
    unsigned seen[10] = {0};
    plait__random_init(&r, test_seed());
    for (int i = 0; i < 100000; i++) {
        const uint64_t n = plait__random_below(&r, 10);
        assert_true(n < 10);
        seen[n]++;
    }
    for (size_t i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
}

static void a_bound_above_half_of_all_numbers_is_fair_too(void **state)
{
    (void)state;
    struct plait__random r;
    const uint64_t bound = (UINT64_MAX / 4) * 3;
    unsigned low = 0;
    plait__random_init(&r, test_seed());
    for (int i = 0; i < 30000; i++) {
        const uint64_t n = plait__random_below(&r, bound);
        assert_true(n < bound);
        low += n < bound / 3;
    }
    assert_in_range(low, 9500, 10500); /* with a bias it were 15,000 */
}

static void nothing_lies_below_zero_and_one(void **state)
{
    (void)state;
    struct plait__random r;
    plait__random_init(&r, 7);
    assert_int_equal(plait__random_below(&r, 0), 0);
    assert_int_equal(plait__random_below(&r, 1), 0);
}

static void a_chance_comes_true_as_often_as_it_says(void **state)
{
    (void)state;
    struct plait__random r;
    unsigned hits = 0;
    plait__random_init(&r, test_seed());
    for (int i = 0; i < 40000; i++) {
        hits += plait__random_chance(&r, 1, 4);
        assert_false(plait__random_chance(&r, 0, 4));
        assert_true(plait__random_chance(&r, 4, 4));
    }
    assert_in_range(hits, 9500, 10500);
}

TEST_MAIN(cmocka_unit_test(the_sequence_is_the_published_one), cmocka_unit_test(equal_seeds_give_equal_sequences),
          cmocka_unit_test(numbers_stay_below_the_bound_and_are_fair),
          cmocka_unit_test(a_bound_above_half_of_all_numbers_is_fair_too),
          cmocka_unit_test(nothing_lies_below_zero_and_one), cmocka_unit_test(a_chance_comes_true_as_often_as_it_says))
