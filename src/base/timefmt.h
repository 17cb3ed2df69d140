/* SPDX-License-Identifier: MIT
 *
 * Dates as text, without the C library's time zones: everything is UTC.
 */
#ifndef PLAIT_BASE_TIMEFMT_H
#define PLAIT_BASE_TIMEFMT_H

#include <plait/bytes.h>

/* A moment in the proleptic Gregorian calendar. */
struct plait__civil {
    int64_t year;
    unsigned month, day;           /* from 1 */
    unsigned hour, minute, second; /* from 0 */
    unsigned weekday;              /* 0: Sunday */
};

/* Between seconds since 1970 and a date. to_seconds takes a date's members as they are, without a check. */
void plait__civil_from_seconds(int64_t seconds, struct plait__civil *out);
int64_t plait__civil_to_seconds(const struct plait__civil *civil);

#define PLAIT__HTTP_DATE_BYTES 30
#define PLAIT__ISO8601_BYTES 32
#define PLAIT__DAYTIME_BYTES 64

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). */
void plait__format_http_date(int64_t seconds, char out[PLAIT__HTTP_DATE_BYTES]);

/* Any of the three forms of RFC 9110 section 5.6.7; a two-digit year is read as at most 50 years ahead of `now`.
 * Errors: PLAIT_ESYNTAX. */
plait_err plait__parse_http_date(plait_slice text, int64_t now, int64_t *out) PLAIT_MUST;

/* "2026-02-03T04:05:06.789Z" (RFC 3339). */
void plait__format_iso8601(int64_t seconds, uint32_t nanoseconds, char out[PLAIT__ISO8601_BYTES]);

/* "Monday, February 22, 1982 17:37:43-UTC" (RFC 867). */
void plait__format_daytime(int64_t seconds, char out[PLAIT__DAYTIME_BYTES]);

#endif
