/* The file by which the processes that have a log open communicate, see shared.c. */
#ifndef STORE_SHARED_H
#define STORE_SHARED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SHARED_FILE "shared"
#define SHARED_SLOTS 1024

struct shared;

/*
 * Opens the file `path`, and makes it unless `read_only`; with the log's directory locked. A
 * reader that cannot open it for writing, or finds it too short, gets NULL, which every function here
 * takes. EVLOG_UNSUPPORTED: it is not a regular file.
 * EVLOG_IO, EVLOG_FULL, EVLOG_NOMEM.
 */
int shared_open(const char *path, bool read_only, struct shared **shared);
void shared_close(struct shared *shared);

/*
 * EVLOG_IO: the file was cut short while it is mapped, or was found so before. From then on this process
 * uses memory of its own in its place, and must not write to the log. Touching what is cut off before it
 * is noticed is a SIGBUS. `is_rare`: looks at most every 10 ms. `shared` may be NULL.
 */
int shared_check(struct shared *shared, bool is_rare);

/* Whether there is such a file, as long as it has to be. */
bool shared_is_whole(int directory, const char *name);

/* ------------------------------------------------------------- waking ---- */

/*
 * Wakes all waiters, after a commit. Costs a fence and a load when there are none. Safe in a
 * signal handler.
 */
void shared_wake(struct shared *shared);

/*
 * A ticket for shared_wait: take it, check whether what is waited for has happened already, and
 * only then wait with it.
 */
uint32_t shared_ticket(struct shared *shared);

/*
 * Waits for a shared_wake since the ticket was taken, for `timeout_us` at most; may return
 * sooner, also without a reason. With NULL it only sleeps, for a moment.
 */
void shared_wait(struct shared *shared, uint32_t ticket, int64_t timeout_us);

/* ---------------------------------------------------------- processes ---- */

/* A process that has the log open for writing, see presence.c. */
struct shared_process {
    _Atomic int32_t pid;         /* in its own pid namespace, */
    _Atomic uint32_t generation; /* one more with each process that takes the slot */
    _Atomic uint64_t namespace;  /* ... which this is the inode of */
};

#define SHARED_PROCESSES 1024
struct shared_process *shared_process(struct shared *shared, unsigned slot);

enum shared_lock { SHARED_LOCK_EVENTS, SHARED_LOCK_STATE };

/* The word of a writer's lock, see presence.c. */
_Atomic uint32_t *shared_lock_word(struct shared *shared, enum shared_lock lock);

/* The word of the process that has claimed a consumer's slot last, see presence.c. */
_Atomic uint32_t *shared_claimer(struct shared *shared, unsigned slot);

/* ---------------------------------------- how far the log is on the disk ---- */

/* The end of the journal, and the event before it. */
struct shared_end {
    uint64_t place; /* an offset in the file */
    uint64_t seq, chain;
};

/* By the holder of the lock of events.mdb. */
void shared_end_set(struct shared *shared, struct shared_end end);

/* false: a process died while it was being set. */
bool shared_end_get(struct shared *shared, struct shared_end *end);

/* What the newest slot of `edge` has. */
struct shared_flushed {
    _Atomic uint64_t seq;   /* the last event that is flushed */
    _Atomic uint64_t txnid; /* of that state */
    _Atomic uint64_t place; /* in the journal, from which recovery begins */
    /* A commit of events.mdb that freed pages of the flushed state, perhaps: to be flushed before the next but one. */
    _Atomic uint64_t needed_txnid;
    _Atomic uint32_t
        process; /* the word of the last one that has begun to flush, see presence.c */
    _Atomic uint32_t retention;     /* one more each time that the policy is set, see retain.c */
    _Atomic uint64_t erasure_count; /* since the file was made: see reader.c */
};

struct shared_flushed *shared_flushed(struct shared *shared);

/* The count of erasures; 0 for a reader without the file. */
uint64_t shared_erasures(struct shared *shared);

/*
 * A checksum over those pages of the newest state that liblmdb will believe, and the number of its
 * commit, noted when a log is closed. `which` is the file's lock. 0: none is noted.
 */
void shared_note(struct shared *shared, enum shared_lock which, uint64_t txnid,
                 uint64_t checksum);
uint64_t shared_noted(const struct shared *shared, enum shared_lock which, uint64_t txnid);

/*
 * The last commit of a file, by its inode, noted by the holder of the file's lock: in this run of the
 * machine the file's newest state is none before it. 0: none was noted for that inode.
 */
void shared_set_committed(struct shared *shared, enum shared_lock which, uint64_t inode,
                          uint64_t txnid);
uint64_t shared_committed(const struct shared *shared, enum shared_lock which, uint64_t inode);

/* A flush has failed, in any process: nothing more is acknowledged until the log is opened anew. */
void shared_fail(struct shared *shared);
bool shared_has_failed(const struct shared *shared);

/*
 * Whether events.mdb, open as `events`, is as processes left it that ran since the machine
 * was started: then all that they wrote is in the page cache. `shared` is of the same directory, and is
 * read without being opened for writing. false: not, or it is not known, or a flush has failed.
 */
bool shared_is_same_boot(int directory, const char *name, int events);

/* From now on it is; and, before a recovery: it is not, no flush has failed, no commit was noted. */
void shared_set_boot(struct shared *shared, int events);
void shared_clear_boot(struct shared *shared);

/* -------------------------------------------------------------- marks ---- */

/* How far the holder of a slot has come: survives its death, not that of the system. */
struct shared_mark {
    uint64_t seq; /* the last event handed out, below 2^48 */
    uint32_t attempt;
    /* 0: not in the receiver; else how many holders, this one included, were or died in it. */
    uint32_t inside;
    uint64_t most; /* the greatest seq ever handed out; kept by shared_mark_enter */
};

/* For the holder. `tag` is the consumer's: a mark with another tag is erased. 0: no consumer's. */
void shared_mark_begin(struct shared *shared, unsigned slot, uint64_t tag);
struct shared_mark shared_mark_get(const struct shared *shared, unsigned slot);
void shared_mark_enter(struct shared *shared, unsigned slot, const struct shared_mark *mark);
void shared_mark_leave(struct shared *shared, unsigned slot);

#endif
