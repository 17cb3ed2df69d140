/* SPDX-License-Identifier: MIT
 *
 * The inside of the HTTP server, for this room: what a reactor, a service, a connection and a request hold. A request
 * knows what carries it only while the client is there, and only through a table: an HTTP/1 connection or a stream of
 * an HTTP/2 one.
 */
#ifndef PLAIT_WEB_HTTP_CORE_H
#define PLAIT_WEB_HTTP_CORE_H

#include "base/list.h"
#include "base/slab.h"
#include "engine/core.h"
#include "web/http1_wire.h"

#include <plait/web.h>

/* What a reactor holds for the web; made with the first resource, ends with the reactor. */
struct plait__web {
    struct plait__module module;
    struct plait_reactor *reactor;
    struct plait__slab conns;
    struct plait__slab streams;  /* of HTTP/2 */
    struct plait__h2_shared *h2; /* what its sessions share; made with the first */
    struct plait_request *pool;  /* requests waiting for use */
    size_t pooled;
    struct plait__list live;      /* requests in use */
    struct plait_buf scratch;     /* an answer being composed */
    struct plait_tls_client *tls; /* of fetches that brought none */
    struct plait__slab fetches;
    struct plait_http_client *client; /* plait_http_get's */
    uint8_t *window;                  /* messages of WebSockets are unmasked in it; NULL before the first */
    struct plait_metric connections, connections_two, requests, errors, websockets;
};

/* The reactor's web; NULL when there is no memory. */
struct plait__web *plait__web_of(struct plait_reactor *reactor);
/* Sees to it that there is a window, as large as a stream's. Errors: PLAIT_ENOMEM. */
plait_err plait__web_window(struct plait__web *web) PLAIT_MUST;
/* The TLS context of clients that brought none: one a reactor. Errors: as plait_tls_client_new. */
plait_err plait__web_tls(struct plait_reactor *reactor, struct plait_tls_client **out) PLAIT_MUST;

/* --- services and connections ---------------------------------------------------------------------------------- */

struct plait__http_service {
    struct plait__web *web;
    struct plait_resource *root;
    size_t refs; /* the service itself, its connections and requests */
    struct plait_http_options options;
    plait_time common_until; /* common is right before this time */
    size_t server_len, common_len;
    char common[160]; /* "Server: …" and "Date: …", each with its CRLF */
};

enum {
    PLAIT__HC_KEEP = 1,    /* the connection may go on after the answer under way */
    PLAIT__HC_IN_DATA = 2, /* inside the data callback: it goes on by itself */
    PLAIT__HC_PAUSED = 4,  /* the stream is paused */
    PLAIT__HC_DRAINING = 8,
    PLAIT__HC_EOF = 16,       /* the client ended its side */
    PLAIT__HC_CLOSED = 32,    /* close was asked for */
    PLAIT__HC_LEFTOVER = 64,  /* the stream keeps input that nobody looked at */
    PLAIT__HC_LAST = 256,     /* the client sends nothing behind the request under way */
    PLAIT__HC_STOPPED = 128,  /* the timer is off while the handler thinks */
    PLAIT__HC_UPGRADED = 512, /* the stream speaks another protocol now: only this object is left to go */
    PLAIT__HC_NOT_H2 = 1024,  /* HTTP/2's preface is not looked for */
    PLAIT__HC_BEGUN = 2048,   /* the first bytes were HTTP/1 */
};

struct plait__http_conn {
    struct plait_stream *stream;
    struct plait__http_service *service;
    struct plait_request *req; /* the one being read or answered; NULL on an idle connection */
    struct plait_timer timer;
    uint32_t answered;
    uint32_t flags;
};

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* An answer's head before it is framed. The request holds its other fields, as ready lines, and knows whether a body
 * may follow (no_body). */
struct plait__http_reply {
    int status;
    uint64_t length;  /* of the body, HEAD's too, or PLAIT_LENGTH_UNKNOWN */
    plait_slice type; /* Content-Type, or empty */
    bool dated;       /* the fields have a Date */
};

/* What carries a request. All of it is called only while the client is there; what fails abandons the request by
 * itself (plait__http_break), so that the client is gone when it returns. */
