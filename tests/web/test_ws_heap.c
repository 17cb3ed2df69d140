/* SPDX-License-Identifier: MIT
 *
 * A WebSocket when memory fails, at its first, second, … allocation: the connection concerned ends with an error or
 * goes on, and the next one is served as if nothing had been.
 */
#include "tests/web/ws_world.h"

static struct ws_world t;

static void next_one_is_served(void)
{
    t.ws = NULL;
    t.opened = t.lost = 0;
    ws_connect(&t);
    ws_send(&t, "T:still here|X:1000");
    assert_came(&t, "T:still here|X:1000");
    peer_close(&t.w, &t.p);
    assert_int_equal(t.lost, 1);
}

static void ignore_piece(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end,
                         void *self)
{
    (void)ws;
    (void)kind;
    (void)piece;
    (void)end;
    (void)self;
}

static const struct plait_websocket_handler in_pieces = {
    .name = "pieces", .open = ws_on_open, .piece = ignore_piece, .lost = ws_on_lost};

static void send_late(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self)
{
    (void)self;
    (void)plait_websocket_send(ws, kind, message);
    (void)plait_websocket_send_part(ws, kind, message, false);
    (void)plait_websocket_send_part(ws, kind, message, true);
}

static const struct plait_websocket_handler echo = {
    .name = "echo", .open = ws_on_open, .message = send_late, .lost = ws_on_lost};

/* "Hello" sixty times, compressed. */
#define SQUEEZED "\xf2\x48\xcd\xc9\xc9\xf7\x18\x25\x88\x21\x00\x00"

static void every_allocation_fails_once(const char *offer, const char *specs, plait_slice squeezed,
                                        const struct plait_websocket_handler *handler)
{
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        char request[512];
        struct plait_buf in;
        memset(&t, 0, sizeof t);
        t.handler = handler;
        t.options.deflate_min = 1;
        ws_open_world(&t);
        peer_open(&t.w, &t.p);
        plait_buf_init(&in, plait_reactor_budget(t.w.r), SIZE_MAX / 2);
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\n%s%s\r\n", offer, WS_FIELDS);
        plait_buf_put_text(&in, request);
        ws_put_specs(&in, specs, false);
        if (squeezed.len) {
            ws_put_frame(&in, 0x42, squeezed, false);
            ws_put_frame(&in, 0x80, plait_slice_of(NULL, 0), false);
            ws_put_frame(&in, 0xc2, squeezed, false);
        }
        plait_write_take(t.p.stream, &in);
        const uint64_t at = t.w.heap.calls + k;
        t.w.heap.fail_at = at;
        spin(&t.w);
        failed = t.w.heap.calls >= at;
        t.w.heap.fail_at = 0;
        peer_close(&t.w, &t.p);
        assert_true(t.lost <= 1);
        t.handler = &ws_echo;
        next_one_is_served();
        ws_close_world(&t);
        assert_true(k < 200);
    }
}

static void a_server_outlives_every_failing_allocation(void **state)
{
    static const char offer[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    const plait_slice none = {NULL, 0};
    (void)state;
    every_allocation_fails_once("", "T:a|b:b|C:c|P:d|X:1000", none, &echo);
    every_allocation_fails_once("", "t#20000|c#20000|C#20000", none, &echo);
    every_allocation_fails_once(offer, "T:a|T:b", PLAIT_LIT(SQUEEZED), &echo);
    every_allocation_fails_once(offer, "T:a", PLAIT_LIT(SQUEEZED), &in_pieces);
}

TEST_MAIN(cmocka_unit_test(a_server_outlives_every_failing_allocation))
