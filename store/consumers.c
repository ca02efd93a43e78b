/*
 * Consumers in state.mdb: reading, listing and changing them. (consumer_entries.c has the bytes.)
 *
 * 1. One write transaction changes a consumer's place and all that goes with it: what was parked,
 *    what was retried, the state its events made. So after any crash these agree.
 * 2. Only the process that has claimed the consumer (presence.c) moves its checkpoint and changes
 *    its state; it checks in the transaction that the entry is still as it wrote it. Any process
 *    may pause it, and retry or drop what is parked: so the entry is read again in each
 *    transaction, and only what is meant is changed in it.
 * 3. The counts in the entry are those of its `p` and `r`, `r` and `v` entries.
 *
 * Such a commit is flushed but for its meta page: a power cut may undo the last one, whole, and
 * then some events come again. Creating, resetting and removing a consumer are flushed in full.
 *
 * Cost: some pages' writes and a flush. Lists of consumers are read through; there are at most
 * EVLOG_CONSUMERS_MAX.
 */
#include "consumers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"
#include "flusher.h"
#include "store.h"

_Static_assert(EVLOG_CONSUMERS_MAX <= SHARED_SLOTS, "each consumer has a slot");

static const struct entry_key all_consumers = {.size = 1, .bytes = {ENTRY_CONSUMER}};

/* ------------------------------------------------------------- reading ---- */

/* Reads an entry `c`. */
static int read_entry(struct store *store, enum env_state state, const char *name,
                      struct consumer_entry *entry)
{
    struct entry_key key = consumer_key(ENTRY_CONSUMER, name);
    struct entry packed;
    int result = entry_read(store->state, state, key.bytes, key.size, &packed);
    if (result == EVLOG_NOTFOUND)
        return error_set(result, "%s: no consumer %s", store->path, name);
    if (result)
        return result == EVLOG_DAMAGED ? error_prefix(result, "consumer %s", name) : result;
    result = consumer_unpack(name, &packed, entry);
    free(packed.value);
    return result;
}

int consumers_read_base(struct store *store, const char *name, struct consumer_entry *entry)
{
    return read_entry(store, ENV_BASE, name, entry);
}

int consumers_read(struct store *store, const char *name, struct consumer_entry *entry)
{
    char member[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    int result = consumer_name_check(name);
    if (result == EVLOG_OK)
        result = read_entry(store, ENV_NEWEST, name, entry);
    if (result != EVLOG_NOTFOUND)
        return result;
    result = members_find(store, ENV_NEWEST, name, member);
    if (result == EVLOG_OK && *member)
        return error_set(EVLOG_NOTFOUND,
                         "%s: no consumer %s, it is a group: name one of its consumers, as %s",
                         store->path, name, member);
    return result ? result : error_set(EVLOG_NOTFOUND, "%s: no consumer %s", store->path, name);
}

int consumers_read_types(struct store *store, const char *name, char ***types, size_t *count)
{
    struct entry_key key = consumer_key(ENTRY_FILTER, name);
    struct entry entry;
    *types = NULL;
    *count = 0;
    int result = entry_read(store->state, ENV_NEWEST, key.bytes, key.size, &entry);
    if (result == EVLOG_NOTFOUND)
        return EVLOG_OK;
    if (result == EVLOG_DAMAGED)
        return error_prefix(result, "consumer %s: its filter", name);
    if (result)
        return result;
    result = consumer_unpack_filter(name, &entry, types, count);
    free(entry.value);
    return result;
}

int consumers_read_state(struct store *store, const struct entry_key *key, struct change **put)
{
    struct entry entry;
    const void *value;
    size_t size;
    int result = entry_read(store->state, ENV_NEWEST, key->bytes, key->size, &entry);
    if (result)
        return result;
    result = consumer_unpack_state(&entry, &value, &size);
    struct change *change = result ? NULL : change_put_state(key, value, size);
    free(entry.value);
    if (!change)
        return result ? result : error_nomem();
    *put = change;
    return EVLOG_OK;
}

/* The first entry of a kind after `after_seq`; NULL: none. It lives until entry_walk_end. */
static int walk_to(struct entry_walk *walk, struct store *store, const char *name,
                   enum entry_kind kind, uint64_t after_seq, const struct entry **entry)
{
    struct entry_key prefix = consumer_key(kind, name);
    struct entry_key after = consumer_seq_key(kind, name, after_seq);
    entry_walk_begin(walk, store->state, ENV_NEWEST, &prefix, &after);
    return entry_walk_next(walk, entry);
}

int consumers_next_retry(struct store *store, const char *name, uint64_t after_seq,
                         evlog_parked *parked)
{
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    struct entry_walk walk;
    const struct entry *entry;
    int result = walk_to(&walk, store, name, ENTRY_RETRY, after_seq, &entry);
    if (result == EVLOG_OK)
        result = entry ? consumer_unpack_parked(name, entry, parked, error)
                       : error_set(EVLOG_NOTFOUND,
                                   "consumer %s: no parked event is to be retried", name);
    if (result == EVLOG_OK)
        parked->error = "";
    entry_walk_end(&walk);
    return result;
}

int consumers_next_parked(struct store *store, const char *name, uint64_t after_seq,
                          uint64_t *seq)
{
    static const enum entry_kind kinds[] = {ENTRY_PARKED, ENTRY_RETRY};
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        struct entry_walk walk;
        const struct entry *entry;
        int result = walk_to(&walk, store, name, kinds[i], after_seq, &entry);
        if (result == EVLOG_OK && entry && consumer_key_seq(entry) < first)
            first = consumer_key_seq(entry);
        entry_walk_end(&walk);
        if (result)
            return result;
    }
    *seq = first;
    return EVLOG_OK;
}

