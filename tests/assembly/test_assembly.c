/* SPDX-License-Identifier: MIT
 *
 * A reactor as most programs want it: its resolver, its endpoint kinds, the signals that drain it.
 */
#include "tests/support/test.h"

#include "engine/core.h"

#include <plait/endpoint.h>
#include <plait/listen.h>
#include <plait/sim.h>

#include <signal.h>

static void quiet_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)level;
    (void)line;
    ++*(int *)ctx;
}

static const struct plait_protocol protocol = {.name = "nothing"};

/* Makes one whose log only counts its lines. */
static struct plait_reactor *make(int *lines, struct test_heap *heap)
{
    const struct plait_log_options log = {.level = PLAIT_LOG_INFO, .sink = quiet_line, .ctx = lines};
    const struct plait_reactor_options options = {.log = &log, .allocator = heap ? &heap->allocator : NULL};
    *lines = 0;
    return plait_new_with(&options);
}

static void every_kind_of_endpoint_is_registered(void **state)
{
    (void)state;
    static const char *const names[] = {"tcp", "tcp6", "tls", "unix", "systemd", "stdio", "fd", "exec", "haproxy"};
    struct plait_reactor *r = plait_new();
    assert_non_null(r);
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        const struct plait_endpoint_kind *k = plait_endpoint_kinds(r);
        while (k && strcmp(k->name, names[i]) != 0)
            k = k->next;
        if (!k)
            fail_msg("there is no kind %s", names[i]);
    }
    plait_reactor_free(&r);
}

static void a_name_is_resolved(void **state)
{
    (void)state;
    int lines;
    struct plait_reactor *r = make(&lines, NULL);
    struct plait_deferred *d = plait_connect_host(r, PLAIT_LIT("localhost"), 1, NULL);
    assert_err(plait_reactor_run_until(r, d, NULL), PLAIT_EREFUSED); /* so it has an address */
    plait_reactor_free(&r);
}

static void a_signal_drains_and_the_run_ends(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < TEST_COUNT(signals); i++) {
        int lines;
        struct plait_reactor *r = make(&lines, NULL);
        assert_ok(plait_serve(r, "tcp:0", plait_service_of(r, &protocol, NULL)));
        assert_int_equal(raise(signals[i]), 0);
        assert_ok(plait_reactor_run(r));
        assert_true(plait_is_draining(r));
        assert_true(lines >= 1);
        plait_reactor_free(&r);
    }
}

static void stay(struct plait_stream *s, void *self)
{
    (void)s;
    (void)self; /* says goodbye in its own time: never */
}

static const struct plait_protocol stubborn = {.name = "stubborn", .drain = stay};

static void a_second_signal_forces_the_end(void **state)
{
    (void)state;
    int lines;
    struct plait_stream *x;
    struct plait_stream *y;
    struct plait_reactor *r = make(&lines, NULL);
    assert_ok(plait_pair_new(r, &x, &y));
    plait_stream_attach(x, &stubborn, NULL);
    plait_stream_attach(y, &stubborn, NULL);
    assert_int_equal(raise(SIGINT), 0);
    for (int i = 0; i < 5; i++)
        assert_ok(plait_reactor_step(r, plait_millis(10)));
    assert_true(plait_is_draining(r));
    const plait_time before = plait_now(r);
    assert_int_equal(raise(SIGINT), 0);
    assert_ok(plait_reactor_run(r));
    assert_true(plait_now(r) - before < plait_seconds(5)); /* not the whole grace of ten seconds */
    plait_reactor_free(&r);
}

static void whichever_allocation_fails_nothing_is_left(void **state)
{
    (void)state;
    struct plait_reactor *r = NULL;
    const size_t descriptors = test_open_descriptors();
    for (uint64_t n = 1; !r; n++) {
        int lines;
        struct test_heap heap;
        test_heap_init(&heap, n);
        r = make(&lines, &heap);
        const bool made = r != NULL;
        plait_reactor_free(&r);
        assert_int_equal(heap.live, 0);
        assert_int_equal(test_open_descriptors(), descriptors);
        assert_true(n < 300);
        if (made)
            break;
    }
}

static void whichever_system_call_fails_nothing_is_left(void **state)
{
    (void)state;
    const size_t descriptors = test_open_descriptors();
    uint64_t failed = 1;
    for (uint64_t k = 1; failed > 0; k++) {
        struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
        const struct plait_reactor_options options = {.sys = plait_injector_sys(injector)};
        plait_injector_fail_any(injector, k, ENOMEM);
        struct plait_reactor *r = plait_new_with(&options);
        (void)plait_injector_count(injector, NULL, &failed);
        plait_injector_fail_any(injector, 0, 0);
        plait_reactor_free(&r);
        plait_injector_free(&injector);
        assert_int_equal(test_open_descriptors(), descriptors);
        assert_true(k < 100);
    }
}

/* A signal that finds no memory for its deferred drains all the same. */
static void a_signal_without_memory_drains_all_the_same(void **state)
{
    (void)state;
    int lines;
    struct test_heap heap;
    test_heap_init(&heap, 0);
    struct plait_reactor *r = make(&lines, &heap);
    assert_int_equal(raise(SIGTERM), 0);
    heap.fail_at = heap.calls + 1;
    heap.fail_after = true;
    assert_ok(plait_reactor_run(r));
    heap.fail_at = 0;
    heap.fail_after = false;
    plait_reactor_free(&r);
    assert_int_equal(heap.live, 0);
}

TEST_MAIN(cmocka_unit_test(every_kind_of_endpoint_is_registered), cmocka_unit_test(a_name_is_resolved),
          cmocka_unit_test(a_signal_drains_and_the_run_ends), cmocka_unit_test(a_second_signal_forces_the_end),
          cmocka_unit_test(whichever_allocation_fails_nothing_is_left),
          cmocka_unit_test(whichever_system_call_fails_nothing_is_left),
          cmocka_unit_test(a_signal_without_memory_drains_all_the_same))
