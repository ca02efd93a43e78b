/*
 * The events that are sent over power cuts and kills: their data follow from who sends them, so what is in a log
 * is known again byte for byte.
 *
 *   {"n": 16 bytes: number 8, index 4, count 4, "f": filler that follows from them}
 *
 * A number is that of a send, over all processes and threads: its highest bits say how large
 * the events are (enum event_class).
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <string.h>

#include "evlog.h"

#define EVENT_TYPE "org.evlog.power.v1"
#define EVENT_HEAD_SIZE 28
#define EVENT_SIZE_MAX (EVENT_HEAD_SIZE + (256 << 10))

enum event_class {
    EVENT_SMALL, /* up to 200 bytes */
    EVENT_LARGE, /* up to 16 KiB: with overflow pages */
    EVENT_HUGE,  /* 128 to 256 KiB */
};

struct event_name {
    uint64_t number;
    uint32_t index, count; /* of how many that were sent at once, which */
};

static inline uint64_t event_number(enum event_class class, uint64_t process, uint64_t thread,
                                    uint64_t n)
{
    return (uint64_t) class << 60 | process << 48 | thread << 40 | n;
}

/* splitmix64 */
static inline uint64_t event_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* The next random number below `bound`. */
static inline uint64_t event_random(uint64_t *state, uint64_t bound)
{
    *state += 1;
    return event_mix(*state) % bound;
}

static inline size_t event_filler_size(struct event_name name)
{
    uint64_t hash = event_mix(name.number * 131 + name.index);
    switch (name.number >> 60) {
    case EVENT_SMALL:
        return hash % 200;
    case EVENT_LARGE:
        return hash % (16 << 10);
    }
    return (128 << 10) + hash % (128 << 10);
}

static inline size_t event_make(struct event_name name, unsigned char data[EVENT_SIZE_MAX])
{
    size_t size = event_filler_size(name);
    uint64_t word = event_mix(name.number) + name.index;
    memcpy(data, "\x82\xa1n\xc4\x10", 5);
    memcpy(data + 5, &name.number, 8);
    memcpy(data + 13, &name.index, 4);
    memcpy(data + 17, &name.count, 4);
    memcpy(data + 21, "\xa1\x66\xc6", 3);
    for (int i = 0; i < 4; i++)
        data[24 + i] = (unsigned char)(size >> (24 - 8 * i));
    for (size_t i = 0; i < size; i += 8) {
        word = event_mix(word);
        memcpy(data + EVENT_HEAD_SIZE + i, &word, size - i < 8 ? size - i : 8);
    }
    return EVENT_HEAD_SIZE + size;
}

/* Which event this is; false: its data are not exactly those of one that can be made. */
static inline bool event_known(const evlog_event *event, struct event_name *name)
{
    static _Thread_local unsigned char expected[EVENT_SIZE_MAX];
    if (event->data_size < EVENT_HEAD_SIZE)
        return false;
    const unsigned char *data = event->data;
    memcpy(&name->number, data + 5, 8);
    memcpy(&name->index, data + 13, 4);
    memcpy(&name->count, data + 17, 4);
    return EVENT_HEAD_SIZE + event_filler_size(*name) == event->data_size &&
           event_make(*name, expected) == event->data_size &&
           memcmp(expected, data, event->data_size) == 0;
}

/* ------------------------------------------------ a consumer's state ---- */

/* The state after one more event: it depends on all events before and their order. */
static inline uint64_t event_fold(uint64_t sum, struct event_name name)
{
    return event_mix(sum ^ (name.number * 131 + name.index));
}

static inline int event_state(evlog_consumer *consumer, uint64_t *sum)
{
    const void *value;
    size_t size;
    *sum = 0;
    int result = evlog_state_get(consumer, "sum", 3, &value, &size);
    if (result == EVLOG_OK && size == sizeof *sum)
        memcpy(sum, value, sizeof *sum);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* Puts an event into the state. */
static inline int event_consume(evlog_consumer *consumer, struct event_name name)
{
    uint64_t sum;
    int result = event_state(consumer, &sum);
    if (result)
        return result;
    sum = event_fold(sum, name);
    return evlog_state_put(consumer, "sum", 3, &sum, sizeof sum);
}

#endif
