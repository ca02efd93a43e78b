/*
 * The retention policy: what a log keeps, as an entry of state.mdb, and dropping what it does not keep.
 *
 *   key    'l' "retention"
 *   value  [checksum, age in microseconds, count, size, held by, [names of consumers], first and last seq that were
 *           dropped and are not noted yet (0 and 0: none), time of the last note]
 *
 * Senders apply it. After a commit the flusher's thread looks whether a limit is exceeded, once a second, and when
 * many events have come since (next_look). It drops what is beyond the limit in steps, as trim.c does: a step deletes
 * a batch of the events below the floor and flushes that; when there are none, it first raises the floor, by
 * RAISE_COUNT events at most. A send waits for one step at most. One process at a time does it (TRIMMING_AT), and none
 * while one is trimming.
 *
 * After a send that found no room it looks at once. A sender that is faster than this thread would make the log grow
 * without end: when a limit is exceeded by far (is_behind), each send first does a step itself, or waits a moment for
 * the process that is at one.
 *
 * To begin it waits until a limit is exceeded by a slack (slack_of), and then goes down to the limit: raising the floor
 * has some flushes, which dropping one event after each send would cost each time.
 *
 * 1. Never the newest event, nor what a consumer that holds the log has not done or has parked. These are read before
 *    the floor is raised; a consumer that is made, or reset to an earlier event, meanwhile loses what is below it, and
 *    parks it as lost.
 * 2. What was dropped is noted in the log: but not each step, since a log that keeps few events would consist of notes.
 *    A note is for NOTE_COUNT events or more, or for an hour. What is not noted yet is written down in the entry
 *    before it goes, so that it is noted after a death, too. A note says "by_policy".
 *
 * 3. A log that is sealed is cut only at a seal (seals.c): the floor is raised to one at once.
 *
 * The size is of the pages of the tree of events, as the meta page counts them: O(1), where adding up records
 * would read them all. How many events are to go for so many bytes is estimated from their mean, a step at a time.
 *
 * Cost: without a policy two loads for each commit; with one, some reads a second. Absent: a timer, so a log to which
 * nothing is sent stays as it is.
 */
#include "retain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "consumer_entries.h"
#include "entry_fields.h"
#include "entry_pack.h"
#include "error.h"
#include "flusher.h"
#include "held.h"
#include "page.h"
#include "spans.h"
#include "store.h"
#include "trim.h"

static const char key[] = {ENTRY_LOG, 'r', 'e', 't', 'e', 'n', 't', 'i', 'o', 'n'};

#define ELEMENT_COUNT 9
#define FIXED_SIZE_MAX (ENTRY_HEAD_SIZE + 8 * PACK_INTEGER_SIZE_MAX + PACK_LENGTH_SIZE_MAX)
#define SLACK_COUNT_MAX 2048
#define RAISE_COUNT 16384
#define NOTE_COUNT 2048
#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define LOOK_EVERY_US SECOND_US
#define BEHIND_PART 16    /* is_behind: more is due than this part of what is kept */
#define HELP_WAIT_US 1000 /* where another process is at a step */
#define SLACK_SIZE_MAX ((uint64_t)2 << 20)

/* The entry. */
struct policy {
    evlog_retention *retention; /* in one block with its texts; NULL: none */
    uint64_t pending_first, pending_last;
    int64_t noted_us;
};

/* ------------------------------------------------------------- the entry ---- */

static int damaged(void)
{
    return error_set(EVLOG_DAMAGED, "state.mdb: the retention policy is not as it was written");
}

