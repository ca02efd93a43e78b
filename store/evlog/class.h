/*
 * Typed events: data classes in C, and events as structs.
 */
#ifndef EVLOG_CLASS_H
#define EVLOG_CLASS_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_FIELDS_MAX 1024            /* of one class */
#define EVLOG_CLASSES_MAX 1024           /* of one schema */
#define EVLOG_SHAPE_MAX 8                /* lists and maps in each other, with what is in them */
#define EVLOG_ARENA_SIZE_MAX (256 << 20) /* of one evlog_unpack */

/* --------------------------------------------------------- data classes ---- */

/*
 * A class of data is a struct and a list of its fields, written once, in a header:
 *
 *   #define LEARNER(F)                    \
 *       F(INT64, id)                      \
 *       F(STRING, username)               \
 *       F(NULLABLE(DATETIME), last_login)
 *   EVLOG_CLASS(learner, Learner, LEARNER);
 *
 *   #define ENROLLMENT(F)                 \
 *       F(CLASS(learner), user)           \
 *       F(COURSE_KEY, course_key)         \
 *       F(FALLBACK(BOOL, true), is_active) \
 *       F(LIST(STRING), groups)
 *   EVLOG_CLASS(enrollment, Enrollment, ENROLLMENT);
 *
 * makes `struct learner`, `struct enrollment` and the descriptions `learner_class` and
 * `enrollment_class`, which all functions below walk: they check, pack and unpack data and
 * write the Avro schema, in which the classes are called Learner and Enrollment. The classes
 * of Open edX (evlog/openedx.h) are made in the same way.
 *
 *   kind           in the struct                   in the data                    in Avro
 *   BOOL           bool                            boolean                        boolean
 *   INT64          int64_t                         integer                        long
 *   DOUBLE         double                          float, or the same integer     double
 *   STRING         evlog_string                    string                         string
 *   BYTES          evlog_bytes                     bin                            bytes
 *   DATETIME       int64_t, us since 1970 UTC      string, ISO 8601 with offset   string
 *   UUID           evlog_uuid                      string, 8-4-4-4-12 hex digits  string
 *   COURSE_KEY...  evlog_string                    string of that form, below     string
 *   CLASS(tag)     struct tag                      map                            record
 *   LIST(kind)     { const T *items;               array                          array
 *                    size_t count; }
 *   MAP(kind)      { const evlog_string *keys;     map with strings as keys       map
 *                    const T *values;
 *                    size_t count; }
 *   NULLABLE(kind) const T *, NULL for null; of    or nil                         union with
 *                  a string: text is NULL                                         null
 *
 * The keys are COURSE_KEY (course-v1:a+b+c, library-v1:a+b, ccx-v1:a+b+c+ccx@1, a/b/c), CCX_KEY
 * (ccx-v1:...), USAGE_KEY (block-v1:..., ccx-block-v1:..., lib-block-v1:..., lb:..., i4x://...),
 * and of content libraries LIBRARY_KEY (lib:org:slug), LIBRARY_USAGE_KEY (lb:org:slug:type:id),
 * COLLECTION_KEY (lib-collection:org:slug:id), CONTAINER_KEY (lct:org:slug:type:id).
 *
 * LIST and MAP take any kind, NULLABLE too, and may be inside each other; a list of lists is
 * LISTS(kind), a map of maps MAPS(kind). The inner ones, and those that are NULLABLE, are
 * evlog_list and evlog_map.
 *
 * DEFAULT(kind, json)   the Avro default: the data may leave the field out. null is that of
 *                       every NULLABLE.
 * FALLBACK(kind, json)  for readers only: what the field is in events that were written before
 *                       it existed. Not written to the schema (nor does openedx-events write any).
 * AS(kind, "name")      the field has another name in the data than in C.
 *
 * Members follow each other as listed. False, 0, "" and empty lists are values, never taken
 * for absences. A string whose text is NULL is an absence: it is refused unless it is NULLABLE or
 * has a default or fallback, which is then sent.
 */

/* A list or map inside another: what `items` and `values` point to follows from its kind. */
typedef struct evlog_list {
    const void *items;
    size_t count;
} evlog_list;

typedef struct evlog_map {
    const evlog_string *keys;
    const void *values;
    size_t count;
} evlog_map;

