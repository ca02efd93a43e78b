/*
 * evlog sql: a query over logs, by SQLite and the virtual table of tools/sql/, in a database in memory.
 *
 * The SQL may have been pasted from anywhere, so it can only read the logs that are given: one statement, and an
 * authorizer that allows SELECT, reading the tables e, e2 ... and functions, but for those that load code. ATTACH,
 * PRAGMA, the table-valued function evlog(), which opens other logs, and all that writes are refused.
 *
 * A table on a terminal is as wide as its first ROWS_AHEAD rows need it; JSON is an object a line, as of every verb.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "print.h"
#include "progress.h"
#include "terminal.h"
#include "text.h"

#define ROWS_AHEAD 1000

/* Of tools/sql/table.c. */
int sqlite3_evlogsqlite_init(sqlite3 *db, char **why, const struct sqlite3_api_routines *api);
uint64_t evlog_sqlite_read_count(void);

/* ------------------------------------------------------------ refusing ---- */

static int authorize(void *ctx, int action, const char *name, const char *other,
                     const char *database, const char *by)
{
    static const char *const refused[] = {"load_extension", "fts3_tokenizer"};
    (void)ctx, (void)database, (void)by;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return strcmp(name, "evlog") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_FUNCTION:
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            if (sqlite3_stricmp(other, refused[i]) == 0)
                return SQLITE_DENY;
        return SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* Reports SQLite's sentence. The exit status. */
static int complain_sqlite(sqlite3 *db)
{
    int code = sqlite3_extended_errcode(db);
    const char *why = sqlite3_errmsg(db);
    if (code == SQLITE_CORRUPT_VTAB)
        return complain(EXIT_DAMAGED,
                        "%s; a query that asks for the column damage goes on, with a row for it",
                        why);
    if ((code & 0xff) == SQLITE_AUTH || strstr(why, "authoriz")) /* a function: SQLITE_ERROR */
        return complain(EXIT_MISUSE, "%s: the query may only read the logs that are given", why);
    return complain(code == SQLITE_BUSY ? EXIT_LOG : EXIT_MISUSE, "%s", why);
}

/* ------------------------------------------------------------- opening ---- */

/* The table of a log, e or e2, e3 ...; the exit status. */
static int add_log(sqlite3 *db, const struct options *options, const char *path, size_t number)
{
    struct options of_log = {.path = path, .open = options->open};
    evlog *log;
    char name[24] = "e";
    if (open_to_read(&of_log, &log))
        return EXIT_LOG;
    evlog_close(log);
    if (number > 1)
        snprintf(name, sizeof name, "e%zu", number);
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendf(sql, "create virtual table %s using evlog(%Q", name, path);
    if (options->open.offline)
        sqlite3_str_appendall(sql, ", offline");
    for (size_t i = 0; i < options->column_count; i++)
        sqlite3_str_appendf(sql, ", %Q", options->columns[i]);
    sqlite3_str_appendchar(sql, 1, ')');
    char *text = sqlite3_str_finish(sql);
    int code = text ? sqlite3_exec(db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return code ? complain_sqlite(db) : EXIT_DONE;
}

static int show_progress(void *ctx)
{
    (void)ctx;
    progress_at(evlog_sqlite_read_count());
    return 0;
}

/* All but the last operand are logs. */
static int open_all(sqlite3 **db, const struct options *options)
{
    sqlite3_auto_extension((void (*)(void))sqlite3_evlogsqlite_init);
    int code = sqlite3_open(":memory:", db);
    if (code)
        return complain(EXIT_LOG, "%s", sqlite3_errmsg(*db));
    for (size_t i = 0; i < options->operand_count; i++) {
        int status = add_log(*db, options, i ? options->operands[i - 1] : options->path, i + 1);
        if (status)
            return status;
    }
    /* What SQLite makes of these at their first use would be refused. */
    sqlite3_exec(*db, "select 1 from json_each('[]'), json_tree('[]')", NULL, NULL, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_set_authorizer(*db, authorize, NULL);
    sqlite3_progress_handler(*db, 10000, show_progress, NULL);
    return EXIT_DONE;
}

/* Prepares the one statement. The exit status. */
static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement)
{
    const char *rest;
    int code = sqlite3_prepare_v2(db, sql, -1, statement, &rest);
    if (code)
        return complain_sqlite(db);
    if (!*statement)
        return complain(EXIT_MISUSE, "the query is empty");
    if (rest[strspn(rest, " \t\r\n;")])
        return complain(EXIT_MISUSE, "only one statement is taken; the second is: %s", rest);
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- JSON ---- */

static json_t *json_of_blob(sqlite3_stmt *statement, int column)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = sqlite3_column_blob(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);
    char *text = malloc(size / 3 * 4 + 5), *to = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)from[i] << 16 | (i + 1 < size ? from[i + 1] << 8 : 0) |
                         (i + 2 < size ? from[i + 2] : 0);
        for (unsigned j = 0; j < 4; j++)
            *to++ = i + j > size ? '=' : digits[three >> (18 - 6 * j) & 63];
    }
    *to = '\0';
    json_t *json = json_pack("{s:s}", "$bin", text);
    free(text);
    return json;
}

