/* SPDX-License-Identifier: MIT
 *
 * UDP: datagrams, the connected mode in which a port that nobody holds is reported, and the destination address as a
 * control message. On the way between two hosts a datagram may be lost, come twice, be overtaken, be cut into fragments
 * or be too large. Multicast and broadcast are not played yet.
 *
 * Invariant: a packet is either an event on its way or in exactly one socket's queue.
 * Tests: tests/sim/test_udp.c, and the differential test.
 */
#include "sim/sim_socket.h"

#include <netinet/in.h>
#include <string.h>

#define UDP_MAX 65507
#define MILLISECOND INT64_C(1000000)

struct packet {
    struct sim_event event;
    struct sim_link link;
    struct sim_sock *sender;
    struct plait_host *host;
    struct plait_address from, to;
    size_t len;
    int back; /* on its way back, because of this errno: nobody holds the port, or it was too large */
    uint8_t bytes[];
};

static void packet_arrives(struct plait_sim *sim, struct sim_event *event);

static void packet_free(struct packet *p)
{
    sim_sock_unref(p->sender);
    plait_mem_free(p);
}

static void packet_drop(struct plait_sim *sim, struct sim_event *event)
{
    (void)sim;
    packet_free(SIM_OF(event, struct packet, event));
}

/* Puts it on its way; it is gone when it is lost. */
static void packet_send(struct plait_sim *sim, struct packet *p, int64_t delay)
{
    p->event.fire = packet_arrives;
    p->event.drop = packet_drop;
    if (delay == SIM_LOST)
        packet_free(p);
    else if (delay == 0)
        packet_arrives(sim, &p->event);
    else if (!sim_event_add(sim, &p->event, sim->now + delay))
        packet_free(p);
}

