/* SPDX-License-Identifier: MIT
 *
 * A FastCGI application of a simulated host: reads whole requests and does what a test wants.
 */
#ifndef PLAIT_TESTS_WEB_FCGI_APP_H
#define PLAIT_TESTS_WEB_FCGI_APP_H

#include "web/fcgi_wire.h"

#include <plait/listen.h>

#include <stdlib.h>
#include <string.h>

struct app;

/* One connection, with the request that it reads. */
struct app_conn {
    struct app *app;
    struct plait_stream *stream;
    struct plait__fcgi_reader reader;
    struct plait_buf params, input;
    bool keep; /* as the request said */
    unsigned requests;
};

/* What it does when a request is whole, or as soon as its parameters are (`input` is false then). */
typedef void (*app_fn)(struct app_conn *c, bool input);

struct app {
    app_fn answer;
    const char *text; /* of an answer */
    unsigned requests, connections, open;
    struct app_conn *last; /* the newest connection, NULL when it is lost */
    void *ctx;
};

/* A variable of the request; empty when it is not there. */
static inline plait_slice app_var(const struct app_conn *c, const char *name)
{
    plait_slice all = plait_buf_slice(&c->params);
    while (all.len) {
        uint32_t len[2];
        for (size_t i = 0; i < 2; i++) {
            len[i] = all.ptr[0];
            const bool far = len[i] > 127;
            if (far)
                len[i] = (uint32_t)(all.ptr[0] & 127) << 24 | (uint32_t)all.ptr[1] << 16 | (uint32_t)all.ptr[2] << 8 |
                         all.ptr[3];
            all = plait_slice_sub(all, far ? 4 : 1, all.len);
        }
        if (plait_slice_equal(plait_slice_sub(all, 0, len[0]), plait_slice_text(name)))
            return plait_slice_sub(all, len[0], len[0] + len[1]);
        all = plait_slice_sub(all, (size_t)len[0] + len[1], all.len);
    }
    return PLAIT_LIT("");
}

/* A record, with padding. */
static inline void app_record(struct plait_buf *out, uint8_t type, uint16_t id, plait_slice content, uint8_t padding)
{
    const uint8_t header[] = {
        1, type, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(content.len >> 8), (uint8_t)content.len, padding, 0};
    plait_buf_put(out, plait_slice_of(header, sizeof header));
    plait_buf_put(out, content);
    for (unsigned i = 0; i < padding; i++)
        plait_buf_put_u8(out, 0);
}

static inline void app_say_record(struct app_conn *c, uint8_t type, plait_slice content, uint8_t padding)
{
    struct plait_buf out;
    plait_buf_init(&out, plait_stream_budget(c->stream), 1 << 20);
    app_record(&out, type, 1, content, padding);
    plait_write(c->stream, plait_buf_slice(&out));
    plait_buf_deinit(&out);
}

static inline void app_say(struct app_conn *c, plait_slice text)
{
    for (size_t at = 0; at < text.len; at += 60000)
        app_say_record(c, PLAIT__FCGI_STDOUT, plait_slice_sub(text, at, at + 60000), (uint8_t)(at == 0 ? 3 : 0));
}

/* Ends the request. */
static inline void app_end(struct app_conn *c, uint8_t app_status, uint8_t protocol_status)
{
    const uint8_t body[8] = {0, 0, 0, app_status, protocol_status};
    app_say_record(c, PLAIT__FCGI_END, plait_slice_of(body, sizeof body), 0);
    plait_buf_clear(&c->params);
    plait_buf_clear(&c->input);
    if (!c->keep)
        plait_close(c->stream);
}

/* The usual answer: a text, or what came in. */
static inline void app_reply(struct app_conn *c, bool input)
{
    if (!input)
        return;
    app_say(c, plait_slice_text(c->app->text));
    app_say(c, plait_buf_slice(&c->input));
    app_say_record(c, PLAIT__FCGI_STDOUT, PLAIT_LIT(""), 0);
    app_end(c, 0, 0);
}

static inline void app_take(struct app_conn *c, plait_slice piece)
{
    if (c->reader.type == PLAIT__FCGI_BEGIN && piece.len == 8)
        c->keep = piece.ptr[2] & 1;
    if (c->reader.type == PLAIT__FCGI_PARAMS)
        plait_buf_put(&c->params, piece);
    if (c->reader.type == PLAIT__FCGI_STDIN)
        plait_buf_put(&c->input, piece);
    const bool whole = c->reader.type == PLAIT__FCGI_STDIN;
    if (piece.len || (!whole && c->reader.type != PLAIT__FCGI_PARAMS))
        return;
    c->requests += whole;
    c->app->requests += whole;
    c->app->answer(c, whole);
}

static size_t app_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct app_conn *c = self;
    plait_slice rest = in, piece;
    size_t used;
    (void)s;
    while (plait__fcgi_read(&c->reader, rest, &used, &piece) == PLAIT__FCGI_PIECE) {
        rest = plait_slice_sub(rest, used, rest.len);
        app_take(c, piece);
    }
    return in.len;
}

static void app_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct app_conn *c = self;
    (void)s;
    (void)fault;
    c->app->open--;
    if (c->app->last == c)
        c->app->last = NULL;
    plait_buf_deinit(&c->params);
    plait_buf_deinit(&c->input);
    free(c);
}

static const struct plait_protocol app_protocol = {.name = "application", .data = app_data, .lost = app_lost};

static plait_err app_open(struct plait_stream *s, void *ctx)
{
    struct app *app = ctx;
    struct app_conn *c = calloc(1, sizeof *c);
    if (!c)
        return PLAIT_ENOMEM;
    c->app = app;
    c->stream = s;
    plait_buf_init(&c->params, plait_stream_budget(s), 1 << 20);
    plait_buf_init(&c->input, plait_stream_budget(s), 1 << 24);
    app->connections++;
    app->open++;
    app->last = c;
    plait_stream_attach(s, &app_protocol, c);
    return PLAIT_OK;
}

static const struct plait_service_ops app_ops = {.name = "application", .open = app_open};

#endif
