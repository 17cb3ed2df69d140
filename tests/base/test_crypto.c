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
        {PLAIT__SHA1, "a", "bc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {PLAIT__SHA512, "a", "bc",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
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

/* RFC 2202 section 2, RFC 6070, RFC 7914 section 11 (its first 32 bytes). */
static void keyed_hashes_are_the_published_ones(void **state)
{
    struct plait__hash hash;
    (void)state;
    assert_true(plait__hmac(&hash, PLAIT__MD5, PLAIT_LIT("Jefe"), PLAIT_LIT("what do ya want for nothing?")));
    assert_string_equal(hash.text, "750c783e6ab0b503eaa86e310a5db738");
    assert_true(plait__hmac(&hash, PLAIT__SHA256, PLAIT_LIT(""), PLAIT_LIT("")));
    assert_string_equal(hash.text, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    assert_true(plait__pbkdf2(&hash, PLAIT__SHA1, PLAIT_LIT("password"), PLAIT_LIT("salt"), 4096));
    assert_string_equal(hash.text, "4b007901b765489abead49d926f721d065a429c1");
    assert_true(plait__pbkdf2(&hash, PLAIT__SHA256, PLAIT_LIT("passwd"), PLAIT_LIT("salt"), 1));
    assert_string_equal(hash.text, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

static void secrets_match_when_all_of_them_does(void **state)
{
    (void)state;
    assert_true(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secret")));
    assert_true(plait__secrets_match(PLAIT_LIT(""), PLAIT_LIT("")));
    assert_false(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secre")));
    assert_false(plait__secrets_match(PLAIT_LIT("secret"), PLAIT_LIT("secreT")));
}

TEST_MAIN(cmocka_unit_test(hashes_are_the_published_ones), cmocka_unit_test(keyed_hashes_are_the_published_ones),
          cmocka_unit_test(secrets_match_when_all_of_them_does))
