/*
 * An event's headers: a small MessagePack map from name to value, both text.
 *
 *   80 to 8f, de + 2, df + 4    how many
 *   a string                    name: 1 to 255 bytes of UTF-8 without control characters
 *   a string                    value: UTF-8
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
#include <string.h>

#include "pack.h"

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

/* Also U+0080 to U+009F, which are two bytes. */
static bool has_control(const evlog_string *text)
{
    const unsigned char *at = (const unsigned char *)text->text;
    for (size_t i = 0; i < text->size; i++)
        if (at[i] < 0x20 || at[i] == 0x7f || (at[i] == 0xc2 && at[i + 1] < 0xa0))
            return true;
    return false;
}

static bool is_name(const evlog_string *name)
{
    return name->size > 0 && name->size <= EVLOG_NAME_SIZE_MAX && !has_control(name);
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
            !take_text(&walk, &value))
            return false;
    *size = (size_t)(walk.at - (const unsigned char *)bytes);
    return true;
}
