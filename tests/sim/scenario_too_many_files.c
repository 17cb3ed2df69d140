/* SPDX-License-Identifier: MIT
 *
 * A server at the end of its descriptors: more clients come at once than it can have. Those that it has are served all
 * the while, the others wait in the backlog and have their turn; it neither spins nor stays deaf when descriptors are
 * free again. One client's host is short of them as well: its connects fail and leave nothing.
 */
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

enum { CLIENTS = 24, BYTES = 3000, SERVER_MAX = 12, POOR_MAX = 5, POOR = 8 };

struct client {
    struct plait_sim *sim;
    struct kit_sender sender;
    bool poor; /* its host may have no descriptor for it */
    unsigned ends;
    plait_err err;
};

static void got_stream(struct plait_result *result, void *ctx)
{
    struct client *c = ctx;
    c->ends++;
    c->err = result->fault.err;
    result->fault.err = PLAIT_OK;
    if (c->err == PLAIT_OK)
        plait_stream_attach(plait_result_take(result).ptr, &kit_sender, &c->sender);
    else
        c->sender.lost = 1; /* nothing is waited for */
}

static bool some_run(void *ctx)
{
    struct client *c = ctx;
    for (unsigned i = 0; i < CLIENTS + POOR; i++) {
        if (c[i].ends == 0 || kit_sender_runs(&c[i].sender))
            return true;
    }
    return false;
}

static bool serve(struct plait_sim *sim, struct plait_host *server)
{
    struct plait_reactor *r = plait_host_reactor(server);
    struct plait_address at;
    plait_host_address(server, PLAIT_ADDR_IP4, 7, &at);
    plait_host_set_descriptors_max(server, SERVER_MAX);
    return r && plait_listen(r, &at, NULL, plait_service_of(r, &kit_echo, sim), NULL) == PLAIT_OK;
}

static void start(struct plait_sim *sim, struct client *c, struct plait_host *host, bool poor)
{
    *c = (struct client){.sim = sim, .poor = poor, .sender = {.sim = sim, .total = BYTES}};
    const struct plait_connect_options options = {.timeout = plait_seconds(200)};
    struct plait_reactor *r = plait_host_reactor(host);
    if (!r || plait_then(plait_connect_host(r, PLAIT_LIT("server"), 7, &options), got_stream, c) != PLAIT_OK)
        plait_sim_fail(sim, "it could not begin");
}

static void judge(struct plait_sim *sim, struct client *c)
{
    const bool lossy =
        plait_sim_fault_count(sim, PLAIT_SIM_LOSS, NULL) > 0 || plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) > 0;
    if (c->ends != 1)
        plait_sim_fail(sim, "a connect ended %u times", c->ends);
    else if (c->err == PLAIT_OK)
        kit_sender_check(&c->sender);
    else if (!(c->poor && c->err == PLAIT_EDESCRIPTORS) && !lossy)
        plait_sim_fail(sim, "a connect failed: %s", plait_err_name(c->err));
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_host *poor = plait_sim_host(sim, "poor");
    struct client clients[CLIENTS + POOR];
    if (!serve(sim, server) || !plait_host_reactor(poor)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    plait_host_set_descriptors_max(poor, plait_host_descriptors(poor) + POOR_MAX);
    for (unsigned i = 0; i < CLIENTS + POOR; i++)
        start(sim, &clients[i], i < CLIENTS ? client : poor, i >= CLIENTS);
    if (!plait_sim_run_while(sim, plait_seconds(900), some_run, clients))
        plait_sim_fail(sim, "somebody waits still");
    unsigned refused = 0;
    for (unsigned i = 0; i < CLIENTS + POOR; i++) {
        judge(sim, &clients[i]);
        refused += clients[i].err == PLAIT_EDESCRIPTORS;
    }
    if (refused < POOR - POOR_MAX || refused == POOR) /* one that races two families holds two */
        plait_sim_fail(sim, "%u connects of the poor host failed for want of a descriptor", refused);
    if (plait_sim_call_count(sim, "accept4") > 60 * (CLIENTS + POOR))
        plait_sim_fail(sim, "the server spins: it accepted %llu times",
                       (unsigned long long)plait_sim_call_count(sim, "accept4"));
    plait_sim_run_for(sim, plait_seconds(70));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_too_many_files = {.name = "too_many_files", .faults = PLAIT_SIM_ALL, .run = run};
