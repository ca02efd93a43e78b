/*
 * An event's headers: a small MessagePack map from name to value, both text.
 *
 *   80 to 8f, de + 2, df + 4    how many
 *   a string                    name: 1 to 255 bytes of UTF-8 without control characters
 *   a string                    value: UTF-8 without NUL
 *   ...
 *
 * 1. It takes at most EVLOG_HEADERS_SIZE_MAX bytes.
 * 2. The names are in ascending order of their bytes: so each is there once, which a reader sees
 *    without a search.
 *
 * They are in front of the data, so what they take must be found before the data can be: most
 * events have none, which is seen by one byte.
 */
#include "headers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pack.h"

#define HEADER_SIZE_MIN 3 /* a name of one byte, and no value */
#define COUNT_MAX (EVLOG_HEADERS_SIZE_MAX / HEADER_SIZE_MIN)

/* ------------------------------------------------------------- reading ---- */

struct walk {
    const unsigned char *at, *end;
};

/* Reads a big-endian length of `size` bytes after the one at `at`. */
static bool take_length(struct walk *walk, size_t size, size_t *length)
{
    if ((size_t)(walk->end - walk->at) < 1 + size)
        return false;
    *length = 0;
    for (walk->at++; size > 0; size--)
        *length = *length << 8 | *walk->at++;
    return true;
}

static bool take_count(struct walk *walk, size_t *count)
{
    unsigned char first = *walk->at;
    if (first >> 4 == 8) {
        walk->at++;
        *count = first & 15;
        return true;
    }
    return (first == 0xde && take_length(walk, 2, count)) ||
           (first == 0xdf && take_length(walk, 4, count));
}

static bool take_text(struct walk *walk, evlog_string *text)
{
    if (walk->at == walk->end)
        return false;
    unsigned char first = *walk->at;
    if (first >> 5 == 5) {
        walk->at++;
        text->size = first & 31;
    } else if (first < 0xd9 || first > 0xdb ||
               !take_length(walk, (size_t)1 << (first - 0xd9), &text->size)) {
        return false;
    }
    text->text = (const char *)walk->at;
    if (text->size > (size_t)(walk->end - walk->at) || !pack_is_utf8(text->text, text->size))
        return false;
    walk->at += text->size;
    return true;
}

/* Also U+0080 to U+009F, which are two bytes. The text is UTF-8. */
static bool has_control(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t i = 0; i < size; i++)
        if (at[i] < 0x20 || at[i] == 0x7f || (at[i] == 0xc2 && at[i + 1] < 0xa0))
            return true;
    return false;
}

/* Of what is UTF-8. */
static bool is_name(const evlog_string *name)
{
    return name->size > 0 && name->size <= EVLOG_NAME_SIZE_MAX &&
           !has_control(name->text, name->size);
}

static bool is_value(const evlog_string *value)
{
    return !memchr(value->text, '\0', value->size);
}

static bool is_before(const evlog_string *one, const evlog_string *other)
{
    size_t shared = one->size < other->size ? one->size : other->size;
    int order = memcmp(one->text, other->text, shared);
    return order < 0 || (order == 0 && one->size < other->size);
}

bool headers_measure(const void *bytes, size_t left, size_t *size)
{
    size_t count, size_max = left < EVLOG_HEADERS_SIZE_MAX ? left : EVLOG_HEADERS_SIZE_MAX;
    struct walk walk = {.at = bytes, .end = (const unsigned char *)bytes + size_max};
    evlog_string name, value, before = {"", 0};
    if (left > 0 && *walk.at == HEADERS_NONE) {
        *size = 1;
        return true;
    }
    if (left == 0 || !take_count(&walk, &count))
        return false;
    for (; count > 0; count--, before = name)
        if (!take_text(&walk, &name) || !is_name(&name) || !is_before(&before, &name) ||
            !take_text(&walk, &value) || !is_value(&value))
            return false;
    *size = (size_t)(walk.at - (const unsigned char *)bytes);
    return true;
}

bool headers_check(const void *bytes, size_t size)
{
    size_t taken;
    return headers_measure(bytes, size, &taken) && taken == size;
}

