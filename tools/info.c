/* evlog info: what a log is, without reading it through. */
#include <string.h>

#include "head.h"
#include "print.h"
#include "retention.h"
#include "text.h"
#include "times.h"

static const char *durability(const evlog_info *info)
{
    return info->durability == EVLOG_FAST ? "fast" : "durable";
}

/* A time in JSON; 0 is none. */
static json_t *json_of_time(int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    return time_us ? json_string(evlog_time_text(time_us, text)) : json_null();
}

static bool is_copy(const evlog_info *info)
{
    return memcmp(info->origin, info->uuid, sizeof info->uuid) != 0;
}

#define BEHIND_MIN 100 /* commits; a reader that is not held up is less behind */

static int add_reader(const evlog_reader *reader, void *ctx)
{
    if (reader->behind_count < BEHIND_MIN)
        return 0;
    return json_array_append_new(
        ctx,
        json_pack("{s:i, s:s, s:I, s:I, s:I, s:o}", "pid", (int)reader->pid, "file", reader->file,
                  "commits_behind", (json_int_t)reader->behind_count, "held_size",
                  (json_int_t)reader->held_size, "last_seq", (json_int_t)reader->last_seq,
                  "last_log_time", json_of_time(reader->last_log_time_us)));
}

static int put_reader(const evlog_reader *reader, void *ctx)
{
    char size[16], time[TIME_TEXT_SIZE];
    (void)ctx;
    if (reader->behind_count < BEHIND_MIN)
        return 0;
    printf("reader      process %" PRId32 " has read %s for %" PRIu64 " commits", reader->pid,
           reader->file, reader->behind_count);
    if (reader->last_log_time_us)
        printf(", since event %" PRIu64 " of %s was the newest,", reader->last_seq,
               time_short_text(reader->last_log_time_us, time));
    printf(" and holds %s: until it ends, the file grows\n", size_text(reader->held_size, size));
    return 0;
}

/* A policy that cannot be read is null; evlog verify says why. */
static json_t *kept_json(evlog *log)
{
    evlog_retention *retention;
    evlog_retained retained;
    if (retention_read(log, &retention, &retained))
        return json_null();
    json_t *json = retention_json(retention, &retained);
    evlog_retention_free(retention);
    return json;
}

static int put_kept(evlog *log)
{
    evlog_retention *retention;
    evlog_retained retained;
    int code = retention_read(log, &retention, &retained);
    if (code)
        return code;
    if (retention)
        retention_put(retention, &retained);
    evlog_retention_free(retention);
    return 0;
}

static int put_json(evlog *log, const evlog_info *info, const struct options *options)
{
    json_t *readers = json_array();
    int code = readers ? evlog_each_reader(log, add_reader, readers) : -1;
    char uuid[EVLOG_UUID_TEXT_SIZE], origin[EVLOG_UUID_TEXT_SIZE], head[HEAD_TEXT_SIZE];
    json_t *json = json_pack(
        "{s:s, s:s, s:s*, s:i, s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:i, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:o, s:b, s:I, s:I, s:o, s:s}", /**/
        "path", options->path, "uuid", evlog_uuid_text(info->uuid, uuid), "origin",
        is_copy(info) ? evlog_uuid_text(info->origin, origin) : NULL, "format", (int)info->format,
        "durability", durability(info), "created", json_of_time(info->created_us), "events",
        (json_int_t)(info->last_seq ? info->last_seq - info->first_seq + 1 : 0), "first_seq",
        (json_int_t)info->first_seq, "last_seq", (json_int_t)info->last_seq, "first_log_time",
        json_of_time(info->first_log_time_us), "last_log_time",
        json_of_time(info->last_log_time_us), "clock_steps", (int)info->clock_step_count,
        "is_ahead", (int)info->is_ahead, "types", (int)info->type_count, "sources",
        (json_int_t)info->source_count, "unknown_entries", (json_int_t)info->unknown_entry_count,
        "file_size", (json_int_t)info->file_size, "used_size", (json_int_t)info->used_size,
        "free_size", (json_int_t)info->free_size, "ahead_size", (json_int_t)ahead_size(info),
        "page_size", (int)info->page_size, "page_count", (json_int_t)info->page_count, "readers",
        readers, "is_unrecovered", (int)info->is_unrecovered, "waiting",
        (json_int_t)info->waiting_count, "erased_waiting", (json_int_t)info->erased_waiting_count,
        "retention", kept_json(log), "head", head_text(info, head));
    if (code) {
        json_decref(json);
        return code;
    }
    return json_put(json, options->output);
}

