/*
 * Defining event types, and the schemas that a log has of them.
 *
 * The log's table of types (names.h) has an entry for each pair of event type and schema
 * text. A record names its entry, so each event keeps the very schema it was written under.
 * Defining a type with a schema finds the entry that says the same (by the canonical text), or
 * makes one, and that only if it goes with all that are there: it must be able to read
 * what they wrote and they what it writes. Two processes that define at the same time are
 * kept apart by the count of entries: the second one looks again. In a process one definition is
 * made at a time, under a lock of its own, since a new entry is flushed to the disk.
 *
 * 1. A schema that breaks with an earlier one is never in the table under the same event type.
 * 2. Nothing is put in the log by a definition that is refused.
 * 3. A signal's definition only becomes fuller: untyped, then typed, then with a C class.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog/openedx.h"
#include "name.h"
#include "resolve.h"
#include "schema.h"
#include "schemas.h"
#include "signals.h"
#include "sized.h"

/* What is to be defined. */
struct request {
    evlog *log;
    const char *event_type;
    int32_t minor_version;
    evlog_schema *schema; /* NULL: as the type is defined here or in the log */
};

/* Whether a signal that is defined already can be what the request asks for. */
static int check_known(const evlog_signal *known, const struct request *request)
{
    const evlog_schema *now = evlog_signal_schema(known), *asked = request->schema;
    if (known->minor_version != request->minor_version)
        return error_set(EVLOG_CONFLICT, "%s is defined here with minor version %d, not %d",
                         request->event_type, known->minor_version, request->minor_version);
    if (!asked || !now)
        return EVLOG_OK;
    if (strcmp(now->canonical, asked->canonical) != 0)
        return error_set(EVLOG_CONFLICT, "%s is defined here with another schema",
                         request->event_type);
    if (now->of && asked->of &&
        (!class_is_same(now->of, asked->of) || !now->argument != !asked->argument))
        return error_set(EVLOG_CONFLICT, "%s is defined here with another struct of that schema",
                         request->event_type);
    return EVLOG_OK;
}

/* Whether the request says more than the signal's definition. */
static bool is_fuller(const struct request *request, const evlog_signal *known)
{
    const evlog_schema *now = evlog_signal_schema(known), *asked = request->schema;
    return asked && (!now || (asked->of && !now->of));
}

/* Says which way two schemas stand against each other. */
static int break_with(const struct request *request, uint32_t number, const char *what)
{
    char why[700];
    strncpy(why, evlog_errmsg(), sizeof why - 1);
    why[sizeof why - 1] = '\0';
    return error_set(EVLOG_CONFLICT,
                     "%s: %s the schema that the log has (type %" PRIu32
                     "): %s. Such a change wants an event type of its own, with a new version",
                     request->event_type, what, number, why);
}

static int check_against(const struct request *request, const struct name *type)
{
    const evlog_schema *known = schemas_get(type);
    if (known->damage_code)
        return error_set(known->damage_code, "%s: the schema of type %" PRIu32 " in the log: %s",
                         request->event_type, type->number, known->damage);
    if (resolve_classes(&request->schema->root, &known->root, RESOLVE_NULLS))
        return break_with(request, type->number, "cannot read what was written under");
    if (resolve_classes(&known->root, &request->schema->root, RESOLVE_NULLS))
        return break_with(request, type->number, "would write what cannot be read under");
    return EVLOG_OK;
}

/* What the log has of an event type. */
struct known {
    const struct name *wanted; /* the entry with the request's schema; without one, the newest */
    const struct name *newest;
    uint32_t count; /* of all entries in the table */
};

static bool is_of_type(const struct name *type, const struct request *request)
{
    return type && strcmp(type->text[0], request->event_type) == 0;
}

static int look_up(const struct request *request, struct known *known)
{
    struct names *types = request->log->store->types;
    int result = names_refresh(types);
    *known = (struct known){.count = names_count(types)};
    for (uint32_t i = 1; i <= known->count && result == EVLOG_OK; i++) {
        const struct name *type = names_get(types, i);
        if (!is_of_type(type, request))
            continue;
        const evlog_schema *schema = schemas_get(type);
        known->newest = type; /* an untyped one is only ever the first */
        if (!request->schema ||
            (schema && strcmp(schema->canonical, request->schema->canonical) == 0))
            known->wanted = type;
    }
    return result;
}

/* Whether the request's schema goes with each that the log has. */
static int check_against_all(const struct request *request, uint32_t count)
{
    int result = EVLOG_OK;
    for (uint32_t i = 1; i <= count && result == EVLOG_OK; i++) {
        const struct name *type = names_get(request->log->store->types, i);
        if (is_of_type(type, request) && schemas_get(type))
            result = check_against(request, type);
    }
    return result;
}

