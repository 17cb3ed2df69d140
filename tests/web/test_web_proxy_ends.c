/* SPDX-License-Identifier: MIT
 *
 * The reverse proxy where things end otherwise than one hopes: slow sides, silence, heads that are too long, what
 * layers did before, no memory.
 */
#include "tests/web/proxy_world.h"

#include <plait/tls.h>

static struct stage st;
static struct guest g;

static void end(void)
{
    guest_leave(&g);
    stage_close(&st);
}

static size_t answer(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    if (!farm_asked(head, "/silence"))
        farm_echo(c, head);
    return rest.len;
}

/* --- slow sides --------------------------------------------------------------------------------------------------- */

static void a_client_that_stops_inside_its_body_is_told_by_the_server(void **state)
{
    const struct plait_reverse_proxy_options o = {.idle = plait_seconds(6), .times.first_byte = plait_seconds(6)};
    (void)state;
    stage_open(&st, answer, "http://server", &o);
    guest_ask(&st, &g, "POST /silence HTTP/1.1\r\nHost: site\r\nContent-Length: 9\r\n\r\nhalf");
    stage_pass(&st, plait_seconds(19));
    assert_int_equal(g.len, 0);
    stage_pass(&st, plait_seconds(2));
    guest_expect(&g, 408, NULL);
    assert_int_equal(st.farm.open, 0);
    end();
}

static struct plait_stream *deaf_stream;

static void stand_down(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    (void)s;
    (void)fault;
    (void)self;
    deaf_stream = NULL;
}

static const struct plait_protocol stands = {.name = "stands", .lost = stand_down};

static plait_err open_deaf(struct plait_stream *s, void *ctx)
{
    deaf_stream = s;
    plait_stream_attach(s, &stands, ctx);
    plait_pause(s);
    return PLAIT_OK;
}

