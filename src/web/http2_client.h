/* SPDX-License-Identifier: MIT
 *
 * The client's end of HTTP/2, for its own files: the connection, its streams, and those that become WebSockets.
 */
#ifndef PLAIT_WEB_HTTP2_CLIENT_H
#define PLAIT_WEB_HTTP2_CLIENT_H

#include "web/http2_core.h"
#include "web/http_client_core.h"

enum {
    PLAIT__H2_CLIENT_WINDOW = 1 << 20, /* of a stream; what comes for a fetch that is paused waits in memory */
};

/* http2_response.c */
/* Begins a stream for an exchange: its head goes to the session. Errors: PLAIT_ENOMEM. */
plait_err plait__h2_request_begin(struct plait__h2_conn *conn, struct plait__client_exchange *x) PLAIT_MUST;
/* Frees a stream, which has no exchange any more. */
void plait__h2_client_stream_free(struct plait__h2_stream *st);
/* Parts a stream and its exchange, which hears nothing by that. */
struct plait__client_exchange *plait__h2_part(struct plait__h2_stream *st);
/* The exchange fails; a stream that nghttp2 knows is reset. */
void plait__h2_fail_exchange(struct plait__h2_stream *st, plait_err err, const char *detail);
/* Has a stream's request go to the session. Errors: PLAIT_ENOMEM. */
plait_err plait__h2_request_submit(struct plait__h2_stream *st) PLAIT_MUST;
/* Callbacks of struct plait__h2_side. */
uint8_t *plait__h2_response_grow(struct plait__h2_stream *st, size_t bytes);
void plait__h2_response_field(struct plait__h2_stream *st, plait_slice name, plait_slice value);
void plait__h2_response_trailer(struct plait__h2_stream *st, plait_slice name, plait_slice value);
void plait__h2_response_head(struct plait__h2_stream *st);
void plait__h2_response_data(struct plait__h2_stream *st, plait_slice piece);
void plait__h2_response_end(struct plait__h2_stream *st);
void plait__h2_response_closed(struct plait__h2_stream *st, uint32_t code);
void plait__h2_response_work(struct plait__h2_stream *st);

/* http2_ask.c */
/* The exchange of a stream that has just begun asks for a WebSocket: it goes to the session as soon as may be. */
void plait__h2_ask(struct plait__h2_stream *st);
/* The server's settings came: those that wait for them are looked at. */
void plait__h2_settings_came(struct plait__h2_conn *conn);
/* Looks whether the server takes what a stream is to ask for. */
void plait__h2_look_up(struct plait__h2_stream *st);
/* The server said yes, with fields at `base`: the exchange has a stream of it. */
void plait__h2_grant(struct plait__h2_stream *st, const uint8_t *base);
/* A stream without an exchange: it may be a tunnel. What it has to do; nghttp2 closes it; the connection is lost. */
void plait__h2_rest_work(struct plait__h2_stream *st);
void plait__h2_rest_closed(struct plait__h2_stream *st, uint32_t code);
void plait__h2_rest_lost(struct plait__h2_stream *st);

/* http2_client.c: an exchange is off the connection, which may take another now, or is over itself. */
void plait__h2_released(struct plait__h2_conn *conn);

#endif
