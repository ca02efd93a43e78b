/* MessagePack: checking it, and reading what has been checked, see pack.c. */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

/*
 * EVLOG_OK when `data` is exactly one well-formed map within the limits, else
 * EVLOG_INVALID or EVLOG_LIMIT, and a sentence that begins with the place.
 */
int pack_check_map(const void *data, size_t size);

/* The same for a value of any kind. */
int pack_check(const void *data, size_t size);

/* The size of the value that begins at `data`, where `left` bytes are; the same errors. */
int pack_measure(const void *data, size_t left, size_t *size);

/* 1 when `text` is UTF-8 (RFC 3629: no surrogates, nothing overlong, to U+10FFFF). */
int pack_is_utf8(const void *text, size_t size);

#define PACK_INTEGER_SIZE_MAX 9
#define PACK_LENGTH_SIZE_MAX 5 /* the head of a string, a bin or an array */

/* ----------------------------------------- reading what has been checked ---- */

enum pack_kind {
    PACK_NIL,
    PACK_BOOL,   /* as_int */
    PACK_INT,    /* as_int */
    PACK_UINT,   /* an integer above INT64_MAX */
    PACK_DOUBLE, /* as_double; also of 32 bits */
    PACK_STR,    /* bytes, size */
    PACK_BIN,    /* bytes, size */
    PACK_EXT,
    PACK_ARRAY, /* size, its items follow */
    PACK_MAP,   /* size pairs of a key and a value follow */
};

struct pack_item {
    enum pack_kind kind;
    int64_t as_int;
    double as_double;
    const char *bytes;
    size_t size;
};

void pack_next_any(const unsigned char **at, struct pack_item *item);

/*
 * Reads the element at `*at` and moves past it; of an array or map past its head only. It trusts
 * the bytes: they have passed pack_check. Short strings, as keys are, are read without a call.
 */
static inline void pack_next(const unsigned char **at, struct pack_item *item)
{
    unsigned char first = **at;
    size_t head = first == 0xd9 ? 2 : 1;
    if ((first & 0xe0) != 0xa0 && first != 0xd9) {
        pack_next_any(at, item);
        return;
    }
    item->kind = PACK_STR;
    item->bytes = (const char *)*at + head;
    item->size = head == 2 ? (*at)[1] : first & 0x1f;
    *at += head + item->size;
}

/* Moves past one element and everything in it. */
void pack_skip(const unsigned char **at);

/* Moves past what is in a list or map whose head was read as `item`; past nothing for all others. */
static inline void pack_skip_items(const unsigned char **at, const struct pack_item *item)
{
    size_t count = item->kind == PACK_MAP ? 2 * item->size : item->size;
    for (; count > 0 && item->kind >= PACK_ARRAY; count--)
        pack_skip(at);
}

#endif
