/*
 * Opening and closing a consumer.
 *
 * A consumer is an entry in state.mdb (store/consumers.c) and, while a process has it, a claim on its
 * slot in the file `shared` (store/shared.c). Claims of one process do not exclude each other,
 * so the log has a list of those open here. An open consumer counts as a call under way: the
 * log is not closed before it.
 *
 * What is kept of the event at the checkpoint is its chain. When the log has another event
 * there, or none, it is not the log whose events were dealt with (a power cut took them from an
 * EVLOG_FAST log, and new ones have come since): going on would pass over events that nobody
 * has had. So that is refused, and named. Where history ends (replay_last_seq) is kept without
 * a chain: the log is flushed before it is written down, here and by a reset.
 */
#include "consumer.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "sized.h"
#include "start.h"

int consumer_enter(evlog_consumer *consumer)
{
    if (!consumer)
        return error_set(EVLOG_INVALID, "no consumer is given");
    return log_enter(consumer->log);
}

void consumer_leave(evlog_consumer *consumer)
{
    log_leave(consumer->log);
}

/* -------------------------------------------------------------- options ---- */

static int check_options(const evlog_consumer_options *options)
{
    if (options->replay > EVLOG_REPLAY_REFUSE)
        return error_set(EVLOG_INVALID, "replay: %d is no EVLOG_REPLAY_...", options->replay);
    if (options->on_failure > EVLOG_FAILURE_SKIP)
        return error_set(EVLOG_INVALID, "on_failure: %d is no EVLOG_FAILURE_...",
                         options->on_failure);
    int result = pace_check(options->speed, options->per_second);
    return result ? result : filter_check(options->types, options->type_count);
}

static evlog_consumer_options with_defaults(const evlog_consumer_options *options)
{
    evlog_consumer_options full = *options;
    full.attempt_max = full.attempt_max ? full.attempt_max : 3;
    full.backoff_ms = full.backoff_ms ? full.backoff_ms : 100;
    full.backoff_max_ms = full.backoff_max_ms ? full.backoff_max_ms : 30000;
    full.commit_every = full.commit_every ? full.commit_every : 4096;
    full.behind_count = full.behind_count ? full.behind_count : 1024;
    return full;
}

/* ---------------------------------------------------------------- filter ---- */

/* Changes which types an existing consumer wants. */
static int write_filter(evlog_consumer *consumer)
{
    const evlog_consumer_options *options = &consumer->options;
    struct change *filter = change_filter(consumer->name, options->types, options->type_count);
    if (!filter)
        return error_nomem();
    int result = consumers_write(consumer->log->store, consumer->name, NULL, NULL, filter,
                                 &consumer->position);
    free(filter);
    return result;
}

static int begin_filter(evlog_consumer *consumer, bool is_new)
{
    size_t count;
    int result = EVLOG_OK;
    if (consumer->options.type_count && !is_new)
        result = write_filter(consumer);
    if (result == EVLOG_OK)
        result =
            consumers_read_types(consumer->log->store, consumer->name, &consumer->types, &count);
    if (result == EVLOG_OK)
        result = filter_begin(&consumer->filter, (const char *const *)consumer->types, count);
    return result;
}

/* --------------------------------------------------------------- claiming ---- */

static int is_open_here(const evlog *log, const char *name)
{
    for (evlog_consumer *other = log->consumers; other; other = other->next)
        if (strcmp(other->name, name) == 0)
            return 1;
    return 0;
}

/* Takes a place in the list, if no other in this process has it. */
static int enlist(evlog_consumer *consumer)
{
    evlog *log = consumer->log;
    int result = EVLOG_OK;
    pthread_mutex_lock(&log->lock);
    if (is_open_here(log, consumer->name)) {
        result = error_set(EVLOG_BUSY, "consumer %s: this process (%d) has it open already",
                           consumer->name, (int)log->pid);
    } else {
        consumer->next = log->consumers;
        log->consumers = consumer;
    }
    pthread_mutex_unlock(&log->lock);
    return result;
}

static void delist(evlog_consumer *consumer)
{
    evlog *log = consumer->log;
    pthread_mutex_lock(&log->lock);
    evlog_consumer **at = &log->consumers;
    while (*at && *at != consumer)
        at = &(*at)->next;
    if (*at)
        *at = consumer->next;
    pthread_mutex_unlock(&log->lock);
}

