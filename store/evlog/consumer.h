/*
 * Consumers: named places in the log that outlive the process. evlog.h includes this header.
 *
 * A consumer's checkpoint is the last seq it is done with. It gets what every process sends, each
 * event in log order, from where it began, across restarts and crashes. One process at a time has
 * a consumer, and one thread at a time uses it; any thread may stop it.
 *
 * At least once: an event that was not done when its process died comes again, and its `attempt`
 * says so. A checkpoint is written for many events together: after commit_every of them, 100 ms
 * after an event is done if another one follows, when there is nothing more to do, and by
 * evlog_consumer_commit and _close. Exactly once, for state that is kept here: what evlog_state_put
 * changes and the checkpoint are one transaction, so after any crash the state is that of the
 * events up to the checkpoint.
 *
 * An event from a consumer is_replay if it was in the log before the consumer was made or last
 * reset. What came while the consumer was not running is not a replay.
 *
 * Groups. Several processes share the events of one group: worker I of N gets those whose value at a
 * path of their data (evlog/value.h) is I's. Each worker is a consumer of its own, NAME/IofN:PATH, with
 * checkpoint, parked events and state; all of a group are made together, by whichever is opened first.
 *
 * - Events with equal values go to one worker, in log order. Nothing is said about the order of events
 *   of different workers: one may be far behind another.
 * - A value's worker is 1 + XXH3-64(bytes, seed: its evlog_value_kind) % N. The bytes: of a string, its
 *   UTF-8; of bytes, they; of an integer or a bool (0, 1), 8, big-endian; of a double, the 8 of its IEEE
 *   754 bits, big-endian, -0.0 as 0.0 and every NaN as 0x7ff8000000000000; of null, none; of a list, map or
 *   extension, its MessagePack as it was sent. So 7, 7.0 and "7" are three values.
 * - An event without a value at PATH is worker 1's. One that was erased is given to every worker, since
 *   whose it was cannot be told any more; likewise each puts events on record that cannot be read.
 * - N and PATH can be changed when all workers of the old group have the same checkpoint and have neither
 *   parked events nor state, and no process has one of them: opening a worker of the new group then
 *   removes the old one and begins the new one at that checkpoint, in one transaction, with its types and
 *   pauses, and with counts of 0. last_seq takes workers to the same place.
 * - Each worker has a filter of its own: give all workers the same types.
 */
#ifndef EVLOG_CONSUMER_H
#define EVLOG_CONSUMER_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_CONSUMERS_MAX 1024 /* in a log */
#define EVLOG_CONSUMER_NAME_SIZE_MAX 128
#define EVLOG_WORKERS_MAX 256            /* of a group */
#define EVLOG_OUT_MAX (1 << 20)          /* events handed out to one consumer and not done */
#define EVLOG_PARKED_MAX 100000          /* events parked for one consumer */
#define EVLOG_PARKED_ERROR_SIZE_MAX 1024 /* of the sentence kept; longer ones are cut */
#define EVLOG_DEATHS_MAX 10 /* of a process inside one event's receiver: then it has failed */
#define EVLOG_STATE_KEY_SIZE_MAX 255
#define EVLOG_STATE_VALUE_SIZE_MAX (64 << 10)
#define EVLOG_STATE_COUNT_MAX (1 << 20)    /* keys of one consumer */
#define EVLOG_STATE_PENDING_MAX (64 << 20) /* bytes put and not yet acknowledged */

typedef struct evlog_consumer evlog_consumer;

/* ------------------------------------------------- opening and closing ---- */

/* What becomes of an event that has failed attempt_max times. */
typedef enum evlog_on_failure {
    EVLOG_FAILURE_PARK = 0, /* it is set aside, on record, and the next one comes */
    EVLOG_FAILURE_STOP = 1, /* EVLOG_RECEIVER; it comes again when asked for */
    EVLOG_FAILURE_SKIP = 2, /* it counts as done; the notice is all that is left of it */
} evlog_on_failure;

/* What a consumer's owner may want to know. */
typedef enum evlog_notice_kind {
    EVLOG_NOTICE_CAUGHT_UP = 1,   /* it has had all there was; from now on events come live */
    EVLOG_NOTICE_FELL_BEHIND = 2, /* it was caught up, and is over behind_count events behind */
    EVLOG_NOTICE_LOST = 3,        /* events that cannot be had any more: damaged or trimmed */
    EVLOG_NOTICE_PARKED = 4,
    EVLOG_NOTICE_SKIPPED = 5,
} evlog_notice_kind;

