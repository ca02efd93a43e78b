/* Changes of a consumer's entries that wait for a commit, and values that are written, see pending.c. */
#ifndef REPLAY_PENDING_H
#define REPLAY_PENDING_H

#include "consumers.h"

#define PENDING_BUCKETS 4096

struct pending {
    struct change *first, *last; /* what waits, in the order in which it was made */
    size_t size;                 /* its bytes */
    size_t written_size;         /* and those of the values that are written */
    size_t prefix_size; /* what all keys begin with: a letter, the consumer's name, NUL */
    struct change
        *buckets[PENDING_BUCKETS]; /* the newest of each key, which has the older ones */
};

void pending_begin(struct pending *pending, const char *consumer);
void pending_free(struct pending *pending);

/*
 * The newest change of a key, of which `end` is what follows its prefix; one without a value: it is deleted; NULL: the
 * file has to be asked.
 */
const struct change *pending_find(struct pending *pending, enum entry_kind kind, const void *end,
                                  size_t end_size);

/*
 * Appends a change that goes with turn `turn`, not less than the last one's. Owns it now. Turns up to `passed` will
 * not be cut, and are taken all together.
 */
void pending_add(struct pending *pending, struct change *change, uint64_t turn, uint64_t passed);

/*
 * The same without an allocation: makes an older change of a key of the state, which is not needed any more, the
 * newest. The caller then sets its value, which may be a copy of the one before. NULL: there is no such change, or its
 * block is too small for the value, or much too large.
 */
struct change *pending_reuse(struct pending *pending, const void *end, size_t end_size,
                             size_t value_size, uint64_t turn, uint64_t passed);

/* Keeps a value that was read in the file, of a key of which there was none. Owns it now. */
void pending_add_written(struct pending *pending, struct change *change);

/* Frees the changes that go with `turn` or a later one. */
void pending_cut(struct pending *pending, uint64_t turn);

/*
 * Takes the changes that go with turns before `turn` off the list, to write them; of one key all but the last are
 * marked as superseded. They can still be found. Before anything else is called one of the next two is:
 * pending_written, or, when the commit failed, pending_put_back.
 */
struct change *pending_take(struct pending *pending, uint64_t turn);
void pending_written(struct pending *pending, struct change *taken);
void pending_put_back(struct pending *pending, struct change *taken);

#endif
