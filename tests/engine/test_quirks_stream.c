/* SPDX-License-Identifier: MIT
 *
 * What sockets do now and then to streams, and what a stream makes of it (docs/quirks.md): on the real kernel where it
 * can be had there, else by a call that is made to fail. The files under test are io_epoll.c, fd_stream.c, stream.c.
 */
#include "tests/engine/peer.h"

static struct peer x;
static struct peer y;
static int own_fd; /* of the stream of open_plain */

static void open_joined(struct bed *b, enum joint joint)
{
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(b);
    join_peers(b, joint, &x, &y);
    bed_settle(b);
}

/* A stream over a socket whose other end is the test's own. */
static int open_plain(struct bed *b, const struct plait_protocol *protocol)
{
    int fd[2];
    struct plait_stream *s;
    memset(&x, 0, sizeof x);
    bed_open(b);
    tcp_pair(fd);
    assert_int_equal(plait__fd_stream_new(b->r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
    peer_attach(&x, s, protocol);
    bed_settle(b);
    own_fd = fd[0];
    return fd[1];
}

/* --- TQ-42: no memory for what is to be sent ---------------------------------------------------------------------- */

static struct {
    int refusals; /* sends that fail from now on */
    int os_errno;
    int calls;
} sending;

static ssize_t sometimes_send(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys;
    sending.calls++;
    if (sending.refusals > 0) {
        sending.refusals--;
        return -sending.os_errno;
    }
    return plait__sys_kernel()->ops->sendmsg(plait__sys_kernel(), fd, msg, flags);
}

/* The socket has been writable all the time: no edge will ever tell that the kernel has memory again. */
static void a_kernel_without_memory_is_asked_again_after_a_moment(void **state)
{
    static const int errnos[] = {ENOBUFS, ENOMEM};
    struct bed b;
    (void)state;
    for (int i = 0; i < 2 * (JOINT_COUNT - JOINT_UNIX); i++) {
        open_joined(&b, (enum joint)(JOINT_UNIX + i / 2));
        b.ops.sendmsg = sometimes_send;
        sending.refusals = 3;
        sending.os_errno = errnos[i % 2];
        sending.calls = 0;
        plait_write(x.s, PLAIT_LIT("hello"));
        bed_settle(&b);
        assert_int_equal(y.got_len, 0);
        assert_int_equal(sending.calls, 1); /* and nothing spins meanwhile */
        for (int n = 0; n < 3; n++)
            bed_pass(&b, plait_millis(12));
        bed_settle(&b);
        assert_slice(plait_slice_of(y.got, y.got_len), "hello");
        assert_int_equal(sending.calls, 4);
        bed_close(&b);
    }
}

static void descriptors_that_found_no_memory_leave_later_too(void **state)
{
    struct bed b;
    const int fd = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 1;
    sending.os_errno = ENOBUFS;
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1), PLAIT_EAGAIN);
    bed_settle(&b);
    assert_null(strchr(x.story, 'r'));
    bed_pass(&b, plait_millis(12));
    bed_settle(&b);
    assert_non_null(strchr(x.story, 'r'));
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1));
    bed_settle(&b);
    assert_int_equal(y.fds, 1);
    close(y.fd[0]);
    bed_close(&b);
}

static void input_goes_on_while_output_has_no_memory(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 2;
    sending.os_errno = ENOBUFS;
    plait_write(x.s, PLAIT_LIT("hello"));
    plait_write(y.s, PLAIT_LIT("world"));
    bed_settle(&b);
    bed_pass(&b, plait_millis(12));
    bed_settle(&b);
    bed_pass(&b, plait_millis(12));
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "world");
    assert_slice(plait_slice_of(y.got, y.got_len), "hello");
    bed_close(&b);
}

static void output_without_memory_waits_its_turn_behind_input(void **state)
{
    static uint8_t much[250000];
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    plait_write(y.s, plait_slice_of(much, sizeof much));
    for (int i = 0; i < 100 && x.got_len < 65536; i++)
        assert_ok(plait_reactor_step(b.r, 0));
    assert_true(x.got_len >= 65536); /* a window was full, so that more is expected */
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 1;
    sending.os_errno = ENOBUFS;
    plait_write(x.s, PLAIT_LIT("late"));
    plait_flush(x.s);
    for (int i = 0; i < 100 && x.got_len < sizeof much; i++)
        bed_settle(&b);
    bed_pass(&b, plait_millis(12));
    bed_settle(&b);
    assert_int_equal(x.got_len, sizeof much);
    assert_slice(plait_slice_of(y.got, y.got_len), "late");
    bed_close(&b);
}

