/* SPDX-License-Identifier: MIT
 *
 * WebSockets: every message goes back as it came, text as text and bytes as bytes. Usage: websocket_echo ENDPOINT.
 */
#include <plait/plait.h>

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
    plait_serve(r, argc > 1 ? argv[1] : "tcp:7008", plait_http(root));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
