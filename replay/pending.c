/*
 * Changes of a consumer's entries that wait for a commit.
 *
 * User code never runs in a transaction: what a receiver puts is a change in memory. Each change
 * goes with a turn (consumer.c): it is written by the commit that passes that turn, and dropped
 * when the turn fails.
 *
 * 1. The list is in the order in which the changes were made, which is that of their turns. So a
 *    commit takes a piece from its front, and a failure cuts one off its end.
 * 2. A key's changes are written in that order, or only the last of them.
 *
 * Cost: a change is one allocation. Taking or cutting a part of the list hashes the rest again;
 * there is a rest only while several events are out.
 */
#define XXH_INLINE_ALL
#include "pending.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static struct change **bucket_of(struct pending *pending, const void *key, size_t key_size)
{
    return &pending->buckets[XXH3_64bits(key, key_size) % PENDING_BUCKETS];
}

static struct change *find(struct pending *pending, const void *key, size_t key_size)
{
    struct change *change = *bucket_of(pending, key, key_size);
    while (change && (change->key_size != key_size || memcmp(change->key, key, key_size) != 0))
        change = change->older;
    return change;
}

const struct change *pending_find(struct pending *pending, const struct entry_key *key)
{
    return find(pending, key->bytes, key->size);
}

void pending_begin(struct pending *pending)
{
    *pending = (struct pending){.first = NULL};
    pending->end = &pending->first;
}

void pending_free(struct pending *pending)
{
    changes_free(pending->first);
    pending_begin(pending);
}

static void append(struct pending *pending, struct change *change)
{
    struct change **bucket = bucket_of(pending, change->key, change->key_size);
    change->next = NULL;
    change->is_superseded = false;
    *pending->end = change;
    pending->end = &change->next;
    pending->size += sizeof *change + change->key_size + change->value_size;
    change->older = *bucket;
    *bucket = change;
}

void pending_add(struct pending *pending, struct change *change, uint64_t turn)
{
    change->turn = turn;
    append(pending, change);
}

/* Makes `changes`, a list in order, the pending one. */
static void rebuild(struct pending *pending, struct change *changes)
{
    pending_begin(pending);
    for (struct change *change = changes, *next; change; change = next) {
        next = change->next;
        append(pending, change);
    }
}

/* Splits the list before the first change of `turn` or later, and returns that part of it. */
static struct change *split(struct pending *pending, uint64_t turn)
{
    struct change **at = &pending->first;
    while (*at && (*at)->turn < turn)
        at = &(*at)->next;
    struct change *rest = *at;
    *at = NULL;
    return rest;
}

void pending_cut(struct pending *pending, uint64_t turn)
{
    struct change *cut = split(pending, turn);
    if (!cut)
        return;
    changes_free(cut);
    rebuild(pending, pending->first);
}

struct change *pending_take(struct pending *pending, uint64_t turn)
{
    if (!pending->first || pending->first->turn >= turn)
        return NULL;
    struct change *rest = split(pending, turn), *taken = pending->first;
    rebuild(pending, NULL);
    for (struct change *change = taken, *next; change; change = next) {
        struct change *before = find(pending, change->key, change->key_size);
        next = change->next;
        append(pending, change);
        if (before)
            before->is_superseded = true;
    }
    rebuild(pending, rest);
    return taken;
}

void pending_put_back(struct pending *pending, struct change *changes)
{
    struct change **end = &changes;
    while (*end)
        end = &(*end)->next;
    *end = pending->first;
    rebuild(pending, changes);
}
