/* SPDX-License-Identifier: MIT
 *
 * Fields between ready lines, as HTTP/1 has them, and the blocks of HTTP/2: heads that are sent are split into fields
 * for nghttp2, heads that come are put together in one piece of memory with offsets into it, so that the rest of the
 * room finds in a head what it finds in HTTP/1's.
 *
 * Invariant: a field that only HTTP/1 knows never leaves in a block. Test: tests/web/test_http2_server.c.
 */
#include "web/http2_core.h"

enum { HEAD_CAP = 2 * PLAIT__HTTP1_HEAD_MAX };

nghttp2_nv plait__h2_field(plait_slice name, plait_slice value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                        .value = (uint8_t *)(uintptr_t)value.ptr,
                        .namelen = name.len,
                        .valuelen = value.len,
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

nghttp2_nv plait__h2_status(int status, char digits[3])
{
    for (int i = 2; i >= 0; i--, status /= 10)
        digits[i] = (char)('0' + status % 10);
    return plait__h2_field(PLAIT_LIT(":status"), plait_slice_of(digits, 3));
}

/* Fields that HTTP/1 alone knows (RFC 9113 section 8.2.2, RFC 8441 section 5). */
static bool is_of_http1(plait_slice name)
{
    return plait_slice_equal(name, PLAIT_LIT("connection")) || plait_slice_equal(name, PLAIT_LIT("upgrade")) ||
           plait_slice_equal(name, PLAIT_LIT("proxy-connection")) || plait_slice_equal(name, PLAIT_LIT("keep-alive")) ||
           plait_slice_equal(name, PLAIT_LIT("transfer-encoding")) ||
           plait_slice_equal(name, PLAIT_LIT("sec-websocket-key")) ||
           plait_slice_equal(name, PLAIT_LIT("sec-websocket-accept"));
}

static void lower(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] |= 0x20;
    }
}

size_t plait__h2_split(uint8_t *at, size_t len, nghttp2_nv *out)
{
    size_t count = 0;
    for (uint8_t *end = len ? at + len : at; at < end;) {
        uint8_t *colon = memchr(at, ':', (size_t)(end - at));
        uint8_t *line_end = memchr(colon, '\r', (size_t)(end - colon));
        const plait_slice name = plait_slice_of(at, (size_t)(colon - at));
        lower(at, name.len);
        if (!is_of_http1(name)) {
            if (out) {
                out[count] = plait__h2_field(name, plait_slice_of(colon + 2, (size_t)(line_end - colon - 2)));
                out[count].flags = NGHTTP2_NV_FLAG_NONE; /* the lines may go before the block does */
            }
            count++;
        }
        at = line_end + 2;
    }
    return count;
}

/* --- heads that come ------------------------------------------------------------------------------------------- */

void plait__h2_head_refuse(struct plait__h2_stream *st, int why)
{
    if (!st->refusal)
        st->refusal = why;
}

bool plait__h2_head_room(struct plait__h2_stream *st, size_t bytes)
{
    if (bytes <= st->head_cap - st->head_len)
        return true;
    uint8_t *more = st->head_cap == HEAD_CAP ? NULL : st->conn->side->grow(st, HEAD_CAP);
    if (!more) {
        plait__h2_head_refuse(st, st->head_cap == HEAD_CAP ? 431 : 503);
        return false;
    }
    st->head = more;
    st->head_cap = HEAD_CAP;
    return true;
}

bool plait__h2_head_put(struct plait__h2_stream *st, plait_slice bytes, uint16_t *at, uint16_t *len)
{
    if (!plait__h2_head_room(st, bytes.len))
        return false;
    *at = (uint16_t)st->head_len;
    *len = (uint16_t)bytes.len;
    if (bytes.len)
        memcpy(st->head + st->head_len, bytes.ptr, bytes.len);
    st->head_len += (uint32_t)bytes.len;
    return true;
}
