/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/process.c, run_program.c and spawn_kernel.c, with small programs of the system; the simulated
 * world's where its own programs will do.
 */
#include "tests/engine/peer.h"

#include <plait/process.h>
#include <plait/sim.h>

#include <signal.h>
#include <sys/wait.h>

/* Steps until a flag is set, at most some ten seconds. */
static void wait_for(struct bed *b, const int *flag)
{
    for (int n = 0; n < 1000 && !*flag; n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(10)));
    assert_true(*flag);
}

static void run_until_idle(struct bed *b)
{
    for (int n = 0; n < 5; n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(2)));
}

/* Opens a bed and notes what must be the same at the end. */
static size_t open_bed(struct bed *b)
{
    const size_t before = test_open_descriptors();
    bed_open_real(b);
    return before;
}

static void close_bed(struct bed *b, size_t descriptors)
{
    bed_close(b);
    assert_int_equal(test_open_descriptors(), descriptors);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, dead or alive */
    assert_int_equal(errno, ECHILD);
}

/* Runs a shell script with plait_run_program. */
static struct seen run_script(struct bed *b, const char *script, const char *in, size_t max)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv};
    struct seen seen;
    watch_result(plait_run_program(b->r, &o, plait_slice_text(in), max), &seen);
    wait_for(b, &seen.calls);
    return seen;
}

/* --- a whole run -------------------------------------------------------------------------------------------------- */

/* What a run gave: the output is gone with its deferred, so it is copied out inside the chain. */
struct ran {
    int done;
    plait_err err;
    int status;
    char out[256], errors[256];
    size_t out_len;
};

static void copy_text(char *to, size_t size, plait_slice from)
{
    const size_t n = from.len < size - 1 ? from.len : size - 1;
    if (n > 0)
        memcpy(to, from.ptr, n);
    to[n] = '\0';
}

static void ran(struct plait_result *result, void *ctx)
{
    struct ran *r = ctx;
    r->done = 1;
    r->err = result->fault.err;
    if (r->err != PLAIT_OK)
        return;
    const struct plait_output *o = result->value.ptr;
    r->status = o->status;
    r->out_len = plait_buf_slice(&o->out).len;
    copy_text(r->out, sizeof r->out, plait_buf_slice(&o->out));
    copy_text(r->errors, sizeof r->errors, plait_buf_slice(&o->err));
}

static struct ran run_with(struct bed *b, struct plait_spawn_options *o, plait_slice in, size_t max)
{
    struct ran r = {.done = 0};
    struct plait_deferred *d = plait_run_program(b->r, o, in, max);
    assert_ok(plait_then(d, ran, &r));
    wait_for(b, &r.done);
    return r;
}

static struct ran sh(struct bed *b, const char *script, plait_slice in, size_t max)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv};
    return run_with(b, &o, in, max);
}

static void a_program_gets_its_input_and_gives_output_errors_and_status(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    const struct ran r = sh(&b, "cat; echo complaint >&2; exit 7", PLAIT_LIT("question"), 1000);
    assert_ok(r.err);
    assert_int_equal(r.status, 7);
    assert_string_equal(r.out, "question");
    assert_string_equal(r.errors, "complaint\n");
    close_bed(&b, before);
}

static void a_program_killed_by_a_signal_says_which(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    assert_int_equal(sh(&b, "kill -TERM $$", PLAIT_LIT(""), 10).status, -SIGTERM);
    close_bed(&b, before);
}

static void a_program_may_leave_its_input_unread(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    static uint8_t much[300000];
    (void)state;
    const struct ran r = sh(&b, "exec <&-; echo done", plait_slice_of(much, sizeof much), 100);
    assert_ok(r.err);
    assert_string_equal(r.out, "done\n");
    close_bed(&b, before);
}

static void input_and_output_larger_than_a_pipe_pass(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    static uint8_t much[500000];
    (void)state;
    const struct ran r = sh(&b, "cat", plait_slice_of(much, sizeof much), sizeof much);
    assert_ok(r.err);
    assert_int_equal(r.out_len, sizeof much);
    close_bed(&b, before);
}

static void a_program_that_says_too_much_is_killed(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    assert_err(sh(&b, "while :; do echo more; done", PLAIT_LIT(""), 1000).err, PLAIT_ETOOLONG);
    assert_err(sh(&b, "while :; do echo more >&2; done", PLAIT_LIT(""), 1000).err, PLAIT_ETOOLONG);
    close_bed(&b, before);
}

