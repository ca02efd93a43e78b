/*
 * Group commit.
 *
 * A durable commit costs two flushes of the disk, whatever is in it, and only one
 * can be under way. So who wants to append queues up, and whoever finds nobody
 * leading becomes the leader: it takes all that has queued, commits it as one
 * transaction, and wakes those whose records were in it. Meanwhile the next queue
 * grows: under load the groups become as large as the commits are slow, with no timer
 * to tune, and a lone sender never waits for anybody.
 *
 * 1. seq, prev and log time are given inside the write transaction, from the last
 *    record there: so seq is dense and is the order of commits over all processes.
 * 2. The records of one request are side by side, in one commit.
 * 3. A request's memory is touched by the leader only between being queued and
 *    `done`, which is set under the lock.
 * 4. `last` is of the commit `last.txnid`. When the transaction before ours has that
 *    number, nobody has written since and the file need not be read.
 *
 * After each commit the leader wakes who waits for events, in any process (shared.c): a load,
 * when nobody does.
 *
 * A commit that is not flushed is over sooner than a thread is put to sleep and woken, so
 * who waits looks a few times before he sleeps (8 senders in a fast log: three times
 * the events).
 *
 * A group that finds the disk full is tried again one request at a time: a large
 * one must not fail the small ones. Absent: a limit to the queue (it holds as many
 * requests as there are threads) and any waiting for a fuller group.
 */
#include "append.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "clock.h"
#include "env.h"
#include "error.h"
#include "shared.h"

#define GROUP_SIZE_MAX ((size_t)8 << 20) /* a request larger than this goes alone */
#define MESSAGE_SIZE 512
#define SPINS 20 /* looks before sleeping */

struct request {
    struct record *records;
    size_t count, size;
    atomic_int done;
    int result;
    char message[MESSAGE_SIZE]; /* the leader's sentence, when it failed */
    pthread_cond_t wake;
    struct request *next;
};

struct last {
    uint64_t txnid, seq, chain;
    int64_t log_time_us;
};

struct appender {
    struct env *events;
    struct shared *shared; /* whom to wake */
    uint64_t origin;
    pthread_mutex_t lock;
    struct request *first, **end; /* the queue */
    int leading;
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

/* Reads the last record of the state this transaction began with. */
static int read_last(struct group *group, struct env *events)
{
    struct page_snapshot snapshot;
    struct page_cursor cursor;
    struct page_node node;
    struct record record;
    unsigned index;
    int result = env_base(events, &snapshot);
    if (result)
        return result;
    group->last = (struct last){.chain = group->appender->origin};
    if (snapshot.depth == 0)
        return EVLOG_OK;
    unsigned char *leaf = malloc(snapshot.page_size);
    if (!leaf)
        return error_nomem();
    result = page_cursor_open(&cursor, &snapshot);
    if (result == EVLOG_OK)
        result = page_seek(&cursor, NULL, 0, leaf, &index);
    page_cursor_free(&cursor);
    if (result == EVLOG_OK) {
        page_node_at(leaf, index, &node);
        void *value = NULL;
        size_t size;
        result = page_get(&snapshot, node.key, node.key_size, RECORD_SIZE_MAX, &value, &size);
        if (result == EVLOG_OK && node.key_size != sizeof(uint64_t))
            result = error_set(EVLOG_DAMAGED, "%s: its last key is no seq", snapshot.name);
        if (result == EVLOG_OK)
            result = record_decode(be64_load(node.key), value, size, &record);
        free(value);
    }
    free(leaf);
    if (result)
        return result;
    group->last = (struct last){
        .seq = record.seq, .chain = record.chain, .log_time_us = record.log_time_us};
    return EVLOG_OK;
}

static int fill(struct env *events, void *ctx)
{
    struct group *group = ctx;
    struct last *last = &group->last;
    uint64_t txnid = env_txnid(events);
    *last = group->appender->last;
    if (last->txnid != txnid - 1 || last->seq == 0) {
        int result = read_last(group, events);
        if (result)
            return result;
    }
    last->txnid = txnid;
    int64_t now = clock_wall_us();
    if (now > last->log_time_us)
        last->log_time_us = now;
    for (struct request *request = group->first; request; request = request->next) {
        for (size_t i = 0; i < request->count; i++) {
            struct record *record = &request->records[i];
            unsigned char key[sizeof(uint64_t)];
            void *bytes;
            record->seq = last->seq + 1;
            record->prev = last->chain;
            record->log_time_us = last->log_time_us;
            be64_store(key, record->seq);
            int result = env_append(events, key, sizeof key, record_size(record), &bytes);
            if (result)
                return result;
            record_encode(record, bytes);
            last->seq = record->seq;
            last->chain = record->chain;
        }
    }
    return EVLOG_OK;
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

static void settle(struct request *request, int result)
{
    request->result = result;
    if (result) {
        strncpy(request->message, evlog_errmsg(), MESSAGE_SIZE - 1);
        request->message[MESSAGE_SIZE - 1] = '\0';
    }
}

static void commit_group(struct group *group)
{
    int result = commit(group);
    int one_by_one = result == EVLOG_FULL && group->first->next;
    for (struct request *request = group->first, *next; request; request = next) {
        next = request->next;
        if (one_by_one) {
            struct group alone = {
                .appender = group->appender, .first = request, .size = request->size};
            request->next = NULL;
            result = commit(&alone);
            request->next = next;
        }
        settle(request, result);
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

/* Commits one group. With the lock held, but for the time of the commit. */
static void lead(struct appender *appender)
{
    struct group group;
    appender->leading = 1;
    take_group(appender, &group);
    pthread_mutex_unlock(&appender->lock);
    commit_group(&group);
    pthread_mutex_lock(&appender->lock);
    for (struct request *request = group.first, *next; request; request = next) {
        next = request->next; /* once it is done its owner may be gone */
        request->done = 1;
        pthread_cond_signal(&request->wake);
    }
    appender->leading = 0;
    if (appender->first)
        pthread_cond_signal(&appender->first->wake);
}

/* Lets others run a few times while a leader is at work. With the lock held on both ends. */
static void look_a_few_times(struct appender *appender, struct request *request)
{
    for (int i = 0; i < SPINS && appender->leading && !atomic_load(&request->done); i++) {
        pthread_mutex_unlock(&appender->lock);
        sched_yield();
        pthread_mutex_lock(&appender->lock);
    }
}

int append_records(struct appender *appender, struct record *records, size_t count)
{
    struct request request = {.records = records, .count = count};
    for (size_t i = 0; i < count; i++) {
        records[i].digest = record_digest(records[i].data, records[i].data_size);
        request.size += record_size(&records[i]);
    }
    pthread_cond_init(&request.wake, NULL);
    pthread_mutex_lock(&appender->lock);
    *appender->end = &request;
    appender->end = &request.next;
    look_a_few_times(appender, &request);
    while (!atomic_load(&request.done)) {
        if (appender->leading)
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
