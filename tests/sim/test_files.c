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
    assert_int_equal(at(w.a, "/d", O_RDONLY | O_CREAT | O_DIRECTORY), -EINVAL);
    world_close(&w);
}

static void rights_of_a_folder_hold(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/d/s"};
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    assert_ok(plait_host_write_file(host, "/d/f", "x", 1));
    assert_ok(plait_host_write_file(host, "/d/e/g", "x", 1));
    assert_ok(plait_host_write_file(host, "/o/x", "x", 1));
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/d", 0500), 0);
    assert_int_equal(at(w.a, "/d/new", O_WRONLY | O_CREAT), -EACCES);
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d/new", 0755), -EACCES);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d/f", 0), -EACCES);
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/o/x", AT_FDCWD, "/d/x"), -EACCES);
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/o/x", AT_FDCWD, "/d/f"), -EACCES);
    assert_int_equal(CALL(w.a, bind, CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&un, sizeof un),
                     -EACCES);
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/d", 0700), 0);
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/d/e", 0500), 0);
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/d/e", AT_FDCWD, "/o/e"), -EACCES); /* its ".." would change */
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/d/e", AT_FDCWD, "/d/h"), 0);
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/d", 0600), 0);
    assert_int_equal(at(w.a, "/d/f", O_RDONLY), -EACCES);
    world_close(&w);
}

static void a_removed_folder_that_is_open_lists_nothing(void **state)
{
    (void)state;
    char room[64];
    struct stat st;
    struct world w = world_open();
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d", 0755), 0);
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d/e", 0755), 0);
    int dir = at(w.a, "/d/e", O_RDONLY);
    assert_int_equal(CALL(w.a, renameat, AT_FDCWD, "/d/e", AT_FDCWD, "/d"), -ENOTEMPTY);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d/e", AT_REMOVEDIR), 0);
    assert_int_equal(CALL(w.a, getdents, dir, room, sizeof room), -ENOENT);
    assert_int_equal(CALL(w.a, fstatat, dir, "../e", &st, 0), -ENOENT);
    assert_int_equal(CALL(w.a, fstatat, dir, "..", &st, 0), 0);
    world_close(&w);
}

