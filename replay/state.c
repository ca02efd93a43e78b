/*
 * A consumer's state, and all that waits to be written with its checkpoint.
 *
 * User code never runs in a transaction: what a receiver puts is a change in memory, which
 * belongs to the event in hand, and the commit that passes that event writes it. Reading looks
 * at the changes first, the newest of a key in its bucket first, and then in the file, which
 * nobody else writes for this consumer.
 *
 * 1. Changes are in the order in which they were made, and numbered. A receiver that fails has
 *    its own cut off the end; they are told by their numbers, since it may have acknowledged
 *    what is before them. With acknowledgements by hand a commit takes those of the events
 *    acknowledged and leaves the rest.
 * 2. A change's `tag` says with which commit it goes: 2 * seq, with one that passes the event;
 *    2 * seq + 1, with one that passes it when no retried event waits for its acknowledgement;
 *    0, with the next, whatever that passes: what was parked.
 * 3. A key's changes are written in the order in which they were made. So what a parked event's
 *    retry puts, by hand, comes behind the last event handed out, on whose changes it may be
 *    built.
 *
 * Cost: a put is an allocation; a get that is not among the changes reads some pages of the file,
 * some microseconds. A consumer acknowledges often, so there are few changes.
 */
#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "consumer.h"
#include "error.h"

/* ------------------------------------------------------------- pending ---- */

static struct change **bucket_of(struct pending *pending, const void *key, size_t key_size)
{
    return &pending->buckets[XXH3_64bits(key, key_size) % CHANGE_BUCKETS];
}

/* The newest change of a key; NULL: none. */
static struct change *find(struct pending *pending, const void *key, size_t key_size)
{
    struct change *change = *bucket_of(pending, key, key_size);
    while (change && (change->key_size != key_size || memcmp(change->key, key, key_size) != 0))
        change = change->older;
    return change;
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
    change->is_superseded = 0;
    *pending->end = change;
    pending->end = &change->next;
    pending->size += sizeof *change + change->key_size + change->value_size;
    change->older = *bucket;
    *bucket = change;
}

void pending_add(struct pending *pending, struct change *change)
{
    change->number = ++pending->number;
    append(pending, change);
}

/* Makes a list, of which nothing is known, the pending one. */
static void take_over(struct pending *pending, struct change *changes)
{
    uint64_t number = pending->number;
    pending_begin(pending);
    pending->number = number;
    for (struct change *change = changes, *next; change; change = next) {
        next = change->next;
        append(pending, change);
    }
}

/* Takes out the changes up to `last_tag` with these numbers, in their order. */
static struct change *take_out(struct pending *pending, uint64_t last_tag, uint64_t first_number,
                               uint64_t last_number)
{
    struct change *taken = NULL, **taken_end = &taken, *rest = NULL, **rest_end = &rest;
    for (struct change *change = pending->first; change; change = change->next) {
        int is_one = change->tag <= last_tag && change->number >= first_number &&
                     change->number <= last_number;
        struct change ***end = is_one ? &taken_end : &rest_end;
        **end = change;
        *end = &change->next;
    }
    *taken_end = NULL;
    *rest_end = NULL;
    take_over(pending, rest);
    return taken;
}

void pending_cut(struct pending *pending, uint64_t number)
{
    if (pending->number > number)
        changes_free(take_out(pending, UINT64_MAX, number + 1, UINT64_MAX));
}

/* Of several changes of one key the last one counts: the others need not be written. */
static void supersede(struct change *changes)
{
    struct pending seen;
    pending_begin(&seen);
    for (struct change *change = changes, *next; change; change = next) {
        struct change *before = find(&seen, change->key, change->key_size);
        next = change->next;
        append(&seen, change);
        if (before)
            before->is_superseded = 1;
    }
}

struct change *pending_take(struct pending *pending, uint64_t tag, uint64_t number)
{
    struct change *taken = take_out(pending, tag, 0, number);
    supersede(taken);
    return taken;
}

