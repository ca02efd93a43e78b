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
 * That this is a forked child is known from a counter (random.c); comparing the pid each time would
 * be a system call. Threads that draw at one moment may use one another's bits: in a process the
 * time is enough. Absent on purpose: a clock_seq that is kept across restarts.
 */
#include "uuid.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "be64.h"
#include "error.h"
#include "hex.h"
#include "random.h"

#define UUID_DIGITS 32
#define GREGORIAN_OFFSET UINT64_C(0x01b21dd213814000) /* 1582-10-15 to 1970, in 100 ns */

static _Atomic unsigned drawn_forks; /* random_forks() when `place` was drawn; 0: it was not */
static _Atomic uint64_t last_time;
static _Atomic uint64_t place; /* clock_seq << 48 | node */

static uint64_t random_place(void)
{
    uint64_t random;
    if (random_bytes(&random, sizeof random)) {
        struct timespec now; /* no getrandom: an old kernel or a closed sandbox */
        clock_gettime(CLOCK_MONOTONIC, &now);
        random =
            ((uint64_t)getpid() << 40) ^ ((uint64_t)now.tv_nsec << 20) ^ (uint64_t)now.tv_sec;
    }
    return (random & UINT64_C(0x3fffffffffffffff)) | UINT64_C(1) << 40;
}

static void draw_place(void)
{
    uint64_t drawn = random_place(); /* and forks are counted */
    atomic_store(&place, drawn);
    atomic_store(&drawn_forks, random_forks());
}

/* `wanted`: the time of day, in 100 ns since 1970. */
static uint64_t next_time(uint64_t wanted)
{
    wanted += GREGORIAN_OFFSET;
    uint64_t last = atomic_load(&last_time);
    uint64_t next;
    do
        next = wanted > last ? wanted : last + 1;
    while (!atomic_compare_exchange_weak(&last_time, &last, next));
    return next;
}

static void make(uint64_t wanted, uint8_t uuid[16])
{
    if (atomic_load(&drawn_forks) != random_forks())
        draw_place();
    uint64_t ticks = next_time(wanted);
    uint64_t low = UINT64_C(1) << 63 | atomic_load(&place);
    uint64_t high = ticks << 32 | (ticks >> 16 & 0xffff0000) | 0x1000 | (ticks >> 48 & 0x0fff);
    be64_store(uuid, high);
    be64_store(uuid + 8, low);
}

void uuid_make(uint8_t uuid[16])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    make((uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100, uuid);
}

void uuid_make_at(int64_t now_us, uint8_t uuid[16])
{
    make((uint64_t)now_us * 10, uuid);
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
