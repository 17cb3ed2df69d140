/* SPDX-License-Identifier: MIT
 *
 * A whole HTTP/2 connection of the server: what a client sends, in pieces that the input chooses. Handlers answer at
 * once, in pieces, with the body, later or never, or make a WebSocket of it. In the end nothing of the connection may
 * be left; the first byte with its highest bit set puts the preface and SETTINGS in front.
 */
#include "web/http2_core.h"

#include <plait/websocket.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void at_once(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_reply_text(req, 200, "Hello");
}

static void in_pieces(struct plait_request *req, void *ctx)
{
    static const char block[20000];
    (void)ctx;
    plait_reply_begin(req, 200, "text/plain", PLAIT_LENGTH_UNKNOWN);
    for (int i = 0; i < 4; i++)
        plait_reply_write(req, plait_slice_of(block, sizeof block));
    plait_reply_end(req);
}

static void hand_back(struct plait_request *req, plait_slice body, void *ctx)
{
    (void)ctx;
    plait_reply(req, 200, NULL, body);
}

static void with_body(struct plait_request *req, void *ctx)
{
    if (plait_request_collect(req, 1000, hand_back, ctx) != PLAIT_OK)
        plait_request_drop(req);
}

static void leave(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_drop(req);
}

static void never(struct plait_request *req, void *ctx)
{
    (void)ctx;
    plait_request_gone(req, leave, NULL);
}

static void echo_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    (void)plait_websocket_send(ws, kind, message);
}

static void websocket(struct plait_request *req, void *ctx)
{
    static const struct plait_websocket_handler echo = {.name = "echo", .message = echo_message};
    (void)plait_websocket_accept(req, NULL, &echo, ctx, NULL);
}

struct world {
    struct plait_reactor *r;
    struct plait__http_service *service;
};

static void quiet_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)level;
    (void)line;
    (void)ctx;
}

static void world_open(struct world *w)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    const struct plait_reactor_options options = {.log = &quiet};
    w->r = plait_reactor_new(&options);
    must(w->r);
    struct plait_resource *root = plait_resource_new(w->r);
    must(plait_resource_get(root, "", at_once, NULL) == PLAIT_OK);
    must(plait_resource_get(root, "p", in_pieces, NULL) == PLAIT_OK);
    must(plait_resource_on(root, "POST", "b", with_body, NULL) == PLAIT_OK);
    must(plait_resource_on(root, "*", "n", never, NULL) == PLAIT_OK);
    must(plait_resource_get(root, "w", websocket, NULL) == PLAIT_OK);
    w->service = plait__http_service_new(root, NULL);
    must(w->service);
}

static void spin(struct world *w, int steps)
{
    for (int i = 0; i < steps; i++)
        must(plait_reactor_step(w->r, 0) == PLAIT_OK);
}

struct client {
    struct plait_stream *stream;
};

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct client *c = self;
    (void)s;
    (void)fault;
    c->stream = NULL;
}

static const struct plait_protocol client_protocol = {.name = "client", .lost = lost};

static void feed(struct world *w, struct client *c, plait_slice in)
{
    if (c->stream)
        plait_write(c->stream, in);
    spin(w, 3);
}

/* Heads seen whole and cut must be the same. */
static void watch_twice(plait_slice in, size_t cut)
{
    struct plait__h2_watch whole, pieces;
    struct plait__h2_frame f;
    size_t a = 0, b = 0, at = 0;
    plait__h2_watch_init(&whole, true);
    plait__h2_watch_init(&pieces, true);
    for (; plait__h2_watch_next(&whole, in, &at, &f); a += f.type + 7u * f.stream + f.length)
        (void)plait__h2_watch_stream(&whole, &f);
    for (int part = 0; part < 2; part++) {
        const plait_slice piece = part ? plait_slice_sub(in, cut, in.len) : plait_slice_sub(in, 0, cut);
        for (at = 0; plait__h2_watch_next(&pieces, piece, &at, &f); b += f.type + 7u * f.stream + f.length)
            (void)plait__h2_watch_stream(&pieces, &f);
    }
    must(a == b && plait__h2_watch_waits(&whole) == plait__h2_watch_waits(&pieces));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct client c;
    struct plait_stream *server;
    if (size < 2)
        return 0;
    if (!w.r)
        world_open(&w);
    const plait_slice in = plait_slice_of(data + 2, size - 2);
    const size_t cut = (size_t)((data[0] & 0x7f) << 8 | data[1]) % (in.len + 1);
    watch_twice(in, cut);
    must(plait_pair_new(w.r, &server, &c.stream) == PLAIT_OK);
    plait_stream_attach(c.stream, &client_protocol, &c);
    must(plait__http_open(w.service, server) == PLAIT_OK);
    if (data[0] & 0x80)
        feed(&w, &c, PLAIT_LIT(PLAIT__H2_PREFACE "\0\0\0\4\0\0\0\0\0"));
    feed(&w, &c, plait_slice_sub(in, 0, cut));
    feed(&w, &c, plait_slice_sub(in, cut, in.len));
    if (c.stream)
        plait_abort(c.stream);
    spin(&w, 12);
    must(!c.stream && plait__list_empty(&w.service->web->live) && w.service->web->streams.used == 0);
    must(w.service->refs == 1);
    return 0;
}
