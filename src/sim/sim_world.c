/* SPDX-License-Identifier: MIT
 *
 * The world: its clock, its events, and the loop that gives each host's reactor its turns. It knows nothing of sockets
 * or files.
 *
 * Invariant: time passes only when no reactor has anything to do at the present moment. Events of the same moment fire
 * in the order in which they were added; hosts take their turns in an order drawn anew each round, so that no host is
 * always first. Tests: tests/sim/test_world.c.
 */
#include "base/memory.h"
#include "sim/sim_core.h"

#include <stdio.h>
#include <string.h>

/* Turns at one moment after which a world is taken to run in circles. */
#define STUCK_MAX 50000

/* --- random and hash ---------------------------------------------------------------------------------------------- */

uint64_t sim_mix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_random(struct plait_sim *sim)
{
    return sim_mix(&sim->random);
}

uint64_t sim_below(struct plait_sim *sim, uint64_t below)
{
    return sim_mix(&sim->random) % below;
}

uint64_t plait_sim_random(struct plait_sim *sim, uint64_t below)
{
    return sim_below(sim, below ? below : 1);
}

void sim_hash(struct plait_sim *sim, uint64_t value)
{
    uint64_t h = sim->hash ^ value;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    sim->hash = h * 0x9e3779b97f4a7c15u + 1;
}

uint64_t plait_sim_hash(const struct plait_sim *sim)
{
    return sim->hash;
}

/* --- the story ---------------------------------------------------------------------------------------------------- */

static void tell(struct plait_sim *sim, const char *fmt, va_list args)
{
    char line[300];
    (void)vsnprintf(line, sizeof line, fmt, args);
    sim->explain(sim->now, line, sim->explain_ctx);
}

void sim_say(struct plait_sim *sim, const char *fmt, ...)
{
    va_list args;
    if (!sim->explain)
        return;
    sim_strike_flush(sim);
    va_start(args, fmt);
    tell(sim, fmt, args);
    va_end(args);
}

void plait_sim_explain(struct plait_sim *sim, plait_sim_explain_fn fn, void *ctx)
{
    sim->explain = fn;
    sim->explain_ctx = ctx;
}

void plait_sim_log(struct plait_sim *sim, const char *fmt, ...)
{
    char line[300];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    for (const char *at = line; *at; at++)
        sim_hash(sim, (uint8_t)*at);
    sim_say(sim, "%s", line);
}

static void fail_with(struct plait_sim *sim, const char *fmt, va_list args)
{
    if (sim->failed)
        return;
    sim->failed = true;
    (void)vsnprintf(sim->failure, sizeof sim->failure, fmt, args);
    sim_say(sim, "FAILED: %s", sim->failure);
}

void sim_fail(struct plait_sim *sim, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_with(sim, fmt, args);
    va_end(args);
}

void plait_sim_fail(struct plait_sim *sim, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!sim->invariants_only)
        fail_with(sim, fmt, args);
    else if (sim->explain)
        tell(sim, fmt, args);
    sim->gave_up = true;
    va_end(args);
}

void sim_out_of_memory(struct plait_sim *sim)
{
    sim_fail(sim, "the world is out of memory");
}

const char *plait_sim_failure(const struct plait_sim *sim)
{
    return sim->failed ? sim->failure : NULL;
}

/* --- bytes that wait ---------------------------------------------------------------------------------------------- */

bool sim_ring_put(struct plait_sim *sim, struct sim_ring *ring, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return true;
    if (ring->at + ring->len + len > ring->cap && ring->at) {
        memmove(ring->ptr, ring->ptr + ring->at, ring->len);
        ring->at = 0;
    }
    if (ring->len + len > ring->cap) {
        size_t cap = ring->cap * 2 > ring->len + len ? ring->cap * 2 : ring->len + len;
        uint8_t *fresh = plait_mem_resize(&sim->budget, ring->ptr, cap);
        if (!fresh)
            return false;
        ring->ptr = fresh;
        ring->cap = cap;
    }
    memcpy(ring->ptr + ring->at + ring->len, bytes, len);
    ring->len += len;
    return true;
}

