/*
 * The cursor: the events of a range, one at a time.
 *
 * Replays, late receivers, EVLOG_START_LAST and look-ups are loops over a cursor.
 *
 * Opening reads the log's bounds once and turns times into spans of seqs, one for each era of the
 * clock (store/spans.c); as a rule there is one. What has not been read yet of a span is
 * [first, last], which batches (store/reader.c) shorten at one end:
 *
 *     oldest first       | batch ------> | not read                 |
 *                                        first                      last
 *
 *     newest first       | not read                 | <------ batch |
 *                        first                      last
 *
 * When a span is used up the next one is taken, newest first the one before.
 *
 * Batches are always read forwards. Newest first reads a window of seqs at the end of the range
 * and walks it backwards. So a window must be read whole: when its events do not fit the
 * reader's buffer, or some are damaged, a smaller window is tried.
 *
 * Where only some types are wanted, blocks that by a summary have none of them are not read; where events are only
 * counted (count.c), none that a summary counts. A cursor that reads oldest first makes the summaries of what it reads
 * (store/summary.c).
 *
 * 1. Every seq of the range is given, or passed over for its type or by the range's `wants`, or reported as damaged, in
 *    the log's order or its reverse; damage at its place in that order.
 * 2. Every call but the last makes progress: after damage the next call goes on behind it.
 * 3. Nothing is held between calls but memory: no transaction, no lock. Where an event was erased since a batch was
 *    read, the rest of it is read again.
 *
 * Cost: a batch's reading, and for each event a look at its type's number (filter.c). A limit
 * bounds the first batch too, so that the newest event alone is one small read.
 */
#include "cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "event.h"
#include "filter.h"
#include "pace.h"
#include "reader.h"
#include "sized.h"
#include "spans.h"
#include "summary.h"
#include "visit.h"

#define WINDOW_MAX 1024 /* events in a batch */

struct evlog_cursor {
    evlog *log;
    evlog_range range; /* its types are the filter's */
    struct filter filter;
    struct pace pace;
    struct visit visit;
    struct reader reader;
    struct span *spans; /* not taken yet: [span_first, span_end) */
    size_t span_first, span_end;
    uint64_t first, last; /* seqs of the span not read yet; none when first > last */
    uint64_t window;      /* seqs that the next batch may have */
    struct summary_view view;
    struct summary_maker *maker; /* NULL: not needed yet */
    size_t used_count;           /* events of the batch that were given or passed over */
    uint64_t given_count;        /* events, for the limit */
    const struct type *given;    /* the type of `event` */
    summary_counted *counted;    /* or NULL: see cursor_count */
    void *counted_ctx;
    uint64_t counted_segment; /* whose summary was looked at last */
    uint64_t damaged_first, damaged_last;
    evlog_event event;

    /* In place of the type and source of an event whose names are not known. */
    char nameless[1 + 16 + 1];
    struct type_derived nothing;
    struct type no_type;
};

/* ------------------------------------------------------------- opening ---- */

static int check_range(const evlog_range *range)
{
    if (range->first_seq && range->last_seq && range->first_seq > range->last_seq)
        return error_set(EVLOG_INVALID,
                         "range: its first seq, %" PRIu64 ", is after its last, %" PRIu64,
                         range->first_seq, range->last_seq);
    if (range->since_us && range->until_us && range->since_us > range->until_us)
        return error_set(EVLOG_INVALID, "range: its since is after its until");
    return pace_check(range->speed, range->per_second);
}

static int add_span(evlog_cursor *cursor, const struct span *span)
{
    struct span *spans = realloc(cursor->spans, (cursor->span_end + 1) * sizeof *cursor->spans);
    if (!spans)
        return error_nomem();
    cursor->spans = spans;
    cursor->spans[cursor->span_end++] = *span;
    return EVLOG_OK;
}

/* Finds the spans of [first, last] that were logged from since_us to until_us. */
static int find_spans(evlog_cursor *cursor, uint64_t first, uint64_t last)
{
    const evlog_range *range = &cursor->range;
    struct span_walk walk;
    struct span span = {.first = first, .last = last, .began_us = INT64_MAX};
    bool is_end = false;
    if (!range->since_us && !range->until_us && range->speed == 0)
        return add_span(cursor, &span);
    span_walk_begin(&walk, cursor->log->store, range->since_us ? range->since_us : INT64_MIN,
                    range->until_us ? range->until_us : INT64_MAX, first, last);
    int result = EVLOG_OK;
    while (result == EVLOG_OK && !is_end) {
        result = span_walk_next(&walk, &span, &is_end);
        if (result == EVLOG_OK && !is_end)
            result = add_span(cursor, &span);
    }
    span_walk_end(&walk);
    return result;
}

