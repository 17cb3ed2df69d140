/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/stream_out.c: gathering, marks, files, buffers, descriptors, the patience with a peer that takes
 * nothing.
 */
#include "tests/engine/peer.h"

static struct peer x;
static struct peer y;
static uint8_t big[250000];

static void open_joined(struct bed *b, enum joint joint)
{
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    bed_open(b);
    join_peers(b, joint, &x, &y);
    bed_settle(b);
}

static int sends;

static ssize_t counting_sendmsg(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys;
    sends++;
    return plait__sys_kernel()->ops->sendmsg(plait__sys_kernel(), fd, msg, flags);
}

static void write_thrice(struct peer *p)
{
    plait_write(p->s, PLAIT_LIT("one "));
    plait_printf(p->s, "two %d ", 2);
    plait_write(p->s, PLAIT_LIT("three"));
    plait_write(p->s, PLAIT_LIT(""));
}

static void what_a_callback_writes_leaves_in_one_call(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.sendmsg = counting_sendmsg;
    y.on_data = write_thrice;
    plait_write(x.s, PLAIT_LIT("go"));
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "one two 2 three");
    assert_int_equal(sends, 2);
    bed_close(&b);
}

static void run_large(enum joint joint)
{
    struct bed b;
    open_joined(&b, joint);
    plait_write(x.s, plait_slice_of(big, sizeof big));
    plait_close(x.s);
    for (int i = 0; i < 2000 && y.s; i++)
        bed_settle(&b);
    assert_slice_is(plait_slice_of(y.got, y.got_len), plait_slice_of(big, sizeof big));
    assert_int_equal(x.fault.err, PLAIT_OK);
    bed_close(&b);
}

static void a_large_write_arrives_whole_and_in_order(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_large((enum joint)joint);
}

static void run_marks(enum joint joint)
{
    struct bed b;
    open_joined(&b, joint);
    plait_stream_marks(x.s, 64 * 1024, 16 * 1024);
    plait_pause(y.s);
    bed_settle(&b);
    for (int i = 0; i < 48; i++) /* more than the kernel holds, however well it remembers the way (4 MiB and more) */
        plait_write(x.s, plait_slice_of(big, sizeof big));
    assert_true(plait_is_full(x.s));
    bed_settle(&b);
    assert_true(plait_pending(x.s) > 64 * 1024);
    plait_write(y.s, PLAIT_LIT("x hears nothing while its output is too much"));
    bed_settle(&b);
    assert_string_equal(x.story, "c");
    static const struct plait_protocol sink = {.name = "sink"};
    plait_stream_attach(y.s, &sink, NULL);
    plait_resume(y.s);
    for (int i = 0; i < 2000 && !strchr(x.story, 'd'); i++)
        bed_settle(&b);
    assert_string_equal(x.story, "crd");
    assert_false(plait_is_full(x.s));
    bed_close(&b);
}

static void above_the_high_mark_data_waits_until_there_is_room(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_marks((enum joint)joint);
}

static void output_is_full_above_its_high_mark_not_at_it(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_stream_marks(x.s, 1024, 1024);
    plait_write(x.s, plait_slice_of(big, 1024));
    assert_false(plait_is_full(x.s));
    plait_write(x.s, PLAIT_LIT("."));
    assert_true(plait_is_full(x.s));
    bed_settle(&b);
    assert_string_equal(x.story, "cr");
    bed_close(&b);
}

static void a_protocol_need_not_care_for_room(void **state)
{
    struct bed b;
    static const struct plait_protocol careless = {.name = "careless"};
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_stream_attach(x.s, &careless, NULL);
    for (int i = 0; i < 8; i++)
        plait_write(x.s, plait_slice_of(big, sizeof big));
    static const struct plait_protocol sink = {.name = "sink"};
    plait_stream_attach(y.s, &sink, NULL);
    for (int i = 0; i < 100 && plait_pending(x.s) > 0; i++)
        bed_settle(&b);
    assert_false(plait_is_full(x.s));
    bed_close(&b);
}

static void a_peer_that_takes_nothing_is_aborted(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_joined(&b, (enum joint)joint);
        plait_stream_stall(x.s, plait_seconds(10));
        plait_pause(y.s);
        bed_settle(&b);
        for (int i = 0; i < 40; i++)
            plait_write(x.s, plait_slice_of(big, sizeof big));
        bed_settle(&b);
        bed_pass(&b, plait_seconds(9));
        assert_non_null(x.s);
        bed_pass(&b, plait_seconds(2));
        bed_settle(&b);
        assert_int_equal(x.fault.err, PLAIT_EPEERSTALLED);
        bed_close(&b);
    }
}

