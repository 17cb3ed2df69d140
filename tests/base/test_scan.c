/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/scan.c: every function takes what it says, and does not move when it says no.
 */
#include "tests/support/test.h"

#include "base/text.h"

#define ASSERT_STAYS(scan, call)                                                                                       \
    do {                                                                                                               \
        const uint8_t *before_ = (scan).at;                                                                            \
        assert_false(call);                                                                                            \
        assert_ptr_equal((scan).at, before_);                                                                          \
    } while (0)

static void one_byte_is_taken_if_it_is_the_one(void **state)
{
    (void)state;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("ab"));
    ASSERT_STAYS(s, plait_scan_byte(&s, 'b'));
    assert_true(plait_scan_byte(&s, 'a'));
    assert_slice(plait_scan_rest(&s), "b");
    assert_true(plait_scan_byte(&s, 'b'));
    assert_true(plait_scan_done(&s));
    ASSERT_STAYS(s, plait_scan_byte(&s, 'b'));
}

static void literals_are_taken_whole(void **state)
{
    (void)state;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("HTTP/1.1"));
    ASSERT_STAYS(s, plait_scan_literal(&s, PLAIT_LIT("http/")));
    ASSERT_STAYS(s, plait_scan_literal(&s, PLAIT_LIT("HTTP/1.1 ")));
    assert_true(plait_scan_literal_nocase(&s, PLAIT_LIT("http/")));
    ASSERT_STAYS(s, plait_scan_literal_nocase(&s, PLAIT_LIT("1.1x")));
    ASSERT_STAYS(s, plait_scan_literal_nocase(&s, PLAIT_LIT("1.0")));
    assert_true(plait_scan_literal(&s, PLAIT_LIT("1.1")));
    assert_true(plait_scan_done(&s));
    assert_true(plait_scan_literal(&s, PLAIT_LIT("")));
}

static void everything_before_a_byte_is_taken(void **state)
{
    (void)state;
    plait_slice out;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("key=value"));
    ASSERT_STAYS(s, plait_scan_until(&s, ';', &out));
    assert_true(plait_scan_until(&s, '=', &out));
    assert_slice(out, "key");
    assert_slice(plait_scan_rest(&s), "=value");
    assert_true(plait_scan_until(&s, '=', &out));
    assert_slice(out, "");
}

static void a_run_of_a_class_is_taken(void **state)
{
    (void)state;
    plait_slice out;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("abc123"));
    ASSERT_STAYS(s, plait_scan_while(&s, plait__is_digit, &out));
    assert_true(plait_scan_while(&s, plait__is_alpha, &out));
    assert_slice(out, "abc");
    assert_true(plait_scan_while(&s, plait__is_digit, &out));
    assert_slice(out, "123");
    ASSERT_STAYS(s, plait_scan_while(&s, plait__is_digit, &out));
}

static void blanks_are_counted(void **state)
{
    (void)state;
    struct plait_scan s = plait_scan_of(PLAIT_LIT(" \t x "));
    assert_int_equal(plait_scan_blank(&s), 3);
    assert_int_equal(plait_scan_blank(&s), 0);
    assert_true(plait_scan_byte(&s, 'x'));
    assert_int_equal(plait_scan_blank(&s), 1);
    assert_int_equal(plait_scan_blank(&s), 0);
}

static const struct {
    const char *text;
    uint64_t max;
    bool is;
    uint64_t value;
    const char *rest;
} decimals[] = {
    {"0", 0, true, 0, ""},
    {"123abc", 200, true, 123, "abc"},
    {"18446744073709551615 ", UINT64_MAX, true, UINT64_MAX, " "},
    {"18446744073709551616", UINT64_MAX, false, 0, NULL},
    {"256", 255, false, 0, NULL},
    {"9", 5, false, 0, NULL},
    {"-1", 255, false, 0, NULL},
    {"", 255, false, 0, NULL},
    {"a", 255, false, 0, NULL},
};

