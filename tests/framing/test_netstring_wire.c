/* SPDX-License-Identifier: MIT
 *
 * Netstrings, cut in every way, at their limit and beyond.
 */
#include "tests/support/test.h"

#include <plait/framing.h>

enum { MAX = 12, TEXT_BYTES = 256 };

struct vector {
    const char *in;
    const char *frames; /* each in brackets */
    plait_err err;
};

/* D. J. Bernstein, Netstrings, 1997: "12:hello world!,", "0:,"; lengths have no leading zeroes. */
static const struct vector vectors[] = {
    {"", "", PLAIT_OK},
    {"12:hello world!,", "[hello world!]", PLAIT_OK},
    {"0:,", "[]", PLAIT_OK},
    {"0:,0:,3:abc,", "[][][abc]", PLAIT_OK},
    {"3:a,b,2:::,", "[a,b][::]", PLAIT_OK},
    {"3:ab", "", PLAIT_OK},
    {"12", "", PLAIT_OK},
    {"1:a,3:abc.", "[a]", PLAIT_EMALFORMED},
    {"03:abc,", "", PLAIT_EMALFORMED},
    {"00:,", "", PLAIT_EMALFORMED},
    {":abc,", "", PLAIT_EMALFORMED},
    {"-1:a,", "", PLAIT_EMALFORMED},
    {" 1:a,", "", PLAIT_EMALFORMED},
    {"1 :a,", "", PLAIT_EMALFORMED},
    {"+1:a,", "", PLAIT_EMALFORMED},
    {"a", "", PLAIT_EMALFORMED},
    {"13:hello, world!,", "", PLAIT_ETOOLONG},
    {"13", "", PLAIT_ETOOLONG},
    {"99999999999999999999999:", "", PLAIT_ETOOLONG},
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
            const struct plait_frame f = plait_netstring_next(plait_slice_sub(input, start, end), MAX);
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
        fail_msg("'%s' %s: %s, error %s", v->in, cut->name, got, plait_err_name(err));
}

static void netstrings_are_the_same_however_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        struct vector v = vectors[i];
        test_every_cut(plait_slice_text(v.in), 20, run_vector, &v);
    }
}

/* A stream that asks again only when the stated need is there asks a constant number of times. */
static void what_is_needed_bounds_the_calls_for_a_netstring_that_comes_byte_by_byte(void **state)
{
    (void)state;
    static uint8_t in[5006];
    memset(in, 'x', sizeof in);
    memcpy(in, "5000:", 5);
    in[sizeof in - 1] = ',';
    size_t calls = 0;
    size_t need = 0;
    for (size_t n = 1; n <= sizeof in; n++) {
        if (n < need)
            continue;
        const struct plait_frame f = plait_netstring_next(plait_slice_of(in, n), 5000);
        calls++;
        assert_int_equal(f.event, n < sizeof in ? PLAIT_FRAME_MORE : PLAIT_FRAME_WHOLE);
        need = f.need;
    }
    assert_int_equal(calls, 6);
}

static void a_limit_of_nothing_takes_the_empty_netstring_only(void **state)
{
    (void)state;
    assert_int_equal(plait_netstring_next(PLAIT_LIT("0:,"), 0).event, PLAIT_FRAME_WHOLE);
    assert_err(plait_netstring_next(PLAIT_LIT("1"), 0).err, PLAIT_ETOOLONG);
}

static void the_largest_limit_does_not_overflow(void **state)
{
    (void)state;
    struct plait_frame f = plait_netstring_next(PLAIT_LIT("18446744073709551591:"), SIZE_MAX);
    assert_int_equal(f.event, PLAIT_FRAME_MORE);
    assert_true(f.need > 18446744073709551591u);
    f = plait_netstring_next(PLAIT_LIT("18446744073709551592:"), SIZE_MAX);
    assert_err(f.err, PLAIT_ETOOLONG);
    assert_err(plait_netstring_next(PLAIT_LIT("18446744073709551616:"), SIZE_MAX).err, PLAIT_ETOOLONG);
}

static void what_is_put_is_read_back(void **state)
{
    (void)state;
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 100);
    plait_netstring_put(&buf, PLAIT_LIT("hello world!"));
    plait_netstring_put(&buf, PLAIT_LIT(""));
    assert_slice(plait_buf_slice(&buf), "12:hello world!,0:,");
    assert_slice(plait_netstring_next(plait_buf_slice(&buf), MAX).payload, "hello world!");
    plait_buf_deinit(&buf);
    assert_int_equal(budget.used, 0);
}

TEST_MAIN(cmocka_unit_test(netstrings_are_the_same_however_the_input_is_cut),
          cmocka_unit_test(what_is_needed_bounds_the_calls_for_a_netstring_that_comes_byte_by_byte),
          cmocka_unit_test(a_limit_of_nothing_takes_the_empty_netstring_only),
          cmocka_unit_test(the_largest_limit_does_not_overflow), cmocka_unit_test(what_is_put_is_read_back))
