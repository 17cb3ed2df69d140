/* SPDX-License-Identifier: MIT
 *
 * The live page: who may see it, what it shows, how it moves.
 */
#include "tests/web/http_world.h"

#include "engine/listen_core.h"
#include "web/web_live.h"

#include <plait/live.h>
#include <plait/site.h>
#include <plait/testing.h>

static struct world w;
static struct plait_testbed *bed;
static struct peer p;

static void begin_with(const struct plait_live_options *options)
{
    test_heap_init(&w.heap, 0);
    bed = plait_testbed_new(1);
    assert_non_null(bed);
    w.r = plait_testbed_reactor(bed);
    w.root = plait_resource_new(w.r);
    assert_ok(plait_resource_mount(w.root, "_plait", plait_live_new(w.r, options)));
    world_serve(&w, NULL);
}

static void begin(void)
{
    begin_with(NULL);
}

static void end(void)
{
    peer_close(&w, &p);
    plait__http_service_unref(w.service);
    plait_testbed_free(&bed);
}

/* A request for a path with a Host and more fields; returns the status. */
static int get(const char *path, const char *fields)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n%s\r\n", path, fields);
    ask(&w, &p, text);
    return status_of(&p);
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

static void the_page_and_its_files_are_there(void **state)
{
    static const struct {
        const char *path, *type, *inside;
    } files[] = {{"/_plait/", "text/html; charset=utf-8", "<!doctype html>"},
                 {"/_plait/live.css", "text/css; charset=utf-8", "prefers-color-scheme: dark"},
                 {"/_plait/live.js", "text/javascript; charset=utf-8", "new EventSource('events')"},
                 {"/_plait/mark.svg", "image/svg+xml", "<svg"}};
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(files); i++) {
        char type[100];
        (void)snprintf(type, sizeof type, "\r\nContent-Type: %s\r\n", files[i].type);
        assert_int_equal(get(files[i].path, "Host: localhost:8080\r\n"), 200);
        assert_non_null(strstr(p.got, type));
        assert_non_null(strstr(body_of(&p), files[i].inside));
        assert_int_equal(count_of(&p, "\r\nCache-Control: no-store\r\n"), 1);
    }
    assert_int_equal(get("/_plait/nothing", "Host: localhost\r\n"), 404);
    assert_int_equal(get("/_plait", "Host: localhost\r\n"), 308);
    assert_int_equal(count_of(&p, "\r\nLocation: ./_plait/\r\n"), 1);
    end();
}

static void the_page_has_nothing_inline(void **state)
{
    (void)state;
    begin();
    assert_int_equal(get("/_plait/", "Host: localhost\r\n"), 200);
    assert_null(strstr(body_of(&p), "<style"));
    assert_null(strstr(body_of(&p), "style="));
    assert_null(strstr(body_of(&p), "onclick"));
    assert_int_equal(count_of(&p, "<script"), 1);
    assert_int_equal(count_of(&p, "<script src="), 1);
    end();
}

static void every_answer_tells_browsers_to_keep_others_out(void **state)
{
    static const char *const paths[] = {"/_plait/", "/_plait", "/_plait/state", "/_plait/nothing"};
    static const char *const fields[] = {"Host: localhost\r\n", "Host: evil.example\r\n",
                                         "Host: localhost\r\nOrigin: http://evil.example\r\n"};
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(paths) * TEST_COUNT(fields); i++) {
        (void)get(paths[i % TEST_COUNT(paths)], fields[i / TEST_COUNT(paths)]);
        assert_int_equal(count_of(&p, "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; "), 1);
        assert_int_equal(count_of(&p, "frame-ancestors 'none'"), 1);
        assert_int_equal(count_of(&p, "\r\nX-Content-Type-Options: nosniff\r\n"), 1);
        assert_int_equal(count_of(&p, "\r\nReferrer-Policy: no-referrer\r\n"), 1);
        assert_int_equal(count_of(&p, "\r\nCross-Origin-Resource-Policy: same-origin\r\n"), 1);
        assert_int_equal(count_of(&p, "Access-Control"), 0);
    }
    end();
}

