/*
 * Text with a form: times and opaque keys.
 *
 * Times are ISO 8601 as Python's datetime.isoformat() writes them in UTC, the fraction left out
 * when it is zero: 2021-06-09T14:12:45.320819+00:00. Taken are any offset, Z, a blank
 * for T, and 1 to 9 digits of fraction; not taken is a time without an offset, since nobody knows
 * when that was.
 *
 * The keys are those of the opaque-keys library (3.x): a namespace and parts with a
 * separator between, each part letters (of any script), digits and a few signs. What a
 * part means is not looked at. Absent: asides and definitions, which no event carries.
 */
#include "forms.h"

#include <stdio.h>
#include <string.h>

#include "evlog.h"
#include "evlog/class.h"

#define SECOND_US INT64_C(1000000)
#define DAY_SECONDS INT64_C(86400)

/* ---------------------------------------------------------------- times ---- */

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar, years begin in March. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

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

size_t forms_put_time(int64_t time_us, char text[FORMS_TIME_SIZE])
{
    int year, month, day;
    int64_t fraction = (time_us % SECOND_US + SECOND_US) % SECOND_US;
    int64_t seconds = (time_us - fraction) / SECOND_US;
    int64_t of_day = (seconds % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;
    char *at = text;
    date_of((seconds - of_day) / DAY_SECONDS, &year, &month, &day);
    put_digits(&at, year, 4);
    put_sign_and_digits(&at, '-', month, 2);
    put_sign_and_digits(&at, '-', day, 2);
    put_sign_and_digits(&at, 'T', (int)(of_day / 3600), 2);
    put_sign_and_digits(&at, ':', (int)(of_day / 60 % 60), 2);
    put_sign_and_digits(&at, ':', (int)(of_day % 60), 2);
    if (fraction)
        put_sign_and_digits(&at, '.', (int)fraction, 6);
    put_sign_and_digits(&at, '+', 0, 2);
    put_sign_and_digits(&at, ':', 0, 2);
    return (size_t)(at - text);
}

struct text {
    const char *at, *end;
};

/* Exactly `count` digits, at most `max`. */
static int get_digits(struct text *text, int count, int max, int *value)
{
    *value = 0;
    if (text->end - text->at < count)
        return 0;
    for (; count > 0; count--, text->at++) {
        if (*text->at < '0' || *text->at > '9')
            return 0;
        *value = *value * 10 + (*text->at - '0');
    }
    return *value <= max;
}

static int get_sign(struct text *text, const char *signs)
{
    if (text->at == text->end || !*text->at || !strchr(signs, *text->at))
        return 0;
    return *text->at++;
}

static int get_date(struct text *text, int64_t *days)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!get_digits(text, 4, 9999, &year) || !get_sign(text, "-") ||
        !get_digits(text, 2, 12, &month) || !get_sign(text, "-") ||
        !get_digits(text, 2, 31, &day) || year < 1 || month < 1 || day < 1)
        return 0;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *days = days_of(year, (unsigned)month, (unsigned)day);
    return day <= lengths[month - 1] + (month == 2 && is_leap);
}

static int get_fraction(struct text *text, int64_t *fraction_us)
{
    int64_t scale = SECOND_US / 10;
    int count = 0;
    *fraction_us = 0;
    if (!get_sign(text, ".,"))
        return 1;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, count++) {
        *fraction_us += (*text->at - '0') * scale;
        scale /= 10;
    }
    return count >= 1 && count <= 9;
}

static int get_offset(struct text *text, int64_t *seconds)
{
    int hours, minutes, sign = get_sign(text, "Zz+-");
    *seconds = 0;
    if (sign == 'Z' || sign == 'z')
        return 1;
    if (!sign || !get_digits(text, 2, 23, &hours))
        return 0;
    get_sign(text, ":");
    if (!get_digits(text, 2, 59, &minutes))
        return 0;
    *seconds = (hours * 60 + minutes) * INT64_C(60) * (sign == '-' ? -1 : 1);
    return 1;
}

