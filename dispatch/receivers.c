/*
 * Who is connected to a signal.
 *
 * The log has one list of connections, in their order. Each signal has a list of
 * its own, made from that one whenever it changes and never changed itself: a
 * send takes hold of it, lets go of the lock, and calls one after the other. So
 * connecting and disconnecting inside a receiver work on the next send (Django's
 * _live_receivers makes a list for each send and has the same effect), no lock
 * is held while a stranger's function runs, and a send allocates nothing.
 *
 * Connecting costs a new list for the signal, or for every signal when it is for all
 * of them: it is rare and sends are not.
 *
 * 1. Lists and connections are counted by who holds them: a signal, a send, a
 *    struct evlog_sent. The last to let go frees.
 * 2. A change either makes all new lists or leaves everything as it was.
 * 3. A late receiver (replay/late.c) is connected from its beginning but gets nothing from
 *    sends while it catches up: a send that passes it by leaves its seq in `missed`, under the
 *    lock, and it may only go live, under the lock, when it has had that one from the log. So
 *    whatever was sent is handed to it by the log or by its send, and never by both.
 */
#include "receivers.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "signals.h"

/* ------------------------------------------------------------- holding ---- */

void connection_release(struct connection *connection)
{
    if (connection && atomic_fetch_sub(&connection->holders, 1) == 1)
        free(connection);
}

void receivers_release(struct receivers *receivers)
{
    if (!receivers || atomic_fetch_sub(&receivers->holders, 1) > 1)
        return;
    for (size_t i = 0; i < receivers->count; i++)
        connection_release(receivers->connections[i]);
    free(receivers);
}

struct receivers *receivers_hold(const evlog_signal *signal)
{
    evlog *log = signal->log;
    pthread_mutex_lock(&log->lock);
    struct receivers *receivers = signal->receivers;
    atomic_fetch_add(&receivers->holders, 1);
    pthread_mutex_unlock(&log->lock);
    return receivers;
}

void receivers_free(evlog *log)
{
    for (size_t i = 0; i < log->connection_count; i++)
        connection_release(log->connections[i]);
    free(log->connections);
}

/* ------------------------------------------------------ making the lists ---- */

static int hears(const struct connection *connection, const evlog_signal *signal)
{
    return !connection->signal || connection->signal == signal;
}

/* A signal's list from the log's. NULL: no memory. */
static struct receivers *make_list(const evlog *log, const evlog_signal *signal)
{
    size_t count = 0;
    for (size_t i = 0; i < log->connection_count; i++)
        count += (size_t)hears(log->connections[i], signal);
    struct receivers *list = malloc(sizeof *list + count * sizeof *list->connections);
    if (!list)
        return NULL;
    atomic_init(&list->holders, 1);
    list->count = 0;
    for (size_t i = 0; i < log->connection_count; i++)
        if (hears(log->connections[i], signal)) {
            atomic_fetch_add(&log->connections[i]->holders, 1);
            list->connections[list->count++] = log->connections[i];
        }
    return list;
}

int receivers_begin(evlog_signal *signal)
{
    signal->receivers = make_list(signal->log, signal);
    return signal->receivers ? EVLOG_OK : error_nomem();
}

/*
 * New lists for one signal, or for all. They are made first, each remembered in
 * `fresh`, and taken into use when none was missing.
 */
static int renew_lists(evlog *log, const evlog_signal *only)
{
    size_t count = 0, made = 0;
    for (evlog_signal *signal = log->first_signal; signal; signal = signal->next)
        count += !only || signal == only;
    struct receivers **fresh = calloc(count + 1, sizeof *fresh);
    if (!fresh)
        return error_nomem();
    for (evlog_signal *signal = log->first_signal; signal; signal = signal->next)
        if ((!only || signal == only) && (fresh[made] = make_list(log, signal)))
            made++;
    int result = made == count ? EVLOG_OK : error_nomem();
    size_t used = 0;
    for (evlog_signal *signal = log->first_signal; signal && result == EVLOG_OK;
         signal = signal->next)
        if (!only || signal == only) {
            struct receivers *old = signal->receivers;
            signal->receivers = fresh[used];
            fresh[used++] = old;
        }
    for (size_t i = 0; i < made; i++)
        receivers_release(fresh[i]);
    free(fresh);
    return result;
}

