/*
 * A consumer at work: which event is next, handing it out, and what its failure means.
 *
 * Events come from the log in batches (store/reader.c) and are dealt with one by one, in order:
 * passed over when they are not wanted, handed out, or, when that has failed too often, parked
 * or skipped. `place` is the last seq dealt with, which the checkpoint follows (checkpoint.c).
 *
 * 1. The checkpoint passes an event only when it is done, parked, skipped, lost, or not wanted;
 *    what is written with it (state, parked) is of the events it passes (state.c).
 * 2. What may have been handed out and is not passed by the checkpoint is known from the mark
 *    that earlier holders left (store/shared.c). Such events say that they come again. The
 *    checkpoint is written just before and after the one in whose receiver a process died: so
 *    if it is the one that kills, it is met alone, and its deaths are counted.
 * 3. Nothing is held while a receiver runs. Of what it is given nothing changes when it polls,
 *    which is refused, or acknowledges.
 *
 * Waiting. With nothing to do it takes a ticket, looks once more, and sleeps until some process
 * commits. For its own times (the next attempt, the pace) it sleeps on a word of its own, so that
 * commits do not wake it. evlog_consumer_stop ends both.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "consumer.h"
#include "error.h"
#include "event.h"
#include "poll.h"
#include "receivers.h"

#define BATCH 1024
#define PASS_AFTER_US \
    1000000               /* having passed over unwanted events is written when idle so long */
#define REFRESH_US 100000 /* how soon a pause is noticed */

/* What a step comes to, besides EVLOG_OK, one thing dealt with, and the errors. */
enum { NOTHING = 1, LATER = 2 };

void poll_tell(const evlog_consumer *consumer, int kind, uint64_t first, uint64_t last,
               const char *text)
{
    evlog_notice notice = {.kind = kind, .first_seq = first, .last_seq = last, .text = text};
    if (consumer->options.notice)
        consumer->options.notice(&notice, consumer->options.notice_ctx);
}

/* ------------------------------------------------------------- handing out ---- */

/* To all who are connected; the first failure is the event's. */
static int call_connected(evlog_consumer *consumer, const evlog_event *event, int is_replay,
                          char *why)
{
    int failed = 0;
    if (!event->signal || !evlog_signal_is_enabled(event->signal))
        return 0;
    struct receivers *receivers = receivers_hold(event->signal);
    for (size_t i = 0; i < receivers->count; i++) {
        const struct connection *connection = receivers->connections[i];
        const char *sentence;
        if (is_replay && connection->replay == EVLOG_REPLAY_REFUSE) {
            consumer->refused_count++;
            continue;
        }
        int result = receivers_call(connection, event, &sentence);
        if (result && !failed) {
            failed = result;
            snprintf(why, SENTENCE_SIZE, "%s", sentence);
        }
    }
    receivers_release(receivers);
    return failed;
}

/* Whom changes belong to that are made outside of an event's turn. */
uint64_t poll_last_tag(const evlog_consumer *consumer)
{
    return consumer->options.ack_by_hand ? 2 * consumer->out + 1 : 0;
}

/* Calls whoever is to be called. What the receiver returned, and in `why` what it said. */
int poll_call(struct poll *poll, const struct reader_event *read, uint32_t attempt, uint64_t tag,
              char *why)
{
    evlog_consumer *consumer = poll->consumer;
    const char *sentence = "";
    evlog_signal *signal = signal_find(consumer->log, read->type->text[0]);
    int is_replay = read->record.seq <= consumer->position.replay_last_seq;
    int says_so = is_replay && consumer->options.replay != EVLOG_REPLAY_SILENT;
    evlog_event event = event_of(&read->record, read->type, read->source, signal, says_so);
    struct connection connection = {.receiver = poll->receiver, .ctx = poll->ctx};
    int result;
    event.attempt = attempt;
    consumer->tag = tag;
    *why = '\0';
    if (poll->receiver)
        result = receivers_call(&connection, &event, &sentence);
    else
        result = call_connected(consumer, &event, is_replay, why);
    if (*sentence)
        snprintf(why, SENTENCE_SIZE, "%s", sentence);
    if (result && !*why)
        snprintf(why, SENTENCE_SIZE, "the receiver returned %d", result);
    consumer->tag = poll_last_tag(consumer);
    return result;
}

