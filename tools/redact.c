/*
 * Masking personal fields.
 *
 * Which fields are personal is recorded with their type (evlog_type.personal). For a type of Open edX that was
 * recorded without marks, or untyped, the catalogue's marks are used. A marked field is masked with all that is in
 * it, so that the result still fits the schema: texts become "redacted", or a constant of their form; numbers 0; lists
 * and maps empty; a record keeps its fields, each masked; null stays null.
 *
 * A record that a schema uses in several places is one class: a field of it that is marked in one place is masked in
 * all of them.
 *
 * Data are walked together with the schema, which alone says whether the keys of a map are field names or data.
 */
#include "redact.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/schema.h"
#include "evlog/value.h"
#include "tool.h"

struct mark {
    const json_t *field; /* of the schema */
    bool is_personal;
    const char *text; /* of a form: what a text becomes; NULL: it has none */
};

struct redaction {
    json_t *schema;
    json_t *records; /* by name */
    struct mark *marks;
    size_t mark_count;
};

static const struct {
    const char *form, *text;
} masks[] = {
    {"time", "1970-01-01T00:00:00+00:00"},
    {"uuid", "00000000-0000-0000-0000-000000000000"},
    {"course_key", "course-v1:redacted+redacted+redacted"},
    {"ccx_key", "ccx-v1:redacted+redacted+redacted+ccx@1"},
    {"usage_key", "block-v1:redacted+redacted+redacted+type@redacted+block@redacted"},
    {"library_key", "lib:redacted:redacted"},
    {"library_usage_key", "lb:redacted:redacted:redacted:redacted"},
    {"collection_key", "lib-collection:redacted:redacted:redacted"},
    {"container_key", "lct:redacted:redacted:redacted:redacted"},
};

/* ---------------------------------------------------------------- schema ---- */

/* What a type is: a record, array or map, or NULL. null beside it is left out, names are looked up. */
static const json_t *shape_of(const struct redaction *redaction, const json_t *type)
{
    for (size_t i = 0; json_is_array(type) && i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        if (!name || strcmp(name, "null") != 0)
            return shape_of(redaction, json_array_get(type, i));
    }
    if (json_is_string(type)) {
        const char *dot = strrchr(json_string_value(type), '.');
        return json_object_get(redaction->records, dot ? dot + 1 : json_string_value(type));
    }
    const json_t *inner = json_object_get(type, "type");
    return json_is_object(inner) || json_is_array(inner) ? shape_of(redaction, inner) : type;
}

static bool is_kind(const json_t *shape, const char *kind)
{
    const char *text = json_string_value(json_object_get(shape, "type"));
    return text && strcmp(text, kind) == 0;
}

/* Notes the records of a type by their names. */
static void collect(struct redaction *redaction, json_t *type)
{
    json_t *item;
    size_t i;
    json_array_foreach(json_is_array(type) ? type : NULL, i, item) collect(redaction, item);
    if (!json_is_object(type))
        return;
    const char *name = json_string_value(json_object_get(type, "name"));
    if (is_kind(type, "record") && name && !json_object_get(redaction->records, name))
        json_object_set(redaction->records, name, type);
    json_array_foreach(json_object_get(type, "fields"), i, item)
        collect(redaction, json_object_get(item, "type"));
    collect(redaction, json_object_get(type, "items"));
    collect(redaction, json_object_get(type, "values"));
    collect(redaction,
            json_is_string(json_object_get(type, "type")) ? NULL : json_object_get(type, "type"));
}

static const json_t *find_field(const json_t *record, const char *name, size_t size)
{
    const json_t *fields = json_object_get(record, "fields");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *found = json_string_value(json_object_get(field, "name"));
        if (found && strlen(found) == size && memcmp(found, name, size) == 0)
            return field;
    }
    return NULL;
}

