/* When the next event is due, see pace.c. */
#ifndef REPLAY_PACE_H
#define REPLAY_PACE_H

#include <stdint.h>

#include "evlog.h"

/* Begins with the first event that is asked for. */
struct pace {
    double speed, per_second; /* as in evlog_range */
    int64_t began_us;         /* monotonic; 0: not yet */
    int64_t began_log_us;     /* log time of that event */
    int64_t next_us;          /* of the next event, by per_second */
};

/* EVLOG_INVALID: negative, or no number. */
int pace_check(double speed, double per_second);

/* When an event of this log time is due, on the monotonic clock; 0: at once. */
int64_t pace_due_us(struct pace *pace, int64_t log_time_us);

/* It was handed out. */
void pace_handed(struct pace *pace);

#endif
