/* SPDX-License-Identifier: MIT
 *
 * What mutants of streams and their carriers showed that nobody looked at: limits at their edges, calls made twice,
 * windows, what is left when the reactor ends. tools/mutate tells which of them survive.
 */
#include "tests/engine/tls_bed.h"

#include <sys/uio.h>

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

static void an_abort_after_an_abort_changes_nothing(void **state)
{
    (void)state;
    for (int joint = 0; joint < JOINT_COUNT; joint++) {
        struct bed b;
        open_joined(&b, (enum joint)joint);
        struct plait_stream *s = x.s;
        plait_abort_with(s, PLAIT_ETIMEDOUT, NULL);
        plait_abort_with(s, PLAIT_EIO, NULL);
        bed_settle(&b);
        assert_string_equal(x.story, "cl");
        assert_err(x.fault.err, PLAIT_ETIMEDOUT);
        assert_string_equal(y.story + y.told - 1, "l");
        bed_close(&b);
    }
}

/* Over TLS too, whose last words may be on their way then. */
static void an_abort_after_a_failed_handshake_changes_nothing(void **state)
{
    struct tls_certs certs;
    struct tls_bed t;
    (void)state;
    tls_certs_make(&certs);
    for (int refused = 0; refused < 2; refused++) {
        tls_bed_open(&t, &certs);
        t.joint = JOINT_TCP;
        t.name = refused ? "another.example" : NULL;
        tls_bed_start(&t, &peer_protocol);
        for (int i = 0; i < 200 && t.c.s && (refused ? t.c.s->state < PLAIT__S_CLOSED : i < 20); i++)
            assert_ok(plait_reactor_step(t.b.r, 0));
        if (t.c.s)
            plait_abort_with(t.c.s, PLAIT_EIO, NULL);
        if (t.c.s)
            plait_abort_with(t.c.s, PLAIT_EMALFORMED, NULL);
        bed_settle(&t.b);
        assert_null(t.c.s);
        assert_err(t.c.fault.err, refused ? PLAIT_EVERIFY : PLAIT_EIO);
        tls_bed_close(&t);
    }
    tls_certs_end(&certs);
}

static struct tls_bed *secured;

static void start_both(struct peer *p)
{
    if (p->got_len == 16384)
        plait_pause(p->s); /* so that some of it is left */
    if (p->got_len == 16384)
        assert_ok(plait_starttls_client(x.s, secured->client, "a.example", plait_slice_of(NULL, 0)));
    if (p->got_len == 40000)
        assert_ok(plait_starttls_server(p->s, secured->server));
}

/* What is left of it goes in the clear; what is written later goes under TLS, and is not waited for. */
static void tls_may_begin_while_output_is_handed_over(void **state)
{
    static uint8_t bytes[40000];
    struct tls_certs certs;
    struct tls_bed t;
    (void)state;
    tls_certs_make(&certs);
    tls_bed_open(&t, &certs);
    secured = &t;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    join_peers(&t.b, JOINT_PAIR, &x, &y);
    y.on_data = start_both;
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    bed_settle(&t.b);
    plait_resume(y.s);
    bed_settle(&t.b);
    assert_non_null(x.s);
    assert_non_null(plait_stream_tls(x.s));
    plait_write(x.s, PLAIT_LIT("hello"));
    bed_settle(&t.b);
    assert_slice(plait_slice_of(y.got + sizeof bytes, y.got_len - sizeof bytes), "hello");
    plait_abort(x.s);
    bed_settle(&t.b);
    tls_bed_close(&t);
    tls_certs_end(&certs);
}

/* It waits for the peer's end, so that no reset overtakes what it said. */
static void a_stream_that_lingers_is_lost_when_the_reactor_ends(void **state)
{
    struct bed b;
    struct plait_stream *s;
    int fd[2];
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    tcp_pair(fd);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_TCP, fd[0], NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    plait_write(x.s, PLAIT_LIT("bye"));
    plait_close(x.s);
    bed_run(&b);
    assert_non_null(x.s);
    assert_int_equal(x.s->state, PLAIT__S_LINGERING);
    bed_close(&b);
    assert_string_equal(x.story, "l"); /* it was closed before it was told of anything */
    close(fd[1]);
}

