/* SPDX-License-Identifier: MIT
 *
 * What the tests of processes stand on: a bed in real time that leaves no child and no descriptor behind, and whole
 * runs of small programs.
 */
#ifndef PLAIT_TESTS_ENGINE_PROCESS_BED_H
#define PLAIT_TESTS_ENGINE_PROCESS_BED_H

#include "tests/engine/peer.h"

#include <plait/process.h>
#include <plait/sim.h>

#include <signal.h>
#include <sys/wait.h>

/* Steps until a flag is set, at most some ten seconds. */
static inline void wait_for(struct bed *b, const int *flag)
{
    for (int n = 0; n < 1000 && !*flag; n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(10)));
    assert_true(*flag);
}

static inline void run_until_idle(struct bed *b)
{
    for (int n = 0; n < 5; n++)
        assert_ok(plait_reactor_step(b->r, plait_millis(2)));
}

/* Opens a bed and notes what must be the same at the end. */
static inline size_t open_bed(struct bed *b)
{
    const size_t before = test_open_descriptors();
    bed_open_real(b);
    return before;
}

static inline void close_bed(struct bed *b, size_t descriptors)
{
    bed_close(b);
    assert_int_equal(test_open_descriptors(), descriptors);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, dead or alive */
    assert_int_equal(errno, ECHILD);
}

/* What a run gave: the output is gone with its deferred, so it is copied out inside the chain. */
struct ran {
    int done;
    plait_err err;
    int status;
    char out[256], errors[256];
    size_t out_len;
};

static inline void copy_text(char *to, size_t size, plait_slice from)
{
    const size_t n = from.len < size - 1 ? from.len : size - 1;
    if (n > 0)
        memcpy(to, from.ptr, n);
    to[n] = '\0';
}

static inline void ran(struct plait_result *result, void *ctx)
{
    struct ran *r = ctx;
    r->done = 1;
    r->err = result->fault.err;
    if (r->err != PLAIT_OK)
        return;
    const struct plait_output *o = result->value.ptr;
    r->status = o->status;
    r->out_len = plait_buf_slice(&o->out).len;
    copy_text(r->out, sizeof r->out, plait_buf_slice(&o->out));
    copy_text(r->errors, sizeof r->errors, plait_buf_slice(&o->err));
}

static inline struct ran run_with(struct bed *b, struct plait_spawn_options *o, plait_slice in, size_t max)
{
    struct ran r = {.done = 0};
    struct plait_deferred *d = plait_run_program(b->r, o, in, max);
    assert_ok(plait_then(d, ran, &r));
    wait_for(b, &r.done);
    return r;
}

static inline struct ran sh(struct bed *b, const char *script, plait_slice in, size_t max)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct plait_spawn_options o = {.path = "sh", .argv = argv};
    return run_with(b, &o, in, max);
}

#endif
