/*
 * The open log as the rest of this folder and replay/ see it: entering and leaving a public call.
 *
 * A forked child inherits its parent's handles but not LMDB's locks. It must not even close
 * them. A child counts its fork, each handle holds the count at which it was made, and every
 * call compares the two: that costs less than getpid(2), and a cursor does it for each event.
 *
 * Calls under way are counted, so that evlog_close can refuse while there are any: a
 * receiver's own send is one of them.
 */
#include "log.h"

#include <string.h>

#include "error.h"
#include "pack.h"

static atomic_uint fork_count; /* since a log was first opened, those of ancestors included */

void log_count_fork(void)
{
    atomic_fetch_add(&fork_count, 1);
}

unsigned log_fork_count(void)
{
    return atomic_load_explicit(&fork_count, memory_order_relaxed);
}

int log_check(const evlog *log)
{
    if (!log)
        return error_set(EVLOG_INVALID, "no log is given");
    if (log->fork_count != log_fork_count())
        return error_set(EVLOG_FORKED, "%s: was opened before fork(); open it in this process",
                         log->store->path);
    return EVLOG_OK;
}

int log_enter(evlog *log)
{
    int result = log_check(log);
    if (result == EVLOG_OK)
        atomic_fetch_add(&log->call_count, 1);
    return result;
}

void log_leave(evlog *log)
{
    atomic_fetch_sub(&log->call_count, 1);
}

bool log_is_text(const char *text)
{
    size_t size = strnlen(text, EVLOG_NAME_SIZE_MAX + 1);
    return size <= EVLOG_NAME_SIZE_MAX && pack_is_utf8(text, size);
}
