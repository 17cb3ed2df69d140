/* SPDX-License-Identifier: MIT
 *
 * UNIX sockets of the simulated kernel: names, backlog, descriptors that travel, credentials.
 */
#include "tests/sim/sim_calls.h"

static socklen_t named(struct sockaddr_un *un, const char *name, bool abstract)
{
    size_t len = strlen(name);
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + abstract, name, len);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

static int listener(struct plait_sys *host, const char *name, bool abstract, int backlog)
{
    struct sockaddr_un un;
    socklen_t len = named(&un, name, abstract);
    int fd = CALL(host, socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(CALL(host, bind, fd, (struct sockaddr *)&un, len), 0);
    assert_int_equal(CALL(host, listen, fd, backlog), 0);
    return fd;
}

static int dial(struct plait_sys *host, const char *name, bool abstract, int *res)
{
    struct sockaddr_un un;
    socklen_t len = named(&un, name, abstract);
    int fd = CALL(host, socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *res = CALL(host, connect, fd, (struct sockaddr *)&un, len);
    return fd;
}

static void a_path_is_a_file_that_outlives_its_socket(void **state)
{
    (void)state;
    struct world w = world_open();
    struct stat st;
    int res;
    dial(w.a, "/tmp/s", false, &res);
    assert_int_equal(res, -ENOENT);
    int fd = listener(w.a, "/tmp/s", false, 5);
    assert_int_equal(CALL(w.a, fstatat, AT_FDCWD, "/tmp/s", &st, 0), 0);
    assert_true(S_ISSOCK(st.st_mode));
    dial(w.a, "/tmp/s", false, &res);
    assert_int_equal(res, 0);
    dial(w.b, "/tmp/s", false, &res);
    assert_int_equal(res, -ENOENT); /* another host, another tree */
    CALL(w.a, close, fd);
    dial(w.a, "/tmp/s", false, &res);
    assert_int_equal(res, -ECONNREFUSED);
    struct sockaddr_un un;
    socklen_t len = named(&un, "/tmp/s", false);
    fd = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&un, len), -EADDRINUSE);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/tmp/s", 0), 0);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&un, len), 0);
    world_close(&w);
}

static void an_abstract_name_goes_with_its_socket(void **state)
{
    (void)state;
    struct world w = world_open();
    int res, fd = listener(w.a, "name", true, 5);
    dial(w.a, "name", true, &res);
    assert_int_equal(res, 0);
    CALL(w.a, close, fd);
    dial(w.a, "name", true, &res);
    assert_int_equal(res, -ECONNREFUSED);
    listener(w.a, "name", true, 5);
    world_close(&w);
}

static void a_full_backlog_says_again(void **state)
{
    (void)state;
    struct world w = world_open();
    int res, fd = listener(w.a, "full", true, 1);
    dial(w.a, "full", true, &res);
    dial(w.a, "full", true, &res);
    assert_int_equal(res, 0);
    dial(w.a, "full", true, &res);
    assert_int_equal(res, -EAGAIN);
    assert_true(CALL(w.a, accept4, fd, NULL, NULL, 0) >= 0);
    dial(w.a, "full", true, &res);
    assert_int_equal(res, 0);
    world_close(&w);
}

static ssize_t send_fds(struct end e, const int *fds, size_t count, const char *text)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.head =
        (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
    return CALL(e.host, sendmsg, e.fd, &msg, MSG_NOSIGNAL);
}

static ssize_t recv_fds(struct end e, char *text, size_t room, int *fds, size_t *count, int *flags)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = text, .iov_len = room};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(*count * sizeof(int))};
    ssize_t n = CALL(e.host, recvmsg, e.fd, &msg, MSG_CMSG_CLOEXEC);
    *flags = msg.msg_flags;
    *count = msg.msg_controllen ? (control.head.cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    memcpy(fds, CMSG_DATA(&control.head), *count * sizeof(int));
    return n;
}

