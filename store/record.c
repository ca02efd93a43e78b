/*
 * Records to bytes and back.
 *
 * A record is one MessagePack array. Its first nine elements always take the
 * same 72 bytes (the widest encoding of their kind), so that any MessagePack
 * reader can read it and this one needs nine comparisons:
 *
 *   at  bytes
 *    0   1  9a           array of 10
 *    1   9  cf + 8       chain         XXH3-64 of what is named below
 *   10   9  cf + 8       prev          chain of seq - 1
 *   19   9  d3 + 8       log time      us
 *   28  18  c4 10 + 16   id
 *   46   9  d3 + 8       time          us
 *   55   5  ce + 4       type          number in the types table
 *   60   5  ce + 4       minorversion
 *   65   5  ce + 4       source        number in the sources table
 *   70   2  cc + 1       flags         1: from_event_bus
 *   72      a map        data          or, when erased: cf + 8, its digest
 *
 *   chain = XXH3-64(seq, 8 bytes big-endian | bytes 10 to 71 | digest, 8 bytes big-endian)
 *   digest = XXH3-64(data)
 *
 * 1. `chain` covers the seq and everything but the data, for which the digest
 *    stands. So a record that is flipped, moved or renumbered fails by itself,
 *    and one that was put there from elsewhere fails by its neighbour's `prev`.
 * 2. Erasing puts the digest in the data's place and changes nothing that is
 *    covered: the chain goes on.
 * 3. xxHash has no key: a record that fits can be forged. So what decodes is also well formed
 *    (pack.h) and its times have a calendar date: a receiver can give the data to any MessagePack
 *    reader.
 *
 * Cost: two hashes, of the data and of 78 bytes, and on reading a walk over the
 * data. Absent: compression, and a second form of anything.
 */
#include "record.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "error.h"
#include "pack.h"

enum { AT_CHAIN = 1, AT_PREV = 10, AT_LOG_TIME = 19, AT_ID = 28, AT_TIME = 46 };
enum { AT_TYPE = 55, AT_MINOR = 60, AT_SOURCE = 65, AT_FLAGS = 70 };
enum { ERASED_SIZE = 9, COVERED_SIZE = RECORD_HEAD_SIZE - AT_PREV };

uint64_t record_digest(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

uint64_t record_origin(const uint8_t uuid[16])
{
    return XXH3_64bits(uuid, 16);
}

size_t record_size(const struct record *record)
{
    return RECORD_HEAD_SIZE + (record->data ? record->data_size : ERASED_SIZE);
}

static uint64_t chain_of(uint64_t seq, const unsigned char *value, uint64_t digest)
{
    unsigned char covered[8 + COVERED_SIZE + 8];
    be64_store(covered, seq);
    memcpy(covered + 8, value + AT_PREV, COVERED_SIZE);
    be64_store(covered + 8 + COVERED_SIZE, digest);
    return XXH3_64bits(covered, sizeof covered);
}

static void put64(unsigned char *at, unsigned char form, uint64_t value)
{
    *at = form;
    be64_store(at + 1, value);
}

static void put32(unsigned char *at, uint32_t value)
{
    *at = 0xce;
    be32_store(at + 1, value);
}

void record_encode(struct record *record, unsigned char *out)
{
    out[0] = 0x9a;
    put64(out + AT_PREV, 0xcf, record->prev);
    put64(out + AT_LOG_TIME, 0xd3, (uint64_t)record->log_time_us);
    out[AT_ID] = 0xc4;
    out[AT_ID + 1] = sizeof record->id;
    memcpy(out + AT_ID + 2, record->id, sizeof record->id);
    put64(out + AT_TIME, 0xd3, (uint64_t)record->time_us);
    put32(out + AT_TYPE, record->type);
    put32(out + AT_MINOR, (uint32_t)record->minorversion);
    put32(out + AT_SOURCE, record->source);
    out[AT_FLAGS] = 0xcc;
    out[AT_FLAGS + 1] = (unsigned char)record->flags;
    if (record->data)
        memcpy(out + RECORD_HEAD_SIZE, record->data, record->data_size);
    else
        put64(out + RECORD_HEAD_SIZE, 0xcf, record->digest);
    record->chain = chain_of(record->seq, out, record->digest);
    put64(out + AT_CHAIN, 0xcf, record->chain);
}

static bool has_form(const unsigned char *value, size_t size)
{
    return size > RECORD_HEAD_SIZE && value[0] == 0x9a && value[AT_CHAIN] == 0xcf &&
           value[AT_PREV] == 0xcf && value[AT_LOG_TIME] == 0xd3 && value[AT_ID] == 0xc4 &&
           value[AT_ID + 1] == 16 && value[AT_TIME] == 0xd3 && value[AT_TYPE] == 0xce &&
           value[AT_MINOR] == 0xce && value[AT_SOURCE] == 0xce && value[AT_FLAGS] == 0xcc;
}

static int damaged(uint64_t seq, const char *why)
{
    return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": %s", seq, why);
}

