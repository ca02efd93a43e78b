/*
 * The extension of SQLite: a log as a table has exactly its events, whatever the conditions and the order; damage is
 * reported; nothing is held open, and long queries can be interrupted.
 */
#include <sqlite3.h>

#include "damage.h"
#include "evlog/upkeep.h"
#include "evlog/value.h"

int sqlite3_evlogsqlite_init(sqlite3 *db, char **why, const struct sqlite3_api_routines *api);

/* ------------------------------------------------------------- helpers ---- */

static sqlite3 *open_db(void)
{
    sqlite3 *db;
    sqlite3_auto_extension((void (*)(void))sqlite3_evlogsqlite_init);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why))
        fail_msg("%s: %s", sql, why);
}

/* The query fails with this code, and its sentence contains `words`. */
static void refused(sqlite3 *db, int code, const char *words, const char *sql)
{
    char *why = NULL;
    sqlite3_exec(db, sql, NULL, NULL, &why);
    int found = sqlite3_extended_errcode(db);
    if (found != code || !why || !strstr(why, words))
        fail_msg("%s: %d, not %d: %s, not %s", sql, found, code, why ? why : "-", words);
    sqlite3_free(why);
}

static int append_row(void *ctx, int count, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < count; i++)
        sqlite3_str_appendf(ctx, "%s%s", values[i] ? values[i] : "-", i + 1 < count ? "|" : "\n");
    return 0;
}

/* All rows as text, to be freed by sqlite3_free. */
static char *rows(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    sqlite3_str *text = sqlite3_str_new(db);
    if (sqlite3_exec(db, sql, append_row, text, &why))
        fail_msg("%s: %s", sql, why);
    sqlite3_str_appendall(text, "");
    char *result = sqlite3_str_finish(text);
    return result ? result : sqlite3_mprintf("");
}

static void gives(sqlite3 *db, const char *expected, const char *sql)
{
    char *found = rows(db, sql);
    if (strcmp(found, expected) != 0)
        fail_msg("%s\ngives %s\nnot   %s", sql, found, expected);
    sqlite3_free(found);
}

/* A table e of the log. */
static sqlite3 *db_of(const char *path, const char *more)
{
    char sql[4400];
    sqlite3 *db = open_db();
    snprintf(sql, sizeof sql, "create virtual table e using evlog('%s'%s)", path, more);
    run(db, sql);
    return db;
}

static void send_one(evlog *log, const char *type, const void *data, size_t size, int64_t time_us)
{
    evlog_signal *signal;
    evlog_header header = {"trace", "abc"};
    OK(evlog_define(log, type, 0, NULL, &signal));
    OK(evlog_send_event(signal, data, size,
                        &(evlog_send_options){
                            .time_us = time_us, .headers = &header, .header_count = time_us != 0},
                        NULL));
}

static const char *const types[] = {"org.example.a.v1", "org.example.b.v1", "org.other.c.v1",
                                    "Org.Example.A.v1", "net.d"};
#define TYPE_COUNT (sizeof types / sizeof *types)

/* {"n": number, "who": {"name": "x"}} */
static size_t data_of(unsigned number, unsigned char data[32])
{
    static const unsigned char form[] = "\x82\xa1n\xcd  \xa3who\x81\xa4name\xa1x";
    memcpy(data, form, sizeof form - 1);
    data[4] = (unsigned char)(number >> 8);
    data[5] = (unsigned char)number;
    return sizeof form - 1;
}

static void fill(const char *path, unsigned count)
{
    evlog *log;
    unsigned char data[32];
    OK(evlog_open(path, NULL, &log));
    for (unsigned i = 1; i <= count; i++)
        send_one(log, types[i * i % TYPE_COUNT], data, data_of(i, data), i % 3 ? 0 : i * 1000000);
    OK(evlog_close(log));
}

/* --------------------------------------------------------------- rows ---- */

