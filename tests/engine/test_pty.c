/* SPDX-License-Identifier: MIT
 *
 * Tests of pseudo-terminals: src/engine/process.c, what spawn_kernel.c and sys_kernel.c do for them, and the stream
 * that is our end of one.
 */
#include "tests/engine/process_bed.h"

#include <sys/resource.h>

/* A shell at a terminal, and what is seen of both. */
struct shell {
    struct bed b;
    size_t before;
    struct peer p;
    struct plait_process *process;
    struct seen exit;
    struct plait_child_map map[3];
};

static struct shell *s;

static void open_with(const char *script, struct plait_spawn_options *o)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->before = open_bed(&s->b);
    for (int i = 0; i < 3; i++)
        s->map[i] = (struct plait_child_map){.child_fd = i, .kind = PLAIT_CHILD_PTY};
    o->path = "sh";
    o->argv = argv;
    o->map = s->map;
    o->map_count = 3;
    o->new_session = true;
    assert_ok(plait_spawn(s->b.r, o, &s->process));
    assert_non_null(s->map[0].stream);
    assert_null(s->map[1].stream);
    assert_null(s->map[2].stream);
    watch_result(plait_process_exit(s->process), &s->exit);
    peer_attach(&s->p, s->map[0].stream, &peer_protocol);
}

static void until_said(const char *text)
{
    for (int n = 0; n < 1000 && !strstr((char *)s->p.got, text); n++)
        assert_ok(plait_reactor_step(s->b.r, plait_millis(10)));
    if (!strstr((char *)s->p.got, text))
        fail_msg("not %s, but %s", text, (char *)s->p.got);
}

/* The child ends, and with it the stream. */
static void until_over(void)
{
    for (int n = 0; n < 20000 && (s->p.s || !s->exit.calls); n++) /* each line that is read may be a turn */
        assert_ok(plait_reactor_step(s->b.r, plait_millis(10)));
    assert_null(s->p.s);
    assert_int_equal(s->exit.calls, 1);
}

static void done(void)
{
    until_over();
    plait_process_free(&s->process);
    run_until_idle(&s->b);
    close_bed(&s->b, s->before);
    free(s);
}

static void a_child_has_a_terminal_of_its_own(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("test -t 0 && test -t 1 && test -t 2 && echo all && echo mine > /dev/tty; tty; "
              "ls /proc/self/fd | tr '\\n' ' '",
              &o);
    until_over();
    assert_non_null(strstr((char *)s->p.got, "all\r\nmine\r\n/dev/pts/"));
    assert_non_null(strstr((char *)s->p.got, "0 1 2 3 ")); /* 3 is the folder's that ls reads */
    assert_int_equal(s->exit.num, 0);
    assert_err(s->p.fault.err, PLAIT_EEOF);
    assert_string_equal(s->p.story + s->p.told - 2, "el");
    done();
}

/* A hang-up comes with the exit: what was written before is read first. */
static void last_words_are_read_to_the_end(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the last", &o);
    until_over();
    assert_non_null(strstr((char *)s->p.got, "line 2999\r\nthe last\r\n"));
    assert_err(s->p.fault.err, PLAIT_EEOF);
    done();
}

static void what_is_written_is_input_and_is_echoed(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("read x; echo got $x; cat; echo after", &o);
    plait_write(s->p.s, PLAIT_LIT("word\n"));
    until_said("word\r\ngot word\r\n");
    plait_write(s->p.s, PLAIT_LIT("more\n\004")); /* VEOF */
    until_over();
    assert_non_null(strstr((char *)s->p.got, "more\r\nmore\r\nafter\r\n"));
    done();
}

/* There is no half of a terminal that could end. */
static void the_end_of_writing_ends_nothing(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("read x; echo got $x; sleep 0.2; echo later", &o);
    plait_write(s->p.s, PLAIT_LIT("word\n"));
    plait_close_write(s->p.s);
    until_over();
    assert_non_null(strstr((char *)s->p.got, "got word\r\nlater\r\n"));
    assert_int_equal(s->exit.num, 0);
    done();
}

static void control_characters_are_signals(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("echo up; exec sleep 100", &o);
    until_said("up");
    plait_write(s->p.s, PLAIT_LIT("\003"));
    until_over();
    assert_int_equal(s->exit.num, -SIGINT);
    done();
}

static void closing_our_end_hangs_up(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    (void)state;
    open_with("echo up; exec sleep 100", &o);
    until_said("up");
    plait_close(s->p.s);
    until_over();
    assert_int_equal(s->exit.num, -SIGHUP);
    assert_ok(s->p.fault.err);
    done();
}

