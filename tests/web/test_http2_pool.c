/* SPDX-License-Identifier: MIT
 *
 * nghttp2's memory: blocks of every size, given back and taken again, counted, refused at the budget.
 */
#include "tests/support/test.h"

#include "web/http2_pool.h"

struct kit {
    struct test_heap heap;
    struct plait_budget root, budget;
    struct plait__h2_pool pool;
};

static void kit_open(struct kit *k, size_t max)
{
    test_heap_init(&k->heap, 0);
    plait_budget_init(&k->root, NULL, &k->heap.allocator, 0);
    plait_budget_init(&k->budget, &k->root, NULL, max);
    plait__h2_pool_init(&k->pool, &k->budget);
}

static void kit_close(struct kit *k)
{
    plait__h2_pool_deinit(&k->pool);
    assert_int_equal(k->heap.live, 0);
    assert_int_equal(k->budget.used, 0);
}

static void *take(struct kit *k, size_t bytes)
{
    uint8_t *at = k->pool.mem.malloc(bytes, k->pool.mem.mem_user_data);
    if (at && bytes)
        memset(at, 0xa5, bytes);
    assert_int_equal((uintptr_t)at % 16, 0);
    return at;
}

static void give(struct kit *k, void *at)
{
    k->pool.mem.free(at, k->pool.mem.mem_user_data);
}

static void blocks_of_every_size_are_apart(void **state)
{
    enum { MANY = 40 };
    struct kit k;
    uint8_t *at[MANY];
    (void)state;
    kit_open(&k, 0);
    for (size_t i = 0; i < MANY; i++)
        at[i] = take(&k, i * 37);
    for (size_t i = 0; i < MANY; i++) {
        memset(at[i], (int)i, i * 37);
    }
    for (size_t i = 0; i < MANY; i++) {
        for (size_t j = 0; j < i * 37; j++)
            assert_int_equal(at[i][j], i);
        give(&k, at[i]);
    }
    give(&k, NULL);
    kit_close(&k);
}

static void what_was_given_back_is_taken_again(void **state)
{
    struct kit k;
    (void)state;
    kit_open(&k, 0);
    void *a = take(&k, 100), *b = take(&k, 100);
    const uint64_t calls = k.heap.calls;
    give(&k, a);
    give(&k, b);
    assert_ptr_equal(take(&k, 128), b);
    assert_ptr_equal(take(&k, 65), a);
    for (int i = 0; i < 10000; i++) {
        void *c = take(&k, 1000);
        give(&k, c);
    }
    assert_true(k.heap.calls <= calls + 1);
    kit_close(&k);
}

static void a_block_grows_and_shrinks_with_its_bytes(void **state)
{
    static const size_t sizes[] = {10, 60, 64, 65, 900, 1024, 1025, 5000, 20000, 3000, 30};
    struct kit k;
    uint8_t *at = NULL;
    size_t had = 0;
    (void)state;
    kit_open(&k, 0);
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        at = k.pool.mem.realloc(at, sizes[i], k.pool.mem.mem_user_data);
        for (size_t j = 0; j < had && j < sizes[i]; j++)
            assert_int_equal(at[j], j % 251);
        for (size_t j = 0; j < sizes[i]; j++)
            at[j] = (uint8_t)(j % 251);
        had = sizes[i];
    }
    give(&k, at);
    kit_close(&k);
}

static void cleared_memory_is_clear(void **state)
{
    struct kit k;
    (void)state;
    kit_open(&k, 0);
    give(&k, take(&k, 512));
    uint8_t *at = k.pool.mem.calloc(8, 64, k.pool.mem.mem_user_data);
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(at[i], 0);
    assert_null(k.pool.mem.calloc(SIZE_MAX / 2, 3, k.pool.mem.mem_user_data));
    assert_null(k.pool.mem.malloc(SIZE_MAX, k.pool.mem.mem_user_data));
    kit_close(&k);
}

static void the_budget_is_the_end(void **state)
{
    struct kit k;
    (void)state;
    kit_open(&k, 10000);
    void *small = take(&k, 40);
    assert_non_null(small);
    assert_null(take(&k, 20000));
    assert_null(k.pool.mem.realloc(small, 20000, k.pool.mem.mem_user_data));
    assert_null(k.pool.mem.calloc(1, 20000, k.pool.mem.mem_user_data));
    size_t count = 0;
    while (take(&k, 500))
        count++;
    assert_true(count > 5 && count < 20);
    kit_close(&k);
}

TEST_MAIN(cmocka_unit_test(blocks_of_every_size_are_apart), cmocka_unit_test(what_was_given_back_is_taken_again),
          cmocka_unit_test(a_block_grows_and_shrinks_with_its_bytes), cmocka_unit_test(cleared_memory_is_clear),
          cmocka_unit_test(the_budget_is_the_end))
