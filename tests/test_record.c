/*
 * Records: their bytes as store/README.md gives them, and that nothing else is taken for
 * one. The golden bytes were put together by hand from that page, their checksums by
 * another program (python3-xxhash), so they hold the code to the format and not to itself.
 */
#include "record.h"

#include "damage.h"

#define UUID "\x48\x0c\xb8\x1a\xe7\x7a\x11\xf1\xaf\xb8\xdb\xe8\xed\x80\xaf\x96"

static const unsigned char golden[] = {
    0x9f,                                                 /* array of 15 */
    0xcf, 0xb6, 0x46, 0xd4, 0xd4, 0xeb, 0xde, 0xd3, 0x52, /* chain */
    0xcf, 0x61, 0xae, 0x29, 0x8f, 0x5f, 0x96, 0x44, 0xcb, /* prev: the log's origin */
    0xcf, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, /* seq: 1 */
    0xd3, 0x00, 0x06, 0x60, 0xf7, 0x38, 0x74, 0x58, 0xcb, /* log time: 1795464780601547 */
    0xc4, 0x10, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x16, /* id */
    0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, /* and the rest of it */
    0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb, /* time: -5 */
    0xcf, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* type */
    0xce, 0x00, 0x00, 0x00, 0x07,                         /* minorversion: 7 */
    0xcf, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* source */
    0xcc, 0x05,                                           /* flags: from_event_bus, more */
    0xcd, 0x02, 0x03,                                     /* era: 515 */
    0xcf, 0x89, 0xc9, 0xb3, 0x37, 0x8b, 0xed, 0xc5, 0xba, /* digest */
    0xc4, 0x10, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, /* salt */
    0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, /* and the rest of it */
    0x81, 0xa1, 0x6b, 0xa1, 0x76,                         /* headers: {"k": "v"} */
    0x81, 0xa1, 0x6e, 0x05,                               /* data: {"n": 5} */
};

static const uint64_t golden_chain = 0xb646d4d4ebded352, golden_digest = 0x89c9b3378bedc5ba;

/* The same without headers: chain, digest, and what is from the headers on. */
static const uint64_t bare_chain = 0x609588bf456ba20c, bare_digest = 0x129dbe873406206e;
static const unsigned char bare[] = {0x80, 0x81, 0xa1, 0x6e, 0x05};

enum { AT_SALT = 101, HEAD = 119, ERASED = AT_SALT + 2 + 32 + 2 };

/* Where the fields begin that the tests forge. */
enum { AT_LOG_TIME = 29, AT_TIME = 56, AT_MINOR = 74, AT_FLAGS = 88 };

/* What its 32 bytes are in the tests. */
static const char erasure[] = "an erased record has 32 bytes...";

/* The golden record, erased: only the flag differs before the salt. */
static void make_erased(unsigned char value[ERASED])
{
    memcpy(value, golden, AT_SALT);
    value[AT_FLAGS] |= 2;
    memcpy(value + AT_SALT, "\xc4\x20", 2);
    memcpy(value + AT_SALT + 2, erasure, 32);
    memcpy(value + AT_SALT + 34, "\xc0\xc0", 2);
}

/* The golden record's fields. */
static struct record fields(void)
{
    return (struct record){
        .seq = 1,
        .prev = 0x61ae298f5f9644cb,
        .log_time_us = 1795464780601547,
        .time_us = -5,
        .id = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x16, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
               0xee, 0xff},
        .type = 0x0102030405060708,
        .minorversion = 7,
        .source = 0x1112131415161718,
        .flags = RECORD_FROM_EVENT_BUS | RECORD_MORE,
        .era = 515,
        .salt = {0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c,
                 0x3d, 0x3e, 0x3f},
        .headers = "\x81\xa1k\xa1v",
        .headers_size = 5,
        .data = SMALL_MAP("\x05"),
        .data_size = 4,
    };
}

/* Decodes a copy of exactly this size, so that ASan sees each byte that is read beyond it. */
static int decode(uint64_t seq, const unsigned char *bytes, size_t size, struct record *record)
{
    unsigned char *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    int result = record_decode(seq, exact, size, record);
    free(exact);
    return result;
}

/* The origin is XXH3-64 of the uuid. */
static void the_origin_is_xxh3_64(void **state)
{
    (void)state;
    assert_true(record_origin((const uint8_t *)UUID) == 0x61ae298f5f9644cb);
}