static void a_window_has_a_size(void **state)
{
    static const struct {
        struct plait_window window;
        const char *said;
    } cases[] = {{{0, 0, 0, 0}, "24 80\r\n"},
                 {{50, 132, 0, 0}, "50 132\r\n"},
                 {{7, 0, 0, 0}, "7 0\r\n"},
                 {{0, 9, 0, 0}, "0 9\r\n"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct plait_spawn_options o = {.window = cases[i].window};
        open_with("stty size", &o);
        until_over();
        assert_string_equal((char *)s->p.got, cases[i].said);
        done();
    }
}

static int32_t sizes[4];

static int note_size(struct plait_sys *sys, int fd, const struct winsize *size)
{
    sizes[0] = size->ws_row;
    sizes[1] = size->ws_col;
    sizes[2] = size->ws_xpixel;
    sizes[3] = size->ws_ypixel;
    return plait__sys_kernel()->ops->winsize(sys, fd, size);
}

static int note_openpty(struct plait_sys *sys, int fds[2], const struct winsize *size, uid_t owner)
{
    sizes[0] = size->ws_row;
    sizes[1] = size->ws_col;
    sizes[2] = size->ws_xpixel;
    sizes[3] = size->ws_ypixel;
    assert_int_equal(owner, (uid_t)-1);
    return plait__sys_kernel()->ops->openpty(sys, fds, size, owner);
}

static void a_window_can_change_and_the_program_hears_of_it(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    const struct plait_window w = {.rows = 31, .columns = 99, .width = 640, .height = 480};
    const int32_t want[] = {31, 99, 640, 480};
    (void)state;
    open_with("trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.02; done", &o);
    s->b.ops.winsize = note_size;
    until_said("up");
    assert_ok(plait_stream_window(s->p.s, &w));
    until_said("31 99\r\n");
    assert_memory_equal(sizes, want, sizeof want);
    done();
}

static void pixels_are_told_from_the_beginning(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 7, .kind = PLAIT_CHILD_PTY}};
    struct plait_spawn_options o = {.path = "true",
                                    .map = map,
                                    .map_count = 1,
                                    .new_session = true,
                                    .window = {.rows = 1, .columns = 2, .width = 3, .height = 4}};
    const int32_t want[] = {1, 2, 3, 4};
    struct plait_process *p;
    const size_t before = open_bed(&b);
    (void)state;
    b.ops.openpty = note_openpty;
    assert_ok(plait_spawn(b.r, &o, &p));
    assert_memory_equal(sizes, want, sizeof want);
    plait_abort(map[0].stream);
    plait_process_free(&p);
    run_until_idle(&b);
    close_bed(&b, before);
}

static void only_terminals_have_windows(void **state)
{
    struct bed b;
    struct plait_stream *x, *y;
    struct peer p = {.s = NULL}, q = {.s = NULL};
    const struct plait_window w = {.rows = 31, .columns = 99};
    int fds[2];
    const size_t before = open_bed(&b);
    (void)state;
    for (enum joint joint = JOINT_PAIR; joint < JOINT_COUNT; joint++) {
        memset(&p, 0, sizeof p);
        memset(&q, 0, sizeof q);
        join(&b, joint, &x, &y);
        assert_err(plait_stream_window(x, &w), PLAIT_EUNSUPPORTED);
        peer_attach(&p, x, &peer_protocol);
        peer_attach(&q, y, &peer_protocol);
        plait_abort(x);
        plait_abort(y);
        run_until_idle(&b);
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_PIPE, fds[0], NULL, &x), 0);
    assert_err(plait_stream_window(x, &w), PLAIT_EUNSUPPORTED);
    close(fds[1]);
    memset(&p, 0, sizeof p);
    peer_attach(&p, x, &peer_protocol);
    run_until_idle(&b);
    assert_null(p.s);
    close_bed(&b, before);
}

