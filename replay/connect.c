/*
 * Connecting and disconnecting; late receivers: history first, then live.
 *
 * A late receiver is connected before its history is read, in a state in which sends skip it and
 * record the skipped seq (dispatch/receivers.c, invariant 3). This thread reads the log for it, up
 * to the head, again and again until the head it has reached is no less than any seq that
 * skipped it; then, in one step with that comparison, it goes live. Sends after that step
 * have a greater seq and call it themselves; all that were appended before, it has had from the
 * log.
 *
 * Nothing is held while the receiver runs, so it may do what any receiver may. What it sends
 * itself meanwhile comes to it from the log in turn, and not inside its call.
 *
 * Cost: that of a replay of one signal's events; a send that skips a receiver takes the log's
 * lock once.
 */
#include "cursor.h"
#include "error.h"
#include "log.h"
#include "receivers.h"
#include "replay.h"
#include "signals.h"
#include "sized.h"
#include "start.h"

/* Hands out the history from `first` to `last`, unless the connection is disconnected meanwhile. */
static int hand_out(evlog *log, const struct connection *connection, uint64_t first,
                    uint64_t last, const evlog_connect_options *options, evlog_outcome *outcome)
{
    const char *types[] = {connection->signal ? evlog_signal_type(connection->signal) : ""};
    const evlog_range range = {.first_seq = first,
                               .last_seq = last,
                               .types = types,
                               .type_count = connection->signal ? 1 : 0,
                               .visit = options->visit,
                               .visit_ctx = options->visit_ctx};
    evlog_cursor *cursor;
    int result = cursor_open(log, &range, &cursor);
    if (result)
        return result;
    result = replay_deliver(cursor, connection, options->keep_going, outcome);
    cursor_free(cursor);
    return result;
}

/* Hands out the history after `position`, and makes the connection live. */
static int catch_up(evlog *log, struct connection *connection, uint64_t position,
                    const evlog_connect_options *options, evlog_outcome *outcome)
{
    while (!atomic_load(&connection->is_gone)) {
        uint64_t first, head;
        int result = store_bounds(log->store, &first, &head);
        if (result == EVLOG_OK && position < head)
            result = hand_out(log, connection, position + 1, head, options, outcome);
        if (result)
            return result;
        position = head;
        if (receivers_go_live(log, connection, position))
            break;
    }
    return EVLOG_OK;
}

static bool is_late(const evlog_connect_options *options)
{
    return options->start != EVLOG_START_DEFAULT && options->start != EVLOG_START_NEW;
}

static int check(const evlog_connect_options *options)
{
    if (options->replay > EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "replay: %d is not an EVLOG_REPLAY_...", options->replay);
    if (is_late(options) && options->replay == EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "a receiver that refuses replays cannot have history");
    return EVLOG_OK;
}

static int connect_late(evlog *log, const struct receiver_id *id,
                        const evlog_connect_options *options)
{
    const char *types[] = {id->signal ? evlog_signal_type(id->signal) : ""};
    struct connection *connection;
    uint64_t position, head;
    int result = start_find(log, &START_OF(options), EVLOG_START_NEW, types, id->signal ? 1 : 0,
                            &position, &head);
    if (result == EVLOG_OK)
        result = receivers_connect(log, id, options->replay, true, &connection);
    if (result || !connection)
        return result;
    result = catch_up(log, connection, position, options, options->outcome);
    if (result)
        receivers_remove(log, connection);
    connection_release(connection);
    return result;
}

static int connect(evlog *log, const struct receiver_id *id, const evlog_connect_options *options)
{
    struct connection *connection;
    int result = check(options);
    if (result)
        return result;
    if (is_late(options))
        return connect_late(log, id, options);
    result = receivers_connect(log, id, options->replay, false, &connection);
    if (result == EVLOG_OK)
        connection_release(connection);
    return result;
}

int evlog_connect_sized(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                        evlog_receiver *receiver, void *ctx, const evlog_connect_options *given,
                        size_t options_size, size_t outcome_size)
{
    struct receiver_id id = {signal, dispatch_uid ? dispatch_uid : "", receiver, ctx};
    evlog_connect_options options;
    evlog_outcome outcome = {.delivered = 0}, *wanted;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    wanted = options.outcome;
    options.outcome = &outcome;
    result = connect(log, &id, &options);
    sized_out(wanted, outcome_size, &outcome, sizeof outcome);
    log_leave(log);
    return result;
}

int evlog_disconnect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                     evlog_receiver *receiver, void *ctx)
{
    struct receiver_id id = {signal, dispatch_uid ? dispatch_uid : "", receiver, ctx};
    int result = log_enter(log);
    if (result)
        return result;
    result = receivers_disconnect(log, &id);
    log_leave(log);
    return result;
}
