/*
 * Records to bytes and back.
 *
 * A record is one MessagePack array. Its first thirteen elements always take the same 119 bytes
 * (the widest encoding of their kind), so that any MessagePack reader can read it and this one
 * needs a few comparisons:
 *
 *   at  bytes
 *    0   1  9f           array of 15
 *    1   9  cf + 8       chain         XXH3-64 of bytes 10 to 100
 *   10   9  cf + 8       prev          chain of seq - 1
 *   19   9  cf + 8       seq
 *   28   9  d3 + 8       log time      us
 *   37  18  c4 10 + 16   id
 *   55   9  d3 + 8       time          us
 *   64   9  cf + 8       type          number of a type
 *   73   5  ce + 4       minorversion
 *   78   9  cf + 8       source        number of a source
 *   87   2  cc + 1       flags         enum record_flag
 *   89   3  cd + 2       era           clock steps before it
 *   92   9  cf + 8       digest        XXH3-64 of all bytes from 101 on
 *  101  18  c4 10 + 16   salt          random
 *  119      a map        headers       often one byte, 80
 *           a map        data
 *
 * An erased record has instead, from 101 on, `c4 20` and 32 bytes, `c0` and `c0`. The 32 bytes
 * are the SHA-256 of what was there, or zeros; no checksum covers them.
 *
 * 1. `chain` covers everything but salt, headers and data, for which the digest stands. So a
 *    record that is flipped, moved or renumbered fails by itself, and one that was put there from
 *    elsewhere fails by its neighbour's `prev`.
 * 2. The chain is computed with the flag `erased` as 0. So erasing changes nothing that is
 *    covered, and the chain goes on.
 * 3. xxHash has no key: a record that fits can be forged. So what decodes is also well formed
 *    (pack.h, headers.h), its times have a calendar date and its flags are known: a receiver can
 *    give the data to any MessagePack reader.
 *
 * Cost: two hashes, of the data and of 91 bytes, both in place, and on reading a walk over the
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
#include "headers.h"
#include "pack.h"

enum {
    AT_CHAIN = 1,
    AT_PREV = 10,
    AT_SEQ = 19,
    AT_LOG_TIME = 28,
    AT_ID = 37,
    AT_TIME = 55,
    AT_TYPE = 64,
    AT_MINOR = 73,
    AT_SOURCE = 78,
    AT_FLAGS = 87,
    AT_ERA = 89,
    AT_DIGEST = 92,
    AT_SALT = 101,
    COVERED_SIZE = AT_SALT - AT_PREV
};

/* Of an erased record, from AT_SALT on. */
enum { ERASURE_SIZE = 32, AT_NILS = AT_SALT + 2 + ERASURE_SIZE };

_Static_assert(RECORD_HEAD_SIZE - RECORD_SALT_SIZE == AT_SALT &&
                   RECORD_ERASED_SIZE == AT_NILS + 2,
               "as record.h has it");

#ifdef XXH3_DISPATCH
XXH64_hash_t XXH3_64bits_dispatch(const void *input, size_t length); /* of libxxhash */
#endif

/* XXH3-64: of long contents by the widest instructions that the processor has, where libxxhash chooses them. */
static uint64_t digest_of(const void *bytes, size_t size)
{
#ifdef XXH3_DISPATCH
    if (size > XXH3_MIDSIZE_MAX)
        return XXH3_64bits_dispatch(bytes, size);
#endif
    return XXH3_64bits(bytes, size);
}

uint64_t record_origin(const uint8_t uuid[16])
{
    return XXH3_64bits(uuid, 16);
}

size_t record_size(const struct record *record)
{
    if (record->flags & RECORD_ERASED)
        return RECORD_ERASED_SIZE;
    return RECORD_HEAD_SIZE + (record->headers ? record->headers_size : 1) + record->data_size;
}

static uint64_t chain_of(const unsigned char *value)
{
    unsigned char covered[COVERED_SIZE];
    if (!(value[AT_FLAGS + 1] & RECORD_ERASED))
        return XXH3_64bits(value + AT_PREV, COVERED_SIZE);
    memcpy(covered, value + AT_PREV, COVERED_SIZE);
    covered[AT_FLAGS + 1 - AT_PREV] &= (unsigned char)~RECORD_ERASED;
    return XXH3_64bits(covered, COVERED_SIZE);
}

static void put64(unsigned char *at, unsigned char form, uint64_t value)
{
    *at = form;
    be64_store(at + 1, value);
}

static void put_bin(unsigned char *at, const void *bytes, unsigned char size)
{
    at[0] = 0xc4;
    at[1] = size;
    if (bytes)
        memcpy(at + 2, bytes, size);
    else
        memset(at + 2, 0, size);
}

/* Salt, headers and data. */
static void put_contents(const struct record *record, unsigned char *out)
{
    size_t headers_size = record->headers ? record->headers_size : 1;
    put_bin(out + AT_SALT, record->salt, sizeof record->salt);
    if (record->headers)
        memcpy(out + RECORD_HEAD_SIZE, record->headers, headers_size);
    else
        out[RECORD_HEAD_SIZE] = HEADERS_NONE;
    memcpy(out + RECORD_HEAD_SIZE + headers_size, record->data, record->data_size);
}

