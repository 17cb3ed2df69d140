/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/signals.c.
 */
#include "tests/support/test.h"

#include "engine/core.h"

#include <plait/sim.h>

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct told {
    struct plait_reactor *r;
    int calls;
    int last;
    int takes_off; /* this signal's handler, inside the callback */
};

static void tell(int signo, void *ctx)
{
    struct told *t = ctx;
    t->calls++;
    t->last = signo;
    if (t->takes_off)
        assert_ok(plait_on_signal(t->r, t->takes_off, NULL, NULL));
}

static struct plait_reactor *owner_on(struct plait_sys *sys, struct told *t)
{
    const struct plait_reactor_options o = {.sys = sys, .own_signals = true};
    memset(t, 0, sizeof *t);
    t->r = plait_reactor_new(&o);
    assert_non_null(t->r);
    return t->r;
}

static struct plait_reactor *owner(struct told *t)
{
    return owner_on(NULL, t);
}

static bool is_blocked(int signo)
{
    sigset_t set;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    return sigismember(&set, signo) == 1;
}

static void a_signal_is_an_event_of_the_loop(void **state)
{
    struct told t;
    struct plait_reactor *r = owner(&t);
    (void)state;
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    assert_ok(plait_on_signal(r, SIGTERM, tell, &t));
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(t.calls, 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.last, SIGUSR1);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.last, SIGTERM);
    plait_reactor_free(&r);
}

static void another_handler_takes_the_place_of_the_first(void **state)
{
    struct told t;
    struct told other = {.calls = 0};
    struct plait_reactor *r = owner(&t);
    (void)state;
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &other));
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.calls, 0);
    assert_int_equal(other.calls, 1);
    plait_reactor_free(&r);
}

static void only_signals_with_a_handler_are_blocked(void **state)
{
    struct told t;
    struct plait_reactor *r = owner(&t);
    (void)state;
    assert_ok(plait_on_signal(r, SIGUSR2, NULL, NULL));
    assert_false(is_blocked(SIGUSR2));
    assert_ok(plait_on_signal(r, SIGUSR2, tell, &t));
    assert_true(is_blocked(SIGUSR2));
    assert_false(is_blocked(SIGUSR1));
    assert_ok(plait_on_signal(r, SIGUSR2, NULL, NULL));
    assert_false(is_blocked(SIGUSR2));
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    plait_reactor_free(&r);
    assert_false(is_blocked(SIGUSR1));
    assert_true(is_blocked(SIGPIPE)); /* for good */
}

static void a_signal_that_was_blocked_before_stays_so(void **state)
{
    struct told t;
    sigset_t set;
    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    struct plait_reactor *r = owner(&t);
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    assert_ok(plait_on_signal(r, SIGUSR1, NULL, NULL));
    assert_true(is_blocked(SIGUSR1));
    assert_ok(plait_on_signal(r, SIGUSR2, tell, &t)); /* so that the loop looks */
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.last, SIGUSR2);
    sigset_t pending;
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGUSR1), 1); /* whoever blocked it will want it */
    plait_reactor_free(&r);
    int got;
    assert_int_equal(sigwait(&set, &got), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void a_signal_in_the_last_moment_kills_nobody(void **state)
{
    struct told t;
    struct plait_reactor *r = owner(&t);
    (void)state;
    assert_ok(plait_on_signal(r, SIGTERM, tell, &t));
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    plait_reactor_free(&r);
    assert_false(is_blocked(SIGTERM)); /* and this test is still running */
}

static void a_handler_that_is_taken_off_meanwhile_is_not_called(void **state)
{
    struct told t;
    struct plait_reactor *r = owner(&t);
    (void)state;
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    assert_ok(plait_on_signal(r, SIGUSR2, tell, &t));
    t.takes_off = SIGUSR2;
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.calls, 1);
    plait_reactor_free(&r);
}

static void what_cannot_be_caught_is_refused(void **state)
{
    static const int signals[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, 0, -1, 65, 1000};
    struct told t;
    struct plait_reactor *r = owner(&t);
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(signals); i++)
        assert_err(plait_on_signal(r, signals[i], tell, &t), PLAIT_EINVAL);
    plait_reactor_free(&r);
    r = plait_reactor_new(NULL);
    assert_err(plait_on_signal(r, SIGTERM, tell, &t), PLAIT_ESTATE);
    plait_reactor_free(&r);
}

