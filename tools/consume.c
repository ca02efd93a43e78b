/*
 * evlog consume: any program as a durable consumer.
 *
 * The consumer acknowledges by hand: what the command was given is acknowledged when its input
 * has ended and it exits with 0, or, with --ack-lines, event by event as it answers with lines.
 * What is not acknowledged is given again by the next run. A command that stops reading, or
 * ends before its input does, has failed.
 *
 * With --ack-lines events go in and answers come out at the same time: the pipe to the command is
 * written only as far as it takes, and its answers are read meanwhile, so that neither waits
 * for the other for ever. How many may be unanswered is limited.
 *
 * With --plugin there is no command: the consumer hands its events to the receivers that are
 * connected, and each is done when they have returned.
 *
 * SIGINT and SIGTERM end the giving out; the command's input then ends, and what it has done
 * is acknowledged as always.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "print.h"
#include "progress.h"

#define UNANSWERED_MAX 4096
#define ANSWER_WAIT_MS 10

struct consuming {
    const struct options *options;
    evlog *log;
    evlog_consumer *consumer;
    struct child child;
    int is_running, is_caught_up;
    uint64_t parked_count;
    uint64_t given_count, acked_count;
    uint64_t first_seq, last_seq;  /* given to this run of the command */
    uint64_t seqs[UNANSWERED_MAX]; /* a ring: given and not answered */
    uint64_t oldest, unanswered;   /* its first, and how many */
};

static evlog_consumer *interrupted;
static volatile sig_atomic_t was_interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    was_interrupted = 1;
    evlog_consumer_stop(interrupted);
}

/* ------------------------------------------------------------------- answers ---- */

/* As many of the oldest events are answered as there are lines. A library's code. */
static int take_answers(struct consuming *consuming, uint64_t lines)
{
    if (lines > consuming->unanswered)
        return evlog_fail("the command has answered more events than it was given");
    if (!lines)
        return EVLOG_OK;
    uint64_t seq = 0; /* the greatest: one that was retried may come after a later one */
    for (uint64_t i = 0; i < lines; i++) {
        uint64_t answered = consuming->seqs[(consuming->oldest + i) % UNANSWERED_MAX];
        seq = answered > seq ? answered : seq;
    }
    int code = evlog_consumer_ack(consuming->consumer, seq);
    if (code)
        return code;
    consuming->oldest = (consuming->oldest + lines) % UNANSWERED_MAX;
    consuming->unanswered -= lines;
    consuming->acked_count += lines;
    return EVLOG_OK;
}

/* Reads what the command has answered; `*is_end`: it will not answer any more. */
static int read_answers(struct consuming *consuming, int *is_end)
{
    char buffer[4096];
    uint64_t lines = 0;
    ssize_t size = read(consuming->child.from, buffer, sizeof buffer);
    *is_end = size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN);
    for (ssize_t i = 0; i < size; i++)
        lines += buffer[i] == '\n';
    return take_answers(consuming, lines);
}

/* Waits for answers, or for the pipe to take more. 1: it does, 0: not now, or a code. */
static int exchange(struct consuming *consuming, int wants_room, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = consuming->child.from, .events = POLLIN},
                           {.fd = wants_room ? consuming->child.to : -1, .events = POLLOUT}};
    int is_end = 0, code = EVLOG_OK;
    if (poll(fds, 2, timeout_ms) < 0)
        return errno == EINTR ? 0 : evlog_fail(strerror(errno));
    if (fds[0].revents)
        code = read_answers(consuming, &is_end);
    if (code)
        return code;
    if (is_end)
        return evlog_fail("the command has ended, or closed its output, before its input ended");
    return fds[1].revents != 0;
}

/* -------------------------------------------------------------------- giving ---- */

static int start(struct consuming *consuming)
{
    int error =
        child_start(&consuming->child, consuming->options->exec, consuming->options->ack_lines);
    if (error)
        return evlog_fail(strerror(error));
    if (consuming->options->ack_lines)
        fcntl(consuming->child.to, F_SETFL, O_NONBLOCK);
    consuming->is_running = 1;
    consuming->first_seq = consuming->last_seq = 0;
    return EVLOG_OK;
}

