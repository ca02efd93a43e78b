/*
 * Signals: event types as defined in this process.
 *
 * A signal is made once and lives as long as its log, so a pointer to one may be
 * kept and looked up without a lock: buckets of a hash are only ever added to, at
 * their head. The event type and its schema are an entry of the log's table
 * (names.h), recorded before a first event can name it.
 *
 * Absent: a signal that is undefined again, and, so far, schemas.
 */
#include "signals.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "error.h"
#include "receivers.h"

static unsigned bucket_of(const char *event_type)
{
    return (unsigned)(XXH3_64bits(event_type, strlen(event_type)) % SIGNAL_BUCKETS);
}

evlog_signal *signal_find(const evlog *log, const char *event_type)
{
    evlog_signal *signal = atomic_load(&log->buckets[bucket_of(event_type)]);
    while (signal && strcmp(signal->type->text[0], event_type) != 0)
        signal = signal->in_bucket;
    return signal;
}

void signals_free(evlog *log)
{
    for (evlog_signal *signal = log->first_signal, *next; signal; signal = next) {
        next = signal->next;
        receivers_release(signal->receivers);
        free(signal);
    }
}

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

/* The type's entry in the log, made if need be. */
static int record_type(evlog *log, const char *event_type, const struct name **type)
{
    const char *text[NAMES_TEXTS] = {event_type};
    if (!log->store->read_only)
        return names_intern(log->store->types, text, type);
    int result = names_refresh(log->store->types);
    for (uint32_t i = 1; result == EVLOG_OK && i <= names_count(log->store->types); i++) {
        const struct name *name = names_get(log->store->types, i);
        if (name && strcmp(name->text[0], event_type) == 0) {
            *type = name;
            return EVLOG_OK;
        }
    }
    return result ? result
                  : error_set(EVLOG_READONLY, "%s: is read only and has no event type %s",
                              log->store->path, event_type);
}

static int make_signal(evlog *log, const struct name *type, int32_t minor_version,
                       evlog_signal **made)
{
    evlog_signal *signal = calloc(1, sizeof *signal);
    if (!signal)
        return error_nomem();
    signal->log = log;
    signal->type = type;
    signal->minor_version = minor_version;
    atomic_store(&signal->enabled, 1);
    int result = receivers_begin(signal);
    if (result) {
        free(signal);
        return result;
    }
    unsigned bucket = bucket_of(type->text[0]);
    signal->in_bucket = atomic_load(&log->buckets[bucket]);
    atomic_store(&log->buckets[bucket], signal);
    *log->end_of_signals = signal;
    log->end_of_signals = &signal->next;
    *made = signal;
    return EVLOG_OK;
}

static int define(evlog *log, const struct name *type, int32_t minor_version,
                  evlog_signal **signal)
{
    evlog_signal *known = signal_find(log, type->text[0]);
    if (!known)
        return make_signal(log, type, minor_version, signal);
    if (known->minor_version != minor_version)
        return error_set(EVLOG_CONFLICT, "%s is defined here with minor version %d, not %d",
                         type->text[0], known->minor_version, minor_version);
    *signal = known;
    return EVLOG_OK;
}

int evlog_define(evlog *log, const char *event_type, int32_t minor_version, const char *schema,
                 evlog_signal **signal)
{
    const struct name *type;
    int result = log_enter(log);
    if (result)
        return result;
    result = check_name(event_type);
    if (result == EVLOG_OK && minor_version < 0)
        result = error_set(EVLOG_INVALID, "%s: a minor version is not negative: %d", event_type,
                           minor_version);
    if (result == EVLOG_OK && schema)
        result =
            error_set(EVLOG_INVALID, "%s: this version of evlog takes no schema", event_type);
    if (result == EVLOG_OK && !signal)
        result = error_set(EVLOG_INVALID, "%s: no place for the signal is given", event_type);
    if (result == EVLOG_OK)
        result = record_type(log, event_type, &type);
    if (result == EVLOG_OK) {
        pthread_mutex_lock(&log->lock);
        result = define(log, type, minor_version, signal);
        pthread_mutex_unlock(&log->lock);
    }
    log_leave(log);
    return result;
}

int evlog_signal_by_type(evlog *log, const char *event_type, evlog_signal **signal)
{
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
    pthread_mutex_lock(&log->lock);
    evlog_signal *signal = log->first_signal;
    while (signal && result == 0) {
        pthread_mutex_unlock(&log->lock);
        result = visit(signal, ctx);
        pthread_mutex_lock(&log->lock);
        signal = signal->next;
    }
    pthread_mutex_unlock(&log->lock);
    log_leave(log);
    return result;
}

const char *evlog_signal_type(const evlog_signal *signal)
{
    return signal->type->text[0];
}

int32_t evlog_signal_minor_version(const evlog_signal *signal)
{
    return signal->minor_version;
}

void evlog_enable(evlog_signal *signal)
{
    atomic_store(&signal->enabled, 1);
}

void evlog_disable(evlog_signal *signal)
{
    atomic_store(&signal->enabled, 0);
}

int evlog_is_enabled(const evlog_signal *signal)
{
    return atomic_load(&signal->enabled);
}
