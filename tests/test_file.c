/*
 * Writing the files of a log: never past the limit that the process has for the size of a file, which the
 * kernel answers with a signal that ends it.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "child.h"
#include "file.h"

#define TYPE "limited.v1"

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = size;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* ------------------------------------------------------------ single calls ---- */

static void write_up_to_the_limit(void *ctx)
{
    char bytes[100] = "";
    int fd = open(in(ctx, "file"), O_RDWR | O_CREAT, 0600);
    CHECK(file_size_limit() == UINT64_MAX);
    CHECK(file_write_zeros(fd, 0, 100000) == 0);
    limit_files(70000);
    CHECK(file_size_limit() == 70000);
    CHECK(file_write(fd, bytes, 100, 69900) == 0);
    CHECK(file_write(fd, bytes, 100, 69901) == EFBIG);
    CHECK(file_write(fd, bytes, 1, 80000) == EFBIG);
    CHECK(file_write_zeros(fd, 69000, 70001) == EFBIG);
    CHECK(file_reserve(fd, 0, 70001) == EFBIG);
    CHECK(file_reserve(fd, 0, 70000) == 0);
}

/* Up to the limit a file can be written, and there a write fails; also where the file is longer. */
static void nothing_is_written_past_the_limit(void **state)
{
    in_child(write_up_to_the_limit, *state);
}

/* Zeros are written where there are none, or everywhere; nothing outside, and nothing past the end. */
static void what_is_cleared_is_zeros(void **state)
{
    static unsigned char bytes[100000];
    struct stat status;
    size_t count;
    int fd = open(in(*state, "file"), O_RDWR | O_CREAT, 0600);
    for (unsigned is_again = 0; is_again < 2; is_again++) {
        memset(bytes, 7, sizeof bytes);
        OK(file_write(fd, bytes, sizeof bytes, 0));
        OK(file_clear(fd, 10, 50001, is_again));
        OK(file_clear(fd, 99990, 200000, is_again));
        OK(file_read(fd, bytes, sizeof bytes, 0, &count));
        for (size_t i = 0; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], i < 10 || (i >= 50001 && i < 99990) ? 7 : 0);
        OK(fstat(fd, &status));
        assert_int_equal(status.st_size, sizeof bytes);
    }
    close(fd);
}

/* --------------------------------------------------------------- whole logs ---- */

struct sending {
    const char *home;
    evlog_durability durability;
};

static int open_log(const struct sending *sending, evlog **log)
{
    evlog_options options = {.durability = sending->durability};
    return evlog_open(in(sending->home, sending->durability == EVLOG_FAST ? "fast" : "durable"),
                      &options, log);
}

/* Sends until there is no room, of events of a size; `*count` is how many. EVLOG_OK: some were sent. */
static int send_until_full(evlog *log, size_t size, uint64_t *count)
{
    static unsigned char data[20000] = {0x81, 0xa1, 'x', 0xc5};
    evlog_signal *signal;
    int result = evlog_define(log, TYPE, 0, NULL, &signal);
    data[4] = (unsigned char)((size - 6) >> 8);
    data[5] = (unsigned char)(size - 6);
    while (result == EVLOG_OK &&
           (result = evlog_send_event(signal, data, size, NULL, NULL)) == EVLOG_OK)
        ++*count;
    return result;
}

static void meet_limits(void *ctx)
{
    static const size_t limits[] = {100,     1000,    16384,   20000,   75000,
                                    1 << 20, 5 << 20, 9 << 20, 17 << 20};
    const struct sending *sending = ctx;
    uint64_t count = 0;
    for (size_t i = 0; i < 2 * sizeof limits / sizeof *limits; i++) {
        evlog *log;
        limit_files(limits[i / 2]);
        int result = open_log(sending, &log);
        if (result == EVLOG_OK) {
            result = send_until_full(log, i % 2 ? 60 : 18000, &count);
            limit_files(RLIM_INFINITY); /* closing writes, too */
            CHECK(evlog_close(log) == EVLOG_OK);
        }
        CHECK(result == EVLOG_FULL);
        limit_files(RLIM_INFINITY);
        CHECK(open_log(sending, &log) == EVLOG_OK);
        evlog_info info;
        CHECK(evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK);
        CHECK(evlog_inspect(log, &info) == EVLOG_OK && info.last_seq == count);
        CHECK(evlog_close(log) == EVLOG_OK);
    }
    CHECK(count > 100);
}

/* With a limit (ulimit -f) of any size opening and sending are EVLOG_FULL; what was sent is there. */
static void a_limit_of_the_process_is_full(void **state)
{
    in_child(meet_limits, &(struct sending){*state, EVLOG_DURABLE});
}

static void a_limit_of_the_process_fills_a_fast_log(void **state)
{
    in_child(meet_limits, &(struct sending){*state, EVLOG_FAST});
}

/* Closing with the limit is no signal either. */
static void close_with_a_limit(void *ctx)
{
    const struct sending *sending = ctx;
    evlog *log;
    uint64_t count = 0;
    CHECK(open_log(sending, &log) == EVLOG_OK);
    limit_files(80000);
    CHECK(send_until_full(log, 60, &count) == EVLOG_FULL);
    int result = evlog_close(log);
    CHECK(result == EVLOG_OK || result == EVLOG_FULL);
}

static void closing_meets_the_limit(void **state)
{
    in_child(close_with_a_limit, &(struct sending){*state, EVLOG_DURABLE});
    in_child(close_with_a_limit, &(struct sending){*state, EVLOG_FAST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(nothing_is_written_past_the_limit),
        TEST_AT_HOME(what_is_cleared_is_zeros),
        TEST_AT_HOME(a_limit_of_the_process_is_full),
        TEST_AT_HOME(a_limit_of_the_process_fills_a_fast_log),
        TEST_AT_HOME(closing_meets_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
