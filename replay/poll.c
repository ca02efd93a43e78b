/*
 * Working with a consumer: its events one by one, or by a receiver.
 *
 * evlog_consumer_poll and _run are loops over what evlog_consumer_next, _done and _fail do.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "consumer.h"
#include "error.h"
#include "receivers.h"

#define SENTENCE_SIZE (EVLOG_PARKED_ERROR_SIZE_MAX + 1)

static int64_t deadline(int64_t timeout_ms)
{
    int64_t now_us = clock_monotonic_us();
    return timeout_ms < 0 || timeout_ms > (INT64_MAX - now_us) / 1000
               ? INT64_MAX
               : now_us + timeout_ms * 1000;
}

/* Between these two one thread asks for events. EVLOG_BUSY: one does already. */
static int begin_polling(evlog_consumer *consumer)
{
    int result = consumer_check(consumer);
    if (result == EVLOG_OK)
        result = log_enter(consumer->log); /* until end_polling */
    if (result || !atomic_exchange(&consumer->is_polling, true))
        return result;
    log_leave(consumer->log);
    return error_set(EVLOG_BUSY, "consumer %s: it is polled already", consumer->claim.name);
}

/* From here on another thread may close the consumer. */
static void end_polling(evlog_consumer *consumer, int result)
{
    evlog *log = consumer->log;
    if (result == EVLOG_STOPPED)
        atomic_store(&consumer->stop, 0);
    atomic_store(&consumer->is_polling, false);
    log_leave(log);
}

/* ------------------------------------------------------------- one by one ---- */

int evlog_consumer_next(evlog_consumer *consumer, int64_t timeout_ms, const evlog_event **event)
{
    const evlog_event *next;
    if (!event)
        return error_set(EVLOG_INVALID, "no place for the event is given");
    int result = begin_polling(consumer);
    if (result)
        return result;
    consumer_leave_event(consumer);
    result = consumer_next(consumer, deadline(timeout_ms), &next);
    if (result == EVLOG_OK)
        *event = next;
    if (result == EVLOG_OK && next && consumer->turn_count > 1)
        consumer_leave_event(
            consumer); /* if the process dies, which one is to blame is unknown */
    end_polling(consumer, result);
    return result;
}

/*
 * The last turn up to event `seq`, or that of `seq` itself if it is retried; -1: none. Turns of
 * events up to the checkpoint are retries; the others are in the order of their seqs.
 */
static ptrdiff_t find_last(const evlog_consumer *consumer, uint64_t seq)
{
    bool is_retry = seq <= consumer->entry.checkpoint;
    ptrdiff_t last = -1;
    for (size_t i = 0; i < consumer->turn_count; i++) {
        const struct turn *turn = turn_at(consumer, i);
        if (turn->is_retry != is_retry)
            continue;
        if (turn->seq == seq)
            return (ptrdiff_t)i;
        if (!is_retry && turn->seq > seq)
            break;
        if (!is_retry)
            last = (ptrdiff_t)i;
    }
    return last;
}

/* Event `seq` is done, and, unless it is retried, all that were handed out before it. */
static int acknowledge(evlog_consumer *consumer, uint64_t seq)
{
    if (seq == 0 || seq > consumer->place)
        return error_set(EVLOG_INVALID, "consumer %s: event %" PRIu64 " was not handed out yet",
                         consumer->claim.name, seq);
    ptrdiff_t last = find_last(consumer, seq);
    if (last < 0)
        return consumer_commit_if_due(consumer); /* it is acknowledged already */
    if (!turn_at(consumer, (size_t)last)->is_retry)
        for (ptrdiff_t i = 0; i < last; i++)
            if (turn_at(consumer, (size_t)i)->state == TURN_OUT)
                turn_at(consumer, (size_t)i)->state = TURN_DONE;
    return turn_end(consumer, (size_t)last, TURN_DONE);
}

int evlog_consumer_done(evlog_consumer *consumer, uint64_t seq)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    consumer_leave_event(consumer);
    return acknowledge(consumer, seq);
}

/* The turn of an event that is out; -1: there is none. */
static ptrdiff_t find_out(const evlog_consumer *consumer, uint64_t seq)
{
    for (size_t i = consumer->turn_count; i > 0; i--)
        if (turn_at(consumer, i - 1)->seq == seq && turn_at(consumer, i - 1)->state == TURN_OUT)
            return (ptrdiff_t)i - 1;
    return -1;
}

/* Event `seq`, which is out, has failed; with `why` NULL it is given back. */
static int take_back(evlog_consumer *consumer, uint64_t seq, const char *why)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    consumer_leave_event(consumer);
    ptrdiff_t i = find_out(consumer, seq);
    if (i < 0)
        return error_set(EVLOG_INVALID, "consumer %s: event %" PRIu64 " is not handed out",
                         consumer->claim.name, seq);
    return why ? turn_failed(consumer, (size_t)i, why) : turn_given_back(consumer, (size_t)i);
}

int evlog_consumer_fail(evlog_consumer *consumer, uint64_t seq, const char *why)
{
    char sentence[SENTENCE_SIZE];
    snprintf(sentence, sizeof sentence, "%s", why && *why ? why : "it failed");
    return take_back(consumer, seq, sentence);
}

int evlog_consumer_give_back(evlog_consumer *consumer, uint64_t seq)
{
    return take_back(consumer, seq, NULL);
}

