/* SPDX-License-Identifier: MIT
 *
 * A WebSocket once its handshake is complete (RFC 6455 sections 5 to 7), either side: sending, pings, the close
 * handshake, the end. What comes in is ws_input.c's.
 *
 * Invariant: after the own close frame no frame leaves; a failure is told to the peer with a close frame, and to the
 * handler with `lost`, once. Closing and aborting allocate nothing. Tests: tests/web/test_ws.c, test_ws_cases.c.
 */
#include "web/ws_core.h"
#include "base/try.h"

enum {
    MESSAGE_MAX = 1 << 20,
    PING_S = 30,
    PONG_S = 20,
    CLOSE_S = 5,
    DEFLATE_MIN = 128,
    DEFLATE_BITS = 12,
    MASK_PIECE = 4096,
    CODE_NONE = 1005,
    CODE_ABNORMAL = 1006,
};

/* --- frames out ------------------------------------------------------------------------------------------------ */

/* A client's masks can't be foreseen (RFC 6455 section 10.3). */
static bool next_mask(struct plait_websocket *ws, uint8_t mask[4])
{
    if (ws->masks_left < 4) {
        const plait_err err = plait_random_bytes(ws->web->reactor, ws->masks, sizeof ws->masks);
        if (err) {
            plait_abort_with(ws->stream, err, "no random bytes for a mask");
            return false;
        }
        ws->masks_left = sizeof ws->masks;
    }
    ws->masks_left -= 4;
    memcpy(mask, ws->masks + ws->masks_left, 4);
    return true;
}

static void put_masked(struct plait_websocket *ws, plait_slice payload, const uint8_t mask[4])
{
    uint8_t piece[MASK_PIECE] __attribute__((uninitialized));
    for (size_t at = 0; at < payload.len; at += sizeof piece) {
        const plait_slice part = plait_slice_sub(payload, at, at + sizeof piece);
        plait__ws_mask(piece, part, mask);
        plait_write(ws->stream, plait_slice_of(piece, part.len));
    }
}

static void put_frame(struct plait_websocket *ws, struct plait__ws_frame *frame, plait_slice payload)
{
    uint8_t head[PLAIT__WS_HEAD_MAX], mask[4];
    frame->length = payload.len;
    if (ws->client && !next_mask(ws, mask))
        return;
    frame->mask = ws->client ? mask : NULL;
    plait_write(ws->stream, plait_slice_of(head, plait__ws_head_write(frame, head)));
    if (ws->client)
        put_masked(ws, payload, mask);
    else
        plait_write(ws->stream, payload);
}

static void put_control(struct plait_websocket *ws, enum plait__ws_opcode opcode, plait_slice payload)
{
    struct plait__ws_frame frame = {.opcode = opcode, .fin = true};
    put_frame(ws, &frame, payload);
}

/* --- sending --------------------------------------------------------------------------------------------------- */

static bool may_send(const struct plait_websocket *ws)
{
    return ws->state == PLAIT__WS_OPEN && plait_is_open(ws->stream);
}

static plait_err check_kind(enum plait_websocket_kind kind)
{
    return kind == PLAIT_WEBSOCKET_TEXT || kind == PLAIT_WEBSOCKET_BINARY ? PLAIT_OK : PLAIT_FAIL(PLAIT_EINVAL);
}