int forms_get_time(const char *bytes, size_t size, int64_t *time_us)
{
    struct text text = {bytes, bytes + size};
    int64_t days, fraction, offset;
    int hour, minute, second;
    if (!get_date(&text, &days) || !get_sign(&text, "T t") || !get_digits(&text, 2, 23, &hour) ||
        !get_sign(&text, ":") || !get_digits(&text, 2, 59, &minute) || !get_sign(&text, ":") ||
        !get_digits(&text, 2, 59, &second) || !get_fraction(&text, &fraction) ||
        !get_offset(&text, &offset) || text.at != text.end)
        return 0;
    int64_t seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    *time_us = seconds * SECOND_US + fraction;
    return *time_us >= EVLOG_TIME_US_MIN && *time_us <= EVLOG_TIME_US_MAX;
}

/* ----------------------------------------------------------------- keys ---- */

static const struct {
    int kind;
    const char *namespace;
    char separator;
    unsigned char part_min, part_max;
} keys[] = {
    {EVLOG_KIND_COURSE_KEY, "course-v1:", '+', 3, 5}, /* branch and version may follow */
    {EVLOG_KIND_COURSE_KEY, "library-v1:", '+', 2, 4},
    {EVLOG_KIND_COURSE_KEY, "ccx-v1:", '+', 4, 6},
    {EVLOG_KIND_COURSE_KEY, "", '/', 3, 3}, /* before 2014 */
    {EVLOG_KIND_CCX_KEY, "ccx-v1:", '+', 4, 6},
    {EVLOG_KIND_USAGE_KEY, "block-v1:", '+', 5, 7},
    {EVLOG_KIND_USAGE_KEY, "ccx-block-v1:", '+', 6, 8},
    {EVLOG_KIND_USAGE_KEY, "lib-block-v1:", '+', 4, 6},
    {EVLOG_KIND_USAGE_KEY, "lb:", ':', 4, 4},
    {EVLOG_KIND_USAGE_KEY, "i4x://", '/', 4, 4}, /* before 2014 */
    {EVLOG_KIND_LIBRARY_KEY, "lib:", ':', 2, 2},
    {EVLOG_KIND_LIBRARY_USAGE_KEY, "lb:", ':', 4, 4},
    {EVLOG_KIND_COLLECTION_KEY, "lib-collection:", ':', 3, 3},
    {EVLOG_KIND_CONTAINER_KEY, "lct:", ':', 4, 4},
};

static const char *words_of(int kind)
{
    switch (kind) {
    case EVLOG_KIND_COURSE_KEY:
        return "a course key (course-v1:org+course+run)";
    case EVLOG_KIND_CCX_KEY:
        return "a CCX key (ccx-v1:org+course+run+ccx@id)";
    case EVLOG_KIND_USAGE_KEY:
        return "a usage key (block-v1:org+course+run+type@type+block@id)";
    case EVLOG_KIND_LIBRARY_KEY:
        return "a library key (lib:org:slug)";
    case EVLOG_KIND_LIBRARY_USAGE_KEY:
        return "a library usage key (lb:org:slug:type:id)";
    case EVLOG_KIND_COLLECTION_KEY:
        return "a collection key (lib-collection:org:slug:id)";
    default:
        return "a container key (lct:org:slug:type:id)";
    }
}

static int is_part_byte(unsigned char c, char separator)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c >= 0x80 || (c && strchr("_-~.%@", c)) || (c == ':' && separator != ':');
}

/* How many parts there are; 0 when one is empty or has a sign that none may have. */
static unsigned count_parts(const char *text, size_t size, char separator)
{
    unsigned count = 1;
    size_t part_size = 0;
    for (size_t i = 0; i < size; i++) {
        int is_end = text[i] == separator;
        if (is_end ? part_size == 0 : !is_part_byte((unsigned char)text[i], separator))
            return 0;
        part_size = is_end ? 0 : part_size + 1;
        count += is_end && count < 255;
    }
    return part_size ? count : 0;
}

int forms_is_key(int kind, const char *text, size_t size, const char **words)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t begin = strlen(keys[i].namespace);
        if (keys[i].kind != kind || size < begin || memcmp(text, keys[i].namespace, begin) != 0)
            continue;
        unsigned count = count_parts(text + begin, size - begin, keys[i].separator);
        if (count >= keys[i].part_min && count <= keys[i].part_max)
            return 1;
    }
    *words = words_of(kind);
    return 0;
}
