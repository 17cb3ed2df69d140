/* SPDX-License-Identifier: MIT
 *
 * Netstrings: the codec. A length is refused as soon as its digits show that it is too large, before the payload comes.
 *
 * Invariant: no more than 20 bytes are ever looked at before the colon.
 * Tests: tests/framing/test_netstring_wire.c; fuzz/fuzz_framing.c.
 */
#include <plait/framing.h>

enum { AROUND_BYTES = 24 }; /* more than the digits, the colon and the comma */

static struct plait_frame bad(plait_err err)
{
    return (struct plait_frame){.event = PLAIT_FRAME_BAD, .err = err};
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Reads the digits before the colon. Returns false with `frame` set when the length is not there, or wrong. */
static bool scan_length(plait_slice in, size_t max, size_t *length, size_t *digits, struct plait_frame *frame)
{
    size_t value = 0;
    size_t n = 0;
    while (n < in.len && is_digit(in.ptr[n])) {
        const size_t digit = (size_t)(in.ptr[n] - '0');
        if (n > 0 && in.ptr[0] == '0') {
            *frame = bad(PLAIT_EMALFORMED);
            return false;
        }
        if (digit > max || value > (max - digit) / 10) {
            *frame = bad(PLAIT_ETOOLONG);
            return false;
        }
        value = value * 10 + digit;
        n++;
    }
    if (n == in.len) {
        *frame = (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = n + 1};
        return false;
    }
    if (n == 0 || in.ptr[n] != ':') {
        *frame = bad(PLAIT_EMALFORMED);
        return false;
    }
    *length = value;
    *digits = n;
    return true;
}

struct plait_frame plait_netstring_next(plait_slice in, size_t max)
{
    struct plait_frame frame;
    size_t length;
    size_t digits;
    if (max > SIZE_MAX - AROUND_BYTES)
        max = SIZE_MAX - AROUND_BYTES; /* so that sums with it don't overflow */
    if (!scan_length(in, max, &length, &digits, &frame))
        return frame;
    const size_t whole = digits + 1 + length + 1;
    if (in.len < whole)
        return (struct plait_frame){.event = PLAIT_FRAME_MORE, .need = whole};
    if (in.ptr[whole - 1] != ',')
        return bad(PLAIT_EMALFORMED);
    return (struct plait_frame){
        .event = PLAIT_FRAME_WHOLE, .payload = plait_slice_sub(in, digits + 1, whole - 1), .taken = whole};
}

void plait_netstring_put(struct plait_buf *out, plait_slice payload)
{
    plait_buf_put_u64_text(out, payload.len);
    plait_buf_put_u8(out, ':');
    plait_buf_put(out, payload);
    plait_buf_put_u8(out, ',');
}