/* The names of an array, in one block with the struct before them. */
static int unpack_names(struct entry_fields *fields, const evlog_retention *read,
                        struct policy *policy)
{
    size_t count = entry_field(fields, 1u << PACK_ARRAY).size;
    if (fields->is_bad || count > EVLOG_HOLDERS_MAX)
        return damaged();
    struct entry_fields again = *fields;
    size_t size = sizeof *read + count * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        size += entry_field(fields, 1u << PACK_STR).size + 1;
    if (fields->is_bad)
        return damaged();
    evlog_retention *retention = calloc(1, size);
    if (!retention)
        return error_nomem();
    const char **names = (const char **)(retention + 1);
    char *text = (char *)(names + count);
    for (size_t i = 0; i < count; i++) {
        struct pack_item name = entry_field(&again, 1u << PACK_STR);
        names[i] = memcpy(text, name.bytes, name.size);
        text += name.size + 1;
    }
    *retention = *read;
    retention->holders = names;
    retention->holder_count = count;
    policy->retention = retention;
    return EVLOG_OK;
}

static bool is_any(const evlog_retention *retention)
{
    return retention->age_us || retention->count || retention->size;
}

static int unpack(const struct entry *entry, struct policy *policy)
{
    struct entry_fields fields = entry_fields_of(entry, ELEMENT_COUNT);
    evlog_retention read = {.age_us = 0};
    *policy = (struct policy){.retention = NULL};
    read.age_us = (int64_t)entry_field_integer(&fields);
    read.count = entry_field_integer(&fields);
    read.size = entry_field_integer(&fields);
    uint64_t held_by = entry_field_integer(&fields);
    read.held_by = (evlog_held_by)held_by;
    if (read.age_us < 0 || held_by > EVLOG_HELD_BY_NAMED)
        fields.is_bad = true;
    int result = unpack_names(&fields, &read, policy);
    if (result)
        return result;
    policy->pending_first = entry_field_integer(&fields);
    policy->pending_last = entry_field_integer(&fields);
    policy->noted_us = (int64_t)entry_field_integer(&fields);
    if (!fields.is_bad)
        return EVLOG_OK;
    free(policy->retention);
    policy->retention = NULL;
    return damaged();
}

int retain_check(const struct entry *entry)
{
    struct policy policy;
    if (entry->key_size != sizeof key || memcmp(entry->key, key, sizeof key) != 0)
        return EVLOG_OK;
    int result = unpack(entry, &policy);
    if (result == EVLOG_OK)
        free(policy.retention);
    return result;
}

/* The policy, whose block the caller frees; without a limit `retention` may be there, too. */
static int read_policy(struct store *store, enum env_state state, struct policy *policy)
{
    struct entry entry;
    *policy = (struct policy){.retention = NULL};
    int result = entry_read(store->state, state, key, sizeof key, &entry);
    if (result == EVLOG_NOTFOUND)
        return EVLOG_OK;
    if (result)
        return result == EVLOG_DAMAGED ? damaged() : result;
    result = unpack(&entry, policy);
    free(entry.value);
    return result;
}

static int put_policy(struct env *env, const struct policy *policy)
{
    const evlog_retention *retention = policy->retention;
    struct entry_packing packing;
    size_t size = FIXED_SIZE_MAX;
    for (size_t i = 0; i < retention->holder_count; i++)
        size += PACK_LENGTH_SIZE_MAX + strlen(retention->holders[i]);
    unsigned char *value = malloc(size);
    if (!value)
        return error_nomem();
    entry_pack_begin(&packing, value, ELEMENT_COUNT);
    msgpack_pack_int64(&packing.packer, retention->age_us);
    msgpack_pack_uint64(&packing.packer, retention->count);
    msgpack_pack_uint64(&packing.packer, retention->size);
    msgpack_pack_int(&packing.packer, (int)retention->held_by);
    msgpack_pack_array(&packing.packer, retention->holder_count);
    for (size_t i = 0; i < retention->holder_count; i++)
        msgpack_pack_str_with_body(&packing.packer, retention->holders[i],
                                   strlen(retention->holders[i]));
    msgpack_pack_uint64(&packing.packer, policy->pending_first);
    msgpack_pack_uint64(&packing.packer, policy->pending_last);
    msgpack_pack_int64(&packing.packer, policy->noted_us);
    int result = entry_put(env, key, sizeof key, value, entry_pack_end(&packing), NULL);
    free(value);
    return result;
}

