/* SPDX-License-Identifier: MIT
 *
 * Answers as HTTP/2 frames them: the head as a block of fields, the body from a chain that the stream keeps until its
 * window, the connection's and the order of urgency let it go. nghttp2 asks for the body; its bytes go from the chain
 * to the connection's output without passing through it, and ranges of files go as files.
 *
 * Invariant: a DATA frame's head is followed by exactly its bytes. Test: tests/web/test_http2_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

enum { DATE_BYTES = 29, FIXED = 6, FEW = 32, IOVS = 16 };

/* --- heads ----------------------------------------------------------------------------------------------------- */

static nghttp2_nv field_of(plait_slice name, plait_slice value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                        .value = (uint8_t *)(uintptr_t)value.ptr,
                        .namelen = name.len,
                        .valuelen = value.len,
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

/* Fields that HTTP/1 alone knows (RFC 9113 section 8.2.2); the request refuses the others of them. */
static bool is_of_http1(plait_slice name)
{
    return plait_slice_equal(name, PLAIT_LIT("connection")) || plait_slice_equal(name, PLAIT_LIT("upgrade")) ||
           plait_slice_equal(name, PLAIT_LIT("proxy-connection"));
}

static void lower(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] |= 0x20;
    }
}

/* Splits ready lines into fields, their names in lower case in place. Returns how many; with `out` NULL only counts. */
static size_t split_lines(uint8_t *at, size_t len, nghttp2_nv *out)
{
    size_t count = 0;
    for (uint8_t *end = len ? at + len : at; at < end;) {
        uint8_t *colon = memchr(at, ':', (size_t)(end - at));
        uint8_t *line_end = memchr(colon, '\r', (size_t)(end - colon));
        const plait_slice name = plait_slice_of(at, (size_t)(colon - at));
        lower(at, name.len);
        if (!is_of_http1(name)) {
            if (out) {
                out[count] = field_of(name, plait_slice_of(colon + 2, (size_t)(line_end - colon - 2)));
                out[count].flags = NGHTTP2_NV_FLAG_NONE; /* the lines go with the request */
            }
            count++;
        }
        at = line_end + 2;
    }
    return count;
}

static nghttp2_nv status_field(int status, char digits[3])
{
    for (int i = 2; i >= 0; i--, status /= 10)
        digits[i] = (char)('0' + status % 10);
    return field_of(PLAIT_LIT(":status"), plait_slice_of(digits, 3));
}

/* The fields that every answer begins with. */
static size_t put_fixed(struct plait__http_service *service, const struct plait__http_reply *reply, char status[3],
                        char length[24], nghttp2_nv *nv)
{
    const plait_slice common = plait__http_common(service);
    const char *server = service->options.server ? service->options.server : "plait";
    size_t n = 0, digits = 0;
    nv[n++] = status_field(reply->status, status);
    if (*server)
        nv[n++] = field_of(PLAIT_LIT("server"), plait_slice_text(server));
    nv[n++] = field_of(PLAIT_LIT("date"), plait_slice_sub(common, common.len - 2 - DATE_BYTES, common.len - 2));
    if (reply->type.len)
        nv[n++] = field_of(PLAIT_LIT("content-type"), reply->type);
    if (reply->length == PLAIT_LENGTH_UNKNOWN || reply->status == 204 || reply->status == 304)
        return n;
    for (uint64_t left = reply->length; left || digits == 0; left /= 10)
        length[23 - digits++] = (char)('0' + left % 10);
    nv[n++] = field_of(PLAIT_LIT("content-length"), plait_slice_of(length + 24 - digits, digits));
    return n;
}

static void submit(struct plait__h2_stream *st, const nghttp2_nv *nv, size_t count, bool body)
{
    const nghttp2_data_provider provider = {.source = {.ptr = st}, .read_callback = plait__h2_body_ready};
    st->flags |= PLAIT__HS_BEGUN;
    st->moved = plait_now(st->conn->service->web->reactor);
    plait__h2_must(st->conn, nghttp2_submit_response(st->conn->session, st->id, nv, count, body ? &provider : NULL));
    plait__h2_touch(st->conn);
}

