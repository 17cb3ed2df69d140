/* SPDX-License-Identifier: MIT
 *
 * Waiting in line: a semaphore of tokens, and a queue of values. Both keep the order of asking. A token that was given
 * to a deferred at which nobody looked (it was cancelled or ignored in between) goes back by itself.
 *
 * Invariant: a semaphore has waiters only when it has no token left, a queue has waiters only when it is empty.
 * Tests: tests/engine/test_semaphore.c, tests/engine/test_queue.c.
 */
#include "engine/deferred_core.h"

#include "base/try.h"

enum { QUEUE_DEFAULT = 1024, RING_FIRST = 16 };

/* Somebody in line; for a semaphore also somebody whose token was not looked at yet. */
struct waiter {
    struct plait__claim claim; /* first: a semaphore's value points to it */
    struct plait__list link;
    struct plait_deferred *deferred;
    struct plait_semaphore *semaphore; /* NULL when the semaphore has ended */
    size_t *waiting;                   /* a queue's count of who waits */
};

static struct waiter *waiter_new(struct plait_reactor *r, const char *name, plait_cancel_fn cancel)
{
    struct waiter *w = plait_mem_new(&r->budget, sizeof *w);
    if (!w)
        return NULL;
    plait__list_init(&w->link);
    w->deferred = plait_deferred_new(r, name, cancel, w);
    if (w->deferred)
        return w;
    plait_mem_free(w);
    return NULL;
}

static struct waiter *first_of(struct plait__list *list)
{
    return plait__list_empty(list) ? NULL : plait__container(list->next, struct waiter, link);
}

static void waiter_free(struct waiter *w)
{
    plait__list_remove(&w->link);
    if (w->waiting)
        --*w->waiting;
    plait_mem_free(w);
}

/* Takes somebody out of the line, without result. */
static void cancel_waiter(struct plait_deferred *deferred, void *ctx)
{
    waiter_free(ctx);
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "wait"));
}

/* The line ends. */
static void dismiss(struct plait__list *line)
{
    for (struct waiter *w = first_of(line); w; w = first_of(line))
        cancel_waiter(w->deferred, w);
}

/* --- semaphore ---------------------------------------------------------------------------------------------------- */

struct plait_semaphore {
    struct plait_reactor *reactor;
    size_t tokens;
    struct plait__list line;    /* who waits */
    struct plait__list granted; /* whose token nobody has looked at */
};

struct plait_semaphore *plait_semaphore_new(struct plait_reactor *reactor, size_t tokens)
{
    struct plait_semaphore *s = plait_mem_new(&reactor->budget, sizeof *s);
    if (!s)
        return NULL;
    s->reactor = reactor;
    s->tokens = tokens;
    plait__list_init(&s->line);
    plait__list_init(&s->granted);
    return s;
}

void plait_semaphore_free(struct plait_semaphore **semaphore)
{
    struct plait_semaphore *s = *semaphore;
    if (!s)
        return;
    *semaphore = NULL;
    dismiss(&s->line);
    for (struct waiter *w = first_of(&s->granted); w; w = first_of(&s->granted)) {
        plait__list_remove(&w->link);
        w->semaphore = NULL;
    }
    plait_mem_free(s);
}

static void token_told(struct plait__claim *claim, bool claimed)
{
    struct waiter *w = plait__container(claim, struct waiter, claim);
    struct plait_semaphore *s = w->semaphore;
    waiter_free(w);
    if (s && !claimed)
        plait_release(s);
}

static void grant(struct plait_semaphore *s, struct waiter *w)
{
    plait__list_remove(&w->link);
    plait__list_add_tail(&s->granted, &w->link);
    s->tokens--;
    plait__fire_claim(w->deferred, &w->claim);
}

struct plait_deferred *plait_acquire(struct plait_semaphore *semaphore)
{
    struct plait_semaphore *s = semaphore;
    struct waiter *w = waiter_new(s->reactor, "acquire", cancel_waiter);
    if (!w)
        return NULL;
    struct plait_deferred *d = w->deferred;
    w->claim.end = token_told;
    w->semaphore = s;
    plait__list_add_tail(&s->line, &w->link);
    if (s->tokens > 0)
        grant(s, w);
    return d;
}

void plait_release(struct plait_semaphore *semaphore)
{
    semaphore->tokens++;
    struct waiter *w = first_of(&semaphore->line);
    if (w)
        grant(semaphore, w);
}

/* --- queue -------------------------------------------------------------------------------------------------------- */

struct plait_queue {
    struct plait_reactor *reactor;
    size_t size, waiting_max;
    plait_value *ring;
    size_t room, first, count;
    struct plait__list line;
    size_t waiting;
};

struct plait_queue *plait_queue_new(struct plait_reactor *reactor, size_t size, size_t waiting)
{
    struct plait_queue *q = plait_mem_new(&reactor->budget, sizeof *q);
    if (!q)
        return NULL;
    q->reactor = reactor;
    q->size = size ? size : QUEUE_DEFAULT;
    q->waiting_max = waiting ? waiting : QUEUE_DEFAULT;
    plait__list_init(&q->line);
    return q;
}

static plait_value take_first(struct plait_queue *q)
{
    const plait_value value = q->ring[q->first];
    q->first = (q->first + 1) % q->room;
    q->count--;
    return value;
}

void plait_queue_free(struct plait_queue **queue)
{
    struct plait_queue *q = *queue;
    if (!q)
        return;
    *queue = NULL;
    dismiss(&q->line);
    while (q->count > 0) {
        plait_value value = take_first(q);
        plait__value_destroy(&value);
    }
    plait_mem_free(q->ring);
    plait_mem_free(q);
}

/* Makes room for one more; the values are laid out from the start again. */
static plait_err grow(struct plait_queue *q)
{
    size_t room = q->room ? q->room * 2 : RING_FIRST;
    if (room > q->size)
        room = q->size;
    plait_value *ring = plait_mem_new(&q->reactor->budget, room * sizeof(plait_value));
    if (!ring)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->first + i) % q->room];
    plait_mem_free(q->ring);
    q->ring = ring;
    q->room = room;
    q->first = 0;
    return PLAIT_OK;
}

static bool give_to_first(struct plait_queue *q, plait_value value)
{
    struct waiter *w = first_of(&q->line);
    if (!w)
        return false;
    struct plait_deferred *d = w->deferred;
    waiter_free(w);
    plait_fire(d, value);
    return true;
}

plait_err plait_queue_put(struct plait_queue *queue, plait_value value)
{
    struct plait_queue *q = queue;
    if (give_to_first(q, value))
        return PLAIT_OK;
    if (q->count >= q->size)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    if (q->count == q->room)
        PLAIT_TRY(grow(q));
    q->ring[(q->first + q->count++) % q->room] = value;
    return PLAIT_OK;
}

struct plait_deferred *plait_queue_get(struct plait_queue *queue)
{
    struct plait_queue *q = queue;
    if (q->count > 0) {
        struct plait_deferred *d = plait_deferred_new(q->reactor, "get", NULL, NULL);
        if (d)
            plait_fire(d, take_first(q));
        return d;
    }
    if (q->waiting >= q->waiting_max)
        return plait_deferred_fail(q->reactor, plait_fault_make(PLAIT_FAIL(PLAIT_ELIMIT), "get"));
    struct waiter *w = waiter_new(q->reactor, "get", cancel_waiter);
    if (!w)
        return NULL;
    plait__list_add_tail(&q->line, &w->link);
    w->waiting = &q->waiting;
    q->waiting++;
    return w->deferred;
}
