/* SPDX-License-Identifier: MIT
 *
 * The carrier over one descriptor: TCP, UNIX socket or file-like (pipe, terminal). It translates between the handle's
 * completions and the carrier's words, keeps the peer's address as accept told it (TQ-13), and nothing else.
 *
 * Invariant: a stream and its carrier are one slab object, freed at the turn's end after `lost`; the handle is closed
 * before. Test: tests/engine/test_carriers.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

struct fd_carrier {
    struct plait__carrier c;
    struct plait__handle h;
    uint64_t received, sent;
    uint16_t send_error; /* errno of a send that failed while the peer's last words may still be there to read */
    uint16_t peer_port;
    uint8_t peer_family; /* enum plait_address_kind */
    uint8_t kind;        /* enum plait__fd_kind */
    uint8_t peer_ip[16]; /* its scope stands in h.owners */
};

struct fd_stream {
    struct plait_stream s;
    struct fd_carrier c;
};

static struct fd_carrier *of_carrier(struct plait__carrier *c)
{
    return plait__container(c, struct fd_carrier, c);
}

static struct fd_carrier *of_handle(struct plait__handle *h)
{
    return plait__container(h, struct fd_carrier, h);
}

static struct plait_reactor *reactor_of(struct fd_carrier *c)
{
    return plait__container(c, struct fd_stream, c)->s.reactor;
}

/* Apart from the way of what works, which then needs no memory for a fault. */
static __attribute__((noinline)) void tell_failed(struct fd_carrier *c, int os_errno, const char *step)
{
    const struct plait_fault fault = plait_fault_os(os_errno, step);
    c->c.up_ops->failed(c->c.up, &fault);
}

/* --- completions -------------------------------------------------------------------------------------------------- */

static void received(struct plait__handle *h, ssize_t res, uint8_t *window, const int *fds, size_t fd_count)
{
    struct fd_carrier *c = of_handle(h);
    if (fd_count > 0)
        c->c.up_ops->input_fds(c->c.up, fds, fd_count);
    if (h->flags & PLAIT__CLOSED)
        return;
    if (res > 0) {
        c->received += (uint64_t)res;
        plait_metric_add(&reactor_of(c)->counts.received, res);
        c->c.up_ops->input(c->c.up, window, (size_t)res);
    } else if (c->send_error != 0) {
        tell_failed(c, c->send_error, "send");
        /* EIO: a terminal whose other side is gone (TQ-135) */
    } else if (res == 0 || (res == -EIO && h->kind == PLAIT__H_FILE)) {
        c->c.up_ops->input_end(c->c.up);
    } else {
        tell_failed(c, (int)-res, "receive");
    }
}

static void writable(struct plait__handle *h)
{
    struct fd_carrier *c = of_handle(h);
    c->c.up_ops->writable(c->c.up);
}

static void closed(struct plait__handle *h)
{
    struct fd_carrier *c = of_handle(h);
    c->c.up_ops->closed(c->c.up);
}

static const struct plait__handle_ops tcp_handle = {
    .name = "tcp", .received = received, .writable = writable, .closed = closed};
static const struct plait__handle_ops unix_handle = {
    .name = "unix", .received = received, .writable = writable, .closed = closed};
static const struct plait__handle_ops file_handle = {
    .name = "pipe", .received = received, .writable = writable, .closed = closed};

/* --- the carrier -------------------------------------------------------------------------------------------------- */

static void want_input(struct plait__carrier *carrier, size_t max)
{
    struct fd_carrier *c = of_carrier(carrier);
    c->h.input_max = (uint32_t)max;
    plait__io_input(reactor_of(c)->io, &c->h, max > 0);
    if (max == 0 && c->send_error != 0 && !(c->h.flags & PLAIT__CLOSED))
        tell_failed(c, c->send_error, "send"); /* nobody reads the last words: nothing else would tell of it */
}

/* A send failed. What the peer said before it hung up may still be there: it is read first, and then the failure
 * told. */
static __attribute__((noinline)) plait_err send_failed(struct fd_carrier *c, int os_errno)
{
    const bool last_words = os_errno == EPIPE || os_errno == ECONNRESET;
    if (os_errno == ENODATA) {
        const struct plait_fault fault = plait_fault_make(PLAIT_ETRUNCATED, "send");
        c->c.up_ops->failed(c->c.up, &fault);
    } else if (last_words && (c->h.flags & PLAIT__IN_ON)) {
        c->send_error = (uint16_t)os_errno;
        c->h.flags |= PLAIT__LAST_WORDS;
        plait__io_again(reactor_of(c)->io, &c->h);
        return PLAIT_OK;
    } else {
        tell_failed(c, os_errno, "send");
    }
    return PLAIT_FAIL(PLAIT_EIO);
}

