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
 * The schema of a message is the one it was written under, where the broker says which: the event is stored with
 * it. A process has a type under one schema, so after another one the log is opened again. Redis carries none: it is
 * the log's newest of its type, else the catalogue's of Open edX. All data are checked in full before anything is sent.
 *
 * Kafka: metadata are the headers ce_... and sourcehost, sourcelib; a known header that is there twice or is null is
 * refused, as the real readers do. The value is 00, the schema's id in 4 bytes, big endian, and Avro.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/class.h"
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

static void put_text(struct message *message, enum field field, char *room, const char *text)
{
    size_t size = strnlen(text, EVLOG_NAME_SIZE_MAX);
    char *to = memcpy(room + message->texts_size, text, size);
    message->texts[field] = (evlog_string){to, size};
    message->texts_size += size;
}

static void put_time(struct message *message, char *room, int64_t time_us)
{
    char text[EVLOG_TIME_TEXT_SIZE];
    evlog_time_text(time_us, text);
    char *dot = strchr(text, '.');
    if (time_us % 1000000 == 0 && dot)
        memmove(dot, dot + 7, strlen(dot + 7) + 1);
    put_text(message, TIME, room, text);
}

int message_make(const evlog_event *event, char *room, struct message *message)
{
    char text[EVLOG_UUID_TEXT_SIZE];
    *message = (struct message){.seq = event->seq, .schema = event->schema};
    if (!event->data)
        return invalid("its data were erased");
    if (!event->schema)
        return invalid(
            "it has no schema, without which there is no Avro; see: evlog help schema add");
    int result = evlog_avro_encode(event->schema, event->data, event->data_size, &message->data);
    if (result)
        return result;
    put_text(message, TYPE, room, event->event_type);
    put_text(message, ID, room, evlog_uuid_text(event->id, text));
    put_text(message, SOURCE, room, event->source);
    put_time(message, room, event->time_us);
    snprintf(text, sizeof text, "%" PRId32, event->minorversion);
    put_text(message, MINORVERSION, room, text);
    put_text(message, SOURCEHOST, room, event->sourcehost);
    put_text(message, SOURCELIB, room, event->sourcelib);
    return EVLOG_OK;
}

void message_free(struct message *message)
{
    evlog_buffer_free(&message->data);
}

/* ------------------------------------------------------------------ in ---- */

#define FRAME_SIZE 5

static const char *const kafka_names[FIELD_COUNT] = {
    "ce_type", "ce_id", "ce_source", "ce_time", "ce_minorversion", "sourcehost", "sourcelib"};

static bool is_kafka(const struct raw *raw)
{
    return strcmp(raw->broker, "kafka") == 0;
}

static const char *name_of(const struct raw *raw, enum field field)
{
    return is_kafka(raw) ? kafka_names[field] : field_names[field];
}

/* Without Kafka's key and value, which are no headers. */
static size_t text_count(const struct raw *raw)
{
    if (!is_kafka(raw))
        return raw->field_count;
    return raw->field_count > 2 ? raw->field_count - 2 : 0;
}

static bool is_named(const struct raw_field *field, const char *name)
{
    size_t size = strlen(name);
    return field->name.size == size && memcmp(field->name.data, name, size) == 0;
}

/* EVLOG_INVALID: a known header is null, or is there twice. */
static int check_headers(const struct raw *raw)
{
    char why[80];
    for (enum field field = TYPE; field < FIELD_COUNT; field++) {
        size_t count = 0;
        bool is_null = false;
        for (size_t i = 0; i < text_count(raw); i++)
            if (is_named(&raw->fields[i], kafka_names[field])) {
                count++;
                is_null |= !raw->fields[i].value.data;
            }
        snprintf(why, sizeof why, "its header %s is %s", kafka_names[field],
                 is_null ? "null" : "there twice");
        if (is_null || count > 1)
            return invalid(why);
    }
    return EVLOG_OK;
}

