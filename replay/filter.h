/* Which event types are wanted, see filter.c. */
#ifndef REPLAY_FILTER_H
#define REPLAY_FILTER_H

#include <stddef.h>

struct name;

/* Types as in evlog_range; they are the caller's. Zeroed: every type. */
struct filter {
    const char *const *types;
    size_t type_count;
    unsigned char *wanted; /* by type number: 0 not asked yet, 1 yes, 2 no */
};

/* EVLOG_INVALID, EVLOG_LIMIT: no types that a filter could have. */
int filter_check(const char *const *types, size_t type_count);

/* Checks the types. EVLOG_INVALID, EVLOG_LIMIT, EVLOG_NOMEM: then nothing has to be freed. */
int filter_begin(struct filter *filter, const char *const *types, size_t type_count);
void filter_free(struct filter *filter);

/* 1 when events of this type are wanted. */
int filter_wants(struct filter *filter, const struct name *type);

#endif
