/* SPDX-License-Identifier: MIT
 *
 * The inside of a WebSocket, for this room: both sides make one with plait__ws_new when the handshake is complete.
 */
#ifndef PLAIT_WEB_WS_CORE_H
#define PLAIT_WEB_WS_CORE_H

#include "web/http_core.h"
#include "web/ws_deflate.h"
#include "web/ws_wire.h"

#include <plait/websocket.h>

enum plait__ws_state {
    PLAIT__WS_OPEN,
    PLAIT__WS_CLOSING, /* our close frame is sent; the peer's is awaited */
    PLAIT__WS_CLOSED,  /* nothing is read any more; a client waits for the server to end the connection */
};

enum { PLAIT__WS_MASKS = 32 };

struct plait_websocket {
    struct plait_stream *stream;
    struct plait__web *web;
    const struct plait_websocket_handler *handler;
    void *self;
    const char *protocol;
    struct plait__ws_reader reader;
    struct plait__ws_deflate *deflate; /* NULL: not agreed on */
    struct plait_buf message;          /* what there is of a message that did not come at once */
    struct plait_timer timer;
    struct plait_soon soon; /* tells `open` */
    size_t message_max, deflate_min;
    plait_span ping_interval, ping_timeout, close_timeout;
    plait_time heard;
    uint64_t squeezed;       /* bytes of the compressed message under way */
    uint32_t inflated;       /* of the bytes in front, those that inflate has had already */
    uint16_t code;           /* of the peer's close frame */
    uint8_t state;           /* enum plait__ws_state */
    uint8_t sending;         /* kind of the message that is sent in parts, 0: none */
    struct plait__utf8 text; /* of the message that comes */
    struct plait__utf8 sent; /* of the one that is sent in parts */
    bool client, open_told, paused, pinged;
    bool hears_out; /* pieces are told after the own close too */
    bool ended_by_us;
    uint8_t masks_left;
    uint8_t masks[PLAIT__WS_MASKS];
};

/* What a handshake agreed on. */
struct plait__ws_agreed {
    const struct plait_websocket_options *options; /* NULL: the defaults */
    const char *protocol;
    struct plait__ws_terms deflate;
    bool client;
};

/* What the options want of permessage-deflate. */
struct plait__ws_wish plait__ws_wish_of(const struct plait_websocket_options *options);

/* Whether options make sense. */
bool plait__ws_options_are_right(const struct plait_websocket_options *options);

/* Makes a WebSocket over a stream and attaches it. NULL: no memory; then the stream is aborted. */
struct plait_websocket *plait__ws_new(struct plait_stream *s, const struct plait__ws_agreed *agreed,
                                      const struct plait_websocket_handler *handler, void *self) PLAIT_MUST;

/* ws_input.c: takes what it can of the input. */
size_t plait__ws_data(struct plait_stream *s, plait_slice in, void *self);

/* ws.c: the peer broke a rule, or we can't go on: says so with a close frame, and ends the connection. */
void plait__ws_fail(struct plait_websocket *ws, unsigned code, plait_err err, const char *why);
void plait__ws_peer_closes(struct plait_websocket *ws, plait_slice payload);
void plait__ws_pong(struct plait_websocket *ws, plait_slice payload);
void plait__ws_tell_open(struct plait_websocket *ws);

/* ws_stream.c: the handler of a WebSocket that is a stream. `self` is what plait__ws_carrier_new made. */
extern const struct plait_websocket_handler plait__ws_carrier_handler;
struct plait__ws_carrier;
/* `offered`: it is to be a deferred's value. NULL: no memory. */
struct plait__ws_carrier *plait__ws_carrier_new(struct plait_reactor *reactor, bool offered) PLAIT_MUST;
/* It never became one. */
void plait__ws_carrier_drop(struct plait__ws_carrier *carrier);
struct plait_stream *plait__ws_carrier_stream(struct plait__ws_carrier *carrier, struct plait_websocket *ws);
/* Fires with the stream. */
void plait__ws_carrier_fire(struct plait__ws_carrier *carrier, struct plait_websocket *ws, struct plait_deferred *d);

#endif
