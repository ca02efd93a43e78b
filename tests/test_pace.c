/* When the next event is due, on a clock of the test's own. */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "pace.h"
#include "test.h"

static int64_t clock_us = 5000000;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, time);
    *time = (struct timespec){.tv_sec = clock_us / 1000000, .tv_nsec = clock_us % 1000000 * 1000};
    return 0;
}

/* A replay sleeps to its times: here the clock jumps there. */
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    clock_us += wanted->tv_sec * 1000000 + wanted->tv_nsec / 1000;
    return 0;
}

/* Of one era, and nothing known of when it was logged. */
static int64_t due(struct pace *pace, int64_t log_time_us)
{
    return pace_due_us(pace, 0, log_time_us, INT64_MAX);
}

/* Nothing asked: every event is due at once, and no clock is looked at. */
static void without_a_pace_all_is_due_at_once(void **state)
{
    struct pace pace = {.began_us = 0};
    (void)state;
    assert_int_equal(due(&pace, 1), 0);
    pace_handed(&pace);
    assert_int_equal(due(&pace, INT64_MAX), 0);
    assert_int_equal(pace.began_us, 0);
}

/* speed 1: as long after the first as it was logged; 10: a tenth of it; 0.5: twice. */
static void speed_keeps_the_time_between(void **state)
{
    static const struct {
        double speed;
        int64_t after_us;
    } table[] = {{1, 3000000}, {10, 300000}, {0.5, 6000000}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct pace pace = {.speed = table[i].speed};
        int64_t began_us = clock_us;
        assert_int_equal(due(&pace, 1000), began_us);
        clock_us += 700; /* what a receiver takes does not add up */
        assert_int_equal(due(&pace, 3001000), began_us + table[i].after_us);
        assert_int_equal(due(&pace, 1000), began_us);
    }
}

/* A pause of centuries, at the slowest, is a time and no overflow. */
static void the_longest_pause_is_a_time(void **state)
{
    struct pace pace = {.speed = 1e-9};
    (void)state;
    due(&pace, EVLOG_TIME_US_MIN);
    assert_true(due(&pace, EVLOG_TIME_US_MAX) > clock_us);
}

/* What is known of when an event was logged: minutes after noon, or the year 2099. */
#define NOON INT64_C(1800000000000000)
#define MINUTES(n) (NOON + (n)*INT64_C(60000000))
#define FUTURE INT64_C(4071000000000000)
#define PAST INT64_C(1000000)

/* A clock that was ahead or behind: the wait is what must have passed, and not the step. */
static void a_step_is_not_waited_for(void **state)
{
    static const struct {
        uint16_t era;
        int64_t log_time_us, latest_us;
        int64_t minutes; /* after the first */
    } tables[3][6] = {
        {{0, MINUTES(0), MINUTES(2), 0}, /* ahead for two events */
         {0, MINUTES(1), MINUTES(2), 1},
         {0, FUTURE, MINUTES(2), 2},
         {0, FUTURE, MINUTES(2), 2},
         {1, MINUTES(2), FUTURE, 2},
         {1, MINUTES(3), FUTURE, 3}},
        {{0, MINUTES(0), PAST, 0}, /* behind for two */
         {0, MINUTES(1), PAST, 1},
         {1, PAST, FUTURE, 1},
         {1, PAST, FUTURE, 1},
         {1, MINUTES(2), FUTURE, 2},
         {1, MINUTES(3), FUTURE, 3}},
        {{0, FUTURE, MINUTES(1), 0}, /* ahead from the first, twice */
         {1, MINUTES(1), MINUTES(3), 0},
         {1, MINUTES(2), MINUTES(3), 1},
         {1, FUTURE, MINUTES(3), 2},
         {2, MINUTES(3), FUTURE, 2},
         {2, MINUTES(5), FUTURE, 4}},
    };
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        struct pace pace = {.speed = 1};
        int64_t began_us = clock_us;
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(pace_due_us(&pace, tables[t][i].era, tables[t][i].log_time_us,
                                         tables[t][i].latest_us) -
                                 began_us,
                             tables[t][i].minutes * 60000000);
    }
}

