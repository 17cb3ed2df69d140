/* SPDX-License-Identifier: MIT
 *
 * epoll of the simulated kernel: edges, levels, what leaves the list and when. The differential test compares the same
 * with the real kernel.
 */
#include "tests/sim/sim_calls.h"

struct bench {
    struct world w;
    int ep, in, out; /* a pipe */
};

static struct bench bench_open(void)
{
    struct bench b = {.w = world_open()};
    int fds[2];
    assert_int_equal(CALL(b.w.a, pipe2, fds, O_NONBLOCK), 0);
    b.in = fds[0];
    b.out = fds[1];
    b.ep = CALL(b.w.a, epoll_create1, EPOLL_CLOEXEC);
    return b;
}

static int ctl(struct bench *b, int op, int fd, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    return CALL(b->w.a, epoll_ctl, b->ep, op, fd, &ev);
}

static unsigned wait_one(struct bench *b)
{
    struct epoll_event ev = {0};
    int n = CALL(b->w.a, epoll_wait, b->ep, &ev, 1, 0);
    assert_true(n >= 0);
    return n ? ev.events : 0;
}

static void write_x(struct bench *b)
{
    assert_int_equal(CALL(b->w.a, write, b->out, "x", 1), 1);
}

static void an_edge_is_told_once(void **state)
{
    (void)state;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN | EPOLLET), 0);
    assert_int_equal(wait_one(&b), 0);
    write_x(&b);
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(wait_one(&b), 0);
    write_x(&b); /* more is a new edge, although nothing was read */
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(wait_one(&b), 0);
    world_close(&b.w);
}

static void a_level_is_told_until_it_falls(void **state)
{
    (void)state;
    char c;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), 0);
    write_x(&b);
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(CALL(b.w.a, read, b.in, &c, 1), 1);
    assert_int_equal(wait_one(&b), 0);
    world_close(&b.w);
}

static void adding_and_changing_tell_what_holds_already(void **state)
{
    (void)state;
    struct bench b = bench_open();
    write_x(&b);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN | EPOLLET), 0);
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(ctl(&b, EPOLL_CTL_MOD, b.in, EPOLLIN | EPOLLET), 0);
    assert_int_equal(wait_one(&b), EPOLLIN);
    assert_int_equal(wait_one(&b), 0);
    world_close(&b.w);
}

static void oneshot_is_silent_until_it_is_armed_again(void **state)
{
    (void)state;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN | EPOLLONESHOT), 0);
    write_x(&b);
    assert_int_equal(wait_one(&b), EPOLLIN);
    write_x(&b);
    assert_int_equal(wait_one(&b), 0);
    assert_int_equal(ctl(&b, EPOLL_CTL_MOD, b.in, EPOLLIN | EPOLLONESHOT), 0);
    assert_int_equal(wait_one(&b), EPOLLIN);
    world_close(&b.w);
}

static void an_end_is_told_without_asking(void **state)
{
    (void)state;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLET), 0);
    assert_int_equal(CALL(b.w.a, close, b.out), 0);
    assert_int_equal(wait_one(&b), EPOLLHUP);
    world_close(&b.w);
}

static void closing_the_last_descriptor_leaves_the_list(void **state)
{
    (void)state;
    struct bench b = bench_open();
    write_x(&b);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), 0);
    int twin = CALL(b.w.a, fcntl, b.in, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(CALL(b.w.a, close, b.in), 0);
    assert_int_equal(wait_one(&b), EPOLLIN); /* the file lives on, and so does its item */
    assert_int_equal(ctl(&b, EPOLL_CTL_DEL, b.in, 0), -EBADF);
    assert_int_equal(CALL(b.w.a, close, twin), 0);
    assert_int_equal(wait_one(&b), 0);
    world_close(&b.w);
}

static void mistakes_have_their_errnos(void **state)
{
    (void)state;
    struct bench b = bench_open();
    assert_ok(plait_host_write_file(plait_sim_host(b.w.sim, "a"), "/file", "x", 1));
    int file = CALL(b.w.a, openat2, AT_FDCWD, "/file", O_RDONLY, 0, 0);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, file, EPOLLIN), -EPERM);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, 999, EPOLLIN), -EBADF);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.ep, EPOLLIN), -EINVAL);
    assert_int_equal(ctl(&b, EPOLL_CTL_MOD, b.in, EPOLLIN), -ENOENT);
    assert_int_equal(ctl(&b, EPOLL_CTL_DEL, b.in, EPOLLIN), -ENOENT);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), 0);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), -EEXIST);
    assert_int_equal(ctl(&b, 99, b.in, EPOLLIN), -EINVAL);
    world_close(&b.w);
}

