/*
 * Which seqs were logged from one time to another.
 *
 * Log time steps back where the clock did (append.c), and there a new era begins. In an era log
 * time never decreases, so what was logged in a range of time is one run of seqs in each era:
 *
 *     era          0                            1
 *     seq          1      2      3      4       5      6      7
 *     log time     10:00  10:01  2099   2099    10:02  10:03  10:04
 *
 *     10:01 to 10:03      [2]                   [5     6]
 *
 * Each end is looked for between two seqs that draw together, since (era, log time) never decreases from seq to seq:
 * inside an era where it is if events come evenly, else in the middle.
 *
 * An event that cannot be read counts as the next one that can, so damage in front of an event that
 * is found is found with it; and at the end of the log where there is no later bound.
 *
 * Where a record is of an earlier era than one before it, somebody forged it: the walk ends there,
 * and the rest counts as found. So there are at most as many spans as eras.
 *
 * Cost: the first and the last event are read, and then for each end one snapshot, of which each look reads a leaf and
 * mostly the branch above it: 5 looks where events come evenly, 20 where they come in bursts (10 million, 24 by
 * halving). The end of an era that is the last one is known without a look. What cannot be read is looked for by
 * itself.
 */
#include "spans.h"

#include "env.h"
#include "error.h"
#include "store.h"

/*
 * The first event that can be read from `first` on: reader->events[0]. EVLOG_DAMAGED: none up to
 * `last` can.
 */
static int read_from(struct reader *reader, struct store *store, uint64_t first, uint64_t last)
{
    int result = EVLOG_DAMAGED;
    while (result == EVLOG_DAMAGED && first <= last) {
        result = reader_read(reader, store, first, last, 1);
        first = reader->next;
    }
    return result;
}

/* -------------------------------------------------------------- seeking ---- */

#define STRIDE_MIN 10 /* events: what a leaf has of small ones */

/* A place in time is looked for: the first seq that was not logged before it. */
struct seeking {
    uint16_t era;
    int64_t time_us;
    uint64_t low, high; /* it is one of these */
    uint64_t middle;    /* looked at last */
    struct span_mark before,
        after; /* of the last event before it that was looked at, and of the first one after it */
    int run;   /* so many of the last looks were before it or, less than 0, not before it */
};

static struct span_mark mark_of(const struct record *record)
{
    return (struct span_mark){record->seq, record->log_time_us, record->era};
}

/* What an event says that is the first one that can be read from `from` on. */
static void narrow(struct seeking *seeking, uint64_t from, struct span_mark mark)
{
    bool is_before = mark.era < seeking->era ||
                     (mark.era == seeking->era && mark.log_time_us < seeking->time_us);
    if (is_before) {
        seeking->low = mark.seq + 1;
        seeking->before = mark;
        seeking->run = seeking->run > 0 ? seeking->run + 1 : 1;
    } else {
        seeking->high = from;
        seeking->after = mark;
        seeking->run = seeking->run < 0 ? seeking->run - 1 : -1;
    }
}

/* A distance from the side that has moved so many times in a row: twice as far each time, at most to the middle. */
static uint64_t stride(uint64_t distance, int run, uint64_t half)
{
    if (distance < STRIDE_MIN)
        distance = STRIDE_MIN;
    for (; run > 0 && distance < half; run--)
        distance *= 2;
    return distance < half ? distance : half;
}

static bool is_of_era(const struct seeking *seeking, const struct span_mark *mark)
{
    return mark->seq != 0 && mark->era == seeking->era;
}

/*
 * Where to look next: where it is if events come evenly between the two, but farther from the side that moved last,
 * so that the other one moves, too. As they do not always come evenly there may be some more looks than by halving.
 */
static uint64_t choose(const struct seeking *seeking)
{
    uint64_t left = seeking->high - seeking->low, half = left / 2;
    if (!is_of_era(seeking, &seeking->before) || !is_of_era(seeking, &seeking->after))
        return seeking->low + half;
    double before = (double)seeking->time_us - (double)seeking->before.log_time_us;
    double after = (double)seeking->after.log_time_us - (double)seeking->time_us;
    uint64_t offset = (uint64_t)((double)left * (before / (before + after)));
    if (offset >= left)
        offset = left - 1;
    if (seeking->run > 0)
        offset = stride(offset, seeking->run, half);
    if (seeking->run < 0)
        offset = left - stride(left - offset, -seeking->run, left - half);
    return seeking->low + (offset < left ? offset : left - 1);
}

/* Seeks in one snapshot. EVLOG_DAMAGED: the event at `middle` is not there or cannot be read. */
static int seek_in(const struct page_snapshot *snapshot, void *ctx)
{
    struct seeking *seeking = ctx;
    struct page_cursor cursor = {.snapshot = snapshot};
    struct record record;
    int result = EVLOG_OK;
    while (result == EVLOG_OK && seeking->low < seeking->high) {
        seeking->middle = choose(seeking);
        result = record_load_near(&cursor, seeking->middle, &record);
        if (result == EVLOG_NOTFOUND || (result == EVLOG_OK && record.seq != seeking->middle))
            result = EVLOG_DAMAGED;
        if (result == EVLOG_OK)
            narrow(seeking, seeking->middle, mark_of(&record));
    }
    page_cursor_free(&cursor);
    return result;
}

