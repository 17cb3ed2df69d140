/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/cgi_wire.c: heads of programs, whole and cut anywhere, and the names of variables.
 */
#include "tests/support/test.h"

#include "web/cgi_wire.h"

struct head_case {
    const char *input;
    int status; /* 0: refused */
    const char *location;
    const char *type;
    const char *fields; /* what goes to the client, "name=value;" each */
    bool local;
};

static struct plait__cgi_head head;

static void put_fields(const uint8_t *window, char out[256])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < head.count; i++) {
        plait_slice name, value;
        if (plait__cgi_head_field(&head, window, i, &name, &value))
            len += (size_t)snprintf(out + len, 256 - len, "%.*s=%.*s;", PLAIT_ARG(name), PLAIT_ARG(value));
    }
}

static void read_cut(plait_slice input, struct test_cut *cut, void *ctx)
{
    const struct head_case *c = ctx;
    enum plait__cgi_step step = PLAIT__CGI_MORE;
    char fields[256];
    size_t have = 0;
    plait__cgi_head_init(&head);
    for (size_t piece = test_cut_next(cut); piece; piece = test_cut_next(cut)) {
        have += piece;
        if (step == PLAIT__CGI_MORE)
            step = plait__cgi_head_read(&head, plait_slice_sub(input, 0, have));
    }
    if (step != (c->status ? PLAIT__CGI_DONE : PLAIT__CGI_BAD))
        fail_msg("%s: \"%s\" gave %d", cut->name, c->input, step);
    if (!c->status) {
        assert_non_null(head.why);
        return;
    }
    assert_int_equal(head.at, strstr(c->input, "BODY") - c->input);
    assert_int_equal(head.status, c->status);
    assert_int_equal(head.kind, c->local ? PLAIT__CGI_LOCAL : PLAIT__CGI_DOCUMENT);
    assert_slice(plait__cgi_head_value(&head, input.ptr, head.location), c->location ? c->location : "");
    assert_slice(plait__cgi_head_value(&head, input.ptr, head.type), c->type ? c->type : "");
    put_fields(input.ptr, fields);
    assert_string_equal(fields, c->fields ? c->fields : "");
}

