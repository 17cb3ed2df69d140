/* SPDX-License-Identifier: MIT
 *
 * Tests of src/web/cache.c, cache_entry.c, cache_fetch.c, cache_store.c and http_inner.c: many clients at once, bodies
 * that come slowly or break off, what is forgotten, memory that fails. The rules stand in test_cache_rules.c.
 */
#include "tests/web/cache_world.h"

#include "tests/sim/scenario_certs.h"

#include "web/http_core.h"

#include <plait/metrics.h>
#include <plait/site.h>
#include <plait/tls.h>

#define MAX_AGE "Cache-Control: max-age=100\n"
#define ASK_A "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"

static struct visitor many[8];

static void settle(void)
{
    plait_sim_run_for(w.sim, plait_millis(500));
}

/* Many clients ask for the same while the origin takes its time. */
static void crowd_comes(const char *const *says)
{
    origin.mute = true;
    for (size_t i = 0; i < TEST_COUNT(many); i++) {
        memset(&many[i], 0, sizeof many[i]);
        visit(&w, &many[i], says[i % 2]);
        settle();
    }
}

static void crowd_ends(void)
{
    origin_goes_on();
    for (size_t i = 0; i < TEST_COUNT(many); i++)
        visit_ends(&w, &many[i]);
}

static const char *const the_same[] = {ASK_A "\r\n", ASK_A "\r\n"};

/* --- many at once ------------------------------------------------------------------------------------------------- */

static void one_fetch_does_for_all_who_wait(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    origin.flood = 100000;
    crowd_comes(the_same);
    assert_int_equal(origin.asked, 1);
    crowd_ends();
    assert_int_equal(origin.asked, 1);
    for (size_t i = 0; i < TEST_COUNT(many); i++) {
        assert_int_equal(status_of(&many[i]), 200);
        assert_int_equal(strlen(body_of(&many[i])), 100008);
        assert_int_equal(strstr(many[i].got, "collapsed") != NULL, i > 0);
    }
    cache_close();
}

static void others_ask_anew_when_it_is_not_for_them(void **state)
{
    static const char *const choices[] = {ASK_A "X-L: 1\r\n\r\n", ASK_A "X-L: 2\r\n\r\n"};
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE "Vary: X-L\n";
    crowd_comes(choices);
    assert_int_equal(origin.asked, 1);
    crowd_ends();
    assert_int_equal(origin.asked, 2);
    for (size_t i = 0; i < TEST_COUNT(many); i++)
        assert_string_equal(body_of(&many[i]), i % 2 ? "answer 2" : "answer 1");
    cache_close();
}

/* What is confirmed is for those of its choice. */
static void others_ask_anew_when_another_choice_is_confirmed(void **state)
{
    static const char *const choices[] = {ASK_A "X-L: 1\r\n\r\n", ASK_A "X-L: 2\r\n\r\n"};
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: max-age=10\nETag: \"a\"\nVary: X-L\n";
    assert_int_equal(fetch("/a", "X-L: 1\n"), 200);
    wait_s(20);
    crowd_comes(choices);
    assert_int_equal(origin.asked, 2);
    origin.status = 304;
    crowd_ends();
    assert_int_equal(status_of(&many[0]), 200);
    assert_string_equal(body_of(&many[0]), "answer 1");
    assert_true(origin.asked > 2);
    cache_close();
}

static void what_can_not_be_kept_is_fetched_for_each(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: no-store\n";
    crowd_comes(the_same);
    assert_int_equal(origin.asked, 1);
    crowd_ends();
    assert_int_equal(origin.asked, TEST_COUNT(many));
    crowd_comes(the_same); /* now it is known */
    assert_int_equal(origin.asked, 2 * TEST_COUNT(many));
    crowd_ends();
    cache_close();
}

static void the_first_may_leave(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    crowd_comes(the_same);
    plait_abort(many[0].stream);
    settle();
    crowd_ends();
    assert_int_equal(origin.asked, 1);
    for (size_t i = 1; i < TEST_COUNT(many); i++)
        assert_string_equal(body_of(&many[i]), "answer 1");
    cache_close();
}

static void a_fetch_that_nobody_waits_for_is_given_up(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    origin.mute = true;
    visit(&w, &v, the_same[0]);
    settle();
    plait_abort(v.stream);
    settle();
    assert_int_equal(origin.gone, 1);
    origin.mute = false;
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(origin.asked, 2);
    cache_close();
}

