/*
 * Structs of a class as MessagePack.
 *
 * The fields of the class are written in their order. The result has the form of the JSON that
 * openedx-events makes of the same object: a map with the names of the fields; times, UUIDs and
 * keys are strings; a NULLABLE that is NULL is null. So it can be read without the schema.
 *
 * Only what cannot be written is refused here: a string without text, a list without items, a time
 * outside the calendar. Whether a key has its form, and text is UTF-8, is left to the check of the
 * packed data, which precedes every append.
 *
 * Absent: a limit on recursion. A class cannot contain itself, so the depth is that of the
 * program's own classes.
 */
#include "pack_struct.h"

#include <string.h>

#include "dom.h"
#include "error.h"
#include "problems.h"
#include "sized.h"
#include "time_text.h"
#include "uuid.h"

struct packing {
    struct bytes *bytes;
    struct problems problems;
    int is_too_large;
};

static void pack_value(struct packing *packing, const struct place *place, uint64_t shape,
                       const evlog_class *of, const void *at);

/* Whether there is room for `size` more; so a pointer with a wild size is not followed far. */
static int has_room(struct packing *packing, size_t size)
{
    if (size > EVLOG_DATA_SIZE_MAX || packing->bytes->buffer.size > EVLOG_DATA_SIZE_MAX)
        packing->is_too_large = 1;
    return !packing->is_too_large && !packing->bytes->is_full;
}

static void pack_nil(struct packing *packing)
{
    msgpack_pack_nil(&packing->bytes->packer);
}

static void pack_text(struct packing *packing, const char *text, size_t size)
{
    if (has_room(packing, size))
        bytes_put_text(packing->bytes, text, size);
}

static void pack_bytes(struct packing *packing, const struct place *place, const void *at)
{
    evlog_bytes bytes;
    memcpy(&bytes, at, sizeof bytes);
    if (!bytes.data && bytes.size)
        problem_add(&packing->problems, place, "has %zu bytes but data is NULL", bytes.size);
    else if (has_room(packing, bytes.size))
        msgpack_pack_bin_with_body(&packing->bytes->packer, bytes.size ? bytes.data : "",
                                   bytes.size);
}

static void pack_time(struct packing *packing, const struct place *place, int64_t time_us)
{
    char text[TIME_TEXT_MAX];
    if (time_us < EVLOG_TIME_US_MIN || time_us > EVLOG_TIME_US_MAX)
        problem_add(&packing->problems, place, "the time is not in the years 1 to 9999");
    else
        pack_text(packing, text, time_text_put_short(time_us, text));
}

static void pack_list(struct packing *packing, const struct place *place, uint64_t shape,
                      const evlog_class *of, const void *at)
{
    evlog_list list;
    memcpy(&list, at, sizeof list);
    if (list.count && !list.items) {
        problem_add(&packing->problems, place, "has %zu items but items is NULL", list.count);
        return;
    }
    struct place item = {.up = place};
    size_t size = shape_size(shape, of);
    if (has_room(packing, list.count))
        msgpack_pack_array(&packing->bytes->packer, list.count);
    for (size_t i = 0; i < list.count && has_room(packing, list.count); i++) {
        item.index = i;
        pack_value(packing, &item, shape, of, (const char *)list.items + i * size);
    }
}

static void pack_map(struct packing *packing, const struct place *place, uint64_t shape,
                     const evlog_class *of, const void *at)
{
    evlog_map map;
    memcpy(&map, at, sizeof map);
    if (map.count && (!map.keys || !map.values)) {
        problem_add(&packing->problems, place, "has %zu entries but keys or values is NULL",
                    map.count);
        return;
    }
    size_t size = shape_size(shape, of);
    if (has_room(packing, map.count))
        msgpack_pack_map(&packing->bytes->packer, map.count);
    for (size_t i = 0; i < map.count && has_room(packing, map.count); i++) {
        struct place entry = {place, map.keys[i].text, map.keys[i].size, 0, 1};
        struct place number = {.up = place, .index = i};
        if (!map.keys[i].text) {
            problem_add(&packing->problems, &number, "the key's text is NULL");
            continue;
        }
        pack_text(packing, map.keys[i].text, map.keys[i].size);
        pack_value(packing, &entry, shape, of, (const char *)map.values + i * size);
    }
}

