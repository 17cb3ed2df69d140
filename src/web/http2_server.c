/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 connections of a server (RFC 9113): bytes to nghttp2's session and from it, what handlers are owed once the
 * session is not being called, limits and deadlines, the end in two steps.
 *
 * Every frame's head is looked at before nghttp2 reads the frame (http2_wire.c). Invariant: nghttp2 reads and writes
 * only from here, never inside a callback of its own; nothing is written while the connection's output is full, so that
 * what is urgent overtakes what is not. Tests: tests/web/test_http2_server.c, tests/web/test_http2_limits.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

enum { TICK_S = 15, STALL_S = 60, RESETS_A_SECOND = 50, FLOODS_A_SECOND = 20, REQUEST_EARNS = 4 };

/* --- ends ------------------------------------------------------------------------------------------------------ */

static void quiet(struct plait__h2_conn *conn)
{
    conn->flags |= PLAIT__HX_CLOSED;
    plait_timer_stop(&conn->timer);
    plait_timer_stop(&conn->partial);
    plait_soon_cancel(&conn->soon);
}

static void abort_conn(struct plait__h2_conn *conn, plait_err err, const char *why)
{
    if (!(conn->flags & PLAIT__HX_CLOSED)) {
        quiet(conn);
        plait_abort_with(conn->stream, err, why);
    }
}

void plait__h2_must(struct plait__h2_conn *conn, int rv)
{
    if (rv != 0)
        abort_conn(conn, PLAIT_ENOMEM, NULL);
}

/* nghttp2 can't go on. */
static void break_off(struct plait__h2_conn *conn, ssize_t rv)
{
    const bool memory = rv == NGHTTP2_ERR_NOMEM || rv == NGHTTP2_ERR_CALLBACK_FAILURE;
    abort_conn(conn, memory ? PLAIT_ENOMEM : PLAIT_EPROTOCOL, nghttp2_strerror((int)rv));
}

void plait__h2_fail(struct plait__h2_conn *conn, uint32_t code, plait_err err, const char *why)
{
    if (!conn->fault) {
        conn->fault = err;
        conn->why = why;
        plait__h2_must(conn, nghttp2_session_terminate_session(conn->session, code));
        plait__h2_touch(conn);
    }
}

void plait__h2_touch(struct plait__h2_conn *conn)
{
    if (!(conn->flags & (PLAIT__HX_BUSY | PLAIT__HX_CLOSED)))
        plait_soon_queue(&conn->soon);
}

/* The second GOAWAY: what comes later was not looked at, and may be sent elsewhere. */
static void say_last(struct plait__h2_conn *conn)
{
    const int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    if (!(conn->flags & PLAIT__HX_LAST)) {
        conn->flags |= PLAIT__HX_DRAINING | PLAIT__HX_LAST;
        plait__h2_must(conn, nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0));
        plait__h2_touch(conn);
    }
}

/* RFC 9113 section 6.8: a client may have sent more before it hears of the end. Its answer to our PING says that it
 * has heard. */
static void begin_drain(struct plait__h2_conn *conn)
{
    if (conn->flags & PLAIT__HX_DRAINING)
        return;
    conn->flags |= PLAIT__HX_DRAINING;
    plait__h2_must(conn, nghttp2_submit_shutdown_notice(conn->session));
    plait__h2_must(conn, nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL));
    plait__h2_touch(conn);
}

void plait__h2_drained(struct plait__h2_conn *conn)
{
    if (conn->flags & PLAIT__HX_DRAINING)
        say_last(conn);
}

/* --- what a client may do too often ---------------------------------------------------------------------------- */

static const char too_many_frames[] = "too many frames that lead nowhere";

/* CVE-2023-44487 and its kin: requests that are begun and given up cost more than they show. */
void plait__h2_count_reset(struct plait__h2_conn *conn)
{
    const size_t max = conn->service->options.limits.resets;
    const plait_time now = plait_now(conn->service->web->reactor);
    if (!plait__h2_bucket_add(&conn->resets, now, max, RESETS_A_SECOND))
        plait__h2_fail(conn, NGHTTP2_ENHANCE_YOUR_CALM, PLAIT_ELIMIT, "too many requests were given up");
}

