/* SPDX-License-Identifier: MIT
 *
 * Limits on requests: so many in a time and client, so many under way.
 */
#include "tests/web/http_world.h"

#include <plait/listen.h>
#include <plait/sim.h>
#include <plait/site.h>

static struct peer p;

/* --- requests in a time ------------------------------------------------------------------------------------------- */

struct net {
    struct plait_sim *sim;
    struct plait_host *server, *near, *other;
};

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "hello");
}

static void net_open(struct net *n, const struct plait_rate_options *options, enum plait_address_kind kind)
{
    struct plait_address at;
    n->sim = plait_sim_new(1, 0);
    n->server = plait_sim_host(n->sim, "server");
    n->near = plait_sim_host(n->sim, "near");
    n->other = plait_sim_host(n->sim, "other");
    struct plait_reactor *r = plait_host_reactor(n->server);
    struct plait_resource *root = plait_resource_new(r);
    assert_ok(plait_resource_get(root, "", hello, NULL));
    assert_ok(plait_rate_wrap(root, options));
    plait_host_address(n->server, kind, 80, &at);
    assert_ok(plait_listen(r, &at, NULL, plait_http(root), NULL));
}

static void net_close(struct net *n)
{
    plait_sim_check_end(n->sim);
    assert_null(plait_sim_failure(n->sim));
    plait_sim_free(&n->sim);
}

struct got {
    int status;
    char wait[16];
};

static void on_response(struct plait_result *result, void *ctx)
{
    struct got *g = ctx;
    if (result->fault.err)
        return;
    const plait_slice wait = plait_response_field(result->value.ptr, "retry-after");
    g->status = plait_response_status(result->value.ptr);
    (void)snprintf(g->wait, sizeof(g->wait), "%.*s", PLAIT_ARG(wait));
    plait_result_set(result, plait_value_num(0));
}

static struct got ask_from(struct net *n, struct plait_host *host)
{
    struct got got = {0, ""};
    assert_ok(plait_then(plait_http_get(plait_host_reactor(host), "http://server/", NULL), on_response, &got));
    plait_sim_run_for(n->sim, plait_millis(20));
    return got;
}

static void a_bucket_holds_a_burst_and_fills(void **state)
{
    const struct plait_rate_options options = {.rate = 0.5, .burst = 3};
    struct net n;
    (void)state;
    net_open(&n, &options, PLAIT_ADDR_IP4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask_from(&n, n.near).status, 200);
    struct got got = ask_from(&n, n.near);
    assert_int_equal(got.status, 429);
    assert_string_equal(got.wait, "2");
    assert_int_equal(ask_from(&n, n.other).status, 200);
    plait_sim_run_for(n.sim, plait_millis(1000));
    got = ask_from(&n, n.near);
    assert_int_equal(got.status, 429);
    assert_string_equal(got.wait, "1");
    plait_sim_run_for(n.sim, plait_millis(1000));
    assert_int_equal(ask_from(&n, n.near).status, 200);
    assert_int_equal(ask_from(&n, n.near).status, 429);
    net_close(&n);
}

static void the_table_of_clients_is_bounded(void **state)
{
    const struct plait_rate_options options = {.rate = 0.1, .clients = 1};
    struct net n;
    (void)state;
    net_open(&n, &options, PLAIT_ADDR_IP4);
    assert_int_equal(ask_from(&n, n.near).status, 200);
    assert_int_equal(ask_from(&n, n.near).status, 429);
    assert_int_equal(ask_from(&n, n.other).status, 200); /* now `near` is forgotten */
    assert_int_equal(ask_from(&n, n.near).status, 200);
    net_close(&n);
}

static void a_network_of_64_bits_is_one_client(void **state)
{
    const struct plait_rate_options options = {.rate = 0.1};
    struct net n;
    (void)state;
    net_open(&n, &options, PLAIT_ADDR_IP6);
    assert_int_equal(ask_from(&n, n.near).status, 200);
    assert_int_equal(ask_from(&n, n.other).status, 429);
    net_close(&n);
}

