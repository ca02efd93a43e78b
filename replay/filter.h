/* Which event types are wanted, see filter.c. */
#ifndef REPLAY_FILTER_H
#define REPLAY_FILTER_H

#include <stdbool.h>
#include <stddef.h>

struct type;

/* Zeroed: every type but the log's own. */
struct filter {
    char **types; /* one block with all it points to and `answers`; NULL: as zeroed */
    size_t type_count;
    unsigned char *answers; /* by the type's index, see filter.c */
};

/* EVLOG_INVALID, EVLOG_LIMIT: not types that a range or consumer can have. */
int filter_check(const char *const *types, size_t type_count);

/* Checks and copies the types. EVLOG_INVALID, EVLOG_LIMIT, EVLOG_NOMEM: nothing was made. */
int filter_begin(struct filter *filter, const char *const *types, size_t type_count);
void filter_free(struct filter *filter);

/* Whether events of this type are wanted. */
bool filter_wants(struct filter *filter, const struct type *type);

#endif
