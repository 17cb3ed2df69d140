/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 connections of a server: heads read from the stream's window, requests handed to the tree one at a time
 * and in order, limits and deadlines, keep-alive, drain. An idle connection holds this file's small object and
 * nothing else; the request comes with the first byte and goes with the answer.
 *
 * Pipelined requests of one window are answered inside one callback, so that the stream sends their answers together.
 * Invariant: at most one request of a connection is with a handler; its bytes were all taken before the next head is
 * read. Tests: tests/web/test_http_server.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"
#include "web/http2_wire.h"
#include "web/http_core.h"

#include <plait/tls.h>

enum { KEEP_MAX = 32768, RATE_GRACE_S = 10 };

static const struct plait_protocol http_protocol;

/* --- small steps ----------------------------------------------------------------------------------------------- */

static void close_conn(struct plait__http_conn *conn)
{
    bool brief = conn->flags & PLAIT__HC_LAST;
    conn->flags |= PLAIT__HC_CLOSED;
    plait_timer_stop(&conn->timer);
    if (brief)
        plait__stream_close_brief(conn->stream);
    else
        plait_close(conn->stream);
}

static void arm(struct plait__http_conn *conn, plait_span span)
{
    conn->flags &= ~(uint32_t)PLAIT__HC_STOPPED;
    if (span == PLAIT_NEVER)
        plait_timer_stop(&conn->timer);
    else
        plait_timer_arm(&conn->timer, span);
}

/* Has the stream offer again what it keeps. */
static void offer_again(struct plait__http_conn *conn)
{
    conn->flags &= ~(uint32_t)PLAIT__HC_PAUSED;
    plait_pause(conn->stream);
    plait_resume(conn->stream);
}

void plait__http_wake(struct plait_request *req)
{
    struct plait__http_conn *conn = req->carrier;
    if (!(conn->flags & PLAIT__HC_IN_DATA))
        offer_again(conn);
    arm(conn, conn->service->options.limits.body);
}

/* What stays unread of a body may be thrown away, when it is short and not held back by the client. */
static bool rest_is_short(const struct plait_request *req)
{
    if (req->body_done)
        return true;
    return !req->continue_due && req->body_kind == PLAIT__HB_LENGTH && req->body_left <= PLAIT__HR_DISCARD / 2;
}

bool plait__http_keeps(const struct plait_request *req)
{
    const struct plait__http_conn *conn = req->carrier;
    return conn && (conn->flags & PLAIT__HC_KEEP) && !(conn->flags & (PLAIT__HC_DRAINING | PLAIT__HC_CLOSED)) &&
           conn->answered + 1 < conn->service->options.limits.requests && rest_is_short(req);
}

/* The connection is between two requests. */
static void become_idle(struct plait__http_conn *conn)
{
    conn->req = NULL;
    if (!(conn->flags & PLAIT__HC_KEEP) || (conn->flags & PLAIT__HC_DRAINING)) {
        close_conn(conn);
        return;
    }
    if (conn->flags & PLAIT__HC_IN_DATA)
        return; /* the data callback sees to the rest */
    if ((conn->flags & PLAIT__HC_EOF) && !(conn->flags & PLAIT__HC_LEFTOVER)) {
        close_conn(conn);
        return;
    }
    arm(conn, conn->service->options.limits.idle);
    offer_again(conn);
}

static void conn_free(struct plait__http_conn *conn)
{
    struct plait__http_service *service = conn->service;
    plait_timer_stop(&conn->timer);
    plait_metric_add(&service->web->connections, -1);
    plait__slab_free(&service->web->conns, conn);
    plait__http_service_unref(service);
}

void plait__http1_answered(struct plait_request *req)
{
    struct plait__http_conn *conn = req->carrier;
    conn->answered++;
    if (conn->flags & PLAIT__HC_UPGRADED) {
        plait__request_free(req);
        if (!(conn->flags & PLAIT__HC_IN_DATA))
            conn_free(conn); /* else the data callback does it, when it is left */
        return;
    }
    if (!req->body_done && (conn->flags & PLAIT__HC_KEEP) && !(conn->flags & PLAIT__HC_CLOSED)) {
        req->phase = PLAIT__HR_ANSWERED; /* the rest of its body is still to come */
        plait__http_wake(req);
        return;
    }
    plait__request_free(req);
    become_idle(conn);
}

