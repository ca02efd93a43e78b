/*
 * Which event a consumer is given next.
 *
 * Parked events that are to be retried come first, then the event after `place` (consumer.c).
 * Events are read in batches (store/reader.c) and dealt with in order: passed over when they are
 * not asked for, kept waiting for their pace or next attempt, handed out.
 *
 * 1. What earlier holders handed out and no checkpoint has passed is known from the mark that they
 *    left (store/shared.c): such an event says that it comes again.
 * 2. A process that dies between handing out an event and the next call of these functions has
 *    died in it, unless others are out too: then it is not known in which. An event in which
 *    EVLOG_DEATHS_MAX processes died has failed.
 * 3. Nothing is held between two calls.
 *
 * Waiting. With nothing to do it takes a ticket, looks once more, and sleeps until some process
 * commits. For a due time it sleeps on a word of its own, so that commits do not wake it.
 * evlog_consumer_stop ends both.
 */
#include <inttypes.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "be64.h"
#include "clock.h"
#include "consumer.h"
#include "error.h"
#include "event.h"
#include "group.h"

#define BATCH 1024
#define PASS_AFTER_US 1000000 /* idle time after which events passed over are checkpointed */
#define REFRESH_US 100000     /* how soon a pause or a retry by others is noticed */

/* What one step came to. */
enum step {
    STEP_DONE,    /* something was dealt with; go on */
    STEP_HANDED,  /* an event is handed out */
    STEP_LATER,   /* the upcoming event is not due yet */
    STEP_NOTHING, /* there is nothing to hand out */
};

/* ----------------------------------------------------------- handing out ---- */

static bool is_history(const evlog_consumer *consumer, uint64_t seq)
{
    return seq <= consumer->entry.replay_last_seq;
}

/* Its attempt is not known here. */
static void fill_event(const evlog_consumer *consumer, const struct reader_event *read,
                       evlog_event *event)
{
    event_fill(event, &read->record, read->type, read->source,
               signal_of(consumer->log, read->type),
               is_history(consumer, read->record.seq) &&
                   consumer->options.replay != EVLOG_REPLAY_SILENT);
}

/* Fills in consumer->event, and records it in the mark, for later holders of the consumer. */
static void hand_out(evlog_consumer *consumer, const struct reader_event *read)
{
    const struct record *record = &read->record;
    const struct turn *turn = turn_at(consumer, consumer->turn_count - 1);
    fill_event(consumer, read, &consumer->event);
    consumer->event.attempt = turn->attempt;
    consumer->event.is_retry = turn->is_retry;
    if (record->seq > consumer->mark.most)
        consumer->mark.most = record->seq;
    uint32_t deaths = record->seq == consumer->mark.seq ? consumer->mark.inside : 0;
    shared_mark_enter(consumer->log->store->shared, consumer->claim.slot,
                      &(struct shared_mark){
                          .seq = record->seq, .attempt = turn->attempt, .inside = deaths + 1});
    consumer->is_inside = true;
    pace_handed(&consumer->pace);
}

void consumer_leave_event(evlog_consumer *consumer)
{
    if (consumer->is_inside)
        shared_mark_leave(consumer->log->store->shared, consumer->claim.slot);
    consumer->is_inside = false;
    consumer->now_us = clock_coarse_us();
}

/*
 * Whether too many processes died in the last turn's event; asked once. When it is retried, one is
 * too many, in this very attempt: it may have been parked for other reasons after earlier deaths.
 */
static bool is_deadly(evlog_consumer *consumer)
{
    const struct turn *turn = turn_at(consumer, consumer->turn_count - 1);
    struct shared_mark *mark = &consumer->mark;
    if (mark->inside == 0 || turn->seq != mark->seq)
        return false;
    if (turn->is_retry ? turn->attempt != mark->attempt : mark->inside < EVLOG_DEATHS_MAX)
        return false;
    mark->inside = 0;
    return true;
}

/* It is not handed out this time: its last attempt, in which a process died, was the last. */
static int fail_deadly(evlog_consumer *consumer)
{
    struct turn *turn = turn_at(consumer, consumer->turn_count - 1);
    turn->attempt = consumer->mark.attempt;
    turn->failure_count = consumer->options.attempt_max - 1;
    return turn_failed(consumer, consumer->turn_count - 1,
                       "its receiver did not return: the process died in it");
}