static void output_that_comes_after_the_exit_is_collected(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    const struct ran r = sh(&b, "(sleep 0.1; echo late) & exit 3", PLAIT_LIT(""), 100);
    assert_int_equal(r.status, 3);
    assert_string_equal(r.out, "late\n");
    close_bed(&b, before);
}

static void cancelling_a_run_kills_it(void **state)
{
    struct bed b;
    struct seen seen;
    const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_deferred *d = plait_run_program(b.r, &o, PLAIT_LIT(""), 10);
    watch_result(d, &seen);
    run_until_idle(&b);
    assert_int_equal(seen.calls, 0);
    plait_deferred_cancel(d);
    wait_for(&b, &seen.calls);
    assert_err(seen.err, PLAIT_ECANCELLED);
    run_until_idle(&b);
    run_until_idle(&b);
    close_bed(&b, before);
}

static void a_run_may_have_descriptors_of_its_own(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 5, .kind = PLAIT_CHILD_NULL}};
    struct plait_child_map clash[] = {{.child_fd = 1, .kind = PLAIT_CHILD_NULL}};
    const char *const argv[] = {"sh", "-c", "cat <&5; echo five", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 1};
    const size_t before = open_bed(&b);
    (void)state;
    assert_string_equal(run_with(&b, &o, PLAIT_LIT(""), 100).out, "five\n");
    o.map = clash;
    assert_err(run_with(&b, &o, PLAIT_LIT(""), 100).err, PLAIT_EINVAL);
    o.map_count = 60;
    assert_err(run_with(&b, &o, PLAIT_LIT(""), 100).err, PLAIT_EINVAL);
    close_bed(&b, before);
}

static void a_run_under_way_ends_with_its_reactor(void **state)
{
    struct bed b;
    struct seen seen;
    const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    const size_t before = open_bed(&b);
    (void)state;
    watch_result(plait_run_program(b.r, &o, PLAIT_LIT(""), 10), &seen);
    run_until_idle(&b);
    close_bed(&b, before);
    assert_int_equal(seen.calls, 1);
    assert_err(seen.err, PLAIT_ECANCELLED);
}

/* --- what a child is ---------------------------------------------------------------------------------------------- */

static void arguments_environment_and_folder_are_as_asked(void **state)
{
    struct bed b;
    const char *const argv[] = {"sh", "-c", "echo $0 $1 $COLOUR; pwd", "zero", "one", NULL};
    const char *const env[] = {"COLOUR=green", "PATH=/usr/bin:/bin", NULL};
    struct plait_spawn_options o = {.path = "/bin/sh", .argv = argv, .env = env, .cwd = "/usr"};
    const size_t before = open_bed(&b);
    (void)state;
    assert_string_equal(run_with(&b, &o, PLAIT_LIT(""), 100).out, "zero one green\n/usr\n");
    close_bed(&b, before);
}

static void the_environment_is_inherited_unless_given(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    assert_int_equal(setenv("PLAIT_TEST_WORD", "inherited", 1), 0);
    assert_string_equal(sh(&b, "echo $PLAIT_TEST_WORD", PLAIT_LIT(""), 100).out, "inherited\n");
    assert_int_equal(unsetenv("PLAIT_TEST_WORD"), 0);
    close_bed(&b, before);
}

static void nothing_but_the_map_is_open_in_the_child(void **state)
{
    struct bed b;
    const int leak = open("/dev/null", O_RDONLY); /* without close-on-exec */
    const size_t before = open_bed(&b);
    (void)state;
    const struct ran r = sh(&b, "ls /proc/$$/fd | tr '\\n' ' '", PLAIT_LIT(""), 100);
    assert_string_equal(r.out, "0 1 2 ");
    close_bed(&b, before);
    close(leak);
}

static void signals_are_at_their_defaults_in_the_child(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    assert_ptr_not_equal(signal(SIGHUP, SIG_IGN), SIG_ERR);
    const struct ran r = sh(&b, "grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -d '\\n\\t '", PLAIT_LIT(""), 200);
    assert_ptr_not_equal(signal(SIGHUP, SIG_DFL), SIG_ERR);
    assert_string_equal(r.out, "SigBlk:0000000000000000SigIgn:0000000000000000");
    close_bed(&b, before);
}

