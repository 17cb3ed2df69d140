/* SPDX-License-Identifier: MIT
 *
 * The client's end of an HTTP/2 connection for tests: writes frames one by one, right or wrong, and keeps what comes
 * back as text, a line a frame, and as answers, one a stream. It shares nothing with the server but nghttp2's inflater.
 */
#ifndef PLAIT_TESTS_WEB_HTTP2_PEER_H
#define PLAIT_TESTS_WEB_HTTP2_PEER_H

#include "tests/web/http2_frames.h"

#include "engine/stream_core.h"

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
