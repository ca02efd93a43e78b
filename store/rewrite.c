/*
 * Records as they are, from one log's file to another's: the loop of copy.c, compact.c and salvage.c.
 *
 *   1. a batch of records is read in one snapshot, which is held no longer
 *   2. the types and sources that they name, and that are not there yet, are put into the other state.mdb, durably
 *   3. the batch is appended to the other events.mdb, in one commit, which is not flushed
 *
 * A record is copied byte for byte, so it keeps its seq, id, times, salt and chain. It is checked on the way: its
 * checksum, its seq, and that it follows the one before it. What is missing in the one log is missing in the other.
 * Types and sources are named by their content, and their entries sealed with the log's origin, which a copy shares:
 * these too are copied as they are.
 *
 * What else state.mdb has is of consumers, for the most part, whose entries belong together: so it is read in one
 * snapshot, and replaces in one transaction what was there.
 *
 * Cost: memory for one batch; a reader's slot for as long as a batch takes to be read. Which names are there is
 * remembered for the last 256 of them; others are looked up in the other state.mdb.
 */
#include "rewrite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entries.h"
#include "env.h"
#include "error.h"
#include "record.h"

#define COUNT_FIRST 1024

/* ------------------------------------------------------------- a batch ---- */

void raw_free(struct raw_batch *batch)
{
    free(batch->records);
    free(batch->bytes);
    *batch = (struct raw_batch){.records = NULL};
}

static int make_room(struct raw_batch *batch, size_t size)
{
    if (batch->count == batch->count_max) {
        size_t max = batch->count_max ? 2 * batch->count_max : COUNT_FIRST;
        struct raw_record *records = realloc(batch->records, max * sizeof *records);
        if (!records)
            return error_nomem();
        batch->records = records;
        batch->count_max = max;
    }
    if (size > batch->size_max - batch->size) {
        size_t max = batch->size + size < RAW_BATCH_SIZE ? RAW_BATCH_SIZE : batch->size + size;
        unsigned char *bytes = realloc(batch->bytes, max);
        if (!bytes)
            return error_nomem();
        batch->bytes = bytes;
        batch->size_max = max;
    }
    return EVLOG_OK;
}

int raw_add(struct raw_batch *batch, const struct record *record, const void *bytes, size_t size,
            bool *is_full)
{
    *is_full = batch->count > 0 && batch->size + size > RAW_BATCH_SIZE;
    if (*is_full)
        return EVLOG_OK;
    int result = make_room(batch, size);
    if (result)
        return result;
    memcpy(batch->bytes + batch->size, bytes, size);
    batch->records[batch->count++] = (struct raw_record){.seq = record->seq,
                                                         .type = record->type,
                                                         .source = record->source,
                                                         .at = batch->size,
                                                         .size = size};
    batch->size += size;
    return EVLOG_OK;
}

/* ------------------------------------------------------------- reading ---- */

struct reading {
    struct raw_batch *batch;
    uint64_t next, last; /* the seq that is expected, and the last one */
    uint64_t chain;      /* of the record before `next`; if it is there */
    uint64_t missing_count;
    unsigned char *value; /* of a record on overflow pages */
};

static int find_value(struct reading *reading, const struct page_cursor *cursor,
                      const struct page_node *node, const void **bytes)
{
    *bytes = node->data;
    if (node->data)
        return EVLOG_OK;
    if (node->data_size > RECORD_SIZE_MAX)
        return error_set(EVLOG_DAMAGED, "its record claims a size over the limit");
    free(reading->value);
    reading->value = malloc(PAGE_HEADER_SIZE + node->data_size);
    if (!reading->value)
        return error_nomem();
    *bytes = reading->value + PAGE_HEADER_SIZE;
    return page_read_overflow(cursor->snapshot, node, reading->value);
}

/* The seq of a node. EVLOG_DAMAGED: it is none, or out of order. */
static int find_seq(const struct reading *reading, const struct page_node *node, uint64_t *seq)
{
    *seq = node->key_size == sizeof *seq ? be64_load(node->key) : 0;
    if (*seq < reading->next)
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": its key is not as it was written",
                         reading->next);
    return EVLOG_OK;
}

