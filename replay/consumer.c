/*
 * A consumer's line: what has been handed out, what of it is done, and what the checkpoint passes.
 *
 *      passed, written | passed, not written yet | some are out         | not read yet
 *   -------------------+-------------------------+----------------------+--------------+--> seq
 *                  checkpoint                  floor                  place          head
 *
 * An event that is handed out begins a turn. Turns are in the order of being handed out, which is
 * that of their seqs but for parked events that are retried. All the transitions:
 *
 *   turn_begin   the event is OUT; place moves on to it
 *   turn_end     OUT -> DONE, or UNHEARD when no receiver was connected to it; then turns that are not
 *                out leave the list from its front, and floor moves up to before the first one
 *                that is out, or to place
 *   turn_failed  the turn and all after it are taken back: place moves back to before it. With
 *                attempts left it is the upcoming event, with a due time. Else it is put on record
 *                as parked, or skipped, and place moves over it
 *   turn_given_back  likewise, and it is the upcoming event at once: no attempt has failed
 *
 * Acknowledging by hand is several turns out at once, and no other mechanism.
 *
 * 1. The checkpoint passes an event only when it, and all that were handed out before it, are done,
 *    parked, skipped, lost or not asked for. State that an event's receiver puts goes with its
 *    turn (pending.c): it is written by the commit that passes it. So after any crash the
 *    state is that of the events up to the checkpoint.
 * 2. A turn that is taken back takes its changes along, and those of the turns after it, which
 *    may be built on them.
 * 3. What is parked is on record at once, perhaps before the checkpoint passes it. The place moves
 *    over such an event. It is retried when the checkpoint has passed it, and stays on record
 *    until a commit passes its retry's turn.
 * 4. A commit that fails loses nothing: its changes stay, in order, and the next one writes them.
 * 5. Each transaction compares the entry with what this process wrote last: same consumer, same owner
 *    (a number that each opening increases), same checkpoint. A process that lost its claim without
 *    noticing, or whose state.mdb was replaced, writes nothing, and hands out nothing more.
 *
 * Cost: writing a checkpoint is a commit of state.mdb, so it waits for many events, for a while at
 * most. It is due just before and after the event in whose receiver an earlier process died, so
 * that no other event is out while this one is.
 */
#include "consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"

#define COMMIT_AFTER_US 100000 /* an event passed longer ago is written with the next one */
#define PASS_COUNT 16384       /* seqs passed over before that is written */
#define PENDING_SIZE ((size_t)1 << 20)

int consumer_check(const evlog_consumer *consumer)
{
    return consumer ? log_check(consumer->log) : error_set(EVLOG_INVALID, "no consumer is given");
}

void consumer_notify(const evlog_consumer *consumer, evlog_notice_kind kind, uint64_t first,
                     uint64_t last, const char *text)
{
    evlog_notice notice = {.kind = kind, .first_seq = first, .last_seq = last, .text = text};
    if (consumer->options.notice)
        consumer->options.notice(&notice, consumer->options.notice_ctx);
}

/* ----------------------------------------------------------- checkpoint ---- */

uint64_t consumer_floor(const evlog_consumer *consumer)
{
    return consumer->turn_count ? turn_at(consumer, 0)->before : consumer->place;
}

int consumer_lost(const evlog_consumer *consumer)
{
    struct store *store = consumer->log->store;
    char text[PRESENCE_TEXT_SIZE];
    struct presence_process holder =
        presence_holder(store->shared, store->events_fd, consumer->claim.slot);
    return error_set(EVLOG_BUSY,
                     "consumer %s: it is not this process's any more, %s has opened or moved it: "
                     "close it here",
                     consumer->claim.name, presence_text(holder, text));
}

int consumer_check_owner(evlog_consumer *consumer, const struct consumer_entry *now)
{
    const struct consumer_entry *ours = &consumer->entry;
    if (now->owner == ours->owner && now->created_us == ours->created_us &&
        now->checkpoint == ours->checkpoint)
        return EVLOG_OK;
    consumer->is_lost = true;
    return consumer_lost(consumer);
}

static int check_owner(struct consumer_entry *entry, void *ctx)
{
    return consumer_check_owner(ctx, entry);
}

static int advance(struct consumer_entry *entry, void *ctx)
{
    evlog_consumer *consumer = ctx;
    int result = consumer_check_owner(consumer, entry);
    if (result)
        return result;
    entry->checkpoint = consumer_floor(consumer);
    entry->chain = consumer->turn_count ? turn_at(consumer, 0)->before_chain : consumer->chain;
    entry->done_count += consumer->done_count;
    entry->refused_count += consumer->refused_count;
    entry->skipped_count += consumer->skipped_count;
    return EVLOG_OK;
}

