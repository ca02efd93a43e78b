/*
 * Copying a log that is in use; and adding to an earlier copy what came later.
 *
 *   1. the events up to the present end, in batches (rewrite.c); the copy is flushed every FLUSH_SIZE bytes, and after
 *      them
 *   2. consumers and all else that state.mdb has, in one transaction from one snapshot
 *   3. the events that came meanwhile: so no consumer is ahead of the copy's events
 *
 * Each batch has a snapshot of its own, so senders' files do not grow by it. The copy is open alone meanwhile. What is
 * cut off before 2 is a log of its first events without their consumers; between 2 and 3, one whose consumers may be a
 * few events ahead. Copying again goes on behind the last event that is there.
 *
 * A copy has the log's origin, by which chain and entries are checked, and a uuid of its own. That it is a copy of this
 * log, and nothing else was appended to it, is shown by its last event: the next one of the log must follow it.
 *
 * What is trimmed in the log stays in an earlier copy. What is erased does not: before the event that says so is added,
 * the copy's is erased, too.
 */
#include "copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "entries.h"
#include "erase.h"
#include "error.h"
#include "flusher.h"
#include "reader.h"
#include "rewrite.h"
#include "store.h"

#define FLUSH_SIZE ((uint64_t)64 << 20)

struct copying {
    struct store *from, *to;
    const evlog_copy_options *options;
    struct rewrite rewrite;
    uint64_t first, last; /* what is to be added; none: first > last */
    uint64_t chain;       /* of the event before `first` */
    uint64_t next;        /* the first that is not copied yet */
    uint64_t unflushed_size;
};

/* ---------------------------------------------------------- what to copy ---- */

static int check_same(const struct copying *copying)
{
    const struct format *from = &copying->from->format, *to = &copying->to->format;
    const char *path = copying->to->path;
    if (memcmp(from->origin, to->origin, sizeof from->origin) != 0)
        return error_set(EVLOG_CONFLICT, "%s: is no copy of %s, but another log", path,
                         copying->from->path);
    if (memcmp(from->uuid, to->uuid, sizeof from->uuid) == 0)
        return error_set(
            EVLOG_CONFLICT,
            "%s: was made by copying the files of %s, and could be taken for it: copy "
            "to another directory",
            path, copying->from->path);
    return EVLOG_OK;
}

/* Whether the log's events go on where the copy ends. `last_to`: the copy's last. */
static int check_follows(struct copying *copying, uint64_t first_from, uint64_t last_from,
                         uint64_t last_to)
{
    const char *from = copying->from->path, *to = copying->to->path;
    struct record ours, theirs;
    if (last_to > last_from)
        return error_set(EVLOG_CONFLICT,
                         "%s: ends with event %" PRIu64 ", and %s with %" PRIu64
                         ": something was appended to the copy, or the log was put back",
                         to, last_to, from, last_from);
    if (last_to + 1 < first_from)
        return error_set(EVLOG_CONFLICT,
                         "%s: ends with event %" PRIu64 ", and %s begins with %" PRIu64
                         ": what is between them was trimmed; copy to another directory",
                         to, last_to, from, first_from);
    bool has_it = last_to >= first_from;
    int result = store_record(copying->to, last_to, &theirs);
    if (result == EVLOG_OK)
        result = store_record(copying->from, has_it ? last_to : last_to + 1, &ours);
    if (result)
        return result;
    copying->chain = theirs.chain;
    if ((has_it ? ours.chain : ours.prev) != theirs.chain)
        return error_set(EVLOG_CONFLICT,
                         "%s: its event %" PRIu64
                         " is not that of %s: something was appended to the copy",
                         to, last_to, from);
    return EVLOG_OK;
}

/* What a new copy begins with. */
static int begin_anew(struct copying *copying, uint64_t first_from, uint64_t last_from)
{
    struct record record;
    uint64_t since = copying->options->since_seq;
    copying->first = since > first_from ? since : first_from;
    copying->last = last_from;
    if (last_from == 0 || copying->first > last_from) {
        copying->first = last_from + 1;
        return EVLOG_OK;
    }
    int result = store_record(copying->from, copying->first, &record);
    copying->chain = record.prev;
    return result;
}

