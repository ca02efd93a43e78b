/*
 * Where a late receiver or a consumer begins: turns a start into a seq.
 *
 * The seq found is the one before the first event, so it can be a consumer's checkpoint as it is.
 * The bounds of the log are read once; its head then separates history from what is new.
 *
 * Cost: EVLOG_START_TIME is some binary searches. EVLOG_START_LAST reads the log backwards as far as
 * it must, and passes over damage.
 */
#include "start.h"

#include <inttypes.h>

#include "consumer_entries.h"
#include "cursor.h"
#include "error.h"
#include "log.h"
#include "reader.h"
#include "spans.h"

static int find_seq(const struct start *start, uint64_t head, uint64_t *checkpoint)
{
    if (start->seq == 0 || start->seq > head + 1)
        return error_set(EVLOG_INVALID,
                         "start: there is no seq %" PRIu64
                         " to begin at: the next to come is %" PRIu64,
                         start->seq, head + 1);
    *checkpoint = start->seq - 1;
    return EVLOG_OK;
}

static int find_time(evlog *log, const struct start *start, uint64_t first, uint64_t head,
                     uint64_t *checkpoint)
{
    struct span_walk walk;
    struct span span;
    bool is_end;
    *checkpoint = head;
    if (head == 0)
        return EVLOG_OK;
    span_walk_begin(&walk, log->store, start->time_us, INT64_MAX, first, head);
    int result = span_walk_next(&walk, &span, &is_end);
    if (result == EVLOG_OK && !is_end)
        *checkpoint = span.first - 1;
    span_walk_end(&walk);
    return result;
}

static int find_last(evlog *log, const struct start *start, const char *const *types,
                     size_t type_count, uint64_t head, uint64_t *checkpoint)
{
    const evlog_range range = {.last_seq = head,
                               .types = types,
                               .type_count = type_count,
                               .limit = start->count,
                               .newest_first = true,
                               .visit = start->visit,
                               .visit_ctx = start->visit_ctx};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    *checkpoint = head;
    if (start->count == 0 || head == 0)
        return EVLOG_OK;
    int result = cursor_open(log, &range, &cursor);
    if (result)
        return result;
    do {
        result = cursor_next(cursor, &event);
        if (result == EVLOG_OK && event)
            *checkpoint = event->seq - 1;
    } while (result == EVLOG_DAMAGED || (result == EVLOG_OK && event));
    cursor_free(cursor);
    return result;
}

int start_find(evlog *log, const struct start *start, evlog_start from, const char *const *types,
               size_t type_count, uint64_t *checkpoint, uint64_t *head)
{
    uint64_t first, last, found = 0;
    int result = store_bounds(log->store, &first, &last);
    if (result)
        return result;
    switch (start->from == EVLOG_START_DEFAULT ? from : start->from) {
    case EVLOG_START_FIRST:
        found = first ? first - 1 : 0;
        break;
    case EVLOG_START_NEW:
        found = last;
        break;
    case EVLOG_START_SEQ:
        result = find_seq(start, last, &found);
        break;
    case EVLOG_START_TIME:
        result = find_time(log, start, first, last, &found);
        break;
    case EVLOG_START_LAST:
        result = find_last(log, start, types, type_count, last, &found);
        break;
    default:
        result = error_set(EVLOG_INVALID, "start: %d is not an EVLOG_START_...", start->from);
    }
    if (result)
        return result;
    *checkpoint = found;
    *head = last;
    return EVLOG_OK;
}

uint64_t start_chain_at(struct store *store, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    uint64_t chain = 0;
    if (seq && reader_read(&reader, store, seq, seq, 1) == EVLOG_OK)
        chain = reader.events[0].record.chain;
    reader_free(&reader);
    return chain;
}

int start_entry(evlog *log, const evlog_consumer_options *options, struct consumer_entry *entry)
{
    struct consumer_entry found = {.slot = 0};
    int result = start_find(log, &START_OF(options), EVLOG_START_FIRST, options->types,
                            options->type_count, &found.checkpoint, &found.replay_last_seq);
    if (result == EVLOG_OK)
        result = evlog_sync(log);
    if (result)
        return result;
    found.chain = start_chain_at(log->store, found.checkpoint);
    *entry = found;
    return EVLOG_OK;
}
