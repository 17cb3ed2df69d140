/* SPDX-License-Identifier: MIT
 *
 * Exchanges over HTTP/2: a request as a block of fields and a body, the response put together as HTTP/1 would have
 * brought it. nghttp2 has judged the response before: its fields, their order, and a body's length beside
 * Content-Length; what breaks a rule resets the stream.
 *
 * A fetch that is paused leaves what comes in its stream, and only what it took opens the window again. Invariant: a
 * stream's exchange knows the stream, and neither knows the other once one of them is over; whoever ends first tells
 * once. nghttp2 tells nothing more of a stream that was reset. Tests:
 * tests/web/test_http2_client.c, fuzz/fuzz_http2_client.c.
 */
#include "base/try.h"
#include "web/http2_client.h"

enum { PIECE = 64 * 1024, FEW = 40, PSEUDO = 4 };

/* --- ends ------------------------------------------------------------------------------------------------------ */

void plait__h2_client_stream_free(struct plait__h2_stream *st)
{
    plait_mem_free(st->head);
    plait__h2_stream_deinit(st);
    plait__slab_free(&st->conn->web->streams, st);
}

struct plait__client_exchange *plait__h2_part(struct plait__h2_stream *st)
{
    struct plait__client_exchange *x = st->x;
    st->x = NULL;
    x->h2 = NULL;
    x->conn = NULL;
    st->conn->client->running--;
    return x;
}

/* Nothing more is to come of a stream. */
static void let_go(struct plait__h2_stream *st, uint32_t code)
{
    if (st->flags & PLAIT__HS_GONE)
        plait__h2_client_stream_free(st);
    else
        plait__h2_reset(st, code);
}

void plait__h2_fail_exchange(struct plait__h2_stream *st, plait_err err, const char *detail)
{
    struct plait__h2_conn *conn = st->conn;
    struct plait__client_exchange *x = plait__h2_part(st);
    struct plait_fault fault = plait_fault_make(err, "http");
    fault.detail = detail;
    let_go(st, NGHTTP2_CANCEL);
    x->ops->failed(x, &fault, PLAIT__AGAIN_NOT);
    plait__h2_released(conn);
}

/* The response is complete. A server that still gets the request is told that it need not (RFC 9113 section 8.1). */
static void complete(struct plait__h2_stream *st)
{
    struct plait__h2_conn *conn = st->conn;
    const bool sent = (st->flags & PLAIT__HS_FINAL) && plait__chain_empty(&st->out);
    struct plait__client_exchange *x = plait__h2_part(st);
    conn->client->used = true;
    if ((st->flags & PLAIT__HS_GONE) || !sent)
        let_go(st, NGHTTP2_CANCEL);
    x->ops->end(x);
    plait__h2_released(conn);
}

/* nghttp2 closed a stream whose response is not complete. */
static enum plait__client_again again_of(const struct plait__h2_stream *st, uint32_t code)
{
    if (st->x->began)
        return PLAIT__AGAIN_NOT;
    if (code == NGHTTP2_REFUSED_STREAM || !(st->flags & PLAIT__HS_BEGUN))
        return PLAIT__AGAIN_UNSEEN;
    return code == NGHTTP2_HTTP_1_1_REQUIRED ? PLAIT__AGAIN_HTTP1 : PLAIT__AGAIN_NOT;
}

static struct plait_fault fault_of(const struct plait__h2_stream *st, uint32_t code)
{
    struct plait_fault fault = plait_fault_make(PLAIT_EMALFORMED, "http");
    fault.detail = "the response is malformed";
    if (st->refusal == 431) {
        fault.err = PLAIT_ETOOLONG;
        fault.detail = "the trailers are longer than allowed";
    } else if ((st->flags & PLAIT__HS_RESET) || code == NGHTTP2_REFUSED_STREAM) {
        fault.err = PLAIT_ERESET;
        fault.detail = "the server gave the request up";
    }
    return fault;
}

