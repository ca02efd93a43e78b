/*
 * Flushing events.mdb in the background.
 *
 * Commits of liblmdb are not flushed one by one. A flush of the log is, in this order:
 *
 *   1. read where the journal ends (shared.c), then copy the images of the newest state (edge.c)
 *   2. fdatasync(events.mdb)
 *   3. write the images to `edge`, fdatasync(edge)
 *   4. let all processes know (shared.c): the journal before that place is not needed any more
 *
 * What was committed between 1 and 3 changes no page of that state but those that were copied. The
 * journal's place was read before the state, so it may be of an earlier event, never of a later
 * one. A reader's slot holds the pages while they are copied, so writers go on; where a process can have
 * no slot, it may take the writer's lock for that long (env.c).
 *
 * Any process may do 2 to 4, one at a time (a lock of held.c on events.mdb, which a process that dies gives
 * back). A fast log is flushed every flush_every_ms when there was a commit; a durable one when its
 * journal has gone on to another part.
 *
 * The thread does other work, too, a piece at a time between its flushes: applying the retention policy (retain.c),
 * which is set before the first commit. After each commit it costs two loads to see whether it is due.
 *
 * A flush that fails is final: the kernel may have dropped what it could not write, and report the next
 * one as good. All processes see it (shared_fail). All signals are blocked in this thread: they are
 * for the program's own threads.
 */
#include "flusher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "env.h"
#include "error.h"
#include "held.h"

#define FLUSHING_AT \
    ((INT64_C(1) << 60) - 1) /* the byte that is locked, before those of presence.c */
#define POLL_NS 1000000

enum kind {
    FLUSH,
    RESTART, /* by the holder of the lock of events.mdb: the journal is begun anew behind this state */
    SCRUB,       /* ... and no older state is left in `edge` */
    SCRUB_AGAIN, /* ... also where a flush has failed, perhaps */
};

struct flusher {
    struct flusher_parts parts;
    uint32_t every_ms;
    pthread_mutex_t flushing; /* one thread of this process */
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t wake;
    bool has_thread, is_wanted, is_stopping, is_work_wanted;

    flusher_work *work; /* or NULL */
    void *work_ctx;
    /* Of the commit after which it is due: the log time, or the seq, whichever comes first. */
    _Atomic int64_t work_at_us;
    _Atomic uint64_t work_at_seq;
    _Atomic uint32_t work_retention; /* the policy's number when it was last done */
};

/* ------------------------------------------------------------- a flush ---- */

/* The number of the newest commit; 0: it cannot be read now. */
static uint64_t newest_txnid(const struct flusher *flusher)
{
    struct page_snapshot newest = {.txnid = 0};
    env_snapshot(flusher->parts.events, &newest);
    return newest.txnid;
}

/* Whether a commit is flushed, by whichever process. */
static bool is_flushed(const struct flusher *flusher, uint64_t txnid)
{
    const struct shared_flushed *flushed = shared_flushed(flusher->parts.presence->shared);
    return txnid && atomic_load(&flushed->txnid) >= txnid;
}

static int fail_busy(const struct presence *presence)
{
    char text[PRESENCE_TEXT_SIZE];
    uint32_t word = atomic_load(&shared_flushed(presence->shared)->process);
    return error_set(EVLOG_BUSY, "events.mdb: %s has been flushing it for %u ms: is it stopped?",
                     presence_text(presence_process(presence->shared, word), text),
                     presence->wait_ms);
}

/*
 * Excludes other threads, and then other processes. `*is_done`: another one has flushed the commit
 * `txnid` (0: none) meanwhile, and nothing is excluded.
 */
