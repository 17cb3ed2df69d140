/* SPDX-License-Identifier: MIT
 *
 * A stream is a duplex flow of bytes, whatever carries it: TCP, a UNIX socket, TLS over another stream, a pipe,
 * standard I/O, an in-memory pair. A protocol takes a stream and can't tell which.
 *
 * Per stream the callbacks come in this order: `connected`, then `secured`, `data`, `room`, `fds` in any number, `eof`
 * at most once, `lost` exactly once and last. After plait_close or plait_abort no `data` and no `eof` comes. No
 * callback runs inside a call that the user made.
 */
#ifndef PLAIT_STREAM_H
#define PLAIT_STREAM_H

#include <plait/address.h>
#include <plait/deferred.h>

PLAIT_BEGIN

struct plait_stream;
struct plait_tls_info;

/* Flags of a protocol. */
enum {
    PLAIT_BOUNDS_OUTPUT = 1, /* `data` is called even while output stands above the high-water mark */
    PLAIT_HALF_CLOSE = 2,    /* goes on writing after the peer's end; without it the stream closes itself after `eof` */
};

/* What a protocol does with a stream. A table of this kind is constant; `self` is the protocol's own object. NULL
 * members do nothing (`data` NULL: input is read and thrown away). */
struct plait_protocol {
    const char *name; /* static; in logs and metrics */

    /* The stream is open. */
    void (*connected)(struct plait_stream *s, void *self);

    /* Bytes arrived: `in` is everything that was not yet taken, lent for the call. Returns how much was taken; what is
     * left comes again with more, when the stated need is there (plait_need), or once after plait_resume. */
    size_t (*data)(struct plait_stream *s, plait_slice in, void *self);

    /* The peer ended its side; `rest` bytes of the input are not taken yet. `data` brings them once more after
     * plait_resume, and nothing else. */
    void (*eof)(struct plait_stream *s, size_t rest, void *self);

    /* Output fell to the low-water mark after it stood above the high one. */
    void (*room)(struct plait_stream *s, void *self);

    /* A TLS handshake is complete: the one the stream began with, or STARTTLS. */
    void (*secured)(struct plait_stream *s, const struct plait_tls_info *tls, void *self);

    /* Descriptors came over a UNIX socket; they are the protocol's from now on. NULL: they are closed. */
    void (*fds)(struct plait_stream *s, const int *fds, size_t count, void *self);

    /* The service drains: finish what is under way, say goodbye, close. NULL: closed at once. */
    void (*drain)(struct plait_stream *s, void *self);

    /* The stream is over; fault->err is PLAIT_OK after an orderly end that the own side asked for, PLAIT_EEOF after the
     * peer's. The stream pointer is invalid once this returns. */
    void (*lost)(struct plait_stream *s, const struct plait_fault *fault, void *self);

    unsigned flags;
    /* bytes of input kept at most; a full window of which nothing is taken is PLAIT_ETOOLONG. 0: 64 KiB */
    uint32_t input_max;
};

/** Gives a stream its protocol; a stream has exactly one at a time. A new one takes over in the same place of the flow:
 * bytes not yet taken go to its `data`. Ownership: `protocol` is static, `self` the protocol's own until its `lost`.
 * Callbacks: `connected` (of the first protocol only) and `data` later in the turn. */
PLAIT_API void plait_stream_attach(struct plait_stream *s, const struct plait_protocol *protocol, void *self);

/** Writes a copy of bytes. Legal at any time; a failure arrives as `lost`; after plait_close it does nothing. */
PLAIT_API void plait_write(struct plait_stream *s, plait_slice bytes);

