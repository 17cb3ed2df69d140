/* SPDX-License-Identifier: MIT
 *
 * Queries and replies of ident (RFC 1413 sections 4 and 5), with the white space that it lets peers send.
 */
#include "tests/support/test.h"

#include <plait/ident.h>

enum { TEXT_BYTES = 2048 };

static const struct {
    const char *line;
    plait_err err;
    uint32_t server_port, client_port;
} queries[] = {
    {"6191, 23", PLAIT_OK, 6191, 23}, /* section 4 */
    {"6191,23", PLAIT_OK, 6191, 23},       {" \t6191 \t, 23 ", PLAIT_OK, 6191, 23},
    {"1,65535", PLAIT_OK, 1, 65535},       {"65535,1", PLAIT_OK, 65535, 1},
    {"0,23", PLAIT_EINVAL, 0, 23},         {"23,0", PLAIT_EINVAL, 23, 0},
    {"65536,23", PLAIT_EINVAL, 65536, 23}, {"23,99999", PLAIT_EINVAL, 23, 99999},
    {"100000,23", PLAIT_EMALFORMED, 0, 0}, {"-1,23", PLAIT_EMALFORMED, 0, 0},
    {"23,-1", PLAIT_EMALFORMED, 23, 0},    {"23.5,1", PLAIT_EMALFORMED, 23, 0},
    {"23", PLAIT_EMALFORMED, 23, 0},       {"23,", PLAIT_EMALFORMED, 23, 0},
    {"", PLAIT_EMALFORMED, 0, 0},          {"23,1 x", PLAIT_EMALFORMED, 23, 1},
    {"2 3,1", PLAIT_EMALFORMED, 2, 0},
};

static void queries_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(queries); i++) {
        struct plait_ident_query q;
        assert_err(plait_ident_parse_query(plait_slice_text(queries[i].line), &q), queries[i].err);
        assert_int_equal(q.server_port, queries[i].server_port);
        assert_int_equal(q.client_port, queries[i].client_port);
    }
}

static void put_reply(char *out, const struct plait_ident_reply *reply, plait_err err)
{
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, TEXT_BYTES);
    plait_ident_put_reply(&buf, reply);
    assert_err(buf.err, err);
    memcpy(out, buf.ptr ? buf.ptr : (const uint8_t *)"", buf.len);
    out[buf.len] = '\0';
    plait_buf_deinit(&buf);
}

static void a_query_is_written(void **state)
{
    (void)state;
    const struct plait_ident_query query = {6191, 23};
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, TEXT_BYTES);
    plait_ident_put_query(&buf, &query);
    assert_slice(plait_buf_slice(&buf), "6191, 23\r\n");
    plait_buf_deinit(&buf);
}

/* Section 5; the last member is how we write the same. */
static const struct {
    const char *line;
    enum plait_ident_answer answer;
    const char *system, *charset, *user, *token, *written;
} replies[] = {
    {"6193, 23 : USERID : UNIX :stjohns", PLAIT_IDENT_USER, "UNIX", "", "stjohns", "",
     "6193, 23 : USERID : UNIX :stjohns\r\n"},
    {"6193, 23 : USERID : UNIX : stjohns", PLAIT_IDENT_USER, "UNIX", "", " stjohns", "",
     "6193, 23 : USERID : UNIX : stjohns\r\n"},
    {" 6193,23:userid:OTHER , UTF-8 :a:b, \xc3\xb6 ", PLAIT_IDENT_USER, "OTHER", "UTF-8", "a:b, \xc3\xb6 ", "",
     "6193, 23 : USERID : OTHER, UTF-8 :a:b, \xc3\xb6 \r\n"},
    {"6193, 23 : ERROR : NO-USER", PLAIT_IDENT_NO_USER, "", "", "", "", "6193, 23 : ERROR : NO-USER\r\n"},
    {"6193,23:ERROR:INVALID-PORT ", PLAIT_IDENT_INVALID_PORT, "", "", "", "", "6193, 23 : ERROR : INVALID-PORT\r\n"},
    {"6193,23 : error:\thidden-user", PLAIT_IDENT_HIDDEN_USER, "", "", "", "", "6193, 23 : ERROR : HIDDEN-USER\r\n"},
    {"6193,23:ERROR:UNKNOWN-ERROR", PLAIT_IDENT_UNKNOWN_ERROR, "", "", "", "", "6193, 23 : ERROR : UNKNOWN-ERROR\r\n"},
    {"6193,23:ERROR:XBUSY", PLAIT_IDENT_OTHER_ERROR, "", "", "", "XBUSY", "6193, 23 : ERROR : XBUSY\r\n"},
};

static void replies_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(replies); i++) {
        char line[TEXT_BYTES];
        struct plait_ident_reply r;
        assert_ok(plait_ident_parse_reply(plait_slice_text(replies[i].line), &r));
        assert_int_equal(r.query.server_port, 6193);
        assert_int_equal(r.query.client_port, 23);
        assert_int_equal(r.answer, replies[i].answer);
        assert_slice(r.system, replies[i].system);
        assert_slice(r.charset, replies[i].charset);
        assert_slice(r.user, replies[i].user);
        assert_slice(r.token, replies[i].token);
        put_reply(line, &r, PLAIT_OK);
        assert_string_equal(line, replies[i].written);
    }
}

static void a_reply_repeats_ports_that_are_none(void **state)
{
    (void)state;
    struct plait_ident_reply r = {.answer = PLAIT_IDENT_INVALID_PORT};
    char line[TEXT_BYTES];
    assert_err(plait_ident_parse_query(PLAIT_LIT("70000, 0"), &r.query), PLAIT_EINVAL);
    put_reply(line, &r, PLAIT_OK);
    assert_string_equal(line, "70000, 0 : ERROR : INVALID-PORT\r\n");
    assert_ok(plait_ident_parse_reply(plait_slice_of(line, strlen(line) - 2), &r));
    assert_int_equal(r.query.server_port, 70000);
}

