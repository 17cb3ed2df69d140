/* SPDX-License-Identifier: MIT
 *
 * The access log: one line an answered request, in the combined form or as JSON, to a file. Lines gather in memory and
 * are written by the pool once a second or when many wait; when the disk is too slow lines are dropped and counted, but
 * no request ever waits. What clients sent is escaped, so that nobody writes lines of his own.
 *
 * Invariant: while a job runs the loop touches none of what it writes; the last of the two to let go frees it. Test:
 * tests/web/test_web_log.c.
 */
#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"
#include "web/web_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <plait/thread.h>

enum { WAITING_MAX = 1 << 20, SOON = 64 << 10, FIELD_MAX = 2048 };

struct plait_access_log {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait_sys *sys;
    int holders; /* the owner, and a job */
    enum plait_access_form form;
    /* of the job while one runs */
    int fd;
    bool reopen_now;
    struct plait_buf out;
    int failed; /* errno of the last job */
    /* of the loop */
    bool busy, reopen, complained, closed;
    struct plait_buf gathered;
    struct plait_timer timer;
    struct plait_metric dropped;
    char path[];
};

/* --- lines -------------------------------------------------------------------------------------------------------- */

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* As in a string of the combined form: quotes, backslashes and what is not printable become \xNN. */
static void put_quoted(struct plait_buf *out, plait_slice text)
{
    plait_buf_put_u8(out, '"');
    if (!text.ptr)
        plait_buf_put_u8(out, '-');
    for (size_t i = 0; i < text.len && i < FIELD_MAX; i++) {
        const uint8_t c = text.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            plait_buf_printf(out, "\\x%02x", c);
        else
            plait_buf_put_u8(out, c);
    }
    plait_buf_put_u8(out, '"');
}

static void put_client(struct plait_buf *out, const struct plait_request *req)
{
    struct plait_address peer;
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_request_peer(req, &peer);
    plait_buf_put_text(
        out, peer.kind == PLAIT_ADDR_IP4 || peer.kind == PLAIT_ADDR_IP6 ? plait_address_format_host(&peer, text) : "-");
}

static void put_user(struct plait_buf *out, plait_slice user)
{
    for (size_t i = 0; i < user.len && i < FIELD_MAX; i++) {
        const uint8_t c = user.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\')
            plait_buf_printf(out, "\\x%02x", c);
        else
            plait_buf_put_u8(out, c);
    }
    if (user.len == 0)
        plait_buf_put_u8(out, '-');
}

static void put_combined(struct plait_buf *out, const struct plait_http_access *a, int64_t seconds)
{
    const struct plait_request *req = a->request;
    struct plait__civil c;
    char request[PLAIT__HTTP1_METHOD_MAX + 1 + FIELD_MAX + 16];
    plait__civil_from_seconds(seconds, &c);
    put_client(out, req);
    plait_buf_put(out, PLAIT_LIT(" - "));
    put_user(out, plait_request_user(req));
    plait_buf_printf(out, " [%02u/%s/%04d:%02u:%02u:%02u +0000] ", c.day, months[c.month - 1], (int)c.year, c.hour,
                     c.minute, c.second);
    const plait_slice target = plait_slice_sub(plait_request_target(req), 0, FIELD_MAX - 64);
    const int version = plait_request_version(req);
    const int len = snprintf(request, sizeof(request), "%.*s %.*s HTTP/%d.%d", PLAIT_ARG(plait_request_method(req)),
                             PLAIT_ARG(target), version / 10, version % 10);
    put_quoted(out, plait_slice_of(request, (size_t)len));
    plait_buf_printf(out, " %d %llu ", a->status, (unsigned long long)a->body_bytes);
    put_quoted(out, plait_request_field(req, "referer"));
    plait_buf_put_u8(out, ' ');
    put_quoted(out, plait_request_field(req, "user-agent"));
    plait_buf_put_u8(out, '\n');
}

static void put_json(struct plait_buf *out, const char *key, plait_slice text)
{
    char piece[8];
    if (!text.ptr)
        return;
    plait_buf_printf(out, ",\"%s\":\"", key);
    for (size_t i = 0; i < text.len && i < FIELD_MAX; i++) {
        const size_t len = plait__escape_json(text, &i, piece);
        plait_buf_put(out, plait_slice_of(piece, len));
    }
    plait_buf_put_u8(out, '"');
}