static void descriptors_travel_with_bytes(void **state)
{
    (void)state;
    struct world w = world_open();
    int sv[2], pipe[2], got[4], flags;
    char text[100];
    size_t count = 2;
    assert_int_equal(CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    assert_int_equal(CALL(w.a, pipe2, pipe, O_NONBLOCK), 0);
    struct end from = {w.a, sv[0]}, to = {w.a, sv[1]};
    assert_int_equal(put(from, "before", 6), 6);
    assert_int_equal(send_fds(from, pipe, 2, "with"), 4);
    assert_int_equal(put(from, "after", 5), 5);
    CALL(w.a, close, pipe[1]);
    /* What came before flows together with what brings them; behind that a read stops. */
    assert_int_equal(recv_fds(to, text, sizeof text, got, &count, &flags), 10);
    assert_int_equal(count, 2);
    assert_int_equal(CALL(w.a, fcntl, got[1], F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(CALL(w.a, write, got[1], "x", 1), 1);
    assert_int_equal(CALL(w.a, read, pipe[0], text, 5), 1);
    assert_string_equal(take(to), "after");
    world_close(&w);
}

static void descriptors_without_room_are_closed(void **state)
{
    (void)state;
    struct world w = world_open();
    int sv[2], pipe[2], got[4], flags;
    char text[10];
    size_t count = 1;
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    CALL(w.a, pipe2, pipe, O_NONBLOCK);
    struct end from = {w.a, sv[0]}, to = {w.a, sv[1]};
    assert_int_equal(send_fds(from, (int[]){pipe[1], pipe[1], pipe[1]}, 3, "x"), 1);
    CALL(w.a, close, pipe[1]);
    size_t before = plait_host_descriptors(plait_sim_host(w.sim, "a"));
    count = 1;
    assert_int_equal(recv_fds(to, text, sizeof text, got, &count, &flags), 1);
    assert_true(count >= 1 && count <= 2); /* CMSG_SPACE(1) is rounded up */
    assert_true(flags & MSG_CTRUNC);
    assert_int_equal(plait_host_descriptors(plait_sim_host(w.sim, "a")), before + count);
    for (size_t i = 0; i < count; i++)
        CALL(w.a, close, got[i]);
    assert_int_equal(CALL(w.a, read, pipe[0], text, 5), 0); /* no writer is left */
    assert_int_equal(send_fds(from, (int[]){999}, 1, "x"), -EBADF);
    world_close(&w);
}

static void credentials_and_names_of_a_peer(void **state)
{
    (void)state;
    struct world w = world_open();
    struct ucred cred;
    struct sockaddr_un un;
    socklen_t len = sizeof un, cred_len = sizeof cred;
    int res, fd = listener(w.a, "/tmp/x", false, 5), client = dial(w.a, "/tmp/x", false, &res);
    int child = CALL(w.a, accept4, fd, (struct sockaddr *)&un, &len, 0);
    assert_int_equal(len, sizeof un.sun_family);
    assert_int_equal(CALL(w.a, getsockopt, child, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len), 0);
    assert_int_equal(cred.uid, 1000);
    len = sizeof un;
    assert_int_equal(CALL(w.a, getpeername, client, (struct sockaddr *)&un, &len), 0);
    assert_string_equal(un.sun_path, "/tmp/x");
    int one = 1;
    assert_int_equal(CALL(w.a, setsockopt, client, IPPROTO_TCP, 1, &one, sizeof one), -EOPNOTSUPP);
    world_close(&w);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int bound(struct plait_sys *host, int type, const char *name)
{
    struct sockaddr_un un;
    socklen_t len = named(&un, name, true);
    int fd = CALL(host, socket, AF_UNIX, type | SOCK_NONBLOCK, 0);
    assert_int_equal(CALL(host, bind, fd, (struct sockaddr *)&un, len), 0);
    return fd;
}

static int connect_to(struct plait_sys *host, int fd, const char *name)
{
    struct sockaddr_un un;
    socklen_t len = named(&un, name, true);
    return CALL(host, connect, fd, (struct sockaddr *)&un, len);
}

static void a_name_can_be_left_to_the_system(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_un none = {.sun_family = AF_UNIX}, first = {0}, second = {0};
    socklen_t len = sizeof first, none_len = sizeof none.sun_family;
    int a = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0), b = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(CALL(w.a, bind, a, (struct sockaddr *)&none, none_len), 0);
    assert_int_equal(CALL(w.a, bind, a, (struct sockaddr *)&none, none_len), 0); /* it has one */
    assert_int_equal(CALL(w.a, bind, b, (struct sockaddr *)&none, none_len), 0);
    assert_int_equal(CALL(w.a, getsockname, a, (struct sockaddr *)&first, &len), 0);
    assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + 6);
    assert_int_equal(first.sun_path[0], 0);
    assert_int_equal(CALL(w.a, getsockname, b, (struct sockaddr *)&second, &len), 0);
    assert_memory_not_equal(first.sun_path, second.sun_path, 6);
    assert_int_equal(CALL(w.a, bind, a, (struct sockaddr *)&second, len), -EINVAL);
    assert_int_equal(CALL(w.a, connect, a, (struct sockaddr *)&none, none_len), -EINVAL);
    int c = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(CALL(w.a, bind, c, (struct sockaddr *)&second, len), -EADDRINUSE);
    world_close(&w);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/none/s"}, other = {.sun_family = AF_INET};
    struct {
        struct sockaddr_un un;
        char more[8];
    } long_one = {.un = {.sun_family = AF_UNIX}};
    int res, fd = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&un, 1), -EINVAL);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&long_one, sizeof long_one), -EINVAL);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&other, sizeof other), -EINVAL);
    memset(long_one.un.sun_path, 'x', sizeof long_one.un.sun_path); /* without an end */
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&long_one, sizeof long_one.un), -EINVAL);
    assert_int_equal(CALL(w.a, bind, fd, (struct sockaddr *)&un, sizeof un), -ENOENT);
    assert_int_equal(CALL(w.a, connect, fd, (struct sockaddr *)&un, sizeof un), -ENOENT);
    dial(w.a, "/tmp/none", false, &res);
    assert_int_equal(res, -ENOENT);
    dial(w.a, "/tmp", false, &res);
    assert_int_equal(res, -ECONNREFUSED);
    dial(w.a, "/dev/null/x", false, &res);
    assert_int_equal(res, -ENOTDIR);
    world_close(&w);
}

