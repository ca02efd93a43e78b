/*
 * Consumers from outside: what they are, and moving, pausing and removing them; and their parked
 * events.
 *
 * Reading requires nothing. Moving a consumer and removing it require its claim, so that no process
 * is at work with it. Pausing does not, nor does what is done to parked events: the process that
 * has the consumer notices it soon (next.c).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "clock.h"
#include "error.h"
#include "group.h"
#include "log.h"
#include "reader.h"
#include "sized.h"
#include "spans.h"
#include "start.h"

/* ---------------------------------------------------------------- looking ---- */

struct visit {
    evlog *log;
    int (*visit)(const evlog_consumer_info *, void *);
    void *ctx;
    uint64_t first, head;
};

/*
 * Since when the first event from `seq` on that can be read is in the log. If its log time is after
 * `now_us` the clock was ahead: then since the first later era that does not begin in the future.
 * INT64_MAX: not known.
 */
static int64_t logged_since(const struct visit *visit, uint64_t seq, int64_t now_us)
{
    struct span_walk walk;
    struct span span = {.began_us = INT64_MAX};
    bool is_end = false;
    span_walk_begin(&walk, visit->log->store, INT64_MIN, INT64_MAX, seq, visit->head);
    while (span.began_us > now_us && !is_end && span_walk_next(&walk, &span, &is_end) == EVLOG_OK)
        ;
    span_walk_end(&walk);
    return span.began_us;
}

static int64_t lag_us(const struct visit *visit, uint64_t checkpoint)
{
    uint64_t next = checkpoint + 1 > visit->first ? checkpoint + 1 : visit->first;
    if (next > visit->head)
        return 0;
    int64_t now_us = clock_wall_us(), since_us = logged_since(visit, next, now_us);
    return since_us < now_us ? now_us - since_us : 0;
}

/* The pid of the process that has a consumer, as evlog_consumer_info has it. */
static int32_t pid_of_holder(evlog *log, const char *name, unsigned slot)
{
    struct store *store = log->store;
    if (claim_is_ours(log, name))
        return (int32_t)log->pid;
    struct presence_process holder = presence_holder(store->shared, store->events_fd, slot);
    if (!holder.is_there)
        return 0;
    return holder.pid > 0 && !holder.is_elsewhere ? holder.pid : -1;
}

static int visit_one(const char *name, const struct consumer_entry *entry,
                     const char *const *types, size_t type_count, void *ctx)
{
    const struct visit *visit = ctx;
    evlog *log = visit->log;
    struct member member;
    bool is_member = member_parse(name, &member);
    evlog_consumer_info info = {
        .name = name,
        .checkpoint = entry->checkpoint,
        .lag_count = visit->head > entry->checkpoint ? visit->head - entry->checkpoint : 0,
        .lag_us = lag_us(visit, entry->checkpoint),
        .replay_last_seq = entry->replay_last_seq,
        .created_us = entry->created_us,
        .updated_us = entry->updated_us,
        .done_count = entry->done_count,
        .refused_count = entry->refused_count,
        .skipped_count = entry->skipped_count,
        .parked_count = entry->parked_count,
        .retry_count = entry->retry_count,
        .state_count = entry->state_count,
        .is_paused = entry->is_paused,
        .pid = pid_of_holder(log, name, entry->slot),
        .types = types,
        .type_count = type_count,
        .worker = is_member ? member.worker : 0,
        .workers = is_member ? member.workers : 0,
        .group = is_member ? member.group : NULL,
        .by = is_member ? member.by : NULL,
    };
    return visit->visit(&info, visit->ctx);
}

int evlog_each_consumer(evlog *log, int (*visit)(const evlog_consumer_info *, void *), void *ctx)
{
    struct visit each = {.log = log, .visit = visit, .ctx = ctx};
    int result = log_enter(log);
    if (result)
        return result;
    result = store_bounds(log->store, &each.first, &each.head);
    if (result == EVLOG_OK)
        result = consumers_each(log->store, visit_one, &each);
    log_leave(log);
    return result;
}