static void malformed_replies_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "6193",
        "6193, 23",
        "6193, 23 ERROR : NO-USER",
        "6193, 23 : ERROR",
        "6193, 23 : ERROR :",
        "6193, 23 : ERROR : NO USER",
        "6193, 23 : ERROR : NO:USER",
        "6193, 23 : ERROR : \xc3\xb6",
        "6193, 23 : NOTHING : x",
        "6193, 23 : USERID : UNIX",
        "6193, 23 : USERID : UNIX :",
        "6193, 23 : USERID : :ann",
        "6193, 23 : USERID : ,UTF-8 :ann",
        "6193, 23 : USERID : UNIX, :ann",
        "6193, 23 : USERID : UN IX :ann",
        "6193, 23 : USERID : UNIX :an\rn",
        "6193, 23 : USERID : UNIX :an\nn",
    };
    struct plait_ident_reply r;
    for (size_t i = 0; i < TEST_COUNT(lines); i++)
        assert_err(plait_ident_parse_reply(plait_slice_text(lines[i]), &r), PLAIT_EMALFORMED);
    assert_err(plait_ident_parse_reply(plait_slice_of("1,2:USERID:UNIX:a\0b", 19), &r), PLAIT_EMALFORMED);
}

static void a_line_has_at_most_1000_bytes(void **state)
{
    (void)state;
    char line[PLAIT_IDENT_LINE_MAX + 1];
    struct plait_ident_query q;
    struct plait_ident_reply r;
    memset(line, ' ', sizeof line);
    memcpy(line, "1,2", 3);
    assert_ok(plait_ident_parse_query(plait_slice_of(line, PLAIT_IDENT_LINE_MAX), &q));
    assert_err(plait_ident_parse_query(plait_slice_of(line, sizeof line), &q), PLAIT_ETOOLONG);
    memcpy(line, "1,2:USERID:UNIX:", 16);
    assert_ok(plait_ident_parse_reply(plait_slice_of(line, PLAIT_IDENT_LINE_MAX), &r));
    assert_int_equal(r.user.len, PLAIT_IDENT_LINE_MAX - 16);
    assert_err(plait_ident_parse_reply(plait_slice_of(line, sizeof line), &r), PLAIT_ETOOLONG);
}

static void a_token_has_at_most_64_bytes(void **state)
{
    (void)state;
    char line[100] = "1,2:ERROR:";
    struct plait_ident_reply r;
    memset(line + 10, 'X', PLAIT_IDENT_TOKEN_MAX + 1);
    assert_ok(plait_ident_parse_reply(plait_slice_of(line, 10 + PLAIT_IDENT_TOKEN_MAX), &r));
    assert_int_equal(r.token.len, PLAIT_IDENT_TOKEN_MAX);
    assert_err(plait_ident_parse_reply(plait_slice_of(line, 10 + PLAIT_IDENT_TOKEN_MAX + 1), &r), PLAIT_EMALFORMED);
}

static void a_reply_that_cannot_be_said_is_an_error(void **state)
{
    (void)state;
    char longest[PLAIT_IDENT_USER_MAX + 1];
    char line[TEXT_BYTES];
    memset(longest, 'u', sizeof longest);
    struct plait_ident_reply r = {.query = {1, 2}, .system = PLAIT_LIT("UNIX")};
    r.user = plait_slice_of(longest, PLAIT_IDENT_USER_MAX);
    put_reply(line, &r, PLAIT_OK);
    r.user = plait_slice_of(longest, sizeof longest);
    put_reply(line, &r, PLAIT_EINVAL);
    r.user = PLAIT_LIT("");
    put_reply(line, &r, PLAIT_EINVAL);
    r.user = PLAIT_LIT("ann\r\n1, 2 : ERROR : NO-USER");
    put_reply(line, &r, PLAIT_EINVAL);
    r.user = PLAIT_LIT("ann");
    r.system = PLAIT_LIT("UN:IX");
    put_reply(line, &r, PLAIT_EINVAL);
    r.system = PLAIT_LIT("UNIX,UTF-8");
    put_reply(line, &r, PLAIT_EINVAL);
    r.system = PLAIT_LIT("UNIX");
    r.charset = PLAIT_LIT("U S");
    put_reply(line, &r, PLAIT_EINVAL);
    r = (struct plait_ident_reply){.answer = PLAIT_IDENT_OTHER_ERROR};
    put_reply(line, &r, PLAIT_EINVAL);
}

static void the_error_of_a_full_buffer_stays(void **state)
{
    (void)state;
    const struct plait_ident_reply user = {.query = {1, 2}};
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, 4);
    plait_ident_put_reply(&buf, &user);
    assert_err(buf.err, PLAIT_ETOOLONG);
    plait_buf_deinit(&buf);
}

TEST_MAIN(cmocka_unit_test(queries_are_read), cmocka_unit_test(a_query_is_written),
          cmocka_unit_test(replies_are_read_and_written), cmocka_unit_test(a_reply_repeats_ports_that_are_none),
          cmocka_unit_test(malformed_replies_are_refused), cmocka_unit_test(a_line_has_at_most_1000_bytes),
          cmocka_unit_test(a_token_has_at_most_64_bytes), cmocka_unit_test(a_reply_that_cannot_be_said_is_an_error),
          cmocka_unit_test(the_error_of_a_full_buffer_stays))
