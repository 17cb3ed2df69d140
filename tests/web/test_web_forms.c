/* SPDX-License-Identifier: MIT
 *
 * Negotiation, cookies, parameters of fields, forms: RFC 9110 section 12, RFC 6265, urlencoded bodies.
 */
#include "tests/web/http_world.h"

#include "web/web_wire.h"

static struct peer p;

/* --- negotiation -------------------------------------------------------------------------------------------------- */

struct wish {
    const char *fields; /* lines of the request */
    const char *what;
    unsigned weight;
};

static const struct wish wishes[] = {
    {"", "text/html", 1000},
    {"Accept: \r\n", "text/html", 0},
    {"Accept: text/html\r\n", "text/html", 1000},
    {"Accept: text/html\r\n", "TEXT/HTML; charset=utf-8", 1000},
    {"Accept: text/html\r\n", "text/plain", 0},
    /* RFC 9110 section 12.5.1's table */
    {"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5\r\n",
     "text/plain;format=flowed", 1000},
    {"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5\r\n",
     "text/plain", 700},
    {"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5\r\n",
     "text/html", 300},
    {"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5\r\n",
     "image/jpeg", 500},
    {"Accept: text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5\r\n",
     "text/plain;format=fixed", 400},
    {"Accept: text/*;q=0.3\r\nX: y\r\nAccept: text/html;q=0.75\r\n", "text/html", 750},
    {"Accept: te/*, t\r\n", "t", 1000},
    {"Accept: text/*\r\n", "te", 0},
    /* weights that are none leave their element out */
    {"Accept: a/b;q=2, a/b;q=1.5, a/b;q=0.1234, a/b;q=x, a/b;q=0x, a/b;q=0.x, a/b;q=, a/b;p, a/b;q=1.000\r\n", "a/b",
     1000},
    {"Accept: a/b;q=2, a/b;q=1.5, a/b;q=0.1234, a/b;q=x, a/b;q=0x, a/b;q=0.x, a/b;q=, a/b;p\r\n", "a/b", 0},
    {"Accept: a/b;p=\"x,y\\\"z\";q=0.25\r\n", "a/b;p=\"x,y\\\"z\"", 250},
    {"Accept: ,, a/b;q=0.1,\r\n", "a/b", 100},
    {"Accept: ;q=1, a/b;x=\"\\\r\n", "a/b", 0},
    /* RFC 9110 section 12.5.3 */
    {"Accept-Encoding: gzip\r\n", "identity", 1000},
    {"Accept-Encoding: \r\n", "identity", 1000},
    {"Accept-Encoding: gzip;q=1.0, identity;q=0.5, *;q=0\r\n", "identity", 500},
    {"Accept-Encoding: gzip;q=1.0, identity;q=0.5, *;q=0\r\n", "br", 0},
    {"Accept-Encoding: *;q=0\r\n", "identity", 0},
    {"Accept-Encoding: *\r\n", "br", 1000},
    {"Accept-Encoding: GZIP;Q=0.5\r\n", "gzip", 500},
};

static void weigh(struct plait_request *req, void *ctx)
{
    const struct wish *w = ctx;
    const char *field = strstr(w->fields, "Encoding") ? "accept-encoding" : "accept";
    assert_int_equal(plait_request_weight(req, field, plait_slice_text(w->what)), w->weight);
    plait_reply_text(req, 200, "weighed");
}

static void wishes_are_weighed(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(wishes); i++) {
        struct wish wish = wishes[i];
        char text[600];
        struct world w;
        world_open(&w);
        assert_ok(plait_resource_get(w.root, "", weigh, &wish));
        world_serve(&w, NULL);
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", wish.fields);
        ask(&w, &p, text);
        assert_string_equal(body_of(&p), "weighed");
        world_close(&w);
    }
}

