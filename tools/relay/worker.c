/*
 * A thread that works while the relay's own does something else: one piece of work at a time.
 *
 *   IDLE -> BEGUN -> ENDED -> IDLE, or at last IDLE -> CLOSED
 *
 * 1. What the work uses is the thread's while it is BEGUN, else the relay's: so it needs no lock of its own.
 * 2. The thread has all signals blocked, so that they come to the relay's, whose waiting they end. Work that may
 *    take long looks at stop_is_asked.
 * 3. broker_why is one for each thread; worker_end takes the sentence over.
 */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum state { IDLE, BEGUN, ENDED, CLOSED };

struct worker {
    enum outcome (*work)(void *ctx);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    enum state state;
    enum outcome outcome;
    char why[512];
};

/* Waits until the state is not `state`. */
static void wait_while(struct worker *worker, enum state state)
{
    while (worker->state == state)
        pthread_cond_wait(&worker->changed, &worker->lock);
}

static void set_state(struct worker *worker, enum state state)
{
    worker->state = state;
    pthread_cond_broadcast(&worker->changed);
}

static void work_once(struct worker *worker)
{
    pthread_mutex_unlock(&worker->lock);
    enum outcome outcome = worker->work(worker->ctx);
    pthread_mutex_lock(&worker->lock);
    worker->outcome = outcome;
    snprintf(worker->why, sizeof worker->why, "%s", broker_why());
    set_state(worker, ENDED);
}

static void *run(void *ctx)
{
    struct worker *worker = ctx;
    pthread_mutex_lock(&worker->lock);
    while (worker->state != CLOSED) {
        if (worker->state == BEGUN)
            work_once(worker);
        wait_while(worker, worker->state);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static int start(struct worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum;
}

struct worker *worker_new(enum outcome (*work)(void *ctx), void *ctx)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->work = work;
    worker->ctx = ctx;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    if (start(worker)) {
        free(worker);
        return NULL;
    }
    return worker;
}

void worker_begin(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    set_state(worker, BEGUN);
    pthread_mutex_unlock(&worker->lock);
}

enum outcome worker_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    wait_while(worker, BEGUN);
    enum outcome outcome = broker_fail(worker->outcome, "%s", worker->why);
    set_state(worker, IDLE);
    pthread_mutex_unlock(&worker->lock);
    return outcome;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    wait_while(worker, BEGUN);
    set_state(worker, CLOSED);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
