/* Memory that is allocated in small pieces and freed at once, see arena.c. */
#ifndef DISPATCH_ARENA_H
#define DISPATCH_ARENA_H

#include <stddef.h>

#include "evlog/class.h"

/*
 * A new arena of at most `size_max` bytes; its first block has at least `size_hint`. NULL: no memory.
 */
evlog_arena *arena_new(size_t size_hint, size_t size_max);

/* Zeroed memory, aligned for any type. NULL: EVLOG_NOMEM or EVLOG_LIMIT, see arena_failure. */
void *arena_get(evlog_arena *arena, size_t size);

/* The code of the arena_get that returned NULL; its sentence is set. */
int arena_failure(const evlog_arena *arena);

/* A copy of `size` bytes with a NUL after them. NULL as arena_get. */
char *arena_text(evlog_arena *arena, const char *text, size_t size);

#endif
