/* Writing a log's data files anew, without what is free in them, see compact.c. */
#ifndef STORE_COMPACT_H
#define STORE_COMPACT_H

#include "evlog/upkeep.h"

struct store;

/* About how large the files are now, and would be. */
int compact_preview(struct store *store, evlog_compacted *compacted);

/*
 * Writes the files anew and puts them in the place of the old ones. The store is open alone, and is only to be closed
 * after that. See evlog_compact.
 */
int compact_files(struct store *store, const evlog_compact_options *options,
                  evlog_compacted *compacted);

/* Overwrites and removes the old events.mdb, if there is one. EVLOG_IO. */
int compact_scrub(struct store *store);

/* Puts it on record. */
int compact_note(struct store *store, const evlog_compacted *compacted);

#endif
