/* What the keys of a map are, see keys.c. */
#ifndef DISPATCH_KEYS_H
#define DISPATCH_KEYS_H

#include <stdbool.h>

#include "evlog.h"

struct keys {
    bool are_strings;   /* all of them */
    bool have_nul;      /* one of the strings contains NUL */
    evlog_string twice; /* a string that is there more than once; text NULL: none */
};

/*
 * Looks through the `count` keys of a map that begin at `at`, of checked MessagePack. EVLOG_NOMEM.
 */
int keys_look(const unsigned char *at, size_t count, struct keys *keys);

/* The order of two evlog_string, by their bytes; for qsort. */
int keys_compare(const void *a, const void *b);

#endif
