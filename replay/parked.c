/*
 * Parked events: on record as not done, for one consumer each.
 *
 * An event is parked by the consumer, in the transaction of the checkpoint that passes it
 * (poll.c). It is one of two entries (position.c): `p`, or `r` when somebody has asked for it
 * to be retried. Who has the consumer takes the `r` entries up with its next poll; before it
 * hands one out it makes it a `p` again, so that an event that kills its process does so once,
 * and is parked then. What was lost, being damaged or trimmed away, is on the same record, as a
 * range.
 */
#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "error.h"
#include "record.h"

#define LIST_MAX 256

struct change *parked_new(const char *name, int kind, const evlog_parked *parked, uint64_t tag)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct change *change = NULL;
    struct key key = position_seq_key(kind, name, parked->seq);
    size_t size = strnlen(parked->error, EVLOG_PARKED_ERROR_SIZE_MAX);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_array(&packer, 6);
    failed |= msgpack_pack_fix_uint64(&packer, 0);
    failed |= msgpack_pack_uint32(&packer, parked->attempt_count);
    failed |= msgpack_pack_int64(&packer, parked->time_us);
    failed |= msgpack_pack_uint64(&packer, parked->last_seq);
    failed |= msgpack_pack_int(&packer, parked->is_lost);
    failed |= msgpack_pack_bin(&packer, size);
    failed |= msgpack_pack_bin_body(&packer, parked->error, size);
    if (!failed)
        change = change_new(&key, buffer.data, buffer.size, tag);
    msgpack_sbuffer_destroy(&buffer);
    return change;
}

/* ------------------------------------------------------------- reading ---- */

/* The seq at the end of its key, which has nothing else behind the name; 0: it is no such key. */
static uint64_t seq_of(const struct entry *entry)
{
    const unsigned char *name_end = memchr(entry->key, '\0', entry->key_size);
    if (!name_end || name_end + 1 + 8 != entry->key + entry->key_size)
        return 0;
    return record_load64(name_end + 1);
}

/* An entry as it is told; its error is in `error`. */
static int parse(const struct entry *entry, evlog_parked *parked,
                 char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1])
{
    msgpack_unpacked unpacked;
    int result = EVLOG_DAMAGED;
    uint64_t seq = seq_of(entry);
    if (entry->is_sound && seq &&
        position_unpack(entry->value, entry->value_size, &unpacked) == EVLOG_OK) {
        const msgpack_object_array *array = &unpacked.data.via.array;
        if (array->size == 6 && array->ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
            array->ptr[3].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
            array->ptr[5].type == MSGPACK_OBJECT_BIN &&
            array->ptr[5].via.bin.size <= EVLOG_PARKED_ERROR_SIZE_MAX) {
            memcpy(error, array->ptr[5].via.bin.ptr, array->ptr[5].via.bin.size);
            error[array->ptr[5].via.bin.size] = '\0';
            *parked = (evlog_parked){
                .seq = seq,
                .attempt_count = (uint32_t)array->ptr[1].via.u64,
                .time_us = array->ptr[2].via.i64,
                .last_seq = array->ptr[3].via.u64,
                .is_lost = array->ptr[4].via.u64 != 0,
                .is_retry = entry->key[0] == KIND_RETRY,
                .error = error,
            };
            result = EVLOG_OK;
        }
        msgpack_unpacked_destroy(&unpacked);
    }
    if (result)
        return error_set(EVLOG_DAMAGED,
                         "state.mdb: the record of parked event %" PRIu64
                         " is not as it was written; drop it, or all",
                         seq);
    return EVLOG_OK;
}

int parked_next_retry(struct store *store, const char *name, evlog_parked *parked)
{
    struct key prefix = position_key(KIND_RETRY, name, NULL, 0);
    struct entry entry;
    size_t count;
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    int result =
        entries_read(store->state, prefix.bytes, prefix.size, NULL, 0, &entry, 1, &count);
    if (result == EVLOG_OK && count == 0)
        result = error_set(EVLOG_NOTFOUND, "no parked event waits to be retried");
    if (result)
        return result;
    result = parse(&entry, parked, error);
    parked->error = "";
    entries_free(&entry, 1);
    return result;
}

