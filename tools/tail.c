/*
 * evlog tail: the last events, and with -f those that come.
 *
 * What is new is waited for with evlog_wait, which costs nothing meanwhile, and read by a replay
 * from where the last one ended: so nothing is left out, however fast events come. Where the
 * output is a pipe it looks up now and then whether anybody reads it still.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"

#define LAST_COUNT 10
#define LOOK_UP_MS 500

struct tail {
    const struct options *options;
    evlog *log;
    uint64_t head; /* the last event that was looked at */
    uint64_t print_count;
    int status;
};

/* Ends the program when standard output cannot be written (closed pipe, full disk). */
static void flush_output(void)
{
    if (fflush(stdout) || ferror(stdout))
        exit(output_flushed(EXIT_DONE));
}

static int print_one(const evlog_event *event, void *ctx)
{
    struct tail *tail = ctx;
    if (event_put(stdout, event, tail->options->output))
        return evlog_fail("out of memory");
    tail->print_count++;
    if (ferror(stdout))
        flush_output();
    return 0;
}

/* Prints what there is from `first` to the head, passing over damage. The library's code. */
static int print_from(struct tail *tail, uint64_t first, evlog_outcome *outcome)
{
    evlog_range range = tail->options->range;
    range.first_seq = first;
    range.last_seq = tail->head;
    range.limit = 0;
    range.keep_going = 1;
    int code = evlog_replay(tail->log, &range, print_one, tail, outcome);
    flush_output();
    if (!code && outcome->failed)
        tail->status =
            complain(EXIT_LOG, "out of memory at event %" PRIu64, outcome->first_failed_seq);
    return code;
}

/* Goes back from the newest; where it ends is the first to be printed. */
static int go_back(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx = event->seq;
    return 0;
}

static int print_last(struct tail *tail)
{
    evlog_range range = tail->options->range;
    evlog_outcome passed = {0}, outcome;
    uint64_t first = 0;
    evlog_info info;
    int code = evlog_inspect(tail->log, &info);
    if (code || !info.last_seq)
        return code;
    tail->head = range.last_seq = info.last_seq;
    range.limit = range.limit ? range.limit : LAST_COUNT;
    range.newest_first = 1;
    range.keep_going = 1;
    code = evlog_replay(tail->log, &range, go_back, &first, &passed);
    if (!code && first)
        code = print_from(tail, first, &outcome);
    tail->status = report_damage(tail->options, &passed, tail->status);
    return code;
}

/* How long to wait for an event before looking up; -1: for ever. */
static int look_up_ms(void)
{
    struct stat status;
    int is_pipe = fstat(STDOUT_FILENO, &status) == 0 &&
                  (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
    return is_pipe ? LOOK_UP_MS : -1;
}

static int is_heard(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) <= 0 || !(output.revents & (POLLERR | POLLHUP | POLLNVAL));
}

static int follow(struct tail *tail)
{
    int code = EVLOG_OK, wait_ms = look_up_ms();
    while (!code && is_heard()) {
        uint64_t before = tail->head;
        evlog_outcome outcome = {0};
        code = evlog_wait(tail->log, before, wait_ms, &tail->head);
        if (!code && tail->head > before)
            code = print_from(tail, before + 1, &outcome);
        tail->status = report_damage(tail->options, &outcome, tail->status);
    }
    return code;
}

int tail_run(struct options *options)
{
    struct tail tail = {.options = options};
    if (open_to_read(options, &tail.log))
        return EXIT_LOG;
    int code = print_last(&tail);
    if (!code && options->follow)
        code = follow(&tail);
    if (code)
        tail.status = complain_library(code);
    else if (!tail.print_count && tail.status == EXIT_DONE && !options->follow)
        tail.status = nothing_matched(tail.log, options);
    evlog_close(tail.log);
    return tail.status;
}
