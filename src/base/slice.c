/* SPDX-License-Identifier: MIT
 *
 * Borrowed bytes: comparing, finding, cutting. Pure; nothing allocates.
 *
 * Invariant: no function reads outside its slice; an empty slice may have a NULL pointer.
 * Test: tests/base/test_slice.c.
 */
#include "base/try.h"

#include <plait/bytes.h>

plait_slice plait_slice_sub(plait_slice s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return plait_slice_of(s.ptr ? s.ptr + from : NULL, to - from);
}

bool plait_slice_equal(plait_slice a, plait_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool plait_slice_equal_nocase(plait_slice a, plait_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool plait_slice_equal_secret(plait_slice a, plait_slice b)
{
    if (a.len != b.len)
        return false;
    volatile uint8_t differs = 0;
    for (size_t i = 0; i < a.len; i++)
        differs |= (uint8_t)(a.ptr[i] ^ b.ptr[i]);
    return differs == 0;
}

bool plait_slice_starts(plait_slice s, plait_slice prefix)
{
    return s.len >= prefix.len && plait_slice_equal(plait_slice_sub(s, 0, prefix.len), prefix);
}

size_t plait_slice_find_byte(plait_slice s, uint8_t byte, size_t from)
{
    if (from >= s.len)
        return SIZE_MAX;
    const uint8_t *at = memchr(s.ptr + from, byte, s.len - from);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t plait_slice_find(plait_slice s, plait_slice what, size_t from)
{
    if (from > s.len)
        return SIZE_MAX;
    if (what.len == 0)
        return from;
    if (from == s.len)
        return SIZE_MAX;
    const uint8_t *at = memmem(s.ptr + from, s.len - from, what.ptr, what.len);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

static bool blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

plait_slice plait_slice_trim(plait_slice s)
{
    size_t from = 0;
    size_t to = s.len;
    while (from < to && blank(s.ptr[from]))
        from++;
    while (to > from && blank(s.ptr[to - 1]))
        to--;
    return plait_slice_sub(s, from, to);
}

plait_err plait_slice_to_u64(plait_slice s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return PLAIT_FAIL(PLAIT_ESYNTAX);
    }
    for (size_t i = 0; i < s.len; i++) {
        const uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return PLAIT_FAIL(PLAIT_ELIMIT);
        value = value * 10 + digit;
    }
    *out = value;
    return PLAIT_OK;
}
