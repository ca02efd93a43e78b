/*
 * Times as text: ISO 8601 in UTC with microseconds, 2026-01-31T18:00:00.123456+00:00.
 *
 * Reading takes any offset, Z, a blank for T, and 1 to 9 digits of fraction or none. A time without
 * an offset is refused, since nobody knows when that was. The calendar is the proleptic Gregorian
 * one, without leap seconds. Years outside 0 to 9999, which only a damaged file can have, are
 * written as ISO 8601 expands them, with a sign and six digits, and are not read.
 *
 * Cost: no call of the C library, which would need its locale and its time zone's lock.
 */
#include "time_text.h"

#include <string.h>

#include "clock.h"
#include "error.h"

#define SECOND_US INT64_C(1000000)
#define DAY_SECONDS INT64_C(86400)

/* -------------------------------------------------------------- writing ---- */

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t rest = days - era * 146097;
    int64_t of_era = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    int64_t of_year = rest - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int)(of_era + era * 400 + (*month <= 2));
}

/* Writes a number in `count` digits, and moves on. */
static void put_digits(char **at, int value, int count)
{
    for (int i = count; i-- > 0; value /= 10)
        (*at)[i] = (char)('0' + value % 10);
    *at += count;
}

static void put_sign_and_digits(char **at, char sign, int value, int count)
{
    *(*at)++ = sign;
    put_digits(at, value, count);
}

static void put_year(char **at, int year)
{
    if (year >= 0 && year <= 9999)
        put_digits(at, year, 4);
    else
        put_sign_and_digits(at, year < 0 ? '-' : '+', year < 0 ? -year : year, 6);
}

/* Divides `*time` by `unit`, rounding down also before 1970, and returns the rest. */
static int64_t divide(int64_t *time, int64_t unit)
{
    int64_t rest = *time % unit;
    *time = *time / unit - (rest < 0);
    return rest < 0 ? rest + unit : rest;
}

size_t time_text_put(int64_t time_us, bool is_short, char text[TIME_TEXT_MAX])
{
    int year, month, day;
    int64_t days = time_us;
    int fraction = (int)divide(&days, SECOND_US), of_day = (int)divide(&days, DAY_SECONDS);
    char *at = text;
    date_of(days, &year, &month, &day);
    put_year(&at, year);
    put_sign_and_digits(&at, '-', month, 2);
    put_sign_and_digits(&at, '-', day, 2);
    put_sign_and_digits(&at, 'T', of_day / 3600, 2);
    put_sign_and_digits(&at, ':', of_day / 60 % 60, 2);
    put_sign_and_digits(&at, ':', of_day % 60, 2);
    if (!is_short || fraction)
        put_sign_and_digits(&at, '.', fraction, 6);
    memcpy(at, "+00:00", 6);
    return (size_t)(at + 6 - text);
}

const char *evlog_time_text(int64_t time_us, char text[EVLOG_TIME_TEXT_SIZE])
{
    text[time_text_put(time_us, false, text)] = '\0';
    return text;
}

/* -------------------------------------------------------------- reading ---- */

/* Days from 1970-01-01 to a date of the year 1 or later. (Here a year begins in March.) */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

struct text {
    const char *at, *end;
};

/* Exactly `count` digits, at most `max`. */
static bool get_digits(struct text *text, int count, int max, int *value)
{
    *value = 0;
    if (text->end - text->at < count)
        return false;
    for (; count > 0; count--, text->at++) {
        if (*text->at < '0' || *text->at > '9')
            return false;
        *value = *value * 10 + (*text->at - '0');
    }
    return *value <= max;
}

/* The sign that is next, when it is one of `signs`, and moves past it; else NUL. */
static char get_sign(struct text *text, const char *signs)
{
    if (text->at == text->end || !*text->at || !strchr(signs, *text->at))
        return '\0';
    return *text->at++;
}

/* Date and time of day, less the fraction, as seconds since 1970. */
static bool get_seconds(struct text *text, int64_t *seconds)
{
    static const struct {
        const char *before; /* the signs of which one comes first */
        int digits, min, max;
    } parts[] = {{"", 4, 1, 9999},  {"-", 2, 1, 12}, {"-", 2, 1, 31},
                 {"T t", 2, 0, 23}, {":", 2, 0, 59}, {":", 2, 0, 59}};
    int value[6], year, month, day;
    for (int i = 0; i < 6; i++)
        if ((i > 0 && !get_sign(text, parts[i].before)) ||
            !get_digits(text, parts[i].digits, parts[i].max, &value[i]) ||
            value[i] < parts[i].min)
            return false;
    int64_t days = days_of(value[0], value[1], value[2]);
    *seconds = days * DAY_SECONDS + value[3] * 3600 + value[4] * 60 + value[5];
    date_of(days, &year, &month, &day);
    return day == value[2]; /* else the month has no such day */
}

static bool get_fraction(struct text *text, int64_t *fraction_us)
{
    int64_t scale = SECOND_US / 10;
    int count = 0;
    *fraction_us = 0;
    if (!get_sign(text, ".,"))
        return true;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, count++) {
        *fraction_us += (*text->at - '0') * scale;
        scale /= 10;
    }
    return count >= 1 && count <= 9;
}

static bool get_offset(struct text *text, int64_t *seconds)
{
    int hours, minutes;
    char sign = get_sign(text, "Zz+-");
    *seconds = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (!sign || !get_digits(text, 2, 23, &hours))
        return false;
    get_sign(text, ":");
    if (!get_digits(text, 2, 59, &minutes))
        return false;
    *seconds = (hours * 60 + minutes) * INT64_C(60) * (sign == '-' ? -1 : 1);
    return true;
}

bool time_text_get(const char *bytes, size_t size, int64_t *time_us)
{
    struct text text = {bytes, bytes + size};
    int64_t seconds, fraction, offset;
    if (!get_seconds(&text, &seconds) || !get_fraction(&text, &fraction) ||
        !get_offset(&text, &offset) || text.at != text.end)
        return false;
    int64_t read_us = (seconds - offset) * SECOND_US + fraction;
    if (read_us < EVLOG_TIME_US_MIN || read_us > EVLOG_TIME_US_MAX)
        return false;
    *time_us = read_us;
    return true;
}

int evlog_time_parse(const char *text, int64_t *time_us)
{
    if (!text || !time_us)
        return error_set(EVLOG_INVALID, "there is no text, or no place for the time");
    if (!time_text_get(text, strlen(text), time_us))
        return error_set(EVLOG_INVALID,
                         "\"%.60s\" is not a time with an offset, as 2026-01-31T18:00:00Z is",
                         text);
    return EVLOG_OK;
}

int64_t evlog_now_us(void)
{
    return clock_wall_us();
}
