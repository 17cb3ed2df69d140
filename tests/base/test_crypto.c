/* SPDX-License-Identifier: MIT
 *
 * Hashes by their published vectors, of one slice or several; secrets that are equal, and not.
 */
#include "tests/support/test.h"

#include "base/crypto.h"

static void hashes_are_the_published_ones(void **state)
{
    static const struct {
        enum plait__hash_kind kind;
        const char *a, *b, *text;
    } table[] = {
        {PLAIT__SHA256, "a", "bc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {PLAIT__SHA256, "", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {PLAIT__MD5, "message ", "digest", "f96b697d7cb7938d525a2f31aaf161d0"}, /* RFC 1321 section A.5 */
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        const plait_slice part[] = {plait_slice_text(table[i].a), plait_slice_text(table[i].b)};
        struct plait__hash hash;
        assert_true(plait__hash(&hash, table[i].kind, part, 2));
        assert_string_equal(hash.text, table[i].text);
        assert_int_equal(hash.len, strlen(table[i].text) / 2);
    }
}

static void secrets_match_when_all_of_them_does(void **state)
{
    (void)state;
    assert_true(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secret")));
    assert_true(plait__secrets_match(PLAIT_LIT(""), PLAIT_LIT("")));
    assert_false(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secre")));
    assert_false(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secreT")));
}

TEST_MAIN(cmocka_unit_test(hashes_are_the_published_ones), cmocka_unit_test(secrets_match_when_all_of_them_does))
