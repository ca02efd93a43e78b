/*
 * Replay: delivering a range of the log again, a loop over a cursor (cursor.c).
 *
 * 1. Every seq of the range is delivered, passed over for its type, or counted as damaged; the
 *    order is the log's, or its reverse.
 * 2. Damage ends a replay at its place in the order: what comes before it has been delivered.
 * 3. `outcome` is filled also when the replay fails on its way.
 *
 * Nothing is held while a receiver runs but the list of receivers it is in.
 */
#include "replay.h"

#include <inttypes.h>

#include "cursor.h"
#include "error.h"
#include "log.h"
#include "receivers.h"
#include "signals.h"
#include "sized.h"

struct delivery {
    const struct connection *only; /* NULL: to those connected to the event's signal */
    bool keep_going;
    evlog_outcome *outcome;
};

static void count_failure(evlog_outcome *outcome, uint64_t seq)
{
    if (!outcome->first_failed_seq)
        outcome->first_failed_seq = seq;
}

static int count_damage(const struct delivery *delivery, const evlog_cursor *cursor)
{
    uint64_t first = 0, last = 0;
    evlog_cursor_damage(cursor, &first, &last);
    delivery->outcome->damaged += last - first + 1;
    count_failure(delivery->outcome, first);
    return delivery->keep_going ? EVLOG_OK : EVLOG_DAMAGED;
}

/* Calls one receiver. */
static int deliver_to(const struct delivery *delivery, const struct connection *connection,
                      const evlog_event *event)
{
    const char *sentence;
    evlog_outcome *outcome = delivery->outcome;
    if (connection->replay == EVLOG_REPLAY_REFUSE) {
        outcome->refused++;
        return EVLOG_OK;
    }
    int result = receivers_call(connection, event, &sentence);
    outcome->last_seq = event->seq;
    if (result == 0) {
        outcome->delivered++;
        return EVLOG_OK;
    }
    if (outcome->failed++ == 0)
        outcome->receiver_result = result;
    count_failure(outcome, event->seq);
    if (delivery->keep_going)
        return EVLOG_OK;
    return error_set(EVLOG_RECEIVER, "event %" PRIu64 " (%s): the receiver failed with %d%s%s",
                     event->seq, event->event_type, result, *sentence ? ": " : "", sentence);
}

static int deliver_to_connected(const struct delivery *delivery, const evlog_event *event)
{
    int result = EVLOG_OK;
    if (!event->signal || !evlog_signal_is_enabled(event->signal)) {
        delivery->outcome->skipped++;
        return EVLOG_OK;
    }
    struct receivers *receivers = receivers_hold(event->signal->log);
    size_t i = 0;
    const struct connection *connection = receivers_next(receivers, event->signal, &i);
    if (!connection)
        delivery->outcome->skipped++;
    for (; connection && result == EVLOG_OK;
         connection = receivers_next(receivers, event->signal, &i))
        result = deliver_to(delivery, connection, event);
    receivers_release(receivers);
    return result;
}

static int deliver(const struct delivery *delivery, const evlog_event *event)
{
    return delivery->only ? deliver_to(delivery, delivery->only, event)
                          : deliver_to_connected(delivery, event);
}

int replay_deliver(evlog_cursor *cursor, const struct connection *only, bool keep_going,
                   evlog_outcome *outcome)
{
    const struct delivery delivery = {.only = only, .keep_going = keep_going, .outcome = outcome};
    int result = receivers_check_nesting();
    if (result)
        return result;
    while (!only || !atomic_load(&only->is_gone)) {
        const evlog_event *event;
        result = cursor_next(cursor, &event);
        if (result == EVLOG_OK && !event)
            break;
        if (result == EVLOG_OK)
            result = deliver(&delivery, event);
        else if (result == EVLOG_DAMAGED)
            result = count_damage(&delivery, cursor);
        if (result)
            return result;
    }
    return EVLOG_OK;
}

static int replay(evlog *log, const evlog_range *given, size_t range_size,
                  const struct connection *only, evlog_outcome *outcome, size_t outcome_size)
{
    evlog_outcome counted = {.delivered = 0};
    evlog_range range;
    evlog_cursor *cursor = NULL;
    int result = sized_in(&range, sizeof range, given, range_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = cursor_open(log, &range, &cursor);
    if (result == EVLOG_OK)
        result = replay_deliver(cursor, only, range.keep_going, &counted);
    if (result != EVLOG_INVALID && result != EVLOG_LIMIT)
        sized_out(outcome, outcome_size, &counted, sizeof counted);
    cursor_free(cursor);
    log_leave(log);
    return result;
}

int evlog_replay_sized(evlog *log, const evlog_range *range, size_t range_size,
                       evlog_receiver *receiver, void *ctx, evlog_outcome *outcome,
                       size_t outcome_size)
{
    const struct connection only = {.receiver = receiver, .ctx = ctx};
    if (!receiver)
        return error_set(EVLOG_INVALID, "no receiver is given");
    return replay(log, range, range_size, &only, outcome, outcome_size);
}

int evlog_replay_to_receivers_sized(evlog *log, const evlog_range *range, size_t range_size,
                                    evlog_outcome *outcome, size_t outcome_size)
{
    return replay(log, range, range_size, NULL, outcome, outcome_size);
}
