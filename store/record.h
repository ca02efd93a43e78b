/* The bytes of one event in the log, see record.c. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "evlog.h"
#include "page.h"

#define RECORD_HEAD_SIZE 72 /* bytes before the data */
#define RECORD_SIZE_MAX (RECORD_HEAD_SIZE + (size_t)EVLOG_DATA_SIZE_MAX)
#define RECORD_FROM_EVENT_BUS 1

/* A record outside its bytes. What it points to belongs to whoever filled it. */
struct record {
    uint64_t seq;   /* its key; hashed into `chain`, not stored in the value */
    uint64_t chain; /* checksum of this record, which covers `prev` */
    uint64_t prev;  /* `chain` of the record before */
    int64_t log_time_us;
    int64_t time_us;
    uint8_t id[16];
    uint32_t type;   /* number of a type in names.h */
    uint32_t source; /* number of a source in names.h */
    int32_t minorversion;
    unsigned flags;
    uint64_t digest;  /* of the data, XXH3-64 */
    const void *data; /* NULL: erased, the digest is kept */
    size_t data_size;
};

/* The digest of an event's data, and the `prev` of a log's first record. */
uint64_t record_digest(const void *data, size_t size);
uint64_t record_origin(const uint8_t uuid[16]);

/* Bytes that record_encode writes. */
size_t record_size(const struct record *record);

/* Sets `chain` from the other fields, and writes the value to `out`. */
void record_encode(struct record *record, unsigned char *out);

/*
 * Reads the value of key `seq`; `data` then points into it. EVLOG_OK, or
 * EVLOG_DAMAGED and a sentence: not of this form, a checksum that does not fit,
 * or contents that no evlog wrote.
 */
int record_decode(uint64_t seq, const void *value, size_t size, struct record *record);

/*
 * Reads, without its data, the first record whose seq is not less than `seq` or, 0, the last one.
 * EVLOG_NOTFOUND, EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int record_load(const struct page_snapshot *snapshot, uint64_t seq, struct record *record);

#endif