typedef struct evlog_notice {
    evlog_notice_kind kind;
    /* the events concerned; CAUGHT_UP, FELL_BEHIND: its place, and the head */
    uint64_t first_seq, last_seq;
    const char *text; /* why; "" when there is no more to say */
} evlog_notice;

typedef struct evlog_consumer_options {
    evlog_start start; /* when the consumer is new; else it goes on at its checkpoint */
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool no_create;           /* EVLOG_NOTFOUND when it is new */
    const char *const *types; /* as in a range; kept with the consumer */
    size_t type_count;        /* 0: as it was; every type when it is new */
    evlog_replays replay;
    bool ack_by_hand; /* evlog_consumer_poll: a receiver's 0 does not make an event done */
    evlog_on_failure on_failure;
    uint32_t attempt_max;     /* 0: 3 */
    uint32_t backoff_ms;      /* before the second attempt, doubled for each more; 0: 100 */
    uint32_t backoff_max_ms;  /* 0: 30000 */
    uint32_t commit_every;    /* events; 0: 4096; 1: after each */
    uint32_t claim_wait_ms;   /* how long to wait for a consumer that another process has */
    uint64_t behind_count;    /* 0: 1024 */
    double speed, per_second; /* as in a range */
    /* or NULL. Of this consumer's functions it may call evlog_consumer_stop and evlog_state_get. */
    void (*notice)(const evlog_notice *notice, void *ctx);
    void *notice_ctx;
    /* Worker `worker` (from 1) of `workers`, of the group `name`, by the value at `by`; else 0, 0 and NULL. */
    uint32_t worker, workers;
    const char *by;
    uint64_t
        last_seq; /* it is given no event after this one, as if the log ended there; 0: all */
    /*
     * As in a range, or NULL; it is not kept with the consumer. What it does not want is passed over, and not given
     * later. A parked event is given without it.
     */
    bool (*wants)(const evlog_event *event, void *ctx);
    void *wants_ctx;
    /*
     * As in a range: while the start is looked for, and while the next event is. It may call what `notice` may. The
     * call that it ends has handed out nothing, and the next one goes on.
     */
    int (*visit)(uint64_t seq, void *ctx);
    void *visit_ctx;
} evlog_consumer_options;

/*
 * Opens a consumer, and makes it when it does not exist. `name`: 1 to EVLOG_CONSUMER_NAME_SIZE_MAX
 * bytes, without blanks, control characters or '*'; for a worker the same holds for the whole
 * NAME/IofN:PATH, and that whole name opens it too.
 *
 * For a worker also: EVLOG_CONFLICT: the group has other workers or another path, and cannot be changed
 * now (the sentence says which worker is in the way, and what to do), or there is a consumer of that name.
 * EVLOG_BUSY: it would be changed, and a process has one of its workers. EVLOG_DAMAGED: a worker of the
 * group is missing.
 *
 * EVLOG_BUSY: another process has it, named with its pid, or this one has it open; a dead one never
 * has, nor has a child that it forked. EVLOG_CONFLICT: the event at its checkpoint is not in this log as it was (a
 * power cut took events of an EVLOG_FAST log, or the log is another's copy): use evlog_consumer_reset.
 * EVLOG_READONLY. EVLOG_LIMIT: EVLOG_CONSUMERS_MAX. EVLOG_NOTFOUND: it is new, and no_create.
 * EVLOG_INVALID: a bad name, type or start. EVLOG_FULL.
 */
EVLOG_API int evlog_consumer_open_sized(evlog *log, const char *name,
                                        const evlog_consumer_options *options,
                                        size_t options_size, evlog_consumer **consumer);

EVLOG_INLINE int evlog_consumer_open(evlog *log, const char *name,
                                     const evlog_consumer_options *options,
                                     evlog_consumer **consumer)
{
    return evlog_consumer_open_sized(log, name, options, sizeof(evlog_consumer_options),
                                     consumer);
}

/* Its name, of a worker NAME/IofN:PATH; valid until it is closed. NULL for NULL. */
EVLOG_API const char *evlog_consumer_name(const evlog_consumer *consumer);