void plait__h2_response_closed(struct plait__h2_stream *st, uint32_t code)
{
    struct plait__h2_conn *conn = st->conn;
    struct plait__client_exchange *x = st->x;
    if (!x) {
        plait__h2_rest_closed(st, code);
        return;
    }
    if (st->flags & PLAIT__HS_ENDED) {
        st->flags |= PLAIT__HS_GONE; /* all is here, and waits to be taken */
        return;
    }
    const struct plait_fault fault = fault_of(st, code);
    const enum plait__client_again again = again_of(st, code);
    (void)plait__h2_part(st);
    plait__h2_client_stream_free(st);
    x->ops->failed(x, &fault, again);
    plait__h2_released(conn);
}

/* --- the request ----------------------------------------------------------------------------------------------- */

/* The first two words of a request, and the rest of its head without the empty line. */
static plait_slice next_word(plait_slice *text)
{
    const size_t len = plait_slice_find_byte(*text, ' ', 0);
    const plait_slice word = plait_slice_sub(*text, 0, len);
    *text = plait_slice_sub(*text, len + 1, text->len);
    return word;
}

/* RFC 9113 section 8.3.1: what the request line and Host say stands in front; RFC 8441 section 4 where it `asks` for a
 * WebSocket. Returns how many fields there are. */
static size_t put_fields(plait_slice text, bool secure, bool asks, nghttp2_nv *nv)
{
    const plait_slice method = next_word(&text), target = next_word(&text);
    const size_t from = plait_slice_find(text, PLAIT_LIT("\r\n"), 0) + 2;
    nv[0] = plait__h2_field(PLAIT_LIT(":method"), method);
    nv[1] = plait__h2_field(PLAIT_LIT(":scheme"), secure ? PLAIT_LIT("https") : PLAIT_LIT("http"));
    nv[3] = plait__h2_field(PLAIT_LIT(":path"), target);
    uint8_t *lines = (uint8_t *)(uintptr_t)text.ptr + from;
    const size_t count = plait__h2_split(lines, text.len - from - 2, nv + PSEUDO);
    nv[2] = plait__h2_field(PLAIT_LIT(":authority"), plait_slice_of(nv[PSEUDO].value, nv[PSEUDO].valuelen));
    if (asks) { /* Host is the first of the fields */
        nv[0] = plait__h2_field(PLAIT_LIT(":method"), PLAIT_LIT("CONNECT"));
        nv[PSEUDO] = plait__h2_field(PLAIT_LIT(":protocol"), PLAIT_LIT("websocket"));
        return PSEUDO + count;
    }
    memmove(nv + PSEUDO, nv + PSEUDO + 1, (count - 1) * sizeof(*nv));
    return PSEUDO + count - 1;
}

static size_t count_lines(plait_slice text)
{
    size_t count = 0, at = 0;
    while ((at = plait_slice_find_byte(text, '\n', at)) != SIZE_MAX) {
        count++;
        at++;
    }
    return count;
}

plait_err plait__h2_request_submit(struct plait__h2_stream *st)
{
    struct plait__h2_conn *conn = st->conn;
    const struct plait__client_exchange *x = st->x;
    const bool secure = conn->client->origin->tls != NULL, asks = st->flags & PLAIT__HS_ASKS;
    const bool bare = x->sent && x->body.len == 0 && !asks;
    const nghttp2_data_provider body = {.source = {.ptr = st}, .read_callback = plait__h2_body_ready};
    nghttp2_nv few[FEW], *nv = few;
    const size_t most = PSEUDO + count_lines(x->request);
    if (most > FEW)
        nv = plait_mem_new(plait_stream_budget(conn->stream), most * sizeof(*nv));
    if (!nv)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    const size_t count = put_fields(x->request, secure, asks, nv);
    st->id = nghttp2_submit_request(conn->session, NULL, nv, count, bare ? NULL : &body, st);
    if (nv != few)
        plait_mem_free(nv);
    return st->id < 0 ? PLAIT_FAIL(PLAIT_ENOMEM) : PLAIT_OK;
}

