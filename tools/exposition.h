/* Logs as Prometheus' text, see exposition.c. */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include <stddef.h>
#include <stdio.h>

#include <evlog.h>

struct exposition_log;

/* Begins as zeros. */
struct exposition {
    struct exposition_log *logs;
    size_t count;
};

/*
 * Adds what is known of a log now. NULL: it cannot be opened. The library's code; where that is an error the log is
 * there as one that cannot be read, unless memory is out. `path` is kept, not copied.
 */
int exposition_add(struct exposition *exposition, const char *path, evlog *log);

/* Writes all. */
void exposition_put(FILE *out, const struct exposition *exposition);

void exposition_free(struct exposition *exposition);

#endif
