/* SPDX-License-Identifier: MIT
 *
 * Descriptors of the simulated kernel: numbers and limits, eventfd, signalfd, what fits no file.
 */
#include "tests/sim/sim_calls.h"

#include <limits.h>

#include <sys/eventfd.h>
#include <sys/signalfd.h>

static void the_lowest_number_is_given_out(void **state)
{
    (void)state;
    struct world w = world_open();
    int first = CALL(w.a, eventfd, 0, 0), second = CALL(w.a, eventfd, 0, 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, 1);
    CALL(w.a, close, first);
    assert_int_equal(CALL(w.a, eventfd, 0, 0), 0);
    assert_int_equal(CALL(w.a, fcntl, second, F_DUPFD, 7), 7);
    assert_int_equal(CALL(w.a, close, 99), -EBADF);
    world_close(&w);
}

static void the_limit_of_descriptors_holds_everywhere(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    int fds[2], listener = tcp_listen_on(w.a, 80, 5), client = tcp_socket(w.b);
    struct sockaddr_in to = host_address(w.a, 80);
    plait_host_set_descriptors_max(host, 2);
    assert_int_equal(CALL(w.a, pipe2, fds, 0), -EMFILE);
    assert_int_equal(CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM, 0, fds), -EMFILE);
    int last = CALL(w.a, openat2, AT_FDCWD, "/dev/null", O_RDONLY, 0, 0);
    assert_int_equal(last, 1);
    assert_int_equal(CALL(w.a, eventfd, 0, 0), -EMFILE);
    assert_int_equal(CALL(w.a, socket, AF_INET, SOCK_STREAM, 0), -EMFILE);
    assert_int_equal(CALL(w.a, epoll_create1, 0), -EMFILE);
    CALL(w.b, connect, client, (struct sockaddr *)&to, sizeof to);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.a, accept4, listener, NULL, NULL, 0), -EMFILE);
    CALL(w.a, close, last);
    assert_int_equal(CALL(w.a, accept4, listener, NULL, NULL, 0), 1); /* it was still in the queue */
    assert_int_equal(plait_host_descriptors(host), 2);
    world_close(&w);
}

static void an_eventfd_counts(void **state)
{
    (void)state;
    struct world w = world_open();
    uint64_t value = 3, got = 0;
    int fd = CALL(w.a, eventfd, 0, EFD_NONBLOCK), two = CALL(w.a, eventfd, 2, EFD_SEMAPHORE);
    assert_int_equal(CALL(w.a, read, fd, &got, 8), -EAGAIN);
    assert_int_equal(CALL(w.a, write, fd, &value, 8), 8);
    assert_int_equal(CALL(w.a, write, fd, &value, 8), 8);
    assert_int_equal(CALL(w.a, write, fd, &value, 4), -EINVAL);
    assert_int_equal(CALL(w.a, read, fd, &got, 8), 8);
    assert_int_equal(got, 6);
    assert_int_equal(CALL(w.a, read, two, &got, 8), 8);
    assert_int_equal(got, 1);
    value = UINT64_MAX - 1;
    assert_int_equal(CALL(w.a, write, fd, &value, 8), 8);
    assert_int_equal(ready(w.a, fd, EPOLLIN | EPOLLOUT), EPOLLIN);
    value = 1;
    assert_int_equal(CALL(w.a, write, fd, &value, 8), -EAGAIN);
    world_close(&w);
}

static void a_blocked_signal_comes_through_its_descriptor(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    struct signalfd_siginfo info;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    int fd = CALL(w.a, signalfd, -1, &set, SFD_NONBLOCK);
    plait_host_signal(host, SIGTERM); /* not blocked yet: nobody sees it */
    assert_int_equal(CALL(w.a, read, fd, &info, sizeof info), -EAGAIN);
    assert_int_equal(CALL(w.a, sigmask, SIG_BLOCK, &set, &old), 0);
    plait_host_signal(host, SIGTERM);
    plait_host_signal(host, SIGTERM);
    assert_int_equal(ready(w.a, fd, EPOLLIN), EPOLLIN);
    assert_int_equal(CALL(w.a, read, fd, &info, sizeof info), sizeof info);
    assert_int_equal(info.ssi_signo, SIGTERM);
    assert_int_equal(CALL(w.a, read, fd, &info, sizeof info), -EAGAIN);
    world_close(&w);
}

