/* Memory that is given out in small pieces and freed at once, see arena.c. */
#ifndef DISPATCH_ARENA_H
#define DISPATCH_ARENA_H

#include <stddef.h>

#include "evlog/class.h"

/*
 * An arena that gives out at most `size_max` bytes, about `size_hint` of them soon. NULL: no
 * memory.
 */
evlog_arena *arena_new(size_t size_hint, size_t size_max);

/* Zeroed bytes, for any type. NULL, and the sentence is set: EVLOG_NOMEM or EVLOG_LIMIT. */
void *arena_get(evlog_arena *arena, size_t size);

/* The code of the arena_get that gave NULL. */
int arena_failure(const evlog_arena *arena);

/* A copy of `size` bytes with a NUL after them. */
char *arena_text(evlog_arena *arena, const char *text, size_t size);

#endif
