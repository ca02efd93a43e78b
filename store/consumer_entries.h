/* The bytes of a consumer's entries in state.mdb, see consumer_entries.c. */
#ifndef STORE_CONSUMER_ENTRIES_H
#define STORE_CONSUMER_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entries.h"
#include "evlog.h"

/* The entry `c`: a consumer's place. */
struct consumer_entry {
    uint32_t slot; /* among the claims, and in the file `shared` */
    bool is_paused;
    int64_t created_us, updated_us;
    uint64_t checkpoint, chain; /* the chain of that event; 0: not known */
    uint64_t replay_last_seq;
    uint64_t done_count, refused_count, skipped_count;
    uint64_t parked_count, retry_count, state_count; /* entries `p` and `r`, `r`, `v` */
    uint64_t owner; /* one more each time that a process opens it, or resets it */
};

/* EVLOG_INVALID: `name` is not a consumer's name. */
int consumer_name_check(const char *name);

/* ---------------------------------------------------------------- keys ---- */

/* The key of `c` and `f`, and the prefix of the keys of a consumer's `p`, `r` or `v` entries. */
struct entry_key consumer_key(enum entry_kind kind, const char *name);

/* The keys of `p` or `r`, and of `v`, of which many are made: so that one is not copied. */
struct entry_key consumer_seq_key(enum entry_kind kind, const char *name, uint64_t seq);
void consumer_state_key(const char *name, const void *bytes, size_t size, struct entry_key *key);

/* The seq at the end of the key of a `p` or `r` entry; 0: the key does not end in one. */
uint64_t consumer_key_seq(const struct entry *entry);

/* ------------------------------------------------------------- changes ---- */

/* An entry to be written or, with `value` NULL, removed. One block of memory: free() it. */
struct change {
    struct change *next;
    bool is_superseded; /* not to be made: a later one of the list has the same key */
    size_t key_size, value_size;
    unsigned char *key, *value;
    size_t state_size; /* of `v`: so many bytes at the end of `value` are the consumer's */
    size_t block_size; /* of all of it */

    /* For replay/pending.c, which keeps them in lists. */
    struct change *before, *older, *beside;
    uint64_t turn, hash;
    bool is_written; /* as the file has it */
};

/* Each makes a change. NULL: out of memory. A parked event's error is cut. */
struct change *change_filter(const char *name, const char *const *types, size_t type_count);
struct change *change_park(const char *name, enum entry_kind kind, const evlog_parked *parked);
struct change *change_unpark(const char *name, enum entry_kind kind, uint64_t seq);
struct change *change_put_state(const struct entry_key *key, const void *value, size_t size);
struct change *change_delete_state(const struct entry_key *key);

/* The block of a change that puts so many bytes; and such a value in one that has the room, of the same key. */
size_t change_state_size(size_t key_size, size_t size);
void change_set_state(struct change *change, const void *value, size_t size);

void changes_free(struct change *changes);

/* About how many bytes they will put. */
size_t changes_size(const struct change *changes);

/* ------------------------------------------------------ packing, reading ---- */

#define CONSUMER_ENTRY_SIZE_MAX 160

/* Packs `c` into `value`, of CONSUMER_ENTRY_SIZE_MAX bytes, and returns its size. */
size_t consumer_pack(const struct consumer_entry *entry, unsigned char *value);

/*
 * Each reads the value of an entry. EVLOG_DAMAGED, with a sentence: it is not sound, or does not
 * have the form of its kind.
 */
int consumer_unpack(const char *name, const struct entry *packed, struct consumer_entry *entry);

/* `*types` and its texts are one block, to be freed. EVLOG_NOMEM. */
int consumer_unpack_filter(const char *name, const struct entry *entry, char ***types,
                           size_t *count);

/* `parked->error` points to `error`. */
int consumer_unpack_parked(const char *name, const struct entry *entry, evlog_parked *parked,
                           char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1]);

/* The consumer's value in a `v` entry: it points into `entry`. */
int consumer_unpack_state(const struct entry *entry, const void **value, size_t *size);

/*
 * The name of the consumer that an entry of any of its kinds belongs to. EVLOG_DAMAGED: the key
 * has none.
 */
int consumer_entry_name(const struct entry *entry, char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1]);

/* EVLOG_DAMAGED: an entry of any kind, of the consumer `name`, is not as it was written. */
int consumer_entry_check(const char *name, const struct entry *entry);

#endif
