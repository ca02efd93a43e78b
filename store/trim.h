/* Trimming: dropping the oldest events, see trim.c. */
#ifndef STORE_TRIM_H
#define STORE_TRIM_H

#include <stdbool.h>
#include <stdint.h>

#include "evlog/upkeep.h"

struct store;

/* The byte of events.mdb that is locked (held.c) by a process that trims: no other one applies the retention policy. */
#define TRIMMING_AT ((INT64_C(1) << 60) - 3)

/*
 * As evlog_trim. `*trimmed` is filled also when it fails, with what was done until then. Errors of evlog_trim.
 */
int trim_events(struct store *store, uint64_t before_seq, const evlog_trim_options *options,
                evlog_trimmed *trimmed);

/* Which consumers hold the events that they have not done, or have parked. */
struct trim_holders {
    evlog_held_by held_by;
    const char *const *names; /* of EVLOG_HELD_BY_NAMED */
    size_t count;
};

/* The first event that one of them still needs: `*seq`, 0: none before before_seq; and its name. Errors of reading. */
int trim_find_hold(struct store *store, const struct trim_holders *holders, uint64_t before_seq,
                   uint64_t *seq, char held_by[256]);

/*
 * What trim_events does when nothing is in its way, without its event, little by little: raises the floor to
 * before_seq, an event of the log; and deletes a batch of what is below it, until `*count` is 0.
 */
int trim_raise(struct store *store, uint64_t before_seq);
int trim_some(struct store *store, uint64_t *count);

/* Appends evlog.trimmed.v1. */
struct trim_note {
    uint64_t first_seq, last_seq;
    bool is_forced, is_by_policy;
};
int trim_note(struct store *store, const struct trim_note *note);

#endif
