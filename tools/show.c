/* evlog show, evlog get: events on standard output. */
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "progress.h"
#include "terminal.h"

struct show {
    const struct options *options;
    uint64_t nameless_count;
};

/* Ends the program when standard output cannot be written (closed pipe, full disk), not only after the whole log. */
static int show_one(const evlog_event *event, void *ctx)
{
    struct show *show = ctx;
    progress_check(event->seq);
    show->nameless_count += event->event_type[0] == '?';
    if (event_put_as(stdout, event, show->options))
        return evlog_fail("out of memory");
    if (ferror(stdout))
        exit(output_flushed(EXIT_DONE));
    progress_at(event->seq);
    return 0;
}

static void begin_progress(evlog *log, const evlog_range *range)
{
    evlog_info info;
    if (is_watched())
        return;
    progress_begin("shown up to event", evlog_inspect(log, &info) ? 0 : info.last_seq);
    progress_stops(range->newest_first ? "for the rest: --to #" : "for the rest: --from #");
}

int show_run(struct options *options)
{
    evlog *log;
    evlog_outcome outcome = {0};
    struct show show = {.options = options};
    int status = EXIT_DONE;
    if (options->follow) {
        options->is_show = 1;
        return tail_run(options);
    }
    if (open_to_read(options, &log))
        return EXIT_LOG;
    options->range.keep_going = 1;
    options->range.with_nameless = 1;
    begin_progress(log, &options->range);
    int code = evlog_replay(log, &options->range, show_one, &show, &outcome);
    progress_end();
    if (code)
        status = complain_library(code);
    else if (outcome.failed)
        status = complain(EXIT_LOG, "out of memory at event %" PRIu64, outcome.first_failed_seq);
    else if (!outcome.delivered && !outcome.damaged)
        status = nothing_matched(log, options);
    if (show.nameless_count)
        status = complain(
            EXIT_DAMAGED,
            "%s: of %" PRIu64 " event%s the type or source is not known; run: evlog verify %s",
            options->path, show.nameless_count, plural(show.nameless_count), options->path);
    status = report_damage(options, &outcome, status);
    evlog_close(log);
    return status;
}

/* ----------------------------------------------------------------------- get ---- */

/* Prints the event; the exit status. */
static int put_one(const evlog_event *event, const struct options *options)
{
    return event_put_as(stdout, event, options) ? complain(EXIT_LOG, "out of memory") : EXIT_DONE;
}

static uint64_t damaged_seqs(const evlog_cursor *cursor)
{
    uint64_t first, last;
    return evlog_cursor_damage(cursor, &first, &last) ? 0 : last - first + 1;
}

/*
 * Goes on to the event with this id, past damage, which it counts. `*event` becomes NULL when
 * there is none. The library's code.
 */
static int find_id(evlog_cursor *cursor, const uint8_t id[16], const evlog_event **event,
                   uint64_t *damaged_count)
{
    uint64_t looked_count = 0;
    for (;;) {
        int code = evlog_cursor_next(cursor, event);
        progress_at(++looked_count);
        if (code == EVLOG_DAMAGED)
            *damaged_count += damaged_seqs(cursor);
        else if (code || !*event || memcmp((*event)->id, id, 16) == 0)
            return code;
    }
}

static int no_such_id(const char *id, uint64_t damaged_count)
{
    if (damaged_count)
        return complain(EXIT_DAMAGED, "no event has the id %s, but %" PRIu64 " could not be read",
                        id, damaged_count);
    return complain(EXIT_NOTHING, "no event has the id %s", id);
}

static int get_by_id(evlog *log, const struct options *options)
{
    const char *text = options->operands[0];
    const evlog_event *event;
    evlog_cursor *cursor;
    uint64_t damaged_count = 0;
    uint8_t id[16];
    evlog_info info = {0};
    if (evlog_uuid_parse(text, id) != EVLOG_OK)
        return complain(EXIT_MISUSE, "neither a seq (1, 2, 3 ...) nor a UUID: %s", text);
    int code = evlog_inspect(log, &info);
    if (!code)
        code = evlog_cursor_open(log, &(evlog_range){.newest_first = true}, &cursor);
    if (code)
        return complain_library(code);
    progress_begin("looking for the id", info.last_seq);
    code = find_id(cursor, id, &event, &damaged_count);
    progress_end();
    int status = code    ? complain_library(code)
                 : event ? put_one(event, options)
                         : no_such_id(text, damaged_count);
    evlog_cursor_close(cursor);
    return status;
}

static int get_by_seq(evlog *log, const struct options *options, uint64_t seq)
{
    evlog_event *event;
    int code = evlog_read(log, seq, &event);
    if (code)
        return library_status(code);
    int status = put_one(event, options);
    evlog_event_free(event);
    return status;
}

int get_run(struct options *options)
{
    evlog *log;
    const char *text = options->operands[0];
    uint64_t seq;
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int status = seq_read(text, &seq) ? get_by_seq(log, options, seq) : get_by_id(log, options);
    evlog_close(log);
    return status;
}