static void write_back(struct peer *p)
{
    p->on_data = NULL;
    plait_write(p->s, PLAIT_LIT("back"));
    plait_flush(p->s); /* the other end's answer comes inside this call */
}

static void what_comes_inside_the_own_callback_is_offered_behind_it(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_PAIR);
    x.on_data = write_back;
    y.echo = true;
    plait_write(y.s, PLAIT_LIT("go"));
    bed_settle(&b);
    assert_slice(plait_slice_of(x.got, x.got_len), "goback");
    bed_close(&b);
}

/* --- calls of the system ------------------------------------------------------------------------------------------ */

static size_t longest_recv;
static int recvs, all_recvs, sends, watched_fd;

static ssize_t noting_recv(struct plait_sys *sys, int fd, void *bytes, size_t len, int flags)
{
    (void)sys;
    longest_recv = len > longest_recv ? len : longest_recv;
    recvs += fd == watched_fd;
    all_recvs++;
    return plait__sys_kernel()->ops->recv(plait__sys_kernel(), fd, bytes, len, flags);
}

static ssize_t noting_sendmsg(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys;
    sends++;
    watched_fd = fd;
    return plait__sys_kernel()->ops->sendmsg(plait__sys_kernel(), fd, msg, flags);
}

static const struct plait_protocol peer_large_protocol = PEER_TABLE(.input_max = 1 << 20);

static void one_read_takes_no_more_than_the_window(void **state)
{
    static uint8_t bytes[250000];
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.recv = noting_recv;
    longest_recv = 0;
    plait_stream_attach(y.s, &peer_large_protocol, &y);
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    for (int i = 0; i < 2000 && y.got_len < sizeof bytes; i++)
        bed_settle(&b);
    assert_int_equal(y.got_len, sizeof bytes);
    assert_true(longest_recv > 0 && longest_recv <= 65536);
    bed_close(&b);
}

static void what_comes_at_once_is_read_at_once(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    b.ops.recv = noting_recv;
    all_recvs = 0;
    for (int i = 1; i <= 3; i++) {
        plait_write(x.s, PLAIT_LIT("some bytes"));
        bed_settle(&b);
        assert_int_equal(all_recvs, i); /* a short read says that there is no more */
    }
    bed_close(&b);
}

static void blocked_output_makes_no_calls(void **state)
{
    static uint8_t bytes[64000];
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    plait_pause(y.s);
    plait_stream_marks(x.s, 64 << 20, 0);
    b.ops.sendmsg = noting_sendmsg;
    b.ops.recv = noting_recv;
    for (int i = 0; i < 400 && !(x.s->flags & PLAIT__F_BLOCKED); i++) {
        plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
        bed_settle(&b);
    }
    assert_true(x.s->flags & PLAIT__F_BLOCKED);
    sends = recvs = 0;
    for (int i = 0; i < 3; i++) {
        plait_write(x.s, PLAIT_LIT("more"));
        bed_settle(&b);
    }
    assert_int_equal(sends, 0);
    assert_int_equal(recvs, 0);
    bed_close(&b);
}

/* As above, but what is looked at is the moment in which it becomes blocked. */
static void becoming_blocked_asks_for_no_input(void **state)
{
    static uint8_t bytes[12000000]; /* more than the kernel holds */
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    plait_pause(y.s);
    plait_stream_marks(x.s, 64 << 20, 0);
    bed_settle(&b);
    b.ops.sendmsg = noting_sendmsg;
    b.ops.recv = noting_recv;
    recvs = 0;
    watched_fd = -1;
    plait_write(x.s, plait_slice_of(bytes, sizeof bytes));
    plait_flush(x.s);
    assert_true(x.s->flags & PLAIT__F_BLOCKED);
    assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(recvs, 0);
    bed_close(&b);
}