/* One of this process may have the slot, for a moment: claims do not exclude each other there. */
static int is_slot_taken_here(const evlog *log, unsigned slot)
{
    for (evlog_consumer *other = log->consumers; other; other = other->next)
        if (other->has_claim && other->slot == slot)
            return 1;
    return 0;
}

static int claim_slot(evlog_consumer *consumer, pid_t *holder)
{
    evlog *log = consumer->log;
    int result = EVLOG_BUSY;
    *holder = log->pid;
    pthread_mutex_lock(&log->lock);
    if (!is_slot_taken_here(log, consumer->position.slot))
        result = shared_claim(log->store->shared, consumer->position.slot, holder);
    if (result == EVLOG_OK) {
        consumer->has_claim = 1;
        consumer->slot = consumer->position.slot;
    }
    pthread_mutex_unlock(&log->lock);
    return result;
}

static void release_slot(evlog_consumer *consumer)
{
    evlog *log = consumer->log;
    pthread_mutex_lock(&log->lock);
    if (consumer->has_claim)
        shared_release(log->store->shared, consumer->slot);
    consumer->has_claim = 0;
    pthread_mutex_unlock(&log->lock);
}

static int is_held(const evlog_consumer *consumer, pid_t holder)
{
    if (holder > 0)
        return error_set(EVLOG_BUSY, "consumer %s: process %d has it", consumer->name,
                         (int)holder);
    return error_set(EVLOG_BUSY, "consumer %s: a process of another container has it",
                     consumer->name);
}