/* A change of the entry as it is now. */
struct writing {
    struct store *store;
    const evlog_retention *retention; /* or NULL: as it is */
    const struct policy *pending;     /* or NULL: as it is */
};

static int fill(struct env *env, void *ctx)
{
    const struct writing *writing = ctx;
    struct policy now;
    int result = read_policy(writing->store, ENV_BASE, &now);
    if (result == EVLOG_DAMAGED && writing->retention)
        result = EVLOG_OK; /* it is replaced */
    if (result || (!now.retention && !writing->retention))
        return result; /* it is gone meanwhile */
    struct policy wanted = now;
    if (writing->retention)
        wanted.retention = (evlog_retention *)writing->retention; /* which is not changed */
    if (writing->pending) {
        wanted.pending_first = writing->pending->pending_first;
        wanted.pending_last = writing->pending->pending_last;
        wanted.noted_us = writing->pending->noted_us;
    }
    result = put_policy(env, &wanted);
    free(now.retention);
    return result;
}

static int check_retention(const evlog_retention *retention)
{
    bool is_named = retention->held_by == EVLOG_HELD_BY_NAMED;
    if (retention->age_us < 0 || retention->count > INT64_MAX || retention->size > INT64_MAX)
        return error_set(EVLOG_INVALID, "a limit of retention is negative");
    if ((unsigned)retention->held_by > EVLOG_HELD_BY_NAMED ||
        is_named != (retention->holder_count > 0))
        return error_set(EVLOG_INVALID,
                         "holders are given with EVLOG_HELD_BY_NAMED, and only then");
    if (retention->holder_count > EVLOG_HOLDERS_MAX)
        return error_set(EVLOG_LIMIT, "%zu consumers are to hold the log; at most %d can",
                         retention->holder_count, EVLOG_HOLDERS_MAX);
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < retention->holder_count; i++)
        result = consumer_name_check(retention->holders[i]);
    return result;
}

int retain_set(struct store *store, const evlog_retention *retention)
{
    static const evlog_retention none = {.age_us = 0};
    struct writing writing = {.store = store, .retention = retention ? retention : &none};
    int result = check_retention(writing.retention);
    if (result == EVLOG_OK)
        result = env_write(store->state, ENV_FLUSH_ALL, 0, fill, &writing);
    if (result == EVLOG_OK)
        atomic_fetch_add(&shared_flushed(store->shared)->retention, 1);
    return result;
}

int retain_get(struct store *store, evlog_retention **retention)
{
    struct policy policy;
    int result = read_policy(store, ENV_NEWEST, &policy);
    if (result)
        return result;
    if (policy.retention && !is_any(policy.retention)) {
        free(policy.retention);
        policy.retention = NULL;
    }
    *retention = policy.retention;
    return EVLOG_OK;
}

/* --------------------------------------------------------------- what is due ---- */

/* How much a limit may be exceeded before something is done: a tenth, or `most`. */
static uint64_t slack_of(uint64_t limit, uint64_t most)
{
    return limit / 10 < most ? limit / 10 : most;
}

/* Where it is looked, and what for. */
struct looking {
    struct store *store;
    const evlog_retention *retention;
    bool with_slack;
    uint64_t first, last; /* of the log */
};

static uint64_t before_by_count(const struct looking *looking)
{
    uint64_t limit = looking->retention->count, count = looking->last - looking->first + 1;
    uint64_t slack = looking->with_slack ? slack_of(limit, SLACK_COUNT_MAX) : 0;
    if (!limit || count <= limit + slack)
        return looking->first;
    return looking->last - limit + 1;
}

