/* SPDX-License-Identifier: MIT
 *
 * Output of a stream: gathered while its callback runs, offered to the carrier when that returns or at the turn's end,
 * bounded by marks and by the peer's patience.
 *
 * Invariant: `out` exists only while bytes are pending; BLOCKED is set only while the carrier owes a `writable`; FULL
 * is set from above the high mark until the low one, and then `room` is called.
 * Test: tests/engine/test_stream_out.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <assert.h>
#include <errno.h>

enum { HIGH_KIB = 256, LOW_KIB = 64, STALL_S = 60, FDS_MAX = 16, FDS_BYTES_MAX = 4096 };

static inline size_t pending(const struct plait_stream *s)
{
    return s->out ? plait__chain_bytes(&s->out->chain) + plait__chain_bytes(&s->out->loaded) : 0;
}

size_t plait__stream_high(const struct plait_stream *s)
{
    return (size_t)(s->high_kib ? s->high_kib : HIGH_KIB) * 1024;
}

size_t plait__stream_low(const struct plait_stream *s)
{
    const size_t low = (size_t)(s->low_kib ? s->low_kib : LOW_KIB) * 1024;
    const size_t high = plait__stream_high(s);
    return low < high ? low : high; /* who lowers the high mark alone means both */
}

bool plait__stream_writes(const struct plait_stream *s)
{
    return s->state <= PLAIT__S_OPEN && !(s->flags & PLAIT__F_SHUT_WANTED);
}

static void stalled(void *ctx)
{
    struct plait_stream *s = ctx;
    const struct plait_fault fault = plait_fault_make(PLAIT_EPEERSTALLED, "send");
    plait__stream_fail(s, &fault);
}

static struct plait__out *new_out(struct plait_reactor *r)
{
    struct plait__out *out = plait__slab_take(&r->outs);
    if (out) {
        plait__chain_init(&out->chain, NULL);
        plait__chain_lend(&out->chain, out->lent, sizeof out->lent);
        plait__chain_init(&out->loaded, NULL);
        plait_timer_init(&out->stall, r, "stream-stall", stalled, NULL);
        out->load = NULL;
        out->loaded_once = false;
    }
    return out;
}

static struct plait__out *take_out(struct plait_stream *s)
{
    struct plait_reactor *r = s->reactor;
    struct plait__out *out = r->spare_out ? r->spare_out : new_out(r);
    r->spare_out = NULL;
    if (out) {
        out->chain.budget = &s->budget;
        out->loaded.budget = &s->budget;
        out->stall.ctx = s;
    }
    s->out = out;
    return out;
}

static inline struct plait__out *out_of(struct plait_stream *s)
{
    assert(plait__own_thread(s->reactor));
    return s->out ? s->out : take_out(s);
}

void plait__out_free(struct plait_reactor *r, struct plait__out *out)
{
    if (plait_timer_runs(&out->stall))
        plait_timer_stop(&out->stall);
    if (out->load)
        plait__load_leave(out);
    if (!plait__chain_empty(&out->chain))
        plait__chain_deinit(&out->chain);
    if (!plait__chain_empty(&out->loaded))
        plait__chain_deinit(&out->loaded);
    if (r->spare_out)
        plait__slab_free(&r->outs, out);
    else
        r->spare_out = out; /* its chains are as they were made */
}

void plait__stream_drop_output(struct plait_stream *s)
{
    struct plait__out *out = s->out;
    s->out = NULL;
    if (out)
        plait__out_free(s->reactor, out);
}

/* Apart from the way of what works, which then needs no memory for a fault. */
static __attribute__((noinline)) void fail(struct plait_stream *s, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, "send");
    plait__stream_fail(s, &fault);
}

/* After something was added. */
static inline void added(struct plait_stream *s, plait_err err)
{
    if (err != PLAIT_OK) {
        fail(s, err);
        return;
    }
    if (pending(s) > plait__stream_high(s))
        s->flags = (s->flags | PLAIT__F_FULL) & ~(uint32_t)PLAIT__F_CALL_ROOM; /* it comes when there is room again */
    if (!(s->flags & PLAIT__F_IN_CALL))
        plait__stream_mark(s);
}

