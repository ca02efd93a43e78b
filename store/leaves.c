/*
 * The records of a log as the leaves of a Merkle tree: what an auditor's SHA-256 covers, which is not computed here.
 *
 *   bytes 19 to 100 of the record, the flag `erased` taken as 0
 *   its contents from byte 101 on, or, erased, the 32 bytes that are there in their place
 *   what its type and source are, since the record has only XXH3-64 of them, which anyone can match
 *
 * Not what chains it to the record before: its place is in the seq.
 *
 * 1. An erased record has the same leaf as before, if it was erased with the SHA-256 of its contents.
 * 2. A seq that the log does not have is not the same as one that cannot be read: what is missing stays so (salvage.c,
 *    repair.c, and what was trimmed), and later seals go on over it; what is damaged is to be mended first.
 * 3. What a visitor gets has been checked as every reader's events are (reader.c).
 *
 * Cost: a reader's, and a copy of 82 bytes an event.
 */
#include "leaves.h"

#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entries.h"
#include "error.h"
#include "reader.h"
#include "store.h"

#define BATCH 4096

enum {
    AT_HEAD = 19,
    AT_FLAGS = 88 - AT_HEAD,
    AT_CONTENTS = RECORD_HEAD_SIZE - RECORD_SALT_SIZE,
    ERASURE_SIZE = 32,
    TYPE_NAMES_AT = 15,
    SOURCE_NAMES_AT = 10
};

_Static_assert(AT_CONTENTS - AT_HEAD == EVLOG_LEAF_HEAD_SIZE, "as record.c has it");

/* The contents are where the record was read, behind its head. */
static evlog_leaf leaf_of(const struct reader_event *event)
{
    const struct record *record = &event->record;
    bool is_erased = record->flags & RECORD_ERASED;
    evlog_leaf leaf = {
        .seq = record->seq,
        .last_seq = record->seq,
        .kind = is_erased ? EVLOG_LEAF_ERASED : EVLOG_LEAF_WHOLE,
        .chain = record->chain,
        .prev = record->prev,
        .contents = is_erased ? record->erasure
                              : (const unsigned char *)record->headers - RECORD_SALT_SIZE,
        .contents_size = is_erased ? ERASURE_SIZE
                                   : RECORD_SALT_SIZE + record->headers_size + record->data_size,
        .type_number = record->type,
        .source_number = record->source,
        .event_type = event->type ? event->type->text.name : "?",
        .log_time_us = record->log_time_us,
        .era = record->era,
        .data = record->data,
        .data_size = record->data_size,
    };
    const unsigned char *at = leaf.contents;
    memcpy(leaf.head, at - (is_erased ? 2 : 0) - EVLOG_LEAF_HEAD_SIZE, EVLOG_LEAF_HEAD_SIZE);
    leaf.head[AT_FLAGS] &= (unsigned char)~RECORD_ERASED;
    return leaf;
}

static int visit_batch(const struct reader *reader,
                       int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx)
{
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < reader->count; i++) {
        evlog_leaf leaf = leaf_of(&reader->events[i]);
        result = visit(&leaf, ctx);
    }
    return result;
}

struct range {
    uint64_t first, last;
    bool is_missing;
};

/* Whether the tree has no record from first to last. A record that cannot be read is one. */
static int look(const struct page_snapshot *snapshot, void *ctx)
{
    struct range *range = ctx;
    struct record record = {.seq = 0};
    int result = snapshot->depth ? record_load(snapshot, range->first, &record) : EVLOG_NOTFOUND;
    range->is_missing =
        result == EVLOG_NOTFOUND || (result == EVLOG_OK && record.seq > range->last);
    return result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

static int visit_gap(struct store *store, uint64_t first, uint64_t last,
                     int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx)
{
    struct range range = {.first = first, .last = last};
    char why[ERROR_SIZE];
    strcpy(why, evlog_errmsg());
    int result = env_read(store->events, ENV_CHECKED, look, &range);
    if (result)
        return result;
    error_set(EVLOG_DAMAGED, "%s", why);
    evlog_leaf leaf = {.seq = first,
                       .last_seq = last,
                       .kind = range.is_missing ? EVLOG_LEAF_MISSING : EVLOG_LEAF_DAMAGED,
                       .event_type = "?"};
    return visit(&leaf, ctx);
}

int leaves_each(struct store *store, uint64_t first, uint64_t last,
                int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx)
{
    struct reader reader = {.with_nameless = true};
    int result = EVLOG_OK;
    for (uint64_t seq = first; result == EVLOG_OK && seq <= last; seq = reader.next) {
        result = reader_read(&reader, store, seq, last, BATCH);
        if (result == EVLOG_DAMAGED)
            result = visit_gap(store, seq, reader.next - 1, visit, ctx);
        else if (result == EVLOG_OK)
            result = visit_batch(&reader, visit, ctx);
    }
    reader_free(&reader);
    return result;
}

/* --------------------------------------------------------------- names ---- */

static int read_entry(struct store *store, enum entry_kind kind, uint64_t number, size_t least,
                      struct entry *entry)
{
    unsigned char key[1 + sizeof number] = {(unsigned char)kind};
    be64_store(key + 1, number);
    int result = entry_read(store->state, ENV_NEWEST, key, sizeof key, entry);
    if (result)
        return result;
    if (entry->value_size > least &&
        entry_digest(entry->value + least, entry->value_size - least) == number)
        return EVLOG_OK;
    free(entry->value);
    return error_set(EVLOG_DAMAGED, "%s: an entry of state.mdb has not the digest of its text",
                     store->path);
}

int leaf_names(struct store *store, uint64_t type, uint64_t source, evlog_buffer *names)
{
    struct entry of_type, of_source;
    int result = read_entry(store, ENTRY_TYPE, type, TYPE_NAMES_AT, &of_type);
    if (result)
        return result;
    result = read_entry(store, ENTRY_SOURCE, source, SOURCE_NAMES_AT, &of_source);
    if (result) {
        free(of_type.value);
        return result;
    }
    size_t type_size = of_type.value_size - TYPE_NAMES_AT;
    size_t source_size = of_source.value_size - SOURCE_NAMES_AT;
    unsigned char *data = malloc(type_size + source_size);
    if (data) {
        memcpy(data, of_type.value + TYPE_NAMES_AT, type_size);
        memcpy(data + type_size, of_source.value + SOURCE_NAMES_AT, source_size);
        *names = (evlog_buffer){.data = data, .size = type_size + source_size};
    }
    free(of_type.value);
    free(of_source.value);
    return data ? EVLOG_OK : error_nomem();
}
