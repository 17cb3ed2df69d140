/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/stdio_stream.c: streams of descriptors that others opened, two pipes, a socket or a file, and
 * what becomes of those descriptors.
 */
#include "tests/engine/peer.h"

static struct peer x;

static void two_pipes_make_a_stream(void **state)
{
    struct bed b;
    int in[2];
    int out[2];
    char got[16];
    struct plait_stream *s;
    struct plait_address a;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_ok(plait_stream_of_fds(b.r, in[0], out[1], &s));
    peer_attach(&x, s, &peer_half_protocol);
    plait_stream_peer(s, &a);
    assert_int_equal(a.kind, PLAIT_ADDR_NONE);
    assert_int_equal(write(in[1], "in", 2), 2);
    plait_write(s, PLAIT_LIT("out"));
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "in");
    assert_int_equal(read(out[0], got, sizeof got), 3);
    plait_close_write(s);
    bed_settle(&b);
    assert_int_equal(read(out[0], got, sizeof got), 0);
    close(in[1]);
    bed_settle(&b);
    assert_string_equal(x.story, "cde");
    plait_close(s);
    bed_settle(&b);
    assert_string_equal(x.story, "cdel");
    close(out[0]);
    bed_close(&b);
}

static void the_end_of_ones_own_side_of_a_pipe_reaches_the_reader(void **state)
{
    struct bed b;
    int out[2];
    char got[8];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe(out), 0);
    assert_ok(plait_stream_of_fds(b.r, -1, out[1], &s));
    peer_attach(&x, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("out"));
    plait_close_write(s);
    bed_settle(&b);
    assert_int_equal(read(out[0], got, sizeof got), 3);
    assert_int_equal(read(out[0], got, sizeof got), 0);
    assert_string_equal(x.story, "cel");
    close(out[0]);
    bed_close(&b);
}

static void a_pipe_that_nobody_reads_fails(void **state)
{
    struct bed b;
    int out[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(out), 0);
    assert_ok(plait_stream_of_fds(b.r, -1, out[1], &s));
    peer_attach(&x, s, &peer_protocol);
    close(out[0]);
    plait_write(s, PLAIT_LIT("x"));
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_EPIPE);
    bed_close(&b);
}

static int write_errno;

static ssize_t failing_write(struct plait_sys *sys, int fd, const struct iovec *iov, int count)
{
    (void)sys, (void)fd, (void)iov, (void)count;
    return -write_errno;
}

/* Two pipes of which the one out fails while words wait in the one in. Returns what is left to close. */
static void fail_one_way(struct bed *b, int in[2], int out[2], int os_errno, bool paused)
{
    struct plait_stream *s;
    memset(&x, 0, sizeof x);
    bed_open(b);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_ok(plait_stream_of_fds(b->r, in[0], out[1], &s));
    peer_attach(&x, s, &peer_protocol);
    if (paused)
        plait_pause(s);
    bed_settle(b);
    write_errno = os_errno;
    b->ops.writev = failing_write;
    assert_int_equal(write(in[1], "sorry", 5), 5);
    plait_write(s, PLAIT_LIT("x"));
    plait_flush(s);
    bed_settle(b);
    assert_null(x.s);
    assert_int_equal(x.fault.os_errno, os_errno);
    assert_string_equal(x.fault.step, "send");
    close(in[1]);
    close(out[0]);
    bed_close(b);
}

static void a_child_that_goes_is_heard_before_the_failure_is_told(void **state)
{
    struct bed b;
    int in[2];
    int out[2];
    (void)state;
    fail_one_way(&b, in, out, EPIPE, false);
    assert_slice(plait_slice_of(x.got, x.got_len), "sorry");
    fail_one_way(&b, in, out, ECONNRESET, false);
    assert_slice(plait_slice_of(x.got, x.got_len), "sorry");
}

static void a_failed_send_is_told_at_once_when_nobody_reads_or_it_is_no_hang_up(void **state)
{
    struct bed b;
    int in[2];
    int out[2];
    (void)state;
    fail_one_way(&b, in, out, EPIPE, true);
    assert_int_equal(x.got_len, 0);
    fail_one_way(&b, in, out, EIO, false);
    assert_int_equal(x.got_len, 0);
}

static void a_descriptor_that_did_not_block_stays_so(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    for (int blocks = 0; blocks < 2; blocks++) {
        memset(&x, 0, sizeof x);
        bed_open(&b);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | (blocks ? 0 : SOCK_NONBLOCK), 0, fd), 0);
        const int kept = dup(fd[0]);
        assert_ok(plait_stream_of_fds(b.r, fd[0], fd[0], &s));
        peer_attach(&x, s, &peer_protocol);
        bed_settle(&b);
        assert_true(fcntl(kept, F_GETFL) & O_NONBLOCK);
        plait_close(s);
        bed_settle(&b);
        close(fd[1]);
        bed_settle(&b);
        assert_null(x.s);
        assert_int_equal((fcntl(kept, F_GETFL) & O_NONBLOCK) != 0, !blocks);
        close(kept);
        bed_close(&b);
    }
}

