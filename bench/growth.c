/*
 * What a call costs at several lengths of the log: flat where the documentation says that it does not depend on the
 * length.
 *
 * One fast log a length, of 256-byte events, filled by calls of 512; 100 of them, evenly spread, are of a rare type.
 * A number is the median of CALLS calls (of 3 for those that read the whole), in microseconds; those of seeks and
 * sends are repeated at places all over the log. The last column: the longest log's by the shortest's.
 *
 * "rare type" is read twice: the first reading makes the summaries that the second one uses, if there are any
 * (store/README.md). CPU time, since it reads much. "memory" is what opening, reading and consuming added to the
 * process (RssAnon).
 */
#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

#define LENGTHS_MAX 3
#define CALLS 101
#define RARE_COUNT 100
#define RARE_TYPE "org.example.rare.v1"

enum row { OPEN, SEND, BY_SEQ, BY_TIME, RARE_FIRST, RARE, CONSUMER_OPEN, INFO, MEMORY, ROWS };

static const struct {
    const char *name, *unit;
    double ask; /* of the longest log; 0: nothing is asked */
} rows[ROWS] = {
    {"open and close", "us", 0},
    {"send one, fast", "us", 0},
    {"one event by seq", "us", 15},
    {"seek by time", "us", 40},
    {"rare type, first", "CPU ms", 0},
    {"100 of a rare type", "CPU ms", 40},
    {"consumer, open and close", "us", 0},
    {"info", "us", 0},
    {"memory", "KiB", 0},
};

struct grown {
    const char *path;
    uint64_t count;
    evlog *log;
    evlog_signal *signal;
    uint64_t random;
};

