/* Entries of state.mdb: values with a checksum, by key, see entries.c. */
#ifndef STORE_ENTRIES_H
#define STORE_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "env.h"

#define ENTRY_KEY_SIZE_MAX 500 /* LMDB's is 511 */
#define ENTRY_VALUE_SIZE_MAX ((size_t)1 << 20)

/* The first byte of a key says what the entry is. */
enum entry_kind {
    ENTRY_TYPE = 't',
    ENTRY_SOURCE = 's',
    ENTRY_CONSUMER = 'c',
    ENTRY_FILTER = 'f',
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

/* Puts the checksum of key and value into the value's head. */
void entry_seal(const void *key, size_t key_size, void *value, size_t size);

/* Whether the value is one well-formed MessagePack array whose checksum fits. */
bool entry_is_sound(const void *key, size_t key_size, const void *value, size_t size);

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

#endif
