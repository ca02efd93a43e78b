/* The receivers that are connected in a log, see receivers.c. */
#ifndef DISPATCH_RECEIVERS_H
#define DISPATCH_RECEIVERS_H

#include <stdatomic.h>
#include <stddef.h>

#include "evlog.h"

/* What a connection is known by, see evlog_connect. */
struct receiver_id {
    evlog_signal *signal;     /* NULL: all */
    const char *dispatch_uid; /* "": none */
    evlog_receiver *receiver;
    void *ctx;
};

/* One evlog_connect. */
struct connection {
    atomic_uint holder_count;
    evlog_signal *signal; /* NULL: all */
    evlog_receiver *receiver;
    void *ctx;
    evlog_replays replay;
    atomic_bool is_gone;        /* it was disconnected */
    atomic_bool is_passed_over; /* ... without memory for a list that it is not in */
    /* Sends up to here are not for it; CATCHING_UP: no send is, yet. */
    _Atomic uint64_t live_after;
    /* The last send that skipped it while it was catching up. Under the log's lock. */
    uint64_t missed_seq;
    unsigned owner;      /* the loading of a plugin whose start connected it; 0: none */
    char dispatch_uid[]; /* "": none */
};

#define CATCHING_UP UINT64_MAX

/* The connections of a log at one time, in their order; never changed. NULL: there were none. */
struct receivers {
    atomic_uint holder_count;
    size_t count;
    struct {
        const evlog_signal
            *signal; /* the connection's: those of others are passed over quickly */
        struct connection *connection;
    } items[];
};

/* The list as it is now, for the caller to release. */
struct receivers *receivers_hold(evlog *log);
void receivers_release(struct receivers *receivers);

/* The next connection of a signal, from number `*i` on, which moves behind it. NULL: no more. */
struct connection *receivers_next(const struct receivers *receivers, const evlog_signal *signal,
                                  size_t *i);

/*
 * Connects, see evlog_connect; with `is_late` it starts out catching up. `*made`, which the caller
 * releases, is NULL when it was connected already.
 */
int receivers_connect(evlog *log, const struct receiver_id *id, evlog_replays replay,
                      bool is_late, struct connection **made);
void connection_release(struct connection *connection);

/* See evlog_disconnect. */
int receivers_disconnect(evlog *log, const struct receiver_id *id);

/* Disconnects this one, unless it has been already. Leaves evlog_errmsg alone. */
void receivers_remove(evlog *log, struct connection *connection);

/* Whether a send's event is for the connection; if not, it has it from the log, or will. */
bool receivers_is_due(evlog *log, struct connection *connection, uint64_t seq);

/*
 * Ends catching up after `seq`, unless sends with a later seq have skipped the connection: then
 * false, and the caller hands these over from the log and tries again.
 */
bool receivers_go_live(evlog *log, struct connection *connection, uint64_t seq);

/*
 * From now on, what this thread connects is owned by `owner`, a number that is not used again; 0: by
 * none. Returns the owner before.
 */
unsigned receivers_set_owner(unsigned owner);

/* Disconnects all that the owner has connected. */
void receivers_drop_owned(evlog *log, unsigned owner);

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