bool raw_schema_id(const struct raw *raw, uint32_t *id)
{
    const struct raw_field *value = raw->field_count ? &raw->fields[raw->field_count - 1] : NULL;
    const uint8_t *bytes = value ? value->value.data : NULL;
    if (!bytes || value->value.size < FRAME_SIZE || bytes[0] != 0)
        return false;
    *id =
        (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    return true;
}

/* The Avro in Kafka's value. */
static int unframe(const struct raw *raw, evlog_bytes *data)
{
    uint32_t id;
    if (raw->field_count < 2 || !raw->fields[raw->field_count - 1].value.data)
        return invalid("it has no value: it is a tombstone");
    if (!raw_schema_id(raw, &id))
        return invalid("its value does not begin with 00 and the id of a schema");
    *data = raw->fields[raw->field_count - 1].value;
    *data = (evlog_bytes){(const uint8_t *)data->data + FRAME_SIZE, data->size - FRAME_SIZE};
    return EVLOG_OK;
}

/* The value of a field of this name; of several the last. NULL data: there is none. */
static evlog_bytes find(const struct raw *raw, const char *name)
{
    evlog_bytes found = {NULL, 0};
    for (size_t i = 0; i < text_count(raw); i++) {
        const struct raw_field *field = &raw->fields[i];
        if (is_named(field, name) && field->value.data)
            found = field->value;
    }
    return found;
}

/* Copies the field as text that ends in NUL. "": there is none. */
static int take_text(const struct raw *raw, enum field field, struct reading *reading)
{
    char why[64];
    evlog_bytes value = find(raw, name_of(raw, field));
    char *text = reading->texts[field];
    *text = '\0';
    if (!value.data || value.size == 0)
        return EVLOG_OK;
    if (value.size > EVLOG_NAME_SIZE_MAX || memchr(value.data, '\0', value.size)) {
        snprintf(why, sizeof why, "its %s is longer than %d bytes, or has a NUL",
                 name_of(raw, field), EVLOG_NAME_SIZE_MAX);
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

/* ------------------------------------------------------ a known schema ---- */

static bool is_same(const evlog_schema *a, const char *text)
{
    return text && strcmp(evlog_schema_text(a), text) == 0;
}

struct newest {
    const char *name, *schema;
};

static int take_newest(const evlog_type *type, void *ctx)
{
    struct newest *newest = ctx;
    if (strcmp(type->name, newest->name) == 0)
        newest->schema = type->schema;
    return 0;
}

static bool is_catalogues(const evlog_definition *definition, const evlog_schema *schema)
{
    evlog_schema *own;
    if (!definition || evlog_schema_make(definition, &own))
        return false;
    bool same = is_same(schema, evlog_schema_text(own));
    evlog_schema_free(own);
    return same;
}

/*
 * Defines a type that this process does not have: with what the log or the catalogue knows of the same schema, else
 * anew.
 */
static int define_written(evlog *log, const char *type, const evlog_schema *schema,
                          evlog_signal **signal)
{
    struct newest newest = {.name = type};
    const evlog_definition *definition = in_catalogue(type);
    evlog_definition written = {
        .event_type = type, .schema = evlog_schema_text(schema), .accept_incompatible = true};
    int result = evlog_each_type(log, take_newest, &newest);
    if (result)
        return result;
    if (is_same(schema, newest.schema))
        return evlog_define(log, type, 0, NULL, signal);
    if (is_catalogues(definition, schema))
        written = *definition;
    written.accept_incompatible = true;
    return evlog_define_class(log, &written, signal);
}

/* The signal of the type under the schema the message was written under. */
static int find_written_signal(evlog *log, const struct raw *raw, struct reading *reading)
{
    const char *type = reading->texts[TYPE];
    if (evlog_signal_by_type(log, type, &reading->signal))
        return define_written(log, type, raw->schema, &reading->signal);
    const evlog_schema *own = evlog_signal_schema(reading->signal);
    if (own && !is_same(raw->schema, evlog_schema_text(own))) {
        reading->is_other_schema = true;
        evlog_fail("its schema is another one than that of its type in this process");
        return EVLOG_CONFLICT;
    }
    return own ? EVLOG_OK
               : evlog_define(log, type, 0, evlog_schema_text(raw->schema), &reading->signal);
}

/* ------------------------------------------------------------- reading ---- */

/* What can be said without the log. */
static int read_message(const struct raw *raw, struct reading *reading, evlog_bytes *data)
{
    int result = is_kafka(raw) ? check_headers(raw) : EVLOG_OK;
    if (result == EVLOG_OK)
        result = read_metadata(raw, reading);
    if (result == EVLOG_OK && is_kafka(raw))
        result = unframe(raw, data);
    else
        *data = find(raw, DATA_FIELD);
    if (result == EVLOG_OK && !data->data)
        result = invalid("it has no data");
    if (result == EVLOG_OK && !evlog_type_matches(NULL, 0, reading->texts[TYPE]))
        result = invalid("its type is one of evlog's own");
    return result == EVLOG_OK && raw->why ? invalid(raw->why) : result;
}

int reading_make(evlog *log, const struct raw *raw, struct reading *reading)
{
    evlog_bytes data;
    *reading = (struct reading){.signal = NULL};
    int result = read_message(raw, reading, &data);
    if (result == EVLOG_OK)
        result = raw->schema ? find_written_signal(log, raw, reading)
                             : find_signal(log, reading->texts[TYPE], &reading->signal);
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
