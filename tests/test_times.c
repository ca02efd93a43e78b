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
    reads("tomorrow", day + DAY, day + 2 * DAY - 1);
    reads("1 min ago", NOW - 60 * S, NOW - 60 * S);
    reads("5 minutes ago", NOW - 300 * S, NOW - 300 * S);
    reads("2 hours ago", NOW - 7200 * S, NOW - 7200 * S);
    reads("1 week ago", NOW - 7 * DAY, NOW - 7 * DAY);
    reads("2 hours 30 min ago", NOW - 9000 * S, NOW - 9000 * S);
    reads("1h", NOW - 3600 * S, NOW - 3600 * S);
    reads("-5min", NOW - 300 * S, NOW - 300 * S);
    reads("+5min", NOW + 300 * S, NOW + 300 * S);
    reads("-1.5h", NOW - 5400 * S, NOW - 5400 * S);
    reads("-250ms", NOW - 250000, NOW - 250000);
    reads("-7us", NOW - 7, NOW - 7);
    reads("-1M", NOW - 2629800 * S, NOW - 2629800 * S);
    reads("-1y", NOW - 31557600 * S, NOW - 31557600 * S);
    reads("yesterday 18:00", day - 6 * 3600 * S, day - 6 * 3600 * S + 60 * S - 1);
    reads("tomorrow 00:00:01 +01:00", day + DAY + S - 3600 * S, day + DAY + 2 * S - 3600 * S - 1);
    reads("18:00", day + 18 * 3600 * S, day + 18 * 3600 * S + 60 * S - 1);
    reads("12:34", day + 45240 * S, day + 45300 * S - 1);
    reads("23:30 -02:00", day + 91800 * S, day + 91860 * S - 1);
}

/* What other programs print, with the weekday that it was. */
static void each_form_of_other_programs_is_read(void **state)
{
    const int64_t at = INT64_C(1795819811) * S; /* 2026-11-27 22:50:11 */
    (void)state;
    reads("2026-11-27 22:50:11.975788 UTC", at + 975788, at + 975788);
    reads("2026-11-27 22:50:11 UTC", at, at + S - 1);
    reads("2026-11-27 22:50:11 +0000", at, at + S - 1);
    reads("2026-11-27T22:50:11+00", at, at + S - 1);
    reads("2026-11-27 22:50:11Z", at, at + S - 1);
    reads("Fri 2026-11-27 22:50:11 UTC", at, at + S - 1);
    reads("Fri Nov 27 22:50:11 UTC 2026", at, at + S - 1);
    reads("Fri Nov 27 10:50:11 PM UTC 2026", at, at + S - 1);
    reads("Fri 27 Nov 2026 10:50:11 PM UTC", at, at + S - 1);
    reads("Fri, 27 Nov 2026 22:50:11 +0000", at, at + S - 1);
    reads("Friday, November 27 2026 23:50:11 +01:00", at, at + S - 1);
    reads("27 Nov 2026", at - 82211 * S, at - 82211 * S + DAY - 1);
    reads("2026-11-28 12:50:11 AM +0200", at, at + S - 1);
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0) {
        reads("2026-11-27 23:50:11 Europe/Berlin", at, at + S - 1);
        reads("2026-11-28 04:35:11 Asia/Kathmandu", at, at + S - 1);
        assert_string_equal(getenv("TZ"), "UTC");
    }
}

/* ------------------------------------------------------------------ zones ---- */

static const char *const zones[] = {
    "UTC",          "CET-1CEST,M3.5.0,M10.5.0/3",           "EST5EDT,M3.2.0,M11.1.0",
    "<+0545>-5:45", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", /* half an hour */
    "<-03>3",
};
#define ZONE_COUNT (sizeof zones / sizeof *zones)

static void use_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

/* What a clock shows there, as seconds. */
static int64_t wall_of(int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm parts;
    localtime_r(&time, &parts);
    return timegm(&parts);
}

/*
 * The naive twin: goes through two days by the quarter of an hour. Clocks are set at such times: so it finds the
 * first and the last time at which a clock shows `wall`; or else the offset before it was set.
 */
static void twin(int64_t wall, int64_t *first, int64_t *last)
{
    int64_t in_quarter = (wall % 900 + 900) % 900, before = 0;
    *first = *last = INT64_MIN;
    for (int64_t at = wall - in_quarter - 86400; at < wall + 86400; at += 900) {
        if (wall_of(at + in_quarter) == wall) {
            *first = *first == INT64_MIN ? at + in_quarter : *first;
            *last = at + in_quarter;
        }
        if (wall_of(at) < wall && wall_of(at) > wall - 900 - 3600)
            before = at;
    }
    if (*first == INT64_MIN)
        *first = *last = wall - (wall_of(before) - before);
}

