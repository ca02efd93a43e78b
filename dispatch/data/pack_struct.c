/*
 * Structs of a class as MessagePack, and back.
 *
 * Packing writes the fields of the class in their order. The result has the form of the JSON that
 * openedx-events makes of the same object: a map with the names of the fields; times, UUIDs and
 * keys are strings; a NULLABLE that is NULL is null. So it can be read without the schema.
 *
 * It refuses only what cannot be written: a string without text, a list without items, a time
 * outside the calendar. Whether a key has its form, and text is UTF-8, is left to the check of the
 * packed data, which precedes every append.
 *
 * Unpacking checks the data again and fills the struct (match.c). An event that was written under
 * another schema is read by Avro's rules of resolution. Whether the class can read that schema at
 * all is found out once (resolve.c) and remembered with the schema.
 *
 * Absent: a limit on recursion. A class cannot contain itself, so the depth is that of the
 * program's own classes.
 */
#include "pack_struct.h"

#include <stdatomic.h>
#include <string.h>

#include "dom.h"
#include "error.h"
#include "match.h"
#include "pack.h"
#include "problems.h"
#include "resolve.h"
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
        pack_text(packing, text, time_text_put(time_us, true, text));
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
        if (!is_left_out)
            pack_value(packing, &inner, field->shape, field->of, value);
        else if (dom_pack_text(field->fallback, packing->bytes))
            packing->bytes->is_full = 1;
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

/* Of `problems` only what is read is set: it is large. */
int pack_struct(const evlog_class *of, const char *argument, const void *data,
                struct bytes *bytes)
{
    static const struct place whole = {.up = NULL};
    struct place inner = {.up = &whole, .name = argument};
    struct packing packing;
    packing.bytes = bytes;
    packing.is_too_large = 0;
    packing.problems.size = packing.problems.count = packing.problems.left_out = 0;
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

/* ------------------------------------------------------- unpacking ---- */

/* What the writer has where the reader's class is to be read; NULL: nothing. */
static const evlog_class *written_class(const evlog_schema *writer, const char *argument)
{
    size_t hint = 0;
    if (!argument)
        return &writer->root;
    struct fields fields = class_fields(&writer->root);
    const evlog_field *field = class_find(&fields, argument, strlen(argument), &hint);
    return field && shape_kind(field->shape) == EVLOG_KIND_CLASS ? field->of : NULL;
}

/*
 * Whether the class can read what was written under the schema. That it can is noted there, by the
 * class's function, which no other class has; by its address another could be taken for it.
 */
static int can_read(const evlog_class *of, const char *argument, evlog_schema *writer)
{
    if (writer->damage_code)
        return error_set(writer->damage_code, "the event's schema: %s", writer->damage);
    bool is_usual = of->describe && text_is_same(argument, writer->argument);
    if (is_usual && atomic_load(&writer->read_by) == of->describe)
        return EVLOG_OK;
    const evlog_class *from = written_class(writer, argument);
    if (!from)
        return error_set(EVLOG_CONFLICT, "the event's schema has no record %s", argument);
    if (argument && strcmp(from->name, of->name) != 0)
        return error_set(EVLOG_CONFLICT, "%s: written as %.64s, read as %.64s", argument,
                         from->name, of->name);
    int result = resolve_classes(of, from, 0);
    if (result == EVLOG_OK && is_usual)
        atomic_store(&writer->read_by, of->describe);
    return result;
}

static int read_struct(const evlog_definition *definition, const void *packed, int flags,
                       void *data, evlog_arena *arena)
{
    size_t size = definition->of->size;
    void *target = arena_get(arena, size);
    if (!target)
        return arena_failure(arena);
    int result = match_read(definition->of, definition->argument, packed, flags, arena, target);
    if (result == EVLOG_OK)
        memcpy(data, target, size);
    return result;
}

int unpack_struct(const evlog_definition *definition, const evlog_schema *writer,
                  evlog_bytes packed, void *data, evlog_arena **arena)
{
    int result = pack_check_map(packed.data, packed.size);
    if (result == EVLOG_OK && writer)
        result = can_read(definition->of, definition->argument, (evlog_schema *)writer);
    if (result)
        return result;
    evlog_arena *made = arena_new(definition->of->size + 256, EVLOG_ARENA_SIZE_MAX);
    if (!made)
        return error_nomem();
    result = read_struct(definition, packed.data, writer ? MATCH_RESOLVE : 0, data, made);
    if (result)
        evlog_arena_free(made);
    else
        *arena = made;
    return result;
}

/* --------------------------------------------------------- in public ---- */

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
    return bytes_end(&bytes, result, packed);
}

int evlog_class_unpack_sized(const evlog_definition *given, size_t definition_size,
                             const evlog_schema *writer, const void *packed, size_t packed_size,
                             void *data, evlog_arena **arena)
{
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result)
        return result;
    if (!definition.of || !packed || !data || !arena)
        return error_set(EVLOG_INVALID, "no class, nothing packed, or no place for its data");
    return unpack_struct(&definition, writer, (evlog_bytes){packed, packed_size}, data, arena);
}
