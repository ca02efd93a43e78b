/*
 * SIGINT and SIGTERM, for the programs and verbs that finish what they have begun: the relays, the page, evlog
 * consume and evlog import. What waits polls a pipe beside what it waits for, so that a signal is never missed.
 */
#include "stop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static atomic_int asked_signal; /* 0: none. Other threads look at it, too */
static evlog_consumer *volatile consumer_to_stop;
static int pipe_fds[2] = {-1, -1};

/* Process 1 of a container gets no signal that it does not handle. */
void stop_die(int signal_number)
{
    if (getpid() == 1)
        _exit(128 + signal_number);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void stop_as_process_1(void)
{
    if (getpid() == 1)
        handle(stop_die);
}

static void ask(int signal_number)
{
    evlog_consumer *consumer = consumer_to_stop;
    asked_signal = signal_number;
    handle(stop_die); /* the second time */
    (void)!write(pipe_fds[1], "", 1);
    if (consumer)
        evlog_consumer_stop(consumer);
}

void stop_watch(void)
{
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
        pipe_fds[0] = pipe_fds[1] = -1; /* then waiting takes as long as it was meant to */
    handle(ask);
}

void stop_consumer(evlog_consumer *consumer)
{
    consumer_to_stop = consumer;
}

bool stop_is_asked(void)
{
    return asked_signal != 0;
}

void stop_by_signal(void)
{
    if (!asked_signal)
        return;
    fflush(stdout);
    stop_die(asked_signal);
}

int stop_fd(void)
{
    return pipe_fds[0];
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool stop_wait_ms(int64_t ms)
{
    struct pollfd poll_fd = {.fd = pipe_fds[0], .events = POLLIN};
    for (int64_t until = now_ms() + ms, left = ms; !asked_signal && left > 0;
         left = until - now_ms())
        poll(&poll_fd, 1, (int)left);
    return stop_is_asked();
}