/* Compresses a part and sends it as a frame. Where that fails the flow is of no more use. */
static void put_deflated(struct plait_websocket *ws, struct plait__ws_frame *frame, plait_slice part)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_stream_budget(ws->stream), SIZE_MAX / 2);
    const plait_err err = plait__ws_deflate(ws->deflate, part, frame->fin, &out);
    if (err)
        plait_abort_with(ws->stream, err, "no memory to compress a message");
    else
        put_frame(ws, frame, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

plait_err plait_websocket_send(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message)
{
    struct plait__utf8 text = {0};
    struct plait__ws_frame frame = {.opcode = (enum plait__ws_opcode)kind, .fin = true};
    PLAIT_TRY(check_kind(kind));
    if (!may_send(ws) || ws->sending)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (kind == PLAIT_WEBSOCKET_TEXT && (!plait__utf8_check(&text, message) || text.need))
        return PLAIT_FAIL(PLAIT_EINVAL);
    frame.compressed = ws->deflate && message.len >= ws->deflate_min;
    if (frame.compressed)
        put_deflated(ws, &frame, message);
    else
        put_frame(ws, &frame, message);
    return PLAIT_OK;
}

plait_err plait_websocket_send_part(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice part,
                                    bool last)
{
    PLAIT_TRY(check_kind(kind));
    if (!may_send(ws))
        return PLAIT_FAIL(PLAIT_ESTATE);
    struct plait__utf8 text = ws->sending ? ws->sent : (struct plait__utf8){0};
    if (ws->sending && ws->sending != kind)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (kind == PLAIT_WEBSOCKET_TEXT && (!plait__utf8_check(&text, part) || (last && text.need)))
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct plait__ws_frame frame = {.opcode = ws->sending ? PLAIT__WS_CONTINUATION : (enum plait__ws_opcode)kind,
                                    .fin = last};
    frame.compressed = ws->deflate && !ws->sending;
    ws->sent = text;
    ws->sending = last ? 0 : (uint8_t)kind;
    if (ws->deflate)
        put_deflated(ws, &frame, part);
    else
        put_frame(ws, &frame, part);
    return PLAIT_OK;
}

plait_err plait_websocket_ping(struct plait_websocket *ws, plait_slice payload)
{
    if (payload.len > PLAIT__WS_CONTROL_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (!may_send(ws))
        return PLAIT_FAIL(PLAIT_ESTATE);
    put_control(ws, PLAIT__WS_PING, payload);
    return PLAIT_OK;
}

void plait__ws_pong(struct plait_websocket *ws, plait_slice payload)
{
    if (may_send(ws))
        put_control(ws, PLAIT__WS_PONG, payload);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void send_close(struct plait_websocket *ws, unsigned code, plait_slice reason)
{
    uint8_t payload[PLAIT__WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    const size_t len = code == CODE_NONE ? 0 : reason.len + 2;
    if (reason.len)
        memcpy(payload + 2, reason.ptr, reason.len);
    put_control(ws, PLAIT__WS_CLOSE, plait_slice_of(payload, len));
}

static void end_stream(struct plait_websocket *ws, plait_err err, const char *why)
{
    ws->state = PLAIT__WS_CLOSED;
    plait_timer_stop(&ws->timer);
    plait_close_with(ws->stream, err, why);
}

static void end_well(struct plait_websocket *ws)
{
    end_stream(ws, ws->ended_by_us ? PLAIT_OK : PLAIT_EEOF, NULL);
}

void plait__ws_fail(struct plait_websocket *ws, unsigned code, plait_err err, const char *why)
{
    if (may_send(ws))
        send_close(ws, code, plait_slice_text(why));
    end_stream(ws, err, why);
}

/* RFC 6455 section 5.5.1: what comes behind the peer's close frame counts for nothing. The server ends the connection
 * first (section 7.1.1). */
void plait__ws_peer_closes(struct plait_websocket *ws, plait_slice payload)
{
    plait_slice reason;
    unsigned code;
    const unsigned wrong = plait__ws_close_read(payload, &code, &reason);
    if (wrong) {
        plait__ws_fail(ws, wrong, wrong == 1007 ? PLAIT_EMALFORMED : PLAIT_EPROTOCOL, "a malformed close frame");
        return;
    }
    ws->code = (uint16_t)code;
    if (may_send(ws))
        send_close(ws, code, plait_slice_of(NULL, 0));
    ws->state = PLAIT__WS_CLOSED;
    if (ws->handler->closing)
        ws->handler->closing(ws, code, reason, ws->self);
    if (ws->client)
        plait_timer_arm(&ws->timer, ws->close_timeout);
    else
        end_well(ws);
}

plait_err plait_websocket_close(struct plait_websocket *ws, unsigned code, plait_slice reason)
{
    struct plait__utf8 text = {0};
    const bool says = code != 0;
    if ((says && !plait__ws_code_is_real(code)) || (!says && reason.len) || reason.len > PLAIT__WS_REASON_MAX ||
        !plait__utf8_check(&text, reason) || text.need)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (!may_send(ws))
        return PLAIT_OK;
    send_close(ws, says ? code : CODE_NONE, reason);
    ws->state = PLAIT__WS_CLOSING;
    ws->ended_by_us = true;
    plait_timer_arm(&ws->timer, ws->close_timeout);
    if (!ws->hears_out)
        plait_websocket_resume(ws);
    return PLAIT_OK;
}

void plait_websocket_abort(struct plait_websocket *ws)
{
    plait_abort(ws->stream);
}

/* --- the stream's callbacks ------------------------------------------------------------------------------------ */

static void offer_again(struct plait_websocket *ws)
{
    plait_pause(ws->stream);
    plait_resume(ws->stream);
}

void plait__ws_tell_open(struct plait_websocket *ws)
{
    if (ws->open_told)
        return;
    ws->open_told = true;
    plait_soon_cancel(&ws->soon);
    if (ws->handler->open)
        ws->handler->open(ws, ws->self);
}

static void open_soon(void *ctx)
{
    plait__ws_tell_open(ctx);
}

static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    struct plait_websocket *ws = self;
    (void)rest;
    if (ws->state == PLAIT__WS_CLOSED)
        end_well(ws);
    else
        plait_close_with(s, PLAIT_ETRUNCATED, "the connection ended without a close frame");
}

static void on_room(struct plait_stream *s, void *self)
{
    struct plait_websocket *ws = self;
    (void)s;
    plait__ws_tell_open(ws);
    if (ws->handler->room && ws->state == PLAIT__WS_OPEN)
        ws->handler->room(ws, ws->self);
    if (!ws->paused)
        offer_again(ws); /* what waited for room */
}

static void on_drain(struct plait_stream *s, void *self)
{
    (void)s;
    (void)plait_websocket_close(self, 1001, PLAIT_LIT("the server is stopping"));
}

/* A client for which all is said, and whose server ends the connection by a reset, has ended well. */
static bool ended_after_all(const struct plait_websocket *ws, const struct plait_fault *fault)
{
    return ws->client && ws->code != CODE_ABNORMAL && plait_err_class_of(fault->err) == PLAIT_CLASS_IO;
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait_websocket *ws = self;
    const struct plait_fault well = plait_fault_make(ws->ended_by_us ? PLAIT_OK : PLAIT_EEOF, NULL);
    (void)s;
    plait_timer_stop(&ws->timer);
    plait_soon_cancel(&ws->soon);
    if (ws->handler->lost)
        ws->handler->lost(ws, ended_after_all(ws, fault) ? &well : fault, ws->self);
    plait_metric_add(&ws->web->websockets, -1);
    plait__ws_deflate_free(ws->deflate);
    plait_buf_deinit(&ws->message);
    plait_mem_free(ws);
}

static const struct plait_protocol websocket_protocol = {
    .name = "websocket", .data = plait__ws_data, .eof = on_eof, .room = on_room, .drain = on_drain, .lost = on_lost};

/* --- time ------------------------------------------------------------------------------------------------------ */

/* Silence: a ping, and then the end. What we do not read ourselves can't be held against the peer. */
static void look_for_life(struct plait_websocket *ws)
{
    const plait_time due = plait__later(ws->heard, ws->ping_interval);
    if (ws->paused || plait_is_full(ws->stream)) {
        ws->pinged = false;
        plait_timer_arm(&ws->timer, ws->ping_interval);
    } else if (ws->pinged) {
        plait_abort_with(ws->stream, PLAIT_ETIMEDOUT, "the peer did not answer a ping");
    } else if (plait_now(ws->web->reactor) < due) {
        plait_timer_arm_at(&ws->timer, due);
    } else {
        ws->pinged = true;
        put_control(ws, PLAIT__WS_PING, plait_slice_of(NULL, 0));
        plait_timer_arm(&ws->timer, ws->ping_timeout);
    }
}

static void on_timer(void *ctx)
{
    struct plait_websocket *ws = ctx;
    if (ws->state == PLAIT__WS_OPEN)
        look_for_life(ws);
    else if (plait_pending(ws->stream) > 0)
        plait_timer_arm(&ws->timer, ws->close_timeout); /* our words are still on their way */
    else if (ws->state == PLAIT__WS_CLOSED)
        end_well(ws);
    else
        end_stream(ws, PLAIT_ETIMEDOUT, "the peer did not answer a close frame");
}

/* --- the beginning --------------------------------------------------------------------------------------------- */

static const struct plait_websocket_options defaults;

struct plait__ws_wish plait__ws_wish_of(const struct plait_websocket_options *options)
{
    const uint8_t bits = options && options->deflate_bits ? options->deflate_bits : DEFLATE_BITS;
    return (struct plait__ws_wish){.bits = bits, .no_takeover = options && options->deflate_forget};
}

bool plait__ws_options_are_right(const struct plait_websocket_options *options)
{
    if (!options)
        return true;
    for (const char *const *p = options->protocols; p && *p; p++) {
        if (!plait__http1_is_token(plait_slice_text(*p)))
            return false;
    }
    return options->deflate_bits == 0 || (options->deflate_bits >= 9 && options->deflate_bits <= 15);
}

static void take_options(struct plait_websocket *ws, const struct plait_websocket_options *o)
{
    ws->message_max = o->message_max ? o->message_max : MESSAGE_MAX;
    ws->deflate_min = o->deflate_min ? o->deflate_min : DEFLATE_MIN;
    ws->ping_interval = o->ping_interval ? o->ping_interval : plait_seconds(PING_S);
    ws->ping_timeout = o->ping_timeout ? o->ping_timeout : plait_seconds(PONG_S);
    ws->close_timeout = o->close_timeout ? o->close_timeout : plait_seconds(CLOSE_S);
}

/* Fills what needs memory. */
static plait_err prepare(struct plait_websocket *ws, const struct plait__ws_agreed *agreed)
{
    struct plait_budget *budget = plait_stream_budget(ws->stream);
    PLAIT_TRY(plait__web_window(ws->web));
    plait_buf_init(&ws->message, budget, SIZE_MAX / 2);
    if (!agreed->deflate.on)
        return PLAIT_OK;
    ws->deflate = plait__ws_deflate_new(budget, &agreed->deflate, agreed->client);
    return ws->deflate ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

struct plait_websocket *plait__ws_new(struct plait_stream *s, const struct plait__ws_agreed *agreed,
                                      const struct plait_websocket_handler *handler, void *self)
{
    struct plait_reactor *reactor = plait_stream_reactor(s);
    struct plait__web *web = plait__web_of(reactor);
    struct plait_websocket *ws = web ? plait_mem_new(plait_stream_budget(s), sizeof *ws) : NULL;
    if (ws) {
        ws->stream = s;
        ws->web = web;
    }
    if (!ws || prepare(ws, agreed) != PLAIT_OK) {
        plait_mem_free(ws);
        plait_abort_with(s, PLAIT_ENOMEM, "no memory for a WebSocket");
        return NULL;
    }
    ws->handler = handler;
    ws->self = self;
    ws->protocol = agreed->protocol;
    ws->client = agreed->client;
    ws->code = CODE_ABNORMAL;
    ws->reader.masked = !agreed->client;
    ws->reader.may_compress = agreed->deflate.on;
    take_options(ws, agreed->options ? agreed->options : &defaults);
    ws->heard = plait_now(reactor);
    plait_timer_init(&ws->timer, reactor, "websocket", on_timer, ws);
    plait_soon_init(&ws->soon, reactor, "websocket", open_soon, ws);
    if (ws->ping_interval != PLAIT_NEVER)
        plait_timer_arm(&ws->timer, ws->ping_interval);
    plait_metric_add(&web->websockets, 1);
    plait_soon_queue(&ws->soon);
    plait_stream_attach(s, &websocket_protocol, ws);
    return ws;
}

/* --- what it can be asked -------------------------------------------------------------------------------------- */

bool plait_websocket_is_full(const struct plait_websocket *ws)
{
    return plait_is_full(ws->stream);
}

void plait_websocket_pause(struct plait_websocket *ws)
{
    ws->paused = true;
    plait_pause(ws->stream);
}

void plait_websocket_resume(struct plait_websocket *ws)
{
    ws->paused = false;
    plait_resume(ws->stream);
}

const char *plait_websocket_protocol(const struct plait_websocket *ws)
{
    return ws->protocol;
}

unsigned plait_websocket_code(const struct plait_websocket *ws)
{
    return ws->code;
}

struct plait_stream *plait_websocket_stream(struct plait_websocket *ws)
{
    return ws->stream;
}
