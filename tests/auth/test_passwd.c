/* SPDX-License-Identifier: MIT
 *
 * Changing a password file: entries made, replaced and taken out, everything else kept; disks that fail leave the old
 * file.
 */
#include "tests/auth/auth_bed.h"

#include "auth/passwd_core.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 8], beside[TEST_PATH_BYTES + 16];

/* A kernel one of whose calls on files fails: the n-th from now on. */
struct disk {
    struct bed b; /* first */
    int fail_at, calls;
    int error;
    bool full, no_random;
};

static bool fails(struct plait_sys *sys)
{
    struct disk *d = (struct disk *)sys;
    return ++d->calls == d->fail_at;
}

static int disk_openat2(struct plait_sys *sys, int dirfd, const char *name, int flags, unsigned mode, uint64_t resolve)
{
    return fails(sys) ? -EACCES
                      : plait__sys_kernel()->ops->openat2(plait__sys_kernel(), dirfd, name, flags, mode, resolve);
}

static int disk_fstat(struct plait_sys *sys, int fd, struct stat *st)
{
    return fails(sys) ? -EACCES : plait__sys_kernel()->ops->fstat(plait__sys_kernel(), fd, st);
}

static int disk_fchmodat(struct plait_sys *sys, int dir, const char *name, unsigned mode)
{
    return fails(sys) ? -EACCES : plait__sys_kernel()->ops->fchmodat(plait__sys_kernel(), dir, name, mode);
}

static ssize_t disk_pread(struct plait_sys *sys, int fd, void *buf, size_t len, off_t at)
{
    return fails(sys) ? -EACCES : plait__sys_kernel()->ops->pread(plait__sys_kernel(), fd, buf, len, at);
}

static ssize_t disk_pwrite(struct plait_sys *sys, int fd, const void *buf, size_t len, off_t at)
{
    if (((struct disk *)sys)->full)
        return 0;
    return fails(sys) ? -EACCES
                      : plait__sys_kernel()->ops->pwrite(plait__sys_kernel(), fd, buf, len < 999 ? len : 999, at);
}

static int disk_fsync(struct plait_sys *sys, int fd)
{
    return fails(sys) ? -EACCES : plait__sys_kernel()->ops->fsync(plait__sys_kernel(), fd);
}

static int disk_renameat(struct plait_sys *sys, int from_dir, const char *from, int to_dir, const char *to)
{
    return fails(sys) ? -EACCES : plait__sys_kernel()->ops->renameat(plait__sys_kernel(), from_dir, from, to_dir, to);
}

static ssize_t disk_getrandom(struct plait_sys *sys, void *buf, size_t len)
{
    return ((struct disk *)sys)->no_random ? -EIO : plait__sys_kernel()->ops->getrandom(plait__sys_kernel(), buf, len);
}

static void disk_open(struct disk *d)
{
    memset(d, 0, sizeof *d);
    bed_open(&d->b);
    d->b.job_delay = 1;
    d->b.ops.openat2 = disk_openat2;
    d->b.ops.fstat = disk_fstat;
    d->b.ops.fchmodat = disk_fchmodat;
    d->b.ops.pread = disk_pread;
    d->b.ops.pwrite = disk_pwrite;
    d->b.ops.fsync = disk_fsync;
    d->b.ops.renameat = disk_renameat;
    d->b.ops.getrandom = disk_getrandom;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/users", folder);
    (void)snprintf(beside, sizeof beside, "%s.new", path);
}

static void disk_close(struct disk *d)
{
    test_folder_remove(folder);
    bed_close(&d->b);
}

static plait_err end_of(struct disk *d, struct plait_deferred *deferred)
{
    struct ending e = {.ends = 0};
    if (plait_then(deferred, on_name, &e) != PLAIT_OK)
        return PLAIT_ENOMEM;
    while (e.ends == 0)
        bed_pass(&d->b, plait_millis(1));
    return e.err;
}

