/* A job of the table (bench.c), and what measuring it gives (measure.c). */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include "bench.h"

/* What the ratio of a job compares. */
enum by { BY_RATE, BY_CPU, BY_MEDIAN };

/* SHORT: in the short form too. */
enum form { SHORT, LONG };

/* A subject of a job. */
struct peer {
    const struct subject *subject;
    double ask; /* of the ratio; 0: nothing is asked */
};

struct job {
    const char *name;
    enum by by;
    unsigned turn; /* so many calls, then the next subject's; 0: each does its round alone */
    enum form form;
    struct shape shape;
    struct peer peers[BENCH_SUBJECTS_MAX]; /* evlog's first */
};

/* What one subject of a job gave. */
struct result {
    struct peer peer;
    double rate[BENCH_ROUNDS_MAX], cpu_ns[BENCH_ROUNDS_MAX], median_us[BENCH_ROUNDS_MAX];
    double *times;     /* of the calls of all rounds; shared with the processes that send */
    size_t time_count; /* 0: only the whole was timed */
};

/* Does so many rounds of the job by the peers of `results`, in `home`. Release the results afterwards. */
void job_measure(const struct job *job, const char *home, unsigned rounds, struct result *results,
                 unsigned count);
void job_release(const struct job *job, unsigned rounds, struct result *results, unsigned count);

#endif