int evlog_consumer_commit(evlog_consumer *consumer)
{
    int result = consumer_check(consumer);
    if (result)
        return result;
    return consumer_commit(consumer);
}

/* ----------------------------------------------------------- by a receiver ---- */

struct poll {
    evlog_consumer *consumer;
    uint64_t limit, count;
    int64_t deadline_us;
    evlog_receiver *receiver; /* NULL: those that are connected */
    void *ctx;
};

/* What a receiver, or all of them, made of an event. */
struct answer {
    bool is_heard;           /* somebody got it */
    int failed;              /* what the first one that failed returned */
    char why[SENTENCE_SIZE]; /* ... and reported */
};

static void call(const struct connection *connection, const evlog_event *event,
                 struct answer *answer)
{
    const char *sentence;
    int result = receivers_call(connection, event, &sentence);
    answer->is_heard = true;
    if (!result || answer->failed)
        return;
    answer->failed = result;
    if (*sentence)
        snprintf(answer->why, sizeof answer->why, "%s", sentence);
    else
        snprintf(answer->why, sizeof answer->why, "the receiver returned %d", result);
}

static void call_connected(evlog_consumer *consumer, const evlog_event *event,
                           struct answer *answer)
{
    if (!event->signal || !evlog_signal_is_enabled(event->signal))
        return;
    bool is_replay = event->seq <= consumer->entry.replay_last_seq;
    struct receivers *receivers = receivers_hold(consumer->log);
    const struct connection *connection;
    for (size_t i = 0; (connection = receivers_next(receivers, event->signal, &i));) {
        if (is_replay && connection->replay == EVLOG_REPLAY_REFUSE) {
            consumer->refused_count++;
            answer->is_heard = true;
        } else {
            call(connection, event, answer);
        }
    }
    receivers_release(receivers);
}

/* Ends the turn of an event as its receivers did. It may have been acknowledged inside. */
static int end_turn(evlog_consumer *consumer, uint64_t seq, const struct answer *answer)
{
    ptrdiff_t i = find_out(consumer, seq);
    if (i < 0)
        return EVLOG_OK;
    if (answer->failed)
        return turn_failed(consumer, (size_t)i, answer->why);
    if (!answer->is_heard)
        return turn_end(consumer, (size_t)i, TURN_UNHEARD);
    return consumer->options.ack_by_hand ? EVLOG_OK : turn_end(consumer, (size_t)i, TURN_DONE);
}

static int hand_to_receiver(struct poll *poll, const evlog_event *event)
{
    evlog_consumer *consumer = poll->consumer;
    uint64_t seq = event->seq;
    struct connection given = {.receiver = poll->receiver, .ctx = poll->ctx};
    struct answer answer;
    answer.is_heard = false; /* `why` is large, and not written until it is needed */
    answer.failed = 0;
    if (poll->receiver)
        call(&given, event, &answer);
    else
        call_connected(consumer, event, &answer);
    consumer_leave_event(consumer);
    int result = end_turn(consumer, seq, &answer);
    poll->count += consumer->place >= seq; /* else it comes again */
    return result;
}

static int run_poll(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    int result = EVLOG_OK;
    consumer_leave_event(consumer);
    consumer->refreshed_us = 0;
    while (result == EVLOG_OK && poll->count < poll->limit) {
        const evlog_event *event;
        result = consumer_next(consumer, poll->count ? 0 : poll->deadline_us, &event);
        if (result || !event)
            break;
        result = hand_to_receiver(poll, event);
    }
    if (result == EVLOG_OK && atomic_load(&consumer->stop))
        result = error_set(EVLOG_STOPPED, "consumer %s: it was stopped", consumer->claim.name);
    if (!consumer->uncommitted_count)
        return result;
    char why[ERROR_SIZE]; /* a failure that ended it comes before what the commit says */
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    int committed = consumer_commit(consumer);
    bool is_over = result == EVLOG_OK || (result == EVLOG_STOPPED && committed);
    return is_over ? committed : error_set(result, "%s", why);
}

int evlog_consumer_poll(evlog_consumer *consumer, uint64_t limit, int64_t timeout_ms,
                        evlog_receiver *receiver, void *ctx, uint64_t *count)
{
    struct poll poll = {.consumer = consumer,
                        .limit = limit ? limit : UINT64_MAX,
                        .deadline_us = deadline(timeout_ms),
                        .receiver = receiver,
                        .ctx = ctx};
    if (count)
        *count = 0;
    int result = begin_polling(consumer);
    if (result)
        return result;
    result = run_poll(&poll);
    if (count)
        *count = poll.count;
    end_polling(consumer, result);
    return result;
}

int evlog_consumer_run(evlog_consumer *consumer, evlog_receiver *receiver, void *ctx)
{
    int result = EVLOG_OK;
    while (result == EVLOG_OK)
        result = evlog_consumer_poll(consumer, 0, -1, receiver, ctx, NULL);
    return result == EVLOG_STOPPED ? EVLOG_OK : result;
}

void evlog_consumer_stop(evlog_consumer *consumer)
{
    int errnum = errno; /* a signal handler must leave it alone */
    atomic_fetch_add(&consumer->stopper_count, 1);
    atomic_store(&consumer->stop, 1);
    syscall(SYS_futex, &consumer->stop, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    shared_wake(consumer->log->store->shared);
    atomic_fetch_sub(&consumer->stopper_count, 1); /* evlog_consumer_close waits for it */
    errno = errnum;
}
