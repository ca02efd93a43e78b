/*
 * Consumers from outside: what they are, and moving, pausing and removing them.
 *
 * Reading takes nothing but a look. Moving a consumer and removing it want its claim, so that
 * nobody is at work with it; pausing does not: who has it sees it soon (poll.c).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consumer.h"
#include "error.h"
#include "sized.h"
#include "start.h"

/* --------------------------------------------------------------- what they are ---- */

struct visit {
    evlog *log;
    const char *name; /* or NULL: all */
    int (*visit)(const evlog_consumer_info *, void *);
    void *ctx;
    uint64_t first, head;
};

static int64_t log_time_of(struct store *store, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    int64_t time_us = 0;
    if (reader_read(&reader, store, seq, seq, 1) == EVLOG_OK)
        time_us = reader.events[0].record.log_time_us;
    reader_free(&reader);
    return time_us;
}

static int64_t lag_us(const struct visit *visit, uint64_t checkpoint)
{
    struct timespec now;
    uint64_t next = checkpoint + 1 > visit->first ? checkpoint + 1 : visit->first;
    if (next > visit->head)
        return 0;
    int64_t since_us = log_time_of(visit->log->store, next);
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t lag = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - since_us;
    return since_us && lag > 0 ? lag : 0;
}

static int is_open_here(evlog *log, const char *name)
{
    int is_open = 0;
    pthread_mutex_lock(&log->lock);
    for (evlog_consumer *consumer = log->consumers; consumer; consumer = consumer->next)
        is_open |= strcmp(consumer->name, name) == 0;
    pthread_mutex_unlock(&log->lock);
    return is_open;
}

static int visit_one(const char *name, const struct consumer_entry *position,
                     const char *const *types, size_t type_count, void *ctx)
{
    const struct visit *visit = ctx;
    evlog_consumer_info info = {
        .name = name,
        .checkpoint = position->checkpoint,
        .lag_count = visit->head > position->checkpoint ? visit->head - position->checkpoint : 0,
        .lag_us = lag_us(visit, position->checkpoint),
        .replay_last_seq = position->replay_last_seq,
        .created_us = position->created_us,
        .updated_us = position->updated_us,
        .done_count = position->done_count,
        .refused_count = position->refused_count,
        .skipped_count = position->skipped_count,
        .parked_count = position->parked_count,
        .retry_count = position->retry_count,
        .state_count = position->state_count,
        .is_paused = position->is_paused,
        .types = types,
        .type_count = type_count,
    };
    info.pid = is_open_here(visit->log, name)
                   ? (int32_t)visit->log->pid
                   : (int32_t)shared_holder(visit->log->store->shared, position->slot);
    return visit->visit(&info, visit->ctx);
}

static int visit_by_name(evlog *log, const char *name, struct visit *visit)
{
    struct consumer_entry position;
    char **types;
    size_t type_count;
    int result = consumers_read(log->store, name, &position);
    if (result == EVLOG_OK)
        result = consumers_read_types(log->store, name, &types, &type_count);
    if (result)
        return result;
    result = visit_one(name, &position, (const char *const *)types, type_count, visit);
    free(types);
    return result;
}

int evlog_each_consumer(evlog *log, const char *name,
                        int (*visit)(const evlog_consumer_info *, void *), void *ctx)
{
    struct visit each = {.log = log, .name = name, .visit = visit, .ctx = ctx};
    int result = log_enter(log);
    if (result)
        return result;
    result = store_bounds(log->store, &each.first, &each.head);
    if (result == EVLOG_OK)
        result =
            name ? visit_by_name(log, name, &each) : consumers_each(log->store, visit_one, &each);
    log_leave(log);
    return result;
}

/* ----------------------------------------------------------- changing them ---- */

