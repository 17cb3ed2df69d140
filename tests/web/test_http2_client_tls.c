/* SPDX-License-Identifier: MIT
 *
 * Which HTTP the client speaks over TLS, and who shares a connection before that is known.
 */
#include "tests/support/certs.h"
#include "tests/web/client_world.h"

#include <plait/tls.h>

struct secure {
    struct farm farm;
    struct test_cert ca, cert;
    struct plait_tls_client *tls;
    struct plait_http_client *client;
    size_t connections, refused;
};

static void hello(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    plait_reply_write(req, plait_request_path(req));
    assert_ok(
        plait_reply_trailer(req, "X-Version", plait_request_version(req) == 20 ? PLAIT_LIT("two") : PLAIT_LIT("one")));
    plait_reply_end(req);
}

static void serve(struct secure *t, uint16_t port, const char *alpn, bool no_http2)
{
    struct plait_reactor *r = plait_host_reactor(t->farm.server);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_tls_server *tls;
    struct plait_address at;
    const struct plait_http_options http = {.no_http2 = no_http2};
    const struct plait_tls_server_options options = {.cert_pem = t->cert.both_pem, .alpn = plait_slice_text(alpn)};
    plait_resource_leaf(root);
    assert_ok(plait_resource_get(root, "", hello, NULL));
    assert_ok(plait_tls_server_new(r, &options, &tls, NULL));
    plait_host_address(t->farm.server, PLAIT_ADDR_IP4, port, &at);
    assert_ok(plait_listen(r, &at, &(struct plait_listen_options){.tls = tls}, plait_http_with(root, &http), NULL));
    plait_tls_server_unref(&tls);
}

/* A server that knows nothing of ALPN. */
static void serve_bare(struct secure *t, uint16_t port)
{
    struct plait_reactor *r = plait_host_reactor(t->farm.server);
    struct plait_tls_server *tls;
    struct plait_address at;
    const struct plait_tls_server_options options = {.cert_pem = t->cert.both_pem};
    assert_ok(plait_tls_server_new(r, &options, &tls, NULL));
    plait_host_address(t->farm.server, PLAIT_ADDR_IP4, port, &at);
    assert_ok(plait_listen(r, &at, &(struct plait_listen_options){.tls = tls},
                           plait_service_new(r, &farm_ops, &t->farm), NULL));
    plait_tls_server_unref(&tls);
}

static void secure_open(struct secure *t)
{
    memset(t, 0, sizeof *t);
    farm_open(&t->farm, NULL);
    test_cert_make(&t->ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&t->cert, &t->ca, &(struct test_cert_ask){.subject = "server", .san = "DNS:server"});
    serve(t, 443, "", false);
    serve(t, 444, "", true);
    serve(t, 445, "\x01x", false);
    serve_bare(t, 446);
    const struct plait_tls_client_options options = {.ca_pem = t->ca.cert_pem};
    assert_ok(plait_tls_client_new(t->farm.r, &options, &t->tls, NULL));
    t->client = plait_http_client_new(t->farm.r, NULL);
}

static void secure_close(struct secure *t)
{
    plait_http_client_free(&t->client);
    plait_tls_client_unref(&t->tls);
    farm_close(&t->farm);
    test_cert_end(&t->ca);
    test_cert_end(&t->cert);
}

static void the_server_chooses_the_version(void **state)
{
    static const struct {
        const char *url;
        enum plait_http_version version;
        int spoken; /* 0: there is no answer */
    } rows[] = {
        {"https://server/a", PLAIT_HTTP_ANY, 20},    {"https://server/a", PLAIT_HTTP_2, 20},
        {"https://server/a", PLAIT_HTTP_1, 11},      {"https://server:444/a", PLAIT_HTTP_ANY, 11},
        {"https://server:444/a", PLAIT_HTTP_1, 11},  {"https://server:444/a", PLAIT_HTTP_2, 0},
        {"https://server:445/a", PLAIT_HTTP_ANY, 0}, {"https://server:445/a", PLAIT_HTTP_1, 11},
        {"https://server:446/a", PLAIT_HTTP_2, 0},
    };
    struct secure t;
    (void)state;
    secure_open(&t);
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        const struct plait_fetch_options options = {.version = rows[i].version, .connect = {.tls = t.tls}};
        struct plait_response *response;
        const plait_err err = farm_get(&t.farm, t.client, rows[i].url, &options, &response);
        assert_int_equal(err == PLAIT_OK, rows[i].spoken != 0);
        if (err)
            continue;
        assert_int_equal(plait_response_version(response), rows[i].spoken);
        assert_slice(plait_response_body(response), "/a");
        assert_slice(plait_response_trailer(response, "x-version"), rows[i].spoken == 20 ? "two" : "one");
        plait_response_free(&response);
    }
    secure_close(&t);
}

static void who_waits_for_the_first_connection_joins_it(void **state)
{
    static const struct {
        const char *url;
        size_t made;
        plait_err err;
    } rows[] = {{"https://server/a", 1, PLAIT_OK},
                {"https://server:444/a", 16, PLAIT_OK},
                {"https://server:500/a", 20, PLAIT_EREFUSED}};
    struct farm_end end[20];
    (void)state;
    for (size_t row = 0; row < TEST_COUNT(rows); row++) {
        struct secure t;
        struct plait_http_client_counts counts;
        secure_open(&t);
        const struct plait_fetch_options options = {.connect = {.tls = t.tls}};
        memset(end, 0, sizeof end);
        for (size_t i = 0; i < TEST_COUNT(end); i++)
            farm_start(t.client, rows[row].url, &options, &end[i]);
        plait_sim_run_for(t.farm.sim, plait_seconds(20));
        for (size_t i = 0; i < TEST_COUNT(end); i++) {
            assert_int_equal(end[i].ends, 1);
            assert_int_equal(end[i].fault.err, rows[row].err);
            plait_response_free(&end[i].response);
        }
        plait_http_client_look(t.client, &counts);
        assert_int_equal(counts.made, rows[row].made);
        secure_close(&t);
    }
}

/* Who had the connection made leaves: it is for the next. */
static void a_connection_that_is_being_made_is_passed_on(void **state)
{
    struct secure t;
    struct farm_end end[3] = {{0}};
    struct plait_deferred *first;
    (void)state;
    secure_open(&t);
    const struct plait_fetch_options options = {.connect = {.tls = t.tls}};
    first = farm_start(t.client, "https://server/a", &options, &end[0]);
    for (size_t i = 1; i < 3; i++)
        farm_start(t.client, "https://server/b", &options, &end[i]);
    plait_sim_run_for(t.farm.sim, 1);
    plait_deferred_cancel(first);
    plait_sim_run_for(t.farm.sim, plait_seconds(10));
    assert_int_equal(end[0].fault.err, PLAIT_ECANCELLED);
    for (size_t i = 1; i < 3; i++) {
        assert_ok(end[i].fault.err);
        assert_slice(plait_response_body(end[i].response), "/b");
        plait_response_free(&end[i].response);
    }
    struct plait_http_client_counts counts;
    plait_http_client_look(t.client, &counts);
    assert_int_equal(counts.made, 1);
    secure_close(&t);
}

TEST_MAIN(cmocka_unit_test(the_server_chooses_the_version),
          cmocka_unit_test(who_waits_for_the_first_connection_joins_it),
          cmocka_unit_test(a_connection_that_is_being_made_is_passed_on))
