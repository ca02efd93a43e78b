/*
 * The three that are compared, each used as its manual says that nothing acknowledged is lost:
 *
 *   evlog    a durable log
 *   SQLite   a table of events, WAL, synchronous=FULL
 *   JSON     a line for each event, appended and flushed with fdatasync; the directory is flushed
 *            when the file is made
 *
 * An event is a number and a text that follows from it, so that whoever reads it knows whether it is
 * the one that was sent. Each is opened as a program opens it at its start: what is not there is made.
 */
#include "subjects.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"
#include "evlog.h"

#define TEXT_SIZE 160
#define PATH_SIZE 4200
#define BUSY_MS 5000

static void make_text(uint64_t number, char text[TEXT_SIZE + 1])
{
    uint64_t word = event_mix(number);
    for (size_t i = 0; i < TEXT_SIZE; i += 16, word = event_mix(word))
        snprintf(text + i, 17, "%016" PRIx64, word);
}

static bool is_text(uint64_t number, const char *text, size_t size)
{
    char expected[TEXT_SIZE + 1];
    make_text(number, expected);
    return size == TEXT_SIZE && memcmp(text, expected, TEXT_SIZE) == 0;
}

/* ---------------------------------------------------------------- evlog ---- */

struct log {
    evlog *log;
    evlog_signal *signal;
};

static bool log_close(void *opened)
{
    struct log *log = opened;
    bool is_good = evlog_close(log->log) == EVLOG_OK;
    free(log);
    return is_good;
}

static void *log_open(const char *directory)
{
    char path[PATH_SIZE];
    struct log *log = calloc(1, sizeof *log);
    snprintf(path, sizeof path, "%s/log", directory);
    if (!log || evlog_open(path, NULL, &log->log)) {
        free(log);
        return NULL;
    }
    if (evlog_define(log->log, "org.evlog.prove.v1", 0, NULL, &log->signal) == EVLOG_OK)
        return log;
    log_close(log);
    return NULL;
}

/* {"n": number, "text": text} */
static bool log_append(void *opened, uint64_t number)
{
    const struct log *log = opened;
    char data[3 + 9 + 5 + 2 + TEXT_SIZE + 1] = "\x82\xa1n\xcf";
    for (int i = 0; i < 8; i++)
        data[4 + i] = (char)(number >> (56 - 8 * i));
    memcpy(data + 12, "\xa4text\xd9", 6);
    data[18] = (char)TEXT_SIZE;
    make_text(number, data + 19);
    return evlog_send_event(log->signal, data, 19 + TEXT_SIZE, NULL, NULL) == EVLOG_OK;
}

static void give_event(const evlog_event *event, subject_visit *visit, void *ctx)
{
    const unsigned char *data = event->data;
    uint64_t number = 0;
    bool has_form = event->data_size == 19 + TEXT_SIZE;
    for (int i = 0; has_form && i < 8; i++)
        number = number << 8 | data[4 + i];
    visit(number, has_form && is_text(number, (const char *)data + 19, TEXT_SIZE), ctx);
}

static bool log_read(void *opened, subject_visit *visit, void *ctx)
{
    const struct log *log = opened;
    const evlog_event *event;
    evlog_cursor *cursor;
    bool is_whole = true;
    int result = evlog_cursor_open(log->log, NULL, &cursor);
    if (result)
        return false;
    while ((result = evlog_cursor_next(cursor, &event)) == EVLOG_DAMAGED || (!result && event))
        if (result)
            is_whole = false;
        else
            give_event(event, visit, ctx);
    evlog_cursor_close(cursor);
    return is_whole && result == EVLOG_OK;
}

/* --------------------------------------------------------------- SQLite ---- */

static bool table_close(void *opened)
{
    return sqlite3_close(opened) == SQLITE_OK;
}

