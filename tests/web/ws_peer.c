/* SPDX-License-Identifier: MIT
 *
 * The two ends that tests/peers/websocket_peers.py talks to: a server with a folder of pages, an echo of WebSocket
 * messages at /ws and three events at /events, and a client that has an echo give back what it sends. Through the
 * public headers only.
 *
 * ws_peer serve PORT FOLDER, ws_peer serve ENDPOINT FOLDER, ws_peer ask URL, or: ws_peer share URL
 * `share` has two over one connection of HTTP/2.
 */
#include <plait/events.h>
#include <plait/listen.h>
#include <plait/websocket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the server --------------------------------------------------------------------------------------------------- */

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    plait_websocket_send(ws, kind, message);
}

static const struct plait_websocket_handler echo = {.name = "echo", .message = on_message};

static void open_websocket(struct plait_request *req, void *ctx)
{
    static const char *const protocols[] = {"over.http2", "echo.2", "echo.1", NULL};
    const bool two = plait_request_version(req) == 20;
    const struct plait_websocket_options options = {.protocols = protocols + !two};
    plait_websocket_accept(req, &options, &echo, ctx, NULL);
}

static void open_events(struct plait_request *req, void *ctx)
{
    static const char *const texts[] = {"one", "two\nlines", "\xc3\xa4"};
    struct plait_events *events;
    uint64_t last = 0;
    (void)ctx;
    if (plait_slice_to_u64(plait_events_last_id(req), 10, &last) != PLAIT_OK)
        last = 0; /* the first time there is none */
    if (plait_events_begin(req, NULL, NULL, NULL, &events) != PLAIT_OK)
        return;
    for (uint64_t i = last; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "%u", (unsigned)i + 1);
        plait_events_send(events, &(struct plait_event){.data = plait_slice_text(texts[i]),
                                                        .name = PLAIT_LIT("named"),
                                                        .id = plait_slice_text(id),
                                                        .retry = plait_millis(50)});
        if (i == 1 && last == 0)
            break; /* the page has to ask again for the third */
    }
    plait_events_end(&events);
}

static plait_err serve(struct plait_reactor *r, const char *port, const char *folder)
{
    struct plait_resource *root = plait_resource_new(r), *files;
    struct plait_listener *listener;
    struct plait_address at;
    const struct plait_listen_options options = {0};
    plait_err err = plait_files_new(r, folder, NULL, &files);
    if (err)
        return err;
    plait_resource_mount(root, "files", files);
    plait_resource_get(root, "ws", open_websocket, NULL);
    plait_resource_get(root, "events", open_events, NULL);
    if (strchr(port, ':')) {
        err = plait_serve(r, port, plait_http(root));
    } else {
        err = plait_address_parse_ip(PLAIT_LIT("127.0.0.1"), (uint16_t)strtoul(port, NULL, 10), &at);
        if (!err)
            err = plait_listen(r, &at, &options, plait_http(root), &listener);
    }
    return err ? err : plait_reactor_run(r);
}

/* --- the client --------------------------------------------------------------------------------------------------- */

struct asking {
    struct plait_reactor *reactor;
    unsigned *open; /* how many are still to end */
    unsigned step;  /* messages that came back */
    bool pong;
    bool apart; /* the ping does not go between compressed parts: wsproto 1.2 loses its place then */
    struct plait_fault fault;
    uint8_t large[200000];
};

static void send_next(struct plait_websocket *ws, struct asking *a)
{
    switch (a->step) {
    case 0:
        plait_websocket_send(ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("text, \xc3\xa4"));
        break;
    case 1:
        plait_websocket_send(ws, PLAIT_WEBSOCKET_BINARY, plait_slice_of(a->large, sizeof a->large));
        break;
    case 2:
        plait_websocket_send_part(ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("in "), false);
        if (!a->apart)
            plait_websocket_ping(ws, PLAIT_LIT("between"));
        plait_websocket_send_part(ws, PLAIT_WEBSOCKET_TEXT, PLAIT_LIT("parts"), true);
        if (a->apart)
            plait_websocket_ping(ws, PLAIT_LIT("between"));
        break;
    case 3:
        plait_websocket_send(ws, PLAIT_WEBSOCKET_TEXT, plait_slice_of(NULL, 0));
        break;
    default:
        plait_websocket_close(ws, 1000, PLAIT_LIT("done"));
    }
}