/* Detaches a request from its connection for good. */
static void part(struct plait_request *req)
{
    struct plait__http_conn *conn = req->carrier;
    conn->req = NULL;
    conn->flags &= ~(uint32_t)PLAIT__HC_KEEP;
    conn->flags |= PLAIT__HC_CLOSED;
    plait_timer_stop(&conn->timer);
    plait__request_left(req);
}

void plait__http1_abandon(struct plait_request *req, plait_err err, const char *detail)
{
    struct plait__http_conn *conn = req->carrier;
    plait_abort_with(conn->stream, err, detail);
    conn->req = NULL;
    conn->flags |= PLAIT__HC_CLOSED;
    plait_timer_stop(&conn->timer);
}

/* --- refusing -------------------------------------------------------------------------------------------------- */

/* Why a connection ends that is refused with a status. */
static plait_err fault_of(int status)
{
    switch (status) {
    case 408:
        return PLAIT_ETIMEDOUT;
    case 413:
    case 414:
    case 431:
        return PLAIT_ETOOLONG;
    case 503:
        return PLAIT_ENOMEM;
    default:
        return PLAIT_EMALFORMED;
    }
}

/* An answer that needs no request, and the end of the connection (RFC 9112 section 9.6). */
static void refuse(struct plait__http_conn *conn, int status)
{
    struct plait__web *web = conn->service->web;
    plait_slice reason = plait_slice_text(plait__http_reason(status));
    struct plait__http1_answer answer = {.status = status,
                                         .framing = PLAIT__HTTP1_LENGTH,
                                         .length = reason.len + 1,
                                         .connection = "close",
                                         .common = plait__http_common(conn->service),
                                         .type = PLAIT_LIT("text/plain; charset=utf-8")};
    plait_metric_add(&web->errors, 1);
    plait_buf_clear(&web->scratch);
    plait__http1_answer_write(&web->scratch, &answer);
    plait_buf_put(&web->scratch, reason);
    plait_buf_put(&web->scratch, PLAIT_LIT("\n"));
    plait_write(conn->stream, plait_buf_slice(&web->scratch));
    conn->flags = (conn->flags & ~(uint32_t)PLAIT__HC_KEEP) | PLAIT__HC_CLOSED;
    plait_timer_stop(&conn->timer);
    plait_close_with(conn->stream, fault_of(status), "an HTTP request was refused");
}

/* Refuses what came behind a head that a handler has: its answer is ours when it has not begun. */
static void refuse_body(struct plait_request *req, int status)
{
    struct plait__http_conn *conn = req->carrier;
    if (req->phase == PLAIT__HR_OPEN)
        refuse(conn, status);
    else if (req->phase == PLAIT__HR_ANSWERED)
        close_conn(conn);
    else
        plait_abort_with(conn->stream, fault_of(status), "the request's body was refused under its answer");
    part(req);
}

/* --- input ----------------------------------------------------------------------------------------------------- */

/* A head is complete: the handler runs. Both request and connection may have gone on when this returns. */
static void begin_request(struct plait__http_conn *conn, const uint8_t *head)
{
    struct plait_request *req = conn->req;
    bool keep = req->head.minor ? !req->head.close : req->head.keep_alive && !req->head.close;
    conn->flags = keep ? conn->flags | PLAIT__HC_KEEP : conn->flags & ~(uint32_t)PLAIT__HC_KEEP;
    if (!keep && req->head.length == 0 && !req->head.chunked)
        conn->flags |= PLAIT__HC_LAST; /* the client itself said so (RFC 9112 section 9.6) */
    int refusal = plait__request_begin(req, head);
    if (refusal) {
        refuse(conn, refusal);
        req->phase = PLAIT__HR_ANSWERED;
        part(req);
        return;
    }
    plait__resource_dispatch(req);
    if (conn->req == req && req->phase == PLAIT__HR_OPEN)
        plait__request_pump(req);
}

