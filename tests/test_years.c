/*
 * Years of a log in little time: a policy keeps a window of the newest events, and many times as many are sent through
 * it. The file must not grow once the window is full, and the log verifies.
 *
 * usage: test_years [long]
 *
 *   long   20 million events through a window of a million, in both classes; then it is also compared how long sends
 *          take in the first tenth after the window is full, and in the last (99 % of them), and, of a fast log, how
 *          much is written: at most 1.5 times as much
 */
#include <sys/stat.h>
#include <time.h>

#include "evlog/upkeep.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"
#define BATCH 256
#define DATA_SIZE 200

static bool is_long;

struct years {
    evlog *log;
    evlog_signal *signal;
    uint64_t window, total;
    uint64_t sent;
    double *took;    /* seconds of each call */
    uint64_t *wrote; /* by this process, before each call */
    size_t call_count;
    uint64_t random;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/*
 * Bytes that this process has given to disks to write; 0: it is not known. The kernel counts whole pieces of the page
 * cache, of which a mapped file is written in whole, and another in part.
 */
static uint64_t written_size(void)
{
    char text[512] = "";
    FILE *file = fopen("/proc/self/io", "r");
    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *found = strstr(text, "\nwrite_bytes: ");
    return found ? strtoull(found + strlen("\nwrite_bytes: "), NULL, 10) : 0;
}

/* Records of different sizes, so that what is freed has not the form of what comes. */
static void send_batch(struct years *years)
{
    static char data[DATA_SIZE + 5] = "\x81\xa1n\xc4";
    static char sizes[BATCH][DATA_SIZE + 5];
    evlog_sending sends[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        years->random = years->random * 6364136223846793005u + 1442695040888963407u;
        size_t size = 20 + (size_t)(years->random >> 33) % (DATA_SIZE - 20);
        memcpy(sizes[i], data, sizeof data);
        sizes[i][4] = (char)size;
        sends[i] =
            (evlog_sending){.signal = years->signal, .data = sizes[i], .data_size = size + 5};
    }
    if (is_long)
        years->wrote[years->call_count] = written_size();
    double began = now();
    OK(evlog_send_events(sends, BATCH, NULL, NULL));
    years->took[years->call_count++] = now() - began;
    years->sent += BATCH;
}

static uint64_t page_count(const struct years *years)
{
    evlog_info info;
    OK(evlog_inspect(years->log, &info));
    return info.page_count;
}

static int by_time(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* What 99 % of some calls take at most; they are sorted. */
static double nearly_all(double *took, size_t count)
{
    qsort(took, count, sizeof *took, by_time);
    return took[count - count / 100 - 1];
}

static void compare(const struct years *years, bool is_fast)
{
    size_t full = years->call_count * 2 * years->window / years->total;
    size_t tenth = (years->call_count - full) / 10;
    double first = nearly_all(years->took + full, tenth);
    double last = nearly_all(years->took + years->call_count - tenth, tenth);
    uint64_t *wrote = years->wrote + full, *wrote_last = years->wrote + years->call_count - tenth;
    double wrote_part =
        (double)(wrote_last[tenth - 1] - wrote_last[0]) / (double)(wrote[tenth - 1] - wrote[0]);
    printf(
        "99 %% of the sends take %.2f ms at first, and %.2f ms at last; written is %.2f times as much\n",
        first * 1e3, last * 1e3, wrote_part);
    if (last > 1.5 * first)
        fail_msg("sends take %.2f times as long", last / first);
    if (is_fast && wrote_part > 1.5)
        fail_msg("%.2f times as much is written", wrote_part);
}

static void live(const char *path, evlog_durability durability)
{
    struct years years = {.window = is_long ? 1000000 : 20000, .random = 1};
    evlog_info info;
    years.total = 20 * years.window;
    years.took = malloc((years.total / BATCH + 1) * sizeof *years.took);
    years.wrote = calloc(years.total / BATCH + 1, sizeof *years.wrote);
    assert_non_null(years.took);
    assert_non_null(years.wrote);
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &years.log));
    OK(evlog_define(years.log, TYPE, 0, NULL, &years.signal));
    OK(evlog_retain(years.log, &(evlog_retention){.count = years.window}));
    uint64_t full = 0, most = 0;
    while (years.sent < years.total) {
        send_batch(&years);
        if (years.sent % (years.window / 10) >= BATCH)
            continue;
        if (!is_long) /* the background is given time: a test runs beside others */
            OK(evlog_retention_apply(years.log));
        uint64_t count = page_count(&years);
        if (years.sent < 3 * years.window)
            full = count > full ? count : full;
        else
            most = count > most ? count : most;
    }
    printf("%" PRIu64 " events through %" PRIu64 ": %" PRIu64
           " pages when it was full, at most %" PRIu64 " later\n",
           years.sent, years.window, full, most);
    assert_true(most <= full + full / 10);
    OK(evlog_retention_apply(years.log));
    OK(evlog_inspect(years.log, &info));
    assert_true(info.last_seq - info.first_seq < years.window + years.window / 10);
    OK(evlog_verify(years.log, NULL, NULL, NULL));
    OK(evlog_close(years.log));
    if (is_long)
        compare(&years, durability == EVLOG_FAST);
    free(years.took);
    free(years.wrote);
}

static void a_window_stays_as_large_as_it_is(void **state)
{
    live(in(*state, "fast"), EVLOG_FAST);
    live(in(*state, "durable"), EVLOG_DURABLE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_window_stays_as_large_as_it_is),
    };
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
