/* A line on the terminal that shows how far long work has come. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/* Begins; `total` 0: not known. Nothing is shown in the first half second, nor in a pipe. */
void progress_begin(const char *what, uint64_t total);

/* How far it is. Cheap: a look at the clock. Before progress_begin it does nothing. */
void progress_at(uint64_t done);

/*
 * From now on SIGINT and SIGTERM end the process at the next progress_check, after a sentence: "evlog: interrupted; "
 * and `how`, in which # stands for the place. A second one ends it at once.
 */
void progress_stops(const char *how);

/* Here the process ends when that was asked for. `next` is what was not done yet. */
void progress_check(uint64_t next);

/*
 * progress_at as the `visit` of an evlog_..._options. 1 when an interruption is to end that call, which is said as
 * progress_check does: stop_by_signal is called after it.
 */
int progress_visit(uint64_t done, void *ctx);

/* Takes the line away, until the next call of progress_at. */
void progress_clear(void);

/* Takes the line away for good. */
void progress_end(void);

#endif
