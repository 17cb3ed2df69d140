/* SPDX-License-Identifier: MIT
 *
 * The injector in front of the real kernel and in front of a simulated one.
 */
#include "tests/sim/sim_calls.h"

static void the_kth_call_of_a_kind_fails(void **state)
{
    (void)state;
    struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
    struct plait_sys *sys = plait_injector_sys(injector);
    size_t before = test_open_descriptors();
    uint64_t failed;
    int fds[2];
    assert_ok(plait_injector_fail(injector, "pipe2", 2, 1, EMFILE));
    for (int i = 1; i <= 3; i++) {
        int res = CALL(sys, pipe2, fds, O_CLOEXEC);
        assert_int_equal(res, i == 2 ? -EMFILE : 0);
        if (res == 0) {
            CALL(sys, close, fds[0]);
            CALL(sys, close, fds[1]);
        }
    }
    assert_int_equal(plait_injector_count(injector, "pipe2", &failed), 3);
    assert_int_equal(failed, 1);
    assert_int_equal(plait_injector_count(injector, NULL, NULL), 7);
    assert_int_equal(test_open_descriptors(), before);
    plait_injector_free(&injector);
    assert_null(injector);
}

static void all_later_calls_can_fail(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_injector *injector = plait_injector_new(w.a);
    struct plait_sys *sys = plait_injector_sys(injector);
    assert_ok(plait_injector_fail(injector, "eventfd", 2, 0, ENFILE));
    assert_true(CALL(sys, eventfd, 0, 0) >= 0);
    assert_int_equal(CALL(sys, eventfd, 0, 0), -ENFILE);
    assert_int_equal(CALL(sys, eventfd, 0, 0), -ENFILE);
    assert_ok(plait_injector_fail(injector, "eventfd", 1, 0, 0));
    assert_true(CALL(sys, eventfd, 0, 0) >= 0);
    assert_err(plait_injector_fail(injector, "none", 1, 0, 1), PLAIT_EINVAL);
    assert_err(plait_injector_fail(injector, "read", 0, 0, 1), PLAIT_EINVAL);
    plait_injector_free(&injector);
    world_close(&w);
}

/* A reactor can be made to fail at each of its first calls; none leaves a descriptor behind. */
static void a_reactor_survives_any_first_call_that_fails(void **state)
{
    (void)state;
    struct world w = world_open();
    bool made = false;
    for (uint64_t k = 1; !made; k++) {
        struct plait_injector *injector = plait_injector_new(w.a);
        struct plait_log_options log = {.level = PLAIT_LOG_OFF};
        struct plait_reactor_options options = {.sys = plait_injector_sys(injector), .log = &log};
        plait_injector_fail_any(injector, k, EMFILE);
        struct plait_reactor *r = plait_reactor_new(&options);
        uint64_t failed;
        plait_injector_count(injector, NULL, &failed);
        made = r && failed == 0;
        if (r)
            plait_reactor_free(&r);
        plait_injector_free(&injector);
        assert_int_equal(plait_host_descriptors(plait_sim_host(w.sim, "a")), 0);
        assert_true(k < 50);
    }
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(the_kth_call_of_a_kind_fails), cmocka_unit_test(all_later_calls_can_fail),
          cmocka_unit_test(a_reactor_survives_any_first_call_that_fails))