static void a_client_that_closes_its_side_gets_its_answer(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    origin.mute = true;
    v.shut = true;
    visit(&w, &v, the_same[0]);
    settle();
    origin_goes_on();
    visit_ends(&w, &v);
    v.shut = false;
    assert_string_equal(body_of(&v), "answer 1");
    cache_close();
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static void bodies_of_unknown_length_are_kept(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    origin.unknown = true;
    origin.flood = 50000;
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(fetch("/a", "Range: bytes=40000-40001\n"), 206);
    assert_true(got("Content-Range: bytes 40000-40001/50008\r\n"));
    assert_string_equal(body_of(&v), "xx");
    assert_int_equal(fetch("/a", ""), 200);
    assert_true(got("Content-Length: 50008\r\n"));
    assert_int_equal(strlen(body_of(&v)), 50008);
    assert_int_equal(origin.asked, 1);
    cache_close();
}

static void what_breaks_off_is_not_kept(void **state)
{
    (void)state;
    for (int unknown = 0; unknown < 2; unknown++) {
        cache_open(NULL);
        origin.fields = MAX_AGE;
        origin.unknown = unknown;
        origin.flood = 50000;
        origin.breaks = true;
        (void)fetch("/a", "");
        assert_null(strstr(v.got, "\r\n0\r\n\r\n"));
        origin.breaks = false;
        assert_int_equal(fetch("/a", ""), 200);
        assert_int_equal(origin.asked, 2);
        assert_int_equal(fetch("/a", ""), 200);
        assert_int_equal(origin.asked, 2);
        cache_close();
    }
}

static void an_origin_that_drops_the_request_is_502(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.drops = true;
    assert_int_equal(fetch("/a", ""), 502);
    origin.drops = false;
    origin.fields = "Cache-Control: max-age=10, stale-if-error=100\n";
    assert_int_equal(fetch("/a", ""), 200);
    wait_s(20);
    origin.drops = true;
    assert_int_equal(fetch("/a", ""), 200);
    assert_string_equal(body_of(&v), "answer 2");
    cache_close();
}

static void the_largest_answer_is_exact(void **state)
{
    static const struct plait_cache_options small = {.memory = 1 << 20, .entry_max = 50008};
    (void)state;
    for (int unknown = 0; unknown < 2; unknown++) {
        for (size_t more = 0; more < 2; more++) {
            cache_open(&small);
            origin.fields = MAX_AGE;
            for (int n = 0; n < 2; n++) {
                origin.unknown = unknown;
                origin.flood = 50000 + more;
                assert_int_equal(fetch("/a", ""), 200);
            }
            assert_int_equal(origin.asked, 1 + more);
            cache_close();
        }
    }
}

/* What passes through waits for its reader, and is not gathered. */
static void a_slow_reader_slows_what_is_not_kept(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: no-store\n";
    origin.flood = 4 << 20;
    v.deaf = true;
    visit(&w, &v, the_same[0]);
    wait_s(2);
    assert_true(origin.flood > 2 << 20);
    v.deaf = false;
    plait_resume(v.stream);
    visit_ends(&w, &v);
    assert_int_equal(origin.flood, 0);
    cache_close();
}

static void a_reader_that_leaves_ends_what_is_not_kept(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: no-store\n";
    origin.flood = 4 << 20;
    v.deaf = true;
    visit(&w, &v, the_same[0]);
    wait_s(2);
    plait_abort(v.stream);
    wait_s(1);
    assert_int_equal(origin.gone, 1);
    v.deaf = false;
    cache_close();
}

/* A fetch for the store goes on without readers, until it is too large for it. */
static void a_fetch_without_readers_goes_on_if_it_is_kept(void **state)
{
    static const struct plait_cache_options small = {.memory = 1 << 20, .entry_max = 100000};
    (void)state;
    cache_open(&small);
    origin.fields = MAX_AGE "ETag: \"a\"\n";
    origin.flood = 50000;
    assert_int_equal(fetch("/a", "If-None-Match: \"a\"\n"), 304);
    wait_s(1);
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(origin.asked, 1);
    assert_int_equal(strlen(body_of(&v)), 50008);
    origin.flood = 4 << 20;
    origin.unknown = true;
    assert_int_equal(fetch("/b", "If-None-Match: \"a\"\n"), 304);
    wait_s(1);
    assert_int_equal(origin.asked, 2);
    cache_close();
}

/* --- methods ------------------------------------------------------------------------------------------------------ */

static void head_is_answered_from_what_get_brought(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    assert_int_equal(fetch_as(&v, "HEAD", "/a", ""), 200);
    assert_int_equal(fetch_as(&v, "HEAD", "/a", ""), 200);
    assert_int_equal(origin.asked, 2);
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(fetch_as(&v, "HEAD", "/a", ""), 200);
    assert_int_equal(origin.asked, 3);
    assert_true(got("Content-Length: 8\r\n") && got("hit"));
    assert_string_equal(body_of(&v), "");
    cache_close();
}

/* RFC 9111 section 4.4. */
static void what_changes_something_is_forgotten(void **state)
{
    static const struct {
        const char *method, *fields, *path;
        int status;
        bool forgotten;
    } cases[] = {
        {"POST", "", "/a", 200, true},
        {"PUT", "", "/a", 204, true},
        {"DELETE", "", "/a", 302, true},
        {"M-SEARCH", "", "/a", 200, true},
        {"POST", "", "/a", 404, false},
        {"POST", "", "/a", 500, false},
        {"OPTIONS", "", "/a", 200, false},
        {"POST", "Location: /b\n", "/b", 201, true},
        {"POST", "Content-Location: http://H/b\n", "/b", 200, true},
        {"POST", "Location: http://other/b\n", "/b", 201, false},
        {"POST", "Location: //other/b\n", "/b", 201, false},
        {"POST", "Location: b\n", "/b", 201, false},
        {"POST", "", "/b", 200, false},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        cache_open(NULL);
        origin.fields = MAX_AGE;
        assert_int_equal(fetch("/a", ""), 200);
        assert_int_equal(fetch("/b", ""), 200);
        origin.fields = cases[i].fields;
        origin.status = cases[i].status;
        assert_int_equal(fetch_as(&v, cases[i].method, "/a", ""), cases[i].status);
        assert_int_equal(origin.asked, 3);
        origin.fields = MAX_AGE;
        origin.status = 200;
        assert_int_equal(fetch(cases[i].path, ""), 200);
        if (origin.asked != (cases[i].forgotten ? 4 : 3))
            fail_msg("case %zu: asked %u times", i, origin.asked);
        cache_close();
    }
}

static void what_is_not_for_caches_goes_on(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    assert_int_equal(fetch("/a", "Upgrade: x\n"), 200);
    assert_true(got("fwd=method"));
    assert_int_equal(fetch("/a", "Upgrade: x\n"), 200);
    assert_int_equal(origin.asked, 2);
    cache_close();
}

/* What a client says of its connection, and its conditions, do not go along; the rest does. */
static void a_fetch_asks_as_its_client_did(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: max-age=1\nETag: \"a\"\nLast-Modified: Fri, 31 Dec 1999 00:00:00 GMT\n";
    assert_int_equal(fetch("/a?x=1", "X-A: b\nRange: bytes=0-\nConnection: X-Mine\nX-Mine: y\nTE: trailers\n"), 200);
    assert_int_equal(fetch("/a?x=1", "X-A: b\nIf-None-Match: \"x\"\nConnection: X-Mine\nX-Mine: y\nTE: trailers\n"),
                     200);
    assert_non_null(strstr(origin.saw, "X-A: b\n"));
    assert_non_null(strstr(origin.saw, "Host: h\n"));
    assert_null(strstr(origin.saw, "If-None-Match"));
    assert_null(strstr(origin.saw, "X-Mine"));
    assert_null(strstr(origin.saw, "TE:"));
    wait_s(2);
    assert_int_equal(fetch("/a?x=1", ""), 200);
    assert_non_null(strstr(origin.saw, "If-None-Match: \"a\"\n"));
    assert_non_null(strstr(origin.saw, "If-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT\n"));
    cache_close();
}

static void targets_of_all_forms_are_the_same(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(fetch("http://H/a", ""), 200);
    assert_int_equal(origin.asked, 1);
    assert_int_equal(fetch("http://other/a", ""), 200);
    assert_int_equal(origin.asked, 2);
    assert_int_equal(fetch("http://h?x", ""), 404);
    assert_int_equal(fetch_as(&v, "OPTIONS", "*", ""), 204);
    cache_close();
}

/* --- what stands around ------------------------------------------------------------------------------------------- */

static void tell_peer(struct plait_request *req, void *ctx)
{
    struct plait_address peer, local;
    char text[PLAIT_ADDR_TEXT_MAX];
    struct plait_stream *stream;
    (void)ctx;
    plait_request_peer(req, &peer);
    plait__request_local(req, &local);
    assert_string_equal(plait_address_format_host(&local, text), "10.0.0.1");
    assert_false(plait_request_upgrade_offered(req, "x"));
    assert_err(plait_request_upgrade(req, "x", &stream), PLAIT_EINVAL);
    assert_ok(plait_reply_early_hints(req, PLAIT_LIT("</x>")));
    assert_ok(plait_reply_field(req, "Cache-Control", PLAIT_LIT("max-age=100")));
    assert_ok(plait_reply_field(req, "X-TLS", plait_slice_text(plait_request_tls(req) ? "yes" : "no")));
    plait_reply_text(req, 200, plait_address_format_host(&peer, text));
}

static void who_asks_is_known_behind_the_cache(void **state)
{
    struct plait_listen_options listening = {0};
    struct plait_address at;
    (void)state;
    cache_open(NULL);
    assert_ok(plait_resource_get(w.root, "who", tell_peer, NULL));
    assert_int_equal(fetch("/who", ""), 103);
    assert_true(got("Link: </x>\r\n") && got("HTTP/1.1 200 OK\r\n") && got("\r\n\r\n10.0.0.2"));
    assert_true(got("X-TLS: no\r\n"));
    assert_int_equal(fetch("/who", ""), 200); /* an interim answer is not kept */
    assert_false(got("Link:"));
    assert_ok(plait_tls_server_new(w.r, &(struct plait_tls_server_options){.cert_pem = kit_server_pem}, &listening.tls,
                                   NULL));
    assert_ok(plait_tls_client_new(plait_host_reactor(w.client),
                                   &(struct plait_tls_client_options){.ca_pem = kit_ca_pem}, &v.connect.tls, NULL));
    plait_host_address(w.server, PLAIT_ADDR_IP4, 443, &at);
    struct plait_resource *root = plait_resource_new(w.r);
    assert_ok(plait_cache_wrap(root, NULL));
    assert_ok(plait_resource_get(root, "who", tell_peer, NULL));
    assert_ok(plait_listen(w.r, &at, &listening, plait_http(root), NULL));
    v.port = 443;
    assert_int_equal(fetch("/who", ""), 103);
    assert_true(got("X-TLS: yes\r\n"));
    plait_tls_server_unref(&listening.tls);
    plait_tls_client_unref(&v.connect.tls);
    v.port = 0;
    cache_close();
}

static struct plait_resource *make_child(struct plait_request *req, plait_slice segment, void *ctx)
{
    (void)req;
    (void)segment;
    return plait_resource_ref(ctx);
}

static unsigned logged_requests;

static void count_request(const struct plait_http_access *access, void *ctx)
{
    (void)access;
    (void)ctx;
    logged_requests++;
}

/* Layers outside see one request, those inside only what is fetched; children may be made as they are asked for. */
static void it_stands_among_other_layers(void **state)
{
    static const struct plait_http_options log = {.log = count_request};
    struct plait_address at;
    (void)state;
    memset(&origin, 0, sizeof origin);
    gw_open(&w);
    struct plait_resource *child = plait_resource_new(w.r), *site = plait_resource_new(w.r);
    assert_ok(plait_resource_get(child, "", origin_answer, NULL));
    assert_ok(plait_rewrite_wrap(w.root, "old", "d"));
    assert_ok(plait_compress_wrap(w.root, &(struct plait_compress_options){.least = 1}));
    assert_ok(plait_cache_wrap(site, NULL));
    plait_resource_dynamic(w.root, make_child, site);
    plait_resource_dynamic(site, make_child, child);
    plait_host_address(w.server, PLAIT_ADDR_IP4, 80, &at);
    assert_ok(plait_listen(w.r, &at, NULL, plait_http_with(w.root, &log), NULL));
    origin.fields = MAX_AGE;
    logged_requests = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fetch("/old/x", "Accept-Encoding: gzip\n"), 200);
        assert_true(got("Content-Encoding: gzip\r\n"));
    }
    assert_int_equal(origin.asked, 1);
    assert_int_equal(logged_requests, 3);
    struct plait_metric *hits = plait_metrics_find(plait_reactor_metrics(w.r), "plait_cache_hits", "");
    assert_int_equal(hits->value, 2);
    plait_resource_unref(&child);
    plait_resource_unref(&site);
    gw_close(&w);
}

