/* SPDX-License-Identifier: MIT
 *
 * Requests that HTTP/2 brings: a block of fields becomes a head as HTTP/1 has it (RFC 9113 section 8.3), DATA becomes
 * the body. nghttp2 has judged the fields' names, values and order before; here are the rules that are ours, and as
 * strict as those of HTTP/1.
 *
 * A body's bytes wait in the stream until the handler wants them, and only what it took opens the window again.
 * Invariant: a stream's `in` never holds more than its window. Test: tests/web/test_http2_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"
#include "web/ws_handshake.h"

#include <openssl/evp.h>

enum { IN_MAX = PLAIT__H2_READING, RATE_GRACE_S = 10, STALL_S = 60 };

/* --- streams --------------------------------------------------------------------------------------------------- */

static void on_timer(void *ctx);

struct plait__h2_stream *plait__h2_request_new(struct plait__h2_conn *conn, int32_t id)
{
    struct plait__web *web = conn->web;
    struct plait__h2_stream *st = plait__slab_take(&web->streams);
    struct plait_request *req = st ? plait__request_new(conn->service) : NULL;
    if (!req) {
        plait__slab_free(&web->streams, st);
        return NULL;
    }
    plait__h2_stream_init(st, conn, id);
    st->req = req;
    st->head = req->inline_head;
    st->head_cap = PLAIT__HR_INLINE;
    st->stall = plait_seconds(STALL_S);
    req->ops = &plait__h2_carrier;
    req->carrier = st;
    req->stream = conn->stream;
    req->version = 20;
    plait_buf_init(&st->in, plait_stream_budget(conn->stream), IN_MAX);
    plait_timer_init(&st->timer, web->reactor, "http2 stream", on_timer, st);
    return st;
}

void plait__h2_request_free(struct plait__h2_stream *st)
{
    if (st->tunnel)
        plait__h2_tunnel_gone(st->tunnel);
    plait__h2_stream_deinit(st);
    if (st->req)
        plait__request_left(st->req);
    plait__slab_free(&st->conn->web->streams, st);
}

/* --- the head -------------------------------------------------------------------------------------------------- */

uint8_t *plait__h2_request_grow(struct plait__h2_stream *st, size_t bytes)
{
    uint8_t *more = plait_request_memory(st->req, bytes);
    if (more)
        memcpy(more, st->head, st->head_len);
    return more;
}

/* RFC 9113 section 8.3.1. nghttp2 has seen to it that each comes once, and before the fields. */
static void take_pseudo(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait__http1_head *head = &st->req->head;
    if (plait_slice_equal(name, PLAIT_LIT(":method"))) {
        if (value.len > PLAIT__HTTP1_METHOD_MAX)
            plait__h2_head_refuse(st, 501);
        else
            (void)plait__h2_head_put(st, value, &head->method, &head->method_len);
    } else if (plait_slice_equal(name, PLAIT_LIT(":path"))) {
        if (value.len > PLAIT__HTTP1_TARGET_MAX)
            plait__h2_head_refuse(st, 414);
        else
            (void)plait__h2_head_put(st, value, &head->target, &head->target_len);
    } else if (plait_slice_equal(name, PLAIT_LIT(":authority"))) {
        head->has_host = true;
        if (value.len > PLAIT__HTTP1_TARGET_MAX)
            plait__h2_head_refuse(st, 414); /* CONNECT's target */
        else
            (void)plait__h2_head_put(st, value, &head->host, &head->host_len);
    } else if (plait_slice_equal(name, PLAIT_LIT(":protocol"))) {
        st->flags |= PLAIT__HS_ASKS;
        if (!plait_slice_equal_nocase(value, PLAIT_LIT("websocket")))
            plait__h2_head_refuse(st, 501);
    } else if (!plait_slice_equal(value, PLAIT_LIT("http")) && !plait_slice_equal(value, PLAIT_LIT("https"))) {
        plait__h2_head_refuse(st, 400); /* :scheme; a proxy may say https where the last step is in the clear */
    }
}

/* What a field means to us, as in HTTP/1. nghttp2 refuses a length that is no number or comes twice. */
static void take_meaning(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait__http1_head *head = &st->req->head;
    if (plait_slice_equal(name, PLAIT_LIT("content-length"))) {
        head->has_length = plait_slice_to_u64(value, UINT64_MAX, &head->length) == PLAIT_OK;
    } else if (plait_slice_equal(name, PLAIT_LIT("expect"))) {
        head->expect = plait_slice_equal_nocase(value, PLAIT_LIT("100-continue"));
        if (!head->expect)
            plait__h2_head_refuse(st, 417);
    }
}

