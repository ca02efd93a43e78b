/*
 * Schemas: what data of an event type must be.
 *
 * A schema is a tree of classes and their fields. It comes from a data class in C
 * (EVLOG_CLASS, copied here, so that it outlives the shared object that it was in) or from Avro's JSON
 * (schema_parse.c), and everything else walks the tree and does not ask which: checking and
 * unpacking (match.c), packing (pack_struct.c), Avro's encoding (avro.c), resolution
 * (resolve.c), and the text, written here.
 *
 * The text is what openedx-events 11 writes for the same class: the top record is called
 * CloudEvent, in the namespace of the event type; a class is written out where it is
 * first used and named afterwards; a default stands in it only where it is null, or where
 * a class says DEFAULT. Two schemas that mean the same have the same canonical text: without
 * documentation, with attributes in one order.
 *
 * Why not libavro: it is a library of its own data model, with a value object for each field, and
 * with jansson for the JSON; it refuses a namespace with a dash, which one of Open edX's
 * types has. What is needed of Avro is this tree and 300 lines in avro.c.
 *
 * 1. A schema never changes once made; everything it points to is in its arena.
 * 2. No class holds itself, so every walk ends; one class is in the tree once, so a
 *    walk over classes is as long as the text.
 */
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom.h"
#include "error.h"
#include "match.h"

#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define CLOUD_EVENT "CloudEvent"
#define CLOUD_EVENT_DOC \
    "Avro Event Format for CloudEvents created with openedx_events/schema" /* upstream's */

/* ---------------------------------------------------------------- kinds ---- */

int kind_is_text(int kind)
{
    return kind == EVLOG_KIND_STRING ||
           (kind >= EVLOG_KIND_DATETIME && kind <= EVLOG_KIND_CONTAINER_KEY);
}

int kind_is_string(int kind)
{
    return kind_is_text(kind) && kind != EVLOG_KIND_DATETIME && kind != EVLOG_KIND_UUID;
}

const char *kind_avro(int kind)
{
    switch (kind) {
    case EVLOG_KIND_BOOL:
        return "boolean";
    case EVLOG_KIND_INT32:
        return "int";
    case EVLOG_KIND_INT64:
        return "long";
    case EVLOG_KIND_FLOAT:
        return "float";
    case EVLOG_KIND_DOUBLE:
        return "double";
    case EVLOG_KIND_BYTES:
        return "bytes";
    case EVLOG_KIND_CLASS:
        return "record";
    case EVLOG_KIND_LIST:
        return "array";
    case EVLOG_KIND_MAP:
        return "map";
    default:
        return "string";
    }
}

size_t shape_size(uint64_t shape, const evlog_class *of)
{
    int kind = KIND_OF(shape);
    if (kind_is_string(kind))
        return sizeof(evlog_string);
    if (IS_NULLABLE(shape))
        return sizeof(void *);
    switch (kind) {
    case EVLOG_KIND_BOOL:
        return sizeof(bool);
    case EVLOG_KIND_BYTES:
        return sizeof(evlog_bytes);
    case EVLOG_KIND_UUID:
        return sizeof(evlog_uuid);
    case EVLOG_KIND_CLASS:
        return of->size;
    case EVLOG_KIND_LIST:
        return sizeof(evlog_list);
    case EVLOG_KIND_MAP:
        return sizeof(evlog_map);
    default:
        return sizeof(int64_t); /* and of a double, a time */
    }
}

/* -------------------------------------------------------------- classes ---- */

const evlog_field *class_fields(const evlog_class *of, size_t *count)
{
    if (of->describe)
        return of->describe(count);
    *count = of->field_count;
    return of->fields;
}

static int has_name(const evlog_field *field, const char *name, size_t name_size)
{
    return field->name_size == name_size && memcmp(field->name, name, name_size) == 0;
}

const evlog_field *class_find(const evlog_field *fields, size_t count, const char *name,
                              size_t name_size, size_t *hint)
{
    for (size_t i = 0, at = *hint; i < count; i++, at++) {
        if (at >= count)
            at = 0;
        if (has_name(&fields[at], name, name_size)) {
            *hint = at + 1;
            return &fields[at];
        }
    }
    return NULL;
}

