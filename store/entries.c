/*
 * Entries of state.mdb, by key: types and sources (names.c), consumers and what belongs to them
 * (consumer_entries.c).
 *
 *   key    the kind's letter, and what identifies the entry within its kind
 *   value  MessagePack: an array of 1 to 15, the first a uint64 packed in 9 bytes
 *
 * That first element is XXH3-64, seeded with XXH3-64 of the key, of what follows it (from byte
 * 10 on): so a value that was damaged, or that was moved to another key, is found.
 *
 * Reading goes through page.c and trusts no page; a value that is sound can be given to any
 * MessagePack reader. A walk holds no snapshot between its pieces.
 * Keys must grow from one to the next, so a forged tree that leads in circles ends a walk.
 */
#include "entries.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "entry_pack.h"
#include "error.h"
#include "pack.h"

static uint64_t checksum(const void *key, size_t key_size, const void *value, size_t size)
{
    return XXH3_64bits_withSeed((const char *)value + ENTRY_HEAD_SIZE, size - ENTRY_HEAD_SIZE,
                                XXH3_64bits(key, key_size));
}

void entry_seal(const void *key, size_t key_size, void *value, size_t size)
{
    be64_store((char *)value + 2, checksum(key, key_size, value, size));
}

bool entry_is_sound(const void *key, size_t key_size, const void *value, size_t size)
{
    const unsigned char *bytes = value;
    return size > ENTRY_HEAD_SIZE && (bytes[0] & 0xf0) == 0x90 && bytes[1] == 0xcf &&
           be64_load(bytes + 2) == checksum(key, key_size, value, size) &&
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

size_t entry_pack_end(struct entry_packing *packing, const void *key, size_t key_size)
{
    size_t size = (size_t)(packing->at - packing->value);
    entry_seal(key, key_size, packing->value, size);
    return size;
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
static int take(const struct page_snapshot *snapshot, struct page_node node, struct entry *entry)
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
        entry_is_sound(entry->key, entry->key_size, entry->value, entry->value_size);
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
            result = take(snapshot, node, &walk->entries[walk->count]);
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
