/* The records of a log, however damaged it is, see rescue.c. */
#ifndef STORE_RESCUE_H
#define STORE_RESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge.h"
#include "finds.h"
#include "floor.h"
#include "format.h"
#include "page.h"
#include "record.h"

/* events.mdb, where events are found; and the other files, in which there may be more. */
enum rescue_file { RESCUE_EVENTS, RESCUE_EDGE, RESCUE_JOURNAL, RESCUE_FILES };

struct rescue {
    const char *path;
    int directory;
    struct format format;
    int fds[RESCUE_FILES];                                            /* -1: it is not there */
    int (*visit)(uint64_t done_size, uint64_t total_size, void *ctx); /* or NULL */
    void *ctx;

    struct finds finds;        /* the log's, once rescue_find has returned */
    uint64_t last_seq;         /* the last that the log is known to have had; 0: none */
    uint64_t unreadable_count; /* bytes that the disk did not give */

    uint64_t *erased; /* seqs of events that were erased; sorted in the end */
    size_t erased_count, erased_room;
    uint64_t erased_type; /* of the events that say so */

    size_t at; /* of rescue_next */
    unsigned char *bytes;
    size_t room;

    bool is_same_boot; /* what was committed is in events.mdb */
    uint64_t end_seq;  /* the tree's last seq, if that is sure */
    uint64_t
        known_seq; /* a seq that the log had by the tree's count of events, or as the caller knows; 0: none */
    uint64_t total_size, done_size;
    enum rescue_file file; /* that is being looked at */
};

/*
 * Opens the files of the log, of which nothing is changed. `path` must live as long. EVLOG_NOTFOUND: there is no log.
 * EVLOG_DAMAGED: the file format is gone or damaged. EVLOG_BUSY: a process has the log open for writing. EVLOG_IO,
 * EVLOG_UNSUPPORTED.
 */
int rescue_open(struct rescue *rescue, const char *path);
void rescue_close(struct rescue *rescue);

/* Before rescue_find: the log is known to have had an event with this chain, or, 0, with any. EVLOG_NOMEM. */
int rescue_know(struct rescue *rescue, uint64_t seq, uint64_t chain);

/* Before rescue_find: an event was erased, or was about to be. EVLOG_NOMEM. */
int rescue_erased(struct rescue *rescue, uint64_t seq);

/*
 * Finds the records, and decides which are the log's. `floor`: the first event that is kept. What `visit` returns other
 * than 0 ends it and is returned. EVLOG_IO, EVLOG_NOMEM.
 */
int rescue_find(struct rescue *rescue, const struct floor_place *floor);

/*
 * The next record, in the order of seqs; `*bytes`, into which `record` points, is valid until the next call, and NULL
 * at the end. EVLOG_DAMAGED: it is not there any more. EVLOG_NOMEM.
 */
int rescue_next(struct rescue *rescue, struct record *record, const unsigned char **bytes,
                size_t *size);

#endif
