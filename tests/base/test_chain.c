/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/chain.c: pieces of every kind, gathering, consuming across them, what a failure leaves.
 */
#include "tests/support/test.h"

#include "base/chain.h"

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait__chain chain;
    int released;
};

static void begin(struct fixture *f, uint64_t fail_at)
{
    test_heap_init(&f->heap, fail_at);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    plait__chain_init(&f->chain, &f->budget);
    f->released = 0;
}

static void end(struct fixture *f)
{
    plait__chain_deinit(&f->chain);
    assert_true(plait__chain_empty(&f->chain));
    assert_int_equal(f->heap.live, 0);
    assert_int_equal(f->budget.used, 0);
}

static void on_released(void *ctx)
{
    struct fixture *f = ctx;
    f->released++;
}

/* The bytes in front up to the first file, and in how many vectors they lie. */
static size_t front(const struct plait__chain *chain, char *out, size_t room, size_t *len)
{
    struct iovec iov[16];
    const size_t n = plait__chain_gather(chain, iov, 16);
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(*len + iov[i].iov_len <= room);
        assert_true(iov[i].iov_len > 0);
        memcpy(out + *len, iov[i].iov_base, iov[i].iov_len);
        *len += iov[i].iov_len;
    }
    return n;
}

static void assert_front(const struct plait__chain *chain, const char *text, size_t vectors)
{
    char out[256];
    size_t len;
    assert_int_equal(front(chain, out, sizeof out, &len), vectors);
    assert_slice(plait_slice_of(out, len), text);
}

static void an_empty_chain_has_nothing_to_send(void **state)
{
    (void)state;
    struct fixture f;
    struct iovec iov[1];
    begin(&f, 0);
    assert_true(plait__chain_empty(&f.chain));
    assert_int_equal(plait__chain_gather(&f.chain, iov, 1), 0);
    assert_false(plait__chain_front_is_file(&f.chain));
    plait__chain_consume(&f.chain, 10);
    end(&f);
}

static void small_writes_share_a_piece(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("hello, ")));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("world")));
    assert_front(&f.chain, "hello, world", 1);
    assert_int_equal(plait__chain_bytes(&f.chain), 12);
    assert_int_equal(f.heap.calls, 1);
    end(&f);
}

static void a_large_write_gets_one_piece_of_its_size(void **state)
{
    (void)state;
    struct fixture f;
    static uint8_t large[100000];
    struct iovec iov[4];
    begin(&f, 0);
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("small")));
    assert_ok(plait__chain_put(&f.chain, plait_slice_of(large, sizeof large)));
    assert_int_equal(plait__chain_gather(&f.chain, iov, 4), 2);
    assert_int_equal(iov[1].iov_len, sizeof large);
    assert_int_equal(f.heap.calls, 2);
    end(&f);
}

static void nothing_makes_no_piece(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_buf buf;
    begin(&f, 0);
    struct plait_shared *shared = plait_shared_new(&f.budget, plait_slice_of(NULL, 0));
    plait_buf_init(&buf, &f.budget, 10);
    assert_ok(plait__chain_put(&f.chain, plait_slice_of(NULL, 0)));
    assert_ok(plait__chain_take(&f.chain, &buf));
    assert_ok(plait__chain_shared(&f.chain, shared));
    assert_err(plait__chain_file(&f.chain, 3, 0, 0, on_released, &f), PLAIT_EINVAL);
    assert_int_equal(f.released, 0);
    assert_front(&f.chain, "", 0);
    assert_null(f.chain.first);
    plait_shared_unref(&shared);
    end(&f);
}

static void a_taken_buffer_is_not_copied(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_buf buf;
    struct iovec iov[1];
    begin(&f, 0);
    plait_buf_init(&buf, &f.budget, 100);
    plait_buf_put_text(&buf, "x taken");
    plait_buf_consume(&buf, 2);
    const uint8_t *where = plait_buf_slice(&buf).ptr;
    assert_ok(plait__chain_take(&f.chain, &buf));
    assert_int_equal(plait__chain_gather(&f.chain, iov, 1), 1);
    assert_ptr_equal(iov[0].iov_base, where);
    assert_front(&f.chain, "taken", 1);
    assert_int_equal(buf.len, 0);
    assert_null(buf.ptr);
    plait_buf_put_text(&buf, "usable"); /* and of no concern to the chain */
    assert_front(&f.chain, "taken", 1);
    plait_buf_deinit(&buf);
    end(&f);
}

static void shared_bytes_live_until_the_last_owner_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    struct plait_shared *shared = plait_shared_new(&f.budget, PLAIT_LIT("shared"));
    assert_slice(plait_shared_slice(shared), "shared");
    assert_ok(plait__chain_shared(&f.chain, shared));
    assert_ok(plait__chain_shared(&f.chain, shared));
    plait_shared_unref(&shared);
    assert_null(shared);
    plait_shared_unref(&shared); /* NULL is allowed */
    assert_front(&f.chain, "sharedshared", 2);
    plait__chain_consume(&f.chain, 6);
    assert_front(&f.chain, "shared", 1);
    end(&f);
}