static int begin(struct flusher *flusher, uint64_t txnid, bool *is_done)
{
    const struct presence *presence = flusher->parts.presence;
    int64_t until_us = clock_monotonic_us() + (int64_t)presence->wait_ms * 1000;
    int errnum;
    pthread_mutex_lock(&flusher->flushing);
    while ((errnum = held_lock(presence->fd, FLUSHING_AT, HELD_ALONE)) == EAGAIN &&
           !is_flushed(flusher, txnid) && clock_monotonic_us() < until_us)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    *is_done = is_flushed(flusher, txnid);
    if (!*is_done && !errnum) {
        atomic_store(&shared_flushed(presence->shared)->process, presence->word);
        return EVLOG_OK;
    }
    if (!errnum)
        held_unlock(presence->fd, FLUSHING_AT);
    pthread_mutex_unlock(&flusher->flushing);
    if (*is_done)
        return EVLOG_OK;
    if (errnum == EAGAIN)
        return fail_busy(presence);
    return error_errno(errnum, "locking a byte of it", "events.mdb");
}

static void end(struct flusher *flusher)
{
    held_unlock(flusher->parts.presence->fd, FLUSHING_AT);
    pthread_mutex_unlock(&flusher->flushing);
}

struct capture {
    uint64_t origin;
    struct edge_state state;
};

static int copy_state(const struct page_snapshot *snapshot, void *ctx)
{
    struct capture *capture = ctx;
    edge_state_free(&capture->state); /* of an earlier try */
    return edge_capture(snapshot, capture->origin, &capture->state);
}

/*
 * Step 1. With nothing excluded: the reading may take the writer's lock (env_read), whose holder may be
 * about to flush. `*has_end` is false when the journal's end is not known. A fast log, which is flushed at an interval,
 * has no journal, and does not ask.
 */
static int capture(struct flusher *flusher, enum kind kind, struct edge_state *state,
                   bool *has_end)
{
    struct shared *shared = flusher->parts.presence->shared;
    struct capture captured = {.origin = flusher->parts.origin};
    struct shared_end journal = {.place = 0};
    bool is_known = kind != FLUSH || shared_end_get(shared, &journal);
    *has_end = is_known || flusher->every_ms;
    if (!is_known)
        journal = (struct shared_end){.place = 0}; /* it may be half of one and half of another */
    if (!*has_end)
        return EVLOG_OK; /* its writer died: the next one finds the end and sets it */
    int result = env_read(flusher->parts.events, kind == FLUSH ? ENV_NEWEST : ENV_LOCKED,
                          copy_state, &captured);
    if (result)
        return result;
    *state = captured.state;
    if (kind != FLUSH)
        journal = (struct shared_end){.place = 0, .seq = state->seq, .chain = state->chain};
    state->journal = journal;
    return EVLOG_OK;
}

/* Steps 2 to 4. */
static int write_state(struct flusher *flusher, const struct edge_state *state, enum kind kind)
{
    struct edge *edge = flusher->parts.edge;
    struct shared *shared = flusher->parts.presence->shared;
    struct shared_flushed *flushed = shared_flushed(shared);
    int result = env_flush(flusher->parts.events);
    if (result)
        return result;
    result = kind == FLUSH || kind == RESTART ? edge_write(edge, state)
                                              : edge_scrub(edge, state, kind == SCRUB_AGAIN);
    if (result && result != EVLOG_FULL && result != EVLOG_NOMEM) /* then nothing was written */
        shared_fail(shared);
    if (result)
        return result;
    atomic_store(&flushed->place, state->journal.place);
    atomic_store(&flushed->txnid, state->txnid);
    atomic_store(&flushed->seq, state->seq);
    return EVLOG_OK;
}

static int flush_state(struct flusher *flusher, const struct edge_state *state, enum kind kind)
{
    bool is_done;
    int result = begin(flusher, kind == FLUSH ? state->txnid : 0, &is_done);
    if (result || is_done)
        return result;
    result = write_state(flusher, state, kind);
    if (kind != FLUSH && result == EVLOG_OK)
        shared_end_set(flusher->parts.presence->shared, state->journal);
    end(flusher);
    return result;
}

