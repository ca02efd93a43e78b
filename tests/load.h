/*
 * Events whose data follow from their number: what the stress tests send, and how
 * they know again in the log what was sent.
 *
 *   {"n": 16 bytes: number 8, index 4, count 4, "f": filler that follows from them}
 */
#ifndef LOAD_H
#define LOAD_H

#include <time.h>

#include "test.h"

#define LOAD_TYPE "org.evlog.load.v1"
#define LOAD_HEAD_SIZE 28
#define LOAD_SIZE_MAX (LOAD_HEAD_SIZE + 16384)

/* An event: the number of its send and, of one of many sent at once, which. */
struct load {
    uint64_t number;
    uint32_t index, count;
};

/* splitmix64 */
static inline uint64_t load_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* EVLOG_SEED, or the clock; printed, so that a run can be repeated. */
static inline uint64_t load_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *given = getenv("EVLOG_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_nsec ^ (uint64_t)getpid();
    printf("EVLOG_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* The next random number below `bound`. */
static inline uint64_t load_random(uint64_t *state, uint64_t bound)
{
    *state += 1;
    return load_mix(*state) % bound;
}

static inline int64_t load_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The data of an event; mostly small, one in 32 up to LOAD_SIZE_MAX. */
static inline size_t load_make(struct load load, unsigned char data[LOAD_SIZE_MAX])
{
    uint64_t hash = load_mix(load.number * 131 + load.index);
    size_t size = hash % 32 ? (hash >> 8) % 200 : (hash >> 8) % (LOAD_SIZE_MAX - LOAD_HEAD_SIZE);
    memcpy(data, "\x82\xa1n\xc4\x10", 5);
    memcpy(data + 5, &load.number, 8);
    memcpy(data + 13, &load.index, 4);
    memcpy(data + 17, &load.count, 4);
    memcpy(data + 21,
           "\xa1"
           "f\xc6",
           3);
    for (int i = 0; i < 4; i++)
        data[24 + i] = (unsigned char)(size >> (24 - 8 * i));
    for (size_t i = 0; i < size; i++)
        data[LOAD_HEAD_SIZE + i] = (unsigned char)((hash >> (i % 56)) + i / 7);
    return LOAD_HEAD_SIZE + size;
}

/* Which event this is; 0 when its data are not exactly those of one that was made. */
static inline int load_known(const evlog_event *event, struct load *load)
{
    static _Thread_local unsigned char expected[LOAD_SIZE_MAX];
    if (event->data_size < LOAD_HEAD_SIZE)
        return 0;
    const unsigned char *data = event->data;
    memcpy(&load->number, data + 5, 8);
    memcpy(&load->index, data + 13, 4);
    memcpy(&load->count, data + 17, 4);
    return load_make(*load, expected) == event->data_size &&
           memcmp(expected, data, event->data_size) == 0;
}

#endif
