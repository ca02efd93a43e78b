/* The first event that a log keeps, see floor.c. */
#ifndef STORE_FLOOR_H
#define STORE_FLOOR_H

#include <stdint.h>

#include "entries.h"

struct floor;
struct flusher;

struct floor_place {
    uint64_t first_seq; /* of the events that are kept; 1: none was trimmed */
    uint64_t chain;     /* of the event before it; of seq 1: the log's origin */
};

/*
 * Reads it from state.mdb. `flusher`: of a fast log; else NULL. `origin`: record_origin of the log. With `is_tolerant`
 * a damaged entry is taken for none. EVLOG_DAMAGED, EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM.
 */
int floor_open(struct env *env, struct flusher *flusher, uint64_t origin, bool is_tolerant,
               struct floor **floor);
void floor_close(struct floor *floor);

/* As it was last read or set. Any thread. */
struct floor_place floor_get(struct floor *floor);

/* Reads what another process has set. Errors of floor_open. */
int floor_refresh(struct floor *floor);

/*
 * Raises it, durably: before the events below it are deleted. Where it is as high or higher
 * already nothing changes. A fast log is flushed up to it. Errors of env_write and flusher_flush_upto.
 */
int floor_set(struct floor *floor, const struct floor_place *place);

/* Whether a key is that of its entry. */
bool floor_is_key(const unsigned char *bytes, size_t size);

/* What its entry says. EVLOG_DAMAGED: it is not as it was written. */
int floor_unpack(const struct entry *entry, struct floor_place *place);

/* EVLOG_DAMAGED: an entry of kind `l` that is the floor's is not as it was written. */
int floor_check(const struct entry *entry);

#endif
