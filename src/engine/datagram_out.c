/* SPDX-License-Identifier: MIT
 *
 * Sending datagrams: they are gathered in one block of memory and go out in batches when the callback or the turn ends.
 * A full socket waits to become writable, a kernel out of buffers for a timer; what the network refuses is counted as
 * lost and the next one goes on.
 *
 * Invariant: the queue holds whole records; nothing is allocated for a datagram once the block has grown to what is
 * usual. Flushing calls nobody back: what there is to tell is told by plait__datagram_tell.
 * Test: tests/engine/test_datagram.c.
 */
#include "base/try.h"
#include "engine/datagram_core.h"

#include <errno.h>
#include <netinet/in.h>

enum { BATCH = 32, OVERHEAD = 64, RETRY_MS = 10, KEEP = 64 * 1024, FIRST = 4096, CONTROL = 64 };

/* Stands in front of each datagram; behind it the target's socket address and the payload, each padded to 8 bytes. */
struct record {
    uint32_t bytes; /* of payload */
    uint32_t whole; /* bytes of the record */
    uint32_t from_scope;
    uint8_t to_len; /* bytes of the socket address; 0: none */
    uint8_t from_kind;
    uint8_t from_ip[16];
};

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

static void read_record(const struct plait__datagrams *q, size_t at, struct record *out)
{
    memcpy(out, q->bytes + at, sizeof *out);
}

void plait__datagram_drop_queue(struct plait_datagram *d)
{
    d->lost += d->queue.count;
    plait_mem_free(d->queue.bytes);
    d->queue = (struct plait__datagrams){.bytes = NULL};
}

static void pop(struct plait_datagram *d)
{
    struct plait__datagrams *q = &d->queue;
    struct record record;
    read_record(q, q->at, &record);
    q->at += record.whole;
    q->payload -= record.bytes + OVERHEAD;
    q->count--;
    d->retried = false;
    if (q->count > 0)
        return;
    q->at = q->end = 0;
    if (q->cap > KEEP) {
        plait_mem_free(q->bytes);
        q->bytes = NULL;
        q->cap = 0;
    }
}

/* Room for a record at the end. A block that is half used up is moved together before it grows. */
static plait_err make_room(struct plait_datagram *d, size_t whole)
{
    struct plait__datagrams *q = &d->queue;
    if (q->at > 0 && q->end + whole > q->cap && q->at >= q->cap / 2) {
        memmove(q->bytes, q->bytes + q->at, q->end - q->at);
        q->end -= q->at;
        q->at = 0;
    }
    if (q->end + whole <= q->cap)
        return PLAIT_OK;
    size_t cap = q->cap ? q->cap * 2 : FIRST;
    while (cap < q->end + whole)
        cap *= 2;
    uint8_t *bytes = plait_mem_resize(&d->reactor->budget, q->bytes, cap);
    if (!bytes)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    q->bytes = bytes;
    q->cap = cap;
    return PLAIT_OK;
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CONTROL];
    } controls[BATCH];
};

static void put_control(struct msghdr *msg, void *control, int level, int type, const void *data, size_t bytes)
{
    memset(control, 0, CONTROL);
    msg->msg_control = control;
    msg->msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(c), data, bytes);
}

