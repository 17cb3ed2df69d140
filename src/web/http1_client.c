/* SPDX-License-Identifier: MIT
 *
 * A connection of the client that speaks HTTP/1.1: sends one request, reads its response by the codec that the server
 * uses, as strictly, and is then free for the next. Bytes that nobody asked for, an end or a broken response end it.
 *
 * A response belongs to the one exchange that is under way; what comes while there is none is nobody's. Invariant: a
 * connection is freed when its stream is lost, and is out of the pool by the time it closes. Tests:
 * tests/web/test_http_pool.c, tests/web/test_http_client.c.
 */
#include "web/http_client_core.h"

/* --- the end of an exchange ------------------------------------------------------------------------------------ */

/* Ends the connection: what was under way on it is off it. */
static void end_conn(struct plait__client_conn *c, bool abort)
{
    plait__client_conn_retire(c);
    if (abort)
        plait_abort(c->stream);
    else
        plait_close(c->stream);
}

static void take_down(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    c->exchange = NULL;
    c->running = 0;
    x->conn = NULL;
}

static enum plait__client_again stale(const struct plait__client_conn *c, const struct plait__client_exchange *x)
{
    return c->used && !x->began ? PLAIT__AGAIN_STALE : PLAIT__AGAIN_NOT;
}

static void fail(struct plait__client_conn *c, const struct plait_fault *fault)
{
    struct plait__client_exchange *x = c->exchange;
    const enum plait__client_again again = stale(c, x);
    take_down(c, x);
    end_conn(c, true);
    x->ops->failed(x, fault, again);
}

static void fail_with(struct plait__client_conn *c, plait_err err, const char *detail)
{
    struct plait_fault fault = plait_fault_make(err, "http");
    fault.detail = detail;
    fail(c, &fault);
}

