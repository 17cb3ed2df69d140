/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/reactor.c and soon.c: turns, stopping, the ready list, what is counted, making a reactor under
 * failing memory and calls.
 */
#include "tests/engine/bed.h"

#include <signal.h>
#include <unistd.h>

struct call {
    struct plait_soon soon;
    struct bed *bed;
    int ran;
    int *order;
    int place;
    struct call *queues, *cancels;
    bool again;
    plait_span takes;
};

static void ran(void *ctx)
{
    struct call *c = ctx;
    c->ran++;
    if (c->order)
        c->place = ++*c->order;
    if (c->queues)
        plait_soon_queue(&c->queues->soon);
    if (c->cancels)
        plait_soon_cancel(&c->cancels->soon);
    if (c->again)
        plait_soon_queue(&c->soon);
    c->bed->clock += c->takes;
}

static void call_init(struct call *c, struct bed *b)
{
    memset(c, 0, sizeof *c);
    c->bed = b;
    plait_soon_init(&c->soon, b->r, "test-call", ran, c);
}

static void queued_calls_run_in_order_later_and_once(void **state)
{
    struct bed b;
    struct call c[3];
    int order = 0;
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 3; i++) {
        call_init(&c[i], &b);
        c[i].order = &order;
    }
    plait_soon_queue(&c[2].soon);
    plait_soon_queue(&c[0].soon);
    plait_soon_queue(&c[2].soon);
    plait_soon_queue(&c[1].soon);
    assert_int_equal(order, 0);
    bed_run(&b);
    assert_int_equal(c[2].place, 1);
    assert_int_equal(c[0].place, 2);
    assert_int_equal(c[1].place, 3);
    assert_int_equal(c[2].ran, 1);
    bed_close(&b);
}

static void a_call_may_queue_and_cancel_others(void **state)
{
    struct bed b;
    struct call c[4];
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 4; i++)
        call_init(&c[i], &b);
    c[0].queues = &c[1];
    c[0].cancels = &c[2];
    plait_soon_queue(&c[0].soon);
    plait_soon_queue(&c[2].soon);
    plait_soon_queue(&c[3].soon);
    bed_run(&b);
    assert_int_equal(c[1].ran, 1);
    assert_int_equal(c[2].ran, 0);
    assert_int_equal(c[3].ran, 1);
    plait_soon_cancel(&c[2].soon);
    plait_soon_queue(&c[1].soon); /* the last of the list: what is queued behind it must still be found */
    plait_soon_cancel(&c[1].soon);
    plait_soon_queue(&c[2].soon);
    bed_run(&b);
    assert_int_equal(c[2].ran, 1);
    bed_close(&b);
}

static void a_call_that_queues_itself_for_ever_does_not_stop_the_turn(void **state)
{
    struct bed b;
    struct call c;
    (void)state;
    bed_open(&b);
    call_init(&c, &b);
    c.again = true;
    plait_soon_queue(&c.soon);
    assert_ok(plait_reactor_step(b.r, PLAIT_NEVER));
    assert_true(c.ran > 1);
    assert_int_equal(plait_reactor_next_timeout(b.r), 0);
    plait_soon_cancel(&c.soon);
    bed_close(&b);
}

static void a_slow_callback_is_logged_by_name_and_counted(void **state)
{
    struct bed b;
    struct call c;
    (void)state;
    bed_open(&b);
    call_init(&c, &b);
    c.takes = plait_seconds(2000);
    plait_soon_queue(&c.soon);
    bed_run(&b);
    assert_true(bed_logged(&b, "test-call"));
    assert_true(bed_logged(&b, "2000000"));
    struct plait_metric *slow = plait_metrics_find(plait_reactor_metrics(b.r), "plait_loop_slow_callbacks", "");
    assert_int_equal(slow->value, 1);
    c.takes = plait_seconds(1000); /* no longer than it may */
    plait_soon_queue(&c.soon);
    bed_run(&b);
    assert_int_equal(slow->value, 1);
    bed_close(&b);
}

static void stop_in_callback(void *ctx)
{
    plait_reactor_stop(ctx);
}