static void nothing_can_be_changed(void **state)
{
    (void)state;
    begin();
    ask(&w, &p, "POST /_plait/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(status_of(&p), 405);
    ask(&w, &p, "DELETE /_plait/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(status_of(&p), 405);
    end();
}

/* --- who may see it ----------------------------------------------------------------------------------------------- */

static void a_host_that_is_not_ours_is_misdirected(void **state)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {{"localhost", 200},        {"LocalHost:8080", 200},
                 {"localhost.", 200},       {"a.localhost:1", 200},
                 {"127.0.0.1", 200},        {"127.0.0.1:8080", 200},
                 {"192.0.2.7:80", 200},     {"[::1]", 200},
                 {"[2001:db8::1]:80", 200}, {"plait.example", 200},
                 {"PLAIT.example:1", 200},  {"second.example.", 200},
                 {"evil.example", 421},     {"evil.example:8080", 421},
                 {"127.0.0.1.evil", 421},   {"localhost.evil.example", 421},
                 {"xlocalhost", 421},       {".localhost", 421},
                 {"x.plait.example", 421},  {"plait.example,", 400},
                 {"lait.example", 421},     {"127.1", 421}};
    static const struct plait_live_options options = {.hosts = "plait.example, second.example"};
    (void)state;
    begin_with(&options);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char fields[200];
        (void)snprintf(fields, sizeof fields, "Host: %s\r\n", cases[i].host);
        const int status = get("/_plait/state", fields);
        if (status != cases[i].status && !(cases[i].status == 400 && status == 421))
            fail_msg("%s: %d", cases[i].host, status);
    }
    ask(&w, &p, "GET /_plait/state HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(p.got, " 421 "));
    end();
}

static void another_origin_gets_nothing(void **state)
{
    static const struct {
        const char *path, *fields;
        int status;
    } cases[] = {
        {"/_plait/state", "Origin: http://localhost:80\r\n", 200},
        {"/_plait/state", "Origin: https://localhost:80\r\n", 200}, /* TLS ended before us */
        {"/_plait/state", "Origin: http://localhost:81\r\n", 403},
        {"/_plait/state", "Origin: http://localhost\r\n", 403},
        {"/_plait/state", "Origin: http://evil.example\r\n", 403},
        {"/_plait/events", "Origin: http://evil.example\r\n", 403},
        {"/_plait/state", "Origin: null\r\n", 403},
        {"/_plait/state", "Origin: \r\n", 403},
        {"/_plait/state", "Origin: ftp://localhost:80\r\n", 403},
        {"/_plait/state", "Sec-Fetch-Site: same-origin\r\n", 200},
        {"/_plait/state", "Sec-Fetch-Site: none\r\n", 200},
        {"/_plait/state", "Sec-Fetch-Site: same-site\r\n", 403},
        {"/_plait/state", "Sec-Fetch-Site: cross-site\r\n", 403},
        {"/_plait/live.js", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n", 403},
        {"/_plait/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", 200},
        {"/_plait/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", 403},
        {"/_plait/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: document\r\n", 403},
        {"/_plait/state", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
         403},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char fields[300];
        (void)snprintf(fields, sizeof fields, "Host: localhost:80\r\n%s", cases[i].fields);
        const int status = get(cases[i].path, fields);
        if (status != cases[i].status)
            fail_msg("%s with %s: %d", cases[i].path, cases[i].fields, status);
    }
    end();
}

/* What a connection says of its other end. */
static struct plait_address told;

static void tell_address(struct plait__carrier *carrier, struct plait_address *out)
{
    (void)carrier;
    *out = told;
}

static const struct plait_tls_info *tell_tls(struct plait__carrier *carrier)
{
    static const struct plait_tls_info info;
    (void)carrier;
    return &info;
}

/* As get, from an address; over TLS where that is asked for. */
static int get_from(const char *address, bool tls, const char *fields)
{
    struct plait_stream *server;
    char text[1024];
    memset(&p, 0, sizeof p);
    assert_ok(plait_address_parse_ip(plait_slice_text(address), 5555, &told));
    assert_ok(plait_pair_new(w.r, &server, &p.stream));
    struct plait__carrier_ops ops = *server->carrier->ops;
    ops.peer = tell_address;
    ops.tls = tls ? tell_tls : NULL;
    server->carrier->ops = &ops;
    plait_stream_attach(p.stream, &peer_protocol, &p);
    assert_ok(plait__http_open(w.service, server));
    spin(&w);
    (void)snprintf(text, sizeof text, "GET /_plait/state HTTP/1.1\r\nHost: localhost\r\n%s\r\n", fields);
    peer_send(&w, &p, text);
    peer_close(&w, &p);
    return status_of(&p);
}

static void without_a_password_it_is_for_this_machine(void **state)
{
    (void)state;
    begin();
    assert_int_equal(get_from("127.0.0.1", false, ""), 200);
    assert_int_equal(get_from("::1", false, ""), 200);
    assert_int_equal(get_from("::ffff:127.0.0.1", false, ""), 200);
    assert_int_equal(get_from("192.0.2.1", false, ""), 403);
    assert_non_null(strstr(p.got, "Without a password this page is for this machine only."));
    assert_int_equal(get_from("2001:db8::1", false, ""), 403);
    assert_int_equal(get_from("127.0.0.1", false, "X-Forwarded-For: 192.0.2.1\r\n"), 403);
    assert_int_equal(get_from("127.0.0.1", false, "Forwarded: for=192.0.2.1\r\n"), 403);
    assert_int_equal(get_from("127.0.0.1", false, "Via: 1.1 proxy\r\n"), 403);
    assert_int_equal(get_from("127.0.0.1", false, "X-Real-IP: 192.0.2.1\r\n"), 403);
    end();
}

static void over_tls_the_origin_is_https(void **state)
{
    (void)state;
    begin();
    assert_int_equal(get_from("127.0.0.1", true, "Origin: https://localhost\r\n"), 200);
    assert_int_equal(get_from("127.0.0.1", true, "Origin: http://localhost\r\n"), 403);
    end();
}

static void check_ann(struct plait_request *req, const struct plait_credentials *c, void *ctx)
{
    (void)c;
    (void)ctx;
    plait_auth_secret(req, PLAIT_LIT("secret"));
}

#define ANN "Authorization: Basic YW5uOnNlY3JldA==\r\n"

static void with_a_password_others_come_in(void **state)
{
    static const struct plait_auth_options auth = {.check = check_ann};
    static const struct plait_live_options options = {.auth = &auth};
    (void)state;
    begin_with(&options);
    assert_int_equal(get_from("192.0.2.1", false, ""), 401);
    assert_int_equal(count_of(&p, "\r\nContent-Security-Policy: "), 1);
    assert_int_equal(get_from("192.0.2.1", false, ANN), 200);
    assert_int_equal(get_from("127.0.0.1", false, ""), 401); /* this machine has no way around it */
    assert_int_equal(get_from("192.0.2.1", false, ANN "Origin: http://evil.example\r\n"), 403);
    end();
}

static void a_user_of_the_whole_site_comes_in(void **state)
{
    static const struct plait_auth_options auth = {.check = check_ann};
    (void)state;
    test_heap_init(&w.heap, 0);
    bed = plait_testbed_new(1);
    w.r = plait_testbed_reactor(bed);
    w.root = plait_resource_new(w.r);
    assert_ok(plait_auth_wrap(w.root, &auth));
    assert_ok(plait_resource_mount(w.root, "_plait", plait_live_new(w.r, NULL)));
    world_serve(&w, NULL);
    assert_int_equal(get_from("192.0.2.1", false, ""), 401);
    assert_int_equal(get_from("192.0.2.1", false, ANN), 200);
    end();
}

/* --- what it shows ------------------------------------------------------------------------------------------------ */

static bool body_has(const char *what)
{
    return strstr(body_of(&p), what) != NULL;
}

static void the_state_tells_of_the_reactor(void **state)
{
    (void)state;
    begin();
    plait_testbed_advance(bed, plait_millis(2500));
    assert_int_equal(get("/_plait/state", "Host: localhost\r\n"), 200);
    assert_int_equal(count_of(&p, "\r\nContent-Type: application/json\r\n"), 1);
    assert_true(body_has("{\"version\":\"" PLAIT_VERSION "\",\"time_ms\":"));
    assert_true(body_has(",\"uptime_ms\":2500,\"draining\":false,\"services\":[],\"connections\":{\"open\":0,"));
    assert_true(body_has("\"http1\":1,\"http2\":0,\"websocket\":0,\"streams\":2,"));
    assert_true(body_has(",\"log\":{\"total\":0,\"lines\":[]}}"));
    assert_true(body_has("\"max_bytes\":"));
    end();
}

static plait_err open_nothing(struct plait_stream *s, void *ctx)
{
    (void)s;
    (void)ctx;
    return PLAIT_OK;
}

static void the_state_tells_of_listeners(void **state)
{
    static const struct plait_service_ops odd = {.name = "an \"odd\" one\n", .open = open_nothing},
                                          unnamed = {.open = open_nothing};
    struct plait_address a;
    struct plait_listener *listener[2];
    (void)state;
    begin();
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 77, &a));
    assert_ok(plait_listen(w.r, &a, NULL, plait_service_new(w.r, &odd, NULL), &listener[0]));
    a.port = 78;
    assert_ok(plait_listen(w.r, &a, NULL, plait_service_new(w.r, &unnamed, NULL), &listener[1]));
    plait__listener_pause(listener[1], PLAIT__PAUSE_MEMORY);
    assert_int_equal(get("/_plait/state", "Host: localhost\r\n"), 200);
    assert_true(body_has(
        "[{\"name\":\"an \\\"odd\\\" one\\u000a\",\"address\":\"127.0.0.1:77\",\"tls\":false,\"state\":\"open\","
        "\"connections\":0,\"connections_max\":10000,\"memory_bytes\":0},{\"name\":\"\","
        "\"address\":\"127.0.0.1:78\",\"tls\":false,\"state\":\"no memory\","));
    plait_listener_close(&listener[0]);
    plait_listener_close(&listener[1]);
    end();
}

