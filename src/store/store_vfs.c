/* SPDX-License-Identifier: MIT
 *
 * SQLite's view of a file system, a clock and a source of entropy: the reactor's table of system calls. It loads no
 * extensions, and it does not sleep: who finds a database locked is told so at once, because the loop does not wait.
 *
 * Invariant: nothing here asks the system but through the table. Tests: tests/store/test_store.c.
 */
#include "store/store_core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

static struct plait__store_vfs *of(sqlite3_vfs *vfs)
{
    return (struct plait__store_vfs *)vfs;
}

int plait__store_failed(struct plait__store_vfs *vfs, ssize_t res, int result)
{
    __atomic_store_n(&vfs->last_errno, (int)-res, __ATOMIC_RELAXED);
    return result;
}

int plait__store_sync_folder(struct plait__store_vfs *vfs, const char *path)
{
    char folder[PATH_BYTES] = ".";
    const char *end = strrchr(path, '/');
    if (end) {
        size_t len = end == path ? 1 : (size_t)(end - path);
        memcpy(folder, path, len); /* SQLite's names are shorter than mxPathname */
        folder[len] = 0;
    }
    int fd, res;
    PLAIT__STORE_CALL(fd, vfs, openat2, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return plait__store_failed(vfs, fd, SQLITE_IOERR_DIR_FSYNC);
    PLAIT__STORE_CALL(res, vfs, fsync, fd);
    (void)(vfs->sys->ops->close)(vfs->sys, fd);
    return res < 0 ? plait__store_failed(vfs, res, SQLITE_IOERR_DIR_FSYNC) : SQLITE_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int open_flags(int flags)
{
    int out = O_CLOEXEC | (flags & SQLITE_OPEN_READWRITE ? O_RDWR : O_RDONLY);
    if (flags & SQLITE_OPEN_CREATE)
        out |= O_CREAT;
    if (flags & SQLITE_OPEN_EXCLUSIVE)
        out |= O_EXCL;
    return out;
}

/* A database that may not be written is opened to be read. */
static int open_file(struct plait__store_vfs *vfs, const char *path, int *flags)
{
    int fd;
    PLAIT__STORE_CALL(fd, vfs, openat2, AT_FDCWD, path, open_flags(*flags), 0644, 0);
    if ((fd == -EACCES || fd == -EROFS || fd == -EPERM) && (*flags & SQLITE_OPEN_MAIN_DB) &&
        (*flags & SQLITE_OPEN_READWRITE)) {
        *flags = (*flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
        PLAIT__STORE_CALL(fd, vfs, openat2, AT_FDCWD, path, open_flags(*flags), 0, 0);
    }
    return fd;
}

/* A name for a file that has none, and that nobody will look for. */
static int temporary_name(struct plait__store_vfs *vfs, char out[64])
{
    uint64_t number;
    ssize_t res = (vfs->sys->ops->getrandom)(vfs->sys, &number, sizeof number);
    if (res < 0)
        return plait__store_failed(vfs, res, SQLITE_IOERR_GETTEMPPATH);
    (void)snprintf(out, 64, "/tmp/plait-%016llx.sqlite", (unsigned long long)number);
    return SQLITE_OK;
}

static int v_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct plait__store_vfs *vfs = of(self);
    struct plait__store_file *f = (struct plait__store_file *)file;
    char name[64];
    int fd, res = SQLITE_OK;
    *f = (struct plait__store_file){.vfs = vfs, .path = path, .fresh = path && (flags & SQLITE_OPEN_CREATE)};
    if (!path)
        res = temporary_name(vfs, name);
    if (res)
        return res;
    fd = open_file(vfs, path ? path : name, &flags);
    if (fd < 0)
        return plait__store_failed(vfs, fd, SQLITE_CANTOPEN);
    f->fd = fd;
    if (flags & SQLITE_OPEN_DELETEONCLOSE)
        (void)(vfs->sys->ops->unlinkat)(vfs->sys, AT_FDCWD, path ? path : name, 0);
    if (flags & SQLITE_OPEN_MAIN_DB)
        res = plait__store_lock_join(f);
    if (res) {
        (void)(vfs->sys->ops->close)(vfs->sys, fd);
        return res;
    }
    f->file.pMethods = &plait__store_file_methods; /* from here on SQLite closes it */
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

static int v_delete(sqlite3_vfs *self, const char *path, int sync_folder)
{
    struct plait__store_vfs *vfs = of(self);
    int res;
    PLAIT__STORE_CALL(res, vfs, unlinkat, AT_FDCWD, path, 0);
    if (res < 0)
        return plait__store_failed(vfs, res, res == -ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE);
    return sync_folder ? plait__store_sync_folder(vfs, path) : SQLITE_OK;
}

/* As SQLite's own VFS: an empty file counts as none, so that an empty journal is not taken for one that is hot. */
static int v_access(sqlite3_vfs *self, const char *path, int flags, int *out)
{
    struct plait__store_vfs *vfs = of(self);
    struct stat st;
    int res;
    (void)flags;
    PLAIT__STORE_CALL(res, vfs, fstatat, AT_FDCWD, path, &st, 0);
    *out = res == 0 && (!S_ISREG(st.st_mode) || st.st_size > 0);
    return res == 0 || res == -ENOENT ? SQLITE_OK : plait__store_failed(vfs, res, SQLITE_IOERR_ACCESS);
}

static int v_full_path(sqlite3_vfs *self, const char *path, int bytes, char *out)
{
    (void)self;
    int len = snprintf(out, (size_t)bytes, "%s", path);
    return len < bytes ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* --- extensions, chance and time ---------------------------------------------------------------------------------- */

static void *v_load(sqlite3_vfs *self, const char *path)
{
    (void)self;
    (void)path;
    return NULL;
}

static void v_load_error(sqlite3_vfs *self, int bytes, char *out)
{
    (void)self;
    (void)snprintf(out, (size_t)bytes, "extensions are not loaded here");
}

static int v_random(sqlite3_vfs *self, int bytes, char *out)
{
    struct plait__store_vfs *vfs = of(self);
    ssize_t res = (vfs->sys->ops->getrandom)(vfs->sys, out, (size_t)bytes);
    return res < 0 ? 0 : (int)res;
}

static int v_sleep(sqlite3_vfs *self, int microseconds)
{
    (void)self;
    return microseconds;
}

/* Milliseconds since noon in Greenwich on the 24th of November 4714 B.C. */
static int v_time(sqlite3_vfs *self, sqlite3_int64 *out)
{
    struct plait_sys *sys = of(self)->sys;
    *out = 210866760000000 + (sys->ops->clock)(sys, PLAIT_SYS_REALTIME) / 1000000;
    return SQLITE_OK;
}

static int v_last_error(sqlite3_vfs *self, int bytes, char *out)
{
    (void)bytes;
    (void)out;
    return __atomic_load_n(&of(self)->last_errno, __ATOMIC_RELAXED);
}

void plait__store_vfs_fill(struct plait__store_vfs *vfs)
{
    vfs->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct plait__store_file),
        .mxPathname = PATH_BYTES - 1,
        .zName = vfs->name,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_full_path,
        .xDlOpen = v_load,
        .xDlError = v_load_error,
        .xRandomness = v_random,
        .xSleep = v_sleep,
        .xGetLastError = v_last_error,
        .xCurrentTimeInt64 = v_time,
    };
}
