/* SPDX-License-Identifier: MIT
 *
 * Cookies on the wire: what a Set-Cookie says, as tolerantly as RFC 6265 section 5 has user agents be, the loose dates
 * in it, and the lines of the file format that browsers had in 1994 and that curl and wget still share.
 *
 * What is judged here is form only; whether a cookie may be kept is the jar's matter. Invariant: nothing that is read
 * can end a field or a line of a file. Tests: tests/web/test_http_cookies.c, fuzz/fuzz_cookie.c.
 */
#include "web/http_cookie_wire.h"

#include "base/text.h"
#include "base/timefmt.h"
#include "base/try.h"

/* --- dates: RFC 6265 section 5.1.1 ------------------------------------------------------------------------------ */

struct date {
    bool has_time, has_day, has_month, has_year;
    struct plait__civil at;
};

static bool is_delimiter(uint8_t byte)
{
    return byte == 0x09 || (byte >= 0x20 && byte <= 0x2f) || (byte >= 0x3b && byte <= 0x40) ||
           (byte >= 0x5b && byte <= 0x60) || (byte >= 0x7b && byte <= 0x7e);
}

static bool is_in_token(uint8_t byte)
{
    return !is_delimiter(byte);
}

/* From `least` to `most` digits; what follows them must be no digit. */
static bool take_digits(struct plait_scan *scan, size_t least, size_t most, unsigned *out)
{
    uint64_t value = 0;
    plait_slice digits;
    if (!plait_scan_while(scan, plait__is_digit, &digits) || digits.len < least || digits.len > most ||
        plait_slice_to_u64(digits, 9999, &value) != PLAIT_OK)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool read_time(plait_slice token, struct plait__civil *at)
{
    struct plait_scan scan = plait_scan_of(token);
    return take_digits(&scan, 1, 2, &at->hour) && plait_scan_byte(&scan, ':') &&
           take_digits(&scan, 1, 2, &at->minute) && plait_scan_byte(&scan, ':') &&
           take_digits(&scan, 1, 2, &at->second);
}

static bool read_month(plait_slice token, unsigned *out)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (unsigned i = 0; i < 12 && token.len >= 3; i++) {
        if (plait_slice_equal_nocase(plait_slice_sub(token, 0, 3), plait_slice_of(months + (size_t)3 * i, 3))) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

static bool read_number(plait_slice token, size_t least, size_t most, unsigned *out)
{
    struct plait_scan scan = plait_scan_of(token);
    return take_digits(&scan, least, most, out);
}

static void read_date_token(plait_slice token, struct date *d)
{
    unsigned year;
    if (!d->has_time && read_time(token, &d->at)) {
        d->has_time = true;
    } else if (!d->has_day && read_number(token, 1, 2, &d->at.day)) {
        d->has_day = true;
    } else if (!d->has_month && read_month(token, &d->at.month)) {
        d->has_month = true;
    } else if (!d->has_year && read_number(token, 2, 4, &year)) {
        d->has_year = true;
        d->at.year = year < 70 ? year + 2000 : year < 100 ? year + 1900 : year;
    }
}

plait_err plait__cookie_date(plait_slice text, int64_t *out)
{
    struct date d = {.has_time = false};
    struct plait_scan scan = plait_scan_of(text);
    plait_slice token;
    uint8_t byte;
    while (!plait_scan_done(&scan)) {
        if (plait_scan_while(&scan, is_in_token, &token))
            read_date_token(token, &d);
        else
            (void)plait_scan_u8(&scan, &byte);
    }
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year || d.at.day < 1 || d.at.day > 31 || d.at.year < 1601 ||
        d.at.hour > 23 || d.at.minute > 59 || d.at.second > 59)
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    *out = plait__civil_to_seconds(&d.at);
    return PLAIT_OK;
}

/* --- Set-Cookie: RFC 6265 section 5.2 ---------------------------------------------------------------------------- */

static void read_max_age(plait_slice value, struct plait__cookie_text *out)
{
    const bool minus = value.len > 0 && value.ptr[0] == '-';
    uint64_t seconds = 0;
    const plait_slice digits = plait_slice_sub(value, minus, value.len);
    if (plait_slice_to_u64(digits, INT32_MAX, &seconds) == PLAIT_ESYNTAX)
        return;
    out->has_max_age = true;
    out->max_age = minus ? 0 : (int64_t)seconds;
    if (!minus && seconds == 0 && digits.len > 9)
        out->max_age = INT32_MAX; /* longer than anybody keeps it */
}

static void read_same_site(plait_slice value, struct plait__cookie_text *out)
{
    if (plait_slice_equal_nocase(value, PLAIT_LIT("none")))
        out->same_site = PLAIT__SAME_SITE_NONE;
    else if (plait_slice_equal_nocase(value, PLAIT_LIT("lax")))
        out->same_site = PLAIT__SAME_SITE_LAX;
    else if (plait_slice_equal_nocase(value, PLAIT_LIT("strict")))
        out->same_site = PLAIT__SAME_SITE_STRICT;
}

static void read_attribute(plait_slice name, plait_slice value, struct plait__cookie_text *out)
{
    if (value.len > PLAIT__COOKIE_ATTRIBUTE)
        return;
    if (plait_slice_equal_nocase(name, PLAIT_LIT("expires"))) {
        int64_t at;
        if (plait__cookie_date(value, &at) == PLAIT_OK) {
            out->has_expires = true;
            out->expires = at;
        }
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("max-age"))) {
        read_max_age(value, out);
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("domain"))) {
        const bool dot = value.len > 0 && value.ptr[0] == '.';
        out->domain = plait_slice_sub(value, dot, value.len);
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("path"))) {
        out->path = value.len > 0 && value.ptr[0] == '/' ? value : plait_slice_of(NULL, 0);
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("secure"))) {
        out->secure = true;
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("httponly"))) {
        out->http_only = true;
    } else if (plait_slice_equal_nocase(name, PLAIT_LIT("samesite"))) {
        read_same_site(value, out);
    }
}

