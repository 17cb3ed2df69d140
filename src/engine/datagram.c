/* SPDX-License-Identifier: MIT
 *
 * The life of a datagram socket: opening with everything set on purpose (V6ONLY, destination addresses, error queue),
 * groups, closing. Receiving is datagram_in.c, sending datagram_out.c; names and services are elsewhere.
 *
 * Invariant: after plait_datagram_close nothing is called; the memory goes when the handle is closed, so a close inside
 * any callback is safe. A socket that its owner leaves open ends with the reactor.
 * Test: tests/engine/test_datagram.c.
 */
#include "base/try.h"
#include "engine/datagram_core.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>

static int domain_of(const struct plait_address *address)
{
    switch (address->kind) {
    case PLAIT_ADDR_IP4:
        return AF_INET;
    case PLAIT_ADDR_IP6:
        return AF_INET6;
    case PLAIT_ADDR_UNIX:
    case PLAIT_ADDR_ABSTRACT:
        return AF_UNIX;
    case PLAIT_ADDR_NONE:
        break;
    }
    return AF_UNSPEC;
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

static void ready(struct plait__handle *h, unsigned events)
{
    struct plait_datagram *d = plait__container(h, struct plait_datagram, h);
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        plait__datagram_receive(d, events);
    if (d->closing || !(events & EPOLLOUT))
        return;
    if (d->blocked && !plait_timer_runs(&d->retry))
        d->blocked = false;
    if (!d->blocked)
        plait__datagram_flush(d);
    plait__datagram_tell(d);
}

static void release(struct plait_datagram *d)
{
    if (!d->gone || d->owned)
        return;
    plait__module_remove(&d->module);
    plait_mem_free(d);
}

static void closed(struct plait__handle *h)
{
    struct plait_datagram *d = plait__container(h, struct plait_datagram, h);
    d->gone = true;
    release(d);
}

static const struct plait__handle_ops handle_ops = {.name = "datagram", .ready = ready, .closed = closed};

/* --- a UNIX socket's file ----------------------------------------------------------------------------------------- */

/* Removes a socket's file at close, unless somebody has put another in its place (TQ-116). */
static void remove_file(struct plait_datagram *d)
{
    struct plait_sys *sys = d->reactor->sys;
    struct stat st;
    if (!d->unlink || sys->ops->fstatat(sys, AT_FDCWD, d->bound.name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (st.st_dev == d->file_device && st.st_ino == d->file_inode)
        (void)sys->ops->unlinkat(sys, AT_FDCWD, d->bound.name, 0);
}

/* Whether a path is a socket that nobody has bound any more (TQ-111): connecting to it is refused, and afterwards it is
 * the same file still (TQ-112). */
static bool is_stale(struct plait_sys *sys, const struct plait_address *address, const struct sockaddr *sa,
                     socklen_t len)
{
    struct stat st;
    struct stat now;
    if (sys->ops->fstatat(sys, AT_FDCWD, address->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    const int probe = sys->ops->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    const int res = sys->ops->connect(sys, probe, sa, len);
    sys->ops->close(sys, probe);
    if (res != -ECONNREFUSED || sys->ops->fstatat(sys, AT_FDCWD, address->name, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    return now.st_dev == st.st_dev && now.st_ino == st.st_ino && now.st_ctim.tv_sec == st.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == st.st_ctim.tv_nsec;
}

static int note_file(struct plait_datagram *d, const struct plait_datagram_options *o)
{
    struct plait_sys *sys = d->reactor->sys;
    const unsigned mode = o->unix_mode ? o->unix_mode : 0666; /* TQ-114: whatever the umask says */
    struct stat st;
    int res = sys->ops->fstatat(sys, AT_FDCWD, o->bind.name, &st, AT_SYMLINK_NOFOLLOW);
    if (res < 0)
        return res;
    d->unlink = true;
    d->file_device = st.st_dev;
    d->file_inode = st.st_ino;
    d->bound = o->bind;
    return sys->ops->fchmodat(sys, AT_FDCWD, o->bind.name, mode);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int set_int(struct plait_datagram *d, int fd, int level, int name, int value)
{
    struct plait_sys *sys = d->reactor->sys;
    return sys->ops->setsockopt(sys, fd, level, name, &value, sizeof value);
}

static int set_ip_options(struct plait_datagram *d, int fd)
{
    const bool six = d->domain == AF_INET6;
    int res = 0;
    if (six)
        res = set_int(d, fd, IPPROTO_IPV6, IPV6_V6ONLY, !d->dual_stack);
    if (res == 0)
        res = six ? set_int(d, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set_int(d, fd, IPPROTO_IP, IP_PKTINFO, 1);
    /* With it the kernel tells of soft errors too (no route to the host); without it only of refusal. */
    if (d->connected)
        d->error_queue =
            (six ? set_int(d, fd, IPPROTO_IPV6, IPV6_RECVERR, 1) : set_int(d, fd, IPPROTO_IP, IP_RECVERR, 1)) == 0;
    return res;
}

static int set_options(struct plait_datagram *d, int fd, const struct plait_datagram_options *o)
{
    int res = d->domain == AF_UNIX ? 0 : set_ip_options(d, fd);
    if (res == 0 && o->reuse_port)
        res = set_int(d, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (res == 0 && o->broadcast)
        res = set_int(d, fd, SOL_SOCKET, SO_BROADCAST, 1);
    return res;
}

static int bind_it(struct plait_datagram *d, int fd, const struct plait_datagram_options *o)
{
    struct plait_sys *sys = d->reactor->sys;
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(&o->bind, &ss);
    if (len == 0)
        return 0;
    int res = sys->ops->bind(sys, fd, (struct sockaddr *)&ss, len);
    if (res == -EADDRINUSE && o->bind.kind == PLAIT_ADDR_UNIX && is_stale(sys, &o->bind, (struct sockaddr *)&ss, len)) {
        (void)sys->ops->unlinkat(sys, AT_FDCWD, o->bind.name, 0);
        res = sys->ops->bind(sys, fd, (struct sockaddr *)&ss, len);
    }
    if (res == 0 && o->bind.kind == PLAIT_ADDR_UNIX)
        res = note_file(d, o);
    return res;
}

static int connect_it(struct plait_datagram *d, int fd, const struct plait_datagram_options *o)
{
    struct plait_sys *sys = d->reactor->sys;
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(&o->connect, &ss);
    return len == 0 ? 0 : sys->ops->connect(sys, fd, (struct sockaddr *)&ss, len);
}

static int note_bound(struct plait_datagram *d, int fd)
{
    struct plait_sys *sys = d->reactor->sys;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    const int res = sys->ops->getsockname(sys, fd, (struct sockaddr *)&ss, &len);
    if (res == 0 && !d->unlink)
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, &d->bound);
    return res;
}

/* Makes and prepares the descriptor, and gives it to the io engine. Returns 0 or -errno with nothing left over. */
static int make_socket(struct plait_datagram *d, const struct plait_datagram_options *o)
{
    struct plait_sys *sys = d->reactor->sys;
    const int fd = sys->ops->socket(sys, d->domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int res = set_options(d, fd, o);
    if (res == 0)
        res = bind_it(d, fd, o);
    if (res == 0)
        res = connect_it(d, fd, o);
    if (res == 0)
        res = note_bound(d, fd);
    if (res == 0)
        res = plait__io_attach(d->reactor->io, &d->h, PLAIT__H_POLL, fd, &handle_ops);
    if (res != 0) {
        remove_file(d);
        sys->ops->close(sys, fd);
    }
    return res;
}

/* Takes the descriptor away; what is queued is tried once. */
static void shut(struct plait_datagram *d)
{
    if (d->closing)
        return;
    d->blocked = false;
    plait__datagram_flush(d);
    d->closing = true;
    plait__datagram_drop_queue(d);
    plait_soon_cancel(&d->soon);
    plait_timer_stop(&d->retry);
    remove_file(d);
    plait__io_close(d->reactor->io, &d->h, false);
    plait__listeners_retry(d->reactor);
}

static void on_stop(struct plait__module *module)
{
    shut(plait__container(module, struct plait_datagram, module));
}

/* The reactor ends: the owner's pointer is no longer good. */
static void on_release(struct plait__module *module)
{
    struct plait_datagram *d = plait__container(module, struct plait_datagram, module);
    shut(d);
    d->owned = false;
    release(d);
}

static void on_soon(void *ctx)
{
    struct plait_datagram *d = ctx;
    if (!d->blocked)
        plait__datagram_flush(d);
    plait__datagram_tell(d);
}

/* The kernel may have buffers again: both ways go on. */
static void on_retry(void *ctx)
{
    struct plait_datagram *d = ctx;
    d->blocked = false;
    plait__io_again(d->reactor->io, &d->h);
}

static plait_err check_options(const struct plait_datagram_options *o, int *domain)
{
    const int bind = domain_of(&o->bind);
    const int connect = domain_of(&o->connect);
    if ((bind == AF_UNSPEC && connect == AF_UNSPEC) || o->bytes_max > PLAIT__DATAGRAM_MAX)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (bind != AF_UNSPEC && connect != AF_UNSPEC && bind != connect)
        return PLAIT_FAIL(PLAIT_EINVAL);
    *domain = bind != AF_UNSPEC ? bind : connect;
    return PLAIT_OK;
}

static void fill(struct plait_datagram *d, const struct plait_datagram_options *o)
{
    d->bytes_max = o->bytes_max ? o->bytes_max : 65535;
    d->budget = o->budget ? o->budget : (size_t)256 * 1024;
    d->queue_max = o->queue_max ? o->queue_max : (size_t)256 * 1024;
    d->connected = o->connect.kind != PLAIT_ADDR_NONE;
    d->dual_stack = o->dual_stack && d->domain == AF_INET6;
    d->owned = true;
    d->module.stop = on_stop;
    d->module.release = on_release;
    plait_soon_init(&d->soon, d->reactor, "datagram", on_soon, d);
    plait_timer_init(&d->retry, d->reactor, "datagram-retry", on_retry, d);
}

plait_err plait_datagram_open(struct plait_reactor *reactor, const struct plait_datagram_options *options,
                              const struct plait_datagram_handler *handler, void *self, struct plait_datagram **out)
{
    int domain = AF_UNSPEC;
    PLAIT_TRY(check_options(options, &domain));
    struct plait_datagram *d = plait_mem_new(&reactor->budget, sizeof *d);
    if (!d)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->reactor = reactor;
    d->handler = handler;
    d->self = self;
    d->domain = domain;
    fill(d, options);
    d->scratch = plait__scratch_of(reactor);
    const int res = d->scratch ? make_socket(d, options) : -ENOMEM;
    if (res != 0) {
        plait_mem_free(d);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    plait__module_add(reactor, &d->module);
    *out = d;
    return PLAIT_OK;
}

void plait_datagram_close(struct plait_datagram **d)
{
    struct plait_datagram *it = *d;
    if (!it)
        return;
    *d = NULL;
    shut(it);
    it->owned = false;
    release(it);
}

/* --- what callers ask --------------------------------------------------------------------------------------------- */

void plait_datagram_address(const struct plait_datagram *d, struct plait_address *out)
{
    *out = d->bound;
}

void plait_datagram_counts(const struct plait_datagram *d, uint64_t *received, uint64_t *sent, uint64_t *lost)
{
    if (received)
        *received = d->received;
    if (sent)
        *sent = d->sent;
    if (lost)
        *lost = d->lost;
}

static bool is_group(const struct plait_address *a)
{
    return a->kind == PLAIT_ADDR_IP4 ? (a->ip[0] & 0xf0) == 0xe0 : a->kind == PLAIT_ADDR_IP6 && a->ip[0] == 0xff;
}

plait_err plait_datagram_group(struct plait_datagram *d, const struct plait_address *group, uint32_t interface_index,
                               bool join)
{
    struct plait_sys *sys = d->reactor->sys;
    int res;
    if (d->closing || domain_of(group) != d->domain || !is_group(group))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (group->kind == PLAIT_ADDR_IP4) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface_index};
        memcpy(&request.imr_multiaddr, group->ip, 4);
        res = sys->ops->setsockopt(sys, d->h.fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
                                   sizeof request);
    } else {
        struct ipv6_mreq request = {.ipv6mr_interface = interface_index ? interface_index : group->scope};
        memcpy(&request.ipv6mr_multiaddr, group->ip, 16);
        res = sys->ops->setsockopt(sys, d->h.fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
                                   sizeof request);
    }
    return res == 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_EIO); /* TQ-109 */
}
