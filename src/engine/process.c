/* SPDX-License-Identifier: MIT
 *
 * Child processes: descriptors prepared, the program found in PATH, the system's spawn called, and the exit awaited on
 * a pidfd, so that there is no SIGCHLD and no race over a number. Our ends of pipes are streams like any other; how the
 * child itself is made is the system table's affair (spawn_kernel.c).
 *
 * Invariant: a failed plait_spawn leaves no child, descriptor or stream. Every child that was started is reaped once,
 * by us; freeing never waits: a child that is let go is killed and reaped when its pidfd tells.
 * Test: tests/engine/test_spawn.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <plait/process.h>

#include <errno.h>
#include <fcntl.h>

enum { MAP_MAX = 60, CHILD_FD_MAX = 1023, REAP_MS = 10, LAST_WAITS = 50 };

struct plait_process {
    struct plait__handle h; /* of the pidfd */
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_deferred *exit; /* asked for and not fired */
    struct plait_timer poll;     /* looks for the end when the pidfd could not be watched */
    int pid;
    int pidfd; /* while the child is not reaped, else -1 */
    int status;
    plait_err end; /* PLAIT_EIO: somebody else reaped it */
    bool asked;
    bool owned; /* the caller has not freed it */
    bool group; /* signals go to its group */
    bool attached;
    bool gone; /* the handle is closed: the memory may go */
};

/* --- the end of a child ------------------------------------------------------------------------------------------- */

static void release(struct plait_process *p)
{
    if (p->owned || p->pidfd >= 0 || !p->gone)
        return;
    plait_timer_stop(&p->poll);
    plait__module_remove(&p->module);
    plait_mem_free(p);
}

static void fire_exit(struct plait_process *p)
{
    struct plait_deferred *d = p->exit;
    p->exit = NULL;
    if (!d)
        return;
    if (p->end == PLAIT_OK)
        plait_fire(d, plait_value_num(p->status));
    else
        plait_fire_fault(d, plait_fault_make(p->end, "wait"));
}

static void let_pidfd_go(struct plait_process *p)
{
    const int fd = p->pidfd;
    p->pidfd = -1;
    if (p->attached) {
        plait__io_close(p->reactor->io, &p->h, false);
    } else {
        p->reactor->sys->ops->close(p->reactor->sys, fd);
        p->gone = true;
    }
    plait__listeners_retry(p->reactor);
}

/* Reaps a child that is dead. */
static void try_reap(struct plait_process *p)
{
    struct plait_sys *sys = p->reactor->sys;
    const int res = p->pidfd < 0 ? -EAGAIN : sys->ops->reap(sys, p->pidfd, &p->status);
    if (res == -EAGAIN)
        return;
    p->end = res == 0 ? PLAIT_OK : PLAIT_EIO; /* TQ-130 */
    let_pidfd_go(p);
    fire_exit(p);
}

static int send_signal(struct plait_process *p, int signo)
{
    struct plait_sys *sys = p->reactor->sys;
    return p->group ? sys->ops->group_signal(sys, p->pid, signo) : sys->ops->pidfd_signal(sys, p->pidfd, signo);
}

/* The child is dead. Until it is reaped no other process has its number, nor any other group. */
static void ready(struct plait__handle *h, unsigned events)
{
    struct plait_process *p = plait__container(h, struct plait_process, h);
    (void)events;
    if (p->group && p->pidfd >= 0)
        (void)send_signal(p, SIGKILL);
    try_reap(p);
}

static void closed(struct plait__handle *h)
{
    struct plait_process *p = plait__container(h, struct plait_process, h);
    p->gone = true;
    release(p);
}

static const struct plait__handle_ops handle_ops = {.name = "process", .ready = ready, .closed = closed};

static void on_poll(void *ctx)
{
    struct plait_process *p = ctx;
    try_reap(p);
    if (p->pidfd >= 0)
        plait_timer_arm(&p->poll, plait_millis(REAP_MS));
    else
        release(p);
}

static void give_up(struct plait_process *p)
{
    if (p->pidfd >= 0)
        (void)send_signal(p, SIGKILL); /* one that is dead already is only reaped */
    if (p->exit) {
        p->end = PLAIT_ECANCELLED;
        fire_exit(p);
    }
}

static void on_stop(struct plait__module *module)
{
    give_up(plait__container(module, struct plait_process, module));
}

/* The reactor ends. A killed child is dead in no time; the few moments until then are waited for here, so that no
 * zombie is left, but not for ever: the system may hold on to one. */