static void what_could_not_be_written_is_freed(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 4; n++) {
        struct bed b;
        struct plait_buf buf;
        open_joined(&b, JOINT_TCP);
        plait_pause(y.s);
        plait_buf_init(&buf, plait_stream_budget(x.s), 1 << 20);
        for (int i = 0; i < 20000; i++)
            plait_buf_put_text(&buf, "0123456789");
        bed_fail(&b, n);
        plait_write_take(x.s, &buf);
        bed_heal(&b);
        assert_int_equal(buf.cap, 0);
        bed_settle(&b);
        bed_close(&b);
    }
}

static ssize_t broken_sendmsg(struct plait_sys *sys, int fd, const struct msghdr *msg, int flags)
{
    (void)sys, (void)fd, (void)msg, (void)flags;
    return -EPIPE;
}

static void write_and_pause(struct peer *p)
{
    plait_write(p->s, PLAIT_LIT("answer"));
    plait_flush(p->s); /* fails; what the peer said last is to be read first */
    plait_pause(p->s); /* but nobody does */
}

static void a_failure_to_send_is_told_to_who_reads_no_more(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    x.on_data = write_and_pause;
    plait_write(y.s, PLAIT_LIT("question"));
    bed_run(&b);
    b.ops.sendmsg = broken_sendmsg;
    bed_settle(&b);
    assert_string_equal(x.story, "cdl");
    assert_err(x.fault.err, PLAIT_EPIPE);
    bed_close(&b);
}

static void a_stream_gives_its_place_back(void **state)
{
    struct bed b;
    (void)state;
    open_joined(&b, JOINT_TCP);
    assert_int_equal(b.r->fd_streams.used, 2);
    plait_abort(x.s);
    bed_settle(&b);
    assert_int_equal(b.r->stream_count, 0);
    assert_int_equal(b.r->fd_streams.used, 0);
    bed_close(&b);
}

static void bytes_beside_descriptors_are_counted(void **state)
{
    struct bed b;
    uint64_t received = 0, sent = 0;
    (void)state;
    open_joined(&b, JOINT_UNIX);
    const int fd = dup(0);
    assert_ok(plait_write_fds(x.s, PLAIT_LIT("take it"), &fd, 1));
    bed_settle(&b);
    plait_stream_counts(x.s, NULL, &sent);
    plait_stream_counts(y.s, &received, NULL);
    assert_int_equal(sent, 7);
    assert_int_equal(received, 7);
    assert_int_equal(y.fds, 1);
    close(y.fd[0]);
    close(fd);
    bed_close(&b);
}

static void a_terminal_without_its_other_side_has_ended(void **state)
{
    struct bed b;
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    char name[64];
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, name, sizeof name), 0);
    const int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_PIPE, master, NULL, &s), 0);
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    close(slave); /* from now on reading says EIO */
    bed_settle(&b);
    assert_string_equal(x.story, "cel");
    assert_err(x.fault.err, PLAIT_EEOF);
    bed_close(&b);
}

/* --- descriptors of others ---------------------------------------------------------------------------------------- */

