/* SPDX-License-Identifier: MIT
 *
 * The shrinker: which of a failing run's strikes does the failure need? Whole kinds of faults are tried first, then
 * delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"): halves, quarters … and
 * their complements, down to single strikes. Each try is a run of its own that may only strike by the numbers tried, so
 * what comes out has been seen to fail.
 *
 * It is no proof that no smaller set exists: that every strike which is left is needed by the others, not more. A run
 * with fewer strikes goes other ways, and its numbers mean other things; that is why nothing is concluded, all is run.
 *
 * Invariant: `kept` fails. Tests: tests/sim/test_faults.c.
 */
#include "base/memory.h"
#include "sim/sim_fault.h"

#include <stdlib.h>
#include <string.h>

struct shrink {
    const struct plait_scenario *scenario;
    struct plait_scenario_plan *plan;
    const struct plait_allocator *heap;
    const struct plait_scenario_options *options;
    uint64_t runs_max;
    uint64_t *kept, *trial;
    size_t kept_count, cap;
    bool no_memory;
};

/* --- runs --------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The same sentence, but for the numbers in it. */
static bool same_failure(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (is_digit(*a))
            a++;
        while (is_digit(*b))
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static bool exhausted(const struct shrink *s)
{
    return s->runs_max && s->plan->runs >= s->runs_max;
}

static void run(struct shrink *s, const struct plait_sim_choice *choice, plait_sim_strike_fn strike,
                struct plait_scenario_result *out)
{
    struct plait_scenario_options options = *s->options;
    options.explain = NULL;
    options.ended = NULL;
    options.choice = choice;
    options.strike = strike;
    options.strike_ctx = s;
    plait_scenario_run_with(s->scenario, &options, out);
    s->plan->runs++;
}

/* Whether the scenario fails with the trial's strikes only; then they are what is kept. */
static bool fails_with(struct shrink *s, size_t count)
{
    const struct plait_sim_choice choice = {.numbers = s->trial, .count = count};
    struct plait_scenario_result result;
    if (exhausted(s))
        return false;
    run(s, &choice, NULL, &result);
    if (!result.failed || !same_failure(result.failure, s->plan->result.failure))
        return false;
    s->plan->result = result;
    memcpy(s->kept, s->trial, count * sizeof *s->kept);
    s->kept_count = count;
    return true;
}

static void note_strike(const struct plait_sim_strike *strike, void *ctx)
{
    struct shrink *s = ctx;
    if (s->kept_count == s->cap && !s->no_memory) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        uint64_t *kept = s->heap->resize(s->kept, cap * sizeof *kept, s->heap->ctx);
        s->kept = kept ? kept : s->kept;
        s->no_memory = !kept;
        s->cap = kept ? cap : s->cap;
    }
    if (!s->no_memory)
        s->kept[s->kept_count++] = strike->number;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* --- what may go -------------------------------------------------------------------------------------------------- */

static void drop_kinds(struct shrink *s)
{
    for (unsigned kind = 0; kind <= SIM_FAULT_KINDS; kind++) {
        size_t count = 0;
        for (size_t i = 0; i < s->kept_count; i++) {
            if (sim_strike_kind(s->kept[i]) != kind)
                s->trial[count++] = s->kept[i];
        }
        if (count < s->kept_count)
            (void)fails_with(s, count);
    }
}

/* One of `parts` parts of what is kept, or all but it. */
static bool try_part(struct shrink *s, size_t part, size_t parts, bool complement)
{
    size_t count = 0;
    for (size_t i = 0; i < s->kept_count; i++) {
        /* parts are of equal size, but for one strike */
        bool inside = i * parts / s->kept_count == part;
        if (inside != complement)
            s->trial[count++] = s->kept[i];
    }
    return count < s->kept_count && fails_with(s, count);
}

static bool try_parts(struct shrink *s, size_t parts, bool complement)
{
    for (size_t part = 0; part < parts; part++) {
        if (try_part(s, part, parts, complement))
            return true;
    }
    return false;
}

static void delta_debug(struct shrink *s)
{
    size_t parts = 2;
    while (s->kept_count >= 2 && !exhausted(s)) {
        if (parts < s->kept_count && try_parts(s, parts, false)) {
            parts = 2;
        } else if ((parts > 2 || s->kept_count == 2) && try_parts(s, parts, true)) {
            parts = parts > 2 ? parts - 1 : 2;
        } else if (parts >= s->kept_count) {
            s->plan->minimal = true;
            return;
        } else {
            parts *= 2;
        }
        parts = parts < s->kept_count ? parts : s->kept_count;
    }
    s->plan->minimal = !exhausted(s);
}

static void drop(const struct plait_allocator *heap, void *ptr)
{
    if (ptr)
        (void)heap->resize(ptr, 0, heap->ctx);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static bool prepare(struct shrink *s)
{
    run(s, NULL, note_strike, &s->plan->result);
    s->plan->fails = s->plan->result.failed;
    s->plan->struck = s->kept_count;
    if (!s->plan->fails || s->no_memory)
        return false;
    if (s->kept_count)
        qsort(s->kept, s->kept_count, sizeof *s->kept, by_size);
    s->trial = s->heap->resize(NULL, (s->kept_count + 1) * sizeof *s->trial, s->heap->ctx);
    return s->trial != NULL;
}

bool plait__scenario_shrink(const struct plait_scenario *scenario, const struct plait_scenario_options *options,
                            uint64_t runs_max, struct plait_scenario_plan *plan, const struct plait_allocator *heap)
{
    struct shrink s = {.scenario = scenario, .options = options, .plan = plan, .heap = heap, .runs_max = runs_max};
    *plan = (struct plait_scenario_plan){0};
    if (prepare(&s)) {
        if (s.kept_count == 0 || fails_with(&s, 0)) {
            plan->minimal = true;
        } else {
            drop_kinds(&s);
            delta_debug(&s);
        }
    }
    drop(heap, s.trial);
    plan->number = s.kept;
    plan->count = s.kept_count;
    return plan->fails;
}

bool plait_scenario_shrink(const struct plait_scenario *scenario, const struct plait_scenario_options *options,
                           uint64_t runs_max, struct plait_scenario_plan *plan)
{
    return plait__scenario_shrink(scenario, options, runs_max, plan, plait__libc_allocator());
}

void plait__scenario_plan_deinit(struct plait_scenario_plan *plan, const struct plait_allocator *heap)
{
    drop(heap, plan->number);
    *plan = (struct plait_scenario_plan){0};
}

void plait_scenario_plan_deinit(struct plait_scenario_plan *plan)
{
    plait__scenario_plan_deinit(plan, plait__libc_allocator());
}