static bool has_date(int64_t time_us)
{
    return time_us >= EVLOG_TIME_US_MIN && time_us <= EVLOG_TIME_US_MAX;
}

int record_decode(uint64_t seq, const void *bytes, size_t size, struct record *record)
{
    const unsigned char *value = bytes;
    if (!has_form(value, size))
        return damaged(seq, "its record is malformed");
    const unsigned char *data = value + RECORD_HEAD_SIZE;
    size_t data_size = size - RECORD_HEAD_SIZE;
    int erased = data_size == ERASED_SIZE && data[0] == 0xcf;
    struct record read = {
        .seq = seq,
        .chain = be64_load(value + AT_CHAIN + 1),
        .prev = be64_load(value + AT_PREV + 1),
        .log_time_us = (int64_t)be64_load(value + AT_LOG_TIME + 1),
        .time_us = (int64_t)be64_load(value + AT_TIME + 1),
        .type = be32_load(value + AT_TYPE + 1),
        .source = be32_load(value + AT_SOURCE + 1),
        .minorversion = (int32_t)be32_load(value + AT_MINOR + 1),
        .flags = value[AT_FLAGS + 1],
        .digest = erased ? be64_load(data + 1) : record_digest(data, data_size),
        .data = erased ? NULL : data,
        .data_size = erased ? 0 : data_size,
    };
    memcpy(read.id, value + AT_ID + 2, sizeof read.id);
    if (chain_of(seq, value, read.digest) != read.chain)
        return damaged(seq, "its checksum does not fit");
    if (!has_date(read.log_time_us) || !has_date(read.time_us) || read.minorversion < 0)
        return damaged(seq, "its metadata is forged");
    if (!erased && (data_size > EVLOG_DATA_SIZE_MAX || pack_check_map(data, data_size)))
        return damaged(seq, "its data is not a well-formed MessagePack map");
    *record = read;
    return EVLOG_OK;
}

int record_load(const struct page_snapshot *snapshot, uint64_t seq, struct record *record)
{
    unsigned char key[sizeof seq];
    struct page_cursor cursor = {.snapshot = snapshot};
    struct page_node node;
    unsigned char *value = NULL;
    be64_store(key, seq);
    int result = page_seek(&cursor, seq ? key : NULL, sizeof key);
    if (result == EVLOG_OK)
        result = page_cursor_node(&cursor, &node);
    if (result == EVLOG_OK && node.key_size != sizeof seq)
        result = error_set(EVLOG_DAMAGED, "%s: a key is not a seq", snapshot->name);
    if (result == EVLOG_OK)
        result = page_copy(snapshot, &node, RECORD_SIZE_MAX, &value, NULL);
    if (result == EVLOG_OK)
        result = record_decode(be64_load(node.key), value, node.data_size, record);
    if (result == EVLOG_OK)
        record->data = NULL;
    free(value);
    page_cursor_free(&cursor);
    return result;
}
