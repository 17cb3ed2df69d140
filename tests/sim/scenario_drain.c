/* SPDX-License-Identifier: MIT
 *
 * A server drains while its guests read, read slowly, don't read at all, or hear the goodbye and stay. It takes nobody
 * in any more, says goodbye to each once, ends those that are left when the grace is over or somebody asks a second
 * time, not before and not later, and tells how many they were. What a guest hears is what was said, up to some byte.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>

#define GUESTS 10
#define LATE 2 /* guests that come when the drain has begun */
#define SAID 60000
#define GOODBYE 3
#define LONG_GRACE plait_seconds(40)

enum manner { PROMPT, SLOW, STALLED, SILENT, MANNERS };
enum way { PATIENT, SHORT, FORCED, HURRIED, WAYS };

struct world;

/* A connection as the server has it. */
struct seat {
    struct world *world;
    bool waits; /* for its guest to go, once goodbye is said */
    unsigned told, lost;
};

struct guest {
    struct world *world;
    struct plait_stream *s;
    struct plait_timer wake;
    enum manner manner;
    uint64_t heard;
    unsigned ends; /* of the attempt to connect, or of the stream */
    plait_err err;
};

struct waiter {
    struct world *world;
    unsigned fired;
    int64_t aborted;
    plait_time at;
};

struct world {
    struct plait_sim *sim;
    struct plait_reactor *r, *from; /* the server's, the guests' */
    struct seat seat[GUESTS];
    struct guest guest[GUESTS];
    struct waiter waiter[2]; /* the second one forces */
    enum way way;
    plait_time begun, due;
    unsigned seats, open, at_begin;
    int64_t aborted;
};

static uint8_t byte_at(uint64_t at)
{
    return at < SAID ? (uint8_t)(at * 40503u >> 5) : (uint8_t) "bye"[at - SAID];
}

/* --- the server --------------------------------------------------------------------------------------------------- */

static void seat_connected(struct plait_stream *s, void *self)
{
    uint8_t bytes[SAID];
    (void)self;
    for (uint64_t i = 0; i < SAID; i++)
        bytes[i] = byte_at(i);
    plait_write(s, plait_slice_of(bytes, sizeof bytes));
}

static size_t seat_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)self;
    return in.len;
}

static void seat_drain(struct plait_stream *s, void *self)
{
    struct seat *seat = self;
    if (seat->told++ || seat->lost)
        plait_sim_fail(seat->world->sim, "a connection was told of the drain twice or late");
    plait_write(s, PLAIT_LIT("bye"));
    if (!seat->waits)
        plait_close(s);
}

static void seat_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct seat *seat = self;
    struct world *w = seat->world;
    (void)s;
    if (seat->lost++)
        plait_sim_fail(w->sim, "`lost` came twice");
    w->open--;
    if (fault->err != PLAIT_EDRAINING)
        return;
    w->aborted++;
    if (plait_sim_now(w->sim) < w->due)
        plait_sim_fail(w->sim, "a connection was ended before the grace was over");
}

static const struct plait_protocol host = {
    .name = "host", .connected = seat_connected, .data = seat_data, .drain = seat_drain, .lost = seat_lost};

static plait_err serve_open(struct plait_stream *s, void *ctx)
{
    struct world *w = ctx;
    if (plait_is_draining(w->r))
        plait_sim_fail(w->sim, "a guest was taken in during the drain");
    struct seat *seat = &w->seat[w->seats++];
    *seat = (struct seat){.world = w, .waits = plait_sim_random(w->sim, 2) == 0};
    w->open++;
    plait_stream_attach(s, &host, seat);
    return PLAIT_OK;
}

static const struct plait_service_ops serve = {.name = "server", .open = serve_open};

/* --- guests ------------------------------------------------------------------------------------------------------- */

static void guest_connected(struct plait_stream *s, void *self)
{
    struct guest *g = self;
    g->s = s;
    if (g->manner == STALLED)
        plait_pause(s);
}

static size_t guest_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct guest *g = self;
    const size_t taken = g->manner == SLOW && in.len > 2000 ? 2000 : in.len;
    for (size_t i = 0; i < taken; i++) {
        if (g->heard + i >= SAID + GOODBYE || in.ptr[i] != byte_at(g->heard + i)) {
            plait_sim_fail(g->world->sim, "byte %llu is wrong", (unsigned long long)(g->heard + i));
            break;
        }
    }
    g->heard += taken;
    if (g->manner == SLOW) {
        plait_pause(s);
        plait_timer_arm(&g->wake, plait_millis(50 + (int64_t)plait_sim_random(g->world->sim, 400)));
    }
    if (g->heard == SAID + GOODBYE && g->manner != SILENT)
        plait_close(s);
    return taken;
}

static void guest_wakes(void *ctx)
{
    struct guest *g = ctx;
    if (g->s)
        plait_resume(g->s);
}

static void guest_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct guest *g = self;
    (void)rest;
    if (g->manner != SILENT)
        plait_close(s); /* a silent one sees the end and stays */
}

static void guest_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct guest *g = self;
    (void)s;
    g->ends++;
    g->err = fault->err;
    g->s = NULL;
    plait_timer_stop(&g->wake);
}

static const struct plait_protocol visitor = {.name = "guest",
                                              .flags = PLAIT_HALF_CLOSE,
                                              .connected = guest_connected,
                                              .data = guest_data,
                                              .eof = guest_eof,
                                              .lost = guest_lost};

static void guest_stream(struct plait_result *result, void *ctx)
{
    struct guest *g = ctx;
    if (result->fault.err == PLAIT_OK) {
        plait_stream_attach(plait_result_take(result).ptr, &visitor, g);
        return;
    }
    g->ends++;
    g->err = result->fault.err;
    result->fault.err = PLAIT_OK;
}

