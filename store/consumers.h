/* The lasting side of a consumer: its place, and all that is written with it, see position.c. */
#ifndef STORE_CONSUMERS_H
#define STORE_CONSUMERS_H

#include <stddef.h>
#include <stdint.h>

#include "entries.h"
#include "evlog.h"

struct store;

/* A consumer's entry `c`. */
struct position {
    uint32_t slot; /* in the file `shared` */
    int is_paused;
    int64_t created_us, updated_us;
    uint64_t checkpoint, chain; /* the chain of that event; 0: not known */
    uint64_t replay_last_seq;
    uint64_t done_count, refused_count, skipped_count;
    uint64_t parked_count, retry_count, state_count; /* entries `p`, `r`, `v` */
};

/*
 * Kinds of a consumer's entries. Key: the letter, the name, and for all but CONSUMER a NUL and
 * more.
 */
enum {
    KIND_CONSUMER = 'c',
    KIND_FILTER = 'f',
    KIND_PARKED = 'p',
    KIND_RETRY = 'r',
    KIND_STATE = 'v'
};

struct key {
    size_t size;
    unsigned char bytes[ENTRY_KEY_SIZE_MAX];
};

/* Makes a key; `more` is a seq for PARKED and RETRY, a user's key for STATE. */
struct key position_key(int kind, const char *name, const void *more, size_t more_size);
struct key position_seq_key(int kind, const char *name, uint64_t seq);

/* One entry to be written, or, with value NULL, to be taken away. */
struct change {
    struct change *next;
    struct change *older; /* for state.c: in the same bucket */
    uint64_t tag;         /* with which commit it goes, see state.c */
    uint64_t number;      /* among all of its consumer: pending_add gives it */
    int is_superseded;    /* a later change of the same key is written with it */
    int is_instead;       /* only when the one before it has taken an entry away */
    size_t key_size, value_size;
    unsigned char *key, *value; /* in the same block of memory; the value is sealed */
};

/* Makes a change from what was packed, and seals it; NULL: no memory. free() it. */
struct change *change_new(const struct key *key, const void *value, size_t value_size,
                          uint64_t tag);

/* The same in two steps: room for a value, to be packed there, and its sealing. */
struct change *change_reserve(const struct key *key, size_t size_max, uint64_t tag);
void change_seal(struct change *change, size_t value_size);
void changes_free(struct change *changes);

/* EVLOG_INVALID: no name for a consumer. */
int position_check_name(const char *name);

/* EVLOG_NOTFOUND: no such consumer. EVLOG_DAMAGED, EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM. */
int position_read(struct store *store, const char *name, struct position *position);

/*
 * Does something to a consumer's entry and to others of it, in one transaction. `edit` gets the
 * entry as it is now and changes it; what it returns other than 0 ends all, as a failure.
 * It may be called more than once. The changes are written after it, and counted in the entry.
 * `*position` becomes what was written. A power cut may undo the last of these, whole.
 *
 * EVLOG_NOTFOUND: no such consumer. EVLOG_LIMIT: EVLOG_PARKED_MAX or EVLOG_STATE_COUNT_MAX.
 * EVLOG_FULL, EVLOG_IO, EVLOG_DAMAGED, EVLOG_NOMEM: nothing has changed.
 */
int position_write(struct store *store, const char *name,
                   int (*edit)(struct position *position, void *ctx), void *ctx,
                   const struct change *changes, struct position *position);

/*
 * Makes a consumer with `position`, and gives it a slot. EVLOG_OK also when there is one:
 * `*position` is then that one's. EVLOG_LIMIT: EVLOG_CONSUMERS_MAX.
 */
int position_create(struct store *store, const char *name, struct position *position);

/* Which of a consumer's entries are to be taken away: of a kind, and after a seq. */
struct clear {
    int kind;
    uint64_t after_seq; /* 0: all */
    uint64_t count;     /* how many there were */
};

/* Takes entries away, and does `edit` (or NULL) to the consumer's own, in one transaction. */
int position_clear(struct store *store, const char *name,
                   int (*edit)(struct position *position, void *ctx), void *ctx,
                   struct clear *clears, size_t clear_count);

/* Takes a consumer away, and all its entries, also when its own is damaged. EVLOG_NOTFOUND. */
int position_remove(struct store *store, const char *name);

/* Calls `visit` for each consumer by name, with nothing held. */
int position_each(struct store *store,
                  int (*visit)(const char *name, const struct position *position, void *ctx),
                  void *ctx);

/* Reads an entry's value as it was packed. */
int position_unpack(const void *value, size_t size, void *unpacked);

#endif
