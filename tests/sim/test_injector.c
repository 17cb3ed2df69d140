/* SPDX-License-Identifier: MIT
 *
 * The injector in front of the real kernel and in front of a simulated one.
 */
#include "sim/sim_core.h"
#include "tests/sim/sim_calls.h"

#include <signal.h>

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

/* --- every call --------------------------------------------------------------------------------------------------- */

#define NO_FD 999

static char room[64];
static struct iovec iov = {room, sizeof room};
static struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
static struct mmsghdr messages[1];
static struct sockaddr_in address;
static socklen_t address_len;
static struct epoll_event event;
static struct stat file_stat;
static sigset_t signals;
static const struct winsize window;
static int number, fds[2];
static const struct plait_sys_spawn no_program = {.path = "/none"};

/* Call, what it gives on a host without any descriptor, its arguments. */
#define EVERY_CALL(X)                                                                                                  \
    X(socket, -EAFNOSUPPORT, AF_PACKET, SOCK_STREAM, 0)                                                                \
    X(socketpair, -EINVAL, AF_UNIX, -1, 0, fds)                                                                        \
    X(bind, -EBADF, NO_FD, (struct sockaddr *)&address, sizeof address)                                                \
    X(listen, -EBADF, NO_FD, 5)                                                                                        \
    X(accept4, -EBADF, NO_FD, NULL, NULL, 0)                                                                           \
    X(connect, -EBADF, NO_FD, (struct sockaddr *)&address, sizeof address)                                             \
    X(shutdown, -EBADF, NO_FD, SHUT_WR)                                                                                \
    X(getsockopt, -EBADF, NO_FD, SOL_SOCKET, SO_ERROR, &number, &address_len)                                          \
    X(setsockopt, -EBADF, NO_FD, SOL_SOCKET, SO_REUSEADDR, &number, sizeof number)                                     \
    X(getsockname, -EBADF, NO_FD, (struct sockaddr *)&address, &address_len)                                           \
    X(getpeername, -EBADF, NO_FD, (struct sockaddr *)&address, &address_len)                                           \
    X(recv, -EBADF, NO_FD, room, sizeof room, 0)                                                                       \
    X(recvmsg, -EBADF, NO_FD, &message, 0)                                                                             \
    X(sendmsg, -EBADF, NO_FD, &message, 0)                                                                             \
    X(recvmmsg, -EBADF, NO_FD, messages, 1, 0)                                                                         \
    X(sendmmsg, -EBADF, NO_FD, messages, 1, 0)                                                                         \
    X(read, -EBADF, NO_FD, room, sizeof room)                                                                          \
    X(write, -EBADF, NO_FD, room, sizeof room)                                                                         \
    X(writev, -EBADF, NO_FD, &iov, 1)                                                                                  \
    X(sendfile, -EBADF, NO_FD, NO_FD, NULL, 1)                                                                         \
    X(close, -EBADF, NO_FD)                                                                                            \
    X(pipe2, -EINVAL, fds, -1)                                                                                         \
    X(fcntl, -EBADF, NO_FD, F_GETFL, 0)                                                                                \
    X(eventfd, -EINVAL, 0, -1)                                                                                         \
    X(epoll_create1, -EINVAL, -1)                                                                                      \
    X(epoll_ctl, -EBADF, NO_FD, EPOLL_CTL_ADD, NO_FD, &event)                                                          \
    X(epoll_wait, -EBADF, NO_FD, &event, 1, 0)                                                                         \
    X(getrandom, 8, room, 8)                                                                                           \
    X(openat2, -ENOENT, AT_FDCWD, "/none", O_RDONLY, 0, 0)                                                             \
    X(fstat, -EBADF, NO_FD, &file_stat)                                                                                \
    X(fstatat, -ENOENT, AT_FDCWD, "/none", &file_stat, 0)                                                              \
    X(pread, -EBADF, NO_FD, room, sizeof room, 0)                                                                      \
    X(pread_nowait, -EBADF, NO_FD, room, sizeof room, 0)                                                               \
    X(pwrite, -EBADF, NO_FD, room, sizeof room, 0)                                                                     \
    X(ftruncate, -EBADF, NO_FD, 0)                                                                                     \
    X(fsync, -EBADF, NO_FD)                                                                                            \
    X(unlinkat, -ENOENT, AT_FDCWD, "/none", 0)                                                                         \
    X(renameat, -ENOENT, AT_FDCWD, "/none", AT_FDCWD, "/other")                                                        \
    X(mkdirat, -EEXIST, AT_FDCWD, "/tmp", 0755)                                                                        \
    X(fchmodat, -ENOENT, AT_FDCWD, "/none", 0600)                                                                      \
    X(getdents, -EBADF, NO_FD, room, sizeof room)                                                                      \
    X(spawn, -ENOENT, &no_program, &number)                                                                            \
    X(reap, -EBADF, NO_FD, &number)                                                                                    \
    X(group_signal, -ESRCH, 999999, SIGTERM)                                                                           \
    X(pidfd_signal, -EBADF, NO_FD, SIGTERM)                                                                            \
    X(signalfd, -EBADF, NO_FD, &signals, 0)                                                                            \
    X(sigmask, -EINVAL, -1, &signals, NULL)                                                                            \
    X(isatty, -EBADF, NO_FD)                                                                                           \
    X(openpty, -EOPNOTSUPP, fds, &window, 0)                                                                           \
    X(winsize, -EBADF, NO_FD, &window)

