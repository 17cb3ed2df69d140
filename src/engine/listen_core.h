/* SPDX-License-Identifier: MIT
 *
 * The inside of services and listeners, for the engine's own files.
 *
 * Budgets nest: reactor, listener, peer address, connection. A listener's memory goes when the user has let go of it,
 * its handle is closed and its last connection is gone; only then the service's reference is given up.
 */
#ifndef PLAIT_ENGINE_LISTEN_CORE_H
#define PLAIT_ENGINE_LISTEN_CORE_H

#include "base/table.h"
#include "engine/stream_core.h"

#include <plait/tls.h>

/* --- services ----------------------------------------------------------------------------------------------------- */

/* What is counted of all services of one name. */
struct plait__tally {
    struct plait__list link; /* among the reactor's */
    size_t services;
    struct plait_metric connections;
    char labels[64];
};

struct plait_service {
    struct plait_reactor *reactor;
    struct plait__tally *tally;
    struct plait_service_ops ops;
    void *ctx;
    const struct plait_protocol *protocol; /* of plait_service_of */
    size_t refs;
    bool drain_told;
};

/* Opens a service on a stream; one that fails or attaches nothing ends the stream, which is logged. False: it ended. */
bool plait__service_open(struct plait_service *service, struct plait_stream *s);

/* The same for a stream of no listener. Takes the service reference and holds it until the stream is gone; then `gone`
 * (may be NULL) is called. Errors: PLAIT_ENOMEM; then the stream is discarded. */
plait_err plait__service_open_alone(struct plait_service *service, struct plait_stream *s,
                                    void (*gone)(struct plait_reactor *r)) PLAIT_MUST;

void plait__service_drain(struct plait_service *service);

/* --- the books of a stream ---------------------------------------------------------------------------------------- */

/* What stream->peer points to while PLAIT__F_ADOPTED is set: whoever wants to be told that the stream is gone. */
struct plait__peer {
    void (*forget)(struct plait__peer *books, struct plait_stream *s);
};

/* The connections of one peer address at one listener. */
struct plait__counted {
    struct plait__peer books;
    struct plait_listener *listener;
    struct plait_budget budget;
    size_t count;
    size_t count_max;
    uint8_t key[9];  /* family and the address or its first 64 bits */
    uint8_t key_len; /* 0: everybody without an IP address, and who has not said yet who he is */
};

/* --- listeners ---------------------------------------------------------------------------------------------------- */

/* Why a listener does not accept for now. */
enum {
    PLAIT__PAUSE_DESCRIPTORS = 1, /* none is left */
    PLAIT__PAUSE_BRIEF = 2,       /* the kernel has trouble */
    PLAIT__PAUSE_RATE = 4,        /* accepts per second */
    PLAIT__PAUSE_FULL = 8,        /* the listener's connections */
    PLAIT__PAUSE_ALL_FULL = 16,   /* the reactor's connections */
    PLAIT__PAUSE_MEMORY = 32,     /* the reactor's memory */
};

struct plait_listener {
    struct plait__handle h;
    struct plait__list link; /* among the reactor's */
    struct plait_reactor *reactor;
    struct plait_service *service;
    struct plait_tls_server *tls;
    struct plait_proxy_trust *proxy;
    struct plait_limits limits; /* no member is zero */
    bool peer_limits_asked;     /* the limits per peer are the user's own: they count for the loopback too */
    struct plait_address address;
    struct plait_budget budget;
    struct plait__table peers; /* struct plait__counted by its key */
    struct plait__counted anyone;
    size_t count;
    struct plait_timer retry;
    plait_time rate_at; /* when the accepts so far would have been due at the rate */
    plait_time exhausted_since;
    unsigned errors_in_row;
    uint8_t pauses;
    uint8_t fd_kind; /* enum plait__fd_kind */
    bool accepting;  /* the handle is open */
    bool gone;       /* the handle is closed */
    bool released;   /* the user has let go */
    bool owns_file;
    uint64_t file_dev, file_ino;
};

/* listen.c */
void plait__listener_pause(struct plait_listener *l, unsigned why);
void plait__listener_go_on(struct plait_listener *l, unsigned why);
void plait__listeners_pause_all(struct plait_reactor *r, unsigned why);
void plait__listeners_go_on_all(struct plait_reactor *r, unsigned why);
/* Stops accepting; the object stays its user's. */
void plait__listener_stop(struct plait_listener *l);
/* Frees a listener that nobody needs any more. */
void plait__listener_settle(struct plait_listener *l);

/* listen_accept.c */
void plait__listener_accepted(struct plait__handle *h, int fd, const struct sockaddr *addr, socklen_t len);
void plait__listener_retry(void *listener);

/* What a peer's address counts as: itself, an IPv6 /64 as one. Returns the key's length, 0 when it is not counted. */
uint8_t plait__peer_key(const struct plait_address *peer, uint8_t key[9]);

/* listen_limits.c */
void plait__limits_init(struct plait_listener *l, const struct plait_limits *given);
void plait__limits_deinit(struct plait_listener *l);
/* Entry of a peer's address, made when it is new. NULL: no memory. An entry nobody counts in goes with
 * plait__counted_settle. */
struct plait__counted *plait__counted_of(struct plait_listener *l, const struct plait_address *peer);
void plait__counted_settle(struct plait__counted *entry);
/* Counts a stream that counts nowhere yet. */
void plait__counted_add(struct plait__counted *entry, struct plait_stream *s);
/* Moves a stream's books and memory to another entry of the same listener. Errors: PLAIT_EOVERLOAD, PLAIT_ENOMEM: then
 * it stays where it was. */
plait_err plait__counted_move(struct plait__counted *from, struct plait__counted *to, struct plait_stream *s)
    PLAIT_MUST;
void plait__counted_forget(struct plait__peer *books, struct plait_stream *s);
/* One accept more: whether the rate allows the next one now. */
bool plait__rate_take(struct plait_listener *l);
plait_time plait__rate_due(const struct plait_listener *l);

/* listen_unix.c: the file of a UNIX socket. Returns 0 or -errno. */
int plait__unix_bind(struct plait_reactor *r, int fd, const struct plait_address *address,
                     const struct plait_listen_options *options);
int plait__unix_note_file(struct plait_listener *l);
void plait__unix_remove_file(struct plait_listener *l);

/* shake.c: what stands between accept and the service: the PROXY header, then TLS, under one deadline. */
plait_err plait__shake_start(struct plait_listener *l, struct plait_stream *s) PLAIT_MUST;

/* proxy.c */
bool plait__proxy_trusts(const struct plait_proxy_trust *trust, const struct plait_address *peer);
void plait__proxy_trust_free(struct plait_proxy_trust **trust);
/* Notes the addresses that a trusted proxy told and counts the stream under the peer's. */
plait_err plait__proxy_note(struct plait_listener *l, struct plait_stream *s, const struct plait_address *peer,
                            const struct plait_address *local) PLAIT_MUST;

#endif