struct plait__http_carrier_ops {
    /* Sends a head; `whole` with all of its body. */
    void (*begin)(struct plait_request *req, const struct plait__http_reply *reply);
    void (*whole)(struct plait_request *req, const struct plait__http_reply *reply, plait_slice body);
    /* Sends a piece of the body (never empty). `take` empties the buffer, `file` releases the range. */
    void (*write)(struct plait_request *req, plait_slice piece);
    void (*take)(struct plait_request *req, struct plait_buf *piece);
    void (*file)(struct plait_request *req, const struct plait_reply_range *range);
    /* The body is complete. */
    void (*end)(struct plait_request *req);
    /* Sends an interim answer with ready lines of fields. */
    void (*interim)(struct plait_request *req, int status, plait_slice fields);
    bool (*is_full)(const struct plait_request *req);
    /* Whether the client offers to go on in another protocol; answers that we do, and gives the connection away. When
     * that fails nothing has happened. */
    bool (*offers)(const struct plait_request *req, const char *protocol);
    plait_err (*upgrade)(struct plait_request *req, const char *protocol, struct plait_stream **out);
    /* Answers CONNECT with 200, and gives the connection, or its stream of HTTP/2, away as above. */
    plait_err (*tunnel)(struct plait_request *req, struct plait_stream **out);
    /* The body is wanted, or wanted again: input that waits is looked at later. */
    void (*wake)(struct plait_request *req);
    /* The answer is complete: takes the request, and goes on to what comes next. */
    void (*answered)(struct plait_request *req);
    /* The request can't be answered any more: ends what carries it, without a word to the request. */
    void (*abandon)(struct plait_request *req, plait_err err, const char *detail);
};

extern const struct plait__http_carrier_ops plait__http1_carrier;

enum plait__http_phase {
    PLAIT__HR_HEAD,     /* the head is being read */
    PLAIT__HR_OPEN,     /* the handler has it; no answer yet */
    PLAIT__HR_BEGUN,    /* the answer's head is written */
    PLAIT__HR_ANSWERED, /* answered; only the rest of its body is thrown away */
};

/* A FRAMED body comes from a carrier that knows its end (body_ending). */
enum plait__http_body { PLAIT__HB_NONE, PLAIT__HB_LENGTH, PLAIT__HB_CHUNKED, PLAIT__HB_FRAMED };

enum {
    PLAIT__HR_INLINE = 1024,   /* bytes of a head kept in the request itself */
    PLAIT__HR_SMALL = 512,     /* bytes for small things of the request's life */
    PLAIT__HR_HELD = 8,        /* dynamic resources on the way */
    PLAIT__HR_FIELDS = 16384,  /* bytes of the answer's fields */
    PLAIT__HR_DISCARD = 65536, /* bytes of an unread body that are thrown away for the connection's sake */
};

struct plait_request {
    struct plait__list link; /* web's live requests */
    struct plait_request *next_free;
    struct plait__web *web;
    struct plait__http_service *service;
    const struct plait__http_carrier_ops *ops;
    void *carrier;               /* NULL: the client has left */
    struct plait_stream *stream; /* the connection, as long as there is a carrier */
    struct plait__inner *inner;  /* a request of our own: what carries it */
    const uint8_t *base;         /* the head's bytes */
    plait_slice path, rest, query, host;
    struct plait_resource *resource;                /* reached so far, or the one that answers */
    uint16_t layer;                                 /* of its layers, the next one */
    bool bare_end;                                  /* the path ended without a slash behind what is reached */
    uint8_t hops;                                   /* how often layers passed it to another resource */
    bool rewritten;                                 /* a layer changed the path */
    bool error_page;                                /* the answer is one of our own error pages */
    bool filtered;                                  /* the answer's body goes through filters */
    bool told;                                      /* filters know of the end */
    bool complete;                                  /* the answer was */
    struct plait__auth_try *auth;                   /* who wants to be let in */
    bool dated;                                     /* the answer's fields have its Date */
    bool as_get;                                    /* one of our resources sent it on to another: GET, no body */
    plait_slice user;                               /* who was authenticated */
    struct plait__http_filter *filters, *filter_at; /* innermost first; the one that is being called */
    struct plait__http_feed *feed;                  /* what waits for the filters */
    uint64_t wire_left;                             /* as reply_left, behind the filters */
    struct plait_resource *held[PLAIT__HR_HELD];
    struct plait__http_block *blocks;
    plait_time began; /* the head was complete */

    uint8_t phase;
    uint8_t body_kind;
    bool body_done;
    bool body_ending;
    bool end_told;
    bool paused;
    bool continue_due; /* the client waits for 100 */
    bool head_only;    /* HEAD */
    bool no_body;      /* the answer has none */
    bool chunked_out;  /* HTTP/1 */
    uint8_t version;   /* 10, 11, 20 */
    uint8_t held_count;
    uint16_t small_used;
    int status;
    uint64_t body_left, body_seen;
    struct plait__http1_chunks chunks;
    plait_body_fn body_fn;
    void *body_ctx;
    plait_time rate_from; /* the body's rate is judged from here */
    uint64_t rate_seen;
    struct plait_buf collected;
    size_t collect_max;
    plait_collect_fn collect_fn;
    void *collect_ctx;
    plait_request_fn gone_fn, room_fn;
    void *gone_ctx, *room_ctx;
    struct plait_soon soon; /* body calls outside of the data callback */

