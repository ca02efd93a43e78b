/*
 * evlog consume: any program as a durable consumer.
 *
 * The consumer acknowledges by hand: what the command was given is acknowledged when its input
 * has ended and it exits with 0, or, with --ack-lines, event by event as it answers with lines
 * (feed.c). What is not acknowledged is given again by the next run. A command that stops
 * reading, or ends before its input does, has failed.
 *
 * A parked event that is retried is given to a command of its own, which has to be done with it
 * when it ends: so it is acknowledged alone.
 *
 * With --plugin there is no command: the consumer hands its events to the receivers that are
 * connected, and each is done when they have returned.
 *
 * SIGINT and SIGTERM end the giving out; the command's input then ends, and what it has done
 * is acknowledged as always. A second one ends the process at once (stop.c).
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

#define ANSWER_WAIT_MS 10
#define MOMENT_MS 100

struct consuming {
    const struct options *options;
    evlog *log;
    evlog_consumer *consumer;
    struct feed feed;
    int is_caught_up;
    uint64_t given_count, acked_count, parked_count;
};

/* -------------------------------------------------------------------- giving ---- */

static int answered(uint64_t seq, void *ctx)
{
    struct consuming *consuming = ctx;
    return evlog_consumer_done(consuming->consumer, seq);
}

static int give_in_turn(struct consuming *consuming, uint64_t seq, const char *line, size_t size)
{
    int code = EVLOG_OK;
    if (!consuming->feed.is_running)
        code = feed_start(&consuming->feed, consuming->options->exec);
    return code ? code : feed_event(&consuming->feed, seq, line, size);
}

/* An event that is retried: the command's end says what becomes of it. */
static int give_alone(struct consuming *consuming, uint64_t seq, const char *line, size_t size)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return evlog_fail("out of memory");
    feed->is_heard = consuming->options->ack_lines;
    int code = feed_start(feed, consuming->options->exec);
    if (!code) {
        code = feed_event(feed, seq, line, size);
        int ended = feed_end(feed);
        code = ended ? ended : code;
    }
    free(feed);
    if (!code)
        code = evlog_consumer_done(consuming->consumer, seq);
    consuming->acked_count += !code;
    return code;
}

/* The receiver. */
static int give(const evlog_event *event, void *ctx)
{
    struct consuming *consuming = ctx;
    char *line = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&line, &size);
    int code = EVLOG_OK, failed = !memory || event_put(memory, event, OUTPUT_JSON);
    if (memory)
        failed |= fclose(memory) != 0;
    if (failed)
        code = evlog_fail("out of memory");
    else if (event->is_retry)
        code = give_alone(consuming, event->seq, line, size);
    else
        code = give_in_turn(consuming, event->seq, line, size);
    free(line);
    progress_at(++consuming->given_count);
    return code;
}

/* ------------------------------------------------------------------- one run ---- */

static void report_rest(uint64_t first, uint64_t last)
{
    if (first == last)
        complain(EXIT_NOTHING, "event %" PRIu64 " is not acknowledged: it comes again", first);
    else
        complain(EXIT_NOTHING,
                 "events %" PRIu64 " to %" PRIu64 " are not acknowledged: they come again", first,
                 last);
}

/*
 * Ends the command's input, and acknowledges what it has dealt with. `status` is how it went so
 * far, -1: well. The same again.
 */
static int end_run(struct consuming *consuming, int status)
{
    struct feed *feed = &consuming->feed;
    if (!feed->is_running)
        return status;
    int code = feed_end(feed);
    if (!code && status < 0 && !feed->is_heard && feed->fed_count) {
        code = evlog_consumer_done(consuming->consumer, feed->last_seq);
        feed->unanswered = code ? feed->fed_count : 0;
    }
    if (code)
        status = complain_library(code);
    consuming->acked_count += feed->fed_count - feed->unanswered;
    if (feed->unanswered)
        report_rest(feed_oldest(feed), feed->last_seq);
    return status;
}

