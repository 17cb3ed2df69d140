/* SPDX-License-Identifier: MIT
 *
 * The inside of a stream, for the engine's own files: stream.c (the contract), its carriers, listeners and connecting.
 */
#ifndef PLAIT_ENGINE_STREAM_CORE_H
#define PLAIT_ENGINE_STREAM_CORE_H

#include "engine/carrier.h"
#include "engine/core.h"

#define PLAIT__OUT_LENT 2304
#define PLAIT__LOAD_BYTES (64 * 1024) /* of a file, read in one piece */

/* Output that is on its way; exists only while there is some. */
struct plait__out {
    struct plait__chain chain;
    struct plait__chain loaded; /* bytes of the file in front, for carriers that can't send files; goes first */
    struct plait_timer stall;   /* the peer accepts no byte */
    struct plait__load *load;   /* a thread fetches bytes of the next file: nothing is offered until it has */
    bool loaded_once;           /* the next file was fetched: it is read now, wherever it is */
    _Alignas(8) uint8_t lent[PLAIT__OUT_LENT]; /* for small output: nothing is allocated for it */
};

/* Input that the protocol left; exists only while there is some. */
struct plait__kept {
    uint32_t at, len, cap;
    uint8_t bytes[];
};

/* Where an accepted connection counts; owned by listen.c. NULL for others. */
struct plait__peer;

enum plait__stream_state {
    PLAIT__S_NEW, /* no protocol yet */
    PLAIT__S_OPEN,
    PLAIT__S_CLOSING,   /* flushing, then shut */
    PLAIT__S_LINGERING, /* own side shut, input read and discarded */
    PLAIT__S_CLOSED,    /* carrier told to close; waiting for `closed` */
    PLAIT__S_GONE,      /* carrier closed: `lost` is queued or told */
};

enum {
    PLAIT__F_CONNECTED = 1 << 0, /* `connected` told */
    PLAIT__F_PAUSED = 1 << 1,
    PLAIT__F_EOF_SEEN = 1 << 2, /* carrier's input ended */
    PLAIT__F_EOF_TOLD = 1 << 3,
    PLAIT__F_FULL = 1 << 4,        /* above high water, `room` to come */
    PLAIT__F_SHUT_WANTED = 1 << 5, /* close_write: after the flush */
    PLAIT__F_SHUT = 1 << 6,
    PLAIT__F_CALL_DATA = 1 << 7, /* kept bytes (or the end) are to be offered */
    PLAIT__F_CALL_ROOM = 1 << 8,
    PLAIT__F_CALL_SECURED = 1 << 9,
    PLAIT__F_DIRTY = 1 << 10, /* on the dirty list */
    PLAIT__F_FAULTED = 1 << 11,
    PLAIT__F_BLOCKED = 1 << 12,   /* carrier refused output */
    PLAIT__F_IN_CALL = 1 << 13,   /* a protocol callback runs */
    PLAIT__F_HANDSHAKE = 1 << 14, /* TLS not yet up: no data */
    PLAIT__F_ADOPTED = 1 << 16,   /* counts in a listener */
    PLAIT__F_LOST_TOLD = 1 << 17,
    PLAIT__F_SECURED = 1 << 18,
    PLAIT__F_PROXIED = 1 << 19, /* a trusted proxy told the addresses: struct plait__peer's owner knows them */
    PLAIT__F_BRIEF = 1 << 21,   /* closes without lingering: the peer said that it sends nothing more */
    PLAIT__F_PUSHING = 1 << 22, /* the carrier is being offered output */
    PLAIT__F_STOPPED = 1 << 24, /* not read, for memory runs low (pressure.c) */
    PLAIT__F_EMPTY = 1 << 23,   /* `room` waits until nothing is pending: for descriptors */
    PLAIT__F_HELD = 1 << 20,    /* on its way to who asked for it (offer.c): `lost` waits, `self` is the offer */
};

struct plait_stream {
    struct plait_reactor *reactor;
    struct plait__carrier *carrier;
    const struct plait_protocol *protocol;
    void *self;
    union {
        struct plait__kept *kept; /* until closing */
        plait_time linger_until;  /* LINGERING */
    };
    struct plait__out *out;
    struct plait__peer *peer;
    struct plait__list all;     /* reactor's streams, or those that linger, soonest end first */
    struct plait_stream *queue; /* next on the reactor's dirty list or among its graves */
    struct plait_budget budget;
    uint32_t flags;
    uint32_t need;
    uint32_t asked;             /* what want_input was last told */
    uint16_t high_kib, low_kib; /* marks; 0: default */
    uint16_t stall_s;           /* seconds; 0: default */
    uint8_t state;
    uint8_t err;    /* plait_err of the end */
    uint8_t memory; /* which memory it sits in: enum plait__stream_memory */
    int16_t tls_alert;
    int16_t os_errno;
    uint16_t id_high; /* 48 bits of an id: with 64 every connection would cost eight bytes more */
    uint32_t id_low;
    const char *step; /* of the fault */
    const char *detail;
};

/* CARRIER: the stream goes with its carrier, whose `free` sees to both. */
enum plait__stream_memory { PLAIT__MEM_FD, PLAIT__MEM_PAIR, PLAIT__MEM_STDIO, PLAIT__MEM_CARRIER };