static int take_record(struct reading *reading, const struct page_cursor *cursor,
                       const struct page_node *node, uint64_t seq, bool *is_full)
{
    struct record record;
    const void *bytes;
    int result = find_value(reading, cursor, node, &bytes);
    if (result)
        return result == EVLOG_DAMAGED ? error_prefix(result, "event %" PRIu64, seq) : result;
    result = record_decode(seq, bytes, node->data_size, &record);
    if (result == EVLOG_OK && seq == reading->next && record.prev != reading->chain)
        result = error_set(EVLOG_DAMAGED,
                           "event %" PRIu64 ": it does not follow the one before it", seq);
    if (result == EVLOG_OK)
        result = raw_add(reading->batch, &record, bytes, node->data_size, is_full);
    if (result || *is_full)
        return result;
    reading->missing_count += seq - reading->next;
    reading->next = seq + 1;
    reading->chain = record.chain;
    return EVLOG_OK;
}

/* There is no record behind those that were read. */
static int miss_rest(struct reading *reading)
{
    reading->missing_count += reading->last - reading->next + 1;
    reading->next = reading->last + 1;
    return EVLOG_OK;
}

static int read_node(struct reading *reading, struct page_cursor *cursor, bool *is_end)
{
    struct page_node node;
    uint64_t seq;
    int result = page_cursor_node(cursor, &node);
    if (result == EVLOG_OK)
        result = find_seq(reading, &node, &seq);
    if (result == EVLOG_OK && seq > reading->last)
        result = EVLOG_NOTFOUND;
    if (result == EVLOG_OK)
        result = take_record(reading, cursor, &node, seq, is_end);
    page_cursor_step(cursor);
    if (result != EVLOG_NOTFOUND)
        return result;
    *is_end = true;
    return miss_rest(reading);
}

static int read_batch(const struct page_snapshot *snapshot, void *ctx)
{
    struct reading again = *(struct reading *)ctx;
    struct page_cursor cursor = {.snapshot = snapshot};
    unsigned char key[sizeof(uint64_t)];
    bool is_end = false;
    again.batch->count = again.batch->size = 0;
    be64_store(key, again.next);
    int result = page_seek(&cursor, key, sizeof key);
    if (result == EVLOG_NOTFOUND)
        result = miss_rest(&again);
    while (result == EVLOG_OK && !is_end && again.next <= again.last)
        result = read_node(&again, &cursor, &is_end);
    page_cursor_free(&cursor);
    free(again.value);
    again.value = NULL;
    if (result == EVLOG_OK)
        *(struct reading *)ctx = again;
    return result;
}

/* ------------------------------------------------------ types and sources ---- */

static struct entry_key name_key(enum entry_kind kind, uint64_t number)
{
    struct entry_key key = {.size = 1 + sizeof number, .bytes = {(unsigned char)kind}};
    be64_store(key.bytes + 1, number);
    return key;
}

static int put_entry(struct env *env, void *ctx)
{
    const struct entry *entry = ctx;
    return env_put(env, entry->key, entry->key_size, entry->value, entry->value_size, NULL);
}

/* Puts a type or source into the other state.mdb, if it is not there. EVLOG_NOTFOUND: it is in neither. */
static int copy_name(struct rewrite *rewrite, enum entry_kind kind, uint64_t number)
{
    uint64_t *recent = &rewrite->recent[(number ^ kind) % REWRITE_RECENT_SLOTS];
    struct entry_key key = name_key(kind, number);
    struct entry entry;
    if (*recent == (number ^ kind))
        return EVLOG_OK;
    int result = entry_read(rewrite->to_state, ENV_NEWEST, key.bytes, key.size, &entry);
    if (result == EVLOG_OK)
        free(entry.value);
    if (result == EVLOG_NOTFOUND) {
        result = entry_read(rewrite->state, ENV_NEWEST, key.bytes, key.size, &entry);
        if (result)
            return result;
        result = env_write(rewrite->to_state, ENV_FLUSH_ALL, entry.value_size, put_entry, &entry);
        free(entry.value);
    }
    if (result == EVLOG_OK)
        *recent = number ^ kind;
    return result;
}

/* An event can also be of a type that the log does not know any more: then it is so in the copy. */
static int copy_names(struct rewrite *rewrite, const struct raw_record *record,
                      bool must_be_known)
{
    int result = copy_name(rewrite, ENTRY_TYPE, record->type);
    if (result == EVLOG_OK || (!must_be_known && result == EVLOG_NOTFOUND))
        result = copy_name(rewrite, ENTRY_SOURCE, record->source);
    if (result == EVLOG_NOTFOUND)
        result = must_be_known ? error_set(EVLOG_DAMAGED,
                                           "state.mdb: it has no entry of its type or source")
                               : EVLOG_OK;
    return result ? error_prefix(result, "event %" PRIu64, record->seq) : EVLOG_OK;
}

