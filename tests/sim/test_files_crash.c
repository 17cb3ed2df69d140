/* SPDX-License-Identifier: MIT
 *
 * What a loss of power leaves of a simulated host's files, disks that are slow or full, and syncing that fails.
 */
#include "sim/sim_files.h"
#include "tests/sim/sim_calls.h"

#include <plait/thread.h>

#define SEEDS 200

struct disk {
    struct plait_sim *sim;
    struct plait_host *host;
    struct plait_sys *sys;
};

static struct disk disk_of_seed(uint64_t seed)
{
    struct disk d = {.sim = plait_sim_new(seed, 0)};
    assert_non_null(d.sim);
    d.host = plait_sim_host(d.sim, "host");
    d.sys = plait_host_sys(d.host);
    return d;
}

static void disk_close(struct disk *d)
{
    plait_sim_free(&d->sim);
}

static int opened(struct disk *d, const char *path, int flags)
{
    int fd = CALL(d->sys, openat2, AT_FDCWD, path, flags, 0644, 0);
    assert_true(fd >= 0);
    return fd;
}

static void write_to(struct disk *d, const char *path, const char *text, bool sync)
{
    int fd = opened(d, path, O_WRONLY | O_CREAT | O_TRUNC);
    assert_int_equal(CALL(d->sys, write, fd, text, strlen(text)), strlen(text));
    if (sync)
        assert_int_equal(CALL(d->sys, fsync, fd), 0);
    CALL(d->sys, close, fd);
}

static void sync_folder(struct disk *d, const char *path)
{
    int fd = opened(d, path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(CALL(d->sys, fsync, fd), 0);
    CALL(d->sys, close, fd);
}

static void moved(struct disk *d, const char *from, const char *to)
{
    assert_int_equal(CALL(d->sys, renameat, AT_FDCWD, from, AT_FDCWD, to), 0);
}

/* Content of a file as text, or NULL where there is none. */
static const char *content(struct disk *d, const char *path)
{
    static char text[8192];
    memset(text, 0, sizeof text);
    int fd = CALL(d->sys, openat2, AT_FDCWD, path, O_RDONLY, 0, 0);
    if (fd == -ENOENT)
        return NULL;
    assert_true(fd >= 0);
    assert_true(CALL(d->sys, pread, fd, text, sizeof text - 1, 0) >= 0);
    CALL(d->sys, close, fd);
    return text;
}

static bool holds(struct disk *d, const char *path, const char *text)
{
    const char *found = content(d, path);
    return text ? found && strcmp(found, text) == 0 : found == NULL;
}

/* --- what was synced, and what was not ---------------------------------------------------------------------------- */

typedef unsigned (*story)(struct disk *d);

/* Plays a story over many seeds; each of its outcomes (bits) must be seen, and no other. */
static void every_outcome(story tell, unsigned expected)
{
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct disk d = disk_of_seed(seed);
        seen |= tell(&d);
        disk_close(&d);
    }
    assert_int_equal(seen, expected);
}

static unsigned unsynced_write(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/f", "old", 3));
    int fd = opened(d, "/f", O_WRONLY);
    assert_int_equal(CALL(d->sys, pwrite, fd, "new", 3, 0), 3);
    assert_true(holds(d, "/f", "new"));
    sim_files_crash(d->host);
    CALL(d->sys, close, fd);
    return holds(d, "/f", "old") ? 1 : holds(d, "/f", "new") ? 2 : 4;
}

static void what_was_not_synced_may_be_lost(void **state)
{
    (void)state;
    every_outcome(unsynced_write, 1 | 2);
}

static unsigned synced_write(struct disk *d)
{
    write_to(d, "/f", "text", true);
    sync_folder(d, "/");
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : 2;
}

static void what_was_synced_stays(void **state)
{
    (void)state;
    every_outcome(synced_write, 1);
}

static unsigned synced_without_name(struct disk *d)
{
    write_to(d, "/f", "text", true);
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : holds(d, "/f", NULL) ? 2 : 4;
}