/*
 * Writes the checkpoint and frees the consumer and its claim, whatever it returns. The failure of
 * that last commit: what it held comes again. EVLOG_BUSY, and nothing is done: called inside its
 * own receiver.
 */
EVLOG_API int evlog_consumer_close(evlog_consumer *consumer);

/* --------------------------------------------------------------- events ---- */

/*
 * The next event: a parked one that is to be retried, else the next in the log. Waits for it up to
 * `timeout_ms` (negative: without limit). EVLOG_OK with `*event` NULL: there was none in that time,
 * or the consumer was paused. The event is out until evlog_consumer_done or _fail ends it; up to
 * EVLOG_OUT_MAX may be out. It is valid until the next call of this function, of
 * evlog_consumer_poll, or of evlog_consumer_close.
 *
 * Events that cannot be read are reported by a notice, put on record like parked ones, and passed.
 * An event has also failed when EVLOG_DEATHS_MAX processes (one, if it is retried) died while it
 * alone was out, before their next call for the consumer.
 *
 * EVLOG_STOPPED: by evlog_consumer_stop. EVLOG_LIMIT: too many are out, or EVLOG_PARKED_MAX.
 * EVLOG_BUSY: another thread is in this call, or no reader slot is free; or another process has opened,
 * reset or removed this consumer since (which a claim prevents, unless someone meddles with the
 * files): then nothing more is handed out, and what was not committed is refused, here and in every
 * other call. EVLOG_FULL, EVLOG_IO: the checkpoint could not be written; the next call tries again. EVLOG_RECEIVER:
 * with EVLOG_FAILURE_STOP, an event in which EVLOG_DEATHS_MAX processes died.
 */
EVLOG_API int evlog_consumer_next(evlog_consumer *consumer, int64_t timeout_ms,
                                  const evlog_event **event);

/*
 * Acknowledges event `seq`, and all that were handed out before it; a retried parked event, alone.
 * Their state and the checkpoint are written when that is due, see above. Acknowledging again is
 * EVLOG_OK. EVLOG_INVALID: it was not handed out yet, or it was taken back. EVLOG_FULL, EVLOG_IO,
 * EVLOG_LIMIT: acknowledged, but the checkpoint could not be written; the next call tries again.
 * May also be called inside a receiver of this consumer.
 */
EVLOG_API int evlog_consumer_done(evlog_consumer *consumer, uint64_t seq);

/*
 * Event `seq`, which is out, has failed; `why` (or NULL) is kept with it. It comes again as its next
 * attempt, after backoff_ms, doubled for each more up to backoff_max_ms; after attempt_max attempts
 * on_failure says what becomes of it. A retried parked event has one attempt, and is parked again.
 * What was handed out after `seq` is taken back, with its state, and comes again, also if it was
 * done. EVLOG_INVALID: it is not out. EVLOG_RECEIVER: it has failed for the last time, with
 * EVLOG_FAILURE_STOP. EVLOG_NOMEM, EVLOG_FULL, EVLOG_IO: it comes again.
 */
EVLOG_API int evlog_consumer_fail(evlog_consumer *consumer, uint64_t seq, const char *why);

/*
 * Gives event `seq` back, which is out: it and what was handed out after it are taken back, with their
 * state, and come again, as by evlog_consumer_fail. No attempt of them has failed; a retried parked event
 * stays one that is to be retried. EVLOG_INVALID: it is not out.
 */
EVLOG_API int evlog_consumer_give_back(evlog_consumer *consumer, uint64_t seq);

/* Writes the checkpoint now. EVLOG_FULL, EVLOG_IO, EVLOG_LIMIT: the next call tries again. */
EVLOG_API int evlog_consumer_commit(evlog_consumer *consumer);

/*
 * A loop over the three: hands out at most `limit` events (0: as many as there are), and returns
 * when it has, or when none is due any more and it has handed out some; else it waits up to
 * `timeout_ms` (negative: without limit) for the first. An event is done when `receiver` returns 0
 * (with ack_by_hand it stays out), and has failed when it returns anything else. `receiver` NULL: it
 * goes to the receivers connected here to its signal, in their order; one that fails fails the
 * event, and an event without any is skipped and counted so. `*count` (or NULL) is set always: the
 * events that were handed out and do not come again.
 *
 * What was done is written before it returns. EVLOG_OK also when there was nothing, and when it is
 * paused. EVLOG_STOPPED: by evlog_consumer_stop. EVLOG_RECEIVER: with EVLOG_FAILURE_STOP.
 * EVLOG_BUSY: also inside its own receiver. Else as evlog_consumer_next.
 */
