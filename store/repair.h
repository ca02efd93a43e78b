/* Cutting off the damaged end of a log, see repair.c. */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include <stdbool.h>

#include "evlog/upkeep.h"

struct store;

/* See evlog_repair. The store is open alone, or, for a preview, perhaps for reading only. */
int repair_end(struct store *store, bool is_preview, evlog_repaired *repaired);

#endif
