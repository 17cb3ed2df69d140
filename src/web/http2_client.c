/* SPDX-License-Identifier: MIT
 *
 * A connection of the client that speaks HTTP/2 (RFC 9113): carries as many exchanges at once as its server allows, and
 * takes no more once the server says GOAWAY, breaks a rule or is silent. What it shares with the server's end stands in
 * http2_conn.c; exchanges are http2_response.c's.
 *
 * A response that has come whole outlives its connection until its fetch has taken it. Invariant: the pool's connection
 * and this one are freed together, when the stream is lost and nothing waits to be taken. Test:
 * tests/web/test_http2_client.c.
 */
#include "base/try.h"
#include "web/http2_client.h"

#include <plait/http.h>

enum {
    WINDOW = 4 << 20,  /* of all responses under way on a connection */
    WHOLE_S = 30,      /* a frame or a block of fields must come whole */
    FLOODS = 1000,     /* frames at once that lead nowhere */
    SILENCE_S = 30,    /* of the server's, until it is asked by PING whether it is there */
    LAST_ID = 1 << 30, /* streams behind this one go to another connection */
};

/* --- the end --------------------------------------------------------------------------------------------------- */

static void free_conn(struct plait__h2_conn *conn)
{
    struct plait__client_conn *c = conn->client;
    plait__h2_conn_deinit(conn);
    plait_mem_free(conn);
    plait__client_conn_free(c);
}

/* Says good-bye, and closes when that is out. */
static void close_conn(struct plait__h2_conn *conn)
{
    if (conn->flags & PLAIT__HX_CLOSED)
        return;
    plait__h2_must(conn, nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR));
    plait__h2_touch(conn);
}

static void ends(struct plait__h2_conn *conn)
{
    plait__client_conn_retire(conn->client);
}

/* How many more exchanges fit in. */
static void count_room(struct plait__h2_conn *conn)
{
    struct plait__client_conn *c = conn->client;
    uint32_t max = nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (c->origin && (conn->flags & PLAIT__HX_TOLD))
        c->origin->streams = max;
    else if (c->origin && c->origin->streams)
        max = c->origin->streams; /* what it said before is better than a guess */
    if (max > conn->stream_max)
        max = (uint32_t)conn->stream_max;
    if (c->last && max > 0)
        max = conn->requests == 0;
    c->room = max > c->running ? max - c->running : 0;
}

void plait__h2_released(struct plait__h2_conn *conn)
{
    struct plait__client_conn *c = conn->client;
    if (conn->flags & PLAIT__HX_LOST)
        return; /* it goes when what waits is taken */
    count_room(conn);
    if (c->last && c->running == 0)
        plait__client_conn_retire(c);
    if (c->origin)
        plait__client_conn_released(c);
    else if (c->running == 0)
        close_conn(conn);
}

/* --- what the pool asks ---------------------------------------------------------------------------------------- */

static plait_err client_start(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    struct plait__h2_conn *conn = c->h2;
    PLAIT_TRY(plait__h2_request_begin(conn, x));
    c->last |= nghttp2_session_get_next_stream_id(conn->session) > LAST_ID;
    count_room(conn);
    plait_stream_stall(c->stream, x->stall);
    plait__h2_touch(conn);
    return PLAIT_OK;
}

static void client_leave(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    struct plait__h2_conn *conn = c->h2;
    struct plait__h2_stream *st = x->h2;
    (void)plait__h2_part(st);
    if (!(st->flags & PLAIT__HS_GONE))
        plait__h2_reset(st, NGHTTP2_CANCEL);
    else if (conn->flags & PLAIT__HX_BUSY)
        plait__h2_work(st, 0); /* it may be the one that is being looked at */
    else
        plait__h2_client_stream_free(st);
    plait__h2_released(conn);
    if ((conn->flags & (PLAIT__HX_LOST | PLAIT__HX_BUSY)) == PLAIT__HX_LOST && conn->count == 0)
        free_conn(conn);
}

static void client_pause(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    (void)c;
    if (!x->paused)
        plait__h2_work(x->h2, PLAIT__HS_READ);
}

static void broken_if(struct plait__h2_stream *st, plait_err err)
{
    if (err)
        plait__h2_work(st, PLAIT__HS_BROKEN);
}

/* Nobody wants a request's body whose response has come, and whose stream is closed. */
static void client_write(struct plait__client_exchange *x, plait_slice piece, bool chunked)
{
    (void)chunked;
    if (!(x->h2->flags & PLAIT__HS_GONE))
        broken_if(x->h2, plait__h2_body_put(x->h2, piece));
}

static void client_write_file(struct plait__client_exchange *x, const struct plait__upload_file *file, bool chunked)
{
    const struct plait_reply_range range = {file->fd, file->offset, file->bytes, file->released, file->ctx};
    (void)chunked;
    if (x->h2->flags & PLAIT__HS_GONE)
        range.released(range.ctx);
    else
        broken_if(x->h2, plait__h2_body_file(x->h2, &range));
}

