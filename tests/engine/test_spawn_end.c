/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/process.c: what becomes of a child's memory and descriptor when it ends, of groups that are none,
 * and of children that die slowly while the reactor ends.
 */
#include "tests/engine/process_bed.h"

#include "engine/listen_core.h"

static struct plait_process *spawn(struct plait_reactor *r, const char *path, const char *argument)
{
    const char *const argv[] = {path, argument, NULL};
    struct plait_spawn_options o = {.path = path, .argv = argv};
    struct plait_process *p = NULL;
    assert_ok(plait_spawn(r, &o, &p));
    return p;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void a_child_that_has_ended_leaves_nothing_once_it_is_freed(void **state)
{
    struct bed b;
    size_t live = 0;
    const size_t before = open_bed(&b);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct seen seen;
        struct plait_process *p = spawn(b.r, "true", NULL);
        watch_result(plait_process_exit(p), &seen);
        wait_for(&b, &seen.calls);
        run_until_idle(&b);
        plait_process_free(&p);
        run_until_idle(&b);
        assert_true(i < 2 || b.heap.live == live);
        live = b.heap.live;
    }
    close_bed(&b, before);
}

static void a_child_that_is_freed_while_it_runs_leaves_nothing_once_it_is_reaped(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    const size_t live = b.heap.live;
    (void)state;
    struct plait_process *p = spawn(b.r, "sleep", "100");
    plait_process_free(&p);
    for (int n = 0; n < 1000 && b.heap.live > live; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(5)));
    assert_int_equal(b.heap.live, live);
    close_bed(&b, before);
}

static int no_epoll_ctl(struct plait_sys *sys, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)sys, (void)epfd, (void)op, (void)fd, (void)event;
    return -ENOSPC;
}

static void a_child_that_was_not_watched_leaves_nothing_once_it_is_reaped(void **state)
{
    struct plait_spawn_options o = {.path = "true"};
    struct plait_process *p = NULL;
    struct bed b;
    const size_t before = open_bed(&b);
    const size_t live = b.heap.live;
    (void)state;
    b.ops.epoll_ctl = no_epoll_ctl;
    assert_int_not_equal(plait_spawn(b.r, &o, &p), PLAIT_OK);
    b.ops.epoll_ctl = plait__sys_kernel()->ops->epoll_ctl;
    for (int n = 0; n < 1000 && waitid(P_ALL, 0, &(siginfo_t){.si_pid = 0}, WEXITED | WNOWAIT | WNOHANG) == 0; n++)
        assert_ok(plait_reactor_step(b.r, plait_millis(5)));
    run_until_idle(&b);
    assert_int_equal(b.heap.live, live);
    close_bed(&b, before);
}

/* --- its descriptor, its group ------------------------------------------------------------------------------------ */

static void listeners_that_want_a_descriptor_go_on_when_a_child_ends(void **state)
{
    static const struct plait_address any = {.kind = PLAIT_ADDR_IP4, .ip = {127, 0, 0, 1}};
    struct bed b;
    struct seen seen;
    struct plait_listener *l;
    struct plait_listener_view view;
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_listen(b.r, &any, NULL, plait_service_of(b.r, &peer_protocol, NULL), &l));
    struct plait_process *p = spawn(b.r, "true", NULL);
    plait__listener_pause(l, PLAIT__PAUSE_DESCRIPTORS);
    b.r->accept_paused = true;
    watch_result(plait_process_exit(p), &seen);
    wait_for(&b, &seen.calls);
    plait_listener_look(l, &view);
    assert_int_equal(view.state, PLAIT_LISTENER_OPEN);
    plait_process_free(&p);
    close_bed(&b, before);
}

static void without_a_session_of_its_own_a_child_is_no_group(void **state)
{
    static const char *const argv[] = {"sleep", "100", NULL};
    struct plait_spawn_options o = {.path = "sleep", .argv = argv, .group = true};
    struct plait_process *p;
    struct bed b;
    struct seen seen;
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_spawn(b.r, &o, &p));
    watch_result(plait_process_exit(p), &seen);
    assert_ok(plait_process_signal(p, SIGTERM));
    wait_for(&b, &seen.calls);
    assert_int_equal(seen.num, -SIGTERM);
    plait_process_free(&p);
    close_bed(&b, before);
}

/* --- when the reactor ends ---------------------------------------------------------------------------------------- */

static void spawn_late(struct plait_result *result, void *ctx)
{
    (void)result;
    (void)spawn(ctx, "sleep", "100");
}

static void a_child_of_the_last_turns_is_killed_and_reaped(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    assert_ok(plait_then(plait_deferred_new(b.r, "op", NULL, NULL), spawn_late, b.r));
    close_bed(&b, before);
}

