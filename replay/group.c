/*
 * Groups of consumers: whose an event is, and making and changing a group.
 *
 * A group is nothing but its consumers, by their names (store/members.c): there is no entry of its own
 * that could disagree with them.
 *
 * 1. A group is whole or not there: its consumers are made in one transaction, and go in one. What has
 *    lost one (a salvage of a damaged log) is not opened: no worker would get that one's events.
 * 2. With other workers or by another path it is another division of the events. So it is only changed
 *    where all consumers have the same checkpoint, and nothing is kept for one of them (parked events,
 *    state), in the transaction that removes the old ones. The old ones are claimed meanwhile, in the
 *    order of their names, and all is compared once more in the transaction.
 * 3. What an event's worker is depends on the event and the consumer's name alone.
 *
 * Cost: an event is looked at once by each worker, and its data checked from end to end. Opening a
 * worker lists the group.
 *
 * Absent: taking over the share of a worker that is gone; another process opens that worker.
 */
#define XXH_INLINE_ALL
#include "group.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "error.h"
#include "groups.h"
#include "log.h"
#include "start.h"
#include "value.h"

enum { TRIES_MAX = 100, HALF_TRIES_MAX = 10, CHANGE_WAIT_MS = 1000 };

/* ------------------------------------------------------------ whose it is ---- */

/* XXH3-64 of a value, as evlog/consumer.h has it. */
static uint64_t hash_of(const evlog_value *value)
{
    unsigned char bytes[8];
    double number = value->number == 0 ? 0.0 : value->number;
    uint64_t bits;
    switch (value->kind) {
    case EVLOG_VALUE_NULL:
        return XXH3_64bits_withSeed("", 0, value->kind);
    case EVLOG_VALUE_STRING:
        return XXH3_64bits_withSeed(value->string.text, value->string.size, value->kind);
    case EVLOG_VALUE_BYTES:
        return XXH3_64bits_withSeed(value->bytes.data, value->bytes.size, value->kind);
    case EVLOG_VALUE_BOOL:
        bits = value->boolean;
        break;
    case EVLOG_VALUE_INTEGER:
        bits = (uint64_t)value->integer;
        break;
    case EVLOG_VALUE_UNSIGNED:
        bits = value->unsigned_integer;
        break;
    case EVLOG_VALUE_DOUBLE:
        memcpy(&bits, &number, sizeof bits);
        bits = isnan(number) ? UINT64_C(0x7ff8000000000000) : bits;
        break;
    default:
        return XXH3_64bits_withSeed(value->data.data, value->data.size, value->kind);
    }
    be64_store(bytes, bits);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, value->kind);
}

bool group_is_mine(const struct member *member, const void *data, size_t data_size)
{
    evlog_value whole, value;
    if (!data)
        return true;
    if (evlog_data_value(data, data_size, &whole) || !value_seek(&whole, member->by, &value))
        return member->worker == 1;
    return hash_of(&value) % member->workers + 1 == member->worker;
}

/* ---------------------------------------------------------------- claims ---- */

void claims_release(struct claims *claims)
{
    while (claims->count)
        claim_release(&claims->claims[--claims->count]);
    free(claims->claims);
    free(claims->entries);
    claims->claims = NULL;
    claims->entries = NULL;
}

int claims_take(struct claims *claims, evlog *log, const char *const *names, size_t count,
                uint32_t wait_ms, bool is_tolerant)
{
    *claims = (struct claims){.claims = calloc(count, sizeof *claims->claims),
                              .entries = calloc(count, sizeof *claims->entries)};
    int result = claims->claims && claims->entries ? EVLOG_OK : error_nomem();
    for (size_t i = 0; i < count && result == EVLOG_OK; i++) {
        size_t at = claims->count;
        result = claim_take(&claims->claims[at], log, names[i], wait_ms, &claims->entries[at]);
        claims->count += result == EVLOG_OK;
        if (result == EVLOG_DAMAGED && is_tolerant)
            result = EVLOG_OK;
    }
    if (result)
        claims_release(claims);
    return result;
}

/* ----------------------------------------------------------------- names ---- */

struct names {
    const char *const *list; /* the block; the texts follow */
    size_t count;
};

/* Room for names, to be filled in. */
static char (*names_begin(struct names *names, size_t count))[EVLOG_CONSUMER_NAME_SIZE_MAX + 1]
{
    size_t size = sizeof(char *) + EVLOG_CONSUMER_NAME_SIZE_MAX + 1;
    const char **list = calloc(count, size);
    char(*texts)[EVLOG_CONSUMER_NAME_SIZE_MAX + 1] = (void *)(list + count);
    *names = (struct names){list, count};
    for (size_t i = 0; list && i < count; i++)
        list[i] = texts[i];
    return list ? texts : NULL;
}

static int names_of_members(struct names *names, const struct group_member *members, size_t count)
{
    char(*texts)[EVLOG_CONSUMER_NAME_SIZE_MAX + 1] = names_begin(names, count);
    for (size_t i = 0; texts && i < count; i++)
        strcpy(texts[i], members[i].name);
    return texts ? EVLOG_OK : error_nomem();
}

