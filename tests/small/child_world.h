/* SPDX-License-Identifier: MIT
 *
 * What the tests of those who run programs share: a simulated host whose log is kept, and programs with scripts.
 */
#ifndef PLAIT_TESTS_SMALL_CHILD_WORLD_H
#define PLAIT_TESTS_SMALL_CHILD_WORLD_H

#include "tests/support/test.h"

#include <plait/listen.h>
#include <plait/sim.h>

#include <signal.h>

struct cw {
    struct test_heap heap; /* of the reactor */
    struct plait_reactor_options reactor_options;
    struct plait_log_options log_options;
    struct plait_sim *sim;
    struct plait_host *host;
    struct plait_reactor *r;
    char log[1 << 16];
    size_t log_len;
};

/* A program that does what it is made with. */
struct script {
    const char *out, *errors; /* what it writes at its start */
    int status;
    bool stays;    /* does not end */
    bool stubborn; /* not even when asked to */
    unsigned runs, asked;
    struct plait_sim_process *last;
};

static inline void script_start(struct plait_sim_process *p, void *ctx)
{
    struct script *s = ctx;
    s->runs++;
    s->last = p;
    plait_sim_process_write(p, 1, plait_slice_text(s->out));
    plait_sim_process_write(p, 2, plait_slice_text(s->errors));
    if (!s->stays)
        plait_sim_process_exit(p, s->status);
}

static inline void script_signal(struct plait_sim_process *p, int signo, void *ctx)
{
    struct script *s = ctx;
    s->asked++;
    if (!s->stubborn)
        plait_sim_process_exit(p, 128 + signo);
}

static const struct plait_sim_program script_program = {.start = script_start, .signal = script_signal};

static inline void cw_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct cw *w = ctx;
    (void)level;
    if (line.len < sizeof w->log - w->log_len) {
        memcpy(w->log + w->log_len, line.ptr, line.len);
        w->log_len += line.len;
        w->log[w->log_len] = '\0';
    }
}

static inline void cw_open(struct cw *w)
{
    memset(w, 0, sizeof *w);
    test_heap_init(&w->heap, 0);
    w->log_options = (struct plait_log_options){
        .level = PLAIT_LOG_INFO, .form = PLAIT_LOG_JSON, .sink = cw_line, .ctx = w, .burst = 10000};
    w->reactor_options.allocator = &w->heap.allocator;
    w->reactor_options.log = &w->log_options;
    w->sim = plait_sim_new(1, 0);
    w->host = plait_sim_host(w->sim, "host");
    plait_host_reactor_options(w->host, &w->reactor_options);
    w->r = plait_host_reactor(w->host);
    assert_non_null(w->r);
}

static inline void cw_add(struct cw *w, const char *path, struct script *s)
{
    assert_ok(plait_host_add_program(w->host, path, &script_program, s));
}

static inline void cw_pass_ms(struct cw *w, int64_t ms)
{
    plait_sim_run_for(w->sim, plait_millis(ms));
}

static inline bool cw_logged(const struct cw *w, const char *text)
{
    return strstr(w->log, text) != NULL;
}

static inline void cw_close(struct cw *w)
{
    w->heap.fail_at = 0;
    w->heap.fail_after = false;
    plait_sim_check_end(w->sim);
    if (plait_sim_failure(w->sim))
        fail_msg("%s", plait_sim_failure(w->sim));
    assert_int_equal(w->heap.live, 0);
    plait_sim_free(&w->sim);
}

#endif