static void a_synced_file_may_lose_its_name(void **state)
{
    (void)state;
    every_outcome(synced_without_name, 1 | 2);
}

static unsigned host_crashed(struct disk *d)
{
    write_to(d, "/tmp/f", "text", true);
    (void)opened(d, "/tmp/f", O_RDONLY);
    plait_host_crash(d->host);
    plait_host_restart(d->host);
    return holds(d, "/tmp/f", "text") ? 1 : holds(d, "/tmp/f", NULL) ? 2 : 4;
}

static void a_host_without_power_loses_what_was_not_synced(void **state)
{
    (void)state;
    every_outcome(host_crashed, 1 | 2);
}

static unsigned synced_name_without_content(struct disk *d)
{
    write_to(d, "/f", "text", false);
    sync_folder(d, "/");
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : holds(d, "/f", "") ? 2 : content(d, "/f") ? 4 : 8;
}

static void a_name_can_be_safe_before_the_content(void **state)
{
    (void)state;
    every_outcome(synced_name_without_content, 1 | 2);
}

static unsigned replaced(struct disk *d, bool sync_content, bool sync_name)
{
    assert_ok(plait_host_write_file(d->host, "/d/f", "old", 3));
    write_to(d, "/d/tmp", "new", sync_content);
    moved(d, "/d/tmp", "/d/f");
    if (sync_name)
        sync_folder(d, "/d");
    sim_files_crash(d->host);
    return holds(d, "/d/f", "old") ? 1 : holds(d, "/d/f", "new") ? 2 : holds(d, "/d/f", NULL) ? 4 : 8;
}

static unsigned replaced_well(struct disk *d)
{
    return replaced(d, true, true);
}

static unsigned replaced_unsynced_folder(struct disk *d)
{
    return replaced(d, true, false);
}

static unsigned replaced_unsynced_content(struct disk *d)
{
    return replaced(d, false, true);
}

static void a_replaced_file_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    every_outcome(replaced_well, 2);
    every_outcome(replaced_unsynced_folder, 1 | 2);
    every_outcome(replaced_unsynced_content, 2 | 8); /* the classic mistake: an empty file */
}

static unsigned turned_over(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/log", "first", 5));
    moved(d, "/log", "/log.1");
    write_to(d, "/log", "second", true);
    sim_files_crash(d->host);
    return (holds(d, "/log", "first") ? 1 : 0) + (holds(d, "/log.1", "first") ? 2 : 0);
}

static void what_was_moved_away_is_never_lost(void **state)
{
    (void)state;
    every_outcome(turned_over, 1 | 2);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct disk d = disk_of_seed(seed);
        unsigned seen = turned_over(&d);
        assert_true(seen == 1 || seen == 2);
        disk_close(&d);
    }
}

static unsigned removed(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/f", "text", 4));
    assert_int_equal(CALL(d->sys, unlinkat, AT_FDCWD, "/f", 0), 0);
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : 2;
}

static unsigned removed_and_synced(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/f", "text", 4));
    assert_int_equal(CALL(d->sys, unlinkat, AT_FDCWD, "/f", 0), 0);
    sync_folder(d, "/");
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : 2;
}

