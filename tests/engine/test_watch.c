/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/watch.c.
 */
#include "tests/engine/bed.h"

#include <plait/sim.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct told {
    struct plait_watch *watch;
    int calls;
    unsigned events;
    bool frees;
};

static void tell(struct plait_watch *watch, unsigned events, void *ctx)
{
    struct told *t = ctx;
    assert_ptr_equal(watch, t->watch);
    t->calls++;
    t->events = events;
    if (t->frees)
        plait_watch_free(&t->watch);
}

static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void step(struct bed *b)
{
    assert_ok(plait_reactor_step(b->r, plait_millis(1)));
}

static void a_descriptor_is_told_of_until_it_is_read(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    int fds[2];
    char byte;
    (void)state;
    make_pair(fds);
    bed_open(&b);
    assert_ok(plait_watch_new(b.r, fds[0], PLAIT_READABLE, tell, &t, &t.watch));
    step(&b);
    assert_int_equal(t.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    step(&b);
    step(&b);
    assert_int_equal(t.calls, 2); /* level-triggered */
    assert_int_equal(t.events, PLAIT_READABLE);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    step(&b);
    assert_int_equal(t.calls, 2);
    plait_watch_free(&t.watch);
    assert_null(t.watch);
    plait_watch_free(&t.watch);
    assert_int_equal(write(fds[1], "x", 1), 1);
    step(&b);
    assert_int_equal(t.calls, 2);
    bed_close(&b);
    close_pair(fds);
}

static void what_is_watched_can_be_changed(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    assert_ok(plait_watch_new(b.r, fds[0], 0, tell, &t, &t.watch));
    assert_int_equal(write(fds[1], "x", 1), 1);
    step(&b);
    assert_int_equal(t.calls, 0);
    assert_ok(plait_watch_set(t.watch, PLAIT_READABLE | PLAIT_WRITABLE));
    step(&b);
    assert_int_equal(t.events, PLAIT_READABLE | PLAIT_WRITABLE);
    assert_ok(plait_watch_set(t.watch, PLAIT_WRITABLE));
    step(&b);
    assert_int_equal(t.events, PLAIT_WRITABLE);
    assert_ok(plait_watch_set(t.watch, 0));
    step(&b);
    assert_int_equal(t.calls, 2);
    plait_watch_free(&t.watch);
    bed_close(&b);
    close_pair(fds);
}

static void a_broken_descriptor_is_told_of_without_asking_but_not_for_ever(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    assert_ok(plait_watch_new(b.r, fds[0], 0, tell, &t, &t.watch));
    close(fds[1]);
    for (int i = 0; i < 5; i++)
        step(&b);
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.events, PLAIT_BROKEN);
    plait_watch_free(&t.watch);
    bed_close(&b);
    close(fds[0]);
}

static void a_watch_may_be_freed_inside_its_callback(void **state)
{
    struct bed b;
    struct told t = {.frees = true};
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    assert_ok(plait_watch_new(b.r, fds[0], PLAIT_WRITABLE, tell, &t, &t.watch));
    step(&b);
    step(&b);
    assert_int_equal(t.calls, 1);
    bed_close(&b);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC); /* never ours to close */
    close_pair(fds);
}

static void a_watch_that_is_left_over_ends_with_the_reactor(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    assert_ok(plait_watch_new(b.r, fds[0], PLAIT_WRITABLE, tell, &t, &t.watch));
    bed_close(&b);
    assert_int_equal(t.calls, 0);
    close_pair(fds);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    struct plait_watch *second = NULL;
    int fds[2];
    (void)state;
    const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    make_pair(fds);
    bed_open(&b);
    assert_err(plait_watch_new(b.r, -1, PLAIT_READABLE, tell, &t, &t.watch), PLAIT_EINVAL);
    assert_err(plait_watch_new(b.r, 12345, PLAIT_READABLE, tell, &t, &t.watch), PLAIT_EINVAL);
    assert_err(plait_watch_new(b.r, file, PLAIT_READABLE, tell, &t, &t.watch), PLAIT_EINVAL);
    assert_err(plait_watch_new(b.r, fds[0], PLAIT_BROKEN, tell, &t, &t.watch), PLAIT_EINVAL);
    assert_ok(plait_watch_new(b.r, fds[0], PLAIT_READABLE, tell, &t, &t.watch));
    assert_err(plait_watch_new(b.r, fds[0], PLAIT_READABLE, tell, &t, &second), PLAIT_EINVAL);
    plait_watch_free(&t.watch);
    bed_fail(&b, 1);
    assert_err(plait_watch_new(b.r, fds[0], PLAIT_READABLE, tell, &t, &t.watch), PLAIT_ENOMEM);
    bed_heal(&b);
    bed_close(&b);
    close_pair(fds);
    close(file);
}

