/* SPDX-License-Identifier: MIT
 *
 * FastCGI's records: a header of eight bytes, content and padding. Content is handed on as it comes, however records
 * are cut; only END_REQUEST's eight bytes are gathered. Records of types that nobody asked for are passed over.
 *
 * Invariant: a reader that said BAD is not used again; what it takes and what it gives lie inside what came. Test:
 * tests/web/test_fcgi_wire.c, fuzz/fuzz_fcgi.c.
 */
#include "web/fcgi_wire.h"

enum { VERSION = 1, RESPONDER = 1, KEEP = 1, END_BYTES = 8, SHORT_LEN = 127 };

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool open_record(struct plait__fcgi_reader *r)
{
    const uint8_t *h = r->header;
    r->left = (uint16_t)(h[4] << 8 | h[5]);
    r->padding = h[6];
    r->body_have = 0;
    const unsigned id = (unsigned)(h[2] << 8 | h[3]);
    r->type = id ? h[1] : 0; /* a management record, which nobody asked for */
    if (h[0] != VERSION || (id != PLAIT__FCGI_REQUEST && id != 0))
        return false;
    return r->type != PLAIT__FCGI_END || r->left == END_BYTES;
}

/* Whether a record is told. */
static bool is_told(const struct plait__fcgi_reader *r)
{
    return r->type >= PLAIT__FCGI_BEGIN && r->type <= PLAIT__FCGI_STDERR;
}

/* Bytes of END_REQUEST. */
static enum plait__fcgi_event take_end(struct plait__fcgi_reader *r, plait_slice piece)
{
    memcpy(r->body + r->body_have, piece.ptr, piece.len);
    r->body_have = (uint8_t)(r->body_have + piece.len);
    if (r->body_have < END_BYTES)
        return PLAIT__FCGI_MORE;
    r->app_status = (uint32_t)r->body[0] << 24 | (uint32_t)r->body[1] << 16 | (uint32_t)r->body[2] << 8 | r->body[3];
    r->protocol_status = r->body[4];
    return PLAIT__FCGI_OVER;
}

static enum plait__fcgi_event take_content(struct plait__fcgi_reader *r, plait_slice in, size_t *used,
                                           plait_slice *piece)
{
    *piece = plait_slice_sub(in, *used, *used + r->left);
    *used += piece->len;
    r->left = (uint16_t)(r->left - piece->len);
    if (r->type == PLAIT__FCGI_END)
        return take_end(r, *piece);
    return is_told(r) ? PLAIT__FCGI_PIECE : PLAIT__FCGI_MORE;
}

enum plait__fcgi_event plait__fcgi_read(struct plait__fcgi_reader *r, plait_slice in, size_t *used, plait_slice *piece)
{
    enum plait__fcgi_event event = PLAIT__FCGI_MORE;
    *used = 0;
    while (event == PLAIT__FCGI_MORE && *used < in.len) {
        if (r->have < PLAIT__FCGI_HEADER) {
            r->header[r->have++] = in.ptr[(*used)++];
            if (r->have < PLAIT__FCGI_HEADER)
                continue;
            if (!open_record(r))
                return PLAIT__FCGI_BAD;
            *piece = plait_slice_of(in.ptr + *used, 0);
            event = r->left == 0 && is_told(r) ? PLAIT__FCGI_PIECE : PLAIT__FCGI_MORE;
        } else if (r->left) {
            event = take_content(r, in, used, piece);
        } else {
            const size_t pad = plait_slice_sub(in, *used, *used + r->padding).len;
            *used += pad;
            r->padding = (uint8_t)(r->padding - pad);
        }
        if (r->have == PLAIT__FCGI_HEADER && r->left == 0 && r->padding == 0)
            r->have = 0;
    }
    return event;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_header(struct plait_buf *out, enum plait__fcgi_type type, size_t len)
{
    plait_buf_put_u8(out, VERSION);
    plait_buf_put_u8(out, (uint8_t)type);
    plait_buf_put_u16(out, PLAIT__FCGI_REQUEST);
    plait_buf_put_u16(out, (uint16_t)len);
    plait_buf_put_u16(out, 0); /* no padding */
}

void plait__fcgi_empty(struct plait_buf *out, enum plait__fcgi_type type)
{
    put_header(out, type, 0);
}

void plait__fcgi_write(struct plait_buf *out, enum plait__fcgi_type type, plait_slice content)
{
    for (size_t at = 0; at < content.len; at += PLAIT__FCGI_CONTENT_MAX) {
        const plait_slice piece = plait_slice_sub(content, at, at + PLAIT__FCGI_CONTENT_MAX);
        put_header(out, type, piece.len);
        plait_buf_put(out, piece);
    }
}

void plait__fcgi_begin(struct plait_buf *out, bool keep)
{
    const uint8_t body[END_BYTES] = {0, RESPONDER, keep ? KEEP : 0};
    plait__fcgi_write(out, PLAIT__FCGI_BEGIN, plait_slice_of(body, sizeof body));
}

static void put_length(struct plait_buf *out, size_t len)
{
    if (len > SHORT_LEN)
        plait_buf_put_u32(out, (uint32_t)len | 0x80000000U);
    else
        plait_buf_put_u8(out, (uint8_t)len);
}

void plait__fcgi_pair(struct plait_buf *out, plait_slice name, plait_slice value)
{
    put_length(out, name.len);
    put_length(out, value.len);
    plait_buf_put(out, name);
    plait_buf_put(out, value);
}
