/* SPDX-License-Identifier: MIT
 *
 * Heads of HTTP/1.1: what is taken, what is refused and with which status, each whole, byte by byte and cut at random.
 */
#include "tests/support/test.h"

#include "web/http1_wire.h"

/* What reading a head gives, as text: "400", or "GET /a 1 [host=x] len=5 chunked close …". */
static void describe(const struct plait__http1_head *head, enum plait__http1_step step, const char *base, char *out,
                     size_t out_bytes)
{
    if (step == PLAIT__HTTP1_MORE) {
        (void)snprintf(out, out_bytes, "more");
        return;
    }
    if (step == PLAIT__HTTP1_BAD) {
        (void)snprintf(out, out_bytes, "%d", head->status);
        return;
    }
    int at = 0;
    if (head->response)
        at = snprintf(out, out_bytes, "%d '%.*s' 1.%d", head->status, head->target_len, base + head->target,
                      head->minor);
    else
        at = snprintf(out, out_bytes, "%.*s %.*s 1.%d", head->method_len, base + head->method, head->target_len,
                      base + head->target, head->minor);
    for (size_t i = 0; i < head->count; i++) {
        const struct plait__http1_field *f = &head->field[i];
        at += snprintf(out + at, out_bytes - (size_t)at, " [%.*s=%.*s]", f->name_len, base + f->name, f->value_len,
                       base + f->value);
    }
    if (head->has_length)
        at += snprintf(out + at, out_bytes - (size_t)at, " len=%" PRIu64, head->length);
    (void)snprintf(out + at, out_bytes - (size_t)at, "%s%s%s%s", head->chunked ? " chunked" : "",
                   head->close ? " close" : "", head->keep_alive ? " keep" : "", head->expect ? " expect" : "");
}

struct head_case {
    const char *section;
    bool response;
    const char *input;
    const char *result;
};

static void read_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct head_case *c = ctx;
    struct plait__http1_head head;
    plait__http1_head_init(&head, c->response);
    enum plait__http1_step step = PLAIT__HTTP1_MORE;
    size_t have = 0;
    for (size_t piece = test_cut_next(cut); piece; piece = test_cut_next(cut)) {
        have += piece;
        if (step == PLAIT__HTTP1_MORE) {
            uint8_t *exact = malloc(have); /* so that a sanitizer sees a read past the end */
            assert_non_null(exact);
            memcpy(exact, input.ptr, have);
            step = plait__http1_head_read(&head, plait_slice_of(exact, have));
            free(exact);
        }
    }
    char got[65536];
    describe(&head, step, (const char *)input.ptr, got, sizeof(got));
    if (strcmp(got, c->result) != 0)
        fail_msg("%s, %s: \"%s\"\n got      %s\n expected %s", c->section, cut->name, c->input, got, c->result);
}

static void run_cases(const struct head_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct head_case c = cases[i];
        test_every_cut(plait_slice_text(c.input), 12, read_cut, &c);
    }
}

#define HOST "Host: x\r\n"

