/*
 * Group commit.
 *
 * A durable commit costs a flush of the disk, whatever is in it, and only one can be under
 * way. So requests queue up, and a thread that finds no leader becomes it: it takes what has
 * queued, commits it as one transaction, and wakes the threads whose records were in it.
 * Meanwhile the next queue grows: under load the groups become as large as the commits are slow,
 * with no timer to tune, and a lone sender never waits for another.
 *
 * 1. seq, prev and log time are given inside the write transaction, from the last
 *    record there: so seq is dense and is the order of commits over all processes.
 * 2. The records of one request are side by side, in one commit.
 * 3. A request's memory is touched by others only between being queued and DONE; after that only the address of
 *    its state is given to futex(2), which does not look at it.
 * 4. Log time is the clock's, but never less than that of the record before: a clock that wobbles
 *    is not followed back. One that is behind by more than CLOCK_STEP_US was wrong before, or is wrong
 *    now: log time follows it, and the records from there on are of another era (record.h).
 * 5. `last` is of the commit `last.txnid`. When the transaction before ours has that
 *    number, no process has written since and the file need not be read.
 * 6. In a durable log a group is in the journal and flushed before liblmdb commits it: no reader in
 *    any process gets an event that could still be lost. When the commit then fails, the group is taken
 *    back from the journal, and flushed again. Where the journal ends is noted before the
 *    writer's lock is released.
 *
 * 7. A request's condition (condition.c) is looked at before anything of the group is appended, over the
 *    log and the requests before it in the group. One that is refused leaves the group, which does
 *    not fail with it; when the commit fails, that is its result, too, since what was in its way may have
 *    been in the group. Of a group of which nothing is left an empty transaction is committed, which writes
 *    nothing: what is reported as there is in the files that are the log's (env.c).
 * 8. There is one leader. A thread that queues a request sets is_queued before it looks at is_led, and a leader clears
 *    is_led before it looks at is_queued: so one of the two sees the other. Where nothing is queued, a thread becomes
 *    the leader without queueing.
 *
 * After each commit the leader wakes the readers that wait for events, in any process (shared.c);
 * that costs one load when there are none.
 *
 * A thread waits on the state of its own request: WAITING until it is DONE, or until it is NEXT and the thread may try
 * to lead. It takes the lock only to queue up and to lead, so the threads of a large group do not queue for it again
 * when they are woken.
 *
 * A commit that is not flushed takes less time than putting a thread to sleep and waking it, so in a fast log a
 * waiting thread spins briefly before it sleeps (8 senders: three times the events). A flush takes longer than any
 * spinning.
 *
 * A group that does not fit on the disk is tried again one request at a time, so that a large one
 * does not fail the small ones. Absent: a limit to the queue (it holds at most one request for
 * each thread) and any waiting for a fuller group.
 */
#include "append.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "be64.h"
#include "clock.h"
#include "condition.h"
#include "edge.h"
#include "env.h"
#include "error.h"
#include "flusher.h"
#include "journal.h"
#include "random.h"
#include "shared.h"

#define GROUP_SIZE_MAX ((size_t)1 << 20) /* a request larger than this goes alone */
#define MESSAGE_SIZE 512
#define SPINS 20 /* before sleeping, in a fast log */
#define CACHE_LINE 64
#define AHEAD_MAX 1024

enum request_state {
    WAITING, /* for its leader */
    ASLEEP,  /* the same, in futex(2) */
    NEXT,    /* there is no leader: it may lead */
    DONE,    /* `result` is set */
};

struct request {
    struct record *records;
    size_t count, size, record_size_max;
    struct judgement *judgement; /* NULL: it has no condition */
    int refusal;                 /* of its condition */
    int64_t now_us;              /* the time of day, just read; 0: it is to be read */
    int result;
    bool is_taken;          /* into a group */
    _Atomic uint32_t state; /* enum request_state */
    struct request *next;
    char *message; /* MESSAGE_SIZE: the leader's sentence, when it failed */
};

struct last {
    uint64_t txnid, seq, chain;
    int64_t log_time_us;
    uint16_t era;
};

