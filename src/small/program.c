/* SPDX-License-Identifier: MIT
 *
 * A program for each connection: spawned with pipes, with a terminal or with the socket itself, bytes carried both ways
 * with backpressure, half by half, and an end that both sides hear of. It isn't CGI: nothing is known of what is said.
 *
 * Invariant: a visit lives until its process, its streams and its guest have all let go of it; `running` counts
 * processes. The one timer stands for what is next: the end of the life, the kill, or the end of waiting for pipes that
 * somebody else holds. Test: tests/small/test_program.c.
 */
#include "base/try.h"
#include "engine/deferred_core.h"
#include "engine/stream_core.h"
#include "small/child_core.h"
#include "small/program_core.h"

#include <plait/log.h>
#include <plait/program.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

enum { AT_ONCE = 40, IDLE_S = 3600, KILL_S = 5, LAST_WORDS_MS = 1000, FDS = 3 };

/* What a service was told. */
struct program {
    size_t refs; /* the service, and visits */
    struct plait_reactor *reactor;
    struct plait_program_options options; /* its texts stand in `kept` */
    void *kept;
    size_t running;
};

/* One connection and its program. */
struct visit {
    struct program *program;
    size_t holders; /* streams and the process */
    struct plait_process *process;
    struct plait_stream *guest; /* NULL: lost */
    /* Of the program; NULL: lost, or never there. A terminal is `in` and `out`. */
    struct plait_stream *in, *out, *says;
    struct plait_timer timer, silence;
    plait_time moved; /* the last byte, either way */
    bool told;        /* to end */
    struct plait__said said;
};

static void program_unref(void *ctx)
{
    struct program *p = ctx;
    if (--p->refs > 0)
        return;
    plait_mem_free(p->kept);
    plait_mem_free(p);
}

static void visit_unref(struct visit *v)
{
    if (--v->holders > 0)
        return;
    plait_timer_stop(&v->timer);
    plait_timer_stop(&v->silence);
    program_unref(v->program);
    plait_mem_free(v);
}

static void log_visit(const struct visit *v, enum plait_log_level level, const char *event, const char *text,
                      struct plait_field field)
{
    const struct plait_field fields[] = {plait_field_text("program", v->program->options.spawn.path), field,
                                         plait_field_end()};
    plait_log_event(plait_reactor_log(v->program->reactor), level, "small", event, text, fields);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

/* Asks a program to end, and sees to it a little later. */
static void end_program(struct visit *v)
{
    if (!v->process || v->told)
        return;
    v->told = true;
    (void)!plait_process_signal(v->process, SIGTERM); /* one that is dead already: its end is on the way */
    plait_timer_arm(&v->timer, v->program->options.kill_after);
}

/* Neither guest nor program is left: what descends from the program may hold its pipes for ever. */
static void look_for_end(struct visit *v)
{
    if (!v->guest && !v->process)
        plait_timer_arm(&v->timer, plait_millis(LAST_WORDS_MS));
}

static void abort_all(struct visit *v)
{
    struct plait_stream *all[] = {v->in, v->out, v->says};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i])
            plait_abort(all[i]);
    }
}

static void on_timer(void *ctx)
{
    struct visit *v = ctx;
    if (!v->process) {
        abort_all(v);
    } else if (v->told) {
        (void)!plait_process_signal(v->process, SIGKILL);
        plait_timer_arm(&v->timer, v->program->options.kill_after);
    } else {
        log_visit(v, PLAIT_LOG_WARN, "program-life", "a program ran for as long as it may, and is ended",
                  plait_field_i64("pid", plait_process_pid(v->process)));
        end_program(v);
    }
}

static void on_silence(void *ctx)
{
    struct visit *v = ctx;
    const plait_time due = v->moved + v->program->options.idle;
    if (plait_now(v->program->reactor) < due)
        plait_timer_arm_at(&v->silence, due);
    else
        plait_abort_with(v->guest, PLAIT_ETIMEDOUT, "nobody said anything for too long");
}

static void on_exit(struct plait_result *result, void *ctx)
{
    struct visit *v = ctx;
    const int status = result->fault.err == PLAIT_OK ? (int)result->value.num : 0;
    result->fault.err = PLAIT_OK; /* seen */
    if (status != 0 && !v->told)
        log_visit(v, PLAIT_LOG_WARN, "program-status", "a program ended with a status that is not 0, or by a signal",
                  plait_field_i64("status", status));
    plait_process_free(&v->process);
    plait_timer_stop(&v->timer);
    v->program->running--;
    if (v->guest && !v->out) /* else when all that it wrote is read */
        plait_close(v->guest);
    look_for_end(v);
    visit_unref(v);
}

/* --- the guest ---------------------------------------------------------------------------------------------------- */

static size_t guest_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct visit *v = self;
    v->moved = plait_now(v->program->reactor);
    if (v->in) {
        plait_write(v->in, in);
        if (plait_is_full(v->in))
            plait_pause(s);
    }
    return in.len; /* of a program that reads no more: thrown away */
}

