/* Times as text, and the public helpers for them. */
#include "time_text.h"

#include "load.h"

#define COUNT(table) (sizeof table / sizeof *table)

/* Times are written as Python's isoformat() writes them. */
static void writes_times_as_python_does(void **state)
{
    static const struct {
        int64_t time_us;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00+00:00"},
        {-1, "1969-12-31T23:59:59.999999+00:00"},
        {INT64_C(1623247965320819), "2021-06-09T14:12:45.320819+00:00"},
        {INT64_C(1623247965000001), "2021-06-09T14:12:45.000001+00:00"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00+00:00"},
        {EVLOG_TIME_US_MIN, "0001-01-01T00:00:00+00:00"},
        {EVLOG_TIME_US_MAX, "9999-12-31T23:59:59.999999+00:00"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[TIME_TEXT_MAX + 1] = "";
        int64_t time_us = 1;
        assert_int_equal(time_text_put(table[i].time_us, true, text), strlen(table[i].text));
        assert_string_equal(text, table[i].text);
        assert_true(time_text_get(text, strlen(text), &time_us));
        assert_true(time_us == table[i].time_us);
    }
}

/* Other ways of writing a time are read; what is not a time, or not a certain one, is refused. */
static void reads_other_times(void **state)
{
    static const struct {
        const char *text;
        int64_t time_us; /* 1: refused */
    } table[] = {
        {"2021-06-09T14:12:45Z", INT64_C(1623247965000000)},
        {"2021-06-09 14:12:45.5+00:00", INT64_C(1623247965500000)},
        {"2021-06-09T16:12:45,320819+02:00", INT64_C(1623247965320819)},
        {"2021-06-09T09:42:45-0430", INT64_C(1623247965000000)},
        {"2021-06-09T14:12:45.320819999Z", INT64_C(1623247965320819)},
        {"2021-06-09T14:12:45", 1},
        {"2021-06-09", 1},
        {"2021-02-29T00:00:00Z", 1},
        {"1900-02-29T00:00:00Z", 1},
        {"2021-13-01T00:00:00Z", 1},
        {"2021-06-09T24:00:00Z", 1},
        {"2021-06-09T14:60:00Z", 1},
        {"2021-06-09T14:12:60Z", 1},
        {"2021-06-09T14:12:45.Z", 1},
        {"2021-06-09T14:12:45.0123456789Z", 1},
        {"2021-06-09T14:12:45+24:00", 1},
        {"2021-06-09T14:12:45Zx", 1},
        {"0000-06-09T14:12:45Z", 1},
        {"0001-01-01T00:00:00+00:01", 1},
        {"9999-12-31T23:59:59-00:01", 1},
        {"abc", 1},
        {"", 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t time_us = 1;
        int is_time = time_text_get(table[i].text, strlen(table[i].text), &time_us);
        if (is_time != (table[i].time_us != 1) || (is_time && time_us != table[i].time_us))
            fail_msg("%s: %d %" PRId64, table[i].text, is_time, time_us);
    }
}

/* Any time is the same after it was written and read. */
static void times_come_back(void **state)
{
    uint64_t seed = load_seed();
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[TIME_TEXT_MAX];
        int64_t read,
            time_us = EVLOG_TIME_US_MIN +
                      (int64_t)load_random(&seed, EVLOG_TIME_US_MAX - EVLOG_TIME_US_MIN);
        assert_true(time_text_get(text, time_text_put(time_us, true, text), &read));
        assert_true(read == time_us);
    }
}

/* The public form always has six digits of fraction; what it writes and Python writes, it reads. */
static void the_public_form_has_microseconds(void **state)
{
    static const struct {
        int64_t time_us;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00.000000+00:00"},
        {-1, "1969-12-31T23:59:59.999999+00:00"},
        {INT64_C(1769882400123456), "2026-01-31T18:00:00.123456+00:00"},
        {EVLOG_TIME_US_MIN, "0001-01-01T00:00:00.000000+00:00"},
        {EVLOG_TIME_US_MAX, "9999-12-31T23:59:59.999999+00:00"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[EVLOG_TIME_TEXT_SIZE];
        int64_t time_us = 1;
        assert_ptr_equal(evlog_time_text(table[i].time_us, text), text);
        assert_string_equal(text, table[i].text);
        OK(evlog_time_parse(text, &time_us));
        assert_true(time_us == table[i].time_us);
    }
}

/* Times that no event can have are written too, in the room there is, and not read. */
static void years_beyond_four_digits_are_written(void **state)
{
    static const struct {
        int64_t time_us;
        const char *text;
    } table[] = {
        {INT64_MAX, "+294247-01-10T04:00:54.775807+00:00"},
        {INT64_MIN, "-290308-12-21T19:59:05.224192+00:00"},
        {EVLOG_TIME_US_MAX + 1, "+010000-01-01T00:00:00.000000+00:00"},
        {EVLOG_TIME_US_MIN - 1, "0000-12-31T23:59:59.999999+00:00"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[EVLOG_TIME_TEXT_SIZE];
        int64_t time_us = 1;
        assert_string_equal(evlog_time_text(table[i].time_us, text), table[i].text);
        FAILS(EVLOG_INVALID, "not a time", evlog_time_parse(text, &time_us));
        assert_true(time_us == 1);
    }
}

static void missing_arguments_are_refused(void **state)
{
    int64_t time_us;
    (void)state;
    FAILS(EVLOG_INVALID, "no text", evlog_time_parse(NULL, &time_us));
    FAILS(EVLOG_INVALID, "no place", evlog_time_parse("2026-01-31T18:00:00Z", NULL));
}

/* The clock is that of the system. */
static void now_is_now(void **state)
{
    struct timespec before, after;
    (void)state;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now_us = evlog_now_us();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now_us >= before.tv_sec * INT64_C(1000000) + before.tv_nsec / 1000);
    assert_true(now_us <= after.tv_sec * INT64_C(1000000) + after.tv_nsec / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_times_as_python_does),
        cmocka_unit_test(reads_other_times),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(the_public_form_has_microseconds),
        cmocka_unit_test(years_beyond_four_digits_are_written),
        cmocka_unit_test(missing_arguments_are_refused),
        cmocka_unit_test(now_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