static void the_kernels_refusal_is_told(void **state)
{
    static const struct {
        int os_errno;
        plait_err err;
    } cases[] = {{ENOSPC, PLAIT_ENOMEM}, {ENOMEM, PLAIT_ENOMEM}, {EIO, PLAIT_EIO}};
    struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
    const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
    struct plait_reactor *r = plait_reactor_new(&ro);
    struct told t = {.calls = 0};
    int fds[2];
    (void)state;
    make_pair(fds);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        assert_ok(plait_injector_fail(injector, "epoll_ctl", 1, 1, cases[i].os_errno));
        assert_err(plait_watch_new(r, fds[0], PLAIT_READABLE, tell, &t, &t.watch), cases[i].err);
    }
    assert_ok(plait_injector_fail(injector, "epoll_ctl", 2, 1, EIO));
    assert_err(plait_watch_new(r, fds[0], PLAIT_READABLE, tell, &t, &t.watch), PLAIT_EIO);
    assert_ok(plait_reactor_step(r, 0));
    assert_ok(plait_watch_new(r, fds[0], PLAIT_READABLE, tell, &t, &t.watch));
    plait_watch_free(&t.watch);
    plait_reactor_free(&r);
    plait_injector_free(&injector);
    close_pair(fds);
}

static void a_watch_that_was_freed_leaves_nothing(void **state)
{
    struct bed b;
    struct told t = {.calls = 0};
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    const size_t live = b.heap.live;
    assert_ok(plait_watch_new(b.r, fds[0], PLAIT_READABLE, tell, &t, &t.watch));
    plait_watch_free(&t.watch);
    step(&b);
    assert_int_equal(b.heap.live, live);
    bed_close(&b);
    close_pair(fds);
}

struct late {
    struct plait_reactor *r;
    struct told told;
    int fd;
};

static void watch_late(struct plait_result *result, void *ctx)
{
    struct late *late = ctx;
    (void)result;
    assert_ok(plait_watch_new(late->r, late->fd, PLAIT_WRITABLE, tell, &late->told, &late->told.watch));
}

static void a_watch_of_the_last_turns_ends_with_the_reactor(void **state)
{
    struct bed b;
    int fds[2];
    (void)state;
    make_pair(fds);
    bed_open(&b);
    struct late late = {.r = b.r, .fd = fds[0]};
    assert_ok(plait_then(plait_deferred_new(b.r, "op", NULL, NULL), watch_late, &late));
    bed_close(&b);
    assert_non_null(late.told.watch);
    close_pair(fds);
}

TEST_MAIN(cmocka_unit_test(a_descriptor_is_told_of_until_it_is_read), cmocka_unit_test(what_is_watched_can_be_changed),
          cmocka_unit_test(a_broken_descriptor_is_told_of_without_asking_but_not_for_ever),
          cmocka_unit_test(a_watch_may_be_freed_inside_its_callback),
          cmocka_unit_test(a_watch_that_is_left_over_ends_with_the_reactor),
          cmocka_unit_test(what_cannot_be_watched_is_refused), cmocka_unit_test(the_kernels_refusal_is_told),
          cmocka_unit_test(a_watch_that_was_freed_leaves_nothing),
          cmocka_unit_test(a_watch_of_the_last_turns_ends_with_the_reactor))
