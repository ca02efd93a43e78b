/* Whether one schema can read what another wrote, see resolve.c. */
#ifndef DISPATCH_RESOLVE_H
#define DISPATCH_RESOLVE_H

#include "class.h"

enum {
    RESOLVE_ALWAYS = 1, /* every event; without it a null that may come is left to be found */
};

/*
 * EVLOG_OK when data of class `writer` can be read as class `reader`, else EVLOG_CONFLICT and
 * what stands against it. EVLOG_LIMIT: that would take too long to find out.
 */
int resolve_classes(const evlog_class *reader, const evlog_class *writer, int flags);

#endif
