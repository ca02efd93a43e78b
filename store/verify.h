/* Reading the whole log and checking what must hold, see verify.c. */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "evlog.h"

struct store;

/* See evlog_verify. */
int verify_log(struct store *store, int (*visit)(const evlog_finding *, uint64_t, void *),
               void *ctx, uint64_t *checked_count);

#endif