static int same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int class_is_same(const evlog_class *a, const evlog_class *b)
{
    size_t count, b_count;
    if (a == b || !a || !b)
        return a == b;
    const evlog_field *x = class_fields(a, &count), *y = class_fields(b, &b_count);
    if (count != b_count || a->size != b->size || strcmp(a->name, b->name) != 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!has_name(&x[i], y[i].name, y[i].name_size) || x[i].shape != y[i].shape ||
            x[i].offset != y[i].offset || x[i].is_optional != y[i].is_optional ||
            !same_text(x[i].fallback, y[i].fallback) || !class_is_same(x[i].of, y[i].of))
            return 0;
    return 1;
}

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

/* Avro: the default of a union is a value of what it names first. */
static uint64_t shape_of_fallback(const evlog_field *field, int is_null)
{
    if (!IS_NULLABLE(field->shape))
        return field->shape;
    int wants_null = !(field->shape & EVLOG_KIND_NULL_LAST);
    return wants_null == is_null ? (is_null ? field->shape : NOT_NULLABLE(field->shape)) : 0;
}

int schema_is_fallback(const evlog_field *field, const char **why)
{
    int is_null = strcmp(field->fallback, "null") == 0;
    uint64_t shape = shape_of_fallback(field, is_null);
    *why = "its default is not a value of it";
    if (!shape)
        return 0;
    if (!is_null && KIND_OF(shape) == EVLOG_KIND_BYTES && strcmp(field->fallback, "\"\"") != 0) {
        *why = "the default of bytes can only be \"\"";
        return 0;
    }
    evlog_field plain = *field;
    plain.shape = shape;
    return match_fallback_fits(&plain);
}

/* ---------------------------------------------------------------- bytes ---- */

/* What msgpack-c writes: a few bytes at a time, so the usual way is short. */
static int put_packed(void *ctx, const char *data, size_t size)
{
    msgpack_sbuffer *buffer = &((struct bytes *)ctx)->buffer;
    if (size <= buffer->alloc - buffer->size && size > 0) {
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    } else {
        bytes_put(ctx, data, size);
    }
    return 0;
}

void bytes_begin(struct bytes *bytes)
{
    msgpack_sbuffer_init(&bytes->buffer);
    msgpack_packer_init(&bytes->packer, bytes, put_packed);
    bytes->is_full = 0;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->is_full || (size && msgpack_sbuffer_write(&bytes->buffer, data, size)))
        bytes->is_full = 1;
}

void bytes_put_text(struct bytes *bytes, const char *text, size_t size)
{
    msgpack_sbuffer *buffer = &bytes->buffer;
    if (size > 0x1f || buffer->alloc - buffer->size < 1 + size) {
        msgpack_pack_str_with_body(&bytes->packer, text, size);
        return;
    }
    buffer->data[buffer->size] = (char)(0xa0 | size);
    memcpy(buffer->data + buffer->size + 1, text, size);
    buffer->size += 1 + size;
}

void bytes_free(struct bytes *bytes)
{
    msgpack_sbuffer_destroy(&bytes->buffer);
}

int bytes_end(struct bytes *bytes, evlog_buffer *buffer)
{
    if (bytes->is_full) {
        bytes_free(bytes);
        return error_nomem();
    }
    *buffer = (evlog_buffer){.data = bytes->buffer.data, .size = bytes->buffer.size};
    return EVLOG_OK;
}

void evlog_buffer_free(evlog_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (evlog_buffer){.size = 0};
}

/* -------------------------------------------------------- writing text ---- */

/* Classes in some order, looked up by their address. */
struct class_list {
    const evlog_class *of[EVLOG_CLASSES_MAX];
    const evlog_class *copy[EVLOG_CLASSES_MAX];
    size_t count;
};

struct writer {
    struct bytes bytes;
    struct class_list written;
};

static size_t list_find(const struct class_list *list, const evlog_class *of)
{
    size_t i = 0;
    while (i < list->count && list->of[i] != of)
        i++;
    return i;
}

static void put(struct writer *writer, const char *text)
{
    bytes_put(&writer->bytes, text, strlen(text));
}

static void put_quoted(struct writer *writer, const char *text)
{
    put(writer, "\"");
    for (; *text; text++) {
        char code[8];
        if (*text == '"' || *text == '\\')
            put(writer, "\\");
        if ((unsigned char)*text >= ' ')
            bytes_put(&writer->bytes, text, 1);
        else
            bytes_put(&writer->bytes, code,
                      (size_t)snprintf(code, sizeof code, "\\u%04x", (unsigned)*text));
    }
    put(writer, "\"");
}

