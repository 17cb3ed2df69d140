/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/slab.c: pages come and go, objects are apart, an object costs little more than itself.
 */
#include "tests/support/test.h"

#include "base/slab.h"

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait__slab slab;
};

static void begin(struct fixture *f, size_t object_bytes, size_t per_page)
{
    test_heap_init(&f->heap, 0);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    plait__slab_init(&f->slab, &f->budget, object_bytes, per_page);
}

static void end(struct fixture *f)
{
    plait__slab_deinit(&f->slab);
    assert_int_equal(f->heap.live, 0);
    assert_int_equal(f->budget.used, 0);
}

static void a_fresh_slab_holds_no_memory(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 8);
    assert_int_equal(f.heap.calls, 0);
    end(&f);
}

static void a_new_object_is_zeroed_however_it_was_left(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 8);
    uint8_t *a = plait__slab_new(&f.slab);
    memset(a, 0xff, 100);
    plait__slab_free(&f.slab, a);
    uint8_t *b = plait__slab_new(&f.slab);
    assert_ptr_equal(a, b);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(b[i], 0);
    plait__slab_free(&f.slab, b);
    end(&f);
}

static void objects_do_not_touch_each_other(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t *objects[100];
    begin(&f, 21, 8);
    for (size_t i = 0; i < 100; i++) {
        objects[i] = plait__slab_take(&f.slab);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % sizeof(void *), 0);
        memset(objects[i], (int)i, 21);
    }
    assert_int_equal(f.slab.used, 100);
    for (size_t i = 0; i < 100; i++) {
        for (size_t k = 0; k < 21; k++)
            assert_int_equal(objects[i][k], i);
        plait__slab_free(&f.slab, objects[i]);
    }
    assert_int_equal(f.slab.used, 0);
    end(&f);
}

static void pages_go_back_but_for_one(void **state)
{
    (void)state;
    struct fixture f;
    void *objects[80];
    begin(&f, 64, 8);
    for (size_t i = 0; i < 80; i++)
        objects[i] = plait__slab_new(&f.slab);
    assert_int_equal(f.heap.live, 10);
    for (size_t i = 0; i < 80; i++)
        plait__slab_free(&f.slab, objects[i]);
    assert_int_equal(f.heap.live, 1);
    assert_int_equal(f.slab.empty_pages, 1);
    const uint64_t calls = f.heap.calls;
    plait__slab_free(&f.slab, plait__slab_new(&f.slab));
    assert_int_equal(f.heap.calls, calls); /* going over a page's edge costs no allocation each time */
    end(&f);
}

static void an_object_costs_one_word_beside_itself(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 160, 64);
    for (int i = 0; i < 64; i++)
        assert_non_null(plait__slab_new(&f.slab));
    assert_int_equal(f.heap.live, 1);
    assert_true(f.budget.used <= 64 * (160 + sizeof(void *)) + 80);
    end(&f);
}

static void the_size_of_a_page_is_chosen_when_not_said(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 0);
    assert_in_range(f.slab.per_page * f.slab.object_bytes, 15000, 16384);
    end(&f);
    begin(&f, 100000, 0);
    assert_int_equal(f.slab.per_page, 4);
    end(&f);
    begin(&f, 1, 0); /* the smallest object has room for a link */
    void *a = plait__slab_new(&f.slab);
    void *b = plait__slab_new(&f.slab);
    plait__slab_free(&f.slab, a);
    plait__slab_free(&f.slab, b);
    assert_ptr_equal(plait__slab_take(&f.slab), b);
    assert_ptr_equal(plait__slab_take(&f.slab), a);
    end(&f);
}

static void without_memory_there_is_no_object(void **state)
{
    (void)state;
    struct fixture f;
    void *objects[4];
    begin(&f, 64, 4);
    f.heap.fail_at = 2;
    for (size_t i = 0; i < 4; i++)
        objects[i] = plait__slab_new(&f.slab);
    assert_null(plait__slab_new(&f.slab));
    assert_int_equal(f.slab.used, 4);
    plait__slab_free(&f.slab, objects[0]);
    assert_non_null(plait__slab_new(&f.slab));
    end(&f);
}

static void freeing_nothing_does_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 64, 4);
    plait__slab_free(&f.slab, NULL);
    end(&f);
}

static void ending_a_slab_takes_objects_along(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 64, 4);
    for (int i = 0; i < 10; i++)
        assert_non_null(plait__slab_new(&f.slab));
    plait__slab_deinit(&f.slab);
    assert_int_equal(f.heap.live, 0);
    assert_int_equal(f.slab.used, 0);
    assert_non_null(plait__slab_new(&f.slab));
    end(&f);
}

static void ending_a_slab_that_was_never_begun_does_nothing(void **state)
{
    (void)state;
    struct plait__slab slab;
    memset(&slab, 0, sizeof slab);
    plait__slab_deinit(&slab);
}

static void random_taking_and_giving_keeps_the_count(void **state)
{
    (void)state;
    struct fixture f;
    struct test_random random = test_random_of(test_seed());
    uint64_t *objects[500] = {NULL};
    size_t held = 0;
    begin(&f, 40, 16);
    for (int i = 0; i < 50000; i++) {
        uint64_t **object = &objects[test_random_below(&random, 500)];
        if (*object) {
            assert_int_equal((*object)[0], (uintptr_t)*object);
            plait__slab_free(&f.slab, *object);
            *object = NULL;
            held--;
        } else {
            *object = plait__slab_new(&f.slab);
            assert_int_equal((*object)[4], 0);
            (*object)[0] = (uintptr_t)*object;
            held++;
        }
        assert_int_equal(f.slab.used, held);
        assert_true(f.slab.empty_pages <= 1);
    }
    end(&f);
}

TEST_MAIN(cmocka_unit_test(a_fresh_slab_holds_no_memory), cmocka_unit_test(a_new_object_is_zeroed_however_it_was_left),
          cmocka_unit_test(objects_do_not_touch_each_other), cmocka_unit_test(pages_go_back_but_for_one),
          cmocka_unit_test(an_object_costs_one_word_beside_itself),
          cmocka_unit_test(the_size_of_a_page_is_chosen_when_not_said),
          cmocka_unit_test(without_memory_there_is_no_object), cmocka_unit_test(freeing_nothing_does_nothing),
          cmocka_unit_test(ending_a_slab_takes_objects_along),
          cmocka_unit_test(ending_a_slab_that_was_never_begun_does_nothing),
          cmocka_unit_test(random_taking_and_giving_keeps_the_count))
