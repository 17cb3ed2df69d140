/* SPDX-License-Identifier: MIT
 *
 * AMP's single values as text: numbers, dates. Written as Twisted's Python writes them, and read as strictly as what it
 * writes allows: no spaces, underscores or plus signs in integers.
 *
 * Invariant: what is written here is read here as the same value. Nothing depends on the locale: the C library is given
 * and asked for digits without a point. Tests: tests/rpc/test_amp_values.c; fuzz/fuzz_amp.c.
 */
#include "rpc/amp_wire.h"

#include "base/text.h"
#include "base/try.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- integers ----------------------------------------------------------------------------------------------------- */

bool plait__amp_is_big_integer(plait_slice text)
{
    struct plait_scan scan = plait_scan_of(text);
    plait_slice digits;
    (void)plait_scan_byte(&scan, '-');
    return plait_scan_while(&scan, plait__is_digit, &digits) && plait_scan_done(&scan);
}

plait_err plait__amp_integer(plait_slice text, int64_t *out)
{
    struct plait_scan scan = plait_scan_of(text);
    const bool negative = plait_scan_byte(&scan, '-');
    uint64_t value;
    PLAIT_TRY(plait_slice_to_u64(plait_scan_rest(&scan), (uint64_t)INT64_MAX + negative, &value));
    *out = (int64_t)(negative ? 0 - value : value);
    return PLAIT_OK;
}

/* --- floats ------------------------------------------------------------------------------------------------------- */

enum { FLOAT_TEXT = 400, EXPONENT_MOST = 99999 };

/* A number apart: its digits as they stand, without the point, and where that stood. */
struct number {
    bool negative;
    plait_slice whole, part; /* before and behind the point */
    int64_t exponent;
};

