/*
 * When the next event is due: at once, with the intervals at which events were logged (divided by
 * `speed`), or at a constant rate (`per_second`).
 *
 * By speed, due times are counted from the first event, so delays of a receiver or of the
 * scheduler do not add up. By rate, an event that is more than 10 ms late moves those after it:
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
