/*
 * Replay: delivering a range of the log again.
 *
 * The head is looked up once, when a replay begins; times become seqs by a
 * binary search; then batches are read (reader.c) and handed out event by event, with
 * nothing held. Newest first reads the same batches forwards, a window of seqs
 * at a time, and hands each out backwards; the window shrinks when its events
 * are too large for a batch.
 *
 * 1. Every seq of the range is delivered, filtered out by its type, or counted as
 *    damaged; the order is the log's, or its reverse.
 * 2. What is damaged ends a replay at its place in the order, not before: what lies
 *    before it has been delivered.
 * 3. `outcome` is true at every moment a receiver could see it, and when the replay
 *    fails.
 *
 * Cost: a batch's reading, and a look at the event type's number (filter.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "event.h"
#include "filter.h"
#include "pace.h"
#include "reader.h"
#include "receivers.h"
#include "sized.h"

#define BATCH 1024

/* Where an event goes: to one receiver, or to those connected to its signal. */
struct target {
    evlog_receiver *receiver; /* NULL: to the connected ones */
    void *ctx;
};

struct replay {
    evlog *log;
    const evlog_range *range;
    struct target target;
    evlog_outcome outcome;
    uint64_t first, last; /* seqs; none when first > last */
    uint64_t taken;       /* events that matched, for the limit */
    struct filter filter;
    struct pace pace;
    struct reader reader;
};

/* ------------------------------------------------------------ the range ---- */

static int check_range(const evlog_range *range)
{
    if (range->first_seq && range->last_seq && range->first_seq > range->last_seq)
        return error_set(EVLOG_INVALID,
                         "range: its first seq, %" PRIu64 ", is after its last, %" PRIu64,
                         range->first_seq, range->last_seq);
    if (range->since_us && range->until_us && range->since_us > range->until_us)
        return error_set(EVLOG_INVALID, "range: its since is after its until");
    return pace_check(range->speed, range->per_second);
}

/* Turns the range into seqs that the log has. */
static int settle_range(struct replay *replay)
{
    const evlog_range *range = replay->range;
    struct store *store = replay->log->store;
    uint64_t first, last;
    int result = store_bounds(store, &first, &last);
    if (result)
        return result;
    if (range->first_seq > first)
        first = range->first_seq;
    if (range->last_seq && range->last_seq < last)
        last = range->last_seq;
    if (last > 0 && first <= last && range->since_us)
        result = reader_seek_time(store, range->since_us, first, last, &first);
    if (result == EVLOG_OK && last > 0 && first <= last && range->until_us &&
        range->until_us < EVLOG_TIME_US_MAX) {
        result = reader_seek_time(store, range->until_us + 1, first, last, &last);
        last--;
    }
    replay->first = last == 0 ? 1 : first;
    replay->last = last;
    return result;
}

/* ------------------------------------------------------------ delivering ---- */

static void count_failure(struct replay *replay, uint64_t seq)
{
    if (!replay->outcome.first_failed_seq)
        replay->outcome.first_failed_seq = seq;
}

/* One call and what it means for the replay. */
static int deliver_to(struct replay *replay, const struct connection *connection,
                      const evlog_event *event)
{
    const char *sentence;
    evlog_outcome *outcome = &replay->outcome;
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
    count_failure(replay, event->seq);
    if (replay->range->keep_going)
        return EVLOG_OK;
    char why[512];
    strncpy(why, sentence, sizeof why - 1);
    why[sizeof why - 1] = '\0';
    return error_set(EVLOG_RECEIVER, "event %" PRIu64 " (%s): the receiver failed with %d%s%s",
                     event->seq, event->event_type, result, *why ? ": " : "", why);
}

static int deliver_to_connected(struct replay *replay, const evlog_event *event)
{
    int result = EVLOG_OK;
    if (!event->signal || !evlog_signal_is_enabled(event->signal)) {
        replay->outcome.skipped++;
        return EVLOG_OK;
    }
    struct receivers *receivers = receivers_hold(event->signal);
    if (receivers->count == 0)
        replay->outcome.skipped++;
    for (size_t i = 0; i < receivers->count && result == EVLOG_OK; i++)
        result = deliver_to(replay, receivers->connections[i], event);
    receivers_release(receivers);
    return result;
}

static void sleep_until(int64_t due_us)
{
    int64_t wait_us = due_us ? due_us - clock_monotonic_us() : 0;
    struct timespec left = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    while (wait_us > 0 && nanosleep(&left, &left) && errno == EINTR)
        ;
}

