/* SPDX-License-Identifier: MIT
 *
 * Content codings undone: gzip and deflate by zlib, br by libbrotli where it is. A body in several codings goes through
 * as many stages. What comes out is counted against what went in, so that a few bytes can't become gigabytes: beyond
 * the first MiB at most 256 times as much.
 *
 * "deflate" is a zlib stream (RFC 1950), but some servers send a bare one; its first byte tells which. Invariant: a
 * stage holds no output of its own; every byte is handed on before the next piece is taken. Tests:
 * tests/web/test_http_decode.c, fuzz/fuzz_decode.c.
 */
#include "web/http_decode.h"

#include "base/try.h"

#include <zlib.h>

#ifdef PLAIT_HAVE_BROTLI
#include <brotli/decode.h>
const char plait__decode_accepts[] = "gzip, deflate, br";
#else
const char plait__decode_accepts[] = "gzip, deflate";
#endif

enum { STAGES_MAX = 3, OUT_BYTES = 16384, RATIO_MAX = 256, RATIO_FREE = 1 << 20 };

enum coding { IDENTITY, GZIP, DEFLATE, BR, UNKNOWN };

struct stage {
    struct plait__decoder *owner;
    enum coding coding;
    bool begun, ended;
    uint64_t out; /* bytes that came out of it */
    z_stream z;
    void *br;
};

struct plait__decoder {
    struct plait_budget *budget;
    size_t count;
    struct stage stage[STAGES_MAX]; /* in the order in which they are undone */
    uint64_t in, most;
    plait__decode_fn fn;
    void *ctx;
};

static void *take_memory(void *ctx, unsigned items, unsigned bytes)
{
    return plait_mem_new(ctx, (size_t)items * bytes);
}

static void give_memory(void *ctx, void *ptr)
{
    (void)ctx;
    plait_mem_free(ptr);
}

#ifdef PLAIT_HAVE_BROTLI
static void *take_bytes(void *ctx, size_t bytes)
{
    return plait_mem_resize(ctx, NULL, bytes);
}
#endif

static enum coding coding_of(plait_slice name)
{
    if (name.len == 0 || plait_slice_equal_nocase(name, PLAIT_LIT("identity")))
        return IDENTITY;
    if (plait_slice_equal_nocase(name, PLAIT_LIT("gzip")) || plait_slice_equal_nocase(name, PLAIT_LIT("x-gzip")))
        return GZIP;
    if (plait_slice_equal_nocase(name, PLAIT_LIT("deflate")))
        return DEFLATE;
#ifdef PLAIT_HAVE_BROTLI
    if (plait_slice_equal_nocase(name, PLAIT_LIT("br")))
        return BR;
#endif
    return UNKNOWN;
}

/* Reads the list; it was applied from left to right, so the last one is undone first. */
static plait_err read_codings(struct plait__decoder *d, plait_slice list, bool *known)
{
    size_t end = list.len + 1;
    *known = true;
    while (end > 0) {
        size_t from = end - 1;
        while (from > 0 && list.ptr[from - 1] != ',')
            from--;
        const enum coding coding = coding_of(plait_slice_trim(plait_slice_sub(list, from, end - 1)));
        end = from;
        if (coding == UNKNOWN)
            *known = false;
        if (coding == IDENTITY || coding == UNKNOWN)
            continue;
        if (d->count == STAGES_MAX)
            return PLAIT_FAIL(PLAIT_ELIMIT);
        d->stage[d->count].owner = d;
        d->stage[d->count++].coding = coding;
    }
    return PLAIT_OK;
}

plait_err plait__decoder_new(struct plait_budget *budget, plait_slice codings, uint64_t most,
                             struct plait__decoder **out)
{
    struct plait__decoder *d = plait_mem_new(budget, sizeof(*d));
    bool known;
    *out = NULL;
    if (!d)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->budget = budget;
    d->most = most;
    const plait_err err = read_codings(d, codings, &known);
    if (err == PLAIT_OK && known && d->count > 0)
        *out = d;
    else
        plait__decoder_free(&d);
    return err;
}

void plait__decoder_free(struct plait__decoder **decoder)
{
    struct plait__decoder *d = *decoder;
    *decoder = NULL;
    for (size_t i = 0; d && i < d->count; i++) {
        struct stage *s = &d->stage[i];
        if (s->begun && s->coding != BR)
            (void)inflateEnd(&s->z);
#ifdef PLAIT_HAVE_BROTLI
        if (s->br)
            BrotliDecoderDestroyInstance(s->br);
#endif
    }
    plait_mem_free(d);
}

/* --- one stage --------------------------------------------------------------------------------------------------- */

static plait_err pass(struct plait__decoder *d, size_t number, plait_slice piece);

