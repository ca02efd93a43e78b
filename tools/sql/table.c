/*
 * evlog_sqlite.so: a log as a virtual table of SQLite, read only.
 *
 *   create virtual table e using evlog('LOG')
 *   create virtual table e using evlog('LOG', 'user=enrollment.user.id', 'course=enrollment.course.course_key')
 *   select * from evlog('LOG')
 *
 *   seq log_time time id type source host lib headers data damage, and a column for each NAME=PATH (evlog/value.h)
 *
 * Times are text, 2026-01-31T18:00:00.123456+00:00 as everywhere in evlog: SQLite's date functions read that, it
 * sorts as the times do, and is compared with '2026-01-31'; SQLite has no type for times. data and headers are JSON,
 * for SQLite's -> and ->>. All events are rows, also the log's own (evlog.*), since what is a row cannot depend on
 * the query.
 *
 * 1. A scan has the events up to the head of the log at its beginning, in the order of seq or its reverse.
 * 2. A damaged or missing event is never passed over in silence: the query fails with the library's sentence, which
 *    names seq; or, where it asks for the column `damage`, gets a row with the sentence (one for each stretch of
 *    them, with its first seq), and NULL in all other columns.
 * 3. The log is open only while a scan is, so that a program with a connection does not keep others from
 *    compacting it. Nothing of the log is changed.
 * 4. sqlite3_interrupt and progress handlers are obeyed: SQLite looks between rows, and where no rows come,
 *    pulse() lets it look each 65,536 events.
 *
 * A table has no rowid: SQLite does not say whether a query asks for that, as it does for columns.
 *
 * A query for nothing but the types (group by type) is answered by counting them first, and then giving each as many
 * times as it was counted, in order: SQLite's sorting of the rows would take longer than reading the log.
 *
 * The extension is linked with libevlog.so: a program that has the library open shares it, as must be (README.md, "LMDB
 * inside the same process"). One that contains another copy of the library (the Python package does) must not
 * have the same log open.
 *
 * Absent on purpose: writing; an index of types, ids or times of events.
 */
#include "table.h"

#include <ctype.h>
#include <stdatomic.h>
#include <string.h>

#include "counts.h"

SQLITE_EXTENSION_INIT3

#define PULSE_EVENTS 65536

static _Atomic uint64_t read_count; /* of all scans, by steps of a thousand or so */

struct scan {
    sqlite3_vtab_cursor base;
    evlog *log; /* NULL: not opened yet */
    char *log_path;
    evlog_cursor *cursor;
    const evlog_event *event; /* NULL: a row of damage, or the end */
    evlog_value data;         /* of event; see column_give */
    struct type_conditions types;
    struct counts counts; /* by type; what PLAN_TYPES_ONLY gives, or which types are wanted */
    uint64_t read_count;
    uint64_t damaged_seq;
    char *damage; /* the sentence of a row of damage */
    int plan;
    bool is_end;
};

static struct table *table_of(const struct scan *scan)
{
    return (struct table *)scan->base.pVtab;
}

/* SQLite's code for a failure of the library, whose sentence becomes the query's. */
static int fail(struct table *table, int code)
{
    sqlite3_free(table->base.zErrMsg);
    table->base.zErrMsg = sqlite3_mprintf("%s", evlog_errmsg());
    return code == EVLOG_NOMEM     ? SQLITE_NOMEM
           : code == EVLOG_BUSY    ? SQLITE_BUSY
           : code == EVLOG_DAMAGED ? SQLITE_CORRUPT_VTAB
                                   : SQLITE_ERROR;
}

/* -------------------------------------------------------------- tables ---- */

/* An argument of CREATE VIRTUAL TABLE without its quotes; to be freed by sqlite3_free. NULL: no memory. */
static char *unquoted(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char quote = *text == '[' ? ']' : *text, *result = sqlite3_mprintf("%s", text), *to = result;
    if (!result || !strchr("'\"`]", quote) || !*text)
        return result;
    for (const char *from = text + 1; *from; from++) {
        if (*from == quote && *++from != quote)
            break;
        *to++ = *from;
    }
    *to = '\0';
    return result;
}

