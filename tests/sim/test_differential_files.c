/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel tells the truth about files: random sequences of calls on a tree run on the real kernel and on a
 * simulated host, and results, errnos, content and what stat says must be the same. docs/sim.md lists what may differ.
 * Who runs it as root gives up root's rights meanwhile, because the simulated program has none.
 *
 * TEST_SEQUENCES sets how many run (2,000), TEST_SEED where they begin.
 */
#include "tests/sim/sim_calls.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <unistd.h>

#define SLOTS 5
#define STEPS 60
#define NOBODY 1000

/* Sequences go up at most three folders, and the tree begins four deep: nothing leads out of the test's own folder. */
static const char *const way[] = {"p", "p/q", "p/q/r"};

struct side {
    struct plait_sys *sys;
    int base; /* the folder that all begins in */
    int fd[SLOTS];
};

struct duel {
    struct test_random random;
    struct side side[2]; /* the kernel's, the simulated one */
    bool differs;
    char story[STEPS + 8][200];
    unsigned lines;
};

static uint64_t draw(struct duel *d, uint64_t below)
{
    return test_random_below(&d->random, below);
}

static bool one_in(struct duel *d, uint64_t of)
{
    return draw(d, of) == 0;
}

static void same(struct duel *d, const char *what, int dir, const char *path, int64_t arg, const int64_t res[2])
{
    if (d->differs)
        return;
    (void)snprintf(d->story[d->lines++], sizeof d->story[0],
                   "%s(%d, \"%s\", 0%" PRIo64 "): real %" PRId64 ", simulated %" PRId64, what, dir, path, arg, res[0],
                   res[1]);
    d->differs = res[0] != res[1];
}

/* Both sides' results of one call. */
#define BOTH(d, what, dir, path, arg, expr)                                                                            \
    do {                                                                                                               \
        int64_t both_[2];                                                                                              \
        for (int i_ = 0; i_ < 2; i_++) {                                                                               \
            struct side *side = &(d)->side[i_];                                                                        \
            struct plait_sys *sys = side->sys;                                                                         \
            (void)sys;                                                                                                 \
            both_[i_] = (expr);                                                                                        \
        }                                                                                                              \
        same((d), (what), (dir), (path), (int64_t)(arg), both_);                                                       \
    } while (0)

/* --- what is drawn ------------------------------------------------------------------------------------------------ */

/* One to three names; a few are out of the way. */
static void draw_path(struct duel *d, char out[64])
{
    static const char *const usual[] = {"a", "b", "c", "a", "b", "c", "d"};
    static const char *const odd[] = {".", "..", "a.", "..."};
    unsigned names = 1 + (unsigned)(draw(d, 6) * draw(d, 2) / 3);
    size_t len = 0;
    out[0] = 0;
    for (unsigned i = 0; i < names; i++) {
        const char *name = one_in(d, 9) ? odd[draw(d, TEST_COUNT(odd))] : usual[draw(d, TEST_COUNT(usual))];
        const char *gap = i == 0 ? "" : one_in(d, 20) ? "//" : "/";
        len += (size_t)snprintf(out + len, 64 - len, "%s%s", gap, name);
    }
    if (one_in(d, 15))
        (void)snprintf(out + len, 64 - len, "/");
    if (one_in(d, 60))
        out[0] = 0;
}

/* -1: the base; a slot: whatever it holds. */
static int draw_folder(struct duel *d)
{
    return one_in(d, 4) ? (int)draw(d, SLOTS) : -1;
}

static int folder_of(const struct side *side, int dir)
{
    return dir < 0 ? side->base : side->fd[dir];
}

static int draw_flags(struct duel *d)
{
    static const int access[] = {O_RDWR, O_RDWR, O_RDONLY, O_WRONLY};
    static const int more[] = {O_CREAT, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_APPEND, O_NOFOLLOW};
    static const unsigned one_of[] = {3, 3, 3, 8, 6, 6, 6, 5};
    int flags = O_CLOEXEC | access[draw(d, TEST_COUNT(access))];
    for (size_t i = 0; i < TEST_COUNT(more); i++)
        flags |= one_in(d, one_of[i]) ? more[i] : 0;
    if (flags & O_CREAT)
        flags &= ~O_DIRECTORY; /* what the two together mean depends on the kernel's version */
    return flags;
}

