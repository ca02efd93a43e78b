/* What the benchmarks share: failing loudly, the clock, a fresh directory, quantiles. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "evlog.h"

#define CHECK(call)                                                                     \
    do {                                                                                \
        int check_result = (call);                                                      \
        if (check_result) {                                                             \
            fprintf(stderr, "bench: %s: %d %s\n", #call, check_result, evlog_errmsg()); \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

/* Seconds, from some moment on. */
static inline double bench_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* `home`/`name`, which does not exist afterwards. */
static inline void bench_fresh(const char *home, const char *name, char path[4200])
{
    char command[8500];
    snprintf(path, 4200, "%s/%s", home, name);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK(system(command));
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

#endif
