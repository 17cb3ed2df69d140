/* SPDX-License-Identifier: MIT
 *
 * A UNIX socket pair on one host, echo over it. Reads and writes are short, wake-ups late.
 */
#include "engine/sys.h"
#include "tests/sim/scenario_kit.h"
#include "tests/sim/scenarios.h"

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "host");
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_sys *sys = plait_host_sys(host);
    struct kit_sender sender = {.sim = sim, .total = 500000, .hurry = plait_sim_random(sim, 2)};
    struct plait_stream *near = NULL, *far = NULL;
    int fds[2];
    if (!r || sys->ops->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0 ||
        plait_stream_of_fds(r, fds[0], fds[0], &near) != PLAIT_OK ||
        plait_stream_of_fds(r, fds[1], fds[1], &far) != PLAIT_OK) {
        plait_sim_fail(sim, "the pair could not be made");
        return;
    }
    plait_stream_attach(near, &kit_sender, &sender);
    plait_stream_attach(far, &kit_echo, sim);
    plait_sim_run_while(sim, plait_seconds(300), kit_sender_runs, &sender);
    plait_sim_run_for(sim, plait_seconds(30));
    kit_sender_check(&sender);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_pair_echo = {.name = "pair_echo", .faults = PLAIT_SIM_ALL, .run = run};
