/*
 * Ranges by time in a log whose clock was set back and ahead: exactly the events whose log time is
 * in the range, whatever the order, beside a naive twin; also where the oldest events are gone and
 * where some are damaged.
 */
#include "spans.h"

#include <time.h>

#include "damage.h"
#include "load.h"
#include "trimmed.h"

#define TYPE "org.evlog.spans.v1"
#define COUNT 400
#define NOON (INT64_C(1800000000) * 1000000)
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define YEAR_2099 (INT64_C(4071000000) * 1000000)

/* --------------------------------------------------------------- clock ---- */

static int64_t wall_us;         /* the time of day; 0: as it is */
static int64_t slept_us;        /* what pacing has waited */
static const int64_t MONO = 77; /* the clock of durations, before that */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!wall_us || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return __real_clock_gettime(clock, now);
    int64_t us = clock == CLOCK_REALTIME ? wall_us : MONO + slept_us;
    *now = (struct timespec){.tv_sec = us / SECOND, .tv_nsec = us % SECOND * 1000};
    return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    slept_us += wanted->tv_sec * SECOND + wanted->tv_nsec / 1000;
    return 0;
}

static unsigned look_count; /* events that seeks have looked at */

int __real_record_load_near(struct page_cursor *cursor, uint64_t seq, struct record *record);
int __wrap_record_load_near(struct page_cursor *cursor, uint64_t seq, struct record *record);

int __wrap_record_load_near(struct page_cursor *cursor, uint64_t seq, struct record *record)
{
    look_count++;
    return __real_record_load_near(cursor, seq, record);
}

/* ----------------------------------------------------------------- log ---- */

/* What the log has, by seq. */
struct twin {
    uint64_t first, last;
    int64_t log_us[COUNT + 1];
    bool is_damaged[COUNT + 1];
};

