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
 * 3. A turn that has passed does not fail any more, and each commit passes it: of a key's changes that go with such
 *    turns only the last is kept once another is made.
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

/* Where the newest change of a key is, of those in a bucket from `at` on; it is NULL there: there is none. */
static struct change **look_for(struct change **at, const void *key, size_t key_size)
{
    while (*at && ((*at)->key_size != key_size || memcmp((*at)->key, key, key_size) != 0))
        at = &(*at)->older;
    return at;
}

const struct change *pending_find(struct pending *pending, const struct entry_key *key)
{
    return *look_for(bucket_of(pending, key->bytes, key->size), key->bytes, key->size);
}

void pending_begin(struct pending *pending)
{
    *pending = (struct pending){.first = NULL};
}

void pending_free(struct pending *pending)
{
    changes_free(pending->first);
    pending_begin(pending);
}

static size_t size_of(const struct change *change)
{
    return sizeof *change + change->key_size + change->value_size;
}

static void append(struct pending *pending, struct change *change, struct change **bucket)
{
    change->next = NULL;
    change->before = pending->last;
    change->is_superseded = false;
    if (pending->last)
        pending->last->next = change;
    else
        pending->first = change;
    pending->last = change;
    pending->size += size_of(change);
    change->older = *bucket;
    *bucket = change;
}

/* Frees the change at a place in its bucket. It is not the last one of the list. */
static void drop(struct pending *pending, struct change **at)
{
    struct change *change = *at;
    *at = change->older;
    change->next->before = change->before;
    if (change->before)
        change->before->next = change->next;
    else
        pending->first = change->next;
    pending->size -= size_of(change);
    free(change);
}

void pending_add(struct pending *pending, struct change *change, uint64_t turn, uint64_t passed)
{
    struct change **bucket = bucket_of(pending, change->key, change->key_size);
    struct change *newest = *look_for(bucket, change->key, change->key_size);
    struct change **at = newest && newest->turn <= passed ? &newest->older : NULL;
    while (at && *(at = look_for(at, change->key, change->key_size)))
        drop(pending, at);
    change->turn = turn;
    append(pending, change, bucket);
}

/* Makes `changes`, a list in order, the pending one. */
static void rebuild(struct pending *pending, struct change *changes)
{
    pending_begin(pending);
    for (struct change *change = changes, *next; change; change = next) {
        next = change->next;
        append(pending, change, bucket_of(pending, change->key, change->key_size));
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
        struct change **bucket = bucket_of(pending, change->key, change->key_size);
        struct change *before = *look_for(bucket, change->key, change->key_size);
        next = change->next;
        append(pending, change, bucket);
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
