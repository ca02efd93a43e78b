/*
 * Data classes: their kinds, and finding their fields.
 *
 * A kind is a byte, and a shape is up to eight of them in 64 bits, the outermost lowest:
 * LIST(MAP(BOOL)) is LIST, MAP, BOOL. So the shape of a list's items is the list's shape shifted by
 * a byte, and needs no pointer. The class that a shape ends in is stored beside it.
 */
#include "class.h"

#include <string.h>

/* ---------------------------------------------------------------- kinds ---- */

static const struct kind kinds[KIND_FLOAT + 1] = {
    [EVLOG_KIND_BOOL] = {"boolean", "boolean", sizeof(bool)},
    [KIND_INT32] = {"int", "integer", sizeof(int64_t)},
    [EVLOG_KIND_INT64] = {"long", "integer", sizeof(int64_t)},
    [KIND_FLOAT] = {"float", "number", sizeof(double)},
    [EVLOG_KIND_DOUBLE] = {"double", "number", sizeof(double)},
    [EVLOG_KIND_BYTES] = {"bytes", "binary", sizeof(evlog_bytes)},
    [EVLOG_KIND_DATETIME] = {"string", "string", sizeof(int64_t)},
    [EVLOG_KIND_UUID] = {"string", "string", sizeof(evlog_uuid)},
    [EVLOG_KIND_CLASS] = {"record", "map", 0}, /* of its own size */
    [EVLOG_KIND_LIST] = {"array", "list", sizeof(evlog_list)},
    [EVLOG_KIND_MAP] = {"map", "map", sizeof(evlog_map)},
};

const struct kind *kind_of(int kind)
{
    static const struct kind string = {"string", "string", sizeof(evlog_string)};
    return kinds[kind].avro ? &kinds[kind] : &string; /* a string of any form */
}

size_t shape_size(uint64_t shape, const evlog_class *of)
{
    int kind = shape_kind(shape);
    if (shape_is_nullable(shape) && !kind_is_string(kind))
        return sizeof(void *);
    return kind == EVLOG_KIND_CLASS ? of->size : kind_of(kind)->size;
}

/* -------------------------------------------------------------- classes ---- */

struct fields class_fields(const evlog_class *of)
{
    struct fields fields = {of->fields, sizeof(evlog_field), of->field_count};
    if (of->describe) {
        fields.first = of->describe(&fields.count);
        fields.size = of->field_size;
    }
    return fields;
}

const evlog_field *class_search(const struct fields *fields, const char *name, size_t name_size,
                                size_t *hint)
{
    for (size_t i = 0, at = *hint; i < fields->count; i++, at++) {
        if (at >= fields->count)
            at = 0;
        const evlog_field *field = field_at(fields, at);
        if (field_has_name(field, name, name_size)) {
            *hint = at + 1;
            return field;
        }
    }
    return NULL;
}

bool text_is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int class_is_same(const evlog_class *a, const evlog_class *b)
{
    if (a == b || !a || !b)
        return a == b;
    struct fields a_fields = class_fields(a), b_fields = class_fields(b);
    if (a_fields.count != b_fields.count || a->size != b->size || strcmp(a->name, b->name) != 0)
        return 0;
    for (size_t i = 0; i < a_fields.count; i++) {
        const evlog_field *x = field_at(&a_fields, i), *y = field_at(&b_fields, i);
        if (!field_has_name(x, y->name, y->name_size) || x->shape != y->shape ||
            x->offset != y->offset || x->is_optional != y->is_optional ||
            !text_is_same(x->fallback, y->fallback) || !class_is_same(x->of, y->of))
            return 0;
    }
    return 1;
}
