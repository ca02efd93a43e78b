/* Erasing an event's data, see erase.c. */
#ifndef STORE_ERASE_H
#define STORE_ERASE_H

#include "evlog/upkeep.h"

struct store;

/* As evlog_erase, of a store that is open for writing, or of any for a preview. */
int erase_event(struct store *store, uint64_t seq, const unsigned char *digest,
                const evlog_erase_options *options);

/* As evlog_erase_contents. */
int erase_contents(struct store *store, uint64_t seq, evlog_buffer *contents);

#endif
