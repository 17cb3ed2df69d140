/* SPDX-License-Identifier: MIT
 *
 * Names with dead addresses beside a living one: packets to the dead ones vanish. The race must find the living one as
 * soon as its turn comes, whatever its family and wherever it stands in the list (RFC 8305), and leave nothing of the
 * attempts that lost.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/resolve.h>

#include <string.h>

enum { RACES = 24, ADDRESSES = 4 };
#define DELAY plait_millis(250)
#define PATIENCE plait_seconds(40)

/* What a name leads to: s and f are dead (IPv6, IPv4), S and F alive. */
static const char *const lists[] = {"sF", "fS", "ssF", "ffS", "sfSF", "sfF", "sfS", "sF"};

struct names {
    struct plait_address dead[2], alive[2]; /* IPv6, IPv4 */
};

struct race {
    struct plait_sim *sim;
    struct plait_reactor *r;
    const char *list;
    struct plait_stream *s;
    plait_time began;
    plait_span took;
    unsigned ends, lost;
    plait_err err;
};

static struct plait_deferred *resolve(struct plait_reactor *r, plait_slice name, enum plait_family family, void *ctx)
{
    const struct names *names = ctx;
    struct plait_address found[ADDRESSES];
    size_t count = 0;
    plait_value value;
    for (size_t i = 0; i < name.len && count < ADDRESSES; i++) {
        const bool six = name.ptr[i] == 's' || name.ptr[i] == 'S';
        const bool dead = name.ptr[i] == 's' || name.ptr[i] == 'f';
        if (family == (six ? PLAIT_ONLY_IP6 : PLAIT_ONLY_IP4))
            found[count++] = (dead ? names->dead : names->alive)[!six];
    }
    if (count == 0)
        return plait_deferred_fail(r, plait_fault_make(PLAIT_ENAMENOTFOUND, "resolve"));
    if (plait_addresses_new(r, found, count, &value) != PLAIT_OK)
        return NULL;
    struct plait_deferred *d = plait_deferred_new(r, "names", NULL, NULL);
    if (d)
        plait_fire(d, value);
    else
        value.destroy(value.ptr);
    return d;
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct race *race = self;
    (void)s;
    (void)fault;
    race->s = NULL;
    race->lost++;
}

static const struct plait_protocol held = {.name = "held", .lost = lost};
static const struct plait_protocol server = {.name = "server"};

static void ended(struct plait_result *result, void *ctx)
{
    struct race *race = ctx;
    race->took = plait_now(race->r) - race->began;
    race->err = result->fault.err;
    race->ends++;
    result->fault.err = PLAIT_OK;
    if (race->err != PLAIT_OK)
        return;
    race->s = plait_result_take(result).ptr;
    plait_stream_attach(race->s, &held, race);
}

static void start(struct race *race)
{
    const struct plait_connect_options options = {.timeout = PATIENCE, .attempt_delay = DELAY};
    race->began = plait_now(race->r);
    if (plait_then(plait_connect_host(race->r, plait_slice_text(race->list), 7, &options), ended, race) != PLAIT_OK)
        plait_sim_fail(race->sim, "no memory");
}

/* Without losses the living address wins when as many delays have passed as there are addresses before it at most. */
static void judge(struct plait_sim *sim, const struct race *race)
{
    const bool lossy =
        plait_sim_fault_count(sim, PLAIT_SIM_LOSS, NULL) > 0 || plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    const plait_span due = (plait_span)strlen(race->list) * DELAY + plait_millis(100);
    if (race->ends != 1)
        plait_sim_fail(sim, "the race for %s ended %u times", race->list, race->ends);
    else if (race->err != PLAIT_OK && !lossy)
        plait_sim_fail(sim, "nobody won for %s: %s", race->list, plait_err_name(race->err));
    else if (race->took > (lossy ? PATIENCE + plait_millis(10) : due))
        plait_sim_fail(sim, "the race for %s took %lld ms", race->list, (long long)(race->took / 1000000));
}

static bool serve(struct plait_host *host, const struct plait_address *at)
{
    struct plait_reactor *r = plait_host_reactor(host);
    return r && plait_listen(r, at, NULL, plait_service_of(r, &server, NULL), NULL) == PLAIT_OK;
}

static bool prepare(struct plait_sim *sim, struct plait_host *client, struct names *names)
{
    struct plait_host *dead = plait_sim_host(sim, "dead"), *alive = plait_sim_host(sim, "alive");
    plait_host_address(dead, PLAIT_ADDR_IP6, 7, &names->dead[0]);
    plait_host_address(dead, PLAIT_ADDR_IP4, 7, &names->dead[1]);
    plait_host_address(alive, PLAIT_ADDR_IP6, 7, &names->alive[0]);
    plait_host_address(alive, PLAIT_ADDR_IP4, 7, &names->alive[1]);
    const struct plait_resolver resolver = {.resolve = resolve, .ctx = names};
    if (!plait_host_reactor(client) || plait_sim_partition(sim, client, dead) != PLAIT_OK)
        return false;
    plait_reactor_set_resolver(plait_host_reactor(client), resolver);
    return serve(alive, &names->alive[0]) && serve(alive, &names->alive[1]);
}

static void run(struct plait_sim *sim)
{
    struct plait_host *client = plait_sim_host(sim, "client");
    struct race races[RACES];
    struct names names;
    if (!prepare(sim, client, &names)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    const size_t before = plait_host_descriptors(client);
    for (unsigned i = 0; i < RACES; i++) {
        races[i] = (struct race){
            .sim = sim, .r = plait_host_reactor(client), .list = lists[i % (sizeof lists / sizeof lists[0])]};
        start(&races[i]);
        plait_sim_run_for(sim, plait_millis((int64_t)plait_sim_random(sim, 200)));
    }
    plait_sim_run_for(sim, PATIENCE + plait_seconds(1));
    size_t streams = 0;
    for (unsigned i = 0; i < RACES; i++) {
        judge(sim, &races[i]);
        streams += races[i].s != NULL;
    }
    if (plait_host_descriptors(client) != before + streams)
        plait_sim_fail(sim, "%zu descriptors are open for %zu streams", plait_host_descriptors(client) - before,
                       streams);
    for (unsigned i = 0; i < RACES; i++) {
        if (races[i].s)
            plait_abort(races[i].s);
    }
    plait_sim_run_for(sim, plait_seconds(10));
    plait_host_stop(plait_sim_host(sim, "alive")); /* a reset that is lost leaves half a connection */
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_dead_address = {.name = "dead_address", .faults = PLAIT_SIM_ALL, .run = run};
