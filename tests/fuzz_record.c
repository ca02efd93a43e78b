/*
 * Fuzz target: records of a forger, whose checksums fit.
 *
 * What must hold: a record is refused, or its headers and data cover its bytes to the end, can be
 * walked by a reader that checks nothing, and are written again as the same bytes.
 */
#include "damage.h"
#include "headers.h"
#include "pack.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s: %s\n", what, evlog_errmsg());
        abort();
    }
}

static const unsigned char *end_of(const void *from)
{
    const unsigned char *at = from;
    pack_skip(&at);
    return at;
}

static void read_headers(const struct record *record)
{
    evlog_event event = {.headers = record->headers, .headers_size = record->headers_size};
    const unsigned char *at = record->headers;
    struct pack_item map, key;
    for (pack_next(&at, &map); map.size > 0; map.size--) {
        char name[EVLOG_NAME_SIZE_MAX + 1] = "";
        evlog_string value;
        pack_next(&at, &key);
        must(key.size < sizeof name, "a name's size");
        memcpy(name, key.bytes, key.size);
        must(evlog_event_header(&event, name, &value) == EVLOG_OK, "a header is found");
        must((const unsigned char *)value.text + value.size == end_of(at), "it is that header");
        pack_skip(&at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct record record;
    unsigned char *value = malloc(size + 1), *again;
    memcpy(value, bytes, size);
    if (size > RECORD_HEAD_SIZE)
        record_refit(7, value, size);
    int result = record_decode(7, value, size, &record);
    must(result == EVLOG_OK || result == EVLOG_DAMAGED, "a code that is named");
    if (result == EVLOG_OK) {
        must(record_size(&record) == size, "its size");
        if (record.data) {
            must(end_of(record.headers) == record.data, "the data are behind the headers");
            must(end_of(record.data) == value + size, "and end where it ends");
            read_headers(&record);
        }
        again = malloc(size);
        record_encode(&record, again);
        must(memcmp(again, value, size) == 0, "it is written as it was read");
        free(again);
    }
    free(value);
    return 0;
}
