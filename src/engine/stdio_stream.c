/* SPDX-License-Identifier: MIT
 *
 * A stream of one descriptor or of two: standard input and output, a child's pipes. Each way is a handle of its own.
 * What is shared with other processes is opened anew, so that making it non-blocking harms nobody (TQ-134); where that
 * cannot be done the flag is taken back at the end.
 *
 * Invariant: `closed` is told when both handles are gone. A plain file, which epoll refuses, is always ready (TQ-67,
 * TQ-140). Test: tests/engine/test_carriers.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

struct way {
    struct plait__handle h;
    struct stdio_stream *owner;
    bool open;
    bool blocks; /* for whoever shares it; what we set is taken back at the end */
};

struct stdio_stream {
    struct plait_stream s;
    struct plait__carrier c;
    struct way in, out; /* `in` alone when one descriptor serves both */
    bool one;
    uint16_t send_error; /* errno of a send that failed while the last words may still be there to read */
    int left;            /* handles that are not closed yet */
    uint64_t received, sent;
};

static struct stdio_stream *of_carrier(struct plait__carrier *c)
{
    return plait__container(c, struct stdio_stream, c);
}

static struct way *of_handle(struct plait__handle *h)
{
    return plait__container(h, struct way, h);
}

static struct way *out_way(struct stdio_stream *x)
{
    return x->one ? &x->in : &x->out;
}

static void tell_failed(struct stdio_stream *x, int os_errno, const char *step)
{
    const struct plait_fault fault = plait_fault_os(os_errno, step);
    x->c.up_ops->failed(x->c.up, &fault);
}

static void received(struct plait__handle *h, ssize_t res, uint8_t *window, const int *fds, size_t fd_count)
{
    struct stdio_stream *x = of_handle(h)->owner;
    (void)fds;
    (void)fd_count;
    if (res > 0) {
        x->received += (uint64_t)res;
        plait_metric_add(&x->s.reactor->counts.received, res);
        x->c.up_ops->input(x->c.up, window, (size_t)res);
    } else if (x->send_error != 0) {
        tell_failed(x, x->send_error, "send");
    } else if (res == 0 || res == -EIO) {
        x->c.up_ops->input_end(x->c.up);
    } else {
        tell_failed(x, (int)-res, h == &x->in.h ? "receive" : "send");
    }
}

static void writable(struct plait__handle *h)
{
    struct stdio_stream *x = of_handle(h)->owner;
    x->c.up_ops->writable(x->c.up);
}

static void closed(struct plait__handle *h)
{
    struct stdio_stream *x = of_handle(h)->owner;
    if (--x->left == 0)
        x->c.up_ops->closed(x->c.up);
}

static const struct plait__handle_ops way_ops = {
    .name = "stdio", .received = received, .writable = writable, .closed = closed};

/* Without an input the reader of the output is watched, as soon as there is a protocol to tell of it. With one, what is
 * still to be read counts for more than a reader that went. */
static void want_input(struct plait__carrier *c, size_t max)
{
    struct stdio_stream *x = of_carrier(c);
    struct way *w = x->out.h.flags & PLAIT__OUT_ONLY ? &x->out : &x->in;
    w->h.input_max = (uint32_t)max;
    plait__io_input(x->s.reactor->io, &w->h, max > 0);
    if (max == 0 && x->send_error != 0)
        tell_failed(x, x->send_error, "send"); /* nobody reads the last words: nothing else would tell of it */
}

/* A send failed. A child that ended says why before it does: that is read first, and then the failure told. */
static plait_err send_failed(struct stdio_stream *x, int os_errno)
{
    const bool last_words = os_errno == EPIPE || os_errno == ECONNRESET;
    if (last_words && x->in.open && (x->in.h.flags & PLAIT__IN_ON)) {
        x->send_error = (uint16_t)os_errno;
        x->in.h.flags |= PLAIT__LAST_WORDS;
        plait__io_again(x->s.reactor->io, &x->in.h);
        return PLAIT_OK;
    }
    tell_failed(x, os_errno, "send");
    return PLAIT_FAIL(PLAIT_EIO);
}

static plait_err output(struct plait__carrier *c, struct plait__chain *chain)
{
    struct stdio_stream *x = of_carrier(c);
    struct way *w = out_way(x);
    const size_t before = plait__chain_bytes(chain);
    const ssize_t res = w->open ? plait__io_send(x->s.reactor->io, &w->h, chain) : -EPIPE;
    x->sent += before - plait__chain_bytes(chain);
    plait_metric_add(&x->s.reactor->counts.sent, (int64_t)(before - plait__chain_bytes(chain)));
    return res >= 0 ? PLAIT_OK : send_failed(x, (int)-res);
}

/* Others may go on with a descriptor that was to block: a shell with its terminal (TQ-134). */
static void make_blocking(struct plait_sys *sys, const struct way *w)
{
    const int flags = w->blocks ? sys->ops->fcntl(sys, w->h.fd, F_GETFL, 0) : -1;
    if (flags >= 0)
        (void)sys->ops->fcntl(sys, w->h.fd, F_SETFL, flags & ~O_NONBLOCK);
}