static void decimal_digits_are_a_number_up_to_a_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(decimals); i++) {
        uint64_t value = 77;
        struct plait_scan s = plait_scan_of(plait_slice_text(decimals[i].text));
        assert_int_equal(plait_scan_u64(&s, decimals[i].max, &value), decimals[i].is);
        assert_true(value == (decimals[i].is ? decimals[i].value : 77));
        assert_slice(plait_scan_rest(&s), decimals[i].is ? decimals[i].rest : decimals[i].text);
    }
}

static void hexadecimal_digits_are_a_number_up_to_a_limit(void **state)
{
    (void)state;
    uint64_t value = 77;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("1aFg"));
    ASSERT_STAYS(s, plait_scan_hex64(&s, 0x1ae, &value));
    assert_int_equal(value, 77);
    assert_true(plait_scan_hex64(&s, 0x1af, &value));
    assert_int_equal(value, 0x1af);
    ASSERT_STAYS(s, plait_scan_hex64(&s, UINT64_MAX, &value));
    s = plait_scan_of(PLAIT_LIT("ffffffffffffffff"));
    assert_true(plait_scan_hex64(&s, UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    s = plait_scan_of(PLAIT_LIT("10000000000000000"));
    ASSERT_STAYS(s, plait_scan_hex64(&s, UINT64_MAX, &value));
}

static void binary_numbers_are_big_endian(void **state)
{
    (void)state;
    uint8_t b;
    uint16_t h;
    uint32_t w;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("\x01\x02\x03\xff\x05\x06\x07\x08"));
    assert_true(plait_scan_u8(&s, &b));
    assert_int_equal(b, 1);
    assert_true(plait_scan_u16(&s, &h));
    assert_int_equal(h, 0x0203);
    assert_true(plait_scan_u32(&s, &w));
    assert_true(w == 0xff050607);
    ASSERT_STAYS(s, plait_scan_u32(&s, &w));
    ASSERT_STAYS(s, plait_scan_u16(&s, &h));
    assert_true(plait_scan_u8(&s, &b));
    ASSERT_STAYS(s, plait_scan_u8(&s, &b));
}

static void an_exact_count_is_taken_or_nothing(void **state)
{
    (void)state;
    plait_slice out;
    struct plait_scan s = plait_scan_of(PLAIT_LIT("abcd"));
    ASSERT_STAYS(s, plait_scan_bytes(&s, 5, &out));
    assert_true(plait_scan_bytes(&s, 3, &out));
    assert_slice(out, "abc");
    assert_true(plait_scan_bytes(&s, 0, &out));
    assert_slice(out, "");
    ASSERT_STAYS(s, plait_scan_bytes(&s, SIZE_MAX, &out));
}

static void nothing_can_be_scanned(void **state)
{
    (void)state;
    plait_slice out;
    uint64_t value;
    struct plait_scan s = plait_scan_of(plait_slice_of(NULL, 0));
    assert_true(plait_scan_done(&s));
    assert_int_equal(plait_scan_rest(&s).len, 0);
    ASSERT_STAYS(s, plait_scan_byte(&s, 'a'));
    ASSERT_STAYS(s, plait_scan_until(&s, 'a', &out));
    ASSERT_STAYS(s, plait_scan_u64(&s, 1, &value));
    assert_true(plait_scan_literal(&s, PLAIT_LIT("")));
    assert_true(plait_scan_literal_nocase(&s, PLAIT_LIT("")));
    assert_true(plait_scan_bytes(&s, 0, &out));
    assert_int_equal(plait_scan_blank(&s), 0);
}

TEST_MAIN(cmocka_unit_test(one_byte_is_taken_if_it_is_the_one), cmocka_unit_test(literals_are_taken_whole),
          cmocka_unit_test(everything_before_a_byte_is_taken), cmocka_unit_test(a_run_of_a_class_is_taken),
          cmocka_unit_test(blanks_are_counted), cmocka_unit_test(decimal_digits_are_a_number_up_to_a_limit),
          cmocka_unit_test(hexadecimal_digits_are_a_number_up_to_a_limit),
          cmocka_unit_test(binary_numbers_are_big_endian), cmocka_unit_test(an_exact_count_is_taken_or_nothing),
          cmocka_unit_test(nothing_can_be_scanned))