/* NAME=PATH. SQLite's code. */
static int add_path(struct table *table, const char *argument, char **why)
{
    char *name = unquoted(argument), *equals = name ? strchr(name, '=') : NULL;
    if (!name)
        return SQLITE_NOMEM;
    if (!equals || equals == name || table->path_count == PATHS_MAX) {
        *why = sqlite3_mprintf(
            equals && equals != name
                ? "evlog: too many columns"
                : "evlog: a column is 'NAME=PATH', as 'user=enrollment.user.id', not %s",
            argument);
        sqlite3_free(name);
        return SQLITE_ERROR;
    }
    *equals = '\0';
    table->paths[table->path_count++] = (struct path_column){name, equals + 1};
    return SQLITE_OK;
}

/* offline, or a column. */
static int read_argument(struct table *table, const char *argument, char **why)
{
    char *word = unquoted(argument);
    bool is_offline = word && strcmp(word, "offline") == 0;
    int result = word ? SQLITE_OK : SQLITE_NOMEM;
    sqlite3_free(word);
    table->is_offline |= is_offline;
    return result || is_offline ? result : add_path(table, argument, why);
}

/* The log, and how to read it. */
static int read_arguments(struct table *table, int count, const char *const *arguments,
                          char **why)
{
    int result = SQLITE_OK;
    if (count == 0)
        return SQLITE_OK;
    table->log = unquoted(arguments[0]);
    table->paths = sqlite3_malloc64(PATHS_MAX * sizeof *table->paths);
    if (!table->log || !table->paths)
        return SQLITE_NOMEM;
    for (int i = 1; i < count && result == SQLITE_OK; i++)
        result = read_argument(table, arguments[i], why);
    return result;
}

static int declare(struct table *table)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    sqlite3_str_appendall(sql,
                          "create table x(seq integer primary key, log_time text, time text, "
                          "id text, type text, source text, host text, lib text, "
                          "headers text, data text, damage text, log text hidden");
    for (size_t i = 0; i < table->path_count; i++)
        sqlite3_str_appendf(sql, ", \"%w\"", table->paths[i].name);
    sqlite3_str_appendall(sql, ") without rowid");
    char *text = sqlite3_str_finish(sql);
    int result = text ? sqlite3_declare_vtab(table->db, text) : SQLITE_NOMEM;
    sqlite3_free(text);
    return result;
}

/* Where this process has the log open for writing, that is shared. */
static int open_log(const struct table *table, const char *path, evlog **log)
{
    const evlog_options options = {.read_only = true, .offline = table->is_offline};
    int code = evlog_open(path, &options, log);
    return code == EVLOG_CONFLICT ? evlog_open(path, &(evlog_options){.no_create = true}, log)
                                  : code;
}

/* So that a wrong path is reported where it is given. */
static int try_log(const struct table *table, char **why)
{
    evlog *log;
    if (!table->log)
        return SQLITE_OK;
    int code = open_log(table, table->log, &log);
    if (code == EVLOG_OK)
        code = evlog_close(log);
    if (code)
        *why = sqlite3_mprintf("%s", evlog_errmsg());
    return code == EVLOG_NOMEM ? SQLITE_NOMEM : code ? SQLITE_ERROR : SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base)
{
    struct table *table = (struct table *)base;
    for (size_t i = 0; i < table->path_count; i++)
        sqlite3_free(table->paths[i].name);
    sqlite3_free(table->paths);
    sqlite3_free(table->log);
    sqlite3_free(table);
    return SQLITE_OK;
}

/* xCreate and xConnect; that they are one function makes it a table-valued function too. */
static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **made, char **why)
{
    (void)aux; /* argv: the module, the database, the table, and the arguments */
    struct table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (struct table){.db = db};
    int result = read_arguments(table, argc - 3, argv + 3, why);
    if (result == SQLITE_OK)
        result = try_log(table, why);
    if (result == SQLITE_OK) {
        result = declare(table);
        if (result)
            *why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    }
    if (result)
        table_disconnect(&table->base);
    else
        *made = &table->base;
    return result;
}

/* --------------------------------------------------------------- scans ---- */

