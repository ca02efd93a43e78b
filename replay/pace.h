/* When the next event is due, see pace.c. */
#ifndef REPLAY_PACE_H
#define REPLAY_PACE_H

#include <stdint.h>

/* Begins with the first event whose due time is asked for. */
struct pace {
    double speed, per_second; /* as in evlog_range */
    int64_t began_us;         /* monotonic; 0: not yet */
    int64_t began_log_us;     /* log time of that event */
    int64_t next_us;          /* when the next event is due by per_second */
};

/* EVLOG_INVALID: negative, infinite, or not a number. */
int pace_check(double speed, double per_second);

/* When an event of this log time is due, by the monotonic clock; 0: at once. */
int64_t pace_due_us(struct pace *pace, int64_t log_time_us);

/* Records that the event was given to its receiver. */
void pace_handed(struct pace *pace);

#endif
