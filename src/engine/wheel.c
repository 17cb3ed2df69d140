/* SPDX-License-Identifier: MIT
 *
 * Timers: a hierarchical wheel of eight levels with 64 slots each, ticking every 2^19 ns (about half a millisecond).
 * Adding, stopping and firing cost the same however many there are, and re-arming to a later time only writes that
 * time: the entry is moved when its old slot comes up. A wheel knows nothing of the loop but the reactor's time.
 *
 * Invariant: a timer stands in the slot of `filed`, which is never later than `due`; a slot's bit is set when the slot
 * has entries (a set bit may be stale); every entry's tick is at or behind `current`.
 * Test: tests/engine/test_wheel.c, which compares with a sorted list over random operations.
 */
#include "engine/core.h"

#include <assert.h>

enum { LEVELS = 8, SLOT_BITS = 6, SLOTS = 1 << SLOT_BITS, TICK_BITS = 19 };

struct plait__wheel {
    struct plait_reactor *reactor;
    uint64_t current; /* ticks: everything before it has been fired */
    uint64_t busy[LEVELS];
    struct plait_timer *slot[LEVELS][SLOTS];
};

static uint64_t tick_at_or_after(plait_time t)
{
    if (t <= 0)
        return 0;
    const uint64_t one_less = (uint64_t)1 << TICK_BITS;
    return ((uint64_t)t + one_less - 1) >> TICK_BITS;
}

struct plait__wheel *plait__wheel_new(struct plait_reactor *r)
{
    struct plait__wheel *w = plait_mem_new(&r->budget, sizeof *w);
    if (w) {
        w->reactor = r;
        w->current = (uint64_t)r->now >> TICK_BITS;
    }
    return w;
}

void plait__wheel_free(struct plait__wheel **wheel)
{
    plait_mem_free(*wheel);
    *wheel = NULL;
}

static void link_to(struct plait_timer **head, struct plait_timer *t)
{
    t->next = *head;
    t->prev = head;
    if (t->next)
        t->next->prev = &t->next;
    *head = t;
}

static void unlink_from_slot(struct plait_timer *t)
{
    if (!t->prev)
        return;
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = NULL;
    t->next = NULL;
}

/* Files a timer by its due time. The level is the highest group of six bits in which the tick differs from now's. */
static void file(struct plait__wheel *w, struct plait_timer *t)
{
    uint64_t tick = tick_at_or_after(t->due);
    if (tick < w->current)
        tick = w->current;
    const uint64_t differs = tick ^ w->current;
    const unsigned level = differs ? (63u - (unsigned)__builtin_clzll(differs)) / SLOT_BITS : 0;
    const unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) & (SLOTS - 1);
    t->filed = t->due;
    w->busy[level] |= (uint64_t)1 << slot;
    link_to(&w->slot[level][slot], t);
}

/* First occupied slot of a level at or behind the current place; -1 for none. Bits of emptied slots are cleared on the
 * way. */
static int first_busy(struct plait__wheel *w, unsigned level)
{
    const unsigned place = (unsigned)(w->current >> (SLOT_BITS * level)) & (SLOTS - 1);
    for (;;) {
        const uint64_t ahead = w->busy[level] & (~(uint64_t)0 << place);
        if (ahead == 0)
            return -1;
        const int slot = __builtin_ctzll(ahead);
        if (w->slot[level][slot])
            return slot;
        w->busy[level] &= ~((uint64_t)1 << slot);
    }
}

static void name_slot(const struct plait__wheel *w, unsigned l, unsigned found, unsigned *level, unsigned *slot,
                      uint64_t *tick)
{
    const unsigned shift = SLOT_BITS * l;
    const unsigned above = shift + SLOT_BITS;
    *level = l;
    *slot = found;
    *tick = (w->current >> above << above) | (uint64_t)found << shift;
}

/* The next slot to look at. A higher slot in which the present already stands comes before everything, since what is in
 * it belongs further down; then lower levels come first, because they are nearer. Returns false when the wheel is
 * empty. */
static bool next_slot(struct plait__wheel *w, unsigned *level, unsigned *slot, uint64_t *tick)
{
    for (unsigned l = LEVELS - 1; l > 0; l--) {
        const unsigned place = (unsigned)(w->current >> (SLOT_BITS * l)) & (SLOTS - 1);
        if (w->slot[l][place]) {
            name_slot(w, l, place, level, slot, tick);
            return true;
        }
    }
    for (unsigned l = 0; l < LEVELS; l++) {
        const int found = first_busy(w, l);
        if (found >= 0) {
            name_slot(w, l, (unsigned)found, level, slot, tick);
            return true;
        }
    }
    return false;
}

