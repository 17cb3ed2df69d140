/* SPDX-License-Identifier: MIT
 *
 * Attempts to connect, and what becomes of them: two addresses race over a slow link and one wins, one of the two
 * refuses and the other must do, both refuse, nobody answers and the time runs out, the caller changes its mind. Each
 * ends once and in time, and leaves no descriptor behind. Beside it programs run, whose output must be whole and who
 * must not stay as zombies.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/process.h>

#include <string.h>

#define ATTEMPTS 18
#define PROGRAMS 3
#define PATIENCE plait_seconds(5)

enum kind { RACE, SILENCE, CHANGE_OF_MIND, ONLY_IP4, ONLY_IP6, REFUSAL, KINDS };

static const struct {
    const char *what, *host;
    plait_err may[2]; /* it ends with one of these */
} kinds[KINDS] = {
    [RACE] = {"a race", "slow", {PLAIT_OK, PLAIT_ETIMEDOUT}},
    [SILENCE] = {"silence", "silent", {PLAIT_ETIMEDOUT, PLAIT_ETIMEDOUT}},
    [CHANGE_OF_MIND] = {"a change of mind", "slow", {PLAIT_OK, PLAIT_ECANCELLED}},
    [ONLY_IP4] = {"a race of which IPv6 is refused", "four", {PLAIT_OK, PLAIT_ETIMEDOUT}},
    [ONLY_IP6] = {"a race of which IPv4 is refused", "six", {PLAIT_OK, PLAIT_ETIMEDOUT}},
    [REFUSAL] = {"a refusal", "closed", {PLAIT_EREFUSED, PLAIT_ETIMEDOUT}},
};

struct attempt {
    struct plait_sim *sim;
    struct plait_reactor *r;
    enum kind kind;
    struct plait_deferred *d;
    struct plait_stream *s;
    struct plait_timer change;
    plait_time began;
    unsigned ends, lost;
    plait_err err;
};

struct program {
    struct plait_sim *sim;
    unsigned ends;
    size_t bytes;
};

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct attempt *a = self;
    (void)s;
    (void)fault;
    a->s = NULL;
    a->lost++;
}

static const struct plait_protocol held = {.name = "held", .lost = lost};
static const struct plait_protocol server = {.name = "server"};

static void ended(struct plait_result *result, void *ctx)
{
    struct attempt *a = ctx;
    const plait_span took = plait_now(a->r) - a->began;
    a->d = NULL;
    a->err = result->fault.err;
    if (a->ends++)
        plait_sim_fail(a->sim, "an attempt ended twice");
    if (took > PATIENCE + plait_millis(10))
        plait_sim_fail(a->sim, "an attempt took %lld ms", (long long)(took / 1000000));
    result->fault.err = PLAIT_OK;
    if (a->err == PLAIT_OK) {
        a->s = plait_result_take(result).ptr;
        plait_stream_attach(a->s, &held, a);
    }
}

static void change_mind(void *ctx)
{
    plait_deferred_cancel(((struct attempt *)ctx)->d);
}

static void attempt(struct attempt *a)
{
    const struct plait_connect_options options = {.timeout = PATIENCE};
    a->began = plait_now(a->r);
    plait_timer_init(&a->change, a->r, "change", change_mind, a);
    a->d = plait_connect_host(a->r, plait_slice_text(kinds[a->kind].host), 7, &options);
    if (plait_then(a->d, ended, a) != PLAIT_OK)
        plait_sim_fail(a->sim, "no memory");
    if (a->kind == CHANGE_OF_MIND)
        plait_timer_arm(&a->change, plait_millis((int64_t)plait_sim_random(a->sim, 1500)));
}