/* --------------------------------------------------------- the next in turn ---- */

static bool is_wanted(evlog_consumer *consumer, const struct reader_event *read)
{
    const evlog_consumer_options *options = &consumer->options;
    const struct record *record = &read->record;
    if (!filter_wants(&consumer->filter, read->type))
        return false;
    if (consumer->member.workers &&
        !group_is_mine(&consumer->member, record->data, record->data_size))
        return false;
    if (options->wants) {
        evlog_event event;
        fill_event(consumer, read, &event);
        if (!options->wants(&event, options->wants_ctx))
            return false;
    }
    if (options->replay != EVLOG_REPLAY_REFUSE || !is_history(consumer, record->seq))
        return true;
    consumer->refused_count++;
    return false;
}

/* An event that was not upcoming: whether it was handed out before is known from the mark. */
static void expect(evlog_consumer *consumer, const struct record *record)
{
    const struct shared_mark *mark = &consumer->mark;
    struct pace *pace = &consumer->pace;
    uint32_t attempt = record->seq <= mark->most ? 2 : 1;
    if (record->seq == mark->seq)
        attempt = mark->attempt + 1;
    consumer->upcoming = (struct upcoming){
        .seq = record->seq,
        .attempt = attempt,
        .due_us = pace_is_none(pace)
                      ? 0
                      : pace_due_us(pace, record->era, record->log_time_us, clock_wall_us())};
}

/* Whether the event after the place is on record already. */
static int check_parked(evlog_consumer *consumer, uint64_t seq, bool *is_parked)
{
    int result = EVLOG_OK;
    if (consumer->parked_next < seq)
        result = consumers_next_parked(consumer->log->store, consumer->claim.name,
                                       consumer->place, &consumer->parked_next);
    *is_parked = result == EVLOG_OK && consumer->parked_next == seq;
    return result;
}

/* The next event of the batch. */
static int deal_with(evlog_consumer *consumer, enum step *step)
{
    const struct reader_event *read = &consumer->reader.events[consumer->at];
    const struct record *record = &read->record;
    struct upcoming *upcoming = &consumer->upcoming;
    bool is_parked;
    int result = check_parked(consumer, record->seq, &is_parked);
    if (result)
        return result;
    if (upcoming->seq != record->seq) {
        if (is_parked || !is_wanted(consumer, read))
            return consumer_pass(consumer, record);
        expect(consumer, record);
    }
    if (upcoming->due_us && clock_monotonic_us() < upcoming->due_us) {
        *step = STEP_LATER;
        return EVLOG_OK;
    }
    result = turn_begin(consumer, record);
    if (result)
        return result;
    if (is_deadly(consumer))
        return fail_deadly(consumer);
    hand_out(consumer, read);
    *step = STEP_HANDED;
    return EVLOG_OK;
}

/* Events that cannot be read. The sentence is copied: it is the thread's own. */
static int lose(evlog_consumer *consumer, uint64_t last, const char *text)
{
    char why[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    snprintf(why, sizeof why, "%s", text);
    return consumer_lose(consumer, last, why);
}

/* The first and the last event of the log, or of the part of it that the consumer is given. */
static int bounds(const evlog_consumer *consumer, uint64_t *first, uint64_t *head)
{
    uint64_t last = consumer->options.last_seq;
    int result = store_bounds(consumer->log->store, first, head);
    if (result == EVLOG_OK && last && *head > last)
        *head = last;
    return result;
}

/* Reads the next batch. */
static int read_more(evlog_consumer *consumer, enum step *step)
{
    struct store *store = consumer->log->store;
    uint64_t first, head, next = consumer->place + 1;
    int result = bounds(consumer, &first, &head);
    consumer->now_us = clock_monotonic_us();
    consumer->reader.count = consumer->at = 0;
    if (result == EVLOG_OK && head < next)
        *step = STEP_NOTHING;
    if (result || head < next)
        return result;
    if (consumer->is_caught_up && head - consumer->place > consumer->options.behind_count) {
        consumer->is_caught_up = false;
        consumer_notify(consumer, EVLOG_NOTICE_FELL_BEHIND, consumer->place, head, "");
    }
    if (first > next)
        return lose(consumer, first <= head ? first - 1 : head, "no longer in the log");
    result = reader_read(&consumer->reader, store, next, head, BATCH);
    if (result != EVLOG_DAMAGED)
        return result;
    consumer->reader.count = 0;
    return lose(consumer, consumer->reader.next - 1, evlog_errmsg());
}

/* ----------------------------------------------------------- parked events ---- */

/* Whether a parked event's retry has a turn: it is on record until that is committed. */
static bool is_retrying(evlog_consumer *consumer, uint64_t seq)
{
    unsigned char end[sizeof seq];
    be64_store(end, seq);
    return pending_find(&consumer->pending, ENTRY_RETRY, end, sizeof end) != NULL;
}

/*
 * Reads the first event of what is retried. EVLOG_DAMAGED also when it is no longer in the log;
 * nothing up to `*last` can be read then.
 */
static int read_parked(struct reader *reader, struct store *store, const evlog_parked *parked,
                       uint64_t *last)
{
    uint64_t first, head, seq = parked->seq;
    int result = store_bounds(store, &first, &head);
    *last = parked->last_seq;
    if (result)
        return result;
    if (seq < first || seq > head) {
        if (first > seq && first <= *last)
            *last = first - 1;
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": it is no longer in the log", seq);
    }
    result = reader_read(reader, store, seq, *last < head ? *last : head, 1);
    if (result == EVLOG_DAMAGED && reader->next <= head)
        *last = reader->next - 1;
    return result;
}

