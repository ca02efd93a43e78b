/* Making a log whole again after a power cut, see recover.c. */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "edge.h"
#include "journal.h"

struct env;
struct flusher;
struct shared;

struct recovery {
    bool is_needed;
    bool is_stateless;      /* `edge` has no state, and nothing else is to be done */
    bool is_mending;        /* ... since the file is not as it was left */
    bool was_restored;      /* pages were put back */
    struct edge_state base; /* the last flushed state, if has_base */
    bool has_base;
    uint64_t replayed_count; /* events that came back from the journal */
};

/*
 * Before the environments are opened, by the one process that has the log open for writing: `events`
 * is events.mdb, opened for writing. Puts the pages of the last flushed state back when that is
 * needed. EVLOG_DAMAGED: `edge` belongs to another events.mdb, or there is none and liblmdb may not
 * write to the file. EVLOG_IO, EVLOG_FULL, EVLOG_NOMEM.
 */
int recover_begin(struct recovery *recovery, int directory, int events, struct shared *shared,
                  struct edge *edge);

/*
 * When they are open: appends what the journal (NULL: a fast log has none) has after the last event, and
 * flushes. From then on the processes of this run of the machine trust the page cache. Errors of
 * env_write and of flusher_flush.
 */
int recover_finish(struct recovery *recovery, int events, struct env *env,
                   struct journal *journal, struct flusher *flusher, struct shared *shared,
                   uint64_t origin);

void recover_free(struct recovery *recovery);

/* What a process that only reads sees of a log that waits to be recovered; else all zeros. */
struct recovery_view {
    /* If it has images, it is read in place of the newest state in the file, which is not whole. */
    struct edge_state base;
    uint64_t waiting_count; /* events that only the journal has */
    bool has_no_base;       /* `edge` has no sound state */
    char damage[256];       /* why the newest state is not whole; empty: it is */
};

/* `journal` and `edge` may be NULL. EVLOG_IO, EVLOG_NOMEM. */
int recover_view(int directory, int events, struct edge *edge, struct journal *journal,
                 struct recovery_view *view);

void recover_view_free(struct recovery_view *view);

#endif
