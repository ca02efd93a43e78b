/*
 * Times. The grammar is that of systemd.time(7), and date(1)'s and mails' forms beside it.
 *
 * A time is either a span before or after now, or words in any sensible order: a weekday, a date, a clock time, a
 * zone. Each word says by its form what it is, each kind may come once, and what is missing is taken from now.
 *
 * The calendar is glibc's (timegm, gmtime_r, localtime_r: proleptic Gregorian, 64 bits); leap seconds do not exist,
 * as in POSIX.
 *
 * A local time is looked for from both sides: with the zone's offset a day before and a day after. Where clocks are
 * set between these, both, one or none of the results have the local time that was asked for (mktime(3) leaves open
 * which it gives).
 *
 *     offset before |-------- before ---------|
 *                              set back: | twice |
 *     offset after              |---------- after --------|
 */
#include "times.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define WORDS_MAX 8
#define WORD_SIZE 64
#define ZONES "/usr/share/zoneinfo/"

static bool is_in_utc;

void times_in_utc(void)
{
    is_in_utc = true;
}

/* --------------------------------------------------------------- writing ---- */

static const char *write_time(int64_t time_us, int has_fraction, char text[TIME_TEXT_SIZE])
{
    int64_t fraction_us = (time_us % SECOND_US + SECOND_US) % SECOND_US;
    time_t seconds = (time_t)((time_us - fraction_us) / SECOND_US);
    struct tm parts;
    char zone[24] = "UTC", fraction[8] = "";
    bool is_local = !is_in_utc && localtime_r(&seconds, &parts) && parts.tm_year >= 1 - 1900 &&
                    parts.tm_year <= 9999 - 1900;
    if (is_local)
        snprintf(zone, sizeof zone, "%s", parts.tm_zone);
    else
        gmtime_r(&seconds, &parts);
    if (has_fraction)
        snprintf(fraction, sizeof fraction, ".%06d", (int)fraction_us);
    snprintf(text, TIME_TEXT_SIZE, "%04d-%02d-%02d %02d:%02d:%02d%s %s", parts.tm_year + 1900,
             parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, fraction,
             zone);
    return text;
}

const char *time_short_text(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    return write_time(time_us, 1, text);
}

const char *time_second_text(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    return write_time(time_us, 0, text);
}

/* ------------------------------------------------------------- the words ---- */

/* What the words say; -1 and 0 in the first lines: not yet. */
struct parts {
    int weekday, year, month, day, noon; /* Sunday 0, January 1; AM 0, PM 12 */
    int day_offset;                      /* from today, if is_relative */
    bool is_relative, has_clock;
    int64_t clock_us; /* since midnight */
    int64_t unit_us;  /* the length of what was named */
    enum { ZONE_NONE, ZONE_OFFSET, ZONE_LOCAL_NAME, ZONE_FILE } zone;
    int64_t offset_us;
    const char *zone_name;
};

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

/* "+01:00", "+0100", "+01" up to the end. */
static int offset(const char *text, int64_t *offset_us)
{
    int hours, minutes = 0, sign = *text == '-' ? -1 : 1;
    if (*text != '+' && *text != '-')
        return -1;
    text++;
    if (digits(&text, 2, &hours))
        return -1;
    if (*text && ((*text == ':' && !*++text) || digits(&text, 2, &minutes)))
        return -1;
    if (*text || hours > 23 || minutes > 59)
        return -1;
    *offset_us = sign * (hours * 3600 + minutes * 60) * SECOND_US;
    return 0;
}

/* Whether the system knows a zone of this name. */
static bool has_zone_file(const char *name)
{
    char path[sizeof ZONES + WORD_SIZE];
    size_t size =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-");
    if (!isupper((unsigned char)*name) || name[size])
        return false;
    snprintf(path, sizeof path, ZONES "%s", name);
    return access(path, R_OK) == 0;
}

static int take_zone(struct parts *parts, const char *word)
{
    if (parts->zone)
        return -1;
    parts->zone_name = word;
    if (strcmp(word, "Z") == 0 || strcmp(word, "z") == 0 || strcmp(word, "UTC") == 0 ||
        strcmp(word, "GMT") == 0)
        parts->zone = ZONE_OFFSET;
    else if (offset(word, &parts->offset_us) == 0)
        parts->zone = ZONE_OFFSET;
    else if (!is_in_utc && (strcmp(word, tzname[0]) == 0 || strcmp(word, tzname[1]) == 0))
        parts->zone = ZONE_LOCAL_NAME;
    else if (has_zone_file(word))
        parts->zone = ZONE_FILE;
    return parts->zone ? 0 : -1;
}

