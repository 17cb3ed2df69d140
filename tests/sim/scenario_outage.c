/* SPDX-License-Identifier: MIT
 *
 * A client that stays connected, through outages: the server's power goes, its program is killed, the network is cut
 * both ways or one way. Whatever it was, once it is over the client gets through again, by itself.
 */
#include "engine/kinds.h"
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#define OUTAGES 4
#define PATIENCE plait_seconds(600)

enum kind { POWER, KILL, CUT, CUT_THERE, CUT_BACK, KINDS };
static const char *const names[KINDS] = {"a power cut", "a kill", "a cut", "a cut on the way there",
                                         "a cut on the way back"};

struct outage {
    struct plait_sim *sim;
    struct plait_host *server, *client;
    struct plait_reconnect *keeper;
    struct plait_timer beat;
    struct plait_stream *s;
    unsigned connected, lost, echoes, wanted;
};

/* --- the server --------------------------------------------------------------------------------------------------- */

static size_t echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

/* A client that went away unheard is noticed. */
static void echo_connected(struct plait_stream *s, void *self)
{
    (void)self;
    if (plait_stream_keepalive(s, plait_seconds(5), plait_seconds(2), 3) != PLAIT_OK ||
        plait_stream_user_timeout(s, plait_seconds(15)) != PLAIT_OK)
        plait_abort(s);
}

static const struct plait_protocol echo = {.name = "echo", .connected = echo_connected, .data = echo_data};

static bool serve(struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_listener *listener;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 7, &at);
    return r && plait_listen(r, &at, NULL, plait_service_of(r, &echo, NULL), &listener) == PLAIT_OK;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static void beat(void *ctx)
{
    struct outage *o = ctx;
    plait_write(o->s, PLAIT_LIT("x"));
    plait_timer_arm(&o->beat, plait_millis(400));
}

static void connected(struct plait_stream *s, void *self)
{
    struct outage *o = self;
    if (o->s)
        plait_sim_fail(o->sim, "a second connection beside the first");
    o->s = s;
    o->connected++;
    if (plait_stream_user_timeout(s, plait_seconds(15)) != PLAIT_OK) /* a server without power says nothing any more */
        plait_abort(s);
    beat(o);
}

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct outage *o = self;
    if (s != o->s)
        plait_sim_fail(o->sim, "bytes from a connection that was lost");
    o->echoes += (unsigned)in.len;
    return in.len;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct outage *o = self;
    (void)s;
    (void)fault;
    o->s = NULL;
    o->lost++;
    plait_timer_stop(&o->beat);
}

static const struct plait_protocol visitor = {.name = "visitor", .connected = connected, .data = data, .lost = lost};

static bool waits(void *ctx)
{
    const struct outage *o = ctx;
    return o->echoes < o->wanted;
}

static bool gets_through(struct outage *o)
{
    o->wanted = o->echoes + 12;
    return plait_sim_run_while(o->sim, PATIENCE, waits, o);
}

/* --- outages ------------------------------------------------------------------------------------------------------ */

static bool cut(struct outage *o, enum kind kind)
{
    if (kind == CUT || kind == CUT_THERE) {
        if (plait_sim_partition(o->sim, o->client, o->server) != PLAIT_OK)
            return false;
    }
    return kind == CUT_THERE || plait_sim_partition(o->sim, o->server, o->client) == PLAIT_OK;
}

static bool begin(struct outage *o, enum kind kind)
{
    if (kind == POWER)
        plait_host_crash(o->server);
    else if (kind == KILL)
        plait_host_kill(o->server);
    else
        return cut(o, kind);
    return true;
}

static bool over(struct outage *o, enum kind kind)
{
    plait_sim_heal(o->sim, NULL, NULL);
    if (kind == POWER)
        plait_host_restart(o->server);
    return kind > KILL || serve(o->server);
}

static void go_through(struct outage *o)
{
    const enum kind kind = (enum kind)plait_sim_random(o->sim, KINDS);
    const int64_t ms = 100 + (int64_t)plait_sim_random(o->sim, 40000);
    if (!begin(o, kind))
        plait_sim_fail(o->sim, "%s could not begin", names[kind]);
    plait_sim_run_for(o->sim, plait_millis(ms));
    if (!over(o, kind))
        plait_sim_fail(o->sim, "the server could not start again");
    if (!gets_through(o))
        plait_sim_fail(o->sim, "after %s of %lld ms the client did not get through again", names[kind], (long long)ms);
}

static void run(struct plait_sim *sim)
{
    struct outage o = {.sim = sim, .server = plait_sim_host(sim, "server"), .client = plait_sim_host(sim, "client")};
    struct plait_reactor *r = plait_host_reactor(o.client);
    const struct plait_reconnect_options options = {.first = plait_millis(500), .max = plait_seconds(10)};
    if (!r || !serve(o.server) || plait__endpoint_kinds_register(r) != PLAIT_OK) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    plait_timer_init(&o.beat, r, "beat", beat, &o);
    o.keeper = plait_reconnect_start(r, "tcp:server:7:timeout=20", &options, plait_service_of(r, &visitor, &o));
    if (!o.keeper || !gets_through(&o))
        plait_sim_fail(sim, "the client did not get through");
    for (int i = 0; i < OUTAGES && !plait_sim_failure(sim); i++)
        go_through(&o);
    plait_reconnect_stop(&o.keeper);
    plait_sim_run_for(sim, plait_seconds(70));
    if (o.s || o.connected != o.lost)
        plait_sim_fail(sim, "%u connections were lost of %u", o.lost, o.connected);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_outage = {.name = "outage", .faults = PLAIT_SIM_ALL, .run = run};
