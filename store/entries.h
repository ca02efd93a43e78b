/* What state.mdb holds: entries with a checksum, by key, see entries.c. */
#ifndef STORE_ENTRIES_H
#define STORE_ENTRIES_H

#include <stddef.h>

struct env;

#define ENTRY_KEY_SIZE_MAX 500 /* LMDB's is 511 */
#define ENTRY_VALUE_SIZE_MAX ((size_t)1 << 20)

/* A value begins with an array's header of one byte and the 9 bytes of a packed uint64. */
#define ENTRY_HEAD_SIZE 10

/* Puts the checksum of key and value into the value's head. */
void entry_seal(const void *key, size_t key_size, void *value, size_t size);

/* 1 when the value is one well-formed MessagePack array whose checksum fits. */
int entry_is_sound(const void *key, size_t key_size, const void *value, size_t size);

/*
 * Reads a value, for the caller to free. EVLOG_NOTFOUND; EVLOG_DAMAGED: it is not sound.
 * EVLOG_BUSY, EVLOG_IO, EVLOG_NOMEM.
 */
int entry_read(struct env *env, const void *key, size_t key_size, void **value, size_t *size);

/* The same in the fill of env_write, as it was when the transaction began. */
int entry_read_base(struct env *env, const void *key, size_t key_size, void **value,
                    size_t *size);

/* One of a list; key and value are one block of memory. */
struct entry {
    unsigned char *key;
    size_t key_size;
    unsigned char *value;
    size_t value_size;
    int is_sound;
};

/*
 * Reads up to `max` entries whose keys begin with `prefix`, in order, from the first that is
 * greater than `after` on (NULL: from the first). `*count` 0: there are no more. Free them
 * with entries_free. EVLOG_DAMAGED: a page on the way is not sound. EVLOG_BUSY, EVLOG_IO,
 * EVLOG_NOMEM: and nothing has to be freed.
 */
int entries_read(struct env *env, const void *prefix, size_t prefix_size, const void *after,
                 size_t after_size, struct entry *entries, size_t max, size_t *count);

/* The same in the fill of env_write. */
int entries_read_base(struct env *env, const void *prefix, size_t prefix_size, const void *after,
                      size_t after_size, struct entry *entries, size_t max, size_t *count);

void entries_free(struct entry *entries, size_t count);

#endif
