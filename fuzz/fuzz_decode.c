/* SPDX-License-Identifier: MIT
 *
 * Content codings: the first byte chooses them, the second where the input is cut. However it is cut the same comes
 * out, and never more than was allowed.
 */
#include "web/http_decode.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 3 << 20 };

struct seen {
    uint64_t bytes, sum;
};

static void must(bool what)
{
    if (!what)
        abort();
}

static plait_err take(plait_slice piece, void *ctx)
{
    struct seen *seen = ctx;
    must(piece.len > 0);
    for (size_t i = 0; i < piece.len; i++)
        seen->sum = seen->sum * 31 + piece.ptr[i];
    seen->bytes += piece.len;
    must(seen->bytes <= MOST);
    return PLAIT_OK;
}

static plait_err decode(plait_slice codings, plait_slice in, size_t cut, struct seen *seen)
{
    struct plait_budget budget;
    struct plait__decoder *decoder;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_err err = plait__decoder_new(&budget, codings, MOST, &decoder);
    if (decoder) {
        err = plait__decoder_take(decoder, plait_slice_sub(in, 0, cut), take, seen);
        if (err == PLAIT_OK)
            err = plait__decoder_take(decoder, plait_slice_sub(in, cut, in.len), take, seen);
        if (err == PLAIT_OK)
            err = plait__decoder_end(decoder);
        plait__decoder_free(&decoder);
    }
    must(budget.used == 0);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "deflate", "br", "gzip, br", "deflate,gzip , identity", "x-gzip"};
    if (size < 2)
        return 0;
    const plait_slice coding = plait_slice_text(codings[data[0] % (sizeof(codings) / sizeof(codings[0]))]);
    const plait_slice in = plait_slice_of(data + 2, size - 2);
    struct seen whole = {0, 0}, cut = {0, 0};
    const plait_err a = decode(coding, in, in.len, &whole), b = decode(coding, in, data[1] % (in.len + 1), &cut);
    if (a == PLAIT_OK)
        must(b == PLAIT_OK && whole.bytes == cut.bytes && whole.sum == cut.sum);
    (void)decode(in, in, 0, &cut);
    return 0;
}