static plait_err fill(struct plait__h2_stream *st)
{
    PLAIT_TRY(plait__chain_put(&st->out, st->x->body));
    PLAIT_TRY(plait__h2_request_submit(st));
    return PLAIT_OK;
}

plait_err plait__h2_request_begin(struct plait__h2_conn *conn, struct plait__client_exchange *x)
{
    struct plait__h2_stream *st = plait__slab_take(&conn->web->streams);
    if (!st)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    plait__h2_stream_init(st, conn, 0);
    plait_buf_init(&st->in, plait_reactor_budget(conn->web->reactor), PLAIT__H2_CLIENT_WINDOW); /* see on_lost */
    st->x = x;
    st->flags = x->sent && !x->upgrades ? PLAIT__HS_FINAL : 0;
    st->stall = x->stall;
    const plait_err err = x->upgrades ? PLAIT_OK : fill(st);
    if (err) {
        plait__h2_client_stream_free(st);
        return err;
    }
    x->h2 = st;
    x->began = false;
    x->interim = 0;
    x->paused = false;
    plait__http1_head_init(&x->head, true);
    conn->client->running++;
    conn->requests++;
    if (x->upgrades)
        plait__h2_ask(st);
    return PLAIT_OK;
}

/* --- the response's head --------------------------------------------------------------------------------------- */

uint8_t *plait__h2_response_grow(struct plait__h2_stream *st, size_t bytes)
{
    return plait_mem_resize(plait_reactor_budget(st->conn->web->reactor), st->head, bytes);
}

void plait__h2_response_field(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait__client_exchange *x = st->x;
    if (st->list > PLAIT__HTTP1_HEAD_MAX)
        plait__h2_head_refuse(st, 431);
    if (!x || st->refusal)
        return;
    struct plait__http1_head *head = &x->head;
    struct plait__http1_field field;
    x->began = true;
    if (name.ptr[0] == ':') { /* :status, three digits */
        head->status = (uint16_t)((value.ptr[0] - '0') * 100 + (value.ptr[1] - '0') * 10 + (value.ptr[2] - '0'));
    } else if (head->count == PLAIT__HTTP1_FIELDS_MAX) {
        plait__h2_head_refuse(st, 431);
    } else if (plait__h2_head_put(st, name, &field.name, &field.name_len) &&
               plait__h2_head_put(st, value, &field.value, &field.value_len)) {
        head->field[head->count++] = field;
        if (plait_slice_equal(name, PLAIT_LIT("content-length")))
            head->has_length = plait_slice_to_u64(value, UINT64_MAX, &head->length) == PLAIT_OK;
    }
}

/* A response ends by itself: where its length is not announced it is as one in chunks. */
static void choose_body(struct plait__h2_stream *st, struct plait__client_exchange *x)
{
    const int status = x->head.status;
    if ((st->flags & PLAIT__HS_ENDED) || x->only_head || status == 204 || status == 304)
        x->framing = PLAIT__HTTP1_NO_BODY;
    else
        x->framing = x->head.has_length ? PLAIT__HTTP1_LENGTH : PLAIT__HTTP1_CHUNKED;
}

static const uint8_t *text_of(const struct plait__h2_stream *st)
{
    return st->head ? st->head : (const uint8_t *)"";
}

static void take_interim(struct plait__h2_stream *st, struct plait__client_exchange *x)
{
    if (x->interim++ == PLAIT__INTERIM_MAX) {
        plait__h2_fail_exchange(st, PLAIT_EPROTOCOL, "too many interim responses");
        return;
    }
    x->head.at = st->head_len;
    x->ops->interim(x, text_of(st));
    if (st->x == x)
        plait__http1_head_init(&x->head, true);
    st->head_len = 0;
}