static void a_removed_file_may_come_back(void **state)
{
    (void)state;
    every_outcome(removed, 1 | 2);
    every_outcome(removed_and_synced, 2);
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

static unsigned new_folder(struct disk *d)
{
    assert_int_equal(CALL(d->sys, mkdirat, AT_FDCWD, "/d", 0755), 0);
    write_to(d, "/d/f", "text", true);
    sync_folder(d, "/d");
    sim_files_crash(d->host);
    return holds(d, "/d/f", "text") ? 1 : holds(d, "/d/f", NULL) ? 2 : 4;
}

static void a_new_folder_must_be_synced_in_its_own(void **state)
{
    (void)state;
    every_outcome(new_folder, 1 | 2);
}

static unsigned moved_into_new_folder(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/f", "text", 4));
    assert_int_equal(CALL(d->sys, mkdirat, AT_FDCWD, "/d", 0755), 0);
    assert_int_equal(CALL(d->sys, mkdirat, AT_FDCWD, "/d/e", 0755), 0);
    moved(d, "/f", "/d/e/f");
    if (plait_sim_random(d->sim, 2))
        sync_folder(d, "/d/e");
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : holds(d, "/d/e/f", "text") ? 2 : 4;
}

static void a_file_moved_into_a_new_folder_is_in_one_of_the_two(void **state)
{
    (void)state;
    every_outcome(moved_into_new_folder, 1 | 2);
}

static unsigned folders_inside_out(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/p/x/y/f", "text", 4));
    assert_ok(plait_host_write_file(d->host, "/q/g", "", 0));
    moved(d, "/p/x/y", "/q/y");
    moved(d, "/p/x", "/q/y/x");
    if (plait_sim_random(d->sim, 2)) {
        sync_folder(d, "/p");
        sim_files_crash(d->host);
        return holds(d, "/q/y/f", "text") && content(d, "/q/y/x/none") == NULL ? 1 : 8;
    }
    sim_files_crash(d->host);
    return holds(d, "/q/y/f", "text") ? 1 : holds(d, "/p/x/y/f", "text") ? 2 : 8;
}

static void folders_that_change_places_are_never_lost(void **state)
{
    (void)state;
    every_outcome(folders_inside_out, 1 | 2);
}

static unsigned emptied_and_removed(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/d/f", "text", 4));
    assert_ok(plait_host_write_file(d->host, "/e/g", "", 0));
    moved(d, "/d/f", "/f");
    assert_int_equal(CALL(d->sys, unlinkat, AT_FDCWD, "/e/g", 0), 0);
    if (plait_sim_random(d->sim, 2))
        moved(d, "/d", "/e");
    else
        assert_int_equal(CALL(d->sys, unlinkat, AT_FDCWD, "/d", AT_REMOVEDIR), 0);
    if (plait_sim_random(d->sim, 4) == 0)
        sync_folder(d, "/");
    sim_files_crash(d->host);
    return holds(d, "/f", "text") ? 1 : holds(d, "/d/f", "text") ? 2 : holds(d, "/e/f", "text") ? 4 : 8;
}

static void a_folder_goes_only_with_what_was_in_it(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct disk d = disk_of_seed(seed);
        seen |= emptied_and_removed(&d);
        disk_close(&d);
    }
    assert_int_equal(seen & 8, 0);
    assert_int_equal(seen & 3, 3);
}

static unsigned changed_mode(struct disk *d)
{
    struct stat st;
    assert_ok(plait_host_write_file(d->host, "/f", "", 0));
    assert_int_equal(CALL(d->sys, fchmodat, AT_FDCWD, "/f", 0600), 0);
    sim_files_crash(d->host);
    assert_int_equal(CALL(d->sys, fstatat, AT_FDCWD, "/f", &st, 0), 0);
    return st.st_mode == (S_IFREG | 0600) ? 1 : st.st_mode == (S_IFREG | 0644) ? 2 : 4;
}

static void permissions_are_kept_or_lost(void **state)
{
    (void)state;
    every_outcome(changed_mode, 1 | 2);
}

/* --- content ------------------------------------------------------------------------------------------------------ */

static unsigned torn(struct disk *d)
{
    static char old[2048], new[2048];
    char found[2048];
    memset(old, 'o', sizeof old);
    memset(new, 'n', sizeof new);
    assert_ok(plait_host_write_file(d->host, "/f", old, sizeof old));
    int fd = opened(d, "/f", O_RDWR);
    assert_int_equal(CALL(d->sys, pwrite, fd, new, sizeof new, 0), sizeof new);
    sim_files_crash(d->host);
    assert_int_equal(CALL(d->sys, pread, fd, found, sizeof found, 0), sizeof found);
    CALL(d->sys, close, fd);
    unsigned news = 0;
    for (size_t sector = 0; sector < 4; sector++) {
        assert_memory_equal(found + sector * 512, found[sector * 512] == 'n' ? new : old, 512);
        news += found[sector * 512] == 'n';
    }
    return news == 0 ? 1 : news == 4 ? 2 : 4;
}