static int go_on(struct copying *copying, uint64_t first_from, uint64_t last_from,
                 uint64_t last_to)
{
    if (copying->options->since_seq > last_to + 1)
        return error_set(EVLOG_CONFLICT,
                         "%s: ends with event %" PRIu64 ", so from %" PRIu64
                         " on there would be a gap",
                         copying->to->path, last_to, copying->options->since_seq);
    copying->first = last_to + 1;
    copying->last = last_from;
    return check_follows(copying, first_from, last_from, last_to);
}

static int plan(struct copying *copying)
{
    uint64_t first_from, last_from, first_to = 0, last_to = 0;
    int result = copying->to ? check_same(copying) : EVLOG_OK;
    if (result == EVLOG_OK)
        result = store_bounds(copying->from, &first_from, &last_from);
    if (result == EVLOG_OK && copying->to)
        result = store_bounds(copying->to, &first_to, &last_to);
    if (result)
        return result;
    return last_to ? go_on(copying, first_from, last_from, last_to)
                   : begin_anew(copying, first_from, last_from);
}

/* ------------------------------------------------------------- copying ---- */

/*
 * A copy whose first event is not the log's begins there, as if the log had been trimmed. The floor is flushed: so is
 * that event, before, for a floor behind the last event is that of another events.mdb (belongs.c).
 */
static int set_floor(struct store *to)
{
    uint64_t first, last;
    struct record record;
    int result = store_range(to, &first, &last);
    if (result || first <= floor_get(to->floor).first_seq)
        return result;
    result = store_record(to, first, &record);
    if (result == EVLOG_OK)
        result = flusher_restart(to->flusher);
    return result ? result : floor_set(to->floor, &(struct floor_place){first, record.prev});
}

/* ------------------------------------------------------ what was erased ---- */

static int fail_erasing(const struct copying *copying, uint64_t seq)
{
    return error_set(EVLOG_BUSY,
                     "%s: event %" PRIu64 " is being erased, or that was not completed; erase it "
                     "again, and copy then",
                     copying->from->path, seq);
}

/* Erases in the copy what was erased in the log; what was trimmed since likewise. */
static int erase_one(const struct copying *copying, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    const unsigned char *digest = NULL;
    struct floor_place floor = floor_get(copying->from->floor);
    int result = EVLOG_OK;
    if (seq >= floor.first_seq) {
        result = reader_read(&reader, copying->from, seq, seq, 1);
        const struct record *record = result == EVLOG_OK ? &reader.events[0].record : NULL;
        if (record && !(record->flags & RECORD_ERASED))
            result = fail_erasing(copying, seq);
        else if (record)
            digest = record->erasure;
        if (result == EVLOG_DAMAGED)
            result = EVLOG_OK;
    }
    if (result == EVLOG_OK)
        result = erase_in_copy(copying->to, seq, digest);
    reader_free(&reader);
    return result;
}

/* An event of the batch itself must be erased in it. */
static int check_in_batch(const struct copying *copying, const struct raw_batch *batch,
                          uint64_t seq)
{
    struct record record;
    for (size_t i = 0; i < batch->count; i++) {
        const struct raw_record *raw = &batch->records[i];
        if (raw->seq != seq)
            continue;
        int result = record_decode(seq, batch->bytes + raw->at, raw->size, &record);
        return result || record.flags & RECORD_ERASED ? result : fail_erasing(copying, seq);
    }
    return EVLOG_OK;
}

static int before_batch(const struct raw_batch *batch, void *ctx)
{
    const struct copying *copying = ctx;
    uint64_t erased_type = types_number(ERASED_TYPE);
    struct record record;
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < batch->count; i++) {
        const struct raw_record *raw = &batch->records[i];
        if (raw->type != erased_type)
            continue;
        result = record_decode(raw->seq, batch->bytes + raw->at, raw->size, &record);
        uint64_t seq = result == EVLOG_OK ? erase_noted_seq(&record) : 0;
        if (seq && seq < batch->records[0].seq)
            result = erase_one(copying, seq);
        else if (seq)
            result = check_in_batch(copying, batch, seq);
    }
    return result;
}