static bool scan_exponent(struct plait_scan *scan, int64_t *out)
{
    uint64_t value;
    *out = 0;
    if (!plait_scan_byte(scan, 'e') && !plait_scan_byte(scan, 'E'))
        return true;
    const bool negative = plait_scan_byte(scan, '-');
    if (!negative)
        (void)plait_scan_byte(scan, '+');
    if (!plait_scan_u64(scan, EXPONENT_MOST, &value))
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* digits [. [digits]] or . digits, and perhaps an exponent; a sign stands before. */
static bool scan_number(plait_slice text, struct number *n)
{
    struct plait_scan scan = plait_scan_of(text);
    *n = (struct number){.negative = plait_scan_byte(&scan, '-')};
    if (!n->negative)
        (void)plait_scan_byte(&scan, '+');
    const bool whole = plait_scan_while(&scan, plait__is_digit, &n->whole);
    const bool part = plait_scan_byte(&scan, '.') && plait_scan_while(&scan, plait__is_digit, &n->part);
    return (whole || part) && scan_exponent(&scan, &n->exponent) && plait_scan_done(&scan);
}

static plait_slice unsigned_of(plait_slice text)
{
    const bool sign = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    return plait_slice_sub(text, sign, text.len);
}

static bool is_infinity(plait_slice text)
{
    const plait_slice name = unsigned_of(text);
    return plait_slice_equal_nocase(name, PLAIT_LIT("inf")) || plait_slice_equal_nocase(name, PLAIT_LIT("infinity"));
}

static double signed_of(bool negative, double value)
{
    return negative ? -value : value;
}

plait_err plait__amp_float(plait_slice text, double *out)
{
    struct number n;
    char digits[FLOAT_TEXT];
    const bool negative = text.len > 0 && text.ptr[0] == '-';
    if (is_infinity(text) || plait_slice_equal_nocase(unsigned_of(text), PLAIT_LIT("nan"))) {
        *out = signed_of(negative, is_infinity(text) ? (double)INFINITY : (double)NAN);
        return PLAIT_OK;
    }
    if (!scan_number(text, &n))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (n.whole.len + n.part.len + 16 > sizeof digits)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    (void)snprintf(digits, sizeof digits, "%.*s%.*se%lld", PLAIT_ARG(n.whole), PLAIT_ARG(n.part),
                   (long long)n.exponent - (long long)n.part.len);
    *out = signed_of(n.negative, strtod(digits, NULL));
    return PLAIT_OK;
}

/* The digits of a positive number with `precision` of them, and the power of ten of the first. */
static int digits_of(double value, int precision, char out[24])
{
    char text[40];
    size_t n = 0;
    (void)snprintf(text, sizeof text, "%.*e", precision - 1, value);
    const char *e = strchr(text, 'e');
    for (const char *at = text; at < e; at++) {
        if (plait__is_digit((uint8_t)*at))
            out[n++] = *at; /* whatever the locale's point is */
    }
    out[n] = '\0';
    return (int)strtol(e + 1, NULL, 10);
}

/* The fewest digits that give the number back, without zeroes at the end. */
static int shortest(double value, char out[24])
{
    int exponent = 0;
    for (int precision = 1; precision <= 17; precision++) {
        char text[40];
        exponent = digits_of(value, precision, out);
        (void)snprintf(text, sizeof text, "%se%d", out, exponent - precision + 1);
        if (strtod(text, NULL) == value)
            break;
    }
    return exponent;
}

static void put_zeroes(struct plait_buf *out, int count)
{
    for (int i = 0; i < count; i++)
        plait_buf_put_u8(out, '0');
}

/* As Python does: a point between -4 and 15, else an exponent of at least two digits. */
static void put_digits(struct plait_buf *out, const char *digits, int exponent)
{
    const int count = (int)strlen(digits);
    if (exponent < -4 || exponent > 15) {
        plait_buf_printf(out, "%c%s%se%c%02d", digits[0], count > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+',
                         exponent < 0 ? -exponent : exponent);
    } else if (exponent < 0) {
        plait_buf_put_text(out, "0.");
        put_zeroes(out, -exponent - 1);
        plait_buf_put_text(out, digits);
    } else if (count > exponent + 1) {
        plait_buf_printf(out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    } else {
        plait_buf_put_text(out, digits);
        put_zeroes(out, exponent + 1 - count);
        plait_buf_put_text(out, ".0");
    }
}

void plait__amp_put_float(struct plait_buf *out, double value)
{
    char digits[24] = "0";
    if (isnan(value)) {
        plait_buf_put_text(out, "nan");
        return;
    }
    if (signbit(value))
        plait_buf_put_u8(out, '-');
    if (isinf(value)) {
        plait_buf_put_text(out, "inf");
        return;
    }
    value = fabs(value);
    put_digits(out, digits, value > 0 ? shortest(value, digits) : 0);
}

/* --- decimals ----------------------------------------------------------------------------------------------------- */

static bool is_nan(plait_slice text)
{
    struct plait_scan scan = plait_scan_of(unsigned_of(text));
    plait_slice payload;
    if (!plait_scan_literal_nocase(&scan, PLAIT_LIT("nan")) && !plait_scan_literal_nocase(&scan, PLAIT_LIT("snan")))
        return false;
    (void)plait_scan_while(&scan, plait__is_digit, &payload);
    return plait_scan_done(&scan);
}

bool plait__amp_is_decimal(plait_slice text)
{
    struct number n;
    return scan_number(text, &n) || is_infinity(text) || is_nan(text);
}

/* Adds digits to a number that stays negative or zero: there is one more of those. */
static bool gather(plait_slice digits, int64_t *value)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_sub_overflow(*value, (int64_t)(digits.ptr[i] - '0'), value))
            return false;
    }
    return true;
}

plait_err plait__amp_decimal(plait_slice text, struct plait_amp_decimal *out)
{
    struct number n;
    int64_t value = 0;
    if (!scan_number(text, &n))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    if (n.part.len > EXPONENT_MOST || !gather(n.whole, &value) || !gather(n.part, &value) ||
        (!n.negative && value == INT64_MIN))
        return PLAIT_FAIL(PLAIT_ELIMIT);
    out->coefficient = n.negative ? value : -value;
    out->exponent = (int32_t)(n.exponent - (int64_t)n.part.len);
    return PLAIT_OK;
}

