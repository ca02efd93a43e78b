/*
 * Descriptors whose locks say that this process lives.
 *
 * The locks are of the open file description (F_OFD_SETLK of fcntl(2)): the kernel releases one
 * when the last descriptor of that description is closed, so when the process ends, however it
 * ends. The closing of other descriptors of the same file does not release it, as it would
 * a lock of the process (F_SETLK).
 *
 * A forked child has its parent's descriptors, and would keep their locks when the parent is
 * gone. So the child closes them: all are in a list, and a handler of pthread_atfork goes through it.
 * What the child execs does not have them (O_CLOEXEC).
 *
 * Absent: between vfork(2) and execve(2) a child has them; it is not meant to stay there.
 */
#include "held.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "file.h"

struct held {
    int fd;
    struct held *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *list;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* The parent's handles still have the numbers, and nothing is done with them any more. */
static void in_child(void)
{
    while (list) {
        struct held *held = list;
        list = held->next;
        close(held->fd);
        free(held);
    }
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, in_child);
}

int held_open(int directory, const char *path, const char *name, int flags, int *fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct held *held = malloc(sizeof *held);
    *fd = HELD_NONE;
    if (!held)
        return error_nomem();
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock); /* no child is forked with a descriptor that is not in the list */
    int result = file_open(directory, path, name, flags, fd);
    if (result == EVLOG_OK) {
        *held = (struct held){.fd = *fd, .next = list};
        list = held;
    }
    pthread_mutex_unlock(&lock);
    if (result)
        free(held);
    return result;
}

void held_close(int fd)
{
    if (fd == HELD_NONE)
        return;
    pthread_mutex_lock(&lock);
    struct held **at = &list;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    struct held *held = *at;
    if (held) {
        *at = held->next;
        close(fd);
    }
    pthread_mutex_unlock(&lock);
    free(held);
}

static struct flock byte_at(int64_t at, short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
}

int held_lock(int fd, int64_t at, enum held_kind kind)
{
    struct flock range = byte_at(at, kind == HELD_ALONE ? F_WRLCK : F_RDLCK);
    while (fcntl(fd, F_OFD_SETLK, &range))
        if (errno != EINTR)
            return errno == EACCES ? EAGAIN : errno;
    return 0;
}

void held_unlock(int fd, int64_t at)
{
    struct flock range = byte_at(at, F_UNLCK);
    fcntl(fd, F_OFD_SETLK, &range);
}

int held_find(int fd, int64_t at, bool *is_held)
{
    struct flock range = byte_at(at, F_WRLCK);
    if (fcntl(fd, F_OFD_GETLK, &range))
        return errno;
    *is_held = range.l_type != F_UNLCK;
    return 0;
}

bool held_by_other(int fd, int64_t at)
{
    bool is_held = true;
    held_find(fd, at, &is_held);
    return is_held;
}
