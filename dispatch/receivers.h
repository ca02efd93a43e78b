/* Who is connected to a signal, see receivers.c. */
#ifndef DISPATCH_RECEIVERS_H
#define DISPATCH_RECEIVERS_H

#include <stdatomic.h>
#include <stddef.h>

#include "evlog.h"

/* One evlog_connect. */
struct connection {
    atomic_uint holders;
    evlog_signal *signal; /* NULL: all */
    evlog_receiver *receiver;
    void *ctx;
    const void *owner;   /* the plugin whose start connected it, while that runs; NULL: none */
    char dispatch_uid[]; /* "": none */
};

/* The receivers of a signal at one time, in the order of connection; never changed. */
struct receivers {
    atomic_uint holders;
    size_t count;
    struct connection *connections[];
};

/* Gives a new signal its first list. With the log's lock held. EVLOG_NOMEM. */
int receivers_begin(evlog_signal *signal);

/* The list as it is now, for the caller to release. */
struct receivers *receivers_hold(const evlog_signal *signal);
void receivers_release(struct receivers *receivers);

/*
 * What this thread connects from now on is marked as `owner`'s; NULL: no longer. Returns the
 * one before.
 */
const void *receivers_set_owner(const void *owner);

/* Disconnects all that is marked as the owner's, or, with `keep`, takes the marks away. */
void receivers_settle_owner(evlog *log, const void *owner, int keep);

/* Frees the log's connections. */
void receivers_free(evlog *log);

/*
 * Calls one receiver. Returns what it returned, and, when that is not 0, in
 * `*sentence` what it said, or "": valid until the thread's next failure.
 */
int receivers_call(const struct connection *connection, const evlog_event *event,
                   const char **sentence);

#endif
