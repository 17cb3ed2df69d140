/* SPDX-License-Identifier: MIT
 *
 * A connection of http2_farm.h's server: what it says, frame by frame, and what it hears.
 */
#ifndef PLAIT_TESTS_WEB_HTTP2_FARM_CONN_H
#define PLAIT_TESTS_WEB_HTTP2_FARM_CONN_H

#include "tests/web/client_world.h"
#include "tests/web/http2_frames.h"

enum { H2_FARM_PORT = 90, H2_FARM_CONNS = 40, H2_FARM_IN = 1 << 16 };

struct h2_farm;

/* A connection at the server. */
struct h2_server {
    struct h2_farm *farm;
    struct plait_stream *stream; /* NULL: lost */
    nghttp2_hd_inflater *inflater;
    bool greeted; /* the client's preface came */
    bool held;    /* SETTINGS are not acknowledged, nor sent */
    size_t requests;
    uint32_t id;     /* of the request whose head or end came last */
    char path[64];   /* of it */
    char method[16]; /* of it */
    size_t body;     /* bytes of DATA so far */
    size_t credit, credit_stream, pings, resets;
    int goaway; /* code, -1: none came */
    size_t in_len;
    uint8_t in[H2_FARM_IN];
};

typedef void (*h2_farm_fn)(struct h2_server *c, uint32_t id, bool ended);

struct h2_farm {
    struct farm base;
    h2_farm_fn asked;                   /* a request's head came */
    h2_farm_fn body;                    /* DATA came; NULL: it is counted */
    bool mute;                          /* PINGs are not answered */
    void (*greet)(struct h2_server *c); /* in SETTINGS' place; NULL: empty ones */
    struct h2_server *conn[H2_FARM_CONNS];
    size_t conns, open;
    size_t log_len;
    char log[H2_LOG];
    struct h2_peer out; /* frames are put together in it */
};

/* --- saying ------------------------------------------------------------------------------------------------------ */

static inline void h2_say(struct h2_server *c)
{
    struct h2_peer *out = &c->farm->out;
    if (c->stream)
        plait_write(c->stream, plait_slice_of(out->out, out->out_len));
    out->out_len = 0;
}

/* Answers whole: with a body, or without one where it is NULL. */
static inline void h2_answer_with(struct h2_server *c, uint32_t id, const char *fields, const char *body)
{
    struct h2_peer *out = &c->farm->out;
    h2_headers(out, body ? OPEN : WHOLE, id, fields);
    if (body)
        h2_data(out, END, id, body);
    h2_say(c);
}

static inline void h2_answer_path(struct h2_server *c, uint32_t id)
{
    h2_answer_with(c, id, ":status 200\n", c->path);
}

static inline bool h2_asked(const struct h2_server *c, const char *path)
{
    return strcmp(c->path, path) == 0;
}

static inline void h2_goaway(struct h2_server *c, uint32_t last, uint32_t code)
{
    const uint8_t payload[8] = {(uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8), (uint8_t)last, 0, 0,
                                (uint8_t)(code >> 8),  (uint8_t)code};
    h2_frame(&c->farm->out, PLAIT__H2_GOAWAY, 0, 0, payload, sizeof(payload));
    h2_say(c);
}

static inline void h2_give_up_stream(struct h2_server *c, uint32_t id, uint32_t code)
{
    h2_number(&c->farm->out, PLAIT__H2_RST_STREAM, id, code);
    h2_say(c);
}

/* --- hearing ----------------------------------------------------------------------------------------------------- */

static inline void h2_farm_note(struct h2_farm *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void h2_farm_note(struct h2_farm *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(f->log + f->log_len, sizeof(f->log) - f->log_len, format, args);
    va_end(args);
    if (f->log_len + (size_t)len < sizeof(f->log) - 1)
        f->log_len += (size_t)len;
}

static inline void h2_keep(char *to, size_t room, const nghttp2_nv *nv)
{
    const size_t len = nv->valuelen < room - 1 ? nv->valuelen : room - 1;
    memcpy(to, nv->value, len);
    to[len] = 0;
}

static inline void h2_hear_fields(struct h2_server *c, const uint8_t *at, size_t len)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        const ssize_t used = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, at, len, 1);
        assert_true(used >= 0);
        at += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            h2_farm_note(c->farm, " %.*s=%.*s;", (int)nv.namelen, (char *)nv.name, (int)nv.valuelen, (char *)nv.value);
            if (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX)
                h2_farm_note(c->farm, "!");
            if (nv.namelen == 5 && memcmp(nv.name, ":path", 5) == 0)
                h2_keep(c->path, sizeof(c->path), &nv);
            if (nv.namelen == 7 && memcmp(nv.name, ":method", 7) == 0)
                h2_keep(c->method, sizeof(c->method), &nv);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
}

