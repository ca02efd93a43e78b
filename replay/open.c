/*
 * Opening and closing a consumer.
 *
 * A consumer is an entry in state.mdb (store/consumers.c) and, while a process has it, a claim
 * (claim.c). Opening it increases the owner's number in the entry, so that a process that had it before, and does
 * not know that it has lost it, writes no more (consumer.c). An open consumer counts as a call under way: the log is
 * not closed before it.
 *
 * What is kept of the event at the checkpoint is its chain. When the log has another event there,
 * or none, it is not the log whose events were dealt with (a power cut took them from an EVLOG_FAST
 * log, and new ones have come since). Going on would pass over events that no receiver has had, so it
 * is refused. Where history ends (replay_last_seq) is kept without a chain: the log is flushed
 * before it is written down, here and by a reset.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "consumer.h"
#include "error.h"
#include "group.h"
#include "sized.h"
#include "start.h"
#include "value.h"

enum { MAKE_TRIES_MAX = 100 };

/* -------------------------------------------------------------- options ---- */

static int check_options(const evlog_consumer_options *options)
{
    if (options->replay > EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "replay: %d is not an EVLOG_REPLAY_...",
                         (int)options->replay);
    if (options->on_failure > EVLOG_FAILURE_SKIP)
        return error_set(EVLOG_INVALID, "on_failure: %d is not an EVLOG_FAILURE_...",
                         (int)options->on_failure);
    int result = pace_check(options->speed, options->per_second);
    return result ? result : filter_check(options->types, options->type_count);
}

static void fill_in_defaults(evlog_consumer_options *options)
{
    options->attempt_max = options->attempt_max ? options->attempt_max : 3;
    options->backoff_ms = options->backoff_ms ? options->backoff_ms : 100;
    options->backoff_max_ms = options->backoff_max_ms ? options->backoff_max_ms : 30000;
    options->commit_every = options->commit_every ? options->commit_every : 4096;
    options->behind_count = options->behind_count ? options->behind_count : 1024;
}

/* ---------------------------------------------------------------- making ---- */

/* Makes the consumer, or the group that it is one of, if there is none. `*is_new`: so it was. */
static int make(evlog_consumer *consumer, const char *name, bool *is_new)
{
    const evlog_consumer_options *options = &consumer->options;
    struct store *store = consumer->log->store;
    struct consumer_entry entry = {.slot = 0};
    struct member member;
    *is_new = false;
    if (member_parse(name, &member))
        return group_make(consumer->log, &member, options, is_new);
    int result = consumers_read(store, name, &entry);
    if (result != EVLOG_NOTFOUND || options->no_create)
        return result;
    result = start_entry(consumer->log, options, &entry);
    if (result)
        return result;
    struct change *filter = NULL;
    if (options->type_count) {
        filter = change_filter(name, options->types, options->type_count);
        if (!filter)
            return error_nomem();
    }
    result = consumers_create(store, name, filter, &entry, is_new);
    changes_free(filter);
    return result;
}

/*
 * Makes it, if need be, and claims it. Another process may remove it in between: then it is made
 * again, but not for ever.
 */
static int make_and_claim(evlog_consumer *consumer, const char *name, bool *is_new)
{
    for (int tries = 0; tries < MAKE_TRIES_MAX; tries++) {
        int result = make(consumer, name, is_new);
        if (result == EVLOG_OK)
            result = claim_take(&consumer->claim, consumer->log, name,
                                consumer->options.claim_wait_ms, &consumer->entry);
        if (result != EVLOG_NOTFOUND || consumer->options.no_create)
            return result;
    }
    return error_set(EVLOG_BUSY, "consumer %s: was removed %d times while it was being opened",
                     name, MAKE_TRIES_MAX);
}

/* -------------------------------------------------------------- beginning ---- */

static int become_owner(struct consumer_entry *entry, void *ctx)
{
    (void)ctx;
    entry->owner++;
    return EVLOG_OK;
}

/* Writes down the new owner; a filter that is given takes the place of the one on record. */
static int take_over(evlog_consumer *consumer, bool is_new)
{
    const evlog_consumer_options *options = &consumer->options;
    const char *name = consumer->claim.name;
    struct change *filter = NULL;
    if (options->type_count && !is_new) {
        filter = change_filter(name, options->types, options->type_count);
        if (!filter)
            return error_nomem();
    }
    int result =
        consumers_write(consumer->log->store, name, become_owner, NULL, filter, &consumer->entry);
    changes_free(filter);
    return result;
}

static int begin_filter(evlog_consumer *consumer)
{
    char **types = NULL;
    size_t count;
    int result = consumers_read_types(consumer->log->store, consumer->claim.name, &types, &count);
    if (result)
        return result;
    result = filter_begin(&consumer->filter, (const char *const *)types, count);
    free(types);
    return result;
}

