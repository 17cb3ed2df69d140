/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/table.c: the hash's published vectors, the table against a model, what a failing heap leaves.
 */
#include "tests/support/test.h"

#include "base/table.h"

static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait__table table;
};

static void begin(struct fixture *f, uint64_t fail_at)
{
    test_heap_init(&f->heap, fail_at);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    plait__table_init(&f->table, &f->budget, key);
}

static void end(struct fixture *f)
{
    plait__table_deinit(&f->table);
    assert_int_equal(f->heap.live, 0);
}

/* The paper's appendix A, and the authors' vectors.h: input 00, 01, 02, … of each length. */
static void the_hash_is_siphash_2_4(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } rows[] = {{0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
                {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}, {63, 0x958a324ceb064572u}};
    uint8_t input[64];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < TEST_COUNT(rows); i++)
        assert_true(plait__siphash(key, plait_slice_of(input, rows[i].len)) == rows[i].hash);
    assert_true(plait__siphash(key, plait_slice_of(NULL, 0)) == rows[0].hash);
}

static void another_key_gives_another_hash(void **state)
{
    (void)state;
    uint8_t other[16];
    memcpy(other, key, 16);
    other[15] ^= 1;
    assert_true(plait__siphash(key, PLAIT_LIT("x")) != plait__siphash(other, PLAIT_LIT("x")));
}

static void what_is_inserted_is_found_until_removed(void **state)
{
    (void)state;
    struct fixture f;
    int a, b;
    begin(&f, 0);
    assert_null(plait__table_find(&f.table, PLAIT_LIT("a")));
    assert_null(plait__table_remove(&f.table, PLAIT_LIT("a")));
    assert_ok(plait__table_insert(&f.table, PLAIT_LIT("a"), &a));
    assert_ok(plait__table_insert(&f.table, PLAIT_LIT(""), &b));
    assert_ptr_equal(plait__table_find(&f.table, PLAIT_LIT("a")), &a);
    assert_ptr_equal(plait__table_find(&f.table, plait_slice_of(NULL, 0)), &b);
    assert_null(plait__table_find(&f.table, PLAIT_LIT("c")));
    assert_null(plait__table_remove(&f.table, PLAIT_LIT("c")));
    assert_ptr_equal(plait__table_remove(&f.table, PLAIT_LIT("a")), &a);
    assert_null(plait__table_find(&f.table, PLAIT_LIT("a")));
    assert_int_equal(f.table.count, 1);
    end(&f);
}

static void a_key_is_in_at_most_once(void **state)
{
    (void)state;
    struct fixture f;
    int a, b;
    begin(&f, 0);
    assert_ok(plait__table_insert(&f.table, PLAIT_LIT("k"), &a));
    assert_err(plait__table_insert(&f.table, PLAIT_LIT("k"), &b), PLAIT_EEXISTS);
    assert_ptr_equal(plait__table_find(&f.table, PLAIT_LIT("k")), &a);
    assert_int_equal(f.table.count, 1);
    end(&f);
}

static void a_walk_meets_every_entry_once(void **state)
{
    (void)state;
    struct fixture f;
    bool met[1000] = {false};
    struct plait__table_walk at = {0, NULL};
    plait_slice k;
    begin(&f, 0);
    assert_null(plait__table_next(&f.table, &at, &k));
    for (uint16_t i = 0; i < 1000; i++)
        assert_ok(plait__table_insert(&f.table, plait_slice_of(&i, sizeof i), &met[i]));
    at = (struct plait__table_walk){0, NULL};
    for (bool *value = plait__table_next(&f.table, &at, &k); value; value = plait__table_next(&f.table, &at, &k)) {
        uint16_t i;
        assert_int_equal(k.len, sizeof i);
        memcpy(&i, k.ptr, sizeof i);
        assert_ptr_equal(value, &met[i]);
        assert_false(*value);
        *value = true;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_true(met[i]);
    end(&f);
}

static void a_large_table_has_short_chains(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    for (uint32_t i = 0; i < 10000; i++)
        assert_ok(plait__table_insert(&f.table, plait_slice_of(&i, sizeof i), &f));
    assert_int_equal(f.table.buckets, 16384);
    end(&f);
}

static void without_memory_nothing_is_inserted(void **state)
{
    (void)state;
    for (uint64_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct fixture f;
        begin(&f, fail_at);
        assert_err(plait__table_insert(&f.table, PLAIT_LIT("a"), &f), PLAIT_ENOMEM);
        assert_int_equal(f.table.count, 0);
        assert_null(plait__table_find(&f.table, PLAIT_LIT("a")));
        assert_ok(plait__table_insert(&f.table, PLAIT_LIT("a"), &f));
        end(&f);
    }
}

static void a_table_that_cannot_grow_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 18); /* the table, sixteen entries, and then the larger table */
    for (uint16_t i = 0; i < 17; i++)
        assert_ok(plait__table_insert(&f.table, plait_slice_of(&i, sizeof i), &f));
    assert_int_equal(f.table.buckets, 16);
    for (uint16_t i = 0; i < 17; i++)
        assert_ptr_equal(plait__table_find(&f.table, plait_slice_of(&i, sizeof i)), &f);
    end(&f);
}

static void random_changes_agree_with_a_model(void **state)
{
    (void)state;
    struct fixture f;
    struct test_random random = test_random_of(test_seed());
    static char values[300];
    bool in[300] = {false};
    size_t count = 0;
    begin(&f, 0);
    for (int i = 0; i < 30000; i++) {
        const uint16_t k = (uint16_t)test_random_below(&random, 300);
        const plait_slice bytes = plait_slice_of(&k, sizeof k);
        assert_ptr_equal(plait__table_find(&f.table, bytes), in[k] ? &values[k] : NULL);
        if (test_random_below(&random, 2) == 0) {
            assert_err(plait__table_insert(&f.table, bytes, &values[k]), in[k] ? PLAIT_EEXISTS : PLAIT_OK);
            count += !in[k];
            in[k] = true;
        } else {
            assert_ptr_equal(plait__table_remove(&f.table, bytes), in[k] ? &values[k] : NULL);
            count -= in[k];
            in[k] = false;
        }
        assert_int_equal(f.table.count, count);
    }
    end(&f);
}

TEST_MAIN(cmocka_unit_test(the_hash_is_siphash_2_4), cmocka_unit_test(another_key_gives_another_hash),
          cmocka_unit_test(what_is_inserted_is_found_until_removed), cmocka_unit_test(a_key_is_in_at_most_once),
          cmocka_unit_test(a_walk_meets_every_entry_once), cmocka_unit_test(a_large_table_has_short_chains),
          cmocka_unit_test(without_memory_nothing_is_inserted), cmocka_unit_test(a_table_that_cannot_grow_goes_on),
          cmocka_unit_test(random_changes_agree_with_a_model))