static void close_way(struct stdio_stream *x, struct way *w)
{
    if (!w->open)
        return;
    w->open = false;
    make_blocking(x->s.reactor->sys, w);
    plait__io_close(x->s.reactor->io, &w->h, false);
}

static void shut(struct plait__carrier *c)
{
    struct stdio_stream *x = of_carrier(c);
    struct plait_sys *sys = x->s.reactor->sys;
    if (x->one)
        sys->ops->shutdown(sys, x->in.h.fd, SHUT_WR); /* not a socket: says so, and the close is the end */
    else if (x->in.open || x->left > 1)
        close_way(x, &x->out);
    else
        x->c.up_ops->input_end(x->c.up); /* it has no other half: the stream's close tells the reader */
}

static void close_it(struct plait__carrier *c, bool abort)
{
    struct stdio_stream *x = of_carrier(c);
    (void)abort;
    close_way(x, &x->in);
    close_way(x, &x->out);
}

static void no_address(struct plait__carrier *c, struct plait_address *out)
{
    (void)c;
    *out = (struct plait_address){.kind = PLAIT_ADDR_NONE};
}

static void counts(struct plait__carrier *c, uint64_t *in, uint64_t *out)
{
    *in = of_carrier(c)->received;
    *out = of_carrier(c)->sent;
}

static const struct plait__carrier_ops stdio_ops = {
    .name = "stdio",
    .want_input = want_input,
    .output = output,
    .shut = shut,
    .close = close_it,
    .peer = no_address,
    .local = no_address,
    .counts = counts,
};

void plait__stdio_stream_release(struct plait_stream *s)
{
    struct stdio_stream *x = plait__container(s, struct stdio_stream, s);
    plait_mem_free(x);
}

/* Whether opening what stands behind a descriptor once more gives the same thing: so it is with pipes and terminals,
 * but for a terminal's master, of which that makes a new one, as many a device would. */
static bool opens_anew(struct plait_sys *sys, int fd, const struct stat *st)
{
    if (S_ISFIFO(st->st_mode))
        return true;
    return S_ISCHR(st->st_mode) && st->st_rdev != makedev(5, 2) && sys->ops->isatty(sys, fd) == 1;
}

/* A descriptor that doesn't block: the same file opened anew where that can be done, else the flag on this one. Returns
 * a new descriptor, `fd` itself, or -errno. */
static int make_own(struct plait_sys *sys, struct way *w, int fd, int mode)
{
    struct stat st;
    const int res = sys->ops->fstat(sys, fd, &st);
    if (res < 0)
        return res;
    if (S_ISREG(st.st_mode))
        return fd; /* its position is shared on purpose, and it never blocks */
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int flags_anew = mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    const int own = opens_anew(sys, fd, &st) ? sys->ops->openat2(sys, AT_FDCWD, path, flags_anew, 0, 0) : -ENXIO;
    if (own >= 0)
        return own;
    const int flags = sys->ops->fcntl(sys, fd, F_GETFL, 0);
    const int set = flags < 0 ? flags : sys->ops->fcntl(sys, fd, F_SETFL, flags | O_NONBLOCK);
    w->blocks = set >= 0 && !(flags & O_NONBLOCK);
    return set < 0 ? set : fd;
}

static int open_way(struct stdio_stream *x, struct way *w, int fd, int mode)
{
    struct plait_reactor *r = x->s.reactor;
    w->owner = x;
    if (fd < 0)
        return 0;
    const int own = make_own(r->sys, w, fd, mode);
    if (own < 0)
        return own;
    (void)plait__io_attach(r->io, &w->h, PLAIT__H_FILE, own, &way_ops); /* registers late: nothing can fail here */
    w->open = true;
    x->left++;
    return 0;
}

/* The stream stands: what was opened anew takes the place of the caller's. */
static void replace(struct stdio_stream *x, struct way *w, int fd)
{
    struct plait_sys *sys = x->s.reactor->sys;
    if (w->open && w->h.fd != fd)
        sys->ops->close(sys, fd);
}

/* It does not: what was opened anew goes, the caller's stay. */
static void give_up(struct stdio_stream *x, int in)
{
    struct plait_sys *sys = x->s.reactor->sys;
    make_blocking(sys, &x->in);
    if (x->in.open && x->in.h.fd != in)
        sys->ops->close(sys, x->in.h.fd);
    plait_mem_free(x);
}

plait_err plait_stream_of_fds(struct plait_reactor *reactor, int in, int out, struct plait_stream **s)
{
    if (in < 0 && out < 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct stdio_stream *x = plait_mem_new(&reactor->budget, sizeof *x);
    if (!x)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    x->one = in == out;
    x->c.ops = &stdio_ops;
    x->s.reactor = reactor;
    int res = open_way(x, &x->in, in, x->one ? O_RDWR : O_RDONLY);
    if (res == 0 && !x->one)
        res = open_way(x, &x->out, out, O_WRONLY);
    if (res < 0) {
        give_up(x, in);
        return PLAIT_FAIL(plait_err_from_errno(-res));
    }
    replace(x, &x->in, in);
    replace(x, &x->out, out);
    plait__stream_init(reactor, &x->s, &x->c, PLAIT__MEM_STDIO);
    if (in < 0)
        x->out.h.flags |= PLAIT__OUT_ONLY;
    *s = &x->s;
    return PLAIT_OK;
}