static int names_of_workers(struct names *names, const struct member *member)
{
    char(*texts)[EVLOG_CONSUMER_NAME_SIZE_MAX + 1] = names_begin(names, member->workers);
    int result = texts ? EVLOG_OK : error_nomem();
    for (uint32_t i = 0; i < member->workers && result == EVLOG_OK; i++)
        result = member_format(member->group, i + 1, member->workers, member->by, texts[i]);
    if (result)
        free((void *)names->list);
    return result;
}

int group_names(evlog *log, const char *name, const char *const **list, size_t *count)
{
    struct group_member *members = NULL, one = {.is_damaged = false};
    struct consumer_entry entry;
    struct names names;
    size_t member_count = 0;
    if (consumer_name_check(name) == EVLOG_OK && log->store->read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    int found = consumers_read(log->store, name, &entry), result = found;
    if (found == EVLOG_NOTFOUND)
        result = members_list(log->store, ENV_NEWEST, name, &members, &member_count);
    if (found == EVLOG_NOTFOUND && result == EVLOG_OK && member_count == 0)
        result =
            consumers_read(log->store, name, &entry); /* its sentence; or it is there by now */
    if (result && result != EVLOG_DAMAGED)
        return result;
    if (!members)
        strcpy(one.name, name);
    result = names_of_members(&names, members ? members : &one, members ? member_count : 1);
    free(members);
    if (result)
        return result;
    *list = names.list;
    *count = names.count;
    return EVLOG_OK;
}

/* ---------------------------------------------------------------- making ---- */

/* A group that is being looked at, and what it is to be. */
struct group {
    evlog *log;
    const struct member *wanted;
    const evlog_consumer_options *options;
    struct group_member *members; /* that it has */
    size_t count;
};

static bool is_same(const struct member *one, const struct member *other)
{
    return one->workers == other->workers && strcmp(one->by, other->by) == 0;
}

/* Whether all its consumers are there. */
static int check_whole(const struct group *group)
{
    const struct member *first = &group->members[0].says;
    for (size_t i = 0; i < group->count; i++)
        if (!is_same(first, &group->members[i].says))
            return error_set(EVLOG_DAMAGED,
                             "the group %s has consumers that do not belong together, %s and %s: "
                             "remove it, and begin it where the first of them is",
                             first->group, group->members[0].name, group->members[i].name);
    if (group->count == first->workers)
        return EVLOG_OK;
    return error_set(
        EVLOG_DAMAGED,
        "the group %s has %zu of its %u consumers, and no worker would get the events of the others: "
        "remove it, and begin it where the first of them is",
        first->group, group->count, first->workers);
}

static int conflict(const struct group *group, const char *why)
{
    const struct member *now = &group->members[0].says, *wanted = group->wanted;
    return error_set(EVLOG_CONFLICT,
                     "the group %s has %u workers by %s, and cannot have %u by %s now: %s",
                     now->group, now->workers, now->by, wanted->workers, wanted->by, why);
}

/* Whether nothing is in the way of another division. */
static int check_members(const struct group *group)
{
    const struct group_member *least = group->members, *most = group->members;
    char why[512];
    for (size_t i = 0; i < group->count; i++) {
        const struct group_member *member = &group->members[i];
        const struct consumer_entry *entry = &member->entry;
        if (member->is_damaged)
            return error_set(EVLOG_DAMAGED, "state.mdb: consumer %s: its place is damaged",
                             member->name);
        if (entry->parked_count || entry->state_count) {
            snprintf(
                why, sizeof why,
                "%s has %" PRIu64 " parked events and %" PRIu64
                " keys of state, which would be lost; retry or drop them, or reset the group",
                member->name, entry->parked_count, entry->state_count);
            return conflict(group, why);
        }
        least = entry->checkpoint < least->entry.checkpoint ? member : least;
        most = entry->checkpoint > most->entry.checkpoint ? member : most;
    }
    if (least->entry.checkpoint == most->entry.checkpoint)
        return EVLOG_OK;
    snprintf(why, sizeof why,
             "%s is done up to seq %" PRIu64 " and %s up to %" PRIu64
             "; let each go on up to that one (last_seq; evlog consume --to %" PRIu64 ") first",
             least->name, least->entry.checkpoint, most->name, most->entry.checkpoint,
             most->entry.checkpoint);
    return conflict(group, why);
}

/* The types that all consumers of the group want, to be freed; NULL and 0: all. */
static int types_of(const struct group *group, char ***types, size_t *count)
{
    struct store *store = group->log->store;
    int result = consumers_read_types(store, group->members[0].name, types, count);
    for (size_t i = 1; i < group->count && result == EVLOG_OK; i++) {
        char **others;
        size_t other_count;
        result = consumers_read_types(store, group->members[i].name, &others, &other_count);
        if (result)
            break;
        bool is_other = other_count != *count;
        for (size_t t = 0; t < other_count && !is_other; t++)
            is_other = strcmp(others[t], (*types)[t]) != 0;
        free(others);
        if (is_other)
            result = conflict(group, "its workers want different event types; say which it is to "
                                     "have");
    }
    if (result)
        free(*types);
    return result;
}

/* A list of changes, the filter of each. */
static int make_filters(const struct names *names, const char *const *types, size_t type_count,
                        struct change **list)
{
    *list = NULL;
    for (size_t i = 0; i < names->count && type_count; i++) {
        struct change *filter = change_filter(names->list[i], types, type_count);
        if (!filter) {
            changes_free(*list);
            return error_nomem();
        }
        filter->next = *list;
        *list = filter;
    }
    return EVLOG_OK;
}

/* Makes the consumers, in place of those there are. */
static int create(const struct group *group, const struct consumer_entry *entry,
                  const char *const *types, size_t type_count, bool *is_new)
{
    struct names names;
    struct change *filters;
    int result = names_of_workers(&names, group->wanted);
    if (result)
        return result;
    result = make_filters(&names, types, type_count, &filters);
    if (result == EVLOG_OK) {
        struct group_making making = {.group = group->wanted->group,
                                      .old = group->members,
                                      .old_count = group->count,
                                      .names = names.list,
                                      .count = names.count,
                                      .changes = filters,
                                      .entry = entry};
        result = groups_create(group->log->store, &making, is_new);
        changes_free(filters);
    }
    free((void *)names.list);
    return result;
}

static int make_first(const struct group *group, bool *is_new)
{
    const evlog_consumer_options *options = group->options;
    struct consumer_entry entry;
    if (options->no_create)
        return error_set(EVLOG_NOTFOUND, "%s: no group %s", group->log->store->path,
                         group->wanted->group);
    int result = start_entry(group->log, options, &entry);
    return result ? result : create(group, &entry, options->types, options->type_count, is_new);
}

/* Makes it anew where it is. With its consumers claimed. */
static int replace(const struct group *group, bool *is_new)
{
    const evlog_consumer_options *options = group->options;
    struct consumer_entry entry = {.checkpoint = group->members[0].entry.checkpoint};
    char **types = NULL;
    size_t type_count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct consumer_entry *old = &group->members[i].entry;
        entry.chain = old->chain ? old->chain : entry.chain;
        entry.is_paused |= old->is_paused;
        if (old->replay_last_seq > entry.replay_last_seq)
            entry.replay_last_seq = old->replay_last_seq;
    }
    if (options->type_count)
        return create(group, &entry, options->types, options->type_count, is_new);
    int result = types_of(group, &types, &type_count);
    if (result)
        return result;
    result = create(group, &entry, (const char *const *)types, type_count, is_new);
    free(types);
    return result;
}

