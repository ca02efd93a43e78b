/*
 * Changes of a consumer's entries that wait for a commit, and the values of its state that were written or read last.
 *
 * User code never runs in a transaction: what a receiver puts is a change in memory. Each change
 * goes with a turn (consumer.c): it is written by the commit that passes that turn, and dropped
 * when the turn fails. A value of the state stays when it is written, as what the file has: a consumer mostly reads
 * what it has put before, and a read of the file costs as much as a hundred of these.
 *
 *      list       change -> change -> change -> change             by the time of their making
 *                                       |
 *      bucket     the newest of a key --+-> beside: the newest of another key
 *                   |
 *                 older -> older -> the one that is written        which is in no list
 *
 * 1. The list is in the order in which the changes were made, which is that of their turns. So a
 *    commit takes a piece from its front, and a failure cuts one off its end.
 * 2. A key's changes are written in that order, or only the last of them.
 * 3. A turn that has passed does not fail any more, and each commit passes it: of a key's changes that go with such
 *    turns only the last is kept once another is made. Of those of one turn only the last is kept.
 * 4. Of a key at most one value is written, the oldest. While the consumer is this process's, no other one
 *    changes its state: so it is as in the file.
 * 5. What is written takes WRITTEN_SIZE_MAX bytes and a value more at most: beyond that all of it is forgotten.
 *
 * Cost: a change is one allocation. A key that is put for each event has two, by turns, and allocates only after a
 * commit.
 */
#define XXH_INLINE_ALL
#include "pending.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WRITTEN_SIZE_MAX ((size_t)4 << 20)

/* ------------------------------------------------------------ by key ---- */

static uint64_t hash_of(const void *end, size_t end_size)
{
    return XXH3_64bits(end, end_size);
}

/* Where the newest of a key is, or would be. */
static struct change **look_for(struct pending *pending, uint64_t hash, int kind, const void *end,
                                size_t end_size)
{
    struct change **at = &pending->buckets[hash % PENDING_BUCKETS];
    size_t prefix_size = pending->prefix_size;
    while (*at && ((*at)->hash != hash || (*at)->key_size != prefix_size + end_size ||
                   (*at)->key[0] != kind || memcmp((*at)->key + prefix_size, end, end_size) != 0))
        at = &(*at)->beside;
    return at;
}

static struct change **place_of(struct pending *pending, const struct change *change)
{
    return look_for(pending, change->hash, change->key[0], change->key + pending->prefix_size,
                    change->key_size - pending->prefix_size);
}

static void hash(const struct pending *pending, struct change *change)
{
    change->hash =
        hash_of(change->key + pending->prefix_size, change->key_size - pending->prefix_size);
}

const struct change *pending_find(struct pending *pending, enum entry_kind kind, const void *end,
                                  size_t end_size)
{
    return *look_for(pending, hash_of(end, end_size), kind, end, end_size);
}

/* Makes a change the newest of its key. */
static void put_in_front(struct change **at, struct change *change)
{
    change->older = *at;
    change->beside = *at ? (*at)->beside : NULL;
    *at = change;
}

static void take_from_front(struct change **at)
{
    struct change *change = *at;
    *at = change->older ? change->older : change->beside;
    if (change->older)
        change->older->beside = change->beside;
}

/* --------------------------------------------------------- in the list ---- */

static void append(struct pending *pending, struct change *change, uint64_t turn)
{
    change->turn = turn;
    change->next = NULL;
    change->before = pending->last;
    if (pending->last)
        pending->last->next = change;
    else
        pending->first = change;
    pending->last = change;
    pending->size += change->block_size;
}

/* Takes a change off the list, or from what is written. */
static void take_off(struct pending *pending, struct change *change)
{
    if (change->is_written) {
        pending->written_size -= change->block_size;
        change->is_written = false;
        return;
    }
    if (change->next)
        change->next->before = change->before;
    else
        pending->last = change->before;
    if (change->before)
        change->before->next = change->next;
    else
        pending->first = change->next;
    pending->size -= change->block_size;
}

/* ------------------------------------------------------- in and out ---- */

static void drop_newest(struct pending *pending, struct change **at)
{
    struct change *change = *at;
    take_from_front(at);
    take_off(pending, change);
    free(change);
}

/* Drops those of the key that are older. */
static void drop_older(struct pending *pending, struct change *change)
{
    struct change *older;
    while ((older = change->older)) {
        change->older = older->older;
        take_off(pending, older);
        free(older);
    }
}

