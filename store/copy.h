/* Copying a log that is in use, see copy.c. */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include "evlog/upkeep.h"

struct store;

/* See evlog_copy. `to` is open alone; NULL: it is not there yet, and only a preview is asked for. */
int copy_events(struct store *from, struct store *to, const evlog_copy_options *options,
                evlog_copied *copied);

#endif
