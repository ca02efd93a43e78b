/* The file `edge`: a flushed state of events.mdb that can be put back, see edge.c. */
#ifndef STORE_EDGE_H
#define STORE_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"
#include "shared.h"

#define EDGE_FILE "edge"

struct edge;

/* A state of events.mdb. edge_state_free takes a zeroed one, too. */
struct edge_state {
    uint64_t txnid;
    uint64_t order;            /* of two slots of one state, the later has the greater */
    uint64_t seq, chain;       /* its last event; 0 and the origin's chain: it is empty */
    struct shared_end journal; /* from which the journal goes on: at or before `seq` */
    struct page_images images; /* its meta page, and those pages of it that are overwritten */
    bool is_listless;          /* its list of free pages is too long, and not in the images */
    uint64_t lost_count;       /* pages of the file that are neither in use nor free */
};

void edge_state_free(struct edge_state *state);

/*
 * Opens the file in a log's directory, and makes it when `flags` of open(2) have O_CREAT. `uuid` is
 * the directory's own. EVLOG_NOTFOUND, EVLOG_IO, EVLOG_FULL, EVLOG_NOMEM, EVLOG_UNSUPPORTED: not a
 * regular file.
 */
int edge_open(int directory, const char *path, int flags, const uint8_t uuid[16],
              struct edge **edge);
void edge_close(struct edge *edge);

/*
 * Copies from a snapshot whose pages stay as they are meanwhile what a state is made of. `origin` is
 * the chain before the first event. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int edge_capture(const struct page_snapshot *snapshot, uint64_t origin, struct edge_state *state);

/*
 * A checksum over the same pages, which are all that liblmdb believes when it appends. 0: the list of
 * free pages is too long. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int edge_checksum(const struct page_snapshot *snapshot, uint64_t *checksum);

/*
 * Writes a state over the older of the two, and flushes. One at a time over all processes. EVLOG_IO,
 * EVLOG_FULL. EVLOG_NOMEM: nothing was written, or, by edge_scrub, one of the two.
 */
int edge_write(struct edge *edge, const struct edge_state *state);

/*
 * The same over both of the two, with zeros behind their images, so that nothing of an older state is left. A
 * power cut meanwhile leaves one of the two, or the newest there was. `is_again`: see file_clear.
 */
int edge_scrub(struct edge *edge, const struct edge_state *state, bool is_again);

/* Reads the newest state. EVLOG_NOTFOUND: none is sound. EVLOG_IO, EVLOG_NOMEM. */
int edge_read(struct edge *edge, struct edge_state *state);

/*
 * Takes both states away, the older one first, so that what a power cut leaves of it is the newest one or none.
 * EVLOG_IO, EVLOG_NOMEM.
 */
int edge_clear(struct edge *edge);

/* Has the states that are written from now on say that so many pages are lost. */
void edge_set_lost(struct edge *edge, uint64_t lost_count);

/*
 * Whether a snapshot's pages are those of a state, but for a list that it does not have, and for what is unused.
 * EVLOG_IO, EVLOG_NOMEM.
 */
int edge_compare(const struct edge_state *state, const struct page_snapshot *snapshot,
                 bool *is_same);

/*
 * Puts a state back into events.mdb, open for writing as `fd`, and flushes; one without a list has an
 * empty one then. It may be done again after any failure. EVLOG_IO, EVLOG_FULL, EVLOG_NOMEM.
 */
int edge_restore(const struct edge_state *state, int fd, const char *name);

#endif