/* Lines that are there only when there is something to say. */
static void put_remarks(const evlog_info *info)
{
    if (info->is_unrecovered)
        puts("recovery    needed: this is what the last flush left; evlog verify says why");
    if (info->waiting_count)
        printf(
            "waiting     %" PRIu64
            " event%s in the journal; the next program that opens the log for writing brings them back\n",
            info->waiting_count, plural(info->waiting_count));
    if (info->erased_waiting_count)
        printf("erased      %" PRIu64
               " event%s whose bytes may be in unused parts of the file until it is compacted\n",
               info->erased_waiting_count, plural(info->erased_waiting_count));
    if (info->clock_step_count)
        printf("clock       stepped back %" PRIu32 " time%s; evlog verify names the places\n",
               info->clock_step_count, plural(info->clock_step_count));
    if (info->is_ahead)
        puts("clock       behind the log: the clock of a sender was ahead, or this one is wrong");
}

static void put_short(const evlog_info *info, const struct options *options)
{
    char text[EVLOG_UUID_TEXT_SIZE], first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    char head[HEAD_TEXT_SIZE];
    fputs("log         ", stdout);
    text_put(stdout, options->path, strlen(options->path), 0, 0);
    printf("\nuuid        %s\n", evlog_uuid_text(info->uuid, text));
    if (is_copy(info))
        printf("origin      %s\n", evlog_uuid_text(info->origin, text));
    printf("made        %s\n", time_short_text(info->created_us, first));
    printf("durability  %s: a send that returned survives %s\n", durability(info),
           info->durability == EVLOG_FAST ? "the death of the process, not a power cut"
                                          : "a power cut");
    if (!info->last_seq)
        puts("events      none");
    else {
        printf("head        %s\n", head_text(info, head));
        printf("events      %" PRIu64 ", seq %" PRIu64 " to %" PRIu64 "\n",
               info->last_seq - info->first_seq + 1, info->first_seq, info->last_seq);
        printf("logged      %s to %s\n",
               info->first_log_time_us ? time_short_text(info->first_log_time_us, first) : "?",
               info->last_log_time_us ? time_short_text(info->last_log_time_us, last) : "?");
    }
    put_remarks(info);
    printf("types       %" PRIu32 "\n", info->type_count);
    printf("sources     %" PRIu64 "\n", info->source_count);
    if (info->unknown_entry_count)
        printf("unknown     %" PRIu64 " entries that a newer evlog has made\n",
               info->unknown_entry_count);
    printf("size        %s in use, ", size_text(info->used_size - info->free_size, text));
    if (info->free_size)
        printf("%s free for events to come, ", size_text(info->free_size, text));
    printf("%s kept ahead, ", size_text(ahead_size(info), text));
    printf("%s on disk\n", size_text(info->file_size, text));
    printf("format      %" PRIu32 "\n", info->format);
}

static int put_all_short(evlog *log, const evlog_info *info, const struct options *options)
{
    put_short(info, options);
    int code = put_kept(log);
    return library_status(code ? code : evlog_each_reader(log, put_reader, NULL));
}

int info_run(struct options *options)
{
    evlog *log;
    evlog_info info;
    int status = EXIT_DONE;
    if (open_as_it_is(options, &log))
        return EXIT_LOG;
    int code = evlog_inspect(log, &info);
    if (code)
        status = complain_library(code);
    else if (options->output == OUTPUT_SHORT)
        status = put_all_short(log, &info, options);
    else if (put_json(log, &info, options))
        status = complain(EXIT_LOG, "out of memory, or the path is not UTF-8");
    evlog_close(log);
    return status;
}
