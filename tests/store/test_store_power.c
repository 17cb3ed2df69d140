/* SPDX-License-Identifier: MIT
 *
 * Databases and losses of power: a program commits transactions, the power goes at its k-th call on files, and when it
 * is back the database is whole, each committed transaction is there, and none is there by half.
 */
#include "tests/store/store_kit.h"

/* How a database is kept, and whether SQLite promises to lose nothing then. */
struct way {
    const char *name, *pragmas;
    bool durable;
};

static const struct way truncated = {"TRUNCATE, FULL", "", true};
static const struct way kept = {"PERSIST, FULL", "PRAGMA journal_mode=PERSIST", true};
static const struct way deleted = {"DELETE, EXTRA", "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA", true};
static const struct way careless = {"DELETE, FULL", "PRAGMA journal_mode=DELETE", false};
static const struct way reckless = {"TRUNCATE, OFF", "PRAGMA synchronous=OFF", false};

struct run {
    const struct way *way;
    uint64_t seed, cut, calls, hash;
    unsigned committed, found;
    bool whole, halves, finished;
};

/* Each transaction writes `ten rows` and, in another table, that it did; pages of both change. */
static bool transaction(sqlite3 *db, unsigned n)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN IMMEDIATE;"
                   "WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM c WHERE i < 9)"
                   " INSERT INTO item SELECT %u, i, printf('%%0*d', 300 + 37 * ((%u + i) %% 11), i) FROM c;"
                   "UPDATE total SET items = items + 10; DELETE FROM item WHERE owner = %u - 6; COMMIT",
                   n, n, n);
    return run(db, sql) == SQLITE_OK;
}

static bool opened(struct world *w, const struct way *way)
{
    return plait__store_open(w->r, "/tmp/data", READ_WRITE, &w->db) == PLAIT_OK &&
           run(w->db, way->pragmas) == SQLITE_OK;
}

/* The program: as far as it comes. */
static void work(struct world *w, struct run *run_)
{
    if (!opened(w, run_->way) ||
        run(w->db, "CREATE TABLE IF NOT EXISTS item(owner, i, text);"
                   "CREATE TABLE IF NOT EXISTS total(items)") ||
        (number(w->db, "SELECT count(*) FROM total") == 0 && run(w->db, "INSERT INTO total VALUES (0)")))
        return;
    while (run_->committed < 8 && transaction(w->db, run_->committed + 1))
        run_->committed++;
    run_->finished = run_->committed == 8;
}

/* What is found when the power is back. An item's owner has ten of them, or none when six others came after. */
static void look(struct world *w, struct run *run_)
{
    if (!opened(w, run_->way))
        return; /* it is damaged */
    run_->whole = is_whole(w->db);
    int64_t items = number(w->db, "SELECT items FROM total"), last = number(w->db, "SELECT max(owner) FROM item");
    int64_t rows = number(w->db, "SELECT count(*) FROM item");
    run_->found = items > 0 ? (unsigned)items / 10 : 0;
    run_->halves = items > 0 && (last != run_->found || rows != 10 * (last > 6 ? 6 : last));
}

static uint64_t file_calls(const struct world *w)
{
    static const char *const names[] = {"openat2", "fstatat", "pread", "pwrite", "ftruncate", "fsync", "unlinkat"};
    uint64_t sum = 0;
    for (size_t i = 0; i < TEST_COUNT(names); i++)
        sum += plait_sim_call_count(w->sim, names[i]);
    return sum;
}

static void play(struct run *run_)
{
    struct world w = world_open(run_->seed);
    plait_host_cut_disk(w.host, run_->cut);
    work(&w, run_);
    plait__store_close(&w.db);
    run_->calls = file_calls(&w);
    plait_host_crash(w.host);
    plait_host_restart(w.host);
    w.r = plait_host_reactor(w.host);
    assert_non_null(w.r);
    look(&w, run_);
    run_->hash = plait_sim_hash(w.sim);
    world_close(&w);
}

static bool went_wrong(const struct run *run_)
{
    return !run_->whole || run_->halves || run_->found < run_->committed || run_->found > run_->committed + 1;
}

/* Cuts the power at every k-th call; returns how many runs went wrong. */
static unsigned cut_everywhere(const struct way *way, uint64_t seeds, unsigned *in_doubt)
{
    unsigned wrong = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        for (uint64_t cut = 1;; cut++) {
            struct run r = {.way = way, .seed = (test_seed() * 1000 + seed) * 1000 + cut, .cut = cut};
            play(&r);
            *in_doubt += r.found == r.committed + 1;
            if (went_wrong(&r) && way->durable)
                print_error("%s, seed %" PRIu64 ", call %" PRIu64 ": %u committed, %u found%s%s\n", way->name, r.seed,
                            cut, r.committed, r.found, r.whole ? "" : ", damaged", r.halves ? ", by half" : "");
            wrong += went_wrong(&r);
            if (cut > r.calls)
                break;
        }
    }
    return wrong;
}

static void nothing_is_lost(const struct way *way)
{
    unsigned in_doubt = 0;
    assert_int_equal(cut_everywhere(way, test_seeds(200) / 50, &in_doubt), 0);
    assert_true(in_doubt > 0); /* committed on the disk, though the program never heard of it */
}

static void a_truncated_journal_loses_nothing(void **state)
{
    (void)state;
    nothing_is_lost(&truncated);
}

static void a_kept_journal_loses_nothing(void **state)
{
    (void)state;
    nothing_is_lost(&kept);
}

static void a_deleted_journal_loses_nothing_when_its_folder_is_synced(void **state)
{
    (void)state;
    nothing_is_lost(&deleted);
}

/* The test can fail: what SQLite does not promise is seen to be lost. */
static void what_is_not_promised_is_lost(void **state)
{
    (void)state;
    unsigned in_doubt = 0;
    assert_true(cut_everywhere(&careless, 1, &in_doubt) > 0);
    assert_true(cut_everywhere(&reckless, 1, &in_doubt) > 0);
}

static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run first = {.way = &truncated, .seed = seed, .cut = seed * 7}, second = first;
        play(&first);
        play(&second);
        assert_int_equal(first.hash, second.hash);
        assert_int_equal(first.found, second.found);
        assert_int_equal(first.calls, second.calls);
    }
}

static void without_a_cut_everything_is_there(void **state)
{
    (void)state;
    struct run r = {.way = &truncated, .seed = 1};
    play(&r);
    assert_true(r.finished && r.whole && !r.halves);
    assert_int_equal(r.found, 8);
}

TEST_MAIN(cmocka_unit_test(without_a_cut_everything_is_there), cmocka_unit_test(a_truncated_journal_loses_nothing),
          cmocka_unit_test(a_kept_journal_loses_nothing),
          cmocka_unit_test(a_deleted_journal_loses_nothing_when_its_folder_is_synced),
          cmocka_unit_test(what_is_not_promised_is_lost), cmocka_unit_test(the_same_seed_is_the_same_run))
