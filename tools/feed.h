/* A command that is fed events, a line each, and answers for them. See feed.c. */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "child.h"

#define UNANSWERED_MAX 4096
#define FEED_WHY_SIZE 128

struct feed {
    int is_heard; /* it answers each event with a line; else with its exit, for all */
    int (*answered)(uint64_t seq, void *ctx); /* all events up to this one, or NULL */
    void *ctx;
    int64_t timeout_ms; /* 0: none */

    struct child child;
    int is_running;
    int is_confused;               /* it has answered more than it was asked */
    int is_at_fault;               /* it has failed, and no event is to blame for it */
    int is_killed;                 /* it took too long */
    char why[FEED_WHY_SIZE];       /* it has failed before its end; or "" */
    int64_t moved_ms;              /* when it did something, or began to owe something */
    uint64_t first_seq, last_seq;  /* fed since it was started */
    uint64_t fed_count;            /* how many these are */
    uint64_t unanswered;           /* how many of them are not answered yet */
    uint64_t seqs[UNANSWERED_MAX]; /* when heard, those: a ring */
    uint64_t oldest;               /* the first of it */
};

/* All return EVLOG_OK or, with the sentence set (evlog_fail), less than 0. */

int feed_start(struct feed *feed, const char *command);

/*
 * Feeds an event; `line` ends in a newline. Waits until the command takes it. When that fails, it is fed and
 * unanswered.
 */
int feed_event(struct feed *feed, uint64_t seq, const char *line, size_t size);

/* Whether one that is heard, and has answered all, has ended before its input. */
bool feed_has_ended(struct feed *feed);

/* Waits for answers to come, for so long at most. */
int feed_hear(struct feed *feed, int timeout_ms);

/*
 * Ends its input, hears it out and waits for it. EVLOG_OK: it has dealt with all it was fed, in time. Else the sentence
 * is that of the first thing that went wrong, unless its exit status says more.
 */
int feed_end(struct feed *feed);

/* The first event that is not answered, when there is one. */
uint64_t feed_oldest(const struct feed *feed);

#endif