static void warnings_and_errors_are_shown_newest_first(void **state)
{
    struct plait_log *log;
    (void)state;
    begin();
    log = plait_reactor_log(w.r);
    plait_log_event(log, PLAIT_LOG_NOTICE, "room", "quiet", "a notice", NULL);
    const struct plait_field fields[] = {plait_field_bytes("peer", PLAIT_LIT("<b>\"\n\xff")), plait_field_i64("n", 7),
                                         plait_field_end()};
    plait_log_event(log, PLAIT_LOG_WARN, "room", "warned", "a \"warning\"", fields);
    plait_log_event(log, PLAIT_LOG_ERROR, "room", "failed", "an error", NULL);
    assert_int_equal(get("/_plait/state", "Host: localhost\r\n"), 200);
    assert_true(body_has("\"log\":{\"total\":2,\"lines\":[{\"time\":\""));
    assert_true(body_has("\"level\":\"error\",\"room\":\"room\",\"event\":\"failed\",\"text\":\"an error\"},{"));
    assert_true(body_has("\"text\":\"a \\\"warning\\\"\",\"peer\":\"<b>\\\"\\u000a\\u00ff\",\"n\":7}]}}"));
    assert_false(body_has("a notice"));
    end();
}

static void the_last_lines_only_are_kept(void **state)
{
    static const char *const event[] = {"a", "b", "c", "d"};
    (void)state;
    begin();
    for (int i = 0; i < 40; i++)
        plait_log_event(plait_reactor_log(w.r), PLAIT_LOG_WARN, "room", event[i / 10], "said", NULL);
    assert_int_equal(get("/_plait/state", "Host: localhost\r\n"), 200);
    assert_true(body_has("\"log\":{\"total\":40,\"lines\":[{"));
    assert_int_equal(count_of(&p, "\"level\":\"warn\""), 32);
    assert_int_equal(count_of(&p, "\"event\":\"a\""), 2);
    assert_int_equal(count_of(&p, "\"event\":\"d\""), 10);
    end();
}