static int scan_open(sqlite3_vtab *base, sqlite3_vtab_cursor **opened)
{
    (void)base;
    struct scan *scan = sqlite3_malloc(sizeof *scan);
    if (!scan)
        return SQLITE_NOMEM;
    *scan = (struct scan){.is_end = true};
    *opened = &scan->base;
    return SQLITE_OK;
}

/* Ends what xFilter has begun; the log stays open for the next one. */
static void scan_reset(struct scan *scan)
{
    evlog_cursor_close(scan->cursor);
    plan_types_free(&scan->types);
    counts_free(&scan->counts);
    sqlite3_free(scan->damage);
    scan->cursor = NULL;
    scan->event = NULL;
    scan->damage = NULL;
    scan->is_end = true;
}

static void scan_close_log(struct scan *scan)
{
    if (scan->log)
        evlog_close(scan->log);
    sqlite3_free(scan->log_path);
    scan->log = NULL;
    scan->log_path = NULL;
}

static int scan_close(sqlite3_vtab_cursor *base)
{
    struct scan *scan = (struct scan *)base;
    scan_reset(scan);
    scan_close_log(scan);
    sqlite3_free(scan);
    return SQLITE_OK;
}

static int scan_open_log(struct scan *scan, const char *path)
{
    if (scan->log && strcmp(scan->log_path, path) == 0)
        return SQLITE_OK;
    scan_close_log(scan);
    scan->log_path = sqlite3_mprintf("%s", path);
    if (!scan->log_path)
        return SQLITE_NOMEM;
    int code = open_log(table_of(scan), path, &scan->log);
    if (code == EVLOG_OK)
        return SQLITE_OK;
    scan->log = NULL;
    return fail(table_of(scan), code);
}

/*
 * Lets SQLite see whether it was interrupted, by a query of some thousand steps: they are for progress handlers.
 * (sqlite3_is_interrupted came with SQLite 3.41, and says nothing about these.)
 */
static int pulse(struct scan *scan)
{
    if (scan->read_count % PULSE_EVENTS)
        return SQLITE_OK;
    return sqlite3_exec(
        table_of(scan)->db,
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 500) "
        "select count(*) from n",
        NULL, NULL, NULL);
}

/* As evlog_cursor_next, and counts it. */
static int read_next(struct scan *scan)
{
    if (++scan->read_count % 1024 == 0)
        atomic_fetch_add_explicit(&read_count, 1024, memory_order_relaxed);
    return evlog_cursor_next(scan->cursor, &scan->event);
}

uint64_t evlog_sqlite_read_count(void)
{
    return atomic_load(&read_count);
}

/* Whether conditions on the type let it pass; they are looked at once for each type. */
static int is_wanted(struct scan *scan, bool *wanted)
{
    *wanted = true;
    if (scan->types.count == 0)
        return SQLITE_OK;
    struct count *type = counts_find(&scan->counts, scan->event->event_type);
    if (!type)
        return SQLITE_NOMEM;
    if (!type->is_decided)
        type->is_wanted = plan_wants_type(&scan->types, type->name);
    type->is_decided = true;
    *wanted = type->is_wanted;
    return SQLITE_OK;
}

/* A row of damage, where such rows are asked for. */
static int meet_damage(struct scan *scan)
{
    uint64_t first, last;
    if (!(scan->plan & PLAN_DAMAGE_ROWS))
        return fail(table_of(scan), EVLOG_DAMAGED);
    scan->damage = sqlite3_mprintf("%s", evlog_errmsg());
    if (!scan->damage)
        return SQLITE_NOMEM;
    scan->event = NULL;
    int code = evlog_cursor_damage(scan->cursor, &first, &last);
    scan->damaged_seq = first;
    return code ? fail(table_of(scan), code) : SQLITE_OK;
}

/* The next event, damage, or the end. */
static int scan_next(sqlite3_vtab_cursor *base)
{
    struct scan *scan = (struct scan *)base;
    bool wanted = false;
    int result = SQLITE_OK;
    sqlite3_free(scan->damage);
    scan->damage = NULL;
    scan->data.kind = EVLOG_VALUE_NULL;
    if (scan->plan & PLAN_TYPES_ONLY) {
        scan->is_end = !counts_next(&scan->counts);
        return SQLITE_OK;
    }
    while (result == SQLITE_OK && !wanted) {
        int code = read_next(scan);
        if (code == EVLOG_DAMAGED)
            return meet_damage(scan);
        if (code)
            return fail(table_of(scan), code);
        scan->is_end = !scan->event;
        if (scan->is_end)
            return SQLITE_OK;
        result = is_wanted(scan, &wanted);
        if (result == SQLITE_OK && !wanted)
            result = pulse(scan);
    }
    return result;
}