static void error_pages_stay_such(void **state)
{
    (void)state;
    cache_open(NULL);
    assert_ok(plait_error_page(w.root, 404, "text/plain", PLAIT_LIT("our own")));
    assert_int_equal(fetch("/none", ""), 404);
    assert_int_equal(fetch("/none", ""), 404);
    cache_close();
}

static void say_nothing(struct plait_request *req, void *ctx)
{
    ++*(unsigned *)ctx;
    (void)plait_reply_field(req, "Cache-Control", PLAIT_LIT("max-age=100"));
    plait_reply(req, 204, NULL, plait_slice_of(NULL, 0));
}

static void an_answer_without_a_body_is_kept_too(void **state)
{
    unsigned asked = 0;
    (void)state;
    cache_open(NULL);
    assert_ok(plait_resource_get(w.root, "none", say_nothing, &asked));
    assert_int_equal(fetch("/none", ""), 204);
    assert_int_equal(fetch("/none", ""), 204);
    assert_true(got("hit"));
    assert_int_equal(asked, 1);
    cache_close();
}

/* Conditions of ours may be one field too many for a request. */
static void a_request_that_has_no_room_for_conditions_goes_on(void **state)
{
    static char fields[2000];
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 98; i++)
        len += (size_t)snprintf(fields + len, sizeof fields - len, "X-%d: y\n", i);
    cache_open(NULL);
    origin.fields = "Cache-Control: no-cache\nETag: \"a\"\nLast-Modified: Fri, 31 Dec 1999 00:00:00 GMT\n";
    assert_int_equal(fetch("/a", ""), 200);
    assert_int_equal(fetch("/a", fields), 200);
    assert_true(got("fwd=stale; fwd-status=200\r\n"));
    assert_int_equal(origin.asked, 2);
    cache_close();
}