static int flush(struct flusher *flusher, enum kind kind)
{
    struct edge_state state;
    bool has_end;
    int result = shared_check(flusher->parts.presence->shared, false);
    if (result)
        return result;
    if (kind == FLUSH && is_flushed(flusher, newest_txnid(flusher)))
        return EVLOG_OK;
    result = capture(flusher, kind, &state, &has_end);
    if (result || !has_end)
        return result;
    result = flush_state(flusher, &state, kind);
    edge_state_free(&state);
    return result;
}

int flusher_flush(struct flusher *flusher)
{
    return flush(flusher, FLUSH);
}

int flusher_restart(struct flusher *flusher)
{
    return flush(flusher, RESTART);
}

/*
 * A process that has copied an older state and waits for this one finds it flushed, and writes nothing: it has
 * copied no state of the holder of the lock, so it asks (begin).
 */
int flusher_scrub(struct flusher *flusher, bool is_again)
{
    return flush(flusher, is_again ? SCRUB_AGAIN : SCRUB);
}

void flusher_need(struct flusher *flusher, uint64_t txnid)
{
    struct shared_flushed *flushed = shared_flushed(flusher->parts.presence->shared);
    if (atomic_load(&flushed->needed_txnid) <=
        atomic_load(&flushed->txnid)) /* else the earlier one counts */
        atomic_store(&flushed->needed_txnid, txnid);
}

int flusher_settle(struct flusher *flusher)
{
    const struct shared_flushed *flushed = shared_flushed(flusher->parts.presence->shared);
    uint64_t needed = atomic_load(&flushed->needed_txnid);
    if (needed <= atomic_load(&flushed->txnid) || newest_txnid(flusher) <= needed)
        return EVLOG_OK;
    return flusher_restart(flusher);
}

int flusher_write(struct flusher *flusher, int (*fill)(struct env *events, void *ctx), void *ctx)
{
    int result = flusher_settle(flusher);
    return result ? result
                  : env_write_locked(flusher->parts.events, ENV_FLUSH_ALL,
                                     (struct env_size){0, 0}, fill, ctx);
}

int flusher_flush_upto(struct flusher *flusher, uint64_t seq)
{
    const struct shared_flushed *flushed = shared_flushed(flusher->parts.presence->shared);
    return atomic_load(&flushed->seq) >= seq ? EVLOG_OK : flusher_flush(flusher);
}

/* ---------------------------------------------------------- the thread ---- */

static struct timespec later(uint32_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Until there is something to do. With the lock held. */
static void wait_for_work(struct flusher *flusher)
{
    struct timespec at = later(flusher->every_ms);
    while (!flusher->is_wanted && !flusher->is_stopping)
        if (!flusher->every_ms)
            pthread_cond_wait(&flusher->wake, &flusher->lock);
        else if (pthread_cond_timedwait(&flusher->wake, &flusher->lock, &at))
            return;
}

static uint32_t retention_of(const struct flusher *flusher)
{
    return atomic_load(&shared_flushed(flusher->parts.presence->shared)->retention);
}

static void set_due(struct flusher *flusher, struct flusher_due due)
{
    atomic_store(&flusher->work_at_seq, due.seq);
    atomic_store(&flusher->work_at_us, due.log_time_us);
}

/* A piece of the other work; with the lock held, except during it. */
static void do_work(struct flusher *flusher)
{
    flusher->is_work_wanted = false;
    pthread_mutex_unlock(&flusher->lock);
    atomic_store(&flusher->work_retention, retention_of(flusher));
    struct flusher_due due = flusher->work(flusher->work_ctx);
    set_due(flusher, due);
    pthread_mutex_lock(&flusher->lock);
    if (due.log_time_us == FLUSHER_WORK_GOES_ON.log_time_us)
        flusher->is_wanted = flusher->is_work_wanted = true;
}

/* When it is to stop, one piece of the work is done if it is due: a process may be there for one send only. */
static void *run(void *ctx)
{
    struct flusher *flusher = ctx;
    pthread_mutex_lock(&flusher->lock);
    for (;;) {
        wait_for_work(flusher);
        if (flusher->is_work_wanted)
            do_work(flusher);
        if (flusher->is_stopping)
            break;
        flusher->is_wanted = flusher->is_work_wanted;
        pthread_mutex_unlock(&flusher->lock);
        flusher_flush(flusher); /* a failure is noted for the next send */
        pthread_mutex_lock(&flusher->lock);
    }
    pthread_mutex_unlock(&flusher->lock);
    return NULL;
}

/* With the lock held. */
static int start(struct flusher *flusher)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&flusher->thread, NULL, run, flusher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    flusher->has_thread = errnum == 0;
    return errnum;
}

