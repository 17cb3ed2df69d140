/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/text.c: classes, escaping, UTF-8, percent, base64, hexadecimal.
 */
#include "tests/support/test.h"

#include "base/text.h"

static struct plait_budget heap_budget;

static int setup(void **state)
{
    (void)state;
    plait_budget_init(&heap_budget, NULL, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return heap_budget.used != 0;
}

typedef void (*encode_fn)(struct plait_buf *out, plait_slice in);
typedef plait_err (*decode_fn)(plait_slice in, struct plait_buf *out);

static void assert_encodes(encode_fn encode, plait_slice in, const char *expected)
{
    struct plait_buf out;
    plait_buf_init(&out, &heap_budget, 10000);
    encode(&out, in);
    assert_slice(plait_buf_slice(&out), expected);
    plait_buf_deinit(&out);
}

static void assert_decodes(decode_fn decode, const char *in, plait_slice expected)
{
    struct plait_buf out;
    plait_buf_init(&out, &heap_budget, 10000);
    assert_ok(decode(plait_slice_text(in), &out));
    assert_slice_is(plait_buf_slice(&out), expected);
    plait_buf_deinit(&out);
}

static void assert_refuses(decode_fn decode, const char *in)
{
    struct plait_buf out;
    plait_buf_init(&out, &heap_budget, 10000);
    const plait_err err = decode(plait_slice_text(in), &out);
    if (err != PLAIT_ESYNTAX)
        fail_msg("\"%s\" gave %s", in, plait_err_name(err));
    plait_buf_deinit(&out);
}

/* A class holds the bytes of `members` and no others. */
static void assert_class(bool (*is)(uint8_t byte), const char *members)
{
    for (unsigned b = 0; b < 256; b++) {
        const bool expected = b > 0 && strchr(members, (int)b) != NULL && b < 128;
        if (is((uint8_t)b) != expected)
            fail_msg("byte 0x%02x", b);
    }
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void classes_hold_the_bytes_of_their_definitions(void **state)
{
    (void)state;
    assert_class(plait__is_digit, DIGITS);
    assert_class(plait__is_alpha, LETTERS);
    assert_class(plait__is_alnum, DIGITS LETTERS);
    assert_class(plait__is_hex, DIGITS "abcdefABCDEF");
    assert_class(plait__is_token, DIGITS LETTERS "!#$%&'*+-.^_`|~"); /* RFC 9110 section 5.6.2 */
    assert_class(plait__is_printable, DIGITS LETTERS " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
}

static void lower_case_changes_ascii_letters_only(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 256; b++)
        assert_int_equal(plait__lower((uint8_t)b), b >= 'A' && b <= 'Z' ? b + 32 : b);
}

static void hexadecimal_digits_have_values(void **state)
{
    (void)state;
    assert_int_equal(plait__hex_value('0'), 0);
    assert_int_equal(plait__hex_value('9'), 9);
    assert_int_equal(plait__hex_value('a'), 10);
    assert_int_equal(plait__hex_value('F'), 15);
    assert_int_equal(plait__hex_value('g'), -1);
    assert_int_equal(plait__hex_value('@'), -1);
    assert_int_equal(plait__hex_value('\0'), -1);
}

static void escaped(struct plait_buf *out, plait_slice in)
{
    plait__put_escaped(out, in, 1000);
}

static void bytes_are_escaped_to_printable_text(void **state)
{
    (void)state;
    assert_encodes(escaped, PLAIT_LIT("plain \"text\""), "plain \"text\"");
    assert_encodes(escaped, PLAIT_LIT("a\r\nb\tc\\"), "a\\r\\nb\\tc\\\\");
    assert_encodes(escaped, PLAIT_LIT("\0\x1b[2J\x7f\xff"), "\\x00\\x1b[2J\\x7f\\xff");
}

static void every_byte_is_escaped_to_printable_text(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        char piece[8];
        const size_t n = plait__escape_byte((uint8_t)b, piece);
        assert_in_range(n, 1, 4);
        for (size_t i = 0; i < n; i++)
            assert_true(plait__is_printable((uint8_t)piece[i]));
        assert_true(n > 1 || (uint8_t)piece[0] == b);
    }
}

static void long_bytes_are_cut_with_a_mark(void **state)
{
    (void)state;
    struct plait_buf out;
    plait_buf_init(&out, &heap_budget, 100);
    plait__put_escaped(&out, PLAIT_LIT("12345"), 5);
    plait__put_escaped(&out, PLAIT_LIT("\n2345"), 4);
    assert_slice(plait_buf_slice(&out), "12345\\n234...");
    plait_buf_deinit(&out);
}

static void json_escaped(struct plait_buf *out, plait_slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        char piece[8];
        const size_t n = plait__escape_json(in, &i, piece);
        plait_buf_put(out, plait_slice_of(piece, n));
    }
}

