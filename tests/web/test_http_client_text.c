/* SPDX-License-Identifier: MIT
 *
 * What a client sends, and what a redirect makes of it.
 */
#include "tests/support/test.h"

#include "web/http_client_core.h"

#define VERSION "User-Agent: plait/" PLAIT_VERSION "\r\n"
#ifdef PLAIT_HAVE_BROTLI
#define CODINGS "Accept-Encoding: gzip, deflate, br\r\n"
#else
#define CODINGS "Accept-Encoding: gzip, deflate\r\n"
#endif
#define END "\r\n"

static struct plait_budget budget;

static int set_up(void **state)
{
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return budget.used == 0 ? 0 : -1;
}

static void expect(const char *url, const struct plait_fetch_options *options, const char *head)
{
    struct plait__fetch_text text;
    assert_ok(plait__fetch_text_init(&text, &budget, url, options));
    assert_ok(plait__fetch_text_write(&text));
    assert_slice(plait_buf_slice(&text.head), head);
    plait__fetch_text_deinit(&text);
}

static void requests_are_written(void **state)
{
    static const struct plait_http_field fields[] = {{"Accept", "text/html"}, {"User-Agent", "me"}, {"X", ""}};
    const struct plait_fetch_options none = {0}, post = {.method = "POST"},
                                     full = {
                                         .method = "PUT", .fields = fields, .field_count = 3, .body = PLAIT_LIT("abc")};
    (void)state;
    expect("http://example.org", &none,
           "GET / HTTP/1.1\r\nHost: example.org\r\n" VERSION "Accept: */*\r\n" CODINGS END);
    expect("http://h:81/a?b#c", &none, "GET /a?b HTTP/1.1\r\nHost: h:81\r\n" VERSION "Accept: */*\r\n" CODINGS END);
    expect("https://[::1]/", &none, "GET / HTTP/1.1\r\nHost: [::1]\r\n" VERSION "Accept: */*\r\n" CODINGS END);
    expect("http://h?q", &post,
           "POST /?q HTTP/1.1\r\nHost: h\r\n" VERSION "Accept: */*\r\n" CODINGS "Content-Length: 0\r\n" END);
    expect("http://h/", &full,
           "PUT / HTTP/1.1\r\nHost: h\r\n" CODINGS
           "Accept: text/html\r\nUser-Agent: me\r\nX: \r\nContent-Length: 3\r\n" END);
    expect("http://us%65r:p:w@h/", &none,
           "GET / HTTP/1.1\r\nHost: h\r\n" VERSION "Accept: */*\r\n" CODINGS
           "Authorization: Basic dXNlcjpwOnc=\r\n" END);
    const struct plait_fetch_options waits = {.user = "user", .password = "p"},
                                     basic = {.user = "user", .basic_at_once = true}, token = {.bearer = "abc"};
    expect("http://x:y@h/", &waits, "GET / HTTP/1.1\r\nHost: h\r\n" VERSION "Accept: */*\r\n" CODINGS END);
    expect("http://h/", &basic,
           "GET / HTTP/1.1\r\nHost: h\r\n" VERSION "Accept: */*\r\n" CODINGS "Authorization: Basic dXNlcjo=\r\n" END);
    expect("http://x:y@h/", &token,
           "GET / HTTP/1.1\r\nHost: h\r\n" VERSION "Accept: */*\r\n" CODINGS "Authorization: Bearer abc\r\n" END);
}

