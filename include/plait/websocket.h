/* SPDX-License-Identifier: MIT
 *
 * WebSockets, both sides: messages of text and bytes over a connection that began as an HTTP request. Pings, the close
 * handshake, masks, UTF-8 and compression are seen to.
 *
 * Per WebSocket the callbacks come in this order: `open`, then `message` or `piece`, `pong`, `room` in any number,
 * `closing` at most once, `lost` exactly once and last. After plait_websocket_close no message comes. No callback runs
 * inside a call that the user made.
 */
#ifndef PLAIT_WEBSOCKET_H
#define PLAIT_WEBSOCKET_H

#include <plait/http.h>
#include <plait/http_client.h>

PLAIT_BEGIN

struct plait_websocket;

enum plait_websocket_kind { PLAIT_WEBSOCKET_TEXT = 1, PLAIT_WEBSOCKET_BINARY = 2 };

/* What a user of a WebSocket implements. NULL members do nothing. */
struct plait_websocket_handler {
    const char *name; /* static; in logs and metrics */

    /* The handshake is complete. Not called when the connection is lost before. */
    void (*open)(struct plait_websocket *ws, void *self);

    /* A whole message, lent for the call. Text is UTF-8. */
    void (*message)(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice message, void *self);

    /* Instead of `message`: messages come in pieces as they arrive, of any length together; `end` with the last, which
     * may be empty. Text is checked as it comes, so a character may be cut between two pieces. */
    void (*piece)(struct plait_websocket *ws, enum plait_websocket_kind kind, plait_slice piece, bool end, void *self);

    /* The peer answered a ping, or sent a pong of its own. */
    void (*pong)(struct plait_websocket *ws, plait_slice payload, void *self);

    /* Output fell to the low-water mark after it stood above the high one. */
    void (*room)(struct plait_websocket *ws, void *self);

    /* The peer asked for the end, or agreed to ours: 1005 when it gave no code. The answer is sent already. */
    void (*closing)(struct plait_websocket *ws, unsigned code, plait_slice reason, void *self);

    /* It is over: PLAIT_OK after an end that the own side asked for, PLAIT_EEOF after the peer's, PLAIT_ETRUNCATED when
     * the connection ended without a close handshake, PLAIT_EPROTOCOL, PLAIT_EMALFORMED (no UTF-8, not compressed as
     * agreed), PLAIT_ETOOLONG, PLAIT_ETIMEDOUT … The pointer is invalid once this returns. */
    void (*lost)(struct plait_websocket *ws, const struct plait_fault *fault, void *self);
};

/* The zero value of every member is its default; PLAIT_NEVER and SIZE_MAX take a limit off. All is borrowed for the
 * call, but for the protocols, which are static. */
struct plait_websocket_options {
    /* Bytes of a message, decompressed; 1 MiB. Not for pieces. What a server takes at once is bounded by its listener
     * too: a message needs up to three times its bytes of memory_per_connection (struct plait_limits). */
    size_t message_max;
    plait_span ping_interval;     /* silence after which the peer is pinged; 30 s */
    plait_span ping_timeout;      /* how long it may take to say anything after that; 20 s */
    plait_span close_timeout;     /* how long it may take to agree to the end; 5 s */
    const char *const *protocols; /* subprotocols, the best first, with a NULL behind the last; NULL: none */
    /* A server's: pages that may connect, such as "https://example.org", with a NULL behind the last; "*" takes any.
     * NULL: pages of the server's own host. Programs that are no browser send no Origin, and may always. */
    const char *const *origins;
    bool no_deflate;      /* don't compress */
    bool deflate_forget;  /* compress each message for itself: less memory held, larger messages */
    uint8_t deflate_bits; /* largest window as a power of two, 9 to 15; 12 */
    size_t deflate_min;   /* shorter messages are not compressed; 128 bytes */
    /* A client's: */
    const struct plait_http_field *fields; /* more fields of the request */
    size_t field_count;
    plait_span timeout;                   /* for connecting and the handshake together; 30 s */
    struct plait_connect_options connect; /* family, source, TLS context … */
    /* Over this client's connections: several share one of HTTP/2 where the server takes that (RFC 8441), else each
     * becomes one of HTTP/1.1. Must live until it is open. NULL: over a connection of its own, by HTTP/1.1. */
    struct plait_http_client *client;
    /* With a client: what may be spoken. PLAIT_HTTP_ANY: over TLS as the server chooses; in the clear HTTP/1.1.
     * PLAIT_HTTP_2: nothing else, in the clear by prior knowledge. */
    enum plait_http_version version;
    void *reserved[4];
};

/** Turns a request into a WebSocket, of HTTP/1.1 or of HTTP/2. What is no handshake, or comes from a page that may not,
 * is refused: then the request is answered with 400, 403, 405, 426 or 503 and over, as after success. `options` and
 * `out` may be NULL. Errors: PLAIT_EMALFORMED (no handshake), PLAIT_EFORBIDDEN (Origin), PLAIT_EINVAL (options),
 * PLAIT_ENOMEM, and as plait_request_upgrade. Ownership: `handler` is static, `self` the caller's until `lost`; the
 * WebSocket is the reactor's. Callbacks: the handler's, in later turns. Source: RFC 6455 section 4.2, RFC 7692, RFC
 * 8441. */
