/* SPDX-License-Identifier: MIT
 *
 * The inside of the client, for this room.
 *
 * A fetch is what a caller asked for. It makes one exchange after the other: the request, and again for a redirect or a
 * retry. An exchange waits at its origin until a connection takes it. A connection goes to one origin, and `room` is
 * how many more exchanges it can take at this moment: one that speaks HTTP/1 has room for one, and one that carries
 * several at once (HTTP/2) for as many as its peer allows. The pool knows nothing else of a protocol: it hands an
 * exchange to a connection with room, and is told when room came back or the connection takes no more.
 */
#ifndef PLAIT_WEB_HTTP_CLIENT_CORE_H
#define PLAIT_WEB_HTTP_CLIENT_CORE_H

#include "base/list.h"
#include "base/table.h"
#include "web/http1_wire.h"

#include <plait/cookies.h>
#include <plait/http_client.h>

/* --- credentials (http_client_auth.c); no stream, no clock -------------------------------------------------------- */

enum { PLAIT__CNONCE_BYTES = 16 };

/* A user's name and password, and how a server or a proxy wants them. All zero is nobody. */
struct plait__client_auth {
    char *user, *password; /* counted memory; NULL: there are none */
    bool at_once;          /* Basic, without being asked */
    bool digest_only;      /* the password itself is never sent */
    bool basic, digest;    /* what was asked for; Digest as follows */
    bool md5, session, user_hash, has_qop, has_opaque, has_algorithm;
    uint8_t asked;            /* challenges that were taken */
    struct plait_buf texts;   /* realm, nonce and opaque as they came, one behind the other */
    plait_slice field[3];     /* where they are */
    struct plait_buf cleared; /* realm and nonce without escapes, for hashing */
    plait_slice clear[2];
    uint32_t count; /* requests with this nonce */
};

/* Keeps copies. Errors: PLAIT_EINVAL (a control character; a colon in the name), PLAIT_ENOMEM. */
plait_err plait__client_auth_init(struct plait__client_auth *auth, struct plait_budget *budget, plait_slice user,
                                  plait_slice password) PLAIT_MUST;
void plait__client_auth_deinit(struct plait__client_auth *auth);
/* The same from a URL's text before its '@', sent as Basic at once; nobody where there is none. Errors: as init. */
plait_err plait__client_auth_of_url(struct plait__client_auth *auth, struct plait_budget *budget,
                                    const struct plait_url *url) PLAIT_MUST;
/* The same from another, without what it was asked. Errors: PLAIT_ENOMEM. */
plait_err plait__client_auth_copy(struct plait__client_auth *auth, struct plait_budget *budget,
                                  const struct plait__client_auth *from) PLAIT_MUST;
/* Takes challenges, a list. Returns whether a request with credentials may do what one without, or the last one, did
 * not. */
bool plait__client_auth_take(struct plait__client_auth *auth, plait_slice challenges);
/* Takes those of a head's fields of a name. */
bool plait__client_auth_asked(struct plait__client_auth *auth, struct plait_budget *budget,
                              const struct plait__http1_head *head, const uint8_t *base, const char *name);
/* Writes the field if it is to be sent by now. `cnonce` is random. Errors: PLAIT_ENOMEM, in `out` too. */
plait_err plait__client_auth_write(struct plait__client_auth *auth, struct plait_buf *out, const char *field,
                                   plait_slice method, plait_slice uri, const uint8_t cnonce[PLAIT__CNONCE_BYTES])
    PLAIT_MUST;

/* --- the text of a request (http_client_text.c); no stream, no clock --------------------------------------------- */

/* A request's text with what is needed to make it again for another URL. */
struct plait__fetch_text {
    struct plait_budget *budget;
    plait_slice url; /* current; `parsed` borrows it */
    struct plait_url parsed;
    char *url_text;
    char method[PLAIT__HTTP1_METHOD_MAX + 1];
    struct plait_buf fields;        /* ready lines that go everywhere */
    struct plait_buf about;         /* ready lines that describe the body, and go with it */
    struct plait_buf secret;        /* ready lines that stay with the origin */
    struct plait__client_auth auth; /* so does this */
    struct plait_buf target;        /* for Digest */
    bool relayed;                   /* a proxy is asked, by the whole URL */
    struct plait__client_auth proxy_auth;
    struct plait_buf head;               /* written by plait__fetch_text_write */
    uint8_t cnonce[PLAIT__CNONCE_BYTES]; /* random, for the head that is written next */
    uint8_t *body_copy;
    plait_slice body;
    bool streams; /* the body comes from a source, of `length` bytes */
    bool expect;  /* 100 (Continue) is asked for */
    uint64_t length;
    bool is_head;
    bool secure;
    bool strayed;    /* a redirect led to another origin, at some time */
    bool close;      /* the connection is not to be kept */
    bool cross_site; /* a redirect led to another site */
    bool has_agent, has_accept, has_cookie, has_coding, has_authorization;
    bool raw;                      /* no content coding is asked for */
    struct plait_cookies *cookies; /* borrowed; NULL: none */
    const char *why;               /* a sentence when making it failed */
};