static void a_stream_may_end_while_its_output_has_no_memory(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 2;
    sending.os_errno = ENOBUFS;
    plait_write(x.s, PLAIT_LIT("hello"));
    plait_write(y.s, PLAIT_LIT("world"));
    bed_settle(&b);
    plait_abort(x.s);
    bed_settle(&b); /* at once, not when the moment is over */
    assert_int_equal(x.story[x.told - 1], 'l');
    bed_pass(&b, plait_millis(12));
    bed_settle(&b);
    assert_int_equal(y.story[y.told - 1], 'l');
    bed_close(&b);
}

/* An edge of input tells of room as well: the output goes before its moment, and the stream still stands in line. */
static void a_stream_may_end_when_an_edge_was_faster_than_the_moment(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 1;
    sending.os_errno = ENOBUFS;
    plait_write(x.s, PLAIT_LIT("hello"));
    plait_flush(x.s);
    plait_write(y.s, PLAIT_LIT("world"));
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "hello");
    plait_abort(x.s);
    bed_settle(&b);
    assert_int_equal(x.story[x.told - 1], 'l');
    bed_close(&b);
}

/* --- TQ-46, TQ-61 to 63: what nobody serves doesn't spin ---------------------------------------------------------- */

static int woken; /* waits that found something */

static int counting_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys;
    const int n = plait__sys_kernel()->ops->epoll_wait(plait__sys_kernel(), epfd, events, max, wait_ns);
    woken += n > 0;
    return n;
}

static void expect_no_spin(struct bed *b)
{
    bed_settle(b);
    b->ops.epoll_wait = counting_wait;
    woken = 0;
    for (int i = 0; i < 50; i++)
        assert_ok(plait_reactor_step(b->r, 0));
    assert_int_equal(woken, 0);
    b->ops.epoll_wait = plait__sys_kernel()->ops->epoll_wait;
}

static void a_peer_that_hung_up_unread_does_not_spin(void **state)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct bed b;
    (void)state;
    for (int how = 0; how < 3; how++) { /* an end, a reset, and both halves shut */
        const int fd = open_plain(&b, &peer_half_protocol);
        plait_pause(x.s);
        bed_settle(&b);
        assert_int_equal(write(fd, "unread", 6), 6);
        if (how == 1)
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        if (how == 2)
            assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
        else
            close(fd);
        expect_no_spin(&b);
        assert_string_equal(x.story, "c");
        plait_resume(x.s);
        bed_settle(&b);
        assert_string_equal(x.story, how == 1 ? "cdl" : "cde"); /* what came first is heard first */
        if (how == 2)
            close(fd);
        bed_close(&b);
    }
}

static void room_that_nobody_needs_does_not_spin(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    plait_write(x.s, PLAIT_LIT("said, and no more to say"));
    expect_no_spin(&b);
    bed_close(&b);
}

/* --- TQ-66, TQ-72, TQ-65, TQ-52: who holds a descriptor ----------------------------------------------------------- */

static struct peer third;

static void abort_the_others(struct peer *p)
{
    (void)p;
    if (x.s)
        plait_abort(x.s);
    if (third.s)
        plait_abort(third.s);
}

/* Both have an event in one batch; whichever comes first ends the other. */
static void an_event_of_a_stream_that_ended_earlier_in_the_batch_is_skipped(void **state)
{
    struct bed b;
    int fd[2];
    int other[2];
    struct plait_stream *s;
    struct plait_stream *t;
    (void)state;
    memset(&x, 0, sizeof x);
    memset(&third, 0, sizeof third);
    bed_open(&b);
    tcp_pair(fd);
    tcp_pair(other);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, other[0], NULL, &t), 0);
    peer_attach(&x, s, &peer_protocol);
    peer_attach(&third, t, &peer_protocol);
    x.on_data = third.on_data = abort_the_others;
    bed_settle(&b);
    assert_int_equal(write(fd[1], "a", 1), 1);
    assert_int_equal(write(other[1], "b", 1), 1);
    bed_settle(&b);
    assert_int_equal(x.data_calls + third.data_calls, 1);
    assert_int_equal(x.story[x.told - 1], 'l');
    assert_int_equal(third.story[third.told - 1], 'l');
    close(fd[1]);
    close(other[1]);
    bed_close(&b);
}

