/* The kinds and fields of data classes, see class.c. */
#ifndef DISPATCH_CLASS_H
#define DISPATCH_CLASS_H

#include <string.h>

#include "evlog/class.h"

/* Kinds that no data class has, only a schema that comes as text, and a flag beside NULLABLE. */
enum {
    KIND_INT32 = 0x3e,
    KIND_FLOAT = 0x3f,
    KIND_NULL_LAST = 0x80, /* Avro's union names null second */
};

static inline int shape_kind(uint64_t shape)
{
    return (int)(shape & 0x3f);
}

static inline bool shape_is_nullable(uint64_t shape)
{
    return (shape & EVLOG_KIND_NULLABLE) != 0;
}

static inline uint64_t shape_not_null(uint64_t shape)
{
    return shape & ~(uint64_t)(EVLOG_KIND_NULLABLE | KIND_NULL_LAST);
}

/* The shape of a list's items or a map's values. */
static inline uint64_t shape_items(uint64_t shape)
{
    return shape >> 8;
}

/* The fields of a class, whose evlog_field may have another size than the library's. */
struct fields {
    const evlog_field *first;
    size_t size, count;
};

struct fields class_fields(const evlog_class *of);

static inline const evlog_field *field_at(const struct fields *fields, size_t i)
{
    return (const evlog_field *)((const char *)fields->first + i * fields->size);
}

static inline int field_has_name(const evlog_field *field, const char *name, size_t name_size)
{
    return field->name_size == name_size && memcmp(field->name, name, name_size) == 0;
}

/* class_find where it is not at `*hint`. */
const evlog_field *class_search(const struct fields *fields, const char *name, size_t name_size,
                                size_t *hint);

/* The field of that name; NULL: none. Searches from `*hint` on, and moves it behind the field. */
static inline const evlog_field *class_find(const struct fields *fields, const char *name,
                                            size_t name_size, size_t *hint)
{
    const evlog_field *field = *hint < fields->count ? field_at(fields, *hint) : NULL;
    if (!field || !field_has_name(field, name, name_size))
        return class_search(fields, name, name_size, hint);
    ++*hint;
    return field;
}

/* Whether a kind is text in Avro; and whether it is evlog_string in C, as times and UUIDs are not. */
static inline int kind_is_text(int kind)
{
    return kind == EVLOG_KIND_STRING ||
           (kind >= EVLOG_KIND_DATETIME && kind <= EVLOG_KIND_CONTAINER_KEY);
}

static inline int kind_is_string(int kind)
{
    return kind_is_text(kind) && kind != EVLOG_KIND_DATETIME && kind != EVLOG_KIND_UUID;
}

/* What a kind is called, and its size. */
struct kind {
    const char *avro; /* its type in Avro: "long" */
    const char *data; /* what it is in the data: "integer" */
    size_t size;      /* of one in C */
};

const struct kind *kind_of(int kind);

/* The size of one item of this shape in a C array. */
size_t shape_size(uint64_t shape, const evlog_class *of);

/* Whether both are the same text, or NULL. */
bool text_is_same(const char *a, const char *b);

/* Whether both describe the same struct: its schema, kinds and layout. */
int class_is_same(const evlog_class *a, const evlog_class *b);

#endif