static void put_fields(struct writer *writer, const evlog_class *of);

static void put_class(struct writer *writer, const evlog_class *of)
{
    if (list_find(&writer->written, of) < writer->written.count) {
        put_quoted(writer, of->name);
        return;
    }
    if (writer->written.count < EVLOG_CLASSES_MAX)
        writer->written.of[writer->written.count++] = of;
    put(writer, "{\"name\":");
    put_quoted(writer, of->name);
    put(writer, ",\"type\":\"record\",");
    put_fields(writer, of);
    put(writer, "}");
}

static void put_type(struct writer *writer, uint64_t shape, const evlog_class *of)
{
    int kind = KIND_OF(shape);
    if (IS_NULLABLE(shape)) {
        int is_last = (shape & EVLOG_KIND_NULL_LAST) != 0;
        put(writer, is_last ? "[" : "[\"null\",");
        put_type(writer, NOT_NULLABLE(shape), of);
        put(writer, is_last ? ",\"null\"]" : "]");
    } else if (kind == EVLOG_KIND_CLASS) {
        put_class(writer, of);
    } else if (kind == EVLOG_KIND_LIST || kind == EVLOG_KIND_MAP) {
        put(writer, kind == EVLOG_KIND_LIST ? "{\"type\":\"array\",\"items\":"
                                            : "{\"type\":\"map\",\"values\":");
        put_type(writer, ITEMS_OF(shape), of);
        put(writer, "}");
    } else {
        put_quoted(writer, kind_avro(kind));
    }
}

static void put_fields(struct writer *writer, const evlog_class *of)
{
    size_t count;
    const evlog_field *fields = class_fields(of, &count);
    put(writer, "\"fields\":[");
    for (size_t i = 0; i < count; i++) {
        put(writer, i ? ",{\"name\":" : "{\"name\":");
        put_quoted(writer, fields[i].name);
        put(writer, ",\"type\":");
        put_type(writer, fields[i].shape, fields[i].of);
        if (fields[i].is_optional) {
            put(writer, ",\"default\":");
            put(writer, fields[i].fallback);
        }
        put(writer, "}");
    }
    put(writer, "]");
}

/* The text of a schema, in its arena: whole for an event type, canonical for NULL. */
static const char *write_text(evlog_schema *schema, const char *event_type)
{
    struct writer *writer = calloc(1, sizeof *writer);
    const char *text = NULL;
    if (!writer)
        return NULL;
    bytes_begin(&writer->bytes);
    if (event_type)
        put(writer,
            "{\"name\":\"" CLOUD_EVENT "\",\"type\":\"record\",\"doc\":\"" CLOUD_EVENT_DOC "\",");
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
    size_t count;
    const evlog_field *fields = class_fields(&schema->root, &count);
    if (!schema->of && count == 1 && NOT_NULLABLE(fields[0].shape) == EVLOG_KIND_CLASS)
        schema->argument = fields[0].name;
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

/* --------------------------------------------------- from a class in C ---- */

struct copier {
    evlog_arena *arena;
    struct class_list done;
    unsigned depth;
};

static int copy_class(struct copier *copier, const evlog_class *of, const evlog_class **copied);

static int check_field(const evlog_class *of, const evlog_field *field)
{
    const char *why = NULL;
    if (!schema_is_name(field->name, field->name_size))
        return error_set(EVLOG_INVALID, "class %s: %s is not a name in Avro", of->name,
                         field->name);
    if (field->fallback && !schema_is_fallback(field, &why))
        return error_set(EVLOG_INVALID, "class %s, field %s: %s", of->name, field->name, why);
    return EVLOG_OK;
}

static int copy_field(struct copier *copier, const evlog_class *of, const evlog_field *field,
                      evlog_field *copy)
{
    *copy = *field;
    copy->name = arena_text(copier->arena, field->name, field->name_size);
    if (field->fallback)
        copy->fallback = arena_text(copier->arena, field->fallback, strlen(field->fallback));
    if (!copy->name || (field->fallback && !copy->fallback))
        return arena_failure(copier->arena);
    int result = field->of ? copy_class(copier, field->of, &copy->of) : EVLOG_OK;
    return result ? result : check_field(of, copy);
}

static int copy_fields(struct copier *copier, const evlog_class *of, evlog_class *copy)
{
    size_t count;
    const evlog_field *fields = class_fields(of, &count);
    if (count > EVLOG_FIELDS_MAX || copier->depth == EVLOG_DATA_DEPTH_MAX)
        return error_set(EVLOG_LIMIT, "class %s: more than %d fields, or %d classes deep",
                         of->name, EVLOG_FIELDS_MAX, EVLOG_DATA_DEPTH_MAX);
    evlog_field *copies = arena_get(copier->arena, (count + 1) * sizeof *copies);
    if (!copies)
        return arena_failure(copier->arena);
    copier->depth++;
    int result = EVLOG_OK;
    for (size_t i = 0, hint = 0; i < count && result == EVLOG_OK; i++) {
        result = copy_field(copier, of, &fields[i], &copies[i]);
        if (result == EVLOG_OK &&
            class_find(copies, i, copies[i].name, copies[i].name_size, &hint))
            result = error_set(EVLOG_INVALID, "class %s: two fields are called %s", of->name,
                               copies[i].name);
    }
    copier->depth--;
    copy->fields = copies;
    copy->field_count = count;
    copy->describe = NULL;
    return result;
}

/* The class of the same name that is there already; NULL: none. */
static const evlog_class *find_namesake(const struct class_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->of[i]->name, name) == 0)
            return list->copy[i];
    return NULL;
}

