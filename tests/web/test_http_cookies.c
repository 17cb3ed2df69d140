/* SPDX-License-Identifier: MIT
 *
 * The cookie jar: what may be kept, what is given to whom, how long, how many, and the file.
 */
#include "tests/web/client_world.h"

#include "web/http_client_core.h"
#include "web/http_cookie_wire.h"

#include <plait/cookies.h>

#include <unistd.h>

struct bed {
    struct farm farm;
    struct plait_cookies *jar;
};

static size_t no_answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)c;
    (void)head;
    (void)rest;
    return 0;
}

static void bed_open(struct bed *b)
{
    farm_open(&b->farm, no_answer);
    b->jar = plait_cookies_new(b->farm.r);
    assert_non_null(b->jar);
}

static void bed_close(struct bed *b)
{
    plait_cookies_unref(&b->jar);
    plait_cookies_unref(&b->jar);
    farm_close(&b->farm);
}

static plait_err take(struct bed *b, const char *from, const char *text)
{
    struct plait_url url;
    assert_ok(plait_url_parse(plait_slice_text(from), &url));
    return plait_cookies_take(b->jar, &url, plait_slice_text(text));
}

static void assert_given_how(struct bed *b, const char *to, enum plait_cookies_request how, const char *expected)
{
    struct plait_url url;
    struct plait_budget budget;
    struct plait_buf out;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    assert_ok(plait_url_parse(plait_slice_text(to), &url));
    plait_cookies_give(b->jar, &url, how, &out);
    assert_slice(plait_buf_slice(&out), expected);
    plait_buf_deinit(&out);
}

static void assert_given(struct bed *b, const char *to, const char *expected)
{
    assert_given_how(b, to, PLAIT_COOKIES_SAME_SITE, expected);
}

