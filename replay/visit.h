/* Calling a `visit` of the options now and then, from what may take long. */
#ifndef REPLAY_VISIT_H
#define REPLAY_VISIT_H

#include "clock.h"
#include "evlog.h"

#define VISIT_EVERY_US 100000

struct visit {
    int (*function)(uint64_t seq, void *ctx); /* or NULL */
    void *ctx;
    int64_t due_us; /* monotonic */
};

/* Calls it when that is due, and returns what it does. */
static inline int visit_when_due(struct visit *visit, uint64_t seq)
{
    int64_t now_us = visit->function ? clock_coarse_us() : 0;
    if (!visit->function || now_us < visit->due_us)
        return EVLOG_OK;
    visit->due_us = now_us + VISIT_EVERY_US;
    return visit->function(seq, visit->ctx);
}

#endif