static plait_err inner;

static void run_inside(void *ctx)
{
    struct plait_reactor *r = ctx;
    inner = plait_reactor_run(r);
    assert_err(plait_reactor_step(r, 0), PLAIT_ESTATE);
    plait_reactor_stop(r);
}

static void run_ends_at_stop_and_can_be_run_again(void **state)
{
    struct bed b;
    struct plait_timer t;
    (void)state;
    bed_open_real(&b);
    for (int i = 0; i < 2; i++) {
        plait_timer_init(&t, b.r, "stop", stop_in_callback, b.r);
        plait_timer_arm(&t, plait_millis(3));
        assert_ok(plait_reactor_run(b.r));
    }
    plait_timer_init(&t, b.r, "inside", run_inside, b.r);
    plait_timer_arm(&t, 0);
    assert_ok(plait_reactor_run(b.r));
    assert_int_equal(inner, PLAIT_ESTATE);
    bed_close(&b);
}

static void a_service_that_could_not_start_makes_run_return_at_once(void **state)
{
    struct bed b;
    (void)state;
    bed_open_real(&b);
    b.r->failed = PLAIT_EADDRINUSE;
    assert_err(plait_reactor_run(b.r), PLAIT_EADDRINUSE);
    bed_close(&b);
}

static int broken_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys, (void)epfd, (void)events, (void)max, (void)wait_ns;
    return -EBADF;
}

static void a_wait_that_fails_ends_the_run(void **state)
{
    struct bed b;
    (void)state;
    bed_open_real(&b);
    b.ops.epoll_wait = broken_wait;
    assert_err(plait_reactor_run(b.r), PLAIT_EINVAL);
    b.ops.epoll_wait = plait__sys_kernel()->ops->epoll_wait;
    bed_close(&b);
}

/* --- making one --------------------------------------------------------------------------------------------------- */

static void a_reactor_that_finds_no_memory_is_null_and_leaves_nothing(void **state)
{
    struct bed b;
    const size_t before = test_open_descriptors();
    bool made = false;
    (void)state;
    for (uint64_t n = 1; !made; n++) {
        made = bed_try(&b, n, false);
        if (made)
            bed_close(&b);
        assert_int_equal(b.heap.live, 0);
        assert_int_equal(test_open_descriptors(), before);
        assert_true(n < 50);
    }
}

static int no_epoll(struct plait_sys *sys, int flags)
{
    (void)sys, (void)flags;
    return -EMFILE;
}

static int no_eventfd(struct plait_sys *sys, unsigned value, int flags)
{
    (void)sys, (void)value, (void)flags;
    return -EMFILE;
}

static ssize_t no_entropy(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys, (void)buf, (void)len;
    return -ENOSYS;
}

static void a_reactor_that_lacks_a_call_is_null_and_leaves_nothing(void **state)
{
    const size_t before = test_open_descriptors();
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct plait_sys_ops ops = *plait__sys_kernel()->ops;
        struct plait_sys sys = {.ops = &ops};
        if (i == 0)
            ops.epoll_create1 = no_epoll;
        else if (i == 1)
            ops.eventfd = no_eventfd;
        else
            ops.getrandom = no_entropy;
        const struct plait_reactor_options options = {.sys = &sys};
        struct plait_reactor *r = plait_reactor_new(&options);
        assert_null(r);
        plait_reactor_free(&r);
        assert_int_equal(test_open_descriptors(), before);
    }
}

static void the_defaults_serve_without_options(void **state)
{
    (void)state;
    struct plait_reactor *r = plait_reactor_new(NULL);
    assert_non_null(r);
    assert_true(plait_reactor_fd(r) >= 0);
    assert_non_null(plait_reactor_log(r));
    assert_non_null(plait_reactor_budget(r));
    plait_reactor_free(&r);
    assert_null(r);
}

/* --- what it can be asked ----------------------------------------------------------------------------------------- */

static ssize_t two_bytes_at_a_time(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    memset(buf, 7, len < 2 ? len : 2);
    return len < 2 ? (ssize_t)len : 2;
}