/* The field at a path; a '*' at its end is the field's before it. NULL: there is none. */
static const json_t *field_at(const struct redaction *redaction, const char *path)
{
    const json_t *shape = shape_of(redaction, redaction->schema), *field = NULL;
    while (shape && *path) {
        size_t size = strcspn(path, ".");
        if (is_kind(shape, "record")) {
            field = find_field(shape, path, size);
            shape = field ? shape_of(redaction, json_object_get(field, "type")) : NULL;
            if (!field)
                return NULL;
        } else {
            const json_t *items = json_object_get(shape, "items");
            shape = shape_of(redaction, items ? items : json_object_get(shape, "values"));
        }
        path += size + (path[size] == '.');
    }
    return *path && strcmp(path, "*") != 0 ? NULL : field;
}

static struct mark *mark_of(const struct redaction *redaction, const json_t *field)
{
    for (size_t i = 0; i < redaction->mark_count; i++)
        if (redaction->marks[i].field == field)
            return &redaction->marks[i];
    return NULL;
}

/* The mark of the field at a path, which is made. NULL: there is no such field. */
static struct mark *mark_at(struct redaction *redaction, const char *path)
{
    const json_t *field = field_at(redaction, path);
    struct mark *mark = field ? mark_of(redaction, field) : NULL;
    if (!field || mark)
        return mark;
    mark = &redaction->marks[redaction->mark_count++];
    *mark = (struct mark){.field = field};
    return mark;
}

static void add_form(struct redaction *redaction, const evlog_form *form)
{
    struct mark *mark = mark_at(redaction, form->path);
    for (size_t i = 0; mark && i < sizeof masks / sizeof *masks; i++)
        if (strcmp(masks[i].form, form->form) == 0)
            mark->text = masks[i].text;
}

static int make(struct redaction *redaction, const evlog_type *type, const char *const *personal,
                size_t personal_count)
{
    redaction->schema = json_loads(type->schema, 0, NULL);
    redaction->records = json_object();
    redaction->marks = calloc(type->form_count + personal_count, sizeof *redaction->marks);
    if (!redaction->schema || !redaction->records || !redaction->marks)
        return -1;
    collect(redaction, redaction->schema);
    for (size_t i = 0; i < personal_count; i++) {
        struct mark *mark = mark_at(redaction, personal[i]);
        if (mark)
            mark->is_personal = true;
    }
    for (size_t i = 0; i < type->form_count; i++)
        add_form(redaction, &type->forms[i]);
    return 0;
}

static struct redaction *make_new(const evlog_type *type, const char *const *personal,
                                  size_t personal_count, int *failed)
{
    struct redaction *redaction = calloc(1, sizeof *redaction);
    *failed = !redaction || make(redaction, type, personal, personal_count);
    if (!*failed)
        return redaction;
    redaction_free(redaction);
    return NULL;
}

/* Untyped events of Open edX: by the catalogue's schema. */
static struct redaction *make_by_catalogue(const evlog_definition *definition, int *failed)
{
    evlog_schema *schema;
    *failed = evlog_schema_make(definition, &schema) != EVLOG_OK;
    if (*failed)
        return NULL;
    evlog_type type = {.name = definition->event_type, .schema = evlog_schema_text(schema)};
    struct redaction *redaction =
        make_new(&type, definition->personal, definition->personal_count, failed);
    evlog_schema_free(schema);
    return redaction;
}

struct redaction *redaction_new(const evlog_type *type, int *failed)
{
    const evlog_definition *definition = openedx_definition(type->name);
    *failed = 0;
    if (type->personal_count)
        return make_new(type, type->personal, type->personal_count, failed);
    if (!definition || !definition->personal_count)
        return NULL;
    if (!type->schema)
        return make_by_catalogue(definition, failed);
    return make_new(type, definition->personal, definition->personal_count, failed);
}

void redaction_free(struct redaction *redaction)
{
    if (!redaction)
        return;
    json_decref(redaction->schema);
    json_decref(redaction->records);
    free(redaction->marks);
    free(redaction);
}

/* ------------------------------------------------------------------ data ---- */

struct walk {
    const struct redaction *redaction;
    msgpack_packer packer;
    msgpack_sbuffer *data;
    int failed;
};

static void put(struct walk *walk, const evlog_value *value, const json_t *type,
                const struct mark *mark, bool is_personal);

