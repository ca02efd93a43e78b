/* Which process sent an event, as headers of it, see peer.c. */
#ifndef DISPATCH_PEER_H
#define DISPATCH_PEER_H

#include <stdbool.h>

#include "evlog.h"

#define PEER_HEADERS 3

struct peer {
    evlog_header headers[PEER_HEADERS];
    char uid[16], pid[16], program[EVLOG_NAME_SIZE_MAX + 1];
};

/* This process. NULL: out of memory. To be freed. */
struct peer *peer_new(void);

/*
 * Whether a process records it: by its option, or by EVLOG_RECORD_PEER in its environment. EVLOG_INVALID: that is
 * neither "1" nor "0".
 */
int peer_is_wanted(bool asked, bool *is_wanted);

/* The headers of a send but for those with the names of these, then these: a list to be freed. NULL: out of memory. */
evlog_header *peer_add(const struct peer *peer, const evlog_header *headers, size_t count,
                       size_t *all_count);

#endif
