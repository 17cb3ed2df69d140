/* SPDX-License-Identifier: MIT
 *
 * Timers beside libuv's: what adding, re-arming and cancelling one costs with so many of them pending. Deadlines are
 * random, 1 to 61 s ahead, timers are visited in random order, and nobody's loop runs meanwhile: it is the structure
 * that is measured. (A deadline put off costs our wheel one move more when the earlier one comes; a timer that is put
 * off a hundred times before that pays for it once.)
 *
 * usage: timers PENDING; prints one line an operation: NAME ours uv (nanoseconds).
 */
#include <plait/reactor.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

struct work {
    size_t count;
    uint32_t *order;
    int64_t *first_ms, *second_ms;
    uint64_t random;
};

enum { ADD, REARM, CANCEL, STEPS };

static uint64_t next_random(struct work *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *must(void *ptr)
{
    if (!ptr)
        abort();
    return ptr;
}

static void prepare(struct work *w)
{
    w->order = must(calloc(w->count, sizeof *w->order));
    w->first_ms = must(calloc(w->count, sizeof *w->first_ms));
    w->second_ms = must(calloc(w->count, sizeof *w->second_ms));
    for (size_t i = 0; i < w->count; i++) {
        w->order[i] = (uint32_t)i;
        w->first_ms[i] = 1000 + (int64_t)(next_random(w) % 60000);
        w->second_ms[i] = 1000 + (int64_t)(next_random(w) % 60000);
    }
    for (size_t i = w->count - 1; i > 0; i--) {
        const size_t j = next_random(w) % (i + 1);
        const uint32_t held = w->order[i];
        w->order[i] = w->order[j];
        w->order[j] = held;
    }
}

static void fire(void *ctx)
{
    (void)ctx;
}

static void fire_uv(uv_timer_t *timer)
{
    (void)timer;
}

static void lap(double *began, double *ns, size_t count)
{
    const double now = cpu_ns();
    *ns += (now - *began) / (double)count;
    *began = cpu_ns();
}

static void ours(struct work *w, struct plait_timer *timers, double ns[STEPS])
{
    double began = cpu_ns();
    for (size_t i = 0; i < w->count; i++)
        plait_timer_arm(&timers[i], plait_millis(w->first_ms[i]));
    lap(&began, &ns[ADD], w->count);
    for (size_t i = 0; i < w->count; i++)
        plait_timer_arm(&timers[w->order[i]], plait_millis(w->second_ms[i]));
    lap(&began, &ns[REARM], w->count);
    for (size_t i = 0; i < w->count; i++)
        plait_timer_stop(&timers[w->order[i]]);
    lap(&began, &ns[CANCEL], w->count);
}

/* Inside a turn, as a protocol's timers are armed; between turns each would look at the clock. */
struct ours {
    struct work *w;
    struct plait_timer *timers;
    double *ns;
};

static void ours_now(void *ctx)
{
    struct ours *o = ctx;
    ours(o->w, o->timers, o->ns);
}

static void ours_in_a_turn(struct plait_reactor *r, struct ours *o)
{
    struct plait_soon soon;
    plait_soon_init(&soon, r, "bench", ours_now, o);
    plait_soon_queue(&soon);
    if (plait_reactor_step(r, 0) != PLAIT_OK)
        exit(2);
}

static void theirs(struct work *w, uv_timer_t *timers, double ns[STEPS])
{
    double began = cpu_ns();
    for (size_t i = 0; i < w->count; i++)
        uv_timer_start(&timers[i], fire_uv, (uint64_t)w->first_ms[i], 0);
    lap(&began, &ns[ADD], w->count);
    for (size_t i = 0; i < w->count; i++)
        uv_timer_start(&timers[w->order[i]], fire_uv, (uint64_t)w->second_ms[i], 0);
    lap(&began, &ns[REARM], w->count);
    for (size_t i = 0; i < w->count; i++)
        uv_timer_stop(&timers[w->order[i]]);
    lap(&began, &ns[CANCEL], w->count);
}

int main(int argc, char **argv)
{
    static const char *const names[STEPS] = {"add", "re-arm", "cancel"};
    struct work w = {.count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, .random = 0x9e3779b97f4a7c15};
    double mine[STEPS] = {0};
    double other[STEPS] = {0};
    const size_t rounds = w.count < 100000 ? 1000 : 1; /* a few microseconds would measure the clock */
    const struct plait_reactor_options options = {.slow_callback = plait_seconds(1000)};
    struct plait_reactor *r = plait_reactor_new(&options);
    uv_loop_t loop;
    if (!r || w.count == 0 || uv_loop_init(&loop) != 0)
        return 2;
    prepare(&w);
    struct plait_timer *timers = must(calloc(w.count, sizeof *timers));
    uv_timer_t *uv = must(calloc(w.count, sizeof *uv));
    for (size_t i = 0; i < w.count; i++) {
        plait_timer_init(&timers[i], r, "bench", fire, NULL);
        uv_timer_init(&loop, &uv[i]);
    }
    for (size_t n = 0; n < rounds; n++) {
        ours_in_a_turn(r, &(struct ours){&w, timers, mine});
        theirs(&w, uv, other);
    }
    for (int i = 0; i < STEPS; i++)
        printf("%s %.1f %.1f\n", names[i], mine[i] / (double)rounds, other[i] / (double)rounds);
    return 0;
}
