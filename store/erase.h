/* Erasing an event's data, see erase.c. */
#ifndef STORE_ERASE_H
#define STORE_ERASE_H

#include "evlog/upkeep.h"

struct record;
struct store;

/* As evlog_erase, of a store that is open for writing, or of any for a preview. */
int erase_event(struct store *store, uint64_t seq, const unsigned char *digest,
                const evlog_erase_options *options);

/*
 * When the records were copied into a new events.mdb, and the old one is gone: no erased event waits for that any more.
 * What was begun and not completed stays noted. Errors of env_write and of reading.
 */
int erase_end_waiting(struct store *store);

/*
 * Erases an event of a copy, open alone, that was erased in the log: what says so is copied with the other events.
 * Nothing is done where it is erased already, or not there. Errors of evlog_erase.
 */
int erase_in_copy(struct store *copy, uint64_t seq, const unsigned char *digest);

#define ERASED_TYPE "evlog.erased.v1"

/* The event that a record of this type says was erased; 0: its data are not so. */
uint64_t erase_noted_seq(const struct record *record);

/* As evlog_erase_contents. */
int erase_contents(struct store *store, uint64_t seq, evlog_buffer *contents);

#endif