/* ------------------------------------------------------------ dealt with ---- */

/* The event in hand is dealt with, whether it was handed out or not. */
static int move_on(evlog_consumer *consumer, const struct record *record, int was_handed)
{
    consumer->place = record->seq;
    consumer->chain = record->chain;
    consumer->at++;
    consumer->seq = 0;
    if (was_handed && consumer->uncommitted_count++ == 0)
        consumer->uncommitted_since_us = pace_now_us();
    return checkpoint_when_due(consumer);
}

int64_t poll_wall_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * Puts an event, or a range that is lost, on record; committed by the caller. `tag`: see
 * state.c.
 */
int poll_put_on_record(evlog_consumer *consumer, enum entry_kind kind, const evlog_parked *parked,
                       uint64_t tag)
{
    struct change *change = change_park(consumer->name, kind, parked);
    if (!change)
        return error_nomem();
    change->tag = tag;
    pending_add(&consumer->pending, change);
    return EVLOG_OK;
}

static int park(evlog_consumer *consumer, const struct record *record, const char *why)
{
    evlog_parked parked = {.seq = record->seq,
                           .last_seq = record->seq,
                           .attempt_count = consumer->attempt,
                           .time_us = poll_wall_clock_us(),
                           .error = why};
    int result = poll_put_on_record(consumer, ENTRY_PARKED, &parked, 0);
    if (result)
        return result;
    poll_tell(consumer, EVLOG_NOTICE_PARKED, record->seq, record->seq, why);
    result = move_on(consumer, record, 1);
    return result ? result : consumer_commit(consumer);
}

/* It has failed for the last time. */
static int give_up(evlog_consumer *consumer, const struct record *record, const char *why)
{
    switch (consumer->options.on_failure) {
    case EVLOG_FAILURE_STOP:
        consumer->failure_count = consumer->options.attempt_max - 1; /* once more, when asked */
        return error_set(EVLOG_RECEIVER, "consumer %s: event %" PRIu64 " failed: %s",
                         consumer->name, record->seq, why);
    case EVLOG_FAILURE_SKIP:
        consumer->skipped_count++;
        poll_tell(consumer, EVLOG_NOTICE_SKIPPED, record->seq, record->seq, why);
        return move_on(consumer, record, 1);
    default:
        return park(consumer, record, why);
    }
}

static int fail(evlog_consumer *consumer, const struct record *record, const char *why)
{
    const evlog_consumer_options *options = &consumer->options;
    uint64_t wait_ms = options->backoff_ms;
    if (options->ack_by_hand && consumer->acked >= record->seq)
        return move_on(consumer, record, 1); /* acknowledged before it failed */
    if (++consumer->failure_count >= options->attempt_max) {
        int result = give_up(consumer, record, why);
        if (consumer->seq)
            consumer->attempt++;
        return result;
    }
    for (uint32_t i = 1; i < consumer->failure_count && wait_ms < options->backoff_max_ms; i++)
        wait_ms *= 2;
    if (wait_ms > options->backoff_max_ms)
        wait_ms = options->backoff_max_ms;
    consumer->attempt++;
    consumer->due_us = pace_now_us() + (int64_t)wait_ms * 1000;
    return LATER;
}

/* ------------------------------------------------------- the event in hand ---- */

/* An event is met for the first time by this process: how often was it handed out before? */
static void take_in_hand(evlog_consumer *consumer, const struct record *record)
{
    const struct shared_mark *mark = &consumer->mark;
    consumer->seq = record->seq;
    consumer->failure_count = 0;
    consumer->attempt = 1;
    if (record->seq <= mark->most)
        consumer->attempt = 2;
    if (record->seq == mark->seq)
        consumer->attempt = mark->attempt + 1;
    consumer->due_us = pace_due_us(&consumer->pace, record->log_time_us);
}