struct appender {
    struct appender_parts parts;
    pthread_mutex_t lock;
    struct request *first, **end; /* the queue */
    atomic_bool is_queued;        /* it is not empty: changed with the lock held */
    atomic_bool is_led;
    struct last last; /* the leader's */
};

int appender_open(const struct appender_parts *parts, struct appender **opened)
{
    struct appender *appender = calloc(1, sizeof *appender);
    if (!appender)
        return error_nomem();
    appender->parts = *parts;
    appender->end = &appender->first;
    pthread_mutex_init(&appender->lock, NULL);
    *opened = appender;
    return EVLOG_OK;
}

void appender_close(struct appender *appender)
{
    if (!appender)
        return;
    pthread_mutex_destroy(&appender->lock);
    free(appender);
}

/* ------------------------------------------------- in the transaction ---- */

struct group {
    struct appender *appender;
    struct request *first;
    size_t count, size;
    int64_t now_us;      /* as in its only request; 0: it is to be read */
    struct last last;    /* after this group */
    uint64_t start, end; /* of the journal, before it and after it */
    bool is_in_journal;  /* or may be */
};

/* Looks for the end of the journal behind the last event, from the last flush on. */
static int look_for_end(const struct appender_parts *parts, const struct last *last,
                        struct shared_end *end)
{
    struct edge_state base;
    int result = edge_read(parts->edge, &base);
    if (result)
        return result;
    *end = base.journal;
    edge_state_free(&base);
    return journal_find(parts->journal, end, last->seq, last->chain);
}

/*
 * Finds where the journal ends. The process that wrote the last event has noted it, unless it died; else it
 * is looked for. What cannot be found is not needed any more when the log is flushed: then the
 * journal begins anew.
 */
static int find_end(struct group *group)
{
    const struct appender_parts *parts = &group->appender->parts;
    const struct last *last = &group->last;
    struct shared_end end;
    int result = EVLOG_OK;
    if (!shared_end_get(parts->shared, &end) || end.seq != last->seq || end.chain != last->chain)
        result = look_for_end(parts, last, &end);
    if (result == EVLOG_NOTFOUND) {
        end.place = 0;
        result = flusher_restart(parts->flusher);
    }
    group->start = end.place;
    return result;
}

/*
 * Reads the last record of the state this transaction began with. The path to it is the right edge
 * of the tree, which liblmdb is about to follow: it is checked by being read.
 */
static int read_last(struct group *group, struct env *events)
{
    const struct page_snapshot *base;
    struct record record;
    int result = env_base(events, &base);
    if (result)
        return result;
    group->last = (struct last){.chain = group->appender->parts.origin};
    if (base->depth == 0)
        return EVLOG_OK;
    result = record_load(base, 0, &record);
    if (result)
        return result;
    group->last = (struct last){.seq = record.seq,
                                .chain = record.chain,
                                .log_time_us = record.log_time_us,
                                .era = record.era};
    return EVLOG_OK;
}

/* The log time of a group, and its era. */
static int set_time(struct last *last, int64_t now_us)
{
    if (now_us < EVLOG_TIME_US_MIN || now_us > EVLOG_TIME_US_MAX)
        return error_set(EVLOG_INVALID,
                         "the clock of this machine is wrong: it is not in the years 1 to 9999");
    bool is_step = last->seq > 0 && last->log_time_us - now_us > CLOCK_STEP_US;
    if (is_step && last->era < RECORD_ERA_MAX) {
        last->era++;
        last->log_time_us = now_us;
    } else if (last->seq == 0 || now_us > last->log_time_us) {
        last->log_time_us = now_us;
    }
    return EVLOG_OK;
}

/* Whether the group has a place in the journal now. */
static bool has_place(const struct group *group, uint64_t *place)
{
    const struct appender_parts *parts = &group->appender->parts;
    const struct shared_flushed *flushed = shared_flushed(parts->shared);
    bool is_flushed = atomic_load(&flushed->seq) >= group->last.seq;
    return journal_place(group->start, atomic_load(&flushed->place), is_flushed, group->size,
                         group->count, place);
}

