/*
 * Schemas: what the data of an event type must be.
 *
 * A schema is a tree of classes and their fields. It is made from a data class in C (schema_make.c)
 * or from Avro's JSON (schema_parse.c). Everything else walks the tree in the same way, whichever it
 * was made from: checking and unpacking (match.c), packing (pack_struct.c), Avro's encoding
 * (avro.c), resolution (resolve.c), and writing the text, which is done here.
 *
 * The text is what openedx-events 11 writes for the same class: the outermost record is called
 * CloudEvent, in the namespace of the event type; a class is written in full where it is first
 * used, and by its name afterwards; a field has a default in the text only if that is null or the
 * class says DEFAULT. Two schemas of the same meaning have the same canonical text, which has no
 * documentation and the attributes in a fixed order.
 *
 * libavro is not used because it has a data model of its own, with an object for each value, needs
 * jansson, and refuses a namespace with a dash, which one of Open edX's types has. What is needed of
 * Avro is this tree and avro.c.
 *
 * 1. A schema never changes once it is made; everything that it points to is in its arena.
 * 2. No class contains itself, so every walk ends. Each class is in the tree once, so a walk over
 *    classes is no longer than the text.
 */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json_text.h"
#include "match.h"
#include "pack.h"

#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define CLOUD_EVENT_DOC \
    "Avro Event Format for CloudEvents created with openedx_events/schema" /* upstream's */

int schema_is_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9'))
            return 0;
    }
    return size > 0 && size <= EVLOG_NAME_SIZE_MAX;
}

/*
 * The shape that a field's default must have: in Avro that of a union's first branch. 0: it cannot
 * have this one, which `is_null` or is not.
 */
static uint64_t shape_of_fallback(const evlog_field *field, int is_null)
{
    if (!shape_is_nullable(field->shape))
        return field->shape;
    int is_null_first = !(field->shape & KIND_NULL_LAST);
    return is_null_first == is_null ? (is_null ? field->shape : shape_not_null(field->shape)) : 0;
}

int schema_check_fallback(const char *owner, const evlog_field *field)
{
    int is_null = strcmp(field->fallback, "null") == 0;
    evlog_field plain = *field;
    plain.shape = shape_of_fallback(field, is_null);
    if (!is_null && shape_kind(plain.shape) == EVLOG_KIND_BYTES &&
        strcmp(field->fallback, "\"\"") != 0)
        return error_set(EVLOG_INVALID, "schema: %s.%s: the default of bytes can only be \"\"",
                         owner, field->name);
    int result = plain.shape ? match_check_fallback(&plain) : EVLOG_INVALID;
    if (result == EVLOG_INVALID)
        return error_set(EVLOG_INVALID, "schema: %s.%s: its default does not have its type",
                         owner, field->name);
    return result;
}

/* -------------------------------------------------------- writing text ---- */

struct writer {
    struct bytes bytes;
    const evlog_class *written[EVLOG_CLASSES_MAX];
    size_t written_count;
};

static int is_written(const struct writer *writer, const evlog_class *of)
{
    for (size_t i = 0; i < writer->written_count; i++)
        if (writer->written[i] == of)
            return 1;
    return 0;
}

static void put(struct writer *writer, const char *text)
{
    bytes_put(&writer->bytes, text, strlen(text));
}

static void put_quoted(struct writer *writer, const char *text)
{
    json_put_string(&writer->bytes, text, strlen(text));
}

static void put_fields(struct writer *writer, const evlog_class *of);

static void put_class(struct writer *writer, const evlog_class *of)
{
    if (is_written(writer, of)) {
        put_quoted(writer, of->name);
        return;
    }
    if (writer->written_count < EVLOG_CLASSES_MAX)
        writer->written[writer->written_count++] = of;
    put(writer, "{\"name\":");
    put_quoted(writer, of->name);
    put(writer, ",\"type\":\"record\",");
    put_fields(writer, of);
    put(writer, "}");
}

