/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate (RFC 7692 section 7.2) over zlib's raw deflate. zlib's memory is counted as the connection's.
 *
 * Where the terms say that a side forgets, its state is freed with each message, so that an idle connection holds
 * nothing. A window of 8 bits, which zlib can't compress with, is kept by looking for no repetitions at all.
 * Invariant: a flow is either not begun, or stands between two blocks, or inside a message.
 * Test: tests/web/test_ws_deflate.c.
 */
#include "web/ws_deflate.h"
#include "base/try.h"

#define ZLIB_CONST
#include <zlib.h>

enum { ZLIB_BITS_MIN = 9, MEMORY_LEVEL = -7, OUT_STEP = 1024, TAIL = 4 };

struct plait__ws_deflate {
    struct plait_budget *budget;
    z_stream out, in;
    uint8_t out_bits, in_bits;
    bool out_forgets, in_forgets, out_begun, in_begun;
    bool between_blocks; /* what came so far ended with a block, and with a byte */
};

static void *get_memory(void *budget, unsigned items, unsigned size)
{
    return plait_mem_resize(budget, NULL, (size_t)items * size);
}

static void give_memory(void *budget, void *ptr)
{
    (void)budget;
    plait_mem_free(ptr);
}

struct plait__ws_deflate *plait__ws_deflate_new(struct plait_budget *budget, const struct plait__ws_terms *terms,
                                                bool client)
{
    struct plait__ws_deflate *d = plait_mem_new(budget, sizeof *d);
    if (!d)
        return NULL;
    d->budget = budget;
    d->out_bits = client ? terms->client_bits : terms->server_bits;
    d->in_bits = client ? terms->server_bits : terms->client_bits;
    d->out_forgets = client ? terms->client_no_takeover : terms->server_no_takeover;
    d->in_forgets = client ? terms->server_no_takeover : terms->client_no_takeover;
    return d;
}

static void end_out(struct plait__ws_deflate *d)
{
    if (d->out_begun)
        deflateEnd(&d->out);
    d->out_begun = false;
}

static void end_in(struct plait__ws_deflate *d)
{
    if (d->in_begun)
        inflateEnd(&d->in);
    d->in_begun = false;
}

void plait__ws_deflate_free(struct plait__ws_deflate *deflate)
{
    if (!deflate)
        return;
    end_out(deflate);
    end_in(deflate);
    plait_mem_free(deflate);
}

/* --- compressing ----------------------------------------------------------------------------------------------- */

static plait_err begin_out(struct plait__ws_deflate *d)
{
    if (d->out_begun)
        return PLAIT_OK;
    const bool blind = d->out_bits < ZLIB_BITS_MIN;
    const int bits = blind ? ZLIB_BITS_MIN : d->out_bits;
    d->out = (z_stream){.zalloc = get_memory, .zfree = give_memory, .opaque = d->budget};
    if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, bits + MEMORY_LEVEL,
                     blind ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY) != Z_OK)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->out_begun = true;
    return PLAIT_OK;
}

/* Has zlib write all that it can read so far, ended by an empty block. */
static plait_err flush_out(z_stream *z, struct plait_buf *out)
{
    do {
        uint8_t *at = plait_buf_reserve(out, OUT_STEP);
        if (!at)
            return PLAIT_FAIL(out->err);
        z->next_out = at;
        z->avail_out = OUT_STEP;
        (void)deflate(z, Z_SYNC_FLUSH); /* that nothing is to be flushed is no error of ours */
        plait_buf_commit(out, OUT_STEP - z->avail_out);
    } while (z->avail_out == 0);
    return PLAIT_OK;
}

/* RFC 7692 section 7.2.1: the empty block's last four bytes go; sections 7.2.3.4 and 7.2.3.6 where nothing is left. */
static void cut_tail(struct plait_buf *out, size_t before)
{
    if (out->len >= before + TAIL)
        out->len -= TAIL;
    if (out->len == before)
        plait_buf_put_u8(out, 0);
}

plait_err plait__ws_deflate(struct plait__ws_deflate *deflate, plait_slice part, bool last, struct plait_buf *out)
{
    const size_t before = out->len;
    PLAIT_TRY(begin_out(deflate));
    do {
        const size_t step = part.len < UINT32_MAX ? part.len : UINT32_MAX;
        deflate->out.next_in = (z_const Bytef *)part.ptr;
        deflate->out.avail_in = (uInt)step;
        PLAIT_TRY(flush_out(&deflate->out, out));
        part = plait_slice_sub(part, step, part.len);
    } while (part.len > 0);
    if (last)
        cut_tail(out, before);
    if (last && deflate->out_forgets)
        end_out(deflate);
    return out->err;
}

/* --- decompressing --------------------------------------------------------------------------------------------- */

static plait_err begin_in(struct plait__ws_deflate *d)
{
    if (d->in_begun)
        return PLAIT_OK;
    d->in = (z_stream){.zalloc = get_memory, .zfree = give_memory, .opaque = d->budget};
    if (inflateInit2(&d->in, -d->in_bits) != Z_OK)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->in_begun = true;
    return PLAIT_OK;
}

plait_err plait__ws_inflate(struct plait__ws_deflate *deflate, plait_slice *in, uint8_t *out, size_t room, size_t *made)
{
    *made = 0;
    PLAIT_TRY(begin_in(deflate));
    z_stream *z = &deflate->in;
    z->next_in = (z_const Bytef *)in->ptr;
    z->avail_in = (uInt)in->len;
    z->next_out = out;
    z->avail_out = (uInt)room;
    int result;
    do {
        result = inflate(z, Z_SYNC_FLUSH);
        if (result == Z_STREAM_END)
            inflateResetKeep(z); /* RFC 7692 section 7.2.3.5: more may follow a final block */
    } while (result == Z_STREAM_END && z->avail_in > 0 && z->avail_out > 0);
    if (result != Z_BUF_ERROR) /* which tells nothing: there was nothing to do */
        deflate->between_blocks = (z->data_type & 0x80) && !(z->data_type & 0x3f);
    *made = room - z->avail_out;
    *in = plait_slice_sub(*in, in->len - z->avail_in, in->len);
    if (result == Z_MEM_ERROR)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? PLAIT_OK : PLAIT_FAIL(PLAIT_EMALFORMED);
}

plait_err plait__ws_inflate_end(struct plait__ws_deflate *deflate)
{
    if (!deflate->between_blocks)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (deflate->in_forgets)
        end_in(deflate);
    return PLAIT_OK;
}
