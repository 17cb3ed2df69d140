/* SPDX-License-Identifier: MIT
 *
 * Sockets in general: making them, names, messages, and the way from a call to the family's table. What a TCP, UNIX or
 * UDP socket does stands in the family's own file.
 *
 * Invariant: a socket lives as long as its descriptor, its peer or a packet on its way holds a reference.
 * Tests: tests/sim/test_tcp.c, test_unix.c, test_udp.c.
 */
#include "sim/sim_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* --- a socket as a file ------------------------------------------------------------------------------------------- */

static struct sim_sock *sock_of(struct sim_file *f)
{
    return SIM_OF(f, struct sim_sock, file);
}

static ssize_t sock_read(struct sim_file *f, struct sim_io *io)
{
    if (io->left == 0)
        return 0;
    return sock_of(f)->ops->recv(sock_of(f), io);
}

static ssize_t sock_write(struct sim_file *f, struct sim_io *io)
{
    return sock_of(f)->ops->send(sock_of(f), io, NULL);
}

static uint32_t sock_poll(struct sim_file *f)
{
    return sock_of(f)->ops->poll(sock_of(f));
}

static void sock_release(struct sim_file *f)
{
    struct sim_sock *s = sock_of(f);
    s->dead = true;
    s->ops->closed(s);
    sim_sock_unref(s);
}

static const struct sim_file_ops sock_ops = {
    .name = "socket",
    .polls = true,
    .read = sock_read,
    .write = sock_write,
    .poll = sock_poll,
    .release = sock_release,
};

struct sim_sock *sim_sock_new(struct plait_host *host, int domain, int type)
{
    struct sim_sock *s = plait_mem_new(&host->sim->budget, sizeof *s);
    if (!s)
        return NULL;
    sim_file_init(&s->file, host, &sock_ops, O_RDWR);
    s->file.sock = s;
    s->refs = 1;
    s->domain = domain;
    s->type = type;
    s->sndbuf = host->sndbuf;
    s->rcvbuf = host->rcvbuf;
    sim_list_init(&s->in_port);
    if (domain == AF_UNIX) {
        s->ops = &plait__sim_unix_ops;
        sim_list_init(&s->un.backlog);
        sim_list_init(&s->un.in_backlog);
        sim_list_init(&s->un.messages);
        sim_list_init(&s->un.senders);
        sim_list_init(&s->un.in_senders);
        sim_list_init(&s->un.in_abstract);
    } else if (type == SOCK_STREAM) {
        s->ops = &plait__sim_tcp_ops;
        sim_tcp_init(s);
    } else {
        s->ops = &plait__sim_udp_ops;
        sim_list_init(&s->udp.packets);
    }
    return s;
}

void sim_sock_ref(struct sim_sock *s)
{
    s->refs++;
}

void sim_sock_unref(struct sim_sock *s)
{
    if (--s->refs)
        return;
    s->ops->destroyed(s);
    sim_port_remove(s);
    plait_mem_free(s);
}

struct sim_sock *sim_fd_sock(struct plait_host *host, int fd, int *err)
{
    struct sim_file *f = sim_fd_file(host, fd);
    *err = !f ? -EBADF : !f->sock ? -ENOTSOCK : 0;
    return f ? f->sock : NULL;
}

int sim_sock_fd(struct sim_sock *s, int type_flags)
{
    if (type_flags & SOCK_NONBLOCK)
        s->file.flags |= O_NONBLOCK;
    int fd = sim_fd_new(s->file.host, &s->file, (type_flags & SOCK_CLOEXEC) != 0);
    if (fd < 0)
        sim_file_unref(&s->file);
    return fd;
}

int sim_sock_error(struct sim_sock *s)
{
    int err = s->err;
    s->err = 0;
    return -err;
}

bool sim_cut_short(struct sim_sock *s, struct sim_io *io, size_t there)
{
    size_t most = there < io->left ? there : io->left;
    struct plait_sim *sim = sim_of(s);
    if (most < 2 || !sim_strikes_at(sim, s->file.host, PLAIT_SIM_SHORT, 4, io->call))
        return false;
    io->left = 1 + sim_fault_below(sim, most - 1);
    sim_strike_tell(sim, "%s takes %zu of %zu bytes", plait_sim_call_name(io->call), io->left, most);
    return true;
}

/* --- making them -------------------------------------------------------------------------------------------------- */

static int check_kind(int domain, int type)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (kind == SOCK_STREAM || kind == SOCK_DGRAM || (kind == SOCK_SEQPACKET && domain == AF_UNIX))
        return kind;
    return kind < 0 || kind > 10 ? -EINVAL : -ESOCKTNOSUPPORT;
}