static void choose(struct plait_request *req, void *ctx)
{
    static const char *const types[] = {"text/html", "application/json", "text/plain"};
    char text[32];
    (void)ctx;
    (void)snprintf(text, sizeof(text), "%zd", (ssize_t)plait_request_choose(req, "accept", types, 3));
    plait_reply_text(req, 200, text);
}

static void the_most_wanted_is_chosen(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", choose, NULL));
    world_serve(&w, NULL);
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(&p), "0");
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/*;q=0.5, application/json\r\n\r\n");
    assert_string_equal(body_of(&p), "1");
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\n\r\n");
    assert_string_equal(body_of(&p), "-1");
    world_close(&w);
}

/* --- cookies ------------------------------------------------------------------------------------------------------ */

static void tell_cookie(struct plait_request *req, void *ctx)
{
    plait_slice value;
    (void)ctx;
    if (plait_request_cookie(req, "sid", &value))
        plait_reply(req, 200, NULL, value);
    else
        plait_reply_text(req, 200, "none");
}

static void cookies_are_found(void **state)
{
    static const struct {
        const char *fields, *value;
    } table[] = {
        {"", "none"},
        {"Cookie: sid=31d4d96e407aad42\r\n", "31d4d96e407aad42"},
        {"Cookie: lang=en-US; sid=31d4; sid=second\r\n", "31d4"},
        {"Cookie: lang=en-US\r\nCookie: sid=\"in quotes\"\r\n", "in quotes"},
        {"Cookie: ;; =x; sid; SID=big; sid =a=b \r\n", "a=b"},
        {"Cookie: sid=\r\n", ""},
        {"Cookie: sid=\"\r\n", "\""},
        {"Cookie: sidx=1;   =2\r\n", "none"},
        {"Cookie: \t=1\r\n", "none"},
    };
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", tell_cookie, NULL));
    world_serve(&w, NULL);
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", table[i].fields);
        ask(&w, &p, text);
        assert_string_equal(body_of(&p), table[i].value);
    }
    world_close(&w);
}

#define COOKIE(...) (&(const struct plait_cookie){__VA_ARGS__})

static void set_cookies(struct plait_request *req, void *ctx)
{
    static char large[5000];
    struct world *w = ctx;
    const plait_slice one = PLAIT_LIT("1");
    assert_ok(plait_reply_cookie(req, COOKIE(.name = "a", .value = one)));
    assert_ok(plait_reply_cookie(req, COOKIE(.name = "b", .value = one, .max_age = plait_millis(1500), .path = "/x",
                                             .domain = "example.org", .secure = true, .script = true,
                                             .same_site = PLAIT_SAME_SITE_NONE)));
    assert_ok(plait_reply_cookie(req, COOKIE(.name = "__Host-c", .max_age = -1, .path = "/", .secure = true,
                                             .same_site = PLAIT_SAME_SITE_STRICT)));
    assert_ok(plait_reply_cookie(req, COOKIE(.name = "__Secure-d", .value = one, .secure = true)));
    const struct plait_cookie wrong[] = {
        {.name = "a b", .value = one},
        {.name = "", .value = one},
        {.name = "a", .value = PLAIT_LIT("a b")},
        {.name = "a", .value = PLAIT_LIT("a;b")},
        {.name = "a", .value = PLAIT_LIT("a,b")},
        {.name = "a", .value = PLAIT_LIT("a\"b")},
        {.name = "a", .value = PLAIT_LIT("a\\b")},
        {.name = "a", .value = PLAIT_LIT("\x7f")},
        {.name = "a", .path = "/;Secure"},
        {.name = "a", .domain = "x\r\ny"},
        {.name = "a", .domain = "\x7f"},
        {.name = "a", .same_site = PLAIT_SAME_SITE_NONE},
        {.name = "__Secure-a"},
        {.name = "__Host-a", .path = "/"},
        {.name = "__Host-a", .secure = true},
        {.name = "__Host-a", .secure = true, .path = "/a"},
        {.name = "__Host-a", .secure = true, .path = "/", .domain = "x"},
    };
    for (size_t i = 0; i < TEST_COUNT(wrong); i++)
        assert_err(plait_reply_cookie(req, &wrong[i]), PLAIT_EINVAL);
    memset(large, 'x', sizeof(large));
    assert_err(plait_reply_cookie(req, COOKIE(.name = "a", .value = {(uint8_t *)large, 5000})), PLAIT_ETOOLONG);
    w->heap.fail_at = w->heap.calls + 1;
    assert_err(plait_reply_cookie(req, COOKIE(.name = "a", .value = one)), PLAIT_ENOMEM);
    plait_reply_text(req, 200, "");
}

