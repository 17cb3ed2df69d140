/* SPDX-License-Identifier: MIT
 *
 * What the small services say (RFC 862 to 868).
 */
#include "tests/support/test.h"

#include "small/small_wire.h"

/* RFC 864: the popular pattern of 72 characters a line, turning by one. */
static void the_lines_of_the_character_generator_turn(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *line;
    } rows[] = {
        {0, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"},
        {1, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n"},
        {94, "~ !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdef\r\n"},
        {95, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        uint8_t line[PLAIT__CHARGEN_LINE];
        plait__chargen_line(rows[i].n, line);
        assert_slice(plait_slice_of(line, sizeof line), rows[i].line);
    }
}

/* The examples of RFC 868, seconds since 1900. */
static void the_time_is_counted_from_1900_in_four_bytes(void **state)
{
    (void)state;
    static const struct {
        int64_t since_1970;
        uint32_t since_1900;
    } rows[] = {
        {0, 2208988800},          /* 00:00 1 Jan 1970 */
        {189302400, 2398291200},  /* 00:00 1 Jan 1976 */
        {315532800, 2524521600},  /* 00:00 1 Jan 1980 */
        {420595200, 2629584000},  /* 00:00 1 May 1983 */
        {2085978495, 4294967295}, /* the last second before 2036 wraps */
        {2085978496, 0},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        uint8_t out[4];
        plait__time_bytes(rows[i].since_1970, out);
        const uint32_t got = (uint32_t)out[0] << 24 | (uint32_t)out[1] << 16 | (uint32_t)out[2] << 8 | out[3];
        assert_int_equal(got, rows[i].since_1900);
    }
}

static void what_is_said_at_once_is_as_the_rfcs_have_it(void **state)
{
    (void)state;
    static const struct {
        enum plait_small which;
        const char *answer;
    } rows[] = {
        {PLAIT_ECHO, ""},
        {PLAIT_DISCARD, ""},
        {PLAIT_QOTD, "a quote\r\n"},
        {PLAIT_DAYTIME, "Monday, February 22, 1982 17:37:43-UTC\r\n"}, /* the form of RFC 867 */
        {PLAIT_TIME, "\x9a\x82\x62\xe7"},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        uint8_t out[PLAIT__SMALL_ANSWER_MAX];
        const size_t n = plait__small_answer(rows[i].which, "a quote", 383247463, out);
        assert_slice(plait_slice_of(out, n), rows[i].answer);
    }
}

/* RFC 865 wants less than 512 characters, RFC 864 no more than 512. */
static void answers_keep_within_the_rfcs_lengths(void **state)
{
    (void)state;
    char quote[1000];
    uint8_t out[PLAIT__SMALL_ANSWER_MAX];
    memset(quote, 'q', sizeof quote);
    quote[509] = '\0';
    assert_int_equal(plait__small_answer(PLAIT_QOTD, quote, 0, out), 511);
    quote[509] = 'q';
    quote[999] = '\0';
    assert_int_equal(plait__small_answer(PLAIT_QOTD, quote, 0, out), 511);
    assert_memory_equal(out + 508, "q\r\n", 3);
    assert_int_equal(plait__small_answer(PLAIT_CHARGEN, quote, 0, out), 6 * 74);
    assert_memory_equal(out + 74, "!\"#", 3);
}

static void every_service_is_found_by_its_name(void **state)
{
    (void)state;
    for (int which = PLAIT_ECHO; which <= PLAIT_NETSTRING_ECHO; which++) {
        enum plait_small found;
        assert_ok(plait_small_of_name(plait_slice_text(plait_small_name((enum plait_small)which)), &found));
        assert_int_equal(found, which);
    }
    assert_string_equal(plait_small_name(PLAIT_DAYTIME), "daytime");
    enum plait_small found;
    assert_err(plait_small_of_name(PLAIT_LIT("ech"), &found), PLAIT_ENOTFOUND);
}

TEST_MAIN(cmocka_unit_test(the_lines_of_the_character_generator_turn),
          cmocka_unit_test(the_time_is_counted_from_1900_in_four_bytes),
          cmocka_unit_test(what_is_said_at_once_is_as_the_rfcs_have_it),
          cmocka_unit_test(answers_keep_within_the_rfcs_lengths), cmocka_unit_test(every_service_is_found_by_its_name))
