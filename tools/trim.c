/* evlog trim: the oldest events go. */
#include <evlog/upkeep.h>
#include <string.h>

#include "print.h"
#include "progress.h"
#include "stop.h"
#include "text.h"

#define RECORD_SIZE 110 /* of an event beside its data and headers, about */

static const char *const all_types[] = {"*", "evlog.*"};
#define ALL_TYPES .types = all_types, .type_count = 2

/* The first event that is kept when the newest ones of about `size` bytes are. */
static int keep_size(evlog *log, uint64_t size, uint64_t last_seq, uint64_t *before_seq)
{
    evlog_range range = {.newest_first = true, ALL_TYPES};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    uint64_t sum = 0;
    int code = evlog_cursor_open(log, &range, &cursor);
    if (code)
        return code;
    *before_seq = last_seq;
    while ((code = evlog_cursor_next(cursor, &event)) == EVLOG_DAMAGED || (!code && event)) {
        if (code)
            continue; /* what cannot be read is kept or goes with what is around it */
        sum += event->data_size + event->headers_size + RECORD_SIZE;
        if (sum > size)
            break;
        *before_seq = event->seq;
    }
    evlog_cursor_close(cursor);
    return code;
}

/* The first event from a time on; behind the last when there is none. */
static int find_time(evlog *log, int64_t time_us, uint64_t last_seq, uint64_t *seq)
{
    evlog_range range = {.since_us = time_us ? time_us : 1, ALL_TYPES};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    int code = evlog_cursor_open(log, &range, &cursor);
    if (code)
        return code;
    code = evlog_cursor_next(cursor, &event);
    *seq = code == EVLOG_OK && event ? event->seq : last_seq + 1;
    evlog_cursor_close(cursor);
    return code;
}

static int find_before(evlog *log, const struct options *options, uint64_t *before_seq)
{
    const evlog_reset_options *start = &options->start;
    evlog_info info = {.last_seq = 0};
    int code = evlog_inspect(log, &info);
    *before_seq = info.last_seq;
    if (code)
        return code;
    if (options->keep_size)
        return keep_size(log, options->keep_size, info.last_seq, before_seq);
    switch (start->start) {
    case EVLOG_START_SEQ:
        *before_seq = start->start_seq;
        return EVLOG_OK;
    case EVLOG_START_LAST:
        *before_seq =
            info.last_seq < start->start_count ? 1 : info.last_seq - start->start_count + 1;
        return EVLOG_OK;
    case EVLOG_START_TIME:
        return find_time(log, start->start_time_us, info.last_seq, before_seq);
    case EVLOG_START_FIRST:
        *before_seq = 1;
        return EVLOG_OK;
    default: /* EVLOG_START_NEW */
        return EVLOG_OK;
    }
}

static int put_json(const evlog_trimmed *trimmed, const struct options *options)
{
    return result_put(json_pack("{s:I, s:I, s:I, s:b, s:I, s:s*, s:I}", "first_seq",
                                (json_int_t)trimmed->first_seq, "last_seq",
                                (json_int_t)trimmed->last_seq, "deleted",
                                (json_int_t)trimmed->deleted_count, "done", options->yes,
                                "held_seq", (json_int_t)trimmed->held_seq, "held_by",
                                *trimmed->held_by ? trimmed->held_by : NULL, "unsealed_seq",
                                (json_int_t)trimmed->unsealed_seq),
                      options->output);
}

static void put_short(const evlog_trimmed *trimmed, const struct options *options)
{
    uint64_t count = trimmed->first_seq ? trimmed->last_seq - trimmed->first_seq + 1 : 0;
    if (!count && !trimmed->deleted_count)
        puts("nothing to trim");
    if (count)
        printf("event%s %" PRIu64 " to %" PRIu64 " %s%s\n", plural(count), trimmed->first_seq,
               trimmed->last_seq, options->yes ? "are gone" : "would go",
               options->yes ? "" : "; do it with --yes");
    if (trimmed->deleted_count > count)
        printf("with %" PRIu64 " that an earlier trimming had not deleted\n",
               trimmed->deleted_count - count);
    if (trimmed->unsealed_seq)
        printf("events from %" PRIu64 " on stay: no seal covers them yet; see: evlog help seal\n",
               trimmed->unsealed_seq);
    if (trimmed->held_seq) {
        fputs("the consumer ", stdout);
        text_put(stdout, trimmed->held_by, strlen(trimmed->held_by), 0, 0);
        printf(" loses events from %" PRIu64 " on\n", trimmed->held_seq);
    }
}

static int trim(evlog *log, const struct options *options)
{
    evlog_trim_options how = {
        .preview = !options->yes, .force = options->force, .visit = progress_visit};
    evlog_trimmed trimmed;
    uint64_t before_seq;
    int code = find_before(log, options, &before_seq);
    if (code)
        return library_status(code);
    progress_begin("events trimmed", 0);
    progress_stops("what is deleted stays deleted; the same command goes on");
    code = evlog_trim(log, before_seq, &how, &trimmed);
    progress_end();
    if (code > 0)
        stop_by_signal();
    if (code)
        return library_status(code);
    if (options->output != OUTPUT_SHORT)
        return put_json(&trimmed, options);
    put_short(&trimmed, options);
    return EXIT_DONE;
}

int trim_run(struct options *options)
{
    evlog *log;
    if (!options->start.start && !options->keep_size)
        return complain(
            EXIT_MISUSE,
            "what is to go? evlog trim %s --before SEQ|TIME, --keep N, --max-age D or "
            "--max-size S",
            options->path);
    if (options->yes ? open_to_write(options, &log) : open_to_read(options, &log))
        return EXIT_LOG;
    int status = trim(log, options);
    evlog_close(log);
    return status;
}