static void put_object(struct plait_buf *out, const struct plait_http_access *a, int64_t seconds, uint32_t nanoseconds)
{
    const struct plait_request *req = a->request;
    char when[PLAIT__ISO8601_BYTES], text[PLAIT_ADDR_TEXT_MAX];
    struct plait_address peer;
    plait__format_iso8601(seconds, nanoseconds, when);
    plait_request_peer(req, &peer);
    plait_buf_printf(out, "{\"time\":\"%s\",\"status\":%d,\"bytes\":%llu,\"took_us\":%lld,\"complete\":%s", when,
                     a->status, (unsigned long long)a->body_bytes, (long long)(a->took / 1000),
                     a->complete ? "true" : "false");
    plait_buf_printf(out, ",\"version\":%d", plait_request_version(req));
    if (peer.kind == PLAIT_ADDR_IP4 || peer.kind == PLAIT_ADDR_IP6)
        put_json(out, "client", plait_slice_text(plait_address_format_host(&peer, text)));
    if (plait_request_user(req).len)
        put_json(out, "user", plait_request_user(req));
    put_json(out, "method", plait_request_method(req));
    put_json(out, "target", plait_request_target(req));
    put_json(out, "host", plait_request_field(req, "host"));
    put_json(out, "referer", plait_request_field(req, "referer"));
    put_json(out, "agent", plait_request_field(req, "user-agent"));
    plait_buf_put(out, PLAIT_LIT("}\n"));
}

/* --- in a pool thread --------------------------------------------------------------------------------------------- */

