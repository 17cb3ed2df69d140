/* SPDX-License-Identifier: MIT
 *
 * What comes to a WebSocket: frames are unmasked, decompressed, checked and handed on as whole messages or in pieces.
 * A message that comes in one frame and one window is unmasked into the reactor's window and costs no allocation.
 *
 * Pieces that can't be handed on, because the handler paused, are left in the stream; of compressed bytes, those whose
 * output is not all handed on. Invariant: a message is handed on only when all its bytes were good; text fails at the
 * first byte that can't be UTF-8, whatever is still to come. Tests: tests/web/test_ws.c, test_ws_cases.c.
 */
#include "web/ws_core.h"
#include "base/try.h"

enum { PIECE = 16384, SQUEEZED_PIECE = 2048, INFLATE_STEP = 4096, TAIL = 4 };

/* Whether messages are handed on: neither side has ended it. */
static bool is_heard(const struct plait_websocket *ws)
{
    const bool open = ws->state == PLAIT__WS_OPEN || (ws->hears_out && ws->state == PLAIT__WS_CLOSING);
    return open && plait_is_open(ws->stream);
}

/* --- judging --------------------------------------------------------------------------------------------------- */

static bool no_memory(struct plait_websocket *ws)
{
    plait__ws_fail(ws, 1011, PLAIT_ENOMEM, "no memory for a message");
    return false;
}

static bool too_long(struct plait_websocket *ws)
{
    plait__ws_fail(ws, 1009, PLAIT_ETOOLONG, "a message longer than allowed");
    return false;
}

static bool not_text(struct plait_websocket *ws)
{
    plait__ws_fail(ws, 1007, PLAIT_EMALFORMED, "text that is no UTF-8");
    return false;
}

/* Whether bytes of a message may stand there; the message ends behind them if `last`. */
static bool check_text(struct plait_websocket *ws, uint8_t opcode, plait_slice clear, bool last)
{
    if (opcode != PLAIT__WS_TEXT)
        return true;
    return (plait__utf8_check(&ws->text, clear) && !(last && ws->text.need)) || not_text(ws);
}

static bool in_pieces(const struct plait_websocket *ws)
{
    return ws->handler->piece != NULL;
}

/* A frame's head came: whether the message may grow by it. Compressed, it may not be longer than any way of
 * compressing what is allowed could make it. */
static bool may_grow(struct plait_websocket *ws, const struct plait__ws_view *v)
{
    if (v->first) {
        ws->text = (struct plait__utf8){0};
        ws->squeezed = 0;
    }
    if (in_pieces(ws) || ws->message_max == SIZE_MAX)
        return true;
    if (!v->compressed)
        return v->length <= ws->message_max - ws->message.len || too_long(ws);
    if (v->length > UINT64_MAX / 2 - ws->squeezed || (ws->squeezed + v->length) / 2 > ws->message_max + 1024)
        return too_long(ws);
    ws->squeezed += v->length;
    return true;
}

/* --- handing on ------------------------------------------------------------------------------------------------ */

static void hand_piece(struct plait_websocket *ws, uint8_t opcode, plait_slice piece, bool end)
{
    if (piece.len > 0 || end)
        ws->handler->piece(ws, (enum plait_websocket_kind)opcode, piece, end, ws->self);
}

static void hand_message(struct plait_websocket *ws, uint8_t opcode, plait_slice message)
{
    if (ws->handler->message)
        ws->handler->message(ws, (enum plait_websocket_kind)opcode, message, ws->self);
}

static void hand_gathered(struct plait_websocket *ws, uint8_t opcode)
{
    hand_message(ws, opcode, plait_buf_slice(&ws->message));
    plait_buf_deinit(&ws->message);
}

/* --- as it is -------------------------------------------------------------------------------------------------- */

/* The payload's first `len` bytes in the clear: in `out` where they were masked. */
static plait_slice unmask(const struct plait_websocket *ws, const struct plait__ws_view *v, size_t len, uint8_t *out)
{
    const plait_slice masked = plait_slice_sub(v->payload, 0, len);
    if (!ws->reader.masked)
        return masked;
    plait__ws_mask(out, masked, v->mask);
    return plait_slice_of(out, len);
}

