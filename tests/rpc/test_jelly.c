/* SPDX-License-Identifier: MIT
 *
 * Jelly's values: built, walked, matched, written as Twisted 22.4 writes them, read back; what is no jelly, what isn't
 * accepted, what is too deep or too much; memory that fails.
 */
#include "tests/support/test.h"

#include "rpc/banana_wire.h"
#include "rpc/jelly_core.h"

enum { OUT_MAX = 1 << 21, DESCRIPTION_MAX = 4096 };

/* A tree, and what it is written to. */
struct desk {
    struct plait_budget budget;
    struct plait_jelly *j;
    struct plait_buf out;
};

static bool accept_ours(plait_slice name, void *ctx)
{
    return plait_slice_starts(name, plait_slice_text(ctx));
}

static char ours[] = "ours.";
static const struct plait_jelly_options accepting = {.accept = accept_ours, .ctx = ours};

static void desk_open(struct desk *d, const struct plait_jelly_options *options)
{
    plait_budget_init(&d->budget, NULL, NULL, 0);
    plait_buf_init(&d->out, &d->budget, OUT_MAX);
    d->j = plait_jelly_new(&d->budget, options);
    assert_non_null(d->j);
}

static void desk_close(struct desk *d)
{
    plait_jelly_free(&d->j);
    assert_null(d->j);
    plait_buf_deinit(&d->out);
    assert_int_equal(d->budget.used, 0);
}

/* --- values as text ----------------------------------------------------------------------------------------------- */

static size_t describe(const struct plait_jelly_value *v, unsigned depth, char *out, size_t room);

static size_t describe_inside(const struct plait_jelly_value *v, unsigned depth, char *out, size_t room)
{
    size_t len = (size_t)snprintf(out, room, "(");
    for (const struct plait_jelly_value *at = plait_jelly_first(v); at; at = plait_jelly_next(at))
        len += describe(at, depth + 1, out + len, room - len);
    return len + (size_t)snprintf(out + len, room - len, ")");
}

/* Its kind's number, what it says itself, what is inside; an object that holds itself to a depth of 4. */
static size_t describe(const struct plait_jelly_value *v, unsigned depth, char *out, size_t room)
{
    size_t len = (size_t)snprintf(out, room, "%d", (int)plait_jelly_kind(v));
    if (plait_jelly_integer(v) != 0)
        len += (size_t)snprintf(out + len, room - len, "=%lld", (long long)plait_jelly_integer(v));
    if (plait_jelly_kind(v) == PLAIT_JELLY_FLOAT)
        len += (size_t)snprintf(out + len, room - len, "=%g", plait_jelly_float(v));
    if (plait_jelly_boolean(v))
        len += (size_t)snprintf(out + len, room - len, "!");
    if (plait_jelly_bytes(v).len > 0)
        len += (size_t)snprintf(out + len, room - len, "'%.*s'", PLAIT_ARG(plait_jelly_bytes(v)));
    if (plait_jelly_count(v) > 0 && depth < 4)
        len += describe_inside(v, depth, out + len, room - len);
    return len + (size_t)snprintf(out + len, room - len, " ");
}

static void assert_described(const struct plait_jelly_value *v, const char *expected)
{
    char text[DESCRIPTION_MAX];
    describe(v, 0, text, sizeof text);
    assert_string_equal(text, expected);
}

/* --- both ways ---------------------------------------------------------------------------------------------------- */

struct row {
    plait_slice wire;
    const char *value;
};

#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

