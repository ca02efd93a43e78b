/*
 * evlog replay: a command run once for each event, or the receivers of plugins.
 *
 * The command is a child of its own, with the event as one JSON line on its standard input
 * and this process's other descriptors, so what it prints goes where ours would. A command
 * that does not read its input is as good as one that does. SIGPIPE is ignored here, and as
 * it should be there.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "json.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

struct replay {
    const struct options *options;
    uint64_t done;
};

/* Reports how the command ended, unless with 0. 0 or -1. */
static int ended(const evlog_event *event, int state)
{
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return 0;
    int is_signal = WIFSIGNALED(state);
    complain(EXIT_NOTHING, "event %" PRIu64 " (%s): the command %s %d", event->seq,
             event->event_type, is_signal ? "was killed by signal" : "exited with",
             is_signal ? WTERMSIG(state) : WEXITSTATUS(state));
    return -1;
}

/* Runs the command with `line` as its input. 0 or -1, reported. */
static int run(const struct options *options, const evlog_event *event, const char *line,
               size_t line_size)
{
    struct child child = {.is_group = false};
    int state;
    int error = child_start(&child, options->exec, 0);
    if (error)
        return complain(-1, "event %" PRIu64 ": cannot run the command: %s", event->seq,
                        strerror(error));
    (void)!child_feed(&child, line, line_size); /* one that does not read it is as good */
    error = child_end(&child, &state, NULL, INT64_MAX);
    if (error)
        return complain(-1, "event %" PRIu64 ": cannot wait for the command: %s", event->seq,
                        strerror(error));
    return ended(event, state);
}

static int replay_one(const evlog_event *event, void *ctx)
{
    struct replay *replay = ctx;
    char seq[24], id[EVLOG_UUID_TEXT_SIZE], *line = NULL;
    size_t line_size = 0;
    progress_check(event->seq);
    FILE *memory = open_memstream(&line, &line_size);
    int failed = !memory || event_put_as(memory, event, replay->options);
    if (memory)
        failed |= fclose(memory) != 0;
    snprintf(seq, sizeof seq, "%" PRIu64, event->seq);
    failed |= setenv("EVLOG_SEQ", seq, 1) || setenv("EVLOG_TYPE", event->event_type, 1) ||
              setenv("EVLOG_ID", evlog_uuid_text(event->id, id), 1);
    if (failed)
        complain(EXIT_LOG, "event %" PRIu64 ": out of memory", event->seq);
    else
        failed = run(replay->options, event, line, line_size);
    free(line);
    progress_at(++replay->done);
    return failed;
}

/* What the outcome amounts to. */
static int report_outcome(evlog *log, const struct options *options, int code,
                          const evlog_outcome *outcome)
{
    int status = EXIT_DONE;
    if (code == EVLOG_RECEIVER)
        status =
            complain(EXIT_NOTHING,
                     "stopped; %" PRIu64 " event%s went well before. To go on with "
                     "this one: %s %" PRIu64,
                     outcome->delivered, plural(outcome->delivered),
                     options->range.newest_first ? "--to" : "--from", outcome->first_failed_seq);
    else if (code)
        status = complain_library(code);
    else if (outcome->failed)
        status = complain(
            EXIT_NOTHING, "%" PRIu64 " of %" PRIu64 " event%s failed, the first at seq %" PRIu64,
            outcome->failed, outcome->failed + outcome->delivered,
            plural(outcome->failed + outcome->delivered), outcome->first_failed_seq);
    else if (!outcome->delivered && !outcome->damaged)
        status = nothing_matched(log, options);
    return code == EVLOG_DAMAGED ? status : report_damage(options, outcome, status);
}

int replay_run(struct options *options)
{
    evlog *log;
    evlog_outcome outcome = {0};
    struct replay replay = {.options = options};
    if (!options->exec == !options->plugin_count)
        return complain(EXIT_MISUSE,
                        "to what? evlog replay %s --exec 'COMMAND' or --plugin FILE.so",
                        options->path);
    if (options->plugin_count && options->fields.count)
        return complain(EXIT_MISUSE, "--fields is for a command that is run with --exec");
    options->output = OUTPUT_JSON; /* what the command gets */
    if (options->plugin_count ? open_to_write(options, &log) : open_to_read(options, &log))
        return EXIT_LOG;
    signal(SIGPIPE, SIG_IGN);
    int status = options->plugin_count ? plug(log, options) : -1;
    if (status < 0) {
        if (!isatty(STDOUT_FILENO)) /* where the command's output may come between */
            progress_begin("events replayed", options->range.limit);
        if (options->exec && !options->range.speed && !options->range.per_second)
            progress_stops(options->range.newest_first ? "to go on: --to #"
                                                       : "to go on: --from #");
        int code = options->exec
                       ? evlog_replay(log, &options->range, replay_one, &replay, &outcome)
                       : evlog_replay_to_receivers(log, &options->range, &outcome);
        progress_end();
        status = report_outcome(log, options, code, &outcome);
    }
    if (status == EXIT_DONE && isatty(STDERR_FILENO))
        fprintf(stderr, "%" PRIu64 " event%s replayed\n", outcome.delivered,
                plural(outcome.delivered));
    evlog_close(log);
    if (status != EXIT_DONE)
        stop_by_signal(); /* the command has got it, too */
    return status;
}
