/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/buf.c: growing within a maximum, sliding, the sticky error.
 */
#include "tests/support/test.h"

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait_buf buf;
};

static void begin(struct fixture *f, size_t max, uint64_t fail_at)
{
    test_heap_init(&f->heap, fail_at);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    plait_buf_init(&f->buf, &f->budget, max);
}

static void end(struct fixture *f)
{
    plait_buf_deinit(&f->buf);
    assert_int_equal(f->heap.live, 0);
    assert_int_equal(f->budget.used, 0);
}

static void a_fresh_buffer_is_empty_and_holds_no_memory(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 0);
    assert_slice(plait_buf_slice(&f.buf), "");
    plait_buf_put(&f.buf, plait_slice_of(NULL, 0));
    assert_int_equal(f.heap.calls, 0);
    end(&f);
}

static void what_is_put_is_the_content(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1000, 0);
    plait_buf_put_text(&f.buf, "a");
    plait_buf_put(&f.buf, PLAIT_LIT("bc"));
    plait_buf_put_u8(&f.buf, 'd');
    plait_buf_put_u16(&f.buf, 0x6566);
    plait_buf_put_u32(&f.buf, 0x6768696a);
    plait_buf_printf(&f.buf, "%d%s", 12, "x");
    assert_slice(plait_buf_slice(&f.buf), "abcdefghij12x");
    assert_err(f.buf.err, PLAIT_OK);
    end(&f);
}

static void numbers_are_put_in_decimal(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1000, 0);
    plait_buf_put_u64_text(&f.buf, 0);
    plait_buf_put_u8(&f.buf, ' ');
    plait_buf_put_u64_text(&f.buf, 1234567890);
    plait_buf_put_u8(&f.buf, ' ');
    plait_buf_put_u64_text(&f.buf, UINT64_MAX);
    assert_slice(plait_buf_slice(&f.buf), "0 1234567890 18446744073709551615");
    end(&f);
}

static void growing_doubles_so_that_it_is_rare(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100000, 0);
    for (int i = 0; i < 100000; i++)
        plait_buf_put_u8(&f.buf, (uint8_t)i);
    assert_int_equal(f.buf.len, 100000);
    assert_true(f.heap.calls < 14);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(plait_buf_slice(&f.buf).ptr[i], (uint8_t)i);
    end(&f);
}

static void storage_stays_within_the_maximum(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 0);
    for (int i = 0; i < 100; i++)
        plait_buf_put_u8(&f.buf, 'x');
    assert_err(f.buf.err, PLAIT_OK);
    assert_int_equal(f.buf.cap, 100);
    plait_buf_put_u8(&f.buf, 'x');
    assert_err(f.buf.err, PLAIT_ETOOLONG);
    assert_int_equal(f.buf.len, 100);
    end(&f);
}

static void an_error_sticks_until_the_buffer_is_cleared(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 4, 0);
    plait_buf_put_text(&f.buf, "abc");
    plait_buf_put_text(&f.buf, "de");
    plait_buf_put_text(&f.buf, "f");
    assert_null(plait_buf_reserve(&f.buf, 0));
    assert_slice(plait_buf_slice(&f.buf), "abc");
    assert_err(f.buf.err, PLAIT_ETOOLONG);
    plait_buf_clear(&f.buf);
    assert_err(f.buf.err, PLAIT_OK);
    plait_buf_put_text(&f.buf, "defg");
    assert_slice(plait_buf_slice(&f.buf), "defg");
    end(&f);
}

static void no_memory_is_an_error_that_sticks(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1000, 2);
    plait_buf_put_text(&f.buf, "kept");
    for (int i = 0; i < 100; i++)
        plait_buf_put_u8(&f.buf, 'x');
    assert_err(f.buf.err, PLAIT_ENOMEM);
    assert_int_equal(f.buf.len, 64);
    assert_memory_equal(plait_buf_slice(&f.buf).ptr, "kept", 4);
    end(&f);
}

static void a_deinited_buffer_can_be_used_again(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1, 0);
    plait_buf_put_text(&f.buf, "ab");
    plait_buf_deinit(&f.buf);
    assert_err(f.buf.err, PLAIT_OK);
    plait_buf_put_text(&f.buf, "a");
    assert_slice(plait_buf_slice(&f.buf), "a");
    end(&f);
}

static void what_is_reserved_counts_when_it_is_committed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 0);
    uint8_t *at = plait_buf_reserve(&f.buf, 50);
    assert_non_null(at);
    memcpy(at, "hello", 5);
    assert_int_equal(f.buf.len, 0);
    plait_buf_commit(&f.buf, 5);
    assert_slice(plait_buf_slice(&f.buf), "hello");
    assert_non_null(plait_buf_reserve(&f.buf, 95));
    assert_null(plait_buf_reserve(&f.buf, 96));
    assert_err(f.buf.err, PLAIT_ETOOLONG);
    end(&f);
}

static void a_buffer_for_nothing_can_reserve_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0, 0);
    assert_non_null(plait_buf_reserve(&f.buf, 0));
    assert_null(plait_buf_reserve(&f.buf, 1));
    end(&f);
}

