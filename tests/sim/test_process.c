/* SPDX-License-Identifier: MIT
 *
 * Child processes that are functions.
 */
#include "tests/sim/sim_calls.h"

static void stubborn_signal(struct plait_sim_process *process, int signo, void *ctx)
{
    (void)signo;
    (void)ctx;
    plait_sim_process_write(process, 1, PLAIT_LIT("no"));
}

static const struct plait_sim_program stubborn = {.signal = stubborn_signal};

static void args_start(struct plait_sim_process *process, void *ctx)
{
    (void)ctx;
    plait_sim_process_write(process, 1, plait_slice_text(plait_sim_process_arg(process, 1)));
    plait_sim_process_write(process, 1, plait_slice_text(plait_sim_process_env(process, "HOME")));
    plait_sim_process_exit(process, 7);
}

static const struct plait_sim_program args = {.start = args_start};

struct child {
    struct world w;
    struct end in, out;
    int pidfd, pid;
};

static struct child child_of(const char *path, const struct plait_sim_program *program)
{
    struct child c = {.w = world_open()};
    int in[2], out[2];
    const char *argv[] = {path, "first", NULL}, *env[] = {"HOME=/root", NULL};
    assert_ok(plait_host_add_program(plait_sim_host(c.w.sim, "a"), path, program, NULL));
    CALL(c.w.a, pipe2, in, O_NONBLOCK);
    CALL(c.w.a, pipe2, out, O_NONBLOCK);
    struct plait_sys_fd_map map[] = {{in[0], 0}, {out[1], 1}, {-1, 2}};
    struct plait_sys_spawn spawn = {.path = path, .argv = argv, .env = env, .map = map, .map_count = 3};
    c.pidfd = CALL(c.w.a, spawn, &spawn, &c.pid);
    assert_true(c.pidfd >= 0);
    assert_true(c.pid > 0);
    CALL(c.w.a, close, in[0]);
    CALL(c.w.a, close, out[1]);
    c.in = (struct end){c.w.a, in[1]};
    c.out = (struct end){c.w.a, out[0]};
    return c;
}

static const char *child_says(struct child *c, char *room)
{
    plait_sim_run_until_idle(c->w.sim, plait_seconds(1));
    ssize_t n = CALL(c->w.a, read, c->out.fd, room, 100);
    room[n > 0 ? n : 0] = 0;
    return room;
}

static void cat_copies_until_the_end(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/cat", plait_sim_program_cat());
    assert_int_equal(CALL(c.w.a, write, c.in.fd, "hello", 5), 5);
    assert_string_equal(child_says(&c, room), "hello");
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), -EAGAIN);
    assert_int_equal(ready(c.w.a, c.pidfd, EPOLLIN), 0);
    CALL(c.w.a, close, c.in.fd);
    assert_string_equal(child_says(&c, room), "");
    assert_int_equal(ready(c.w.a, c.pidfd, EPOLLIN), EPOLLIN);
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, SIGTERM), 0); /* a zombie takes it */
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), -ECHILD);
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, SIGTERM), -ESRCH);
    world_close(&c.w);
}

static void arguments_and_environment_arrive(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/args", &args);
    assert_string_equal(child_says(&c, room), "first/root");
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, 7);
    world_close(&c.w);
}

static void a_signal_ends_or_is_handled(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/stubborn", &stubborn);
    child_says(&c, room);
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, SIGTERM), 0);
    assert_string_equal(child_says(&c, room), "no");
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, SIGKILL), 0);
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, -SIGKILL);
    world_close(&c.w);
}

static void what_is_no_program_cannot_run(void **state)
{
    (void)state;
    struct world w = world_open();
    int pid;
    struct plait_sys_spawn spawn = {.path = "/bin/none"};
    assert_int_equal(CALL(w.a, spawn, &spawn, &pid), -ENOENT);
    assert_ok(plait_host_write_file(plait_sim_host(w.sim, "a"), "/bin/none", "x", 1));
    assert_int_equal(CALL(w.a, spawn, &spawn, &pid), -EACCES);
    world_close(&w);
}

static void a_zombie_is_reported_at_the_end(void **state)
{
    (void)state;
    char room[101];
    struct child c = child_of("/bin/args", &args);
    child_says(&c, room);
    plait_sim_check_end(c.w.sim);
    assert_string_equal(plait_sim_failure(c.w.sim), "host a left a process");
    world_close(&c.w);
}

static void talker_start(struct plait_sim_process *process, void *ctx)
{
    (void)ctx;
    plait_sim_process_write(process, 1, PLAIT_LIT("bye"));
    plait_sim_process_write(process, 1, plait_slice_of(NULL, 0));
    plait_sim_process_close(process, 1);
    plait_sim_process_close(process, 1);                 /* it is closing already */
    plait_sim_process_write(process, 1, PLAIT_LIT("x")); /* too late */
    assert_null(plait_sim_process_arg(process, 2));
    assert_null(plait_sim_process_env(process, "NONE"));
}

static void talker_signal(struct plait_sim_process *process, int signo, void *ctx)
{
    (void)ctx;
    plait_sim_process_exit(process, signo);
}

static const struct plait_sim_program talker = {.start = talker_start, .signal = talker_signal};

static void a_process_closes_behind_what_it_wrote(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/talker", &talker);
    assert_string_equal(child_says(&c, room), "bye");
    assert_int_equal(CALL(c.w.a, read, c.out.fd, room, 100), 0); /* closed, though it runs */
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), -EAGAIN);
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, 65), -EINVAL);
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, 0), 0); /* asks whether it is there */
    assert_int_equal(CALL(c.w.a, pidfd_signal, c.pidfd, SIGUSR1), 0);
    child_says(&c, room);
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, SIGUSR1);
    assert_int_equal(CALL(c.w.a, reap, c.out.fd, &status), -EINVAL);
    world_close(&c.w);
}