/* Each column is the event's. */
static void a_row_has_what_the_event_has(void **state)
{
    evlog *log;
    const char *path = in(*state, "log");
    static const unsigned char kinds[] = "\x87\xa1i\xff\xa1"
                                         "d\xcb\x3f\xf8\0\0\0\0\0\0\xa1"
                                         "u\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1"
                                         "b\xc4\x02\x00\x01\xa1t\xc3\xa1l\x92\x01\xa1x\xa3"
                                         "a.b\xa2no";
    OK(evlog_open(path, &(evlog_options){.source = "src", .sourcehost = "pod"}, &log));
    send_one(log, "org.example.a.v1", kinds, sizeof kinds - 1, 1769882400123456);
    send_one(log, "org.example.a.v1", "\x80", 1, 0);
    OK(evlog_erase(log, 2, NULL, &(evlog_erase_options){.reason = "test"}));
    OK(evlog_close(log));
    sqlite3 *db = db_of(
        path, ", 'i=i', \"d=d\", u=u, 'b=b', 't=t', 'l=l', 'dot=a\\.b', 'deep=l.1', 'none=x.y'");
    gives(
        db,
        "1|2026-01-31T18:00:00.123456+00:00|org.example.a.v1|src|pod|0.1.0|{\"trace\": \"abc\"}|-|"
        "-1|1.5|18446744073709551615|0001|1|[1, \"x\"]|no|x|-\n",
        "select seq, time, type, source, host, lib, headers, damage, i, d, u, hex(b), t, l, dot, "
        "deep, none from e where seq = 1");
    gives(db, "integer|real|text|blob|integer|text|null\n",
          "select typeof(i), typeof(d), typeof(u), typeof(b), typeof(t), typeof(l), typeof(none) "
          "from e limit 1");
    gives(
        db,
        "{\"i\": -1, \"d\": 1.5, \"u\": {\"$uint\": \"18446744073709551615\"}, \"b\": {\"$bin\": "
        "\"AAE=\"}, \"t\": true, \"l\": [1, \"x\"], \"a.b\": \"no\"}|-1\n",
        "select data, data->>'i' from e limit 1");
    gives(
        db, "2|-|-|-\n3|evlog.erased.v1|-|2\n",
        "select seq, case seq when 3 then type end, headers, data->>'seq' from e where seq > 1");
    gives(db, "1|36|32|1\n",
          "select seq, length(id), length(log_time), "
          "abs(julianday(log_time) - julianday('now')) < 1 from e limit 1");
    /* As a function, and by a quoted path. */
    char sql[4400];
    snprintf(sql, sizeof sql, "select count(*), sum(seq) from evlog('%s')", path);
    gives(db, "3|6\n", sql);
    sqlite3_close(db);
}

static unsigned pick(unsigned *seed, unsigned count)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % count;
}

/* A random condition; times and seqs are those of events, or beside. */
static void append_condition(sqlite3_str *sql, sqlite3 *db, unsigned *seed)
{
    static const char *const operators[] = {"=", "<", "<=", ">", ">=", "<>", "is"};
    static const char *const texts[] = {"'2026'", "'z'", "''",    "'5'",
                                        "null",   "7",   "x'41'", "1e300"};
    static const char *const of_type[] = {
        "type = 'org.example.a.v1'",
        "type = 'none'",
        "type like 'org.ex%'",
        "type glob 'org.ex*'",
        "type not like 'org%'",
        "type in ('org.example.a.v1', 'net.d', 5, null)",
        "type in (select type from m where seq < 3)",
        "type = 'ORG.example.a.v1' collate nocase",
        "type > 'org'",
        "type = null",
    };
    const char *op = operators[pick(seed, 7)];
    unsigned seq = pick(seed, 330);
    switch (pick(seed, 7)) {
    case 0:
        sqlite3_str_appendf(sql, "%s", of_type[pick(seed, 10)]);
        return;
    case 1:
        sqlite3_str_appendf(sql, "seq %s %s", op, texts[pick(seed, 8)]);
        return;
    case 2:
        sqlite3_str_appendf(sql, "log_time %s %s", op, texts[pick(seed, 8)]);
        return;
    case 3: {
        char query[100];
        snprintf(query, sizeof query, "select log_time from m where seq = %u", seq);
        char *time = rows(db, query);
        time[strcspn(time, "\n")] = '\0';
        time[pick(seed, 4) ? strlen(time) : pick(seed, 33) % (strlen(time) + 1)] = '\0';
        sqlite3_str_appendf(sql, "log_time %s %Q", op, time);
        sqlite3_free(time);
        return;
    }
    case 4:
        sqlite3_str_appendf(sql, "seq in (%u, %u, %u)", seq, seq / 2, seq + 7);
        return;
    default:
        sqlite3_str_appendf(sql, "seq %s %d", op, (int)seq - 10);
    }
}

