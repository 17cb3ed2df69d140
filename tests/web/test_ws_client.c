/* SPDX-License-Identifier: MIT
 *
 * Opening WebSockets over TCP of this machine: at our own server, and at servers that answer by script. And WebSockets
 * as streams, both ends.
 */
#include "tests/support/certs.h"
#include "tests/web/ws_world.h"

#include "engine/stream_core.h"

#include <plait/endpoint.h>
#include <plait/tls.h>

static struct ws_world t; /* the server's side */
static struct plait_listener *listener;
static uint16_t port;

/* --- a server that says what it is told to ------------------------------------------------------------------------ */

static struct {
    const char *answer; /* "%s" stands for the right Sec-WebSocket-Accept */
    bool singly, stays;
    char got[4096];
} script;

static size_t script_data(struct plait_stream *s, plait_slice in, void *self)
{
    char accept[PLAIT__WS_ACCEPT + 1] = "", text[8192];
    (void)self;
    if (plait_slice_find(in, PLAIT_LIT("\r\n\r\n"), 0) == SIZE_MAX)
        return 0;
    snprintf(script.got, sizeof script.got, "%.*s", PLAIT_ARG(in));
    const char *key = strstr(script.got, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    assert_ok(plait__ws_accept_of(plait_slice_of(key + 19, PLAIT__WS_KEY), accept));
    snprintf(text, sizeof text, script.answer, accept);
    const size_t step = script.singly ? 1 : strlen(text) + 1;
    for (size_t at = 0; at < strlen(text); at += step) {
        plait_write(s, plait_slice_sub(plait_slice_text(text), at, at + step));
        plait_flush(s);
    }
    if (!script.stays)
        plait_close(s);
    return in.len;
}

static const struct plait_protocol script_protocol = {.name = "script", .data = script_data};

/* --- the client's side -------------------------------------------------------------------------------------------- */

static struct {
    unsigned opened, lost;
    struct plait_websocket *ws;
    struct plait_fault fault;
    char log[4096];
} client;

static void on_open(struct plait_websocket *ws, void *self)
{
    assert_ptr_equal(self, &client);
    client.opened++;
    client.ws = ws;
}

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)ws;
    (void)self;
    const size_t at = strlen(client.log);
    snprintf(client.log + at, sizeof client.log - at, "%d:%.*s;", (int)kind, PLAIT_ARG(message));
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    (void)ws;
    (void)self;
    client.lost++;
    client.fault = *fault;
}

static const struct plait_websocket_handler client_handler = {
    .name = "client", .open = on_open, .message = on_message, .lost = on_lost};

static void listen_on(struct plait_service *service)
{
    struct plait_address here;
    const struct plait_listen_options options = {0};
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(t.w.r, &here, &options, service, &listener));
    plait_listener_address(listener, &here);
    port = here.port;
    memset(&client, 0, sizeof client);
}

static void begin_script(const char *answer)
{
    memset(&t, 0, sizeof t);
    world_open(&t.w);
    plait_resource_unref(&t.w.root);
    script.answer = answer;
    listen_on(plait_service_of(t.w.r, &script_protocol, NULL));
}

static void begin(void)
{
    memset(&t, 0, sizeof t);
    t.handler = &ws_echo;
    world_open(&t.w);
    assert_ok(plait_resource_get(t.w.root, "", ws_accept, &t));
    listen_on(plait_http(t.w.root));
}

static void end(void)
{
    plait_listener_close(&listener);
    plait_reactor_free(&t.w.r);
    assert_int_equal(t.w.heap.live, 0);
    assert_int_equal(client.lost, client.opened);
}

static struct plait_deferred *dial(const char *path, const struct plait_websocket_options *options)
{
    char url[256];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", port, path);
    return plait_websocket_connect(t.w.r, url, options, &client_handler, &client);
}

static plait_err connect_it(const char *path, const struct plait_websocket_options *options)
{
    plait_value value = {NULL, 0, NULL};
    const plait_err err = plait_reactor_run_until(t.w.r, dial(path, options), &value);
    client.ws = value.ptr;
    return err;
}

static void wait_for(const unsigned *what, unsigned count)
{
    for (int i = 0; i < 2000 && *what < count; i++)
        assert_ok(plait_reactor_step(t.w.r, plait_millis(5)));
    assert_int_equal(*what, count);
}

/* --- against ourselves -------------------------------------------------------------------------------------------- */

