/* SPDX-License-Identifier: MIT
 *
 * The forward proxy: whole URLs, tunnels, where nobody may go, and who may come; what both proxies make of a CONNECT
 * over HTTP/2.
 */
#include "tests/web/http2_frames.h"
#include "tests/web/proxy_world.h"

static struct stage st;
static struct guest g;
static const struct plait_forward_proxy_options inside = {.targets.allow = "private", .targets.ports = "1-65535"};

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    if (farm_asked(head, "/silence"))
        return rest.len;
    if (farm_asked(head, "/shut"))
        plait_close(c->stream);
    else
        farm_echo(c, head);
    return rest.len;
}

static void begin_with(const struct plait_forward_proxy_options *options, const struct plait_auth_options *auth)
{
    struct plait_resource *root;
    farm_open(&st.farm, answer);
    assert_ok(plait_forward_proxy_new(st.farm.r, options, &root));
    if (auth)
        assert_ok(plait_auth_wrap(root, auth));
    st.service = plait__http_service_new(root, NULL);
    assert_non_null(st.service);
}

static void begin(void)
{
    begin_with(&inside, NULL);
}

static void end(void)
{
    guest_leave(&g);
    stage_close(&st);
}

static bool heard(const char *text)
{
    return strstr(st.farm.last, text) != NULL;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void a_whole_url_is_asked_of_its_host(void **state)
{
    (void)state;
    begin();
    guest_ask(&st, &g,
              "GET http://server:81/a%20b?c HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\n"
              "X-Forwarded-Proto: x\r\n\r\n");
    guest_expect(&g, 200, "/a%20b?c");
    assert_true(heard("GET /a%20b?c HTTP/1.1\r\nHost: server:81\r\n") && heard("Via: 1.1 plait\r\n"));
    assert_false(heard("Proxy-") || heard("Forwarded: for"));
    assert_true(heard("X-Forwarded-Proto: x\r\n"));
    g.len = 0;
    guest_send(&g, "GET HTTP://server/ HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 200, "/");
    g.len = 0;
    guest_send(&g, "GET http://server:80 HTTP/1.1\r\nHost: x\r\n\r\n"); /* the same origin */
    guest_expect(&g, 200, "/");
    assert_int_equal(st.farm.connections, 2);
    end();
}

static void what_is_no_whole_url_is_refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } row[] = {{"GET / HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"GET https://server/ HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"OPTIONS * HTTP/1.1\r\nHost: server\r\n\r\n", 204},
               {"TRACE http://server/ HTTP/1.1\r\nHost: server\r\n\r\n", 405},
               {"GET http://server:99999/ HTTP/1.1\r\nHost: server\r\n\r\n", 502},
               {"GET http://user@server/ HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT server HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT /server:80 HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT http://server:80 HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT :80 HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT server:0 HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT server:99999 HTTP/1.1\r\nHost: server\r\n\r\n", 400},
               {"CONNECT server:80 HTTP/1.1\r\nHost: server\r\nContent-Length: 1\r\n\r\nx", 400}};
    (void)state;
    begin();
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        guest_ask(&st, &g, row[i].text);
        if (guest_status(&g) != row[i].status)
            fail_msg("%.20s was given for %s", g.got, row[i].text);
        guest_leave(&g);
    }
    assert_int_equal(st.farm.connections, 0);
    stage_close(&st);
}

