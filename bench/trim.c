/*
 * Trimming beside a sender: how long a send waits at worst.
 *
 *   bench-trim [ROUNDS] [DIRECTORY]
 *
 * A log of a million events is trimmed to the last thousand by another process, while this one sends event after event,
 * one a call; the yardstick is the same sender before that, for as many sends. Each row: events trimmed in a second,
 * and the sender's 99th percentile, 99.9th, and longest send, beside the trimming and alone; the medians of ROUNDS. A
 * send waits for one batch of the trimming at most, and for its flush when it is the second commit after it. It takes
 * about a minute.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <evlog/upkeep.h>

#include "bench.h"

#define EVENT_SIZE 256
#define EVENTS 1000000
#define BATCH 1000
#define SENDS_MAX 2000000
#define ROUNDS_MAX 20

static char home[4096];
static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};

static evlog *open_log(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    CHECK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    CHECK(evlog_define(log, "org.evlog.bench.v1", 0, NULL, signal));
    return log;
}

static void fill(evlog_signal *signal)
{
    static evlog_sending sends[BATCH];
    for (size_t i = 0; i < BATCH; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = data, .data_size = EVENT_SIZE};
    for (size_t i = 0; i < EVENTS / BATCH; i++)
        CHECK(evlog_send_events(sends, BATCH, NULL, NULL));
}

/* In a process of its own; the time it took goes through the pipe. */
static void trim(const char *path, int out)
{
    evlog *log;
    CHECK(evlog_open(path, NULL, &log));
    double start = bench_now();
    CHECK(evlog_trim(log, EVENTS - BATCH, NULL, NULL));
    double seconds = bench_now() - start;
    _exit(write(out, &seconds, sizeof seconds) != sizeof seconds);
}

static void send_one(evlog_signal *signal, double *seconds)
{
    double start = bench_now();
    CHECK(evlog_send_event(signal, data, EVENT_SIZE, NULL, NULL));
    *seconds = bench_now() - start;
}

struct waits {
    double p99, p999, longest;
};

static struct waits waits_of(double *seconds, size_t count)
{
    return (struct waits){bench_quantile(seconds, count, 0.99),
                          bench_quantile(seconds, count, 0.999),
                          bench_quantile(seconds, count, 1)};
}

struct round {
    double rate;
    struct waits beside, alone;
};

static struct round play(evlog_durability durability)
{
    static double seconds[SENDS_MAX];
    char path[4200];
    int pipes[2];
    struct round round;
    evlog_signal *signal;
    bench_fresh(home, "evlog", path);
    evlog *log = open_log(path, durability, &signal);
    fill(signal);
    CHECK(evlog_close(log));
    CHECK(pipe(pipes));
    pid_t pid = fork();
    if (pid == 0) {
        double go;
        if (read(pipes[0], &go, sizeof go) == sizeof go)
            trim(path, pipes[1]);
        _exit(1);
    }
    log = open_log(path, durability, &signal);
    size_t alone_count = durability == EVLOG_FAST ? SENDS_MAX / 4 : 3000;
    for (size_t i = 0; i < alone_count; i++)
        send_one(signal, &seconds[i]);
    round.alone = waits_of(seconds, alone_count);
    size_t count = 0;
    int status;
    CHECK(write(pipes[1], seconds, sizeof *seconds) != sizeof *seconds);
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (count < SENDS_MAX)
            send_one(signal, &seconds[count++]);
    CHECK(status);
    double trimming;
    CHECK(read(pipes[0], &trimming, sizeof trimming) != sizeof trimming);
    round.rate = (EVENTS - BATCH) / trimming;
    round.beside = waits_of(seconds, count);
    CHECK(evlog_close(log));
    close(pipes[0]);
    close(pipes[1]);
    return round;
}

static void print_wait(const char *name, double *beside, double *alone, unsigned rounds)
{
    double median = bench_quantile(beside, rounds, 0.5),
           yardstick = bench_quantile(alone, rounds, 0.5);
    printf("    %-12s %9.3f ms beside, %9.3f ms alone, %7.1f times\n", name, median * 1e3,
           yardstick * 1e3, median / yardstick);
}

static void measure(const char *name, evlog_durability durability, unsigned rounds)
{
    double rates[ROUNDS_MAX], beside[3][ROUNDS_MAX], alone[3][ROUNDS_MAX];
    static const char *const names[] = {"99 %", "99.9 %", "longest"};
    for (unsigned i = 0; i < rounds; i++) {
        struct round round = play(durability);
        const double b[] = {round.beside.p99, round.beside.p999, round.beside.longest};
        const double a[] = {round.alone.p99, round.alone.p999, round.alone.longest};
        rates[i] = round.rate;
        for (unsigned k = 0; k < 3; k++) {
            beside[k][i] = b[k];
            alone[k][i] = a[k];
        }
    }
    printf("trim a million of a %s log beside a sender: %.0f events/s\n", name,
           bench_quantile(rates, rounds, 0.5));
    for (unsigned k = 0; k < 3; k++)
        print_wait(names[k], beside[k], alone[k], rounds);
}

int main(int argc, char **argv)
{
    unsigned rounds = bench_begin(argc, argv, home);
    if (rounds > ROUNDS_MAX)
        rounds = ROUNDS_MAX;
    measure("durable", EVLOG_DURABLE, rounds);
    measure("fast", EVLOG_FAST, rounds);
    return bench_end(home);
}
