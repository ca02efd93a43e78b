/* Changes of a consumer's entries that wait for a commit, see pending.c. */
#ifndef REPLAY_PENDING_H
#define REPLAY_PENDING_H

#include "consumers.h"

#define PENDING_BUCKETS 256

struct pending {
    struct change *first, *last;             /* in the order in which they were made */
    size_t size;                             /* bytes */
    struct change *buckets[PENDING_BUCKETS]; /* by key, the newest first */
};

void pending_begin(struct pending *pending);
void pending_free(struct pending *pending);

/*
 * Appends a change that goes with turn `turn`, not less than the last one's. Owns it now. Turns up to `passed` will
 * not be cut, and are taken all together.
 */
void pending_add(struct pending *pending, struct change *change, uint64_t turn, uint64_t passed);

/* The newest change of a key; NULL: none. */
const struct change *pending_find(struct pending *pending, const struct entry_key *key);

/* Frees the changes that go with `turn` or a later one. */
void pending_cut(struct pending *pending, uint64_t turn);

/*
 * Takes out the changes that go with turns before `turn`; of one key all but the last are marked
 * as superseded. pending_put_back puts them in front again when they could not be written.
 */
struct change *pending_take(struct pending *pending, uint64_t turn);
void pending_put_back(struct pending *pending, struct change *changes);

#endif
