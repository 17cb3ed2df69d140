/* SPDX-License-Identifier: MIT
 *
 * What the parts of plait-sim share: plait_sim_main.c reads the command line, plait_sim_run.c runs seeds and shrinks
 * what fails, plait_sim_coverage.c counts which faults were used.
 */
#ifndef PLAIT_TESTS_SIM_PLAIT_SIM_H
#define PLAIT_TESTS_SIM_PLAIT_SIM_H

#include <plait/sim.h>

#define JOBS_MAX 64
#define KINDS_MAX 17 /* of faults; the last is by rule */
#define CALLS_MAX 64

struct order {
    const struct plait_scenario *only;
    uint64_t first, seeds, jobs;
    bool explain, list, twice, errnos, coverage, hashes, shrink;
    bool chosen;
    struct plait_sim_choice choice;
};

/* What some seeds of a scenario gave. */
struct report {
    bool failed;
    uint64_t seed; /* that failed */
    uint64_t calls, faults, hash;
    struct plait_scenario_result result;
    uint64_t used[KINDS_MAX][CALLS_MAX];
};

/* Runs the order's seeds in as many processes as it says; tells of the first that fails. */
bool run_seeds(const struct order *order, const struct plait_scenario *scenario, struct report *out);
bool shrink(const struct order *order, const struct plait_scenario *scenario);

/* For plait_scenario_options.ended; ctx: the report. */
void coverage_note(const struct plait_sim *sim, void *report);
void coverage_add(const struct report *report);
/* False when a fault that is meant to be used in a call never was. */
bool coverage_print(bool one_scenario);

#endif
