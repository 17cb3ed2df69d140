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

TEST_MAIN(cmocka_unit_test(a_small_write_is_whole_or_not_done), cmocka_unit_test(the_ends_learn_of_each_other))
