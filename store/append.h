/* Group commit: putting records at the end of the log, see append.c. */
#ifndef STORE_APPEND_H
#define STORE_APPEND_H

#include <stddef.h>

#include "record.h"

struct condition;
struct edge;
struct env;
struct floor;
struct flusher;
struct journal;
struct shared;
struct types;
struct appender;

/* What it works with; all of it outlives the appender. */
struct appender_parts {
    struct env *events;
    struct shared *shared;
    struct journal *journal; /* NULL: a fast log has none */
    struct flusher *flusher;
    struct edge *edge;
    struct types *types;
    struct floor *floor;
    uint64_t origin; /* the `prev` of the log's first record */
};

/* EVLOG_NOMEM. */
int appender_open(const struct appender_parts *parts, struct appender **appender);
void appender_close(struct appender *appender);

/*
 * Appends the records of one send side by side, all or none, and returns when they are in the log
 * with its durability. Sets their seq, prev, chain, salt, digest, log time and era, and the flag
 * RECORD_MORE; the rest is the caller's, and checked by it. The log time of a record that is alone may be the time of
 * day, when the caller has just read it; else it is 0. Any thread. EVLOG_FULL, EVLOG_BUSY,
 * EVLOG_DAMAGED, EVLOG_NOMEM, EVLOG_INVALID (the clock): nothing was appended. EVLOG_IO: likewise, or the
 * sentence says that this is open.
 *
 * With `condition` (or NULL), what it says is looked at in the same transaction: those that were there are
 * not appended (condition_end), and EVLOG_CONFLICT, EVLOG_NOTFOUND: none is.
 */
int append_records(struct appender *appender, const struct condition *condition,
                   struct record *records, size_t count);

#endif