/* Gives a line to a command that answers, as fast as it takes it. */
static int give_and_hear(struct consuming *consuming, const char *line, size_t size)
{
    int code = 0;
    while (code >= 0 && consuming->unanswered == UNANSWERED_MAX)
        code = exchange(consuming, 0, -1);
    while (code >= 0 && size > 0) {
        ssize_t count = write(consuming->child.to, line, size);
        if (count < 0 && errno == EPIPE)
            return evlog_fail("the command does not read its input any more");
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return evlog_fail(strerror(errno));
        if (count < 0) {
            code = exchange(consuming, 1, -1);
            continue;
        }
        line += count;
        size -= (size_t)count;
    }
    return code < 0 ? code : EVLOG_OK;
}

static int give_line(struct consuming *consuming, const evlog_event *event, const char *line,
                     size_t size)
{
    if (!consuming->options->ack_lines)
        return child_feed(&consuming->child, line, size)
                   ? evlog_fail("the command does not read its input any more")
                   : EVLOG_OK;
    int code = give_and_hear(consuming, line, size);
    if (code)
        return code;
    consuming->seqs[(consuming->oldest + consuming->unanswered++) % UNANSWERED_MAX] = event->seq;
    return EVLOG_OK;
}

/* The receiver: gives an event to the command, which is started when it does not run. */
static int give(const evlog_event *event, void *ctx)
{
    struct consuming *consuming = ctx;
    char *line = NULL;
    size_t size = 0;
    int code = consuming->is_running ? EVLOG_OK : start(consuming);
    if (code)
        return code;
    FILE *memory = open_memstream(&line, &size);
    int failed = !memory || event_put(memory, event, OUTPUT_JSON);
    if (memory)
        failed |= fclose(memory) != 0;
    code = failed ? evlog_fail("out of memory") : give_line(consuming, event, line, size);
    free(line);
    if (code)
        return code;
    if (!consuming->first_seq)
        consuming->first_seq = event->seq;
    if (event->seq > consuming->last_seq)
        consuming->last_seq = event->seq;
    progress_at(++consuming->given_count);
    return EVLOG_OK;
}

/* ------------------------------------------------------------------- one run ---- */

static void tell_end(const struct consuming *consuming, int state)
{
    int is_signal = WIFSIGNALED(state);
    uint64_t first = consuming->options->ack_lines && consuming->unanswered
                         ? consuming->seqs[consuming->oldest]
                         : consuming->first_seq;
    if (state)
        complain(EXIT_NOTHING, "the command %s %d",
                 is_signal ? "was killed by signal" : "exited with",
                 is_signal ? WTERMSIG(state) : WEXITSTATUS(state));
    if (first)
        complain(EXIT_NOTHING,
                 "events %" PRIu64 " to %" PRIu64
                 " are not acknowledged, and are given again the next time",
                 first, consuming->last_seq);
}

/* Reads the answers that are still to come. */
static int hear_out(struct consuming *consuming)
{
    int is_end = 0, code = EVLOG_OK;
    while (!code && !is_end)
        code = read_answers(consuming, &is_end);
    return code;
}

/*
 * Ends the command's input, and acknowledges what it has dealt with. -1: go on, else the
 * status.
 */
static int end_run(struct consuming *consuming)
{
    int state, code = EVLOG_OK, is_heard = consuming->options->ack_lines;
    if (!consuming->is_running)
        return -1;
    child_finish(&consuming->child);
    if (is_heard)
        code = hear_out(consuming);
    int error = child_end(&consuming->child, &state);
    consuming->is_running = 0;
    if (error)
        return complain(EXIT_LOG, "cannot wait for the command: %s", strerror(error));
    if (!code && !is_heard && !state && consuming->last_seq) {
        code = evlog_consumer_ack(consuming->consumer, consuming->last_seq);
        consuming->acked_count = consuming->given_count;
    }
    if (code)
        return complain_library(code);
    if (state || (is_heard && consuming->unanswered)) {
        tell_end(consuming, state);
        return EXIT_NOTHING;
    }
    return -1;
}

/* --------------------------------------------------------------------- the whole ---- */

/* What the consumer tells: when it is caught up, and what has failed. */
static void hear_notice(const evlog_notice *notice, void *ctx)
{
    struct consuming *consuming = ctx;
    consuming->is_caught_up |= notice->kind == EVLOG_NOTICE_CAUGHT_UP;
    if (notice->kind == EVLOG_NOTICE_PARKED)
        complain(EXIT_NOTHING, "event %" PRIu64 " is parked: %s", notice->first_seq,
                 notice->text);
    if (notice->kind == EVLOG_NOTICE_LOST)
        complain(EXIT_NOTHING, "events %" PRIu64 " to %" PRIu64 " are lost: %s",
                 notice->first_seq, notice->last_seq, notice->text);
    consuming->parked_count +=
        notice->kind == EVLOG_NOTICE_PARKED || notice->kind == EVLOG_NOTICE_LOST;
}

