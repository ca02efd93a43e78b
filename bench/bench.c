/*
 * The judge: what evlog does beside what a user would pick instead, and beside what the machine can do.
 *
 *   bench [-o json] [-j TEXT] [ROUNDS] [DIRECTORY]
 *
 * A job is a row of the table below: what is done, and by whom, evlog first. Absolute times on a shared machine mean little, so
 * all subjects of a job take turns: in a TURNS job after each few calls, with all of them open in this process; else a round each, on a fresh file
 * or log. ROUNDS (7) rounds are made, in a new directory below DIRECTORY (the current one), which must be on a disk for the durable jobs to mean
 * anything. One round is the short form: smaller jobs, two lengths of growth.
 *
 * A line of the table: events a second and CPU time an event (user and system, all threads and ended children; medians of the rounds); a call's
 * 10th, 50th, 99.9th percentile and the longest (over all rounds, us); and the ratio, which is above 1 where evlog is ahead: the median of
 * the rounds', lowest to highest. It compares what the job is about: the rate, the CPU time, or the median time of a call. `ask`: what issue 14 asks of that ratio.
 *
 * With -j only the jobs whose name contains TEXT are done. With -o json one object goes to standard output, {"machine": {...}, "rows": [...], "growth": [...]}, and the table to standard error.
 *
 * 1. The time to open, fill and close is in no number.
 * 2. Every subject of a job does the same number of calls of the same size; only what a "slow disk" does is given to evlog alone.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

enum by { BY_RATE, BY_CPU, BY_MEDIAN };

struct job {
    const char *name;
    enum by by;
    struct shape shape;
    unsigned
        turn; /* TURNS: so many calls, then the next subject's; 0: each does its round alone */
    bool long_only; /* not in the short form */
    struct {
        const struct subject *subject;
        double ask; /* of the ratio; 0: nothing is asked */
    } who[BENCH_SUBJECTS_MAX];
};