static void what_is_forgotten_while_it_is_asked_about_stays_so(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = "Cache-Control: max-age=1\nETag: \"a\"\n";
    assert_int_equal(fetch("/a", ""), 200);
    wait_s(2);
    origin.mute = true;
    many[0] = (struct visitor){.deaf = false};
    visit(&w, &many[0], the_same[0]);
    settle();
    origin.mute = false;
    assert_int_equal(fetch_as(&v, "POST", "/a", ""), 200);
    origin.fields = "Cache-Control: no-store\n";
    origin_goes_on();
    visit_ends(&w, &many[0]);
    assert_int_equal(status_of(&many[0]), 200);
    assert_int_equal(origin.asked, 3);
    cache_close();
}

/* What a CGI program's Location does: the request goes through the tree again, past the cache that waits for it. */
static void send_on(struct plait_request *req, void *ctx)
{
    (void)ctx;
    assert_true(plait__request_again(req, PLAIT_LIT("/a?sent")));
    plait__resource_again(req);
}

static void what_is_sent_on_is_kept_where_it_was_asked_for(void **state)
{
    (void)state;
    cache_open(NULL);
    assert_ok(plait_compress_wrap(w.root, &(struct plait_compress_options){.least = 1}));
    assert_ok(plait_resource_get(w.root, "on", send_on, NULL));
    origin.fields = MAX_AGE;
    assert_int_equal(fetch("/on", ""), 200);
    assert_string_equal(body_of(&v), "answer 1");
    assert_int_equal(fetch("/on", ""), 200);
    assert_int_equal(origin.asked, 1);
    assert_int_equal(fetch("/a?sent", ""), 200);
    assert_int_equal(origin.asked, 2);
    cache_close();
}

