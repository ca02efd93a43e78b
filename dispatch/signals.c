/*
 * Signals: event types as defined in this process.
 *
 * A signal is made once and lives as long as its log, so a pointer to one may be
 * kept, and signals are looked up without a lock: the buckets of a hash table are only ever
 * added to, at their head. Its definition (define.c) may be replaced by a fuller
 * one; the one before is kept, since a send may be reading it.
 *
 * A signal for importing (evlog_import_define) is for one schema of an event type, which can have several. It is not
 * found by name: these signals are in a list of their own.
 *
 * Absent: undefining a signal.
 */
#include "signals.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "error.h"
#include "evlog/schema.h"

static unsigned bucket_of(const char *event_type)
{
    return (unsigned)(XXH3_64bits(event_type, strlen(event_type)) % SIGNAL_BUCKETS);
}

evlog_signal *signal_find(const evlog *log, const char *event_type)
{
    evlog_signal *signal = atomic_load(&log->buckets[bucket_of(event_type)]);
    while (signal && strcmp(signal->type->text.name, event_type) != 0)
        signal = signal->in_bucket;
    return signal;
}

/* Frees a definition and those that it replaced. */
static void definition_free(struct definition *definition)
{
    for (struct definition *before; definition; definition = before) {
        before = definition->before;
        evlog_schema_free(definition->own);
        free(definition);
    }
}

static void free_list(evlog_signal *signal)
{
    for (evlog_signal *next; signal; signal = next) {
        next = signal->next;
        definition_free(atomic_load(&signal->definition));
        free(signal);
    }
}

void signals_free(evlog *log)
{
    free_list(log->first_signal);
    free_list(log->first_import);
}

/* NULL: no memory; then the definition is freed. */
static evlog_signal *make(evlog *log, struct definition *definition, int32_t minor_version)
{
    evlog_signal *signal = calloc(1, sizeof *signal);
    if (!signal) {
        definition_free(definition);
        return NULL;
    }
    signal->log = log;
    signal->type = definition->type;
    atomic_store(&signal->definition, definition);
    signal->minor_version = minor_version;
    atomic_store(&signal->is_enabled, true);
    return signal;
}

int signal_new_import(evlog *log, struct definition *definition, evlog_signal **made)
{
    evlog_signal *signal = log->first_import;
    while (signal && signal->type != definition->type)
        signal = signal->next;
    if (signal)
        definition_free(definition);
    else if (!(signal = make(log, definition, 0)))
        return error_nomem();
    else {
        signal->next = log->first_import;
        log->first_import = signal;
    }
    *made = signal;
    return EVLOG_OK;
}

int signal_new(evlog *log, struct definition *definition, int32_t minor_version,
               evlog_signal **made)
{
    evlog_signal *signal = make(log, definition, minor_version);
    if (!signal)
        return error_nomem();
    _Atomic(evlog_signal *) *bucket = &log->buckets[bucket_of(signal->type->text.name)];
    signal->in_bucket = atomic_load(bucket);
    atomic_store(bucket, signal);
    atomic_fetch_add(&log->signal_count, 1);
    atomic_store(log->end_of_signals, signal);
    log->end_of_signals = &signal->next;
    *made = signal;
    return EVLOG_OK;
}

const evlog_schema *evlog_signal_schema(const evlog_signal *signal)
{
    return atomic_load(&signal->definition)->schema;
}

int evlog_signal_by_type(evlog *log, const char *event_type, evlog_signal **signal)
{
    if (!signal)
        return error_set(EVLOG_INVALID, "no place for the signal is given");
    int result = log_enter(log);
    if (result)
        return result;
    evlog_signal *found = event_type ? signal_find(log, event_type) : NULL;
    if (found)
        *signal = found;
    else
        result = error_set(EVLOG_NOTFOUND, "event type %s is not defined in this process",
                           event_type ? event_type : "(null)");
    log_leave(log);
    return result;
}

int evlog_each_signal(evlog *log, int (*visit)(evlog_signal *signal, void *ctx), void *ctx)
{
    int result = log_enter(log);
    if (result)
        return result;
    for (evlog_signal *signal = log->first_signal; signal && !result; signal = signal->next)
        result = visit(signal, ctx);
    log_leave(log);
    return result;
}

const char *evlog_signal_type(const evlog_signal *signal)
{
    return signal->type->text.name;
}

int32_t evlog_signal_minor_version(const evlog_signal *signal)
{
    return signal->minor_version;
}

void evlog_signal_enable(evlog_signal *signal)
{
    atomic_store(&signal->is_enabled, true);
}

void evlog_signal_disable(evlog_signal *signal)
{
    atomic_store(&signal->is_enabled, false);
}

bool evlog_signal_is_enabled(const evlog_signal *signal)
{
    return atomic_load(&signal->is_enabled);
}
