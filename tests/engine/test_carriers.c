/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/fd_stream.c, pair.c, stream_info.c and sockaddr.c: what differs from carrier to carrier, and
 * what a stream tells of itself.
 */
#include "tests/engine/peer.h"

#include <netinet/tcp.h>
#include <sys/un.h>

static struct peer x;
static struct peer y;

static void open_joined(struct bed *b, enum joint joint)
{
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(b);
    join_peers(b, joint, &x, &y);
    bed_settle(b);
}

/* --- what a stream tells ------------------------------------------------------------------------------------------ */

static void a_stream_knows_its_reactor_its_number_and_its_counts(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        uint64_t received = 9;
        uint64_t sent = 9;
        open_joined(&b, (enum joint)joint);
        assert_ptr_equal(plait_stream_reactor(x.s), b.r);
        assert_int_not_equal(plait_stream_id(x.s), plait_stream_id(y.s));
        assert_null(plait_stream_tls(x.s));
        plait_write(x.s, PLAIT_LIT("12345"));
        bed_settle(&b);
        plait_stream_counts(x.s, &received, &sent);
        assert_int_equal(received, 0);
        assert_int_equal(sent, 5);
        plait_stream_counts(y.s, &received, NULL);
        assert_int_equal(received, 5);
        assert_true(plait_is_open(x.s));
        plait_close(x.s);
        assert_false(plait_is_open(x.s));
        bed_close(&b);
    }
}

static void addresses_are_those_of_the_socket(void **state)
{
    struct bed b;
    struct plait_address a;
    char text[PLAIT_ADDR_TEXT_MAX];
    (void)state;
    open_joined(&b, JOINT_PAIR);
    plait_stream_peer(x.s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    plait_stream_local(x.s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    bed_close(&b);
    open_joined(&b, JOINT_UNIX);
    plait_stream_peer(x.s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    bed_close(&b);
    int fd[2];
    struct plait_stream *s;
    bed_open(&b);
    tcp_pair(fd);
    assert_ok(plait_address_parse_ip(PLAIT_LIT("192.0.2.1"), 99, &a));
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], &a, &s), 0);
    plait_stream_peer(s, &a);
    assert_string_equal(plait_address_format(&a, text), "192.0.2.1:99"); /* as accept told it */
    plait_stream_local(s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_IP4);
    assert_true(plait_address_is_loopback(&a));
    plait__stream_discard(s);
    close(fd[1]);
    bed_close(&b);
}

static void a_unix_peer_that_has_a_name_is_known_by_it(void **state)
{
    struct bed b;
    struct plait_address a;
    struct plait_stream *s;
    char text[PLAIT_ADDR_TEXT_MAX];
    char want[PLAIT_ADDR_TEXT_MAX];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_un server = {.sun_family = AF_UNIX};
    (void)state;
    (void)snprintf(want, sizeof want, "@plait-test-peer-%d", (int)getpid());
    memcpy(name.sun_path + 1, want + 1, strlen(want) - 1);
    (void)snprintf(server.sun_path + 1, sizeof server.sun_path - 1, "plait-test-server-%d", (int)getpid());
    bed_open(&b);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t name_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(want));
    assert_int_equal(bind(listener, (struct sockaddr *)&server, sizeof server), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(bind(client, (struct sockaddr *)&name, name_len), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&server, sizeof server), 0);
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_UNIX, fd, NULL, &s), 0);
    plait_stream_peer(s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_ABSTRACT);
    assert_non_null(strstr(plait_address_format(&a, text), want + 1));
    plait__stream_discard(s);
    close(listener);
    close(client);
    bed_close(&b);
}

static void a_unix_peer_has_credentials_and_others_have_none(void **state)
{
    struct bed b;
    struct plait_peer_cred cred;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    assert_ok(plait_stream_cred(x.s, &cred));
    assert_int_equal(cred.pid, getpid());
    assert_int_equal(cred.uid, getuid());
    bed_close(&b);
    open_joined(&b, JOINT_TCP);
    assert_err(plait_stream_cred(x.s, &cred), PLAIT_EUNSUPPORTED);
    bed_close(&b);
    open_joined(&b, JOINT_PAIR);
    assert_err(plait_stream_cred(x.s, &cred), PLAIT_EUNSUPPORTED);
    bed_close(&b);
}

static int refuse_getsockopt(struct plait_sys *sys, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)sys, (void)fd, (void)level, (void)name, (void)value, (void)len;
    return -EBADF;
}

static int refuse_setsockopt(struct plait_sys *sys, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)sys, (void)fd, (void)level, (void)name, (void)value, (void)len;
    return -EBADF;
}

