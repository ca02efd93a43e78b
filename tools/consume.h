/*
 * A consumer at work for evlog consume: what consume.c, which opens it, and runs.c, which runs a command for it, share.
 */
#ifndef CONSUME_H
#define CONSUME_H

#include "feed.h"
#include "tool.h"

#define ATTEMPTS 3    /* as the library has it */
#define MOMENT_MS 100 /* how long it waits, when it also has something else to look at */

struct consuming {
    const struct options *options;
    evlog *log;
    evlog_consumer *consumer;
    int is_caught_up;
    int status; /* EXIT_DONE until something has failed */
    bool is_over;
    uint64_t given_count, acked_count;

    /* Of the command. */
    struct feed feed;
    uint64_t
        run_max; /* events that its next run gets at most; EVLOG_OUT_MAX: as many as there are */
    uint64_t again_seq;   /* the last that comes again; 0: none */
    uint64_t blamed_seq;  /* the last that failed alone */
    uint32_t blame_count; /* and how often */
};

/* 1 when the consumer is paused, or an error. */
int runs_is_paused(const struct consuming *consuming);

/* The exit status will be this one, unless it is another already. */
static inline void consume_note(struct consuming *consuming, int status)
{
    if (!consuming->status)
        consuming->status = status;
}

/* Gives the consumer's events to runs of options->exec. What fails is reported, and in consuming->status. */
void runs_consume(struct consuming *consuming);

/* The options of evlog_consumer_open for it. */
void runs_options(const struct options *options, evlog_consumer_options *wanted);

#endif
