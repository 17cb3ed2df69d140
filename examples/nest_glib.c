/* SPDX-License-Identifier: MIT
 *
 * A reactor inside GLib's main loop: a GSource that polls the reactor's descriptor, waits no longer than the reactor
 * may, and takes one turn when either is over. A GLib timer and a Plait timer tick side by side, three times each.
 */
#include <plait/reactor.h>

#include <glib.h>

struct nest {
    GSource source; /* first */
    struct plait_reactor *reactor;
};

static gboolean prepare(GSource *source, gint *timeout_ms)
{
    const plait_span wait = plait_reactor_next_timeout(((struct nest *)source)->reactor);
    *timeout_ms = wait == PLAIT_NEVER ? -1 : (gint)MIN((wait + plait_millis(1) - 1) / plait_millis(1), G_MAXINT);
    return wait == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer data)
{
    (void)unused, (void)data;
    return plait_reactor_step(((struct nest *)source)->reactor, 0) == PLAIT_OK ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* `check` is left out: GLib sees itself when the descriptor is ready, and `prepare` sees when the wait is over. */
static GSourceFuncs functions = {.prepare = prepare, .dispatch = dispatch};

struct ticks {
    GMainLoop *loop;
    struct plait_timer timer;
    int plait, glib;
};

static void quit_when_done(struct ticks *t)
{
    if (t->plait >= 3 && t->glib >= 3)
        g_main_loop_quit(t->loop);
}

static void plait_tick(void *ctx)
{
    struct ticks *t = ctx;
    g_print("plait %d\n", ++t->plait);
    if (t->plait < 3)
        plait_timer_arm(&t->timer, plait_millis(20));
    quit_when_done(t);
}

static gboolean glib_tick(gpointer data)
{
    struct ticks *t = data;
    g_print("glib %d\n", ++t->glib);
    quit_when_done(t);
    return t->glib < 3;
}

int main(void)
{
    struct plait_reactor *reactor = plait_reactor_new(NULL);
    if (!reactor)
        return plait_main_status(PLAIT_ENOMEM);
    struct ticks ticks = {.loop = g_main_loop_new(NULL, FALSE)};
    GSource *source = g_source_new(&functions, sizeof(struct nest));
    ((struct nest *)source)->reactor = reactor;
    g_source_add_unix_fd(source, plait_reactor_fd(reactor), G_IO_IN);
    g_source_attach(source, NULL);
    plait_timer_init(&ticks.timer, reactor, "tick", plait_tick, &ticks);
    plait_timer_arm(&ticks.timer, plait_millis(20));
    g_timeout_add(15, glib_tick, &ticks);
    g_main_loop_run(ticks.loop);
    g_source_destroy(source); /* before the reactor, whose descriptor it polls */
    g_source_unref(source);
    g_main_loop_unref(ticks.loop);
    plait_reactor_free(&reactor);
    return 0;
}