/* ------------------------------------------------------------- batches ---- */

static int after_batch(const struct raw_batch *batch, void *ctx)
{
    struct copying *copying = ctx;
    const evlog_copy_options *options = copying->options;
    const struct raw_record *first = batch->records, *last = first + batch->count - 1;
    int result = EVLOG_OK;
    copying->unflushed_size += batch->size;
    copying->next = last->seq + 1;
    if (first->seq == copying->first)
        result = set_floor(copying->to);
    if (result == EVLOG_OK && copying->unflushed_size >= FLUSH_SIZE) {
        copying->unflushed_size = 0;
        result = flusher_restart(copying->to->flusher);
    }
    if (result == EVLOG_OK && options->visit)
        result = options->visit(last->seq, options->ctx);
    return result;
}

/* What cannot be read may have been trimmed since. */
static int check_trimmed(const struct copying *copying, int result)
{
    uint64_t next_seq = copying->next;
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (floor_refresh(copying->from->floor) ||
        floor_get(copying->from->floor).first_seq <= next_seq)
        return error_set(result, "%s", why);
    return error_set(EVLOG_CONFLICT,
                     "%s: event %" PRIu64
                     " was trimmed while it was being copied; copy to another directory",
                     copying->from->path, next_seq);
}

/* Adds what was planned, and flushes. What a power cut may take from the log does not go into the copy. */
static int add_events(struct copying *copying)
{
    struct rewrite *rewrite = &copying->rewrite;
    int result = set_floor(copying->to); /* which an earlier call may have left undone */
    rewrite->chain = copying->chain;
    copying->next = copying->first;
    if (result == EVLOG_OK && copying->from->flusher &&
        copying->from->format.durability == EVLOG_FAST)
        result = flusher_flush_upto(copying->from->flusher, copying->last);
    if (result == EVLOG_OK)
        result = rewrite_records(rewrite, copying->first, copying->last);
    if (result == EVLOG_DAMAGED)
        result = check_trimmed(copying, result);
    int flushed = flusher_restart(copying->to->flusher);
    return result ? result : flushed;
}

/*
 * All but what the events have brought along, the floor, what unused parts of the log's file have, and summaries, which
 * a reader of the copy makes.
 */
static bool is_copied(const unsigned char *key, size_t key_size)
{
    return key[0] != ENTRY_TYPE && key[0] != ENTRY_SOURCE && key[0] != ENTRY_ERASED &&
           key[0] != ENTRY_SUMMARY && !floor_is_key(key, key_size);
}

static int copy_all(struct copying *copying, evlog_copied *copied)
{
    uint64_t first = copying->first;
    int result = add_events(copying);
    if (result == EVLOG_OK)
        result = rewrite_entries(&copying->rewrite, is_copied);
    if (result == EVLOG_OK)
        result = plan(copying);
    if (result == EVLOG_OK && copying->first <= copying->last)
        result = add_events(copying);
    copied->event_count = copying->rewrite.written_count;
    copied->first_seq = copied->event_count ? first : 0;
    copied->missing_count = copying->rewrite.missing_count;
    copied->last_seq = copied->event_count ? copying->next - 1 : 0;
    return result;
}

int copy_events(struct store *from, struct store *to, const evlog_copy_options *options,
                evlog_copied *copied)
{
    struct copying copying = {.from = from, .to = to, .options = options};
    int result = plan(&copying);
    if (result)
        return result;
    if (options->preview) {
        bool is_any = copying.first <= copying.last;
        copied->first_seq = is_any ? copying.first : 0;
        copied->last_seq = is_any ? copying.last : 0;
        copied->event_count = is_any ? copying.last - copying.first + 1 : 0;
        return EVLOG_OK;
    }
    copying.rewrite = (struct rewrite){.events = from->events,
                                       .state = from->state,
                                       .to_events = to->events,
                                       .to_state = to->state,
                                       .before = before_batch,
                                       .visit = after_batch,
                                       .ctx = &copying};
    result = copy_all(&copying, copied);
    rewrite_free(&copying.rewrite);
    return result;
}
