/*
 * Measuring: the rounds of one job, by all of its subjects.
 *
 * Subjects that send begin anew each round, on a fresh file or log. In a job with turns all of them are open at
 * once, in this process, and each makes so many calls before the next one does; else each makes its round alone,
 * from threads and processes of its own. Subjects that read all read what was written once.
 *
 * 1. The time to open, fill and close is in no number.
 * 2. Every subject of a job does the same number of calls of the same size; only what a "slow disk" does is given to
 *    evlog alone.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "job.h"

/* A subject at work. */
struct working {
    const struct subject *subject;
    void *started, *ctx;
    bool is_open; /* here; else only in the processes that send */
    char path[4200];
};

/* `number` is that of its path in `home`. */
static void begin_work(struct working *working, const char *home, unsigned number,
                       const struct subject *subject, const struct shape *shape)
{
    char name[20];
    snprintf(name, sizeof name, "subject-%u", number);
    *working = (struct working){.subject = subject, .is_open = shape->processes == 1};
    bench_fresh(home, name, working->path);
    if (subject->start)
        working->started = subject->start(working->path);
    if (subject->open)
        working->ctx = subject->open(working->path, shape);
    if (!working->is_open && subject->open)
        subject->close(working->ctx); /* it is there now, for the processes to open */
}

/* With what stands beside its path (SQLite's WAL, the lines of reads.c). */
static void end_work(struct working *working)
{
    char command[4300];
    if (working->is_open && working->subject->close)
        working->subject->close(working->ctx);
    if (working->started)
        working->subject->stop(working->started);
    snprintf(command, sizeof command, "rm -rf '%s'*", working->path);
    CHECK(system(command));
}

struct sender {
    const struct working *working;
    const struct shape *shape;
    unsigned thread, calls;
    double *times;
    pthread_t id;
};

static void *send_some(void *ctx)
{
    const struct sender *sender = ctx;
    const struct working *working = sender->working;
    for (unsigned i = 0; i < sender->calls; i++) {
        double start = bench_now();
        working->subject->send(working->ctx, sender->thread, sender->shape);
        sender->times[i] = bench_now() - start;
    }
    return NULL;
}

/* All senders of one process. */
static void send_in_threads(const struct working *working, const struct shape *shape,
                            unsigned calls, double *times)
{
    static struct sender senders[BENCH_SENDERS_MAX];
    for (unsigned i = 0; i < shape->threads; i++) {
        senders[i] = (struct sender){working, shape, i, calls, times + i * calls, 0};
        if (shape->threads == 1)
            send_some(&senders[0]);
        else
            CHECK(pthread_create(&senders[i].id, NULL, send_some, &senders[i]));
    }
    for (unsigned i = 0; shape->threads > 1 && i < shape->threads; i++)
        pthread_join(senders[i].id, NULL);
}

/* A process that sends: opens, says so, waits for the start, sends. */
static void send_in_child(struct working *working, const struct shape *shape, unsigned calls,
                          double *times, int ready, int start)
{
    char byte = 0;
    working->ctx = working->subject->open(working->path, shape);
    CHECK(write(ready, &byte, 1) != 1);
    CHECK(read(start, &byte, 1) != 0); /* its other end is closed */
    send_in_threads(working, shape, calls, times);
    CHECK(write(ready, &byte, 1) != 1);
    working->subject->close(working->ctx);
    _exit(0);
}

/* The seconds that `processes` of them take. */
static double send_in_processes(struct working *working, const struct shape *shape,
                                unsigned calls, double *times)
{
    int ready[2], start[2], status;
    char byte;
    CHECK(pipe(ready) || pipe(start));
    fflush(NULL);
    for (unsigned i = 0; i < shape->processes; i++)
        if (fork() == 0) {
            close(start[1]);
            send_in_child(working, shape, calls, times + i * calls * shape->threads, ready[1],
                          start[0]);
        }
    for (unsigned i = 0; i < shape->processes; i++)
        CHECK(read(ready[0], &byte, 1) != 1);
    double began = bench_now();
    close(start[1]);
    for (unsigned i = 0; i < shape->processes; i++)
        CHECK(read(ready[0], &byte, 1) != 1);
    double took = bench_now() - began;
    for (unsigned i = 0; i < shape->processes; i++) {
        CHECK(wait(&status) < 0);
        CHECK(status);
    }
    close(ready[0]);
    close(ready[1]);
    close(start[0]);
    return took;
}

static void note(struct result *result, unsigned round, double events, double seconds, double cpu,
                 const double *times, size_t count)
{
    static double sorted[1 << 20];
    result->rate[round] = events / seconds;
    result->cpu_ns[round] = cpu / events * 1e9;
    result->median_us[round] = seconds / events * 1e6;
    if (count && count <= sizeof sorted / sizeof *sorted) {
        memcpy(sorted, times, count * sizeof *sorted);
        result->median_us[round] = bench_quantile(sorted, count, 0.5) * 1e6;
    }
}

