/*
 * History as lines of JSON: what evlog export writes and evlog import reads.
 *
 *   {"define": TYPE, "number": "83c1...", "schema": "{...}", "forms": {PATH: FORM}, "personal": [PATH, ...]}
 *   {"define": TYPE, "number": "83c1..."}
 *   {"seq": 1, "log_time": ..., "id": ..., "type": TYPE, ..., "data": {...}}
 *
 * A line whose first key is "define" says under which schema the events of the type that follow were sent, until the
 * next such line of that type; a short one refers to an earlier line by its number. The schema is text, so that
 * it is kept to the byte; null: the type is untyped.
 *
 * The others are events as evlog show prints them. `type` and `data` are needed. What else is left out is made as for
 * an event that is sent. seq, log_time and unknown keys are ignored.
 */
#include "history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct reader {
    const json_t *json;
    char *why;
    size_t why_size;
};

static int wrong(const struct reader *reader, const char *key, const char *what)
{
    snprintf(reader->why, reader->why_size, "%s is not %s", key, what);
    return -1;
}

/* The text under a key; NULL where there is none. -1: it is something else. */
static int read_text(const struct reader *reader, const char *key, const char **text)
{
    const json_t *json = json_object_get(reader->json, key);
    *text = NULL;
    if (!json || json_is_null(json))
        return 0;
    *text = json_string_value(json);
    if (!*text || strlen(*text) != json_string_length(json))
        return wrong(reader, key, "a text");
    return 0;
}

/* --------------------------------------------------------------- events ---- */

static int read_id(const struct reader *reader, struct history_event *event)
{
    static const uint8_t zeros[16];
    const char *text;
    if (read_text(reader, "id", &text))
        return -1;
    if (!text)
        return 0;
    event->has_id = true;
    if (evlog_uuid_parse(text, event->metadata.id) != EVLOG_OK ||
        memcmp(event->metadata.id, zeros, sizeof zeros) == 0)
        return wrong(reader, "id", "a UUID, or it is all zeros");
    return 0;
}

static int read_time(const struct reader *reader, struct history_event *event)
{
    const char *text;
    event->metadata.time_us = evlog_now_us();
    if (read_text(reader, "time", &text))
        return -1;
    if (text && evlog_time_parse(text, &event->metadata.time_us) != EVLOG_OK)
        return wrong(reader, "time", "a time as 2026-01-31T18:00:00.123456+00:00");
    return 0;
}

static int read_minor_version(const struct reader *reader, struct history_event *event)
{
    const json_t *json = json_object_get(reader->json, "minorversion");
    json_int_t number = json_integer_value(json);
    if (json && (!json_is_integer(json) || number < 0 || number > INT32_MAX))
        return wrong(reader, "minorversion", "a number: 0, 1, 2 ...");
    event->metadata.minorversion = (int32_t)number;
    return 0;
}

/* [11, 2, 0], or "11.2.0". */
static int read_sourcelib(const struct reader *reader, struct history_event *event)
{
    const json_t *json = json_object_get(reader->json, "sourcelib");
    char *at = event->sourcelib, *end = at + sizeof event->sourcelib;
    if (!json_is_array(json))
        return read_text(reader, "sourcelib", &event->metadata.sourcelib);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *number = json_array_get(json, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return wrong(reader, "sourcelib", "a list of numbers: [11, 2, 0]");
        int size = snprintf(at, (size_t)(end - at), "%s%" JSON_INTEGER_FORMAT, i ? "." : "",
                            json_integer_value(number));
        if (size >= end - at)
            return wrong(reader, "sourcelib", "a list of a few numbers");
        at += size;
    }
    event->metadata.sourcelib = event->sourcelib;
    return 0;
}

static int read_headers(const struct reader *reader, struct history_event *event)
{
    json_t *value, *json = json_object_get(reader->json, "headers");
    const char *name;
    if (!json || json_object_size(json) == 0)
        return json && !json_is_object(json) ? wrong(reader, "headers", "an object") : 0;
    event->headers = calloc(json_object_size(json), sizeof *event->headers);
    if (!event->headers)
        return wrong(reader, "headers", "readable: out of memory");
    json_object_foreach(json, name, value)
    {
        const char *text = json_string_value(value);
        if (!text || strlen(text) != json_string_length(value))
            return wrong(reader, "a header", "a text");
        event->headers[event->header_count++] = (evlog_header){name, text};
    }
    return 0;
}

static int read_mark(const struct reader *reader, struct history_event *event)
{
    const json_t *json = json_object_get(reader->json, "from_event_bus");
    if (json && !json_is_boolean(json))
        return wrong(reader, "from_event_bus", "true or false");
    event->from_event_bus = json_is_true(json);
    return 0;
}

static int read_metadata(const struct reader *reader, struct history_event *event)
{
    if (read_text(reader, "type", &event->type) ||
        read_text(reader, "source", &event->metadata.source) ||
        read_text(reader, "sourcehost", &event->metadata.sourcehost))
        return -1;
    if (!event->type)
        return wrong(reader, "the line", "an event: it has no type");
    if (read_id(reader, event) || read_time(reader, event) || read_minor_version(reader, event))
        return -1;
    return read_sourcelib(reader, event) || read_headers(reader, event) ||
                   read_mark(reader, event)
               ? -1
               : 0;
}