static void wake(struct flusher *flusher, bool is_work)
{
    pthread_mutex_lock(&flusher->lock);
    flusher->is_wanted = true;
    flusher->is_work_wanted |= is_work;
    if (!flusher->has_thread)
        start(flusher); /* if it cannot be: the sender that needs the flush makes it */
    pthread_cond_signal(&flusher->wake);
    pthread_mutex_unlock(&flusher->lock);
}

void flusher_wake(struct flusher *flusher)
{
    wake(flusher, false);
}

void flusher_set_work(struct flusher *flusher, flusher_work *work, void *ctx)
{
    flusher->work = work;
    flusher->work_ctx = ctx;
    set_due(flusher, FLUSHER_WORK_IS_DONE);
    atomic_store(&flusher->work_retention, retention_of(flusher));
}

void flusher_work_is_due(struct flusher *flusher)
{
    set_due(flusher, FLUSHER_WORK_GOES_ON);
}

/* A commit whose log time has stepped back far is not waited for. */
static bool is_due(const struct flusher *flusher, int64_t log_time_us, uint64_t seq)
{
    int64_t at_us = atomic_load(&flusher->work_at_us);
    if (atomic_load(&flusher->work_retention) != retention_of(flusher))
        return true;
    return at_us != FLUSHER_WORK_IS_DONE.log_time_us &&
           (log_time_us >= at_us || log_time_us < at_us - CLOCK_STEP_US ||
            seq >= atomic_load(&flusher->work_at_seq));
}

void flusher_committed(struct flusher *flusher, int64_t log_time_us, uint64_t seq)
{
    if (flusher->work && is_due(flusher, log_time_us, seq)) {
        set_due(flusher, FLUSHER_WORK_IS_DONE); /* until the thread has set it */
        atomic_store(&flusher->work_retention, retention_of(flusher));
        wake(flusher, true);
    }
}

void flusher_has_no_room(struct flusher *flusher)
{
    flusher_committed(flusher, INT64_MAX, UINT64_MAX);
}

int flusher_open(const struct flusher_parts *parts, uint32_t every_ms, struct flusher **opened)
{
    struct flusher *flusher = calloc(1, sizeof *flusher);
    if (!flusher)
        return error_nomem();
    flusher->parts = *parts;
    flusher->every_ms = every_ms;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&flusher->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&flusher->lock, NULL);
    pthread_mutex_init(&flusher->flushing, NULL);
    *opened = flusher;
    return EVLOG_OK;
}

/* The thread of an interval; at the end of opening. */
int flusher_start(struct flusher *flusher)
{
    int errnum = flusher->every_ms && !flusher->has_thread ? start(flusher) : 0;
    return errnum ? error_errno(errnum, "starting a thread", "EVLOG_FAST") : EVLOG_OK;
}

int flusher_close(struct flusher *flusher)
{
    int result = EVLOG_OK;
    if (!flusher)
        return EVLOG_OK;
    pthread_mutex_lock(&flusher->lock);
    flusher->is_stopping = true;
    pthread_cond_signal(&flusher->wake);
    pthread_mutex_unlock(&flusher->lock);
    if (flusher->has_thread) {
        pthread_join(flusher->thread, NULL);
        result = flusher->every_ms ? flusher_flush(flusher) : EVLOG_OK;
    }
    pthread_cond_destroy(&flusher->wake);
    pthread_mutex_destroy(&flusher->lock);
    pthread_mutex_destroy(&flusher->flushing);
    free(flusher);
    return result;
}
