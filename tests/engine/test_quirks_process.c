/* SPDX-License-Identifier: MIT
 *
 * What processes, pipes and terminals do now and then (docs/quirks.md), all of it on the real kernel. The files under
 * test are process.c, spawn_kernel.c, stdio_stream.c and io_epoll.c.
 */
#include "tests/engine/process_bed.h"

#include <termios.h>

static struct peer in;
static struct peer out;

/* --- TQ-91 to 93: children that end whenever they like ------------------------------------------------------------ */

enum { CHILDREN = 20 };

static void children_that_end_before_anybody_looks_are_all_told(void **state)
{
    struct bed b;
    struct seen seen[CHILDREN];
    struct plait_process *p[CHILDREN];
    const char *const argv[] = {"sh", "-c", "exit 7", NULL};
    const size_t before = open_bed(&b);
    (void)state;
    for (int i = 0; i < CHILDREN; i++) {
        struct plait_spawn_options o = {.path = "sh", .argv = argv};
        assert_ok(plait_spawn(b.r, &o, &p[i]));
    }
    siginfo_t info;
    for (int i = 0; i < CHILDREN; i++) /* every one of them is dead by now */
        assert_int_equal(waitid(P_PID, (id_t)plait_process_pid(p[i]), &info, WEXITED | WNOWAIT), 0);
    for (int i = 0; i < CHILDREN; i++)
        watch_result(plait_process_exit(p[i]), &seen[i]);
    for (int i = 0; i < CHILDREN; i++) {
        wait_for(&b, &seen[i].calls);
        assert_int_equal(seen[i].num, 7);
        plait_process_free(&p[i]);
    }
    close_bed(&b, before);
}

static volatile sig_atomic_t interruptions;

static void interrupted(int signo)
{
    (void)signo;
    interruptions++;
}

/* A program that has a handler of its own for SIGCHLD, one that interrupts what can be interrupted. */
static void a_handler_for_sigchld_disturbs_nobody(void **state)
{
    struct bed b;
    struct sigaction act = {.sa_handler = interrupted};
    struct sigaction was;
    const size_t before = open_bed(&b);
    (void)state;
    interruptions = 0;
    assert_int_equal(sigaction(SIGCHLD, &act, &was), 0);
    for (int i = 0; i < 5; i++) {
        const struct ran r = sh(&b, "cat; true; true; echo end", PLAIT_LIT("word "), 1000);
        assert_ok(r.err);
        assert_string_equal(r.out, "word end\n");
    }
    assert_true(interruptions >= 5);
    assert_int_equal(sigaction(SIGCHLD, &was, NULL), 0);
    close_bed(&b, before);
}

/* --- TQ-133: who reads what we write ------------------------------------------------------------------------------ */

static void a_child_that_closes_its_input_is_seen_before_anybody_writes(void **state)
{
    struct bed b;
    struct plait_process *p;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN}};
    const char *const argv[] = {"sh", "-c", "exec 0<&-; exec sleep 100", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 1};
    const size_t before = open_bed(&b);
    (void)state;
    memset(&in, 0, sizeof in);
    assert_ok(plait_spawn(b.r, &o, &p));
    peer_attach(&in, map[0].stream, &peer_protocol);
    for (int n = 0; n < 1000 && in.s; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_string_equal(in.story, "cl");
    assert_int_equal(in.fault.err, PLAIT_EPIPE);
    assert_string_equal(in.fault.step, "send");
    plait_process_free(&p);
    run_until_idle(&b);
    close_bed(&b, before);
}

static void a_reader_that_goes_ends_a_pipe_with_much_to_write(void **state)
{
    static uint8_t much[300000];
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    memset(&in, 0, sizeof in);
    const size_t before = test_open_descriptors();
    bed_open(&b);
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    assert_ok(plait_stream_of_fds(b.r, -1, fd[1], &s));
    peer_attach(&in, s, &peer_protocol);
    plait_write(s, plait_slice_of(much, sizeof much));
    bed_settle(&b);
    assert_string_equal(in.story, "c");
    close(fd[0]);
    bed_settle(&b);
    assert_string_equal(in.story, "cl");
    assert_int_equal(in.fault.err, PLAIT_EPIPE);
    bed_close(&b);
    assert_int_equal(test_open_descriptors(), before);
}

