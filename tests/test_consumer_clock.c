/*
 * The clock steps back and stands still, in this process only: log time does not step
 * back, a start by time finds its place, and consumers go on as if nothing were.
 */
#include <time.h>

#include "load.h"
#include "processes.h"

#define EVENTS 300

/* 0: the system's clock; else what CLOCK_REALTIME says. */
static _Atomic int64_t wall_us;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    int64_t us = wall_us;
    if (clock != CLOCK_REALTIME || us == 0)
        return __real_clock_gettime(clock, time);
    time->tv_sec = us / 1000000;
    time->tv_nsec = us % 1000000 * 1000;
    return 0;
}

#define NOON INT64_C(1800000000000000)

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

static void send(evlog *log)
{
    evlog_signal *signal;
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
}

/* Log times by seq, and what the clock said when each was sent. */
struct times {
    uint64_t count;
    int64_t log_us[EVENTS + 1], clock_us[EVENTS + 1];
};

static int add_time(const evlog_event *event, void *ctx)
{
    struct times *times = ctx;
    times->log_us[++times->count] = event->log_time_us;
    return event->seq != times->count;
}

/* Sends while the clock goes forwards, back and nowhere, and reads what came of it. */
static void send_by_a_mad_clock(evlog *log, uint64_t *random, struct times *times)
{
    *times = (struct times){.count = 0};
    wall_us = NOON;
    for (int i = 1; i <= EVENTS; i++) {
        uint64_t way = load_random(random, 8);
        if (way < 3)
            wall_us += (int64_t)load_random(random, 2000000);
        else if (way == 3)
            wall_us -= (int64_t)load_random(random, 10000000);
        else if (way == 4 && load_random(random, 10) == 0)
            wall_us -= INT64_C(86400000000);
        times->clock_us[i] = wall_us;
        send(log);
    }
    OK(evlog_replay(log, NULL, add_time, times, NULL));
    assert_int_equal(times->count, EVENTS);
}

/*
 * Log time is what the clock says at each send, but does not step back with it, unless by more than
 * a minute.
 */
static void log_time_steps_back_by_minutes_only(void **state)
{
    static struct times times;
    evlog *log = open_log(*state);
    uint64_t random = load_seed();
    send_by_a_mad_clock(log, &random, &times);
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        int64_t back_us = times.log_us[seq - 1] - times.clock_us[seq];
        bool is_held = seq > 1 && back_us > 0 && back_us <= 60000000;
        assert_int_equal(times.log_us[seq],
                         is_held ? times.log_us[seq - 1] : times.clock_us[seq]);
    }
    OK(evlog_verify(log, NULL, NULL, NULL));
    wall_us = 0;
    OK(evlog_close(log));
}

static int stop_at_first(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx = event->seq;
    return 0;
}

/* The event that a new consumer with this start gets first; 0: none. */
static uint64_t first_from(evlog *log, int64_t time_us)
{
    evlog_consumer *consumer;
    evlog_consumer_options options = {
        .start = EVLOG_START_TIME,
        .start_time_us = time_us,
    };
    uint64_t first = 0;
    OK(evlog_consumer_open(log, "by-time", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 1, 0, stop_at_first, &first, NULL));
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_remove(log, "by-time"));
    return first;
}

/*
 * Many events of one time, by a clock that stood still or was behind: the first of them is
 * found.
 */
static void a_start_by_time_finds_the_first_of_it(void **state)
{
    static struct times times;
    evlog *log = open_log(*state);
    uint64_t random = load_seed();
    send_by_a_mad_clock(log, &random, &times);
    for (int i = 0; i < 60; i++) {
        uint64_t seq = load_random(&random, EVENTS) + 1, expected = 1;
        int64_t time_us = times.log_us[seq] + (int64_t)load_random(&random, 3) - 1;
        while (expected <= EVENTS && times.log_us[expected] < time_us)
            expected++;
        assert_int_equal(first_from(log, time_us), expected <= EVENTS ? expected : 0);
    }
    wall_us = 0;
    OK(evlog_close(log));
}

/* ---------------------------------------------------------------- consumers ---- */

static int count_up(const evlog_event *event, void *ctx)
{
    uint64_t *last = ctx;
    if (event->attempt != 1 || event->seq != *last + 1)
        return evlog_fail("twice, or out of order");
    *last = event->seq;
    return 0;
}

