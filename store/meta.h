/* The meta pages of an LMDB file, and the states that they give, see meta.c. */
#ifndef STORE_META_H
#define STORE_META_H

#include "page.h"

/*
 * Reads the newest sound meta page. EVLOG_DAMAGED: there is none. EVLOG_IO. `name` must live as
 * long as the snapshot.
 */
int meta_read(int fd, const char *name, struct page_snapshot *snapshot);

/*
 * The state before a snapshot, of the other meta page, which was read with it. It has no other one itself, since that
 * is later. false, and the snapshot as it was: that page is not sound, or not of the commit before.
 */
bool meta_step_back(struct page_snapshot *snapshot);

/*
 * meta_read, with a cache (page_cache.h). A reader's slot must be held, and be as long as the snapshot is
 * used.
 */
int meta_read_cached(int fd, const char *name, struct page_cache *cache,
                     struct page_snapshot *snapshot);

/*
 * The snapshot of a meta page among images, whose number is 0 or 1, and which are read before the
 * file. EVLOG_DAMAGED, EVLOG_IO.
 */
int meta_of_images(int fd, const char *name, const struct page_images *images,
                   struct page_snapshot *snapshot);

/*
 * The snapshot's own meta page, of page_size bytes, whatever became of it in the file; without
 * `with_list`, with an empty list of free pages in it.
 */
void meta_make(const struct page_snapshot *snapshot, bool with_list, unsigned char *page);

/* Makes a meta page the other one, which is older by one. */
void meta_make_older(unsigned char *page);

/* The state of the other meta page, the commit before. false: that is not sound. */
bool meta_other(const struct page_snapshot *snapshot, struct page_snapshot *other);

/* The tree of free pages of the same state: its keys are numbers of transactions. */
struct page_snapshot meta_free_tree(const struct page_snapshot *snapshot);

#endif
