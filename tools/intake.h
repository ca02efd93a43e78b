/* Lines of input that become events in batches: what evlog send and evlog import share, see intake.c. */
#ifndef INTAKE_H
#define INTAKE_H

#include "lines.h"
#include "tool.h"

#define INTAKE_WHY_SIZE 512

/* What becomes of a line; an exit status (0 or more) ends the intake. */
enum {
    INTAKE_PASSED = -1, /* it is not an event */
    INTAKE_TAKEN = -2,  /* it is in the batch */
    INTAKE_FULL = -3,   /* likewise, and the batch is to be appended now */
    INTAKE_BAD = -4,    /* it is wrong: `why` */
};

struct intake {
    void *ctx;
    /* Takes line `intake->line` into the batch; `line` is NULL where it is too long. */
    int (*take)(void *ctx, const char *line, size_t size, char why[INTAKE_WHY_SIZE]);
    /* Appends some of the batch, all or none. The library's code. */
    int (*append)(void *ctx, size_t first, size_t count);
    void (*clear)(void *ctx); /* empties the batch */
    size_t batch_max;         /* lines in a batch: then `take` returns INTAKE_FULL */
    int skip_bad;
    int preview; /* nothing is appended: the sentence on a wrong line does not say what is in the log */
    int stop_fd; /* readable when the intake is to end after the present batch; -1: none */

    /* What has come of it: */
    uint64_t line; /* the number of the last one read */
    uint64_t appended_count, skipped_count;
    int is_stopped;

    /* Its own: */
    struct lines lines;
    uint64_t *numbers; /* of the lines of the batch */
    size_t count;
};

/* Reads `fd`, `name` in sentences, to its end. -1: all was read, or is_stopped; else the exit status, reported. */
int intake_run(struct intake *intake, int fd, const char *name);

#endif
