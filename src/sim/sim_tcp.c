/* SPDX-License-Identifier: MIT
 *
 * TCP as a program sees it: the calls of a TCP socket, with the states, errors and readiness that Linux gives. What
 * travels between two sockets is in sim_tcp_net.c.
 *
 * Invariant: `peer` is set from the handshake until this end is closed, and holds a reference.
 * Tests: tests/sim/test_tcp.c, and the differential test.
 */
#include "sim/sim_tcp.h"

#include <netinet/in.h>
#include <string.h>

void sim_tcp_init(struct sim_sock *s)
{
    sim_list_init(&s->tcp.backlog);
    sim_list_init(&s->tcp.in_backlog);
    s->peer_address.kind = PLAIT_ADDR_NONE;
}

/* --- names and states --------------------------------------------------------------------------------------------- */

static int tcp_bind(struct sim_sock *s, const struct plait_address *addr)
{
    if (s->tcp.state != SIM_TCP_CLOSED)
        return -EINVAL;
    return sim_port_bind(s, SIM_PORTS_TCP, addr);
}

static int tcp_listen(struct sim_sock *s, int backlog)
{
    if (s->tcp.state != SIM_TCP_LISTEN) {
        if (s->tcp.state != SIM_TCP_CLOSED || s->tcp.started || s->tcp.connected || s->tcp.stopped)
            return -EINVAL;
        int err = sim_port_listen(s);
        if (err)
            return err;
        s->tcp.state = SIM_TCP_LISTEN;
    }
    s->tcp.backlog_max = backlog < 0 || backlog > 4096 ? 4096 : backlog;
    return 0;
}

static int tcp_accept(struct sim_sock *s, struct sim_sock **out)
{
    if (s->tcp.state != SIM_TCP_LISTEN)
        return -EINVAL;
    if (sim_list_empty(&s->tcp.backlog))
        return -EAGAIN;
    struct sim_sock *child = SIM_OF(s->tcp.backlog.next, struct sim_sock, tcp.in_backlog);
    sim_list_del(&child->tcp.in_backlog);
    sim_tcp_child_gone(child);
    *out = child;
    return 0;
}

static void mean_loopback(struct plait_address *to)
{
    if (!sim_address_wild(to))
        return;
    if (to->kind == PLAIT_ADDR_IP4)
        to->ip[0] = 127;
    to->ip[to->kind == PLAIT_ADDR_IP4 ? 3 : 15] = 1;
}

static int tcp_connect_new(struct sim_sock *s, const struct plait_address *addr)
{
    struct plait_address to = *addr, source;
    struct plait_host *host;
    if (s->tcp.state != SIM_TCP_CLOSED)
        return -EISCONN;
    mean_loopback(&to);
    int err = sim_route(s, &to, &source, &host);
    if (err)
        return err;
    if (s->local.kind == PLAIT_ADDR_NONE || sim_address_wild(&s->local)) {
        source.port = s->local.port;
        s->local = source;
    }
    err = sim_port_auto(s, SIM_PORTS_TCP, &to);
    if (err)
        return err;
    s->peer_address = to;
    s->tcp.state = SIM_TCP_SYN_SENT;
    s->err = 0;
    s->tcp.started = true;
    s->tcp.tries = 0;
    err = sim_tcp_send_syn(s);
    return err ? err : -EINPROGRESS;
}

/* A connect that failed leaves the socket as if it were new. */
static int connect_failed(struct sim_sock *s)
{
    int err = sim_sock_error(s);
    sim_ring_free(&s->tcp.in);
    s->shut = 0;
    s->tcp.done = s->tcp.fin_wanted = s->tcp.fin_sent = s->tcp.fin_arrived = s->tcp.fin_received = false;
    if (!s->address_locked)
        memset(s->local.ip, 0, sizeof s->local.ip);
    return err ? err : -ECONNABORTED;
}