/* ------------------------------------------------------------- listing ---- */

/* Notes EVLOG_DAMAGED, the first in a list, and lets the list go on. */
static int pass_over(char damage[ERROR_SIZE], int result)
{
    if (result != EVLOG_DAMAGED)
        return result;
    if (!damage[0])
        snprintf(damage, ERROR_SIZE, "%s", evlog_errmsg());
    return EVLOG_OK;
}

static int end_list(const char *damage, int result)
{
    return result || !damage[0] ? result : error_set(EVLOG_DAMAGED, "%s", damage);
}

int consumers_each(struct store *store,
                   int (*visit)(const char *name, const struct consumer_entry *entry,
                                const char *const *types, size_t type_count, void *ctx),
                   void *ctx)
{
    char damage[ERROR_SIZE] = "";
    struct entry_walk walk;
    const struct entry *listed;
    int result;
    entry_walk_begin(&walk, store->state, ENV_NEWEST, &all_consumers, NULL);
    while ((result = entry_walk_next(&walk, &listed)) == EVLOG_OK && listed) {
        char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
        struct consumer_entry entry;
        char **types = NULL;
        size_t count = 0;
        int read = consumer_entry_name(listed, name);
        if (read == EVLOG_OK)
            read = consumer_unpack(name, listed, &entry);
        if (read == EVLOG_OK)
            read = consumers_read_types(store, name, &types, &count);
        result = read ? pass_over(damage, read)
                      : visit(name, &entry, (const char *const *)types, count, ctx);
        free(types);
        if (result)
            break;
    }
    entry_walk_end(&walk);
    return end_list(damage, result);
}

/* Both kinds, merged by seq. */
static int merge_parked(struct entry_walk walks[2], const char *name, char damage[ERROR_SIZE],
                        int (*visit)(const evlog_parked *, void *), void *ctx)
{
    const struct entry *next[2];
    int result = entry_walk_next(&walks[0], &next[0]);
    if (result == EVLOG_OK)
        result = entry_walk_next(&walks[1], &next[1]);
    while (result == EVLOG_OK && (next[0] || next[1])) {
        char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
        evlog_parked parked;
        int i = !next[0] || (next[1] && consumer_key_seq(next[1]) < consumer_key_seq(next[0]));
        int read = consumer_unpack_parked(name, next[i], &parked, error);
        result = read ? pass_over(damage, read) : visit(&parked, ctx);
        if (result == EVLOG_OK)
            result = entry_walk_next(&walks[i], &next[i]);
    }
    return result;
}

