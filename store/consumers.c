/*
 * The lasting side of a consumer, in state.mdb.
 *
 *   c name            its place:
 *                     [sum, slot, paused, created_us, updated_us, checkpoint, chain,
 *                      replay_last_seq, [done, refused, skipped], [parked, retry, state]]
 *   f name NUL        [sum, [event types]]: which it wants; absent: every one
 *   p name NUL seq    [sum, attempts, time_us, last_seq, is_lost, error]: parked; seq of 8 bytes
 *   r name NUL seq    the same: parked, and to be retried
 *   v name NUL key    [sum, value]: its state, value bin
 *
 * 1. One write transaction changes a consumer's place and all that goes with it: what was parked,
 *    what was retried, the state its events made. So after any crash these agree.
 * 2. Who has the consumer (store/shared.c) alone moves its checkpoint and its state. Anybody
 *    may pause it and mark parked events: so the entry is read again in each transaction, and
 *    only what is one's own is changed in it.
 * 3. The counts in the entry are those of its `p` and `r`, `r` and `v` entries.
 *
 * Such a commit is flushed but for its meta page: a power cut may undo the last one, whole, and
 * then some events come again. What a person does on the command line is not worth more.
 *
 * Cost: some pages' writes and a flush. Lists of consumers are read through; there are at most
 * EVLOG_CONSUMERS_MAX.
 */
#include "consumers.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "pack.h"
#include "record.h"
#include "store.h"

#define LIST_MAX 256

_Static_assert(1 + EVLOG_CONSUMER_NAME_SIZE_MAX + 1 + EVLOG_STATE_KEY_SIZE_MAX <=
                   ENTRY_KEY_SIZE_MAX,
               "the longest key fits");
_Static_assert(EVLOG_CONSUMERS_MAX <= SHARED_SLOTS, "each consumer has a slot");

/* ---------------------------------------------------------------- keys ---- */

struct key position_key(int kind, const char *name, const void *more, size_t more_size)
{
    struct key key;
    size_t name_size = strlen(name);
    key.bytes[0] = (unsigned char)kind;
    memcpy(key.bytes + 1, name, name_size);
    key.size = 1 + name_size;
    if (kind != KIND_CONSUMER)
        key.bytes[key.size++] = '\0';
    if (more_size)
        memcpy(key.bytes + key.size, more, more_size);
    key.size += more_size;
    return key;
}

struct key position_seq_key(int kind, const char *name, uint64_t seq)
{
    unsigned char bytes[8];
    record_store64(bytes, seq);
    return position_key(kind, name, bytes, sizeof bytes);
}

int position_check_name(const char *name)
{
    size_t size = name ? strlen(name) : 0;
    if (size == 0 || size > EVLOG_CONSUMER_NAME_SIZE_MAX || !pack_is_utf8(name, size))
        return error_set(EVLOG_INVALID, "a consumer's name is 1 to %d bytes of UTF-8",
                         EVLOG_CONSUMER_NAME_SIZE_MAX);
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c <= ' ' || *c == 0x7f || *c == '*')
            return error_set(
                EVLOG_INVALID,
                "a consumer's name has no blanks, control characters or '*': byte %td is 0x%02x",
                c - (const unsigned char *)name, *c);
    return EVLOG_OK;
}

/* ------------------------------------------------------------- changes ---- */

struct change *change_reserve(const struct key *key, size_t size_max, uint64_t tag)
{
    struct change *change = malloc(sizeof *change + key->size + size_max);
    if (!change)
        return NULL;
    *change = (struct change){.key_size = key->size, .tag = tag};
    change->key = memcpy(change + 1, key->bytes, key->size);
    change->value = change->key + key->size;
    return change;
}

void change_seal(struct change *change, size_t value_size)
{
    change->value_size = value_size;
    entry_seal(change->key, change->key_size, change->value, value_size);
}

