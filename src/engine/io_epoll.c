/* SPDX-License-Identifier: MIT
 *
 * Operations over epoll. Every descriptor is watched edge-triggered for both ways at once, so that the hot path makes
 * no epoll_ctl call and nothing can spin on readiness that nobody uses (TQ-46, TQ-63); it is not even registered until
 * a call on it would block, which spares a connection of one request that call. Input is read into one window per
 * reactor, lent to the owner for the call.
 *
 * Invariant: a handle that has its input on is either registered with nothing left to read, or on the again list.
 * Completions come only from plait__io_turn; a closed handle is never touched again before `closed`.
 * Tests: tests/engine/test_stream.c, test_carriers.c; on the simulated kernel tests/sim/.
 */
#include "engine/core.h"

#include <errno.h>
#include <fcntl.h>

enum {
    EVENTS = 256,
    WINDOW = 64 * 1024,
    IOVECS = 64,
    FDS_AT_ONCE = 16,
    ACCEPT_FIRST = 64,
    ACCEPT_MOST = 512,
    RETRY_MS = 10,
};

struct plait__io {
    struct plait_reactor *reactor;
    struct plait_sys *sys;
    int epfd;
    struct plait__handle *again, **again_end;
    struct plait__handle *later, **later_end; /* goes on the again list when the timer is over */
    struct plait_timer retry;
    struct plait__handle *closing;
    uint8_t *window;
    struct epoll_event events[EVENTS];
};

/* What waited for the kernel's memory is tried again. */
static void retry_over(void *ctx)
{
    struct plait__io *io = ctx;
    if (!io->later)
        return;
    *io->again_end = io->later;
    io->again_end = io->later_end;
    io->later = NULL;
    io->later_end = &io->later;
}

struct plait__io *plait__io_new(struct plait_reactor *reactor, struct plait_sys *sys)
{
    struct plait__io *io = plait_mem_new(&reactor->budget, sizeof *io);
    if (!io)
        return NULL;
    io->reactor = reactor;
    io->sys = sys;
    io->again_end = &io->again;
    io->later_end = &io->later;
    plait_timer_init(&io->retry, reactor, "send-retry", retry_over, io);
    io->window = plait_mem_new(&reactor->budget, WINDOW);
    io->epfd = io->window ? sys->ops->epoll_create1(sys, EPOLL_CLOEXEC) : -ENOMEM;
    if (io->epfd < 0)
        plait__io_free(&io);
    return io;
}

void plait__io_free(struct plait__io **io)
{
    if (!*io)
        return;
    plait_timer_stop(&(*io)->retry);
    if ((*io)->epfd >= 0)
        (*io)->sys->ops->close((*io)->sys, (*io)->epfd);
    plait_mem_free((*io)->window);
    plait_mem_free(*io);
    *io = NULL;
}

int plait__io_fd(const struct plait__io *io)
{
    return io->epfd;
}

bool plait__io_pending(const struct plait__io *io)
{
    return io->again != NULL || io->closing != NULL;
}

static void run_again(struct plait__io *io, struct plait__handle *h)
{
    if (h->flags & PLAIT__QUEUED)
        return;
    h->flags |= PLAIT__QUEUED;
    h->next = NULL;
    *io->again_end = h;
    io->again_end = &h->next;
    plait__reactor_touch(io->reactor);
}

/* The kernel has no memory for what is to be sent, and no edge will tell when it has some again (TQ-42). */
static void run_later(struct plait__io *io, struct plait__handle *h)
{
    h->flags |= PLAIT__STARVED;
    if (!plait_timer_runs(&io->retry))
        plait_timer_arm(&io->retry, plait_millis(RETRY_MS));
    if (h->flags & PLAIT__QUEUED)
        return;
    h->flags |= PLAIT__QUEUED;
    h->next = NULL;
    *io->later_end = h;
    io->later_end = &h->next;
}

/* Has epoll tell of every edge from now on, and at once of what is there already. A plain file, which epoll refuses, is
 * always ready (TQ-67). Returns 0 or -errno. */