static void write_and_pause(struct peer *p)
{
    plait_write(p->s, PLAIT_LIT("into nothing"));
    plait_flush(p->s);
    plait_pause(p->s);
}

/* What a child said last is read before the failure is told; where nobody reads on, it is told at once. */
static void a_broken_pipe_is_told_although_nobody_reads_the_other(void **state)
{
    struct bed b;
    int from[2];
    int to[2];
    struct plait_stream *s;
    (void)state;
    memset(&in, 0, sizeof in);
    in.on_data = write_and_pause;
    bed_open(&b);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_ok(plait_stream_of_fds(b.r, from[0], to[1], &s));
    peer_attach(&in, s, &peer_protocol);
    bed_settle(&b);
    close(to[0]);
    assert_int_equal(write(from[1], "x", 1), 1);
    bed_settle(&b);
    assert_string_equal(in.story, "cdl");
    assert_int_equal(in.fault.err, PLAIT_EPIPE);
    close(from[1]);
    bed_close(&b);
}

/* Nobody is told, and nothing ends, before there is a protocol. */
static void a_pipe_without_a_protocol_waits_for_one(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    memset(&in, 0, sizeof in);
    bed_open(&b);
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    assert_ok(plait_stream_of_fds(b.r, -1, fd[1], &s));
    close(fd[0]);
    bed_settle(&b);
    assert_int_equal(b.r->stream_count, 1);
    peer_attach(&in, s, &peer_protocol);
    plait_pause(s);
    bed_settle(&b);
    assert_string_equal(in.story, "c");
    plait_resume(s);
    bed_settle(&b);
    assert_string_equal(in.story, "cl");
    bed_close(&b);
}

static int no_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys, (void)epfd, (void)op, (void)fd, (void)event;
    return -ENOSPC;
}

static void a_pipe_whose_reader_cannot_be_watched_fails(void **state)
{
    struct bed b;
    int fd[2];
    struct plait_stream *s;
    (void)state;
    memset(&in, 0, sizeof in);
    bed_open(&b);
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    assert_ok(plait_stream_of_fds(b.r, -1, fd[1], &s));
    peer_attach(&in, s, &peer_protocol);
    b.ops.epoll_ctl = no_epoll_ctl;
    bed_settle(&b);
    assert_string_equal(in.story, "cl");
    assert_int_equal(in.fault.os_errno, ENOSPC);
    close(fd[0]);
    bed_close(&b);
}

/* --- TQ-140: a plain file as standard output ---------------------------------------------------------------------- */

static int waits;

static int counting_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys;
    waits++;
    return plait__sys_kernel()->ops->epoll_wait(plait__sys_kernel(), epfd, events, max, wait_ns);
}

static void output_into_a_plain_file_is_written_and_does_not_spin(void **state)
{
    struct bed b;
    struct plait_stream *s;
    char got[16] = {0};
    (void)state;
    memset(&in, 0, sizeof in);
    bed_open(&b);
    const int fd = memfd_create("output", MFD_CLOEXEC);
    assert_ok(plait_stream_of_fds(b.r, -1, dup(fd), &s));
    peer_attach(&in, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("words"));
    bed_settle(&b);
    assert_int_equal(pread(fd, got, sizeof got, 0), 5);
    b.ops.epoll_wait = counting_wait;
    waits = 0;
    bed_run(&b); /* until nothing is ready */
    assert_in_range(waits, 1, 2);
    assert_string_equal(in.story, "c");
    plait_close(s);
    bed_settle(&b);
    assert_string_equal(in.story, "cl");
    assert_ok(in.fault.err);
    close(fd);
    bed_close(&b);
}

/* --- TQ-134, TQ-135: terminals ------------------------------------------------------------------------------------ */