/* Checks and keeps everything; after a failure too, deinit is due. Errors: PLAIT_EINVAL, PLAIT_EUNSUPPORTED,
 * PLAIT_ENOMEM. */
plait_err plait__fetch_text_init(struct plait__fetch_text *text, struct plait_budget *budget, const char *url,
                                 const struct plait_fetch_options *options) PLAIT_MUST;
void plait__fetch_text_deinit(struct plait__fetch_text *text);

/* Turns to where a redirect leads. Errors: as init; PLAIT_EMALFORMED. */
plait_err plait__fetch_text_redirect(struct plait__fetch_text *text, int status, plait_slice location) PLAIT_MUST;

/* Writes the head. Errors: PLAIT_ENOMEM, PLAIT_ETOOLONG, PLAIT_EINVAL. */
plait_err plait__fetch_text_write(struct plait__fetch_text *text) PLAIT_MUST;

/* Whether sending the request twice does what sending it once does (RFC 9110 section 9.2.2). */
bool plait__fetch_text_idempotent(const struct plait__fetch_text *text);

/* http_cookies.c: whether two hosts belong to one site (RFC 6265bis section 5.2). */
bool plait__same_site(plait_slice a, plait_slice b);

/* --- exchanges ---------------------------------------------------------------------------------------------------- */

struct plait__client_exchange;

/* What a failure says about making the exchange once more. */
enum plait__client_again {
    PLAIT__AGAIN_NOT,    /* nothing: only who asked for retries gets one */
    PLAIT__AGAIN_STALE,  /* nothing of a response came, and the connection had been used before: it may have been closed
                          * before the request arrived */
    PLAIT__AGAIN_UNSEEN, /* the server has not looked at the request (RFC 9113 section 8.7), whatever its method */
    PLAIT__AGAIN_HTTP1,  /* it wants the request by HTTP/1.1 */
};

enum { PLAIT__INTERIM_MAX = 16 /* interim responses to a request */ };

/* What a connection tells a fetch. Each may give the exchange up, or end it and free it. */
struct plait__client_exchange_ops {
    /* An interim response (1xx) came: its head is in x->head, which has its text at `base` for the call. */
    void (*interim)(struct plait__client_exchange *x, const uint8_t *base);
    /* The server goes on in another protocol (101, or 2xx over HTTP/2; head as above): the exchange is over, and the
     * connection, or a stream of it, is who is told's. Attach a protocol to it at once. Only where the exchange says
     * that it `upgrades`. */
    void (*upgraded)(struct plait__client_exchange *x, struct plait_stream *s, const uint8_t *base);
    /* The head of the response is in x->head, which has its text at `base` for the call. */
    void (*head)(struct plait__client_exchange *x, const uint8_t *base);
    void (*data)(struct plait__client_exchange *x, plait_slice piece);
    /* The response is complete; the exchange is off its connection. */
    void (*end)(struct plait__client_exchange *x);
    /* It failed; the exchange is off its connection, or waits no more. */
    void (*failed)(struct plait__client_exchange *x, const struct plait_fault *fault, enum plait__client_again again);
    /* A connection took it. */
    void (*taken)(struct plait__client_exchange *x);
    /* There is room for more of the request's body, after it was full. */
    void (*room)(struct plait__client_exchange *x);
};

