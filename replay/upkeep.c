/* The calls of evlog/upkeep.h: the store does the work. */
#include "evlog/upkeep.h"

#include "error.h"
#include "log.h"
#include "sized.h"
#include "trim.h"

int evlog_trim_sized(evlog *log, uint64_t before_seq, const evlog_trim_options *given,
                     size_t options_size, evlog_trimmed *trimmed, size_t trimmed_size)
{
    evlog_trim_options options;
    evlog_trimmed done = {.first_seq = 0};
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    if (log->store->read_only && !options.preview)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    else
        result = trim_events(log->store, before_seq, &options, &done);
    sized_out(trimmed, trimmed_size, &done, sizeof done);
    log_leave(log);
    return result;
}