static void put_erasure(const struct record *record, unsigned char *out)
{
    put_bin(out + AT_SALT, record->erasure, ERASURE_SIZE);
    out[AT_NILS] = out[AT_NILS + 1] = 0xc0;
}

/* The checksums come last: reading what has just been written in other pieces takes long. */
void record_encode(struct record *record, unsigned char *out)
{
    if (record->flags & RECORD_ERASED)
        put_erasure(record, out);
    else
        put_contents(record, out);
    out[0] = 0x9f;
    put64(out + AT_PREV, 0xcf, record->prev);
    put64(out + AT_SEQ, 0xcf, record->seq);
    put64(out + AT_LOG_TIME, 0xd3, (uint64_t)record->log_time_us);
    put_bin(out + AT_ID, record->id, sizeof record->id);
    put64(out + AT_TIME, 0xd3, (uint64_t)record->time_us);
    put64(out + AT_TYPE, 0xcf, record->type);
    out[AT_MINOR] = 0xce;
    be32_store(out + AT_MINOR + 1, (uint32_t)record->minorversion);
    put64(out + AT_SOURCE, 0xcf, record->source);
    out[AT_FLAGS] = 0xcc;
    out[AT_FLAGS + 1] = (unsigned char)record->flags;
    out[AT_ERA] = 0xcd;
    be16_store(out + AT_ERA + 1, record->era);
    if (!(record->flags & RECORD_ERASED))
        record->digest = digest_of(out + AT_SALT, record_size(record) - AT_SALT);
    put64(out + AT_DIGEST, 0xcf, record->digest);
    record->chain = chain_of(out);
    put64(out + AT_CHAIN, 0xcf, record->chain);
}

static bool has_form(const unsigned char *value, size_t size)
{
    return size > RECORD_HEAD_SIZE && value[0] == 0x9f && value[AT_CHAIN] == 0xcf &&
           value[AT_PREV] == 0xcf && value[AT_SEQ] == 0xcf && value[AT_LOG_TIME] == 0xd3 &&
           value[AT_ID] == 0xc4 && value[AT_ID + 1] == 16 && value[AT_TIME] == 0xd3 &&
           value[AT_TYPE] == 0xcf && value[AT_MINOR] == 0xce && value[AT_SOURCE] == 0xcf &&
           value[AT_FLAGS] == 0xcc && value[AT_ERA] == 0xcd && value[AT_DIGEST] == 0xcf;
}

/* The form of what `erased` says is there. */
static bool has_contents_form(const unsigned char *value, size_t size, bool erased)
{
    if (value[AT_SALT] != 0xc4)
        return false;
    if (!erased)
        return value[AT_SALT + 1] == 16;
    return size == RECORD_ERASED_SIZE && value[AT_SALT + 1] == ERASURE_SIZE &&
           value[AT_NILS] == 0xc0 && value[AT_NILS + 1] == 0xc0;
}

static int damaged(uint64_t seq, const char *why)
{
    return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": %s", seq, why);
}

static bool has_date(int64_t time_us)
{
    return time_us >= EVLOG_TIME_US_MIN && time_us <= EVLOG_TIME_US_MAX;
}

/*
 * The fields at fixed places, and none of the contents. One by one: to set all to zero first, gcc uses `rep stos`,
 * which takes some 10 ns.
 */
static void read_head(const unsigned char *value, struct record *record)
{
    record->seq = be64_load(value + AT_SEQ + 1);
    record->chain = be64_load(value + AT_CHAIN + 1);
    record->prev = be64_load(value + AT_PREV + 1);
    record->log_time_us = (int64_t)be64_load(value + AT_LOG_TIME + 1);
    memcpy(record->id, value + AT_ID + 2, sizeof record->id);
    record->time_us = (int64_t)be64_load(value + AT_TIME + 1);
    record->type = be64_load(value + AT_TYPE + 1);
    record->source = be64_load(value + AT_SOURCE + 1);
    record->minorversion = (int32_t)be32_load(value + AT_MINOR + 1);
    record->flags = value[AT_FLAGS + 1];
    record->era = be16_load(value + AT_ERA + 1);
    record->digest = be64_load(value + AT_DIGEST + 1);
    memset(record->salt, 0, sizeof record->salt);
    record->headers = record->data = record->erasure = NULL;
    record->headers_size = record->data_size = 0;
    record->was_there = false;
}

/* Whether a record whose checksum fits has what no evlog writes. */
static bool is_forged(const unsigned char *value)
{
    return !has_date((int64_t)be64_load(value + AT_LOG_TIME + 1)) ||
           !has_date((int64_t)be64_load(value + AT_TIME + 1)) ||
           be32_load(value + AT_MINOR + 1) > INT32_MAX || (value[AT_FLAGS + 1] & ~RECORD_FLAGS);
}

