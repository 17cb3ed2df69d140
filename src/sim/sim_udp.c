/* SPDX-License-Identifier: MIT
 *
 * UDP: datagrams, the connected mode in which a port that nobody holds is reported, and the destination address as a
 * control message. Loss, duplication, multicast and broadcast are not played yet.
 *
 * Invariant: a packet is either an event on its way or in exactly one socket's queue.
 * Tests: tests/sim/test_udp.c, and the differential test.
 */
#include "sim/sim_socket.h"

#include <netinet/in.h>
#include <string.h>

#define UDP_MAX 65507

struct packet {
    struct sim_event event;
    struct sim_link link;
    struct sim_sock *sender;
    struct plait_host *host;
    struct plait_address from, to;
    size_t len;
    bool unreachable; /* on its way back: nobody holds the port */
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

static void packet_send(struct plait_sim *sim, struct packet *p, int64_t delay)
{
    p->event.fire = packet_arrives;
    p->event.drop = packet_drop;
    if (delay == 0) {
        packet_arrives(sim, &p->event);
    } else if (!sim_event_add(sim, &p->event, sim->now + delay)) {
        packet_free(p);
    }
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int choose_target(struct sim_sock *s, const struct plait_address *to, struct packet *p)
{
    if (!to && !s->udp.connected)
        return -EDESTADDRREQ;
    p->to = to ? *to : s->peer_address;
    if (p->to.port == 0)
        return -EINVAL;
    if (sim_address_wild(&p->to)) {
        if (p->to.kind == PLAIT_ADDR_IP4)
            p->to.ip[0] = 127;
        p->to.ip[p->to.kind == PLAIT_ADDR_IP4 ? 3 : 15] = 1;
    }
    int err = sim_route(s, &p->to, &p->from, &p->host);
    if (!err)
        err = sim_port_auto(s, SIM_PORTS_UDP);
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

static ssize_t udp_send(struct sim_sock *s, struct sim_io *io, const struct plait_address *to)
{
    struct plait_sim *sim = sim_of(s);
    size_t len = io->left;
    if (len > UDP_MAX)
        return -EMSGSIZE;
    struct packet *p = plait_mem_new(&sim->budget, sizeof *p + len);
    if (!p)
        return -ENOBUFS;
    p->sender = s;
    sim_sock_ref(s);
    int err = choose_target(s, to, p);
    if (!err)
        err = sim_sock_error(s);
    if (!err && (s->shut & SIM_SHUT_WR))
        err = -EPIPE;
    if (err) {
        packet_free(p);
        return err;
    }
    read_control(io->msg, p);
    p->len = sim_io_copy_in(io, p->bytes, len);
    packet_send(sim, p, p->host ? sim_link_delay(sim, s->file.host, p->host) : 0);
    return (ssize_t)len;
}

/* --- arriving ----------------------------------------------------------------------------------------------------- */

static void refused_arrives(struct packet *p)
{
    struct sim_sock *s = p->sender;
    bool mine = s->udp.connected && sim_address_same_ip(&s->peer_address, &p->to) && s->peer_address.port == p->to.port;
    if (!s->dead && mine) {
        s->err = ECONNREFUSED;
        sim_wake(&s->file, EPOLLERR);
    }
    packet_free(p);
}

static void packet_arrives(struct plait_sim *sim, struct sim_event *event)
{
    struct packet *p = SIM_OF(event, struct packet, event);
    sim_hash(sim, p->len);
    if (p->unreachable) {
        refused_arrives(p);
        return;
    }
    if (!p->host) {
        packet_free(p); /* nobody has that address */
        return;
    }
    struct sim_sock *s = sim_port_receiver(p->host, &p->to, &p->from);
    if (!s) {
        p->unreachable = true;
        packet_send(sim, p, sim_link_delay(sim, p->host, p->sender->file.host));
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
        return 0;
    }
    if (sim_address_wild(&to)) {
        if (to.kind == PLAIT_ADDR_IP4)
            to.ip[0] = 127;
        to.ip[to.kind == PLAIT_ADDR_IP4 ? 3 : 15] = 1;
    }
    int err = sim_route(s, &to, &source, &host);
    if (!err)
        err = sim_port_auto(s, SIM_PORTS_UDP);
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
    return s->udp.connected ? 0 : -ENOTCONN;
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
