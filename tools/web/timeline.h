/* How many events of which type, see timeline.c. */
#ifndef WEB_TIMELINE_H
#define WEB_TIMELINE_H

#include "query.h"

/* Writes the timeline of what the filter lets through. 0, or the library's code. */
int timeline_put(struct request *request, const struct query *query);

#endif