static const struct row rows[] = {
    {BYTES("\1\x80\1\x87"), "0 "},
    {BYTES("\2\x80\7\x82"
           "boolean\4\x82true"),
     "1! "},
    {BYTES("\2\x80\7\x82"
           "boolean\5\x82"
           "false"),
     "1 "},
    {BYTES("\5\x83"), "2=-5 "},
    {BYTES("\0\0\0\0\0\0\0\0\0\2\x86"), "3!'' "},
    {BYTES("\x84\x3f\xf8\0\0\0\0\0\0"), "4=1.5 "},
    {BYTES("\5\x82hello"), "5'hello' "},
    {BYTES("\2\x80\7\x82unicode\2\x82\xc3\xa9"), "6'\xc3\xa9' "},
    {BYTES("\3\x80\x08\x87\1\x81\2\x81"), "7(2=1 2=2 ) "},
    {BYTES("\1\x80\x0b\x87"), "8 "},
    {BYTES("\3\x80\x05\x87\2\x80\1\x82k\1\x81\2\x80\2\x81\1\x80\1\x87"), "9(5'k' 2=1 2=2 0 ) "},
    {BYTES("\2\x80\3\x82set\1\x81"), "10(2=1 ) "},
    {BYTES("\1\x80\x09\x82"
           "frozenset"),
     "11 "},
    {BYTES("\2\x80\x08\x82"
           "datetime\x10\x82"
           "2020 1 2 3 4 5 6"),
     "12'2020 1 2 3 4 5 6' "},
    {BYTES("\2\x80\4\x82"
           "date\x08\x82"
           "2020 1 2"),
     "13'2020 1 2' "},
    {BYTES("\2\x80\4\x82time\7\x82"
           "3 4 5 6"),
     "14'3 4 5 6' "},
    {BYTES("\2\x80\x09\x82timedelta\5\x82"
           "1 2 3"),
     "15'1 2 3' "},
    {BYTES("\3\x80\7\x82"
           "decimal\x0b\x83\1\x83"),
     "16(2=-11 2=-1 ) "},
    {BYTES("\2\x80\x09\x87\6\x82ours.m"), "17'ours.m' "},
    {BYTES("\2\x80\2\x87\6\x82ours.C"), "18'ours.C' "},
    {BYTES("\2\x80\6\x87\6\x82ours.f"), "19'ours.f' "},
    {BYTES("\2\x80\x0c\x87\3\x82why"), "20'why' "},
    {BYTES("\2\x80\x10\x87\7\x81"), "21=7 "},
    {BYTES("\2\x80\x11\x87\4\x82root"), "22'root' "},
    {BYTES("\2\x80\x0f\x87\7\x81"), "23=7 "},
    {BYTES("\2\x80\x12\x87\7\x81"), "24=7 "},
    {BYTES("\2\x80\6\x82ours.C\1\x80\5\x87"), "25'ours.C'(9 ) "},
    {BYTES("\3\x80\6\x82ours.C\7\x81\1\x80\5\x87"), "25'ours.C'(2=7 9 ) "},
    {BYTES("\3\x80\x0b\x87\3\x80\4\x87\1\x81\1\x80\x08\x87\2\x80\3\x87\1\x81"), "8(7 7 ) "},
    {BYTES("\3\x80\4\x87\1\x81\2\x80\x08\x87\2\x80\3\x87\1\x81"), "7(7(7(7(7 ) ) ) ) "},
};

static void values_are_read_and_written_as_twisted_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct desk d;
        plait_slice rest = rows[i].wire;
        desk_open(&d, &accepting);
        assert_err(plait_jelly_read(d.j, &rest, true), PLAIT_OK);
        assert_int_equal(rest.len, 0);
        assert_described(plait_jelly_top(d.j), rows[i].value);
        assert_null(plait_jelly_next(plait_jelly_top(d.j)));
        assert_err(plait_jelly_write(d.j, plait_jelly_top(d.j), &d.out, true), PLAIT_OK);
        assert_slice_is(plait_buf_slice(&d.out), rows[i].wire);
        desk_close(&d);
    }
}

static void the_dialect_none_has_no_words(void **state)
{
    struct desk d;
    plait_slice rest = PLAIT_LIT("\1\x80\4\x82None\1\x80\5\x82tuple");
    (void)state;
    desk_open(&d, NULL);
    assert_err(plait_jelly_read(d.j, &rest, false), PLAIT_OK);
    assert_int_equal(rest.len, 9); /* one value, and not more */
    assert_described(plait_jelly_top(d.j), "0 ");
    assert_err(plait_jelly_write(d.j, plait_jelly_top(d.j), &d.out, false), PLAIT_OK);
    assert_slice_is(plait_buf_slice(&d.out), PLAIT_LIT("\1\x80\4\x82None"));
    desk_close(&d);
}

