/* SPDX-License-Identifier: MIT
 *
 * The upper layer of the seam: operations. A handle is one descriptor in the engine. Its owner starts an operation;
 * each ends in a completion, told through the handle's table. The epoll engine (io_epoll.c) implements this over
 * plait_sys; a ring engine would implement it over its own calls. Input operations repeat until stopped; output
 * operations try at once and complete later what did not go.
 *
 * Completions come from plait__io_turn only, never inside a call that starts or stops something. After plait__io_close
 * none comes but `closed`.
 */
#ifndef PLAIT_ENGINE_IO_H
#define PLAIT_ENGINE_IO_H

#include "base/chain.h"
#include "base/list.h"
#include "engine/sys.h"

#include <plait/address.h>
#include <plait/reactor.h>

struct plait__handle;

/* Completions of a handle; an owner leaves out what it never starts. */
struct plait__handle_ops {
    const char *name; /* for the log of slow callbacks */
    /* Receive: `res` > 0 bytes at `window` lent for the call, 0 for the end, else -errno. fds came with them (UNIX
     * sockets). */
    void (*received)(struct plait__handle *h, ssize_t res, uint8_t *window, const int *fds, size_t fd_count);
    /* Send may go on: what was left in the chain is to be offered again. */
    void (*writable)(struct plait__handle *h);
    /* Accept: a descriptor, or -errno (which ends the batch; -EAGAIN is never told). */
    void (*accepted)(struct plait__handle *h, int fd, const struct sockaddr *addr, socklen_t len);
    /* Connect: 0 or -errno. */
    void (*connected)(struct plait__handle *h, int res);
    /* Poll: the descriptor became ready (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP bits). */
    void (*ready)(struct plait__handle *h, unsigned events);
    /* Close is complete: the descriptor is gone and the handle's memory is the owner's again. */
    void (*closed)(struct plait__handle *h);
};

enum plait__handle_kind {
    PLAIT__H_SOCKET, /* recv, sendmsg, sendfile */
    PLAIT__H_UNIX,   /* recvmsg with descriptors, sendmsg */
    PLAIT__H_FILE,   /* read, writev: pipes, terminals, plain files */
    PLAIT__H_LISTEN,
    PLAIT__H_POLL,  /* ready(): edge-triggered; datagrams, eventfds, pidfds */
    PLAIT__H_LEVEL, /* ready(): level-triggered: foreign descriptors */
};

enum {
    PLAIT__IN_ON = 1,       /* the input operation runs */
    PLAIT__IN_READY = 2,    /* readiness seen and not used up */
    PLAIT__OUT_BLOCKED = 4, /* output waits for room */
    PLAIT__HUP = 8,         /* the peer's end was seen: a short read does not mean drained */
    PLAIT__CONNECTING = 16,
    PLAIT__CLOSED = 32,
    PLAIT__UNPOLLED = 64, /* epoll refused it (EPERM: a plain file): always ready */
    PLAIT__QUEUED = 128,  /* on the engine's again list */
    PLAIT__REGISTERED = 256,
    PLAIT__LAST_WORDS = 512, /* when nothing is left to read, that is told as -EPIPE: a send failed before */
    PLAIT__STARVED = 1024,   /* output waits for the kernel's memory: asked again after a while */
    PLAIT__OUT_ONLY = 2048,  /* FILE: cannot be read; its input operation tells -EPIPE when the reader has gone */
};

struct plait__handle {
    const struct plait__handle_ops *ops;
    struct plait__handle *next; /* on the again list or the closing list */
    int fd;
    uint16_t flags;
    uint8_t kind;
    uint8_t level_events;
    union {
        uint32_t input_max;  /* bytes that one received() may bring; 0: the engine's window */
        uint32_t accept_max; /* LISTEN: accepted() calls in one batch, adapts */
    };
    uint32_t owners; /* four bytes that would be padding: for whatever the owner likes */
};

struct plait__io;

/* Makes the engine of a reactor. NULL: no memory or no descriptor. */
struct plait__io *plait__io_new(struct plait_reactor *reactor, struct plait_sys *sys);
void plait__io_free(struct plait__io **io);

/* Descriptor to wait on from another loop. */
int plait__io_fd(const struct plait__io *io);

/* Whether a turn would find something without waiting. */
bool plait__io_pending(const struct plait__io *io);

/* Waits at most `wait_ns` (< 0: for ever) and delivers completions. Returns 0 or -errno. */
int plait__io_turn(struct plait__io *io, int64_t wait_ns);

/* Tells `closed` of handles that were closed: at the turn's end. */
void plait__io_reap(struct plait__io *io);

/* Takes a descriptor in. On failure (-errno) it stays the caller's and the handle is not known. */
int plait__io_attach(struct plait__io *io, struct plait__handle *h, enum plait__handle_kind kind, int fd,
                     const struct plait__handle_ops *ops);

/* Starts or stops receive or accept; ready bytes come in a later turn. */
void plait__io_input(struct plait__io *io, struct plait__handle *h, bool on);

/* Sends from a chain, consuming what the descriptor takes. Returns bytes taken (what is left waits for `writable`) or
 * -errno. */
ssize_t plait__io_send(struct plait__io *io, struct plait__handle *h, struct plait__chain *chain);

/* Sends descriptors with bytes (UNIX sockets). Returns bytes taken, -EAGAIN (wait for `writable`), or -errno. */
ssize_t plait__io_send_fds(struct plait__io *io, struct plait__handle *h, plait_slice bytes, const int *fds,
                           size_t count);

/* Connects; completion `connected`. Returns 0 or -errno (then no completion comes). */
int plait__io_connect(struct plait__io *io, struct plait__handle *h, const struct sockaddr *addr, socklen_t len);

/* Level-triggered handles: what is watched (EPOLLIN | EPOLLOUT). Returns 0 or -errno. */
int plait__io_level(struct plait__io *io, struct plait__handle *h, unsigned events);

/* Has `ready` called again next turn although no new edge came: a budget ran out before the descriptor did. */
void plait__io_again(struct plait__io *io, struct plait__handle *h);

/* Closes the descriptor (or, keep_fd, only lets go of it). `closed` completes later. Never fails, never allocates. */
void plait__io_close(struct plait__io *io, struct plait__handle *h, bool keep_fd);

/* Socket addresses to and from ours. from_sockaddr gives PLAIT_ADDR_NONE for what it does not know. */
void plait__address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct plait_address *out);
socklen_t plait__address_to_sockaddr(const struct plait_address *addr, struct sockaddr_storage *out);

#endif
