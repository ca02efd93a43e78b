/*
 * The open log as the rest of this folder and replay/ see it: entering and leaving a public call.
 *
 * A forked child inherits its parent's handles but not LMDB's locks. It must not even close
 * them: each handle holds the pid of its process, and every call compares.
 *
 * Calls under way are counted, so that evlog_close can refuse while there are any: a
 * receiver's own send is one of them.
 */
#include "log.h"

#include <string.h>
#include <unistd.h>

#include "error.h"
#include "pack.h"

int log_enter(evlog *log)
{
    if (!log)
        return error_set(EVLOG_INVALID, "no log is given");
    if (log->pid != getpid())
        return error_set(EVLOG_FORKED, "%s: was opened before fork(); open it in this process",
                         log->store->path);
    atomic_fetch_add(&log->call_count, 1);
    return EVLOG_OK;
}

void log_leave(evlog *log)
{
    atomic_fetch_sub(&log->call_count, 1);
}

int log_is_text(const char *text)
{
    size_t size = strnlen(text, EVLOG_NAME_SIZE_MAX + 1);
    return size <= EVLOG_NAME_SIZE_MAX && pack_is_utf8(text, size);
}
