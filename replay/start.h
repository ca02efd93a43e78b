/* Where a late receiver or a consumer begins, see start.c. */
#ifndef REPLAY_START_H
#define REPLAY_START_H

#include <stddef.h>
#include <stdint.h>

#include "evlog.h"

struct start {
    evlog_start from;
    uint64_t seq;
    int64_t time_us;
    uint64_t count;
};

/* The fields of options that say where to begin, whichever options they are. */
#define START_OF(options)                                                             \
    ((struct start){(options)->start, (options)->start_seq, (options)->start_time_us, \
                    (options)->start_count})

/*
 * Finds the seq before the first event that `start` asks for, and the last seq of the log. `from`
 * is what EVLOG_START_DEFAULT means here, `types` those that EVLOG_START_LAST counts. The caller
 * has entered the log. EVLOG_INVALID; errors of reading.
 */
int start_find(evlog *log, const struct start *start, evlog_start from, const char *const *types,
               size_t type_count, uint64_t *checkpoint, uint64_t *head);

#endif
