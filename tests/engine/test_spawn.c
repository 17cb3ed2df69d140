/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/process.c and spawn_kernel.c: descriptors, signals, ends, and what goes wrong.
 */
#include "tests/engine/process_bed.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

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

/* A shell with a child of its own, which holds the output open for as long as it lives. */
static struct plait_process *family(struct bed *b, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct plait_child_map map[] = {{.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT}};
    struct plait_spawn_options o = {
        .path = "sh", .argv = argv, .map = map, .map_count = 1, .new_session = true, .group = true};
    struct plait_process *p = NULL;
    memset(&out, 0, sizeof out);
    assert_ok(plait_spawn(b->r, &o, &p));
    peer_attach(&out, map[0].stream, &peer_protocol);
    return p;
}

static void wait_for_output(struct bed *b, bool end)
{
    for (int n = 0; n < 1000 && (end ? out.s != NULL : out.got_len == 0); n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(10)));
    assert_slice(plait_slice_of(out.got, out.got_len), "begun\n");
    assert_int_equal(out.s == NULL, end);
}

static void a_signal_to_a_group_reaches_all_of_it(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = family(&b, "sleep 1000 & echo begun; wait");
    wait_for_output(&b, false);
    assert_ok(plait_process_signal(p, SIGTERM));
    wait_for_output(&b, true);
    run_until_idle(&b);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void what_is_left_of_a_group_ends_with_its_leader(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = family(&b, "sleep 1000 & echo begun");
    wait_for_output(&b, true);
    plait_process_free(&p);
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

static int finds_nobody(struct plait_sys *sys, int pidfd, int signo)
{
    (void)sys, (void)pidfd, (void)signo;
    return -ESRCH;
}

/* It ended, and nobody has told us of it yet (TQ-131). */
static void a_signal_to_a_child_that_has_just_ended_says_so(void **state)
{
    struct bed b;
    struct seen seen;
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_process *p = sleeper(&b);
    watch_result(plait_process_exit(p), &seen);
    b.ops.pidfd_signal = finds_nobody;
    assert_err(plait_process_signal(p, SIGTERM), PLAIT_EEXITED);
    b.ops.pidfd_signal = plait__sys_kernel()->ops->pidfd_signal;
    assert_ok(plait_process_signal(p, SIGTERM));
    wait_for(&b, &seen.calls);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void the_most_descriptors_and_the_highest_are_taken(void **state)
{
    struct bed b;
    struct seen seen;
    struct plait_process *p = NULL;
    struct plait_child_map map[60];
    struct plait_spawn_options o = {.path = "true", .map = map, .map_count = TEST_COUNT(map)};
    const size_t before = open_bed(&b);
    (void)state;
    for (int i = 0; i < (int)TEST_COUNT(map); i++)
        map[i] = (struct plait_child_map){.child_fd = 1023 - i, .kind = PLAIT_CHILD_NULL};
    assert_ok(plait_spawn(b.r, &o, &p));
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    assert_int_equal(seen.err, PLAIT_OK);
    assert_int_equal(seen.num, 0);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct bed b;
    struct plait_process *p = NULL;
    struct plait_child_map twice[] = {{.child_fd = 4}, {.child_fd = 4}};
    struct plait_child_map wrong[] = {{.child_fd = -1}};
    struct plait_child_map large[] = {{.child_fd = 1024}};
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

static int reaps_until_death; /* how often a child is said to run still; -1: for ever */

static int slow_reap(struct plait_sys *sys, int pidfd, int *status)
{
    (void)sys;
    if (reaps_until_death != 0) {
        reaps_until_death -= reaps_until_death > 0;
        return -EAGAIN;
    }
    return plait__sys_kernel()->ops->reap(plait__sys_kernel(), pidfd, status);
}

static int no_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys, (void)epfd, (void)op, (void)fd, (void)event;
    return -ENOSPC;
}

static void a_child_that_is_slow_to_die_is_asked_for_again(void **state)
{
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    struct plait_process *p = NULL;
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    reaps_until_death = 3;
    b.ops.reap = slow_reap;
    b.ops.epoll_ctl = no_epoll_ctl;
    assert_int_not_equal(plait_spawn(b.r, &o, &p), PLAIT_OK);
    b.ops.epoll_ctl = plait__sys_kernel()->ops->epoll_ctl;
    for (int n = 0; n < 1000 && waitid(P_ALL, 0, &(siginfo_t){.si_pid = 0}, WEXITED | WNOWAIT | WNOHANG) == 0; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(5)));
    assert_int_equal(reaps_until_death, 0);
    close_bed(&b, before);
}

static void the_reactors_end_waits_for_no_child_for_ever(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    reaps_until_death = -1;
    b.ops.reap = slow_reap;
    const int pid = plait_process_pid(sleeper(&b));
    bed_close(&b);
    assert_int_equal(test_open_descriptors(), before);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_child_that_gets_no_descriptor_is_an_error(void **state)
{
    struct bed b;
    struct rlimit was;
    struct plait_process *p = NULL;
    struct plait_child_map map[] = {{.child_fd = 0, .kind = PLAIT_CHILD_NULL}};
    struct plait_spawn_options o = {.path = "/bin/true", .map = map, .map_count = 1};
    const size_t before = open_bed(&b);
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    const int next = dup(2);
    close(next);
    for (rlim_t spare = 0; spare < 3; spare++) { /* of three that the child needs for itself */
        const struct rlimit few = {.rlim_cur = (rlim_t)next + spare, .rlim_max = was.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_err(plait_spawn(b.r, &o, &p), PLAIT_EDESCRIPTORS);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    const struct plait_sys_spawn large = {.path = "/bin/true", .map_count = 65};
    int pid;
    assert_int_equal(plait__sys_kernel()->ops->spawn(plait__sys_kernel(), &large, &pid), -EINVAL);
    close_bed(&b, before);
}

/* A start in a thread in which the kernel refuses one system call: nothing else makes them fail. */
struct refused {
    unsigned call;
    int os_errno;
    struct plait_sys_spawn spawn;
    int res;
};

static void *start_refused(void *ctx)
{
    struct refused *r = ctx;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)r->os_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = TEST_COUNT(filter), .filter = filter};
    int pid;
    r->res = 1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        r->res = plait__sys_kernel()->ops->spawn(plait__sys_kernel(), &r->spawn, &pid);
    return NULL;
}

#ifdef SYS_vfork
enum { CALL_FORK = SYS_vfork, CALL_DUP = SYS_dup2 };
#else
enum { CALL_FORK = SYS_clone, CALL_DUP = SYS_dup3 };
#endif

static void each_step_of_a_start_that_the_kernel_refuses_is_told(void **state)
{
    static const struct plait_sys_fd_map map[] = {{.parent_fd = -1, .child_fd = 0}};
    static const char *const argv[] = {"true", NULL};
#define TRUE_ .path = "/bin/true", .argv = argv
    struct refused row[] = {
        {.call = CALL_FORK, .os_errno = EAGAIN, .spawn = {TRUE_}},
        {.call = CALL_DUP, .os_errno = EMFILE, .spawn = {TRUE_, .map = map, .map_count = 1}},
        {.call = CALL_DUP, .os_errno = EBUSY, .spawn = {TRUE_}},
        {.call = SYS_setsid, .os_errno = EPERM, .spawn = {TRUE_, .new_session = true}},
        {.call = SYS_setgroups, .os_errno = EPERM, .spawn = {TRUE_, .set_ids = true, .uid = 1, .gid = 1}},
        {.call = SYS_prctl, .os_errno = EINVAL, .spawn = {TRUE_, .kill_with_parent = true}},
        {.call = SYS_pidfd_open, .os_errno = EMFILE, .spawn = {TRUE_}},
    };
#undef TRUE_
    const size_t before = test_open_descriptors();
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(row); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, start_refused, &row[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(row[i].res, -row[i].os_errno);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
        assert_int_equal(errno, ECHILD);
    }
    assert_int_equal(test_open_descriptors(), before);
}

static void streams_without_memory_are_an_error(void **state)
{
    struct bed b;
    struct plait_child_map map[3];
    struct plait_spawn_options o = {.path = "/bin/cat", .map = map, .map_count = 3};
    plait_err err = PLAIT_ENOMEM;
    const size_t before = open_bed(&b);
    (void)state;
    for (uint64_t n = 1; err != PLAIT_OK; n++) {
        struct plait_process *p = NULL;
        fill_map(map);
        bed_fail(&b, n);
        err = plait_spawn(b.r, &o, &p);
        bed_heal(&b);
        assert_true(err == PLAIT_OK || err == PLAIT_ENOMEM);
        for (int m = 0; m < 3 && err == PLAIT_OK; m++)
            plait__stream_discard(map[m].stream);
        plait_process_free(&p);
    }
    run_until_idle(&b);
    close_bed(&b, before);
}

TEST_MAIN(cmocka_unit_test(a_socket_speaks_both_ways), cmocka_unit_test(descriptors_may_change_places),
          cmocka_unit_test(pipes_are_streams), cmocka_unit_test(a_child_that_is_gone_does_not_kill_who_writes_to_it),
          cmocka_unit_test(a_signal_reaches_the_child_and_none_after_its_end),
          cmocka_unit_test(the_exit_may_be_asked_for_after_it), cmocka_unit_test(freeing_a_process_kills_and_reaps_it),
          cmocka_unit_test(a_signal_to_a_group_reaches_all_of_it),
          cmocka_unit_test(what_is_left_of_a_group_ends_with_its_leader),
          cmocka_unit_test(processes_end_with_their_reactor),
          cmocka_unit_test(a_child_that_somebody_else_reaped_is_reported),
          cmocka_unit_test(a_child_reaped_behind_our_back_has_exited),
          cmocka_unit_test(programs_that_are_not_there_are_told_apart),
          cmocka_unit_test(options_that_make_no_sense_are_refused),
          cmocka_unit_test(a_signal_to_a_child_that_has_just_ended_says_so),
          cmocka_unit_test(the_most_descriptors_and_the_highest_are_taken),
          cmocka_unit_test(every_call_may_fail_while_spawning),
          cmocka_unit_test(a_child_that_cannot_be_watched_is_killed_and_reaped_by_and_by),
          cmocka_unit_test(a_child_that_is_slow_to_die_is_asked_for_again),
          cmocka_unit_test(the_reactors_end_waits_for_no_child_for_ever),
          cmocka_unit_test(a_child_that_gets_no_descriptor_is_an_error),
          cmocka_unit_test(each_step_of_a_start_that_the_kernel_refuses_is_told),
          cmocka_unit_test(streams_without_memory_are_an_error))