/* --- room --------------------------------------------------------------------------------------------------------- */

static void what_was_used_longest_ago_goes_first(void **state)
{
    static const struct plait_cache_options small = {.memory = 300000, .entry_max = 100000};
    char path[20];
    (void)state;
    cache_open(&small);
    origin.fields = MAX_AGE;
    for (int i = 0; i < 6; i++) {
        (void)snprintf(path, sizeof path, "/a?%d", i);
        origin.flood = 80000;
        assert_int_equal(fetch(path, ""), 200);
        assert_int_equal(fetch("/a?0", ""), 200); /* stays, for it is used */
    }
    assert_int_equal(origin.asked, 6);
    origin.flood = 80000;
    assert_int_equal(fetch("/a?1", ""), 200);
    assert_int_equal(origin.asked, 7);
    struct plait_metric *evicted = plait_metrics_find(plait_reactor_metrics(w.r), "plait_cache_evicted", "");
    assert_true(evicted->value >= 3);
    cache_close();
}

/* An entry is read on though it is forgotten meanwhile. */
static void who_reads_what_is_forgotten_gets_all_of_it(void **state)
{
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE;
    origin.flood = 3 << 20;
    assert_int_equal(fetch("/a", ""), 200);
    many[0] = (struct visitor){.deaf = true};
    visit(&w, &many[0], the_same[0]);
    wait_s(1);
    assert_int_equal(fetch_as(&v, "POST", "/a", ""), 200);
    many[0].deaf = false;
    plait_resume(many[0].stream);
    visit_ends(&w, &many[0]);
    assert_int_equal(status_of(&many[0]), 200);
    assert_int_equal(many[0].len, sizeof many[0].got - 1);
    assert_int_equal(origin.asked, 2);
    cache_close();
}

