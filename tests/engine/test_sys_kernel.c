/* SPDX-License-Identifier: MIT
 *
 * Tests of src/engine/sys_kernel.c: each entry of the table is its call, with -errno for a failure. Sockets are tested
 * through the streams.
 */
#include "tests/engine/bed.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static const struct plait_sys_ops *ops(void)
{
    return plait__sys_kernel()->ops;
}

static struct plait_sys *sys(void)
{
    return plait__sys_kernel();
}

static void files_and_folders_work_through_the_table(void **state)
{
    char folder[TEST_PATH_BYTES];
    struct stat st;
    char bytes[4096];
    (void)state;
    test_folder_make(folder);
    const int dir = ops()->openat2(sys(), AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    assert_true(dir >= 0);
    assert_int_equal(ops()->mkdirat(sys(), dir, "sub", 0700), 0);
    assert_int_equal(ops()->mkdirat(sys(), dir, "sub", 0700), -EEXIST);
    const int fd = ops()->openat2(sys(), dir, "sub/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600, 0);
    assert_true(fd >= 0);
    assert_int_equal(ops()->pwrite(sys(), fd, "0123456789", 10, 0), 10);
    assert_int_equal(ops()->ftruncate(sys(), fd, 4), 0);
    assert_int_equal(ops()->fsync(sys(), fd), 0);
    assert_int_equal(ops()->pread(sys(), fd, bytes, sizeof bytes, 1), 3);
    assert_int_equal(ops()->write(sys(), fd, "x", 1), 1);
    assert_int_equal(ops()->fstat(sys(), fd, &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(ops()->fchmodat(sys(), dir, "sub/file", 0640), 0);
    assert_int_equal(ops()->fstatat(sys(), dir, "sub/file", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(ops()->renameat(sys(), dir, "sub/file", dir, "moved"), 0);
    assert_int_equal(ops()->fstatat(sys(), dir, "sub/file", &st, 0), -ENOENT);
    assert_true(ops()->getdents(sys(), dir, bytes, sizeof bytes) > 0);
    assert_int_equal(ops()->unlinkat(sys(), dir, "moved", 0), 0);
    assert_int_equal(ops()->unlinkat(sys(), dir, "sub", AT_REMOVEDIR), 0);
    assert_int_equal(ops()->isatty(sys(), fd), 0);
    assert_int_equal(ops()->close(sys(), fd), 0);
    assert_int_equal(ops()->close(sys(), fd), -EBADF);
    assert_int_equal(ops()->isatty(sys(), fd), -EBADF);
    assert_int_equal(ops()->close(sys(), dir), 0);
    test_folder_remove(folder);
}

static void pipes_and_what_is_left_work_through_the_table(void **state)
{
    int fd[2];
    char byte;
    (void)state;
    assert_int_equal(ops()->pipe2(sys(), fd, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(ops()->read(sys(), fd[0], &byte, 1), -EAGAIN);
    int pair[2];
    assert_int_equal(ops()->socketpair(sys(), AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(ops()->if_nametoindex(sys(), "lo"), 1);
    assert_int_equal(ops()->if_nametoindex(sys(), "no-such-interface"), 0);
    setenv("PLAIT_TEST_WORD", "there", 1);
    assert_string_equal(ops()->env(sys(), "PLAIT_TEST_WORD"), "there");
    ops()->unsetenv(sys(), "PLAIT_TEST_WORD");
    assert_null(ops()->env(sys(), "PLAIT_TEST_WORD"));
    assert_int_equal(ops()->job_delay(sys()), 0);
    assert_int_equal(ops()->job_cost(sys()), 0);
    close(fd[0]);
    close(fd[1]);
}

TEST_MAIN(cmocka_unit_test(files_and_folders_work_through_the_table),
          cmocka_unit_test(pipes_and_what_is_left_work_through_the_table))