struct change *change_new(const struct key *key, const void *value, size_t value_size,
                          uint64_t tag)
{
    struct change *change = change_reserve(key, value_size, tag);
    if (!change)
        return NULL;
    if (value) {
        memcpy(change->value, value, value_size);
        change_seal(change, value_size);
    } else {
        change->value = NULL;
    }
    return change;
}

void changes_free(struct change *changes)
{
    while (changes) {
        struct change *next = changes->next;
        free(changes);
        changes = next;
    }
}

/* --------------------------------------------------------- the entry `c` ---- */

/* 0, or -1: no memory. (A buffer that could not grow has lost a piece, so each is asked.) */
static int pack(const struct position *position, msgpack_sbuffer *buffer)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_array(&packer, 10);
    failed |= msgpack_pack_fix_uint64(&packer, 0);
    failed |= msgpack_pack_uint32(&packer, position->slot);
    failed |= msgpack_pack_int(&packer, position->is_paused);
    failed |= msgpack_pack_int64(&packer, position->created_us);
    failed |= msgpack_pack_int64(&packer, position->updated_us);
    failed |= msgpack_pack_uint64(&packer, position->checkpoint);
    failed |= msgpack_pack_uint64(&packer, position->chain);
    failed |= msgpack_pack_uint64(&packer, position->replay_last_seq);
    failed |= msgpack_pack_array(&packer, 3);
    failed |= msgpack_pack_uint64(&packer, position->done_count);
    failed |= msgpack_pack_uint64(&packer, position->refused_count);
    failed |= msgpack_pack_uint64(&packer, position->skipped_count);
    failed |= msgpack_pack_array(&packer, 3);
    failed |= msgpack_pack_uint64(&packer, position->parked_count);
    failed |= msgpack_pack_uint64(&packer, position->retry_count);
    failed |= msgpack_pack_uint64(&packer, position->state_count);
    return failed;
}

static int is_array(const msgpack_object *object, uint32_t size)
{
    return object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == size;
}

static int are_integers(const msgpack_object *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
            items[i].type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
            return 0;
    return 1;
}

static int take_position(const msgpack_object *object, struct position *position)
{
    const msgpack_object *items = object->via.array.ptr;
    if (!is_array(object, 10) || !are_integers(items + 1, 7) || !is_array(&items[8], 3) ||
        !is_array(&items[9], 3) || !are_integers(items[8].via.array.ptr, 3) ||
        !are_integers(items[9].via.array.ptr, 3) || items[1].via.u64 >= SHARED_SLOTS)
        return -1;
    const msgpack_object *events = items[8].via.array.ptr, *entries = items[9].via.array.ptr;
    *position = (struct position){
        .slot = (uint32_t)items[1].via.u64,
        .is_paused = items[2].via.u64 != 0,
        .created_us = items[3].via.i64,
        .updated_us = items[4].via.i64,
        .checkpoint = items[5].via.u64,
        .chain = items[6].via.u64,
        .replay_last_seq = items[7].via.u64,
        .done_count = events[0].via.u64,
        .refused_count = events[1].via.u64,
        .skipped_count = events[2].via.u64,
        .parked_count = entries[0].via.u64,
        .retry_count = entries[1].via.u64,
        .state_count = entries[2].via.u64,
    };
    return 0;
}

int position_unpack(const void *value, size_t size, void *unpacked)
{
    size_t used = 0;
    msgpack_unpacked_init(unpacked);
    if (msgpack_unpack_next(unpacked, value, size, &used) == MSGPACK_UNPACK_SUCCESS)
        return EVLOG_OK;
    return error_nomem(); /* it is well formed: entry_is_sound has looked */
}

static int parse(const char *name, const void *value, size_t size, struct position *position)
{
    msgpack_unpacked unpacked;
    int result = position_unpack(value, size, &unpacked);
    if (result == EVLOG_OK && take_position(&unpacked.data, position))
        result =
            error_set(EVLOG_DAMAGED, "state.mdb: consumer %s is not as it was written", name);
    msgpack_unpacked_destroy(&unpacked);
    return result;
}

