/* What opening and resetting a consumer share, see open.c. */
#ifndef REPLAY_OPEN_H
#define REPLAY_OPEN_H

#include <stdint.h>

struct store;

/* The chain of an event; 0: there is none, or it cannot be read. */
uint64_t open_chain_at(struct store *store, uint64_t seq);

#endif
