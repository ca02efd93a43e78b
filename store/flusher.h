/* Flushing events.mdb in the background, see flusher.c. */
#ifndef STORE_FLUSHER_H
#define STORE_FLUSHER_H

#include <stdbool.h>
#include <stdint.h>

#include "edge.h"
#include "presence.h"

struct env;
struct flusher;

/* What it works with; all of it outlives the flusher. */
struct flusher_parts {
    struct env *events;
    struct edge *edge;
    struct presence *presence;
    uint64_t origin; /* the chain before the first event */
};

/*
 * Makes a flusher. With an `every_ms` it flushes at that interval, in a thread of its own; with 0
 * when it is asked to, and starts the thread for the first time then. EVLOG_NOMEM.
 */
#define FLUSH_EVERY_MS 100
int flusher_open(const struct flusher_parts *parts, uint32_t every_ms, struct flusher **flusher);

/*
 * Other work that follows commits, done by the same thread, one piece a call. It returns after which commit to be
 * called again: one at a log time, or of a seq, whichever comes first. FLUSHER_WORK_GOES_ON: at once;
 * FLUSHER_WORK_IS_DONE: not before the retention policy is set. So it is at first; flusher_work_is_due: it is due after
 * the first commit.
 */
struct flusher_due {
    int64_t log_time_us;
    uint64_t seq;
};
#define FLUSHER_WORK_GOES_ON ((struct flusher_due){INT64_MIN, 0})
#define FLUSHER_WORK_IS_DONE ((struct flusher_due){INT64_MAX, UINT64_MAX})
typedef struct flusher_due flusher_work(void *ctx);
void flusher_set_work(struct flusher *flusher, flusher_work *work, void *ctx);
void flusher_work_is_due(struct flusher *flusher);

/* After a commit of an event. Has the work done that is due. */
void flusher_committed(struct flusher *flusher, int64_t log_time_us, uint64_t seq);

/* After there was no room for one: the same. */
void flusher_has_no_room(struct flusher *flusher);

/* Starts the thread of an interval. EVLOG_IO. */
int flusher_start(struct flusher *flusher);

/* Stops it; with an interval, flushes a last time. EVLOG_IO: that, or an earlier flush, failed. */
int flusher_close(struct flusher *flusher);

/* Asks for a flush soon. */
void flusher_wake(struct flusher *flusher);

/*
 * Makes all that is committed survive a power cut without the journal. EVLOG_IO: a flush failed,
 * and no process acknowledges anything more. EVLOG_BUSY: another process flushes for too long.
 */
int flusher_flush(struct flusher *flusher);

/* The same, when the event `seq` is not flushed yet. */
int flusher_flush_upto(struct flusher *flusher, uint64_t seq);

/* The same, by the holder of the lock of events.mdb, or alone; the journal is then begun at 0. */
int flusher_restart(struct flusher *flusher);

/*
 * The same; and neither `edge` has anything of an older state then, nor does any process write such a one later.
 * `is_again`: see file_clear.
 */
int flusher_scrub(struct flusher *flusher, bool is_again);

/*
 * For commits that free pages of the flushed state by more than appending (trim.c): in the `fill` of one, flusher_need
 * with its number; before each commit, by the holder of the lock, flusher_settle flushes if such a one is overdue.
 */
void flusher_need(struct flusher *flusher, uint64_t txnid);
int flusher_settle(struct flusher *flusher);

/* Such a commit, by the holder of the lock: settles, then env_write_locked of what gives room. Errors of both. */
int flusher_write(struct flusher *flusher, int (*fill)(struct env *events, void *ctx), void *ctx);

#endif