/* Python's str(Decimal): a point where the exponent is small and negative, else E. */
void plait__amp_put_decimal(struct plait_buf *out, struct plait_amp_decimal value)
{
    char digits[24];
    const int64_t c = value.coefficient;
    const int count =
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)(c < 0 ? 0 - (uint64_t)c : (uint64_t)c));
    const int64_t first = (int64_t)value.exponent + count - 1; /* power of ten of the first digit */
    if (c < 0)
        plait_buf_put_u8(out, '-');
    if (value.exponent > 0 || first < -6) {
        plait_buf_printf(out, "%c%s%sE%+lld", digits[0], count > 1 ? "." : "", digits + 1, (long long)first);
    } else if (value.exponent == 0) {
        plait_buf_put_text(out, digits);
    } else if (first >= 0) {
        plait_buf_printf(out, "%.*s.%s", (int)first + 1, digits, digits + first + 1);
    } else {
        plait_buf_put_text(out, "0.");
        put_zeroes(out, (int)-first - 1);
        plait_buf_put_text(out, digits);
    }
}

/* --- dates -------------------------------------------------------------------------------------------------------- */

bool plait__amp_datetime_ok(const struct plait_amp_datetime *t)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);
    if (t->year < 1 || t->year > 9999 || t->month < 1 || t->month > 12 || t->day < 1 || t->day > days[t->month - 1])
        return false;
    if (t->month == 2 && t->day == 29 && !leap)
        return false;
    if (t->hour < 0 || t->hour > 23 || t->minute < 0 || t->minute > 59 || t->second < 0 || t->second > 59)
        return false;
    return t->microsecond >= 0 && t->microsecond < 1000000 && t->offset > -1440 && t->offset < 1440;
}

/* Exactly `width` digits. */
static bool scan_digits(struct plait_scan *scan, size_t width, int *out)
{
    plait_slice digits;
    uint64_t value;
    if (!plait_scan_bytes(scan, width, &digits) || plait_slice_to_u64(digits, INT32_MAX, &value) != PLAIT_OK)
        return false;
    *out = (int)value;
    return true;
}

static bool scan_date(struct plait_scan *scan, struct plait_amp_datetime *t)
{
    return scan_digits(scan, 4, &t->year) && plait_scan_byte(scan, '-') && scan_digits(scan, 2, &t->month) &&
           plait_scan_byte(scan, '-') && scan_digits(scan, 2, &t->day) && plait_scan_byte(scan, 'T');
}

static bool scan_time(struct plait_scan *scan, struct plait_amp_datetime *t)
{
    return scan_digits(scan, 2, &t->hour) && plait_scan_byte(scan, ':') && scan_digits(scan, 2, &t->minute) &&
           plait_scan_byte(scan, ':') && scan_digits(scan, 2, &t->second) && plait_scan_byte(scan, '.') &&
           scan_digits(scan, 6, &t->microsecond);
}

static bool scan_offset(struct plait_scan *scan, struct plait_amp_datetime *t)
{
    int hours;
    int minutes;
    const bool west = plait_scan_byte(scan, '-');
    if ((!west && !plait_scan_byte(scan, '+')) || !scan_digits(scan, 2, &hours) || !plait_scan_byte(scan, ':') ||
        !scan_digits(scan, 2, &minutes) || minutes > 59)
        return false;
    t->offset = (west ? -1 : 1) * (hours * 60 + minutes);
    return plait_scan_done(scan);
}

plait_err plait__amp_datetime(plait_slice text, struct plait_amp_datetime *out)
{
    struct plait_scan scan = plait_scan_of(text);
    if (!scan_date(&scan, out) || !scan_time(&scan, out) || !scan_offset(&scan, out) || !plait__amp_datetime_ok(out))
        return PLAIT_FAIL(PLAIT_ESYNTAX);
    return PLAIT_OK;
}

/* An offset of none has the sign that Twisted gives it. */
void plait__amp_put_datetime(struct plait_buf *out, const struct plait_amp_datetime *t)
{
    const int offset = t->offset < 0 ? -t->offset : t->offset;
    plait_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02d:%02d", t->year, t->month, t->day, t->hour,
                     t->minute, t->second, t->microsecond, t->offset > 0 ? '+' : '-', offset / 60, offset % 60);
}