/* Patience is with the peer: what is written meanwhile doesn't begin it anew. */
static void writing_on_does_not_prolong_the_patience(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_joined(&b, (enum joint)joint);
        plait_stream_stall(x.s, plait_seconds(10));
        plait_pause(y.s);
        bed_settle(&b);
        for (int i = 0; i < 40; i++)
            plait_write(x.s, plait_slice_of(big, sizeof big));
        bed_settle(&b);
        bed_pass(&b, plait_seconds(6));
        bed_settle(&b);
        plait_write(x.s, PLAIT_LIT("more"));
        bed_settle(&b);
        bed_pass(&b, plait_seconds(6));
        bed_settle(&b);
        assert_int_equal(x.fault.err, PLAIT_EPEERSTALLED);
        bed_close(&b);
    }
}

static void run_buffers(enum joint joint)
{
    struct bed b;
    open_joined(&b, joint);
    struct plait_buf buf;
    plait_buf_init(&buf, &b.r->budget, 1000);
    plait_buf_put_text(&buf, "taken ");
    plait_write_take(x.s, &buf);
    assert_int_equal(buf.len, 0);
    struct plait_shared *shared = plait_shared_new(&b.r->budget, PLAIT_LIT("shared "));
    plait_write_shared(x.s, shared);
    plait_write_shared(x.s, shared);
    plait_shared_unref(&shared);
    shared = plait_shared_new(&b.r->budget, PLAIT_LIT(""));
    plait_write_shared(x.s, shared);
    plait_shared_unref(&shared);
    plait_write(x.s, PLAIT_LIT("copied"));
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "taken shared shared copied");
    plait_buf_put(&buf, plait_slice_of(big, 1001));
    plait_write_take(x.s, &buf);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_ETOOLONG);
    plait_buf_deinit(&buf);
    bed_close(&b);
}

static void buffers_and_shared_bytes_go_without_copies_and_a_broken_buffer_ends_the_stream(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_buffers((enum joint)joint);
}

/* Whatever becomes of the bytes, the buffer is the stream's, and the fault says how far the stream got. */
static void what_is_given_to_a_stream_is_gone_also_when_nothing_is_sent(void **state)
{
    struct bed b;
    struct plait_buf buf;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_buf_init(&buf, &b.r->budget, 1000);
    plait_buf_put(&buf, PLAIT_LIT("used up"));
    plait_buf_consume(&buf, 7);
    plait_write_take(x.s, &buf);
    assert_null(buf.ptr);
    struct plait_shared *empty = plait_shared_new(&b.r->budget, PLAIT_LIT(""));
    plait_write_shared(x.s, empty);
    assert_null(x.s->out);
    plait_write(x.s, PLAIT_LIT("twelve bytes"));
    plait_close(x.s);
    plait_buf_put(&buf, PLAIT_LIT("too late"));
    plait_write_take(x.s, &buf);
    assert_null(buf.ptr);
    plait_write_shared(x.s, empty);
    plait_shared_unref(&empty);
    bed_settle(&b);
    assert_int_equal(x.fault.bytes_done, 12);
    bed_close(&b);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int make_file(size_t bytes)
{
    const int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, big, bytes, 0), (ssize_t)bytes);
    return fd;
}

static int released;

static void count_release(void *ctx)
{
    (void)ctx;
    released++;
}

static void run_file(enum joint joint)
{
    struct bed b;
    open_joined(&b, joint);
    const int fd = make_file(200000);
    released = 0;
    plait_write(x.s, PLAIT_LIT("<"));
    plait_write_file(x.s, fd, 1000, 199000, count_release, NULL);
    plait_write(x.s, PLAIT_LIT(">"));
    plait_close(x.s);
    for (int i = 0; i < 2000 && y.s; i++)
        bed_settle(&b);
    assert_int_equal(y.got_len, 199002);
    assert_slice_is(plait_slice_of(y.got + 1, 199000), plait_slice_of(big + 1000, 199000));
    assert_int_equal(y.got[199001], '>');
    assert_int_equal(released, 1);
    close(fd);
    bed_close(&b);
}

static void a_range_of_a_file_goes_between_other_bytes(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_file((enum joint)joint);
}

