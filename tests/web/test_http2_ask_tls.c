/* SPDX-License-Identifier: MIT
 *
 * WebSockets of a client over TLS: which HTTP they ride on at our own server, and at one that speaks HTTP/2 but takes
 * no WebSocket there.
 */
#include "tests/support/certs.h"
#include "tests/web/http2_farm.h"

#include "web/ws_handshake.h"

#include <plait/tls.h>
#include <plait/websocket.h>

static struct h2_farm f;
static struct test_cert ca, cert;
static struct plait_tls_client *tls;
static struct plait_http_client *client;
static int version; /* of the last request for a WebSocket */

/* --- the servers -------------------------------------------------------------------------------------------------- */

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    assert_ok(plait_websocket_send(ws, kind, message));
}

static const struct plait_websocket_handler far_handler = {.name = "far", .message = on_message};

static void accept_ws(struct plait_request *req, void *ctx)
{
    (void)ctx;
    version = plait_request_version(req);
    assert_ok(plait_websocket_accept(req, NULL, &far_handler, NULL, NULL));
}

static void listen_at(uint16_t port, const char *alpn, struct plait_service *service)
{
    struct plait_reactor *r = plait_host_reactor(f.base.server);
    struct plait_tls_server *server;
    struct plait_address at;
    const struct plait_tls_server_options options = {.cert_pem = cert.both_pem, .alpn = plait_slice_text(alpn)};
    assert_ok(plait_tls_server_new(r, &options, &server, NULL));
    plait_host_address(f.base.server, PLAIT_ADDR_IP4, port, &at);
    assert_ok(plait_listen(r, &at, &(struct plait_listen_options){.tls = server}, service, NULL));
    plait_tls_server_unref(&server);
}

static struct plait_service *site(bool no_http2)
{
    struct plait_resource *root = plait_resource_new(plait_host_reactor(f.base.server));
    const struct plait_http_options http = {.no_http2 = no_http2};
    assert_ok(plait_resource_get(root, "ws", accept_ws, NULL));
    return plait_http_with(root, &http);
}

/* A server of hand: HTTP/2 where it is chosen, HTTP/1.1 else. */
static plait_err by_hand(struct plait_stream *s, void *ctx)
{
    const struct plait_tls_info *info = plait_stream_tls(s);
    return plait_slice_equal(info->alpn, PLAIT_LIT("h2")) ? h2_farm_accept(s, ctx) : farm_accept(s, &f.base);
}

static const struct plait_service_ops by_hand_ops = {.name = "by hand", .open = by_hand};

/* HTTP/1.1 by hand: a WebSocket that says "one" and ends. */
static size_t say_one(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    char accept[PLAIT__WS_ACCEPT];
    const size_t at = plait_slice_find(head, PLAIT_LIT("Sec-WebSocket-Key: "), 0);
    assert_int_not_equal(at, SIZE_MAX);
    assert_ok(plait__ws_accept_of(plait_slice_sub(head, at + 19, at + 19 + PLAIT__WS_KEY), accept));
    plait_printf(c->stream,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %.*s\r\n\r\n\x81\x03one",
                 PLAIT__WS_ACCEPT, accept);
    plait_close(c->stream);
    return rest.len;
}

static void no_request(struct h2_server *c, uint32_t id, bool ended)
{
    (void)c;
    (void)ended;
    fail_msg("stream %u was asked for", id);
}

static void begin(void)
{
    version = 0;
    h2_farm_open(&f, no_request);
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&cert, &ca, &(struct test_cert_ask){.subject = "server", .san = "DNS:server"});
    listen_at(443, "", site(false));
    listen_at(444, "", site(true));
    f.base.answer = say_one;
    listen_at(445, "\x02h2\x08http/1.1", plait_service_new(plait_host_reactor(f.base.server), &by_hand_ops, &f));
    const struct plait_tls_client_options options = {.ca_pem = ca.cert_pem};
    assert_ok(plait_tls_client_new(f.base.r, &options, &tls, NULL));
    client = plait_http_client_new(f.base.r, NULL);
}

static void end(void)
{
    plait_http_client_free(&client);
    plait_tls_client_unref(&tls);
    h2_farm_close(&f);
    test_cert_end(&ca);
    test_cert_end(&cert);
}

/* --- the client --------------------------------------------------------------------------------------------------- */

struct near {
    unsigned ends, opened, lost;
    struct plait_fault dialled, fault;
    struct plait_websocket *ws;
    char log[64];
};

