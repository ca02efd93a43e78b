/* Delivering what a cursor gives, see replay.c. */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include <stdbool.h>

#include "evlog.h"

struct connection;

/*
 * Calls receivers for the events that are left to a cursor: `only`, until it is disconnected; or
 * with NULL those that are connected to each event's signal. Adds to `outcome`. With `keep_going`
 * failures and damage are counted and do not end it. EVLOG_RECEIVER; EVLOG_LIMIT: inside too many
 * receivers; errors of cursor_next.
 */
int replay_deliver(evlog_cursor *cursor, const struct connection *only, bool keep_going,
                   evlog_outcome *outcome);

#endif