static unsigned draw_mode(struct duel *d)
{
    static const unsigned modes[] = {0755, 0755, 0644, 0644, 0700, 0666, 0500, 0400, 0300, 0200, 0};
    return modes[draw(d, TEST_COUNT(modes))];
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int64_t mixed(ssize_t res, const uint8_t *bytes)
{
    uint64_t hash = 7;
    for (ssize_t i = 0; i < res; i++)
        hash = hash * 131 + bytes[i];
    return res < 0 ? res : (int64_t)(((hash & 0xffffffff) << 20) | (uint64_t)res);
}

static int64_t do_open(struct side *s, int slot, int dir, const char *path, const struct open_how *how)
{
    int fd = CALL(s->sys, openat2, dir, path, (int)how->flags, (unsigned)how->mode, how->resolve);
    if (fd < 0)
        return fd;
    if (s->fd[slot] >= 0)
        CALL(s->sys, close, s->fd[slot]);
    s->fd[slot] = fd;
    return 0;
}

static int64_t seen(int res, const struct stat *st)
{
    if (res < 0)
        return res;
    int64_t size = S_ISREG(st->st_mode) ? (int64_t)st->st_size : 0;
    int64_t links = S_ISREG(st->st_mode) ? (int64_t)st->st_nlink : 0;
    return (size << 24) | (links << 20) | st->st_mode;
}

static int64_t do_fstat(struct side *s, int slot)
{
    struct stat st;
    int res = CALL(s->sys, fstat, s->fd[slot], &st);
    return seen(res, &st);
}

static int64_t do_fstatat(struct side *s, int dir, const char *path, int flags)
{
    struct stat st;
    int res = CALL(s->sys, fstatat, folder_of(s, dir), path, &st, flags);
    return seen(res, &st);
}

static int64_t do_read(struct side *s, int slot, size_t len, off_t at)
{
    static uint8_t bytes[20000];
    ssize_t res =
        at < -1 ? CALL(s->sys, read, s->fd[slot], bytes, len) : CALL(s->sys, pread, s->fd[slot], bytes, len, at);
    return mixed(res, bytes);
}

static int64_t do_write(struct side *s, int slot, size_t len, off_t at, unsigned seed)
{
    static uint8_t bytes[20000];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 13);
    return at < -1 ? CALL(s->sys, write, s->fd[slot], bytes, len) : CALL(s->sys, pwrite, s->fd[slot], bytes, len, at);
}

/* Order is the file system's own: names and kinds are added up. */
static int64_t listing(struct plait_sys *sys, int fd)
{
    static char room[8192];
    uint64_t sum = 0;
    ssize_t n = CALL(sys, getdents, fd, room, sizeof room);
    for (ssize_t at = 0; at < n;) {
        struct dirent64 *entry = (struct dirent64 *)(void *)(room + at);
        sum +=
            (uint64_t)mixed((ssize_t)strlen(entry->d_name), (uint8_t *)entry->d_name) * (entry->d_type + 1u) & 0xffffff;
        at += entry->d_reclen;
    }
    return n < 0 ? n : (int64_t)sum;
}

