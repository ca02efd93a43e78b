/*
 * An arena: pieces of memory that are freed together.
 *
 * It is a list of blocks, the newest first. A piece is taken from what is left of the newest block,
 * or else from a new block, twice as large as the one before. The total is limited, because hostile
 * data can ask for much more memory than its own size: an empty map is one byte in the data and a
 * whole struct in memory.
 *
 * Cost: a comparison and an addition for each piece. Absent: freeing a single piece.
 */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define ALIGNMENT 16
#define BLOCK_SIZE_MIN ((size_t)512)

struct block {
    struct block *before;
    size_t size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct evlog_arena {
    struct block *block;
    size_t used; /* of the newest block */
    size_t given, size_max;
    int failure;
};

static struct block *block_new(size_t size, struct block *before)
{
    struct block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->before = before;
    block->size = size;
    return block;
}

evlog_arena *arena_new(size_t size_hint, size_t size_max)
{
    evlog_arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->size_max = size_max;
    arena->block = block_new(size_hint > BLOCK_SIZE_MIN ? size_hint : BLOCK_SIZE_MIN, NULL);
    if (!arena->block) {
        free(arena);
        return NULL;
    }
    return arena;
}

void evlog_arena_free(evlog_arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->block, *before; block; block = before) {
        before = block->before;
        free(block);
    }
    free(arena);
}

static int grow(evlog_arena *arena, size_t size)
{
    size_t double_size = 2 * arena->block->size;
    struct block *block = block_new(size > double_size ? size : double_size, arena->block);
    if (!block)
        return arena->failure = error_nomem();
    arena->block = block;
    arena->used = 0;
    return EVLOG_OK;
}

void *arena_get(evlog_arena *arena, size_t size)
{
    if (size > arena->size_max - arena->given) {
        arena->failure =
            error_set(EVLOG_LIMIT, "this needs more than %zu bytes of memory", arena->size_max);
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > arena->block->size - arena->used && grow(arena, size))
        return NULL;
    void *piece = arena->block->bytes + arena->used;
    arena->used += size;
    arena->given += size < arena->size_max - arena->given ? size : arena->size_max - arena->given;
    return piece;
}

int arena_failure(const evlog_arena *arena)
{
    return arena->failure;
}

char *arena_text(evlog_arena *arena, const char *text, size_t size)
{
    char *copy = arena_get(arena, size + 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}
