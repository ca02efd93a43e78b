/* Times as the command reads and writes them. */
#ifndef TIMES_H
#define TIMES_H

#include <stddef.h>
#include <stdint.h>

#include <evlog.h>

#define TIME_TEXT_SIZE EVLOG_TIME_TEXT_SIZE

/* A time for a person: "2026-01-31 18:00:00.123456", UTC. Returns `text`. */
const char *time_short_text(int64_t time_us, char text[TIME_TEXT_SIZE]);

/*
 * Reads a time:
 *   2026-01-31  2026-01-31 18:00[:01[.123456]]  with T for the blank, Z or +01:00 after it
 *   @1769882400.5          seconds since 1970
 *   now  today  yesterday
 *   -1h  -90m  "2d ago"    before now; units s m h d w
 * All is UTC unless a zone is given. A date alone is its first microsecond, or with
 * `is_end` its last; so are a minute and a second. Digits past the sixth of a fraction are
 * dropped. 0, or -1 where that is not a time from EVLOG_TIME_US_MIN to EVLOG_TIME_US_MAX.
 */
int time_read(const char *text, int is_end, int64_t now_us, int64_t *time_us);

#endif
