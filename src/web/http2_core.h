/* SPDX-License-Identifier: MIT
 *
 * The inside of an HTTP/2 connection, for its own files: nghttp2's session, the streams that carry requests or fetches,
 * and what is to be done once the session is not being called. Both sides of HTTP/2 are made of it; what differs is a
 * table, struct plait__h2_side.
 */
#ifndef PLAIT_WEB_HTTP2_CORE_H
#define PLAIT_WEB_HTTP2_CORE_H

#include "base/chain.h"
#include "web/http2_pool.h"
#include "web/http2_wire.h"
#include "web/http_core.h"

enum {
    PLAIT__H2_WINDOW = 1 << 20,   /* bytes of all requests' bodies under way on a connection */
    PLAIT__H2_READING = 1 << 18,  /* window of a stream whose body somebody reads */
    PLAIT__H2_HIGH = 64 * 1024,   /* bytes of a body that wait for its stream's window: is_full */
    PLAIT__H2_LOW = 16 * 1024,    /* `room` comes again */
    PLAIT__H2_OUT_HIGH = 1 << 17, /* marks of the connection's own output: what is urgent must not wait behind more */
    PLAIT__H2_OUT_LOW = 1 << 15,
    PLAIT__H2_TRAILER_MAX = 8192, /* bytes of a trailer section */
    PLAIT__H2_LENT = 256,         /* bytes of a small body kept in its stream */
    PLAIT__H2_TICK_S = 15,        /* how often a connection with streams is looked at */
    PLAIT__H2_LINGER_S = 1,       /* how long a client may send on behind its whole answer */
    PLAIT__H2_EARNS = 4,          /* frames that lead nowhere which a request or its answer makes up for */
};

enum {
    PLAIT__HS_ENDED = 1,      /* the peer said all */
    PLAIT__HS_BEGUN = 2,      /* our head is with the session; a request's: it was written */
    PLAIT__HS_FINAL = 4,      /* our body is complete: what `out` holds is the rest of it */
    PLAIT__HS_DEFERRED = 8,   /* the session waits for more of it */
    PLAIT__HS_FULL = 16,      /* `room` is owed */
    PLAIT__HS_WORK = 32,      /* on the connection's list of work */
    PLAIT__HS_READ = 64,      /* the peer's body is wanted: look at `in` */
    PLAIT__HS_DROPPED = 128,  /* we gave it up: its end is no fault of the peer's */
    PLAIT__HS_TRAILER = 256,  /* the block being read is a trailer section */
    PLAIT__HS_WIDE = 512,     /* its window was raised */
    PLAIT__HS_RESET = 1024,   /* the peer gave it up */
    PLAIT__HS_GONE = 2048,    /* nghttp2 knows it no more; what came of it is still to be taken */
    PLAIT__HS_BROKEN = 4096,  /* there was no memory for its body */
    PLAIT__HS_ANSWER = 8192,  /* the final response's head came */
    PLAIT__HS_ASKS = 16384,   /* the client asks for a WebSocket: an extended CONNECT */
    PLAIT__HS_TUNNEL = 32768, /* a CONNECT: what follows its head is no body; a client's once it is granted */
    PLAIT__HS_SAID = 65536,   /* our side has ended, and the peer's had not */
    PLAIT__HS_EARLY = 131072, /* a client's, not begun: what its server allows is to be looked at */
};

/* A range of a file that a stream sends, held until all of it has left. */
struct plait__h2_file {
    struct plait__h2_file *next;
    struct plait__h2_stream *stream; /* as long as it is in its chain */
    size_t refs;
    plait_call_fn released;
    void *ctx;
};

struct plait__client_conn;
struct plait__client_exchange;
struct plait__h2_tunnel;

/* A stream of HTTP/2. Invariant: `req` or `x` is NULL once it is over or given up; the stream lives until nghttp2
 * closes it, and a client's as long as its exchange waits for what has come. */
