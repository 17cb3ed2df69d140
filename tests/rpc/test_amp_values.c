/* SPDX-License-Identifier: MIT
 *
 * Values in AMP's boxes: text of each type both ways, declarations that are kept and broken, lists in lists. Texts of
 * numbers and dates are Python's own.
 */
#include "tests/support/test.h"

#include "rpc/amp_core.h"

#include <math.h>

#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

/* A box to write to, without a connection. */
struct desk {
    struct plait_budget budget;
    struct plait_amp_box box;
};

static void desk_open(struct desk *d, const struct plait_amp_field *fields)
{
    memset(d, 0, sizeof *d);
    plait_budget_init(&d->budget, NULL, NULL, 0);
    plait_buf_init(&d->box.buf, &d->budget, 1 << 20);
    plait__amp_box_begin(&d->box, fields);
}

static void desk_close(struct desk *d)
{
    plait_buf_deinit(&d->box.buf);
    assert_int_equal(d->budget.used, 0);
}

/* --- scalars ------------------------------------------------------------------------------------------------------ */

static void integers_fit_or_are_refused(void **state)
{
    static const struct {
        const char *text;
        plait_err err;
        int64_t value;
    } rows[] = {
        {"0", PLAIT_OK, 0},
        {"-0", PLAIT_OK, 0},
        {"0012", PLAIT_OK, 12},
        {"9223372036854775807", PLAIT_OK, INT64_MAX},
        {"-9223372036854775808", PLAIT_OK, INT64_MIN},
        {"9223372036854775808", PLAIT_ELIMIT, 0},
        {"-9223372036854775809", PLAIT_ELIMIT, 0},
        {"", PLAIT_ESYNTAX, 0},
        {"-", PLAIT_ESYNTAX, 0},
        {"+1", PLAIT_ESYNTAX, 0},
        {" 1", PLAIT_ESYNTAX, 0},
        {"1_0", PLAIT_ESYNTAX, 0},
        {"--1", PLAIT_ESYNTAX, 0},
        {"0x1", PLAIT_ESYNTAX, 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        int64_t value = 0;
        assert_err(plait__amp_integer(plait_slice_text(rows[i].text), &value), rows[i].err);
        assert_int_equal(value, rows[i].value);
        assert_int_equal(plait__amp_is_big_integer(plait_slice_text(rows[i].text)), rows[i].err != PLAIT_ESYNTAX);
    }
}

static void floats_are_written_as_python_writes_them(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.5, "1.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100.0"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {1.25e22, "1.25e+22"},
        {1e300, "1e+300"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-123.456, "-123.456"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {123456789012345680.0, "1.2345678901234568e+17"},
    };
    struct desk d;
    (void)state;
    desk_open(&d, NULL);
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        double again = 7;
        plait_buf_clear(&d.box.buf);
        plait__amp_put_float(&d.box.buf, rows[i].value);
        assert_slice(plait_buf_slice(&d.box.buf), rows[i].text);
        assert_ok(plait__amp_float(plait_buf_slice(&d.box.buf), &again));
        assert_memory_equal(&again, &rows[i].value, sizeof again);
    }
    plait_buf_clear(&d.box.buf);
    plait__amp_put_float(&d.box.buf, NAN);
    assert_slice(plait_buf_slice(&d.box.buf), "nan");
    struct test_random random = test_random_of(test_seed());
    for (int i = 0; i < 2000; i++) {
        const uint64_t bits = test_random_u64(&random);
        double value;
        double again = 0;
        memcpy(&value, &bits, sizeof value);
        plait_buf_clear(&d.box.buf);
        plait__amp_put_float(&d.box.buf, value);
        assert_ok(plait__amp_float(plait_buf_slice(&d.box.buf), &again));
        assert_true(isnan(value) ? isnan(again) : memcmp(&value, &again, sizeof value) == 0);
    }
    desk_close(&d);
}

