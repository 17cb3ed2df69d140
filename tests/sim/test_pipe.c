/* SPDX-License-Identifier: MIT
 *
 * Pipes of the simulated kernel; the differential test compares the rest.
 */
#include "tests/sim/sim_calls.h"

static void a_small_write_is_whole_or_not_done(void **state)
{
    (void)state;
    static char block[65536];
    struct world w = world_open();
    int fds[2];
    assert_int_equal(CALL(w.a, pipe2, fds, O_NONBLOCK), 0);
    assert_int_equal(CALL(w.a, write, fds[1], block, 65536 - 4095), 65536 - 4095);
    assert_int_equal(CALL(w.a, write, fds[1], block, 4096), -EAGAIN);
    assert_int_equal(CALL(w.a, write, fds[1], block, 4095), 4095);
    assert_int_equal(ready(w.a, fds[1], EPOLLOUT), 0);
    assert_int_equal(CALL(w.a, read, fds[0], block, 4095), 4095);
    assert_int_equal(ready(w.a, fds[1], EPOLLOUT), 0); /* a page counts until its last byte is read */
    assert_int_equal(CALL(w.a, read, fds[0], block, 1), 1);
    assert_int_equal(ready(w.a, fds[1], EPOLLOUT), EPOLLOUT);
    world_close(&w);
}

static void the_ends_learn_of_each_other(void **state)
{
    (void)state;
    char byte = 'x';
    struct world w = world_open();
    int fds[2];
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    assert_int_equal(CALL(w.a, write, fds[1], &byte, 1), 1);
    CALL(w.a, close, fds[1]);
    assert_int_equal(ready(w.a, fds[0], EPOLLIN), EPOLLIN | EPOLLHUP);
    assert_int_equal(CALL(w.a, read, fds[0], &byte, 1), 1);
    assert_int_equal(CALL(w.a, read, fds[0], &byte, 1), 0);
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    CALL(w.a, close, fds[0]);
    assert_int_equal(ready(w.a, fds[1], EPOLLOUT), EPOLLOUT | EPOLLERR);
    assert_int_equal(CALL(w.a, write, fds[1], &byte, 1), -EPIPE);
    world_close(&w);
}

static void nothing_can_be_written_and_read_anywhere(void **state)
{
    (void)state;
    char byte;
    struct world w = world_open();
    int fds[2];
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    assert_int_equal(CALL(w.a, write, fds[1], &byte, 0), 0);
    assert_int_equal(CALL(w.a, read, fds[0], &byte, 0), 0);
    CALL(w.a, close, fds[0]);
    assert_int_equal(CALL(w.a, write, fds[1], &byte, 0), 0);
    world_close(&w);
}

static void fill_pattern(char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(i % 251);
}

static void write_all(struct plait_sys *host, int fd, const char *from, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        size_t piece = len - sent < 8192 ? len - sent : 8192;
        ssize_t n = CALL(host, write, fd, from + sent, piece);
        assert_true(n > 0);
        sent += (size_t)n;
    }
}

/* Reads as one may who trusts epoll(7): a short count may be the end of what is there, so an edge must follow. */
static void read_all(struct plait_sys *host, int ep, int fd, char *to, size_t len)
{
    struct epoll_event ev;
    for (size_t got = 0; got < len;) {
        ssize_t n = 1000;
        assert_int_equal(CALL(host, epoll_wait, ep, &ev, 1, 0), 1);
        for (; n == 1000; got += (size_t)n) {
            n = CALL(host, read, fd, to + got, 1000);
            assert_true(n > 0);
        }
    }
}

static void short_counts_lose_nothing(void **state)
{
    (void)state;
    static char out[40001], in[42000];
    struct world w = world_open();
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    int fds[2];
    fill_pattern(out, sizeof out);
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    int ep = CALL(w.a, epoll_create1, 0);
    assert_int_equal(CALL(w.a, epoll_ctl, ep, EPOLL_CTL_ADD, fds[0], &ev), 0);
    plait_sim_faults(w.sim, PLAIT_SIM_SHORT);
    for (unsigned i = 0; i < 20; i++) {
        write_all(w.a, fds[1], out, sizeof out);
        memset(in, 0, sizeof in);
        read_all(w.a, ep, fds[0], in, sizeof out);
        assert_memory_equal(out, in, sizeof out);
    }
    assert_true(plait_sim_fault_count(w.sim, PLAIT_SIM_SHORT, "read") > 0);
    assert_true(plait_sim_fault_count(w.sim, PLAIT_SIM_SHORT, "write") > 0);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_small_write_is_whole_or_not_done), cmocka_unit_test(the_ends_learn_of_each_other),
          cmocka_unit_test(nothing_can_be_written_and_read_anywhere), cmocka_unit_test(short_counts_lose_nothing))
