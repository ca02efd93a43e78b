/*
 * evlog consume: any program as a durable consumer.
 *
 * With --exec a command gets the events, in runs (runs.c). With --plugin there is no command: the consumer hands its
 * events to the receivers that are connected, and each is done when they have returned.
 *
 * A consumer that exists goes on as it was made. --type of other events is refused, since it would change the consumer
 * for good, and so is --start, which would be ignored.
 *
 * SIGINT and SIGTERM end the giving out; the command's input then ends, and what it has done
 * is acknowledged as always. A second one ends the process at once (stop.c).
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consume.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

/* Reports events that are not done and do not come again; the exit status is to say so, too. */
static void report_notice(struct consuming *consuming, const evlog_notice *notice,
                          const char *what)
{
    uint64_t first = notice->first_seq, last = notice->last_seq;
    if (first == last)
        complain(0, "event %" PRIu64 " is %s: %s", first, what, notice->text);
    else
        complain(0, "events %" PRIu64 " to %" PRIu64 " are %s: %s", first, last, what,
                 notice->text);
    consume_note(consuming, EXIT_NOTHING);
    if (last >= consuming->again_seq)
        consuming->again_seq = 0;
}

/* What the consumer reports: whether it is caught up, and what has failed. */
static void hear_notice(const evlog_notice *notice, void *ctx)
{
    struct consuming *consuming = ctx;
    switch (notice->kind) {
    case EVLOG_NOTICE_CAUGHT_UP:
        consuming->is_caught_up = 1;
        break;
    case EVLOG_NOTICE_FELL_BEHIND:
        consuming->is_caught_up = 0;
        break;
    case EVLOG_NOTICE_PARKED:
        report_notice(consuming, notice, "parked");
        break;
    case EVLOG_NOTICE_SKIPPED:
        report_notice(consuming, notice, "skipped");
        break;
    case EVLOG_NOTICE_LOST:
        report_notice(consuming, notice, "lost");
        break;
    }
}

/* ------------------------------------------------------------------- plugins ---- */

/* Hands out what there is; with a timeout waits for the first. `*count`: how many. */
static int hand_out(struct consuming *consuming, int64_t timeout_ms, uint64_t *count)
{
    const evlog_range *range = &consuming->options->range;
    uint64_t limit = range->limit ? range->limit - consuming->given_count : 0;
    int code =
        evlog_consumer_poll(consuming->consumer, limit, timeout_ms, NULL, consuming, count);
    progress_at(consuming->given_count += *count);
    return code == EVLOG_STOPPED ? EVLOG_OK : code; /* stop_is_asked says so */
}

/* Hands out what there is, or waits a moment where events are due later. */
static int poll_round(struct consuming *consuming)
{
    bool follow = consuming->options->follow;
    uint64_t count;
    int code = hand_out(consuming, follow ? -1 : 0, &count);
    if (code || stop_is_asked())
        return code;
    if (!follow && consuming->is_caught_up) {
        consuming->is_over = true;
        return EVLOG_OK;
    }
    int paused = count ? 0 : runs_is_paused(consuming);
    if (paused > 0 && !follow)
        return evlog_fail("the consumer is paused; see: evlog help consumer resume");
    return paused < 0 || count ? paused : hand_out(consuming, MOMENT_MS, &count);
}

static void consume_by_plugins(struct consuming *consuming)
{
    uint64_t limit = consuming->options->range.limit;
    int code = EVLOG_OK;
    while (!code && !consuming->is_over && !stop_is_asked() &&
           !(limit && consuming->given_count >= limit))
        code = poll_round(consuming);
    if (code)
        consume_note(consuming, complain_library(code));
}

/* --------------------------------------------------------------------- the whole ---- */

/* What there is already of the name that is consumed: a consumer, or a group of workers. */
struct existing {
    const struct options *options;
    uint64_t checkpoint;
    bool is_there, has_other_types;
};

static bool has_type(const evlog_consumer_info *info, const char *type)
{
    for (size_t i = 0; i < info->type_count; i++)
        if (strcmp(info->types[i], type) == 0)
            return true;
    return false;
}