static void json_strings_stay_json_whatever_is_in_them(void **state)
{
    (void)state;
    assert_encodes(json_escaped, PLAIT_LIT("a\"b\\c"), "a\\\"b\\\\c");
    assert_encodes(json_escaped, PLAIT_LIT("\n\x1f\x7f"), "\\u000a\\u001f\\u007f");
    assert_encodes(json_escaped, PLAIT_LIT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82!"),
                   "gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82!");
    assert_encodes(json_escaped, PLAIT_LIT("\xff\xc3"), "\\u00ff\\u00c3");
}

static void html_is_made_harmless(void **state)
{
    (void)state;
    assert_encodes(plait__put_html, PLAIT_LIT("<a href=\"x\">&'</a>"),
                   "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
}

/* RFC 3629 sections 3, 4 and 10. */
static const struct {
    const char *bytes;
    size_t len;
} utf8[] = {
    {"a", 1},
    {"\xc2\x80", 2},
    {"\xdf\xbf", 2},
    {"\xe0\xa0\x80", 3},
    {"\xe2\x82\xac", 3},
    {"\xed\x9f\xbf", 3},
    {"\xef\xbf\xbf", 3},
    {"\xf0\x90\x80\x80", 4},
    {"\xf1\x80\x80\x80", 4},
    {"\xf4\x8f\xbf\xbf", 4},
    {"", 0},
    {"\x80", 0},
    {"\xc0\x80", 0},         /* overlong */
    {"\xc1\xbf", 0},         /* overlong */
    {"\xe0\x9f\xbf", 0},     /* overlong */
    {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
    {"\xed\xa0\x80", 0},     /* a surrogate */
    {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", 0},
    {"\xff", 0},
    {"\xc2", 0},
    {"\xe2\x82", 0},
    {"\xe2\x82\x41", 0},
    {"\xf0\x90\x80", 0},
    {"\xf0\x90\x80\xc0", 0},
    {"\xc2\x41", 0},
};

static void utf8_is_judged_by_its_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(utf8); i++) {
        const plait_slice s = plait_slice_text(utf8[i].bytes);
        if (plait__utf8_len(s) != utf8[i].len)
            fail_msg("row %zu", i);
        assert_int_equal(plait__is_utf8(s), utf8[i].len > 0 || s.len == 0);
    }
    assert_true(plait__is_utf8(PLAIT_LIT("a\xe2\x82\xac\0z")));
    assert_false(plait__is_utf8(PLAIT_LIT("a\xe2\x82\xac\xff")));
}

static void percent_none(struct plait_buf *out, plait_slice in)
{
    plait__percent_encode(out, in, NULL);
}

static void percent_slash(struct plait_buf *out, plait_slice in)
{
    plait__percent_encode(out, in, "/");
}

static void percent_coding_keeps_what_is_unreserved(void **state)
{
    (void)state;
    assert_encodes(percent_none, PLAIT_LIT("aZ09-._~"), "aZ09-._~");
    assert_encodes(percent_none, PLAIT_LIT("a/b c%\0\xff"), "a%2Fb%20c%25%00%FF");
    assert_encodes(percent_slash, PLAIT_LIT("a/b\0c"), "a/b%00c");
}

static void percent_decoding_wants_two_digits(void **state)
{
    (void)state;
    assert_decodes(plait__percent_decode, "a%2Fb%20c%25%00%fF+", PLAIT_LIT("a/b c%\0\xff+"));
    assert_decodes(plait__percent_decode, "", PLAIT_LIT(""));
    assert_refuses(plait__percent_decode, "%");
    assert_refuses(plait__percent_decode, "a%2");
    assert_refuses(plait__percent_decode, "%g0");
    assert_refuses(plait__percent_decode, "%0g");
}

/* RFC 4648 section 10. */
static const struct {
    const char *plain, *coded;
} base64[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+"},
};

static void base64_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(base64); i++) {
        assert_encodes(plait__base64_encode, plait_slice_text(base64[i].plain), base64[i].coded);
        assert_decodes(plait__base64_decode, base64[i].coded, plait_slice_text(base64[i].plain));
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "=",    "====", "Z===",  "Zg==Zg==",   "Zg=a", "Zm9v\n",
                                      "Zm 9", "Zm-_", "Zh==", "Zm9=", "Zn==", "Zg=\n", "\xc3\xbc==", "Zm9vZ"};
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_refuses(plait__base64_decode, bad[i]);
    struct plait_buf out;
    plait_buf_init(&out, &heap_budget, 100);
    assert_err(plait__base64_decode(PLAIT_LIT("Zm\0v"), &out), PLAIT_ESYNTAX);
    plait_buf_deinit(&out);
}

