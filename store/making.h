/* The files of a log, and making a new one, see making.c. */
#ifndef STORE_MAKING_H
#define STORE_MAKING_H

#include <stdbool.h>

#include "evlog.h"

#define EVENTS_FILE "events.mdb"
#define STATE_FILE "state.mdb"
#define LOCK_FILE "lock"

struct store;

/* All that a log's directory can have. */
extern const char *const making_files[];
extern const unsigned making_file_count;

/* Whether the directory is a log. */
bool making_is_made(const struct store *store);

/* Whether it is, or can become one. EVLOG_UNSUPPORTED: it contains something else. EVLOG_IO. */
int making_check(const struct store *store);

/*
 * Makes way for a new log where there is no `format`, and describes it in store->format, if one may be made.
 * EVLOG_NOTFOUND: none may. EVLOG_DAMAGED: there are data, whose `format` is gone. EVLOG_IO.
 */
int making_begin(struct store *store, const evlog_options *options);

#endif
