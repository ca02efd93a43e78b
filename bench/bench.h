/*
 * What the benchmarks share: arguments, a directory of their own, the clock, and a row of the
 * table: evlog and its yardstick in turns, the median of their quotients.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "evlog.h"

#define BENCH_ROUNDS_MAX 99

#define CHECK(call)                                                                     \
    do {                                                                                \
        int check_result = (call);                                                      \
        if (check_result) {                                                             \
            fprintf(stderr, "bench: %s: %d %s\n", #call, check_result, evlog_errmsg()); \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

/* `bench [ROUNDS] [DIRECTORY]`: how many rounds, and a new directory. */
static inline unsigned bench_begin(int argc, char **argv, char home[4096])
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 7;
    snprintf(home, 4096, "%s/bench-XXXXXX", argc > 2 ? argv[2] : ".");
    if (rounds < 1 || rounds > BENCH_ROUNDS_MAX || argc > 3) {
        fprintf(stderr, "usage: %s [ROUNDS, 1 to %d] [DIRECTORY]\n", argv[0], BENCH_ROUNDS_MAX);
        exit(2);
    }
    if (!mkdtemp(home)) {
        perror(home);
        exit(1);
    }
    return rounds;
}

/* Takes the directory away. The exit status. */
static inline int bench_end(const char *home)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command) ? 1 : 0;
}

/* `home`/`name`, which does not exist afterwards. */
static inline void bench_fresh(const char *home, const char *name, char path[4200])
{
    char command[8500];
    snprintf(path, 4200, "%s/%s", home, name);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK(system(command));
}

/* Seconds, from some moment on. */
static inline double bench_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static inline int bench_by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Sorts the values; the one that so much of them is below: 0.5 is the median. */
static inline double bench_quantile(double *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, bench_by_value);
    size_t at = (size_t)((double)count * part);
    return values[at < count ? at : count - 1];
}

/* What the rounds of a row gave; `quotient` above 1 means that evlog is faster. */
struct bench_row {
    double ours[BENCH_ROUNDS_MAX], theirs[BENCH_ROUNDS_MAX], quotient[BENCH_ROUNDS_MAX];
};

static inline void bench_print(const char *name, const char *yardstick, struct bench_row *row,
                               unsigned rounds)
{
    double ratio = bench_quantile(row->quotient, rounds, 0.5);
    printf("%-38s %12.0f  %-34s %12.0f  %6.2f  (%.2f to %.2f)\n", name,
           bench_quantile(row->ours, rounds, 0.5), yardstick,
           bench_quantile(row->theirs, rounds, 0.5), ratio, row->quotient[0],
           row->quotient[rounds - 1]);
    fflush(stdout);
}

#endif