/* The entry, just written, may say that a parked event is to be retried, or is due now. */
static void look_for_retries(evlog_consumer *consumer)
{
    consumer->may_retry = consumer->entry.retry_count > 0;
}

int consumer_commit(evlog_consumer *consumer)
{
    struct change *changes = pending_take(&consumer->pending, consumer->passed_count + 1);
    consumer->must_commit = false;
    if (!changes && consumer_floor(consumer) == consumer->entry.checkpoint) {
        consumer->uncommitted_count = 0; /* they were passed while an earlier one is out */
        return EVLOG_OK;
    }
    int result = consumers_write(consumer->log->store, consumer->claim.name, advance, consumer,
                                 changes, &consumer->entry);
    if (result) {
        pending_put_back(&consumer->pending, changes);
        consumer->must_commit = true;
        return result;
    }
    pending_written(&consumer->pending, changes);
    consumer->done_count = consumer->refused_count = consumer->skipped_count = 0;
    consumer->uncommitted_count = 0;
    consumer->committed_us = consumer->now_us;
    look_for_retries(consumer);
    return EVLOG_OK;
}

/* Just before or just after the event in whose receiver an earlier process died. */
static bool is_beside_death(const evlog_consumer *consumer)
{
    return consumer->mark.inside &&
           (consumer->place + 1 == consumer->mark.seq || consumer->place == consumer->mark.seq);
}

int consumer_commit_if_due(evlog_consumer *consumer)
{
    bool is_due = consumer->must_commit || is_beside_death(consumer) ||
                  consumer->uncommitted_count >= consumer->options.commit_every ||
                  consumer->pending.size > PENDING_SIZE ||
                  consumer_floor(consumer) - consumer->entry.checkpoint > PASS_COUNT;
    if (consumer->uncommitted_count > 0)
        is_due |= consumer->now_us - consumer->uncommitted_since_us > COMMIT_AFTER_US;
    return is_due ? consumer_commit(consumer) : EVLOG_OK;
}

/* ---------------------------------------------------------------- turns ---- */

uint64_t turn_number_now(const evlog_consumer *consumer)
{
    return consumer->passed_count + consumer->turn_count;
}

static int make_room(evlog_consumer *consumer)
{
    size_t first = consumer->turn_first, count = consumer->turn_count;
    if (count == EVLOG_OUT_MAX)
        return error_set(
            EVLOG_LIMIT,
            "consumer %s: %d events are out, the most there can be: acknowledge some",
            consumer->claim.name, EVLOG_OUT_MAX);
    if (first + count < consumer->turn_max)
        return EVLOG_OK;
    if (first > count) {
        memmove(consumer->turns, consumer->turns + first, count * sizeof(struct turn));
    } else {
        size_t max = consumer->turn_max ? 2 * consumer->turn_max : 16;
        struct turn *turns = malloc(max * sizeof *turns);
        if (!turns)
            return error_nomem();
        if (count)
            memcpy(turns, consumer->turns + first, count * sizeof *turns);
        free(consumer->turns);
        consumer->turns = turns;
        consumer->turn_max = max;
    }
    consumer->turn_first = 0;
    return EVLOG_OK;
}

/* Moves the place up to `seq`, and the batch behind it. */
static void move_on(evlog_consumer *consumer, uint64_t seq, uint64_t chain)
{
    const struct reader *reader = &consumer->reader;
    consumer->place = seq;
    consumer->chain = chain;
    consumer->upcoming.seq = 0;
    if (consumer->at < reader->count && reader->events[consumer->at].record.seq == seq)
        consumer->at++;
}

int turn_begin(evlog_consumer *consumer, const struct record *record)
{
    const struct upcoming *upcoming = &consumer->upcoming;
    int result = make_room(consumer);
    if (result)
        return result;
    *turn_at(consumer, consumer->turn_count++) =
        (struct turn){.seq = record->seq,
                      .chain = record->chain,
                      .before = consumer->place,
                      .before_chain = consumer->chain,
                      .attempt = upcoming->attempt,
                      .failure_count = upcoming->failure_count};
    move_on(consumer, record->seq, record->chain);
    return EVLOG_OK;
}

static void count_passed(evlog_consumer *consumer)
{
    if (consumer->uncommitted_count++ == 0)
        consumer->uncommitted_since_us = consumer->now_us;
}

