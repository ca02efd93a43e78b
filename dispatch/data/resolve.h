/* Whether one schema can read what another wrote, see resolve.c. */
#ifndef DISPATCH_RESOLVE_H
#define DISPATCH_RESOLVE_H

#include "class.h"

enum resolve_flags {
    /* A null that the writer may write and the reader has no room for is a conflict. */
    RESOLVE_NULLS = 1,
};

/*
 * EVLOG_OK when data of class `writer` can be read as class `reader`, else EVLOG_CONFLICT and
 * what stands against it. EVLOG_LIMIT: that would take too long to find out.
 */
int resolve_classes(const evlog_class *reader, const evlog_class *writer, int flags);

#endif