/* Names in the file system are one for all types. */
static void a_path_of_another_type_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_un stream = {.sun_family = AF_UNIX, .sun_path = "/tmp/stream"}, datagram = stream;
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr to = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &stream, .msg_namelen = sizeof stream};
    int s = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0), d = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0);
    memcpy(datagram.sun_path, "/tmp/dgram", sizeof "/tmp/dgram");
    assert_int_equal(CALL(w.a, bind, s, (struct sockaddr *)&stream, sizeof stream), 0);
    assert_int_equal(CALL(w.a, bind, d, (struct sockaddr *)&datagram, sizeof datagram), 0);
    assert_int_equal(CALL(w.a, listen, s, 5), 0);
    assert_int_equal(CALL(w.a, connect, d, (struct sockaddr *)&stream, sizeof stream), -EPROTOTYPE);
    assert_int_equal(CALL(w.a, sendmsg, d, &to, 0), -EPROTOTYPE);
    s = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(CALL(w.a, connect, s, (struct sockaddr *)&datagram, sizeof datagram), -EPROTOTYPE);
    world_close(&w);
}

static void who_is_left_for_another_hears_of_it(void **state)
{
    (void)state;
    struct world w = world_open();
    int a = bound(w.a, SOCK_DGRAM, "a"), b = bound(w.a, SOCK_DGRAM, "b");
    (void)bound(w.a, SOCK_DGRAM, "c");
    assert_int_equal(connect_to(w.a, a, "b"), 0);
    assert_int_equal(connect_to(w.a, b, "a"), 0);
    assert_int_equal(put((struct end){w.a, b}, "x", 1), 1);
    assert_int_equal(connect_to(w.a, a, "c"), 0);
    assert_int_equal(take_raw((struct end){w.a, a}), -EAGAIN); /* it is lost */
    assert_int_equal(sock_error(w.a, b), ECONNRESET);
    world_close(&w);
}