/* Chooses the group's place in the journal; when it is overdue, the log is flushed first. */
static int begin_in_journal(struct group *group)
{
    const struct appender_parts *parts = &group->appender->parts;
    uint64_t place;
    int result = find_end(group);
    if (result == EVLOG_OK && !has_place(group, &place))
        result = flusher_flush(parts->flusher);
    if (result == EVLOG_OK && !has_place(group, &place)) {
        result = flusher_restart(parts->flusher);
        group->start = 0;
        has_place(group, &place);
    }
    if (result)
        return result;
    group->is_in_journal = true;
    return journal_begin(parts->journal, group->start, place, group->size, group->count);
}

/* The group survives a power cut. */
static int flush_journal(struct group *group)
{
    const struct appender_parts *parts = &group->appender->parts;
    int result = journal_flush(parts->journal, &group->end);
    if (result == EVLOG_IO)
        shared_fail(parts->shared); /* the kernel may report the next one as good */
    return result;
}

/* ---------------------------------------------------------- conditions ---- */

static bool is_appended(const struct request *request, size_t i)
{
    return !request->refusal && !request->records[i].was_there;
}

/* Looks at what is before a request in its group. */
static int look_at_group(struct group *group, struct request *request)
{
    int result = EVLOG_OK;
    for (struct request *other = group->first; other != request; other = other->next)
        for (size_t i = 0; result == EVLOG_OK && i < other->count; i++)
            if (is_appended(other, i))
                result = condition_look_at(request->judgement, &other->records[i]);
    return result;
}

/* Decides what of a request is appended. `next_seq`: of its first record. */
static int judge(struct group *group, struct request *request, const struct page_snapshot *base,
                 uint64_t next_seq, size_t *left_count)
{
    int result = condition_look(request->judgement, base, group->last.seq);
    if (result == EVLOG_OK)
        result = look_at_group(group, request);
    return result ? result : condition_end(request->judgement, next_seq, left_count);
}

/* The sizes of a request's records that are appended, of which the last has no other behind it. */
static size_t measure(struct request *request)
{
    size_t size = 0;
    bool is_last = true;
    for (size_t i = request->count; i-- > 0;) {
        struct record *record = &request->records[i];
        record->flags &= ~(unsigned)RECORD_MORE;
        if (record->was_there)
            continue;
        record->flags |= is_last ? 0 : RECORD_MORE;
        is_last = false;
        size += record_size(record);
    }
    return size;
}

static void number_all(struct request *request, uint64_t next_seq)
{
    for (size_t i = 0; i < request->count; i++)
        request->records[i].seq = next_seq + i;
}

/* Decides what of the group is appended. A refused request keeps the sentence. */
static int judge_all(struct group *group)
{
    const struct page_snapshot *base;
    int result = env_base(group->appender->parts.events, &base);
    if (result)
        return result;
    group->count = group->size = 0;
    for (struct request *request = group->first; request; request = request->next) {
        uint64_t next_seq = group->last.seq + group->count + 1;
        size_t left_count = request->count;
        request->refusal = EVLOG_OK;
        if (!request->judgement)
            number_all(request, next_seq);
        else
            request->refusal = judge(group, request, base, next_seq, &left_count);
        if (request->refusal) {
            snprintf(request->message, MESSAGE_SIZE, "%s", evlog_errmsg());
            continue;
        }
        group->count += left_count;
        group->size += measure(request);
    }
    return EVLOG_OK;
}

static bool has_conditions(const struct group *group)
{
    const struct request *request = group->first;
    while (request && !request->judgement)
        request = request->next;
    return request != NULL;
}

/* ------------------------------------------------------------ appending ---- */

/*
 * liblmdb fills a leaf from its end, so the next records will be below this one, in memory that no processor has in its
 * cache: unless it is fetched by then, every store waits for it, and the checksums for the stores. (8 % of a fast send
 * of one event, whose leaf is copied for each, so that it takes two records; 9 % of an event of a large one.)
 */