static void an_epoll_can_be_watched_itself(void **state)
{
    (void)state;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), 0);
    assert_int_equal(ready(b.w.a, b.ep, EPOLLIN), 0);
    write_x(&b);
    assert_int_equal(ready(b.w.a, b.ep, EPOLLIN), EPOLLIN);
    world_close(&b.w);
}

static void a_full_batch_leaves_the_rest_in_front(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct epoll_event ev[1];
    int fds[3], seen = 0;
    for (int i = 0; i < 3; i++) {
        fds[i] = CALL(b.w.a, eventfd, 1, 0);
        assert_int_equal(ctl(&b, EPOLL_CTL_ADD, fds[i], EPOLLIN), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(CALL(b.w.a, epoll_wait, b.ep, ev, 1, 0), 1);
        seen |= 1 << (ev[0].data.fd - fds[0]);
    }
    assert_int_equal(seen, 7); /* each had its turn */
    world_close(&b.w);
}

static void epolls_do_not_watch_each_other_in_a_circle(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct epoll_event ev = {.events = EPOLLIN};
    int second = CALL(b.w.a, epoll_create1, 0), third = CALL(b.w.a, epoll_create1, 0);
    assert_int_equal(CALL(b.w.a, epoll_ctl, third, EPOLL_CTL_ADD, b.in, &ev), 0);
    assert_int_equal(CALL(b.w.a, epoll_ctl, second, EPOLL_CTL_ADD, third, &ev), 0);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, second, EPOLLIN), 0);
    assert_int_equal(CALL(b.w.a, epoll_ctl, third, EPOLL_CTL_ADD, b.ep, &ev), -ELOOP);
    assert_int_equal(CALL(b.w.a, epoll_ctl, third, EPOLL_CTL_ADD, second, &ev), -ELOOP);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, third, EPOLLIN), 0); /* twice is no circle */
    write_x(&b);
    assert_int_equal(wait_one(&b), EPOLLIN);
    world_close(&b.w);
}

static void what_is_no_longer_so_is_not_told(void **state)
{
    (void)state;
    char c;
    struct bench b = bench_open();
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, b.in, EPOLLIN), 0);
    write_x(&b);
    assert_int_equal(CALL(b.w.a, read, b.in, &c, 1), 1);
    assert_int_equal(ready(b.w.a, b.ep, EPOLLIN), 0);
    assert_int_equal(wait_one(&b), 0);
    world_close(&b.w);
}

static void waiting_wants_an_epoll_and_room(void **state)
{
    (void)state;
    struct epoll_event ev;
    struct bench b = bench_open();
    assert_int_equal(CALL(b.w.a, epoll_wait, b.in, &ev, 1, 0), -EINVAL);
    assert_int_equal(CALL(b.w.a, epoll_wait, b.ep, &ev, 0, 0), -EINVAL);
    world_close(&b.w);
}

/* A socket that is reported for its output may be said to have input; a read then says that there is none. */
static void readiness_may_be_spurious(void **state)
{
    (void)state;
    struct bench b = bench_open();
    unsigned told = 0;
    int fds[2];
    assert_int_equal(CALL(b.w.a, socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(ctl(&b, EPOLL_CTL_ADD, fds[0], EPOLLIN | EPOLLOUT), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(wait_one(&b), EPOLLOUT);
    plait_sim_faults(b.w.sim, PLAIT_SIM_SPURIOUS);
    for (unsigned i = 0; i < 1000; i++)
        told += wait_one(&b) == (EPOLLIN | EPOLLOUT);
    assert_true(told > 20 && told < 150);
    assert_int_equal(plait_sim_fault_count(b.w.sim, PLAIT_SIM_SPURIOUS, "epoll_wait"), told);
    assert_int_equal(take_raw((struct end){b.w.a, fds[0]}), -EAGAIN);
    world_close(&b.w);
}

TEST_MAIN(cmocka_unit_test(an_edge_is_told_once), cmocka_unit_test(a_level_is_told_until_it_falls),
          cmocka_unit_test(adding_and_changing_tell_what_holds_already),
          cmocka_unit_test(oneshot_is_silent_until_it_is_armed_again), cmocka_unit_test(an_end_is_told_without_asking),
          cmocka_unit_test(closing_the_last_descriptor_leaves_the_list), cmocka_unit_test(mistakes_have_their_errnos),
          cmocka_unit_test(an_epoll_can_be_watched_itself), cmocka_unit_test(a_full_batch_leaves_the_rest_in_front),
          cmocka_unit_test(epolls_do_not_watch_each_other_in_a_circle),
          cmocka_unit_test(what_is_no_longer_so_is_not_told), cmocka_unit_test(waiting_wants_an_epoll_and_room),
          cmocka_unit_test(readiness_may_be_spurious))