static void count_sent(struct fd_carrier *c, size_t bytes)
{
    c->sent += bytes;
    plait_metric_add(&reactor_of(c)->counts.sent, (int64_t)bytes);
}

static plait_err output(struct plait__carrier *carrier, struct plait__chain *chain)
{
    struct fd_carrier *c = of_carrier(carrier);
    if (c->send_error != 0)
        return PLAIT_OK; /* TLS may offer again after a failure */
    const size_t before = plait__chain_bytes(chain);
    const ssize_t res = plait__io_send(reactor_of(c)->io, &c->h, chain);
    count_sent(c, before - plait__chain_bytes(chain));
    return res < 0 ? send_failed(c, (int)-res) : PLAIT_OK;
}

static void shut(struct plait__carrier *carrier)
{
    struct fd_carrier *c = of_carrier(carrier);
    struct plait_sys *sys = reactor_of(c)->sys;
    if (c->kind != PLAIT__FD_PIPE)
        sys->ops->shutdown(sys, c->h.fd, SHUT_WR); /* a socket that is dead already says so at the next read (TQ-55) */
}

static void close_it(struct plait__carrier *carrier, bool abort)
{
    struct fd_carrier *c = of_carrier(carrier);
    struct plait_sys *sys = reactor_of(c)->sys;
    if (abort && c->kind == PLAIT__FD_TCP) {
        const struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* TQ-53 */
        sys->ops->setsockopt(sys, c->h.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    plait__io_close(reactor_of(c)->io, &c->h, false);
    plait__listeners_retry(reactor_of(c));
}

static void local(struct plait__carrier *carrier, struct plait_address *out)
{
    struct fd_carrier *c = of_carrier(carrier);
    struct plait_sys *sys = reactor_of(c)->sys;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    *out = (struct plait_address){.kind = PLAIT_ADDR_NONE};
    if (c->kind != PLAIT__FD_PIPE && c->h.fd >= 0 &&
        sys->ops->getsockname(sys, c->h.fd, (struct sockaddr *)&ss, &len) == 0)
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, out);
}

static void peer(struct plait__carrier *carrier, struct plait_address *out)
{
    struct fd_carrier *c = of_carrier(carrier);
    struct plait_sys *sys = reactor_of(c)->sys;
    *out = (struct plait_address){
        .kind = (enum plait_address_kind)c->peer_family, .port = c->peer_port, .scope = c->h.owners};
    memcpy(out->ip, c->peer_ip, sizeof out->ip);
    if (c->kind != PLAIT__FD_UNIX || c->h.fd < 0)
        return;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (sys->ops->getpeername(sys, c->h.fd, (struct sockaddr *)&ss, &len) == 0)
        plait__address_from_sockaddr((struct sockaddr *)&ss, len, out);
}

static plait_err send_fds(struct plait__carrier *carrier, plait_slice bytes, const int *fds, size_t count)
{
    struct fd_carrier *c = of_carrier(carrier);
    if (c->kind != PLAIT__FD_UNIX)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    const ssize_t res = plait__io_send_fds(reactor_of(c)->io, &c->h, bytes, fds, count);
    if (res < 0)
        return PLAIT_FAIL(plait_err_from_errno((int)-res));
    count_sent(c, (size_t)res);
    return PLAIT_OK;
}

static plait_err cred(struct plait__carrier *carrier, struct plait_peer_cred *out)
{
    struct fd_carrier *c = of_carrier(carrier);
    struct plait_sys *sys = reactor_of(c)->sys;
    struct ucred uc;
    socklen_t len = sizeof uc;
    if (c->kind != PLAIT__FD_UNIX)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    if (sys->ops->getsockopt(sys, c->h.fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) != 0)
        return PLAIT_FAIL(PLAIT_EIO);
    *out = (struct plait_peer_cred){.pid = (uint32_t)uc.pid, .uid = uc.uid, .gid = uc.gid};
    return PLAIT_OK;
}

static int set_int(struct fd_carrier *c, int level, int name, int64_t value)
{
    struct plait_sys *sys = reactor_of(c)->sys;
    const int v = value > INT32_MAX ? INT32_MAX : (int)value;
    return sys->ops->setsockopt(sys, c->h.fd, level, name, &v, sizeof v);
}

static int seconds_up(int64_t span)
{
    const int64_t s = (span + plait_seconds(1) - 1) / plait_seconds(1);
    return s < 32767 ? (int)s : 32767; /* what the kernel takes at most (tcp(7)) */
}

static int set_keepalive(struct fd_carrier *c, const int64_t value[3])
{
    int res = set_int(c, SOL_SOCKET, SO_KEEPALIVE, value[0] > 0);
    if (res == 0 && value[0] > 0)
        res = set_int(c, IPPROTO_TCP, TCP_KEEPIDLE, seconds_up(value[0]));
    if (res == 0 && value[0] > 0)
        res = set_int(c, IPPROTO_TCP, TCP_KEEPINTVL, seconds_up(value[1]));
    if (res == 0 && value[0] > 0)
        res = set_int(c, IPPROTO_TCP, TCP_KEEPCNT, value[2]);
    return res;
}

static plait_err option(struct plait__carrier *carrier, enum plait__carrier_option option, const int64_t value[3])
{
    struct fd_carrier *c = of_carrier(carrier);
    if (c->kind != PLAIT__FD_TCP)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    int res;
    switch (option) {
    case PLAIT__OPT_NAGLE:
        res = set_int(c, IPPROTO_TCP, TCP_NODELAY, !value[0]);
        break;
    case PLAIT__OPT_KEEPALIVE:
        res = set_keepalive(c, value);
        break;
    default:
        res = set_int(c, IPPROTO_TCP, TCP_USER_TIMEOUT, value[0] / plait_millis(1));
        break;
    }
    return res == 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_EIO);
}

