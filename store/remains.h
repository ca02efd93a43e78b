/* The entries of state.mdb, however damaged it is, see remains.c. */
#ifndef STORE_REMAINS_H
#define STORE_REMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consumer_entries.h"
#include "floor.h"

/* An entry that was found. */
struct remain {
    uint64_t owner; /* the digest of its consumer's name; 0: it is of none */
    uint64_t key_digest;
    uint64_t check; /* its checksum: of one key, that of equal contents */
    uint64_t key_place, value_place;
    int64_t updated_us; /* of the entry `c` of a consumer */
    uint32_t value_size;
    uint16_t key_size;
    unsigned char kind;
    bool
        is_live; /* in the newest state that can be read; else it is of an older one, or of a page that is not sound */
    bool is_taken; /* it is the log's */
};

struct remains {
    int fd; /* -1: there is no file */
    uint64_t seed;
    struct remain *all;
    size_t count, room;
    bool is_whole; /* all of the newest state can be read, and is sound */
    bool has_floor;
    struct floor_place floor; /* the highest that was found */
    uint64_t lost_count;      /* entries that are known to have been there, and are not sound */
    uint64_t unreadable_count;
};

/* Finds the entries of a file, opened for reading, and decides which are the log's. EVLOG_NOMEM. */
int remains_find(struct remains *remains, int fd, uint64_t seed);
void remains_free(struct remains *remains);

/* Reads an entry again; the caller frees its value. EVLOG_DAMAGED: it is not there any more. EVLOG_NOMEM. */
int remains_read(struct remains *remains, const struct remain *remain, struct entry *entry);

/* Whether an entry with that key was taken. */
bool remains_has(const struct remains *remains, const void *key, size_t key_size);

/*
 * Calls `visit` for each consumer: with its place, whether taken or not, or NULL when that was not found. What it
 * returns other than 0 ends that and is returned. EVLOG_NOMEM.
 */
int remains_each_consumer(struct remains *remains,
                          int (*visit)(const char *name, const struct consumer_entry *place,
                                       bool is_taken, void *ctx),
                          void *ctx);

#endif
