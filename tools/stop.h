/* Stopping at SIGINT and SIGTERM, see stop.c. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

#include <evlog.h>

/* From now on SIGINT and SIGTERM ask to stop; a second one ends the process. */
void stop_watch(void);

/* A consumer that a signal stops, too; NULL: none any more. */
void stop_consumer(evlog_consumer *consumer);

/* As process 1 (in a container) SIGINT and SIGTERM end the process, as they do any other. */
void stop_as_process_1(void);

/* Ends the process by the signal, also as process 1. Safe in a handler. */
void stop_die(int signal_number);

bool stop_is_asked(void);

/* A descriptor that can be read when stopping is asked; -1: there is none. */
int stop_fd(void);

/* Waits, at most until stopping is asked; whether it is. */
bool stop_wait_ms(int64_t ms);

/* Ends the process by the signal that asked to stop, as without stop_watch; returns when none has. */
void stop_by_signal(void);

int64_t now_ms(void); /* of a clock that only goes forward */

#endif
