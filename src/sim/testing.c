/* SPDX-License-Identifier: MIT
 *
 * Doubles for tests of protocols: a reactor alone in a world, a protocol that keeps what it gets, a transport made of
 * text. All of it is the real engine on the simulated kernel, or an in-memory pair; nothing here imitates a stream.
 *
 * Tests: tests/sim/test_testing.c.
 */
#include "base/try.h"
#include "sim/sim_socket.h"

#include <plait/testing.h>

#include <stdio.h>

#define KEPT_MAX (16u << 20)

/* --- a reactor with a clock to advance ---------------------------------------------------------------------------- */

/* A testbed is its world; the one host in it is found by its name. */
struct plait_testbed *plait_testbed_new(uint64_t seed)
{
    const struct plait_sim_options options = {.seed = seed};
    return plait__testbed_new(&options);
}

struct plait_testbed *plait__testbed_new(const struct plait_sim_options *options)
{
    struct plait_sim *sim = plait_sim_new_with(options);
    struct plait_host *host = sim ? plait_sim_host(sim, "alone") : NULL;
    if (host && plait_host_reactor(host))
        return (struct plait_testbed *)sim;
    plait_sim_free(&sim);
    return NULL;
}

struct plait_sim *plait_testbed_sim(struct plait_testbed *testbed)
{
    return (struct plait_sim *)testbed;
}

void plait_testbed_free(struct plait_testbed **testbed)
{
    struct plait_sim *sim = plait_testbed_sim(*testbed);
    *testbed = NULL;
    plait_sim_free(&sim);
}

struct plait_reactor *plait_testbed_reactor(struct plait_testbed *testbed)
{
    return plait_host_reactor(plait_sim_host(plait_testbed_sim(testbed), "alone"));
}

void plait_testbed_settle(struct plait_testbed *testbed)
{
    plait_sim_run_for(plait_testbed_sim(testbed), 0);
}

void plait_testbed_advance(struct plait_testbed *testbed, plait_span span)
{
    plait_sim_run_for(plait_testbed_sim(testbed), span);
}

/* --- what a program asked the network for ------------------------------------------------------------------------- */

void plait_testbed_record(struct plait_testbed *testbed, struct plait_recorder *recorder)
{
    plait_sim_host(plait_testbed_sim(testbed), "alone")->recorder = recorder;
    if (recorder)
        recorder->count = 0;
}

/* A place for the next one, or NULL when nobody records or the recorder is full. */
static struct plait_recorded *next_record(struct plait_host *host, enum plait_recorded_kind kind, int res)
{
    struct plait_recorder *r = host->recorder;
    if (!r || r->count++ >= sizeof r->item / sizeof r->item[0])
        return NULL;
    struct plait_recorded *item = &r->item[r->count - 1];
    *item = (struct plait_recorded){.kind = kind, .os_errno = res == -EINPROGRESS || res > 0 ? 0 : -res};
    return item;
}

void sim_record_socket(struct plait_host *host, enum plait_sys_call call, int fd, const struct sockaddr *addr,
                       socklen_t len, int res)
{
    int err;
    const struct sim_sock *s = host->recorder ? sim_fd_sock(host, fd, &err) : NULL;
    if (!s || (call == PLAIT_SYS_bind && s->type != SOCK_DGRAM))
        return;
    struct plait_recorded *item = next_record(host,
                                              call == PLAIT_SYS_listen    ? PLAIT_RECORDED_LISTEN
                                              : call == PLAIT_SYS_connect ? PLAIT_RECORDED_CONNECT
                                                                          : PLAIT_RECORDED_DATAGRAM,
                                              res);
    if (item && !addr)
        item->address = s->local;
    else if (item)
        (void)sim_address_read(s->domain, addr, len, &item->address);
}

void sim_record_spawn(struct plait_host *host, const char *path, int res)
{
    struct plait_recorded *item = next_record(host, PLAIT_RECORDED_SPAWN, res);
    if (item)
        (void)snprintf(item->program, sizeof item->program, "%s", path);
}

/* --- a protocol that keeps what it gets --------------------------------------------------------------------------- */

void plait_accumulator_init(struct plait_accumulator *accumulator, struct plait_budget *budget)
{
    *accumulator = (struct plait_accumulator){0};
    plait_buf_init(&accumulator->input, budget, KEPT_MAX);
}

void plait_accumulator_deinit(struct plait_accumulator *accumulator)
{
    plait_buf_deinit(&accumulator->input);
}

static void keep_connected(struct plait_stream *s, void *self)
{
    struct plait_accumulator *a = self;
    a->stream = s;
    a->connected++;
}

static size_t keep_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_accumulator *a = self;
    (void)s;
    if (a->paused)
        return 0;
    plait_buf_put(&a->input, in);
    return in.len;
}

static void keep_secured(struct plait_stream *s, const struct plait_tls_info *tls, void *self)
{
    struct plait_accumulator *a = self;
    (void)s;
    (void)tls;
    a->secured++;
}

static void keep_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait_accumulator *a = self;
    (void)s;
    (void)rest;
    a->eofs++;
}

static void keep_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait_accumulator *a = self;
    (void)s;
    a->stream = NULL;
    a->losses++;
    a->fault = *fault;
    a->fault.peer = NULL; /* what it points to goes with the stream */
}

const struct plait_protocol *plait_accumulator_protocol(void)
{
    static const struct plait_protocol protocol = {
        .name = "accumulator",
        .connected = keep_connected,
        .data = keep_data,
        .eof = keep_eof,
        .secured = keep_secured,
        .lost = keep_lost,
        .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT,
    };
    return &protocol;
}

/* --- a transport made of text ------------------------------------------------------------------------------------- */

plait_err plait_string_transport_open(struct plait_string_transport *transport, struct plait_reactor *reactor,
                                      const struct plait_protocol *protocol, void *self)
{
    struct plait_stream *far = NULL;
    PLAIT_TRY(plait_pair_new(reactor, &transport->stream, &far));
    plait_accumulator_init(&transport->recorder, plait_reactor_budget(reactor));
    transport->recorder.stream = far;
    plait_stream_attach(far, plait_accumulator_protocol(), &transport->recorder);
    plait_stream_attach(transport->stream, protocol, self);
    return PLAIT_OK;
}

void plait_string_transport_feed(struct plait_string_transport *transport, plait_slice bytes)
{
    if (transport->recorder.stream)
        plait_write(transport->recorder.stream, bytes);
}

void plait_string_transport_feed_eof(struct plait_string_transport *transport)
{
    if (transport->recorder.stream)
        plait_close_write(transport->recorder.stream);
}

plait_slice plait_string_transport_output(const struct plait_string_transport *transport)
{
    return plait_buf_slice(&transport->recorder.input);
}

void plait_string_transport_clear(struct plait_string_transport *transport)
{
    plait_buf_clear(&transport->recorder.input);
}

bool plait_string_transport_ended(const struct plait_string_transport *transport)
{
    return transport->recorder.eofs || transport->recorder.losses;
}

void plait_string_transport_close(struct plait_string_transport *transport)
{
    if (transport->recorder.stream)
        plait_abort(transport->recorder.stream);
}

void plait_string_transport_deinit(struct plait_string_transport *transport)
{
    plait_accumulator_deinit(&transport->recorder);
}