static void what_does_not_fit_a_state_is_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_un un;
    socklen_t len = named(&un, "stream", true);
    int stream = listener(w.a, "stream", true, 5), dgram = bound(w.a, SOCK_DGRAM, "dgram");
    int idle = bound(w.a, SOCK_STREAM, "idle"), fresh = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0);
    int packet = CALL(w.a, socket, AF_UNIX, SOCK_SEQPACKET, 0);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr to = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &un, .msg_namelen = len};
    assert_int_equal(CALL(w.a, listen, dgram, 5), -EOPNOTSUPP);
    assert_int_equal(CALL(w.a, listen, fresh, 5), -EINVAL);
    assert_int_equal(CALL(w.a, accept4, dgram, NULL, NULL, 0), -EOPNOTSUPP);
    assert_int_equal(CALL(w.a, accept4, idle, NULL, NULL, 0), -EINVAL);
    assert_int_equal(connect_to(w.a, fresh, "dgram"), -ECONNREFUSED); /* each type has names of its own */
    assert_int_equal(connect_to(w.a, fresh, "idle"), -ECONNREFUSED);
    assert_int_equal(connect_to(w.a, dgram, "stream"), -ECONNREFUSED);
    assert_int_equal(connect_to(w.a, stream, "stream"), -EINVAL);
    assert_int_equal(put((struct end){w.a, fresh}, "x", 1), -ENOTCONN);
    assert_int_equal(CALL(w.a, sendmsg, fresh, &to, 0), -EOPNOTSUPP);
    assert_int_equal(take_raw((struct end){w.a, fresh}), -EINVAL);
    assert_int_equal(put((struct end){w.a, packet}, "x", 1), -ENOTCONN);
    assert_int_equal(take_raw((struct end){w.a, packet}), -ENOTCONN);
    assert_int_equal(put((struct end){w.a, dgram}, "x", 1), -ENOTCONN);
    assert_int_equal(CALL(w.a, sendmsg, dgram, &to, 0), -ECONNREFUSED);
    assert_int_equal(ready(w.a, fresh, EPOLLIN | EPOLLOUT), EPOLLOUT | EPOLLHUP);
    assert_int_equal(ready(w.a, stream, EPOLLIN), 0);
    assert_int_equal(connect_to(w.a, fresh, "stream"), 0);
    assert_int_equal(ready(w.a, stream, EPOLLIN), EPOLLIN);
    assert_int_equal(connect_to(w.a, fresh, "stream"), -EISCONN);
    assert_int_equal(CALL(w.a, sendmsg, fresh, &to, 0), -EISCONN);
    assert_int_equal(CALL(w.a, shutdown, stream, SHUT_RD), 0);
    assert_true(CALL(w.a, accept4, stream, NULL, NULL, 0) >= 0);
    assert_int_equal(CALL(w.a, accept4, stream, NULL, NULL, 0), -EAGAIN);
    assert_int_equal(CALL(w.a, fcntl, stream, F_SETFL, 0), 0);
    assert_int_equal(CALL(w.a, accept4, stream, NULL, NULL, 0), -EINVAL); /* who would wait hears it */
    assert_int_equal(connect_to(w.a, idle, "stream"), -ECONNREFUSED);
    world_close(&w);
}

/* --- datagrams and packets ---------------------------------------------------------------------------------------- */