static void on_release(struct plait__module *module)
{
    struct plait_process *p = plait__container(module, struct plait_process, module);
    give_up(p);
    for (int n = 0; n < LAST_WAITS && p->pidfd >= 0; n++) {
        plait__io_reap(p->reactor->io); /* handles that wait for that would keep the turn from waiting */
        if (n > 0)
            (void)plait__io_turn(p->reactor->io, plait_millis(REAP_MS));
        try_reap(p);
    }
    if (p->pidfd >= 0)
        let_pidfd_go(p);
    p->owned = false;
    release(p);
}

/* --- finding the program ------------------------------------------------------------------------------------------ */

static int look_at(struct plait_sys *sys, const char *path)
{
    struct stat st;
    const int res = sys->ops->fstatat(sys, AT_FDCWD, path, &st, 0);
    if (res < 0)
        return res;
    return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? 0 : -EACCES;
}

/* Writes the path of a program: itself when it has a '/', else the first executable file in PATH. Empty elements, which
 * would mean the current folder, are left out on purpose. */
static plait_err find_program(struct plait_reactor *r, const char *name, struct plait_buf *out)
{
    struct plait_sys *sys = r->sys;
    const char *path = sys->ops->env(sys, "PATH");
    struct plait_scan scan = plait_scan_of(plait_slice_text(path ? path : "/usr/local/bin:/usr/bin:/bin"));
    int worst = -ENOENT;
    plait_slice folder;
    while (!strchr(name, '/') && !plait_scan_done(&scan)) {
        if (!plait_scan_until(&scan, ':', &folder)) {
            folder = plait_scan_rest(&scan);
            scan.at = scan.end;
        }
        (void)plait_scan_byte(&scan, ':');
        if (folder.len == 0)
            continue;
        plait_buf_clear(out);
        plait_buf_put(out, folder);
        plait_buf_put_u8(out, '/');
        plait_buf_put_text(out, name);
        plait_buf_put_u8(out, 0);
        if (out->err != PLAIT_OK)
            return PLAIT_FAIL(out->err == PLAIT_ENOMEM ? PLAIT_ENOMEM : PLAIT_EINVAL);
        const int res = look_at(sys, (const char *)plait_buf_slice(out).ptr);
        if (res == 0)
            return PLAIT_OK;
        if (res == -EACCES)
            worst = res;
    }
    if (!strchr(name, '/'))
        return PLAIT_FAIL(plait_err_from_errno(-worst));
    plait_buf_put_text(out, name);
    plait_buf_put_u8(out, 0);
    return out->err == PLAIT_OK ? PLAIT_OK : PLAIT_FAIL(out->err == PLAIT_ENOMEM ? PLAIT_ENOMEM : PLAIT_EINVAL);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

/* What is made for one spawn. */
struct plan {
    struct plait_reactor *reactor;
    struct plait_spawn_options *options;
    struct plait_sys_fd_map map[MAP_MAX];
    int child_ends[MAP_MAX]; /* to close after the spawn; -1: none */
    int terminal;            /* index of the first PLAIT_CHILD_PTY; -1: none */
    size_t count;            /* entries that are prepared */
};

static void close_fd(struct plan *plan, int fd)
{
    struct plait_sys *sys = plan->reactor->sys;
    if (fd >= 0)
        sys->ops->close(sys, fd);
}

/* Takes back what was prepared; streams go with the plan when it failed. */
static void end_plan(struct plan *plan, bool failed)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct plait_child_map *m = &plan->options->map[i];
        close_fd(plan, plan->child_ends[i]);
        if (failed && m->stream) {
            plait__stream_discard(m->stream);
            m->stream = NULL;
        }
    }
}

static plait_err make_pipe(struct plan *plan, struct plait_child_map *m, int *child_end)
{
    struct plait_sys *sys = plan->reactor->sys;
    int fds[2];
    const int res = sys->ops->pipe2(sys, fds, O_CLOEXEC);
    if (res < 0)
        return PLAIT_FAIL(plait_err_from_errno(-res));
    const bool child_reads = m->kind == PLAIT_CHILD_PIPE_IN;
    const int ours = child_reads ? fds[1] : fds[0];
    *child_end = child_reads ? fds[0] : fds[1];
    const plait_err err =
        plait_stream_of_fds(plan->reactor, child_reads ? -1 : ours, child_reads ? ours : -1, &m->stream);
    if (err != PLAIT_OK) {
        close_fd(plan, ours);
        close_fd(plan, *child_end);
        return PLAIT_FAIL(err);
    }
    return PLAIT_OK;
}