static void floats_are_read_in_each_way_of_writing(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1},
                {"+1.5", 1.5},
                {".5", 0.5},
                {"5.", 5},
                {"1E5", 1e5},
                {"1e-5", 1e-5},
                {"inf", INFINITY},
                {"-Infinity", -INFINITY},
                {"1e99999", INFINITY},
                {"1e-99999", 0}};
    static const char *const bad[] = {"", ".", "-", "1e", "1e+", "0x1p3", "1,5", " 1", "1 ", "in", "1e100000", "--1"};
    double value;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        assert_ok(plait__amp_float(plait_slice_text(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait__amp_float(plait_slice_text(bad[i]), &value), PLAIT_ESYNTAX);
    assert_ok(plait__amp_float(PLAIT_LIT("nan"), &value));
    assert_true(isnan(value));
    char digits[401];
    memset(digits, '1', sizeof digits);
    assert_ok(plait__amp_float(plait_slice_of(digits, 384), &value));
    assert_err(plait__amp_float(plait_slice_of(digits, 385), &value), PLAIT_ELIMIT);
}

static void decimals_are_written_as_python_writes_them(void **state)
{
    static const struct {
        struct plait_amp_decimal value;
        const char *text;
    } rows[] = {
        {{110, -2}, "1.10"},
        {{1, 2}, "1E+2"},
        {{0, 0}, "0"},
        {{-5, -1}, "-0.5"},
        {{12345, -2}, "123.45"},
        {{1, -6}, "0.000001"},
        {{1, -7}, "1E-7"},
        {{123, -9}, "1.23E-7"},
        {{123, 4}, "1.23E+6"},
        {{INT64_MIN, 0}, "-9223372036854775808"},
        {{INT64_MAX, -19}, "0.9223372036854775807"},
        {{100, 0}, "100"},
        {{0, -3}, "0.000"},
    };
    struct desk d;
    (void)state;
    desk_open(&d, NULL);
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_amp_decimal again;
        plait_buf_clear(&d.box.buf);
        plait__amp_put_decimal(&d.box.buf, rows[i].value);
        assert_slice(plait_buf_slice(&d.box.buf), rows[i].text);
        assert_true(plait__amp_is_decimal(plait_buf_slice(&d.box.buf)));
        assert_ok(plait__amp_decimal(plait_buf_slice(&d.box.buf), &again));
        assert_int_equal(again.coefficient, rows[i].value.coefficient);
        assert_int_equal(again.exponent, rows[i].value.exponent);
    }
    desk_close(&d);
}

static void decimals_that_are_no_numbers_keep_their_text(void **state)
{
    static const char *const good[] = {"NaN",
                                       "-NaN",
                                       "sNaN",
                                       "NaN123",
                                       "Infinity",
                                       "-inf",
                                       "99999999999999999999",
                                       "9223372036854775808",
                                       "0.99999999999999999999"};
    static const char *const bad[] = {"", "NaNx", "sN", "1.2.3", "abc", "1E", "E5", "1 "};
    struct plait_amp_decimal value;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        assert_true(plait__amp_is_decimal(plait_slice_text(good[i])));
        assert_true(plait__amp_decimal(plait_slice_text(good[i]), &value) != PLAIT_OK);
    }
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_false(plait__amp_is_decimal(plait_slice_text(bad[i])));
}