static void messages_go_there_and_back(void **state)
{
    static const struct plait_websocket_options plain = {.no_deflate = true};
    static const struct plait_websocket_options *const options[] = {NULL, &plain};
    static char large[100000];
    (void)state;
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < TEST_COUNT(options); i++) {
        begin();
        assert_ok(connect_it("/", options[i]));
        assert_int_equal(client.ws->deflate != NULL, options[i] == NULL);
        assert_ok(plait_websocket_send(client.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("text")));
        assert_ok(plait_websocket_send(client.ws, PLAIT_WEBSOCKET_BINARY, PLAIT_LIT("bytes")));
        assert_ok(plait_websocket_send_part(client.ws, PLAIT_WEBSOCKET_TEXT, plait_slice_text(large), false));
        assert_ok(plait_websocket_send_part(client.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("end"), true));
        for (int n = 0; n < 2000 && strlen(client.log) < sizeof client.log - 1; n++)
            assert_ok(plait_reactor_step(t.w.r, plait_millis(1)));
        assert_memory_equal(client.log, "1:text;2:bytes;1:xxxx", 21);
        assert_ok(plait_websocket_close(client.ws, 1000, PLAIT_LIT("done")));
        wait_for(&client.lost, 1);
        assert_err(client.fault.err, PLAIT_OK);
        assert_int_equal(t.closing, 1);
        wait_for(&t.lost, 1);
        assert_err(t.fault.err, PLAIT_EEOF);
        end();
    }
}

static void the_server_may_end_it(void **state)
{
    (void)state;
    begin();
    assert_ok(connect_it("/", NULL));
    wait_for(&t.opened, 1);
    assert_ok(plait_websocket_close(t.ws, 1001, PLAIT_LIT("away")));
    wait_for(&client.lost, 1);
    assert_err(client.fault.err, PLAIT_EEOF);
    end();
}