PLAIT_API plait_err plait_websocket_accept(struct plait_request *req, const struct plait_websocket_options *options,
                                           const struct plait_websocket_handler *handler, void *self,
                                           struct plait_websocket **out);

/** Turns a request into a stream whose bytes are a WebSocket's messages: what is written goes as binary messages, and
 * what comes, in messages of any kind, is one flow. Refusals and errors: as plait_websocket_accept. Ownership: the
 * stream is the reactor's; attach a protocol to it at once. */
PLAIT_API plait_err plait_websocket_accept_stream(struct plait_request *req,
                                                  const struct plait_websocket_options *options,
                                                  struct plait_stream **out) PLAIT_MUST;

/** Connects to "ws://…" or "wss://…". Fires with struct plait_websocket (value.ptr) when it is open; the handler's
 * `open` is called then, and `lost` only after that. Redirects are not followed. Errors: PLAIT_EINVAL (URL, a field, an
 * option), PLAIT_EUNSUPPORTED (another scheme; only HTTP/2 may be spoken, and the server takes no WebSocket
 * there), PLAIT_ELIMIT (too many wait at the client), PLAIT_EREPLY (another status, in fault.detail), PLAIT_EPROTOCOL
 * (a handshake that is not ours), PLAIT_EMALFORMED, PLAIT_ETRUNCATED, PLAIT_ETOOLONG, PLAIT_ETIMEDOUT,
 * PLAIT_ECANCELLED, plait_connect_host's. Ownership: as plait_deferred_new; cancelling ends a connection that is not
 * open yet. `handler` is static. Callbacks: the handler's, in later turns. Source: RFC 6455 section 4.1, RFC 8441. */
PLAIT_API struct plait_deferred *plait_websocket_connect(struct plait_reactor *reactor, const char *url,
                                                         const struct plait_websocket_options *options,
                                                         const struct plait_websocket_handler *handler, void *self)
    PLAIT_MUST;

/** As plait_websocket_connect; fires with a stream (value.ptr), as plait_websocket_accept_stream makes it. Errors: as
 * there. Ownership: attach a protocol to it inside the first callback, or it is aborted a moment later. */
PLAIT_API struct plait_deferred *plait_websocket_connect_stream(struct plait_reactor *reactor, const char *url,
                                                                const struct plait_websocket_options *options)
    PLAIT_MUST;

/** Sends a message. Errors: PLAIT_EINVAL (text that is no UTF-8), PLAIT_ESTATE (closing, or a message in parts is under
 * way); what fails later arrives as `lost`. */
PLAIT_API plait_err plait_websocket_send(struct plait_websocket *ws, enum plait_websocket_kind kind,
                                         plait_slice message);

/** Sends a message part by part; `last` ends it. Parts may cut a text's characters. Errors: as plait_websocket_send;
 * PLAIT_EINVAL (another kind than the first part's). */
PLAIT_API plait_err plait_websocket_send_part(struct plait_websocket *ws, enum plait_websocket_kind kind,
                                              plait_slice part, bool last);

/** Sends a ping of at most 125 bytes. Errors: PLAIT_EINVAL, PLAIT_ESTATE (closing). */
PLAIT_API plait_err plait_websocket_ping(struct plait_websocket *ws, plait_slice payload);

/** Asks the peer for the end: 1000 for a good one, 0 for no code; the reason is text of at most 123 bytes. A second
 * call does nothing. Never allocates. Errors: PLAIT_EINVAL (a code that may not be sent, the reason; nothing happens).
 * Callbacks: `lost` later. Source: RFC 6455 section 7. */
PLAIT_API plait_err plait_websocket_close(struct plait_websocket *ws, unsigned code, plait_slice reason);

/** Ends it now, without a word. Never allocates. Callbacks: `lost` later in the turn. */
PLAIT_API void plait_websocket_abort(struct plait_websocket *ws);

/** Whether output stands above the high-water mark and `room` is still to come. */
PLAIT_API bool plait_websocket_is_full(const struct plait_websocket *ws);

/** Stops messages until plait_websocket_resume; the peer is slowed by its own backpressure. */
PLAIT_API void plait_websocket_pause(struct plait_websocket *ws);

/** Goes on, later in the turn. */
PLAIT_API void plait_websocket_resume(struct plait_websocket *ws);

/** Subprotocol that was agreed on, one of the options' texts, or NULL. Ownership: static. */
PLAIT_API const char *plait_websocket_protocol(const struct plait_websocket *ws);

/** Code of the peer's close frame: 1005 when it had none, 1006 while none came. */
PLAIT_API unsigned plait_websocket_code(const struct plait_websocket *ws);

/** Stream below, for what it can be asked: addresses, TLS, marks, counts. Writing to it breaks the framing. Ownership:
 * borrowed until `lost` returns. */
PLAIT_API struct plait_stream *plait_websocket_stream(struct plait_websocket *ws);

PLAIT_END
#endif
