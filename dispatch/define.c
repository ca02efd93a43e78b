/*
 * Defining event types, and the schemas that a log has of them.
 *
 * The log's table of types (names.h) has an entry for each pair of event type and schema
 * text. A record names its entry, so each event keeps the very schema it was written under.
 * Defining a type with a schema finds the entry that says the same (by the canonical text), or
 * makes one, and that only if it goes with all that are there: it must be able to read
 * what they wrote and they what it writes. Two processes that define at the same time are
 * kept apart by the count of entries: whoever comes second looks again.
 *
 * 1. A schema that breaks with an earlier one is never in the table under the same event type.
 * 2. Nothing is put in the log by a definition that is refused.
 * 3. A signal's definition only becomes fuller: untyped, then typed, then with a C class.
 *
 * Cost: a schema from the log is parsed once in a process, when an event or definition needs it.
 */
#include "define.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog/openedx.h"
#include "resolve.h"
#include "schema.h"
#include "sized.h"

static int check_name(const char *event_type)
{
    if (!event_type || !*event_type || !log_is_text(event_type))
        return error_set(EVLOG_INVALID, "an event type is 1 to %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    for (const unsigned char *c = (const unsigned char *)event_type; *c; c++)
        if (*c <= ' ' || *c == 0x7f || *c == '*')
            return error_set(
                EVLOG_INVALID,
                "an event type has no blanks, control characters or '*': byte %td is 0x%02x",
                c - (const unsigned char *)event_type, *c);
    return EVLOG_OK;
}

/* ------------------------------------------------- schemas of the log ---- */

static const evlog_schema unreadable = {.text = "",
                                        .canonical = "",
                                        .damage_code = EVLOG_NOMEM,
                                        .damage = "there was no memory to read it"};

/* A schema from the log's text; when that is damaged, one that says so. NULL: no memory. */
static evlog_schema *read_schema(const char *text)
{
    evlog_schema *schema = NULL;
    int result = evlog_schema_parse(text, &schema);
    if (result == EVLOG_OK || result == EVLOG_NOMEM)
        return schema;
    schema = schema_new();
    if (schema) {
        schema->text = text;
        schema->canonical = "";
        schema->damage_code = EVLOG_DAMAGED;
        schema->damage = arena_text(schema->arena, evlog_errmsg(), strlen(evlog_errmsg()));
    }
    return schema;
}

const evlog_schema *define_schema_of(const struct name *type)
{
    evlog_schema *schema = atomic_load(type->slot);
    if (schema || !type->text[1])
        return schema;
    void *none = NULL;
    schema = read_schema(type->text[1]);
    if (!schema)
        return &unreadable;
    if (!atomic_compare_exchange_strong(type->slot, &none, schema)) {
        evlog_schema_free(schema);
        schema = none; /* another thread was first */
    }
    return schema;
}

void define_forget(struct names *types)
{
    for (uint32_t i = 1; i <= names_count(types); i++) {
        const struct name *type = names_get(types, i);
        if (type)
            evlog_schema_free(atomic_load(type->slot));
    }
}

/* ---------------------------------------------------------- definitions ---- */

void definition_free(struct definition *definition)
{
    for (struct definition *before; definition; definition = before) {
        before = definition->before;
        evlog_schema_free(definition->own);
        free(definition);
    }
}

/* What is to be defined. */
struct request {
    evlog *log;
    const char *event_type;
    int32_t minor_version;
    evlog_schema *schema; /* NULL: as the type is defined here or in the log */
};

/* 1 when `fuller` may stand in the place of what the signal is defined as, 0 when that stays. */
static int judge(const evlog_signal *known, const struct request *request, int *is_fuller)
{
    const evlog_schema *now = evlog_signal_schema(known), *fuller = request->schema;
    *is_fuller = 0;
    if (known->minor_version != request->minor_version)
        return error_set(EVLOG_CONFLICT, "%s is defined here with minor version %d, not %d",
                         request->event_type, known->minor_version, request->minor_version);
    if (!fuller)
        return EVLOG_OK;
    if (now && strcmp(now->canonical, fuller->canonical) != 0)
        return error_set(EVLOG_CONFLICT, "%s is defined here with another schema",
                         request->event_type);
    if (now && now->of && fuller->of &&
        (!class_is_same(now->of, fuller->of) || !now->argument != !fuller->argument))
        return error_set(EVLOG_CONFLICT, "%s is defined here with another struct of that schema",
                         request->event_type);
    *is_fuller = !now || (fuller->of && !now->of);
    return EVLOG_OK;
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
    const evlog_schema *known = define_schema_of(type);
    if (known->damage_code)
        return error_set(known->damage_code, "%s: the schema of type %" PRIu32 " in the log: %s",
                         request->event_type, type->number, known->damage);
    if (resolve_classes(&request->schema->root, &known->root, RESOLVE_NULLS))
        return break_with(request, type->number, "cannot read what was written under");
    if (resolve_classes(&known->root, &request->schema->root, RESOLVE_NULLS))
        return break_with(request, type->number, "would write what cannot be read under");
    return EVLOG_OK;
}

/*
 * Looks through the entries of the event type: the one that says the same, or NULL, and the
 * newest one. With a schema also whether it goes with them all.
 */
static int look_through(const struct request *request, uint32_t *count, const struct name **same,
                        const struct name **newest)
{
    struct names *types = request->log->store->types;
    int result = names_refresh(types);
    *same = *newest = NULL;
    *count = names_count(types);
    for (uint32_t i = 1; i <= *count && result == EVLOG_OK; i++) {
        const struct name *type = names_get(types, i);
        if (!type || strcmp(type->text[0], request->event_type) != 0)
            continue;
        const evlog_schema *schema = define_schema_of(type);
        *newest = type; /* an untyped one is only ever the first */
        if (request->schema && schema &&
            strcmp(schema->canonical, request->schema->canonical) == 0)
            *same = type;
    }
    for (uint32_t i = 1; request->schema && !*same && i <= *count && result == EVLOG_OK; i++) {
        const struct name *type = names_get(types, i);
        if (type && strcmp(type->text[0], request->event_type) == 0 && define_schema_of(type))
            result = check_against(request, type);
    }
    return result;
}

/* The entry to send under, made if need be. */
static int settle(const struct request *request, const struct name **type)
{
    const char *text[NAMES_TEXTS] = {request->event_type,
                                     request->schema ? request->schema->text : NULL};
    struct store *store = request->log->store;
    const struct name *same, *newest;
    uint32_t count;
    int result;
    do {
        result = look_through(request, &count, &same, &newest);
        if (result)
            return result;
        *type = same ? same : request->schema && !store->read_only ? NULL : newest;
        if (*type)
            return EVLOG_OK;
        if (store->read_only)
            return error_set(EVLOG_READONLY, "%s: is read only and has no event type %s",
                             store->path, request->event_type);
        result = names_intern_at(store->types, text, count, type);
    } while (result == EVLOG_BUSY && names_count(store->types) != count);
    return result;
}

static int make_definition(const struct request *request, struct definition **made)
{
    const struct name *type;
    int result = settle(request, &type);
    if (result)
        return result;
    const evlog_schema *schema = request->schema ? request->schema : define_schema_of(type);
    if (schema && schema->damage_code)
        return error_set(schema->damage_code, "%s: its schema in the log: %s",
                         request->event_type, schema->damage);
    struct definition *definition = calloc(1, sizeof *definition);
    if (!definition)
        return error_nomem();
    definition->type = type;
    definition->schema = schema;
    *made = definition;
    return EVLOG_OK;
}

/* The signal when it is there and stays as it is; NULL: there is something to do. */
static int find_signal(const struct request *request, evlog_signal **signal)
{
    int is_fuller, result = EVLOG_OK;
    evlog_signal *known = signal_find(request->log, request->event_type);
    *signal = NULL;
    if (known)
        result = judge(known, request, &is_fuller);
    if (known && result == EVLOG_OK && !is_fuller)
        *signal = known;
    return result;
}

/* With the log's lock held. Takes the definition, and the schema in it, or leaves both. */
static int take_definition(struct request *request, struct definition *definition,
                           evlog_signal **signal)
{
    evlog_signal *known = signal_find(request->log, request->event_type);
    int result = find_signal(request, signal);
    if (result || *signal)
        return result; /* another thread was first */
    if (known) {
        definition->before = atomic_load(&known->definition);
        atomic_store(&known->definition, definition);
        *signal = known;
    } else {
        result = signal_new(request->log, definition, request->minor_version, signal);
    }
    if (result == EVLOG_OK) {
        definition->own = request->schema;
        request->schema = NULL;
    }
    return result;
}

/* Defines; what is left of the request's schema is the caller's to free. */
static int define(struct request *request, evlog_signal **signal)
{
    struct definition *definition = NULL;
    evlog_signal *defined;
    int result = find_signal(request, &defined);
    if (result == EVLOG_OK && !defined) {
        result = make_definition(request, &definition);
        if (result)
            return result;
        pthread_mutex_lock(&request->log->lock);
        result = take_definition(request, definition, &defined);
        pthread_mutex_unlock(&request->log->lock);
        if (result || atomic_load(&defined->definition) != definition)
            free(definition);
    }
    if (result == EVLOG_OK)
        *signal = defined;
    return result;
}

static int check_request(const char *event_type, int32_t minor_version, evlog_signal **signal)
{
    int result = check_name(event_type);
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
