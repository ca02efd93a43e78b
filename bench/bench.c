/*
 * The benchmark: what evlog does beside what a user would pick instead, and beside what the machine can do.
 *
 *   bench [-o json] [-j TEXT] [ROUNDS] [DIRECTORY]
 *
 * A job is a row of the table below: what is done, and by whom, evlog first. Absolute times on a shared machine mean
 * little, so all subjects of a job take turns (measure.c). ROUNDS (7) rounds are made, in a new directory below
 * DIRECTORY (the current one), which must be on a disk for the durable jobs to mean anything. One round is the short
 * form: fewer jobs, two lengths of growth.
 *
 * A line of the output: events a second and CPU time an event (user and system, all threads and ended children; medians
 * of the rounds); a call's 10th, 50th, 99.9th percentile and the longest (over all rounds, us); and the ratio, which is
 * above 1 where evlog is ahead: the median of the rounds', lowest to highest. It compares what the job is about: the
 * rate, the CPU time, or the median time of a call. `ask`: what that ratio has to be, at least.
 *
 * With -j only the jobs whose name contains TEXT are done. With -o json one object goes to standard output,
 * {"machine": {...}, "rows": [...], "growth": [...]}, and the table to standard error.
 */
#include "job.h"

/* clang-format off */

/* Peers of many jobs: what flushes each commit, and what does not. */
#define DURABLE {&ours_durable, 0}, {&lmdb_flushed, 1}, {&sqlite_full, 1}, {&redis_always, 1}
#define UNFLUSHED {&sqlite_normal, 1}, {&redis_everysec, 1}

/* In the order of struct job. */
static const struct job jobs[] = {
    {"durable, 1 sender", BY_MEDIAN, 1, SHORT, {.calls = 1500}, {DURABLE, {&tephra, 1}, {&append_flush, 1 / 1.12}}},
    {"durable, 1 sender, 64 B", BY_MEDIAN, 1, LONG, {.size = 64, .calls = 800},
     {DURABLE, {&tephra, 1}, {&append_flush, 0}}},
    {"durable, 1 sender, 4 KiB", BY_MEDIAN, 1, LONG, {.size = 4096, .calls = 800},
     {DURABLE, {&tephra, 1}, {&append_flush, 0}}},
    {"durable, 1 sender, 64 KiB", BY_MEDIAN, 1, LONG, {.size = 65536, .calls = 300},
     {DURABLE, {&tephra, 1}, {&append_flush, 0}}},
    {"durable, 2 senders", BY_RATE, 0, LONG, {.threads = 2, .calls = 2000}, {DURABLE, {&tephra, 1}}},
    {"durable, 8 senders", BY_RATE, 0, LONG, {.threads = 8, .calls = 4000}, {DURABLE, {&tephra, 1}}},
    {"durable, 32 senders", BY_RATE, 0, SHORT, {.threads = 32, .calls = 6400}, {DURABLE, {&tephra, 1}}},
    {"durable, 256 senders", BY_RATE, 0, SHORT, {.threads = 256, .calls = 12800},
     {{&ours_durable, 0}, {&redis_always, 1}, {&tephra, 1}}},
    {"durable, 4 processes of 1", BY_RATE, 0, SHORT, {.processes = 4, .calls = 3000}, {DURABLE}},
    {"durable, 512 a call", BY_RATE, 0, SHORT, {.batch = 512, .calls = 300}, {DURABLE, {&tephra, 1}}},
    {"fast, 1 sender", BY_MEDIAN, 1000, SHORT, {.calls = 60000}, {{&ours_fast, 0}, {&lmdb_mapped, 1 / 1.4}, UNFLUSHED}},
    {"fast, 1 sender, 64 B", BY_MEDIAN, 1000, LONG, {.size = 64, .calls = 40000},
     {{&ours_fast, 0}, {&lmdb_mapped, 0}, UNFLUSHED}},
    {"fast, 1 sender, 4 KiB", BY_MEDIAN, 500, LONG, {.size = 4096, .calls = 20000},
     {{&ours_fast, 0}, {&lmdb_mapped, 0}, UNFLUSHED}},
    {"fast, 1 sender, 64 KiB", BY_MEDIAN, 100, LONG, {.size = 65536, .calls = 2000},
     {{&ours_fast, 0}, {&lmdb_mapped, 0}, UNFLUSHED}},
    {"fast, 8 senders", BY_RATE, 0, SHORT, {.threads = 8, .calls = 40000},
     {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&redis_everysec, 1}}},
    {"fast, 4 processes of 1", BY_RATE, 0, SHORT, {.processes = 4, .calls = 40000},
     {{&ours_fast, 0}, {&lmdb_mapped, 0}, {&redis_everysec, 1}}},
    {"fast, 512 a call", BY_CPU, 10, SHORT, {.batch = 512, .calls = 400},
     {{&ours_fast, 0}, {&lmdb_mapped, 1 / 1.3}, {&sqlite_normal, 1}}},
    {"replay, every check", BY_CPU, 0, SHORT, {.calls = 204800},
     {{&ours_replay_all, 0}, {&lmdb_cursor_xxh3, 1}, {&lmdb_cursor, 0}, {&sqlite_scan, 1}}},
    {"a consumer", BY_CPU, 0, SHORT, {.calls = 204800},
     {{&ours_consume, 0}, {&lmdb_cursor_xxh3, 1 / 1.25}, {&ours_replay_all, 0}}},
    {"a consumer with state", BY_CPU, 0, SHORT, {.calls = 204800},
     {{&ours_consume_state, 0}, {&lmdb_get_put, 1 / 2.5}}},
    {"to a consumer in another process", BY_MEDIAN, 0, SHORT, {.calls = 500},
     {{&ours_wait, 0}, {&redis_wait, 1}, {&futex_wait, 0}}},
    {"to a consumer in another thread", BY_MEDIAN, 0, LONG, {.calls = 500},
     {{&ours_wait_thread, 0}, {&futex_wait_thread, 0}}},
    {"typed: pack a struct", BY_CPU, 0, SHORT, {.calls = 200000}, {{&ours_pack, 0}, {&by_hand_pack, 1 / 1.2}}},
    {"typed: check", BY_CPU, 0, SHORT, {.calls = 200000}, {{&ours_check, 0}, {&msgpack_tree, 1 / 1.1}}},
    {"typed: unpack, checked", BY_CPU, 0, SHORT, {.calls = 200000},
     {{&ours_unpack, 0}, {&msgpack_tree_values, 1 / 1.5}}},
    {"typed: send, fast", BY_MEDIAN, 1000, SHORT, {.calls = 40000}, {{&ours_typed, 0}, {&ours_untyped, 0}}},
    {"show -o json", BY_CPU, 0, SHORT, {.calls = 20000}, {{&ours_show, 0}, {&jq_all, 4}}},
    {"slow disk: durable, 1 sender", BY_RATE, 0, LONG, {.calls = 20, .on_slow_disk = true}, {{&ours_durable, 0}}},
    {"slow disk: durable, 32 senders", BY_RATE, 0, LONG, {.threads = 32, .calls = 640, .on_slow_disk = true},
     {{&ours_durable, 0}}},
    {"slow disk: durable, 512 a call", BY_RATE, 0, LONG, {.batch = 512, .calls = 100, .on_slow_disk = true},
     {{&ours_durable, 0}}},
    {"slow disk: fast, 1 sender", BY_RATE, 0, LONG, {.calls = 400000, .on_slow_disk = true}, {{&ours_fast, 0}}},
};