/* A string whose text is NULL and that has a fallback. */
static void pack_fallback(struct packing *packing, const char *fallback)
{
    const struct json *json;
    evlog_arena *arena = arena_new(512, EVLOG_SCHEMA_SIZE_MAX);
    if (arena && dom_parse(fallback, strlen(fallback), arena, &json) == EVLOG_OK)
        dom_pack(json, packing->bytes);
    else
        packing->bytes->is_full = 1;
    evlog_arena_free(arena);
}

static void pack_record(struct packing *packing, const struct place *place, const evlog_class *of,
                        const char *at)
{
    struct fields fields = class_fields(of);
    msgpack_pack_map(&packing->bytes->packer, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        const evlog_field *field = field_at(&fields, i);
        struct place inner = {place, field->name, field->name_size, 0, 0};
        const void *value = at + field->offset;
        pack_text(packing, field->name, field->name_size);
        int is_left_out = field->fallback && kind_is_string(shape_kind(field->shape)) &&
                          !((const evlog_string *)value)->text;
        if (is_left_out)
            pack_fallback(packing, field->fallback);
        else
            pack_value(packing, &inner, field->shape, field->of, value);
    }
}

static void pack_string(struct packing *packing, const struct place *place, uint64_t shape,
                        const evlog_string *string)
{
    if (string->text)
        pack_text(packing, string->text, string->size);
    else if (shape_is_nullable(shape))
        pack_nil(packing);
    else
        problem_add(&packing->problems, place, "expected string, found NULL");
}

static void pack_scalar(struct packing *packing, const struct place *place, int kind,
                        const void *at)
{
    msgpack_packer *packer = &packing->bytes->packer;
    char uuid[UUID_TEXT_SIZE + 1];
    switch (kind) {
    case EVLOG_KIND_BOOL:
        if (*(const unsigned char *)at)
            msgpack_pack_true(packer);
        else
            msgpack_pack_false(packer);
        break;
    case EVLOG_KIND_INT64:
        msgpack_pack_int64(packer, *(const int64_t *)at);
        break;
    case EVLOG_KIND_DOUBLE:
        msgpack_pack_double(packer, *(const double *)at);
        break;
    case EVLOG_KIND_BYTES:
        pack_bytes(packing, place, at);
        break;
    case EVLOG_KIND_DATETIME:
        pack_time(packing, place, *(const int64_t *)at);
        break;
    default:
        evlog_uuid_text(at, uuid);
        pack_text(packing, uuid, UUID_TEXT_SIZE);
    }
}

static void pack_value(struct packing *packing, const struct place *place, uint64_t shape,
                       const evlog_class *of, const void *at)
{
    int kind = shape_kind(shape);
    if (kind_is_string(kind)) {
        pack_string(packing, place, shape, at);
        return;
    }
    if (shape_is_nullable(shape)) {
        memcpy(&at, at, sizeof at);
        if (!at) {
            pack_nil(packing);
            return;
        }
    }
    if (kind == EVLOG_KIND_CLASS)
        pack_record(packing, place, of, at);
    else if (kind == EVLOG_KIND_LIST)
        pack_list(packing, place, shape_items(shape), of, at);
    else if (kind == EVLOG_KIND_MAP)
        pack_map(packing, place, shape_items(shape), of, at);
    else
        pack_scalar(packing, place, kind, at);
}

int pack_struct(const evlog_class *of, const char *argument, const void *data,
                struct bytes *bytes)
{
    static const struct place whole = {.up = NULL};
    struct place inner = {.up = &whole, .name = argument};
    struct packing packing = {.bytes = bytes};
    if (argument) {
        inner.name_size = strlen(argument);
        msgpack_pack_map(&bytes->packer, 1);
        pack_text(&packing, argument, inner.name_size);
    }
    pack_record(&packing, argument ? &inner : &whole, of, data);
    if (packing.is_too_large)
        return error_set(EVLOG_LIMIT, "the data would be more than %d bytes",
                         EVLOG_DATA_SIZE_MAX);
    if (bytes->is_full)
        return error_nomem();
    return problems_end(&packing.problems, EVLOG_INVALID);
}

int evlog_class_pack_sized(const evlog_definition *given, size_t definition_size,
                           const void *data, evlog_buffer *packed)
{
    struct bytes bytes;
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result)
        return result;
    if (!definition.of || !data || !packed)
        return error_set(EVLOG_INVALID,
                         "there is no class, no data, or no place for what is packed");
    bytes_begin(&bytes);
    result = pack_struct(definition.of, definition.argument, data, &bytes);
    if (result) {
        bytes_free(&bytes);
        return result;
    }
    return bytes_end(&bytes, packed);
}
