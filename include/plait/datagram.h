/* SPDX-License-Identifier: MIT
 *
 * Datagrams: UDP and UNIX. Received and sent in batches; nothing is allocated for one.
 */
#ifndef PLAIT_DATAGRAM_H
#define PLAIT_DATAGRAM_H

#include <plait/address.h>
#include <plait/reactor.h>

PLAIT_BEGIN

struct plait_datagram;

/* One datagram that came. Borrowed for the callback. */
struct plait_packet {
    plait_slice bytes;
    const struct plait_address *from;
    const struct plait_address *to; /* own address that it was sent to; PLAIT_ADDR_NONE where unknown */
    uint32_t interface_index;       /* that it came in by, or 0 */
    bool truncated;                 /* it was larger than bytes_max */
};

struct plait_datagram_handler {
    const char *name;
    /* A datagram came. */
    void (*packet)(struct plait_datagram *d, const struct plait_packet *packet, void *self);
    /* Connected mode: an ICMP error came for an earlier datagram (PLAIT_EREFUSED, PLAIT_EUNREACHABLE). */
    void (*error)(struct plait_datagram *d, const struct plait_fault *fault, void *self);
    /* Sending works again after plait_send gave PLAIT_EAGAIN. */
    void (*room)(struct plait_datagram *d, void *self);
};

/* The zero value of every member is its default. */
struct plait_datagram_options {
    struct plait_address bind;    /* PLAIT_ADDR_NONE: any port of connect's family */
    struct plait_address connect; /* PLAIT_ADDR_NONE: not connected */
    size_t bytes_max;             /* largest datagram taken whole; 65,535 */
    size_t budget;                /* bytes read at once before others have their turn; 256 KiB */
    size_t queue_max;             /* bytes that wait for the socket to take them; 256 KiB */
    bool reuse_port;
    bool dual_stack;
    bool broadcast;
    uint32_t unix_mode;
    void *reserved[4];
};

/** Opens a datagram socket. Errors: PLAIT_EADDRINUSE, PLAIT_EADDRNOTAVAIL, PLAIT_EACCESS, PLAIT_EDESCRIPTORS,
 * PLAIT_ENOMEM, PLAIT_EINVAL. Ownership: the caller's, ended with plait_datagram_close. Callbacks: the handler's in
 * later turns. */
PLAIT_API plait_err plait_datagram_open(struct plait_reactor *reactor, const struct plait_datagram_options *options,
                                        const struct plait_datagram_handler *handler, void *self,
                                        struct plait_datagram **out) PLAIT_MUST;

/** Sends one datagram, gathered with others until the callback or the turn ends. `to` is NULL in connected mode. What
 * is queued and later refused by the network is lost and counted. Errors: PLAIT_EAGAIN (the queue is full: wait for
 * `room`), PLAIT_EMSGSIZE, PLAIT_EINVAL (wrong family), PLAIT_ESTATE. */
PLAIT_API plait_err plait_send(struct plait_datagram *d, const struct plait_address *to, plait_slice bytes) PLAIT_MUST;

/** Sends one datagram from a given own address (of a packet's `to`), for answers from a socket bound to all addresses.
 * Errors: as plait_send. */
PLAIT_API plait_err plait_send_from(struct plait_datagram *d, const struct plait_address *from,
                                    const struct plait_address *to, plait_slice bytes) PLAIT_MUST;

/** Address a socket is bound to. */
PLAIT_API void plait_datagram_address(const struct plait_datagram *d, struct plait_address *out);

/** Joins (or leaves) a multicast group on an interface (index, 0 for the system's choice). Errors: PLAIT_EINVAL,
 * PLAIT_EIO. */
PLAIT_API plait_err plait_datagram_group(struct plait_datagram *d, const struct plait_address *group,
                                         uint32_t interface_index, bool join) PLAIT_MUST;

/** Counts: received, sent, dropped by truncation or refusal. Any pointer may be NULL. */
PLAIT_API void plait_datagram_counts(const struct plait_datagram *d, uint64_t *received, uint64_t *sent,
                                     uint64_t *lost);

/** Closes; what is queued is tried once. Takes NULL and leaves NULL. No callback comes after it. */
PLAIT_API void plait_datagram_close(struct plait_datagram **d);

PLAIT_END
#endif
