/* An open consumer, see consumer.c and poll.c. */
#ifndef REPLAY_CONSUMER_H
#define REPLAY_CONSUMER_H

#include <stdatomic.h>

#include "consumers.h"
#include "filter.h"
#include "log.h"
#include "pace.h"
#include "reader.h"

#define CHANGE_BUCKETS 256

/* What is to be written with the next checkpoint that passes it, see state.c. */
struct pending {
    struct change *first, **end;            /* in the order in which it was made */
    uint64_t number;                        /* of the last one ever added */
    size_t size;                            /* bytes */
    struct change *buckets[CHANGE_BUCKETS]; /* by key, the newest first */
};

struct evlog_consumer {
    evlog *log;
    struct evlog_consumer *next; /* open in this process; under the log's lock */
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    evlog_consumer_options options; /* with the defaults filled in; its types are not used */
    char **types;                   /* of the filter, owned */
    struct filter filter;
    struct pace pace;
    int has_claim; /* on the slot; under the log's lock */
    unsigned slot;
    atomic_int is_polling;
    _Atomic uint32_t stop;     /* a futex of this process */
    atomic_uint stopper_count; /* calls of evlog_consumer_stop under way */

    struct consumer_entry position; /* as it was last read or written */
    struct shared_mark mark; /* what earlier processes left: events up to its most come again */
    struct reader reader;
    size_t at;           /* the next event of the reader's batch */
    uint64_t place;      /* the last seq dealt with */
    uint64_t chain;      /* of that one; 0: not known */
    uint64_t out, acked; /* by hand: the last handed out, and the last acknowledged */
    uint64_t owed;       /* by hand: the last retried that is not acknowledged; 0: none */
    int is_caught_up;
    uint64_t no_retry_at, no_retry_count; /* the checkpoint and count at which none was due */

    uint64_t seq; /* the event in hand, perhaps between two attempts; 0: none */
    uint32_t attempt, failure_count;
    int64_t due_us; /* when it is to be handed out */

    struct pending pending;
    uint64_t tag;  /* whom changes belong to now, see state.c */
    uint64_t held; /* changes after this one wait for the receiver's return; UINT64_MAX: none */
    void *value;   /* the last one that evlog_state_get read from the file */
    uint64_t done_count, refused_count, skipped_count; /* not written yet */
    uint64_t uncommitted_count; /* events handed out since the last commit */
    int must_commit;            /* the last commit failed */
    int64_t uncommitted_since_us, committed_us, refreshed_us;
};

/* Between these two is every call but open and close. EVLOG_FORKED, EVLOG_INVALID. */
int consumer_enter(evlog_consumer *consumer);
void consumer_leave(evlog_consumer *consumer);

/* Writes the checkpoint and what goes with it, if there is something to write (poll.c). */
int consumer_commit(evlog_consumer *consumer);

/* The chain of an event, 0 when there is none or it cannot be read. */
uint64_t consumer_chain_at(struct store *store, uint64_t seq);

/*
 * Takes a consumer, of which log and name are known, for this handle alone: nobody else opens,
 * moves or removes it. Waits for another process for a while. EVLOG_BUSY: named;
 * EVLOG_NOTFOUND: no such consumer. Its position is read.
 */
int consumer_take(evlog_consumer *consumer, uint32_t wait_ms);
void consumer_let_go(evlog_consumer *consumer);

/* ------------------------------------------------------------- state.c ---- */

void pending_begin(struct pending *pending);
void pending_free(struct pending *pending);

/* Appends a change, which pending owns from now on. */
void pending_add(struct pending *pending, struct change *change);

/* Takes back what was added after the change `number`. */
void pending_cut(struct pending *pending, uint64_t number);

/*
 * Takes out what goes with `tag` or before, of the changes up to `number`, in its order;
 * pending_back puts it back in front when it could not be written.
 */
struct change *pending_take(struct pending *pending, uint64_t tag, uint64_t number);
void pending_back(struct pending *pending, struct change *changes);

#endif