static void cookies_are_set_with_their_attributes(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", set_cookies, &w));
    world_serve(&w, NULL);
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count_of(&p, "Set-Cookie: "), 4);
    assert_int_equal(count_of(&p, "Set-Cookie: a=1; HttpOnly; SameSite=Lax\r\n"), 1);
    assert_int_equal(count_of(&p, "Set-Cookie: b=1; Max-Age=2; Domain=example.org; Path=/x; Secure; SameSite=None\r\n"),
                     1);
    assert_int_equal(count_of(&p, "Set-Cookie: __Host-c=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; "
                                  "Secure; HttpOnly; SameSite=Strict\r\n"),
                     1);
    world_close(&w);
}

/* --- parameters --------------------------------------------------------------------------------------------------- */

static void parameters_are_cut_one_by_one(void **state)
{
    char text[] = "; name=\"a \\\"b\\\\ \\c\" ;; b=token ;";
    plait_slice rest = plait_slice_text(text), name, value;
    bool escaped;
    (void)state;
    assert_true(plait__param_next(&rest, &name, &value, &escaped));
    assert_slice(name, "name");
    assert_true(escaped);
    const size_t len = plait__param_unescape((uint8_t *)text + 8, value.len);
    assert_slice(plait_slice_of(text + 8, len), "a \"b\\ \\c");
    assert_true(plait__param_next(&rest, &name, &value, &escaped));
    assert_slice(value, "token");
    assert_false(escaped);
    assert_false(plait__param_next(&rest, &name, &value, &escaped));
    assert_int_equal(rest.len, 0);
    static const char *const wrong[] = {"a=b", "; =b", "; a", "; a=", "; a=\"b", "; a=\"b\\", "; a=(", "; a=b c"};
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        rest = plait_slice_text(wrong[i]);
        while (plait__param_next(&rest, &name, &value, &escaped))
            continue;
        assert_true(rest.len > 0);
    }
}

static void challenges_are_cut_into_schemes_and_parameters(void **state)
{
    static const struct {
        const char *text, *parts; /* schemes and name=value, a space behind each; '!' where it is malformed */
    } cases[] = {
        {"", ""},
        {"Basic", "Basic "},
        {"Basic realm=\"a, b\"", "Basic realm=a, b "},
        {" , Digest realm=\"x\" ,nonce = y,,, Basic realm=\"z\"", "Digest realm=x nonce=y Basic realm=z "},
        {"Negotiate ab+/c==, NTLM , Basic realm=\"\"", "Negotiate NTLM Basic realm= "},
        {"Negotiate abc", "Negotiate "},
        {"A b=c d=e", "A !"},
        {"A b=c d", "A !"},
        {"A b=\"c", "A !"},
        {"A b=", "A "},
        {"A (", "A !"},
        {"A(", "!"},
        {"=", "!"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_scan list = plait_scan_of(plait_slice_text(cases[i].text));
        char got[200] = "";
        size_t len = 0;
        plait_slice name, value;
        bool escaped;
        while (plait__auth_next(&list, &name, &value, &escaped))
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s%s%.*s ", PLAIT_ARG(name), value.ptr ? "=" : "",
                                    PLAIT_ARG(value));
        (void)snprintf(got + len, sizeof(got) - len, "%s", plait_scan_done(&list) ? "" : "!");
        assert_string_equal(got, cases[i].parts);
    }
}