static bool is_right(const struct asking *a, enum plait_websocket_kind kind, plait_slice message)
{
    switch (a->step) {
    case 0:
        return kind == PLAIT_WEBSOCKET_TEXT && plait_slice_equal(message, PLAIT_LIT("text, \xc3\xa4"));
    case 1:
        return kind == PLAIT_WEBSOCKET_BINARY && plait_slice_equal(message, plait_slice_of(a->large, sizeof a->large));
    case 2:
        return kind == PLAIT_WEBSOCKET_TEXT && plait_slice_equal(message, PLAIT_LIT("in parts"));
    default:
        return kind == PLAIT_WEBSOCKET_TEXT && message.len == 0;
    }
}

static void on_open(struct plait_websocket *ws, void *self)
{
    send_next(ws, self);
}

static void on_answer(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    struct asking *a = self;
    if (!is_right(a, kind, message)) {
        printf("message %u came back changed\n", a->step);
        plait_websocket_abort(ws);
        return;
    }
    a->step++;
    send_next(ws, a);
}

static void on_pong(struct plait_websocket *ws, plait_slice payload, void *self)
{
    (void)ws;
    ((struct asking *)self)->pong = plait_slice_equal(payload, PLAIT_LIT("between"));
}

static void on_closing(struct plait_websocket *ws, unsigned code, plait_slice reason, void *self)
{
    (void)self;
    const char *protocol = plait_websocket_protocol(ws);
    (void)reason;
    printf("closed %u, protocol %s\n", code, protocol ? protocol : "none");
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct asking *a = self;
    (void)ws;
    a->fault = *fault;
    if (--*a->open == 0)
        plait_reactor_stop(a->reactor);
}

static const struct plait_websocket_handler asks = {
    .name = "asks", .open = on_open, .message = on_answer, .pong = on_pong, .closing = on_closing, .lost = on_lost};

static void begin_asking(struct asking *a, struct plait_reactor *r, unsigned *open)
{
    a->reactor = r;
    a->open = open;
    for (size_t i = 0; i < sizeof a->large; i++)
        a->large[i] = (uint8_t)(i * i >> 8);
}

static void report(const struct asking *a)
{
    if (a->fault.err == PLAIT_OK && a->step == 4 && a->pong)
        printf("all came back\n");
}

static plait_err ask(struct plait_reactor *r, const char *url)
{
    static const char *const protocols[] = {"echo.1", NULL};
    static const struct plait_websocket_options options = {.protocols = protocols};
    static struct asking a;
    unsigned open = 1;
    begin_asking(&a, r, &open);
    plait_err err = plait_reactor_run_until(r, plait_websocket_connect(r, url, &options, &asks, &a), NULL);
    if (!err)
        err = plait_reactor_run(r);
    if (!err)
        report(&a);
    return err ? err : a.fault.err;
}

static plait_err share(struct plait_reactor *r, const char *url)
{
    static struct asking a[2];
    struct plait_http_client_counts counts;
    struct plait_http_client *client = plait_http_client_new(r, NULL);
    const struct plait_websocket_options options = {.client = client, .version = PLAIT_HTTP_2};
    unsigned open = 2;
    plait_err err = client ? PLAIT_OK : PLAIT_ENOMEM;
    for (size_t i = 0; i < 2 && !err; i++) {
        begin_asking(&a[i], r, &open);
        a[i].apart = true;
        err = plait_reactor_run_until(r, plait_websocket_connect(r, url, &options, &asks, &a[i]), NULL);
    }
    if (!err && open)
        err = plait_reactor_run(r);
    for (size_t i = 0; i < 2 && !err; i++) {
        report(&a[i]);
        err = a[i].fault.err;
    }
    if (client)
        plait_http_client_look(client, &counts);
    if (!err)
        printf("%u connection\n", (unsigned)counts.made);
    plait_http_client_free(&client);
    return err;
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    plait_err err = r ? PLAIT_EINVAL : PLAIT_ENOMEM;
    if (r && argc == 4 && strcmp(argv[1], "serve") == 0)
        err = serve(r, argv[2], argv[3]);
    else if (r && argc == 3 && strcmp(argv[1], "ask") == 0)
        err = ask(r, argv[2]);
    else if (r && argc == 3 && strcmp(argv[1], "share") == 0)
        err = share(r, argv[2]);
    if (err)
        fprintf(stderr, "ws_peer: %s\n", plait_err_text(err));
    plait_reactor_free(&r);
    return err != PLAIT_OK;
}
