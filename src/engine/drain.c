/* SPDX-License-Identifier: MIT
 *
 * The drain: nothing is accepted any more, every connection is told through its protocol, what is left after the grace
 * is aborted, and the reactor stops when the last one is gone. One interface for all protocols: NULL for `drain` means
 * that there is nothing to say.
 *
 * Invariant: a reactor drains once; r->drain stays until the reactor ends. Protocols are told from the ready list,
 * never inside plait_drain.
 * Test: tests/engine/test_drain.c.
 */
#include "engine/listen_core.h"

/* Somebody who waits for the end. */
struct waiter {
    struct plait__list link;
    struct plait_deferred *deferred;
};

struct plait__drain {
    struct plait_reactor *reactor;
    struct plait__list waiters;
    struct plait_soon begin, force, finish;
    struct plait_timer grace;
    int64_t aborted;
    bool done;
};

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void release_waiter(struct waiter *w)
{
    plait__list_remove(&w->link);
    plait_mem_free(w);
}

static void finish(void *ctx)
{
    struct plait__drain *d = ctx;
    if (d->done || d->reactor->stream_count > 0)
        return;
    d->done = true;
    plait_timer_stop(&d->grace);
    plait_soon_cancel(&d->force);
    while (!plait__list_empty(&d->waiters)) {
        struct waiter *w = plait__container(d->waiters.next, struct waiter, link);
        plait_fire(w->deferred, plait_value_num(d->aborted));
        release_waiter(w);
    }
    plait_reactor_stop(d->reactor);
}

void plait__drain_stream_gone(struct plait_reactor *r)
{
    if (r->drain && r->stream_count == 0)
        plait_soon_queue(&r->drain->finish);
}

void plait__drain_free(struct plait__drain **drain)
{
    struct plait__drain *d = *drain;
    *drain = NULL;
    if (!d)
        return;
    plait_soon_cancel(&d->begin);
    plait_soon_cancel(&d->force);
    plait_soon_cancel(&d->finish);
    plait_timer_stop(&d->grace);
    plait_mem_free(d); /* nobody waits: the reactor has cancelled all deferreds by now */
}

/* --- force -------------------------------------------------------------------------------------------------------- */

/* Aborts what is left; returns how many were not over anyway. */
static int64_t abort_list(struct plait__list *list)
{
    const struct plait_fault fault = plait_fault_make(PLAIT_EDRAINING, "drain");
    int64_t count = 0;
    struct plait__list *at = list->next;
    while (at != list) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        at = at->next;
        count += s->state <= PLAIT__S_CLOSING;
        plait__stream_fail(s, &fault);
    }
    return count;
}

static int64_t abort_all(struct plait_reactor *r)
{
    const int64_t lingering = abort_list(&r->lingering);
    return lingering + abort_list(&r->streams);
}

/* The last that goes ends the drain. */
static void force(void *ctx)
{
    struct plait__drain *d = ctx;
    const int64_t aborted = abort_all(d->reactor);
    d->aborted += aborted;
    if (aborted > 0) {
        const struct plait_field fields[] = {plait_field_i64("connections", aborted), plait_field_end()};
        plait__warn(d->reactor, "drain-forced", "connections that did not end in time were aborted", fields);
    }
}

/* --- telling everybody -------------------------------------------------------------------------------------------- */

static void tell(struct plait_stream *s)
{
    if (s->state > PLAIT__S_OPEN)
        return;
    if (!s->protocol || !s->protocol->drain) {
        plait_close(s);
        return;
    }
    const char *name = s->protocol->name;
    plait__callback_begin(s->reactor);
    s->protocol->drain(s, s->self);
    plait__callback_end(s->reactor, name);
}

static void tell_services(struct plait_reactor *r)
{
    for (struct plait__list *at = r->listeners.next; at != &r->listeners; at = at->next)
        plait__service_drain(plait__container(at, struct plait_listener, link)->service);
}

/* What a protocol does when told may move any stream from list to list: each is taken off before it is told. */
static void begin(void *ctx)
{
    struct plait__drain *d = ctx;
    struct plait_reactor *r = d->reactor;
    struct plait__list todo;
    tell_services(r);
    plait__list_init(&todo);
    while (!plait__list_empty(&r->streams)) {
        struct plait__list *link = r->streams.next;
        plait__list_remove(link);
        plait__list_add_tail(&todo, link);
    }
    while (!plait__list_empty(&todo)) {
        struct plait__list *link = todo.next;
        plait__list_remove(link);
        plait__list_add_tail(&r->streams, link);
        tell(plait__container(link, struct plait_stream, all));
    }
    plait_soon_queue(&d->finish);
}

/* --- asking for it ------------------------------------------------------------------------------------------------ */

static void cancel_waiter(struct plait_deferred *deferred, void *ctx)
{
    struct waiter *w = ctx;
    release_waiter(w);
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "drain"));
}

static struct plait_deferred *wait_for(struct plait__drain *d)
{
    struct plait_reactor *r = d->reactor;
    if (d->done)
        return plait_deferred_succeed(r, plait_value_num(d->aborted));
    struct waiter *w = plait_mem_new(&r->budget, sizeof *w);
    if (!w)
        return NULL;
    w->deferred = plait_deferred_new(r, "drain", cancel_waiter, w);
    if (!w->deferred) {
        plait_mem_free(w);
        return NULL;
    }
    plait__list_add_tail(&d->waiters, &w->link);
    return w->deferred;
}

static struct plait__drain *new_drain(struct plait_reactor *r)
{
    struct plait__drain *d = plait_mem_new(&r->budget, sizeof *d);
    if (!d)
        return NULL;
    d->reactor = r;
    plait__list_init(&d->waiters);
    plait_soon_init(&d->begin, r, "drain", begin, d);
    plait_soon_init(&d->force, r, "drain", force, d);
    plait_soon_init(&d->finish, r, "drain", finish, d);
    plait_timer_init(&d->grace, r, "drain-grace", force, d);
    return d;
}

/* Without memory for the drain there is no grace: all ends now. */
static void end_now(struct plait_reactor *r)
{
    plait__listeners_close_all(r);
    (void)abort_all(r);
    plait_reactor_stop(r);
}

struct plait_deferred *plait_drain(struct plait_reactor *reactor, plait_span grace)
{
    struct plait_reactor *r = reactor;
    if (r->drain) {
        if (!r->drain->done)
            plait_soon_queue(&r->drain->force);
        return wait_for(r->drain);
    }
    r->drain = new_drain(r);
    if (!r->drain) {
        end_now(r);
        return NULL;
    }
    plait__notify_stopping(r);
    plait__listeners_close_all(r);
    plait_soon_queue(&r->drain->begin);
    if (grace <= 0)
        plait_soon_queue(&r->drain->force);
    else if (grace != PLAIT_NEVER)
        plait_timer_arm(&r->drain->grace, grace);
    return wait_for(r->drain);
}

bool plait_is_draining(const struct plait_reactor *reactor)
{
    return reactor->drain != NULL;
}