static void a_refused_option_is_an_io_error(void **state)
{
    struct bed b;
    struct plait_peer_cred cred;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    b.ops.getsockopt = refuse_getsockopt;
    assert_err(plait_stream_cred(x.s, &cred), PLAIT_EIO);
    bed_close(&b);
    open_joined(&b, JOINT_TCP);
    b.ops.setsockopt = refuse_setsockopt;
    assert_err(plait_stream_nagle(x.s, true), PLAIT_EIO);
    assert_err(plait_stream_keepalive(x.s, plait_seconds(1), plait_seconds(1), 1), PLAIT_EIO);
    bed_close(&b);
}

static void a_stream_that_ended_has_no_options(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    assert_ok(plait_stream_nagle(x.s, true));
    plait_abort(x.s);
    assert_err(plait_stream_nagle(x.s, true), PLAIT_EUNSUPPORTED);
    bed_close(&b);
}

static int tcp_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void tcp_options_reach_the_socket(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    bed_open(&b);
    tcp_pair(fd);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
    assert_ok(plait_stream_nagle(s, false));
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_ok(plait_stream_nagle(s, true));
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_NODELAY), 0);
    assert_ok(plait_stream_keepalive(s, plait_millis(1500), plait_seconds(3), 4));
    assert_int_equal(tcp_option(fd[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_KEEPIDLE), 2);
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_KEEPCNT), 4);
    assert_ok(plait_stream_keepalive(s, 0, 0, 0));
    assert_int_equal(tcp_option(fd[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_ok(plait_stream_user_timeout(s, plait_seconds(7)));
    assert_int_equal(tcp_option(fd[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
    assert_err(plait_stream_keepalive(s, -1, 1, 1), PLAIT_EINVAL);
    assert_err(plait_stream_keepalive(s, 1, 0, 1), PLAIT_EINVAL);
    assert_err(plait_stream_keepalive(s, 1, 1, 128), PLAIT_EINVAL);
    plait_abort(s);
    bed_settle(&b);
    close(fd[1]);
    bed_close(&b);
    open_joined(&b, JOINT_UNIX);
    assert_err(plait_stream_nagle(x.s, true), PLAIT_EUNSUPPORTED);
    bed_close(&b);
    open_joined(&b, JOINT_PAIR);
    assert_err(plait_stream_nagle(x.s, true), PLAIT_EUNSUPPORTED);
    bed_close(&b);
}

/* --- the last words ----------------------------------------------------------------------------------------------- */

/* The peer answers and hangs up while we still send: its answer is heard although our send fails first. */
static void what_the_peer_said_before_it_hung_up_is_heard(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        memset(&x, 0, sizeof x);
        bed_open(&b);
        if (kind == 0)
            tcp_pair(fd);
        else
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
        assert_int_equal(plait__fd_stream_new(b.r, kind ? PLAIT__FD_UNIX : PLAIT__FD_TCP, fd[0], NULL, &s), 0);
        peer_attach(&x, s, &peer_half_protocol);
        bed_settle(&b);
        assert_int_equal(write(fd[1], "413 too large", 13), 13);
        close(fd[1]);
        usleep(1000);
        plait_write(s, PLAIT_LIT("more"));
        plait_flush(s);
        plait_write(s, PLAIT_LIT("and more"));
        plait_flush(s);
        plait_write(s, PLAIT_LIT("and still more"));
        plait_flush(s);
        bed_settle(&b);
        assert_slice(plait_slice_of(x.got, x.got_len), "413 too large");
        bed_close(&b);
        assert_int_equal(x.story[x.told - 1], 'l');
    }
}

static ssize_t broken_send(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys, (void)fd, (void)msg, (void)flags;
    return -EPIPE;
}

static void a_peer_that_only_stops_reading_ends_the_stream(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    b.ops.sendmsg = broken_send;
    plait_write(x.s, PLAIT_LIT("nobody reads"));
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.err, PLAIT_EPIPE);
    assert_int_equal(x.fault.os_errno, EPIPE);
    assert_string_equal(x.fault.step, "send");
    bed_close(&b);
}

static ssize_t reset_send(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys, (void)fd, (void)msg, (void)flags;
    return -ECONNRESET;
}

static void what_was_said_before_a_reset_is_heard(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = JOINT_UNIX; joint < JOINT_COUNT; joint++) {
        open_joined(&b, (enum joint)joint);
        plait_write(y.s, PLAIT_LIT("sorry"));
        plait_flush(y.s);
        b.ops.sendmsg = reset_send;
        plait_write(x.s, PLAIT_LIT("nobody reads"));
        plait_flush(x.s);
        bed_settle(&b);
        assert_slice(plait_slice_of(x.got, x.got_len), "sorry");
        assert_int_equal(x.fault.err, PLAIT_ERESET);
        assert_string_equal(x.fault.step, "send");
        bed_close(&b);
    }
}

static ssize_t read_of_a_directory(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    (void)sys, (void)fd, (void)buf, (void)len;
    return -EISDIR;
}

/* Only the error that a terminal gives for its end is one. */
static void another_error_of_a_pipe_is_no_end(void **state)
{
    struct bed b;
    struct plait_stream *s;
    int fd[2];
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_PIPE, fd[0], NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    b.ops.read = read_of_a_directory;
    assert_int_equal(write(fd[1], "x", 1), 1);
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.os_errno, EISDIR);
    close(fd[1]);
    bed_close(&b);
}

/* As TLS does, which has records of its own to send. */
static void what_is_offered_behind_a_failed_send_stays(void **state)
{
    struct bed b;
    struct plait__chain more;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    b.ops.sendmsg = broken_send;
    plait_write(x.s, PLAIT_LIT("nobody reads"));
    plait_flush(x.s);
    b.ops.sendmsg = plait__sys_kernel()->ops->sendmsg;
    plait__chain_init(&more, &x.s->budget);
    assert_ok(plait__chain_put(&more, PLAIT_LIT("more")));
    assert_ok(x.s->carrier->ops->output(x.s->carrier, &more));
    assert_int_equal(plait__chain_bytes(&more), 4);
    plait__chain_deinit(&more);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_EPIPE);
    assert_int_equal(y.got_len, 0);
    bed_close(&b);
}