/* One query of both tables, %s being the table. */
static void is_the_same(sqlite3 *db, const char *query)
{
    char *of_table = sqlite3_mprintf(query, "m"), *of_log = sqlite3_mprintf(query, "e");
    char *expected = rows(db, of_table);
    gives(db, expected, of_log);
    sqlite3_free(expected);
    sqlite3_free(of_table);
    sqlite3_free(of_log);
}

/* The log gives what an ordinary table with the same rows does, by conditions, orders and joins. */
static void agrees_with_an_ordinary_table(void **state)
{
    static const char *const selections[] = {
        "select * from %%s where %s order by seq",
        "select seq, type from %%s where %s order by seq desc limit 5",
        "select type, count(*) from %%s where %s group by type order by type desc",
        "select count(*), min(log_time), max(seq), sum(n) from %%s where %s",
        "select type, count(*) from %%s group by type union select %Q, 0",
        "select distinct type from %%s order by type desc -- %s",
        "select m.seq, x.n from m join %%s x on x.seq = m.seq + 1 where m.%s order by m.seq",
        "select a.seq from %%s a where a.%s and exists (select 1 from m b where b.seq = a.n)",
    };
    const char *path = in(*state, "log");
    unsigned seed = 1;
    fill(path, 300);
    sqlite3 *db = db_of(path, ", 'n=n'");
    run(db, "create table m as select * from e; create unique index i on m(seq)");
    gives(db, "300|300\n", "select count(*), count(distinct seq) from m");
    for (unsigned i = 0; i < 1000; i++) {
        sqlite3_str *where = sqlite3_str_new(db);
        append_condition(where, db, &seed);
        const char *selection = selections[pick(&seed, 8)];
        for (unsigned more = strstr(selection, ".%s") ? 0 : pick(&seed, 3); more; more--) {
            sqlite3_str_appendall(where, pick(&seed, 3) ? " and " : " or ");
            append_condition(where, db, &seed);
        }
        char *text = sqlite3_str_finish(where), *query = sqlite3_mprintf(selection, text);
        char *percent = text; /* LIKE's, which is_the_same formats again */
        sqlite3_str *doubled = sqlite3_str_new(db);
        for (; *percent; percent++)
            sqlite3_str_appendf(doubled, *percent == '%' ? "%%%%" : "%c", *percent);
        sqlite3_free(query);
        char *safe = sqlite3_str_finish(doubled);
        query = sqlite3_mprintf(selection, safe);
        is_the_same(db, query);
        sqlite3_free(safe);
        sqlite3_free(query);
        sqlite3_free(text);
    }
    sqlite3_close(db);
}