static void take_final(struct plait__h2_stream *st, struct plait__client_exchange *x)
{
    st->flags |= PLAIT__HS_ANSWER;
    plait__h2_bucket_earn(&st->conn->floods, PLAIT__H2_EARNS);
    x->spoken = 20;
    x->head.at = st->head_len;
    choose_body(st, x);
    if (x->upgrades && x->head.status / 100 == 2)
        plait__h2_grant(st, text_of(st));
    else
        x->ops->head(x, text_of(st));
    plait_mem_free(st->head);
    st->head = NULL;
    st->head_cap = st->head_len = 0;
    if (st->x == x && (st->flags & PLAIT__HS_ENDED))
        complete(st);
}

void plait__h2_response_head(struct plait__h2_stream *st)
{
    struct plait__client_exchange *x = st->x;
    if (x && st->refusal)
        plait__h2_fail_exchange(st, st->refusal == 431 ? PLAIT_ETOOLONG : PLAIT_ENOMEM,
                                st->refusal == 431 ? "the response's head is longer than allowed" : NULL);
    else if (x && x->head.status < 200)
        take_interim(st, x);
    else if (x)
        take_final(st, x);
}

void plait__h2_response_trailer(struct plait__h2_stream *st, plait_slice name, plait_slice value)
{
    struct plait_buf *out = st->x ? &st->x->trailers : NULL;
    if (out) {
        plait_buf_put(out, name);
        plait_buf_put(out, PLAIT_LIT(": "));
        plait_buf_put(out, value);
        plait_buf_put(out, PLAIT_LIT("\r\n"));
    }
}

/* --- its body -------------------------------------------------------------------------------------------------- */

/* Hands bytes over, and opens the window for as many. */
static void give(struct plait__h2_stream *st, plait_slice piece)
{
    struct plait__h2_conn *conn = st->conn;
    const bool known = !(st->flags & PLAIT__HS_GONE);
    const int32_t id = st->id;
    st->x->ops->data(st->x, piece);
    if (known)
        plait__h2_must(conn, nghttp2_session_consume_stream(conn->session, id, piece.len));
}

void plait__h2_response_data(struct plait__h2_stream *st, plait_slice piece)
{
    if (st->tunnel)
        plait__h2_tunnel_data(st->tunnel, piece);
    else if (st->x && !st->x->paused && st->in.len == 0)
        give(st, piece);
    else if (st->x)
        plait_buf_put(&st->in, piece);
    if (st->x && st->in.err)
        plait__h2_fail_exchange(st, PLAIT_ENOMEM, NULL);
}

void plait__h2_response_end(struct plait__h2_stream *st)
{
    if (st->tunnel)
        plait__h2_tunnel_end(st->tunnel);
    else if (st->x && st->in.len == 0)
        complete(st);
}

/* What waited, as far as the fetch takes it. */
static void read_on(struct plait__h2_stream *st)
{
    while (st->x && !st->x->paused && st->in.len > 0) {
        const size_t len = st->in.len < PIECE ? st->in.len : PIECE;
        give(st, plait_slice_sub(plait_buf_slice(&st->in), 0, len));
        plait_buf_consume(&st->in, len);
    }
    if (st->x && st->in.len == 0 && (st->flags & PLAIT__HS_ENDED))
        complete(st);
}

void plait__h2_response_work(struct plait__h2_stream *st)
{
    const uint32_t flags = st->flags;
    if (!st->x) {
        plait__h2_rest_work(st);
        return;
    }
    if (flags & PLAIT__HS_EARLY) {
        plait__h2_look_up(st);
        return;
    }
    if (flags & PLAIT__HS_BROKEN) {
        plait__h2_fail_exchange(st, PLAIT_ENOMEM, NULL);
        return;
    }
    st->flags &= ~(uint32_t)PLAIT__HS_READ;
    if ((flags & PLAIT__HS_FULL) && plait__chain_bytes(&st->out) <= PLAIT__H2_LOW) {
        st->flags &= ~(uint32_t)PLAIT__HS_FULL;
        st->x->ops->room(st->x); /* which only takes note */
    }
    if (flags & PLAIT__HS_READ)
        read_on(st);
}