static enum history_line read_event(const struct reader *reader, struct history_event *event,
                                    msgpack_sbuffer *data)
{
    const json_t *json = json_object_get(reader->json, "data");
    if (!json_is_object(reader->json))
        return wrong(reader, "the line", "a JSON object");
    if (read_metadata(reader, event))
        return HISTORY_WRONG;
    if (json_is_null(json))
        return HISTORY_ERASED;
    if (!json_is_object(json))
        return wrong(reader, "data", "a JSON object");
    event->data_at = data->size;
    if (data_of_json(json, data, reader->why, reader->why_size)) {
        data->size = event->data_at;
        return HISTORY_WRONG;
    }
    event->data_size = data->size - event->data_at;
    return HISTORY_EVENT;
}

enum history_line history_read(const char *line, size_t size, struct history_event *event,
                               msgpack_sbuffer *data, char *why, size_t why_size)
{
    *event = (struct history_event){.owner = json_of_text(line, size, why, why_size)};
    if (!event->owner)
        return HISTORY_WRONG;
    struct reader reader = {event->owner, why, why_size};
    enum history_line found = read_event(&reader, event, data);
    if (found == HISTORY_EVENT)
        json_object_del(event->owner, "data"); /* the batch has it */
    else
        history_free(event);
    return found;
}

void history_free(struct history_event *event)
{
    free(event->headers);
    json_decref(event->owner);
    event->headers = NULL;
    event->owner = NULL;
}

/* ---------------------------------------------------------------- types ---- */

static size_t skip_blanks(const char *line, size_t size, size_t at)
{
    while (at < size && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return at;
}

bool history_is_type(const char *line, size_t size)
{
    static const char key[] = "\"define\"";
    size_t at = skip_blanks(line, size, 0);
    if (at == size || line[at] != '{')
        return false;
    at = skip_blanks(line, size, at + 1);
    return size - at >= sizeof key && memcmp(line + at, key, sizeof key - 1) == 0;
}

static int read_number(const struct reader *reader, struct history_type *type)
{
    const char *text;
    if (read_text(reader, "number", &text))
        return -1;
    if (text && (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16))
        return wrong(reader, "number", "16 hexadecimal digits");
    type->number = text ? strtoull(text, NULL, 16) : 0;
    return 0;
}

static int read_forms(const struct reader *reader, struct history_type *type)
{
    json_t *value, *json = json_object_get(reader->json, "forms");
    const char *path;
    if (!json || json_object_size(json) == 0)
        return json && !json_is_object(json) ? wrong(reader, "forms", "an object") : 0;
    evlog_form *forms = calloc(json_object_size(json), sizeof *forms);
    if (!forms)
        return wrong(reader, "forms", "readable: out of memory");
    type->definition.forms = forms;
    json_object_foreach(json, path, value)
    {
        if (!json_is_string(value))
            return wrong(reader, "a form", "a text");
        forms[type->definition.form_count++] = (evlog_form){path, json_string_value(value)};
    }
    return 0;
}

static int read_personal(const struct reader *reader, struct history_type *type)
{
    const json_t *json = json_object_get(reader->json, "personal");
    size_t count = json_array_size(json);
    if (count == 0)
        return json && !json_is_array(json) ? wrong(reader, "personal", "a list") : 0;
    const char **paths = calloc(count, sizeof *paths);
    if (!paths)
        return wrong(reader, "personal", "readable: out of memory");
    type->definition.personal = paths;
    type->definition.personal_count = count;
    for (size_t i = 0; i < count; i++)
        if (!(paths[i] = json_string_value(json_array_get(json, i))))
            return wrong(reader, "a personal field", "a text");
    return 0;
}

static int read_type(const struct reader *reader, struct history_type *type)
{
    if (!json_is_object(reader->json))
        return wrong(reader, "the line", "a JSON object");
    if (read_text(reader, "define", &type->name) || read_number(reader, type) ||
        read_text(reader, "schema", &type->definition.schema))
        return -1;
    if (!type->name)
        return wrong(reader, "define", "an event type");
    type->definition.event_type = type->name;
    type->is_named_only = type->number && !json_object_get(reader->json, "schema");
    return read_forms(reader, type) || read_personal(reader, type) ? -1 : 0;
}

int history_read_type(const char *line, size_t size, struct history_type *type, char *why,
                      size_t why_size)
{
    *type = (struct history_type){.owner = json_of_text(line, size, why, why_size)};
    if (!type->owner)
        return -1;
    struct reader reader = {type->owner, why, why_size};
    int failed = read_type(&reader, type);
    if (failed)
        history_type_free(type);
    return failed;
}

void history_type_free(struct history_type *type)
{
    free((void *)type->definition.forms);
    free((void *)type->definition.personal);
    json_decref(type->owner);
    *type = (struct history_type){.owner = NULL};
}
