/* SPDX-License-Identifier: MIT
 *
 * Supervision: children under names, each with one timer, which stands for whatever is next: the start, the kill, or
 * the end of waiting for last words. The delays are those of Twisted's ProcessMonitor: an early end doubles the next
 * one, a run of some length starts them anew and is followed by a start at once.
 *
 * A drain tells connections, and waits for them; so a supervisor has a guard, a stream to itself, that hears of the
 * drain and keeps it waiting until no child is left. Invariant: a child is forgotten when it was removed, its process
 * is reaped and its pipes are lost; the supervisor goes with the last of them and the guard. Test:
 * tests/small/test_supervise.c.
 */
#include "base/try.h"
#include "engine/core.h"
#include "engine/deferred_core.h"
#include "small/child_core.h"

#include <plait/supervise.h>

#include <signal.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, CHILDREN_MAX = 1000, PIPES = 2, GUARDS = 2, LAST_WORDS_MS = 1000 };

struct plait_supervisor {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_supervisor_options options;
    struct plait__list children;        /* in the order of adding */
    struct plait_stream *guard[GUARDS]; /* two ends of one pair; NULL: lost */
    bool over;                          /* nothing is started any more: the reactor drains or ends, or it was freed */
    bool freed;                         /* nobody has it: it goes when all is quiet */
};

/* One program. */
struct child {
    struct plait__list link;
    struct plait_supervisor *supervisor;
    struct plait_spawn_options options; /* its texts stand in `kept` */
    void *kept;
    struct plait_process *process; /* NULL: none, or its end is told */
    struct plait__list pipes;
    struct plait_timer timer;
    plait_time started;
    plait_span delay; /* after the next early end */
    struct plait_supervised_view view;
    bool wanted;  /* it is to run */
    bool told;    /* SIGTERM was sent to this process */
    bool removed; /* it has no name any more */
    char name[NAME_MAX_BYTES + 1];
};

/* One of the pipes of a process. A successor's are others. */
struct pipe {
    struct plait__list link;
    struct child *child;
    struct plait_stream *stream;
    int fd;
    struct plait__said said;
};

/* --- the end of all ----------------------------------------------------------------------------------------------- */

static bool is_quiet(const struct child *c)
{
    return !c->process && plait__list_empty(&c->pipes);
}

static void settle(struct plait_supervisor *s)
{
    if (!s->freed || !plait__list_empty(&s->children) || s->guard[0] || s->guard[1])
        return;
    plait__module_remove(&s->module);
    plait_mem_free(s);
}

/* Lets the drain go on when no child is left that it has to wait for. */
static void look_for_quiet(struct plait_supervisor *s)
{
    if (!s->over)
        return;
    for (struct plait__list *at = s->children.next; at != &s->children; at = at->next) {
        if (!is_quiet(plait__container(at, struct child, link)))
            return;
    }
    for (int i = 0; i < GUARDS; i++) {
        if (s->guard[i])
            plait_close(s->guard[i]);
    }
    settle(s);
}

static void forget(struct child *c)
{
    plait_timer_stop(&c->timer);
    plait__list_remove(&c->link);
    plait_mem_free(c->kept);
    plait_mem_free(c);
}

