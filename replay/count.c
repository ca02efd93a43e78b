/*
 * Counting the event types of a range: how often each occurs, and where first and last.
 *
 * A cursor reads the range oldest first, but for whole blocks that a summary counts (cursor_count). Of those only the
 * segment is known in which a type occurs first or last, so these places are looked up afterwards: one block each is
 * read. An event that has been trimmed since, or is damaged, is not found then; its seq is reported as 0.
 *
 * A type is counted by its number, of which it has one for each schema, and reported by its name.
 *
 * Cost: some 20 us for each 65,536 events that have a summary, the reading of all others, and at most two looks for
 * each number. What is passed over is not read, so damage there is not found.
 */
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "error.h"
#include "filter.h"
#include "log.h"
#include "sized.h"
#include "store.h"
#include "types.h"

/* The seqs among which an event is: one, or, of those that a summary counts, many. */
struct place {
    uint64_t from, to;
    int64_t log_time_us; /* where it is one */
};

struct item {
    const struct type *type; /* NULL: it does not occur */
    uint64_t count;
    struct place first, last;
};

struct counting {
    evlog *log;
    struct filter filter;
    struct item *items; /* by the type's index */
    size_t item_max;
    evlog_outcome outcome;
};

/* ------------------------------------------------------------- counting ---- */

/* NULL: no memory. */
static struct item *item_of(struct counting *counting, const struct type *type)
{
    if (type->index >= counting->item_max) {
        size_t max = 2 * (size_t)type->index + 64;
        struct item *items = realloc(counting->items, max * sizeof *items);
        if (!items)
            return NULL;
        memset(items + counting->item_max, 0, (max - counting->item_max) * sizeof *items);
        counting->items = items;
        counting->item_max = max;
    }
    struct item *item = &counting->items[type->index];
    item->type = type;
    return item;
}

static void add(struct counting *counting, struct item *item, uint64_t count, struct place place)
{
    if (item->count == 0)
        item->first = place;
    item->last = place;
    item->count += count;
    counting->outcome.delivered += count;
    counting->outcome.last_seq = place.to;
}

static int count_event(struct counting *counting, const evlog_event *event,
                       const struct type *type)
{
    struct item *item = item_of(counting, type);
    if (!item)
        return error_nomem();
    add(counting, item, 1, (struct place){event->seq, event->seq, event->log_time_us});
    return EVLOG_OK;
}

/*
 * Of counted blocks. Without memory for the type they are read event by event, which then reports that (count_event).
 */
static bool count_block(uint64_t number, uint64_t count, uint64_t first, uint64_t last, void *ctx)
{
    struct counting *counting = ctx;
    const struct type *type;
    if (types_find(counting->log->store->types, number, &type))
        return false;
    if (!filter_wants(&counting->filter, type))
        return true;
    struct item *item = item_of(counting, type);
    if (!item)
        return false;
    if (count > 0)
        add(counting, item, count, (struct place){.from = first, .to = last});
    return true;
}

static int note_damage(struct counting *counting, const evlog_cursor *cursor, bool keep_going)
{
    uint64_t first = 0, last = 0;
    evlog_outcome *outcome = &counting->outcome;
    evlog_cursor_damage(cursor, &first, &last);
    outcome->damaged += last - first + 1;
    if (!outcome->first_failed_seq)
        outcome->first_failed_seq = first;
    return keep_going ? EVLOG_OK : EVLOG_DAMAGED;
}

/* One event or damaged part; `*is_end`: there is no more. */
static int count_next(struct counting *counting, evlog_cursor *cursor, bool keep_going,
                      bool *is_end)
{
    const evlog_event *event;
    int result = cursor_next(cursor, &event);
    if (result == EVLOG_DAMAGED)
        return note_damage(counting, cursor, keep_going);
    *is_end = result == EVLOG_OK && !event;
    return result || !event ? result : count_event(counting, event, cursor_type(cursor));
}

static int count_all(struct counting *counting, const evlog_range *range)
{
    evlog_cursor *cursor;
    bool is_end = false;
    int result = cursor_open(counting->log, range, &cursor);
    if (result)
        return result;
    cursor_count(cursor, count_block, counting);
    while (result == EVLOG_OK && !is_end)
        result = count_next(counting, cursor, range->keep_going, &is_end);
    cursor_free(cursor);
    return result;
}