static plait_err set(struct disk *d, const char *user, const char *password)
{
    return end_of(
        d, plait_passwd_set(d->b.r, path, plait_slice_text(user), plait_slice_text(password), PLAIT_PASSWD_YESCRYPT));
}

static plait_err out(struct disk *d, const char *user)
{
    return end_of(d, plait_passwd_remove(d->b.r, path, plait_slice_text(user)));
}

static char *content(void)
{
    static char text[20000];
    FILE *file = fopen(path, "r");
    const size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        (void)fclose(file);
    text[len] = '\0';
    return text;
}

static plait_err check(struct disk *d, const char *user, const char *password)
{
    struct plait_checker *c = plait_checker_file_new(d->b.r, path);
    const struct ending e = check_alone(&d->b, c, password_login(user, password));
    plait_checker_free(&c);
    return e.err;
}

static void users_are_made_changed_and_taken_out(void **state)
{
    struct disk d;
    struct stat st;
    (void)state;
    disk_open(&d);
    assert_ok(set(&d, "ann", "one"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(strncmp(content(), "ann:$y$", 7), 0);
    assert_ok(end_of(&d, plait_passwd_set(d.b.r, path, PLAIT_LIT("bob"), PLAIT_LIT("two"), PLAIT_PASSWD_SHA512)));
    assert_non_null(strstr(content(), "\nbob:$6$"));
    assert_ok(check(&d, "ann", "one"));
    assert_ok(check(&d, "bob", "two"));
    assert_ok(set(&d, "ann", "three"));
    assert_err(check(&d, "ann", "one"), PLAIT_EACCESS);
    assert_ok(check(&d, "ann", "three"));
    assert_ok(out(&d, "ann"));
    assert_null(strstr(content(), "ann"));
    assert_err(check(&d, "ann", "three"), PLAIT_EACCESS);
    assert_ok(check(&d, "bob", "two"));
    assert_err(out(&d, "ann"), PLAIT_ENOTFOUND);
    disk_close(&d);
}

static void everything_else_is_kept(void **state)
{
    static char text[9000];
    struct disk d;
    struct stat st;
    (void)state;
    disk_open(&d);
    int len = snprintf(text, sizeof text, "# a comment\n\nann:x\n:odd\nann:y\n");
    for (int i = 0; i < 10; i++) { /* several chunks */
        memset(text + len, 'a' + i, 800);
        len += 800;
        len += snprintf(text + len, 20, ":h\n");
    }
    (void)snprintf(text + len, 20, "last:h");
    test_file_write(folder, "users", plait_slice_text(text));
    assert_int_equal(chmod(path, 0640), 0);
    assert_ok(out(&d, "ann"));
    (void)snprintf(text + strlen(text), 2, "\n");
    memmove(text + 13, text + 19, strlen(text + 19) + 1);
    memmove(text + 18, text + 24, strlen(text + 24) + 1);
    assert_string_equal(content(), text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    disk_close(&d);
}

static void a_disk_that_fails_leaves_the_old_file(void **state)
{
    struct disk d;
    plait_err err = PLAIT_EACCESS;
    (void)state;
    disk_open(&d);
    for (int n = 1; err != PLAIT_OK; n++) {
        assert_true(n < 30);
        test_file_write(folder, "users", PLAIT_LIT("ann:x\nbob:y\n"));
        d.calls = 0;
        d.fail_at = n;
        err = out(&d, "ann");
        assert_int_equal(access(beside, F_OK), -1);
        const bool renamed = strcmp(content(), "bob:y\n") == 0; /* only the sync of the folder can fail then */
        assert_true(renamed || (err == PLAIT_EACCESS && strcmp(content(), "ann:x\nbob:y\n") == 0));
    }
    assert_true(d.fail_at > 8);
    d.fail_at = 0;
    d.full = true;
    assert_err(set(&d, "carl", "x"), PLAIT_ENOSPACE);
    assert_string_equal(content(), "bob:y\n");
    disk_close(&d);
}

/* The buffer is full at each place where something may be put. */
static void a_full_disk_is_seen_wherever_the_buffer_ends(void **state)
{
    static char text[5000];
    struct disk d;
    (void)state;
    disk_open(&d);
    for (int fill = 3950; fill < 4100; fill += 2) {
        memset(text, 'x', sizeof text);
        for (int at = 500; at < fill; at += 500)
            text[at] = '\n';
        (void)snprintf(text + fill, 20, "\nann:x\nbob:y\n");
        test_file_write(folder, "users", plait_slice_text(text));
        d.full = true;
        assert_err(set(&d, "ann", "p"), PLAIT_ENOSPACE);
        assert_string_equal(content(), text);
        d.full = false;
    }
    disk_close(&d);
}

static void only_one_changes_it_at_a_time(void **state)
{
    struct disk d;
    (void)state;
    disk_open(&d);
    test_file_write(folder, "users.new", PLAIT_LIT("somebody's"));
    assert_err(set(&d, "ann", "x"), PLAIT_EBUSY);
    assert_int_equal(access(beside, F_OK), 0);
    assert_int_equal(unlink(beside), 0);
    assert_ok(set(&d, "ann", "x"));
    disk_close(&d);
}

static void what_cannot_stand_in_a_file_is_refused(void **state)
{
    static char longest[PLAIT__PASSWD_PATH_MAX + 2];
    struct disk d;
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    disk_open(&d);
    assert_err(set(&d, "a:b", "x"), PLAIT_EINVAL);
    assert_err(set(&d, "", "x"), PLAIT_EINVAL);
    assert_err(set(&d, "ann", ""), PLAIT_EINVAL);
    assert_err(set(&d, "ann", longest), PLAIT_EINVAL);
    assert_err(out(&d, "#ann"), PLAIT_EINVAL);
    const plait_slice ann = PLAIT_LIT("ann"), nul = PLAIT_LIT("a\0b");
    assert_err(end_of(&d, plait_passwd_set(d.b.r, path, ann, nul, PLAIT_PASSWD_YESCRYPT)), PLAIT_EINVAL);
    assert_err(end_of(&d, plait_passwd_remove(d.b.r, longest, ann)), PLAIT_EINVAL);
    assert_err(end_of(&d, plait_passwd_remove(d.b.r, "", ann)), PLAIT_EINVAL);
    test_file_write(folder, "users", plait_slice_text(longest));
    assert_err(set(&d, "ann", "x"), PLAIT_ETOOLONG);
    d.no_random = true;
    assert_err(set(&d, "ann", "x"), PLAIT_EIO);
    assert_int_equal(unlink(path), 0);
    assert_err(out(&d, "ann"), PLAIT_ENOTFOUND);
    assert_err(end_of(&d, plait_passwd_remove(d.b.r, "nowhere/users", ann)), PLAIT_ENOTFOUND);
    assert_err(end_of(&d, plait_passwd_remove(d.b.r, "users-that-are-not", ann)), PLAIT_ENOTFOUND);
    bed_fail(&d.b, 1);
    assert_null(plait_passwd_remove(d.b.r, path, ann));
    assert_null(plait_passwd_set(d.b.r, path, ann, ann, PLAIT_PASSWD_YESCRYPT));
    bed_heal(&d.b);
    disk_close(&d);
}

TEST_MAIN(cmocka_unit_test(users_are_made_changed_and_taken_out), cmocka_unit_test(everything_else_is_kept),
          cmocka_unit_test(a_disk_that_fails_leaves_the_old_file),
          cmocka_unit_test(a_full_disk_is_seen_wherever_the_buffer_ends),
          cmocka_unit_test(only_one_changes_it_at_a_time), cmocka_unit_test(what_cannot_stand_in_a_file_is_refused))
