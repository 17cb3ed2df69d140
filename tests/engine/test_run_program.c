/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/run_program.c, and through it of what a child is; the simulated world's where its own programs
 * will do.
 */
#include "tests/engine/process_bed.h"

/* --- a whole run -------------------------------------------------------------------------------------------------- */

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
    assert_int_equal(sh(&b, "exit 3", PLAIT_LIT(""), 10).status, 3); /* what stays is there now */
    run_until_idle(&b);
    const size_t live = b.heap.live;
    struct plait_deferred *d = plait_run_program(b.r, &o, PLAIT_LIT(""), 10);
    watch_result(d, &seen);
    run_until_idle(&b);
    assert_int_equal(seen.calls, 0);
    plait_deferred_cancel(d);
    wait_for(&b, &seen.calls);
    assert_err(seen.err, PLAIT_ECANCELLED);
    for (int n = 0; n < 1000 && b.heap.live > live; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(10)));
    assert_int_equal(b.heap.live, live); /* the child is gone, and so is all that was held for it */
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
    /* No pipeline, whose ends the shell itself may hold at that moment; `true` keeps it from becoming ls. */
    const struct ran r = sh(&b, "ls /proc/$$/fd; true", PLAIT_LIT(""), 100);
    assert_string_equal(r.out, "0\n1\n2\n");
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
    const char *const argv[] = {"sh", "-c", "cut -d' ' -f6 /proc/$$/stat; echo $$", NULL};
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

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */

static struct bed *memory_of;

/* Starts the child, and has memory end with it. */
static int spawn_and_fail_memory(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid)
{
    (void)sys;
    bed_fail(memory_of, 1);
    return plait__sys_kernel()->ops->spawn(plait__sys_kernel(), spawn, pid);
}

static void a_run_without_memory_for_the_exit_is_killed(void **state)
{
    struct bed b;
    struct ran r = {.done = 0};
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv};
    const size_t before = open_bed(&b);
    (void)state;
    struct plait_deferred *one = plait_deferred_new(b.r, "the one that will be free", NULL, NULL);
    plait_fire(one, plait_value_num(0));
    plait_deferred_ignore(one);
    bed_fill(&b);
    b.ops.spawn = spawn_and_fail_memory;
    memory_of = &b;
    bed_run(&b); /* one is free now, for the run itself */
    struct plait_deferred *d = plait_run_program(b.r, &o, PLAIT_LIT(""), 10);
    bed_heal(&b);
    assert_ok(plait_then(d, ran, &r));
    wait_for(&b, &r.done);
    assert_err(r.err, PLAIT_ENOMEM);
    run_until_idle(&b);
    close_bed(&b, before);
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
    close_bed(&b, before);
}

/* --- early ends, and what stands beside a run --------------------------------------------------------------------- */

static struct peer gate; /* of a descriptor that a child waits for */

static void a_run_leaves_nothing(void **state)
{
    struct bed b;
    size_t live = 0;
    const size_t before = open_bed(&b);
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_ok(sh(&b, "exit 0", PLAIT_LIT(""), 10).err);
        run_until_idle(&b);
        assert_true(i < 2 || b.heap.live == live);
        live = b.heap.live;
    }
    close_bed(&b, before);
}

/* A child of the child's holds the pipes, and lives on. */
static void a_run_that_is_given_up_waits_for_nobody_else(void **state)
{
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 5, .kind = PLAIT_CHILD_PIPE_IN}};
    const char *const argv[] = {"sh", "-c", "cat <&5 & while :; do echo more; done", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 1};
    struct ran r = {.done = 0};
    const size_t before = open_bed(&b);
    (void)state;
    memset(&gate, 0, sizeof gate);
    assert_ok(plait_then(plait_run_program(b.r, &o, PLAIT_LIT(""), 1000), ran, &r));
    peer_attach(&gate, map[0].stream, &peer_protocol);
    wait_for(&b, &r.done);
    assert_err(r.err, PLAIT_ETOOLONG);
    plait_abort(gate.s);
    run_until_idle(&b);
    close_bed(&b, before);
}

