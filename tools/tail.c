/*
 * evlog tail: the last events, and with -f those that come.
 *
 * What is new is waited for with evlog_wait, which costs nothing meanwhile, and read by a replay
 * from where the last one ended: so nothing is left out, however fast events come.
 */
#include <stdlib.h>

#include "print.h"

#define LAST_COUNT 10

static int print_one(const evlog_event *event, void *ctx)
{
    const struct options *options = ctx;
    if (event_put(stdout, event, options->output))
        return evlog_fail("out of memory");
    return ferror(stdout) ? evlog_fail("") : 0;
}

/* Goes back from the newest; where it ends is the first to be printed. */
static int go_back(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx = event->seq;
    return 0;
}

/* Prints what there is from `first` on. The library's code; damage is told, and passed. */
static int print_from(evlog *log, const struct options *options, uint64_t first, uint64_t last)
{
    evlog_outcome outcome = {0};
    evlog_range range = options->range;
    range.first_seq = first;
    range.last_seq = last;
    range.limit = 0;
    range.keep_going = 1;
    int code = evlog_replay(log, &range, print_one, (void *)options, &outcome);
    if (fflush(stdout) || ferror(stdout))
        exit(output_flushed(EXIT_DONE));
    if (!code)
        told_damage(options, &outcome, EXIT_DONE);
    return code;
}

static int print_last(evlog *log, const struct options *options, uint64_t *head)
{
    evlog_range range = options->range;
    uint64_t first = 0;
    evlog_info info;
    int code = evlog_inspect(log, &info);
    if (code)
        return code;
    *head = info.last_seq;
    range.last_seq = info.last_seq;
    range.limit = range.limit ? range.limit : LAST_COUNT;
    range.newest_first = 1;
    range.keep_going = 1;
    if (info.last_seq)
        code = evlog_replay(log, &range, go_back, &first, NULL);
    return code || !first ? code : print_from(log, options, first, *head);
}

static int follow(evlog *log, const struct options *options, uint64_t head)
{
    int code = EVLOG_OK;
    while (!code) {
        uint64_t last = head;
        code = evlog_wait(log, head, -1, &last);
        if (!code && last > head)
            code = print_from(log, options, head + 1, last);
        head = last;
    }
    return code;
}

int tail_run(struct options *options)
{
    evlog *log;
    uint64_t head = 0;
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int code = print_last(log, options, &head);
    if (!code && options->follow)
        code = follow(log, options, head);
    int status = code ? complain_library(code) : head ? EXIT_DONE : nothing_matched(log, options);
    evlog_close(log);
    return status;
}