/* Takes a consumer, so that nobody is at work with it. */
static int take(evlog *log, const char *name, evlog_consumer *taken)
{
    int result = consumer_name_check(name);
    if (result)
        return result;
    if (log->store->read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    *taken = (evlog_consumer){.log = log};
    strcpy(taken->name, name);
    return consumer_take(taken, 0);
}

int evlog_consumer_remove(evlog *log, const char *name)
{
    evlog_consumer taken;
    int result = log_enter(log);
    if (result)
        return result;
    result = take(log, name, &taken);
    if (result == EVLOG_OK) {
        result = consumers_remove(log->store, name);
        if (result == EVLOG_OK)
            shared_mark_begin(log->store->shared, taken.slot, 0);
        consumer_let_go(&taken);
    } else if (result == EVLOG_DAMAGED) {
        result = consumers_remove(log->store, name); /* nobody can be at work with it */
    }
    log_leave(log);
    return result;
}

struct move {
    uint64_t checkpoint, chain, head;
};

static int move(struct consumer_entry *position, void *ctx)
{
    const struct move *to = ctx;
    position->checkpoint = to->checkpoint;
    position->chain = to->chain;
    position->replay_last_seq = to->head;
    return EVLOG_OK;
}

/* How many entries of a kind there are after a seq, without taking them away. */
struct tally {
    uint64_t after, count;
};

static int tally_one(const evlog_parked *parked, void *ctx)
{
    struct tally *tally = ctx;
    tally->count += parked->seq > tally->after;
    return 0;
}

static int reset(evlog *log, const char *name, const struct consumer_entry *position,
                 const evlog_reset_options *options, evlog_reset *told)
{
    struct store *store = log->store;
    struct move to = {.chain = 0};
    size_t type_count;
    char **types;
    int result = consumers_read_types(store, name, &types, &type_count);
    if (result == EVLOG_OK)
        result = start_find(log, &START_OF(options), EVLOG_START_FIRST,
                            (const char *const *)types, type_count, &to.checkpoint, &to.head);
    free(types);
    struct tally tally = {.after = to.checkpoint};
    if (result == EVLOG_OK)
        result = evlog_each_parked(log, name, tally_one, &tally);
    if (result)
        return result;
    to.chain = consumer_chain_at(store, to.checkpoint);
    if (!options->dry_run)
        result = evlog_sync(log); /* what is history to it must not become new */
    if (!options->dry_run && result == EVLOG_OK) {
        result = consumers_reset(store, name, move, &to);
        if (result == EVLOG_OK)
            shared_mark_begin(store->shared, position->slot, 0);
    }
    if (result == EVLOG_OK)
        *told = (evlog_reset){.old_checkpoint = position->checkpoint,
                              .checkpoint = to.checkpoint,
                              .state_count = position->state_count,
                              .parked_count = tally.count};
    return result;
}

int evlog_consumer_reset_sized(evlog *log, const char *name, const evlog_reset_options *given,
                               size_t options_size, evlog_reset *told, size_t reset_size)
{
    evlog_consumer taken;
    evlog_reset_options options;
    evlog_reset done = {.checkpoint = 0};
    if (!given)
        return error_set(EVLOG_INVALID, "no start is given");
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = take(log, name, &taken);
    if (result == EVLOG_OK) {
        result = reset(log, name, &taken.position, &options, &done);
        consumer_let_go(&taken);
    }
    if (result == EVLOG_OK)
        sized_out(told, reset_size, &done, sizeof done);
    log_leave(log);
    return result;
}

static int set_paused(struct consumer_entry *position, void *ctx)
{
    position->is_paused = *(bool *)ctx;
    return EVLOG_OK;
}

int evlog_consumer_set_paused(evlog *log, const char *name, bool is_paused)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = consumer_name_check(name);
    if (result == EVLOG_OK && log->store->read_only)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    if (result == EVLOG_OK)
        result = consumers_write(log->store, name, set_paused, &is_paused, NULL, NULL);
    shared_wake(log->store->shared);
    log_leave(log);
    return result;
}

/* --------------------------------------------------------------- waiting ---- */

int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq)
{
    int result = log_enter(log);
    if (result)
        return result;
    int64_t now_us = pace_now_us(), until_us = INT64_MAX;
    uint64_t first, last = 0;
    if (timeout_ms >= 0 && timeout_ms < (INT64_MAX - now_us) / 1000)
        until_us = now_us + timeout_ms * 1000;
    result = store_bounds(log->store, &first, &last);
    while (result == EVLOG_OK && last <= seq && (now_us = pace_now_us()) < until_us) {
        uint32_t ticket = shared_ticket(log->store->shared);
        result = store_bounds(log->store, &first, &last);
        if (result == EVLOG_OK && last <= seq)
            shared_wait(log->store->shared, ticket, until_us - now_us);
        if (result == EVLOG_OK && last <= seq)
            result = store_bounds(log->store, &first, &last);
    }
    if (result == EVLOG_OK)
        *last_seq = last;
    log_leave(log);
    return result;
}