static void a_group_is_its_leader(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/talker", &talker);
    assert_string_equal(child_says(&c, room), "bye");
    assert_int_equal(CALL(c.w.a, group_signal, c.pid, 65), -EINVAL);
    assert_int_equal(CALL(c.w.a, group_signal, c.pid + 1, SIGUSR1), -ESRCH);
    assert_int_equal(CALL(c.w.a, group_signal, c.pid, SIGUSR1), 0);
    child_says(&c, room);
    assert_int_equal(CALL(c.w.a, group_signal, c.pid, SIGUSR1), 0); /* a zombie takes it */
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, SIGUSR1);
    assert_int_equal(CALL(c.w.a, group_signal, c.pid, SIGUSR1), -ESRCH);
    world_close(&c.w);
}

static void a_process_whose_output_is_closed_dies_by_sigpipe(void **state)
{
    (void)state;
    char room[101];
    int status;
    struct child c = child_of("/bin/cat", plait_sim_program_cat());
    CALL(c.w.a, close, c.out.fd);
    assert_int_equal(CALL(c.w.a, write, c.in.fd, "x", 1), 1);
    child_says(&c, room);
    assert_int_equal(CALL(c.w.a, reap, c.pidfd, &status), 0);
    assert_int_equal(status, -SIGPIPE);
    world_close(&c.w);
}

static struct plait_sim_process *last_process;

static void keeper_start(struct plait_sim_process *process, void *ctx)
{
    *(struct plait_sim_process **)ctx = process;
    plait_sim_process_write(process, 0, PLAIT_LIT("x")); /* its input can't be written */
}

static const struct plait_sim_program keeper = {.start = keeper_start};

static void writing_where_one_cannot_ends_a_process(void **state)
{
    (void)state;
    struct world w = world_open();
    int in[2], pid, status;
    assert_ok(plait_host_add_program(plait_sim_host(w.sim, "a"), "/bin/keeper", &keeper, &last_process));
    CALL(w.a, pipe2, in, O_NONBLOCK);
    struct plait_sys_fd_map map[] = {{in[0], 0}};
    struct plait_sys_spawn spawn = {.path = "/bin/keeper", .map = map, .map_count = 1};
    int pidfd = CALL(w.a, spawn, &spawn, &pid);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    plait_sim_process_exit(last_process, 9); /* it has ended: nothing changes */
    plait_sim_process_write(last_process, 0, PLAIT_LIT("x"));
    assert_int_equal(CALL(w.a, reap, pidfd, &status), 0);
    assert_int_equal(status, 1);
    world_close(&w);
}

static void a_process_may_have_two_inputs(void **state)
{
    (void)state;
    char room[10];
    struct world w = world_open();
    int in[2], other[2], out[2], pid;
    assert_ok(plait_host_add_program(plait_sim_host(w.sim, "a"), "/bin/cat", plait_sim_program_cat(), NULL));
    CALL(w.a, pipe2, in, O_NONBLOCK);
    CALL(w.a, pipe2, other, O_NONBLOCK);
    CALL(w.a, pipe2, out, O_NONBLOCK);
    struct plait_sys_fd_map map[] = {{in[0], 0}, {out[1], 1}, {other[0], 3}};
    struct plait_sys_spawn spawn = {.path = "/bin/cat", .map = map, .map_count = 3};
    assert_true(CALL(w.a, spawn, &spawn, &pid) >= 0);
    CALL(w.a, write, other[1], "no", 2); /* cat reads it, and copies its standard input only */
    CALL(w.a, write, in[1], "yes", 3);
    plait_sim_run_until_idle(w.sim, plait_seconds(1));
    assert_int_equal(CALL(w.a, read, out[0], room, sizeof room), 3);
    world_close(&w);
}

static void a_spawn_that_fails_holds_nothing(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    int fds[2], pid;
    char byte;
    assert_ok(plait_host_add_program(host, "/bin/cat", plait_sim_program_cat(), NULL));
    assert_err(plait_host_add_program(host, "cat", plait_sim_program_cat(), NULL), PLAIT_EINVAL);
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    struct plait_sys_fd_map map[] = {{fds[1], 1}, {99, 0}};
    struct plait_sys_spawn spawn = {.path = "/bin/cat", .map = map, .map_count = 2};
    assert_int_equal(CALL(w.a, spawn, &spawn, &pid), -EBADF);
    spawn.map_count = 1;
    plait_host_set_descriptors_max(host, 2);
    assert_int_equal(CALL(w.a, spawn, &spawn, &pid), -EMFILE);
    CALL(w.a, close, fds[1]);
    assert_int_equal(CALL(w.a, read, fds[0], &byte, 1), 0); /* nobody else has the other end */
    plait_sim_check_end(w.sim);
    assert_string_equal(plait_sim_failure(w.sim), "host a left descriptor 0 open (pipe), 1 in all");
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(cat_copies_until_the_end), cmocka_unit_test(arguments_and_environment_arrive),
          cmocka_unit_test(a_signal_ends_or_is_handled), cmocka_unit_test(what_is_no_program_cannot_run),
          cmocka_unit_test(a_zombie_is_reported_at_the_end), cmocka_unit_test(a_process_closes_behind_what_it_wrote),
          cmocka_unit_test(a_group_is_its_leader), cmocka_unit_test(a_process_whose_output_is_closed_dies_by_sigpipe),
          cmocka_unit_test(writing_where_one_cannot_ends_a_process), cmocka_unit_test(a_process_may_have_two_inputs),
          cmocka_unit_test(a_spawn_that_fails_holds_nothing))
