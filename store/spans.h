/* Seqs by log time, see spans.c. */
#ifndef STORE_SPANS_H
#define STORE_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

/* Seqs of one era. */
struct span {
    uint64_t first, last; /* none: first > last */
    int64_t began_us;     /* log time of the era's first event; INT64_MAX: not known */
};

/* When an event was logged. */
struct span_mark {
    uint64_t seq; /* 0: not known */
    int64_t log_time_us;
    uint16_t era;
};

struct span_walk {
    struct store *store;
    int64_t since_us, until_us;
    uint64_t next, last;  /* not looked at yet */
    int era;              /* of the last span; -1: there was none */
    struct span_mark end; /* of the event `last` */
    struct reader reader;
};

/*
 * Begins a walk through the spans of [first, last] that were logged from since_us to until_us;
 * INT64_MIN and INT64_MAX: no bound.
 */
void span_walk_begin(struct span_walk *walk, struct store *store, int64_t since_us,
                     int64_t until_us, uint64_t first, uint64_t last);

/* The next one that is not empty; at the end `*is_end`. Errors of reader_read but EVLOG_DAMAGED. */
int span_walk_next(struct span_walk *walk, struct span *span, bool *is_end);

void span_walk_end(struct span_walk *walk);

#endif
