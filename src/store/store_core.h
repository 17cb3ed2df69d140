/* SPDX-License-Identifier: MIT
 *
 * What the room's files share: the VFS of a reactor, and a file of it.
 */
#ifndef PLAIT_STORE_STORE_CORE_H
#define PLAIT_STORE_STORE_CORE_H

#include "engine/sys.h"
#include "store/store.h"

#include <errno.h>

/* Locks of one database file, for all connections to it. */
struct plait__store_lock {
    struct plait__store_lock *next;
    dev_t dev;
    ino_t ino;
    unsigned files;                /* that are open */
    unsigned shared;               /* that hold a lock of any kind */
    struct plait__store_file *top; /* that holds more than SHARED; NULL: none */
    bool pending;                  /* and lets nobody else in any more */
};

struct plait__store_vfs {
    sqlite3_vfs vfs; /* first */
    struct plait_sys *sys;
    unsigned users; /* open databases; counted in the reactor's thread */
    char name[32];
    sqlite3_mutex *mutex; /* over the locks */
    struct plait__store_lock *locks;
    int last_errno;
};

struct plait__store_file {
    sqlite3_file file; /* first */
    struct plait__store_vfs *vfs;
    const char *path; /* SQLite's, for as long as the file is open */
    int fd;
    int level;                      /* SQLITE_LOCK_… */
    struct plait__store_lock *lock; /* of a database; NULL: it needs none */
    bool fresh;                     /* its name may not be safe yet */
};

extern const sqlite3_io_methods plait__store_file_methods;

/* Fills the methods of a VFS in. */
void plait__store_vfs_fill(struct plait__store_vfs *vfs);

/* Takes a file's place among the locks, and gives it up: 0, SQLITE_NOMEM or SQLITE_IOERR_FSTAT. */
int plait__store_lock_join(struct plait__store_file *f);
void plait__store_lock_leave(struct plait__store_file *f);
int plait__store_lock(sqlite3_file *file, int level);
int plait__store_unlock(sqlite3_file *file, int level);
int plait__store_is_reserved(sqlite3_file *file, int *out);

/* Notes an errno for SQLite and returns `result`. */
int plait__store_failed(struct plait__store_vfs *vfs, ssize_t res, int result);

/* Makes the names in a file's folder safe: 0 or SQLITE_IOERR_DIR_FSYNC. */
int plait__store_sync_folder(struct plait__store_vfs *vfs, const char *path);

/* A call of the table, again while a signal interrupts it. */
#define PLAIT__STORE_CALL(res, vfs, name, ...)                                                                         \
    do                                                                                                                 \
        (res) = ((vfs)->sys->ops->name)((vfs)->sys, __VA_ARGS__);                                                      \
    while ((res) == -EINTR)

#endif
