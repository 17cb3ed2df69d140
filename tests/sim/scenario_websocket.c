/* SPDX-License-Identifier: MIT
 *
 * WebSockets, client against server: messages of all lengths, whole, in parts and compressed, numbered and echoed; one
 * side or the other ends it. Every message that comes back is the next one, every WebSocket is lost once, and a good
 * end is one in which all was said. They have a connection each, or share one of HTTP/2.
 */
#include "tests/sim/scenarios.h"

#include <plait/listen.h>
#include <plait/websocket.h>

#include <string.h>

enum { CLIENTS = 4, MESSAGES = 24, LARGEST = 20000, AHEAD = 3 };

/* --- what is sent ------------------------------------------------------------------------------------------------- */

struct one {
    struct plait_sim *sim;
    struct plait_reactor *reactor;
    struct plait_http_client *http; /* NULL: a connection each */
    struct plait_timer start;
    size_t number, sent, back;
    bool compress, whole; /* `whole`: all came back */
    unsigned opened, lost, failed;
    struct plait_fault fault;
};

static size_t length_of(const struct one *o, size_t n)
{
    return (n * 7919 + o->number * 104729) % LARGEST * (n % 3 + 1) / 3;
}

static void fill(const struct one *o, size_t n, char *out)
{
    const size_t len = length_of(o, n);
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + (i * (n + 1) + i / 97 + o->number) % 26);
}

static enum plait_websocket_kind kind_of(size_t n)
{
    return n % 2 ? PLAIT_WEBSOCKET_BINARY : PLAIT_WEBSOCKET_TEXT;
}

/* --- the server --------------------------------------------------------------------------------------------------- */

static void echo_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    (void)plait_websocket_send(ws, kind, message);
}

static void echo_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                       void *self)
{
    (void)self;
    (void)plait_websocket_send_part(ws, kind, piece, end);
}

/* Counts what a server has open: at the end it must be nothing. */
static void server_open(struct plait_websocket *ws, void *self)
{
    (void)ws;
    ++*(int *)self;
}

static void server_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    (void)ws;
    (void)fault;
    --*(int *)self;
}

static const struct plait_websocket_handler whole_echo = {.name = "echo", .message = echo_message, .lost = server_lost};
static const struct plait_websocket_handler piece_echo = {.name = "echo", .piece = echo_piece, .lost = server_lost};

static void accept_it(struct plait_request *req, void *ctx)
{
    const bool pieces = plait_slice_equal(plait_request_path(req), PLAIT_LIT("/pieces"));
    struct plait_websocket *ws;
    if (plait_websocket_accept(req, NULL, pieces ? &piece_echo : &whole_echo, ctx, &ws) == PLAIT_OK)
        server_open(ws, ctx);
}

static bool serve(struct plait_sim *sim, struct plait_host *host, int *open)
{
    struct plait_reactor *r = plait_host_reactor(host);
    struct plait_resource *root = plait_resource_new(r);
    struct plait_listener *listener;
    struct plait_address at;
    const struct plait_listen_options options = {0};
    (void)plait_resource_get(root, "whole", accept_it, open);
    (void)plait_resource_get(root, "pieces", accept_it, open);
    plait_host_address(host, PLAIT_ADDR_IP4, 80, &at);
    const plait_err err = plait_listen(r, &at, &options, plait_http(root), &listener);
    if (err)
        plait_sim_fail(sim, "listening failed: %s", plait_err_name(err));
    return err == PLAIT_OK;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static void send_one(struct plait_websocket *ws, struct one *o)
{
    static const size_t cuts[] = {1, 3};
    char text[LARGEST];
    const size_t n = o->sent++, len = length_of(o, n), parts = cuts[n % 5 == 2];
    fill(o, n, text);
    for (size_t i = 0; i < parts; i++) {
        const plait_slice part = plait_slice_of(text + len * i / parts, len * (i + 1) / parts - len * i / parts);
        const plait_err err = parts == 1 ? plait_websocket_send(ws, kind_of(n), part)
                                         : plait_websocket_send_part(ws, kind_of(n), part, i + 1 == parts);
        if (err != PLAIT_OK && err != PLAIT_ESTATE)
            plait_sim_fail(o->sim, "message %zu could not be sent: %s", n, plait_err_name(err));
    }
}

static void on_open(struct plait_websocket *ws, void *self)
{
    struct one *o = self;
    o->opened++;
    for (int i = 0; i < AHEAD; i++)
        send_one(ws, o);
}

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    struct one *o = self;
    char text[LARGEST];
    fill(o, o->back, text);
    if (kind != kind_of(o->back) || !plait_slice_equal(message, plait_slice_of(text, length_of(o, o->back))))
        plait_sim_fail(o->sim, "message %zu of WebSocket %zu came back as another", o->back, o->number);
    o->back++;
    o->whole = o->back == MESSAGES;
    if (o->sent < MESSAGES)
        send_one(ws, o);
    if (o->whole)
        (void)plait_websocket_close(ws, 1000, PLAIT_LIT("all came back"));
}

