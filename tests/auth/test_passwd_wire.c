/* SPDX-License-Identifier: MIT
 *
 * Lines of a password file: who they name, and what they do not.
 */
#include "tests/support/test.h"

#include "auth/passwd_wire.h"

static void a_line_names_a_user_and_a_hash(void **state)
{
    static const struct {
        const char *line, *user, *hash; /* user NULL: nobody */
    } table[] = {
        {"ann:$y$x$y", "ann", "$y$x$y"},
        {"ann:", "ann", ""},
        {"ann:a:b", "ann", "a:b"},
        {"a b\xc3\xa9:h", "a b\xc3\xa9", "h"},
        {"", NULL, NULL},
        {":h", NULL, NULL},
        {"ann", NULL, NULL},
        {"#ann:h", NULL, NULL},
        {"a\tb:h", NULL, NULL},
        {"a\x7f:h", NULL, NULL},
        {" #:h", " #", "h"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        plait_slice user, hash;
        const bool any = plait__passwd_line(plait_slice_text(table[i].line), &user, &hash);
        assert_int_equal(any, table[i].user != NULL);
        if (any) {
            assert_slice(user, table[i].user);
            assert_slice(hash, table[i].hash);
        }
    }
}

static void lengths_and_nuls_are_refused(void **state)
{
    char line[300];
    plait_slice user, hash;
    (void)state;
    memset(line, 'a', sizeof line);
    line[255] = ':';
    assert_true(plait__passwd_line(plait_slice_of(line, 260), &user, &hash));
    assert_int_equal(user.len, 255);
    line[255] = 'a';
    line[256] = ':';
    assert_false(plait__passwd_line(plait_slice_of(line, 260), &user, &hash));
    assert_false(plait__passwd_line(PLAIT_LIT("ann:h\0x"), &user, &hash));
    assert_false(plait__passwd_is_user(PLAIT_LIT("a:b")));
    assert_false(plait__passwd_is_user(PLAIT_LIT("a\nb")));
    assert_false(plait__passwd_is_user(PLAIT_LIT("")));
}

static void locked_hashes_are_none(void **state)
{
    (void)state;
    assert_true(plait__passwd_is_hash(PLAIT_LIT("$6$")));
    assert_false(plait__passwd_is_hash(PLAIT_LIT("")));
    assert_false(plait__passwd_is_hash(PLAIT_LIT("!$6$x")));
    assert_false(plait__passwd_is_hash(PLAIT_LIT("*")));
}

TEST_MAIN(cmocka_unit_test(a_line_names_a_user_and_a_hash), cmocka_unit_test(lengths_and_nuls_are_refused),
          cmocka_unit_test(locked_hashes_are_none))