static int watch(struct plait__io *io, struct plait__handle *h)
{
    if (h->flags & (PLAIT__REGISTERED | PLAIT__UNPOLLED))
        return 0;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = h}};
    if (h->kind == PLAIT__H_LEVEL)
        ev.events = h->level_events;
    const int res = io->sys->ops->epoll_ctl(io->sys, io->epfd, EPOLL_CTL_ADD, h->fd, &ev);
    if (res == -EPERM && h->kind == PLAIT__H_FILE) {
        h->flags |= PLAIT__UNPOLLED;
        return 0;
    }
    if (res == 0)
        h->flags |= PLAIT__REGISTERED;
    return res;
}

int plait__io_attach(struct plait__io *io, struct plait__handle *h, enum plait__handle_kind kind, int fd,
                     const struct plait__handle_ops *ops)
{
    h->ops = ops;
    h->next = NULL;
    h->fd = fd;
    h->kind = (uint8_t)kind;
    h->flags = 0;
    h->level_events = 0;
    h->input_max = 0;
    if (kind == PLAIT__H_LISTEN)
        h->accept_max = ACCEPT_FIRST;
    return kind == PLAIT__H_LISTEN || kind == PLAIT__H_POLL || kind == PLAIT__H_LEVEL ? watch(io, h) : 0;
}

void plait__io_input(struct plait__io *io, struct plait__handle *h, bool on)
{
    if (!on) {
        h->flags &= (uint16_t)~PLAIT__IN_ON;
        return;
    }
    h->flags |= PLAIT__IN_ON;
    if ((h->flags & PLAIT__IN_READY) || !(h->flags & PLAIT__REGISTERED))
        run_again(io, h);
}

void plait__io_again(struct plait__io *io, struct plait__handle *h)
{
    h->flags |= PLAIT__IN_READY;
    run_again(io, h);
}

/* Takes the descriptors out of a message's control data; what does not fit was closed by the kernel. */
static size_t take_fds(struct msghdr *msg, int *fds)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && count < FDS_AT_ONCE; i++)
            memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
    return count;
}

static ssize_t receive_message(struct plait__io *io, struct plait__handle *h, size_t max, int *fds, size_t *fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = io->window, .iov_len = max};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    const ssize_t res = io->sys->ops->recvmsg(io->sys, h->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (res >= 0)
        *fd_count = take_fds(&msg, fds);
    return res;
}

/* After a receive: a short read used the readiness up, unless the end is known to stand behind it; a later edge tells
 * of more. */
static void settle_input(struct plait__io *io, struct plait__handle *h, bool drained)
{
    if (h->flags & PLAIT__CLOSED)
        return;
    if (drained)
        h->flags &= (uint16_t)~PLAIT__IN_READY;
    if (!(h->flags & PLAIT__IN_ON))
        return;
    if (h->flags & (PLAIT__IN_READY | PLAIT__UNPOLLED)) {
        run_again(io, h);
        return;
    }
    const int res = h->flags & PLAIT__REGISTERED ? 0 : watch(io, h);
    if (res < 0)
        h->ops->received(h, res, io->window, NULL, 0);
    else if (h->flags & PLAIT__UNPOLLED)
        run_again(io, h);
}

/* A pipe that is only written to tells by its error that nobody reads it any more, before anybody writes (TQ-133). */
static void watch_reader(struct plait__io *io, struct plait__handle *h)
{
    if (h->flags & PLAIT__HUP) {
        h->flags &= (uint16_t)~PLAIT__IN_ON;
        h->ops->received(h, -EPIPE, io->window, NULL, 0);
    } else if (!(h->flags & PLAIT__UNPOLLED)) {
        settle_input(io, h, true);
    }
}

static void nothing_to_read(struct plait__io *io, struct plait__handle *h)
{
    if (h->flags & PLAIT__LAST_WORDS) {
        h->flags &= (uint16_t)~PLAIT__IN_ON;
        h->ops->received(h, -EPIPE, io->window, NULL, 0);
        return;
    }
    h->flags &= (uint16_t)~PLAIT__HUP; /* said too early, or used up: TQ-40 */
    settle_input(io, h, true);
}