/* --------------------------------------------------- connect, disconnect ---- */

/* The plugin whose start runs in this thread. */
static _Thread_local const void *current_owner;

/* Its place in the log's list, or the count when it is not there. */
static size_t find(const evlog *log, const evlog_signal *signal, const char *dispatch_uid,
                   evlog_receiver *receiver, const void *ctx)
{
    size_t i = 0;
    for (; i < log->connection_count; i++) {
        const struct connection *known = log->connections[i];
        if (known->signal != signal || strcmp(known->dispatch_uid, dispatch_uid) != 0)
            continue;
        if (*dispatch_uid || (known->receiver == receiver && known->ctx == ctx))
            break;
    }
    return i;
}

static int make_room(evlog *log)
{
    if (log->connection_count == EVLOG_RECEIVERS_MAX)
        return error_set(EVLOG_LIMIT, "%d receivers are connected, the most there can be",
                         EVLOG_RECEIVERS_MAX);
    if (log->connection_count < log->connection_max)
        return EVLOG_OK;
    size_t max = log->connection_max ? 2 * log->connection_max : 16;
    struct connection **grown = realloc(log->connections, max * sizeof *grown);
    if (!grown)
        return error_nomem();
    log->connections = grown;
    log->connection_max = max;
    return EVLOG_OK;
}

/* Takes `connection`, of which the caller keeps a hold, into the list. */
static int add(evlog *log, struct connection *connection)
{
    int result = make_room(log);
    if (result)
        return result;
    atomic_fetch_add(&connection->holders, 1);
    log->connections[log->connection_count++] = connection;
    result = renew_lists(log, connection->signal);
    if (result) {
        log->connection_count--;
        connection_release(connection);
    }
    return result;
}

static struct connection *connection_new(evlog_signal *signal, const char *dispatch_uid,
                                         evlog_receiver *receiver, void *ctx)
{
    struct connection *connection = calloc(1, sizeof *connection + strlen(dispatch_uid) + 1);
    if (!connection)
        return NULL;
    atomic_init(&connection->holders, 1);
    connection->signal = signal;
    connection->receiver = receiver;
    connection->ctx = ctx;
    connection->owner = current_owner;
    strcpy(connection->dispatch_uid, dispatch_uid);
    return connection;
}

static int disconnect_at(evlog *log, evlog_signal *signal, size_t at)
{
    struct connection *connection = log->connections[at];
    size_t after = log->connection_count - at - 1;
    struct connection **place = &log->connections[at];
    memmove(place, place + 1, after * sizeof *place);
    log->connection_count--;
    int result = renew_lists(log, signal);
    if (result) {
        memmove(place + 1, place, after * sizeof *place);
        *place = connection;
        log->connection_count++;
        return result;
    }
    atomic_store(&connection->is_gone, 1);
    connection_release(connection);
    return EVLOG_OK;
}

static int check(const evlog *log, const evlog_signal *signal, const char *dispatch_uid,
                 evlog_receiver *receiver)
{
    if (signal && signal->log != log)
        return error_set(EVLOG_INVALID, "signal %s is of another log", signal->type->text[0]);
    if (!receiver && !*dispatch_uid)
        return error_set(EVLOG_INVALID, "no receiver is given");
    if (!log_is_text(dispatch_uid))
        return error_set(EVLOG_INVALID, "a dispatch_uid is at most %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    return EVLOG_OK;
}

const void *receivers_set_owner(const void *owner)
{
    const void *before = current_owner;
    current_owner = owner;
    return before;
}

void receivers_settle_owner(evlog *log, const void *owner, int keep)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = log->connection_count; i-- > 0;) {
        struct connection *connection = log->connections[i];
        if (connection->owner != owner)
            continue;
        if (keep)
            connection->owner = NULL;
        else
            disconnect_at(log, connection->signal, i);
    }
    pthread_mutex_unlock(&log->lock);
}

