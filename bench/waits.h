/* How long it is from sending to one who waits, in another process or thread (waits.c). */
#ifndef BENCH_WAITS_H
#define BENCH_WAITS_H

#include "bench.h"

/* Shared by who sends and who waits. */
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

/* One who waits, and one who sends; shape->calls times. */
unsigned waits_measure(const struct waiting *waiting, const struct shape *shape, double *times);

#endif
