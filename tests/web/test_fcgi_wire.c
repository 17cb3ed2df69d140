/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/fcgi_wire.c: records, whole and cut anywhere, and what is written.
 */
#include "tests/support/test.h"

#include "web/fcgi_wire.h"

#include <stdio.h>

struct wire_case {
    const char *name, *input;
    size_t len;
    const char *told; /* each record's pieces joined: "6:abc;", what ends a stream "6:;", the end "end 3 0;", "bad;" */
};

#define INPUT(text) text, sizeof(text) - 1

static struct plait__fcgi_reader reader;
static char told[512], *at;
static uint8_t open_type; /* of the record whose pieces are being joined */

static void tell(const char *text)
{
    at += snprintf(at, (size_t)(told + sizeof told - at), "%s", text);
}

static void end_record(void)
{
    if (open_type)
        tell(";");
    open_type = 0;
}

static void tell_event(enum plait__fcgi_event event, plait_slice piece)
{
    char text[300];
    if (event == PLAIT__FCGI_PIECE) {
        if (!open_type)
            (void)snprintf(text, sizeof text, "%d:%.*s", reader.type, PLAIT_ARG(piece));
        else
            (void)snprintf(text, sizeof text, "%.*s", PLAIT_ARG(piece));
        tell(text);
        open_type = reader.type;
        if (reader.left == 0)
            end_record();
    } else if (event == PLAIT__FCGI_OVER) {
        (void)snprintf(text, sizeof text, "end %u %d;", reader.app_status, reader.protocol_status);
        tell(text);
    } else if (event == PLAIT__FCGI_BAD) {
        tell("bad;");
    }
}

static void read_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct wire_case *c = ctx;
    enum plait__fcgi_event event = PLAIT__FCGI_MORE;
    size_t start = 0;
    memset(&reader, 0, sizeof reader);
    told[0] = '\0';
    at = told;
    open_type = 0;
    for (size_t len = test_cut_next(cut); len; len = test_cut_next(cut)) {
        if (event == PLAIT__FCGI_BAD)
            continue;
        plait_slice rest = plait_slice_sub(input, start, start + len), piece;
        size_t used;
        start += len;
        do {
            event = plait__fcgi_read(&reader, rest, &used, &piece);
            assert_true(used <= rest.len);
            tell_event(event, piece);
            rest = plait_slice_sub(rest, used, rest.len);
        } while (event == PLAIT__FCGI_PIECE || event == PLAIT__FCGI_OVER);
        assert_true(event == PLAIT__FCGI_BAD || rest.len == 0);
    }
    if (strcmp(told, c->told) != 0)
        fail_msg("%s, %s: %s", c->name, cut->name, told);
}

static void records_are_read_however_they_are_cut(void **state)
{
    static const struct wire_case cases[] = {
        {"output", INPUT("\1\6\0\1\0\3\0\0abc"), "6:abc;"},
        {"with padding", INPUT("\1\6\0\1\0\3\5\0abcPPPPP\1\7\0\1\0\2\0\0de"), "6:abc;7:de;"},
        {"a stream's end", INPUT("\1\6\0\1\0\0\0\0"), "6:;"},
        {"a stream's end with padding", INPUT("\1\6\0\1\0\0\2\0PP\1\6\0\1\0\1\0\0x"), "6:;6:x;"},
        {"a request's end", INPUT("\1\3\0\1\0\10\0\0\1\2\3\4\2\0\0\0"), "end 16909060 2;"},
        {"the end with padding", INPUT("\1\3\0\1\0\10\1\0\0\0\0\3\0\0\0\0P\1\6\0\1\0\1\0\0x"), "end 3 0;6:x;"},
        {"what nobody asked for", INPUT("\1\13\0\0\0\3\1\0abcP\1\12\0\1\0\1\0\0z\1\6\0\1\0\1\0\0x"), "6:x;"},
        {"output of no request", INPUT("\1\6\0\0\0\3\0\0abc"), ""},
        {"another version", INPUT("\2\6\0\1\0\3\0\0abc"), "bad;"},
        {"another request", INPUT("\1\6\1\1\0\3\0\0abc"), "bad;"},
        {"an end that is too short", INPUT("\1\3\0\1\0\7\0\0abcdefg"), "bad;"},
        {"an end that is too long", INPUT("\1\3\0\1\0\11\0\0abcdefghi"), "bad;"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        test_every_cut(plait_slice_of(cases[i].input, cases[i].len), 20, read_cut, (void *)(uintptr_t)&cases[i]);
}

static struct plait_budget budget;
static struct plait_buf out;

static void open_out(void)
{
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 1 << 20);
}

static void a_request_is_written_as_records(void **state)
{
    (void)state;
    open_out();
    plait__fcgi_begin(&out, true);
    plait__fcgi_write(&out, PLAIT__FCGI_PARAMS, PLAIT_LIT("ab"));
    plait__fcgi_write(&out, PLAIT__FCGI_STDIN, PLAIT_LIT(""));
    plait__fcgi_empty(&out, PLAIT__FCGI_STDIN);
    assert_slice_is(plait_buf_slice(&out), PLAIT_LIT("\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0"
                                                     "\1\4\0\1\0\2\0\0ab"
                                                     "\1\5\0\1\0\0\0\0"));
    plait_buf_clear(&out);
    plait__fcgi_begin(&out, false);
    assert_int_equal(plait_buf_slice(&out).ptr[10], 0);
    plait_buf_deinit(&out);
}

static void what_is_long_is_cut(void **state)
{
    static char content[65537];
    (void)state;
    open_out();
    plait__fcgi_write(&out, PLAIT__FCGI_STDIN, plait_slice_of(content, 65535));
    assert_int_equal(plait_buf_slice(&out).len, 8 + 65535);
    plait_buf_clear(&out);
    plait__fcgi_write(&out, PLAIT__FCGI_STDIN, plait_slice_of(content, 65537));
    assert_int_equal(plait_buf_slice(&out).len, 16 + 65537);
    assert_slice_is(plait_slice_sub(plait_buf_slice(&out), 8 + 65535, 16 + 65535), PLAIT_LIT("\1\5\0\1\0\2\0\0"));
    plait_buf_deinit(&out);
}

static void names_and_values_have_lengths(void **state)
{
    static char text[128];
    (void)state;
    memset(text, 'x', sizeof text);
    open_out();
    plait__fcgi_pair(&out, PLAIT_LIT("A"), PLAIT_LIT(""));
    plait__fcgi_pair(&out, plait_slice_of(text, 127), PLAIT_LIT("b"));
    assert_slice_is(plait_slice_sub(plait_buf_slice(&out), 0, 5), PLAIT_LIT("\1\0A\177\1"));
    plait_buf_clear(&out);
    plait__fcgi_pair(&out, PLAIT_LIT("C"), plait_slice_of(text, 128));
    assert_slice_is(plait_slice_sub(plait_buf_slice(&out), 0, 7), PLAIT_LIT("\1\200\0\0\200Cx"));
    plait_buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(records_are_read_however_they_are_cut), cmocka_unit_test(a_request_is_written_as_records),
          cmocka_unit_test(what_is_long_is_cut), cmocka_unit_test(names_and_values_have_lengths))
