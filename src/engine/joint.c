/* SPDX-License-Identifier: MIT
 *
 * Joining two streams: what one gives the other is given, with backpressure, half by half. A protocol like any other.
 *
 * Invariant: an end reads only while the other has room; the deferred fires when both streams are gone. The timer of
 * silence runs on over what moves, and looks when it fires whether something did.
 * Test: tests/engine/test_joint.c.
 */
#include "base/try.h"

#include <plait/stream.h>

struct joint;

struct end {
    struct joint *joint;
    struct plait_stream *s; /* NULL once lost */
    struct end *other;
    bool gives; /* its bytes go to the other end; else they are thrown away */
    bool ended; /* it said all it had */
};

struct joint {
    struct plait_deferred *over;
    struct end end[2];
    int64_t carried;
    plait_span idle; /* silence both ways that is too long */
    plait_time moved;
    struct plait_timer silence;
    struct plait_fault fault; /* the first that was none of an orderly end */
};

static size_t data(struct plait_stream *s, plait_slice in, void *self)
{
    struct end *e = self;
    if (!e->gives || !e->other->s)
        return in.len;
    plait_write(e->other->s, in);
    e->joint->carried += (int64_t)in.len;
    e->joint->moved = plait_now(e->joint->silence.reactor);
    if (plait_is_full(e->other->s))
        plait_pause(s);
    return in.len;
}

static void room(struct plait_stream *s, void *self)
{
    struct end *e = self;
    (void)s;
    if (e->other->s)
        plait_resume(e->other->s);
}

/* The end of one half ends the other stream's; when nothing is left to carry, both close. */
static void eof(struct plait_stream *s, size_t rest, void *self)
{
    struct end *e = self;
    (void)s;
    (void)rest;
    e->ended = true;
    const bool all =
        (!e->joint->end[0].gives || e->joint->end[0].ended) && (!e->joint->end[1].gives || e->joint->end[1].ended);
    if (!all) {
        plait_close_write(e->other->s);
        return;
    }
    plait_close(e->other->s);
    plait_close(s);
}

static bool orderly(const struct plait_fault *fault)
{
    return fault->err == PLAIT_OK || fault->err == PLAIT_EEOF;
}

static void finish(struct joint *j)
{
    if (j->fault.err == PLAIT_OK)
        plait_fire(j->over, plait_value_num(j->carried));
    else
        plait_fire_fault(j->over, j->fault);
    plait_timer_stop(&j->silence);
    plait_mem_free(j);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct end *e = self;
    struct joint *j = e->joint;
    (void)s;
    e->s = NULL;
    if (!orderly(fault) && j->fault.err == PLAIT_OK)
        j->fault = *fault;
    if (!e->other->s)
        finish(j);
    else if (orderly(fault))
        plait_close(e->other->s);
    else
        plait_abort_with(e->other->s, fault->err, "the other end of the joint failed");
}

static void abort_both(struct joint *j, plait_err err, const char *detail)
{
    for (int i = 0; i < 2; i++) {
        if (j->end[i].s)
            plait_abort_with(j->end[i].s, err, detail);
    }
}

static void cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    abort_both(ctx, PLAIT_ECANCELLED, NULL);
}

static void silent(void *ctx)
{
    struct joint *j = ctx;
    const plait_time now = plait_now(j->silence.reactor);
    if (now - j->moved >= j->idle)
        abort_both(j, PLAIT_ETIMEDOUT, "nothing was carried for too long");
    else
        plait_timer_arm_at(&j->silence, j->moved + j->idle);
}

static const struct plait_protocol protocol = {.name = "joint",
                                               .data = data,
                                               .eof = eof,
                                               .room = room,
                                               .lost = lost,
                                               .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

struct plait_deferred *plait_pipe(struct plait_stream *from, struct plait_stream *to, bool both)
{
    return plait_pipe_idle(from, to, both, PLAIT_NEVER);
}

struct plait_deferred *plait_pipe_idle(struct plait_stream *from, struct plait_stream *to, bool both, plait_span idle)
{
    struct plait_reactor *r = plait_stream_reactor(from);
    struct joint *j = plait_mem_new(plait_reactor_budget(r), sizeof *j);
    if (!j)
        return NULL;
    j->over = plait_deferred_new(r, "pipe", cancel, j);
    if (!j->over) {
        plait_mem_free(j);
        return NULL;
    }
    j->idle = idle;
    j->moved = plait_now(r);
    plait_timer_init(&j->silence, r, "pipe", silent, j);
    if (idle != PLAIT_NEVER)
        plait_timer_arm(&j->silence, idle);
    j->end[0] = (struct end){.joint = j, .s = from, .other = &j->end[1], .gives = true};
    j->end[1] = (struct end){.joint = j, .s = to, .other = &j->end[0], .gives = both};
    plait_stream_attach(from, &protocol, &j->end[0]);
    plait_stream_attach(to, &protocol, &j->end[1]);
    return j->over;
}
