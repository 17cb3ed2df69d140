/* SPDX-License-Identifier: MIT
 *
 * Signals as events: blocked in the loop's thread and read from a signalfd, so that no code ever runs in signal
 * context. Threads of the pool block all signals, and children start with an empty mask and default dispositions, so
 * nobody inherits what is set here. SIGPIPE is not among these: see plait__block_sigpipe.
 *
 * Invariant: exactly the signals with a handler are in the signalfd's set; the mask that stood before the first
 * plait_on_signal is restored when the reactor ends, after what is pending was eaten, so that a second SIGTERM in the
 * last moment doesn't kill a process that ends in good order.
 * Test: tests/engine/test_signals.c.
 */
#include "base/try.h"
#include "engine/core.h"

#include <errno.h>
#include <sys/signalfd.h>

enum { SIGNALS = 65, AT_ONCE = 8 };

struct handler {
    plait_signal_fn fn; /* NULL: none */
    void *ctx;
};

struct plait__signals {
    struct plait__handle h; /* of the signalfd */
    struct plait_reactor *reactor;
    sigset_t set; /* signals with a handler */
    sigset_t old; /* the thread's mask before */
    struct handler handlers[SIGNALS];
};

static void tell(struct plait__signals *s, unsigned signo)
{
    if (signo >= SIGNALS || !s->handlers[signo].fn)
        return; /* taken off while it was on its way */
    s->handlers[signo].fn((int)signo, s->handlers[signo].ctx);
}

static void ready(struct plait__handle *h, unsigned events)
{
    struct plait__signals *s = plait__container(h, struct plait__signals, h);
    struct plait_sys *sys = s->reactor->sys;
    struct signalfd_siginfo info[AT_ONCE];
    (void)events;
    for (;;) {
        const ssize_t got = sys->ops->read(sys, h->fd, info, sizeof info);
        if (got <= 0)
            return;
        for (size_t i = 0; i < (size_t)got / sizeof info[0]; i++)
            tell(s, info[i].ssi_signo);
    }
}

static void closed(struct plait__handle *h)
{
    plait_mem_free(plait__container(h, struct plait__signals, h));
}

static const struct plait__handle_ops handle_ops = {.name = "signal", .ready = ready, .closed = closed};

static plait_err start(struct plait_reactor *r)
{
    struct plait__signals *s = plait_mem_new(&r->budget, sizeof *s);
    if (!s)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    s->reactor = r;
    sigemptyset(&s->set);
    const int fd = r->sys->ops->signalfd(r->sys, -1, &s->set, SFD_NONBLOCK | SFD_CLOEXEC);
    int res = fd;
    if (res >= 0)
        res = (r->sys->ops->sigmask)(r->sys, SIG_BLOCK, &s->set, &s->old);
    if (res >= 0)
        res = plait__io_attach(r->io, &s->h, PLAIT__H_POLL, fd, &handle_ops);
    if (res >= 0) {
        r->signals = s;
        return PLAIT_OK;
    }
    if (fd >= 0)
        r->sys->ops->close(r->sys, fd);
    plait_mem_free(s);
    return PLAIT_FAIL(PLAIT_EIO);
}

/* Synchronous signals are the program's own fault and never reach a signalfd. */
static bool can_be_caught(int signo)
{
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
        return false;
    default:
        return signo > 0 && signo < SIGNALS;
    }
}

/* Puts one signal in or takes it out: the mask first when it comes in, last when it goes, so that it is never neither
 * blocked nor read. */
static int change(struct plait__signals *s, int signo, bool on)
{
    struct plait_sys *sys = s->reactor->sys;
    sigset_t one;
    sigset_t set = s->set;
    int res = 0;
    sigemptyset(&one);
    sigaddset(&one, signo);
    if (on) {
        sigaddset(&set, signo);
        res = (sys->ops->sigmask)(sys, SIG_BLOCK, &one, NULL);
    } else {
        sigdelset(&set, signo);
    }
    if (res == 0)
        res = sys->ops->signalfd(sys, s->h.fd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (res < 0)
        return res;
    s->set = set;
    return on || sigismember(&s->old, signo) ? 0 : (sys->ops->sigmask)(sys, SIG_UNBLOCK, &one, NULL);
}

plait_err plait_on_signal(struct plait_reactor *reactor, int signo, plait_signal_fn fn, void *ctx)
{
    if (!can_be_caught(signo))
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (!reactor->own_signals)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (!reactor->signals && !fn)
        return PLAIT_OK;
    if (!reactor->signals)
        PLAIT_TRY(start(reactor));
    struct plait__signals *s = reactor->signals;
    const bool was = s->handlers[signo].fn != NULL;
    if (was != (fn != NULL) && change(s, signo, fn != NULL) < 0)
        return PLAIT_FAIL(PLAIT_EIO);
    s->handlers[signo] = (struct handler){.fn = fn, .ctx = ctx};
    return PLAIT_OK;
}

void plait__signals_free(struct plait__signals **signals)
{
    struct plait__signals *s = *signals;
    struct signalfd_siginfo info[AT_ONCE];
    if (!s)
        return;
    *signals = NULL;
    struct plait_sys *sys = s->reactor->sys;
    ssize_t got;
    do
        got = sys->ops->read(sys, s->h.fd, info, sizeof info);
    while (got > 0);
    (void)(sys->ops->sigmask)(sys, SIG_SETMASK, &s->old, NULL); /* it came from there: it cannot fail */
    plait__io_close(s->reactor->io, &s->h, false);
}

/* Writing to a pipe (and sendfile to a socket) that nobody reads raises SIGPIPE in the writing thread, and there is no
 * flag against it as send has. Blocked, it stays pending in that thread for ever and does nothing; its pending bit is
 * not inherited by children, whose mask is empty. It is never unblocked again, because one pending would kill. */
void plait__block_sigpipe(struct plait_reactor *r)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    (void)(r->sys->ops->sigmask)(r->sys, SIG_BLOCK, &set, NULL); /* a valid set and action: it cannot fail */
}
