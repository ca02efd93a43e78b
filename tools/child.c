/*
 * A command of the shell as a child.
 *
 * It gets a pipe as its standard input and, where it is to be heard, one as its standard output;
 * all its other descriptors are ours. SIGPIPE, which our verbs ignore, is as it should be there.
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
#include <unistd.h>

extern char **environ;

/* Starts the command with these descriptors; `output` -1: ours. */
static int spawn(const char *command, int input, int output, pid_t *pid)
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
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(pid, "/bin/sh", &actions, &attributes, arguments, environ);
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
        error = spawn(command, in[0], out[1], &child->pid);
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

int child_end(struct child *child, int *state, size_t *unread_size)
{
    int error = 0, rest = unread_size ? open_rest(child) : -1, count = 0;
    child_finish(child);
    if (child->from >= 0)
        close(child->from); /* one that goes on to write is not waited for */
    child->from = -1;
    *state = 0;
    while (!error && waitpid(child->pid, state, 0) < 0)
        error = errno == EINTR ? 0 : errno;
    if (rest >= 0 && ioctl(rest, FIONREAD, &count) == 0)
        *unread_size = (size_t)count;
    if (rest >= 0)
        close(rest);
    return error;
}