static void fetch_ahead(const struct group *group, const void *bytes, size_t size)
{
    size_t ahead = group->count == 1 ? 2 * size : size;
    if (ahead > AHEAD_MAX)
        return;
    for (size_t i = 1; i <= ahead / CACHE_LINE + 2; i++)
        __builtin_prefetch((const void *)((uintptr_t)bytes - i * CACHE_LINE), 1);
}

static int append_one(struct group *group, struct record *record)
{
    const struct appender_parts *parts = &group->appender->parts;
    struct last *last = &group->last;
    unsigned char key[sizeof(uint64_t)];
    void *bytes;
    record->seq = last->seq + 1;
    record->prev = last->chain;
    record->log_time_us = last->log_time_us;
    record->era = last->era;
    be64_store(key, record->seq);
    size_t size = record_size(record);
    int result = env_append(parts->events, key, sizeof key, size, &bytes);
    if (result)
        return result;
    fetch_ahead(group, bytes, size);
    record_encode(record, bytes);
    last->seq = record->seq;
    last->chain = record->chain;
    return parts->journal ? journal_add(parts->journal, bytes, size, record->chain) : EVLOG_OK;
}

static int find_last(struct group *group)
{
    struct env *events = group->appender->parts.events;
    uint64_t txnid = env_txnid(events);
    int result = EVLOG_OK;
    group->last = group->appender->last;
    if (group->last.txnid != txnid - 1 || group->last.seq == 0)
        result = read_last(group, events);
    group->last.txnid = txnid;
    return result;
}

/* The clock need not be read when the sender has just done it, and has not waited since. */
static int set_log_time(struct group *group)
{
    struct env *events = group->appender->parts.events;
    bool is_known = group->now_us && !env_has_waited(events);
    int64_t now_us = is_known ? group->now_us : clock_wall_us();
    env_note_time(events, now_us);
    return set_time(&group->last, now_us);
}

static int fill(struct env *events, void *ctx)
{
    struct group *group = ctx;
    struct journal *journal = group->appender->parts.journal;
    (void)events;
    int result = find_last(group);
    if (result == EVLOG_OK && has_conditions(group))
        result = judge_all(group);
    if (result || group->count == 0)
        return result;
    result = set_log_time(group);
    if (result == EVLOG_OK && journal)
        result = begin_in_journal(group);
    for (struct request *request = group->first; request; request = request->next)
        for (size_t i = 0; result == EVLOG_OK && i < request->count; i++)
            if (is_appended(request, i))
                result = append_one(group, &request->records[i]);
    if (result == EVLOG_OK && journal)
        result = flush_journal(group);
    return result;
}

/* -------------------------------------------------------- the leader ---- */

/* What is flushed soon, or at once, since the group is behind the halves of the journal. */
static void flush_as_needed(const struct group *group)
{
    struct flusher *flusher = group->appender->parts.flusher;
    if (journal_is_behind(group->end))
        flusher_flush(flusher); /* a failure is noted, and the next send reports it */
    else if (journal_is_other_part(group->end, group->start))
        flusher_wake(flusher);
}

/* The group was not committed: it must not come back after a power cut. */
static int take_back(const struct group *group, int result)
{
    const struct appender_parts *parts = &group->appender->parts;
    char why[MESSAGE_SIZE];
    if (!group->is_in_journal)
        return result;
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (journal_retract(parts->journal) == EVLOG_OK)
        return error_set(result, "%s", why);
    shared_fail(parts->shared);
    return error_set(
        EVLOG_IO,
        "%s; and it could not be taken back from the journal (%s): whether these events "
        "are in the log will be known when it is opened again",
        why, evlog_errmsg());
}

/* What is known of the log after a group. With the writer's lock. */
static void note_end(const struct group *group)
{
    const struct appender_parts *parts = &group->appender->parts;
    const struct last *last = &group->last;
    group->appender->last = *last;
    if (parts->journal)
        shared_end_set(parts->shared, (struct shared_end){group->end, last->seq, last->chain});
}

static struct env_size size_of(const struct group *group)
{
    struct env_size size = {.sum = group->size};
    for (const struct request *request = group->first; request; request = request->next)
        if (request->record_size_max > size.value_max)
            size.value_max = request->record_size_max;
    return size;
}

