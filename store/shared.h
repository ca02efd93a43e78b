/* What the processes that have a log open tell each other, see shared.c. */
#ifndef STORE_SHARED_H
#define STORE_SHARED_H

#include <stdint.h>
#include <sys/types.h>

#define SHARED_SLOTS 1024

struct shared;

/*
 * Opens the file `path`, and makes it unless `read_only`; with the log's directory locked. A
 * reader that cannot open it for writing gets NULL, which every function here takes. EVLOG_IO,
 * EVLOG_FULL, EVLOG_NOMEM.
 */
int shared_open(const char *path, int read_only, struct shared **shared);
void shared_close(struct shared *shared);

/* ------------------------------------------------------------- waking ---- */

/*
 * Says that something was committed. Costs a fence and a load when nobody waits. Safe in a
 * signal handler.
 */
void shared_wake(struct shared *shared);

/*
 * The ticket of who is about to wait: take it, look whether what is waited for is there
 * already, and only then wait with it.
 */
uint32_t shared_ticket(struct shared *shared);

/*
 * Waits for a shared_wake since the ticket was taken, for `timeout_us` at most; may return
 * sooner for no reason. With NULL it only sleeps, for a moment.
 */
void shared_wait(struct shared *shared, uint32_t ticket, int64_t timeout_us);

/* ------------------------------------------------------------- claims ---- */

/*
 * Claims a slot for this process, for as long as it lives or until shared_release. EVLOG_OK;
 * EVLOG_BUSY: `*holder` (as shared_holder tells it) has it. Claims of one process do not
 * exclude each other: the caller keeps count of its own. EVLOG_IO.
 */
int shared_claim(struct shared *shared, unsigned slot, pid_t *holder);
void shared_release(struct shared *shared, unsigned slot);

/*
 * The process, other than this one, that has claimed a slot; 0: none; -1: one that has no number
 * here, being of another pid namespace.
 */
pid_t shared_holder(struct shared *shared, unsigned slot);

/* -------------------------------------------------------------- marks ---- */

/* How far the holder of a slot has come: survives its death, not that of the system. */
struct shared_mark {
    uint64_t seq; /* the last event handed out, below 2^48 */
    uint32_t attempt;
    uint32_t
        inside; /* not 0: the holder is in its receiver, or died there for the so manyth time */
    uint64_t most; /* the greatest seq ever handed out; kept by shared_mark_enter */
};

/* For the holder. `tag` tells whose mark it is: one of another's is forgotten. 0: nobody's. */
void shared_mark_begin(struct shared *shared, unsigned slot, uint64_t tag);
struct shared_mark shared_mark_get(const struct shared *shared, unsigned slot);
void shared_mark_enter(struct shared *shared, unsigned slot, struct shared_mark mark);
void shared_mark_leave(struct shared *shared, unsigned slot);

#endif