static bool is_named(const evlog_consumer_info *info, const struct options *options)
{
    const char *name = options->operands[0];
    if (!options->worker)
        return strcmp(info->name, name) == 0;
    return info->group && strcmp(info->group, name) == 0;
}

static int compare_existing(const evlog_consumer_info *info, void *ctx)
{
    struct existing *existing = ctx;
    const evlog_range *range = &existing->options->range;
    if (!is_named(info, existing->options))
        return 0;
    existing->is_there = true;
    existing->checkpoint = info->checkpoint;
    existing->has_other_types |= info->type_count != range->type_count;
    for (size_t i = 0; i < range->type_count; i++)
        existing->has_other_types |= !has_type(info, range->types[i]);
    return 0;
}

/* A consumer that exists goes on as it is. -1: it does as it is asked to, else the exit status. */
static int check_existing(evlog *log, const struct options *options)
{
    struct existing existing = {.options = options};
    const char *name = options->operands[0], *path = options->path;
    if (!options->start.start && !options->range.type_count)
        return -1;
    int code = evlog_each_consumer(log, compare_existing, &existing);
    if (code && code != EVLOG_DAMAGED) /* opening it says more */
        return complain_library(code);
    if (existing.is_there && options->start.start)
        return complain(
            EXIT_MISUSE,
            "consumer %s exists, and goes on where it was: leave out --start, or move "
            "it with: evlog consumer reset %s %s --to WHERE",
            name, path, name);
    if (existing.is_there && options->range.type_count && existing.has_other_types)
        return complain(EXIT_MISUSE,
                        "consumer %s exists, with other types (evlog consumer info %s %s): leave "
                        "out --type, or make it anew with: evlog consumer rm %s %s, and "
                        "--start %" PRIu64,
                        name, path, name, path, name, existing.checkpoint + 1);
    return -1;
}

static evlog_consumer_options consumer_options(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    evlog_consumer_options wanted = {.start = options->start.start,
                                     .start_seq = options->start.start_seq,
                                     .start_time_us = options->start.start_time_us,
                                     .start_count = options->start.start_count,
                                     .no_create = options->open.no_create,
                                     .types = options->range.types,
                                     .type_count = options->range.type_count,
                                     .on_failure = options->on_failure,
                                     .attempt_max = options->attempts,
                                     .backoff_ms = options->backoff_ms,
                                     .backoff_max_ms = options->backoff_max_ms,
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
    if (options->exec)
        runs_options(options, &wanted);
    return wanted;
}

/* With --wait it waits until no other process has it. EVLOG_BUSY: one has it still. */
static int open_consumer(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    const char *name = options->operands[0];
    evlog_consumer_options wanted = consumer_options(consuming);
    int code = evlog_consumer_open(consuming->log, name, &wanted, &consuming->consumer);
    if (code != EVLOG_BUSY || !(options->open.wait_ms || options->waits_for_ever))
        return code;
    complain(0, "%s: waiting for it", evlog_errmsg());
    wanted.claim_wait_ms = options->waits_for_ever ? UINT32_MAX : options->open.wait_ms;
    for (;; sleep(1)) {
        code = evlog_consumer_open(consuming->log, name, &wanted, &consuming->consumer);
        if (code != EVLOG_BUSY || !options->waits_for_ever)
            return code;
    }
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
    status = check_existing(consuming->log, options);
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
    if (options->exec)
        runs_consume(consuming);
    else
        consume_by_plugins(consuming);
    progress_end();
    stop_consumer(NULL);
    code = evlog_consumer_close(consuming->consumer);
    if (isatty(STDERR_FILENO))
        report_counts(consuming);
    if (code)
        consume_note(consuming, complain_library(code));
    return consuming->status;
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
    if (options->timeout_ms && !options->exec)
        return complain(EXIT_MISUSE, "--timeout is for a command that is run with --exec");
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
    status = EXIT_LOG;
    if (!open_to_write(options, &consuming->log)) {
        status = run(consuming);
        evlog_close(consuming->log);
    }
    free(consuming);
    return status;
}
