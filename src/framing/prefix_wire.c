/* SPDX-License-Identifier: MIT
 *
 * Length prefixes of 8, 16 and 32 bits, and the literals that lines announce: the codecs.
 *
 * Invariant: a length over the limit is refused before a byte of its payload is waited for.
 * Tests: tests/framing/test_prefix_wire.c; fuzz/fuzz_framing.c.
 */
#include "base/try.h"

#include <plait/framing.h>

struct plait_frame plait_prefix_next(plait_slice in, unsigned bytes, size_t max)
{
    uint64_t length = 0;
    if (max > SIZE_MAX - bytes)
        max = SIZE_MAX - bytes; /* so that the sum below doesn't overflow */
    if (in.len < bytes)
        return (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = bytes};
    for (unsigned i = 0; i < bytes; i++)
        length = length << 8 | in.ptr[i];
    if (length > max)
        return (struct plait_frame){.event = PLAIT_FRAME_BAD, .err = PLAIT_ETOOLONG};
    const size_t whole = bytes + (size_t)length;
    if (in.len < whole)
        return (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = whole};
    return (struct plait_frame){
        .event = PLAIT_FRAME_WHOLE, .payload = plait_slice_sub(in, bytes, whole), .taken = whole};
}

void plait_prefix_put(struct plait_buf *out, unsigned bytes, plait_slice payload)
{
    if (payload.len > UINT32_MAX >> (32 - 8 * bytes)) {
        if (out->err == PLAIT_OK)
            out->err = PLAIT_ETOOLONG;
        return;
    }
    for (unsigned i = bytes; i-- > 0;)
        plait_buf_put_u8(out, (uint8_t)(payload.len >> (8 * i)));
    plait_buf_put(out, payload);
}

plait_err plait_literal_at_end(plait_slice line, uint64_t max, struct plait_literal *out)
{
    if (line.len < 3 || line.ptr[line.len - 1] != '}')
        return PLAIT_FAIL(PLAIT_ENOTFOUND);
    size_t from = line.len - 1;
    while (from > 0 && line.ptr[from - 1] != '{')
        from--;
    if (from == 0)
        return PLAIT_FAIL(PLAIT_ENOTFOUND);
    plait_slice number = plait_slice_sub(line, from, line.len - 1);
    const bool plus = number.len > 1 && number.ptr[number.len - 1] == '+';
    if (plus)
        number = plait_slice_sub(number, 0, number.len - 1);
    const plait_err err = plait_slice_to_u64(number, max, &out->bytes);
    if (err != PLAIT_OK)
        return err == PLAIT_ELIMIT ? PLAIT_FAIL(PLAIT_ETOOLONG) : PLAIT_FAIL(PLAIT_ENOTFOUND);
    out->synchronizing = !plus;
    return PLAIT_OK;
}