static int is_paused(const evlog_consumer_info *info, void *ctx)
{
    (void)ctx;
    return info->is_paused;
}

/*
 * Gives out what there is. Waits for the first when `is_waiting`; else for events that are due
 * later only, and so ends when it is caught up.
 */
static int give_out(struct consuming *consuming, int is_waiting, uint64_t *count)
{
    const struct options *options = consuming->options;
    uint64_t limit = options->range.limit ? options->range.limit - consuming->given_count : 0;
    evlog_receiver *receiver = options->exec ? give : NULL;
    int code = evlog_consumer_poll(consuming->consumer, limit, is_waiting ? -1 : 0, receiver,
                                   consuming, count);
    while (!code && !*count && !consuming->is_caught_up && !was_interrupted) {
        code = evlog_each_consumer(consuming->log, options->operands[0], is_paused, NULL);
        if (code > 0)
            return evlog_fail("the consumer is paused; see: evlog consumer resume");
        if (!code)
            code =
                evlog_consumer_poll(consuming->consumer, limit, 100, receiver, consuming, count);
    }
    if (!options->exec)
        progress_at(consuming->given_count += *count);
    return code;
}

/* One round: events, and with --ack-lines answers meanwhile. -1: go on, else the status. */
static int round_of(struct consuming *consuming, int *is_over)
{
    const struct options *options = consuming->options;
    uint64_t count;
    int waits = options->follow && !consuming->is_running;
    if (options->follow && options->ack_lines)
        waits = consuming->unanswered == 0;
    int code = give_out(consuming, waits, &count);
    *is_over = !code && consuming->is_caught_up && !options->follow;
    if (!code && !count && options->follow && consuming->is_running) {
        if (!options->ack_lines)
            return end_run(consuming);
        code = exchange(consuming, 0, ANSWER_WAIT_MS);
    }
    if (code >= 0)
        return -1;
    int status = complain(code == EVLOG_RECEIVER ? EXIT_NOTHING : EXIT_LOG, "%s", evlog_errmsg());
    int ended = end_run(consuming);
    return ended >= 0 ? ended : status;
}

static int consume(struct consuming *consuming)
{
    uint64_t limit = consuming->options->range.limit;
    int status = -1, is_over = 0;
    while (status < 0 && !is_over && !was_interrupted &&
           !(limit && consuming->given_count >= limit))
        status = round_of(consuming, &is_over);
    if (status < 0)
        status = end_run(consuming);
    if (status < 0)
        status = consuming->parked_count ? EXIT_NOTHING : EXIT_DONE;
    return status;
}

static int open_consumer(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    evlog_consumer_options wanted = {.start = options->start,
                                     .no_create = options->open.no_create,
                                     .types = options->range.types,
                                     .type_count = options->range.type_count,
                                     .pace = options->range.pace,
                                     .notice = hear_notice,
                                     .notice_ctx = consuming};
    if (options->exec) {
        wanted.ack_by_hand = 1;
        wanted.on_failure = EVLOG_FAILURE_STOP;
        wanted.attempt_max = 1;
    }
    return evlog_consumer_open(consuming->log, options->operands[0], &wanted,
                               &consuming->consumer);
}

static void watch_signals(evlog_consumer *consumer)
{
    struct sigaction action = {.sa_handler = interrupt};
    interrupted = consumer;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
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
    watch_signals(consuming->consumer);
    progress_begin("events given", options->range.limit);
    status = consume(consuming);
    progress_end();
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    code = evlog_consumer_close(consuming->consumer);
    return code && status == EXIT_DONE ? complain_library(code) : status;
}

int consume_run(struct options *options)
{
    if (!options->exec == !options->plugin_count)
        return complain(EXIT_MISUSE,
                        "to what? evlog consume %s %s --exec 'COMMAND' or --plugin FILE.so",
                        options->path, options->operands[0]);
    struct consuming *consuming = calloc(1, sizeof *consuming);
    if (!consuming)
        return complain(EXIT_LOG, "out of memory");
    consuming->options = options;
    int status = EXIT_LOG;
    if (!open_to_write(options, &consuming->log)) {
        status = run(consuming);
        evlog_close(consuming->log);
    }
    free(consuming);
    return status;
}