static void invite(struct world *w, unsigned number)
{
    const struct plait_connect_options options = {.family = PLAIT_ONLY_IP4, .timeout = plait_seconds(20)};
    struct guest *g = &w->guest[number];
    *g = (struct guest){.world = w, .manner = (enum manner)(number % MANNERS)};
    plait_timer_init(&g->wake, w->from, "wake", guest_wakes, g);
    if (plait_then(plait_connect_host(w->from, PLAIT_LIT("server"), 7, &options), guest_stream, g) != PLAIT_OK)
        plait_sim_fail(w->sim, "no memory");
}

/* --- the drain ---------------------------------------------------------------------------------------------------- */

static void drained(struct plait_result *result, void *ctx)
{
    struct waiter *waiter = ctx;
    waiter->fired++;
    waiter->aborted = result->value.num;
    waiter->at = plait_sim_now(waiter->world->sim);
    if (result->fault.err != PLAIT_OK || waiter->world->open > 0)
        plait_sim_fail(waiter->world->sim, "the drain ended with %u connections open", waiter->world->open);
}

static void ask(struct world *w, unsigned number, plait_span grace)
{
    w->waiter[number].world = w;
    if (plait_then(plait_drain(w->r, grace), drained, &w->waiter[number]) != PLAIT_OK)
        plait_sim_fail(w->sim, "no memory");
}

static plait_span grace_of(struct world *w)
{
    if (w->way == FORCED)
        return PLAIT_NEVER;
    return w->way == SHORT ? plait_millis((int64_t)plait_sim_random(w->sim, 2000)) : LONG_GRACE;
}

static void drain(struct world *w)
{
    const plait_span grace = grace_of(w);
    w->begun = plait_sim_now(w->sim);
    w->due = grace == PLAIT_NEVER ? PLAIT_NEVER : w->begun + grace;
    w->at_begin = w->open;
    ask(w, 0, grace);
    for (unsigned i = 0; i < LATE; i++)
        invite(w, GUESTS - LATE + i);
    if (w->way >= FORCED) {
        plait_sim_run_for(w->sim, plait_millis((int64_t)plait_sim_random(w->sim, 10000)));
        w->due = plait_sim_now(w->sim);
        ask(w, 1, 0);
    }
    plait_sim_run_for(w->sim, LONG_GRACE + plait_seconds(5));
}

static void check_waiters(struct world *w)
{
    for (unsigned i = 0; i < (w->way >= FORCED ? 2 : 1); i++) {
        const struct waiter *waiter = &w->waiter[i];
        if (waiter->fired != 1)
            plait_sim_fail(w->sim, "the drain ended %u times for the %u. who asked", waiter->fired, i + 1);
        else if (waiter->aborted != w->aborted)
            plait_sim_fail(w->sim, "the drain tells of %lld connections that it ended, and there were %lld",
                           (long long)waiter->aborted, (long long)w->aborted);
        else if (waiter->at > w->due + plait_millis(100))
            plait_sim_fail(w->sim, "the drain ended %lld ms late", (long long)((waiter->at - w->due) / 1000000));
    }
}

static void check(struct world *w)
{
    const bool harmed = plait_sim_fault_count(w->sim, PLAIT_SIM_RESET, NULL) > 0;
    unsigned told = 0;
    check_waiters(w);
    for (unsigned i = 0; i < w->seats; i++) {
        told += w->seat[i].told;
        if (w->seat[i].lost != 1)
            plait_sim_fail(w->sim, "a connection outlived the drain");
    }
    if (told > w->at_begin || (!harmed && told < w->at_begin))
        plait_sim_fail(w->sim, "of %u connections %u were told of the drain", w->at_begin, told);
    for (unsigned i = 0; i < GUESTS; i++) {
        const struct guest *g = &w->guest[i];
        if (i >= GUESTS - LATE && g->heard > 0)
            plait_sim_fail(w->sim, "a guest that came too late was served");
        if (i < GUESTS - LATE && g->manner == PROMPT && w->way == PATIENT && !harmed && g->heard != SAID + GOODBYE)
            plait_sim_fail(w->sim, "a guest that reads heard %llu bytes", (unsigned long long)g->heard);
    }
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static bool start(struct world *w)
{
    struct plait_host *server = plait_sim_host(w->sim, "server"), *there = plait_sim_host(w->sim, "guests");
    struct plait_address at;
    if (!server || !there)
        return false;
    plait_host_set_buffers(server, 16384, 16384);
    plait_host_set_buffers(there, 16384, 16384);
    w->r = plait_host_reactor(server);
    w->from = plait_host_reactor(there);
    plait_host_address(server, PLAIT_ADDR_IP4, 7, &at);
    return w->r && w->from && plait_listen(w->r, &at, NULL, plait_service_new(w->r, &serve, w), NULL) == PLAIT_OK;
}

static void run(struct plait_sim *sim)
{
    struct world w = {.sim = sim, .way = (enum way)plait_sim_random(sim, WAYS)};
    if (!start(&w)) {
        plait_sim_fail(sim, "it could not begin");
        return;
    }
    for (unsigned i = 0; i < GUESTS - LATE; i++)
        invite(&w, i);
    plait_sim_run_for(sim, plait_seconds(5) + plait_millis((int64_t)plait_sim_random(sim, 3000)));
    drain(&w);
    check(&w);
    for (unsigned i = 0; i < GUESTS; i++) {
        if (w.guest[i].s)
            plait_abort(w.guest[i].s); /* it did not hear of the end: that was lost */
    }
    plait_sim_run_for(sim, plait_seconds(30));
    plait_sim_check_end(sim);
}

const struct plait_scenario scenario_drain = {.name = "drain", .faults = PLAIT_SIM_ALL, .run = run};
