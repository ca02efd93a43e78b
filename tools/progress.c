/* Progress: one line on standard error, ten times a second, taken away at the end. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *what;
    uint64_t total;
    int64_t next_ms; /* when to show the next; INT64_MAX: never */
    int shown;
} progress = {.next_ms = INT64_MAX};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

int progress_visit(uint64_t done, void *ctx)
{
    (void)ctx;
    progress_at(done);
    return 0;
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
