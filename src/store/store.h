/* SPDX-License-Identifier: MIT
 *
 * Where services keep what must last: SQLite, whose files are read and written through the reactor's table of system
 * calls. So the same database runs on the kernel and in the simulated world, losses of power included.
 */
#ifndef PLAIT_STORE_STORE_H
#define PLAIT_STORE_STORE_H

#include <plait/reactor.h>

#include <sqlite3.h>

/* Opens a database: `flags` are SQLITE_OPEN_…. What is committed survives a loss of power (journal_mode TRUNCATE,
 * synchronous FULL). There is no WAL, for it needs shared memory. All connections to one file in a process must be of
 * one reactor, and no other process may use it. The connection may be used in the reactor's thread and in jobs of its
 * pool, in one at a time; it must be closed before the reactor goes. */
plait_err plait__store_open(struct plait_reactor *reactor, const char *path, int flags, sqlite3 **out) PLAIT_MUST;

/* Closes a database whose statements are finalised, in the reactor's thread. Takes NULL and leaves NULL. */
void plait__store_close(sqlite3 **db);

/* What an error of SQLite means to us. */
plait_err plait__store_err(sqlite3 *db, int result);

#endif