/* clang-format on */

static char home[4096];
static unsigned rounds;
static const char *wanted = ""; /* in a job's name */
static FILE *table = NULL, *json = NULL;
const char *bench_beside;

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
static void print_line(const struct job *job, const struct result *first, struct result *result)
{
    static bool is_next;
    const struct subject *subject = result->peer.subject;
    double ratios[BENCH_ROUNDS_MAX], rate[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX],
        ask = result->peer.ask;
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
    if (result != first)
        fprintf(table, "  %6.2f (%.2f to %.2f)", ratio, ratios[0], ratios[rounds - 1]);
    if (ask > 0)
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

/* Those that are not missing. */
static unsigned find_subjects(const struct job *job, struct result *results)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BENCH_SUBJECTS_MAX && job->peers[i].subject; i++) {
        const struct subject *subject = job->peers[i].subject;
        if (subject->missing)
            fprintf(table, "  (%s is left out: %s)\n", subject->name, subject->missing);
        else
            results[count++].peer = job->peers[i];
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

static void do_job(const struct job *given)
{
    static struct result results[BENCH_SUBJECTS_MAX];
    struct job job = *given;
    fill_shape(&job.shape);
    print_job(&job);
    unsigned count = find_subjects(&job, results);
    job_measure(&job, home, rounds, results, count);
    for (unsigned i = 0; i < count; i++)
        print_line(&job, &results[0], &results[i]);
    job_release(&job, rounds, results, count);
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
        if ((rounds > 1 || jobs[i].form == SHORT) && strstr(jobs[i].name, wanted))
            do_job(&jobs[i]);
    if (json)
        fputs("\n], \"growth\": [", json);
    if (strstr("growth", wanted))
        growth_measure(home, rounds == 1, table, json);
    if (json)
        fputs("\n]}\n", json);
    return bench_end(home);
}
