/*
 * Making a group of consumers and changing it, in one write transaction on state.mdb.
 *
 * What the group is to be is worked out before, without a lock (replay/group.c): so in the transaction
 * its consumers are compared with those that were seen, and when they differ nothing is written.
 *
 * Cost: that of making and removing so many consumers, and one flush.
 */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

#include "consumers.h"
#include "error.h"
#include "store.h"

struct writing {
    struct store *store;
    const struct group_making *making;
    bool is_new;
};

/* Whether the group has the consumers that it is thought to have, as they were. */
static int compare_members(const struct writing *writing, bool *is_so)
{
    const struct group_making *making = writing->making;
    struct group_member *now;
    size_t count;
    int result = members_list(writing->store, ENV_BASE, making->group, &now, &count);
    if (result)
        return result;
    *is_so = count == making->old_count;
    for (size_t i = 0; *is_so && i < count; i++) {
        const struct consumer_entry *was = &making->old[i].entry, *is = &now[i].entry;
        *is_so = strcmp(now[i].name, making->old[i].name) == 0 && !now[i].is_damaged &&
                 is->created_us == was->created_us && is->owner == was->owner &&
                 is->checkpoint == was->checkpoint && is->is_paused == was->is_paused &&
                 is->parked_count == was->parked_count && is->state_count == was->state_count;
    }
    free(now);
    return EVLOG_OK;
}

static int fill(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    const struct group_making *making = writing->making;
    struct store *store = writing->store;
    struct consumer_entry other;
    int result = consumers_read_base(store, making->group, &other);
    if (result == EVLOG_OK)
        return error_set(EVLOG_CONFLICT,
                         "%s: %s is a consumer, and not a group: take another name", store->path,
                         making->group);
    if (result == EVLOG_NOTFOUND)
        result = compare_members(writing, &writing->is_new);
    if (result || !writing->is_new)
        return result;
    for (size_t i = 0; i < making->old_count && result == EVLOG_OK; i++)
        result = consumers_take_away(env, store, making->old[i].name);
    return result ? result
                  : consumers_put_new(env, store, making->names, making->count, making->changes,
                                      making->entry);
}

int groups_create(struct store *store, const struct group_making *making, bool *is_new)
{
    struct writing writing = {.store = store, .making = making};
    size_t size = changes_size(making->changes) + 512 * (making->count + making->old_count);
    int result = env_write(store->state, ENV_FLUSH_ALL, size, fill, &writing);
    if (result == EVLOG_OK)
        *is_new = writing.is_new;
    return result;
}
