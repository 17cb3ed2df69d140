/* SPDX-License-Identifier: MIT
 *
 * nghttp2's session: its callbacks, its options, our settings. nghttp2 reads and writes frames, keeps the windows,
 * compresses fields, and judges most of RFC 9113; what a frame means stands in the files of each side.
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

/* A block of fields begins: a trailer section where a head has come before. */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return conn->side->open(conn, frame->hd.stream_id);
    struct plait__h2_stream *st = stream_of(session, frame->hd.stream_id);
    conn->reading = st;
    if (st) {
        st->list = 0;
        if (conn->side->judges || (st->flags & PLAIT__HS_ANSWER))
            st->flags |= PLAIT__HS_TRAILER;
    }
    return 0;
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
        conn->side->field(st, name, value);
    else if (conn->side->trailer)
        conn->side->trailer(st, name, value);
    if (!(st->flags & PLAIT__HS_TRAILER) || st->list <= PLAIT__H2_TRAILER_MAX)
        return 0;
    plait__h2_head_refuse(st, 431);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void head_is_over(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__h2_stream *st = conn->reading;
    conn->reading = NULL;
    if (st && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        st->flags |= PLAIT__HS_ENDED;
    if (st && !(st->flags & PLAIT__HS_TRAILER))
        conn->side->head(st);
    else if (st)
        conn->side->end(st);
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
    conn->side->end(st);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        head_is_over(conn, frame);
    else if (frame->hd.type == NGHTTP2_DATA)
        data_is_over(conn, frame);
    else
        conn->side->heard(conn, frame);
    return 0;
}

/* What nobody keeps does not hold the connection's window; a stream's is given back when its body is taken. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    struct plait__h2_stream *st = stream_of(session, id);
    (void)flags;
    if (st)
        conn->side->data(st, plait_slice_of(data, len));
    return nghttp2_session_consume_connection(session, len);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code && !conn->fault)
        conn->fault = PLAIT_EPROTOCOL; /* what nghttp2 found by itself */
    return conn->side->sent(conn, frame);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    struct plait__h2_stream *st = stream_of(session, id);
    if (!st)
        return 0;
    if (conn->reading == st)
        conn->reading = NULL;
    conn->side->closed(st, code);
    return 0;
}

void plait__h2_reset(struct plait__h2_stream *st, uint32_t code)
{
    struct plait__h2_conn *conn = st->conn;
    st->flags |= PLAIT__HS_DROPPED;
    plait__h2_must(conn, nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, st->id, code));
    plait__h2_touch(conn);
}

/* RFC 9113 section 8.1. */
int plait__h2_said(struct plait__h2_stream *st, const nghttp2_frame *frame)
{
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!carries || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || (st->flags & PLAIT__HS_ENDED))
        return 0;
    st->flags |= PLAIT__HS_SAID;
    if (st->tunnel)
        return 0;
    if (st->flags & (PLAIT__HS_TUNNEL | PLAIT__HS_ASKS)) /* what it sends is no body */
        return nghttp2_submit_rst_stream(st->conn->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
    plait_timer_arm(&st->timer, plait_seconds(PLAIT__H2_LINGER_S));
    return 0;
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

plait_err plait__h2_session_new(struct plait__h2_conn *conn, bool server, const nghttp2_settings_entry *settings,
                                size_t count, int32_t window)
{
    struct plait__h2_shared *shared;
    nghttp2_mem *mem = &conn->pool.mem;
    PLAIT_TRY(shared_of(conn->web, &shared));
    int rv = server ? nghttp2_session_server_new3(&conn->session, shared->callbacks, conn, shared->option, mem)
                    : nghttp2_session_client_new3(&conn->session, shared->callbacks, conn, shared->option, mem);
    if (rv == 0)
        rv = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, count);
    if (rv == 0)
        rv = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, window);
    return rv == 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}
