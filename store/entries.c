/*
 * Entries of state.mdb, by key: types (types.c) and sources (sources.c), consumers and what belongs
 * to them (consumer_entries.c).
 *
 *   key    the kind's letter, and what identifies the entry within its kind
 *   value  MessagePack: an array of 1 to 15, the first a uint64 packed in 9 bytes
 *
 * That first element is XXH3-64 of what follows it (from byte 10 on), seeded with XXH3-64 of the key,
 * which in turn is seeded with XXH3-64 of the log's origin: so a value that was damaged, or moved to
 * another key or another log, is found.
 *
 * Reading goes through page.c and trusts no page; a value that is sound can be given to any
 * MessagePack reader. A walk holds no snapshot between its pieces.
 * Keys must grow from one to the next, so a forged tree that leads in circles ends a walk.
 */
#include "entries.h"

#define XXH_INLINE_ALL
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "entry_fields.h"
#include "entry_pack.h"
#include "error.h"

static uint64_t checksum(uint64_t seed, const void *key, size_t key_size, const void *value,
                         size_t size)
{
    return XXH3_64bits_withSeed((const char *)value + ENTRY_HEAD_SIZE, size - ENTRY_HEAD_SIZE,
                                XXH3_64bits_withSeed(key, key_size, seed));
}

void entry_seal(uint64_t seed, const void *key, size_t key_size, void *value, size_t size)
{
    be64_store((char *)value + 2, checksum(seed, key, key_size, value, size));
}

