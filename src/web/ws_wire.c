/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames (RFC 6455 section 5). Looking and taking are two steps, so that whoever can't use all of a piece
 * leaves the rest where it is. Nothing is copied: payload is a piece of the input, still masked.
 *
 * Invariant: what is told does not depend on how the input was cut, but for the length of pieces; a control frame is
 * told whole, and never more than 131 bytes are waited for.
 * Tests: tests/web/test_ws_wire.c, fuzz/fuzz_websocket.c.
 */
#include "web/ws_wire.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV = 0x70, OPCODE = 0x0f, CONTROL = 0x08, MASKED = 0x80, LENGTH = 0x7f };

/* --- heads read ------------------------------------------------------------------------------------------------ */

/* What is wrong with the first byte, or NULL (RFC 6455 sections 5.2, 5.4, 5.5, RFC 7692 section 6). */
static const char *first_byte_wrong(const struct plait__ws_reader *r, uint8_t byte)
{
    const uint8_t opcode = byte & OPCODE;
    const bool control = opcode & CONTROL;
    const bool may_rsv1 = r->may_compress && (opcode == PLAIT__WS_TEXT || opcode == PLAIT__WS_BINARY);
    if (byte & RSV & ~(may_rsv1 ? RSV1 : 0))
        return "a reserved bit is set";
    if ((opcode > PLAIT__WS_BINARY && opcode < PLAIT__WS_CLOSE) || opcode > PLAIT__WS_PONG)
        return "a reserved opcode";
    if (control && !(byte & FIN))
        return "a fragmented control frame";
    if (opcode == PLAIT__WS_CONTINUATION && !r->message)
        return "a continuation of nothing";
    if (!control && opcode != PLAIT__WS_CONTINUATION && r->message)
        return "a new message inside another";
    return NULL;
}

static const char *second_byte_wrong(const struct plait__ws_reader *r, uint8_t first, uint8_t byte)
{
    if (((byte & MASKED) != 0) != r->masked)
        return r->masked ? "a frame that is not masked" : "a masked frame of a server";
    if ((first & CONTROL) && (byte & LENGTH) > PLAIT__WS_CONTROL_MAX)
        return "a long control frame";
    return NULL;
}

/* Reads a length of more than seven bits. It takes the least bytes that hold it, and 63 bits. */
static const char *long_length(const uint8_t *p, size_t bytes, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < bytes; i++)
        *length = *length << 8 | p[i];
    if (*length >> 63)
        return "a length over 63 bits";
    return *length < (bytes == 2 ? 126 : 65536) ? "a length in too many bytes" : NULL;
}

static struct plait__ws_view wrong(const char *why)
{
    return (struct plait__ws_view){.step = PLAIT__WS_BAD, .why = why};
}

static struct plait__ws_view more(size_t need)
{
    return (struct plait__ws_view){.step = PLAIT__WS_MORE, .need = need};
}

static uint8_t opcode_of(const struct plait__ws_reader *r, uint8_t first)
{
    return first & OPCODE ? first & OPCODE : r->message;
}

/* The payload that is there behind a head. */
static struct plait__ws_view piece_of(struct plait__ws_view v, plait_slice in)
{
    const size_t there = in.len - v.head;
    v.payload = plait_slice_sub(in, v.head, v.head + (there < v.left ? there : (size_t)v.left));
    v.step = v.opcode & CONTROL ? PLAIT__WS_WHOLE : PLAIT__WS_PIECE;
    v.last = v.fin && v.payload.len == v.left;
    if (v.step == PLAIT__WS_WHOLE && v.payload.len < v.left)
        return more(v.head + (size_t)v.left);
    return v;
}

static struct plait__ws_view look_at_head(const struct plait__ws_reader *r, plait_slice in)
{
    if (in.len == 0)
        return more(1);
    const char *why = first_byte_wrong(r, in.ptr[0]);
    if (!why && in.len > 1)
        why = second_byte_wrong(r, in.ptr[0], in.ptr[1]);
    if (why)
        return wrong(why);
    if (in.len < 2)
        return more(2);
    struct plait__ws_view v = {.length = in.ptr[1] & LENGTH, .opcode = opcode_of(r, in.ptr[0])};
    const size_t extended = v.length == 126 ? 2 : v.length == 127 ? 8 : 0;
    v.head = 2 + extended + (r->masked ? 4 : 0);
    if (extended && in.len >= 2 + extended && (why = long_length(in.ptr + 2, extended, &v.length)))
        return wrong(why);
    if (in.len < v.head)
        return more(v.head);
    if (r->masked)
        memcpy(v.mask, in.ptr + v.head - 4, 4);
    v.left = v.length;
    v.fin = in.ptr[0] & FIN;
    v.first = !r->message;
    v.compressed = in.ptr[0] & OPCODE ? in.ptr[0] & RSV1 : r->compressed;
    return piece_of(v, in);
}