static void an_origin_that_still_takes_the_request_is_not_late(void **state)
{
    const struct plait_reverse_proxy_options o = {.times.first_byte = plait_seconds(5)};
    static const struct plait_service_ops ops = {.name = "deaf", .open = open_deaf};
    static char block[100001];
    struct plait_address at;
    (void)state;
    stage_open(&st, answer, "http://server:82", &o);
    plait_host_address(st.farm.server, PLAIT_ADDR_IP4, 82, &at);
    struct plait_reactor *r = plait_host_reactor(st.farm.server);
    assert_ok(plait_listen(r, &at, NULL, plait_service_new(r, &ops, NULL), NULL));
    guest_ask(&st, &g, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 300000\r\n\r\n");
    memset(block, 'b', sizeof block - 1);
    for (int i = 0; i < 3; i++)
        guest_send(&g, block);
    stage_pass(&st, plait_seconds(30)); /* the kernel's buffers are full: it is the origin that does not read */
    assert_int_equal(g.len, 0);
    assert_non_null(deaf_stream);
    plait_resume(deaf_stream);
    stage_pass(&st, plait_seconds(10));
    guest_expect(&g, 504, NULL); /* it has read all, and says nothing */
    end();
}

static char much[1 << 20];

static size_t answer_much(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    memset(much, 'x', sizeof much);
    farm_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
    for (int i = 0; i < 4; i++)
        plait_write(c->stream, plait_slice_of(much, sizeof much));
    return rest.len;
}

static void an_origin_that_waits_for_the_client_is_not_late(void **state)
{
    const struct plait_reverse_proxy_options o = {.idle = plait_seconds(3)};
    (void)state;
    stage_open(&st, answer_much, "http://server", &o);
    guest_open(&st, &g);
    plait_pause(g.stream);
    guest_send(&g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    stage_pass(&st, plait_seconds(30));
    assert_false(g.lost);
    plait_resume(g.stream);
    stage_pass(&st, plait_seconds(10));
    guest_expect(&g, 200, NULL);
    assert_false(g.lost);
    end();
}

static void an_origin_that_can_not_be_reached_in_time_is_tried_once_more(void **state)
{
    const struct plait_reverse_proxy_options o = {.connect.timeout = plait_seconds(2)};
    (void)state;
    stage_open(&st, answer, "http://server", &o);
    assert_ok(plait_sim_partition(st.farm.sim, st.farm.server, st.farm.client));
    guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    stage_pass(&st, plait_seconds(3));
    assert_int_equal(g.len, 0);
    stage_pass(&st, plait_seconds(2));
    guest_expect(&g, 504, NULL);
    plait_sim_heal(st.farm.sim, NULL, NULL);
    end();
}

/* --- heads -------------------------------------------------------------------------------------------------------- */

static void a_long_head_passes_and_leaves_no_memory_behind(void **state)
{
    char text[9000];
    (void)state;
    stage_open(&st, answer, "http://server", NULL);
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: site\r\nX: %08000d\r\n\r\n", 1);
    guest_ask(&st, &g, text);
    guest_expect(&g, 200, "/");
    end();
}

static size_t answer_long(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    plait_printf(c->stream, "HTTP/1.1 200 OK\r\nX: %016350d\r\n\r\n", 1);
    return rest.len;
}

static void an_answer_whose_head_has_no_room_for_ours_is_refused(void **state)
{
    const struct plait_reverse_proxy_options o = {.via = "a-name-that-takes-more-room-than-the-answer-leaves"};
    (void)state;
    stage_open(&st, answer_long, "http://server", &o);
    guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    guest_expect(&g, 502, NULL);
    end();
}

/* --- what was before ---------------------------------------------------------------------------------------------- */

static void pass_on(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)body;
    (void)ctx;
    plait_request_pass(req);
}

static void read_it(struct plait_request *req, void *ctx)
{
    assert_ok(plait_request_collect(req, 100, pass_on, ctx));
}

static void a_body_that_a_layer_has_read_can_not_be_passed_on(void **state)
{
    static const struct plait_layer reader = {.name = "reader", .request = read_it};
    struct plait_resource *root;
    (void)state;
    farm_open(&st.farm, answer);
    assert_ok(plait_reverse_proxy_new(st.farm.r, "http://server", NULL, &root));
    assert_ok(plait_resource_wrap(root, &reader, NULL));
    st.service = plait__http_service_new(root, NULL);
    guest_ask(&st, &g, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 2\r\n\r\nab");
    guest_expect(&g, 500, NULL);
    end();
}

static size_t upgrade_later(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    (void)head;
    plait_pause(c->stream);
    return rest.len;
}

#define WEBSOCKET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void a_client_that_ended_its_side_gets_no_other_protocol(void **state)
{
    const struct plait_reverse_proxy_options o = {.half_closed = true};
    (void)state;
    stage_open(&st, upgrade_later, "http://server", &o);
    guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
    plait_close_write(g.stream);
    stage_pass(&st, plait_millis(50));
    assert_int_equal(st.farm.open, 1);
    plait_write(st.farm.newest->stream, PLAIT_LIT("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"));
    stage_pass(&st, plait_millis(50));
    assert_int_equal(g.len, 0);
    assert_true(g.lost);
    stage_close(&st);
}

static void an_origin_over_tls_is_asked_with_the_callers_context(void **state)
{
    const struct plait_tls_client_options insecure = {.insecure = true};
    struct plait_reverse_proxy_options o = {.retries = UINT32_MAX};
    struct plait_resource *proxy;
    (void)state;
    farm_open(&st.farm, answer);
    assert_ok(plait_tls_client_new(st.farm.r, &insecure, &o.connect.tls, NULL));
    assert_ok(plait_target_rules_new(st.farm.r, NULL, &o.connect.targets));
    assert_ok(plait_reverse_proxy_new(st.farm.r, "https://server,http://server", &o, &proxy));
    plait_tls_client_unref(&o.connect.tls); /* the proxy has its own */
    plait_target_rules_unref(&o.connect.targets);
    st.service = plait__http_service_new(proxy, NULL);
    guest_ask(&st, &g, "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    guest_expect(&g, 502, NULL); /* the simulated network's addresses are private ones */
    assert_int_equal(st.farm.connections, 0);
    end();
}

/* --- many, and no memory ------------------------------------------------------------------------------------------ */

static void many_requests_leave_few_objects_behind(void **state)
{
    static struct plait_stream *guests[300];
    static const struct plait_protocol nobody = {.name = "nobody"};
    struct plait_stream *server;
    (void)state;
    stage_open(&st, answer, "http://server", NULL);
    for (size_t i = 0; i < TEST_COUNT(guests); i++) {
        assert_ok(plait_pair_new(st.farm.r, &server, &guests[i]));
        plait_stream_attach(guests[i], &nobody, NULL);
        assert_ok(plait__http_open(st.service, server));
        plait_write(guests[i], PLAIT_LIT("GET /silence HTTP/1.1\r\nHost: site\r\n\r\n"));
    }
    stage_pass(&st, plait_millis(500));
    assert_int_equal(st.farm.open, 256);
    for (size_t i = 0; i < TEST_COUNT(guests); i++)
        plait_abort(guests[i]);
    stage_pass(&st, plait_seconds(1));
    assert_int_equal(st.farm.open, 0);
    stage_close(&st);
}

/* A type that needs memory of its own, and another protocol where it is asked for. */
static size_t answer_large(struct farm_conn *c, plait_slice head, plait_slice rest)
{
    if (plait_slice_find(head, PLAIT_LIT("Upgrade: websocket"), 0) == SIZE_MAX)
        plait_printf(c->stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: %0600d\r\nContent-Type: %0600d\r\n\r\n.", 1,
                     1);
    else
        farm_say(c, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nx");
    return rest.len;
}

#define TEN "%20%20%20%20%20%20%20%20%20%20"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* Each allocation fails once: what can't be made is told, what can't be asked is answered, and nothing is left. */
static void no_memory_fails_and_leaves_nothing(void **state)
{
    const struct plait_reverse_proxy_options o = {.trust = "unix", .health = "/", .upgrades = "websocket"};
    bool worked = false;
    (void)state;
    for (uint64_t k = 1; k < 400 && !worked; k++) {
        struct plait_resource *root;
        farm_open(&st.farm, answer_large);
        st.farm.heap.fail_at = st.farm.heap.calls + k;
        const plait_err err = plait_reverse_proxy_new(st.farm.r, "http://server,https://server:9/x", &o, &root);
        st.service = err ? NULL : plait__http_service_new(root, NULL);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        struct plait_stream *server;
        memset(&g, 0, sizeof g);
        g.stage = &st;
        if (st.service && plait_pair_new(st.farm.r, &server, &g.stream) == PLAIT_OK) {
            plait_stream_attach(g.stream, &guest_protocol, &g);
            if (plait__http_open(st.service, server) != PLAIT_OK)
                plait_abort(server);
            guest_send(&g, "POST /teapot HTTP/1.1\r\nHost: site\r\nContent-Length: 2\r\n\r\nab");
            const int status = guest_status(&g);
            if (g.len > 0 && status != 200 && status != 504 && status != 502 && status != 503)
                fail_msg("%.300s", g.got);
            guest_send(&g, "GET /chat" LONG " HTTP/1.1\r\nHost: site\r\n" WEBSOCKET);
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

TEST_MAIN(cmocka_unit_test(a_client_that_stops_inside_its_body_is_told_by_the_server),
          cmocka_unit_test(an_origin_that_still_takes_the_request_is_not_late),
          cmocka_unit_test(an_origin_that_waits_for_the_client_is_not_late),
          cmocka_unit_test(an_origin_that_can_not_be_reached_in_time_is_tried_once_more),
          cmocka_unit_test(a_long_head_passes_and_leaves_no_memory_behind),
          cmocka_unit_test(an_answer_whose_head_has_no_room_for_ours_is_refused),
          cmocka_unit_test(a_body_that_a_layer_has_read_can_not_be_passed_on),
          cmocka_unit_test(a_client_that_ended_its_side_gets_no_other_protocol),
          cmocka_unit_test(an_origin_over_tls_is_asked_with_the_callers_context),
          cmocka_unit_test(many_requests_leave_few_objects_behind),
          cmocka_unit_test(no_memory_fails_and_leaves_nothing))