static bool flood_is_right(struct plait__h2_conn *conn)
{
    const size_t max = conn->service->options.limits.floods;
    return plait__h2_bucket_add(&conn->floods, plait_now(conn->service->web->reactor), max, FLOODS_A_SECOND);
}

void plait__h2_count_flood(struct plait__h2_conn *conn)
{
    if (!flood_is_right(conn))
        plait__h2_fail(conn, NGHTTP2_ENHANCE_YOUR_CALM, PLAIT_ELIMIT, too_many_frames);
}

void plait__h2_count_request(struct plait__h2_conn *conn)
{
    plait__h2_bucket_earn(&conn->floods, REQUEST_EARNS);
    if (++conn->requests >= conn->service->options.limits.requests)
        say_last(conn);
}

/* --- what is due ----------------------------------------------------------------------------------------------- */

void plait__h2_work(struct plait__h2_stream *st, uint32_t flag)
{
    st->flags |= flag;
    if (plait__list_empty(&st->work))
        plait__list_add_tail(&st->conn->work, &st->work);
    plait__h2_touch(st->conn);
}

static void work_on(struct plait__h2_stream *st)
{
    struct plait_request *req = st->req;
    plait__list_remove(&st->work);
    if (st->flags & PLAIT__HS_READ) {
        st->flags &= ~(uint32_t)PLAIT__HS_READ;
        plait__h2_read_on(st);
    }
    if ((st->flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW) {
        st->flags &= ~(uint32_t)PLAIT__HS_FULL;
        if (st->req == req && req && req->room_fn && req->phase == PLAIT__HR_BEGUN)
            req->room_fn(req, req->room_ctx);
    }
}

static void send_all(struct plait__h2_conn *conn)
{
    while (!plait_is_full(conn->stream) && !(conn->flags & PLAIT__HX_CLOSED)) {
        const uint8_t *bytes;
        const ssize_t len = nghttp2_session_mem_send(conn->session, &bytes);
        if (len < 0)
            break_off(conn, len);
        if (len <= 0)
            return;
        plait_write(conn->stream, plait_slice_of(bytes, (size_t)len));
    }
}

/* All is said on both sides, or one of them has gone. */
static bool is_over(const struct plait__h2_conn *conn)
{
    if ((conn->flags & PLAIT__HX_EOF) && conn->count == 0 && !nghttp2_session_want_write(conn->session))
        return true;
    return !nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session);
}

static void settle(struct plait__h2_conn *conn)
{
    if (conn->flags & PLAIT__HX_CLOSED)
        return;
    if (is_over(conn)) {
        quiet(conn);
        if (conn->fault)
            plait_close_with(conn->stream, conn->fault, conn->why);
        else
            plait_close(conn->stream);
        return;
    }
    if (conn->count && !plait_timer_runs(&conn->timer)) {
        plait_timer_arm(&conn->timer, plait_seconds(TICK_S));
    } else if (conn->count == 0 && (conn->flags & PLAIT__HX_ACTIVE)) {
        conn->flags &= ~(uint32_t)PLAIT__HX_ACTIVE;
        plait__h2_arm(&conn->timer, conn->service->options.limits.idle);
    }
}

/* Everything that is due, in the order: handlers, then the network. */
static void go_on(struct plait__h2_conn *conn)
{
    conn->flags |= PLAIT__HX_BUSY;
    do {
        while (!plait__list_empty(&conn->work))
            work_on(plait__container(conn->work.next, struct plait__h2_stream, work));
        send_all(conn);
    } while (!plait__list_empty(&conn->work) && !(conn->flags & PLAIT__HX_CLOSED));
    conn->flags &= ~(uint32_t)PLAIT__HX_BUSY;
    settle(conn);
}

static void on_soon(void *ctx)
{
    go_on(ctx);
}

