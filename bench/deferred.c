/* SPDX-License-Identifier: MIT
 *
 * What a deferred's way costs (made, a callback added, fired, the callback run), a task's switch, and a task from its
 * start to its end; and how often memory is asked for meanwhile.
 *
 * usage: deferred; prints one line each: NAME nanoseconds allocations, both per operation.
 */
#include "base/try.h"

#include <plait/plait.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 256, ROUNDS = 2000, TASKS = 64, SWITCHES = 4000 };

struct count {
    struct plait_allocator allocator;
    unsigned long calls;
};

static void *resize(void *ptr, size_t bytes, void *ctx)
{
    struct count *count = ctx;
    if (bytes > 0) {
        count->calls++;
        return realloc(ptr, bytes);
    }
    free(ptr);
    return NULL;
}

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(bool good)
{
    if (!good)
        abort();
}

static void seen(struct plait_result *result, void *ctx)
{
    *(int64_t *)ctx += result->value.num;
}

static void round_trips(struct plait_reactor *r, int rounds)
{
    int64_t sum = 0;
    for (int n = 0; n < rounds; n++) {
        for (int i = 0; i < BATCH; i++) {
            struct plait_deferred *d = plait_deferred_new(r, "bench", NULL, NULL);
            must(plait_then(d, seen, &sum) == PLAIT_OK);
            plait_fire(d, plait_value_num(1));
        }
        must(plait_reactor_step(r, 0) == PLAIT_OK);
    }
    must(sum == (int64_t)rounds * BATCH);
}

static plait_err switching(struct plait_task *task, void *arg)
{
    for (int i = 0; i < *(const int *)arg; i++)
        PLAIT_TRY(plait_task_yield(task));
    return PLAIT_OK;
}

static void run_tasks(struct plait_reactor *r, int count, int switches)
{
    struct plait_deferred *all[BATCH];
    for (int i = 0; i < count; i++)
        all[i] = plait_task_spawn(r, "bench", 0, switching, &switches);
    must(plait_reactor_run_until(r, plait_all(r, all, (size_t)count), NULL) == PLAIT_OK);
}

static void report(const char *name, double began, unsigned long calls, double operations)
{
    printf("%s %.1f %.4f\n", name, (cpu_ns() - began) / operations, (double)calls / operations);
}

int main(void)
{
    struct count count = {.allocator = {.resize = resize, .ctx = &count}};
    const struct plait_reactor_options options = {.allocator = &count.allocator};
    struct plait_reactor *r = plait_reactor_new(&options);
    must(r != NULL);

    round_trips(r, 10);
    double began = cpu_ns();
    unsigned long calls = count.calls;
    round_trips(r, ROUNDS);
    report("deferred", began, count.calls - calls, (double)ROUNDS * BATCH);

    run_tasks(r, TASKS, 10);
    began = cpu_ns();
    calls = count.calls;
    run_tasks(r, TASKS, SWITCHES);
    report("switch", began, count.calls - calls, (double)TASKS * SWITCHES);

    began = cpu_ns();
    calls = count.calls;
    for (int n = 0; n < ROUNDS; n++)
        run_tasks(r, TASKS, 0);
    report("spawn", began, count.calls - calls, (double)ROUNDS * TASKS);
    plait_reactor_free(&r);
    return 0;
}