int parked_is(struct store *store, const char *name, uint64_t seq)
{
    static const int kinds[] = {KIND_PARKED, KIND_RETRY};
    for (int i = 0; i < 2; i++) {
        void *value;
        size_t size;
        struct key key = position_seq_key(kinds[i], name, seq);
        int result = entry_read(store->state, key.bytes, key.size, &value, &size);
        if (result == EVLOG_OK)
            free(value);
        if (result != EVLOG_NOTFOUND)
            return result == EVLOG_OK ? 1 : result;
    }
    return 0;
}

/* ------------------------------------------------------------- listing ---- */

/* A walk over one kind. */
struct walk {
    struct store *store;
    struct key prefix, after;
    struct entry entries[LIST_MAX];
    size_t count, at;
};

static void walk_begin(struct walk *walk, struct store *store, const char *name, int kind)
{
    walk->store = store;
    walk->prefix = walk->after = position_key(kind, name, NULL, 0);
    walk->count = walk->at = 0;
}

/* The next entry, NULL when there are no more; it lives until the next call. */
static int walk_next(struct walk *walk, const struct entry **entry)
{
    if (walk->at == walk->count) {
        entries_free(walk->entries, walk->count);
        walk->count = walk->at = 0;
        int result = entries_read(walk->store->state, walk->prefix.bytes, walk->prefix.size,
                                  walk->after.bytes, walk->after.size, walk->entries, LIST_MAX,
                                  &walk->count);
        if (result)
            return result;
    }
    *entry = walk->at < walk->count ? &walk->entries[walk->at++] : NULL;
    if (*entry) {
        walk->after.size = (*entry)->key_size;
        memcpy(walk->after.bytes, (*entry)->key, walk->after.size);
    }
    return EVLOG_OK;
}

static void walk_end(struct walk *walk)
{
    entries_free(walk->entries, walk->count);
}

static int tell(const struct entry *entry, int (*visit)(const evlog_parked *, void *), void *ctx)
{
    evlog_parked parked;
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    int result = parse(entry, &parked, error);
    return result ? result : visit(&parked, ctx);
}

/* Both kinds, merged by seq. */
static int tell_all(struct walk *parked, struct walk *retried,
                    int (*visit)(const evlog_parked *, void *), void *ctx)
{
    const struct entry *left, *right;
    int result = walk_next(parked, &left);
    if (result == EVLOG_OK)
        result = walk_next(retried, &right);
    while (result == EVLOG_OK && (left || right)) {
        int is_left = left && (!right || seq_of(left) <= seq_of(right));
        result = tell(is_left ? left : right, visit, ctx);
        if (result == EVLOG_OK)
            result = walk_next(is_left ? parked : retried, is_left ? &left : &right);
    }
    return result;
}

int evlog_each_parked(evlog *log, const char *name, int (*visit)(const evlog_parked *, void *),
                      void *ctx)
{
    struct position position;
    int result = log_enter(log);
    if (result)
        return result;
    struct walk *walks = malloc(2 * sizeof *walks);
    result = walks ? position_read(log->store, name, &position) : error_nomem();
    if (result == EVLOG_OK) {
        walk_begin(&walks[0], log->store, name, KIND_PARKED);
        walk_begin(&walks[1], log->store, name, KIND_RETRY);
        result = tell_all(&walks[0], &walks[1], visit, ctx);
        walk_end(&walks[0]);
        walk_end(&walks[1]);
    }
    free(walks);
    log_leave(log);
    return result;
}

/* -------------------------------------------------------- retry and drop ---- */

/*
 * The changes that make `p` entries `r` ones, or take them away. Others may be faster: what is no
 * longer there when they are made does not come back.
 */
