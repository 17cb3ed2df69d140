/* SPDX-License-Identifier: MIT
 *
 * plait-sim: runs scenarios in the simulated world. Exit status: 0 all went well, 1 one failed, 2 the command line was
 * wrong.
 */
#include "tests/sim/scenarios.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct plait_scenario *const all[] = {
#define SCENARIO_ENTRY(name) &scenario_##name,
    SCENARIOS(SCENARIO_ENTRY)
#undef SCENARIO_ENTRY
};
#define COUNT (sizeof all / sizeof all[0])

struct order {
    const struct plait_scenario *only;
    uint64_t first, seeds;
    bool explain, list, twice;
};

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: plait-sim [--list] [--scenario NAME] [--seed S] [--seeds COUNT] [--twice] [--explain]\n");
    return 2;
}

static const struct plait_scenario *by_name(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    }
    (void)fprintf(stderr, "plait-sim: there is no scenario '%s'; see --list\n", name);
    return NULL;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end = NULL;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && *text && !*end;
}

static bool read_word(struct order *order, char **argv, int *at)
{
    const char *word = argv[*at];
    if (strcmp(word, "--list") == 0)
        return order->list = true;
    if (strcmp(word, "--explain") == 0)
        return order->explain = true;
    if (strcmp(word, "--twice") == 0)
        return order->twice = true;
    const char *value = argv[++*at];
    if (strcmp(word, "--scenario") == 0)
        return value && (order->only = by_name(value));
    if (strcmp(word, "--seed") == 0)
        return read_number(value, &order->first);
    if (strcmp(word, "--seeds") == 0)
        return read_number(value, &order->seeds);
    return false;
}

static void tell(plait_time now, const char *line, void *ctx)
{
    (void)ctx;
    (void)printf("%12.6f ms  %s\n", (double)now / 1e6, line);
}

static bool same_again(const struct plait_scenario *scenario, uint64_t seed, const struct plait_scenario_result *first)
{
    struct plait_scenario_result again;
    plait_scenario_run(scenario, seed, &again, NULL, NULL);
    if (again.hash == first->hash)
        return true;
    (void)printf("scenario %s, seed %" PRIu64 ": two runs differ (%016" PRIx64 ", %016" PRIx64 ")\n", scenario->name,
                 seed, first->hash, again.hash);
    return false;
}

static bool run_one(const struct order *order, const struct plait_scenario *scenario)
{
    struct plait_scenario_result result = {0};
    uint64_t calls = 0, faults = 0;
    char text[600];
    for (uint64_t i = 0; i < order->seeds; i++) {
        uint64_t seed = order->first + i;
        plait_scenario_run(scenario, seed, &result, order->explain ? tell : NULL, NULL);
        calls += result.calls;
        faults += result.faults;
        if (result.failed) {
            plait_scenario_describe(scenario, seed, &result, text, sizeof text);
            (void)printf("%s\n", text);
            return false;
        }
        if (order->twice && !same_again(scenario, seed, &result))
            return false;
    }
    (void)printf("%-20s %" PRIu64 " seeds, %" PRIu64 " calls and %" PRIu64
                 " faults a seed, hash of the last %016" PRIx64 "\n",
                 scenario->name, order->seeds, calls / order->seeds, faults / order->seeds, result.hash);
    return true;
}

int main(int argc, char **argv)
{
    struct order order = {.first = 1, .seeds = 1};
    bool well = true;
    for (int at = 1; at < argc; at++) {
        if (!read_word(&order, argv, &at))
            return usage();
    }
    if (order.seeds == 0)
        return usage();
    for (size_t i = 0; i < COUNT; i++) {
        if (order.list)
            (void)printf("%s\n", all[i]->name);
        else if (!order.only || order.only == all[i])
            well = run_one(&order, all[i]) && well;
    }
    return well ? 0 : 1;
}
