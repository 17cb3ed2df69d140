/* SPDX-License-Identifier: MIT
 *
 * The calendar as arithmetic on days, and the date formats that protocols use.
 *
 * Invariant: civil_to_seconds(civil_from_seconds(x)) is x for every second of the years 0 to 9999.
 * Test: tests/base/test_timefmt.c.
 */
#include "base/timefmt.h"

#include "base/try.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const day_names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};

enum { DAY_SECONDS = 86400, ERA_DAYS = 146097 };

/* Days are counted in eras of 400 years that begin on the first of March, so that the leap day comes last. */
void plait__civil_from_seconds(int64_t seconds, struct plait__civil *out)
{
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    const int64_t shifted = days + 719468;
    const int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
    const int64_t day_of_era = shifted - era * ERA_DAYS;
    const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march_month = (5 * day_of_year + 2) / 153;
    out->day = (unsigned)(day_of_year - (153 * march_month + 2) / 5 + 1);
    out->month = (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);
    out->year = year_of_era + era * 400 + (out->month <= 2);
    out->hour = (unsigned)(rest / 3600);
    out->minute = (unsigned)(rest / 60 % 60);
    out->second = (unsigned)(rest % 60);
    out->weekday = (unsigned)(((days + 4) % 7 + 7) % 7);
}

int64_t plait__civil_to_seconds(const struct plait__civil *civil)
{
    const int64_t year = civil->year - (civil->month <= 2);
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t march_month = civil->month > 2 ? civil->month - 3 : civil->month + 9;
    const int64_t day_of_year = (153 * march_month + 2) / 5 + civil->day - 1;
    const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    const int64_t days = era * ERA_DAYS + day_of_era - 719468;
    return days * DAY_SECONDS + civil->hour * 3600 + civil->minute * 60 + civil->second;
}

void plait__format_http_date(int64_t seconds, char out[PLAIT__HTTP_DATE_BYTES])
{
    struct plait__civil c;
    plait__civil_from_seconds(seconds, &c);
    snprintf(out, PLAIT__HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", day_names[c.weekday], c.day % 100,
             month_names[c.month - 1], (unsigned)(c.year % 10000), c.hour, c.minute, c.second);
}

void plait__format_iso8601(int64_t seconds, uint32_t nanoseconds, char out[PLAIT__ISO8601_BYTES])
{
    struct plait__civil c;
    plait__civil_from_seconds(seconds, &c);
    snprintf(out, PLAIT__ISO8601_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(c.year % 10000),
             c.month % 100, c.day % 100, c.hour, c.minute, c.second, nanoseconds / 1000000 % 1000);
}

void plait__format_daytime(int64_t seconds, char out[PLAIT__DAYTIME_BYTES])
{
    struct plait__civil c;
    plait__civil_from_seconds(seconds, &c);
    snprintf(out, PLAIT__DAYTIME_BYTES, "%s, %s %u, %" PRId64 " %02u:%02u:%02u-UTC", day_names[c.weekday],
             month_names[c.month - 1], c.day, c.year, c.hour, c.minute, c.second);
}

/* --- reading the HTTP forms --------------------------------------------------------------------------------------- */

static bool scan_digits(struct plait_scan *scan, size_t count, unsigned *out)
{
    plait_slice text;
    uint64_t value;
    struct plait_scan at = *scan;
    if (!plait_scan_bytes(&at, count, &text) || plait_slice_to_u64(text, 9999, &value) != PLAIT_OK)
        return false;
    *scan = at;
    *out = (unsigned)value;
    return true;
}

