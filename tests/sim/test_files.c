/* SPDX-License-Identifier: MIT
 *
 * The file tree of a simulated host.
 */
#include "tests/sim/sim_calls.h"

#include <dirent.h>
#include <linux/openat2.h>

static int at(struct plait_sys *host, const char *path, int flags)
{
    return CALL(host, openat2, AT_FDCWD, path, flags, 0644, 0);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    char text[20] = "";
    struct stat st;
    struct world w = world_open();
    int fd = at(w.a, "/tmp/f", O_RDWR | O_CREAT | O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(at(w.a, "/tmp/f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(CALL(w.a, write, fd, "hello", 5), 5);
    assert_int_equal(CALL(w.a, pwrite, fd, "y", 1, 7), 1);
    assert_int_equal(CALL(w.a, pread, fd, text, 20, 0), 8);
    assert_memory_equal(text, "hello\0\0y", 8);
    assert_int_equal(CALL(w.a, ftruncate, fd, 2), 0);
    assert_int_equal(CALL(w.a, fsync, fd), 0);
    assert_int_equal(CALL(w.a, fstat, fd, &st), 0);
    assert_int_equal(st.st_size, 2);
    int append = at(w.a, "/tmp/f", O_WRONLY | O_APPEND);
    assert_int_equal(CALL(w.a, write, append, "p", 1), 1);
    assert_int_equal(CALL(w.a, pread_nowait, fd, text, 20, 1), 2);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/tmp/f", 0), 0);
    assert_int_equal(CALL(w.a, pread, fd, text, 20, 0), 3); /* open, though nameless */
    assert_int_equal(at(w.a, "/tmp/f", O_RDONLY), -ENOENT);
    world_close(&w);
}

static void nothing_leads_out_from_beneath(void **state)
{
    (void)state;
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    assert_ok(plait_host_write_file(host, "/srv/www/index.html", "x", 1));
    assert_ok(plait_host_write_file(host, "/srv/secret", "x", 1));
    int dir = at(w.a, "/srv/www", O_RDONLY | O_DIRECTORY);
    static const struct {
        const char *path;
        int expected;
    } cases[] = {
        {"index.html", 0},
        {"./index.html", 0},
        {"../secret", -EXDEV},
        {"/srv/secret", -EXDEV},
        {"x/../index.html", -ENOENT},
        {"index.html/", -ENOTDIR},
        {"index.html/x", -ENOTDIR},
        {"", -ENOENT},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int fd = CALL(w.a, openat2, dir, cases[i].path, O_RDONLY, 0, RESOLVE_BENEATH);
        assert_int_equal(fd < 0 ? fd : 0, cases[i].expected);
    }
    assert_true(CALL(w.a, openat2, dir, "../secret", O_RDONLY, 0, 0) >= 0);
    world_close(&w);
}

static void folders_are_made_listed_moved_and_removed(void **state)
{
    (void)state;
    char room[1024];
    struct world w = world_open();
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d", 0755), 0);
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d", 0755), -EEXIST);
    CALL(w.a, close, at(w.a, "/d/one", O_WRONLY | O_CREAT));
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/d/one", AT_FDCWD, "/d/two"), 0);
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/d", AT_FDCWD, "/d/in"), -EINVAL);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d", AT_REMOVEDIR), -ENOTEMPTY);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d", 0), -EISDIR);
    int dir = at(w.a, "/d", O_RDONLY | O_DIRECTORY);
    ssize_t n = CALL(w.a, getdents, dir, room, sizeof room);
    assert_true(n > 0);
    struct dirent64 *entry = (struct dirent64 *)(void *)room;
    assert_string_equal(entry->d_name, ".");
    entry = (struct dirent64 *)(void *)((char *)entry + entry->d_reclen);
    assert_string_equal(entry->d_name, "..");
    entry = (struct dirent64 *)(void *)((char *)entry + entry->d_reclen);
    assert_string_equal(entry->d_name, "two");
    assert_int_equal(entry->d_type, DT_REG);
    assert_int_equal(CALL(w.a, getdents, dir, room, sizeof room), 0);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d/two", 0), 0);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d", AT_REMOVEDIR), 0);
    world_close(&w);
}

static void a_file_can_be_sent(void **state)
{
    (void)state;
    struct pair p = tcp_pair_open();
    off_t offset = 2;
    assert_ok(plait_host_write_file(plait_sim_host(p.w.sim, "a"), "/f", "0123456789", 10));
    int fd = at(p.w.a, "/f", O_RDONLY);
    assert_int_equal(CALL(p.w.a, sendfile, p.a.fd, fd, &offset, 5), 5);
    assert_int_equal(offset, 7);
    assert_string_equal(take(p.b), "23456");
    assert_int_equal(CALL(p.w.a, sendfile, p.a.fd, fd, &offset, 50), 3);
    assert_int_equal(CALL(p.w.a, sendfile, p.a.fd, fd, &offset, 50), 0);
    assert_int_equal(CALL(p.w.a, sendfile, p.a.fd, p.a.fd, NULL, 50), -EINVAL);
    pair_close(&p);
}

static void permissions_of_the_owner_hold(void **state)
{
    (void)state;
    struct world w = world_open();
    assert_ok(plait_host_write_file(plait_sim_host(w.sim, "a"), "/f", "x", 1));
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/f", 0400), 0);
    assert_int_equal(at(w.a, "/f", O_WRONLY), -EACCES);
    assert_true(at(w.a, "/f", O_RDONLY) >= 0);
    assert_int_equal(at(w.a, "/", O_WRONLY), -EISDIR);
    assert_int_equal(at(w.a, "/f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(what_is_written_can_be_read), cmocka_unit_test(nothing_leads_out_from_beneath),
          cmocka_unit_test(folders_are_made_listed_moved_and_removed), cmocka_unit_test(a_file_can_be_sent),
          cmocka_unit_test(permissions_of_the_owner_hold))
