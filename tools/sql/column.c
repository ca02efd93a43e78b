/*
 * The columns of an event.
 *
 * A column costs something only where a query asks for it: data are made into JSON for `data`, and looked into for a
 * path, once for all paths of an event.
 *
 * A path's value is what SQLite has for it: an integer (also for true and false), a real, a text, a blob; NULL where
 * it is not there. Maps, lists and extension types are JSON, as evlog_data_json makes it. An integer above 2^63 - 1
 * is text, since a real would make two of them equal.
 */
#include <inttypes.h>
#include <stdio.h>

#include "table.h"

SQLITE_EXTENSION_INIT3

static void give_text(sqlite3_context *context, const char *text)
{
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void give_time(sqlite3_context *context, int64_t time_us)
{
    char text[EVLOG_TIME_TEXT_SIZE];
    give_text(context, evlog_time_text(time_us, text));
}

static void give_id(sqlite3_context *context, const uint8_t id[16])
{
    char text[EVLOG_UUID_TEXT_SIZE];
    give_text(context, evlog_uuid_text(id, text));
}

static void give_failure(sqlite3_context *context, int code)
{
    if (code == EVLOG_NOMEM)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_error(context, evlog_errmsg(), -1);
}

static void free_json(void *data)
{
    evlog_buffer json = {.data = data};
    evlog_buffer_free(&json);
}

/* MessagePack as JSON; NULL where there is none. */
static void give_json(sqlite3_context *context, const void *data, size_t size)
{
    evlog_buffer json;
    if (!data)
        return;
    int code = evlog_data_json(data, size, EVLOG_JSON_LINE, &json);
    if (code)
        give_failure(context, code);
    else
        sqlite3_result_text64(context, json.data, json.size, free_json, SQLITE_UTF8);
}

static void give_unsigned(sqlite3_context *context, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    give_text(context, text);
}

static void give_value(sqlite3_context *context, const evlog_value *value)
{
    switch (value->kind) {
    case EVLOG_VALUE_NULL:
        return;
    case EVLOG_VALUE_BOOL:
        sqlite3_result_int(context, value->boolean);
        return;
    case EVLOG_VALUE_INTEGER:
        sqlite3_result_int64(context, value->integer);
        return;
    case EVLOG_VALUE_UNSIGNED:
        give_unsigned(context, value->unsigned_integer);
        return;
    case EVLOG_VALUE_DOUBLE:
        sqlite3_result_double(context, value->number);
        return;
    case EVLOG_VALUE_STRING:
        sqlite3_result_text64(context, value->string.text, value->string.size, SQLITE_TRANSIENT,
                              SQLITE_UTF8);
        return;
    case EVLOG_VALUE_BYTES:
        sqlite3_result_blob64(context, value->bytes.data, value->bytes.size, SQLITE_TRANSIENT);
        return;
    default:
        give_json(context, value->data.data, value->data.size);
    }
}

static void give_path(sqlite3_context *context, const char *path, const evlog_event *event,
                      evlog_value *data)
{
    evlog_value value;
    int code = EVLOG_OK;
    if (!event->data)
        return;
    if (data->kind != EVLOG_VALUE_MAP)
        code = evlog_data_value(event->data, event->data_size, data);
    if (code == EVLOG_OK)
        code = evlog_value_find(data, path, &value);
    if (code == EVLOG_OK)
        give_value(context, &value);
    else if (code != EVLOG_NOTFOUND)
        give_failure(context, code);
}

void column_give(sqlite3_context *context, const struct table *table, const evlog_event *event,
                 evlog_value *data, int column)
{
    static const char empty_map = (char)0x80;
    bool has_headers = event->headers_size > 1 ||
                       (event->headers_size == 1 && *(const char *)event->headers != empty_map);
    switch (column) {
    case COLUMN_SEQ:
        sqlite3_result_int64(context, (sqlite3_int64)event->seq);
        return;
    case COLUMN_LOG_TIME:
        give_time(context, event->log_time_us);
        return;
    case COLUMN_TIME:
        give_time(context, event->time_us);
        return;
    case COLUMN_ID:
        give_id(context, event->id);
        return;
    case COLUMN_TYPE:
        give_text(context, event->event_type);
        return;
    case COLUMN_SOURCE:
        give_text(context, event->source);
        return;
    case COLUMN_HOST:
        give_text(context, event->sourcehost);
        return;
    case COLUMN_LIB:
        give_text(context, event->sourcelib);
        return;
    case COLUMN_HEADERS:
        give_json(context, has_headers ? event->headers : NULL, event->headers_size);
        return;
    case COLUMN_DATA:
        give_json(context, event->data, event->data_size);
        return;
    case COLUMN_DAMAGE: /* it is not damaged */
        return;
    default:
        give_path(context, table->paths[column - COLUMN_PATHS].path, event, data);
    }
}
