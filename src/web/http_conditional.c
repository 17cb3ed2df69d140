/* SPDX-License-Identifier: MIT
 *
 * Conditional requests (RFC 9110 section 13): whether a client's copy is still good, whether what it wants to change
 * is still what it thinks. Times are compared as written: a date that can't be read makes its field absent.
 *
 * Test: tests/web/test_http_reply.c.
 */
#include "base/timefmt.h"
#include "web/http_core.h"

/* The opaque part of an entity tag with its quotes, without W/. */
static plait_slice opaque(plait_slice tag, bool *weak)
{
    *weak = plait_slice_starts(tag, PLAIT_LIT("W/"));
    return *weak ? plait_slice_sub(tag, 2, tag.len) : tag;
}

/* Section 8.8.3.2: strong comparison wants both strong. */
static bool tags_match(plait_slice a, plait_slice b, bool strong)
{
    bool weak_a, weak_b;
    a = opaque(a, &weak_a);
    b = opaque(b, &weak_b);
    return a.len && !(strong && (weak_a || weak_b)) && plait_slice_equal(a, b);
}

/* The next tag of a list; false at its end or where it is malformed. */
static bool next_tag(struct plait_scan *scan, plait_slice *tag)
{
    (void)plait_scan_blank(scan);
    while (plait_scan_byte(scan, ','))
        (void)plait_scan_blank(scan);
    const uint8_t *start = scan->at;
    plait_slice inside;
    (void)plait_scan_literal(scan, PLAIT_LIT("W/"));
    if (!plait_scan_byte(scan, '"') || !plait_scan_until(scan, '"', &inside) || !plait_scan_byte(scan, '"'))
        return false;
    *tag = plait_slice_of(start, (size_t)(scan->at - start));
    (void)plait_scan_blank(scan);
    return true;
}

/* Whether a list of tags, or "*", names this one. */
static bool list_names(plait_slice list, plait_slice etag, bool strong)
{
    struct plait_scan scan = plait_scan_of(list);
    plait_slice tag;
    if (plait_slice_equal(list, PLAIT_LIT("*")))
        return true;
    while (next_tag(&scan, &tag)) {
        if (tags_match(tag, etag, strong))
            return true;
    }
    return false;
}

/* The same for a field that may come in several lines (RFC 9110 section 5.3). */
static bool field_names(const struct plait_request *req, const char *field, plait_slice etag, bool strong)
{
    for (size_t i = 0; i < plait_request_field_count(req); i++) {
        plait_slice name, value;
        plait_request_field_at(req, i, &name, &value);
        if (plait_slice_equal_nocase(name, plait_slice_text(field)) && list_names(value, etag, strong))
            return true;
    }
    return false;
}

static bool read_date(plait_slice field, int64_t now, int64_t *out)
{
    return field.ptr && plait__parse_http_date(field, now, out) == PLAIT_OK;
}

/* Whether the method only reads, so that 304 is an answer to it. */
static bool only_reads(const struct plait_request *req)
{
    return req->head_only || plait_slice_equal(plait_request_method(req), PLAIT_LIT("GET"));
}

/* The order is that of section 13.2.2. */
int plait__http_judge(const struct plait_request *req, plait_slice etag, int64_t modified, int64_t now)
{
    int64_t date;
    plait_slice match = plait_request_field(req, "if-match");
    plait_slice none_match = plait_request_field(req, "if-none-match");
    if (match.ptr) {
        if (!field_names(req, "if-match", etag, true))
            return 412;
    } else if (modified >= 0 && read_date(plait_request_field(req, "if-unmodified-since"), now, &date) &&
               modified > date) {
        return 412;
    }
    if (none_match.ptr) {
        if (!field_names(req, "if-none-match", etag, false))
            return 0;
        return only_reads(req) ? 304 : 412;
    }
    if (modified >= 0 && only_reads(req) && read_date(plait_request_field(req, "if-modified-since"), now, &date) &&
        modified <= date)
        return 304;
    return 0;
}

/* Section 13.1.5: a weak tag or a date that is not exactly the same makes the range void. */
bool plait__http_range_holds(const struct plait_request *req, plait_slice etag, int64_t modified, int64_t now)
{
    plait_slice field = plait_request_field(req, "if-range");
    int64_t date;
    if (!field.ptr)
        return true;
    if (field.len && (field.ptr[0] == '"' || field.ptr[0] == 'W'))
        return tags_match(field, etag, true);
    return modified >= 0 && read_date(field, now, &date) && date == modified;
}

bool plait_request_unchanged(struct plait_request *req, plait_slice etag, int64_t modified)
{
    int64_t now;
    uint32_t nanoseconds;
    plait_wall_clock(req->web->reactor, &now, &nanoseconds);
    int status = plait__http_judge(req, etag, modified, now);
    if (etag.len)
        (void)plait_reply_field(req, "ETag", etag); /* a tag that can't stand in a field is left out */
    if (modified >= 0) {
        char date[PLAIT__HTTP_DATE_BYTES];
        plait__format_http_date(modified, date);
        (void)plait_reply_field(req, "Last-Modified", plait_slice_text(date));
    }
    if (status == 412)
        plait_reply_error(req, 412, NULL);
    else if (status == 304)
        plait_reply(req, 304, NULL, plait_slice_of(NULL, 0));
    return status != 0;
}