/* With the writer's lock. */
static int write_group(struct group *group)
{
    struct env *events = group->appender->parts.events;
    group->is_in_journal = false;
    int result = env_write_locked(events, ENV_FLUSH_ALL, size_of(group), fill, group);
    return result ? take_back(group, result) : EVLOG_OK;
}

/* The same, and where the journal has no room to grow, it begins anew, behind a flush of the log. */
static int write_or_restart(struct group *group)
{
    int result = write_group(group);
    if (result != EVLOG_FULL || !group->is_in_journal || group->start == 0)
        return result;
    group->now_us = 0;
    result = flusher_restart(group->appender->parts.flusher);
    return result ? result : write_group(group);
}

static int commit(struct group *group)
{
    const struct appender_parts *parts = &group->appender->parts;
    int result = env_lock(parts->events);
    if (result)
        return result;
    result = flusher_settle(parts->flusher);
    if (result == EVLOG_OK)
        result = write_or_restart(group);
    if (result == EVLOG_OK && group->count > 0)
        note_end(group);
    env_unlock(parts->events);
    if (result == EVLOG_FULL)
        flusher_has_no_room(parts->flusher);
    if (result || group->count == 0)
        return result;
    flusher_committed(parts->flusher, group->last.log_time_us, group->last.seq);
    shared_wake(parts->shared);
    if (parts->journal)
        flush_as_needed(group);
    return EVLOG_OK;
}

static int commit_alone(struct appender *appender, struct request *request)
{
    struct group group = {
        .appender = appender, .first = request, .count = request->count, .size = request->size};
    struct request *next = request->next;
    request->next = NULL;
    int result = commit(&group);
    request->next = next;
    return result;
}

static void commit_group(struct group *group)
{
    int result = commit(group);
    bool one_by_one = result == EVLOG_FULL && group->first->next;
    for (struct request *request = group->first; request; request = request->next) {
        if (one_by_one)
            result = commit_alone(group->appender, request);
        request->result = result ? result : request->refusal; /* whose sentence it has */
        if (result)
            snprintf(request->message, MESSAGE_SIZE, "%s", evlog_errmsg());
    }
}

/* Cuts the next group off the queue. With the lock held. */
static void take_group(struct appender *appender, struct group *group)
{
    *group = (struct group){.appender = appender, .first = appender->first};
    struct request **end = &group->first;
    do {
        (*end)->is_taken = true;
        group->size += (*end)->size;
        group->count += (*end)->count;
        end = &(*end)->next;
    } while (*end && group->size + (*end)->size <= GROUP_SIZE_MAX);
    appender->first = *end;
    if (!appender->first) {
        appender->end = &appender->first;
        atomic_store(&appender->is_queued, false);
    }
    *end = NULL;
}

/* Whether its thread sleeps, and must be woken. */
static bool set_state(struct request *request, enum request_state state)
{
    return atomic_exchange(&request->state, state) == ASLEEP;
}

/* Only the address counts: the request may be gone. */
static void wake(_Atomic uint32_t *state)
{
    syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Sleeps while the state is WAITING; may return earlier. */
static void sleep_on(_Atomic uint32_t *state)
{
    uint32_t waiting = WAITING, asleep = ASLEEP;
    if (!atomic_compare_exchange_strong(state, &waiting, ASLEEP))
        return;
    syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, ASLEEP, NULL, NULL, 0);
    atomic_compare_exchange_strong(state, &asleep, WAITING);
}

static bool become_leader(struct appender *appender)
{
    bool is_led = false;
    return atomic_compare_exchange_strong(&appender->is_led, &is_led, true);
}

/* Invariant 8. */
static void stop_leading(struct appender *appender)
{
    atomic_store(&appender->is_led, false);
    if (!atomic_load(&appender->is_queued))
        return;
    pthread_mutex_lock(&appender->lock);
    struct request *after = appender->first;
    bool is_asleep = after && set_state(after, NEXT);
    pthread_mutex_unlock(&appender->lock);
    if (is_asleep)
        wake(&after->state);
}

