/* SPDX-License-Identifier: MIT
 *
 * The inside of an HTTP/2 server connection, for its own files: nghttp2's session, the streams that carry requests,
 * and what is to be done once the session is not being called.
 */
#ifndef PLAIT_WEB_HTTP2_CORE_H
#define PLAIT_WEB_HTTP2_CORE_H

#include "base/chain.h"
#include "web/http2_pool.h"
#include "web/http2_wire.h"
#include "web/http_core.h"

enum {
    PLAIT__H2_WINDOW = 1 << 20,   /* bytes of all bodies under way on a connection */
    PLAIT__H2_READING = 1 << 18,  /* window of a stream whose body somebody reads */
    PLAIT__H2_HIGH = 64 * 1024,   /* bytes of an answer that wait for its stream's window: is_full */
    PLAIT__H2_LOW = 16 * 1024,    /* `room` comes again */
    PLAIT__H2_OUT_HIGH = 1 << 17, /* marks of the connection's own output: what is urgent must not wait behind more */
    PLAIT__H2_OUT_LOW = 1 << 15,
    PLAIT__H2_TRAILER_MAX = 8192, /* bytes of a trailer section */
    PLAIT__H2_LENT = 256,         /* bytes of a small answer kept in its stream */
};

enum {
    PLAIT__HS_ENDED = 1,     /* the client said all */
    PLAIT__HS_BEGUN = 2,     /* the answer's head is with the session */
    PLAIT__HS_FINAL = 4,     /* the answer is complete: what `out` holds is the rest of it */
    PLAIT__HS_DEFERRED = 8,  /* the session waits for more of the body */
    PLAIT__HS_FULL = 16,     /* `room` is owed */
    PLAIT__HS_WORK = 32,     /* on the connection's list of work */
    PLAIT__HS_READ = 64,     /* the body is wanted: look at `in` */
    PLAIT__HS_DROPPED = 128, /* we gave it up: its end is no fault of the client's */
    PLAIT__HS_TRAILER = 256, /* the block being read is a trailer section */
    PLAIT__HS_WIDE = 512,    /* its window was raised */
};

/* A range of a file that a stream sends, held until all of it has left. */
struct plait__h2_file {
    struct plait__h2_file *next;
    struct plait__h2_stream *stream; /* as long as it is in its chain */
    size_t refs;
    plait_call_fn released;
    void *ctx;
};

/* A stream of HTTP/2. Invariant: `req` is NULL once it is answered or given up; the stream lives until nghttp2 closes
 * it. */
struct plait__h2_stream {
    struct plait__list link; /* connection's streams */
    struct plait__list work;
    struct plait__h2_conn *conn;
    struct plait_request *req;
    int32_t id;
    uint32_t flags;
    int refusal;   /* status to refuse the head with, or 0 */
    uint32_t list; /* bytes of the fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    uint8_t *head; /* where the head is being put together */
    uint32_t head_len, head_cap;
    struct plait_timer timer; /* the body is silent */
    plait_time moved;         /* when the answer last went on */
    struct plait_buf in;      /* of the body, until somebody wants it */
    struct plait__h2_file *files, **files_last;
    struct plait__chain out; /* of the answer's body */
    _Alignas(8) uint8_t lent[PLAIT__H2_LENT];
};

enum {
    PLAIT__HX_BUSY = 1,     /* what is due is being done: nothing needs to be queued */
    PLAIT__HX_DRAINING = 2, /* the first GOAWAY is out */
    PLAIT__HX_LAST = 4,     /* the second is: no new streams */
    PLAIT__HX_CLOSED = 8,   /* close or abort was asked for */
    PLAIT__HX_EOF = 16,     /* the client ended its side */
    PLAIT__HX_ACTIVE = 32,  /* there were streams since it was last idle */
};

struct plait__h2_conn {
    struct plait_stream *stream;
    struct plait__http_service *service;
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
    struct plait_timer timer;   /* idle; the answers that don't go on */
    struct plait_timer partial; /* the preface, a frame or a block of fields is not complete */
    struct plait_soon soon;
    struct plait__h2_bucket resets, floods;
    struct plait__h2_watch watch;
    struct plait__h2_pool pool;
};

/* http2_session.c */
/* Makes the connection's session and says our settings. Errors: PLAIT_ENOMEM. */
plait_err plait__h2_session_new(struct plait__h2_conn *conn) PLAIT_MUST;
/* Ends a stream now; its request, if it has one, hears nothing. */
void plait__h2_reset(struct plait__h2_stream *st, uint32_t code);

/* http2_server.c */
/* Has the connection do what is due, in a later step. */
void plait__h2_touch(struct plait__h2_conn *conn);
/* Puts a stream on the list of work. */
void plait__h2_work(struct plait__h2_stream *st, uint32_t flag);
/* Ends the connection where nghttp2 could not do as it was told: there was no memory. */
void plait__h2_must(struct plait__h2_conn *conn, int rv);
/* Ends the connection with a GOAWAY. */
void plait__h2_fail(struct plait__h2_conn *conn, uint32_t code, plait_err err, const char *why);
/* An unanswered stream ended: too many of them are an attack. A frame that led nowhere: likewise. */
void plait__h2_count_reset(struct plait__h2_conn *conn);
void plait__h2_count_flood(struct plait__h2_conn *conn);
void plait__h2_count_request(struct plait__h2_conn *conn);
/* The client has heard that the connection drains. */
void plait__h2_drained(struct plait__h2_conn *conn);
/* Arms a timer, or stops it for PLAIT_NEVER. */
void plait__h2_arm(struct plait_timer *timer, plait_span span);

/* http2_request.c */
struct plait__h2_stream *plait__h2_stream_new(struct plait__h2_conn *conn, int32_t id);
/* Frees a stream; its request is told that the client has left. */
void plait__h2_stream_free(struct plait__h2_stream *st);
void plait__h2_take_field(struct plait__h2_stream *st, plait_slice name, plait_slice value);
/* The head is complete: the handler runs, or the request is refused. */
void plait__h2_begin(struct plait__h2_stream *st);
/* A piece of the body, or its end. */
void plait__h2_take_data(struct plait__h2_stream *st, plait_slice piece);
void plait__h2_take_end(struct plait__h2_stream *st);
/* Looks at the body that waits. */
void plait__h2_read_on(struct plait__h2_stream *st);
void plait__h2_wake(struct plait_request *req);
/* The client has closed its side: a body that is not whole breaks off, a handler that asked is told. */
void plait__h2_client_said_all(struct plait__h2_stream *st);
/* Ends a stream whose answer can't be sent. */
void plait__h2_give_up(struct plait__h2_stream *st);

/* http2_reply.c */
extern const struct plait__http_carrier_ops plait__h2_carrier;
/* Answers a stream that has no request with a status and its sentence. */
void plait__h2_refuse(struct plait__h2_stream *st, int status, bool is_head);
/* nghttp2's callbacks for the body of an answer: how much there is, and sending it behind a frame's head. */
ssize_t plait__h2_body_ready(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                             nghttp2_data_source *source, void *ctx);
int plait__h2_body_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                        nghttp2_data_source *source, void *ctx);

#endif
