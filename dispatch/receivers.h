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
    int replay;                  /* EVLOG_REPLAY_... */
    atomic_int is_gone;          /* it was disconnected */
    _Atomic uint64_t live_after; /* sends up to here are not for it; CATCHING_UP: none is, yet */
    uint64_t
        missed; /* while it catches up: the last send not handed to it; under the log's lock */
    const void *owner;   /* the plugin whose start connected it, while that runs; NULL: none */
    char dispatch_uid[]; /* "": none */
};

#define CATCHING_UP UINT64_MAX

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
 * Connects, see evlog_connect; `live_after` as in struct connection. `*made`, to be let go with
 * connection_release, is NULL when such a one was connected already.
 */
int receivers_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                      evlog_receiver *receiver, void *ctx, int replay, uint64_t live_after,
                      struct connection **made);
int receivers_disconnect(evlog *log, struct connection *connection);
void connection_release(struct connection *connection);

/* 1 when a send's event is for the connection; 0: it has had it, or will have it, as history. */
int receivers_is_due(evlog *log, struct connection *connection, uint64_t seq);

/*
 * Ends catching up after `seq`. 0: later events were sent meanwhile, which are in the log; hand
 * them to it and come again.
 */
int receivers_go_live(evlog *log, struct connection *connection, uint64_t seq);

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
 * Whether what is about to call receivers may: EVLOG_LIMIT inside EVLOG_NESTING_MAX receivers of
 * this thread.
 */
int receivers_check_nesting(void);

/*
 * Calls one receiver; whether it refuses replays is for the caller to ask. Returns what it
 * returned. When that is not 0, `*sentence` is what it gave to evlog_fail, or "": valid until
 * the thread's next call of a receiver.
 */
int receivers_call(const struct connection *connection, const evlog_event *event,
                   const char **sentence);

#endif