/* By the mean of the events that are there. */
static int before_by_size(const struct looking *looking, uint64_t *before_seq)
{
    struct page_snapshot snapshot;
    uint64_t limit = looking->retention->size;
    uint64_t slack = looking->with_slack ? slack_of(limit, SLACK_SIZE_MAX) : 0;
    *before_seq = looking->first;
    int result = limit ? env_snapshot(looking->store->events, &snapshot) : EVLOG_OK;
    if (result || !limit)
        return result;
    uint64_t size = snapshot.tree_page_count * snapshot.page_size;
    if (size <= limit + slack || snapshot.tree_page_count > snapshot.last_page)
        return EVLOG_OK;
    double part = (double)(size - limit) / (double)size;
    *before_seq += 1 + (uint64_t)(part * (double)(looking->last - looking->first));
    return EVLOG_OK;
}

/* The first event that was logged at a time or later; behind the last one when there is none. */
static int find_since(const struct looking *looking, int64_t since_us, uint64_t *seq)
{
    struct span_walk walk;
    struct span span;
    bool is_end;
    span_walk_begin(&walk, looking->store, since_us, INT64_MAX, looking->first, looking->last);
    int result = span_walk_next(&walk, &span, &is_end);
    if (result == EVLOG_OK)
        *seq = is_end ? looking->last + 1 : span.first;
    span_walk_end(&walk);
    return result;
}

static int before_by_age(const struct looking *looking, uint64_t *before_seq)
{
    int64_t age_us = looking->retention->age_us, now_us = clock_wall_us();
    int64_t slack_us = looking->with_slack ? (int64_t)slack_of((uint64_t)age_us, HOUR_US) : 0;
    *before_seq = looking->first;
    if (!age_us || age_us > now_us - EVLOG_TIME_US_MIN - slack_us)
        return EVLOG_OK;
    int result = find_since(looking, now_us - age_us - slack_us, before_seq);
    if (result || *before_seq == looking->first || slack_us == 0)
        return result;
    return find_since(looking, now_us - age_us, before_seq);
}

/*
 * What exceeds the limits ends before `*before_seq`, and what of it no consumer holds before `*free_seq`; both are the
 * log's first event when there is nothing.
 */
struct due {
    uint64_t first, before_seq, free_seq, last;
    bool is_sealed;
    char held_by[256]; /* empty: what is held is not sealed */
};

/* Goes back to a seal, if the log has any. */
static int keep_unsealed(struct store *store, struct due *due)
{
    uint64_t free_seq = due->free_seq;
    int result = seals_floor(store, due->first, free_seq, &due->free_seq, &due->is_sealed);
    if (result == EVLOG_OK && due->free_seq < free_seq)
        *due->held_by = '\0';
    return result;
}

static int find_due(struct store *store, const evlog_retention *retention, bool with_slack,
                    struct due *due)
{
    struct looking looking = {.store = store, .retention = retention, .with_slack = with_slack};
    struct trim_holders holders = {retention->held_by, retention->holders,
                                   retention->holder_count};
    uint64_t before[3] = {0}, held_seq;
    *due = (struct due){.first = 0};
    int result = store_bounds(store, &looking.first, &looking.last);
    if (result || looking.last == 0)
        return result;
    before[0] = before_by_count(&looking);
    result = before_by_size(&looking, &before[1]);
    if (result == EVLOG_OK)
        result = before_by_age(&looking, &before[2]);
    if (result)
        return result;
    due->first = due->before_seq = looking.first;
    due->last = looking.last;
    for (size_t i = 0; i < 3; i++)
        if (before[i] > due->before_seq)
            due->before_seq = before[i];
    if (due->before_seq > looking.last) /* the newest one is never taken */
        due->before_seq = looking.last;
    due->free_seq = due->before_seq;
    if (due->before_seq == due->first)
        return EVLOG_OK;
    result = trim_find_hold(store, &holders, due->before_seq, &held_seq, due->held_by);
    if (held_seq)
        due->free_seq = held_seq > due->first ? held_seq : due->first;
    return result ? result : keep_unsealed(store, due);
}

