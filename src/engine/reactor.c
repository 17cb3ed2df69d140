/* SPDX-License-Identifier: MIT
 *
 * The reactor: makes itself, takes turns, ends. What a turn does and in which order stands in docs/loop.md; the parts
 * are elsewhere (io_epoll.c, wheel.c, soon.c, stream.c). This file knows the order and nothing of what is done.
 *
 * Invariant: no callback runs outside plait_reactor_step, plait_reactor_run and plait_reactor_free.
 * Test: tests/engine/test_reactor.c.
 */
#include "base/try.h"
#include "engine/core.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

enum { ROUNDS = 8 }; /* of the ready list and the streams in one turn, before the loop looks at the network again */

static void count_turn(struct plait_reactor *r, plait_time woke)
{
    plait_metric_add(&r->counts.turns, 1);
    r->now = woke;
    r->callback_began = woke;
}

void plait__reactor_woke(struct plait_reactor *r)
{
    count_turn(r, r->sys->ops->clock(r->sys, PLAIT_SYS_MONOTONIC));
}

void plait__reactor_touch(const struct plait_reactor *r)
{
    if (!r->in_turn && r->sys->ops->touched)
        r->sys->ops->touched(r->sys);
}

/* How long the io may wait: not at all while something is ready. */
static int64_t wait_for(struct plait_reactor *r, plait_span wait)
{
    const plait_span next = plait_reactor_next_timeout(r);
    if (next < wait)
        wait = next;
    return wait == PLAIT_NEVER ? -1 : wait;
}

static bool has_ready(const struct plait_reactor *r)
{
    return r->soon_first || r->dirty || r->graves;
}

plait_span plait_reactor_next_timeout(const struct plait_reactor *reactor)
{
    const struct plait_reactor *r = reactor;
    if (has_ready(r) || plait__io_pending(r->io) || plait__posts_waiting(r->posts) || (r->stopping && r->running))
        return 0;
    const plait_time next = plait__wheel_next(r->wheel);
    if (next == PLAIT_NEVER)
        return PLAIT_NEVER;
    const plait_time clock = r->sys->ops->clock(r->sys, PLAIT_SYS_MONOTONIC);
    return next > clock ? next - clock : 0;
}

/* Lag: how much later than the earliest due timer the loop got around to it. */
static void count_lag(struct plait_reactor *r, plait_time due)
{
    if (due <= r->now)
        plait_histogram_count(&r->counts.lag, (uint64_t)(r->now - due));
}

static void run_ready(struct plait_reactor *r)
{
    for (int round = 0; round < ROUNDS && has_ready(r); round++) {
        plait__soon_run(r);
        plait__streams_flush(r);
        plait__io_reap(r->io);
        plait__streams_release(r);
    }
}

static plait_err turn(struct plait_reactor *r, plait_span wait)
{
    const plait_time due = plait__wheel_next(r->wheel);
    const int res = plait__io_turn(r->io, wait_for(r, wait));
    count_lag(r, due);
    plait__posts_run(r->posts);
    plait__wheel_run(r->wheel);
    run_ready(r);
    plait__io_reap(r->io);
    plait__streams_release(r);
    plait__pressure_look(r);
    return plait_err_from_errno(-res);
}

plait_err plait_reactor_step(struct plait_reactor *reactor, plait_span wait)
{
    assert(plait__own_thread(reactor));
    if (reactor->in_turn)
        return PLAIT_FAIL(PLAIT_ESTATE);
    reactor->thread = pthread_self();
    reactor->in_turn = true;
    const plait_err err = turn(reactor, wait);
    reactor->in_turn = false;
    return err;
}

plait_err plait_reactor_run(struct plait_reactor *reactor)
{
    struct plait_reactor *r = reactor;
    if (r->in_turn)
        return PLAIT_FAIL(PLAIT_ESTATE);
    plait_err err = r->failed;
    r->running = true;
    plait__block_sigpipe(r); /* the thread that runs it may be another than the one that made it */
    if (err == PLAIT_OK)
        plait__notify_ready(r);
    while (err == PLAIT_OK && !r->stopping) {
        err = plait_reactor_step(r, PLAIT_NEVER);
        if (err == PLAIT_OK)
            err = r->failed;
    }
    r->running = false;
    r->stopping = false;
    return err;
}