static const struct {
    plait_slice wire;
    plait_err err;
} refused[] = {
    {BYTES(""), PLAIT_ETRUNCATED},
    {BYTES("\2\x80\1\x87"), PLAIT_ETRUNCATED},
    {BYTES("\x88"), PLAIT_EMALFORMED},
    {BYTES("\0\x80"), PLAIT_EMALFORMED},
    {BYTES("\1\x80\1\x81"), PLAIT_EMALFORMED},
    {BYTES("\2\x80\1\x87\1\x81"), PLAIT_EMALFORMED},            /* None with something behind */
    {BYTES("\1\x80\7\x82unicode"), PLAIT_EMALFORMED},           /* nothing behind */
    {BYTES("\2\x80\7\x82unicode\1\x81"), PLAIT_EMALFORMED},     /* no string */
    {BYTES("\2\x80\7\x82unicode\1\x82\xff"), PLAIT_EMALFORMED}, /* no UTF-8 */
    {BYTES("\2\x80\7\x82"
           "boolean\1\x81"),
     PLAIT_EMALFORMED}, /* no string */
    {BYTES("\2\x80\7\x82"
           "boolean\3\x82yes"),
     PLAIT_EMALFORMED},
    {BYTES("\2\x80\5\x87\1\x81"), PLAIT_EMALFORMED},             /* a pair that is no list */
    {BYTES("\2\x80\5\x87\1\x80\1\x81"), PLAIT_EMALFORMED},       /* of one */
    {BYTES("\2\x80\5\x87\2\x80\1\x81\0\x80"), PLAIT_EMALFORMED}, /* whose value is none */
    {BYTES("\2\x80\x0b\x87\0\x80"), PLAIT_EMALFORMED},
    {BYTES("\2\x80\7\x82"
           "decimal\1\x81"),
     PLAIT_EMALFORMED},
    {BYTES("\3\x80\7\x82"
           "decimal\1\x82x\1\x81"),
     PLAIT_EMALFORMED},
    {BYTES("\3\x80\7\x82"
           "decimal\1\x81\1\x82x"),
     PLAIT_EMALFORMED},
    {BYTES("\2\x80\x10\x87\x84\0\0\0\0\0\0\0\0"), PLAIT_EMALFORMED}, /* an object without a number */
    {BYTES("\1\x80\6\x82ours.C"), PLAIT_EMALFORMED},                 /* an instance without a state */
    {BYTES("\3\x80\6\x82ours.C\1\x82x\1\x81"), PLAIT_EMALFORMED},
    {BYTES("\2\x80\0\x82\1\x81"), PLAIT_EFORBIDDEN},
    {BYTES("\2\x80\2\x82os\1\x81"), PLAIT_EFORBIDDEN},
    {BYTES("\2\x80\2\x87\x08\x82os.Popen"), PLAIT_EFORBIDDEN},
    {BYTES("\2\x80\3\x87\1\x81"), PLAIT_EMALFORMED},                   /* no such object */
    {BYTES("\2\x80\3\x87\1\x82x"), PLAIT_EMALFORMED},                  /* no number */
    {BYTES("\3\x80\4\x87\1\x83\1\x81"), PLAIT_EMALFORMED},             /* below zero */
    {BYTES("\3\x80\4\x87\0\0\4\x81\1\x81"), PLAIT_EMALFORMED},         /* 65,536 */
    {BYTES("\3\x80\4\x87\1\x81\0\x80"), PLAIT_EMALFORMED},             /* an object that is no value */
    {BYTES("\3\x80\4\x87\1\x81\2\x80\3\x87\1\x81"), PLAIT_EMALFORMED}, /* that is itself */
    {BYTES("\3\x80\x0b\x87\3\x80\4\x87\1\x81\1\x81\3\x80\4\x87\1\x81\1\x81"), PLAIT_EMALFORMED}, /* twice */
    {BYTES("\3\x80\x0b\x87\3\x80\4\x87\1\x81\1\x81\2\x80\3\x87\2\x81"), PLAIT_EMALFORMED},       /* another one */
};