static void a_datagram_tells_its_sender(void **state)
{
    (void)state;
    char text[10];
    struct sockaddr_un un = {0};
    struct world w = world_open();
    int a = bound(w.a, SOCK_DGRAM, "a"), b = bound(w.a, SOCK_DGRAM, "b");
    int nameless = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0);
    struct iovec iov = {text, sizeof text};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &un, .msg_namelen = sizeof un};
    assert_int_equal(connect_to(w.a, a, "b"), 0);
    assert_int_equal(connect_to(w.a, a, "b"), 0); /* again is allowed */
    assert_int_equal(connect_to(w.a, nameless, "none"), -ECONNREFUSED);
    assert_int_equal(connect_to(w.a, nameless, "b"), 0);
    assert_int_equal(put((struct end){w.a, a}, "one", 3), 3);
    assert_int_equal(put((struct end){w.a, nameless}, "two", 3), 3);
    assert_int_equal(CALL(w.a, recvmsg, b, &msg, 0), 3);
    assert_int_equal(msg.msg_namelen, offsetof(struct sockaddr_un, sun_path) + 2); /* a zero, and "a" */
    assert_string_equal(un.sun_path + 1, "a");
    msg.msg_namelen = sizeof un;
    assert_int_equal(CALL(w.a, recvmsg, b, &msg, 0), 3);
    assert_int_equal(msg.msg_namelen, 0);
    world_close(&w);
}

static void who_talks_to_one_hears_no_other(void **state)
{
    (void)state;
    struct world w = world_open();
    struct sockaddr_un un;
    socklen_t len = named(&un, "a", true);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr to = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &un, .msg_namelen = len};
    int a = bound(w.a, SOCK_DGRAM, "a"), c = bound(w.a, SOCK_DGRAM, "c");
    bound(w.a, SOCK_DGRAM, "b");
    assert_int_equal(CALL(w.a, sendmsg, c, &to, 0), 1);
    assert_int_equal(connect_to(w.a, a, "b"), 0);
    assert_int_equal(CALL(w.a, sendmsg, c, &to, 0), -EPERM);
    assert_int_equal(connect_to(w.a, c, "a"), -EPERM);
    world_close(&w);
}

static void a_full_receiver_holds_its_senders(void **state)
{
    (void)state;
    struct world w = world_open();
    struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
    int in = bound(w.a, SOCK_DGRAM, "in"), out = CALL(w.a, socket, AF_UNIX, SOCK_DGRAM, 0);
    int ep = CALL(w.a, epoll_create1, 0), sent = 0;
    struct end end = {w.a, out};
    assert_int_equal(connect_to(w.a, out, "in"), 0);
    while (put(end, "x", 1) == 1)
        sent++;
    assert_int_equal(sent, 11);
    assert_int_equal(put(end, "x", 1), -EAGAIN);
    assert_int_equal(CALL(w.a, epoll_ctl, ep, EPOLL_CTL_ADD, out, &ev), 0);
    assert_int_equal(CALL(w.a, epoll_wait, ep, &ev, 1, 0), 0);
    assert_int_equal(take_raw((struct end){w.a, in}), 1);
    assert_int_equal(CALL(w.a, epoll_wait, ep, &ev, 1, 0), 1);
    assert_int_equal(put(end, "x", 1), 1);
    assert_int_equal(put(end, "x", 1), -EAGAIN);
    CALL(w.a, close, in); /* and now nothing can be sent, which the sender learns */
    assert_int_equal(CALL(w.a, epoll_wait, ep, &ev, 1, 0), 1);
    assert_int_equal(put(end, "x", 1), -ECONNREFUSED);
    world_close(&w);
}

