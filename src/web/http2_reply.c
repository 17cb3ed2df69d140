/* SPDX-License-Identifier: MIT
 *
 * Answers as HTTP/2 frames them: the head as a block of fields; the body goes its way in http2_body.c.
 *
 * Invariant: a stream whose answer can't be sent is reset, and its request hears that the client is gone. Test:
 * tests/web/test_http2_server.c.
 */
#include "base/try.h"
#include "web/http2_core.h"

enum { DATE_BYTES = 29, FIXED = 6, FEW = 32 };

/* --- heads ----------------------------------------------------------------------------------------------------- */

/* The fields that every answer begins with. */
static size_t put_fixed(struct plait__http_service *service, const struct plait__http_reply *reply, char status[3],
                        char length[24], nghttp2_nv *nv)
{
    const plait_slice common = plait__http_common(service);
    const char *server = service->options.server ? service->options.server : "plait";
    size_t n = 0, digits = 0;
    nv[n++] = plait__h2_status(reply->status, status);
    if (*server)
        nv[n++] = plait__h2_field(PLAIT_LIT("server"), plait_slice_text(server));
    if (!reply->dated)
        nv[n++] =
            plait__h2_field(PLAIT_LIT("date"), plait_slice_sub(common, common.len - 2 - DATE_BYTES, common.len - 2));
    if (reply->type.len)
        nv[n++] = plait__h2_field(PLAIT_LIT("content-type"), reply->type);
    if (reply->length == PLAIT_LENGTH_UNKNOWN || reply->status == 204 || reply->status == 304)
        return n;
    for (uint64_t left = reply->length; left || digits == 0; left /= 10)
        length[23 - digits++] = (char)('0' + left % 10);
    nv[n++] = plait__h2_field(PLAIT_LIT("content-length"), plait_slice_of(length + 24 - digits, digits));
    return n;
}

static void submit(struct plait__h2_stream *st, const nghttp2_nv *nv, size_t count, bool body)
{
    const nghttp2_data_provider provider = {.source = {.ptr = st}, .read_callback = plait__h2_body_ready};
    st->flags |= PLAIT__HS_BEGUN;
    st->moved = plait_now(st->conn->web->reactor);
    plait__h2_must(st->conn, nghttp2_submit_response(st->conn->session, st->id, nv, count, body ? &provider : NULL));
    plait__h2_touch(st->conn);
}

static plait_err submit_head(struct plait_request *req, const struct plait__http_reply *reply, bool body)
{
    nghttp2_nv few[FEW], *nv = few;
    char status[3], length[24];
    const size_t lines = plait__h2_split(req->fields.ptr, req->fields.len, NULL);
    if (lines > FEW - FIXED) {
        nv = plait_request_memory(req, (lines + FIXED) * sizeof(*nv));
        if (!nv)
            return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    size_t n = put_fixed(req->service, reply, status, length, nv);
    n += plait__h2_split(req->fields.ptr, req->fields.len, nv + n);
    submit(req->carrier, nv, n, body);
    return PLAIT_OK;
}

static void broken(struct plait_request *req)
{
    plait__http_break(req, PLAIT_ENOMEM, "no memory for an answer");
}

/* Only a tunnel may be answered with success where one is asked for: whatever followed would be taken for its bytes. */
static struct plait__http_reply right_of(const struct plait_request *req, const struct plait__http_reply *reply)
{
    const struct plait__h2_stream *st = req->carrier;
    struct plait__http_reply right = *reply;
    if ((st->flags & PLAIT__HS_TUNNEL) && reply->status / 100 == 2)
        right.status = 501;
    return right;
}

static void begin(struct plait_request *req, const struct plait__http_reply *reply)
{
    const struct plait__http_reply right = right_of(req, reply);
    if (submit_head(req, &right, !req->no_body) != PLAIT_OK)
        broken(req);
}

/* They outlive the request, as the rest of its body does. */
static void take_trailers(struct plait_request *req)
{
    struct plait__h2_stream *st = req->carrier;
    if (req->no_body || req->trailers.len == 0)
        return;
    st->trailer = req->trailers;
    plait_buf_init(&req->trailers, plait_reactor_budget(req->web->reactor), PLAIT__HTTP1_TRAILER_MAX);
}

static void whole(struct plait_request *req, const struct plait__http_reply *reply, plait_slice body)
{
    struct plait__h2_stream *st = req->carrier;
    const struct plait__http_reply right = right_of(req, reply);
    plait_err err = plait__chain_put(&st->out, body);
    st->flags |= PLAIT__HS_FINAL;
    take_trailers(req);
    if (err == PLAIT_OK)
        err = submit_head(req, &right, body.len > 0 || st->trailer.len > 0);
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
    nv[0] = plait__h2_status(status, digits);
    const size_t more = plait__h2_split((uint8_t *)(uintptr_t)fields.ptr, fields.len, nv + 1);
    plait__h2_must(st->conn,
                   nghttp2_submit_headers(st->conn->session, NGHTTP2_FLAG_NONE, st->id, NULL, nv, 1 + more, NULL) < 0);
    plait__h2_touch(st->conn);
}

/* --- bodies ---------------------------------------------------------------------------------------------------- */

static void write_piece(struct plait_request *req, plait_slice piece)
{
    if (plait__h2_body_put(req->carrier, piece) != PLAIT_OK)
        broken(req);
}

static void take_piece(struct plait_request *req, struct plait_buf *piece)
{
    if (plait__h2_body_take(req->carrier, piece) != PLAIT_OK)
        broken(req);
}

static void write_file(struct plait_request *req, const struct plait_reply_range *range)
{
    if (plait__h2_body_file(req->carrier, range) != PLAIT_OK)
        broken(req);
}

static void end(struct plait_request *req)
{
    struct plait__h2_stream *st = req->carrier;
    take_trailers(req);
    if (req->no_body)
        st->flags |= PLAIT__HS_FINAL;
    else
        plait__h2_body_end(st);
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

/* --- another protocol ------------------------------------------------------------------------------------------- */

/* A connection of HTTP/2 changes no protocol (RFC 9113 section 8.6), a stream of it can (RFC 8441). */
static bool offers(const struct plait_request *req, const char *protocol)
{
    const struct plait__h2_stream *st = req->carrier;
    return (st->flags & PLAIT__HS_ASKS) && plait_slice_equal_nocase(plait_slice_text(protocol), PLAIT_LIT("websocket"));
}

static plait_err tunnel(struct plait_request *req, struct plait_stream **out)
{
    const struct plait__http_reply reply = {.status = 200, .length = PLAIT_LENGTH_UNKNOWN};
    struct plait__h2_stream *st = req->carrier;
    struct plait__h2_tunnel *made;
    if (st->conn->flags & PLAIT__HX_DRAINING)
        return PLAIT_FAIL(PLAIT_EDRAINING);
    PLAIT_TRY(plait__h2_tunnel_new(st, &made));
    const plait_err err = submit_head(req, &reply, true);
    if (err) {
        plait__h2_tunnel_free(made);
        return err;
    }
    *out = plait__h2_tunnel_begin(made, st);
    return PLAIT_OK;
}

static plait_err upgrade(struct plait_request *req, const char *protocol, struct plait_stream **out)
{
    (void)protocol;
    return tunnel(req, out);
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
                                                          .upgrade = upgrade,
                                                          .tunnel = tunnel,
                                                          .wake = plait__h2_wake,
                                                          .answered = answered,
                                                          .abandon = abandon};