static void put_type(struct writer *writer, uint64_t shape, const evlog_class *of)
{
    int kind = shape_kind(shape);
    if (shape_is_nullable(shape)) {
        int is_last = (shape & KIND_NULL_LAST) != 0;
        put(writer, is_last ? "[" : "[\"null\",");
        put_type(writer, shape_not_null(shape), of);
        put(writer, is_last ? ",\"null\"]" : "]");
    } else if (kind == EVLOG_KIND_CLASS) {
        put_class(writer, of);
    } else if (kind == EVLOG_KIND_LIST || kind == EVLOG_KIND_MAP) {
        put(writer, kind == EVLOG_KIND_LIST ? "{\"type\":\"array\",\"items\":"
                                            : "{\"type\":\"map\",\"values\":");
        put_type(writer, shape_items(shape), of);
        put(writer, "}");
    } else {
        put_quoted(writer, kind_of(kind)->avro);
    }
}

static void put_fields(struct writer *writer, const evlog_class *of)
{
    struct fields fields = class_fields(of);
    put(writer, "\"fields\":[");
    for (size_t i = 0; i < fields.count; i++) {
        put(writer, i ? ",{\"name\":" : "{\"name\":");
        const evlog_field *field = field_at(&fields, i);
        put_quoted(writer, field->name);
        put(writer, ",\"type\":");
        put_type(writer, field->shape, field->of);
        if (field->is_optional) {
            put(writer, ",\"default\":");
            put(writer, field->fallback);
        }
        put(writer, "}");
    }
    put(writer, "]");
}

/* The text of a schema, in its arena: in full for an event type, canonical for NULL. */
static const char *write_text(evlog_schema *schema, const char *event_type)
{
    struct writer *writer = calloc(1, sizeof *writer);
    const char *text = NULL;
    if (!writer)
        return NULL;
    bytes_begin(&writer->bytes);
    if (event_type) {
        bool is_usual = strcmp(schema->root.name, SCHEMA_ROOT) == 0;
        put(writer, "{\"name\":");
        put_quoted(writer, schema->root.name);
        put(writer, ",\"type\":\"record\",");
        put(writer, is_usual ? "\"doc\":\"" CLOUD_EVENT_DOC "\"," : "");
    }
    put_fields(writer, &schema->root);
    if (event_type) {
        put(writer, ",\"namespace\":");
        put_quoted(writer, event_type);
        put(writer, "}");
    }
    if (!writer->bytes.is_full)
        text = arena_text(schema->arena, writer->bytes.buffer.data, writer->bytes.buffer.size);
    bytes_free(&writer->bytes);
    free(writer);
    return text;
}

/* ---------------------------------------------------- making and freeing ---- */

evlog_schema *schema_new(void)
{
    evlog_schema *schema = calloc(1, sizeof *schema);
    if (!schema)
        return NULL;
    schema->arena = arena_new(4096, ARENA_SIZE_MAX);
    if (!schema->arena) {
        free(schema);
        return NULL;
    }
    return schema;
}

void evlog_schema_free(evlog_schema *schema)
{
    if (!schema)
        return;
    evlog_arena_free(schema->arena);
    free(schema);
}

int schema_finish(evlog_schema *schema, const char *event_type)
{
    struct fields fields = class_fields(&schema->root);
    if (!schema->of && fields.count == 1 &&
        shape_not_null(field_at(&fields, 0)->shape) == EVLOG_KIND_CLASS)
        schema->argument = field_at(&fields, 0)->name;
    schema->canonical = write_text(schema, NULL);
    if (event_type)
        schema->text = write_text(schema, event_type);
    if (!schema->text || !schema->canonical)
        return error_nomem();
    if (strlen(schema->text) > EVLOG_SCHEMA_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "schema: its text would be over %d bytes",
                         EVLOG_SCHEMA_SIZE_MAX);
    return EVLOG_OK;
}

const char *evlog_schema_text(const evlog_schema *schema)
{
    return schema->text;
}

int evlog_schema_check(const evlog_schema *schema, const void *data, size_t data_size)
{
    if (!schema || !data)
        return error_set(EVLOG_INVALID, "no schema or no data is given");
    if (schema->damage_code)
        return error_set(schema->damage_code, "the schema: %s", schema->damage);
    int result = pack_check_map(data, data_size);
    return result ? result : match_check(&schema->root, data, 0);
}
