/* SPDX-License-Identifier: MIT
 *
 * Watching a descriptor that belongs to somebody else: another library's, another loop's. Level-triggered, because the
 * owner reads as it likes; the descriptor itself is never touched.
 *
 * Invariant: after plait_watch_free nothing is called, also when it is called inside the callback. A watch that is left
 * over ends with the reactor.
 * Test: tests/engine/test_watch.c.
 */
#include "base/try.h"
#include "engine/core.h"

#include <errno.h>

struct plait_watch {
    struct plait__handle h;
    struct plait__module module;
    struct plait_reactor *reactor;
    plait_watch_fn fn;
    void *ctx;
    unsigned events; /* what is watched: PLAIT_READABLE, PLAIT_WRITABLE */
    bool owned;      /* the caller has not freed it */
    bool gone;       /* the handle is closed */
};

/* Nothing watched still means that a broken descriptor is told of, but once and not for ever. */
static unsigned epoll_bits(unsigned events)
{
    unsigned bits = events ? 0 : (unsigned)EPOLLET;
    if (events & PLAIT_READABLE)
        bits |= EPOLLIN;
    if (events & PLAIT_WRITABLE)
        bits |= EPOLLOUT;
    return bits;
}

static void ready(struct plait__handle *h, unsigned bits)
{
    struct plait_watch *w = plait__container(h, struct plait_watch, h);
    unsigned events = 0;
    if (bits & EPOLLIN)
        events |= PLAIT_READABLE;
    if (bits & EPOLLOUT)
        events |= PLAIT_WRITABLE;
    events &= w->events; /* it may have changed earlier in this turn */
    if (bits & (EPOLLERR | EPOLLHUP))
        events |= PLAIT_BROKEN;
    if (events)
        w->fn(w, events, w->ctx);
}

static void release(struct plait_watch *w)
{
    if (!w->gone || w->owned)
        return;
    plait__module_remove(&w->module);
    plait_mem_free(w);
}

static void closed(struct plait__handle *h)
{
    struct plait_watch *w = plait__container(h, struct plait_watch, h);
    w->gone = true;
    release(w);
}

static const struct plait__handle_ops handle_ops = {.name = "watch", .ready = ready, .closed = closed};

static void on_stop(struct plait__module *module)
{
    struct plait_watch *w = plait__container(module, struct plait_watch, module);
    plait__io_close(w->reactor->io, &w->h, true);
}

static void on_release(struct plait__module *module)
{
    struct plait_watch *w = plait__container(module, struct plait_watch, module);
    plait__io_close(w->reactor->io, &w->h, true);
    w->owned = false;
    release(w);
}

static plait_err error_of(int os_errno)
{
    switch (os_errno) {
    case EBADF:
    case EEXIST: /* watched by this reactor already */
    case EPERM:  /* a plain file or a folder */
    case EINVAL:
    case ELOOP:
        return PLAIT_EINVAL;
    case ENOMEM:
    case ENOSPC:
        return PLAIT_ENOMEM;
    default:
        return PLAIT_EIO;
    }
}

plait_err plait_watch_new(struct plait_reactor *reactor, int fd, unsigned events, plait_watch_fn fn, void *ctx,
                          struct plait_watch **out)
{
    if (fd < 0 || (events & ~(unsigned)(PLAIT_READABLE | PLAIT_WRITABLE)) != 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct plait_watch *w = plait_mem_new(&reactor->budget, sizeof *w);
    if (!w)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    w->reactor = reactor;
    w->fn = fn;
    w->ctx = ctx;
    w->owned = true;
    const int res = plait__io_attach(reactor->io, &w->h, PLAIT__H_LEVEL, fd, &handle_ops);
    if (res < 0) {
        plait_mem_free(w);
        return PLAIT_FAIL(error_of(-res));
    }
    w->module.stop = on_stop;
    w->module.release = on_release;
    plait__module_add(reactor, &w->module);
    const plait_err err = plait_watch_set(w, events);
    if (err != PLAIT_OK) {
        plait_watch_free(&w);
        return PLAIT_FAIL(err);
    }
    *out = w;
    return PLAIT_OK;
}

plait_err plait_watch_set(struct plait_watch *watch, unsigned events)
{
    if (plait__io_level(watch->reactor->io, &watch->h, epoll_bits(events)) < 0)
        return PLAIT_FAIL(PLAIT_EIO);
    watch->events = events;
    return PLAIT_OK;
}

void plait_watch_free(struct plait_watch **watch)
{
    struct plait_watch *w = *watch;
    if (!w)
        return;
    *watch = NULL;
    plait__io_close(w->reactor->io, &w->h, true);
    w->owned = false;
    release(w);
}
