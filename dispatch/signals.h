/* Signals: event types as defined in this process, see signals.c. */
#ifndef DISPATCH_SIGNALS_H
#define DISPATCH_SIGNALS_H

#include "log.h"

struct evlog_signal {
    evlog *log;
    const struct name *type; /* in the log's table: number, name, schema */
    int32_t minor_version;
    atomic_int enabled;
    struct receivers *receivers;    /* to whom it is sent; under the log's lock */
    struct evlog_signal *in_bucket; /* the next with that hash */
    struct evlog_signal *next;      /* the next defined */
};

/* The signal of an event type, NULL when it is not defined here. No lock. */
evlog_signal *signal_find(const evlog *log, const char *event_type);

void signals_free(evlog *log);

#endif
