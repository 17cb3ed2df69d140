/* SPDX-License-Identifier: MIT
 *
 * A host in the middle joins each of its clients to a server (plait_pipe). The clients say more than anybody takes at
 * once, and stop reading now and then: nothing is lost, nothing changed, and what waits in the middle has a bound.
 */
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#define CLIENTS 3
#define TOTAL 40000
#define WAITING_MAX (1024 * 1024)

struct middle;

/* One client's connection in the middle. */
struct leg {
    struct middle *m;
    struct plait_stream *s;
    struct plait_deferred *connecting;
};

struct middle {
    struct plait_sim *sim;
    struct plait_reactor *r;
    unsigned begun, ended;
};

struct client {
    struct kit_sender sender;
    struct plait_timer nap;
    struct plait_sim *sim;
    bool asleep;
};

/* A reset that is lost on its way is noticed all the same. */
static void watch(struct plait_stream *s)
{
    if (plait_stream_keepalive(s, plait_seconds(5), plait_seconds(2), 3) != PLAIT_OK ||
        plait_stream_user_timeout(s, plait_seconds(15)) != PLAIT_OK)
        plait_abort(s);
}

/* --- the middle --------------------------------------------------------------------------------------------------- */

static void joint_ended(struct plait_result *result, void *ctx)
{
    struct middle *m = ctx;
    m->ended++;
    result->fault.err = PLAIT_OK;
}

static void leg_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct leg *leg = self;
    (void)s;
    (void)fault;
    leg->s = NULL;
    if (leg->connecting)
        plait_deferred_cancel(leg->connecting);
    else
        plait_mem_free(leg);
}

static const struct plait_protocol holding = {.name = "holding", .lost = leg_lost};

static void join(struct leg *leg, struct plait_stream *up)
{
    struct middle *m = leg->m;
    m->begun++;
    plait_resume(leg->s);
    if (plait_then(plait_pipe(leg->s, up, true), joint_ended, m) != PLAIT_OK)
        plait_sim_fail(m->sim, "no memory");
    plait_mem_free(leg);
}

static void reached(struct plait_result *result, void *ctx)
{
    struct leg *leg = ctx;
    leg->connecting = NULL;
    struct plait_stream *up = result->fault.err == PLAIT_OK ? plait_result_take(result).ptr : NULL;
    result->fault.err = PLAIT_OK;
    if (up && leg->s) {
        join(leg, up);
        return;
    }
    if (up)
        plait_abort(up);
    if (leg->s)
        plait_abort(leg->s); /* `lost` frees it */
    else
        plait_mem_free(leg);
}

static plait_err open_leg(struct plait_stream *s, void *ctx)
{
    struct middle *m = ctx;
    struct leg *leg = plait_mem_new(plait_reactor_budget(m->r), sizeof *leg);
    if (!leg)
        return PLAIT_ENOMEM;
    leg->m = m;
    leg->s = s;
    plait_stream_attach(s, &holding, leg);
    plait_pause(s);
    leg->connecting = plait_connect_host(m->r, PLAIT_LIT("server"), 7, NULL);
    if (plait_then(leg->connecting, reached, leg) != PLAIT_OK)
        plait_sim_fail(m->sim, "no memory");
    return PLAIT_OK;
}

static plait_err open_echo(struct plait_stream *s, void *ctx)
{
    watch(s);
    plait_stream_attach(s, &kit_echo, ctx);
    return PLAIT_OK;
}

static const struct plait_service_ops echo = {.name = "echo", .open = open_echo};
static const struct plait_service_ops relay = {.name = "relay", .open = open_leg};

/* --- clients ------------------------------------------------------------------------------------------------------ */

static void nap(void *ctx)
{
    struct client *c = ctx;
    if (!c->sender.stream)
        return;
    c->asleep = !c->asleep;
    if (c->asleep)
        plait_pause(c->sender.stream);
    else
        plait_resume(c->sender.stream);
    plait_timer_arm(&c->nap, plait_millis(1 + (int64_t)plait_sim_random(c->sim, 200)));
}

static void got_stream(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    if (result->fault.err != PLAIT_OK) {
        c->sender.lost = 1;
        c->sender.fault = result->fault;
        result->fault.err = PLAIT_OK;
        return;
    }
    struct plait_stream *s = plait_result_take(result).ptr;
    plait_stream_attach(s, &kit_sender, &c->sender);
    watch(s);
    plait_timer_arm(&c->nap, plait_millis(1));
}

static bool any_runs(void *ctx)
{
    const struct client *clients = ctx;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!clients[i].sender.lost)
            return true;
    }
    return false;
}

static bool listen_at(struct plait_host *host, struct plait_service *service)
{
    struct plait_listener *listener;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 7, &at);
    return plait_listen(plait_host_reactor(host), &at, NULL, service, &listener) == PLAIT_OK;
}

/* A reset on either side of the middle is a reset, or an early end, for the client. */
static void check(struct client *c)
{
    const struct kit_sender *k = &c->sender;
    const bool reset = plait_sim_fault_count(c->sim, PLAIT_SIM_RESET, NULL) > 0 ||
                       plait_sim_fault_count(c->sim, PLAIT_SIM_ERRNO, "setsockopt") > 0;
    if (k->lost != 1)
        plait_sim_fail(c->sim, "a client's stream ended %u times", k->lost);
    else if (!reset && (k->received != TOTAL || k->fault.err != PLAIT_OK))
        plait_sim_fail(c->sim, "%llu of %d bytes came back: %s", (unsigned long long)k->received, TOTAL,
                       plait_err_name(k->fault.err));
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *host = plait_sim_host(sim, "middle"),
                      *client = plait_sim_host(sim, "client");
    struct middle m = {.sim = sim, .r = plait_host_reactor(host)};
    struct plait_reactor *sr = plait_host_reactor(server), *cr = plait_host_reactor(client);
    struct client clients[CLIENTS] = {0};
    if (!m.r || !sr || !cr || !listen_at(server, plait_service_new(sr, &echo, sim)) ||
        !listen_at(host, plait_service_new(m.r, &relay, &m))) {
        plait_sim_fail(sim, "the servers could not start");
        return;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].sim = sim;
        clients[i].sender = (struct kit_sender){.sim = sim, .total = TOTAL, .hurry = true};
        plait_timer_init(&clients[i].nap, cr, "nap", nap, &clients[i]);
        if (plait_then(plait_connect_host(cr, PLAIT_LIT("middle"), 7, NULL), got_stream, &clients[i]))
            plait_sim_fail(sim, "no memory");
    }
    const size_t before = plait_reactor_budget(m.r)->used;
    while (any_runs(clients) && plait_sim_now(sim) < plait_seconds(600) && plait_sim_step(sim)) {
        if (plait_reactor_budget(m.r)->used > before + WAITING_MAX)
            plait_sim_fail(sim, "more than a megabyte waits in the middle");
    }
    plait_sim_run_for(sim, plait_seconds(70));
    for (unsigned i = 0; i < CLIENTS; i++)
        check(&clients[i]);
    if (m.begun != m.ended)
        plait_sim_fail(sim, "%u of %u joints ended", m.ended, m.begun);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_joined = {.name = "joined", .faults = PLAIT_SIM_ALL, .run = run};
