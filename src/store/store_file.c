/* SPDX-License-Identifier: MIT
 *
 * A file of a database, its journal, or a temporary one, over the table of system calls. Syncing a file that may be new
 * syncs its folder too, as SQLite's own VFS for UNIX does: a journal whose name is lost rolls nothing back.
 *
 * Invariant: a read beyond the end gives zeroes and says so. Tests: tests/store/test_store.c, test_store_power.c there.
 */
#include "store/store_core.h"

#include <errno.h>
#include <string.h>

static struct plait__store_file *of(sqlite3_file *file)
{
    return (struct plait__store_file *)file;
}

static int f_close(sqlite3_file *file)
{
    struct plait__store_file *f = of(file);
    plait__store_lock_leave(f);
    (void)(f->vfs->sys->ops->close)(f->vfs->sys, f->fd);
    return SQLITE_OK;
}

static int f_read(sqlite3_file *file, void *out, int amount, sqlite3_int64 at)
{
    struct plait__store_file *f = of(file);
    uint8_t *to = out;
    size_t len = (size_t)amount, done = 0;
    while (done < len) {
        ssize_t res;
        PLAIT__STORE_CALL(res, f->vfs, pread, f->fd, to + done, len - done, at + (off_t)done);
        if (res < 0)
            return plait__store_failed(f->vfs, res, SQLITE_IOERR_READ);
        if (res == 0)
            break;
        done += (size_t)res;
    }
    memset(to + done, 0, len - done);
    return done < len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int f_write(sqlite3_file *file, const void *bytes, int amount, sqlite3_int64 at)
{
    struct plait__store_file *f = of(file);
    const uint8_t *from = bytes;
    size_t len = (size_t)amount, done = 0;
    while (done < len) {
        ssize_t res;
        PLAIT__STORE_CALL(res, f->vfs, pwrite, f->fd, from + done, len - done, at + (off_t)done);
        if (res < 0)
            return plait__store_failed(f->vfs, res,
                                       res == -ENOSPC || res == -EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE);
        done += (size_t)res;
    }
    return SQLITE_OK;
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct plait__store_file *f = of(file);
    int res;
    PLAIT__STORE_CALL(res, f->vfs, ftruncate, f->fd, size);
    return res < 0 ? plait__store_failed(f->vfs, res, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

static int f_sync(sqlite3_file *file, int flags)
{
    struct plait__store_file *f = of(file);
    int res;
    (void)flags;
    PLAIT__STORE_CALL(res, f->vfs, fsync, f->fd);
    if (res < 0)
        return plait__store_failed(f->vfs, res, SQLITE_IOERR_FSYNC);
    res = f->fresh ? plait__store_sync_folder(f->vfs, f->path) : SQLITE_OK;
    f->fresh = f->fresh && res != SQLITE_OK;
    return res;
}

static int f_size(sqlite3_file *file, sqlite3_int64 *out)
{
    struct plait__store_file *f = of(file);
    struct stat st;
    int res = (f->vfs->sys->ops->fstat)(f->vfs->sys, f->fd, &st);
    if (res < 0)
        return plait__store_failed(f->vfs, res, SQLITE_IOERR_FSTAT);
    *out = st.st_size;
    return SQLITE_OK;
}

static int f_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

/* A write touches no byte that it does not write, whenever the power goes: SQLite's own VFS takes that for granted too.
 */
static int f_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods plait__store_file_methods = {
    .iVersion = 1,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = plait__store_lock,
    .xUnlock = plait__store_unlock,
    .xCheckReservedLock = plait__store_is_reserved,
    .xFileControl = f_control,
    .xDeviceCharacteristics = f_characteristics,
};
