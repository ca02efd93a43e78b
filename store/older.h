/* How an older state of the tree of records ends, see older.c. */
#ifndef STORE_OLDER_H
#define STORE_OLDER_H

#include <stdint.h>

struct page_snapshot;

/*
 * The seq of the last record of the state that transaction `txnid` made, while a reader holds its pages;
 * 0: it is not known.
 */
uint64_t older_last_seq(const struct page_snapshot *newest, uint64_t txnid);

#endif
