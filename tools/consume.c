/*
 * evlog consume: any program as a durable consumer.
 *
 * The consumer acknowledges by hand: what the command was given is acknowledged when its input has ended
 * and it exits with 0, or, with --ack-lines, event by event as it answers with lines. What
 * is not acknowledged is given again by the next run. A command that stops reading, or ends
 * before its input does, has failed.
 *
 * With --ack-lines events go in and answers come out at the same time: the pipe to the command is
 * written only as far as it takes, and its answers are read meanwhile, so that neither waits
 * for the other for ever. How many may be unanswered is limited.
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
    evlog_consumer *consumer;
    struct child child;
    int is_running;
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

/* Ends the command's input, and acknowledges what it has dealt with. -1: go on, else the status. */
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

/* Gives out what there is, at most `limit`; waits for the first when `is_waiting`. */
static int give_out(struct consuming *consuming, uint64_t limit, int is_waiting, uint64_t *count)
{
    return evlog_consumer_poll(consuming->consumer, limit, is_waiting ? -1 : 0, give, consuming,
                               count);
}

/* One round: events, and with --ack-lines answers meanwhile. -1: go on, else the status. */
static int round_of(struct consuming *consuming, int *is_caught_up)
{
    const struct options *options = consuming->options;
    uint64_t limit = 0, count;
    if (options->range.limit)
        limit = options->range.limit - consuming->given_count;
    int waits = options->follow && !consuming->is_running;
    if (options->follow && options->ack_lines)
        waits = consuming->unanswered == 0;
    int code = give_out(consuming, limit, waits, &count);
    *is_caught_up = !code && !count;
    if (!code && consuming->is_running && options->ack_lines && options->follow && !count)
        code = exchange(consuming, 0, ANSWER_WAIT_MS);
    if (code >= 0)
        return -1;
    int status = complain(code == EVLOG_RECEIVER ? EXIT_NOTHING : EXIT_LOG, "%s", evlog_errmsg());
    int ended = end_run(consuming);
    return ended >= 0 ? ended : status;
}

static int is_over(const struct consuming *consuming)
{
    const struct options *options = consuming->options;
    return was_interrupted ||
           (options->range.limit && consuming->given_count >= options->range.limit);
}

static int consume(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    int status = -1, is_caught_up = 0;
    while (status < 0 && !is_over(consuming) && !(is_caught_up && !options->follow)) {
        status = round_of(consuming, &is_caught_up);
        if (status < 0 && options->follow && !options->ack_lines && is_caught_up)
            status = end_run(consuming);
    }
    if (status < 0)
        status = end_run(consuming);
    return status < 0 ? EXIT_DONE : status;
}

static int open_consumer(evlog *log, const struct options *options, evlog_consumer **consumer)
{
    evlog_consumer_options wanted = {.start = options->start,
                                     .no_create = options->open.no_create,
                                     .types = options->range.types,
                                     .type_count = options->range.type_count,
                                     .ack_by_hand = 1,
                                     .on_failure = EVLOG_FAILURE_STOP,
                                     .attempt_max = 1,
                                     .pace = options->range.pace};
    return evlog_consumer_open(log, options->operands[0], &wanted, consumer);
}

static void watch_signals(evlog_consumer *consumer)
{
    struct sigaction action = {.sa_handler = interrupt};
    interrupted = consumer;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int consume_run(struct options *options)
{
    evlog *log;
    struct consuming *consuming = calloc(1, sizeof *consuming);
    if (!consuming)
        return complain(EXIT_LOG, "out of memory");
    consuming->options = options;
    int status = options->exec ? -1
                               : complain(EXIT_MISUSE,
                                          "which command? evlog consume %s %s --exec 'COMMAND'",
                                          options->path, options->operands[0]);
    if (status < 0 && open_to_write(options, &log))
        status = EXIT_LOG;
    if (status < 0) {
        int code = open_consumer(log, options, &consuming->consumer);
        status = code ? library_status(code) : -1;
        if (!code) {
            watch_signals(consuming->consumer);
            progress_begin("events given", options->range.limit);
            status = consume(consuming);
            progress_end();
            signal(SIGINT, SIG_DFL);
            signal(SIGTERM, SIG_DFL);
            code = evlog_consumer_close(consuming->consumer);
            status = code && status == EXIT_DONE ? complain_library(code) : status;
        }
        evlog_close(log);
    }
    free(consuming);
    return status;
}
