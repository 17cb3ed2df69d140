/* SPDX-License-Identifier: MIT
 *
 * Listeners: making them, holding them back, ending them. What happens to an accepted connection is listen_accept.c,
 * the file of a UNIX socket is listen_unix.c.
 *
 * Invariant: the handle accepts exactly while no reason to pause is set; the object lives until the user has let go,
 * the handle is closed and no connection is left.
 * Test: tests/engine/test_listen.c.
 */
#include "engine/listen_core.h"

#include "base/try.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>

enum { BACKLOG = 511, FAST_OPEN_QUEUE = 256, DEFER_SECONDS = 10 };

static const struct plait_listen_options no_options;

/* --- pausing ------------------------------------------------------------------------------------------------------ */

void plait__listener_pause(struct plait_listener *l, unsigned why)
{
    l->pauses |= (uint8_t)why;
    if (l->accepting)
        plait__io_input(l->reactor->io, &l->h, false);
}

void plait__listener_go_on(struct plait_listener *l, unsigned why)
{
    const bool paused = l->pauses != 0;
    l->pauses &= (uint8_t)~why;
    if (paused && l->pauses == 0 && l->accepting)
        plait__io_input(l->reactor->io, &l->h, true);
}

static struct plait_listener *of_link(struct plait__list *link)
{
    return plait__container(link, struct plait_listener, link);
}

void plait__listeners_pause_all(struct plait_reactor *r, unsigned why)
{
    for (struct plait__list *at = r->listeners.next; at != &r->listeners; at = at->next)
        plait__listener_pause(of_link(at), why);
}

void plait__listeners_go_on_all(struct plait_reactor *r, unsigned why)
{
    for (struct plait__list *at = r->listeners.next; at != &r->listeners; at = at->next)
        plait__listener_go_on(of_link(at), why);
}

