/* SPDX-License-Identifier: MIT
 *
 * The server's end of an HTTP/2 connection (RFC 9113): its streams begin with the client, its end with a GOAWAY in two
 * steps, and what a client may do too often is counted. What both ends share stands in http2_conn.c.
 *
 * Output stands in the connection's stream only up to its high mark: the rest waits in the streams of HTTP/2, so that
 * what is urgent overtakes what is not. Tests: tests/web/test_http2_server.c, tests/web/test_http2_limits.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

enum { RESETS_A_SECOND = 50 };

/* --- ends ------------------------------------------------------------------------------------------------------ */

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

/* The client has heard that the connection drains. */
static void heard(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    const bool answers = frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK);
    if (answers && (conn->flags & PLAIT__HX_DRAINING))
        say_last(conn);
}

/* --- what a client may do too often ---------------------------------------------------------------------------- */

/* CVE-2023-44487 and its kin: requests that are begun and given up cost more than they show. */
void plait__h2_count_reset(struct plait__h2_conn *conn)
{
    const size_t max = conn->service->options.limits.resets;
    const plait_time now = plait_now(conn->service->web->reactor);
    if (!plait__h2_bucket_add(&conn->resets, now, max, RESETS_A_SECOND))
        plait__h2_fail(conn, NGHTTP2_ENHANCE_YOUR_CALM, PLAIT_ELIMIT, "too many requests were given up");
}

void plait__h2_count_request(struct plait__h2_conn *conn)
{
    plait__h2_bucket_earn(&conn->floods, PLAIT__H2_EARNS);
    if (++conn->requests >= conn->service->options.limits.requests)
        say_last(conn);
}

/* --- what is due ----------------------------------------------------------------------------------------------- */

static void work_on(struct plait__h2_stream *st)
{
    struct plait_request *req = st->req;
    if (st->flags & PLAIT__HS_READ) {
        st->flags &= ~(uint32_t)PLAIT__HS_READ;
        plait__h2_read_on(st);
    }
    if ((st->flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW) {
        st->flags &= ~(uint32_t)PLAIT__HS_FULL;
        if (st->tunnel)
            plait__h2_tunnel_room(st->tunnel);
        else if (st->req == req && req && req->room_fn && req->phase == PLAIT__HR_BEGUN)
            req->room_fn(req, req->room_ctx);
    }
}

static void settled(struct plait__h2_conn *conn)
{
    if (conn->count && !plait_timer_runs(&conn->timer)) {
        plait_timer_arm(&conn->timer, plait_seconds(PLAIT__H2_TICK_S));
    } else if (conn->count == 0 && (conn->flags & PLAIT__HX_ACTIVE)) {
        conn->flags &= ~(uint32_t)PLAIT__HX_ACTIVE;
        plait__h2_arm(&conn->timer, conn->service->options.limits.idle);
    }
}

/* --- streams --------------------------------------------------------------------------------------------------- */

static int open_stream(struct plait__h2_conn *conn, int32_t id)
{
    if (conn->flags & PLAIT__HX_LAST)
        return nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    conn->reading = plait__h2_request_new(conn, id);
    if (!conn->reading)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return nghttp2_session_set_stream_user_data(conn->session, id, conn->reading);
}

static int sent(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__h2_stream *st = NULL;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        st = nghttp2_session_get_stream_user_data(conn->session, frame->hd.stream_id);
    return st ? plait__h2_said(st, frame) : 0;
}

static void closed(struct plait__h2_stream *st, uint32_t code)
{
    (void)code;
    if (!(st->flags & (PLAIT__HS_DROPPED | PLAIT__HS_FINAL)))
        plait__h2_count_reset(st->conn);
    plait__h2_request_free(st);
}

/* --- callbacks of the stream ----------------------------------------------------------------------------------- */

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
    plait__h2_go_on(conn);
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
    while (!plait__list_empty(&conn->streams))
        plait__h2_request_free(plait__container(conn->streams.next, struct plait__h2_stream, link));
    plait__h2_conn_deinit(conn);
    plait_mem_free(conn);
    plait_metric_add(&service->web->connections, -1);
    plait_metric_add(&service->web->connections_two, -1);
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
                                                  .data = plait__h2_on_data,
                                                  .eof = on_eof,
                                                  .room = plait__h2_on_room,
                                                  .drain = on_drain,
                                                  .lost = on_lost,
                                                  .flags = PLAIT_HALF_CLOSE | PLAIT_BOUNDS_OUTPUT};

static void on_timer(void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    if (conn->count == 0 && !plait_pending(conn->stream)) {
        say_last(conn);
        return;
    }
    if (conn->flags & PLAIT__HX_DRAINING)
        say_last(conn);
    plait__h2_end_stalled(conn);
    plait_timer_arm(&conn->timer, plait_seconds(PLAIT__H2_TICK_S));
}

/* --- beginning ------------------------------------------------------------------------------------------------- */

/* The connection's streams hear of its end when it is lost. */
static void ends(struct plait__h2_conn *conn)
{
    (void)conn;
}

static const struct plait__h2_side server_side = {.open = open_stream,
                                                  .grow = plait__h2_request_grow,
                                                  .field = plait__h2_take_field,
                                                  .head = plait__h2_begin,
                                                  .data = plait__h2_take_data,
                                                  .end = plait__h2_take_end,
                                                  .heard = heard,
                                                  .sent = sent,
                                                  .closed = closed,
                                                  .work = work_on,
                                                  .settled = settled,
                                                  .ends = ends,
                                                  .stalled = plait__h2_give_up,
                                                  .judges = true,
                                                  .window = PLAIT__H2_READING};

static plait_err begin(struct plait__h2_conn *conn)
{
    const struct plait_http_limits *limits = &conn->service->options.limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, PLAIT__HTTP1_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    const size_t count = sizeof(settings) / sizeof(*settings);
    PLAIT_TRY(plait__h2_session_new(conn, true, settings, count, PLAIT__H2_WINDOW));
    return PLAIT_OK;
}

plait_err plait__h2_open(struct plait__http_service *service, struct plait_stream *s)
{
    const struct plait_http_limits *limits = &service->options.limits;
    struct plait__h2_conn *conn = plait_mem_new(plait_stream_budget(s), sizeof(*conn));
    if (!conn)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait__h2_conn_init(conn, service->web, s, &server_side);
    plait_timer_init(&conn->timer, service->web->reactor, "http2", on_timer, conn);
    conn->service = service;
    conn->whole = limits->head;
    conn->flood_max = limits->floods;
    service->refs++;
    plait_metric_add(&service->web->connections, 1);
    plait_metric_add(&service->web->connections_two, 1);
    const plait_err err = begin(conn);
    if (err) {
        free_conn(conn);
        return err;
    }
    plait__h2_arm(&conn->timer, limits->idle);
    plait__h2_arm(&conn->partial, limits->head);
    plait_stream_marks(s, PLAIT__H2_OUT_HIGH, PLAIT__H2_OUT_LOW);
    plait_stream_attach(s, &h2_protocol, conn);
    plait__h2_touch(conn);
    return PLAIT_OK;
}