EVLOG_API int evlog_consumer_poll(evlog_consumer *consumer, uint64_t limit, int64_t timeout_ms,
                                  evlog_receiver *receiver, void *ctx, uint64_t *count);

/* Polls until evlog_consumer_stop, and returns EVLOG_OK then; else as evlog_consumer_poll. */
EVLOG_API int evlog_consumer_run(evlog_consumer *consumer, evlog_receiver *receiver, void *ctx);

/*
 * Makes the call under way return after its present event, or else the next call at once, with
 * EVLOG_STOPPED. From any thread, and from a signal handler; not once evlog_consumer_close has
 * begun.
 */
EVLOG_API void evlog_consumer_stop(evlog_consumer *consumer);

/* ---------------------------------------------------------------- state ---- */

/*
 * A consumer's state: small values by key, its own. What is put belongs to the event that was handed
 * out last: evlog_state_get sees it at once, it becomes lasting in one transaction with the
 * checkpoint that passes that event, and it is dropped when that event fails. A value is valid until
 * the next call for this consumer. Keys are bytes, 1 to EVLOG_STATE_KEY_SIZE_MAX.
 *
 * EVLOG_NOTFOUND: no such key (get, delete). EVLOG_LIMIT: the sizes above; EVLOG_STATE_COUNT_MAX is
 * only met when the state is written.
 */
EVLOG_API int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size,
                              const void **value, size_t *value_size);
EVLOG_API int evlog_state_put(evlog_consumer *consumer, const void *key, size_t key_size,
                              const void *value, size_t value_size);
EVLOG_API int evlog_state_delete(evlog_consumer *consumer, const void *key, size_t key_size);

/*
 * Calls `visit` for each key of the state as evlog_state_get sees it, until it returns other than 0, and returns that,
 * or EVLOG_OK: first, in the order of their bytes, what is lasting, and then what was put since. Key and value are
 * valid inside the call, which of this consumer's functions may call evlog_consumer_stop and evlog_state_get.
 * EVLOG_DAMAGED: some could not be read; all others were visited.
 */
EVLOG_API int evlog_state_each(evlog_consumer *consumer,
                               int (*visit)(const void *key, size_t key_size, const void *value,
                                            size_t value_size, void *ctx),
                               void *ctx);

/*
 * Calls `visit` for each key of a consumer's state as it was written last, in the order of their bytes, until it
 * returns other than 0, and returns that, or EVLOG_OK. For any process, whichever has the consumer: keys that come or
 * go meanwhile may be visited or not. Key and value are valid inside the call. EVLOG_NOTFOUND: no such consumer.
 * EVLOG_DAMAGED: some could not be read; all others were visited.
 */
EVLOG_API int evlog_each_state(evlog *log, const char *name,
                               int (*visit)(const void *key, size_t key_size, const void *value,
                                            size_t value_size, void *ctx),
                               void *ctx);

/* ------------------------------------------------------- administration ---- */

/*
 * These take a consumer by its name, whichever process has it. EVLOG_NOTFOUND: there is none. Removing,
 * resetting and pausing take a group by its name too, and do it to all its workers, the first two in one
 * transaction.
 */

typedef struct evlog_consumer_info {
    const char *name;
    uint64_t checkpoint;      /* the last seq it is done with; 0: none */
    uint64_t lag_count;       /* events in the log after it, wanted or not */
    int64_t lag_us;           /* how long ago the first of these was logged */
    uint64_t replay_last_seq; /* up to here events are replays to it */
    int64_t created_us;
    int64_t updated_us;  /* its last commit */
    uint64_t done_count; /* events done, each as often as the checkpoint passed it */
    uint64_t refused_count, skipped_count;
    uint64_t parked_count; /* on record, those that wait to be retried included */
    uint64_t retry_count;
    uint64_t state_count; /* keys */
    bool is_paused;
    int32_t
        pid; /* of the process that has it; 0: none; -1: not known, or in another pid namespace */
    const char *const *types;
    size_t type_count;        /* 0: every type */
    uint32_t worker, workers; /* of a group; 0: it is not a worker */
    const char *group, *by;   /* NULL: it is not a worker */
} evlog_consumer_info;

