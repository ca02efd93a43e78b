/*
 * Fuzz target: a log whose files are damaged anywhere is queried through the extension of SQLite.
 *
 * What must hold: nothing crashes or hangs; each row that is given is as the event was sent; and a query that does not
 * ask for damage and succeeds has as many rows as one that does.
 */
#include <sqlite3.h>

#include "fuzz_files.h"

int sqlite3_evlogsqlite_init(sqlite3 *db, char **why, const struct sqlite3_api_routines *api);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const queries[] = {
    "select sum(length(data)), sum(length(headers)), max(id), max(log_time), max(source), sum(n) from e",
    "select type, count(*) from e group by type",
    "select seq, f from e where type like 'org.%' and log_time > '2020' order by seq desc",
    "select a.n from e a join e b on b.seq = a.n where a.damage is null and b.damage is null",
};

static int check_row(void *ctx, int count, char **values, char **names)
{
    const struct fuzz_log *fuzz = ctx;
    (void)count, (void)names;
    int seq = values[0] ? atoi(values[0]) : 0;
    if (values[1] || seq < 1 || seq > FUZZ_EVENTS || !values[2])
        return 0; /* damaged, of the log's own, or erased */
    must(fuzz->digests[seq] && atoi(values[2]) == seq, "a row has its event's data");
    return 0;
}

static int count_row(void *ctx, int count, char **values, char **names)
{
    (void)count, (void)names;
    *(int *)ctx = values[0] ? atoi(values[0]) : 0;
    return 0;
}

static void query(const struct fuzz_log *fuzz, sqlite3 *db)
{
    int all = 0, undamaged = 0;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        sqlite3_exec(db, queries[i], NULL, NULL, NULL);
    sqlite3_exec(db, "select seq, damage, n from e", check_row, (void *)fuzz, NULL);
    if (sqlite3_exec(db, "select count(*) from e", count_row, &all, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "select count(*) from e where damage is null", count_row, &undamaged,
                     NULL) == SQLITE_OK)
        must(all == undamaged, "no damage is passed over");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz_log fuzz;
    sqlite3 *db;
    char sql[300];
    if (!fuzz.path[0])
        fuzz_make(&fuzz, EVLOG_DURABLE, NULL);
    fuzz_restore(&fuzz, size && bytes[0] & 4 ? "state.mdb" : "events.mdb", bytes, size);
    sqlite3_auto_extension((void (*)(void))sqlite3_evlogsqlite_init);
    must(sqlite3_open(":memory:", &db) == SQLITE_OK, "a database in memory is opened");
    snprintf(sql, sizeof sql, "create virtual table e using evlog('%s', 'n=n', 'f=f')",
             fuzz.path);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        query(&fuzz, db);
    sqlite3_close(db);
    return 0;
}
