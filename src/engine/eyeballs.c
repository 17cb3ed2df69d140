/* SPDX-License-Identifier: MIT
 *
 * The race of several addresses for one connection (RFC 8305): attempts start one after another, families in turn, each
 * a delay after the last or at once when one fails; all stay alive until the first is connected, then the rest is
 * closed. It knows nothing of names, TLS and streams: it ends with a descriptor or the most telling fault.
 *
 * Invariant: while a race runs, an attempt is alive, the delay timer runs, or addresses may still come.
 * Tests: tests/engine/test_eyeballs.c.
 */
#include "engine/connect_core.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { BACKLOG_MS = 10, BACKLOG_MS_MAX = 200 };

struct attempt {
    struct plait__handle h;
    struct plait__list link;
    struct plait_reactor *reactor;
    struct plait__race *race; /* NULL: over, waits for `closed` */
    struct plait_address address;
    struct plait_timer again; /* a UNIX socket's full backlog gives no event */
    unsigned again_ms;
};

static void trace(struct plait__race *race, const char *what, const struct plait_address *address, plait_err err)
{
    if (race->options->trace)
        race->options->trace(what, address, err, race->options->trace_ctx);
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

/* How much an error says: one of this machine's own more than the peer's no, that more than silence. */
static int rank(plait_err err)
{
    static const plait_err order[] = {PLAIT_OK,     PLAIT_ENAMEFAILED,   PLAIT_ENAMENOTFOUND, PLAIT_EFORBIDDEN,
                                      PLAIT_EINVAL, PLAIT_EADDRNOTAVAIL, PLAIT_EUNREACHABLE,  PLAIT_ENETTIMEDOUT,
                                      PLAIT_ERESET, PLAIT_EREFUSED};
    const int count = (int)(sizeof order / sizeof order[0]);
    for (int i = 0; i < count; i++) {
        if (order[i] == err)
            return i;
    }
    return count;
}

void plait__race_blame(struct plait__race *race, const struct plait_fault *fault)
{
    if (rank(fault->err) <= rank(race->fault.err))
        return;
    race->fault = *fault;
    if (!fault->peer)
        return;
    race->blamed = *fault->peer; /* the attempt goes */
    race->fault.peer = &race->blamed;
}

static void blame_os(struct plait__race *race, int os_errno, const struct plait_address *address)
{
    struct plait_fault fault = plait_fault_os(os_errno, "connect");
    fault.retry = true;
    fault.peer = address;
    trace(race, "failed", address, fault.err);
    plait__race_blame(race, &fault);
}

/* --- one attempt -------------------------------------------------------------------------------------------------- */

static void end_attempt(struct attempt *a, bool keep_fd)
{
    plait_timer_stop(&a->again);
    plait__list_remove(&a->link);
    a->race = NULL;
    plait__io_close(a->reactor->io, &a->h, keep_fd);
}

static void attempt_closed(struct plait__handle *h)
{
    plait_mem_free(plait__container(h, struct attempt, h));
}

/* On the loopback a socket can by chance connect to itself: nobody listens there. */
static bool is_self(struct attempt *a)
{
    struct plait_sys *sys = a->reactor->sys;
    struct plait_address own;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (!plait_address_is_loopback(&a->address))
        return false;
    if (sys->ops->getsockname(sys, a->h.fd, (struct sockaddr *)&ss, &len) < 0)
        return false; /* it connected: it is taken for somebody else */
    plait__address_from_sockaddr((struct sockaddr *)&ss, len, &own);
    return plait_address_equal(&own, &a->address);
}

static void attempt_failed(struct attempt *a, int os_errno)
{
    struct plait__race *race = a->race;
    blame_os(race, os_errno, &a->address);
    end_attempt(a, false);
    plait_timer_stop(&race->delay);
    plait__race_go(race);
}

static void attempt_won(struct attempt *a)
{
    struct plait__race *race = a->race;
    const struct plait_address address = a->address;
    const int fd = a->h.fd;
    trace(race, "connected", &address, PLAIT_OK);
    end_attempt(a, true);
    plait__race_stop(race);
    race->won(race, fd, &address);
}

static void connected(struct plait__handle *h, int res)
{
    struct attempt *a = plait__container(h, struct attempt, h);
    if (res == 0 && is_self(a))
        res = -ECONNREFUSED;
    if (res == 0)
        attempt_won(a);
    else
        attempt_failed(a, -res);
}

static const struct plait__handle_ops attempt_ops = {
    .name = "connect", .connected = connected, .closed = attempt_closed};

static int connect_it(struct attempt *a)
{
    struct sockaddr_storage ss;
    const socklen_t len = plait__address_to_sockaddr(&a->address, &ss);
    const int res = plait__io_connect(a->reactor->io, &a->h, (struct sockaddr *)&ss, len);
    if (res != -EAGAIN || ss.ss_family != AF_UNIX)
        return res;
    plait_timer_arm(&a->again, plait_millis(a->again_ms));
    a->again_ms = a->again_ms * 2 < BACKLOG_MS_MAX ? a->again_ms * 2 : BACKLOG_MS_MAX;
    return 0;
}

static void try_again(void *ctx)
{
    struct attempt *a = ctx;
    const int res = connect_it(a);
    if (res < 0)
        attempt_failed(a, -res);
}

static int set_int(struct plait_reactor *r, int fd, int level, int name, int value)
{
    return r->sys->ops->setsockopt(r->sys, fd, level, name, &value, sizeof value);
}

static int bind_source(struct plait_reactor *r, int fd, const struct plait_address *source,
                       const struct plait_address *to)
{
    struct sockaddr_storage ss;
    if (source->kind == PLAIT_ADDR_NONE)
        return 0;
    if (source->kind != to->kind)
        return -EADDRNOTAVAIL;
    if (source->port == 0) /* let the port be chosen at connect, when it need not be free for all peers */
        (void)set_int(r, fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const socklen_t len = plait__address_to_sockaddr(source, &ss);
    return r->sys->ops->bind(r->sys, fd, (struct sockaddr *)&ss, len);
}

/* An address of no kind was refused before; it could not be connected to. */
static int family_of(const struct plait_address *a)
{
    return a->kind == PLAIT_ADDR_IP4 ? AF_INET : a->kind == PLAIT_ADDR_IP6 ? AF_INET6 : AF_UNIX;
}

/* Returns a descriptor that is ready to connect, or -errno. */
static int open_socket(struct plait__race *race, const struct plait_address *to)
{
    struct plait_reactor *r = race->reactor;
    const int family = family_of(to);
    const int fd = r->sys->ops->socket(r->sys, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    const int res = bind_source(r, fd, &race->options->source, to);
    if (res < 0) {
        r->sys->ops->close(r->sys, fd);
        return res;
    }
    if (family != AF_UNIX) {
        (void)set_int(r, fd, IPPROTO_TCP, TCP_NODELAY, 1); /* TQ-39 */
        if (race->options->fast_open)
            (void)set_int(r, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    }
    return fd;
}

static int attach(struct plait__race *race, struct attempt *a, const struct plait_address *to)
{
    struct plait_reactor *r = race->reactor;
    const int fd = open_socket(race, to);
    if (fd < 0)
        return fd;
    const int res = plait__io_attach(r->io, &a->h, PLAIT__H_SOCKET, fd, &attempt_ops);
    return res < 0 ? (r->sys->ops->close(r->sys, fd), res) : 0;
}

/* Returns 0 or -errno; then nothing is left of it. */
static int start(struct plait__race *race, const struct plait_address *to)
{
    struct attempt *a = plait_mem_new(&race->reactor->budget, sizeof *a);
    if (!a)
        return -ENOMEM;
    int res = attach(race, a, to);
    if (res < 0) {
        plait_mem_free(a);
        return res;
    }
    a->reactor = race->reactor;
    a->race = race;
    a->address = *to;
    a->again_ms = BACKLOG_MS;
    plait_timer_init(&a->again, race->reactor, "connect-again", try_again, a);
    plait__list_add_tail(&race->attempts, &a->link);
    trace(race, "attempt", to, PLAIT_OK);
    res = connect_it(a);
    if (res < 0)
        end_attempt(a, false);
    return res;
}

/* --- the race ----------------------------------------------------------------------------------------------------- */

/* The next address: families in turn while both have some. */
static const struct plait_address *next_address(struct plait__race *race)
{
    for (unsigned n = 0; n < PLAIT__RACE_FAMILIES; n++) {
        const unsigned f = (race->turn + n) % PLAIT__RACE_FAMILIES;
        if (race->family[f].next < race->family[f].count) {
            race->turn = f + 1;
            return &race->family[f].at[race->family[f].next++];
        }
    }
    return NULL;
}

static bool has_next(const struct plait__race *race)
{
    return race->family[0].next < race->family[0].count || race->family[1].next < race->family[1].count;
}

static void delay_over(void *ctx)
{
    plait__race_go(ctx);
}

void plait__race_init(struct plait__race *race, struct plait_reactor *r, const struct plait_connect_options *options)
{
    race->reactor = r;
    race->options = options;
    plait__list_init(&race->attempts);
    plait_timer_init(&race->delay, r, "connect-delay", delay_over, race);
    race->fault = plait_fault_make(PLAIT_OK, NULL);
}

void plait__race_add(struct plait__race *race, unsigned family, const struct plait_address *at, size_t count)
{
    race->family[family].at = at;
    race->family[family].count = count;
    race->family[family].next = 0;
}

void plait__race_go(struct plait__race *race)
{
    race->running = true;
    if (plait_timer_runs(&race->delay))
        return; /* more addresses came: they have their turn */
    const struct plait_address *to;
    while ((to = next_address(race)) != NULL) {
        const int res = start(race, to);
        if (res == 0)
            break;
        blame_os(race, -res, to);
    }
    if (to && (has_next(race) || race->more))
        plait_timer_arm(&race->delay, race->options->attempt_delay);
    if (to || race->more || !plait__list_empty(&race->attempts))
        return;
    race->running = false;
    race->failed(race, &race->fault);
}

void plait__race_stop(struct plait__race *race)
{
    race->running = false;
    plait_timer_stop(&race->delay);
    while (!plait__list_empty(&race->attempts)) {
        struct attempt *a = plait__container(race->attempts.next, struct attempt, link);
        trace(race, "stopped", &a->address, PLAIT_ECANCELLED);
        end_attempt(a, false);
    }
}