/* The entry to send under, made if need be. */
static int find_entry(const struct request *request, const struct name **type)
{
    const char *text[NAMES_TEXTS] = {request->event_type,
                                     request->schema ? request->schema->text : NULL};
    struct store *store = request->log->store;
    struct known known;
    int result;
    do {
        result = look_up(request, &known);
        if (result == EVLOG_OK && !known.wanted && request->schema)
            result = check_against_all(request, known.count);
        if (result)
            return result;
        *type = store->read_only && !known.wanted ? known.newest : known.wanted;
        if (*type)
            return EVLOG_OK;
        if (store->read_only)
            return error_set(EVLOG_READONLY, "%s: is read only and has no event type %s",
                             store->path, request->event_type);
        result = names_intern_at(store->types, text, known.count, type);
    } while (result == EVLOG_BUSY && names_count(store->types) != known.count);
    return result;
}

/* Takes the request's schema over when it succeeds. */
static int make_definition(struct request *request, struct definition **made)
{
    const struct name *type;
    int result = find_entry(request, &type);
    if (result)
        return result;
    const evlog_schema *schema = request->schema ? request->schema : schemas_get(type);
    if (schema && schema->damage_code)
        return error_set(schema->damage_code, "%s: its schema in the log: %s",
                         request->event_type, schema->damage);
    struct definition *definition = calloc(1, sizeof *definition);
    if (!definition)
        return error_nomem();
    *definition = (struct definition){.type = type, .schema = schema, .own = request->schema};
    request->schema = NULL;
    *made = definition;
    return EVLOG_OK;
}

/* With the lock over definitions held, so that what is found here stays as it is. */
static int define_locked(struct request *request, evlog_signal **signal)
{
    evlog_signal *known = signal_find(request->log, request->event_type);
    struct definition *definition = NULL;
    int result = known ? check_known(known, request) : EVLOG_OK;
    if (result == EVLOG_OK && known && !is_fuller(request, known)) {
        *signal = known;
        return EVLOG_OK;
    }
    if (result == EVLOG_OK)
        result = make_definition(request, &definition);
    if (result)
        return result;
    if (known)
        signal_redefine(known, definition);
    else
        result = signal_new(request->log, definition, request->minor_version, &known);
    if (result == EVLOG_OK)
        *signal = known;
    return result;
}

/* What is left of the request's schema is the caller's to free. */
static int define(struct request *request, evlog_signal **signal)
{
    pthread_mutex_lock(&request->log->define_lock);
    int result = define_locked(request, signal);
    pthread_mutex_unlock(&request->log->define_lock);
    return result;
}

static int check_request(const char *event_type, int32_t minor_version, evlog_signal **signal)
{
    int result = name_check("an event type", event_type, event_type ? strlen(event_type) : 0,
                            EVLOG_NAME_SIZE_MAX);
    if (result == EVLOG_OK && minor_version < 0)
        result = error_set(EVLOG_INVALID, "%s: a minor version is not negative: %d", event_type,
                           minor_version);
    if (result == EVLOG_OK && !signal)
        result = error_set(EVLOG_INVALID, "%s: no place for the signal is given", event_type);
    return result;
}

int evlog_define(evlog *log, const char *event_type, int32_t minor_version, const char *schema,
                 evlog_signal **signal)
{
    int result = log_enter(log);
    if (result)
        return result;
    struct request request = {
        .log = log, .event_type = event_type, .minor_version = minor_version};
    result = check_request(event_type, minor_version, signal);
    if (result == EVLOG_OK && schema)
        result = evlog_schema_parse(schema, &request.schema);
    if (result == EVLOG_OK)
        result = define(&request, signal);
    evlog_schema_free(request.schema);
    log_leave(log);
    return result;
}

int evlog_define_class_sized(evlog *log, const evlog_definition *given, size_t definition_size,
                             evlog_signal **signal)
{
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    struct request request = {.log = log,
                              .event_type = definition.event_type,
                              .minor_version = definition.minor_version};
    result = given ? check_request(request.event_type, request.minor_version, signal)
                   : error_set(EVLOG_INVALID, "no definition is given");
    if (result == EVLOG_OK)
        result = evlog_schema_make(&definition, &request.schema);
    if (result == EVLOG_OK)
        result = define(&request, signal);
    evlog_schema_free(request.schema);
    log_leave(log);
    return result;
}

/* Into a new log this writes all types, one commit each; into one that has them, nothing. */
int evlog_define_openedx(evlog *log)
{
    const evlog_definition *definition;
    evlog_signal *signal;
    int result = EVLOG_OK;
    for (size_t i = 0; !result && (definition = evlog_openedx_definition(i)); i++)
        result = evlog_define_class(log, definition, &signal);
    return result;
}