#define VIA(name, expected, ...)                                                                                       \
    static long via_##name(struct plait_sys *sys)                                                                      \
    {                                                                                                                  \
        return CALL(sys, name, __VA_ARGS__);                                                                           \
    }
EVERY_CALL(VIA)

static const struct {
    const char *name;
    long expected;
    long (*via)(struct plait_sys *sys);
} every_call[] = {
#define ROW(name, expected, ...) {#name, expected, via_##name},
    EVERY_CALL(ROW)};

static void every_call_passes_or_fails(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_injector *injector = plait_injector_new(w.a);
    struct plait_sys *sys = plait_injector_sys(injector);
    for (size_t i = 0; i < TEST_COUNT(every_call); i++) {
        uint64_t failed;
        assert_ok(plait_injector_fail(injector, every_call[i].name, 2, 1, EIO));
        assert_int_equal(every_call[i].via(sys), every_call[i].expected);
        assert_int_equal(every_call[i].via(sys), -EIO);
        assert_int_equal(every_call[i].via(sys), every_call[i].expected);
        assert_int_equal(plait_injector_count(injector, every_call[i].name, &failed), 3);
        assert_int_equal(failed, 1);
        /* What passed was made, and what failed was not, but for close. */
        uint64_t made = strcmp(every_call[i].name, "close") == 0 ? 3 : 2;
        assert_int_equal(plait_sim_call_count(w.sim, every_call[i].name), made);
    }
    plait_injector_free(&injector);
    world_close(&w);
}

static void what_cannot_fail_passes(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_injector *injector = plait_injector_new(w.a);
    struct plait_sys *sys = plait_injector_sys(injector);
    plait_injector_fail_any(injector, 1, EIO);
    assert_ok(plait_host_set_env(plait_sim_host(w.sim, "a"), "X", "1"));
    assert_int_equal(CALL(sys, clock, PLAIT_SYS_MONOTONIC), plait_sim_now(w.sim));
    assert_int_equal(CALL(sys, if_nametoindex, "lo"), 1);
    assert_int_equal(CALL(sys, if_nametoindex, "eth0"), 2);
    assert_int_equal(CALL(sys, if_nametoindex, "eth1"), 0);
    assert_string_equal(CALL(sys, env, "X"), "1");
    CALL(sys, unsetenv, "X");
    assert_null(CALL(sys, env, "X"));
    assert_int_equal(sys->ops->job_delay(sys), plait_micros(50));
    assert_int_equal(sys->ops->job_cost(sys), 0);
    assert_int_equal(CALL(sys, isatty, NO_FD), -EIO); /* still the first that counts */
    plait_injector_free(&injector);
    world_close(&w);
}

static void without_memory_there_is_no_injector(void **state)
{
    (void)state;
    struct test_heap heap;
    struct world w = world_open();
    test_heap_init(&heap, 1);
    assert_null(plait__injector_new(w.a, &heap.allocator));
    struct plait_injector *injector = plait__injector_new(w.a, &heap.allocator);
    assert_non_null(injector);
    plait_injector_free(&injector);
    plait_injector_free(&injector);
    assert_int_equal(heap.live, 0);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(the_kth_call_of_a_kind_fails), cmocka_unit_test(all_later_calls_can_fail),
          cmocka_unit_test(a_reactor_survives_any_first_call_that_fails), cmocka_unit_test(every_call_passes_or_fails),
          cmocka_unit_test(what_cannot_fail_passes), cmocka_unit_test(without_memory_there_is_no_injector))
