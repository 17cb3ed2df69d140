/* SPDX-License-Identifier: MIT
 *
 * WebSockets: every message goes back as it came, text as text and bytes as bytes. Usage: websocket_echo ENDPOINT.
 */
#include <plait/plait.h>

#include <stdio.h>

static void on_message(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    plait_websocket_send(ws, kind, message);
}

static const struct plait_websocket_handler echo = {.name = "websocket echo", .message = on_message};

static void open_websocket(struct plait_request *req, void *ctx)
{
    /* An echo keeps no secrets: pages of any host may talk to it. */
    static const char *const anybody[] = {"*", NULL};
    static const struct plait_websocket_options options = {.origins = anybody, .message_max = 64 << 20};
    plait_websocket_accept(req, &options, &echo, ctx, NULL);
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    struct plait_resource *root = plait_resource_new(r);
    plait_resource_get(root, "", open_websocket, NULL);
    /* A message of 64 MiB is held as it comes and as it goes: more than a connection may usually have. */
    const struct plait_listen_options options = {.limits = {.memory_per_connection = 256 << 20}};
    char why[200];
    int status = 1;
    if (plait_serve_with(r, argc > 1 ? argv[1] : "tcp:7008", &options, plait_http(root), NULL, why) == PLAIT_OK)
        status = plait_main_status(plait_reactor_run(r));
    else
        fprintf(stderr, "%s\n", why);
    plait_reactor_free(&r);
    return status;
}