/* False: there is no other. */
static bool take_span(evlog_cursor *cursor)
{
    if (cursor->span_first == cursor->span_end)
        return false;
    const struct span *span = cursor->range.newest_first ? &cursor->spans[--cursor->span_end]
                                                         : &cursor->spans[cursor->span_first++];
    cursor->first = span->first;
    cursor->last = span->last;
    return true;
}

/* Finds the seqs of the range that the log has. */
static int find_seqs(evlog_cursor *cursor)
{
    const evlog_range *range = &cursor->range;
    uint64_t first, last;
    int result = store_bounds(cursor->log->store, &first, &last);
    if (result)
        return result;
    if (range->first_seq > first)
        first = range->first_seq;
    if (range->last_seq && range->last_seq < last)
        last = range->last_seq;
    return last == 0 || first > last ? EVLOG_OK : find_spans(cursor, first, last);
}

static int begin(evlog_cursor *cursor)
{
    const evlog_range *range = &cursor->range;
    int result = check_range(range);
    if (result == EVLOG_OK)
        result = filter_begin(&cursor->filter, range->types, range->type_count);
    if (result)
        return result;
    cursor->pace.speed = range->speed;
    cursor->pace.per_second = range->per_second;
    cursor->first = 1; /* nothing yet */
    cursor->window = range->limit && range->limit < WINDOW_MAX ? range->limit : WINDOW_MAX;
    return find_seqs(cursor);
}

int cursor_open(evlog *log, const evlog_range *range, evlog_cursor **opened)
{
    evlog_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return error_nomem();
    cursor->log = log;
    if (range)
        cursor->range = *range;
    cursor->reader.with_nameless = cursor->range.with_nameless;
    cursor->visit =
        (struct visit){.function = cursor->range.visit, .ctx = cursor->range.visit_ctx};
    int result = begin(cursor);
    if (result) {
        cursor_free(cursor);
        return result;
    }
    *opened = cursor;
    return EVLOG_OK;
}

void cursor_free(evlog_cursor *cursor)
{
    if (!cursor)
        return;
    reader_free(&cursor->reader);
    summary_maker_free(cursor->maker);
    filter_free(&cursor->filter);
    free(cursor->spans);
    free(cursor);
}

void cursor_count(evlog_cursor *cursor, summary_counted *counted, void *ctx)
{
    cursor->counted = counted;
    cursor->counted_ctx = ctx;
}

const struct type *cursor_type(const evlog_cursor *cursor)
{
    return cursor->given;
}

/* ------------------------------------------------------------- batches ---- */

/* Reads the seqs from `first` to `last`; EVLOG_DAMAGED when the first cannot be read. */
static int read_batch(evlog_cursor *cursor, uint64_t first, uint64_t last)
{
    struct reader *reader = &cursor->reader;
    int result = reader_read(reader, cursor->log->store, first, last, (size_t)cursor->window);
    cursor->used_count = 0;
    if (result)
        reader->count = 0;
    return result;
}

/* Records what is not read any more, and allows for more events while they are small. */
static void end_batch(evlog_cursor *cursor, int result, uint64_t first, uint64_t next)
{
    if (result == EVLOG_DAMAGED) {
        cursor->damaged_first = first;
        cursor->damaged_last = next - 1;
    }
    if (cursor->range.newest_first)
        cursor->last = first - 1;
    else
        cursor->first = next;
    if (cursor->reader.used <= READER_BUFFER_SIZE / 2)
        cursor->window = cursor->window * 2 < WINDOW_MAX ? cursor->window * 2 : WINDOW_MAX;
}

/*
 * Whether seqs that could not be read were trimmed since the cursor was opened. Then all that were
 * are left out, as if it were opened now. Else the sentence stays.
 */
static bool were_trimmed(evlog_cursor *cursor)
{
    char why[ERROR_SIZE];
    uint64_t first, last;
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (store_bounds(cursor->log->store, &first, &last) == EVLOG_OK && first > cursor->first) {
        cursor->first = first;
        return true;
    }
    error_set(EVLOG_DAMAGED, "%s", why);
    return false;
}

/* Of a type that the log does not know it is said that its events are damaged: so they are read. */
static bool wants_number(uint64_t number, void *ctx)
{
    evlog_cursor *cursor = ctx;
    const struct type *type;
    return types_find(cursor->log->store->types, number, &type) != EVLOG_OK ||
           filter_wants(&cursor->filter, type);
}

/* Makes summaries of segments that are read in full; not where a few events are asked for. */
static void note_batch(evlog_cursor *cursor)
{
    struct store *store = cursor->log->store;
    const struct reader *reader = &cursor->reader;
    uint64_t limit = cursor->range.limit;
    if (store->read_only || (limit && limit < SUMMARY_BLOCK))
        return;
    if (!cursor->maker && summary_is_passed(reader->events[0].record.seq, cursor->last))
        cursor->maker = summary_maker_new();
    if (cursor->maker)
        summary_note(cursor->maker, store, reader->events, reader->count);
}

