/* SPDX-License-Identifier: MIT
 *
 * Queries, targets and answers of finger (RFC 1288).
 */
#include "tests/support/test.h"

#include <plait/finger.h>

enum { TEXT_BYTES = 4096 };

/* RFC 1288 section 2.3, and what clients send beside it. */
static const struct {
    const char *line;
    bool whois;
    const char *user, *hosts;
} queries[] = {
    {"", false, "", ""},            /* {C} */
    {"/W", true, "", ""},           /* {W} */
    {"/w", true, "", ""},           /* letters in any case */
    {"ann", false, "ann", ""},      /* {U} */
    {"/W ann", true, "ann", ""},    /* {W}{S}{U} */
    {"/W    ann", true, "ann", ""}, /* {S} is any number of spaces */
    {"ann /W", true, "ann", ""},    /* some put it last */
    {"@host", false, "", "@host"},  /* {Q2} */
    {"/W @host", true, "", "@host"},
    {"ann@h1@h2", false, "ann", "@h1@h2"},
    {"/W ann@host", true, "ann", "@host"},
    {"/W@host", true, "", "@host"},
    {"ann@", false, "ann", "@"},
    {"  ann  ", false, "ann", ""},
    {"\tann\t", false, "ann", ""},
    {"/Wann", false, "/Wann", ""},
    {"/W /W", true, "/W", ""},
    {"j\xc3\xb6rg", false, "j\xc3\xb6rg", ""},
};

static void queries_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(queries); i++) {
        struct plait_finger_query q;
        assert_ok(plait_finger_parse(plait_slice_text(queries[i].line), &q));
        assert_int_equal(q.whois, queries[i].whois);
        assert_slice(q.user, queries[i].user);
        assert_slice(q.hosts, queries[i].hosts);
    }
}

static void malformed_queries_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"ann bob", "ann@host bob", "ann@host /W", "/W ann bob",
                                        "an\x01n", "ann\r",        "a\tb",        "\x7f"};
    for (size_t i = 0; i < TEST_COUNT(lines); i++) {
        struct plait_finger_query q = {.whois = true, .user = PLAIT_LIT("untouched")};
        assert_err(plait_finger_parse(plait_slice_text(lines[i]), &q), PLAIT_EMALFORMED);
        assert_slice(q.user, "untouched");
    }
}

static void a_query_has_at_most_512_bytes(void **state)
{
    (void)state;
    char line[PLAIT_FINGER_LINE_MAX + 1];
    struct plait_finger_query q;
    memset(line, 'u', sizeof line);
    assert_ok(plait_finger_parse(plait_slice_of(line, PLAIT_FINGER_LINE_MAX), &q));
    assert_int_equal(q.user.len, PLAIT_FINGER_LINE_MAX);
    assert_err(plait_finger_parse(plait_slice_of(line, sizeof line), &q), PLAIT_ETOOLONG);
}

static void put_query(char *out, const struct plait_finger_query *q, plait_err err)
{
    struct plait_budget budget;
    struct plait_buf buf;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, TEXT_BYTES);
    plait_finger_put(&buf, q);
    assert_err(buf.err, err);
    memcpy(out, buf.ptr ? buf.ptr : (const uint8_t *)"", buf.len);
    out[buf.len] = '\0';
    plait_buf_deinit(&buf);
}

static void what_is_put_is_what_was_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(queries); i++) {
        char line[TEXT_BYTES];
        struct plait_finger_query q;
        struct plait_finger_query again;
        assert_ok(plait_finger_parse(plait_slice_text(queries[i].line), &q));
        put_query(line, &q, PLAIT_OK);
        assert_true(strlen(line) >= 2 && strcmp(line + strlen(line) - 2, "\r\n") == 0);
        assert_ok(plait_finger_parse(plait_slice_of(line, strlen(line) - 2), &again));
        assert_int_equal(again.whois, q.whois);
        assert_slice_is(again.user, q.user);
        assert_slice_is(again.hosts, q.hosts);
    }
}

static void no_control_character_gets_into_a_query(void **state)
{
    (void)state;
    char line[TEXT_BYTES];
    const struct plait_finger_query in_user = {.user = PLAIT_LIT("ann\r\nbob")};
    const struct plait_finger_query in_hosts = {.user = PLAIT_LIT("ann"), .hosts = PLAIT_LIT("@h\n")};
    put_query(line, &in_user, PLAIT_EINVAL);
    assert_string_equal(line, "");
    put_query(line, &in_hosts, PLAIT_EINVAL);
}

static void a_target_is_split_at_its_last_at(void **state)
{
    (void)state;
    static const struct {
        const char *text, *query, *host;
    } rows[] = {
        {"ann@host", "ann", "host"}, {"ann", "ann", "localhost"},   {"", "", "localhost"},
        {"@host", "", "host"},       {"ann@h1@h2", "ann@h1", "h2"},
    };
    plait_slice query;
    plait_slice host;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        assert_ok(plait_finger_target(plait_slice_text(rows[i].text), &query, &host));
        assert_slice(query, rows[i].query);
        assert_slice(host, rows[i].host);
    }
    assert_err(plait_finger_target(PLAIT_LIT("ann@"), &query, &host), PLAIT_EINVAL);
    assert_err(plait_finger_target(PLAIT_LIT("@"), &query, &host), PLAIT_EINVAL);
}

/* RFC 1288 section 3.3, with international characters let through. */
static void an_answer_is_shown_without_what_a_terminal_would_obey(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *shown;
    } rows[] = {
        {"Login: ann\r\nPlan:\r\n\tnone\r\n", "Login: ann\nPlan:\n\tnone\n"},
        {"bare\nline", "bare\nline"},
        {"\x1b[2J", "\\x1b[2J"},
        {"a\rb", "a\\rb"},
        {"end\r", "end\\r"},
        {"j\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80", "j\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b"
         "31m"},                  /* a C1 control: CSI */
        {"\xc2\xa0", "\xc2\xa0"}, /* the first that is none */
        {"\xff\x80", "\\xff\\x80"},
        {"\xe2\x82", "\\xe2\\x82"}, /* cut short */
        {"\x7f\x08\x07", "\\x7f\\x08\\x07"},
        {"", ""},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_budget budget;
        struct plait_buf buf;
        plait_budget_init(&budget, NULL, NULL, 0);
        plait_buf_init(&buf, &budget, TEXT_BYTES);
        plait_finger_put_clean(&buf, plait_slice_text(rows[i].answer));
        assert_slice(plait_buf_slice(&buf), rows[i].shown);
        plait_buf_deinit(&buf);
    }
}

TEST_MAIN(cmocka_unit_test(queries_are_read), cmocka_unit_test(malformed_queries_are_refused),
          cmocka_unit_test(a_query_has_at_most_512_bytes), cmocka_unit_test(what_is_put_is_what_was_read),
          cmocka_unit_test(no_control_character_gets_into_a_query), cmocka_unit_test(a_target_is_split_at_its_last_at),
          cmocka_unit_test(an_answer_is_shown_without_what_a_terminal_would_obey))