struct plait__h2_stream {
    struct plait__list link; /* connection's streams */
    struct plait__list work;
    struct plait__h2_conn *conn;
    union {
        struct plait_request *req;        /* of a server */
        struct plait__client_exchange *x; /* of a client */
    };
    struct plait__h2_tunnel *tunnel; /* what it has become; NULL: none */
    int32_t id;
    uint32_t flags;
    int refusal;   /* why the head is not taken: a status, PLAIT__H2_MALFORMED, or 0 */
    uint32_t list; /* bytes of the fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    uint8_t *head; /* where the head is being put together */
    uint32_t head_len, head_cap;
    struct plait_timer timer; /* the body is silent; or is not wanted any more */
    plait_time moved;         /* when our body last went on */
    plait_span stall;         /* how long it may wait for a window */
    struct plait_buf in;      /* of the peer's body, until somebody wants it */
    struct plait_buf trailer; /* ready lines that go behind our body */
    struct plait__h2_file *files, **files_last;
    struct plait__chain out; /* of our body */
    _Alignas(8) uint8_t lent[PLAIT__H2_LENT];
};

enum { PLAIT__H2_MALFORMED = -1 };

enum {
    PLAIT__HX_BUSY = 1,     /* what is due is being done: nothing needs to be queued */
    PLAIT__HX_DRAINING = 2, /* the first GOAWAY is out */
    PLAIT__HX_LAST = 4,     /* the second is: no new streams */
    PLAIT__HX_CLOSED = 8,   /* close or abort was asked for */
    PLAIT__HX_EOF = 16,     /* the client ended its side */
    PLAIT__HX_ACTIVE = 32,  /* there were streams since it was last idle */
    PLAIT__HX_PINGED = 64,  /* an answer to a PING of ours is due */
    PLAIT__HX_TOLD = 256,   /* the server's settings have come */
    PLAIT__HX_LOST = 128,   /* the stream is gone; what has come of responses is still to be taken */
};

/* What is another matter on a server than on a client. None may be NULL but where it says so. */
struct plait__h2_side {
    /* A block of fields begins on a stream that has none of our making. NULL on a client, where there is no such. */
    int (*open)(struct plait__h2_conn *conn, int32_t id);
    /* Makes room for a head of `bytes`, the old one with it. NULL: no memory. */
    uint8_t *(*grow)(struct plait__h2_stream *st, size_t bytes);
    void (*field)(struct plait__h2_stream *st, plait_slice name, plait_slice value);
    /* A field of a trailer section; NULL: it is dropped. */
    void (*trailer)(struct plait__h2_stream *st, plait_slice name, plait_slice value);
    /* A head is complete. A piece of the body, or its end (HS_ENDED is set). */
    void (*head)(struct plait__h2_stream *st);
    void (*data)(struct plait__h2_stream *st, plait_slice piece);
    void (*end)(struct plait__h2_stream *st);
    /* Another frame came. One of ours left. */
    void (*heard)(struct plait__h2_conn *conn, const nghttp2_frame *frame);
    int (*sent)(struct plait__h2_conn *conn, const nghttp2_frame *frame);
    /* nghttp2 closes a stream. */
    void (*closed)(struct plait__h2_stream *st, uint32_t code);
    /* Does what a stream on the list of work has to do. */
    void (*work)(struct plait__h2_stream *st);
    /* Nothing is left to do for now. */
    void (*settled)(struct plait__h2_conn *conn);
    /* The connection takes no more, for it ends. */
    void (*ends)(struct plait__h2_conn *conn);
    /* A body of ours found no window for too long. */
    void (*stalled)(struct plait__h2_stream *st);
    /* Whether frames are judged by which streams the peer has ended. */
    bool judges;
    size_t window; /* of a stream that has become a tunnel */
};