static int copy_class(struct copier *copier, const evlog_class *of, const evlog_class **copied)
{
    const evlog_class *namesake = find_namesake(&copier->done, of->name);
    if (namesake) {
        *copied = namesake;
        return class_is_same(namesake, of)
                   ? EVLOG_OK
                   : error_set(EVLOG_INVALID, "two different classes are called %s", of->name);
    }
    if (!schema_is_name(of->name, strlen(of->name)))
        return error_set(EVLOG_INVALID, "class %s is not a name in Avro", of->name);
    evlog_class *copy = arena_get(copier->arena, sizeof *copy);
    if (!copy)
        return arena_failure(copier->arena);
    *copy = *of;
    *copied = copy;
    copy->name = arena_text(copier->arena, of->name, strlen(of->name));
    int result = copy->name ? copy_fields(copier, of, copy) : arena_failure(copier->arena);
    if (result == EVLOG_OK && copier->done.count == EVLOG_CLASSES_MAX)
        result = error_set(EVLOG_LIMIT, "more than %d classes", EVLOG_CLASSES_MAX);
    if (result)
        return result;
    copier->done.of[copier->done.count] = of;
    copier->done.copy[copier->done.count++] = copy;
    return EVLOG_OK;
}

/* The root: the class itself, or a record with the one argument that is of it. */
static int make_root(evlog_schema *schema, const evlog_definition *definition)
{
    evlog_class *root = &schema->root;
    if (!definition->argument) {
        *root = *schema->of;
        root->name = CLOUD_EVENT;
        return EVLOG_OK;
    }
    size_t size = strlen(definition->argument);
    if (!schema_is_name(definition->argument, size))
        return error_set(EVLOG_INVALID, "the argument %s is not a name in Avro",
                         definition->argument);
    evlog_field *field = arena_get(schema->arena, sizeof *field);
    schema->argument = arena_text(schema->arena, definition->argument, size);
    if (!field || !schema->argument)
        return arena_failure(schema->arena);
    *field = (evlog_field){
        .name = schema->argument, .name_size = size, .shape = EVLOG_KIND_CLASS, .of = schema->of};
    *root = (evlog_class){
        .name = CLOUD_EVENT, .size = schema->of->size, .fields = field, .field_count = 1};
    return EVLOG_OK;
}

static int make(evlog_schema *schema, const evlog_definition *definition)
{
    struct copier *copier = calloc(1, sizeof *copier);
    if (!copier)
        return error_nomem();
    copier->arena = schema->arena;
    int result = copy_class(copier, definition->of, &schema->of);
    free(copier);
    if (result == EVLOG_OK)
        result = make_root(schema, definition);
    return result ? result : schema_finish(schema, definition->event_type);
}

int evlog_schema_make(const evlog_definition *definition, evlog_schema **schema)
{
    if (!definition || !definition->event_type || !definition->of || !schema)
        return error_set(EVLOG_INVALID, "the definition has no event type or no class");
    evlog_schema *made = schema_new();
    int result = made ? make(made, definition) : error_nomem();
    if (result) {
        evlog_schema_free(made);
        return result;
    }
    *schema = made;
    return EVLOG_OK;
}