/* ----------------------------------------------------------- appending ---- */

static int append_batch(struct env *events, void *ctx)
{
    const struct raw_batch *batch = ctx;
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < batch->count; i++) {
        const struct raw_record *record = &batch->records[i];
        unsigned char key[sizeof(uint64_t)];
        void *bytes;
        be64_store(key, record->seq);
        result = env_append(events, key, sizeof key, record->size, &bytes);
        if (result == EVLOG_OK)
            memcpy(bytes, batch->bytes + record->at, record->size);
    }
    return result;
}

int rewrite_batch(struct rewrite *rewrite, bool must_be_known)
{
    struct raw_batch *batch = &rewrite->batch;
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < batch->count; i++)
        result = copy_names(rewrite, &batch->records[i], must_be_known);
    if (result == EVLOG_OK && rewrite->before)
        result = rewrite->before(batch, rewrite->ctx);
    if (result == EVLOG_OK)
        result = env_write(rewrite->to_events, ENV_FLUSH_ALL, batch->size, append_batch, batch);
    if (result)
        return result;
    rewrite->written_count += batch->count;
    if (rewrite->visit)
        result = rewrite->visit(batch, rewrite->ctx);
    batch->count = batch->size = 0;
    return result;
}

int rewrite_records(struct rewrite *rewrite, uint64_t first, uint64_t last)
{
    struct reading reading = {
        .batch = &rewrite->batch, .next = first, .last = last, .chain = rewrite->chain};
    int result = EVLOG_OK;
    while (result == EVLOG_OK && reading.next <= last) {
        result = env_read(rewrite->events, ENV_CHECKED, read_batch, &reading);
        if (result)
            return result;
        rewrite->chain = reading.chain;
        result = rewrite->batch.count ? rewrite_batch(rewrite, true) : EVLOG_OK;
    }
    rewrite->missing_count += reading.missing_count;
    return result;
}

void rewrite_free(struct rewrite *rewrite)
{
    raw_free(&rewrite->batch);
}

/* ------------------------------------------------- the rest of state.mdb ---- */

struct replacing {
    struct rewrite *rewrite;
    struct env *to;
    bool (*is_copied)(const unsigned char *key, size_t key_size);
};

static int put_one(const struct entry *entry, void *ctx)
{
    struct replacing *replacing = ctx;
    if (!replacing->is_copied(entry->key, entry->key_size))
        return EVLOG_OK;
    if (!entry->is_sound)
        return error_set(EVLOG_DAMAGED, "state.mdb: an entry is not as it was written");
    return env_put(replacing->to, entry->key, entry->key_size, entry->value, entry->value_size,
                   NULL);
}

static int delete_one(const struct entry *entry, void *ctx)
{
    struct replacing *replacing = ctx;
    if (!replacing->is_copied(entry->key, entry->key_size))
        return EVLOG_OK;
    int result = env_delete(replacing->to, entry->key, entry->key_size);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result; /* by an earlier try */
}

static int put_all(const struct page_snapshot *snapshot, void *ctx)
{
    struct replacing *replacing = ctx;
    const struct page_snapshot *base;
    int result = env_base(replacing->to, &base);
    if (result == EVLOG_OK)
        result = entries_each(base, env_seed(replacing->to), delete_one, replacing);
    if (result == EVLOG_OK)
        result = entries_each(snapshot, env_seed(replacing->rewrite->state), put_one, replacing);
    return result;
}

/* In the write transaction. */
static int replace(struct env *to, void *ctx)
{
    struct replacing *replacing = ctx;
    replacing->to = to;
    return env_read(replacing->rewrite->state, ENV_CHECKED, put_all, replacing);
}

int rewrite_entries(struct rewrite *rewrite,
                    bool (*is_copied)(const unsigned char *key, size_t key_size))
{
    struct replacing replacing = {.rewrite = rewrite, .is_copied = is_copied};
    return env_write(rewrite->to_state, ENV_FLUSH_ALL, 0, replace, &replacing);
}
