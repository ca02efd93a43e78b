/*
 * When the next event is due: at once, in its original timing (times a factor), or so many a
 * second.
 *
 * Due times are reckoned from the first event, not from the one before: so what a receiver or
 * the scheduler takes for itself does not add up. One that is late by more than 10 ms, by
 * per_second, does not hurry to make it good. Live events are due when they are there, since
 * their log time is now.
 */
#include "pace.h"

#include <math.h>
#include <time.h>

#include "clock.h"
#include "error.h"

int pace_check(double speed, double per_second)
{
    if (!(speed >= 0) || !(per_second >= 0) || isinf(speed) || isinf(per_second))
        return error_set(EVLOG_INVALID, "pace: speed and per_second are not negative");
    return EVLOG_OK;
}

int64_t pace_due_us(struct pace *pace, int64_t log_time_us)
{
    int64_t due_us = 0;
    if (pace->speed == 0 && pace->per_second == 0)
        return 0;
    if (pace->began_us == 0) {
        pace->began_us = clock_monotonic_us();
        pace->began_log_us = log_time_us;
    }
    if (pace->speed > 0) {
        double after_us = (double)(log_time_us - pace->began_log_us) / pace->speed;
        due_us = pace->began_us + (after_us < 1e17 ? (int64_t)after_us : (int64_t)1e17);
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
