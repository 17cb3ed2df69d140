/* SPDX-License-Identifier: MIT
 *
 * Debug builds check the reactor's laws: each is broken here in a child process, which must die of it. Builds without
 * assertions have nothing to test.
 */
#include "tests/engine/peer.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct world {
    struct bed b;
    struct plait_stream *s, *other;
    struct plait_timer timer, other_timer;
    struct plait_soon soon;
    struct plait_deferred *d;
    struct peer p, q;
    void (*breaks)(struct world *w);
    bool in_thread; /* the law is broken by another thread, during a turn */
};

static void *thread_main(void *ctx)
{
    struct world *w = ctx;
    w->breaks(w);
    return NULL;
}

static void turn_comes(void *ctx)
{
    struct world *w = ctx;
    pthread_t thread;
    if (!w->in_thread) {
        w->breaks(w);
    } else if (pthread_create(&thread, NULL, thread_main, w) == 0) {
        pthread_join(thread, NULL);
    }
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void run_child(struct world *w)
{
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGABRT, SIG_DFL);
    if (!freopen("/dev/null", "w", stderr)) /* what assert says */
        _exit(2);
    bed_open_real(&w->b);
    join(&w->b, JOINT_PAIR, &w->s, &w->other);
    peer_attach(&w->p, w->s, &peer_protocol);
    peer_attach(&w->q, w->other, &peer_protocol);
    w->d = plait_deferred_new(w->b.r, "laws", NULL, NULL);
    plait_timer_init(&w->timer, w->b.r, "laws", turn_comes, w);
    plait_timer_init(&w->other_timer, w->b.r, "laws", nothing, w);
    plait_soon_init(&w->soon, w->b.r, "laws", nothing, w);
    plait_timer_arm(&w->timer, 0);
    plait_timer_arm(&w->other_timer, plait_seconds(1000));
    for (int n = 0; n < 20; n++)
        (void)!plait_reactor_step(w->b.r, plait_millis(1));
    _exit(0); /* nobody minded */
}

static bool dies(void (*breaks)(struct world *w), bool in_thread)
{
    static struct world w;
    int status = 0;
    memset(&w, 0, sizeof w);
    w.breaks = breaks;
    w.in_thread = in_thread;
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        run_child(&w);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* --- what other threads may not do -------------------------------------------------------------------------------- */

static void arm(struct world *w)
{
    plait_timer_arm_at(&w->other_timer, 1);
}

static void stop_timer(struct world *w)
{
    plait_timer_stop(&w->other_timer);
}

static void queue(struct world *w)
{
    plait_soon_queue(&w->soon);
}

static void cancel_soon(struct world *w)
{
    plait_soon_cancel(&w->soon);
}

static void write_bytes(struct world *w)
{
    plait_write(w->s, PLAIT_LIT("x"));
}

static void flush(struct world *w)
{
    plait_flush(w->s);
}

static void need(struct world *w)
{
    plait_need(w->s, 1);
}

static void pause_it(struct world *w)
{
    plait_pause(w->s);
}

static void resume(struct world *w)
{
    plait_resume(w->s);
}

static void close_it(struct world *w)
{
    plait_close(w->s);
}

static void close_write(struct world *w)
{
    plait_close_write(w->s);
}

static void abort_it(struct world *w)
{
    plait_abort(w->s);
}

static void attach(struct world *w)
{
    plait_stream_attach(w->s, &peer_protocol, &w->p);
}

static void fire(struct world *w)
{
    plait_fire(w->d, plait_value_num(1));
}

static void cancel(struct world *w)
{
    plait_deferred_cancel(w->d);
}

static void then(struct world *w)
{
    struct seen seen;
    (void)!plait_then(w->d, see, &seen);
}

static void make_deferred(struct world *w)
{
    (void)!plait_deferred_new(w->b.r, "laws", NULL, NULL);
}

static void stop(struct world *w)
{
    plait_reactor_stop(w->b.r);
}

static void step(struct world *w)
{
    (void)!plait_reactor_step(w->b.r, 0);
}

static void post(struct world *w)
{
    (void)!plait_reactor_post(w->b.r, "laws", nothing, NULL);
}

static void only_its_own_thread_calls_a_reactor(void **state)
{
    static void (*const calls[])(struct world *) = {
        arm,         stop_timer, queue,  cancel_soon, write_bytes, flush, need, pause_it, resume,       close_it,
        close_write, abort_it,   attach, fire,        cancel,      then,  stop, step,     make_deferred};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        if (!dies(calls[i], true))
            fail_msg("call %zu of another thread was let through", i);
        assert_true(calls[i] == step || !dies(calls[i], false));
    }
}

static void any_thread_may_post(void **state)
{
    (void)state;
    assert_false(dies(post, true));
}

/* --- what nobody may do ------------------------------------------------------------------------------------------- */

static void free_inside(struct world *w)
{
    plait_reactor_free(&w->b.r);
}

static void a_callback_does_not_free_its_reactor(void **state)
{
    (void)state;
    assert_true(dies(free_inside, false));
}

static void end_twice(struct world *w)
{
    const struct plait__up_ops *up = w->s->carrier->up_ops;
    up->input_end(w->s);
    up->input_end(w->s);
}

static void input_behind_the_end(struct world *w)
{
    uint8_t byte = 0;
    w->s->carrier->up_ops->input_end(w->s);
    w->s->carrier->up_ops->input(w->s, &byte, 1);
}

static void closed_unasked(struct world *w)
{
    w->s->carrier->up_ops->closed(w->s);
}

static void a_carrier_ends_once_and_in_order(void **state)
{
    (void)state;
    assert_true(dies(end_twice, false));
    assert_true(dies(input_behind_the_end, false));
    assert_true(dies(closed_unasked, false));
}

static void callback_in_callback(struct world *w)
{
    w->s->flags |= PLAIT__F_IN_CALL;
    w->s->carrier->up_ops->input_fds(w->s, NULL, 0);
}

static void callbacks_of_a_stream_do_not_nest(void **state)
{
    (void)state;
    assert_true(dies(callback_in_callback, false));
}

static int setup(void **state)
{
    (void)state;
#ifdef NDEBUG
    exit(0);
#endif
    return 0;
}

TEST_MAIN_WITH(setup, NULL, cmocka_unit_test(only_its_own_thread_calls_a_reactor),
               cmocka_unit_test(any_thread_may_post), cmocka_unit_test(a_callback_does_not_free_its_reactor),
               cmocka_unit_test(a_carrier_ends_once_and_in_order), cmocka_unit_test(callbacks_of_a_stream_do_not_nest))