/* RFC 6265 section 3.1 */
static void the_rfcs_examples_work(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(take(&b, "https://www.example.com/", "SID=31d4d96e407aad42; Path=/; Secure; HttpOnly"));
    assert_ok(take(&b, "https://www.example.com/", "lang=en-US; Path=/; Domain=example.com"));
    assert_given(&b, "https://www.example.com/", "SID=31d4d96e407aad42; lang=en-US");
    assert_given(&b, "https://example.com/", "lang=en-US");
    assert_ok(take(&b, "https://www.example.com/",
                   "lang=; Domain=example.com; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_given(&b, "https://www.example.com/", "SID=31d4d96e407aad42");
    bed_close(&b);
}

static void cookies_go_where_they_belong(void **state)
{
    static const struct {
        const char *from, *text, *to, *given;
    } cases[] = {
        {"http://a.example/", "x=1", "http://a.example/", "x=1"},
        {"http://a.example/", "x=1", "http://A.Example:8080/", "x=1"},
        {"http://a.example/", "x=1", "http://b.a.example/", ""},
        {"http://a.example/", "x=1; Domain=a.example", "http://b.a.example/", "x=1"},
        {"http://a.example/", "x=1; Domain=.a.example", "http://a.example/", "x=1"},
        {"http://b.a.example/", "x=1; Domain=A.EXAMPLE", "http://a.example/", "x=1"},
        {"http://a.example/", "x=1; Domain=a.example", "http://ba.example/", ""},
        {"http://a.example/d/e", "x=1", "http://a.example/d/f", "x=1"},
        {"http://a.example/d/e", "x=1", "http://a.example/d", "x=1"},
        {"http://a.example/d/e", "x=1", "http://a.example/de", ""},
        {"http://a.example/d/e", "x=1; Path=/", "http://a.example", "x=1"},
        {"http://a.example/d/e", "x=1; Path=e", "http://a.example/d/", "x=1"},
        {"http://a.example", "x=1", "http://a.example/z", "x=1"},
        {"http://a.example/", "x=1; path=/d/", "http://a.example/d/e", "x=1"},
        {"https://a.example/", "x=1; Secure", "http://a.example/", ""},
        {"https://a.example/", "x=1; Secure", "https://a.example/", "x=1"},
        {"wss://a.example/", "x=1; Secure", "wss://a.example/", "x=1"},
        {"http://127.0.0.1/", "x=1", "http://127.0.0.1/", "x=1"},
        {"http://127.0.0.1/", "x=1; Domain=127.0.0.1", "http://127.0.0.1/", "x=1"},
        {"http://[::1]/", "x=1", "http://[::1]/", "x=1"},
        {"http://a.example/", "x=1; Max-Age=5", "http://a.example/", "x=1"},
        {"http://a.example/", "x=1; Max-Age=0", "http://a.example/", ""},
        {"http://a.example/", "x=1; Max-Age=-7", "http://a.example/", ""},
        {"http://a.example/", "x=1; Max-Age=999999999999999999999", "http://a.example/", "x=1"},
        {"http://a.example/", "x=1; Max-Age=soon; Expires=whenever", "http://a.example/", "x=1"},
        {"http://a.example/", "x=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "http://a.example/", ""},
        {"http://a.example/", "x=1; Expires=Sun, 06 Nov 1899 08:49:37 GMT", "http://a.example/", ""},
        {"http://a.example/", "x=1; Expires=Sun, 06-Nov-94 08:49:37 GMT; Max-Age=9", "http://a.example/", "x=1"},
        {"http://a.example/", " x = 1 2 ;", "http://a.example/", "x=1 2"},
        {"http://a.example/", "x=", "http://a.example/", "x="},
        {"https://a.example/", "__Secure-x=1; Secure", "https://a.example/", "__Secure-x=1"},
        {"https://a.example/", "__Host-x=1; Secure; Path=/", "https://a.example/", "__Host-x=1"},
        {"http://localhost/", "x=1; Domain=localhost", "http://localhost/", "x=1"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct bed b;
        bed_open(&b);
        assert_ok(take(&b, cases[i].from, cases[i].text));
        assert_given(&b, cases[i].to, cases[i].given);
        bed_close(&b);
    }
}

static void cookies_that_may_not_be_are_refused(void **state)
{
    static char long_value[5000], long_domain[400] = "x=1; Domain=", long_url[400] = "http://";
    static const struct {
        const char *from, *text;
        plait_err err;
    } cases[] = {
        {"http://a.example/", "", PLAIT_EMALFORMED},
        {"http://a.example/", "=1", PLAIT_EMALFORMED},
        {"http://a.example/", "x=\x01", PLAIT_EMALFORMED},
        {"http://a.example/", long_value, PLAIT_ETOOLONG},
        {"http://a.example/", "x=1; Domain=b.example", PLAIT_EFORBIDDEN},
        {"http://a.example/", "x=1; Domain=b.a.example", PLAIT_EFORBIDDEN},
        {"http://a.example/", "x=1; Domain=example", PLAIT_EFORBIDDEN},
        {"http://a.example/", long_domain, PLAIT_EFORBIDDEN},
        {long_url, "x=1", PLAIT_EMALFORMED},
        {"http://10.0.0.1/", "x=1; Domain=0.0.1", PLAIT_EFORBIDDEN},
#ifdef PLAIT_HAVE_PSL
        {"http://a.co.uk/", "x=1; Domain=co.uk", PLAIT_EFORBIDDEN},
#endif
        {"http://a.example/", "x=1; Secure", PLAIT_EFORBIDDEN},
        {"http://a.example/", "__Secure-x=1", PLAIT_EFORBIDDEN},
        {"https://a.example/", "__Host-x=1; Secure; Path=/; Domain=a.example", PLAIT_EFORBIDDEN},
        {"https://a.example/", "__Host-x=1; Secure", PLAIT_EFORBIDDEN},
        {"https://a.example/", "__host-x=1; Path=/", PLAIT_EFORBIDDEN},
        {"https://a.example/", "x=1; SameSite=None", PLAIT_EFORBIDDEN},
    };
    (void)state;
    memset(long_value, 'x', sizeof long_value - 1);
    memset(long_domain + 12, 'y', 300);
    memset(long_url + 7, 'y', 300);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct bed b;
        bed_open(&b);
        const plait_err err = take(&b, cases[i].from, cases[i].text);
        if (err != cases[i].err)
            fail_msg("\"%.50s\" gave %s", cases[i].text, plait_err_name(err));
        assert_int_equal(plait_cookies_count(b.jar), 0);
        bed_close(&b);
    }
}

static void other_sites_send_less(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(take(&b, "https://a.example/", "s=1; SameSite=Strict"));
    assert_ok(take(&b, "https://a.example/", "l=1; SameSite=Lax"));
    assert_ok(take(&b, "https://a.example/", "n=1; SameSite=None; Secure"));
    assert_ok(take(&b, "https://a.example/", "u=1; SameSite=Odd"));
    assert_given(&b, "https://a.example/", "s=1; l=1; n=1; u=1");
    assert_given_how(&b, "https://a.example/", PLAIT_COOKIES_CROSS_SITE, "l=1; n=1; u=1");
    assert_given_how(&b, "https://a.example/", PLAIT_COOKIES_CROSS_SITE_UNSAFE, "n=1; u=1");
    bed_close(&b);
    assert_true(plait__same_site(PLAIT_LIT("a.b.example"), PLAIT_LIT("C.B.EXAMPLE")));
    assert_false(plait__same_site(PLAIT_LIT("a.example"), PLAIT_LIT("b.example")));
    assert_true(plait__same_site(PLAIT_LIT("10.0.0.1"), PLAIT_LIT("10.0.0.1")));
    assert_false(plait__same_site(PLAIT_LIT("10.0.0.1"), PLAIT_LIT("1.0.0.1")));
    assert_false(plait__same_site(PLAIT_LIT(""), PLAIT_LIT("a")));
    assert_true(plait__same_site(PLAIT_LIT("example"), PLAIT_LIT("example")));
}

static void longer_paths_and_older_cookies_go_first(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(take(&b, "http://a.example/d/e/f", "a=1"));
    assert_ok(take(&b, "http://a.example/d/e/f", "b=1; Path=/"));
    assert_ok(take(&b, "http://a.example/d/e/f", "c=1; Path=/d"));
    assert_ok(take(&b, "http://a.example/d/e/f", "d=1; Path=/"));
    assert_ok(take(&b, "http://a.example/d/e/f", "b=2; Path=/")); /* keeps its place */
    assert_given(&b, "http://a.example/d/e/f", "a=1; c=1; b=2; d=1");
    bed_close(&b);
}

static void time_passes(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    assert_ok(take(&b, "http://a.example/", "x=1; Max-Age=5"));
    assert_ok(take(&b, "http://a.example/", "y=1"));
    plait_sim_run_for(b.farm.sim, plait_seconds(4));
    assert_given(&b, "http://a.example/", "x=1; y=1");
    plait_sim_run_for(b.farm.sim, plait_seconds(2));
    assert_given(&b, "http://a.example/", "y=1");
    assert_int_equal(plait_cookies_count(b.jar), 1);
    assert_ok(take(&b, "http://a.example/", "z=1; Max-Age=50"));
    plait_cookies_clear(b.jar, true);
    assert_given(&b, "http://a.example/", "z=1");
    bed_close(&b);
}

static void a_jar_has_limits(void **state)
{
    struct bed b;
    char text[64], from[64];
    (void)state;
    bed_open(&b);
    assert_ok(take(&b, "http://z.example/", "z=1")); /* older than all, and elsewhere */
    for (int i = 0; i < 51; i++) {
        (void)snprintf(text, sizeof text, "c%d=1; Path=/p%d", i, i);
        assert_ok(take(&b, "http://a.example/", text));
        if (i == 10)
            assert_given(&b, "http://a.example/p0", "c0=1"); /* the first one is in use */
    }
    assert_int_equal(plait_cookies_count(b.jar), 51);
    assert_given(&b, "http://a.example/p0", "c0=1");
    assert_given(&b, "http://a.example/p1", "");
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(from, sizeof from, "http://h%d.example/", i);
        assert_ok(take(&b, from, "x=1"));
    }
    assert_int_equal(plait_cookies_count(b.jar), 3000);
    assert_given(&b, "http://a.example/p0", "");
    plait_cookies_clear(b.jar, false);
    static char large[4000];
    for (int i = 0; i < 3; i++) {
        memset(large, 'x', sizeof large - 1);
        large[0] = (char)('a' + i);
        large[1] = '=';
        assert_ok(take(&b, "http://a.example/", large));
    }
    struct plait_url url;
    struct plait_buf out;
    struct plait_budget budget;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    assert_ok(plait_url_parse(PLAIT_LIT("http://a.example/"), &url));
    plait_cookies_give(b.jar, &url, PLAIT_COOKIES_SAME_SITE, &out);
    assert_int_equal(out.len, 2 * 3999 + 2);
    plait_buf_deinit(&out);
    bed_close(&b);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void a_jar_is_written_and_read(void **state)
{
    struct bed b;
    struct plait_budget budget;
    struct plait_buf out;
    (void)state;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    bed_open(&b);
    assert_ok(take(&b, "https://a.example/", "x=1; Secure; HttpOnly"));
    assert_ok(take(&b, "https://a.example/", "y=; Domain=a.example; Expires=Sun, 06 Nov 2094 08:49:37 GMT"));
    assert_ok(take(&b, "https://a.example/", "z=1; Max-Age=1"));
    plait_sim_run_for(b.farm.sim, plait_seconds(2));
    plait_cookies_write(b.jar, &out);
    assert_slice(plait_buf_slice(&out), "# Netscape HTTP Cookie File\n\n"
                                        "#HttpOnly_a.example\tFALSE\t/\tTRUE\t0\tx\t1\n"
                                        ".a.example\tTRUE\t/\tFALSE\t3939871777\ty\t\n");
    plait_cookies_clear(b.jar, false);
    assert_ok(plait_cookies_read(b.jar, plait_buf_slice(&out)));
    assert_ok(plait_cookies_read(b.jar, PLAIT_LIT("# no cookie\r\n\r\nb.example\tFALSE\t/\tFALSE\t0\tq\t7\r\n")));
    assert_given(&b, "https://a.example/", "x=1; y=");
    assert_given(&b, "http://d.a.example/", "y=");
    assert_given(&b, "http://b.example/", "q=7");
    static const char *const bad[] = {"nonsense",
                                      "h\tTRUE",
                                      "h\tYES\t/\tTRUE\t0\ta\tb",
                                      "h\tTRUE\t/",
                                      "h\tTRUE\t/\tTRUE",
                                      "h\tTRUE\t/\tTRUE\tx\ta\tb",
                                      "h\tTRUE\t/\tTRUE\t0\ta"};
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait_cookies_read(b.jar, plait_slice_text(bad[i])), PLAIT_EMALFORMED);
    plait_buf_clear(&out);
    for (int i = 0; i < 300; i++)
        plait_buf_put_u8(&out, 'x');
    plait_buf_put(&out, PLAIT_LIT("\tFALSE\t/\tFALSE\t0\tq\t7"));
    assert_err(plait_cookies_read(b.jar, plait_buf_slice(&out)), PLAIT_EMALFORMED);
    plait_buf_deinit(&out);
    bed_close(&b);
}

static void fail_once(struct bed *b, const char *call, int err)
{
    const struct plait_sim_rule rule = {.host = b->farm.client, .call = call, .nth = 1, .os_errno = err};
    assert_ok(plait_sim_add_rule(b->farm.sim, &rule));
}

static void a_jar_is_saved_whole_or_not_at_all(void **state)
{
    struct bed b;
    static const struct {
        const char *call;
        int err;
        plait_err told;
    } faults[] = {{"openat2", EACCES, PLAIT_EACCESS},
                  {"pwrite", ENOSPC, PLAIT_ENOSPACE},
                  {"fsync", EIO, PLAIT_EIO},
                  {"renameat", EACCES, PLAIT_EACCESS}};
    (void)state;
    bed_open(&b);
    assert_ok(plait_host_write_file(b.farm.client, "/home/x", "", 0));
    assert_ok(take(&b, "http://a.example/", "x=1"));
    assert_ok(plait_cookies_save(b.jar, "/home/jar"));
    assert_ok(take(&b, "http://a.example/", "y=1"));
    for (size_t i = 0; i < TEST_COUNT(faults); i++) {
        fail_once(&b, faults[i].call, faults[i].err);
        assert_err(plait_cookies_save(b.jar, "/home/jar"), faults[i].told);
    }
    plait_cookies_clear(b.jar, false);
    assert_err(plait_cookies_load(b.jar, "/home/none"), PLAIT_ENOTFOUND);
    assert_ok(plait_cookies_load(b.jar, "/home/jar"));
    assert_given(&b, "http://a.example/", "x=1");
    fail_once(&b, "pread", EIO);
    assert_err(plait_cookies_load(b.jar, "/home/jar"), PLAIT_EIO);
    assert_err(plait_cookies_load(b.jar, "/home/x"), PLAIT_OK);
    bed_close(&b);
}

static void memory_may_be_short(void **state)
{
    bool fine = false;
    (void)state;
    for (uint64_t k = 1; k < 100 && !fine; k++) {
        struct bed b;
        farm_open(&b.farm, no_answer);
        assert_ok(plait_host_write_file(b.farm.client, "/home/x", "", 0));
        b.farm.heap.fail_at = b.farm.heap.calls + k;
        b.jar = plait_cookies_new(b.farm.r);
        if (b.jar) {
            const plait_err first = take(&b, "http://a.example/", "x=1");
            const plait_err second = take(&b, "http://b.example/", "x=1");
            const plait_err third = plait_cookies_save(b.jar, "/home/jar");
            const plait_err fourth = plait_cookies_load(b.jar, "/home/jar");
            fine = b.farm.heap.calls < b.farm.heap.fail_at;
            if (fine)
                assert_true(!first && !second && !third && !fourth);
        }
        b.farm.heap.fail_at = 0;
        bed_close(&b);
    }
    assert_true(fine);
}

/* --- over the wire ------------------------------------------------------------------------------------------------ */

static size_t set_cookies(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)rest;
    if (farm_asked(head, "/set"))
        farm_say(c, "HTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nset-cookie: b=2; SameSite=Strict\r\n"
                    "Set-Cookie: c=3; Domain=elsewhere\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n");
    else if (farm_asked(head, "/away"))
        farm_say(c, "HTTP/1.1 307 Found\r\nLocation: http://other:82/there\r\nContent-Length: 0\r\n\r\n");
    else if (farm_asked(head, "/there"))
        farm_say(c, "HTTP/1.1 307 Found\r\nLocation: http://server/back\r\nContent-Length: 0\r\n\r\n");
    else
        farm_echo(c, head);
    return 0;
}

static void assert_sent(const struct farm *farm, const char *line)
{
    const char *at = strstr(farm->last, "Cookie:");
    if (!line)
        assert_null(at);
    else if (!at || strncmp(at, line, strlen(line)) != 0 || at[strlen(line)] != '\r')
        fail_msg("%s", farm->last);
}

static void fetches_carry_cookies(void **state)
{
    struct bed b;
    static const struct plait_http_field own = {"Cookie", "mine=1"};
    (void)state;
    bed_open(&b);
    b.farm.answer = set_cookies;
    struct plait_http_client *client = plait_http_client_new(b.farm.r, NULL);
    const struct plait_fetch_options with = {.cookies = b.jar}, post = {.cookies = b.jar, .method = "POST"},
                                     mine = {.cookies = b.jar, .fields = &own, .field_count = 1};
    assert_ok(farm_get(&b.farm, client, "http://server/set", &with, NULL));
    assert_sent(&b.farm, "Cookie: a=1; b=2");
    assert_ok(farm_get(&b.farm, client, "http://server:81/x", &with, NULL)); /* cookies know no ports */
    assert_sent(&b.farm, "Cookie: a=1; b=2");
    assert_ok(farm_get(&b.farm, client, "http://server/x", NULL, NULL));
    assert_sent(&b.farm, NULL);
    assert_ok(farm_get(&b.farm, client, "http://server/x", &mine, NULL));
    assert_sent(&b.farm, "Cookie: mine=1");
    struct farm other;
    struct plait_address at;
    struct plait_reactor *r = plait_host_reactor(plait_sim_host(b.farm.sim, "other"));
    other = b.farm;
    plait_host_address(plait_sim_host(b.farm.sim, "other"), PLAIT_ADDR_IP4, 82, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &farm_ops, &other), NULL));
    assert_ok(farm_get(&b.farm, client, "http://server/away", &with, NULL));
    assert_sent(&b.farm, "Cookie: a=1"); /* another site sent us back */
    assert_ok(farm_get(&b.farm, client, "http://server/away", &post, NULL));
    assert_sent(&b.farm, "Cookie: a=1");
    plait_http_client_free(&client);
    bed_close(&b);
}