static void random_bytes_come_whole_or_not_at_all(void **state)
{
    struct bed b;
    uint8_t bytes[5] = {0};
    (void)state;
    bed_open(&b);
    b.ops.getrandom = two_bytes_at_a_time;
    assert_ok(plait_random_bytes(b.r, bytes, sizeof bytes));
    assert_int_equal(bytes[4], 7);
    b.ops.getrandom = no_entropy;
    assert_err(plait_random_bytes(b.r, bytes, sizeof bytes), PLAIT_EIO);
    assert_int_not_equal(plait_random_u64(b.r), plait_random_u64(b.r));
    bed_close(&b);
}

static void the_wall_clock_is_the_tables(void **state)
{
    struct bed b;
    int64_t seconds;
    uint32_t nanoseconds;
    (void)state;
    bed_open(&b);
    b.clock = 1234567890123456789;
    plait_wall_clock(b.r, &seconds, &nanoseconds);
    assert_int_equal(seconds, 1234567890);
    assert_int_equal(nanoseconds, 123456789);
    bed_close(&b);
}

static void without_a_log_of_its_own_it_writes_to_standard_error(void **state)
{
    char got[256] = "";
    int pipe_fd[2];
    (void)state;
    assert_int_equal(pipe(pipe_fd), 0);
    const int kept = dup(2);
    dup2(pipe_fd[1], 2);
    struct plait_reactor *r = plait_reactor_new(NULL);
    plait_log_event(plait_reactor_log(r), PLAIT_LOG_WARN, "test", "event", "a sentence", NULL);
    plait_reactor_free(&r);
    dup2(kept, 2);
    assert_true(read(pipe_fd[0], got, sizeof got - 1) > 0);
    assert_non_null(strstr(got, "a sentence"));
    close(kept);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

static void nobody_calls(void *ctx)
{
    (void)ctx;
}

static void what_is_left_is_counted_without_the_housekeeping(void **state)
{
    static const char *const housekeeping[] = {"linger", "accept-retry", "tls-ticket-key", "watchdog", "drain-grace"};
    struct bed b;
    struct plait_timer own[TEST_COUNT(housekeeping)];
    struct plait_timer timer[2];
    struct plait_reactor_left left;
    struct plait_stream *s[2];
    (void)state;
    bed_open(&b);
    plait_reactor_look(b.r, &left);
    assert_int_equal(left.streams + left.deferreds + left.tasks + left.jobs + left.timers, 0);
    for (size_t i = 0; i < TEST_COUNT(own); i++) {
        plait_timer_init(&own[i], b.r, housekeeping[i], nobody_calls, NULL);
        plait_timer_arm(&own[i], plait_seconds(5));
    }
    plait_reactor_look(b.r, &left);
    assert_int_equal(left.timers, 0);
    for (int i = 0; i < 2; i++) {
        plait_timer_init(&timer[i], b.r, "test-timer", nobody_calls, NULL);
        plait_timer_arm(&timer[i], plait_seconds(1 + 100 * i));
    }
    struct plait_deferred *d = plait_deferred_new(b.r, "test-deferred", NULL, NULL);
    struct plait_deferred *e = plait_deferred_new(b.r, "test-deferred", NULL, NULL);
    assert_ok(plait_pair_new(b.r, &s[0], &s[1]));
    plait_reactor_look(b.r, &left);
    assert_int_equal(left.timers, 2);
    assert_string_equal(left.timer, "test-timer");
    assert_int_equal(left.deferreds, 2);
    assert_int_equal(left.streams, 2);
    plait_deferred_cancel(d);
    plait_deferred_cancel(e);
    plait_deferred_ignore(d);
    plait_deferred_ignore(e);
    bed_close(&b);
}

static size_t written;
static char written_text[512];

static ssize_t note_write(struct plait_sys *sys, int fd, const void *bytes, size_t len)
{
    (void)sys;
    assert_int_equal(fd, 2);
    for (size_t i = 0; i < len && written + 1 < sizeof written_text; i++)
        written_text[written++] = ((const char *)bytes)[i];
    written_text[written] = '\0';
    return (ssize_t)len;
}

static int is_terminal, no_colour;

static int say_terminal(struct plait_sys *sys, int fd)
{
    (void)sys;
    return fd == 2 && is_terminal;
}

static const char *say_env(struct plait_sys *sys, const char *name)
{
    (void)sys;
    return no_colour && strcmp(name, "NO_COLOR") == 0 ? "1" : NULL;
}

static void lines_have_colours_on_a_terminal_whose_user_wants_them(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct plait_sys_ops ops = *plait__sys_kernel()->ops;
        struct plait_sys sys = {.ops = &ops};
        const struct plait_log_options log = {.level = PLAIT_LOG_INFO, .form = i & 4 ? PLAIT_LOG_JSON : PLAIT_LOG_TEXT};
        const struct plait_reactor_options options = {.sys = &sys, .log = &log};
        is_terminal = i & 1;
        no_colour = i & 2;
        written = 0;
        ops.write = note_write;
        ops.isatty = say_terminal;
        ops.env = say_env;
        struct plait_reactor *r = plait_reactor_new(&options);
        plait_log_event(plait_reactor_log(r), PLAIT_LOG_WARN, "test", "event", "a sentence", NULL);
        plait_reactor_free(&r);
        assert_non_null(strstr(written_text, "a sentence"));
        assert_int_equal(strchr(written_text, 033) != NULL, i == 1);
    }
}

