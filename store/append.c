/*
 * Group commit.
 *
 * A durable commit costs two flushes of the disk, whatever is in it, and only one can be under
 * way. So requests queue up, and a thread that finds no leader becomes it: it takes what has
 * queued, commits it as one transaction, and wakes the threads whose records were in it.
 * Meanwhile the next queue grows: under load the groups become as large as the commits are slow,
 * with no timer to tune, and a lone sender never waits for another.
 *
 * 1. seq, prev and log time are given inside the write transaction, from the last
 *    record there: so seq is dense and is the order of commits over all processes.
 * 2. The records of one request are side by side, in one commit.
 * 3. A request's memory is touched by the leader only between being queued and
 *    `is_done`, which is set and read under the lock.
 * 4. Log time is the clock's, but never less than that of the record before: a clock that wobbles
 *    is not followed back. One that is behind by more than CLOCK_STEP_US was wrong before, or is wrong
 *    now: log time follows it, and the records from there on are of another era (record.h).
 * 5. `last` is of the commit `last.txnid`. When the transaction before ours has that
 *    number, nobody has written since and the file need not be read.
 *
 * After each commit the leader wakes the readers that wait for events, in any process (shared.c);
 * that costs one load when there are none.
 *
 * A commit that is not flushed takes less time than putting a thread to sleep and waking it, so a
 * waiting thread spins briefly before it sleeps (8 senders in a fast log: three times the events).
 *
 * A group that does not fit on the disk is tried again one request at a time, so that a large one
 * does not fail the small ones. Absent: a limit to the queue (it holds at most one request for
 * each thread) and any waiting for a fuller group.
 */
#include "append.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "clock.h"
#include "env.h"
#include "error.h"
#include "random.h"
#include "shared.h"

#define GROUP_SIZE_MAX ((size_t)8 << 20) /* a request larger than this goes alone */
#define MESSAGE_SIZE 512
#define SPINS 20 /* before sleeping */

struct request {
    struct record *records;
    size_t count, size;
    bool is_done;
    int result;
    char message[MESSAGE_SIZE]; /* the leader's sentence, when it failed */
    pthread_cond_t wake;
    struct request *next;
};

struct last {
    uint64_t txnid, seq, chain;
    int64_t log_time_us;
    uint16_t era;
};

struct appender {
    struct env *events;
    struct shared *shared; /* where readers wait */
    uint64_t origin;
    pthread_mutex_t lock;
    struct request *first, **end; /* the queue */
    bool is_led;
    struct last last; /* the leader's */
};

int appender_open(struct env *events, struct shared *shared, uint64_t origin,
                  struct appender **opened)
{
    struct appender *appender = calloc(1, sizeof *appender);
    if (!appender)
        return error_nomem();
    appender->events = events;
    appender->shared = shared;
    appender->origin = origin;
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
    size_t size;
    struct last last; /* after this group */
};

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
    group->last = (struct last){.chain = group->appender->origin};
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

static int append_one(struct env *events, struct last *last, struct record *record)
{
    unsigned char key[sizeof(uint64_t)];
    void *bytes;
    record->seq = last->seq + 1;
    record->prev = last->chain;
    record->log_time_us = last->log_time_us;
    record->era = last->era;
    be64_store(key, record->seq);
    int result = env_append(events, key, sizeof key, record_size(record), &bytes);
    if (result)
        return result;
    record_encode(record, bytes);
    last->seq = record->seq;
    last->chain = record->chain;
    return EVLOG_OK;
}

static int fill(struct env *events, void *ctx)
{
    struct group *group = ctx;
    struct last *last = &group->last;
    uint64_t txnid = env_txnid(events);
    int result = EVLOG_OK;
    *last = group->appender->last;
    if (last->txnid != txnid - 1 || last->seq == 0)
        result = read_last(group, events);
    last->txnid = txnid;
    int64_t now_us = clock_wall_us();
    env_note_time(events, now_us);
    if (result == EVLOG_OK)
        result = set_time(last, now_us);
    for (struct request *request = group->first; request; request = request->next)
        for (size_t i = 0; result == EVLOG_OK && i < request->count; i++)
            result = append_one(events, last, &request->records[i]);
    return result;
}

/* -------------------------------------------------------- the leader ---- */

static int commit(struct group *group)
{
    int result = env_write(group->appender->events, ENV_FLUSH_ALL, group->size, fill, group);
    if (result == EVLOG_OK) {
        group->appender->last = group->last;
        shared_wake(group->appender->shared);
    }
    return result;
}

static int commit_alone(struct appender *appender, struct request *request)
{
    struct group group = {.appender = appender, .first = request, .size = request->size};
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
        request->result = result;
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
        group->size += (*end)->size;
        end = &(*end)->next;
    } while (*end && group->size + (*end)->size <= GROUP_SIZE_MAX);
    appender->first = *end;
    if (!appender->first)
        appender->end = &appender->first;
    *end = NULL;
}

/* Commits one group. With the lock held, except during the commit. */
static void lead(struct appender *appender)
{
    struct group group;
    appender->is_led = true;
    take_group(appender, &group);
    pthread_mutex_unlock(&appender->lock);
    commit_group(&group);
    pthread_mutex_lock(&appender->lock);
    for (struct request *request = group.first, *next; request; request = next) {
        next = request->next; /* its thread frees it once it is done and the lock is free */
        request->is_done = true;
        pthread_cond_signal(&request->wake);
    }
    appender->is_led = false;
    if (appender->first)
        pthread_cond_signal(&appender->first->wake);
}

/* Lets other threads run a few times while there is a leader. With the lock held at both ends. */
static void spin(struct appender *appender, const struct request *request)
{
    for (int i = 0; i < SPINS && appender->is_led && !request->is_done; i++) {
        pthread_mutex_unlock(&appender->lock);
        sched_yield();
        pthread_mutex_lock(&appender->lock);
    }
}

int append_records(struct appender *appender, struct record *records, size_t count)
{
    struct request request = {.records = records, .count = count};
    for (size_t i = 0; i < count; i++) {
        int result = random_bytes(records[i].salt, sizeof records[i].salt);
        if (result)
            return result;
        if (i + 1 < count)
            records[i].flags |= RECORD_MORE;
        request.size += record_size(&records[i]);
    }
    pthread_cond_init(&request.wake, NULL);
    pthread_mutex_lock(&appender->lock);
    *appender->end = &request;
    appender->end = &request.next;
    spin(appender, &request);
    while (!request.is_done) {
        if (appender->is_led)
            pthread_cond_wait(&request.wake, &appender->lock);
        else
            lead(appender);
    }
    pthread_mutex_unlock(&appender->lock);
    pthread_cond_destroy(&request.wake);
    if (request.result)
        error_set(request.result, "%s", request.message);
    return request.result;
}