static void run_short_file(enum joint joint)
{
    struct bed b;
    open_joined(&b, joint);
    const int fd = make_file(100);
    released = 0;
    plait_write_file(x.s, fd, 0, 200, count_release, NULL);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_ETRUNCATED);
    assert_int_equal(x.fault.os_errno, 0); /* no call failed */
    assert_int_equal(released, 1);
    close(fd);
    bed_close(&b);
}

static void a_file_that_is_shorter_than_said_ends_the_stream(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++)
        run_short_file((enum joint)joint);
}

/* Nothing to send is no failure, whatever is written with it. */
static void an_empty_range_leaves_the_stream_as_it_was(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_write_file(x.s, -1, 0, 0, NULL, NULL);
    assert_null(x.s->out);
    assert_true(plait_is_open(x.s));
    plait_close(x.s);
    plait_write_file(x.s, -1, 0, 10, NULL, NULL);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_OK);
    bed_close(&b);
}

static void a_piece_of_a_file_that_finds_no_memory_ends_the_stream(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_PAIR);
    const int fd = make_file(100);
    plait_write_file(x.s, fd, 0, 100, NULL, NULL);
    bed_fail(&b, 1);
    bed_settle(&b);
    bed_heal(&b);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_ENOMEM);
    close(fd);
    bed_close(&b);
}

static void an_empty_range_or_a_closed_stream_releases_the_file_at_once(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    released = 0;
    plait_write_file(x.s, -1, 0, 0, count_release, NULL);
    assert_int_equal(released, 1);
    plait_close(x.s);
    plait_write_file(x.s, -1, 0, 10, count_release, NULL);
    assert_int_equal(released, 2);
    plait_write_file(x.s, -1, 0, 10, NULL, NULL);
    bed_close(&b);
}

static ssize_t never_said(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    return -EOPNOTSUPP; /* a file system that cannot tell what is in memory */
}

static ssize_t broken_disk(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    (void)sys;
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    return -EIO;
}

static void a_file_that_cannot_be_read_ends_the_stream_with_the_error(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_PAIR);
    const int fd = make_file(100);
    b.ops.pread_nowait = never_said;
    plait_write_file(x.s, fd, 0, 100, NULL, NULL);
    bed_settle(&b);
    assert_int_equal(y.got_len, 100); /* read with patience */
    b.ops.pread = broken_disk;
    plait_write_file(x.s, fd, 0, 100, NULL, NULL);
    bed_settle(&b);
    assert_int_equal(x.fault.err, PLAIT_EIO);
    close(fd);
    bed_close(&b);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static void descriptors_go_over_a_unix_socket_with_their_bytes(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    const int fd[2] = {make_file(10), make_file(20)};
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("two"), fd, 2));
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "two");
    assert_int_equal(y.fds, 2);
    assert_string_equal(y.story, "cfd");
    struct stat st;
    assert_int_equal(fstat(y.fd[1], &st), 0);
    assert_int_equal(st.st_size, 20);
    assert_int_equal(fcntl(y.fd[1], F_GETFD), FD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        close(fd[i]);
        close(y.fd[i]);
    }
    bed_close(&b);
}

static void descriptors_are_refused_where_they_make_no_sense(void **state)
{
    struct bed b;
    int fds[17] = {0};
    (void)state;
    open_joined(&b, JOINT_PAIR);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 1), PLAIT_EUNSUPPORTED);
    bed_close(&b);
    open_joined(&b, JOINT_TCP);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 1), PLAIT_EUNSUPPORTED);
    bed_close(&b);
    open_joined(&b, JOINT_UNIX);
    assert_err(plait_write_fds(x.s, PLAIT_LIT(""), fds, 1), PLAIT_EINVAL);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 0), PLAIT_EINVAL);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 17), PLAIT_ELIMIT);
    assert_err(plait_write_fds(x.s, plait_slice_of(big, 4097), fds, 1), PLAIT_ELIMIT);
    assert_ok(plait_write_fds(x.s, plait_slice_of(big, 4096), fds, 16)); /* the most of both */
    bed_settle(&b);
    assert_int_equal(y.got_len, 4096);
    assert_int_equal(y.fds, 16);
    for (size_t i = 0; i < y.fds; i++)
        close(y.fd[i]);
    fds[0] = -1;
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 1), PLAIT_EINVAL);
    plait_close(x.s);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), fds, 1), PLAIT_ESTATE);
    bed_close(&b);
}

