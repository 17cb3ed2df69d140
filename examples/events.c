/* SPDX-License-Identifier: MIT
 *
 * Server-sent events: a number a second to whoever asks, for `new EventSource("/")` in a page or for `curl -N`. A
 * client that asks again goes on where it was. Usage: events ENDPOINT.
 */
#include <plait/plait.h>

#include <stdio.h>

struct counter {
    struct plait_events *events;
    struct plait_timer timer;
    uint64_t number;
};

static void tick(void *ctx)
{
    struct counter *c = ctx;
    char text[24];
    const plait_slice number =
        plait_slice_of(text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)++c->number));
    plait_timer_arm(&c->timer, plait_seconds(1));
    plait_events_send(c->events, &(struct plait_event){.id = number, .data = number});
}

static void gone(struct plait_events *events, void *ctx)
{
    struct counter *c = ctx;
    (void)events;
    plait_timer_stop(&c->timer);
}

static void open_events(struct plait_request *req, void *ctx)
{
    struct counter *c = plait_request_memory(req, sizeof *c); /* goes with the request */
    (void)ctx;
    if (!c) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    if (plait_slice_to_u64(plait_events_last_id(req), UINT64_MAX - 1, &c->number) != PLAIT_OK)
        c->number = 0;
    plait_timer_init(&c->timer, plait_request_reactor(req), "tick", tick, c);
    if (plait_events_begin(req, NULL, gone, c, &c->events) == PLAIT_OK)
        tick(c);
}

int main(int argc, char **argv)
{
    struct plait_reactor *r = plait_new();
    struct plait_resource *root = plait_resource_new(r);
    plait_resource_get(root, "", open_events, NULL);
    plait_serve(r, argc > 1 ? argv[1] : "tcp:7009", plait_http(root));
    int status = plait_main_status(plait_reactor_run(r));
    plait_reactor_free(&r);
    return status;
}
