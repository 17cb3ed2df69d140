/* SPDX-License-Identifier: MIT
 *
 * The Range field in bytes (RFC 9110 section 14): which parts of something a client asks for. A field that is not
 * understood, or asks for more than is decent, is ignored, as the section allows; ranges are cut to the size.
 *
 * Content-Range is what an answer says of the part that it brings. Test: tests/web/test_http_range.c.
 */
#include "web/http_core.h"

enum range_kind { RANGE_WRONG, RANGE_BEYOND, RANGE_GOOD };

/* "500-999", "500-" or "-500" (section 14.1.2). */
static enum range_kind read_range(plait_slice text, uint64_t size, struct plait__http_range *out)
{
    struct plait_scan scan = plait_scan_of(plait_slice_trim(text));
    uint64_t first, last;
    if (plait_scan_byte(&scan, '-')) {
        if (!plait_scan_u64(&scan, UINT64_MAX, &last) || !plait_scan_done(&scan))
            return RANGE_WRONG;
        if (last == 0 || size == 0)
            return RANGE_BEYOND;
        out->from = last < size ? size - last : 0;
        out->bytes = size - out->from;
        return RANGE_GOOD;
    }
    if (!plait_scan_u64(&scan, UINT64_MAX, &first) || !plait_scan_byte(&scan, '-'))
        return RANGE_WRONG;
    if (plait_scan_done(&scan))
        last = UINT64_MAX;
    else if (!plait_scan_u64(&scan, UINT64_MAX, &last) || !plait_scan_done(&scan) || last < first)
        return RANGE_WRONG;
    if (first >= size)
        return RANGE_BEYOND;
    out->from = first;
    out->bytes = (last < size ? last + 1 : size) - first;
    return RANGE_GOOD;
}

int plait__http_ranges(plait_slice field, uint64_t size, struct plait__http_range out[PLAIT__HTTP_RANGES])
{
    int count = 0;
    size_t asked = 0;
    uint64_t sum = 0;
    if (field.len < 6 || !plait_slice_equal_nocase(plait_slice_sub(field, 0, 6), PLAIT_LIT("bytes=")))
        return 0;
    for (size_t at = 6; at <= field.len;) {
        size_t comma = plait_slice_find_byte(field, ',', at);
        if (comma == SIZE_MAX)
            comma = field.len;
        if (asked++ == PLAIT__HTTP_RANGES)
            return 0;
        enum range_kind kind = read_range(plait_slice_sub(field, at, comma), size, &out[count]);
        if (kind == RANGE_WRONG)
            return 0;
        if (kind == RANGE_GOOD)
            sum += out[count++].bytes;
        at = comma + 1;
    }
    if (count > 1 && sum > size)
        return 0; /* overlapping ranges cost more than the whole (section 14.2) */
    return count ? count : -1;
}

bool plait__http_content_range(plait_slice field, struct plait__http_range *range, uint64_t *total)
{
    struct plait_scan scan = plait_scan_of(field);
    uint64_t last = 0;
    *range = (struct plait__http_range){.from = 0};
    *total = UINT64_MAX;
    if (!plait_scan_literal_nocase(&scan, PLAIT_LIT("bytes ")))
        return false;
    const bool none = plait_scan_byte(&scan, '*');
    if (!none && (!plait_scan_u64(&scan, UINT64_MAX, &range->from) || !plait_scan_byte(&scan, '-') ||
                  !plait_scan_u64(&scan, UINT64_MAX - 1, &last) || last < range->from))
        return false;
    range->bytes = none ? 0 : last - range->from + 1;
    if (!plait_scan_byte(&scan, '/'))
        return false;
    if (plait_scan_byte(&scan, '*'))
        return !none && plait_scan_done(&scan);
    return plait_scan_u64(&scan, UINT64_MAX - 1, total) && plait_scan_done(&scan) && (none || last < *total);
}