static void a_copy_behind_another_kind_starts_a_piece(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    struct plait_shared *shared = plait_shared_new(&f.budget, PLAIT_LIT("<shared>"));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("a")));
    assert_ok(plait__chain_shared(&f.chain, shared));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("b")));
    assert_front(&f.chain, "a<shared>b", 3);
    plait_shared_unref(&shared);
    end(&f);
}

static void gathering_stops_at_a_file(void **state)
{
    (void)state;
    struct fixture f;
    int fd;
    uint64_t offset, bytes;
    begin(&f, 0);
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("head")));
    assert_ok(plait__chain_file(&f.chain, 7, 1000, 50, on_released, &f));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("tail")));
    assert_int_equal(plait__chain_bytes(&f.chain), 58);
    assert_front(&f.chain, "head", 1);
    assert_false(plait__chain_front_is_file(&f.chain));
    plait__chain_consume(&f.chain, 4);
    assert_true(plait__chain_front_is_file(&f.chain));
    assert_front(&f.chain, "", 0);
    plait__chain_consume(&f.chain, 20);
    plait__chain_front_file(&f.chain, &fd, &offset, &bytes);
    assert_int_equal(fd, 7);
    assert_int_equal(offset, 1020);
    assert_int_equal(bytes, 30);
    assert_int_equal(f.released, 0);
    plait__chain_consume(&f.chain, 32);
    assert_int_equal(f.released, 1);
    assert_front(&f.chain, "il", 1);
    end(&f);
    assert_int_equal(f.released, 1);
}

static void a_dropped_file_is_released_once(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 0);
    assert_ok(plait__chain_file(&f.chain, 7, 0, 50, on_released, &f));
    assert_ok(plait__chain_file(&f.chain, 8, 0, 50, NULL, NULL));
    plait__chain_consume(&f.chain, 10);
    end(&f);
    assert_int_equal(f.released, 1);
}

static void consuming_goes_across_pieces(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_buf buf;
    begin(&f, 0);
    plait_buf_init(&buf, &f.budget, 100);
    plait_buf_put_text(&buf, "bbb");
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("aaa")));
    assert_ok(plait__chain_take(&f.chain, &buf));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("ccc")));
    plait__chain_consume(&f.chain, 4);
    assert_front(&f.chain, "bbccc", 2);
    plait__chain_consume(&f.chain, 0);
    assert_int_equal(plait__chain_bytes(&f.chain), 5);
    plait__chain_consume(&f.chain, 100);
    assert_true(plait__chain_empty(&f.chain));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("again")));
    assert_front(&f.chain, "again", 1);
    end(&f);
}

static void gathering_fills_no_more_than_there_is_room(void **state)
{
    (void)state;
    struct fixture f;
    struct iovec iov[2];
    begin(&f, 0);
    struct plait_shared *shared = plait_shared_new(&f.budget, PLAIT_LIT("x"));
    for (int i = 0; i < 5; i++)
        assert_ok(plait__chain_shared(&f.chain, shared));
    assert_int_equal(plait__chain_gather(&f.chain, iov, 2), 2);
    assert_int_equal(plait__chain_gather(&f.chain, iov, 0), 0);
    plait_shared_unref(&shared);
    end(&f);
}

static void lent_memory_serves_small_writes_again_and_again(void **state)
{
    (void)state;
    struct fixture f;
    _Alignas(16) uint8_t memory[256];
    begin(&f, 0);
    plait__chain_lend(&f.chain, memory, sizeof memory);
    for (int i = 0; i < 100; i++) {
        assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("small")));
        assert_front(&f.chain, "small", 1);
        plait__chain_consume(&f.chain, 5);
    }
    assert_int_equal(f.heap.calls, 0);
    end(&f);
}

static void what_lent_memory_cannot_hold_goes_to_the_heap(void **state)
{
    (void)state;
    struct fixture f;
    _Alignas(16) uint8_t memory[256];
    static uint8_t large[300];
    begin(&f, 0);
    plait__chain_lend(&f.chain, memory, sizeof memory);
    assert_ok(plait__chain_put(&f.chain, plait_slice_of(large, sizeof large)));
    assert_int_equal(f.heap.calls, 1);
    assert_ok(plait__chain_put(&f.chain, plait_slice_of(large, 5)));
    assert_int_equal(f.heap.calls, 1);
    plait__chain_deinit(&f.chain);
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("first")));
    assert_ok(plait__chain_put(&f.chain, plait_slice_of(large, sizeof large)));
    assert_int_equal(f.heap.calls, 2);
    end(&f);
}