static void descriptors_wait_for_room_behind_pending_output(void **state)
{
    struct bed b;
    const int fd = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_pause(y.s);
    bed_settle(&b);
    for (int i = 0; i < 8; i++)
        plait_write(x.s, plait_slice_of(big, sizeof big));
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1), PLAIT_EAGAIN);
    static const struct plait_protocol sink = {.name = "sink"};
    plait_stream_attach(y.s, &sink, NULL);
    plait_resume(y.s);
    for (int i = 0; i < 100 && plait_pending(x.s) > 0; i++)
        bed_settle(&b);
    assert_string_equal(x.story, "cr");
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1));
    bed_close(&b);
}

static void descriptors_leave_behind_the_bytes_that_were_written_before(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    const int fd = make_file(1);
    plait_write(x.s, PLAIT_LIT("first "));
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("then"), &fd, 1));
    close(fd);
    bed_settle(&b);
    assert_slice(plait_slice_of(y.got, y.got_len), "first then");
    assert_int_equal(y.fds, 1);
    close(y.fd[0]);
    bed_close(&b);
}

static ssize_t full_socket(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys;
    (void)fd;
    (void)msg;
    (void)flags;
    return -EAGAIN;
}

static int closes;

static int counting_close(struct plait_sys *sys, int fd)
{
    (void)sys;
    closes++;
    return plait__sys_kernel()->ops->close(plait__sys_kernel(), fd);
}

static void of_descriptors_that_nobody_wants_each_is_closed_once(void **state)
{
    struct bed b;
    static const struct plait_protocol sink = {.name = "sink"};
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_stream_attach(y.s, &sink, NULL);
    const int fd[2] = {make_file(1), make_file(1)};
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), fd, 2));
    closes = 0;
    b.ops.close = counting_close;
    bed_settle(&b);
    assert_int_equal(closes, 2);
    b.ops.close = plait__sys_kernel()->ops->close;
    close(fd[0]);
    close(fd[1]);
    bed_close(&b);
}

/* Room that is due is taken back by a call that finds none. */
static void descriptors_that_find_no_room_wait_for_their_own(void **state)
{
    struct bed b;
    const int fd = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    plait_stream_marks(x.s, 1024, 1024);
    plait_write(x.s, plait_slice_of(big, 2000));
    plait_flush(x.s); /* room is due */
    b.ops.sendmsg = full_socket;
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1), PLAIT_EAGAIN);
    bed_run(&b);
    assert_string_equal(x.story, "c");
    assert_true(plait_is_full(x.s));
    bed_close(&b);
}

static void descriptors_wait_for_a_full_socket(void **state)
{
    struct bed b;
    const int fd = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    b.ops.sendmsg = full_socket;
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1), PLAIT_EAGAIN);
    assert_true(plait_is_full(x.s));
    bed_close(&b);
}

static void descriptors_that_found_a_full_socket_are_told_of_room(void **state)
{
    struct bed b;
    struct plait_stream *s;
    int fd[2];
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_UNIX, fd[0], NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    while (write(fd[0], big, sizeof big) > 0)
        continue;
    bed_settle(&b);
    assert_err(plait_write_fds(x.s, PLAIT_LIT("x"), &fd[1], 1), PLAIT_EAGAIN);
    bed_settle(&b);
    assert_string_equal(x.story, "c");
    while (read(fd[1], big, sizeof big) > 0)
        continue;
    bed_settle(&b);
    assert_string_equal(x.story, "cr");
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), &fd[1], 1));
    close(fd[1]);
    bed_close(&b);
}

static void descriptors_that_nobody_wants_are_closed(void **state)
{
    struct bed b;
    const size_t before = test_open_descriptors();
    (void)state;
    open_joined(&b, JOINT_UNIX);
    static const struct plait_protocol sink = {.name = "sink"};
    plait_stream_attach(y.s, &sink, NULL);
    const int fd = make_file(1);
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("x"), &fd, 1));
    close(fd);
    bed_settle(&b);
    bed_close(&b);
    assert_int_equal(test_open_descriptors(), before);
}

/* --- memory and flushing ------------------------------------------------------------------------------------------ */