void plait__h2_take_field(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait__http1_head *head = &st->req->head;
    if (st->list > PLAIT__HTTP1_HEAD_MAX)
        plait__h2_head_refuse(st, 431);
    if (st->refusal)
        return;
    if (name.ptr[0] == ':') {
        take_pseudo(st, name, value);
        return;
    }
    struct plait__http1_field field;
    if (head->count == PLAIT__HTTP1_FIELDS_MAX)
        plait__h2_head_refuse(st, 431);
    else if (plait__h2_head_put(st, name, &field.name, &field.name_len) &&
             plait__h2_head_put(st, value, &field.value, &field.value_len)) {
        head->field[head->count++] = field;
        take_meaning(st, name, value);
    }
}

static struct plait__http1_field *find(struct plait__h2_stream *st, plait_slice name)
{
    struct plait__http1_head *head = &st->req->head;
    for (size_t i = 0; i < head->count; i++) {
        struct plait__http1_field *f = &head->field[i];
        if (plait_slice_equal(plait_slice_of(st->head + f->name, f->name_len), name))
            return f;
    }
    return NULL;
}

/* The host as one thing: :authority, Host, or both when they agree (RFC 9113 section 8.3.1). A handler finds it in the
 * Host field, as in HTTP/1. */
static void settle_host(struct plait__h2_stream *st)
{
    struct plait__http1_head *head = &st->req->head;
    const plait_slice authority = plait_slice_of(st->head + head->host, head->host_len);
    struct plait__http1_field *host = find(st, PLAIT_LIT("host"));
    if (host && !head->has_host) {
        head->host = host->value;
        head->host_len = host->value_len;
    } else if (host && !plait_slice_equal_nocase(authority, plait_slice_of(st->head + host->value, host->value_len))) {
        plait__h2_head_refuse(st, PLAIT__H2_MALFORMED);
    } else if (!host && head->count < PLAIT__HTTP1_FIELDS_MAX) {
        struct plait__http1_field field = {.value = head->host, .value_len = head->host_len};
        if (plait__h2_head_put(st, PLAIT_LIT("host"), &field.name, &field.name_len))
            head->field[head->count++] = field;
    }
    if (!plait__http1_is_host(plait_slice_of(st->head + head->host, head->host_len)))
        plait__h2_head_refuse(st, 400);
}

/* Crumbs of a cookie become one field again (RFC 9113 section 8.2.3). */
static void join_cookies(struct plait__h2_stream *st)
{
    struct plait__http1_head *head = &st->req->head;
    struct plait__http1_field *first = find(st, PLAIT_LIT("cookie"));
    size_t kept = first ? (size_t)(first - head->field) + 1 : head->count, bytes = 0;
    const size_t count = head->count;
    for (size_t i = kept; i < count; i++) {
        const struct plait__http1_field *f = &head->field[i];
        if (f->name_len == 6 && memcmp(st->head + f->name, "cookie", 6) == 0)
            bytes += f->value_len + 2u;
    }
    if (bytes == 0 || !plait__h2_head_room(st, first->value_len + bytes))
        return;
    uint8_t *out = st->head + st->head_len;
    size_t len = first->value_len;
    memcpy(out, st->head + first->value, len);
    for (size_t i = kept; i < count; i++) {
        const struct plait__http1_field f = head->field[i];
        if (f.name_len != 6 || memcmp(st->head + f.name, "cookie", 6) != 0) {
            head->field[kept++] = f;
            continue;
        }
        memcpy(out + len, "; ", 2);
        memcpy(out + len + 2, st->head + f.value, f.value_len);
        len += f.value_len + 2u;
    }
    first->value = (uint16_t)st->head_len;
    first->value_len = (uint16_t)len;
    st->head_len += (uint32_t)len;
    head->count = (uint16_t)kept;
}

static bool add_field(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait__http1_head *head = &st->req->head;
    struct plait__http1_field field;
    if (head->count == PLAIT__HTTP1_FIELDS_MAX)
        plait__h2_head_refuse(st, 431);
    if (st->refusal || !plait__h2_head_put(st, name, &field.name, &field.name_len) ||
        !plait__h2_head_put(st, value, &field.value, &field.value_len))
        return false;
    head->field[head->count++] = field;
    return true;
}

