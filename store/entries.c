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
 * MessagePack reader. A walk reads pieces, each in a snapshot of its own that is released before
 * their entries are returned. Keys must grow from one to the next, so a forged tree that leads in
 * circles ends a walk.
 */
#include "entries.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "error.h"
#include "pack.h"
#include "record.h"

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

/* ------------------------------------------------------------ one entry ---- */

struct reading {
    const void *key;
    size_t key_size;
    void *value;
    size_t size;
};

static int read_one(const struct page_snapshot *snapshot, void *ctx)
{
    struct reading *reading = ctx;
    free(reading->value); /* of a snapshot that has changed meanwhile */
    reading->value = NULL;
    int result = page_get(snapshot, reading->key, reading->key_size, ENTRY_VALUE_SIZE_MAX,
                          &reading->value, &reading->size);
    if (result == EVLOG_OK &&
        !entry_is_sound(reading->key, reading->key_size, reading->value, reading->size))
        result =
            error_set(EVLOG_DAMAGED, "%s: an entry is not as it was written", snapshot->name);
    return result;
}

int entry_read(struct env *env, enum env_state state, const void *key, size_t key_size,
               void **value, size_t *size)
{
    struct reading reading = {.key = key, .key_size = key_size};
    int result = env_read(env, state, read_one, &reading);
    if (result) {
        free(reading.value);
        return result;
    }
    *value = reading.value;
    *size = reading.size;
    return EVLOG_OK;
}

/* --------------------------------------------------------------- a walk ---- */

static void free_piece(struct entry_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        free(walk->entries[i].key);
    walk->count = walk->at = 0;
}

/* One whose value cannot be read is not sound. */
static int take(const struct page_snapshot *snapshot, const struct page_node *node,
                struct entry *entry)
{
    void *value = NULL;
    int result = page_copy_data(snapshot, node, ENTRY_VALUE_SIZE_MAX, &value);
    if (result && result != EVLOG_DAMAGED)
        return result;
    size_t size = result ? 0 : node->data_size;
    entry->key = malloc(node->key_size + size + 1);
    if (!entry->key) {
        free(value);
        return error_nomem();
    }
    entry->key_size = node->key_size;
    entry->value = entry->key + node->key_size;
    entry->value_size = size;
    memcpy(entry->key, node->key, node->key_size);
    if (size)
        memcpy(entry->value, value, size);
    free(value);
    entry->is_sound = entry_is_sound(entry->key, entry->key_size, entry->value, size);
    return EVLOG_OK;
}

static int compare(const struct page_node *node, const void *key, size_t key_size)
{
    size_t common = node->key_size < key_size ? node->key_size : key_size;
    int order = memcmp(node->key, key, common);
    return order ? order : (node->key_size > key_size) - (node->key_size < key_size);
}

/* Whether a node comes next in the walk. ENTRY_WALK_END: it is past its end. */
enum { ENTRY_WALK_END = 1 };

static int check_next(const struct entry_walk *walk, const struct page_snapshot *snapshot,
                      const struct page_node *node)
{
    const struct entry *last = walk->count ? &walk->entries[walk->count - 1] : NULL;
    if (node->key_size < walk->prefix.size ||
        memcmp(node->key, walk->prefix.bytes, walk->prefix.size) != 0)
        return ENTRY_WALK_END;
    if (node->key_size > ENTRY_KEY_SIZE_MAX)
        return error_set(EVLOG_DAMAGED, "%s: a key is %zu bytes long", snapshot->name,
                         node->key_size);
    if (last ? compare(node, last->key, last->key_size) <= 0
             : compare(node, walk->after.bytes, walk->after.size) < 0)
        return error_set(EVLOG_DAMAGED, "%s: its keys are not in order", snapshot->name);
    return EVLOG_OK;
}

static int take_piece(struct entry_walk *walk, struct page_cursor *cursor)
{
    const struct entry_key *from = walk->after.size ? &walk->after : &walk->prefix;
    struct page_node node;
    int result = page_seek(cursor, from->bytes, from->size);
    if (result == EVLOG_OK)
        result = page_cursor_node(cursor, &node);
    if (result == EVLOG_OK && walk->after.size &&
        compare(&node, walk->after.bytes, walk->after.size) == 0)
        page_cursor_step(cursor);
    while (result == EVLOG_OK && walk->count < walk->piece) {
        result = page_cursor_node(cursor, &node);
        if (result == EVLOG_OK)
            result = check_next(walk, cursor->snapshot, &node);
        if (result == EVLOG_OK)
            result = take(cursor->snapshot, &node, &walk->entries[walk->count]);
        walk->count += result == EVLOG_OK;
        page_cursor_step(cursor);
    }
    return result == ENTRY_WALK_END || result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int read_piece(const struct page_snapshot *snapshot, void *ctx)
{
    struct entry_walk *walk = ctx;
    struct page_cursor cursor;
    free_piece(walk);
    int result = page_cursor_open(&cursor, snapshot);
    if (result == EVLOG_OK)
        result = take_piece(walk, &cursor);
    page_cursor_free(&cursor);
    return result;
}

void entry_walk_begin(struct entry_walk *walk, struct env *env, enum env_state state,
                      const struct entry_key *prefix, const struct entry_key *after)
{
    walk->env = env;
    walk->state = state;
    walk->prefix = *prefix;
    walk->after = after ? *after : (struct entry_key){.size = 0};
    walk->piece = walk->count = walk->at = 0;
}

static int next_piece(struct entry_walk *walk)
{
    walk->piece = walk->piece ? 4 * walk->piece : 1;
    if (walk->piece > ENTRY_WALK_PIECE_MAX)
        walk->piece = ENTRY_WALK_PIECE_MAX;
    return env_read(walk->env, walk->state, read_piece, walk);
}

int entry_walk_next(struct entry_walk *walk, const struct entry **entry)
{
    *entry = NULL;
    if (walk->at == walk->count) {
        int result = next_piece(walk);
        if (result || walk->count == 0)
            return result;
    }
    *entry = &walk->entries[walk->at++];
    walk->after.size = (*entry)->key_size;
    memcpy(walk->after.bytes, (*entry)->key, walk->after.size);
    return EVLOG_OK;
}

void entry_walk_end(struct entry_walk *walk)
{
    free_piece(walk);
}