/* A pipe is opened anew: whoever shares it goes on with its own flags. */
static void a_pipe_that_is_shared_keeps_its_flags(void **state)
{
    struct bed b;
    int in[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe(in), 0);
    const int kept = dup(in[0]);
    assert_ok(plait_stream_of_fds(b.r, in[0], -1, &s));
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    assert_int_equal(fcntl(kept, F_GETFL) & O_NONBLOCK, 0);
    plait_abort(s);
    bed_settle(&b);
    close(kept);
    close(in[1]);
    bed_close(&b);
}

static void a_stream_without_a_way_out_refuses_output(void **state)
{
    struct bed b;
    int in[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe(in), 0);
    assert_ok(plait_stream_of_fds(b.r, in[0], -1, &s));
    peer_attach(&x, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("x"));
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_EPIPE);
    close(in[1]);
    bed_close(&b);
}

static void a_plain_file_reads_to_its_end(void **state)
{
    struct bed b;
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    const int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(pwrite(fd, "all of it", 9, 0), 9);
    assert_ok(plait_stream_of_fds(b.r, fd, -1, &s));
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "all of it");
    assert_string_equal(x.story, "cdel");
    bed_close(&b);
}

static ssize_t broken_read(struct plait_sys *sys, int fd, void *buf, size_t len)
{
    (void)sys, (void)fd, (void)buf, (void)len;
    return -EISDIR;
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct bed b;
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    const int fd = memfd_create("file", MFD_CLOEXEC);
    b.ops.read = broken_read;
    assert_ok(plait_stream_of_fds(b.r, fd, -1, &s));
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    assert_int_equal(x.fault.os_errno, EISDIR);
    bed_close(&b);
}

static int writes_refused;

static ssize_t refuse_once(struct plait_sys *sys, int fd, const struct iovec *iov, int count)
{
    (void)sys;
    if (writes_refused++ == 0)
        return -EAGAIN;
    return writev(fd, iov, count);
}

/* epoll can't tell when a plain file takes bytes again: it is asked again. */
static void a_plain_file_that_refuses_bytes_is_asked_again(void **state)
{
    struct bed b;
    char got[8];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    const int fd = memfd_create("file", MFD_CLOEXEC);
    const int kept = dup(fd);
    writes_refused = 0;
    b.ops.writev = refuse_once;
    assert_ok(plait_stream_of_fds(b.r, -1, fd, &s));
    peer_attach(&x, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("bytes"));
    bed_settle(&b);
    assert_int_equal(pread(kept, got, sizeof got, 0), 5);
    plait_close(s);
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    close(kept);
    bed_close(&b);
}

static void one_socket_serves_both_ways(void **state)
{
    struct bed b;
    int fd[2];
    char got[8];
    struct plait_stream *s;
    uint64_t received;
    uint64_t sent;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_ok(plait_stream_of_fds(b.r, fd[0], fd[0], &s));
    peer_attach(&x, s, &peer_half_protocol);
    assert_int_equal(write(fd[1], "hi", 2), 2);
    plait_write(s, PLAIT_LIT("ho!"));
    plait_close_write(s);
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "hi");
    assert_int_equal(read(fd[1], got, sizeof got), 3);
    assert_int_equal(read(fd[1], got, sizeof got), 0);
    plait_stream_counts(s, &received, &sent);
    assert_int_equal(received, 2);
    assert_int_equal(sent, 3);
    close(fd[1]);
    bed_settle(&b);
    plait_close(s);
    bed_settle(&b);
    bed_close(&b);
}

static void descriptors_that_make_no_stream_stay_the_callers(void **state)
{
    struct bed b;
    struct plait_stream *s;
    int in[2];
    (void)state;
    bed_open(&b);
    const size_t before = test_open_descriptors();
    assert_err(plait_stream_of_fds(b.r, -1, -1, &s), PLAIT_EINVAL);
    assert_err(plait_stream_of_fds(b.r, 9999, 9999, &s), PLAIT_EINVAL);
    assert_int_equal(pipe(in), 0);
    bed_fail(&b, 1);
    assert_err(plait_stream_of_fds(b.r, in[0], in[1], &s), PLAIT_ENOMEM);
    bed_heal(&b);
    assert_err(plait_stream_of_fds(b.r, in[0], 9999, &s), PLAIT_EINVAL);
    assert_int_equal(close(in[0]), 0);
    assert_int_equal(close(in[1]), 0);
    assert_int_equal(test_open_descriptors(), before); /* what was opened anew is gone */
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(two_pipes_make_a_stream),
          cmocka_unit_test(the_end_of_ones_own_side_of_a_pipe_reaches_the_reader),
          cmocka_unit_test(a_pipe_that_nobody_reads_fails), cmocka_unit_test(a_stream_without_a_way_out_refuses_output),
          cmocka_unit_test(a_plain_file_reads_to_its_end), cmocka_unit_test(one_socket_serves_both_ways),
          cmocka_unit_test(a_file_that_cannot_be_read_is_told),
          cmocka_unit_test(a_plain_file_that_refuses_bytes_is_asked_again),
          cmocka_unit_test(descriptors_that_make_no_stream_stay_the_callers),
          cmocka_unit_test(a_child_that_goes_is_heard_before_the_failure_is_told),
          cmocka_unit_test(a_failed_send_is_told_at_once_when_nobody_reads_or_it_is_no_hang_up),
          cmocka_unit_test(a_descriptor_that_did_not_block_stays_so),
          cmocka_unit_test(a_pipe_that_is_shared_keeps_its_flags))