int receivers_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                      evlog_receiver *receiver, void *ctx, int replay, uint64_t live_after,
                      struct connection **made)
{
    int result = check(log, signal, dispatch_uid, receiver);
    if (result == EVLOG_OK && !receiver)
        result = error_set(EVLOG_INVALID, "no receiver is given");
    if (result)
        return result;
    struct connection *connection = connection_new(signal, dispatch_uid, receiver, ctx);
    if (!connection)
        return error_nomem();
    connection->replay = replay;
    atomic_init(&connection->live_after, live_after);
    pthread_mutex_lock(&log->lock);
    int is_known = find(log, signal, dispatch_uid, receiver, ctx) < log->connection_count;
    if (!is_known)
        result = add(log, connection);
    pthread_mutex_unlock(&log->lock);
    if (is_known || result) {
        connection_release(connection);
        connection = NULL;
    }
    if (result == EVLOG_OK)
        *made = connection;
    return result;
}

int receivers_disconnect(evlog *log, struct connection *connection)
{
    int result = EVLOG_OK;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->connection_count; i++)
        if (log->connections[i] == connection) {
            result = disconnect_at(log, connection->signal, i);
            break;
        }
    pthread_mutex_unlock(&log->lock);
    return result;
}

int evlog_disconnect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                     evlog_receiver *receiver, void *ctx)
{
    const char *uid = dispatch_uid ? dispatch_uid : "";
    int result = log_enter(log);
    if (result)
        return result;
    result = check(log, signal, uid, receiver);
    if (result == EVLOG_OK) {
        pthread_mutex_lock(&log->lock);
        size_t at = find(log, signal, uid, receiver, ctx);
        if (at == log->connection_count)
            result = error_set(EVLOG_NOTFOUND, "that receiver is not connected to %s",
                               signal ? signal->type->text[0] : "all signals");
        else
            result = disconnect_at(log, signal, at);
        pthread_mutex_unlock(&log->lock);
    }
    log_leave(log);
    return result;
}

/* In a forked child nothing can be sent through it, and its log's lock may never come free. */
bool evlog_has_receivers(const evlog_signal *signal)
{
    if (signal->log->fork_count != log_fork_count())
        return 0;
    struct receivers *receivers = receivers_hold(signal);
    int has = receivers->count > 0;
    receivers_release(receivers);
    return has;
}

/* --------------------------------------------------------------- calling ---- */

int receivers_is_due(evlog *log, struct connection *connection, uint64_t seq)
{
    uint64_t after = atomic_load(&connection->live_after);
    if (after != CATCHING_UP)
        return seq > after;
    pthread_mutex_lock(&log->lock);
    after = atomic_load(&connection->live_after);
    if (after == CATCHING_UP && seq > connection->missed)
        connection->missed = seq;
    pthread_mutex_unlock(&log->lock);
    return after != CATCHING_UP && seq > after;
}

int receivers_go_live(evlog *log, struct connection *connection, uint64_t seq)
{
    pthread_mutex_lock(&log->lock);
    int is_live = connection->missed <= seq;
    if (is_live)
        atomic_store(&connection->live_after, seq);
    pthread_mutex_unlock(&log->lock);
    return is_live;
}

/* Calls of receivers under way in this thread, one inside the other. */
static _Thread_local unsigned nesting;

int receivers_check_nesting(void)
{
    if (nesting < EVLOG_NESTING_MAX)
        return EVLOG_OK;
    return error_set(EVLOG_LIMIT,
                     "%u receivers are being called, one inside the other: the most there can be",
                     nesting);
}

/* Calls the receiver; `why` is what it gave to evlog_fail, or "". */
static int call(const struct connection *connection, const evlog_event *event,
                char why[ERROR_SIZE])
{
    why[0] = '\0';
    char *outer = error_redirect_failure(why);
    nesting++;
    int result = connection->receiver(event, connection->ctx);
    nesting--;
    error_redirect_failure(outer);
    return result;
}

int receivers_call(const struct connection *connection, const evlog_event *event,
                   const char **sentence)
{
    static _Thread_local char last_failure[ERROR_SIZE];
    char why[ERROR_SIZE]; /* not last_failure: the receiver may send to others that fail */
    evlog_event silent;
    if (event->is_replay && connection->replay == EVLOG_REPLAY_SILENT) {
        silent = *event;
        silent.is_replay = false;
        event = &silent;
    }
    int result = call(connection, event, why);
    if (result == 0)
        return 0;
    memcpy(last_failure, why, sizeof why);
    *sentence = last_failure;
    return result;
}