/*
 * Calls `visit` for each consumer, in the order of their names, until it returns other than 0, and
 * returns that, or EVLOG_OK. The info is valid inside the call. EVLOG_DAMAGED: some could not be
 * read; all others were visited.
 */
EVLOG_API int evlog_each_consumer(evlog *log,
                                  int (*visit)(const evlog_consumer_info *info, void *ctx),
                                  void *ctx);

/* The same for one consumer, to be freed with evlog_consumer_info_free. */
EVLOG_API int evlog_consumer_inspect(evlog *log, const char *name, evlog_consumer_info **info);
EVLOG_API void evlog_consumer_info_free(evlog_consumer_info *info);

/*
 * Removes a consumer, with its parked events and its state; one whose entry is damaged, too.
 * EVLOG_BUSY: a process has it. EVLOG_INVALID: it is a worker, whose events no other one would
 * get: only the group can be removed.
 */
EVLOG_API int evlog_consumer_remove(evlog *log, const char *name);

typedef struct evlog_reset_options {
    evlog_start start; /* which event is the next one; DEFAULT is FIRST */
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool dry_run;                          /* change nothing, only report what would be done */
    int (*visit)(uint64_t seq, void *ctx); /* as in a range, while the start is looked for */
    void *visit_ctx;
} evlog_reset_options;

/* What evlog_consumer_reset did. */
typedef struct evlog_reset {
    uint64_t old_checkpoint, checkpoint;
    uint64_t state_count;  /* keys that are dropped */
    uint64_t parked_count; /* parked events that are dropped: they come again, or are passed */
} evlog_reset;

/*
 * Moves a consumer: the event of `start` is its next. Its state is dropped, and parked events after
 * the new checkpoint, since they come again. All that is in the log now is a replay to it. `reset`
 * (or NULL) is what was done; of a group, old_checkpoint is the lowest. EVLOG_BUSY: a process has it.
 * EVLOG_INVALID: a bad start.
 */
EVLOG_API int evlog_consumer_reset_sized(evlog *log, const char *name,
                                         const evlog_reset_options *options, size_t options_size,
                                         evlog_reset *reset, size_t reset_size);

EVLOG_INLINE int evlog_consumer_reset(evlog *log, const char *name,
                                      const evlog_reset_options *options, evlog_reset *reset)
{
    return evlog_consumer_reset_sized(log, name, options, sizeof(evlog_reset_options), reset,
                                      sizeof(evlog_reset));
}

/* A paused consumer hands out nothing; a process that has it open notices within a moment. */
EVLOG_API int evlog_consumer_set_paused(evlog *log, const char *name, bool is_paused);

/* An event on record as not done. */
typedef struct evlog_parked {
    uint64_t seq;
    uint64_t last_seq; /* seq; or of a range that was lost, its last */
    uint32_t attempt_count;
    int64_t time_us; /* of the last attempt */
    bool is_lost;    /* damaged or trimmed away when the consumer came there */
    bool is_retry;   /* it waits to be retried */
    const char *error;
} evlog_parked;

/* Calls `visit` for each parked event of a consumer, by seq, as evlog_each_consumer does. */
EVLOG_API int evlog_each_parked(evlog *log, const char *name,
                                int (*visit)(const evlog_parked *parked, void *ctx), void *ctx);

/*
 * Has a parked event, or with seq 0 all of them, handed out again by the process that has the
 * consumer, within a moment, before new ones, once the checkpoint has passed the event. It is on
 * record until it is done; one that fails is parked again. `*count` (or NULL): how many.
 * EVLOG_NOTFOUND also: the event is not parked, or waits to be retried already.
 */
EVLOG_API int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count);

/*
 * Takes a parked event, or with seq 0 all of them, off the record. It does not come again, with two
 * exceptions: the checkpoint has not passed it yet, so it may come in its turn; or it is out as a
 * retry and fails, so it is parked again. Results as evlog_parked_retry.
 */
EVLOG_API int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