/** Writes text in printf's format. */
PLAIT_API void plait_printf(struct plait_stream *s, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/** Writes a buffer's content without copying. Ownership: the content is taken, the buffer is left empty; a buffer whose
 * sticky error is set aborts the stream with it. */
PLAIT_API void plait_write_take(struct plait_stream *s, struct plait_buf *buf);

/** Writes shared bytes without copying. Ownership: the stream takes a reference of its own until they are sent. */
PLAIT_API void plait_write_shared(struct plait_stream *s, struct plait_shared *shared);

/** Writes a range of a file, by sendfile where the stream can. Ownership: `fd` is borrowed until `released` is called;
 * a file that ends early ends the stream with PLAIT_ETRUNCATED. Callbacks: `released` exactly once, when the range is
 * sent or given up; it must not use the stream. */
PLAIT_API void plait_write_file(struct plait_stream *s, int fd, uint64_t offset, uint64_t bytes, plait_call_fn released,
                                void *ctx);

/** Sends descriptors over a UNIX socket, with at least one byte of data. All or nothing, and not queued: with output
 * pending it is PLAIT_EAGAIN, and `room` tells when to try again. Errors: PLAIT_EAGAIN, PLAIT_EUNSUPPORTED (another
 * carrier), PLAIT_ESTATE (closing), PLAIT_EINVAL (no byte), PLAIT_ELIMIT (over 16 descriptors, over 4 KiB), PLAIT_EIO.
 * Ownership: the descriptors stay the caller's. Source: unix(7), SCM_RIGHTS. */
PLAIT_API plait_err plait_write_fds(struct plait_stream *s, plait_slice bytes, const int *fds, size_t count) PLAIT_MUST;

/** Sends what was gathered now and not at the end of the callback. */
PLAIT_API void plait_flush(struct plait_stream *s);

/** Bytes written and not yet accepted by the carrier. */
PLAIT_API size_t plait_pending(const struct plait_stream *s);

/** Sets the marks between which output counts as too much; 0 leaves one as it is. Default 256 KiB and 64 KiB. */
PLAIT_API void plait_stream_marks(struct plait_stream *s, size_t high, size_t low);

/** Whether output stands above the high-water mark and `room` is still to come. */
PLAIT_API bool plait_is_full(const struct plait_stream *s);

/** Says how many bytes the protocol needs before `data` makes sense; counts until they are there, 0 for any. More than
 * the input may hold is cut to it. */
PLAIT_API void plait_need(struct plait_stream *s, size_t bytes);

/** Stops `data` and `eof` until plait_resume; the peer is slowed by its own backpressure. */
PLAIT_API void plait_pause(struct plait_stream *s);

/** Goes on; what was kept comes once, later in the turn. */
PLAIT_API void plait_resume(struct plait_stream *s);

/** Ends a stream in good order: flushes, shuts down writing, reads and discards for a short while, closes. No `data`
 * and no `eof` comes any more. Never allocates. Callbacks: `lost` in a later turn, or later in this one. */
PLAIT_API void plait_close(struct plait_stream *s);

/** Ends the own side after what is written; the peer's goes on. A pipe that can only be written to has no other side:
 * its `eof` comes, and it closes unless the protocol takes half-closed streams. */
PLAIT_API void plait_close_write(struct plait_stream *s);

/** Ends a stream now: what is not sent is dropped, TCP resets. Never allocates. Callbacks: `lost` later in the turn. */
PLAIT_API void plait_abort(struct plait_stream *s);

/** Ends a stream now with an error of the protocol's, which `lost` then tells. Ownership: `detail` is static or
 * NULL. */
PLAIT_API void plait_abort_with(struct plait_stream *s, plait_err err, const char *detail);

/** Ends in good order like plait_close, but `lost` tells an error: what a protocol does after its own error reply.
 * Ownership: `detail` is static or NULL. */
PLAIT_API void plait_close_with(struct plait_stream *s, plait_err err, const char *detail);

/** Joins a source to a sink: bytes of `from` are written to `to` with backpressure; the end of `from` ends `to`'s own
 * side. `both` joins the other way too. Both streams lose their protocols to the joint. Fires when all is over with the
 * bytes carried (value.num). Errors: the first stream's fault. Ownership: as plait_deferred_new; cancelling aborts
 * both. */
PLAIT_API struct plait_deferred *plait_pipe(struct plait_stream *from, struct plait_stream *to, bool both) PLAIT_MUST;

/** As plait_pipe, and ends both streams with PLAIT_ETIMEDOUT when neither gave a byte for so long. Errors: as
 * plait_pipe. Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_pipe_idle(struct plait_stream *from, struct plait_stream *to, bool both,
                                                 plait_span idle) PLAIT_MUST;

/* --- what is known of a stream ------------------------------------------------------------------------------------ */

/** Reactor of a stream. Ownership: borrowed. */
PLAIT_API struct plait_reactor *plait_stream_reactor(const struct plait_stream *s);

/** Whether a stream still takes and gives bytes: neither side has asked for its end. A protocol that handles several
 * messages of one `data` looks here after each. */
PLAIT_API bool plait_is_open(const struct plait_stream *s);

/** Number that no other stream of this reactor ever has. */
PLAIT_API uint64_t plait_stream_id(const struct plait_stream *s);

/** Memory budget of this connection; allocate what lives no longer than it here. Ownership: borrowed; valid until
 * `lost` returns. */
PLAIT_API struct plait_budget *plait_stream_budget(struct plait_stream *s);

/** Address of the peer (as a trusted proxy told it), PLAIT_ADDR_NONE where there is none. */
PLAIT_API void plait_stream_peer(const struct plait_stream *s, struct plait_address *out);

/** Own address of the connection. */
PLAIT_API void plait_stream_local(const struct plait_stream *s, struct plait_address *out);

/** What TLS agreed on; NULL in the clear. Ownership: borrowed until `lost`. */
PLAIT_API const struct plait_tls_info *plait_stream_tls(const struct plait_stream *s);

/* Who the process at the other end of a UNIX socket is. */
struct plait_peer_cred {
    uint32_t pid, uid, gid;
};

/** Credentials of a UNIX socket's peer. Errors: PLAIT_EUNSUPPORTED (another carrier), PLAIT_EIO. Source: unix(7),
 * SO_PEERCRED. */
PLAIT_API plait_err plait_stream_cred(const struct plait_stream *s, struct plait_peer_cred *out) PLAIT_MUST;

/** Bytes received and sent so far, as the carrier counts them. Either pointer may be NULL. */
PLAIT_API void plait_stream_counts(const struct plait_stream *s, uint64_t *received, uint64_t *sent);

/** TCP only, else PLAIT_EUNSUPPORTED: whether small segments are held back (Nagle). Off by default. Errors:
 * PLAIT_EIO. */
PLAIT_API plait_err plait_stream_nagle(struct plait_stream *s, bool on) PLAIT_MUST;

/** TCP only: probes an idle connection after `idle`, every `every`, `probes` times; idle 0 turns it off. Errors:
 * PLAIT_EUNSUPPORTED, PLAIT_EINVAL, PLAIT_EIO. */
PLAIT_API plait_err plait_stream_keepalive(struct plait_stream *s, plait_span idle, plait_span every, int probes)
    PLAIT_MUST;

/** TCP only: how long sent data may stay unacknowledged. Errors: PLAIT_EUNSUPPORTED, PLAIT_EIO. Source: RFC 5482. */
PLAIT_API plait_err plait_stream_user_timeout(struct plait_stream *s, plait_span span) PLAIT_MUST;

/** How long the peer may accept no byte of pending output before the stream is aborted with PLAIT_EPEERSTALLED; default
 * a minute. */
PLAIT_API void plait_stream_stall(struct plait_stream *s, plait_span span);

/* --- streams that are no connection ------------------------------------------------------------------------------- */

/** Makes two streams joined in memory. Errors: PLAIT_ENOMEM. Ownership: the reactor's; attach a protocol to each at
 * once. */
PLAIT_API plait_err plait_pair_new(struct plait_reactor *reactor, struct plait_stream **a, struct plait_stream **b)
    PLAIT_MUST;

/** Makes a stream of one descriptor for both ways, or of two (-1 for a missing way): pipes, terminals, files, sockets.
 * The descriptors are made non-blocking where that harms nobody else, and closed with the stream. Errors: PLAIT_ENOMEM,
 * PLAIT_EINVAL, PLAIT_EIO; then they stay the caller's. Ownership: the stream is the reactor's, the descriptors the
 * stream's. */
PLAIT_API plait_err plait_stream_of_fds(struct plait_reactor *reactor, int in, int out, struct plait_stream **s)
    PLAIT_MUST;

PLAIT_END
#endif