/* A C string as evlog_string: `.mode = evlog_str("honor")`. NULL stays NULL. */
static inline evlog_string evlog_str(const char *text)
{
    evlog_string string = {text, text ? strlen(text) : 0};
    return string;
}

/* Whether they are the same text. */
static inline bool evlog_str_is(evlog_string string, const char *text)
{
    return string.text && string.size == strlen(text) &&
           memcmp(string.text, text, string.size) == 0;
}

/* For printf: `printf("%.*s", EVLOG_STR(string))`. */
#define EVLOG_STR(string) (int)(string).size, (string).text

enum {
    EVLOG_KIND_BOOL = 1,
    EVLOG_KIND_INT64,
    EVLOG_KIND_DOUBLE,
    EVLOG_KIND_STRING,
    EVLOG_KIND_BYTES,
    EVLOG_KIND_DATETIME,
    EVLOG_KIND_UUID,
    EVLOG_KIND_COURSE_KEY,
    EVLOG_KIND_CCX_KEY,
    EVLOG_KIND_USAGE_KEY,
    EVLOG_KIND_LIBRARY_KEY,
    EVLOG_KIND_LIBRARY_USAGE_KEY,
    EVLOG_KIND_COLLECTION_KEY,
    EVLOG_KIND_CONTAINER_KEY,
    EVLOG_KIND_CLASS,
    EVLOG_KIND_LIST,
    EVLOG_KIND_MAP,
    EVLOG_KIND_NULLABLE = 0x40, /* added to a kind */
};

typedef struct evlog_class evlog_class;

/* A field's description. */
typedef struct evlog_field {
    const char *name; /* in the data */
    size_t name_size;
    uint64_t shape;        /* its kind in the lowest byte, in the next that of its items, ... */
    const evlog_class *of; /* the class that the shape ends in, or NULL */
    const char *fallback;  /* JSON; NULL: none */
    bool is_optional;      /* `fallback` stands in the schema too */
    size_t offset;         /* in the struct */
} evlog_field;

/* A class's description. Made by EVLOG_CLASS, which notes the sizes it was compiled with. */
struct evlog_class {
    size_t class_size, field_size; /* of evlog_class and evlog_field */
    const char *name;
    size_t size; /* of the struct */
    const evlog_field *(*describe)(size_t *field_count);
    const evlog_field *fields; /* these two are the library's, for classes from schemas */
    size_t field_count;
};

/* The rest of this section is how EVLOG_CLASS does it. */

/* clang-format off */
/*
 * A kind is a tuple: its type as a member, as an item, as a NULLABLE member; its shape; its
 * class; its fallback, and whether that is in the schema; and what makes its name.
 */
#define EVLOG_LEAF_(type, nullable, kind) \
    (type, type, nullable, (uint64_t)(kind), NULL, NULL, false, EVLOG_QUOTE_)
#define EVLOG_TEXT_(kind) EVLOG_LEAF_(evlog_string, evlog_string, kind)

#define EVLOG_K_BOOL              EVLOG_LEAF_(bool, const bool *, EVLOG_KIND_BOOL)
#define EVLOG_K_INT64             EVLOG_LEAF_(int64_t, const int64_t *, EVLOG_KIND_INT64)
#define EVLOG_K_DOUBLE            EVLOG_LEAF_(double, const double *, EVLOG_KIND_DOUBLE)
#define EVLOG_K_BYTES             EVLOG_LEAF_(evlog_bytes, const evlog_bytes *, EVLOG_KIND_BYTES)
#define EVLOG_K_DATETIME          EVLOG_LEAF_(int64_t, const int64_t *, EVLOG_KIND_DATETIME)
#define EVLOG_K_UUID              EVLOG_LEAF_(evlog_uuid, const evlog_uuid *, EVLOG_KIND_UUID)
#define EVLOG_K_STRING            EVLOG_TEXT_(EVLOG_KIND_STRING)
#define EVLOG_K_COURSE_KEY        EVLOG_TEXT_(EVLOG_KIND_COURSE_KEY)
#define EVLOG_K_CCX_KEY           EVLOG_TEXT_(EVLOG_KIND_CCX_KEY)
#define EVLOG_K_USAGE_KEY         EVLOG_TEXT_(EVLOG_KIND_USAGE_KEY)
#define EVLOG_K_LIBRARY_KEY       EVLOG_TEXT_(EVLOG_KIND_LIBRARY_KEY)
#define EVLOG_K_LIBRARY_USAGE_KEY EVLOG_TEXT_(EVLOG_KIND_LIBRARY_USAGE_KEY)
#define EVLOG_K_COLLECTION_KEY    EVLOG_TEXT_(EVLOG_KIND_COLLECTION_KEY)
#define EVLOG_K_CONTAINER_KEY     EVLOG_TEXT_(EVLOG_KIND_CONTAINER_KEY)
#define EVLOG_K_CLASS(tag) \
    (struct tag, struct tag, const struct tag *, (uint64_t)EVLOG_KIND_CLASS, &tag##_class, \
     NULL, false, EVLOG_QUOTE_)

