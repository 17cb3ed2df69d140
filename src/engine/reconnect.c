/* SPDX-License-Identifier: MIT
 *
 * A client that stays connected: connects, opens its service on the stream, and after the loss connects again, after
 * delays that grow and are spread by chance. A connection that was up starts the delays anew.
 *
 * Invariant: at most one of these holds: an attempt runs, the timer runs, a stream is up. The object outlives its
 * stream and its attempt; after stop it goes with the last of them.
 * Test: tests/engine/test_reconnect.c.
 */
#include "base/try.h"
#include "engine/connect_core.h"
#include "engine/listen_core.h"

struct waiter {
    struct plait__list link;
    struct plait_deferred *deferred;
    size_t failures; /* in a row that make it fail; 0: never */
};

struct plait_reconnect {
    struct plait__peer books; /* of the stream */
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_service *service;
    struct plait_reconnect_options o;
    struct plait_deferred *attempt;
    struct plait_stream *s;
    struct plait__peer *under; /* books that the stream had before ours, such as a child program's */
    struct plait_timer timer;
    struct plait__list waiters;
    struct plait_fault fault; /* of the last attempt */
    plait_span delay;
    size_t failures; /* in a row */
    bool stopped;
    char endpoint[]; /* and the options' texts */
};

/* --- waiters ------------------------------------------------------------------------------------------------------ */

static void release_waiter(struct waiter *w)
{
    plait__list_remove(&w->link);
    plait_mem_free(w);
}

static void cancel_waiter(struct plait_deferred *deferred, void *ctx)
{
    release_waiter(ctx);
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "reconnect"));
}

static void tell_connected(struct plait_reconnect *c)
{
    while (!plait__list_empty(&c->waiters)) {
        struct waiter *w = plait__container(c->waiters.next, struct waiter, link);
        plait_fire(w->deferred, plait_value_ptr(c->s, NULL));
        release_waiter(w);
    }
}

/* Tells those for whom it failed often enough; all of them when there is no further attempt. */
static void tell_failed(struct plait_reconnect *c, bool all)
{
    struct plait__list *at = c->waiters.next;
    while (at != &c->waiters) {
        struct waiter *w = plait__container(at, struct waiter, link);
        at = at->next;
        if (!all && (w->failures == 0 || c->failures < w->failures))
            continue;
        plait_fire_fault(w->deferred, c->fault);
        release_waiter(w);
    }
}

struct plait_deferred *plait_reconnect_when(struct plait_reconnect *client, size_t failures)
{
    struct plait_reactor *r = client->reactor;
    if (client->s)
        return plait_deferred_succeed(r, plait_value_ptr(client->s, NULL));
    struct waiter *w = plait_mem_new(&r->budget, sizeof *w);
    if (!w)
        return NULL;
    w->failures = failures;
    w->deferred = plait_deferred_new(r, "reconnect", cancel_waiter, w);
    if (!w->deferred) {
        plait_mem_free(w);
        return NULL;
    }
    struct plait_deferred *d = w->deferred;
    plait__list_add_tail(&client->waiters, &w->link);
    if (client->o.attempts_max && client->failures >= client->o.attempts_max)
        tell_failed(client, true); /* it has given up */
    return d;
}

/* --- attempts ----------------------------------------------------------------------------------------------------- */

static void settle(struct plait_reconnect *c)
{
    if (!c->stopped || c->s || c->attempt)
        return;
    plait__module_remove(&c->module);
    plait_tls_client_unref(&c->o.connect.tls);
    plait_target_rules_unref(&c->o.connect.targets);
    plait_service_unref(&c->service);
    plait_mem_free(c);
}

/* The delay with a share of it drawn at random, up or down. */
static plait_span spread(struct plait_reconnect *c)
{
    const uint64_t share = (uint64_t)(c->delay / 1000) * c->o.jitter_permille;
    const uint64_t drawn = plait__random_below(&c->reactor->random, 2 * share + 1);
    return c->delay - (plait_span)share + (plait_span)drawn;
}

static void wait(struct plait_reconnect *c)
{
    plait_timer_arm(&c->timer, spread(c));
    const plait_span grown = c->delay / 1000 * c->o.factor_permille;
    c->delay = grown < c->o.max ? grown : c->o.max;
}

static void failed(struct plait_reconnect *c, struct plait_fault fault)
{
    fault.peer = NULL;
    c->fault = fault;
    c->failures++;
    const bool last = c->o.attempts_max && c->failures >= c->o.attempts_max;
    const struct plait_field fields[] = {plait_field_text("endpoint", c->endpoint),
                                         plait_field_i64("failures", (int64_t)c->failures), plait_field_fault(&fault),
                                         plait_field_end()};
    plait_log_event(c->reactor->log, last ? PLAIT_LOG_WARN : PLAIT_LOG_INFO, "engine", "reconnect-failed",
                    last ? "gave up connecting" : "connecting failed; it is tried again", fields);
    if (!last)
        wait(c);
    tell_failed(c, last);
}

