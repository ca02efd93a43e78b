/* The event types of a log, named by their content, see types.c. */
#ifndef STORE_TYPES_H
#define STORE_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "entries.h"
#include "evlog.h"

struct types;

/* What a type is. The texts end in NUL; the others are MessagePack, NULL when there are none. */
struct type_text {
    const char *name;
    const char *schema;   /* Avro's JSON; NULL: untyped */
    evlog_bytes forms;    /* a map from a field's path to the form of its text */
    evlog_bytes personal; /* a list of the paths of fields that are about a person */
};

/* What dispatch/ made of a type or found for it; NULL at first. */
struct type_derived {
    void *_Atomic schema;
    void *_Atomic signal;  /* of its name; one that was found stays */
    atomic_uint looked_at; /* there were so many signals when there was none; and one more */
};

/* An entry, which lives as long as its table. */
struct type {
    uint64_t number;  /* the digest of its text, by which records name it */
    uint32_t order;   /* in which the types of the log were defined */
    bool is_reserved; /* the log's own, see note.c */
    uint32_t index;   /* in this process only: 0, 1, 2 ..., less than EVLOG_TYPES_MAX */
    struct type_text text;
    struct type_derived *derived;
};

/*
 * Reads the types from `env`. `is_tolerant`: a damaged entry is left out, so that the others can
 * be used. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM, EVLOG_BUSY.
 */
int types_open(struct env *env, bool is_tolerant, struct types **types);
void types_close(struct types *types);

/*
 * The type of a number, also one that another process has added since. Any thread; as a rule
 * without a lock. EVLOG_NOTFOUND; EVLOG_DAMAGED: its entry is not as it was written. EVLOG_IO,
 * EVLOG_BUSY, EVLOG_NOMEM.
 */
int types_find(struct types *types, uint64_t number, const struct type **type);

/*
 * The type with this text; when there is none it is made, durably. With `count` (or NULL) it is
 * made only while the log has so many types, else EVLOG_BUSY: what the caller has found among them
 * is out of date. Any thread. EVLOG_CONFLICT: another text has its digest. EVLOG_LIMIT: there are
 * EVLOG_TYPES_MAX, or the text is too long. EVLOG_READONLY: there is none and the env cannot
 * write. Errors of env_write and env_read.
 */
int types_define(struct types *types, const struct type_text *text, const uint32_t *count,
                 const struct type **type);

/* The number of a type without a schema, whose name has less than 32 bytes, as those of the log's own have. */
uint64_t types_number(const char *name);

/* Reads what other processes have added. Errors of types_open. */
int types_refresh(struct types *types);

/* How many there are now, without those that other processes have added since. */
uint32_t types_count(struct types *types);

/* The type of an index below types_count. */
const struct type *types_at(struct types *types, uint32_t index);

/*
 * The types of a name, NULL: all, in the order of their definition: a list for the caller to
 * free, and, with it, how many there are of any name. EVLOG_NOMEM.
 */
int types_list(struct types *types, const char *name, const struct type ***list,
               size_t *list_count, uint32_t *count);

/* EVLOG_DAMAGED: an entry of kind `t` is not as it was written. */
int types_check(const struct entry *entry);

#endif
