/* SPDX-License-Identifier: MIT
 *
 * Questions and answers by datagrams, over links that lose, double and overtake: what is not answered is asked again.
 * Every answer is to a question that was asked, and in the end each has one.
 */
#include "tests/sim/scenarios.h"

#include <plait/datagram.h>

#include <string.h>

enum { QUESTIONS = 600 };

struct asker {
    struct plait_sim *sim;
    struct plait_datagram *d;
    struct plait_timer again;
    struct plait_address to;
    bool answered[QUESTIONS];
    size_t left;
};

static void answer(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    (void)self;
    plait_err err = plait_send(d, packet->from, packet->bytes);
    (void)err; /* a lost answer is asked for again */
}

static void answered(struct plait_datagram *d, const struct plait_packet *packet, void *self)
{
    struct asker *a = self;
    uint32_t number = QUESTIONS;
    (void)d;
    if (packet->bytes.len == sizeof number)
        memcpy(&number, packet->bytes.ptr, sizeof number);
    if (number >= QUESTIONS)
        plait_sim_fail(a->sim, "an answer to nothing that was asked");
    else if (!a->answered[number])
        a->left--;
    if (number < QUESTIONS)
        a->answered[number] = true;
}

static const struct plait_datagram_handler server = {.name = "server", .packet = answer};
static const struct plait_datagram_handler client = {.name = "client", .packet = answered};

static void ask(void *ctx)
{
    struct asker *a = ctx;
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        if (a->answered[i])
            continue;
        plait_err err = plait_send(a->d, &a->to, plait_slice_of(&i, sizeof i));
        (void)err;
    }
    if (a->left)
        plait_timer_arm(&a->again, plait_millis(250));
}

static bool asks(void *ctx)
{
    const struct asker *a = ctx;
    return a->left > 0;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *there = plait_sim_host(sim, "server"), *here = plait_sim_host(sim, "client");
    struct asker a = {.sim = sim, .left = QUESTIONS};
    struct plait_datagram *d = NULL;
    plait_host_address(there, PLAIT_ADDR_IP4, 9, &a.to);
    struct plait_datagram_options near = {.bytes_max = 64}, far = {.bind = a.to, .bytes_max = 64};
    plait_host_address(here, PLAIT_ADDR_IP4, 10, &near.bind);
    if (plait_datagram_open(plait_host_reactor(there), &far, &server, sim, &d) ||
        plait_datagram_open(plait_host_reactor(here), &near, &client, &a, &a.d)) {
        plait_sim_fail(sim, "the sockets could not be made");
        return;
    }
    plait_timer_init(&a.again, plait_host_reactor(here), "again", ask, &a);
    ask(&a);
    plait_sim_run_while(sim, plait_seconds(60), asks, &a);
    if (a.left)
        plait_sim_fail(sim, "%zu questions were never answered", a.left);
    plait_timer_stop(&a.again);
    plait_datagram_close(&a.d);
    plait_datagram_close(&d);
    plait_sim_run_for(sim, plait_seconds(1));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_datagrams = {.name = "datagrams", .faults = PLAIT_SIM_ALL, .run = run};