/* The same, also over what cannot be read. */
static int seek_over(struct span_walk *walk, struct seeking *seeking)
{
    int result = EVLOG_OK;
    while (result == EVLOG_OK && seeking->low < seeking->high) {
        result = env_read(walk->store->events, ENV_CHECKED, seek_in, seeking);
        if (result != EVLOG_DAMAGED)
            return result;
        result = read_from(&walk->reader, walk->store, seeking->middle, seeking->high - 1);
        if (result == EVLOG_OK)
            narrow(seeking, seeking->middle, mark_of(&walk->reader.events[0].record));
        if (result == EVLOG_DAMAGED) { /* nothing from here on can be read */
            seeking->high = seeking->middle;
            result = EVLOG_OK;
        }
    }
    return result;
}

/* Reads the last event, once. */
static int find_end(struct span_walk *walk)
{
    if (walk->era >= 0)
        return EVLOG_OK;
    int result = reader_read(&walk->reader, walk->store, walk->last, walk->last, 1);
    if (result == EVLOG_OK)
        walk->end = mark_of(&walk->reader.events[0].record);
    return result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

/*
 * Moves `*seq` on to the first one that was logged in this era at this time or later, or in a later era; to one past
 * the last when there is none. `mark` is of the first event from there on that can be read, if it is known, before and
 * after.
 */
static int seek(struct span_walk *walk, uint16_t era, int64_t time_us, uint64_t *seq,
                struct span_mark *mark)
{
    struct seeking seeking = {
        .era = era, .time_us = time_us, .low = *seq, .high = walk->last + 1};
    if (mark->seq)
        narrow(&seeking, *seq, *mark);
    if (walk->end.seq && seeking.low < seeking.high)
        narrow(&seeking, walk->last, walk->end);
    seeking.run = 0;
    int result = seek_over(walk, &seeking);
    *seq = seeking.low;
    *mark = seeking.after;
    return result;
}

/* The span, perhaps empty, of the era that begins at `next`, which moves past the era. */
static int take_era(struct span_walk *walk, struct span_mark mark, struct span *span)
{
    int64_t after_us = walk->until_us < INT64_MAX ? walk->until_us + 1 : INT64_MAX;
    uint16_t era = mark.era;
    uint64_t first = walk->next, end;
    int result = EVLOG_OK;
    if (walk->since_us > INT64_MIN)
        result = seek(walk, era, walk->since_us, &first, &mark);
    end = first;
    if (result == EVLOG_OK)
        result = seek(walk, era, after_us, &end, &mark);
    walk->next = end;
    if (result == EVLOG_OK && after_us < INT64_MAX)
        result = seek(walk, era, INT64_MAX, &walk->next, &mark);
    span->first = first;
    span->last = end - 1;
    walk->era = era;
    return result;
}

/* What is left belongs to no era that is known: all of it, or, unless `is_found`, nothing. */
static void take_rest(struct span_walk *walk, bool is_found, struct span *span)
{
    span->first = is_found ? walk->next : walk->last + 1;
    span->last = walk->last;
    walk->next = walk->last + 1;
}

void span_walk_begin(struct span_walk *walk, struct store *store, int64_t since_us,
                     int64_t until_us, uint64_t first, uint64_t last)
{
    *walk = (struct span_walk){.store = store,
                               .since_us = since_us,
                               .until_us = until_us,
                               .next = first,
                               .last = last,
                               .era = -1};
}

int span_walk_next(struct span_walk *walk, struct span *span, bool *is_end)
{
    struct span found = {.first = 1, .last = 0, .began_us = INT64_MAX};
    while (found.first > found.last && walk->next <= walk->last) {
        int result = read_from(&walk->reader, walk->store, walk->next, walk->last);
        if (result && result != EVLOG_DAMAGED)
            return result;
        found.began_us = INT64_MAX;
        if (result == EVLOG_DAMAGED) {
            take_rest(walk, walk->until_us == INT64_MAX, &found);
            continue;
        }
        const struct record *record = &walk->reader.events[0].record;
        if (record->era <= walk->era) {
            take_rest(walk, true, &found);
            continue;
        }
        found.began_us = record->log_time_us;
        struct span_mark mark = mark_of(record);
        result = find_end(walk);
        if (result == EVLOG_OK)
            result = take_era(walk, mark, &found);
        if (result)
            return result;
    }
    *is_end = found.first > found.last;
    *span = found;
    return EVLOG_OK;
}

void span_walk_end(struct span_walk *walk)
{
    reader_free(&walk->reader);
}