static const struct job jobs[] = {
    {"durable, 1 sender",
     BY_MEDIAN,
     {.calls = 1500},
     1,
     false,
     .who = {{&ours_durable, 0},
             {&append_flush, 1 / 1.12},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 1 sender, 64 B",
     BY_MEDIAN,
     {.size = 64, .calls = 800},
     1,
     true,
     .who = {{&ours_durable, 0},
             {&append_flush, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 1 sender, 4 KiB",
     BY_MEDIAN,
     {.size = 4096, .calls = 800},
     1,
     true,
     .who = {{&ours_durable, 0},
             {&append_flush, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 1 sender, 64 KiB",
     BY_MEDIAN,
     {.size = 65536, .calls = 300},
     1,
     true,
     .who = {{&ours_durable, 0},
             {&append_flush, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 2 senders",
     BY_RATE,
     {.threads = 2, .calls = 2000},
     0,
     true,
     .who = {{&ours_durable, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 8 senders",
     BY_RATE,
     {.threads = 8, .calls = 4000},
     0,
     true,
     .who = {{&ours_durable, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 32 senders",
     BY_RATE,
     {.threads = 32, .calls = 6400},
     0,
     false,
     .who = {{&ours_durable, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"durable, 256 senders",
     BY_RATE,
     {.threads = 256, .calls = 12800},
     0,
     false,
     .who = {{&ours_durable, 0}, {&redis_always, 1}, {&tephra, 1}}},
    {"durable, 4 processes of 1",
     BY_RATE,
     {.processes = 4, .calls = 3000},
     0,
     false,
     .who = {{&ours_durable, 0}, {&lmdb_flushed, 1}, {&sqlite_full, 1}, {&redis_always, 1}}},
    {"durable, 512 a call",
     BY_RATE,
     {.batch = 512, .calls = 300},
     0,
     false,
     .who = {{&ours_durable, 0},
             {&lmdb_flushed, 1},
             {&sqlite_full, 1},
             {&redis_always, 1},
             {&tephra, 1}}},
    {"fast, 1 sender",
     BY_MEDIAN,
     {.calls = 60000},
     1000,
     false,
     .who =
         {{&ours_fast, 0}, {&lmdb_mapped, 1 / 1.4}, {&sqlite_normal, 1}, {&redis_everysec, 1}}},
    {"fast, 1 sender, 64 B",
     BY_MEDIAN,
     {.size = 64, .calls = 40000},
     1000,
     true,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&sqlite_normal, 1}, {&redis_everysec, 1}}},
    {"fast, 1 sender, 4 KiB",
     BY_MEDIAN,
     {.size = 4096, .calls = 20000},
     500,
     true,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&sqlite_normal, 1}, {&redis_everysec, 1}}},
    {"fast, 1 sender, 64 KiB",
     BY_MEDIAN,
     {.size = 65536, .calls = 2000},
     100,
     true,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&sqlite_normal, 1}, {&redis_everysec, 1}}},
    {"fast, 8 senders",
     BY_RATE,
     {.threads = 8, .calls = 40000},
     0,
     false,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&redis_everysec, 1}}},
    {"fast, 4 processes of 1",
     BY_RATE,
     {.processes = 4, .calls = 40000},
     0,
     false,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&redis_everysec, 1}}},
    {"fast, 512 a call",
     BY_CPU,
     {.batch = 512, .calls = 400},
     10,
     false,
     .who = {{&ours_fast, 0}, {&lmdb_mapped, 1 / 1.3}, {&sqlite_normal, 1}}},
    {"replay, every check",
     BY_CPU,
     {.calls = 204800},
     0,
     false,
     .who =
         {{&ours_replay_all, 0}, {&lmdb_cursor_xxh3, 1}, {&lmdb_cursor, 0}, {&sqlite_scan, 1}}},
    {"a consumer",
     BY_CPU,
     {.calls = 204800},
     0,
     false,
     .who = {{&ours_consume, 0}, {&lmdb_cursor_xxh3, 1 / 1.25}, {&ours_replay_all, 0}}},
    {"a consumer with state",
     BY_CPU,
     {.calls = 204800},
     0,
     false,
     .who = {{&ours_consume_state, 0}, {&lmdb_get_put, 1 / 2.5}}},
    {"to a consumer in another process",
     BY_MEDIAN,
     {.calls = 500},
     0,
     false,
     .who = {{&ours_wait, 0}, {&redis_wait, 1}, {&futex_wait, 0}}},
    {"to a consumer in another thread",
     BY_MEDIAN,
     {.calls = 500},
     0,
     true,
     .who = {{&ours_wait_thread, 0}, {&futex_wait_thread, 0}}},
    {"typed: pack a struct",
     BY_CPU,
     {.calls = 200000},
     0,
     false,
     .who = {{&ours_pack, 0}, {&by_hand_pack, 1 / 1.2}}},
    {"typed: check",
     BY_CPU,
     {.calls = 200000},
     0,
     false,
     .who = {{&ours_check, 0}, {&msgpack_tree, 1 / 1.1}}},
    {"typed: unpack, checked",
     BY_CPU,
     {.calls = 200000},
     0,
     false,
     .who = {{&ours_unpack, 0}, {&msgpack_tree_values, 1 / 1.5}}},
    {"typed: send, fast",
     BY_MEDIAN,
     {.calls = 40000},
     1000,
     false,
     .who = {{&ours_typed, 0}, {&ours_untyped, 0}}},
    {"show -o json", BY_CPU, {.calls = 20000}, 0, false, .who = {{&ours_show, 0}, {&jq_all, 4}}},
    {"slow disk: durable, 1 sender",
     BY_RATE,
     {.calls = 20, .on_slow_disk = true},
     0,
     true,
     .who = {{&ours_durable, 0}}},
    {"slow disk: durable, 32 senders",
     BY_RATE,
     {.threads = 32, .calls = 640, .on_slow_disk = true},
     0,
     true,
     .who = {{&ours_durable, 0}}},
    {"slow disk: durable, 512 a call",
     BY_RATE,
     {.batch = 512, .calls = 100, .on_slow_disk = true},
     0,
     true,
     .who = {{&ours_durable, 0}}},
    {"slow disk: fast, 1 sender",
     BY_RATE,
     {.calls = 400000, .on_slow_disk = true},
     0,
     true,
     .who = {{&ours_fast, 0}}},
};

static char home[4096];
static unsigned rounds;
static const char *wanted = ""; /* in a job's name */
static FILE *table = NULL, *json = NULL;
const char *bench_beside;

/* What one subject of a job gave. */
struct result {
    double rate[BENCH_ROUNDS_MAX], cpu_ns[BENCH_ROUNDS_MAX], median_us[BENCH_ROUNDS_MAX];
    double *times;     /* of the calls of all rounds; shared with the processes that send */
    size_t time_count; /* 0: only the whole was timed */
};

/* A subject at work. */
struct working {
    const struct subject *subject;
    void *started, *ctx;
    char path[4200];
};

/* ------------------------------------------------------------ measuring ---- */

static void begin_work(struct working *working, const struct subject *subject,
                       const struct shape *shape, unsigned i, bool opens)
{
    char name[20];
    snprintf(name, sizeof name, "subject-%u", i);
    *working = (struct working){.subject = subject};
    bench_fresh(home, name, working->path);
    if (subject->start)
        working->started = subject->start(working->path);
    if (subject->open)
        working->ctx = subject->open(working->path, shape);
    if (!opens && subject->open)
        subject->close(working->ctx); /* it is there now, for the processes to open */
}

/* With what stands beside its path (SQLite's WAL, the lines of reads.c). */
static void end_work(struct working *working, bool closes)
{
    char command[4300];
    if (closes && working->subject->close)
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

/* ------------------------------------------------------------ the table ---- */

static double measure_of(const struct result *result, enum by by, unsigned round)
{
    return by == BY_RATE  ? 1 / result->rate[round]
           : by == BY_CPU ? result->cpu_ns[round]
                          : result->median_us[round];
}

static void print_quantiles(struct result *result)
{
    static const double parts[] = {0.1, 0.5, 0.999, 1};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double us = result->time_count
                        ? bench_quantile(result->times, result->time_count, parts[i]) * 1e6
                        : 0;
        if (result->time_count)
            fprintf(table, " %9.1f", us);
        else
            fprintf(table, " %9s", "");
        if (json)
            fprintf(json, ", \"%s\": %.3f",
                    (const char *const[]){"p10_us", "p50_us", "p999_us", "longest_us"}[i], us);
    }
}

/* One line; `first` is evlog's. */
static void print_line(const struct job *job, unsigned who, struct result *first,
                       struct result *result)
{
    static bool is_next;
    const struct subject *subject = job->who[who].subject;
    double ratios[BENCH_ROUNDS_MAX], rate[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX],
        ask = job->who[who].ask;
    for (unsigned i = 0; i < rounds; i++) {
        ratios[i] = measure_of(result, job->by, i) / measure_of(first, job->by, i);
        rate[i] = result->rate[i];
        cpu[i] = result->cpu_ns[i];
    }
    double ratio = bench_quantile(ratios, rounds, 0.5);
    fprintf(table, "  %-26s %11.0f %9.0f", subject->name, bench_quantile(rate, rounds, 0.5),
            bench_quantile(cpu, rounds, 0.5));
    if (json)
        fprintf(
            json,
            "%s\n  {\"job\": \"%s\", \"subject\": \"%s\", \"events_s\": %.0f, \"cpu_ns\": %.1f",
            is_next ? "," : "", job->name, subject->name, bench_quantile(rate, rounds, 0.5),
            bench_quantile(cpu, rounds, 0.5));
    print_quantiles(result);
    if (who > 0)
        fprintf(table, "  %6.2f (%.2f to %.2f)", ratio, ratios[0], ratios[rounds - 1]);
    if (who > 0 && ask > 0)
        fprintf(table, "  ask %.2f%s", ask, ratio < ask ? "  NOT MET" : "");
    fputc('\n', table);
    fflush(table);
    if (json)
        fprintf(json, ", \"ratio\": %.3f, \"lowest\": %.3f, \"highest\": %.3f, \"ask\": %.3f}",
                ratio, ratios[0], ratios[rounds - 1], ask);
    is_next = true;
}

static void print_job(const struct job *job)
{
    static const char *const by[] = {"by rate", "by CPU", "by median"};
    const struct shape *shape = &job->shape;
    fprintf(table, "\n%s (%u B, %u calls of %u)\n  %-26s %11s %9s %9s %9s %9s %9s  %s\n",
            job->name, shape->size, shape->calls, shape->batch, "", "events/s", "CPU ns", "10 %",
            "50 %", "99.9 %", "longest", by[job->by]);
}

/* ---------------------------------------------------------------- a job ---- */

static unsigned find_subjects(struct job *job)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BENCH_SUBJECTS_MAX && job->who[i].subject; i++) {
        const struct subject *subject = job->who[i].subject;
        if (subject->missing)
            fprintf(table, "  (%s is left out: %s)\n", subject->name, subject->missing);
        else
            job->who[count++] = job->who[i];
    }
    return count;
}

static void fill_shape(struct shape *shape)
{
    shape->size = shape->size ? shape->size : 256;
    shape->batch = shape->batch ? shape->batch : 1;
    shape->threads = shape->threads ? shape->threads : 1;
    shape->processes = shape->processes ? shape->processes : 1;
    bench_fill(shape->size);
}

/* Everyone reads what was written once; senders begin anew each round. */
static void play(const struct job *job, unsigned count, struct result *results)
{
    struct working working[BENCH_SUBJECTS_MAX];
    const struct shape *shape = &job->shape;
    bool reads = job->who[0].subject->run != NULL, opens = shape->processes == 1;
    for (unsigned i = 0; reads && i < count; i++)
        begin_work(&working[i], job->who[i].subject, shape, i, true);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; job->turn && i < count; i++)
            begin_work(&working[i], job->who[i].subject, shape, i, true);
        if (job->turn)
            take_turns(job, working, results, count, round);
        for (unsigned i = 0; i < count; i++) {
            if (job->turn) {
                end_work(&working[i], true);
            } else if (reads) {
                run_round(&working[i], job, &results[i], round);
            } else {
                begin_work(&working[i], job->who[i].subject, shape, i, opens);
                send_round(&working[i], shape, &results[i], round);
                end_work(&working[i], opens);
            }
        }
    }
    for (unsigned i = 0; reads && i < count; i++)
        end_work(&working[i], true);
}

