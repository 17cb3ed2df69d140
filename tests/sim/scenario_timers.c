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

struct loop;

struct tick {
    struct plait_sim *sim;
    struct loop *loop;
    struct plait_timer timer;
    plait_time due; /* PLAIT_NEVER: it must not fire */
};

struct loop {
    struct plait_sim *sim;
    struct plait_reactor *r;
    struct tick ticks[TIMERS];
    struct plait_timer change;
    struct plait_soon busy;
    unsigned changes, rounds, posted, came;
    bool relieved;
};

/* As many bits as chance has it: short and long spans are as frequent. */
static plait_span any_span(struct loop *loop)
{
    const unsigned bits = (unsigned)plait_sim_random(loop->sim, 48);
    return (plait_span)plait_sim_random(loop->sim, (uint64_t)1 << bits);
}

static void arm(struct tick *t, plait_span span)
{
    t->due = plait_now(t->loop->r) + span;
    plait_timer_arm(&t->timer, span);
}

static struct tick *any_tick(struct loop *loop)
{
    return &loop->ticks[plait_sim_random(loop->sim, TIMERS)];
}

/* One draw a statement: compilers differ in which argument comes first. */
static void arm_any(struct loop *loop)
{
    struct tick *t = any_tick(loop);
    arm(t, any_span(loop));
}

static void fired(void *ctx)
{
    struct tick *t = ctx;
    struct loop *loop = t->loop;
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
    if (loop->changes < CHANGES && plait_sim_random(loop->sim, 4) == 0)
        arm_any(loop); /* perhaps one that is due in this turn too */
}

static void came(void *ctx)
{
    ((struct loop *)ctx)->came++;
}

/* As another thread would: the loop is woken through the kernel. */
static void post(struct loop *loop)
{
    if (plait_reactor_post(loop->r, "posted", came, loop) != PLAIT_OK)
        plait_sim_fail(loop->sim, "no memory");
    loop->posted++;
}

/* Stops a timer, moves one, and has some come up at once. */
static void change(void *ctx)
{
    struct loop *loop = ctx;
    struct tick *stopped = any_tick(loop);
    const plait_span together = any_span(loop);
    stopped->due = PLAIT_NEVER;
    plait_timer_stop(&stopped->timer);
    arm_any(loop);
    for (unsigned n = 0; n < 4; n++)
        arm(any_tick(loop), together);
    post(loop);
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
        loop.ticks[i].loop = &loop;
        plait_timer_init(&loop.ticks[i].timer, loop.r, "tick", fired, &loop.ticks[i]);
        arm(&loop.ticks[i], any_span(&loop));
    }
    plait_timer_init(&loop.change, loop.r, "change", change, &loop);
    plait_soon_init(&loop.busy, loop.r, "busy", keep_busy, &loop);
    plait_timer_arm(&loop.change, 0);
    plait_soon_queue(&loop.busy);
    plait_sim_run_for(sim, plait_seconds(86400) * 60);
    if (loop.came != loop.posted)
        plait_sim_fail(sim, "%u of %u posted calls came", loop.came, loop.posted);
    for (unsigned i = 0; i < TIMERS; i++) {
        if (loop.ticks[i].due != PLAIT_NEVER)
            plait_sim_fail(sim, "a timer never fired");
    }
    if (loop.changes != CHANGES || !loop.relieved)
        plait_sim_fail(sim, "the changes ended after %u", loop.changes);
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_timers = {.name = "timers", .faults = PLAIT_SIM_ALL, .run = run};