void sim_ring_drop(struct sim_ring *ring, size_t len)
{
    ring->at += len;
    ring->len -= len;
    if (ring->len == 0)
        sim_ring_free(ring);
}

void sim_ring_free(struct sim_ring *ring)
{
    plait_mem_free(ring->ptr);
    *ring = (struct sim_ring){0};
}

/* --- events: a binary heap by due time, then by order of adding --------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void place(struct plait_sim *sim, size_t pos, struct sim_event *event)
{
    sim->heap[pos] = event;
    event->pos = pos;
}

static void sift_up(struct plait_sim *sim, size_t pos, struct sim_event *event)
{
    for (; pos > 1 && before(event, sim->heap[pos / 2]); pos /= 2)
        place(sim, pos, sim->heap[pos / 2]);
    place(sim, pos, event);
}

static void sift_down(struct plait_sim *sim, size_t pos, struct sim_event *event)
{
    for (size_t child = pos * 2; child <= sim->heap_len; child = pos * 2) {
        if (child < sim->heap_len && before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!before(sim->heap[child], event))
            break;
        place(sim, pos, sim->heap[child]);
        pos = child;
    }
    place(sim, pos, event);
}

bool sim_event_add(struct plait_sim *sim, struct sim_event *event, int64_t due)
{
    if (sim->heap_len + 2 > sim->heap_cap) {
        size_t cap = sim->heap_cap ? sim->heap_cap * 2 : 64;
        struct sim_event **fresh = plait_mem_resize(&sim->budget, sim->heap, cap * sizeof *fresh);
        if (!fresh) {
            sim_out_of_memory(sim);
            return false;
        }
        sim->heap = fresh;
        sim->heap_cap = cap;
    }
    event->due = due > sim->now ? due : sim->now;
    event->seq = sim->next_seq++;
    sim->heap_quiet += event->quiet;
    sift_up(sim, ++sim->heap_len, event);
    return true;
}

void sim_event_cancel(struct plait_sim *sim, struct sim_event *event)
{
    size_t pos = event->pos;
    if (pos == 0)
        return;
    event->pos = 0;
    sim->heap_quiet -= event->quiet;
    struct sim_event *last = sim->heap[sim->heap_len--];
    if (last == event)
        return;
    if (pos > 1 && before(last, sim->heap[pos / 2]))
        sift_up(sim, pos, last);
    else
        sift_down(sim, pos, last);
}

void sim_event_quiet(struct plait_sim *sim, struct sim_event *event, bool quiet)
{
    sim->heap_quiet += quiet;
    sim->heap_quiet -= event->quiet;
    event->quiet = quiet;
}

static void fire_due(struct plait_sim *sim)
{
    while (sim->heap_len && sim->heap[1]->due <= sim->now) {
        struct sim_event *event = sim->heap[1];
        sim_event_cancel(sim, event);
        event->fire(sim, event);
    }
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static bool host_has_work(struct plait_host *host)
{
    if (plait_reactor_next_timeout(host->reactor) == 0)
        return true;
    struct sim_file *waits = sim_fd_file(host, plait_reactor_fd(host->reactor));
    return waits && sim_epoll_is_ready(waits);
}

void sim_host_touch(struct plait_host *host)
{
    if (host->reactor && sim_list_empty(&host->in_ready))
        sim_list_add(&host->sim->ready, &host->in_ready);
}

void sim_host_wakes(struct plait_sim *sim, struct sim_event *event)
{
    (void)sim;
    sim_host_touch(SIM_OF(event, struct plait_host, wake));
}

/* Nothing to do at present: the next timer will wake it. */
static void rest(struct plait_host *host)
{
    struct plait_sim *sim = host->sim;
    plait_span wait = plait_reactor_next_timeout(host->reactor);
    if (wait == PLAIT_NEVER) {
        sim_event_cancel(sim, &host->wake);
        return;
    }
    int64_t due = sim->now + sim_host_span(host, wait);
    if (host->wake.pos && host->wake.due == due)
        return;
    sim_event_cancel(sim, &host->wake);
    (void)sim_event_add(sim, &host->wake, due);
}

