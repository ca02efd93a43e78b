/*
 * Connecting, and late receivers: history first, then live.
 *
 * A late receiver is connected before its history is read, in a state in which sends pass it by
 * and leave word of it (dispatch/receivers.c, invariant 3). This thread reads the log for it, up
 * to the head, again and again until the head it has come to is no less than any seq that
 * passed it by; then, in one step with looking, it goes live. Sends that come after that step
 * have a greater seq and are handed over by their sender; of those that were appended before,
 * the log has given it all.
 *
 * Nothing is held while the receiver runs, so it may do what any receiver may. What it sends
 * itself meanwhile comes to it from the log in turn, and not inside its call.
 *
 * Cost: that of a replay of one signal's events; a send passes a receiver that catches up by
 * taking the log's lock once.
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
                               .type_count = connection->signal ? 1 : 0};
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

static int wants_history(const evlog_connect_options *options)
{
    evlog_start from = options->start;
    return from != EVLOG_START_DEFAULT && from != EVLOG_START_NEW;
}

static int check(const evlog_connect_options *options)
{
    if (options->replay > EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "replay: %d is no EVLOG_REPLAY_...", options->replay);
    if (wants_history(options) && options->replay == EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "a receiver that refuses replays cannot have history");
    return EVLOG_OK;
}

static int connect_late(evlog *log, struct connection *connection, uint64_t position,
                        const evlog_connect_options *options)
{
    int result = catch_up(log, connection, position, options, options->outcome);
    if (result)
        receivers_disconnect(log, connection);
    return result;
}

static int connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                   evlog_receiver *receiver, void *ctx, const evlog_connect_options *options)
{
    const char *types[] = {signal ? evlog_signal_type(signal) : ""};
    struct connection *connection;
    uint64_t position = 0, head = 0;
    int is_late = wants_history(options);
    int result = check(options);
    if (result == EVLOG_OK && is_late)
        result = start_find(log, &START_OF(options), EVLOG_START_NEW, types, signal ? 1 : 0,
                            &position, &head);
    if (result == EVLOG_OK)
        result = receivers_connect(log, signal, dispatch_uid ? dispatch_uid : "", receiver, ctx,
                                   options->replay, is_late ? CATCHING_UP : 0, &connection);
    if (result)
        return result;
    if (connection && is_late)
        result = connect_late(log, connection, position, options);
    connection_release(connection);
    return result;
}

int evlog_connect_sized(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                        evlog_receiver *receiver, void *ctx, const evlog_connect_options *given,
                        size_t options_size, size_t outcome_size)
{
    evlog_connect_options options;
    evlog_outcome outcome = {.delivered = 0}, *wanted;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    wanted = options.outcome;
    options.outcome = &outcome;
    result = connect(log, signal, dispatch_uid, receiver, ctx, &options);
    sized_out(wanted, outcome_size, &outcome, sizeof outcome);
    log_leave(log);
    return result;
}
