/* Making and changing a group of consumers, see groups.c. */
#ifndef STORE_GROUPS_H
#define STORE_GROUPS_H

#include "members.h"

/*
 * Makes all consumers of a group, whose names are `names`, each with `*entry` and a free slot, and
 * makes the changes; and removes those it had, which are `old`. If it has others by now, or they
 * have changed, nothing is written and `*is_new` is false. EVLOG_CONFLICT: there is a consumer of
 * the group's name. EVLOG_LIMIT: EVLOG_CONSUMERS_MAX, those to be removed included.
 */
struct group_making {
    const char *group;
    const struct group_member *old;
    size_t old_count;
    const char *const *names;
    size_t count;
    const struct change *changes;
    const struct consumer_entry *entry;
};
int groups_create(struct store *store, const struct group_making *making, bool *is_new);

#endif
