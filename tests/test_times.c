/* Times as the command reads and writes them: every form, refusals, bounds, and both ways. */
#include "times.h"

#include <time.h>

#include "load.h"
#include "test.h"

#define S INT64_C(1000000)
#define NOON_2026 (INT64_C(1769860800) * S) /* 2026-01-31 12:00:00 */
#define DAY (86400 * S)
#define NOW (NOON_2026 + 5)

/* The text is this time as a beginning, and this one as an end. */
static void reads(const char *text, int64_t begin_us, int64_t end_us)
{
    int64_t time_us;
    for (int is_end = 0; is_end < 2; is_end++) {
        if (time_read(text, is_end, NOW, &time_us))
            fail_msg("%s: refused", text);
        if (time_us != (is_end ? end_us : begin_us))
            fail_msg("%s: read as %" PRId64 " (end: %d)", text, time_us, is_end);
    }
}

/* A date or clock time is what it names, and as an end the last microsecond of that. */
static void each_form_of_a_calendar_time_is_read(void **state)
{
    const int64_t day = NOON_2026 - DAY / 2, evening = day + 18 * 3600 * S;
    (void)state;
    reads("2026-01-31", day, day + DAY - 1);
    reads("2026-01-31 18:00", evening, evening + 60 * S - 1);
    reads("2026-01-31T18:00", evening, evening + 60 * S - 1);
    reads("2026-01-31t18:00z", evening, evening + 60 * S - 1);
    reads("2026-01-31T18:00:07", evening + 7 * S, evening + 8 * S - 1);
    reads("2026-01-31T18:00:07Z", evening + 7 * S, evening + 8 * S - 1);
    reads("2026-01-31T18:00:07.5", evening + 7500000, evening + 7500000);
    reads("2026-01-31T18:00:07,5", evening + 7500000, evening + 7500000);
    reads("2026-01-31T18:00:07.000001", evening + 7000001, evening + 7000001);
    reads("2026-01-31T18:00:07.1234567890123456789012", evening + 7123456, evening + 7123456);
    reads("2026-01-31T19:00:07+01:00", evening + 7 * S, evening + 8 * S - 1);
    reads("2026-01-31T13:30:07.25-0430", evening + 7250000, evening + 7250000);
    reads("2026-02-01 00:00+06:00", evening, evening + 60 * S - 1);
    reads("2024-02-29", INT64_C(1709164800) * S, INT64_C(1709251200) * S - 1);
    reads("2000-02-29", INT64_C(951782400) * S, INT64_C(951868800) * S - 1);
    reads("1969-12-31T23:59:59.999999", -1, -1);
    reads("1970-01-01", 0, DAY - 1);
}

/* Seconds since 1970, with a fraction and before 1970 too. */
static void each_form_of_seconds_is_read(void **state)
{
    (void)state;
    reads("@0", 0, S - 1);
    reads("@1769860800", NOON_2026, NOON_2026 + S - 1);
    reads("@1769860800.5", NOON_2026 + S / 2, NOON_2026 + S / 2);
    reads("@1769860800.0", NOON_2026, NOON_2026);
    reads("@-1.5", -S - S / 2, -S - S / 2);
    reads("@253402300799", EVLOG_TIME_US_MAX - S + 1, EVLOG_TIME_US_MAX);
    reads("@-62135596800", EVLOG_TIME_US_MIN, EVLOG_TIME_US_MIN + S - 1);
}

/* What is counted from now is exact to the microsecond, but for whole days. */
static void each_form_from_now_is_read(void **state)
{
    const int64_t day = NOON_2026 - DAY / 2;
    (void)state;
    reads("now", NOW, NOW);
    reads("today", day, day + DAY - 1);
    reads("yesterday", day - DAY, day - 1);
    reads("-90m", NOW - 5400 * S, NOW - 5400 * S);
    reads("-1s", NOW - S, NOW - S);
    reads("-0s", NOW, NOW);
    reads("2d ago", NOW - 2 * DAY, NOW - 2 * DAY);
    reads("3w ago", NOW - 21 * DAY, NOW - 21 * DAY);
    reads("-1h30m", NOW - 5400 * S, NOW - 5400 * S);
    reads("1d12h ago", NOW - DAY - DAY / 2, NOW - DAY - DAY / 2);
}