static uint64_t segment_after(uint64_t first)
{
    return (first - 1) / SUMMARY_SEGMENT + 1;
}

/*
 * Passes over whole blocks that a summary counts: each segment's is looked at once, at the first block that is to be
 * read whole. What is left is read up to there, or to the end of the segment.
 */
static void pass_counted(evlog_cursor *cursor, uint64_t *last)
{
    uint64_t *first = &cursor->first;
    while (*first <= *last && (*first - 1) % SUMMARY_BLOCK == 0 &&
           segment_after(*first) != cursor->counted_segment) {
        cursor->counted_segment = segment_after(*first);
        summary_count(cursor->log->store, cursor->counted, cursor->counted_ctx, first, *last);
    }
    uint64_t end = segment_after(*first) * SUMMARY_SEGMENT;
    if (segment_after(*first) != cursor->counted_segment)
        end = *first - 1 - (*first - 1) % SUMMARY_BLOCK + SUMMARY_BLOCK;
    *last = *last < end ? *last : end;
}

static int read_forwards(evlog_cursor *cursor)
{
    uint64_t last = cursor->last;
    if (cursor->counted)
        pass_counted(cursor, &last);
    else if (cursor->filter.types)
        summary_skip(&cursor->view, cursor->log->store, wants_number, cursor, false,
                     &cursor->first, &last);
    uint64_t first = cursor->first;
    if (first > last) {
        cursor->reader.count = cursor->used_count = 0;
        return EVLOG_OK;
    }
    int result = read_batch(cursor, first, last);
    if (result == EVLOG_DAMAGED && were_trimmed(cursor))
        return EVLOG_OK;
    if (result == EVLOG_OK)
        note_batch(cursor);
    if (result == EVLOG_OK || result == EVLOG_DAMAGED)
        end_batch(cursor, result, first, cursor->reader.next);
    return result;
}

/*
 * Whether nothing that is not read yet can be read: asked for when a whole window cannot be, since
 * there may be more of them at the beginning of a range than there is time for.
 */
static bool is_all_lost(evlog_cursor *cursor)
{
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    bool is_lost = read_batch(cursor, cursor->first, cursor->last) == EVLOG_DAMAGED &&
                   cursor->reader.next > cursor->last;
    cursor->reader.count = cursor->used_count = 0;
    if (!is_lost)
        error_set(EVLOG_DAMAGED, "%s", why);
    return is_lost;
}

/*
 * Reads the window that ends at `last`. When that cannot be read at one go, the next window is
 * the smaller of what was read of it and what was left: half of it or less, so that few tries
 * are needed whether all of its events are large or a single one at its end.
 */
static int read_backwards(evlog_cursor *cursor)
{
    uint64_t low = cursor->first;
    if (cursor->filter.types)
        summary_skip(&cursor->view, cursor->log->store, wants_number, cursor, true, &low,
                     &cursor->last);
    if (low > cursor->last) {
        cursor->reader.count = cursor->used_count = 0;
        return EVLOG_OK;
    }
    for (;;) {
        uint64_t last = cursor->last;
        uint64_t first = last - low < cursor->window ? low : last - cursor->window + 1;
        int result = read_batch(cursor, first, last);
        uint64_t next = cursor->reader.next;
        if (result == EVLOG_DAMAGED && were_trimmed(cursor))
            return EVLOG_OK;
        if (result && result != EVLOG_DAMAGED)
            return result;
        if (next > last) {
            if (result == EVLOG_DAMAGED && is_all_lost(cursor))
                first = cursor->first;
            end_batch(cursor, result, first, next);
            return result;
        }
        cursor->window = next - first < last + 1 - next ? next - first : last + 1 - next;
    }
}

/* Reads the next batch, unless the range's visit ends the call. */
static int read_more(evlog_cursor *cursor)
{
    bool newest_first = cursor->range.newest_first;
    int result =
        visit_when_due(&cursor->visit, newest_first ? cursor->last + 1 : cursor->first - 1);
    if (result)
        return result;
    return newest_first ? read_backwards(cursor) : read_forwards(cursor);
}

/* The next event of the batch; NULL: all of it was looked at. */
static const struct reader_event *next_of_batch(evlog_cursor *cursor)
{
    const struct reader *reader = &cursor->reader;
    if (cursor->used_count == reader->count)
        return NULL;
    size_t i = cursor->used_count++;
    return &reader->events[cursor->range.newest_first ? reader->count - 1 - i : i];
}

/* The rest of the batch, from the event `seq` on, is not read yet. */
static void go_back(evlog_cursor *cursor, uint64_t seq)
{
    if (cursor->range.newest_first)
        cursor->last = seq;
    else
        cursor->first = seq;
    cursor->reader.count = cursor->used_count = 0;
}

