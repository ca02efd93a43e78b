/* The retention policy, kept in the log and applied by senders, see retain.c. */
#ifndef STORE_RETAIN_H
#define STORE_RETAIN_H

#include <stdint.h>

#include "entries.h"
#include "evlog/upkeep.h"

struct store;

/* See evlog_retain, evlog_retention_get, evlog_retention_look and evlog_retention_apply. */
int retain_set(struct store *store, const evlog_retention *retention);
int retain_get(struct store *store, evlog_retention **retention);
int retain_look(struct store *store, const evlog_retention *retention, evlog_retained *retained);
int retain_apply(struct store *store);

/* Before a send, with nothing held: does a step of it when the flusher's thread is behind. */
void retain_help(struct store *store);

/* From now on the flusher's thread applies the policy; before the first commit. */
void retain_begin(struct store *store);

/* EVLOG_DAMAGED: an entry of kind `l` that is the policy is not as it was written. */
int retain_check(const struct entry *entry);

#endif