static void calls_on_the_wrong_kind_of_file_fail(void **state)
{
    (void)state;
    struct world w = world_open();
    char byte;
    int fds[2], event = CALL(w.a, eventfd, 0, 0), ep = CALL(w.a, epoll_create1, 0);
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    assert_int_equal(CALL(w.a, recv, event, &byte, 1, 0), -ENOTSOCK);
    assert_int_equal(CALL(w.a, listen, event, 1), -ENOTSOCK);
    assert_int_equal(CALL(w.a, read, ep, &byte, 1), -EINVAL);
    assert_int_equal(CALL(w.a, read, fds[1], &byte, 1), -EBADF);
    assert_int_equal(CALL(w.a, write, fds[0], &byte, 1), -EBADF);
    assert_int_equal(CALL(w.a, pread, fds[0], &byte, 1, 0), -ESPIPE);
    assert_int_equal(CALL(w.a, isatty, fds[0]), 0);
    assert_int_equal(CALL(w.a, socket, AF_PACKET, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(CALL(w.a, socketpair, AF_INET, SOCK_STREAM, 0, fds), -EOPNOTSUPP);
    world_close(&w);
}

static void flags_of_descriptors_are_kept(void **state)
{
    (void)state;
    struct world w = world_open();
    int fd = CALL(w.a, eventfd, 0, 0);
    assert_int_equal(CALL(w.a, fcntl, fd, F_GETFL, 0), O_RDWR);
    assert_int_equal(CALL(w.a, fcntl, fd, F_SETFL, O_NONBLOCK | O_APPEND | O_WRONLY), 0);
    assert_int_equal(CALL(w.a, fcntl, fd, F_GETFL, 0), O_RDWR | O_NONBLOCK | O_APPEND);
    assert_int_equal(CALL(w.a, fcntl, fd, F_GETFD, 0), 0);
    assert_int_equal(CALL(w.a, fcntl, fd, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(CALL(w.a, fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(CALL(w.a, fcntl, fd, F_DUPFD, -1), -EINVAL);
    assert_int_equal(CALL(w.a, fcntl, fd, F_DUPFD, 1024), -EINVAL);
    assert_int_equal(CALL(w.a, fcntl, fd, F_GETLK, 0), -EINVAL);
    world_close(&w);
}

static void too_many_buffers_are_refused(void **state)
{
    (void)state;
    static struct iovec iov[IOV_MAX + 1];
    struct world w = world_open();
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = IOV_MAX + 1};
    int fds[2];
    assert_int_equal(CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(CALL(w.a, writev, fds[0], iov, IOV_MAX + 1), -EINVAL);
    assert_int_equal(CALL(w.a, writev, fds[0], iov, -1), -EINVAL);
    assert_int_equal(CALL(w.a, sendmsg, fds[0], &msg, 0), -EMSGSIZE);
    assert_int_equal(CALL(w.a, recvmsg, fds[1], &msg, 0), -EMSGSIZE);
    world_close(&w);
}

static void a_counter_takes_whole_numbers_only(void **state)
{
    (void)state;
    struct world w = world_open();
    uint64_t value = UINT64_MAX;
    int fd = CALL(w.a, eventfd, 1, 0);
    assert_int_equal(CALL(w.a, read, fd, &value, 4), -EINVAL);
    assert_int_equal(CALL(w.a, write, fd, &value, 8), -EINVAL);
    assert_int_equal(CALL(w.a, read, fd, &value, 8), 8);
    assert_int_equal(value, 1);
    world_close(&w);
}

static void a_signalfd_can_change_its_signals(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    struct signalfd_siginfo info;
    sigset_t terminate, hang_up, old;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigemptyset(&hang_up);
    sigaddset(&hang_up, SIGHUP);
    int fd = CALL(w.a, signalfd, -1, &terminate, 0), other = CALL(w.a, eventfd, 0, 0);
    assert_int_equal(CALL(w.a, sigmask, SIG_SETMASK, &hang_up, NULL), 0);
    plait_host_signal(host, SIGHUP);
    plait_host_signal(host, 0); /* no signals */
    plait_host_signal(host, 65);
    assert_int_equal(ready(w.a, fd, EPOLLIN), 0);
    assert_int_equal(CALL(w.a, signalfd, fd, &hang_up, 0), fd);
    assert_int_equal(ready(w.a, fd, EPOLLIN), EPOLLIN);
    assert_int_equal(CALL(w.a, read, fd, &info, sizeof info - 1), -EINVAL);
    assert_int_equal(CALL(w.a, read, fd, &info, sizeof info), sizeof info);
    assert_int_equal(info.ssi_signo, SIGHUP);
    assert_int_equal(CALL(w.a, signalfd, other, &hang_up, 0), -EINVAL);
    assert_int_equal(CALL(w.a, signalfd, -1, &hang_up, -1), -EINVAL);
    assert_int_equal(CALL(w.a, sigmask, SIG_UNBLOCK, &hang_up, &old), 0);
    assert_int_equal(sigismember(&old, SIGHUP), 1);
    assert_int_equal(CALL(w.a, sigmask, SIG_BLOCK, NULL, &old), 0);
    assert_int_equal(sigismember(&old, SIGHUP), 0);
    plait_host_set_descriptors_max(host, 2);
    assert_int_equal(CALL(w.a, signalfd, -1, &hang_up, 0), -EMFILE);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(the_lowest_number_is_given_out), cmocka_unit_test(the_limit_of_descriptors_holds_everywhere),
          cmocka_unit_test(an_eventfd_counts), cmocka_unit_test(a_blocked_signal_comes_through_its_descriptor),
          cmocka_unit_test(calls_on_the_wrong_kind_of_file_fail), cmocka_unit_test(flags_of_descriptors_are_kept),
          cmocka_unit_test(too_many_buffers_are_refused), cmocka_unit_test(a_counter_takes_whole_numbers_only),
          cmocka_unit_test(a_signalfd_can_change_its_signals))