static int tcp_connect(struct sim_sock *s, const struct plait_address *addr)
{
    struct sim_tcp *t = &s->tcp;
    if (t->connected)
        return -EISCONN;
    if (t->stopped)
        return -EINVAL;
    if (!t->started)
        return tcp_connect_new(s, addr);
    if (t->state == SIM_TCP_SYN_SENT)
        return -EALREADY;
    t->started = false;
    if (t->state == SIM_TCP_CLOSED)
        return connect_failed(s);
    t->connected = true;
    return 0;
}

static int tcp_peername(struct sim_sock *s)
{
    return s->tcp.state == SIM_TCP_OPEN ? 0 : -ENOTCONN;
}

/* A listener ends: who waits in its queue is reset. */
static void drop_backlog(struct sim_sock *s)
{
    while (!sim_list_empty(&s->tcp.backlog)) {
        struct sim_sock *child = SIM_OF(s->tcp.backlog.next, struct sim_sock, tcp.in_backlog);
        sim_list_del(&child->tcp.in_backlog);
        sim_tcp_child_gone(child);
        if (child->peer)
            (void)sim_tcp_send(SIM_SEG_RESET, child, child->peer);
        sim_tcp_finished(child);
        sim_file_unref(&child->file);
    }
}

static void stop_connecting(struct sim_sock *s)
{
    s->tcp.started = false;
    sim_tcp_finished(s);
    s->shut = 0;
    s->err = ECONNRESET;
}

/* The socket layer's own idea of it, which a second connect(2) hears. */
static void no_longer_connecting(struct sim_tcp *t)
{
    if (!t->started)
        return;
    t->started = false;
    t->connected = t->state == SIM_TCP_OPEN;
    t->stopped = t->state == SIM_TCP_CLOSED;
}

static int tcp_shutdown(struct sim_sock *s, int how)
{
    struct sim_tcp *t = &s->tcp;
    no_longer_connecting(t);
    if (t->state == SIM_TCP_CLOSED) {
        s->shut |= (uint8_t)how;
        sim_wake(&s->file, 0);
        return -ENOTCONN;
    }
    if (t->state == SIM_TCP_LISTEN) {
        if (how & SIM_SHUT_RD) {
            drop_backlog(s);
            t->state = SIM_TCP_CLOSED;
        }
    } else if (t->state == SIM_TCP_SYN_SENT) {
        stop_connecting(s);
    } else {
        s->shut |= (uint8_t)how;
        if (how & SIM_SHUT_WR) {
            t->fin_wanted = true;
            sim_tcp_push(s);
        }
    }
    sim_wake(&s->file, 0);
    return 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static size_t queued(const struct sim_sock *s)
{
    return s->tcp.out.len + s->tcp.in_flight;
}

static bool writable(const struct sim_sock *s)
{
    size_t held = queued(s);
    return held < s->sndbuf && s->sndbuf - held >= held / 2;
}

static int may_send(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state == SIM_TCP_SYN_SENT && !s->err)
        return -EAGAIN;
    if (s->err)
        return sim_sock_error(s);
    if (t->state != SIM_TCP_OPEN || (s->shut & SIM_SHUT_WR))
        return -EPIPE;
    return 0;
}

static ssize_t tcp_send(struct sim_sock *s, struct sim_io *io, const struct plait_address *to)
{
    struct plait_sim *sim = sim_of(s);
    uint8_t piece[2048];
    size_t done = 0;
    (void)to;
    int err = may_send(s);
    if (err)
        return err;
    if (io->left == 0)
        return 0;
    if (queued(s) >= s->sndbuf) {
        s->tcp.nospace = true;
        return -EAGAIN;
    }
    bool cut = sim_cut_short(s, io, io->left);
    while (io->left && queued(s) < s->sndbuf) {
        size_t room = s->sndbuf - queued(s);
        size_t n = sim_io_copy_in(io, piece, room < sizeof piece ? room : sizeof piece);
        if (!sim_ring_put(sim, &s->tcp.out, piece, n))
            return done ? (ssize_t)done : -ENOBUFS;
        done += n;
        if (s->tcp.out.len >= 65536)
            sim_tcp_push(s);
    }
    sim_tcp_push(s);
    if (io->left)
        s->tcp.nospace = true;
    if (cut)
        sim_wake(&s->file, SIM_OUT_KEY);
    return (ssize_t)done;
}

