/* SPDX-License-Identifier: MIT
 *
 * UNIX sockets: streams, sequenced packets and datagrams, by path, abstract name or as a pair; descriptors and
 * credentials pass. All of it happens at once within a host, as in the kernel's af_unix.c, which the errors, their
 * order and the wake-ups follow.
 *
 * Invariant: a message waits at its receiver and counts in its sender's `queued` until it is read or dropped; it holds
 * a reference to the sender and to each file that travels in it.
 * Tests: tests/sim/test_unix.c, and the differential test.
 */
#include "sim/sim_files.h"
#include "sim/sim_socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 32768 /* a stream's bytes are cut into messages of at most so many */
#define PASSED_MAX 253    /* SCM_MAX_FD */
#define DATAGRAMS_MAX 10  /* net.unix.max_dgram_qlen: one more waits */

struct message {
    struct sim_link link;
    struct sim_sock *sender;
    size_t at, len, cost;
    size_t file_count;
    struct sim_file **file;
    uint8_t bytes[];
};

static bool is_datagram(const struct sim_sock *s)
{
    return s->type == SOCK_DGRAM;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void message_free(struct message *m)
{
    for (size_t i = 0; i < m->file_count; i++) {
        if (m->file[i])
            sim_file_unref(m->file[i]);
    }
    plait_mem_free(m->file);
    sim_sock_unref(m->sender);
    plait_mem_free(m);
}

static bool writable(const struct sim_sock *s)
{
    return !s->un.listening && s->un.queued * 4 <= s->sndbuf;
}

/* A message left the queue of a receiver. */
static void consumed(struct sim_sock *s, struct message *m)
{
    struct sim_sock *sender = m->sender;
    sim_list_del(&m->link);
    s->un.count--;
    sender->un.queued -= m->cost;
    if (!sender->dead && writable(sender))
        sim_wake(&sender->file, SIM_OUT_KEY);
    message_free(m);
    while (is_datagram(s) && !sim_list_empty(&s->un.senders)) {
        struct sim_sock *waits = SIM_OF(s->un.senders.next, struct sim_sock, un.in_senders);
        sim_list_del(&waits->un.in_senders);
        sim_wake(&waits->file, SIM_OUT_KEY);
    }
}

static void drop_messages(struct sim_sock *s)
{
    while (!sim_list_empty(&s->un.messages))
        consumed(s, SIM_OF(s->un.messages.next, struct message, link));
}

/* Takes the files that a control message names: 0 or -errno. */
static int take_files(struct sim_sock *s, const struct cmsghdr *head, struct message *m)
{
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fd;
    if (count > PASSED_MAX)
        return -EINVAL;
    m->file = plait_mem_new(&sim_of(s)->budget, (count ? count : 1) * sizeof *m->file);
    if (!m->file)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        memcpy(&fd, (const uint8_t *)head + CMSG_LEN(0) + i * sizeof fd, sizeof fd);
        struct sim_file *f = sim_fd_file(s->file.host, fd);
        if (!f)
            return -EBADF;
        f->refs++;
        m->file[m->file_count++] = f;
    }
    return 0;
}

static int read_control(struct sim_sock *s, const struct msghdr *msg, struct message *m)
{
    size_t at = 0;
    struct cmsghdr head;
    while (msg && msg->msg_control && at + sizeof head <= msg->msg_controllen) {
        memcpy(&head, (const uint8_t *)msg->msg_control + at, sizeof head);
        if (head.cmsg_len < sizeof head || head.cmsg_len > msg->msg_controllen - at)
            return -EINVAL;
        if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS) {
            const void *where = (const uint8_t *)msg->msg_control + at;
            int err = m->file ? -EINVAL : take_files(s, where, m);
            if (err)
                return err;
        } else if (head.cmsg_level == SOL_SOCKET && head.cmsg_type != SCM_CREDENTIALS) {
            return -EINVAL;
        }
        at += CMSG_ALIGN(head.cmsg_len);
    }
    return 0;
}

static struct message *message_new(struct sim_sock *s, struct sim_io *io, size_t len, bool with_control, int *err)
{
    struct message *m = plait_mem_new(&sim_of(s)->budget, sizeof *m + len);
    *err = -ENOMEM;
    if (!m)
        return NULL;
    m->sender = s;
    sim_sock_ref(s);
    *err = with_control ? read_control(s, io->msg, m) : 0;
    if (*err) {
        message_free(m);
        return NULL;
    }
    m->len = sim_io_copy_in(io, m->bytes, len);
    m->cost = m->len + 256; /* the kernel counts its own overhead too */
    return m;
}

