/*
 * Checking MessagePack from strangers.
 *
 * msgpack-c builds an object tree and trusts the lengths it reads: an array
 * header of five bytes makes it ask for 64 GiB. So every byte that is appended
 * or read back is walked here first: well formed, all lengths inside the
 * bytes there are, at most EVLOG_DATA_DEPTH_MAX maps and arrays inside each
 * other, strings UTF-8, one value and nothing after it. What passes can be given
 * to any MessagePack reader.
 *
 * Cost: one pass, no allocation; the stack of open containers is a small array.
 * An element takes a byte at least, so the walk ends within `size` steps whatever
 * the counts claim. Absent: a look at the keys (any value may be one) and at
 * the meaning of extension types.
 *
 * What has passed is read again, element by element, by pack_next, which allocates nothing
 * and checks nothing.
 */
#include "pack.h"

#include <stdint.h>
#include <string.h>

#include "error.h"

struct walk {
    const unsigned char *start, *at, *end;
    uint64_t open[EVLOG_DATA_DEPTH_MAX]; /* elements still to come, innermost last */
    unsigned depth;
};

/* What a value's first byte says: how many bytes of length follow, and what it is. */
enum kind { SCALAR, STRING, BYTES, ARRAY, MAP, NEVER };

static int ascii_prefix(const unsigned char **at, const unsigned char *end)
{
    while (end - *at >= 8) {
        uint64_t word;
        memcpy(&word, *at, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
        *at += 8;
    }
    while (*at < end && **at < 0x80)
        (*at)++;
    return *at == end;
}

int pack_is_utf8(const void *text, size_t size)
{
    const unsigned char *at = text;
    const unsigned char *end = at + size;
    while (!ascii_prefix(&at, end)) {
        unsigned char lead = *at++;
        /* the bounds of the second byte keep out the overlong and the surrogates */
        unsigned char low = 0x80, high = 0xbf;
        int more;
        if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            more = 2;
            low = lead == 0xe0 ? 0xa0 : 0x80;
            high = lead == 0xed ? 0x9f : 0xbf;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            low = lead == 0xf0 ? 0x90 : 0x80;
            high = lead == 0xf4 ? 0x8f : 0xbf;
        } else {
            return 0;
        }
        for (; more > 0; more--, low = 0x80, high = 0xbf)
            if (at == end || *at < low || *at > high)
                return 0;
            else
                at++;
    }
    return 1;
}

static int is_ascii(const unsigned char *at, size_t size)
{
    unsigned char all = 0;
    for (size_t i = 0; i < size; i++)
        all |= at[i];
    return all < 0x80;
}

static uint64_t take(struct walk *walk, unsigned bytes)
{
    uint64_t value = 0;
    for (; bytes > 0; bytes--)
        value = value << 8 | *walk->at++;
    return value;
}

/*
 * Classifies a first byte. `*wide` is how many bytes of length follow; when
 * there are none, `*length` is the length itself: of a scalar or ext its bytes.
 */
