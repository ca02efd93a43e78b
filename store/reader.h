/* Reading records in batches, see reader.c. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct store;
struct type;
struct source;

#define READER_RECENT_SLOTS 32
#define READER_BUFFER_SIZE ((size_t)256 << 10) /* a larger record makes it grow */

/* A record that was read and found good, with its type and source looked up. */
struct reader_event {
    struct record record;
    const struct type *type;     /* NULL: the log does not know it, see with_nameless */
    const struct source *source; /* likewise */
};

/* Zeroed, it is ready to read; reader_free takes it so too. */
struct reader {
    struct reader_event *events; /* of the last reader_read, in order */
    size_t count;
    uint64_t next; /* the first seq after what it dealt with */
    bool
        with_nameless; /* also events whose type or source the log does not know; else they are damaged */
    uint64_t erasure_count; /* of the log, before they were read */
    bool checks_places;     /* asks for: */
    uint64_t
        misplaced; /* a page of the last reader_read that is not page_leaf_is_in_place; 0: none */

    unsigned char *buffer; /* the pages that `events` point into */
    size_t buffer_size, used, count_max;
    bool has_large; /* the last batch had records on overflow pages, which need the buffer */
    uint64_t last_seq, last_chain; /* of the last record, for the next one's `prev` */

    const struct source **held; /* the sources of `events` */
    size_t held_count, held_max;
    const struct source *recent[READER_RECENT_SLOTS]; /* of these, by number; NULL: none */
};

void reader_free(struct reader *reader);

/*
 * Reads the seqs from `first` on, up to `last`, which must be in the log or have been: either some
 * of them (EVLOG_OK, at least one and at most `count_max`), or it finds that the first one, perhaps
 * with more after it, cannot be read (EVLOG_DAMAGED, the sentence names them). Either way
 * reader->next is where to continue, and is greater than `first`. EVLOG_BUSY, EVLOG_IO,
 * EVLOG_NOMEM. The events are valid until the next call. One thread at a time.
 */
int reader_read(struct reader *reader, struct store *store, uint64_t first, uint64_t last,
                size_t count_max);

/*
 * Whether an event was erased since the last reader_read: it may be one of those, which then are to be read again
 * before another is handed out.
 */
bool reader_is_stale(const struct reader *reader, const struct store *store);

#endif