/* One request with its response. Invariant: it is in a queue of its origin, or on a connection, or neither knows it. */
struct plait__client_exchange {
    struct plait__list link; /* origin's waiting ones */
    const struct plait__client_exchange_ops *ops;
    struct plait__client_origin *origin;  /* where it waits; NULL else */
    struct plait__client_conn *conn;      /* that took it */
    struct plait__client_conn *making;    /* the connection that is being made for it, while it waits */
    struct plait_connect_options connect; /* how to connect for it; its TLS context is the origin's too */
    struct plait_http_proxy *proxy;       /* the way there, or NULL; the origin's too */
    enum plait_http_version version;      /* that may be spoken */
    plait_err err;                        /* why it fails, in the client's list of such */
    plait_slice request;                  /* the head to send, as HTTP/1.1; who sends it may write in it */
    plait_slice body;                     /* what follows it at once */
    bool sent;                            /* the request is complete, as far as the connection was given it */
    plait_span stall;                     /* how long the server may take no byte of it */
    bool only_head;                       /* the response has no body whatever its head says (HEAD) */
    bool fresh;                           /* wants a connection that was not used before */
    bool upgrades;                        /* another protocol is offered, over HTTP/2 a WebSocket */
    bool paused;                          /* the response's body is to wait */
    struct plait_buf trailers;            /* of the response: ready lines, blanks around values as they came */
    struct plait__h2_stream *h2;          /* HTTP/2: its stream */
    uint8_t spoken;                       /* version of the response: 10, 11, 20 */
    bool began;                           /* some byte of it came */
    /* The response as HTTP/1 reads it. */
    bool in_head;    /* of the final response */
    uint8_t framing; /* enum plait__http1_framing */
    uint8_t interim;
    uint64_t body_left;
    struct plait__http1_chunks chunks;
    struct plait__http1_head head;
};

/* A range of a file that is sent. */
struct plait__upload_file {
    int fd;
    uint64_t offset, bytes;
    plait_call_fn released;
    void *ctx;
};

/* --- connections -------------------------------------------------------------------------------------------------- */

/* What a protocol does. None of these calls anybody back. */
struct plait__client_conn_ops {
    int version;
    /* Begins an exchange: takes of `room`, counts in `running`. Errors: PLAIT_ENOMEM, and then nothing was begun. */
    plait_err (*start)(struct plait__client_conn *c, struct plait__client_exchange *x);
    /* Gives an exchange up; the connection may have to end with it (plait__client_conn_retire). */
    void (*leave)(struct plait__client_conn *c, struct plait__client_exchange *x);
    /* Looks at x->paused. */
    void (*pause)(struct plait__client_conn *c, struct plait__client_exchange *x);
    /* Sends a piece of a body, or of a file; `chunked` bodies come in chunks, and end with an empty one. */
    void (*write)(struct plait__client_exchange *x, plait_slice piece, bool chunked);
    void (*write_file)(struct plait__client_exchange *x, const struct plait__upload_file *file, bool chunked);
    void (*write_end)(struct plait__client_exchange *x, bool chunked);
    /* Whether what was written stands back, and `room` will tell; whether some of it has not left. */
    bool (*full)(const struct plait__client_exchange *x);
    bool (*sending)(const struct plait__client_exchange *x);
    /* Ends the connection, which carries nothing. */
    void (*close)(struct plait__client_conn *c);
};

struct plait__client_conn {
    struct plait__list link;       /* origin's connections */
    struct plait__list ready_link; /* origin's connections with room, the one used last in front */
    struct plait__list idle_link;  /* client's connections that carry nothing, the one idle longest in front */
    /* NULL: retired; it takes no more, and its memory goes with its stream */
    struct plait__client_origin *origin;
    const struct plait__client_conn_ops *ops; /* NULL: it is being made */
    struct plait_deferred *connecting;
    struct plait__client_exchange *wanted; /* while it is being made: who waits for it */
    struct plait_stream *stream;
    struct plait_timer idle;
    uint32_t room, running;
    bool taken;                              /* has been given an exchange */
    bool used;                               /* has carried an exchange to its end */
    bool last;                               /* takes no more after those under way */
    bool given;                              /* HTTP/1: the stream is another's; only this object is left to go */
    struct plait__client_exchange *exchange; /* HTTP/1: the one under way */
    struct plait__h2_conn *h2;               /* HTTP/2 */
};

/* http1_client.c: makes a connection of a stream whose protocol is HTTP/1.1. Never fails. */
void plait__client_conn_begin_http1(struct plait__client_conn *c, struct plait_stream *s);

/* http2_client.c: likewise for HTTP/2. Errors: PLAIT_ENOMEM, and then the stream is as it was. */
plait_err plait__client_conn_begin_http2(struct plait__client_conn *c, struct plait_stream *s) PLAIT_MUST;

/* http_pool.c: an exchange is over, or gave back what it took: looks who is next. The connection may be ended by it. */
void plait__client_conn_released(struct plait__client_conn *c);
/* Takes a connection out of the pool: it takes no more. Its exchanges go on. Never allocates. */
void plait__client_conn_retire(struct plait__client_conn *c);
/* The stream of a connection is lost: frees it. */
void plait__client_conn_free(struct plait__client_conn *c);

