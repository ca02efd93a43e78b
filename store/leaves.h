/* The records of a log as the leaves of a Merkle tree, see leaves.c. */
#ifndef STORE_LEAVES_H
#define STORE_LEAVES_H

#include "evlog/audit.h"

struct store;

/* As evlog_each_leaf. */
int leaves_each(struct store *store, uint64_t first, uint64_t last,
                int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx);

/* As evlog_leaf_names. */
int leaf_names(struct store *store, uint64_t type, uint64_t source, evlog_buffer *names);

#endif
