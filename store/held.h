/* Descriptors whose locks say that this process lives, see held.c. */
#ifndef STORE_HELD_H
#define STORE_HELD_H

#include <stdbool.h>
#include <stdint.h>

#define HELD_NONE (-1)

/* As file_open, but a forked child does not have the descriptor. EVLOG_NOMEM. */
int held_open(int directory, const char *path, const char *name, int flags, int *fd);
void held_close(int fd);

enum held_kind { HELD_SHARED, HELD_ALONE };

/*
 * Locks a byte, which may lie past the end of the file, without waiting. Returns 0, EAGAIN when
 * another open description has a lock that excludes it, or another errno.
 */
int held_lock(int fd, int64_t at, enum held_kind kind);
void held_unlock(int fd, int64_t at);

/* Whether another open description has a lock on the byte. Returns an errno. */
int held_find(int fd, int64_t at, bool *is_held);

/* The same; where it cannot be known, one has. */
bool held_by_other(int fd, int64_t at);

#endif