void plait_write(struct plait_stream *s, plait_slice bytes)
{
    if (bytes.len == 0 || !plait__stream_writes(s))
        return;
    struct plait__out *out = out_of(s);
    added(s, out ? plait__chain_put(&out->chain, bytes) : PLAIT_ENOMEM);
}

void plait_printf(struct plait_stream *s, const char *fmt, ...)
{
    struct plait_buf buf;
    va_list args;
    plait_buf_init(&buf, &s->budget, plait__stream_high(s));
    va_start(args, fmt);
    plait_buf_vprintf(&buf, fmt, args);
    va_end(args);
    plait_write_take(s, &buf); /* which ends it */
}

void plait_write_take(struct plait_stream *s, struct plait_buf *buf)
{
    if (buf->err != PLAIT_OK && s->state <= PLAIT__S_OPEN)
        fail(s, buf->err);
    if (buf->len == 0 || !plait__stream_writes(s)) {
        plait_buf_deinit(buf);
        return;
    }
    struct plait__out *out = out_of(s);
    const plait_err err = out ? plait__chain_take(&out->chain, buf) : PLAIT_ENOMEM;
    plait_buf_deinit(buf);
    added(s, err);
}

void plait_write_shared(struct plait_stream *s, struct plait_shared *shared)
{
    if (plait_shared_slice(shared).len == 0 || !plait__stream_writes(s))
        return;
    struct plait__out *out = out_of(s);
    added(s, out ? plait__chain_shared(&out->chain, shared) : PLAIT_ENOMEM);
}

void plait_write_file(struct plait_stream *s, int fd, uint64_t offset, uint64_t bytes, plait_call_fn released,
                      void *ctx)
{
    struct plait__out *out = bytes > 0 && plait__stream_writes(s) ? out_of(s) : NULL;
    const plait_err err = out ? plait__chain_file(&out->chain, fd, offset, bytes, released, ctx) : PLAIT_ENOMEM;
    if (err != PLAIT_OK && released)
        released(ctx);
    if (bytes > 0 && plait__stream_writes(s))
        added(s, err);
}

plait_err plait_write_fds(struct plait_stream *s, plait_slice bytes, const int *fds, size_t count)
{
    if (!s->carrier->ops->send_fds)
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    if (!plait__stream_writes(s))
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (bytes.len == 0 || count == 0)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (count > FDS_MAX || bytes.len > FDS_BYTES_MAX)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    plait__stream_push(s);
    const plait_err err = s->out ? PLAIT_EAGAIN : s->carrier->ops->send_fds(s->carrier, bytes, fds, count);
    if (err == PLAIT_EAGAIN) {
        s->flags |= PLAIT__F_FULL | PLAIT__F_EMPTY | (s->out ? 0 : PLAIT__F_BLOCKED);
        s->flags &= ~(uint32_t)PLAIT__F_CALL_ROOM;
    }
    return err;
}

/* --- offering it -------------------------------------------------------------------------------------------------- */

/* Reads a piece of the file in front. What is not in memory a thread fetches for a stream's own output; output that TLS
 * has taken over must come now. */
plait_err plait__out_load(struct plait_stream *s, struct plait__out *out)
{
    struct plait_sys *sys = s->reactor->sys;
    int fd;
    uint64_t offset;
    uint64_t left;
    plait__chain_front_file(&out->chain, &fd, &offset, &left);
    const size_t want = left < PLAIT__LOAD_BYTES ? (size_t)left : PLAIT__LOAD_BYTES;
    struct plait_buf buf;
    plait_buf_init(&buf, &s->budget, PLAIT__LOAD_BYTES);
    uint8_t *at = plait_buf_reserve(&buf, want);
    if (!at)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    ssize_t got = sys->ops->pread_nowait(sys, fd, at, want, (off_t)offset);
    if (got == -EAGAIN && s->out == out && plait__load_start(s, false)) {
        plait_buf_deinit(&buf);
        return PLAIT_OK;
    }
    if (got == -EAGAIN || got == -EOPNOTSUPP)
        got = sys->ops->pread(sys, fd, at, want, (off_t)offset);
    out->loaded_once = false;
    plait_err err = got < 0 ? plait_err_from_errno((int)-got) : got == 0 ? PLAIT_ETRUNCATED : PLAIT_OK;
    if (err == PLAIT_OK) {
        plait_buf_commit(&buf, (size_t)got);
        err = plait__chain_take(&out->loaded, &buf);
    }
    if (err == PLAIT_OK)
        plait__chain_consume(&out->chain, (size_t)got);
    plait_buf_deinit(&buf);
    return err;
}

