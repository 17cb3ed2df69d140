/* SPDX-License-Identifier: MIT
 *
 * Runs a scenario with its reactor's heap failing at the first allocation, at the second, and so on: two simulated
 * hosts, one of which has the heap that fails, and a bystander: a connection from that host to a third one. Whatever
 * fails, each operation ends once, the bystander goes on, the same scenario works again on the same reactor once the
 * heap is well, and nothing is left. A failing run prints its number.
 *
 * A scenario is a function that does everything from the start to the end of what it made, with asserts for what must
 * hold whatever fails, and returns whether all of it worked. It is called twice a run: with the heap failing (`round`
 * 0), and with a good one (`round` 1), when it must return true.
 */
#ifndef PLAIT_TESTS_ENGINE_HEAP_BED_H
#define PLAIT_TESTS_ENGINE_HEAP_BED_H

#include "tests/support/test.h"

#include "engine/core.h"
#include "engine/kinds.h"

#include <plait/listen.h>
#include <plait/sim.h>

enum { HEAP_EXHAUSTIVE = 500, HEAP_SAMPLES = 60 };

/* One end of a connection that talks to an echo. */
struct heap_end {
    struct plait_stream *s;
    plait_slice say;
    size_t got;
    unsigned asked, fired, connected, lost;
    bool stay; /* does not close once all came back */
    bool wrong;
    struct plait_fault fault;
};

struct heap_bed {
    struct plait_sim *sim;
    struct test_heap heap;
    struct plait_host *server_host, *client_host;
    struct plait_reactor *server, *client; /* one of them has the heap that fails */
    struct plait_reactor *r;               /* that one */
    unsigned round;
    struct heap_end bystander;
    void *kept[4]; /* the scenario's own from round 0 to round 1 */
};

typedef bool (*heap_scenario)(struct heap_bed *b);

/* --- an echo, and who talks to it --------------------------------------------------------------------------------- */

static inline size_t heap_echo_data(struct plait_stream *s, plait_slice in, void *self)
{
    (void)self;
    plait_write(s, in);
    return in.len;
}

static const struct plait_protocol heap_echo = {.name = "echo", .data = heap_echo_data};

static inline void heap_end_connected(struct plait_stream *s, void *self)
{
    struct heap_end *e = self;
    e->connected++;
    assert_int_equal(e->lost, 0);
    plait_write(s, e->say);
}

static inline size_t heap_end_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct heap_end *e = self;
    assert_true(e->connected == 1 && e->lost == 0);
    e->wrong = e->wrong || e->got + in.len > e->say.len || memcmp(e->say.ptr + e->got, in.ptr, in.len) != 0;
    e->got += in.len;
    if (e->got == e->say.len && !e->stay)
        plait_close(s);
    return in.len;
}

static inline void heap_end_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct heap_end *e = self;
    (void)s;
    e->lost++;
    e->fault = *fault;
    e->s = NULL;
}

static const struct plait_protocol heap_end = {
    .name = "end", .connected = heap_end_connected, .data = heap_end_data, .lost = heap_end_lost};

/* Attaches the protocol that says something and waits for its echo. */
static inline void heap_end_attach(struct heap_end *e, struct plait_stream *s)
{
    e->s = s;
    plait_stream_attach(s, &heap_end, e);
}

static inline void heap_end_fired(struct plait_result *result, void *ctx)
{
    struct heap_end *e = ctx;
    e->fired++;
    if (result->fault.err == PLAIT_OK)
        heap_end_attach(e, plait_result_take(result).ptr);
    else
        e->fault = result->fault;
    result->fault.err = PLAIT_OK;
}

/* Attaches it to what a connect gives; `d` may be NULL. */
static inline void heap_end_await(struct heap_end *e, struct plait_deferred *d)
{
    e->asked = plait_then(d, heap_end_fired, e) == PLAIT_OK;
    if (!e->asked)
        plait_deferred_cancel(d);
}

/* What holds of an end, whatever failed. Returns whether all of it worked. */
static inline bool heap_end_check(const struct heap_end *e)
{
    assert_int_equal(e->fired, e->asked);
    assert_int_equal(e->lost, e->connected);
    assert_false(e->wrong);
    assert_null(e->s);
    return e->connected == 1 && e->got == e->say.len && e->fault.err == PLAIT_OK;
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static inline void heap_quiet(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)level;
    (void)line;
    (void)ctx;
}

static inline void heap_bed_pass(struct heap_bed *b, int64_t seconds)
{
    plait_sim_run_for(b->sim, plait_seconds(seconds));
}

/* The address of a host and a port. */
static inline struct plait_address heap_at(struct plait_host *host, uint16_t port)
{
    struct plait_address at;
    plait_host_address(host, PLAIT_ADDR_IP4, port, &at);
    return at;
}

static inline void heap_bystander_start(struct heap_bed *b, struct plait_host *elsewhere)
{
    struct plait_reactor *far = plait_host_reactor(elsewhere);
    const struct plait_address at = heap_at(elsewhere, 7);
    struct plait_listener *listener;
    assert_non_null(far);
    assert_ok(plait_listen(far, &at, NULL, plait_service_of(far, &heap_echo, NULL), &listener));
    b->bystander = (struct heap_end){.say = PLAIT_LIT("before"), .stay = true};
    heap_end_await(&b->bystander, plait_connect_address(b->r, &at, NULL));
    heap_bed_pass(b, 1);
    assert_int_equal(b->bystander.got, 6);
}

