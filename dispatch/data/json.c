/*
 * Data and events as JSON text.
 *
 * MessagePack is read from its first byte to its last, and its text is written to a buffer that
 * grows; there is no tree between them. What JSON has no form for is written as an object of one key
 * (evlog/value.h lists them), so that the text can be read back as the same data.
 *
 * 1. The text is UTF-8 without the characters that a terminal would obey, whatever the data is.
 * 2. A double is written with the fewest of 15, 16 or 17 digits that are read back as the same
 *    double, as %g writes them, with ".0" after it where that looks like an integer.
 * 3. A map is an object only if its keys are strings without NUL and without repetition. That is
 *    known before its first key is written: text is never taken back.
 *
 * Cost: one pass to check the data, one over each map's keys (which skips its values, so a value is
 * skipped once for each map around it), and one to write. One allocation for most events.
 * Depth is that of checked data, EVLOG_DATA_DEPTH_MAX, and so is the recursion.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog/value.h"
#include "headers.h"
#include "json_text.h"
#include "keys.h"
#include "pack.h"
#include "time_text.h"
#include "uuid.h"

struct writer {
    struct bytes bytes;
    const unsigned char *at; /* in the data */
    bool is_indented;
    size_t depth;
    int result; /* the first failure; nothing is written after it */
};

static inline void put(struct writer *writer, const char *text, size_t size)
{
    bytes_put(&writer->bytes, text, size);
}

#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)

/* ----------------------------------------------------------------- texts ---- */

/* What a byte of a string needs: PLAIN, the letter after its backslash, or one of the others. */
enum { PLAIN = 0, HEX = 1, LEAD = 2 };

static const unsigned char escapes[256] = {
    HEX,           HEX,           HEX,           HEX,           HEX,          HEX,
    HEX,           HEX,           'b',           't',           'n',          HEX,
    'f',           'r',           HEX,           HEX,           HEX,          HEX,
    HEX,           HEX,           HEX,           HEX,           HEX,          HEX,
    HEX,           HEX,           HEX,           HEX,           HEX,          HEX,
    HEX,           HEX,           ['"'] = '"',   ['\\'] = '\\', [0x7f] = HEX, [0xc2] = LEAD,
    [0xd8] = LEAD, [0xe2] = LEAD, [0xef] = LEAD,
};

/*
 * The size of the character at `at` when it is one that a terminal obeys, and its code; else 0. They
 * are the controls to U+009F and those for the direction of text, the line separators, the BOM.
 */
static size_t decode_unsafe(const unsigned char *at, unsigned *code)
{
    if (at[0] < 0xe0) {
        *code = (unsigned)(at[0] & 0x1f) << 6 | (at[1] & 0x3f);
        return *code <= 0x9f || *code == 0x61c ? 2 : 0;
    }
    *code = (unsigned)(at[0] & 0x0f) << 12 | (unsigned)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
    bool is_unsafe = *code == 0x200e || *code == 0x200f || (*code >= 0x2028 && *code <= 0x202e) ||
                     (*code >= 0x2066 && *code <= 0x2069) || *code == 0xfeff;
    return is_unsafe ? 3 : 0;
}

/* Writes the character at `at`, which is not plain, and returns its size. */
static size_t put_escape(struct bytes *bytes, const unsigned char *at)
{
    char escape[8] = {'\\', (char)escapes[*at]};
    unsigned code = *at;
    size_t size = 1;
    if (escapes[*at] == LEAD && !(size = decode_unsafe(at, &code))) {
        bytes_put(bytes, at, 1);
        return 1;
    }
    if (escapes[*at] <= LEAD)
        snprintf(escape, sizeof escape, "\\u%04x", code);
    bytes_put(bytes, escape, strlen(escape));
    return size;
}

/* UTF-8 without its quotes. */
static void put_characters(struct bytes *bytes, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *run = at, *end = at + size;
    while (at < end) {
        if (escapes[*at] == PLAIN) {
            at++;
            continue;
        }
        bytes_put(bytes, run, (size_t)(at - run));
        at += put_escape(bytes, at);
        run = at;
    }
    bytes_put(bytes, run, (size_t)(at - run));
}

void json_put_string(struct bytes *bytes, const char *text, size_t size)
{
    bytes_put(bytes, "\"", 1);
    put_characters(bytes, text, size);
    bytes_put(bytes, "\"", 1);
}

static void put_string(struct writer *writer, const char *text, size_t size)
{
    json_put_string(&writer->bytes, text, size);
}