static void every_call_may_fail(void **state)
{
    static const char *const calls[] = {"signalfd", "sigmask", "epoll_ctl"};
    const size_t before = test_open_descriptors();
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
        struct told t;
        struct plait_reactor *r = owner_on(plait_injector_sys(injector), &t);
        assert_ok(plait_injector_fail(injector, calls[i], 1, 1, EMFILE));
        assert_err(plait_on_signal(r, SIGUSR1, tell, &t), PLAIT_EIO);
        if (strcmp(calls[i], "epoll_ctl") != 0) {
            assert_ok(plait_injector_fail(injector, calls[i], 2, 1, EMFILE));
            assert_err(plait_on_signal(r, SIGUSR1, tell, &t), PLAIT_EIO);
        }
        assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        assert_ok(plait_reactor_step(r, plait_millis(100)));
        assert_int_equal(t.calls, 1);
        plait_reactor_free(&r);
        plait_injector_free(&injector);
        assert_int_equal(test_open_descriptors(), before);
    }
}

static void without_memory_nothing_is_changed(void **state)
{
    struct test_heap heap;
    struct told t;
    (void)state;
    test_heap_init(&heap, 0);
    const struct plait_reactor_options o = {.allocator = &heap.allocator, .own_signals = true};
    struct plait_reactor *r = plait_reactor_new(&o);
    heap.fail_at = heap.calls + 1;
    assert_err(plait_on_signal(r, SIGUSR1, tell, &t), PLAIT_ENOMEM);
    assert_false(is_blocked(SIGUSR1));
    plait_reactor_free(&r);
    assert_int_equal(heap.live, 0);
}

static void a_simulated_host_gets_signals_too(void **state)
{
    struct plait_sim *sim = plait_sim_new(test_seed(), 0);
    struct plait_host *host = plait_sim_host(sim, "a");
    const struct plait_reactor_options o = {.own_signals = true};
    struct told t = {.calls = 0};
    (void)state;
    plait_host_reactor_options(host, &o);
    assert_ok(plait_on_signal(plait_host_reactor(host), SIGTERM, tell, &t));
    plait_host_signal(host, SIGTERM);
    plait_sim_run_for(sim, plait_millis(1));
    assert_int_equal(t.last, SIGTERM);
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

/* One record of a signal, and behind it what was in the memory before. */
static ssize_t one_record(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    (void)sys;
    struct signalfd_siginfo info = {.ssi_signo = SIGUSR1};
    const ssize_t got = read(fd, buf, len);
    for (size_t at = 0; got == (ssize_t)sizeof info && at + sizeof info <= len; at += sizeof info)
        memcpy((char *)buf + at, &info, sizeof info);
    return got < 0 ? -errno : got;
}

static void as_many_records_are_looked_at_as_came(void **state)
{
    struct plait_sys_ops ops = *plait__sys_kernel()->ops;
    struct plait_sys sys = {.ops = &ops};
    struct told t;
    struct plait_reactor *r = owner_on(&sys, &t);
    (void)state;
    ops.read = one_record;
    assert_ok(plait_on_signal(r, SIGUSR1, tell, &t));
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_ok(plait_reactor_step(r, plait_millis(100)));
    assert_int_equal(t.calls, 1);
    plait_reactor_free(&r);
}

TEST_MAIN(cmocka_unit_test(a_signal_is_an_event_of_the_loop),
          cmocka_unit_test(another_handler_takes_the_place_of_the_first),
          cmocka_unit_test(only_signals_with_a_handler_are_blocked),
          cmocka_unit_test(a_signal_that_was_blocked_before_stays_so),
          cmocka_unit_test(a_signal_in_the_last_moment_kills_nobody),
          cmocka_unit_test(a_handler_that_is_taken_off_meanwhile_is_not_called),
          cmocka_unit_test(what_cannot_be_caught_is_refused), cmocka_unit_test(every_call_may_fail),
          cmocka_unit_test(without_memory_nothing_is_changed), cmocka_unit_test(a_simulated_host_gets_signals_too),
          cmocka_unit_test(as_many_records_are_looked_at_as_came))
