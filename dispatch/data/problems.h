/* What is wrong with data, each by its path, see problems.c. */
#ifndef DISPATCH_PROBLEMS_H
#define DISPATCH_PROBLEMS_H

#include <stddef.h>

#define PROBLEMS_SIZE 900 /* fits evlog_errmsg, with room for what stands before it */

/* Where in the data one is: a chain on the stack, from the inside out. */
struct place {
    const struct place *up; /* NULL: the data itself */
    const char *name;       /* of a field or key; NULL: item `index` of a list */
    size_t name_size;
    size_t index;
    int is_key; /* of a map */
};

/* Zeroed, there are none. */
struct problems {
    char text[PROBLEMS_SIZE];
    size_t size;
    unsigned count, untold;
};

/* Writes one down: `path: sentence`. When there is no more room it is only counted. */
void problem_add(struct problems *problems, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* EVLOG_OK when there were none, else `code`, and they are the sentence. */
int problems_end(const struct problems *problems, int code);

#endif
