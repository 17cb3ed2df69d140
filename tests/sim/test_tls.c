/* SPDX-License-Identifier: MIT
 *
 * TLS between two simulated hosts while the network splits, delays, cuts and takes less than it is given: every byte
 * arrives in order, or the connection is lost with a reason. The same seed gives the same run.
 */
#include "tests/support/certs.h"
#include "tests/support/test.h"

#include <plait/listen.h>
#include <plait/sim.h>
#include <plait/tls.h>

enum { TOTAL = 60000 };

static struct test_cert ca;
static struct test_cert cert;

struct run {
    struct plait_sim *sim;
    struct plait_tls_server *server;
    struct plait_tls_client *client;
    uint64_t received;
    unsigned secured;
    bool over;
    struct plait_fault fault;
    plait_time ended;
};

static int make(void **state)
{
    (void)state;
    test_cert_make(&ca, NULL, &(struct test_cert_ask){.subject = "root", .is_ca = true});
    test_cert_make(&cert, &ca, &(struct test_cert_ask){.subject = "server", .san = "DNS:server"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_cert_end(&ca);
    test_cert_end(&cert);
    return 0;
}

static size_t echo(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol echo_protocol = {.name = "echo", .data = echo};

static void secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    struct run *r = self;
    uint8_t bytes[1000];
    assert_true(tls->verified);
    r->secured++;
    for (size_t at = 0; at < TOTAL; at += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((at + i) * 31 >> 3);
        plait_write(s, plait_slice_of(bytes, sizeof bytes));
    }
}

static size_t check(struct plait_stream *s, plait_slice in, void *self)
{
    struct run *r = self;
    for (size_t i = 0; i < in.len; i++)
        assert_int_equal(in.ptr[i], (uint8_t)((r->received + i) * 31 >> 3));
    r->received += in.len;
    if (r->received == TOTAL)
        plait_close(s);
    return in.len;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct run *r = self;
    (void)s;
    r->over = true;
    r->fault = *fault;
    r->ended = plait_sim_now(r->sim);
}

static const struct plait_protocol checker = {.name = "checker", .secured = secured, .data = check, .lost = lost};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct run *r = ctx;
    if (result->fault.err == PLAIT_OK) {
        plait_stream_attach(plait_result_take(result).ptr, &checker, r);
        return;
    }
    r->over = true;
    r->fault = result->fault;
    result->fault.err = PLAIT_OK;
}

static bool goes_on(void *ctx)
{
    return !((struct run *)ctx)->over;
}

static struct run run_seed(uint64_t seed, unsigned faults)
{
    struct run r = {.sim = plait_sim_new(seed, faults)};
    struct plait_host *there = plait_sim_host(r.sim, "server");
    struct plait_host *here = plait_sim_host(r.sim, "client");
    struct plait_reactor *far = plait_host_reactor(there);
    struct plait_reactor *near = plait_host_reactor(here);
    struct plait_listener *listener;
    struct plait_address at;
    assert_true(far && near);
    assert_ok(
        plait_tls_server_new(far, &(struct plait_tls_server_options){.cert_pem = cert.both_pem}, &r.server, NULL));
    assert_ok(plait_tls_client_new(near, &(struct plait_tls_client_options){.ca_pem = ca.cert_pem}, &r.client, NULL));
    plait_host_address(there, PLAIT_ADDR_IP4, 443, &at);
    const struct plait_listen_options listening = {.tls = r.server};
    const struct plait_connect_options connecting = {.tls = r.client};
    assert_ok(plait_listen(far, &at, &listening, plait_service_of(far, &echo_protocol, NULL), &listener));
    assert_ok(plait_then(plait_connect_host(near, PLAIT_LIT("server"), 443, &connecting), got_stream, &r));
    plait_sim_run_while(r.sim, plait_seconds(600), goes_on, &r);
    assert_true(r.over);
    plait_sim_run_for(r.sim, plait_seconds(70));
    plait_listener_close(&listener);
    plait_tls_server_unref(&r.server);
    plait_tls_client_unref(&r.client);
    plait_sim_free(&r.sim);
    return r;
}

static void without_resets_every_byte_arrives(void **state)
{
    (void)state;
    for (uint64_t seed = test_seed(); seed < test_seed() + 100; seed++) {
        const struct run r = run_seed(seed, PLAIT_SIM_SPLIT | PLAIT_SIM_DELAY | PLAIT_SIM_SHORT);
        if (r.fault.err != PLAIT_OK || r.received != TOTAL || r.secured != 1)
            fail_msg("seed %llu: %s after %llu bytes", (unsigned long long)seed, plait_err_name(r.fault.err),
                     (unsigned long long)r.received);
    }
}

static void with_resets_a_connection_is_whole_or_lost_with_a_reason(void **state)
{
    (void)state;
    unsigned cut = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + 100; seed++) {
        const struct run r = run_seed(seed, PLAIT_SIM_ALL);
        if ((r.fault.err == PLAIT_OK) != (r.received == TOTAL))
            fail_msg("seed %llu: %s after %llu bytes", (unsigned long long)seed, plait_err_name(r.fault.err),
                     (unsigned long long)r.received);
        cut += r.fault.err != PLAIT_OK;
    }
    assert_true(cut > 0 && cut < 100);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        const struct run a = run_seed(seed, PLAIT_SIM_ALL);
        const struct run b = run_seed(seed, PLAIT_SIM_ALL);
        assert_int_equal(a.ended, b.ended);
        assert_int_equal(a.received, b.received);
        assert_int_equal(a.fault.err, b.fault.err);
    }
}

TEST_MAIN_WITH(make, end, cmocka_unit_test(without_resets_every_byte_arrives),
               cmocka_unit_test(with_resets_a_connection_is_whole_or_lost_with_a_reason),
               cmocka_unit_test(the_same_seed_gives_the_same_run))
