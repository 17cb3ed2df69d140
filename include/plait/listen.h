/* SPDX-License-Identifier: MIT
 *
 * Services, listeners and connecting.
 */
#ifndef PLAIT_LISTEN_H
#define PLAIT_LISTEN_H

#include <plait/memory.h>
#include <plait/resolve.h>
#include <plait/stream.h>
#include <plait/target.h>

PLAIT_BEGIN

struct plait_tls_server;
struct plait_tls_client;
struct plait_service;
struct plait_listener;

/* What a service does for each connection. */
struct plait_service_ops {
    const char *name; /* static; the protocol's name in logs and metrics */

    /* A connection was accepted: attach a protocol to it. An error closes it, and is logged. */
    plait_err (*open)(struct plait_stream *s, void *ctx);

    /* The drain begins; connections are told by their protocols' own `drain`. May be NULL. */
    void (*drain)(void *ctx);

    /* The service is over; every connection is. May be NULL. */
    void (*free)(void *ctx);

    /* Protocols that it speaks over TLS, in wire form in order of preference (RFC 7301 section 3.1); static. They are
     * offered where the TLS context has no list of its own. */
    plait_slice alpn;

    void *reserved[2];
};

/** Makes a service. Returns NULL when there is no memory (then ctx was freed through ops->free), and plait_serve takes
 * NULL as that. Ownership: the caller's until a plait_serve takes it. Callbacks: ops->open for each connection. */
PLAIT_API struct plait_service *plait_service_new(struct plait_reactor *reactor, const struct plait_service_ops *ops,
                                                  void *ctx) PLAIT_MUST;

/** Makes a service of a protocol that needs no state: every connection gets the same `self`. Returns NULL as
 * plait_service_new. Ownership: as plait_service_new. */
PLAIT_API struct plait_service *plait_service_of(struct plait_reactor *reactor, const struct plait_protocol *protocol,
                                                 void *self) PLAIT_MUST;

/** Takes one more reference, so that one service can have several listeners. Ownership: the returned reference is the
 * caller's. */
PLAIT_API struct plait_service *plait_service_ref(struct plait_service *service);

/** Gives a reference up. Takes NULL and leaves NULL. */
PLAIT_API void plait_service_unref(struct plait_service **service);

/* Limits of a listener. The zero value of a member is its default; SIZE_MAX or PLAIT_NEVER takes a limit off. */
struct plait_limits {
    size_t connections;           /* at once through this listener; 10,000 */
    size_t connections_per_peer;  /* at once from one IPv4 address or IPv6 /64; 1,000, but no limit for the loopback */
    size_t accepts_per_second;    /* 50,000; more wait in the backlog */
    size_t memory;                /* bytes of all its connections; 512 MiB */
    size_t memory_per_peer;       /* 128 MiB, but no limit for the loopback */
    size_t memory_per_connection; /* 16 MiB */
    plait_span handshake;         /* for TLS and PROXY headers; 10 s */
    plait_span stall;             /* a peer that accepts no byte for so long is aborted; 60 s */
    void *reserved[4];
};

/* The zero value of every member is its default. */
struct plait_listen_options {
    struct plait_limits limits;
    int backlog;                     /* 511 */
    bool reuse_port;                 /* SO_REUSEPORT */
    bool dual_stack;                 /* an IPv6 wildcard takes IPv4 too; off: V6ONLY is set on purpose */
    bool fast_open;                  /* TCP fast open (RFC 7413) */
    bool defer_accept;               /* TCP_DEFER_ACCEPT */
    uint32_t unix_mode;              /* permission bits of a UNIX socket's file; 0666 */
    bool keep_stale;                 /* don't replace a UNIX socket file that nobody listens on */
    struct plait_tls_server *tls;    /* TLS for each connection; a reference is taken */
    struct plait_proxy_trust *proxy; /* expect the PROXY protocol; see plait_listen_proxy_trust; taken */
    void *reserved[4];
};