static void addresses_and_ports_that_are_not_allowed_are_forbidden(void **state)
{
    static const struct plait_forward_proxy_options ports = {.targets.allow = "private"};
    static const struct {
        const struct plait_forward_proxy_options *options;
        const char *text;
        int status;
    } row[] = {{NULL, "GET http://server/ HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {NULL, "CONNECT server:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {NULL, "CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {NULL, "CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {&ports, "GET http://server/ HTTP/1.1\r\nHost: x\r\n\r\n", 200},
               {&ports, "GET http://server:81/ HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {&ports, "CONNECT server:25 HTTP/1.1\r\nHost: x\r\n\r\n", 403},
               {&ports, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n", 200}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        begin_with(row[i].options, NULL);
        guest_ask(&st, &g, row[i].text);
        guest_expect(&g, row[i].status, NULL);
        end();
    }
}

static void a_server_that_fails_is_left_alone_no_longer_than_others(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        guest_ask(&st, &g, "GET http://server/shut HTTP/1.1\r\nHost: x\r\n\r\n");
        guest_expect(&g, 502, NULL);
        guest_leave(&g);
    }
    assert_int_equal(st.farm.requests, 6);
    guest_ask(&st, &g, "GET http://server/ HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 200, "/");
    end();
}

/* --- tunnels ------------------------------------------------------------------------------------------------------ */

static void a_tunnel_carries_bytes_both_ways(void **state)
{
    (void)state;
    begin();
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\nGET /one HTTP/1.1\r\nHost: s\r\n\r\n");
    guest_expect(&g, 200, NULL);
    assert_null(strstr(g.got, "Content-Length: 0"));
    assert_non_null(strstr(g.got, "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n/one"));
    guest_send(&g, "GET /two HTTP/1.1\r\nHost: s\r\n\r\n");
    assert_non_null(strstr(g.got, "/two"));
    assert_false(heard("Via"));
    plait_close_write(g.stream);
    stage_pass(&st, plait_seconds(3));
    assert_true(g.ended);
    assert_int_equal(st.farm.open, 0);
    end();
}

static void a_silent_tunnel_ends(void **state)
{
    struct plait_forward_proxy_options o = inside;
    (void)state;
    o.tunnel_idle = plait_seconds(10);
    begin_with(&o, NULL);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 200, "");
    stage_pass(&st, plait_seconds(11));
    assert_true(g.lost);
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

/* --- over HTTP/2 -------------------------------------------------------------------------------------------------- */

static struct h2_peer two;

static void send_two(void)
{
    plait_write(g.stream, plait_slice_of(two.out, two.out_len));
    two.out_len = 0;
    stage_pass(&st, plait_millis(50));
}

static void ask_two(const char *fields)
{
    guest_open(&st, &g);
    two.out_len = 0;
    h2_bytes(&two, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
    h2_frame(&two, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
    h2_headers(&two, OPEN, 1, fields);
    send_two();
}

static bool came(const char *text)
{
    return plait_slice_find(plait_slice_of(g.got, g.len), plait_slice_text(text), 0) != SIZE_MAX;
}

static void a_tunnel_may_be_a_stream_of_http2(void **state)
{
    (void)state;
    begin();
    ask_two(":method CONNECT\n:authority server:80\n");
    assert_int_equal(st.farm.connections, 1);
    h2_data(&two, 0, 1, "GET /one HTTP/1.1\r\nHost: s\r\n\r\n");
    send_two();
    assert_true(came("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n/one"));
    h2_data(&two, END, 1, "GET /two HTTP/1.1\r\nHost: s\r\n\r\n");
    send_two();
    stage_pass(&st, plait_seconds(3));
    assert_true(came("/two"));
    assert_int_equal(st.farm.open, 0);
    assert_non_null(g.stream); /* the client's connection goes on */
    end();
}

static size_t echo_all(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo = {.name = "echo", .data = echo_all};

static size_t upgrade(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    (void)rest;
    farm_say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Accept: origins\r\nX-Own: origins\r\n\r\nhello ");
    struct plait_stream *s = c->stream;
    c->farm->open--;
    c->farm->ended++;
    free(c);
    plait_stream_attach(s, &echo, NULL);
    return 0;
}

/* The origin is asked in HTTP/1.1, with a key of the proxy's own. */
static void a_websocket_over_http2_reaches_an_origin_of_http1(void **state)
{
    (void)state;
    stage_open(&st, upgrade, "http://server", NULL);
    ask_two(":method CONNECT\n:protocol websocket\n:scheme http\n:path /chat\n:authority site\n"
            "sec-websocket-version 13\n");
    assert_true(heard("GET /chat HTTP/1.1\r\n"));
    assert_true(heard("Connection: Upgrade\r\nUpgrade: websocket\r\n") && heard("sec-websocket-key: "));
    assert_true(came("hello "));
    h2_data(&two, 0, 1, "and back");
    send_two();
    assert_true(came("and back"));
    h2_number(&two, PLAIT__H2_RST_STREAM, 1, NGHTTP2_CANCEL);
    send_two();
    stage_pass(&st, plait_seconds(3));
    end();
}

static void a_drain_gives_no_tunnel_that_comes_late(void **state)
{
    const struct plait_sim_link slow = {.latency = plait_seconds(4)};
    (void)state;
    begin();
    assert_ok(plait_sim_set_link(st.farm.sim, st.farm.client, st.farm.server, &slow));
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(g.len, 0);
    plait_deferred_ignore(plait_drain(st.farm.r, plait_seconds(60)));
    stage_pass(&st, plait_seconds(30));
    assert_false(heard("200"));
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

static void there_are_only_so_many_tunnels(void **state)
{
    struct plait_forward_proxy_options o = inside;
    static struct guest second;
    (void)state;
    o.tunnels = 1;
    begin_with(&o, NULL);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 200, "");
    guest_ask(&st, &second, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&second, 503, NULL);
    guest_leave(&second);
    guest_leave(&g);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 200, "");
    end();
}

static void tunnels_may_be_forbidden_altogether(void **state)
{
    struct plait_forward_proxy_options o = inside;
    (void)state;
    o.no_connect = true;
    begin_with(&o, NULL);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 405, NULL);
    end();
}

static void a_host_that_can_not_be_reached_is_told(void **state)
{
    struct plait_forward_proxy_options o = inside;
    (void)state;
    o.connect = plait_seconds(2);
    begin_with(&o, NULL);
    guest_ask(&st, &g, "CONNECT server:9 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 502, NULL);
    guest_leave(&g);
    guest_ask(&st, &g, "CONNECT nowhere:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 502, NULL);
    guest_leave(&g);
    assert_ok(plait_sim_partition(st.farm.sim, st.farm.server, st.farm.client));
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(g.len, 0);
    stage_pass(&st, plait_seconds(2));
    guest_expect(&g, 504, NULL);
    guest_leave(&g);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_leave(&g); /* who leaves meanwhile ends it */
    plait_sim_heal(st.farm.sim, NULL, NULL);
    stage_pass(&st, plait_seconds(5));
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

static void a_service_that_drains_makes_no_tunnels(void **state)
{
    struct plait_stream *server;
    (void)state;
    begin();
    memset(&g, 0, sizeof g);
    g.stage = &st;
    assert_ok(plait_pair_new(st.farm.r, &server, &g.stream));
    plait_stream_attach(g.stream, &guest_protocol, &g);
    assert_ok(plait__http_open(st.service, server));
    plait_write(g.stream, PLAIT_LIT("CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 8; i++)
        plait_sim_run_for(st.farm.sim, plait_micros(10));
    struct plait_deferred *drained = plait_drain(st.farm.r, plait_seconds(1));
    assert_non_null(drained);
    stage_pass(&st, plait_seconds(5));
    assert_int_equal(guest_status(&g), 0);
    assert_true(g.lost);
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

static void elsewhere_connect_is_no_method(void **state)
{
    struct plait_resource *root;
    (void)state;
    farm_open(&st.farm, answer);
    root = plait_resource_new(st.farm.r);
    st.service = plait__http_service_new(root, NULL);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    guest_expect(&g, 501, NULL);
    end();
}

/* --- who may come ------------------------------------------------------------------------------------------------- */

static void check(struct plait_request *req, const struct plait_credentials *c, void *ctx)
{
    (void)ctx;
    if (plait_slice_equal(c->user, PLAIT_LIT("ann")))
        plait_auth_secret(req, PLAIT_LIT("secret"));
    else
        plait_auth_deny(req);
}

static void only_who_is_known_comes_through(void **state)
{
    static const struct plait_auth_options auth = {
        .schemes = PLAIT_AUTH_BASIC | PLAIT_AUTH_DIGEST | PLAIT_AUTH_BEARER, .check = check, .proxy = true};
    (void)state;
    begin_with(&inside, &auth);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n");
    guest_expect(&g, 407, NULL);
    assert_non_null(strstr(g.got, "Proxy-Authenticate: Basic realm=\"plait\""));
    assert_non_null(strstr(g.got, "Proxy-Authenticate: Digest realm=\"plait\""));
    assert_non_null(strstr(g.got, "Proxy-Authenticate: Bearer realm=\"plait\""));
    assert_null(strstr(g.got, "WWW-Authenticate"));
    guest_leave(&g);
    guest_ask(&st, &g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n");
    guest_expect(&g, 200, "");
    guest_leave(&g);
    guest_ask(&st, &g,
              "GET http://server/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n"
              "Authorization: Basic b3RoZXI6b3RoZXI=\r\n\r\n");
    guest_expect(&g, 200, "/");
    assert_true(heard("Authorization: Basic b3RoZXI6b3RoZXI=\r\n") && !heard("Proxy-"));
    end();
}

/* --- what can't be made ------------------------------------------------------------------------------------------- */

static void what_is_no_proxy_is_refused(void **state)
{
    static const struct plait_forward_proxy_options targets = {.targets.allow = "x"}, via = {.via = "a b"};
    struct plait_resource *root;
    struct farm farm;
    (void)state;
    farm_open(&farm, answer);
    assert_err(plait_forward_proxy_new(farm.r, &targets, &root), PLAIT_ESYNTAX);
    assert_err(plait_forward_proxy_new(farm.r, &via, &root), PLAIT_EINVAL);
    assert_null(root);
    farm_close(&farm);
}

static void exhaust(bool tunnel)
{
    bool worked = false;
    for (uint64_t k = 1; k < 400 && !worked; k++) {
        struct plait_resource *root;
        struct plait_stream *server;
        farm_open(&st.farm, answer);
        st.farm.heap.fail_at = st.farm.heap.calls + k;
        const plait_err err = plait_forward_proxy_new(st.farm.r, &inside, &root);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        st.service = err ? NULL : plait__http_service_new(root, NULL);
        memset(&g, 0, sizeof g);
        g.stage = &st;
        if (st.service && plait_pair_new(st.farm.r, &server, &g.stream) == PLAIT_OK) {
            plait_stream_attach(g.stream, &guest_protocol, &g);
            if (plait__http_open(st.service, server) != PLAIT_OK)
                plait_abort(server);
            if (!tunnel)
                guest_send(&g, "GET http://server/ HTTP/1.1\r\nHost: x\r\n\r\n");
            guest_send(&g, "CONNECT server:80 HTTP/1.1\r\nHost: x\r\n\r\n");
            if (tunnel)
                stage_pass(&st, plait_seconds(1));
            guest_leave(&g);
        }
        worked = st.farm.heap.calls < st.farm.heap.fail_at;
        st.farm.heap.fail_at = 0;
        stage_pass(&st, plait_seconds(3));
        if (st.service)
            plait__http_service_unref(st.service);
        farm_close(&st.farm);
    }
    assert_true(worked);
}

static void no_memory_fails_and_leaves_nothing(void **state)
{
    (void)state;
    exhaust(false);
    exhaust(true);
}

TEST_MAIN(cmocka_unit_test(a_whole_url_is_asked_of_its_host), cmocka_unit_test(what_is_no_whole_url_is_refused),
          cmocka_unit_test(addresses_and_ports_that_are_not_allowed_are_forbidden),
          cmocka_unit_test(a_server_that_fails_is_left_alone_no_longer_than_others),
          cmocka_unit_test(a_tunnel_carries_bytes_both_ways), cmocka_unit_test(a_silent_tunnel_ends),
          cmocka_unit_test(a_tunnel_may_be_a_stream_of_http2),
          cmocka_unit_test(a_websocket_over_http2_reaches_an_origin_of_http1),
          cmocka_unit_test(a_drain_gives_no_tunnel_that_comes_late), cmocka_unit_test(there_are_only_so_many_tunnels),
          cmocka_unit_test(tunnels_may_be_forbidden_altogether),
          cmocka_unit_test(a_host_that_can_not_be_reached_is_told),
          cmocka_unit_test(a_service_that_drains_makes_no_tunnels), cmocka_unit_test(elsewhere_connect_is_no_method),
          cmocka_unit_test(only_who_is_known_comes_through), cmocka_unit_test(what_is_no_proxy_is_refused),
          cmocka_unit_test(no_memory_fails_and_leaves_nothing))