static evlog *open_log(const void *home, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    if (signal)
        OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

static void send_at(evlog_signal *signal, int64_t time_us)
{
    wall_us = time_us;
    OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
}

static int add_time(const evlog_event *event, void *ctx)
{
    struct twin *twin = ctx;
    twin->log_us[event->seq] = event->log_time_us;
    twin->last = event->seq;
    return 0;
}

/* Sends by a clock that runs, stands still, wobbles, and is set ahead and back by hours. */
static void make_mad_log(const void *home, uint64_t *random, struct twin *twin)
{
    evlog_signal *signal;
    evlog *log = open_log(home, &signal);
    int64_t now_us = NOON;
    *twin = (struct twin){.first = 1};
    for (int i = 0; i < COUNT; i++) {
        switch (load_random(random, 20)) {
        case 0:
            now_us += (int64_t)load_random(random, 5 * 3600) * SECOND;
            break;
        case 1:
            now_us -= (int64_t)load_random(random, 5 * 3600) * SECOND;
            break;
        case 2:
            now_us -= (int64_t)load_random(random, 30) * SECOND;
            break;
        case 3:
            break;
        default:
            now_us += (int64_t)load_random(random, 60) * SECOND;
        }
        send_at(signal, now_us);
    }
    OK(evlog_replay(log, NULL, add_time, twin, NULL));
    assert_int_equal(twin->last, COUNT);
    OK(evlog_close(log));
}

/* ---------------------------------------------------------------- twin ---- */

static bool is_in(const struct twin *twin, const evlog_range *range, uint64_t seq)
{
    return (!range->since_us || twin->log_us[seq] >= range->since_us) &&
           (!range->until_us || twin->log_us[seq] <= range->until_us);
}

/* The seq after `seq`, in the range's order, that is to be given; 0: none. */
static uint64_t next_good(const struct twin *twin, const evlog_range *range, uint64_t seq)
{
    int step = range->newest_first ? -1 : 1;
    if (seq == 0)
        seq = range->newest_first ? twin->last + 1 : twin->first - 1;
    for (seq += (uint64_t)step; seq >= twin->first && seq <= twin->last; seq += (uint64_t)step)
        if (!twin->is_damaged[seq] && is_in(twin, range, seq))
            return seq;
    return 0;
}

static void check_damage(const struct twin *twin, const evlog_cursor *cursor)
{
    uint64_t first, last;
    OK(evlog_cursor_damage(cursor, &first, &last));
    for (; first <= last; first++)
        assert_true(twin->is_damaged[first]);
}

/* A cursor gives exactly what the twin has in the range; damage only where there is some. */
static void compare(evlog *log, const struct twin *twin, const evlog_range *range)
{
    const evlog_event *event = NULL;
    evlog_cursor *cursor;
    uint64_t expected = next_good(twin, range, 0), count = 0;
    OK(evlog_cursor_open(log, range, &cursor));
    for (;;) {
        int result = evlog_cursor_next(cursor, &event);
        if (result == EVLOG_DAMAGED) {
            check_damage(twin, cursor);
            continue;
        }
        OK(result);
        if (!event)
            break;
        assert_int_equal(event->seq, expected);
        expected = next_good(twin, range, expected);
        count++;
    }
    assert_true(expected == 0 || (range->limit && count == range->limit));
    OK(evlog_cursor_close(cursor));
}

/* A time at or beside that of some event, or somewhere. */
static int64_t some_time(const struct twin *twin, uint64_t *random)
{
    if (load_random(random, 4) == 0)
        return NOON + (int64_t)load_random(random, 20 * 3600) * SECOND - 10 * 3600 * SECOND;
    uint64_t seq = twin->first + load_random(random, twin->last - twin->first + 1);
    return twin->log_us[seq] + (int64_t)load_random(random, 3) - 1;
}

static void compare_many(evlog *log, const struct twin *twin, uint64_t *random)
{
    for (int i = 0; i < 120; i++) {
        evlog_range range = {.newest_first = load_random(random, 2),
                             .limit = load_random(random, 3) ? 0 : 1 + load_random(random, 20)};
        int64_t one = some_time(twin, random), other = some_time(twin, random);
        if (load_random(random, 4))
            range.since_us = one < other ? one : other;
        if (load_random(random, 4))
            range.until_us = one < other ? other : one;
        compare(log, twin, &range);
    }
}

/* --------------------------------------------------------------- tests ---- */

static void a_range_by_time_is_exact(void **state)
{
    static struct twin twin;
    uint64_t random = load_seed();
    evlog_info info;
    make_mad_log(*state, &random, &twin);
    evlog *log = open_log(*state, NULL);
    OK(evlog_inspect(log, &info));
    assert_true(info.clock_step_count > 5);
    compare_many(log, &twin, &random);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    wall_us = 0;
}

/* Also without the oldest events: the first era that is left is not 0. */
static void also_where_the_oldest_are_gone(void **state)
{
    static struct twin twin;
    uint64_t random = load_seed();
    make_mad_log(*state, &random, &twin);
    trim_log(in(*state, "log"), COUNT / 2);
    twin.first = COUNT / 2 + 1;
    evlog *log = open_log(*state, NULL);
    compare_many(log, &twin, &random);
    OK(evlog_close(log));
    wall_us = 0;
}

static void harm(const char *path, struct twin *twin, uint64_t seq)
{
    file_patch(path, "\xff", 1, damage_place_of(path, seq).value);
    twin->is_damaged[seq] = true;
}

/* Also with damage, on either side of each place where log time steps back and elsewhere. */
static void also_beside_damage(void **state)
{
    static struct twin twin;
    uint64_t random = load_seed();
    make_mad_log(*state, &random, &twin);
    char *path = strdup(in(*state, "log/events.mdb"));
    for (uint64_t seq = 2; seq <= COUNT; seq++)
        if (twin.log_us[seq] < twin.log_us[seq - 1]) {
            uint64_t which = load_random(&random, 4); /* before, after, both, neither */
            if (which == 0 || which == 2)
                harm(path, &twin, seq - 1);
            if (which == 1 || which == 2)
                harm(path, &twin, seq);
        }
    for (int i = 0; i < 20; i++)
        harm(path, &twin, 1 + load_random(&random, COUNT));
    harm(path, &twin, 1);
    harm(path, &twin, COUNT);
    assert_int_equal(unlink(in(*state, "log/edge")), 0); /* it would be mended by it */
    evlog *log = open_log(*state, NULL);
    compare_many(log, &twin, &random);
    OK(evlog_close(log));
    free(path);
    wall_us = 0;
}

/* Where the first events of a range may be some that cannot be read, that is said, and no more of them. */
static void damage_in_front_is_reported(void **state)
{
    static struct twin twin = {.first = 1, .last = 60};
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    uint64_t random = load_seed();
    for (uint64_t seq = 1; seq <= twin.last; seq++)
        send_at(signal, twin.log_us[seq] = NOON + (int64_t)seq * SECOND);
    OK(evlog_close(log));
    char *path = strdup(in(*state, "log/events.mdb"));
    for (uint64_t seq = 2; seq < twin.last; seq++)
        if (load_random(&random, 2))
            harm(path, &twin, seq);
    free(path);
    assert_int_equal(unlink(in(*state, "log/edge")), 0);
    log = open_log(*state, NULL);
    for (uint64_t seq = 2; seq <= twin.last; seq++) {
        const evlog_event *event;
        evlog_cursor *cursor;
        uint64_t expected = seq, first = seq, last;
        while (twin.is_damaged[expected - 1])
            expected--;
        OK(evlog_cursor_open(log, &(evlog_range){.since_us = twin.log_us[seq]}, &cursor));
        int result = evlog_cursor_next(cursor, &event);
        if (result == EVLOG_DAMAGED)
            OK(evlog_cursor_damage(cursor, &first, &last));
        assert_int_equal(result == EVLOG_DAMAGED, twin.is_damaged[expected]);
        assert_int_equal(first, expected);
        OK(evlog_cursor_close(cursor));
    }
    OK(evlog_close(log));
    wall_us = 0;
}

/* Looks at most so often, to find where one seq in many begins. */
static void look_at_most(evlog *log, int64_t since_us, unsigned most, unsigned *sum)
{
    evlog_cursor *cursor;
    look_count = 0;
    OK(evlog_cursor_open(log, &(evlog_range){.since_us = since_us, .limit = 1}, &cursor));
    assert_in_range(look_count, 0, most);
    *sum += look_count;
    OK(evlog_cursor_close(cursor));
}

/* By halving it would be 13 or so a seek. */
static void a_seek_looks_at_few_events_when_they_come_evenly(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    uint64_t random = load_seed();
    unsigned sum = 0;
    int64_t now_us = NOON;
    for (int i = 0; i < 5000; i++)
        send_at(signal, now_us += SECOND + (int64_t)load_random(&random, SECOND));
    for (int i = 0; i < 100; i++)
        look_at_most(log, NOON + (int64_t)load_random(&random, now_us - NOON), 16, &sum);
    assert_in_range(sum, 100, 700);
    OK(evlog_close(log));
    wall_us = 0;
}

/*
 * And not many more than by halving when they don't: each comes after twice as long as the one before, or half as long.
 */
static void nor_at_many_when_they_do_not(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    unsigned sum = 0;
    int64_t now_us = NOON;
    for (int i = 0; i < 1000; i++)
        send_at(signal, now_us += (int64_t)1 << i % 40);
    for (int i = 0; i < 40; i++)
        send_at(signal, now_us += (int64_t)1 << (40 - i));
    for (int i = 0; i < 1000; i++)
        send_at(signal, now_us);
    for (int i = 0; i <= 200; i++)
        look_at_most(log, NOON + (now_us - NOON) / 200 * i, 24, &sum);
    look_at_most(log, now_us, 24, &sum);
    OK(evlog_close(log));
    wall_us = 0;
}

static int count_one(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned count_in(evlog *log, int64_t since_us, int64_t until_us)
{
    unsigned count = 0;
    OK(evlog_replay(log, &(evlog_range){.since_us = since_us, .until_us = until_us}, count_one,
                    &count, NULL));
    return count;
}

struct remarks {
    unsigned count;
    char text[4][200];
};

static int note_remark(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct remarks *remarks = ctx;
    (void)seq;
    if (!finding)
        return 0;
    assert_true(finding->is_remark);
    assert_true(remarks->count < 4);
    snprintf(remarks->text[remarks->count++], 200, "%s", finding->text);
    return 0;
}

static uint64_t start_at(evlog *log, int64_t time_us, evlog_consumer_info *info)
{
    evlog_consumer *consumer;
    evlog_consumer_options options = {.start = EVLOG_START_TIME, .start_time_us = time_us};
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(inspect_into(log, "c", info));
    OK(evlog_consumer_remove(log, "c"));
    return info->checkpoint + 1;
}

/* One send by a clock of 2099, and then it is right again: nothing else is as if it were 2099. */
static void one_send_in_the_future_harms_nothing_else(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_info info;
    evlog_consumer_info lag;
    struct remarks remarks = {.count = 0};
    unsigned count = 0;
    send_at(signal, NOON);
    send_at(signal, YEAR_2099);
    for (int i = 1; i <= 3; i++)
        send_at(signal, NOON + i * SECOND);
    assert_int_equal(count_in(log, 0, NOON + 10 * SECOND), 4);
    assert_int_equal(count_in(log, NOON - 60 * SECOND, NOON + 10 * SECOND), 4);
    assert_int_equal(count_in(log, NOON + 2 * SECOND, 0), 3); /* 2099 is later, too */
    assert_int_equal(count_in(log, NOON + DAY, 0), 1);
    OK(evlog_replay(log, &(evlog_range){.speed = 1}, count_one, &count, NULL));
    assert_int_equal(count, 5);
    assert_int_equal(slept_us, 3 * SECOND);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.clock_step_count, 1);
    assert_false(info.is_ahead);
    assert_int_equal(info.last_log_time_us, NOON + 3 * SECOND);
    assert_int_equal(start_at(log, NOON + 1, &lag), 2);
    assert_int_equal(lag.lag_us, 2 * SECOND); /* it was logged before the next era began */
    OK(evlog_verify(log, note_remark, &remarks, NULL));
    assert_int_equal(remarks.count, 1);
    assert_string_equal(remarks.text[0],
                        "event 3: the clock had stepped back: log time goes from "
                        "2099-01-02T01:20:00.000000+00:00 to 2027-01-15T08:00:01.000000+00:00");
    OK(evlog_close(log));
    wall_us = slept_us = 0;
}

/* While the log ends in the future, that is said. */
static void a_last_event_in_the_future_is_remarked(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_info info;
    struct remarks remarks = {.count = 0};
    send_at(signal, NOON);
    send_at(signal, NOON + 61 * SECOND);
    wall_us = NOON;
    OK(evlog_inspect(log, &info));
    assert_true(info.is_ahead);
    assert_int_equal(info.clock_step_count, 0);
    OK(evlog_verify(log, note_remark, &remarks, NULL));
    assert_int_equal(remarks.count, 1);
    assert_non_null(strstr(remarks.text[0], "event 2: its log time, 2027-01-15T08:01:01"));
    wall_us = NOON + SECOND;
    OK(evlog_inspect(log, &info));
    assert_false(info.is_ahead);
    OK(evlog_close(log));
    wall_us = 0;
}

/* Eras that go back and forth, as a forger writes them, end a walk and do not lose what it began. */
static void forged_eras_end(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    unsigned char key[8];
    for (int i = 0; i < 100; i++)
        send_at(signal, NOON + i * SECOND);
    OK(evlog_close(log));
    struct raw raw = raw_open(in(*state, "log/events.mdb"));
    struct bytes before = {.at = NULL};
    for (uint64_t seq = 1; seq <= 100; seq++) {
        put_big(key, seq, 8);
        struct bytes value = raw_get(&raw, key, 8);
        if (before.at)
            memcpy(value.at + 11, before.at + 2, 8);
        put_big(value.at + 90, seq * 7919 % 100, 2);
        record_refit(seq, value.at, value.size);
        raw_put(&raw, key, 8, value);
        free(before.at);
        before = value;
    }
    free(before.at);
    raw_close(&raw);
    log = open_log(*state, NULL);
    unsigned all = count_in(log, NOON, NOON + 100 * SECOND);
    assert_true(all > 0 && all <= 100);
    assert_int_equal(count_in(log, 0, 0), 100);
    FAILS(EVLOG_DAMAGED, "findings", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    wall_us = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_range_by_time_is_exact),
        TEST_AT_HOME(also_where_the_oldest_are_gone),
        TEST_AT_HOME(also_beside_damage),
        TEST_AT_HOME(damage_in_front_is_reported),
        TEST_AT_HOME(a_seek_looks_at_few_events_when_they_come_evenly),
        TEST_AT_HOME(nor_at_many_when_they_do_not),
        TEST_AT_HOME(one_send_in_the_future_harms_nothing_else),
        TEST_AT_HOME(a_last_event_in_the_future_is_remarked),
        TEST_AT_HOME(forged_eras_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
