/*
 * Which erased events have bytes in unused parts of events.mdb.
 *
 *   key    'e' | seq 8
 *   value  [checksum, when, us]
 *
 * An entry is written, durably, before the record is overwritten (erase.c), and goes when the records were copied into
 * a new events.mdb. So there may be one too many, of an event whose erasure was cut off, and never one too few.
 *
 * Cost: as an entry of any kind; counting them reads all of them.
 */
#include "erased.h"

#include <stdlib.h>

#include "be64.h"
#include "clock.h"
#include "entry_fields.h"
#include "entry_pack.h"
#include "error.h"

#define ELEMENT_COUNT 2
#define VALUE_SIZE_MAX (ENTRY_HEAD_SIZE + PACK_INTEGER_SIZE_MAX)

static struct entry_key key_of(uint64_t seq)
{
    struct entry_key key = {.size = 1 + sizeof seq, .bytes = {ENTRY_ERASED}};
    be64_store(key.bytes + 1, seq);
    return key;
}

/* In the write transaction. */
static int put(struct env *env, void *ctx)
{
    const struct entry_key *key = ctx;
    unsigned char value[VALUE_SIZE_MAX];
    struct entry_packing packing;
    entry_pack_begin(&packing, value, ELEMENT_COUNT);
    msgpack_pack_int64(&packing.packer, clock_wall_us());
    return entry_put(env, key->bytes, key->size, value, entry_pack_end(&packing), NULL);
}

int erased_put(struct env *env, uint64_t seq)
{
    struct entry_key key = key_of(seq);
    return env_write(env, ENV_FLUSH_ALL, 0, put, &key); /* of the reserve */
}

int erased_find(struct env *env, uint64_t seq, bool *is_there)
{
    struct entry_key key = key_of(seq);
    struct entry entry;
    int result = entry_read(env, ENV_NEWEST, key.bytes, key.size, &entry);
    *is_there = result == EVLOG_OK;
    if (*is_there)
        free(entry.value);
    return result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

static void begin_walk(struct entry_walk *walk, struct env *env, enum env_state state)
{
    static const struct entry_key prefix = {.size = 1, .bytes = {ENTRY_ERASED}};
    entry_walk_begin(walk, env, state, &prefix, NULL);
}

int erased_count(struct env *env, uint64_t *count)
{
    struct entry_walk walk;
    const struct entry *entry;
    uint64_t found = 0;
    int result;
    begin_walk(&walk, env, ENV_NEWEST);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry)
        found++;
    entry_walk_end(&walk);
    if (result == EVLOG_OK)
        *count = found;
    return result;
}

struct clearing {
    int (*is_gone)(uint64_t seq, bool *is_gone, void *ctx);
    void *ctx;
};

/* One that is not sound goes, too. */
static int clear_one(struct env *env, const struct entry *entry, const struct clearing *clearing)
{
    uint64_t seq = 0;
    bool is_gone = true;
    int result = EVLOG_OK;
    if (erased_check(entry, &seq) == EVLOG_OK)
        result = clearing->is_gone(seq, &is_gone, clearing->ctx);
    return result || !is_gone ? result : env_delete(env, entry->key, entry->key_size);
}

/* In the write transaction. */
static int clear(struct env *env, void *ctx)
{
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    begin_walk(&walk, env, ENV_BASE);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        result = clear_one(env, entry, ctx);
        if (result)
            break;
    }
    entry_walk_end(&walk);
    return result;
}

int erased_clear(struct env *env, int (*is_gone)(uint64_t seq, bool *is_gone, void *ctx),
                 void *ctx)
{
    struct clearing clearing = {.is_gone = is_gone, .ctx = ctx};
    return env_write(env, ENV_FLUSH_ALL, 0, clear, &clearing);
}

int erased_check(const struct entry *entry, uint64_t *seq)
{
    struct entry_fields fields = entry_fields_of(entry, ELEMENT_COUNT);
    entry_field(&fields, 1u << PACK_INT);
    if (fields.is_bad || entry->key_size != 1 + sizeof *seq)
        return error_set(EVLOG_DAMAGED,
                         "state.mdb: an entry of an erased event is not as it was written");
    *seq = be64_load((const unsigned char *)entry->key + 1);
    return EVLOG_OK;
}
