/*
 * Checking MessagePack that may come from anywhere, and reading what has passed.
 *
 * msgpack-c builds a tree of objects and trusts the lengths it reads: an array header of five bytes
 * makes it ask for 64 GiB. So every byte that is appended or read back is checked here first: it is
 * well formed, all lengths are within the data, at most EVLOG_DATA_DEPTH_MAX maps and arrays are
 * inside each other, strings are UTF-8, and there is one value and nothing after it. What passes can
 * be given to any MessagePack reader, and to pack_next, which checks nothing.
 *
 * Cost: one pass, no allocation; the stack of open containers is a small array. An element takes at
 * least one byte, so the walk ends within `size` steps whatever the counts say. Not checked: keys
 * (any value may be one), and the meaning of extension types.
 */
#include "pack.h"

#include <stdint.h>
#include <string.h>

#include "error.h"

struct walk {
    const unsigned char *start, *at, *end;
    uint64_t open[EVLOG_DATA_DEPTH_MAX]; /* elements still to come, around the innermost */
    unsigned depth;
};

enum kind { SCALAR, STRING, BYTES, ARRAY, MAP, NEVER };

/* What a value's first byte says. */
struct head {
    unsigned char kind;
    unsigned char wide;   /* how many bytes of length follow */
    unsigned char length; /* to be added to that length: of a scalar or ext its own bytes */
};

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
    uint64_t all = 0, word;
    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        all |= word;
    }
    for (; size > 0; size--)
        all |= *at++;
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

static uint64_t load(const unsigned char *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static inline struct head head_of(unsigned char byte)
{
    /* c0 to df; the type of an ext counts as one of its bytes */
    static const struct head heads[] = {
        {SCALAR, 0, 0}, {NEVER, 0, 0},  {SCALAR, 0, 0}, {SCALAR, 0, 0}, {BYTES, 1, 0},
        {BYTES, 2, 0},  {BYTES, 4, 0},  {BYTES, 1, 1},  {BYTES, 2, 1},  {BYTES, 4, 1},
        {SCALAR, 0, 4}, {SCALAR, 0, 8}, {SCALAR, 0, 1}, {SCALAR, 0, 2}, {SCALAR, 0, 4},
        {SCALAR, 0, 8}, {SCALAR, 0, 1}, {SCALAR, 0, 2}, {SCALAR, 0, 4}, {SCALAR, 0, 8},
        {BYTES, 0, 2},  {BYTES, 0, 3},  {BYTES, 0, 5},  {BYTES, 0, 9},  {BYTES, 0, 17},
        {STRING, 1, 0}, {STRING, 2, 0}, {STRING, 4, 0}, {ARRAY, 2, 0},  {ARRAY, 4, 0},
        {MAP, 2, 0},    {MAP, 4, 0},
    };
    if (byte >= 0xe0 || byte <= 0x7f)
        return (struct head){SCALAR, 0, 0};
    if (byte >= 0xc0)
        return heads[byte - 0xc0];
    if (byte >= 0xa0)
        return (struct head){STRING, 0, byte & 0x1f};
    return (struct head){byte >= 0x90 ? ARRAY : MAP, 0, byte & 0x0f};
}

static int invalid(const struct walk *walk, const char *why)
{
    return error_set(EVLOG_INVALID, "data, byte %zu: %s", (size_t)(walk->at - walk->start), why);
}

/* Inside the container that begins here; `*left` are the elements still to come of the one around it, then of it. */
static int push(struct walk *walk, uint64_t count, uint64_t *left)
{
    if (walk->depth == EVLOG_DATA_DEPTH_MAX)
        return error_set(EVLOG_LIMIT, "data, byte %zu: more than %d maps and arrays deep",
                         (size_t)(walk->at - walk->start), EVLOG_DATA_DEPTH_MAX);
    walk->open[walk->depth++] = *left;
    *left = count;
    return EVLOG_OK;
}

/* Small whole numbers, most keys and many values. */
static inline bool step_short(struct walk *walk)
{
    unsigned char first = *walk->at;
    if (first <= 0x7f || first >= 0xe0) {
        walk->at++;
        return true;
    }
    size_t size = (size_t)(first & 0x1f);
    if ((first & 0xe0) != 0xa0 || size >= (size_t)(walk->end - walk->at) ||
        !is_ascii(walk->at + 1, size))
        return false;
    walk->at += 1 + size;
    return true;
}

static int step(struct walk *walk, uint64_t *left)
{
    if (walk->at == walk->end)
        return invalid(walk, "ends in the middle of a value");
    if (step_short(walk))
        return EVLOG_OK;
    struct head head = head_of(*walk->at);
    if (head.kind == NEVER)
        return invalid(walk, "0xc1 is not MessagePack");
    walk->at++;
    if (head.wide > (size_t)(walk->end - walk->at))
        return invalid(walk, "ends in the middle of a length");
    uint64_t length = head.length + load(walk->at, head.wide);
    walk->at += head.wide;
    if (head.kind == ARRAY || head.kind == MAP)
        return push(walk, head.kind == MAP ? 2 * length : length, left);
    if (length > (size_t)(walk->end - walk->at))
        return invalid(walk, "a length goes past the end");
    if (head.kind == STRING && !pack_is_utf8(walk->at, length))
        return invalid(walk, "a string is not UTF-8 (send other bytes as bin)");
    walk->at += length;
    return EVLOG_OK;
}

/* Moves past one value. */
static int pass_value(struct walk *walk)
{
    uint64_t left = 1;
    for (;;) {
        while (left == 0 && walk->depth > 0)
            left = walk->open[--walk->depth];
        if (left-- == 0)
            return EVLOG_OK;
        int result = step(walk, &left);
        if (result)
            return result;
    }
}

/* What is open is not cleared: it takes as long as a small value. */
static void begin(struct walk *walk, const void *data, size_t size)
{
    walk->start = walk->at = data;
    walk->end = walk->start + size;
    walk->depth = 0;
}

int pack_check(const void *data, size_t size)
{
    struct walk walk;
    begin(&walk, data, size);
    int result = pass_value(&walk);
    if (result == EVLOG_OK && walk.at != walk.end)
        result = invalid(&walk, "something follows the value");
    return result;
}

int pack_measure(const void *data, size_t left, size_t *size)
{
    struct walk walk;
    begin(&walk, data, left);
    int result = pass_value(&walk);
    *size = (size_t)(walk.at - walk.start);
    return result;
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

/* ----------------------------------------- reading what has been checked ---- */

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
        item->kind = value > INT64_MAX ? PACK_UINT : PACK_INT;
        item->as_int = (int64_t)value;
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
    struct head head = head_of(first);
    if (head.kind == SCALAR) {
        read_scalar(first, *at, head.length, item);
        *at += head.length;
        return;
    }
    size_t size = head.length + (size_t)load(*at, head.wide);
    *at += head.wide;
    item->kind = first >= 0xc4 && first <= 0xc6 ? PACK_BIN : kinds[head.kind];
    item->bytes = (const char *)*at;
    item->size = size;
    if (head.kind == STRING || head.kind == BYTES)
        *at += size;
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
