/* SPDX-License-Identifier: MIT
 *
 * What the tests of databases share: a world with one host, its database, and statements on it.
 */
#ifndef PLAIT_TESTS_STORE_KIT_H
#define PLAIT_TESTS_STORE_KIT_H

#include "store/store.h"
#include "tests/support/test.h"

#include <plait/sim.h>

#define READ_WRITE (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)

struct world {
    struct plait_sim *sim;
    struct plait_host *host;
    struct plait_reactor *r;
    sqlite3 *db;
};

__attribute__((unused)) static struct world world_open(uint64_t seed)
{
    struct world w = {.sim = plait_sim_new(seed, 0)};
    assert_non_null(w.sim);
    w.host = plait_sim_host(w.sim, "host");
    w.r = plait_host_reactor(w.host);
    assert_non_null(w.r);
    return w;
}

__attribute__((unused)) static void world_close(struct world *w)
{
    plait__store_close(&w->db);
    plait_sim_check_end(w->sim);
    if (plait_sim_failure(w->sim))
        fail_msg("%s", plait_sim_failure(w->sim));
    plait_sim_free(&w->sim);
}

__attribute__((unused)) static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* First value of a statement's first row, as a number; -1 when there is none. */
__attribute__((unused)) static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t out = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return out;
}

/* Whether SQLite finds a database whole. */
__attribute__((unused)) static bool is_whole(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    bool whole = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW &&
                 strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    return whole;
}

#endif