/* A terminal: the master's descriptor, and the slave's, which passes bytes as they are. */
static void open_terminal(int *master, int *slave)
{
    struct termios raw;
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(*master >= 0);
    assert_int_equal(grantpt(*master), 0);
    assert_int_equal(unlockpt(*master), 0);
    *slave = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(*slave >= 0);
    assert_int_equal(tcgetattr(*slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(*slave, TCSANOW, &raw), 0);
}

/* What a shell goes on using afterwards must block as it did before. */
static void a_shared_terminal_stays_as_it_was(void **state)
{
    struct bed b;
    int master;
    int slave;
    char got[8] = {0};
    struct plait_stream *s;
    (void)state;
    memset(&in, 0, sizeof in);
    const size_t before = test_open_descriptors();
    open_terminal(&master, &slave);
    bed_open(&b);
    assert_ok(plait_stream_of_fds(b.r, dup(slave), dup(slave), &s));
    peer_attach(&in, s, &peer_protocol);
    plait_write(s, PLAIT_LIT("hello"));
    bed_settle(&b);
    assert_int_equal(read(master, got, sizeof got), 5);
    assert_int_equal(write(master, "typed", 5), 5);
    (void)usleep(2000);
    bed_settle(&b);
    assert_slice(plait_slice_of(in.got, in.got_len), "typed");
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    plait_abort(s);
    bed_settle(&b);
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    close(slave);
    close(master);
    bed_close(&b);
    assert_int_equal(test_open_descriptors(), before);
}

static int no_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys, (void)dirfd, (void)path, (void)flags, (void)mode, (void)resolve;
    return -EACCES;
}

/* A terminal of another user, as after su, cannot be opened anew: it is given back as it came. */
static void a_terminal_that_cannot_be_opened_anew_blocks_again_at_the_end(void **state)
{
    struct bed b;
    int master;
    int slave;
    struct plait_stream *s;
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        memset(&in, 0, sizeof in);
        open_terminal(&master, &slave);
        bed_open(&b);
        b.ops.openat2 = no_openat2;
        if (fails) {
            assert_true(plait_stream_of_fds(b.r, slave, 999999, &s) != PLAIT_OK);
        } else {
            assert_ok(plait_stream_of_fds(b.r, dup(slave), dup(slave), &s));
            peer_attach(&in, s, &peer_protocol);
            plait_write(s, PLAIT_LIT("hello"));
            bed_settle(&b);
            assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
            plait_close(s);
            bed_settle(&b);
            assert_string_equal(in.story, "cl");
        }
        assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
        close(slave);
        close(master);
        bed_close(&b);
    }
}

/* Reading a terminal whose other side has gone is EIO: for us it is the end, behind all that was said. That the master
 * is heard at all is not to be taken for granted: opened anew by its name in /proc it would be another terminal. */
static void a_terminal_whose_other_side_has_gone_is_at_its_end(void **state)
{
    struct bed b;
    int master;
    int slave;
    struct plait_stream *s;
    (void)state;
    for (int one = 0; one < 2; one++) {
        memset(&out, 0, sizeof out);
        open_terminal(&master, &slave);
        bed_open(&b);
        assert_ok(plait_stream_of_fds(b.r, master, one ? master : -1, &s));
        peer_attach(&out, s, &peer_protocol);
        bed_settle(&b);
        assert_int_equal(write(slave, "last words", 10), 10);
        (void)usleep(2000);
        close(slave);
        (void)usleep(2000);
        bed_settle(&b);
        assert_slice(plait_slice_of(out.got, out.got_len), "last words");
        assert_string_equal(out.story, "cdel");
        assert_int_equal(out.fault.err, PLAIT_EEOF);
        bed_close(&b);
    }
}

TEST_MAIN(cmocka_unit_test(children_that_end_before_anybody_looks_are_all_told),
          cmocka_unit_test(a_handler_for_sigchld_disturbs_nobody),
          cmocka_unit_test(a_child_that_closes_its_input_is_seen_before_anybody_writes),
          cmocka_unit_test(a_reader_that_goes_ends_a_pipe_with_much_to_write),
          cmocka_unit_test(a_broken_pipe_is_told_although_nobody_reads_the_other),
          cmocka_unit_test(a_pipe_without_a_protocol_waits_for_one),
          cmocka_unit_test(a_pipe_whose_reader_cannot_be_watched_fails),
          cmocka_unit_test(output_into_a_plain_file_is_written_and_does_not_spin),
          cmocka_unit_test(a_shared_terminal_stays_as_it_was),
          cmocka_unit_test(a_terminal_that_cannot_be_opened_anew_blocks_again_at_the_end),
          cmocka_unit_test(a_terminal_whose_other_side_has_gone_is_at_its_end))
