/* Whether one schema can read what another wrote, see resolve.c. */
#ifndef DISPATCH_RESOLVE_H
#define DISPATCH_RESOLVE_H

#include "class.h"

enum resolve_flags {
    /* A null that the writer may write and the reader has no room for is a conflict. */
    RESOLVE_NULLS = 1,
};

/*
 * EVLOG_OK: data of class `writer` can be read as class `reader`. EVLOG_CONFLICT: the sentence lists
 * what prevents it. EVLOG_LIMIT: finding out would take too long.
 */
int resolve_classes(const evlog_class *reader, const evlog_class *writer, int flags);

#endif
