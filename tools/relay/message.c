/*
 * An event as a message, and a message as an event.
 *
 * Both ways the text of each field is what the real producers and consumers of Open edX write and take: the
 * time without a fraction when it is 0, always +00:00; reading takes Z, ids in capitals or without hyphens,
 * unknown fields, any order. A time without a zone or with another offset is refused, as they do.
 *
 * What is missing (time, source, sourcehost, sourcelib, minorversion) is made as for every event here, and the
 * header FILLED_HEADER names it. Type, id and data must be there.
 *
 * The schema of a message is the log's newest of its type, else the catalogue's of Open edX: Redis carries
 * none. All data are checked in full before anything is sent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/openedx.h"
#include "evlog/schema.h"
#include "relay.h"

const char *const field_names[FIELD_COUNT] = {"type",         "id",         "source",   "time",
                                              "minorversion", "sourcehost", "sourcelib"};

/* EVLOG_INVALID and this sentence. */
static int invalid(const char *why)
{
    evlog_fail(why);
    return EVLOG_INVALID;
}

/* ----------------------------------------------------------------- out ---- */

static void put_time(int64_t time_us, char *text)
{
    char full[EVLOG_TIME_TEXT_SIZE];
    evlog_time_text(time_us, full);
    char *dot = strchr(full, '.');
    if (time_us % 1000000 == 0 && dot)
        memmove(dot, dot + 7, strlen(dot + 7) + 1);
    strcpy(text, full);
}

static void put_text(const char *from, char text[EVLOG_NAME_SIZE_MAX + 1])
{
    size_t size = strnlen(from, EVLOG_NAME_SIZE_MAX);
    memcpy(text, from, size);
    text[size] = '\0';
}

int message_make(const evlog_event *event, struct message *message)
{
    *message = (struct message){.seq = event->seq};
    if (!event->data)
        return invalid("its data were erased");
    if (!event->schema)
        return invalid(
            "it has no schema, without which there is no Avro; see: evlog help schema add");
    int result = evlog_avro_encode(event->schema, event->data, event->data_size, &message->data);
    if (result)
        return result;
    put_text(event->event_type, message->texts[TYPE]);
    evlog_uuid_text(event->id, message->texts[ID]);
    put_text(event->source, message->texts[SOURCE]);
    put_time(event->time_us, message->texts[TIME]);
    snprintf(message->texts[MINORVERSION], sizeof message->texts[MINORVERSION], "%" PRId32,
             event->minorversion);
    put_text(event->sourcehost, message->texts[SOURCEHOST]);
    put_text(event->sourcelib, message->texts[SOURCELIB]);
    return EVLOG_OK;
}

void message_free(struct message *message)
{
    evlog_buffer_free(&message->data);
}

/* ------------------------------------------------------------------ in ---- */

/* The value of a field of this name; of several the last. NULL data: there is none. */
static evlog_bytes find(const struct raw *raw, const char *name)
{
    evlog_bytes found = {NULL, 0};
    size_t size = strlen(name);
    for (size_t i = 0; i < raw->field_count; i++) {
        const struct raw_field *field = &raw->fields[i];
        if (field->name.size == size && memcmp(field->name.data, name, size) == 0 &&
            field->value.data)
            found = field->value;
    }
    return found;
}

/* Copies the field as text that ends in NUL. "": there is none. */
static int take_text(const struct raw *raw, enum field field, struct reading *reading)
{
    char why[64];
    evlog_bytes value = find(raw, field_names[field]);
    char *text = reading->texts[field];
    *text = '\0';
    if (!value.data || value.size == 0)
        return EVLOG_OK;
    if (value.size > EVLOG_NAME_SIZE_MAX || memchr(value.data, '\0', value.size)) {
        snprintf(why, sizeof why, "its %s is longer than %d bytes, or has a NUL",
                 field_names[field], EVLOG_NAME_SIZE_MAX);
        return invalid(why);
    }
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return EVLOG_OK;
}

static void fill_in(struct reading *reading, enum field field)
{
    size_t size = strlen(reading->filled);
    snprintf(reading->filled + size, sizeof reading->filled - size, "%s%s", size ? "," : "",
             field_names[field]);
    reading->header = (evlog_header){FILLED_HEADER, reading->filled};
}

