/*
 * Schemas from Avro's JSON (Avro 1.11 specification, "Schema Declaration").
 *
 * Supported is what data in a log can be: records, arrays, maps, the primitive types, a union of
 * null and one of these, and the names of records defined before. Everything else is refused and
 * named in the sentence: enum, fixed, other unions, null by itself, a record that contains itself.
 * Attributes without a meaning here (doc, order, aliases, logicalType) are ignored, as the
 * specification says.
 *
 * The result is the tree of classes and fields that EVLOG_CLASS makes, without offsets.
 *
 * 1. Every record is in the tree once, however often it is named, so the tree is no larger than the
 *    text.
 * 2. Names are compared with their namespace, which is inherited by what is inside it.
 * 3. Every default has the type of its field.
 *
 * The text may come from anywhere: its size, the fields of a record, the number of records and the
 * depth are limited, and there is a fuzz target (tests/fuzz_schema.c).
 */
#include <stdlib.h>
#include <string.h>

#include "dom.h"
#include "error.h"
#include "schema.h"

/* A record that can be referred to. */
struct known {
    const char *scope, *name; /* `scope` is its namespace */
    const evlog_class *of;
};

struct schema_parser {
    evlog_arena *arena;
    struct known known[EVLOG_CLASSES_MAX];
    size_t known_count;
};

/* The type of a field, or of the items of an array or map. */
struct type {
    uint64_t shape;
    const evlog_class *of;
};

static int get_type(struct schema_parser *parser, const struct json *json, const char *scope,
                    struct type *type);

/* `about` is what the sentence begins with. */
static int wrong(const char *about, const char *why)
{
    return error_set(EVLOG_INVALID, "schema: %.200s: %s", about, why);
}

static int is_text(const struct json *json, const char *text)
{
    return json && json->kind == JSON_STRING && json->size == strlen(text) &&
           memcmp(json->text, text, json->size) == 0;
}

/* --------------------------------------------------------------- names ---- */

static const struct known *find_known(const struct schema_parser *parser, const char *scope,
                                      const char *name)
{
    for (size_t i = 0; i < parser->known_count; i++)
        if (strcmp(parser->known[i].name, name) == 0 &&
            strcmp(parser->known[i].scope, scope) == 0)
            return &parser->known[i];
    return NULL;
}

/* Splits a name at its last dot; without one it has the namespace around it, which stays. */
static int split_name(struct schema_parser *parser, const struct json *json, const char **scope,
                      const char **name)
{
    const char *dot = strrchr(json->text, '.');
    if (strlen(json->text) != json->size)
        return wrong("a name", "contains NUL");
    *name = dot ? dot + 1 : json->text;
    if (!schema_is_name(*name, strlen(*name)))
        return wrong(json->text, "is not a name in Avro (letters, digits and _)");
    if (dot && !(*scope = arena_text(parser->arena, json->text, (size_t)(dot - json->text))))
        return arena_failure(parser->arena);
    return EVLOG_OK;
}

static int get_named(struct schema_parser *parser, const struct json *json, const char *scope,
                     struct type *type)
{
    static const unsigned char primitives[] = {
        EVLOG_KIND_BOOL,  EVLOG_KIND_INT64, EVLOG_KIND_DOUBLE, EVLOG_KIND_STRING,
        EVLOG_KIND_BYTES, KIND_INT32,       KIND_FLOAT,
    };
    const char *name;
    for (size_t i = 0; i < sizeof primitives; i++)
        if (is_text(json, kind_of(primitives[i])->avro)) {
            *type = (struct type){.shape = primitives[i]};
            return EVLOG_OK;
        }
    if (is_text(json, "null") || is_text(json, "enum") || is_text(json, "fixed"))
        return wrong(json->text, "is not a type that evlog supports");
    int result = split_name(parser, json, &scope, &name);
    if (result)
        return result;
    const struct known *known = find_known(parser, scope, name);
    if (!known)
        return wrong(json->text, "is not a known type (a record cannot contain itself)");
    *type = (struct type){.shape = EVLOG_KIND_CLASS, .of = known->of};
    return EVLOG_OK;
}

/* -------------------------------------------------------------- records ---- */

static int get_default(const struct json *value, const char *owner, evlog_field *field,
                       evlog_arena *arena)
{
    if (!value)
        return EVLOG_OK;
    field->fallback = arena_text(arena, value->raw, value->raw_size);
    field->is_optional = 1;
    return field->fallback ? schema_check_fallback(owner, field) : arena_failure(arena);
}

static int get_field(struct schema_parser *parser, const struct json *json, const char *scope,
                     const char *owner, evlog_field *field)
{
    struct type type = {.shape = 0};
    const struct json *name = dom_get(json, "name"), *kind = dom_get(json, "type");
    if (!name || name->kind != JSON_STRING || !kind)
        return wrong("a field", "has no name or no type");
    if (!schema_is_name(name->text, name->size))
        return wrong(name->text, "is not a name in Avro (letters, digits and _)");
    int result = get_type(parser, kind, scope, &type);
    if (result)
        return result;
    field->name = name->text;
    field->name_size = name->size;
    field->shape = type.shape;
    field->of = type.of;
    return get_default(dom_get(json, "default"), owner, field, parser->arena);
}