/* 1 when it need not be handed out. */
static int is_to_be_passed(evlog_consumer *consumer, const struct reader_event *read)
{
    uint64_t seq = read->record.seq;
    if (!filter_wants(&consumer->filter, read->type))
        return 1;
    if (consumer->options.replay == EVLOG_REPLAY_REFUSE &&
        seq <= consumer->position.replay_last_seq) {
        consumer->refused_count++;
        return 1;
    }
    /* by hand an event may be parked before the checkpoint passes it */
    bool is_parked = false;
    if (consumer->options.ack_by_hand && seq <= consumer->mark.most)
        consumers_is_parked(consumer->log->store, consumer->name, seq, &is_parked);
    return is_parked;
}

static int hand_out(struct poll *poll, const struct reader_event *read)
{
    evlog_consumer *consumer = poll->consumer;
    struct shared *shared = consumer->log->store->shared;
    const struct record *record = &read->record;
    unsigned slot = consumer->position.slot;
    uint32_t deaths = record->seq == consumer->mark.seq ? consumer->mark.inside : 0;
    char why[SENTENCE_SIZE];
    if (deaths >= EVLOG_DEATHS_MAX) {
        consumer->mark.inside = 0;
        consumer->attempt--; /* it is not handed out this time */
        int given_up =
            give_up(consumer, record, "its receiver did not return: the process died in it");
        consumer->attempt += consumer->seq != 0;
        poll->count += consumer->seq == 0;
        return given_up;
    }
    shared_mark_enter(shared, slot,
                      (struct shared_mark){.seq = record->seq,
                                           .attempt = consumer->attempt,
                                           .inside = deaths + 1});
    uint64_t before = consumer->pending.number;
    int result = poll_call(poll, read, consumer->attempt, 2 * record->seq, why);
    shared_mark_leave(shared, slot);
    pace_handed(&consumer->pace);
    if (result) {
        pending_cut(&consumer->pending, before);
        result = fail(consumer, record, why);
        poll->count += consumer->seq == 0;
        return result;
    }
    consumer->done_count++;
    consumer->out = record->seq;
    consumer->tag = poll_last_tag(consumer);
    poll->count++;
    return move_on(consumer, record, 1);
}

/* The next event of the batch. */
static int deal_with(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    const struct reader_event *read = &consumer->reader.events[consumer->at];
    if (consumer->seq != read->record.seq) {
        if (is_to_be_passed(consumer, read))
            return move_on(consumer, &read->record, 0);
        take_in_hand(consumer, &read->record);
    }
    if (consumer->due_us && pace_now_us() < consumer->due_us)
        return LATER;
    return hand_out(poll, read);
}

/* --------------------------------------------------------------- more events ---- */

/* Events that cannot be had: told, on record, and passed. */
static int lose(evlog_consumer *consumer, uint64_t last, const char *text)
{
    char why[SENTENCE_SIZE];
    evlog_parked parked = {.seq = consumer->place + 1,
                           .last_seq = last,
                           .time_us = poll_wall_clock_us(),
                           .is_lost = 1,
                           .error = why};
    snprintf(why, sizeof why, "%s", text);
    int result = poll_put_on_record(consumer, ENTRY_PARKED, &parked, 0);
    if (result)
        return result;
    poll_tell(consumer, EVLOG_NOTICE_LOST, parked.seq, last, why);
    consumer->place = last;
    consumer->chain = 0;
    return consumer_commit(consumer);
}

/* Reads the next batch. NOTHING: there is none. */
static int read_more(evlog_consumer *consumer)
{
    struct store *store = consumer->log->store;
    uint64_t first, head, next = consumer->place + 1;
    int result = store_bounds(store, &first, &head);
    consumer->reader.count = consumer->at = 0;
    if (result || head < next)
        return result ? result : NOTHING;
    if (consumer->is_caught_up && head - consumer->place > consumer->options.behind_count) {
        consumer->is_caught_up = 0;
        poll_tell(consumer, EVLOG_NOTICE_FELL_BEHIND, consumer->place, head, "");
    }
    if (first > next)
        return lose(consumer, first - 1, "no longer in the log");
    result = reader_read(&consumer->reader, store, next, head, BATCH);
    if (result != EVLOG_DAMAGED)
        return result;
    consumer->reader.count = 0;
    return lose(consumer, consumer->reader.next - 1, evlog_errmsg());
}

