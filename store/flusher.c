/*
 * The thread that flushes an EVLOG_FAST log at a given interval, when there was a commit.
 *
 * Each writing process has one. A flush is of the whole file, commits of other processes
 * included; where there were none since the last flush, the thread only reads the meta pages. A
 * flush that fails marks the environment (env.c), and the next send reports it. All signals are
 * blocked in this thread: they are for the program's own threads.
 */
#include "flusher.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "env.h"
#include "error.h"

struct flusher {
    struct env *env;
    uint32_t every_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
};

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

static void *run(void *ctx)
{
    struct flusher *flusher = ctx;
    pthread_mutex_lock(&flusher->lock);
    for (;;) {
        struct timespec at = later(flusher->every_ms);
        if (!flusher->is_stopping)
            pthread_cond_timedwait(&flusher->wake, &flusher->lock, &at);
        if (flusher->is_stopping)
            break;
        pthread_mutex_unlock(&flusher->lock);
        env_flush(flusher->env);
        pthread_mutex_lock(&flusher->lock);
    }
    pthread_mutex_unlock(&flusher->lock);
    return NULL;
}

static int start(struct flusher *flusher)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&flusher->thread, NULL, run, flusher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum;
}

int flusher_open(struct env *env, uint32_t every_ms, struct flusher **opened)
{
    struct flusher *flusher = calloc(1, sizeof *flusher);
    if (!flusher)
        return error_nomem();
    flusher->env = env;
    flusher->every_ms = every_ms ? every_ms : FLUSH_EVERY_MS;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&flusher->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&flusher->lock, NULL);
    int errnum = start(flusher);
    if (errnum) {
        pthread_cond_destroy(&flusher->wake);
        pthread_mutex_destroy(&flusher->lock);
        free(flusher);
        return error_errno(errnum, "starting a thread", "EVLOG_FAST");
    }
    *opened = flusher;
    return EVLOG_OK;
}

int flusher_close(struct flusher *flusher)
{
    if (!flusher)
        return EVLOG_OK;
    pthread_mutex_lock(&flusher->lock);
    flusher->is_stopping = true;
    pthread_cond_signal(&flusher->wake);
    pthread_mutex_unlock(&flusher->lock);
    pthread_join(flusher->thread, NULL);
    int result = env_flush(flusher->env);
    pthread_cond_destroy(&flusher->wake);
    pthread_mutex_destroy(&flusher->lock);
    free(flusher);
    return result;
}
