/* evlog parked ls, retry, drop. */
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "text.h"
#include "times.h"

struct listing {
    enum output output;
    uint64_t count;
    int failed;
};

/* A receiver may have said anything: bytes of it that are not UTF-8 are escaped. */
static json_t *json_of_error(const char *error)
{
    json_t *json = json_string(error);
    char *copy = json ? NULL : strdup(error);
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    if (copy)
        json = json_string(copy);
    free(copy);
    return json;
}

static int put_json(const evlog_parked *parked, enum output output)
{
    char time[TIME_TEXT_SIZE];
    return json_put(json_pack("{s:I, s:I, s:i, s:s, s:b, s:b, s:o}", "seq",
                              (json_int_t)parked->seq, "last_seq", (json_int_t)parked->last_seq,
                              "attempts", (int)parked->attempt_count, "time",
                              evlog_time_text(parked->time_us, time), "lost", parked->is_lost,
                              "to_retry", parked->is_retry, "error",
                              json_of_error(parked->error)),
                    output);
}

static int list_one(const evlog_parked *parked, void *ctx)
{
    struct listing *listing = ctx;
    char time[TIME_TEXT_SIZE], seqs[48];
    if (listing->output != OUTPUT_SHORT) {
        listing->count++;
        listing->failed = put_json(parked, listing->output);
        return listing->failed;
    }
    if (!listing->count++)
        printf("%10s  %8s  %-23s  why\n", "seq", "attempts", "last attempt");
    snprintf(seqs, sizeof seqs,
             parked->last_seq > parked->seq ? "%" PRIu64 "-%" PRIu64 : "%" PRIu64, parked->seq,
             parked->last_seq);
    printf("%10s  %8" PRIu32 "  %-23s  %s%s", seqs, parked->attempt_count,
           time_second_text(parked->time_us, time), parked->is_lost ? "lost: " : "",
           parked->is_retry ? "(to be retried) " : "");
    text_put(stdout, parked->error, strlen(parked->error), 0, 0);
    putchar('\n');
    return 0;
}

int parked_ls_run(struct options *options)
{
    evlog *log;
    struct listing listing = {.output = options->output};
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int code = evlog_each_parked(log, options->operands[0], list_one, &listing);
    int status = listing.failed ? complain(EXIT_LOG, "out of memory") : library_status(code);
    if (status == EXIT_DONE && !listing.count)
        status = complain(EXIT_NOTHING, "consumer %s has no parked events", options->operands[0]);
    evlog_close(log);
    return status;
}

/* Which: SEQ, or --all. 0, or -1, reported. */
static int which(const struct options *options, uint64_t *seq)
{
    const char *text = options->operands[1];
    char *end = NULL;
    *seq = 0;
    if (!text && options->all)
        return 0;
    if (text && !options->all && *text >= '1' && *text <= '9')
        *seq = strtoull(text, &end, 10);
    if (!*seq || *end)
        return complain(-1, "which? A seq, as evlog parked ls shows it, or --all");
    return 0;
}

/* What is asked for, counted. */
struct tally {
    uint64_t seq, count;
};

static int tally_one(const evlog_parked *parked, void *ctx)
{
    struct tally *tally = ctx;
    tally->count += !tally->seq || parked->seq == tally->seq;
    return 0;
}

/* As evlog_parked_drop, and changes nothing. */
static int look(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    struct tally tally = {.seq = seq};
    int code = evlog_each_parked(log, name, tally_one, &tally);
    *count = tally.count;
    return code == EVLOG_DAMAGED ? EVLOG_OK : code; /* what is damaged can be dropped */
}

/* What was done, or would be, with so many events; `what` is that for a person. */
static int put_change(const struct options *options, uint64_t count, bool is_done,
                      const char *what)
{
    if (options->output != OUTPUT_SHORT)
        return result_put(json_pack("{s:s, s:I, s:b}", "name", options->operands[0], "events",
                                    (json_int_t)count, "done", (int)is_done),
                          options->output);
    printf("%" PRIu64 " event%s %s\n", count, plural(count), what);
    return EXIT_DONE;
}

static int change(struct options *options, const char *what,
                  int (*verb)(evlog *, const char *, uint64_t, uint64_t *))
{
    evlog *log;
    uint64_t seq, count;
    const char *name = options->operands[0];
    if (which(options, &seq))
        return EXIT_MISUSE;
    if (verb == look ? open_to_read(options, &log) : open_to_write(options, &log))
        return EXIT_LOG;
    int code = verb(log, name, seq, &count);
    int status = library_status(code);
    if (!code && !count && seq)
        status =
            complain(EXIT_NOTHING, "consumer %s: event %" PRIu64 " is not parked", name, seq);
    else if (!code && !count)
        status = complain(EXIT_NOTHING, "consumer %s has no parked events", name);
    else if (!code)
        status = put_change(options, count, verb != look, what);
    evlog_close(log);
    return status;
}

int parked_retry_run(struct options *options)
{
    return change(options, "to be retried when the consumer runs", evlog_parked_retry);
}

int parked_drop_run(struct options *options)
{
    if (options->yes)
        return change(options, "off the record", evlog_parked_drop);
    return change(options, "would go off the record; do it with --yes", look);
}
