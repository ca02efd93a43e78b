/*
 * Schemas from data classes in C.
 *
 * The class is copied in full, with its offsets, because it may be in a shared object that is
 * unloaded later. Each file that includes a header has its own copy of the header's classes, so
 * classes of the same name are compared: if they are the same they are one class in the schema, as
 * in Avro; if not the schema is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "forms.h"
#include "schema.h"
#include "sized.h"

struct copier {
    evlog_arena *arena;
    const evlog_class *done[EVLOG_CLASSES_MAX]; /* the copies that are complete */
    size_t done_count;
    unsigned depth;
};

static int copy_class(struct copier *copier, const evlog_class *of, const evlog_class **copied);

static int check_field(const evlog_class *of, const evlog_field *field)
{
    if (!schema_is_name(field->name, field->name_size))
        return error_set(EVLOG_INVALID, "class %s: %s is not a name in Avro", of->name,
                         field->name);
    return field->fallback ? schema_check_fallback(of->name, field) : EVLOG_OK;
}

static int copy_field(struct copier *copier, const evlog_class *of, const evlog_field *field,
                      evlog_field *copy)
{
    *copy = (evlog_field){.name_size = field->name_size,
                          .shape = field->shape,
                          .is_optional = field->is_optional,
                          .offset = field->offset};
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
    struct fields fields = class_fields(of);
    if (fields.count > EVLOG_FIELDS_MAX || copier->depth == EVLOG_DATA_DEPTH_MAX)
        return error_set(EVLOG_LIMIT, "class %s: more than %d fields, or %d classes deep",
                         of->name, EVLOG_FIELDS_MAX, EVLOG_DATA_DEPTH_MAX);
    evlog_field *copies = arena_get(copier->arena, (fields.count + 1) * sizeof *copies);
    if (!copies)
        return arena_failure(copier->arena);
    copier->depth++;
    copy->describe = NULL;
    copy->fields = copies;
    int result = EVLOG_OK;
    for (size_t i = 0, hint = 0; i < fields.count && result == EVLOG_OK; i++) {
        copy->field_count = i;
        struct fields before = class_fields(copy);
        result = copy_field(copier, of, field_at(&fields, i), &copies[i]);
        if (result == EVLOG_OK && class_find(&before, copies[i].name, copies[i].name_size, &hint))
            result = error_set(EVLOG_INVALID, "class %s: two fields are called %s", of->name,
                               copies[i].name);
    }
    copier->depth--;
    copy->field_count = fields.count;
    return result;
}

/* The copy of a class of this name; NULL: none yet. */
static const evlog_class *find_namesake(const struct copier *copier, const char *name)
{
    for (size_t i = 0; i < copier->done_count; i++)
        if (strcmp(copier->done[i]->name, name) == 0)
            return copier->done[i];
    return NULL;
}

static int copy_class(struct copier *copier, const evlog_class *of, const evlog_class **copied)
{
    const evlog_class *namesake = find_namesake(copier, of->name);
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
    *copy = (evlog_class){
        .class_size = sizeof *copy, .field_size = sizeof(evlog_field), .size = of->size};
    *copied = copy;
    copy->name = arena_text(copier->arena, of->name, strlen(of->name));
    int result = copy->name ? copy_fields(copier, of, copy) : arena_failure(copier->arena);
    if (result == EVLOG_OK && copier->done_count == EVLOG_CLASSES_MAX)
        result = error_set(EVLOG_LIMIT, "more than %d classes", EVLOG_CLASSES_MAX);
    if (result)
        return result;
    copier->done[copier->done_count++] = copy;
    return EVLOG_OK;
}

/* The name of the root, which no other class may have. */
static int name_root(const struct copier *copier, evlog_schema *schema,
                     const evlog_definition *definition)
{
    const char *name = definition->record_name ? definition->record_name : SCHEMA_ROOT;
    const evlog_class *namesake = find_namesake(copier, name);
    if (!schema_is_name(name, strlen(name)))
        return error_set(EVLOG_INVALID, "the record name %s is not a name in Avro", name);
    if (namesake && (definition->argument || namesake != schema->of))
        return error_set(EVLOG_INVALID, "the record name %s is that of a class in it", name);
    schema->root.name = arena_text(schema->arena, name, strlen(name));
    return schema->root.name ? EVLOG_OK : arena_failure(schema->arena);
}

/* The root: the class itself, or a record with the one argument that is of it. */
static int make_root(evlog_schema *schema, const evlog_definition *definition)
{
    if (!definition->argument) {
        schema->root = *schema->of;
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
    schema->root = (evlog_class){.size = schema->of->size, .fields = field, .field_count = 1};
    return EVLOG_OK;
}

static int make(evlog_schema *schema, const evlog_definition *definition)
{
    struct copier *copier = calloc(1, sizeof *copier);
    if (!copier)
        return error_nomem();
    copier->arena = schema->arena;
    int result = copy_class(copier, definition->of, &schema->of);
    if (result == EVLOG_OK)
        result = make_root(schema, definition);
    if (result == EVLOG_OK)
        result = name_root(copier, schema, definition);
    free(copier);
    if (result == EVLOG_OK)
        result = schema_finish(schema, definition->event_type);
    return result ? result : forms_pack(schema);
}

int evlog_schema_make_sized(const evlog_definition *given, size_t definition_size,
                            evlog_schema **schema)
{
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result)
        return result;
    if (!definition.event_type || !definition.of || !schema)
        return error_set(
            EVLOG_INVALID,
            "the definition has no event type or no class, or there is no place for the schema");
    evlog_schema *made = schema_new();
    result = made ? make(made, &definition) : error_nomem();
    if (result) {
        evlog_schema_free(made);
        return result;
    }
    *schema = made;
    return EVLOG_OK;
}
