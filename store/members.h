/* The names of the consumers that make up a group, see members.c. */
#ifndef STORE_MEMBERS_H
#define STORE_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "evlog.h"

/* What a member's name says. */
struct member {
    char group[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    uint32_t worker, workers; /* from 1 */
    const char *by;           /* in the name that was read */
};

/* Reads a consumer's name. False: it is not that of a member. */
bool member_parse(const char *name, struct member *member);

/*
 * Makes a member's name. EVLOG_INVALID: a number, the group's name or `by` cannot be, or the longest
 * name of the group is too long.
 */
int member_format(const char *group, uint32_t worker, uint32_t workers, const char *by,
                  char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1]);

/* Whether `name` is `wanted`, or that of a member of the group `wanted`. */
bool member_is_of(const char *name, const char *wanted);

#endif
