/* SPDX-License-Identifier: MIT
 *
 * Receiving datagrams: batches into memory that all sockets of a reactor share, each told with its sender, the address
 * it was sent to and whether it was cut. A socket reads a budget's worth and then lets others have their turn (TQ-104).
 * ICMP errors of a connected socket are told, those of another are swallowed (TQ-99).
 *
 * Invariant: the socket is registered edge-triggered, so a round ends with nothing left to read, with another round
 * asked for, or with the timer armed. A handler may close the socket at any time: nothing is told after that.
 * Test: tests/engine/test_datagram.c.
 */
#include "engine/datagram_core.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>

enum { SLOTS = 32, COST_LEAST = 512, RETRY_MS = 10, CONTROL = 64, ERRORS_AT_ONCE = 64 };

struct plait__scratch {
    struct plait__module module;
    uint8_t *bytes; /* PLAIT__DATAGRAM_MAX of them */
    struct mmsghdr msgs[SLOTS];
    struct iovec iovs[SLOTS];
    struct sockaddr_storage names[SLOTS];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CONTROL];
    } controls[SLOTS];
};

static void scratch_release(struct plait__module *module)
{
    struct plait__scratch *s = plait__container(module, struct plait__scratch, module);
    plait_mem_free(s->bytes);
    plait_mem_free(s);
}

static struct plait__scratch *find_scratch(struct plait_reactor *r)
{
    for (struct plait__list *at = r->modules.next; at != &r->modules; at = at->next) {
        struct plait__module *m = plait__container(at, struct plait__module, link);
        if (m->release == scratch_release)
            return plait__container(m, struct plait__scratch, module);
    }
    return NULL;
}

struct plait__scratch *plait__scratch_of(struct plait_reactor *r)
{
    struct plait__scratch *s = find_scratch(r);
    if (s)
        return s;
    s = plait_mem_new(&r->budget, sizeof *s);
    if (!s)
        return NULL;
    s->bytes = plait_mem_resize(&r->budget, NULL, PLAIT__DATAGRAM_MAX); /* pages that nobody touches cost nothing */
    if (!s->bytes) {
        plait_mem_free(s);
        return NULL;
    }
    s->module.release = scratch_release;
    plait__module_add(r, &s->module);
    return s;
}

/* --- one datagram ------------------------------------------------------------------------------------------------- */

static void destination4(const struct in_pktinfo *info, struct plait_packet *p, struct plait_address *to)
{
    /* A group is told as such; for all else the own address, so that it can be answered from. */
    const bool group = (ntohl(info->ipi_addr.s_addr) >> 28) == 0xe;
    to->kind = PLAIT_ADDR_IP4;
    memcpy(to->ip, group ? &info->ipi_addr : &info->ipi_spec_dst, 4);
    p->interface_index = (uint32_t)info->ipi_ifindex;
}

static void destination6(const struct in6_pktinfo *info, struct plait_packet *p, struct plait_address *to)
{
    to->kind = PLAIT_ADDR_IP6;
    memcpy(to->ip, &info->ipi6_addr, 16);
    p->interface_index = info->ipi6_ifindex;
    const bool link_local =
        (to->ip[0] == 0xfe && (to->ip[1] & 0xc0) == 0x80) || (to->ip[0] == 0xff && (to->ip[1] & 0xf) == 2);
    if (link_local)
        to->scope = info->ipi6_ifindex;
}

static void read_destination(const struct plait_datagram *d, struct msghdr *msg, struct plait_packet *p,
                             struct plait_address *to)
{
    *to = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    if (d->domain == AF_UNIX || d->connected)
        *to = d->bound;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        struct in_pktinfo info;
        struct in6_pktinfo info6;
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof info)) {
            memcpy(&info, CMSG_DATA(c), sizeof info);
            destination4(&info, p, to);
            to->port = d->bound.port;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
                   c->cmsg_len >= CMSG_LEN(sizeof info6)) {
            memcpy(&info6, CMSG_DATA(c), sizeof info6);
            destination6(&info6, p, to);
            to->port = d->bound.port;
        }
    }
}

static void deliver(struct plait_datagram *d, struct mmsghdr *m)
{
    struct plait_address from;
    struct plait_address to;
    struct plait_packet packet = {.from = &from, .to = &to};
    plait__address_from_sockaddr(m->msg_hdr.msg_name, m->msg_hdr.msg_namelen, &from);
    read_destination(d, &m->msg_hdr, &packet, &to);
    packet.bytes = plait_slice_of(m->msg_hdr.msg_iov->iov_base, m->msg_len);
    packet.truncated = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    d->received++;
    plait_metric_add(&d->reactor->counts.received, m->msg_len);
    if (packet.truncated)
        d->lost++;
    if (d->handler->packet)
        d->handler->packet(d, &packet, d->self);
}