static void run_within(void *ctx)
{
    struct call *c = ctx;
    c->ran++;
    assert_err(plait_reactor_run(c->bed->r), PLAIT_ESTATE);
    assert_err(plait_reactor_step(c->bed->r, 0), PLAIT_ESTATE);
}

static void a_callback_of_a_step_cannot_run_the_loop(void **state)
{
    struct bed b;
    struct call c;
    static const uint64_t zero[2];
    (void)state;
    bed_open(&b);
    assert_int_equal(sizeof b.r->hash_key, sizeof zero);
    assert_memory_not_equal(b.r->hash_key, zero, sizeof zero); /* random too */
    call_init(&c, &b);
    plait_soon_init(&c.soon, b.r, "test-call", run_within, &c);
    plait_soon_queue(&c.soon);
    bed_run(&b);
    assert_int_equal(c.ran, 1);
    bed_close(&b);
}

static void a_main_program_ends_with_0_or_1(void **state)
{
    char got[256] = "";
    int pipe_fd[2];
    (void)state;
    assert_int_equal(plait_main_status(PLAIT_OK), 0);
    assert_int_equal(pipe(pipe_fd), 0);
    const int kept = dup(2);
    dup2(pipe_fd[1], 2);
    const int status = plait_main_status(PLAIT_EADDRINUSE);
    dup2(kept, 2);
    close(kept);
    close(pipe_fd[1]);
    assert_int_equal(status, 1);
    const ssize_t len = read(pipe_fd[0], got, sizeof got - 1);
    assert_true(len > 8);
    assert_memory_equal(got, "plait: ", 7);
    assert_int_equal(got[len - 1], '\n');
    close(pipe_fd[0]);
}

static void call_names_are_those_of_the_table(void **state)
{
    (void)state;
    assert_string_equal(plait__sys_call_name(PLAIT_SYS_socket), "socket");
    assert_string_equal(plait__sys_call_name(PLAIT_SYS_CALL_COUNT), "?");
}

static void how_late_timers_are_is_counted(void **state)
{
    struct bed b;
    struct plait_timer t;
    (void)state;
    bed_open(&b);
    bed_pass(&b, plait_seconds(1));
    assert_int_equal(b.r->counts.lag.count, 0); /* no timer was due */
    plait_timer_init(&t, b.r, "test-timer", nobody_calls, NULL);
    plait_timer_arm_at(&t, 0); /* due when the next turn's tick begins */
    b.clock = plait__wheel_next(b.r->wheel);
    bed_run(&b);
    assert_false(plait_timer_runs(&t));
    assert_int_equal(b.r->counts.lag.count, 1);
    assert_int_equal(b.r->counts.lag.sum, 0);
    plait_timer_arm(&t, plait_seconds(1));
    b.clock = plait__wheel_next(b.r->wheel) + plait_millis(3);
    bed_run(&b);
    assert_int_equal(b.r->counts.lag.count, 2);
    assert_int_equal(b.r->counts.lag.sum, plait_millis(3));
    bed_close(&b);
}

