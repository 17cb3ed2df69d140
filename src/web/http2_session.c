/* SPDX-License-Identifier: MIT
 *
 * nghttp2's session of a server: its callbacks, its options, our settings. nghttp2 reads and writes frames, keeps the
 * windows, compresses fields, and judges most of RFC 9113; what a frame means to a request stands in http2_request.c.
 *
 * Callbacks run inside nghttp2_session_mem_recv and _mem_send. They and the handlers that they call may submit to the
 * session, and never make it read or write. Invariant: a stream that nghttp2 knows by our pointer is ours until
 * on_stream_close. Test: tests/web/test_http2_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

/* What all sessions of a reactor share. */
struct plait__h2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
};

static struct plait__h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* --- heads ----------------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        conn->reading = stream_of(session, frame->hd.stream_id);
        if (conn->reading) {
            conn->reading->flags |= PLAIT__HS_TRAILER;
            conn->reading->list = 0;
        }
        return 0;
    }
    if (conn->flags & PLAIT__HX_LAST)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    conn->reading = plait__h2_stream_new(conn, frame->hd.stream_id);
    if (!conn->reading)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, conn->reading);
}

static plait_slice slice_of(nghttp2_rcbuf *buf)
{
    const nghttp2_vec vec = nghttp2_rcbuf_get_buf(buf);
    return plait_slice_of(vec.base, vec.len);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    struct plait__h2_stream *st = conn->reading;
    const plait_slice name = slice_of(name_buf), value = slice_of(value_buf);
    (void)session;
    (void)frame;
    (void)flags;
    if (!st)
        return 0;
    st->list += (uint32_t)(name.len + value.len + 32);
    if (!(st->flags & PLAIT__HS_TRAILER))
        plait__h2_take_field(st, name, value);
    else if (st->list > PLAIT__H2_TRAILER_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

static void head_is_over(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__h2_stream *st = conn->reading;
    conn->reading = NULL;
    if (st && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        st->flags |= PLAIT__HS_ENDED;
    if (st && !(st->flags & PLAIT__HS_TRAILER))
        plait__h2_begin(st);
    else if (st)
        plait__h2_take_end(st);
}

/* --- the other frames ------------------------------------------------------------------------------------------ */

static void data_is_over(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__h2_stream *st = stream_of(conn->session, frame->hd.stream_id);
    const bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!ends && frame->hd.length <= frame->data.padlen)
        plait__h2_count_flood(conn);
    if (!st || !ends)
        return;
    st->flags |= PLAIT__HS_ENDED;
    plait__h2_take_end(st);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        head_is_over(conn, frame);
    else if (frame->hd.type == NGHTTP2_DATA)
        data_is_over(conn, frame);
    else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
        plait__h2_drained(conn);
    return 0;
}

/* What nobody keeps does not hold the connection's window; a stream's is given back when its body is taken. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *ctx)
{
    struct plait__h2_stream *st = stream_of(session, id);
    (void)flags;
    (void)ctx;
    if (st)
        plait__h2_take_data(st, plait_slice_of(data, len));
    return nghttp2_session_consume_connection(session, len);
}

/* The answer is out. A client that still sends is told that nobody listens (RFC 9113 section 8.1). */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    struct plait__h2_conn *conn = ctx;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code && !conn->fault)
        conn->fault = PLAIT_EPROTOCOL; /* what nghttp2 found by itself */
    if (!carries || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct plait__h2_stream *st = stream_of(session, frame->hd.stream_id);
    if (!st || (st->flags & PLAIT__HS_ENDED))
        return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    struct plait__h2_stream *st = stream_of(session, id);
    (void)code;
    if (!st)
        return 0;
    if (conn->reading == st)
        conn->reading = NULL;
    if (!(st->flags & (PLAIT__HS_DROPPED | PLAIT__HS_FINAL)))
        plait__h2_count_reset(conn);
    plait__h2_stream_free(st);
    return 0;
}

void plait__h2_reset(struct plait__h2_stream *st, uint32_t code)
{
    struct plait__h2_conn *conn = st->conn;
    st->flags |= PLAIT__HS_DROPPED;
    plait__h2_must(conn, nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, st->id, code));
    plait__h2_touch(conn);
}

/* --- making it ------------------------------------------------------------------------------------------------- */

static void set_callbacks(nghttp2_session_callbacks *c)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, plait__h2_body_send);
}

/* Windows are ours, for they follow what handlers take. Resets we count ourselves, by the reactor's clock. */
static void set_options(nghttp2_option *o)
{
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_stream_reset_rate_limit(o, UINT64_MAX / 2, 0);
}

static plait_err shared_of(struct plait__web *web, struct plait__h2_shared **out)
{
    if (!web->h2) {
        struct plait__h2_shared *shared = plait_mem_new(plait_reactor_budget(web->reactor), sizeof(*shared));
        web->h2 = shared;
        if (!shared || nghttp2_session_callbacks_new(&shared->callbacks) || nghttp2_option_new(&shared->option)) {
            plait__h2_shared_free(web);
            return PLAIT_FAIL(PLAIT_ENOMEM);
        }
        set_callbacks(shared->callbacks);
        set_options(shared->option);
    }
    *out = web->h2;
    return PLAIT_OK;
}

void plait__h2_shared_free(struct plait__web *web)
{
    if (!web->h2)
        return;
    nghttp2_session_callbacks_del(web->h2->callbacks);
    nghttp2_option_del(web->h2->option);
    plait_mem_free(web->h2);
    web->h2 = NULL;
}

static int say_settings(struct plait__h2_conn *conn)
{
    const struct plait_http_limits *limits = &conn->service->options.limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, PLAIT__HTTP1_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int rv = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(*settings));
    if (rv == 0)
        rv = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, PLAIT__H2_WINDOW);
    return rv;
}

plait_err plait__h2_session_new(struct plait__h2_conn *conn)
{
    struct plait__h2_shared *shared;
    PLAIT_TRY(shared_of(conn->service->web, &shared));
    int rv = nghttp2_session_server_new3(&conn->session, shared->callbacks, conn, shared->option, &conn->pool.mem);
    if (rv == 0)
        rv = say_settings(conn);
    return rv == 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}