int consumers_each_parked(struct store *store, const char *name,
                          int (*visit)(const evlog_parked *parked, void *ctx), void *ctx)
{
    struct consumer_entry entry;
    char damage[ERROR_SIZE] = "";
    struct entry_walk walks[2];
    int result = consumers_read(store, name, &entry);
    if (result)
        return result;
    for (int i = 0; i < 2; i++) {
        struct entry_key prefix = consumer_key(i ? ENTRY_RETRY : ENTRY_PARKED, name);
        entry_walk_begin(&walks[i], store->state, ENV_NEWEST, &prefix, NULL);
    }
    result = merge_parked(walks, name, damage, visit, ctx);
    entry_walk_end(&walks[0]);
    entry_walk_end(&walks[1]);
    return end_list(damage, result);
}

int consumers_each_state(struct store *store, const char *name,
                         int (*visit)(const void *, size_t, const void *, size_t, void *),
                         void *ctx)
{
    struct entry_key prefix = consumer_key(ENTRY_STATE, name);
    struct consumer_entry consumer;
    char damage[ERROR_SIZE] = "";
    struct entry_walk walk;
    const struct entry *entry;
    const void *value;
    size_t size;
    int result = consumers_read(store, name, &consumer);
    if (result)
        return result;
    entry_walk_begin(&walk, store->state, ENV_NEWEST, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        int read = consumer_unpack_state(entry, &value, &size);
        result = read ? pass_over(damage, read)
                      : visit(entry->key + prefix.size, entry->key_size - prefix.size, value,
                              size, ctx);
        if (result)
            break;
    }
    entry_walk_end(&walk);
    return end_list(damage, result);
}

/* ----------------------------------------------------------- verifying ---- */

/* How many entries of a kind a consumer has. */
static int count_entries(struct store *store, enum entry_kind kind, const char *name,
                         uint64_t *count)
{
    struct entry_key prefix = consumer_key(kind, name);
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    *count = 0;
    entry_walk_begin(&walk, store->state, ENV_NEWEST, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry)
        ++*count;
    entry_walk_end(&walk);
    return result;
}

int consumers_check_counts(struct store *store, const char *name)
{
    static const enum entry_kind kinds[] = {ENTRY_PARKED, ENTRY_RETRY, ENTRY_STATE};
    struct consumer_entry before, after;
    uint64_t counts[3];
    int result = consumers_read(store, name, &before);
    for (int i = 0; i < 3 && result == EVLOG_OK; i++)
        result = count_entries(store, kinds[i], name, &counts[i]);
    if (result == EVLOG_OK)
        result = consumers_read(store, name, &after);
    if (result || after.updated_us != before.updated_us)
        return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
    if (after.parked_count == counts[0] + counts[1] && after.retry_count == counts[1] &&
        after.state_count == counts[2])
        return EVLOG_OK;
    return error_set(EVLOG_DAMAGED,
                     "state.mdb: consumer %s: it counts %" PRIu64 " parked events, %" PRIu64
                     " to be retried and %" PRIu64 " values, and has %" PRIu64 ", %" PRIu64
                     " and %" PRIu64,
                     name, after.parked_count, after.retry_count, after.state_count,
                     counts[0] + counts[1], counts[1], counts[2]);
}

int consumers_check_owner(struct store *store, const char *name, const struct entry *entry)
{
    struct consumer_entry owner;
    struct entry now = {.value = NULL};
    int result = consumers_read(store, name, &owner);
    if (result != EVLOG_NOTFOUND)
        return result == EVLOG_DAMAGED ? EVLOG_OK : result;
    result = entry_read(store->state, ENV_NEWEST, entry->key, entry->key_size, &now);
    free(now.value);
    if (result == EVLOG_NOTFOUND) /* both were removed meanwhile */
        return EVLOG_OK;
    return error_set(EVLOG_DAMAGED,
                     "state.mdb: an entry of kind '%c' is of consumer %s, which does not exist",
                     entry->key[0], name);
}

/* -------------------------------------------------- in the transaction ---- */

/* One of the changing calls. */
struct writing {
    struct store *store;
    const char *name;
    consumers_edit *edit;
    void *ctx;
    int (*change)(struct env *env, struct writing *writing); /* what goes with the entry */
    const struct change *changes;
    const struct consumer_entry *fresh; /* consumers_create: the entry it is made with */
    struct consumer_entry entry;        /* as it was, then as it is to be */
    bool is_new;                        /* consumers_create: there was none */
    uint64_t seq;                       /* what is to be retried or dropped; 0: all */
    bool is_retry;
    uint64_t removed_count;
};

static int read_base(struct writing *writing)
{
    return consumers_read_base(writing->store, writing->name, &writing->entry);
}

