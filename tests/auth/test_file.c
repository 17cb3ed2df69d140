/* SPDX-License-Identifier: MIT
 *
 * Passwords by a file: methods of crypt(3), users who do not exist, files that can't be read, edits that count at once.
 */
#include "tests/auth/auth_bed.h"

#include "auth/passwd_core.h"

#include <crypt.h>

static char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 8];

struct filed {
    struct bed b; /* first */
    struct plait_checker *checker;
    int reads;
    ssize_t read_error;
};

static ssize_t filed_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t offset)
{
    struct filed *f = (struct filed *)sys;
    f->reads++;
    if (f->read_error)
        return f->read_error;
    return plait__sys_kernel()->ops->pread(plait__sys_kernel(), fd, buf, len < 7 ? len : 7, offset);
}

/* The hash of a password, cheap. */
static const char *hash_of(const char *password, const char *prefix)
{
    static struct crypt_data data;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    assert_non_null(crypt_gensalt_rn(prefix, 1000, "0123456789abcdef", 16, setting, sizeof setting));
    return crypt_r(password, setting, &data);
}

static void write_users(const char *text)
{
    test_file_write(folder, "users", plait_slice_text(text));
}

static void filed_open(struct filed *f)
{
    static char text[4000];
    memset(f, 0, sizeof *f);
    bed_open(&f->b);
    f->b.job_delay = 1;
    f->b.ops.pread = filed_pread;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/users", folder);
    int len = snprintf(text, sizeof text, "# people\n\nann:%s\n", hash_of("secret", "$6$"));
    len += snprintf(text + len, sizeof text - (size_t)len, "bob:%s\nann:second\n", hash_of("b", "$5$"));
    len += snprintf(text + len, sizeof text - (size_t)len, "locked:!%s\nnone:\nbad:nothing", hash_of("l", "$6$"));
    write_users(text);
    f->checker = plait_checker_file_new(f->b.r, path);
    assert_non_null(f->checker);
}

static void filed_close(struct filed *f)
{
    plait_checker_free(&f->checker);
    test_folder_remove(folder);
    bed_close(&f->b);
}

static void passwords_are_checked_by_the_file(void **state)
{
    static char longest[CRYPT_MAX_PASSPHRASE_SIZE + 1];
    static const struct {
        const char *user, *password;
        plait_err err;
    } table[] = {
        {"ann", "secret", PLAIT_OK},      {"ann", "Secret", PLAIT_EACCESS}, {"bob", "b", PLAIT_OK},
        {"bob", "secret", PLAIT_EACCESS}, {"ann", "", PLAIT_EACCESS},       {"nobody", "secret", PLAIT_EACCESS},
        {"locked", "l", PLAIT_EACCESS},   {"none", "", PLAIT_EACCESS},      {"none", "x", PLAIT_EACCESS},
        {"bad", "x", PLAIT_EACCESS},      {"a:b", "x", PLAIT_EACCESS},      {"", "x", PLAIT_EACCESS},
        {"ann", longest, PLAIT_EACCESS},
    };
    struct filed f;
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    filed_open(&f);
    for (size_t i = 0; i < TEST_COUNT(table); i++) {
        const struct ending e = check_alone(&f.b, f.checker, password_login(table[i].user, table[i].password));
        assert_err(e.err, table[i].err);
        if (e.err == PLAIT_OK)
            assert_string_equal(e.name, table[i].user);
    }
    struct plait_login nul = password_login("ann", "");
    nul.secret = PLAIT_LIT("secret\0x");
    assert_err(check_alone(&f.b, f.checker, nul).err, PLAIT_EACCESS);
    filed_close(&f);
}

static void what_the_file_says_now_counts(void **state)
{
    struct filed f;
    char text[600];
    (void)state;
    filed_open(&f);
    (void)snprintf(text, sizeof text, "ann:%s\n", hash_of("other", "$6$"));
    write_users(text);
    assert_err(check_alone(&f.b, f.checker, password_login("ann", "secret")).err, PLAIT_EACCESS);
    assert_ok(check_alone(&f.b, f.checker, password_login("ann", "other")).err);
    filed_close(&f);
}