/* Nothing arrives at the input and nothing ends it: the failure is told all the same. */
static void a_reader_that_went_is_told_though_the_input_is_silent(void **state)
{
    struct bed b;
    int in[2], out[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_ok(plait_stream_of_fds(b.r, in[0], out[1], &s));
    peer_attach(&x, s, &peer_protocol);
    bed_settle(&b);
    close(out[0]);
    plait_write(s, PLAIT_LIT("anybody?"));
    bed_settle(&b);
    assert_string_equal(x.story, "cl");
    assert_string_equal(x.fault.step, "send");
    close(in[1]);
    bed_close(&b);
}

static int no_openat2(struct plait_sys *sys, int dir, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys, (void)dir, (void)path, (void)flags, (void)mode, (void)resolve;
    return -EMFILE;
}

/* A pipe's reading end has no flags at all: F_GETFL is 0. */
static void a_pipe_that_cannot_be_opened_anew_does_not_block(void **state)
{
    struct bed b;
    int in[2];
    struct plait_stream *s;
    (void)state;
    memset(&x, 0, sizeof x);
    bed_open(&b);
    b.ops.openat2 = no_openat2;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(fcntl(in[0], F_GETFL), 0);
    const int shared = dup(in[0]);
    assert_ok(plait_stream_of_fds(b.r, in[0], -1, &s));
    peer_attach(&x, s, &peer_protocol);
    assert_true(fcntl(shared, F_GETFL) & O_NONBLOCK);
    plait_abort(s);
    bed_settle(&b);
    assert_int_equal(fcntl(shared, F_GETFL), 0);
    close(shared);
    close(in[1]);
    bed_close(&b);
}

/* Puts a descriptor at number 0 for the while. Returns what stood there. */
static int put_at_zero(int fd)
{
    const int saved = fcntl(0, F_DUPFD_CLOEXEC, 100);
    assert_true(saved >= 0 && dup2(fd, 0) == 0);
    close(fd);
    return saved;
}

static void restore_zero(int saved)
{
    assert_int_equal(dup2(saved, 0), 0);
    close(saved);
}

static void descriptor_zero_is_one_like_others(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct bed b;
        int in[2], out[2];
        char got[8];
        struct plait_stream *s;
        memset(&x, 0, sizeof x);
        bed_open(&b);
        assert_int_equal(pipe(in), 0);
        assert_int_equal(pipe(out), 0);
        const int saved = put_at_zero(way == 1 ? out[1] : in[0]);
        const plait_err err = plait_stream_of_fds(b.r, way == 1 ? -1 : 0, way == 2 ? out[1] : way == 1 ? 0 : -1, &s);
        restore_zero(saved);
        assert_ok(err);
        peer_attach(&x, s, &peer_protocol);
        if (way == 1)
            plait_write(s, PLAIT_LIT("out"));
        else
            assert_int_equal(write(in[1], "in", 2), 2);
        bed_settle(&b);
        if (way == 1)
            assert_int_equal(read(out[0], got, sizeof got), 3);
        else
            assert_slice(plait_slice_of(x.got, x.got_len), "in");
        plait_abort(s);
        bed_settle(&b);
        close(way == 1 ? in[0] : out[1]);
        close(in[1]);
        close(out[0]);
        bed_close(&b);
    }
}

TEST_MAIN(cmocka_unit_test(an_abort_after_an_abort_changes_nothing),
          cmocka_unit_test(an_abort_after_a_failed_handshake_changes_nothing),
          cmocka_unit_test(tls_may_begin_while_output_is_handed_over),
          cmocka_unit_test(a_stream_that_lingers_is_lost_when_the_reactor_ends),
          cmocka_unit_test(what_comes_inside_the_own_callback_is_offered_behind_it),
          cmocka_unit_test(one_read_takes_no_more_than_the_window),
          cmocka_unit_test(what_comes_at_once_is_read_at_once), cmocka_unit_test(blocked_output_makes_no_calls),
          cmocka_unit_test(becoming_blocked_asks_for_no_input), cmocka_unit_test(what_could_not_be_written_is_freed),
          cmocka_unit_test(a_failure_to_send_is_told_to_who_reads_no_more),
          cmocka_unit_test(a_stream_gives_its_place_back), cmocka_unit_test(bytes_beside_descriptors_are_counted),
          cmocka_unit_test(a_terminal_without_its_other_side_has_ended),
          cmocka_unit_test(a_reader_that_went_is_told_though_the_input_is_silent),
          cmocka_unit_test(a_pipe_that_cannot_be_opened_anew_does_not_block),
          cmocka_unit_test(descriptor_zero_is_one_like_others))