/* Takes what stands before the next ';', as a name and a value without the blanks around them. */
static void take_pair(plait_slice text, size_t *at, plait_slice *name, plait_slice *value)
{
    const size_t semicolon = plait_slice_find_byte(text, ';', *at);
    const size_t end = semicolon == SIZE_MAX ? text.len : semicolon;
    const plait_slice pair = plait_slice_sub(text, *at, end);
    const size_t equals = plait_slice_find_byte(pair, '=', 0);
    const size_t split = equals == SIZE_MAX ? pair.len : equals;
    *name = plait_slice_trim(plait_slice_sub(pair, 0, split));
    *value = plait_slice_trim(plait_slice_sub(pair, split + 1, pair.len));
    *at = end + 1;
}

static bool is_harmless(plait_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

plait_err plait__cookie_read(plait_slice text, struct plait__cookie_text *out)
{
    plait_slice name, value;
    size_t at = 0;
    memset(out, 0, sizeof(*out));
    if (!is_harmless(text))
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    take_pair(text, &at, &out->name, &out->value);
    if (out->name.len == 0)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    if (out->name.len + out->value.len > PLAIT__COOKIE_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    while (at < text.len) {
        take_pair(text, &at, &name, &value);
        read_attribute(name, value, out);
    }
    return PLAIT_OK;
}

/* --- matching ---------------------------------------------------------------------------------------------------- */

bool plait__cookie_is_address(plait_slice host)
{
    bool digits = host.len > 0;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == ':')
            return true;
        digits = digits && (plait__is_digit(host.ptr[i]) || host.ptr[i] == '.');
    }
    return digits;
}

bool plait__cookie_domain_match(plait_slice host, plait_slice domain)
{
    if (plait_slice_equal_nocase(host, domain))
        return true;
    if (domain.len == 0 || host.len <= domain.len || plait__cookie_is_address(host))
        return false;
    const size_t from = host.len - domain.len;
    return host.ptr[from - 1] == '.' && plait_slice_equal_nocase(plait_slice_sub(host, from, host.len), domain);
}

