/* SPDX-License-Identifier: MIT
 *
 * The inside of the reverse proxy, for its own files: the proxy with its origins, and a request on its way.
 */
#ifndef PLAIT_WEB_WEB_PROXY_H
#define PLAIT_WEB_WEB_PROXY_H

#include "web/http_client_core.h"
#include "web/http_core.h"

#include <plait/proxy.h>

enum {
    PLAIT__PROXY_ORIGINS = 64,
    PLAIT__PROXY_HOPS = 16,        /* of ourselves in Via: more is a circle */
    PLAIT__PROXY_HEAD = 48 * 1024, /* bytes of a request's head as an origin gets it */
    PLAIT__PROXY_NAME = 64,        /* bytes of `via`, and of a protocol's name */
};

/* --- the proxy and its origins (web_proxy.c, web_proxy_health.c) -------------------------------------------------- */

struct plait__proxy_origin {
    struct plait__proxy *proxy;
    char *text;                           /* its URL */
    struct plait_url url;                 /* borrows the text */
    plait_slice base;                     /* its path without a slash at the end */
    struct plait_buf host;                /* as its own Host field says it */
    struct plait_connect_options connect; /* the references are the proxy's */
    struct plait__client_origin *pin;
    size_t active; /* requests under way */
    /* What experience says: failures in a row, and until when it is left alone. */
    unsigned failures;
    plait_time rests_until;
    /* What asking says. */
    bool sick;
    unsigned streak; /* answers in a row that say the opposite */
    struct plait_timer timer;
    struct plait_deferred *check;
    struct plait_buf check_url;
};

struct plait__proxy {
    struct plait_reactor *reactor;
    struct plait_reverse_proxy_options options; /* filled; its texts are `via` and `upgrades` below */
    struct plait_http_client *client;
    bool forward;                     /* each request says itself where it goes; the one origin is nobody */
    struct plait_target_rules *trust; /* NULL: nobody */
    struct plait_tls_client *tls;
    struct plait_target_rules *targets;
    char *via, *upgrades, *health;
    struct plait__proxied *pool; /* waiting for use */
    size_t pooled;
    size_t count, next;
    struct plait__proxy_origin origin[PLAIT__PROXY_ORIGINS];
};

/* The origin to try, of those whose bits are not in `tried`; NULL when all are. */
struct plait__proxy_origin *plait__proxy_choose(struct plait__proxy *p, uint64_t tried);
/* An origin answered; or it failed in a way that says something about it. */
void plait__proxy_well(struct plait__proxy_origin *o);
void plait__proxy_failed(struct plait__proxy_origin *o);
/* Begins to ask an origin whether it is well; ends that. */
void plait__proxy_check_start(struct plait__proxy_origin *o);
void plait__proxy_check_stop(struct plait__proxy_origin *o);

/* A proxy without origins; `targets` are the rules that hold for every connection. Errors: as plait_reverse_proxy_new.
 * The caller's, ended with plait__proxy_free. */
plait_err plait__proxy_new(struct plait_reactor *reactor, const struct plait_reverse_proxy_options *options,
                           struct plait__proxy **out) PLAIT_MUST;
void plait__proxy_free(void *proxy);
/* Whether a request goes no further, and was answered. */
bool plait__proxy_answers(struct plait__proxy *p, struct plait_request *req);

/* --- a request on its way (web_proxy_flow.c) ---------------------------------------------------------------------- */

enum plait__proxy_wait {
    PLAIT__PROXY_LINE,  /* for a connection */
    PLAIT__PROXY_GO,    /* for 100 (Continue) */
    PLAIT__PROXY_SEND,  /* for the client's body */
    PLAIT__PROXY_FIRST, /* for the answer */
    PLAIT__PROXY_BODY,  /* for more of it */
};

struct plait__proxied {
    struct plait__client_exchange x;
    struct plait__proxied *next_free;
    struct plait__proxy *proxy;
    struct plait__proxy_origin *at;
    struct plait_request *req;
    struct plait_buf head; /* as it is sent */
    struct plait_timer timer;
    plait_time since; /* what is waited for was waited for from here on */
    plait_span span;
    uint8_t waits; /* enum plait__proxy_wait */
    bool taken;    /* a connection took it */
    bool reading;  /* the client's body is being read */
    bool chunked;  /* and goes on in chunks */
    bool begun;    /* the client has the answer's head */
    unsigned tries;
    uint64_t tried; /* bits of origins */
    char upgrade[PLAIT__PROXY_NAME];
};

/* Takes a request that a handler got. */
void plait__proxy_pass(struct plait__proxy *p, struct plait_request *req);
void plait__proxied_free(struct plait__proxied *x);

/* --- heads (web_proxy_head.c) ------------------------------------------------------------------------------------- */

/* Writes a request's head as its origin is to get it. `chunked` says how its body goes, `upgrade` (may be empty) which
 * protocol is offered. Errors: in the buffer. */
struct plait__proxy_text {
    const struct plait__proxy_origin *origin;
    const char *upgrade;
    bool chunked;
};
void plait__proxy_put_request(struct plait_buf *out, const struct plait_request *req,
                              const struct plait__proxy_text *text);
/* Takes an answer's fields over to the request's own answer; `*type` gets its Content-Type, in memory of the request.
 * Errors: PLAIT_ELIMIT, PLAIT_ENOMEM. */
plait_err plait__proxy_take_fields(struct plait_request *req, const struct plait__http1_head *head, const uint8_t *base,
                                   const char *via, const char **type) PLAIT_MUST;
/* Whether a field belongs to one connection only: by its name, or named by one of the head's Connection fields. */
bool plait__proxy_is_hop(const struct plait__http1_head *head, const uint8_t *base, plait_slice name);
/* How often one name stands in a request's Via fields. */
size_t plait__proxy_hops(const struct plait_request *req, const char *via);
/* The first protocol that a client offers and a list has, terminated; empty for none. */
void plait__proxy_find_upgrade(const struct plait_request *req, const char *list, char out[PLAIT__PROXY_NAME]);

#endif
