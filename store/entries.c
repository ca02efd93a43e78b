/*
 * What state.mdb holds: entries by key. Types and sources (names.c) are some of them, consumers
 * and what belongs to them the others (consumer_entries.c).
 *
 *   key    a letter that tells the kind, and what tells one of a kind from another
 *   value  MessagePack: an array of 1 to 15, the first a uint64 packed in 9 bytes
 *
 * That first element is XXH3-64, seeded with XXH3-64 of the key, of what follows it (from byte
 * 10 on): so a value that was damaged, or that stands under another's key, is found.
 *
 * Reading goes through page.c and trusts no page; a value that is sound can be given to
 * msgpack-c. Lists are read in pieces, each in a snapshot of its own that is let go before
 * anybody sees them: an entry that comes or goes meanwhile may be in the list or not. Keys must
 * grow from one to the next, so a forged tree that leads in circles ends a list.
 */
#include "entries.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "env.h"
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

int entry_is_sound(const void *key, size_t key_size, const void *value, size_t size)
{
    const unsigned char *bytes = value;
    return size > ENTRY_HEAD_SIZE && (bytes[0] & 0xf0) == 0x90 && bytes[1] == 0xcf &&
           be64_load(bytes + 2) == checksum(key, key_size, value, size) &&
           pack_check(value, size) == EVLOG_OK;
}

/* ------------------------------------------------------------ one entry ---- */

static int read_one(const struct page_snapshot *snapshot, const void *key, size_t key_size,
                    void **value, size_t *size)
{
    int result = page_get(snapshot, key, key_size, ENTRY_VALUE_SIZE_MAX, value, size);
    if (result == EVLOG_OK && !entry_is_sound(key, key_size, *value, *size)) {
        free(*value);
        result =
            error_set(EVLOG_DAMAGED, "%s: an entry is not as it was written", snapshot->name);
    }
    return result;
}

int entry_read(struct env *env, const void *key, size_t key_size, void **value, size_t *size)
{
    struct env_pin pin;
    int result = env_pin(env, &pin);
    if (result)
        return result;
    void *found = NULL;
    result = read_one(&pin.snapshot, key, key_size, &found, size);
    while (!env_unpin(env, &pin)) { /* nothing held its pages: once more */
        if (result == EVLOG_OK)
            free(found);
        result = env_pin(env, &pin);
        if (result)
            return result;
        result = read_one(&pin.snapshot, key, key_size, &found, size);
    }
    if (result == EVLOG_OK)
        *value = found;
    return result;
}

int entry_read_base(struct env *env, const void *key, size_t key_size, void **value, size_t *size)
{
    struct page_snapshot snapshot;
    int result = env_base(env, &snapshot);
    return result ? result : read_one(&snapshot, key, key_size, value, size);
}

/* --------------------------------------------------------------- a list ---- */

void entries_free(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(entries[i].key);
}

static int take(const struct page_snapshot *snapshot, const struct page_node *node,
                struct entry *entry)
{
    void *value;
    size_t size;
    int result =
        page_get(snapshot, node->key, node->key_size, ENTRY_VALUE_SIZE_MAX, &value, &size);
    if (result && result != EVLOG_DAMAGED)
        return result;
    if (result)
        value = NULL, size = 0;
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

/* Where a list is read from, and what of it has been taken. */
struct list {
    const void *prefix, *after;
    size_t prefix_size, after_size;
    struct entry *entries;
    size_t max, count;
};

/* Takes what belongs to the list from one leaf. 1: that was all of it. */
static int take_leaf(struct list *list, const struct page_snapshot *snapshot,
                     const unsigned char *leaf, unsigned index, int is_first)
{
    for (; index < page_node_count(leaf) && list->count < list->max; index++) {
        struct page_node node;
        page_node_at(leaf, index, &node);
        if (list->after && compare(&node, list->after, list->after_size) <= 0) {
            if (is_first)
                continue;
            return error_set(EVLOG_DAMAGED, "%s: its keys are not in order", snapshot->name);
        }
        if (node.key_size < list->prefix_size ||
            memcmp(node.key, list->prefix, list->prefix_size) != 0)
            return 1;
        if (node.key_size > ENTRY_KEY_SIZE_MAX)
            return error_set(EVLOG_DAMAGED, "%s: a key is %zu bytes long", snapshot->name,
                             node.key_size);
        int result = take(snapshot, &node, &list->entries[list->count]);
        if (result)
            return result;
        list->after = list->entries[list->count].key;
        list->after_size = list->entries[list->count++].key_size;
    }
    return list->count == list->max;
}

static int read_list(const struct page_snapshot *snapshot, struct list *list)
{
    struct page_cursor cursor = {.branches = NULL};
    unsigned index;
    if (snapshot->depth == 0)
        return EVLOG_OK;
    unsigned char *leaf = malloc(snapshot->page_size);
    int result = leaf ? page_cursor_open(&cursor, snapshot) : error_nomem();
    if (result == EVLOG_OK)
        result = page_seek(&cursor, list->after ? list->after : list->prefix,
                           list->after ? list->after_size : list->prefix_size, leaf, &index);
    for (int is_first = 1; result == EVLOG_OK; is_first = 0) {
        result = take_leaf(list, snapshot, leaf, index, is_first);
        index = 0;
        if (result == EVLOG_OK)
            result = page_next_leaf(&cursor, leaf);
    }
    page_cursor_free(&cursor);
    free(leaf);
    return result == 1 || result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

int entries_read_base(struct env *env, const void *prefix, size_t prefix_size, const void *after,
                      size_t after_size, struct entry *entries, size_t max, size_t *count)
{
    struct page_snapshot snapshot;
    struct list list = {prefix, after, prefix_size, after_size, entries, max, 0};
    int result = env_base(env, &snapshot);
    if (result == EVLOG_OK)
        result = read_list(&snapshot, &list);
    if (result)
        entries_free(entries, list.count);
    else
        *count = list.count;
    return result;
}

int entries_read(struct env *env, const void *prefix, size_t prefix_size, const void *after,
                 size_t after_size, struct entry *entries, size_t max, size_t *count)
{
    for (;;) {
        struct env_pin pin;
        struct list list = {prefix, after, prefix_size, after_size, entries, max, 0};
        int result = env_pin(env, &pin);
        if (result)
            return result;
        result = read_list(&pin.snapshot, &list);
        int is_good = env_unpin(env, &pin);
        if (is_good && result == EVLOG_OK) {
            *count = list.count;
            return EVLOG_OK;
        }
        entries_free(entries, list.count);
        if (is_good)
            return result;
    }
}

/* --------------------------------------------------------------- a walk ---- */

void entry_walk_begin(struct entry_walk *walk, struct env *env, bool is_base,
                      const struct entry_key *prefix, const struct entry_key *after)
{
    walk->env = env;
    walk->is_base = is_base;
    walk->prefix = *prefix;
    walk->after = after ? *after : (struct entry_key){.size = 0};
    walk->count = walk->at = 0;
}

static int read_piece(struct entry_walk *walk)
{
    const struct entry_key *prefix = &walk->prefix, *after = &walk->after;
    entry_walk_end(walk);
    return (walk->is_base ? entries_read_base : entries_read)(
        walk->env, prefix->bytes, prefix->size, after->size ? after->bytes : NULL, after->size,
        walk->entries, ENTRY_WALK_PIECE, &walk->count);
}

int entry_walk_next(struct entry_walk *walk, const struct entry **entry)
{
    *entry = NULL;
    if (walk->at == walk->count) {
        int result = read_piece(walk);
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
    entries_free(walk->entries, walk->count);
    walk->count = walk->at = 0;
}
