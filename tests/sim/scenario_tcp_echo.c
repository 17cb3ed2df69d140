/* SPDX-License-Identifier: MIT
 *
 * Echo over TCP between two hosts: some clients, each with a connection of its own; everything that can happen to a
 * segment does.
 */
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#define CLIENTS 3

struct client {
    struct kit_sender sender;
    bool failed;
};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    if (result->fault.err) {
        c->failed = true;
        c->sender.lost = 1;
        c->sender.fault = result->fault;
        result->fault.err = PLAIT_OK;
        return;
    }
    plait_value value = plait_result_take(result);
    plait_stream_attach(value.ptr, &kit_sender, &c->sender);
}

static bool any_runs(void *ctx)
{
    struct client *clients = ctx;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!clients[i].sender.lost)
            return true;
    }
    return false;
}

static bool serve(struct plait_sim *sim, struct plait_host *host, struct plait_listener **listener)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 7, &at);
    return r && plait_listen(r, &at, NULL, plait_service_of(r, &kit_echo, sim), listener) == PLAIT_OK;
}

static void run_with(struct plait_sim *sim, uint64_t total, bool hurry)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *host = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_listener *listener = NULL;
    struct client clients[CLIENTS] = {0};
    if (!r || !serve(sim, server, &listener)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].sender.sim = sim;
        clients[i].sender.total = total;
        clients[i].sender.hurry = hurry;
        struct plait_deferred *d = plait_connect_host(r, PLAIT_LIT("server"), 7, NULL);
        if (plait_then(d, got_stream, &clients[i]))
            plait_sim_fail(sim, "no memory");
    }
    plait_sim_run_while(sim, plait_seconds(600), any_runs, clients);
    plait_sim_run_for(sim, plait_seconds(70));
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].failed)
            plait_sim_fail(sim, "a connection failed: %s", plait_err_name(clients[i].sender.fault.err));
        kit_sender_check(&clients[i].sender);
    }
    plait_listener_close(&listener);
    plait_sim_check_end(sim);
}

static void run(struct plait_sim *sim)
{
    run_with(sim, 5000, false);
}

static void run_flood(struct plait_sim *sim)
{
    run_with(sim, 200000, true);
}

const struct plait_scenario scenario_tcp_echo = {.name = "tcp_echo", .faults = PLAIT_SIM_ALL, .run = run};
const struct plait_scenario scenario_tcp_flood = {
    .name = "tcp_flood", .faults = PLAIT_SIM_SHORT | PLAIT_SIM_DELAY | PLAIT_SIM_SPLIT, .run = run_flood};
