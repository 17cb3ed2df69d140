/* SPDX-License-Identifier: MIT
 *
 * plait-sim: runs scenarios in the simulated world. Exit status: 0 all went well, 1 one failed, 2 the command line was
 * wrong.
 */
#include "tests/sim/plait_sim.h"

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

enum { SEEDS_THAT_TELL = 100, CALLS_LEAST = 500, FAULTS_LEAST = 5 };

static int usage(void)
{
    (void)fprintf(stderr, "usage: plait-sim [--scenario NAME] [--seed S] [--seeds COUNT] [--jobs N]\n"
                          "                 [--twice] [--errnos] [--coverage] [--hashes] [--list]\n"
                          "       plait-sim --scenario NAME --seed S [--errnos] [--only N,N,…] [--without N,N,…]\n"
                          "                 [--explain] [--shrink]\n");
    return 2;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

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

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* "3,17,20", or "none". */
static bool read_choice(struct order *order, const char *text, bool without)
{
    static uint64_t numbers[20000];
    if (!text || order->choice.numbers)
        return false;
    order->choice = (struct plait_sim_choice){.numbers = numbers, .without = without};
    order->chosen = true;
    if (strcmp(text, "none") == 0)
        return true;
    for (const char *at = text; order->choice.count < sizeof numbers / sizeof numbers[0]; at++) {
        char *end = NULL;
        numbers[order->choice.count++] = strtoull(at, &end, 10);
        if (end == at || (*end && *end != ','))
            return false;
        at = end;
        if (!*at) {
            qsort(numbers, order->choice.count, sizeof numbers[0], by_size);
            return true;
        }
    }
    return false;
}

static bool *switch_of(struct order *order, const char *word)
{
    const struct {
        const char *word;
        bool *flag;
    } switches[] = {
        {"--list", &order->list},     {"--explain", &order->explain},   {"--twice", &order->twice},
        {"--errnos", &order->errnos}, {"--coverage", &order->coverage}, {"--hashes", &order->hashes},
        {"--shrink", &order->shrink},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(word, switches[i].word) == 0)
            return switches[i].flag;
    }
    return NULL;
}

static bool read_word(struct order *order, char **argv, int *at)
{
    const char *word = argv[*at];
    bool *flag = switch_of(order, word);
    if (flag)
        return *flag = true;
    const char *value = argv[++*at];
    if (strcmp(word, "--scenario") == 0)
        return value && (order->only = by_name(value));
    if (strcmp(word, "--seed") == 0)
        return read_number(value, &order->first);
    if (strcmp(word, "--seeds") == 0)
        return read_number(value, &order->seeds) && order->seeds;
    if (strcmp(word, "--jobs") == 0)
        return read_number(value, &order->jobs) && order->jobs && order->jobs <= JOBS_MAX;
    if (strcmp(word, "--only") == 0)
        return read_choice(order, value, false);
    if (strcmp(word, "--without") == 0)
        return read_choice(order, value, true);
    return false;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* A scenario that does little, or meets few faults, proves little. */
static bool does_enough(const struct plait_scenario *scenario, uint64_t calls, uint64_t faults)
{
    if (calls >= CALLS_LEAST && faults >= FAULTS_LEAST)
        return true;
    (void)printf("scenario %s does too little: a seed is to make %d calls and meet %d faults\n", scenario->name,
                 CALLS_LEAST, FAULTS_LEAST);
    return false;
}

static bool run_one(struct order *order, const struct plait_scenario *scenario)
{
    struct report report = {0};
    if (order->shrink)
        return shrink(order, scenario);
    if (!run_seeds(order, scenario, &report))
        return false;
    if (order->coverage)
        coverage_add(&report);
    if (order->hashes || order->explain)
        return true;
    const uint64_t calls = report.calls / order->seeds, faults = report.faults / order->seeds;
    (void)printf("%-20s %" PRIu64 " seeds, %" PRIu64 " calls and %" PRIu64 " faults a seed, hash of all %016" PRIx64
                 "\n",
                 scenario->name, order->seeds, calls, faults, report.hash);
    return order->errnos || order->seeds < SEEDS_THAT_TELL || does_enough(scenario, calls, faults);
}

static bool run_all(struct order *order)
{
    bool well = true;
    for (size_t i = 0; i < COUNT; i++) {
        if (order->list)
            (void)printf("%s\n", all[i]->name);
        else if (!order->only || order->only == all[i])
            well = run_one(order, all[i]) && well;
    }
    return well;
}

int main(int argc, char **argv)
{
    struct order order = {.first = 1, .seeds = 1, .jobs = 1};
    for (int at = 1; at < argc; at++) {
        if (!read_word(&order, argv, &at))
            return usage();
    }
    if ((order.shrink || order.chosen) && (!order.only || order.seeds != 1))
        return usage();
    bool well = run_all(&order);
    if (order.coverage && !order.list) {
        order.errnos = !order.errnos;
        well = run_all(&order) && well;
        well = coverage_print(order.only != NULL) && well;
    }
    return well ? 0 : 1;
}
