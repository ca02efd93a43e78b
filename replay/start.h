/* Where a late receiver or a consumer begins, see start.c. */
#ifndef REPLAY_START_H
#define REPLAY_START_H

#include <stddef.h>
#include <stdint.h>

#include "evlog.h"

struct consumer_entry;
struct store;

struct start {
    evlog_start from;
    uint64_t seq;
    int64_t time_us;
    uint64_t count;
    int (*visit)(uint64_t seq, void *ctx);
    void *visit_ctx;
};

/* The fields of options that say where to begin, whichever options they are. */
#define START_OF(options)                                                             \
    ((struct start){(options)->start, (options)->start_seq, (options)->start_time_us, \
                    (options)->start_count, (options)->visit, (options)->visit_ctx})

/*
 * Finds the seq before the first event that `start` asks for, and the last seq of the log. `from`
 * is what EVLOG_START_DEFAULT means here, `types` those that EVLOG_START_LAST counts. The caller
 * has entered the log. EVLOG_INVALID; errors of reading.
 */
int start_find(evlog *log, const struct start *start, evlog_start from, const char *const *types,
               size_t type_count, uint64_t *checkpoint, uint64_t *head);

/* The chain of an event; 0: there is none, or it cannot be read. */
uint64_t start_chain_at(struct store *store, uint64_t seq);

/*
 * The place of a new consumer. The log is flushed: what is history to it must not become new.
 * Errors of start_find and evlog_sync.
 */
int start_entry(evlog *log, const evlog_consumer_options *options, struct consumer_entry *entry);

#endif