static void lent_memory_in_use_is_not_given_twice(void **state)
{
    (void)state;
    struct fixture f;
    _Alignas(16) uint8_t memory[256];
    begin(&f, 0);
    struct plait_shared *shared = plait_shared_new(&f.budget, PLAIT_LIT("-"));
    plait__chain_lend(&f.chain, memory, sizeof memory);
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("a")));
    assert_ok(plait__chain_shared(&f.chain, shared));
    assert_ok(plait__chain_put(&f.chain, PLAIT_LIT("b")));
    assert_front(&f.chain, "a-b", 3);
    plait_shared_unref(&shared);
    end(&f);
}

/* Every append, with the heap failing at each allocation: an error changes nothing. */
static void a_failed_append_appends_nothing(void **state)
{
    (void)state;
    for (uint64_t fail_at = 1; fail_at <= 6; fail_at++) {
        struct fixture f;
        struct plait_buf buf;
        begin(&f, fail_at);
        plait_buf_init(&buf, &f.budget, 100);
        plait_buf_put_text(&buf, "buf");                                                /* 1 */
        struct plait_shared *shared = plait_shared_new(&f.budget, PLAIT_LIT("shared")); /* 2 */
        size_t bytes = 0;
        if (plait__chain_put(&f.chain, PLAIT_LIT("put")) == PLAIT_OK) /* 3 */
            bytes += 3;
        const size_t in_buf = buf.len;
        if (plait__chain_take(&f.chain, &buf) == PLAIT_OK) /* 4 */
            bytes += in_buf;
        else
            assert_int_equal(buf.len, 3);
        if (shared && plait__chain_shared(&f.chain, shared) == PLAIT_OK) /* 5 */
            bytes += 6;
        const bool filed = plait__chain_file(&f.chain, 1, 0, 10, on_released, &f) == PLAIT_OK; /* 6 */
        if (filed)
            bytes += 10;
        assert_int_equal(plait__chain_bytes(&f.chain), bytes);
        assert_int_equal(f.heap.calls >= fail_at, true);
        plait_shared_unref(&shared);
        plait_buf_deinit(&buf);
        end(&f);
        assert_int_equal(f.released, filed);
    }
}

/* A model of the chain: all bytes are those of one long sequence, whatever they came in. */
static void random_appends_come_out_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct test_random random = test_random_of(test_seed());
    uint64_t in = 0;
    uint64_t out = 0;
    begin(&f, 0);
    for (int i = 0; i < 5000; i++) {
        uint8_t piece[700];
        const size_t n = test_random_below(&random, sizeof piece);
        for (size_t k = 0; k < n; k++)
            piece[k] = (uint8_t)((in + k) % 251);
        in += n;
        if (test_random_below(&random, 3) > 0) {
            assert_ok(plait__chain_put(&f.chain, plait_slice_of(piece, n)));
        } else {
            struct plait_shared *shared = plait_shared_new(&f.budget, plait_slice_of(piece, n));
            assert_ok(plait__chain_shared(&f.chain, shared));
            plait_shared_unref(&shared);
        }
        char got[16 * 5000];
        size_t len;
        front(&f.chain, got, sizeof got, &len);
        for (size_t k = 0; k < len; k++)
            assert_int_equal((uint8_t)got[k], (out + k) % 251);
        const size_t take = test_random_below(&random, len + 1);
        plait__chain_consume(&f.chain, take);
        out += take;
        assert_int_equal(plait__chain_bytes(&f.chain), in - out);
    }
    end(&f);
}

static void shared_bytes_need_memory(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    assert_null(plait_shared_new(&f.budget, PLAIT_LIT("x")));
    end(&f);
}

TEST_MAIN(cmocka_unit_test(an_empty_chain_has_nothing_to_send), cmocka_unit_test(small_writes_share_a_piece),
          cmocka_unit_test(a_large_write_gets_one_piece_of_its_size), cmocka_unit_test(nothing_makes_no_piece),
          cmocka_unit_test(a_taken_buffer_is_not_copied), cmocka_unit_test(shared_bytes_live_until_the_last_owner_goes),
          cmocka_unit_test(a_copy_behind_another_kind_starts_a_piece), cmocka_unit_test(gathering_stops_at_a_file),
          cmocka_unit_test(a_dropped_file_is_released_once), cmocka_unit_test(consuming_goes_across_pieces),
          cmocka_unit_test(gathering_fills_no_more_than_there_is_room),
          cmocka_unit_test(lent_memory_serves_small_writes_again_and_again),
          cmocka_unit_test(what_lent_memory_cannot_hold_goes_to_the_heap),
          cmocka_unit_test(lent_memory_in_use_is_not_given_twice), cmocka_unit_test(a_failed_append_appends_nothing),
          cmocka_unit_test(random_appends_come_out_in_order), cmocka_unit_test(shared_bytes_need_memory))