/* Nobody's hash is yescrypt's, which a file of other hashes would give away. */
static void who_does_not_exist_is_hashed_as_others_are(void **state)
{
    struct filed f;
    (void)state;
    filed_open(&f);
    f.reads = 0;
    (void)check_alone(&f.b, f.checker, password_login("ann", "x"));
    const int reads = f.reads;
    (void)check_alone(&f.b, f.checker, password_login("nobody", "x"));
    assert_int_equal(f.reads, 2 * reads); /* the whole file, for either */
    write_users("");
    assert_err(check_alone(&f.b, f.checker, password_login("nobody", "x")).err, PLAIT_EACCESS);
    filed_close(&f);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    static char line[PLAIT__PASSWD_LINE_MAX + 3];
    struct filed f;
    (void)state;
    filed_open(&f);
    f.read_error = -EIO;
    assert_err(check_alone(&f.b, f.checker, password_login("ann", "secret")).err, PLAIT_EIO);
    f.read_error = 0;
    memset(line, 'x', sizeof line - 1);
    line[PLAIT__PASSWD_LINE_MAX] = '\n';
    write_users(line);
    assert_err(check_alone(&f.b, f.checker, password_login("ann", "secret")).err, PLAIT_EACCESS);
    line[PLAIT__PASSWD_LINE_MAX] = 'x';
    write_users(line);
    assert_err(check_alone(&f.b, f.checker, password_login("ann", "secret")).err, PLAIT_ETOOLONG);
    test_folder_remove(folder);
    test_folder_make(folder);
    struct plait_checker *gone = plait_checker_file_new(f.b.r, "/nonexistent/users");
    f.b.log_len = 0;
    assert_err(check_alone(&f.b, gone, password_login("ann", "secret")).err, PLAIT_EIO);
    assert_true(bed_logged(&f.b, "/nonexistent/users"));
    plait_checker_free(&gone);
    filed_close(&f);
}

static void paths_have_a_limit(void **state)
{
    static char text[PLAIT__PASSWD_PATH_MAX + 2];
    struct bed b;
    (void)state;
    bed_open(&b);
    memset(text, 'x', sizeof text - 1);
    assert_null(plait_checker_file_new(b.r, text));
    text[PLAIT__PASSWD_PATH_MAX] = '\0';
    struct plait_checker *c = plait_checker_file_new(b.r, text);
    assert_non_null(c);
    plait_checker_free(&c);
    bed_close(&b);
}

static void a_check_survives_any_lack_of_memory(void **state)
{
    struct filed f;
    bool whole = false;
    (void)state;
    for (uint64_t n = 1; !whole; n++) {
        assert_true(n < 50);
        filed_open(&f);
        f.b.heap.fail_at = f.b.heap.calls + n;
        const struct ending e = check_alone(&f.b, f.checker, password_login("ann", "secret"));
        whole = f.b.heap.calls < f.b.heap.fail_at;
        assert_err(e.err, whole ? PLAIT_OK : PLAIT_ENOMEM);
        filed_close(&f);
    }
}

static void a_check_can_be_cancelled(void **state)
{
    struct filed f;
    struct ending e = {.ends = 0};
    struct plait_login login = password_login("ann", "secret");
    (void)state;
    filed_open(&f);
    f.b.job_delay = plait_seconds(1);
    struct plait_deferred *d = f.checker->ops->check(&login, f.checker->ctx);
    assert_ok(plait_then(d, on_name, &e));
    plait_deferred_cancel(d);
    bed_pass(&f.b, plait_seconds(2));
    assert_int_equal(e.ends, 1);
    assert_err(e.err, PLAIT_ECANCELLED);
    assert_int_equal(f.b.log_len, 0);
    filed_close(&f);
}

TEST_MAIN(cmocka_unit_test(passwords_are_checked_by_the_file), cmocka_unit_test(what_the_file_says_now_counts),
          cmocka_unit_test(who_does_not_exist_is_hashed_as_others_are),
          cmocka_unit_test(a_file_that_cannot_be_read_is_told), cmocka_unit_test(paths_have_a_limit),
          cmocka_unit_test(a_check_survives_any_lack_of_memory), cmocka_unit_test(a_check_can_be_cancelled))
