/* SPDX-License-Identifier: MIT
 *
 * Scenarios: one run is one world from its seed to the check of its invariants. What a failure needs to happen is found
 * in sim_shrink.c.
 *
 * Tests: tests/sim/test_world.c, test_faults.c, test_out_of_memory.c.
 */
#include "sim/sim_core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void take_result(const struct plait_sim *sim, struct plait_scenario_result *out)
{
    out->failed = sim->failed;
    memcpy(out->failure, sim->failure, sizeof out->failure);
    out->hash = sim->hash;
    out->calls = sim->calls;
    out->ended = sim->now;
    for (unsigned kind = 0; kind <= SIM_FAULT_KINDS; kind++)
        out->faults += plait_sim_fault_count(sim, kind == SIM_FAULT_KINDS ? 0 : 1u << kind, NULL);
}

void plait_scenario_run_with(const struct plait_scenario *scenario, const struct plait_scenario_options *options,
                             struct plait_scenario_result *out)
{
    const struct plait_sim_options world = {
        .seed = options->seed,
        .faults = scenario->faults | options->more_faults,
        .allocator = scenario->allocator,
        .choice = options->choice,
        .strike = options->strike,
        .strike_ctx = options->strike_ctx,
    };
    struct plait_sim *sim = plait_sim_new_with(&world);
    *out = (struct plait_scenario_result){.failed = true};
    if (!sim) {
        (void)snprintf(out->failure, sizeof out->failure, "no memory for the world");
        return;
    }
    plait_sim_explain(sim, options->explain, options->explain_ctx);
    sim->invariants_only = options->invariants_only;
    sim->strict = !scenario->allocator; /* a program may lose anything to a world without memory */
    scenario->run(sim);
    plait_sim_check_end(sim);
    sim_strike_flush(sim);
    if (options->ended)
        options->ended(sim, options->ended_ctx);
    take_result(sim, out);
    plait_sim_free(&sim);
}

void plait_scenario_run(const struct plait_scenario *scenario, uint64_t seed, struct plait_scenario_result *out,
                        plait_sim_explain_fn explain, void *ctx)
{
    const struct plait_scenario_options options = {.seed = seed, .explain = explain, .explain_ctx = ctx};
    plait_scenario_run_with(scenario, &options, out);
}

uint64_t plait_scenario_run_seeds(const struct plait_scenario *scenario, uint64_t first, uint64_t count,
                                  struct plait_scenario_result *out)
{
    struct plait_scenario_result own;
    for (uint64_t i = 0; i < count; i++) {
        plait_scenario_run(scenario, first + i, out ? out : &own, NULL, NULL);
        if (out ? out->failed : own.failed)
            return first + i;
    }
    return UINT64_MAX;
}

size_t plait_scenario_describe(const struct plait_scenario *scenario, uint64_t seed,
                               const struct plait_scenario_result *result, char *out, size_t out_bytes)
{
    int len = snprintf(out, out_bytes,
                       "scenario %s failed with seed %" PRIu64
                       ": %s\nagain: build/plait-sim --scenario %s --seed %" PRIu64 " --explain",
                       scenario->name, seed, result->failure, scenario->name, seed);
    return len > 0 ? (size_t)len : 0;
}
