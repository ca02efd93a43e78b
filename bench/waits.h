/* The time from a send to what waits for it in another process or thread (waits.c). */
#ifndef BENCH_WAITS_H
#define BENCH_WAITS_H

#include "bench.h"

/* Shared by the sender and the waiter. */
struct waits {
    _Atomic uint32_t word;  /* of the bare futex */
    _Atomic unsigned ready; /* so many have come */
    double sent;            /* when the last one was, before the call */
    char path[4200];
    double times[];
};

/* The next one has come. */
void waits_note(struct waits *waits, unsigned i);

struct waiting {
    const char *path;
    bool in_thread;
    void (*wait)(struct waits *waits,
                 unsigned count); /* until so many have come, each of which is noted */
    void *(*open)(const char *path, const struct shape *shape);
    void (*send)(void *ctx);
    void (*close)(void *ctx);
};

/* A waiter and a sender; shape->calls times. */
unsigned waits_measure(const struct waiting *waiting, const struct shape *shape, double *times);

#endif
