/* SPDX-License-Identifier: MIT
 *
 * Runs of seeds, one after another or in several processes, and the search for what a failing seed needs to fail.
 */
#include "tests/sim/plait_sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(plait_time now, const char *line, void *ctx)
{
    (void)ctx;
    (void)printf("%13.6f ms  %s\n", (double)now / 1e6, line);
}

static void tell_strike(const struct plait_sim_strike *strike, void *ctx)
{
    (void)ctx;
    (void)printf("  %6" PRIu64 "  %13.6f ms  %-10s %-12s %-10s %s\n", strike->number, (double)strike->at / 1e6,
                 strike->host ? strike->host : "", strike->call, plait_sim_fault_name(strike->fault), strike->text);
}

static struct plait_scenario_options options_of(const struct order *order, uint64_t seed)
{
    return (struct plait_scenario_options){
        .seed = seed,
        .explain = order->explain ? tell : NULL,
        .choice = order->chosen ? &order->choice : NULL,
        .more_faults = order->errnos ? PLAIT_SIM_ERRNO : 0,
        .invariants_only = order->errnos,
    };
}

/* --- seeds -------------------------------------------------------------------------------------------------------- */

static void fail(struct report *report, uint64_t seed, const struct plait_scenario_result *result)
{
    report->failed = true;
    report->seed = seed;
    report->result = *result;
}

static void run_seed(const struct order *order, const struct plait_scenario *scenario, uint64_t seed,
                     struct report *report)
{
    struct plait_scenario_options options = options_of(order, seed);
    struct plait_scenario_result result, again;
    if (order->coverage) {
        options.ended = coverage_note;
        options.ended_ctx = report;
    }
    plait_scenario_run_with(scenario, &options, &result);
    report->calls += result.calls;
    report->faults += result.faults;
    report->hash += result.hash * (2 * seed + 1);
    if (order->hashes)
        (void)printf("%s %" PRIu64 " %016" PRIx64 "\n", scenario->name, seed, result.hash);
    if (result.failed) {
        fail(report, seed, &result);
        return;
    }
    if (!order->twice)
        return;
    plait_scenario_run_with(scenario, &options, &again);
    if (again.hash == result.hash)
        return;
    (void)snprintf(again.failure, sizeof again.failure, "two runs differ (%016" PRIx64 ", %016" PRIx64 ")", result.hash,
                   again.hash);
    fail(report, seed, &again);
}

/* Every `step`-th seed, from the one with number `from` on. */
static void run_some(const struct order *order, const struct plait_scenario *scenario, uint64_t from, uint64_t step,
                     struct report *report)
{
    for (uint64_t i = from; i < order->seeds && !report->failed; i += step)
        run_seed(order, scenario, order->first + i, report);
}

static void add_report(struct report *sum, const struct report *part)
{
    sum->calls += part->calls;
    sum->faults += part->faults;
    sum->hash += part->hash;
    for (unsigned kind = 0; kind < KINDS_MAX; kind++) {
        for (unsigned call = 0; call < CALLS_MAX; call++)
            sum->used[kind][call] += part->used[kind][call];
    }
    if (part->failed && (!sum->failed || part->seed < sum->seed))
        fail(sum, part->seed, &part->result);
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = write(fd, at, len);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_all(int fd, void *bytes, size_t len)
{
    char *at = bytes;
    while (len) {
        ssize_t n = read(fd, at, len);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static pid_t start_job(const struct order *order, const struct plait_scenario *scenario, uint64_t job, int *from_job)
{
    int fds[2];
    (void)fflush(stdout);
    if (pipe(fds) != 0)
        return -1;
    (void)fflush(NULL); /* the child ends by exit, so that coverage knows what it ran */
    pid_t pid = fork();
    if (pid == 0) {
        struct report part = {0};
        (void)close(fds[0]);
        run_some(order, scenario, job, order->jobs, &part);
        (void)fflush(stdout);
        exit(write_all(fds[1], &part, sizeof part) ? 0 : 1);
    }
    (void)close(fds[1]);
    *from_job = fds[0];
    return pid;
}

static bool run_jobs(const struct order *order, const struct plait_scenario *scenario, struct report *sum)
{
    pid_t pid[JOBS_MAX];
    int from[JOBS_MAX];
    bool well = true;
    for (uint64_t job = 0; job < order->jobs; job++)
        pid[job] = start_job(order, scenario, job, &from[job]);
    for (uint64_t job = 0; job < order->jobs; job++) {
        struct report part;
        int status;
        if (pid[job] < 0) {
            well = false;
            continue;
        }
        if (read_all(from[job], &part, sizeof part))
            add_report(sum, &part);
        else
            well = false;
        (void)close(from[job]);
        (void)waitpid(pid[job], &status, 0);
    }
    if (!well)
        (void)printf("scenario %s: a process of this program died\n", scenario->name);
    return well;
}

static void print_command(const struct order *order, const struct plait_scenario *scenario, uint64_t seed,
                          const char *more)
{
    (void)printf("build/plait-sim --scenario %s --seed %" PRIu64 "%s%s", scenario->name, seed,
                 order->errnos ? " --errnos" : "", more);
}

bool run_seeds(const struct order *order, const struct plait_scenario *scenario, struct report *out)
{
    if (order->jobs == 1 || order->explain)
        run_some(order, scenario, 0, 1, out);
    else if (!run_jobs(order, scenario, out))
        return false;
    if (!out->failed)
        return true;
    (void)printf("scenario %s failed with seed %" PRIu64 ": %s\n", scenario->name, out->seed, out->result.failure);
    (void)printf("  again:          ");
    print_command(order, scenario, out->seed, " --explain\n");
    (void)printf("  what it needs:  ");
    print_command(order, scenario, out->seed, " --shrink\n");
    return false;
}

/* --- shrinking ---------------------------------------------------------------------------------------------------- */

static void print_plan(const struct order *order, const struct plait_scenario *scenario,
                       const struct plait_scenario_plan *plan)
{
    const struct plait_sim_choice choice = {.numbers = plan->number, .count = plan->count};
    struct plait_scenario_options options = options_of(order, order->first);
    struct plait_scenario_result result;
    options.explain = NULL;
    options.choice = &choice;
    options.strike = tell_strike;
    plait_scenario_run_with(scenario, &options, &result);
    (void)printf("fails with: %s\nagain: ", result.failure);
    print_command(order, scenario, order->first, " --explain --only ");
    for (size_t i = 0; i < plan->count; i++)
        (void)printf("%s%" PRIu64, i ? "," : "", plan->number[i]);
    (void)printf("%s\n", plan->count ? "" : "none");
}

bool shrink(const struct order *order, const struct plait_scenario *scenario)
{
    const struct plait_scenario_options options = options_of(order, order->first);
    struct plait_scenario_plan plan;
    if (!plait_scenario_shrink(scenario, &options, 20000, &plan)) {
        (void)printf("scenario %s does not fail with seed %" PRIu64 "\n", scenario->name, order->first);
        plait_scenario_plan_deinit(&plan);
        return true;
    }
    (void)printf("%" PRIu64 " faults struck, %zu %s needed%s (%" PRIu64 " runs):\n", plan.struck, plan.count,
                 plan.count == 1 ? "is" : "are", plan.minimal ? "" : ", or fewer", plan.runs);
    print_plan(order, scenario, &plan);
    plait_scenario_plan_deinit(&plan);
    return false;
}
