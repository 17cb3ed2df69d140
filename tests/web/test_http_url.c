/* SPDX-License-Identifier: MIT
 *
 * URLs: parts, references, paths, percent-encoding.
 */
#include "tests/support/test.h"

#include <plait/url.h>

/* RFC 3986 section 3 */
static void urls_are_split(void **state)
{
    static const struct {
        const char *text, *scheme, *userinfo, *host, *path, *query, *fragment;
        unsigned port;
    } cases[] = {
        {"http://example.org/a/b?c=d#e", "http", NULL, "example.org", "/a/b", "c=d", "e", 0},
        {"https://u:p@h:8443", "https", "u:p", "h", "", NULL, NULL, 8443},
        {"http://[2001:db8::1]:80/", "http", NULL, "2001:db8::1", "/", NULL, NULL, 80},
        {"http://[::1]", "http", NULL, "::1", "", NULL, NULL, 0},
        {"http://h:/", "http", NULL, "h", "/", NULL, NULL, 0},
        {"//h/p", NULL, NULL, "h", "/p", NULL, NULL, 0},
        {"/p?", NULL, NULL, NULL, "/p", "", NULL, 0},
        {"p#", NULL, NULL, NULL, "p", NULL, "", 0},
        {"mailto:a@b", "mailto", NULL, NULL, "a@b", NULL, NULL, 0},
        {"http:///p", "http", NULL, "", "/p", NULL, NULL, 0},
        {"", NULL, NULL, NULL, "", NULL, NULL, 0},
        {"1a:b", NULL, NULL, NULL, "1a:b", NULL, NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_url u;
        assert_ok(plait_url_parse(plait_slice_text(cases[i].text), &u));
        const plait_slice parts[] = {u.scheme, u.userinfo, u.host, u.path, u.query, u.fragment};
        const char *const expected[] = {cases[i].scheme, cases[i].userinfo, cases[i].host,
                                        cases[i].path,   cases[i].query,    cases[i].fragment};
        for (size_t k = 0; k < 6; k++) {
            assert_slice(parts[k], expected[k]);
            if (k != 3)
                assert_int_equal(parts[k].ptr != NULL, expected[k] != NULL);
        }
        assert_int_equal(u.port, cases[i].port);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    static const char *const cases[] = {
        "http://a b/",     "http://a/\x01", "http://a/\x7f", "http://a/\xc3\xa4", "http://a\\b/", "http://a:x/",
        "http://a:70000/", "http://a:0/",   "http://[::1",   "http://[::1]x",     "http://[x]/",  "http://[:]/",
        "http://a]/",      "http://a@b@c/", "http://a/\r\n", "http://a/<b>",      "http://a:-1/"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_url u;
        if (plait_url_parse(plait_slice_text(cases[i]), &u) == PLAIT_OK)
            fail_msg("%s was taken", cases[i]);
    }
}

/* RFC 3986 section 5.4 */
static void references_are_resolved(void **state)
{
    static const struct {
        const char *reference, *result;
    } cases[] = {
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://u@[::1]:8/x", "https://u@[::1]:8/x"},
    };
    struct plait_url base, reference;
    struct plait_budget budget;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    assert_ok(plait_url_parse(PLAIT_LIT("http://a/b/c/d;p?q"), &base));
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_buf out;
        plait_buf_init(&out, &budget, 4096);
        assert_ok(plait_url_parse(plait_slice_text(cases[i].reference), &reference));
        plait_url_resolve(&base, &reference, &out);
        assert_slice(plait_buf_slice(&out), cases[i].result);
        plait_buf_deinit(&out);
    }
    struct plait_buf out;
    plait_buf_init(&out, &budget, 4096);
    assert_ok(plait_url_parse(PLAIT_LIT("http://a"), &base));
    assert_ok(plait_url_parse(PLAIT_LIT("b"), &reference));
    plait_url_resolve(&base, &reference, &out);
    assert_slice(plait_buf_slice(&out), "http://a/b");
    plait_buf_clear(&out);
    assert_ok(plait_url_parse(PLAIT_LIT("x:/.//b"), &reference));
    plait_url_resolve(&base, &reference, &out);
    assert_err(out.err, PLAIT_ESYNTAX);
    plait_buf_deinit(&out);
    plait_buf_init(&out, &budget, 8);
    assert_ok(plait_url_parse(PLAIT_LIT("../c"), &reference));
    plait_url_resolve(&base, &reference, &out);
    assert_err(out.err, PLAIT_ETOOLONG);
    plait_buf_deinit(&out);
}

static void origins_are_compared(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"http://a/x", "http://A:80/y", true}, {"https://a/", "https://a:443/", true},
        {"http://a/", "https://a/", false},    {"http://a/", "http://a:8080/", false},
        {"http://a/", "http://b/", false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_url a, b;
        assert_ok(plait_url_parse(plait_slice_text(cases[i].a), &a));
        assert_ok(plait_url_parse(plait_slice_text(cases[i].b), &b));
        assert_int_equal(plait_url_same_origin(&a, &b), cases[i].same);
    }
    struct plait_url other;
    assert_ok(plait_url_parse(PLAIT_LIT("gopher://a/"), &other));
    assert_int_equal(plait_url_port(&other), 0);
}

