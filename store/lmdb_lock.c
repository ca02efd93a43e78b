/*
 * The lock file of liblmdb, `path`-lock, before liblmdb opens it.
 *
 * liblmdb writes to it through a map, where a full disk is a SIGBUS: so it gets its blocks before. Its
 * size, 0 for a new one, is liblmdb's to set.
 *
 * liblmdb waits without a limit for a process that has locked the first byte: one that is opening the
 * environment with liblmdb, and not through this library, which has its own lock for that. So that
 * process is waited for here, with a limit. (One that comes just after this is waited for without.)
 */
#include "lmdb_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "file.h"

#define HEAD_SIZE 4096 /* what liblmdb has before the readers' slots is less */
#define SLOT_SIZE 64
#define POLL_NS 1000000

static int reserve(int fd, const char *path, uint32_t readers_max)
{
    int errnum = file_allocate(fd, 0, HEAD_SIZE + (uint64_t)readers_max * SLOT_SIZE);
    if (errnum && errnum != EOPNOTSUPP)
        return error_errno(errnum, "making room for its locks", path);
    return EVLOG_OK;
}

static int wait_until_free(int fd, const char *path, uint32_t wait_ms)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    for (;;) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
        if (fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
            return EVLOG_OK;
        if (clock_monotonic_us() >= until_us)
            return error_set(EVLOG_BUSY,
                             "%s: process %d has had it locked for %u ms: is it stopped?", path,
                             (int)lock.l_pid, wait_ms);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

int lmdb_lock_prepare(const char *path, uint32_t readers_max, uint32_t wait_ms)
{
    char name[PATH_MAX];
    int fd;
    snprintf(name, sizeof name, "%s-lock", path);
    int result = file_open_path(name, O_RDWR | O_CREAT, &fd);
    if (result)
        return result == EVLOG_UNSUPPORTED ? result : EVLOG_OK;
    result = wait_until_free(fd, name, wait_ms);
    if (result == EVLOG_OK)
        result = reserve(fd, name, readers_max);
    close(fd);
    return result;
}