/* Reads a head; returns how much of the input it was, 0 when it is not complete. */
static size_t take_head(struct plait__http_conn *conn, plait_slice in)
{
    if (!conn->req) {
        conn->req = plait__request_new(conn->service);
        if (!conn->req) {
            refuse(conn, 503);
            return in.len;
        }
        conn->req->ops = &plait__http1_carrier;
        conn->req->carrier = conn;
        conn->req->stream = conn->stream;
    }
    struct plait_request *req = conn->req;
    bool fresh = req->head.scanned == 0 && req->head.at == 0;
    enum plait__http1_step step = plait__http1_head_read(&req->head, in);
    if (step == PLAIT__HTTP1_MORE) {
        if (fresh && conn->answered)
            arm(conn, conn->service->options.limits.head);
        return 0;
    }
    if (step == PLAIT__HTTP1_BAD) {
        refuse(conn, req->head.status);
        part(req);
        return in.len;
    }
    size_t used = req->head.at;
    begin_request(conn, in.ptr);
    return used;
}

/* Bytes a second since the body's start, once there was time to judge. */
static bool too_slow(const struct plait_request *req)
{
    uint64_t rate = req->service->options.limits.body_rate;
    int64_t took = (plait_now(req->web->reactor) - req->rate_from) / plait_seconds(1);
    return req->body_fn && !req->paused && took > RATE_GRACE_S && req->rate_seen / (uint64_t)took < rate;
}

static size_t take_body(struct plait__http_conn *conn, plait_slice in)
{
    struct plait_request *req = conn->req;
    int refusal = 0;
    size_t used = plait__request_take(req, in, &refusal);
    if (conn->req != req)
        return used;
    if (!refusal && used && !req->body_done && too_slow(req))
        refusal = 408;
    if (refusal) {
        refuse_body(req, refusal);
        return in.len;
    }
    if (req->phase == PLAIT__HR_ANSWERED && req->body_done) {
        plait__request_free(req);
        become_idle(conn);
    } else if (used) {
        arm(conn, req->body_done ? PLAIT_NEVER : conn->service->options.limits.body);
    }
    return used;
}

/* One step through the input. */
static size_t take(struct plait__http_conn *conn, plait_slice in)
{
    if (!conn->req || conn->req->phase == PLAIT__HR_HEAD)
        return take_head(conn, in);
    return take_body(conn, in);
}

/* The input is looked at; what is to happen when nothing more comes. */
static void settle(struct plait__http_conn *conn, size_t left)
{
    conn->flags = left ? conn->flags | PLAIT__HC_LEFTOVER : conn->flags & ~(uint32_t)PLAIT__HC_LEFTOVER;
    if (conn->flags & PLAIT__HC_CLOSED)
        return;
    if (!conn->req) {
        if (conn->flags & PLAIT__HC_EOF)
            close_conn(conn);
        else if (left == 0)
            arm(conn, conn->service->options.limits.idle);
        return;
    }
    if (conn->req->phase == PLAIT__HR_HEAD) {
        if (conn->flags & PLAIT__HC_EOF)
            close_conn(conn);
        return;
    }
    bool reads = !conn->req->body_done && (conn->req->body_fn || conn->req->phase == PLAIT__HR_ANSWERED);
    if (!(reads && !conn->req->paused) && !(conn->flags & PLAIT__HC_STOPPED)) {
        plait_timer_stop(&conn->timer);
        conn->flags |= PLAIT__HC_STOPPED;
    }
    if (left > KEEP_MAX) {
        conn->flags |= PLAIT__HC_PAUSED;
        plait_pause(conn->stream);
    }
}

/* Prior knowledge of HTTP/2 (RFC 9113 section 3.3): its preface stands where the first request would. Returns false
 * when this is HTTP/1. The bytes stay with the stream for who reads them now. */
static bool is_preface(struct plait__http_conn *conn, plait_slice in)
{
    const plait_slice preface = PLAIT_LIT(PLAIT__H2_PREFACE);
    const size_t len = in.len < preface.len ? in.len : preface.len;
    return !(conn->flags & PLAIT__HC_NOT_H2) && memcmp(in.ptr, preface.ptr, len) == 0;
}