    uint64_t reply_left; /* bytes of the announced length still to be written */
    uint64_t reply_bytes;
    struct plait_buf fields; /* ready lines of the answer */
    struct plait_buf trailers;

    struct plait__http1_head head;
    uint8_t inline_head[PLAIT__HR_INLINE];
    uint8_t small[PLAIT__HR_SMALL];
};

/* http_service.c */
/* A service without the engine's wrapper: one reference, the caller's. Takes the root's. */
struct plait__http_service *plait__http_service_new(struct plait_resource *root,
                                                    const struct plait_http_options *options);
void plait__http_service_unref(struct plait__http_service *service);
/* The lines that every answer has. */
plait_slice plait__http_common(struct plait__http_service *service);
/* Those of an answer: one that was made earlier has a Date of its own. */
plait_slice plait__http_common_of(const struct plait_request *req);

/* http_server.c */
plait_err plait__http_open(struct plait__http_service *service, struct plait_stream *s) PLAIT_MUST;
/* The body is wanted (or wanted again): input that waits is looked at. */
void plait__http_wake(struct plait_request *req);
/* Whether the connection can go on after this request's answer. */
bool plait__http_keeps(const struct plait_request *req);
/* The connection goes on behind a complete answer; or it ends, for its request can't be answered. */
void plait__http1_answered(struct plait_request *req);
void plait__http1_abandon(struct plait_request *req, plait_err err, const char *detail);

/* http2_server.c: HTTP/2 from the connection's first byte on. */
plait_err plait__h2_open(struct plait__http_service *service, struct plait_stream *s) PLAIT_MUST;
/* http2_session.c */
void plait__h2_shared_free(struct plait__web *web);

/* http_request.c */
/* A request that nothing carries yet. */
struct plait_request *plait__request_new(struct plait__http_service *service);
void plait__request_free(struct plait_request *req);
/* Keeps an HTTP/1 head, splits the target. Returns 0 or the status to refuse with. */
int plait__request_begin(struct plait_request *req, const uint8_t *head);
/* A head is in place, and the kind of its body: judges both, splits the target. Returns 0 or a status. */
int plait__request_ready(struct plait_request *req);
/* The client has left: tells the handler, or frees the request when nobody would. */
void plait__request_left(struct plait_request *req);
/* The answer under way is complete, or given up: logs it, and goes on to what comes next. */
void plait__http_answered(struct plait_request *req, bool complete);
/* Ends what carries a request that cannot be answered any more; the request lives on without it. */
void plait__http_break(struct plait_request *req, plait_err err, const char *detail);

/* Has a request that was not answered yet ask for another path and query, with GET; false when that is no target. */
bool plait__request_again(struct plait_request *req, plait_slice target);

/* Whether its method asks for nothing to be done (RFC 9110 section 9.2.1); TRACE never gets this far. */
bool plait__request_is_safe(const struct plait_request *req);
/* Our own address of the client's connection. */
void plait__request_local(const struct plait_request *req, struct plait_address *out);

/* http_input.c: takes body bytes; returns how many. 0 with a body unfinished: they wait. `*refusal` is set to a
 * status when the body is bad. */
size_t plait__request_take(struct plait_request *req, plait_slice in, int *refusal);
/* Whether somebody waits for bytes of the body. */
bool plait__request_wants(const struct plait_request *req);
/* Makes the calls that need no more bytes: the end of a body that is complete. */
void plait__request_pump(struct plait_request *req);

/* http_upgrade.c: answers CONNECT of a client that is there with 200, ends the request and gives its connection away.
 * Errors: PLAIT_ECLOSED, PLAIT_EDRAINING, PLAIT_ENOMEM. */
plait_err plait__request_tunnel(struct plait_request *req, struct plait_stream **out) PLAIT_MUST;
/* http_resource.c: a resource takes CONNECT when it is the root of a service. */
void plait__resource_connect(struct plait_resource *resource);
bool plait__resource_connects(const struct plait_resource *resource);
struct plait_reactor *plait__resource_reactor(const struct plait_resource *resource);
bool plait__resource_failed(const struct plait_resource *resource); /* building it failed */
void plait__resource_fail(struct plait_resource *resource);         /* it did; takes NULL */
/* http_resource.c: finds the resource and its handler; answers by itself where there is none. */
void plait__resource_dispatch(struct plait_request *req);