/* CVE-2019-12387 and its kin */
static void nothing_can_end_a_line(void **state)
{
    static const struct {
        const char *url, *method, *name, *value;
        plait_err err;
    } cases[] = {
        {"http://h/a\r\nX: y", NULL, NULL, NULL, PLAIT_EINVAL},
        {"http://h/ HTTP/1.1\r\n", NULL, NULL, NULL, PLAIT_EINVAL},
        {"http://h\r\n/", NULL, NULL, NULL, PLAIT_EINVAL},
        {"http://h/", "GET / HTTP/1.1\r\nX:", NULL, NULL, PLAIT_EINVAL},
        {"http://h/", "", NULL, NULL, PLAIT_EINVAL},
        {"http://h/", "AVERYLONGMETHODTHATNOBODYKNOWSATALL", NULL, NULL, PLAIT_EINVAL},
        {"http://h/", NULL, "X\r\nY", "z", PLAIT_EINVAL},
        {"http://h/", NULL, "X", "y\r\nZ: a", PLAIT_EINVAL},
        {"http://h/", NULL, "X", "y\n", PLAIT_EINVAL},
        {"http://h/", NULL, "Host", "other", PLAIT_EINVAL},
        {"http://h/", NULL, "content-length", "5", PLAIT_EINVAL},
        {"http://h/", NULL, "Transfer-Encoding", "chunked", PLAIT_EINVAL},
        {"http:///", NULL, NULL, NULL, PLAIT_EINVAL},
        {"/a", NULL, NULL, NULL, PLAIT_EUNSUPPORTED},
        {"ftp://h/", NULL, NULL, NULL, PLAIT_EUNSUPPORTED},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__fetch_text text;
        struct plait_http_field field = {cases[i].name, cases[i].value};
        struct plait_fetch_options options = {
            .method = cases[i].method, .fields = &field, .field_count = cases[i].name != NULL};
        assert_err(plait__fetch_text_init(&text, &budget, cases[i].url, &options), cases[i].err);
        assert_non_null(text.why);
        plait__fetch_text_deinit(&text);
    }
}

static void a_user_that_can_not_be_decoded_is_refused(void **state)
{
    struct plait__fetch_text text;
    const struct plait_fetch_options none = {0};
    (void)state;
    assert_err(plait__fetch_text_init(&text, &budget, "http://%zz@h/", &none), PLAIT_EINVAL);
    assert_string_equal(text.why, "the URL's user or password can't be used");
    plait__fetch_text_deinit(&text);
    assert_err(plait__fetch_text_init(&text, &budget, "http://a:%zz@h/", &none), PLAIT_EINVAL);
    plait__fetch_text_deinit(&text);
    assert_err(plait__fetch_text_init(&text, &budget, "http://a%3Ab:c@h/", &none), PLAIT_EINVAL);
    plait__fetch_text_deinit(&text);
}