static void a_write_is_torn_between_sectors(void **state)
{
    (void)state;
    every_outcome(torn, 1 | 2 | 4);
}

static unsigned grown(struct disk *d)
{
    static char block[1024];
    struct stat st;
    memset(block, 'x', sizeof block);
    assert_ok(plait_host_write_file(d->host, "/f", "", 0));
    int fd = opened(d, "/f", O_RDWR);
    assert_int_equal(CALL(d->sys, pwrite, fd, block, sizeof block, 0), sizeof block);
    sim_files_crash(d->host);
    assert_int_equal(CALL(d->sys, fstat, fd, &st), 0);
    CALL(d->sys, close, fd);
    const char *found = content(d, "/f");
    return st.st_size == 0 ? 1 : st.st_size == 512 ? 2 : strlen(found) == 1024 ? 4 : found[0] == 0 ? 8 : 16;
}

static void a_file_may_become_longer_without_its_content(void **state)
{
    (void)state;
    every_outcome(grown, 1 | 2 | 4 | 8 | 16);
}

static unsigned reordered(struct disk *d)
{
    assert_ok(plait_host_write_file(d->host, "/f", "aa", 2));
    int fd = opened(d, "/f", O_RDWR);
    CALL(d->sys, pwrite, fd, "b", 1, 0);
    CALL(d->sys, pwrite, fd, "c", 1, 0);
    CALL(d->sys, ftruncate, fd, 1);
    sim_files_crash(d->host);
    CALL(d->sys, close, fd);
    return holds(d, "/f", "b") || holds(d, "/f", "ba") ? 1 : holds(d, "/f", "c") ? 2 : holds(d, "/f", "ca") ? 4 : 8;
}

static void writes_arrive_in_any_order(void **state)
{
    (void)state;
    every_outcome(reordered, 1 | 2 | 4 | 8);
}

static void the_same_seed_leaves_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        char first[2048];
        uint64_t hash = 0;
        for (int round = 0; round < 2; round++) {
            struct disk d = disk_of_seed(seed);
            (void)torn(&d);
            write_to(&d, "/a", "a", false);
            moved(&d, "/a", "/b");
            sim_files_crash(d.host);
            const char *found = content(&d, "/f");
            if (round)
                assert_memory_equal(found, first, sizeof first);
            memcpy(first, found, sizeof first);
            (void)content(&d, "/b");
            if (round)
                assert_int_equal(plait_sim_hash(d.sim), hash);
            hash = plait_sim_hash(d.sim);
            disk_close(&d);
        }
    }
}

static void what_waits_too_long_is_written_back(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(3);
    char name[32];
    int fd = opened(&d, "/many", O_WRONLY | O_CREAT);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(CALL(d.sys, write, fd, "x", 1), 1);
        (void)snprintf(name, sizeof name, "/tmp/%d", i);
        write_to(&d, name, "", false);
    }
    CALL(d.sys, close, fd);
    sim_files_crash(d.host);
    assert_true(strlen(content(&d, "/many")) >= 3000 - 1024);
    assert_non_null(content(&d, "/tmp/1000"));
    disk_close(&d);
}

/* --- the power is cut in the middle ------------------------------------------------------------------------------- */

