/* What repeats in records, stored once and referred to by number, see names.c. */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "entries.h"

struct env;
struct names;

/* A table: which letter its keys begin with, and how many texts an entry has. */
enum names_kind { NAMES_TYPE = ENTRY_TYPE, NAMES_SOURCE = ENTRY_SOURCE };

#define NAMES_TEXTS 3

/*
 * An entry. A type's texts are its name and its schema (NULL: untyped), a
 * source's are source, sourcehost, sourcelib. Lives as long as the table.
 */
struct name {
    uint32_t number;
    const char *text[NAMES_TEXTS];
    void *_Atomic *derived; /* what the folders to the right have made of it; NULL at first */
    struct name *next;
};

/*
 * Reads the table of a kind from `env`. `is_tolerant`: a damaged entry is as if it were
 * not there, so that the others can be used. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM, EVLOG_BUSY.
 */
int names_open(struct env *env, enum names_kind kind, bool is_tolerant, struct names **names);
void names_close(struct names *names);

/*
 * The entry with these texts; when there is none it is made, durably. Any
 * thread. EVLOG_LIMIT: the table is full. EVLOG_READONLY: it would have to be
 * made and the env cannot write. Errors of env_write.
 */
int names_intern(struct names *names, const char *const text[NAMES_TEXTS],
                 const struct name **name);

/*
 * The same, but EVLOG_BUSY when the table then holds other than `count` entries: what the
 * caller has found out by looking through it may no longer be so.
 */
int names_intern_at(struct names *names, const char *const text[NAMES_TEXTS], uint32_t count,
                    const struct name **name);

/*
 * The entry of a number, NULL when there is none. Looks into the file for
 * what other processes have added. Any thread; no lock on the usual way.
 */
const struct name *names_get(struct names *names, uint32_t number);

/* How many there are; numbers go from 1 to this. As of the last look. */
uint32_t names_count(struct names *names);

/*
 * EVLOG_DAMAGED: an entry of this kind is not as it was written, or that of number `*next` is
 * missing before it. `*next` moves past the entry.
 */
int names_check(enum names_kind kind, const struct entry *entry, uint32_t *next);

/* Looks for what other processes have added. */
int names_refresh(struct names *names);

#endif