static void put_raw(struct walk *walk, const evlog_value *value)
{
    walk->failed |= msgpack_sbuffer_write(walk->data, value->data.data, value->data.size);
}

static void put_text(struct walk *walk, const char *text)
{
    walk->failed |= msgpack_pack_str_with_body(&walk->packer, text, strlen(text));
}

/* What has nothing in it, masked. */
static void put_mask(struct walk *walk, const evlog_value *value, const struct mark *mark)
{
    msgpack_packer *packer = &walk->packer;
    switch (value->kind) {
    case EVLOG_VALUE_BOOL:
        walk->failed |= msgpack_pack_false(packer);
        break;
    case EVLOG_VALUE_INTEGER:
    case EVLOG_VALUE_UNSIGNED:
        walk->failed |= msgpack_pack_int(packer, 0);
        break;
    case EVLOG_VALUE_DOUBLE:
        walk->failed |= msgpack_pack_double(packer, 0);
        break;
    case EVLOG_VALUE_STRING:
        put_text(walk, mark && mark->text ? mark->text : "redacted");
        break;
    case EVLOG_VALUE_BYTES:
        walk->failed |= msgpack_pack_bin(packer, 0);
        break;
    case EVLOG_VALUE_LIST:
        walk->failed |= msgpack_pack_array(packer, 0);
        break;
    case EVLOG_VALUE_MAP:
        walk->failed |= msgpack_pack_map(packer, 0);
        break;
    default: /* null, and an extension, which no schema has */
        walk->failed |= msgpack_pack_nil(packer);
    }
}

/* A map that is a record. */
static void put_record(struct walk *walk, const evlog_value *map, const json_t *record,
                       bool is_personal)
{
    evlog_items items;
    evlog_value key, value;
    walk->failed |= msgpack_pack_map(&walk->packer, map->count);
    walk->failed |= evlog_items_begin(map, &items);
    while (!walk->failed && evlog_items_next(&items, &key, &value)) {
        const json_t *field = find_field(record, key.string.text, key.string.size);
        const struct mark *mark = field ? mark_of(walk->redaction, field) : NULL;
        put_raw(walk, &key);
        put(walk, &value, json_object_get(field, "type"), mark,
            is_personal || (mark && mark->is_personal));
    }
}

/* A list or map of items that are not personal themselves, but may have something in them that is. */
static void put_items(struct walk *walk, const evlog_value *of, const json_t *shape)
{
    evlog_items items;
    evlog_value key, value;
    const json_t *type = json_object_get(shape, of->kind == EVLOG_VALUE_MAP ? "values" : "items");
    walk->failed |= of->kind == EVLOG_VALUE_MAP ? msgpack_pack_map(&walk->packer, of->count)
                                                : msgpack_pack_array(&walk->packer, of->count);
    walk->failed |= evlog_items_begin(of, &items);
    while (!walk->failed && evlog_items_next(&items, &key, &value)) {
        if (of->kind == EVLOG_VALUE_MAP)
            put_raw(walk, &key);
        put(walk, &value, type, NULL, false);
    }
}

static void put(struct walk *walk, const evlog_value *value, const json_t *type,
                const struct mark *mark, bool is_personal)
{
    const json_t *shape = shape_of(walk->redaction, type);
    bool has_items = value->kind == EVLOG_VALUE_MAP || value->kind == EVLOG_VALUE_LIST;
    if (value->kind == EVLOG_VALUE_MAP && is_kind(shape, "record"))
        put_record(walk, value, shape, is_personal);
    else if (is_personal)
        put_mask(walk, value, mark);
    else if (has_items && shape)
        put_items(walk, value, shape);
    else
        put_raw(walk, value);
}

int redact(const struct redaction *redaction, const evlog_event *event, msgpack_sbuffer *data)
{
    struct walk walk = {.redaction = redaction, .data = data};
    evlog_value value;
    if (evlog_data_value(event->data, event->data_size, &value))
        return -1;
    msgpack_packer_init(&walk.packer, data, msgpack_sbuffer_write);
    put(&walk, &value, redaction->schema, NULL, false);
    return walk.failed ? -1 : 0;
}