/* Has each object of a slab ask the heap, so that each can be refused. */
static inline void heap_thin(struct plait__slab *slab)
{
    assert_int_equal(slab->used, 0);
    slab->per_page = 1;
}

/* A slab keeps one page for the next object: it is taken, and goes with the reactor. */
static inline void heap_take_spare(struct plait__slab *slab)
{
    while (slab->empty_pages > 0)
        assert_non_null(plait__slab_take(slab));
}

static inline void heap_bed_open(struct heap_bed *b, bool server_fails)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = heap_quiet};
    memset(b, 0, sizeof *b);
    test_heap_init(&b->heap, 0);
    const struct plait_reactor_options options = {.allocator = &b->heap.allocator, .log = &quiet};
    b->sim = plait_sim_new(1, 0);
    assert_non_null(b->sim);
    b->server_host = plait_sim_host(b->sim, "server");
    b->client_host = plait_sim_host(b->sim, "client");
    struct plait_host *elsewhere = plait_sim_host(b->sim, "elsewhere");
    assert_true(b->server_host && b->client_host && elsewhere);
    plait_host_reactor_options(server_fails ? b->server_host : b->client_host, &options);
    b->server = plait_host_reactor(b->server_host);
    b->client = plait_host_reactor(b->client_host);
    assert_true(b->server && b->client);
    b->r = server_fails ? b->server : b->client;
    assert_ok(plait__endpoint_kinds_register(b->client));
    heap_thin(&b->r->deferreds);
    heap_thin(&b->r->fd_streams);
    heap_thin(&b->r->outs);
    heap_bystander_start(b, elsewhere);
    heap_take_spare(&b->r->deferreds);
    heap_take_spare(&b->r->fd_streams);
    heap_take_spare(&b->r->outs);
}

static inline void heap_bed_close(struct heap_bed *b)
{
    struct heap_end *e = &b->bystander;
    assert_non_null(e->s);
    e->say = PLAIT_LIT("beforeafter");
    plait_write(e->s, PLAIT_LIT("after"));
    e->stay = false;
    heap_bed_pass(b, 70);
    assert_true(heap_end_check(e));
    plait_sim_check_end(b->sim);
    if (plait_sim_failure(b->sim))
        fail_msg("%s", plait_sim_failure(b->sim));
    assert_int_equal(b->heap.live, 0);
    plait_sim_free(&b->sim);
}

/* One run, with the k-th allocation failing (0: none), and all later ones too when `after`. Returns how many the first
 * round made. */
static inline uint64_t heap_run_once(heap_scenario scenario, bool server_fails, uint64_t k, bool after)
{
    struct heap_bed b;
    heap_bed_open(&b, server_fails);
    const uint64_t before = b.heap.calls;
    b.heap.fail_at = k ? before + k : 0;
    b.heap.fail_after = after;
    const bool well = scenario(&b);
    const uint64_t made = b.heap.calls - before;
    if (!k)
        assert_true(well);
    b.heap.fail_at = 0;
    b.heap.fail_after = false;
    heap_bed_pass(&b, 2); /* accepting begins again */
    b.round = 1;
    assert_true(scenario(&b));
    heap_bed_close(&b);
    return made;
}

/* The run that is under way; a test's tear-down finds it when an assertion ended it. */
static char heap_running[160];

static inline int heap_tell(void **state)
{
    (void)state;
    if (heap_running[0])
        (void)fprintf(stderr, "it was %s\n", heap_running);
    heap_running[0] = '\0';
    return 0;
}

#define HEAP_TEST(test) cmocka_unit_test_teardown(test, heap_tell)

/* Runs it with each allocation failing up to HEAP_EXHAUSTIVE, then for samples; and with the heap gone for good from a
 * number on. */
static inline void heap_run(heap_scenario scenario, bool server_fails, const char *name)
{
    struct test_random random = test_random_of(test_seed());
    const uint64_t made = heap_run_once(scenario, server_fails, 0, false);
    uint64_t step = 1;
    assert_true(made > 0);
    for (uint64_t k = 1; k <= made; k += step) {
        for (int after = 0; after < 2; after++) {
            (void)snprintf(heap_running, sizeof heap_running, "%s, allocation %" PRIu64 " of %" PRIu64 "%s", name, k,
                           made, after ? " and all later ones" : "");
            heap_run_once(scenario, server_fails, k, after == 1);
        }
        if (k >= HEAP_EXHAUSTIVE)
            step = 1 + test_random_below(&random, 2 * (made / HEAP_SAMPLES) + 1);
    }
    heap_running[0] = '\0';
    print_message("[          ] %" PRIu64 " allocations\n", made);
}

#define HEAP_BOTH_SIDES(scenario)                                                                                      \
    static void scenario##_at_the_server(void **state)                                                                 \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        heap_run(scenario, true, #scenario);                                                                           \
    }                                                                                                                  \
    static void scenario##_at_the_client(void **state)                                                                 \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        heap_run(scenario, false, #scenario);                                                                          \
    }

#define HEAP_ONE_SIDE(scenario)                                                                                        \
    static void scenario##_alone(void **state)                                                                         \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        heap_run(scenario, true, #scenario);                                                                           \
    }

#endif