uint64_t entry_digest(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

int entry_put(struct env *env, const void *key, size_t key_size, void *value, size_t size,
              bool *is_new)
{
    entry_seal(env_seed(env), key, key_size, value, size);
    return env_put(env, key, key_size, value, size, is_new);
}

bool entry_is_sound(uint64_t seed, const void *key, size_t key_size, const void *value,
                    size_t size)
{
    const unsigned char *bytes = value;
    return size > ENTRY_HEAD_SIZE && (bytes[0] & 0xf0) == 0x90 && bytes[1] == 0xcf &&
           be64_load(bytes + 2) == checksum(seed, key, key_size, value, size) &&
           pack_check(value, size) == EVLOG_OK;
}

/* A msgpack_packer_write to a place that has room. */
static int append(void *at, const char *bytes, size_t size)
{
    unsigned char **out = at;
    memcpy(*out, bytes, size);
    *out += size;
    return 0;
}

void entry_pack_begin(struct entry_packing *packing, unsigned char *value, size_t count)
{
    packing->value = packing->at = value;
    msgpack_packer_init(&packing->packer, &packing->at, append);
    msgpack_pack_array(&packing->packer, count);
    msgpack_pack_fix_uint64(&packing->packer, 0);
}

size_t entry_pack_end(const struct entry_packing *packing)
{
    return (size_t)(packing->at - packing->value);
}

/* ------------------------------------------------------------- its fields ---- */

struct pack_item entry_field(struct entry_fields *fields, unsigned kinds)
{
    struct pack_item item = {.kind = PACK_NIL};
    if (!fields->is_bad)
        pack_next(&fields->at, &item);
    if (kinds >> item.kind & 1)
        return item;
    fields->is_bad = true;
    return (struct pack_item){.kind = PACK_NIL};
}

uint64_t entry_field_integer(struct entry_fields *fields)
{
    return (uint64_t)entry_field(fields, 1u << PACK_INT | 1u << PACK_UINT).as_int;
}

void entry_field_array(struct entry_fields *fields, size_t count)
{
    if (entry_field(fields, 1u << PACK_ARRAY).size != count)
        fields->is_bad = true;
}

struct entry_fields entry_fields_of(const struct entry *entry, size_t count)
{
    struct entry_fields fields = {.at = entry->value, .is_bad = !entry->is_sound};
    entry_field_array(&fields, count);
    entry_field_integer(&fields); /* the checksum */
    return fields;
}

/* --------------------------------------------------------------- a walk ---- */

/* The walk goes on with what comes after a key: the next greater one has a NUL more. */
static void go_past(struct entry_walk *walk, const unsigned char *key, size_t size)
{
    memcpy(walk->from.bytes, key, size);
    walk->from.bytes[size] = 0;
    walk->from.size = size + 1;
}

void entry_walk_begin(struct entry_walk *walk, struct env *env, enum env_state state,
                      const struct entry_key *prefix, const struct entry_key *after)
{
    walk->env = env;
    walk->state = state;
    walk->prefix = walk->from = *prefix;
    walk->count_max = 1;
    walk->count = walk->at = 0;
    if (after)
        go_past(walk, after->bytes, after->size);
}

/* Whether a node is the walk's next one. EVLOG_NOTFOUND: it is past its end. */
static int check_next(const struct entry_walk *walk, const struct page_snapshot *snapshot,
                      const struct page_node *node)
{
    const struct entry_key *prefix = &walk->prefix, *from = &walk->from;
    const struct entry *last = walk->count ? &walk->entries[walk->count - 1] : NULL;
    if (node->key_size < prefix->size || memcmp(node->key, prefix->bytes, prefix->size) != 0)
        return EVLOG_NOTFOUND;
    if (node->key_size > ENTRY_KEY_SIZE_MAX)
        return error_set(EVLOG_DAMAGED, "%s: a key is %zu bytes long", snapshot->name,
                         node->key_size);
    if (last ? page_key_compare(node->key, node->key_size, last->key, last->key_size) <= 0
             : page_key_compare(node->key, node->key_size, from->bytes, from->size) < 0)
        return error_set(EVLOG_DAMAGED, "%s: its keys are not in order", snapshot->name);
    return EVLOG_OK;
}

/* One whose value cannot be read is not sound. */
static int take(const struct page_snapshot *snapshot, struct page_node node, uint64_t seed,
                struct entry *entry)
{
    int result = page_copy(snapshot, &node, ENTRY_VALUE_SIZE_MAX, &entry->value, &entry->key);
    if (result == EVLOG_DAMAGED) {
        node.data = node.key;
        node.data_size = 0;
        result = page_copy(snapshot, &node, 0, &entry->value, &entry->key);
    }
    if (result)
        return result;
    entry->key_size = node.key_size;
    entry->value_size = node.data_size;
    entry->is_sound =
        entry_is_sound(seed, entry->key, entry->key_size, entry->value, entry->value_size);
    return EVLOG_OK;
}

/* A piece ends before what cannot be read; the next one begins with it. */
static int read_piece(const struct page_snapshot *snapshot, void *ctx)
{
    struct entry_walk *walk = ctx;
    struct page_cursor cursor = {.snapshot = snapshot};
    struct page_node node;
    entry_walk_end(walk);
    int result = page_seek(&cursor, walk->from.bytes, walk->from.size);
    while (result == EVLOG_OK && walk->count < walk->count_max) {
        result = page_cursor_node(&cursor, &node);
        if (result == EVLOG_OK)
            result = check_next(walk, snapshot, &node);
        if (result == EVLOG_OK)
            result = take(snapshot, node, env_seed(walk->env), &walk->entries[walk->count]);
        walk->count += result == EVLOG_OK;
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return walk->count || result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

int entry_walk_next(struct entry_walk *walk, const struct entry **entry)
{
    *entry = NULL;
    if (walk->at == walk->count) {
        int result = env_read(walk->env, walk->state, read_piece, walk);
        if (result || walk->count == 0)
            return result;
        if (walk->count_max < ENTRY_WALK_PIECE_MAX)
            walk->count_max *= 4;
    }
    *entry = &walk->entries[walk->at++];
    go_past(walk, (*entry)->key, (*entry)->key_size);
    return EVLOG_OK;
}

void entry_walk_end(struct entry_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        free(walk->entries[i].value);
    walk->count = walk->at = 0;
}

int entries_each(const struct page_snapshot *snapshot, uint64_t seed,
                 int (*visit)(const struct entry *entry, void *ctx), void *ctx)
{
    static const struct entry_key all = {.size = 0};
    struct page_cursor cursor = {.snapshot = snapshot};
    struct page_node node;
    struct entry_walk walk; /* for the order of the keys */
    entry_walk_begin(&walk, NULL, ENV_NEWEST, &all, NULL);
    int result = page_seek(&cursor, "", 0);
    while (result == EVLOG_OK && (result = page_cursor_node(&cursor, &node)) == EVLOG_OK) {
        struct entry entry;
        result = check_next(&walk, snapshot, &node);
        if (result == EVLOG_OK)
            result = take(snapshot, node, seed, &entry);
        if (result)
            break;
        go_past(&walk, entry.key, entry.key_size);
        result = visit(&entry, ctx);
        free(entry.value);
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* ------------------------------------------------------------- the kinds ---- */

static bool is_known(unsigned kind)
{
    return kind == ENTRY_TYPE || kind == ENTRY_SOURCE || kind == ENTRY_LOG ||
           kind == ENTRY_ERASED || kind == ENTRY_SUMMARY || kind == ENTRY_CONSUMER ||
           kind == ENTRY_FILTER || kind == ENTRY_PARKED || kind == ENTRY_RETRY ||
           kind == ENTRY_STATE;
}

/* Counts the entries whose kinds are from `first` to `last`. */
static int count_kinds(struct env *env, unsigned first, unsigned last, uint64_t *count)
{
    static const struct entry_key all = {.size = 0};
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    entry_walk_begin(&walk, env, ENV_NEWEST, &all, NULL);
    walk.from = (struct entry_key){.size = 1, .bytes = {(unsigned char)first}};
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry &&
           entry->key[0] <= last)
        ++*count;
    entry_walk_end(&walk);
    return result;
}

/* From one known kind to the next, so that the entries between them are not read. */
int entries_count_unknown(struct env *env, uint64_t *count)
{
    uint64_t found = 0;
    for (unsigned first = 0, last; first <= UCHAR_MAX; first = last + 1) {
        for (last = first; last < UCHAR_MAX && is_known(last + 1) == is_known(first);)
            last++;
        int result = is_known(first) ? EVLOG_OK : count_kinds(env, first, last, &found);
        if (result)
            return result;
    }
    *count = found;
    return EVLOG_OK;
}

int entries_are_foreign(struct env *env, bool *is_foreign)
{
    static const struct entry_key all = {.size = 0};
    struct entry_walk walk;
    const struct entry *entry;
    unsigned known_count = 0, sound_count = 0;
    int result;
    entry_walk_begin(&walk, env, ENV_NEWEST, &all, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry && sound_count == 0 &&
           known_count < ENTRY_WALK_PIECE_MAX)
        if (is_known(entry->key[0])) {
            known_count++;
            sound_count += entry->is_sound;
        }
    entry_walk_end(&walk);
    if (result == EVLOG_OK)
        *is_foreign = known_count > 0 && sound_count == 0;
    return result;
}

/* ------------------------------------------------------------ one entry ---- */

int entry_read(struct env *env, enum env_state state, const void *key, size_t key_size,
               struct entry *entry)
{
    struct entry_key prefix = {.size = key_size};
    struct entry_walk walk;
    const struct entry *found;
    memcpy(prefix.bytes, key, key_size);
    entry_walk_begin(&walk, env, state, &prefix, NULL);
    int result = entry_walk_next(&walk, &found);
    if (result == EVLOG_OK && (!found || found->key_size != key_size))
        result = error_set(EVLOG_NOTFOUND, "state.mdb: no such entry");
    else if (result == EVLOG_OK && !found->is_sound)
        result = error_set(EVLOG_DAMAGED, "state.mdb: an entry is not as it was written");
    if (result) {
        entry_walk_end(&walk);
        return result;
    }
    *entry = *found; /* the one entry of the first piece */
    return EVLOG_OK;
}