static void on_lost(struct plait_websocket *ws, const struct plait_fault *fault, void *self)
{
    struct one *o = self;
    (void)ws;
    o->lost++;
    o->fault = *fault;
}

static const struct plait_websocket_handler client = {
    .name = "client", .open = on_open, .message = on_message, .lost = on_lost};

static void ended(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    if (result->fault.err)
        o->failed++;
    o->fault = result->fault;
    plait_result_set(result, plait_value_num(0));
}

static void start(void *ctx)
{
    struct one *o = ctx;
    const struct plait_websocket_options options = {.no_deflate = !o->compress,
                                                    .deflate_forget = o->number == 2,
                                                    .ping_interval = plait_seconds(5),
                                                    .ping_timeout = plait_seconds(40),
                                                    .client = o->http,
                                                    .version = o->http ? PLAIT_HTTP_2 : PLAIT_HTTP_1};
    const char *url = o->number % 2 ? "ws://server/pieces" : "ws://server/whole";
    if (plait_then(plait_websocket_connect(o->reactor, url, &options, &client, o), ended, o) != PLAIT_OK)
        plait_sim_fail(o->sim, "no memory");
}

/* --- the story ---------------------------------------------------------------------------------------------------- */

static bool some_run(void *ctx)
{
    const struct one *all = ctx;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (all[i].lost + all[i].failed == 0)
            return true;
    }
    return false;
}

static void check(struct plait_sim *sim, const struct one *o)
{
    if (o->lost != o->opened || o->lost + o->failed != 1)
        plait_sim_fail(sim, "WebSocket %zu was opened %u times, lost %u and failed %u", o->number, o->opened, o->lost,
                       o->failed);
    if (o->lost && o->fault.err == PLAIT_OK && !o->whole)
        plait_sim_fail(sim, "WebSocket %zu ended well after %zu messages", o->number, o->back);
    if (o->fault.err && plait_sim_fault_count(sim, PLAIT_SIM_RESET, NULL) == 0)
        plait_sim_fail(sim, "WebSocket %zu ended with %s after %zu messages", o->number, plait_err_name(o->fault.err),
                       o->back);
}

static void run_over(struct plait_sim *sim, bool shared)
{
    struct plait_host *server = plait_sim_host(sim, "server"), *host = plait_sim_host(sim, "client");
    struct one all[CLIENTS];
    struct plait_http_client *http = NULL;
    int open = 0;
    if (!serve(sim, server, &open))
        return;
    if (shared)
        http = plait_http_client_new(plait_host_reactor(host), NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        all[i] = (struct one){
            .sim = sim, .reactor = plait_host_reactor(host), .number = i, .compress = i >= 2, .http = http};
        plait_timer_init(&all[i].start, all[i].reactor, "start", start, &all[i]);
        plait_timer_arm(&all[i].start, plait_millis((int64_t)plait_sim_random(sim, 500)));
    }
    plait_sim_run_while(sim, plait_seconds(600), some_run, all);
    plait_http_client_free(&http);
    plait_sim_run_for(sim, plait_seconds(120));
    for (size_t i = 0; i < CLIENTS; i++)
        check(sim, &all[i]);
    if (open != 0)
        plait_sim_fail(sim, "%d WebSockets of the server were not lost", open);
    plait_sim_check_end(sim); /* while what `lost` may still be told of stands */
}

static void run(struct plait_sim *sim)
{
    run_over(sim, false);
}

const struct plait_scenario scenario_websocket = {.name = "websocket", .faults = PLAIT_SIM_ALL, .run = run};

static void run_shared(struct plait_sim *sim)
{
    run_over(sim, true);
}

const struct plait_scenario scenario_websockets_shared = {
    .name = "websockets_shared", .faults = PLAIT_SIM_ALL, .run = run_shared};