void plait__listeners_retry(struct plait_reactor *r)
{
    if (!r->accept_paused)
        return;
    r->accept_paused = false;
    plait__listeners_go_on_all(r, PLAIT__PAUSE_DESCRIPTORS);
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

void plait__listener_settle(struct plait_listener *l)
{
    if (!l->released || !l->gone || l->count > 0)
        return;
    plait_timer_stop(&l->retry);
    plait__list_remove(&l->link);
    plait__limits_deinit(l);
    plait_tls_server_unref(&l->tls);
    plait__proxy_trust_free(&l->proxy);
    plait_service_unref(&l->service);
    plait_mem_free(l);
}

static void handle_closed(struct plait__handle *h)
{
    struct plait_listener *l = plait__container(h, struct plait_listener, h);
    l->gone = true;
    plait__listener_settle(l);
}

static const struct plait__handle_ops handle_ops = {
    .name = "accept", .accepted = plait__listener_accepted, .closed = handle_closed};

/* With the last listener the spare descriptor goes too. */
static void drop_spare(struct plait_reactor *r)
{
    for (struct plait__list *at = r->listeners.next; at != &r->listeners; at = at->next) {
        if (of_link(at)->accepting)
            return;
    }
    if (r->spare_fd >= 0)
        r->sys->ops->close(r->sys, r->spare_fd);
    r->spare_fd = -1;
}

void plait__listener_stop(struct plait_listener *l)
{
    if (!l->accepting)
        return;
    l->accepting = false;
    plait_timer_stop(&l->retry);
    plait__unix_remove_file(l);
    plait__io_close(l->reactor->io, &l->h, false);
    drop_spare(l->reactor);
    plait__listeners_retry(l->reactor);
}

void plait_listener_close(struct plait_listener **listener)
{
    struct plait_listener *l = *listener;
    *listener = NULL;
    if (!l)
        return;
    plait__listener_stop(l);
    l->released = true;
    plait__listener_settle(l);
}

/* A drain stops them all; only the end of the reactor lets go of them for their users. */
void plait__listeners_close_all(struct plait_reactor *r)
{
    struct plait__list *at = r->listeners.next;
    while (at != &r->listeners) {
        struct plait_listener *l = of_link(at);
        at = at->next;
        plait__listener_stop(l);
        l->released |= r->freeing;
        plait__listener_settle(l);
    }
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void read_address(struct plait_listener *l, int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct plait_sys *sys = l->reactor->sys;
    if (sys->ops->getsockname(sys, fd, (struct sockaddr *)&ss, &len) == 0)
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, &l->address);
}

static void open_spare(struct plait_reactor *r)
{
    if (r->spare_fd < 0)
        r->spare_fd = r->sys->ops->eventfd(r->sys, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->spare_fd < 0)
        r->spare_fd = -1; /* TQ-3: it goes without */
}

/* Makes the object over a listening descriptor. Takes everything but the descriptor, also on failure. */
static plait_err new_listener(struct plait_reactor *r, int fd, const struct plait_listen_options *o,
                              struct plait_service *service, struct plait_listener **out)
{
    struct plait_listener *l = plait_mem_new(&r->budget, sizeof *l);
    if (!l)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    l->reactor = r;
    plait__limits_init(l, &o->limits);
    read_address(l, fd);
    const bool ip = l->address.kind == PLAIT_ADDR_IP4 || l->address.kind == PLAIT_ADDR_IP6;
    l->fd_kind = ip ? PLAIT__FD_TCP : PLAIT__FD_UNIX;
    plait_timer_init(&l->retry, r, "accept-retry", plait__listener_retry, l);
    const int res = plait__io_attach(r->io, &l->h, PLAIT__H_LISTEN, fd, &handle_ops);
    if (res < 0) {
        plait__limits_deinit(l);
        plait_mem_free(l);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    l->service = service;
    l->proxy = o->proxy;
    l->tls = o->tls ? plait_tls_server_ref(o->tls) : NULL;
    l->accepting = true;
    plait__list_add_tail(&r->listeners, &l->link);
    open_spare(r);
    if (r->connections >= r->connections_max)
        l->pauses |= PLAIT__PAUSE_ALL_FULL;
    if (l->pauses == 0)
        plait__io_input(r->io, &l->h, true);
    *out = l;
    return PLAIT_OK;
}

static int set_int(struct plait_reactor *r, int fd, int level, int name, int value)
{
    return r->sys->ops->setsockopt(r->sys, fd, level, name, &value, sizeof value);
}

/* What only makes things faster may be missing. */
static void set_wish(struct plait_reactor *r, int fd, int name, int value)
{
    const int res = set_int(r, fd, IPPROTO_TCP, name, value);
    if (res >= 0)
        return;
    const struct plait_fault fault = plait_fault_os(-res, "setsockopt");
    const struct plait_field fields[] = {plait_field_i64("option", name), plait_field_fault(&fault), plait_field_end()};
    plait__warn(r, "option-refused", "the system did not take an option of a listening socket", fields);
}

static int bind_it(struct plait_reactor *r, int fd, const struct plait_address *a, const struct plait_listen_options *o)
{
    if (a->kind == PLAIT_ADDR_UNIX || a->kind == PLAIT_ADDR_ABSTRACT)
        return plait__unix_bind(r, fd, a, o);
    int res = set_int(r, fd, SOL_SOCKET, SO_REUSEADDR, 1); /* TQ-17 */
    if (res == 0 && a->kind == PLAIT_ADDR_IP6)
        res = set_int(r, fd, IPPROTO_IPV6, IPV6_V6ONLY, !o->dual_stack); /* TQ-22 */
    if (res == 0 && o->reuse_port)
        res = set_int(r, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (res < 0)
        return res;
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(a, &ss);
    return r->sys->ops->bind(r->sys, fd, (struct sockaddr *)&ss, len);
}

static int family_of(const struct plait_address *a)
{
    switch (a->kind) {
    case PLAIT_ADDR_IP4:
        return AF_INET;
    case PLAIT_ADDR_IP6:
        return AF_INET6;
    case PLAIT_ADDR_UNIX:
    case PLAIT_ADDR_ABSTRACT:
        return AF_UNIX;
    default:
        return -1;
    }
}

/* Connections inherit the options of the socket they come from. */
static void set_wishes(struct plait_reactor *r, int fd, const struct plait_listen_options *o)
{
    set_wish(r, fd, TCP_NODELAY, 1);
    if (o->fast_open)
        set_wish(r, fd, TCP_FASTOPEN, FAST_OPEN_QUEUE);
    if (o->defer_accept)
        set_wish(r, fd, TCP_DEFER_ACCEPT, DEFER_SECONDS);
}

/* The file that bind made has no use. */
static void remove_file(struct plait_reactor *r, const struct plait_address *a)
{
    if (a->kind == PLAIT_ADDR_UNIX)
        r->sys->ops->unlinkat(r->sys, AT_FDCWD, a->name, 0);
}

/* Returns a listening descriptor or -errno. */
static int open_socket(struct plait_reactor *r, const struct plait_address *a, const struct plait_listen_options *o)
{
    struct plait_sys *sys = r->sys;
    const int family = family_of(a);
    const int fd = family < 0 ? -EINVAL : sys->ops->socket(sys, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int res = bind_it(r, fd, a, o);
    const bool bound = res == 0;
    if (res == 0 && family != AF_UNIX)
        set_wishes(r, fd, o);
    if (res == 0)
        res = sys->ops->listen(sys, fd, o->backlog > 0 ? o->backlog : BACKLOG);
    if (res == 0)
        return fd;
    if (bound)
        remove_file(r, a);
    sys->ops->close(sys, fd);
    return res;
}

/* Gives up what a failed call has taken. */
static plait_err give_up(struct plait_reactor *r, int fd, const struct plait_listen_options *o,
                         struct plait_service *service, plait_err err)
{
    struct plait_proxy_trust *proxy = o->proxy;
    if (fd >= 0)
        r->sys->ops->close(r->sys, fd);
    plait__proxy_trust_free(&proxy);
    plait_service_unref(&service);
    return err;
}

static plait_err check(struct plait_reactor *r, struct plait_service *service)
{
    if (!service)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return r->drain ? PLAIT_FAIL(PLAIT_EDRAINING) : PLAIT_OK;
}

plait_err plait_listen(struct plait_reactor *reactor, const struct plait_address *address,
                       const struct plait_listen_options *options, struct plait_service *service,
                       struct plait_listener **out)
{
    const struct plait_listen_options *o = options ? options : &no_options;
    struct plait_listener *unnamed;
    plait_err err = check(reactor, service);
    out = out ? out : &unnamed;
    *out = NULL;
    if (err != PLAIT_OK)
        return give_up(reactor, -1, o, service, err);
    const int fd = open_socket(reactor, address, o);
    if (fd < 0)
        return give_up(reactor, -1, o, service, PLAIT_FAIL(plait_err_from_errno(-fd)));
    err = new_listener(reactor, fd, o, service, out);
    if (err != PLAIT_OK)
        remove_file(reactor, address);
    if (err != PLAIT_OK)
        return give_up(reactor, fd, o, service, err);
    plait__unix_note_file(*out);
    return PLAIT_OK;
}

static bool listens(struct plait_sys *sys, int fd)
{
    int on = 0;
    int type = 0;
    socklen_t len = sizeof on;
    if (sys->ops->getsockopt(sys, fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) < 0 || !on)
        return false;
    len = sizeof type;
    return sys->ops->getsockopt(sys, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* A duplicate of somebody's listening descriptor that does not block, or -errno (TQ-20). */
static int duplicate(struct plait_sys *sys, int fd)
{
    const int own = sys->ops->fcntl(sys, fd, F_DUPFD_CLOEXEC, 3);
    const int flags = own < 0 ? own : sys->ops->fcntl(sys, own, F_GETFL, 0);
    const int res = flags < 0 ? flags : sys->ops->fcntl(sys, own, F_SETFL, flags | O_NONBLOCK);
    if (res < 0 && own >= 0)
        sys->ops->close(sys, own);
    return res < 0 ? res : own;
}

plait_err plait_listen_fd(struct plait_reactor *reactor, int fd, const struct plait_listen_options *options,
                          struct plait_service *service, struct plait_listener **out)
{
    const struct plait_listen_options *o = options ? options : &no_options;
    struct plait_listener *unnamed;
    plait_err err = check(reactor, service);
    out = out ? out : &unnamed;
    *out = NULL;
    if (err == PLAIT_OK && !listens(reactor->sys, fd))
        err = PLAIT_FAIL(PLAIT_EINVAL);
    const int own = err == PLAIT_OK ? duplicate(reactor->sys, fd) : -1;
    if (err == PLAIT_OK && own < 0)
        err = PLAIT_FAIL(plait_err_from_errno(-own));
    if (err == PLAIT_OK)
        err = new_listener(reactor, own, o, service, out);
    if (err != PLAIT_OK)
        return give_up(reactor, own, o, service, err);
    if ((*out)->fd_kind == PLAIT__FD_TCP)
        set_wishes(reactor, own, o);
    return PLAIT_OK;
}

/* --- what callers ask --------------------------------------------------------------------------------------------- */

void plait_listener_address(const struct plait_listener *listener, struct plait_address *out)
{
    *out = listener->address;
}

size_t plait_listener_count(const struct plait_listener *listener)
{
    return listener->count;
}

static enum plait_listener_state state_of(const struct plait_listener *l)
{
    const unsigned full = PLAIT__PAUSE_FULL | PLAIT__PAUSE_ALL_FULL;
    if (!l->accepting)
        return PLAIT_LISTENER_CLOSED;
    if (l->pauses & full)
        return PLAIT_LISTENER_FULL;
    if (l->pauses & PLAIT__PAUSE_MEMORY)
        return PLAIT_LISTENER_NO_MEMORY;
    if (l->pauses & PLAIT__PAUSE_DESCRIPTORS)
        return PLAIT_LISTENER_NO_DESCRIPTORS;
    return l->pauses ? PLAIT_LISTENER_SLOWED : PLAIT_LISTENER_OPEN;
}

void plait_listener_look(const struct plait_listener *listener, struct plait_listener_view *out)
{
    const struct plait_listener *l = listener;
    *out = (struct plait_listener_view){.service = l->service->ops.name ? l->service->ops.name : "",
                                        .state = state_of(l),
                                        .tls = l->tls != NULL,
                                        .connections = l->count,
                                        .connections_max = l->limits.connections,
                                        .memory = &l->budget};
}

void plait_reactor_listeners(const struct plait_reactor *reactor, plait_listener_fn fn, void *ctx)
{
    for (struct plait__list *at = reactor->listeners.next; at != &reactor->listeners; at = at->next)
        fn(of_link(at), ctx);
}
