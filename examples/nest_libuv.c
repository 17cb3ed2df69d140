/* SPDX-License-Identifier: MIT
 *
 * A reactor inside libuv's loop: uv_poll watches the reactor's descriptor, a uv_timer wakes for the reactor's next
 * timeout, and each takes one turn. A libuv timer and a Plait timer tick side by side, three times each.
 */
#include <plait/reactor.h>

#include <stdio.h>
#include <uv.h>

struct nest {
    struct plait_reactor *reactor;
    struct plait_timer timer;
    uv_poll_t poll;
    uv_timer_t wake, tick;
    int plait, libuv;
};

static void on_wake(uv_timer_t *wake);

/* One turn, and then the timer for the next one. */
static void turn(struct nest *nest)
{
    const plait_err err = plait_reactor_step(nest->reactor, 0);
    const plait_span wait = plait_reactor_next_timeout(nest->reactor);
    if (wait == PLAIT_NEVER)
        uv_timer_stop(&nest->wake);
    else
        uv_timer_start(&nest->wake, on_wake, (uint64_t)((wait + plait_millis(1) - 1) / plait_millis(1)), 0);
    if (err != PLAIT_OK || (nest->plait >= 3 && nest->libuv >= 3))
        uv_stop(nest->poll.loop);
}

static void on_wake(uv_timer_t *wake)
{
    turn(wake->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    turn(poll->data);
}

static void plait_tick(void *ctx)
{
    struct nest *nest = ctx;
    printf("plait %d\n", ++nest->plait);
    if (nest->plait < 3)
        plait_timer_arm(&nest->timer, plait_millis(20));
}

static void libuv_tick(uv_timer_t *tick)
{
    struct nest *nest = tick->data;
    printf("libuv %d\n", ++nest->libuv);
    if (nest->libuv == 3)
        uv_timer_stop(tick);
    turn(nest);
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    struct nest nest = {.reactor = plait_reactor_new(NULL)};
    if (!nest.reactor || uv_poll_init(loop, &nest.poll, plait_reactor_fd(nest.reactor)) != 0)
        return plait_main_status(PLAIT_ENOMEM);
    nest.poll.data = nest.wake.data = nest.tick.data = &nest;
    uv_timer_init(loop, &nest.wake);
    uv_timer_init(loop, &nest.tick);
    uv_poll_start(&nest.poll, UV_READABLE, on_poll);
    uv_timer_start(&nest.tick, libuv_tick, 15, 15);
    plait_timer_init(&nest.timer, nest.reactor, "tick", plait_tick, &nest);
    plait_timer_arm(&nest.timer, plait_millis(20));
    turn(&nest);
    uv_run(loop, UV_RUN_DEFAULT);
    plait_reactor_free(&nest.reactor);
    return 0;
}
