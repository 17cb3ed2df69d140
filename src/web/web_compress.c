/* SPDX-License-Identifier: MIT
 *
 * Compression of answers on their way: gzip (RFC 1952) by zlib and brotli (RFC 7932) by libbrotlienc. Only types that
 * shrink, only from a size on, never a part of something (Range) or what forbids it (no-transform). Bodies come in
 * pieces of at most 32 KiB, so the loop is never held for long. What is compressed has a weak ETag, for its bytes are
 * not the ones that were tagged.
 *
 * Invariant: whoever might get another form is told so by Vary, whether this answer is compressed or not. Test:
 * tests/web/test_web_compress.c.
 */
#include "base/try.h"
#include "web/web_layer.h"

#ifdef PLAIT_HAVE_BROTLI
#include <brotli/encode.h>
#endif
#include <setjmp.h>
#include <zlib.h>

enum { OUT = 16384, GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8, BROTLI_WINDOW = 18 };

#ifdef PLAIT_HAVE_BROTLI
#define HAVE_BROTLI true
#else
#define HAVE_BROTLI false
#endif

struct compress {
    struct plait_reactor *reactor;
    struct plait_compress_options options;
};

/* How a coder goes on with a piece. */
enum step { STEP_MORE, STEP_FLUSH, STEP_END };

/* One answer's. */
struct squeeze {
    struct compress *compress;
    struct plait_budget *budget;
    bool streams; /* each piece is to arrive by itself */
    z_stream gzip;
    bool gzip_open;
    struct BrotliEncoderStateStruct *brotli;
    struct plait__list blocks; /* its memory */
    jmp_buf *no_memory;
};

/* --- what is worth it --------------------------------------------------------------------------------------------- */

static bool type_shrinks(plait_slice type)
{
    static const char *const types[] = {"application/javascript",
                                        "application/json",
                                        "application/xml",
                                        "application/manifest+json",
                                        "application/wasm",
                                        "application/ld+json",
                                        "application/xhtml+xml",
                                        "application/rss+xml",
                                        "application/atom+xml",
                                        "application/rtf",
                                        "image/vnd.microsoft.icon",
                                        "image/bmp",
                                        "image/svg+xml",
                                        "font/ttf",
                                        "font/otf"};
    const plait_slice plain = plait_slice_trim(plait_slice_sub(type, 0, plait_slice_find_byte(type, ';', 0)));
    if (plain.len > 5 && plait_slice_equal_nocase(plait_slice_sub(plain, 0, 5), PLAIT_LIT("text/")))
        return true;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (plait_slice_equal_nocase(plain, plait_slice_text(types[i])))
            return true;
    }
    return false;
}

static bool may_change(const struct plait_request *req, const struct plait_reply_head *head)
{
    return head->status >= 200 && head->status != 206 && !plait_reply_field_of(req, "Content-Encoding").ptr &&
           !plait_reply_field_of(req, "Content-Range").ptr &&
           !plait__http1_list_has(plait_reply_field_of(req, "Cache-Control"), PLAIT_LIT("no-transform"));
}

/* "W/" in front of a strong tag (RFC 9110 section 8.8.1). */
static void weaken(struct plait_request *req)
{
    const plait_slice tag = plait_reply_field_of(req, "ETag");
    char weak[300];
    if (!tag.ptr || plait_slice_starts(tag, PLAIT_LIT("W/")))
        return;
    if (tag.len + 2 > sizeof(weak)) {
        plait_reply_field_remove(req, "ETag");
        return;
    }
    memcpy(weak, "W/", 2);
    memcpy(weak + 2, tag.ptr, tag.len);
    (void)plait_reply_field_set(req, "ETag", plait_slice_of(weak, tag.len + 2));
}

/* 304 speaks of the form that the client has: if that was ours, its tag is weak. */
static void answer_for_ours(struct plait_request *req)
{
    const plait_slice tag = plait_reply_field_of(req, "ETag"), list = plait_request_field(req, "if-none-match");
    const size_t at = tag.len ? plait_slice_find(list, tag, 0) : SIZE_MAX;
    if (at != SIZE_MAX && at >= 2 && memcmp(list.ptr + at - 2, "W/", 2) == 0)
        weaken(req);
}

/* --- the coders --------------------------------------------------------------------------------------------------- */