/* Whether the event at the checkpoint is the one that was dealt with. */
static int check_place(const evlog_consumer *consumer)
{
    const struct consumer_entry *entry = &consumer->entry;
    struct store *store = consumer->log->store;
    uint64_t first, head, chain = 0, seq = entry->checkpoint;
    int result = store_bounds(store, &first, &head);
    if (result)
        return result;
    if (seq >= first && seq <= head && entry->chain)
        chain = start_chain_at(store, seq);
    if (seq <= head && (chain == 0 || chain == entry->chain))
        return EVLOG_OK;
    return error_set(EVLOG_CONFLICT,
                     "consumer %s: it is done with event %" PRIu64
                     ", which is not in this log as it was (the last is %" PRIu64
                     "); put it somewhere with evlog consumer reset",
                     consumer->claim.name, seq, head);
}

/* Takes over the mark that earlier holders left, if it is of this consumer and still counts. */
static void begin_mark(evlog_consumer *consumer)
{
    struct shared *shared = consumer->log->store->shared;
    uint64_t tag = (uint64_t)consumer->entry.created_us;
    shared_mark_begin(shared, consumer->claim.slot, tag ? tag : 1);
    consumer->mark = shared_mark_get(shared, consumer->claim.slot);
    if (consumer->mark.most <= consumer->entry.checkpoint && !consumer->mark.inside)
        consumer->mark = (struct shared_mark){.seq = 0};
}

/* With the claim, so no other process moves it. */
static int begin(evlog_consumer *consumer, bool is_new)
{
    int result = check_place(consumer);
    if (result == EVLOG_OK)
        result = take_over(consumer, is_new);
    if (result == EVLOG_OK)
        result = begin_filter(consumer);
    if (result)
        return result;
    if (!member_parse(consumer->claim.name, &consumer->member))
        consumer->member.workers = 0;
    pending_begin(&consumer->pending, consumer->claim.name);
    begin_mark(consumer);
    consumer->place = consumer->entry.checkpoint;
    consumer->chain = consumer->entry.chain;
    consumer->may_retry = consumer->entry.retry_count > 0;
    consumer->now_us = consumer->committed_us = clock_monotonic_us();
    consumer->pace.speed = consumer->options.speed;
    consumer->pace.per_second = consumer->options.per_second;
    consumer->visit =
        (struct visit){.function = consumer->options.visit, .ctx = consumer->options.visit_ctx};
    return EVLOG_OK;
}

static int open_consumer(evlog_consumer *consumer, const char *name)
{
    bool is_new;
    int result = make_and_claim(consumer, name, &is_new);
    if (result)
        return result;
    result = begin(consumer, is_new);
    if (result)
        claim_release(&consumer->claim);
    return result;
}

static void destroy(evlog_consumer *consumer)
{
    pending_free(&consumer->pending);
    filter_free(&consumer->filter);
    reader_free(&consumer->reader);
    reader_free(&consumer->retry_reader);
    free(consumer->turns);
    free(consumer);
}

/* The whole name: of a worker, with its number and path. */
static int name_of(const char *given, const evlog_consumer_options *options,
                   char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1])
{
    if (options->worker || options->workers || options->by)
        return member_format(given, options->worker, options->workers, options->by, name);
    int result = consumer_name_check(given);
    if (result)
        return result;
    strcpy(name, given);
    return EVLOG_OK;
}

static int check(evlog *log, const char *given, const evlog_consumer_options *options,
                 char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1], evlog_consumer **opened)
{
    struct member member;
    int result = name_of(given, options, name);
    if (result == EVLOG_OK && member_parse(name, &member) && !value_path_is_right(member.by))
        return error_set(EVLOG_INVALID, "%s: a backslash must precede a dot or a backslash",
                         member.by);
    if (result == EVLOG_OK)
        result = check_options(options);
    if (result)
        return result;
    if (!opened)
        return error_set(EVLOG_INVALID, "no place for the consumer is given");
    if (log->store->read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    return EVLOG_OK;
}

static int make_handle(evlog *log, const char *given, const evlog_consumer_options *options,
                       evlog_consumer **opened)
{
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    int result = check(log, given, options, name, opened);
    if (result)
        return result;
    evlog_consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        return error_nomem();
    consumer->log = log;
    consumer->options = *options;
    fill_in_defaults(&consumer->options);
    result = open_consumer(consumer, name);
    if (result)
        destroy(consumer);
    else
        *opened = consumer;
    return result;
}

int evlog_consumer_open_sized(evlog *log, const char *name, const evlog_consumer_options *given,
                              size_t options_size, evlog_consumer **opened)
{
    evlog_consumer_options options;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = make_handle(log, name, &options, opened);
    if (result)
        log_leave(log); /* else it is evlog_consumer_close's */
    return result;
}

const char *evlog_consumer_name(const evlog_consumer *consumer)
{
    return consumer ? consumer->claim.name : NULL;
}

int evlog_consumer_close(evlog_consumer *consumer)
{
    if (!consumer)
        return EVLOG_OK;
    int result = consumer_check(consumer);
    if (result)
        return result;
    evlog *log = consumer->log;
    if (atomic_load(&consumer->is_polling))
        return error_set(EVLOG_BUSY, "consumer %s: it is being polled", consumer->claim.name);
    consumer_leave_event(consumer);
    result = consumer_commit(consumer);
    claim_release(&consumer->claim);
    while (atomic_load(&consumer->stopper_count))
        sched_yield(); /* another thread has woken this one, and is on its way out */
    destroy(consumer);
    log_leave(log);
    return result;
}
