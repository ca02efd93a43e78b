/*
 * Where a late receiver or a consumer begins: a start becomes a seq.
 *
 * What is found is the place before the first event, so that the same number is a consumer's
 * checkpoint. It is found in the log as it is at one moment, the head being what
 * separates history from what is new.
 */
#include "start.h"

#include <inttypes.h>

#include "error.h"
#include "log.h"
#include "reader.h"

static int find_seq(const struct start *start, uint64_t head, uint64_t *checkpoint)
{
    if (start->seq == 0 || start->seq > head + 1)
        return error_set(EVLOG_INVALID,
                         "start: no seq %" PRIu64 " to begin at: the next to come is %" PRIu64,
                         start->seq, head + 1);
    *checkpoint = start->seq - 1;
    return EVLOG_OK;
}

static int find_time(evlog *log, const struct start *start, uint64_t first, uint64_t head,
                     uint64_t *checkpoint)
{
    uint64_t seq;
    *checkpoint = head;
    if (head == 0)
        return EVLOG_OK;
    int result = reader_seek_time(log->store, start->time_us, first, head, &seq);
    if (result == EVLOG_OK)
        *checkpoint = seq - 1;
    return result;
}

/* Goes back over the last events; the one it comes to last is the first to be had. */
static int go_back(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx = event->seq - 1;
    return 0;
}

static int find_last(evlog *log, const struct start *start, const char *const *types,
                     size_t type_count, uint64_t head, uint64_t *checkpoint)
{
    evlog_range range = {.last_seq = head,
                         .types = types,
                         .type_count = type_count,
                         .limit = start->count,
                         .newest_first = 1,
                         .keep_going = 1};
    *checkpoint = head;
    return start->count && head ? evlog_replay(log, &range, go_back, checkpoint, NULL) : EVLOG_OK;
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
        result = error_set(EVLOG_INVALID, "start: %d is no EVLOG_START_...", start->from);
    }
    if (result)
        return result;
    *checkpoint = found;
    *head = last;
    return EVLOG_OK;
}
