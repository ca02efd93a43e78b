/*
 * Events without their classes: a value in the data by its path, the items of maps and lists, and
 * data and events as JSON.
 *
 * This is for programs that handle events whose data class they do not have: filters, relays,
 * tools. A program that has the class reads events as structs, see evlog/class.h.
 *
 *   static int note_enrollment(const evlog_event *event, void *ctx)
 *   {
 *       evlog_value email;
 *       int result = evlog_event_find(event, "enrollment.user.pii.email", &email);
 *       if (result == EVLOG_NOTFOUND)
 *           return EVLOG_OK;
 *       if (result == EVLOG_OK && email.kind == EVLOG_VALUE_STRING)
 *           fwrite(email.string.text, 1, email.string.size, ctx);
 *       return result;
 *   }
 *
 * Data is MessagePack and may come from anywhere: it is checked before it is looked at. That of an
 * event that the library gives was checked when it was read: {.kind = EVLOG_VALUE_MAP, .data = {event->data,
 * event->data_size}} is its value without a second check. No function here keeps anything, and each may be called from
 * any number of threads at once.
 */
#ifndef EVLOG_VALUE_H
#define EVLOG_VALUE_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------- values ---- */

typedef enum evlog_value_kind {
    EVLOG_VALUE_NULL = 0,
    EVLOG_VALUE_BOOL = 1,
    EVLOG_VALUE_INTEGER = 2,  /* from INT64_MIN to INT64_MAX */
    EVLOG_VALUE_UNSIGNED = 3, /* an integer above INT64_MAX */
    EVLOG_VALUE_DOUBLE = 4,
    EVLOG_VALUE_STRING = 5,
    EVLOG_VALUE_BYTES = 6,
    EVLOG_VALUE_LIST = 7,
    EVLOG_VALUE_MAP = 8,
    EVLOG_VALUE_EXTENSION = 9, /* MessagePack's ext: a type and bytes */
} evlog_value_kind;

/*
 * A value in an event's data. Each member after the first is set for the kinds named beside it, and
 * zero for the others. The pointers point into the data and are valid as long as it is.
 */
typedef struct evlog_value {
    evlog_value_kind kind;
    bool boolean;              /* BOOL */
    int8_t extension_type;     /* EXTENSION */
    int64_t integer;           /* INTEGER */
    uint64_t unsigned_integer; /* UNSIGNED */
    double number;             /* DOUBLE, INTEGER, UNSIGNED; rounded beyond 53 bits */
    evlog_string string;       /* STRING */
    evlog_bytes bytes;         /* BYTES, EXTENSION */
    size_t count;              /* LIST: its items; MAP: its pairs of a key and a value */
    evlog_bytes data;          /* any: its own MessagePack */
} evlog_value;

/*
 * The value that MessagePack of any kind is, checked from end to end: of an event's data, the map.
 * EVLOG_INVALID: not exactly one well-formed value. EVLOG_LIMIT: more than EVLOG_DATA_DEPTH_MAX
 * maps and lists inside each other. EVLOG_NOTFOUND: `data` is NULL, as that of an erased event is.
 */
EVLOG_API int evlog_data_value_sized(const void *data, size_t data_size, evlog_value *value,
                                     size_t value_size);

static inline int evlog_data_value(const void *data, size_t data_size, evlog_value *value)
{
    return evlog_data_value_sized(data, data_size, value, sizeof(evlog_value));
}

/*
 * The value at `path` inside `from`, which one of these functions gave: keys of maps and numbers of
 * list items (from 0), with dots between: `enrollment.user.pii.email`, `groups.0`. A dot that is
 * part of a key is written `\.`, and a backslash `\\`. An empty part is the empty key. Of equal keys
 * the first counts; keys that are not strings, or contain NUL, are found by evlog_items only.
 *
 * Costs one pass over what precedes the value. EVLOG_NOTFOUND: evlog_errmsg names the first part of
 * the path that is not there. EVLOG_INVALID: a backslash before anything else.
 */
EVLOG_API int evlog_value_find_sized(const evlog_value *from, const char *path,
                                     evlog_value *value, size_t value_size);

static inline int evlog_value_find(const evlog_value *from, const char *path, evlog_value *value)
{
    return evlog_value_find_sized(from, path, value, sizeof(evlog_value));
}

/*
 * The same in data, and in an event's data. These check the data each time: for many values of one
 * event call evlog_data_value once, and evlog_value_find for each. Errors of both.
 */
