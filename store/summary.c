/*
 * Summaries: which event types there are in which part of the log.
 *
 * A segment is 65,536 seqs, from 65,536 n + 1 on, a block 512 of them. The summary of a segment is an entry of
 * state.mdb:
 *
 *   key    'b' | first seq of the segment 8
 *   value  [checksum, chain of the segment's last event (cf + 8),
 *           types: bin, the number of each 8,
 *           blocks: bin, for each of the 128: how many types it has 2, and of each its place in `types` 2 and how many
 *           events it has 2]
 *
 * numbers big-endian. It is made by the first reader that reads a whole segment, event by event, and may write
 * (replay/cursor.c); never by a send. A reader that wants few types passes over the blocks that have none of them.
 *
 * 1. A summary counts only while the segment's last event has the chain that it names: the chain covers the type of
 *    every event before, so it is one of this very history. Of another, after files were put back, it does not match.
 * 2. Erasing does not change an event's type, trimming takes whole events away: neither makes a summary wrong. One
 *    whose first event was trimmed goes when another is made.
 * 3. One that is damaged, or has another form, is none: everything is read, and it is made anew.
 * 4. Making one waits for no lock: where another thread or process writes to state.mdb, it is left.
 *
 * What it costs: in a block that is passed over nothing is read, so damage that is there is not found by that
 * reader. verify reads all.
 *
 * Cost: to use, a look at an entry and at the last event of each segment, some 20 us for 65,536 events. To
 * make, some ns an event, and one commit of state.mdb with its flush a segment. An entry has 2 KiB and 768 bytes
 * for each type that is everywhere, at most 390 KiB.
 */
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entry_fields.h"
#include "entry_pack.h"
#include "error.h"
#include "store.h"

#define ELEMENT_COUNT 4
#define PAIR_SIZE 4                                                   /* of a type in a block */
#define BLOCK_SIZE_MAX (sizeof(uint16_t) + SUMMARY_BLOCK * PAIR_SIZE) /* in `blocks` */

static uint64_t segment_of(uint64_t seq)
{
    return seq - (seq - 1) % SUMMARY_SEGMENT;
}

static struct entry_key key_of(uint64_t first_seq)
{
    struct entry_key key = {.size = 1 + sizeof first_seq, .bytes = {ENTRY_SUMMARY}};
    be64_store(key.bytes + 1, first_seq);
    return key;
}

/* -------------------------------------------------------------- reading ---- */

struct contents {
    uint64_t chain;
    const unsigned char *types, *blocks;
    size_t type_count, blocks_size;
};

/* Whether `blocks` has so many blocks, whose types are all there. */
static bool has_blocks(const struct contents *contents)
{
    const unsigned char *at = contents->blocks, *end = at + contents->blocks_size;
    for (unsigned block = 0; block < SUMMARY_BLOCKS; block++) {
        if (end - at < (ptrdiff_t)sizeof(uint16_t))
            return false;
        size_t count = be16_load(at);
        at += sizeof(uint16_t);
        if (count == 0 || (size_t)(end - at) < count * PAIR_SIZE)
            return false;
        for (; count > 0; count--, at += PAIR_SIZE)
            if (be16_load(at) >= contents->type_count)
                return false;
    }
    return at == end;
}

static bool unpack(const struct entry *entry, struct contents *contents)
{
    struct entry_fields fields = entry_fields_of(entry, ELEMENT_COUNT);
    uint64_t chain = entry_field_integer(&fields);
    struct pack_item types = entry_field(&fields, 1u << PACK_BIN);
    struct pack_item blocks = entry_field(&fields, 1u << PACK_BIN);
    if (fields.is_bad || types.size % sizeof(uint64_t) != 0 ||
        entry->key_size != 1 + sizeof(uint64_t) ||
        segment_of(be64_load(entry->key + 1)) != be64_load(entry->key + 1))
        return false;
    *contents = (struct contents){.chain = chain,
                                  .types = (const unsigned char *)types.bytes,
                                  .type_count = types.size / sizeof(uint64_t),
                                  .blocks = (const unsigned char *)blocks.bytes,
                                  .blocks_size = blocks.size};
    return has_blocks(contents);
}

int summary_check(const struct entry *entry)
{
    struct contents contents;
    if (unpack(entry, &contents))
        return EVLOG_OK;
    return error_set(EVLOG_DAMAGED,
                     "state.mdb: a summary of event types is not as it was written");
}