static void turn(struct plait_host *host)
{
    struct plait_sim *sim = host->sim;
    sim->turning = host;
    plait_err err = plait_reactor_step(host->reactor, 0);
    sim->turning = NULL;
    if (host->leaves)
        sim_host_leaves(host);
    else if (err)
        sim_fail(sim, "the reactor of host %s stopped: %s", host->name, plait_err_name(err));
    sim_host_touch(host);
}

/* Hosts that may have something to do, in the order of their turns: that in which they came by it, from one of them
 * on. */
static void begin_round(struct plait_sim *sim, struct sim_link *round)
{
    size_t count = 0;
    sim_list_init(round);
    while (!sim_list_empty(&sim->ready)) {
        struct sim_link *first = sim->ready.next;
        sim_list_del(first);
        sim_list_add(round, first);
        count++;
    }
    for (uint64_t skip = count > 1 ? sim_below(sim, count) : 0; skip; skip--) {
        struct sim_link *first = round->next;
        sim_list_del(first);
        sim_list_add(round, first);
    }
}

/* One round of turns at the present moment. */
static bool turn_hosts(struct plait_sim *sim)
{
    struct sim_link round;
    bool any = false;
    for (begin_round(sim, &round); !sim_list_empty(&round);) {
        struct plait_host *host = SIM_OF(round.next, struct plait_host, in_ready);
        sim_list_del(&host->in_ready);
        if (host_has_work(host)) {
            turn(host);
            any = true;
        } else {
            rest(host);
        }
    }
    return any;
}

/* A step that lets the clock pass `limit` by nothing. */
static bool step_within(struct plait_sim *sim, int64_t limit)
{
    if (sim->failed)
        return false;
    if (sim->heap_len && sim->heap[1]->due <= sim->now) {
        fire_due(sim);
        return true;
    }
    if (turn_hosts(sim)) {
        if (++sim->stuck > STUCK_MAX)
            sim_fail(sim, "the world runs in circles: %d turns without time passing", STUCK_MAX);
        return true;
    }
    int64_t next = sim->heap_len ? sim->heap[1]->due : PLAIT_NEVER;
    if (next == PLAIT_NEVER || next > limit)
        return false;
    sim->stuck = 0;
    sim->now = next;
    sim_hash(sim, (uint64_t)next);
    fire_due(sim);
    return true;
}

static bool step_until(struct plait_sim *sim, int64_t limit)
{
    bool before = sim->stepping;
    sim->stepping = true;
    bool more = step_within(sim, limit);
    sim->stepping = before;
    return more;
}

bool plait_sim_step(struct plait_sim *sim)
{
    return step_until(sim, PLAIT_NEVER - 1);
}

/* Whether nothing will happen but probes that find all well. */
static bool is_idle(struct plait_sim *sim)
{
    for (struct sim_link *at = sim->ready.next, *next; at != &sim->ready; at = next) {
        struct plait_host *host = SIM_OF(at, struct plait_host, in_ready);
        next = at->next;
        if (host_has_work(host))
            return false;
        sim_list_del(at);
        rest(host);
    }
    return sim->heap_len == sim->heap_quiet;
}

static int64_t moment_after(const struct plait_sim *sim, plait_span span)
{
    return span >= PLAIT_NEVER - sim->now ? PLAIT_NEVER - 1 : sim->now + span;
}

void plait_sim_run_for(struct plait_sim *sim, plait_span span)
{
    int64_t end = moment_after(sim, span);
    while (step_until(sim, end))
        continue;
    if (!sim->failed)
        sim->now = end;
}

bool plait_sim_run_until_idle(struct plait_sim *sim, plait_span span)
{
    int64_t end = moment_after(sim, span);
    while (!is_idle(sim) && step_until(sim, end))
        continue;
    return !sim->failed && is_idle(sim);
}

