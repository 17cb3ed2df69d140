/* SPDX-License-Identifier: MIT
 *
 * Databases of a reactor: opening and closing, locks among connections, and every call and allocation that can fail.
 */
#include "engine/core.h"
#include "tests/store/store_kit.h"

#include <fcntl.h>

/* --- SQLite's heap, which fails at a chosen allocation ------------------------------------------------------------ */

static struct {
    sqlite3_mem_methods libc;
    uint64_t calls, fail_at; /* 0: never */
} heap;

static bool refuses(void)
{
    return ++heap.calls == heap.fail_at;
}

static void *heap_new(int bytes)
{
    return refuses() ? NULL : heap.libc.xMalloc(bytes);
}

static void *heap_resize(void *ptr, int bytes)
{
    return refuses() ? NULL : heap.libc.xRealloc(ptr, bytes);
}

static int set_up(void **state)
{
    (void)state;
    sqlite3_mem_methods own;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &heap.libc))
        return 1;
    own = heap.libc;
    own.xMalloc = heap_new;
    own.xRealloc = heap_resize;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &own);
}

/* --- a program ---------------------------------------------------------------------------------------------------- */

/* Uses whatever there is: a journal that is truncated and one that is deleted, a rollback, a temporary file. Returns
 * the first error. */
static int work(sqlite3 *db)
{
    static const char *const steps[] = {
        "CREATE TABLE IF NOT EXISTS t(a, b)",
        "INSERT INTO t VALUES (1, 'one')",
        "BEGIN; INSERT INTO t VALUES (2, randomblob(9000)); ROLLBACK",
        "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA",
        "INSERT INTO t VALUES (3, strftime('%s'))",
        "PRAGMA temp_store=FILE; PRAGMA cache_size=2; PRAGMA cache_spill=1;"
        "CREATE TEMP TABLE big AS WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM c WHERE i < 300)"
        " SELECT i, randomblob(800) FROM c; DROP TABLE big",
        "DELETE FROM t; VACUUM",
    };
    int res = SQLITE_OK;
    for (size_t i = 0; i < TEST_COUNT(steps) && res == SQLITE_OK; i++)
        res = run(db, steps[i]);
    return res;
}

static plait_err open_at(struct world *w, const char *path, int flags)
{
    return plait__store_open(w->r, path, flags, &w->db);
}

static void what_is_written_is_there_when_it_is_opened_again(void **state)
{
    (void)state;
    static const char *const paths[] = {"/tmp/data", "/data", "data2"};
    struct world w = world_open(1);
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        assert_ok(open_at(&w, paths[i], READ_WRITE));
        assert_int_equal(work(w.db), SQLITE_OK);
        assert_int_equal(run(w.db, "INSERT INTO t VALUES (7, 'seven')"), SQLITE_OK);
        plait__store_close(&w.db);
        assert_null(w.db);
        assert_ok(open_at(&w, paths[i], SQLITE_OPEN_READWRITE));
        assert_int_equal(number(w.db, "SELECT a FROM t"), 7);
        assert_true(is_whole(w.db));
        plait__store_close(&w.db);
    }
    plait__store_close(&w.db);
    world_close(&w);
}

static void the_kernel_keeps_a_database_too(void **state)
{
    (void)state;
    char folder[TEST_PATH_BYTES], path[TEST_PATH_BYTES + 8];
    struct plait_reactor *r = plait_reactor_new(NULL);
    sqlite3 *db = NULL;
    assert_non_null(r);
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/data", folder);
    assert_ok(plait__store_open(r, path, READ_WRITE, &db));
    assert_int_equal(work(db), SQLITE_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    assert_true(number(db, "SELECT strftime('%s')") > 1700000000);
    plait__store_close(&db);
    plait_reactor_free(&r);
    test_folder_remove(folder);
}

static void the_clock_is_the_hosts(void **state)
{
    (void)state;
    struct world w = world_open(1);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    int64_t before = number(w.db, "SELECT strftime('%s')");
    plait_sim_run_for(w.sim, plait_seconds(90));
    assert_int_equal(number(w.db, "SELECT strftime('%s')"), before + 90);
    world_close(&w);
}

/* --- several connections ------------------------------------------------------------------------------------------ */

static void one_writes_while_others_read(void **state)
{
    (void)state;
    sqlite3 *b = NULL, *c = NULL, *other = NULL;
    struct world w = world_open(1);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_ok(plait__store_open(w.r, "/tmp/other", READ_WRITE, &other));
    assert_ok(plait__store_open(w.r, "/tmp/data", READ_WRITE, &b));
    assert_int_equal(run(w.db, "CREATE TABLE t(a); INSERT INTO t VALUES (1)"), SQLITE_OK);
    assert_ok(plait__store_open(w.r, "/tmp/data", READ_WRITE, &c));
    assert_int_equal(run(w.db, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)"), SQLITE_OK);
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 1);
    assert_int_equal(run(b, "INSERT INTO t VALUES (3)") & 0xff, SQLITE_BUSY);
    assert_int_equal(run(b, "BEGIN; SELECT * FROM t"), SQLITE_OK);
    assert_int_equal(run(w.db, "COMMIT") & 0xff, SQLITE_BUSY);       /* b reads */
    assert_int_equal(run(c, "SELECT * FROM t") & 0xff, SQLITE_BUSY); /* the writer waits */
    assert_int_equal(run(other, "CREATE TABLE t(a)"), SQLITE_OK);    /* another file, another lock */
    assert_int_equal(sqlite3_busy_timeout(c, 50), SQLITE_OK);
    assert_int_equal(run(c, "SELECT * FROM t") & 0xff, SQLITE_BUSY); /* which takes no time */
    assert_int_equal(run(b, "COMMIT"), SQLITE_OK);
    assert_int_equal(run(w.db, "COMMIT"), SQLITE_OK);
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 2);
    plait__store_close(&b);
    plait__store_close(&c);
    plait__store_close(&w.db);
    plait__store_close(&other);
    world_close(&w);
}