static const char *const no_times[] = {
    "",
    " ",
    "x",
    "tomorrow",
    "Now",
    "2026",
    "2026-01",
    "2026-1-31",
    "26-01-31",
    "2026-01-32",
    "2026-02-29",
    "1900-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-01-00",
    "0000-01-01",
    "0000-12-31T23:59:59.999999-00:01",
    "10000-01-01",
    "2026-01-31x",
    "2026-01-31 ",
    "2026-01-31T",
    "2026-01-31T18",
    "2026-01-31T24:00",
    "2026-01-31T18:60",
    "2026-01-31T18:00:60",
    "2026-01-31T1:00",
    "2026-01-31T18:00.5",
    "2026-01-31T18:00:00.",
    "2026-01-31T18:00:00.5x",
    "2026-01-31T18:00:00+1",
    "2026-01-31T18:00:00+01",
    "2026-01-31T18:00:00+24:00",
    "2026-01-31T18:00:00+01:60",
    "2026-01-31T18:00:00+01:",
    "2026-01-31T18:00:00Zx",
    "2026-01-31 18:00 CET",
    "2026-01-31+01:00",
    "0001-01-01T00:00+00:01",
    "9999-12-31T23:59:59.999999-00:01",
    "@",
    "@-",
    "@x",
    "@1.",
    "@1x",
    "@+1",
    "@253402300800",
    "@-62135596801",
    "@99999999999999999999999",
    "-1",
    "-m",
    "-1y",
    "--1h",
    "-1h ago",
    "1h",
    "1hago",
    "1h  ago",
    "-1.5h",
    "-1h30",
    "-99999999999999999999s",
    "-1000000000w",
    "-1000000000s-1s",
    "20000d ago ",
    "\xd9\xa1\xd9\xa9",
    "30000d ago",
};

/* What is not a time is refused, and the output is left alone. */
static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++)
        for (int is_end = 0; is_end < 2; is_end++) {
            int64_t time_us = 42;
            if (time_read(no_times[i], is_end, NOW, &time_us) == 0)
                fail_msg("%s: read as %" PRId64, no_times[i], time_us);
            assert_int_equal(time_us, 42);
        }
}

/* The first and the last microsecond of the years 1 to 9999 are written and read. */
static void the_bounds_are_the_years_1_and_9999(void **state)
{
    char text[TIME_TEXT_SIZE];
    (void)state;
    assert_string_equal(evlog_time_text(EVLOG_TIME_US_MIN, text),
                        "0001-01-01T00:00:00.000000+00:00");
    reads(text, EVLOG_TIME_US_MIN, EVLOG_TIME_US_MIN);
    assert_string_equal(evlog_time_text(EVLOG_TIME_US_MAX, text),
                        "9999-12-31T23:59:59.999999+00:00");
    reads(text, EVLOG_TIME_US_MAX, EVLOG_TIME_US_MAX);
}

/*
 * Six digits always, also where Python's isoformat() leaves zeros out, and UTC whatever TZ
 * says.
 */
static void a_time_is_written_in_one_form(void **state)
{
    char text[TIME_TEXT_SIZE];
    (void)state;
    setenv("TZ", "Asia/Kathmandu", 1);
    tzset();
    assert_string_equal(evlog_time_text(NOON_2026, text), "2026-01-31T12:00:00.000000+00:00");
    assert_string_equal(evlog_time_text(-1, text), "1969-12-31T23:59:59.999999+00:00");
    assert_string_equal(time_short_text(NOON_2026 + 120, text), "2026-01-31 12:00:00.000120");
    reads("2026-01-31 12:00:00.0", NOON_2026, NOON_2026);
}

/* Any time within the bounds comes back from both its texts. */
static void random_times_go_both_ways(void **state)
{
    const uint64_t span = (uint64_t)(EVLOG_TIME_US_MAX - EVLOG_TIME_US_MIN) + 1;
    uint64_t random = load_seed();
    char text[TIME_TEXT_SIZE];
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t time_us = EVLOG_TIME_US_MIN + (int64_t)load_random(&random, span);
        reads(evlog_time_text(time_us, text), time_us, time_us);
        reads(time_short_text(time_us, text), time_us, time_us);
    }
}

/* Random changes of a good time are refused or read within the bounds, as themselves. */
static void mutated_times_stay_within_the_bounds(void **state)
{
    static const char letters[] = "0123456789-+:.,@ TZzagoshmdwn";
    uint64_t random = load_seed();
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[40] = "2026-01-31T18:00:00.123456+01:00";
        int64_t time_us = 0;
        text[load_random(&random, 34)] = 0;
        for (int j = 0; j < 3; j++)
            text[load_random(&random, strlen(text) + 1)] =
                letters[load_random(&random, sizeof letters - 1)];
        if (time_read(text, i % 2, NOW, &time_us) == 0)
            assert_in_range(time_us - EVLOG_TIME_US_MIN, 0,
                            EVLOG_TIME_US_MAX - EVLOG_TIME_US_MIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_calendar_time_is_read),
        cmocka_unit_test(each_form_of_seconds_is_read),
        cmocka_unit_test(each_form_from_now_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_bounds_are_the_years_1_and_9999),
        cmocka_unit_test(a_time_is_written_in_one_form),
        cmocka_unit_test(random_times_go_both_ways),
        cmocka_unit_test(mutated_times_stay_within_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
