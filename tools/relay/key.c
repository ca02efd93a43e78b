/*
 * Kafka's key of an event: the field that event_key_field names, as the real producers take it.
 *
 * Its schema is the field's definition in the event's schema, keys sorted: {"name": "username", "type": "string"}. The
 * id of the schema is part of the key's bytes, so the text decides the partition. Only a string,
 * long, double or boolean can be a key, and no record on the way to it can be missing: the real producers
 * lose every event with another key.
 */
#include "key.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/schema.h"
#include "evlog/value.h"

#define DEPTH_MAX 64

/* ----------------------------------------------------------------- text ---- */

/* jansson writes \uABCD, Python \uabcd. */
static void lower_escapes(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\\' && at[1] == 'u')
            for (int i = 0; i < 5; i++)
                at[1 + i] = (char)tolower((unsigned char)at[1 + i]);
        else if (*at == '\\' && at[1])
            at++;
}

static char *sorted(const json_t *json)
{
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (text)
        lower_escapes(text);
    return text;
}

char *schema_sorted(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    char *result = json ? sorted(json) : NULL;
    json_decref(json);
    return result;
}

char *schema_name(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *space = json_string_value(json_object_get(json, "namespace"));
    bool is_full = !name || strchr(name, '.') || !space || !*space;
    char *result = NULL;
    if (name && asprintf(&result, "%s%s%s", is_full ? "" : space, is_full ? "" : ".", name) < 0)
        result = NULL;
    json_decref(json);
    return result;
}

/* --------------------------------------------------------------- schema ---- */

/* EVLOG_INVALID and a sentence about the path. */
static int invalid(const char *path, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "the field %.200s cannot be the key: %s", path, why);
    evlog_fail(text);
    return EVLOG_INVALID;
}

/* The record with this name that is defined in `json`, wherever; NULL: there is none. */
static const json_t *find_record(const json_t *json, const char *name, int depth)
{
    const json_t *found = NULL, *item;
    const char *key;
    size_t i;
    const char *own = json_string_value(json_object_get(json, "name"));
    if (depth > DEPTH_MAX)
        return NULL;
    if (own && strcmp(own, name) == 0 && json_is_array(json_object_get(json, "fields")))
        return json;
    json_array_foreach(json, i, item)
    {
        if (!found)
            found = find_record(item, name, depth + 1);
    }
    json_object_foreach((json_t *)json, key, item)
    {
        if (!found)
            found = find_record(item, name, depth + 1);
    }
    return found;
}

/* The definition of a field of a record, of `size` bytes of name. */
static const json_t *find_field(const json_t *record, const char *name, size_t size)
{
    size_t i;
    const json_t *field;
    json_array_foreach(json_object_get(record, "fields"), i, field)
    {
        const char *own = json_string_value(json_object_get(field, "name"));
        if (own && strlen(own) == size && memcmp(own, name, size) == 0)
            return field;
    }
    return NULL;
}

/* The field's record, which may be given by its name. */
static const json_t *record_of(const json_t *whole, const json_t *field)
{
    const json_t *type = json_object_get(field, "type");
    const char *name = json_string_value(type);
    const char *dot = name ? strrchr(name, '.') : NULL;
    if (name)
        type = find_record(whole, dot ? dot + 1 : name, 0);
    return json_is_array(json_object_get(type, "fields")) ? type : NULL;
}

static const char *kind_of(const json_t *field)
{
    static const char *const kinds[] = {"string", "long", "double", "boolean"};
    const char *type = json_string_value(json_object_get(field, "type"));
    for (size_t i = 0; type && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i]) == 0)
            return kinds[i];
    return NULL;
}

static int walk(const json_t *whole, const char *path, struct key *key)
{
    const json_t *record = whole, *field = NULL;
    for (const char *at = path;;) {
        size_t size = strcspn(at, ".");
        field = find_field(record, at, size);
        if (!field)
            return invalid(path, "the event type has no such field");
        if (!at[size])
            break;
        at += size + 1;
        record = record_of(whole, field);
        if (!record)
            return invalid(path, "what it is in can be null, or is not a record");
    }
    key->kind = kind_of(field);
    if (!key->kind)
        return invalid(path, "it can be null, or is not a string, long, double or boolean");
    key->schema = sorted(field);
    return key->schema ? EVLOG_OK : EVLOG_NOMEM;
}

int key_of_schema(const char *text, const char *path, struct key *key)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    int result = json ? walk(json, path, key) : invalid(path, "the event type has no schema");
    json_decref(json);
    return result;
}

/* ---------------------------------------------------------------- value ---- */

/* Avro's long. At most 10 bytes. */
static size_t put_long(int64_t value, uint8_t *out)
{
    uint64_t left = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t size = 0;
    for (; left >= 0x80; left >>= 7)
        out[size++] = (uint8_t)(left | 0x80);
    out[size++] = (uint8_t)left;
    return size;
}

static int put(const void *head, size_t head_size, const void *data, size_t size,
               evlog_buffer *avro)
{
    uint8_t *bytes = malloc(head_size + size);
    if (!bytes)
        return EVLOG_NOMEM;
    memcpy(bytes, head, head_size);
    if (size)
        memcpy(bytes + head_size, data, size);
    *avro = (evlog_buffer){bytes, head_size + size};
    return EVLOG_OK;
}

/* `is_double`: a whole number is Avro's double here. */
static int put_value(const evlog_value *value, bool is_double, evlog_buffer *avro)
{
    uint8_t head[10];
    size_t size;
    bool is_number = value->kind == EVLOG_VALUE_DOUBLE || value->kind == EVLOG_VALUE_INTEGER;
    if (is_double && is_number) {
        uint64_t bits;
        memcpy(&bits, &value->number, sizeof bits);
        for (int i = 0; i < 8; i++)
            head[i] = (uint8_t)(bits >> (8 * i));
        return put(head, 8, NULL, 0, avro);
    }
    switch (value->kind) {
    case EVLOG_VALUE_STRING:
        size = put_long((int64_t)value->string.size, head);
        return put(head, size, value->string.text, value->string.size, avro);
    case EVLOG_VALUE_INTEGER:
        size = put_long(value->integer, head);
        return put(head, size, NULL, 0, avro);
    case EVLOG_VALUE_BOOL:
        *head = value->boolean;
        return put(head, 1, NULL, 0, avro);
    default:
        return EVLOG_INVALID;
    }
}

/* The kind of a key under a schema, kept: a log has few schemas, and they live as long as it. */
static int kind_of_key(const evlog_schema *schema, const char *path, const char **kind)
{
    static struct kept {
        const evlog_schema *schema;
        const char *path, *kind;
    } table[256];
    struct kept *kept = &table[((uintptr_t)schema / 16 ^ (uintptr_t)path) % 256];
    struct key key;
    if (!kept->kind || kept->schema != schema || kept->path != path) {
        int result = key_of_schema(schema ? evlog_schema_text(schema) : NULL, path, &key);
        if (result)
            return result;
        free(key.schema);
        *kept = (struct kept){schema, path, key.kind};
    }
    *kind = kept->kind;
    return EVLOG_OK;
}

int key_of_event(const evlog_event *event, const char *path, evlog_buffer *avro)
{
    const char *kind;
    evlog_value value;
    int result = kind_of_key(event->schema, path, &kind);
    if (result)
        return result;
    bool is_double = strcmp(kind, "double") == 0;
    if (evlog_event_find(event, path, &value))
        return invalid(path, "the event does not have it");
    result = put_value(&value, is_double, avro);
    return result == EVLOG_INVALID ? invalid(path, "the event's value is of another kind")
                                   : result;
}