static bool take_piece(struct plait_websocket *ws, const struct plait__ws_view *v, size_t *took)
{
    uint8_t out[PIECE] __attribute__((uninitialized));
    if (*took > sizeof out)
        *took = sizeof out;
    const bool end = v->last && *took == v->payload.len;
    const plait_slice clear = unmask(ws, v, *took, out);
    if (!check_text(ws, v->opcode, clear, end))
        return false;
    hand_piece(ws, v->opcode, clear, end);
    return true;
}

/* The whole message is there. */
static bool take_at_once(struct plait_websocket *ws, const struct plait__ws_view *v)
{
    const plait_slice clear = unmask(ws, v, v->payload.len, ws->web->window);
    if (!check_text(ws, v->opcode, clear, true))
        return false;
    hand_message(ws, v->opcode, clear);
    return true;
}

static bool gather(struct plait_websocket *ws, const struct plait__ws_view *v)
{
    const size_t len = v->payload.len;
    uint8_t *at = plait_buf_reserve(&ws->message, len);
    if (!at && len)
        return no_memory(ws);
    const plait_slice clear = unmask(ws, v, len, at);
    if (!check_text(ws, v->opcode, clear, v->last))
        return false;
    if (len && clear.ptr != at)
        memcpy(at, clear.ptr, len);
    plait_buf_commit(&ws->message, len);
    if (v->last)
        hand_gathered(ws, v->opcode);
    return true;
}

static bool take_plain(struct plait_websocket *ws, const struct plait__ws_view *v, size_t *took)
{
    if (in_pieces(ws))
        return take_piece(ws, v, took);
    return v->first && v->last ? take_at_once(ws, v) : gather(ws, v);
}

/* --- compressed ------------------------------------------------------------------------------------------------ */

/* Bytes to be decompressed: a part of a frame's payload, with the tail behind a message's last (RFC 7692 section
 * 7.2.2). */
struct squeezed {
    uint8_t bytes[SQUEEZED_PIECE + TAIL];
    plait_slice left;
    bool last;
};

static void fill(const struct plait_websocket *ws, const struct plait__ws_view *v, size_t *took, struct squeezed *in)
{
    if (*took > SQUEEZED_PIECE)
        *took = SQUEEZED_PIECE;
    size_t len = *took;
    const plait_slice clear = unmask(ws, v, len, in->bytes);
    if (len && clear.ptr != in->bytes)
        memcpy(in->bytes, clear.ptr, len);
    in->last = v->last && len == v->payload.len;
    if (in->last) {
        memcpy(in->bytes + len, PLAIT__WS_TAIL.ptr, TAIL);
        len += TAIL;
    }
    in->left = plait_slice_of(in->bytes + ws->inflated, len - ws->inflated);
}

static bool inflate_failed(struct plait_websocket *ws, plait_err err)
{
    if (err == PLAIT_ENOMEM)
        return no_memory(ws);
    plait__ws_fail(ws, 1007, err, "a message that is not compressed as agreed");
    return false;
}

/* One step of decompressing into the message that is gathered. */
static bool inflate_whole(struct plait_websocket *ws, uint8_t opcode, struct squeezed *in, size_t *made)
{
    uint8_t *at = plait_buf_reserve(&ws->message, INFLATE_STEP);
    if (!at)
        return no_memory(ws);
    const plait_err err = plait__ws_inflate(ws->deflate, &in->left, at, INFLATE_STEP, made);
    if (err)
        return inflate_failed(ws, err);
    plait_buf_commit(&ws->message, *made);
    if (ws->message.len > ws->message_max)
        return too_long(ws);
    return check_text(ws, opcode, plait_slice_of(at, *made), false);
}

static bool inflate_piece(struct plait_websocket *ws, uint8_t opcode, struct squeezed *in, size_t *made)
{
    uint8_t out[INFLATE_STEP] __attribute__((uninitialized));
    const plait_err err = plait__ws_inflate(ws->deflate, &in->left, out, sizeof out, made);
    if (err)
        return inflate_failed(ws, err);
    const plait_slice clear = plait_slice_of(out, *made);
    if (!check_text(ws, opcode, clear, false))
        return false;
    hand_piece(ws, opcode, clear, false);
    return true;
}

