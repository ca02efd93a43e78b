/* A command of the shell as a child, with its input and perhaps its output in our hands. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    bool is_group; /* it is the first of a process group of its own */
    int to;        /* its standard input; -1: it has ended */
    int from;      /* its standard output; -1: it goes where ours does */
};

/*
 * Starts `command` by /bin/sh. With `is_heard` its standard output comes to child->from. With child->is_group set
 * it gets a process group of its own. 0, or an error number.
 */
int child_start(struct child *child, const char *command, int is_heard);

/* Writes all of `text`. 0, or -1: the child reads no more. */
int child_feed(struct child *child, const char *text, size_t size);

/* Ends its input. */
void child_finish(struct child *child);

/*
 * Ends its input, hears it no more, and waits for it; `*state` is that of waitpid(2). With
 * `unread_size` (or NULL) its input has not been ended before, and it gets how much of it
 * the child has not read (as far as /proc says). One that has not ended at `until_ms` (now_ms; INT64_MAX: never)
 * is killed, with its process group. 0, or an error number; ETIMEDOUT: it was killed.
 */
int child_end(struct child *child, int *state, size_t *unread_size, int64_t until_ms);

/* Kills it and all of its process group, which is its own. */
void child_kill(const struct child *child);

#endif
