/*
 * Defining event types, and the schemas that a log has of them.
 *
 * The log's table of types (types.h) has an entry for each pair of event type and schema
 * text. A record names its entry, so each event keeps the very schema it was written under.
 * Defining a type with a schema finds the entry that says the same (by the canonical text, the
 * forms of texts and the personal fields), or makes one, if it goes with all that are there: it
 * must be able to read what they wrote and they what it writes. Two processes that define at the
 * same time are kept apart by the count of entries: the second one looks again. In a process one
 * definition is made at a time, under a lock of its own, since a new entry is flushed to the disk.
 * For an import (evlog_import_define) a definition without a schema is exactly that: untyped.
 *
 * 1. A schema that does not go with an earlier one gets into the table under the same event type only
 *    by accept_incompatible. A later one need not go with an entry from before such a break.
 * 2. Nothing is put in the log by a definition that is refused.
 * 3. A signal's definition only becomes fuller: untyped, then typed, then with a C class.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog/openedx.h"
#include "evlog/relay.h"
#include "evlog/upkeep.h"
#include "forms.h"
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
    bool accept_incompatible;
    bool is_exact; /* without a schema it is untyped */
};

static bool is_same_bytes(evlog_bytes a, evlog_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

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
    if (now->forms.size && asked->forms.size && !is_same_bytes(now->forms, asked->forms))
        return error_set(EVLOG_CONFLICT, "%s is defined here with other forms of its texts",
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
    return asked &&
           (!now || (!now->of && (asked->of || (asked->forms.size && !now->forms.size))));
}

/* Reports in which direction two schemas do not go together; evlog_errmsg has the fields. */
static int report_break(const struct request *request, uint64_t number, const char *what)
{
    return error_set(
        EVLOG_CONFLICT,
        "%s: %s the schema that the log has (type %016" PRIx64
        "): %.700s. Such a change is for a new event type, with a new version (or see "
        "accept_incompatible)",
        request->event_type, what, number, evlog_errmsg());
}

static int check_against(const struct request *request, const struct type *type)
{
    const evlog_schema *known = schemas_get(type);
    if (known->damage_code)
        return error_set(known->damage_code,
                         "%s: the schema of type %016" PRIx64 " in the log: %s",
                         request->event_type, type->number, known->damage);
    if (resolve_classes(&request->schema->root, &known->root, RESOLVE_NULLS))
        return report_break(request, type->number, "cannot read what was written under");
    if (resolve_classes(&known->root, &request->schema->root, RESOLVE_NULLS))
        return report_break(request, type->number, "would write what cannot be read under");
    return EVLOG_OK;
}

/* What the log has of an event type. */
struct known {
    const struct type **types; /* its entries, in the order of their definition */
    size_t type_count;
    uint32_t count; /* of the entries of all event types */
};

/* Reads what there is now; `known->types` is for the caller to free. */
static int look_up(const struct request *request, struct known *known)
{
    struct types *types = request->log->store->types;
    *known = (struct known){.types = NULL};
    int result = types_refresh(types);
    if (result == EVLOG_OK)
        result = types_list(types, request->event_type, &known->types, &known->type_count,
                            &known->count);
    return result;
}

/* Whether an entry says the same as a schema: by the canonical text, and the marks of fields. */
static bool is_same_schema(const struct type *type, const evlog_schema *asked)
{
    const evlog_schema *schema = schemas_get(type);
    return schema && strcmp(schema->canonical, asked->canonical) == 0 &&
           is_same_bytes(type->text.forms, asked->forms) &&
           is_same_bytes(type->text.personal, asked->personal);
}

static bool is_wanted(const struct request *request, const struct type *type)
{
    if (request->schema)
        return is_same_schema(type, request->schema);
    return !request->is_exact || !type->text.schema;
}

/* The entry with the request's schema; without one, the newest, or the untyped one. NULL: there is none. */
static const struct type *find_wanted(const struct request *request, const struct known *known)
{
    for (size_t i = known->type_count; i-- > 0;)
        if (is_wanted(request, known->types[i]))
            return known->types[i];
    return NULL;
}

/* The schema of an entry, if it is typed, and can be read; or NULL. */
static const evlog_schema *schema_of(const struct type *type)
{
    const evlog_schema *schema = schemas_get(type);
    return schema && !schema->damage_code ? schema : NULL;
}

static bool go_together(const evlog_schema *a, const evlog_schema *b)
{
    return resolve_classes(&a->root, &b->root, RESOLVE_NULLS) == EVLOG_OK &&
           resolve_classes(&b->root, &a->root, RESOLVE_NULLS) == EVLOG_OK;
}

/* Whether an entry after this one does not go with it, which was accepted then. */
static bool is_before_break(const struct known *known, size_t i)
{
    const evlog_schema *old = schema_of(known->types[i]);
    while (old && ++i < known->type_count) {
        const evlog_schema *schema = schema_of(known->types[i]);
        if (schema && !go_together(old, schema))
            return true;
    }
    return false;
}

/* Whether the request's schema goes with each that the log has, from the last break on. */
static int check_against_all(const struct request *request, const struct known *known)
{
    for (size_t i = 0; i < known->type_count; i++) {
        const struct type *type = known->types[i];
        int result = schemas_get(type) ? check_against(request, type) : EVLOG_OK;
        if (result && !is_before_break(known, i))
            return result;
    }
    return EVLOG_OK;
}

/* The entry to send under, made if need be. EVLOG_BUSY: the log has other types than known. */
static int find_or_make(const struct request *request, const struct known *known,
                        const struct type **type)
{
    struct store *store = request->log->store;
    struct type_text text = {.name = request->event_type};
    int result = EVLOG_OK;
    *type = find_wanted(request, known);
    if (!*type && request->schema && !request->accept_incompatible)
        result = check_against_all(request, known);
    if (*type || result)
        return result;
    if (request->schema) {
        text.schema = request->schema->text;
        text.forms = request->schema->forms;
        text.personal = request->schema->personal;
    }
    if (!store->read_only)
        return types_define(store->types, &text, &known->count, type);
    if (known->type_count == 0 || request->is_exact)
        return error_set(EVLOG_READONLY, "%s: is read only and has no event type %s%s",
                         store->path, request->event_type,
                         request->is_exact ? " of this schema" : "");
    *type = known->types[known->type_count - 1];
    return EVLOG_OK;
}

static int find_entry(const struct request *request, const struct type **type)
{
    struct known known;
    int result;
    do {
        result = look_up(request, &known);
        if (result == EVLOG_OK)
            result = find_or_make(request, &known, type);
        free(known.types);
    } while (result == EVLOG_BUSY && types_count(request->log->store->types) != known.count);
    return result;
}

/* Takes the request's schema over when it succeeds. */
static int make_definition(struct request *request, struct definition **made)
{
    const struct type *type;
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

static int define_import(struct request *request, evlog_signal **signal)
{
    struct definition *definition = NULL;
    int result = make_definition(request, &definition);
    return result ? result : signal_new_import(request->log, definition, signal);
}

/* With the lock over definitions held, so that what is found here stays as it is. */
static int define_locked(struct request *request, evlog_signal **signal)
{
    if (request->is_exact)
        return define_import(request, signal);
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
    if (!known)
        return signal_new(request->log, definition, request->minor_version, signal);
    definition->before = atomic_load(&known->definition); /* a send may be reading it */
    atomic_store(&known->definition, definition);
    *signal = known;
    return EVLOG_OK;
}

static int check(const evlog_definition *definition, evlog_signal **signal)
{
    const char *type = definition->event_type;
    int result = name_check("an event type", type, type ? strlen(type) : 0, EVLOG_NAME_SIZE_MAX);
    if (result)
        return result;
    if (name_is_reserved(type))
        return error_set(EVLOG_INVALID, "%s: types that begin with \"evlog.\" are the log's own",
                         type);
    if (definition->minor_version < 0)
        return error_set(EVLOG_INVALID, "%s: a minor version is not negative: %d", type,
                         definition->minor_version);
    if (definition->of && definition->schema)
        return error_set(EVLOG_INVALID, "%s: a class and a schema are both given", type);
    if (definition->form_count && !definition->schema)
        return error_set(EVLOG_INVALID, "%s: forms are given with a schema; a class has its own",
                         type);
    if (definition->personal_count && !definition->schema && !definition->of)
        return error_set(EVLOG_INVALID, "%s: personal fields are given without a class or schema",
                         type);
    if (!signal)
        return error_set(EVLOG_INVALID, "%s: no place for the signal is given", type);
    return EVLOG_OK;
}

static int define_checked(evlog *log, const evlog_definition *definition, bool is_exact,
                          evlog_signal **signal)
{
    struct request request = {.log = log,
                              .event_type = definition->event_type,
                              .minor_version = definition->minor_version,
                              .accept_incompatible = definition->accept_incompatible,
                              .is_exact = is_exact};
    int result = EVLOG_OK;
    if (definition->of)
        result = evlog_schema_make(definition, &request.schema);
    else if (definition->schema)
        result = evlog_schema_parse(definition->schema, &request.schema);
    if (result == EVLOG_OK && definition->form_count)
        result = forms_give(request.schema, definition->forms, definition->form_count);
    if (result == EVLOG_OK && definition->personal_count)
        result =
            forms_mark_personal(request.schema, definition->personal, definition->personal_count);
    if (result == EVLOG_OK) {
        pthread_mutex_lock(&log->define_lock);
        result = define_locked(&request, signal);
        pthread_mutex_unlock(&log->define_lock);
    }
    evlog_schema_free(request.schema);
    return result;
}

static int define_given(evlog *log, const evlog_definition *given, size_t definition_size,
                        bool is_exact, evlog_signal **signal)
{
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = check(&definition, signal);
    if (result == EVLOG_OK)
        result = define_checked(log, &definition, is_exact, signal);
    log_leave(log);
    return result;
}

int evlog_define_class_sized(evlog *log, const evlog_definition *definition,
                             size_t definition_size, evlog_signal **signal)
{
    return define_given(log, definition, definition_size, false, signal);
}

int evlog_import_define_sized(evlog *log, const evlog_definition *definition,
                              size_t definition_size, evlog_signal **signal)
{
    return define_given(log, definition, definition_size, true, signal);
}

int evlog_define(evlog *log, const char *event_type, int32_t minor_version, const char *schema,
                 evlog_signal **signal)
{
    evlog_definition definition = {
        .event_type = event_type, .minor_version = minor_version, .schema = schema};
    return evlog_define_class(log, &definition, signal);
}

int evlog_define_refused(evlog *log, evlog_signal **signal)
{
    const evlog_definition definition = {.event_type = EVLOG_REFUSED_TYPE};
    if (!signal)
        return error_set(EVLOG_INVALID, "no place for the signal is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = define_checked(log, &definition, false, signal);
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