/* --- forms -------------------------------------------------------------------------------------------------------- */

static void list_form(struct plait_request *req, plait_slice body, void *ctx)
{
    struct plait_buf text;
    plait_slice name, value;
    plait_err err;
    (void)ctx;
    plait_buf_init(&text, plait_reactor_budget(plait_request_reactor(req)), 100000);
    while ((err = plait_form_next(req, &body, &name, &value)) != PLAIT_EEOF)
        plait_buf_printf(&text, "%s:%.*s=%.*s|", plait_err_name(err), err ? 0 : (int)name.len, (const char *)name.ptr,
                         err ? 0 : (int)value.len, (const char *)value.ptr);
    plait_reply_buf(req, 200, NULL, &text);
}

static void find_b(struct plait_request *req, plait_slice body, void *ctx)
{
    struct world *w = ctx;
    plait_slice value;
    if (w)
        w->heap.fail_at = w->heap.calls + 1;
    if (plait_form_find(req, body, "b", &value))
        plait_reply(req, 200, NULL, value);
    else
        plait_reply_text(req, 404, "none");
}

static plait_collect_fn form_fn;

static void take_form(struct plait_request *req, void *ctx)
{
    (void)plait_request_form(req, 64, form_fn, ctx);
}

static void post(struct world *w, const char *type, const char *body)
{
    static char text[3000];
    (void)snprintf(text, sizeof(text),
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
                   strlen(body), body);
    ask(w, &p, text);
}

#define FORM "application/x-www-form-urlencoded"

static void forms_are_read(void **state)
{
    static char long_form[66], longer[700];
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_form, NULL));
    world_serve(&w, NULL);
    form_fn = list_form;
    post(&w, FORM, "a=1&b=x+y%26&&c&=d&e=f=g&");
    assert_string_equal(body_of(&p), "OK:a=1|OK:b=x y&|OK:c=|OK:=d|OK:e=f=g|");
    post(&w, "Application/X-WWW-Form-Urlencoded ; charset=utf-8", "a=%4&b=%00&%zz=1&c=%41");
    assert_string_equal(body_of(&p), "ESYNTAX:=|EINVAL:=|ESYNTAX:=|OK:c=A|");
    post(&w, FORM, "");
    assert_string_equal(body_of(&p), "");
    post(&w, "text/plain", "a=1");
    assert_int_equal(status_of(&p), 415);
    memset(long_form, 'a', 64);
    post(&w, FORM, long_form);
    assert_int_equal(status_of(&p), 200);
    long_form[64] = 'a';
    post(&w, FORM, long_form);
    assert_int_equal(status_of(&p), 413);
    form_fn = find_b;
    post(&w, FORM, "a=%zz&b=%00&b=2&b=3");
    assert_string_equal(body_of(&p), "2");
    post(&w, FORM, "a=1");
    assert_int_equal(status_of(&p), 404);
    world_close(&w);
    /* no memory for what is decoded */
    memset(longer, 'a', sizeof(longer) - 1);
    world_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_form, &w));
    world_serve(&w, NULL);
    struct plait_request *req = plait__request_new(w.service);
    plait_slice rest = plait_slice_text(longer), name, value;
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_form_next(req, &rest, &name, &value), PLAIT_ENOMEM);
    rest = plait_slice_text(longer);
    w.heap.fail_at = w.heap.calls + 1;
    assert_false(plait_form_find(req, rest, "b", &value));
    plait__request_free(req);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(wishes_are_weighed), cmocka_unit_test(the_most_wanted_is_chosen),
          cmocka_unit_test(cookies_are_found), cmocka_unit_test(cookies_are_set_with_their_attributes),
          cmocka_unit_test(parameters_are_cut_one_by_one),
          cmocka_unit_test(challenges_are_cut_into_schemes_and_parameters), cmocka_unit_test(forms_are_read))
