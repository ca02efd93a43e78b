/* The calls of evlog/audit.h: the store does the work. */
#include "evlog/audit.h"

#include "error.h"
#include "leaves.h"
#include "log.h"
#include "seals.h"

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

int evlog_add_seal(evlog *log, uint64_t size, const char *note, const void *roots,
                   size_t roots_size)
{
    if (!note || !roots)
        return error_set(EVLOG_INVALID, "no %s given", note ? "roots are" : "note is");
    int result = log_enter(log);
    if (result)
        return result;
    result = log->store->read_only
                 ? error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path)
                 : seals_add(log->store, size, note, roots, roots_size);
    log_leave(log);
    return result;
}
