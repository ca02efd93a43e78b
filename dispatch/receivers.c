/*
 * The receivers connected to a signal.
 *
 * The log has one list of connections, in their order. Each signal has a list of
 * its own, made from that one whenever it changes, and never changed itself: a
 * send takes a reference to it, releases the lock, and calls one after the other. So
 * connecting and disconnecting inside a receiver take effect with the next send (Django's
 * _live_receivers makes a list for each send and has the same effect), and no lock
 * is held while user code runs.
 *
 * Connecting costs a new list for the signal, or for every signal when it is for all
 * of them: it is rare and sends are not.
 *
 * 1. Lists and connections are counted by who refers to them: a signal, a send, a
 *    struct evlog_sent. The last one to release frees.
 * 2. A change either makes all new lists or leaves everything as it was.
 * 3. A late receiver (replay/connect.c) is connected from its beginning but gets nothing from
 *    sends while it catches up: a send that skips it records its seq in `missed_seq`, under the
 *    lock, and the receiver may go live, under the lock, only when it has had that event from the
 *    log. So each event comes to it from the log or from its send, and never from both.
 */
#include "receivers.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "signals.h"

/* --------------------------------------------------------- references ---- */

void connection_release(struct connection *connection)
{
    if (connection && atomic_fetch_sub(&connection->holder_count, 1) == 1)
        free(connection);
}

void receivers_release(struct receivers *receivers)
{
    if (!receivers || atomic_fetch_sub(&receivers->holder_count, 1) > 1)
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
    atomic_fetch_add(&receivers->holder_count, 1);
    pthread_mutex_unlock(&log->lock);
    return receivers;
}

void receivers_free(evlog *log)
{
    for (size_t i = 0; i < log->connection_count; i++)
        connection_release(log->connections[i]);
    free(log->connections);
}

/* ---------------------------------------------------- making the lists ---- */

static bool is_for(const struct connection *connection, const evlog_signal *signal)
{
    return !connection->signal || connection->signal == signal;
}

/* A signal's list from the log's. NULL: no memory. */
static struct receivers *make_list(const evlog *log, const evlog_signal *signal)
{
    size_t count = 0;
    for (size_t i = 0; i < log->connection_count; i++)
        count += is_for(log->connections[i], signal);
    struct receivers *list = malloc(sizeof *list + count * sizeof *list->connections);
    if (!list)
        return NULL;
    atomic_init(&list->holder_count, 1);
    list->count = 0;
    for (size_t i = 0; i < log->connection_count; i++)
        if (is_for(log->connections[i], signal)) {
            atomic_fetch_add(&log->connections[i]->holder_count, 1);
            list->connections[list->count++] = log->connections[i];
        }
    return list;
}

int receivers_begin(evlog_signal *signal)
{
    signal->receivers = make_list(signal->log, signal);
    return signal->receivers ? EVLOG_OK : error_nomem();
}

/* New lists for one signal, or for all; they are used when all could be made. EVLOG_NOMEM. */
static int renew_lists(evlog *log, evlog_signal *only)
{
    evlog_signal *first = only ? only : log->first_signal, *end = only ? only->next : NULL;
    int result = EVLOG_OK;
    for (evlog_signal *signal = first; signal != end; signal = signal->next)
        if (!(signal->new_receivers = make_list(log, signal)))
            result = error_nomem();
    for (evlog_signal *signal = first; signal != end; signal = signal->next) {
        struct receivers *unused = signal->new_receivers;
        if (result == EVLOG_OK) {
            unused = signal->receivers;
            signal->receivers = signal->new_receivers;
        }
        signal->new_receivers = NULL;
        receivers_release(unused);
    }
    return result;
}

/* ------------------------------------------------- connect, disconnect ---- */

/* The plugin whose start runs in this thread. */
static _Thread_local const void *current_owner;

