/* What keeps events in the comparison: evlog, SQLite, a file of JSON lines. See subjects.c. */
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event that was delivered: its number, and whether its text is the one that belongs to it. */
typedef void subject_visit(uint64_t number, bool is_right, void *ctx);

struct subject {
    const char *name;
    /* What is in the directory, which exists; made where it is not there. NULL: it reports a failure. */
    void *(*open)(const char *directory);
    /* Whether the event is acknowledged; false: it reports a failure. */
    bool (*append)(void *opened, uint64_t number);
    /* Delivers all events in their order; false: it reports damage. */
    bool (*read)(void *opened, subject_visit *visit, void *ctx);
    /* false: it reports a failure. */
    bool (*close)(void *opened);
};

#define SUBJECTS 3

extern const struct subject subjects[SUBJECTS];

#endif
