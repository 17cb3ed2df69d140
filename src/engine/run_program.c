/* SPDX-License-Identifier: MIT
 *
 * Running a program to its end: its input written, its output and its errors collected up to a limit, the exit awaited.
 * Built on the public interface of processes and streams alone.
 *
 * Invariant: a run ends when the child is reaped and all three pipes are lost, whichever comes first (TQ-132); the
 * deferred fires then, once. What goes wrong first is what is told; it kills the child and aborts the pipes.
 * Test: tests/engine/test_run_program.c.
 */
#include "base/try.h"
#include "engine/core.h"

#include <plait/process.h>

#include <signal.h>

enum { PIPES = 3, MAP_MAX = 60 };

struct run {
    struct plait_reactor *reactor;
    struct plait_deferred *deferred;
    struct plait_process *process;
    struct plait_stream *pipe[PIPES]; /* NULL: lost */
    struct plait_output *output;
    struct plait_fault fault; /* what went wrong first */
    unsigned open;            /* pipes that are not lost, and the child */
};

static void output_free(void *ptr)
{
    struct plait_output *o = ptr;
    plait_buf_deinit(&o->out);
    plait_buf_deinit(&o->err);
    plait_mem_free(o);
}

static struct plait_output *output_new(struct plait_reactor *r, size_t max)
{
    struct plait_output *o = plait_mem_new(&r->budget, sizeof *o);
    if (!o)
        return NULL;
    plait_buf_init(&o->out, &r->budget, max);
    plait_buf_init(&o->err, &r->budget, max);
    return o;
}

/* One of what a run waits for is over. */
static void one_over(struct run *run)
{
    if (--run->open > 0)
        return;
    if (run->fault.err == PLAIT_OK) {
        plait_fire(run->deferred, plait_value_ptr(run->output, output_free));
    } else {
        output_free(run->output);
        plait_fire_fault(run->deferred, run->fault);
    }
    plait_process_free(&run->process);
    plait_mem_free(run);
}

/* Ends a run early; everything that is open then ends by itself. */
static void give_up(struct run *run, struct plait_fault fault)
{
    if (run->fault.err == PLAIT_OK)
        run->fault = fault;
    (void)!plait_process_signal(run->process, SIGKILL); /* it may be dead already */
    for (int i = 0; i < PIPES; i++) {
        if (run->pipe[i])
            plait_abort(run->pipe[i]);
    }
}

static void on_cancel(struct plait_deferred *deferred, void *ctx)
{
    (void)deferred;
    give_up(ctx, plait_fault_make(PLAIT_ECANCELLED, "run"));
}

static void on_exit_told(struct plait_result *result, void *ctx)
{
    struct run *run = ctx;
    run->output->status = (int)result->value.num;
    if (result->fault.err != PLAIT_OK)
        give_up(run, result->fault);
    result->fault.err = PLAIT_OK;
    one_over(run);
}

/* --- the pipes ---------------------------------------------------------------------------------------------------- */

static size_t collect(struct run *run, struct plait_buf *buf, plait_slice in)
{
    plait_buf_put(buf, in);
    if (buf->err != PLAIT_OK && run->fault.err == PLAIT_OK)
        give_up(run, plait_fault_make(buf->err, "output"));
    return in.len;
}

static size_t out_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct run *run = self;
    (void)s;
    return collect(run, &run->output->out, in);
}

static size_t err_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct run *run = self;
    (void)s;
    return collect(run, &run->output->err, in);
}

static void pipe_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct run *run = self;
    for (int i = 0; i < PIPES; i++) {
        if (run->pipe[i] == s)
            run->pipe[i] = NULL;
    }
    /* A child need not read its input to the end: EPIPE is no failure. */
    const bool fine = fault->err == PLAIT_OK || fault->err == PLAIT_EEOF || fault->err == PLAIT_EPIPE;
    if (!fine && run->fault.err == PLAIT_OK)
        give_up(run, plait_fault_make(fault->err, "pipe"));
    one_over(run);
}

static const struct plait_protocol in_protocol = {.name = "run-in", .lost = pipe_lost};
static const struct plait_protocol out_protocol = {.name = "run-out", .data = out_data, .lost = pipe_lost};
static const struct plait_protocol err_protocol = {.name = "run-err", .data = err_data, .lost = pipe_lost};

/* --- starting ----------------------------------------------------------------------------------------------------- */

/* Spawns with the three pipes in front of the caller's own entries, whose streams are handed over. */
static plait_err spawn_with_pipes(struct run *run, const struct plait_spawn_options *given)
{
    struct plait_child_map map[MAP_MAX] = {
        {.child_fd = 0, .kind = PLAIT_CHILD_PIPE_IN},
        {.child_fd = 1, .kind = PLAIT_CHILD_PIPE_OUT},
        {.child_fd = 2, .kind = PLAIT_CHILD_PIPE_OUT},
    };
    if (given->map_count > MAP_MAX - PIPES)
        return PLAIT_FAIL(PLAIT_EINVAL);
    for (size_t i = 0; i < given->map_count; i++)
        map[PIPES + i] = given->map[i];
    struct plait_spawn_options options = *given;
    options.map = map;
    options.map_count = PIPES + given->map_count;
    PLAIT_TRY(plait_spawn(run->reactor, &options, &run->process));
    for (size_t i = 0; i < given->map_count; i++)
        given->map[i].stream = map[PIPES + i].stream;
    for (int i = 0; i < PIPES; i++)
        run->pipe[i] = map[i].stream;
    return PLAIT_OK;
}

static void attach_all(struct run *run, plait_slice in)
{
    run->open = PIPES + 1;
    plait_stream_attach(run->pipe[0], &in_protocol, run);
    plait_stream_attach(run->pipe[1], &out_protocol, run);
    plait_stream_attach(run->pipe[2], &err_protocol, run);
    plait_stream_stall(run->pipe[0], PLAIT_NEVER); /* a program may think for a while before it reads */
    plait_write(run->pipe[0], in);
    plait_close(run->pipe[0]);
    struct plait_deferred *exit = plait_process_exit(run->process);
    if (plait_then(exit, on_exit_told, run) == PLAIT_OK)
        return;
    give_up(run, plait_fault_make(PLAIT_ENOMEM, "wait"));
    run->open--; /* nobody tells of the exit; freeing the process sees to it */
}

struct plait_deferred *plait_run_program(struct plait_reactor *reactor, struct plait_spawn_options *options,
                                         plait_slice in, size_t output_max)
{
    struct run *run = plait_mem_new(&reactor->budget, sizeof *run);
    struct plait_output *output = run ? output_new(reactor, output_max) : NULL;
    struct plait_deferred *d = output ? plait_deferred_new(reactor, "run-program", on_cancel, run) : NULL;
    if (!d) {
        plait_mem_free(output);
        plait_mem_free(run);
        return NULL;
    }
    run->reactor = reactor;
    run->deferred = d;
    run->output = output;
    const plait_err err = spawn_with_pipes(run, options);
    if (err == PLAIT_OK) {
        attach_all(run, in);
        return d;
    }
    plait_fire_fault(d, plait_fault_make(err, "spawn"));
    plait_mem_free(output);
    plait_mem_free(run);
    return d;
}
