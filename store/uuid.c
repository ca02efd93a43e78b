/*
 * UUID version 1 (RFC 9562 section 5.1), as openedx-events gives its events.
 *
 *   time_low 32 | time_mid 16 | version 4, time_high 12 | variant 2, clock_seq 14 | node 48
 *
 * libuuid asks a daemon for each one and takes 7 us; this takes a clock read.
 *
 * Unique, because: within a process the 60-bit time (100 ns since 1582) is
 * made to grow with every call by a compare-and-swap, also when the clock stands
 * or steps back; between processes node and clock_seq are 61 random bits
 * with the multicast bit set (section 6.10), drawn anew in a forked child. The
 * counter may run ahead of the clock when more than 10 a microsecond are asked
 * for, and then waits for no one: the time is a uniqueness device first.
 *
 * A forked child is told by pthread_atfork and settles anew; asking for the pid each
 * time would be a system call. (A child made by a bare clone(2) is not told.) Lost on
 * purpose: the clock_seq across restarts, which is random anew.
 */
#include "uuid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define GREGORIAN_OFFSET UINT64_C(0x01b21dd213814000) /* 1582-10-15 to 1970, in 100 ns */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over settling */
static atomic_int settled;
static _Atomic uint64_t last_time;
static _Atomic uint64_t place; /* clock_seq << 48 | node; good when settled */

/* Held across fork: a child's copy must not be locked by a thread it does not have. */
static void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

static void unsettle(void)
{
    atomic_store(&settled, 0);
    unlock();
}

static uint64_t random_place(void)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) {
        struct timespec now; /* no getrandom: an old kernel or a closed sandbox */
        clock_gettime(CLOCK_MONOTONIC, &now);
        random =
            ((uint64_t)getpid() << 40) ^ ((uint64_t)now.tv_nsec << 20) ^ (uint64_t)now.tv_sec;
    }
    return (random & UINT64_C(0x3fffffffffffffff)) | UINT64_C(1) << 40;
}

static void settle(void)
{
    static int watched;
    lock();
    if (!watched) {
        pthread_atfork(lock, unlock, unsettle);
        watched = 1;
    }
    if (!atomic_load(&settled)) {
        atomic_store(&place, random_place());
        atomic_store(&settled, 1);
    }
    unlock();
}

static uint64_t next_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t wanted =
        (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100 + GREGORIAN_OFFSET;
    uint64_t last = atomic_load(&last_time);
    uint64_t next;
    do
        next = wanted > last ? wanted : last + 1;
    while (!atomic_compare_exchange_weak(&last_time, &last, next));
    return next;
}

void uuid_make(uint8_t uuid[16])
{
    if (!atomic_load(&settled))
        settle();
    uint64_t ticks = next_time();
    uint64_t where = atomic_load(&place);
    uint64_t high = ticks << 32 | (ticks >> 16 & 0xffff0000) | 0x1000 | (ticks >> 48 & 0x0fff);
    uint64_t low = UINT64_C(1) << 63 | where;
    for (int i = 0; i < 8; i++) {
        uuid[i] = (uint8_t)(high >> (56 - 8 * i));
        uuid[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
}

void uuid_format(const uint8_t uuid[16], char text[37])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        *text++ = digits[uuid[i] >> 4];
        *text++ = digits[uuid[i] & 15];
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *text++ = '-';
    }
    *text = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *text, uint8_t uuid[16])
{
    uint8_t parsed[16];
    for (int i = 0; i < 16; i++) {
        int high = digit(*text);
        int low = high < 0 ? -1 : digit(text[1]);
        if (low < 0)
            return -1;
        parsed[i] = (uint8_t)(high << 4 | low);
        text += 2;
        if ((i == 3 || i == 5 || i == 7 || i == 9) && *text++ != '-')
            return -1;
    }
    if (*text != '\0')
        return -1;
    memcpy(uuid, parsed, sizeof parsed);
    return 0;
}