static void guest_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct visit *v = self;
    (void)s;
    (void)rest;
    if (v->in && v->in == v->out)
        plait_write(v->in, PLAIT_LIT("\004"));
    else if (v->in)
        plait_close(v->in);
}

static void guest_room(struct plait_stream *s, void *self)
{
    struct visit *v = self;
    (void)s;
    if (v->out)
        plait_resume(v->out);
}

static void guest_drain(struct plait_stream *s, void *self)
{
    (void)s;
    end_program(self);
}

static void guest_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visit *v = self;
    (void)s;
    (void)fault;
    v->guest = NULL;
    plait_timer_stop(&v->silence);
    if (v->in)
        plait_abort(v->in);
    if (v->out)
        plait_resume(v->out); /* what it still says is thrown away */
    end_program(v);
    look_for_end(v);
    visit_unref(v);
}

/* What it does not take is bounded all the same: nothing is read for it from the program then. */
static const struct plait_protocol guest_protocol = {.name = "program",
                                                     .data = guest_data,
                                                     .eof = guest_eof,
                                                     .room = guest_room,
                                                     .drain = guest_drain,
                                                     .lost = guest_lost,
                                                     .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

/* --- the program's streams ---------------------------------------------------------------------------------------- */

/* They end with the program, which a drain ends through its guest. */
static void ignore_drain(struct plait_stream *s, void *self)
{
    (void)s;
    (void)self;
}

static void in_room(struct plait_stream *s, void *self)
{
    struct visit *v = self;
    (void)s;
    if (v->guest)
        plait_resume(v->guest);
}

static void in_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visit *v = self;
    (void)fault;
    v->in = NULL;
    in_room(s, v);
    visit_unref(v);
}

static const struct plait_protocol in_protocol = {
    .name = "program input", .room = in_room, .drain = ignore_drain, .lost = in_lost};

static size_t out_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct visit *v = self;
    v->moved = plait_now(v->program->reactor);
    if (v->guest) {
        plait_write(v->guest, in);
        if (plait_is_full(v->guest))
            plait_pause(s);
    }
    return in.len;
}

static void out_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visit *v = self;
    (void)s;
    (void)fault;
    v->out = NULL;
    if (v->guest && v->process)
        plait_close_write(v->guest);
    else if (v->guest)
        plait_close(v->guest);
    visit_unref(v);
}

static const struct plait_protocol out_protocol = {
    .name = "program output", .data = out_data, .drain = ignore_drain, .lost = out_lost};

static void terminal_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visit *v = self;
    v->in = NULL;
    in_room(s, v);
    out_lost(s, fault, v);
}

/* What nobody reads there is bounded: nothing is read for it from the guest then. */
static const struct plait_protocol terminal_protocol = {.name = "program terminal",
                                                        .data = out_data,
                                                        .room = in_room,
                                                        .drain = ignore_drain,
                                                        .lost = terminal_lost,
                                                        .flags = PLAIT_BOUNDS_OUTPUT};

static void say_line(plait_slice line, void *ctx)
{
    log_visit(ctx, PLAIT_LOG_NOTICE, "program-says", "a program says", plait_field_bytes("line", line));
}

static size_t says_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct visit *v = self;
    (void)s;
    plait__said_put(&v->said, in, say_line, v);
    return in.len;
}

static void says_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct visit *v = self;
    (void)s;
    (void)fault;
    plait__said_end(&v->said, say_line, v);
    v->says = NULL;
    visit_unref(v);
}

static const struct plait_protocol says_protocol = {
    .name = "program errors", .data = says_data, .drain = ignore_drain, .lost = says_lost};

