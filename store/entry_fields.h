/* Reading the elements of an entry's value in turn, see entries.c. */
#ifndef STORE_ENTRY_FIELDS_H
#define STORE_ENTRY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entries.h"
#include "pack.h"

/* Where it is in the value. Once an element is not of the kind expected, `is_bad`, and no more is read. */
struct entry_fields {
    const unsigned char *at;
    bool is_bad;
};

/* Begins behind the checksum of an array of `count`, that included; bad: it is not sound, or has another count. */
struct entry_fields entry_fields_of(const struct entry *entry, size_t count);

/* The next element, of one of the kinds, whose bits are set; nil when it is bad. Of an array its head only. */
struct pack_item entry_field(struct entry_fields *fields, unsigned kinds);

uint64_t entry_field_integer(struct entry_fields *fields);

/* The head of an array of `count`, whose elements are the next fields. */
void entry_field_array(struct entry_fields *fields, size_t count);

#endif
