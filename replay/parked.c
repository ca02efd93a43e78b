/*
 * Parked events: on record as not done, for one consumer each.
 *
 * An event is parked by the consumer, in the transaction of the checkpoint that passes it
 * (poll.c). It is one of two entries (store/consumer_entries.c): `p`, or `r` when somebody has asked for it
 * to be retried. Who has the consumer takes the `r` entries up with its next poll; before it
 * hands one out it makes it a `p` again, so that an event that kills its process does so once,
 * and is parked then. What was lost, being damaged or trimmed away, is on the same record, as a
 * range.
 */
#include <inttypes.h>

#include "consumer.h"
#include "error.h"

int evlog_each_parked(evlog *log, const char *name, int (*visit)(const evlog_parked *, void *),
                      void *ctx)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_each_parked(log->store, name, visit, ctx);
    log_leave(log);
    return result;
}

int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    uint64_t retried = 0;
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_retry_parked(log->store, name, seq, &retried);
    if (result == EVLOG_OK && seq && !retried)
        result = error_set(EVLOG_NOTFOUND,
                           "consumer %s: event %" PRIu64 " is not parked, or waits to be retried",
                           name, seq);
    if (result == EVLOG_OK && count)
        *count = retried;
    shared_wake(log->store->shared);
    log_leave(log);
    return result;
}

int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    uint64_t dropped = 0;
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_drop_parked(log->store, name, seq, &dropped);
    if (result == EVLOG_OK && seq && !dropped)
        result =
            error_set(EVLOG_NOTFOUND, "consumer %s: event %" PRIu64 " is not parked", name, seq);
    if (result == EVLOG_OK && count)
        *count = dropped;
    log_leave(log);
    return result;
}
