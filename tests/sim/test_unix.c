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

TEST_MAIN(cmocka_unit_test(a_path_is_a_file_that_outlives_its_socket),
          cmocka_unit_test(an_abstract_name_goes_with_its_socket), cmocka_unit_test(a_full_backlog_says_again),
          cmocka_unit_test(descriptors_travel_with_bytes), cmocka_unit_test(descriptors_without_room_are_closed),
          cmocka_unit_test(credentials_and_names_of_a_peer))