static bool scan_month(struct plait_scan *scan, unsigned *out)
{
    for (unsigned i = 0; i < 12; i++) {
        if (plait_scan_literal(scan, plait_slice_of(month_names[i], 3))) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

static bool scan_clock(struct plait_scan *scan, struct plait__civil *c)
{
    return scan_digits(scan, 2, &c->hour) && plait_scan_byte(scan, ':') && scan_digits(scan, 2, &c->minute) &&
           plait_scan_byte(scan, ':') && scan_digits(scan, 2, &c->second);
}

/* The name of a day, short or whole. */
static bool scan_day_name(struct plait_scan *scan, bool whole)
{
    for (size_t i = 0; i < 7; i++) {
        if (plait_scan_literal(scan, whole ? plait_slice_text(day_names[i]) : plait_slice_of(day_names[i], 3)))
            return true;
    }
    return false;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool scan_imf_fixdate(struct plait_scan scan, struct plait__civil *c)
{
    unsigned year;
    if (!scan_day_name(&scan, false) || !plait_scan_literal(&scan, PLAIT_LIT(", ")) ||
        !scan_digits(&scan, 2, &c->day) || !plait_scan_byte(&scan, ' ') || !scan_month(&scan, &c->month) ||
        !plait_scan_byte(&scan, ' ') || !scan_digits(&scan, 4, &year) || !plait_scan_byte(&scan, ' ') ||
        !scan_clock(&scan, c))
        return false;
    c->year = year;
    return plait_scan_literal(&scan, PLAIT_LIT(" GMT")) && plait_scan_done(&scan);
}

/* Sunday, 06-Nov-94 08:49:37 GMT; the year is the one of its two digits that is at most 50 years ahead of now. */
static bool scan_rfc850(struct plait_scan scan, int64_t now, struct plait__civil *c)
{
    unsigned year;
    struct plait__civil today;
    if (!scan_day_name(&scan, true) || !plait_scan_literal(&scan, PLAIT_LIT(", ")) || !scan_digits(&scan, 2, &c->day) ||
        !plait_scan_byte(&scan, '-') || !scan_month(&scan, &c->month) || !plait_scan_byte(&scan, '-') ||
        !scan_digits(&scan, 2, &year) || !plait_scan_byte(&scan, ' ') || !scan_clock(&scan, c))
        return false;
    plait__civil_from_seconds(now, &today);
    c->year = today.year / 100 * 100 + year;
    if (c->year > today.year + 50)
        c->year -= 100;
    return plait_scan_literal(&scan, PLAIT_LIT(" GMT")) && plait_scan_done(&scan);
}

/* Sun Nov  6 08:49:37 1994 */
static bool scan_asctime(struct plait_scan scan, struct plait__civil *c)
{
    unsigned year;
    if (!scan_day_name(&scan, false) || !plait_scan_byte(&scan, ' ') || !scan_month(&scan, &c->month) ||
        !plait_scan_byte(&scan, ' '))
        return false;
    const bool one_digit = plait_scan_byte(&scan, ' ');
    if (!scan_digits(&scan, one_digit ? 1 : 2, &c->day) || !plait_scan_byte(&scan, ' ') || !scan_clock(&scan, c) ||
        !plait_scan_byte(&scan, ' ') || !scan_digits(&scan, 4, &year))
        return false;
    c->year = year;
    return plait_scan_done(&scan);
}

/* A date that exists comes back as itself; 31 February does not. A leap second is taken as the second before. */
static bool exists(struct plait__civil *c)
{
    struct plait__civil back;
    if (c->second == 60)
        c->second = 59;
    if (c->month < 1 || c->day < 1 || c->hour > 23 || c->minute > 59 || c->second > 59)
        return false;
    plait__civil_from_seconds(plait__civil_to_seconds(c), &back);
    return back.day == c->day && back.month == c->month;
}

plait_err plait__parse_http_date(plait_slice text, int64_t now, int64_t *out)
{
    struct plait__civil c = {.year = 0};
    const struct plait_scan scan = plait_scan_of(text);
    if (!scan_imf_fixdate(scan, &c) && !scan_rfc850(scan, now, &c) && !scan_asctime(scan, &c))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (!exists(&c))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    *out = plait__civil_to_seconds(&c);
    return PLAIT_OK;
}
