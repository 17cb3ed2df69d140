/* SPDX-License-Identifier: MIT
 *
 * A stream as a deferred's value. The value is the bare pointer, which says nothing of whether the stream still lives;
 * so the stream is held back until the first callback runs, and a moment more for whoever passes results on (a task, a
 * group). Then it has a protocol, or it is aborted.
 *
 * Invariant: PLAIT__F_HELD is set while offer->s is the stream, whose `self` is the offer; the offer goes when its
 * claim has ended and the stream is taken or given up.
 * Test: tests/engine/test_connect.c.
 */
#include "engine/connect_core.h"

enum { GRACE_MS = 10 };

struct plait__offer {
    struct plait__claim claim;
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_stream *s;
    struct plait_timer grace;
    bool told; /* the claim has ended */
};

static void settle(struct plait__offer *o)
{
    if (o->s || !o->told)
        return;
    plait__module_remove(&o->module);
    plait_timer_stop(&o->grace);
    plait_mem_free(o);
}

/* Nobody holds the stream any more; what was due of it comes now. */
static struct plait_stream *let_go(struct plait__offer *o)
{
    struct plait_stream *s = o->s;
    o->s = NULL;
    s->self = NULL;
    s->flags &= ~(uint32_t)PLAIT__F_HELD;
    plait__stream_mark(s);
    return s;
}

static void give_up(struct plait__offer *o)
{
    if (o->s)
        plait__stream_discard(let_go(o));
}

static void grace_over(void *ctx)
{
    struct plait__offer *o = ctx;
    give_up(o);
    settle(o);
}

/* The first callback is about to run. */
static void give(struct plait__claim *claim, struct plait_result *result)
{
    struct plait__offer *o = plait__container(claim, struct plait__offer, claim);
    o->told = true;
    if (o->s && o->s->state <= PLAIT__S_OPEN) {
        result->value = plait_value_ptr(o->s, NULL);
        plait_timer_arm(&o->grace, plait_millis(GRACE_MS));
        return;
    }
    result->fault = plait_fault_make(PLAIT_ECANCELLED, "connect");
    if (o->s)
        plait__stream_fault(o->s, &result->fault);
    if (result->fault.err == PLAIT_OK)
        result->fault.err = PLAIT_ECLOSED;
    give_up(o);
    settle(o);
}

/* Nobody looked. */
static void end(struct plait__claim *claim, bool claimed)
{
    struct plait__offer *o = plait__container(claim, struct plait__offer, claim);
    (void)claimed;
    o->told = true;
    give_up(o);
    settle(o);
}

static void stop(struct plait__module *module)
{
    give_up(plait__container(module, struct plait__offer, module));
}

/* Where a deferred still holds the claim, that goes later, and the offer with it. */
static void release(struct plait__module *module)
{
    settle(plait__container(module, struct plait__offer, module));
}

void plait__offer_taken(struct plait_stream *s)
{
    struct plait__offer *o = s->self;
    (void)let_go(o);
    settle(o);
}

struct plait__offer *plait__offer_new(struct plait_reactor *r)
{
    struct plait__offer *o = plait_mem_new(&r->budget, sizeof *o);
    if (!o)
        return NULL;
    o->reactor = r;
    o->claim.end = end;
    o->claim.give = give;
    o->module.stop = stop;
    o->module.release = release;
    plait_timer_init(&o->grace, r, "connect-grace", grace_over, o);
    return o;
}

void plait__offer_free(struct plait__offer **offer)
{
    plait_mem_free(*offer);
    *offer = NULL;
}

void plait__offer_fire(struct plait__offer *offer, struct plait_stream *s, struct plait_deferred *d)
{
    if (offer->reactor->freeing) { /* nobody would end it any more */
        plait__offer_free(&offer);
        plait__stream_discard(s);
        plait_fire_fault(d, plait_fault_make(PLAIT_ECANCELLED, "connect"));
        return;
    }
    plait__module_add(offer->reactor, &offer->module);
    if (s->state <= PLAIT__S_OPEN)
        s->state = PLAIT__S_NEW;
    s->protocol = NULL;
    s->self = offer;
    s->flags &= ~(uint32_t)PLAIT__F_CONNECTED;
    s->flags |= PLAIT__F_HELD | PLAIT__F_CALL_DATA;
    offer->s = s;
    plait__fire_claim(d, &offer->claim);
}

struct plait_deferred *plait__offer_stream(struct plait_reactor *r, struct plait_stream *s)
{
    struct plait__offer *offer = plait__offer_new(r);
    struct plait_deferred *d = offer ? plait_deferred_new(r, "connect", NULL, NULL) : NULL;
    if (!d) {
        plait__offer_free(&offer);
        plait__stream_discard(s);
        return NULL;
    }
    plait__offer_fire(offer, s, d);
    return d;
}