void plait__fd_streams_init(struct plait_reactor *r);
void plait__fd_streams_deinit(struct plait_reactor *r);

/* Makes a stream on top of a carrier, in zeroed memory that is freed by its kind at the turn's end after `lost`. The
 * budget's parent is the reactor's until a listener adopts the stream. */
void plait__stream_init(struct plait_reactor *r, struct plait_stream *s, struct plait__carrier *carrier,
                        enum plait__stream_memory memory);
void plait__fd_stream_release(struct plait_stream *s);
void plait__pair_stream_release(struct plait_stream *s);
void plait__stdio_stream_release(struct plait_stream *s);

/* What is told by `lost`. */
void plait__stream_fault(const struct plait_stream *s, struct plait_fault *out);

/* stream_out.c: offers gathered output to the carrier, and goes on with what waits for the end of it. */
void plait__stream_push(struct plait_stream *s);
/* Drops all output. */
void plait__stream_drop_output(struct plait_stream *s);
/* Output that was taken from its stream, for TLS: ends it; reads a piece of the file in front of its chain. */
void plait__out_free(struct plait_reactor *r, struct plait__out *out);
plait_err plait__out_load(struct plait_stream *s, struct plait__out *out) PLAIT_MUST;
/* stream_load.c: has a thread fetch bytes of the next file in a stream's output: a piece to be sent, or with `warms`
 * a longer one into the page cache only. Returns false when that can't begin. */
bool plait__load_start(struct plait_stream *s, bool warms);
/* Whether the next file must come from the disk, and a thread is on its way to fetch it. */
bool plait__load_due(struct plait_stream *s);
/* Nobody waits for it any more. */
void plait__load_leave(struct plait__out *out);
size_t plait__stream_high(const struct plait_stream *s);
size_t plait__stream_low(const struct plait_stream *s);
/* Whether a stream still takes output. */
bool plait__stream_writes(const struct plait_stream *s);

/* stream.c: all output is with the carrier: goes on with closing. */
void plait__stream_flushed(struct plait_stream *s);
/* Tells the carrier how much input is wanted now. */
void plait__stream_want(struct plait_stream *s);
/* Records why a stream ends; the first reason stays, but a good end that loses output is none. */
void plait__stream_blame(struct plait_stream *s, const struct plait_fault *fault);
/* Output that the carrier had taken never left: that is the reason, unless there is one already. */
void plait__stream_blame_left(struct plait_stream *s, const struct plait_fault *fault);

/* proxy.c: an address that a trusted proxy told. False when there is none. */
bool plait__proxy_address(const struct plait_stream *s, bool peer, struct plait_address *out);

/* The up table of a stream: what a carrier talks to. `up` is the stream. */
extern const struct plait__up_ops plait__stream_up;

/* plait_close for a protocol whose peer has said that it sends nothing more: closes as soon as all is written, and
 * reads no rest. */
void plait__stream_close_brief(struct plait_stream *s);

/* Ends a stream with a fault: aborts the carrier, `lost` comes later. Never calls back, never allocates. */
void plait__stream_fail(struct plait_stream *s, const struct plait_fault *fault);

/* A stream that never had a protocol and never will: closes without a word to anybody. */
void plait__stream_discard(struct plait_stream *s);

/* Has the stream looked at later in this turn. */
void plait__stream_mark(struct plait_stream *s);

/* Linger: how long the last words may take after plait_close. */
#define PLAIT__LINGER plait_seconds(2)

/* TCP, UNIX and pipe streams over descriptors (fd_stream.c). On failure (-errno) the descriptors stay the caller's.
 * `peer` may be NULL. */
enum plait__fd_kind { PLAIT__FD_TCP, PLAIT__FD_UNIX, PLAIT__FD_PIPE };
int plait__fd_stream_new(struct plait_reactor *r, enum plait__fd_kind kind, int fd, const struct plait_address *peer,
                         struct plait_stream **out);

/* Descriptor of a stream that is a socket and nothing more; -1 for others. It stays the stream's. */
int plait__fd_stream_fd(const struct plait_stream *s);
/* The same for one that is no socket, but has one descriptor for both ways. */
int plait__fd_stream_pipe(const struct plait_stream *s);

/* TLS as a layer under the stream (tls_carrier.c): the stream's carrier is replaced, the old one becomes the lower
 * one. `alpn` is what a client offers, and what a server speaks whose context has no list of its own. A client that is
 * `anonymous` shows no certificate of its own. */
struct plait_tls_server;
struct plait_tls_client;
plait_err plait__tls_start(struct plait_stream *s, struct plait_tls_server *server, struct plait_tls_client *client,
                           const char *name, plait_slice alpn, bool anonymous);

/* Ciphertext that came behind the word that started TLS, for a stream on which it was just started. */
void plait__tls_feed(struct plait_stream *s, plait_slice ciphertext);

/* offer.c: a held stream got its protocol. */
void plait__offer_taken(struct plait_stream *s);

/* listen.c: a stream leaves the books of its listener. */
void plait__listener_forget(struct plait_stream *s);

#endif
