/* SPDX-License-Identifier: MIT
 *
 * Faults by rule and by chance, and their counters; the injector in front of both kernels.
 */
#include "tests/sim/sim_calls.h"

static void a_rule_strikes_at_the_nth_call(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule rule = {.call = "eventfd", .host = plait_sim_host(w.sim, "a"), .os_errno = ENFILE, .nth = 2};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_true(CALL(w.b, eventfd, 0, 0) >= 0);
    assert_true(CALL(w.a, eventfd, 0, 0) >= 0);
    assert_int_equal(CALL(w.a, eventfd, 0, 0), -ENFILE);
    assert_true(CALL(w.a, eventfd, 0, 0) >= 0);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, "eventfd"), 1);
    assert_int_equal(plait_sim_call_count(w.sim, "eventfd"), 4);
    world_close(&w);
}

static void a_rule_strikes_by_chance(void **state)
{
    (void)state;
    struct world w = world_open();
    unsigned failed = 0;
    struct plait_sim_rule rule = {.call = "epoll_create1", .os_errno = ENOMEM, .chance_num = 1, .chance_den = 4};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    for (unsigned i = 0; i < 400; i++) {
        int fd = CALL(w.a, epoll_create1, 0);
        failed += fd == -ENOMEM;
        if (fd >= 0)
            CALL(w.a, close, fd);
    }
    assert_true(failed > 60 && failed < 140);
    plait_sim_clear_rules(w.sim);
    assert_true(CALL(w.a, epoll_create1, 0) >= 0);
    world_close(&w);
}

static void a_wrong_rule_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule none = {.call = "none", .os_errno = 1}, no_errno = {.call = "read"};
    struct plait_sim_rule good = {.call = "read", .os_errno = 1, .nth = 1};
    assert_err(plait_sim_add_rule(w.sim, &none), PLAIT_EINVAL);
    assert_err(plait_sim_add_rule(w.sim, &no_errno), PLAIT_EINVAL);
    for (unsigned i = 0; i < 64; i++)
        assert_ok(plait_sim_add_rule(w.sim, &good));
    assert_err(plait_sim_add_rule(w.sim, &good), PLAIT_ELIMIT);
    world_close(&w);
}

static void a_close_that_fails_closes_all_the_same(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_sim_rule rule = {.call = "close", .os_errno = EIO, .nth = 1};
    int fd = CALL(w.a, eventfd, 0, 0);
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    assert_int_equal(CALL(w.a, close, fd), -EIO);
    assert_int_equal(CALL(w.a, close, fd), -EBADF);
    world_close(&w);
}

static void a_short_read_is_followed_by_an_edge(void **state)
{
    (void)state;
    char got[100];
    struct world w = world_open();
    int sv[2], ep = CALL(w.a, epoll_create1, 0), reads = 0;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, out;
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    CALL(w.a, epoll_ctl, ep, EPOLL_CTL_ADD, sv[1], &ev);
    plait_sim_faults(w.sim, PLAIT_SIM_SHORT);
    for (int round = 0; round < 50; round++) {
        size_t left = 0;
        ssize_t sent = put((struct end){w.a, sv[0]}, "0123456789", 10);
        assert_true(sent > 0);
        left = (size_t)sent;
        /* One read an edge: what a reader does that takes a short read for the end. */
        while (CALL(w.a, epoll_wait, ep, &out, 1, 0) == 1) {
            ssize_t n = CALL(w.a, recv, sv[1], got, sizeof got, 0);
            left -= n > 0 ? (size_t)n : 0;
            reads++;
        }
        assert_int_equal(left, 0);
    }
    assert_true(reads > 50);
    assert_true(plait_sim_fault_count(w.sim, PLAIT_SIM_SHORT, NULL) > 0);
    world_close(&w);
}

static void calls_are_counted(void **state)
{
    (void)state;
    struct world w = world_open();
    CALL(w.a, eventfd, 0, 0);
    CALL(w.b, eventfd, 0, 0);
    CALL(w.b, epoll_create1, 0);
    assert_int_equal(plait_sim_call_count(w.sim, "eventfd"), 2);
    assert_int_equal(plait_sim_call_count(w.sim, "none"), 0);
    assert_int_equal(plait_sim_call_count(w.sim, NULL), 3);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, "none"), 0);
    assert_int_equal(plait_sim_fault_count(w.sim, 0, NULL), 0);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_rule_strikes_at_the_nth_call), cmocka_unit_test(a_rule_strikes_by_chance),
          cmocka_unit_test(a_wrong_rule_is_refused), cmocka_unit_test(a_close_that_fails_closes_all_the_same),
          cmocka_unit_test(a_short_read_is_followed_by_an_edge), cmocka_unit_test(calls_are_counted))
