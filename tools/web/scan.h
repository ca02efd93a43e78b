/* Looking at events for a bounded time, see scan.c. */
#ifndef WEB_SCAN_H
#define WEB_SCAN_H

#include "query.h"

struct scan {
    const struct query *query;
    uint64_t first_seq, last_seq; /* these, oldest first, or */
    bool newest_first;
    size_t count_max; /* and so many that match, at most */
    int64_t ms_max;
    /* Gets each that matches; other than 0 ends it. */
    int (*visit)(const evlog_event *event, void *ctx);
    void *ctx;

    /* How far it came. */
    size_t count;
    uint64_t next_seq;      /* where to go on; 0: everything was looked at */
    uint64_t damaged_count; /* that could not be read */
};

/* Looks at the events. 0, or the library's code. */
int scan_run(evlog *log, struct scan *scan);

#endif