static evlog_consumer_info info_of(evlog *log, const char *name)
{
    evlog_consumer_info info;
    OK(inspect_into(log, name, &info));
    return info;
}

/*
 * The lag in time is what the clock says, and nothing when it is behind the log; that in events
 * counts.
 */
static void a_clock_behind_the_log_means_no_lag_in_time(void **state)
{
    evlog *log = open_log(*state);
    evlog_consumer *consumer;
    uint64_t last = 0;
    wall_us = NOON;
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    send(log);
    send(log);
    wall_us = NOON + 5000000;
    assert_int_equal(info_of(log, "c").lag_us, 5000000);
    wall_us = NOON - 5000000;
    assert_int_equal(info_of(log, "c").lag_us, 0);
    assert_int_equal(info_of(log, "c").lag_count, 2);
    OK(evlog_consumer_poll(consumer, 0, 0, count_up, &last, NULL));
    assert_int_equal(info_of(log, "c").lag_count, 0);
    assert_int_equal(info_of(log, "c").lag_us, 0);
    OK(evlog_consumer_close(consumer));
    wall_us = 0;
    OK(evlog_close(log));
}

static int fail_once(const evlog_event *event, void *ctx)
{
    (void)ctx;
    return event->attempt == 1 ? evlog_fail("not now") : 0;
}

/* A clock that stands still stops neither backoff, nor waiting, nor checkpoints, nor pausing. */
static void a_consumer_works_while_the_clock_stands_still(void **state)
{
    evlog *log = open_log(*state);
    evlog_consumer *consumer;
    uint64_t count;
    evlog_consumer_options options = {.backoff_ms = 2, .per_second = 2000};
    wall_us = NOON;
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    for (int i = 0; i < 20; i++)
        send(log);
    for (int i = 0; i < 20; i++) {
        OK(evlog_consumer_poll(consumer, 20, 20000, fail_once, NULL, &count));
        assert_int_equal(count, 1); /* the next one is not due yet */
    }
    assert_int_equal(info_of(log, "c").checkpoint, 20);
    OK(evlog_consumer_poll(consumer, 1, 10, fail_once, NULL, &count));
    assert_int_equal(count, 0);
    OK(evlog_consumer_close(consumer));
    wall_us = 0;
    OK(evlog_close(log));
}

/* Paced by the events' own timing, a clock that stepped back between them makes nobody wait. */
static void a_step_back_is_no_time_to_wait_for(void **state)
{
    evlog *log = open_log(*state);
    evlog_consumer *consumer;
    evlog_consumer_options options = {.speed = 1};
    uint64_t last = 0, count;
    wall_us = NOON;
    send(log);
    wall_us = NOON - INT64_C(86400000000);
    send(log);
    wall_us = NOON + 1000;
    send(log);
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 2, 20000, count_up, &last, &count));
    assert_int_equal(count, 2);
    OK(evlog_consumer_poll(consumer, 1, 20000, count_up, &last, &count));
    assert_int_equal(count, 1);
    OK(evlog_consumer_close(consumer));
    wall_us = 0;
    OK(evlog_close(log));
}

/*
 * One removed and one made in the same microsecond: the new one's events do not say they come
 * again.
 */
static void a_consumer_made_in_the_same_moment_is_another(void **state)
{
    evlog *log = open_log(*state);
    evlog_consumer *consumer;
    wall_us = NOON;
    for (int i = 0; i < 5; i++)
        send(log);
    for (int i = 0; i < 2; i++) {
        uint64_t last = 0;
        OK(evlog_consumer_open(log, "c", NULL, &consumer));
        OK(evlog_consumer_poll(consumer, 0, 0, count_up, &last, NULL));
        assert_int_equal(last, 5);
        OK(evlog_consumer_close(consumer));
        OK(evlog_consumer_remove(log, "c"));
    }
    wall_us = 0;
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(log_time_steps_back_by_minutes_only),
        TEST_AT_HOME(a_start_by_time_finds_the_first_of_it),
        TEST_AT_HOME(a_clock_behind_the_log_means_no_lag_in_time),
        TEST_AT_HOME(a_consumer_works_while_the_clock_stands_still),
        TEST_AT_HOME(a_step_back_is_no_time_to_wait_for),
        TEST_AT_HOME(a_consumer_made_in_the_same_moment_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