/* --------------------------------------------------------------------- the whole ---- */

/* What the consumer reports: whether it is caught up, and what has failed. */
static void hear_notice(const evlog_notice *notice, void *ctx)
{
    struct consuming *consuming = ctx;
    uint64_t first = notice->first_seq, last = notice->last_seq;
    switch ((int)notice->kind) {
    case EVLOG_NOTICE_CAUGHT_UP:
        consuming->is_caught_up = 1;
        break;
    case EVLOG_NOTICE_FELL_BEHIND:
        consuming->is_caught_up = 0;
        break;
    case EVLOG_NOTICE_PARKED:
        complain(EXIT_NOTHING, "event %" PRIu64 " is parked: %s", first, notice->text);
        consuming->parked_count++;
        break;
    case EVLOG_NOTICE_LOST:
        if (first == last)
            complain(EXIT_NOTHING, "event %" PRIu64 " is lost: %s", first, notice->text);
        else
            complain(EXIT_NOTHING, "events %" PRIu64 " to %" PRIu64 " are lost: %s", first, last,
                     notice->text);
        consuming->parked_count++;
        break;
    }
}

/* Gives out what there is; with a timeout waits for the first. `*count`: how many. */
static int give_out(struct consuming *consuming, int64_t timeout_ms, uint64_t *count)
{
    const struct options *options = consuming->options;
    uint64_t limit = options->range.limit ? options->range.limit - consuming->given_count : 0;
    uint64_t room = EVLOG_OUT_MAX - consuming->feed.fed_count;
    if (options->exec && (!limit || limit > room))
        limit = room;
    int code = evlog_consumer_poll(consuming->consumer, limit, timeout_ms,
                                   options->exec ? give : NULL, consuming, count);
    if (!options->exec)
        progress_at(consuming->given_count += *count);
    return code == EVLOG_STOPPED ? EVLOG_OK : code; /* stop_is_asked says so */
}

/* 1 when the consumer is paused, or an error. */
static int is_paused(const struct consuming *consuming)
{
    evlog_consumer_info *info;
    int code =
        evlog_consumer_inspect(consuming->log, evlog_consumer_name(consuming->consumer), &info);
    if (code)
        return code;
    int paused = info->is_paused;
    evlog_consumer_info_free(info);
    return paused;
}

/*
 * Nothing was given out just now: it is over, or answers are to come, or the command can end for
 * now, or events are due later.
 */
static int wait_a_moment(struct consuming *consuming, int *status)
{
    const struct options *options = consuming->options;
    struct feed *feed = &consuming->feed;
    uint64_t count;
    if (feed->is_heard && feed->unanswered)
        return feed_hear(feed, ANSWER_WAIT_MS);
    int paused = is_paused(consuming);
    if (paused < 0)
        return paused;
    if (paused && !options->follow)
        return evlog_fail("the consumer is paused; see: evlog help consumer resume");
    if (!feed->is_running || feed->is_heard || !(paused || consuming->is_caught_up))
        return give_out(consuming, MOMENT_MS, &count);
    *status = end_run(consuming, -1);
    return EVLOG_OK;
}

/* Gives out what there is, and hears what is answered. `*status` -1: go on, else it is over. */
static int round_of(struct consuming *consuming, int *status)
{
    const struct options *options = consuming->options;
    const struct feed *feed = &consuming->feed;
    int is_idle = feed->is_heard ? !feed->unanswered : !feed->is_running;
    uint64_t count;
    if (feed->is_running && !feed->is_heard && feed->fed_count == EVLOG_OUT_MAX) {
        *status = end_run(consuming, -1); /* as many as can be out; then another run */
        return EVLOG_OK;
    }
    int code = give_out(consuming, options->follow && is_idle ? -1 : 0, &count);
    if (code || stop_is_asked())
        return code;
    if (consuming->is_caught_up && !options->follow)
        *status = EXIT_DONE;
    else if (!count)
        code = wait_a_moment(consuming, status);
    return code;
}

