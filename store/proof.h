/* Whether liblmdb may write to a file: its list of free pages, see proof.c. */
#ifndef STORE_PROOF_H
#define STORE_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"

#define PROOF_LOST_ANY UINT64_MAX

/*
 * Proves the list of free pages of a snapshot whose pages stay as they are meanwhile. `lost_count` pages are
 * known to be neither in use nor free (edge.h); PROOF_LOST_ANY: that is not known. EVLOG_DAMAGED: it
 * is not proved; the sentence says what is wrong. EVLOG_IO, EVLOG_NOMEM.
 */
int proof_pages(const struct page_snapshot *snapshot, uint64_t lost_count);

/* The same where it is not known, and counts them. */
int proof_count_lost(const struct page_snapshot *snapshot, uint64_t *lost_count);

/*
 * Proves that no meta page of a later commit than the newest is there, in time O(depth).
 * `committed_txnid` is that of the last commit, where it is known (shared.h), else 0. As proof_pages.
 */
int proof_succession(const struct page_snapshot *newest, uint64_t committed_txnid);

/* Proves that the newest is not before `committed_txnid`. */
int proof_is_last(const struct page_snapshot *newest, uint64_t committed_txnid);

/*
 * Whether nothing that liblmdb will believe has changed since its checksum (edge.h) was noted; 0: none
 * was. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int proof_is_noted(const struct page_snapshot *snapshot, uint64_t noted_checksum, bool *is_noted);

/* Whether liblmdb may append to a state, in full: proof_succession, proof_pages, and the right edge. */
int proof_whole(const struct page_snapshot *snapshot, uint64_t committed_txnid,
                uint64_t lost_count);

/* The same, and whether it may put or delete anywhere: all pages are read. */
int proof_all(const struct page_snapshot *snapshot, uint64_t committed_txnid);

#endif
