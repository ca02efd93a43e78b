/* Progress: one line on standard error, ten times a second, taken away at the end. */
#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"

static struct {
    const char *what;
    uint64_t total;
    int64_t next_ms; /* when to show the next; INT64_MAX: never */
    int shown;
    const char *how; /* to go on after an interruption; NULL: signals are not waited for */
} progress = {.next_ms = INT64_MAX};

void progress_begin(const char *what, uint64_t total)
{
    progress.what = what;
    progress.total = total;
    progress.shown = 0;
    progress.next_ms = isatty(STDERR_FILENO) ? now_ms() + 500 : INT64_MAX;
}

void progress_at(uint64_t done)
{
    if (progress.next_ms == INT64_MAX || now_ms() < progress.next_ms)
        return;
    progress.next_ms = now_ms() + 100;
    progress.shown = 1;
    if (progress.total)
        fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " (%.0f %%)\033[K", progress.what, done,
                progress.total, 100.0 * (double)done / (double)progress.total);
    else
        fprintf(stderr, "\r%s: %" PRIu64 "\033[K", progress.what, done);
    fflush(stderr);
}

void progress_clear(void)
{
    if (progress.shown)
        fputs("\r\033[K", stderr);
    progress.shown = 0;
}

void progress_end(void)
{
    progress_clear();
    progress.next_ms = INT64_MAX;
}

/* A write that waits for the reader of a pipe goes on: what is printed is printed whole. */
static void restart_calls(int signal_number)
{
    struct sigaction action;
    sigaction(signal_number, NULL, &action);
    action.sa_flags |= SA_RESTART;
    sigaction(signal_number, &action, NULL);
}

void progress_stops(const char *how)
{
    progress.how = how;
    stop_watch();
    restart_calls(SIGINT);
    restart_calls(SIGTERM);
}

/* Says that an interruption ends what is done here. false: it does not. */
static bool is_interrupted(uint64_t next)
{
    if (!progress.how || !stop_is_asked())
        return false;
    size_t before = strcspn(progress.how, "#");
    progress_clear();
    fflush(stdout);
    fprintf(stderr, "evlog: interrupted; %.*s", (int)before, progress.how);
    if (progress.how[before])
        fprintf(stderr, "%" PRIu64 "%s", next, progress.how + before + 1);
    fputc('\n', stderr);
    return true;
}

void progress_check(uint64_t next)
{
    if (is_interrupted(next))
        stop_by_signal();
}

int progress_visit(uint64_t done, void *ctx)
{
    (void)ctx;
    progress_at(done);
    return is_interrupted(done);
}