void pending_begin(struct pending *pending, const char *consumer)
{
    memset(pending, 0, sizeof *pending);
    pending->prefix_size = 1 + strlen(consumer) + 1;
}

void pending_add(struct pending *pending, struct change *change, uint64_t turn, uint64_t passed)
{
    hash(pending, change);
    struct change **at = place_of(pending, change);
    if (*at && (*at)->turn == turn)
        drop_newest(pending, at);
    else if (*at && (*at)->turn <= passed)
        drop_older(pending, *at);
    put_in_front(place_of(pending, change), change);
    append(pending, change, turn);
}

struct change *pending_reuse(struct pending *pending, const void *end, size_t end_size,
                             size_t value_size, uint64_t turn, uint64_t passed)
{
    struct change **at = look_for(pending, hash_of(end, end_size), ENTRY_STATE, end, end_size);
    struct change *newest = *at;
    struct change *old = newest && newest->turn <= passed ? newest->older : NULL;
    size_t size = old ? change_state_size(old->key_size, value_size) : 0;
    if (!old || old->block_size < size || old->block_size / 2 > size)
        return NULL;
    newest->older = old->older;
    drop_older(pending, newest);
    take_off(pending, old);
    put_in_front(at, old);
    append(pending, old, turn);
    return old;
}

void pending_cut(struct pending *pending, uint64_t turn)
{
    while (pending->last && pending->last->turn >= turn)
        drop_newest(pending, place_of(pending, pending->last));
}

/* ---------------------------------------------------------- what is written ---- */

/* Drops what is written of the key whose newest is at a place, and returns that of the next key. */
static struct change **forget_written(struct pending *pending, struct change **at)
{
    struct change *change = *at;
    if (change->is_written) {
        drop_newest(pending, at);
        return at;
    }
    while (change->older && !change->older->is_written)
        change = change->older;
    drop_older(pending, change);
    return &(*at)->beside;
}

static void forget_all_written(struct pending *pending)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++)
        for (struct change **at = &pending->buckets[i]; *at;)
            at = forget_written(pending, at);
}

void pending_free(struct pending *pending)
{
    pending_cut(pending, 0);
    forget_all_written(pending);
}

static void keep_written(struct pending *pending, struct change *change)
{
    change->is_written = true;
    change->turn = 0;
    pending->written_size += change->block_size;
}

void pending_add_written(struct pending *pending, struct change *change)
{
    if (pending->written_size > WRITTEN_SIZE_MAX)
        forget_all_written(pending);
    hash(pending, change);
    keep_written(pending, change);
    put_in_front(place_of(pending, change), change);
}

struct change *pending_take(struct pending *pending, uint64_t turn)
{
    struct change *taken = pending->first, *rest = taken, *last = NULL;
    for (; rest && rest->turn < turn; last = rest, rest = rest->next) {
        rest->is_superseded = false;
        if (rest->older)
            rest->older->is_superseded = true;
    }
    if (!last)
        return NULL;
    last->next = NULL;
    pending->first = rest;
    if (rest)
        rest->before = NULL;
    else
        pending->last = NULL;
    return taken;
}

void pending_put_back(struct pending *pending, struct change *taken)
{
    struct change *last = taken;
    if (!taken)
        return;
    while (last->next)
        last = last->next;
    last->next = pending->first;
    if (pending->first)
        pending->first->before = last;
    else
        pending->last = last;
    pending->first = taken;
}

/* Drops the oldest change of its key. */
static void drop_oldest(struct pending *pending, struct change *change)
{
    struct change **at = place_of(pending, change), *newer = *at;
    if (newer == change) {
        drop_newest(pending, at);
        return;
    }
    while (newer->older != change)
        newer = newer->older;
    drop_older(pending, newer);
}

/* Each becomes what is written of its key, in order; what is not a value of the state is dropped then. */
void pending_written(struct pending *pending, struct change *taken)
{
    for (struct change *change = taken, *next; change; change = next) {
        next = change->next;
        pending->size -= change->block_size;
        keep_written(pending, change);
        drop_older(pending, change);
        if (!change->value || change->key[0] != ENTRY_STATE)
            drop_oldest(pending, change);
    }
    if (pending->written_size > WRITTEN_SIZE_MAX)
        forget_all_written(pending);
}