static void dates_have_their_zone(void **state)
{
    static const struct {
        const char *text;
        struct plait_amp_datetime t;
    } good[] = {
        {"2020-01-02T03:04:05.000006-00:00", {2020, 1, 2, 3, 4, 5, 6, 0}},
        {"2000-02-29T23:59:59.999999+05:30", {2000, 2, 29, 23, 59, 59, 999999, 330}},
        {"9999-12-31T00:00:00.000000-23:59", {9999, 12, 31, 0, 0, 0, 0, -1439}},
    };
    static const char *const bad[] = {
        "",
        "2020-01-02T03:04:05.000006",
        "2020-01-02T03:04:05.000006-00:0",
        "2020-01-02T03:04:05.000006-00:000",
        "2020-01-02T03:04:05.000006 00:00",
        "2020-01-02T03:04:05.000006+00:60",
        "2020-01-02T03:04:05.000006+24:00",
        "2020-01-02 03:04:05.000006+00:00",
        "2020-13-02T03:04:05.000006+00:00",
        "2020-00-02T03:04:05.000006+00:00",
        "2020-04-31T03:04:05.000006+00:00",
        "1900-02-29T03:04:05.000006+00:00",
        "2021-02-29T03:04:05.000006+00:00",
        "2020-01-00T03:04:05.000006+00:00",
        "0000-01-02T03:04:05.000006+00:00",
        "2020-01-02T24:04:05.000006+00:00",
        "2020-01-02T03:60:05.000006+00:00",
        "2020-01-02T03:04:60.000006+00:00",
        "202x-01-02T03:04:05.000006+00:00",
        "-020-01-02T03:04:05.000006+00:00",
    };
    struct desk d;
    struct plait_amp_datetime t;
    (void)state;
    desk_open(&d, NULL);
    for (size_t i = 0; i < TEST_COUNT(good); i++) {
        assert_ok(plait__amp_datetime(plait_slice_text(good[i].text), &t));
        assert_memory_equal(&t, &good[i].t, sizeof t);
        plait_buf_clear(&d.box.buf);
        plait__amp_put_datetime(&d.box.buf, &t);
        assert_slice(plait_buf_slice(&d.box.buf), good[i].text);
    }
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait__amp_datetime(plait_slice_text(bad[i]), &t), PLAIT_ESYNTAX);
    desk_close(&d);
}

static void parts_of_a_date_have_their_ranges(void **state)
{
    static const struct plait_amp_datetime usual = {.year = 2020, .month = 1, .day = 1};
    (void)state;
    assert_true(plait__amp_datetime_ok(&usual));
    const int *first = &usual.year;
    static const int below[] = {0, 0, 0, -1, -1, -1, -1, -1440};
    static const int above[] = {10000, 13, 32, 24, 60, 60, 1000000, 1440};
    static const int most[] = {9999, 12, 31, 23, 59, 59, 999999, 1439};
    for (size_t i = 0; i < TEST_COUNT(below); i++) {
        int parts[8];
        struct plait_amp_datetime t;
        memcpy(parts, first, sizeof parts);
        parts[i] = below[i];
        memcpy(&t, parts, sizeof t);
        assert_false(plait__amp_datetime_ok(&t));
        parts[i] = above[i];
        memcpy(&t, parts, sizeof t);
        assert_false(plait__amp_datetime_ok(&t));
        parts[i] = most[i];
        memcpy(&t, parts, sizeof t);
        assert_true(plait__amp_datetime_ok(&t));
    }
}

/* --- declarations ------------------------------------------------------------------------------------------------- */

