/* One poll of a consumer, and what its files share: poll.c, checkpoint.c, retry.c. */
#ifndef REPLAY_POLL_H
#define REPLAY_POLL_H

#include "consumer.h"

#define SENTENCE_SIZE (EVLOG_PARKED_ERROR_SIZE_MAX + 1)

struct poll {
    evlog_consumer *consumer;
    uint64_t limit, count;
    int64_t deadline_us;      /* of pace_now_us */
    evlog_receiver *receiver; /* NULL: those who are connected */
    void *ctx;
};

void poll_tell(const evlog_consumer *consumer, int kind, uint64_t first, uint64_t last,
               const char *text);

/*
 * Calls whoever is to be called. What the receiver returned, and in `why` (SENTENCE_SIZE) what
 * it said.
 */
int poll_call(struct poll *poll, const struct reader_event *read, uint32_t attempt, uint64_t tag,
              char *why);

/*
 * Puts an event, or a range that is lost, on record; committed by the caller. `tag`: see
 * state.c.
 */
int poll_put_on_record(evlog_consumer *consumer, enum entry_kind kind, const evlog_parked *parked,
                       uint64_t tag);

/* The tag of changes that are made outside an event's turn. */
uint64_t poll_last_tag(const evlog_consumer *consumer);

int64_t poll_wall_clock_us(void);

/* -------------------------------------------------------- checkpoint.c ---- */

/* Where the checkpoint may be now. */
uint64_t checkpoint_may_be(const evlog_consumer *consumer);

/* Writes it when it is time. */
int checkpoint_when_due(evlog_consumer *consumer);

/* ------------------------------------------------------------- retry.c ---- */

/* 1 when a parked event is to be retried now. */
int retry_is_due(const evlog_consumer *consumer);

/* Takes up the first one. */
int retry_next(struct poll *poll);

#endif
