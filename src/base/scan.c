/* SPDX-License-Identifier: MIT
 *
 * The scan cursor: the one way text and binary fields are read.
 *
 * Invariant: a function that returns false has not moved the cursor; none reads at or behind `end`.
 * Test: tests/base/test_scan.c.
 */
#include <plait/bytes.h>

static size_t left(const struct plait_scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

bool plait_scan_byte(struct plait_scan *scan, uint8_t byte)
{
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

bool plait_scan_literal(struct plait_scan *scan, plait_slice literal)
{
    plait_slice taken;
    return plait_slice_starts(plait_scan_rest(scan), literal) && plait_scan_bytes(scan, literal.len, &taken);
}

bool plait_scan_literal_nocase(struct plait_scan *scan, plait_slice literal)
{
    plait_slice taken;
    return plait_slice_equal_nocase(plait_slice_sub(plait_scan_rest(scan), 0, literal.len), literal) &&
           plait_scan_bytes(scan, literal.len, &taken);
}

bool plait_scan_until(struct plait_scan *scan, uint8_t stop, plait_slice *out)
{
    const size_t n = plait_slice_find_byte(plait_scan_rest(scan), stop, 0);
    if (n == SIZE_MAX)
        return false;
    return plait_scan_bytes(scan, n, out);
}

bool plait_scan_while(struct plait_scan *scan, bool (*is)(uint8_t byte), plait_slice *out)
{
    size_t n = 0;
    while (n < left(scan) && is(scan->at[n]))
        n++;
    return n > 0 && plait_scan_bytes(scan, n, out);
}

size_t plait_scan_blank(struct plait_scan *scan)
{
    const uint8_t *from = scan->at;
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
    return (size_t)(scan->at - from);
}

static int digit_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return 16;
}

static bool scan_number(struct plait_scan *scan, unsigned base, uint64_t max, uint64_t *out)
{
    const uint8_t *at = scan->at;
    uint64_t value = 0;
    while (at < scan->end && digit_value(*at) < (int)base) {
        const uint64_t digit = (uint64_t)digit_value(*at);
        if (digit > max || value > (max - digit) / base)
            return false;
        value = value * base + digit;
        at++;
    }
    if (at == scan->at)
        return false;
    scan->at = at;
    *out = value;
    return true;
}

bool plait_scan_u64(struct plait_scan *scan, uint64_t max, uint64_t *out)
{
    return scan_number(scan, 10, max, out);
}

bool plait_scan_hex64(struct plait_scan *scan, uint64_t max, uint64_t *out)
{
    return scan_number(scan, 16, max, out);
}

bool plait_scan_u8(struct plait_scan *scan, uint8_t *out)
{
    if (left(scan) < 1)
        return false;
    *out = *scan->at++;
    return true;
}

bool plait_scan_u16(struct plait_scan *scan, uint16_t *out)
{
    if (left(scan) < 2)
        return false;
    *out = (uint16_t)((scan->at[0] << 8) | scan->at[1]);
    scan->at += 2;
    return true;
}

bool plait_scan_u32(struct plait_scan *scan, uint32_t *out)
{
    if (left(scan) < 4)
        return false;
    *out = (uint32_t)scan->at[0] << 24 | (uint32_t)scan->at[1] << 16 | (uint32_t)scan->at[2] << 8 | scan->at[3];
    scan->at += 4;
    return true;
}

bool plait_scan_bytes(struct plait_scan *scan, size_t len, plait_slice *out)
{
    if (left(scan) < len)
        return false;
    *out = plait_slice_of(scan->at, len);
    if (len > 0) /* an empty scan may stand on NULL, to which nothing may be added, not even 0 */
        scan->at += len;
    return true;
}
