/* SPDX-License-Identifier: MIT
 *
 * Streams while the heap fails: TCP with names and limits, UNIX sockets with descriptors, pairs, pipes between streams.
 */
#include "tests/engine/heap_bed.h"

#include "engine/sys.h"

#include <fcntl.h>

/* 300 KB, so that chains and buffers grow. */
static uint8_t large[300000];

static plait_slice large_slice(void)
{
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 31 >> 3);
    return plait_slice_of(large, sizeof large);
}

/* The echo's listener: the one of round 0 when there is one. */
static bool listens(struct heap_bed *b, uint16_t port, const struct plait_listen_options *options)
{
    struct plait_listener *listener;
    const struct plait_address at = heap_at(b->server_host, port);
    if (!b->kept[0] &&
        plait_listen(b->server, &at, options, plait_service_of(b->server, &heap_echo, NULL), &listener) == PLAIT_OK)
        b->kept[0] = listener;
    return b->kept[0];
}

/* --- TCP ---------------------------------------------------------------------------------------------------------- */

static bool tcp_echo(struct heap_bed *b)
{
    struct heap_end e = {.say = large_slice()};
    if (!listens(b, 1007, NULL))
        return false;
    heap_end_await(&e, plait_connect_host(b->client, PLAIT_LIT("server"), 1007, NULL));
    heap_bed_pass(b, 100);
    return heap_end_check(&e);
}
HEAP_BOTH_SIDES(tcp_echo)

/* Several at once, more than the limit: those over it are closed at once. */
static bool tcp_limits(struct heap_bed *b)
{
    const struct plait_listen_options options = {.limits = {.connections = 3, .connections_per_peer = 2}};
    struct heap_end e[4] = {{0}};
    unsigned well = 0;
    if (!listens(b, 1008, &options))
        return false;
    for (size_t i = 0; i < TEST_COUNT(e); i++) {
        e[i].say = PLAIT_LIT("some words");
        heap_end_await(&e[i], plait_connect_host(b->client, PLAIT_LIT("server"), 1008, NULL));
    }
    heap_bed_pass(b, 100);
    for (size_t i = 0; i < TEST_COUNT(e); i++)
        well += heap_end_check(&e[i]);
    assert_int_equal(plait_listener_count(b->kept[0]), 0);
    return well >= 2;
}
HEAP_BOTH_SIDES(tcp_limits)

/* A host with an address where nobody listens before the right one. */
static bool tcp_race(struct heap_bed *b)
{
    struct heap_end e = {.say = PLAIT_LIT("some words")};
    struct plait_address at[2] = {heap_at(b->server_host, 0), heap_at(b->server_host, 0)};
    assert_ok(plait_address_parse_ip(PLAIT_LIT("10.0.9.9"), 0, &at[0]));
    if (b->round == 0)
        assert_ok(plait_host_set_addresses(b->server_host, at, 2));
    at[1].port = 1009;
    if (!b->kept[0]) {
        struct plait_listener *listener;
        if (plait_listen(b->server, &at[1], NULL, plait_service_of(b->server, &heap_echo, NULL), &listener) != PLAIT_OK)
            return false;
        b->kept[0] = listener;
    }
    heap_end_await(&e, plait_connect_host(b->client, PLAIT_LIT("server"), 1009, NULL));
    heap_bed_pass(b, 100);
    return heap_end_check(&e);
}
HEAP_BOTH_SIDES(tcp_race)

/* --- pairs and joints --------------------------------------------------------------------------------------------- */

static bool pair_echo(struct heap_bed *b)
{
    struct heap_end e = {.say = large_slice(), .asked = 0};
    struct plait_stream *near;
    struct plait_stream *far;
    if (plait_pair_new(b->r, &near, &far) != PLAIT_OK)
        return false;
    heap_end_attach(&e, near);
    plait_stream_attach(far, &heap_echo, NULL);
    heap_bed_pass(b, 100);
    return heap_end_check(&e);
}
HEAP_ONE_SIDE(pair_echo)

struct ended {
    unsigned count;
    plait_err err;
    int64_t num;
};

static void note(struct plait_result *result, void *ctx)
{
    struct ended *n = ctx;
    n->count++;
    n->err = result->fault.err;
    n->num = result->value.num;
    result->fault.err = PLAIT_OK;
}

