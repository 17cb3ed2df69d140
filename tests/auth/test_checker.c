/* SPDX-License-Identifier: MIT
 *
 * Checkers: everybody, users and tokens known by heart, proofs; destroyed once, also without memory.
 */
#include "tests/auth/auth_bed.h"

static void everybody_is_let_in_as_nobody(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_checker *c = plait_checker_anonymous_new(b.r);
    const struct ending e = check_alone(&b, c, (struct plait_login){.kind = PLAIT_LOGIN_ANONYMOUS});
    assert_ok(e.err);
    assert_string_equal(e.name, "");
    plait_checker_free(&c);
    assert_null(c);
    plait_checker_free(&c);
    bed_close(&b);
}

static struct plait_checker *memory_of_three(struct bed *b)
{
    struct plait_checker *c = plait_checker_memory_new(b->r);
    assert_non_null(c);
    assert_ok(plait_checker_memory_user(c, PLAIT_LIT("ann"), PLAIT_LIT("secret")));
    assert_ok(plait_checker_memory_user(c, PLAIT_LIT("bob"), PLAIT_LIT("s")));
    assert_ok(plait_checker_memory_token(c, PLAIT_LIT("t0ken"), PLAIT_LIT("robot")));
    return c;
}

static void passwords_and_tokens_are_known_by_heart(void **state)
{
    static const struct {
        const char *user, *secret;
        plait_err err;
    } table[] = {
        {"ann", "secret", PLAIT_OK}, {"bob", "s", PLAIT_OK},      {"ann", "secre", PLAIT_EACCESS},
        {"ann", "", PLAIT_EACCESS},  {"ann", "s", PLAIT_EACCESS}, {"carl", "nobody's password", PLAIT_EACCESS},
        {"", "", PLAIT_EACCESS},     {NULL, "t0ken", PLAIT_OK},   {NULL, "token", PLAIT_EACCESS},
        {NULL, "", PLAIT_EACCESS},
    };
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_checker *c = memory_of_three(&b);
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        const struct ending e = check_alone(
            &b, c, table[i].user ? password_login(table[i].user, table[i].secret) : token_login(table[i].secret));
        assert_err(e.err, table[i].err);
        if (e.err == PLAIT_OK)
            assert_string_equal(e.name, table[i].user ? table[i].user : "robot");
    }
    plait_checker_free(&c);
    bed_close(&b);
}

static bool is_secret(plait_slice password, void *ctx)
{
    ++*(int *)ctx;
    return plait_slice_equal(password, PLAIT_LIT("secret")) ||
           plait_slice_equal(password, PLAIT_LIT("nobody's password"));
}

static void a_proof_is_judged_by_who_brings_it(void **state)
{
    struct bed b;
    int asked = 0;
    struct plait_login login = {.kind = PLAIT_LOGIN_PROOF, .proves = is_secret, .ctx = &asked};
    (void)state;
    bed_open(&b);
    struct plait_checker *c = memory_of_three(&b);
    login.user = PLAIT_LIT("ann");
    assert_ok(check_alone(&b, c, login).err);
    login.user = PLAIT_LIT("bob");
    assert_err(check_alone(&b, c, login).err, PLAIT_EACCESS);
    login.user = PLAIT_LIT("nobody"); /* judged all the same, and never right */
    assert_err(check_alone(&b, c, login).err, PLAIT_EACCESS);
    assert_int_equal(asked, 3);
    plait_checker_free(&c);
    bed_close(&b);
}

static void what_cannot_be_known_is_refused(void **state)
{
    static const uint8_t much[PLAIT_LOGIN_SECRET_MAX + 1];
    const plait_slice long_user = plait_slice_of(much, PLAIT_LOGIN_USER_MAX + 1);
    const plait_slice long_secret = plait_slice_of(much, sizeof much);
    const plait_slice x = PLAIT_LIT("x"), empty = PLAIT_LIT("");
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_checker *c = memory_of_three(&b);
    assert_err(plait_checker_memory_user(c, PLAIT_LIT("ann"), x), PLAIT_EEXISTS);
    assert_err(plait_checker_memory_user(c, empty, x), PLAIT_EINVAL);
    assert_err(plait_checker_memory_user(c, x, empty), PLAIT_EINVAL);
    assert_err(plait_checker_memory_user(c, long_user, x), PLAIT_EINVAL);
    assert_err(plait_checker_memory_user(c, x, long_secret), PLAIT_EINVAL);
    assert_ok(plait_checker_memory_user(c, plait_slice_of(much, PLAIT_LOGIN_USER_MAX),
                                        plait_slice_of(much, PLAIT_LOGIN_SECRET_MAX)));
    assert_err(plait_checker_memory_token(c, PLAIT_LIT("t0ken"), x), PLAIT_EEXISTS);
    assert_err(plait_checker_memory_token(c, empty, x), PLAIT_EINVAL);
    assert_err(plait_checker_memory_token(c, x, empty), PLAIT_EINVAL);
    plait_checker_free(&c);
    bed_close(&b);
}

static void without_memory_nothing_is_left(void **state)
{
    struct bed b;
    (void)state;
    bed_open(&b);
    struct plait_checker *c = memory_of_three(&b);
    for (uint64_t n = 1; n <= 2; n++) { /* the user, the table's entry */
        b.heap.fail_at = b.heap.calls + n;
        assert_err(plait_checker_memory_user(c, PLAIT_LIT("dora"), PLAIT_LIT("x")), PLAIT_ENOMEM);
    }
    bed_fail(&b, 1);
    const struct ending e = check_alone(&b, c, password_login("ann", "secret"));
    assert_err(e.err, PLAIT_ENOMEM);
    struct plait_checker *none = plait_checker_memory_new(b.r);
    assert_null(none);
    assert_null(plait_checker_anonymous_new(b.r));
    assert_null(plait_checker_file_new(b.r, "users"));
    bed_fail(&b, 2);
    none = plait_checker_memory_new(b.r); /* destroyed, as there is no checker */
    assert_null(none);
    bed_heal(&b);
    plait_checker_free(&c);
    bed_close(&b);
}

TEST_MAIN(cmocka_unit_test(everybody_is_let_in_as_nobody), cmocka_unit_test(passwords_and_tokens_are_known_by_heart),
          cmocka_unit_test(a_proof_is_judged_by_who_brings_it), cmocka_unit_test(what_cannot_be_known_is_refused),
          cmocka_unit_test(without_memory_nothing_is_left))