#define EVLOG_WITHIN_(container, shape) ((uint64_t)(container) | (uint64_t)(shape) << 8)
#define EVLOG_LIST_(type, shape, of) \
    (struct { type const *items; size_t count; }, evlog_list, const evlog_list *, \
     EVLOG_WITHIN_(EVLOG_KIND_LIST, shape), of, NULL, false, EVLOG_QUOTE_)
#define EVLOG_MAP_(type, shape, of) \
    (struct { evlog_string const *keys; type const *values; size_t count; }, evlog_map, \
     const evlog_map *, EVLOG_WITHIN_(EVLOG_KIND_MAP, shape), of, NULL, false, EVLOG_QUOTE_)
#define EVLOG_K_LIST(kind) \
    EVLOG_LIST_(EVLOG_GET2_(EVLOG_K_##kind), EVLOG_GET4_(EVLOG_K_##kind), \
                EVLOG_GET5_(EVLOG_K_##kind))
#define EVLOG_K_MAP(kind) \
    EVLOG_MAP_(EVLOG_GET2_(EVLOG_K_##kind), EVLOG_GET4_(EVLOG_K_##kind), \
               EVLOG_GET5_(EVLOG_K_##kind))
#define EVLOG_K_LISTS(kind) \
    EVLOG_LIST_(evlog_list, EVLOG_WITHIN_(EVLOG_KIND_LIST, EVLOG_GET4_(EVLOG_K_##kind)), \
                EVLOG_GET5_(EVLOG_K_##kind))
#define EVLOG_K_MAPS(kind) \
    EVLOG_MAP_(evlog_map, EVLOG_WITHIN_(EVLOG_KIND_MAP, EVLOG_GET4_(EVLOG_K_##kind)), \
               EVLOG_GET5_(EVLOG_K_##kind))

#define EVLOG_K_NULLABLE(kind) \
    (EVLOG_GET3_(EVLOG_K_##kind), EVLOG_GET3_(EVLOG_K_##kind), evlog_nullable_twice, \
     EVLOG_GET4_(EVLOG_K_##kind) | (uint64_t)EVLOG_KIND_NULLABLE, EVLOG_GET5_(EVLOG_K_##kind), \
     "null", true, EVLOG_QUOTE_)
#define EVLOG_WITH_(tuple, fallback, is_optional, name) \
    (EVLOG_GET1_(tuple), EVLOG_GET2_(tuple), EVLOG_GET3_(tuple), EVLOG_GET4_(tuple), \
     EVLOG_GET5_(tuple), fallback, is_optional, name)
#define EVLOG_K_DEFAULT(kind, ...)  EVLOG_WITH_(EVLOG_K_##kind, #__VA_ARGS__, true, EVLOG_QUOTE_)
#define EVLOG_K_FALLBACK(kind, ...) EVLOG_WITH_(EVLOG_K_##kind, #__VA_ARGS__, false, EVLOG_QUOTE_)
#define EVLOG_K_AS(kind, name) \
    EVLOG_WITH_(EVLOG_K_##kind, EVLOG_GET6_(EVLOG_K_##kind), EVLOG_GET7_(EVLOG_K_##kind), \
                name EVLOG_DROP_)

#define EVLOG_GET1_(tuple) EVLOG_PICK1_ tuple
#define EVLOG_GET2_(tuple) EVLOG_PICK2_ tuple
#define EVLOG_GET3_(tuple) EVLOG_PICK3_ tuple
#define EVLOG_GET4_(tuple) EVLOG_PICK4_ tuple
#define EVLOG_GET5_(tuple) EVLOG_PICK5_ tuple
#define EVLOG_GET6_(tuple) EVLOG_PICK6_ tuple
#define EVLOG_GET7_(tuple) EVLOG_PICK7_ tuple
#define EVLOG_GET8_(tuple) EVLOG_PICK8_ tuple
#define EVLOG_PICK1_(a, b, c, d, e, f, g, h) a
#define EVLOG_PICK2_(a, b, c, d, e, f, g, h) b
#define EVLOG_PICK3_(a, b, c, d, e, f, g, h) c
#define EVLOG_PICK4_(a, b, c, d, e, f, g, h) d
#define EVLOG_PICK5_(a, b, c, d, e, f, g, h) e
#define EVLOG_PICK6_(a, b, c, d, e, f, g, h) f
#define EVLOG_PICK7_(a, b, c, d, e, f, g, h) g
#define EVLOG_PICK8_(a, b, c, d, e, f, g, h) h
#define EVLOG_QUOTE_(member) #member
#define EVLOG_DROP_(member)
#define EVLOG_NAME_(kind, member) EVLOG_GET8_(EVLOG_K_##kind)(member)

#define EVLOG_MEMBER_(kind, member) EVLOG_GET1_(EVLOG_K_##kind) member;
#define EVLOG_FIELD_(kind, member) \
    {EVLOG_NAME_(kind, member), sizeof(EVLOG_NAME_(kind, member)) - 1, \
     EVLOG_GET4_(EVLOG_K_##kind), EVLOG_GET5_(EVLOG_K_##kind), EVLOG_GET6_(EVLOG_K_##kind), \
     EVLOG_GET7_(EVLOG_K_##kind), offsetof(evlog_self, member)},

#define EVLOG_CLASS(tag, schema_name, FIELDS) \
    struct tag { FIELDS(EVLOG_MEMBER_) }; \
    static inline const evlog_field *tag##_describe(size_t *field_count) \
    { \
        typedef struct tag evlog_self; \
        static const evlog_field tag##_fields[] = {FIELDS(EVLOG_FIELD_)}; \
        *field_count = sizeof tag##_fields / sizeof tag##_fields[0]; \
        return tag##_fields; \
    } \
    static const evlog_class tag##_class __attribute__((unused)) = { \
        sizeof(evlog_class), sizeof(evlog_field), #schema_name, sizeof(struct tag), \
        tag##_describe, NULL, 0}
/* clang-format on */

/* --------------------------------------------------------- typed events ---- */

typedef struct evlog_arena evlog_arena; /* what evlog_unpack had to allocate */

/*
 * An event type as a program describes it: by a class, by a schema as text, or by neither, which is
 * evlog_define without a schema.
 */
typedef struct evlog_definition {
    const char *event_type;
    int32_t minor_version;
    const char *argument;    /* the name under which `of` stands in the data, "enrollment" */
    const evlog_class *of;   /* or NULL */
    const char *schema;      /* Avro's JSON, instead of `of` and `argument`; or NULL */
    const char *record_name; /* of the top record in the schema of `of`; NULL: "CloudEvent" */
    /*
     * Records a schema that does not go with earlier ones of the event type in the log, where it would
     * be EVLOG_CONFLICT; see evlog_define.
     */
    bool accept_incompatible;
    /*
     * The forms of texts in `schema`; of a class they are those of its fields. They are recorded
     * beside the schema, and every program that sends the type refuses other texts. A change of
     * forms alone is a new entry of the type in the log.
     */
    const evlog_form *forms;
    size_t form_count;
    /*
     * The paths of fields that are about a person, as in evlog_form; recorded likewise. With a
     * class or schema only.
     */
    const char *const *personal;
    size_t personal_count;
} evlog_definition;

/*
 * evlog_define with all there is to say of an event type. With a class, the data of an event are a map
 * of one key, `argument`, whose value is of class `of`; with `argument` NULL the fields of
 * `of` are the arguments. What `definition` points to is copied.
 *
 * Errors of evlog_define. EVLOG_INVALID also: both a class and a schema, two different classes with
 * one name, a name that is not one in Avro, a default that is not a value of its field, forms of a class, or
 * a path that is not a field's.
 */
EVLOG_API int evlog_define_class_sized(evlog *log, const evlog_definition *definition,
                                       size_t definition_size, evlog_signal **signal);

static inline int evlog_define_class(evlog *log, const evlog_definition *definition,
                                     evlog_signal **signal)
{
    return evlog_define_class_sized(log, definition, sizeof(evlog_definition), signal);
}

/*
 * evlog_send_event for a struct: packs `data`, which is of class `of`, under the argument
 * that the signal was defined with, and sends it. It is checked like any other data, so
 * `of` may be another description than the signal's as long as its data fit.
 *
 * EVLOG_INVALID also: a struct that no data can be made of (a string that is NULL but not
 * NULLABLE, a time outside the years 1 to 9999).
 */
EVLOG_API int evlog_send_class_sized(evlog_signal *signal, const void *data,
                                     const evlog_class *of, const evlog_send_options *options,
                                     size_t options_size, size_t metadata_size, evlog_sent *sent,
                                     size_t sent_size);

static inline int evlog_send_class(evlog_signal *signal, const void *data, const evlog_class *of,
                                   const evlog_send_options *options, evlog_sent *sent)
{
    return evlog_send_class_sized(signal, data, of, options, sizeof(evlog_send_options),
                                  sizeof(evlog_metadata), sent, sizeof(evlog_sent));
}

/*
 * Reads an event's data into a struct of class `of`. Strings, keys and bytes point into the
 * event and live as long as it does; the rest is in `*arena`, for evlog_arena_free.
 *
 * An event that was written under another schema is read by Avro's rules of schema
 * resolution: a field that `of` does not have is passed over; one that the event's schema does
 * not have gets its default, its fallback or null; an int is read as long, both as double, string
 * and bytes as each other; all else must be the same. What cannot be read is refused, with the
 * path of each field that stands against it. An untyped event must fit `of` as if sent so.
 *
 * A receiver that returns such a failure has failed for this event: a consumer parks it after its
 * attempts, and a late receiver goes on with evlog_connect_options.keep_going, which counts it, or
 * by returning 0 for EVLOG_INVALID and EVLOG_CONFLICT.
 *
 * EVLOG_INVALID: the data do not fit; EVLOG_CONFLICT: the schemas do not; EVLOG_NOTFOUND:
 * erased; EVLOG_LIMIT: more than EVLOG_ARENA_SIZE_MAX; EVLOG_NOMEM.
 */
EVLOG_API int evlog_unpack(const evlog_event *event, const evlog_class *of, void *data,
                           evlog_arena **arena);
EVLOG_API void evlog_arena_free(evlog_arena *arena);

/*
 * The two halves without a log: a struct to MessagePack, and back. `writer` is the schema that
 * the data were written under; NULL: they must fit the definition.
 */
EVLOG_API int evlog_class_pack_sized(const evlog_definition *definition, size_t definition_size,
                                     const void *data, evlog_buffer *packed);
EVLOG_API int evlog_class_unpack_sized(const evlog_definition *definition, size_t definition_size,
                                       const evlog_schema *writer, const void *packed,
                                       size_t packed_size, void *data, evlog_arena **arena);

static inline int evlog_class_pack(const evlog_definition *definition, const void *data,
                                   evlog_buffer *packed)
{
    return evlog_class_pack_sized(definition, sizeof(evlog_definition), data, packed);
}

static inline int evlog_class_unpack(const evlog_definition *definition,
                                     const evlog_schema *writer, const void *packed,
                                     size_t packed_size, void *data, evlog_arena **arena)
{
    return evlog_class_unpack_sized(definition, sizeof(evlog_definition), writer, packed,
                                    packed_size, data, arena);
}

/*
 * The schema of a definition, for evlog_schema_free. It is written as openedx-events 11 writes it.
 */
EVLOG_API int evlog_schema_make_sized(const evlog_definition *definition, size_t definition_size,
                                      evlog_schema **schema);

static inline int evlog_schema_make(const evlog_definition *definition, evlog_schema **schema)
{
    return evlog_schema_make_sized(definition, sizeof(evlog_definition), schema);
}

#ifdef __cplusplus
}
#endif

#endif
