/*
 * evlog tail, and evlog show -f: the last events, or those from a place on, and with -f those that come.
 *
 * What is new is waited for with evlog_wait, which costs nothing meanwhile, and read by a replay
 * from where the last one ended: so nothing is left out, however fast events come. Now and then it looks up: whether
 * the log is still where it was, and whether anybody reads the output, where that is a pipe.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"
#include "stop.h"

#define LAST_COUNT 10
#define LOOK_UP_MS 500
#define APPEAR_MS 50

struct tail {
    const struct options *options;
    evlog *log;
    struct stat directory; /* when it was opened */
    uint64_t head;         /* the last event that was looked at */
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
    if (event_put_as(stdout, event, tail->options))
        return evlog_fail("out of memory");
    tail->print_count++;
    if (ferror(stdout))
        flush_output();
    return 0;
}

/* Prints what there is from `first` to the head, passing over damage. The library's code. */
static int print_from(struct tail *tail, uint64_t first)
{
    evlog_range range = tail->options->range;
    evlog_outcome outcome = {0};
    range.first_seq = first;
    range.last_seq = tail->head;
    range.limit = 0;
    range.keep_going = 1;
    int code = evlog_replay(tail->log, &range, print_one, tail, &outcome);
    flush_output();
    if (!code && outcome.failed)
        tail->status =
            complain(EXIT_LOG, "out of memory at event %" PRIu64, outcome.first_failed_seq);
    tail->status = report_damage(tail->options, &outcome, tail->status);
    return code;
}

/* Goes back from the newest; where it ends is the first to be printed. */
static int go_back(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx = event->seq;
    return 0;
}

static int print_last(struct tail *tail, uint64_t count)
{
    evlog_range range = tail->options->range;
    evlog_outcome passed = {0};
    uint64_t first = 0;
    range.last_seq = tail->head;
    range.limit = count;
    range.newest_first = 1;
    range.keep_going = 1;
    int code = evlog_replay(tail->log, &range, go_back, &first, &passed);
    if (!code && first)
        code = print_from(tail, first);
    else
        tail->status = report_damage(tail->options, &passed, tail->status);
    return code;
}

/* What there is already: all from where it is to begin, or the last ones. */
static int print_begun(struct tail *tail)
{
    const struct options *options = tail->options;
    const evlog_range *range = &options->range;
    bool has_begin = range->first_seq || range->since_us || options->filter.since_us;
    evlog_info info;
    int code = evlog_inspect(tail->log, &info);
    if (code)
        return code;
    tail->head = info.last_seq;
    if (!info.last_seq || range->first_seq > info.last_seq ||
        (options->has_count && !range->limit))
        return EVLOG_OK;
    if (!options->has_count && (has_begin || options->is_show))
        return print_from(tail, range->first_seq);
    return print_last(tail, options->has_count ? range->limit : LAST_COUNT);
}

/* Whether the log is no longer where it was opened; reported. */
static bool is_gone(struct tail *tail)
{
    struct stat now;
    bool is_there = stat(tail->options->path, &now) == 0;
    if (is_there && now.st_ino == tail->directory.st_ino && now.st_dev == tail->directory.st_dev)
        return false;
    tail->status =
        complain(EXIT_LOG, "%s: the log was %s; event %" PRIu64 " is the last that was read",
                 tail->options->path, is_there ? "replaced" : "deleted or moved", tail->head);
    return true;
}

/* False: the output is a pipe that nobody reads any more. */
static bool is_heard(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) <= 0 || !(output.revents & (POLLERR | POLLHUP | POLLNVAL));
}

static int follow(struct tail *tail)
{
    uint64_t first = tail->options->range.first_seq;
    int code = EVLOG_OK;
    while (!code && is_heard() && !is_gone(tail)) {
        uint64_t before = tail->head;
        code = evlog_wait(tail->log, before, LOOK_UP_MS, &tail->head);
        if (!code && tail->head > before && tail->head >= first)
            code = print_from(tail, before + 1 > first ? before + 1 : first);
    }
    return code;
}

/* Opens the log; with -f and --wait waits for one that is not there yet. */
static int open_or_wait(struct tail *tail)
{
    const struct options *options = tail->options;
    int64_t until_ms = now_ms() + (options->follow ? options->open.wait_ms : 0);
    struct stat there;
    while (stat(options->path, &there) && now_ms() < until_ms)
        poll(NULL, 0, APPEAR_MS);
    /* a directory that is being made is a log a moment later */
    evlog_options open = {
        .read_only = true, .offline = options->open.offline, .wait_ms = options->open.wait_ms};
    while (evlog_open(options->path, &open, &tail->log) == EVLOG_NOTFOUND && now_ms() < until_ms)
        poll(NULL, 0, APPEAR_MS);
    if (tail->log)
        evlog_close(tail->log);
    tail->log = NULL;
    return open_to_read(options, &tail->log);
}

int tail_run(struct options *options)
{
    struct tail tail = {.options = options};
    if (open_or_wait(&tail))
        return EXIT_LOG;
    int code = stat(options->path, &tail.directory) ? EVLOG_OK : print_begun(&tail);
    if (!code && options->follow)
        code = follow(&tail);
    if (code)
        tail.status = complain_library(code);
    else if (!tail.print_count && tail.status == EXIT_DONE && !options->follow &&
             !(options->has_count && !options->range.limit))
        tail.status = nothing_matched(tail.log, options);
    evlog_close(tail.log);
    return tail.status;
}