struct rival {
    struct plait_watch *watch;
    struct rival *other;
    int *calls;
};

static void end_the_other(struct plait_watch *watch, unsigned events, void *ctx)
{
    struct rival *r = ctx;
    (void)watch, (void)events;
    ++*r->calls;
    plait_watch_free(&r->other->watch);
}

static void an_event_of_a_watch_that_was_freed_earlier_in_the_batch_is_skipped(void **state)
{
    struct bed b;
    int fd[2];
    int calls = 0;
    struct rival r[2] = {{.other = &r[1], .calls = &calls}, {.other = &r[0], .calls = &calls}};
    (void)state;
    bed_open(&b);
    tcp_pair(fd);
    for (int i = 0; i < 2; i++)
        assert_ok(plait_watch_new(b.r, fd[i], PLAIT_WRITABLE, end_the_other, &r[i], &r[i].watch));
    assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(calls, 1);
    for (int i = 0; i < 2; i++) {
        plait_watch_free(&r[i].watch);
        close(fd[i]);
    }
    bed_close(&b);
}

/* The kernel goes on telling of a descriptor that was closed, when another one stands for the same socket. */
static void an_aborted_socket_that_a_child_holds_is_watched_no_more(void **state)
{
    struct bed b;
    (void)state;
    const int fd = open_plain(&b, &peer_protocol);
    const int childs = dup(own_fd);
    plait_abort(x.s);
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    b.ops.epoll_wait = counting_wait;
    woken = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(fd, "x", 1), 1);
        bed_settle(&b);
    }
    assert_int_equal(woken, 0);
    close(childs);
    close(fd);
    bed_close(&b);
}

/* A child that was forked before has the socket too, so that closing ours alone would not end the connection. */
static void a_socket_that_a_child_holds_ends_all_the_same(void **state)
{
    struct bed b;
    char byte;
    (void)state;
    const int fd = open_plain(&b, &peer_protocol);
    const int childs = dup(own_fd);
    plait_close(x.s);
    bed_settle(&b);
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* the end came: TQ-52 */
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    bed_settle(&b);
    assert_int_equal(x.story[x.told - 1], 'l');
    close(childs);
    close(fd);
    bed_close(&b);
}

static void a_descriptor_closed_behind_our_back_ends_that_stream_only(void **state)
{
    struct bed b;
    (void)state;
    const int fd = open_plain(&b, &peer_protocol);
    close(own_fd);
    plait_write(x.s, PLAIT_LIT("hello"));
    bed_settle(&b);
    assert_int_equal(x.story[x.told - 1], 'l');
    assert_int_equal(x.fault.os_errno, EBADF);
    close(fd);
    bed_close(&b);
}

/* --- TQ-40, TQ-50, TQ-54, TQ-55: reading and ending --------------------------------------------------------------- */

static int eager_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys;
    const int n = plait__sys_kernel()->ops->epoll_wait(plait__sys_kernel(), epfd, events, max, wait_ns);
    for (int i = 0; i < n; i++)
        events[i].events |= EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    return n;
}

static void readiness_without_bytes_is_no_end(void **state)
{
    struct bed b;
    (void)state;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    bed_open(&b);
    b.ops.epoll_wait = eager_wait;
    join_peers(&b, JOINT_TCP, &x, &y);
    bed_settle(&b);
    plait_write(x.s, PLAIT_LIT("one"));
    bed_settle(&b);
    plait_write(x.s, PLAIT_LIT("two"));
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "onetwo");
    assert_string_equal(x.story, "c");
    assert_null(strchr(y.story, 'l'));
    bed_close(&b);
}

static void a_stream_that_is_held_back_closes_all_the_same(void **state)
{
    static uint8_t much[8 << 20];
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    plait_pause(y.s);
    bed_settle(&b);
    plait_write(x.s, plait_slice_of(much, sizeof much));
    bed_settle(&b);
    assert_true(plait_is_full(x.s)); /* its writer waits for room, and the protocol reads nothing */
    plait_pause(x.s);
    bed_settle(&b);
    plait_close(x.s);
    plait_resume(x.s); /* TQ-51: nothing happens any more */
    y.take = 1 << 20;
    plait_close(y.s);
    for (int i = 0; i < 200 && (x.s || y.s); i++)
        bed_settle(&b);
    assert_int_equal(x.story[x.told - 1], 'l');
    assert_int_equal(y.story[y.told - 1], 'l');
    bed_close(&b);
}

