/* SPDX-License-Identifier: MIT
 *
 * A protocol that is nothing but frames: one of the codecs joined to a stream.
 *
 * Invariant: the handler sees whole frames only, in order; none after the stream was closed, none while it is paused or
 * shakes hands. Raw mode hands everything on.
 * Test: tests/framing/test_framed.c.
 */
#include "base/try.h"
#include "engine/stream_core.h"

#include <plait/framing.h>

/* The input's window holds one largest frame with what stands around it, and is counted in 32 bits. */
enum { MAX_BYTES = 65536, HEAD_BYTES = 24, MOST_BYTES = INT32_MAX };

struct plait_framed {
    struct plait_stream *s;
    const struct plait_framed_handler *handler;
    void *self;
    enum plait_framing framing;
    size_t max;
    struct plait_line line;
    bool raw;
    struct plait_protocol protocol; /* a table of its own: the input's maximum follows the limit */
};

static unsigned prefix_bytes(enum plait_framing framing)
{
    return framing == PLAIT_PREFIX8 ? 1 : framing == PLAIT_PREFIX16 ? 2 : 4;
}

static struct plait_frame next(struct plait_framed *f, plait_slice in)
{
    if (f->framing == PLAIT_LINES)
        return plait_line_next(&f->line, in);
    if (f->framing == PLAIT_NETSTRINGS)
        return plait_netstring_next(in, f->max);
    return plait_prefix_next(in, prefix_bytes(f->framing), f->max);
}

static size_t hand_raw(struct plait_framed *f, plait_slice in)
{
    if (!f->handler->raw)
        return in.len;
    const size_t taken = f->handler->raw(f, in, f->self);
    return taken < in.len ? taken : in.len;
}

/* Whether the handler may be told more of what came: it can close, pause, or start TLS in the midst of it. */
static bool goes_on(const struct plait_framed *f)
{
    return plait_is_open(f->s) && !(f->s->flags & (PLAIT__F_PAUSED | PLAIT__F_HANDSHAKE));
}

/* Takes one frame off the front. Returns false when there is no use in going on. */
static bool one_frame(struct plait_framed *f, plait_slice in, size_t *taken)
{
    const struct plait_frame frame = next(f, in);
    if (frame.event == PLAIT_FRAME_MORE) {
        plait_need(f->s, frame.need);
        return false;
    }
    if (frame.event == PLAIT_FRAME_BAD) {
        plait_abort_with(f->s, frame.err, "framing");
        return false;
    }
    *taken = frame.taken;
    if (f->handler->frame)
        f->handler->frame(f, frame.payload, f->self);
    return true;
}

static size_t on_data(struct plait_stream *s, plait_slice in, void *self)
{
    struct plait_framed *f = self;
    size_t total = 0;
    (void)s;
    while (total < in.len && goes_on(f)) {
        const plait_slice rest = plait_slice_sub(in, total, in.len);
        size_t taken = 0;
        if (f->raw)
            taken = hand_raw(f, rest);
        else if (!one_frame(f, rest, &taken))
            break;
        total += taken;
        if (taken == 0)
            break;
    }
    return total;
}

static void on_connected(struct plait_stream *s, void *self)
{
    struct plait_framed *f = self;
    (void)s;
    if (f->handler->connected)
        f->handler->connected(f, f->self);
}

/* An end in the midst of a frame is no orderly one. */
static void on_eof(struct plait_stream *s, size_t rest, void *self)
{
    const struct plait_framed *f = self;
    if (rest > 0 && !f->raw)
        plait_close_with(s, PLAIT_ETRUNCATED, "the end came inside a frame");
}

static void on_lost(struct plait_stream *s, const struct plait_fault *fault, void *self)
{
    struct plait_framed *f = self;
    (void)s;
    if (f->handler->lost)
        f->handler->lost(f, fault, f->self);
    plait_mem_free(f);
}

plait_err plait_framed_attach(struct plait_stream *s, enum plait_framing framing, size_t max,
                              const struct plait_framed_handler *handler, void *self, struct plait_framed **out)
{
    struct plait_framed *f = plait_mem_new(plait_stream_budget(s), sizeof *f);
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    f->s = s;
    f->handler = handler;
    f->self = self;
    f->framing = framing;
    f->max = max ? max : MAX_BYTES;
    if (f->max > MOST_BYTES)
        f->max = MOST_BYTES;
    plait_line_init(&f->line, f->max);
    f->protocol = (struct plait_protocol){.name = handler->name,
                                          .connected = on_connected,
                                          .data = on_data,
                                          .eof = on_eof,
                                          .lost = on_lost,
                                          .input_max = (uint32_t)f->max + HEAD_BYTES};
    if (out)
        *out = f;
    plait_stream_attach(s, &f->protocol, f);
    return PLAIT_OK;
}

static void put(struct plait_framed *f, struct plait_buf *buf, plait_slice payload)
{
    if (f->framing == PLAIT_LINES) {
        if (plait_slice_find_byte(payload, '\n', 0) != SIZE_MAX)
            buf->err = PLAIT_EINVAL;
        plait_buf_put(buf, payload);
        plait_buf_put_text(buf, "\r\n");
    } else if (f->framing == PLAIT_NETSTRINGS) {
        plait_netstring_put(buf, payload);
    } else {
        plait_prefix_put(buf, prefix_bytes(f->framing), payload);
    }
}

void plait_framed_send(struct plait_framed *framed, plait_slice payload)
{
    struct plait_buf buf;
    plait_buf_init(&buf, plait_stream_budget(framed->s), framed->max + HEAD_BYTES);
    if (payload.len > framed->max)
        buf.err = PLAIT_ETOOLONG;
    else
        put(framed, &buf, payload);
    plait_write_take(framed->s, &buf);
    plait_buf_deinit(&buf);
}

void plait_framed_raw(struct plait_framed *framed, bool on)
{
    framed->raw = on;
    plait_line_restart(&framed->line);
    plait_need(framed->s, 0); /* what waits there as part of a frame is offered anew */
}

struct plait_stream *plait_framed_stream(struct plait_framed *framed)
{
    return framed->s;
}