static void who_has_no_address_is_not_limited(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", hello, NULL));
    assert_ok(plait_rate_wrap(w.root, &(const struct plait_rate_options){.rate = 1}));
    world_serve(&w, NULL);
    for (int i = 0; i < 3; i++) {
        ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(status_of(&p), 200);
    }
    world_close(&w);
}

static void rates_are_judged(void **state)
{
    static const double wrong[] = {0, -1, 0.0001, 1000001};
    struct world w;
    (void)state;
    world_open(&w);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct plait_resource *other = plait_resource_new(w.r);
        assert_err(plait_rate_wrap(other, &(const struct plait_rate_options){.rate = wrong[i]}), PLAIT_EINVAL);
        assert_null(plait_http(other));
    }
    assert_err(plait_rate_wrap(w.root, &(const struct plait_rate_options){.rate = 1, .burst = 1000001}), PLAIT_EINVAL);
    assert_err(plait_rate_wrap(NULL, &(const struct plait_rate_options){.rate = 1}), PLAIT_ENOMEM);
    assert_err(plait_in_flight_wrap(NULL, 1), PLAIT_ENOMEM);
    plait_resource_unref(&w.root);
    world_close(&w);
}

/* Without memory for its bucket a client is not limited. */
static void memory_may_fail(void **state)
{
    (void)state;
    for (uint64_t k = 1; k < 40; k++) {
        struct test_heap heap;
        static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
        test_heap_init(&heap, 0);
        const struct plait_reactor_options options = {.allocator = &heap.allocator, .log = &quiet};
        struct plait_reactor *r = plait_reactor_new(&options);
        struct plait_resource *root = plait_resource_new(r);
        struct plait_listener *listener;
        struct plait_address at;
        char url[40];
        assert_ok(plait_resource_get(root, "", hello, NULL));
        assert_ok(plait_rate_wrap(root, &(const struct plait_rate_options){.rate = 1000}));
        assert_ok(plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), 0, &at));
        assert_ok(plait_listen(r, &at, NULL, plait_http(root), &listener));
        plait_listener_address(listener, &at);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", at.port);
        struct plait_deferred *d = plait_http_get(r, url, NULL);
        heap.fail_at = heap.calls + k;
        const plait_err err = plait_reactor_run_until(r, d, NULL);
        assert_true(err == PLAIT_OK || plait_err_class_of(err) != PLAIT_CLASS_USAGE);
        heap.fail_at = 0;
        plait_listener_close(&listener);
        plait_reactor_free(&r);
        assert_int_equal(heap.live, 0);
    }
}

/* --- requests under way ------------------------------------------------------------------------------------------- */

static struct plait_request *held[3];
static size_t held_count;

static void hold(struct plait_request *req, void *ctx)
{
    (void)ctx;
    held[held_count++] = req;
}

static void so_many_are_under_way(void **state)
{
    static struct peer first, second;
    struct world w;
    (void)state;
    held_count = 0;
    world_open(&w);
    assert_ok(plait_resource_get(w.root, "", hold, NULL));
    assert_ok(plait_in_flight_wrap(w.root, 2));
    world_serve(&w, NULL);
    peer_open(&w, &first);
    peer_send(&w, &first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_open(&w, &second);
    peer_send(&w, &second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(&p), 503);
    assert_int_equal(count_of(&p, "Retry-After: 1\r\n"), 1);
    plait_reply_text(held[0], 200, "done");
    peer_open(&w, &p);
    peer_send(&w, &p, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(held_count, 3);
    peer_close(&w, &first);
    peer_close(&w, &second);
    plait_request_drop(held[1]);
    peer_close(&w, &p);
    world_close(&w); /* while one is under way */
}

TEST_MAIN(cmocka_unit_test(a_network_of_64_bits_is_one_client), cmocka_unit_test(a_bucket_holds_a_burst_and_fills),
          cmocka_unit_test(the_table_of_clients_is_bounded), cmocka_unit_test(who_has_no_address_is_not_limited),
          cmocka_unit_test(rates_are_judged), cmocka_unit_test(memory_may_fail),
          cmocka_unit_test(so_many_are_under_way))