static void what_is_no_value_or_not_accepted_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(refused); i++) {
        struct desk d;
        plait_slice rest = refused[i].wire;
        desk_open(&d, &accepting);
        const plait_err err = plait_jelly_read(d.j, &rest, true);
        if (err != refused[i].err)
            fail_msg("row %zu: %s", i, plait_err_name(err));
        rest = PLAIT_LIT("\1\x81"); /* and so is all that comes later */
        assert_err(plait_jelly_read(d.j, &rest, true), refused[i].err);
        assert_err(plait_jelly_error(d.j), refused[i].err);
        assert_err(plait_jelly_write(d.j, NULL, &d.out, true), refused[i].err);
        desk_close(&d);
    }
}

static void nobody_is_accepted_unless_told(void **state)
{
    struct desk d;
    plait_slice rest = PLAIT_LIT("\2\x80\6\x82ours.C\1\x80\5\x87");
    (void)state;
    desk_open(&d, NULL);
    assert_err(plait_jelly_read(d.j, &rest, true), PLAIT_EFORBIDDEN);
    desk_close(&d);
}

/* --- depth and size ----------------------------------------------------------------------------------------------- */

static void put_deep(struct plait_buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        plait__banana_put_list(out, i + 1 < depth ? 2 : 1);
        plait__banana_put_string(out, PLAIT_LIT("list"), true);
    }
}

static void values_are_so_deep_and_not_deeper(void **state)
{
    static const unsigned asked[] = {0, 3, 1000};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(asked); i++) {
        const unsigned depth = asked[i] == 3 ? 3 : PLAIT__JELLY_DEPTH_MAX;
        const struct plait_jelly_options options = {.depth = asked[i]};
        for (unsigned more = 0; more < 2; more++) {
            struct desk d;
            desk_open(&d, &options);
            put_deep(&d.out, depth + more);
            plait_slice rest = plait_buf_slice(&d.out);
            assert_err(plait_jelly_read(d.j, &rest, true), more ? PLAIT_ELIMIT : PLAIT_OK);
            desk_close(&d);
            desk_open(&d, &options);
            for (unsigned n = 0; n < depth + more; n++)
                plait_jelly_open(d.j, PLAIT_JELLY_LIST);
            for (unsigned n = 0; n < depth; n++)
                plait_jelly_close(d.j);
            assert_err(plait_jelly_error(d.j), more ? PLAIT_ELIMIT : PLAIT_OK);
            desk_close(&d);
        }
    }
}

/* A chain of objects each of which is inside the one before, by way of an alias: only writing finds out. */
static void objects_in_objects_are_not_written_deeper_than_they_could_be_read(void **state)
{
    enum { CHAIN = 80 };
    struct desk d;
    struct plait_jelly_value *before = NULL;
    (void)state;
    desk_open(&d, NULL);
    for (unsigned i = 0; i < CHAIN; i++) {
        struct plait_jelly_value *v = plait_jelly_open(d.j, PLAIT_JELLY_LIST);
        if (before)
            plait_jelly_put_again(d.j, before);
        plait_jelly_close(d.j);
        before = v;
    }
    assert_err(plait_jelly_write(d.j, before, &d.out, true), PLAIT_ELIMIT);
    plait_buf_clear(&d.out);
    plait_jelly_open(d.j, PLAIT_JELLY_DICTIONARY);
    plait_jelly_put_again(d.j, before);
    plait_jelly_put_none(d.j);
    plait_jelly_put_none(d.j);
    plait_jelly_put_again(d.j, before);
    plait_jelly_close(d.j);
    assert_err(plait_jelly_write(d.j, plait_jelly_next(before), &d.out, true), PLAIT_ELIMIT);
    plait_buf_clear(&d.out);
    plait_jelly_open(d.j, PLAIT_JELLY_DICTIONARY);
    plait_jelly_put_none(d.j);
    plait_jelly_put_again(d.j, before);
    plait_jelly_close(d.j);
    assert_err(plait_jelly_write(d.j, plait_jelly_next(plait_jelly_next(before)), &d.out, true), PLAIT_ELIMIT);
    desk_close(&d);
}