int retain_look(struct store *store, const evlog_retention *retention, evlog_retained *retained)
{
    struct due due;
    *retained = (evlog_retained){.first_seq = 0};
    int result = check_retention(retention);
    if (result == EVLOG_OK)
        result = find_due(store, retention, false, &due);
    if (result || due.before_seq == due.first)
        return result;
    if (due.free_seq > due.first) {
        retained->first_seq = due.first;
        retained->last_seq = due.free_seq - 1;
    }
    if (due.free_seq < due.before_seq) {
        retained->held_seq = due.free_seq;
        retained->held_count = due.before_seq - due.free_seq;
        memcpy(retained->held_by, due.held_by, sizeof due.held_by);
    }
    return EVLOG_OK;
}

/* ----------------------------------------------------------------- applying ---- */

static int write_pending(struct store *store, const struct policy *policy)
{
    struct writing writing = {.store = store, .pending = policy};
    return env_write(store->state, ENV_FLUSH_ALL, 0, fill, &writing);
}

/* Notes what has gone. Where there is no room for it, the next one does. */
static int note(struct store *store, struct policy *policy)
{
    struct trim_note gone = {.first_seq = policy->pending_first,
                             .last_seq = policy->pending_last,
                             .is_by_policy = true};
    int result = trim_note(store, &gone);
    if (result)
        return result == EVLOG_FULL ? EVLOG_OK : result;
    policy->pending_first = policy->pending_last = 0;
    policy->noted_us = clock_wall_us();
    return write_pending(store, policy);
}

/* What goes is written down first; what went before and something else has trimmed behind it, is noted apart. */
static int note_begin(struct store *store, struct policy *policy, uint64_t first, uint64_t last)
{
    int result = EVLOG_OK;
    if (policy->pending_first && policy->pending_last + 1 < first)
        result = note(store, policy);
    if (result)
        return result;
    if (!policy->pending_first)
        policy->pending_first = first;
    if (last > policy->pending_last)
        policy->pending_last = last;
    return write_pending(store, policy);
}

static bool is_note_due(const struct policy *policy)
{
    int64_t since_us = clock_wall_us() - policy->noted_us;
    uint64_t count = policy->pending_last - policy->pending_first + 1;
    return policy->pending_first && (count >= NOTE_COUNT || since_us >= HOUR_US || since_us < 0);
}

/* Whether far more is due than the flusher's thread drops in a moment. */
static bool is_behind(const struct due *due)
{
    uint64_t count = due->free_seq - due->first, kept = due->last - due->free_seq;
    return count > RAISE_COUNT && count > kept / BEHIND_PART;
}

/* Deletes a batch of what is below the floor. */
static int delete_some(struct store *store)
{
    uint64_t count;
    int result = trim_some(store, &count);
    if (result == EVLOG_OK)
        store->is_deleting = count > 0;
    return result;
}

/* Raises the floor. */
static int raise_floor(struct store *store, struct policy *policy, const struct due *due)
{
    uint64_t before_seq = due->free_seq;
    if (!due->is_sealed && before_seq > due->first + RAISE_COUNT)
        before_seq = due->first + RAISE_COUNT;
    int result = note_begin(store, policy, due->first, before_seq - 1);
    if (result == EVLOG_OK)
        result = trim_raise(store, before_seq);
    if (result)
        return result;
    store->is_deleting = true;
    return due->is_sealed || is_note_due(policy) ? note(store, policy) : EVLOG_OK;
}

/* One step, when something is due. */
static int step(struct store *store, struct policy *policy, bool with_slack)
{
    struct due due;
    int result = find_due(store, policy->retention, with_slack, &due);
    atomic_store(&store->is_behind, result == EVLOG_OK && is_behind(&due));
    if (result == EVLOG_OK && store->is_deleting)
        result = delete_some(store);
    if (result || store->is_deleting || due.free_seq == due.first)
        return result;
    result = raise_floor(store, policy, &due);
    return result ? result : delete_some(store);
}

/* Whether there is something to drop, or, after a policy that is none any more, to note. */
static bool is_work(const struct policy *policy)
{
    return policy->retention && (is_any(policy->retention) || policy->pending_first);
}