/* --- the pool (http_pool.c) ------------------------------------------------------------------------------------ */

/* Where an exchange goes. */
struct plait__client_origin {
    struct plait_http_client *client;
    struct plait__list conns, ready, waiting;
    struct plait__list hungry_link; /* client's origins that wait for others to close a connection */
    size_t open;                    /* connections, with those that are being made */
    size_t pins;                    /* who keeps it for what is to come */
    size_t connecting;              /* of these */
    uint32_t streams;               /* HTTP/2: at once over a connection, as its server said last; 0: not yet */
    enum plait_http_version wants;  /* what may be spoken; ANY only where the handshake tells */
    /* each exchange has a connection made for it: the last one spoke HTTP/1, or failed */
    bool alone;
    struct plait_tls_client *tls; /* NULL in the clear */
    struct plait_target_rules *targets;
    struct plait_http_proxy *proxy;
    plait_slice key, host;
    uint16_t port;
};

struct plait_http_client {
    struct plait_reactor *reactor;
    struct plait_http_client_options options;
    struct plait__table origins;
    struct plait__list idle, hungry;
    struct plait__list failing; /* exchanges that wait no more, and are to hear why */
    struct plait__list fetches; /* all that are under way */
    struct plait__list dials;   /* WebSockets that are being opened */
    size_t waiting;
    bool ending;
    struct plait_soon feed; /* looks at the hungry ones */
    struct plait_soon tell; /* tells the failing ones */
    struct plait_http_client_counts counts;
};

/* Queues an exchange at the origin of a URL and has it carried as soon as may be. Errors: PLAIT_ELIMIT (too many wait),
 * PLAIT_ENOMEM; later failures are told by `failed`. */
plait_err plait__pool_enter(struct plait_http_client *client, struct plait__client_exchange *x,
                            const struct plait_url *url) PLAIT_MUST;
/* The same where the origin is held already: x->connect is what it was held with. */
plait_err plait__pool_enter_at(struct plait__client_origin *o, struct plait__client_exchange *x) PLAIT_MUST;
/* Holds an origin, so that it need not be looked for with each exchange. NULL: no memory. */
struct plait__client_origin *plait__pool_pin(struct plait_http_client *client, const struct plait_url *url,
                                             const struct plait_connect_options *connect) PLAIT_MUST;
/* Takes NULL and leaves NULL; before the client is freed. */
void plait__pool_unpin(struct plait__client_origin **o);
/* Gives an exchange up, wherever it is; nothing more is told of it. Never allocates. */
void plait__pool_leave(struct plait__client_exchange *x);

/* --- proxies (http_client_proxy.c) -------------------------------------------------------------------------------- */

struct plait_http_proxy {
    size_t refs;
    struct plait_reactor *reactor;
    struct plait_via via;
    struct plait_connect_options connect; /* to the proxy */
    struct plait__client_auth auth;
    char *url_text;
    struct plait_url url;
    uint16_t port;
    bool secure;
};

/* How to connect to a proxy for somebody whose own options are `from`: time and trace are his. */
void plait__http_proxy_connect(const struct plait_http_proxy *proxy, const struct plait_connect_options *from,
                               struct plait_connect_options *out);

/* --- fetches (http_fetch.c) and responses (http_response.c) ---------------------------------------------------- */

/* The client of a reactor's own; NULL when there is no memory. */
struct plait_http_client *plait__http_client_of(struct plait_reactor *reactor);
/* Size of a fetch, for the slab of the reactor's web. */
size_t plait__fetch_bytes(void);
/* Ends every fetch of a client with PLAIT_ECANCELLED. */
void plait__fetches_cancel(struct plait_http_client *client);
/* ws_client.c: likewise every WebSocket that is being opened. */
void plait__dials_cancel(struct plait_http_client *client);

struct plait_response {
    int status;
    int version;
    size_t count;
    const struct plait__http1_field *field; /* these and the texts lie behind the struct */
    const uint8_t *head;
    const char *url;
    uint64_t length;
    struct plait_buf body;
    struct plait_buf trailers;
    struct plait__client_exchange *exchange; /* that brings its body; NULL when it is over */
};

/* Keeps a head beyond the window that it stands in. NULL: no memory. */
struct plait_response *plait__response_new(struct plait_budget *budget, const struct plait__http1_head *head,
                                           const uint8_t *base, plait_slice url) PLAIT_MUST;

#endif