/* Its place in the log's list; the count of connections: it is not there. */
static size_t find(const evlog *log, const struct receiver_id *id)
{
    size_t i = 0;
    for (; i < log->connection_count; i++) {
        const struct connection *known = log->connections[i];
        if (known->signal != id->signal || strcmp(known->dispatch_uid, id->dispatch_uid) != 0)
            continue;
        if (*id->dispatch_uid || (known->receiver == id->receiver && known->ctx == id->ctx))
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

/* Puts `connection` into the list, which gets a reference of its own. */
static int add(evlog *log, struct connection *connection)
{
    int result = make_room(log);
    if (result)
        return result;
    atomic_fetch_add(&connection->holder_count, 1);
    log->connections[log->connection_count++] = connection;
    result = renew_lists(log, connection->signal);
    if (result) {
        log->connection_count--;
        connection_release(connection);
    }
    return result;
}

static struct connection *connection_new(const struct receiver_id *id, evlog_replays replay,
                                         bool is_late)
{
    struct connection *connection = calloc(1, sizeof *connection + strlen(id->dispatch_uid) + 1);
    if (!connection)
        return NULL;
    atomic_init(&connection->holder_count, 1);
    atomic_init(&connection->live_after, is_late ? CATCHING_UP : 0);
    connection->signal = id->signal;
    connection->receiver = id->receiver;
    connection->ctx = id->ctx;
    connection->replay = replay;
    connection->owner = current_owner;
    strcpy(connection->dispatch_uid, id->dispatch_uid);
    return connection;
}

static int disconnect_at(evlog *log, size_t at)
{
    struct connection *connection = log->connections[at];
    size_t after = log->connection_count - at - 1;
    struct connection **place = &log->connections[at];
    memmove(place, place + 1, after * sizeof *place);
    log->connection_count--;
    int result = renew_lists(log, connection->signal);
    if (result) {
        memmove(place + 1, place, after * sizeof *place);
        *place = connection;
        log->connection_count++;
        return result;
    }
    atomic_store(&connection->is_gone, true);
    connection_release(connection);
    return EVLOG_OK;
}

static int check(const evlog *log, const struct receiver_id *id)
{
    if (id->signal && id->signal->log != log)
        return error_set(EVLOG_INVALID, "signal %s is of another log", id->signal->type->text[0]);
    if (!id->receiver && !*id->dispatch_uid)
        return error_set(EVLOG_INVALID, "no receiver is given");
    if (!log_is_text(id->dispatch_uid))
        return error_set(EVLOG_INVALID, "a dispatch_uid is at most %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    return EVLOG_OK;
}

int receivers_connect(evlog *log, const struct receiver_id *id, evlog_replays replay,
                      bool is_late, struct connection **made)
{
    int result = check(log, id);
    if (result == EVLOG_OK && !id->receiver)
        result = error_set(EVLOG_INVALID, "no receiver is given");
    if (result)
        return result;
    struct connection *connection = connection_new(id, replay, is_late);
    if (!connection)
        return error_nomem();
    pthread_mutex_lock(&log->lock);
    bool is_known = find(log, id) < log->connection_count;
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

int receivers_disconnect(evlog *log, const struct receiver_id *id)
{
    int result = check(log, id);
    if (result)
        return result;
    pthread_mutex_lock(&log->lock);
    size_t at = find(log, id);
    if (at < log->connection_count)
        result = disconnect_at(log, at);
    else
        result = error_set(EVLOG_NOTFOUND, "that receiver is not connected to %s",
                           id->signal ? id->signal->type->text[0] : "all signals");
    pthread_mutex_unlock(&log->lock);
    return result;
}

int receivers_remove(evlog *log, struct connection *connection)
{
    int result = EVLOG_OK;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->connection_count; i++)
        if (log->connections[i] == connection) {
            result = disconnect_at(log, i);
            break;
        }
    pthread_mutex_unlock(&log->lock);
    return result;
}

/* In a forked child nothing can be sent through it, and its log's lock may never come free. */
bool evlog_has_receivers(const evlog_signal *signal)
{
    if (signal->log->fork_count != log_fork_count())
        return false;
    struct receivers *receivers = receivers_hold(signal);
    bool has = receivers->count > 0;
    receivers_release(receivers);
    return has;
}

/* ----------------------------------------------------------------- owners ---- */

const void *receivers_set_owner(const void *owner)
{
    const void *before = current_owner;
    current_owner = owner;
    return before;
}

void receivers_drop_owned(evlog *log, const void *owner)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = log->connection_count; i-- > 0;)
        if (log->connections[i]->owner == owner)
            disconnect_at(log, i);
    pthread_mutex_unlock(&log->lock);
}

void receivers_keep_owned(evlog *log, const void *owner)
{
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->connection_count; i++)
        if (log->connections[i]->owner == owner)
            log->connections[i]->owner = NULL;
    pthread_mutex_unlock(&log->lock);
}

/* ----------------------------------------------------------- catching up ---- */

bool receivers_is_due(evlog *log, struct connection *connection, uint64_t seq)
{
    uint64_t after = atomic_load(&connection->live_after);
    if (after != CATCHING_UP)
        return seq > after;
    pthread_mutex_lock(&log->lock);
    after = atomic_load(&connection->live_after);
    if (after == CATCHING_UP && seq > connection->missed_seq)
        connection->missed_seq = seq;
    pthread_mutex_unlock(&log->lock);
    return after != CATCHING_UP && seq > after;
}

bool receivers_go_live(evlog *log, struct connection *connection, uint64_t seq)
{
    pthread_mutex_lock(&log->lock);
    bool is_live = connection->missed_seq <= seq;
    if (is_live)
        atomic_store(&connection->live_after, seq);
    pthread_mutex_unlock(&log->lock);
    return is_live;
}

/* --------------------------------------------------------------- calling ---- */

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