static void put_source(const struct plait_datagram *d, const struct record *record, struct msghdr *msg, void *control)
{
    if (record->from_kind == PLAIT_ADDR_IP4 && d->domain == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, record->from_ip, 4);
        put_control(msg, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (record->from_kind == PLAIT_ADDR_IP6) {
        struct in6_pktinfo info = {.ipi6_ifindex = record->from_scope};
        memcpy(&info.ipi6_addr, record->from_ip, 16);
        put_control(msg, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static unsigned gather(struct plait_datagram *d, struct batch *b)
{
    const struct plait__datagrams *q = &d->queue;
    unsigned n = 0;
    for (size_t at = q->at; at < q->end && n < BATCH; n++) {
        struct record record;
        read_record(q, at, &record);
        uint8_t *to = q->bytes + at + padded(sizeof record);
        b->iovs[n] = (struct iovec){.iov_base = to + padded(record.to_len), .iov_len = record.bytes};
        b->msgs[n].msg_hdr = (struct msghdr){.msg_name = record.to_len ? to : NULL,
                                             .msg_namelen = record.to_len,
                                             .msg_iov = &b->iovs[n],
                                             .msg_iovlen = 1};
        b->msgs[n].msg_len = 0;
        put_source(d, &record, &b->msgs[n].msg_hdr, b->controls[n].bytes);
        at += record.whole;
    }
    return n;
}

/* The datagram in front could not be sent. A connected socket may have met an older one's ICMP error: then it is tried
 * again (TQ-102). */
static void send_failed(struct plait_datagram *d, int os_errno)
{
    if (os_errno == EAGAIN || os_errno == ENOBUFS || os_errno == ENOMEM) {
        d->blocked = true;
        /* No edge comes for buffers that return, nor for another socket's queue that empties. */
        if (os_errno != EAGAIN || d->domain == AF_UNIX)
            plait_timer_arm(&d->retry, plait_millis(RETRY_MS));
        return;
    }
    const bool own = os_errno == EMSGSIZE || os_errno == EACCES; /* said of this very datagram */
    const bool icmp = d->connected && !own && plait__datagram_is_icmp(os_errno);
    if (icmp)
        d->pending_errno = os_errno;
    if (icmp && !d->retried) {
        d->retried = true;
        return;
    }
    d->lost++;
    pop(d);
}

void plait__datagram_flush(struct plait_datagram *d)
{
    struct plait_sys *sys = d->reactor->sys;
    struct batch b;
    while (d->queue.count > 0 && !d->blocked) {
        const unsigned n = gather(d, &b);
        const int sent = sys->ops->sendmmsg(sys, d->h.fd, b.msgs, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        for (int i = 0; i < sent; i++) {
            d->sent++;
            plait_metric_add(&d->reactor->counts.sent, (int64_t)b.iovs[i].iov_len);
            pop(d);
        }
        if (sent <= 0)
            send_failed(d, sent < 0 ? -sent : EAGAIN);
    }
}

void plait__datagram_tell(struct plait_datagram *d)
{
    const int os_errno = d->pending_errno;
    d->pending_errno = 0;
    if (os_errno != 0)
        plait__datagram_error(d, os_errno);
    if (d->closing || !d->want_room || d->queue.payload > d->queue_max / 2)
        return;
    d->want_room = false;
    if (d->handler->room)
        d->handler->room(d, d->self);
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

/* The target as this socket's family writes it; an IPv4 address through a dual-stack socket is mapped (RFC 4291 section
 * 2.5.5.2). Returns 0 for an address of another family (TQ-105). */
static socklen_t target(const struct plait_datagram *d, const struct plait_address *to, struct sockaddr_storage *ss)
{
    struct plait_address mapped = {.kind = PLAIT_ADDR_IP6, .port = to->port, .ip = {[10] = 0xff, [11] = 0xff}};
    if (to->kind == PLAIT_ADDR_IP4 && d->dual_stack) {
        memcpy(mapped.ip + 12, to->ip, 4);
        to = &mapped;
    }
    const socklen_t len = plait__address_to_sockaddr(to, ss);
    if (len == 0 || ss->ss_family != d->domain)
        return 0;
    return d->domain != AF_UNIX && to->port == 0 ? 0 : len;
}

static size_t size_max(const struct plait_datagram *d)
{
    return d->domain == AF_INET ? 65507 : d->domain == AF_INET6 ? 65527 : PLAIT__DATAGRAM_MAX;
}

/* Whether the queue takes so much more; one that is empty takes anything. */
static bool fits(struct plait_datagram *d, size_t bytes)
{
    const struct plait__datagrams *q = &d->queue;
    if (q->count > 0 && !d->blocked && q->payload + bytes + OVERHEAD > d->queue_max)
        plait__datagram_flush(d);
    return q->count == 0 || q->payload + bytes + OVERHEAD <= d->queue_max;
}

static plait_err append(struct plait_datagram *d, struct record *record, const struct sockaddr_storage *to,
                        plait_slice bytes)
{
    struct plait__datagrams *q = &d->queue;
    const size_t to_at = padded(sizeof *record);
    const size_t payload_at = to_at + padded(record->to_len);
    record->bytes = (uint32_t)bytes.len;
    record->whole = (uint32_t)(payload_at + padded(bytes.len));
    PLAIT_TRY(make_room(d, record->whole));
    memcpy(q->bytes + q->end, record, sizeof *record);
    memcpy(q->bytes + q->end + to_at, to, record->to_len);
    if (bytes.len > 0)
        memcpy(q->bytes + q->end + payload_at, bytes.ptr, bytes.len);
    q->end += record->whole;
    q->payload += bytes.len + OVERHEAD;
    q->count++;
    return PLAIT_OK;
}

/* Whether an address can be an own one to send from; a group cannot, the answer then goes out from where the kernel
 * thinks best. */
static bool is_source(const struct plait_address *from)
{
    return (from->kind == PLAIT_ADDR_IP4 && (from->ip[0] & 0xf0) != 0xe0) ||
           (from->kind == PLAIT_ADDR_IP6 && from->ip[0] != 0xff);
}

plait_err plait_send_from(struct plait_datagram *d, const struct plait_address *from, const struct plait_address *to,
                          plait_slice bytes)
{
    struct sockaddr_storage ss;
    struct record record = {.bytes = 0};
    if (d->closing)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (d->connected ? to != NULL : to == NULL)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (to)
        record.to_len = (uint8_t)target(d, to, &ss);
    if (to && record.to_len == 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (bytes.len > size_max(d))
        return PLAIT_FAIL(PLAIT_EMSGSIZE);
    if (from && is_source(from)) {
        record.from_kind = (uint8_t)from->kind;
        record.from_scope = from->scope;
        memcpy(record.from_ip, from->ip, sizeof record.from_ip);
    }
    plait_soon_queue(&d->soon);
    if (!fits(d, bytes.len)) {
        d->want_room = true;
        return PLAIT_FAIL(PLAIT_EAGAIN);
    }
    return append(d, &record, &ss, bytes);
}

plait_err plait_send(struct plait_datagram *d, const struct plait_address *to, plait_slice bytes)
{
    return plait_send_from(d, NULL, to, bytes);
}