/* The response is complete; `clean` when nothing came behind it. */
static void complete(struct plait__client_conn *c, bool clean)
{
    struct plait__client_exchange *x = c->exchange;
    const bool sent = x->sent && plait_pending(c->stream) == 0; /* an answer may come before the request has left */
    const bool keeps = clean && sent && !c->last && c->origin && plait_is_open(c->stream);
    take_down(c, x);
    c->used = true;
    c->room = keeps;
    if (!keeps)
        end_conn(c, false);
    else if (x->paused)
        plait_resume(c->stream);
    x->ops->end(x);
    if (keeps && c->origin) /* who was told may have ended the client */
        plait__client_conn_released(c);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

/* RFC 9112 section 6.3 */
static void choose_body(struct plait__client_exchange *x)
{
    const int status = x->head.status;
    x->body_left = x->head.length;
    memset(&x->chunks, 0, sizeof(x->chunks));
    x->chunks.kept = &x->trailers;
    if (x->only_head || status == 204 || status == 304)
        x->framing = PLAIT__HTTP1_NO_BODY;
    else if (x->head.chunked)
        x->framing = PLAIT__HTTP1_CHUNKED;
    else if (x->head.has_length)
        x->framing = x->head.length ? PLAIT__HTTP1_LENGTH : PLAIT__HTTP1_NO_BODY;
    else
        x->framing = PLAIT__HTTP1_UNTIL_CLOSE;
}

/* RFC 9112 section 9.3: whether the connection ends with this response. */
static bool is_last(const struct plait__client_exchange *x)
{
    if (x->framing == PLAIT__HTTP1_UNTIL_CLOSE || x->head.close)
        return true;
    return x->head.minor == 0 && !x->head.keep_alive;
}

/* Until who is told of it attaches another, inside the call. */
static const struct plait_protocol given_protocol = {.name = "upgraded"};

/* RFC 9110 section 7.8: the connection is another's from here on. */
static void give_away(struct plait__client_conn *c, struct plait__client_exchange *x, const uint8_t *base)
{
    struct plait_stream *s = c->stream;
    c->given = true;
    take_down(c, x);
    plait_stream_attach(s, &given_protocol, NULL);
    plait__client_conn_retire(c);
    x->ops->upgraded(x, s, base);
}

static void take_interim(struct plait__client_conn *c, struct plait__client_exchange *x, const uint8_t *base)
{
    if (x->head.status == 101 && x->upgrades) {
        give_away(c, x, base);
        return;
    }
    if (x->head.status == 101 || x->interim++ == PLAIT__INTERIM_MAX) {
        fail_with(c, PLAIT_EPROTOCOL, "an interim response that nobody asked for");
        return;
    }
    x->ops->interim(x, base);
    if (c->exchange == x)
        plait__http1_head_init(&x->head, true);
}

static size_t take_head(struct plait__client_conn *c, struct plait__client_exchange *x, plait_slice in)
{
    const enum plait__http1_step step = plait__http1_head_read(&x->head, in);
    if (step == PLAIT__HTTP1_MORE)
        return 0;
    if (step == PLAIT__HTTP1_BAD) {
        fail_with(c, x->head.status == 431 ? PLAIT_ETOOLONG : PLAIT_EMALFORMED, "the response is malformed");
        return 0;
    }
    const size_t used = x->head.at;
    if (x->head.status < 200) {
        take_interim(c, x, in.ptr);
        return used;
    }
    x->in_head = false;
    x->spoken = x->head.minor ? 11 : 10;
    choose_body(x);
    c->last |= is_last(x);
    x->ops->head(x, in.ptr);
    if (c->exchange == x && x->framing == PLAIT__HTTP1_NO_BODY)
        complete(c, used == in.len);
    return used;
}

static size_t take_chunks(struct plait__client_conn *c, struct plait__client_exchange *x, plait_slice in)
{
    plait_slice piece = {NULL, 0};
    size_t used;
    switch (plait__http1_chunks_read(&x->chunks, in, &used, &piece)) {
    case PLAIT__HTTP1_BAD:
        fail_with(c, PLAIT_EMALFORMED, "the response's chunks are malformed");
        break;
    case PLAIT__HTTP1_DONE:
        complete(c, used == in.len);
        break;
    case PLAIT__HTTP1_DATA:
        x->ops->data(x, piece);
        break;
    default:
        break;
    }
    return used;
}

static size_t take_length(struct plait__client_conn *c, struct plait__client_exchange *x, plait_slice in)
{
    const size_t used = in.len < x->body_left ? in.len : (size_t)x->body_left;
    x->body_left -= used;
    x->ops->data(x, plait_slice_sub(in, 0, used));
    if (c->exchange == x && x->body_left == 0)
        complete(c, used == in.len);
    return used;
}

/* Takes what can be taken in one step; 0 when more is needed. */
static size_t take(struct plait__client_conn *c, struct plait__client_exchange *x, plait_slice in)
{
    x->began = true;
    if (x->in_head)
        return take_head(c, x, in);
    if (x->framing == PLAIT__HTTP1_CHUNKED)
        return take_chunks(c, x, in);
    if (x->framing == PLAIT__HTTP1_LENGTH)
        return take_length(c, x, in);
    x->ops->data(x, in);
    return in.len;
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait__client_conn *c = self;
    size_t at = 0;
    if (!c->exchange)
        end_conn(c, true); /* nobody asked for anything */
    while (at < in.len && c->exchange && !c->exchange->paused) {
        struct plait__client_exchange *x = c->exchange;
        const size_t used = take(c, x, plait_slice_sub(in, at, in.len));
        at += used;
        if (c->exchange != x || used == 0)
            break; /* one response, whose end ends the input, or no more of it for now */
    }
    if (c->given) {
        plait__client_conn_free(c);
        return at;
    }
    return plait_is_open(s) ? at : in.len;
}

/* --- the connection -------------------------------------------------------------------------------------------- */

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait__client_conn *c = self;
    const struct plait__client_exchange *x = c->exchange;
    (void)s;
    (void)rest;
    if (!x)
        end_conn(c, false);
    else if (!x->in_head && x->framing == PLAIT__HTTP1_UNTIL_CLOSE)
        complete(c, false);
    else
        fail_with(c, PLAIT_ETRUNCATED, x->in_head ? "the server closed without a response" : "the response broke off");
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait__client_conn *c = self;
    struct plait__client_exchange *x = c->exchange;
    struct plait_fault copy = *fault;
    (void)s;
    if (copy.err == PLAIT_OK || copy.err == PLAIT_EEOF)
        copy.err = PLAIT_ETRUNCATED;
    plait__client_conn_retire(c);
    if (x) {
        const enum plait__client_again again = stale(c, x);
        take_down(c, x);
        x->ops->failed(x, &copy, again);
    }
    plait__client_conn_free(c);
}