/* "18:00[:01[.5]][zone]" */
static int take_clock(struct parts *parts, const char *word)
{
    int hour, minute, second = 0;
    int64_t fraction_us = 0;
    if (parts->has_clock || digits(&word, 2, &hour) || *word++ != ':' ||
        digits(&word, 2, &minute))
        return -1;
    parts->unit_us = 60 * SECOND_US;
    if (*word == ':') {
        const char *dot = ++word + 2;
        if (digits(&word, 2, &second) || fraction(&word, &fraction_us))
            return -1;
        parts->unit_us = word == dot ? SECOND_US : 1;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return -1;
    parts->has_clock = true;
    parts->clock_us = (hour * 3600 + minute * 60 + second) * SECOND_US + fraction_us;
    return *word ? take_zone(parts, word) : 0;
}

/* "2026-01-31", with a clock time after a T, or without. */
static int take_date(struct parts *parts, const char *word)
{
    if (parts->year || parts->month || parts->day || digits(&word, 4, &parts->year) ||
        *word++ != '-' || digits(&word, 2, &parts->month) || *word++ != '-' ||
        digits(&word, 2, &parts->day) || !parts->year || !parts->month || !parts->day)
        return -1;
    if (*word != 'T' && *word != 't')
        return *word ? -1 : 0;
    return take_clock(parts, word + 1);
}

/* A year or a day by itself. */
static int take_number(struct parts *parts, const char *word)
{
    size_t size = strlen(word);
    int *number = size == 4 ? &parts->year : &parts->day;
    return *number || size == 3 || size > 4 || digits(&word, (int)size, number) || !*number ? -1
                                                                                            : 0;
}

/* Its place among names, which may be shortened to three letters; -1: none. */
static int name_of(const char *const *names, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (strcasecmp(word, names[i]) == 0 ||
            (strlen(word) == 3 && strncasecmp(word, names[i], 3) == 0))
            return i;
    return -1;
}

/* A weekday, a month, AM or PM, a day counted from today. */
static int take_name(struct parts *parts, const char *word)
{
    static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                           "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"yesterday", "today", "tomorrow"};
    int weekday = name_of(weekdays, 7, word), month = name_of(months, 12, word);
    if (weekday >= 0 && parts->weekday < 0)
        parts->weekday = weekday;
    else if (month >= 0 && !parts->month)
        parts->month = month + 1;
    else if ((strcmp(word, "AM") == 0 || strcmp(word, "PM") == 0) && parts->noon < 0)
        parts->noon = *word == 'P' ? 12 : 0;
    else {
        for (int i = 0; i < 3; i++)
            if (strcmp(word, days[i]) == 0 && !parts->is_relative) {
                parts->is_relative = true;
                parts->day_offset = i - 1;
                return 0;
            }
        return -1;
    }
    return 0;
}

/* A word by its form. */
static int take_word(struct parts *parts, const char *word)
{
    if (isdigit((unsigned char)*word))
        return strchr(word, '-') && strlen(word) >= 10 && word[4] == '-' ? take_date(parts, word)
               : strchr(word, ':')                                       ? take_clock(parts, word)
                                   : take_number(parts, word);
    return take_name(parts, word) == 0 ? 0 : take_zone(parts, word);
}

/* 12:30 AM is 00:30. */
static int apply_noon(struct parts *parts)
{
    int64_t hour_us = 3600 * SECOND_US, hours = parts->clock_us / hour_us;
    if (parts->noon < 0)
        return 0;
    if (!parts->has_clock || hours < 1 || hours > 12)
        return -1;
    parts->clock_us += (parts->noon - (hours == 12 ? 12 : 0)) * hour_us;
    return 0;
}

/* Cuts the text into words, in `copy`. A comma may end a word. 0, or -1. */
static int take_words(struct parts *parts, char *copy)
{
    char *rest = copy, *word;
    int count = 0;
    while ((word = strsep(&rest, " ")) != NULL) {
        size_t size = strlen(word);
        if (size > 1 && word[size - 1] == ',')
            word[--size] = '\0';
        if (!size)
            continue;
        if (++count > WORDS_MAX || size >= WORD_SIZE || take_word(parts, word))
            return -1;
    }
    bool has_date = parts->year && parts->month && parts->day;
    bool has_some = parts->year || parts->month || parts->day;
    if (has_date ? parts->is_relative : has_some || !(parts->is_relative || parts->has_clock))
        return -1;
    return apply_noon(parts);
}

/* ----------------------------------------------------------- the calendar ---- */

/* The local offset at a time, and whether the zone's name is then `name` (NULL: any). */
static int64_t local_offset(time_t seconds, const char *name, bool *is_named)
{
    struct tm parts;
    *is_named = !name;
    if (!localtime_r(&seconds, &parts))
        return 0;
    if (name)
        *is_named = strcmp(name, parts.tm_zone) == 0;
    return parts.tm_gmtoff;
}

/* The time at which it is `wall` locally, see above, where the zone is called `name`. 0, or -1: it is not. */
static int local_time(time_t wall, const char *name, int is_late, time_t *found)
{
    bool fits[2];
    int64_t offsets[2];
    for (int i = 0; i < 2; i++) {
        bool is_named;
        offsets[i] = local_offset(wall + (i ? 86400 : -86400), NULL, &is_named);
        fits[i] =
            local_offset(wall - (time_t)offsets[i], name, &is_named) == offsets[i] && is_named;
    }
    if (name && !fits[0] && !fits[1])
        return -1;
    int which = fits[0] && fits[1] ? is_late && offsets[1] < offsets[0] : fits[1];
    *found = wall - (time_t)offsets[which];
    return 0;
}

/* With another zone's rules in place of the local ones. */
static int in_zone(const char *zone, time_t wall, int is_late, time_t *found)
{
    char name[WORD_SIZE + 1], *old = getenv("TZ") ? strdup(getenv("TZ")) : NULL;
    snprintf(name, sizeof name, ":%s", zone);
    setenv("TZ", name, 1);
    tzset();
    int result = local_time(wall, NULL, is_late, found);
    if (old)
        setenv("TZ", old, 1);
    else
        unsetenv("TZ");
    tzset();
    free(old);
    return result;
}

/* The time at which a clock in the zone shows `wall`, as seconds since 1970. */
static int time_of_wall(const struct parts *parts, time_t wall, int is_late, time_t *found)
{
    switch (parts->zone) {
    case ZONE_NONE:
        *found = wall;
        return is_in_utc ? 0 : local_time(wall, NULL, is_late, found);
    case ZONE_OFFSET:
        *found = wall - (time_t)(parts->offset_us / SECOND_US);
        return 0;
    case ZONE_LOCAL_NAME:
        return local_time(wall, parts->zone_name, is_late, found);
    case ZONE_FILE:
        return in_zone(parts->zone_name, wall, is_late, found);
    }
    return -1;
}

/* Today, by the zone's clock; by the local one where the zone is given by name. */
static void take_today(struct parts *parts, int64_t now_us)
{
    time_t now = (time_t)(now_us / SECOND_US);
    struct tm day;
    if (parts->zone == ZONE_OFFSET)
        now += (time_t)(parts->offset_us / SECOND_US);
    if (parts->zone == ZONE_OFFSET || is_in_utc || !localtime_r(&now, &day))
        gmtime_r(&now, &day);
    parts->year = day.tm_year + 1900;
    parts->month = day.tm_mon + 1;
    parts->day = day.tm_mday + parts->day_offset;
}

static int calendar(char *copy, int is_end, int64_t now_us, int64_t *time_us)
{
    struct parts parts = {.weekday = -1, .noon = -1, .unit_us = DAY_US};
    time_t midnight, found;
    if (take_words(&parts, copy))
        return -1;
    bool is_today = !parts.year;
    if (is_today)
        take_today(&parts, now_us);
    struct tm day = {
        .tm_year = parts.year - 1900, .tm_mon = parts.month - 1, .tm_mday = parts.day};
    midnight = timegm(&day);
    if (!is_today && (day.tm_mon != parts.month - 1 || day.tm_mday != parts.day))
        return -1; /* 31 February, which timegm() made 3 March */
    if (parts.weekday >= 0 && parts.weekday != day.tm_wday)
        return -1;
    int64_t wall_us =
        (int64_t)midnight * SECOND_US + parts.clock_us + (is_end ? parts.unit_us - 1 : 0);
    int64_t rest_us = (wall_us % SECOND_US + SECOND_US) % SECOND_US;
    if (time_of_wall(&parts, (time_t)((wall_us - rest_us) / SECOND_US), is_end, &found))
        return -1;
    *time_us = (int64_t)found * SECOND_US + rest_us;
    return 0;
}

/* ------------------------------------------------------- seconds and spans ---- */

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

/* The length of the unit that `text` begins with, and how long its name is; 0: none. */
static int64_t unit(const char *text, size_t *size)
{
    static const struct {
        const char *names;
        int64_t us;
    } units[] = {
        {" us usec ", 1},
        {" ms msec ", 1000},
        {" s sec second seconds ", SECOND_US},
        {" m min minute minutes ", 60 * SECOND_US},
        {" h hr hour hours ", 3600 * SECOND_US},
        {" d day days ", DAY_US},
        {" w week weeks ", 7 * DAY_US},
        {" M month months ", INT64_C(2629800) * SECOND_US},
        {" y year years ", INT64_C(31557600) * SECOND_US},
    };
    char name[12];
    for (*size = 0; isalpha((unsigned char)text[*size]); ++*size)
        ;
    if (!*size || snprintf(name, sizeof name, " %.*s ", (int)*size, text) >= (int)sizeof name)
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strstr(units[i].names, name))
            return units[i].us;
    return 0;
}

