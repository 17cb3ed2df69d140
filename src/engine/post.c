/* SPDX-License-Identifier: MIT
 *
 * Calls from other threads. Records are pushed on a lock-free stack; the loop takes the whole stack at once and turns
 * it round, so that they run in the order of posting and what is posted meanwhile has its turn next time (TQ-96). Only
 * the push onto an empty stack writes the eventfd, so a flood of posts costs one wake; a full eventfd wakes just as
 * well (TQ-90).
 *
 * This file's functions may run in any thread where their comment says so; nothing else of a reactor may.
 * Invariant: a stack that is not empty has a wake on its way.
 * Test: tests/engine/test_post.c, under ThreadSanitizer too.
 */
#include "engine/core.h"

#include "base/try.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct plait__posts {
    struct plait__handle handle; /* of the eventfd */
    struct plait_reactor *reactor;
    struct plait_sys *sys;
    const struct plait_allocator *heap; /* budgets count for one thread only */
    _Atomic(struct plait__post *) top;
    atomic_bool closed;
};

static void free_record(struct plait__posts *posts, struct plait__post *post)
{
    if (post->owned)
        posts->heap->resize(post, 0, posts->heap->ctx);
}

/* Takes everything, the oldest first. */
static struct plait__post *take_all(struct plait__posts *posts)
{
    struct plait__post *newest = atomic_exchange_explicit(&posts->top, NULL, memory_order_acquire);
    struct plait__post *oldest = NULL;
    while (newest) {
        struct plait__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void plait__posts_run(struct plait__posts *posts)
{
    struct plait__post *post = take_all(posts);
    while (post) {
        struct plait__post *next = post->next;
        const struct plait__post call = *post;
        free_record(posts, post); /* the record is its owner's again before its call */
        plait__callback_begin(posts->reactor);
        call.fn(call.ctx);
        plait__callback_end(posts->reactor, call.name);
        post = next;
    }
}

bool plait__posts_waiting(struct plait__posts *posts)
{
    return atomic_load_explicit(&posts->top, memory_order_relaxed) != NULL;
}

/* Empties the eventfd; the turn takes the stack afterwards. A post that comes between writes it again. */
static void woken(struct plait__handle *h, unsigned events)
{
    struct plait__posts *posts = plait__container(h, struct plait__posts, handle);
    uint64_t count;
    (void)events;
    (void)!posts->sys->ops->read(posts->sys, h->fd, &count, sizeof count);
}

static void gone(struct plait__handle *h)
{
    plait_mem_free(plait__container(h, struct plait__posts, handle));
}

static const struct plait__handle_ops handle_ops = {.name = "post", .ready = woken, .closed = gone};

struct plait__posts *plait__posts_new(struct plait_reactor *r)
{
    struct plait__posts *posts = plait_mem_new(&r->budget, sizeof *posts);
    if (!posts)
        return NULL;
    posts->reactor = r;
    posts->sys = r->sys;
    posts->heap = r->budget.allocator;
    atomic_init(&posts->top, NULL);
    atomic_init(&posts->closed, false);
    const int fd = r->sys->ops->eventfd(r->sys, 0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd >= 0 && plait__io_attach(r->io, &posts->handle, PLAIT__H_POLL, fd, &handle_ops) == 0)
        return posts;
    if (fd >= 0)
        r->sys->ops->close(r->sys, fd);
    plait_mem_free(posts);
    return NULL;
}

void plait__posts_close(struct plait__posts *posts)
{
    atomic_store(&posts->closed, true);
}

/* Records that were not run are dropped; their contexts are their posters'. */
void plait__posts_free(struct plait__posts **posts)
{
    struct plait__posts *p = *posts;
    *posts = NULL;
    if (!p)
        return;
    struct plait__post *next;
    for (struct plait__post *post = take_all(p); post; post = next) {
        next = post->next;
        free_record(p, post);
    }
    struct plait__io *io = p->reactor->io;
    plait__io_close(io, &p->handle, false);
    plait__io_reap(io);
}

/* Any thread. */
void plait__posts_wake(struct plait__posts *posts)
{
    const uint64_t one = 1;
    (void)!posts->sys->ops->write(posts->sys, posts->handle.fd, &one, sizeof one);
}

/* Any thread. */
void plait__post_record(struct plait__posts *posts, struct plait__post *post)
{
    struct plait__post *top = atomic_load_explicit(&posts->top, memory_order_relaxed);
    do
        post->next = top;
    while (!atomic_compare_exchange_weak_explicit(&posts->top, &top, post, memory_order_release, memory_order_relaxed));
    if (!top)
        plait__posts_wake(posts);
}

/* Any thread. */
plait_err plait_reactor_post(struct plait_reactor *reactor, const char *name, plait_call_fn fn, void *ctx)
{
    struct plait__posts *posts = reactor->posts;
    if (atomic_load(&posts->closed))
        return PLAIT_FAIL(PLAIT_EDRAINING);
    struct plait__post *post = posts->heap->resize(NULL, sizeof *post, posts->heap->ctx);
    if (!post)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *post = (struct plait__post){.fn = fn, .ctx = ctx, .name = name, .owned = true};
    plait__post_record(posts, post);
    return PLAIT_OK;
}