static void client_write_end(struct plait__client_exchange *x, bool chunked)
{
    (void)chunked;
    if (!(x->h2->flags & PLAIT__HS_GONE))
        plait__h2_body_end(x->h2);
}

static bool client_full(const struct plait__client_exchange *x)
{
    return (x->h2->flags & (PLAIT__HS_FULL | PLAIT__HS_GONE)) != 0;
}

static bool client_sending(const struct plait__client_exchange *x)
{
    const bool gone = x->h2->flags & PLAIT__HS_GONE;
    return !gone && (!plait__chain_empty(&x->h2->out) || plait_pending(x->conn->stream) > 0);
}

static void client_close(struct plait__client_conn *c)
{
    close_conn(c->h2);
}

static const struct plait__client_conn_ops client_ops = {.version = 20,
                                                         .start = client_start,
                                                         .leave = client_leave,
                                                         .pause = client_pause,
                                                         .write = client_write,
                                                         .write_file = client_write_file,
                                                         .write_end = client_write_end,
                                                         .full = client_full,
                                                         .sending = client_sending,
                                                         .close = client_close};

/* --- what the session tells ------------------------------------------------------------------------------------ */

static void heard_reset(struct plait__h2_conn *conn, int32_t id)
{
    struct plait__h2_stream *st = nghttp2_session_get_stream_user_data(conn->session, id);
    if (st)
        st->flags |= PLAIT__HS_RESET;
}

/* After GOAWAY nghttp2 closes the streams that the server has not looked at; the others go on. */
static void heard(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__client_conn *c = conn->client;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        heard_reset(conn, frame->hd.stream_id);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        plait__client_conn_retire(c);
    } else if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        conn->flags |= PLAIT__HX_TOLD;
        plait__h2_settings_came(conn);
        count_room(conn);
        if (c->origin)
            plait__client_conn_released(c);
    }
}

static int sent(struct plait__h2_conn *conn, const nghttp2_frame *frame)
{
    struct plait__h2_stream *st = nghttp2_session_get_stream_user_data(conn->session, frame->hd.stream_id);
    if (st && frame->hd.type == NGHTTP2_HEADERS) {
        st->flags |= PLAIT__HS_BEGUN;
        st->moved = plait_now(conn->web->reactor);
    }
    return st && (st->flags & PLAIT__HS_TUNNEL) ? plait__h2_said(st, frame) : 0;
}

static void stalled(struct plait__h2_stream *st)
{
    if (st->x)
        plait__h2_fail_exchange(st, PLAIT_EPEERSTALLED, "the server opened no window for the request's body");
    else
        plait__h2_reset(st, NGHTTP2_CANCEL); /* what a tunnel's user left behind */
}

/* --- callbacks of the stream ----------------------------------------------------------------------------------- */

static void settled(struct plait__h2_conn *conn)
{
    if (conn->flags & PLAIT__HX_LOST) {
        if (conn->count == 0)
            free_conn(conn);
    } else if (conn->count == 0) {
        plait_timer_stop(&conn->timer);
    } else if (!plait_timer_runs(&conn->timer)) {
        plait_timer_arm(&conn->timer, plait_seconds(PLAIT__H2_TICK_S));
    }
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    (void)rest;
    if (conn->client->running > 0) {
        plait__h2_abort(conn, PLAIT_ETRUNCATED, "the server closed the connection");
        return;
    }
    plait__h2_quiet(conn);
    plait_close(conn->stream);
    ends(conn);
}

/* The reactor drains: what is under way is brought to its end. */
static void on_drain(struct plait_stream *s, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    plait__client_conn_retire(conn->client);
    if (conn->client->running == 0)
        close_conn(conn);
}

/* A stream of a connection that is lost: it stays when all of its response has come and is wanted. */
static void lose(struct plait__h2_stream *st, const struct plait_fault *fault, struct plait__list *kept)
{
    struct plait__client_exchange *x = st->x;
    if (x && (st->flags & PLAIT__HS_ENDED)) {
        st->flags |= PLAIT__HS_GONE;
        plait__list_remove(&st->link);
        plait__list_add_tail(kept, &st->link);
        return;
    }
    enum plait__client_again again = PLAIT__AGAIN_NOT;
    if (x && !(st->flags & PLAIT__HS_BEGUN))
        again = PLAIT__AGAIN_UNSEEN;
    else if (x && st->conn->client->used && !x->began)
        again = PLAIT__AGAIN_STALE;
    if (!x) {
        plait__h2_rest_lost(st);
        return;
    }
    (void)plait__h2_part(st);
    plait__h2_client_stream_free(st);
    x->ops->failed(x, fault, again);
}