/* Sends a request through the tree anew, as if it had just come; in a circle it ends in 508. */
void plait__resource_again(struct plait_request *req);

/* http_filter.c. */
/* Shows the head to the filters, innermost first. */
void plait__filters_head(struct plait_request *req, struct plait_reply_head *head);
/* Hands a piece of the body to the innermost filter that wants it. */
void plait__filters_write(struct plait_request *req, plait_slice piece);
/* The body is complete: ends the filters, the answer and the request. */
void plait__filters_end(struct plait_request *req);
/* Lets go of the filters of a request that begins anew, but for the one that hands a request of our own its answer. */
void plait__filters_renew(struct plait_request *req);
/* Tells the filters, once, that the request is over. */
void plait__filters_done(struct plait_request *req);

/* web_form.c: whether a request's Content-Type is this one; `params` is what follows it. */
bool plait__request_type_is(const struct plait_request *req, plait_slice type, plait_slice *params);

/* http_feed.c: what goes through filters in bounded pieces, as fast as the client takes it. */
void plait__feed_write(struct plait_request *req, plait_slice piece);
void plait__feed_file(struct plait_request *req, const struct plait_reply_range *range);
/* The handler is done: the request ends when all went through. */
void plait__feed_end(struct plait_request *req);
bool plait__feed_waits(const struct plait_request *req);
/* Sets the handler's function for room; false when there is no feed. */
bool plait__feed_room(struct plait_request *req, plait_request_fn fn, void *ctx);
void plait__feed_free(struct plait_request *req);

/* http_reply.c: the fields that go with 426 (RFC 9110 section 15.5.22); left out where there is no room. */
void plait__reply_offer_upgrade(struct plait_request *req, const char *protocol);
/* http_reply.c: as plait_reply_field for a name and a value that were judged already; any name. */
plait_err plait__reply_put(struct plait_request *req, plait_slice name, plait_slice value) PLAIT_MUST;
/* http_reply.c: adds the Date of an answer that was made at another time than now. */
plait_err plait__reply_date(struct plait_request *req, int64_t seconds) PLAIT_MUST;
/* http_reply.c: a range of a file as a piece of a body of known length. */
void plait__reply_write_file(struct plait_request *req, const struct plait_reply_range *range);

/* http_range.c: byte ranges (RFC 9110 section 14). */
struct plait__http_range {
    uint64_t from, bytes;
};
enum { PLAIT__HTTP_RANGES = 16 };
/* Reads a Range field for something of `size` bytes. Returns how many ranges, 0 when the field is to be ignored, -1
 * when none can be satisfied (416). */
int plait__http_ranges(plait_slice field, uint64_t size, struct plait__http_range out[PLAIT__HTTP_RANGES]);

/* Reads a Content-Range field (section 14.4). `total` is PLAIT_LENGTH_UNKNOWN where it isn't known; `bytes` is 0 where
 * none was satisfied. */
bool plait__http_content_range(plait_slice field, struct plait__http_range *range, uint64_t *total);

/* web_save.c: a file that may be there in part already, as PATH.part, of so many bytes, changed at that time (seconds
 * since 1970). What is written goes behind them; abort keeps it. Errors: as plait_save_begin. */
plait_err plait__save_continue(struct plait_reactor *reactor, plait_slice path, struct plait_save **out,
                               uint64_t *bytes, int64_t *changed) PLAIT_MUST;
/* Begins it anew: what was written is nothing any more. */
void plait__save_restart(struct plait_save *save);
/* What keeps it from being written by now. */
plait_err plait__save_err(const struct plait_save *save);

/* http_conditional.c: RFC 9110 section 13.2.2. Returns 0 to go on, 304 or 412. */
int plait__http_judge(const struct plait_request *req, plait_slice etag, int64_t modified, int64_t now);
/* Whether If-Range lets a range be served: true without the field. */
bool plait__http_range_holds(const struct plait_request *req, plait_slice etag, int64_t modified, int64_t now);

/* http_mime.c: type by a file's name. */
const char *plait__http_mime(plait_slice name);

/* http_welcome.c */
void plait__http_welcome(struct plait_buf *out, plait_slice listing);
/* The style that all our pages share. */
extern const char plait__http_style[];

/* http_listing.c */
struct plait__http_entry {
    const char *name;
    bool folder;
    uint64_t size;
    int64_t modified;
};
/* Appends a page, or only its table, that lists a folder. `path` is decoded and ends with '/'. */
void plait__http_listing(struct plait_buf *out, plait_slice path, const struct plait__http_entry *entries,
                         size_t count);
void plait__http_table(struct plait_buf *out, plait_slice path, const struct plait__http_entry *entries, size_t count);

#endif