static void when_it_goes_the_log_goes_on(void **state)
{
    (void)state;
    begin();
    end();
    struct plait_testbed *other = plait_testbed_new(1);
    struct plait_reactor *r = plait_testbed_reactor(other);
    struct plait_resource *live = plait_live_new(r, NULL), *second = plait_live_new(r, NULL);
    plait_resource_unref(&live);
    plait_log_event(plait_reactor_log(r), PLAIT_LOG_WARN, "room", "warned", "said", NULL);
    plait_resource_unref(&second);
    plait_log_event(plait_reactor_log(r), PLAIT_LOG_WARN, "room", "warned", "said", NULL);
    plait_testbed_free(&other);
}

/* --- how it moves ------------------------------------------------------------------------------------------------- */

static void watch(void)
{
    peer_open(&w, &p);
    peer_send(&w, &p, "GET /_plait/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
}

static void events_come_once_a_second(void **state)
{
    (void)state;
    begin();
    plait_testbed_advance(bed, plait_millis(3500));
    watch();
    assert_int_equal(count_of(&p, "retry: 2000\n"), 1);
    assert_int_equal(count_of(&p, "event: history\ndata: {\"step_ms\":1000,\"received_per_s\":[0,0,0,0],"), 1);
    assert_int_equal(count_of(&p, "event: log\ndata: {\"total\":0,\"lines\":[]}\n"), 1);
    assert_int_equal(count_of(&p, "event: first\n"), 1);
    assert_int_equal(count_of(&p, "event: state\n"), 0);
    plait_testbed_advance(bed, plait_millis(600));
    assert_int_equal(count_of(&p, "event: state\n"), 1);
    plait_log_event(plait_reactor_log(w.r), PLAIT_LOG_WARN, "room", "warned", "said", NULL);
    plait_testbed_advance(bed, plait_millis(1000));
    assert_int_equal(count_of(&p, "event: state\n"), 2);
    assert_int_equal(count_of(&p, "event: log\n"), 2);
    plait_testbed_advance(bed, plait_seconds(3));
    assert_int_equal(count_of(&p, "event: state\n"), 5);
    assert_int_equal(count_of(&p, "event: log\n"), 2);
    end();
}

static void ten_minutes_are_kept(void **state)
{
    size_t commas = 0;
    (void)state;
    begin();
    plait_testbed_advance(bed, plait_seconds(700));
    watch();
    const char *at = strstr(p.got, "\"received_per_s\":[");
    assert_non_null(at);
    for (; *at != ']'; at++)
        commas += *at == ',';
    assert_int_equal(commas, PLAIT__LIVE_SAMPLES - 1);
    end();
}

static void traffic_is_told_as_bytes_a_second(void **state)
{
    (void)state;
    begin();
    plait_testbed_advance(bed, plait_millis(2500));
    watch();
    struct plait_metric *received = plait_metrics_find(plait_reactor_metrics(w.r), "plait_received_bytes", ""),
                        *sent = plait_metrics_find(plait_reactor_metrics(w.r), "plait_sent_bytes", "");
    plait_metric_add(received, 500);
    plait_metric_add(sent, 700);
    plait_testbed_advance(bed, plait_seconds(1));
    assert_int_equal(count_of(&p, "\"received_per_s\":500,\"sent_per_s\":700,\"received_bytes\":500,"), 1);
    plait_testbed_advance(bed, plait_seconds(1));
    assert_int_equal(count_of(&p, "\"received_per_s\":0,\"sent_per_s\":0,\"received_bytes\":500,"), 1);
    end();
}

static void lag_is_told_of_the_second_alone(void **state)
{
    (void)state;
    begin();
    plait_testbed_advance(bed, plait_millis(2500));
    watch();
    struct plait_histogram *lag =
        plait_metrics_find(plait_reactor_metrics(w.r), "plait_loop_lag_seconds", "")->histogram;
    plait_testbed_advance(bed, plait_seconds(1));
    assert_int_equal(count_of(&p, "\"lag_worst_us\":0,"), 2);
    for (int i = 0; i < 100; i++)
        plait_histogram_count(lag, 20000000);
    plait_testbed_advance(bed, plait_seconds(1));
    assert_int_equal(count_of(&p, "\"lag_worst_us\":33554,"), 1); /* the bound of its bucket, 2^25 ns */
    plait_testbed_advance(bed, plait_seconds(1));
    assert_int_equal(count_of(&p, "\"lag_worst_us\":33554,"), 1);
    end();
}

static void who_leaves_makes_room(void **state)
{
    static struct peer many[PLAIT__LIVE_VIEWERS];
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(many); i++) {
        peer_open(&w, &many[i]);
        peer_send(&w, &many[i], "GET /_plait/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_int_equal(status_of(&many[i]), 200);
    }
    assert_int_equal(get("/_plait/events", "Host: localhost\r\n"), 503);
    peer_close(&w, &many[3]);
    watch();
    plait_testbed_advance(bed, plait_millis(1500));
    assert_int_equal(count_of(&p, "event: state\n"), 1);
    assert_int_equal(count_of(&many[0], "event: state\n"), 1);
    assert_int_equal(count_of(&many[3], "event: state\n"), 0);
    for (size_t i = 0; i < TEST_COUNT(many); i++)
        peer_close(&w, &many[i]);
    end();
}

static void who_asks_for_the_head_does_not_look_on(void **state)
{
    (void)state;
    begin();
    ask(&w, &p, "HEAD /_plait/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(status_of(&p), 200);
    plait_testbed_advance(bed, plait_seconds(2));
    end();
}

static void stay(struct plait_stream *s, void *self)
{
    (void)s;
    (void)self;
}

static void a_page_that_is_open_does_not_hold_a_drain_up(void **state)
{
    struct plait_protocol patient = peer_protocol; /* a drain ends others at once */
    patient.drain = stay;
    (void)state;
    begin();
    plait_resource_ref(w.root);
    struct plait_service *service = plait_http(w.root);
    struct plait_address a;
    struct plait_listener *listener;
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 80, &a));
    assert_ok(plait_listen(w.r, &a, NULL, service, &listener));
    watch();
    plait_stream_attach(p.stream, &patient, &p);
    struct plait_deferred *d = plait_drain(w.r, plait_seconds(30));
    plait_testbed_advance(bed, plait_millis(1500));
    assert_non_null(strstr(p.got, "\"draining\":true"));
    assert_true(p.ended || p.lost);
    plait_deferred_ignore(d);
    plait_listener_close(&listener);
    end();
}

