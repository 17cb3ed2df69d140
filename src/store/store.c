/* SPDX-License-Identifier: MIT
 *
 * Databases of a reactor. The first one that is open registers a VFS under a name of the reactor's own, the last one
 * takes it away.
 *
 * SQLite draws its own random numbers (the marks in journals) from one generator for the whole process. Over any table
 * but the kernel's it is seeded anew from the table at each opening, so that a simulated run is the same run again.
 *
 * Invariant: a VFS stays registered while a database of it is open. Tests: tests/store/test_store.c.
 */
#include "base/try.h"
#include "engine/core.h"
#include "store/store_core.h"

#include <stdio.h>

static plait_err vfs_new(struct plait_reactor *reactor, const char *name, struct plait__store_vfs **out)
{
    struct plait__store_vfs *vfs = plait_mem_new(&reactor->budget, sizeof *vfs);
    if (!vfs)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    (void)snprintf(vfs->name, sizeof vfs->name, "%s", name);
    vfs->sys = reactor->sys;
    vfs->mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);
    plait__store_vfs_fill(vfs);
    if (!vfs->mutex || sqlite3_vfs_register(&vfs->vfs, 0) != SQLITE_OK) {
        sqlite3_mutex_free(vfs->mutex);
        plait_mem_free(vfs);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    *out = vfs;
    return PLAIT_OK;
}

static plait_err vfs_of(struct plait_reactor *reactor, struct plait__store_vfs **out)
{
    char name[sizeof(*out)->name];
    (void)snprintf(name, sizeof name, "plait-%p", (void *)reactor);
    sqlite3_vfs *known = sqlite3_vfs_find(name);
    if (known)
        *out = (struct plait__store_vfs *)known;
    else
        PLAIT_TRY(vfs_new(reactor, name, out));
    (*out)->users++;
    return PLAIT_OK;
}

static void vfs_leave(struct plait__store_vfs *vfs)
{
    if (--vfs->users)
        return;
    sqlite3_vfs_unregister(&vfs->vfs);
    sqlite3_mutex_free(vfs->mutex);
    plait_mem_free(vfs);
}

static void seed(struct plait_sys *sys)
{
    unsigned number = 0;
    if (sys == plait__sys_kernel())
        return;
    if ((sys->ops->getrandom)(sys, &number, sizeof number) > 0)
        sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(number | 1), (sqlite3 *)NULL);
}

plait_err plait__store_err(sqlite3 *db, int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
        return PLAIT_OK;
    case SQLITE_NOMEM:
        return PLAIT_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PLAIT_EBUSY;
    case SQLITE_FULL:
        return PLAIT_ENOSPACE;
    case SQLITE_READONLY:
        return PLAIT_EACCESS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return PLAIT_EMALFORMED;
    case SQLITE_CANTOPEN:
        return sqlite3_system_errno(db) ? plait_err_from_errno(sqlite3_system_errno(db)) : PLAIT_EIO;
    case SQLITE_IOERR:
        return PLAIT_EIO;
    default:
        return PLAIT_EINVAL;
    }
}

plait_err plait__store_open(struct plait_reactor *reactor, const char *path, int flags, sqlite3 **out)
{
    static const char durable[] = "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY";
    struct plait__store_vfs *vfs = NULL;
    sqlite3 *db = NULL;
    *out = NULL;
    PLAIT_TRY(vfs_of(reactor, &vfs));
    seed(reactor->sys);
    int res = sqlite3_open_v2(path, &db, flags, vfs->name);
    if (res == SQLITE_OK)
        res = sqlite3_exec(db, durable, NULL, NULL, NULL);
    if (res == SQLITE_OK) {
        (void)sqlite3_extended_result_codes(db, 1);
        *out = db;
        return PLAIT_OK;
    }
    plait_err err = plait__store_err(db, res);
    (void)sqlite3_close(db);
    vfs_leave(vfs);
    return PLAIT_FAIL(err);
}

void plait__store_close(sqlite3 **db)
{
    sqlite3_vfs *vfs = NULL;
    if (!*db)
        return;
    (void)sqlite3_file_control(*db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    if (sqlite3_close(*db) == SQLITE_OK)
        vfs_leave((struct plait__store_vfs *)vfs);
    *db = NULL;
}