int turn_end(evlog_consumer *consumer, size_t i, enum turn_state state)
{
    if (turn_at(consumer, i)->state == TURN_OUT)
        turn_at(consumer, i)->state = state;
    while (consumer->turn_count && turn_at(consumer, 0)->state != TURN_OUT) {
        const struct turn *turn = turn_at(consumer, 0);
        consumer->done_count += turn->state == TURN_DONE;
        consumer->skipped_count += turn->state == TURN_UNHEARD;
        consumer->must_commit |= turn->is_retry; /* its file is looked at for the next one */
        count_passed(consumer);
        consumer->turn_first++;
        consumer->turn_count--;
        consumer->passed_count++;
    }
    if (consumer->turn_count == 0)
        consumer->turn_first = 0;
    return consumer_commit_if_due(consumer);
}

int consumer_pass(evlog_consumer *consumer, const struct record *record)
{
    move_on(consumer, record->seq, record->chain);
    return consumer_commit_if_due(consumer);
}

/* ------------------------------------------------------------- the record ---- */

/* Writes changes at once, apart from the checkpoint, and frees them. NULL: out of memory. */
static int write_record(evlog_consumer *consumer, struct change *changes[], size_t count)
{
    int result = EVLOG_OK;
    for (size_t i = 0; i < count; i++) {
        if (!changes[i])
            result = error_nomem();
        else if (i + 1 < count)
            changes[i]->next = changes[i + 1];
    }
    if (result == EVLOG_OK)
        result = consumers_write(consumer->log->store, consumer->claim.name, check_owner,
                                 consumer, changes[0], &consumer->entry);
    look_for_retries(consumer);
    for (size_t i = 0; i < count; i++)
        free(changes[i]);
    return result;
}

static int park(evlog_consumer *consumer, const evlog_parked *parked)
{
    struct change *change = change_park(consumer->claim.name, ENTRY_PARKED, parked);
    return write_record(consumer, &change, 1);
}

/* The rest of a range that is retried piece by piece, as a change. */
static struct change *retry_rest(evlog_consumer *consumer, const evlog_parked *parked,
                                 uint64_t last)
{
    evlog_parked rest = *parked;
    rest.seq = last + 1;
    rest.is_lost = true;
    rest.error = "lost, and not retried yet";
    return change_park(consumer->claim.name, ENTRY_RETRY, &rest);
}

int consumer_lose(evlog_consumer *consumer, uint64_t last, const char *why)
{
    evlog_parked parked = {.seq = consumer->place + 1,
                           .last_seq = last,
                           .time_us = clock_wall_us(),
                           .is_lost = true,
                           .error = why};
    int result = park(consumer, &parked);
    if (result)
        return result;
    count_passed(consumer);
    move_on(consumer, last, 0);
    consumer_notify(consumer, EVLOG_NOTICE_LOST, parked.seq, last, why);
    return consumer_commit_if_due(consumer);
}

int consumer_pass_retry(evlog_consumer *consumer, const evlog_parked *parked, uint64_t last,
                        const char *why)
{
    evlog_parked part = *parked;
    struct change *changes[3];
    size_t count = 0;
    part.last_seq = last;
    part.attempt_count++;
    part.time_us = clock_wall_us();
    part.error = why;
    changes[count++] = change_unpark(consumer->claim.name, ENTRY_RETRY, parked->seq);
    if (why)
        changes[count++] = change_park(consumer->claim.name, ENTRY_PARKED, &part);
    if (last < parked->last_seq)
        changes[count++] = retry_rest(consumer, parked, last);
    int result = write_record(consumer, changes, count);
    if (result == EVLOG_OK && why)
        consumer_notify(consumer, part.is_lost ? EVLOG_NOTICE_LOST : EVLOG_NOTICE_PARKED,
                        part.seq, last, why);
    return result;
}

int turn_begin_retry(evlog_consumer *consumer, const evlog_parked *parked)
{
    struct change *off = change_unpark(consumer->claim.name, ENTRY_RETRY, parked->seq);
    struct change *rest = NULL;
    int result = off ? EVLOG_OK : error_nomem();
    if (result == EVLOG_OK && parked->seq < parked->last_seq) {
        rest = retry_rest(consumer, parked, parked->seq);
        result = rest ? EVLOG_OK : error_nomem();
    }
    if (result == EVLOG_OK)
        result = make_room(consumer);
    if (result) {
        free(off);
        free(rest);
        return result;
    }
    *turn_at(consumer, consumer->turn_count++) =
        (struct turn){.is_retry = true,
                      .seq = parked->seq,
                      .last_seq = parked->last_seq,
                      .before = consumer->place,
                      .before_chain = consumer->chain,
                      .attempt = parked->attempt_count + 1};
    pending_add(&consumer->pending, off, turn_number_now(consumer), consumer->passed_count);
    if (rest)
        pending_add(&consumer->pending, rest, turn_number_now(consumer), consumer->passed_count);
    return EVLOG_OK;
}