static void a_page_that_is_replaced_ends_its_events(void **state)
{
    (void)state;
    begin();
    watch();
    assert_ok(plait_resource_mount(w.root, "_plait", plait_health_new(w.r)));
    spin(&w);
    assert_int_equal(count_of(&p, "\r\n0\r\n"), 1);
    end();
}

/* --- without memory ----------------------------------------------------------------------------------------------- */

static void wrong_options_are_kept_as_a_failure(void **state)
{
    static char hosts[600];
    static const struct plait_auth_options no_check;
    struct plait_live_options options = {.hosts = hosts};
    (void)state;
    world_open(&w);
    memset(hosts, 'a', sizeof hosts - 1);
    assert_null(plait_http(plait_live_new(w.r, &options)));
    options = (struct plait_live_options){.auth = &no_check};
    assert_null(plait_http(plait_live_new(w.r, &options)));
    world_serve(&w, NULL);
    world_close(&w);
}

static void whichever_allocation_fails_nothing_stays(void **state)
{
    static const struct plait_auth_options auth = {.check = check_ann};
    static const struct plait_live_options options = {.hosts = "x", .auth = &auth};
    bool made = false;
    (void)state;
    world_open(&w);
    for (uint64_t n = 1; !made; n++) {
        w.heap.fail_at = w.heap.calls + n;
        struct plait_service *service = plait_http(plait_live_new(w.r, &options));
        made = service != NULL;
        w.heap.fail_at = 0;
        plait_service_unref(&service);
        assert_true(n < 50);
    }
    world_serve(&w, NULL);
    world_close(&w);
}

