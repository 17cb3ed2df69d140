/* SPDX-License-Identifier: MIT
 *
 * Timers over all levels of the wheel, from microseconds to days, armed, armed again and stopped at random: each fires
 * once, not before its time and hardly after it. A call that queues itself again and again must not keep
 * what was posted from its turn.
 */
#include "tests/sim/scenarios.h"

#include <plait/reactor.h>

#define TIMERS 40
#define CHANGES 2000
#define LATE_MAX plait_millis(2)

struct tick {
    struct plait_sim *sim;
    struct plait_timer timer;
    plait_time due; /* PLAIT_NEVER: it must not fire */
};

struct loop {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct tick ticks[TIMERS];
    struct plait_timer change;
    struct plait_soon busy;
    unsigned changes, rounds, fired;
    bool relieved;
};

static void arm(struct loop *loop, struct tick *t)
{
    /* As many bits as chance has it: short and long spans are as frequent. */
    const unsigned bits = (unsigned)plait_sim_random(loop->sim, 48);
    const plait_span span = (plait_span)plait_sim_random(loop->sim, (uint64_t)1 << bits);
    t->due = plait_now(loop->r) + span;
    plait_timer_arm(&t->timer, span);
}

static void fired(void *ctx)
{
    struct tick *t = ctx;
    const plait_time now = plait_now(t->timer.reactor);
    if (t->due == PLAIT_NEVER)
        plait_sim_fail(t->sim, "a timer that was stopped fired");
    else if (now < t->due)
        plait_sim_fail(t->sim, "a timer fired %lld ns early", (long long)(t->due - now));
    else if (now - t->due > LATE_MAX)
        plait_sim_fail(t->sim, "a timer fired %lld ns late", (long long)(now - t->due));
    if (plait_timer_runs(&t->timer))
        plait_sim_fail(t->sim, "a timer that fired runs on");
    t->due = PLAIT_NEVER;
}

static void change(void *ctx)
{
    struct loop *loop = ctx;
    for (unsigned n = 0; n < 3; n++) {
        struct tick *t = &loop->ticks[plait_sim_random(loop->sim, TIMERS)];
        if (plait_sim_random(loop->sim, 4) > 0) {
            arm(loop, t);
        } else {
            t->due = PLAIT_NEVER;
            plait_timer_stop(&t->timer);
        }
    }
    if (++loop->changes < CHANGES)
        plait_timer_arm(&loop->change, (plait_span)plait_sim_random(loop->sim, (uint64_t)1 << (loop->changes % 40)));
}

static void relieve(void *ctx)
{
    ((struct loop *)ctx)->relieved = true;
}

/* Queues itself until a later turn brings what it posts now. */
static void keep_busy(void *ctx)
{
    struct loop *loop = ctx;
    if (loop->relieved)
        return;
    if (++loop->rounds == 1 && plait_reactor_post(loop->r, "relief", relieve, loop) != PLAIT_OK)
        plait_sim_fail(loop->sim, "no memory");
    if (loop->rounds > 200000)
        plait_sim_fail(loop->sim, "a call that queues itself keeps others from their turn");
    else
        plait_soon_queue(&loop->busy);
}

static void run(struct plait_sim *sim)
{
    struct loop loop = {.sim = sim, .r = plait_host_reactor(plait_sim_host(sim, "clock"))};
    if (!loop.r) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        loop.ticks[i].sim = sim;
        plait_timer_init(&loop.ticks[i].timer, loop.r, "tick", fired, &loop.ticks[i]);
        arm(&loop, &loop.ticks[i]);
    }
    plait_timer_init(&loop.change, loop.r, "change", change, &loop);
    plait_soon_init(&loop.busy, loop.r, "busy", keep_busy, &loop);
    plait_timer_arm(&loop.change, 0);
    plait_soon_queue(&loop.busy);
    plait_sim_run_for(sim, plait_seconds(86400) * 60);
    for (unsigned i = 0; i < TIMERS; i++) {
        if (loop.ticks[i].due != PLAIT_NEVER)
            plait_sim_fail(sim, "a timer never fired");
    }
    if (loop.changes != CHANGES || !loop.relieved)
        plait_sim_fail(sim, "the changes ended after %u", loop.changes);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_timers = {.name = "timers", .faults = PLAIT_SIM_INTERRUPT, .run = run};
