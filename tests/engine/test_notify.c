/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/notify.c against a manager of our own: a UNIX datagram socket.
 */
#include "tests/engine/bed.h"

#include <plait/sim.h>

#include <sys/socket.h>
#include <unistd.h>

/* The manager's socket; sets NOTIFY_SOCKET. An abstract name when `folder` is NULL. */
static int manager_open(const char *folder)
{
    char env[TEST_PATH_BYTES + 16];
    struct plait_address name;
    struct sockaddr_storage ss;
    if (folder)
        snprintf(env, sizeof env, "%s/notify", folder);
    else
        snprintf(env, sizeof env, "@plait-test-notify-%d", (int)getpid());
    assert_ok(plait_address_unix(plait_slice_text(env), &name));
    const socklen_t len = plait__address_to_sockaddr(&name, &ss);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", env, 1), 0);
    return fd;
}

static void manager_close(int fd)
{
    close(fd);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static const char *heard(int fd, char *text, size_t size)
{
    const ssize_t got = recv(fd, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

#define assert_heard(fd, expected)                                                                                     \
    do {                                                                                                               \
        char heard_[64];                                                                                               \
        assert_string_equal(heard(fd, heard_, sizeof heard_), expected);                                               \
    } while (0)

static void own_signals(struct bed *b)
{
    b->r->own_signals = true;
}

static void a_state_reaches_a_manager_at_a_path_or_an_abstract_name(void **state)
{
    struct bed b;
    char folder[TEST_PATH_BYTES];
    (void)state;
    test_folder_make(folder);
    bed_open(&b);
    for (int i = 0; i < 2; i++) {
        const int fd = manager_open(i == 0 ? folder : NULL);
        assert_ok(plait_notify_manager(b.r, "STATUS=fine"));
        assert_heard(fd, "STATUS=fine");
        assert_heard(fd, "");
        manager_close(fd);
    }
    bed_close(&b);
    test_folder_remove(folder);
}

static void without_a_manager_nothing_happens(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    own_signals(&b);
    unsetenv("NOTIFY_SOCKET");
    assert_ok(plait_notify_manager(b.r, "READY=1"));
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    assert_ok(plait_notify_manager(b.r, "READY=1"));
    plait__notify_ready(b.r);
    plait__notify_stopping(b.r);
    assert_string_equal(b.log, "");
    unsetenv("NOTIFY_SOCKET");
    bed_close(&b);
}

static void a_manager_that_is_not_there_is_logged_only(void **state)
{
    static const char *const names[] = {"relative", "/does/not/exist", "@"};
    struct bed b;
    (void)state;
    bed_open(&b);
    own_signals(&b);
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        assert_err(plait_notify_manager(b.r, "READY=1"), PLAIT_EIO);
        b.log_len = 0;
        plait__notify_ready(b.r);
        assert_true(bed_logged(&b, "notify-failed"));
    }
    unsetenv("NOTIFY_SOCKET");
    bed_close(&b);
}

static void only_the_owner_of_the_signals_tells_by_itself(void **state)
{
    struct bed b;
    const int fd = manager_open(NULL);
    (void)state;
    bed_open(&b);
    plait__notify_ready(b.r);
    plait__notify_stopping(b.r);
    assert_heard(fd, "");
    own_signals(&b);
    plait__notify_ready(b.r);
    assert_heard(fd, "READY=1");
    plait__notify_stopping(b.r);
    assert_heard(fd, "STOPPING=1");
    manager_close(fd);
    bed_close(&b);
}

static void the_watchdog_is_fed_at_half_its_time(void **state)
{
    struct bed b;
    char pid[16];
    const int fd = manager_open(NULL);
    (void)state;
    assert_int_equal(setenv("WATCHDOG_USEC", "2000000", 1), 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    bed_open(&b);
    own_signals(&b);
    plait__notify_ready(b.r);
    assert_heard(fd, "READY=1");
    assert_heard(fd, "WATCHDOG=1");
    plait__notify_ready(b.r); /* a second run of the loop starts no second watchdog */
    assert_heard(fd, "READY=1");
    assert_heard(fd, "");
    for (int i = 0; i < 3; i++) {
        bed_pass(&b, plait_millis(990));
        assert_heard(fd, "");
        bed_pass(&b, plait_millis(11));
        assert_heard(fd, "WATCHDOG=1");
        assert_heard(fd, "");
    }
    bed_close(&b);
    manager_close(fd);
}

static void a_watchdog_of_another_process_or_none_is_left_alone(void **state)
{
    static const char *const micros[] = {"0", "soon", "2000000", "2000000"};
    static const char *const pids[] = {NULL, NULL, "1", "me"};
    const int fd = manager_open(NULL);
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(micros); i++) {
        struct bed b;
        assert_int_equal(setenv("WATCHDOG_USEC", micros[i], 1), 0);
        unsetenv("WATCHDOG_PID");
        if (pids[i])
            assert_int_equal(setenv("WATCHDOG_PID", pids[i], 1), 0);
        bed_open(&b);
        own_signals(&b);
        plait__notify_ready(b.r);
        assert_heard(fd, "READY=1");
        bed_pass(&b, plait_seconds(5));
        assert_heard(fd, "");
        bed_close(&b);
    }
    manager_close(fd);
}

static void a_watchdog_without_memory_is_logged(void **state)
{
    struct bed b;
    const int fd = manager_open(NULL);
    (void)state;
    assert_int_equal(setenv("WATCHDOG_USEC", "2000000", 1), 0);
    bed_open(&b);
    own_signals(&b);
    bed_fail(&b, 1);
    plait__notify_ready(b.r);
    bed_heal(&b);
    assert_true(bed_logged(&b, "watchdog-failed"));
    bed_close(&b);
    manager_close(fd);
}

static void a_failing_socket_is_an_error_and_leaves_nothing(void **state)
{
    static const char *const calls[] = {"socket", "sendmsg"};
    const int fd = manager_open(NULL);
    struct plait_injector *injector = plait_injector_new(plait__sys_kernel());
    const struct plait_reactor_options ro = {.sys = plait_injector_sys(injector)};
    struct plait_reactor *r = plait_reactor_new(&ro);
    const size_t before = test_open_descriptors();
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        assert_ok(plait_injector_fail(injector, calls[i], 1, 1, EMFILE));
        assert_err(plait_notify_manager(r, "READY=1"), PLAIT_EIO);
        assert_int_equal(test_open_descriptors(), before);
    }
    plait_reactor_free(&r);
    plait_injector_free(&injector);
    manager_close(fd);
}

static void the_watchdog_ends_with_its_reactor(void **state)
{
    struct bed b;
    struct bed_part part;
    const int fd = manager_open(NULL);
    (void)state;
    assert_int_equal(setenv("WATCHDOG_USEC", "2000000", 1), 0);
    bed_open(&b);
    own_signals(&b);
    bed_part_add(&b, &part);
    plait__notify_ready(b.r);
    assert_heard(fd, "READY=1");
    assert_heard(fd, "WATCHDOG=1");
    bed_close(&b); /* whose last turns would find it due */
    assert_heard(fd, "");
    manager_close(fd);
}

static void a_loop_that_runs_is_ready_and_one_that_could_not_start_is_not(void **state)
{
    struct bed b;
    const int fd = manager_open(NULL);
    (void)state;
    bed_open(&b);
    own_signals(&b);
    plait_reactor_stop(b.r); /* so that running it returns at once */
    assert_ok(plait_reactor_run(b.r));
    assert_heard(fd, "READY=1");
    b.r->failed = PLAIT_EADDRINUSE;
    assert_err(plait_reactor_run(b.r), PLAIT_EADDRINUSE);
    assert_heard(fd, "");
    bed_close(&b);
    manager_close(fd);
}

TEST_MAIN(cmocka_unit_test(a_state_reaches_a_manager_at_a_path_or_an_abstract_name),
          cmocka_unit_test(without_a_manager_nothing_happens),
          cmocka_unit_test(a_manager_that_is_not_there_is_logged_only),
          cmocka_unit_test(only_the_owner_of_the_signals_tells_by_itself),
          cmocka_unit_test(the_watchdog_is_fed_at_half_its_time),
          cmocka_unit_test(a_watchdog_of_another_process_or_none_is_left_alone),
          cmocka_unit_test(a_watchdog_without_memory_is_logged),
          cmocka_unit_test(a_failing_socket_is_an_error_and_leaves_nothing),
          cmocka_unit_test(the_watchdog_ends_with_its_reactor),
          cmocka_unit_test(a_loop_that_runs_is_ready_and_one_that_could_not_start_is_not))
