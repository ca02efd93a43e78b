/*
 * Looking at events for a bounded time.
 *
 * A cursor passes over what is not wanted inside of one call, however much that is. So it gets a part of the range at a
 * time, at first a small one, and larger ones as long as they are quick; between two parts and after each event the
 * clock is looked at. What is left is said, and a link goes on from there.
 *
 * Only a cursor that goes forwards passes over blocks of which a summary says that they have none of the types. So
 * newest first a part of some size is first asked forwards for its first event, and read down to that.
 */
#include "scan.h"

#include "stop.h"

#define PART_MIN 64
#define PART_MAX (64 << 10)
#define PART_MS 10
#define ASKED_MIN 1024 /* smaller parts are read at once */

struct walk {
    evlog *log;
    struct scan *scan;
    int64_t until_ms;
    uint64_t seq; /* of the last event, or damage, that was passed */
    bool is_ended;
};

static void take(struct walk *walk, const evlog_event *event)
{
    struct scan *scan = walk->scan;
    walk->seq = event->seq;
    if (query_matches(scan->query, event)) {
        scan->count++;
        walk->is_ended = scan->visit(event, scan->ctx) != 0;
    }
    walk->is_ended |= scan->count == scan->count_max || now_ms() >= walk->until_ms;
}

static void pass_damage(struct walk *walk, const evlog_cursor *cursor)
{
    uint64_t first, last;
    if (evlog_cursor_damage(cursor, &first, &last))
        return;
    walk->scan->damaged_count += last - first + 1;
    walk->seq = walk->scan->newest_first ? first : last;
    walk->is_ended |= now_ms() >= walk->until_ms;
}

/* Whether the part has an event of the types, or one that cannot be read; `range` then begins there. */
static int find_first(struct walk *walk, evlog_range *range, bool *is_found)
{
    evlog_range asked = *range;
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    uint64_t last;
    asked.newest_first = false;
    asked.limit = 1;
    *is_found = true;
    int code = evlog_cursor_open(walk->log, &asked, &cursor);
    if (code)
        return code;
    code = evlog_cursor_next(cursor, &event);
    if (code == EVLOG_DAMAGED)
        code = evlog_cursor_damage(cursor, &range->first_seq, &last);
    else if (!code && event)
        range->first_seq = event->seq;
    else
        *is_found = false;
    evlog_cursor_close(cursor);
    return code;
}

/* The events of a part. */
static int walk_range(struct walk *walk, const evlog_range *range)
{
    evlog_cursor *cursor;
    const evlog_event *event;
    int code = evlog_cursor_open(walk->log, range, &cursor);
    if (code)
        return code;
    while (!walk->is_ended) {
        code = evlog_cursor_next(cursor, &event);
        if (code == EVLOG_DAMAGED)
            pass_damage(walk, cursor);
        else if (code || !event)
            break;
        else
            take(walk, event);
        code = EVLOG_OK;
    }
    evlog_cursor_close(cursor);
    return code;
}

/* The seqs from first to last. */
static int walk_part(struct walk *walk, uint64_t first, uint64_t last)
{
    evlog_range range = walk->scan->query->range;
    bool is_found = true;
    int code = EVLOG_OK;
    range.first_seq = first;
    range.last_seq = last;
    range.newest_first = walk->scan->newest_first;
    if (range.newest_first && range.type_count && last - first >= ASKED_MIN)
        code = find_first(walk, &range, &is_found);
    return code || !is_found ? code : walk_range(walk, &range);
}

int scan_run(evlog *log, struct scan *scan)
{
    struct walk walk = {.log = log, .scan = scan, .until_ms = now_ms() + scan->ms_max};
    uint64_t first = scan->first_seq, last = scan->last_seq, size = PART_MIN;
    int code = EVLOG_OK;
    scan->count = 0;
    scan->next_seq = scan->damaged_count = 0;
    while (!code && first && first <= last) {
        int64_t began_ms = now_ms();
        uint64_t part = last - first < size ? last - first + 1 : size;
        code = scan->newest_first ? walk_part(&walk, last - part + 1, last)
                                  : walk_part(&walk, first, first + part - 1);
        if (!walk.is_ended)
            walk.seq = scan->newest_first ? last - part + 1 : first + part - 1;
        if (scan->newest_first)
            last = walk.seq - 1;
        else
            first = walk.seq + 1;
        if (walk.is_ended || now_ms() >= walk.until_ms)
            break;
        size = now_ms() - began_ms > PART_MS ? (size + 1) / 2 : size < PART_MAX ? size * 2 : size;
    }
    if (!code && first && first <= last)
        scan->next_seq = scan->newest_first ? last : first;
    return code;
}
