/*
 * A consumer's checkpoint: where it may be, and when it is written.
 *
 * It follows `place`, the last seq dealt with, or, when acknowledging is by hand, the last
 * acknowledged, past which only events lie that were not handed out. Writing it is a commit of
 * state.mdb, so it waits for many events, for a while at most; and is due just before and
 * just after the event in whose receiver an earlier process died, so that this one is met alone.
 *
 * A commit that fails loses nothing: what was to be written stays, in its order, and the next
 * poll tries it before it hands out more.
 */
#include "consumer.h"
#include "error.h"
#include "poll.h"

#define COMMIT_AFTER_US 100000 /* an event done longer ago is written with the next one */
#define PASS_COUNT 16384       /* events passed over before that is written */
#define PENDING_SIZE ((size_t)1 << 20)

uint64_t checkpoint_may_be(const evlog_consumer *consumer)
{
    if (!consumer->options.ack_by_hand)
        return consumer->place;
    if (consumer->acked < consumer->out || consumer->acked > consumer->place)
        return consumer->acked;
    return consumer->place;
}

/* The consumer's own part of its entry. */
struct advance {
    const evlog_consumer *consumer;
    uint64_t checkpoint, chain;
};

static int advance(struct consumer_entry *position, void *ctx)
{
    const struct advance *to = ctx;
    position->checkpoint = to->checkpoint;
    position->chain = to->chain;
    position->done_count += to->consumer->done_count;
    position->refused_count += to->consumer->refused_count;
    position->skipped_count += to->consumer->skipped_count;
    return EVLOG_OK;
}

int consumer_commit(evlog_consumer *consumer)
{
    uint64_t done = checkpoint_may_be(consumer);
    struct change *changes =
        pending_take(&consumer->pending, 2 * done + !consumer->owed, consumer->held);
    consumer->must_commit = 0;
    if (!changes && done == consumer->position.checkpoint)
        return EVLOG_OK;
    struct advance to = {.consumer = consumer, .checkpoint = done, .chain = consumer->chain};
    if (done != consumer->place)
        to.chain = consumer_chain_at(consumer->log->store, done);
    int result = consumers_write(consumer->log->store, consumer->name, advance, &to, changes,
                                 &consumer->position);
    if (result) {
        pending_back(&consumer->pending, changes);
        consumer->must_commit = 1;
        return result;
    }
    changes_free(changes);
    consumer->done_count = consumer->refused_count = consumer->skipped_count = 0;
    consumer->uncommitted_count = 0;
    consumer->committed_us = pace_now_us();
    return EVLOG_OK;
}

/* Just before or just after the event in whose receiver an earlier process died. */
static int is_beside_death(const evlog_consumer *consumer)
{
    return consumer->mark.inside &&
           (consumer->place + 1 == consumer->mark.seq || consumer->place == consumer->mark.seq);
}

int checkpoint_when_due(evlog_consumer *consumer)
{
    int is_due = is_beside_death(consumer) ||
                 consumer->uncommitted_count >= consumer->options.commit_every ||
                 consumer->pending.size > PENDING_SIZE ||
                 consumer->place - consumer->position.checkpoint > PASS_COUNT;
    if (consumer->options.ack_by_hand)
        return EVLOG_OK;
    if (!is_due && consumer->uncommitted_count > 0)
        is_due = pace_now_us() - consumer->uncommitted_since_us > COMMIT_AFTER_US;
    return is_due ? consumer_commit(consumer) : EVLOG_OK;
}