static void what_is_longer_than_bananas_limit_is_refused(void **state)
{
    static uint8_t zeroes[PLAIT__BANANA_ITEM_MAX + 1];
    struct desk d;
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        desk_open(&d, NULL);
        plait_jelly_put_bytes(d.j, plait_slice_of(zeroes, PLAIT__BANANA_ITEM_MAX + more));
        assert_err(plait_jelly_error(d.j), more ? PLAIT_ETOOLONG : PLAIT_OK);
        desk_close(&d);
        desk_open(&d, NULL);
        plait_jelly_put_big_integer(d.j, false, plait_slice_of(zeroes, PLAIT__BANANA_DIGITS_MAX + more));
        assert_err(plait_jelly_error(d.j), more ? PLAIT_ETOOLONG : PLAIT_OK);
        desk_close(&d);
    }
    desk_open(&d, NULL);
    d.out.max = 3;
    plait_jelly_put_bytes(d.j, PLAIT_LIT("hello"));
    assert_err(plait_jelly_write(d.j, plait_jelly_top(d.j), &d.out, true), PLAIT_ETOOLONG);
    desk_close(&d);
}

/* --- building ----------------------------------------------------------------------------------------------------- */

static void build_all(struct plait_jelly *j)
{
    struct plait_jelly_value *tuple = plait_jelly_open(j, PLAIT_JELLY_TUPLE);
    plait_jelly_put_none(j);
    plait_jelly_put_boolean(j, true);
    plait_jelly_put_integer(j, -3);
    plait_jelly_put_big_integer(j, true, PLAIT_LIT("aaaaaaaaaa"));
    plait_jelly_put_float(j, 1.5);
    plait_jelly_put_bytes(j, PLAIT_LIT("bytes"));
    plait_jelly_put_text(j, PLAIT_LIT("text"));
    plait_jelly_put_named(j, PLAIT_JELLY_CLASS, PLAIT_LIT("ours.C"));
    plait_jelly_put_object(j, PLAIT_JELLY_REMOTE, 7);
    plait_jelly_open_instance(j, PLAIT_LIT("ours.C"));
    plait_jelly_open(j, PLAIT_JELLY_DICTIONARY);
    plait_jelly_put_text(j, PLAIT_LIT("self"));
    plait_jelly_put_again(j, tuple);
    plait_jelly_close(j);
    plait_jelly_close(j);
    plait_jelly_close(j);
}

static void a_tree_is_built_written_and_read_back(void **state)
{
    static const char expected[] = "8(0 1! 2=-3 3!'aaaaaaaaaa' 4=1.5 5'bytes' 6'text' 18'ours.C' 21=7 "
                                   "25'ours.C'(9(6'self' 8(0 1! 2=-3 3!'aaaaaaaaaa' 4=1.5 "
                                   "5'bytes' 6'text' 18'ours.C' 21=7 25'ours.C' ) ) ) ) ";
    struct desk d;
    (void)state;
    desk_open(&d, &accepting);
    build_all(d.j);
    assert_err(plait_jelly_error(d.j), PLAIT_OK);
    assert_described(plait_jelly_top(d.j), expected);
    assert_err(plait_jelly_write(d.j, plait_jelly_top(d.j), &d.out, true), PLAIT_OK);
    plait_slice rest = plait_buf_slice(&d.out);
    assert_err(plait_jelly_read(d.j, &rest, true), PLAIT_OK);
    assert_described(plait_jelly_next(plait_jelly_top(d.j)), expected);
    desk_close(&d);
}

static void bad_none(struct plait_jelly *j)
{
    plait_jelly_open(j, PLAIT_JELLY_NONE);
}

static void bad_close(struct plait_jelly *j)
{
    plait_jelly_close(j);
}

static void bad_pair(struct plait_jelly *j)
{
    plait_jelly_open(j, PLAIT_JELLY_DICTIONARY);
    plait_jelly_put_none(j);
    plait_jelly_close(j);
}

