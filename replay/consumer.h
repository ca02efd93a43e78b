/* An open consumer and its line, see consumer.c. */
#ifndef REPLAY_CONSUMER_H
#define REPLAY_CONSUMER_H

#include <stdatomic.h>

#include "claim.h"
#include "filter.h"
#include "log.h"
#include "pace.h"
#include "pending.h"
#include "reader.h"
#include "visit.h"

/* An event is out from being handed out until it is done or has failed. */
enum turn_state {
    TURN_OUT,
    TURN_DONE,    /* done, or acknowledged; one that was handed out before it is still out */
    TURN_UNHEARD, /* the same, but no receiver was connected to it */
};

/* An event that was handed out and that the checkpoint may not pass yet. */
struct turn {
    enum turn_state state;
    uint32_t attempt;
    uint64_t seq;
    uint64_t before, before_chain; /* the place, and its chain, when it was handed out */
    uint64_t chain;
    uint64_t last_seq;      /* of a range of lost events, whose first one is retried: its end */
    uint32_t failure_count; /* in this process */
    bool is_retry;          /* a parked event, handed out again */
};

/* The event that is to be handed out next, while it waits for its pace or its next attempt. */
struct upcoming {
    uint64_t seq; /* 0: none */
    uint32_t attempt, failure_count;
    int64_t due_us; /* monotonic; 0: at once */
};

struct evlog_consumer {
    evlog *log;
    struct claim claim;
    evlog_consumer_options options; /* with the defaults filled in; its types are not used */
    struct filter filter;
    struct member member;        /* workers 0: it is not a worker */
    struct consumer_entry entry; /* as it was last read or written */
    bool is_lost;                /* another process has taken it over */
    struct shared_mark mark; /* of earlier holders, but for `most`, which is kept up to date */

    /* The line. */
    uint64_t place, chain; /* the last seq dealt with, and the chain of that event; 0: unknown */
    struct turn *turns;    /* in the order of being handed out */
    size_t turn_first, turn_count, turn_max;
    uint64_t passed_count; /* turns passed so far: so turn i has number passed_count + 1 + i */
    struct upcoming upcoming;
    uint64_t parked_next; /* the first parked event after the place; 0: not asked for yet */

    /* Reading. */
    struct reader reader;       /* the batch that `place` is in */
    size_t at;                  /* its next event */
    struct reader retry_reader; /* the parked event that was handed out last */
    evlog_event event;          /* the last one that was handed out */
    bool is_inside;             /* its receiver is running, as far as is known */
    bool is_caught_up;
    bool may_retry;       /* a parked event may be due to be retried */
    uint64_t retry_place; /* ... after this one, or else from the first one on */
    struct pace pace;
    struct visit visit;

    /* What waits for a commit. */
    struct pending pending;
    uint64_t done_count, refused_count, skipped_count;
    uint64_t uncommitted_count; /* turns passed since the last commit */
    bool must_commit;           /* without waiting for more */
    int64_t uncommitted_since_us, committed_us, refreshed_us;
    int64_t checked_us; /* `now_us` when `shared` was looked at last */
    int64_t now_us;     /* monotonic: when this call began, or the last receiver returned */

    atomic_bool is_polling;
    _Atomic uint32_t stop;     /* a futex of this process */
    atomic_uint stopper_count; /* calls of evlog_consumer_stop under way */
};

/*
 * Every call but open begins with it. EVLOG_FORKED, EVLOG_INVALID. An open consumer keeps its log from being closed, so
 * its calls need not enter the log; only those that wait do (poll.c), since another thread may close the consumer then.
 */
int consumer_check(const evlog_consumer *consumer);

void consumer_notify(const evlog_consumer *consumer, evlog_notice_kind kind, uint64_t first,
                     uint64_t last, const char *text);

/* ---------------------------------------------------------------- turns ---- */

/* The turn that state and changes belong to now: the last one, or the one passed before it. */
uint64_t turn_number_now(const evlog_consumer *consumer);

/*
 * Begins a turn: the upcoming event, `record`, is out; or the first event of `parked`, which is
 * retried, is: it goes off the record with this turn. EVLOG_LIMIT: EVLOG_OUT_MAX. EVLOG_NOMEM.
 */
int turn_begin(evlog_consumer *consumer, const struct record *record);
int turn_begin_retry(evlog_consumer *consumer, const evlog_parked *parked);

/* Ends turn i, if it is out, as TURN_DONE or TURN_UNHEARD. It is committed when that is due. */
int turn_end(evlog_consumer *consumer, size_t i, enum turn_state state);

/*
 * Turn i failed: it and all turns after it are taken back, and it comes again when it is due, or
 * is given up as on_failure says. EVLOG_RECEIVER: with EVLOG_FAILURE_STOP.
 */
int turn_failed(evlog_consumer *consumer, size_t i, const char *why);

/* Turn i and all after it are taken back, and come again at once; none of them has failed. */
int turn_given_back(evlog_consumer *consumer, size_t i);

/* ------------------------------------------------- events without a turn ---- */

/* The place moves over an event that is not asked for, or is parked. */
int consumer_pass(evlog_consumer *consumer, const struct record *record);

/* The seqs after the place up to `last` cannot be read: they go on record, and are passed. */
int consumer_lose(evlog_consumer *consumer, uint64_t last, const char *why);

/*
 * The seqs of `parked`, which are to be retried, up to `last`: cannot be read, and stay on record;
 * or, `why` NULL, are not asked for, and go off it.
 */
int consumer_pass_retry(evlog_consumer *consumer, const evlog_parked *parked, uint64_t last,
                        const char *why);

/* Turn i, from 0. */
static inline struct turn *turn_at(const evlog_consumer *consumer, size_t i)
{
    return &consumer->turns[consumer->turn_first + i];
}

/* ----------------------------------------------------------- checkpoint ---- */

/* Writes the checkpoint and what goes with it, if there is something to write. */
int consumer_commit(evlog_consumer *consumer);
int consumer_commit_if_due(evlog_consumer *consumer);

/*
 * EVLOG_BUSY: the entry, as it is now, is not as this process wrote it; is_lost from then on. The
 * second is the error of all that is refused because of it.
 */
int consumer_check_owner(evlog_consumer *consumer, const struct consumer_entry *now);
int consumer_lost(const evlog_consumer *consumer);

/* The last seq that the checkpoint may pass now. */
uint64_t consumer_floor(const evlog_consumer *consumer);

/* ---------------------------------------------------------------- next.c ---- */

/*
 * The next event: in consumer->event, and as the last of the turns. `*event` NULL: there was none
 * until `deadline_us`, or it is paused. EVLOG_STOPPED, and the errors of evlog_consumer_next.
 */
int consumer_next(evlog_consumer *consumer, int64_t deadline_us, const evlog_event **event);

/* The receiver of the last event, if it was running, has returned. Reads the clock. */
void consumer_leave_event(evlog_consumer *consumer);

#endif