/* RFC 3875 section 6 */
static void heads_are_read_however_they_are_cut(void **state)
{
    static const struct head_case cases[] = {
        {"Content-Type: text/plain\n\nBODY", 200, NULL, "text/plain", NULL, false},
        {"content-type:text/html; charset=x\r\n\r\nBODY", 200, NULL, "text/html; charset=x", NULL, false},
        {"Status: 404 Not Here\nContent-Type: a/b\n\nBODY", 404, NULL, "a/b", NULL, false},
        {"Status: 204\n\nBODY", 204, NULL, NULL, NULL, false},
        {"Content-Type: a/b\nX-One: 1\nSet-Cookie: a=b\nSet-Cookie: c=d\n\nBODY", 200, NULL, "a/b",
         "X-One=1;Set-Cookie=a=b;Set-Cookie=c=d;", false},
        {"Content-Type: a/b\nX-Empty:\nConnection: close\nDate: today\n\nBODY", 200, NULL, "a/b", NULL, false},
        {"Location: /other?a=b\n\nBODY", 302, "/other?a=b", NULL, "Location=/other?a=b;", true},
        {"Location: /\n\nBODY", 302, "/", NULL, "Location=/;", true},
        {"Location: //host/x\n\nBODY", 302, "//host/x", NULL, "Location=//host/x;", false},
        {"Location: http://host/x\n\nBODY", 302, "http://host/x", NULL, "Location=http://host/x;", false},
        {"Status: 303 See\nLocation: /x\n\nBODY", 303, "/x", NULL, "Location=/x;", false},
        {"Location: /x\nContent-Type: a/b\n\nBODY", 302, "/x", "a/b", "Location=/x;", true},
        {"\nBODY", 0, NULL, NULL, NULL, false},
        {"X-Only: 1\n\nBODY", 0, NULL, NULL, NULL, false},
        {"Content-Type:\n\nBODY", 0, NULL, NULL, NULL, false},
        {"no field\n", 0, NULL, NULL, NULL, false},
        {"Content-Type : a/b\n", 0, NULL, NULL, NULL, false},
        {": value\n", 0, NULL, NULL, NULL, false},
        {"Content-Type: a/b\n folded\n", 0, NULL, NULL, NULL, false},
        {"Content-Type: a\001b\n", 0, NULL, NULL, NULL, false},
        {"Content-Type: a\rb\n", 0, NULL, NULL, NULL, false},
        {"Content-Type: a/b\nContent-Type: a/b\n", 0, NULL, NULL, NULL, false},
        {"Location: /a\nLocation: /b\n", 0, NULL, NULL, NULL, false},
        {"Status: 200\nStatus: 200\n", 0, NULL, NULL, NULL, false},
        {"Status: 20\n", 0, NULL, NULL, NULL, false},
        {"Status: 2000\n", 0, NULL, NULL, NULL, false},
        {"Status: 100 Continue\n", 0, NULL, NULL, NULL, false},
        {"Status: 600 What\n", 0, NULL, NULL, NULL, false},
        {"Status: abc\n", 0, NULL, NULL, NULL, false},
        {"Content-Length: -1\n", 0, NULL, NULL, NULL, false},
        {"Content-Length: 1\nContent-Length: 1\n", 0, NULL, NULL, NULL, false},
        {"Transfer-Encoding: chunked\n", 0, NULL, NULL, NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct head_case c = cases[i];
        test_every_cut(plait_slice_text(c.input), 8, read_cut, &c);
    }
}

static void a_length_is_told(void **state)
{
    (void)state;
    plait__cgi_head_init(&head);
    assert_int_equal(plait__cgi_head_read(&head, PLAIT_LIT("Content-Length: 17\nStatus: 200\n\n")), PLAIT__CGI_DONE);
    assert_true(head.has_length);
    assert_int_equal(head.length, 17);
}

/* A head of `fields` fields and `bytes` bytes in all. */
static size_t make_head(char *out, size_t fields, size_t bytes)
{
    size_t len = 0;
    for (size_t i = 1; i < fields; i++)
        len += (size_t)snprintf(out + len, 20, "X-%zu: y\n", i);
    len += (size_t)snprintf(out + len, 20, "Content-Type: ");
    while (len + 2 < bytes)
        out[len++] = 'a';
    out[len++] = '\n';
    out[len++] = '\n';
    return len;
}

static enum plait__cgi_step read_made(size_t fields, size_t bytes)
{
    static char text[PLAIT__CGI_HEAD_MAX + 100];
    const size_t len = make_head(text, fields, bytes);
    plait__cgi_head_init(&head);
    return plait__cgi_head_read(&head, plait_slice_of(text, len));
}

static void limits_are_exact(void **state)
{
    (void)state;
    assert_int_equal(read_made(PLAIT__CGI_FIELDS_MAX, 2000), PLAIT__CGI_DONE);
    assert_int_equal(read_made(PLAIT__CGI_FIELDS_MAX + 1, 2000), PLAIT__CGI_BAD);
    assert_int_equal(read_made(1, PLAIT__CGI_HEAD_MAX), PLAIT__CGI_DONE);
    assert_int_equal(read_made(1, PLAIT__CGI_HEAD_MAX + 1), PLAIT__CGI_BAD);
}

static void names_become_variables(void **state)
{
    static const struct {
        const char *name, *variable;
    } cases[] = {
        {"user-agent", "HTTP_USER_AGENT"},
        {"X-Real-IP", "HTTP_X_REAL_IP"},
        {"a1", "HTTP_A1"},
        {"Proxy", NULL},
        {"content-type", NULL},
        {"Content-Length", NULL},
        {"x_y", NULL},
        {"x.y", NULL},
    };
    struct plait_budget budget;
    struct plait_buf out;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 1000);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        plait_buf_clear(&out);
        assert_int_equal(plait__cgi_variable(&out, plait_slice_text(cases[i].name)), cases[i].variable != NULL);
        assert_slice(plait_buf_slice(&out), cases[i].variable ? cases[i].variable : "");
    }
    plait_buf_deinit(&out);
    assert_true(plait__cgi_is_credential(PLAIT_LIT("Authorization")));
    assert_true(plait__cgi_is_credential(PLAIT_LIT("proxy-authorization")));
    assert_false(plait__cgi_is_credential(PLAIT_LIT("cookie")));
}

TEST_MAIN(cmocka_unit_test(heads_are_read_however_they_are_cut), cmocka_unit_test(a_length_is_told),
          cmocka_unit_test(limits_are_exact), cmocka_unit_test(names_become_variables))