static void hexadecimal_goes_both_ways(void **state)
{
    (void)state;
    assert_encodes(plait__hex_encode, PLAIT_LIT("\0\x0f\xf0\xff"), "000ff0ff");
    assert_decodes(plait__hex_decode, "000fF0Ff", PLAIT_LIT("\0\x0f\xf0\xff"));
    assert_refuses(plait__hex_decode, "0");
    assert_refuses(plait__hex_decode, "0g");
    assert_refuses(plait__hex_decode, "g0");
}

static void decoding_into_too_small_a_buffer_is_an_error(void **state)
{
    (void)state;
    static const struct {
        decode_fn decode;
        const char *text;
    } rows[] = {{plait__percent_decode, "ab"}, {plait__base64_decode, "Zm9v"}, {plait__hex_decode, "0001"}};
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct plait_buf out;
        plait_buf_init(&out, &heap_budget, 1);
        assert_err(rows[i].decode(plait_slice_text(rows[i].text), &out), PLAIT_ETOOLONG);
        plait_buf_deinit(&out);
    }
}

static void random_bytes_come_back_from_every_coding(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    static const struct {
        encode_fn encode;
        decode_fn decode;
    } rows[] = {{percent_none, plait__percent_decode},
                {plait__base64_encode, plait__base64_decode},
                {plait__hex_encode, plait__hex_decode}};
    for (int round = 0; round < 300; round++) {
        uint8_t bytes[64];
        const size_t n = test_random_below(&random, sizeof bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)test_random_u64(&random);
        struct plait_buf coded, plain;
        plait_buf_init(&coded, &heap_budget, 1000);
        plait_buf_init(&plain, &heap_budget, 1000);
        const size_t row = test_random_below(&random, 3);
        rows[row].encode(&coded, plait_slice_of(bytes, n));
        assert_ok(rows[row].decode(plait_buf_slice(&coded), &plain));
        assert_slice_is(plait_buf_slice(&plain), plait_slice_of(bytes, n));
        plait_buf_deinit(&coded);
        plait_buf_deinit(&plain);
    }
}

TEST_MAIN_WITH(setup, teardown, cmocka_unit_test(classes_hold_the_bytes_of_their_definitions),
               cmocka_unit_test(lower_case_changes_ascii_letters_only),
               cmocka_unit_test(hexadecimal_digits_have_values), cmocka_unit_test(bytes_are_escaped_to_printable_text),
               cmocka_unit_test(every_byte_is_escaped_to_printable_text),
               cmocka_unit_test(long_bytes_are_cut_with_a_mark),
               cmocka_unit_test(json_strings_stay_json_whatever_is_in_them), cmocka_unit_test(html_is_made_harmless),
               cmocka_unit_test(utf8_is_judged_by_its_table), cmocka_unit_test(percent_coding_keeps_what_is_unreserved),
               cmocka_unit_test(percent_decoding_wants_two_digits), cmocka_unit_test(base64_goes_both_ways),
               cmocka_unit_test(base64_is_strict), cmocka_unit_test(hexadecimal_goes_both_ways),
               cmocka_unit_test(decoding_into_too_small_a_buffer_is_an_error),
               cmocka_unit_test(random_bytes_come_back_from_every_coding))