int sim_do_socket(struct plait_host *host, int domain, int type, int protocol)
{
    int kind = check_kind(domain, type);
    if (kind < 0)
        return kind;
    int own = domain == AF_UNIX ? 0 : kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (protocol && protocol != own)
        return -EPROTONOSUPPORT;
    struct sim_sock *s = sim_sock_new(host, domain, kind);
    return s ? sim_sock_fd(s, type) : -ENOMEM;
}

int sim_do_socketpair(struct plait_host *host, int domain, int type, int fds[2])
{
    int kind = check_kind(domain, type);
    if (kind < 0)
        return kind;
    if (domain != AF_UNIX)
        return -EOPNOTSUPP;
    if (!sim_fd_room(host, 2))
        return -EMFILE;
    struct sim_sock *a = sim_sock_new(host, domain, kind);
    struct sim_sock *b = a ? sim_sock_new(host, domain, kind) : NULL;
    if (!b) {
        if (a)
            sim_file_unref(&a->file);
        return -ENOMEM;
    }
    sim_unix_pair(a, b);
    fds[0] = sim_sock_fd(a, type);
    fds[1] = sim_sock_fd(b, type);
    if (fds[0] >= 0 && fds[1] >= 0)
        return 0;
    (void)sim_fd_drop(host, fds[0]);
    (void)sim_fd_drop(host, fds[1]);
    return -ENOMEM;
}

int sim_do_accept(struct plait_host *host, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct sim_sock *child;
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    if (!s->ops->accept)
        return -EOPNOTSUPP;
    if (!sim_fd_room(host, 1))
        return -EMFILE; /* before a connection is taken off the queue, as the kernel does */
    err = s->ops->accept(s, &child);
    if (err)
        return err;
    if (addr)
        sim_address_write(&child->peer_address, child->domain, addr, len);
    return sim_sock_fd(child, flags);
}

int sim_do_name(struct plait_host *host, int fd, struct sockaddr *addr, socklen_t *len, bool peer)
{
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (!err && peer)
        err = s->ops->peername(s);
    if (err)
        return err;
    sim_address_write(peer ? &s->peer_address : &s->local, s->domain, addr, len);
    return 0;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

bool sim_control_put(struct sim_io *io, size_t *used, int level, int type, const void *bytes, size_t len)
{
    struct msghdr *msg = io->msg;
    struct cmsghdr head = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    if (!msg || !msg->msg_control || *used + CMSG_LEN(len) > msg->msg_controllen) {
        if (msg)
            msg->msg_flags |= MSG_CTRUNC;
        return false;
    }
    uint8_t *at = (uint8_t *)msg->msg_control + *used;
    memcpy(at, &head, sizeof head);
    memcpy(at + CMSG_LEN(0), bytes, len);
    size_t step = CMSG_SPACE(len);
    *used = *used + step > msg->msg_controllen ? msg->msg_controllen : *used + step;
    return true;
}

ssize_t sim_do_recvmsg(struct plait_host *host, int fd, struct msghdr *msg, int flags)
{
    struct sim_io io;
    int err;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    ssize_t res = sim_io_begin(&io, msg->msg_iov, msg->msg_iovlen, PLAIT_SYS_recvmsg);
    if (res < 0)
        return -EMSGSIZE;
    io.msg = msg;
    io.flags = flags;
    msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
    return s->ops->recv(s, &io);
}

ssize_t sim_do_sendmsg(struct plait_host *host, int fd, const struct msghdr *msg, int flags)
{
    struct plait_address to;
    struct sim_io io;
    int err;
    struct msghdr own = *msg;
    struct sim_sock *s = sim_fd_sock(host, fd, &err);
    if (err)
        return err;
    if (sim_io_begin(&io, msg->msg_iov, msg->msg_iovlen, PLAIT_SYS_sendmsg) < 0)
        return -EMSGSIZE;
    if (msg->msg_namelen && s->type != SOCK_STREAM) {
        err = sim_address_read(s->domain, msg->msg_name, msg->msg_namelen, &to);
        if (err)
            return err;
    }
    io.msg = &own;
    io.flags = flags;
    return s->ops->send(s, &io, msg->msg_namelen ? &to : NULL);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void give(const void *from, socklen_t own, struct sockaddr *out, socklen_t *len)
{
    memcpy(out, from, own < *len ? own : *len);
    *len = own;
}

static void write_unix(const struct plait_address *addr, struct sockaddr *out, socklen_t *len)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t own = offsetof(struct sockaddr_un, sun_path);
    if (addr->kind == PLAIT_ADDR_UNIX) {
        memcpy(un.sun_path, addr->name, addr->name_len);
        own += (socklen_t)addr->name_len + 1;
    } else if (addr->kind == PLAIT_ADDR_ABSTRACT) {
        memcpy(un.sun_path + 1, addr->name, addr->name_len);
        own += (socklen_t)addr->name_len + 1;
    }
    give(&un, own, out, len);
}

void sim_address_write(const struct plait_address *addr, int domain, struct sockaddr *out, socklen_t *len)
{
    if (domain == AF_UNIX) {
        write_unix(addr, out, len);
    } else if (domain == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        if (addr->kind == PLAIT_ADDR_IP4)
            memcpy(&in.sin_addr, addr->ip, 4);
        give(&in, sizeof in, out, len);
    } else {
        struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6, .sin6_port = htons(addr->port), .sin6_scope_id = addr->scope};
        if (addr->kind == PLAIT_ADDR_IP4) {
            memcpy(&in6.sin6_addr, mapped, 12);
            memcpy((uint8_t *)&in6.sin6_addr + 12, addr->ip, 4);
        } else if (addr->kind == PLAIT_ADDR_IP6) {
            memcpy(&in6.sin6_addr, addr->ip, 16);
        }
        give(&in6, sizeof in6, out, len);
    }
}