/** Listens on an address. Errors: PLAIT_EADDRINUSE, PLAIT_EADDRNOTAVAIL, PLAIT_EACCESS, PLAIT_EDESCRIPTORS,
 * PLAIT_ENOMEM, PLAIT_EINVAL, PLAIT_EDRAINING. Ownership: the service reference is taken, also on failure; the listener
 * is the reactor's until plait_listener_close or the reactor's end; `out` may be NULL. Callbacks: the service's
 * open for each connection, in later turns. */
PLAIT_API plait_err plait_listen(struct plait_reactor *reactor, const struct plait_address *address,
                                 const struct plait_listen_options *options, struct plait_service *service,
                                 struct plait_listener **out) PLAIT_MUST;

/** Listens on a descriptor that is bound and listening (socket activation). It is duplicated, never shut down. Errors:
 * PLAIT_EINVAL (no listening socket), PLAIT_EDESCRIPTORS, PLAIT_ENOMEM. Ownership and callbacks: as plait_listen. */
PLAIT_API plait_err plait_listen_fd(struct plait_reactor *reactor, int fd, const struct plait_listen_options *options,
                                    struct plait_service *service, struct plait_listener **out) PLAIT_MUST;

/** Address that a listener is bound to, the port that the system chose included. */
PLAIT_API void plait_listener_address(const struct plait_listener *listener, struct plait_address *out);

/** Connections that are open through a listener. */
PLAIT_API size_t plait_listener_count(const struct plait_listener *listener);

enum plait_listener_state {
    PLAIT_LISTENER_OPEN,           /* accepts */
    PLAIT_LISTENER_FULL,           /* has all the connections that it, or its reactor, may have; clients wait */
    PLAIT_LISTENER_NO_MEMORY,      /* the reactor's memory runs low; clients wait */
    PLAIT_LISTENER_NO_DESCRIPTORS, /* clients wait */
    PLAIT_LISTENER_SLOWED,         /* for a moment: accepts a second, or trouble of the system's */
    PLAIT_LISTENER_CLOSED          /* accepts no more; connections may be left */
};

/* What a listener does. */
struct plait_listener_view {
    const char *service; /* name of its service, "" without one; static */
    enum plait_listener_state state;
    bool tls;
    size_t connections, connections_max;
    const struct plait_budget *memory; /* of its connections; borrowed from the listener */
    void *reserved[4];
};

/** Looks at what a listener does. */
PLAIT_API void plait_listener_look(const struct plait_listener *listener, struct plait_listener_view *out);

typedef void (*plait_listener_fn)(const struct plait_listener *listener, void *ctx);

/** Shows every listener of a reactor, those that are closed but have connections left among them, in the order of their
 * making. Ownership: a listener is borrowed for the call. Callbacks: `fn` inside the call; it must close none. */
PLAIT_API void plait_reactor_listeners(const struct plait_reactor *reactor, plait_listener_fn fn, void *ctx);

/** Stops listening; the connections live on. A UNIX socket's file is removed when it is still ours. Takes NULL and
 * leaves NULL. */
PLAIT_API void plait_listener_close(struct plait_listener **listener);

/** Who may speak the PROXY protocol: a list of addresses and networks, "127.0.0.1,10.0.0.0/8", or "unix" for any UNIX
 * peer. Errors: PLAIT_ESYNTAX, PLAIT_ENOMEM. Ownership: the caller's until a listener takes it.
 * Source: the PROXY protocol, versions 1 and 2. */
PLAIT_API plait_err plait_proxy_trust_new(struct plait_reactor *reactor, plait_slice list,
                                          struct plait_proxy_trust **out) PLAIT_MUST;

/* --- services of a whole program ---------------------------------------------------------------------------------- */