static bool end_compressed(struct plait_websocket *ws, uint8_t opcode)
{
    const plait_err err = plait__ws_inflate_end(ws->deflate);
    if (err)
        return inflate_failed(ws, err);
    if (!check_text(ws, opcode, plait_slice_of(NULL, 0), true))
        return false;
    if (in_pieces(ws))
        hand_piece(ws, opcode, plait_slice_of(NULL, 0), true);
    else
        hand_gathered(ws, opcode);
    return true;
}

/* False when it stops here: it failed, or the handler paused before all was handed on. */
static bool take_compressed(struct plait_websocket *ws, const struct plait__ws_view *v, size_t *took)
{
    struct squeezed in __attribute__((uninitialized));
    size_t made;
    fill(ws, v, took, &in);
    do {
        const size_t before = in.left.len;
        const bool good =
            in_pieces(ws) ? inflate_piece(ws, v->opcode, &in, &made) : inflate_whole(ws, v->opcode, &in, &made);
        if (!good)
            return false;
        ws->inflated += (uint32_t)(before - in.left.len);
        if (ws->paused || !is_heard(ws))
            return false;
    } while (in.left.len > 0 || made == INFLATE_STEP);
    ws->inflated = 0;
    return !in.last || end_compressed(ws, v->opcode);
}

/* --- frames ---------------------------------------------------------------------------------------------------- */

static void take_control(struct plait_websocket *ws, const struct plait__ws_view *v)
{
    uint8_t clear[PLAIT__WS_CONTROL_MAX];
    const plait_slice payload = unmask(ws, v, v->payload.len, clear);
    if (v->opcode == PLAIT__WS_CLOSE)
        plait__ws_peer_closes(ws, payload);
    else if (v->opcode == PLAIT__WS_PING)
        plait__ws_pong(ws, payload);
    else if (ws->handler->pong && ws->state == PLAIT__WS_OPEN)
        ws->handler->pong(ws, payload, ws->self);
}

/* A piece of a message. Returns how much of the input is done with; 0 when it must be looked at again. */
static size_t take_message(struct plait_websocket *ws, const struct plait__ws_view *v)
{
    size_t took = v->payload.len;
    if (!is_heard(ws)) {
        plait__ws_take(&ws->reader, v, took);
        return v->head + took;
    }
    if (v->head && !may_grow(ws, v))
        return 0;
    if (v->compressed && v->head && v->length > 0)
        took = 0; /* the head for itself: the payload may be looked at more than once */
    else if (!(v->compressed ? take_compressed(ws, v, &took) : take_plain(ws, v, &took)))
        return 0;
    plait__ws_take(&ws->reader, v, took);
    return v->head + took;
}

static size_t take_one(struct plait_websocket *ws, plait_slice in)
{
    const struct plait__ws_view v = plait__ws_look(&ws->reader, in);
    switch (v.step) {
    case PLAIT__WS_BAD:
        plait__ws_fail(ws, 1002, PLAIT_EPROTOCOL, v.why);
        return 0;
    case PLAIT__WS_WHOLE:
        take_control(ws, &v);
        return v.head + v.payload.len;
    case PLAIT__WS_PIECE:
        return take_message(ws, &v);
    default:
        plait_need(ws->stream, v.need);
        return 0;
    }
}

/* Whether more may be looked at: the handler can close or pause in the midst of it, and answers fill the output. */
static bool goes_on(const struct plait_websocket *ws)
{
    return ws->state != PLAIT__WS_CLOSED && plait_is_open(ws->stream) && !ws->paused && !plait_is_full(ws->stream);
}

size_t plait__ws_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_websocket *ws = self;
    size_t used = 0;
    (void)s;
    ws->heard = plait_now(ws->web->reactor);
    ws->pinged = false;
    plait__ws_tell_open(ws);
    while (used < in.len && goes_on(ws)) {
        const size_t took = take_one(ws, plait_slice_sub(in, used, in.len));
        used += took;
        if (took == 0)
            break;
    }
    return ws->state == PLAIT__WS_CLOSED ? in.len : used;
}