/* RFC 8441 section 5: a handler, a cache and a proxy's origin find the handshake of HTTP/1.1, with a key that the
 * client has no need of. */
static void be_handshake(struct plait__h2_stream *st)
{
    struct plait__http1_head *head = &st->req->head;
    uint8_t nonce[PLAIT__WS_NONCE], key[PLAIT__WS_KEY + 1];
    const plait_err err = plait_random_bytes(st->conn->web->reactor, nonce, sizeof nonce);
    if (err)
        plait__h2_head_refuse(st, 503);
    (void)EVP_EncodeBlock(key, nonce, err ? 0 : sizeof nonce);
    if (!plait__h2_head_put(st, PLAIT_LIT("GET"), &head->method, &head->method_len) ||
        !add_field(st, PLAIT_LIT("connection"), PLAIT_LIT("Upgrade")) ||
        !add_field(st, PLAIT_LIT("upgrade"), PLAIT_LIT("websocket")))
        return;
    if (!find(st, PLAIT_LIT("sec-websocket-key")))
        (void)add_field(st, PLAIT_LIT("sec-websocket-key"), plait_slice_of(key, PLAIT__WS_KEY));
}

/* The target of a request for a tunnel is its authority (RFC 9113 section 8.5). Returns whether it is one. */
static bool settle_connect(struct plait__h2_stream *st)
{
    struct plait__http1_head *head = &st->req->head;
    if (!plait_slice_equal(plait_slice_of(st->head + head->method, head->method_len), PLAIT_LIT("CONNECT")))
        return false;
    st->flags |= PLAIT__HS_TUNNEL;
    if (st->flags & PLAIT__HS_ASKS) {
        be_handshake(st);
        return false;
    }
    head->target = head->host;
    head->target_len = head->host_len;
    return true;
}

static void check_target(struct plait__h2_stream *st)
{
    const struct plait__http1_head *head = &st->req->head;
    const plait_slice target = plait_slice_of(st->head + head->target, head->target_len);
    if (!st->refusal && ((target.ptr[0] != '/' && target.ptr[0] != '*') || !plait__http1_is_target(target)))
        plait__h2_head_refuse(st, 400);
}

/* What only the whole head can tell. */
static void finish_head(struct plait__h2_stream *st)
{
    struct plait_request *req = st->req;
    if (!settle_connect(st)) {
        settle_host(st);
        check_target(st);
    }
    join_cookies(st);
    if (st->refusal)
        return;
    req->base = st->head;
    req->body_kind = st->flags & (PLAIT__HS_ENDED | PLAIT__HS_TUNNEL) ? PLAIT__HB_NONE : PLAIT__HB_FRAMED;
    const int status = plait__request_ready(req);
    if (status)
        plait__h2_head_refuse(st, status);
}

/* Takes the request from its stream, which ends. */
static void part(struct plait__h2_stream *st, uint32_t code)
{
    struct plait_request *req = st->req;
    st->req = NULL;
    plait_timer_stop(&st->timer);
    plait__h2_reset(st, code);
    if (req)
        plait__request_left(req);
}

/* Lets go of a request that is not to be answered by its handler; the client gets a status, or the stream is reset. */
static void turn_down(struct plait__h2_stream *st, int status)
{
    struct plait_request *req = st->req;
    const plait_slice method = plait_slice_of(st->head + req->head.method, req->head.method_len);
    const bool is_head = plait_slice_equal(method, PLAIT_LIT("HEAD"));
    st->req = NULL;
    plait_timer_stop(&st->timer);
    if (status == PLAIT__H2_MALFORMED)
        plait__h2_reset(st, NGHTTP2_PROTOCOL_ERROR);
    else
        plait__h2_refuse(st, status, is_head);
    plait__request_left(req);
}

void plait__h2_begin(struct plait__h2_stream *st)
{
    struct plait_request *req = st->req;
    if (!st->refusal)
        finish_head(st);
    if (st->refusal) {
        req->phase = PLAIT__HR_ANSWERED;
        turn_down(st, st->refusal);
        return;
    }
    plait__h2_count_request(st->conn);
    plait__resource_dispatch(req);
    if (st->req == req && req->phase == PLAIT__HR_OPEN)
        plait__request_pump(req);
}

