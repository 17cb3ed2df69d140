/* SPDX-License-Identifier: MIT
 *
 * Bodies as HTTP/2 sends them, answers' and requests': a chain that the stream keeps until its window, the connection's
 * and the order of urgency let it go. nghttp2 asks for the body; its bytes go from the chain to the connection's output
 * without passing through it, and ranges of files go as files. A trailer section follows where there is one.
 *
 * Invariant: a DATA frame's head is followed by exactly its bytes. Test: tests/web/test_http2_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

enum { IOVS = 16 };

/* --- what is to be sent ---------------------------------------------------------------------------------------- */

/* Something was added to the chain, or it was said that nothing more will be. */
static void added(struct plait__h2_stream *st)
{
    struct plait__h2_conn *conn = st->conn;
    if (plait__chain_bytes(&st->out) > PLAIT__H2_HIGH)
        st->flags |= PLAIT__HS_FULL;
    if (st->flags & PLAIT__HS_DEFERRED) {
        st->flags &= ~(uint32_t)PLAIT__HS_DEFERRED;
        st->moved = plait_now(conn->web->reactor);
        plait__h2_must(conn, nghttp2_session_resume_data(conn->session, st->id) == NGHTTP2_ERR_NOMEM);
    }
    plait__h2_touch(conn);
}

plait_err plait__h2_body_put(struct plait__h2_stream *st, plait_slice piece)
{
    PLAIT_TRY(plait__chain_put(&st->out, piece));
    added(st);
    return PLAIT_OK;
}

plait_err plait__h2_body_take(struct plait__h2_stream *st, struct plait_buf *piece)
{
    PLAIT_TRY(plait__chain_take(&st->out, piece));
    added(st);
    return PLAIT_OK;
}

static void file_unref(void *ctx)
{
    struct plait__h2_file *file = ctx;
    if (--file->refs > 0)
        return;
    file->released(file->ctx);
    plait_mem_free(file);
}

/* The chain's own reference; its files go in order. */
static void file_sent(void *ctx)
{
    struct plait__h2_file *file = ctx;
    struct plait__h2_stream *st = file->stream;
    st->files = file->next;
    if (!st->files)
        st->files_last = &st->files;
    file_unref(file);
}

plait_err plait__h2_body_file(struct plait__h2_stream *st, const struct plait_reply_range *range)
{
    struct plait__h2_file *file = plait_mem_new(plait_reactor_budget(st->conn->web->reactor), sizeof(*file));
    if (!file) {
        range->released(range->ctx);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    *file = (struct plait__h2_file){.stream = st, .refs = 1, .released = range->released, .ctx = range->ctx};
    const plait_err err = plait__chain_file(&st->out, range->fd, range->offset, range->bytes, file_sent, file);
    if (err) {
        file_unref(file);
        return err;
    }
    *st->files_last = file;
    st->files_last = &file->next;
    added(st);
    return PLAIT_OK;
}

void plait__h2_body_end(struct plait__h2_stream *st)
{
    st->flags |= PLAIT__HS_FINAL;
    added(st);
}

/* What goes behind the body, with the stream's end. */
static plait_err submit_trailers(struct plait__h2_stream *st)
{
    const size_t count = plait__h2_split(st->trailer.ptr, st->trailer.len, NULL);
    nghttp2_nv *nv = plait_mem_new(plait_stream_budget(st->conn->stream), count * sizeof(*nv));
    if (!nv)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    (void)plait__h2_split(st->trailer.ptr, st->trailer.len, nv);
    plait__h2_must(st->conn, nghttp2_submit_trailer(st->conn->session, st->id, nv, count));
    plait_mem_free(nv);
    return PLAIT_OK;
}

/* --- what nghttp2 asks ----------------------------------------------------------------------------------------- */

ssize_t plait__h2_body_ready(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                             nghttp2_data_source *source, void *ctx)
{
    struct plait__h2_stream *st = source->ptr;
    const uint64_t left = plait__chain_bytes(&st->out);
    (void)session;
    (void)id;
    (void)buf;
    (void)ctx;
    if (plait_is_full(st->conn->stream))
        return NGHTTP2_ERR_PAUSE;
    if (left == 0 && !(st->flags & PLAIT__HS_FINAL)) {
        st->flags |= PLAIT__HS_DEFERRED;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left <= length && (st->flags & PLAIT__HS_FINAL)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (st->trailer.len && submit_trailers(st) != PLAIT_OK)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        if (st->trailer.len)
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return (ssize_t)(left < length ? left : length);
}

/* Moves the front of the chain, at most `max` bytes, to the connection's output. Returns how many. */
static size_t move_front(struct plait__h2_stream *st, size_t max)
{
    struct plait_stream *s = st->conn->stream;
    size_t moved = 0;
    if (plait__chain_front_is_file(&st->out)) {
        int fd;
        uint64_t offset, left;
        plait__chain_front_file(&st->out, &fd, &offset, &left);
        moved = left < max ? (size_t)left : max;
        st->files->refs++;
        plait_write_file(s, fd, offset, moved, file_unref, st->files);
    } else {
        struct iovec iov[IOVS];
        const size_t count = plait__chain_gather(&st->out, iov, IOVS);
        for (size_t i = 0; i < count && moved < max; i++) {
            const size_t len = iov[i].iov_len < max - moved ? iov[i].iov_len : max - moved;
            plait_write(s, plait_slice_of(iov[i].iov_base, len));
            moved += len;
        }
    }
    plait__chain_consume(&st->out, moved);
    return moved;
}

int plait__h2_body_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *ctx)
{
    struct plait__h2_stream *st = source->ptr;
    struct plait__h2_conn *conn = ctx;
    (void)session;
    (void)frame;
    plait_write(conn->stream, plait_slice_of(head, PLAIT__H2_FRAME_HEAD));
    while (length)
        length -= move_front(st, length);
    st->moved = conn->moved = plait_now(conn->web->reactor);
    plait__h2_bucket_earn(&conn->floods, 2); /* a peer may widen both windows for it */
    if ((st->flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW)
        plait__h2_work(st, 0);
    return 0;
}