static int retry(evlog_consumer *consumer, const evlog_parked *parked, enum step *step)
{
    char why[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    struct reader *reader = &consumer->retry_reader;
    uint64_t last;
    int result = read_parked(reader, consumer->log->store, parked, &last);
    if (result == EVLOG_DAMAGED) {
        snprintf(why, sizeof why, "%s", evlog_errmsg());
        return consumer_pass_retry(consumer, parked, last, why);
    }
    if (result)
        return result;
    /* What was parked by itself was asked for; in a range that was lost there may be others. */
    if (parked->is_lost && !is_wanted(consumer, &reader->events[0]))
        return consumer_pass_retry(consumer, parked, parked->seq, NULL);
    result = turn_begin_retry(consumer, parked);
    if (result)
        return result;
    if (is_deadly(consumer))
        return fail_deadly(consumer);
    hand_out(consumer, &reader->events[0]);
    *step = STEP_HANDED;
    return EVLOG_OK;
}

/*
 * The next parked event to be retried that is not handed out, if there is one and the checkpoint
 * has passed it. It is looked for after the one that was handed out last, which matters when many
 * are out; when there is none, once more from the first one on.
 */
static int retry_next(evlog_consumer *consumer, enum step *step)
{
    evlog_parked parked = {.seq = consumer->retry_place};
    int result;
    do
        result =
            consumers_next_retry(consumer->log->store, consumer->claim.name, parked.seq, &parked);
    while (result == EVLOG_OK && is_retrying(consumer, parked.seq));
    if (result == EVLOG_OK && parked.seq <= consumer->entry.checkpoint) {
        consumer->retry_place = parked.seq;
        return retry(consumer, &parked, step);
    }
    if (result && result != EVLOG_NOTFOUND)
        return result;
    consumer->may_retry = consumer->retry_place > 0;
    consumer->retry_place = 0;
    return EVLOG_OK;
}

/* ------------------------------------------------------------------ steps ---- */

/* What others may have changed: it is theirs now, it is paused, parked events are to be retried. */
static int refresh(evlog_consumer *consumer)
{
    struct consumer_entry now;
    int result = consumers_read(consumer->log->store, consumer->claim.name, &now);
    if (result == EVLOG_OK)
        result = consumer_check_owner(consumer, &now);
    if (result)
        return result;
    struct consumer_entry *entry = &consumer->entry;
    if (now.retry_count != entry->retry_count || now.parked_count != entry->parked_count)
        consumer->may_retry = now.retry_count > 0;
    entry->is_paused = now.is_paused;
    entry->parked_count = now.parked_count;
    entry->retry_count = now.retry_count;
    consumer->refreshed_us = consumer->now_us;
    return EVLOG_OK;
}

static int take_step(evlog_consumer *consumer, enum step *step)
{
    int result = EVLOG_OK;
    *step = STEP_DONE;
    if (consumer->now_us != consumer->checked_us)
        result = shared_check(consumer->log->store->shared, true);
    consumer->checked_us = result ? 0 : consumer->now_us;
    if (result == EVLOG_OK && consumer->must_commit)
        result = consumer_commit(consumer);
    if (result == EVLOG_OK && consumer->now_us - consumer->refreshed_us > REFRESH_US)
        result = refresh(consumer);
    if (result)
        return result;
    if (consumer->entry.is_paused) {
        *step = STEP_NOTHING;
        return EVLOG_OK;
    }
    if (consumer->may_retry)
        return retry_next(consumer, step);
    if (consumer->at < consumer->reader.count &&
        !reader_is_stale(&consumer->reader, consumer->log->store))
        return deal_with(consumer, step);
    return read_more(consumer, step);
}

/* ---------------------------------------------------------------- waiting ---- */

static bool is_stopped(const evlog_consumer *consumer)
{
    return atomic_load(&consumer->stop) != 0;
}

/* Waits for the upcoming event to be due. */
static void wait_until_due(evlog_consumer *consumer, int64_t deadline_us)
{
    int64_t due_us = consumer->upcoming.due_us;
    int64_t wait_us = (due_us < deadline_us ? due_us : deadline_us) - consumer->now_us;
    if (wait_us > REFRESH_US)
        wait_us = REFRESH_US;
    struct timespec time = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    if (wait_us > 0)
        syscall(SYS_futex, &consumer->stop, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
}

/* Waits until there may be something to do. */
static int wait_for_more(evlog_consumer *consumer, int64_t deadline_us)
{
    struct shared *shared = consumer->log->store->shared;
    uint32_t ticket = shared_ticket(shared);
    uint64_t first, head = 0;
    int64_t wait_us = deadline_us - consumer->now_us;
    int result = refresh(consumer);
    if (result == EVLOG_OK)
        result = bounds(consumer, &first, &head);
    if (result || is_stopped(consumer))
        return result;
    if (!consumer->entry.is_paused && (head > consumer->place || consumer->may_retry))
        return EVLOG_OK;
    if (consumer->entry.checkpoint < consumer_floor(consumer) && wait_us > PASS_AFTER_US)
        wait_us = PASS_AFTER_US; /* to write down that events were passed over, see settle */
    if (wait_us > 0)
        shared_wait(shared, ticket, wait_us);
    return EVLOG_OK;
}

/* There is nothing to do: reports so, once, and leaves nothing unwritten. */
static int settle(evlog_consumer *consumer)
{
    if (!consumer->is_caught_up && !consumer->entry.is_paused) {
        consumer->is_caught_up = true;
        consumer_notify(consumer, EVLOG_NOTICE_CAUGHT_UP, consumer->place, consumer->place, "");
    }
    bool has_waited = consumer->now_us - consumer->committed_us > PASS_AFTER_US;
    return consumer->uncommitted_count || has_waited ? consumer_commit(consumer) : EVLOG_OK;
}

/* Nothing can be handed out now. `*is_over`: nor will it be until the deadline. */
static int pause_step(evlog_consumer *consumer, enum step step, int64_t deadline_us,
                      bool *is_over)
{
    int result = step == STEP_LATER ? consumer_commit_if_due(consumer) : settle(consumer);
    consumer->now_us = clock_monotonic_us();
    *is_over = consumer->now_us >= deadline_us;
    if (result || *is_over)
        return result;
    if (step == STEP_LATER)
        wait_until_due(consumer, deadline_us);
    else
        result = wait_for_more(consumer, deadline_us);
    consumer->now_us = clock_monotonic_us();
    return result;
}

int consumer_next(evlog_consumer *consumer, int64_t deadline_us, const evlog_event **event)
{
    int result = EVLOG_OK;
    bool is_over = false;
    *event = NULL;
    while (result == EVLOG_OK && !is_over) {
        enum step step;
        if (is_stopped(consumer))
            return error_set(EVLOG_STOPPED, "consumer %s: it was stopped", consumer->claim.name);
        if (consumer->is_lost)
            return consumer_lost(consumer);
        if (consumer->at >= consumer->reader.count)
            result = visit_when_due(&consumer->visit, consumer->place);
        if (result)
            return result;
        result = take_step(consumer, &step);
        if (result == EVLOG_OK && step == STEP_HANDED) {
            *event = &consumer->event;
            return EVLOG_OK;
        }
        if (result == EVLOG_OK && step != STEP_DONE)
            result = pause_step(consumer, step, deadline_us, &is_over);
    }
    return result;
}
