/* SPDX-License-Identifier: MIT
 *
 * HTTP/2's frame heads as they pass by, on their way to nghttp2, which reads the frames themselves. It is lenient where
 * a closed stream gets more frames, and counts only some of what a client can flood with; both are judged here, from
 * the heads alone.
 *
 * Invariant: every byte that was given is accounted for once, whatever way the bytes were cut. Test:
 * tests/web/test_http2_wire.c, fuzz/fuzz_http2.c.
 */
#include "web/http2_wire.h"

void plait__h2_watch_init(struct plait__h2_watch *watch, bool server)
{
    *watch = (struct plait__h2_watch){.preface = server, .left = server ? PLAIT__H2_PREFACE_BYTES : 0};
}

/* Steps over payload. */
static void skip(struct plait__h2_watch *w, plait_slice in, size_t *at)
{
    const size_t have = in.len - *at;
    const size_t step = have < w->left ? have : w->left;
    *at += step;
    w->left -= (uint32_t)step;
    if (w->left == 0)
        w->preface = false;
}

/* A head is complete (RFC 9113 section 4.1). */
static void read_head(struct plait__h2_watch *w, struct plait__h2_frame *f)
{
    const uint8_t *h = w->head;
    f->length = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    f->type = h[3];
    f->flags = h[4];
    f->stream = (uint32_t)(h[5] & 0x7f) << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8];
    w->have = 0;
    w->left = f->length;
    w->type = f->type;
    if (f->type == PLAIT__H2_HEADERS || f->type == PLAIT__H2_CONTINUATION)
        w->block = !(f->flags & PLAIT__H2_END_HEADERS);
}

bool plait__h2_watch_next(struct plait__h2_watch *watch, plait_slice in, size_t *at, struct plait__h2_frame *frame)
{
    if (watch->left)
        skip(watch, in, at);
    const size_t have = in.len - *at, need = (size_t)(PLAIT__H2_FRAME_HEAD - watch->have);
    const size_t step = have < need ? have : need;
    if (step == 0)
        return false;
    memcpy(watch->head + watch->have, in.ptr + *at, step);
    watch->have = (uint8_t)(watch->have + step);
    *at += step;
    if (watch->have < PLAIT__H2_FRAME_HEAD)
        return false;
    read_head(watch, frame);
    return true;
}

static bool was_ended(const struct plait__h2_watch *w, uint32_t stream)
{
    for (size_t i = 0; i < PLAIT__H2_ENDED; i++) {
        if (w->ended[i] == stream)
            return true;
    }
    return false;
}

static void note_end(struct plait__h2_watch *w, uint32_t stream)
{
    w->ended[w->ended_at] = stream;
    w->ended_at = (uint8_t)((w->ended_at + 1) % PLAIT__H2_ENDED);
}

/* A new stream takes the next number; a client that leaves some out will never use them. */
static void note_open(struct plait__h2_watch *w, uint32_t stream)
{
    const uint32_t next = w->last ? w->last + 2 : 1;
    if (stream > next) {
        w->skipped[w->skipped_at][0] = next;
        w->skipped[w->skipped_at][1] = stream - 1;
        w->skipped_at = (uint8_t)((w->skipped_at + 1) % PLAIT__H2_SKIPPED);
    }
    w->last = stream;
}

static bool was_skipped(const struct plait__h2_watch *w, uint32_t stream)
{
    for (size_t i = 0; i < PLAIT__H2_SKIPPED; i++) {
        if (stream >= w->skipped[i][0] && stream <= w->skipped[i][1])
            return true;
    }
    return false;
}

enum plait__h2_verdict plait__h2_watch_stream(struct plait__h2_watch *watch, const struct plait__h2_frame *frame)
{
    const bool carries = frame->type == PLAIT__H2_DATA || frame->type == PLAIT__H2_HEADERS;
    if (frame->stream == 0)
        return frame->type == PLAIT__H2_PRIORITY ? PLAIT__H2_WRONG : PLAIT__H2_RIGHT;
    if (frame->type == PLAIT__H2_HEADERS && frame->stream > watch->last)
        note_open(watch, frame->stream);
    else if (carries && was_ended(watch, frame->stream))
        return PLAIT__H2_CLOSED;
    else if (frame->type == PLAIT__H2_HEADERS && was_skipped(watch, frame->stream))
        return PLAIT__H2_WRONG;
    if (carries ? frame->flags & PLAIT__H2_END_STREAM : frame->type == PLAIT__H2_RST_STREAM)
        note_end(watch, frame->stream);
    return PLAIT__H2_RIGHT;
}

bool plait__h2_watch_waits(const struct plait__h2_watch *watch)
{
    return watch->have || watch->block || (watch->left && (watch->preface || watch->type != PLAIT__H2_DATA));
}

bool plait__h2_bucket_add(struct plait__h2_bucket *bucket, plait_time now, size_t max, size_t per_second)
{
    const uint64_t leaked = (uint64_t)((now - bucket->at) / 1000000) * per_second;
    bucket->level = bucket->level > leaked ? bucket->level - leaked : 0;
    if (leaked || bucket->level == 0)
        bucket->at = now;
    bucket->level += 1000;
    return (bucket->level + 999) / 1000 <= max;
}

void plait__h2_bucket_earn(struct plait__h2_bucket *bucket, size_t units)
{
    bucket->level = bucket->level > units * 1000 ? bucket->level - units * 1000 : 0;
}
