/* Data against a description: checking, and reading into a struct, see match.c. */
#ifndef DISPATCH_MATCH_H
#define DISPATCH_MATCH_H

#include "arena.h"
#include "class.h"
#include "problems.h"

enum match_flags {
    /*
     * The data was written under another schema: unknown fields are skipped, strings and bytes are
     * read as each other, and missing fields get their fallback. Without it only a field that
     * is_optional may be missing.
     */
    MATCH_RESOLVE = 1,
    MATCH_ANY_FORM = 2, /* times, UUIDs and keys may be any text */
};

/*
 * Checks one element at `data` (which pack_check has passed) against a class. EVLOG_INVALID
 * and all that is wrong with it.
 */
int match_check(const evlog_class *of, const void *data, int flags);

/*
 * The same, and fills `target`, a zeroed struct of the class. Strings point into the data,
 * the rest is taken from the arena. EVLOG_LIMIT, EVLOG_NOMEM. `argument`: of this field in
 * the data, which are a map of it; NULL: the data themselves.
 */
int match_read(const evlog_class *of, const char *argument, const void *data, int flags,
               evlog_arena *arena, void *target);

/* The fallback of a field as MessagePack, in the arena. EVLOG_INVALID: no JSON; EVLOG_NOMEM. */
int match_pack_fallback(const evlog_field *field, evlog_arena *arena,
                        const unsigned char **packed);

/* Whether the fallback of a field is a value of its shape. EVLOG_INVALID, EVLOG_NOMEM. */
int match_check_fallback(const evlog_field *field);

#endif
