/* SPDX-License-Identifier: MIT
 *
 * Echoes through port forwarding: what comes back is what was sent, whole or broken off by a reset, with a PROXY header
 * in front, which the server reads, or without.
 */
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

#include "engine/kinds.h"

#include <plait/forward.h>

static bool serve_relay(struct plait_sim *sim, struct plait_host *host, enum plait_forward_header header)
{
    struct plait_reactor *r = plait_host_reactor(host);
    const struct plait_forward_options options = {.header = header};
    struct plait_service *service;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 7, &at);
    plait_err err = plait__endpoint_kinds_register(r);
    if (!err)
        err = plait_forward_new(r, "tcp:server:7", &options, &service, NULL);
    if (!err)
        err = plait_listen(r, &at, NULL, service, NULL);
    if (err)
        plait_sim_fail(sim, "the relay could not start: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct plait_reactor *server = plait_host_reactor(plait_sim_host(sim, "server"));
    const enum plait_forward_header header = (enum plait_forward_header)plait_sim_random(sim, 3);
    struct plait_listen_options listen = {.backlog = 16};
    struct kit_echoes echoes = {.clients = 4, .total = 40000, .relay = "relay", .listen = &listen};
    if (header != PLAIT_FORWARD_PLAIN && plait_proxy_trust_new(server, PLAIT_LIT("0.0.0.0/0"), &listen.proxy))
        plait_sim_fail(sim, "no memory");
    else if (serve_relay(sim, plait_sim_host(sim, "relay"), header))
        kit_run_echoes(sim, &echoes);
    plait_sim_check_end(sim);
}

/* Nothing is lost: the relay hands a reset on by another, which nobody sends again; who does not get it waits. */
const struct plait_scenario scenario_forward = {
    .name = "forward", .faults = PLAIT_SIM_ALL & ~PLAIT_SIM_LOSS, .run = run};
