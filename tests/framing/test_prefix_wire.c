/* SPDX-License-Identifier: MIT
 *
 * Length prefixes and literals, cut in every way, at their limit and beyond.
 */
#include "tests/support/test.h"

#include <plait/framing.h>

enum { TEXT_BYTES = 256 };

struct vector {
    unsigned bytes;
    size_t max;
    plait_slice in;
    const char *frames; /* each in brackets */
    plait_err err;
};

static const struct vector vectors[] = {
    {1, 255, {(const uint8_t *)"\3abc\0\1x", 7}, "[abc][][x]", PLAIT_OK},
    {1, 3, {(const uint8_t *)"\3abc\4abcd", 9}, "[abc]", PLAIT_ETOOLONG},
    {2, 300, {(const uint8_t *)"\0\3abc\0\0\0\1x", 10}, "[abc][][x]", PLAIT_OK},
    {2, 300, {(const uint8_t *)"\1\x2d", 2}, "", PLAIT_ETOOLONG}, /* 301 */
    {2, 300, {(const uint8_t *)"\1\x2c", 2}, "", PLAIT_OK},       /* 300, to come */
    {4, 8, {(const uint8_t *)"\0\0\0\3abc\0\0\0\0", 11}, "[abc][]", PLAIT_OK},
    {4,
     8,
     {(const uint8_t *)"\0\0\0\x8"
                       "12345678",
      12},
     "[12345678]",
     PLAIT_OK},
    {4, 8, {(const uint8_t *)"\0\0\0\x9", 4}, "", PLAIT_ETOOLONG},
    {4, 8, {(const uint8_t *)"\xff\xff\xff\xff", 4}, "", PLAIT_ETOOLONG},
    {4, 8, {(const uint8_t *)"\0\0\0", 3}, "", PLAIT_OK},
};

static void run_vector(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct vector *v = ctx;
    char got[TEXT_BYTES] = "";
    size_t len = 0;
    size_t start = 0;
    size_t end = 0;
    plait_err err = PLAIT_OK;
    for (size_t n; (n = test_cut_next(cut)) > 0;) {
        end += n;
        while (err == PLAIT_OK) {
            const struct plait_frame f = plait_prefix_next(plait_slice_sub(input, start, end), v->bytes, v->max);
            if (f.event == PLAIT_FRAME_MORE) {
                assert_true(f.need > end - start);
                break;
            }
            err = f.err;
            if (f.event == PLAIT_FRAME_WHOLE)
                len += (size_t)snprintf(got + len, sizeof got - len, "[%.*s]", PLAIT_ARG(f.payload));
            start += f.taken;
        }
    }
    if (strcmp(got, v->frames) != 0 || err != v->err)
        fail_msg("%u bytes, %s: %s, error %s", v->bytes, cut->name, got, plait_err_name(err));
}

static void payloads_are_the_same_however_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        struct vector v = vectors[i];
        test_every_cut(v.in, 20, run_vector, &v);
    }
}

/* With the stated need, the decoder is asked for the length, for the rest, and never between. */
static void a_payload_that_comes_byte_by_byte_costs_three_calls(void **state)
{
    (void)state;
    static uint8_t in[4 + 5000] = {0, 0, 5000 >> 8, 5000 & 255};
    size_t calls = 0;
    size_t need = 0;
    for (size_t n = 1; n <= sizeof in; n++) {
        if (n < need)
            continue;
        const struct plait_frame f = plait_prefix_next(plait_slice_of(in, n), 4, 5000);
        calls++;
        assert_int_equal(f.event, n < sizeof in ? PLAIT_FRAME_MORE : PLAIT_FRAME_WHOLE);
        need = f.need;
    }
    assert_int_equal(calls, 3);
}

static void the_largest_limit_does_not_overflow(void **state)
{
    (void)state;
    const struct plait_frame f = plait_prefix_next(PLAIT_LIT("\xff\xff\xff\xff"), 4, SIZE_MAX);
    assert_int_equal(f.event, PLAIT_FRAME_MORE);
    assert_true(f.need == (size_t)UINT32_MAX + 4);
}

