/*
 * A consumer's state: small values by key.
 *
 * What a receiver puts is a change that goes with its event's turn (pending.c). Reading looks at
 * the changes first, the newest of a key first, and then in the file, which no other process writes for
 * this consumer.
 *
 * Cost: a put, and a get of what was put or read not long ago, is a look-up in memory; another get reads some pages
 * of the file, some microseconds. No call is counted in the log: the open consumer is.
 */
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "error.h"

static int check(const evlog_consumer *consumer, const void *key, size_t key_size)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    if (!key || key_size == 0)
        return error_set(EVLOG_INVALID, "a key of state is 1 to %d bytes",
                         EVLOG_STATE_KEY_SIZE_MAX);
    if (key_size > EVLOG_STATE_KEY_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "a key of state is at most %d bytes, not %zu",
                         EVLOG_STATE_KEY_SIZE_MAX, key_size);
    return EVLOG_OK;
}

/* Finds a value among the changes or in the file; EVLOG_NOTFOUND. */
static int look_up(evlog_consumer *consumer, const void *key, size_t key_size,
                   const struct change **found)
{
    const struct change *change = pending_find(&consumer->pending, ENTRY_STATE, key, key_size);
    struct change *read;
    int result = EVLOG_NOTFOUND;
    if (change && change->value) {
        *found = change;
        return EVLOG_OK;
    }
    if (!change) {
        struct entry_key full;
        consumer_state_key(consumer->claim.name, key, key_size, &full);
        result = consumers_read_state(consumer->log->store, &full, &read);
    }
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_NOTFOUND, "consumer %s: no such key in its state",
                         consumer->claim.name);
    if (result)
        return result;
    pending_add_written(&consumer->pending, read);
    *found = read;
    return EVLOG_OK;
}

static int add(evlog_consumer *consumer, struct change *change)
{
    if (!change)
        return error_nomem();
    if (consumer->pending.size + change->block_size > EVLOG_STATE_PENDING_MAX) {
        free(change);
        return error_set(EVLOG_LIMIT,
                         "consumer %s: more than %d bytes of state wait for an acknowledgement",
                         consumer->claim.name, EVLOG_STATE_PENDING_MAX);
    }
    pending_add(&consumer->pending, change, turn_number_now(consumer), consumer->passed_count);
    return EVLOG_OK;
}

static int put(evlog_consumer *consumer, const void *key, size_t key_size, const void *value,
               size_t value_size)
{
    struct change *old = pending_reuse(&consumer->pending, key, key_size, value_size,
                                       turn_number_now(consumer), consumer->passed_count);
    if (old) {
        change_set_state(old, value, value_size);
        return EVLOG_OK;
    }
    struct entry_key full;
    consumer_state_key(consumer->claim.name, key, key_size, &full);
    return add(consumer, change_put_state(&full, value, value_size));
}

static const unsigned char *value_of(const struct change *change)
{
    return change->value + change->value_size - change->state_size;
}

int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size,
                    const void **value, size_t *value_size)
{
    const struct change *found;
    int result = check(consumer, key, key_size);
    if (result)
        return result;
    if (!value || !value_size)
        return error_set(EVLOG_INVALID, "no place for the value is given");
    result = look_up(consumer, key, key_size, &found);
    if (result)
        return result;
    *value = value_of(found);
    *value_size = found->state_size;
    return EVLOG_OK;
}

int evlog_state_put(evlog_consumer *consumer, const void *key, size_t key_size, const void *value,
                    size_t value_size)
{
    int result = check(consumer, key, key_size);
    if (result)
        return result;
    if (value_size > EVLOG_STATE_VALUE_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "a value of state is at most %d bytes, not %zu",
                         EVLOG_STATE_VALUE_SIZE_MAX, value_size);
    if (!value && value_size)
        return error_set(EVLOG_INVALID, "no value is given");
    return put(consumer, key, key_size, value_size ? value : "", value_size);
}

int evlog_state_delete(evlog_consumer *consumer, const void *key, size_t key_size)
{
    const struct change *found;
    int result = check(consumer, key, key_size);
    if (result)
        return result;
    result = look_up(consumer, key, key_size, &found);
    if (result)
        return result;
    struct entry_key full;
    consumer_state_key(consumer->claim.name, key, key_size, &full);
    return add(consumer, change_delete_state(&full));
}

/* ------------------------------------------------------------- listing ---- */

struct listing {
    evlog_consumer *consumer;
    int (*visit)(const void *, size_t, const void *, size_t, void *);
    void *ctx;
};

/* The newest change of a key that waits; NULL: there is none. */
static const struct change *change_of(const struct listing *listing, const void *key,
                                      size_t key_size)
{
    const struct change *change =
        pending_find(&listing->consumer->pending, ENTRY_STATE, key, key_size);
    return change && change->is_written ? NULL : change;
}

static int list_lasting(const void *key, size_t key_size, const void *value, size_t value_size,
                        void *ctx)
{
    const struct listing *listing = ctx;
    if (change_of(listing, key, key_size))
        return 0;
    return listing->visit(key, key_size, value, value_size, listing->ctx);
}

/* Of the changes of a key the newest counts. */
static int list_pending(const struct listing *listing)
{
    const struct pending *pending = &listing->consumer->pending;
    int result = EVLOG_OK;
    for (const struct change *change = pending->first; change && result == EVLOG_OK;
         change = change->next) {
        const unsigned char *key = change->key + pending->prefix_size;
        size_t key_size = change->key_size - pending->prefix_size;
        if (change->key[0] != ENTRY_STATE || !change->value ||
            change_of(listing, key, key_size) != change)
            continue;
        result =
            listing->visit(key, key_size, value_of(change), change->state_size, listing->ctx);
    }
    return result;
}

int evlog_state_each(evlog_consumer *consumer,
                     int (*visit)(const void *, size_t, const void *, size_t, void *), void *ctx)
{
    struct listing listing = {.consumer = consumer, .visit = visit, .ctx = ctx};
    if (!visit)
        return error_set(EVLOG_INVALID, "no function to visit the state is given");
    int result = consumer_check(consumer);
    if (result)
        return result;
    result =
        consumers_each_state(consumer->log->store, consumer->claim.name, list_lasting, &listing);
    if (result == EVLOG_OK || result == EVLOG_DAMAGED) {
        int listed = list_pending(&listing);
        result = listed ? listed : result;
    }
    return result;
}