/* What a receive of at most `max` bytes brought. */
static inline void tell_received(struct plait__io *io, struct plait__handle *h, ssize_t res, size_t max, const int *fds,
                                 size_t fd_count)
{
    if (res == -EAGAIN) {
        nothing_to_read(io, h);
        return;
    }
    /* A UNIX socket ends a read where descriptors were sent with the bytes, a terminal where a line ends: a short read
     * of them says nothing. */
    const bool tells = h->kind == PLAIT__H_SOCKET && !(h->flags & (PLAIT__HUP | PLAIT__LAST_WORDS));
    const bool drained = tells && res > 0 && (size_t)res < max;
    if (res <= 0)
        h->flags &= (uint16_t)~PLAIT__IN_ON; /* nothing comes behind the end or an error */
    h->ops->received(h, res, io->window, fds, fd_count);
    settle_input(io, h, drained);
}

/* Apart from input_once, which then needs no memory for descriptors. */
static void input_message(struct plait__io *io, struct plait__handle *h, size_t max)
{
    int fds[FDS_AT_ONCE] __attribute__((uninitialized)); /* fd_count of them are filled */
    size_t fd_count = 0;
    const ssize_t res = receive_message(io, h, max, fds, &fd_count);
    tell_received(io, h, res, max, fds, fd_count);
}

static void input_once(struct plait__io *io, struct plait__handle *h)
{
    struct plait_sys *sys = io->sys;
    h->flags |= PLAIT__IN_READY;
    if (!(h->flags & PLAIT__IN_ON))
        return;
    const size_t max = h->input_max < WINDOW ? h->input_max : WINDOW;
    if (h->kind == PLAIT__H_SOCKET)
        tell_received(io, h, sys->ops->recv(sys, h->fd, io->window, max, MSG_DONTWAIT), max, NULL, 0);
    else if (h->flags & PLAIT__OUT_ONLY)
        watch_reader(io, h);
    else if (h->kind == PLAIT__H_FILE)
        tell_received(io, h, sys->ops->read(sys, h->fd, io->window, max), max, NULL, 0);
    else
        input_message(io, h, max);
}

static void accept_some(struct plait__io *io, struct plait__handle *h)
{
    h->flags |= PLAIT__IN_READY;
    for (uint32_t n = 0; n < h->accept_max; n++) {
        if (!(h->flags & PLAIT__IN_ON) || (h->flags & PLAIT__CLOSED))
            return;
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        const int fd =
            io->sys->ops->accept4(io->sys, h->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd == -EAGAIN) {
            h->flags &= (uint16_t)~PLAIT__IN_READY;
            h->accept_max = n < ACCEPT_FIRST ? ACCEPT_FIRST : n;
            return;
        }
        h->ops->accepted(h, fd, (struct sockaddr *)&ss, fd >= 0 ? len : 0);
        if (fd < 0 && fd != -ECONNABORTED)
            break;
    }
    if (h->accept_max < ACCEPT_MOST)
        h->accept_max += h->accept_max / 4; /* TQ-10: saturated, take more at once */
    if (!(h->flags & PLAIT__CLOSED) && (h->flags & PLAIT__IN_ON))
        run_again(io, h);
}