/* A round of one subject that sends. */
static void send_round(struct working *working, const struct shape *shape, struct result *result,
                       unsigned round)
{
    unsigned senders = shape->threads * shape->processes, calls = shape->calls / senders;
    size_t count = (size_t)calls * senders;
    double *times = result->times + round * count, took;
    double cpu = bench_cpu(), began = bench_now();
    bench_is_slow = shape->on_slow_disk;
    if (shape->processes > 1) {
        took = send_in_processes(working, shape, calls, times);
    } else {
        send_in_threads(working, shape, calls, times);
        took = bench_now() - began;
    }
    bench_is_slow = false;
    result->time_count = (round + 1) * count;
    note(result, round, (double)count * shape->batch, took, bench_cpu() - cpu, times, count);
}

/* A round of all subjects, a turn each. */
static void take_turns(const struct job *job, struct working *working, struct result *results,
                       unsigned count, unsigned round)
{
    const struct shape *shape = &job->shape;
    double cpu[BENCH_SUBJECTS_MAX] = {0}, seconds[BENCH_SUBJECTS_MAX] = {0};
    for (unsigned done = 0; done < shape->calls; done += job->turn)
        for (unsigned i = 0; i < count; i++) {
            struct sender sender = {&working[i],
                                    shape,
                                    0,
                                    job->turn,
                                    results[i].times + round * shape->calls + done,
                                    0};
            double cpu_began = bench_cpu(), began = bench_now();
            send_some(&sender);
            seconds[i] += bench_now() - began;
            cpu[i] += bench_cpu() - cpu_began;
        }
    for (unsigned i = 0; i < count; i++) {
        results[i].time_count = (size_t)(round + 1) * shape->calls;
        note(&results[i], round, (double)shape->calls * shape->batch, seconds[i], cpu[i],
             results[i].times + round * shape->calls, shape->calls);
    }
}

/* A round of one subject that does it by itself. */
static void run_round(struct working *working, const struct job *job, struct result *result,
                      unsigned round)
{
    double *times =
        job->by == BY_MEDIAN ? result->times + (size_t)round * job->shape.calls : NULL;
    double cpu = bench_cpu(), began = bench_now();
    unsigned count = working->subject->run(working->ctx, &job->shape, times);
    result->time_count = times ? (size_t)(round + 1) * count : 0;
    note(result, round, count, bench_now() - began, bench_cpu() - cpu, times, times ? count : 0);
}

/* ---------------------------------------------------------------- a job ---- */

/* All are open together. */
static void play_in_turns(const struct job *job, const char *home, unsigned rounds,
                          struct result *results, unsigned count)
{
    struct working working[BENCH_SUBJECTS_MAX];
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < count; i++)
            begin_work(&working[i], home, i, results[i].peer.subject, &job->shape);
        take_turns(job, working, results, count, round);
        for (unsigned i = 0; i < count; i++)
            end_work(&working[i]);
    }
}

/* Each round begins anew. */
static void play_senders(const struct job *job, const char *home, unsigned rounds,
                         struct result *results, unsigned count)
{
    struct working working;
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < count; i++) {
            begin_work(&working, home, i, results[i].peer.subject, &job->shape);
            send_round(&working, &job->shape, &results[i], round);
            end_work(&working);
        }
}

/* All rounds are about what opening has written. */
static void play_readers(const struct job *job, const char *home, unsigned rounds,
                         struct result *results, unsigned count)
{
    struct working working[BENCH_SUBJECTS_MAX];
    for (unsigned i = 0; i < count; i++)
        begin_work(&working[i], home, i, results[i].peer.subject, &job->shape);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < count; i++)
            run_round(&working[i], job, &results[i], round);
    for (unsigned i = 0; i < count; i++)
        end_work(&working[i]);
}

static size_t times_size(const struct job *job, unsigned rounds)
{
    return (size_t)rounds * job->shape.calls * sizeof(double);
}

void job_measure(const struct job *job, const char *home, unsigned rounds, struct result *results,
                 unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        results[i].time_count = 0;
        results[i].times = mmap(NULL, times_size(job, rounds), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(results[i].times == MAP_FAILED);
    }
    if (job->turn)
        play_in_turns(job, home, rounds, results, count);
    else if (job->peers[0].subject->run)
        play_readers(job, home, rounds, results, count);
    else
        play_senders(job, home, rounds, results, count);
}

void job_release(const struct job *job, unsigned rounds, struct result *results, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        munmap(results[i].times, times_size(job, rounds));
}
