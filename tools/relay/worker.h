/* A thread that works while the relay's own does something else, see worker.c. */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "relay.h"

struct worker;

/* Its thread calls `work` for each worker_begin. NULL: out of memory, or no thread can be started. */
struct worker *worker_new(enum outcome (*work)(void *ctx), void *ctx);

/* Not before the one before has ended. */
void worker_begin(struct worker *worker);

/* Waits for its end: its outcome, with broker_why. */
enum outcome worker_end(struct worker *worker);

/* Waits for the end of what was begun. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