/* --- input ----------------------------------------------------------------------------------------------------- */

/* Frames that may come as often as one likes only as long as they go with something. DATA, HEADERS and CONTINUATION
 * are counted where it is known what they hold. */
static bool leads_nowhere(const struct plait__h2_frame *f)
{
    switch (f->type) {
    case PLAIT__H2_DATA:
    case PLAIT__H2_HEADERS:
    case PLAIT__H2_CONTINUATION:
        return false;
    default:
        return true;
    }
}

struct look {
    size_t good;   /* bytes before the frame that is refused */
    bool moved;    /* a frame began that does not only continue another */
    uint32_t code; /* 0: nothing is refused */
    plait_err err;
    const char *why;
};

static struct look judge(struct plait__h2_conn *conn, const struct plait__h2_frame *f)
{
    switch (plait__h2_watch_stream(&conn->watch, f)) {
    case PLAIT__H2_CLOSED:
        return (struct look){
            .code = NGHTTP2_STREAM_CLOSED, .err = PLAIT_EPROTOCOL, .why = "a frame on a closed stream"};
    case PLAIT__H2_WRONG:
        return (struct look){.code = NGHTTP2_PROTOCOL_ERROR, .err = PLAIT_EPROTOCOL, .why = "a frame on no stream"};
    default:
        break;
    }
    if (!leads_nowhere(f) || flood_is_right(conn))
        return (struct look){.code = 0};
    return (struct look){.code = NGHTTP2_ENHANCE_YOUR_CALM, .err = PLAIT_ELIMIT, .why = too_many_frames};
}

/* Looks at the heads of all frames in the input. */
static struct look look_at(struct plait__h2_conn *conn, plait_slice in)
{
    struct plait__h2_frame f;
    size_t at = 0;
    bool moved = false;
    while (plait__h2_watch_next(&conn->watch, in, &at, &f)) {
        struct look look = judge(conn, &f);
        moved |= f.type != PLAIT__H2_CONTINUATION;
        if (!look.code)
            continue;
        look.good = at > PLAIT__H2_FRAME_HEAD ? at - PLAIT__H2_FRAME_HEAD : 0;
        return look;
    }
    return (struct look){.good = in.len, .moved = moved};
}

static void watch_partial(struct plait__h2_conn *conn, bool moved)
{
    if (!plait__h2_watch_waits(&conn->watch))
        plait_timer_stop(&conn->partial);
    else if (moved || !plait_timer_runs(&conn->partial))
        plait__h2_arm(&conn->partial, conn->service->options.limits.head);
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    const struct look look = look_at(conn, in);
    conn->flags |= PLAIT__HX_BUSY;
    const ssize_t rv = nghttp2_session_mem_recv(conn->session, in.ptr, look.good);
    conn->flags &= ~(uint32_t)PLAIT__HX_BUSY;
    if (rv < 0)
        break_off(conn, rv);
    else if (look.code)
        plait__h2_fail(conn, look.code, look.err, look.why);
    if (conn->flags & PLAIT__HX_CLOSED)
        return in.len;
    watch_partial(conn, look.moved);
    go_on(conn);
    return in.len;
}

/* --- the other callbacks --------------------------------------------------------------------------------------- */

/* The client sends nothing more: bodies that are not whole break off, the other requests still get their answers. */
static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    (void)rest;
    conn->flags |= PLAIT__HX_EOF;
    plait_timer_stop(&conn->partial);
    for (struct plait__list *at = conn->streams.next, *next; at != &conn->streams; at = next) {
        struct plait__h2_stream *st = plait__container(at, struct plait__h2_stream, link);
        next = at->next;
        plait__h2_client_said_all(st);
    }
    go_on(conn);
}

static void on_room(struct plait_stream *s, void *self)
{
    (void)s;
    go_on(self);
}

static void on_drain(struct plait_stream *s, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    if (conn->count)
        begin_drain(conn);
    else
        say_last(conn);
}

