/* SPDX-License-Identifier: MIT
 *
 * Accepting: a descriptor becomes a stream that counts in its listener and is opened by the service. And everything
 * that goes wrong there (TQ-1 to 10).
 *
 * Out of descriptors, a listener pauses: clients wait in the kernel's backlog, which costs nothing. It goes on when a
 * descriptor of ours is closed, or looks again after a second. When that has gone on for longer than clients should be
 * kept hanging, the spare descriptor is given up for a moment, and who waits is accepted and closed, once a second.
 *
 * Invariant: no errno makes the loop spin: each either used up what was queued, or pauses the listener.
 * Tests: tests/engine/test_listen.c, test_limits.c.
 */
#include "engine/listen_core.h"

#include <errno.h>
#include <sys/eventfd.h>

enum { PATIENCE_S = 3, SHED_MAX = 1024, RETRY_MS = 1000, BRIEF_MS = 100, ROW_MAX = 64 };

/* At most one line a second, whatever happens. */
static void log_rarely(struct plait_listener *l, const char *event, const char *text, const struct plait_fault *fault)
{
    struct plait_reactor *r = l->reactor;
    if (r->accept_logged != 0 && r->now - r->accept_logged < plait_seconds(1))
        return;
    r->accept_logged = r->now;
    char address[PLAIT_ADDR_TEXT_MAX];
    const struct plait_field fields[] = {plait_field_text("listener", plait_address_format(&l->address, address)),
                                         plait_field_i64("connections", (int64_t)l->count), plait_field_fault(fault),
                                         plait_field_end()};
    plait__warn(r, event, text, fields);
}

