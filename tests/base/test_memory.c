/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/memory.c: what is counted where, what is refused, what failing leaves behind.
 */
#include "tests/support/test.h"

#include "base/memory.h"

enum { HEADER = 16 }; /* bytes that the counting itself takes for each allocation */

static void new_memory_is_zeroed_and_counted(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 0);
    uint8_t *p = plait_mem_new(&b, 100);
    assert_non_null(p);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal(b.used, 100 + HEADER);
    assert_int_equal((uintptr_t)p % 16, 0);
    plait_mem_free(p);
    assert_int_equal(b.used, 0);
}

static void zero_bytes_are_an_allocation_too(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 0);
    void *p = plait_mem_new(&b, 0);
    assert_non_null(p);
    assert_int_equal(b.used, HEADER);
    plait_mem_free(p);
}

static void freeing_nothing_does_nothing(void **state)
{
    (void)state;
    plait_mem_free(NULL);
}

static void what_is_held_counts_at_every_node_above(void **state)
{
    (void)state;
    struct plait_budget root, listener, connection;
    plait_budget_init(&root, NULL, NULL, 10000);
    plait_budget_init(&listener, &root, NULL, 0);
    plait_budget_init(&connection, &listener, NULL, 1000);
    void *a = plait_mem_new(&connection, 100);
    void *b = plait_mem_new(&listener, 200);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(connection.used, 100 + HEADER);
    assert_int_equal(listener.used, 300 + 2 * HEADER);
    assert_int_equal(root.used, 300 + 2 * HEADER);
    plait_mem_free(a);
    assert_int_equal(connection.used, 0);
    assert_int_equal(root.used, 200 + HEADER);
    plait_mem_free(b);
    assert_int_equal(root.used, 0);
}

static void a_full_node_refuses_and_charges_none(void **state)
{
    (void)state;
    struct plait_budget root, child;
    plait_budget_init(&root, NULL, NULL, 100 + HEADER);
    plait_budget_init(&child, &root, NULL, 0);
    void *p = plait_mem_new(&child, 100);
    assert_non_null(p);
    assert_null(plait_mem_new(&child, 1));
    assert_int_equal(child.used, 100 + HEADER);
    plait_mem_free(p);
    p = plait_mem_new(&child, 100);
    assert_non_null(p);
    plait_mem_free(p);
}

static void the_smallest_budget_on_the_way_decides(void **state)
{
    (void)state;
    struct plait_budget root, child;
    plait_budget_init(&root, NULL, NULL, 1000);
    plait_budget_init(&child, &root, NULL, 200);
    assert_int_equal(plait_budget_left(&child), 200);
    assert_null(plait_mem_new(&child, 200));
    void *p = plait_mem_new(&root, 900 - HEADER);
    assert_int_equal(plait_budget_left(&child), 100);
    assert_int_equal(plait_budget_left(&root), 100);
    plait_mem_free(p);
}

static void nothing_is_left_under_an_overdrawn_budget(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 1000);
    void *p = plait_mem_new(&b, 500);
    b.max = 100; /* as a limit that is lowered while in use */
    assert_int_equal(plait_budget_left(&b), 0);
    assert_null(plait_mem_new(&b, 1));
    plait_mem_free(p);
    assert_int_equal(plait_budget_left(&b), 100);
}

static void an_unlimited_budget_has_everything_left(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 0);
    assert_true(plait_budget_left(&b) == SIZE_MAX);
    assert_true(b.max == SIZE_MAX);
}

static void sizes_that_would_overflow_are_refused(void **state)
{
    (void)state;
    struct plait_budget b;
    volatile size_t most = SIZE_MAX; /* the compiler would warn of the constant */
    plait_budget_init(&b, NULL, NULL, 0);
    assert_null(plait_mem_new(&b, most));
    assert_null(plait_mem_new(&b, most - HEADER + 1));
    assert_null(plait_mem_text(&b, "x", most));
    void *p = plait_mem_new(&b, 8);
    assert_null(plait_mem_resize(&b, p, most));
    assert_int_equal(b.used, 8 + HEADER);
    plait_mem_free(p);
}