/* --- what cannot be opened ---------------------------------------------------------------------------------------- */

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    char text[4096];
    struct world w = world_open(1);
    memset(text, 'x', sizeof text);
    assert_ok(plait_host_write_file(w.host, "/tmp/text", text, sizeof text));
    assert_err(open_at(&w, "/tmp/none", SQLITE_OPEN_READWRITE), PLAIT_ENOTFOUND);
    assert_err(open_at(&w, "/tmp/text", READ_WRITE), PLAIT_EMALFORMED);
    text[2000] = 0;
    assert_true(open_at(&w, text, READ_WRITE) != PLAIT_OK);
    assert_null(w.db);
    world_close(&w);
}

static void what_may_not_be_written_is_read(void **state)
{
    (void)state;
    struct world w = world_open(1);
    struct plait_sys *sys = plait_host_sys(w.host);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_int_equal(run(w.db, "CREATE TABLE t(a); INSERT INTO t VALUES (5)"), SQLITE_OK);
    plait__store_close(&w.db);
    assert_int_equal((sys->ops->fchmodat)(sys, AT_FDCWD, "/tmp/data", 0400), 0);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_int_equal(number(w.db, "SELECT a FROM t"), 5);
    assert_int_equal(run(w.db, "INSERT INTO t VALUES (6)") & 0xff, SQLITE_READONLY);
    world_close(&w);
}