static void become_http2(struct plait__http_conn *conn)
{
    struct plait_stream *s = conn->stream;
    struct plait__http_service *service = conn->service;
    const plait_err err = plait__h2_open(service, s);
    if (err) {
        conn->flags |= PLAIT__HC_CLOSED;
        plait_timer_stop(&conn->timer);
        plait_abort_with(s, err, NULL);
        return;
    }
    conn_free(conn);
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait__http_conn *conn = self;
    size_t used = 0;
    if (!(conn->flags & PLAIT__HC_BEGUN)) {
        if (is_preface(conn, in)) {
            if (in.len >= PLAIT__H2_PREFACE_BYTES)
                become_http2(conn);
            return 0;
        }
        conn->flags |= PLAIT__HC_BEGUN;
    }
    conn->flags |= PLAIT__HC_IN_DATA;
    while (used < in.len && !(conn->flags & PLAIT__HC_CLOSED)) {
        if (!conn->req && plait_is_full(s))
            break;
        size_t took = take(conn, plait_slice_of(in.ptr + used, in.len - used));
        if (took == 0)
            break;
        used += took;
    }
    conn->flags &= ~(uint32_t)PLAIT__HC_IN_DATA;
    if (conn->flags & PLAIT__HC_UPGRADED)
        conn_free(conn);
    else
        settle(conn, in.len - used);
    return used;
}

/* --- the other callbacks --------------------------------------------------------------------------------------- */

/* The client closed its side: it still gets the answer under way, but its handler is told. */
static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait__http_conn *conn = self;
    struct plait_request *req = conn->req;
    conn->flags |= PLAIT__HC_EOF;
    (void)s;
    if (!req || req->phase == PLAIT__HR_HEAD) {
        close_conn(conn);
        return;
    }
    if (rest == 0)
        conn->flags &= ~(uint32_t)(PLAIT__HC_LEFTOVER | PLAIT__HC_KEEP);
    if (!req->body_done && (req->body_fn || req->phase == PLAIT__HR_ANSWERED)) {
        plait_abort_with(conn->stream, PLAIT_ETRUNCATED, "the request's body broke off");
        part(req);
        return;
    }
    plait_request_fn gone = req->gone_fn;
    req->gone_fn = NULL;
    if (gone)
        gone(req, req->gone_ctx);
}

static void on_room(struct plait_stream *s, void *self)
{
    struct plait__http_conn *conn = self;
    struct plait_request *req = conn->req;
    (void)s;
    if (!req || req->phase == PLAIT__HR_HEAD)
        offer_again(conn);
    else if (req->room_fn && req->phase == PLAIT__HR_BEGUN)
        req->room_fn(req, req->room_ctx);
}

static void on_drain(struct plait_stream *s, void *self)
{
    struct plait__http_conn *conn = self;
    (void)s;
    conn->flags |= PLAIT__HC_DRAINING;
    if (!conn->req)
        close_conn(conn);
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait__http_conn *conn = self;
    (void)s;
    (void)fault;
    if (conn->req)
        plait__request_left(conn->req);
    conn_free(conn);
}

static const struct plait_protocol http_protocol = {.name = "http",
                                                    .data = on_data,
                                                    .eof = on_eof,
                                                    .room = on_room,
                                                    .drain = on_drain,
                                                    .lost = on_lost,
                                                    .flags = PLAIT_HALF_CLOSE};

/* A deadline passed: of a head, of silence between requests or inside a body. */
static void on_timer(void *ctx)
{
    struct plait__http_conn *conn = ctx;
    struct plait_request *req = conn->req;
    if (!req) {
        if (plait_pending(conn->stream))
            arm(conn, conn->service->options.limits.idle); /* it is still reading the last answer */
        else
            close_conn(conn);
        return;
    }
    if (req->phase == PLAIT__HR_HEAD) {
        refuse(conn, 408);
        part(req);
    } else if (!req->paused) {
        refuse_body(req, 408);
    }
}

/* What ALPN chose holds; without it the first bytes tell. */
static plait_err open_http1(struct plait__http_service *service, struct plait_stream *s, bool chosen)
{
    struct plait__http_conn *conn = plait__slab_new(&service->web->conns);
    if (!conn)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    conn->stream = s;
    conn->service = service;
    service->refs++;
    plait_metric_add(&service->web->connections, 1);
    plait_timer_init(&conn->timer, service->web->reactor, "http", on_timer, conn);
    conn->flags = chosen || service->options.no_http2 ? PLAIT__HC_NOT_H2 : 0;
    arm(conn, service->options.limits.head);
    plait_stream_attach(s, &http_protocol, conn);
    return PLAIT_OK;
}

plait_err plait__http_open(struct plait__http_service *service, struct plait_stream *s)
{
    const struct plait_tls_info *tls = plait_stream_tls(s);
    if (tls && plait_slice_equal(tls->alpn, PLAIT_LIT("h2")) && !service->options.no_http2)
        return plait__h2_open(service, s);
    return open_http1(service, s, tls && tls->alpn.len);
}