static int64_t do_list(struct side *s, int dir, const char *path)
{
    int fd = CALL(s->sys, openat2, folder_of(s, dir), path, O_RDONLY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return fd;
    int64_t res = listing(s->sys, fd);
    if (res >= 0 && listing(s->sys, fd) != 0)
        res = -1;
    CALL(s->sys, close, fd);
    return res;
}

static int64_t do_close(struct side *s, int slot)
{
    int res = CALL(s->sys, close, s->fd[slot]);
    s->fd[slot] = -1;
    return res;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static void step_open(struct duel *d, int slot, int dir, const char *path)
{
    static const uint64_t ways[] = {
        0, 0, 0, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    char absolute[72];
    struct open_how how = {.flags = (uint64_t)draw_flags(d), .mode = draw_mode(d)};
    how.resolve = ways[draw(d, TEST_COUNT(ways))];
    if ((how.resolve & RESOLVE_BENEATH) && one_in(d, 10)) {
        (void)snprintf(absolute, sizeof absolute, "/%s", path);
        path = absolute;
    }
    BOTH(d, "openat2", dir, path, how.flags, do_open(side, slot, folder_of(side, dir), path, &how));
}

static void step_tree(struct duel *d, int dir, const char *path)
{
    char other[64];
    int to = draw_folder(d), flags = one_in(d, 3) ? AT_REMOVEDIR : 0;
    unsigned mode = draw_mode(d);
    draw_path(d, other);
    switch (draw(d, 7)) {
    case 0:
        BOTH(d, "unlinkat", dir, path, flags, CALL(sys, unlinkat, folder_of(side, dir), path, flags));
        break;
    case 1:
        BOTH(d, "renameat from", dir, path, 0,
             CALL(sys, renameat, folder_of(side, dir), path, folder_of(side, to), other));
        BOTH(d, "  to", to, other, 0, 0);
        break;
    case 2:
        BOTH(d, "mkdirat", dir, path, mode, CALL(sys, mkdirat, folder_of(side, dir), path, mode));
        break;
    case 3:
        BOTH(d, "fchmodat", dir, path, mode, CALL(sys, fchmodat, folder_of(side, dir), path, mode));
        break;
    case 4:
        BOTH(d, "getdents", dir, path, 0, do_list(side, dir, path));
        break;
    default:
        flags = one_in(d, 3) ? AT_EMPTY_PATH : one_in(d, 3) ? AT_SYMLINK_NOFOLLOW : 0;
        BOTH(d, "fstatat", dir, path, flags, do_fstatat(side, dir, path, flags));
    }
}

static void step_file(struct duel *d, int slot)
{
    size_t len = draw(d, one_in(d, 10) ? 20000 : 100);
    off_t at = one_in(d, 20) ? -1 : (off_t)draw(d, one_in(d, 10) ? 20000 : 100);
    unsigned seed = (unsigned)draw(d, 256);
    switch (draw(d, 9)) {
    case 0:
        BOTH(d, "read", slot, "", len, do_read(side, slot, len, -2));
        break;
    case 1:
        BOTH(d, "pread", slot, "", at, do_read(side, slot, len, at));
        break;
    case 2:
        BOTH(d, "write", slot, "", len, do_write(side, slot, len, -2, seed));
        break;
    case 3:
        BOTH(d, "pwrite", slot, "", at, do_write(side, slot, len, at, seed));
        break;
    case 4:
        BOTH(d, "ftruncate", slot, "", at, CALL(sys, ftruncate, side->fd[slot], at));
        break;
    case 5:
        if (one_in(d, 4))
            BOTH(d, "fsync", slot, "", 0, CALL(sys, fsync, side->fd[slot]));
        break;
    case 6:
        if (one_in(d, 2))
            BOTH(d, "close", slot, "", 0, do_close(side, slot));
        break;
    default:
        BOTH(d, "fstat", slot, "", 0, do_fstat(side, slot));
    }
}

static void step(struct duel *d)
{
    char path[64];
    int slot = (int)draw(d, SLOTS), dir = draw_folder(d);
    draw_path(d, path);
    switch (draw(d, 3)) {
    case 0:
        step_open(d, slot, dir, path);
        break;
    case 1:
        step_tree(d, dir, path);
        break;
    default:
        step_file(d, slot);
    }
}

/* --- a sequence --------------------------------------------------------------------------------------------------- */

static void begin(struct duel *d, const char *folder)
{
    char path[TEST_PATH_BYTES + 8];
    for (int i = 0; i < 2; i++) {
        struct side *s = &d->side[i];
        const char *root = i == 0 ? folder : "/tmp";
        for (size_t k = 0; k < TEST_COUNT(way); k++) {
            (void)snprintf(path, sizeof path, "%s/%s", root, way[k]);
            assert_int_equal(CALL(s->sys, mkdirat, AT_FDCWD, path, 0755), 0);
        }
        s->base = CALL(s->sys, openat2, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
        assert_true(s->base >= 0);
        for (int slot = 0; slot < SLOTS; slot++)
            s->fd[slot] = -1;
    }
}

static void end(struct duel *d)
{
    for (int i = 0; i < 2; i++) {
        for (int slot = 0; slot < SLOTS; slot++) {
            if (d->side[i].fd[slot] >= 0)
                CALL(d->side[i].sys, close, d->side[i].fd[slot]);
        }
        CALL(d->side[i].sys, close, d->side[i].base);
    }
}

/* A program without rights of its own, on the file system only; others that share this process's folders aren't
 * touched. */
static void give_up_rights(const char *folder)
{
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    assert_int_equal(setegid(NOBODY), 0);
    assert_int_equal(seteuid(NOBODY), 0);
}

static void take_rights_back(void)
{
    if (getuid() != 0)
        return;
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
}

static bool duel_once(struct duel *d, uint64_t seed)
{
    char folder[TEST_PATH_BYTES];
    struct plait_sim *sim = plait_sim_new(seed, 0);
    struct plait_host *host = plait_sim_host(sim, "host");
    memset(d, 0, sizeof *d);
    d->random = test_random_of(seed);
    d->side[0].sys = plait__sys_kernel();
    d->side[1].sys = plait_host_sys(host);
    test_folder_make(folder);
    give_up_rights(folder);
    begin(d, folder);
    for (unsigned i = 0; i < STEPS && !d->differs && d->lines < STEPS; i++)
        step(d);
    end(d);
    take_rights_back();
    assert_int_equal(plait_host_descriptors(host), 0);
    plait_sim_free(&sim);
    test_folder_remove(folder);
    return !d->differs;
}

static void file_trees_agree(void **state)
{
    (void)state;
    static struct duel d;
    const char *text = getenv("TEST_SEQUENCES");
    uint64_t count = text ? strtoull(text, NULL, 10) : 2000;
    for (uint64_t i = 0; i < count; i++) {
        if (duel_once(&d, test_seed() * 1000000 + i))
            continue;
        print_error("TEST_SEED %" PRIu64 ", sequence %" PRIu64 "\n", test_seed(), i);
        for (unsigned k = 0; k < d.lines; k++)
            print_error("  %s\n", d.story[k]);
        fail_msg("the simulated kernel differs from the real one");
    }
}

/* fsync on a file system in memory takes no time; what is compared lies above file systems. */
static int set_up(void **state)
{
    (void)state;
    umask(022);
    return access("/dev/shm", W_OK) == 0 ? setenv("TMPDIR", "/dev/shm", 0) : 0;
}

TEST_MAIN_WITH(set_up, NULL, cmocka_unit_test(file_trees_agree))
