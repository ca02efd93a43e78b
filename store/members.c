/*
 * The consumers that make up a group: their names, and which there are in state.mdb.
 *
 *   GROUP/IofN:PATH     orders/2of4:order.customer.id
 *
 * A worker's share of the events is a consumer like any other, and all that makes it a worker's is in
 * its name: so whatever treats consumers one by one (trimming, copying, salvaging, verifying) treats
 * groups right, and a consumer is never without what decides which events are its own. I and N are
 * from 1 to EVLOG_WORKERS_MAX, without zeros before them.
 *
 * A group's name has no part of this form, so the first one in a consumer's name ends it; PATH may
 * have any. A name with I above N, say, is that of an ordinary consumer.
 *
 * Cost: to list a group, the entries whose keys begin with GROUP/ are read.
 */
#include "members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "name.h"
#include "store.h"

/* --------------------------------------------------------------- names ---- */

/* Reads a number and moves past it. 0: there is none that can be. */
static uint32_t take_number(const char **at)
{
    uint32_t number = 0;
    if (**at == '0')
        return 0;
    for (; **at >= '0' && **at <= '9' && number <= EVLOG_WORKERS_MAX; ++*at)
        number = number * 10 + (uint32_t)(**at - '0');
    return number <= EVLOG_WORKERS_MAX ? number : 0;
}

/* Whether a group's name ends at `slash`. */
static bool take_numbers(const char *slash, struct member *member)
{
    const char *at = slash + 1;
    member->worker = take_number(&at);
    if (!member->worker || strncmp(at, "of", 2) != 0)
        return false;
    at += 2;
    member->workers = take_number(&at);
    member->by = at + 1;
    return member->worker <= member->workers && at[0] == ':' && at[1];
}

bool member_parse(const char *name, struct member *member)
{
    if (strlen(name) > EVLOG_CONSUMER_NAME_SIZE_MAX)
        return false;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/'))
        if (slash > name && take_numbers(slash, member)) {
            snprintf(member->group, sizeof member->group, "%.*s", (int)(slash - name), name);
            return true;
        }
    return false;
}

bool member_is_of(const char *name, const char *wanted)
{
    struct member member;
    return strcmp(name, wanted) == 0 ||
           (member_parse(name, &member) && strcmp(member.group, wanted) == 0);
}

int member_format(const char *group, uint32_t worker, uint32_t workers, const char *by,
                  char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1])
{
    static const char form[] = "%s/%uof%u:%s";
    char made[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct member member;
    if (worker == 0 || worker > workers || workers > EVLOG_WORKERS_MAX)
        return error_set(EVLOG_INVALID,
                         "worker %u of %u: a group has 1 to %d workers, numbered from 1", worker,
                         workers, EVLOG_WORKERS_MAX);
    if (!by || !*by)
        return error_set(EVLOG_INVALID, "worker %u of %u: by which value is not given", worker,
                         workers);
    int result = name_check("a group's name", group, group ? strlen(group) : 0,
                            EVLOG_CONSUMER_NAME_SIZE_MAX);
    if (result)
        return result;
    if (member_parse(group, &member))
        return error_set(EVLOG_INVALID, "%s is one consumer of the group %s, not a group", group,
                         member.group);
    int size = snprintf(made, sizeof made, form, group, workers, workers, by); /* the longest */
    if (size >= (int)sizeof made)
        return error_set(EVLOG_INVALID,
                         "%s/%uof%u:%s is too long: a consumer's name has up to %d bytes", group,
                         workers, workers, by, EVLOG_CONSUMER_NAME_SIZE_MAX);
    result = name_check("a path that workers divide by, which is part of a consumer's name,", by,
                        strlen(by), EVLOG_CONSUMER_NAME_SIZE_MAX);
    if (result == EVLOG_OK)
        snprintf(name, EVLOG_CONSUMER_NAME_SIZE_MAX + 1, form, group, worker, workers, by);
    return result;
}

/* ------------------------------------------------------------- listing ---- */

/* Where a group's consumers begin. */
static struct entry_key key_of_group(const char *group)
{
    struct entry_key key = consumer_key(ENTRY_CONSUMER, group);
    key.bytes[key.size++] = '/';
    return key;
}

int members_find(struct store *store, enum env_state state, const char *group,
                 char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1])
{
    struct entry_key prefix = key_of_group(group);
    struct entry_walk walk;
    const struct entry *listed;
    int result = EVLOG_OK;
    *name = '\0';
    entry_walk_begin(&walk, store->state, state, &prefix, NULL);
    while (!*name && (result = entry_walk_next(&walk, &listed)) == EVLOG_OK && listed)
        if (consumer_entry_name(listed, name) || !member_is_of(name, group))
            *name = '\0';
    entry_walk_end(&walk);
    return result;
}

/* Adds an entry to a list of members, if it is one's of that group. */
static int add_member(const struct entry *listed, const char *group,
                      struct group_member **members, size_t *count)
{
    struct group_member member = {.is_damaged = false};
    if (consumer_entry_name(listed, member.name) || strcmp(member.name, group) == 0 ||
        !member_is_of(member.name, group))
        return EVLOG_OK;
    member.is_damaged = consumer_unpack(member.name, listed, &member.entry) != EVLOG_OK;
    struct group_member *more = realloc(*members, (*count + 1) * sizeof **members);
    if (!more)
        return error_nomem();
    more[*count] = member;
    *members = more;
    ++*count;
    return EVLOG_OK;
}

int members_list(struct store *store, enum env_state state, const char *group,
                 struct group_member **members, size_t *count)
{
    struct entry_key prefix = key_of_group(group);
    struct group_member *list = NULL;
    struct entry_walk walk;
    const struct entry *listed;
    size_t list_count = 0;
    int result;
    entry_walk_begin(&walk, store->state, state, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &listed)) == EVLOG_OK && listed)
        if ((result = add_member(listed, group, &list, &list_count)))
            break;
    entry_walk_end(&walk);
    if (result) {
        free(list);
        return result;
    }
    for (size_t i = 0; i < list_count; i++)
        member_parse(list[i].name, &list[i].says);
    *members = list;
    *count = list_count;
    return EVLOG_OK;
}
