/*
 * The entries of state.mdb, however damaged it is.
 *
 * The tree of the newest meta page that is sound is read page by page. If all of it is there, it is the log's state.
 * Else the bytes of the whole file are searched for nodes, too: at each even place, a key's size, a value's size and a
 * value whose checksum, which is seeded with the key and with the log's origin, fits. So an entry of another log is not
 * taken, nor one that was damaged. But an older state's is as sound:
 *
 *   types, sources   never change, and their keys are digests of them: all that were found are taken
 *   the floor        only rises: the highest is taken
 *   a consumer       its place is that of the tree, or else the newest. Its other entries are those of the tree, and
 *                    those of which only one version was found. When they are not as many as its place counts, then the
 *                    consumer is not taken: with a part of its state, it would go on wrongly
 *   others           those of the tree, and those of which only one version was found
 *
 * (A consumer's filter is not counted in its place: one that was lost is not noticed.)
 *
 * Memory: a struct for each entry that was found.
 */
#include "remains.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "be64.h"
#include "erased.h"
#include "error.h"
#include "meta.h"
#include "page.h"
#include "scan.h"
#include "sources.h"
#include "types.h"

#define WINDOW_SIZE ((size_t)1 << 20)
#define NODE_HEAD_SIZE 8
#define KEY_SIZE_MIN 2
#define FILE_NAME "state.mdb"

void remains_free(struct remains *remains)
{
    free(remains->all);
    *remains = (struct remains){.fd = -1};
}

/* ------------------------------------------------------------- one entry ---- */

static uint64_t owner_of(const struct entry *entry)
{
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    if (!strchr("cfprv", entry->key[0]) || consumer_entry_name(entry, name))
        return 0;
    uint64_t digest = XXH3_64bits(name, strlen(name));
    return digest ? digest : 1;
}

/* Whether it is as a writer of its kind writes it, beyond its checksum. */
static bool has_form(const struct entry *entry, struct consumer_entry *place)
{
    uint64_t seq;
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    switch (entry->key[0]) {
    case ENTRY_TYPE:
        return types_check(entry) == EVLOG_OK;
    case ENTRY_SOURCE:
        return sources_check(entry) == EVLOG_OK;
    case ENTRY_LOG:
        return floor_check(entry) == EVLOG_OK;
    case ENTRY_ERASED:
        return erased_check(entry, &seq) == EVLOG_OK;
    case ENTRY_CONSUMER:
        return consumer_entry_name(entry, name) == EVLOG_OK &&
               consumer_unpack(name, entry, place) == EVLOG_OK;
    case ENTRY_FILTER:
    case ENTRY_PARKED:
    case ENTRY_RETRY:
    case ENTRY_STATE:
        return consumer_entry_name(entry, name) == EVLOG_OK &&
               consumer_entry_check(name, entry) == EVLOG_OK;
    default:
        return true;
    }
}

static void raise_floor(struct remains *remains, const struct entry *entry)
{
    struct floor_place floor;
    if (!floor_is_key(entry->key, entry->key_size) || floor_unpack(entry, &floor))
        return;
    if (!remains->has_floor || floor.first_seq > remains->floor.first_seq)
        remains->floor = floor;
    remains->has_floor = true;
}

static int add(struct remains *remains, const struct entry *entry, struct remain remain)
{
    struct consumer_entry place = {.updated_us = 0};
    if (!has_form(entry, &place)) {
        remains->lost_count += remain.is_live;
        return EVLOG_OK;
    }
    raise_floor(remains, entry);
    if (remains->count == remains->room) {
        size_t room = remains->room ? 2 * remains->room : 256;
        struct remain *all = realloc(remains->all, room * sizeof *all);
        if (!all)
            return error_nomem();
        remains->all = all;
        remains->room = room;
    }
    remain.owner = owner_of(entry);
    remain.key_digest = XXH3_64bits(entry->key, entry->key_size);
    remain.check = be64_load(entry->value + 2);
    remain.updated_us = place.updated_us;
    remain.value_size = (uint32_t)entry->value_size;
    remain.key_size = (uint16_t)entry->key_size;
    remain.kind = entry->key[0];
    remains->all[remains->count++] = remain;
    return EVLOG_OK;
}

/* ------------------------------------------------------------- the tree ---- */

