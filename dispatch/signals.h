/* Signals: event types as defined in this process, see signals.c. */
#ifndef DISPATCH_SIGNALS_H
#define DISPATCH_SIGNALS_H

#include "log.h"

/* The entry of the log's table of types, and so the schema, that events of a signal are sent under. */
struct definition {
    const struct type *type;
    const evlog_schema *schema; /* NULL: untyped */
    evlog_schema *own;          /* `schema`, unless it belongs to the log's table */
    struct definition *before;  /* the one that this replaced */
};

struct evlog_signal {
    evlog *log;
    const struct type *type; /* of the first definition: for its name */
    _Atomic(struct definition *) definition;
    int32_t minor_version;
    atomic_bool is_enabled;
    struct evlog_signal *in_bucket; /* the next with that hash */
    _Atomic(evlog_signal *) next;   /* the next defined */
};

/* The signal of an event type, NULL when it is not defined here. No lock. */
evlog_signal *signal_find(const evlog *log, const char *event_type);

/*
 * The same, of a type's name; it is looked up once, and where there is none again when another is defined.
 * `looked_at` is read first: another thread sets it after the signal that it has found.
 */
static inline evlog_signal *signal_of(const evlog *log, const struct type *type)
{
    struct type_derived *derived = type->derived;
    unsigned count = atomic_load_explicit(&log->signal_count, memory_order_acquire) + 1;
    unsigned looked_at = atomic_load_explicit(&derived->looked_at, memory_order_acquire);
    evlog_signal *signal = atomic_load_explicit(&derived->signal, memory_order_acquire);
    if (signal || looked_at == count)
        return signal;
    signal = signal_find(log, type->text.name);
    if (signal)
        atomic_store(&derived->signal, signal);
    atomic_store(&derived->looked_at, count);
    return signal;
}

/*
 * A new signal, which takes over the definition; on failure that is freed. With the log's
 * define_lock held. EVLOG_NOMEM.
 */
int signal_new(evlog *log, struct definition *definition, int32_t minor_version,
               evlog_signal **signal);

/* The same of a signal for importing, or the one that there is of the definition's type. */
int signal_new_import(evlog *log, struct definition *definition, evlog_signal **signal);

void signals_free(evlog *log);

#endif