/* Streams that stay keep nothing of the connection's budget, which goes with it. */
static void keep(struct plait__h2_conn *conn, struct plait__list *kept)
{
    while (!plait__list_empty(kept)) {
        struct plait__h2_stream *st = plait__container(kept->next, struct plait__h2_stream, link);
        plait__list_remove(&st->link);
        plait__list_add_tail(&conn->streams, &st->link);
        plait__chain_deinit(&st->out);
    }
    nghttp2_session_del(conn->session);
    conn->session = NULL;
    plait__h2_pool_deinit(&conn->pool);
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait__h2_conn *conn = self;
    struct plait_fault copy = *fault;
    struct plait__list kept;
    (void)s;
    if (copy.err == PLAIT_OK || copy.err == PLAIT_EEOF)
        copy.err = PLAIT_ETRUNCATED;
    plait__h2_quiet(conn);
    conn->flags |= PLAIT__HX_LOST | PLAIT__HX_BUSY;
    plait__client_conn_retire(conn->client);
    plait__list_init(&kept);
    while (!plait__list_empty(&conn->streams))
        lose(plait__container(conn->streams.next, struct plait__h2_stream, link), &copy, &kept);
    keep(conn, &kept);
    conn->flags &= ~(uint32_t)PLAIT__HX_BUSY;
    if (conn->count == 0)
        free_conn(conn);
    else
        plait__h2_touch(conn); /* some of it may be wanted already */
}

static const struct plait_protocol client_protocol = {.name = "http2 client",
                                                      .data = plait__h2_on_data,
                                                      .eof = on_eof,
                                                      .room = plait__h2_on_room,
                                                      .drain = on_drain,
                                                      .lost = on_lost,
                                                      .flags = PLAIT_BOUNDS_OUTPUT};

/* A server that has said nothing for long may be gone without a word. */
static void ask_if_there(struct plait__h2_conn *conn)
{
    const plait_span silent = plait_now(conn->web->reactor) - conn->heard;
    if (silent < plait_seconds(SILENCE_S)) {
        conn->flags &= ~(uint32_t)PLAIT__HX_PINGED;
        return;
    }
    if (conn->flags & PLAIT__HX_PINGED) {
        plait__h2_abort(conn, PLAIT_ETIMEDOUT, "the server answers no PING");
        return;
    }
    conn->flags |= PLAIT__HX_PINGED;
    plait__h2_must(conn, nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL));
    plait__h2_touch(conn);
}

static void on_timer(void *ctx)
{
    struct plait__h2_conn *conn = ctx;
    plait_timer_arm(&conn->timer, plait_seconds(PLAIT__H2_TICK_S));
    plait__h2_end_stalled(conn);
    ask_if_there(conn);
}

/* --- beginning ------------------------------------------------------------------------------------------------- */

static const struct plait__h2_side client_side = {.grow = plait__h2_response_grow,
                                                  .field = plait__h2_response_field,
                                                  .trailer = plait__h2_response_trailer,
                                                  .head = plait__h2_response_head,
                                                  .data = plait__h2_response_data,
                                                  .end = plait__h2_response_end,
                                                  .heard = heard,
                                                  .sent = sent,
                                                  .closed = plait__h2_response_closed,
                                                  .work = plait__h2_response_work,
                                                  .settled = settled,
                                                  .ends = ends,
                                                  .stalled = stalled,
                                                  .window = PLAIT__H2_CLIENT_WINDOW};

static plait_err begin(struct plait__h2_conn *conn)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, PLAIT__H2_CLIENT_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, PLAIT__HTTP1_HEAD_MAX},
    };
    PLAIT_TRY(plait__h2_session_new(conn, false, settings, sizeof(settings) / sizeof(*settings), WINDOW));
    return PLAIT_OK;
}

plait_err plait__client_conn_begin_http2(struct plait__client_conn *c, struct plait_stream *s)
{
    struct plait__web *web = plait__web_of(c->origin->client->reactor);
    struct plait__h2_conn *conn = plait_mem_new(plait_reactor_budget(web->reactor), sizeof(*conn));
    if (!conn)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait__h2_conn_init(conn, web, s, &client_side);
    plait_timer_init(&conn->timer, web->reactor, "http2 client", on_timer, conn);
    conn->client = c;
    conn->whole = plait_seconds(WHOLE_S);
    conn->flood_max = FLOODS;
    conn->stream_max = c->origin->client->options.streams;
    const plait_err err = begin(conn);
    if (err) {
        plait__h2_conn_deinit(conn);
        plait_mem_free(conn);
        return err;
    }
    c->stream = s;
    c->ops = &client_ops;
    c->h2 = conn;
    c->running = 0;
    count_room(conn);
    plait_stream_marks(s, PLAIT__H2_OUT_HIGH, PLAIT__H2_OUT_LOW);
    plait_stream_attach(s, &client_protocol, conn);
    plait__h2_touch(conn);
    return PLAIT_OK;
}
