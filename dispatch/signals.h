/* Signals: event types as defined in this process, see signals.c. */
#ifndef DISPATCH_SIGNALS_H
#define DISPATCH_SIGNALS_H

#include "log.h"

/* Under which type of the log, and so under which schema, events of a signal are sent. */
struct definition {
    const struct name *type;
    const evlog_schema *schema; /* NULL: untyped */
    evlog_schema *own;          /* `schema` when it is not the log's table that has it */
    struct definition *before;  /* the one that this took the place of */
};

struct evlog_signal {
    evlog *log;
    const struct name *type; /* of the first definition: for its name */
    _Atomic(struct definition *) definition;
    int32_t minor_version;
    atomic_int enabled;
    struct receivers *receivers;    /* to whom it is sent; under the log's lock */
    struct evlog_signal *in_bucket; /* the next with that hash */
    struct evlog_signal *next;      /* the next defined */
};

/* The signal of an event type, NULL when it is not defined here. No lock. */
evlog_signal *signal_find(const evlog *log, const char *event_type);

/*
 * A new signal; takes the definition over when it succeeds. With the log's define_lock held.
 * EVLOG_NOMEM.
 */
int signal_new(evlog *log, struct definition *definition, int32_t minor_version,
               evlog_signal **signal);

/* Gives a signal another definition, which it takes over. With the log's define_lock held. */
void signal_redefine(evlog_signal *signal, struct definition *definition);

void signals_free(evlog *log);

#endif