struct plait__h2_conn {
    struct plait_stream *stream;
    const struct plait__h2_side *side;
    struct plait__web *web;
    union {
        struct plait__http_service *service; /* of a server */
        struct plait__client_conn *client;   /* of a client */
    };
    nghttp2_session *session;
    struct plait__h2_stream *reading; /* its head is being put together */
    struct plait__list streams;
    struct plait__list work; /* streams with something to do */
    size_t count;            /* of streams */
    size_t requests;
    uint32_t flags;
    plait_err fault; /* why it ends */
    const char *why;
    plait_time moved;           /* when DATA last went out */
    plait_time heard;           /* when bytes last came */
    plait_span whole;           /* how long a frame or a block of fields may take to come whole */
    size_t flood_max;           /* frames at once that lead nowhere */
    size_t stream_max;          /* a client's streams at once */
    struct plait_timer timer;   /* idle; the bodies that don't go on */
    struct plait_timer partial; /* the preface, a frame or a block of fields is not complete */
    struct plait_soon soon;
    struct plait__h2_bucket resets, floods;
    struct plait__h2_watch watch;
    struct plait__h2_pool pool;
};

/* http2_session.c */
/* Makes the connection's session: a server's says the settings given. Errors: PLAIT_ENOMEM. */
plait_err plait__h2_session_new(struct plait__h2_conn *conn, bool server, const nghttp2_settings_entry *settings,
                                size_t count, int32_t window) PLAIT_MUST;
/* Ends a stream now; its request, if it has one, hears nothing. */
void plait__h2_reset(struct plait__h2_stream *st, uint32_t code);
/* A frame of a stream left: a peer that still sends once all is said is told that nobody listens, unless a tunnel's
 * other side goes on; a request has a moment to come to its end before, which may be wrong. Returns what nghttp2 is to
 * hear. */
int plait__h2_said(struct plait__h2_stream *st, const nghttp2_frame *frame);

/* http2_conn.c */
/* Fills a connection that is all zero, and ends it; streams must have gone before. */
void plait__h2_conn_init(struct plait__h2_conn *conn, struct plait__web *web, struct plait_stream *s,
                         const struct plait__h2_side *side);
void plait__h2_conn_deinit(struct plait__h2_conn *conn);
/* Fills a stream that is of the slab's, and takes it off its connection's books. */
void plait__h2_stream_init(struct plait__h2_stream *st, struct plait__h2_conn *conn, int32_t id);
void plait__h2_stream_deinit(struct plait__h2_stream *st);
/* Has the connection do what is due, in a later step; or now. */
void plait__h2_touch(struct plait__h2_conn *conn);
void plait__h2_go_on(struct plait__h2_conn *conn);
/* Puts a stream on the list of work. */
void plait__h2_work(struct plait__h2_stream *st, uint32_t flag);
/* Ends the connection where nghttp2 could not do as it was told: there was no memory. */
void plait__h2_must(struct plait__h2_conn *conn, int rv);
/* Ends the connection with a GOAWAY; at once; or just makes it say and do nothing more. */
void plait__h2_fail(struct plait__h2_conn *conn, uint32_t code, plait_err err, const char *why);
void plait__h2_abort(struct plait__h2_conn *conn, plait_err err, const char *why);
void plait__h2_quiet(struct plait__h2_conn *conn);
/* A frame that led nowhere came. */
void plait__h2_count_flood(struct plait__h2_conn *conn);
/* Gives up streams whose bodies find no window. */
void plait__h2_end_stalled(struct plait__h2_conn *conn);
/* Arms a timer, or stops it for PLAIT_NEVER. */
void plait__h2_arm(struct plait_timer *timer, plait_span span);
/* Callbacks of the protocol. */
size_t plait__h2_on_data(struct plait_stream *s, plait_slice in, void *self);
void plait__h2_on_room(struct plait_stream *s, void *self);

/* http2_fields.c */
/* A field that is not copied as to its name. The status as three digits. */
nghttp2_nv plait__h2_field(plait_slice name, plait_slice value);
nghttp2_nv plait__h2_status(int status, char digits[3]);
/* Splits ready lines into fields, their names in lower case in place; what only HTTP/1 knows is left out. Returns how
 * many; with `out` NULL only counts. */
