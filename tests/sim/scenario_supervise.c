/* SPDX-License-Identifier: MIT
 *
 * A supervisor under faults: programs that end early or late, with many lines to say, some of them deaf; somebody
 * stops, starts, restarts, removes and adds them. Every line is told whole and in order; what was stopped stays so;
 * nothing is left at the end.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/supervise.h>

#include <signal.h>
#include <stdio.h>

enum { PROGRAMS = 5, ORDERS = 60, LINES = 300, RUNS_MAX = 4096 };

struct keep {
    struct plait_sim *sim;
    struct plait_supervisor *supervisor;
    struct plait_timer next;
    unsigned orders;
    bool stopped[PROGRAMS];
    unsigned runs;           /* of all programs */
    unsigned line[RUNS_MAX]; /* that was told last of each run */
    uint64_t told;
};

/* --- the programs ------------------------------------------------------------------------------------------------- */

static unsigned number_of(const char *name)
{
    return (unsigned)(name[0] - 'a');
}

static void talk(struct plait_sim_process *p, void *ctx)
{
    struct keep *k = ctx;
    char text[64];
    const unsigned lines = (unsigned)plait_sim_random(k->sim, LINES);
    const unsigned run = k->runs++ % RUNS_MAX;
    for (unsigned i = 1; i <= lines; i++) {
        const int len = snprintf(text, sizeof text, "run %u has a line %u\n", run, i);
        plait_sim_process_write(p, 1, plait_slice_of(text, (size_t)len));
    }
    if (plait_sim_random(k->sim, 3) == 0)
        plait_sim_process_exit(p, (int)plait_sim_random(k->sim, 3));
}

static void hear(struct plait_sim_process *p, int signo, void *ctx)
{
    struct keep *k = ctx;
    if (plait_sim_random(k->sim, 4) > 0)
        plait_sim_process_exit(p, 128 + signo);
}

static const struct plait_sim_program program = {.start = talk, .signal = hear};

/* --- who is told -------------------------------------------------------------------------------------------------- */

/* The lines of a run count up. */
static void said(const char *name, int fd, plait_slice line, void *ctx)
{
    struct keep *k = ctx;
    struct plait_scan scan = plait_scan_of(line);
    uint64_t run = 0, number = 0;
    const bool whole = plait_scan_literal(&scan, PLAIT_LIT("run ")) && plait_scan_u64(&scan, RUNS_MAX - 1, &run) &&
                       plait_scan_literal(&scan, PLAIT_LIT(" has a line ")) && plait_scan_u64(&scan, LINES, &number) &&
                       plait_scan_done(&scan);
    k->told++;
    if (whole && number == k->line[run] + 1)
        k->line[run]++;
    else if (plait_sim_fault_count(k->sim, PLAIT_SIM_ERRNO, NULL) == 0) /* reading may fail then */
        plait_sim_fail(k->sim, "%s said '%.*s' on %d", name, PLAIT_ARG(line), fd);
}

static void changed(const struct plait_supervised_view *view, void *ctx)
{
    struct keep *k = ctx;
    const bool runs = view->state == PLAIT_SUPERVISED_RUNNING;
    if (runs != (view->pid > 0))
        plait_sim_fail(k->sim, "%s has the number %d in state %d", view->name, view->pid, (int)view->state);
    if (runs && k->stopped[number_of(view->name)])
        plait_sim_fail(k->sim, "%s was stopped and runs", view->name);
}

static void add(struct keep *k, unsigned i)
{
    const char name[] = {(char)('a' + i), '\0'};
    const struct plait_spawn_options o = {.path = "/bin/talk", .new_session = true, .group = true};
    k->stopped[i] = false;
    const plait_err err = plait_supervisor_add(k->supervisor, name, &o);
    if (err != PLAIT_OK && err != PLAIT_EEXISTS)
        plait_sim_fail(k->sim, "%s could not be added: %s", name, plait_err_name(err));
}

static void order(void *ctx)
{
    struct keep *k = ctx;
    const unsigned i = (unsigned)plait_sim_random(k->sim, PROGRAMS);
    const char name[] = {(char)('a' + i), '\0'};
    plait_err err = PLAIT_OK;
    if (k->orders++ == ORDERS)
        return;
    plait_timer_arm(&k->next, plait_millis((int64_t)plait_sim_random(k->sim, 3000)));
    switch (plait_sim_random(k->sim, 5)) {
    case 0:
        err = plait_supervisor_stop(k->supervisor, name);
        k->stopped[i] = true;
        break;
    case 1:
        err = plait_supervisor_remove(k->supervisor, name);
        break;
    case 2:
        add(k, i);
        break;
    default:
        k->stopped[i] = false;
        err = plait_sim_random(k->sim, 2) ? plait_supervisor_start(k->supervisor, name)
                                          : plait_supervisor_restart(k->supervisor, name);
        break;
    }
    if (err != PLAIT_OK && err != PLAIT_ENOTFOUND)
        plait_sim_fail(k->sim, "an order for %s: %s", name, plait_err_name(err));
}

static void drained(struct plait_result *result, void *ctx)
{
    struct keep *k = ctx;
    (void)result;
    k->orders = 0;
}

static void run(struct plait_sim *sim)
{
    struct plait_host *host = plait_sim_host(sim, "host");
    struct plait_reactor *r = plait_host_reactor(host);
    struct keep k = {.sim = sim};
    const struct plait_supervisor_options o = {
        .delay_max = plait_seconds(10), .kill_after = plait_seconds(2), .changed = changed, .said = said, .ctx = &k};
    if (!r || plait_host_add_program(host, "/bin/talk", &program, &k) || plait_supervisor_new(r, &o, &k.supervisor)) {
        plait_sim_fail(sim, "the host could not start");
        return;
    }
    for (unsigned i = 0; i < PROGRAMS; i++)
        add(&k, i);
    plait_timer_init(&k.next, r, "order", order, &k);
    plait_timer_arm(&k.next, 0);
    plait_sim_run_for(sim, plait_seconds(300));
    if (k.told == 0)
        plait_sim_fail(sim, "nobody said anything");
    if (plait_then(plait_drain(r, plait_seconds(10)), drained, &k) != PLAIT_OK)
        plait_sim_fail(sim, "no memory for a drain");
    plait_sim_run_for(sim, plait_seconds(11));
    if (k.orders != 0)
        plait_sim_fail(sim, "the drain did not end");
    plait_supervisor_free(&k.supervisor);
    plait_sim_run_for(sim, plait_seconds(3));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_supervise = {.name = "supervise", .faults = PLAIT_SIM_ALL, .run = run};