/* An info for its caller to keep: its texts follow it; the types are a block of their own. */
static int keep_info(const evlog_consumer_info *info, void *ctx)
{
    size_t name_size = strlen(info->name) + 1,
           group_size = info->group ? strlen(info->group) + 1 : 0;
    evlog_consumer_info *copy = malloc(sizeof *copy + name_size + group_size);
    if (!copy)
        return error_nomem();
    *copy = *info;
    copy->name = memcpy(copy + 1, info->name, name_size);
    if (info->group) {
        copy->group = memcpy((char *)(copy + 1) + name_size, info->group, group_size);
        copy->by = copy->name + (info->by - info->name);
    }
    *(evlog_consumer_info **)ctx = copy;
    return EVLOG_OK;
}

static int inspect(evlog *log, const char *name, evlog_consumer_info **info)
{
    struct visit visit = {.log = log, .visit = keep_info, .ctx = info};
    struct consumer_entry entry;
    char **types;
    size_t type_count;
    int result = store_bounds(log->store, &visit.first, &visit.head);
    if (result == EVLOG_OK)
        result = consumers_read(log->store, name, &entry);
    if (result == EVLOG_OK)
        result = consumers_read_types(log->store, name, &types, &type_count);
    if (result)
        return result;
    result = visit_one(name, &entry, (const char *const *)types, type_count, &visit);
    if (result)
        free(types);
    return result;
}

