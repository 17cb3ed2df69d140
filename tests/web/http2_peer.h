/* SPDX-License-Identifier: MIT
 *
 * The client's end of an HTTP/2 connection for tests: writes frames one by one, right or wrong, and keeps what comes
 * back as text, a line a frame, and as answers, one a stream. It shares nothing with the server but nghttp2's inflater.
 */
#ifndef PLAIT_TESTS_WEB_HTTP2_PEER_H
#define PLAIT_TESTS_WEB_HTTP2_PEER_H

#include "tests/web/http_world.h"

#include "engine/stream_core.h"
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

/* --- reading --------------------------------------------------------------------------------------------------- */

static inline void h2_note(struct h2_peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void h2_note(struct h2_peer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(p->log + p->log_len, sizeof(p->log) - p->log_len, format, args);
    va_end(args);
    if (p->log_len + (size_t)len < sizeof(p->log) - 1)
        p->log_len += (size_t)len;
}

static inline uint32_t h2_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline struct h2_answer *h2_answer(struct h2_peer *p, uint32_t id)
{
    assert_true(id % 2 == 1 && id / 2 < H2_STREAMS);
    return &p->answer[id / 2];
}

static inline void h2_read_fields(struct h2_peer *p, uint32_t id, const uint8_t *at, size_t len)
{
    struct h2_answer *a = h2_answer(p, id);
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        const ssize_t used = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, at, len, 1);
        assert_true(used >= 0);
        at += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            h2_note(p, " %.*s=%.*s;", (int)nv.namelen, (char *)nv.name, (int)nv.valuelen, (char *)nv.value);
            if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0) {
                const int status = (int)strtol((char *)nv.value, NULL, 10);
                *(status < 200 ? &a->interim : &a->status) = status;
            }
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(p->inflater);
}

static inline void h2_read_frame(struct h2_peer *p, const uint8_t *at, size_t len)
{
    static const char *const names[] = {"DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
                                        "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
    const uint8_t type = at[3], flags = at[4], *payload = at + 9;
    const uint32_t id = h2_u32(at + 5);
    h2_note(p, "%s %u %zu", type < 10 ? names[type] : "?", id, len);
    if (type == PLAIT__H2_HEADERS) {
        h2_read_fields(p, id, payload, len);
    } else if (type == PLAIT__H2_DATA) {
        struct h2_answer *a = h2_answer(p, id);
        const size_t room = sizeof(a->body) - 1 - (a->bytes < sizeof(a->body) - 1 ? a->bytes : sizeof(a->body) - 1);
        memcpy(a->body + (sizeof(a->body) - 1 - room), payload, len < room ? len : room);
        a->bytes += len;
    } else if (type == PLAIT__H2_RST_STREAM) {
        h2_answer(p, id)->reset = (int)h2_u32(payload);
        h2_note(p, " code=%u", h2_u32(payload));
    } else if (type == PLAIT__H2_GOAWAY) {
        p->goaways++;
        p->goaway_last = (int32_t)h2_u32(payload);
        p->goaway = (int)h2_u32(payload + 4);
        h2_note(p, " last=%u code=%u", h2_u32(payload), h2_u32(payload + 4));
    } else if (type == PLAIT__H2_SETTINGS) {
        p->settings_acks += flags & 1;
    } else if (type == PLAIT__H2_PING) {
        p->pings++;
    } else if (type == PLAIT__H2_WINDOW_UPDATE) {
        *(id ? &p->credit_stream : &p->credit) += h2_u32(payload);
    }
    if (type <= PLAIT__H2_HEADERS && (flags & PLAIT__H2_END_STREAM)) {
        h2_answer(p, id)->ended = true;
        h2_note(p, " end");
    }
    h2_note(p, "\n");
}

/* Reads the frames that came whole; the rest waits. */
static inline void h2_read(struct h2_peer *p)
{
    size_t at = 0;
    const uint8_t *got = (uint8_t *)p->raw.got;
    while (p->raw.len - at >= 9) {
        const size_t len = (size_t)got[at] << 16 | (size_t)got[at + 1] << 8 | got[at + 2];
        if (p->raw.len - at - 9 < len)
            break;
        h2_read_frame(p, got + at, len);
        at += 9 + len;
    }
    memmove(p->raw.got, p->raw.got + at, p->raw.len - at);
    p->raw.len -= at;
}

/* --- a connection ---------------------------------------------------------------------------------------------- */

static inline size_t h2_peer_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct h2_peer *p = self;
    const size_t taken = peer_data(s, in, &p->raw);
    h2_read(p);
    return taken;
}

static inline void h2_peer_eof(struct plait_stream *s, size_t rest, void *self)
{
    peer_eof(s, rest, &((struct h2_peer *)self)->raw);
}

static inline void h2_peer_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    peer_lost(s, fault, &((struct h2_peer *)self)->raw);
}

static const struct plait_protocol h2_peer_protocol = {
    .name = "test http2 client", .data = h2_peer_data, .eof = h2_peer_eof, .lost = h2_peer_lost};

static inline void h2_spin(struct world *w, struct h2_peer *p)
{
    (void)p;
    for (int i = 0; i < 4; i++)
        spin(w);
}

/* Sends what was put together. */
static inline void h2_send(struct world *w, struct h2_peer *p)
{
    if (p->raw.stream)
        plait_write(p->raw.stream, plait_slice_of(p->out, p->out_len));
    p->out_len = 0;
    h2_spin(w, p);
}

/* A connection whose client has said nothing. */
static inline void h2_open_bare(struct world *w, struct h2_peer *p)
{
    memset(p, 0, sizeof(*p));
    assert_int_equal(nghttp2_hd_inflate_new(&p->inflater), 0);
    for (size_t i = 0; i < H2_STREAMS; i++)
        p->answer[i].reset = -1;
    p->goaway = -1;
    peer_open(w, &p->raw);
    plait_stream_attach(p->raw.stream, &h2_peer_protocol, p);
}

static inline void h2_open(struct world *w, struct h2_peer *p)
{
    h2_open_bare(w, p);
    h2_bytes(p, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
    h2_frame(p, PLAIT__H2_SETTINGS, 0, 0, NULL, 0);
    h2_frame(p, PLAIT__H2_SETTINGS, PLAIT__H2_ACK, 0, NULL, 0);
    h2_send(w, p);
}

static inline void h2_close(struct world *w, struct h2_peer *p)
{
    peer_close(w, &p->raw);
    nghttp2_hd_inflate_del(p->inflater);
    p->inflater = NULL;
}

/* As a drain of the reactor tells it. */
static inline void h2_drain(struct world *w)
{
    struct plait__list *at = w->r->streams.next;
    for (; at != &w->r->streams; at = at->next) {
        struct plait_stream *s = plait__container(at, struct plait_stream, all);
        if (strcmp(s->protocol->name, "http2") == 0)
            s->protocol->drain(s, s->self);
    }
}

/* One request without a body on a connection of its own. */
static inline void h2_ask(struct world *w, struct h2_peer *p, const char *fields)
{
    h2_open(w, p);
    h2_headers(p, WHOLE, 1, fields);
    h2_send(w, p);
    h2_close(w, p);
}

#endif