/* ICMP tells the sender why its datagram went nowhere. */
static void packet_return(struct plait_sim *sim, struct packet *p, int why)
{
    p->back = why;
    packet_send(sim, p, sim_trip(p->host, p->sender->file.host, 56));
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int choose_target(struct sim_sock *s, const struct plait_address *to, struct packet *p)
{
    if (!to && !s->udp.connected)
        return -EDESTADDRREQ;
    p->to = to ? *to : s->peer_address;
    if (to && p->to.port == 0)
        return -EINVAL;
    if (sim_address_wild(&p->to)) {
        if (p->to.kind == PLAIT_ADDR_IP4)
            p->to.ip[0] = 127;
        p->to.ip[p->to.kind == PLAIT_ADDR_IP4 ? 3 : 15] = 1;
    }
    int err = sim_route(s, &p->to, &p->from, &p->host);
    if (!err)
        err = sim_port_auto(s, SIM_PORTS_UDP, NULL);
    if (err)
        return err;
    if (!sim_address_wild(&s->local))
        p->from = s->local;
    p->from.port = s->local.port;
    return 0;
}

/* An own address that a control message asks for (IP_PKTINFO, IPV6_PKTINFO). */
static void read_control(const struct msghdr *msg, struct packet *p)
{
    struct cmsghdr head;
    for (size_t at = 0; msg && msg->msg_control && at + sizeof head <= msg->msg_controllen;
         at += CMSG_ALIGN(head.cmsg_len)) {
        const uint8_t *where = (const uint8_t *)msg->msg_control + at;
        memcpy(&head, where, sizeof head);
        if (head.cmsg_len < sizeof head)
            return;
        struct in_pktinfo info;
        struct in6_pktinfo info6;
        if (head.cmsg_level == IPPROTO_IP && head.cmsg_type == IP_PKTINFO && head.cmsg_len >= CMSG_LEN(sizeof info)) {
            memcpy(&info, where + CMSG_LEN(0), sizeof info);
            p->from.kind = PLAIT_ADDR_IP4;
            memcpy(p->from.ip, &info.ipi_spec_dst, 4);
        } else if (head.cmsg_level == IPPROTO_IPV6 && head.cmsg_type == IPV6_PKTINFO &&
                   head.cmsg_len >= CMSG_LEN(sizeof info6)) {
            memcpy(&info6, where + CMSG_LEN(0), sizeof info6);
            p->from.kind = PLAIT_ADDR_IP6;
            memcpy(p->from.ip, &info6.ipi6_addr, 16);
        }
    }
}

static size_t headers_of(const struct packet *p)
{
    return p->to.kind == PLAIT_ADDR_IP4 ? 28 : 48;
}

static bool too_large(const struct packet *p)
{
    const struct plait_host *from = p->sender->file.host;
    uint32_t mtu = p->host && p->host != from ? sim_link_between(from, p->host)->mtu : 0;
    return mtu && p->len + headers_of(p) > mtu;
}

/* What the sender's socket says of packets that are too large: IP_PMTUDISC_… */
static int discovery(const struct packet *p)
{
    if (p->to.kind == PLAIT_ADDR_IP4)
        return sim_sock_option(p->sender, IPPROTO_IP, IP_MTU_DISCOVER);
    if (sim_sock_option(p->sender, IPPROTO_IPV6, IPV6_DONTFRAG))
        return IPV6_PMTUDISC_DO;
    return sim_sock_option(p->sender, IPPROTO_IPV6, IPV6_MTU_DISCOVER);
}

/* How long all its fragments take: when one is lost, all are. */
static int64_t trip_of(const struct packet *p)
{
    struct plait_host *from = p->sender->file.host;
    size_t head = headers_of(p) - 8, left = p->len + 8, piece = left;
    int64_t longest = 0;
    if (too_large(p))
        piece = (sim_link_between(from, p->host)->mtu - head) & ~(size_t)7;
    while (left && longest != SIM_LOST) {
        size_t n = left < piece ? left : piece;
        int64_t delay = sim_trip(from, p->host, n + head);
        longest = delay == SIM_LOST || delay > longest ? delay : longest;
        left -= n;
    }
    return longest;
}

static struct packet *packet_copy(struct plait_sim *sim, const struct packet *p)
{
    struct packet *copy = plait_mem_new(&sim->budget, sizeof *p + p->len);
    if (!copy) {
        sim_out_of_memory(sim);
        return NULL;
    }
    memcpy(copy, p, sizeof *p + p->len);
    sim_sock_ref(copy->sender);
    return copy;
}

/* From one host to another: twice now and then, and held back now and then. */
static void packet_travels(struct plait_sim *sim, struct packet *p)
{
    const struct plait_host *from = p->sender->file.host;
    const struct plait_sim_link *link = sim_link_between(from, p->host);
    uint64_t how = 0;
    int64_t held = 0;
    struct packet *copy = NULL;
    if (sim_link_strikes(from, link->duplicate, PLAIT_SIM_DUPLICATE, 50, &how)) {
        sim_strike_tell(sim, "a datagram to %s comes twice", p->host->name);
        copy = packet_copy(sim, p);
    }
    if (sim_link_strikes(from, link->reorder, PLAIT_SIM_REORDER, 20, &how)) {
        sim_strike_tell(sim, "a datagram to %s is held back", p->host->name);
        held = 1 + (int64_t)(how % (5 * MILLISECOND));
    }
    int64_t delay = trip_of(p);
    packet_send(sim, p, delay == SIM_LOST ? SIM_LOST : delay + held);
    if (copy)
        packet_send(sim, copy, trip_of(copy));
}

static void packet_leaves(struct plait_sim *sim, struct packet *p)
{
    if (!p->host)
        packet_free(p); /* nobody has that address */
    else if (p->host == p->sender->file.host)
        packet_send(sim, p, sim_trip(p->host, p->host, p->len));
    else if (too_large(p) && discovery(p) == IP_PMTUDISC_PROBE)
        packet_return(sim, p, EMSGSIZE);
    else
        packet_travels(sim, p);
}

static int check_send(struct sim_sock *s, const struct plait_address *to, struct packet *p)
{
    int err = choose_target(s, to, p);
    if (!err && p->len > UDP_MAX)
        err = -EMSGSIZE;
    if (!err)
        err = sim_sock_error(s);
    if (!err && (s->shut & SIM_SHUT_WR))
        err = -EPIPE;
    if (!err && too_large(p) && discovery(p) == IP_PMTUDISC_DO)
        err = -EMSGSIZE;
    return err;
}

static ssize_t udp_send(struct sim_sock *s, struct sim_io *io, const struct plait_address *to)
{
    struct plait_sim *sim = sim_of(s);
    size_t len = io->left;
    int err = sim_port_auto(s, SIM_PORTS_UDP, NULL); /* before anything else is looked at */
    if (err || len > UINT16_MAX)
        return err ? err : -EMSGSIZE;
    struct packet *p = plait_mem_new(&sim->budget, sizeof *p + len);
    if (!p)
        return -ENOBUFS;
    p->sender = s;
    p->len = len;
    sim_sock_ref(s);
    err = check_send(s, to, p);
    if (err) {
        packet_free(p);
        return err;
    }
    read_control(io->msg, p);
    (void)sim_io_copy_in(io, p->bytes, len);
    packet_leaves(sim, p);
    return (ssize_t)len;
}

/* --- arriving ----------------------------------------------------------------------------------------------------- */

static void error_arrives(struct packet *p)
{
    struct sim_sock *s = p->sender;
    bool mine = s->udp.connected && sim_port_is_peer(s, &p->to);
    if (!s->dead && mine) {
        s->err = p->back;
        sim_wake(&s->file, EPOLLERR);
    }
    packet_free(p);
}

static void packet_arrives(struct plait_sim *sim, struct sim_event *event)
{
    struct packet *p = SIM_OF(event, struct packet, event);
    sim_hash(sim, p->len);
    if (p->back) {
        error_arrives(p);
        return;
    }
    struct sim_sock *s = p->host->down ? NULL : sim_port_receiver(p->host, &p->to, &p->from);
    if (p->host->down) {
        packet_free(p);
    } else if (!s) {
        packet_return(sim, p, ECONNREFUSED);
    } else if (s->udp.queued + p->len + 256 > s->rcvbuf * 2) {
        packet_free(p); /* no room: lost */
    } else {
        s->udp.queued += p->len + 256;
        sim_list_add(&s->udp.packets, &p->link);
        sim_wake(&s->file, SIM_IN_KEY);
    }
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void put_control(struct sim_sock *s, struct sim_io *io, const struct packet *p)
{
    size_t used = 0;
    if (s->packet_info && p->to.kind == PLAIT_ADDR_IP4) {
        struct in_pktinfo info = {.ipi_ifindex = plait_address_is_loopback(&p->to) ? 1 : 2};
        memcpy(&info.ipi_spec_dst, p->to.ip, 4);
        memcpy(&info.ipi_addr, p->to.ip, 4);
        (void)sim_control_put(io, &used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (s->packet_info6 && s->domain == AF_INET6) {
        struct in6_pktinfo info6 = {.ipi6_ifindex = plait_address_is_loopback(&p->to) ? 1 : 2};
        struct sockaddr_in6 as6;
        socklen_t len = sizeof as6;
        sim_address_write(&p->to, AF_INET6, (struct sockaddr *)&as6, &len);
        info6.ipi6_addr = as6.sin6_addr;
        (void)sim_control_put(io, &used, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
    }
    io->msg->msg_controllen = used;
}

static ssize_t udp_recv(struct sim_sock *s, struct sim_io *io)
{
    if (s->err)
        return sim_sock_error(s);
    if (sim_list_empty(&s->udp.packets))
        return -EAGAIN; /* also after shutdown: only a call that waits would give 0 */
    struct packet *p = SIM_OF(s->udp.packets.next, struct packet, link);
    size_t n = sim_io_copy_out(io, p->bytes, p->len);
    size_t whole = p->len;
    if (io->msg) {
        if (n < whole)
            io->msg->msg_flags |= MSG_TRUNC;
        if (io->msg->msg_name)
            sim_address_write(&p->from, s->domain, io->msg->msg_name, &io->msg->msg_namelen);
        put_control(s, io, p);
    }
    if (!(io->flags & MSG_PEEK)) {
        sim_list_del(&p->link);
        s->udp.queued -= p->len + 256;
        packet_free(p);
    }
    return (ssize_t)(io->flags & MSG_TRUNC ? whole : n);
}

static uint32_t udp_poll(struct sim_sock *s)
{
    uint32_t mask = s->err ? EPOLLERR : 0;
    if (s->shut & SIM_SHUT_RD)
        mask |= EPOLLRDHUP | SIM_IN;
    if (s->shut == SIM_SHUT_BOTH)
        mask |= EPOLLHUP;
    if (!sim_list_empty(&s->udp.packets))
        mask |= SIM_IN;
    return mask | SIM_OUT | EPOLLWRBAND;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int udp_bind(struct sim_sock *s, const struct plait_address *addr)
{
    return sim_port_bind(s, SIM_PORTS_UDP, addr);
}

static int udp_connect(struct sim_sock *s, const struct plait_address *addr)
{
    struct plait_address source, to = *addr;
    struct plait_host *host;
    if (to.kind == PLAIT_ADDR_NONE) { /* AF_UNSPEC: no longer connected */
        s->udp.connected = false;
        if (!s->address_locked)
            memset(s->local.ip, 0, sizeof s->local.ip);
        if (!s->port_locked) { /* also one that bind was asked to choose */
            sim_port_remove(s);
            s->local.port = 0;
        }
        return 0;
    }
    if (sim_address_wild(&to)) {
        if (to.kind == PLAIT_ADDR_IP4)
            to.ip[0] = 127;
        to.ip[to.kind == PLAIT_ADDR_IP4 ? 3 : 15] = 1;
    }
    int err = sim_route(s, &to, &source, &host);
    if (!err)
        err = sim_port_auto(s, SIM_PORTS_UDP, NULL);
    if (err)
        return err;
    if (sim_address_wild(&s->local)) {
        source.port = s->local.port;
        s->local = source;
    }
    s->peer_address = to;
    s->udp.connected = true;
    return 0;
}

static int udp_shutdown(struct sim_sock *s, int how)
{
    int err = s->udp.connected ? 0 : -ENOTCONN;
    s->shut |= (uint8_t)how;
    sim_wake(&s->file, 0);
    return err;
}

static int udp_peername(struct sim_sock *s)
{
    return s->udp.connected && s->peer_address.port ? 0 : -ENOTCONN;
}

static void udp_closed(struct sim_sock *s)
{
    sim_port_remove(s);
    while (!sim_list_empty(&s->udp.packets)) {
        struct packet *p = SIM_OF(s->udp.packets.next, struct packet, link);
        sim_list_del(&p->link);
        packet_free(p);
    }
}

static void udp_destroyed(struct sim_sock *s)
{
    (void)s;
}

const struct sim_sock_ops plait__sim_udp_ops = {
    .bind = udp_bind,
    .connect = udp_connect,
    .shutdown = udp_shutdown,
    .send = udp_send,
    .recv = udp_recv,
    .poll = udp_poll,
    .peername = udp_peername,
    .closed = udp_closed,
    .destroyed = udp_destroyed,
};
