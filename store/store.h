/* An open log's directory: its two environments and all that store/ offers, see store.c. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "append.h"
#include "edge.h"
#include "env.h"
#include "evlog.h"
#include "floor.h"
#include "format.h"
#include "presence.h"
#include "recover.h"
#include "seals.h"
#include "shared.h"
#include "sources.h"
#include "types.h"

/* How a log is opened, beyond evlog_options. */
struct store_use {
    bool is_alone; /* no other process may have it open, not even to read */
    const struct format
        *copied; /* a log that is made is a copy of this one; NULL: it begins anew */
};

/* The fields may be read, but not changed, by the folders to the right. */
struct store {
    struct format format;
    bool read_only;
    bool is_offline;    /* nothing of the directory is made or written to */
    uint32_t wait_ms;   /* for other processes */
    int directory;      /* a descriptor: the path may be relative */
    struct watch watch; /* of its files */
    struct env *events; /* the records, by seq */
    struct env *state;  /* everything else */
    struct types *types;
    struct sources *sources;
    struct floor *floor;      /* the first event that is kept */
    struct shared *shared;    /* NULL: a reader that may not write to it */
    int events_fd;            /* events.mdb, whose locks say that this process has the log open */
    struct presence presence; /* not there: read only */
    struct store_use use;
    int lock;                  /* of the directory, held by compact.c; else HELD_NONE */
    struct edge *edge;         /* NULL: read only, and there is none */
    struct journal *journal;   /* NULL: fast, or read only, and there is none */
    struct flusher *flusher;   /* NULL: read only */
    struct appender *appender; /* NULL: read only */
    pthread_mutex_t retaining; /* one thread applies the policy, see retain.c */
    bool is_retaining;         /* that of the flusher is at it */
    bool is_deleting;          /* the floor was raised, and what is below it is not all deleted */
    atomic_bool is_behind;     /* so senders do it, too */
    struct seals seals;        /* which this process has seen */
    struct recovery recovery;  /* what opening has found */
    struct recovery_view view; /* of a reader */
    char path[];
};

/*
 * See evlog_open. One at a time in a process and directory: the caller keeps count. `use` may be NULL.
 * EVLOG_BUSY, beyond that: a process has it open for itself; or, with use->is_alone, has it open.
 */
int store_open(const char *path, const evlog_options *options, const struct store_use *use,
               struct store **store);

/* See evlog_close. */
int store_close(struct store *store);

/* Takes the lock under which logs are opened and closed; store_close releases it. Errors of store_open. */
int store_lock(struct store *store);

/* -------------------------------------------------------------- bounds.c ---- */

/*
 * The first and last seq that the log has to have; 0 and 0 when it is empty. What was trimmed is
 * before the first, what was lost is not.
 */
int store_bounds(struct store *store, uint64_t *first, uint64_t *last);

/* The first and last seq there are in the file, trimmed or not. */
int store_range(struct store *store, uint64_t *first, uint64_t *last);

/*
 * The record of a seq without its headers and data. EVLOG_DAMAGED: it is missing or cannot be read. EVLOG_BUSY,
 * EVLOG_IO, EVLOG_NOMEM.
 */
int store_record(struct store *store, uint64_t seq, struct record *record);

/* For evlog_inspect: fills in what is known here. */
int store_inspect(struct store *store, evlog_info *info);

#endif