static int deliver(struct replay *replay, const struct reader_event *read)
{
    if (!filter_wants(&replay->filter, read->type))
        return EVLOG_OK;
    replay->taken++;
    sleep_until(pace_due_us(&replay->pace, read->record.log_time_us));
    pace_handed(&replay->pace);
    evlog_signal *signal = signal_find(replay->log, read->type->text[0]);
    evlog_event event = event_of(&read->record, read->type, read->source, signal, 1);
    if (!replay->target.receiver)
        return deliver_to_connected(replay, &event);
    struct connection connection = {.receiver = replay->target.receiver,
                                    .ctx = replay->target.ctx};
    return deliver_to(replay, &connection, &event);
}

static int is_enough(const struct replay *replay)
{
    return replay->range->limit && replay->taken >= replay->range->limit;
}

/* Seqs that cannot be read. The reader has said why. */
static int meet_damage(struct replay *replay, uint64_t first, uint64_t last)
{
    replay->outcome.damaged += last - first + 1;
    count_failure(replay, first);
    return replay->range->keep_going ? EVLOG_OK : EVLOG_DAMAGED;
}

/* ------------------------------------------------------------- the walks ---- */

static int walk_forwards(struct replay *replay)
{
    struct reader *reader = &replay->reader;
    int result = EVLOG_OK;
    uint64_t seq = replay->first;
    while (result == EVLOG_OK && seq <= replay->last && !is_enough(replay)) {
        result = reader_read(reader, replay->log->store, seq, replay->last, BATCH);
        if (result == EVLOG_DAMAGED)
            result = meet_damage(replay, seq, reader->next - 1);
        else
            for (size_t i = 0; i < reader->count && result == EVLOG_OK && !is_enough(replay); i++)
                result = deliver(replay, &reader->events[i]);
        seq = reader->next;
    }
    return result;
}

static int deliver_backwards(struct replay *replay)
{
    int result = EVLOG_OK;
    for (size_t i = replay->reader.count; i > 0 && result == EVLOG_OK && !is_enough(replay); i--)
        result = deliver(replay, &replay->reader.events[i - 1]);
    return result;
}

/*
 * The window [low, last] must be read whole before its last event is handed out:
 * when a read ends sooner, by damage or for want of room, the window begins later.
 */
static int walk_backwards(struct replay *replay)
{
    struct reader *reader = &replay->reader;
    int result = EVLOG_OK;
    uint64_t last = replay->last, window = BATCH;
    while (result == EVLOG_OK && last >= replay->first && !is_enough(replay)) {
        uint64_t low = last - replay->first < window ? replay->first : last - window + 1;
        result = reader_read(reader, replay->log->store, low, last, BATCH);
        if (result && result != EVLOG_DAMAGED)
            break;
        if (reader->next <= last) {
            window = last - reader->next + 1;
            result = EVLOG_OK;
            continue;
        }
        if (result == EVLOG_DAMAGED)
            result = meet_damage(replay, low, last);
        else
            result = deliver_backwards(replay);
        last = low - 1;
        window = window * 2 < BATCH ? window * 2 : BATCH;
    }
    return result;
}

static int run(evlog *log, const evlog_range *given, size_t range_size, struct target target,
               evlog_outcome *outcome, size_t outcome_size)
{
    evlog_range range;
    struct replay replay = {.log = log, .range = &range, .target = target};
    int result = sized_in(&range, sizeof range, given, range_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = receivers_check_nesting();
    if (result == EVLOG_OK)
        result = check_range(replay.range);
    if (result == EVLOG_OK)
        result = filter_begin(&replay.filter, replay.range->types, replay.range->type_count);
    if (result == EVLOG_OK) {
        replay.pace.speed = replay.range->speed;
        replay.pace.per_second = replay.range->per_second;
        result = settle_range(&replay);
        if (result == EVLOG_OK)
            result =
                replay.range->newest_first ? walk_backwards(&replay) : walk_forwards(&replay);
    }
    if (result != EVLOG_INVALID && result != EVLOG_LIMIT)
        sized_out(outcome, outcome_size, &replay.outcome, sizeof replay.outcome);
    reader_free(&replay.reader);
    filter_free(&replay.filter);
    log_leave(log);
    return result;
}

int evlog_replay_sized(evlog *log, const evlog_range *range, size_t range_size,
                       evlog_receiver *receiver, void *ctx, evlog_outcome *outcome,
                       size_t outcome_size)
{
    if (!receiver)
        return error_set(EVLOG_INVALID, "no receiver is given");
    return run(log, range, range_size, (struct target){.receiver = receiver, .ctx = ctx}, outcome,
               outcome_size);
}

int evlog_replay_to_receivers_sized(evlog *log, const evlog_range *range, size_t range_size,
                                    evlog_outcome *outcome, size_t outcome_size)
{
    return run(log, range, range_size, (struct target){.receiver = NULL}, outcome, outcome_size);
}