static ssize_t nothing_there(struct sim_sock *s)
{
    if (s->tcp.done)
        return 0;
    if (s->err)
        return sim_sock_error(s);
    if (s->shut & SIM_SHUT_RD)
        return 0;
    return s->tcp.state == SIM_TCP_CLOSED ? -ENOTCONN : -EAGAIN;
}

static ssize_t tcp_recv(struct sim_sock *s, struct sim_io *io)
{
    struct sim_tcp *t = &s->tcp;
    if (io->msg) {
        io->msg->msg_controllen = 0;
        io->msg->msg_namelen = 0;
    }
    if (t->state == SIM_TCP_LISTEN)
        return -ENOTCONN;
    if (t->in.len == 0)
        return nothing_there(s);
    size_t asked = io->left;
    bool cut = !(io->flags & MSG_PEEK) && sim_cut_short(s, io, t->in.len);
    size_t n = t->in.len < io->left ? t->in.len : io->left;
    if (!(io->flags & MSG_TRUNC))
        n = sim_io_copy_out(io, t->in.ptr + t->in.at, n);
    if (io->flags & MSG_PEEK)
        return (ssize_t)n;
    sim_ring_drop(&t->in, n);
    sim_tcp_window_opened(s);
    if (cut && n < asked)
        sim_wake(&s->file, SIM_IN_KEY);
    return (ssize_t)n;
}

static uint32_t tcp_poll(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    uint32_t mask = s->err ? EPOLLERR : 0;
    if (t->state == SIM_TCP_LISTEN)
        return sim_list_empty(&t->backlog) ? 0 : SIM_IN;
    if (s->shut == SIM_SHUT_BOTH || t->state == SIM_TCP_CLOSED)
        mask |= EPOLLHUP;
    if (s->shut & SIM_SHUT_RD)
        mask |= SIM_IN | EPOLLRDHUP;
    if (t->state == SIM_TCP_SYN_SENT)
        return mask;
    if (t->in.len)
        mask |= SIM_IN;
    if ((s->shut & SIM_SHUT_WR) || writable(s))
        mask |= SIM_OUT;
    else
        t->nospace = true;
    return mask;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void tcp_closed(struct sim_sock *s)
{
    struct sim_tcp *t = &s->tcp;
    if (t->state == SIM_TCP_LISTEN) {
        drop_backlog(s);
        t->state = SIM_TCP_CLOSED;
        sim_port_remove(s);
    } else if (t->state == SIM_TCP_SYN_SENT) {
        stop_connecting(s);
    } else if (t->state == SIM_TCP_OPEN) {
        t->orphan = true;
        if (t->in.len || (s->linger && s->linger_seconds == 0)) {
            struct sim_sock *peer = s->peer;
            sim_ring_free(&t->in);
            sim_ring_free(&t->out);
            (void)sim_tcp_send(SIM_SEG_RESET, s, peer);
            sim_tcp_finished(s);
        } else {
            s->shut = SIM_SHUT_BOTH;
            t->fin_wanted = true;
            sim_tcp_push(s);
            sim_tcp_look_for_end(s);
        }
    } else if (t->timing == SIM_TIME_NONE) {
        sim_port_remove(s);
    }
}

static void tcp_destroyed(struct sim_sock *s)
{
    sim_ring_free(&s->tcp.in);
    sim_ring_free(&s->tcp.out);
}

const struct sim_sock_ops plait__sim_tcp_ops = {
    .bind = tcp_bind,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .connect = tcp_connect,
    .shutdown = tcp_shutdown,
    .send = tcp_send,
    .recv = tcp_recv,
    .poll = tcp_poll,
    .peername = tcp_peername,
    .closed = tcp_closed,
    .destroyed = tcp_destroyed,
};
