/* SPDX-License-Identifier: MIT
 *
 * What the two ends of an HTTP/2 connection have in common: its input goes through the watch over frames to nghttp2,
 * its output comes from there, and between the two stands what is due: streams with something to do. Frames that lead
 * nowhere are counted, one that does not come whole in time ends the connection, and so does memory that runs out.
 *
 * nghttp2 is called from here alone, and never from inside itself: what its callbacks ask for waits until it returns.
 * Invariant: while PLAIT__HX_BUSY is set somebody below on the stack will do what is due. Tests:
 * tests/web/test_http2_server.c, tests/web/test_http2_limits.c.
 */
#include "web/http2_core.h"

enum { FLOODS_A_SECOND = 20 };

static const char too_many_frames[] = "too many frames that lead nowhere";

/* --- ends ------------------------------------------------------------------------------------------------------ */

void plait__h2_quiet(struct plait__h2_conn *conn)
{
    conn->flags |= PLAIT__HX_CLOSED;
    plait_timer_stop(&conn->timer);
    plait_timer_stop(&conn->partial);
    plait_soon_cancel(&conn->soon);
}

void plait__h2_abort(struct plait__h2_conn *conn, plait_err err, const char *why)
{
    if (conn->flags & PLAIT__HX_CLOSED)
        return;
    plait__h2_quiet(conn);
    plait_abort_with(conn->stream, err, why);
    conn->side->ends(conn);
}

void plait__h2_must(struct plait__h2_conn *conn, int rv)
{
    if (rv != 0)
        plait__h2_abort(conn, PLAIT_ENOMEM, NULL);
}

/* nghttp2 can't go on. */
static void break_off(struct plait__h2_conn *conn, ssize_t rv)
{
    const bool memory = rv == NGHTTP2_ERR_NOMEM || rv == NGHTTP2_ERR_CALLBACK_FAILURE;
    plait__h2_abort(conn, memory ? PLAIT_ENOMEM : PLAIT_EPROTOCOL, nghttp2_strerror((int)rv));
}

void plait__h2_fail(struct plait__h2_conn *conn, uint32_t code, plait_err err, const char *why)
{
    if (conn->fault)
        return;
    conn->fault = err;
    conn->why = why;
    plait__h2_must(conn, nghttp2_session_terminate_session(conn->session, code));
    plait__h2_touch(conn);
    conn->side->ends(conn);
}

void plait__h2_touch(struct plait__h2_conn *conn)
{
    const uint32_t over = conn->flags & (PLAIT__HX_CLOSED | PLAIT__HX_LOST);
    if (!(conn->flags & PLAIT__HX_BUSY) && over != PLAIT__HX_CLOSED)
        plait_soon_queue(&conn->soon);
}

static bool flood_is_right(struct plait__h2_conn *conn)
{
    return plait__h2_bucket_add(&conn->floods, plait_now(conn->web->reactor), conn->flood_max, FLOODS_A_SECOND);
}

void plait__h2_count_flood(struct plait__h2_conn *conn)
{
    if (!flood_is_right(conn))
        plait__h2_fail(conn, NGHTTP2_ENHANCE_YOUR_CALM, PLAIT_ELIMIT, too_many_frames);
}

/* --- what is due ----------------------------------------------------------------------------------------------- */

void plait__h2_work(struct plait__h2_stream *st, uint32_t flag)
{
    st->flags |= flag;
    if (plait__list_empty(&st->work))
        plait__list_add_tail(&st->conn->work, &st->work);
    plait__h2_touch(st->conn);
}