static ssize_t broken_recv(struct plait_sys *sys, int fd, void *buf, size_t len, int flags)
{
    (void)sys, (void)fd, (void)buf, (void)len, (void)flags;
    return -ETIMEDOUT;
}

static void a_failing_receive_is_told_with_its_errno(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.recv = broken_recv;
    plait_write(y.s, PLAIT_LIT("x"));
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_ENETTIMEDOUT);
    assert_string_equal(x.fault.step, "receive");
    assert_true(x.fault.retry);
    bed_close(&b);
}

static ssize_t recv_io_error(struct plait_sys *sys, int fd, void *buf, size_t len, int flags)
{
    (void)sys, (void)fd, (void)buf, (void)len, (void)flags;
    return -EIO;
}

/* Of a terminal it says that the other side is gone (TQ-135); of a socket it is an error. */
static void an_io_error_of_a_socket_is_no_end(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.recv = recv_io_error;
    plait_write(y.s, PLAIT_LIT("x"));
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.err, PLAIT_EIO);
    bed_close(&b);
}

static int refuse_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys, (void)epfd, (void)op, (void)fd, (void)event;
    return -ENOSPC;
}

static void a_descriptor_that_cannot_be_watched_is_told(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    tcp_pair(fd);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    b.ops.epoll_ctl = refuse_epoll_ctl;
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_ENOSPACE);
    close(fd[1]);
    bed_close(&b);
}

static void abort_at_fds(struct plait_stream *s, const int *fds, size_t count, void *self)
{
    (void)self;
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    plait_abort(s);
}

static void a_stream_may_end_while_descriptors_arrive(void **state)
{
    struct bed b;
    static const struct plait_protocol aborts = {.name = "aborts", .fds = abort_at_fds};
    const int fd = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_stream_attach(y.s, &aborts, NULL);
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1));
    bed_settle(&b);
    assert_int_equal(b.r->stream_count, 0);
    bed_close(&b);
}

static void control_data_of_another_kind_is_passed_over(void **state)
{
    struct bed b;
    int fd[2];
    const int one = 1;
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_UNIX, fd[0], NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    assert_int_equal(write(fd[1], "hi", 2), 2);
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "hi");
    assert_int_equal(x.fds, 0);
    close(fd[1]);
    bed_close(&b);
}

/* An end that said all and then aborts still cuts off what the other says. */
static void an_abort_after_the_own_end_resets_a_pair(void **state)
{
    struct bed b;
    (void)state;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(&b);
    struct plait_stream *sx;
    struct plait_stream *sy;
    join(&b, JOINT_PAIR, &sx, &sy);
    peer_attach(&x, sx, &peer_half_protocol);
    peer_attach(&y, sy, &peer_half_protocol);
    plait_close_write(x.s);
    bed_settle(&b);
    assert_string_equal(y.story, "ce");
    plait_abort(x.s);
    bed_settle(&b);
    assert_int_equal(y.fault.err, PLAIT_ERESET);
    bed_close(&b);
}

