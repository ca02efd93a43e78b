/*
 * The file `format`: lines of text, so that a person can read it and a program of any version can
 * find out whether it can use the log.
 *
 *   evlog 1                    the version of the whole format
 *   uuid 0194f5a2-...          the log's own
 *   durability durable         or fast
 *   created_us 1790000000...
 *   to_read                    features that a reader must know; none yet
 *   to_write                   features that a writer must know as well; none yet
 *   checksum 0f3a...           XXH3-64 of all bytes before this line, 16 hex digits
 *
 * A later evlog that changes something that old code can ignore adds a line, which is skipped
 * here; a change that old code can read but must not write is a feature in to_write; one that it
 * cannot read, in to_read; and a change of this file itself is another number in the first line.
 *
 * It is written last when a log is made, under another name and then renamed: a directory with a
 * `format` is a whole log, one without is not a log.
 */
#include "format.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "error.h"
#include "uuid.h"

#define SIZE_MAX_TEXT 4096

static int path_of(const char *directory, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return error_set(EVLOG_INVALID, "%s: the path is too long", directory);
    return EVLOG_OK;
}

/* ------------------------------------------------------------- reading ---- */

static int read_text(const char *path, char text[SIZE_MAX_TEXT + 1], size_t *text_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(errno, "opening", path);
    ssize_t count, size = 0;
    while ((count = read(fd, text + size, (size_t)(SIZE_MAX_TEXT - size))) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int result = error_errno(errno, "reading", path);
            close(fd);
            return result;
        }
        size += count;
    }
    close(fd);
    text[size] = '\0';
    *text_size = (size_t)size;
    return EVLOG_OK;
}

/* The value of a line `key value`, cut out of `text`; NULL: no such line. */
static char *value_of(char *text, const char *key)
{
    size_t size = strlen(key);
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, key, size) == 0 && (line[size] == ' ' || line[size] == '\n'))
            return line + size + (line[size] == ' ');
    return NULL;
}

static int has_feature(char *text, const char *key)
{
    char *value = value_of(text, key);
    return value && *value != '\n';
}

/* The last line, and nothing after it, is the checksum of what is before. */
static int checksum_fits(char *text, size_t size)
{
    char *value = value_of(text, "checksum");
    if (!value)
        return 0;
    size_t covered = (size_t)(value - text) - strlen("checksum ");
    char expected[18];
    snprintf(expected, sizeof expected, "%016" PRIx64 "\n", XXH3_64bits(text, covered));
    return value + 17 == text + size && memcmp(value, expected, 17) == 0;
}

static int is_line(const char *value, const char *expected)
{
    size_t size = strlen(expected);
    return strncmp(value, expected, size) == 0 && value[size] == '\n';
}

static int check_version(const char *path, const char *text)
{
    static const char key[] = "evlog ", digits[] = "0123456789.";
    char known[16];
    const char *version = text + strlen(key);
    if (strncmp(text, key, strlen(key)) != 0 || strspn(version, digits) == 0)
        return error_set(EVLOG_UNSUPPORTED, "%s: not an evlog log", path);
    snprintf(known, sizeof known, "%d", FORMAT_VERSION);
    if (!is_line(version, known))
        return error_set(EVLOG_UNSUPPORTED,
                         "%s: format %.*s; this evlog (%s) knows %s: use a newer one", path,
                         (int)strspn(version, digits), version, EVLOG_VERSION, known);
    return EVLOG_OK;
}

static int parse(const char *path, char *text, size_t size, struct format *format)
{
    int result = check_version(path, text);
    if (result)
        return result;
    if (!checksum_fits(text, size))
        return error_set(EVLOG_DAMAGED, "%s: its checksum does not fit", path);
    if (has_feature(text, "to_read"))
        return error_set(EVLOG_UNSUPPORTED,
                         "%s: made by a newer evlog, which is needed to read it", path);
    char *uuid = value_of(text, "uuid"), *durability = value_of(text, "durability");
    char *created = value_of(text, "created_us");
    int fast = durability && is_line(durability, "fast");
    if (!created || !uuid || !uuid_parse(uuid, strcspn(uuid, "\n"), format->uuid) ||
        (!fast && !(durability && is_line(durability, "durable"))))
        return error_set(EVLOG_DAMAGED, "%s: a line is missing", path);
    format->version = FORMAT_VERSION;
    format->durability = fast ? EVLOG_FAST : EVLOG_DURABLE;
    format->created_us = strtoll(created, NULL, 10);
    format->read_only = has_feature(text, "to_write");
    return EVLOG_OK;
}

int format_read(const char *directory, struct format *format)
{
    char path[PATH_MAX], text[SIZE_MAX_TEXT + 1];
    size_t size = 0;
    int result = path_of(directory, FORMAT_FILE, path);
    if (result == EVLOG_OK)
        result = read_text(path, text, &size);
    return result ? result : parse(path, text, size, format);
}

/* ------------------------------------------------------------- writing ---- */

/* Writes and flushes a new file. */
static int write_text(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(errno, "making", path);
    int errnum = 0;
    while (size > 0 && !errnum) {
        ssize_t count = write(fd, text, size);
        if (count < 0 && errno != EINTR)
            errnum = errno;
        if (count > 0) {
            text += count;
            size -= (size_t)count;
        }
    }
    while (!errnum && fsync(fd))
        errnum = errno == EINTR ? 0 : errno;
    close(fd);
    return errnum ? error_errno(errnum, "writing", path) : EVLOG_OK;
}

static int flush_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(errno, "opening", path);
    int failed = fsync(fd) && errno != EINVAL; /* EINVAL: has no such thing */
    int result = failed ? error_errno(errno, "flushing", path) : EVLOG_OK;
    close(fd);
    return result;
}

int format_write(const char *directory, const struct format *format)
{
    char path[PATH_MAX], fresh[PATH_MAX], parent[PATH_MAX], uuid[37], text[SIZE_MAX_TEXT];
    evlog_uuid_text(format->uuid, uuid);
    int size = snprintf(
        text, sizeof text,
        "evlog %" PRIu32 "\nuuid %s\ndurability %s\ncreated_us %" PRId64 "\nto_read\nto_write\n",
        format->version, uuid, format->durability == EVLOG_FAST ? "fast" : "durable",
        format->created_us);
    size += snprintf(text + size, sizeof text - (size_t)size, "checksum %016" PRIx64 "\n",
                     XXH3_64bits(text, (size_t)size));
    int result = path_of(directory, FORMAT_FILE, path);
    if (result == EVLOG_OK)
        result = path_of(directory, FORMAT_FILE ".new", fresh);
    if (result == EVLOG_OK)
        result = path_of(directory, "..", parent);
    if (result == EVLOG_OK)
        result = write_text(fresh, text, (size_t)size);
    if (result == EVLOG_OK && rename(fresh, path))
        result = error_errno(errno, "renaming", fresh);
    if (result == EVLOG_OK)
        result = flush_directory(directory);
    return result ? result : flush_directory(parent);
}
