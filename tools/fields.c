/*
 * --fields seq,time,enrollment.user.id: parts of events, in the order they were asked for.
 *
 * 1. A field is a key of the event's JSON (print.c), headers.NAME, or a path in the data (evlog/value.h); data.PATH
 *    is always in the data, also where PATH begins with one of those keys. A comma in a path is written \,.
 * 2. Tabbed, an event is a line with a tab between its fields: texts as they are, with control characters, so also tabs
 *    and newlines, escaped; other values as JSON; nothing where there is none. In JSON it is an object of these
 *    keys and no others, in this order; null where there is none. A null and
 *    nothing differ only in a tabbed line.
 *
 * Each value is made MessagePack or found in the event's, and printed as evlog_data_json does: a field has the same
 * JSON as in the whole event, which is not made. Cost: the fields, and for each path what precedes its value.
 */
#include "fields.h"

#include <jansson.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include <evlog/value.h>

#include "text.h"
#include "times.h"

enum part {
    PART_DATA,
    PART_SEQ,
    PART_LOG_TIME,
    PART_ID,
    PART_TYPE,
    PART_MINORVERSION,
    PART_TIME,
    PART_SOURCE,
    PART_SOURCEHOST,
    PART_SOURCELIB,
    PART_FROM_EVENT_BUS,
    PART_HEADERS,
};

static const char *const part_names[] = {
    "data", "seq",    "log_time",   "id",        "type",           "minorversion",
    "time", "source", "sourcehost", "sourcelib", "from_event_bus", "headers"};
#define PART_COUNT (sizeof part_names / sizeof *part_names)

/* --------------------------------------------------------------- reading ---- */

/* Whether it is names with commas between, in UTF-8, and the backslashes are right. */
static bool is_well_formed(const char *text)
{
    json_t *json = json_string(text); /* NULL: not UTF-8 */
    bool is_good = json != NULL, is_empty = true;
    json_decref(json);
    for (; is_good && *text; text++) {
        is_good =
            *text == ',' ? !is_empty : *text != '\\' || (text[1] && strchr(".,\\", text[1]));
        is_empty = *text == ',';
        text += *text == '\\';
    }
    return is_good && !is_empty;
}

/* Cuts the first name off, and takes the backslash from a comma in it. What follows; NULL: nothing. */
static char *cut_name(char *text)
{
    char *to = text;
    for (; *text && *text != ','; text++) {
        if (*text == '\\' && text[1] != ',')
            *to++ = *text;
        text += *text == '\\';
        *to++ = *text;
    }
    char *next = *text ? text + 1 : NULL;
    *to = '\0';
    return next;
}

/* Whether it begins with the part's name and a dot. */
static bool is_in_part(const char *name, enum part part)
{
    size_t size = strlen(part_names[part]);
    return strncmp(name, part_names[part], size) == 0 && name[size] == '.' && name[size + 1];
}

static struct event_field field_of(const char *name)
{
    for (int i = 0; i < (int)PART_COUNT; i++)
        if (strcmp(name, part_names[i]) == 0)
            return (struct event_field){.name = name, .part = i};
    if (is_in_part(name, PART_DATA))
        return (struct event_field){name, PART_DATA, name + strlen("data.")};
    if (is_in_part(name, PART_HEADERS))
        return (struct event_field){name, PART_HEADERS, name + strlen("headers.")};
    return (struct event_field){name, PART_DATA, name};
}

int fields_read(struct fields *fields, char *text)
{
    if (!is_well_formed(text))
        return -1;
    while (text) {
        char *next = cut_name(text);
        if (fields->count == FIELDS_SHOWN_MAX)
            return -1;
        fields->list[fields->count++] = field_of(text);
        text = next;
    }
    return 0;
}

/* ---------------------------------------------------------------- values ---- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

static void pack_time(msgpack_packer *packer, int64_t time_us, enum fields_form form)
{
    char text[TIME_TEXT_SIZE];
    pack_text(packer, form == FIELDS_TABBED ? time_short_text(time_us, text)
                                            : evlog_time_text(time_us, text));
}

/* "11.2.0" as [11, 2, 0], as evlog_event_json has it. */
static void pack_version(msgpack_packer *packer, const char *text)
{
    size_t count = *text != '\0';
    for (const char *at = text; *at; at++)
        count += *at == '.';
    msgpack_pack_array(packer, count);
    for (const char *part = text; count--; part += strcspn(part, ".") + 1) {
        size_t size = strcspn(part, ".");
        uint64_t number = strtoull(part, NULL, 10);
        if (strspn(part, "0123456789") == size && number <= INT64_MAX)
            msgpack_pack_uint64(packer, number);
        else {
            msgpack_pack_str(packer, size);
            msgpack_pack_str_body(packer, part, size);
        }
    }
}