/* What others may have changed: it is paused, parked events are to be retried. */
static int refresh(evlog_consumer *consumer)
{
    struct consumer_entry now;
    int result = consumers_read(consumer->log->store, consumer->name, &now);
    if (result)
        return result;
    consumer->position.is_paused = now.is_paused;
    consumer->position.retry_count = now.retry_count;
    consumer->refreshed_us = pace_now_us();
    return EVLOG_OK;
}

static int step(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    int result = EVLOG_OK;
    if (pace_now_us() - consumer->refreshed_us > REFRESH_US)
        result = refresh(consumer);
    if (result)
        return result;
    if (consumer->position.is_paused)
        return NOTHING;
    if (retry_is_due(consumer))
        return retry_next(poll);
    if (consumer->at < consumer->reader.count)
        return deal_with(poll);
    return read_more(consumer);
}

/* ------------------------------------------------------------------ waiting ---- */

static int is_stopped(const evlog_consumer *consumer)
{
    return atomic_load(&consumer->stop) != 0;
}

/* Waits for the event in hand to be due; 0 when the poll's time ends before. */
static int wait_until_due(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    int64_t now_us = pace_now_us();
    int64_t until_us =
        consumer->due_us < poll->deadline_us ? consumer->due_us : poll->deadline_us;
    int64_t wait_us = until_us - now_us < REFRESH_US ? until_us - now_us : REFRESH_US;
    struct timespec time = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    if (now_us >= poll->deadline_us)
        return 0;
    if (wait_us > 0)
        syscall(SYS_futex, &consumer->stop, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
    return 1;
}

/* Waits until there may be something to do. */
static int wait_for_more(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    struct shared *shared = consumer->log->store->shared;
    uint32_t ticket = shared_ticket(shared);
    uint64_t first, head = 0;
    int64_t wait_us = poll->deadline_us - pace_now_us();
    int result = refresh(consumer);
    if (result == EVLOG_OK)
        result = store_bounds(consumer->log->store, &first, &head);
    if (result || is_stopped(consumer))
        return result;
    if (!consumer->position.is_paused && (head > consumer->place || retry_is_due(consumer)))
        return EVLOG_OK;
    if (consumer->position.checkpoint < checkpoint_may_be(consumer) && wait_us > PASS_AFTER_US)
        wait_us = PASS_AFTER_US; /* some were not wanted: settle() writes it down then */
    if (wait_us > 0)
        shared_wait(shared, ticket, wait_us);
    return EVLOG_OK;
}

/* There is nothing to do: say so, once, and leave nothing unwritten. */
static int settle(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    if (!consumer->is_caught_up && !consumer->position.is_paused) {
        consumer->is_caught_up = 1;
        poll_tell(consumer, EVLOG_NOTICE_CAUGHT_UP, consumer->place, consumer->place, "");
    }
    int has_waited = pace_now_us() - consumer->committed_us > PASS_AFTER_US;
    return consumer->uncommitted_count || has_waited ? consumer_commit(consumer) : EVLOG_OK;
}

/* --------------------------------------------------------------------- poll ---- */

static int run_poll(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    int result = refresh(consumer);
    if (result == EVLOG_OK && consumer->must_commit)
        result = consumer_commit(consumer);
    while (result == EVLOG_OK && poll->count < poll->limit && !is_stopped(consumer)) {
        result = step(poll);
        if (result == LATER) {
            result = EVLOG_OK;
            if (consumer->uncommitted_count)
                result = checkpoint_when_due(consumer);
            if (!wait_until_due(poll))
                break;
        } else if (result == NOTHING) {
            result = settle(poll);
            if (result || poll->count > 0 || pace_now_us() >= poll->deadline_us)
                break;
            result = wait_for_more(poll);
        }
    }
    if (consumer->options.ack_by_hand || !consumer->uncommitted_count)
        return result;
    char why[1024]; /* what ended it comes before what the commit says */
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    int committed = consumer_commit(consumer);
    return result ? error_set(result, "%s", why) : committed;
}

static int64_t deadline(int64_t timeout_ms)
{
    int64_t now_us = pace_now_us();
    return timeout_ms < 0 || timeout_ms > (INT64_MAX - now_us) / 1000
               ? INT64_MAX
               : now_us + timeout_ms * 1000;
}

/* One poll; `*was_stopped` tells why it ended. */
static int poll_once(evlog_consumer *consumer, uint64_t limit, int64_t timeout_ms,
                     evlog_receiver *receiver, void *ctx, uint64_t *count, int *was_stopped)
{
    struct poll poll = {.consumer = consumer,
                        .limit = limit ? limit : UINT64_MAX,
                        .deadline_us = deadline(timeout_ms),
                        .receiver = receiver,
                        .ctx = ctx};
    if (count)
        *count = 0;
    int result = consumer_enter(consumer);
    if (result)
        return result;
    evlog *log = consumer->log;
    if (atomic_exchange(&consumer->is_polling, 1)) {
        consumer_leave(consumer);
        return error_set(EVLOG_BUSY, "consumer %s: it is polled already", consumer->name);
    }
    result = run_poll(&poll);
    *was_stopped = atomic_exchange(&consumer->stop, 0) != 0;
    atomic_store(&consumer->is_polling, 0); /* from here on another thread may close it */
    if (count)
        *count = poll.count;
    log_leave(log);
    return result;
}

int evlog_consumer_poll(evlog_consumer *consumer, uint64_t limit, int64_t timeout_ms,
                        evlog_receiver *receiver, void *ctx, uint64_t *count)
{
    int was_stopped;
    return poll_once(consumer, limit, timeout_ms, receiver, ctx, count, &was_stopped);
}

int evlog_consumer_run(evlog_consumer *consumer, evlog_receiver *receiver, void *ctx)
{
    int was_stopped = 0, result = EVLOG_OK;
    while (result == EVLOG_OK && !was_stopped)
        result = poll_once(consumer, 0, -1, receiver, ctx, NULL, &was_stopped);
    return result;
}

void evlog_consumer_stop(evlog_consumer *consumer)
{
    int errnum = errno; /* a signal handler must leave it alone */
    atomic_fetch_add(&consumer->stopper_count, 1);
    atomic_store(&consumer->stop, 1);
    syscall(SYS_futex, &consumer->stop, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    shared_wake(consumer->log->store->shared);
    atomic_fetch_sub(&consumer->stopper_count, 1); /* and who waits for that frees it */
    errno = errnum;
}

int evlog_consumer_ack(evlog_consumer *consumer, uint64_t seq)
{
    int result = consumer_enter(consumer);
    if (result)
        return result;
    uint64_t in_hand = consumer->tag / 2, owed = consumer->owed, acked = consumer->acked;
    uint64_t most = consumer->place > in_hand ? consumer->place : in_hand;
    if (!consumer->options.ack_by_hand)
        result =
            error_set(EVLOG_INVALID,
                      "consumer %s: it is acknowledged by its receiver's return, not by hand",
                      consumer->name);
    else if (seq > most)
        result = error_set(EVLOG_INVALID, "consumer %s: event %" PRIu64 " was not handed out yet",
                           consumer->name, seq);
    if (result == EVLOG_OK && (seq > acked || (owed && seq >= owed))) {
        consumer->acked = seq > acked ? seq : acked;
        consumer->owed = 0;
        result = consumer_commit(consumer);
        if (result) {
            consumer->acked = acked;
            consumer->owed = owed;
        }
    }
    consumer_leave(consumer);
    return result;
}