static void put_base64(struct writer *writer, const char *bytes, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)bytes;
    size_t text_size = (size + 2) / 3 * 4 + 2;
    char *out = bytes_reserve(&writer->bytes, text_size);
    if (!out)
        return;
    *out++ = '"';
    for (size_t i = 0; i < size; i += 3) {
        unsigned group = (unsigned)from[i] << 16;
        group |= i + 1 < size ? (unsigned)from[i + 1] << 8 : 0;
        group |= i + 2 < size ? from[i + 2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[group & 63] : '=';
    }
    *out = '"';
    writer->bytes.buffer.size += text_size;
}

/* --------------------------------------------------------------- numbers ---- */

static char *digits_before(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return end;
}

static void put_unsigned(struct writer *writer, uint64_t value)
{
    char text[20], *end = text + sizeof text, *start = digits_before(end, value);
    put(writer, start, (size_t)(end - start));
}

static void put_integer(struct writer *writer, int64_t value)
{
    if (value < 0)
        PUT(writer, "-");
    put_unsigned(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/*
 * Most doubles that people write have few digits: they are an integer below 10^15 divided by a
 * power of ten. A division of these two is exact to the last bit, and any 15 digits survive the way
 * through a double, so where it gives the value its text is the shortest one. False: no such value.
 */
static bool put_decimal(struct writer *writer, double value)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
    double size = fabs(value);
    size_t places = 0;
    uint64_t whole;
    if (size < 1e-4 && size != 0)
        return false;
    do {
        if (places == sizeof powers / sizeof *powers || size * powers[places] >= 1e15)
            return false;
        whole = (uint64_t)(size * powers[places] + 0.5);
    } while ((double)whole / powers[places++] != size);
    places--;
    char text[24], *end = text + sizeof text, *start = digits_before(end, whole);
    while ((size_t)(end - start) <= places)
        *--start = '0';
    put(writer, "-", signbit(value) != 0);
    put(writer, start, (size_t)(end - start) - places);
    PUT(writer, ".");
    put(writer, places ? end - places : "0", places ? places : 1);
    return true;
}

/* The point that printf writes is that of the program's locale. */
static void put_double(struct writer *writer, double value)
{
    char text[40];
    if (put_decimal(writer, value))
        return;
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    size_t whole = strspn(text, "-0123456789"), point = strcspn(text + whole, "0123456789e");
    put(writer, text, whole);
    put(writer, ".", point > 0 || !text[whole]);
    const char *rest = text[whole] ? text + whole + point : "0";
    put(writer, rest, strlen(rest));
}

/* ---------------------------------------------------------------- values ---- */

/* A new line, and the blanks before what follows on it. */
static void put_newline(struct writer *writer)
{
    size_t indent = 2 * writer->depth;
    char *room = bytes_reserve(&writer->bytes, 1 + indent);
    if (!room)
        return;
    memset(room, ' ', 1 + indent);
    *room = '\n';
    writer->bytes.buffer.size += 1 + indent;
}

static void begin_item(struct writer *writer, bool is_first)
{
    if (!is_first)
        put(writer, ", ", writer->is_indented ? 1 : 2);
    if (writer->is_indented)
        put_newline(writer);
}

static void open_items(struct writer *writer, char sign)
{
    put(writer, &sign, 1);
    writer->depth++;
}

static void close_items(struct writer *writer, char sign, bool is_empty)
{
    writer->depth--;
    if (writer->is_indented && !is_empty)
        put_newline(writer);
    put(writer, &sign, 1);
}

/* Begins {"$word": value}, to be closed. */
static void open_marked(struct writer *writer, const char *word)
{
    open_items(writer, '{');
    begin_item(writer, true);
    PUT(writer, "\"$");
    put(writer, word, strlen(word));
    PUT(writer, "\": ");
}

static void put_marked(struct writer *writer, const char *word, const char *text)
{
    open_marked(writer, word);
    put_string(writer, text, strlen(text));
    close_items(writer, '}', false);
}

static void put_real(struct writer *writer, double value)
{
    if (isnan(value) || isinf(value))
        put_marked(writer, "float", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    else
        put_double(writer, value);
}

static void put_large(struct writer *writer, uint64_t value)
{
    char text[21] = "", *end = text + sizeof text - 1;
    put_marked(writer, "uint", digits_before(end, value));
}

static void put_binary(struct writer *writer, const struct pack_item *item)
{
    open_marked(writer, "bin");
    put_base64(writer, item->bytes, item->size);
    close_items(writer, '}', false);
}

static void put_extension(struct writer *writer, const struct pack_item *item)
{
    open_marked(writer, "ext");
    open_items(writer, '[');
    begin_item(writer, true);
    put_integer(writer, (int8_t)item->bytes[0]);
    begin_item(writer, false);
    put_base64(writer, item->bytes + 1, item->size - 1);
    close_items(writer, ']', false);
    close_items(writer, '}', false);
}

static void put_value(struct writer *writer);

/* The items of a list; with `are_pairs` each of them is a list of two. */
static void put_list(struct writer *writer, size_t count, bool are_pairs)
{
    open_items(writer, '[');
    for (size_t i = 0; i < count && !writer->result; i++) {
        begin_item(writer, i == 0);
        if (are_pairs)
            put_list(writer, 2, false);
        else
            put_value(writer);
    }
    close_items(writer, ']', count == 0);
}

/* Whether a key is one of the words for what JSON does not have, after one $ or more. */
static bool is_marked(const struct pack_item *key)
{
    static const char *const words[] = {"bin", "ext", "uint", "float", "map"};
    size_t dollars = 0;
    while (dollars < key->size && key->bytes[dollars] == '$')
        dollars++;
    for (size_t i = 0; dollars && i < sizeof words / sizeof *words; i++)
        if (key->size - dollars == strlen(words[i]) &&
            memcmp(key->bytes + dollars, words[i], key->size - dollars) == 0)
            return true;
    return false;
}

static void put_object(struct writer *writer, size_t count)
{
    open_items(writer, '{');
    for (size_t i = 0; i < count && !writer->result; i++) {
        struct pack_item key;
        pack_next(&writer->at, &key);
        begin_item(writer, i == 0);
        PUT(writer, "\"");
        put(writer, "$", count == 1 && is_marked(&key));
        put_characters(&writer->bytes, key.bytes, key.size);
        PUT(writer, "\": ");
        put_value(writer);
    }
    close_items(writer, '}', count == 0);
}

static void put_map(struct writer *writer, size_t count)
{
    struct keys keys;
    writer->result = keys_look(writer->at, count, &keys);
    if (writer->result)
        return;
    if (keys.are_strings && !keys.have_nul && !keys.twice.text) {
        put_object(writer, count);
        return;
    }
    open_marked(writer, "map");
    put_list(writer, count, true);
    close_items(writer, '}', false);
}

static void put_item(struct writer *writer, const struct pack_item *item)
{
    switch (item->kind) {
    case PACK_NIL:
        PUT(writer, "null");
        break;
    case PACK_BOOL:
        put(writer, item->as_int ? "true" : "false", item->as_int ? 4 : 5);
        break;
    case PACK_INT:
        put_integer(writer, item->as_int);
        break;
    case PACK_UINT:
        put_large(writer, (uint64_t)item->as_int);
        break;
    case PACK_DOUBLE:
        put_real(writer, item->as_double);
        break;
    case PACK_STR:
        put_string(writer, item->bytes, item->size);
        break;
    case PACK_BIN:
        put_binary(writer, item);
        break;
    case PACK_EXT:
        put_extension(writer, item);
        break;
    case PACK_ARRAY:
        put_list(writer, item->size, false);
        break;
    case PACK_MAP:
        put_map(writer, item->size);
    }
}

static void put_value(struct writer *writer)
{
    struct pack_item item;
    if (!writer->result && writer->bytes.is_full)
        writer->result = error_nomem();
    if (!writer->result && writer->bytes.buffer.size > EVLOG_JSON_SIZE_MAX)
        writer->result =
            error_set(EVLOG_LIMIT, "the JSON has more than %d bytes", EVLOG_JSON_SIZE_MAX);
    if (writer->result)
        return;
    pack_next(&writer->at, &item);
    put_item(writer, &item);
}

/* Checks data and writes it. */
static void put_data(struct writer *writer, const void *data, size_t size)
{
    if (!writer->result)
        writer->result = pack_check(data, size);
    writer->at = data;
    if (!writer->result)
        put_value(writer);
}

static void begin(struct writer *writer, evlog_json_form form)
{
    *writer = (struct writer){.is_indented = form == EVLOG_JSON_INDENTED};
    bytes_begin(&writer->bytes);
}

int evlog_data_json(const void *data, size_t data_size, evlog_json_form form, evlog_buffer *json)
{
    struct writer writer;
    if (!json)
        return error_set(EVLOG_INVALID, "there is no place for the JSON");
    if (!data)
        return error_set(EVLOG_NOTFOUND, "there is no data: it was erased");
    begin(&writer, form);
    put_data(&writer, data, data_size);
    return bytes_end(&writer.bytes, writer.result, json);
}

/* ---------------------------------------------------------------- events ---- */

/* Begins a member of the event's object. */
static void put_name(struct writer *writer, const char *name)
{
    begin_item(writer, strcmp(name, "seq") == 0);
    PUT(writer, "\"");
    put(writer, name, strlen(name));
    PUT(writer, "\": ");
}

static void put_bool(struct writer *writer, const char *name, bool value)
{
    put_name(writer, name);
    put(writer, value ? "true" : "false", value ? 4 : 5);
}

/* False, and nothing more is written: the text is not UTF-8. */
static bool is_text(struct writer *writer, const char *name, const char *text)
{
    if (!pack_is_utf8(text, strlen(text)) && !writer->result)
        writer->result = error_set(EVLOG_INVALID, "the event's %s is not UTF-8", name);
    return !writer->result;
}

/* A text that the event has, or null. */
static void put_text(struct writer *writer, const char *name, const char *text)
{
    put_name(writer, name);
    if (!text)
        PUT(writer, "null");
    else if (is_text(writer, name, text))
        put_string(writer, text, strlen(text));
}

static void put_time(struct writer *writer, const char *name, int64_t time_us)
{
    char text[TIME_TEXT_MAX];
    put_name(writer, name);
    put_string(writer, text, time_text_put(time_us, false, text));
}

/* "11.2.0" as [11, 2, 0], as openedx-events has it; a part that is not an int64 as a string. */
static void put_version(struct writer *writer, const char *name, const char *text)
{
    const char *part = text && is_text(writer, name, text) ? text : "";
    bool is_empty = !*part;
    put_name(writer, name);
    open_items(writer, '[');
    while (*part) {
        size_t size = strcspn(part, "."), digit_count = strspn(part, "0123456789");
        uint64_t number = strtoull(part, NULL, 10);
        begin_item(writer, part == text);
        if (digit_count == size && number <= INT64_MAX)
            put_unsigned(writer, number);
        else
            put_string(writer, part, size);
        part += size + (part[size] == '.');
    }
    close_items(writer, ']', is_empty);
}

/* The event's headers, when it has any. */
static void put_headers(struct writer *writer, const evlog_event *event)
{
    struct pack_item map, text;
    const unsigned char *at = event->headers;
    if (!event->headers || writer->result)
        return;
    if (!headers_check(event->headers, event->headers_size)) {
        writer->result = error_set(EVLOG_INVALID, "the event's headers are not a map of texts");
        return;
    }
    pack_next(&at, &map);
    if (map.size == 0)
        return;
    put_name(writer, "headers");
    open_items(writer, '{');
    for (size_t i = 0; i < map.size; i++) {
        begin_item(writer, i == 0);
        pack_next(&at, &text);
        put_string(writer, text.bytes, text.size);
        PUT(writer, ": ");
        pack_next(&at, &text);
        put_string(writer, text.bytes, text.size);
    }
    close_items(writer, '}', false);
}

static void put_event(struct writer *writer, const evlog_event *event)
{
    char id[EVLOG_UUID_TEXT_SIZE];
    open_items(writer, '{');
    put_name(writer, "seq");
    put_unsigned(writer, event->seq);
    put_time(writer, "log_time", event->log_time_us);
    put_text(writer, "id", evlog_uuid_text(event->id, id));
    put_text(writer, "type", event->event_type);
    put_name(writer, "minorversion");
    put_integer(writer, event->minorversion);
    put_time(writer, "time", event->time_us);
    put_text(writer, "source", event->source);
    put_text(writer, "sourcehost", event->sourcehost);
    put_version(writer, "sourcelib", event->sourcelib);
    put_bool(writer, "from_event_bus", event->from_event_bus);
    put_headers(writer, event);
    put_name(writer, "data");
    if (event->data)
        put_data(writer, event->data, event->data_size);
    else
        PUT(writer, "null");
    if (event->attempt) {
        put_name(writer, "attempt");
        put_unsigned(writer, event->attempt);
        put_bool(writer, "is_replay", event->is_replay);
    }
    close_items(writer, '}', false);
}

int evlog_event_json_sized(const evlog_event *event, size_t event_size, evlog_json_form form,
                           evlog_buffer *json)
{
    struct writer writer;
    evlog_event own = {.seq = 0};
    if (!event || !json)
        return error_set(EVLOG_INVALID, "there is no event, or no place for the JSON");
    memcpy(&own, event, event_size < sizeof own ? event_size : sizeof own);
    begin(&writer, form);
    put_event(&writer, &own);
    return bytes_end(&writer.bytes, writer.result, json);
}
