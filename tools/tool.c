/* What the verbs share: opening a log, its plugins, and reporting what went wrong. */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evlog/plugin.h"
#include "progress.h"
#include "text.h"

int complain(int status, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    fflush(stdout);
    progress_clear();
    fputs("evlog: ", stderr);
    if (size < 0)
        fputs("out of memory", stderr);
    else
        text_put(stderr, text, (size_t)size, 1, 0);
    fputc('\n', stderr);
    if (size >= 0)
        free(text);
    return status;
}

int out_of_memory(void)
{
    evlog_fail("out of memory");
    return EVLOG_NOMEM;
}

int complain_library(int code)
{
    int status = code == EVLOG_INVALID || code == EVLOG_LIMIT || code == EVLOG_CONFLICT
                     ? EXIT_MISUSE
                 : code == EVLOG_RECEIVER ? EXIT_NOTHING
                 : code == EVLOG_DAMAGED  ? EXIT_DAMAGED
                                          : EXIT_LOG;
    return complain(status, "%s", evlog_errmsg());
}

int library_status(int code)
{
    if (code == EVLOG_NOTFOUND)
        return complain(EXIT_NOTHING, "%s", evlog_errmsg());
    return code ? complain_library(code) : EXIT_DONE;
}

int open_as_it_is(const struct options *options, evlog **log)
{
    evlog_options open = {
        .read_only = true, .offline = options->open.offline, .wait_ms = options->open.wait_ms};
    int code = evlog_open(options->path, &open, log);
    if (code)
        complain(EXIT_LOG, "%s", evlog_errmsg());
    return code;
}

int open_to_read(const struct options *options, evlog **log)
{
    evlog_info info;
    int code = open_as_it_is(options, log);
    if (code == EVLOG_OK && evlog_inspect(*log, &info) == EVLOG_OK &&
        (info.is_unrecovered || info.waiting_count))
        complain(
            0,
            "%s: the newest events are not read: the log waits to be recovered; see: evlog info",
            options->path);
    return code;
}

int open_to_write(const struct options *options, evlog **log)
{
    evlog_options open = {.no_create = true, .wait_ms = options->open.wait_ms};
    int code = evlog_open(options->path, &open, log);
    if (code)
        complain(EXIT_LOG, "%s", evlog_errmsg());
    return code;
}

int make_for_group(const struct options *options, const char *path)
{
    struct stat there;
    const mode_t groups = S_ISGID | S_IWGRP;
    if (!options->group_writable || options->open.no_create)
        return EXIT_DONE;
    if (stat(path, &there) == 0) {
        if ((there.st_mode & groups) == groups)
            return EXIT_DONE;
        return complain(
            EXIT_MISUSE,
            "%s: is there already, and is not its group's; to make it that: chmod g+rwxs "
            "%s; chmod g+rw %s/*",
            path, path, path);
    }
    if (mkdir(path, 0770) || chmod(path, 02770))
        return complain(EXIT_LOG, "making the directory %s: %s", path, strerror(errno));
    return EXIT_DONE;
}

void unmake_for_group(const struct options *options, const char *path)
{
    if (options->group_writable)
        rmdir(path); /* if it is empty */
}

int open_to_append(struct options *options, evlog **log)
{
    int status = make_for_group(options, options->path);
    if (status)
        return status;
    options->open.data_size_max = EVLOG_DATA_SIZE_MAX;
    int code = evlog_open(options->path, &options->open, log);
    if (code) {
        unmake_for_group(options, options->path);
        return complain(code == EVLOG_INVALID || code == EVLOG_CONFLICT ? EXIT_MISUSE : EXIT_LOG,
                        "%s", evlog_errmsg());
    }
    return EXIT_DONE;
}

int close_appended(evlog *log, int status)
{
    int code = evlog_close(log);
    return code && status == EXIT_DONE ? complain_library(code) : status;
}

uint64_t ahead_size(const evlog_info *info)
{
    return info->file_size > info->used_size ? info->file_size - info->used_size : 0;
}

bool seq_read(const char *text, uint64_t *seq)
{
    *seq = strtoull(text, NULL, 10);
    return *text && strlen(text) <= 20 && text[strspn(text, "0123456789")] == 0;
}

int nothing_matched(evlog *log, const struct options *options)
{
    const evlog_range *range = &options->range;
    evlog_info info;
    if (evlog_inspect(log, &info))
        return complain_library(EVLOG_IO);
    if (!info.last_seq)
        return complain(EXIT_NOTHING, "%s: the log is empty", options->path);
    if (range->first_seq > info.last_seq)
        return complain(EXIT_NOTHING,
                        "%s: no event from seq %" PRIu64 " on: the last is %" PRIu64,
                        options->path, range->first_seq, info.last_seq);
    if (range->last_seq && range->last_seq < info.first_seq)
        return complain(EXIT_NOTHING, "%s: no event up to seq %" PRIu64 ": the first is %" PRIu64,
                        options->path, range->last_seq, info.first_seq);
    return complain(EXIT_NOTHING, "%s: no event matches, of %" PRIu64 " in the log",
                    options->path, info.last_seq - info.first_seq + 1);
}

int report_damage(const struct options *options, const evlog_outcome *outcome, int status)
{
    if (!outcome->damaged)
        return status;
    return complain(EXIT_DAMAGED,
                    "%s: %" PRIu64 " of the events asked for could not be read, the first at seq "
                    "%" PRIu64 "; run: evlog verify %s",
                    options->path, outcome->damaged, outcome->first_failed_seq, options->path);
}

int output_flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return complain(EXIT_LOG, "cannot write to standard output: %s", strerror(errno));
}

int load_plugins(evlog *log, const struct options *options)
{
    for (size_t i = 0; i < options->plugin_count; i++)
        if (evlog_plugin_load(log, options->plugins[i]))
            return complain(EXIT_MISUSE, "%s", evlog_errmsg());
    return -1;
}

static int define_type(const evlog_type *type, void *ctx)
{
    evlog_signal *signal;
    if (!evlog_type_matches(NULL, 0, type->name))
        return EVLOG_OK; /* the log's own: not for receivers */
    if (evlog_signal_by_type(ctx, type->name, &signal) == EVLOG_OK)
        return EVLOG_OK;
    return evlog_define(ctx, type->name, 0, NULL, &signal);
}

int plug(evlog *log, const struct options *options)
{
    int status = load_plugins(log, options);
    if (status >= 0)
        return status;
    int code = evlog_each_type(log, define_type, log);
    return code ? complain_library(code) : -1;
}