static plait_err submit_head(struct plait_request *req, const struct plait__http_reply *reply, bool body)
{
    nghttp2_nv few[FEW], *nv = few;
    char status[3], length[24];
    const size_t lines = split_lines(req->fields.ptr, req->fields.len, NULL);
    if (lines > FEW - FIXED) {
        nv = plait_request_memory(req, (lines + FIXED) * sizeof(*nv));
        if (!nv)
            return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    size_t n = put_fixed(req->service, reply, status, length, nv);
    n += split_lines(req->fields.ptr, req->fields.len, nv + n);
    submit(req->carrier, nv, n, body);
    return PLAIT_OK;
}

static void broken(struct plait_request *req)
{
    plait__http_break(req, PLAIT_ENOMEM, "no memory for an answer");
}

static void begin(struct plait_request *req, const struct plait__http_reply *reply)
{
    if (submit_head(req, reply, !req->no_body) != PLAIT_OK)
        broken(req);
}

static void whole(struct plait_request *req, const struct plait__http_reply *reply, plait_slice body)
{
    struct plait__h2_stream *st = req->carrier;
    plait_err err = plait__chain_put(&st->out, body);
    st->flags |= PLAIT__HS_FINAL;
    if (err == PLAIT_OK)
        err = submit_head(req, reply, body.len > 0);
    if (err != PLAIT_OK)
        broken(req);
}

void plait__h2_refuse(struct plait__h2_stream *st, int status, bool is_head)
{
    const plait_slice reason = plait_slice_text(plait__http_reason(status));
    const struct plait__http_reply reply = {
        .status = status, .length = reason.len, .type = PLAIT_LIT("text/plain; charset=utf-8")};
    nghttp2_nv nv[FIXED];
    char digits[3], length[24];
    plait_metric_add(&st->conn->service->web->errors, 1);
    plait__chain_deinit(&st->out);
    plait__h2_must(st->conn, !is_head && plait__chain_put(&st->out, reason) != PLAIT_OK);
    st->flags |= PLAIT__HS_FINAL;
    submit(st, nv, put_fixed(st->conn->service, &reply, digits, length, nv), !is_head);
}

static void interim(struct plait_request *req, int status, plait_slice fields)
{
    struct plait__h2_stream *st = req->carrier;
    nghttp2_nv nv[FEW];
    char digits[3];
    nv[0] = status_field(status, digits);
    const size_t more = split_lines((uint8_t *)(uintptr_t)fields.ptr, fields.len, nv + 1);
    plait__h2_must(st->conn,
                   nghttp2_submit_headers(st->conn->session, NGHTTP2_FLAG_NONE, st->id, NULL, nv, 1 + more, NULL) < 0);
    plait__h2_touch(st->conn);
}

/* --- bodies ---------------------------------------------------------------------------------------------------- */

/* Something was added to the chain, or it was said that nothing more will be. */
static void added(struct plait__h2_stream *st)
{
    struct plait__h2_conn *conn = st->conn;
    if (plait__chain_bytes(&st->out) > PLAIT__H2_HIGH)
        st->flags |= PLAIT__HS_FULL;
    if (st->flags & PLAIT__HS_DEFERRED) {
        st->flags &= ~(uint32_t)PLAIT__HS_DEFERRED;
        st->moved = plait_now(conn->service->web->reactor);
        plait__h2_must(conn, nghttp2_session_resume_data(conn->session, st->id) == NGHTTP2_ERR_NOMEM);
    }
    plait__h2_touch(conn);
}

static void write_piece(struct plait_request *req, plait_slice piece)
{
    struct plait__h2_stream *st = req->carrier;
    if (plait__chain_put(&st->out, piece) != PLAIT_OK)
        broken(req);
    else
        added(st);
}

static void take_piece(struct plait_request *req, struct plait_buf *piece)
{
    struct plait__h2_stream *st = req->carrier;
    if (plait__chain_take(&st->out, piece) != PLAIT_OK)
        broken(req);
    else
        added(st);
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

static void write_file(struct plait_request *req, const struct plait_reply_range *range)
{
    struct plait__h2_stream *st = req->carrier;
    struct plait__h2_file *file = plait_mem_new(plait_reactor_budget(req->web->reactor), sizeof(*file));
    if (!file) {
        range->released(range->ctx);
        broken(req);
        return;
    }
    *file = (struct plait__h2_file){.stream = st, .refs = 1, .released = range->released, .ctx = range->ctx};
    if (plait__chain_file(&st->out, range->fd, range->offset, range->bytes, file_sent, file) != PLAIT_OK) {
        file_unref(file);
        broken(req);
        return;
    }
    *st->files_last = file;
    st->files_last = &file->next;
    added(st);
}

static void end(struct plait_request *req)
{
    struct plait__h2_stream *st = req->carrier;
    st->flags |= PLAIT__HS_FINAL;
    if (!req->no_body)
        added(st);
}

static bool is_full(const struct plait_request *req)
{
    const struct plait__h2_stream *st = req->carrier;
    return (st->flags & PLAIT__HS_FULL) != 0;
}

static void answered(struct plait_request *req)
{
    struct plait__h2_stream *st = req->carrier;
    st->req = NULL;
    plait_timer_stop(&st->timer);
    plait_buf_deinit(&st->in);
    plait__request_free(req);
}

static void abandon(struct plait_request *req, plait_err err, const char *detail)
{
    struct plait__h2_stream *st = req->carrier;
    (void)detail;
    st->req = NULL;
    plait_timer_stop(&st->timer);
    plait__h2_reset(st, err == PLAIT_ECANCELLED ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
}

/* There is no changing of protocols inside HTTP/2 (RFC 9113 section 8.6). */
static bool offers(const struct plait_request *req, const char *protocol)
{
    (void)req;
    (void)protocol;
    return false;
}

const struct plait__http_carrier_ops plait__h2_carrier = {.begin = begin,
                                                          .whole = whole,
                                                          .write = write_piece,
                                                          .take = take_piece,
                                                          .file = write_file,
                                                          .end = end,
                                                          .interim = interim,
                                                          .is_full = is_full,
                                                          .offers = offers,
                                                          .wake = plait__h2_wake,
                                                          .answered = answered,
                                                          .abandon = abandon};

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
    if (left <= length && (st->flags & PLAIT__HS_FINAL))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
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
    st->moved = conn->moved = plait_now(conn->service->web->reactor);
    plait__h2_bucket_earn(&conn->floods, 2); /* a client may widen both windows for it */
    if ((st->flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW)
        plait__h2_work(st, 0);
    return 0;
}