static int open_file(struct plait_access_log *l)
{
    if (strcmp(l->path, "-") == 0)
        return l->sys->ops->fcntl(l->sys, STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    return l->sys->ops->openat2(l->sys, AT_FDCWD, l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640,
                                0);
}

/* The new file is for what comes from now on; where it can't be had the old one goes on. */
static void reopen(struct plait_access_log *l)
{
    const int fd = open_file(l);
    if (fd < 0) {
        l->failed = -fd;
        return;
    }
    (void)l->sys->ops->close(l->sys, l->fd);
    l->fd = fd;
}

static plait_err work(plait_value *value, void *arg)
{
    struct plait_access_log *l = arg;
    plait_slice rest = plait_buf_slice(&l->out);
    value->num = 0;
    l->failed = 0;
    while (rest.len && !l->failed) {
        const ssize_t put = l->sys->ops->write(l->sys, l->fd, rest.ptr, rest.len);
        if (put <= 0)
            l->failed = put ? (int)-put : ENOSPC;
        else
            rest = plait_slice_sub(rest, (size_t)put, rest.len);
    }
    if (l->reopen_now)
        reopen(l);
    return PLAIT_OK;
}

/* --- in the loop -------------------------------------------------------------------------------------------------- */

static void log_unref(void *ctx)
{
    struct plait_access_log *l = ctx;
    if (--l->holders > 0)
        return;
    (void)l->sys->ops->close(l->sys, l->fd);
    plait_buf_deinit(&l->out);
    plait_buf_deinit(&l->gathered);
    plait_mem_free(l);
}

static void swap(struct plait_access_log *l)
{
    const struct plait_buf empty = l->out;
    l->out = l->gathered;
    l->gathered = empty;
    plait_buf_clear(&l->gathered);
}

/* The last lines, in the loop: nobody waits any more. */
static void write_rest(struct plait_access_log *l)
{
    plait_value nothing;
    l->reopen_now = false;
    swap(l);
    (void)work(&nothing, l);
}

static void on_written(struct plait_result *result, void *ctx)
{
    struct plait_access_log *l = ctx;
    plait_result_set(result, plait_value_num(0));
    l->busy = false;
    if (l->closed) {
        write_rest(l);
        log_unref(l);
        return;
    }
    if (l->failed && !l->complained) {
        const struct plait_fault fault = plait_fault_os(l->failed, "write");
        const struct plait_field fields[] = {plait_field_text("path", l->path), plait_field_fault(&fault),
                                             plait_field_end()};
        plait_log_event(plait_reactor_log(l->reactor), PLAIT_LOG_WARN, "web", "access-log",
                        "the access log can't be written", fields);
    }
    l->complained = l->failed != 0;
    if (l->gathered.len || l->reopen)
        plait_timer_arm(&l->timer, plait_seconds(1));
    log_unref(l);
}

static void flush(void *ctx)
{
    struct plait_access_log *l = ctx;
    if (l->busy || (l->gathered.len == 0 && !l->reopen))
        return;
    swap(l);
    l->reopen_now = l->reopen;
    l->reopen = false;
    l->holders += 2; /* the job's and its callback's */
    l->busy = plait_then(plait_in_thread(l->reactor, PLAIT_LANE_FILES, work, l, log_unref), on_written, l) == PLAIT_OK;
    if (l->busy)
        return;
    plait_metric_add(&l->dropped, 1); /* a batch; there is no memory for a job */
    log_unref(l);
}

void plait_access_log_write(const struct plait_http_access *access, void *log)
{
    struct plait_access_log *l = log;
    int64_t seconds;
    uint32_t nanoseconds;
    const size_t before = l->gathered.len;
    plait_wall_clock(l->reactor, &seconds, &nanoseconds);
    if (l->form == PLAIT_ACCESS_JSON)
        put_object(&l->gathered, access, seconds, nanoseconds);
    else
        put_combined(&l->gathered, access, seconds);
    if (l->gathered.err) { /* half a line is none */
        l->gathered.len = before;
        l->gathered.err = PLAIT_OK;
        plait_metric_add(&l->dropped, 1);
    }
    if (l->gathered.len >= SOON)
        plait_timer_arm(&l->timer, 0);
    else if (!plait_timer_runs(&l->timer))
        plait_timer_arm(&l->timer, plait_seconds(1));
}

void plait_access_log_reopen(struct plait_access_log *log)
{
    log->reopen = true;
    plait_timer_arm(&log->timer, 0);
}

static void log_end(struct plait_access_log *l)
{
    plait_timer_stop(&l->timer);
    plait_metrics_remove(&l->dropped);
    l->closed = true;
    if (!l->busy)
        write_rest(l);
    log_unref(l);
}

static void log_stop(struct plait__module *module)
{
    (void)module; /* requests that end with the reactor are still told */
}

static void log_release(struct plait__module *module)
{
    log_end(plait__container(module, struct plait_access_log, module));
}

plait_err plait_access_log_new(struct plait_reactor *reactor, const char *path, enum plait_access_form form,
                               struct plait_access_log **out)
{
    struct plait_budget *budget = plait_reactor_budget(reactor);
    const size_t len = strlen(path);
    struct plait_access_log *l = plait_mem_new(budget, sizeof(*l) + len + 1);
    *out = NULL;
    if (!l)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    l->reactor = reactor;
    l->sys = reactor->sys;
    l->holders = 1;
    l->form = form;
    memcpy(l->path, path, len);
    l->fd = open_file(l);
    if (l->fd < 0) {
        const plait_err err = PLAIT_FAIL(plait_err_from_errno(-l->fd));
        plait_mem_free(l);
        return err;
    }
    plait_buf_init(&l->out, budget, WAITING_MAX);
    plait_buf_init(&l->gathered, budget, WAITING_MAX);
    plait_timer_init(&l->timer, reactor, "access log", flush, l);
    l->dropped = (struct plait_metric){.kind = PLAIT_COUNTER,
                                       .name = "plait_access_log_dropped",
                                       .help = "Lines of the access log that were dropped.",
                                       .unit = "",
                                       .labels = ""};
    plait_metrics_add(plait_reactor_metrics(reactor), &l->dropped);
    l->module.stop = log_stop;
    l->module.release = log_release;
    plait__module_add(reactor, &l->module);
    *out = l;
    return PLAIT_OK;
}

void plait_access_log_free(struct plait_access_log **log)
{
    struct plait_access_log *l = *log;
    *log = NULL;
    if (!l)
        return;
    plait__module_remove(&l->module);
    log_end(l);
}
