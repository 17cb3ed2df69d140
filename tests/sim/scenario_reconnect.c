/* SPDX-License-Identifier: MIT
 *
 * Clients that stay connected while misfortunes come over the server and the ways to it: its program is killed, its
 * host loses power, packets are lost in one direction or in both, for one client or for all. After each of them every
 * client gets through again; meanwhile attempts grow seldom, and who waits for the connection is told once.
 */
#include "base/try.h"
#include "engine/kinds.h"
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#define CLIENTS 3
#define HOSTS 2 /* of clients */
#define ROUNDS 5
#define FIRST plait_seconds(1)
#define DELAY_MAX plait_seconds(8)
#define PATIENCE plait_seconds(5)
#define BEAT plait_millis(1500)
#define SILENCE plait_seconds(6)
#define AWAY_MAX 60
#define BACK plait_seconds(120) /* all are back within */

enum misfortune { KILL, CRASH, CUT_TO, CUT_FROM, CUT_BOTH, CUT_ONE, MISFORTUNES };
static const char *const misfortunes[MISFORTUNES] = {
    "its program was killed", "its power failed", "nothing reached it",
    "nothing came from it",   "it was cut off",   "it was cut off from one host",
};

struct world;

struct client {
    struct world *world;
    struct plait_reconnect *keeper;
    struct plait_stream *s;
    struct plait_timer beat;
    uint8_t said, heard; /* of this connection, modulo 256 */
    plait_time heard_at, lost_at;
    bool back;       /* heard something since all is well */
    bool was_up;     /* the next attempt follows a connection, not a failure */
    unsigned asked;  /* that wait for the connection */
    unsigned told;   /* of them */
    size_t patience; /* failures until they are told of one; 0: never */
};

struct world {
    struct plait_sim *sim;
    struct plait_host *server, *from[HOSTS];
    struct client client[CLIENTS];
};

/* --- the server --------------------------------------------------------------------------------------------------- */

/* Who is gone without a word is found out by probes. */
static plait_err serve_open(struct plait_stream *s, void *ctx)
{
    PLAIT_TRY(plait_stream_keepalive(s, plait_seconds(5), plait_seconds(2), 3));
    PLAIT_TRY(plait_stream_user_timeout(s, plait_seconds(20)));
    plait_stream_attach(s, &kit_echo, ctx);
    return PLAIT_OK;
}

static const struct plait_service_ops serve = {.name = "server", .open = serve_open};

static bool start_server(struct world *w)
{
    struct plait_reactor *r = plait_host_reactor(w->server);
    struct plait_address at;
    plait_host_address(w->server, PLAIT_ADDR_IP4, 7, &at);
    return r && plait_listen(r, &at, NULL, plait_service_new(r, &serve, w->sim), NULL) == PLAIT_OK;
}

/* --- a client ----------------------------------------------------------------------------------------------------- */

static void say(struct client *c)
{
    plait_write(c->s, plait_slice_of(&c->said, 1));
    c->said++;
    plait_timer_arm(&c->beat, BEAT);
}

static void beat(void *ctx)
{
    struct client *c = ctx;
    if (!c->s)
        return;
    if (plait_now(c->beat.reactor) - c->heard_at > SILENCE)
        plait_abort(c->s);
    else
        say(c);
}

static void client_connected(struct plait_stream *s, void *self)
{
    struct client *c = self;
    if (c->s)
        plait_sim_fail(c->world->sim, "a client has two connections");
    c->s = s;
    c->said = c->heard = 0;
    c->heard_at = plait_now(c->beat.reactor);
    say(c);
}

static size_t client_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct client *c = self;
    (void)s;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != c->heard++)
            plait_sim_fail(c->world->sim, "a client hears what another connection said");
    }
    c->heard_at = plait_now(c->beat.reactor);
    c->back = true;
    return in.len;
}

static void client_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct client *c = self;
    (void)s;
    (void)fault;
    c->s = NULL;
    c->lost_at = plait_now(c->beat.reactor);
    c->was_up = true;
    plait_timer_stop(&c->beat);
}

static const struct plait_protocol visitor = {
    .name = "visitor", .connected = client_connected, .data = client_data, .lost = client_lost};

static plait_err visit_open(struct plait_stream *s, void *ctx)
{
    plait_stream_attach(s, &visitor, ctx);
    return PLAIT_OK;
}

static const struct plait_service_ops visit = {.name = "visitor", .open = visit_open};

/* The first attempt after a connection comes after the first delay, however long the last one had grown. */
static void traced(const char *what, const struct plait_address *address, plait_err err, void *ctx)
{
    struct client *c = ctx;
    (void)address;
    (void)err;
    if (what[0] != 'a' || !c->was_up)
        return;
    const plait_span after = plait_now(c->beat.reactor) - c->lost_at;
    c->was_up = false;
    if (after < FIRST * 7 / 10 || after > FIRST * 13 / 10)
        plait_sim_fail(c->world->sim, "the first attempt after a connection came after %lld ms",
                       (long long)(after / plait_millis(1)));
}

/* --- who waits for a connection ----------------------------------------------------------------------------------- */