static void check(struct plait_sim *sim, const struct attempt *a)
{
    const plait_err *may = kinds[a->kind].may;
    if (a->ends != 1)
        plait_sim_fail(sim, "%s ended %u times", kinds[a->kind].what, a->ends);
    else if (a->err != may[0] && a->err != may[1])
        plait_sim_fail(sim, "%s ended with %s", kinds[a->kind].what, plait_err_name(a->err));
    else if (a->err != may[0] && a->err == PLAIT_ETIMEDOUT && !plait_sim_fault_count(sim, PLAIT_SIM_LOSS, NULL))
        plait_sim_fail(sim, "%s took too long although nothing was lost", kinds[a->kind].what);
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void program_ended(struct plait_result *result, void *ctx)
{
    struct program *p = ctx;
    p->ends++;
    if (result->fault.err != PLAIT_OK) {
        plait_sim_fail(p->sim, "a program ended with %s", plait_err_name(result->fault.err));
        result->fault.err = PLAIT_OK;
        return;
    }
    const struct plait_output *o = result->value.ptr;
    if (o->status != 0 || o->out.len != p->bytes)
        plait_sim_fail(p->sim, "a program ended with %d and %zu of %zu bytes", o->status, o->out.len, p->bytes);
}

static void run_program(struct program *p, struct plait_reactor *r)
{
    static uint8_t bytes[20000];
    struct plait_spawn_options options = {.path = "/bin/cat"};
    p->bytes = plait_sim_random(p->sim, sizeof bytes);
    if (plait_then(plait_run_program(r, &options, plait_slice_of(bytes, p->bytes), sizeof bytes), program_ended, p))
        plait_sim_fail(p->sim, "no memory");
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool serve(struct plait_host *host, enum plait_address_kind family)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    plait_host_address(host, family, 7, &at);
    return r && plait_listen(r, &at, NULL, plait_service_of(r, &server, NULL), NULL) == PLAIT_OK;
}

static bool serve_both(struct plait_host *host)
{
    return serve(host, PLAIT_ADDR_IP4) && serve(host, PLAIT_ADDR_IP6);
}

static bool serve_halves(struct plait_sim *sim)
{
    return serve(plait_sim_host(sim, "four"), PLAIT_ADDR_IP4) && serve(plait_sim_host(sim, "six"), PLAIT_ADDR_IP6) &&
           plait_sim_host(sim, "closed");
}

static bool prepare(struct plait_sim *sim, struct plait_host *client)
{
    struct plait_host *slow = plait_sim_host(sim, "slow"), *silent = plait_sim_host(sim, "silent");
    const struct plait_sim_link link = {.latency = plait_millis(300), .jitter = plait_millis(200)};
    return serve_both(slow) && serve_both(silent) && serve_halves(sim) && plait_host_reactor(client) &&
           plait_host_add_program(client, "/bin/cat", plait_sim_program_cat(), NULL) == PLAIT_OK &&
           plait_sim_set_link(sim, client, slow, &link) == PLAIT_OK &&
           plait_sim_partition(sim, silent, client) == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *client = plait_sim_host(sim, "client");
    struct attempt attempts[ATTEMPTS];
    struct program programs[PROGRAMS];
    if (!prepare(sim, client)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    const size_t before = plait_host_descriptors(client);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        attempts[i] = (struct attempt){.sim = sim, .r = plait_host_reactor(client), .kind = (enum kind)(i % KINDS)};
        attempt(&attempts[i]);
    }
    for (unsigned i = 0; i < PROGRAMS; i++) {
        programs[i] = (struct program){.sim = sim};
        run_program(&programs[i], plait_host_reactor(client));
    }
    plait_sim_run_for(sim, plait_seconds(60));
    size_t streams = 0;
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        check(sim, &attempts[i]);
        streams += attempts[i].s != NULL;
    }
    for (unsigned i = 0; i < PROGRAMS; i++) {
        if (programs[i].ends != 1)
            plait_sim_fail(sim, "a program ended %u times", programs[i].ends);
    }
    if (plait_host_descriptors(client) != before + streams)
        plait_sim_fail(sim, "%zu descriptors are open for %zu streams", plait_host_descriptors(client) - before,
                       streams);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        if (attempts[i].s)
            plait_abort(attempts[i].s);
    }
    plait_sim_run_for(sim, plait_seconds(10));
    for (unsigned i = 0; i < KINDS; i++) /* a reset that is lost leaves a server with half a connection */
        plait_host_stop(plait_sim_host(sim, kinds[i].host));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_attempts = {.name = "attempts", .faults = PLAIT_SIM_ALL, .run = run};