/* Reads the summary of a segment, whose value the caller frees. false: there is none of this history. */
static bool find(struct store *store, uint64_t first_seq, struct entry *entry,
                 struct contents *contents)
{
    struct entry_key key = key_of(first_seq);
    struct record last;
    if (entry_read(store->state, ENV_NEWEST, key.bytes, key.size, entry))
        return false;
    if (unpack(entry, contents) &&
        store_record(store, first_seq + SUMMARY_SEGMENT - 1, &last) == EVLOG_OK &&
        last.chain == contents->chain)
        return true;
    free(entry->value);
    return false;
}

/* Looks at a segment. Without a summary, or memory to read it, all its blocks are wanted. */
static void look_at(struct summary_view *view, struct store *store, summary_wants *wants,
                    void *ctx, uint64_t first_seq)
{
    struct entry entry;
    struct contents contents;
    view->first_seq = first_seq;
    memset(view->is_wanted, true, sizeof view->is_wanted);
    if (!find(store, first_seq, &entry, &contents))
        return;
    bool *is_wanted = calloc(contents.type_count + 1, sizeof *is_wanted);
    for (size_t i = 0; is_wanted && i < contents.type_count; i++)
        is_wanted[i] = wants(be64_load(contents.types + i * sizeof(uint64_t)), ctx);
    const unsigned char *at = contents.blocks;
    for (unsigned block = 0; is_wanted && block < SUMMARY_BLOCKS; block++) {
        size_t count = be16_load(at);
        view->is_wanted[block] = false;
        for (at += sizeof(uint16_t); count > 0; count--, at += PAIR_SIZE)
            view->is_wanted[block] |= is_wanted[be16_load(at)];
    }
    free(is_wanted);
    free(entry.value);
}

static uint64_t block_first(const struct summary_view *view, unsigned block)
{
    return view->first_seq + (uint64_t)block * SUMMARY_BLOCK;
}

/* A way through the blocks, from the first seq or from the last. */
struct skipping {
    struct summary_view *view;
    struct store *store;
    summary_wants *wants;
    void *ctx;
};

/* The block of a seq in its segment, which is looked at. */
static unsigned block_of(const struct skipping *skipping, uint64_t seq)
{
    if (skipping->view->first_seq != segment_of(seq))
        look_at(skipping->view, skipping->store, skipping->wants, skipping->ctx, segment_of(seq));
    return (unsigned)((seq - skipping->view->first_seq) / SUMMARY_BLOCK);
}

static void skip_forwards(const struct skipping *skipping, uint64_t *first, uint64_t *last)
{
    const struct summary_view *view = skipping->view;
    uint64_t end = *last;
    while (*first <= end && end - *first >= SUMMARY_BLOCK) { /* less is read without a look */
        unsigned begin = block_of(skipping, *first), block = begin;
        while (block < SUMMARY_BLOCKS && !view->is_wanted[block])
            block++;
        if (block > begin)
            *first = block_first(view, block);
        if (block == SUMMARY_BLOCKS)
            continue;
        while (block < SUMMARY_BLOCKS && view->is_wanted[block])
            block++;
        uint64_t run_last = block_first(view, block) - 1;
        *last = run_last < end ? run_last : end;
        return;
    }
}

/* The same from the other end; `block` is one past the last that may be wanted. */
static void skip_backwards(const struct skipping *skipping, uint64_t *first, uint64_t *last)
{
    const struct summary_view *view = skipping->view;
    uint64_t begin = *first;
    while (begin <= *last && *last - begin >= SUMMARY_BLOCK) {
        unsigned end = block_of(skipping, *last) + 1, block = end;
        while (block > 0 && !view->is_wanted[block - 1])
            block--;
        if (block < end)
            *last = block_first(view, block) - 1;
        if (block == 0)
            continue;
        while (block > 0 && view->is_wanted[block - 1])
            block--;
        uint64_t run_first = block_first(view, block);
        *first = run_first > begin ? run_first : begin;
        return;
    }
}

void summary_skip(struct summary_view *view, struct store *store, summary_wants *wants, void *ctx,
                  bool from_last, uint64_t *first, uint64_t *last)
{
    const struct skipping skipping = {view, store, wants, ctx};
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (from_last)
        skip_backwards(&skipping, first, last);
    else
        skip_forwards(&skipping, first, last);
    error_set(EVLOG_OK, "%s", why);
}

