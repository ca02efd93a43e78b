/* The bytes of one event in the log, see record.c. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evlog.h"
#include "page.h"

#define RECORD_HEAD_SIZE 119 /* bytes before the headers, */
#define RECORD_SALT_SIZE 18  /* ... of which the last are the salt */
#define RECORD_ERASED_SIZE 137
#define RECORD_SIZE_MAX \
    (RECORD_HEAD_SIZE + (size_t)EVLOG_HEADERS_SIZE_MAX + (size_t)EVLOG_DATA_SIZE_MAX)

enum record_flag {
    RECORD_FROM_EVENT_BUS = 1,
    RECORD_ERASED = 2, /* without salt, headers and data; not covered by `chain` */
    RECORD_MORE = 4,   /* more of this send follow */
    RECORD_FLAGS = 7   /* all there are */
};

#define RECORD_ERA_MAX UINT16_MAX

/* A record outside its bytes. What it points to belongs to the code that filled it. */
struct record {
    uint64_t seq;   /* its key */
    uint64_t chain; /* checksum of this record, which covers `prev` and `digest` */
    uint64_t prev;  /* `chain` of the record before */
    int64_t log_time_us;
    int64_t time_us;
    uint8_t id[16];
    uint64_t type;   /* of a type, types.h */
    uint64_t source; /* of a source, sources.h */
    int32_t minorversion;
    unsigned flags; /* of enum record_flag */
    uint16_t era;   /* clock steps before it: (era, log_time_us) never decreases */
    uint8_t salt[16];
    uint64_t digest;     /* of salt, headers and data */
    const void *headers; /* a map, headers.h; NULL: erased or, for record_encode, none */
    size_t headers_size;
    const void *data; /* NULL: erased */
    size_t data_size;
    const void *erasure; /* of an erased one: 32 bytes, for record_encode or NULL: zeros */
    bool was_there;      /* by append_records: not appended, since the log has its id, as `seq` */
};

/* All that its maker may leave as it is: of one that is not erased, and not in a log. No `rep stos`, see record.c. */
static inline void record_begin(struct record *record)
{
    record->seq = record->chain = record->prev = record->digest = 0;
    record->log_time_us = 0;
    record->era = 0;
    record->headers = record->erasure = NULL;
    record->headers_size = 0;
    record->was_there = false;
}

/* Whether it was logged before an event of that era and log time. */
static inline bool record_is_earlier(const struct record *record, uint16_t era,
                                     int64_t log_time_us)
{
    return record->era < era || (record->era == era && record->log_time_us < log_time_us);
}

/* The `prev` of a log's first record. */
uint64_t record_origin(const uint8_t uuid[16]);

/* Bytes that record_encode writes. */
size_t record_size(const struct record *record);

/*
 * Sets `chain` from the other fields, and `digest`, unless it is erased, and writes the value to
 * `out`.
 */
void record_encode(struct record *record, unsigned char *out);

/*
 * Reads the value of key `seq`; `headers`, `data` and `erasure` then point into it. EVLOG_OK, or
 * EVLOG_DAMAGED and a sentence: not of this form, a checksum that does not fit,
 * or contents that no evlog wrote.
 */
int record_decode(uint64_t seq, const void *value, size_t size, struct record *record);

/* Whether a record begins at `bytes`, by its head: form and `chain`. */
bool record_has_head(const void *bytes, size_t size);

/* Of such a head. */
uint64_t record_head_seq(const void *bytes);
uint64_t record_head_chain(const void *bytes);

/*
 * The size of the record that begins at `bytes`, where `left` bytes are. Its digest is not looked at. false:
 * there is none, or its contents are malformed or longer than that.
 */
bool record_measure(const void *bytes, size_t left, size_t *size);

/*
 * Reads, without its headers and data, the first record whose seq is not less than `seq` or, 0, the last one.
 * EVLOG_NOTFOUND, EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int record_load(const struct page_snapshot *snapshot, uint64_t seq, struct record *record);

/* The same, at a seq that is not 0, with the pages that the cursor has on its path: see page_seek_near. */
int record_load_near(struct page_cursor *cursor, uint64_t seq, struct record *record);

#endif