static plait_err make_socket(struct plan *plan, struct plait_child_map *m, int *child_end)
{
    struct plait_sys *sys = plan->reactor->sys;
    int fds[2];
    int res = sys->ops->socketpair(sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    if (res < 0)
        return PLAIT_FAIL(plait_err_from_errno(-res));
    *child_end = fds[1];
    res = plait__fd_stream_new(plan->reactor, PLAIT__FD_UNIX, fds[0], NULL, &m->stream); /* its calls never block */
    if (res < 0) {
        close_fd(plan, fds[0]);
        close_fd(plan, fds[1]);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    return PLAIT_OK;
}

static struct winsize winsize_of(const struct plait_window *w)
{
    const bool told = w->rows || w->columns;
    return (struct winsize){
        .ws_row = told ? w->rows : 24, .ws_col = told ? w->columns : 80, .ws_xpixel = w->width, .ws_ypixel = w->height};
}

/* The other side must not stay open here, or the master would never hear of its end: it is the first entry's to
 * close. */
static plait_err make_pty(struct plan *plan, struct plait_child_map *m, int *child_end)
{
    const struct plait_spawn_options *o = plan->options;
    struct plait_sys *sys = plan->reactor->sys;
    const struct winsize size = winsize_of(&o->window);
    int fds[2];
    int res = sys->ops->openpty(sys, fds, &size, o->set_ids ? o->uid : (uid_t)-1);
    if (res < 0)
        return PLAIT_FAIL(plait_err_from_errno(-res));
    *child_end = fds[1];
    res = plait__fd_stream_new(plan->reactor, PLAIT__FD_PIPE, fds[0], NULL, &m->stream);
    if (res < 0) {
        close_fd(plan, fds[0]);
        close_fd(plan, fds[1]);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    return PLAIT_OK;
}

static plait_err prepare_pty(struct plan *plan, struct plait_child_map *m, int *child_end, int *parent_fd)
{
    if (plan->terminal < 0) {
        PLAIT_TRY(make_pty(plan, m, child_end));
        plan->terminal = (int)plan->count;
        *parent_fd = *child_end;
    } else {
        *parent_fd = plan->child_ends[plan->terminal];
    }
    return PLAIT_OK;
}

static plait_err prepare_one(struct plan *plan, struct plait_child_map *m, int *child_end, int *parent_fd)
{
    *child_end = -1;
    switch (m->kind) {
    case PLAIT_CHILD_NULL:
        *parent_fd = -1;
        return PLAIT_OK;
    case PLAIT_CHILD_FD:
        *parent_fd = m->parent_fd;
        return PLAIT_OK;
    case PLAIT_CHILD_PTY:
        return prepare_pty(plan, m, child_end, parent_fd);
    case PLAIT_CHILD_SOCKET:
        PLAIT_TRY(make_socket(plan, m, child_end));
        break;
    default:
        PLAIT_TRY(make_pipe(plan, m, child_end));
        break;
    }
    *parent_fd = *child_end;
    return PLAIT_OK;
}

static plait_err prepare(struct plan *plan)
{
    struct plait_spawn_options *o = plan->options;
    for (size_t i = 0; i < o->map_count; i++) {
        struct plait_child_map *m = &o->map[i];
        int parent_fd = -1;
        PLAIT_TRY(prepare_one(plan, m, &plan->child_ends[i], &parent_fd));
        plan->map[i] = (struct plait_sys_fd_map){.parent_fd = parent_fd, .child_fd = m->child_fd};
        plan->count++;
    }
    return PLAIT_OK;
}

static plait_err check_options(struct plait_spawn_options *o)
{
    if (!o->path || o->path[0] == '\0' || o->map_count > MAP_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    for (size_t i = 0; i < o->map_count; i++) {
        struct plait_child_map *m = &o->map[i];
        m->stream = NULL;
        if (m->child_fd < 0 || m->child_fd > CHILD_FD_MAX || (unsigned)m->kind > PLAIT_CHILD_PTY)
            return PLAIT_FAIL(PLAIT_EINVAL);
        if (m->kind == PLAIT_CHILD_FD && m->parent_fd < 0)
            return PLAIT_FAIL(PLAIT_EINVAL);
        if (m->kind == PLAIT_CHILD_PTY && !o->new_session)
            return PLAIT_FAIL(PLAIT_EINVAL);
        for (size_t j = 0; j < i; j++) {
            if (o->map[j].child_fd == m->child_fd)
                return PLAIT_FAIL(PLAIT_EINVAL);
        }
    }
    return PLAIT_OK;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static int call_spawn(struct plan *plan, const char *path, int *pid)
{
    const struct plait_spawn_options *o = plan->options;
    const char *const alone[] = {o->path, NULL};
    const struct plait_sys_spawn spawn = {
        .path = path,
        .argv = o->argv ? o->argv : alone,
        .env = o->env,
        .cwd = o->cwd,
        .map = plan->map,
        .map_count = plan->count,
        .new_session = o->new_session,
        .terminal = plan->terminal >= 0,
        .terminal_fd = plan->terminal >= 0 ? plan->map[plan->terminal].child_fd : -1,
        .set_ids = o->set_ids,
        .uid = o->uid,
        .gid = o->gid,
        .kill_with_parent = o->kill_with_parent,
    };
    return plan->reactor->sys->ops->spawn(plan->reactor->sys, &spawn, pid);
}

/* Watches a child that runs. One that can't be watched is killed, and reaped from a timer. */
static plait_err watch_child(struct plait_process *p)
{
    struct plait_reactor *r = p->reactor;
    p->module.stop = on_stop;
    p->module.release = on_release;
    p->owned = true;
    plait_timer_init(&p->poll, r, "process", on_poll, p);
    plait__module_add(r, &p->module);
    const int res = plait__io_attach(r->io, &p->h, PLAIT__H_POLL, p->pidfd, &handle_ops);
    p->attached = res == 0;
    if (p->attached)
        return PLAIT_OK;
    p->owned = false;
    give_up(p);
    plait_timer_arm(&p->poll, plait_millis(REAP_MS));
    return PLAIT_FAIL(plait_err_from_errno(-res));
}

static plait_err start(struct plan *plan, struct plait_process *p)
{
    struct plait_buf path;
    plait_buf_init(&path, &plan->reactor->budget, 4096);
    plait_err err = find_program(plan->reactor, plan->options->path, &path);
    if (err == PLAIT_OK)
        err = prepare(plan);
    if (err == PLAIT_OK) {
        p->pidfd = call_spawn(plan, (const char *)plait_buf_slice(&path).ptr, &p->pid);
        err = p->pidfd < 0 ? plait_err_from_errno(-p->pidfd) : PLAIT_OK;
    }
    plait_buf_deinit(&path);
    return err;
}

plait_err plait_spawn(struct plait_reactor *reactor, struct plait_spawn_options *options, struct plait_process **out)
{
    PLAIT_TRY(check_options(options));
    struct plait_process *p = plait_mem_new(&reactor->budget, sizeof *p);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->reactor = reactor;
    p->group = options->group && options->new_session;
    struct plan plan = {.reactor = reactor, .options = options, .terminal = -1};
    plait_err err = start(&plan, p);
    if (err != PLAIT_OK)
        plait_mem_free(p);
    else
        err = watch_child(p);
    end_plan(&plan, err != PLAIT_OK);
    if (err != PLAIT_OK)
        return PLAIT_FAIL(err);
    *out = p;
    return PLAIT_OK;
}

/* --- what callers ask --------------------------------------------------------------------------------------------- */

int plait_process_pid(const struct plait_process *process)
{
    return process->pid;
}

struct plait_deferred *plait_process_exit(struct plait_process *process)
{
    struct plait_process *p = process;
    if (p->asked)
        return plait_deferred_fail(p->reactor, plait_fault_make(PLAIT_ESTATE, "wait"));
    /* Cancelled, it is settled at once; firing it later is then ignored. */
    struct plait_deferred *d = plait_deferred_new(p->reactor, "process-exit", NULL, NULL);
    if (!d)
        return NULL;
    p->asked = true;
    p->exit = d;
    if (p->pidfd < 0)
        fire_exit(p);
    return d;
}

plait_err plait_stream_window(struct plait_stream *s, const struct plait_window *window)
{
    const int fd = plait__fd_stream_pipe(s); /* -1 as well once it is closed */
    const struct winsize size = {
        .ws_row = window->rows, .ws_col = window->columns, .ws_xpixel = window->width, .ws_ypixel = window->height};
    const int res = fd < 0 ? -ENOTTY : s->reactor->sys->ops->winsize(s->reactor->sys, fd, &size);
    if (res == 0)
        return PLAIT_OK;
    return PLAIT_FAIL(res == -ENOTTY ? PLAIT_EUNSUPPORTED : PLAIT_EIO);
}

plait_err plait_process_signal(struct plait_process *process, int signo)
{
    if (process->pidfd < 0)
        return PLAIT_FAIL(PLAIT_EEXITED);
    const int res = send_signal(process, signo);
    return res == 0 ? PLAIT_OK : PLAIT_FAIL(plait_err_from_errno(-res)); /* ESRCH says that it has exited: TQ-131 */
}

void plait_process_free(struct plait_process **process)
{
    struct plait_process *p = *process;
    if (!p)
        return;
    *process = NULL;
    p->owned = false;
    give_up(p);
    release(p);
}
