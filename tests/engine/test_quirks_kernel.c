/* SPDX-License-Identifier: MIT
 *
 * Signals that come between, waits that are very long, and clocks that are set (docs/quirks.md). The files under test
 * are sys_kernel.c, reactor.c and wheel.c.
 */
#include "tests/engine/bed.h"

#include <plait/sim.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const struct plait_sys_ops *ops(void)
{
    return plait__sys_kernel()->ops;
}

static struct plait_sys *sys(void)
{
    return plait__sys_kernel();
}

/* --- TQ-41, TQ-70, TQ-100: interrupted calls ---------------------------------------------------------------------- */

static volatile sig_atomic_t alarms;
static int at_third; /* written to at the third alarm; -1: not */

static void on_alarm(int signo)
{
    (void)signo;
    if (++alarms == 3 && at_third >= 0)
        (void)!write(at_third, "x", 1);
}

/* A signal every two milliseconds, whose handler has the kernel interrupt what it is in. */
static void alarms_begin(struct sigaction *was, int fd)
{
    const struct sigaction act = {.sa_handler = on_alarm};
    const struct itimerval often = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
    alarms = 0;
    at_third = fd;
    assert_int_equal(sigaction(SIGALRM, &act, was), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void alarms_end(const struct sigaction *was)
{
    const struct itimerval never = {.it_value = {.tv_usec = 0}};
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, was, NULL), 0);
}

static void an_interrupted_call_is_made_again(void **state)
{
    struct sigaction was;
    int fd[2];
    char byte = 0;
    (void)state;
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    alarms_begin(&was, fd[1]);
    assert_int_equal(ops()->read(sys(), fd[0], &byte, 1), 1);
    alarms_end(&was);
    assert_int_equal(byte, 'x');
    assert_true(alarms >= 3);
    close(fd[0]);
    close(fd[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd), 0);
    alarms_begin(&was, fd[1]);
    assert_int_equal(ops()->recv(sys(), fd[0], &byte, 1, 0), 1);
    alarms_end(&was);
    close(fd[0]);
    close(fd[1]);
}

static void an_interrupted_wait_has_found_nothing(void **state)
{
    struct sigaction was;
    struct epoll_event event;
    (void)state;
    const int epfd = ops()->epoll_create1(sys(), EPOLL_CLOEXEC);
    alarms_begin(&was, -1);
    assert_int_equal(ops()->epoll_wait(sys(), epfd, &event, 1, plait_seconds(100)), 0);
    assert_int_equal(ops()->epoll_wait(sys(), epfd, &event, 1, -1), 0);
    alarms_end(&was);
    assert_true(alarms >= 2);
    close(epfd);
}

static void fired(void *ctx)
{
    *(plait_time *)ctx = ops()->clock(sys(), PLAIT_SYS_MONOTONIC);
}

static void a_loop_that_signals_interrupt_keeps_its_time(void **state)
{
    struct bed b;
    struct sigaction was;
    struct plait_timer timer;
    plait_time at = 0;
    (void)state;
    bed_open_real(&b);
    plait_timer_init(&timer, b.r, "test", fired, &at);
    const plait_time from = plait_now(b.r);
    plait_timer_arm(&timer, plait_millis(40));
    alarms_begin(&was, -1);
    for (int n = 0; n < 10000 && at == 0; n++)
        assert_ok(plait_reactor_step(b.r, -1));
    alarms_end(&was);
    assert_true(at - from >= plait_millis(40));
    assert_true(alarms >= 3);
    bed_close(&b);
}

/* --- TQ-71: very long waits --------------------------------------------------------------------------------------- */

static void a_wait_of_many_years_is_one_that_the_kernel_takes(void **state)
{
    static const int64_t spans[] = {INT64_C(2147484) * 1000000000, INT64_C(4294968) * 1000000000, INT64_MAX};
    struct epoll_event event = {.events = EPOLLIN};
    (void)state;
    const int epfd = ops()->epoll_create1(sys(), EPOLL_CLOEXEC);
    const int ready = ops()->eventfd(sys(), 1, 02000000);
    assert_int_equal(ops()->epoll_ctl(sys(), epfd, EPOLL_CTL_ADD, ready, &event), 0);
    for (size_t i = 0; i < TEST_COUNT(spans); i++)
        assert_int_equal(ops()->epoll_wait(sys(), epfd, &event, 1, spans[i]), 1);
    close(ready);
    close(epfd);
}