/* --- a batch ------------------------------------------------------------------------------------------------------ */

static unsigned prepare(struct plait_datagram *d)
{
    struct plait__scratch *s = d->scratch;
    const size_t fit = PLAIT__DATAGRAM_MAX / d->bytes_max;
    const unsigned count = fit < SLOTS ? (unsigned)fit : SLOTS;
    for (unsigned i = 0; i < count; i++) {
        s->iovs[i] = (struct iovec){.iov_base = s->bytes + i * d->bytes_max, .iov_len = d->bytes_max};
        s->msgs[i].msg_hdr = (struct msghdr){.msg_name = &s->names[i],
                                             .msg_namelen = sizeof s->names[i],
                                             .msg_iov = &s->iovs[i],
                                             .msg_iovlen = 1,
                                             .msg_control = s->controls[i].bytes,
                                             .msg_controllen = sizeof s->controls[i].bytes};
        s->msgs[i].msg_len = 0;
    }
    return count;
}

static size_t deliver_batch(struct plait_datagram *d, int count)
{
    size_t cost = 0;
    for (int i = 0; i < count && !d->closing; i++) {
        const size_t len = d->scratch->msgs[i].msg_len;
        cost += len > COST_LEAST ? len : COST_LEAST;
        deliver(d, &d->scratch->msgs[i]);
    }
    return cost;
}

/* Receiving failed. Returns whether it is worth another try at once. */
static bool failed(struct plait_datagram *d, int os_errno)
{
    if (os_errno == EAGAIN)
        return false;
    if (plait__datagram_is_icmp(os_errno)) {
        plait__datagram_error(d, os_errno);
        return true;
    }
    plait_timer_arm(&d->retry, plait_millis(RETRY_MS)); /* no memory: no edge tells when there is some again */
    return false;
}

void plait__datagram_receive(struct plait_datagram *d, unsigned events)
{
    struct plait_sys *sys = d->reactor->sys;
    const bool errors = (events & EPOLLERR) != 0;
    size_t cost = 0;
    if (errors)
        plait__datagram_error(d, 0);
    while (!d->closing && cost < d->budget) {
        const unsigned count = prepare(d);
        const int got = sys->ops->recvmmsg(sys, d->h.fd, d->scratch->msgs, count, MSG_DONTWAIT);
        if (got < 0 && !failed(d, -got))
            return;
        cost += got < 0 ? COST_LEAST : deliver_batch(d, got);
        if (got >= 0 && (unsigned)got < count && !errors)
            return; /* drained: what comes now makes a new edge */
    }
    if (!d->closing)
        plait__io_again(d->reactor->io, &d->h);
}

/* --- ICMP --------------------------------------------------------------------------------------------------------- */

bool plait__datagram_is_icmp(int os_errno)
{
    switch (os_errno) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case EOPNOTSUPP:
    case EPROTO:
    case ENOPROTOOPT:
    case EACCES:
    case EMSGSIZE:
        return true;
    default:
        return false;
    }
}

static void tell_error(struct plait_datagram *d, int os_errno)
{
    struct plait_fault fault = plait_fault_os(os_errno, "send");
    fault.retry = true;
    if (d->connected && !d->closing && d->handler->error)
        d->handler->error(d, &fault, d->self);
}

/* Takes one error out of the queue. Returns its errno, 0 for one that is not the network's, -1 when there is none. */
static int next_error(struct plait_datagram *d)
{
    struct plait_sys *sys = d->reactor->sys;
    struct plait__scratch *s = d->scratch;
    union {
        struct cmsghdr align;
        uint8_t bytes[512];
    } control;
    struct iovec iov = {.iov_base = s->bytes, .iov_len = d->bytes_max};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    if (sys->ops->recvmsg(sys, d->h.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        struct sock_extended_err e;
        const bool is_error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                              (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        if (!is_error || c->cmsg_len < CMSG_LEN(sizeof e))
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof e);
        return e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6 ? (int)e.ee_errno : 0;
    }
    return 0;
}

void plait__datagram_error(struct plait_datagram *d, int os_errno)
{
    int told = 0;
    for (int n = 0; d->error_queue && n < ERRORS_AT_ONCE && !d->closing; n++) {
        const int err = next_error(d);
        if (err < 0)
            break;
        if (err > 0) {
            told++;
            tell_error(d, err);
        }
    }
    if (told == 0 && os_errno != 0 && !d->closing)
        tell_error(d, os_errno);
}
