/* A process that is run to a random one of its system calls or instructions. See traced.c. */
#ifndef TRACED_H
#define TRACED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a process is to stand still: at its stop number `calls`, and so many instructions behind it. */
struct traced_point {
    uint64_t calls, steps;
};

/* One of `call_count` stops; in half of the cases 1 to 65,536 instructions more, small numbers as often as large. */
struct traced_point traced_draw(uint64_t call_count, uint64_t *random);

/*
 * fork(2); the child is killed after so many seconds, and with its parent. `is_traced`: it waits, to be traced by its
 * parent, and ends with status 77 where that is not permitted.
 */
pid_t traced_fork(unsigned seconds, bool is_traced);

/* In the parent: whether it waits so. Else it has ended. */
bool traced_is_begun(pid_t pid, int *status);

/* Runs it to its end: the status, and how often it has stopped at system calls. */
int traced_count(pid_t pid, uint64_t *call_count);

/* Runs it to a point, where it stands: true. False: it has ended before, with `*status`, after `*call_count` stops. */
bool traced_run(pid_t pid, struct traced_point point, uint64_t *call_count, int *status);

/* Kills it, wherever it is, and waits until it is gone. */
void traced_kill(pid_t pid);

/* waitpid(2), which a signal does not end. */
int traced_wait(pid_t pid);

#endif
