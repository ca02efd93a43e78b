/*
 * When the next event is due: at once, with the intervals at which events were logged (divided by
 * `speed`), or at a constant rate (`per_second`).
 *
 * By speed, due times are counted from the first event, so delays of a receiver or of the
 * scheduler do not add up. Steps of the clock are no time to wait for (events by log time, a new
 * era begins at |):
 *
 *     10:00 10:01 2099 2099 | 10:02 10:03     it was ahead: the first 2099 is due as at 10:02, the
 *                                             latest that it can have been logged, the other with it
 *     10:00 10:01 | 1970 1970 10:02 10:03     it was behind: the first 1970 is due as at 10:01, and
 *                                             10:02 a minute after the second
 *
 By rate, an event that is more than 10 ms late moves those after it:
 * there is no burst to catch up. Live events are due as they come, since their log time is now.
 */
#include "pace.h"

#include <math.h>

#include "clock.h"
#include "error.h"

int pace_check(double speed, double per_second)
{
    if (!(speed >= 0) || !(per_second >= 0) || isinf(speed) || isinf(per_second))
        return error_set(EVLOG_INVALID, "pace: speed and per_second are finite and not negative");
    return EVLOG_OK;
}

/* The time between the logging of the last event and of this one, without steps of the clock. */
static int64_t gap_us(const struct pace *pace, int64_t log_time_us, int64_t latest_us)
{
    int64_t from_us = pace->log_time_us, to_us = log_time_us;
    if (from_us <= latest_us && to_us > latest_us)
        to_us = latest_us;
    if (from_us < pace->stepped_from_us && to_us >= pace->stepped_from_us)
        from_us = pace->stepped_from_us;
    return to_us - from_us;
}

static void pass_time(struct pace *pace, uint16_t era, int64_t log_time_us, int64_t latest_us)
{
    if (pace->began_us == 0) {
        pace->began_us = clock_monotonic_us();
        pace->stepped_from_us = INT64_MIN;
    } else if (era == pace->era) {
        pace->elapsed_us += (double)gap_us(pace, log_time_us, latest_us);
    } else {
        pace->stepped_from_us = pace->log_time_us;
    }
    pace->era = era;
    pace->log_time_us = log_time_us;
}

int64_t pace_due_us(struct pace *pace, uint16_t era, int64_t log_time_us, int64_t latest_us)
{
    int64_t due_us = 0;
    if (pace_is_none(pace))
        return 0;
    pass_time(pace, era, log_time_us, latest_us);
    if (pace->speed > 0) {
        double after_us = pace->elapsed_us / pace->speed;
        after_us = after_us > 1e17 ? 1e17 : after_us < -1e17 ? -1e17 : after_us;
        due_us = pace->began_us + (int64_t)after_us;
    }
    return due_us > pace->next_us ? due_us : pace->next_us;
}

void pace_handed(struct pace *pace)
{
    if (pace->per_second == 0)
        return;
    double step_us = 1e6 / pace->per_second;
    int64_t now_us = clock_monotonic_us();
    int64_t from_us = pace->next_us > now_us - 10000 ? pace->next_us : now_us;
    pace->next_us = from_us + (step_us < 1e15 ? (int64_t)step_us : (int64_t)1e15);
}