/* What is sent while a query runs is not in it; the next one has it. */
static void a_query_ends_at_the_head_of_its_beginning(void **state)
{
    const char *path = in(*state, "log");
    sqlite3_stmt *statement;
    evlog *log;
    unsigned count = 1;
    fill(path, 10);
    sqlite3 *db = db_of(path, "");
    OK(evlog_open(path, NULL, &log)); /* for writing: the query shares it */
    assert_int_equal(sqlite3_prepare_v2(db, "select seq from e", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    fill(path, 5);
    while (sqlite3_step(statement) == SQLITE_ROW)
        count++;
    assert_int_equal(count, 10);
    sqlite3_finalize(statement);
    OK(evlog_close(log));
    gives(db, "15\n", "select count(*) from e");
    /* Between queries nothing is open. */
    OK(evlog_compact(path, NULL, NULL));
    gives(db, "16|evlog.compacted.v1\n", "select max(seq), type from e");
    sqlite3_close(db);
}

/* --------------------------------------------------------------- damage ---- */

/* Changes a byte of the data of the event with this number. */
static void damage(const char *path, unsigned number)
{
    unsigned char data[32];
    char file[4300];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct bytes bytes = file_read(file);
    size_t size = data_of(number, data);
    unsigned char *at = memmem(bytes.at, bytes.size, data, size);
    assert_non_null(at);
    for (; at; at = memmem(at, bytes.size - (size_t)(at - bytes.at), data, size))
        at[7] ^= 1;
    file_write(file, bytes.at, bytes.size);
    free(bytes.at);
}

/* A damaged event ends a query, unless that asks for damage, or does not need the event. */
static void damage_is_not_silent(void **state)
{
    const char *path = in(*state, "log");
    fill(path, 60);
    damage(path, 20);
    sqlite3 *db = db_of(path, ", 'n=n'");
    refused(db, SQLITE_CORRUPT_VTAB, "event 20", "select count(*) from e");
    refused(db, SQLITE_CORRUPT_VTAB, "event 20", "select type, count(*) from e group by type");
    refused(db, SQLITE_CORRUPT_VTAB, "event 20", "select count(*) from e where type = 'none'");
    refused(db, SQLITE_CORRUPT_VTAB, "event 20", "select seq from e order by seq desc");
    gives(db, "60|59|20|-\n",
          "select count(*), count(n), max(case when damage is not null then seq end), "
          "max(case when damage is not null then type end) from e");
    gives(
        db, "20|1\n",
        "select seq, damage like '%checksum%' from e where damage is not null order by seq desc");
    /* A range without it is not read there. */
    gives(db, "40\n", "select count(*) from e where seq > 20");
    gives(db, "19\n", "select count(*) from e where seq < 20");
    gives(db, "59\n", "select count(*) from e where damage is null");
    /* When a damaged event was logged is not known, so it may be read beside the first of a time. */
    gives(db, "1\n",
          "select min(seq) > 25 from e where log_time >= "
          "(select log_time from e where seq = 30)");
    sqlite3_close(db);
}

/* What is asked for wrongly is refused with a sentence. */
static void misuse_is_refused(void **state)
{
    char sql[4400];
    sqlite3 *db = open_db();
    const char *path = in(*state, "log");
    fill(path, 2);
    refused(db, SQLITE_ERROR, "which log", "select * from evlog");
    refused(db, SQLITE_ERROR, "no log there", "select * from evlog('/nowhere/at/all')");
    refused(db, SQLITE_ERROR, "no log there",
            "create virtual table e using evlog('/nowhere/at/all')");
    snprintf(sql, sizeof sql, "create virtual table e using evlog('%s', 'user')", path);
    refused(db, SQLITE_ERROR, "'NAME=PATH'", sql);
    snprintf(sql, sizeof sql, "create virtual table e using evlog('%s', 'seq=x')", path);
    refused(db, SQLITE_ERROR, "duplicate column name", sql);
    snprintf(sql, sizeof sql, "create virtual table e using evlog('%s', 'a\"b)=x')", path);
    run(db, sql);
    refused(db, SQLITE_ERROR, "may not be modified", "delete from e");
    gives(db, "-\n", "select \"a\"\"b)\" from e limit 1");
    sqlite3_close(db);
    db = db_of(path, ", 'bad=x\\y'");
    refused(db, SQLITE_ERROR, "x", "select bad from e");
    sqlite3_close(db);
}

/* ----------------------------------------------------------- long scans ---- */

static int stop(void *ctx)
{
    ++*(int *)ctx;
    return 1;
}

/* No row comes of these queries for long: they can be interrupted all the same. */
static void a_long_scan_can_be_interrupted(void **state)
{
    evlog *log;
    evlog_signal *signal;
    const char *path = in(*state, "log");
    static evlog_sending sends[65536];
    int calls = 0;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, "org.example.a.v1", 0, NULL, &signal));
    for (size_t i = 0; i < 65536; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = "\x80", .data_size = 1};
    OK(evlog_send_events(sends, 65536, NULL, NULL));
    OK(evlog_send_events(sends, 10000, NULL, NULL));
    OK(evlog_close(log));
    sqlite3 *db = db_of(path, "");
    gives(db, "org.example.a.v1|75536\n", "select type, count(*) from e group by type");
    sqlite3_progress_handler(db, 1000, stop, &calls);
    refused(db, SQLITE_INTERRUPT, "interrupt", "select 1 from e where type = 'none'");
    refused(db, SQLITE_INTERRUPT, "interrupt", "select type from e order by type limit 1");
    assert_int_equal(calls, 2);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_row_has_what_the_event_has),
        TEST_AT_HOME(agrees_with_an_ordinary_table),
        TEST_AT_HOME(a_query_ends_at_the_head_of_its_beginning),
        TEST_AT_HOME(damage_is_not_silent),
        TEST_AT_HOME(misuse_is_refused),
        TEST_AT_HOME(a_long_scan_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
