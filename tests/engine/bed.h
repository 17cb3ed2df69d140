/* SPDX-License-Identifier: MIT
 *
 * A reactor to test on: over the kernel's table with a clock that the test moves, an allocator that can fail, and a log
 * that is kept. Test code only; each test opens one and closes it, which fails the test when a block of memory is left.
 */
#ifndef PLAIT_TESTS_ENGINE_BED_H
#define PLAIT_TESTS_ENGINE_BED_H

#include "tests/support/test.h"

#include "engine/core.h"
#include "engine/deferred_core.h"

#include <plait/deferred.h>

#include <sys/stat.h>
#include <unistd.h>

struct bed {
    struct plait_sys sys; /* first: the table's functions find the bed by it */
    struct plait_sys_ops ops;
    struct test_heap heap;
    struct plait_reactor *r;
    int64_t clock;
    int64_t job_delay;
    int64_t clock_step; /* passes at each look at the clock */
    bool real_clock;
    int user, looks; /* of the test's own stand-ins for calls */
    size_t log_len;
    char log[8192];
};

static inline int64_t bed_clock(struct plait_sys *sys, enum plait_sys_clock which)
{
    struct bed *b = (struct bed *)sys;
    if (b->real_clock)
        return plait__sys_kernel()->ops->clock(plait__sys_kernel(), which);
    b->clock += b->clock_step;
    return b->clock;
}

static inline int64_t bed_job_delay(struct plait_sys *sys)
{
    return ((struct bed *)sys)->job_delay;
}

static inline void bed_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct bed *b = ctx;
    (void)level;
    for (size_t i = 0; i < line.len && b->log_len + 1 < sizeof b->log; i++)
        b->log[b->log_len++] = (char)line.ptr[i];
    b->log[b->log_len] = '\0';
}

/* Tries to make the reactor; its `fail_at`-th allocation fails. */
static inline bool bed_try(struct bed *b, uint64_t fail_at, bool real_clock)
{
    memset(b, 0, sizeof *b);
    test_heap_init(&b->heap, fail_at);
    b->ops = *plait__sys_kernel()->ops;
    b->ops.clock = bed_clock;
    b->ops.job_delay = bed_job_delay;
    b->sys.ops = &b->ops;
    b->clock = 1000000000;
    b->real_clock = real_clock;
    const struct plait_log_options log = {
        .level = PLAIT_LOG_WARN, .form = PLAIT_LOG_JSON, .sink = bed_line, .ctx = b, .burst = 1000};
    const struct plait_reactor_options options = {
        .sys = &b->sys, .allocator = &b->heap.allocator, .log = &log, .slow_callback = plait_seconds(1000)};
    b->r = plait_reactor_new(&options);
    return b->r != NULL;
}

static inline void bed_open(struct bed *b)
{
    assert_true(bed_try(b, 0, false));
}

/* One whose time is the machine's: for threads. */
static inline void bed_open_real(struct bed *b)
{
    assert_true(bed_try(b, 0, true));
}

static inline void bed_close(struct bed *b)
{
    b->heap.fail_at = 0;
    plait_reactor_free(&b->r);
    assert_int_equal(b->heap.live, 0);
}

/* Runs turns until nothing is ready; time stands still. */
static inline void bed_run(struct bed *b)
{
    do
        assert_ok(plait_reactor_step(b->r, 0));
    while (plait_reactor_next_timeout(b->r) == 0);
}

/* Lets time pass, then runs what is due. */
static inline void bed_pass(struct bed *b, plait_span span)
{
    b->clock += span;
    bed_run(b);
}

/* A part of the reactor: its release comes after that of parts which are made later, and lets ten seconds pass, so that
 * the last turns of the reactor find their timers due, if they left any. */
struct bed_part {
    struct plait__module module;
    struct bed *bed;
};

static inline void bed_part_release(struct plait__module *module)
{
    plait__container(module, struct bed_part, module)->bed->clock += plait_seconds(10);
}

static inline void bed_part_add(struct bed *b, struct bed_part *part)
{
    *part = (struct bed_part){.module = {.release = bed_part_release}, .bed = b};
    plait__module_add(b->r, &part->module);
}

/* Fails the n-th allocation from now on (1: the next one), and all later ones until bed_heal. */
static inline void bed_fail(struct bed *b, uint64_t n)
{
    b->heap.fail_at = b->heap.calls + n;
    b->heap.fail_after = true;
}

static inline void bed_heal(struct bed *b)
{
    b->heap.fail_at = 0;
    b->heap.fail_after = false;
}

/* Makes deferreds until the next one needs memory. They are the reactor's to clean up. */
static inline void bed_fill(struct bed *b)
{
    while (!plait__list_empty(&b->r->deferreds.open))
        assert_non_null(plait_deferred_new(b->r, "filler", NULL, NULL));
}

static inline bool bed_logged(const struct bed *b, const char *text)
{
    return strstr(b->log, text) != NULL;
}

/* All memory that the process has mapped, touched or not. */
static inline size_t bed_mapped_bytes(void)
{
    char text[64] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    return strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* For ops.fstatat: the second look at a file shows it changed in one respect, which `user` chooses. */
static inline int bed_changed_fstatat(struct plait_sys *sys, int dir, const char *path, struct stat *st, int flags)
{
    struct bed *b = (struct bed *)sys;
    const int res = plait__sys_kernel()->ops->fstatat(plait__sys_kernel(), dir, path, st, flags);
    b->looks++;
    if (b->looks != 2)
        return res;
    st->st_dev += b->user == 0;
    st->st_ino += b->user == 1;
    st->st_ctim.tv_sec += b->user == 2;
    st->st_ctim.tv_nsec += b->user == 3;
    return res;
}

/* Deferreds that are not over: nobody fired them, or nobody looked at them. */
static inline size_t bed_deferreds(const struct bed *b)
{
    struct plait_reactor_left left;
    plait_reactor_look(b->r, &left);
    return left.deferreds;
}

/* --- watching results --------------------------------------------------------------------------------------------- */

/* What a chain's last callback saw. */
struct seen {
    int calls;
    int64_t num;
    void *ptr;
    plait_err err;
    struct plait_fault fault;
};

static inline void see(struct plait_result *result, void *ctx)
{
    struct seen *seen = ctx;
    seen->calls++;
    seen->num = result->value.num;
    seen->ptr = result->value.ptr;
    seen->err = result->fault.err;
    seen->fault = result->fault;
}

static inline void watch_result(struct plait_deferred *d, struct seen *seen)
{
    *seen = (struct seen){.calls = 0};
    assert_ok(plait_then(d, see, seen));
}

/* A value that counts its destructions. */
static inline void count_destroy(void *ptr)
{
    ++*(int *)ptr;
}

static inline plait_value counted(int *count)
{
    return plait_value_ptr(count, count_destroy);
}

static inline struct plait_fault fault_of(plait_err err)
{
    return plait_fault_make(err, "test");
}

#endif