static void a_session_of_its_own_can_be_had(void **state)
{
    struct bed b;
    const char *const argv[] = {"sh", "-c", "ps -o sid= -p $$ | tr -d ' '; echo $$", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .new_session = true, .kill_with_parent = true};
    const size_t before = open_bed(&b);
    (void)state;
    const struct ran r = run_with(&b, &o, PLAIT_LIT(""), 100);
    char *second = strchr(r.out, '\n');
    assert_non_null(second);
    assert_int_equal(strtol(r.out, NULL, 10), strtol(second, NULL, 10));
    close_bed(&b, before);
}

static void another_user_can_be_become_by_root(void **state)
{
    struct bed b;
    const char *const argv[] = {"sh", "-c", "id -u; id -g; id -G", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .set_ids = true, .uid = 65534, .gid = 65534};
    const size_t before = open_bed(&b);
    (void)state;
    const struct ran r = run_with(&b, &o, PLAIT_LIT(""), 100);
    if (geteuid() == 0)
        assert_string_equal(r.out, "65534\n65534\n65534\n");
    else
        assert_err(r.err, PLAIT_EACCESS);
    close_bed(&b, before);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static struct peer out;
static struct peer in;

static void a_socket_speaks_both_ways(void **state)
{
    struct bed b;
    struct seen seen;
    struct plait_process *p;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_SOCKET}};
    const char *const argv[] = {"sh", "-c", "read x; echo got $x >&0", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 1};
    const size_t before = open_bed(&b);
    (void)state;
    memset(&out, 0, sizeof out);
    out.greeting = PLAIT_LIT("word\n");
    assert_ok(plait_spawn(b.r, &o, &p));
    peer_attach(&out, map[0].stream, &peer_protocol);
    assert_true(plait_process_pid(p) > 1);
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    run_until_idle(&b);
    assert_ok(seen.err);
    assert_int_equal(seen.num, 0);
    assert_slice(plait_slice_of(out.got, out.got_len), "got word\n");
    plait_process_free(&p);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void descriptors_may_change_places(void **state)
{
    struct bed b;
    struct seen seen;
    struct plait_process *p;
    int a[2];
    int c[2];
    char text[8] = {0};
    (void)state;
    const size_t outside = test_open_descriptors();
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(c, O_CLOEXEC), 0);
    const size_t before = open_bed(&b);
    struct plait_child_map map[] = {
        {.child_fd = c[1], .kind = PLAIT_CHILD_FD, .parent_fd = a[1]},
        {.child_fd = a[1], .kind = PLAIT_CHILD_FD, .parent_fd = c[1]},
    };
    char script[64];
    snprintf(script, sizeof script, "echo A >/dev/fd/%d; echo C >/dev/fd/%d", c[1], a[1]);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 2};
    assert_ok(plait_spawn(b.r, &o, &p));
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    assert_int_equal(read(a[0], text, sizeof text), 2);
    assert_string_equal(text, "A\n");
    assert_int_equal(read(c[0], text, sizeof text), 2);
    assert_string_equal(text, "C\n");
    plait_process_free(&p);
    close_bed(&b, before);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(c[i]);
    }
    assert_int_equal(test_open_descriptors(), outside);
}

static void pipes_are_streams(void **state)
{
    struct bed b;
    struct plait_process *p;
    struct seen seen;
    struct plait_child_map map[] = {
        {.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN},
        {.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT},
    };
    struct plait_spawn_options o = {.path = "cat", .map = map, .map_count = 2};
    const size_t before = open_bed(&b);
    (void)state;
    memset(&in, 0, sizeof in);
    memset(&out, 0, sizeof out);
    assert_ok(plait_spawn(b.r, &o, &p));
    peer_attach(&in, map[0].stream, &peer_protocol);
    peer_attach(&out, map[1].stream, &peer_protocol);
    plait_write(in.s, PLAIT_LIT("through the cat"));
    plait_close(in.s);
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    run_until_idle(&b);
    assert_slice(plait_slice_of(out.got, out.got_len), "through the cat");
    assert_null(out.s);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void a_child_that_is_gone_does_not_kill_who_writes_to_it(void **state)
{
    struct bed b;
    struct plait_process *p;
    struct seen seen;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN}};
    struct plait_spawn_options o = {.path = "true", .map = map, .map_count = 1};
    const size_t before = open_bed(&b);
    (void)state;
    memset(&in, 0, sizeof in);
    assert_ok(plait_spawn(b.r, &o, &p));
    peer_attach(&in, map[0].stream, &peer_protocol);
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    if (in.s)
        plait_write(in.s, PLAIT_LIT("into the void"));
    run_until_idle(&b);
    assert_null(in.s);
    plait_process_free(&p);
    close_bed(&b, before);
}