/* ------------------------------------------------------------- counting ---- */

static bool knows_all(const struct contents *contents, summary_counted *counted, void *ctx,
                      uint64_t first_seq)
{
    size_t i = 0;
    while (i < contents->type_count && counted(be64_load(contents->types + i * sizeof(uint64_t)),
                                               0, first_seq, first_seq, ctx))
        i++;
    return i == contents->type_count;
}

/* Counts in the blocks from `begin` to before `end`, by the place in `types`. */
static void add_blocks(const struct contents *contents, unsigned begin, unsigned end,
                       uint32_t *sums)
{
    const unsigned char *at = contents->blocks;
    for (unsigned block = 0; block < end; block++) {
        size_t count = be16_load(at);
        for (at += sizeof(uint16_t); count > 0; count--, at += PAIR_SIZE)
            if (block >= begin)
                sums[be16_load(at)] += be16_load(at + 2);
    }
}

/* Counts the blocks from `begin` to before `end` of the segment. Whether it could. */
static bool count_blocks(const struct contents *contents, uint64_t first_seq, unsigned begin,
                         unsigned end, summary_counted *counted, void *ctx)
{
    uint64_t first = first_seq + (uint64_t)begin * SUMMARY_BLOCK;
    uint64_t last = first_seq + (uint64_t)end * SUMMARY_BLOCK - 1;
    uint32_t *sums = calloc(contents->type_count + 1, sizeof *sums);
    bool can = sums && knows_all(contents, counted, ctx, first_seq);
    if (can)
        add_blocks(contents, begin, end, sums);
    for (size_t i = 0; can && i < contents->type_count; i++)
        if (sums[i])
            counted(be64_load(contents->types + i * sizeof(uint64_t)), sums[i], first, last, ctx);
    free(sums);
    return can;
}

void summary_count(struct store *store, summary_counted *counted, void *ctx, uint64_t *first,
                   uint64_t last)
{
    struct entry entry;
    struct contents contents;
    char why[ERROR_SIZE];
    uint64_t segment = segment_of(*first), behind = segment + SUMMARY_SEGMENT;
    unsigned begin = (unsigned)((*first - segment) / SUMMARY_BLOCK);
    unsigned end =
        last >= behind ? SUMMARY_BLOCKS : (unsigned)((last + 1 - segment) / SUMMARY_BLOCK);
    if (begin >= end)
        return;
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (find(store, segment, &entry, &contents)) {
        if (count_blocks(&contents, segment, begin, end, counted, ctx))
            *first = segment + (uint64_t)end * SUMMARY_BLOCK;
        free(entry.value);
    }
    error_set(EVLOG_OK, "%s", why);
}

/* --------------------------------------------------------------- making ---- */

/* Large, and mostly never touched. */
struct summary_maker {
    uint64_t next; /* the seq that is to be noted next; 0: the next first one of a segment */
    bool is_off;   /* one could not be written */
    size_t type_count, blocks_size;
    unsigned here_count; /* types of this block */
    uint16_t here[SUMMARY_BLOCK];
    uint16_t
        places[EVLOG_TYPES_MAX]; /* by the type's index: its place in `types`, and one more */
    uint16_t counts[EVLOG_TYPES_MAX]; /* by that place, in this block */
    unsigned char types[EVLOG_TYPES_MAX * sizeof(uint64_t)];
    unsigned char blocks[SUMMARY_BLOCKS * BLOCK_SIZE_MAX];
};

bool summary_is_passed(uint64_t first, uint64_t last)
{
    uint64_t segment = segment_of(first + SUMMARY_SEGMENT - 1);
    return segment + SUMMARY_SEGMENT - 1 <= last;
}

struct summary_maker *summary_maker_new(void)
{
    return calloc(1, sizeof(struct summary_maker));
}

void summary_maker_free(struct summary_maker *maker)
{
    free(maker);
}

static void begin_segment(struct summary_maker *maker, uint64_t first_seq)
{
    memset(maker->places, 0, sizeof maker->places);
    while (maker->here_count > 0)
        maker->counts[maker->here[--maker->here_count]] = 0;
    maker->type_count = maker->blocks_size = 0;
    maker->next = first_seq;
}

