/*
 * A command of the shell as a child.
 *
 * It gets a pipe as its standard input and, where it is to be heard, one as its standard output;
 * all its other descriptors are ours. One that may have to be killed is a process group of its own, so that what
 * it has started goes with it; what is typed at the terminal then does not reach it. SIGPIPE, which our verbs ignore,
 * is as it should be there.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"

extern char **environ;

/* Starts the command with these descriptors; `output` -1: ours. */
static int spawn(struct child *child, const char *command, int input, int output)
{
    char shell[] = "sh", flag[] = "-c", *text = strdup(command);
    char *arguments[] = {shell, flag, text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t restored;
    if (!text)
        return ENOMEM;
    sigemptyset(&restored);
    sigaddset(&restored, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &restored);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF |
                                              (child->is_group ? POSIX_SPAWN_SETPGROUP : 0));
    int error = posix_spawn(&child->pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(text);
    return error;
}

static void close_pipe(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

int child_start(struct child *child, const char *command, int is_heard)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int error = pipe2(in, O_CLOEXEC) || (is_heard && pipe2(out, O_CLOEXEC)) ? errno : 0;
    if (!error)
        error = spawn(child, command, in[0], out[1]);
    if (error) {
        close_pipe(in);
        close_pipe(out);
        return error;
    }
    close(in[0]);
    if (is_heard)
        close(out[1]);
    child->to = in[1];
    child->from = out[0];
    return 0;
}

int child_feed(struct child *child, const char *text, size_t size)
{
    while (size) {
        ssize_t count = write(child->to, text, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        text += count;
        size -= (size_t)count;
    }
    return 0;
}

void child_finish(struct child *child)
{
    if (child->to >= 0)
        close(child->to);
    child->to = -1;
}

/* What the pipe to the child still holds can be asked of its other end, opened anew. */
static int open_rest(const struct child *child)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", child->to);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

void child_kill(const struct child *child)
{
    kill(child->is_group ? -child->pid : child->pid, SIGKILL);
}

/* As waitpid(2), until then. It is asked again and again, since a signal for it would be the whole process's. */
static int wait_until(const struct child *child, int *state, int64_t until_ms)
{
    for (long ns = 500000;; ns = ns < 10000000 ? 2 * ns : ns) {
        pid_t pid = waitpid(child->pid, state, until_ms == INT64_MAX ? 0 : WNOHANG);
        if (pid > 0)
            return 0;
        if (pid < 0 && errno != EINTR)
            return errno;
        if (now_ms() >= until_ms)
            return ETIMEDOUT;
        if (pid == 0)
            nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    }
}

/* Waits for it, and kills it when that takes too long. */
static int wait_or_kill(const struct child *child, int *state, int64_t until_ms)
{
    int error = wait_until(child, state, until_ms);
    if (error != ETIMEDOUT)
        return error;
    child_kill(child);
    error = wait_until(child, state, INT64_MAX);
    return error ? error : ETIMEDOUT;
}

int child_end(struct child *child, int *state, size_t *unread_size, int64_t until_ms)
{
    int rest = unread_size ? open_rest(child) : -1, count = 0;
    child_finish(child);
    if (child->from >= 0)
        close(child->from); /* one that goes on to write is not waited for */
    child->from = -1;
    *state = 0;
    int error = wait_or_kill(child, state, until_ms);
    if (rest >= 0 && ioctl(rest, FIONREAD, &count) == 0)
        *unread_size = (size_t)count;
    if (rest >= 0)
        close(rest);
    return error;
}
