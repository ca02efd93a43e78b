/*
 * Parked events that are to be retried (parked.c), and ranges that were lost, taken up again.
 *
 * They come before what is new, one at a time, when the checkpoint has passed them. Before one is
 * handed out it is put on record as parked again, so that an event that kills its process does so
 * once; what becomes of it is then written with what its receiver put. By hand it stays on
 * record until it is acknowledged. Of a range that was lost each seq is tried in turn, and what
 * can be read now is handed out.
 *
 * Cost: two commits for each. Retrying is rare, and ordered by people.
 */
#include <inttypes.h>
#include <stdio.h>

#include "consumer.h"
#include "error.h"
#include "poll.h"

static int take_off_record(evlog_consumer *consumer, enum entry_kind kind, uint64_t seq,
                           uint64_t tag)
{
    struct change *change = change_unpark(consumer->name, kind, seq);
    if (!change)
        return error_nomem();
    change->tag = tag;
    pending_add(&consumer->pending, change);
    return EVLOG_OK;
}

/*
 * What became of the seqs up to `last` of what was retried: they are on record again, or off it,
 * with what was put. Of a range that was lost the rest is retried next.
 */
static int settle_retry(evlog_consumer *consumer, const evlog_parked *parked, uint64_t last,
                        const char *why)
{
    evlog_parked part = *parked, rest = *parked;
    uint64_t tag = why ? 0 : poll_last_tag(consumer);
    part.last_seq = last;
    part.error = why;
    rest.seq = last + 1;
    rest.attempt_count = parked->attempt_count - 1;
    rest.error = "lost, and not retried yet";
    /* somebody may have asked for it again while it was under way: this was it */
    int result = take_off_record(consumer, ENTRY_RETRY, parked->seq, tag);
    if (result == EVLOG_OK)
        result = why ? poll_put_on_record(consumer, ENTRY_PARKED, &part, 0)
                     : take_off_record(consumer, ENTRY_PARKED, parked->seq, tag);
    if (result == EVLOG_OK && rest.seq <= rest.last_seq) {
        rest.is_lost = 1;
        result = poll_put_on_record(consumer, ENTRY_RETRY, &rest, tag);
    }
    if (why)
        poll_tell(consumer, part.is_lost ? EVLOG_NOTICE_LOST : EVLOG_NOTICE_PARKED, part.seq,
                  part.last_seq, why);
    return result ? result : consumer_commit(consumer);
}

/* It is parked as if it had failed before it is handed out, in case the process dies in it. */
static int begin_retry(evlog_consumer *consumer, evlog_parked *parked)
{
    parked->attempt_count++;
    parked->time_us = poll_wall_clock_us();
    parked->error = consumer->options.ack_by_hand ? "it was retried, and not acknowledged"
                                                  : "it was retried, and the process died";
    uint64_t before = consumer->pending.number;
    int result = take_off_record(consumer, ENTRY_RETRY, parked->seq, 0);
    if (result == EVLOG_OK)
        result = poll_put_on_record(consumer, ENTRY_PARKED, parked, 0);
    if (result == EVLOG_OK)
        result = consumer_commit(consumer);
    if (result)
        pending_cut(&consumer->pending, before); /* it waits for its retry still */
    return result;
}

static int hand_out_again(struct poll *poll, evlog_parked *parked,
                          const struct reader_event *read)
{
    evlog_consumer *consumer = poll->consumer;
    char why[SENTENCE_SIZE];
    uint64_t before = consumer->held = consumer->pending.number, owed = consumer->owed;
    if (consumer->options.ack_by_hand)
        consumer->owed = parked->seq; /* unless it acknowledges it inside */
    int result = poll_call(poll, read, parked->attempt_count, poll_last_tag(consumer), why);
    consumer->held = UINT64_MAX;
    poll->count++;
    if (result) {
        pending_cut(&consumer->pending, before);
        consumer->owed = owed;
        parked->is_lost = 0;
        return settle_retry(consumer, parked, parked->seq, why);
    }
    consumer->done_count++;
    return settle_retry(consumer, parked, parked->seq, NULL);
}

/*
 * Reads the first event of what is retried. EVLOG_DAMAGED also when it is no longer there; up to
 * `*last` nothing can be had then.
 */
static int read_parked(struct reader *reader, struct store *store, const evlog_parked *parked,
                       uint64_t *last)
{
    uint64_t first, head, seq = parked->seq;
    int result = store_bounds(store, &first, &head);
    *last = parked->last_seq;
    if (result)
        return result;
    if (seq < first || seq > head) {
        if (first > seq && first <= *last)
            *last = first - 1;
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": it is no longer in the log", seq);
    }
    result = reader_read(reader, store, seq, *last < head ? *last : head, 1);
    if (result == EVLOG_DAMAGED && reader->next <= head)
        *last = reader->next - 1;
    return result;
}

/* 1 when an event of a range that was lost would have been passed in its turn. */
static int is_unwanted(evlog_consumer *consumer, const evlog_parked *parked,
                       const struct reader_event *read)
{
    if (!parked->is_lost)
        return 0;
    if (!filter_wants(&consumer->filter, read->type))
        return 1;
    if (consumer->options.replay != EVLOG_REPLAY_REFUSE ||
        read->record.seq > consumer->position.replay_last_seq)
        return 0;
    consumer->refused_count++;
    return 1;
}

static int retry_one(struct poll *poll, evlog_parked *parked)
{
    evlog_consumer *consumer = poll->consumer;
    struct reader reader = {.events = NULL};
    char why[SENTENCE_SIZE];
    uint64_t last;
    int read = read_parked(&reader, consumer->log->store, parked, &last);
    int result = read == EVLOG_DAMAGED ? EVLOG_OK : read;
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (result == EVLOG_OK)
        result = begin_retry(consumer, parked);
    if (result == EVLOG_OK && read)
        result = settle_retry(consumer, parked, last, why);
    else if (result == EVLOG_OK && is_unwanted(consumer, parked, &reader.events[0]))
        result = settle_retry(consumer, parked, parked->seq, NULL);
    else if (result == EVLOG_OK)
        result = hand_out_again(poll, parked, &reader.events[0]);
    reader_free(&reader);
    return result;
}

/*
 * By hand they come when all that was handed out is acknowledged: so it is known which
 * acknowledgement means them, and none comes in its turn once more, having been parked ahead
 * of the checkpoint.
 */
int retry_is_due(const evlog_consumer *consumer)
{
    if (consumer->options.ack_by_hand && consumer->acked < consumer->out)
        return 0;
    const struct consumer_entry *position = &consumer->position;
    return position->retry_count > 0 && (position->retry_count != consumer->no_retry_count ||
                                         position->checkpoint != consumer->no_retry_at);
}

/* Takes up the first parked event that is to be retried, if it is due. */
int retry_next(struct poll *poll)
{
    evlog_consumer *consumer = poll->consumer;
    evlog_parked parked;
    int result = consumers_next_retry(consumer->log->store, consumer->name, &parked);
    if (result == EVLOG_OK && parked.seq <= consumer->position.checkpoint)
        return retry_one(poll, &parked);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    consumer->no_retry_count = consumer->position.retry_count;
    consumer->no_retry_at = consumer->position.checkpoint;
    return EVLOG_OK;
}