/* Claims the slot that its entry names, and still names when it is claimed. */
static int claim(evlog_consumer *consumer, uint32_t wait_ms)
{
    int64_t until_us = pace_now_us() + (int64_t)wait_ms * 1000;
    struct store *store = consumer->log->store;
    for (;;) {
        pid_t holder;
        int result = consumers_read(store, consumer->name, &consumer->position);
        if (result)
            return result;
        result = claim_slot(consumer, &holder);
        if (result == EVLOG_OK) {
            result = consumers_read(store, consumer->name, &consumer->position);
            if (result == EVLOG_OK && consumer->position.slot == consumer->slot)
                return EVLOG_OK;
            release_slot(consumer); /* it was removed meanwhile, and perhaps made again */
            if (result)
                return result;
        } else if (result != EVLOG_BUSY) {
            return result;
        } else if (pace_now_us() >= until_us) {
            return is_held(consumer, holder);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
    }
}

int consumer_take(evlog_consumer *consumer, uint32_t wait_ms)
{
    int result = enlist(consumer);
    if (result)
        return result;
    result = claim(consumer, wait_ms);
    if (result)
        delist(consumer);
    return result;
}

void consumer_let_go(evlog_consumer *consumer)
{
    release_slot(consumer);
    delist(consumer);
}

/* ---------------------------------------------------------------- opening ---- */

uint64_t consumer_chain_at(struct store *store, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    uint64_t chain = 0;
    if (seq && reader_read(&reader, store, seq, seq, 1) == EVLOG_OK)
        chain = reader.events[0].record.chain;
    reader_free(&reader);
    return chain;
}

static int create(evlog_consumer *consumer, struct consumer_entry *position, bool *is_new)
{
    const evlog_consumer_options *options = &consumer->options;
    struct change *filter = NULL;
    if (options->type_count) {
        filter = change_filter(consumer->name, options->types, options->type_count);
        if (!filter)
            return error_nomem();
    }
    int result = consumers_create(consumer->log->store, consumer->name, filter, position, is_new);
    free(filter);
    return result;
}

static int make_new(evlog_consumer *consumer, bool *is_new)
{
    const evlog_consumer_options *options = &consumer->options;
    struct store *store = consumer->log->store;
    struct consumer_entry position = {.slot = 0};
    *is_new = false;
    int result = consumers_read(store, consumer->name, &consumer->position);
    if (result != EVLOG_NOTFOUND || options->no_create)
        return result;
    result = start_find(consumer->log, &START_OF(options), EVLOG_START_FIRST, options->types,
                        options->type_count, &position.checkpoint, &position.replay_last_seq);
    if (result == EVLOG_OK)
        result = evlog_sync(consumer->log); /* what is history to it must not become new */
    if (result)
        return result;
    position.chain = consumer_chain_at(store, position.checkpoint);
    result = create(consumer, &position, is_new);
    consumer->position = position;
    return result;
}

/* Is the event at the checkpoint the one that was dealt with? */
static int check_place(const evlog_consumer *consumer)
{
    const struct consumer_entry *position = &consumer->position;
    struct store *store = consumer->log->store;
    uint64_t first, head, chain = 0, seq = position->checkpoint;
    int result = store_bounds(store, &first, &head);
    if (result)
        return result;
    if (seq >= first && seq <= head && position->chain)
        chain = consumer_chain_at(store, seq);
    if (seq <= head && (chain == 0 || chain == position->chain))
        return EVLOG_OK;
    return error_set(EVLOG_CONFLICT,
                     "consumer %s: it is done with event %" PRIu64
                     ", which is not in this log as it was (the last is %" PRIu64
                     "); put it somewhere with evlog consumer reset",
                     consumer->name, seq, head);
}

/* With the claim: nobody else moves it any more. */
static int begin(evlog_consumer *consumer, bool is_new)
{
    struct store *store = consumer->log->store;
    int result = check_place(consumer);
    if (result == EVLOG_OK)
        result = begin_filter(consumer, is_new);
    if (result)
        return result;
    const struct consumer_entry *position = &consumer->position;
    uint64_t tag = (uint64_t)position->created_us;
    shared_mark_begin(store->shared, position->slot, tag ? tag : 1);
    consumer->mark = shared_mark_get(store->shared, position->slot);
    if (consumer->mark.most <= position->checkpoint)
        consumer->mark = (struct shared_mark){.seq = 0};
    consumer->place = consumer->out = consumer->acked = position->checkpoint;
    consumer->chain = position->chain;
    consumer->tag = consumer->options.ack_by_hand ? 2 * consumer->out + 1 : 0;
    consumer->committed_us = pace_now_us();
    consumer->pace.speed = consumer->options.speed;
    consumer->pace.per_second = consumer->options.per_second;
    return EVLOG_OK;
}

static int open_consumer(evlog_consumer *consumer)
{
    bool is_new;
    int result = make_new(consumer, &is_new);
    if (result == EVLOG_OK)
        result = consumer_take(consumer, consumer->options.claim_wait_ms);
    if (result)
        return result;
    result = begin(consumer, is_new);
    if (result)
        consumer_let_go(consumer);
    return result;
}

static void destroy(evlog_consumer *consumer)
{
    pending_free(&consumer->pending);
    filter_free(&consumer->filter);
    free(consumer->types);
    reader_free(&consumer->reader);
    free(consumer->value);
    free(consumer);
}

static int check(evlog *log, const char *name, const evlog_consumer_options *options,
                 evlog_consumer **opened)
{
    int result = consumer_name_check(name);
    if (result == EVLOG_OK)
        result = check_options(options);
    if (result == EVLOG_OK && !opened)
        result = error_set(EVLOG_INVALID, "no place for the consumer is given");
    if (result == EVLOG_OK && log->store->read_only)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
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
    result = check(log, name, &options, opened);
    evlog_consumer *consumer = result ? NULL : calloc(1, sizeof *consumer);
    if (!result && !consumer)
        result = error_nomem();
    if (result) {
        log_leave(log);
        return result;
    }
    consumer->log = log;
    consumer->options = with_defaults(&options);
    strcpy(consumer->name, name);
    pending_begin(&consumer->pending);
    consumer->held = UINT64_MAX;
    result = open_consumer(consumer);
    if (result) {
        destroy(consumer);
        log_leave(log);
        return result;
    }
    *opened = consumer; /* log_leave is evlog_consumer_close's */
    return EVLOG_OK;
}

int evlog_consumer_close(evlog_consumer *consumer)
{
    if (!consumer)
        return EVLOG_OK;
    int result = consumer_enter(consumer);
    if (result)
        return result;
    evlog *log = consumer->log;
    if (atomic_load(&consumer->is_polling)) {
        log_leave(log);
        return error_set(EVLOG_BUSY, "consumer %s: it is being polled", consumer->name);
    }
    result = consumer_commit(consumer);
    consumer_let_go(consumer);
    while (atomic_load(&consumer->stopper_count))
        sched_yield(); /* another thread has woken this one, and is on its way out */
    destroy(consumer);
    log_leave(log);
    log_leave(log);
    return result;
}
