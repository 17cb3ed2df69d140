/* SPDX-License-Identifier: MIT
 *
 * A service with limits and clients that stay connected: the server comes late, takes few connections, and now and then
 * one breaks before it is accepted. Each client has its turn again and again, the limits hold, attempts at a server
 * that is away grow seldom, and the drain at the end gets rid of one that won't go.
 */
#include "engine/kinds.h"
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#include <errno.h>

#define CLIENTS 4
#define PEERS 2
#define PER_PEER 1
#define IN_ALL 2
#define AWAY plait_seconds(60)
#define GRACE plait_seconds(5)

struct world;

struct client {
    struct world *world;
    struct plait_reconnect *keeper;
    struct plait_stream *s;
    struct plait_timer hold;
    unsigned rounds;
};

struct world {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct client client[CLIENTS];
    unsigned open, of_peer[PEERS], drained;
    int64_t aborted;
};

/* --- the server --------------------------------------------------------------------------------------------------- */

static size_t serve_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

/* Clients are the second host and the third. */
static unsigned peer_of(struct plait_stream *s)
{
    struct plait_address a;
    plait_stream_peer(s, &a);
    return a.ip[3] == 2 ? 0 : 1;
}

static void serve_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct world *w = self;
    (void)fault;
    w->open--;
    w->of_peer[peer_of(s)]--;
}

static void serve_drain(struct plait_stream *s, void *self)
{
    (void)s; /* it will not go */
    (void)self;
}

static const struct plait_protocol server = {
    .name = "server", .data = serve_data, .drain = serve_drain, .lost = serve_lost};

static plait_err serve_open(struct plait_stream *s, void *ctx)
{
    struct world *w = ctx;
    if (++w->open > IN_ALL)
        plait_sim_fail(w->sim, "%u connections are open at once", w->open);
    if (++w->of_peer[peer_of(s)] > PER_PEER)
        plait_sim_fail(w->sim, "%u connections of one address are open at once", w->of_peer[peer_of(s)]);
    plait_stream_attach(s, &server, w);
    return PLAIT_OK;
}

static const struct plait_service_ops serve = {.name = "server", .open = serve_open};

/* --- a client ----------------------------------------------------------------------------------------------------- */

static void client_connected(struct plait_stream *s, void *self)
{
    ((struct client *)self)->s = s;
    plait_write(s, PLAIT_LIT("x"));
}

static size_t client_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct client *c = self;
    (void)s;
    c->rounds++;
    plait_timer_arm(&c->hold, plait_millis(1 + (int64_t)plait_sim_random(c->world->sim, 3000)));
    return in.len;
}

static void client_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct client *c = self;
    (void)s;
    (void)fault;
    c->s = NULL;
    plait_timer_stop(&c->hold);
}

static void hold_over(void *ctx)
{
    struct client *c = ctx;
    if (c->s)
        plait_close(c->s);
}

static const struct plait_protocol visitor = {
    .name = "visitor", .connected = client_connected, .data = client_data, .lost = client_lost};

static plait_err visit_open(struct plait_stream *s, void *ctx)
{
    plait_stream_attach(s, &visitor, ctx);
    return PLAIT_OK;
}

static const struct plait_service_ops visit = {.name = "visitor", .open = visit_open};

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool start_clients(struct world *w, unsigned peer, struct plait_host *host)
{
    const struct plait_reconnect_options options = {.max = plait_seconds(20)};
    struct plait_reactor *r = plait_host_reactor(host);
    if (!r || plait__endpoint_kinds_register(r) != PLAIT_OK)
        return false;
    for (unsigned i = peer; i < CLIENTS; i += PEERS) {
        struct client *c = &w->client[i];
        c->world = w;
        plait_timer_init(&c->hold, r, "hold", hold_over, c);
        c->keeper = plait_reconnect_start(r, "tcp:server:7", &options, plait_service_new(r, &visit, c));
        if (!c->keeper)
            return false;
    }
    return true;
}

static bool start_server(struct world *w, struct plait_host *host)
{
    const struct plait_listen_options options = {.limits = {.connections_per_peer = PER_PEER, .connections = IN_ALL}};
    const struct plait_sim_rule breaks = {
        .call = "accept4", .host = host, .os_errno = ECONNABORTED, .chance_num = 1, .chance_den = 8};
    struct plait_address at;
    w->r = plait_host_reactor(host);
    plait_host_address(host, PLAIT_ADDR_IP4, 7, &at);
    return w->r && plait_sim_add_rule(w->sim, &breaks) == PLAIT_OK &&
           plait_listen(w->r, &at, &options, plait_service_new(w->r, &serve, w), NULL) == PLAIT_OK;
}

static void drained(struct plait_result *result, void *ctx)
{
    struct world *w = ctx;
    w->drained++;
    w->aborted = result->value.num;
}

static void drain(struct world *w)
{
    const unsigned left = w->open;
    if (plait_then(plait_drain(w->r, GRACE), drained, w) != PLAIT_OK)
        plait_sim_fail(w->sim, "no memory");
    for (unsigned i = 0; i < CLIENTS; i++)
        plait_timer_stop(&w->client[i].hold);
    plait_sim_run_for(w->sim, GRACE + plait_seconds(5));
    if (w->drained != 1 || w->open > 0)
        plait_sim_fail(w->sim, "%u connections are there after the drain", w->open);
    else if (w->aborted > left)
        plait_sim_fail(w->sim, "the drain tells of %lld connections; there were %u", (long long)w->aborted, left);
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "server");
    struct world w = {.sim = sim};
    const unsigned before = (unsigned)plait_sim_call_count(sim, "connect");
    if (!start_clients(&w, 0, plait_sim_host(sim, "a")) || !start_clients(&w, 1, plait_sim_host(sim, "b")))
        plait_sim_fail(sim, "it could not begin");
    plait_sim_run_for(sim, AWAY);
    if (plait_sim_call_count(sim, "connect") - before > CLIENTS * 40)
        plait_sim_fail(sim, "%llu attempts in a minute", (unsigned long long)plait_sim_call_count(sim, "connect"));
    if (!start_server(&w, host))
        plait_sim_fail(sim, "the server could not start");
    plait_sim_run_for(sim, plait_seconds(240));
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (w.client[i].rounds < 2)
            plait_sim_fail(sim, "a client had %u turns in four minutes", w.client[i].rounds);
    }
    drain(&w);
    for (unsigned i = 0; i < CLIENTS; i++)
        plait_reconnect_stop(&w.client[i].keeper);
    plait_sim_run_for(sim, plait_seconds(120));
    plait_sim_check_end(sim);
}

/* Without LOSS: a reset that is lost would have a server count a connection that is gone. */
const struct plait_scenario scenario_service = {
    .name = "service", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_LOSS, .run = run};