static int consume(struct consuming *consuming)
{
    uint64_t limit = consuming->options->range.limit;
    int status = -1, code = EVLOG_OK;
    while (!code && status < 0 && !stop_is_asked() && !(limit && consuming->given_count >= limit))
        code = round_of(consuming, &status);
    if (code)
        status = complain_library(code);
    status = end_run(consuming, status == EXIT_DONE ? -1 : status);
    if (status < 0)
        status = consuming->parked_count ? EXIT_NOTHING : EXIT_DONE;
    return status;
}

static int open_consumer(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    const char *name = options->operands[0];
    evlog_consumer_options wanted = {.start = options->start.start,
                                     .start_seq = options->start.start_seq,
                                     .start_time_us = options->start.start_time_us,
                                     .start_count = options->start.start_count,
                                     .no_create = options->open.no_create,
                                     .types = options->range.types,
                                     .type_count = options->range.type_count,
                                     .speed = options->range.speed,
                                     .per_second = options->range.per_second,
                                     .worker = options->worker,
                                     .workers = options->workers,
                                     .by = options->by,
                                     .last_seq = options->range.last_seq,
                                     .wants = options->range.wants,
                                     .wants_ctx = options->range.wants_ctx,
                                     .notice = hear_notice,
                                     .notice_ctx = consuming};
    if (options->exec) {
        wanted.ack_by_hand = 1;
        wanted.on_failure = EVLOG_FAILURE_STOP;
        wanted.attempt_max = 1;
    }
    return evlog_consumer_open(consuming->log, name, &wanted, &consuming->consumer);
}

static void report_counts(const struct consuming *consuming)
{
    fprintf(stderr, "%" PRIu64 " event%s given", consuming->given_count,
            plural(consuming->given_count));
    if (consuming->options->exec)
        fprintf(stderr, ", %" PRIu64 " acknowledged", consuming->acked_count);
    fputc('\n', stderr);
}

/* With the log open. */
static int run(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    int status = options->exec ? -1 : plug(consuming->log, options);
    if (status >= 0)
        return status;
    int code = open_consumer(consuming);
    if (code)
        return library_status(code);
    signal(SIGPIPE, SIG_IGN); /* a command that stops reading is reported */
    stop_watch();
    stop_consumer(consuming->consumer);
    if (!isatty(STDOUT_FILENO)) /* where the command's output may come between */
        progress_begin("events given", options->range.limit);
    status = consume(consuming);
    progress_end();
    stop_consumer(NULL);
    code = evlog_consumer_close(consuming->consumer);
    if (isatty(STDERR_FILENO))
        report_counts(consuming);
    return code && status == EXIT_DONE ? complain_library(code) : status;
}

/* -1: go on, else the exit status. */
static int check_options(const struct options *options)
{
    if (!options->exec == !options->plugin_count)
        return complain(EXIT_MISUSE,
                        "to what? evlog consume %s %s --exec 'COMMAND' or --plugin FILE.so",
                        options->path, options->operands[0]);
    if (!options->worker != !options->by)
        return complain(EXIT_MISUSE,
                        "which share of the events? evlog consume %s %s --worker I/N --by PATH",
                        options->path, options->operands[0]);
    if (options->ack_lines && !options->exec)
        return complain(EXIT_MISUSE, "--ack-lines is for a command that is run with --exec");
    return -1;
}

int consume_run(struct options *options)
{
    int status = check_options(options);
    if (status >= 0)
        return status;
    struct consuming *consuming = calloc(1, sizeof *consuming);
    if (!consuming)
        return complain(EXIT_LOG, "out of memory");
    consuming->options = options;
    consuming->feed =
        (struct feed){.is_heard = options->ack_lines, .answered = answered, .ctx = consuming};
    status = EXIT_LOG;
    if (!open_to_write(options, &consuming->log)) {
        status = run(consuming);
        evlog_close(consuming->log);
    }
    free(consuming);
    return status;
}