/* "1.5 h", moved past. */
static int one_span(const char **text, int64_t *span_us)
{
    int64_t count = 0, fraction_us, total;
    size_t size;
    const char *at = *text;
    for (; isdigit((unsigned char)*at) && count < INT64_C(1000000000000); at++)
        count = count * 10 + (*at - '0');
    if (at == *text || fraction(&at, &fraction_us))
        return -1;
    at += strspn(at, " ");
    int64_t unit_us = unit(at, &size);
    if (!unit_us || __builtin_mul_overflow(count, unit_us, &total))
        return -1;
    *span_us = total + (int64_t)((double)fraction_us * ((double)unit_us / (double)SECOND_US));
    *text = at + size;
    return 0;
}

/* "1h30m", moved past with the blanks after it. */
static int take_span(const char **text, int64_t *span_us)
{
    *span_us = 0;
    do {
        int64_t one_us;
        if (one_span(text, &one_us) || __builtin_add_overflow(*span_us, one_us, span_us))
            return -1;
        *text += strspn(*text, " ");
    } while (isdigit((unsigned char)**text));
    return *span_us > EVLOG_TIME_US_MAX - EVLOG_TIME_US_MIN ? -1 : 0;
}

int span_read(const char *text, int64_t *span_us)
{
    int64_t read_us;
    if (take_span(&text, &read_us) || *text)
        return -1;
    *span_us = read_us;
    return 0;
}

/* "-1h", "1h", "2 days ago", "+5min" */
static int from_now(const char *text, int64_t now_us, int64_t *time_us)
{
    char sign = *text == '-' || *text == '+' ? *text++ : '\0';
    int64_t span_us;
    if (take_span(&text, &span_us))
        return -1;
    if (*text && (sign || strcmp(text, "ago") != 0))
        return -1;
    *time_us = sign == '+' ? now_us + span_us : now_us - span_us;
    return 0;
}

int time_read(const char *text, int is_end, int64_t now_us, int64_t *time_us)
{
    char copy[4 * WORD_SIZE];
    int64_t result_us = now_us;
    tzset();
    if (strlen(text) >= sizeof copy)
        return -1;
    if (*text == '@'               ? epoch(text + 1, is_end, &result_us)
        : strcmp(text, "now") == 0 ? 0
                                   : from_now(text, now_us, &result_us) &&
                                         calendar(strcpy(copy, text), is_end, now_us, &result_us))
        return -1;
    if (result_us < EVLOG_TIME_US_MIN || result_us > EVLOG_TIME_US_MAX)
        return -1;
    *time_us = result_us;
    return 0;
}
