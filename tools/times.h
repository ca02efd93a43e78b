/* Times as the command reads and writes them. */
#ifndef TIMES_H
#define TIMES_H

#include <stddef.h>
#include <stdint.h>

#include <evlog.h>

#define TIME_TEXT_SIZE 128 /* with the name of a zone; for years of any length */

/* From now on UTC in place of the local zone, in what is read and written here. */
void times_in_utc(void);

/* A time for a person: "2026-01-31 18:00:00.123456 CET". time_read() reads it. Returns `text`. */
const char *time_short_text(int64_t time_us, char text[TIME_TEXT_SIZE]);

/* The same to the second: "2026-01-31 18:00:00 CET". */
const char *time_second_text(int64_t time_us, char text[TIME_TEXT_SIZE]);

/*
 * Reads a time, as journalctl does and a little more:
 *   2026-01-31  2026-01-31 18:00[:01[.123456]]  18:00  yesterday 18:00    a weekday before it, T for the blank
 *   Fri Jan 31 18:00:01 UTC 2026                 as date(1) prints it, also with AM and PM
 *   Fri, 31 Jan 2026 18:00:01 +0000              as in mails
 *   @1769882400.5                                seconds since 1970
 *   now  today  yesterday  tomorrow
 *   -1h  90min  "2 days ago"  +5min              before now, and with + after it; see span_read
 * A zone follows a clock time: Z, UTC, +01:00, +0100, +01, CET where that is a name of the local zone, Europe/Berlin;
 * else it is local. A local time that comes twice, when clocks are set back, is the first, or with `is_end` the last;
 * one that does not come is as if they had not been set. A date alone is its first microsecond, or with `is_end` its
 * last; so are a minute and a second. Digits past the sixth of a fraction are dropped. 0, or -1 where that is not a
 * time from EVLOG_TIME_US_MIN to EVLOG_TIME_US_MAX.
 */
int time_read(const char *text, int is_end, int64_t now_us, int64_t *time_us);

/*
 * Reads how long: "1h30m", "90 s", "1.5 days". Units: us ms s m h d w M y, and their words (min, hours ...); a
 * month has 30.44 days and a year 365.25, as in systemd.time(7). 0, or -1: it is not that.
 */
int span_read(const char *text, int64_t *span_us);

#endif