static void words_before_the_connection_are_kept_and_words_after_the_end_dropped(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    char got[32];
    (void)state;
    for (int half = 0; half < 2; half++) {
        memset(&x, 0, sizeof x);
        bed_open(&b);
        tcp_pair(fd);
        assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
        plait_write(s, PLAIT_LIT("early "));
        peer_attach(&x, s, &peer_half_protocol);
        x.greeting = PLAIT_LIT("hello");
        bed_settle(&b);
        if (half)
            plait_close_write(s);
        else
            plait_close(s);
        plait_write(s, PLAIT_LIT("late"));
        assert_int_equal(plait_pending(s), 0);
        bed_settle(&b);
        plait_write(s, PLAIT_LIT("later"));
        bed_settle(&b);
        assert_int_equal(recv(fd[1], got, sizeof got, MSG_WAITALL), 11);
        assert_memory_equal(got, "early hello", 11);
        assert_string_equal(x.story, "c"); /* nothing of that is an error */
        close(fd[1]);
        bed_close(&b);
    }
}

static ssize_t reset_recv(struct plait_sys *sys, int fd, void *buf, size_t len, int flags)
{
    (void)sys, (void)fd, (void)buf, (void)len, (void)flags;
    return -ECONNRESET;
}

static void an_end_that_is_discovered_twice_is_told_once(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.sendmsg = sometimes_send;
    sending.refusals = 1;
    sending.os_errno = ENETUNREACH;
    b.ops.recv = reset_recv;
    plait_write(x.s, PLAIT_LIT("a"));
    plait_flush(x.s); /* fails, and so would its read */
    plait_write(y.s, PLAIT_LIT("b"));
    plait_abort_with(y.s, PLAIT_EPROTOCOL, "own words");
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    assert_int_equal(x.fault.os_errno, ENETUNREACH);
    assert_string_equal(y.story, "cl");
    assert_int_equal(y.fault.err, PLAIT_EPROTOCOL);
    bed_close(&b);
}

static void shutting_a_socket_that_is_dead_is_no_error(void **state)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct bed b;
    (void)state;
    const int fd = open_plain(&b, &peer_protocol);
    plait_pause(x.s);
    bed_settle(&b);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    bed_settle(&b);
    plait_close_write(x.s);
    bed_settle(&b);
    assert_string_equal(x.story, "c");
    plait_resume(x.s);
    bed_settle(&b);
    assert_string_equal(x.story, "cl"); /* the read tells */
    assert_int_equal(x.fault.os_errno, ECONNRESET);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_kernel_without_memory_is_asked_again_after_a_moment),
          cmocka_unit_test(descriptors_that_found_no_memory_leave_later_too),
          cmocka_unit_test(input_goes_on_while_output_has_no_memory),
          cmocka_unit_test(output_without_memory_waits_its_turn_behind_input),
          cmocka_unit_test(a_stream_may_end_while_its_output_has_no_memory),
          cmocka_unit_test(a_stream_may_end_when_an_edge_was_faster_than_the_moment),
          cmocka_unit_test(a_peer_that_hung_up_unread_does_not_spin),
          cmocka_unit_test(room_that_nobody_needs_does_not_spin),
          cmocka_unit_test(an_event_of_a_stream_that_ended_earlier_in_the_batch_is_skipped),
          cmocka_unit_test(an_event_of_a_watch_that_was_freed_earlier_in_the_batch_is_skipped),
          cmocka_unit_test(an_aborted_socket_that_a_child_holds_is_watched_no_more),
          cmocka_unit_test(a_socket_that_a_child_holds_ends_all_the_same),
          cmocka_unit_test(a_descriptor_closed_behind_our_back_ends_that_stream_only),
          cmocka_unit_test(readiness_without_bytes_is_no_end),
          cmocka_unit_test(a_stream_that_is_held_back_closes_all_the_same),
          cmocka_unit_test(words_before_the_connection_are_kept_and_words_after_the_end_dropped),
          cmocka_unit_test(an_end_that_is_discovered_twice_is_told_once),
          cmocka_unit_test(shutting_a_socket_that_is_dead_is_no_error))