/* --------------------------------------------------------------- places ---- */

/* Looks up the first event of a type among the seqs of a place, or the last. */
static int look_up(struct counting *counting, const struct type *type, bool is_last,
                   struct place *place)
{
    evlog_range range = {.first_seq = place->from,
                         .last_seq = place->to,
                         .types = &type->text.name,
                         .type_count = 1,
                         .limit = 1,
                         .newest_first = is_last};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    if (place->from == place->to)
        return EVLOG_OK;
    *place = (struct place){.from = 0};
    int result = cursor_open(counting->log, &range, &cursor);
    if (result)
        return result;
    while ((result = cursor_next(cursor, &event)) == EVLOG_DAMAGED)
        ;
    if (result == EVLOG_OK && event)
        *place = (struct place){event->seq, event->seq, event->log_time_us};
    cursor_free(cursor);
    return result;
}

static int by_name(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    return left->type && right->type ? strcmp(left->type->text.name, right->type->text.name)
                                     : (right->type != NULL) - (left->type != NULL);
}

/* Adds one with the same name to the first. */
static void merge(struct item *item, const struct item *other)
{
    if (other->first.from && (!item->first.from || other->first.from < item->first.from))
        item->first = other->first;
    if (other->last.from > item->last.from)
        item->last = other->last;
    item->count += other->count;
}

static int visit_all(struct counting *counting, int (*visit)(const evlog_type_count *, void *),
                     void *ctx)
{
    struct item *items = counting->items;
    int result = 0;
    if (counting->item_max)
        qsort(items, counting->item_max, sizeof *items, by_name);
    for (size_t i = 0, next; result == 0 && i < counting->item_max && items[i].type; i = next) {
        struct item *item = &items[i];
        for (next = i + 1; next < counting->item_max && by_name(item, &items[next]) == 0; next++)
            merge(item, &items[next]);
        if (item->count > 0)
            result = visit(&(evlog_type_count){.event_type = item->type->text.name,
                                               .event_count = item->count,
                                               .first_seq = item->first.from,
                                               .last_seq = item->last.from,
                                               .first_log_time_us = item->first.log_time_us,
                                               .last_log_time_us = item->last.log_time_us},
                           ctx);
    }
    return result;
}

static int find_places(struct counting *counting)
{
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < counting->item_max; i++) {
        struct item *item = &counting->items[i];
        if (item->count > 0)
            result = look_up(counting, item->type, false, &item->first);
        if (result == EVLOG_OK && item->count > 0)
            result = look_up(counting, item->type, true, &item->last);
    }
    return result;
}

/* --------------------------------------------------------------- public ---- */

static int check_range(const evlog_range *range)
{
    if (range->limit || range->newest_first || range->speed > 0 || range->per_second > 0 ||
        range->with_nameless || range->wants)
        return error_set(EVLOG_INVALID,
                         "range: events are counted by their seqs, times and types only");
    return EVLOG_OK;
}

int evlog_count_types_sized(evlog *log, const evlog_range *given, size_t range_size,
                            int (*visit)(const evlog_type_count *, void *), void *ctx,
                            evlog_outcome *outcome, size_t outcome_size)
{
    struct counting counting = {.log = log};
    evlog_range range;
    int result = sized_in(&range, sizeof range, given, range_size);
    if (result == EVLOG_OK)
        result = visit ? check_range(&range) : error_set(EVLOG_INVALID, "no visit is given");
    if (result == EVLOG_OK)
        result = filter_begin(&counting.filter, range.types, range.type_count);
    if (result == EVLOG_OK && (result = log_enter(log)) == EVLOG_OK) {
        result = count_all(&counting, &range);
        if (result == EVLOG_OK)
            result = find_places(&counting);
        if (result == EVLOG_OK)
            result = visit_all(&counting, visit, ctx);
        log_leave(log);
    }
    sized_out(outcome, outcome_size, &counting.outcome, sizeof counting.outcome);
    filter_free(&counting.filter);
    free(counting.items);
    return result;
}
