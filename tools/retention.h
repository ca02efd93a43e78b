/* A log's retention policy, shown. */
#ifndef RETENTION_H
#define RETENTION_H

#include <evlog/upkeep.h>

#include "print.h"

/* What a policy (NULL: none) keeps, and what it would drop now. NULL: out of memory, or a name is not UTF-8. */
json_t *retention_json(const evlog_retention *retention, const evlog_retained *retained);

/* The same as lines for a person, each with a heading as those of evlog info. */
void retention_put(const evlog_retention *retention, const evlog_retained *retained);

/* A log's policy, for evlog_retention_free, and what it would drop now. An error of the library. */
int retention_read(evlog *log, evlog_retention **retention, evlog_retained *retained);

#endif