/* Counts the events of each type. */
static int count_types(struct scan *scan)
{
    int code, result = SQLITE_OK;
    while (result == SQLITE_OK && (code = read_next(scan)) == EVLOG_OK && scan->event) {
        if (counts_add(&scan->counts, scan->event->event_type))
            return SQLITE_NOMEM;
        result = pulse(scan);
    }
    scan->event = NULL;
    if (result)
        return result;
    if (code)
        return fail(table_of(scan), code);
    counts_sort(&scan->counts, (scan->plan & PLAN_NEWEST_FIRST) != 0);
    return SQLITE_OK;
}

static int begin(struct scan *scan, const char *plan, int argc, sqlite3_value **argv)
{
    struct wanted wanted;
    plan_read(plan, argc, argv, &wanted);
    const char *log = wanted.log ? wanted.log : table_of(scan)->log;
    if (wanted.is_nothing || !log)
        return SQLITE_DONE;
    int result = scan_open_log(scan, log);
    if (result == SQLITE_OK)
        result = plan_types(plan, argc, argv, &scan->types);
    if (result)
        return result;
    wanted.range.newest_first =
        (scan->plan & PLAN_NEWEST_FIRST) && !(scan->plan & PLAN_TYPES_ONLY);
    int code = evlog_cursor_open(scan->log, &wanted.range, &scan->cursor);
    if (code)
        return fail(table_of(scan), code);
    scan->is_end = false;
    return scan->plan & PLAN_TYPES_ONLY ? count_types(scan) : SQLITE_OK;
}

static int scan_filter(sqlite3_vtab_cursor *base, int plan_flags, const char *plan, int argc,
                       sqlite3_value **argv)
{
    struct scan *scan = (struct scan *)base;
    scan_reset(scan);
    scan->plan = plan_flags;
    int result = begin(scan, plan, argc, argv);
    if (result == SQLITE_DONE)
        return SQLITE_OK;
    return result ? result : scan_next(base);
}

static int scan_eof(sqlite3_vtab_cursor *base)
{
    return ((struct scan *)base)->is_end;
}

static int scan_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct scan *scan = (struct scan *)base;
    if (column == COLUMN_LOG)
        sqlite3_result_text(context, scan->log_path, -1, SQLITE_TRANSIENT);
    else if (scan->plan & PLAN_TYPES_ONLY)
        sqlite3_result_text(context, counts_name(&scan->counts), -1, SQLITE_TRANSIENT);
    else if (scan->event)
        column_give(context, table_of(scan), scan->event, &scan->data, column);
    else if (column == COLUMN_SEQ)
        sqlite3_result_int64(context, (sqlite3_int64)scan->damaged_seq);
    else if (column == COLUMN_DAMAGE)
        sqlite3_result_text(context, scan->damage, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

/* -------------------------------------------------------------- module ---- */

static const sqlite3_module module = {
    .xCreate = table_connect,
    .xConnect = table_connect,
    .xBestIndex = plan_best,
    .xDisconnect = table_disconnect,
    .xDestroy = table_disconnect,
    .xOpen = scan_open,
    .xClose = scan_close,
    .xFilter = scan_filter,
    .xNext = scan_next,
    .xEof = scan_eof,
    .xColumn = scan_column,
};

/* The name that SQLite looks for in evlog_sqlite.so. */
EVLOG_API int sqlite3_evlogsqlite_init(sqlite3 *db, char **why, const sqlite3_api_routines *api);

int sqlite3_evlogsqlite_init(sqlite3 *db, char **why, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    if (sqlite3_libversion_number() < 3022000) {
        *why = sqlite3_mprintf("evlog_sqlite needs SQLite 3.22 or later");
        return SQLITE_ERROR;
    }
    return sqlite3_create_module(db, "evlog", &module, NULL);
}