static void the_senders_buffer_is_a_limit(void **state)
{
    (void)state;
    static char block[65536];
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct world w = world_open();
    for (unsigned i = 0; i < TEST_COUNT(types); i++) {
        int fds[2];
        ssize_t res, sent = 0;
        assert_int_equal(CALL(w.a, socketpair, AF_UNIX, types[i] | SOCK_NONBLOCK, 0, fds), 0);
        struct end from = {w.a, fds[0]}, to = {w.a, fds[1]};
        if (types[i] != SOCK_STREAM)
            assert_int_equal(put(from, block, sizeof block), -EMSGSIZE);
        while ((res = put(from, block, 4000)) > 0)
            sent += res;
        assert_int_equal(res, -EAGAIN);
        assert_true(sent > 50000);
        assert_int_equal(ready(w.a, fds[0], EPOLLOUT), 0);
        while (take_raw(to) > 0)
            continue;
        assert_int_equal(ready(w.a, fds[0], EPOLLOUT), EPOLLOUT);
    }
    world_close(&w);
}

/* --- control messages --------------------------------------------------------------------------------------------- */

static ssize_t send_control(struct end e, int level, int type, size_t cmsg_len, size_t room)
{
    static char control[CMSG_SPACE(300 * sizeof(int))];
    struct cmsghdr head = {.cmsg_len = cmsg_len, .cmsg_level = level, .cmsg_type = type};
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    memset(control, 0, sizeof control);
    memcpy(control, &head, sizeof head);
    return CALL(e.host, sendmsg, e.fd, &msg, 0);
}

static void wrong_control_messages_are_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    int fds[2];
    CALL(w.a, socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
    struct end e = {w.a, fds[0]};
    assert_int_equal(send_control(e, SOL_SOCKET, SCM_RIGHTS, 1, 64), -EINVAL);
    assert_int_equal(send_control(e, SOL_SOCKET, SCM_RIGHTS, 65, 64), -EINVAL);
    assert_int_equal(send_control(e, SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(254 * sizeof(int)), CMSG_SPACE(1016)), -EINVAL);
    assert_int_equal(send_control(e, SOL_SOCKET, 77, CMSG_LEN(4), CMSG_SPACE(4)), -EINVAL);
    /* of another family: passed over */
    assert_int_equal(send_control(e, IPPROTO_IP, 77, CMSG_LEN(4), CMSG_SPACE(4)), 1);
    assert_int_equal(send_control(e, SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(0), CMSG_SPACE(0)), 1); /* none */
    world_close(&w);
}

static void descriptors_beyond_the_limit_are_closed(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    int sv[2], pipe[2], got[4], flags;
    char text[10];
    size_t count = 2;
    CALL(w.a, socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv);
    CALL(w.a, pipe2, pipe, O_NONBLOCK);
    struct end from = {w.a, sv[0]}, to = {w.a, sv[1]};
    assert_int_equal(send_fds(from, pipe, 2, "x"), 1);
    plait_host_set_descriptors_max(host, 5);
    assert_int_equal(recv_fds(to, text, sizeof text, got, &count, &flags), 1);
    assert_int_equal(count, 1);
    assert_true(flags & MSG_CTRUNC);
    assert_int_equal(plait_host_descriptors(host), 5);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(a_path_is_a_file_that_outlives_its_socket),
          cmocka_unit_test(an_abstract_name_goes_with_its_socket), cmocka_unit_test(a_full_backlog_says_again),
          cmocka_unit_test(descriptors_travel_with_bytes), cmocka_unit_test(descriptors_without_room_are_closed),
          cmocka_unit_test(credentials_and_names_of_a_peer), cmocka_unit_test(a_name_can_be_left_to_the_system),
          cmocka_unit_test(names_that_are_none_are_refused), cmocka_unit_test(a_path_of_another_type_is_refused),
          cmocka_unit_test(who_is_left_for_another_hears_of_it), cmocka_unit_test(what_does_not_fit_a_state_is_refused),
          cmocka_unit_test(a_datagram_tells_its_sender), cmocka_unit_test(who_talks_to_one_hears_no_other),
          cmocka_unit_test(a_full_receiver_holds_its_senders), cmocka_unit_test(the_senders_buffer_is_a_limit),
          cmocka_unit_test(wrong_control_messages_are_refused),
          cmocka_unit_test(descriptors_beyond_the_limit_are_closed))