/* Commits one group, by the leader. With the lock held, which it gives back. */
static void lead(struct appender *appender)
{
    struct group group;
    take_group(appender, &group);
    pthread_mutex_unlock(&appender->lock);
    commit_group(&group);
    stop_leading(appender);
    for (struct request *request = group.first, *next; request; request = next) {
        next = request->next; /* it may be gone once it is DONE */
        if (set_state(request, DONE))
            wake(&request->state);
    }
}

/* Leads unless another one does, or this request is in a group. */
static void try_to_lead(struct appender *appender, const struct request *request)
{
    if (atomic_load(&appender->is_led))
        return; /* the leader gives NEXT to the first in the queue, perhaps to this one */
    pthread_mutex_lock(&appender->lock);
    if (!request->is_taken && become_leader(appender))
        lead(appender);
    else
        pthread_mutex_unlock(&appender->lock);
}

static void queue_up(struct appender *appender, struct request *request)
{
    pthread_mutex_lock(&appender->lock);
    *appender->end = request;
    appender->end = &request->next;
    atomic_store(&appender->is_queued, true);
    if (become_leader(appender))
        lead(appender);
    else
        pthread_mutex_unlock(&appender->lock);
}

/* Queues a request and returns when it is done: by this thread, or by another one that leads. */
static void wait_until_done(struct appender *appender, struct request *request)
{
    int spins = appender->parts.journal ? 0 : SPINS;
    uint32_t state;
    queue_up(appender, request);
    while ((state = atomic_load(&request->state)) != DONE) {
        if (state == NEXT)
            atomic_compare_exchange_strong(&request->state, &state, WAITING);
        try_to_lead(appender, request);
        if (spins > 0) {
            spins--;
            sched_yield();
        } else {
            sleep_on(&request->state);
        }
    }
}

/* Commits a request without queueing it, if there is neither a leader nor a queue. false: it was not done. */
static bool do_at_once(struct appender *appender, struct request *request)
{
    if (atomic_load(&appender->is_queued) || !become_leader(appender))
        return false;
    struct group group = {.appender = appender,
                          .first = request,
                          .count = request->count,
                          .size = request->size,
                          .now_us = request->now_us};
    commit_group(&group);
    stop_leading(appender);
    return true;
}

/* Begins the judgement of a request, without the writer's lock. */
static int look_before(struct appender *appender, struct judgement *judgement,
                       const struct condition *condition, struct request *request)
{
    const struct appender_parts *parts = &appender->parts;
    int result = condition_begin(judgement, condition, parts->types, parts->floor,
                                 request->records, request->count);
    if (result == EVLOG_OK)
        result = env_read(parts->events, ENV_CHECKED, condition_look_before, judgement);
    if (result)
        condition_free(judgement);
    request->judgement = judgement;
    return result;
}

static int append_request(struct appender *appender, struct request *request)
{
    if (!do_at_once(appender, request))
        wait_until_done(appender, request);
    if (request->result)
        error_set(request->result, "%s", request->message);
    return request->result;
}

static int append_on_condition(struct appender *appender, const struct condition *condition,
                               struct request *request)
{
    struct judgement judgement = {.by_id = NULL};
    int result = look_before(appender, &judgement, condition, request);
    if (result)
        return result;
    result = append_request(appender, request);
    condition_free(&judgement);
    return result;
}

/* What a record needs before it is queued. */
static int complete(struct record *record, bool is_last)
{
    record->flags |= is_last ? 0 : RECORD_MORE;
    return random_bytes(record->salt, sizeof record->salt);
}

int append_records(struct appender *appender, const struct condition *condition,
                   struct record *records, size_t count)
{
    char message[MESSAGE_SIZE];
    struct request request = {.records = records, .count = count, .message = message};
    for (size_t i = 0; i < count; i++) {
        int result = complete(&records[i], i + 1 == count);
        if (result)
            return result;
        size_t size = record_size(&records[i]);
        request.size += size;
        if (size > request.record_size_max)
            request.record_size_max = size;
    }
    if (condition && condition_is_set(condition))
        return append_on_condition(appender, condition, &request);
    request.now_us = count == 1 ? records->log_time_us : 0;
    return append_request(appender, &request);
}