static inline int evlog_data_find(const void *data, size_t data_size, const char *path,
                                  evlog_value *value)
{
    evlog_value whole;
    int result = evlog_data_value(data, data_size, &whole);
    return result ? result : evlog_value_find(&whole, path, value);
}

static inline int evlog_event_find(const evlog_event *event, const char *path, evlog_value *value)
{
    return evlog_data_find(event->data, event->data_size, path, value);
}

/*
 * A walk through the items of a map or list:
 *
 *   size_t count = 0;
 *   evlog_items items;
 *   evlog_value key, value;
 *   int result = evlog_items_begin(groups, &items);
 *   while (result == EVLOG_OK && evlog_items_next(&items, &key, &value))
 *       count += value.kind == EVLOG_VALUE_STRING;
 *
 * Nothing needs to be freed. The members are for the library.
 */
typedef struct evlog_items {
    const void *at;
    size_t left_count;
    bool is_map;
} evlog_items;

/* Begins at the first item. EVLOG_INVALID: `of` is neither a map nor a list. */
EVLOG_API int evlog_items_begin_sized(const evlog_value *of, evlog_items *items,
                                      size_t items_size);

static inline int evlog_items_begin(const evlog_value *of, evlog_items *items)
{
    return evlog_items_begin_sized(of, items, sizeof(evlog_items));
}

/*
 * The next item, in the order of the data, and false after the last. `key` and `value` may be NULL.
 * The key of a list's item is null; a map's may be of any kind.
 */
EVLOG_API bool evlog_items_next_sized(evlog_items *items, size_t items_size, evlog_value *key,
                                      evlog_value *value, size_t value_size);

static inline bool evlog_items_next(evlog_items *items, evlog_value *key, evlog_value *value)
{
    return evlog_items_next_sized(items, sizeof(evlog_items), key, value, sizeof(evlog_value));
}

/* ----------------------------------------------------------------- JSON ---- */

#define EVLOG_JSON_SIZE_MAX (1 << 30) /* of one text made here */

typedef enum evlog_json_form {
    EVLOG_JSON_LINE = 0,     /* all on one line, a blank after each colon and comma */
    EVLOG_JSON_INDENTED = 1, /* a line for each value, two blanks for each level */
} evlog_json_form;

/*
 * The JSON of MessagePack of any kind, without a newline or NUL at its end, to be freed with
 * evlog_buffer_free. Maps keep their order. A double has the digits that it needs to be read back
 * as the same one, and a point or an exponent. Control characters (C0, DEL, C1), line separators
 * and those that change the direction of text are \u escapes, so it is safe on a terminal.
 *
 * For what JSON does not have, there is an object of one key:
 *
 *   {"$bin": "AAEC"}                   bytes, in base64
 *   {"$ext": [5, "AAEC"]}              an extension: type, bytes
 *   {"$uint": "18446744073709551615"}  an integer above INT64_MAX
 *   {"$float": "nan"}                  nan, inf, -inf
 *   {"$map": [[1, "a"], [1, "b"]]}     a map with a key that is not a string, contains NUL, or repeats
 *
 * and a map whose one key is one of these words, after one or more $, gets another $ before it.
 *
 * Errors of evlog_data_value, and EVLOG_LIMIT: more than EVLOG_JSON_SIZE_MAX. EVLOG_NOMEM.
 */
EVLOG_API int evlog_data_json(const void *data, size_t data_size, evlog_json_form form,
                              evlog_buffer *json);

/*
 * The JSON of an event, as `evlog show -o json` prints it: an object of seq, log_time, id, type,
 * minorversion, time, source, sourcehost, sourcelib (a list of numbers), from_event_bus, headers
 * (an object of strings; left out when there are none) and data (null when it was erased), and for
 * an event of a consumer attempt and is_replay. Others may be added. Errors of evlog_data_json. EVLOG_INVALID also: a
 * text of the event is not UTF-8.
 */
EVLOG_API int evlog_event_json_sized(const evlog_event *event, size_t event_size,
                                     evlog_json_form form, evlog_buffer *json);

static inline int evlog_event_json(const evlog_event *event, evlog_json_form form,
                                   evlog_buffer *json)
{
    return evlog_event_json_sized(event, sizeof(evlog_event), form, json);
}

#ifdef __cplusplus
}
#endif

#endif