static void deliver(struct sim_sock *s, struct sim_sock *to, struct message *m)
{
    s->un.queued += m->cost;
    sim_list_add(&to->un.messages, &m->link);
    to->un.count++;
    sim_wake(&to->file, SIM_IN_KEY);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static ssize_t send_stream(struct sim_sock *s, struct sim_io *io)
{
    size_t done = 0;
    int err = 0;
    bool cut = sim_cut_short(s, io, io->left);
    while (io->left) {
        struct sim_sock *peer = s->peer;
        if (s->err || (s->shut & SIM_SHUT_WR) || peer->dead || (peer->shut & SIM_SHUT_RD)) {
            err = s->err && !(s->shut & SIM_SHUT_WR) ? sim_sock_error(s) : -EPIPE;
            break;
        }
        if (s->un.queued >= s->sndbuf) {
            err = -EAGAIN;
            break;
        }
        size_t most = s->sndbuf / 2 - 64 < MESSAGE_MAX ? s->sndbuf / 2 - 64 : MESSAGE_MAX;
        struct message *m = message_new(s, io, io->left < most ? io->left : most, done == 0, &err);
        if (!m)
            break;
        done += m->len;
        deliver(s, peer, m);
    }
    if (cut)
        sim_wake(&s->file, SIM_OUT_KEY);
    return done ? (ssize_t)done : err;
}

static int find_named(struct sim_sock *s, const struct plait_address *to, struct sim_sock **out);

static int datagram_target(struct sim_sock *s, const struct plait_address *to, struct sim_sock **out)
{
    if (to) {
        int err = find_named(s, to, out);
        return err ? err : is_datagram(*out) ? 0 : -EPROTOTYPE;
    }
    if (!s->peer)
        return -ENOTCONN;
    *out = s->peer;
    if (!s->peer->dead)
        return 0;
    s->peer = NULL;
    s->un.connected = false;
    sim_sock_unref(*out);
    drop_messages(s); /* what it had sent is lost with it */
    return -ECONNREFUSED;
}

static ssize_t send_datagram(struct sim_sock *s, struct sim_io *io, const struct plait_address *to)
{
    struct sim_sock *peer;
    if (io->left > s->sndbuf - 32)
        return -EMSGSIZE;
    if (s->shut & SIM_SHUT_WR)
        return -EPIPE;
    int err = datagram_target(s, to, &peer);
    if (err)
        return err;
    if (s->un.queued >= s->sndbuf)
        return -EAGAIN;
    if (peer->peer != s && peer->peer)
        return -EPERM; /* it talks to somebody else only */
    if (peer->shut & SIM_SHUT_RD)
        return -EPIPE;
    if (peer->peer != s && peer->un.count > DATAGRAMS_MAX) {
        sim_list_del(&s->un.in_senders);
        sim_list_add(&peer->un.senders, &s->un.in_senders);
        return -EAGAIN;
    }
    struct message *m = message_new(s, io, io->left, true, &err);
    if (!m)
        return err;
    ssize_t len = (ssize_t)m->len;
    deliver(s, peer, m);
    return len;
}

static ssize_t send_packet(struct sim_sock *s, struct sim_io *io)
{
    int err = sim_sock_error(s);
    if (err)
        return err;
    if (!s->un.connected)
        return -ENOTCONN;
    if (io->left > s->sndbuf - 32)
        return -EMSGSIZE;
    if (!s->peer || s->peer->dead || (s->shut & SIM_SHUT_WR) || (s->peer->shut & SIM_SHUT_RD))
        return -EPIPE;
    if (s->un.queued >= s->sndbuf)
        return -EAGAIN;
    struct message *m = message_new(s, io, io->left, true, &err);
    if (!m)
        return err;
    ssize_t len = (ssize_t)m->len;
    deliver(s, s->peer, m);
    return len;
}

static ssize_t unix_send(struct sim_sock *s, struct sim_io *io, const struct plait_address *to)
{
    if (is_datagram(s))
        return send_datagram(s, io, to);
    if (s->type == SOCK_SEQPACKET)
        return send_packet(s, io);
    if (io->msg && io->msg->msg_namelen)
        return s->un.connected ? -EISCONN : -EOPNOTSUPP;
    if (!s->peer)
        return s->un.connected ? -EPIPE : -ENOTCONN;
    return send_stream(s, io);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static ssize_t nothing_there(struct sim_sock *s)
{
    if (!is_datagram(s) && !s->un.connected)
        return s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    if (s->err)
        return sim_sock_error(s);
    return !is_datagram(s) && (s->shut & SIM_SHUT_RD) ? 0 : -EAGAIN;
}

/* Descriptors that came become the receiver's, as many as there is room for. */
static void give_files(struct sim_sock *s, struct sim_io *io, struct message *m, size_t *used)
{
    int fds[PASSED_MAX];
    size_t count = 0, room = 0;
    if (m->file_count == 0)
        return;
    if (io->msg && io->msg->msg_control && io->msg->msg_controllen >= *used + CMSG_LEN(0))
        room = (io->msg->msg_controllen - *used - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < m->file_count && count < room; i++) {
        int fd = sim_fd_new(s->file.host, m->file[i], (io->flags & MSG_CMSG_CLOEXEC) != 0);
        if (fd < 0)
            break;
        m->file[i] = NULL;
        fds[count++] = fd;
    }
    if (count < m->file_count && io->msg)
        io->msg->msg_flags |= MSG_CTRUNC;
    if (count)
        (void)sim_control_put(io, used, SOL_SOCKET, SCM_RIGHTS, fds, count * sizeof(int));
    for (size_t i = 0; i < m->file_count; i++) {
        if (m->file[i])
            sim_file_unref(m->file[i]);
    }
    m->file_count = 0;
}

/* Who sent it, where it has a name. */
static void give_name(struct sim_io *io, const struct message *m, socklen_t room)
{
    struct msghdr *msg = io->msg;
    if (!msg || !msg->msg_name)
        return;
    if (m->sender->local.kind == PLAIT_ADDR_NONE)
        return;
    msg->msg_namelen = room;
    sim_address_write(&m->sender->local, AF_UNIX, msg->msg_name, &msg->msg_namelen);
}

static ssize_t recv_stream(struct sim_sock *s, struct sim_io *io, size_t *used)
{
    size_t done = 0, asked = io->left;
    bool peek = io->flags & MSG_PEEK, passed = false;
    struct sim_link *at = s->un.messages.next;
    bool cut =
        !peek && sim_cut_short(s, io, SIM_OF(at, struct message, link)->len - SIM_OF(at, struct message, link)->at);
    while (io->left && at != &s->un.messages && !passed) {
        struct message *m = SIM_OF(at, struct message, link);
        at = at->next;
        size_t n = sim_io_copy_out(io, m->bytes + m->at, m->len - m->at);
        done += n;
        if (peek)
            continue;
        m->at += n;
        passed = m->file_count != 0;
        give_files(s, io, m, used);
        if (m->at == m->len)
            consumed(s, m);
    }
    if (cut && done < asked)
        sim_wake(&s->file, SIM_IN_KEY);
    return (ssize_t)done;
}

static ssize_t recv_packet(struct sim_sock *s, struct sim_io *io, size_t *used)
{
    struct message *m = SIM_OF(s->un.messages.next, struct message, link);
    size_t whole = m->len;
    size_t n = sim_io_copy_out(io, m->bytes, whole);
    if (n < whole && io->msg)
        io->msg->msg_flags |= MSG_TRUNC;
    if (!(io->flags & MSG_PEEK)) {
        give_files(s, io, m, used);
        consumed(s, m);
    }
    return (ssize_t)(io->flags & MSG_TRUNC ? whole : n);
}

static ssize_t unix_recv(struct sim_sock *s, struct sim_io *io)
{
    size_t used = 0;
    socklen_t name_len = io->msg ? io->msg->msg_namelen : 0;
    ssize_t res;
    if (io->msg)
        io->msg->msg_namelen = 0;
    if (s->type != SOCK_STREAM && s->err) {
        res = sim_sock_error(s); /* packets: the error comes before what waits */
    } else if (sim_list_empty(&s->un.messages)) {
        res = nothing_there(s);
    } else {
        give_name(io, SIM_OF(s->un.messages.next, struct message, link), name_len);
        res = s->type == SOCK_STREAM ? recv_stream(s, io, &used) : recv_packet(s, io, &used);
    }
    if (io->msg && res >= 0)
        io->msg->msg_controllen = used;
    return res;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int find_named(struct sim_sock *s, const struct plait_address *to, struct sim_sock **out)
{
    struct plait_host *host = s->file.host;
    if (to->kind == PLAIT_ADDR_UNIX)
        return sim_inode_socket(host, to->name, out);
    for (struct sim_link *at = host->abstract.next; at != &host->abstract; at = at->next) {
        *out = SIM_OF(at, struct sim_sock, un.in_abstract);
        if ((*out)->type == s->type && plait_address_equal(&(*out)->local, to))
            return 0; /* each type has names of its own */
    }
    return -ECONNREFUSED;
}

static int bind_abstract(struct sim_sock *s, const struct plait_address *addr)
{
    struct sim_sock *other;
    if (find_named(s, addr, &other) == 0)
        return -EADDRINUSE;
    s->local = *addr;
    sim_list_add(&s->file.host->abstract, &s->un.in_abstract);
    return 0;
}

/* A name of the system's choice: five hexadecimal digits. There are a million of them, far more than descriptors. */
static int bind_auto(struct sim_sock *s)
{
    struct plait_address addr = {.kind = PLAIT_ADDR_ABSTRACT, .name_len = 5};
    do {
        uint64_t number = sim_below(sim_of(s), 0x100000);
        (void)snprintf(addr.name, sizeof addr.name, "%05x", (unsigned)number);
    } while (bind_abstract(s, &addr) != 0);
    return 0;
}

static int unix_bind(struct sim_sock *s, const struct plait_address *addr)
{
    if (s->local.kind != PLAIT_ADDR_NONE)
        return addr->kind == PLAIT_ADDR_NONE ? 0 : -EINVAL;
    if (addr->kind == PLAIT_ADDR_NONE)
        return bind_auto(s);
    if (addr->kind == PLAIT_ADDR_ABSTRACT)
        return bind_abstract(s, addr);
    int err = sim_inode_bind(s->file.host, addr->name, s);
    if (!err)
        s->local = *addr;
    return err;
}

static int unix_peername(struct sim_sock *s)
{
    if (s->peer) /* it may have got its name since */
        s->peer_address = s->peer->local;
    return s->un.connected ? 0 : -ENOTCONN;
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void join(struct sim_sock *a, struct sim_sock *b)
{
    a->peer = b;
    sim_sock_ref(b);
    a->un.connected = true;
    a->peer_address = b->local;
    a->un.pid = 1000 + b->file.host->index;
}

int sim_unix_pair(struct sim_sock *a, struct sim_sock *b)
{
    join(a, b);
    join(b, a);
    return 0;
}

static int unix_listen(struct sim_sock *s, int backlog)
{
    if (is_datagram(s))
        return -EOPNOTSUPP;
    if (s->local.kind == PLAIT_ADDR_NONE || s->un.connected)
        return -EINVAL;
    s->un.backlog_max = backlog < 0 || backlog > 4096 ? 4096 : backlog;
    s->un.listening = true;
    s->un.pid = 1000 + s->file.host->index; /* what who connects will see */
    return 0;
}

static int unix_accept(struct sim_sock *s, struct sim_sock **out)
{
    if (is_datagram(s))
        return -EOPNOTSUPP;
    if (!s->un.listening)
        return -EINVAL;
    if (sim_list_empty(&s->un.backlog))
        return s->shut & SIM_SHUT_RD && !(s->file.flags & O_NONBLOCK) ? -EINVAL : -EAGAIN;
    *out = SIM_OF(s->un.backlog.next, struct sim_sock, un.in_backlog);
    sim_list_del(&(*out)->un.in_backlog);
    s->un.waiting--;
    if ((*out)->peer) /* it may have got a name since */
        (*out)->peer_address = (*out)->peer->local;
    return 0;
}

static void leave_peer(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    s->peer = NULL;
    sim_list_del(&s->un.in_senders);
    if (peer)
        sim_sock_unref(peer);
}

/* A datagram socket took another peer. What waits for it is lost, and who was joined with it both ways hears so. */
static void left_for_another(struct sim_sock *s, struct sim_sock *old)
{
    if (old != s->peer && !sim_list_empty(&s->un.messages)) {
        drop_messages(s);
        if (!old->dead && old->peer == s) {
            old->err = ECONNRESET;
            sim_wake(&old->file, EPOLLERR);
        }
    }
    sim_sock_unref(old);
}

static int connect_datagram(struct sim_sock *s, const struct plait_address *addr)
{
    struct sim_sock *other = NULL;
    int err = find_named(s, addr, &other);
    if (err)
        return err;
    if (!is_datagram(other))
        return -EPROTOTYPE;
    if (other->peer && other->peer != s)
        return -EPERM;
    struct sim_sock *old = s->peer;
    s->peer = NULL;
    sim_list_del(&s->un.in_senders);
    join(s, other);
    s->un.pid = 0; /* nobody asks a datagram's peer who it is */
    if (old)
        left_for_another(s, old);
    return 0;
}

static int unix_connect(struct sim_sock *s, const struct plait_address *addr)
{
    struct sim_sock *listener = NULL;
    if (addr->kind == PLAIT_ADDR_NONE)
        return -EINVAL;
    if (is_datagram(s))
        return connect_datagram(s, addr);
    int err = find_named(s, addr, &listener);
    if (err)
        return err;
    if (listener->type != s->type)
        return -EPROTOTYPE;
    if (!listener->un.listening || (listener->shut & SIM_SHUT_RD))
        return -ECONNREFUSED;
    if (listener->un.waiting > (size_t)listener->un.backlog_max)
        return -EAGAIN;
    if (s->un.listening)
        return -EINVAL;
    if (s->un.connected)
        return -EISCONN;
    struct sim_sock *child = sim_sock_new(s->file.host, AF_UNIX, s->type);
    if (!child)
        return -ENOMEM;
    child->local = listener->local;
    sim_unix_pair(s, child);
    sim_list_add(&listener->un.backlog, &child->un.in_backlog);
    listener->un.waiting++;
    sim_wake(&listener->file, SIM_IN_KEY);
    return 0;
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static int unix_shutdown(struct sim_sock *s, int how)
{
    struct sim_sock *peer = s->peer;
    s->shut |= (uint8_t)how;
    sim_wake(&s->file, 0);
    if (!peer || is_datagram(s) || peer->dead)
        return 0;
    if (how & SIM_SHUT_RD)
        peer->shut |= SIM_SHUT_WR;
    if (how & SIM_SHUT_WR)
        peer->shut |= SIM_SHUT_RD;
    sim_wake(&peer->file, 0);
    return 0;
}

static uint32_t unix_poll(struct sim_sock *s)
{
    uint32_t mask = s->err ? EPOLLERR : 0;
    if (s->shut == SIM_SHUT_BOTH)
        mask |= EPOLLHUP;
    if (s->shut & SIM_SHUT_RD)
        mask |= EPOLLRDHUP | SIM_IN;
    if (s->un.listening)
        return mask | (sim_list_empty(&s->un.backlog) ? 0 : SIM_IN);
    if (!sim_list_empty(&s->un.messages))
        mask |= SIM_IN;
    if (!is_datagram(s) && !s->un.connected)
        mask |= EPOLLHUP;
    if (!writable(s))
        return mask;
    if (is_datagram(s) && s->peer && s->peer->peer != s && s->peer->un.count > DATAGRAMS_MAX) {
        sim_list_del(&s->un.in_senders);
        sim_list_add(&s->peer->un.senders, &s->un.in_senders);
        return mask;
    }
    return mask | SIM_OUT | EPOLLWRBAND;
}

static void drop_backlog(struct sim_sock *s)
{
    while (!sim_list_empty(&s->un.backlog)) {
        struct sim_sock *child = SIM_OF(s->un.backlog.next, struct sim_sock, un.in_backlog);
        sim_list_del(&child->un.in_backlog);
        if (child->peer)
            child->peer->err = ECONNRESET;
        sim_file_unref(&child->file);
    }
}

static void unix_closed(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    bool unread = !sim_list_empty(&s->un.messages);
    drop_backlog(s);
    sim_list_del(&s->un.in_abstract);
    sim_inode_unbind(s);
    s->shut = SIM_SHUT_BOTH;
    if (peer && !is_datagram(s) && !peer->dead) {
        peer->shut = SIM_SHUT_BOTH;
        if (unread)
            peer->err = ECONNRESET;
        sim_wake(&peer->file, 0);
    }
    while (!sim_list_empty(&s->un.senders)) {
        struct sim_sock *waits = SIM_OF(s->un.senders.next, struct sim_sock, un.in_senders);
        sim_list_del(&waits->un.in_senders);
        sim_wake(&waits->file, SIM_OUT_KEY);
    }
    drop_messages(s);
    leave_peer(s);
}

static void unix_destroyed(struct sim_sock *s)
{
    sim_list_del(&s->un.in_senders);
}

const struct sim_sock_ops plait__sim_unix_ops = {
    .bind = unix_bind,
    .listen = unix_listen,
    .accept = unix_accept,
    .connect = unix_connect,
    .shutdown = unix_shutdown,
    .send = unix_send,
    .recv = unix_recv,
    .poll = unix_poll,
    .peername = unix_peername,
    .closed = unix_closed,
    .destroyed = unix_destroyed,
};