static evlog *open_log(const struct grown *grown)
{
    evlog *log;
    CHECK(evlog_open(grown->path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

static void fill(struct grown *grown)
{
    static evlog_sending sends[512];
    evlog_signal *rare;
    grown->log = open_log(grown);
    CHECK(evlog_define(grown->log, BENCH_TYPE, 0, NULL, &grown->signal));
    CHECK(evlog_define(grown->log, RARE_TYPE, 0, NULL, &rare));
    uint64_t every = grown->count / RARE_COUNT;
    for (uint64_t seq = 1; seq <= grown->count;) {
        unsigned n = 0;
        for (; n < 512 && seq <= grown->count; n++, seq++)
            sends[n] = (evlog_sending){.signal = seq % every == 0 ? rare : grown->signal,
                                       .data = bench_data,
                                       .data_size = 256};
        CHECK(evlog_send_events(sends, n, NULL, NULL));
    }
    CHECK(evlog_close(grown->log));
    sync(); /* else the disk is still writing it while it is read */
}

/* ------------------------------------------------------------- the calls ---- */

static uint64_t any_seq(struct grown *grown)
{
    grown->random = grown->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (grown->random >> 20) % grown->count + 1;
}

static int64_t any_time(struct grown *grown)
{
    evlog_event *event;
    CHECK(evlog_read(grown->log, any_seq(grown), &event));
    int64_t time_us = event->log_time_us;
    evlog_event_free(event);
    return time_us;
}

static void open_and_close(struct grown *grown)
{
    CHECK(evlog_close(open_log(grown)));
}

static void send_one(struct grown *grown)
{
    CHECK(evlog_send_event(grown->signal, bench_data, 256, NULL, NULL));
}

static void read_one(struct grown *grown)
{
    evlog_event *event;
    CHECK(evlog_read(grown->log, any_seq(grown), &event));
    evlog_event_free(event);
}

static int64_t wanted_us; /* of seek_time, found beforehand */

static void seek_time(struct grown *grown)
{
    evlog_cursor *cursor;
    const evlog_event *event;
    CHECK(evlog_cursor_open(grown->log, &(evlog_range){.since_us = wanted_us, .limit = 1},
                            &cursor));
    CHECK(evlog_cursor_next(cursor, &event));
    CHECK(!event || event->log_time_us < wanted_us);
    CHECK(evlog_cursor_close(cursor));
}

static void open_consumer(struct grown *grown)
{
    evlog_consumer *consumer;
    CHECK(evlog_consumer_open(grown->log, "grown", NULL, &consumer));
    CHECK(evlog_consumer_close(consumer));
}

static void inspect(struct grown *grown)
{
    evlog_info info;
    CHECK(evlog_inspect(grown->log, &info));
}

static int nothing(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 0;
}

static void read_rare(struct grown *grown)
{
    const char *const types[] = {RARE_TYPE};
    evlog_outcome outcome;
    CHECK(evlog_replay(grown->log, &(evlog_range){.types = types, .type_count = 1}, nothing, NULL,
                       &outcome));
    CHECK(outcome.delivered != RARE_COUNT);
}

/* ---------------------------------------------------------- the numbers ---- */

static double median_us(struct grown *grown, void (*call)(struct grown *))
{
    double times[CALLS];
    for (unsigned i = 0; i < CALLS; i++) {
        if (call == seek_time)
            wanted_us = any_time(grown);
        double began = bench_now();
        call(grown);
        times[i] = bench_now() - began;
    }
    return bench_quantile(times, CALLS, 0.5) * 1e6;
}

static double cpu_ms(struct grown *grown, unsigned count)
{
    double times[3];
    for (unsigned i = 0; i < count; i++) {
        double began = bench_cpu();
        read_rare(grown);
        times[i] = bench_cpu() - began;
    }
    return bench_quantile(times, count, 0.5) * 1e3;
}

static long anonymous_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* In a process of its own, whose memory is measured. */
static void measure_one(struct grown *grown, double *numbers)
{
    malloc_trim(0); /* what filling it has freed */
    long before = anonymous_kib();
    numbers[OPEN] = median_us(grown, open_and_close);
    grown->log = open_log(grown);
    CHECK(evlog_define(grown->log, BENCH_TYPE, 0, NULL, &grown->signal));
    numbers[BY_SEQ] = median_us(grown, read_one);
    numbers[BY_TIME] = median_us(grown, seek_time);
    numbers[RARE_FIRST] = cpu_ms(grown, 1);
    numbers[RARE] = cpu_ms(grown, 3);
    numbers[CONSUMER_OPEN] = median_us(grown, open_consumer);
    numbers[INFO] = median_us(grown, inspect);
    numbers[SEND] = median_us(grown, send_one);
    numbers[MEMORY] = (double)(anonymous_kib() - before);
    CHECK(evlog_close(grown->log));
}

static void print(const uint64_t *lengths, unsigned count, double (*numbers)[ROWS], FILE *text,
                  FILE *json)
{
    fprintf(text, "\n%-34s", "growth");
    for (unsigned i = 0; i < count; i++)
        fprintf(text, " %10" PRIu64, lengths[i]);
    fprintf(text, "   last/first\n");
    for (unsigned row = 0; row < ROWS; row++) {
        double last = numbers[count - 1][row], first = numbers[0][row];
        fprintf(text, "  %-24s %7s", rows[row].name, rows[row].unit);
        for (unsigned i = 0; i < count; i++)
            fprintf(text, " %10.1f", numbers[i][row]);
        fprintf(text, " %8.2f", first > 0 ? last / first : 0);
        if (rows[row].ask > 0)
            fprintf(text, "  ask %.0f%s", rows[row].ask, last > rows[row].ask ? "  NOT MET" : "");
        fputc('\n', text);
        for (unsigned i = 0; json && i < count; i++)
            fprintf(json,
                    "%s\n  {\"row\": \"%s\", \"unit\": \"%s\", \"events\": %" PRIu64
                    ", \"value\": %.2f}",
                    row + i ? "," : "", rows[row].name, rows[row].unit, lengths[i],
                    numbers[i][row]);
    }
    fflush(text);
}

void growth_measure(const char *home, bool is_short, FILE *text, FILE *json)
{
    static const uint64_t lengths[LENGTHS_MAX] = {10000, 1000000, 10000000};
    const unsigned count = is_short ? 2 : LENGTHS_MAX;
    const size_t size = LENGTHS_MAX * ROWS * sizeof(double);
    double(*numbers)[ROWS] =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char path[4200];
    CHECK(numbers == MAP_FAILED);
    bench_fill(256);
    for (unsigned i = 0; i < count; i++) {
        int status;
        bench_fresh(home, "grown", path);
        struct grown grown = {.path = path, .count = lengths[i], .random = 1};
        fill(&grown);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            measure_one(&grown, numbers[i]);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) != pid);
        CHECK(status);
    }
    bench_fresh(home, "grown", path);
    print(lengths, count, numbers, text, json);
    munmap(numbers, size);
}