static void measure(const struct job *given)
{
    static struct result results[BENCH_SUBJECTS_MAX];
    struct job job = *given;
    fill_shape(&job.shape);
    print_job(&job);
    unsigned count = find_subjects(&job);
    size_t size = (size_t)rounds * job.shape.calls * sizeof(double);
    for (unsigned i = 0; i < count; i++) {
        results[i].time_count = 0;
        results[i].times =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(results[i].times == MAP_FAILED);
    }
    play(&job, count, results);
    for (unsigned i = 0; i < count; i++)
        print_line(&job, i, &results[0], &results[i]);
    for (unsigned i = 0; i < count; i++)
        munmap(results[i].times, size);
}

/* ----------------------------------------------------------- the machine ---- */

/* The first line of what a command writes; "" without one. */
static void first_line(const char *command, char line[200])
{
    FILE *pipe = popen(command, "r");
    line[0] = '\0';
    if (pipe && fgets(line, 200, pipe))
        line[strcspn(line, "\n\"\\")] = '\0';
    if (pipe)
        pclose(pipe);
}

static void print_machine(void)
{
    static const struct {
        const char *name, *command;
    } facts[] = {
        {"date", "date -u +%Y-%m-%dT%H:%MZ"},
        {"cpu", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1; true"},
        {"processors", "nproc"},
        {"load", "cut -d' ' -f1-3 /proc/loadavg"},
        {"kernel", "uname -sr"},
        {"file system", "stat -f -c %T ."},
        {"compiler", "echo '" BENCH_COMPILER "'"},
        {"flags", "echo '" BENCH_FLAGS "'"},
        {"evlog", "git describe --always --dirty 2>/dev/null"},
        {"LMDB", "pkg-config --modversion lmdb"},
        {"SQLite", "pkg-config --modversion sqlite3 2>/dev/null"},
        {"Redis", "redis-cli --version 2>/dev/null"},
        {"jq", "jq --version 2>/dev/null"},
    };
    if (json)
        fputs("{\"machine\": {", json);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        char line[200];
        first_line(facts[i].command, line);
        fprintf(table, "%-12s %s\n", facts[i].name, *line ? line : "not there");
        if (json)
            fprintf(json, "%s\"%s\": \"%s\"", i ? ", " : "", facts[i].name, line);
    }
    fprintf(table, "%-12s %u\n", "rounds", rounds);
    if (json)
        fprintf(json, ", \"rounds\": %u}, \"rows\": [", rounds);
}

static const char *directory_of(char *program)
{
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    return slash ? program : ".";
}

int main(int argc, char **argv)
{
    table = stdout;
    for (; argc > 2 && *argv[1] == '-'; argc -= 2, argv += 2) {
        if (strcmp(argv[1], "-j") == 0) {
            wanted = argv[2];
        } else if (strcmp(argv[1], "-o") == 0 && strcmp(argv[2], "json") == 0) {
            table = stderr;
            json = stdout;
        } else {
            break; /* bench_begin says what is right */
        }
        argv[2] = argv[0];
    }
    rounds = bench_begin(argc, argv, home);
    peers_find(argv[0]);
    bench_beside = directory_of(argv[0]);
    print_machine();
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        if ((rounds > 1 || !jobs[i].long_only) && strstr(jobs[i].name, wanted))
            measure(&jobs[i]);
    if (json)
        fputs("\n], \"growth\": [", json);
    if (strstr("growth", wanted))
        growth_measure(home, rounds == 1, table, json);
    if (json)
        fputs("\n]}\n", json);
    return bench_end(home);
}