/* One step of the log's policy; `*is_work_left`: it is to be looked at again; `*is_more`: at once. */
static int step_alone(struct store *store, bool with_slack, bool *is_work_left, bool *is_more)
{
    struct policy policy;
    int result = read_policy(store, ENV_NEWEST, &policy);
    bool is_limited = policy.retention && is_any(policy.retention);
    bool was_deleting = store->is_deleting; /* then more may be due */
    *is_work_left = result || is_work(&policy) || was_deleting;
    if (*is_work_left)
        env_will_reuse(store->events);
    if (!is_limited)
        atomic_store(&store->is_behind, false);
    if (result == EVLOG_OK && is_limited)
        result = step(store, &policy, with_slack);
    else if (result == EVLOG_OK && was_deleting)
        result = delete_some(store);
    else if (result == EVLOG_OK && *is_work_left)
        result = note(store, &policy);
    free(policy.retention);
    *is_more = result == EVLOG_OK && (was_deleting || store->is_deleting);
    return result;
}

/* One thread of one process at a time. An errno; EAGAIN: another process is at it. */
static int begin_alone(struct store *store)
{
    pthread_mutex_lock(&store->retaining);
    int errnum = held_lock(store->events_fd, TRIMMING_AT, HELD_ALONE);
    if (errnum)
        pthread_mutex_unlock(&store->retaining);
    return errnum;
}

static void end_alone(struct store *store)
{
    held_unlock(store->events_fd, TRIMMING_AT);
    pthread_mutex_unlock(&store->retaining);
}

/* The same; what another process is at is left to it. */
static int step_locked(struct store *store, bool with_slack, bool *is_work_left, bool *is_more)
{
    *is_work_left = true;
    *is_more = false;
    int errnum = begin_alone(store);
    if (errnum)
        return errnum == EAGAIN ? EVLOG_OK
                                : error_errno(errnum, "locking a byte of it", "events.mdb");
    int result = step_alone(store, with_slack, is_work_left, is_more);
    end_alone(store);
    return result;
}

/* In a second, or after as many more events as a part of those that are kept. */
static struct flusher_due next_look(struct store *store)
{
    uint64_t first, last;
    struct flusher_due due = {clock_wall_us() + LOOK_EVERY_US, UINT64_MAX};
    if (store_bounds(store, &first, &last) == EVLOG_OK) {
        uint64_t part = (last - first) / BEHIND_PART;
        due.seq = last + (part < SLACK_COUNT_MAX ? SLACK_COUNT_MAX : part);
    }
    return due;
}

static struct flusher_due retain_some(void *ctx)
{
    struct store *store = ctx;
    bool is_work_left, is_more;
    step_locked(store, !store->is_retaining, &is_work_left,
                &is_more); /* a failure: the next time */
    store->is_retaining = is_more;
    if (is_more)
        return FLUSHER_WORK_GOES_ON;
    return is_work_left ? next_look(store) : FLUSHER_WORK_IS_DONE;
}

void retain_help(struct store *store)
{
    bool is_work_left, is_more;
    if (!atomic_load_explicit(&store->is_behind, memory_order_relaxed))
        return;
    if (begin_alone(store)) {
        usleep(HELP_WAIT_US);
        return;
    }
    if (atomic_load(&store->is_behind)) /* a failure: the next time */
        step_alone(store, false, &is_work_left, &is_more);
    end_alone(store);
}

void retain_begin(struct store *store)
{
    struct policy policy;
    flusher_set_work(store->flusher, retain_some, store); /* first: it may be set meanwhile */
    int result = read_policy(store, ENV_NEWEST, &policy);
    store->is_deleting = result || is_work(&policy); /* a process that died may have left some */
    if (store->is_deleting)
        flusher_work_is_due(store->flusher);
    free(policy.retention);
}

int retain_apply(struct store *store)
{
    bool is_work_left, is_more;
    int result;
    do {
        result = step_locked(store, false, &is_work_left, &is_more);
    } while (result == EVLOG_OK && is_more);
    return result;
}