static void bad_decimal(struct plait_jelly *j)
{
    plait_jelly_open(j, PLAIT_JELLY_DECIMAL);
    plait_jelly_put_big_integer(j, false, PLAIT_LIT("\1"));
    plait_jelly_put_none(j);
    plait_jelly_close(j);
}

static void bad_digits(struct plait_jelly *j)
{
    plait_jelly_put_big_integer(j, false, PLAIT_LIT("\x80"));
}

static void bad_text(struct plait_jelly *j)
{
    plait_jelly_put_text(j, PLAIT_LIT("\xff"));
}

static void bad_named(struct plait_jelly *j)
{
    plait_jelly_put_named(j, PLAIT_JELLY_LIST, PLAIT_LIT("x"));
}

static void bad_object(struct plait_jelly *j)
{
    plait_jelly_put_object(j, PLAIT_JELLY_LIST, 1);
}

static void bad_again(struct plait_jelly *j)
{
    plait_jelly_put_again(j, NULL);
}

static void bad_state(struct plait_jelly *j)
{
    plait_jelly_open_instance(j, PLAIT_LIT("ours.C"));
    plait_jelly_close(j);
}

static void left_open(struct plait_jelly *j)
{
    plait_jelly_open(j, PLAIT_JELLY_SET);
}

static void what_cannot_stand_there_is_a_sticky_error(void **state)
{
    static void (*const wrong[])(struct plait_jelly *) = {bad_none,   bad_close, bad_pair,  bad_decimal,
                                                          bad_digits, bad_text,  bad_named, bad_object,
                                                          bad_again,  bad_state, left_open};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct desk d;
        desk_open(&d, NULL);
        wrong[i](d.j);
        assert_err(plait_jelly_error(d.j), PLAIT_EINVAL);
        if (wrong[i] != left_open) {
            build_all(d.j);
            assert_err(plait_jelly_error(d.j), PLAIT_EINVAL);
        }
        desk_close(&d);
    }
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

static void a_dictionary_is_asked_by_key(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, NULL);
    struct plait_jelly_value *v = plait_jelly_open(d.j, PLAIT_JELLY_DICTIONARY);
    plait_jelly_put_integer(d.j, 1);
    plait_jelly_put_integer(d.j, 10);
    plait_jelly_put_text(d.j, PLAIT_LIT("text"));
    plait_jelly_put_integer(d.j, 20);
    plait_jelly_put_bytes(d.j, PLAIT_LIT("bytes"));
    plait_jelly_put_integer(d.j, 30);
    plait_jelly_put_text(d.j, PLAIT_LIT("half"));
    assert_int_equal(plait_jelly_integer(plait_jelly_get(v, "text")), 20);
    assert_int_equal(plait_jelly_integer(plait_jelly_get(v, "bytes")), 30);
    assert_null(plait_jelly_get(v, "half"));
    assert_null(plait_jelly_get(plait_jelly_first(v), "text"));
    assert_null(plait_jelly_get(NULL, "text"));
    desk_close(&d);
}

