/* The problems of some data, each with its path, see problems.c. */
#ifndef DISPATCH_PROBLEMS_H
#define DISPATCH_PROBLEMS_H

#include <stddef.h>

#define PROBLEMS_SIZE 900 /* fits evlog_errmsg, with room for a prefix */

/* A place in the data: a chain on the stack, from the inside out. */
struct place {
    const struct place *up; /* NULL: the data itself */
    const char *name;       /* of a field or key; NULL: item `index` of a list */
    size_t name_size;
    size_t index;
    int is_key; /* of a map */
};

/* Zeroed: there are none. */
struct problems {
    char text[PROBLEMS_SIZE];
    size_t size;
    unsigned count, left_out;
};

/* Adds `path: sentence`, or only counts it if there is no more room. */
void problem_add(struct problems *problems, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* EVLOG_OK if there are none, else `code`, with all of them as its sentence. */
int problems_end(const struct problems *problems, int code);

#endif