static void percent_signs_are_decoded(void **state)
{
    static const struct {
        const char *text;
        bool plus;
        plait_err err;
        const char *result;
    } cases[] = {
        {"a%20b", false, PLAIT_OK, "a b"},   {"a+b", false, PLAIT_OK, "a+b"},
        {"a+b", true, PLAIT_OK, "a b"},      {"%c3%A4", false, PLAIT_OK, "\xc3\xa4"},
        {"%", false, PLAIT_ESYNTAX, NULL},   {"%4", false, PLAIT_ESYNTAX, NULL},
        {"%4x", false, PLAIT_ESYNTAX, NULL}, {"%x4", false, PLAIT_ESYNTAX, NULL},
        {"%00", false, PLAIT_EINVAL, NULL},  {"%2541", false, PLAIT_OK, "%41"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t out[32];
        size_t len = 0;
        assert_err(plait_percent_decode(plait_slice_text(cases[i].text), cases[i].plus, out, &len), cases[i].err);
        if (cases[i].result)
            assert_slice(plait_slice_of(out, len), cases[i].result);
    }
}

static void text_is_percent_encoded(void **state)
{
    struct plait_budget budget;
    struct plait_buf out;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 4096);
    plait_percent_encode(&out, PLAIT_LIT("a b/\xc3\xa4~"), "/");
    plait_percent_encode(&out, PLAIT_LIT("/"), NULL);
    assert_slice(plait_buf_slice(&out), "a%20b/%C3%A4~%2F");
    plait_buf_deinit(&out);
}

static void paths_are_normalised(void **state)
{
    static const struct {
        const char *path, *result; /* NULL: leaves the root */
    } cases[] = {{"/", "/"},           {"/a/./b", "/a/b"}, {"/a/../b", "/b"},      {"/a/..", "/"},   {"/a/.", "/a/"},
                 {"/..", NULL},        {"/a/../..", NULL}, {"/a/b/../../c", "/c"}, {"/...", "/..."}, {"//", "//"},
                 {"/a/../../b", NULL}, {"/.a", "/.a"},     {"/a/b/..", "/a/"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t path[64];
        size_t len = strlen(cases[i].path);
        memcpy(path, cases[i].path, len);
        len = plait_path_normalise(path, len);
        if (cases[i].result)
            assert_slice(plait_slice_of(path, len), cases[i].result);
        else
            assert_int_equal(len, SIZE_MAX);
    }
}

TEST_MAIN(cmocka_unit_test(urls_are_split), cmocka_unit_test(what_is_no_url_is_refused),
          cmocka_unit_test(references_are_resolved), cmocka_unit_test(origins_are_compared),
          cmocka_unit_test(percent_signs_are_decoded), cmocka_unit_test(text_is_percent_encoded),
          cmocka_unit_test(paths_are_normalised))