/* What `result` of reading an entry means for a consumer. */
static int no_such(int result, const struct store *store, const char *name)
{
    if (result != EVLOG_NOTFOUND)
        return result;
    return error_set(result, "%s: no consumer %s", store->path, name);
}

int position_read(struct store *store, const char *name, struct position *position)
{
    void *value;
    size_t size;
    int result = position_check_name(name);
    if (result)
        return result;
    struct key key = position_key(KIND_CONSUMER, name, NULL, 0);
    result = entry_read(store->state, key.bytes, key.size, &value, &size);
    if (result)
        return no_such(result, store, name);
    result = parse(name, value, size, position);
    free(value);
    return result;
}

/* -------------------------------------------------- in the transaction ---- */

/* One position_write, position_create or position_clear. */
struct writing {
    struct store *store;
    const char *name;
    int (*edit)(struct position *, void *);
    void *ctx;
    const struct change *changes;
    struct position position; /* as it was, then as it is to be */
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int read_base(struct env *env, struct writing *writing)
{
    void *value;
    size_t size;
    struct key key = position_key(KIND_CONSUMER, writing->name, NULL, 0);
    int result = entry_read_base(env, key.bytes, key.size, &value, &size);
    if (result)
        return no_such(result, writing->store, writing->name);
    result = parse(writing->name, value, size, &writing->position);
    free(value);
    return result;
}

static int put_position(struct env *env, const struct writing *writing)
{
    msgpack_sbuffer buffer;
    struct key key = position_key(KIND_CONSUMER, writing->name, NULL, 0);
    msgpack_sbuffer_init(&buffer);
    int result = pack(&writing->position, &buffer) ? error_nomem() : EVLOG_OK;
    if (result == EVLOG_OK) {
        entry_seal(key.bytes, key.size, buffer.data, buffer.size);
        result = env_put(env, key.bytes, key.size, buffer.data, buffer.size, NULL);
    }
    msgpack_sbuffer_destroy(&buffer);
    return result;
}

static void count(struct position *position, int kind, int64_t more)
{
    if (kind == KIND_PARKED || kind == KIND_RETRY)
        position->parked_count += (uint64_t)more;
    if (kind == KIND_RETRY)
        position->retry_count += (uint64_t)more;
    if (kind == KIND_STATE)
        position->state_count += (uint64_t)more;
}

/* `*has_removed`: the change before took an entry away; then, whether this one did. */
static int make_change(struct env *env, struct writing *writing, const struct change *change,
                       int *has_removed)
{
    int is_new = 0, result;
    int is_needless = change->is_superseded || (change->is_instead && !*has_removed);
    *has_removed = 0;
    if (is_needless)
        return EVLOG_OK;
    if (change->value) {
        result = env_put(env, change->key, change->key_size, change->value, change->value_size,
                         &is_new);
        if (result == EVLOG_OK && is_new)
            count(&writing->position, change->key[0], 1);
        return result;
    }
    result = env_delete(env, change->key, change->key_size);
    *has_removed = result == EVLOG_OK;
    if (result == EVLOG_OK)
        count(&writing->position, change->key[0], -1);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int check_counts(const struct writing *writing, const struct position *before)
{
    const struct position *after = &writing->position;
    if (after->parked_count > EVLOG_PARKED_MAX && after->parked_count > before->parked_count)
        return error_set(EVLOG_LIMIT, "consumer %s: %d events are parked, the most there can be",
                         writing->name, EVLOG_PARKED_MAX);
    if (after->state_count > EVLOG_STATE_COUNT_MAX && after->state_count > before->state_count)
        return error_set(EVLOG_LIMIT, "consumer %s: its state has %d keys, the most there can be",
                         writing->name, EVLOG_STATE_COUNT_MAX);
    return EVLOG_OK;
}

static int fill(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    int result = read_base(env, writing), has_removed = 0;
    struct position before = writing->position;
    if (result == EVLOG_OK && writing->edit)
        result = writing->edit(&writing->position, writing->ctx);
    for (const struct change *change = writing->changes; change && result == EVLOG_OK;
         change = change->next)
        result = make_change(env, writing, change, &has_removed);
    if (result == EVLOG_OK)
        result = check_counts(writing, &before);
    writing->position.updated_us = now_us();
    return result ? result : put_position(env, writing);
}

int position_write(struct store *store, const char *name,
                   int (*edit)(struct position *position, void *ctx), void *ctx,
                   const struct change *changes, struct position *position)
{
    struct writing writing = {
        .store = store, .name = name, .edit = edit, .ctx = ctx, .changes = changes};
    size_t size = 512;
    for (const struct change *change = changes; change; change = change->next)
        size += change->is_superseded ? 0 : change->key_size + change->value_size + 64;
    int result = env_write(store->state, ENV_FLUSH_BUT_LAST, size, fill, &writing);
    if (result == EVLOG_OK && position)
        *position = writing.position;
    return result;
}

/* -------------------------------------------------------------- creating ---- */

/* The first slot that no consumer has. */
static int find_slot(struct env *env, struct writing *writing)
{
    unsigned char taken[SHARED_SLOTS] = {0};
    struct entry entries[LIST_MAX];
    struct key after = {.size = 0};
    size_t count_read = 1;
    while (count_read > 0) {
        int result = entries_read_base(env, "c", 1, after.size ? after.bytes : NULL, after.size,
                                       entries, LIST_MAX, &count_read);
        if (result)
            return result;
        for (size_t i = 0; i < count_read; i++) {
            struct position other;
            after.size = entries[i].key_size;
            memcpy(after.bytes, entries[i].key, after.size);
            if (entries[i].is_sound &&
                parse("", entries[i].value, entries[i].value_size, &other) == EVLOG_OK)
                taken[other.slot] = 1;
        }
        entries_free(entries, count_read);
    }
    unsigned slot = 0;
    while (slot < EVLOG_CONSUMERS_MAX && taken[slot])
        slot++;
    if (slot == EVLOG_CONSUMERS_MAX)
        return error_set(EVLOG_LIMIT, "%s: it has %d consumers, the most there can be",
                         writing->store->path, EVLOG_CONSUMERS_MAX);
    writing->position.slot = slot;
    return EVLOG_OK;
}

static int fill_new(struct env *env, void *ctx)
{
    struct writing *writing = ctx, known = *writing;
    int result = read_base(env, &known);
    if (result != EVLOG_NOTFOUND) {
        *writing = known;
        return result;
    }
    result = find_slot(env, writing);
    writing->position.created_us = writing->position.updated_us = now_us();
    return result ? result : put_position(env, writing);
}

int position_create(struct store *store, const char *name, struct position *position)
{
    struct writing writing = {.store = store, .name = name, .position = *position};
    int result = env_write(store->state, ENV_FLUSH_ALL, 512, fill_new, &writing);
    if (result == EVLOG_OK)
        *position = writing.position;
    return result;
}

/* -------------------------------------------------------------- removing ---- */

struct clearing {
    struct writing writing;
    struct clear *clears;
    size_t clear_count;
    int and_remove; /* the consumer itself too */
};

/* Takes away all entries of one kind, of those that there were when the transaction began. */
static int clear_kind(struct env *env, struct writing *writing, struct clear *clear)
{
    struct entry entries[LIST_MAX];
    struct key prefix = position_key(clear->kind, writing->name, NULL, 0);
    struct key after = prefix;
    size_t listed = 1;
    int result = EVLOG_OK;
    if (clear->after_seq)
        after = position_seq_key(clear->kind, writing->name, clear->after_seq);
    clear->count = 0;
    while (listed > 0 && result == EVLOG_OK) {
        result = entries_read_base(env, prefix.bytes, prefix.size, after.bytes, after.size,
                                   entries, LIST_MAX, &listed);
        if (result)
            return result;
        for (size_t i = 0; i < listed && result == EVLOG_OK; i++) {
            after.size = entries[i].key_size;
            memcpy(after.bytes, entries[i].key, after.size);
            result = env_delete(env, after.bytes, after.size);
            clear->count++;
        }
        entries_free(entries, listed);
    }
    count(&writing->position, clear->kind, -(int64_t)clear->count);
    return result;
}

static int remove_it(struct env *env, const struct writing *writing)
{
    struct key filter = position_key(KIND_FILTER, writing->name, NULL, 0);
    struct key key = position_key(KIND_CONSUMER, writing->name, NULL, 0);
    int result = env_delete(env, filter.bytes, filter.size);
    return result && result != EVLOG_NOTFOUND ? result : env_delete(env, key.bytes, key.size);
}

static int fill_clear(struct env *env, void *ctx)
{
    struct clearing *clearing = ctx;
    struct writing *writing = &clearing->writing;
    int result = read_base(env, writing);
    if (result == EVLOG_DAMAGED && clearing->and_remove)
        result = EVLOG_OK; /* it is of no use, and goes */
    for (size_t i = 0; i < clearing->clear_count && result == EVLOG_OK; i++)
        result = clear_kind(env, writing, &clearing->clears[i]);
    if (result == EVLOG_OK && writing->edit)
        result = writing->edit(&writing->position, writing->ctx);
    if (result)
        return result;
    return clearing->and_remove ? remove_it(env, writing) : put_position(env, writing);
}

int position_clear(struct store *store, const char *name,
                   int (*edit)(struct position *position, void *ctx), void *ctx,
                   struct clear *clears, size_t clear_count)
{
    struct clearing clearing = {
        .writing = {.store = store, .name = name, .edit = edit, .ctx = ctx},
        .clears = clears,
        .clear_count = clear_count};
    return env_write(store->state, ENV_FLUSH_ALL, 512, fill_clear, &clearing);
}

int position_remove(struct store *store, const char *name)
{
    struct clear clears[] = {{.kind = KIND_STATE}, {.kind = KIND_PARKED}, {.kind = KIND_RETRY}};
    struct clearing clearing = {.writing = {.store = store, .name = name},
                                .clears = clears,
                                .clear_count = sizeof clears / sizeof *clears,
                                .and_remove = 1};
    return env_write(store->state, ENV_FLUSH_ALL, 512, fill_clear, &clearing);
}

/* --------------------------------------------------------------- listing ---- */

static int visit_entry(const struct entry *entry,
                       int (*visit)(const char *, const struct position *, void *), void *ctx)
{
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct position position;
    if (entry->key_size < 2 || entry->key_size > sizeof name)
        return error_set(EVLOG_DAMAGED, "state.mdb: a consumer's name is %zu bytes long",
                         entry->key_size - 1);
    memcpy(name, entry->key + 1, entry->key_size - 1);
    name[entry->key_size - 1] = '\0';
    if (position_check_name(name))
        return error_set(EVLOG_DAMAGED, "state.mdb: a consumer's name is not one");
    if (!entry->is_sound)
        return error_set(EVLOG_DAMAGED, "state.mdb: consumer %s is not as it was written", name);
    int result = parse(name, entry->value, entry->value_size, &position);
    return result ? result : visit(name, &position, ctx);
}

int position_each(struct store *store,
                  int (*visit)(const char *name, const struct position *position, void *ctx),
                  void *ctx)
{
    struct entry entries[LIST_MAX];
    struct key after = {.size = 0};
    size_t listed = 1;
    int result = EVLOG_OK;
    while (listed > 0 && result == EVLOG_OK) {
        result = entries_read(store->state, "c", 1, after.size ? after.bytes : NULL, after.size,
                              entries, LIST_MAX, &listed);
        if (result)
            return result;
        for (size_t i = 0; i < listed && result == EVLOG_OK; i++) {
            after.size = entries[i].key_size;
            memcpy(after.bytes, entries[i].key, after.size);
            result = visit_entry(&entries[i], visit, ctx);
        }
        entries_free(entries, listed);
    }
    return result;
}
