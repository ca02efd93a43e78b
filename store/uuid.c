/*
 * UUID version 1 (RFC 9562 section 5.1), as openedx-events gives its events, and UUIDs as text.
 *
 *   time_low 32 | time_mid 16 | version 4, time_high 12 | variant 2, clock_seq 14 | node 48
 *
 * libuuid asks a daemon for each one and takes 7 us; this takes a clock read.
 *
 * Unique, because: within a process the 60-bit time (100 ns since 1582) is made to grow with every
 * call by a compare-and-swap, also when the clock stands still or steps back; between processes
 * node and clock_seq are 61 random bits with the multicast bit set (section 6.10), drawn anew in a
 * forked child. The counter may run ahead of the clock when more than 10 a microsecond are asked
 * for, and does not wait then: the time serves uniqueness first.
 *
 * In a forked child pthread_atfork has the bits drawn anew; comparing the pid each time would be a
 * system call. (After a bare clone(2) they are not.) Absent on purpose: a clock_seq that is kept
 * across restarts.
 */
#include "uuid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "be64.h"
#include "error.h"
#include "hex.h"

#define UUID_DIGITS 32
#define GREGORIAN_OFFSET UINT64_C(0x01b21dd213814000) /* 1582-10-15 to 1970, in 100 ns */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over drawing */
static atomic_bool is_drawn;
static _Atomic uint64_t last_time;
static _Atomic uint64_t place; /* clock_seq << 48 | node; valid when is_drawn */

/* Held across fork: a child's copy must not be locked by a thread it does not have. */
static void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

static void unlock_in_child(void)
{
    atomic_store(&is_drawn, false);
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

static void draw_place(void)
{
    static bool is_watching;
    lock();
    if (!is_watching) {
        pthread_atfork(lock, unlock, unlock_in_child);
        is_watching = true;
    }
    if (!atomic_load(&is_drawn)) {
        atomic_store(&place, random_place());
        atomic_store(&is_drawn, true);
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
    if (!atomic_load(&is_drawn))
        draw_place();
    uint64_t ticks = next_time();
    uint64_t low = UINT64_C(1) << 63 | atomic_load(&place);
    uint64_t high = ticks << 32 | (ticks >> 16 & 0xffff0000) | 0x1000 | (ticks >> 48 & 0x0fff);
    be64_store(uuid, high);
    be64_store(uuid + 8, low);
}

/* ---------------------------------------------------------------- text ---- */

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

const char *evlog_uuid_text(const uint8_t id[16], char text[EVLOG_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0, nibble = 0; i < UUID_TEXT_SIZE; i++) {
        text[i] = is_dash(i) ? '-' : digits[id[nibble / 2] >> (nibble % 2 ? 0 : 4) & 15];
        nibble += !is_dash(i);
    }
    text[UUID_TEXT_SIZE] = '\0';
    return text;
}

/* Reads 32 digits, with dashes or without. */
static bool parse(const char *text, bool has_dashes, uint8_t uuid[16])
{
    uint8_t parsed[16] = {0};
    size_t size = has_dashes ? UUID_TEXT_SIZE : UUID_DIGITS;
    for (size_t i = 0, nibble = 0; i < size; i++) {
        int value = hex_value(text[i]);
        if (has_dashes && is_dash(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        if (value < 0)
            return false;
        parsed[nibble / 2] |= (uint8_t)(value << (nibble % 2 ? 0 : 4));
        nibble++;
    }
    memcpy(uuid, parsed, sizeof parsed);
    return true;
}

bool uuid_parse(const char *text, size_t size, uint8_t uuid[16])
{
    return size == UUID_TEXT_SIZE && parse(text, true, uuid);
}

int evlog_uuid_parse(const char *text, uint8_t id[16])
{
    size_t size = text ? strlen(text) : 0;
    if (!id || (size != UUID_TEXT_SIZE && size != UUID_DIGITS) ||
        !parse(text, size == UUID_TEXT_SIZE, id))
        return error_set(EVLOG_INVALID, "\"%.60s\" is not a UUID, or there is no place for it",
                         text ? text : "");
    return EVLOG_OK;
}