static void many_choices_push_the_oldest_out(void **state)
{
    char fields[32];
    (void)state;
    cache_open(NULL);
    origin.fields = MAX_AGE "Vary: X-L\n";
    for (int i = 0; i < 40; i++) {
        (void)snprintf(fields, sizeof fields, "X-L: %d\n", i);
        assert_int_equal(fetch("/a", fields), 200);
    }
    assert_int_equal(fetch("/a", "X-L: 39\n"), 200);
    assert_int_equal(origin.asked, 40);
    cache_close();
}

static void every_allocation_fails_once(const char *first, const char *second, const char *fields, size_t flood)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        cache_open(NULL);
        origin.fields = fields;
        origin.flood = flood;
        origin.unknown = k % 2;
        if (first)
            assert_int_equal(fetch("/a", first), 200);
        wait_s(20);
        origin.status = first && strstr(fields, "ETag") ? 304 : 200;
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        (void)fetch("/a", second);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        origin.status = 200;
        wait_s(200);
        assert_int_equal(fetch("/a", ""), 200);
        cache_close();
        assert_true(k < 400);
    }
}

static void a_cache_outlives_every_failing_allocation(void **state)
{
    (void)state;
    every_allocation_fails_once(NULL, "X-L: 1\n", MAX_AGE "Vary: X-L\nX-A: b\n", 40000);
    every_allocation_fails_once("", "", MAX_AGE, 40000);
    every_allocation_fails_once("", "", "Cache-Control: max-age=10\nETag: \"a\"\n", 0);
    every_allocation_fails_once("", "", "Cache-Control: max-age=10, stale-while-revalidate=100\n", 0);
    every_allocation_fails_once(NULL, "", "Cache-Control: no-store\n", 40000);
}

/* Takes what a request has for small things, so that all that follows comes from the heap. */
static void eat(struct plait_request *req, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 8; i++)
        (void)!plait_request_memory(req, 64);
    plait_request_pass(req);
}

static const struct plait_layer eater = {.name = "eater", .request = eat};

/* Long paths and heads need memory of their own, at each step. */
static void every_step_may_lack_memory(const char *path, const char *fields)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        memset(&origin, 0, sizeof origin);
        gw_open(&w);
        struct plait_resource *leaf = plait_resource_new(w.r);
        plait_resource_leaf(leaf);
        assert_ok(plait_resource_on(leaf, "*", "", origin_answer, NULL));
        assert_ok(plait_resource_wrap(w.root, &eater, NULL));
        assert_ok(plait_rewrite_wrap(w.root, "from", "l"));
        assert_ok(plait_cache_wrap(w.root, NULL));
        assert_ok(plait_resource_mount(w.root, "l", leaf));
        gw_serve(&w);
        origin.fields = MAX_AGE;
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        (void)fetch(path, fields);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        assert_int_equal(fetch(path, fields), 200);
        cache_close();
        assert_true(k < 400);
    }
}