static bool sends_files(const struct plait_stream *s)
{
    return s->carrier->ops->sends_files && s->carrier->ops->sends_files(s->carrier);
}

static bool must_load(const struct plait_stream *s, const struct plait__out *out)
{
    return out->chain.files > 0 && plait__chain_front_is_file(&out->chain) && !sends_files(s);
}

/* One step of offering. Returns false when the carrier wants no more now, or broke. */
static bool offer_some(struct plait_stream *s)
{
    struct plait__out *out = s->out;
    if (out->load)
        return false;
    if (plait__chain_empty(&out->loaded) && must_load(s, out)) {
        const plait_err err = plait__out_load(s, out);
        if (err != PLAIT_OK)
            fail(s, err);
        return err == PLAIT_OK;
    }
    if (out->chain.files > 0 && sends_files(s) && plait__load_due(s))
        return false;
    struct plait__chain *front = plait__chain_empty(&out->loaded) ? &out->chain : &out->loaded;
    const plait_err err = s->carrier->ops->output(s->carrier, front);
    if (err != PLAIT_OK || s->out != out) /* the stream has ended, or TLS has it */
        return false;
    if (!plait__chain_empty(front) && !(front == &out->chain && must_load(s, out))) {
        s->flags |= PLAIT__F_BLOCKED;
        return false;
    }
    return true;
}

/* For one that is FULL. */
static void mind_room(struct plait_stream *s)
{
    const size_t low = s->flags & PLAIT__F_EMPTY ? 0 : plait__stream_low(s);
    if (pending(s) > low || (s->flags & PLAIT__F_BLOCKED && !s->out))
        return;
    s->flags = (s->flags & ~(uint32_t)(PLAIT__F_FULL | PLAIT__F_EMPTY)) | PLAIT__F_CALL_ROOM;
    plait__stream_mark(s);
}

void plait__stream_push(struct plait_stream *s)
{
    /* The carrier may have the other end of a pair called, which may flush this one: what it adds goes all the same. */
    if (s->state > PLAIT__S_CLOSING || (s->flags & PLAIT__F_PUSHING))
        return;
    const size_t before = pending(s);
    s->flags |= PLAIT__F_PUSHING;
    while (s->out && pending(s) > 0 && !(s->flags & PLAIT__F_BLOCKED)) {
        if (!offer_some(s))
            break;
    }
    s->flags &= ~(uint32_t)PLAIT__F_PUSHING;
    if (s->state > PLAIT__S_CLOSING)
        return;
    const size_t left = pending(s);
    if (s->out && left == 0)
        plait__stream_drop_output(s);
    else if (s->out && (left < before || !plait_timer_runs(&s->out->stall)))
        plait_timer_arm(&s->out->stall, plait_seconds(s->stall_s ? s->stall_s : STALL_S));
    if (s->flags & PLAIT__F_FULL)
        mind_room(s);
    if (left == 0 && (s->state == PLAIT__S_CLOSING || (s->flags & PLAIT__F_SHUT_WANTED)))
        plait__stream_flushed(s);
}

void plait_flush(struct plait_stream *s)
{
    assert(plait__own_thread(s->reactor));
    plait__stream_push(s);
}

size_t plait_pending(const struct plait_stream *s)
{
    return pending(s);
}

static uint16_t kib_up(size_t bytes)
{
    const size_t kib = (bytes + 1023) / 1024;
    return (uint16_t)(kib < UINT16_MAX ? kib : UINT16_MAX);
}

void plait_stream_marks(struct plait_stream *s, size_t high, size_t low)
{
    if (high > 0)
        s->high_kib = kib_up(high);
    if (low > 0)
        s->low_kib = kib_up(low);
}

bool plait_is_full(const struct plait_stream *s)
{
    return (s->flags & PLAIT__F_FULL) != 0;
}

void plait_stream_stall(struct plait_stream *s, plait_span span)
{
    const int64_t seconds = span / plait_seconds(1);
    s->stall_s = (uint16_t)(seconds < 1 ? 1 : seconds < UINT16_MAX ? seconds : UINT16_MAX);
}
