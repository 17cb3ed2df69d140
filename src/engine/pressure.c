/* SPDX-License-Identifier: MIT
 *
 * What is done when the reactor's memory runs low: near the budget no connection is accepted; nearer, nothing is read
 * from the connections that hold most, one after another, until there is some again; at last the idle connections that
 * hold most are ended one by one, each logged and counted, so that those that work can go on.
 *
 * A connection is idle when nothing of it is to be done in this turn. One that holds little is left alone: ending it
 * would help nobody.
 *
 * Invariant: plait__pressure_look costs two comparisons while memory is plenty, and ends or stops at most one
 * connection; none is stopped while memory is not low.
 * Test: tests/engine/test_limits.c.
 */
#include "engine/listen_core.h"

enum { PAUSE_AT = 90, RESUME_AT = 85, STOP_AT = 93, END_AT = 95, WORTH_BYTES = 4096, BETWEEN_MS = 10 };

static bool over(const struct plait_budget *b, unsigned percent)
{
    return b->used >= b->max / 100 * percent;
}

static bool is_idle(const struct plait_stream *s)
{
    return s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_ADOPTED) &&
           !(s->flags & (PLAIT__F_DIRTY | PLAIT__F_CALL_DATA | PLAIT__F_IN_CALL));
}

static bool is_read(const struct plait_stream *s)
{
    return s->state == PLAIT__S_OPEN && (s->flags & PLAIT__F_ADOPTED) && !(s->flags & PLAIT__F_STOPPED);
}

static struct plait_stream *largest(struct plait_reactor *r, bool (*counts)(const struct plait_stream *s))
{
    struct plait_stream *found = NULL;
    for (struct plait__list *at = r->streams.next; at != &r->streams; at = at->next) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        if (counts(s) && s->budget.used >= WORTH_BYTES && (!found || s->budget.used > found->budget.used))
            found = s;
    }
    return found;
}

static void end_one(struct plait_reactor *r)
{
    struct plait_stream *s = largest(r, is_idle);
    if (!s)
        return;
    struct plait_fault fault = plait_fault_make(PLAIT_ENOMEM, "memory");
    fault.detail = "ended to free memory";
    const struct plait_field fields[] = {plait_field_i64("stream", (int64_t)plait_stream_id(s)),
                                         plait_field_i64("bytes", (int64_t)s->budget.used), plait_field_end()};
    plait__warn(r, "memory-ended", "memory runs out: the largest idle connection is ended", fields);
    plait_metric_add(&r->counts.refused_limit, 1);
    plait__stream_fail(s, &fault);
}

/* Its peer is slowed by its own backpressure. */
static void stop_one(struct plait_reactor *r)
{
    struct plait_stream *s = largest(r, is_read);
    if (!s)
        return;
    const struct plait_field fields[] = {plait_field_i64("stream", (int64_t)plait_stream_id(s)),
                                         plait_field_i64("bytes", (int64_t)s->budget.used), plait_field_end()};
    plait__warn(r, "memory-stopped", "memory runs low: nothing is read from the connection that holds most", fields);
    s->flags |= PLAIT__F_STOPPED;
    r->memory_stopped = true;
    plait__stream_mark(s);
}

static void go_on_reading(struct plait_reactor *r)
{
    if (!r->memory_stopped)
        return;
    r->memory_stopped = false;
    for (struct plait__list *at = r->streams.next; at != &r->streams; at = at->next) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        if (s->flags & PLAIT__F_STOPPED)
            plait__stream_mark(s);
        s->flags &= ~(uint32_t)PLAIT__F_STOPPED;
    }
}

static void hold_back(struct plait_reactor *r)
{
    if (!r->memory_low) {
        const struct plait_field fields[] = {plait_field_i64("bytes", (int64_t)r->budget.used), plait_field_end()};
        plait__warn(r, "memory-low", "memory runs low: no connection is accepted for now", fields);
    }
    r->memory_low = true;
    plait__listeners_pause_all(r, PLAIT__PAUSE_MEMORY);
}

void plait__pressure_look(struct plait_reactor *r)
{
    if (!r->memory_low && !over(&r->budget, PAUSE_AT))
        return;
    if (over(&r->budget, PAUSE_AT))
        hold_back(r);
    else
        go_on_reading(r);
    if (!over(&r->budget, RESUME_AT)) {
        r->memory_low = false;
        plait__listeners_go_on_all(r, PLAIT__PAUSE_MEMORY);
    }
    if (!over(&r->budget, STOP_AT) || r->now - r->memory_acted < plait_millis(BETWEEN_MS))
        return;
    r->memory_acted = r->now;
    if (over(&r->budget, END_AT))
        end_one(r);
    else
        stop_one(r);
}