static void on_open(struct plait_websocket *ws, void *self)
{
    struct near *n = self;
    n->opened++;
    n->ws = ws;
}

static void on_back(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)ws;
    (void)kind;
    snprintf(((struct near *)self)->log, 64, "%.*s", PLAIT_ARG(message));
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct near *n = self;
    (void)ws;
    n->lost++;
    n->fault = *fault;
}

static const struct plait_websocket_handler handler = {
    .name = "near", .open = on_open, .message = on_back, .lost = on_lost};

static void dialled(struct plait_result *result, void *ctx)
{
    struct near *n = ctx;
    n->ends++;
    n->dialled = result->fault;
    plait_result_set(result, plait_value_num(0));
}

static void dial(struct near *n, const char *url, enum plait_http_version may)
{
    const struct plait_websocket_options o = {.client = client, .version = may, .connect = {.tls = tls}};
    memset(n, 0, sizeof *n);
    assert_ok(plait_then(plait_websocket_connect(f.base.r, url, &o, &handler, n), dialled, n));
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void the_server_chooses_what_they_ride_on(void **state)
{
    static const struct {
        const char *url;
        enum plait_http_version may;
        int spoken; /* 0: there is none */
    } rows[] = {{"wss://server/ws", PLAIT_HTTP_ANY, 20},    {"wss://server/ws", PLAIT_HTTP_2, 20},
                {"wss://server/ws", PLAIT_HTTP_1, 11},      {"wss://server:444/ws", PLAIT_HTTP_ANY, 11},
                {"wss://server:444/ws", PLAIT_HTTP_1, 11},  {"wss://server:444/ws", PLAIT_HTTP_2, 0},
                {"wss://server:446/ws", PLAIT_HTTP_ANY, 0}, {"wss://server/none", PLAIT_HTTP_ANY, 0}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct near n;
        begin();
        dial(&n, rows[i].url, rows[i].may);
        h2_farm_run(&f, 2000);
        assert_int_equal(n.ends, 1);
        assert_int_equal(n.opened, rows[i].spoken != 0);
        assert_int_equal(version, rows[i].spoken);
        if (n.ws) {
            assert_ok(plait_websocket_send(n.ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("there and back")));
            h2_farm_run(&f, 2000);
            assert_string_equal(n.log, "there and back");
            assert_ok(plait_websocket_close(n.ws, 1000, PLAIT_LIT("")));
            h2_farm_run(&f, 2000);
            assert_int_equal(n.lost, 1);
            assert_ok(n.fault.err);
        }
        end();
    }
}

static void several_of_http2_have_one_connection_and_of_http1_one_each(void **state)
{
    static const char *const urls[] = {"wss://server/ws", "wss://server:444/ws"};
    (void)state;
    for (size_t way = 0; way < 2; way++) {
        struct plait_http_client_counts counts;
        struct near n[5];
        begin();
        for (size_t i = 0; i < 5; i++)
            dial(&n[i], urls[way], PLAIT_HTTP_ANY);
        h2_farm_run(&f, 5000);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(n[i].opened, 1);
        plait_http_client_look(client, &counts);
        assert_int_equal(counts.made, way ? 5 : 1);
        assert_int_equal(counts.open, way ? 0 : 1); /* those of HTTP/1.1 are the pool's no more */
        for (size_t i = 0; i < 5; i++)
            plait_websocket_abort(n[i].ws);
        h2_farm_run(&f, 1000);
        end();
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(n[i].lost, 1);
    }
}

static void where_http2_takes_none_it_goes_by_http1(void **state)
{
    struct near n;
    (void)state;
    begin();
    dial(&n, "wss://server:445/ws", PLAIT_HTTP_ANY);
    h2_farm_run(&f, 2000);
    assert_int_equal(n.opened, 1);
    assert_string_equal(n.log, "one");
    assert_int_equal(f.conns, 1);
    assert_int_equal(f.base.connections, 1);
    dial(&n, "wss://server:445/ws", PLAIT_HTTP_2);
    h2_farm_run(&f, 2000);
    assert_int_equal(n.dialled.err, PLAIT_EUNSUPPORTED);
    assert_int_equal(f.conns, 2);
    end();
}

TEST_MAIN(cmocka_unit_test(the_server_chooses_what_they_ride_on),
          cmocka_unit_test(several_of_http2_have_one_connection_and_of_http1_one_each),
          cmocka_unit_test(where_http2_takes_none_it_goes_by_http1))
