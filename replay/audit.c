/* The calls of evlog/audit.h: the store does the work. */
#include "evlog/audit.h"

#include "error.h"
#include "leaves.h"
#include "log.h"

int evlog_each_leaf(evlog *log, uint64_t first_seq, uint64_t last_seq,
                    int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx)
{
    if (!visit || first_seq == 0)
        return error_set(EVLOG_INVALID, "no %s is given", visit ? "seq" : "visitor");
    int result = log_enter(log);
    if (result)
        return result;
    result = leaves_each(log->store, first_seq, last_seq, visit, ctx);
    log_leave(log);
    return result;
}

int evlog_leaf_names(evlog *log, uint64_t type_number, uint64_t source_number,
                     evlog_buffer *names)
{
    if (!names)
        return error_set(EVLOG_INVALID, "no place for the names is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = leaf_names(log->store, type_number, source_number, names);
    log_leave(log);
    return result;
}