static void resizing_keeps_content_and_counts_the_difference(void **state)
{
    (void)state;
    struct plait_budget b, other;
    plait_budget_init(&b, NULL, NULL, 0);
    plait_budget_init(&other, NULL, NULL, 0);
    char *p = plait_mem_resize(&b, NULL, 4);
    memcpy(p, "abcd", 4);
    p = plait_mem_resize(&other, p, 4000);
    assert_memory_equal(p, "abcd", 4);
    assert_int_equal(b.used, 4000 + HEADER);
    assert_int_equal(other.used, 0);
    p = plait_mem_resize(&b, p, 2);
    assert_memory_equal(p, "ab", 2);
    assert_int_equal(b.used, 2 + HEADER);
    plait_mem_free(p);
    assert_int_equal(b.used, 0);
}

static void a_refused_resize_leaves_the_old_allocation(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 100);
    char *p = plait_mem_text(&b, "kept", 4);
    assert_null(plait_mem_resize(&b, p, 200));
    assert_string_equal(p, "kept");
    assert_int_equal(b.used, 5 + HEADER);
    plait_mem_free(p);
}

static void a_failing_heap_leaves_budgets_as_they_were(void **state)
{
    (void)state;
    struct test_heap heap;
    struct plait_budget root, child;
    test_heap_init(&heap, 1);
    plait_budget_init(&root, NULL, &heap.allocator, 0);
    plait_budget_init(&child, &root, NULL, 0);
    assert_null(plait_mem_new(&child, 10));
    assert_int_equal(child.used, 0);
    assert_int_equal(root.used, 0);
    heap.fail_at = 3;
    char *p = plait_mem_text(&child, "old", 3);
    assert_null(plait_mem_resize(&child, p, 100));
    assert_int_equal(root.used, 4 + HEADER);
    heap.fail_at = 4;
    assert_null(plait_mem_resize(&child, p, 1)); /* even shrinking can fail */
    assert_int_equal(root.used, 4 + HEADER);
    assert_string_equal(p, "old");
    plait_mem_free(p);
    assert_int_equal(heap.live, 0);
    assert_int_equal(root.used, 0);
}

static void text_is_copied_and_terminated(void **state)
{
    (void)state;
    struct plait_budget b;
    plait_budget_init(&b, NULL, NULL, 0);
    char *text = plait_mem_text(&b, "hello, world", 5);
    assert_string_equal(text, "hello");
    char *empty = plait_mem_text(&b, NULL, 0);
    assert_string_equal(empty, "");
    plait_mem_free(text);
    plait_mem_free(empty);
    assert_int_equal(b.used, 0);
}

static void charging_by_hand_counts_like_an_allocation(void **state)
{
    (void)state;
    struct plait_budget root, child;
    plait_budget_init(&root, NULL, NULL, 100);
    plait_budget_init(&child, &root, NULL, 0);
    assert_true(plait__budget_charge(&child, 60));
    assert_false(plait__budget_charge(&child, 60));
    assert_int_equal(child.used, 60);
    plait__budget_release(&child, 60);
    assert_int_equal(root.used, 0);
}

static void wiping_leaves_zeroes(void **state)
{
    (void)state;
    char secret[16] = "password";
    plait_mem_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
}

TEST_MAIN(cmocka_unit_test(new_memory_is_zeroed_and_counted), cmocka_unit_test(zero_bytes_are_an_allocation_too),
          cmocka_unit_test(freeing_nothing_does_nothing), cmocka_unit_test(what_is_held_counts_at_every_node_above),
          cmocka_unit_test(a_full_node_refuses_and_charges_none),
          cmocka_unit_test(the_smallest_budget_on_the_way_decides),
          cmocka_unit_test(nothing_is_left_under_an_overdrawn_budget),
          cmocka_unit_test(an_unlimited_budget_has_everything_left),
          cmocka_unit_test(sizes_that_would_overflow_are_refused),
          cmocka_unit_test(resizing_keeps_content_and_counts_the_difference),
          cmocka_unit_test(a_refused_resize_leaves_the_old_allocation),
          cmocka_unit_test(a_failing_heap_leaves_budgets_as_they_were), cmocka_unit_test(text_is_copied_and_terminated),
          cmocka_unit_test(charging_by_hand_counts_like_an_allocation), cmocka_unit_test(wiping_leaves_zeroes))
