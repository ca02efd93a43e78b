/*
 * The receivers that are connected in a log.
 *
 * They are in one list, in the order of connection, which is never changed: connecting and
 * disconnecting put a new one in its place. A send takes a reference to the list, releases the lock,
 * and calls those of its signal one after the other. So connecting and disconnecting inside a
 * receiver take effect with the next send (Django's _live_receivers makes a list for each send and
 * has the same effect), and no lock is held while user code runs.
 *
 * Cost: a new list for each connecting and disconnecting, which are rare; in a send one comparison
 * for each connection of another signal, about a nanosecond.
 *
 * 1. Lists and connections are counted by what refers to them: the log, a send, a
 *    struct evlog_sent. The last one to release frees.
 * 2. A change either makes a new list or leaves everything as it was; but a connection that the library
 *    itself takes out (a late receiver that failed, a plugin that did not start) must not stay. Where
 *    there is no memory for a list without it, it is marked, passed over, and left out of the next list.
 * 3. A late receiver (replay/connect.c) is connected from its beginning but gets nothing from
 *    sends while it catches up: a send that skips it records its seq in `missed_seq`, under the
 *    lock, and the receiver may go live, under the lock, only when it has had that event from the
 *    log. So each event comes to it from the log or from its send, and never from both.
 */
#include "receivers.h"

#include <stdio.h>
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
        connection_release(receivers->items[i].connection);
    free(receivers);
}

/*
 * Before the first is connected the lock is not needed: a send looks here after its commit, and whoever
 * connects one sets the list before it reads the log's head; so it gets all later seqs.
 */
struct receivers *receivers_hold(evlog *log)
{
    if (!log->receivers)
        return NULL;
    pthread_mutex_lock(&log->lock);
    struct receivers *receivers = log->receivers;
    if (receivers)
        atomic_fetch_add(&receivers->holder_count, 1);
    pthread_mutex_unlock(&log->lock);
    return receivers;
}

struct connection *receivers_next(const struct receivers *receivers, const evlog_signal *signal,
                                  size_t *i)
{
    while (receivers && *i < receivers->count) {
        size_t at = (*i)++;
        struct connection *connection = receivers->items[at].connection;
        const evlog_signal *wanted = receivers->items[at].signal;
        if (wanted ? wanted != signal : signal->type->is_reserved)
            continue;
        if (!atomic_load_explicit(&connection->is_passed_over, memory_order_relaxed))
            return connection;
    }
    return NULL;
}

/* ------------------------------------------------- connect, disconnect ---- */

/* The plugin whose start runs in this thread; 0: none. */
static _Thread_local unsigned current_owner;

static struct connection *find(const evlog *log, const struct receiver_id *id)
{
    const struct receivers *receivers = log->receivers;
    for (size_t i = 0; receivers && i < receivers->count; i++) {
        struct connection *known = receivers->items[i].connection;
        if (known->signal != id->signal || atomic_load(&known->is_passed_over) ||
            strcmp(known->dispatch_uid, id->dispatch_uid) != 0)
            continue;
        if (*id->dispatch_uid || (known->receiver == id->receiver && known->ctx == id->ctx))
            return known;
    }
    return NULL;
}

static void append(struct receivers *list, struct connection *connection)
{
    atomic_fetch_add(&connection->holder_count, 1);
    list->items[list->count].signal = connection->signal;
    list->items[list->count++].connection = connection;
}

/* Puts a list without `gone` and with `added` in the place of the log's; either may be NULL. */
static int renew(evlog *log, struct connection *gone, struct connection *added)
{
    struct receivers *before = log->receivers;
    size_t count = before ? before->count : 0;
    if (added && count == EVLOG_RECEIVERS_MAX)
        return error_set(EVLOG_LIMIT, "%d receivers are connected, the most there can be",
                         EVLOG_RECEIVERS_MAX);
    struct receivers *list = malloc(sizeof *list + (count + 1) * sizeof *list->items);
    if (!list)
        return error_nomem();
    atomic_init(&list->holder_count, 1);
    list->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct connection *connection = before->items[i].connection;
        if (connection != gone && !atomic_load(&connection->is_passed_over))
            append(list, connection);
    }
    if (added)
        append(list, added);
    if (gone)
        atomic_store(&gone->is_gone, true);
    log->receivers = list;
    receivers_release(before);
    return EVLOG_OK;
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

static int check(const evlog *log, const struct receiver_id *id)
{
    if (id->signal && id->signal->log != log)
        return error_set(EVLOG_INVALID, "signal %s is of another log",
                         id->signal->type->text.name);
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
    bool is_known = find(log, id) != NULL;
    if (!is_known)
        result = renew(log, NULL, connection);
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
    struct connection *known = find(log, id);
    result = known ? renew(log, known, NULL)
                   : error_set(EVLOG_NOTFOUND, "that receiver is not connected to %s",
                               id->signal ? id->signal->type->text.name : "all signals");
    pthread_mutex_unlock(&log->lock);
    return result;
}

void receivers_remove(evlog *log, struct connection *connection)
{
    char why[ERROR_SIZE]; /* what failed before is what the caller reports */
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    pthread_mutex_lock(&log->lock);
    if (!connection->is_gone && renew(log, connection, NULL)) {
        atomic_store(&connection->is_passed_over, true);
        atomic_store(&connection->is_gone, true);
        error_set(EVLOG_NOMEM, "%s", why);
    }
    pthread_mutex_unlock(&log->lock);
}

/* In a forked child nothing can be sent through it, and its log's lock may never come free. */
bool evlog_has_receivers(const evlog_signal *signal)
{
    if (signal->log->fork_count != log_fork_count())
        return false;
    size_t i = 0;
    struct receivers *receivers = receivers_hold(signal->log);
    bool has = receivers_next(receivers, signal, &i) != NULL;
    receivers_release(receivers);
    return has;
}

/* ----------------------------------------------------------------- owners ---- */

unsigned receivers_set_owner(unsigned owner)
{
    unsigned before = current_owner;
    current_owner = owner;
    return before;
}

void receivers_drop_owned(evlog *log, unsigned owner)
{
    struct receivers *all = receivers_hold(log);
    for (size_t i = 0; all && i < all->count; i++)
        if (all->items[i].connection->owner == owner)
            receivers_remove(log, all->items[i].connection);
    receivers_release(all);
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