static int add_node(struct remains *remains, const struct page_snapshot *tree,
                    const unsigned char *leaf, const struct page_node *node)
{
    struct entry entry = {.key_size = node->key_size, .value_size = node->data_size};
    uint64_t page_place = page_number(leaf) * tree->page_size;
    struct remain remain = {
        .key_place = page_place + (uint64_t)((const unsigned char *)node->key - leaf),
        .value_place = node->data
                           ? page_place + (uint64_t)((const unsigned char *)node->data - leaf)
                           : node->overflow * tree->page_size + PAGE_HEADER_SIZE,
        .is_live = true,
    };
    int result = page_copy(tree, node, ENTRY_VALUE_SIZE_MAX, &entry.value, &entry.key);
    if (result == EVLOG_NOMEM)
        return result;
    bool is_sound =
        result == EVLOG_OK && node->key_size > 0 && node->key_size <= ENTRY_KEY_SIZE_MAX &&
        entry_is_sound(remains->seed, entry.key, entry.key_size, entry.value, entry.value_size);
    entry.is_sound = true;
    remains->lost_count += !is_sound;
    result = is_sound ? add(remains, &entry, remain) : EVLOG_OK;
    free(entry.value);
    return result;
}

static int add_leaf(struct remains *remains, const struct page_snapshot *tree,
                    const unsigned char *leaf)
{
    int result = EVLOG_OK;
    for (unsigned i = 0; result == EVLOG_OK && i < page_node_count(leaf); i++) {
        struct page_node node;
        page_node_at(leaf, i, &node);
        result = add_node(remains, tree, leaf, &node);
    }
    return result;
}

/* What the tree leads to. `*is_whole`: no page of it is missing. */
static int add_tree(struct remains *remains, const struct page_snapshot *tree, bool *is_whole)
{
    struct page_cursor cursor = {.snapshot = tree};
    int result = page_seek(&cursor, "", 0), added = EVLOG_OK;
    *is_whole = true;
    for (uint64_t left = tree->last_page; left > 0 && !added; left--) { /* of a forged tree */
        if (result == EVLOG_OK)
            added = add_leaf(remains, tree, cursor.leaf);
        else if (result != EVLOG_DAMAGED && result != EVLOG_IO)
            break;
        else
            *is_whole = false;
        if (!added)
            result = page_next_leaf(&cursor);
    }
    page_cursor_free(&cursor);
    *is_whole &= remains->count + remains->lost_count == tree->entries;
    if (added)
        return added;
    return result == EVLOG_NOMEM ? result : EVLOG_OK;
}

/* ------------------------------------------------------------ the bytes ---- */

struct search {
    struct remains *remains;
    uint64_t page_size, file_size;
    unsigned char *window, *value; /* WINDOW_SIZE; of a value on pages of its own */
    size_t filled;
    uint64_t start;
};

/* Reads a value on pages of its own. EVLOG_NOTFOUND: it is not there. */
static int read_value(struct search *search, uint64_t place, size_t size)
{
    size_t count;
    if (place >= search->file_size || size > search->file_size - place)
        return EVLOG_NOTFOUND;
    scan_read(search->remains->fd, search->value, size, place, &count,
              &search->remains->unreadable_count);
    return count == size ? EVLOG_OK : EVLOG_NOTFOUND;
}

/* Adds the node at a place in the window, if there is a sound one. */
static int look_at(struct search *search, size_t at)
{
    struct remains *remains = search->remains;
    const unsigned char *node = search->window + at;
    uint16_t words[4]; /* low and high of the value's size, flags, size of the key */
    uint64_t pgno;
    memcpy(words, node, sizeof words);
    size_t size = (size_t)words[1] << 16 | words[0], key_size = words[3];
    size_t key_end = at + NODE_HEAD_SIZE + key_size;
    if (words[2] > 1 || key_size < KEY_SIZE_MIN || key_size > ENTRY_KEY_SIZE_MAX ||
        size <= ENTRY_HEAD_SIZE || size > ENTRY_VALUE_SIZE_MAX)
        return EVLOG_OK;
    bool is_big = words[2];
    if (key_end + (is_big ? sizeof pgno : size) > search->filled)
        return EVLOG_OK;
    struct remain remain = {.key_place = search->start + at + NODE_HEAD_SIZE,
                            .value_place = search->start + key_end};
    struct entry entry = {.key = node + NODE_HEAD_SIZE,
                          .key_size = key_size,
                          .value = search->window + key_end,
                          .value_size = size,
                          .is_sound = true};
    if (is_big) {
        memcpy(&pgno, entry.value, sizeof pgno);
        if (pgno > search->file_size / search->page_size)
            return EVLOG_OK;
        remain.value_place = pgno * search->page_size + PAGE_HEADER_SIZE;
        if (read_value(search, remain.value_place, size))
            return EVLOG_OK;
        entry.value = search->value;
    }
    if (!entry_is_sound(remains->seed, entry.key, key_size, entry.value, size))
        return EVLOG_OK;
    return add(remains, &entry, remain);
}