static void after_a_cut_every_call_fails_until_the_power_is_back(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    char c;
    write_to(&d, "/f", "text", true);
    sync_folder(&d, "/");
    int fd = opened(&d, "/f", O_RDWR);
    plait_host_cut_disk(d.host, 2);
    assert_int_equal(CALL(d.sys, pwrite, fd, "next", 4, 0), 4);
    assert_int_equal(CALL(d.sys, fsync, fd), -EIO);
    assert_int_equal(CALL(d.sys, read, fd, &c, 1), -EIO);
    assert_int_equal(CALL(d.sys, write, fd, &c, 1), -EIO);
    assert_int_equal(CALL(d.sys, openat2, AT_FDCWD, "/f", O_RDONLY, 0, 0), -EIO);
    assert_int_equal(CALL(d.sys, close, fd), 0);
    plait_host_cut_disk(d.host, 0);
    assert_true(holds(&d, "/f", "text") || holds(&d, "/f", "next"));
    plait_host_cut_disk(d.host, 1);
    assert_int_equal(CALL(d.sys, openat2, AT_FDCWD, "/f", O_RDONLY, 0, 0), -EIO);
    sim_files_crash(d.host); /* the host goes too: it is still the same loss */
    assert_non_null(content(&d, "/f"));
    disk_close(&d);
}

static void a_process_that_lives_on_holds_what_is_gone(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    char text[8];
    for (int i = 0; i < 20; i++) {
        int fd = opened(&d, "/f", O_RDWR | O_CREAT | O_TRUNC);
        assert_int_equal(CALL(d.sys, write, fd, "text", 4), 4);
        sim_files_crash(d.host);
        assert_true(CALL(d.sys, pread, fd, text, 4, 0) >= 0);
        CALL(d.sys, close, fd);
    }
    disk_close(&d);
}

/* --- disks that are full, or fail, or are slow -------------------------------------------------------------------- */

static void a_full_disk_takes_a_part_and_then_nothing(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    plait_host_set_disk(d.host, &(struct plait_sim_disk){.bytes_max = 6000});
    static char block[5000];
    int fd = opened(&d, "/f", O_RDWR | O_CREAT), other = opened(&d, "/g", O_RDWR | O_CREAT);
    assert_int_equal(CALL(d.sys, write, fd, block, 5000), 5000);
    assert_int_equal(CALL(d.sys, write, other, block, 5000), 1000);
    assert_int_equal(CALL(d.sys, write, other, block, 1), -ENOSPC);
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 2, 4999), 1);
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 5000, 0), 5000);
    assert_int_equal(CALL(d.sys, ftruncate, other, 1001), -ENOSPC);
    assert_int_equal(CALL(d.sys, ftruncate, other, 500), 0);
    assert_int_equal(CALL(d.sys, write, fd, block, 0), 0);
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 5000, 5000), 500);
    assert_int_equal(CALL(d.sys, unlinkat, AT_FDCWD, "/g", 0), 0);
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 1, 5500), -ENOSPC); /* it is still open */
    CALL(d.sys, close, other);
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 1, 5500), 1);
    plait_host_set_disk(d.host, &(struct plait_sim_disk){.bytes_max = 10});
    assert_int_equal(CALL(d.sys, pwrite, fd, block, 1, 5501), -ENOSPC);
    disk_close(&d);
}

static void what_a_failed_sync_lost_is_not_written_by_the_next(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    assert_ok(plait_host_write_file(d.host, "/f", "old", 3));
    int fd = opened(&d, "/f", O_RDWR), fds[2];
    assert_ok(plait_sim_add_rule(d.sim, &(struct plait_sim_rule){.call = "fsync", .os_errno = EIO, .times = 3}));
    assert_int_equal(CALL(d.sys, pwrite, fd, "new", 3, 0), 3);
    assert_int_equal(CALL(d.sys, fsync, fd), -EIO);
    assert_int_equal(CALL(d.sys, pipe2, fds, 0), 0);
    assert_int_equal(CALL(d.sys, fsync, fds[0]), -EIO);
    assert_int_equal(CALL(d.sys, fsync, 99), -EIO);
    assert_int_equal(CALL(d.sys, fsync, fd), 0);
    assert_true(holds(&d, "/f", "new")); /* as programs see it */
    sim_files_crash(d.host);
    assert_true(holds(&d, "/f", "old"));
    disk_close(&d);
}