void pending_back(struct pending *pending, struct change *changes)
{
    struct change **end = &changes;
    while (*end)
        end = &(*end)->next;
    *end = pending->first;
    take_over(pending, changes);
}

/* --------------------------------------------------------------- values ---- */

static int check_key(const void *key, size_t key_size)
{
    if (!key || key_size == 0)
        return error_set(EVLOG_INVALID, "a key of state is 1 to %d bytes",
                         EVLOG_STATE_KEY_SIZE_MAX);
    if (key_size > EVLOG_STATE_KEY_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "a key of state is at most %d bytes, not %zu",
                         EVLOG_STATE_KEY_SIZE_MAX, key_size);
    return EVLOG_OK;
}

/* Finds a value among the changes or in the file; EVLOG_NOTFOUND. */
static int look_up(evlog_consumer *consumer, const struct entry_key *key, const void **value,
                   size_t *value_size)
{
    const struct change *change = find(&consumer->pending, key->bytes, key->size);
    void *block;
    int result = EVLOG_NOTFOUND;
    if (change && change->value)
        return consumer_unpack_state(change->value, value, value_size);
    if (!change)
        result = consumers_read_state(consumer->log->store, key, &block, value, value_size);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_NOTFOUND, "consumer %s: no such key in its state", consumer->name);
    if (result)
        return result;
    free(consumer->value);
    consumer->value = block;
    return EVLOG_OK;
}

static int add(evlog_consumer *consumer, struct change *change)
{
    if (!change)
        return error_nomem();
    change->tag = consumer->tag;
    if (consumer->pending.size + sizeof *change + change->key_size + change->value_size >
        EVLOG_STATE_PENDING_MAX) {
        free(change);
        return error_set(EVLOG_LIMIT,
                         "consumer %s: more than %d bytes of state wait for an acknowledgement",
                         consumer->name, EVLOG_STATE_PENDING_MAX);
    }
    pending_add(&consumer->pending, change);
    return EVLOG_OK;
}

int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size,
                    const void **value, size_t *value_size)
{
    int result = consumer_enter(consumer);
    if (result)
        return result;
    result = check_key(key, key_size);
    if (result == EVLOG_OK) {
        struct entry_key full = consumer_state_key(consumer->name, key, key_size);
        result = look_up(consumer, &full, value, value_size);
    }
    consumer_leave(consumer);
    return result;
}

int evlog_state_put(evlog_consumer *consumer, const void *key, size_t key_size, const void *value,
                    size_t value_size)
{
    int result = consumer_enter(consumer);
    if (result)
        return result;
    result = check_key(key, key_size);
    if (result == EVLOG_OK && value_size > EVLOG_STATE_VALUE_SIZE_MAX)
        result = error_set(EVLOG_LIMIT, "a value of state is at most %d bytes, not %zu",
                           EVLOG_STATE_VALUE_SIZE_MAX, value_size);
    if (result == EVLOG_OK && !value && value_size)
        result = error_set(EVLOG_INVALID, "no value is given");
    if (result == EVLOG_OK) {
        struct entry_key full = consumer_state_key(consumer->name, key, key_size);
        result = add(consumer, change_put_state(&full, value_size ? value : "", value_size));
    }
    consumer_leave(consumer);
    return result;
}

int evlog_state_delete(evlog_consumer *consumer, const void *key, size_t key_size)
{
    const void *value;
    size_t value_size;
    int result = consumer_enter(consumer);
    if (result)
        return result;
    result = check_key(key, key_size);
    if (result == EVLOG_OK) {
        struct entry_key full = consumer_state_key(consumer->name, key, key_size);
        result = look_up(consumer, &full, &value, &value_size);
        if (result == EVLOG_OK)
            result = add(consumer, change_delete_state(&full));
    }
    consumer_leave(consumer);
    return result;
}