/** Serves on an endpoint, "tcp:8080", "tls:8443:cert=…:key=…", "unix:/run/x", "systemd:index=0", "stdio:"…; without
 * interface= it binds loopback only. A failure is kept: plait_reactor_run returns it at once after a sentence in the
 * log, so a main program needs no check here. Ownership: the service is taken, also on failure; NULL counts as
 * PLAIT_ENOMEM. Errors: as plait_listen; PLAIT_ESYNTAX. */
PLAIT_API plait_err plait_serve(struct plait_reactor *reactor, const char *endpoint, struct plait_service *service);

/** As plait_serve, with options (may be NULL) that the endpoint's own words override. `why` (may be NULL, else at least
 * 200 bytes) gets the sentence on failure. Ownership and errors: as plait_serve; a failure is only returned. `out` (may
 * be NULL) is NULL for kinds without a listener, such as stdio. */
PLAIT_API plait_err plait_serve_with(struct plait_reactor *reactor, const char *endpoint,
                                     const struct plait_listen_options *options, struct plait_service *service,
                                     struct plait_listener **out, char *why) PLAIT_MUST;

/** Drains: every listener stops, every connection is told through its protocol's `drain`, after `grace` what is left is
 * aborted; then plait_reactor_run returns. Fires when the last connection is gone, with how many were aborted
 * (value.num). A second call forces the end at once. Returns NULL only for lack of memory, and drains all the same,
 * perhaps without the grace. Listeners stay their users' to close. Ownership: as plait_deferred_new. Errors: none. */
PLAIT_API struct plait_deferred *plait_drain(struct plait_reactor *reactor, plait_span grace) PLAIT_MUST;

/** Whether a drain is under way. */
PLAIT_API bool plait_is_draining(const struct plait_reactor *reactor);

/** Tells the service manager a state, such as "READY=1"; nothing happens without NOTIFY_SOCKET. plait_reactor_run tells
 * READY, STOPPING and the watchdog by itself for a reactor that owns the signals. Errors: PLAIT_EIO. Source:
 * sd_notify(3). */
PLAIT_API plait_err plait_notify_manager(struct plait_reactor *reactor, const char *state) PLAIT_MUST;

/* --- connecting --------------------------------------------------------------------------------------------------- */

struct plait_connect_options;

/* A way to hosts that leads through something else: a proxy, a tunnel. */
struct plait_via {
    /* Fires with a stream (value.ptr) whose other end is the host, a name or an address as text, which it resolves as
     * it likes. TLS with the host is begun by who asks. `options` have no TLS context and no `via`, and the time that
     * is left; they are borrowed for the call. Ownership: as plait_deferred_new. */
    struct plait_deferred *(*connect)(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                      const struct plait_connect_options *options, void *ctx);
    void *ctx;
};

/* The zero value of every member is its default. */
struct plait_connect_options {
    plait_span timeout;          /* for names, racing and handshakes together; 30 s */
    plait_span names;            /* until an address is known; no limit of its own */
    plait_span handshake;        /* for TLS; no limit of its own */
    plait_span attempt_delay;    /* RFC 8305 Connection Attempt Delay; 250 ms */
    plait_span resolution_delay; /* RFC 8305 Resolution Delay; 50 ms */
    enum plait_family family;
    struct plait_address source; /* PLAIT_ADDR_NONE for any */
    bool fast_open;
    struct plait_tls_client *tls; /* speak TLS; a reference is taken for the call */
    const char *server_name;      /* TLS name to ask for and verify; NULL: the host */
    plait_slice alpn;             /* in wire form; empty for none (RFC 7301 section 3.1) */
    /* the TLS context's own certificate is not shown, nor a session resumed that knew it */
    bool no_client_cert;
    /* each attempt's steps */
    void (*trace)(const char *what, const struct plait_address *address, plait_err err, void *ctx);
    void *trace_ctx;
    const struct plait_via *via; /* the way there; NULL: directly. Borrowed until it fires */
    /* what may be connected to: each address is judged after looking up, and that very one is connected to. NULL:
     * all */
    struct plait_target_rules *targets; /* a reference is taken for the call */
    plait_slice preface; /* written first, before TLS, on what is connected to by address or name; empty for nothing */
    void *reserved[3];
};