/* Times that only a forger writes are a time, too, however many steps there are. */
static void the_widest_steps_are_a_time(void **state)
{
    struct pace pace = {.speed = 1e-9};
    (void)state;
    for (unsigned era = 0; era < 65536; era++) {
        pace_due_us(&pace, (uint16_t)era, EVLOG_TIME_US_MIN, INT64_MAX);
        assert_true(pace_due_us(&pace, (uint16_t)era, EVLOG_TIME_US_MAX, INT64_MAX) >= clock_us);
    }
    for (unsigned era = 0; era < 65536; era++)
        pace_due_us(&pace, 0, era % 2 ? EVLOG_TIME_US_MIN : EVLOG_TIME_US_MAX, INT64_MAX);
}

/* per_second: each a step after the one before. One that is late moves those after it. */
static void rate_spaces_events_evenly(void **state)
{
    struct pace pace = {.per_second = 100};
    (void)state;
    assert_true(due(&pace, 1) <= clock_us);
    pace_handed(&pace);
    int64_t first_us = clock_us;
    assert_int_equal(due(&pace, 1), first_us + 10000);
    clock_us = first_us + 10000;
    pace_handed(&pace);
    assert_int_equal(due(&pace, 1), first_us + 20000);
    clock_us = first_us + 5000000; /* a receiver that took five seconds */
    assert_true(due(&pace, 1) < clock_us);
    pace_handed(&pace);
    assert_true(due(&pace, 1) >= clock_us);
}

/* A bad pace is refused, by a replay and by opening a consumer. */
static void a_bad_pace_is_refused(void **state)
{
    static const evlog_range table[] = {
        {.speed = -1}, {.per_second = -0.5}, {.speed = NAN}, {.per_second = INFINITY}};
    evlog *log;
    evlog_consumer *consumer;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        evlog_range range = table[i];
        evlog_consumer_options options = {.speed = range.speed, .per_second = range.per_second};
        FAILS(EVLOG_INVALID, "pace", evlog_replay_to_receivers(log, &range, NULL));
        FAILS(EVLOG_INVALID, "pace", evlog_consumer_open(log, "c", &options, &consumer));
    }
    FAILS(EVLOG_NOTFOUND, "no consumer", evlog_consumer_set_paused(log, "c", 1));
    OK(evlog_close(log));
}

static int note_time(const evlog_event *event, void *ctx)
{
    int64_t *times = ctx;
    times[event->seq - 1] = clock_us;
    return 0;
}

/* A replay takes its time: so many a second, the receiver's time included. */
static void a_replay_takes_its_time(void **state)
{
    evlog *log;
    evlog_signal *signal;
    int64_t times[4];
    evlog_range range = {.per_second = 50};
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "a.b.v1", 0, NULL, &signal));
    for (int i = 0; i < 4; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_replay(log, &range, note_time, times, NULL));
    for (int i = 1; i < 4; i++)
        assert_int_equal(times[i] - times[i - 1], 20000);
    OK(evlog_close(log));
}

/* So does a cursor: the time between two events is kept, however long they are looked at. */
static void a_cursor_takes_its_time(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_cursor *cursor;
    const evlog_event *event;
    int64_t began_us = clock_us;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "a.b.v1", 0, NULL, &signal));
    for (int i = 0; i < 3; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_cursor_open(log, &(evlog_range){.per_second = 50}, &cursor));
    for (int i = 0; i < 3; i++) {
        OK(evlog_cursor_next(cursor, &event));
        assert_int_equal(clock_us - began_us, i * 20000);
        clock_us += 5000;
    }
    clock_us = began_us;
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_pace_all_is_due_at_once),
        cmocka_unit_test(speed_keeps_the_time_between),
        cmocka_unit_test(the_longest_pause_is_a_time),
        cmocka_unit_test(a_step_is_not_waited_for),
        cmocka_unit_test(the_widest_steps_are_a_time),
        cmocka_unit_test(rate_spaces_events_evenly),
        TEST_AT_HOME(a_bad_pace_is_refused),
        TEST_AT_HOME(a_replay_takes_its_time),
        TEST_AT_HOME(a_cursor_takes_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
