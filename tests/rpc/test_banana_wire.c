/* SPDX-License-Identifier: MIT
 *
 * Banana's elements, cut in every way, at their limits and beyond. The vectors are what Twisted 22.4 writes.
 */
#include "tests/support/test.h"

#include "rpc/banana_wire.h"

enum { MAX = 80, ELEMENTS_MAX = 12, TEXT_BYTES = 512 };

struct vector {
    plait_slice in;
    const char *elements;
    plait_err err;
};

#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

static const struct vector vectors[] = {
    {BYTES(""), "", PLAIT_OK},
    {BYTES("\1\x81"), "1;", PLAIT_OK},
    {BYTES("\1\x83"), "-1;", PLAIT_OK},
    {BYTES("\0\x81"), "0;", PLAIT_OK},
    {BYTES("\x81"), "0;", PLAIT_OK},
    {BYTES("\x7f\x81"), "127;", PLAIT_OK},
    {BYTES("\0\1\x81"), "128;", PLAIT_OK},
    {BYTES("\0\0\0\0\x08\x85"), "2147483648;", PLAIT_OK},
    {BYTES("\0\0\0\0\x08\x83"), "-2147483648;", PLAIT_OK},
    {BYTES("\1\0\0\0\x08\x86"), "-2147483649;", PLAIT_OK},
    {BYTES("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x85"), "9223372036854775807;", PLAIT_OK},
    {BYTES("\0\0\0\0\0\0\0\0\0\1\x86"), "-9223372036854775808;", PLAIT_OK},
    {BYTES("\0\0\0\0\0\0\0\0\0\1\x85"), "+10 digits;", PLAIT_OK},
    {BYTES("\1\0\0\0\0\0\0\0\0\1\x86"), "-10 digits;", PLAIT_OK},
    {BYTES("\0\0\0\0\0\0\0\0\0\2\x85"), "+10 digits;", PLAIT_OK},
    {BYTES("\x84\x3f\xf8\0\0\0\0\0\0"), "1.5;", PLAIT_OK},
    {BYTES("\5\x82hello"), "'hello';", PLAIT_OK},
    {BYTES("\0\x82"), "'';", PLAIT_OK},
    {BYTES("\0\x80"), "[0];", PLAIT_OK},
    {BYTES("\2\x80\1\x81\1\x80\5\x82hello"), "[2]1[1]'hello';", PLAIT_OK},
    {BYTES("\2\x80\1\x87\x1f\x87"), "[2]'None''uncache';", PLAIT_OK},
    {BYTES("\1\x81\1\x81\2\x80\0\x80\0\x80"), "1;1;[2][0][0];", PLAIT_OK},
    {BYTES("\5\x82hell"), "", PLAIT_OK},
    {BYTES("\1\x81\2\x80\1\x81"), "1;", PLAIT_OK},
    {BYTES("\1\x81\x88"), "1;", PLAIT_EMALFORMED},
    {BYTES("\xff"), "", PLAIT_EMALFORMED},
    {BYTES("\x20\x87"), "", PLAIT_EMALFORMED},
    {BYTES("\0\x87"), "", PLAIT_EMALFORMED},
    {BYTES("\1\x84\0\0\0\0\0\0\0\0"), "", PLAIT_EMALFORMED},
    {BYTES("\1\0\x28\x82"), "", PLAIT_ETOOLONG}, /* a string one byte longer than allowed */
    {BYTES("\1\0\x28\x80"), "", PLAIT_ETOOLONG},
    {BYTES("\0\x01\x82"), "", PLAIT_ETOOLONG},           /* longer than our own limit */
    {BYTES("\x0c\x80"), "", PLAIT_ETOOLONG},             /* more elements than our own limit */
    {BYTES("\x0a\x80\0\x81\3\x80"), "", PLAIT_ETOOLONG}, /* so, in two lists */
    {BYTES("\x0b\x80\x43\x82"), "", PLAIT_ETOOLONG},     /* the rest can't have its bytes any more */
    {BYTES("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x82"), "", PLAIT_ETOOLONG},
    {BYTES("0123456789012345678901234567890123456789012345678901234567890123\x85"), "+64 digits;", PLAIT_OK},
    {BYTES("01234567890123456789012345678901234567890123456789012345678901234"), "", PLAIT_ETOOLONG},
    {BYTES("\2\x80\x10\x82xxxxxxxxxxxxxxxx0123456789012345678901234567890123456789012345678901234567890123"), "",
     PLAIT_ETOOLONG},
};

