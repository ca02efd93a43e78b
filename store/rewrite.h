/* Records as they are, from one log's file to another's, see rewrite.c. */
#ifndef STORE_REWRITE_H
#define STORE_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct env;
struct entry;
struct record;

/* ------------------------------------------------------------- a batch ---- */

#define RAW_BATCH_SIZE ((size_t)1 << 20) /* of its bytes; a record larger than this goes alone */

/* The bytes of a record, and what names it needs. */
struct raw_record {
    uint64_t seq, type, source;
    size_t at, size;
};

/* Zeroed, it is ready to be filled. */
struct raw_batch {
    struct raw_record *records;
    size_t count, count_max;
    unsigned char *bytes;
    size_t size, size_max;
};

void raw_free(struct raw_batch *batch);

/* Adds a record whose bytes were checked. `*is_full`: it does not fit, and goes into the next batch. EVLOG_NOMEM. */
int raw_add(struct raw_batch *batch, const struct record *record, const void *bytes, size_t size,
            bool *is_full);

/* --------------------------------------------------------- the whole way ---- */

#define REWRITE_RECENT_SLOTS 256

struct rewrite {
    struct env *events, *state;       /* from which; state: types and sources */
    struct env *to_events, *to_state; /* into which; nobody else writes to them */
    /* Or NULL: called before each batch is appended, and after it; other than 0 ends it, and is returned. */
    int (*before)(const struct raw_batch *batch, void *ctx);
    int (*visit)(const struct raw_batch *batch, void *ctx);
    void *ctx;

    uint64_t chain;         /* of the record before the next one; set it for the first one */
    uint64_t written_count; /* records */
    uint64_t missing_count; /* seqs of which there is no record */
    uint64_t recent[REWRITE_RECENT_SLOTS]; /* numbers of types and sources that are there */
    struct raw_batch batch;
};

/*
 * Copies the records `first` to `last` with the types and sources that they name; these are durable before. The records
 * are not flushed. What is missing in the one log is missing in the other, and counted. EVLOG_DAMAGED: one is not as it
 * was written, or does not follow the one before it; those before it were copied. EVLOG_FULL, EVLOG_IO, EVLOG_BUSY,
 * EVLOG_NOMEM.
 */
int rewrite_records(struct rewrite *rewrite, uint64_t first, uint64_t last);

/* Appends a batch that was filled otherwise, with its types and sources as far as they are known, and empties it. */
int rewrite_batch(struct rewrite *rewrite, bool must_be_known);

void rewrite_free(struct rewrite *rewrite);

/*
 * Replaces in to_state what `is_copied` says by what state has: in one transaction, from one snapshot. EVLOG_DAMAGED:
 * an entry is not as it was written.
 */
int rewrite_entries(struct rewrite *rewrite,
                    bool (*is_copied)(const unsigned char *key, size_t key_size));

#endif