static void requests_that_are_right_are_read(void **state)
{
    static const struct head_case cases[] = {
        {"9112 3", false, "GET / HTTP/1.1\r\n" HOST "\r\n", "GET / 1.1 [Host=x]"},
        {"9112 3", false, "GET / HTTP/1.0\r\n\r\n", "GET / 1.0"},
        {"9112 2.3", false, "GET / HTTP/1.9\r\n" HOST "\r\n", "GET / 1.1 [Host=x]"},
        {"9112 2.2", false, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET / 1.1 [Host=x]"},
        {"9112 3.2", false, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS * 1.1 [Host=x]"},
        {"9112 3.2", false, "GET http://a/b?c HTTP/1.1\r\n" HOST "\r\n", "GET http://a/b?c 1.1 [Host=x]"},
        {"9110 5.5", false, "GET / HTTP/1.1\r\n" HOST "A:\r\nB: \t \r\nC:d\t e \r\n\r\n",
         "GET / 1.1 [Host=x] [A=] [B=] [C=d\t e]"},
        {"9110 5.5", false, "GET / HTTP/1.1\r\n" HOST "A: \xc3\xa4 and more than eight bytes\r\n\r\n",
         "GET / 1.1 [Host=x] [A=\xc3\xa4 and more than eight bytes]"},
        {"9112 6.2", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0005\r\n\r\n",
         "POST / 1.1 [Host=x] [Content-Length=0005] len=5"},
        {"9112 6.1", false, "POST / HTTP/1.1\r\n" HOST "tRANSFER-eNCODING:\tCHUNKED\r\n\r\n",
         "POST / 1.1 [Host=x] [tRANSFER-eNCODING=CHUNKED] chunked"},
        {"9110 7.6.1", false, "GET / HTTP/1.1\r\n" HOST "Connection: a, ,CLOSE\r\n\r\n",
         "GET / 1.1 [Host=x] [Connection=a, ,CLOSE] close"},
        {"9112 9.3", false, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "GET / 1.0 [Connection=keep-alive] keep"},
        {"9110 10.1.1", false, "PUT / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
         "PUT / 1.1 [Host=x] [Expect=100-Continue] [Content-Length=1] len=1 expect"},
        {"9110 10.1.1", false, "PUT / HTTP/1.0\r\nExpect: nonsense\r\n\r\n", "PUT / 1.0 [Expect=nonsense]"},
        {"9110 7.2", false, "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / 1.1 [Host=]"},
        {"9110 7.2", false, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
         "GET / 1.1 [Host=[2001:db8::1]:8080]"},
        {"9110 7.2", false, "GET / HTTP/1.1\r\nHost: a-b.example:80\r\n\r\n", "GET / 1.1 [Host=a-b.example:80]"},
        {"9112 3", false, "GET / HTTP/1.1\r\nHost: x", "more"},
        {"9112 3", false, "", "more"},
    };
    (void)state;
    run_cases(cases, TEST_COUNT(cases));
}

static void requests_that_are_wrong_are_refused(void **state)
{
    static const struct head_case cases[] = {
        {"9112 2.2 bare LF", false, "GET / HTTP/1.1\n", "400"},
        {"9112 2.2 bare LF", false, "GET / HTTP/1.1\r\nHost: x\n\r\n", "400"},
        {"9112 2.2 bare CR", false, "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", "400"},
        {"9112 2.2 bare CR", false, "GET / HTTP/1.1\rHost: x\r\n\r\n", "400"},
        {"9112 2.2 two empty lines", false, "\r\n\r\nGET / HTTP/1.1\r\n", "400"},
        {"9112 2.2 space first", false, "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400"},
        {"9112 3 no method", false, " / HTTP/1.1\r\n\r\n", "400"},
        {"9112 3 method", false, "G(T / HTTP/1.1\r\n\r\n", "400"},
        {"9112 3 long method", false, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOP / HTTP/1.1\r\n\r\n", "501"},
        {"9112 3 two spaces", false, "GET  / HTTP/1.1\r\n\r\n", "400"},
        {"9112 3 two spaces", false, "GET /  HTTP/1.1\r\n\r\n", "400"},
        {"9112 3 tab", false, "GET\t/ HTTP/1.1\r\n\r\n", "400"},
        {"9112 3 no version (0.9)", false, "GET /\r\n\r\n", "400"},
        {"9112 3 trailing blank", false, "GET / HTTP/1.1 \r\n\r\n", "400"},
        {"9112 3.2 space in target", false, "GET /a b HTTP/1.1\r\n\r\n", "400"},
        {"9112 3.2 fragment", false, "GET /a#b HTTP/1.1\r\n\r\n", "400"},
        {"9112 3.2 control", false, "GET /a\x01 HTTP/1.1\r\n\r\n", "400"},
        {"9112 3.2 not ASCII", false, "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", "400"},
        {"9110 2.5 version", false, "GET / HTTP/2.0\r\n\r\n", "505"},
        {"9110 2.5 version", false, "GET / HTTP/0.9\r\n\r\n", "400"},
        {"9110 2.5 version", false, "GET / HTTP/1.10\r\n\r\n", "400"},
        {"9110 2.5 version", false, "GET / http/1.1\r\n\r\n", "400"},
        {"9110 2.5 version", false, "GET / HTTP/+1.1\r\n\r\n", "400"},
        {"9112 5.1 space before colon", false, "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
        {"9112 5 no colon", false, "GET / HTTP/1.1\r\nHost\r\n\r\n", "400"},
        {"9112 5 no name", false, "GET / HTTP/1.1\r\n: x\r\n\r\n", "400"},
        {"9112 5 name", false, "GET / HTTP/1.1\r\nHo st: x\r\n\r\n", "400"},
        {"9112 5.2 obs-fold", false, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "400"},
        {"9112 5.2 obs-fold", false, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", "400"},
        {"9110 5.5 control", false, "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", "400"},
        {"9110 5.5 DEL", false, "GET / HTTP/1.1\r\n" HOST "A: b and more bytes \x7f\r\n\r\n", "400"},
        {"9112 3.2 no Host", false, "GET / HTTP/1.1\r\n\r\n", "400"},
        {"9112 3.2 two Hosts", false, "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
        {"9112 3.2 two Hosts", false, "GET / HTTP/1.0\r\n" HOST HOST "\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", "400"},
        {"9112 3.2 Host", false, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
        {"9112 6.3 signed", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", "400"},
        {"9112 6.3 signed", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", "400"},
        {"9112 6.3 hex", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", "400"},
        {"9112 6.3 empty", false, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", "400"},
        {"9112 6.3 list", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", "400"},
        {"9112 6.3 several", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "400"},
        {"9112 6.3 too big", false, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", "400"},
        {"9112 6.1 CL and TE", false,
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"9112 6.1 TE and CL", false,
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "400"},
        {"9112 6.1 two TE", false,
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"9112 6.1 chunked twice", false, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n",
         "400"},
        {"9112 6.1 other coding", false, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
        {"9112 6.1 not last", false, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", "400"},
        {"9112 6.1 identity", false, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", "400"},
        {"9112 6.1 nearly", false, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", "400"},
        {"9112 6.1 vertical tab", false,
         "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n",
         "400"},
        {"9112 6.1 TE in 1.0", false, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "400"},
        {"9110 10.1.1", false, "PUT / HTTP/1.1\r\n" HOST "Expect: something\r\n\r\n", "417"},
    };
    (void)state;
    run_cases(cases, TEST_COUNT(cases));
}

static void responses_are_read_and_refused(void **state)
{
    static const struct head_case cases[] = {
        {"9112 4", true, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "200 'OK' 1.1 [A=b]"},
        {"9112 4", true, "HTTP/1.1 204 \r\n\r\n", "204 '' 1.1"},
        {"9112 4", true, "HTTP/1.0 404\r\n\r\n", "404 '' 1.0"},
        {"9112 4", true, "HTTP/1.1 200 fine, \xc3\xa4\r\nHost: a/b\r\nExpect: x\r\n\r\n",
         "200 'fine, \xc3\xa4' 1.1 [Host=a/b] [Expect=x]"},
        {"9112 4", true, "HTTP/1.1 099 x\r\n\r\n", "400"},
        {"9112 4", true, "HTTP/1.1 2x0 x\r\n\r\n", "400"},
        {"9112 4", true, "HTTP/1.1 2000\r\n\r\n", "400"},
        {"9112 4", true, "HTTP/1.1  200 OK\r\n\r\n", "400"},
        {"9112 4", true, "ICY 200 OK and more\r\n\r\n", "400"},
        {"9112 4", true, "HTTP/2.0 200 OK\r\n\r\n", "400"},
        {"9112 4", true, "HTTP/1.1 200 O\x01K\r\n\r\n", "400"},
        {"9112 2.2", true, "\r\nHTTP/1.1 200 OK\r\n\r\n", "400"},
        {"9112 6.3", true, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
        {"9112 6.3", true, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
    };
    (void)state;
    run_cases(cases, TEST_COUNT(cases));
}

/* Builds "GET " target " HTTP/1.1" and fields so that the head has `bytes` bytes. */
static char *padded_head(const char *before, size_t bytes, const char *after)
{
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    size_t a = strlen(before), b = strlen(after);
    assert_true(a + b <= bytes);
    memcpy(text, before, a);
    memset(text + a, 'a', bytes - a - b);
    memcpy(text + bytes - b, after, b + 1);
    return text;
}

static int status_of(const char *text, struct plait__http1_head *head)
{
    plait__http1_head_init(head, false);
    enum plait__http1_step whole = plait__http1_head_read(head, plait_slice_text(text));
    int status = whole == PLAIT__HTTP1_DONE ? 0 : whole == PLAIT__HTTP1_MORE ? 1 : head->status;
    plait__http1_head_init(head, false);
    enum plait__http1_step step = PLAIT__HTTP1_MORE;
    for (size_t have = 1; have <= strlen(text) && step == PLAIT__HTTP1_MORE; have++)
        step = plait__http1_head_read(head, plait_slice_of(text, have));
    assert_int_equal(step, whole);
    if (step == PLAIT__HTTP1_BAD)
        assert_int_equal(head->status, status);
    return status;
}

static void limits_hold_exactly_and_break_by_one(void **state)
{
    (void)state;
    const struct {
        const char *before, *after;
        size_t limit;
        int status;
    } cases[] = {
        {"GET /", " HTTP/1.1\r\nHost: x\r\n\r\n", PLAIT__HTTP1_TARGET_MAX, 414},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: ", "\r\n\r\n", PLAIT__HTTP1_HEAD_MAX, 431},
        {"GET / HTTP/1.1\r\nHost: x\r\nA", ":\r\n\r\n", PLAIT__HTTP1_HEAD_MAX, 431},
        {"", " / HTTP/1.1\r\nHost: x\r\n\r\n", PLAIT__HTTP1_METHOD_MAX, 501},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__http1_head head;
        size_t extra = i == 0   ? strlen(cases[i].before) - 1 + strlen(cases[i].after)
                       : i == 3 ? strlen(cases[i].after)
                                : 0;
        char *fits = padded_head(cases[i].before, cases[i].limit + extra, cases[i].after);
        char *over = padded_head(cases[i].before, cases[i].limit + extra + 1, cases[i].after);
        assert_int_equal(status_of(fits, &head), 0);
        assert_int_equal(status_of(over, &head), cases[i].status);
        free(fits);
        free(over);
    }
}

static void lines_that_never_end_are_refused(void **state)
{
    (void)state;
    struct plait__http1_head head;
    char *target = padded_head("GET /", 9000, "");
    assert_int_equal(status_of(target, &head), 414);
    char *value = padded_head("GET / HTTP/1.1\r\nA: ", 20000, "");
    assert_int_equal(status_of(value, &head), 431);
    char *bad = padded_head("GET / HTTP/1.1\r\nA: \x01", 20000, "");
    assert_int_equal(status_of(bad, &head), 400);
    char *blank = padded_head("", 17000, "");
    memset(blank, 'x', 10);
    blank[3] = ' ';
    assert_int_equal(status_of(blank, &head), 414);
    free(target);
    free(value);
    free(bad);
    free(blank);
}

static void a_response_that_never_ends_is_refused(void **state)
{
    (void)state;
    struct plait__http1_head head;
    char *reason = padded_head("HTTP/1.1 200 ", 17000, "");
    plait__http1_head_init(&head, true);
    assert_int_equal(plait__http1_head_read(&head, plait_slice_text(reason)), PLAIT__HTTP1_BAD);
    assert_int_equal(head.status, 431);
    free(reason);
}

static void fields_are_counted(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        char text[4096] = "GET / HTTP/1.1\r\nHost: x\r\n";
        size_t at = strlen(text);
        for (int i = 1; i < PLAIT__HTTP1_FIELDS_MAX + over; i++)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "F%d: v\r\n", i);
        (void)snprintf(text + at, sizeof(text) - at, "\r\n");
        struct plait__http1_head head;
        assert_int_equal(status_of(text, &head), over ? 431 : 0);
    }
}

static void a_NUL_is_refused_anywhere(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nName: some longer value\r\n\r\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char copy[sizeof(text)];
        memcpy(copy, text, sizeof(text));
        copy[i] = 0;
        struct plait__http1_head head;
        plait__http1_head_init(&head, false);
        assert_int_equal(plait__http1_head_read(&head, plait_slice_of(copy, sizeof(text) - 1)), PLAIT__HTTP1_BAD);
        assert_int_equal(head.status, 400);
    }
}

static void fields_are_found_by_name(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nAb: 1\r\naB: 2\r\n\r\n";
    struct plait__http1_head head;
    plait__http1_head_init(&head, false);
    assert_int_equal(plait__http1_head_read(&head, PLAIT_LIT("GET / HTTP/1.1\r\nHost: x\r\nAb: 1\r\naB: 2\r\n\r\n")),
                     PLAIT__HTTP1_DONE);
    assert_int_equal(head.at, sizeof(text) - 1);
    assert_slice(plait__http1_head_field(&head, (const uint8_t *)text, PLAIT_LIT("AB")), "1");
    assert_null(plait__http1_head_field(&head, (const uint8_t *)text, PLAIT_LIT("c")).ptr);
}

static void bytes_behind_a_head_are_left(void **state)
{
    (void)state;
    struct plait__http1_head head;
    plait__http1_head_init(&head, false);
    assert_int_equal(plait__http1_head_read(&head, PLAIT_LIT("GET / HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n")),
                     PLAIT__HTTP1_DONE);
    assert_int_equal(head.at, 18);
}

static void tokens_and_values_are_judged(void **state)
{
    (void)state;
    assert_true(plait__http1_is_token(PLAIT_LIT("X-a!#$%&'*+.^_`|~9")));
    assert_false(plait__http1_is_token(PLAIT_LIT("")));
    assert_false(plait__http1_is_token(PLAIT_LIT("a b")));
    assert_false(plait__http1_is_token(PLAIT_LIT("a:")));
    assert_true(plait__http1_is_value(PLAIT_LIT("a\tb \xff")));
    assert_true(plait__http1_is_value(PLAIT_LIT("")));
    assert_true(plait__http1_is_value(PLAIT_LIT("a tab\tin a value that is far longer than eight bytes")));
    assert_false(plait__http1_is_value(PLAIT_LIT("a tab\tin a value and then a \x7f, and more bytes")));
    assert_false(plait__http1_is_value(PLAIT_LIT("a\r\nb")));
    assert_false(plait__http1_is_value(PLAIT_LIT(" a")));
    assert_false(plait__http1_list_has(PLAIT_LIT(""), PLAIT_LIT("a")));
    assert_true(plait__http1_list_has(PLAIT_LIT("b,\tA "), PLAIT_LIT("a")));
    assert_false(plait__http1_list_has(PLAIT_LIT("ab, ba"), PLAIT_LIT("a")));
}

TEST_MAIN(cmocka_unit_test(requests_that_are_right_are_read), cmocka_unit_test(requests_that_are_wrong_are_refused),
          cmocka_unit_test(responses_are_read_and_refused), cmocka_unit_test(limits_hold_exactly_and_break_by_one),
          cmocka_unit_test(lines_that_never_end_are_refused), cmocka_unit_test(a_response_that_never_ends_is_refused),
          cmocka_unit_test(fields_are_counted), cmocka_unit_test(a_NUL_is_refused_anywhere),
          cmocka_unit_test(fields_are_found_by_name), cmocka_unit_test(bytes_behind_a_head_are_left),
          cmocka_unit_test(tokens_and_values_are_judged))