static void add_type(struct summary_maker *maker, const struct type *type)
{
    uint16_t *place = &maker->places[type->index];
    if (*place == 0) {
        be64_store(maker->types + maker->type_count * sizeof(uint64_t), type->number);
        *place = (uint16_t)++maker->type_count;
    }
    if (maker->counts[*place - 1]++ == 0)
        maker->here[maker->here_count++] = (uint16_t)(*place - 1);
}

static void end_block(struct summary_maker *maker)
{
    unsigned char *at = maker->blocks + maker->blocks_size;
    be16_store(at, (uint16_t)maker->here_count);
    at += sizeof(uint16_t);
    for (unsigned i = 0; i < maker->here_count; i++, at += PAIR_SIZE) {
        uint16_t place = maker->here[i];
        be16_store(at, place);
        be16_store(at + 2, maker->counts[place]);
        maker->counts[place] = 0;
    }
    maker->here_count = 0;
    maker->blocks_size = (size_t)(at - maker->blocks);
}

struct writing {
    struct store *store;
    struct entry_key key;
    unsigned char *value;
    size_t size;
};

/* Takes away those of which the first event was trimmed. */
static int drop_trimmed(struct env *env, uint64_t floor)
{
    static const struct entry_key prefix = {.size = 1, .bytes = {ENTRY_SUMMARY}};
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    entry_walk_begin(&walk, env, ENV_BASE, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        bool has_key = entry->key_size == 1 + sizeof(uint64_t);
        if (has_key && be64_load(entry->key + 1) >= floor)
            break;
        result = env_delete(env, entry->key, entry->key_size);
        if (result)
            break;
    }
    entry_walk_end(&walk);
    return result;
}

static int put(struct env *env, void *ctx)
{
    struct writing *writing = ctx;
    int result = drop_trimmed(env, floor_get(writing->store->floor).first_seq);
    if (result)
        return result;
    return entry_put(env, writing->key.bytes, writing->key.size, writing->value, writing->size,
                     NULL);
}

static void pack_bin(struct entry_packing *packing, const void *bytes, size_t size)
{
    msgpack_pack_bin(&packing->packer, size);
    msgpack_pack_bin_body(&packing->packer, bytes, size);
}

static int write_segment(const struct summary_maker *maker, struct store *store,
                         const struct record *last)
{
    struct entry_packing packing;
    struct writing writing = {.store = store, .key = key_of(last->seq - SUMMARY_SEGMENT + 1)};
    size_t types_size = maker->type_count * sizeof(uint64_t);
    writing.value = malloc(ENTRY_HEAD_SIZE + 3 * 9 + types_size + maker->blocks_size);
    if (!writing.value)
        return error_nomem();
    entry_pack_begin(&packing, writing.value, ELEMENT_COUNT);
    msgpack_pack_fix_uint64(&packing.packer, last->chain);
    pack_bin(&packing, maker->types, types_size);
    pack_bin(&packing, maker->blocks, maker->blocks_size);
    writing.size = entry_pack_end(&packing);
    int result =
        env_write_if_free(store->state, ENV_FLUSH_BUT_LAST, writing.size + 512, put, &writing);
    free(writing.value);
    return result;
}

static bool is_there(struct store *store, uint64_t first_seq)
{
    struct entry entry;
    struct contents contents;
    bool is_found = find(store, first_seq, &entry, &contents);
    if (is_found)
        free(entry.value);
    return is_found;
}

static void note(struct summary_maker *maker, struct store *store,
                 const struct reader_event *event)
{
    const struct record *record = &event->record;
    if (record->seq != maker->next) {
        maker->next = 0;
        if (record->seq != segment_of(record->seq) || is_there(store, record->seq))
            return;
        begin_segment(maker, record->seq);
    }
    if (!event->type) {
        maker->next = 0;
        return;
    }
    add_type(maker, event->type);
    maker->next++;
    if (record->seq % SUMMARY_BLOCK == 0)
        end_block(maker);
    if (record->seq % SUMMARY_SEGMENT != 0)
        return;
    int result = write_segment(maker, store, record);
    maker->is_off = result != EVLOG_OK && result != EVLOG_BUSY;
    maker->next = 0;
}

void summary_note(struct summary_maker *maker, struct store *store,
                  const struct reader_event *events, size_t count)
{
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    for (size_t i = 0; i < count && !maker->is_off; i++)
        note(maker, store, &events[i]);
    error_set(EVLOG_OK, "%s", why);
}