/* A value, in JSON as evlog show writes it. NULL: no memory, or a text is not UTF-8. */
static json_t *json_of_value(sqlite3_stmt *statement, int column)
{
    double number;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        number = sqlite3_column_double(statement, column);
        return isfinite(number) ? json_real(number)
                                : json_pack("{s:s}", "$float", number > 0 ? "inf" : "-inf");
    case SQLITE_TEXT:
        return json_stringn((const char *)sqlite3_column_text(statement, column),
                            (size_t)sqlite3_column_bytes(statement, column));
    case SQLITE_BLOB:
        return json_of_blob(statement, column);
    default:
        return json_null();
    }
}

static int put_json_row(sqlite3_stmt *statement)
{
    json_t *row = json_object();
    for (int i = 0; row && i < sqlite3_column_count(statement); i++)
        if (json_object_set_new(row, sqlite3_column_name(statement, i),
                                json_of_value(statement, i))) {
            json_decref(row);
            row = NULL;
        }
    return json_put(row, OUTPUT_JSON)
               ? complain(EXIT_MISUSE, "a text of the row is not UTF-8, or there is no memory")
               : EXIT_DONE;
}

/* Objects have a key once. */
static int check_names(sqlite3_stmt *statement)
{
    for (int i = 0; i < sqlite3_column_count(statement); i++)
        for (int j = 0; j < i; j++)
            if (strcmp(sqlite3_column_name(statement, i), sqlite3_column_name(statement, j)) == 0)
                return complain(EXIT_MISUSE,
                                "two columns of the result have the name %s; give one of them "
                                "another: ... AS name",
                                sqlite3_column_name(statement, i));
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- CSV ---- */

/* As it is; on a terminal with its control characters escaped. */
static void put_raw(const char *text, size_t size)
{
    if (isatty(STDOUT_FILENO))
        text_put(stdout, text, size, 0, 0);
    else
        fwrite(text, 1, size, stdout);
}

static void put_csv_value(const char *text, size_t size, int is_last)
{
    bool is_quoted = size && (memchr(text, '"', size) || memchr(text, ',', size) ||
                              memchr(text, '\n', size) || memchr(text, '\r', size));
    if (is_quoted)
        putchar('"');
    for (size_t from = 0, to; from < size; from = to) {
        const char *quote = memchr(text + from, '"', size - from);
        to = quote ? (size_t)(quote - text) + 1 : size;
        put_raw(text + from, to - from);
        if (quote)
            putchar('"');
    }
    if (is_quoted)
        putchar('"');
    putchar(is_last ? '\n' : ',');
}

static int put_csv_row(sqlite3_stmt *statement)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        put_csv_value(text ? text : "", (size_t)sqlite3_column_bytes(statement, i),
                      i + 1 == count);
    }
    return EXIT_DONE;
}

static void put_csv_names(sqlite3_stmt *statement)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(statement, i);
        put_csv_value(name, strlen(name), i + 1 == count);
    }
}

/* --------------------------------------------------------------- table ---- */

struct cell {
    char *text;
    size_t size;
    bool is_number;
};

/* Rows that wait until it is known how wide the columns are: the names, and the first ROWS_AHEAD. */
struct sheet {
    struct cell *cells;
    size_t *widths;
    size_t column_count, row_count;
    bool is_begun;
};

static size_t cell_width(const struct cell *cell)
{
    return text_width(cell->text, cell->size);
}

/* Adds a row's next cell. -1: no memory. */
static int sheet_add(struct sheet *sheet, size_t column, const char *text, size_t size,
                     bool is_number)
{
    struct cell *cell = &sheet->cells[sheet->row_count * sheet->column_count + column];
    *cell = (struct cell){malloc(size + 1), size, is_number};
    if (!cell->text)
        return -1;
    memcpy(cell->text, text, size);
    if (!sheet->is_begun && cell_width(cell) > sheet->widths[column])
        sheet->widths[column] = cell_width(cell);
    return 0;
}