/* Something that a child had is gone. */
static void let_go(struct child *c)
{
    struct plait_supervisor *s = c->supervisor;
    if (c->removed && is_quiet(c))
        forget(c);
    look_for_quiet(s);
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

static void log_child(const struct child *c, enum plait_log_level level, const char *event, const char *text,
                      struct plait_field first, struct plait_field second)
{
    const struct plait_field fields[] = {plait_field_text("name", c->name), first, second, plait_field_end()};
    plait_log_event(plait_reactor_log(c->supervisor->reactor), level, "small", event, text, fields);
}

/* The last thing that is done in a turn's step with a child: what is called may remove it, and all others. */
static void tell_changed(struct child *c)
{
    struct plait_supervisor *s = c->supervisor;
    if (s->options.changed && !s->freed && !c->removed) {
        const struct plait_supervised_view view = c->view;
        s->options.changed(&view, s->options.ctx);
    }
}

static void tell_line(plait_slice line, void *ctx)
{
    const struct pipe *p = ctx;
    const struct plait_supervisor *s = p->child->supervisor;
    if (s->options.said && !s->freed)
        s->options.said(p->child->name, p->fd, line, s->options.ctx);
    else
        log_child(p->child, PLAIT_LOG_INFO, "supervised-says", "a program says", plait_field_i64("fd", p->fd),
                  plait_field_bytes("line", line));
}

/* --- pipes -------------------------------------------------------------------------------------------------------- */

static size_t pipe_data(struct plait_stream *stream, plait_slice in, void *self)
{
    struct pipe *p = self;
    (void)stream;
    plait__said_put(&p->said, in, tell_line, p);
    return in.len;
}

/* The end of the program, whose pipes end with it, is what a drain waits for. */
static void pipe_drain(struct plait_stream *stream, void *self)
{
    (void)stream;
    (void)self;
}

static void pipe_lost(struct plait_stream *stream, const struct plait_fault *fault, void *self)
{
    struct pipe *p = self;
    struct child *c = p->child;
    (void)stream;
    (void)fault;
    plait__said_end(&p->said, tell_line, p);
    plait__list_remove(&p->link);
    plait_mem_free(p);
    let_go(c);
}

static const struct plait_protocol pipe_protocol = {
    .name = "supervised", .data = pipe_data, .drain = pipe_drain, .lost = pipe_lost};

static void free_pipes(struct pipe *pipes[PIPES])
{
    for (int i = 0; i < PIPES; i++)
        plait_mem_free(pipes[i]);
}

static void abort_pipes(struct child *c)
{
    for (struct plait__list *at = c->pipes.next; at != &c->pipes; at = at->next)
        plait_abort(plait__container(at, struct pipe, link)->stream);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static void set_state(struct child *c, enum plait_supervised_state state, plait_span delay)
{
    c->view.state = state;
    c->view.pid = c->process ? plait_process_pid(c->process) : 0;
    c->view.delay = delay;
}

/* A child has ended early or could not be started. */
static void wait_longer(struct child *c)
{
    const struct plait_supervisor_options *o = &c->supervisor->options;
    set_state(c, PLAIT_SUPERVISED_WAITING, c->delay);
    plait_timer_arm(&c->timer, c->delay);
    c->delay = c->delay < o->delay_max / 2 ? 2 * c->delay : o->delay_max;
}

static void start_soon(struct child *c)
{
    set_state(c, PLAIT_SUPERVISED_STARTING, 0);
    plait_timer_arm(&c->timer, 0);
}

/* What is next for a child without a process. */
static void go_on(struct child *c, bool early)
{
    if (!c->wanted) {
        set_state(c, PLAIT_SUPERVISED_STOPPED, 0);
        if (!plait__list_empty(&c->pipes)) /* what descends from it may hold them, for ever */
            plait_timer_arm(&c->timer, plait_millis(LAST_WORDS_MS));
    } else if (early) {
        wait_longer(c);
    } else {
        start_soon(c);
    }
}

static void on_exit(struct plait_result *result, void *ctx)
{
    struct child *c = ctx;
    const bool known = result->fault.err == PLAIT_OK;
    const bool early = !c->told && plait_now(c->supervisor->reactor) - c->started < c->supervisor->options.threshold;
    c->view.status = known ? (int)result->value.num : 0;
    result->fault.err = PLAIT_OK; /* seen */
    plait_process_free(&c->process);
    plait_timer_stop(&c->timer);
    if (!early)
        c->delay = c->supervisor->options.delay_min;
    go_on(c, early);
    log_child(c, c->told ? PLAIT_LOG_INFO : PLAIT_LOG_WARN, "supervised-ended", "a program ended",
              plait_field_i64("status", c->view.status), plait_field_i64("delay-ms", c->view.delay / plait_millis(1)));
    if (c->removed) {
        let_go(c);
        return;
    }
    look_for_quiet(c->supervisor);
    tell_changed(c);
}

static void attach_pipes(struct child *c, struct pipe *pipes[PIPES], const struct plait_child_map *map)
{
    for (int i = 0; i < PIPES; i++) {
        pipes[i]->child = c;
        pipes[i]->fd = map[i].child_fd;
        pipes[i]->stream = map[i].stream;
        plait__list_add_tail(&c->pipes, &pipes[i]->link);
        plait_stream_attach(map[i].stream, &pipe_protocol, pipes[i]);
    }
}

static plait_err spawn(struct child *c)
{
    struct plait_reactor *r = c->supervisor->reactor;
    struct plait_child_map map[] = {{.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT},
                                    {.child_fd = 2, .kind = PLAIT_CHILD_PIPE_OUT}};
    struct pipe *pipes[PIPES];
    for (int i = 0; i < PIPES; i++)
        pipes[i] = plait_mem_new(plait_reactor_budget(r), sizeof(struct pipe));
    struct plait_spawn_options o = c->options;
    o.map = map;
    o.map_count = PIPES;
    const plait_err err = pipes[0] && pipes[1] ? plait_spawn(r, &o, &c->process) : PLAIT_FAIL(PLAIT_ENOMEM);
    if (err != PLAIT_OK) {
        free_pipes(pipes);
        return err;
    }
    attach_pipes(c, pipes, map);
    struct plait_deferred *exit = plait_process_exit(c->process);
    if (plait_then(exit, on_exit, c) == PLAIT_OK)
        return PLAIT_OK;
    plait__deferred_drop(exit);
    plait_process_free(&c->process); /* kills it; its pipes end with it */
    return PLAIT_FAIL(PLAIT_ENOMEM);
}

static void launch(struct child *c)
{
    const plait_err err = spawn(c);
    c->told = false;
    c->started = plait_now(c->supervisor->reactor);
    if (err == PLAIT_OK) {
        c->view.starts++;
        set_state(c, PLAIT_SUPERVISED_RUNNING, 0);
        log_child(c, PLAIT_LOG_INFO, "supervised-started", "a program was started", plait_field_i64("pid", c->view.pid),
                  plait_field_end());
    } else {
        const struct plait_fault fault = plait_fault_make(err, "spawn");
        wait_longer(c);
        log_child(c, PLAIT_LOG_WARN, "supervised-failed", "a program could not be started", plait_field_fault(&fault),
                  plait_field_i64("delay-ms", c->view.delay / plait_millis(1)));
    }
    tell_changed(c);
}

static void on_timer(void *ctx)
{
    struct child *c = ctx;
    if (c->process) {
        log_child(c, PLAIT_LOG_WARN, "supervised-killed", "a program that was told to end did not, and is killed",
                  plait_field_i64("pid", c->view.pid), plait_field_end());
        (void)!plait_process_signal(c->process, SIGKILL); /* one that is dead already is as good */
        plait_timer_arm(&c->timer, c->supervisor->options.kill_after);
    } else if (c->wanted) {
        launch(c);
    } else {
        abort_pipes(c);
    }
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

/* Asks a process to end. */
static void tell_end(struct child *c)
{
    if (c->told)
        return;
    c->told = true;
    (void)!plait_process_signal(c->process, SIGTERM); /* one that is dead already: its end is on the way */
    set_state(c, PLAIT_SUPERVISED_STOPPING, 0);
    plait_timer_arm(&c->timer, c->supervisor->options.kill_after);
}

static void stop_child(struct child *c)
{
    c->wanted = false;
    if (c->process) {
        tell_end(c);
        return;
    }
    plait_timer_stop(&c->timer);
    go_on(c, false);
}

static void start_child(struct child *c)
{
    c->wanted = true;
    if (!c->process)
        start_soon(c);
}

static void restart_child(struct child *c)
{
    c->delay = c->supervisor->options.delay_min;
    start_child(c);
    if (c->process)
        tell_end(c);
}

static void remove_child(struct child *c)
{
    c->removed = true;
    stop_child(c);
    if (is_quiet(c))
        forget(c);
}

/* Does something with all children that have a name. */
static void for_all(struct plait_supervisor *s, void (*fn)(struct child *c))
{
    struct plait__list *at = s->children.next;
    while (at != &s->children) {
        struct child *c = plait__container(at, struct child, link);
        at = at->next;
        if (!c->removed)
            fn(c);
    }
}

static void stop_all(struct plait_supervisor *s)
{
    s->over = true;
    for_all(s, stop_child);
    look_for_quiet(s);
}

/* --- the guard ---------------------------------------------------------------------------------------------------- */

static void guard_drain(struct plait_stream *stream, void *self)
{
    struct plait_supervisor *s = self;
    (void)stream;
    if (!s->over)
        stop_all(s);
}

/* Also when a drain has lasted for too long: what is left is killed then, with the reactor. */
static void guard_lost(struct plait_stream *stream, const struct plait_fault *fault, void *self)
{
    struct plait_supervisor *s = self;
    (void)fault;
    s->guard[s->guard[0] == stream ? 0 : 1] = NULL;
    settle(s);
}

static const struct plait_protocol guard_protocol = {.name = "supervisor", .drain = guard_drain, .lost = guard_lost};

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void module_stop(struct plait__module *module)
{
    struct plait_supervisor *s = plait__container(module, struct plait_supervisor, module);
    s->freed = true;
    stop_all(s);
}

/* Everything was told of its end by now. */
static void module_release(struct plait__module *module)
{
    struct plait_supervisor *s = plait__container(module, struct plait_supervisor, module);
    while (!plait__list_empty(&s->children))
        forget(plait__container(s->children.next, struct child, link));
    settle(s);
}

static void fill_options(struct plait_supervisor_options *o)
{
    o->threshold = o->threshold ? o->threshold : plait_seconds(1);
    o->kill_after = o->kill_after ? o->kill_after : plait_seconds(5);
    o->delay_min = o->delay_min ? o->delay_min : plait_seconds(1);
    o->delay_max = o->delay_max ? o->delay_max : plait_seconds(3600);
    if (o->delay_max < o->delay_min)
        o->delay_max = o->delay_min;
}

plait_err plait_supervisor_new(struct plait_reactor *reactor, const struct plait_supervisor_options *options,
                               struct plait_supervisor **out)
{
    if (plait_is_draining(reactor))
        return PLAIT_FAIL(PLAIT_EDRAINING);
    struct plait_supervisor *s = plait_mem_new(plait_reactor_budget(reactor), sizeof *s);
    if (!s || plait_pair_new(reactor, &s->guard[0], &s->guard[1]) != PLAIT_OK) {
        plait_mem_free(s);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    s->reactor = reactor;
    if (options)
        s->options = *options;
    fill_options(&s->options);
    plait__list_init(&s->children);
    s->module.stop = module_stop;
    s->module.release = module_release;
    plait__module_add(reactor, &s->module);
    for (int i = 0; i < GUARDS; i++)
        plait_stream_attach(s->guard[i], &guard_protocol, s);
    *out = s;
    return PLAIT_OK;
}

void plait_supervisor_free(struct plait_supervisor **supervisor)
{
    struct plait_supervisor *s = *supervisor;
    *supervisor = NULL;
    if (!s)
        return;
    s->freed = true;
    for_all(s, remove_child);
    stop_all(s);
}

/* --- what callers ask --------------------------------------------------------------------------------------------- */

static struct child *find(const struct plait_supervisor *s, const char *name)
{
    for (struct plait__list *at = s->children.next; at != &s->children; at = at->next) {
        struct child *c = plait__container(at, struct child, link);
        if (!c->removed && strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static size_t count_children(const struct plait_supervisor *s)
{
    size_t count = 0;
    for (const struct plait__list *at = s->children.next; at != &s->children; at = at->next)
        count++;
    return count;
}

plait_err plait_supervisor_add(struct plait_supervisor *supervisor, const char *name,
                               const struct plait_spawn_options *program)
{
    struct plait_supervisor *s = supervisor;
    const size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || !program->path || program->map_count > 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (s->over)
        return PLAIT_FAIL(PLAIT_EDRAINING);
    if (find(s, name))
        return PLAIT_FAIL(PLAIT_EEXISTS);
    if (count_children(s) == CHILDREN_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    struct child *c = plait_mem_new(plait_reactor_budget(s->reactor), sizeof *c);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    c->options = *program;
    c->kept = plait__child_keep(plait_reactor_budget(s->reactor), &c->options);
    if (!c->kept) {
        plait_mem_free(c);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    memcpy(c->name, name, len);
    c->view.name = c->name;
    c->supervisor = s;
    c->delay = s->options.delay_min;
    plait__list_init(&c->pipes);
    plait__list_add_tail(&s->children, &c->link);
    plait_timer_init(&c->timer, s->reactor, "supervised", on_timer, c);
    start_child(c);
    return PLAIT_OK;
}

/* Does something with one child, or with all. */
static plait_err with(struct plait_supervisor *s, const char *name, void (*fn)(struct child *c))
{
    if (!name) {
        for_all(s, fn);
        return PLAIT_OK;
    }
    struct child *c = find(s, name);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOTFOUND);
    fn(c);
    return PLAIT_OK;
}

plait_err plait_supervisor_remove(struct plait_supervisor *supervisor, const char *name)
{
    struct child *c = find(supervisor, name);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOTFOUND);
    remove_child(c);
    return PLAIT_OK;
}

plait_err plait_supervisor_start(struct plait_supervisor *supervisor, const char *name)
{
    return supervisor->over ? PLAIT_FAIL(PLAIT_EDRAINING) : with(supervisor, name, start_child);
}

plait_err plait_supervisor_stop(struct plait_supervisor *supervisor, const char *name)
{
    return with(supervisor, name, stop_child);
}

plait_err plait_supervisor_restart(struct plait_supervisor *supervisor, const char *name)
{
    return supervisor->over ? PLAIT_FAIL(PLAIT_EDRAINING) : with(supervisor, name, restart_child);
}

plait_err plait_supervisor_look(const struct plait_supervisor *supervisor, const char *name,
                                struct plait_supervised_view *out)
{
    const struct child *c = find(supervisor, name);
    if (!c)
        return PLAIT_FAIL(PLAIT_ENOTFOUND);
    *out = c->view;
    return PLAIT_OK;
}

void plait_supervisor_each(const struct plait_supervisor *supervisor, plait_supervised_fn fn, void *ctx)
{
    for (struct plait__list *at = supervisor->children.next; at != &supervisor->children; at = at->next) {
        const struct child *c = plait__container(at, struct child, link);
        if (!c->removed)
            fn(&c->view, ctx);
    }
}