/* --- the body -------------------------------------------------------------------------------------------------- */

/* Refuses what came behind a head that a handler has: its answer is ours when it has not begun. */
static void refuse_body(struct plait__h2_stream *st, int status)
{
    struct plait_request *req = st->req;
    if (req->phase == PLAIT__HR_OPEN) {
        turn_down(st, status);
        return;
    }
    part(st, NGHTTP2_CANCEL);
}

/* The body, or its rest, is silent. */
static void on_timer(void *ctx)
{
    struct plait__h2_stream *st = ctx;
    const struct plait_request *req = st->req;
    if (st->flags & PLAIT__HS_SAID)
        plait__h2_reset(st, NGHTTP2_NO_ERROR);
    else if (req && req->body_fn && !req->paused && !req->body_done)
        refuse_body(st, 408);
}

static bool too_slow(const struct plait_request *req)
{
    uint64_t rate = req->service->options.limits.body_rate;
    int64_t took = (plait_now(req->web->reactor) - req->rate_from) / plait_seconds(1);
    return !req->paused && took > RATE_GRACE_S && req->rate_seen / (uint64_t)took < rate;
}

/* Hands bytes to the handler, and opens the window for as many. Returns whether they were taken. */
static bool give(struct plait__h2_stream *st, plait_slice piece)
{
    struct plait_request *req = st->req;
    int refusal = 0;
    if (!plait__request_wants(req))
        return false;
    req->body_ending = st->flags & PLAIT__HS_ENDED;
    (void)plait__request_take(req, piece, &refusal);
    plait__h2_must(st->conn, nghttp2_session_consume_stream(st->conn->session, st->id, piece.len));
    if (st->req != req)
        return true;
    if (!refusal && !req->body_done && too_slow(req))
        refusal = 408;
    if (refusal)
        refuse_body(st, refusal);
    else
        plait__h2_arm(&st->timer, req->body_done ? PLAIT_NEVER : req->service->options.limits.body);
    return true;
}

/* What comes for a request that is answered already is dropped, and does not open its window again. */
void plait__h2_take_data(struct plait__h2_stream *st, plait_slice piece)
{
    if (st->tunnel)
        plait__h2_tunnel_data(st->tunnel, piece);
    if (!st->req || (st->in.len == 0 && give(st, piece)))
        return;
    plait_buf_put(&st->in, piece);
    if (st->in.err)
        refuse_body(st, 503);
}

void plait__h2_take_end(struct plait__h2_stream *st)
{
    if (st->tunnel)
        plait__h2_tunnel_end(st->tunnel);
    if (st->req && st->in.len == 0)
        (void)give(st, plait_slice_of(NULL, 0));
}

void plait__h2_read_on(struct plait__h2_stream *st)
{
    if (!st->req || (st->in.len == 0 && !(st->flags & PLAIT__HS_ENDED)))
        return;
    if (give(st, plait_buf_slice(&st->in)))
        plait_buf_deinit(&st->in);
}

void plait__h2_widen(struct plait__h2_stream *st)
{
    if (st->flags & PLAIT__HS_WIDE)
        return;
    st->flags |= PLAIT__HS_WIDE;
    plait__h2_must(st->conn, nghttp2_session_set_local_window_size(st->conn->session, NGHTTP2_FLAG_NONE, st->id,
                                                                   PLAIT__H2_READING));
}

void plait__h2_wake(struct plait_request *req)
{
    struct plait__h2_stream *st = req->carrier;
    if (!(st->flags & PLAIT__HS_ENDED)) {
        plait__h2_widen(st);
        plait__h2_arm(&st->timer, req->service->options.limits.body);
    }
    plait__h2_work(st, PLAIT__HS_READ);
}

void plait__h2_give_up(struct plait__h2_stream *st)
{
    part(st, NGHTTP2_CANCEL);
}

void plait__h2_client_said_all(struct plait__h2_stream *st)
{
    struct plait_request *req = st->req;
    if (!(st->flags & PLAIT__HS_ENDED)) {
        part(st, NGHTTP2_CANCEL);
        return;
    }
    plait_request_fn gone = req ? req->gone_fn : NULL;
    if (!gone)
        return;
    req->gone_fn = NULL;
    gone(req, req->gone_ctx);
}