static void *table_open(const char *directory)
{
    char path[PATH_SIZE];
    sqlite3 *table;
    snprintf(path, sizeof path, "%s/events.db", directory);
    int rc = sqlite3_open(path, &table);
    sqlite3_busy_timeout(table, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(table,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "CREATE TABLE IF NOT EXISTS events"
                          "(seq INTEGER PRIMARY KEY, n INTEGER NOT NULL, text TEXT NOT NULL)",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return table;
    sqlite3_close(table);
    return NULL;
}

static bool table_append(void *opened, uint64_t number)
{
    char text[TEXT_SIZE + 1];
    sqlite3_stmt *insert;
    make_text(number, text);
    if (sqlite3_prepare_v2(opened, "INSERT INTO events (n, text) VALUES (?, ?)", -1, &insert,
                           NULL))
        return false;
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)number);
    sqlite3_bind_text(insert, 2, text, TEXT_SIZE, SQLITE_STATIC);
    bool is_done = sqlite3_step(insert) == SQLITE_DONE;
    return sqlite3_finalize(insert) == SQLITE_OK && is_done;
}

static bool table_read(void *opened, subject_visit *visit, void *ctx)
{
    sqlite3_stmt *select;
    int rc;
    if (sqlite3_prepare_v2(opened, "SELECT n, text FROM events ORDER BY seq", -1, &select, NULL))
        return false;
    while ((rc = sqlite3_step(select)) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(select, 0);
        const char *text = (const char *)sqlite3_column_text(select, 1);
        visit(number, text && is_text(number, text, (size_t)sqlite3_column_bytes(select, 1)),
              ctx);
    }
    return sqlite3_finalize(select) == SQLITE_OK && rc == SQLITE_DONE;
}

/* ----------------------------------------------------------- JSON lines ---- */

struct lines {
    int fd;
};

static bool flush_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY);
    bool is_good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return is_good;
}

static bool lines_close(void *opened)
{
    struct lines *lines = opened;
    bool is_good = close(lines->fd) == 0;
    free(lines);
    return is_good;
}

static void *lines_open(const char *directory)
{
    char path[PATH_SIZE];
    struct lines *lines = malloc(sizeof *lines);
    snprintf(path, sizeof path, "%s/events.jsonl", directory);
    if (!lines)
        return NULL;
    lines->fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    if (lines->fd >= 0 && flush_directory(directory))
        return lines;
    lines_close(lines);
    return NULL;
}

static bool lines_append(void *opened, uint64_t number)
{
    const struct lines *lines = opened;
    char text[TEXT_SIZE + 1], line[TEXT_SIZE + 64];
    make_text(number, text);
    int size =
        snprintf(line, sizeof line, "{\"n\": %" PRIu64 ", \"text\": \"%s\"}\n", number, text);
    return write(lines->fd, line, (size_t)size) == size && fdatasync(lines->fd) == 0;
}

static bool give_line(const char *line, size_t size, subject_visit *visit, void *ctx)
{
    json_t *event = json_loadb(line, size, 0, NULL);
    json_t *n = json_object_get(event, "n"), *text = json_object_get(event, "text");
    bool is_event = json_is_integer(n) && json_is_string(text);
    if (is_event) {
        uint64_t number = (uint64_t)json_integer_value(n);
        visit(number, is_text(number, json_string_value(text), json_string_length(text)), ctx);
    }
    json_decref(event);
    return is_event;
}

static bool lines_read(void *opened, subject_visit *visit, void *ctx)
{
    const struct lines *lines = opened;
    struct stat status;
    char *bytes = fstat(lines->fd, &status) ? NULL : malloc((size_t)status.st_size + 1);
    bool is_whole = bytes && pread(lines->fd, bytes, (size_t)status.st_size, 0) == status.st_size;
    const char *at = bytes, *end = is_whole ? bytes + status.st_size : bytes;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        is_whole = give_line(at, (size_t)(line_end - at), visit, ctx) && is_whole;
        at = line_end + 1;
    }
    free(bytes);
    return is_whole;
}

const struct subject subjects[SUBJECTS] = {
    {"evlog", log_open, log_append, log_read, log_close},
    {"SQLite", table_open, table_append, table_read, table_close},
    {"JSON lines", lines_open, lines_append, lines_read, lines_close},
};