static void streams_of_one_descriptor_can_tell_it(void **state)
{
    struct bed b;
    struct plait_stream *x[JOINT_COUNT + 1], *y[JOINT_COUNT];
    static struct peer p[2 * JOINT_COUNT + 1];
    int fds[2];
    const size_t before = open_bed(&b);
    (void)state;
    memset(p, 0, sizeof p);
    for (enum joint joint = JOINT_PAIR; joint < JOINT_COUNT; joint++)
        join(&b, joint, &x[joint], &y[joint]);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(plait__fd_stream_new(b.r, PLAIT__FD_PIPE, fds[0], NULL, &x[JOINT_COUNT]), 0);
    assert_int_equal(plait__fd_stream_fd(x[JOINT_PAIR]), -1);
    assert_int_equal(plait__fd_stream_pipe(x[JOINT_PAIR]), -1);
    assert_int_equal(plait__fd_stream_fd(x[JOINT_COUNT]), -1);
    assert_int_equal(plait__fd_stream_pipe(x[JOINT_COUNT]), fds[0]);
    for (enum joint joint = JOINT_UNIX; joint < JOINT_COUNT; joint++) {
        struct stat st;
        assert_int_equal(fstat(plait__fd_stream_fd(x[joint]), &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_not_equal(plait__fd_stream_fd(x[joint]), plait__fd_stream_fd(y[joint]));
        assert_int_equal(plait__fd_stream_pipe(x[joint]), -1);
    }
    close(fds[1]);
    for (int i = 0; i <= JOINT_COUNT; i++) {
        peer_attach(&p[2 * i], x[i], &peer_protocol);
        if (i < JOINT_COUNT)
            peer_attach(&p[2 * i + 1], y[i], &peer_protocol);
        plait_abort(x[i]);
    }
    for (int i = 0; i < 10; i++)
        run_until_idle(&b);
    assert_int_equal(b.r->stream_count, 0);
    close_bed(&b, before);
}

static int fail_winsize(struct plait_sys *sys, int fd, const struct winsize *size)
{
    (void)sys;
    (void)fd;
    (void)size;
    return -EINVAL;
}

static void a_window_that_can_not_be_set_is_told(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    const struct plait_window w = {.rows = 31, .columns = 99};
    (void)state;
    open_with("echo up; exec sleep 100", &o);
    until_said("up");
    s->b.ops.winsize = fail_winsize;
    assert_err(plait_stream_window(s->p.s, &w), PLAIT_EIO);
    s->b.ops.winsize = plait__sys_kernel()->ops->winsize;
    plait_abort(s->p.s);
    assert_err(plait_stream_window(s->p.s, &w), PLAIT_EUNSUPPORTED); /* its descriptor may be another's soon */
    done();
}

static void beside_a_terminal_there_may_be_pipes(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 2, .kind = PLAIT_CHILD_PIPE_OUT},
                                    {.child_fd = 1, .kind = PLAIT_CHILD_PTY},
                                    {.child_fd = 5, .kind = PLAIT_CHILD_NULL},
                                    {.child_fd = 0, .kind = PLAIT_CHILD_PTY}};
    const char *const argv[] = {"sh", "-c", "test -t 0 && test -t 1 && echo out; echo err >&2", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 4, .new_session = true};
    struct plait_process *p;
    struct seen seen;
    static struct peer err, tty;
    const size_t before = open_bed(&b);
    (void)state;
    memset(&err, 0, sizeof err);
    memset(&tty, 0, sizeof tty);
    assert_ok(plait_spawn(b.r, &o, &p));
    assert_null(map[3].stream);
    peer_attach(&err, map[0].stream, &peer_protocol);
    peer_attach(&tty, map[1].stream, &peer_protocol);
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    for (int n = 0; n < 100 && (err.s || tty.s); n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_string_equal((char *)err.got, "err\n");
    assert_string_equal((char *)tty.got, "out\r\n");
    plait_process_free(&p);
    close_bed(&b, before);
}

static void another_user_owns_the_terminal(void **state)
{
    struct plait_spawn_options o = {.set_ids = true, .uid = 65534, .gid = 65534};
    (void)state;
    if (geteuid() != 0)
        return; /* only root may give anything away */
    open_with("echo mine > $(tty); stat -c %u $(tty)", &o);
    until_over();
    assert_string_equal((char *)s->p.got, "mine\r\n65534\r\n");
    done();
}

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */

static void a_terminal_wants_a_session(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PTY}};
    struct plait_spawn_options o = {.path = "true", .map = map, .map_count = 1};
    struct plait_process *p;
    const size_t before = open_bed(&b);
    (void)state;
    assert_err(plait_spawn(b.r, &o, &p), PLAIT_EINVAL);
    o.new_session = true;
    map[0].kind = (enum plait_child_fd)(PLAIT_CHILD_PTY + 1);
    assert_err(plait_spawn(b.r, &o, &p), PLAIT_EINVAL);
    close_bed(&b, before);
}

static int no_pty(struct plait_sys *sys, int fds[2], const struct winsize *size, uid_t owner)
{
    (void)sys;
    (void)fds;
    (void)size;
    (void)owner;
    return -ENOSPC;
}

static void whatever_fails_leaves_nothing(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PTY}, {.child_fd = 1, .kind = PLAIT_CHILD_PTY}};
    struct plait_spawn_options o = {.path = "true", .map = map, .map_count = 2, .new_session = true};
    struct plait_process *p;
    unsigned failed = 0;
    const size_t before = open_bed(&b);
    (void)state;
    for (uint64_t n = 1; n < 30; n++) {
        bed_fail(&b, n);
        const plait_err err = plait_spawn(b.r, &o, &p);
        bed_heal(&b);
        failed += err == PLAIT_ENOMEM;
        if (err == PLAIT_OK) {
            plait_abort(map[0].stream);
            plait_process_free(&p);
        }
        run_until_idle(&b);
    }
    assert_true(failed >= 3);
    b.ops.openpty = no_pty;
    assert_err(plait_spawn(b.r, &o, &p), PLAIT_ENOSPACE);
    b.ops.openpty = plait__sys_kernel()->ops->openpty;
    o.path = "/does/not/exist";
    assert_err(plait_spawn(b.r, &o, &p), PLAIT_ENOTFOUND);
    assert_null(map[0].stream);
    close_bed(&b, before);
}