static void what_is_asked_for_is_sent(void **state)
{
    static const char *const protocols[] = {"chat.2", "chat.1", NULL};
    static const struct plait_http_field fields[] = {{"Origin", "https://a.example"}, {"Cookie", "a=b"}};
    static const struct plait_websocket_options options = {
        .protocols = protocols, .fields = fields, .field_count = 2, .deflate_bits = 15};
    (void)state;
    begin_script("HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: x, upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                 "Sec-WebSocket-Protocol: chat.1\r\n\r\n\x81\x02hi\x88\x02\x03\xe8");
    assert_ok(connect_it("/some/path?query", &options));
    wait_for(&client.opened, 1);
    assert_string_equal(plait_websocket_protocol(client.ws), "chat.1");
    wait_for(&client.lost, 1);
    assert_string_equal(client.log, "1:hi;");
    assert_err(client.fault.err, PLAIT_EEOF);
    char host[64];
    snprintf(host, sizeof host, "GET /some/path?query HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", port);
    assert_memory_equal(script.got, host, strlen(host));
    assert_non_null(strstr(script.got, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: "));
    assert_non_null(strstr(script.got, "\r\nSec-WebSocket-Protocol: chat.2, chat.1\r\n"));
    assert_non_null(strstr(script.got, "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
    assert_non_null(strstr(script.got, "\r\nOrigin: https://a.example\r\n"));
    assert_non_null(strstr(script.got, "\r\nCookie: a=b\r\n"));
    assert_null(strstr(script.got, "close"));
    end();
}

/* --- answers that are not ours ------------------------------------------------------------------------------------ */

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: %s\r\n"
#define TEN(x) x x x x x x x x x x
#define EARLY "HTTP/1.1 103 Early Hints\r\n\r\n"

static void answers_are_judged(void **state)
{
    static const struct {
        const char *answer;
        plait_err err;
        const char *detail;
    } cases[] = {
        {EARLY SWITCH UPGRADE ACCEPT "\r\n", PLAIT_OK, NULL},
        {SWITCH "Upgrade: websocket\r\nConnection: a\r\nConnection: upgrade\r\n" ACCEPT "\r\n", PLAIT_OK, NULL},
        {SWITCH ACCEPT "\r\n", PLAIT_EPROTOCOL, "the server switched to another protocol"},
        {SWITCH "Upgrade: websocket\r\n" ACCEPT "\r\n", PLAIT_EPROTOCOL, NULL},
        {SWITCH "Connection: Upgrade\r\nUpgrade: h2c\r\n" ACCEPT "\r\n", PLAIT_EPROTOCOL, NULL},
        {SWITCH UPGRADE "\r\n", PLAIT_EPROTOCOL, NULL},
        {SWITCH UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", PLAIT_EPROTOCOL,
         "the server's Sec-WebSocket-Accept is not the answer to our key"},
        {SWITCH UPGRADE "Sec-WebSocket-Accept: x\r\n" ACCEPT "\r\n", PLAIT_EPROTOCOL, NULL},
        {SWITCH UPGRADE ACCEPT "Sec-WebSocket-Protocol: chat.1\r\n\r\n", PLAIT_EPROTOCOL,
         "the server chose a subprotocol that was not offered"},
        {SWITCH UPGRADE ACCEPT "Sec-WebSocket-Extensions: x\r\n\r\n", PLAIT_EPROTOCOL,
         "the server chose an extension that was not offered"},
        {SWITCH UPGRADE ACCEPT "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=13\r\n\r\n",
         PLAIT_EPROTOCOL, NULL},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", PLAIT_EREPLY, "Forbidden"},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", PLAIT_EREPLY, "Found"},
        {"HTTP/1.1 200 OK\r\n\r\n", PLAIT_EREPLY, "OK"},
        {TEN(EARLY) TEN(EARLY), PLAIT_EPROTOCOL, "too many interim responses"},
        {"HTTP/1.1 101 OK\nUpgrade: websocket\n\n", PLAIT_EMALFORMED, NULL},
        {"HTTP/1.1 101 OK\r\n", PLAIT_ETRUNCATED, NULL},
        {"", PLAIT_ETRUNCATED, NULL},
    };
    (void)state;
    for (size_t i = 0; i < 2 * TEST_COUNT(cases); i++) {
        script.singly = i % 2;
        begin_script(cases[i / 2].answer);
        struct plait_deferred *d = dial("/", NULL);
        plait_value value = {NULL, 0, NULL};
        const plait_err err = plait_reactor_run_until(t.w.r, d, &value);
        if (err != cases[i / 2].err)
            fail_msg("%s gave %s", cases[i / 2].answer, plait_err_name(err));
        end();
    }
    script.singly = false;
}

static struct plait_fault seen;

static void see(struct plait_result *result, void *ctx)
{
    (void)ctx;
    seen = result->fault;
    result->fault.err = PLAIT_OK;
    plait_result_set(result, plait_value_num(0));
}

static void refusals_say_why(void **state)
{
    (void)state;
    begin_script("HTTP/1.1 426 No\r\n\r\n");
    struct plait_deferred *d = dial("/", NULL);
    assert_ok(plait_then(d, see, NULL));
    seen.err = PLAIT_OK;
    for (int i = 0; i < 2000 && !seen.err; i++)
        assert_ok(plait_reactor_step(t.w.r, plait_millis(5)));
    assert_err(seen.err, PLAIT_EREPLY);
    assert_string_equal(seen.detail, "Upgrade Required");
    end();
}

static void a_head_that_never_ends_is_too_long(void **state)
{
    static char answer[8000];
    (void)state;
    size_t len = (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 101 OK\r\n");
    while (len < 7000)
        len += (size_t)snprintf(answer + len, sizeof answer - len, "X: y\r\n"); /* over 100 fields */
    begin_script(answer);
    assert_err(connect_it("/", NULL), PLAIT_ETOOLONG);
    end();
}

/* --- what can't be asked ------------------------------------------------------------------------------------------ */

static void urls_and_options_are_judged_before(void **state)
{
    static const struct plait_http_field key[] = {{"sec-websocket-key", "mine"}}, host[] = {{"Host", "x"}};
    static const char *const bad[] = {"a b", NULL};
    static const struct plait_websocket_options ours = {.fields = key, .field_count = 1};
    static const struct plait_websocket_options hosts = {.fields = host, .field_count = 1};
    static const struct plait_websocket_options bits = {.deflate_bits = 16};
    static const struct plait_websocket_options tokens = {.protocols = bad};
    static const struct {
        const char *url;
        const struct plait_websocket_options *options;
        plait_err err;
    } cases[] = {
        {"http://x/", NULL, PLAIT_EUNSUPPORTED},
        {"x", NULL, PLAIT_EUNSUPPORTED},
        {"ws://", NULL, PLAIT_EINVAL},
        {"ws:///path", NULL, PLAIT_EINVAL},
        {"ws://x y/", NULL, PLAIT_EINVAL},
        {"ws://x/#part", NULL, PLAIT_EINVAL},
        {"ws://x/", &ours, PLAIT_EINVAL},
        {"ws://x/", &hosts, PLAIT_EINVAL},
        {"ws://x/", &bits, PLAIT_EINVAL},
        {"ws://x/", &tokens, PLAIT_EINVAL},
        {"ws://127.0.0.1:1/", NULL, PLAIT_EREFUSED},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        begin();
        struct plait_deferred *d =
            plait_websocket_connect(t.w.r, cases[i].url, cases[i].options, &client_handler, &client);
        const plait_err err = plait_reactor_run_until(t.w.r, d, NULL);
        if (err != cases[i].err)
            fail_msg("%s gave %s", cases[i].url, plait_err_name(err));
        end();
    }
}

static void rules_for_targets_hold_for_websockets(void **state)
{
    struct plait_target_rules *rules;
    (void)state;
    begin();
    assert_ok(plait_target_rules_new(t.w.r, NULL, &rules));
    const struct plait_websocket_options o = {.connect.targets = rules};
    struct plait_deferred *d = plait_websocket_connect(t.w.r, "ws://localhost:1/", &o, &client_handler, &client);
    plait_target_rules_unref(&rules);
    assert_err(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_EFORBIDDEN);
    end();
}

/* --- ends before it is open --------------------------------------------------------------------------------------- */

static void a_dial_can_be_cancelled(void **state)
{
    (void)state;
    for (int steps = 0; steps < 30; steps++) {
        script.stays = true;
        begin_script("HTTP/1.1 100 Continue\r\n\r\n");
        struct plait_deferred *d = dial("/", NULL);
        for (int i = 0; i < steps; i++)
            assert_ok(plait_reactor_step(t.w.r, 0));
        plait_deferred_cancel(d);
        assert_err(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_ECANCELLED);
        end();
    }
    script.stays = false;
}

static void a_server_that_does_not_answer_is_given_up(void **state)
{
    static const struct plait_websocket_options options = {.timeout = 50 * 1000000};
    (void)state;
    script.stays = true;
    begin_script("HTTP/1.1 100 Continue\r\n\r\n");
    assert_err(connect_it("/", &options), PLAIT_ETIMEDOUT);
    end();
    script.stays = false;
}

static void a_reactor_that_ends_takes_a_dial_along(void **state)
{
    (void)state;
    script.stays = true;
    for (int steps = 0; steps < 30; steps += 10) {
        begin_script("HTTP/1.1 100 Continue\r\n\r\n");
        plait_deferred_ignore(dial("/", NULL));
        for (int i = 0; i < steps; i++)
            assert_ok(plait_reactor_step(t.w.r, 0));
        end();
    }
    script.stays = false;
}

static size_t close_it(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_abort(s);
    return in.len;
}

static void a_server_that_resets_is_told(void **state)
{
    static const struct plait_protocol resets = {.name = "resets", .data = close_it};
    (void)state;
    begin_script("");
    plait_listener_close(&listener);
    listen_on(plait_service_of(t.w.r, &resets, NULL));
    assert_err(connect_it("/", NULL), PLAIT_ERESET);
    end();
}

static void a_drain_ends_a_dial(void **state)
{
    (void)state;
    script.stays = true;
    begin_script("HTTP/1.1 100 Continue\r\n\r\n");
    struct plait_deferred *d = dial("/", NULL);
    for (int i = 0; i < 30; i++)
        assert_ok(plait_reactor_step(t.w.r, 0));
    struct plait_stream *last = NULL;
    for (struct plait__list *at = t.w.r->streams.next; at != &t.w.r->streams; at = at->next) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        if (strcmp(s->protocol->name, "websocket dial") == 0)
            last = s;
    }
    assert_non_null(last);
    plait_close(last);
    assert_err(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_EDRAINING);
    end();
    script.stays = false;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void a_dial_ends_once_whatever_allocation_fails(void **state)
{
    static const char *const protocols[] = {"p", NULL};
    static const struct plait_websocket_options options = {.protocols = protocols};
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            char url[64];
            plait_value value = {NULL, 0, NULL};
            begin();
            snprintf(url, sizeof url, "ws://127.0.0.1:%u/", port);
            const uint64_t at = t.w.heap.calls + k;
            t.w.heap.fail_at = at;
            struct plait_deferred *d = stream ? plait_websocket_connect_stream(t.w.r, url, &options)
                                              : plait_websocket_connect(t.w.r, url, &options, &client_handler, &client);
            const plait_err err = plait_reactor_run_until(t.w.r, d, &value);
            failed = t.w.heap.calls >= at;
            assert_true(err == PLAIT_OK || failed);
            t.w.heap.fail_at = 0;
            for (int i = 0; i < 3; i++) /* a stream that nobody takes goes after a moment */
                assert_ok(plait_reactor_step(t.w.r, plait_millis(6)));
            spin(&t.w);
            end();
            assert_true(k < 200);
        }
    }
}

static void a_dial_over_tls_ends_once_whatever_allocation_fails(void **state)
{
    bool failed = true;
    (void)state;
    for (uint64_t k = 1; failed && k < 80; k++) {
        static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
        memset(&t, 0, sizeof t);
        test_heap_init(&t.w.heap, 0);
        const struct plait_reactor_options options = {.allocator = &t.w.heap.allocator, .log = &quiet};
        t.w.r = plait_reactor_new(&options); /* nothing of the web is in it yet */
        const uint64_t at = t.w.heap.calls + k;
        t.w.heap.fail_at = at;
        struct plait_deferred *d = plait_websocket_connect(t.w.r, "wss://127.0.0.1:1/", NULL, &client_handler, &client);
        assert_int_not_equal(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_OK);
        failed = t.w.heap.calls >= at;
        t.w.heap.fail_at = 0;
        plait_reactor_free(&t.w.r);
        assert_int_equal(t.w.heap.live, 0);
    }
}

static ssize_t no_random(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    (void)buf;
    (void)len;
    return -EIO;
}

static void without_random_bytes_there_is_no_key(void **state)
{
    struct plait_sys_ops ops = *plait__sys_kernel()->ops;
    struct plait_sys sys = {.ops = &ops};
    (void)state;
    begin();
    struct plait_sys *kept = t.w.r->sys;
    ops.getrandom = no_random;
    t.w.r->sys = &sys;
    struct plait_deferred *d = dial("/", NULL);
    t.w.r->sys = kept;
    assert_err(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_EIO);
    end();
}

/* --- over TLS ----------------------------------------------------------------------------------------------------- */

static void a_websocket_over_tls(void **state)
{
    struct test_cert cert;
    struct plait_tls_client *trusting;
    struct plait_tls_server *tls;
    char url[64];
    (void)state;
    test_cert_make(&cert, NULL, &(struct test_cert_ask){.subject = "test", .san = "IP:127.0.0.1"});
    begin();
    plait_listener_close(&listener);
    const struct plait_tls_client_options trust = {.ca_pem = cert.cert_pem};
    const struct plait_tls_server_options certs = {.cert_pem = cert.cert_pem, .key_pem = cert.key_pem};
    assert_ok(plait_tls_server_new(t.w.r, &certs, &tls, NULL));
    assert_ok(plait_tls_client_new(t.w.r, &trust, &trusting, NULL));
    struct plait_address here;
    const struct plait_listen_options options = {.tls = tls};
    struct plait_resource *root = plait_resource_new(t.w.r);
    assert_ok(plait_resource_get(root, "", ws_accept, &t));
    assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &here));
    assert_ok(plait_listen(t.w.r, &here, &options, plait_http(root), &listener));
    plait_listener_address(listener, &here);
    plait_tls_server_unref(&tls);
    snprintf(url, sizeof url, "wss://127.0.0.1:%u/", here.port);
    const struct plait_websocket_options with = {.connect = {.tls = trusting}};
    plait_value value = {NULL, 0, NULL};
    struct plait_deferred *d = plait_websocket_connect(t.w.r, url, &with, &client_handler, &client);
    plait_tls_client_unref(&trusting);
    assert_ok(plait_reactor_run_until(t.w.r, d, &value));
    assert_non_null(plait_stream_tls(plait_websocket_stream(value.ptr)));
    plait_websocket_abort(value.ptr);
    d = plait_websocket_connect(t.w.r, url, NULL, &client_handler, &client);
    assert_err(plait_reactor_run_until(t.w.r, d, NULL), PLAIT_EVERIFY);
    end();
    test_cert_end(&cert);
}

TEST_MAIN(cmocka_unit_test(messages_go_there_and_back), cmocka_unit_test(the_server_may_end_it),
          cmocka_unit_test(what_is_asked_for_is_sent), cmocka_unit_test(answers_are_judged),
          cmocka_unit_test(refusals_say_why), cmocka_unit_test(a_head_that_never_ends_is_too_long),
          cmocka_unit_test(urls_and_options_are_judged_before), cmocka_unit_test(rules_for_targets_hold_for_websockets),
          cmocka_unit_test(a_dial_can_be_cancelled), cmocka_unit_test(a_server_that_does_not_answer_is_given_up),
          cmocka_unit_test(a_reactor_that_ends_takes_a_dial_along), cmocka_unit_test(a_server_that_resets_is_told),
          cmocka_unit_test(a_drain_ends_a_dial), cmocka_unit_test(a_dial_ends_once_whatever_allocation_fails),
          cmocka_unit_test(a_dial_over_tls_ends_once_whatever_allocation_fails),
          cmocka_unit_test(without_random_bytes_there_is_no_key), cmocka_unit_test(a_websocket_over_tls))