/* The window moves by less than its size, so that each node is whole in one. */
static int search_all(struct search *search)
{
    int result = EVLOG_OK;
    for (search->start = 0; result == EVLOG_OK && search->start < search->file_size;
         search->start += WINDOW_SIZE - PAGE_SIZE_MAX) {
        scan_read(search->remains->fd, search->window, WINDOW_SIZE, search->start,
                  &search->filled, &search->remains->unreadable_count);
        size_t end = search->filled < WINDOW_SIZE ? search->filled : WINDOW_SIZE - PAGE_SIZE_MAX;
        for (size_t at = 0; result == EVLOG_OK && at + NODE_HEAD_SIZE < end; at += 2)
            result = look_at(search, at);
    }
    return result;
}

static int add_bytes(struct remains *remains, uint32_t page_size)
{
    struct search search = {.remains = remains, .page_size = page_size};
    struct stat status;
    if (fstat(remains->fd, &status))
        return EVLOG_OK;
    search.file_size = (uint64_t)status.st_size;
    search.window = malloc(WINDOW_SIZE);
    search.value = malloc(ENTRY_VALUE_SIZE_MAX);
    int result = search.window && search.value ? search_all(&search) : error_nomem();
    free(search.window);
    free(search.value);
    return result;
}

/* ------------------------------------------------------------ the choice ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* By consumer; of one its place first; then by key, and of one that of the tree first, then the newest. */
static int compare(const void *a, const void *b)
{
    const struct remain *first = a, *second = b;
    bool is_place = first->kind == ENTRY_CONSUMER, is_second = second->kind == ENTRY_CONSUMER;
    if (first->owner != second->owner)
        return compare_numbers(first->owner, second->owner);
    if (is_place != is_second)
        return is_place ? -1 : 1;
    if (first->key_digest != second->key_digest)
        return compare_numbers(first->key_digest, second->key_digest);
    if (first->is_live != second->is_live)
        return first->is_live ? -1 : 1;
    if (first->updated_us != second->updated_us)
        return first->updated_us > second->updated_us ? -1 : 1;
    return compare_numbers(first->check, second->check);
}

/* The end of those of the same key. */
static size_t end_of_key(const struct remains *remains, size_t from)
{
    size_t end = from + 1;
    while (end < remains->count && remains->all[end].owner == remains->all[from].owner &&
           remains->all[end].key_digest == remains->all[from].key_digest)
        end++;
    return end;
}

/* Takes the first of one key, if it is the log's for sure. */
static void take_key(struct remains *remains, size_t from, size_t end)
{
    struct remain *first = &remains->all[from];
    bool is_one = true;
    for (size_t i = from + 1; i < end; i++)
        is_one &= remains->all[i].check == first->check;
    first->is_taken = first->is_live || is_one || first->kind == ENTRY_CONSUMER ||
                      first->kind == ENTRY_TYPE || first->kind == ENTRY_SOURCE;
}

struct counts {
    uint64_t parked, retry, state;
};

static bool is_counted(const struct consumer_entry *place, const struct counts *counts)
{
    return place->parked_count == counts->parked && place->retry_count == counts->retry &&
           place->state_count == counts->state;
}

/* Takes nothing of a consumer whose entries are not as many as it counts. */
static int check_counts(struct remains *remains, size_t from, size_t end)
{
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct counts counts = {.parked = 0};
    struct consumer_entry place;
    struct entry entry;
    bool is_good = remains->all[from].kind == ENTRY_CONSUMER;
    for (size_t i = from; i < end; i++)
        if (remains->all[i].is_taken) {
            unsigned char kind = remains->all[i].kind;
            counts.parked += kind == ENTRY_PARKED || kind == ENTRY_RETRY;
            counts.retry += kind == ENTRY_RETRY;
            counts.state += kind == ENTRY_STATE;
        }
    if (is_good) {
        int result = remains_read(remains, &remains->all[from], &entry);
        if (result == EVLOG_NOMEM)
            return result;
        is_good = result == EVLOG_OK && consumer_entry_name(&entry, name) == EVLOG_OK &&
                  consumer_unpack(name, &entry, &place) == EVLOG_OK &&
                  is_counted(&place, &counts);
        if (result == EVLOG_OK)
            free(entry.value);
    }
    for (size_t i = from; !is_good && i < end; i++)
        remains->all[i].is_taken = false;
    return EVLOG_OK;
}