static const struct plait_amp_field integer[] = {PLAIT_AMP_FIELD("", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field list_of_integers[] = {PLAIT_AMP_OF("", LIST, integer), PLAIT_AMP_END};
static const struct plait_amp_field pair[] = {PLAIT_AMP_FIELD("x", INTEGER), PLAIT_AMP_OPTIONAL("y", UNICODE),
                                              PLAIT_AMP_END};
static const struct plait_amp_field everything[] = {PLAIT_AMP_FIELD("integer", INTEGER),
                                                    PLAIT_AMP_FIELD("big", BIG_INTEGER),
                                                    PLAIT_AMP_FIELD("string", STRING),
                                                    PLAIT_AMP_FIELD("unicode", UNICODE),
                                                    PLAIT_AMP_FIELD("path", PATH),
                                                    PLAIT_AMP_FIELD("boolean", BOOLEAN),
                                                    PLAIT_AMP_FIELD("float", FLOAT),
                                                    PLAIT_AMP_FIELD("decimal", DECIMAL),
                                                    PLAIT_AMP_FIELD("datetime", DATETIME),
                                                    PLAIT_AMP_OF("list", LIST, integer),
                                                    PLAIT_AMP_OF("lists", LIST, list_of_integers),
                                                    PLAIT_AMP_OF("boxes", BOXES, pair),
                                                    PLAIT_AMP_OPTIONAL("maybe", INTEGER),
                                                    PLAIT_AMP_END};

static void put_everything(struct plait_amp_box *box)
{
    const struct plait_amp_datetime t = {2020, 1, 2, 3, 4, 5, 6, -90};
    plait_amp_put_integer(box, "integer", -7);
    plait_amp_put_bytes(box, "big", PLAIT_LIT("-123456789012345678901234567890"));
    plait_amp_put_bytes(box, "string", PLAIT_LIT("\0\377"));
    plait_amp_put_bytes(box, "unicode", PLAIT_LIT("\303\251"));
    plait_amp_put_bytes(box, "path", PLAIT_LIT("/tmp"));
    plait_amp_put_boolean(box, "boolean", true);
    plait_amp_put_float(box, "float", 1.5);
    plait_amp_put_decimal(box, "decimal", (struct plait_amp_decimal){110, -2});
    plait_amp_put_datetime(box, "datetime", &t);
    plait_amp_open(box, "list");
    plait_amp_put_integer(box, NULL, 3);
    plait_amp_put_integer(box, NULL, 7);
    plait_amp_close(box);
    plait_amp_open(box, "lists");
    for (int i = 0; i < 2; i++) {
        plait_amp_open(box, NULL);
        plait_amp_put_integer(box, NULL, i);
        plait_amp_close(box);
    }
    plait_amp_close(box);
    plait_amp_open(box, "boxes");
    plait_amp_open(box, NULL);
    plait_amp_put_integer(box, "x", 1);
    plait_amp_close(box);
    plait_amp_open(box, NULL);
    plait_amp_put_integer(box, "x", 2);
    plait_amp_put_bytes(box, "y", PLAIT_LIT("two"));
    plait_amp_close(box);
    plait_amp_close(box);
}

static void check_lists(const struct plait_amp_values *v)
{
    struct plait_amp_values one;
    struct plait_amp_values inner;
    struct plait_amp_items items = plait_amp_items(v, "list");
    assert_true(plait_amp_next(&items, &one));
    assert_int_equal(plait_amp_integer(&one, NULL), 3);
    assert_true(plait_amp_next(&items, &one));
    assert_int_equal(plait_amp_integer(&one, NULL), 7);
    assert_false(plait_amp_next(&items, &one));
    items = plait_amp_items(v, "lists");
    for (int i = 0; i < 2; i++) {
        assert_true(plait_amp_next(&items, &one));
        struct plait_amp_items within = plait_amp_items(&one, NULL);
        assert_true(plait_amp_next(&within, &inner));
        assert_int_equal(plait_amp_integer(&inner, NULL), i);
        assert_false(plait_amp_next(&within, &inner));
    }
    items = plait_amp_items(v, "boxes");
    assert_true(plait_amp_next(&items, &one));
    assert_int_equal(plait_amp_integer(&one, "x"), 1);
    assert_false(plait_amp_has(&one, "y"));
    assert_true(plait_amp_next(&items, &one));
    assert_slice(plait_amp_bytes(&one, "y"), "two");
    assert_false(plait_amp_next(&items, &one));
    items = plait_amp_items(v, "integer");
    assert_false(plait_amp_next(&items, &one));
}

static void every_type_goes_out_and_comes_in(void **state)
{
    struct desk d;
    struct plait__amp_checked checked;
    struct plait_amp_decimal decimal;
    struct plait_amp_datetime t;
    (void)state;
    desk_open(&d, everything);
    put_everything(&d.box);
    assert_ok(plait__amp_box_end(&d.box));
    struct plait_amp_values v = {.fields = everything, .wire = plait_buf_slice(&d.box.buf)};
    assert_ok(plait__amp_check(everything, v.wire, &checked));
    assert_int_equal(plait_amp_integer(&v, "integer"), -7);
    assert_slice(plait_amp_bytes(&v, "big"), "-123456789012345678901234567890");
    assert_slice_is(plait_amp_bytes(&v, "string"), PLAIT_LIT("\0\377"));
    assert_slice(plait_amp_bytes(&v, "unicode"), "\303\251");
    assert_slice(plait_amp_bytes(&v, "path"), "/tmp");
    assert_true(plait_amp_boolean(&v, "boolean"));
    assert_true(plait_amp_float(&v, "float") == 1.5);
    assert_true(plait_amp_decimal(&v, "decimal", &decimal));
    assert_int_equal(decimal.coefficient, 110);
    assert_slice(plait_amp_bytes(&v, "decimal"), "1.10");
    assert_true(plait_amp_datetime(&v, "datetime", &t));
    assert_int_equal(t.offset, -90);
    check_lists(&v);
    assert_true(plait_amp_has(&v, "integer"));
    desk_close(&d);
}

static void what_is_absent_or_of_another_type_reads_as_nothing(void **state)
{
    static const struct plait_amp_values v = {.fields = everything, .wire = BYTES("\0\7integer\0\0017")};
    static const struct plait_amp_values none = {.fields = NULL};
    struct plait_amp_decimal decimal;
    struct plait_amp_datetime t;
    (void)state;
    assert_false(plait_amp_has(&v, "maybe"));
    assert_false(plait_amp_has(&v, "nobody"));
    assert_false(plait_amp_has(&none, "integer"));
    assert_int_equal(plait_amp_integer(&v, "maybe"), 0);
    assert_int_equal(plait_amp_integer(&v, "string"), 0);
    assert_null(plait_amp_bytes(&v, "integer").ptr);
    assert_false(plait_amp_boolean(&v, "boolean"));
    assert_true(plait_amp_float(&v, "float") == 0);
    assert_false(plait_amp_decimal(&v, "decimal", &decimal));
    assert_false(plait_amp_datetime(&v, "datetime", &t));
    assert_int_equal(t.year, 0);
    assert_int_equal(plait_amp_take_descriptor(&v, "integer"), -1);
}

static void a_box_that_is_not_as_declared_names_the_field(void **state)
{
    static const struct plait_amp_field fields[] = {
        PLAIT_AMP_FIELD("i", INTEGER),      PLAIT_AMP_OPTIONAL("u", UNICODE),     PLAIT_AMP_OPTIONAL("p", PATH),
        PLAIT_AMP_OPTIONAL("b", BOOLEAN),   PLAIT_AMP_OPTIONAL("f", FLOAT),       PLAIT_AMP_OPTIONAL("d", DECIMAL),
        PLAIT_AMP_OPTIONAL("t", DATETIME),  PLAIT_AMP_OPTIONAL("n", BIG_INTEGER), {"l", PLAIT_AMP_LIST, true, integer},
        {"x", PLAIT_AMP_BOXES, true, pair}, PLAIT_AMP_OPTIONAL("h", DESCRIPTOR),  PLAIT_AMP_END};
    static const struct {
        plait_slice wire;
        const char *field;
    } rows[] = {
        {BYTES("\0\1u\0\1x"), "i"},
        {BYTES("\0\1i\0\1x"), "i"},
        {BYTES("\0\1i\0\0011\0\1i\0\0012"), "i"},
        {BYTES("\0\1i\0\0011\0\1u\0\1\377"), "u"},
        {BYTES("\0\1i\0\0011\0\1p\0\1\0"), "p"},
        {BYTES("\0\1i\0\0011\0\1p\0\1\377"), "p"},
        {BYTES("\0\1i\0\0011\0\1b\0\4true"), "b"},
        {BYTES("\0\1i\0\0011\0\1f\0\1x"), "f"},
        {BYTES("\0\1i\0\0011\0\1d\0\1x"), "d"},
        {BYTES("\0\1i\0\0011\0\1t\0\1x"), "t"},
        {BYTES("\0\1i\0\0011\0\1n\0\1x"), "n"},
        {BYTES("\0\1i\0\0011\0\1h\0\2-1"), "h"},
        {BYTES("\0\1i\0\0011\0\1l\0\1\0"), "l"},
        {BYTES("\0\1i\0\0011\0\1l\0\3\0\2x"), "l"},
        {BYTES("\0\1i\0\0011\0\1l\0\3\0\1x"), "l"},
        {BYTES("\0\1i\0\0011\0\1x\0\1\0"), "x"},
        {BYTES("\0\1i\0\0011\0\1x\0\2\1\0"), "x"},
        {BYTES("\0\1i\0\0011\0\1x\0\2\0\0"), "x"}, /* a box, but without the x that it must have */
        {BYTES("\0\1i\0\0011\0\1x\0\6\0\1x\0\1z"), "x"},
    };
    struct plait__amp_checked checked;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        assert_err(plait__amp_check(fields, rows[i].wire, &checked), PLAIT_EMALFORMED);
        assert_string_equal(checked.field, rows[i].field);
    }
    static const plait_slice well = BYTES("\0\1i\0\0011\0\5other\0\1?\0\1h\0\0014\0\1b\0\5False\0\1l\0\0");
    assert_ok(plait__amp_check(fields, well, &checked));
    assert_int_equal(checked.descriptors, 5);
    assert_ok(plait__amp_check(NULL, well, &checked));
    assert_int_equal(checked.descriptors, 0);
}

static void lists_in_lists_have_an_end(void **state)
{
    static const struct plait_amp_field deep[][2] = {
        {PLAIT_AMP_OF("", LIST, deep[1]), PLAIT_AMP_END}, {PLAIT_AMP_OF("", LIST, deep[2]), PLAIT_AMP_END},
        {PLAIT_AMP_OF("", LIST, deep[3]), PLAIT_AMP_END}, {PLAIT_AMP_OF("", LIST, deep[4]), PLAIT_AMP_END},
        {PLAIT_AMP_OF("", LIST, deep[5]), PLAIT_AMP_END}, {PLAIT_AMP_OF("", LIST, deep[6]), PLAIT_AMP_END},
        {PLAIT_AMP_OF("", LIST, deep[7]), PLAIT_AMP_END}, {PLAIT_AMP_OF("", LIST, integer), PLAIT_AMP_END}};
    static const struct plait_amp_field top[] = {PLAIT_AMP_OF("l", LIST, deep[0]), PLAIT_AMP_END};
    struct plait__amp_checked checked;
    uint8_t wire[2 + 1 + 2 + 2 * 9] = {0, 1, 'l', 0, 2 * 8};
    (void)state;
    for (size_t i = 0; i < 8; i++)
        wire[5 + 2 * i + 1] = (uint8_t)(2 * (7 - i));
    assert_err(plait__amp_check(top, plait_slice_of(wire, 5 + 2 * 8), &checked), PLAIT_EMALFORMED);
    wire[4] = 2 * 7;
    for (size_t i = 0; i < 7; i++)
        wire[5 + 2 * i + 1] = (uint8_t)(2 * (6 - i));
    assert_ok(plait__amp_check(top, plait_slice_of(wire, 5 + 2 * 7), &checked));
    struct desk d;
    desk_open(&d, top);
    for (size_t i = 1; i < PLAIT__AMP_DEPTH_MAX; i++)
        plait_amp_open(&d.box, i == 1 ? "l" : NULL);
    assert_err(d.box.err, PLAIT_OK);
    plait_amp_open(&d.box, NULL);
    assert_err(d.box.err, PLAIT_EINVAL);
    desk_close(&d);
}

/* --- boxes that are written wrongly ------------------------------------------------------------------------------- */

static void wrong_value(struct plait_amp_box *box, int which)
{
    const struct plait_amp_datetime t = {.year = 0};
    switch (which) {
    case 0: /* nothing at all */
        break;
    case 1:
        plait_amp_put_integer(box, "nobody", 1);
        break;
    case 2:
        plait_amp_put_integer(box, "string", 1);
        break;
    case 3:
        plait_amp_put_integer(box, "integer", 1);
        plait_amp_put_integer(box, "integer", 1);
        break;
    case 4:
        plait_amp_put_integer(box, NULL, 1);
        break;
    case 5:
        plait_amp_put_bytes(box, "integer", PLAIT_LIT("1"));
        break;
    case 6:
        plait_amp_put_bytes(box, "unicode", PLAIT_LIT("\377"));
        break;
    case 7:
        plait_amp_put_bytes(box, "path", PLAIT_LIT("\0"));
        break;
    case 8:
        plait_amp_put_bytes(box, "big", PLAIT_LIT("1.5"));
        break;
    case 9:
        plait_amp_put_bytes(box, "decimal", PLAIT_LIT("x"));
        break;
    case 10:
        plait_amp_put_datetime(box, "datetime", &t);
        break;
    case 11:
        plait_amp_put_boolean(box, "integer", true);
        break;
    case 12:
        plait_amp_put_float(box, "integer", 1);
        break;
    case 13:
        plait_amp_put_decimal(box, "integer", (struct plait_amp_decimal){1, 0});
        break;
    case 14:
        plait_amp_put_datetime(box, "integer", &t);
        break;
    default:
        break;
    }
}

static void wrong_list(struct plait_amp_box *box, int which)
{
    switch (which) {
    case 15:
        plait_amp_open(box, "integer");
        break;
    case 16:
        plait_amp_close(box);
        break;
    case 17:
        plait_amp_open(box, "list");
        break;
    case 18:
        plait_amp_open(box, "boxes");
        plait_amp_open(box, NULL);
        plait_amp_close(box); /* x is missing */
        break;
    case 19:
        plait_amp_open(box, "boxes");
        plait_amp_put_integer(box, "x", 1);
        break;
    case 20:
        plait_amp_open(box, "boxes");
        plait_amp_open(box, "x");
        break;
    case 21:
        plait_amp_put_descriptor(box, "integer", -1);
        break;
    case 22:
        plait_amp_open(box, "list");
        plait_amp_put_integer(box, "x", 1);
        break;
    default:
        break;
    }
}

static void a_box_that_is_written_wrongly_is_not_sent(void **state)
{
    (void)state;
    for (int i = 0; i <= 22; i++) {
        struct desk d;
        desk_open(&d, everything);
        wrong_value(&d.box, i);
        wrong_list(&d.box, i);
        assert_true(i == 0 || i == 17 || d.box.err == PLAIT_EINVAL);
        assert_err(plait__amp_box_end(&d.box), PLAIT_EINVAL);
        desk_close(&d);
    }
}

static void a_value_has_65535_bytes_and_not_one_more(void **state)
{
    static const struct plait_amp_field fields[] = {PLAIT_AMP_FIELD("s", STRING), PLAIT_AMP_END};
    static uint8_t bytes[65536];
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct desk d;
        desk_open(&d, fields);
        plait_amp_put_bytes(&d.box, "s", plait_slice_of(bytes, 65535 + more));
        assert_err(plait__amp_box_end(&d.box), more ? PLAIT_ETOOLONG : PLAIT_OK);
        desk_close(&d);
    }
}

