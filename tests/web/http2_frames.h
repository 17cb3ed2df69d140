/* SPDX-License-Identifier: MIT
 *
 * Frames of HTTP/2 for tests, right or wrong, one by one into a peer's `out`.
 */
#ifndef PLAIT_TESTS_WEB_HTTP2_FRAMES_H
#define PLAIT_TESTS_WEB_HTTP2_FRAMES_H

#include "tests/web/http_world.h"

#include "web/http2_wire.h"

#include <nghttp2/nghttp2.h>

enum { H2_STREAMS = 160, H2_OUT = 1 << 18, H2_LOG = 1 << 16 };

#define END PLAIT__H2_END_STREAM
#define WHOLE (PLAIT__H2_END_STREAM | PLAIT__H2_END_HEADERS)
#define OPEN PLAIT__H2_END_HEADERS
#define GET_FIELDS(path) ":method GET\n:scheme http\n:path " path "\n:authority x\n"
#define POST_FIELDS(path) ":method POST\n:scheme http\n:path " path "\n:authority x\n"

struct h2_answer {
    int status, interim;
    size_t bytes;
    char body[512]; /* the first bytes of it */
    bool ended;     /* END_STREAM came */
    int reset;      /* code of a RST_STREAM, -1: none came */
};

struct h2_peer {
    struct peer raw;
    nghttp2_hd_inflater *inflater;
    struct h2_answer answer[H2_STREAMS]; /* of stream 2 i + 1 */
    int goaway;                          /* code, -1: none came */
    int32_t goaway_last;
    size_t goaways, settings_acks, pings, credit_stream, credit;
    size_t log_len, out_len;
    char log[H2_LOG];
    uint8_t out[H2_OUT];
};

/* --- writing --------------------------------------------------------------------------------------------------- */

static inline void h2_bytes(struct h2_peer *p, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(p->out) - p->out_len);
    if (len)
        memcpy(p->out + p->out_len, bytes, len);
    p->out_len += len;
}

static inline void h2_frame_head(struct h2_peer *p, size_t len, unsigned type, unsigned flags, uint32_t id)
{
    const uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,
                             (uint8_t)type,        (uint8_t)flags,      (uint8_t)(id >> 24),
                             (uint8_t)(id >> 16),  (uint8_t)(id >> 8),  (uint8_t)id};
    h2_bytes(p, head, sizeof(head));
}

static inline void h2_frame(struct h2_peer *p, unsigned type, unsigned flags, uint32_t id, const void *bytes,
                            size_t len)
{
    h2_frame_head(p, len, type, flags, id);
    h2_bytes(p, bytes, len);
}

static inline size_t h2_length(uint8_t *out, size_t len)
{
    if (len < 127) {
        out[0] = (uint8_t)len;
        return 1;
    }
    size_t n = 1;
    out[0] = 127;
    for (len -= 127; len >= 128; len >>= 7)
        out[n++] = (uint8_t)(len & 127) | 128;
    out[n++] = (uint8_t)len;
    return n;
}

/* "name value" lines as literals that are not indexed (RFC 7541 section 6.2.2). */
static inline size_t h2_block(const char *fields, uint8_t *out, size_t room)
{
    size_t n = 0;
    while (*fields) {
        const char *space = strchr(fields, ' '), *end = strchr(fields, '\n');
        const size_t name = (size_t)(space - fields), value = (size_t)(end - space - 1);
        assert_true(n + name + value + 12 < room);
        out[n++] = 0;
        n += h2_length(out + n, name);
        memcpy(out + n, fields, name);
        n += name;
        n += h2_length(out + n, value);
        memcpy(out + n, space + 1, value);
        n += value;
        fields = end + 1;
    }
    return n;
}

static inline void h2_headers(struct h2_peer *p, unsigned flags, uint32_t id, const char *fields)
{
    static uint8_t block[H2_OUT];
    const size_t len = h2_block(fields, block, sizeof(block));
    if (len <= 16384) {
        h2_frame(p, PLAIT__H2_HEADERS, flags, id, block, len);
        return;
    }
    h2_frame(p, PLAIT__H2_HEADERS, flags & ~(unsigned)PLAIT__H2_END_HEADERS, id, block, 16384);
    for (size_t at = 16384; at < len; at += 16384) {
        const size_t step = len - at < 16384 ? len - at : 16384;
        h2_frame(p, PLAIT__H2_CONTINUATION, at + step == len ? PLAIT__H2_END_HEADERS : 0, id, block + at, step);
    }
}

static inline void h2_data(struct h2_peer *p, unsigned flags, uint32_t id, const char *text)
{
    h2_frame(p, PLAIT__H2_DATA, flags, id, text, strlen(text));
}

static inline void h2_number(struct h2_peer *p, unsigned type, uint32_t id, uint32_t number)
{
    const uint8_t payload[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                                (uint8_t)number};
    h2_frame(p, type, 0, id, payload, 4);
}

static inline void h2_setting(struct h2_peer *p, unsigned key, uint32_t value)
{
    const uint8_t payload[6] = {(uint8_t)(key >> 8),    (uint8_t)key,          (uint8_t)(value >> 24),
                                (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    h2_frame(p, PLAIT__H2_SETTINGS, 0, 0, payload, 6);
}

static inline void h2_ping(struct h2_peer *p, unsigned flags)
{
    h2_frame(p, PLAIT__H2_PING, flags, 0, "\0\0\0\0\0\0\0\0", 8);
}

#endif
