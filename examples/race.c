/* SPDX-License-Identifier: MIT
 *
 * A race between network events, found by its seed: two clerks raise one balance. Each reads it, adds 10 and writes it
 * back, so that one's work is lost when the other reads in between; whether that happens is up to the network. The
 * simulated world tries seed after seed until it does, and tells the story of that seed. Usage: race [SEEDS [fixed]].
 */
#include <plait/plait.h>
#include <plait/sim.h>

#include <stdio.h>
#include <stdlib.h>

static bool fixed; /* the clerks say what to add, and not what it comes to */

/* --- the server: "get" answers with the balance, "put N" sets it, "add N" adds to it ------------------------------ */

static void on_request(struct plait_framed *framed, plait_slice line, void *self)
{
    long *balance = self;
    char text[40];
    (void)snprintf(text, sizeof text, "%.*s", (int)line.len, (const char *)line.ptr);
    if (strncmp(text, "put ", 4) == 0)
        *balance = strtol(text + 4, NULL, 10);
    if (strncmp(text, "add ", 4) == 0)
        *balance += strtol(text + 4, NULL, 10);
    const int len = snprintf(text, sizeof text, "%ld", *balance);
    plait_framed_send(framed, plait_slice_of(text, (size_t)len));
}

static const struct plait_framed_handler account = {.name = "account", .frame = on_request};

static plait_err on_open(struct plait_stream *s, void *balance)
{
    return plait_framed_attach(s, PLAIT_LINES, 0, &account, balance, NULL);
}

static const struct plait_service_ops bank = {.name = "bank", .open = on_open};

/* --- a clerk ------------------------------------------------------------------------------------------------------ */

struct clerk {
    const char *name;
    struct plait_sim *sim;
    struct plait_reactor *reactor;
    struct plait_timer start;
    bool wrote;
};

static void on_connected(struct plait_framed *framed, void *self)
{
    (void)self;
    plait_framed_send(framed, PLAIT_LIT("get"));
}

static void on_answer(struct plait_framed *framed, plait_slice line, void *self)
{
    struct clerk *clerk = self;
    plait_sim_log(clerk->sim, "%s is told %.*s", clerk->name, (int)line.len, (const char *)line.ptr);
    if (clerk->wrote) {
        plait_close(plait_framed_stream(framed));
        return;
    }
    char text[40];
    (void)snprintf(text, sizeof text, "%.*s", (int)line.len, (const char *)line.ptr);
    const long balance = strtol(text, NULL, 10);
    const int len = snprintf(text, sizeof text, fixed ? "add 10" : "put %ld", balance + 10);
    plait_framed_send(framed, plait_slice_of(text, (size_t)len));
    clerk->wrote = true;
}

static const struct plait_framed_handler clerk_handler = {
    .name = "clerk", .connected = on_connected, .frame = on_answer};

static void on_stream(struct plait_result *result, void *ctx)
{
    if (result->fault.err == PLAIT_OK &&
        plait_framed_attach(plait_result_take(result).ptr, PLAIT_LINES, 0, &clerk_handler, ctx, NULL) != PLAIT_OK)
        plait_sim_fail(((struct clerk *)ctx)->sim, "no memory");
}

static void on_start(void *ctx)
{
    struct clerk *clerk = ctx;
    struct plait_deferred *stream = plait_connect_host(clerk->reactor, PLAIT_LIT("bank"), 7, NULL);
    if (plait_then(stream, on_stream, clerk) != PLAIT_OK)
        plait_sim_fail(clerk->sim, "no memory");
}

/* --- the world, from its seed to what must hold ------------------------------------------------------------------- */

static void run(struct plait_sim *sim)
{
    struct plait_reactor *server = plait_host_reactor(plait_sim_host(sim, "bank"));
    struct clerk clerks[] = {{.name = "ann"}, {.name = "bob"}};
    struct plait_address at;
    long balance = 100;
    plait_host_address(plait_sim_host(sim, "bank"), PLAIT_ADDR_IP4, 7, &at);
    if (plait_listen(server, &at, NULL, plait_service_new(server, &bank, &balance), NULL) != PLAIT_OK)
        plait_sim_fail(sim, "the bank could not open");
    for (int i = 0; i < 2; i++) {
        clerks[i].sim = sim;
        clerks[i].reactor = plait_host_reactor(plait_sim_host(sim, clerks[i].name));
        plait_timer_init(&clerks[i].start, clerks[i].reactor, "start", on_start, &clerks[i]);
        plait_timer_arm(&clerks[i].start, plait_micros((int64_t)plait_sim_random(sim, 5000)));
    }
    plait_sim_run_for(sim, plait_seconds(10));
    if (balance != 120)
        plait_sim_fail(sim, "two clerks added 10 each to 100, and it came to %ld", balance);
}

static void tell(plait_time now, const char *line, void *ctx)
{
    (void)ctx;
    (void)printf("%10.3f ms  %s\n", (double)now / 1e6, line);
}

int main(int argc, char **argv)
{
    const struct plait_scenario scenario = {.name = "race", .faults = PLAIT_SIM_SPLIT | PLAIT_SIM_DELAY, .run = run};
    const uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    struct plait_scenario_result result;
    fixed = argc > 2;
    const uint64_t seed = plait_scenario_run_seeds(&scenario, 1, seeds, &result);
    if (seed == UINT64_MAX) {
        (void)printf("no race in %llu seeds\n", (unsigned long long)seeds);
        return 0;
    }
    (void)printf("seed %llu: %s\n", (unsigned long long)seed, result.failure);
    plait_scenario_run(&scenario, seed, &result, tell, NULL);
    return 1;
}
