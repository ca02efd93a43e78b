/* The lock file of liblmdb, before liblmdb opens it, see lmdb_lock.c. */
#ifndef STORE_LMDB_LOCK_H
#define STORE_LMDB_LOCK_H

#include <stdint.h>

/*
 * Makes the lock file of the LMDB file `path` ready for liblmdb to open with that many readers. EVLOG_BUSY:
 * a process has had it locked for wait_ms; the sentence names it. EVLOG_FULL, EVLOG_UNSUPPORTED: it is
 * not a regular file. Where it cannot be opened, liblmdb reports why.
 */
int lmdb_lock_prepare(const char *path, uint32_t readers_max, uint32_t wait_ms);

#endif