static void credentials_that_can_not_be_used_are_refused(void **state)
{
    static const struct plait_fetch_options wrong[] = {
        {.user = "a:b"}, {.user = "a\n"}, {.user = "a", .password = "b\x7f"}, {.bearer = "a\nb"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct plait__fetch_text text;
        assert_err(plait__fetch_text_init(&text, &budget, "http://h/", &wrong[i]), PLAIT_EINVAL);
        assert_non_null(text.why);
        plait__fetch_text_deinit(&text);
    }
}

static void redirects_keep_what_they_may(void **state)
{
    static const struct {
        const char *method, *from, *location;
        int status;
        plait_err err;
        const char *line;
        bool secret, body;
    } cases[] = {
        {"GET", "http://h/a/b", "c", 302, PLAIT_OK, "GET /a/c HTTP/1.1\r\nHost: h\r\n", true, true},
        {"GET", "http://h/", "http://H:80/x", 301, PLAIT_OK, "GET /x HTTP/1.1\r\nHost: H:80\r\n", true, true},
        {"GET", "http://h/", "http://other/", 301, PLAIT_OK, "GET / HTTP/1.1\r\nHost: other\r\n", false, true},
        {"GET", "https://h/", "http://h/", 308, PLAIT_OK, "GET / HTTP/1.1\r\nHost: h\r\n", false, true},
        {"GET", "http://h/", "//h:8080/", 308, PLAIT_OK, "GET / HTTP/1.1\r\nHost: h:8080\r\n", false, true},
        {"POST", "http://h/", "/x", 301, PLAIT_OK, "GET /x HTTP/1.1\r\n", true, false},
        {"POST", "http://h/", "/x", 303, PLAIT_OK, "GET /x HTTP/1.1\r\n", true, false},
        {"POST", "http://h/", "/x", 307, PLAIT_OK, "POST /x HTTP/1.1\r\n", true, true},
        {"PUT", "http://h/", "/x", 302, PLAIT_OK, "PUT /x HTTP/1.1\r\n", true, true},
        {"HEAD", "http://h/", "/x", 303, PLAIT_OK, "HEAD /x HTTP/1.1\r\n", true, true},
        {"GET", "http://h/", "ftp://h/", 302, PLAIT_EUNSUPPORTED, NULL, false, true},
        {"GET", "http://h/", "http://a b/", 302, PLAIT_EMALFORMED, NULL, false, true},
        {"GET", "http://h/", "http:///x", 302, PLAIT_EINVAL, NULL, false, true},
    };
    static const struct plait_http_field fields[] = {
        {"Authorization", "secret"}, {"Cookie", "secret"}, {"X", "open"}, {"Content-Type", "text/x-body"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait__fetch_text text;
        const struct plait_fetch_options options = {
            .method = cases[i].method, .fields = fields, .field_count = 4, .body = PLAIT_LIT("b")};
        assert_ok(plait__fetch_text_init(&text, &budget, cases[i].from, &options));
        assert_err(plait__fetch_text_redirect(&text, cases[i].status, plait_slice_text(cases[i].location)),
                   cases[i].err);
        if (cases[i].line) {
            assert_ok(plait__fetch_text_write(&text));
            plait_slice head = plait_buf_slice(&text.head);
            if (!plait_slice_starts(head, plait_slice_text(cases[i].line)))
                fail_msg("%s: %.*s", cases[i].location, PLAIT_ARG(head));
            assert_int_equal(plait_slice_find(head, PLAIT_LIT("secret"), 0) != SIZE_MAX, cases[i].secret);
            assert_int_equal(plait_slice_find(head, PLAIT_LIT("text/x-body"), 0) != SIZE_MAX, cases[i].body);
            assert_true(plait_slice_find(head, PLAIT_LIT("X: open"), 0) != SIZE_MAX);
            assert_int_equal(text.body.len, cases[i].body ? 1 : 0);
        }
        plait__fetch_text_deinit(&text);
    }
}

static void any_lack_of_memory_is_told(void **state)
{
    static const struct plait_http_field fields[] = {{"Cookie", "secret"}, {"X", "open"}};
    const struct plait_fetch_options options = {
        .method = "POST", .fields = fields, .field_count = 2, .body = PLAIT_LIT("b")};
    bool fine = false;
    (void)state;
    for (uint64_t n = 1; n < 40 && !fine; n++) {
        struct test_heap heap;
        struct plait_budget own;
        struct plait__fetch_text text;
        test_heap_init(&heap, n);
        plait_budget_init(&own, NULL, &heap.allocator, 0);
        plait_err err = plait__fetch_text_init(&text, &own, "http://h/", &options);
        if (!err)
            err = plait__fetch_text_redirect(&text, 303, PLAIT_LIT("/x"));
        if (!err)
            err = plait__fetch_text_write(&text);
        fine = err == PLAIT_OK;
        assert_true(fine || err == PLAIT_ENOMEM);
        plait__fetch_text_deinit(&text);
        assert_int_equal(heap.live, 0);
    }
    assert_true(fine);
}

TEST_MAIN_WITH(set_up, tear_down, cmocka_unit_test(requests_are_written), cmocka_unit_test(nothing_can_end_a_line),
               cmocka_unit_test(a_user_that_can_not_be_decoded_is_refused),
               cmocka_unit_test(credentials_that_can_not_be_used_are_refused),
               cmocka_unit_test(redirects_keep_what_they_may), cmocka_unit_test(any_lack_of_memory_is_told))
