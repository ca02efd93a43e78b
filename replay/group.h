/* Groups of consumers, see group.c. */
#ifndef REPLAY_GROUP_H
#define REPLAY_GROUP_H

#include <stdbool.h>

#include "claim.h"
#include "members.h"

/* Whether an event's data, NULL when they were erased, are a worker's. */
bool group_is_mine(const struct member *member, const void *data, size_t data_size);

/*
 * Makes the group of `wanted` if there is none, as `options` say; or, when it has other workers or
 * another path, makes it anew where it is. `*is_new`: something was made. EVLOG_NOTFOUND: there is none,
 * and no_create. EVLOG_CONFLICT: it cannot be changed now. EVLOG_DAMAGED: it lacks a consumer, or one is
 * damaged. EVLOG_BUSY: a process has one, or others change it again and again.
 */
int group_make(evlog *log, const struct member *wanted, const evlog_consumer_options *options,
               bool *is_new);

/*
 * The names of the consumers that a caller would change by `name`: that one, or those of the group of
 * that name. To be freed; `*names` and what they point to are one block. EVLOG_NOTFOUND: there is
 * neither. EVLOG_READONLY.
 */
int group_names(evlog *log, const char *name, const char *const **names, size_t *count);

/*
 * Claims on several consumers, with their entries. `is_tolerant`: one whose entry is damaged is not
 * claimed, which no process can be at work with.
 */
struct claims {
    struct claim *claims;
    struct consumer_entry *entries;
    size_t count;
};
int claims_take(struct claims *claims, evlog *log, const char *const *names, size_t count,
                uint32_t wait_ms, bool is_tolerant);
void claims_release(struct claims *claims);

#endif