/* Salt, headers and data of a record that is not erased. */
static int check_contents(uint64_t seq, const unsigned char *value, size_t size,
                          size_t *headers_size)
{
    const unsigned char *headers = value + RECORD_HEAD_SIZE;
    size_t left = size - RECORD_HEAD_SIZE;
    if (digest_of(value + AT_SALT, size - AT_SALT) != be64_load(value + AT_DIGEST + 1))
        return damaged(seq, "its checksum does not fit");
    if (!headers_measure(headers, left, headers_size))
        return damaged(seq, "its headers are not a well-formed map of texts");
    left -= *headers_size;
    if (left > EVLOG_DATA_SIZE_MAX || pack_check_map(headers + *headers_size, left))
        return damaged(seq, "its data is not a well-formed MessagePack map");
    return EVLOG_OK;
}

static void read_contents(const unsigned char *value, size_t size, size_t headers_size,
                          struct record *record)
{
    record->headers = value + RECORD_HEAD_SIZE;
    record->headers_size = headers_size;
    record->data = value + RECORD_HEAD_SIZE + headers_size;
    record->data_size = size - RECORD_HEAD_SIZE - headers_size;
    memcpy(record->salt, value + AT_SALT + 2, sizeof record->salt);
}

int record_decode(uint64_t seq, const void *bytes, size_t size, struct record *record)
{
    const unsigned char *value = bytes;
    size_t headers_size = 0;
    bool erased = size > RECORD_HEAD_SIZE && (value[AT_FLAGS + 1] & RECORD_ERASED);
    if (!has_form(value, size) || !has_contents_form(value, size, erased))
        return damaged(seq, "its record is malformed");
    if (chain_of(value) != be64_load(value + AT_CHAIN + 1))
        return damaged(seq, "its checksum does not fit");
    if (be64_load(value + AT_SEQ + 1) != seq)
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": its record is that of event %" PRIu64,
                         seq, be64_load(value + AT_SEQ + 1));
    if (is_forged(value))
        return damaged(seq, "its metadata is forged");
    if (!erased && check_contents(seq, value, size, &headers_size))
        return EVLOG_DAMAGED;
    read_head(value, record);
    if (erased)
        record->erasure = value + AT_SALT + 2;
    else
        read_contents(value, size, headers_size, record);
    return EVLOG_OK;
}

bool record_has_head(const void *bytes, size_t size)
{
    const unsigned char *value = bytes;
    return has_form(value, size) && value[AT_SALT] == 0xc4 &&
           chain_of(value) == be64_load(value + AT_CHAIN + 1);
}

uint64_t record_head_seq(const void *bytes)
{
    return be64_load((const unsigned char *)bytes + AT_SEQ + 1);
}

uint64_t record_head_chain(const void *bytes)
{
    return be64_load((const unsigned char *)bytes + AT_CHAIN + 1);
}

bool record_measure(const void *bytes, size_t left, size_t *size)
{
    const unsigned char *value = bytes, *headers = value + RECORD_HEAD_SIZE;
    size_t headers_size, data_size;
    if (!record_has_head(bytes, left))
        return false;
    *size = RECORD_ERASED_SIZE;
    if (value[AT_FLAGS + 1] & RECORD_ERASED)
        return left >= RECORD_ERASED_SIZE;
    left -= RECORD_HEAD_SIZE;
    if (!headers_measure(headers, left, &headers_size) ||
        pack_measure(headers + headers_size, left - headers_size, &data_size))
        return false;
    *size = RECORD_HEAD_SIZE + headers_size + data_size;
    return true;
}

/* The record where a cursor is. */
static int load(struct page_cursor *cursor, struct record *record)
{
    struct page_node node;
    unsigned char *copy = NULL;
    int result = page_cursor_node(cursor, &node);
    if (result)
        return result;
    if (node.key_size != sizeof record->seq)
        return error_set(EVLOG_DAMAGED, "%s: a key is not a seq", cursor->snapshot->name);
    if (!node.data)
        result = page_copy(cursor->snapshot, &node, RECORD_SIZE_MAX, &copy, NULL);
    if (result == EVLOG_OK)
        result =
            record_decode(be64_load(node.key), copy ? copy : node.data, node.data_size, record);
    if (result == EVLOG_OK)
        record->headers = record->data = record->erasure = NULL;
    free(copy);
    return result;
}

int record_load_near(struct page_cursor *cursor, uint64_t seq, struct record *record)
{
    unsigned char key[sizeof seq];
    be64_store(key, seq);
    int result = page_seek_near(cursor, key, sizeof key);
    return result ? result : load(cursor, record);
}

int record_load(const struct page_snapshot *snapshot, uint64_t seq, struct record *record)
{
    unsigned char key[sizeof seq];
    struct page_cursor cursor = {.snapshot = snapshot};
    be64_store(key, seq);
    int result = page_seek(&cursor, seq ? key : NULL, sizeof key);
    if (result == EVLOG_OK)
        result = load(&cursor, record);
    page_cursor_free(&cursor);
    return result;
}