static void streams_need_memory(void **state)
{
    struct bed b;
    struct plait_stream *s;
    struct plait_stream *t;
    (void)state;
    bed_open(&b);
    bed_fail(&b, 1);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, 0, NULL, &s), -ENOMEM);
    assert_err(plait_pair_new(b.r, &s, &t), PLAIT_ENOMEM);
    bed_heal(&b);
    int fd[2];
    int res = -ENOMEM;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    for (uint64_t k = 1; k < 10 && res < 0; k++) { /* wherever it fails, nothing stays taken */
        bed_fail(&b, k);
        res = plait__fd_stream_new(b.r, PLAIT__FD_UNIX, fd[0], NULL, &s);
        bed_heal(&b);
        assert_int_equal(b.r->fd_streams.used, res == 0);
    }
    assert_int_equal(res, 0);
    plait__stream_discard(s);
    close(fd[1]);
    bed_close(&b);
}

/* --- socket addresses --------------------------------------------------------------------------------------------- */

static void addresses_go_to_the_kernel_and_back_unchanged(void **state)
{
    static const char *const ips[] = {"192.0.2.7", "::1", "fe80::1%3", "2001:db8::ff00:42:8329"};
    struct plait_address a;
    struct plait_address back;
    struct sockaddr_storage ss;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(ips); i++) {
        assert_ok(plait_address_parse_ip(plait_slice_text(ips[i]), 4711, &a));
        const socklen_t len = plait__address_to_sockaddr(&a, &ss);
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, &back);
        assert_true(plait_address_equal(&a, &back));
    }
    static const char *const names[] = {"/run/x", "@abstract"};
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        assert_ok(plait_address_unix(plait_slice_text(names[i]), &a));
        const socklen_t len = plait__address_to_sockaddr(&a, &ss);
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, &back);
        assert_int_equal(back.kind, a.kind);
        assert_memory_equal(back.name, a.name, a.name_len);
    }
    a = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    assert_int_equal(plait__address_to_sockaddr(&a, &ss), 0);
}

static void odd_socket_addresses_are_none(void **state)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};
    struct plait_address a;
    (void)state;
    plait__address_from_sockaddr((struct sockaddr *)&ss, 0, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    plait__address_from_sockaddr((struct sockaddr *)&ss, sizeof(sa_family_t), &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    ss.ss_family = AF_INET;
    plait__address_from_sockaddr((struct sockaddr *)&ss, 4, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    ss.ss_family = AF_UNIX;
    memset((char *)&ss + offsetof(struct sockaddr_un, sun_path), 'x', 108);
    plait__address_from_sockaddr((struct sockaddr *)&ss, sizeof(struct sockaddr_un), &a);
    assert_int_equal(a.kind, PLAIT_ADDR_UNIX);
    assert_int_equal(a.name_len, PLAIT_ADDR_NAME_MAX);
}

TEST_MAIN(cmocka_unit_test(a_stream_knows_its_reactor_its_number_and_its_counts),
          cmocka_unit_test(addresses_are_those_of_the_socket),
          cmocka_unit_test(a_unix_peer_has_credentials_and_others_have_none),
          cmocka_unit_test(a_refused_option_is_an_io_error), cmocka_unit_test(tcp_options_reach_the_socket),
          cmocka_unit_test(what_the_peer_said_before_it_hung_up_is_heard),
          cmocka_unit_test(a_peer_that_only_stops_reading_ends_the_stream),
          cmocka_unit_test(what_is_offered_behind_a_failed_send_stays),
          cmocka_unit_test(a_failing_receive_is_told_with_its_errno),
          cmocka_unit_test(a_descriptor_that_cannot_be_watched_is_told),
          cmocka_unit_test(a_stream_may_end_while_descriptors_arrive),
          cmocka_unit_test(control_data_of_another_kind_is_passed_over), cmocka_unit_test(streams_need_memory),
          cmocka_unit_test(what_was_said_before_a_reset_is_heard), cmocka_unit_test(another_error_of_a_pipe_is_no_end),
          cmocka_unit_test(an_abort_after_the_own_end_resets_a_pair),
          cmocka_unit_test(a_stream_that_ended_has_no_options),
          cmocka_unit_test(a_unix_peer_that_has_a_name_is_known_by_it),
          cmocka_unit_test(an_io_error_of_a_socket_is_no_end),
          cmocka_unit_test(addresses_go_to_the_kernel_and_back_unchanged),
          cmocka_unit_test(odd_socket_addresses_are_none))