static void forget(struct plait__peer *books, struct plait_stream *s)
{
    struct plait_reconnect *c = plait__container(books, struct plait_reconnect, books);
    c->s = NULL;
    if (c->under)
        c->under->forget(c->under, s);
    if (!c->stopped)
        wait(c);
    settle(c);
}

static void open_on(struct plait_reconnect *c, struct plait_stream *s)
{
    c->s = s;
    c->failures = 0;
    c->delay = c->o.first;
    c->under = s->flags & PLAIT__F_ADOPTED ? s->peer : NULL;
    s->peer = &c->books;
    s->flags |= PLAIT__F_ADOPTED;
    if (s->flags & PLAIT__F_HELD)
        plait__offer_taken(s);
    if (plait__service_open(c->service, s))
        tell_connected(c);
}

static void attempted(struct plait_result *result, void *ctx)
{
    struct plait_reconnect *c = ctx;
    c->attempt = NULL;
    if (result->fault.err == PLAIT_OK)
        open_on(c, plait_result_take(result).ptr);
    else
        failed(c, result->fault);
}

static void try_now(void *ctx)
{
    struct plait_reconnect *c = ctx;
    c->attempt = plait_connect(c->reactor, c->endpoint, &c->o.connect);
    if (plait_then(c->attempt, attempted, c) == PLAIT_OK)
        return;
    plait__deferred_drop(c->attempt);
    c->attempt = NULL;
    failed(c, plait_fault_make(PLAIT_ENOMEM, "connect"));
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void stop(struct plait_reconnect *c)
{
    struct plait_deferred *attempt = c->attempt;
    if (c->stopped)
        return;
    c->stopped = true;
    plait_timer_stop(&c->timer);
    c->fault = plait_fault_make(PLAIT_ECANCELLED, "reconnect");
    tell_failed(c, true);
    c->attempt = NULL;
    if (attempt) {
        plait__deferred_forget(attempt, attempted, c);
        plait__deferred_drop(attempt);
    }
    if (c->s)
        plait_close(c->s);
}

void plait_reconnect_stop(struct plait_reconnect **client)
{
    struct plait_reconnect *c = *client;
    *client = NULL;
    if (!c)
        return;
    stop(c);
    settle(c);
}

static void module_stop(struct plait__module *module)
{
    stop(plait__container(module, struct plait_reconnect, module));
}

static void module_release(struct plait__module *module)
{
    struct plait_reconnect *c = plait__container(module, struct plait_reconnect, module);
    stop(c);
    settle(c);
}

static char *copy(char **at, plait_slice text)
{
    char *copied = *at;
    if (text.len > 0)
        memcpy(copied, text.ptr, text.len);
    copied[text.len] = '\0';
    *at += text.len + 1;
    return copied;
}

static void fill(struct plait_reconnect *c, const char *endpoint, const struct plait_reconnect_options *o)
{
    char *at = c->endpoint;
    copy(&at, plait_slice_text(endpoint));
    c->o = *o;
    if (o->connect.server_name)
        c->o.connect.server_name = copy(&at, plait_slice_text(o->connect.server_name));
    c->o.connect.alpn = plait_slice_of(copy(&at, o->connect.alpn), o->connect.alpn.len);
    c->o.connect.preface = plait_slice_of(copy(&at, o->connect.preface), o->connect.preface.len);
    c->o.connect.tls = o->connect.tls ? plait_tls_client_ref(o->connect.tls) : NULL;
    c->o.connect.targets = o->connect.targets ? plait_target_rules_ref(o->connect.targets) : NULL;
    c->o.first = o->first > 0 ? o->first : plait_seconds(1);
    c->o.max = o->max > 0 ? o->max : plait_seconds(60);
    c->o.factor_permille = o->factor_permille ? o->factor_permille : 1500;
    c->o.jitter_permille = o->jitter_permille ? o->jitter_permille : 250;
    if (c->o.jitter_permille > 1000)
        c->o.jitter_permille = 1000;
    c->delay = c->o.first;
}

struct plait_reconnect *plait_reconnect_start(struct plait_reactor *reactor, const char *endpoint,
                                              const struct plait_reconnect_options *options,
                                              struct plait_service *service)
{
    const struct plait_reconnect_options none = {.first = 0};
    const struct plait_reconnect_options *o = options ? options : &none;
    const size_t texts = strlen(endpoint) + plait_slice_text(o->connect.server_name).len + o->connect.alpn.len +
                         o->connect.preface.len + 4;
    struct plait_reconnect *c = service ? plait_mem_new(&reactor->budget, sizeof *c + texts) : NULL;
    if (!c) {
        plait_service_unref(&service);
        return NULL;
    }
    c->reactor = reactor;
    c->service = service;
    c->books.forget = forget;
    c->module.stop = module_stop;
    c->module.release = module_release;
    plait__list_init(&c->waiters);
    plait_timer_init(&c->timer, reactor, "reconnect", try_now, c);
    fill(c, endpoint, o);
    plait__module_add(reactor, &c->module);
    plait_timer_arm(&c->timer, 0);
    return c;
}