static void a_pattern_gives_values_out(void **state)
{
    struct desk d;
    int64_t number = 0;
    double real = 0;
    bool truth = false;
    plait_slice bytes;
    plait_slice text;
    const struct plait_jelly_value *any = NULL;
    (void)state;
    desk_open(&d, NULL);
    struct plait_jelly_value *v = plait_jelly_open(d.j, PLAIT_JELLY_TUPLE);
    plait_jelly_put_integer(d.j, 5);
    plait_jelly_put_float(d.j, 2.5);
    plait_jelly_put_boolean(d.j, true);
    plait_jelly_put_bytes(d.j, PLAIT_LIT("b"));
    plait_jelly_put_text(d.j, PLAIT_LIT("t"));
    plait_jelly_put_none(d.j);
    plait_jelly_close(d.j);
    assert_true(plait_jelly_match(v, "ifbstv", &number, &real, &truth, &bytes, &text, &any));
    assert_true(number == 5 && real == 2.5 && truth);
    assert_slice(bytes, "b");
    assert_slice(text, "t");
    assert_int_equal(plait_jelly_kind(any), PLAIT_JELLY_NONE);
    assert_true(plait_jelly_match(v, "vvvttv", &any, &any, &any, &bytes, &text, &any));
    assert_slice(bytes, "b");
    assert_false(plait_jelly_match(v, "vvvtsv", &any, &any, &any, &bytes, &text, &any));
    assert_false(plait_jelly_match(v, "f", &real));
    assert_false(plait_jelly_match(v, "fvvvvv", &real, &any, &any, &any, &any, &any));
    assert_false(plait_jelly_match(v, "xvvvvv", &any, &any, &any, &any, &any, &any));
    assert_true(plait_jelly_match(NULL, ""));
    assert_null(plait_jelly_next(NULL));
    assert_int_equal(plait_jelly_integer(plait_jelly_next(plait_jelly_first(v))), 0); /* of a float */
    desk_close(&d);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static plait_err all_the_way(struct plait_budget *budget, struct plait_buf *out)
{
    plait_slice rest = PLAIT_LIT("\3\x80\x0b\x87\3\x80\4\x87\x64\x81\1\x80\x08\x87\2\x80\3\x87\x64\x81");
    struct plait_jelly *j = plait_jelly_new(budget, &accepting);
    if (!j)
        return PLAIT_ENOMEM;
    build_all(j);
    for (unsigned i = 0; i < 40; i++)
        plait_jelly_put_integer(j, i);
    plait_err err = plait_jelly_write(j, plait_jelly_top(j), out, true);
    if (err == PLAIT_OK)
        err = plait_jelly_read(j, &rest, true);
    for (unsigned i = 0; i < 100 && err == PLAIT_OK; i++) {
        plait_slice small = PLAIT_LIT("\1\x81");
        err = plait_jelly_read(j, &small, true);
    }
    plait_jelly_free(&j);
    return err;
}

static void memory_that_fails_leaves_nothing_behind(void **state)
{
    plait_err err = PLAIT_ENOMEM;
    (void)state;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        struct test_heap heap;
        struct plait_budget budget;
        struct plait_buf out;
        test_heap_init(&heap, n);
        plait_budget_init(&budget, NULL, &heap.allocator, 0);
        plait_buf_init(&out, &budget, OUT_MAX);
        err = all_the_way(&budget, &out);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        plait_buf_deinit(&out);
        assert_int_equal(heap.live, 0);
        assert_true(n < 100);
    }
}

static void a_tree_has_a_budget(void **state)
{
    static uint8_t zeroes[8192];
    const struct plait_jelly_options options = {.bytes_max = 4096};
    struct desk d;
    struct plait_jelly *none = NULL;
    (void)state;
    plait_jelly_free(&none);
    desk_open(&d, &options);
    plait_jelly_put_bytes(d.j, plait_slice_of(zeroes, sizeof zeroes));
    assert_err(plait_jelly_error(d.j), PLAIT_ENOMEM);
    desk_close(&d);
    desk_open(&d, &options);
    plait__banana_put_string(&d.out, plait_slice_of(zeroes, sizeof zeroes), true);
    plait_slice rest = plait_buf_slice(&d.out);
    assert_err(plait_jelly_read(d.j, &rest, true), PLAIT_ENOMEM);
    desk_close(&d);
}

TEST_MAIN(cmocka_unit_test(values_are_read_and_written_as_twisted_does),
          cmocka_unit_test(the_dialect_none_has_no_words),
          cmocka_unit_test(what_is_no_value_or_not_accepted_is_refused),
          cmocka_unit_test(nobody_is_accepted_unless_told), cmocka_unit_test(values_are_so_deep_and_not_deeper),
          cmocka_unit_test(objects_in_objects_are_not_written_deeper_than_they_could_be_read),
          cmocka_unit_test(what_is_longer_than_bananas_limit_is_refused),
          cmocka_unit_test(a_tree_is_built_written_and_read_back),
          cmocka_unit_test(what_cannot_stand_there_is_a_sticky_error), cmocka_unit_test(a_dictionary_is_asked_by_key),
          cmocka_unit_test(a_pattern_gives_values_out), cmocka_unit_test(memory_that_fails_leaves_nothing_behind),
          cmocka_unit_test(a_tree_has_a_budget))