static void a_request_without_memory_for_its_cookies_fails(void **state)
{
    bool fine = false;
    (void)state;
    for (uint64_t k = 1; k < 100 && !fine; k++) {
        struct bed b;
        struct farm_end end = {0};
        bed_open(&b);
        b.farm.answer = set_cookies;
        assert_ok(take(&b, "http://server/", "x=1"));
        struct plait_http_client *client = plait_http_client_new(b.farm.r, NULL);
        const struct plait_fetch_options with = {.cookies = b.jar};
        farm_start(client, "http://server/x", &with, &end);
        b.farm.heap.fail_at = b.farm.heap.calls + k;
        plait_sim_run_for(b.farm.sim, plait_seconds(100));
        fine = b.farm.heap.calls < b.farm.heap.fail_at;
        b.farm.heap.fail_at = 0;
        assert_int_equal(end.ends, 1);
        if (!end.fault.err)
            assert_sent(&b.farm, "Cookie: x=1");
        plait_response_free(&end.response);
        plait_http_client_free(&client);
        bed_close(&b);
    }
    assert_true(fine);
}

TEST_MAIN(cmocka_unit_test(the_rfcs_examples_work), cmocka_unit_test(cookies_go_where_they_belong),
          cmocka_unit_test(cookies_that_may_not_be_are_refused), cmocka_unit_test(other_sites_send_less),
          cmocka_unit_test(longer_paths_and_older_cookies_go_first), cmocka_unit_test(time_passes),
          cmocka_unit_test(a_jar_has_limits), cmocka_unit_test(a_jar_is_written_and_read),
          cmocka_unit_test(a_jar_is_saved_whole_or_not_at_all), cmocka_unit_test(memory_may_be_short),
          cmocka_unit_test(fetches_carry_cookies), cmocka_unit_test(a_request_without_memory_for_its_cookies_fails))