/* A part that the event has as a member of C. */
static void pack_part(msgpack_packer *packer, const evlog_event *event, enum part part,
                      enum fields_form form)
{
    char id[EVLOG_UUID_TEXT_SIZE];
    switch (part) {
    case PART_SEQ:
        msgpack_pack_uint64(packer, event->seq);
        break;
    case PART_LOG_TIME:
        pack_time(packer, event->log_time_us, form);
        break;
    case PART_TIME:
        pack_time(packer, event->time_us, form);
        break;
    case PART_ID:
        pack_text(packer, evlog_uuid_text(event->id, id));
        break;
    case PART_TYPE:
        pack_text(packer, event->event_type);
        break;
    case PART_MINORVERSION:
        msgpack_pack_int64(packer, event->minorversion);
        break;
    case PART_SOURCE:
        pack_text(packer, event->source);
        break;
    case PART_SOURCEHOST:
        pack_text(packer, event->sourcehost);
        break;
    case PART_SOURCELIB:
        pack_version(packer, event->sourcelib ? event->sourcelib : "");
        break;
    default: /* PART_FROM_EVENT_BUS */
        event->from_event_bus ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    }
}

/* What is at a path in the data, or the header of that name; all of it where `path` is NULL. false: nothing. */
static bool find(const evlog_event *event, const struct event_field *field, evlog_value *found)
{
    bool is_data = field->part == PART_DATA;
    evlog_value key, whole = {.kind = EVLOG_VALUE_MAP};
    evlog_items items;
    whole.data.data = is_data ? event->data : event->headers;
    whole.data.size = is_data ? event->data_size : event->headers_size;
    *found = whole;
    if (!whole.data.data || !field->path)
        return whole.data.data != NULL;
    if (is_data)
        return evlog_value_find(&whole, field->path, found) == EVLOG_OK;
    for (int code = evlog_data_value(event->headers, event->headers_size, &whole) ||
                    evlog_items_begin(&whole, &items);
         !code && evlog_items_next(&items, &key, found);)
        if (key.string.size == strlen(field->path) &&
            memcmp(key.string.text, field->path, key.string.size) == 0)
            return true;
    return false;
}

/* -------------------------------------------------------------- printing ---- */

/* Writes a value. `data` NULL: nothing. 0, or -1. */
static int put_value(FILE *out, const void *data, size_t size, enum fields_form form)
{
    evlog_value value;
    evlog_buffer json;
    if (!data) {
        fputs(form == FIELDS_TABBED ? "" : "null", out);
        return 0;
    }
    if (form == FIELDS_TABBED && evlog_data_value(data, size, &value) == EVLOG_OK &&
        value.kind == EVLOG_VALUE_STRING) {
        text_put(out, value.string.text, value.string.size, 0, 0);
        return 0;
    }
    if (evlog_data_json(data, size, EVLOG_JSON_LINE, &json))
        return -1;
    fwrite(json.data, 1, json.size, out);
    evlog_buffer_free(&json);
    return 0;
}

/* Writes a text, or where that is NULL a part of the event. 0, or -1. */
static int put_made(FILE *out, const evlog_event *event, enum part part, const char *text,
                    enum fields_form form)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (text)
        pack_text(&packer, text);
    else
        pack_part(&packer, event, part, form);
    int result = buffer.data ? put_value(out, buffer.data, buffer.size, form)
                             : evlog_fail("out of memory");
    msgpack_sbuffer_destroy(&buffer);
    return result;
}

static int put_field(FILE *out, const struct event_field *field, const evlog_event *event,
                     enum fields_form form)
{
    evlog_value value = {.kind = EVLOG_VALUE_NULL};
    if (field->part == PART_DATA || field->part == PART_HEADERS) {
        bool is_there = find(event, field, &value);
        return put_value(out, is_there ? value.data.data : NULL, value.data.size, form);
    }
    return put_made(out, event, field->part, NULL, form);
}

int fields_put(FILE *out, const struct fields *fields, const evlog_event *event,
               enum fields_form form)
{
    static const struct {
        const char *begin, *between, *end;
    } marks[] = {[FIELDS_TABBED] = {"", "\t", "\n"},
                 [FIELDS_LINE] = {"{", ", ", "}\n"},
                 [FIELDS_INDENTED] = {"{\n  ", ",\n  ", "\n}\n"}};
    int failed = 0;
    for (size_t i = 0; i < fields->count && !failed; i++) {
        fputs(i ? marks[form].between : marks[form].begin, out);
        if (form != FIELDS_TABBED) {
            failed = put_made(out, event, 0, fields->list[i].name, FIELDS_LINE);
            fputs(": ", out);
        }
        failed = failed || put_field(out, &fields->list[i], event, form);
    }
    fputs(marks[form].end, out);
    return failed ? -1 : 0;
}
