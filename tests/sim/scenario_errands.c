/* SPDX-License-Identifier: MIT
 *
 * Errands of one host, many of each: programs that are run and answer, UNIX and TCP listeners that come and go while
 * somebody connects, datagrams over UDP and over a path. What each begins ends once. It is the scenario in which calls
 * are made that others make only before the world runs; with errnos by chance most errands fail somewhere.
 */
#include "tests/sim/scenarios.h"

#include <plait/datagram.h>
#include <plait/deferred.h>
#include <plait/listen.h>
#include <plait/process.h>

#define ROUNDS 60

struct errand {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct plait_timer timer;
    struct plait_listener *listener;
    struct plait_datagram *datagram;
    struct plait_address other;
    unsigned rounds, begun, ended, packets;
};

/* Only an errno that the world drew excuses what does not work. */
static void must(struct errand *e, plait_err err, const char *what)
{
    if (err && plait_sim_fault_count(e->sim, PLAIT_SIM_ERRNO, NULL) == 0)
        plait_sim_fail(e->sim, "%s failed: %s", what, plait_err_name(err));
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void ran(struct plait_result *result, void *ctx)
{
    struct errand *e = ctx;
    const struct plait_output *output = result->value.ptr;
    e->ended++;
    must(e, result->fault.err, "a program");
    if (!result->fault.err && !plait_slice_equal(plait_buf_slice(&output->out), PLAIT_LIT("over and out")))
        plait_sim_fail(e->sim, "a program said something else");
    result->fault.err = PLAIT_OK;
}

static void run_program(struct errand *e)
{
    struct plait_spawn_options options = {.path = "/bin/cat"};
    e->begun++;
    if (plait_then(plait_run_program(e->r, &options, PLAIT_LIT("over and out"), 1000), ran, e))
        plait_sim_fail(e->sim, "no memory");
}

/* --- listeners ---------------------------------------------------------------------------------------------------- */

static void say_hello(struct plait_stream *s, void *self)
{
    (void)self;
    plait_write(s, PLAIT_LIT("hello"));
    plait_close(s);
}

static size_t ignore(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)self;
    return in.len;
}

static const struct plait_protocol greets = {.name = "greets", .connected = say_hello, .data = ignore};

static void connected(struct plait_result *result, void *ctx)
{
    struct errand *e = ctx;
    e->ended++;
    must(e, result->fault.err, "a connection");
    if (!result->fault.err)
        plait_stream_attach(plait_result_take(result).ptr, &greets, NULL);
    result->fault.err = PLAIT_OK;
}

static void listen_once(struct errand *e, bool by_path)
{
    const struct plait_listen_options options = {.unix_mode = 0600};
    struct plait_address at = {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 1}};
    if (by_path)
        at = (struct plait_address){.kind = PLAIT_ADDR_UNIX, .name = "/tmp/door", .name_len = 9};
    const plait_err err = plait_listen(e->r, &at, &options, plait_service_of(e->r, &greets, NULL), &e->listener);
    must(e, err, "listening");
    if (err)
        return;
    plait_listener_address(e->listener, &at);
    e->begun++;
    if (plait_then(plait_connect_address(e->r, &at, NULL), connected, e))
        plait_sim_fail(e->sim, "no memory");
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static void packet(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    struct errand *e = self;
    (void)d;
    if (!plait_slice_equal(packet->bytes, PLAIT_LIT("datagram")))
        plait_sim_fail(e->sim, "a datagram came as another");
    e->packets++;
}

/* Another host answers what it hears, from the address that was asked. */
static void answer(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    struct errand *e = self;
    must(e, plait_send_from(d, packet->to, packet->from, packet->bytes), "answering");
}

static const struct plait_datagram_handler answers = {.name = "answers", .packet = answer};
static const struct plait_datagram_handler hears = {.name = "hears", .packet = packet};

static void send_datagrams(struct errand *e, bool by_path)
{
    struct plait_datagram_options options = {.bind = {.kind = PLAIT_ADDR_IP4}};
    if (by_path)
        options.bind = (struct plait_address){.kind = PLAIT_ADDR_UNIX, .name = "/tmp/box", .name_len = 8};
    options.unix_mode = 0600;
    const plait_err err = plait_datagram_open(e->r, &options, &hears, e, &e->datagram);
    must(e, err, "opening a datagram socket");
    if (err)
        return;
    struct plait_address self;
    plait_datagram_address(e->datagram, &self);
    for (unsigned i = 0; i < 5; i++) {
        must(e, plait_send(e->datagram, &self, PLAIT_LIT("datagram")), "sending");
        if (!by_path)
            must(e, plait_send(e->datagram, &e->other, PLAIT_LIT("datagram")), "sending to another host");
    }
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static void next_round(void *ctx)
{
    struct errand *e = ctx;
    plait_listener_close(&e->listener);
    plait_datagram_close(&e->datagram);
    if (e->rounds++ == ROUNDS)
        return;
    switch (plait_sim_random(e->sim, 5)) {
    case 0:
        run_program(e);
        break;
    case 1:
    case 2:
        listen_once(e, plait_sim_random(e->sim, 2));
        break;
    default:
        send_datagrams(e, plait_sim_random(e->sim, 2));
        break;
    }
    plait_timer_arm(&e->timer, plait_millis(500));
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "host");
    struct errand e = {.sim = sim, .r = plait_host_reactor(host)};
    if (!e.r || plait_host_add_program(host, "/bin/cat", plait_sim_program_cat(), NULL)) {
        plait_sim_fail(sim, "the host could not start");
        return;
    }
    struct plait_host *there = plait_sim_host(sim, "there");
    struct plait_datagram_options options = {.bind = {.kind = PLAIT_ADDR_IP4, .port = 9}};
    struct plait_datagram *server = NULL;
    plait_host_address(there, PLAIT_ADDR_IP4, 9, &e.other);
    must(&e, plait_datagram_open(plait_host_reactor(there), &options, &answers, &e, &server), "the other host");
    plait_timer_init(&e.timer, e.r, "errands", next_round, &e);
    plait_timer_arm(&e.timer, 0);
    plait_sim_run_for(sim, plait_seconds(200));
    if (e.rounds != ROUNDS + 1 || e.begun != e.ended)
        plait_sim_fail(sim, "after %u rounds %u of %u errands ended", e.rounds, e.ended, e.begun);
    if (e.packets == 0 && plait_sim_fault_count(sim, PLAIT_SIM_ERRNO, NULL) == 0)
        plait_sim_fail(sim, "no datagram came");
    plait_datagram_close(&server);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_errands = {.name = "errands", .faults = PLAIT_SIM_ALL, .run = run};