static void steps_that_lack_memory_are_survived(void **state)
{
    static char path[700], fields[1300];
    (void)state;
    memset(fields, 'x', sizeof fields - 2);
    memcpy(fields, "X-A: ", 5);
    fields[sizeof fields - 2] = '\n';
    memset(path, 'p', sizeof path - 1);
    memcpy(path, "/from/", 6);
    every_step_may_lack_memory(path, fields);
    path[330] = '\0';
    every_step_may_lack_memory(path, "");
}

static void without_room_nothing_is_kept(void **state)
{
    static const struct plait_cache_options least = {.memory = 1};
    (void)state;
    cache_open(&least);
    origin.fields = MAX_AGE;
    assert_int_equal(fetch("/a", ""), 503);
    cache_close();
    bool kept = false;
    for (size_t memory = 8; !kept; memory += 8) { /* each of what an entry needs may find no room */
        const struct plait_cache_options options = {.memory = memory};
        cache_open(&options);
        origin.fields = MAX_AGE;
        const int first = fetch("/a", "");
        assert_true(first == 200 || first == 503);
        kept = fetch("/a", "") == 200 && got("hit");
        cache_close();
        assert_true(memory < 20000);
    }
}

static void a_cache_may_not_be_made(void **state)
{
    static const struct plait_cache_options wrong[] = {{.memory = 10, .entry_max = 11}, {.heuristic_percent = 101}};
    (void)state;
    assert_err(plait_cache_wrap(NULL, NULL), PLAIT_ENOMEM);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        gw_open(&w);
        assert_err(plait_cache_wrap(w.root, &wrong[i]), PLAIT_EINVAL);
        struct plait_service *service = plait_http(w.root);
        assert_null(service);
        gw_close(&w);
    }
    gw_open(&w);
    w.heap.fail_at = w.heap.calls + 1;
    assert_err(plait_cache_wrap(w.root, NULL), PLAIT_ENOMEM);
    w.heap.fail_at = 0;
    assert_null(plait_http(w.root));
    gw_close(&w);
}

TEST_MAIN(cmocka_unit_test(others_ask_anew_when_another_choice_is_confirmed),
          cmocka_unit_test(what_is_sent_on_is_kept_where_it_was_asked_for),
          cmocka_unit_test(steps_that_lack_memory_are_survived), cmocka_unit_test(an_answer_without_a_body_is_kept_too),
          cmocka_unit_test(a_request_that_has_no_room_for_conditions_goes_on),
          cmocka_unit_test(what_is_forgotten_while_it_is_asked_about_stays_so),
          cmocka_unit_test(one_fetch_does_for_all_who_wait), cmocka_unit_test(others_ask_anew_when_it_is_not_for_them),
          cmocka_unit_test(what_can_not_be_kept_is_fetched_for_each), cmocka_unit_test(the_first_may_leave),
          cmocka_unit_test(a_fetch_that_nobody_waits_for_is_given_up),
          cmocka_unit_test(a_client_that_closes_its_side_gets_its_answer),
          cmocka_unit_test(bodies_of_unknown_length_are_kept), cmocka_unit_test(what_breaks_off_is_not_kept),
          cmocka_unit_test(an_origin_that_drops_the_request_is_502), cmocka_unit_test(the_largest_answer_is_exact),
          cmocka_unit_test(a_slow_reader_slows_what_is_not_kept),
          cmocka_unit_test(a_reader_that_leaves_ends_what_is_not_kept),
          cmocka_unit_test(a_fetch_without_readers_goes_on_if_it_is_kept),
          cmocka_unit_test(head_is_answered_from_what_get_brought),
          cmocka_unit_test(what_changes_something_is_forgotten), cmocka_unit_test(what_is_not_for_caches_goes_on),
          cmocka_unit_test(a_fetch_asks_as_its_client_did), cmocka_unit_test(targets_of_all_forms_are_the_same),
          cmocka_unit_test(who_asks_is_known_behind_the_cache), cmocka_unit_test(it_stands_among_other_layers),
          cmocka_unit_test(error_pages_stay_such), cmocka_unit_test(what_was_used_longest_ago_goes_first),
          cmocka_unit_test(who_reads_what_is_forgotten_gets_all_of_it),
          cmocka_unit_test(many_choices_push_the_oldest_out),
          cmocka_unit_test(a_cache_outlives_every_failing_allocation), cmocka_unit_test(without_room_nothing_is_kept),
          cmocka_unit_test(a_cache_may_not_be_made))
