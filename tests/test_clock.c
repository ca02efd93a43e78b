/* Log time by a clock that is set: back a little, back a lot, ahead, and outside the calendar. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "env.h"
#include "log.h"
#include "test.h"

static _Atomic int64_t clock_us; /* the time of day; 0: as it is */
static atomic_uint reading_count;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int64_t us = clock_us;
    if (clock == CLOCK_REALTIME && us)
        *now = (struct timespec){.tv_sec = us / 1000000};
    else if (__real_clock_gettime(clock, now))
        return -1;
    reading_count += clock == CLOCK_REALTIME; /* when it has been read */
    return 0;
}

#define NOW (INT64_C(1800000000) * 1000000)
#define SECOND INT64_C(1000000)

/* Sends an event when the clock is so, and returns its log time. */
static int64_t logged_at(evlog *log, evlog_signal *signal, int64_t time_us)
{
    evlog_sent sent;
    evlog_event *event;
    clock_us = time_us;
    OK(evlog_send_event(signal, "\x80", 1, NULL, &sent));
    OK(evlog_read(log, sent.seq, &event));
    int64_t log_time_us = event->log_time_us;
    evlog_sent_free(&sent);
    evlog_event_free(event);
    return log_time_us;
}

static void assert_logged(evlog *log, evlog_signal *signal, int64_t time_us, int64_t expected_us)
{
    assert_int_equal(logged_at(log, signal, time_us), expected_us);
}

/* A clock that is back by a minute or less is not followed, one that is back by more is. */
static void a_step_back_is_followed(void **state)
{
    evlog *log;
    evlog_signal *signal;
    int64_t ahead = NOW + 86400 * SECOND;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    assert_logged(log, signal, NOW, NOW);
    assert_logged(log, signal, NOW - 60 * SECOND, NOW);
    assert_logged(log, signal, NOW + SECOND, NOW + SECOND);
    assert_logged(log, signal, ahead, ahead);
    assert_logged(log, signal, ahead - 60 * SECOND, ahead);
    assert_logged(log, signal, NOW + 2 * SECOND, NOW + 2 * SECOND);
    assert_logged(log, signal, NOW + 3 * SECOND, NOW + 3 * SECOND);
    assert_logged(log, signal, NOW - 59 * SECOND, NOW - 59 * SECOND);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), NULL, &log)); /* what was before is read from the log */
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    assert_logged(log, signal, NOW - 119 * SECOND, NOW - 59 * SECOND);
    assert_logged(log, signal, -5 * SECOND, -5 * SECOND);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    clock_us = 0;
}

/* After 65535 steps log time stays where it is, until the clock has come there. */
static void steps_beyond_the_last_era_are_not_followed(void **state)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    for (int64_t i = 0; i <= 65535; i++) {
        clock_us = NOW - i * 61 * SECOND;
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    }
    int64_t last_us = clock_us;
    assert_logged(log, signal, last_us - 3600 * SECOND, last_us);
    assert_logged(log, signal, last_us + SECOND, last_us + SECOND);
    assert_logged(log, signal, last_us - 3600 * SECOND, last_us + SECOND);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    clock_us = 0;
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

static void *send_one(void *ctx)
{
    OK(evlog_send_event(ctx, "\x80", 1, NULL, NULL));
    return NULL;
}

/* Time and log time of an event come from one reading of the clock; a sender that had to wait reads log time again. */
static void who_waits_for_another_reads_the_clock_again(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_event *event;
    pthread_t sender;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    reading_count = 0;
    assert_logged(log, signal, NOW, NOW);
    assert_int_equal(reading_count, 1);
    OK(env_lock(log->store->events));
    assert_int_equal(pthread_create(&sender, NULL, send_one, signal), 0);
    while (reading_count == 1)
        usleep(1000);
    usleep(20000); /* it has read the clock, and gets to the lock */
    clock_us = NOW + 5 * SECOND;
    env_unlock(log->store->events);
    pthread_join(sender, NULL);
    OK(evlog_read(log, 3, &event));
    assert_int_equal(event->time_us, NOW);
    assert_int_equal(event->log_time_us, NOW + 5 * SECOND);
    evlog_event_free(event);
    OK(evlog_close(log));
    clock_us = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_step_back_is_followed),
        TEST_AT_HOME(steps_beyond_the_last_era_are_not_followed),
        TEST_AT_HOME(a_clock_out_of_range_sends_nothing),
        TEST_AT_HOME(who_waits_for_another_reads_the_clock_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
