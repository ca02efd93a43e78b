/* Whether liblmdb may write to a file: its list of free pages, see proof.c. */
#ifndef STORE_PROOF_H
#define STORE_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"

/*
 * Proves the list of free pages of a snapshot whose pages stay as they are meanwhile. EVLOG_DAMAGED: it
 * is not proved; the sentence says what is wrong. EVLOG_IO, EVLOG_NOMEM.
 */
int proof_pages(const struct page_snapshot *snapshot);

/*
 * Proves that the newest meta page is that of the last commit: in time O(depth). As proof_pages.
 */
int proof_succession(const struct page_snapshot *newest);

/*
 * Whether nothing that liblmdb will believe has changed since its checksum (edge.h) was noted; 0: none
 * was. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int proof_is_noted(const struct page_snapshot *snapshot, uint64_t noted_checksum, bool *is_noted);

/*
 * Whether liblmdb may append to a state, in full: its meta page is the last one, the right edge is sound,
 * and proof_pages. As that.
 */
int proof_whole(const struct page_snapshot *snapshot);

/* The same, and whether it may put or delete anywhere: all pages are read. */
int proof_all(const struct page_snapshot *snapshot);

#endif
