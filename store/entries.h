/* Entries of state.mdb: values with a checksum, by key, see entries.c. */
#ifndef STORE_ENTRIES_H
#define STORE_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env.h"

#define ENTRY_KEY_SIZE_MAX 500 /* LMDB's is 511 */
#define ENTRY_VALUE_SIZE_MAX ((size_t)1 << 20)

/* The first byte of a key says what the entry is. */
enum entry_kind {
    ENTRY_TYPE = 't',
    ENTRY_SOURCE = 's',
    ENTRY_CONSUMER = 'c',
    ENTRY_FILTER = 'f',
    ENTRY_ERASED = 'e',  /* erase.c */
    ENTRY_SUMMARY = 'b', /* summary.c */
    ENTRY_LOG = 'l',     /* of the log itself, by name: floor.c */
    ENTRY_PARKED = 'p',
    ENTRY_RETRY = 'r',
    ENTRY_STATE = 'v',
};

struct entry_key {
    size_t size;
    unsigned char bytes[ENTRY_KEY_SIZE_MAX + 1];
};

/* A value begins with an array's header of one byte and the 9 bytes of a packed uint64. */
#define ENTRY_HEAD_SIZE 10

/* Puts the checksum of key and value into the value's head. `seed` is that of the env, env_seed. */
void entry_seal(uint64_t seed, const void *key, size_t key_size, void *value, size_t size);

/* Whether the value is one well-formed MessagePack array whose checksum fits. */
bool entry_is_sound(uint64_t seed, const void *key, size_t key_size, const void *value,
                    size_t size);

/* XXH3-64, by which types and sources are named. */
uint64_t entry_digest(const void *bytes, size_t size);

/* In the `fill` of env_write: seals the value and puts it; see env_put. */
int entry_put(struct env *env, const void *key, size_t key_size, void *value, size_t size,
              bool *is_new);

/* The key is in the block of memory that begins with the value. */
struct entry {
    const unsigned char *key;
    size_t key_size;
    unsigned char *value;
    size_t value_size;
    bool is_sound;
};

/*
 * Reads the entry of a key; the caller frees its value. EVLOG_NOTFOUND; EVLOG_DAMAGED: it is not
 * sound. EVLOG_BUSY, EVLOG_IO, EVLOG_NOMEM.
 */
int entry_read(struct env *env, enum env_state state, const void *key, size_t key_size,
               struct entry *entry);

/*
 * Calls `visit` with each entry of a snapshot, in order of the keys, until it returns other than 0, and returns that.
 * EVLOG_DAMAGED: a page is not sound, or keys are not in order. EVLOG_IO, EVLOG_NOMEM.
 */
int entries_each(const struct page_snapshot *snapshot, uint64_t seed,
                 int (*visit)(const struct entry *entry, void *ctx), void *ctx);

#define ENTRY_WALK_PIECE_MAX 64

/*
 * A walk over the entries whose keys begin with a prefix, in order. They are read in pieces, each
 * in a snapshot of its own that is released before the first of the piece is returned: an entry
 * that comes or goes meanwhile may be in the walk or not. (Of ENV_BASE nothing comes or goes.)
 * Pieces grow from one entry, for callers that need only the first.
 */
struct entry_walk {
    struct env *env;
    enum env_state state;
    struct entry_key prefix, from; /* the next key that is read is not less than `from` */
    struct entry entries[ENTRY_WALK_PIECE_MAX];
    size_t count_max, count, at; /* of this piece */
};

/* `after` (or NULL): the walk begins with the first key that is greater. */
void entry_walk_begin(struct entry_walk *walk, struct env *env, enum env_state state,
                      const struct entry_key *prefix, const struct entry_key *after);

/*
 * `*entry` is the next one, valid until the next call, or NULL at the end. EVLOG_DAMAGED: a page
 * on the path is not sound. EVLOG_BUSY, EVLOG_IO, EVLOG_NOMEM.
 */
int entry_walk_next(struct entry_walk *walk, const struct entry **entry);

void entry_walk_end(struct entry_walk *walk);

/*
 * How many entries there are of kinds that this evlog does not know: a newer one's, which are kept.
 * EVLOG_DAMAGED, EVLOG_BUSY, EVLOG_IO, EVLOG_NOMEM.
 */
int entries_count_unknown(struct env *env, uint64_t *count);

/*
 * Whether the entries are another log's: of the first ones of known kinds none is sound, and there
 * are some. As a rule this reads one. The same errors.
 */
int entries_are_foreign(struct env *env, bool *is_foreign);

#endif