static void output_that_finds_no_memory_ends_the_stream(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        for (int kind = 0; kind < 4; kind++) {
            open_joined(&b, (enum joint)joint);
            struct plait_shared *shared = plait_shared_new(&b.r->budget, PLAIT_LIT("shared"));
            struct plait_buf buf;
            plait_buf_init(&buf, &b.r->budget, 100);
            plait_buf_put_text(&buf, "taken");
            bed_fail(&b, 1);
            if (kind == 0)
                plait_write(x.s, plait_slice_of(big, sizeof big));
            else if (kind == 1)
                plait_write_shared(x.s, shared);
            else if (kind == 2)
                plait_write_take(x.s, &buf);
            else
                plait_write_file(x.s, 0, 0, 10, NULL, NULL);
            bed_heal(&b);
            bed_settle(&b);
            assert_int_equal(x.fault.err, PLAIT_ENOMEM);
            plait_shared_unref(&shared);
            plait_buf_deinit(&buf);
            bed_close(&b);
        }
    }
}

static void few_bytes_need_no_memory_and_nothing_is_left_of_them(void **state)
{
    struct bed b;
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        open_joined(&b, (enum joint)joint);
        for (int i = 0; i < 3; i++) { /* the two ends' output at once: one is kept for the next, the other goes back */
            plait_write(x.s, PLAIT_LIT("x"));
            plait_write(y.s, PLAIT_LIT("y"));
            bed_settle(&b);
        }
        assert_int_equal(b.r->outs.used, 1);
        bed_fail(&b, 1);
        plait_write(x.s, PLAIT_LIT("without"));
        bed_settle(&b);
        bed_heal(&b);
        assert_slice(plait_slice_of(y.got, y.got_len), "xxxwithout");
        bed_close(&b);
    }
}

static void a_flush_sends_before_the_turn_ends(void **state)
{
    struct bed b;
    char got[8];
    (void)state;
    bed_open(&b);
    int fd[2];
    struct plait_stream *s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_UNIX, fd[0], NULL, &s), 0);
    memset(&x, 0, sizeof x);
    peer_attach(&x, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("now"));
    assert_int_equal(read(fd[1], got, sizeof got), -1);
    plait_flush(s);
    assert_int_equal(read(fd[1], got, sizeof got), 3);
    close(fd[1]);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(what_a_callback_writes_leaves_in_one_call),
          cmocka_unit_test(a_large_write_arrives_whole_and_in_order),
          cmocka_unit_test(above_the_high_mark_data_waits_until_there_is_room),
          cmocka_unit_test(a_protocol_need_not_care_for_room), cmocka_unit_test(a_peer_that_takes_nothing_is_aborted),
          cmocka_unit_test(buffers_and_shared_bytes_go_without_copies_and_a_broken_buffer_ends_the_stream),
          cmocka_unit_test(what_is_given_to_a_stream_is_gone_also_when_nothing_is_sent),
          cmocka_unit_test(a_range_of_a_file_goes_between_other_bytes),
          cmocka_unit_test(a_file_that_is_shorter_than_said_ends_the_stream),
          cmocka_unit_test(an_empty_range_or_a_closed_stream_releases_the_file_at_once),
          cmocka_unit_test(a_file_that_cannot_be_read_ends_the_stream_with_the_error),
          cmocka_unit_test(descriptors_go_over_a_unix_socket_with_their_bytes),
          cmocka_unit_test(descriptors_are_refused_where_they_make_no_sense),
          cmocka_unit_test(descriptors_wait_for_room_behind_pending_output),
          cmocka_unit_test(descriptors_wait_for_a_full_socket),
          cmocka_unit_test(descriptors_that_found_a_full_socket_are_told_of_room),
          cmocka_unit_test(descriptors_that_nobody_wants_are_closed),
          cmocka_unit_test(output_that_finds_no_memory_ends_the_stream),
          cmocka_unit_test(writing_on_does_not_prolong_the_patience),
          cmocka_unit_test(few_bytes_need_no_memory_and_nothing_is_left_of_them),
          cmocka_unit_test(output_is_full_above_its_high_mark_not_at_it),
          cmocka_unit_test(an_empty_range_leaves_the_stream_as_it_was),
          cmocka_unit_test(a_piece_of_a_file_that_finds_no_memory_ends_the_stream),
          cmocka_unit_test(descriptors_leave_behind_the_bytes_that_were_written_before),
          cmocka_unit_test(of_descriptors_that_nobody_wants_each_is_closed_once),
          cmocka_unit_test(descriptors_that_find_no_room_wait_for_their_own),
          cmocka_unit_test(a_flush_sends_before_the_turn_ends))
