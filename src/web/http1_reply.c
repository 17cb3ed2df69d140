/* SPDX-License-Identifier: MIT
 *
 * Answers as HTTP/1 frames them: a head with the right framing and connection fields, bodies by length, in chunks or
 * until the end. A usual answer is composed with its head in one buffer of the reactor and written once.
 *
 * Invariant: what stands behind a head is framed as the head says. Test: tests/web/test_http_reply.c.
 */
#include "base/try.h"
#include "web/http_core.h"

enum { COMPOSE_MAX = 16384 };

/* RFC 9112 section 6.3 */
static enum plait__http1_framing choose_framing(const struct plait_request *req, int status, uint64_t length)
{
    if (status == 204 || status == 304)
        return PLAIT__HTTP1_NO_BODY;
    if (length != PLAIT_LENGTH_UNKNOWN)
        return PLAIT__HTTP1_LENGTH;
    return req->head.minor ? PLAIT__HTTP1_CHUNKED : PLAIT__HTTP1_UNTIL_CLOSE;
}

/* Composes the head in the reactor's buffer. */
static struct plait_buf *compose_head(struct plait_request *req, const struct plait__http_reply *reply)
{
    struct plait_buf *out = &req->web->scratch;
    struct plait__http_conn *conn = req->carrier;
    enum plait__http1_framing framing = choose_framing(req, reply->status, reply->length);
    bool keep = plait__http_keeps(req) && framing != PLAIT__HTTP1_UNTIL_CLOSE;
    struct plait__http1_answer answer = {.status = reply->status,
                                         .framing = framing,
                                         .length = reply->length,
                                         .connection = !keep             ? "close"
                                                       : req->head.minor ? NULL
                                                                         : "keep-alive",
                                         .common = plait__http_common_of(req),
                                         .type = reply->type,
                                         .more = plait_buf_slice(&req->fields)};
    if (!keep)
        conn->flags &= ~(uint32_t)PLAIT__HC_KEEP;
    req->chunked_out = framing == PLAIT__HTTP1_CHUNKED;
    plait_buf_clear(out);
    plait__http1_answer_write(out, &answer);
    return out;
}

static void send_composed(struct plait_request *req, const struct plait_buf *out)
{
    if (out->err)
        plait__http_break(req, out->err, "no memory for an answer");
    else
        plait_write(req->stream, plait_buf_slice(out));
}

static void begin(struct plait_request *req, const struct plait__http_reply *reply)
{
    send_composed(req, compose_head(req, reply));
}

static void whole(struct plait_request *req, const struct plait__http_reply *reply, plait_slice body)
{
    struct plait_buf *out = compose_head(req, reply);
    const bool composed = body.len <= COMPOSE_MAX;
    if (composed)
        plait_buf_put(out, body);
    send_composed(req, out);
    if (!composed && req->carrier)
        plait_write(req->stream, body);
}

static void write_chunk(struct plait_stream *s, plait_slice piece)
{
    uint8_t line[PLAIT__HTTP1_CHUNK_HEAD];
    size_t len = plait__http1_chunk_head(piece.len, line);
    plait_write(s, plait_slice_of(line, len));
    plait_write(s, piece);
    plait_write(s, PLAIT_LIT("\r\n"));
}

static void write_piece(struct plait_request *req, plait_slice piece)
{
    if (req->chunked_out)
        write_chunk(req->stream, piece);
    else
        plait_write(req->stream, piece);
}

static void take_piece(struct plait_request *req, struct plait_buf *piece)
{
    plait_write_take(req->stream, piece); /* its length was announced: never in chunks */
}

static void write_file(struct plait_request *req, const struct plait_reply_range *range)
{
    plait_write_file(req->stream, range->fd, range->offset, range->bytes, range->released, range->ctx);
}

static void end(struct plait_request *req)
{
    if (!req->chunked_out || req->no_body)
        return;
    plait_write(req->stream, PLAIT_LIT("0\r\n"));
    plait_write(req->stream, plait_buf_slice(&req->trailers));
    plait_write(req->stream, PLAIT_LIT("\r\n"));
}

static void interim(struct plait_request *req, int status, plait_slice fields)
{
    struct plait_buf *out = &req->web->scratch;
    plait_buf_clear(out);
    plait_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, plait__http_reason(status));
    plait_buf_put(out, fields);
    plait_buf_put(out, PLAIT_LIT("\r\n"));
    send_composed(req, out);
}

static bool is_full(const struct plait_request *req)
{
    return plait_is_full(req->stream);
}

/* --- another protocol ------------------------------------------------------------------------------------------- */

/* Whether one of the fields of a name lists an element. */
static bool lists(const struct plait_request *req, const char *name, const char *element)
{
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice n, value;
        plait_request_field_at(req, i, &n, &value);
        if (plait_slice_equal_nocase(n, plait_slice_text(name)) &&
            plait__http1_list_has(value, plait_slice_text(element)))
            return true;
    }
    return false;
}

/* RFC 9110 section 7.8: a client of HTTP/1.0 can't. */
static bool offers(const struct plait_request *req, const char *protocol)
{
    return req->version == 11 && lists(req, "Connection", "upgrade") && lists(req, "Upgrade", protocol);
}

/* Holds what comes until the stream has its new protocol. */
static size_t hold(struct plait_stream *s, plait_slice in, void *self)
{
    (void)s;
    (void)in;
    (void)self;
    return 0;
}

static const struct plait_protocol upgraded_protocol = {.name = "upgraded", .data = hold};

/* Sends a head behind which the stream is another's. */
static plait_err give_away(struct plait_request *req, const struct plait__http1_answer *answer,
                           struct plait_stream **out)
{
    struct plait__http_conn *conn = req->carrier;
    struct plait_buf *head = &req->web->scratch;
    if (conn->flags & PLAIT__HC_EOF)
        return PLAIT_FAIL(PLAIT_ECLOSED);
    if (conn->flags & PLAIT__HC_DRAINING)
        return PLAIT_FAIL(PLAIT_EDRAINING);
    plait_buf_clear(head);
    plait__http1_answer_write(head, answer);
    if (head->err)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *out = req->stream;
    plait_write(*out, plait_buf_slice(head));
    plait_stream_attach(*out, &upgraded_protocol, NULL);
    if (conn->flags & PLAIT__HC_PAUSED)
        plait_resume(*out);
    conn->req = NULL;
    conn->flags |= PLAIT__HC_CLOSED | PLAIT__HC_UPGRADED;
    return PLAIT_OK;
}

static plait_err upgrade(struct plait_request *req, const char *protocol, struct plait_stream **out)
{
    const struct plait__http1_answer answer = {.status = 101,
                                               .framing = PLAIT__HTTP1_NO_BODY,
                                               .connection = "Upgrade",
                                               .upgrade = protocol,
                                               .common = plait__http_common(req->service),
                                               .more = plait_buf_slice(&req->fields)};
    return give_away(req, &answer, out);
}

/* RFC 9110 section 9.3.6 */
static plait_err tunnel(struct plait_request *req, struct plait_stream **out)
{
    const struct plait__http1_answer answer = {.status = 200,
                                               .framing = PLAIT__HTTP1_NO_BODY,
                                               .common = plait__http_common(req->service),
                                               .more = plait_buf_slice(&req->fields)};
    return give_away(req, &answer, out);
}

const struct plait__http_carrier_ops plait__http1_carrier = {.begin = begin,
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
                                                             .wake = plait__http_wake,
                                                             .answered = plait__http1_answered,
                                                             .abandon = plait__http1_abandon};