static void take_stream(struct visit *v, struct plait_stream **place, struct plait_stream *s,
                        const struct plait_protocol *protocol)
{
    if (!s)
        return;
    *place = s;
    v->holders++;
    plait_stream_attach(s, protocol, v);
    plait_stream_stall(s, PLAIT_NEVER); /* a program may think for a while before it reads */
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

/* The descriptor of a connection that the program gets as it is: a byte that was read already would be lost to it. */
static int own_socket(const struct plait_stream *s)
{
    uint64_t received;
    plait_stream_counts(s, &received, NULL);
    return received == 0 ? plait__fd_stream_fd(s) : -1;
}

/* Programs expect that their calls wait. Ours never do, whatever the flag says. */
static plait_err make_blocking(struct plait_sys *sys, int fd)
{
    const int flags = sys->ops->fcntl(sys, fd, F_GETFL, 0);
    const int res = flags < 0 ? flags : sys->ops->fcntl(sys, fd, F_SETFL, flags & ~O_NONBLOCK);
    return res < 0 ? PLAIT_FAIL(PLAIT_EIO) : PLAIT_OK;
}

static plait_err fill_map(const struct program *p, const struct plait_stream *guest, struct plait_child_map map[FDS])
{
    map[0] = (struct plait_child_map){.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN};
    map[1] = (struct plait_child_map){.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT};
    map[2] = (struct plait_child_map){.child_fd = 2, .kind = PLAIT_CHILD_PIPE_OUT};
    if (p->options.link == PLAIT_PROGRAM_PTY)
        map[0].kind = map[1].kind = map[2].kind = PLAIT_CHILD_PTY;
    if (p->options.link != PLAIT_PROGRAM_SOCKET)
        return PLAIT_OK;
    const int fd = own_socket(guest);
    if (fd < 0)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    map[0].kind = map[1].kind = PLAIT_CHILD_FD;
    map[0].parent_fd = map[1].parent_fd = fd;
    return make_blocking(p->reactor->sys, fd);
}

static plait_err spawn(struct visit *v, struct plait_stream *guest, struct plait_child_map map[FDS])
{
    struct program *p = v->program;
    struct plait_sys *sys = p->reactor->sys;
    char path[4096 + sizeof "PATH="];
    const char *found = sys->ops->env(sys, "PATH");
    const char *const usual[] = {path, NULL};
    struct plait_spawn_options o = p->options.spawn;
    struct plait__vars vars;
    (void)snprintf(path, sizeof path, "PATH=%.4096s", found ? found : "/usr/local/bin:/usr/bin:/bin");
    PLAIT_TRY(fill_map(p, guest, map));
    plait__vars_init(&vars, guest, o.env ? o.env : usual);
    o.env = vars.list;
    o.map = map;
    o.map_count = FDS;
    o.new_session = true;
    o.group = true;
    const plait_err err = vars.list ? plait_spawn(p->reactor, &o, &v->process) : PLAIT_FAIL(PLAIT_ENOMEM);
    plait__vars_deinit(&vars);
    return err;
}

/* The program runs: its streams and the guest are taken, unless nobody can wait for its end. */
static plait_err begin(struct visit *v, struct plait_stream *guest, const struct plait_child_map map[FDS])
{
    struct program *p = v->program;
    const bool carries = p->options.link != PLAIT_PROGRAM_SOCKET;
    struct plait_deferred *exit = plait_process_exit(v->process);
    const bool waits = plait_then(exit, on_exit, v) == PLAIT_OK;
    const bool terminal = p->options.link == PLAIT_PROGRAM_PTY;
    take_stream(v, &v->in, map[0].stream, terminal ? &terminal_protocol : &in_protocol);
    v->out = terminal ? v->in : NULL;
    take_stream(v, &v->out, map[1].stream, &out_protocol);
    take_stream(v, &v->says, map[2].stream, &says_protocol);
    if (!waits) {
        plait__deferred_drop(exit);
        plait_process_free(&v->process); /* kills it */
        abort_all(v);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    v->holders += 2; /* the process and the guest */
    p->running++;
    v->guest = guest;
    plait_stream_attach(guest, &guest_protocol, v);
    if (!carries)
        plait_pause(guest); /* it is the program's to read */
    else if (p->options.idle != PLAIT_NEVER)
        plait_timer_arm(&v->silence, p->options.idle);
    if (p->options.life != PLAIT_NEVER)
        plait_timer_arm(&v->timer, p->options.life);
    return PLAIT_OK;
}

static plait_err open_guest(struct plait_stream *s, void *ctx)
{
    struct program *p = ctx;
    struct plait_child_map map[FDS];
    if (p->running >= p->options.at_once)
        return PLAIT_FAIL(PLAIT_EOVERLOAD);
    struct visit *v = plait_mem_new(plait_reactor_budget(p->reactor), sizeof *v); /* it may outlive the stream */
    if (!v)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    v->program = p;
    v->holders = 1; /* this call */
    v->moved = plait_now(p->reactor);
    p->refs++;
    plait_timer_init(&v->timer, p->reactor, "program", on_timer, v);
    plait_timer_init(&v->silence, p->reactor, "program-idle", on_silence, v);
    plait_err err = spawn(v, s, map);
    if (err == PLAIT_OK)
        err = begin(v, s, map);
    visit_unref(v);
    return err;
}

static void fill_options(struct plait_program_options *o)
{
    o->at_once = o->at_once ? o->at_once : AT_ONCE;
    o->idle = o->idle ? o->idle : plait_seconds(IDLE_S);
    o->life = o->life ? o->life : PLAIT_NEVER;
    o->kill_after = o->kill_after ? o->kill_after : plait_seconds(KILL_S);
}

plait_err plait_program_new(struct plait_reactor *reactor, const struct plait_program_options *options,
                            struct plait_service **out)
{
    static const struct plait_service_ops ops = {.name = "program", .open = open_guest, .free = program_unref};
    if (!options->spawn.path || options->spawn.map_count > 0 || (unsigned)options->link > PLAIT_PROGRAM_PTY)
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct program *p = plait_mem_new(plait_reactor_budget(reactor), sizeof *p);
    if (!p)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    p->refs = 1;
    p->reactor = reactor;
    p->options = *options;
    fill_options(&p->options);
    p->kept = plait__child_keep(plait_reactor_budget(reactor), &p->options.spawn);
    if (!p->kept) {
        program_unref(p);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    *out = plait_service_new(reactor, &ops, p);
    return *out ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}