static void told(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    c->told++;
    if (result->fault.err != PLAIT_OK && c->patience == 0)
        plait_sim_fail(c->world->sim, "who waits without end was told of %s", plait_err_name(result->fault.err));
    else if (result->fault.err == PLAIT_OK && !result->value.ptr)
        plait_sim_fail(c->world->sim, "who waited for a stream got none");
    result->fault.err = PLAIT_OK;
}

static void ask(struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->client[i];
        c->asked++;
        if (plait_then(plait_reconnect_when(c->keeper, c->patience), told, c) != PLAIT_OK)
            plait_sim_fail(w->sim, "no memory");
    }
}

/* --- misfortunes -------------------------------------------------------------------------------------------------- */

static void cut(struct world *w, enum misfortune what)
{
    struct plait_host *const whom = what == CUT_ONE ? w->from[0] : NULL;
    plait_err err = PLAIT_OK;
    if (what != CUT_FROM)
        err = plait_sim_partition(w->sim, whom, w->server);
    if (err == PLAIT_OK && what != CUT_TO)
        err = plait_sim_partition(w->sim, w->server, whom);
    if (err != PLAIT_OK)
        plait_sim_fail(w->sim, "no memory");
}

static void strike(struct world *w, enum misfortune what)
{
    if (what == KILL)
        plait_host_kill(w->server);
    else if (what == CRASH)
        plait_host_crash(w->server);
    else
        cut(w, what);
}

static void mend(struct world *w, enum misfortune what)
{
    plait_sim_heal(w->sim, NULL, NULL);
    plait_host_restart(w->server);
    if (what <= CRASH && !start_server(w))
        plait_sim_fail(w->sim, "the server could not start again");
}

static bool any_away(void *ctx)
{
    const struct world *w = ctx;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!w->client[i].back)
            return true;
    }
    return false;
}

static void all_get_through(struct world *w, const char *after)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        w->client[i].back = false;
    if (!plait_sim_run_while(w->sim, BACK, any_away, w))
        plait_sim_fail(w->sim, "a client never got through again after %s", after);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (w->client[i].told != w->client[i].asked)
            plait_sim_fail(w->sim, "of %u that waited for a connection %u were told", w->client[i].asked,
                           w->client[i].told);
    }
}

/* The delays are 1, 1.5, 2.3, 3.4, 5.1, 7.6 and then 8 s, a quarter more or less. */
static void misfortune(struct world *w, enum misfortune what)
{
    const uint64_t away = plait_sim_random(w->sim, AWAY_MAX);
    const uint64_t before = plait_sim_call_count(w->sim, "connect");
    plait_sim_log(w->sim, "from now on %s, for %llu s", misfortunes[what], (unsigned long long)away);
    strike(w, what);
    ask(w); /* some are told at once: their connections still seem to stand */
    plait_sim_run_for(w->sim, plait_millis((int64_t)away * 500));
    ask(w);
    plait_sim_run_for(w->sim, plait_millis((int64_t)away * 500));
    const uint64_t attempts = plait_sim_call_count(w->sim, "connect") - before;
    if (attempts > CLIENTS * (8 + away / 5))
        plait_sim_fail(w->sim, "%llu attempts in %llu s", (unsigned long long)attempts, (unsigned long long)away);
    mend(w, what);
    all_get_through(w, misfortunes[what]);
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool start_client(struct world *w, struct client *c, struct plait_host *host)
{
    const struct plait_reconnect_options options = {
        .first = FIRST,
        .max = DELAY_MAX,
        .connect = {.timeout = PATIENCE, .family = PLAIT_ONLY_IP4, .trace = traced, .trace_ctx = c}};
    struct plait_reactor *r = plait_host_reactor(host);
    if (!r)
        return false;
    c->world = w;
    plait_timer_init(&c->beat, r, "beat", beat, c);
    c->keeper = plait_reconnect_start(r, "tcp:server:7", &options, plait_service_new(r, &visit, c));
    return c->keeper != NULL;
}

static bool start(struct world *w)
{
    static const char *const names[HOSTS] = {"a", "b"};
    w->server = plait_sim_host(w->sim, "server");
    if (!w->server || !start_server(w))
        return false;
    for (unsigned i = 0; i < HOSTS; i++) {
        w->from[i] = plait_sim_host(w->sim, names[i]);
        struct plait_reactor *r = w->from[i] ? plait_host_reactor(w->from[i]) : NULL;
        if (!r || plait__endpoint_kinds_register(r) != PLAIT_OK)
            return false;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->client[i].patience = i;
        if (!start_client(w, &w->client[i], w->from[i % HOSTS]))
            return false;
    }
    return true;
}

static void run(struct plait_sim *sim)
{
    struct world w = {.sim = sim};
    if (!start(&w)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    all_get_through(&w, "the beginning");
    for (unsigned round = 0; round < ROUNDS; round++)
        misfortune(&w, (enum misfortune)plait_sim_random(sim, MISFORTUNES));
    for (unsigned i = 0; i < CLIENTS; i++) {
        plait_reconnect_stop(&w.client[i].keeper);
        plait_timer_stop(&w.client[i].beat);
    }
    plait_sim_run_for(sim, plait_seconds(120));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_reconnect = {.name = "reconnect", .faults = PLAIT_SIM_ALL, .run = run};
