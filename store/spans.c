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
 * Each end is found by halving, since (era, log time) never decreases from seq to seq.
 *
 * An event that cannot be read counts as the next one that can, so damage in front of an event that
 * is found is found with it; and at the end of the log where there is no later bound.
 *
 * Where a record is of an earlier era than one before it, somebody forged it: the walk ends there,
 * and the rest counts as found. So there are at most as many spans as eras.
 *
 * Cost: some 30 reads for each end, that is, for each era up to 90.
 */
#include "spans.h"

#include "error.h"

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

/*
 * The first seq from `low` on that was logged in this era at this time or later, or in a later era;
 * one past the last when there is none.
 */
static int seek(struct span_walk *walk, uint16_t era, int64_t time_us, uint64_t low,
                uint64_t *seq)
{
    uint64_t high = walk->last + 1;
    int result = EVLOG_OK;
    while (result == EVLOG_OK && low < high) {
        uint64_t middle = low + (high - low) / 2;
        result = read_from(&walk->reader, walk->store, middle, high - 1);
        if (result == EVLOG_DAMAGED) {
            high = middle; /* nothing from here on can be read */
            result = EVLOG_OK;
        } else if (result == EVLOG_OK) {
            const struct record *record = &walk->reader.events[0].record;
            if (record_is_earlier(record, era, time_us))
                low = record->seq + 1;
            else
                high = middle;
        }
    }
    *seq = low;
    return result;
}

/* The span, perhaps empty, of the era that begins at `next`, which moves past the era. */
static int take_era(struct span_walk *walk, uint16_t era, struct span *span)
{
    int64_t after_us = walk->until_us < INT64_MAX ? walk->until_us + 1 : INT64_MAX;
    uint64_t first = walk->next, end = 0;
    int result = EVLOG_OK;
    if (walk->since_us > INT64_MIN)
        result = seek(walk, era, walk->since_us, first, &first);
    if (result == EVLOG_OK)
        result = seek(walk, era, after_us, first, &end);
    walk->next = end;
    if (result == EVLOG_OK && after_us < INT64_MAX)
        result = seek(walk, era, INT64_MAX, end, &walk->next);
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
        result = take_era(walk, record->era, &found);
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
