/* SPDX-License-Identifier: MIT
 *
 * A carrier is what carries a stream's bytes: a descriptor, one end of an in-memory pair, TLS over another carrier. A
 * stream sits on top of one, TLS sits between. Upward calls (struct plait__up_ops) may come inside a downward call: the
 * stream only takes note and queues, it never calls its protocol from there.
 */
#ifndef PLAIT_ENGINE_CARRIER_H
#define PLAIT_ENGINE_CARRIER_H

#include "base/chain.h"

#include <plait/stream.h>

struct plait__carrier;

/* What the one above is told. */
struct plait__up_ops {
    /* Bytes arrived, lent for the call; never more than was asked for by want_input. */
    void (*input)(void *up, uint8_t *bytes, size_t len);
    /* The peer's side ended in good order. Once. */
    void (*input_end)(void *up);
    /* Descriptors came (owned by the one above). */
    void (*input_fds)(void *up, const int *fds, size_t count);
    /* Output that was refused may be offered again. */
    void (*writable)(void *up);
    /* A handshake is complete. */
    void (*secured)(void *up);
    /* The carrier is broken: nothing but `closed` comes after it, and close must be called. Once. */
    void (*failed)(void *up, const struct plait_fault *fault);
    /* The end after close: the carrier is gone (its memory is freed by itself unless it is embedded). Never inside
     * close(). */
    void (*closed)(void *up);
};

enum plait__carrier_option { PLAIT__OPT_NAGLE, PLAIT__OPT_KEEPALIVE, PLAIT__OPT_USER_TIMEOUT };

struct plait__carrier_ops {
    const char *name; /* tcp, unix, pipe, pair, tls */
    /* How many bytes of input may come at most from now on; 0 stops it. */
    void (*want_input)(struct plait__carrier *c, size_t max);
    /* Offers output; takes (consumes) what it can. When something is left, `writable` comes later. Returns PLAIT_OK, or
     * the error with `failed` told as well. */
    plait_err (*output)(struct plait__carrier *c, struct plait__chain *chain);
    /* Ends the own side; the chain was emptied before. */
    void (*shut)(struct plait__carrier *c);
    /* Ends it: `abort` resets. Never allocates. `closed` follows in a later step of the loop. */
    void (*close)(struct plait__carrier *c, bool abort);
    void (*peer)(struct plait__carrier *c, struct plait_address *out);
    void (*local)(struct plait__carrier *c, struct plait_address *out);
    /* The rest may be NULL: not supported. */
    plait_err (*send_fds)(struct plait__carrier *c, plait_slice bytes, const int *fds, size_t count);
    plait_err (*cred)(struct plait__carrier *c, struct plait_peer_cred *out);
    plait_err (*option)(struct plait__carrier *c, enum plait__carrier_option option, const int64_t value[3]);
    const struct plait_tls_info *(*tls)(struct plait__carrier *c);
    /* As plait_stream_binding. */
    plait_err (*binding)(struct plait__carrier *c, const char *name, uint8_t *out, size_t *len);
    /* Whether closing with input unread would cost the peer what was sent last. */
    bool (*lingers)(struct plait__carrier *c);
    bool (*sends_files)(struct plait__carrier *c); /* NULL or false: file pieces must be turned into bytes above */
    void (*counts)(struct plait__carrier *c, uint64_t *received, uint64_t *sent);
    /* Frees the carrier's own memory, after `lost`. NULL: it is embedded in the stream, or in who made that. */
    void (*free)(struct plait__carrier *c);
};

struct plait__carrier {
    const struct plait__carrier_ops *ops;
    const struct plait__up_ops *up_ops;
    void *up;
};

#endif
