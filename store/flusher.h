/* The thread that flushes an EVLOG_FAST log, see flusher.c. */
#ifndef STORE_FLUSHER_H
#define STORE_FLUSHER_H

#include <stdint.h>

struct env;
struct flusher;

/* Starts it. `every_ms` 0: FLUSH_EVERY_MS. EVLOG_NOMEM, EVLOG_IO. */
#define FLUSH_EVERY_MS 100
int flusher_open(struct env *env, uint32_t every_ms, struct flusher **flusher);

/* Stops it, and flushes a last time. EVLOG_IO: that, or an earlier flush, failed. */
int flusher_close(struct flusher *flusher);

#endif