static void reads_that_must_not_wait_find_nothing_by_chance(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    unsigned misses = 0;
    char c;
    plait_host_set_disk(d.host, &(struct plait_sim_disk){.uncached_num = 1, .uncached_den = 4});
    assert_ok(plait_host_write_file(d.host, "/f", "x", 1));
    int fd = opened(&d, "/f", O_RDONLY);
    for (int i = 0; i < 100; i++) {
        ssize_t res = CALL(d.sys, pread_nowait, fd, &c, 1, 0);
        assert_true(res == 1 || res == -EAGAIN);
        misses += res == -EAGAIN;
        assert_int_equal(CALL(d.sys, pread, fd, &c, 1, 0), 1);
    }
    assert_in_range(misses, 10, 40);
    assert_int_equal(CALL(d.sys, pread_nowait, 99, &c, 1, 0), -EBADF);
    disk_close(&d);
}

static plait_err save(plait_value *out, void *arg)
{
    struct disk *d = arg;
    static int saved;
    write_to(d, "/f", "text", true);
    (void)content(d, "/f");
    *out = (struct plait_value){.ptr = &saved};
    return PLAIT_OK;
}

static void note_time(struct plait_result *result, void *ctx)
{
    plait_time *at = ctx;
    if (*at == 0)
        *at = result->fault.err == PLAIT_OK ? 1 : -1;
}

static void a_job_of_the_pool_waits_for_a_slow_disk(void **state)
{
    (void)state;
    const struct plait_sim_disk slow = {.read = plait_millis(4), .write = plait_millis(10), .sync = plait_millis(100)};
    struct disk d = disk_of_seed(1);
    plait_time done = 0;
    struct plait_reactor *r = plait_host_reactor(d.host);
    plait_host_set_disk(d.host, &slow);
    write_to(&d, "/before", "x", true); /* not the job's own */
    assert_ok(plait_then(plait_in_thread(r, PLAIT_LANE_FILES, save, &d, NULL), note_time, &done));
    plait_sim_run_for(d.sim, plait_millis(113));
    assert_int_equal(done, 0);
    assert_true(holds(&d, "/f", "text"));
    plait_sim_run_for(d.sim, plait_millis(3));
    assert_int_equal(done, 1);
    disk_close(&d);
}

static void a_reactor_that_ends_does_not_wait_for_a_slow_disk(void **state)
{
    (void)state;
    struct disk d = disk_of_seed(1);
    plait_time done = 0;
    plait_host_set_disk(d.host, &(struct plait_sim_disk){.sync = plait_seconds(1)});
    struct plait_reactor *r = plait_host_reactor(d.host);
    assert_ok(plait_then(plait_in_thread(r, PLAIT_LANE_FILES, save, &d, NULL), note_time, &done));
    plait_sim_run_for(d.sim, plait_millis(500));
    assert_int_equal(done, 0);
    plait_host_stop(d.host);
    assert_int_equal(done, 1);
    disk_close(&d);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void write_and_move(struct plait_host *host, struct plait_sys *sys)
{
    static char block[3000];
    int fd = CALL(sys, openat2, AT_FDCWD, "/f", O_RDWR | O_CREAT, 0644, 0);
    for (int i = 0; i < 3; i++) {
        (void)CALL(sys, pwrite, fd, block, sizeof block, i * 3000);
        (void)CALL(sys, ftruncate, fd, i * 2000);
        (void)CALL(sys, fsync, fd);
    }
    for (int i = 0; i < 2; i++) {
        (void)CALL(sys, mkdirat, AT_FDCWD, "/d", 0755);
        (void)CALL(sys, renameat, AT_FDCWD, "/f", AT_FDCWD, "/d/g");
        (void)CALL(sys, pwrite, fd, block, sizeof block, 100 + 20000 * i);
        (void)CALL(sys, renameat, AT_FDCWD, "/d/g", AT_FDCWD, "/f");
        (void)CALL(sys, openat2, AT_FDCWD, "/f", O_RDWR | O_TRUNC, 0644, 0);
        (void)CALL(sys, pwrite, fd, block, sizeof block, 100 + 40000 * i);
        if (plait_host_write_file(host, "/tmp/x", "xyz", 3) == PLAIT_OK)
            (void)CALL(sys, unlinkat, AT_FDCWD, "/tmp/x", 0);
        sim_files_crash(host);
    }
}

/* True when the heap had nothing to fail any more. */
static bool survives(uint64_t seed, uint64_t k)
{
    struct test_heap heap;
    test_heap_init(&heap, k);
    struct plait_sim *sim = plait_sim_new_with(&(struct plait_sim_options){.seed = seed, .allocator = &heap.allocator});
    struct plait_host *host = sim ? plait_sim_host(sim, "host") : NULL;
    if (host)
        write_and_move(host, plait_host_sys(host));
    bool over = heap.calls < k;
    plait_sim_free(&sim);
    assert_int_equal(heap.live, 0);
    return over;
}

static void a_world_without_memory_loses_no_block(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        for (uint64_t k = 1; !survives(seed, k); k++)
            continue;
    }
}