plait_time plait__wheel_next(const struct plait__wheel *wheel)
{
    struct plait__wheel *w = (struct plait__wheel *)(uintptr_t)wheel; /* only stale bits are cleared */
    unsigned level;
    unsigned slot;
    uint64_t tick;
    if (!next_slot(w, &level, &slot, &tick))
        return PLAIT_NEVER;
    return tick >= (uint64_t)PLAIT_NEVER >> TICK_BITS ? PLAIT_NEVER - 1 : (plait_time)(tick << TICK_BITS);
}

void plait__wheel_each(const struct plait__wheel *w, void (*fn)(const struct plait_timer *timer, void *ctx), void *ctx)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            for (const struct plait_timer *t = w->slot[level][slot]; t; t = t->next)
                fn(t, ctx);
        }
    }
}

/* The list of a slot, oldest entry first: entries were put in at the head. */
static struct plait_timer *reversed(struct plait_timer *t)
{
    struct plait_timer *done = NULL;
    while (t) {
        struct plait_timer *next = t->next;
        t->next = done;
        done = t;
        t = next;
    }
    return done;
}

/* Takes everything out of a slot that came up: what is due goes to the end of the due list, the rest is filed again,
 * nearer or (re-armed) further. */
static void open_slot(struct plait__wheel *w, unsigned level, unsigned slot, struct plait_timer ***due_end)
{
    struct plait_timer *t = reversed(w->slot[level][slot]);
    w->slot[level][slot] = NULL;
    w->busy[level] &= ~((uint64_t)1 << slot);
    while (t) {
        struct plait_timer *next = t->next;
        t->prev = NULL;
        if (t->due <= w->reactor->now) {
            link_to(*due_end, t);
            *due_end = &t->next;
        } else {
            file(w, t);
        }
        t = next;
    }
}

static void fire(struct plait__wheel *w, struct plait_timer *t)
{
    struct plait_reactor *r = w->reactor;
    const char *name = t->name;
    unlink_from_slot(t);
    if (t->due > r->now) { /* a callback before this one armed it anew */
        file(w, t);
        return;
    }
    t->due = PLAIT_NEVER;
    plait__callback_begin(r);
    t->fn(t->ctx);
    plait__callback_end(r, name);
}

void plait__wheel_run(struct plait__wheel *w)
{
    const uint64_t now = (uint64_t)w->reactor->now >> TICK_BITS;
    struct plait_timer *due = NULL;
    struct plait_timer **due_end = &due;
    unsigned level;
    unsigned slot;
    uint64_t tick;
    while (next_slot(w, &level, &slot, &tick) && tick <= now) {
        if (tick > w->current)
            w->current = tick;
        open_slot(w, level, slot, &due_end); /* what is filed again is due later than now, in a tick behind this one */
    }
    w->current = now + 1;
    while (due) /* a callback may stop those that wait behind it, or arm them anew */
        fire(w, due);
}

void plait_timer_init(struct plait_timer *timer, struct plait_reactor *reactor, const char *name, plait_call_fn fn,
                      void *ctx)
{
    *timer = (struct plait_timer){.reactor = reactor, .due = PLAIT_NEVER, .fn = fn, .ctx = ctx, .name = name};
}

void plait_timer_arm_at(struct plait_timer *timer, plait_time due)
{
    if (due == PLAIT_NEVER) {
        plait_timer_stop(timer);
        return;
    }
    assert(plait__own_thread(timer->reactor));
    timer->due = due;
    if (timer->prev && due >= timer->filed)
        return; /* moved when the old slot comes up */
    unlink_from_slot(timer);
    file(timer->reactor->wheel, timer);
    plait__reactor_touch(timer->reactor);
}

void plait_timer_arm(struct plait_timer *timer, plait_span after)
{
    const plait_time now = plait_now(timer->reactor);
    if (after < 0)
        after = 0;
    plait_timer_arm_at(timer, plait__later(now, after));
}

void plait_timer_stop(struct plait_timer *timer)
{
    assert(!timer->prev || plait__own_thread(timer->reactor)); /* one that was never made may be stopped */
    unlink_from_slot(timer);
    timer->due = PLAIT_NEVER;
}
