/*
 * What a scenario says to the recorder. Without one, it is dropped.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

enum promise_kind {
    PROMISE_OPENED = 1,   /* evlog_open has made or opened the log */
    PROMISE_ACKNOWLEDGED, /* the send of events seq to seq + count - 1 has returned */
    PROMISE_SEEN,         /* a reader or consumer has event seq */
    PROMISE_CHECKPOINT,   /* of `consumer`, at seq, is committed */
    PROMISE_TRIMMING,     /* the events before seq are about to be trimmed */
    PROMISE_TRIMMED,      /* they are */
    PROMISE_POLICY,       /* one that keeps `count` events is about to be set */
    PROMISE_COPYING,      /* the log is about to be copied, or to be added to its copy */
    PROMISE_COPIED,       /* it is, up to seq; 0: nothing was to be added */
    PROMISE_ERASING,    /* event seq, which is one of the send `number`, is about to be erased */
    PROMISE_ERASED,     /* it is */
    PROMISE_COMPACTING, /* the log is about to be compacted */
    PROMISE_COMPACTED,  /* it is */
    PROMISE_SYNCED,     /* evlog_sync has returned; seq was acknowledged before it was called */
};

struct promise {
    uint32_t kind; /* enum promise_kind */
    uint32_t consumer;
    uint64_t seq;
    uint64_t number; /* of the send */
    uint32_t index, count;
};

static inline void promise_give(struct promise promise)
{
    static void (*record)(const void *, size_t);
    static int is_known;
    if (!is_known) {
        *(void **)&record = dlsym(RTLD_DEFAULT, "recorder_promise");
        is_known = 1;
    }
    if (record)
        record(&promise, sizeof promise);
}

/* Under the recorder, the process is killed after so many more operations. */
static inline void die_after_entries(uint64_t count)
{
    void (*die_after)(uint64_t);
    *(void **)&die_after = dlsym(RTLD_DEFAULT, "recorder_die_after");
    if (die_after)
        die_after(count);
}

#endif
