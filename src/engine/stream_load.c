/* SPDX-License-Identifier: MIT
 *
 * Files that are to be sent and are not in memory: a thread of the pool fetches them from the disk, so that the loop
 * does not wait for it. Where the bytes go through our own memory (TLS, pairs, pipes) the thread reads what is sent
 * next; where the kernel sends files by itself it only brings them into the page cache, and sendfile finds them there.
 *
 * The thread reads through a descriptor of its own, for the stream may end meanwhile and let go of the file. What can't
 * begin (no memory, no descriptor, a full lane) is read in the loop after all: the bytes count for more than the time.
 *
 * Invariant: while out->load is set the stream lives and offers nothing; a load is freed in the loop, when the pool and
 * the chain have both let go of it. Test: tests/engine/test_stream_load.c.
 */
#include "engine/stream_core.h"

#include <errno.h>
#include <fcntl.h>

#include <plait/thread.h>

enum { WARM_BYTES = 512 * 1024 };

struct plait__load {
    int holders;
    struct plait__out *out; /* NULL: nobody waits */
    struct plait_stream *stream;
    struct plait_deferred *deferred;
    struct plait_sys *sys;
    int fd; /* our own */
    bool warms;
    uint64_t offset;
    uint64_t left; /* how much to fetch */
    ssize_t got;   /* bytes of the last piece, or -errno */
    uint8_t bytes[PLAIT__LOAD_BYTES];
};

/* In a pool thread. */
static plait_err fetch(plait_value *value, void *arg)
{
    struct plait__load *l = arg;
    value->num = 0;
    do {
        const size_t want = l->left < sizeof l->bytes ? (size_t)l->left : sizeof l->bytes;
        l->got = l->sys->ops->pread(l->sys, l->fd, l->bytes, want, (off_t)l->offset);
        if (l->got > 0) {
            l->offset += (uint64_t)l->got;
            l->left -= (uint64_t)l->got;
        }
    } while (l->warms && l->got > 0 && l->left > 0);
    return PLAIT_OK;
}

static void let_go(void *arg)
{
    struct plait__load *l = arg;
    if (--l->holders > 0)
        return;
    (void)l->sys->ops->close(l->sys, l->fd);
    plait_mem_free(l);
}

/* The piece goes in front of the file's rest. */
static plait_err take_piece(const struct plait__load *l, struct plait__out *out)
{
    if (l->got <= 0)
        return l->got < 0 ? plait_err_from_errno((int)-l->got) : PLAIT_ETRUNCATED;
    const plait_err err = plait__chain_put(&out->loaded, plait_slice_of(l->bytes, (size_t)l->got));
    if (err == PLAIT_OK)
        plait__chain_consume(&out->chain, (size_t)l->got);
    return err;
}

static void go_on(const struct plait__load *l, struct plait__out *out, bool fetched)
{
    plait_err err = PLAIT_OK;
    out->load = NULL;
    if (fetched && !l->warms)
        err = take_piece(l, out);
    else
        out->loaded_once = true; /* it is there, or nobody can fetch it */
    if (err == PLAIT_OK) {
        plait_flush(l->stream);
        return;
    }
    const struct plait_fault fault = plait_fault_make(err, "send");
    plait__stream_fail(l->stream, &fault);
}

/* Back in the loop. */
static void on_fetched(struct plait_result *result, void *ctx)
{
    struct plait__load *l = ctx;
    struct plait__out *out = l->out;
    const bool fetched = result->fault.err == PLAIT_OK;
    l->deferred = NULL;
    if (out)
        go_on(l, out, fetched);
    let_go(l);
}

static struct plait__load *load_new(struct plait_stream *s, bool warms)
{
    struct plait_sys *sys = s->reactor->sys;
    struct plait__load *l = plait_mem_resize(&s->reactor->budget, NULL, sizeof *l);
    if (!l)
        return NULL;
    plait__chain_next_file(&s->out->chain, &l->fd, &l->offset, &l->left);
    const uint64_t most = warms ? WARM_BYTES : PLAIT__LOAD_BYTES;
    l->left = l->left < most ? l->left : most;
    l->fd = sys->ops->fcntl(sys, l->fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0) {
        plait_mem_free(l);
        return NULL;
    }
    l->holders = 2;
    l->out = s->out;
    l->stream = s;
    l->sys = sys;
    l->warms = warms;
    l->got = 0;
    return l;
}

bool plait__load_start(struct plait_stream *s, bool warms)
{
    struct plait__load *l = s->out->loaded_once ? NULL : load_new(s, warms);
    if (!l)
        return false;
    l->deferred = plait_in_thread(s->reactor, PLAIT_LANE_FILES, fetch, l, let_go);
    if (plait_then(l->deferred, on_fetched, l) != PLAIT_OK) {
        let_go(l); /* there is no job: the pool let go of it already */
        return false;
    }
    s->out->load = l;
    return true;
}

bool plait__load_due(struct plait_stream *s)
{
    struct plait_sys *sys = s->reactor->sys;
    uint8_t byte;
    int fd;
    uint64_t offset;
    uint64_t left;
    if (s->out->loaded_once) {
        s->out->loaded_once = false;
        return false;
    }
    plait__chain_next_file(&s->out->chain, &fd, &offset, &left);
    return sys->ops->pread_nowait(sys, fd, &byte, 1, (off_t)offset) == -EAGAIN && plait__load_start(s, true);
}

void plait__load_leave(struct plait__out *out)
{
    struct plait__load *l = out->load;
    out->load = NULL;
    out->loaded_once = false;
    if (!l)
        return;
    l->out = NULL;
    plait_deferred_cancel(l->deferred);
}
