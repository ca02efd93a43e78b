/*
 * Looking at a log: one event, the types, the whole.
 *
 * Thin: the store does the work. What is here is the handle's count of calls, and
 * that what goes out stays valid as evlog.h says.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "error.h"
#include "event.h"
#include "reader.h"
#include "sized.h"
#include "verify.h"

static int read_event(evlog *log, uint64_t seq, evlog_event **event)
{
    uint64_t first, last;
    struct reader reader = {.events = NULL};
    int result = store_bounds(log->store, &first, &last);
    if (result)
        return result;
    if (last == 0)
        return error_set(EVLOG_NOTFOUND, "%s: the log is empty", log->store->path);
    if (seq < first || seq > last)
        return error_set(EVLOG_NOTFOUND,
                         "%s: no event %" PRIu64 ": the log has %" PRIu64 " to %" PRIu64,
                         log->store->path, seq, first, last);
    result = reader_read(&reader, log->store, seq, seq, 1);
    if (result == EVLOG_OK) {
        const struct reader_event *read = &reader.events[0];
        evlog_signal *signal = signal_find(log, read->type->text[0]);
        evlog_event found = event_of(&read->record, read->type, read->source, signal, 1);
        evlog_event *copy = event_copy(&found);
        if (copy)
            *event = copy;
        else
            result = error_nomem();
    }
    reader_free(&reader);
    return result;
}

int evlog_read(evlog *log, uint64_t seq, evlog_event **event)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = read_event(log, seq, event);
    log_leave(log);
    return result;
}

void evlog_event_free(evlog_event *event)
{
    free(event);
}

int evlog_inspect_sized(evlog *log, evlog_info *info, size_t info_size)
{
    evlog_info found = {.format = 0};
    if (!info)
        return error_set(EVLOG_INVALID, "no place for the info is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = store_inspect(log->store, &found);
    if (result == EVLOG_OK)
        sized_out(info, info_size, &found, sizeof found);
    log_leave(log);
    return result;
}

int evlog_each_type(evlog *log, int (*visit)(const evlog_type *type, void *ctx), void *ctx)
{
    int result = log_enter(log);
    if (result)
        return result;
    struct names *types = log->store->types;
    result = names_refresh(types);
    for (uint32_t i = 1; result == EVLOG_OK && i <= names_count(types); i++) {
        const struct name *name = names_get(types, i);
        if (name) {
            evlog_type type = {.number = i, .name = name->text[0], .schema = name->text[1]};
            result = visit(&type, ctx);
        }
    }
    log_leave(log);
    return result;
}

int evlog_verify(evlog *log, int (*visit)(const evlog_finding *, uint64_t, void *), void *ctx,
                 uint64_t *checked_count)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = verify_log(log->store, visit, ctx, checked_count);
    log_leave(log);
    return result;
}

/* --------------------------------------------------------------- waiting ---- */

int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq)
{
    int result = log_enter(log);
    if (result)
        return result;
    int64_t now_us = clock_monotonic_us(), until_us = INT64_MAX;
    uint64_t first, last = 0;
    if (timeout_ms >= 0 && timeout_ms < (INT64_MAX - now_us) / 1000)
        until_us = now_us + timeout_ms * 1000;
    result = store_bounds(log->store, &first, &last);
    while (result == EVLOG_OK && last <= seq && (now_us = clock_monotonic_us()) < until_us) {
        uint32_t ticket = shared_ticket(log->store->shared);
        result = store_bounds(log->store, &first, &last);
        if (result == EVLOG_OK && last <= seq)
            shared_wait(log->store->shared, ticket, until_us - now_us);
        if (result == EVLOG_OK && last <= seq)
            result = store_bounds(log->store, &first, &last);
    }
    if (result == EVLOG_OK)
        *last_seq = last;
    log_leave(log);
    return result;
}