/* --- signals and ends --------------------------------------------------------------------------------------------- */

static struct plait_process *sleeper(struct bed *b)
{
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    struct plait_process *p;
    assert_ok(plait_spawn(b->r, &o, &p));
    return p;
}

static void a_signal_reaches_the_child_and_none_after_its_end(void **state)
{
    struct bed b;
    struct seen seen;
    struct seen again;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = sleeper(&b);
    watch_result(plait_process_exit(p), &seen);
    assert_err(plait_process_signal(p, 9999), PLAIT_EINVAL);
    assert_ok(plait_process_signal(p, 0));
    assert_ok(plait_process_signal(p, SIGTERM));
    wait_for(&b, &seen.calls);
    assert_int_equal(seen.num, -SIGTERM);
    assert_err(plait_process_signal(p, SIGTERM), PLAIT_EEXITED);
    watch_result(plait_process_exit(p), &again);
    run_until_idle(&b);
    assert_err(again.err, PLAIT_ESTATE);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void the_exit_may_be_asked_for_after_it(void **state)
{
    struct bed b;
    struct seen seen;
    struct plait_process *p;
    struct plait_spawn_options o = {.path = "false"};
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_spawn(b.r, &o, &p));
    for (int n = 0; n < 1000 && plait_process_signal(p, 0) == PLAIT_OK; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    watch_result(plait_process_exit(p), &seen);
    bed_run(&b);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.num, 1);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void freeing_a_process_kills_and_reaps_it(void **state)
{
    struct bed b;
    struct seen seen;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = sleeper(&b);
    watch_result(plait_process_exit(p), &seen);
    plait_process_free(&p);
    wait_for(&b, &seen.calls);
    assert_err(seen.err, PLAIT_ECANCELLED);
    for (int n = 0; n < 1000 && waitid(P_ALL, 0, &(siginfo_t){.si_pid = 0}, WEXITED | WNOWAIT | WNOHANG) == 0; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    close_bed(&b, before);
}

static void processes_end_with_their_reactor(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *let_go = sleeper(&b);
    plait_process_free(&let_go);
    (void)sleeper(&b);
    close_bed(&b, before);
}

static void a_child_that_somebody_else_reaped_is_reported(void **state)
{
    struct bed b;
    struct seen seen;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = sleeper(&b);
    watch_result(plait_process_exit(p), &seen);
    assert_ok(plait_process_signal(p, SIGKILL));
    assert_int_equal(waitpid(plait_process_pid(p), NULL, 0), plait_process_pid(p));
    wait_for(&b, &seen.calls);
    assert_err(seen.err, PLAIT_EIO);
    plait_process_free(&p);
    close_bed(&b, before);
}

static int no_such_process(struct plait_sys *sys, int pidfd, int signo)
{
    (void)sys;
    (void)pidfd;
    (void)signo;
    return -ESRCH;
}

static void a_child_reaped_behind_our_back_has_exited(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = sleeper(&b);
    b.ops.pidfd_signal = no_such_process;
    assert_err(plait_process_signal(p, SIGTERM), PLAIT_EEXITED);
    b.ops.pidfd_signal = plait__sys_kernel()->ops->pidfd_signal;
    plait_process_free(&p);
    close_bed(&b, before);
}

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */

static plait_err try_spawn(struct bed *b, const char *path)
{
    struct plait_spawn_options o = {.path = path};
    struct plait_process *p = NULL;
    const plait_err err = plait_spawn(b->r, &o, &p);
    plait_process_free(&p);
    return err;
}

static void programs_that_are_not_there_are_told_apart(void **state)
{
    struct bed b;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES + 16];
    const char *was = getenv("PATH");
    char *keep = strdup(was ? was : "/usr/bin:/bin");
    const size_t before = open_bed(&b);
    (void)state;
    assert_non_null(keep);
    test_folder_make(folder);
    test_file_write(folder, "plain", PLAIT_LIT("no program"));
    snprintf(path, sizeof path, "%s/plain", folder);
    assert_err(try_spawn(&b, path), PLAIT_EACCESS);
    assert_err(try_spawn(&b, "/does/not/exist"), PLAIT_ENOTFOUND);
    assert_err(try_spawn(&b, "plait-no-such-program"), PLAIT_ENOTFOUND);
    snprintf(path, sizeof path, "::%s:/usr/bin", folder);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_err(try_spawn(&b, "plain"), PLAIT_EACCESS);
    assert_ok(try_spawn(&b, "true"));
    assert_int_equal(unsetenv("PATH"), 0);
    assert_ok(try_spawn(&b, "true"));
    assert_int_equal(setenv("PATH", keep, 1), 0);
    free(keep);
    char endless[5000];
    memset(endless, 'a', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_err(try_spawn(&b, endless), PLAIT_EINVAL);
    endless[0] = '/';
    assert_err(try_spawn(&b, endless), PLAIT_EINVAL);
    run_until_idle(&b);
    test_folder_remove(folder);
    close_bed(&b, before);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct bed b;
    struct plait_process *p = NULL;
    struct plait_child_map twice[] = {{.child_fd = 4}, {.child_fd = 4}};
    struct plait_child_map wrong[] = {{.child_fd = -1}};
    struct plait_child_map large[] = {{.child_fd = 100000}};
    struct plait_child_map none[] = {{.child_fd = 4, .kind = PLAIT_CHILD_FD, .parent_fd = -1}};
    struct plait_child_map odd[] = {{.child_fd = 4, .kind = (enum plait_child_fd)99}};
    struct plait_spawn_options bad[] = {
        {.path = NULL},
        {.path = ""},
        {.path = "true", .map = twice, .map_count = 61},
        {.path = "true", .map = twice, .map_count = 2},
        {.path = "true", .map = wrong, .map_count = 1},
        {.path = "true", .map = large, .map_count = 1},
        {.path = "true", .map = none, .map_count = 1},
        {.path = "true", .map = odd, .map_count = 1},
    };
    const size_t before = open_bed(&b);
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_err(plait_spawn(b.r, &bad[i], &p), PLAIT_EINVAL);
    struct plait_spawn_options o = {.path = "true", .cwd = "/does/not/exist"};
    assert_err(plait_spawn(b.r, &o, &p), PLAIT_ENOTFOUND);
    close_bed(&b, before);
}

static void fill_map(struct plait_child_map *map)
{
    const struct plait_child_map all[] = {
        {.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN},
        {.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT},
        {.child_fd = 3, .kind = PLAIT_CHILD_SOCKET},
    };
    memcpy(map, all, sizeof all);
}

static void every_call_may_fail_while_spawning(void **state)
{
    static const char *const calls[] = {"pipe2", "socketpair", "fcntl", "fstat", "spawn", "epoll_ctl"};
    const size_t before = test_open_descriptors();
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
        const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
        struct plait_reactor *r = plait_reactor_new(&ro);
        struct plait_child_map map[3];
        struct plait_spawn_options o = {.path = "/bin/cat", .map = map, .map_count = 3};
        uint64_t failed = 0;
        for (uint64_t k = 1; failed + 1 >= k; k++) {
            struct plait_process *p = NULL;
            fill_map(map);
            assert_ok(plait_injector_fail(injector, calls[i], k, 1, EMFILE));
            const plait_err err = plait_spawn(r, &o, &p);
            plait_injector_count(injector, calls[i], &failed);
            assert_true((err == PLAIT_OK) == (p != NULL));
            if (err != PLAIT_OK)
                assert_null(map[0].stream);
            for (int m = 0; m < 3 && err == PLAIT_OK; m++)
                plait__stream_discard(map[m].stream);
            plait_process_free(&p);
            assert_ok(plait_reactor_step(r, plait_millis(20)));
            if (failed == 0)
                break;
        }
        plait_reactor_free(&r);
        plait_injector_free(&injector);
        assert_int_equal(test_open_descriptors(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    }
}

static void a_child_that_cannot_be_watched_is_killed_and_reaped_by_and_by(void **state)
{
    struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
    const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
    struct plait_reactor *r = plait_reactor_new(&ro);
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    struct plait_process *p = NULL;
    (void)state;
    const size_t before = test_open_descriptors();
    assert_ok(plait_injector_fail(injector, "epoll_ctl", 1, 1, ENOSPC));
    assert_int_not_equal(plait_spawn(r, &o, &p), PLAIT_OK);
    for (int n = 0; n < 1000 && test_open_descriptors() > before; n++)
        assert_ok(plait_reactor_step(r, plait_millis(20)));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_ok(plait_injector_fail(injector, "epoll_ctl", 1, 1, ENOSPC)); /* and when the reactor ends before that */
    assert_int_not_equal(plait_spawn(r, &o, &p), PLAIT_OK);
    plait_reactor_free(&r);
    plait_injector_free(&injector);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void every_allocation_may_fail(void **state)
{
    struct bed b;
    struct ran r = {.err = PLAIT_ENOMEM};
    const char *const argv[] = {"sh", "-c", "cat", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv};
    const size_t before = open_bed(&b);
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct plait_deferred *d;
        memset(&r, 0, sizeof r);
        bed_fail(&b, n);
        b.heap.fail_after = false;
        d = plait_run_program(b.r, &o, PLAIT_LIT("hello"), 1000);
        if (!d || plait_then(d, ran, &r) != PLAIT_OK)
            plait_deferred_cancel(d);
        else
            wait_for(&b, &r.done);
        bed_heal(&b);
        assert_true(!r.done || r.err == PLAIT_ENOMEM || strcmp(r.out, "hello") == 0);
    }
    assert_ok(r.err);
    close_bed(&b, before);
}

/* --- in the simulated world --------------------------------------------------------------------------------------- */

static void a_simulated_program_runs_the_same(void **state)
{
    struct plait_sim *sim = plait_sim_new(test_seed(), 0);
    struct plait_host *host = plait_sim_host(sim, "a");
    struct plait_spawn_options o = {.path = "/bin/cat"};
    struct ran r = {.done = 0};
    (void)state;
    assert_ok(plait_host_add_program(host, "/bin/cat", plait_sim_program_cat(), NULL));
    struct plait_deferred *d = plait_run_program(plait_host_reactor(host), &o, PLAIT_LIT("simulated"), 100);
    assert_ok(plait_then(d, ran, &r));
    plait_sim_run_for(sim, plait_seconds(1));
    assert_true(r.done);
    assert_ok(r.err);
    assert_string_equal(r.out, "simulated");
    plait_sim_check_end(sim);
    assert_null(plait_sim_failure(sim));
    plait_sim_free(&sim);
}

static void a_script_that_fails_to_start_is_told_through_the_deferred(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    struct plait_spawn_options o = {.path = "/does/not/exist"};
    (void)state;
    assert_err(run_with(&b, &o, PLAIT_LIT(""), 10).err, PLAIT_ENOTFOUND);
    assert_int_equal(run_script(&b, "exit 0", "", 10).calls, 1);
    close_bed(&b, before);
}

TEST_MAIN(
    cmocka_unit_test(a_program_gets_its_input_and_gives_output_errors_and_status),
    cmocka_unit_test(a_program_killed_by_a_signal_says_which), cmocka_unit_test(a_program_may_leave_its_input_unread),
    cmocka_unit_test(input_and_output_larger_than_a_pipe_pass),
    cmocka_unit_test(a_program_that_says_too_much_is_killed),
    cmocka_unit_test(output_that_comes_after_the_exit_is_collected), cmocka_unit_test(cancelling_a_run_kills_it),
    cmocka_unit_test(a_run_may_have_descriptors_of_its_own), cmocka_unit_test(a_run_under_way_ends_with_its_reactor),
    cmocka_unit_test(arguments_environment_and_folder_are_as_asked),
    cmocka_unit_test(the_environment_is_inherited_unless_given),
    cmocka_unit_test(nothing_but_the_map_is_open_in_the_child),
    cmocka_unit_test(signals_are_at_their_defaults_in_the_child), cmocka_unit_test(a_session_of_its_own_can_be_had),
    cmocka_unit_test(another_user_can_be_become_by_root), cmocka_unit_test(a_socket_speaks_both_ways),
    cmocka_unit_test(descriptors_may_change_places), cmocka_unit_test(pipes_are_streams),
    cmocka_unit_test(a_child_that_is_gone_does_not_kill_who_writes_to_it),
    cmocka_unit_test(a_signal_reaches_the_child_and_none_after_its_end),
    cmocka_unit_test(the_exit_may_be_asked_for_after_it), cmocka_unit_test(freeing_a_process_kills_and_reaps_it),
    cmocka_unit_test(processes_end_with_their_reactor), cmocka_unit_test(a_child_that_somebody_else_reaped_is_reported),
    cmocka_unit_test(a_child_reaped_behind_our_back_has_exited),
    cmocka_unit_test(programs_that_are_not_there_are_told_apart),
    cmocka_unit_test(options_that_make_no_sense_are_refused), cmocka_unit_test(every_call_may_fail_while_spawning),
    cmocka_unit_test(a_child_that_cannot_be_watched_is_killed_and_reaped_by_and_by),
    cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(a_simulated_program_runs_the_same),
    cmocka_unit_test(a_script_that_fails_to_start_is_told_through_the_deferred))