struct plait__ws_view plait__ws_look(const struct plait__ws_reader *reader, plait_slice in)
{
    if (!reader->in_frame)
        return look_at_head(reader, in);
    if (in.len == 0)
        return more(1);
    struct plait__ws_view v = {
        .opcode = reader->opcode, .fin = reader->fin, .compressed = reader->compressed, .left = reader->left};
    memcpy(v.mask, reader->mask, 4);
    return piece_of(v, in);
}

void plait__ws_take(struct plait__ws_reader *reader, const struct plait__ws_view *view, size_t bytes)
{
    reader->fin = view->fin;
    reader->opcode = reader->message = view->opcode;
    reader->compressed = view->compressed;
    reader->left = view->left - bytes;
    memcpy(reader->mask, view->mask, 4);
    plait__ws_turn(reader->mask, bytes);
    reader->in_frame = reader->left > 0;
    if (!reader->in_frame && reader->fin)
        reader->message = 0;
}

/* --- heads written --------------------------------------------------------------------------------------------- */

size_t plait__ws_head_write(const struct plait__ws_frame *frame, uint8_t out[PLAIT__WS_HEAD_MAX])
{
    const uint64_t length = frame->length;
    const size_t extended = length > UINT16_MAX ? 8 : length > PLAIT__WS_CONTROL_MAX ? 2 : 0;
    out[0] = (uint8_t)((unsigned)frame->opcode | (frame->fin ? FIN : 0) | (frame->compressed ? RSV1 : 0));
    out[1] = (uint8_t)((extended == 8 ? 127 : extended == 2 ? 126 : length) | (frame->mask ? MASKED : 0));
    for (size_t i = 0; i < extended; i++)
        out[2 + i] = (uint8_t)(length >> 8 * (extended - 1 - i));
    if (!frame->mask)
        return 2 + extended;
    memcpy(out + 2 + extended, frame->mask, 4);
    return 6 + extended;
}

/* --- masks ----------------------------------------------------------------------------------------------------- */

void plait__ws_mask(uint8_t *out, plait_slice in, const uint8_t mask[4])
{
    uint64_t wide;
    size_t i = 0;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    for (; i + 8 <= in.len; i += 8) {
        uint64_t word;
        memcpy(&word, in.ptr + i, 8);
        word ^= wide;
        memcpy(out + i, &word, 8);
    }
    for (; i < in.len; i++)
        out[i] = in.ptr[i] ^ mask[i & 3];
}

void plait__ws_turn(uint8_t mask[4], uint64_t bytes)
{
    uint8_t turned[4];
    for (size_t i = 0; i < 4; i++)
        turned[i] = mask[(i + bytes) & 3];
    memcpy(mask, turned, 4);
}

/* --- UTF-8 ----------------------------------------------------------------------------------------------------- */

/* The first byte of a character that is not ASCII (RFC 3629 section 4: what the second may be depends on it). */
static bool begin_character(struct plait__utf8 *t, uint8_t byte)
{
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    t->need = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    t->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    t->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
    uint64_t a, b;
    for (; end - p >= 16; p += 16) {
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        if ((a | b) & 0x8080808080808080u)
            break;
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

bool plait__utf8_check(struct plait__utf8 *text, plait_slice in)
{
    const uint8_t *p = in.ptr, *end = p ? p + in.len : p;
    while (p < end) {
        if (text->need == 0) {
            p = skip_ascii(p, end);
            if (p < end && !begin_character(text, *p++))
                return false;
            continue;
        }
        if (*p < text->low || *p > text->high)
            return false;
        text->need--;
        text->low = 0x80;
        text->high = 0xbf;
        p++;
    }
    return true;
}

/* --- close frames ---------------------------------------------------------------------------------------------- */

bool plait__ws_code_is_real(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006);
}

unsigned plait__ws_close_read(plait_slice payload, unsigned *code, plait_slice *reason)
{
    struct plait__utf8 text = {0};
    struct plait_scan scan = plait_scan_of(payload);
    uint16_t told;
    *code = 1005;
    *reason = plait_slice_of(NULL, 0);
    if (payload.len == 0)
        return 0;
    if (!plait_scan_u16(&scan, &told) || !plait__ws_code_is_real(told))
        return 1002;
    *code = told;
    *reason = plait_scan_rest(&scan);
    return plait__utf8_check(&text, *reason) && text.need == 0 ? 0 : 1007;
}
