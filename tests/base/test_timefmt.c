/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/timefmt.c: the calendar beside the C library's, and dates as text.
 */
#include "tests/support/test.h"

#include "base/timefmt.h"

#include <time.h>

enum { RFC_EXAMPLE = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static void assert_same_as_libc(int64_t seconds)
{
    struct plait__civil c;
    const time_t t = (time_t)seconds;
    struct tm tm;
    assert_non_null(gmtime_r(&t, &tm));
    plait__civil_from_seconds(seconds, &c);
    assert_int_equal(c.year, tm.tm_year + 1900);
    assert_int_equal(c.month, tm.tm_mon + 1);
    assert_int_equal(c.day, tm.tm_mday);
    assert_int_equal(c.hour, tm.tm_hour);
    assert_int_equal(c.minute, tm.tm_min);
    assert_int_equal(c.second, tm.tm_sec);
    assert_int_equal(c.weekday, tm.tm_wday);
    assert_int_equal(plait__civil_to_seconds(&c), seconds);
}

static void every_day_of_eight_centuries_is_the_c_librarys(void **state)
{
    (void)state;
    for (int64_t day = -146097; day < 146097; day++)
        assert_same_as_libc(day * 86400);
}

static void random_seconds_are_the_c_librarys(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    const int64_t from = -62167219200; /* year 0 */
    const int64_t to = 253402300799;   /* year 9999 */
    assert_same_as_libc(from);
    assert_same_as_libc(to);
    assert_same_as_libc(-1);
    for (int i = 0; i < 100000; i++)
        assert_same_as_libc(from + (int64_t)test_random_below(&random, (uint64_t)(to - from)));
}

static void years_before_zero_are_years_too(void **state)
{
    (void)state;
    struct plait__civil c;
    plait__civil_from_seconds(-62167219201, &c);
    assert_int_equal(c.year, -1);
    assert_int_equal(c.month, 12);
    assert_int_equal(c.day, 31);
    assert_int_equal(plait__civil_to_seconds(&c), -62167219201);
}

static void dates_are_written_as_protocols_want_them(void **state)
{
    (void)state;
    char http[PLAIT__HTTP_DATE_BYTES];
    char iso[PLAIT__ISO8601_BYTES];
    char daytime[PLAIT__DAYTIME_BYTES];
    plait__format_http_date(RFC_EXAMPLE, http);
    assert_string_equal(http, "Sun, 06 Nov 1994 08:49:37 GMT");
    plait__format_http_date(0, http);
    assert_string_equal(http, "Thu, 01 Jan 1970 00:00:00 GMT");
    plait__format_iso8601(1709210096, 7999999, iso);
    assert_string_equal(iso, "2024-02-29T12:34:56.007Z");
    plait__format_daytime(383247463, daytime); /* RFC 867's example, which calls this day a Tuesday */
    assert_string_equal(daytime, "Monday, February 22, 1982 17:37:43-UTC");
}

static void years_of_any_length_stay_within_their_text(void **state)
{
    (void)state;
    char http[PLAIT__HTTP_DATE_BYTES];
    char iso[PLAIT__ISO8601_BYTES];
    char daytime[PLAIT__DAYTIME_BYTES];
    const int64_t far[] = {INT64_MAX / 2, INT64_MIN / 2, -62167219201};
    for (size_t i = 0; i < TEST_COUNT(far); i++) {
        plait__format_http_date(far[i], http);
        plait__format_iso8601(far[i], 999999999, iso);
        plait__format_daytime(far[i], daytime);
        assert_true(strlen(http) < sizeof http);
        assert_true(strlen(iso) < sizeof iso);
        assert_true(strlen(daytime) < sizeof daytime);
    }
}

/* RFC 9110 section 5.6.7; now is in 2024 unless a row says otherwise. */
static const struct {
    const char *text;
    int64_t seconds;
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE}, {"Sunday, 06-Nov-94 08:49:37 GMT", RFC_EXAMPLE},
    {"Sun Nov  6 08:49:37 1994", RFC_EXAMPLE},      {"Wed Nov 16 08:49:37 1994", RFC_EXAMPLE + 864000},
    {"Thu, 29 Feb 2024 12:34:56 GMT", 1709210096},  {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Wed, 31 Dec 1969 23:59:59 GMT", -1},          {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228799}, /* a leap second */
    {"Friday, 01-Jan-74 00:00:00 GMT", 3281990400}, /* 2074 is 50 years ahead */
    {"Friday, 01-Jan-75 00:00:00 GMT", 157766400},  /* 2075 were more, so 1975 */
};

static void the_three_forms_of_http_dates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(dates); i++) {
        int64_t seconds = 1;
        const plait_err err = plait__parse_http_date(plait_slice_text(dates[i].text), 1709210096, &seconds);
        if (err != PLAIT_OK || seconds != dates[i].seconds)
            fail_msg("%s: %s %" PRId64, dates[i].text, plait_err_name(err), seconds);
    }
}

static const char *const no_dates[] = {
    "",
    "Sun",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nev 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Wed, 29 Feb 2023 00:00:00 GMT",
    "Thu, 29 Feb 1900 00:00:00 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 PST",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 1994 GMT",
    "Sun Nov  6 08:49:37 94",
    "Sun Nov",
    "Sun Nov  6 08.49.37 1994",
};

static void what_is_no_http_date_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(no_dates); i++) {
        int64_t seconds = 7;
        const plait_err err = plait__parse_http_date(plait_slice_text(no_dates[i]), 0, &seconds);
        if (err != PLAIT_ESYNTAX || seconds != 7)
            fail_msg("\"%s\": %s", no_dates[i], plait_err_name(err));
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    for (int i = 0; i < 20000; i++) {
        char text[PLAIT__HTTP_DATE_BYTES];
        const int64_t seconds = (int64_t)test_random_below(&random, 253402300800);
        int64_t back;
        plait__format_http_date(seconds, text);
        assert_ok(plait__parse_http_date(plait_slice_text(text), 0, &back));
        assert_int_equal(back, seconds);
    }
}

TEST_MAIN(cmocka_unit_test(every_day_of_eight_centuries_is_the_c_librarys),
          cmocka_unit_test(random_seconds_are_the_c_librarys), cmocka_unit_test(years_before_zero_are_years_too),
          cmocka_unit_test(dates_are_written_as_protocols_want_them),
          cmocka_unit_test(years_of_any_length_stay_within_their_text),
          cmocka_unit_test(the_three_forms_of_http_dates_are_read), cmocka_unit_test(what_is_no_http_date_is_refused),
          cmocka_unit_test(what_is_written_is_read_back))