static void files_are_read_and_written_at_their_position(void **state)
{
    (void)state;
    char text[20] = "";
    struct stat st;
    struct world w = world_open();
    assert_ok(plait_host_write_file(plait_sim_host(w.sim, "a"), "/f", "0123456789", 10));
    int fd = at(w.a, "/f", O_RDWR);
    assert_int_equal(CALL(w.a, read, fd, text, 4), 4);
    assert_int_equal(CALL(w.a, write, fd, "xy", 2), 2);
    assert_int_equal(CALL(w.a, read, fd, text, 20), 4);
    assert_memory_equal(text, "6789", 4);
    assert_int_equal(CALL(w.a, read, fd, text, 20), 0);
    assert_int_equal(CALL(w.a, pread, fd, text, 20, 0), 10);
    assert_memory_equal(text, "0123xy6789", 10);
    assert_int_equal(CALL(w.a, pread, fd, text, 20, -1), -EINVAL);
    assert_int_equal(CALL(w.a, pwrite, fd, text, 20, -1), -EINVAL);
    assert_int_equal(CALL(w.a, ftruncate, fd, -1), -EINVAL);
    assert_int_equal(CALL(w.a, ftruncate, fd, 0), 0);
    assert_int_equal(CALL(w.a, write, fd, "z", 1), 1); /* behind a gap of zeroes */
    assert_int_equal(CALL(w.a, fstatat, fd, "", &st, AT_EMPTY_PATH), 0);
    assert_int_equal(st.st_size, 11);
    CALL(w.a, close, at(w.a, "/f", O_WRONLY | O_TRUNC));
    assert_int_equal(CALL(w.a, fstat, fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    world_close(&w);
}

static void the_null_device_takes_all_and_gives_nothing(void **state)
{
    (void)state;
    char text[20];
    struct world w = world_open();
    int fd = at(w.a, "/dev/null", O_RDWR);
    assert_int_equal(CALL(w.a, write, fd, "text", 4), 4);
    assert_int_equal(CALL(w.a, pwrite, fd, "text", 4, 5), 4);
    assert_int_equal(CALL(w.a, read, fd, text, sizeof text), 0);
    assert_int_equal(CALL(w.a, fsync, fd), -EINVAL);
    world_close(&w);
}

static void what_has_no_name_in_the_tree_has_a_kind(void **state)
{
    (void)state;
    struct stat st;
    struct world w = world_open();
    int fds[2];
    CALL(w.a, pipe2, fds, 0);
    assert_int_equal(CALL(w.a, fstat, fds[0], &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(CALL(w.a, fstat, tcp_socket(w.a), &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(CALL(w.a, fstat, CALL(w.a, eventfd, 0, 0), &st), 0);
    assert_int_equal(st.st_mode & S_IFMT, 0);
    world_close(&w);
}

static void wrong_ways_to_open_have_their_errnos(void **state)
{
    (void)state;
    static char name[258] = "/", path[5000];
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/s"};
    struct world w = world_open();
    memset(name + 1, 'n', 256);
    memset(path, '/', sizeof path - 1);
    assert_ok(plait_host_write_file(plait_sim_host(w.sim, "a"), "/f", "x", 1));
    int sock = CALL(w.a, socket, AF_UNIX, SOCK_STREAM, 0), file = at(w.a, "/f", O_RDONLY);
    assert_int_equal(CALL(w.a, bind, sock, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(at(w.a, "/s", O_RDONLY), -ENXIO);
    assert_int_equal(at(w.a, "/new/", O_WRONLY | O_CREAT), -EISDIR);
    assert_int_equal(at(w.a, name, O_RDONLY), -ENAMETOOLONG);
    assert_int_equal(at(w.a, path, O_RDONLY), -ENAMETOOLONG);
    assert_true(at(w.a, "tmp", O_RDONLY) >= 0); /* the working folder is the root */
    assert_int_equal(CALL(w.a, openat2, 999, "f", O_RDONLY, 0, 0), -EBADF);
    assert_int_equal(CALL(w.a, openat2, file, "f", O_RDONLY, 0, 0), -ENOTDIR);
    assert_int_equal(CALL(w.a, openat2, sock, "f", O_RDONLY, 0, 0), -ENOTDIR);
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/d", 0755), 0);
    int gone = at(w.a, "/d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, "/d", AT_REMOVEDIR), 0);
    assert_int_equal(CALL(w.a, openat2, gone, "f", O_WRONLY | O_CREAT, 0644, 0), -ENOENT);
    assert_int_equal(CALL(w.a, mkdirat, gone, "d", 0755), -ENOENT);
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/none/d", 0755), -ENOENT);
    plait_host_set_descriptors_max(plait_sim_host(w.sim, "a"), 1);
    assert_int_equal(at(w.a, "/f", O_RDONLY), -EMFILE);
    world_close(&w);
}

static void a_folder_is_no_file(void **state)
{
    (void)state;
    char room[64];
    struct world w = world_open();
    int dir = at(w.a, "/tmp", O_RDONLY), file = at(w.a, "/tmp/f", O_WRONLY | O_CREAT);
    assert_int_equal(CALL(w.a, read, dir, room, sizeof room), -EISDIR);
    assert_int_equal(CALL(w.a, pread, dir, room, sizeof room, 0), -EISDIR);
    assert_int_equal(CALL(w.a, pread, file, room, sizeof room, 0), -EBADF);
    assert_int_equal(CALL(w.a, ftruncate, dir, 0), -EINVAL);
    assert_int_equal(CALL(w.a, getdents, file, room, sizeof room), -ENOTDIR);
    assert_int_equal(CALL(w.a, getdents, dir, room, 8), -EINVAL); /* no room for one */
    assert_int_equal(CALL(w.a, getdents, dir, room, 30), 24);     /* one at a time */
    assert_int_equal(CALL(w.a, getdents, dir, room, 30), 24);
    assert_int_equal(CALL(w.a, getdents, dir, room, 30), 24);
    assert_int_equal(CALL(w.a, getdents, dir, room, 30), 0);
    world_close(&w);
}

static void renames_and_removals_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int expected;
    } renames[] = {
        {"/none", "/x", -ENOENT},   {"/d/.", "/x", -EBUSY}, {"/f", "/d/..", -EBUSY},  {"/f", "/g/", -ENOTDIR},
        {"/d", "/f", -ENOTDIR},     {"/f", "/d", -EISDIR},  {"/e", "/d", -ENOTEMPTY}, {"/f", "/f/x", -ENOTDIR},
        {"/f", "/none/x", -ENOENT}, {"/f", "/f", 0},        {"/f", "/g", 0},          {"/e", "/e2", 0},
    };
    static const struct {
        const char *path;
        int flags, expected;
    } removals[] = {
        {"/g", AT_REMOVEDIR, -ENOTDIR}, {"/", AT_REMOVEDIR, -EBUSY}, {"/d/.", AT_REMOVEDIR, -EINVAL},
        {"/g/x", 0, -ENOTDIR},          {"/none", 0, -ENOENT},       {"/g", 0, 0},
    };
    struct world w = world_open();
    struct plait_host *host = plait_sim_host(w.sim, "a");
    assert_ok(plait_host_write_file(host, "/f", "f", 1));
    assert_ok(plait_host_write_file(host, "/g", "g", 1));
    assert_ok(plait_host_write_file(host, "/d/in", "x", 1));
    assert_int_equal(CALL(w.a, mkdirat, AT_FDCWD, "/e", 0755), 0);
    for (size_t i = 0; i < TEST_COUNT(renames); i++) {
        int res = CALL(w.a, renameat, AT_FDCWD, renames[i].from, AT_FDCWD, renames[i].to);
        if (res != renames[i].expected)
            print_error("%s to %s\n", renames[i].from, renames[i].to);
        assert_int_equal(res, renames[i].expected);
    }
    for (size_t i = 0; i < TEST_COUNT(removals); i++)
        assert_int_equal(CALL(w.a, unlinkat, AT_FDCWD, removals[i].path, removals[i].flags), removals[i].expected);
    assert_int_equal(CALL(w.a, fchmodat, AT_FDCWD, "/d/in/x", 0600), -ENOTDIR);
    assert_err(plait_host_write_file(host, "/d/in/x", "", 0), PLAIT_EINVAL);
    assert_err(plait_host_write_file(host, "/d/", "", 0), PLAIT_EINVAL);
    world_close(&w);
}

static void sending_a_file_moves_its_position(void **state)
{
    (void)state;
    char text[20];
    static char block[65536];
    struct world w = world_open();
    int fds[2];
    assert_ok(plait_host_write_file(plait_sim_host(w.sim, "a"), "/f", "0123456789", 10));
    int fd = at(w.a, "/f", O_RDONLY);
    CALL(w.a, pipe2, fds, O_NONBLOCK);
    assert_int_equal(CALL(w.a, sendfile, fds[1], fd, NULL, 4), 4);
    assert_int_equal(CALL(w.a, read, fd, text, sizeof text), 6);
    assert_int_equal(CALL(w.a, write, fds[1], block, sizeof block), 65536 - 4096);
    assert_int_equal(CALL(w.a, sendfile, fds[1], fd, &(off_t){0}, 4096), -EAGAIN);
    assert_int_equal(CALL(w.a, sendfile, fds[1], fd, &(off_t){-1}, 4), -EINVAL);
    CALL(w.a, close, fds[0]);
    assert_int_equal(CALL(w.a, sendfile, fds[1], fd, &(off_t){0}, 4096), -EPIPE);
    world_close(&w);
}

TEST_MAIN(cmocka_unit_test(what_is_written_can_be_read), cmocka_unit_test(nothing_leads_out_from_beneath),
          cmocka_unit_test(folders_are_made_listed_moved_and_removed), cmocka_unit_test(a_file_can_be_sent),
          cmocka_unit_test(permissions_of_the_owner_hold), cmocka_unit_test(rights_of_a_folder_hold),
          cmocka_unit_test(a_removed_folder_that_is_open_lists_nothing),
          cmocka_unit_test(files_are_read_and_written_at_their_position),
          cmocka_unit_test(the_null_device_takes_all_and_gives_nothing),
          cmocka_unit_test(what_has_no_name_in_the_tree_has_a_kind),
          cmocka_unit_test(wrong_ways_to_open_have_their_errnos), cmocka_unit_test(a_folder_is_no_file),
          cmocka_unit_test(renames_and_removals_that_cannot_be), cmocka_unit_test(sending_a_file_moves_its_position))