/* A record is written as exactly the golden bytes, and its chain and digest are set. */
static void encodes_the_golden_bytes(void **state)
{
    (void)state;
    struct record record = fields();
    unsigned char out[sizeof golden];
    assert_int_equal(record_size(&record), sizeof golden);
    record_encode(&record, out);
    assert_memory_equal(out, golden, sizeof golden);
    assert_true(record.chain == golden_chain);
    assert_true(record.digest == golden_digest);
}

/* Without headers one byte stands for them. */
static void encodes_a_record_without_headers(void **state)
{
    (void)state;
    struct record record = fields(), read;
    unsigned char out[HEAD + sizeof bare];
    record.headers = NULL;
    record.headers_size = 0;
    assert_int_equal(record_size(&record), sizeof out);
    record_encode(&record, out);
    assert_true(record.chain == bare_chain && record.digest == bare_digest);
    assert_memory_equal(out + HEAD, bare, sizeof bare);
    OK(record_decode(1, out, sizeof out, &read));
    assert_ptr_equal(read.headers, out + HEAD);
    assert_int_equal(read.headers_size, 1);
    assert_ptr_equal(read.data, out + HEAD + 1);
    assert_int_equal(read.data_size, 4);
}

/* An erased record: its flag, 32 bytes, the other bytes and the chain unchanged. */
static void encodes_an_erased_record(void **state)
{
    (void)state;
    struct record record = fields();
    unsigned char out[ERASED], expected[ERASED];
    record.flags |= RECORD_ERASED;
    record.digest = golden_digest;
    record.erasure = erasure;
    make_erased(expected);
    assert_int_equal(record_size(&record), ERASED);
    record_encode(&record, out);
    assert_memory_equal(out, expected, ERASED);
    assert_true(record.chain == golden_chain);
    record.erasure = NULL;
    memset(expected + AT_SALT + 2, 0, 32);
    record_encode(&record, out);
    assert_memory_equal(out, expected, ERASED);
}

static void assert_head_is_golden(const struct record *record)
{
    struct record expected = fields();
    assert_true(record->seq == 1);
    assert_true(record->chain == golden_chain);
    assert_true(record->prev == expected.prev);
    assert_true(record->log_time_us == expected.log_time_us);
    assert_true(record->time_us == expected.time_us);
    assert_memory_equal(record->id, expected.id, 16);
    assert_true(record->type == expected.type);
    assert_true(record->source == expected.source);
    assert_int_equal(record->minorversion, expected.minorversion);
    assert_int_equal(record->flags & ~(unsigned)RECORD_ERASED, expected.flags);
    assert_int_equal(record->era, expected.era);
    assert_true(record->digest == golden_digest);
}

/* The golden bytes are read as their fields; headers and data point into them. */
static void decodes_the_golden_bytes(void **state)
{
    (void)state;
    struct record record, expected = fields();
    OK(record_decode(1, golden, sizeof golden, &record));
    assert_head_is_golden(&record);
    assert_memory_equal(record.salt, expected.salt, 16);
    assert_ptr_equal(record.headers, golden + HEAD);
    assert_int_equal(record.headers_size, 5);
    assert_ptr_equal(record.data, golden + HEAD + 5);
    assert_int_equal(record.data_size, 4);
    assert_null(record.erasure);
}

/* An erased record is read with the same fields and the same chain, and no contents. */
static void decodes_an_erased_record(void **state)
{
    (void)state;
    struct record record;
    unsigned char value[ERASED];
    make_erased(value);
    OK(record_decode(1, value, ERASED, &record));
    assert_head_is_golden(&record);
    assert_true(record.flags & RECORD_ERASED);
    assert_null(record.headers);
    assert_int_equal(record.headers_size, 0);
    assert_null(record.data);
    assert_int_equal(record.data_size, 0);
    assert_ptr_equal(record.erasure, value + AT_SALT + 2);
}

static bool is_covered(size_t at, size_t size)
{
    return size != ERASED || at < AT_SALT + 2 || at >= AT_SALT + 34;
}

