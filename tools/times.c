/*
 * Times. The calendar is glibc's (timegm, gmtime_r: proleptic Gregorian, 64 bits); leap
 * seconds do not exist, as in POSIX. The grammar is a small part of systemd.time(7).
 */
#include "times.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "evlog.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

const char *time_short_text(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    evlog_time_text(time_us, text);
    *strchr(text, 'T') = ' ';
    *strrchr(text, '+') = '\0';
    return text;
}

/* Exactly `count` digits. */
static int digits(const char **text, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*text)[i]))
            return -1;
        *value = *value * 10 + ((*text)[i] - '0');
    }
    *text += count;
    return 0;
}

/* ".123", to microseconds; digits past the sixth are dropped. 0 when there is none. */
static int fraction(const char **text, int64_t *fraction_us)
{
    *fraction_us = 0;
    if (**text != '.' && **text != ',')
        return 0;
    const char *at = *text + 1;
    if (!isdigit((unsigned char)*at))
        return -1;
    for (int64_t scale = SECOND_US / 10; isdigit((unsigned char)*at); at++, scale /= 10)
        *fraction_us += (*at - '0') * scale;
    *text = at;
    return 0;
}

/* "", "Z", "+01:00", "+0100" up to the end. */
static int zone(const char *text, int64_t *offset_us)
{
    int hours = 0, minutes = 0, sign = *text == '-' ? -1 : 1;
    *offset_us = 0;
    if (!*text || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return 0;
    if (*text != '+' && *text != '-')
        return -1;
    text++;
    if (digits(&text, 2, &hours) || (*text == ':' && !*++text) || digits(&text, 2, &minutes) ||
        *text || hours > 23 || minutes > 59)
        return -1;
    *offset_us = sign * (hours * 3600 + minutes * 60) * SECOND_US;
    return 0;
}

/* "18:00[:01[.5]][zone]". *unit_us becomes the length of what was named. */
static int clock_time(const char *text, int64_t *since_midnight_us, int64_t *unit_us)
{
    int hour, minute, second = 0;
    int64_t fraction_us = 0, offset_us;
    if (digits(&text, 2, &hour) || *text++ != ':' || digits(&text, 2, &minute))
        return -1;
    *unit_us = 60 * SECOND_US;
    if (*text == ':') {
        const char *dot = ++text + 2;
        if (digits(&text, 2, &second) || fraction(&text, &fraction_us))
            return -1;
        *unit_us = text == dot ? SECOND_US : 1;
    }
    if (hour > 23 || minute > 59 || second > 59 || zone(text, &offset_us))
        return -1;
    *since_midnight_us =
        (hour * 3600 + minute * 60 + second) * SECOND_US + fraction_us - offset_us;
    return 0;
}

/* "2026-01-31", with a clock time after a T or a blank, or without. */
static int calendar(const char *text, int is_end, int64_t *time_us)
{
    int year, month, day;
    int64_t since_midnight_us = 0, unit_us = DAY_US;
    if (digits(&text, 4, &year) || *text++ != '-' || digits(&text, 2, &month) || *text++ != '-' ||
        digits(&text, 2, &day))
        return -1;
    if (*text && *text != 'T' && *text != 't' && *text != ' ')
        return -1;
    if (*text && clock_time(text + 1, &since_midnight_us, &unit_us))
        return -1;
    struct tm parts = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    time_t midnight = timegm(&parts);
    if (parts.tm_mon != month - 1 || parts.tm_mday != day || year < 1)
        return -1; /* 31 February, which timegm() made 3 March */
    *time_us = (int64_t)midnight * SECOND_US + since_midnight_us + (is_end ? unit_us - 1 : 0);
    return 0;
}

/* "@1769882400", "@1769882400.5" */
static int epoch(const char *text, int is_end, int64_t *time_us)
{
    int64_t fraction_us;
    char *end;
    int is_negative = *text == '-';
    const char *at = text + is_negative;
    if (!isdigit((unsigned char)*at))
        return -1;
    long long seconds = strtoll(at, &end, 10);
    at = end;
    if (seconds > EVLOG_TIME_US_MAX / SECOND_US || fraction(&at, &fraction_us) || *at)
        return -1;
    *time_us = (seconds * SECOND_US + fraction_us) * (is_negative ? -1 : 1);
    if (is_end && at == end)
        *time_us += SECOND_US - 1;
    return 0;
}

/* "-1h", "2d ago", "1h30m ago" */
static int before_now(const char *text, int64_t now_us, int64_t *time_us)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    int has_minus = *text == '-';
    int64_t total = 0;
    text += has_minus;
    do {
        char *end;
        size_t unit = 0;
        if (!isdigit((unsigned char)*text))
            return -1;
        long long count = strtoll(text, &end, 10);
        while (unit < sizeof units / sizeof *units && units[unit].letter != *end)
            unit++;
        if (unit == sizeof units / sizeof *units || count > 1000000000)
            return -1;
        total += count * units[unit].seconds;
        text = end + 1;
    } while (isdigit((unsigned char)*text) && total < INT64_C(1000000000000));
    if (strcmp(text, has_minus ? "" : " ago") != 0 || total > now_us / SECOND_US)
        return -1;
    *time_us = now_us - total * SECOND_US;
    return 0;
}

int time_read(const char *text, int is_end, int64_t now_us, int64_t *time_us)
{
    int64_t today_us = now_us - now_us % DAY_US, result_us;
    int is_yesterday = strcmp(text, "yesterday") == 0;
    if (strcmp(text, "now") == 0)
        result_us = now_us;
    else if (is_yesterday || strcmp(text, "today") == 0)
        result_us = today_us - (is_yesterday ? DAY_US : 0) + (is_end ? DAY_US - 1 : 0);
    else if (*text == '@'
                 ? epoch(text + 1, is_end, &result_us)
                 : calendar(text, is_end, &result_us) && before_now(text, now_us, &result_us))
        return -1;
    if (result_us < EVLOG_TIME_US_MIN || result_us > EVLOG_TIME_US_MAX)
        return -1;
    *time_us = result_us;
    return 0;
}
