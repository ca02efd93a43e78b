/* evlog show, evlog get: events on standard output. */
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "progress.h"

/* Ends the program when nobody reads on or the disk is full, and not after the whole log. */
static int show_one(const evlog_event *event, void *ctx)
{
    const struct options *options = ctx;
    if (event_put(stdout, event, options->output))
        return evlog_fail("out of memory");
    if (ferror(stdout))
        exit(output_flushed(EXIT_DONE));
    return 0;
}

int show_run(struct options *options)
{
    evlog *log;
    evlog_outcome outcome = {0};
    int status = EXIT_DONE;
    if (open_to_read(options, &log))
        return EXIT_LOG;
    options->range.keep_going = 1;
    int code = evlog_replay(log, &options->range, show_one, options, &outcome);
    if (code)
        status = complain_library(code);
    else if (outcome.failed)
        status = complain(EXIT_LOG, "out of memory at event %" PRIu64, outcome.first_failed_seq);
    else if (!outcome.delivered && !outcome.damaged)
        status = nothing_matched(log, options);
    status = told_damage(options, &outcome, status);
    evlog_close(log);
    return status;
}

/* ----------------------------------------------------------------------- get ---- */

struct search {
    uint8_t id[16];
    uint64_t found_seq;
};

/* Stops the replay, by failing, at the event with the id. */
static int look(const evlog_event *event, void *ctx)
{
    struct search *search = ctx;
    progress_at(event->seq);
    if (memcmp(event->id, search->id, 16) != 0)
        return 0;
    search->found_seq = event->seq;
    return 1;
}

/* Finds the seq of an id, past damaged events, which `outcome` counts. 0, or a code. */
static int find_id(evlog *log, struct search *search, uint64_t *damaged)
{
    evlog_range range = {0};
    evlog_info info;
    evlog_outcome outcome = {0};
    int code = evlog_inspect(log, &info);
    *damaged = 0;
    progress_begin("looking for the id", code ? 0 : info.last_seq);
    while (!code) {
        code = evlog_replay(log, &range, look, search, &outcome);
        if (code != EVLOG_DAMAGED || !outcome.first_failed_seq)
            break;
        *damaged += outcome.damaged;
        range.first_seq = outcome.first_failed_seq + 1;
        code = EVLOG_OK;
    }
    progress_end();
    return code == EVLOG_RECEIVER ? EVLOG_OK : code;
}

static int get_by_id(evlog *log, struct options *options, uint64_t *seq)
{
    struct search search = {0};
    uint64_t damaged;
    if (evlog_uuid_parse(options->operands[0], search.id) != EVLOG_OK)
        return complain(EXIT_MISUSE, "neither a seq (1, 2, 3 ...) nor a UUID: %s",
                        options->operands[0]);
    int code = find_id(log, &search, &damaged);
    if (code)
        return complain_library(code);
    *seq = search.found_seq;
    if (*seq)
        return EXIT_DONE;
    if (damaged)
        return complain(EXIT_DAMAGED, "no event has the id %s, but %" PRIu64 " could not be read",
                        options->operands[0], damaged);
    return complain(EXIT_NOTHING, "no event has the id %s", options->operands[0]);
}

static int get_by_seq(evlog *log, const struct options *options, uint64_t seq)
{
    evlog_event *event;
    int code = evlog_read(log, seq, &event);
    if (code == EVLOG_NOTFOUND)
        return complain(EXIT_NOTHING, "%s", evlog_errmsg());
    if (code)
        return complain_library(code);
    int failed = event_put(stdout, event, options->output);
    evlog_event_free(event);
    return failed ? complain(EXIT_LOG, "out of memory") : EXIT_DONE;
}

int get_run(struct options *options)
{
    evlog *log;
    const char *text = options->operands[0];
    uint64_t seq = 0;
    int status = EXIT_DONE;
    if (open_to_read(options, &log))
        return EXIT_LOG;
    if (*text && strlen(text) <= 20 && text[strspn(text, "0123456789")] == 0)
        seq = strtoull(text, NULL, 10); /* past the largest: UINT64_MAX, which no event has */
    else
        status = get_by_id(log, options, &seq);
    if (status == EXIT_DONE)
        status = get_by_seq(log, options, seq);
    evlog_close(log);
    return status;
}
