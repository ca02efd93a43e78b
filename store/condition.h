/* What a send requires of the log as it is when the send is appended, see condition.c. */
#ifndef STORE_CONDITION_H
#define STORE_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct floor;
struct types;

/* See evlog_send_options. All of it looks at the events after `after_seq`. */
struct condition {
    uint64_t after_seq;
    bool unless_id;
    bool unless_any;
    const char *const *types; /* patterns, name_check_patterns */
    size_t type_count;
};

/* Whether it requires anything. */
static inline bool condition_is_set(const struct condition *condition)
{
    return condition->unless_id || condition->unless_any || condition->type_count > 0;
}

/* A send that has a condition, and what was found. Begins with condition_begin. */
struct judgement {
    const struct condition *condition;
    struct types *types;
    struct floor *floor;
    struct record *records; /* the send's */
    size_t count;
    struct record **by_id; /* the same in the order of their ids; NULL: ids are not looked at */
    uint64_t seen_seq;     /* the last event that was looked at before the transaction */
    uint64_t way_seq;      /* the first event in the way; 0: none */
    char way_type[EVLOG_NAME_SIZE_MAX + 1];
};

/* EVLOG_NOMEM. condition_free takes a zeroed one, too. */
int condition_begin(struct judgement *judgement, const struct condition *condition,
                    struct types *types, struct floor *floor, struct record *records,
                    size_t count);
void condition_free(struct judgement *judgement);

/*
 * An env_reader, `ctx` is the judgement: looks at the events of a snapshot, so that condition_look need not. Errors
 * of condition_look, but EVLOG_CONFLICT.
 */
int condition_look_before(const struct page_snapshot *snapshot, void *ctx);

/*
 * Looks at the events of `base`, whose last seq is `last_seq`, and forgets what an earlier call has found.
 * EVLOG_CONFLICT: it does not reach up to `after_seq`. EVLOG_NOTFOUND: what is after that is not in the
 * log any more. EVLOG_DAMAGED: it cannot be read. EVLOG_IO, EVLOG_NOMEM, EVLOG_BUSY.
 */
int condition_look(struct judgement *judgement, const struct page_snapshot *base,
                   uint64_t last_seq);

/* Looks at an event which is not in `base`, but will be before this send. Errors of types_find. */
int condition_look_at(struct judgement *judgement, const struct record *record);

/*
 * The result. Records whose id is in the log are marked `was_there` and have its seq, the others have the
 * seqs from `next_seq` on; `*left_count` are left to be appended. EVLOG_CONFLICT: none is to be,
 * because of the event that is named.
 */
int condition_end(struct judgement *judgement, uint64_t next_seq, size_t *left_count);

#endif