/* The fields of a record into `of`. */
static int get_fields(struct schema_parser *parser, const struct json *json, const char *scope,
                      evlog_class *of)
{
    if (!json || json->kind != JSON_ARRAY)
        return wrong(of->name, "a record has an array of fields");
    if (json->size > EVLOG_FIELDS_MAX)
        return error_set(EVLOG_LIMIT, "schema: %s has %zu fields, more than %d", of->name,
                         json->size, EVLOG_FIELDS_MAX);
    evlog_field *fields = arena_get(parser->arena, (json->size + 1) * sizeof *fields);
    if (!fields)
        return arena_failure(parser->arena);
    of->fields = fields;
    for (const struct json *item = json->first; item; item = item->next) {
        evlog_field *field = &fields[of->field_count];
        size_t hint = 0;
        int result = get_field(parser, item, scope, of->name, field);
        if (result)
            return result;
        struct fields before = class_fields(of);
        if (class_find(&before, field->name, field->name_size, &hint))
            return wrong(field->name, "two fields have this name");
        of->field_count++;
    }
    return EVLOG_OK;
}

static int get_record(struct schema_parser *parser, const struct json *json, const char *scope,
                      evlog_class *of)
{
    const struct json *name = dom_get(json, "name"), *space = dom_get(json, "namespace");
    if (!name || name->kind != JSON_STRING)
        return wrong("a record", "has no name");
    if (space && space->kind == JSON_STRING)
        scope = space->text;
    int result = split_name(parser, name, &scope, &of->name);
    if (result == EVLOG_OK)
        result = get_fields(parser, dom_get(json, "fields"), scope, of);
    if (result)
        return result;
    if (parser->known_count == EVLOG_CLASSES_MAX)
        return error_set(EVLOG_LIMIT, "schema: more than %d records", EVLOG_CLASSES_MAX);
    if (find_known(parser, scope, of->name))
        return wrong(of->name, "two records have this name");
    parser->known[parser->known_count++] = (struct known){scope, of->name, of};
    return EVLOG_OK;
}

/* ----------------------------------------------------------- other types ---- */

static int get_container(struct schema_parser *parser, const struct json *items, int kind,
                         const char *scope, struct type *type)
{
    struct type inner = {.shape = 0};
    if (!items)
        return wrong(kind == EVLOG_KIND_LIST ? "an array" : "a map",
                     "does not say what its items are");
    int result = get_type(parser, items, scope, &inner);
    if (result)
        return result;
    if (inner.shape >> 8 * (EVLOG_SHAPE_MAX - 1))
        return error_set(EVLOG_LIMIT, "schema: more than %d arrays and maps inside each other",
                         EVLOG_SHAPE_MAX - 1);
    *type = (struct type){.shape = (uint64_t)kind | inner.shape << 8, .of = inner.of};
    return EVLOG_OK;
}

/* A union of null and one other type. */
static int get_union(struct schema_parser *parser, const struct json *json, const char *scope,
                     struct type *type)
{
    const struct json *first = json->first, *second = first ? first->next : NULL;
    int is_first = is_text(first, "null");
    if (json->size != 2 || is_first == is_text(second, "null"))
        return wrong("a union", "must be of null and one other type");
    int result = get_type(parser, is_first ? second : first, scope, type);
    if (result == EVLOG_OK && shape_is_nullable(type->shape))
        result = wrong("a union", "is directly in another");
    if (result == EVLOG_OK)
        type->shape |= EVLOG_KIND_NULLABLE | (is_first ? 0 : KIND_NULL_LAST);
    return result;
}

static int get_type(struct schema_parser *parser, const struct json *json, const char *scope,
                    struct type *type)
{
    if (json->kind == JSON_STRING)
        return get_named(parser, json, scope, type);
    if (json->kind == JSON_ARRAY)
        return get_union(parser, json, scope, type);
    const struct json *word = dom_get(json, "type");
    if (!word)
        return wrong("a type", "is a name, an array, or an object with a type");
    if (is_text(word, "array"))
        return get_container(parser, dom_get(json, "items"), EVLOG_KIND_LIST, scope, type);
    if (is_text(word, "map"))
        return get_container(parser, dom_get(json, "values"), EVLOG_KIND_MAP, scope, type);
    if (!is_text(word, "record"))
        return get_type(parser, word, scope, type);
    evlog_class *of = arena_get(parser->arena, sizeof *of);
    if (!of)
        return arena_failure(parser->arena);
    *type = (struct type){.shape = EVLOG_KIND_CLASS, .of = of};
    return get_record(parser, json, scope, of);
}

static int parse(struct schema_parser *parser, const char *text, size_t size,
                 evlog_schema *schema)
{
    const struct json *root;
    schema->text = arena_text(schema->arena, text, size);
    if (!schema->text)
        return arena_failure(schema->arena);
    int result = dom_parse(schema->text, size, schema->arena, &root);
    if (result)
        return result;
    if (!is_text(dom_get(root, "type"), "record"))
        return wrong("the outermost type", "must be a record: the data of an event is a map");
    result = get_record(parser, root, "", &schema->root);
    return result ? result : schema_finish(schema, NULL);
}

int evlog_schema_parse(const char *text, evlog_schema **schema)
{
    size_t size = text ? strnlen(text, EVLOG_SCHEMA_SIZE_MAX + 1) : 0;
    if (!text || !schema)
        return error_set(EVLOG_INVALID, "there is no %s the schema",
                         text ? "place for" : "text of");
    if (size > EVLOG_SCHEMA_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "schema: more than %d bytes", EVLOG_SCHEMA_SIZE_MAX);
    struct schema_parser *parser = calloc(1, sizeof *parser);
    evlog_schema *made = schema_new();
    int result = EVLOG_NOMEM;
    if (parser && made) {
        parser->arena = made->arena;
        result = parse(parser, text, size, made);
    } else {
        error_nomem();
    }
    free(parser);
    if (result) {
        evlog_schema_free(made);
        return result;
    }
    *schema = made;
    return EVLOG_OK;
}
