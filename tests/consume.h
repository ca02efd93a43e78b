/*
 * What the tests of consumers share: a log of two types, a receiver that writes down what it
 * is given and fails as it is set up to, what a consumer is now, and notices.
 */
#ifndef CONSUME_H
#define CONSUME_H

#include "test.h"

#define HEARD_MAX 8192

/* A log and its signals. */
struct opened {
    evlog *log;
    evlog_signal *a, *b;
};

static inline struct opened open_log(const void *home)
{
    struct opened place;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &place.log));
    OK(evlog_define(place.log, "a.v1", 0, NULL, &place.a));
    OK(evlog_define(place.log, "b.v1", 0, NULL, &place.b));
    return place;
}

static inline void send_some(evlog_signal *signal, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
}

/* What a receiver was given, in order, and how it is to behave. */
struct heard {
    struct {
        uint64_t seq;
        uint32_t attempt;
        int is_replay;
    } of[HEARD_MAX];
    size_t count;
    uint64_t fails_at; /* this seq fails; UINT64_MAX: every one; 0: none */
    unsigned fails;    /* so many times; 0: always */
    const char *why;
};

static inline int hear(const evlog_event *event, void *ctx)
{
    struct heard *heard = ctx;
    assert_true(heard->count < HEARD_MAX);
    heard->of[heard->count].seq = event->seq;
    heard->of[heard->count].attempt = event->attempt;
    heard->of[heard->count++].is_replay = event->is_replay;
    if (event->seq != heard->fails_at && heard->fails_at != UINT64_MAX)
        return 0;
    if (heard->fails && --heard->fails == 0)
        heard->fails_at = 0;
    return evlog_fail(heard->why ? heard->why : "as asked");
}

/* It was given these seqs, in this order; then all is forgotten. */
static inline void heard_are(struct heard *heard, size_t count, const uint64_t seqs[])
{
    for (size_t i = 0; i < count && i < heard->count; i++)
        if (heard->of[i].seq != seqs[i])
            fail_msg("event %zu was seq %" PRIu64 ", not %" PRIu64, i, heard->of[i].seq, seqs[i]);
    assert_int_equal(heard->count, count);
    heard->count = 0;
}

#define HEARD(heard, ...)                                                  \
    heard_are(heard, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), \
              (uint64_t[]){__VA_ARGS__})

/* It was given first to last, each once. */
static inline void heard_all(struct heard *heard, uint64_t first, uint64_t last)
{
    assert_int_equal(heard->count, last + 1 - first);
    for (size_t i = 0; i < heard->count; i++)
        assert_int_equal(heard->of[i].seq, first + i);
    heard->count = 0;
}

/* Hands out what there is now. */
static inline uint64_t poll_now(evlog_consumer *consumer, struct heard *heard)
{
    uint64_t count;
    OK(evlog_consumer_poll(consumer, 0, 0, hear, heard, &count));
    return count;
}

/* What a consumer is now; its name and types are gone. */
static inline evlog_consumer_info info_of(evlog *log, const char *name)
{
    evlog_consumer_info info = {.pid = -7};
    OK(inspect_into(log, name, &info));
    return info;
}

/* Notices as they came. */
struct noticed {
    struct {
        int kind;
        uint64_t first, last;
        char text[256];
    } of[256];
    size_t count;
};

static inline void notice(const evlog_notice *notice, void *ctx)
{
    struct noticed *noticed = ctx;
    assert_true(noticed->count < 256);
    noticed->of[noticed->count].kind = notice->kind;
    noticed->of[noticed->count].first = notice->first_seq;
    noticed->of[noticed->count].last = notice->last_seq;
    snprintf(noticed->of[noticed->count++].text, 256, "%s", notice->text);
}

/* The notice that came as number `i` was this one. */
static inline void noticed_is(const struct noticed *noticed, size_t i, int kind, uint64_t first,
                              uint64_t last)
{
    assert_true(i < noticed->count);
    assert_int_equal(noticed->of[i].kind, kind);
    assert_int_equal(noticed->of[i].first, first);
    assert_int_equal(noticed->of[i].last, last);
}

#endif