/* The last event that the entries to be written are about. */
static uint64_t last_seq_of(const struct writing *writing)
{
    const struct consumer_entry *entry = &writing->entry;
    uint64_t last =
        entry->checkpoint > entry->replay_last_seq ? entry->checkpoint : entry->replay_last_seq;
    for (const struct change *change = writing->changes; change; change = change->next) {
        struct entry parked = {.key = change->key, .key_size = change->key_size};
        bool is_parked = change->key[0] == ENTRY_PARKED || change->key[0] == ENTRY_RETRY;
        uint64_t seq = change->value && is_parked ? consumer_key_seq(&parked) : 0;
        last = seq > last ? seq : last;
    }
    return last;
}

/*
 * A consumer is not ahead of what survives a power cut: a fast log is flushed up to the last event
 * that it is about. (A durable one is so always.)
 */
static int put_entry(struct env *env, struct writing *writing)
{
    unsigned char value[CONSUMER_ENTRY_SIZE_MAX];
    struct entry_key key = consumer_key(ENTRY_CONSUMER, writing->name);
    struct store *store = writing->store;
    int result = EVLOG_OK;
    if (store->format.durability == EVLOG_FAST)
        result = flusher_flush_upto(store->flusher, last_seq_of(writing));
    if (result)
        return result;
    writing->entry.updated_us = clock_wall_us();
    size_t size = consumer_pack(&writing->entry, value);
    return entry_put(env, key.bytes, key.size, value, size, NULL);
}

/* Edits the entry as it is now, and makes the changes that go with it. */
static int fill(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    writing->removed_count = 0;
    int result = read_base(writing);
    if (result == EVLOG_OK && writing->edit)
        result = writing->edit(&writing->entry, writing->ctx);
    if (result == EVLOG_OK)
        result = writing->change(env, writing);
    return result ? result : put_entry(env, writing);
}

/* Not below 0: a consumer that was lost and made anew has entries that it does not count; verify reports them. */
static void add(uint64_t *count, int more)
{
    if (more > 0 || *count > 0)
        *count += (uint64_t)(int64_t)more;
}

/* One more entry of a kind, or, with -1, one less. */
static void count(struct consumer_entry *entry, int kind, int more)
{
    if (kind == ENTRY_PARKED || kind == ENTRY_RETRY)
        add(&entry->parked_count, more);
    if (kind == ENTRY_RETRY)
        add(&entry->retry_count, more);
    if (kind == ENTRY_STATE)
        add(&entry->state_count, more);
}