static int change_one(const struct entry *entry, const char *name, int is_retry,
                      struct change ***end)
{
    evlog_parked parked;
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    struct key key = {.size = entry->key_size};
    memcpy(key.bytes, entry->key, entry->key_size);
    struct change *away = change_new(&key, NULL, 0, 0), *back = NULL;
    int result = away ? EVLOG_OK : error_nomem();
    if (result == EVLOG_OK && is_retry)
        result = parse(entry, &parked, error);
    if (result == EVLOG_OK && is_retry && !(back = parked_new(name, KIND_RETRY, &parked, 0)))
        result = error_nomem();
    if (result) {
        free(away);
        return result;
    }
    **end = away;
    away->next = back;
    if (back)
        back->is_instead = 1;
    *end = back ? &back->next : &away->next;
    return EVLOG_OK;
}

/* Some entries of a kind, from `after` on, which moves; `*listed` 0: there are no more. */
static int change_some(evlog *log, const char *name, int kind, int is_retry, struct key *after,
                       size_t *listed)
{
    struct entry entries[LIST_MAX];
    struct key prefix = position_key(kind, name, NULL, 0);
    struct change *changes = NULL, **end = &changes;
    int result = entries_read(log->store->state, prefix.bytes, prefix.size, after->bytes,
                              after->size, entries, LIST_MAX, listed);
    if (result)
        return result;
    for (size_t i = 0; i < *listed && result == EVLOG_OK; i++) {
        result = change_one(&entries[i], name, is_retry, &end);
        after->size = entries[i].key_size;
        memcpy(after->bytes, entries[i].key, after->size);
    }
    entries_free(entries, *listed);
    if (result == EVLOG_OK && changes)
        result = position_write(log->store, name, NULL, NULL, changes, NULL);
    changes_free(changes);
    return result;
}

static int change_all(evlog *log, const char *name, int kind, int is_retry, uint64_t *count)
{
    struct key after = position_key(kind, name, NULL, 0);
    size_t listed = 1;
    int result = EVLOG_OK;
    while (result == EVLOG_OK && listed > 0) {
        result = change_some(log, name, kind, is_retry, &after, &listed);
        *count += result == EVLOG_OK ? listed : 0;
    }
    return result;
}

static int change_seq(evlog *log, const char *name, int kind, int is_retry, uint64_t seq,
                      uint64_t *count)
{
    struct entry entry;
    struct change *changes = NULL, **end = &changes;
    struct key key = position_seq_key(kind, name, seq);
    size_t listed;
    int result =
        entries_read(log->store->state, key.bytes, key.size, NULL, 0, &entry, 1, &listed);
    if (result || listed == 0)
        return result;
    result = change_one(&entry, name, is_retry, &end);
    entries_free(&entry, 1);
    if (result == EVLOG_OK)
        result = position_write(log->store, name, NULL, NULL, changes, NULL);
    changes_free(changes);
    *count += result == EVLOG_OK;
    return result;
}

/*
 * For seq 0 all. Those that wait already to be retried can be dropped, and not be retried
 * twice.
 */
static int change(evlog *log, const char *name, int is_retry, uint64_t seq, uint64_t *count)
{
    struct position position;
    uint64_t changed = 0;
    int result = position_read(log->store, name, &position);
    if (result == EVLOG_OK && log->store->read_only)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    for (int kind = KIND_PARKED; result == EVLOG_OK && kind;
         kind = kind == KIND_PARKED && !is_retry ? KIND_RETRY : 0)
        result = seq ? change_seq(log, name, kind, is_retry, seq, &changed)
                     : change_all(log, name, kind, is_retry, &changed);
    if (result == EVLOG_OK && seq && !changed)
        result = error_set(EVLOG_NOTFOUND, "consumer %s: event %" PRIu64 " is not parked%s", name,
                           seq, is_retry ? ", or waits to be retried" : "");
    if (result == EVLOG_OK && count)
        *count = changed;
    shared_wake(log->store->shared);
    return result;
}

int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = change(log, name, 1, seq, count);
    log_leave(log);
    return result;
}

int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = change(log, name, 0, seq, count);
    log_leave(log);
    return result;
}