static void without_memory_pages_say_so(void **state)
{
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_mount(w.root, "_plait", plait_live_new(w.r, NULL)));
    world_serve(&w, NULL);
    static const char *const paths[] = {"/_plait", "/_plait/state", "/_plait/events"};
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        bool fine = false;
        assert_int_not_equal(get(paths[i], "Host: localhost\r\n"), 0); /* what is pooled is there from now on */
        for (uint64_t n = 1; !fine; n++) {
            char text[100];
            peer_open(&w, &p);
            (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
            w.heap.fail_at = w.heap.calls + n;
            peer_send(&w, &p, text);
            fine = w.heap.calls < w.heap.fail_at;
            w.heap.fail_at = 0;
            peer_close(&w, &p);
            assert_true(n < 100);
        }
    }
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(the_page_and_its_files_are_there), cmocka_unit_test(the_page_has_nothing_inline),
          cmocka_unit_test(every_answer_tells_browsers_to_keep_others_out), cmocka_unit_test(nothing_can_be_changed),
          cmocka_unit_test(a_host_that_is_not_ours_is_misdirected), cmocka_unit_test(another_origin_gets_nothing),
          cmocka_unit_test(without_a_password_it_is_for_this_machine), cmocka_unit_test(over_tls_the_origin_is_https),
          cmocka_unit_test(with_a_password_others_come_in), cmocka_unit_test(a_user_of_the_whole_site_comes_in),
          cmocka_unit_test(the_state_tells_of_the_reactor), cmocka_unit_test(the_state_tells_of_listeners),
          cmocka_unit_test(warnings_and_errors_are_shown_newest_first), cmocka_unit_test(the_last_lines_only_are_kept),
          cmocka_unit_test(when_it_goes_the_log_goes_on), cmocka_unit_test(events_come_once_a_second),
          cmocka_unit_test(ten_minutes_are_kept), cmocka_unit_test(traffic_is_told_as_bytes_a_second),
          cmocka_unit_test(lag_is_told_of_the_second_alone), cmocka_unit_test(who_leaves_makes_room),
          cmocka_unit_test(who_asks_for_the_head_does_not_look_on),
          cmocka_unit_test(a_page_that_is_open_does_not_hold_a_drain_up),
          cmocka_unit_test(a_page_that_is_replaced_ends_its_events),
          cmocka_unit_test(wrong_options_are_kept_as_a_failure),
          cmocka_unit_test(whichever_allocation_fails_nothing_stays), cmocka_unit_test(without_memory_pages_say_so))