static void what_cannot_be_written_back_fails_the_write(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap, 0);
    struct plait_sim *sim = plait_sim_new_with(&(struct plait_sim_options){.seed = 1, .allocator = &heap.allocator});
    struct disk d = {.sim = sim, .host = plait_sim_host(sim, "host")};
    d.sys = plait_host_sys(d.host);
    int fd = opened(&d, "/f", O_RDWR | O_CREAT);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(CALL(d.sys, pwrite, fd, "x", 1, 100), 1);
    heap.fail_at = heap.calls + 1;
    assert_int_equal(CALL(d.sys, pwrite, fd, "x", 1, 100), -ENOSPC);
    assert_int_equal(CALL(d.sys, pwrite, fd, "x", 1, 100), 1);
    disk_close(&d);
    assert_int_equal(heap.live, 0);
}

TEST_MAIN(cmocka_unit_test(what_was_not_synced_may_be_lost), cmocka_unit_test(what_was_synced_stays),
          cmocka_unit_test(a_synced_file_may_lose_its_name), cmocka_unit_test(a_name_can_be_safe_before_the_content),
          cmocka_unit_test(a_replaced_file_is_the_old_or_the_new_one),
          cmocka_unit_test(what_was_moved_away_is_never_lost), cmocka_unit_test(a_removed_file_may_come_back),
          cmocka_unit_test(a_host_without_power_loses_what_was_not_synced),
          cmocka_unit_test(a_new_folder_must_be_synced_in_its_own),
          cmocka_unit_test(a_file_moved_into_a_new_folder_is_in_one_of_the_two),
          cmocka_unit_test(folders_that_change_places_are_never_lost),
          cmocka_unit_test(a_folder_goes_only_with_what_was_in_it), cmocka_unit_test(permissions_are_kept_or_lost),
          cmocka_unit_test(a_write_is_torn_between_sectors),
          cmocka_unit_test(a_file_may_become_longer_without_its_content), cmocka_unit_test(writes_arrive_in_any_order),
          cmocka_unit_test(the_same_seed_leaves_the_same), cmocka_unit_test(what_waits_too_long_is_written_back),
          cmocka_unit_test(after_a_cut_every_call_fails_until_the_power_is_back),
          cmocka_unit_test(a_process_that_lives_on_holds_what_is_gone),
          cmocka_unit_test(a_full_disk_takes_a_part_and_then_nothing),
          cmocka_unit_test(what_a_failed_sync_lost_is_not_written_by_the_next),
          cmocka_unit_test(reads_that_must_not_wait_find_nothing_by_chance),
          cmocka_unit_test(a_job_of_the_pool_waits_for_a_slow_disk),
          cmocka_unit_test(a_reactor_that_ends_does_not_wait_for_a_slow_disk),
          cmocka_unit_test(a_world_without_memory_loses_no_block),
          cmocka_unit_test(what_cannot_be_written_back_fails_the_write))
