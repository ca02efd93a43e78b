/* What repeats in records, stored once and referred to by number, see names.c. */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "entries.h"

struct env;
struct names;

#define NAMES_TEXTS 3

/*
 * An entry, which lives as long as its table. The texts of a type are its name and its schema
 * (NULL: untyped), those of a source are source, sourcehost, sourcelib.
 */
struct name {
    uint32_t number;
    const char *text[NAMES_TEXTS];
    void *_Atomic *derived; /* what dispatch/ made of the texts; NULL at first */
    struct name *next;
};

/*
 * Reads the table of ENTRY_TYPE or ENTRY_SOURCE from `env`. `is_tolerant`: a damaged entry is left
 * out, so that the others can be used. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM, EVLOG_BUSY.
 */
int names_open(struct env *env, enum entry_kind kind, bool is_tolerant, struct names **names);
void names_close(struct names *names);

/*
 * The entry with these texts; when there is none it is made, durably. With `count` (or NULL) it is
 * made only while the table has so many entries, else EVLOG_BUSY: what the caller has found in it
 * is out of date. Any thread. EVLOG_LIMIT: the table is full. EVLOG_READONLY: there is none and
 * the env cannot write. Errors of env_write and env_read.
 */
int names_intern(struct names *names, const char *const text[NAMES_TEXTS], const uint32_t *count,
                 const struct name **name);

/*
 * The entry of a number; NULL: none, also not among those that other processes have added. Any
 * thread; as a rule without a lock.
 */
const struct name *names_get(struct names *names, uint64_t number);

/* How many entries the table has now, without those that other processes have added since. */
uint32_t names_count(struct names *names);

/*
 * EVLOG_DAMAGED: an entry of this kind is not as it was written, or that of number `*next` is
 * missing before it. `*next` moves past the entry.
 */
int names_check(enum entry_kind kind, const struct entry *entry, uint32_t *next);

/* Reads what other processes have added. */
int names_refresh(struct names *names);

#endif