/* What came out of a stage goes to the next one, or to the user. */
static plait_err hand_on(struct stage *s, plait_slice piece)
{
    struct plait__decoder *d = s->owner;
    const size_t number = (size_t)(s - d->stage) + 1;
    if (piece.len == 0)
        return PLAIT_OK;
    s->out += piece.len;
    if (s->out > RATIO_FREE && s->out / RATIO_MAX > d->in)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    if (number < d->count)
        return pass(d, number, piece);
    if (d->most > 0 && s->out > d->most)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    return d->fn(piece, d->ctx);
}

/* RFC 1950 section 2.2: the method is 8, the window at most 32 KiB, and both header bytes are a multiple of 31. One
 * byte is enough to tell it from a bare stream, whose first block would have to be of a stored or reserved kind. */
static int window_bits(const struct stage *s, uint8_t first)
{
    if (s->coding == GZIP)
        return 15 + 16;
    return (first & 0x0f) == 8 && first >> 4 <= 7 ? 15 : -15;
}

static plait_err begin_inflate(struct stage *s, uint8_t first)
{
    s->z.zalloc = take_memory;
    s->z.zfree = give_memory;
    s->z.opaque = s->owner->budget;
    if (inflateInit2(&s->z, window_bits(s, first)) != Z_OK)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    s->begun = true;
    return PLAIT_OK;
}

static plait_err inflate_piece(struct stage *s, plait_slice piece)
{
    uint8_t out[OUT_BYTES];
    if (!s->begun)
        PLAIT_TRY(begin_inflate(s, piece.ptr[0]));
    s->z.next_in = (uint8_t *)(uintptr_t)piece.ptr;
    s->z.avail_in = (unsigned)piece.len;
    int res = Z_OK;
    do {
        if (s->ended) { /* RFC 1952 section 2.2: members may follow each other */
            if (s->coding != GZIP || inflateReset(&s->z) != Z_OK)
                return PLAIT_FAIL(PLAIT_EMALFORMED);
            s->ended = false;
        }
        s->z.next_out = out;
        s->z.avail_out = sizeof(out);
        res = inflate(&s->z, Z_NO_FLUSH);
        if (res == Z_MEM_ERROR)
            return PLAIT_FAIL(PLAIT_ENOMEM);
        if (res != Z_OK && res != Z_STREAM_END && res != Z_BUF_ERROR)
            return PLAIT_FAIL(PLAIT_EMALFORMED);
        s->ended = res == Z_STREAM_END;
        PLAIT_TRY(hand_on(s, plait_slice_of(out, sizeof(out) - s->z.avail_out)));
    } while (s->z.avail_in > 0 || (s->z.avail_out == 0 && !s->ended));
    return PLAIT_OK;
}

#ifdef PLAIT_HAVE_BROTLI
static plait_err unbrotli_piece(struct stage *s, plait_slice piece)
{
    uint8_t out[OUT_BYTES];
    const uint8_t *in = piece.ptr;
    size_t in_left = piece.len;
    if (!s->br)
        s->br = BrotliDecoderCreateInstance(take_bytes, give_memory, s->owner->budget);
    if (!s->br)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    BrotliDecoderResult res = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (res == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        uint8_t *to = out;
        size_t room = sizeof(out);
        res = BrotliDecoderDecompressStream(s->br, &in_left, &in, &room, &to, NULL);
        PLAIT_TRY(hand_on(s, plait_slice_of(out, sizeof(out) - room)));
    }
    s->ended = res == BROTLI_DECODER_RESULT_SUCCESS;
    if (res == BROTLI_DECODER_RESULT_ERROR || in_left > 0)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return PLAIT_OK;
}
#endif

static plait_err pass(struct plait__decoder *d, size_t number, plait_slice piece)
{
    struct stage *s = &d->stage[number];
#ifdef PLAIT_HAVE_BROTLI
    if (s->coding == BR)
        return unbrotli_piece(s, piece);
#endif
    return inflate_piece(s, piece);
}

plait_err plait__decoder_take(struct plait__decoder *decoder, plait_slice piece, plait__decode_fn fn, void *ctx)
{
    if (piece.len == 0)
        return PLAIT_OK;
    decoder->fn = fn;
    decoder->ctx = ctx;
    decoder->in += piece.len;
    return pass(decoder, 0, piece);
}

plait_err plait__decoder_end(const struct plait__decoder *decoder)
{
    if (decoder->in == 0)
        return PLAIT_OK; /* an empty body is none, in whatever coding */
    for (size_t i = 0; i < decoder->count; i++) {
        if (!decoder->stage[i].ended)
            return PLAIT_FAIL(PLAIT_ETRUNCATED);
    }
    return PLAIT_OK;
}