size_t plait__h2_split(uint8_t *at, size_t len, nghttp2_nv *out);
/* Puts bytes behind what a stream's head has; the head is refused when there is no room, and false returned. */
bool plait__h2_head_put(struct plait__h2_stream *st, plait_slice bytes, uint16_t *at, uint16_t *len);
bool plait__h2_head_room(struct plait__h2_stream *st, size_t bytes);
/* The first reason stays. */
void plait__h2_head_refuse(struct plait__h2_stream *st, int why);

/* http2_server.c */
/* An unanswered stream ended: too many of them are an attack. */
void plait__h2_count_reset(struct plait__h2_conn *conn);
void plait__h2_count_request(struct plait__h2_conn *conn);

/* http2_request.c */
struct plait__h2_stream *plait__h2_request_new(struct plait__h2_conn *conn, int32_t id);
/* Frees a stream; its request is told that the client has left. */
void plait__h2_request_free(struct plait__h2_stream *st);
uint8_t *plait__h2_request_grow(struct plait__h2_stream *st, size_t bytes);
void plait__h2_take_field(struct plait__h2_stream *st, plait_slice name, plait_slice value);
/* The head is complete: the handler runs, or the request is refused. */
void plait__h2_begin(struct plait__h2_stream *st);
/* A piece of the body, or its end. */
void plait__h2_take_data(struct plait__h2_stream *st, plait_slice piece);
void plait__h2_take_end(struct plait__h2_stream *st);
/* Looks at the body that waits. */
void plait__h2_read_on(struct plait__h2_stream *st);
/* The first who reads a body gets a window that is worth the way to the client and back. */
void plait__h2_widen(struct plait__h2_stream *st);
void plait__h2_wake(struct plait_request *req);
/* The client has closed its side: a body that is not whole breaks off, a handler that asked is told. */
void plait__h2_client_said_all(struct plait__h2_stream *st);
/* Ends a stream whose answer can't be sent. */
void plait__h2_give_up(struct plait__h2_stream *st);

/* http2_reply.c */
extern const struct plait__http_carrier_ops plait__h2_carrier;
/* Answers a stream that has no request with a status and its sentence. */
void plait__h2_refuse(struct plait__h2_stream *st, int status, bool is_head);

/* http2_tunnel.c */
/* Makes what is to carry a tunnel's stream, with what came of its bytes already. Errors: PLAIT_ENOMEM. */
plait_err plait__h2_tunnel_new(struct plait__h2_stream *st, struct plait__h2_tunnel **out) PLAIT_MUST;
void plait__h2_tunnel_free(struct plait__h2_tunnel *tunnel);
/* The tunnel is there: the client was told. Returns its stream, which frees it. */
struct plait_stream *plait__h2_tunnel_begin(struct plait__h2_tunnel *tunnel, struct plait__h2_stream *st);
/* Bytes came, the client's side ended, there is room for output, the stream of HTTP/2 is no more. */
void plait__h2_tunnel_data(struct plait__h2_tunnel *tunnel, plait_slice piece);
void plait__h2_tunnel_end(struct plait__h2_tunnel *tunnel);
void plait__h2_tunnel_room(struct plait__h2_tunnel *tunnel);
void plait__h2_tunnel_gone(struct plait__h2_tunnel *tunnel);

/* http2_body.c */
/* Puts a piece, a buffer's content or a range of a file behind a stream's body; a range that is refused is released.
 * Errors: PLAIT_ENOMEM, and then nothing was. */
plait_err plait__h2_body_put(struct plait__h2_stream *st, plait_slice piece) PLAIT_MUST;
plait_err plait__h2_body_take(struct plait__h2_stream *st, struct plait_buf *piece) PLAIT_MUST;
plait_err plait__h2_body_file(struct plait__h2_stream *st, const struct plait_reply_range *range) PLAIT_MUST;
/* The body is complete. */
void plait__h2_body_end(struct plait__h2_stream *st);
/* nghttp2's callbacks for a body: how much there is, and sending it behind a frame's head. */
ssize_t plait__h2_body_ready(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                             nghttp2_data_source *source, void *ctx);
int plait__h2_body_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *ctx);

#endif