/* near <-> (middle = middle) <-> far */
static bool pipe_between(struct heap_bed *b)
{
    struct heap_end e = {.say = large_slice()};
    struct ended piped = {0};
    struct plait_stream *s[4];
    if (plait_pair_new(b->r, &s[0], &s[1]) != PLAIT_OK)
        return false;
    if (plait_pair_new(b->r, &s[2], &s[3]) != PLAIT_OK) {
        plait_abort(s[0]);
        return false;
    }
    heap_end_attach(&e, s[0]);
    plait_stream_attach(s[3], &heap_echo, NULL);
    struct plait_deferred *d = plait_pipe(s[1], s[2], true);
    const bool asked = plait_then(d, note, &piped) == PLAIT_OK;
    if (!asked)
        plait_deferred_cancel(d);
    heap_bed_pass(b, 100);
    if (e.s) { /* the pipe could not be made: both ends were left to the caller */
        assert_null(d);
        plait_abort(e.s);
        plait_abort(s[1]);
        plait_abort(s[2]);
        heap_bed_pass(b, 1);
    }
    assert_int_equal(piped.count, asked);
    return heap_end_check(&e) && piped.err == PLAIT_OK && piped.num == 600000;
}
HEAP_ONE_SIDE(pipe_between)

/* --- UNIX sockets ------------------------------------------------------------------------------------------------- */

struct giver {
    struct plait_reactor *r;
    struct plait_sys *sys;
    unsigned lost, got;
    bool refused;
};

static void giver_connected(struct plait_stream *s, void *self)
{
    struct giver *g = self;
    int fds[2] = {-1, -1};
    if (g->sys->ops->pipe2(g->sys, fds, O_CLOEXEC | O_NONBLOCK) == 0) {
        g->refused = plait_write_fds(s, PLAIT_LIT("two"), fds, 2) != PLAIT_OK;
        g->sys->ops->close(g->sys, fds[0]);
        g->sys->ops->close(g->sys, fds[1]);
    }
    plait_close_write(s);
}

static void giver_fds(struct plait_stream *s, const int *fds, size_t count, void *self)
{
    struct giver *g = self;
    (void)s;
    for (size_t i = 0; i < count; i++)
        g->sys->ops->close(g->sys, fds[i]);
    g->got += (unsigned)count;
}

static void giver_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct giver *g = self;
    (void)s;
    (void)fault;
    g->lost++;
}

static const struct plait_protocol giver = {
    .name = "giver", .connected = giver_connected, .fds = giver_fds, .lost = giver_lost};

static void give(struct plait_result *result, void *ctx)
{
    if (result->fault.err == PLAIT_OK)
        plait_stream_attach(plait_result_take(result).ptr, &giver, ctx);
    else
        ((struct giver *)ctx)->lost++;
    result->fault.err = PLAIT_OK;
}

static struct giver givers[4];

static bool unix_descriptors(struct heap_bed *b)
{
    struct plait_address at;
    struct plait_listener *listener;
    struct giver *near = &givers[b->round * 2], *far = &givers[1];
    struct plait_host *host = b->r == b->server ? b->server_host : b->client_host;
    *near = (struct giver){.r = b->r, .sys = plait_host_sys(host)};
    *far = (struct giver){.r = b->r, .sys = plait_host_sys(host)};
    assert_ok(plait_address_unix(PLAIT_LIT("/run/giver"), &at));
    if (!b->kept[0]) {
        assert_ok(plait_host_write_file(host, "/run/here", "", 0));
        if (plait_listen(b->r, &at, NULL, plait_service_of(b->r, &giver, far), &listener) != PLAIT_OK)
            return false;
        b->kept[0] = listener;
    }
    struct plait_deferred *d = plait_connect_address(b->r, &at, NULL);
    if (plait_then(d, give, near) != PLAIT_OK) {
        plait_deferred_cancel(d);
        near->lost++;
    }
    heap_bed_pass(b, 100);
    assert_int_equal(near->lost, 1);
    assert_true(far->lost <= 1);
    if (b->round == 1) {
        listener = b->kept[0];
        plait_listener_close(&listener);
    }
    return near->got == 2 && far->got == 2 && far->lost == 1;
}
HEAP_ONE_SIDE(unix_descriptors)

TEST_MAIN(HEAP_TEST(tcp_echo_at_the_server), HEAP_TEST(tcp_echo_at_the_client), HEAP_TEST(tcp_limits_at_the_server),
          HEAP_TEST(tcp_limits_at_the_client), HEAP_TEST(tcp_race_at_the_server), HEAP_TEST(tcp_race_at_the_client),
          HEAP_TEST(pair_echo_alone), HEAP_TEST(pipe_between_alone), HEAP_TEST(unix_descriptors_alone))