/* A local time, near where the clocks are set too, is what the twin finds. */
static void local_times_are_those_of_a_naive_twin(void **state)
{
    static const int64_t near[] = {1774746000, 1792890000, 1772953200,
                                   1793512800, 1775318400, 1791043200};
    uint64_t random = load_seed();
    (void)state;
    for (int i = 0; i < 3000; i++) {
        use_zone(zones[i % (int)ZONE_COUNT]);
        int64_t wall =
            near[load_random(&random, 6)] - 50000 + (int64_t)load_random(&random, 100000);
        int64_t first, last;
        char text[TIME_TEXT_SIZE];
        struct tm parts;
        time_t seconds = (time_t)wall;
        gmtime_r(&seconds, &parts);
        strftime(text, sizeof text, i % 2 ? "%Y-%m-%d %H:%M:%S" : "%a, %d %b %Y %H:%M:%S",
                 &parts);
        twin(wall, &first, &last);
        reads(text, first * S, last * S + S - 1);
    }
    use_zone("UTC");
}

/* Today is the zone's day. */
static void days_are_those_of_the_zone(void **state)
{
    const int64_t day = NOON_2026 - DAY / 2, minute = 60 * S;
    (void)state;
    use_zone("<+1345>-13:45"); /* there it is 1 February, 01:45 */
    reads("today", day + DAY - 825 * minute, day + 2 * DAY - 825 * minute - 1);
    reads("01:00", NOON_2026 - 45 * minute, NOON_2026 - 44 * minute - 1);
    reads("yesterday 01:00", NOON_2026 - DAY - 45 * minute, NOON_2026 - DAY - 44 * minute - 1);
    reads("2026-02-01", day + DAY - 825 * minute, day + 2 * DAY - 825 * minute - 1);
    reads("today 12:00 UTC", NOON_2026, NOON_2026 + minute - 1);
    use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    reads("2026-03-29", INT64_C(1774738800) * S, INT64_C(1774821600) * S - 1); /* 23 hours */
    reads("2026-10-25 02:30 CEST", INT64_C(1792888200) * S, INT64_C(1792888260) * S - 1);
    reads("2026-10-25 02:30 CET", INT64_C(1792891800) * S, INT64_C(1792891860) * S - 1);
    reads("2026-10-25 02:30", INT64_C(1792888200) * S, INT64_C(1792891860) * S - 1);
    reads("Fri Nov 27 23:50:11 CET 2026", INT64_C(1795819811) * S, INT64_C(1795819812) * S - 1);
    use_zone("UTC");
}

static const char *const no_times[] = {
    "",
    " ",
    "x",
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
    "2026-01-31T18:00:00+24:00",
    "2026-01-31T18:00:00+01:60",
    "2026-01-31T18:00:00+01:",
    "2026-01-31T18:00:00Zx",
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
    "--1h",
    "-1h ago",
    "1hago",
    "-1h30",
    "-99999999999999999999s",
    "-1000000000w",
    "-1000000000s-1s",
    "1h 30",
    "-1h1x",
    "1 h agoo",
    "99999999999999h",
    "8 Jan",
    "Jan 2026",
    "2026",
    "31",
    "yesterday tomorrow",
    "yesterday 2026-01-31",
    "18:00 18:00",
    "2026-01-31 18:00 +01:00 +01:00",
    "2026-01-31 18:00 Nowhere/City",
    "2026-01-31 18:00 ../UTC",
    "2026-01-31 18:00 CEST",
    "Fri 2026-01-31",
    "Fri",
    "UTC",
    "2026-01-31 13:00:00 PM",
    "2026-01-31 00:00:00 AM",
    "2026-01-31 PM",
    "Sat Jan 32 12:00:00 UTC 2026",
    "Sat Jan 31 12:00:00 UTC 2026 2026",
    "Sat Jan Jan 31 12:00:00 UTC 2026",
    "Sat Jam 31 12:00:00 UTC 2026",
    "1 2 3 4 5 6 7 8 9",
    "\xd9\xa1\xd9\xa9",
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
 * says; for a person in the local zone.
 */
static void a_time_is_written_in_one_form(void **state)
{
    char text[TIME_TEXT_SIZE];
    (void)state;
    setenv("TZ", "Asia/Kathmandu", 1);
    tzset();
    assert_string_equal(evlog_time_text(NOON_2026, text), "2026-01-31T12:00:00.000000+00:00");
    assert_string_equal(evlog_time_text(-1, text), "1969-12-31T23:59:59.999999+00:00");
    use_zone("UTC");
    assert_string_equal(time_short_text(NOON_2026 + 120, text), "2026-01-31 12:00:00.000120 UTC");
    assert_string_equal(time_second_text(-1, text), "1969-12-31 23:59:59 UTC");
    reads("2026-01-31 12:00:00.0", NOON_2026, NOON_2026);
    use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_string_equal(time_short_text(NOON_2026 + 120, text), "2026-01-31 13:00:00.000120 CET");
    use_zone("UTC");
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
        if (i % 1000 == 0)
            use_zone(zones[i / 1000 % (int)ZONE_COUNT]);
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
        cmocka_unit_test(each_form_of_other_programs_is_read),
        cmocka_unit_test(local_times_are_those_of_a_naive_twin),
        cmocka_unit_test(days_are_those_of_the_zone),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_bounds_are_the_years_1_and_9999),
        cmocka_unit_test(a_time_is_written_in_one_form),
        cmocka_unit_test(random_times_go_both_ways),
        cmocka_unit_test(mutated_times_stay_within_the_bounds),
    };
    use_zone("UTC");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
