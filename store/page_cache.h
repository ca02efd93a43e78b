/* What was read of the newest state of an LMDB file, see page_cache.c. */
#ifndef STORE_PAGE_CACHE_H
#define STORE_PAGE_CACHE_H

#include "page.h"

#define PAGE_CACHE_PAGE_SIZE 4096 /* of files with other pages there is no cache */

/*
 * What was read of a file's newest state: its meta pages, branches, and a note. While nothing is committed, a look-up
 * need not read them again. Any thread. NULL: no memory.
 */
struct page_cache *page_cache_new(void);
void page_cache_free(struct page_cache *cache);

/* Two numbers that a caller has found of a snapshot, while it is the newest. false: there are none. */
bool page_cache_note(const struct page_snapshot *snapshot, uint64_t note[2]);
void page_cache_set_note(const struct page_snapshot *snapshot, uint64_t first, uint64_t second);

/* For page.c. */

/* The snapshot that it has, if that is of these meta pages. */
bool page_cache_find(struct page_cache *cache, const unsigned char *zero,
                     const unsigned char *one, struct page_snapshot *snapshot);

/* Begins anew with a snapshot, of which both meta pages are sound. */
void page_cache_renew(struct page_cache *cache, const struct page_snapshot *snapshot);

/* Copies a branch from the cache; false: it is not there. */
bool page_cache_take(const struct page_snapshot *snapshot, uint64_t pgno, unsigned char *page);

/* Keeps a branch that is sound. */
void page_cache_keep(const struct page_snapshot *snapshot, uint64_t pgno,
                     const unsigned char *page);

#endif
