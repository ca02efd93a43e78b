/* A clock outside the years 1 to 9999: what is sent by it is refused, and the log is as it was. */
#include <time.h>

#include "test.h"

static int64_t clock_us; /* the time of day; 0: as it is */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME || !clock_us)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){.tv_sec = clock_us / 1000000};
    return 0;
}

static void a_clock_out_of_range_sends_nothing(void **state)
{
    static const int64_t wrong[] = {EVLOG_TIME_US_MAX + 1000000, EVLOG_TIME_US_MIN - 1000000};
    evlog *log;
    evlog_signal *signal;
    evlog_info info;
    evlog_send_options given = {.time_us = 1};
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        clock_us = wrong[i];
        FAILS(EVLOG_INVALID, "the clock of this machine is wrong",
              evlog_send_event(signal, "\x80", 1, NULL, NULL));
    }
    clock_us = wrong[0]; /* the log's time is the clock's, also when the event has its own */
    FAILS(EVLOG_INVALID, "the clock of this machine is wrong",
          evlog_send_event(signal, "\x80", 1, &given, NULL));
    clock_us = 0;
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 1);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_clock_out_of_range_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