bool plait_sim_run_while(struct plait_sim *sim, plait_span span, bool (*more)(void *ctx), void *ctx)
{
    int64_t end = moment_after(sim, span);
    while (more(ctx)) {
        if (!step_until(sim, end))
            return false;
    }
    return true;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

struct plait_sim *plait_sim_new(uint64_t seed, unsigned faults)
{
    const struct plait_sim_options options = {.seed = seed, .faults = faults};
    return plait_sim_new_with(&options);
}

struct plait_sim *plait_sim_new_with(const struct plait_sim_options *options)
{
    const struct plait_allocator *heap = options->allocator ? options->allocator : plait__libc_allocator();
    uint64_t seed = options->seed;
    struct plait_sim *sim = heap->resize(NULL, sizeof *sim, heap->ctx);
    if (!sim)
        return NULL;
    memset(sim, 0, sizeof *sim);
    sim->allocator = heap;
    plait_budget_init(&sim->budget, NULL, heap, 0);
    sim->seed = seed;
    sim->random = seed;
    sim->link_random = seed ^ 0x5bd1e995a5a5a5a5u;
    sim->strikes.choice = options->choice;
    sim->strikes.fn = options->strike;
    sim->strikes.ctx = options->strike_ctx;
    sim->now = 1000000000;
    sim->wall_began = 946684800 * INT64_C(1000000000); /* the year 2000 */
    sim->faults = options->faults;
    sim->link.latency = plait_micros(100);
    sim->hash = seed;
    sim_list_init(&sim->ready);
    return sim;
}

void plait_sim_free(struct plait_sim **sim_ptr)
{
    struct plait_sim *sim = *sim_ptr;
    if (!sim)
        return;
    *sim_ptr = NULL;
    for (size_t i = 0; i < sim->host_count; i++)
        plait_host_stop(sim->hosts[i]);
    sim->ending = true;
    for (size_t i = 0; i < sim->host_count; i++)
        sim_host_free(sim->hosts[i]);
    while (sim->heap_len) {
        struct sim_event *event = sim->heap[sim->heap_len];
        sim_event_cancel(sim, event);
        if (event->drop)
            event->drop(sim, event);
    }
    for (size_t i = 0; i < sim->host_count; i++) {
        sim_host_free_ports(sim->hosts[i]);
        plait_mem_free(sim->hosts[i]);
    }
    plait_mem_free(sim->hosts);
    sim_names_free(sim);
    plait_mem_free(sim->heap);
    sim_paths_free(sim);
    const struct plait_allocator *heap = sim->allocator;
    (void)heap->resize(sim, 0, heap->ctx);
}

plait_time plait_sim_now(const struct plait_sim *sim)
{
    return sim->now;
}

/* What goes on in a reactor at the end: it would be ended with it, and nobody would hear that it was forgotten. */
static void check_reactor(struct plait_sim *sim, const struct plait_host *host)
{
    struct plait_reactor_left left;
    if (!host->reactor)
        return;
    plait_reactor_look(host->reactor, &left);
    const struct {
        size_t count;
        const char *what;
    } kinds[] = {{left.streams, "streams"},
                 {left.tasks, "tasks"},
                 {left.jobs, "jobs of the pool"},
                 {left.deferreds, "deferreds"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].count)
            sim_fail(sim, "host %s left %zu %s", host->name, kinds[i].count, kinds[i].what);
    }
    if (left.timers)
        sim_fail(sim, "host %s left %zu timers, one of them '%s'", host->name, left.timers, left.timer);
}

static void check_host(struct plait_sim *sim, struct plait_host *host)
{
    if (sim->strict && !sim->failed && !sim->gave_up) /* else the run ended in the middle of things */
        check_reactor(sim, host);
    plait_host_stop(host);
    if (!sim_list_empty(&host->processes))
        sim_fail(sim, "host %s left a process", host->name);
    if (host->heap_blocks)
        sim_fail(sim, "the reactor of host %s left %zu blocks of memory", host->name, host->heap_blocks);
    if (host->fd_count == 0)
        return;
    for (size_t fd = 0; fd < host->fd_cap; fd++) {
        if (host->fds[fd].file)
            sim_fail(sim, "host %s left descriptor %zu open (%s), %zu in all", host->name, fd,
                     host->fds[fd].file->ops->name, host->fd_count);
    }
}

void plait_sim_check_end(struct plait_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        check_host(sim, sim->hosts[i]);
}