static void consuming_takes_from_the_front(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 100, 0);
    plait_buf_put_text(&f.buf, "hello, world");
    plait_buf_consume(&f.buf, 7);
    assert_slice(plait_buf_slice(&f.buf), "world");
    plait_buf_consume(&f.buf, 100);
    assert_slice(plait_buf_slice(&f.buf), "");
    assert_int_equal(f.buf.at, 0);
    end(&f);
}

static void consumed_room_is_used_again(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 64, 0);
    for (int i = 0; i < 64; i++)
        plait_buf_put_u8(&f.buf, (uint8_t)('a' + i % 26));
    plait_buf_consume(&f.buf, 60);
    for (int i = 0; i < 60; i++)
        plait_buf_put_u8(&f.buf, '.');
    assert_err(f.buf.err, PLAIT_OK);
    assert_int_equal(f.buf.len, 64);
    assert_memory_equal(plait_buf_slice(&f.buf).ptr, "ijkl....", 8);
    assert_int_equal(f.heap.calls, 1);
    end(&f);
}

static void room_for_one_byte_is_found_too(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 64, 0);
    for (int i = 0; i < 64; i++)
        plait_buf_put_u8(&f.buf, (uint8_t)i);
    plait_buf_consume(&f.buf, 1);
    plait_buf_put_u8(&f.buf, 64);
    assert_err(f.buf.err, PLAIT_OK);
    assert_int_equal(f.buf.len, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(plait_buf_slice(&f.buf).ptr[i], i + 1);
    end(&f);
}

static void sliding_and_growing_can_come_together(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1000, 0);
    for (int i = 0; i < 60; i++)
        plait_buf_put_u8(&f.buf, 'a');
    plait_buf_consume(&f.buf, 10);
    uint8_t *at = plait_buf_reserve(&f.buf, 200);
    assert_non_null(at);
    assert_int_equal(f.buf.at, 0);
    assert_int_equal(f.buf.len, 50);
    assert_true(f.buf.cap >= 250);
    end(&f);
}

static void long_printed_text_goes_by_way_of_memory(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 300, 0);
    plait_buf_printf(&f.buf, "%0300d", 7);
    assert_err(f.buf.err, PLAIT_OK);
    assert_int_equal(f.buf.len, 300);
    assert_int_equal(plait_buf_slice(&f.buf).ptr[299], '7');
    plait_buf_clear(&f.buf);
    plait_buf_printf(&f.buf, "%0301d", 7);
    assert_err(f.buf.err, PLAIT_ETOOLONG);
    plait_buf_printf(&f.buf, "%0301d", 7);
    assert_int_equal(f.buf.len, 0);
    end(&f);
}

static void printing_without_memory_is_an_error(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 300, 1);
    plait_buf_printf(&f.buf, "%0300d", 7);
    assert_err(f.buf.err, PLAIT_ENOMEM);
    end(&f);
}

/* A model of the buffer: what was put and not consumed is what is there. */
static void random_puts_and_takes_agree_with_a_model(void **state)
{
    (void)state;
    struct fixture f;
    struct test_random random = test_random_of(test_seed());
    uint64_t put = 0;
    uint64_t taken = 0;
    begin(&f, 500, 0);
    for (int i = 0; i < 20000; i++) {
        uint8_t piece[100];
        const size_t n = test_random_below(&random, sizeof piece);
        for (size_t k = 0; k < n; k++)
            piece[k] = (uint8_t)((put + k) * 7);
        if (put - taken + n <= 500) {
            plait_buf_put(&f.buf, plait_slice_of(piece, n));
            put += n;
        }
        const size_t take = test_random_below(&random, put - taken + 1);
        plait_buf_consume(&f.buf, take);
        taken += take;
        assert_err(f.buf.err, PLAIT_OK);
        assert_int_equal(f.buf.len, put - taken);
        assert_true(f.buf.cap <= 500);
        for (size_t k = 0; k < f.buf.len; k++)
            assert_int_equal(plait_buf_slice(&f.buf).ptr[k], (uint8_t)((taken + k) * 7));
    }
    end(&f);
}

TEST_MAIN(cmocka_unit_test(a_fresh_buffer_is_empty_and_holds_no_memory), cmocka_unit_test(what_is_put_is_the_content),
          cmocka_unit_test(numbers_are_put_in_decimal), cmocka_unit_test(growing_doubles_so_that_it_is_rare),
          cmocka_unit_test(storage_stays_within_the_maximum),
          cmocka_unit_test(an_error_sticks_until_the_buffer_is_cleared),
          cmocka_unit_test(no_memory_is_an_error_that_sticks), cmocka_unit_test(a_deinited_buffer_can_be_used_again),
          cmocka_unit_test(what_is_reserved_counts_when_it_is_committed),
          cmocka_unit_test(a_buffer_for_nothing_can_reserve_nothing), cmocka_unit_test(consuming_takes_from_the_front),
          cmocka_unit_test(consumed_room_is_used_again), cmocka_unit_test(room_for_one_byte_is_found_too),
          cmocka_unit_test(sliding_and_growing_can_come_together),
          cmocka_unit_test(long_printed_text_goes_by_way_of_memory),
          cmocka_unit_test(printing_without_memory_is_an_error),
          cmocka_unit_test(random_puts_and_takes_agree_with_a_model))
