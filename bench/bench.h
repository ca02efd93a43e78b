/* What the benchmarks share: arguments, a directory of their own, the clock, and the subjects of bench.c. */
#ifndef BENCH_H
#define BENCH_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* Of this process with all its threads, and of its children that have ended. Seconds. */
static inline double bench_cpu(void)
{
    double seconds = 0;
    for (int who = 0; who < 2; who++) {
        struct rusage usage;
        getrusage(who ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
        seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    }
    return seconds;
}

/* ------------------------------------------------------- the one table ---- */

#define BENCH_SUBJECTS_MAX 7
#define BENCH_SENDERS_MAX 256
#define BENCH_DATA_MAX 65536

/* What a job does; zero means one. */
struct shape {
    unsigned size;  /* bytes of data of an event */
    unsigned batch; /* events of a call */
    unsigned threads, processes;
    unsigned calls; /* of all senders together; events of a job that reads */
    bool on_slow_disk;
};

/*
 * What does jobs: evlog, or a yardstick. `open` makes what the senders of one process use; `send` makes one call;
 * `run` does a whole round, returns how many events, and notes how long each took if `times` is not NULL. A subject
 * has `send` or `run`.
 */
struct subject {
    const char *name;
    const char *missing; /* why it is not measured; NULL: it is */
    void *(*start)(
        const char *path); /* once, before any process opens it; NULL: nothing to start */
    void *(*open)(const char *path, const struct shape *shape);
    void (*send)(void *ctx, unsigned thread, const struct shape *shape);
    unsigned (*run)(void *ctx, const struct shape *shape, double *times);
    void (*close)(void *ctx);
    void (*stop)(void *started);
};

/* The subjects, by file. */
extern const struct subject ours_durable, ours_fast, append_flush, lmdb_flushed,
    lmdb_mapped; /* senders.c */
extern struct subject sqlite_full, sqlite_normal, redis_always, redis_everysec, redis_wait,
    tephra; /* peers.c */
extern const struct subject ours_replay_all, ours_consume, ours_consume_state,
    ours_show; /* reads.c */
extern const struct subject lmdb_cursor, lmdb_cursor_xxh3, lmdb_get_put;
extern struct subject jq_all;
extern struct subject sqlite_scan;
extern const struct subject ours_wait, ours_wait_thread, futex_wait,
    futex_wait_thread; /* waits.c */
extern const struct subject ours_pack, ours_check, ours_unpack, ours_typed,
    by_hand_pack; /* typed.c */
extern const struct subject msgpack_tree, msgpack_tree_values, ours_untyped;

/* A MessagePack map of the size that bench_fill was given. */
extern unsigned char bench_data[BENCH_DATA_MAX];
void bench_fill(unsigned size);

extern atomic_bool bench_is_slow; /* each of evlog's flushes takes 50 ms longer */

#define BENCH_TYPE "org.openedx.learning.course.enrollment.created.v1"
#define BENCH_RECORD_OVERHEAD \
    121 /* what evlog's record has beside the data: others get as many bytes */

extern const char *bench_beside; /* the directory of this program, where the command is, too */

/* Finds the peers that are loaded or started: `program` is this one, beside which the others are built. */
void peers_find(const char *program);

/* growth.c: the same calls at several lengths; as rows of a JSON array on `json`, if it is not NULL. */
void growth_measure(const char *home, bool is_short, FILE *text, FILE *json);

#endif