static void connect_done(struct plait__io *io, struct plait__handle *h)
{
    int err = 0;
    socklen_t len = sizeof err;
    const int res = io->sys->ops->getsockopt(io->sys, h->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    h->flags &= (uint16_t)~PLAIT__CONNECTING;
    h->ops->connected(h, res < 0 ? res : -err);
}

static void handle_input(struct plait__io *io, struct plait__handle *h)
{
    if (h->kind == PLAIT__H_LISTEN)
        accept_some(io, h);
    else
        input_once(io, h);
}

static void handle_event(struct plait__io *io, struct plait__handle *h, unsigned ev)
{
    if (h->kind >= PLAIT__H_POLL) {
        h->ops->ready(h, ev);
        return;
    }
    if (h->flags & PLAIT__CONNECTING) {
        if (ev & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            connect_done(io, h);
        return;
    }
    if (ev & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        h->flags |= PLAIT__HUP;
    if (ev & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        handle_input(io, h);
    if ((ev & (EPOLLOUT | EPOLLHUP | EPOLLERR)) && (h->flags & PLAIT__OUT_BLOCKED) && !(h->flags & PLAIT__CLOSED)) {
        h->flags &= (uint16_t)~PLAIT__OUT_BLOCKED; /* but starved it stays, for as long as it waits on that list */
        h->ops->writable(h);
    }
}

static void handle_again(struct plait__io *io, struct plait__handle *h)
{
    const bool asks = (h->flags & (PLAIT__UNPOLLED | PLAIT__STARVED)) != 0;
    h->flags &= (uint16_t)~PLAIT__STARVED;
    if (h->kind >= PLAIT__H_POLL) {
        h->ops->ready(h, EPOLLIN | EPOLLOUT);
        return;
    }
    if (h->flags & PLAIT__CONNECTING) {
        connect_done(io, h);
        return;
    }
    if (asks && (h->flags & PLAIT__OUT_BLOCKED)) {
        h->flags &= (uint16_t)~PLAIT__OUT_BLOCKED;
        h->ops->writable(h);
    }
    if ((h->flags & PLAIT__IN_ON) && !(h->flags & PLAIT__CLOSED))
        handle_input(io, h);
}

static void deliver(struct plait__io *io, struct plait__handle *h, unsigned ev, bool from_again)
{
    const char *name = h->ops->name;
    plait__callback_begin(io->reactor);
    if (from_again)
        handle_again(io, h);
    else
        handle_event(io, h, ev);
    plait__callback_end(io->reactor, name);
}

static void to_closing(struct plait__io *io, struct plait__handle *h)
{
    h->next = io->closing;
    io->closing = h;
    plait__reactor_touch(io->reactor);
}

void plait__io_reap(struct plait__io *io)
{
    while (io->closing) {
        struct plait__handle *h = io->closing;
        io->closing = h->next;
        h->next = NULL;
        h->ops->closed(h);
    }
}

/* Works off what was on the again list when this began; what is put there meanwhile has its turn next time. */
static void turn_again(struct plait__io *io)
{
    struct plait__handle *h = io->again;
    io->again = NULL;
    io->again_end = &io->again;
    while (h) {
        struct plait__handle *next = h->next;
        h->next = NULL;
        h->flags &= (uint16_t)~PLAIT__QUEUED;
        if (h->flags & PLAIT__CLOSED)
            to_closing(io, h);
        else
            deliver(io, h, 0, true);
        h = next;
    }
}

int plait__io_turn(struct plait__io *io, int64_t wait_ns)
{
    if (plait__io_pending(io))
        wait_ns = 0;
    const int n = io->sys->ops->epoll_wait(io->sys, io->epfd, io->events, EVENTS, wait_ns);
    plait__reactor_woke(io->reactor);
    for (int i = 0; i < n; i++) {
        struct plait__handle *h = io->events[i].data.ptr;
        if (!(h->flags & PLAIT__CLOSED)) /* closed earlier in this batch: TQ-66 */
            deliver(io, h, io->events[i].events, false);
    }
    turn_again(io);
    return n < 0 ? n : 0;
}

/* Whether a send failed for want of the kernel's memory only: the same one may go a moment later. */
static bool is_starved(ssize_t res)
{
    return res == -ENOBUFS || res == -ENOMEM;
}

/* Makes output wait for what a send lacked: room, or the kernel's memory. Returns 0 or -errno. */
static int block_output(struct plait__io *io, struct plait__handle *h, ssize_t why)
{
    h->flags |= PLAIT__OUT_BLOCKED;
    if (is_starved(why))
        run_later(io, h);
    const int res = watch(io, h);
    if (h->flags & PLAIT__UNPOLLED)
        run_again(io, h);
    return res;
}

static ssize_t send_file_piece(struct plait__io *io, struct plait__handle *h, struct plait__chain *chain)
{
    int file;
    uint64_t offset;
    uint64_t left;
    plait__chain_front_file(chain, &file, &offset, &left);
    off_t at = (off_t)offset;
    const size_t most = left < (1U << 30) ? (size_t)left : 1U << 30;
    const ssize_t res = io->sys->ops->sendfile(io->sys, h->fd, file, &at, most);
    return res == 0 ? -ENODATA : res; /* the file is shorter than it was */
}

static ssize_t send_vectors(struct plait__io *io, struct plait__handle *h, struct iovec *iov, size_t count)
{
    if (h->kind == PLAIT__H_FILE)
        return io->sys->ops->writev(io->sys, h->fd, iov, (int)count);
    const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
    return io->sys->ops->sendmsg(io->sys, h->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Several pieces, or a file in front. */
static ssize_t send_pieces(struct plait__io *io, struct plait__handle *h, struct plait__chain *chain)
{
    struct iovec iov[IOVECS] __attribute__((uninitialized)); /* a kilobyte: to zero it costs more than to fill one */
    const size_t count = plait__chain_gather(chain, iov, IOVECS);
    return count > 0 ? send_vectors(io, h, iov, count) : send_file_piece(io, h, chain);
}

/* What stands in front of a chain: bytes, or a piece of a file. */
static inline ssize_t send_front(struct plait__io *io, struct plait__handle *h, struct plait__chain *chain)
{
    struct iovec one __attribute__((uninitialized));
    return plait__chain_is_one(chain, &one) ? send_vectors(io, h, &one, 1) : send_pieces(io, h, chain);
}

ssize_t plait__io_send(struct plait__io *io, struct plait__handle *h, struct plait__chain *chain)
{
    ssize_t total = 0;
    while (!plait__chain_empty(chain)) {
        const ssize_t res = send_front(io, h, chain);
        if (res == -EAGAIN || is_starved(res)) { /* TQ-42 */
            const int blocked = block_output(io, h, res);
            return blocked < 0 ? blocked : total;
        }
        if (res < 0)
            return res;
        plait__chain_consume(chain, (size_t)res);
        total += res;
    }
    return total;
}

ssize_t plait__io_send_fds(struct plait__io *io, struct plait__handle *h, plait_slice bytes, const int *fds,
                           size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    const ssize_t res = io->sys->ops->sendmsg(io->sys, h->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (res != -EAGAIN && !is_starved(res))
        return res;
    const int blocked = block_output(io, h, res);
    return blocked < 0 ? blocked : -EAGAIN;
}

int plait__io_connect(struct plait__io *io, struct plait__handle *h, const struct sockaddr *addr, socklen_t len)
{
    const int res = io->sys->ops->connect(io->sys, h->fd, addr, len);
    if (res < 0 && res != -EINPROGRESS && res != -EINTR && res != -EALREADY && res != -EISCONN)
        return res;
    h->flags |= PLAIT__CONNECTING;
    if (res == 0 || res == -EISCONN) {
        run_again(io, h);
        return 0;
    }
    const int watched = watch(io, h);
    if (watched < 0)
        h->flags &= (uint16_t)~PLAIT__CONNECTING;
    return watched;
}

int plait__io_level(struct plait__io *io, struct plait__handle *h, unsigned events)
{
    struct epoll_event ev = {.events = events, .data = {.ptr = h}};
    h->level_events = (uint8_t)events;
    return io->sys->ops->epoll_ctl(io->sys, io->epfd, EPOLL_CTL_MOD, h->fd, &ev);
}

void plait__io_close(struct plait__io *io, struct plait__handle *h, bool keep_fd)
{
    if (h->flags & PLAIT__CLOSED)
        return;
    h->flags = (uint16_t)((h->flags | PLAIT__CLOSED) & ~(PLAIT__IN_ON | PLAIT__OUT_BLOCKED));
    /* Others may hold what stands behind the descriptor (a child, a duplicate): closing ours would leave it watched,
     * and epoll telling of a handle that is gone (TQ-72). */
    if (h->flags & PLAIT__REGISTERED)
        io->sys->ops->epoll_ctl(io->sys, io->epfd, EPOLL_CTL_DEL, h->fd, NULL);
    if (!keep_fd)
        io->sys->ops->close(io->sys, h->fd);
    h->fd = -1;
    if (h->flags & PLAIT__STARVED)
        retry_over(io); /* so that its turn comes at once */
    if (!(h->flags & PLAIT__QUEUED))
        to_closing(io, h);
}
