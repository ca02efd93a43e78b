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
 * The seq before the first event that `start` asks for, in a log as it is now; and its head.
 * `from` is what EVLOG_START_DEFAULT means here, the types those that EVLOG_START_LAST counts.
 * EVLOG_INVALID, and the errors of reading.
 */
int start_find(evlog *log, const struct start *start, evlog_start from, const char *const *types,
               size_t type_count, uint64_t *checkpoint, uint64_t *head);

#endif