static size_t print_element(const struct plait__banana_element *e, char *out, size_t room)
{
    switch (e->kind) {
    case PLAIT__BANANA_LIST:
        return (size_t)snprintf(out, room, "[%zu]", e->count);
    case PLAIT__BANANA_INTEGER:
        return (size_t)snprintf(out, room, "%lld", (long long)e->integer);
    case PLAIT__BANANA_BIG_INTEGER:
        return (size_t)snprintf(out, room, "%c%zu digits", e->negative ? '-' : '+', e->text.len);
    case PLAIT__BANANA_FLOAT:
        return (size_t)snprintf(out, room, "%g", e->number);
    case PLAIT__BANANA_STRING:
        break;
    }
    return (size_t)snprintf(out, room, "'%.*s'", PLAIT_ARG(e->text));
}

static size_t print(plait_slice wire, char *out, size_t room)
{
    struct plait__banana_element e;
    size_t len = 0;
    while (plait__banana_take(&wire, &e))
        len += print_element(&e, out + len, room - len);
    return len + (size_t)snprintf(out + len, room - len, ";");
}

static void run_vector(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct vector *v = ctx;
    struct plait__banana_decoder d = {.max = MAX, .elements_max = ELEMENTS_MAX, .vocabulary = true};
    char got[TEXT_BYTES] = "";
    size_t len = 0;
    size_t start = 0;
    size_t end = 0;
    plait_err err = PLAIT_OK;
    for (size_t n; (n = test_cut_next(cut)) > 0;) {
        end += n;
        while (err == PLAIT_OK) {
            const struct plait_frame f = plait__banana_next(&d, plait_slice_sub(input, start, end));
            if (f.event == PLAIT_FRAME_MORE) {
                assert_true(f.need > end - start && f.need <= MAX);
                break;
            }
            err = f.err;
            if (f.event == PLAIT_FRAME_WHOLE)
                len += print(f.payload, got + len, sizeof got - len);
            start += f.taken;
        }
    }
    if (err != v->err || strcmp(got, v->elements) != 0)
        fail_msg("%s: got %s and %s, not %s and %s", cut->name, got, plait_err_name(err), v->elements,
                 plait_err_name(v->err));
}

static void elements_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        struct vector v = vectors[i];
        test_every_cut(v.in, 20, run_vector, &v);
    }
}

static void words_are_malformed_before_the_dialect_is_agreed_upon(void **state)
{
    struct plait__banana_decoder d = {.max = MAX, .elements_max = ELEMENTS_MAX};
    (void)state;
    assert_err(plait__banana_next(&d, PLAIT_LIT("\1\x87")).err, PLAIT_EMALFORMED);
}

static void everything_is_written_as_twisted_writes_it(void **state)
{
    static const int64_t integers[] = {1, -1, 0, 127, 128, 2147483648, -2147483648, -2147483649, INT64_MAX, INT64_MIN};
    struct plait_budget budget;
    struct plait_buf buf;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 1 << 20);
    for (size_t i = 0; i < TEST_COUNT(integers); i++)
        plait__banana_put_integer(&buf, integers[i]);
    assert_slice_is(plait_buf_slice(&buf),
                    PLAIT_LIT("\1\x81\1\x83\0\x81\x7f\x81\0\1\x81\0\0\0\0\x08\x85\0\0\0\0\x08\x83\1\0\0\0\x08\x86"
                              "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x85\0\0\0\0\0\0\0\0\0\1\x86"));
    plait_buf_clear(&buf);
    plait__banana_put_list(&buf, 6);
    plait__banana_put_big_integer(&buf, false, PLAIT_LIT("\1\2"));
    plait__banana_put_big_integer(&buf, true, PLAIT_LIT("\1\2"));
    plait__banana_put_float(&buf, 1.5);
    plait__banana_put_string(&buf, PLAIT_LIT("tuple"), false);
    plait__banana_put_string(&buf, PLAIT_LIT("tuple"), true);
    plait__banana_put_string(&buf, PLAIT_LIT("a text of many bytes"), true);
    assert_slice_is(plait_buf_slice(&buf), PLAIT_LIT("\6\x80\1\2\x85\1\2\x86\x84\x3f\xf8\0\0\0\0\0\0\5\x82tuple\x0b\x87"
                                                     "\x14\x82"
                                                     "a text of many bytes"));
    plait_buf_deinit(&buf);
}

TEST_MAIN(cmocka_unit_test(elements_are_found_however_they_are_cut),
          cmocka_unit_test(words_are_malformed_before_the_dialect_is_agreed_upon),
          cmocka_unit_test(everything_is_written_as_twisted_writes_it))