static int reaped_by_another(struct plait_sys *sys, int pidfd, int *status)
{
    (void)sys;
    const int res = plait__sys_kernel()->ops->reap(plait__sys_kernel(), pidfd, status);
    return res == 0 ? -ECHILD : res;
}

static void a_run_whose_child_somebody_else_reaped_fails(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    b.ops.reap = reaped_by_another;
    assert_err(sh(&b, "echo said", PLAIT_LIT(""), 100).err, PLAIT_EIO);
    close_bed(&b, before);
}

static void a_run_takes_57_descriptors_beside_its_own(void **state)
{
    struct bed b;
    struct plait_child_map map[58];
    const char *const argv[] = {"true", NULL};
    struct plait_spawn_options o = {.path = "true", .argv = argv, .map = map, .map_count = 57};
    const size_t before = open_bed(&b);
    (void)state;
    for (int i = 0; i < 58; i++)
        map[i] = (struct plait_child_map){.child_fd = 3 + i, .kind = PLAIT_CHILD_NULL};
    const struct ran r = run_with(&b, &o, PLAIT_LIT(""), 100);
    assert_ok(r.err);
    assert_int_equal(r.status, 0);
    o.map_count = 58;
    assert_err(run_with(&b, &o, PLAIT_LIT(""), 100).err, PLAIT_EINVAL);
    close_bed(&b, before);
}

static void a_program_may_think_for_long_before_it_reads(void **state)
{
    static uint8_t much[300000];
    struct bed b;
    struct plait_child_map map[] = {{.child_fd = 5, .kind = PLAIT_CHILD_PIPE_IN}};
    const char *const argv[] = {"sh", "-c", "cat <&5; wc -c", NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv, .map = map, .map_count = 1};
    struct ran r = {.done = 0};
    (void)state;
    bed_open(&b); /* whose clock stands still unless it is moved */
    memset(&gate, 0, sizeof gate);
    assert_ok(plait_then(plait_run_program(b.r, &o, plait_slice_of(much, sizeof much), 100), ran, &r));
    peer_attach(&gate, map[0].stream, &peer_protocol);
    run_until_idle(&b);
    bed_pass(&b, plait_seconds(1000));
    run_until_idle(&b);
    assert_int_equal(r.done, 0);
    plait_close(gate.s);
    wait_for(&b, &r.done);
    assert_ok(r.err);
    assert_string_equal(r.out, "300000\n");
    run_until_idle(&b);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(a_program_gets_its_input_and_gives_output_errors_and_status),
          cmocka_unit_test(a_program_killed_by_a_signal_says_which),
          cmocka_unit_test(a_program_may_leave_its_input_unread),
          cmocka_unit_test(input_and_output_larger_than_a_pipe_pass),
          cmocka_unit_test(a_program_that_says_too_much_is_killed),
          cmocka_unit_test(output_that_comes_after_the_exit_is_collected), cmocka_unit_test(cancelling_a_run_kills_it),
          cmocka_unit_test(a_run_may_have_descriptors_of_its_own),
          cmocka_unit_test(a_run_under_way_ends_with_its_reactor),
          cmocka_unit_test(arguments_environment_and_folder_are_as_asked),
          cmocka_unit_test(the_environment_is_inherited_unless_given),
          cmocka_unit_test(nothing_but_the_map_is_open_in_the_child),
          cmocka_unit_test(signals_are_at_their_defaults_in_the_child),
          cmocka_unit_test(a_session_of_its_own_can_be_had), cmocka_unit_test(another_user_can_be_become_by_root),
          cmocka_unit_test(a_run_without_memory_for_the_exit_is_killed), cmocka_unit_test(every_allocation_may_fail),
          cmocka_unit_test(a_simulated_program_runs_the_same),
          cmocka_unit_test(a_script_that_fails_to_start_is_told_through_the_deferred),
          cmocka_unit_test(a_run_leaves_nothing), cmocka_unit_test(a_run_that_is_given_up_waits_for_nobody_else),
          cmocka_unit_test(a_run_whose_child_somebody_else_reaped_fails),
          cmocka_unit_test(a_run_takes_57_descriptors_beside_its_own),
          cmocka_unit_test(a_program_may_think_for_long_before_it_reads))