/* A child can't take a terminal that is another session's. */
static void a_terminal_that_can_not_be_had_is_told(void **state)
{
    struct plait_spawn_options o = {.cwd = NULL};
    struct plait_sys *k = plait__sys_kernel();
    char path[64] = "";
    int pid;
    (void)state;
    open_with("echo $(tty)-; exec sleep 100", &o);
    until_said("-\r\n");
    memcpy(path, s->p.got, (size_t)((uint8_t *)strchr((char *)s->p.got, '-') - s->p.got));
    const int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const struct plait_sys_fd_map map[] = {{.parent_fd = fd, .child_fd = 0}, {.parent_fd = null, .child_fd = 1}};
    const char *const argv[] = {"true", NULL};
    struct plait_sys_spawn spawn = {
        .path = "/bin/true", .argv = argv, .map = map, .map_count = 2, .new_session = true, .terminal = true};
    assert_int_equal(k->ops->spawn(k, &spawn, &pid), -EPERM);
    spawn.terminal_fd = 1;
    assert_int_equal(k->ops->spawn(k, &spawn, &pid), -ENOTTY);
    close(null);
    close(fd);
    plait_close(s->p.s);
    done();
}

static void the_kernels_call_gives_both_ends_or_none(void **state)
{
    struct plait_sys *k = plait__sys_kernel();
    const struct winsize size = {.ws_row = 5, .ws_col = 6};
    struct winsize got;
    struct rlimit old, none;
    int fds[2] = {-1, -1};
    (void)state;
    const size_t before = test_open_descriptors();
    assert_int_equal(k->ops->openpty(k, fds, &size, (uid_t)-1), 0);
    assert_int_equal(ioctl(fds[1], TIOCGWINSZ, &got), 0);
    assert_int_equal(got.ws_row, 5);
    assert_int_equal(got.ws_col, 6);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK); /* programs expect to wait */
    const int first = fds[0];
    assert_int_equal(k->ops->winsize(k, fds[0], &got), 0);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(k->ops->winsize(k, fds[0], &got), -EBADF);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (int room = 0; room < 2; room++) { /* not for the one, nor for the other */
        none = (struct rlimit){.rlim_cur = (rlim_t)(first + room), .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        const int res = k->ops->openpty(k, fds, &size, (uid_t)-1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(res, -EMFILE);
    }
    assert_int_equal(test_open_descriptors(), before);
}

static void the_simulated_world_has_no_terminals_and_says_so(void **state)
{
    struct plait_sim *sim = plait_sim_new(1, 0);
    struct plait_host *host = plait_sim_host(sim, "a");
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PTY}};
    struct plait_spawn_options o = {.path = "/bin/cat", .map = map, .map_count = 1, .new_session = true};
    struct plait_process *p;
    (void)state;
    assert_ok(plait_host_add_program(host, "/bin/cat", plait_sim_program_cat(), NULL));
    assert_err(plait_spawn(plait_host_reactor(host), &o, &p), PLAIT_EUNSUPPORTED);
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

TEST_MAIN(cmocka_unit_test(a_child_has_a_terminal_of_its_own), cmocka_unit_test(last_words_are_read_to_the_end),
          cmocka_unit_test(what_is_written_is_input_and_is_echoed), cmocka_unit_test(the_end_of_writing_ends_nothing),
          cmocka_unit_test(control_characters_are_signals), cmocka_unit_test(closing_our_end_hangs_up),
          cmocka_unit_test(a_window_has_a_size), cmocka_unit_test(a_window_can_change_and_the_program_hears_of_it),
          cmocka_unit_test(pixels_are_told_from_the_beginning), cmocka_unit_test(only_terminals_have_windows),
          cmocka_unit_test(streams_of_one_descriptor_can_tell_it),
          cmocka_unit_test(a_window_that_can_not_be_set_is_told),
          cmocka_unit_test(beside_a_terminal_there_may_be_pipes), cmocka_unit_test(another_user_owns_the_terminal),
          cmocka_unit_test(a_terminal_wants_a_session), cmocka_unit_test(whatever_fails_leaves_nothing),
          cmocka_unit_test(a_terminal_that_can_not_be_had_is_told),
          cmocka_unit_test(the_kernels_call_gives_both_ends_or_none),
          cmocka_unit_test(the_simulated_world_has_no_terminals_and_says_so))