static void put_blanks(FILE *out, size_t width, size_t used)
{
    fprintf(out, "%*s", used < width ? (int)(width - used) : 0, "");
}

/* Writes a row, as far as the terminal is wide, and frees its cells. */
static void sheet_put_row(struct sheet *sheet, struct cell *cells)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    for (size_t i = 0; out && i < sheet->column_count; i++) {
        bool is_last = i + 1 == sheet->column_count;
        size_t width = cell_width(&cells[i]);
        if (cells[i].is_number)
            put_blanks(out, sheet->widths[i], width);
        fwrite(cells[i].text, 1, cells[i].size, out);
        if (!cells[i].is_number && !is_last)
            put_blanks(out, sheet->widths[i], width);
        fputs(is_last ? "" : "  ", out);
        free(cells[i].text);
        cells[i].text = NULL;
    }
    if (out)
        fclose(out);
    text_put(stdout, line, size, 0, line_width(stdout));
    putchar('\n');
    free(line);
}

static void sheet_put(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->row_count; i++)
        sheet_put_row(sheet, &sheet->cells[i * sheet->column_count]);
    sheet->row_count = 0;
    sheet->is_begun = true;
}

static int sheet_end_row(struct sheet *sheet)
{
    if (++sheet->row_count > ROWS_AHEAD || sheet->is_begun)
        sheet_put(sheet);
    return EXIT_DONE;
}

static int sheet_begin(struct sheet *sheet, sqlite3_stmt *statement)
{
    int failed = 0;
    sheet->column_count = (size_t)sqlite3_column_count(statement);
    sheet->cells = calloc((ROWS_AHEAD + 2) * sheet->column_count, sizeof *sheet->cells);
    sheet->widths = calloc(sheet->column_count, sizeof *sheet->widths);
    if (!sheet->cells || !sheet->widths)
        return complain(EXIT_LOG, "out of memory");
    for (size_t i = 0; i < sheet->column_count && !failed; i++) {
        const char *name = sqlite3_column_name(statement, (int)i);
        failed = sheet_add(sheet, i, name, strlen(name), false);
    }
    return failed ? complain(EXIT_LOG, "out of memory") : sheet_end_row(sheet);
}

static int sheet_row(struct sheet *sheet, sqlite3_stmt *statement)
{
    int failed = 0;
    for (int i = 0; i < (int)sheet->column_count && !failed; i++) {
        int type = sqlite3_column_type(statement, i);
        const char *text = (const char *)sqlite3_column_text(statement, i);
        failed = sheet_add(sheet, (size_t)i, text ? text : "",
                           (size_t)sqlite3_column_bytes(statement, i),
                           type == SQLITE_INTEGER || type == SQLITE_FLOAT);
    }
    return failed ? complain(EXIT_LOG, "out of memory") : sheet_end_row(sheet);
}

static void sheet_free(struct sheet *sheet)
{
    if (sheet->cells)
        for (size_t i = 0; i < (ROWS_AHEAD + 2) * sheet->column_count; i++)
            free(sheet->cells[i].text);
    free(sheet->cells);
    free(sheet->widths);
}

/* ----------------------------------------------------------- the query ---- */

static int begin_output(struct sheet *sheet, sqlite3_stmt *statement, enum output output)
{
    if (output == OUTPUT_CSV)
        put_csv_names(statement);
    return output == OUTPUT_JSON  ? check_names(statement)
           : output == OUTPUT_CSV ? EXIT_DONE
                                  : sheet_begin(sheet, statement);
}

/* Writes all rows. The exit status. */
static int put_rows(sqlite3 *db, sqlite3_stmt *statement, enum output output)
{
    struct sheet sheet = {.row_count = 0};
    int code = SQLITE_DONE, status = begin_output(&sheet, statement, output);
    progress_begin("events read", 0);
    while (status == EXIT_DONE && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (ferror(stdout))
            exit(output_flushed(EXIT_DONE));
        status = output == OUTPUT_JSON  ? put_json_row(statement)
                 : output == OUTPUT_CSV ? put_csv_row(statement)
                                        : sheet_row(&sheet, statement);
    }
    progress_end();
    sheet_put(&sheet);
    sheet_free(&sheet);
    return status == EXIT_DONE && code != SQLITE_DONE ? complain_sqlite(db) : status;
}

int sql_run(struct options *options)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int status = open_all(&db, options);
    if (status == EXIT_DONE)
        status = prepare(db, options->operands[options->operand_count - 1], &statement);
    if (status == EXIT_DONE)
        status = put_rows(db, statement, options->output);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return status;
}
