/* The calls of evlog/upkeep.h that are about the retention policy: the store does the work. */
#include <stdlib.h>

#include "error.h"
#include "evlog/upkeep.h"
#include "log.h"
#include "retain.h"
#include "sized.h"

int evlog_retain_sized(evlog *log, const evlog_retention *given, size_t retention_size)
{
    evlog_retention retention;
    int result = sized_in(&retention, sizeof retention, given, retention_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = retain_set(log->store, &retention);
    log_leave(log);
    return result;
}

int evlog_retention_look_sized(evlog *log, const evlog_retention *given, size_t retention_size,
                               evlog_retained *retained, size_t retained_size)
{
    evlog_retention retention;
    evlog_retained now = {.first_seq = 0};
    int result = sized_in(&retention, sizeof retention, given, retention_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = retain_look(log->store, &retention, &now);
    if (result == EVLOG_OK)
        sized_out(retained, retained_size, &now, sizeof now);
    log_leave(log);
    return result;
}

int evlog_retention_get(evlog *log, evlog_retention **retention)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = retain_get(log->store, retention);
    log_leave(log);
    return result;
}

void evlog_retention_free(evlog_retention *retention)
{
    free(retention);
}

int evlog_retention_apply(evlog *log)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = log->store->read_only
                 ? error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path)
                 : retain_apply(log->store);
    log_leave(log);
    return result;
}