static void pause_for(struct plait_listener *l, unsigned why, int64_t ms)
{
    const plait_time due = l->reactor->now + plait_millis(ms);
    plait__listener_pause(l, why);
    if (l->retry.due > due) /* PLAIT_NEVER while it does not run */
        plait_timer_arm_at(&l->retry, due);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void reopen_spare(struct plait_reactor *r)
{
    const int fd = r->sys->ops->eventfd(r->sys, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->spare_fd = fd < 0 ? -1 : fd; /* TQ-3 */
}

/* Accepts and closes who waits, over the spare descriptor. */
static void shed(struct plait_listener *l)
{
    struct plait_reactor *r = l->reactor;
    struct plait_sys *sys = r->sys;
    if (r->spare_fd < 0) {
        reopen_spare(r);
        return;
    }
    sys->ops->close(sys, r->spare_fd);
    for (int n = 0; n < SHED_MAX; n++) {
        const int fd = sys->ops->accept4(sys, l->h.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        sys->ops->close(sys, fd);
        plait_metric_add(&r->counts.refused_limit, 1);
    }
    reopen_spare(r);
}

static void out_of_descriptors(struct plait_listener *l, const struct plait_fault *fault)
{
    struct plait_reactor *r = l->reactor;
    if (l->exhausted_since == 0)
        l->exhausted_since = r->now;
    else if (r->now - l->exhausted_since >= plait_seconds(PATIENCE_S))
        shed(l);
    r->accept_paused = true;
    pause_for(l, PLAIT__PAUSE_DESCRIPTORS, RETRY_MS);
    log_rarely(l, "accept-exhausted", "no descriptor is left for a new connection; clients wait", fault);
}

/* Errors of the connection that was to be accepted: the next one may be fine (accept(2)). */
static bool is_the_connections(int err)
{
    switch (err) {
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
    case EINTR:
        return true;
    default:
        return false;
    }
}

static void accept_failed(struct plait_listener *l, int err)
{
    const struct plait_fault fault = plait_fault_os(err, "accept");
    plait_metric_add(&l->reactor->counts.accept_errors, 1);
    l->errors_in_row++;
    if (err == EMFILE || err == ENFILE) {
        out_of_descriptors(l, &fault);
    } else if (err == ENOBUFS || err == ENOMEM) {
        pause_for(l, PLAIT__PAUSE_BRIEF, BRIEF_MS);
        log_rarely(l, "accept-failed", "the system has no memory for a new connection", &fault);
    } else if (!is_the_connections(err)) {
        pause_for(l, PLAIT__PAUSE_BRIEF, RETRY_MS);
        log_rarely(l, "accept-failed", "a listening socket does not accept", &fault);
    } else if (l->errors_in_row % ROW_MAX == 0) {
        pause_for(l, PLAIT__PAUSE_BRIEF, BRIEF_MS);
        log_rarely(l, "accept-failed", "one connection after another fails before it is accepted", &fault);
    }
}

/* --- accepted ----------------------------------------------------------------------------------------------------- */

static void refuse(struct plait_listener *l, int fd, struct plait_fault fault)
{
    l->reactor->sys->ops->close(l->reactor->sys, fd);
    plait_metric_add(&l->reactor->counts.refused_limit, 1);
    log_rarely(l, "accept-refused", "a connection was closed at once", &fault);
}

/* Entry of the peer in which one more may count; NULL when the connection was refused. */
static struct plait__counted *admit(struct plait_listener *l, int fd, const struct plait_address *peer)
{
    struct plait__counted *entry = l->proxy ? &l->anyone : plait__counted_of(l, peer);
    if (!entry) {
        refuse(l, fd, plait_fault_make(PLAIT_ENOMEM, "accept"));
        return NULL;
    }
    if (entry->count < entry->count_max)
        return entry;
    struct plait_fault fault = plait_fault_make(PLAIT_EOVERLOAD, "accept");
    fault.detail = "too many connections from one address";
    fault.peer = peer;
    refuse(l, fd, fault);
    return NULL;
}

/* Looks whether the next one would still be welcome. */
static void pause_at_limits(struct plait_listener *l)
{
    struct plait_reactor *r = l->reactor;
    const struct plait_fault fault = plait_fault_make(PLAIT_EOVERLOAD, "accept");
    if (l->count >= l->limits.connections) {
        plait__listener_pause(l, PLAIT__PAUSE_FULL);
        log_rarely(l, "listener-full", "a listener has all the connections that it may have; clients wait", &fault);
    }
    if (r->connections >= r->connections_max) {
        plait__listeners_pause_all(r, PLAIT__PAUSE_ALL_FULL);
        log_rarely(l, "reactor-full", "there are as many connections as there may be; clients wait", &fault);
    }
}

static void open_service(struct plait_listener *l, struct plait_stream *s)
{
    if (!l->tls && !l->proxy) {
        (void)plait__service_open(l->service, s);
        return;
    }
    if (plait__shake_start(l, s) != PLAIT_OK)
        plait__stream_discard(s);
}

static void take(struct plait_listener *l, int fd, const struct plait_address *peer)
{
    struct plait_stream *s;
    struct plait__counted *entry = admit(l, fd, peer);
    if (!entry)
        return;
    const int res = plait__fd_stream_new(l->reactor, (enum plait__fd_kind)l->fd_kind, fd, peer, &s);
    if (res < 0) {
        plait__counted_settle(entry);
        refuse(l, fd, plait_fault_os(-res, "accept"));
        return;
    }
    plait__counted_add(entry, s);
    plait_metric_add(&l->reactor->counts.accepted, 1);
    if (l->limits.stall != plait_seconds(60))
        plait_stream_stall(s, l->limits.stall);
    pause_at_limits(l);
    open_service(l, s);
}

void plait__listener_accepted(struct plait__handle *h, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct plait_listener *l = plait__container(h, struct plait_listener, h);
    if (fd < 0) {
        accept_failed(l, -fd);
        return;
    }
    struct plait_address peer;
    plait__address_from_sockaddr(addr, len, &peer); /* TQ-13 */
    l->errors_in_row = 0;
    l->exhausted_since = 0;
    if (!plait__rate_take(l)) {
        plait__listener_pause(l, PLAIT__PAUSE_RATE);
        if (l->retry.due > plait__rate_due(l))
            plait_timer_arm_at(&l->retry, plait__rate_due(l));
    }
    take(l, fd, &peer);
}

void plait__listener_retry(void *listener)
{
    struct plait_listener *l = listener;
    plait__listener_go_on(l, PLAIT__PAUSE_DESCRIPTORS | PLAIT__PAUSE_BRIEF | PLAIT__PAUSE_RATE);
}