static bool ends_in(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static int read_time(struct reading *reading)
{
    static const char *const zones[] = {"Z", "z", "+00:00", "-00:00", "+0000", "+00"};
    const char *text = reading->texts[TIME];
    bool is_utc = false;
    if (!*text) {
        fill_in(reading, TIME);
        reading->metadata.time_us = evlog_now_us();
        return EVLOG_OK;
    }
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        is_utc |= ends_in(text, zones[i]);
    if (!is_utc)
        return invalid("its time is not in UTC: it has no zone, or another one");
    return evlog_time_parse(text, &reading->metadata.time_us);
}

static int read_minorversion(struct reading *reading)
{
    const char *text = reading->texts[MINORVERSION];
    char *end;
    if (!*text) {
        fill_in(reading, MINORVERSION);
        return EVLOG_OK;
    }
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > INT32_MAX)
        return invalid("its minorversion is not a number");
    reading->metadata.minorversion = (int32_t)value;
    return EVLOG_OK;
}

/* These may be missing: then they are made as for every event. */
static const char *optional(struct reading *reading, enum field field)
{
    if (*reading->texts[field])
        return reading->texts[field];
    fill_in(reading, field);
    return NULL;
}

static int read_metadata(const struct raw *raw, struct reading *reading)
{
    int result = take_text(raw, ID, reading);
    if (result)
        return result;
    if (!*reading->texts[ID])
        return invalid("it has no id");
    if (evlog_uuid_parse(reading->texts[ID], reading->metadata.id))
        return invalid("its id is not a UUID");
    for (enum field field = TYPE; result == EVLOG_OK && field < FIELD_COUNT; field++)
        result = take_text(raw, field, reading);
    if (result == EVLOG_OK && !*reading->texts[TYPE])
        result = invalid("it has no type");
    if (result == EVLOG_OK)
        result = read_time(reading);
    if (result == EVLOG_OK)
        result = read_minorversion(reading);
    reading->metadata.source = optional(reading, SOURCE);
    reading->metadata.sourcehost = optional(reading, SOURCEHOST);
    reading->metadata.sourcelib = optional(reading, SOURCELIB);
    return result;
}

/* ---------------------------------------------------------------- types ---- */

struct search {
    const char *name;
    bool is_typed;
};

static int is_type(const evlog_type *type, void *ctx)
{
    struct search *search = ctx;
    search->is_typed |= type->schema && strcmp(type->name, search->name) == 0;
    return search->is_typed;
}

static const evlog_definition *in_catalogue(const char *type)
{
    const evlog_definition *definition;
    for (size_t i = 0; (definition = evlog_openedx_definition(i)); i++)
        if (strcmp(definition->event_type, type) == 0)
            return definition;
    return NULL;
}

/* The signal of a type that has a schema. */
static int find_signal(evlog *log, const char *type, evlog_signal **signal)
{
    char why[EVLOG_NAME_SIZE_MAX + 80];
    struct search search = {.name = type};
    if (evlog_signal_by_type(log, type, signal) == EVLOG_OK && evlog_signal_schema(*signal))
        return EVLOG_OK;
    int result = evlog_each_type(log, is_type, &search);
    if (result < 0)
        return result;
    if (search.is_typed)
        return evlog_define(log, type, 0, NULL, signal);
    const evlog_definition *definition = in_catalogue(type);
    if (definition)
        return evlog_define_class(log, definition, signal);
    snprintf(why, sizeof why, "its type has no schema in the log: %s; see: evlog help schema add",
             type);
    evlog_fail(why);
    return EVLOG_NOTFOUND;
}

int reading_make(evlog *log, const struct raw *raw, struct reading *reading)
{
    *reading = (struct reading){.signal = NULL};
    evlog_bytes data = find(raw, DATA_FIELD);
    int result = read_metadata(raw, reading);
    if (result == EVLOG_OK && !data.data)
        result = invalid("it has no data");
    if (result == EVLOG_OK && !evlog_type_matches(NULL, 0, reading->texts[TYPE]))
        result = invalid("its type is one of evlog's own");
    if (result == EVLOG_OK)
        result = find_signal(log, reading->texts[TYPE], &reading->signal);
    const evlog_schema *schema = result == EVLOG_OK ? evlog_signal_schema(reading->signal) : NULL;
    if (schema)
        result = evlog_avro_decode(schema, data.data, data.size, &reading->data);
    if (result == EVLOG_OK)
        result = evlog_schema_check(schema, reading->data.data, reading->data.size);
    return result;
}

void reading_free(struct reading *reading)
{
    evlog_buffer_free(&reading->data);
}
