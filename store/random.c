/*
 * Random bytes of the kernel (getrandom(2)).
 *
 * A call costs 700 ns and 3 ns a byte, so each thread fetches a batch and takes from that.
 *
 * 1. A batch belongs to one thread, and what was taken from it is overwritten.
 * 2. A forked child does not take from what its parent fetched: a batch has the number of forks
 *    before it, counted in the child by pthread_atfork. (After a bare clone(2) it is not.)
 *
 * Absent on purpose: a generator of our own, and bytes that are not the kernel's where it gives
 * none. Who must not guess an erased event's salt could then.
 */
#include "random.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"

#define BATCH_SIZE 2048

struct batch {
    unsigned forks; /* before it was fetched, and 1; 0: never */
    size_t left;    /* not taken yet, at the end of `bytes` */
    unsigned char bytes[BATCH_SIZE];
};

static _Thread_local struct batch batch;
static _Atomic unsigned forks = 1;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

static int fetch(unsigned forks_now)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t size = 0;
    pthread_once(&once, watch_forks);
    while (size < BATCH_SIZE) {
        ssize_t count = getrandom(batch.bytes + size, BATCH_SIZE - size, 0);
        if (count < 0 && errno != EINTR)
            return error_errno(errno, "taking random bytes", "getrandom(2)");
        size += count > 0 ? (size_t)count : 0;
    }
    batch.left = BATCH_SIZE;
    batch.forks = forks_now;
    return EVLOG_OK;
}

int random_bytes(void *bytes, size_t size)
{
    unsigned forks_now = atomic_load_explicit(&forks, memory_order_relaxed);
    assert(size <= RANDOM_SIZE_MAX);
    if (batch.forks != forks_now || batch.left < size) {
        int result = fetch(forks_now);
        if (result)
            return result;
    }
    unsigned char *from = batch.bytes + BATCH_SIZE - batch.left;
    memcpy(bytes, from, size);
    memset(from, 0, size);
    batch.left -= size;
    return EVLOG_OK;
}
