/* SPDX-License-Identifier: MIT
 *
 * HTTP proxies. A reverse proxy is a resource that asks other servers, its origins, and hands their answers on; bodies
 * flow both ways as fast as the slower side takes them.
 */
#ifndef PLAIT_PROXY_H
#define PLAIT_PROXY_H

#include <plait/site.h>

PLAIT_BEGIN

enum plait_balance {
    PLAIT_ROUND_ROBIN, /* one origin after the other */
    PLAIT_LEAST_BUSY,  /* the one with the fewest requests under way */
};

/* The zero value of a member is its default. Texts are copied, references taken. */
struct plait_reverse_proxy_options {
    enum plait_balance balance;
    bool own_host;        /* the origin is asked by its own name; else by the one that the client used */
    bool half_closed;     /* a client that closed its own side still waits for the answer; else it counts as gone */
    const char *trust;    /* whose Forwarded and X-Forwarded-* are passed on: kinds and networks as plait/target.h has
                          them, "loopback,10.0.0.0/8"; NULL: nobody's */
    const char *via;      /* name in the Via field; "plait" */
    const char *upgrades; /* protocols that connections may go on in, a list; "websocket". "" for none */
    /* How often a request is tried again, at another origin where there is one: when it could not be sent, or when its
     * method is idempotent and its connection broke before any answer; never once its body has been read. 1; UINT_MAX
     * for never */
    unsigned retries;
    const char *health;             /* path of an origin that is asked whether it is well (2xx, 3xx); NULL: not asked */
    plait_span health_every;        /* 5 s; a request may take as long */
    struct plait_fetch_times times; /* wait, go_ahead, send, first_byte; 30 s in line instead of 5 min */
    plait_span idle;                /* silence inside an answer's body; 60 s */
    plait_span tunnel_idle;         /* silence both ways after an upgrade; 1 h */
    struct plait_http_client_options pool; /* 256 connections to an origin, 1024 in all, 10,000 requests that wait */
    struct plait_connect_options connect;  /* timeout (10 s), family, source, TLS context, targets … */
    void *reserved[6];
};

/** Makes a resource that answers for everything at and below it by asking one of its origins: "http://10.0.0.1:8080",
 * several with commas, each with a path that what is left of the request's is appended to. Fields that belong to one
 * connection are not passed on, nor is what only a client could have said of others (Forwarded, X-Forwarded-*): these,
 * and Via, are set anew. An origin that fails is left alone for a second, two, four … at most a minute, while there
 * are others. Without an origin the answer is 502, 503 (no room, no memory) or 504 (time). `options` may be NULL.
 * Errors: PLAIT_ESYNTAX (origins, trust), PLAIT_EUNSUPPORTED (a scheme other than http and https), PLAIT_ELIMIT (over
 * 64), PLAIT_EINVAL (via), PLAIT_ENOMEM, plait_tls_client_new's. Ownership: one reference, the caller's. Source:
 * RFC 9110 sections 7.6 and 7.8, RFC 7239. */
PLAIT_API plait_err plait_reverse_proxy_new(struct plait_reactor *reactor, const char *origins,
                                            const struct plait_reverse_proxy_options *options,
                                            struct plait_resource **out) PLAIT_MUST;

/* The zero value of a member is its default. Texts are copied, references taken. */
struct plait_forward_proxy_options {
    /* Where clients may go, judged after names were looked up: public addresses; ports 80, 443 and 1024 to 65535 */
    struct plait_target_options targets;
    bool no_connect;        /* no tunnels: requests only */
    size_t tunnels;         /* at once; 1,000 */
    plait_span tunnel_idle; /* silence both ways that ends one; 5 min */
    plait_span connect;     /* for making a connection; 10 s */
    const char *via;        /* as for a reverse proxy */
    struct plait_fetch_times times;
    plait_span idle;
    struct plait_http_client_options pool;
    void *reserved[6];
};

/** Makes the root of a service that is a proxy for clients that say so: requests with a whole http URL as target, and
 * CONNECT, in either version of HTTP. Put plait_auth_wrap with `proxy` around it to let in only who is known. Other
 * requests are 400, targets that are not allowed 403. `options` may be NULL. Errors: PLAIT_ESYNTAX (targets),
 * PLAIT_ELIMIT, PLAIT_EINVAL (via), PLAIT_ENOMEM. Ownership: one reference, the caller's. Source: RFC 9110 sections 3.7
 * and 9.3.6. */
PLAIT_API plait_err plait_forward_proxy_new(struct plait_reactor *reactor,
                                            const struct plait_forward_proxy_options *options,
                                            struct plait_resource **out) PLAIT_MUST;

PLAIT_END
#endif
