/* The consumers that make up a group, see members.c. */
#ifndef STORE_MEMBERS_H
#define STORE_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "consumer_entries.h"
#include "env.h"
#include "evlog.h"

struct store;

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

/*
 * A consumer of the group, or an empty name: there is no such group. `state`: ENV_NEWEST, where others
 * may change the group meanwhile, or ENV_BASE. Errors of reading.
 */
int members_find(struct store *store, enum env_state state, const char *group,
                 char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1]);

/* A consumer of a group, as it is in state.mdb. */
struct group_member {
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct member says; /* its `by` is in `name` */
    bool is_damaged;    /* its entry is not known */
    struct consumer_entry entry;
};

/*
 * All of them, in the order of their names, to be freed; NULL and 0: there is no such group. Errors of
 * reading, EVLOG_NOMEM.
 */
int members_list(struct store *store, enum env_state state, const char *group,
                 struct group_member **members, size_t *count);

#endif