static void what_is_put_is_read_back(void **state)
{
    (void)state;
    static const unsigned kinds[] = {1, 2, 4};
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
        struct plait_budget budget;
        struct plait_buf buf;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&buf, &budget, 100);
        plait_prefix_put(&buf, kinds[i], PLAIT_LIT("payload"));
        assert_ok(buf.err);
        assert_int_equal(buf.len, kinds[i] + 7);
        assert_slice(plait_prefix_next(plait_buf_slice(&buf), kinds[i], 7).payload, "payload");
        plait_buf_deinit(&buf);
    }
}

static void a_payload_that_does_not_fit_its_length_is_refused(void **state)
{
    (void)state;
    static const uint8_t much[65536];
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 100000);
    plait_prefix_put(&buf, 1, plait_slice_of(much, 255));
    plait_prefix_put(&buf, 2, plait_slice_of(much, 65535));
    assert_ok(buf.err);
    plait_prefix_put(&buf, 1, plait_slice_of(much, 256));
    assert_err(buf.err, PLAIT_ETOOLONG);
    plait_buf_clear(&buf);
    plait_prefix_put(&buf, 2, plait_slice_of(much, 65536));
    assert_err(buf.err, PLAIT_ETOOLONG);
    plait_buf_deinit(&buf);
}

static void the_first_error_of_a_buffer_stays(void **state)
{
    (void)state;
    static const uint8_t much[256];
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 100);
    buf.err = PLAIT_ENOMEM;
    plait_prefix_put(&buf, 1, plait_slice_of(much, 256));
    assert_err(buf.err, PLAIT_ENOMEM);
}

/* RFC 9051 section 4.3, RFC 7888 section 4. */
static void the_literal_at_a_lines_end_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t bytes;
        bool synchronizing;
        plait_err err;
    } rows[] = {
        {"A001 LOGIN {11}", 11, true, PLAIT_OK},
        {"A001 LOGIN {11+}", 11, false, PLAIT_OK},
        {"{0}", 0, true, PLAIT_OK},
        {"APPEND a ~{100}", 100, true, PLAIT_OK},
        {"APPEND {101}", 0, false, PLAIT_ETOOLONG},
        {"APPEND {99999999999999999999999}", 0, false, PLAIT_ETOOLONG},
        {"no literal", 0, false, PLAIT_ENOTFOUND},
        {"", 0, false, PLAIT_ENOTFOUND},
        {"{}", 0, false, PLAIT_ENOTFOUND},
        {"a{}", 0, false, PLAIT_ENOTFOUND},
        {"{+}", 0, false, PLAIT_ENOTFOUND},
        {"{1 }", 0, false, PLAIT_ENOTFOUND},
        {"{-1}", 0, false, PLAIT_ENOTFOUND},
        {"no brace 12}", 0, false, PLAIT_ENOTFOUND},
        {"{12} ", 0, false, PLAIT_ENOTFOUND},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_literal literal = {.bytes = 0};
        assert_err(plait_literal_at_end(plait_slice_text(rows[i].line), 100, &literal), rows[i].err);
        if (rows[i].err == PLAIT_OK) {
            assert_int_equal(literal.bytes, rows[i].bytes);
            assert_int_equal(literal.synchronizing, rows[i].synchronizing);
        }
    }
}

TEST_MAIN(cmocka_unit_test(payloads_are_the_same_however_the_input_is_cut),
          cmocka_unit_test(a_payload_that_comes_byte_by_byte_costs_three_calls),
          cmocka_unit_test(the_largest_limit_does_not_overflow), cmocka_unit_test(what_is_put_is_read_back),
          cmocka_unit_test(a_payload_that_does_not_fit_its_length_is_refused),
          cmocka_unit_test(the_first_error_of_a_buffer_stays), cmocka_unit_test(the_literal_at_a_lines_end_is_read))