/* -------------------------------------------------------------- failing ---- */

/* Moves the place back to before turn i; the batch follows, if it has the next event. */
static void take_back(evlog_consumer *consumer, size_t i)
{
    const struct turn *turn = turn_at(consumer, i);
    struct reader *reader = &consumer->reader;
    pending_cut(&consumer->pending, consumer->passed_count + 1 + i);
    consumer->turn_count = i;
    consumer->retry_place = 0;
    look_for_retries(consumer);
    if (consumer->place == turn->before)
        return;
    consumer->place = turn->before;
    consumer->chain = turn->before_chain;
    consumer->parked_next = 0;
    consumer->at = 0;
    while (consumer->at < reader->count &&
           reader->events[consumer->at].record.seq <= consumer->place)
        consumer->at++;
    if (consumer->at == reader->count ||
        reader->events[consumer->at].record.seq != consumer->place + 1)
        consumer->at = reader->count = 0;
}

/* The event of a turn that was taken back comes again. */
static void expect_again(evlog_consumer *consumer, const struct turn *turn, uint64_t wait_ms)
{
    consumer->upcoming =
        (struct upcoming){.seq = turn->seq,
                          .attempt = turn->attempt + 1,
                          .failure_count = turn->failure_count,
                          .due_us = wait_ms ? clock_monotonic_us() + (int64_t)wait_ms * 1000 : 0};
}

static uint64_t backoff_ms(const evlog_consumer_options *options, uint32_t failure_count)
{
    uint64_t wait_ms = options->backoff_ms;
    for (uint32_t i = 1; i < failure_count && wait_ms < options->backoff_max_ms; i++)
        wait_ms *= 2;
    return wait_ms < options->backoff_max_ms ? wait_ms : options->backoff_max_ms;
}

/* It has failed for the last time, and was taken back: the place moves over it. */
static int give_up(evlog_consumer *consumer, const struct turn *turn, const char *why)
{
    evlog_parked parked = {.seq = turn->seq,
                           .last_seq = turn->seq,
                           .attempt_count = turn->attempt,
                           .time_us = clock_wall_us(),
                           .error = why};
    bool is_skipped = consumer->options.on_failure == EVLOG_FAILURE_SKIP;
    int result = EVLOG_OK;
    if (consumer->options.on_failure == EVLOG_FAILURE_STOP)
        result = error_set(EVLOG_RECEIVER, "consumer %s: event %" PRIu64 " failed: %s",
                           consumer->claim.name, turn->seq, why);
    else if (!is_skipped)
        result = park(consumer, &parked);
    if (result) { /* once more, when it is asked for */
        expect_again(consumer, turn, 0);
        consumer->upcoming.failure_count = consumer->options.attempt_max - 1;
        return result;
    }
    consumer->skipped_count += is_skipped;
    count_passed(consumer);
    move_on(consumer, turn->seq, turn->chain);
    consumer_notify(consumer, is_skipped ? EVLOG_NOTICE_SKIPPED : EVLOG_NOTICE_PARKED, turn->seq,
                    turn->seq, why);
    return consumer_commit_if_due(consumer);
}

int turn_given_back(evlog_consumer *consumer, size_t i)
{
    struct turn turn = *turn_at(consumer, i);
    take_back(consumer, i);
    if (!turn.is_retry)
        expect_again(consumer, &turn, 0);
    return consumer_commit_if_due(consumer);
}

int turn_failed(evlog_consumer *consumer, size_t i, const char *why)
{
    struct turn turn = *turn_at(consumer, i);
    turn.failure_count++;
    take_back(consumer, i);
    if (turn.is_retry) {
        evlog_parked parked = {
            .seq = turn.seq, .last_seq = turn.last_seq, .attempt_count = turn.attempt - 1};
        return consumer_pass_retry(consumer, &parked, turn.seq, why);
    }
    if (turn.failure_count >= consumer->options.attempt_max)
        return give_up(consumer, &turn, why);
    expect_again(consumer, &turn, backoff_ms(&consumer->options, turn.failure_count));
    return consumer_commit_if_due(consumer);
}