/* Children that take a while to die, each from the moment in which it is asked for first. */
static struct {
    int pidfd;
    int64_t since, span;
} dying[2];

static int reap_late(struct plait_sys *sys, int pidfd, int *status)
{
    const int64_t now = sys->ops->clock(sys, PLAIT_SYS_MONOTONIC);
    for (size_t i = 0; i < TEST_COUNT(dying); i++) {
        if (dying[i].pidfd != pidfd)
            continue;
        if (dying[i].since == 0)
            dying[i].since = now;
        if (now - dying[i].since < dying[i].span)
            return -EAGAIN;
    }
    return plait__sys_kernel()->ops->reap(plait__sys_kernel(), pidfd, status);
}

static int note_spawn(struct plait_sys *sys, const struct plait_sys_spawn *spawn, int *pid)
{
    struct bed *b = (struct bed *)sys;
    const int pidfd = plait__sys_kernel()->ops->spawn(plait__sys_kernel(), spawn, pid);
    dying[b->user].pidfd = pidfd;
    dying[b->user].since = 0;
    dying[b->user].span = plait_millis(b->user == 0 ? 250 : 60); /* the younger one is released first */
    b->user++;
    return pidfd;
}

static void children_that_die_slowly_are_waited_for(void **state)
{
    struct bed b;
    const size_t before = open_bed(&b);
    (void)state;
    b.ops.spawn = note_spawn;
    b.ops.reap = reap_late;
    (void)spawn(b.r, "sleep", "100");
    (void)spawn(b.r, "sleep", "100");
    close_bed(&b, before);
}

/* --- PATH --------------------------------------------------------------------------------------------------------- */

static char folder[TEST_PATH_BYTES], search[4 * TEST_PATH_BYTES];

static const char *look_in_search(struct plait_sys *sys, const char *name)
{
    (void)sys;
    return strcmp(name, "PATH") == 0 ? search : NULL;
}

/* What has the name and cannot be run doesn't hide what can. */
static void the_first_that_can_be_run_is_the_program(void **state)
{
    static const plait_slice script = {(const uint8_t *)"#!/bin/sh\nexit 4\n", 17};
    char path[2 * TEST_PATH_BYTES];
    struct bed b;
    (void)state;
    test_folder_make(folder);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%d", folder, i);
        assert_int_equal(mkdir(path, 0700), 0);
        if (i != 1)
            test_file_write(path, "tool", script);
    }
    (void)snprintf(path, sizeof path, "%s/1/tool", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/2/tool", folder);
    assert_int_equal(chmod(path, 0700), 0);
    (void)snprintf(search, sizeof search, "%s/0:%s/1:%s/2", folder, folder, folder);
    const size_t before = open_bed(&b);
    struct plait_spawn_options o = {.path = "tool"};
    b.ops.env = look_in_search;
    assert_int_equal(run_with(&b, &o, PLAIT_LIT(""), 10).status, 4);
    (void)snprintf(search, sizeof search, "%s/0:%s/1", folder, folder);
    assert_err(run_with(&b, &o, PLAIT_LIT(""), 10).err, PLAIT_EACCESS);
    close_bed(&b, before);
    test_folder_remove(folder);
}

static void a_child_that_was_not_watched_leaves_no_timer_when_the_reactor_ends(void **state)
{
    struct plait_spawn_options o = {.path = "true"};
    struct plait_process *p = NULL;
    struct bed_part part;
    struct bed b;
    (void)state;
    bed_open(&b);
    bed_part_add(&b, &part);
    b.ops.epoll_ctl = no_epoll_ctl;
    assert_int_not_equal(plait_spawn(b.r, &o, &p), PLAIT_OK);
    b.ops.epoll_ctl = plait__sys_kernel()->ops->epoll_ctl;
    bed_close(&b); /* whose last turns would find it due */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

TEST_MAIN(cmocka_unit_test(a_child_that_has_ended_leaves_nothing_once_it_is_freed),
          cmocka_unit_test(a_child_that_is_freed_while_it_runs_leaves_nothing_once_it_is_reaped),
          cmocka_unit_test(a_child_that_was_not_watched_leaves_nothing_once_it_is_reaped),
          cmocka_unit_test(listeners_that_want_a_descriptor_go_on_when_a_child_ends),
          cmocka_unit_test(without_a_session_of_its_own_a_child_is_no_group),
          cmocka_unit_test(a_child_of_the_last_turns_is_killed_and_reaped),
          cmocka_unit_test(children_that_die_slowly_are_waited_for),
          cmocka_unit_test(the_first_that_can_be_run_is_the_program),
          cmocka_unit_test(a_child_that_was_not_watched_leaves_no_timer_when_the_reactor_ends))