static void send_all(struct plait__h2_conn *conn)
{
    while (!(conn->flags & PLAIT__HX_CLOSED) && !plait_is_full(conn->stream)) {
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
    const bool lost = conn->flags & PLAIT__HX_LOST;
    if (lost || (!(conn->flags & PLAIT__HX_CLOSED) && !is_over(conn))) {
        conn->side->settled(conn);
        return;
    }
    if (conn->flags & PLAIT__HX_CLOSED)
        return;
    plait__h2_quiet(conn);
    if (conn->fault)
        plait_close_with(conn->stream, conn->fault, conn->why);
    else
        plait_close(conn->stream);
    conn->side->ends(conn);
}

/* Everything that is due, in the order: handlers, then the network. */
void plait__h2_go_on(struct plait__h2_conn *conn)
{
    conn->flags |= PLAIT__HX_BUSY;
    do {
        while (!plait__list_empty(&conn->work)) {
            struct plait__h2_stream *st = plait__container(conn->work.next, struct plait__h2_stream, work);
            plait__list_remove(&st->work);
            conn->side->work(st);
        }
        send_all(conn);
    } while (!plait__list_empty(&conn->work) && !(conn->flags & PLAIT__HX_CLOSED));
    conn->flags &= ~(uint32_t)PLAIT__HX_BUSY;
    settle(conn);
}

static void on_soon(void *ctx)
{
    plait__h2_go_on(ctx);
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
    switch (conn->side->judges ? plait__h2_watch_stream(&conn->watch, f) : PLAIT__H2_RIGHT) {
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
        plait__h2_arm(&conn->partial, conn->whole);
}

size_t plait__h2_on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait__h2_conn *conn = self;
    (void)s;
    const struct look look = look_at(conn, in);
    conn->heard = plait_now(conn->web->reactor);
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
    plait__h2_go_on(conn);
    return in.len;
}

void plait__h2_on_room(struct plait_stream *s, void *self)
{
    (void)s;
    plait__h2_go_on(self);
}

/* --- deadlines ------------------------------------------------------------------------------------------------- */

void plait__h2_arm(struct plait_timer *timer, plait_span span)
{
    if (span == PLAIT_NEVER)
        plait_timer_stop(timer);
    else
        plait_timer_arm(timer, span);
}

/* Bodies that wait for a window which the peer does not open. One that waits for its turn is not among them. */
void plait__h2_end_stalled(struct plait__h2_conn *conn)
{
    const plait_time now = plait_now(conn->web->reactor);
    const bool closed = nghttp2_session_get_remote_window_size(conn->session) <= 0;
    for (struct plait__list *at = conn->streams.next, *next; at != &conn->streams; at = next) {
        struct plait__h2_stream *st = plait__container(at, struct plait__h2_stream, link);
        next = at->next;
        const plait_time before = now - st->stall;
        if (plait__chain_empty(&st->out) || st->moved > before)
            continue;
        if (closed ? conn->moved <= before : nghttp2_session_get_stream_remote_window_size(conn->session, st->id) <= 0)
            conn->side->stalled(st);
    }
}

static void on_partial(void *ctx)
{
    plait__h2_fail(ctx, NGHTTP2_PROTOCOL_ERROR, PLAIT_ETIMEDOUT, "a frame did not come whole in time");
}

/* --- beginning and end ----------------------------------------------------------------------------------------- */

void plait__h2_stream_init(struct plait__h2_stream *st, struct plait__h2_conn *conn, int32_t id)
{
    memset(st, 0, offsetof(struct plait__h2_stream, lent));
    st->conn = conn;
    st->id = id;
    st->files_last = &st->files;
    plait__chain_init(&st->out, plait_stream_budget(conn->stream));
    plait__chain_lend(&st->out, st->lent, sizeof(st->lent));
    plait__list_add_tail(&conn->streams, &st->link);
    plait__list_init(&st->work);
    conn->count++;
    conn->flags |= PLAIT__HX_ACTIVE;
}

void plait__h2_stream_deinit(struct plait__h2_stream *st)
{
    plait_timer_stop(&st->timer);
    plait__list_remove(&st->link);
    plait__list_remove(&st->work);
    plait__chain_deinit(&st->out);
    plait_buf_deinit(&st->in);
    plait_buf_deinit(&st->trailer);
    st->conn->count--;
}

void plait__h2_conn_init(struct plait__h2_conn *conn, struct plait__web *web, struct plait_stream *s,
                         const struct plait__h2_side *side)
{
    conn->stream = s;
    conn->side = side;
    conn->web = web;
    conn->heard = plait_now(web->reactor);
    plait__list_init(&conn->streams);
    plait__list_init(&conn->work);
    plait__h2_pool_init(&conn->pool, plait_stream_budget(s));
    plait__h2_watch_init(&conn->watch, side->judges);
    plait_timer_init(&conn->partial, web->reactor, "http2 frame", on_partial, conn);
    plait_soon_init(&conn->soon, web->reactor, "http2", on_soon, conn);
}

void plait__h2_conn_deinit(struct plait__h2_conn *conn)
{
    plait_timer_stop(&conn->timer);
    plait_timer_stop(&conn->partial);
    plait_soon_cancel(&conn->soon);
    nghttp2_session_del(conn->session);
    plait__h2_pool_deinit(&conn->pool);
}