static int read_unix(const struct sockaddr *in, socklen_t len, struct plait_address *out)
{
    struct sockaddr_un un = {0};
    if (len < sizeof un.sun_family || len > sizeof un)
        return -EINVAL;
    memcpy(&un, in, len);
    if (un.sun_family != AF_UNIX)
        return -EINVAL;
    size_t bytes = len - offsetof(struct sockaddr_un, sun_path);
    if (bytes == 0)
        return 0; /* no name: bind chooses one */
    bool named = un.sun_path[0] != 0;
    const char *name = named ? un.sun_path : un.sun_path + 1;
    size_t name_len = named ? strnlen(name, bytes) : bytes - 1;
    if (name_len > PLAIT_ADDR_NAME_MAX)
        return -EINVAL;
    out->kind = named ? PLAIT_ADDR_UNIX : PLAIT_ADDR_ABSTRACT;
    out->name_len = (uint8_t)name_len;
    memcpy(out->name, name, name_len);
    return 0;
}

static void read_ip6(const struct sockaddr *in, struct plait_address *out)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, in, sizeof in6);
    out->port = ntohs(in6.sin6_port);
    if (memcmp(&in6.sin6_addr, mapped, 12) == 0) {
        out->kind = PLAIT_ADDR_IP4;
        memcpy(out->ip, (uint8_t *)&in6.sin6_addr + 12, 4);
    } else {
        out->kind = PLAIT_ADDR_IP6;
        out->scope = in6.sin6_scope_id;
        memcpy(out->ip, &in6.sin6_addr, 16);
    }
}

int sim_address_read(int domain, const struct sockaddr *in, socklen_t len, struct plait_address *out)
{
    *out = (struct plait_address){0};
    if (domain == AF_UNIX)
        return read_unix(in, len, out);
    if (len < sizeof(sa_family_t))
        return -EINVAL;
    if (in->sa_family == AF_INET6 && domain == AF_INET6) {
        if (len < 24) /* SIN6_LEN_RFC2133: without a scope */
            return -EINVAL;
        struct sockaddr_in6 whole = {0};
        memcpy(&whole, in, len < sizeof whole ? len : sizeof whole);
        read_ip6((const struct sockaddr *)&whole, out);
        return 0;
    }
    if (in->sa_family != AF_INET)
        return len < sizeof(struct sockaddr_in) ? -EINVAL : -EAFNOSUPPORT;
    if (len < sizeof(struct sockaddr_in))
        return -EINVAL;
    struct sockaddr_in in4;
    memcpy(&in4, in, sizeof in4);
    out->kind = PLAIT_ADDR_IP4;
    out->port = ntohs(in4.sin_port);
    memcpy(out->ip, &in4.sin_addr, 4);
    return 0;
}

bool sim_address_wild(const struct plait_address *addr)
{
    static const uint8_t zero[16];
    return memcmp(addr->ip, zero, addr->kind == PLAIT_ADDR_IP4 ? 4 : 16) == 0;
}

bool sim_address_same_ip(const struct plait_address *a, const struct plait_address *b)
{
    return a->kind == b->kind && memcmp(a->ip, b->ip, a->kind == PLAIT_ADDR_IP4 ? 4 : 16) == 0;
}
