/* When the next event is due, see pace.c. */
#ifndef REPLAY_PACE_H
#define REPLAY_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Begins with the first event whose due time is asked for. */
struct pace {
    double speed, per_second; /* as in evlog_range */
    int64_t began_us;         /* monotonic; 0: not yet */
    double elapsed_us;        /* between the logging of that event and of the last one */
    uint16_t era;             /* these two of the last event */
    int64_t log_time_us;
    int64_t stepped_from_us; /* the last log time of the era before; INT64_MIN: there was none */
    int64_t next_us;         /* when the next event is due by per_second */
};

static inline bool pace_is_none(const struct pace *pace)
{
    return pace->speed == 0 && pace->per_second == 0;
}

/* EVLOG_INVALID: negative, infinite, or not a number. */
int pace_check(double speed, double per_second);

/*
 * When an event of this era and log time is due, by the monotonic clock; 0: at once. It cannot have
 * been logged after `latest_us`: if it says so, the clock was ahead.
 */
int64_t pace_due_us(struct pace *pace, uint16_t era, int64_t log_time_us, int64_t latest_us);

/* Records that the event was given to its receiver. */
void pace_handed(struct pace *pace);

#endif
