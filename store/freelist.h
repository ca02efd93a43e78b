/* liblmdb's list of free pages, see freelist.c. */
#ifndef STORE_FREELIST_H
#define STORE_FREELIST_H

#include <stdint.h>

#include "page.h"

/* An entry: the pages that a transaction has freed; their numbers are words of the machine, greatest first. */
struct freelist_entry {
    uint64_t txnid;
    uint64_t count;
    const unsigned char *pgnos; /* 8 bytes each, not aligned */
};

uint64_t freelist_pgno(const struct freelist_entry *entry, uint64_t i);

/*
 * Calls `visit` for each entry of a state's list, the oldest first, until it returns other than 0, and returns that.
 * EVLOG_DAMAGED: an entry does not have the form of one. The numbers of pages are as they are. EVLOG_IO, EVLOG_NOMEM.
 */
int freelist_each(const struct page_snapshot *snapshot,
                  int (*visit)(const struct freelist_entry *entry, void *ctx), void *ctx);

/* What a transaction wants of it. */
struct freelist_need {
    uint64_t
        oldest_txnid; /* of the snapshots that are read: what it and later ones have freed is still in use */
    uint64_t page_count;
    uint64_t run_max;        /* pages side by side, at most */
    uint64_t run_page_count; /* until the last of such runs is taken */
    /* The same where runs may have to be merged from several entries, with the rests that are left then. */
    uint64_t merged_page_count;
};

/* What it can have for certain. */
struct freelist_capacity {
    uint64_t page_count;     /* beside those that the list itself needs */
    uint64_t run_page_count; /* the same pages, in pieces of at most run_max */
};

/* It is not counted far beyond what is needed. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM. */
int freelist_capacity(const struct page_snapshot *snapshot, const struct freelist_need *need,
                      struct freelist_capacity *capacity);

/*
 * How many pages were freed by a transaction and later ones; 0: all of the list. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int freelist_count(const struct page_snapshot *snapshot, uint64_t since_txnid,
                   uint64_t *page_count);

#endif
