/* SPDX-License-Identifier: MIT
 *
 * Finger between two hosts: several callers ask at once, for who is there and who is not. Each call ends once, with the
 * whole answer that belongs to its question or with an error that the network gave.
 */
#include "tests/sim/scenarios.h"

#include <plait/finger.h>

#define CALLS 8

struct call {
    struct plait_sim *sim;
    unsigned kind, ends;
    bool answered;
};

static const struct plait_finger_entry people[] = {{"ann", "Ann Example", "To rest\nand to sleep"}, {"bob", "Bob", ""}};
static const struct {
    const char *target, *answer;
} questions[] = {
    {"ann@server", "Login: ann\r\nName: Ann Example\r\nPlan:\r\nTo rest\r\nand to sleep\r\n"},
    {"bob@server", "Login: bob\r\nName: Bob\r\nNo plan.\r\n"},
    {"nobody@server", "No such user.\r\n"},
    {"@server", "ann              Ann Example\r\nbob              Bob\r\n"},
    {"ann@elsewhere@server", "Finger forwarding service denied.\r\n"},
};
#define KINDS (sizeof questions / sizeof questions[0])

static void ended(struct plait_result *result, void *ctx)
{
    struct call *c = ctx;
    const plait_err err = result->fault.err;
    c->ends++;
    c->answered = err == PLAIT_OK;
    result->fault.err = PLAIT_OK;
    if (!c->answered) {
        if (plait_err_class_of(err) != PLAIT_CLASS_IO)
            plait_sim_fail(c->sim, "a call ended with %s", plait_err_name(err));
        return;
    }
    const struct plait_finger_text *text = result->value.ptr;
    if (!plait_slice_equal(plait_buf_slice(&text->buf), plait_slice_text(questions[c->kind].answer)))
        plait_sim_fail(c->sim, "'%s' got the wrong answer", questions[c->kind].target);
}

static bool serve(struct plait_host *host)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_finger_directory directory;
    struct plait_listener *listener;
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, 79, &at);
    return r && plait_finger_table(r, people, sizeof people / sizeof people[0], &directory) == PLAIT_OK &&
           plait_listen(r, &at, NULL, plait_finger_service(r, &directory, NULL), &listener) == PLAIT_OK;
}

static bool any_runs(void *ctx)
{
    const struct call *calls = ctx;
    for (unsigned i = 0; i < CALLS; i++) {
        if (!calls[i].ends)
            return true;
    }
    return false;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *client = plait_sim_host(sim, "client");
    struct plait_reactor *r = plait_host_reactor(client);
    struct call calls[CALLS] = {0};
    if (!r || !serve(server)) {
        plait_sim_fail(sim, "the server could not start");
        return;
    }
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i].sim = sim;
        calls[i].kind = (unsigned)plait_sim_random(sim, KINDS);
        if (plait_then(plait_finger(r, plait_slice_text(questions[calls[i].kind].target), NULL), ended, &calls[i]))
            plait_sim_fail(sim, "no memory");
    }
    plait_sim_run_while(sim, plait_seconds(120), any_runs, calls);
    plait_sim_run_for(sim, plait_seconds(70));
    for (unsigned i = 0; i < CALLS; i++) {
        if (calls[i].ends != 1)
            plait_sim_fail(sim, "a call ended %u times", calls[i].ends);
        if (!calls[i].answered && plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) == 0)
            plait_sim_fail(sim, "a call failed although nobody reset anything");
    }
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_finger = {.name = "finger", .faults = PLAIT_SIM_ALL, .run = run};