static void refuse_each_flip(const unsigned char *good, size_t size)
{
    struct record record = {.seq = 77};
    unsigned char value[ERASED];
    memcpy(value, good, size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (is_covered(bit / 8, size) && decode(1, value, size, &record) != EVLOG_DAMAGED)
            fail_msg("bit %zu of byte %zu may be flipped", bit % 8, bit / 8);
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_true(record.seq == 77);
    OK(decode(1, value, size, &record));
}

/* No bit can be flipped unseen, and a refused record leaves the output alone. */
static void refuses_every_flipped_bit(void **state)
{
    (void)state;
    refuse_each_flip(golden, sizeof golden);
}

/* Nor in an erased one, its flag included, but for the 32 bytes. */
static void refuses_every_flipped_bit_of_an_erased_record(void **state)
{
    (void)state;
    unsigned char value[ERASED];
    make_erased(value);
    refuse_each_flip(value, ERASED);
}

/* A record under another seq's key is refused and named: one that was moved is found by itself. */
static void refuses_another_seq(void **state)
{
    (void)state;
    struct record record;
    FAILS(EVLOG_DAMAGED, "event 2: its record is that of event 1",
          decode(2, golden, sizeof golden, &record));
    FAILS(EVLOG_DAMAGED, "event 0: its record is that of event 1",
          decode(0, golden, sizeof golden, &record));
    for (int bit = 1; bit < 64; bit++)
        assert_int_equal(decode(1 | UINT64_C(1) << bit, golden, sizeof golden, &record),
                         EVLOG_DAMAGED);
}

/* Cut anywhere, or with a byte more, it is refused, and nothing is read beyond it. */
static void refuses_every_other_length(void **state)
{
    (void)state;
    struct record record;
    unsigned char value[ERASED + 1] = {0};
    for (size_t size = 0; size < sizeof golden; size++)
        FAILS(EVLOG_DAMAGED, size <= HEAD ? "malformed" : "checksum",
              decode(1, golden, size, &record));
    memcpy(value, golden, sizeof golden);
    FAILS(EVLOG_DAMAGED, "checksum", decode(1, value, sizeof golden + 1, &record));
    make_erased(value);
    for (size_t size = 0; size <= ERASED + 1; size++)
        if (size != ERASED)
            FAILS(EVLOG_DAMAGED, "malformed", decode(1, value, size, &record));
}

/* Sets a field, makes the checksum fit, and decodes. */
static int forge(size_t at, uint64_t field, size_t size)
{
    struct record record;
    unsigned char value[sizeof golden];
    memcpy(value, golden, sizeof value);
    put_big(value + at, field, size);
    record_refit(1, value, sizeof value);
    return decode(1, value, sizeof value, &record);
}

/* A checksum that fits is no excuse: times without a date and a negative version are refused. */
static void refuses_forged_metadata(void **state)
{
    (void)state;
    static const size_t times[] = {AT_LOG_TIME, AT_TIME};
    for (size_t i = 0; i < 2; i++) {
        OK(forge(times[i], (uint64_t)EVLOG_TIME_US_MIN, 8));
        OK(forge(times[i], (uint64_t)EVLOG_TIME_US_MAX, 8));
        FAILS(EVLOG_DAMAGED, "forged", forge(times[i], (uint64_t)EVLOG_TIME_US_MIN - 1, 8));
        FAILS(EVLOG_DAMAGED, "forged", forge(times[i], (uint64_t)EVLOG_TIME_US_MAX + 1, 8));
        FAILS(EVLOG_DAMAGED, "forged", forge(times[i], (uint64_t)INT64_MIN, 8));
        FAILS(EVLOG_DAMAGED, "forged", forge(times[i], (uint64_t)INT64_MAX, 8));
    }
    OK(forge(AT_MINOR, INT32_MAX, 4));
    FAILS(EVLOG_DAMAGED, "forged", forge(AT_MINOR, (uint64_t)INT32_MAX + 1, 4));
    FAILS(EVLOG_DAMAGED, "forged", forge(AT_MINOR, UINT32_MAX, 4));
    OK(forge(AT_FLAGS, 0, 1));
    for (unsigned flag = 8; flag <= 128; flag *= 2)
        FAILS(EVLOG_DAMAGED, "forged", forge(AT_FLAGS, flag, 1));
}

/* The seq that is in it counts, too. */
static void refuses_a_forged_seq(void **state)
{
    (void)state;
    struct record record;
    unsigned char value[sizeof golden];
    memcpy(value, golden, sizeof value);
    record_refit(9, value, sizeof value);
    FAILS(EVLOG_DAMAGED, "that of event 9", decode(1, value, sizeof value, &record));
    OK(decode(9, value, sizeof value, &record));
}

/*
 * Nor is it one for another form: each of the bytes that say what follows must be there.
 */
static void refuses_another_form(void **state)
{
    (void)state;
    static const size_t places[] = {0,  1,  10, 19, 28, 37, 38,  55,
                                    64, 73, 78, 87, 89, 92, 101, 102};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        FAILS(EVLOG_DAMAGED, "malformed", forge(places[i], golden[places[i]] ^ 1u, 1));
}

/* Data that is not a well-formed map within the limits is refused, though its digest fits. */
static void refuses_forged_data(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"\x90", 1},
        {"\xc0", 1},
        {"\xcf\x00\x00\x00\x00\x00\x00\x00", 8},
        {"\x81\xa1n\xc1", 4},
        {"\x82\xa1n\x05", 4},
        {SMALL_MAP("\x05\x05"), 5},
        {"\x81\xa1\xff\x05", 4},
        {"\x81\xa1n\xdb\xff\xff\xff\xff", 8},
        {"\x81\xa1n\xdd\xff\xff\xff\xff", 8},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct record record;
        unsigned char value[HEAD + 1 + 16];
        memcpy(value, golden, HEAD);
        value[HEAD] = 0x80;
        memcpy(value + HEAD + 1, table[i].bytes, table[i].size);
        record_refit(1, value, HEAD + 1 + table[i].size);
        FAILS(EVLOG_DAMAGED, "not a well-formed MessagePack map",
              decode(1, value, HEAD + 1 + table[i].size, &record));
    }
}

