/* SPDX-License-Identifier: MIT
 *
 * SQLite's locks among the connections of one process: SHARED to read, RESERVED by one that will write, PENDING by one
 * that waits for the readers to go, EXCLUSIVE to write the database itself. Nobody waits: who cannot get a lock is told
 * so. Other processes are not kept out.
 *
 * Invariant: a file holds RESERVED or more only while it is its lock's `top`, and EXCLUSIVE only while it alone holds
 * any. Tests: tests/store/test_store.c.
 */
#include "store/store_core.h"

static struct plait__store_lock *find(struct plait__store_vfs *vfs, const struct stat *st)
{
    struct plait__store_lock *lock = vfs->locks;
    while (lock && (lock->dev != st->st_dev || lock->ino != st->st_ino))
        lock = lock->next;
    return lock;
}

static struct plait__store_lock *add(struct plait__store_vfs *vfs, const struct stat *st)
{
    struct plait__store_lock *lock = sqlite3_malloc64(sizeof *lock);
    if (!lock)
        return NULL;
    *lock = (struct plait__store_lock){.next = vfs->locks, .dev = st->st_dev, .ino = st->st_ino};
    vfs->locks = lock;
    return lock;
}

int plait__store_lock_join(struct plait__store_file *f)
{
    struct plait__store_vfs *vfs = f->vfs;
    struct stat st;
    int res = (vfs->sys->ops->fstat)(vfs->sys, f->fd, &st);
    if (res < 0)
        return plait__store_failed(vfs, res, SQLITE_IOERR_FSTAT);
    sqlite3_mutex_enter(vfs->mutex);
    f->lock = find(vfs, &st);
    if (!f->lock)
        f->lock = add(vfs, &st);
    if (f->lock)
        f->lock->files++;
    sqlite3_mutex_leave(vfs->mutex);
    return f->lock ? SQLITE_OK : SQLITE_NOMEM;
}

void plait__store_lock_leave(struct plait__store_file *f)
{
    struct plait__store_vfs *vfs = f->vfs;
    if (!f->lock)
        return;
    (void)plait__store_unlock(&f->file, SQLITE_LOCK_NONE);
    sqlite3_mutex_enter(vfs->mutex);
    if (--f->lock->files == 0) {
        struct plait__store_lock **at = &vfs->locks;
        while (*at != f->lock)
            at = &(*at)->next;
        *at = f->lock->next;
        sqlite3_free(f->lock);
    }
    sqlite3_mutex_leave(vfs->mutex);
    f->lock = NULL;
}

static int climb(struct plait__store_file *f, int level)
{
    struct plait__store_lock *lock = f->lock;
    if (level == SQLITE_LOCK_SHARED) {
        if (lock->pending)
            return SQLITE_BUSY;
        lock->shared++;
        f->level = level;
        return SQLITE_OK;
    }
    if (lock->top && lock->top != f)
        return SQLITE_BUSY;
    lock->top = f;
    if (level == SQLITE_LOCK_EXCLUSIVE) {
        lock->pending = true;
        level = lock->shared > 1 ? SQLITE_LOCK_PENDING : SQLITE_LOCK_EXCLUSIVE;
    }
    f->level = level;
    return level == SQLITE_LOCK_PENDING ? SQLITE_BUSY : SQLITE_OK;
}

int plait__store_lock(sqlite3_file *file, int level)
{
    struct plait__store_file *f = (struct plait__store_file *)file;
    int res = SQLITE_OK;
    sqlite3_mutex_enter(f->vfs->mutex);
    if (f->level < level)
        res = climb(f, level);
    sqlite3_mutex_leave(f->vfs->mutex);
    return res;
}

int plait__store_unlock(sqlite3_file *file, int level)
{
    struct plait__store_file *f = (struct plait__store_file *)file;
    struct plait__store_lock *lock = f->lock;
    sqlite3_mutex_enter(f->vfs->mutex);
    if (f->level > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) {
        lock->top = NULL;
        lock->pending = false;
    }
    if (f->level > SQLITE_LOCK_NONE && level == SQLITE_LOCK_NONE)
        lock->shared--;
    if (f->level > level)
        f->level = level;
    sqlite3_mutex_leave(f->vfs->mutex);
    return SQLITE_OK;
}

int plait__store_is_reserved(sqlite3_file *file, int *out)
{
    struct plait__store_file *f = (struct plait__store_file *)file;
    sqlite3_mutex_enter(f->vfs->mutex);
    *out = f->lock->top != NULL;
    sqlite3_mutex_leave(f->vfs->mutex);
    return SQLITE_OK;
}
