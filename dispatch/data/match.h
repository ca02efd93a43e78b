/* Data compared with a class: checking it, and reading it into a struct, see match.c. */
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
 * Checks the element at `data`, which has passed pack_check, against a class. EVLOG_INVALID: the
 * sentence lists everything that is wrong. EVLOG_NOMEM.
 */
int match_check(const evlog_class *of, const void *data, int flags);

/*
 * The same, and fills `target`, a zeroed struct of the class. Strings point into the data; lists,
 * maps and what NULLABLE members point to are in the arena. With an `argument`, the struct is the
 * value of that key in the data; with NULL, the data itself. Also EVLOG_LIMIT.
 */
int match_read(const evlog_class *of, const char *argument, const void *data, int flags,
               evlog_arena *arena, void *target);

/* Whether the fallback of a field is a value of its shape. EVLOG_INVALID, EVLOG_NOMEM. */
int match_check_fallback(const evlog_field *field);

#endif
