/* Consumers in state.mdb: reading, listing and changing them, see consumers.c. */
#ifndef STORE_CONSUMERS_H
#define STORE_CONSUMERS_H

#include "consumer_entries.h"
#include "members.h"

struct store;

/* ------------------------------------------------------------- reading ---- */

/*
 * The calls of this part return besides: EVLOG_DAMAGED, EVLOG_IO, EVLOG_BUSY (no free reader
 * slot), EVLOG_NOMEM.
 */

/* EVLOG_NOTFOUND: there is no such consumer. EVLOG_INVALID: `name` is not a consumer's name. */
int consumers_read(struct store *store, const char *name, struct consumer_entry *entry);

/* The event types it wants, in one block to be freed; NULL and 0: all. */
int consumers_read_types(struct store *store, const char *name, char ***types, size_t *count);

/* As evlog_each_state. */
int consumers_each_state(struct store *store, const char *name,
                         int (*visit)(const void *key, size_t key_size, const void *value,
                                      size_t value_size, void *ctx),
                         void *ctx);

/* A value of its state, as the change that would put it. EVLOG_NOTFOUND: there is no such key. */
int consumers_read_state(struct store *store, const struct entry_key *key, struct change **put);

/*
 * The first parked event after `after_seq` that is to be retried, without its error.
 * EVLOG_NOTFOUND: there is none.
 */
int consumers_next_retry(struct store *store, const char *name, uint64_t after_seq,
                         evlog_parked *parked);

/* The seq of the first parked event after `after_seq`, readable or not; UINT64_MAX: none. */
int consumers_next_parked(struct store *store, const char *name, uint64_t after_seq,
                          uint64_t *seq);

/*
 * Calls `visit` for each consumer by name, with nothing held, until it returns other than 0, and
 * returns that. One that is damaged does not end the list: the others are visited, and then
 * EVLOG_DAMAGED names the first of those that were passed over.
 */
int consumers_each(struct store *store,
                   int (*visit)(const char *name, const struct consumer_entry *entry,
                                const char *const *types, size_t type_count, void *ctx),
                   void *ctx);

/* The same for a consumer's parked events, those to be retried included, by seq. */
int consumers_each_parked(struct store *store, const char *name,
                          int (*visit)(const evlog_parked *parked, void *ctx), void *ctx);

/* As it is in the base of a write transaction, of that name only. */
int consumers_read_base(struct store *store, const char *name, struct consumer_entry *entry);

/* ----------------------------------------------------------- verifying ---- */

/* EVLOG_DAMAGED: a consumer's entry does not count what it has, and did not change meanwhile. */
int consumers_check_counts(struct store *store, const char *name);

/* EVLOG_DAMAGED: `entry` is of a consumer `name` that does not exist. */
int consumers_check_owner(struct store *store, const char *name, const struct entry *entry);

/* ------------------------------------------------------------ changing ---- */

/*
 * Each of these is one transaction. They return besides: EVLOG_NOTFOUND, EVLOG_FULL, EVLOG_IO,
 * EVLOG_DAMAGED, EVLOG_NOMEM, EVLOG_READONLY; and then nothing has changed.
 */

/* Changes a consumer's entry as it is now. May be called more than once; not 0: ends the call. */
typedef int consumers_edit(struct consumer_entry *entry, void *ctx);

/*
 * Edits a consumer's entry, makes the changes, and counts them in the entry. `*entry` (or NULL)
 * becomes what was written. A power cut may undo the last such call, whole. EVLOG_LIMIT:
 * EVLOG_PARKED_MAX or EVLOG_STATE_COUNT_MAX.
 */
int consumers_write(struct store *store, const char *name, consumers_edit *edit, void *ctx,
                    const struct change *changes, struct consumer_entry *entry);

/*
 * Makes a consumer with `*entry` and a free slot, and makes the changes. When there is one of that
 * name nothing is written and `*entry` is that one's; `*is_new` says which. EVLOG_CONFLICT: there is
 * a group of that name. EVLOG_LIMIT: EVLOG_CONSUMERS_MAX.
 */
int consumers_create(struct store *store, const char *name, const struct change *changes,
                     struct consumer_entry *entry, bool *is_new);

/*
 * Removes the state of consumers and what is parked after their new checkpoint, and edits their
 * entries.
 */
int consumers_reset(struct store *store, const char *const *names, size_t count,
                    consumers_edit *edit, void *ctx);

/* Removes consumers and all their entries, also when their own entries are damaged. */
int consumers_remove(struct store *store, const char *const *names, size_t count);

/*
 * Has a parked event retried, or drops it (EVLOG_NOTFOUND: there is none of that seq); seq 0: all
 * of them. `*count`: how many. Only what can be read can be retried (EVLOG_DAMAGED); all can be
 * dropped.
 */
int consumers_change_parked(struct store *store, const char *name, uint64_t seq, bool is_retry,
                            uint64_t *count);

/* ------------------------------------------------------ in a transaction ---- */

/* Parts of a transaction on the state (groups.c). */

/*
 * Makes consumers that are not there, each with `entry` and a free slot, and makes the changes, of all of them.
 * EVLOG_LIMIT: EVLOG_CONSUMERS_MAX, those taken away in this transaction included.
 */
int consumers_put_new(struct env *env, struct store *store, const char *const *names,
                      size_t count, const struct change *changes,
                      const struct consumer_entry *entry);

/* Removes a consumer as consumers_remove does. */
int consumers_take_away(struct env *env, struct store *store, const char *name);

#endif