/** Connects to one address. Fires with a stream (value.ptr) that is connected, and secured when TLS was asked for;
 * attach a protocol inside the first callback, or it is aborted a moment (10 ms) later. Errors: PLAIT_EREFUSED,
 * PLAIT_EUNREACHABLE, PLAIT_ENETTIMEDOUT, PLAIT_ETIMEDOUT, PLAIT_EADDRNOTAVAIL, PLAIT_EDESCRIPTORS, PLAIT_EVERIFY,
 * PLAIT_ETLS, PLAIT_ECANCELLED … Ownership: as plait_deferred_new; the stream is the reactor's. */
PLAIT_API struct plait_deferred *plait_connect_address(struct plait_reactor *reactor,
                                                       const struct plait_address *address,
                                                       const struct plait_connect_options *options) PLAIT_MUST;

/** Connects to a host by name and races its addresses: attempts start one after another and stay alive until one wins.
 * Errors: as plait_connect_address; of several attempts the most telling; PLAIT_ENAMENOTFOUND. Ownership: as there.
 * Source: RFC 8305. */
PLAIT_API struct plait_deferred *plait_connect_host(struct plait_reactor *reactor, plait_slice host, uint16_t port,
                                                    const struct plait_connect_options *options) PLAIT_MUST;

/** Connects to an endpoint, "tcp:example.org:80", "tls:example.org:443", "unix:/run/x", "exec:/bin/cat" ….
 * Errors: as plait_connect_host; PLAIT_ESYNTAX with the sentence in fault.detail. Ownership: as there. */
PLAIT_API struct plait_deferred *plait_connect(struct plait_reactor *reactor, const char *endpoint,
                                               const struct plait_connect_options *options) PLAIT_MUST;

/** Whether an endpoint is of a kind that can be connected to; what else is wrong with it is told by connecting. `why`
 * (may be NULL, else at least 200 bytes) gets the sentence on failure. Errors: PLAIT_ESYNTAX, PLAIT_ETOOLONG. */
PLAIT_API plait_err plait_connect_check(struct plait_reactor *reactor, const char *endpoint, char *why) PLAIT_MUST;

/* --- a client that stays connected -------------------------------------------------------------------------------- */

struct plait_reconnect_options {
    plait_span first;         /* delay after the first failure; 1 s */
    plait_span max;           /* longest delay; 60 s */
    unsigned factor_permille; /* growth; 1500 */
    unsigned jitter_permille; /* share of the delay that is drawn at random; 250 */
    size_t attempts_max;      /* in a row; 0 for no end */
    struct plait_connect_options connect;
    void *reserved[4];
};

struct plait_reconnect;

/** Keeps a connection to an endpoint: connects, opens the service on the stream, and after its loss connects again with
 * growing delays. Returns NULL when there is no memory. Ownership: the caller's, ended with plait_reconnect_stop; the
 * service reference is taken. Callbacks: the service's open for each connection. */
PLAIT_API struct plait_reconnect *plait_reconnect_start(struct plait_reactor *reactor, const char *endpoint,
                                                        const struct plait_reconnect_options *options,
                                                        struct plait_service *service) PLAIT_MUST;

/** Fires with the stream (value.ptr, borrowed) when connected, at once if it is. `failures` in a row make it fail, 0
 * never. Errors: the last attempt's; PLAIT_ECANCELLED. Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_reconnect_when(struct plait_reconnect *client, size_t failures) PLAIT_MUST;

/** Stops: closes the connection, and connects no more. Takes NULL and leaves NULL. */
PLAIT_API void plait_reconnect_stop(struct plait_reconnect **client);

PLAIT_END
#endif