static inline uint32_t h2_farm_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_hear_settings(struct h2_server *c, const uint8_t *at, size_t len, unsigned flags)
{
    for (size_t i = 0; i + 6 <= len; i += 6)
        h2_farm_note(c->farm, " %u=%u", (unsigned)(at[i] << 8 | at[i + 1]), h2_farm_u32(at + i + 2));
    if (!(flags & PLAIT__H2_ACK) && !c->held) {
        h2_frame(&c->farm->out, PLAIT__H2_SETTINGS, PLAIT__H2_ACK, 0, NULL, 0);
        h2_say(c);
    }
}

static inline void h2_hear_frame(struct h2_server *c, const uint8_t *at, size_t len)
{
    static const char *const names[] = {"DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
                                        "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
    struct h2_farm *f = c->farm;
    const uint8_t type = at[3], flags = at[4], *payload = at + 9;
    const uint32_t id = h2_farm_u32(at + 5);
    const bool ended = type <= PLAIT__H2_HEADERS && (flags & PLAIT__H2_END_STREAM);
    h2_farm_note(f, "%s %u %zu", type < 10 ? names[type] : "?", id, len);
    if (type == PLAIT__H2_HEADERS)
        h2_hear_fields(c, payload, len);
    else if (type == PLAIT__H2_SETTINGS)
        h2_hear_settings(c, payload, len, flags);
    else if (type == PLAIT__H2_RST_STREAM)
        h2_farm_note(f, " code=%u", h2_farm_u32(payload));
    else if (type == PLAIT__H2_GOAWAY)
        c->goaway = (int)h2_farm_u32(payload + 4);
    else if (type == PLAIT__H2_WINDOW_UPDATE)
        *(id ? &c->credit_stream : &c->credit) += h2_farm_u32(payload);
    c->resets += type == PLAIT__H2_RST_STREAM;
    if (type == PLAIT__H2_PING && !(flags & PLAIT__H2_ACK)) {
        c->pings++;
        h2_ping(&f->out, PLAIT__H2_ACK);
        if (f->mute)
            f->out.out_len = 0;
        h2_say(c);
    }
    c->body += type == PLAIT__H2_DATA ? len : 0;
    c->id = type <= PLAIT__H2_HEADERS ? id : c->id;
    h2_farm_note(f, "%s\n", ended ? " end" : "");
    if (type == PLAIT__H2_HEADERS) {
        c->requests++;
        f->asked(c, id, ended);
    } else if (type == PLAIT__H2_DATA && f->body) {
        f->body(c, id, ended);
    }
}

static inline size_t h2_farm_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct h2_server *c = self;
    (void)s;
    assert_true(c->in_len + in.len <= sizeof(c->in));
    memcpy(c->in + c->in_len, in.ptr, in.len);
    c->in_len += in.len;
    size_t at = 0;
    if (!c->greeted && c->in_len >= PLAIT__H2_PREFACE_BYTES) {
        assert_memory_equal(c->in, PLAIT__H2_PREFACE, PLAIT__H2_PREFACE_BYTES);
        c->greeted = true;
        at = PLAIT__H2_PREFACE_BYTES;
    }
    while (c->greeted && c->in_len - at >= 9) {
        const size_t len = (size_t)c->in[at] << 16 | (size_t)c->in[at + 1] << 8 | c->in[at + 2];
        if (c->in_len - at - 9 < len)
            break;
        h2_hear_frame(c, c->in + at, len);
        at += 9 + len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    return in.len;
}

static inline void h2_farm_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct h2_server *c = self;
    (void)s;
    (void)fault;
    c->stream = NULL;
    c->farm->open--;
}

static const struct plait_protocol h2_farm_protocol = {
    .name = "http2 farm", .data = h2_farm_data, .lost = h2_farm_lost, .input_max = 1 << 14};

#endif