static enum kind classify(unsigned char byte, unsigned *wide, uint64_t *length)
{
    static const unsigned char scalar_size[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* ca to d3 */
    *wide = 0;
    *length = 0;
    if (byte <= 0x7f || byte >= 0xe0 || byte == 0xc0 || byte == 0xc2 || byte == 0xc3)
        return SCALAR;
    if (byte <= 0x8f)
        return *length = byte & 0x0f, MAP;
    if (byte <= 0x9f)
        return *length = byte & 0x0f, ARRAY;
    if (byte <= 0xbf)
        return *length = byte & 0x1f, STRING;
    if (byte >= 0xc4 && byte <= 0xc6)
        return *wide = 1u << (byte - 0xc4), BYTES;
    if (byte >= 0xc7 && byte <= 0xc9) /* ext: the type byte counts as one of its bytes */
        return *wide = 1u << (byte - 0xc7), *length = 1, BYTES;
    if (byte >= 0xca && byte <= 0xd3)
        return *length = scalar_size[byte - 0xca], SCALAR;
    if (byte >= 0xd4 && byte <= 0xd8)
        return *length = 1 + (UINT64_C(1) << (byte - 0xd4)), BYTES;
    if (byte >= 0xd9 && byte <= 0xdb)
        return *wide = 1u << (byte - 0xd9), STRING;
    if (byte == 0xdc || byte == 0xdd)
        return *wide = 2u << (byte - 0xdc), ARRAY;
    if (byte == 0xde || byte == 0xdf)
        return *wide = 2u << (byte - 0xde), MAP;
    return NEVER;
}

static int invalid(const struct walk *walk, const char *why)
{
    return error_set(EVLOG_INVALID, "data, byte %zu: %s", (size_t)(walk->at - walk->start), why);
}

static int push(struct walk *walk, uint64_t count)
{
    if (walk->depth == EVLOG_DATA_DEPTH_MAX)
        return error_set(EVLOG_LIMIT, "data, byte %zu: more than %d maps and arrays deep",
                         (size_t)(walk->at - walk->start), EVLOG_DATA_DEPTH_MAX);
    walk->open[walk->depth++] = count;
    return EVLOG_OK;
}

static int step(struct walk *walk)
{
    if (walk->at == walk->end)
        return invalid(walk, "ends in the middle of a value");
    size_t short_size = (size_t)(*walk->at & 0x1f);
    if ((*walk->at & 0xe0) == 0xa0 && short_size < (size_t)(walk->end - walk->at) &&
        is_ascii(walk->at + 1, short_size)) { /* most keys and many values: nothing else to see */
        walk->at += 1 + short_size;
        return EVLOG_OK;
    }
    unsigned wide;
    uint64_t length;
    enum kind kind = classify(*walk->at, &wide, &length);
    if (kind == NEVER)
        return invalid(walk, "0xc1 is no MessagePack");
    walk->at++;
    if (wide > (size_t)(walk->end - walk->at))
        return invalid(walk, "ends in the middle of a length");
    if (wide)
        length += take(walk, wide);
    if (kind == ARRAY || kind == MAP)
        return push(walk, kind == MAP ? 2 * length : length);
    if (length > (size_t)(walk->end - walk->at))
        return invalid(walk, "a length goes past the end");
    if (kind == STRING && !pack_is_utf8(walk->at, length))
        return invalid(walk, "a string is not UTF-8 (send other bytes as bin)");
    walk->at += length;
    return EVLOG_OK;
}

int pack_check(const void *data, size_t size)
{
    struct walk walk = {.start = data, .at = data, .end = (const unsigned char *)data + size};
    int more = 1;
    while (more) {
        int result = step(&walk);
        if (result)
            return result;
        while (walk.depth > 0 && walk.open[walk.depth - 1] == 0)
            walk.depth--;
        more = walk.depth > 0;
        if (more)
            walk.open[walk.depth - 1]--;
    }
    if (walk.at != walk.end)
        return invalid(&walk, "something follows the value");
    return EVLOG_OK;
}

int pack_check_map(const void *data, size_t size)
{
    if (size == 0)
        return error_set(EVLOG_INVALID, "data is empty: it must be a MessagePack map");
    unsigned char first = *(const unsigned char *)data;
    if (!((first & 0xf0) == 0x80 || first == 0xde || first == 0xdf))
        return error_set(EVLOG_INVALID, "data must be a MessagePack map, it begins with 0x%02x",
                         first);
    return pack_check(data, size);
}

int pack_append(void *at, const char *bytes, size_t size)
{
    unsigned char **out = at;
    memcpy(*out, bytes, size);
    *out += size;
    return 0;
}

/* ----------------------------------------- reading what has been checked ---- */

static uint64_t load(const unsigned char *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void set_unsigned(struct pack_item *item, uint64_t value)
{
    item->kind = value > INT64_MAX ? PACK_UINT : PACK_INT;
    item->as_int = (int64_t)value;
}

static void set_double(struct pack_item *item, const unsigned char *bytes, unsigned size)
{
    uint64_t bits = load(bytes, size);
    uint32_t bits32 = (uint32_t)bits;
    float narrow;
    item->kind = PACK_DOUBLE;
    if (size == 8) {
        memcpy(&item->as_double, &bits, sizeof bits);
    } else {
        memcpy(&narrow, &bits32, sizeof narrow);
        item->as_double = narrow;
    }
}

/* A scalar whose value is in `size` bytes after its first one. */
static void read_scalar(unsigned char first, const unsigned char *bytes, unsigned size,
                        struct pack_item *item)
{
    uint64_t value = load(bytes, size);
    if (first == 0xc0) {
        item->kind = PACK_NIL;
    } else if (first == 0xc2 || first == 0xc3) {
        item->kind = PACK_BOOL;
        item->as_int = first == 0xc3;
    } else if (first == 0xca || first == 0xcb) {
        set_double(item, bytes, size);
    } else if (first >= 0xd0 && first <= 0xd3) {
        unsigned spare = 64 - 8 * size;
        item->kind = PACK_INT;
        item->as_int = (int64_t)(value << spare) >> spare;
    } else if (first >= 0xcc && first <= 0xcf) {
        set_unsigned(item, value);
    } else {
        item->kind = PACK_INT;
        item->as_int = (int8_t)first;
    }
}

void pack_next_any(const unsigned char **at, struct pack_item *item)
{
    static const enum pack_kind kinds[] = {
        [STRING] = PACK_STR, [BYTES] = PACK_EXT, [ARRAY] = PACK_ARRAY, [MAP] = PACK_MAP};
    unsigned char first = *(*at)++;
    unsigned wide;
    uint64_t length;
    enum kind kind = classify(first, &wide, &length);
    if (kind == SCALAR) {
        read_scalar(first, *at, (unsigned)length, item);
        *at += length;
        return;
    }
    length += load(*at, wide);
    *at += wide;
    item->kind = first >= 0xc4 && first <= 0xc6 ? PACK_BIN : kinds[kind];
    item->bytes = (const char *)*at;
    item->size = (size_t)length;
    if (kind == STRING || kind == BYTES)
        *at += length;
}

void pack_skip(const unsigned char **at)
{
    for (uint64_t left = 1; left > 0; left--) {
        struct pack_item item;
        pack_next(at, &item);
        if (item.kind == PACK_ARRAY || item.kind == PACK_MAP)
            left += item.kind == PACK_MAP ? 2 * (uint64_t)item.size : item.size;
    }
}