int evlog_event_header_sized(const evlog_event *given, size_t event_size, const char *name,
                             evlog_string *value)
{
    evlog_event event = {.seq = 0};
    struct pack_item map, key, text;
    if (!given || !name || !value)
        return error_set(EVLOG_INVALID, "no event, no name, or no place for the value is given");
    memcpy(&event, given, event_size < sizeof event ? event_size : sizeof event);
    if (event.headers && !headers_check(event.headers, event.headers_size))
        return error_set(EVLOG_INVALID, "the event's headers are not a map of texts");
    const unsigned char *at = event.headers ? event.headers : (const unsigned char *)"\x80";
    for (pack_next(&at, &map); map.size > 0; map.size--) {
        pack_next(&at, &key);
        pack_next(&at, &text);
        if (key.size == strlen(name) && memcmp(key.bytes, name, key.size) == 0) {
            *value = (evlog_string){text.bytes, text.size};
            return EVLOG_OK;
        }
    }
    return error_set(EVLOG_NOTFOUND, "the event has no header %.60s", name);
}

/* ------------------------------------------------------------- packing ---- */

static size_t head_size(size_t size)
{
    return size < 32 ? 1 : size < 256 ? 2 : 3;
}

static size_t text_size(const char *text)
{
    size_t size = strlen(text);
    return head_size(size) + size;
}

static unsigned char *put_text(unsigned char *at, const char *text)
{
    size_t size = strlen(text), length_size = head_size(size) - 1;
    *at++ = (unsigned char)(length_size == 0 ? 0xa0 | size : 0xd8 + length_size);
    if (length_size == 2)
        *at++ = (unsigned char)(size >> 8);
    if (length_size > 0)
        *at++ = (unsigned char)size;
    memcpy(at, text, size);
    return at + size;
}

/* By their names' bytes. */
static int compare(const void *one, const void *other)
{
    const evlog_header *const *headers[] = {one, other};
    return strcmp((*headers[0])->name, (*headers[1])->name);
}

static int check_header(const evlog_header *header, size_t i)
{
    evlog_string name = {header->name, header->name ? strlen(header->name) : 0};
    if (!name.text || !pack_is_utf8(name.text, name.size) || !is_name(&name))
        return error_set(EVLOG_INVALID,
                         "header %zu: a name must be 1 to %d bytes of UTF-8 without control "
                         "characters",
                         i, EVLOG_NAME_SIZE_MAX);
    if (!header->value || !pack_is_utf8(header->value, strlen(header->value)))
        return error_set(EVLOG_INVALID, "header %s: its value is not UTF-8, or missing",
                         header->name);
    return EVLOG_OK;
}

/* Puts them in order, and measures them. */
static int arrange(const evlog_header *headers, size_t count, const evlog_header **order,
                   size_t *size)
{
    *size = count < 16 ? 1 : 3;
    for (size_t i = 0; i < count; i++) {
        int result = check_header(&headers[i], i);
        if (result)
            return result;
        *size += text_size(headers[i].name) + text_size(headers[i].value);
        order[i] = &headers[i];
    }
    if (*size > EVLOG_HEADERS_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "headers: %zu bytes is over %d", *size,
                         EVLOG_HEADERS_SIZE_MAX);
    qsort(order, count, sizeof *order, compare);
    for (size_t i = 1; i < count; i++)
        if (strcmp(order[i - 1]->name, order[i]->name) == 0)
            return error_set(EVLOG_INVALID, "header %s is given twice", order[i]->name);
    return EVLOG_OK;
}

int headers_pack(const evlog_header *headers, size_t count, void **packed, size_t *size)
{
    const evlog_header *order[COUNT_MAX];
    if (!headers)
        return error_set(EVLOG_INVALID, "headers: NULL is given, and a count");
    if (count > COUNT_MAX)
        return error_set(EVLOG_LIMIT, "headers: %zu cannot be in %d bytes", count,
                         EVLOG_HEADERS_SIZE_MAX);
    int result = arrange(headers, count, order, size);
    if (result)
        return result;
    unsigned char *at = malloc(*size);
    if (!at)
        return error_nomem();
    *packed = at;
    if (count < 16) {
        *at++ = (unsigned char)(0x80 | count);
    } else {
        *at++ = 0xde;
        *at++ = (unsigned char)(count >> 8);
        *at++ = (unsigned char)count;
    }
    for (size_t i = 0; i < count; i++)
        at = put_text(put_text(at, order[i]->name), order[i]->value);
    return EVLOG_OK;
}
