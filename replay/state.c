/*
 * A consumer's state: small values by key.
 *
 * What a receiver puts is a change that goes with its event's turn (pending.c). Reading looks at
 * the changes first, the newest of a key first, and then in the file, which no other process writes for
 * this consumer.
 *
 * Cost: a put is an allocation; a get that is not among the changes reads some pages of the file,
 * some microseconds.
 */
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "error.h"

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
    const struct change *change = pending_find(&consumer->pending, key);
    void *block;
    int result = EVLOG_NOTFOUND;
    if (change && change->value) {
        *value = change->value + change->value_size - change->state_size;
        *value_size = change->state_size;
        return EVLOG_OK;
    }
    if (!change)
        result = consumers_read_state(consumer->log->store, key, &block, value, value_size);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_NOTFOUND, "consumer %s: no such key in its state",
                         consumer->claim.name);
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
    if (consumer->pending.size + sizeof *change + change->key_size + change->value_size >
        EVLOG_STATE_PENDING_MAX) {
        free(change);
        return error_set(EVLOG_LIMIT,
                         "consumer %s: more than %d bytes of state wait for an acknowledgement",
                         consumer->claim.name, EVLOG_STATE_PENDING_MAX);
    }
    pending_add(&consumer->pending, change, turn_number_now(consumer), consumer->passed_count);
    return EVLOG_OK;
}

int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size,
                    const void **value, size_t *value_size)
{
    int result = consumer_enter(consumer);
    if (result)
        return result;
    result = check_key(key, key_size);
    if (result == EVLOG_OK && (!value || !value_size))
        result = error_set(EVLOG_INVALID, "no place for the value is given");
    if (result == EVLOG_OK) {
        struct entry_key full;
        consumer_state_key(consumer->claim.name, key, key_size, &full);
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
        struct entry_key full;
        consumer_state_key(consumer->claim.name, key, key_size, &full);
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
        struct entry_key full;
        consumer_state_key(consumer->claim.name, key, key_size, &full);
        result = look_up(consumer, &full, &value, &value_size);
        if (result == EVLOG_OK)
            result = add(consumer, change_delete_state(&full));
    }
    consumer_leave(consumer);
    return result;
}

/* ------------------------------------------------------------- listing ---- */

struct listing {
    evlog_consumer *consumer;
    int (*visit)(const void *, size_t, const void *, size_t, void *);
    void *ctx;
};

static const struct change *change_of(const struct listing *listing, const void *key,
                                      size_t key_size)
{
    struct entry_key full;
    consumer_state_key(listing->consumer->claim.name, key, key_size, &full);
    return pending_find(&listing->consumer->pending, &full);
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
    const evlog_consumer *consumer = listing->consumer;
    struct entry_key prefix = consumer_key(ENTRY_STATE, consumer->claim.name);
    int result = EVLOG_OK;
    for (const struct change *change = consumer->pending.first; change && result == EVLOG_OK;
         change = change->next) {
        const unsigned char *key = change->key + prefix.size;
        size_t key_size = change->key_size - prefix.size;
        if (change->key_size <= prefix.size ||
            memcmp(change->key, prefix.bytes, prefix.size) != 0 || !change->value ||
            change_of(listing, key, key_size) != change)
            continue;
        result =
            listing->visit(key, key_size, change->value + change->value_size - change->state_size,
                           change->state_size, listing->ctx);
    }
    return result;
}

int evlog_state_each(evlog_consumer *consumer,
                     int (*visit)(const void *, size_t, const void *, size_t, void *), void *ctx)
{
    struct listing listing = {.consumer = consumer, .visit = visit, .ctx = ctx};
    if (!visit)
        return error_set(EVLOG_INVALID, "no function to visit the state is given");
    int result = consumer_enter(consumer);
    if (result)
        return result;
    result =
        consumers_each_state(consumer->log->store, consumer->claim.name, list_lasting, &listing);
    if (result == EVLOG_OK || result == EVLOG_DAMAGED) {
        int listed = list_pending(&listing);
        result = listed ? listed : result;
    }
    consumer_leave(consumer);
    return result;
}