bool plait__cookie_path_match(plait_slice path, plait_slice cookie_path)
{
    if (path.len == 0)
        path = PLAIT_LIT("/");
    if (!plait_slice_starts(path, cookie_path))
        return false;
    return path.len == cookie_path.len || cookie_path.ptr[cookie_path.len - 1] == '/' ||
           path.ptr[cookie_path.len] == '/';
}

plait_slice plait__cookie_default_path(plait_slice path)
{
    size_t slash = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return PLAIT_LIT("/");
    for (size_t i = 1; i < path.len; i++)
        slash = path.ptr[i] == '/' ? i : slash;
    return slash == 0 ? PLAIT_LIT("/") : plait_slice_sub(path, 0, slash);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static bool take_word(struct plait_scan *scan, plait_slice *out)
{
    if (!plait_scan_until(scan, '\t', out))
        return false;
    return plait_scan_byte(scan, '\t');
}

static bool take_truth(struct plait_scan *scan, bool *out)
{
    plait_slice word;
    if (!take_word(scan, &word))
        return false;
    *out = plait_slice_equal(word, PLAIT_LIT("TRUE"));
    return *out || plait_slice_equal(word, PLAIT_LIT("FALSE"));
}

static bool take_seconds(struct plait_scan *scan, int64_t *out)
{
    plait_slice word;
    uint64_t seconds = 0;
    if (!take_word(scan, &word) || plait_slice_to_u64(word, INT64_MAX, &seconds) != PLAIT_OK)
        return false;
    *out = (int64_t)seconds;
    return true;
}

plait_err plait__cookie_line_read(plait_slice line, struct plait__cookie_line *out, bool *is_cookie)
{
    struct plait_scan scan = plait_scan_of(line);
    memset(out, 0, sizeof(*out));
    out->http_only = plait_scan_literal(&scan, PLAIT_LIT("#HttpOnly_"));
    const plait_slice rest = plait_scan_rest(&scan);
    *is_cookie = rest.len > 0 && rest.ptr[0] != '#';
    if (!*is_cookie)
        return PLAIT_OK;
    (void)plait_scan_byte(&scan, '.');
    const bool good = take_word(&scan, &out->domain) && take_truth(&scan, &out->below) &&
                      take_word(&scan, &out->path) && take_truth(&scan, &out->secure) &&
                      take_seconds(&scan, &out->expires) && take_word(&scan, &out->name);
    out->value = plait_scan_rest(&scan);
    if (!good || out->domain.len == 0 || out->path.len == 0 || out->path.ptr[0] != '/' || out->name.len == 0 ||
        !is_harmless(out->name) || !is_harmless(out->value) || !is_harmless(out->path) ||
        out->name.len + out->value.len > PLAIT__COOKIE_MAX)
        return PLAIT_FAIL(PLAIT_EMALFORMED);
    return PLAIT_OK;
}

void plait__cookie_line_write(struct plait_buf *out, const struct plait__cookie_line *line)
{
    static const char *const truths[] = {"FALSE\t", "TRUE\t"};
    plait_buf_put_text(out, line->http_only ? "#HttpOnly_" : "");
    plait_buf_put_text(out, line->below ? "." : "");
    plait_buf_put(out, line->domain);
    plait_buf_put_u8(out, '\t');
    plait_buf_put_text(out, truths[line->below]);
    plait_buf_put(out, line->path);
    plait_buf_put_u8(out, '\t');
    plait_buf_put_text(out, truths[line->secure]);
    plait_buf_put_u64_text(out, (uint64_t)line->expires);
    plait_buf_put_u8(out, '\t');
    plait_buf_put(out, line->name);
    plait_buf_put_u8(out, '\t');
    plait_buf_put(out, line->value);
    plait_buf_put_u8(out, '\n');
}
