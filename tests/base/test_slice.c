/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/slice.c: cutting, comparing, finding, numbers.
 */
#include "tests/support/test.h"

static const plait_slice nothing = {NULL, 0};

static void a_part_is_cut_to_the_slice(void **state)
{
    (void)state;
    const plait_slice s = PLAIT_LIT("abcdef");
    assert_slice(plait_slice_sub(s, 1, 3), "bc");
    assert_slice(plait_slice_sub(s, 4, 100), "ef");
    assert_slice(plait_slice_sub(s, 100, 200), "");
    assert_slice(plait_slice_sub(s, 3, 1), "");
    assert_null(plait_slice_sub(nothing, 0, 1).ptr);
}

static void a_missing_text_is_an_empty_slice(void **state)
{
    (void)state;
    assert_int_equal(plait_slice_text(NULL).len, 0);
    assert_slice(plait_slice_text("abc"), "abc");
}

static void equal_means_the_same_bytes(void **state)
{
    (void)state;
    assert_true(plait_slice_equal(PLAIT_LIT("a\0b"), PLAIT_LIT("a\0b")));
    assert_false(plait_slice_equal(PLAIT_LIT("a\0b"), PLAIT_LIT("a\0c")));
    assert_false(plait_slice_equal(PLAIT_LIT("ab"), PLAIT_LIT("abc")));
    assert_true(plait_slice_equal(nothing, PLAIT_LIT("")));
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(plait_slice_equal_nocase(PLAIT_LIT("Content-LENGTH"), PLAIT_LIT("content-length")));
    assert_false(plait_slice_equal_nocase(PLAIT_LIT("a@"), PLAIT_LIT("a`"))); /* 0x40 and 0x60 */
    assert_true(plait_slice_equal_nocase(PLAIT_LIT("AZaz"), PLAIT_LIT("azAZ")));
    assert_false(plait_slice_equal_nocase(PLAIT_LIT("["), PLAIT_LIT("{")));
    assert_false(plait_slice_equal_nocase(PLAIT_LIT("\xc4"), PLAIT_LIT("\xe4")));
    assert_false(plait_slice_equal_nocase(PLAIT_LIT("a"), PLAIT_LIT("ab")));
    assert_true(plait_slice_equal_nocase(nothing, nothing));
}

static void secrets_compare_like_others(void **state)
{
    (void)state;
    assert_true(plait_slice_equal_secret(PLAIT_LIT("secret"), PLAIT_LIT("secret")));
    assert_false(plait_slice_equal_secret(PLAIT_LIT("secret"), PLAIT_LIT("secreT")));
    assert_false(plait_slice_equal_secret(PLAIT_LIT("Secret"), PLAIT_LIT("secret")));
    assert_false(plait_slice_equal_secret(PLAIT_LIT("secret"), PLAIT_LIT("secrets")));
    assert_true(plait_slice_equal_secret(nothing, nothing));
}

static void a_prefix_is_found_at_the_start(void **state)
{
    (void)state;
    assert_true(plait_slice_starts(PLAIT_LIT("abc"), PLAIT_LIT("ab")));
    assert_true(plait_slice_starts(PLAIT_LIT("abc"), nothing));
    assert_false(plait_slice_starts(PLAIT_LIT("abc"), PLAIT_LIT("abcd")));
    assert_false(plait_slice_starts(PLAIT_LIT("abc"), PLAIT_LIT("b")));
    assert_true(plait_slice_starts(nothing, nothing));
}

static void a_byte_is_found_from_an_offset_on(void **state)
{
    (void)state;
    const plait_slice s = PLAIT_LIT("a.b.c");
    assert_int_equal(plait_slice_find_byte(s, '.', 0), 1);
    assert_int_equal(plait_slice_find_byte(s, '.', 1), 1);
    assert_int_equal(plait_slice_find_byte(s, '.', 2), 3);
    assert_true(plait_slice_find_byte(s, '.', 4) == SIZE_MAX);
    assert_true(plait_slice_find_byte(s, '.', 5) == SIZE_MAX);
    assert_true(plait_slice_find_byte(nothing, '.', 0) == SIZE_MAX);
}

static void bytes_are_found_from_an_offset_on(void **state)
{
    (void)state;
    const plait_slice s = PLAIT_LIT("ab\r\ncd\r\n");
    assert_int_equal(plait_slice_find(s, PLAIT_LIT("\r\n"), 0), 2);
    assert_int_equal(plait_slice_find(s, PLAIT_LIT("\r\n"), 3), 6);
    assert_true(plait_slice_find(s, PLAIT_LIT("\r\n"), 7) == SIZE_MAX);
    assert_true(plait_slice_find(s, PLAIT_LIT("x"), 8) == SIZE_MAX);
    assert_int_equal(plait_slice_find(s, nothing, 5), 5);
    assert_int_equal(plait_slice_find(s, nothing, 8), 8);
    assert_true(plait_slice_find(s, nothing, 9) == SIZE_MAX);
    assert_int_equal(plait_slice_find(nothing, nothing, 0), 0);
}

static void trimming_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_slice(plait_slice_trim(PLAIT_LIT(" \t a b\t ")), "a b");
    assert_slice(plait_slice_trim(PLAIT_LIT("\r\n")), "\r\n");
    assert_slice(plait_slice_trim(PLAIT_LIT(" \t ")), "");
    assert_slice(plait_slice_trim(nothing), "");
}

static const struct {
    const char *text;
    uint64_t max;
    plait_err err;
    uint64_t value;
} numbers[] = {
    {"0", 0, PLAIT_OK, 0},
    {"007", 7, PLAIT_OK, 7},
    {"65535", 65535, PLAIT_OK, 65535},
    {"18446744073709551615", UINT64_MAX, PLAIT_OK, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, PLAIT_ELIMIT, 0},
    {"99999999999999999999999", UINT64_MAX, PLAIT_ELIMIT, 0},
    {"65536", 65535, PLAIT_ELIMIT, 0},
    {"8", 7, PLAIT_ELIMIT, 0},
    {"1", 0, PLAIT_ELIMIT, 0},
    {"", 9, PLAIT_ESYNTAX, 0},
    {"+1", 9, PLAIT_ESYNTAX, 0},
    {"-1", 9, PLAIT_ESYNTAX, 0},
    {" 1", 9, PLAIT_ESYNTAX, 0},
    {"1 ", 9, PLAIT_ESYNTAX, 0},
    {"0x1", 9, PLAIT_ESYNTAX, 0},
    {"99999a", 9, PLAIT_ESYNTAX, 0},
};

static void a_number_is_digits_up_to_a_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(numbers); i++) {
        uint64_t value = 12345;
        assert_err(plait_slice_to_u64(plait_slice_text(numbers[i].text), numbers[i].max, &value), numbers[i].err);
        assert_true(value == (numbers[i].err == PLAIT_OK ? numbers[i].value : 12345));
    }
}

TEST_MAIN(cmocka_unit_test(a_part_is_cut_to_the_slice), cmocka_unit_test(a_missing_text_is_an_empty_slice),
          cmocka_unit_test(equal_means_the_same_bytes), cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
          cmocka_unit_test(secrets_compare_like_others), cmocka_unit_test(a_prefix_is_found_at_the_start),
          cmocka_unit_test(a_byte_is_found_from_an_offset_on), cmocka_unit_test(bytes_are_found_from_an_offset_on),
          cmocka_unit_test(trimming_takes_spaces_and_tabs_only), cmocka_unit_test(a_number_is_digits_up_to_a_limit))