static void a_timer_of_many_years_does_not_make_the_loop_spin(void **state)
{
    struct bed b;
    struct plait_timer timer;
    plait_time at = 0;
    (void)state;
    bed_open(&b);
    plait_timer_init(&timer, b.r, "test", fired, &at);
    plait_timer_arm(&timer, plait_seconds(INT64_C(100) * 365 * 86400));
    assert_true(plait_reactor_next_timeout(b.r) > plait_seconds(1));
    for (int year = 0; year < 99; year++)
        bed_pass(&b, plait_seconds(INT64_C(365) * 86400));
    assert_int_equal(at, 0);
    bed_pass(&b, plait_seconds(INT64_C(366) * 86400));
    assert_int_not_equal(at, 0);
    bed_close(&b);
}

/* --- TQ-97: the wall clock is set --------------------------------------------------------------------------------- */

static void note(void *ctx)
{
    ++*(int *)ctx;
}

static void timers_do_not_follow_the_wall_clock(void **state)
{
    static const int64_t shifts[] = {-3600, 86400 * 365, -86400 * 365 * 20};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(shifts); i++) {
        struct plait_sim *sim = plait_sim_new(1, 0);
        assert_non_null(sim);
        struct plait_host *host = plait_sim_host(sim, "a");
        struct plait_reactor *r = plait_host_reactor(host);
        struct plait_timer timer;
        int64_t before;
        int64_t after;
        uint32_t part;
        int calls = 0;
        plait_timer_init(&timer, r, "test", note, &calls);
        plait_timer_arm(&timer, plait_seconds(10));
        plait_sim_run_for(sim, plait_seconds(1));
        plait_wall_clock(r, &before, &part);
        plait_host_shift_wall_clock(host, plait_seconds(shifts[i]));
        plait_wall_clock(r, &after, &part);
        assert_int_equal(after - before, shifts[i]); /* who asks for the time of day gets the new one */
        plait_sim_run_for(sim, plait_millis(8900));
        assert_int_equal(calls, 0);
        plait_sim_run_for(sim, plait_millis(200));
        assert_int_equal(calls, 1);
        plait_sim_free(&sim);
    }
}

static int clock_asked[2];

static int64_t noted_clock(struct plait_sys *s, enum plait_sys_clock which)
{
    clock_asked[which == PLAIT_SYS_REALTIME]++;
    return which == PLAIT_SYS_REALTIME ? 0 : ((struct bed *)s)->clock;
}

static void the_loop_never_asks_for_the_wall_clock(void **state)
{
    struct bed b;
    struct plait_timer timer;
    int calls = 0;
    (void)state;
    bed_open(&b);
    b.ops.clock = noted_clock;
    memset(clock_asked, 0, sizeof clock_asked);
    plait_timer_init(&timer, b.r, "test", note, &calls);
    plait_timer_arm(&timer, plait_seconds(10));
    bed_pass(&b, plait_seconds(9));
    bed_pass(&b, plait_seconds(2));
    assert_int_equal(calls, 1);
    assert_true(clock_asked[0] > 0);
    assert_int_equal(clock_asked[1], 0);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(an_interrupted_call_is_made_again), cmocka_unit_test(an_interrupted_wait_has_found_nothing),
          cmocka_unit_test(a_loop_that_signals_interrupt_keeps_its_time),
          cmocka_unit_test(a_wait_of_many_years_is_one_that_the_kernel_takes),
          cmocka_unit_test(a_timer_of_many_years_does_not_make_the_loop_spin),
          cmocka_unit_test(timers_do_not_follow_the_wall_clock),
          cmocka_unit_test(the_loop_never_asks_for_the_wall_clock))
