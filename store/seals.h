/* Seals, as far as the library knows them, see seals.c. */
#ifndef STORE_SEALS_H
#define STORE_SEALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* How far the log was looked through for seals, by this process. Zeroed, it is ready. */
struct seals {
    pthread_mutex_t lock;
    uint64_t looked_to; /* events before this one */
    uint64_t floor; /* the greatest of those that a seal among them leaves; 0: there is none */
};

/* As evlog_add_seal. */
int seals_add(struct store *store, uint64_t size, const char *note, const void *roots,
              size_t roots_size);

/*
 * Where a log whose first event is `first` may be trimmed so that a seal has the tree of what goes: `*before_seq`,
 * between first and `wanted`. A log that was never sealed: `wanted`; `*is_sealed` says which. Errors of reading.
 */
int seals_floor(struct store *store, uint64_t first, uint64_t wanted, uint64_t *before_seq,
                bool *is_sealed);

#endif
