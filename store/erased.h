/* Which erased events have bytes in unused parts of events.mdb, see erased.c. */
#ifndef STORE_ERASED_H
#define STORE_ERASED_H

#include "entries.h"

/* `env` is state.mdb. */

/* Notes that an event is about to be erased, durably. Errors of env_write. */
int erased_put(struct env *env, uint64_t seq);

/* Whether that was noted. Errors of entry_read, but for the two that say so. */
int erased_find(struct env *env, uint64_t seq, bool *is_there);

/* How many are. Errors of entry_walk_next. */
int erased_count(struct env *env, uint64_t *count);

/*
 * For a new events.mdb, into which the records were copied: takes away the notes of those that `is_gone` from it.
 * Errors of env_write, and what `is_gone` returns other than 0.
 */
int erased_clear(struct env *env, int (*is_gone)(uint64_t seq, bool *is_gone, void *ctx),
                 void *ctx);

/* EVLOG_DAMAGED: an entry of this kind is not as it was written. `*seq`: which event it is about. */
int erased_check(const struct entry *entry, uint64_t *seq);

#endif
