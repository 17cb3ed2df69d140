/* SPDX-License-Identifier: MIT
 *
 * Counts what is still going on in a reactor: streams, deferreds, tasks, jobs of the pool, timers that run. It only
 * looks. Streams that linger are the reactor's own business: their owner has heard the last of them.
 *
 * Invariant: nothing here allocates or changes anything.
 * Test: tests/sim/test_world.c, where a run fails for each of these.
 */
#include "engine/core.h"
#include "engine/task_core.h"

#include <string.h>

static size_t length(const struct plait__list *list)
{
    size_t count = 0;
    for (const struct plait__list *at = list->next; at != list; at = at->next)
        count++;
    return count;
}

/* What a reactor, or a listener that stands, keeps running of its own accord. */
static bool is_housekeeping(const char *name)
{
    static const char *const names[] = {"linger", "accept-retry", "tls-ticket-key", "watchdog", "drain-grace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void note_timer(const struct plait_timer *timer, void *ctx)
{
    struct plait_reactor_left *out = ctx;
    if (timer->due == PLAIT_NEVER || is_housekeeping(timer->name))
        return;
    out->timers++;
    out->timer = timer->name;
}

void plait_reactor_look(const struct plait_reactor *reactor, struct plait_reactor_left *out)
{
    const struct plait_reactor *r = reactor;
    *out = (struct plait_reactor_left){
        .streams = r->stream_count,
        .deferreds = length(&r->live_deferreds),
        .tasks = r->tasks ? length(&r->tasks->all) : 0,
        .jobs = plait__pool_busy(r->pool),
    };
    plait__wheel_each(r->wheel, note_timer, out);
}