int evlog_consumer_inspect(evlog *log, const char *name, evlog_consumer_info **info)
{
    if (!info)
        return error_set(EVLOG_INVALID, "no place for the info is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = inspect(log, name, info);
    log_leave(log);
    return result;
}

void evlog_consumer_info_free(evlog_consumer_info *info)
{
    if (!info)
        return;
    free((void *)info->types);
    free(info);
}

int evlog_each_state(evlog *log, const char *name,
                     int (*visit)(const void *, size_t, const void *, size_t, void *), void *ctx)
{
    if (!name || !visit)
        return error_set(EVLOG_INVALID,
                         "no consumer, or no function to visit its state, is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_each_state(log->store, name, visit, ctx);
    log_leave(log);
    return result;
}

/* ---------------------------------------------------------------- changing ---- */

/* A worker is not removed by itself. */
static int check_removal(const char *name, const char *const *names, size_t count)
{
    struct member member;
    if (count > 1 || !member_parse(names[0], &member) || strcmp(name, names[0]) != 0)
        return EVLOG_OK;
    return error_set(
        EVLOG_INVALID,
        "%s is one of the %u consumers of a group: without it no worker would get its "
        "events; remove the group %s",
        name, member.workers, member.group);
}

static int remove_all(evlog *log, const char *const *names, size_t count)
{
    struct claims claims;
    int result = claims_take(&claims, log, names, count, 0, true);
    if (result)
        return result;
    result = consumers_remove(log->store, names, count);
    for (size_t i = 0; i < claims.count && result == EVLOG_OK; i++)
        shared_mark_begin(log->store->shared, claims.claims[i].slot, 0);
    claims_release(&claims);
    return result;
}

int evlog_consumer_remove(evlog *log, const char *name)
{
    const char *const *names;
    size_t count;
    int result = log_enter(log);
    if (result)
        return result;
    result = group_names(log, name, &names, &count);
    if (result == EVLOG_OK) {
        result = check_removal(name, names, count);
        if (result == EVLOG_OK)
            result = remove_all(log, names, count);
        free((void *)names);
    }
    log_leave(log);
    return result;
}

/* Where a reset moves a consumer to. */
struct move {
    uint64_t checkpoint, chain, head;
};

static int move(struct consumer_entry *entry, void *ctx)
{
    const struct move *to = ctx;
    entry->owner++; /* a process that had it before, and believes to have it, writes no more */
    entry->checkpoint = to->checkpoint;
    entry->chain = to->chain;
    entry->replay_last_seq = to->head;
    return EVLOG_OK;
}

/* How many parked events there are after a seq. */
struct tally {
    uint64_t after, count;
};

static int tally_one(const evlog_parked *parked, void *ctx)
{
    struct tally *tally = ctx;
    tally->count += parked->seq > tally->after;
    return 0;
}

static int find_move(evlog *log, const char *name, const evlog_reset_options *options,
                     struct move *to)
{
    size_t type_count;
    char **types;
    int result = consumers_read_types(log->store, name, &types, &type_count);
    if (result)
        return result;
    result = start_find(log, &START_OF(options), EVLOG_START_FIRST, (const char *const *)types,
                        type_count, &to->checkpoint, &to->head);
    free(types);
    to->chain = start_chain_at(log->store, to->checkpoint);
    return result;
}

/* What a reset of one of several would do, added to `done`. */
static int look_at_move(const struct claims *claims, size_t i, const struct move *to,
                        evlog_reset *done)
{
    const struct claim *claim = &claims->claims[i];
    const struct consumer_entry *entry = &claims->entries[i];
    struct tally tally = {.after = to->checkpoint};
    int result = consumers_each_parked(claim->log->store, claim->name, tally_one, &tally);
    if (i == 0 || entry->checkpoint < done->old_checkpoint)
        done->old_checkpoint = entry->checkpoint;
    done->checkpoint = to->checkpoint;
    done->state_count += entry->state_count;
    done->parked_count += tally.count;
    return result;
}

static int reset(const struct claims *claims, const char *const *names,
                 const evlog_reset_options *options, evlog_reset *done)
{
    evlog *log = claims->claims[0].log;
    struct move to = {.chain = 0};
    int result = find_move(log, names[0], options, &to);
    for (size_t i = 0; i < claims->count && result == EVLOG_OK; i++)
        result = look_at_move(claims, i, &to, done);
    if (result || options->dry_run)
        return result;
    result = evlog_sync(log); /* what is history to it must not become new */
    if (result == EVLOG_OK)
        result = consumers_reset(log->store, names, claims->count, move, &to);
    for (size_t i = 0; i < claims->count && result == EVLOG_OK; i++)
        shared_mark_begin(log->store->shared, claims->claims[i].slot, 0);
    return result;
}

static int claim_and_reset(evlog *log, const char *name, const evlog_reset_options *options,
                           evlog_reset *done)
{
    const char *const *names;
    struct claims claims;
    size_t count;
    int result = group_names(log, name, &names, &count);
    if (result)
        return result;
    result = claims_take(&claims, log, names, count, 0, false);
    if (result == EVLOG_OK) {
        result = reset(&claims, names, options, done);
        claims_release(&claims);
    }
    free((void *)names);
    return result;
}

int evlog_consumer_reset_sized(evlog *log, const char *name, const evlog_reset_options *given,
                               size_t options_size, evlog_reset *done, size_t reset_size)
{
    evlog_reset_options options;
    evlog_reset made = {.checkpoint = 0};
    if (!given)
        return error_set(EVLOG_INVALID, "no start is given");
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = claim_and_reset(log, name, &options, &made);
    if (result == EVLOG_OK)
        sized_out(done, reset_size, &made, sizeof made);
    log_leave(log);
    return result;
}

static int set_paused(struct consumer_entry *entry, void *ctx)
{
    entry->is_paused = *(const bool *)ctx;
    return EVLOG_OK;
}

static int set_all_paused(evlog *log, const char *name, bool is_paused)
{
    const char *const *names;
    size_t count;
    int result = group_names(log, name, &names, &count);
    if (result)
        return result;
    for (size_t i = 0; i < count && result == EVLOG_OK; i++)
        result = consumers_write(log->store, names[i], set_paused, &is_paused, NULL, NULL);
    free((void *)names);
    return result;
}

int evlog_consumer_set_paused(evlog *log, const char *name, bool is_paused)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = set_all_paused(log, name, is_paused);
    shared_wake(log->store->shared);
    log_leave(log);
    return result;
}

/* ----------------------------------------------------------- parked events ---- */

int evlog_each_parked(evlog *log, const char *name, int (*visit)(const evlog_parked *, void *),
                      void *ctx)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_each_parked(log->store, name, visit, ctx);
    log_leave(log);
    return result;
}

static int change_parked(evlog *log, const char *name, uint64_t seq, bool is_retry,
                         uint64_t *count)
{
    uint64_t changed = 0;
    int result = log_enter(log);
    if (result)
        return result;
    result = consumers_change_parked(log->store, name, seq, is_retry, &changed);
    if (result == EVLOG_OK && count)
        *count = changed;
    shared_wake(log->store->shared);
    log_leave(log);
    return result;
}

int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    return change_parked(log, name, seq, true, count);
}

int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count)
{
    return change_parked(log, name, seq, false, count);
}