static int choose(struct remains *remains)
{
    int result = EVLOG_OK;
    size_t end;
    if (remains->count > 1)
        qsort(remains->all, remains->count, sizeof *remains->all, compare);
    for (size_t from = 0; from < remains->count; from = end) {
        end = end_of_key(remains, from);
        take_key(remains, from, end);
    }
    for (size_t from = 0; result == EVLOG_OK && !remains->is_whole && from < remains->count;
         from = end) {
        uint64_t owner = remains->all[from].owner;
        for (end = from; end < remains->count && remains->all[end].owner == owner;)
            end++;
        if (owner)
            result = check_counts(remains, from, end);
    }
    return result;
}

/* What the newest state has. `*page_size` stays as it is where there is none. */
static int find_in_tree(struct remains *remains, uint32_t *page_size)
{
    struct page_snapshot tree;
    remains->count = remains->lost_count = 0;
    remains->is_whole = false;
    int result = meta_read(remains->fd, FILE_NAME, &tree);
    if (result)
        return EVLOG_OK;
    *page_size = tree.page_size;
    result = add_tree(remains, &tree, &remains->is_whole);
    remains->is_whole &= !tree.one_meta && remains->lost_count == 0;
    return result;
}

int remains_find(struct remains *remains, int fd, uint64_t seed)
{
    uint32_t page_size = (uint32_t)sysconf(_SC_PAGESIZE);
    *remains = (struct remains){.fd = fd, .seed = seed};
    if (fd < 0)
        return EVLOG_OK;
    int result = find_in_tree(remains, &page_size);
    if (result == EVLOG_OK && !remains->is_whole) /* again: a disk may fail once */
        result = find_in_tree(remains, &page_size);
    if (result == EVLOG_OK && !remains->is_whole)
        result = add_bytes(remains, page_size);
    return result ? result : choose(remains);
}

/* ------------------------------------------------------------ what there is ---- */

int remains_read(struct remains *remains, const struct remain *remain, struct entry *entry)
{
    size_t value_count, key_count;
    unsigned char *value = malloc((size_t)remain->value_size + remain->key_size);
    if (!value)
        return error_nomem();
    unsigned char *key = value + remain->value_size;
    scan_read(remains->fd, value, remain->value_size, remain->value_place, &value_count,
              &remains->unreadable_count);
    scan_read(remains->fd, key, remain->key_size, remain->key_place, &key_count,
              &remains->unreadable_count);
    if (value_count < remain->value_size || key_count < remain->key_size ||
        !entry_is_sound(remains->seed, key, remain->key_size, value, remain->value_size)) {
        free(value);
        return error_set(EVLOG_DAMAGED, FILE_NAME ": changes while it is read");
    }
    *entry = (struct entry){.key = key,
                            .key_size = remain->key_size,
                            .value = value,
                            .value_size = remain->value_size,
                            .is_sound = true};
    return EVLOG_OK;
}

bool remains_has(const struct remains *remains, const void *key, size_t key_size)
{
    uint64_t digest = XXH3_64bits(key, key_size);
    size_t low = 0, high = remains->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct remain *remain = &remains->all[middle];
        if (remain->owner == 0 && remain->key_digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    return low < remains->count && remains->all[low].owner == 0 &&
           remains->all[low].key_digest == digest && remains->all[low].is_taken;
}

int remains_each_consumer(struct remains *remains,
                          int (*visit)(const char *name, const struct consumer_entry *place,
                                       bool is_taken, void *ctx),
                          void *ctx)
{
    uint64_t owner = 0;
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < remains->count; i++) {
        char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
        struct consumer_entry place;
        struct entry entry;
        const struct remain *remain = &remains->all[i];
        if (!remain->owner || remain->owner == owner)
            continue;
        owner = remain->owner;
        result = remains_read(remains, remain, &entry);
        if (result)
            break;
        bool has_place = remain->kind == ENTRY_CONSUMER;
        result = consumer_entry_name(&entry, name);
        if (result == EVLOG_OK && has_place)
            result = consumer_unpack(name, &entry, &place);
        if (result == EVLOG_OK)
            result = visit(name, has_place ? &place : NULL, has_place && remain->is_taken, ctx);
        free(entry.value);
    }
    return result;
}
