/*
 * The file `format`: lines of text, so that a person can read it and a program of any version can
 * find out whether it can use the log.
 *
 *   evlog 2                    the version of the whole format
 *   uuid 0194f5a2-...          the directory's own
 *   origin 0194f5a2-...        of the log that it began as; a new log: its own
 *   durability durable         or fast
 *   created_us 1790000000...
 *   to_read                    features that a reader must know; none yet
 *   to_write                   features that a writer must know as well; none yet
 *   checksum 0f3a...           XXH3-64 of all bytes before this line, 16 hex digits
 *
 * A later evlog that changes something that old code can ignore adds a line, which is skipped
 * here; a change that old code can read but must not write is a feature in to_write; one that it
 * cannot read, in to_read; and a change of this file itself is another number in the first line. The
 * order of the lines is free, except of the first and the last; a key that is there twice is damage.
 *
 * It is written last when a log is made, under another name and then renamed: a directory with a
 * `format` is a whole log, one without is not a log.
 */
#include "format.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "error.h"
#include "file.h"
#include "uuid.h"

#define TEXT_SIZE_MAX 4096
#define FRESH_FILE FORMAT_FILE ".new" /* before it is whole */

/* ------------------------------------------------------------- reading ---- */

static int read_text(int directory, const char *path, char text[TEXT_SIZE_MAX + 1],
                     size_t *text_size)
{
    int fd, result = file_open(directory, path, FORMAT_FILE, O_RDONLY, &fd);
    if (result)
        return result;
    int errnum = file_read(fd, text, TEXT_SIZE_MAX, 0, text_size);
    close(fd);
    if (errnum)
        return error_errno(errnum, "reading the file " FORMAT_FILE, path);
    text[*text_size] = '\0';
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

/* Whether a key is there twice. */
static bool has_double(char *text)
{
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        char key[TEXT_SIZE_MAX + 1];
        size_t size = strcspn(line, " \n");
        memcpy(key, line, size);
        key[size] = '\0';
        if (size > 0 && value_of(end + 1, key))
            return true;
    }
    return false;
}

static bool parse_uuid(char *text, const char *key, uint8_t uuid[16])
{
    char *value = value_of(text, key);
    return value && uuid_parse(value, strcspn(value, "\n"), uuid);
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
        return error_set(EVLOG_DAMAGED,
                         "%s: the checksum of its file " FORMAT_FILE " does not fit", path);
    if (has_double(text))
        return error_set(EVLOG_DAMAGED, "%s: its file " FORMAT_FILE " has a line twice", path);
    if (has_feature(text, "to_read"))
        return error_set(EVLOG_UNSUPPORTED,
                         "%s: made by a newer evlog, which is needed to read it", path);
    char *durability = value_of(text, "durability"), *created = value_of(text, "created_us");
    int fast = durability && is_line(durability, "fast");
    if (!created || !parse_uuid(text, "uuid", format->uuid) ||
        !parse_uuid(text, "origin", format->origin) ||
        (!fast && !(durability && is_line(durability, "durable"))))
        return error_set(EVLOG_DAMAGED, "%s: its file " FORMAT_FILE " lacks a line", path);
    format->version = FORMAT_VERSION;
    format->durability = fast ? EVLOG_FAST : EVLOG_DURABLE;
    format->created_us = strtoll(created, NULL, 10);
    format->read_only = has_feature(text, "to_write");
    return EVLOG_OK;
}

int format_read(int directory, const char *path, struct format *format)
{
    char text[TEXT_SIZE_MAX + 1];
    size_t size = 0;
    int result = read_text(directory, path, text, &size);
    return result ? result : parse(path, text, size, format);
}

/* ------------------------------------------------------------- writing ---- */

/* EINVAL: it is of a kind that has no such thing. */
static int flush(int fd)
{
    int failed;
    while ((failed = fsync(fd)) && errno == EINTR)
        ;
    return failed && errno != EINVAL ? errno : 0;
}

/* Writes and flushes a new file, and gives it its name. */
static int make_file(int directory, const char *path, const char *text, size_t size)
{
    int fd, result = file_open(directory, path, FRESH_FILE, O_WRONLY | O_CREAT | O_TRUNC, &fd);
    if (result)
        return result;
    int errnum = file_write(fd, text, size, 0);
    if (!errnum)
        errnum = flush(fd);
    close(fd);
    if (!errnum && renameat(directory, FRESH_FILE, directory, FORMAT_FILE))
        errnum = errno;
    return errnum ? error_errno(errnum, "making the file " FORMAT_FILE, path) : EVLOG_OK;
}

static int flush_parent(int directory)
{
    int fd = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* one that may not be read cannot be flushed by this process */
        return errno == EACCES ? 0 : errno;
    int errnum = flush(fd);
    close(fd);
    return errnum;
}

int format_settle(int directory, const char *path)
{
    int errnum = flush(directory);
    if (!errnum)
        errnum = flush_parent(directory);
    return errnum ? error_errno(errnum, "flushing the directory", path) : EVLOG_OK;
}

int format_write(int directory, const char *path, const struct format *format)
{
    char uuid[EVLOG_UUID_TEXT_SIZE], origin[EVLOG_UUID_TEXT_SIZE], text[TEXT_SIZE_MAX];
    int size =
        snprintf(text, sizeof text,
                 "evlog %" PRIu32 "\nuuid %s\norigin %s\ndurability %s\n"
                 "created_us %" PRId64 "\nto_read\nto_write\n",
                 format->version, evlog_uuid_text(format->uuid, uuid),
                 evlog_uuid_text(format->origin, origin),
                 format->durability == EVLOG_FAST ? "fast" : "durable", format->created_us);
    size += snprintf(text + size, sizeof text - (size_t)size, "checksum %016" PRIx64 "\n",
                     XXH3_64bits(text, (size_t)size));
    int errnum = flush(directory); /* the names of the other files come before this one's */
    if (errnum)
        return error_errno(errnum, "flushing the directory", path);
    int result = make_file(directory, path, text, (size_t)size);
    if (result)
        return result;
    return format_settle(directory, path);
}