/*
 * Changes its division. Another process may be changing it just now, and have it: it is waited for,
 * and then its consumers are not there any more.
 */
static int change(const struct group *group, bool *is_new)
{
    struct claims claims;
    struct names names;
    uint32_t wait_ms = group->options->claim_wait_ms;
    if (group->options->no_create)
        return conflict(group, "no consumer is to be made");
    int result = check_members(group);
    if (result == EVLOG_OK)
        result = names_of_members(&names, group->members, group->count);
    if (result)
        return result;
    result = claims_take(&claims, group->log, names.list, names.count,
                         wait_ms > CHANGE_WAIT_MS ? wait_ms : CHANGE_WAIT_MS, false);
    free((void *)names.list);
    if (result == EVLOG_NOTFOUND)
        return EVLOG_OK;
    if (result)
        return result;
    result = replace(group, is_new);
    for (size_t i = 0; result == EVLOG_OK && *is_new && i < claims.count; i++)
        shared_mark_begin(group->log->store->shared, claims.claims[i].slot, 0);
    claims_release(&claims);
    return result;
}

/* One look at it. `*is_there`: it is as it is wanted. */
static int look(struct group *group, bool *is_there, bool *is_new)
{
    if (group->count == 0)
        return make_first(group, is_new);
    int result = check_whole(group);
    *is_there = result == EVLOG_OK && is_same(group->wanted, &group->members[0].says);
    return result || *is_there ? result : change(group, is_new);
}

/* What is listed while another process changes the group may be half of it. */
int group_make(evlog *log, const struct member *wanted, const evlog_consumer_options *options,
               bool *is_new)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct group group = {.log = log, .wanted = wanted, .options = options};
        bool is_there = false;
        *is_new = false;
        int result =
            members_list(log->store, ENV_NEWEST, wanted->group, &group.members, &group.count);
        if (result == EVLOG_OK)
            result = look(&group, &is_there, is_new);
        free(group.members);
        bool is_half = result == EVLOG_DAMAGED && tries < HALF_TRIES_MAX;
        if ((result && !is_half) || is_there || *is_new)
            return result;
    }
    return error_set(EVLOG_BUSY, "the group %s was changed %d times while it was being opened",
                     wanted->group, TRIES_MAX);
}
