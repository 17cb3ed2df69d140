/* SPDX-License-Identifier: MIT
 *
 * The inside of a datagram socket, for datagram.c (life), datagram_in.c (receiving), datagram_out.c (sending).
 */
#ifndef PLAIT_ENGINE_DATAGRAM_CORE_H
#define PLAIT_ENGINE_DATAGRAM_CORE_H

#include "engine/core.h"

#include <plait/datagram.h>

/* Datagrams that wait to be sent: records of a header, the target's socket address and the payload, one after another;
 * the content is bytes[at .. end). */
struct plait__datagrams {
    uint8_t *bytes;
    size_t at, end, cap;
    size_t payload; /* bytes of all payloads: what queue_max bounds */
    size_t count;
};

struct plait__scratch; /* datagram_in.c: receive buffers that all sockets of a reactor share */

struct plait_datagram {
    struct plait__handle h;
    struct plait__module module;
    struct plait_reactor *reactor;
    const struct plait_datagram_handler *handler;
    void *self;
    struct plait__scratch *scratch;
    struct plait__datagrams queue;
    struct plait_soon soon;   /* the end of the callback or turn: sends, and tells what is to be told */
    struct plait_timer retry; /* the kernel was out of buffers */
    struct plait_address bound;
    size_t bytes_max, budget, queue_max;
    uint64_t received, sent, lost;
    int domain;
    int pending_errno; /* an ICMP error that sending came upon, to be told */
    bool connected;    /* has one peer */
    bool dual_stack;   /* IPv6 socket that takes IPv4 */
    bool error_queue;  /* IP_RECVERR is on */
    bool blocked;      /* sending waits for the descriptor or the timer */
    bool retried;      /* the datagram in front met an older one's error once */
    bool want_room;    /* PLAIT_EAGAIN was given */
    bool closing;      /* nothing is told any more */
    bool owned;        /* the caller has not closed it */
    bool gone;         /* the handle is closed: the memory may go */
    bool unlink;       /* bound to a path: file and inode below */
    dev_t file_device;
    ino_t file_inode;
};

/* datagram_in.c */
struct plait__scratch *plait__scratch_of(struct plait_reactor *r);
void plait__datagram_receive(struct plait_datagram *d, unsigned events);
/* Tells of an ICMP error: all that wait in the error queue, or else the one given. */
void plait__datagram_error(struct plait_datagram *d, int os_errno);
bool plait__datagram_is_icmp(int os_errno);

/* datagram_out.c */
/* Sends what the descriptor takes. Calls nobody back. */
void plait__datagram_flush(struct plait_datagram *d);
/* Tells what flushing left to be told: an error, room. */
void plait__datagram_tell(struct plait_datagram *d);
void plait__datagram_drop_queue(struct plait_datagram *d);

#define PLAIT__DATAGRAM_MAX ((size_t)1024 * 1024) /* largest bytes_max: the scratch memory */

#endif
