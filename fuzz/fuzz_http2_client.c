/* SPDX-License-Identifier: MIT
 *
 * A whole HTTP/2 connection of the client: what a server sends, in pieces that the input chooses, to three fetches that
 * share it: one that pauses, one with a body, one without interest in a body. Every fetch must end once, and nothing of
 * them may be left; the first byte with its highest bit set puts SETTINGS in front. With the next bit a WebSocket
 * shares the connection too, and these announce that it may.
 */
#include "web/http2_client.h"

#include <plait/http.h>
#include <plait/websocket.h>

#include <stdlib.h>

enum { FETCHES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

struct world {
    struct plait_reactor *r;
    struct plait_stream *server; /* the newest connection's other end; NULL: lost */
};

struct one {
    const struct plait_response *paused;
    unsigned ends;
};

static void quiet_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    (void)level;
    (void)line;
    (void)ctx;
}

static void spin(struct world *w, int steps)
{
    for (int i = 0; i < steps; i++)
        must(plait_reactor_step(w->r, 0) == PLAIT_OK);
}

static void lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct world *w = self;
    (void)fault;
    if (w->server == s)
        w->server = NULL;
}

static const struct plait_protocol server_protocol = {.name = "server", .lost = lost};

/* The way to the server: one end of a pair. */
static struct plait_deferred *connect_pair(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                           const struct plait_connect_options *options, void *ctx)
{
    struct world *w = ctx;
    struct plait_stream *client;
    (void)host;
    (void)port;
    (void)options;
    if (w->server)
        plait_abort(w->server); /* what is asked for again finds nobody who says a word */
    must(plait_pair_new(reactor, &client, &w->server) == PLAIT_OK);
    plait_stream_attach(w->server, &server_protocol, w);
    return plait_deferred_succeed(reactor, plait_value_ptr(client, NULL));
}

static plait_err pause_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct one *o = ctx;
    (void)piece;
    o->paused = response;
    plait_response_pause(response);
    return PLAIT_OK;
}

static plait_err drop_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    (void)ctx;
    return piece.len > 1000 ? PLAIT_ELIMIT : PLAIT_OK;
}

static void ended(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    plait_slice name, value;
    o->ends++;
    o->paused = NULL;
    if (result->fault.err == PLAIT_OK)
        plait_response_trailer_at(result->value.ptr, 0, &name, &value);
    plait_result_set(result, plait_value_num(0));
}

static void start(struct plait_http_client *client, const struct plait_via *via, struct one one[FETCHES])
{
    static const uint8_t body[100];
    struct plait_fetch_options o[FETCHES] = {{.data = pause_piece, .ctx = &one[0]},
                                             {.method = "POST", .body = plait_slice_of(body, sizeof body)},
                                             {.data = drop_piece, .no_redirects = true}};
    for (size_t i = 0; i < FETCHES; i++) {
        o[i].version = PLAIT_HTTP_2;
        o[i].connect.via = via;
        must(plait_then(plait_http_fetch(client, "http://server/", &o[i]), ended, &one[i]) == PLAIT_OK);
    }
}

struct chat {
    unsigned ends, opened, lost;
};

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    (void)plait_websocket_send(ws, kind, message);
}

static void on_open(struct plait_websocket *ws, void *self)
{
    (void)ws;
    ((struct chat *)self)->opened++;
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    (void)ws;
    (void)fault;
    ((struct chat *)self)->lost++;
}

static void dialled(struct plait_result *result, void *ctx)
{
    ((struct chat *)ctx)->ends++;
    plait_result_set(result, plait_value_num(0));
}

static void start_chat(struct plait_reactor *r, struct plait_http_client *client, const struct plait_via *via,
                       struct chat *chat)
{
    static const struct plait_websocket_handler handler = {
        .name = "chat", .open = on_open, .message = on_message, .lost = on_lost};
    const struct plait_websocket_options o = {.client = client, .version = PLAIT_HTTP_2, .connect = {.via = via}};
    struct plait_deferred *d = plait_websocket_connect(r, "ws://server/", &o, &handler, chat);
    must(plait_then(d, dialled, chat) == PLAIT_OK);
}

static void feed(struct world *w, plait_slice in)
{
    if (w->server)
        plait_write(w->server, in);
    spin(w, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    const struct plait_reactor_options options = {.log = &quiet};
    const struct plait_via via = {.connect = connect_pair, .ctx = &w};
    struct one one[FETCHES] = {{0}};
    struct chat chat = {0};
    if (size < 2)
        return 0;
    if (!w.r)
        w.r = plait_reactor_new(&options);
    must(w.r);
    struct plait_http_client *client = plait_http_client_new(w.r, NULL);
    must(client);
    const plait_slice in = plait_slice_of(data + 2, size - 2);
    const size_t cut = (size_t)((data[0] & 0x7f) << 8 | data[1]) % (in.len + 1);
    start(client, &via, one);
    if (data[0] & 0x40)
        start_chat(w.r, client, &via, &chat);
    spin(&w, 8);
    must(w.server);
    if ((data[0] & 0xc0) == 0xc0)
        feed(&w, PLAIT_LIT("\0\0\6\4\0\0\0\0\0\0\10\0\0\0\1"));
    else if (data[0] & 0x80)
        feed(&w, PLAIT_LIT("\0\0\0\4\0\0\0\0\0"));
    feed(&w, plait_slice_sub(in, 0, cut));
    feed(&w, plait_slice_sub(in, cut, in.len));
    for (int i = 0; i < 4 && one[0].paused; i++) {
        plait_response_resume(one[0].paused);
        spin(&w, 4);
        if (i == 1 && w.server)
            plait_abort(w.server); /* what has come still comes */
    }
    plait_http_client_free(&client);
    if (w.server)
        plait_abort(w.server);
    spin(&w, 20);
    const struct plait__web *web = plait__web_of(w.r);
    must(!w.server && web->streams.used == 0 && web->fetches.used == 0);
    for (size_t i = 0; i < FETCHES; i++)
        must(one[i].ends == 1);
    must(chat.lost == chat.opened && chat.ends == (data[0] & 0x40) >> 6);
    return 0;
}
