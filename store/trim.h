/* Trimming: dropping the oldest events, see trim.c. */
#ifndef STORE_TRIM_H
#define STORE_TRIM_H

#include <stdbool.h>
#include <stdint.h>

#include "evlog/upkeep.h"

struct store;

/*
 * As evlog_trim. `*trimmed` is filled also when it fails, with what was done until then. Errors of evlog_trim.
 */
int trim_events(struct store *store, uint64_t before_seq, const evlog_trim_options *options,
                evlog_trimmed *trimmed);

#endif