void plait_reactor_stop(struct plait_reactor *reactor)
{
    assert(plait__own_thread(reactor));
    reactor->stopping = true;
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

static void describe(struct plait_reactor *r, struct plait_metric *m, enum plait_metric_kind kind, const char *name,
                     const char *help)
{
    m->kind = kind;
    m->name = name;
    m->help = help;
    m->unit = "";
    m->labels = "";
    plait_metrics_add(r->metrics, m);
}

static void describe_span(struct plait_reactor *r, struct plait_metric *m, struct plait_histogram *h, const char *name,
                          const char *help)
{
    m->histogram = h;
    m->scale = 1000000000;
    describe(r, m, PLAIT_HISTOGRAM, name, help);
    m->unit = "seconds";
}

static void register_counts(struct plait_reactor *r)
{
    struct plait__counts *c = &r->counts;
    describe(r, &c->turns, PLAIT_COUNTER, "plait_loop_turns", "Turns of the loop.");
    describe(r, &c->callbacks, PLAIT_COUNTER, "plait_loop_callbacks", "Callbacks that the loop made.");
    describe(r, &c->slow_callbacks, PLAIT_COUNTER, "plait_loop_slow_callbacks",
             "Callbacks that held the loop too long.");
    describe(r, &c->streams, PLAIT_GAUGE, "plait_streams", "Streams that are open.");
    describe(r, &c->accepted, PLAIT_COUNTER, "plait_accepted", "Connections accepted.");
    describe(r, &c->accept_errors, PLAIT_COUNTER, "plait_accept_errors", "Connections that could not be accepted.");
    describe(r, &c->refused_limit, PLAIT_COUNTER, "plait_refused", "Connections closed because a limit was reached.");
    describe(r, &c->ready_depth, PLAIT_GAUGE, "plait_loop_ready", "Calls on the ready list.");
    describe(r, &c->memory, PLAIT_GAUGE, "plait_memory_bytes", "Bytes held under the reactor's budget.");
    describe(r, &c->received, PLAIT_COUNTER, "plait_received_bytes", "Bytes that came in.");
    describe(r, &c->sent, PLAIT_COUNTER, "plait_sent_bytes", "Bytes that went out.");
    describe_span(r, &c->m_lag, &c->lag, "plait_loop_lag_seconds", "How late the loop came to a timer.");
    describe_span(r, &c->m_callback, &c->callback, "plait_loop_callback_seconds", "How long callbacks ran.");
}

static void log_to_stderr(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct plait_sys *sys = ctx;
    (void)level;
    (void)!sys->ops->write(sys, 2, line.ptr, line.len);
}

static void log_clock(int64_t *seconds, uint32_t *nanoseconds, void *ctx)
{
    struct plait_sys *sys = ctx;
    const int64_t ns = sys->ops->clock(sys, PLAIT_SYS_REALTIME);
    *seconds = ns / 1000000000;
    *nanoseconds = (uint32_t)(ns % 1000000000);
}

static struct plait_log *make_log(struct plait_reactor *r, const struct plait_log_options *given)
{
    static const struct plait_log_options usual = {.level = PLAIT_LOG_INFO};
    struct plait_log_options o = given ? *given : usual;
    if (!o.sink) {
        const bool colour = r->sys->ops->isatty(r->sys, 2) == 1 && !r->sys->ops->env(r->sys, "NO_COLOR");
        if (o.form == PLAIT_LOG_TEXT && colour)
            o.form = PLAIT_LOG_COLOUR;
        o.sink = log_to_stderr;
        o.clock = log_clock;
        o.ctx = r->sys;
    }
    return plait_log_new(&r->budget, &o);
}

static bool seed(struct plait_reactor *r)
{
    uint64_t bytes[4];
    if (r->sys->ops->getrandom(r->sys, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
        return false;
    plait__random_init(&r->random, bytes[0] ^ bytes[1]);
    memcpy(r->hash_key, &bytes[2], sizeof r->hash_key);
    return true;
}

static void init_plain(struct plait_reactor *r, const struct plait_reactor_options *o)
{
    r->sys = o->sys ? o->sys : plait__sys_kernel();
    r->slow_callback = o->slow_callback ? o->slow_callback : plait_millis(50);
    r->connections_max = o->connections_max ? o->connections_max : 15000;
    r->own_signals = o->own_signals;
    r->threads_max = o->threads_max ? o->threads_max : 4;
    r->soon_last = &r->soon_first;
    r->spare_fd = -1;
    plait__list_init(&r->streams);
    plait__list_init(&r->lingering);
    r->dirty_last = &r->dirty;
    plait__list_init(&r->listeners);
    plait__list_init(&r->tallies);
    plait__list_init(&r->modules);
    r->now = r->sys->ops->clock(r->sys, PLAIT_SYS_MONOTONIC);
    r->callback_began = r->now;
}

/* Makes the parts in the order in which they need each other. */
static bool make_parts(struct plait_reactor *r, const struct plait_reactor_options *o)
{
    if (!seed(r))
        return false;
    r->log = make_log(r, o->log);
    r->metrics = plait_metrics_new(&r->budget);
    r->wheel = plait__wheel_new(r);
    r->io = plait__io_new(r, r->sys);
    if (!r->log || !r->metrics || !r->wheel || !r->io)
        return false;
    register_counts(r);
    plait__deferreds_init(r);
    plait__streams_init(r);
    r->posts = plait__posts_new(r);
    return r->posts != NULL;
}

static void free_parts(struct plait_reactor *r)
{
    plait__posts_free(&r->posts);
    plait__streams_deinit(r);
    plait__deferreds_deinit(r);
    plait__io_free(&r->io);
    plait__wheel_free(&r->wheel);
    plait_metrics_free(&r->metrics);
    plait_log_free(&r->log);
}

struct plait_reactor *plait_reactor_new(const struct plait_reactor_options *options)
{
    static const struct plait_reactor_options none;
    const struct plait_reactor_options *o = options ? options : &none;
    const struct plait_allocator *heap = o->allocator ? o->allocator : plait__libc_allocator();
    struct plait_reactor *r = heap->resize(NULL, sizeof *r, heap->ctx);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    plait_budget_init(&r->budget, NULL, heap, o->memory_max ? o->memory_max : (size_t)1 << 30);
    init_plain(r, o);
    plait__block_sigpipe(r);
    if (make_parts(r, o))
        return r;
    free_parts(r);
    heap->resize(r, 0, heap->ctx);
    return NULL;
}

void plait__module_add(struct plait_reactor *r, struct plait__module *module)
{
    plait__list_add_head(&r->modules, &module->link);
}

void plait__module_remove(struct plait__module *module)
{
    plait__list_remove(&module->link);
}

static void stop_modules(struct plait_reactor *r)
{
    for (struct plait__list *at = r->modules.next; at != &r->modules; at = at->next) {
        struct plait__module *m = plait__container(at, struct plait__module, link);
        if (m->stop)
            m->stop(m);
    }
}

static void release_modules(struct plait_reactor *r)
{
    while (!plait__list_empty(&r->modules)) {
        struct plait__module *m = plait__container(r->modules.next, struct plait__module, link);
        plait__list_remove(&m->link);
        m->release(m);
    }
}

/* Lets what ended tell its owners, without waiting for anything new. */
static void run_down(struct plait_reactor *r)
{
    for (int n = 0; n < 1000 && (n < 3 || r->stream_count > 0 || plait__io_pending(r->io) || has_ready(r)); n++)
        plait__reactor_last_turn(r);
}

void plait__reactor_last_turn(struct plait_reactor *r)
{
    (void)turn(r, 0); /* a failing wait changes nothing now: what is queued still runs */
}

void plait_reactor_free(struct plait_reactor **reactor)
{
    struct plait_reactor *r = *reactor;
    if (!r)
        return;
    assert(!r->in_turn); /* a callback that frees its reactor would come back to nothing */
    *reactor = NULL;
    r->freeing = true;
    r->thread = pthread_self();
    r->in_turn = true;
    plait__posts_close(r->posts);
    plait__listeners_close_all(r);
    stop_modules(r);
    plait__streams_abort_all(r, PLAIT_ECANCELLED);
    run_down(r);
    plait__pool_free(&r->pool);
    run_down(r);
    for (int n = 0; n < 10 && plait__deferreds_cancel_all(r); n++)
        run_down(r); /* in which callbacks may have begun something new */
    release_modules(r);
    plait__signals_free(&r->signals);
    plait__drain_free(&r->drain);
    run_down(r);
    release_modules(r); /* which callbacks made in the last turns */
    if (r->resolver.free)
        r->resolver.free(r->resolver.ctx);
    const struct plait_allocator *heap = r->budget.allocator;
    free_parts(r);
    heap->resize(r, 0, heap->ctx);
}

/* --- what callers ask --------------------------------------------------------------------------------------------- */

int plait_reactor_fd(const struct plait_reactor *reactor)
{
    return plait__io_fd(reactor->io);
}

plait_time plait_now(const struct plait_reactor *reactor)
{
    const struct plait_reactor *r = reactor;
    return r->in_turn ? r->now : r->sys->ops->clock(r->sys, PLAIT_SYS_MONOTONIC);
}

void plait_wall_clock(struct plait_reactor *reactor, int64_t *seconds, uint32_t *nanoseconds)
{
    log_clock(seconds, nanoseconds, reactor->sys);
}

plait_err plait_random_bytes(struct plait_reactor *reactor, void *out, size_t bytes)
{
    uint8_t *at = out;
    while (bytes > 0) {
        const ssize_t got = reactor->sys->ops->getrandom(reactor->sys, at, bytes);
        if (got <= 0)
            return PLAIT_FAIL(PLAIT_EIO);
        at += got;
        bytes -= (size_t)got;
    }
    return PLAIT_OK;
}

uint64_t plait_random_u64(struct plait_reactor *reactor)
{
    return plait__random_next(&reactor->random);
}

struct plait_log *plait_reactor_log(struct plait_reactor *reactor)
{
    return reactor->log;
}

struct plait_metrics *plait_reactor_metrics(struct plait_reactor *reactor)
{
    plait_metric_set(&reactor->counts.memory, (int64_t)reactor->budget.used);
    return reactor->metrics;
}

struct plait_budget *plait_reactor_budget(struct plait_reactor *reactor)
{
    return &reactor->budget;
}

int plait_main_status(plait_err err)
{
    if (err == PLAIT_OK)
        return 0;
    char line[160];
    const int len = snprintf(line, sizeof line, "plait: %s\n", plait_err_text(err));
    struct plait_sys *sys = plait__sys_kernel();
    (void)!sys->ops->write(sys, 2, line, (size_t)len);
    return 1;
}

void plait__warn(struct plait_reactor *r, const char *event, const char *text, const struct plait_field *fields)
{
    plait_log_event(r->log, PLAIT_LOG_WARN, "engine", event, text, fields);
}