static void on_room(struct plait_stream *s, void *self)
{
    struct plait__client_conn *c = self;
    (void)s;
    if (c->exchange)
        c->exchange->ops->room(c->exchange);
}

/* The reactor drains: what is under way is brought to its end. */
static void on_drain(struct plait_stream *s, void *self)
{
    struct plait__client_conn *c = self;
    (void)s;
    c->last = true;
    if (!c->exchange)
        end_conn(c, false);
}

static const struct plait_protocol http1_protocol = {
    .name = "http client", .data = on_data, .eof = on_eof, .room = on_room, .lost = on_lost, .drain = on_drain};

static plait_err http1_start(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    c->exchange = x;
    c->room = 0;
    c->running = 1;
    x->began = false;
    x->in_head = true;
    x->interim = 0;
    x->paused = false;
    plait__http1_head_init(&x->head, true);
    plait_stream_stall(c->stream, x->stall);
    plait_write(c->stream, x->request);
    plait_write(c->stream, x->body);
    return PLAIT_OK;
}

/* --- bodies of requests ---------------------------------------------------------------------------------------- */

static void write_chunk_head(struct plait__client_conn *c, uint64_t bytes)
{
    uint8_t line[PLAIT__HTTP1_CHUNK_HEAD];
    plait_write(c->stream, plait_slice_of(line, plait__http1_chunk_head(bytes, line)));
}

static void http1_write(struct plait__client_exchange *x, plait_slice piece, bool chunked)
{
    struct plait__client_conn *c = x->conn;
    if (chunked)
        write_chunk_head(c, piece.len);
    plait_write(c->stream, piece);
    if (chunked)
        plait_write(c->stream, PLAIT_LIT("\r\n"));
}

static void http1_write_file(struct plait__client_exchange *x, const struct plait__upload_file *file, bool chunked)
{
    struct plait__client_conn *c = x->conn;
    if (chunked)
        write_chunk_head(c, file->bytes);
    plait_write_file(c->stream, file->fd, file->offset, file->bytes, file->released, file->ctx);
    if (chunked)
        plait_write(c->stream, PLAIT_LIT("\r\n"));
}

static void http1_write_end(struct plait__client_exchange *x, bool chunked)
{
    if (chunked)
        plait_write(x->conn->stream, PLAIT_LIT("0\r\n\r\n"));
}

static bool http1_full(const struct plait__client_exchange *x)
{
    return plait_is_full(x->conn->stream);
}

static bool http1_sending(const struct plait__client_exchange *x)
{
    return plait_pending(x->conn->stream) > 0;
}

static void http1_close(struct plait__client_conn *c)
{
    plait_close(c->stream);
}

/* A response whose end nobody waits for can't be told from the next one's: the connection goes. */
static void http1_leave(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    take_down(c, x);
    end_conn(c, true);
}

static void http1_pause(struct plait__client_conn *c, struct plait__client_exchange *x)
{
    if (x->paused)
        plait_pause(c->stream);
    else
        plait_resume(c->stream);
}

static const struct plait__client_conn_ops http1_ops = {.version = 11,
                                                        .start = http1_start,
                                                        .leave = http1_leave,
                                                        .pause = http1_pause,
                                                        .write = http1_write,
                                                        .write_file = http1_write_file,
                                                        .write_end = http1_write_end,
                                                        .full = http1_full,
                                                        .sending = http1_sending,
                                                        .close = http1_close};

void plait__client_conn_begin_http1(struct plait__client_conn *c, struct plait_stream *s)
{
    c->stream = s;
    c->ops = &http1_ops;
    c->room = 1;
    c->running = 0;
    plait_stream_attach(s, &http1_protocol, c);
}