/* Removes an entry, if it is there. */
static int take_away(struct env *env, struct writing *writing, const unsigned char *key,
                     size_t key_size)
{
    int result = env_delete(env, key, key_size);
    if (result == EVLOG_OK)
        count(&writing->entry, key[0], -1);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int make_change(struct env *env, struct writing *writing, const struct change *change)
{
    bool is_new = false;
    if (!change->value)
        return take_away(env, writing, change->key, change->key_size);
    int result =
        entry_put(env, change->key, change->key_size, change->value, change->value_size, &is_new);
    if (result == EVLOG_OK && is_new)
        count(&writing->entry, change->key[0], 1);
    return result;
}

static int make_changes(struct env *env, struct writing *writing)
{
    struct consumer_entry before = writing->entry;
    const struct consumer_entry *after = &writing->entry;
    int result = EVLOG_OK;
    for (const struct change *change = writing->changes; change && result == EVLOG_OK;
         change = change->next)
        if (!change->is_superseded)
            result = make_change(env, writing, change);
    if (result)
        return result;
    if (after->parked_count > EVLOG_PARKED_MAX && after->parked_count > before.parked_count)
        return error_set(EVLOG_LIMIT, "consumer %s: %d events are parked, the most there can be",
                         writing->name, EVLOG_PARKED_MAX);
    if (after->state_count > EVLOG_STATE_COUNT_MAX && after->state_count > before.state_count)
        return error_set(EVLOG_LIMIT, "consumer %s: its state has %d keys, the most there can be",
                         writing->name, EVLOG_STATE_COUNT_MAX);
    return EVLOG_OK;
}

int consumers_write(struct store *store, const char *name, consumers_edit *edit, void *ctx,
                    const struct change *changes, struct consumer_entry *entry)
{
    struct writing writing = {.store = store,
                              .name = name,
                              .edit = edit,
                              .ctx = ctx,
                              .change = make_changes,
                              .changes = changes};
    int result =
        env_write(store->state, ENV_FLUSH_BUT_LAST, changes_size(changes), fill, &writing);
    if (result == EVLOG_OK && entry)
        *entry = writing.entry;
    return result;
}

/* ------------------------------------------------------------ creating ---- */

/* The slots that no consumer has, in turn. */
struct slots {
    bool taken[SHARED_SLOTS];
    unsigned next;
};

static int find_slots(struct env *env, struct slots *slots)
{
    struct entry_walk walk;
    const struct entry *listed;
    struct consumer_entry other;
    int result;
    *slots = (struct slots){.next = 0};
    entry_walk_begin(&walk, env, ENV_BASE, &all_consumers, NULL);
    while ((result = entry_walk_next(&walk, &listed)) == EVLOG_OK && listed)
        if (consumer_unpack("", listed, &other) == EVLOG_OK)
            slots->taken[other.slot] = true;
    entry_walk_end(&walk);
    return result;
}

static int take_slot(struct slots *slots, struct writing *writing)
{
    while (slots->next < EVLOG_CONSUMERS_MAX && slots->taken[slots->next])
        slots->next++;
    if (slots->next == EVLOG_CONSUMERS_MAX)
        return error_set(EVLOG_LIMIT, "%s: it has %d consumers, the most there can be",
                         writing->store->path, EVLOG_CONSUMERS_MAX);
    writing->entry.slot = slots->next++;
    return EVLOG_OK;
}

/* Puts a consumer that is not there, with its changes. */
static int put_fresh(struct env *env, struct writing *writing, struct slots *slots)
{
    writing->entry = *writing->fresh;
    writing->entry.created_us = clock_wall_us();
    int result = take_slot(slots, writing);
    if (result == EVLOG_OK)
        result = make_changes(env, writing);
    return result ? result : put_entry(env, writing);
}

static int fill_create(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    struct slots slots;
    char member[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    int result = read_base(writing);
    writing->is_new = result == EVLOG_NOTFOUND;
    if (result != EVLOG_NOTFOUND)
        return result;
    result = members_find(writing->store, ENV_BASE, writing->name, member);
    if (result == EVLOG_OK && *member)
        return error_set(EVLOG_CONFLICT,
                         "%s: %s is a group of consumers: say which of its workers this is, or "
                         "take another name",
                         writing->store->path, writing->name);
    if (result == EVLOG_OK)
        result = find_slots(env, &slots);
    return result ? result : put_fresh(env, writing, &slots);
}

int consumers_put_new(struct env *env, struct store *store, const char *const *names,
                      size_t count, const struct change *changes,
                      const struct consumer_entry *entry)
{
    struct slots slots;
    int result = find_slots(env, &slots);
    for (size_t i = 0; i < count && result == EVLOG_OK; i++) {
        struct writing writing = {
            .store = store, .name = names[i], .changes = i ? NULL : changes, .fresh = entry};
        result = put_fresh(env, &writing, &slots);
    }
    return result;
}

int consumers_create(struct store *store, const char *name, const struct change *changes,
                     struct consumer_entry *entry, bool *is_new)
{
    struct writing writing = {.store = store, .name = name, .changes = changes, .fresh = entry};
    int result =
        env_write(store->state, ENV_FLUSH_ALL, changes_size(changes), fill_create, &writing);
    if (result == EVLOG_OK) {
        *entry = writing.entry;
        *is_new = writing.is_new;
    }
    return result;
}

/* ------------------------------------------------ removing, resetting ---- */

/* Puts a parked event's entry as one to be retried: its value is the same but for the checksum. */
static int retry(struct env *env, struct writing *writing, const struct entry *entry)
{
    struct entry_key key = consumer_seq_key(ENTRY_RETRY, writing->name, consumer_key_seq(entry));
    struct change change = {.key = key.bytes,
                            .key_size = key.size,
                            .value = entry->value,
                            .value_size = entry->value_size};
    int result = consumer_entry_check(writing->name, entry);
    if (result)
        return result;
    return make_change(env, writing, &change);
}

/*
 * Removes the entries of a kind that there were when the transaction began: those after a seq, that
 * of `writing->seq`, or all. With `is_retry` they are put again, to be retried.
 */
static int clear(struct env *env, struct writing *writing, enum entry_kind kind,
                 uint64_t after_seq)
{
    struct entry_key prefix = consumer_key(kind, writing->name);
    struct entry_key after = consumer_seq_key(kind, writing->name, after_seq);
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    if (writing->seq)
        prefix = consumer_seq_key(kind, writing->name, writing->seq);
    entry_walk_begin(&walk, env, ENV_BASE, &prefix, after_seq ? &after : NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        if (writing->is_retry)
            result = retry(env, writing, entry);
        if (result == EVLOG_OK)
            result = take_away(env, writing, entry->key, entry->key_size);
        if (result)
            break;
        writing->removed_count++;
    }
    entry_walk_end(&walk);
    return result;
}

/* Removes the state, and what is parked after a seq. */
static int clear_all(struct env *env, struct writing *writing, uint64_t after_seq)
{
    int result = clear(env, writing, ENTRY_STATE, 0);
    if (result == EVLOG_OK)
        result = clear(env, writing, ENTRY_PARKED, after_seq);
    return result ? result : clear(env, writing, ENTRY_RETRY, after_seq);
}

static int reset(struct env *env, struct writing *writing)
{
    return clear_all(env, writing, writing->entry.checkpoint);
}

/* What is done with several consumers, in one transaction. */
struct several {
    const struct writing *each; /* but for the name */
    const char *const *names;
    size_t count;
    int (*fill)(struct env *env, void *ctx);
};

static int fill_several(struct env *env, void *ctx)
{
    const struct several *several = ctx;
    int result = EVLOG_OK;
    for (size_t i = 0; i < several->count && result == EVLOG_OK; i++) {
        struct writing writing = *several->each;
        writing.name = several->names[i];
        result = several->fill(env, &writing);
    }
    return result;
}

static int write_several(struct store *store, const struct several *several)
{
    return env_write(store->state, ENV_FLUSH_ALL, 512 * several->count, fill_several,
                     (void *)several);
}

int consumers_reset(struct store *store, const char *const *names, size_t count,
                    consumers_edit *edit, void *ctx)
{
    struct writing each = {.store = store, .edit = edit, .ctx = ctx, .change = reset};
    return write_several(store, &(struct several){&each, names, count, fill});
}

static int fill_remove(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    struct entry_key filter = consumer_key(ENTRY_FILTER, writing->name);
    struct entry_key key = consumer_key(ENTRY_CONSUMER, writing->name);
    int result = read_base(writing);
    if (result && result != EVLOG_DAMAGED)
        return result;
    result = clear_all(env, writing, 0);
    if (result == EVLOG_OK)
        result = take_away(env, writing, filter.bytes, filter.size);
    return result ? result : env_delete(env, key.bytes, key.size);
}

int consumers_take_away(struct env *env, struct store *store, const char *name)
{
    struct writing writing = {.store = store, .name = name};
    return fill_remove(env, &writing);
}

int consumers_remove(struct store *store, const char *const *names, size_t count)
{
    struct writing each = {.store = store};
    return write_several(store, &(struct several){&each, names, count, fill_remove});
}

/* ------------------------------------------------------- parked events ---- */

/* The event of the seq, or all. What is already to be retried is not retried twice. */
static int change_parked(struct env *env, struct writing *writing)
{
    int result = clear(env, writing, ENTRY_PARKED, 0);
    if (result == EVLOG_OK && !writing->is_retry)
        result = clear(env, writing, ENTRY_RETRY, 0);
    if (result == EVLOG_OK && writing->seq && writing->removed_count == 0)
        return error_set(EVLOG_NOTFOUND, "consumer %s: event %" PRIu64 " is not parked%s",
                         writing->name, writing->seq,
                         writing->is_retry ? ", or waits to be retried already" : "");
    return result;
}

int consumers_change_parked(struct store *store, const char *name, uint64_t seq, bool is_retry,
                            uint64_t *count)
{
    struct writing writing = {
        .store = store, .name = name, .change = change_parked, .seq = seq, .is_retry = is_retry};
    int result = consumer_name_check(name);
    if (result == EVLOG_OK)
        result = env_write(store->state, ENV_FLUSH_BUT_LAST, 2048, fill, &writing);
    if (result == EVLOG_OK)
        *count = writing.removed_count;
    return result;
}