static bool is_socket(struct plait__carrier *carrier)
{
    return of_carrier(carrier)->kind != PLAIT__FD_PIPE;
}

static void counts(struct plait__carrier *carrier, uint64_t *in, uint64_t *out)
{
    *in = of_carrier(carrier)->received;
    *out = of_carrier(carrier)->sent;
}

static const struct plait__carrier_ops fd_carrier_ops = {
    .name = "fd",
    .want_input = want_input,
    .output = output,
    .shut = shut,
    .close = close_it,
    .peer = peer,
    .local = local,
    .send_fds = send_fds,
    .cred = cred,
    .option = option,
    .lingers = is_socket,
    .sends_files = is_socket,
    .counts = counts,
};

int plait__fd_stream_fd(const struct plait_stream *s)
{
    return s->carrier->ops == &fd_carrier_ops && is_socket(s->carrier) ? of_carrier(s->carrier)->h.fd : -1;
}

int plait__fd_stream_pipe(const struct plait_stream *s)
{
    return s->carrier->ops == &fd_carrier_ops && !is_socket(s->carrier) ? of_carrier(s->carrier)->h.fd : -1;
}

/* --- making and freeing ------------------------------------------------------------------------------------------- */

void plait__fd_streams_init(struct plait_reactor *r)
{
    plait__slab_init(&r->fd_streams, &r->budget, sizeof(struct fd_stream), 0);
    plait__slab_init(&r->outs, &r->budget, sizeof(struct plait__out), 0);
}

void plait__fd_streams_deinit(struct plait_reactor *r)
{
    plait__slab_deinit(&r->fd_streams);
    plait__slab_deinit(&r->outs);
}

void plait__fd_stream_release(struct plait_stream *s)
{
    plait__slab_free(&s->reactor->fd_streams, plait__container(s, struct fd_stream, s));
}

int plait__fd_stream_new(struct plait_reactor *r, enum plait__fd_kind kind, int fd,
                         const struct plait_address *peer_address, struct plait_stream **out)
{
    static const struct plait__handle_ops *const handle_ops[] = {&tcp_handle, &unix_handle, &file_handle};
    static const enum plait__handle_kind handle_kind[] = {PLAIT__H_SOCKET, PLAIT__H_UNIX, PLAIT__H_FILE};
    struct fd_stream *f = plait__slab_new(&r->fd_streams);
    if (!f)
        return -ENOMEM;
    f->c.kind = (uint8_t)kind;
    f->c.c.ops = &fd_carrier_ops;
    if (peer_address) {
        f->c.peer_family = (uint8_t)peer_address->kind;
        f->c.peer_port = peer_address->port;
        f->c.h.owners = peer_address->scope;
        memcpy(f->c.peer_ip, peer_address->ip, sizeof f->c.peer_ip);
    }
    const int res = plait__io_attach(r->io, &f->c.h, handle_kind[kind], fd, handle_ops[kind]);
    if (res < 0) {
        plait__slab_free(&r->fd_streams, f); /* uncovered: the epoll engine registers late and never refuses here */
        return res;                          /* uncovered: as above */
    }
    plait__stream_init(r, &f->s, &f->c.c, PLAIT__MEM_FD);
    *out = &f->s;
    return 0;
}
