/* SPDX-License-Identifier: MIT
 *
 * Echo over every kind of stream that has listeners: TCP between two hosts, UNIX sockets by file and by abstract name,
 * TLS. Some clients, each with a connection of its own; everything that can happen to a segment does.
 */
#include "tests/sim/scenario_certs.h"
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#include <plait/tls.h>

static void run(struct plait_sim *sim)
{
    struct kit_echoes echoes = {.clients = 3, .total = 5000};
    kit_run_echoes(sim, &echoes);
    plait_sim_check_end(sim);
}

static void run_flood(struct plait_sim *sim)
{
    struct kit_echoes echoes = {.clients = 3, .total = 200000, .hurry = true};
    kit_run_echoes(sim, &echoes);
    plait_sim_check_end(sim);
}

static void run_unix(struct plait_sim *sim)
{
    const bool abstract = plait_sim_random(sim, 2);
    struct kit_echoes echoes = {.clients = 6, .total = 40000, .path = abstract ? "@echo" : "/tmp/echo"};
    kit_run_echoes(sim, &echoes);
    plait_sim_check_end(sim);
}

static void run_tls(struct plait_sim *sim)
{
    struct plait_reactor *server = plait_host_reactor(plait_sim_host(sim, "server"));
    struct plait_reactor *client = plait_host_reactor(plait_sim_host(sim, "client"));
    struct plait_listen_options listen = {0};
    struct plait_connect_options connect = {0};
    if (plait_tls_server_new(server, &(struct plait_tls_server_options){.cert_pem = kit_server_pem}, &listen.tls,
                             NULL) ||
        plait_tls_client_new(client, &(struct plait_tls_client_options){.ca_pem = kit_ca_pem}, &connect.tls, NULL)) {
        plait_sim_fail(sim, "no TLS");
        return;
    }
    struct kit_echoes echoes = {.clients = 3, .total = 30000, .listen = &listen, .connect = &connect, .may_fail = true};
    kit_run_echoes(sim, &echoes);
    plait_tls_server_unref(&listen.tls);
    plait_tls_client_unref(&connect.tls);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_tcp_echo = {.name = "tcp_echo", .faults = PLAIT_SIM_ALL, .run = run};
const struct plait_scenario scenario_tcp_flood = {
    .name = "tcp_flood", .faults = PLAIT_SIM_SHORT | PLAIT_SIM_DELAY | PLAIT_SIM_SPLIT, .run = run_flood};
const struct plait_scenario scenario_unix_echo = {.name = "unix_echo", .faults = PLAIT_SIM_ALL, .run = run_unix};
const struct plait_scenario scenario_tls_echo = {.name = "tls_echo", .faults = PLAIT_SIM_ALL, .run = run_tls};