static void a_box_without_memory_is_not_sent(void **state)
{
    struct desk d;
    struct test_heap heap;
    (void)state;
    desk_open(&d, everything);
    put_everything(&d.box);
    desk_close(&d);
    test_heap_init(&heap, 1);
    plait_budget_init(&d.budget, NULL, &heap.allocator, 0);
    plait_buf_init(&d.box.buf, &d.budget, 1 << 20);
    plait__amp_box_begin(&d.box, everything);
    put_everything(&d.box);
    assert_err(plait__amp_box_end(&d.box), PLAIT_ENOMEM);
    plait_buf_init(&d.box.buf, &d.budget, 4);
    plait__amp_box_begin(&d.box, NULL);
    plait_buf_put(&d.box.buf, PLAIT_LIT("five!"));
    assert_err(plait__amp_box_end(&d.box), PLAIT_ETOOLONG);
    desk_close(&d);
    assert_int_equal(heap.live, 0);
}

TEST_MAIN(cmocka_unit_test(integers_fit_or_are_refused), cmocka_unit_test(floats_are_written_as_python_writes_them),
          cmocka_unit_test(floats_are_read_in_each_way_of_writing),
          cmocka_unit_test(decimals_are_written_as_python_writes_them),
          cmocka_unit_test(decimals_that_are_no_numbers_keep_their_text), cmocka_unit_test(dates_have_their_zone),
          cmocka_unit_test(parts_of_a_date_have_their_ranges), cmocka_unit_test(every_type_goes_out_and_comes_in),
          cmocka_unit_test(what_is_absent_or_of_another_type_reads_as_nothing),
          cmocka_unit_test(a_box_that_is_not_as_declared_names_the_field), cmocka_unit_test(lists_in_lists_have_an_end),
          cmocka_unit_test(a_box_that_is_written_wrongly_is_not_sent),
          cmocka_unit_test(a_value_has_65535_bytes_and_not_one_more),
          cmocka_unit_test(a_box_without_memory_is_not_sent))
