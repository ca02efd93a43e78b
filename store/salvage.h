/* Making a new log of what can be had of a damaged one, see salvage.c. */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "evlog/upkeep.h"

/* See evlog_salvage. */
int salvage_log(const char *path, const char *new_path, const evlog_salvage_options *options,
                evlog_salvaged *salvaged);

#endif