static void free_conn(struct plait__h2_conn *conn)
{
    struct plait__http_service *service = conn->service;
    plait_timer_stop(&conn->timer);
    plait_timer_stop(&conn->partial);
    plait_soon_cancel(&conn->soon);
    while (!plait__list_empty(&conn->streams))
        plait__h2_stream_free(plait__container(conn->streams.next, struct plait__h2_stream, link));
    nghttp2_session_del(conn->session);
    plait__h2_pool_deinit(&conn->pool);
    plait_mem_free(conn);
    plait_metric_add(&service->web->connections, -1);
    plait__http_service_unref(service);
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    (void)fault;
    conn->flags |= PLAIT__HX_CLOSED;
    free_conn(conn);
}

static const struct plait_protocol h2_protocol = {.name = "http2",
                                                  .data = on_data,
                                                  .eof = on_eof,
                                                  .room = on_room,
                                                  .drain = on_drain,
                                                  .lost = on_lost,
                                                  .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

/* --- deadlines ------------------------------------------------------------------------------------------------- */

void plait__h2_arm(struct plait_timer *timer, plait_span span)
{
    if (span == PLAIT_NEVER)
        plait_timer_stop(timer);
    else
        plait_timer_arm(timer, span);
}

/* Answers that wait for a window which the client does not open. One that waits for its turn is not among them. */
static void end_stalled(struct plait__h2_conn *conn)
{
    const plait_time before = plait_now(conn->service->web->reactor) - plait_seconds(STALL_S);
    const bool closed = nghttp2_session_get_remote_window_size(conn->session) <= 0;
    for (struct plait__list *at = conn->streams.next, *next; at != &conn->streams; at = next) {
        struct plait__h2_stream *st = plait__container(at, struct plait__h2_stream, link);
        next = at->next;
        if (plait__chain_empty(&st->out) || st->moved > before)
            continue;
        if (closed ? conn->moved <= before : nghttp2_session_get_stream_remote_window_size(conn->session, st->id) <= 0)
            plait__h2_give_up(st);
    }
}

static void on_timer(void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    if (conn->count == 0 && !plait_pending(conn->stream)) {
        say_last(conn);
        return;
    }
    if (conn->flags & PLAIT__HX_DRAINING)
        say_last(conn);
    end_stalled(conn);
    plait_timer_arm(&conn->timer, plait_seconds(TICK_S));
}

static void on_partial(void *ctx)
{
    plait__h2_fail(ctx, NGHTTP2_PROTOCOL_ERROR, PLAIT_ETIMEDOUT, "a frame did not come whole in time");
}

/* --- beginning ------------------------------------------------------------------------------------------------- */

plait_err plait__h2_open(struct plait__http_service *service, struct plait_stream *s)
{
    struct plait_reactor *reactor = service->web->reactor;
    struct plait__h2_conn *conn = plait_mem_new(plait_stream_budget(s), sizeof(*conn));
    if (!conn)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    conn->stream = s;
    conn->service = service;
    service->refs++;
    plait_metric_add(&service->web->connections, 1);
    plait__list_init(&conn->streams);
    plait__list_init(&conn->work);
    plait__h2_pool_init(&conn->pool, plait_stream_budget(s));
    plait__h2_watch_init(&conn->watch, true);
    plait_timer_init(&conn->timer, reactor, "http2", on_timer, conn);
    plait_timer_init(&conn->partial, reactor, "http2 frame", on_partial, conn);
    plait_soon_init(&conn->soon, reactor, "http2", on_soon, conn);
    const plait_err err = plait__h2_session_new(conn);
    if (err) {
        free_conn(conn);
        return err;
    }
    plait__h2_arm(&conn->timer, service->options.limits.idle);
    plait__h2_arm(&conn->partial, service->options.limits.head);
    plait_stream_marks(s, PLAIT__H2_OUT_HIGH, PLAIT__H2_OUT_LOW);
    plait_stream_attach(s, &h2_protocol, conn);
    plait__h2_touch(conn);
    return PLAIT_OK;
}