static void *take_zlib(void *budget, unsigned items, unsigned size)
{
    return plait_mem_resize(budget, NULL, (size_t)items * size);
}

static void give_back(void *budget, void *memory)
{
    (void)budget;
    plait_mem_free(memory);
}

static bool gzip_begin(struct squeeze *s)
{
    s->gzip.zalloc = take_zlib;
    s->gzip.zfree = give_back;
    s->gzip.opaque = s->budget;
    s->gzip_open = deflateInit2(&s->gzip, s->compress->options.level ? s->compress->options.level : 5, Z_DEFLATED,
                                GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    return s->gzip_open;
}

static void gzip_step(struct plait_request *req, struct squeeze *s, plait_slice piece, int flush)
{
    uint8_t out[OUT];
    int result;
    s->gzip.next_in = (z_const Bytef *)(uintptr_t)piece.ptr;
    s->gzip.avail_in = (uInt)piece.len;
    do {
        s->gzip.next_out = out;
        s->gzip.avail_out = sizeof(out);
        result = deflate(&s->gzip, flush);
        plait_filter_write(req, plait_slice_of(out, sizeof(out) - s->gzip.avail_out));
    } while (s->gzip.avail_out == 0 && result != Z_STREAM_END);
}

/* --- brotli ------------------------------------------------------------------------------------------------------- */

#ifdef PLAIT_HAVE_BROTLI

/* The encoder ends the process when it gets no memory, so it is left by the way that it came; what it held is on a
 * list. */
static void *take_brotli(void *ctx, size_t size)
{
    struct squeeze *s = ctx;
    struct plait__list *block = plait_mem_resize(s->budget, NULL, sizeof(*block) + size);
    if (!block)
        longjmp(*s->no_memory, 1);
    plait__list_add_tail(&s->blocks, block);
    return block + 1;
}

static void give_brotli(void *ctx, void *memory)
{
    struct plait__list *block = memory;
    (void)ctx;
    if (!block)
        return;
    plait__list_remove(block - 1);
    plait_mem_free(block - 1);
}

static void lose_brotli(struct squeeze *s)
{
    while (!plait__list_empty(&s->blocks))
        give_brotli(s, s->blocks.next + 1);
    s->brotli = NULL;
}

static bool brotli_begin(struct squeeze *s)
{
    const int level = s->compress->options.level;
    jmp_buf no_memory;
    s->no_memory = &no_memory;
    if (setjmp(no_memory)) {
        lose_brotli(s);
        return false;
    }
    s->brotli = BrotliEncoderCreateInstance(take_brotli, give_brotli, s);
    return BrotliEncoderSetParameter(s->brotli, BROTLI_PARAM_QUALITY, (uint32_t)(level ? level : 4)) &&
           BrotliEncoderSetParameter(s->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
}

static void brotli_step(struct plait_request *req, struct squeeze *s, plait_slice piece, enum step how)
{
    static const BrotliEncoderOperation operation[] = {BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                       BROTLI_OPERATION_FINISH};
    uint8_t out[OUT];
    size_t in_left = piece.len;
    const uint8_t *in = piece.ptr;
    jmp_buf no_memory;
    s->no_memory = &no_memory;
    if (setjmp(no_memory)) {
        lose_brotli(s);
        plait_filter_fail(req, PLAIT_ENOMEM, "no memory to compress an answer");
        return;
    }
    do {
        size_t left = sizeof(out);
        uint8_t *to = out;
        /* can't fail otherwise */
        (void)BrotliEncoderCompressStream(s->brotli, operation[how], &in_left, &in, &left, &to, NULL);
        plait_filter_write(req, plait_slice_of(out, sizeof(out) - left));
    } while (in_left || BrotliEncoderHasMoreOutput(s->brotli));
}

static void brotli_end(struct squeeze *s)
{
    if (s->brotli)
        BrotliEncoderDestroyInstance(s->brotli);
}

#else

static bool brotli_begin(struct squeeze *s)
{
    (void)s;
    return false;
}

static void brotli_step(struct plait_request *req, struct squeeze *s, plait_slice piece, enum step how)
{
    (void)req;
    (void)s;
    (void)piece;
    (void)how;
}

static void brotli_end(struct squeeze *s)
{
    (void)s;
}

#endif

/* --- the filter --------------------------------------------------------------------------------------------------- */

/* The form that the client likes best; brotli among equals. 0: none is better than plain. */
static int choose(const struct plait_request *req, const struct compress *c)
{
    const unsigned gzip = plait_request_weight(req, "accept-encoding", PLAIT_LIT("gzip"));
    const unsigned brotli =
        c->options.no_brotli || !HAVE_BROTLI ? 0 : plait_request_weight(req, "accept-encoding", PLAIT_LIT("br"));
    if (!plait_request_field(req, "accept-encoding").ptr || plait_request_field(req, "range").ptr)
        return 0;
    return brotli && brotli >= gzip ? 2 : gzip ? 1 : 0;
}

static bool on_head(struct plait_request *req, struct plait_reply_head *head, void *ctx)
{
    struct squeeze *s = ctx;
    if (head->status == 304) {
        answer_for_ours(req);
        (void)plait_reply_field_list(req, "Vary", PLAIT_LIT("Accept-Encoding"));
    }
    if (!may_change(req, head) || !type_shrinks(head->type) ||
        (head->length != PLAIT_LENGTH_UNKNOWN && head->length < s->compress->options.least))
        return false;
    const int which = choose(req, s->compress);
    if (plait_reply_field_list(req, "Vary", PLAIT_LIT("Accept-Encoding")) != PLAIT_OK || which == 0 ||
        !(which == 2 ? brotli_begin(s) : gzip_begin(s)) ||
        plait_reply_field(req, "Content-Encoding", which == 2 ? PLAIT_LIT("br") : PLAIT_LIT("gzip")) != PLAIT_OK)
        return false;
    weaken(req);
    plait_reply_field_remove(req, "Accept-Ranges");
    s->streams = head->length == PLAIT_LENGTH_UNKNOWN;
    head->length = PLAIT_LENGTH_UNKNOWN;
    return true;
}

static void on_body(struct plait_request *req, plait_slice piece, void *ctx)
{
    struct squeeze *s = ctx;
    if (s->brotli)
        brotli_step(req, s, piece, s->streams ? STEP_FLUSH : STEP_MORE);
    else
        gzip_step(req, s, piece, s->streams ? Z_SYNC_FLUSH : Z_NO_FLUSH);
}

static void on_end(struct plait_request *req, void *ctx)
{
    struct squeeze *s = ctx;
    if (s->brotli)
        brotli_step(req, s, plait_slice_of(NULL, 0), STEP_END);
    else
        gzip_step(req, s, plait_slice_of(NULL, 0), Z_FINISH);
}

static void on_done(struct plait_request *req, void *ctx)
{
    struct squeeze *s = ctx;
    (void)req;
    if (s->gzip_open)
        (void)deflateEnd(&s->gzip);
    brotli_end(s);
    plait_mem_free(s);
}

static const struct plait_filter compress_filter = {.head = on_head, .body = on_body, .end = on_end, .done = on_done};

/* An answer that can't be compressed for want of memory goes as it is. */
static void on_request(struct plait_request *req, void *ctx)
{
    struct compress *c = ctx;
    struct plait_budget *budget = plait_reactor_budget(c->reactor);
    struct squeeze *s = plait_mem_new(budget, sizeof(*s));
    if (s) {
        s->compress = c;
        s->budget = budget;
        plait__list_init(&s->blocks);
        if (plait_request_filter(req, &compress_filter, s) != PLAIT_OK)
            plait_mem_free(s);
    }
    plait_request_pass(req);
}

static void compress_destroy(void *ctx)
{
    plait_mem_free(ctx);
}

static const struct plait_layer compress_layer = {
    .name = "compress", .request = on_request, .destroy = compress_destroy};

plait_err plait_compress_wrap(struct plait_resource *resource, const struct plait_compress_options *options)
{
    struct plait_reactor *reactor = resource ? plait__resource_reactor(resource) : NULL;
    struct compress *c = reactor ? plait_mem_new(plait_reactor_budget(reactor), sizeof(*c)) : NULL;
    if (!c) {
        plait__resource_fail(resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    c->reactor = reactor;
    if (options)
        c->options = *options;
    c->options.least = c->options.least ? c->options.least : 1024;
    return plait_resource_wrap(resource, &compress_layer, c);
}