/* ------------------------------------------------------------ the next ---- */

static void sleep_until(int64_t due_us)
{
    int64_t wait_us = due_us ? due_us - clock_monotonic_us() : 0;
    struct timespec left = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    while (wait_us > 0 && nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* The latest time at which an event can have been logged, whatever its log time: see pace.c. */
static int64_t latest_us(const evlog_cursor *cursor)
{
    int64_t now_us = clock_wall_us(), next_us = INT64_MAX;
    if (!cursor->range.newest_first && cursor->span_first < cursor->span_end)
        next_us = cursor->spans[cursor->span_first].began_us;
    return next_us < now_us ? next_us : now_us;
}

static void wait_for(evlog_cursor *cursor, const struct record *record)
{
    struct pace *pace = &cursor->pace;
    if (!pace_is_none(pace))
        sleep_until(pace_due_us(pace, record->era, record->log_time_us, latest_us(cursor)));
}

/* Whether its type is; one that is not known is wanted if all are, since it may be any. */
static bool wants(evlog_cursor *cursor, const struct type *type)
{
    return type ? filter_wants(&cursor->filter, type) : cursor->range.type_count == 0;
}

/* The type of an event, or what stands in its place. */
static const struct type *type_of(evlog_cursor *cursor, const struct reader_event *read)
{
    if (read->type)
        return read->type;
    snprintf(cursor->nameless, sizeof cursor->nameless, "?%016" PRIx64, read->record.type);
    cursor->no_type =
        (struct type){.text = {.name = cursor->nameless}, .derived = &cursor->nothing};
    return &cursor->no_type;
}

/* Whether the range asks for the event, which becomes cursor->event. */
static bool is_asked_for(evlog_cursor *cursor, const struct reader_event *read)
{
    static const struct source no_source = {.text = {"", "", ""}};
    const evlog_range *range = &cursor->range;
    if (!wants(cursor, read->type))
        return false;
    const struct type *type = cursor->given = type_of(cursor, read);
    event_fill(&cursor->event, &read->record, type, read->source ? read->source : &no_source,
               signal_of(cursor->log, type), true);
    return !range->wants || range->wants(&cursor->event, range->wants_ctx);
}

static const evlog_event *give(evlog_cursor *cursor)
{
    if (!pace_is_none(&cursor->pace))
        pace_handed(&cursor->pace);
    cursor->given_count++;
    return &cursor->event;
}

int cursor_next(evlog_cursor *cursor, const evlog_event **event)
{
    const evlog_range *range = &cursor->range;
    while (!range->limit || cursor->given_count < range->limit) {
        const struct reader_event *read = next_of_batch(cursor);
        bool is_wanted = read && is_asked_for(cursor, read);
        if (is_wanted)
            wait_for(cursor, &read->record);
        if (is_wanted && !reader_is_stale(&cursor->reader, cursor->log->store)) {
            *event = give(cursor);
            return EVLOG_OK;
        }
        if (is_wanted)
            go_back(cursor, read->record.seq);
        if (read)
            continue;
        if (cursor->first > cursor->last && !take_span(cursor))
            break;
        int result = read_more(cursor);
        if (result)
            return result;
    }
    *event = NULL;
    return EVLOG_OK;
}

/* -------------------------------------------------------------- public ---- */

int evlog_cursor_open_sized(evlog *log, const evlog_range *given, size_t range_size,
                            evlog_cursor **cursor)
{
    evlog_range range;
    if (!cursor)
        return error_set(EVLOG_INVALID, "no place for the cursor is given");
    int result = sized_in(&range, sizeof range, given, range_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = cursor_open(log, &range, cursor);
    if (result)
        log_leave(log);
    return result;
}

int evlog_cursor_next(evlog_cursor *cursor, const evlog_event **event)
{
    if (!cursor || !event)
        return error_set(EVLOG_INVALID, "no %s is given",
                         cursor ? "place for the event" : "cursor");
    int result = log_check(cursor->log);
    return result ? result : cursor_next(cursor, event);
}

int evlog_cursor_damage(const evlog_cursor *cursor, uint64_t *first_seq, uint64_t *last_seq)
{
    if (!cursor || !first_seq || !last_seq)
        return error_set(EVLOG_INVALID, "no %s is given",
                         cursor ? "place for the seqs" : "cursor");
    if (!cursor->damaged_first)
        return error_set(EVLOG_NOTFOUND, "the cursor has met no damage");
    *first_seq = cursor->damaged_first;
    *last_seq = cursor->damaged_last;
    return EVLOG_OK;
}

int evlog_cursor_close(evlog_cursor *cursor)
{
    if (!cursor)
        return EVLOG_OK;
    evlog *log = cursor->log;
    int result = log_check(log);
    if (result)
        return result;
    cursor_free(cursor);
    log_leave(log);
    return EVLOG_OK;
}