static int64_t ready_depth(struct bed *b)
{
    return plait_metrics_find(plait_reactor_metrics(b->r), "plait_loop_ready", "")->value;
}

static void the_depth_of_the_ready_list_is_counted(void **state)
{
    struct bed b;
    struct call c[3];
    (void)state;
    bed_open(&b);
    for (int i = 0; i < 3; i++) {
        call_init(&c[i], &b);
        plait_soon_queue(&c[i].soon);
    }
    assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(ready_depth(&b), 3);
    plait_soon_queue(&c[0].soon);
    plait_soon_queue(&c[1].soon);
    plait_soon_cancel(&c[0].soon);
    assert_ok(plait_reactor_step(b.r, 0));
    assert_int_equal(ready_depth(&b), 1);
    bed_close(&b);
}

/* Another thread than the one that made the reactor, with SIGPIPE as programs have it. */
static void *run_it(void *ctx)
{
    struct bed *b = ctx;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_ok(plait_reactor_run(b->r));
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    b->user = sigismember(&set, SIGPIPE);
    return NULL;
}

static void whichever_thread_runs_it_survives_a_broken_pipe(void **state)
{
    struct bed b;
    struct plait_timer t;
    pthread_t thread;
    (void)state;
    bed_open_real(&b);
    plait_timer_init(&t, b.r, "stop", stop_in_callback, b.r);
    plait_timer_arm(&t, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_it, &b), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(b.user, 1);
    bed_close(&b);
}

static int waits;

static int count_wait(struct plait_sys *sys, int epfd, struct epoll_event *events, int max, int64_t wait_ns)
{
    (void)sys;
    waits++;
    return plait__sys_kernel()->ops->epoll_wait(plait__sys_kernel(), epfd, events, max, wait_ns);
}

static void the_end_takes_no_more_turns_than_there_is_to_do(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    waits = 0;
    b.ops.epoll_wait = count_wait;
    bed_close(&b);
    assert_in_range(waits, 1, 20);
}

TEST_MAIN(cmocka_unit_test(queued_calls_run_in_order_later_and_once),
          cmocka_unit_test(a_call_may_queue_and_cancel_others),
          cmocka_unit_test(a_call_that_queues_itself_for_ever_does_not_stop_the_turn),
          cmocka_unit_test(a_slow_callback_is_logged_by_name_and_counted),
          cmocka_unit_test(run_ends_at_stop_and_can_be_run_again),
          cmocka_unit_test(a_service_that_could_not_start_makes_run_return_at_once),
          cmocka_unit_test(a_wait_that_fails_ends_the_run),
          cmocka_unit_test(a_reactor_that_finds_no_memory_is_null_and_leaves_nothing),
          cmocka_unit_test(a_reactor_that_lacks_a_call_is_null_and_leaves_nothing),
          cmocka_unit_test(the_defaults_serve_without_options), cmocka_unit_test(random_bytes_come_whole_or_not_at_all),
          cmocka_unit_test(the_wall_clock_is_the_tables),
          cmocka_unit_test(without_a_log_of_its_own_it_writes_to_standard_error),
          cmocka_unit_test(what_is_left_is_counted_without_the_housekeeping),
          cmocka_unit_test(lines_have_colours_on_a_terminal_whose_user_wants_them),
          cmocka_unit_test(a_callback_of_a_step_cannot_run_the_loop), cmocka_unit_test(a_main_program_ends_with_0_or_1),
          cmocka_unit_test(call_names_are_those_of_the_table), cmocka_unit_test(how_late_timers_are_is_counted),
          cmocka_unit_test(the_depth_of_the_ready_list_is_counted),
          cmocka_unit_test(whichever_thread_runs_it_survives_a_broken_pipe),
          cmocka_unit_test(the_end_takes_no_more_turns_than_there_is_to_do))