static void errors_of_sqlite_have_names(void **state)
{
    (void)state;
    static const struct {
        int result;
        plait_err err;
    } cases[] = {
        {SQLITE_OK, PLAIT_OK},
        {SQLITE_NOMEM, PLAIT_ENOMEM},
        {SQLITE_BUSY, PLAIT_EBUSY},
        {SQLITE_LOCKED, PLAIT_EBUSY},
        {SQLITE_FULL, PLAIT_ENOSPACE},
        {SQLITE_READONLY_DBMOVED, PLAIT_EACCESS},
        {SQLITE_CORRUPT, PLAIT_EMALFORMED},
        {SQLITE_NOTADB, PLAIT_EMALFORMED},
        {SQLITE_CANTOPEN, PLAIT_EIO},
        {SQLITE_IOERR_READ, PLAIT_EIO},
        {SQLITE_MISUSE, PLAIT_EINVAL},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        assert_err(plait__store_err(NULL, cases[i].result), cases[i].err);
}

static void nothing_is_loaded_and_chance_is_the_hosts(void **state)
{
    (void)state;
    char bytes[8], *text = NULL;
    sqlite3_vfs *vfs = NULL;
    struct world w = world_open(1);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_int_equal(sqlite3_db_config(w.db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_load_extension(w.db, "x", NULL, &text), SQLITE_ERROR);
    assert_string_equal(text, "extensions are not loaded here");
    sqlite3_free(text);
    assert_int_equal(sqlite3_file_control(w.db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs), SQLITE_OK);
    uint64_t before = plait_sim_call_count(w.sim, "getrandom");
    assert_int_equal(vfs->xRandomness(vfs, sizeof bytes, bytes), sizeof bytes);
    assert_int_equal(plait_sim_call_count(w.sim, "getrandom"), before + 1);
    assert_ok(plait_sim_add_rule(w.sim, &(struct plait_sim_rule){.call = "getrandom", .os_errno = EIO}));
    assert_int_equal(vfs->xRandomness(vfs, sizeof bytes, bytes), 0);
    world_close(&w);
}

/* --- every call that can fail ------------------------------------------------------------------------------------- */

/* The nth call of a kind fails while the program runs; afterwards the database is whole. True: it was never made. */
static bool survives_call(const char *call, int os_errno, uint64_t nth)
{
    struct world w = world_open(1);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_int_equal(run(w.db, "CREATE TABLE kept(a); INSERT INTO kept VALUES (4)"), SQLITE_OK);
    plait__store_close(&w.db);
    const struct plait_sim_rule rule = {.call = call, .os_errno = os_errno, .nth = nth};
    assert_ok(plait_sim_add_rule(w.sim, &rule));
    int res = open_at(&w, "/tmp/data", READ_WRITE) == PLAIT_OK ? work(w.db) : SQLITE_ERROR;
    plait__store_close(&w.db);
    bool struck = plait_sim_fault_count(w.sim, 0, call) > 0;
    plait_sim_clear_rules(w.sim);
    if (!struck || os_errno == EINTR)
        assert_int_equal(res, SQLITE_OK);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_true(is_whole(w.db));
    assert_int_equal(number(w.db, "SELECT a FROM kept"), 4);
    world_close(&w);
    return !struck;
}

static void any_call_may_fail(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int os_errno;
    } cases[] = {
        {"openat2", EIO},    {"openat2", EINTR},   {"fstat", EIO},  {"fstatat", EIO},  {"fstatat", EINTR},
        {"pread", EIO},      {"pread", EINTR},     {"pwrite", EIO}, {"pwrite", EINTR}, {"pwrite", ENOSPC},
        {"ftruncate", EIO},  {"ftruncate", EINTR}, {"fsync", EIO},  {"fsync", EINTR},  {"unlinkat", EIO},
        {"unlinkat", EINTR}, {"getrandom", EIO},   {"close", EIO},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        for (uint64_t nth = 1; nth < 500 && !survives_call(cases[i].call, cases[i].os_errno, nth); nth++)
            continue;
    }
}

static void a_full_disk_costs_the_transaction_only(void **state)
{
    (void)state;
    struct world w = world_open(1);
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_int_equal(run(w.db, "CREATE TABLE t(a); INSERT INTO t VALUES (1)"), SQLITE_OK);
    plait_host_set_disk(w.host, &(struct plait_sim_disk){.bytes_max = 40000});
    assert_int_equal(run(w.db, "INSERT INTO t VALUES (randomblob(100000))") & 0xff, SQLITE_FULL);
    assert_int_equal(number(w.db, "SELECT count(*) FROM t"), 1);
    assert_true(is_whole(w.db));
    world_close(&w);
}

static void without_memory_nothing_is_opened_and_nothing_lost(void **state)
{
    (void)state;
    struct world w = world_open(1);
    size_t max = w.r->budget.max;
    w.r->budget.max = w.r->budget.used;
    assert_err(open_at(&w, "/tmp/data", READ_WRITE), PLAIT_ENOMEM);
    w.r->budget.max = max;
    for (uint64_t k = 1; k < 3000; k++) {
        heap.calls = 0;
        heap.fail_at = k;
        plait_err err = open_at(&w, "/tmp/data", READ_WRITE);
        if (err == PLAIT_OK)
            (void)work(w.db);
        bool over = heap.calls < k;
        heap.fail_at = 0;
        plait__store_close(&w.db);
        if (over)
            break;
    }
    assert_ok(open_at(&w, "/tmp/data", READ_WRITE));
    assert_true(is_whole(w.db));
    world_close(&w);
}

TEST_MAIN_WITH(set_up, NULL, cmocka_unit_test(what_is_written_is_there_when_it_is_opened_again),
               cmocka_unit_test(the_kernel_keeps_a_database_too), cmocka_unit_test(the_clock_is_the_hosts),
               cmocka_unit_test(one_writes_while_others_read), cmocka_unit_test(what_cannot_be_opened_says_why),
               cmocka_unit_test(what_may_not_be_written_is_read), cmocka_unit_test(errors_of_sqlite_have_names),
               cmocka_unit_test(nothing_is_loaded_and_chance_is_the_hosts), cmocka_unit_test(any_call_may_fail),
               cmocka_unit_test(a_full_disk_costs_the_transaction_only),
               cmocka_unit_test(without_memory_nothing_is_opened_and_nothing_lost))