/* Nor headers that are not a map of texts, whatever follows them. */
static void refuses_forged_headers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {{"\xc0\x80", 2}, {"\x90\x80", 2}, {"\x81\xa1k\x05\x80", 5}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct record record;
        unsigned char value[HEAD + 16];
        memcpy(value, golden, HEAD);
        memcpy(value + HEAD, table[i].bytes, table[i].size);
        record_refit(1, value, HEAD + table[i].size);
        FAILS(EVLOG_DAMAGED, "its headers are not",
              decode(1, value, HEAD + table[i].size, &record));
    }
}

/* What record_encode writes record_decode reads, at the ends of every field's range. */
static void extremes_come_back(void **state)
{
    (void)state;
    struct record record = fields(), read;
    unsigned char out[sizeof golden];
    record.seq = UINT64_MAX;
    record.prev = UINT64_MAX;
    record.log_time_us = EVLOG_TIME_US_MIN;
    record.time_us = EVLOG_TIME_US_MAX;
    record.type = record.source = UINT64_MAX;
    record.era = RECORD_ERA_MAX;
    record.minorversion = INT32_MAX;
    record.flags = 0;
    memset(record.id, 0xff, sizeof record.id);
    record_encode(&record, out);
    OK(record_decode(UINT64_MAX, out, sizeof out, &read));
    assert_true(read.seq == record.seq && read.prev == record.prev);
    assert_true(read.chain == record.chain);
    assert_true(read.log_time_us == record.log_time_us && read.time_us == record.time_us);
    assert_true(read.type == UINT64_MAX && read.source == UINT64_MAX);
    assert_int_equal(read.era, RECORD_ERA_MAX);
    assert_int_equal(read.minorversion, INT32_MAX);
    assert_int_equal(read.flags, 0);
    assert_memory_equal(read.id, record.id, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_origin_is_xxh3_64),
        cmocka_unit_test(encodes_the_golden_bytes),
        cmocka_unit_test(encodes_a_record_without_headers),
        cmocka_unit_test(encodes_an_erased_record),
        cmocka_unit_test(decodes_the_golden_bytes),
        cmocka_unit_test(decodes_an_erased_record),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_every_flipped_bit_of_an_erased_record),
        cmocka_unit_test(refuses_another_seq),
        cmocka_unit_test(refuses_every_other_length),
        cmocka_unit_test(refuses_forged_metadata),
        cmocka_unit_test(refuses_a_forged_seq),
        cmocka_unit_test(refuses_another_form),
        cmocka_unit_test(refuses_forged_headers),
        cmocka_unit_test(refuses_forged_data),
        cmocka_unit_test(extremes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
