/*
 * Opening, reading and writing the files of a log.
 *
 * Where a file should be there may be something else: a FIFO, whose opening waits for ever, or a
 * device. So what is opened is opened without waiting, and must be a regular file. A write that is
 * interrupted or short is continued. One past the process's limit of a file's size (ulimit -f) would
 * end the process by SIGXFSZ: it is not tried.
 *
 * Files are made 0600, less the umask. In a directory that is setgid and writable for its group (02770) they are made
 * 0660 whatever the umask, so that each user of the group can send, whoever has made which file.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* Whether the directory that a file is in is its group's: setgid, so that files get its group, and writable for it. */
static bool is_of_group(int directory, const char *name)
{
    struct stat status;
    char parent[PATH_MAX];
    const char *slash = strrchr(name, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - name) + 1 : 1,
             slash ? name : ".");
    return fstatat(directory, parent, &status, 0) == 0 &&
           (status.st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP);
}

/*
 * One that this user has made is for its group to read and write, where the directory is, whatever the umask. An errno.
 */
static int share_with_group(int directory, const char *name, int fd, const struct stat *status)
{
    const mode_t rights = S_IRGRP | S_IWGRP;
    if ((status->st_mode & rights) == rights || status->st_uid != geteuid() ||
        !is_of_group(directory, name))
        return 0;
    return fchmod(fd, (status->st_mode & 0777) | rights) ? errno : 0;
}

/* Returns an errno; ENXIO: it is not a regular file. */
static int open_regular(int directory, const char *name, int flags, int *fd)
{
    struct stat status;
    int errnum = 0;
    *fd = openat(directory, name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (*fd < 0 || fstat(*fd, &status))
        errnum = errno;
    else if (!S_ISREG(status.st_mode))
        errnum = ENXIO;
    else if (flags & O_CREAT)
        errnum = share_with_group(directory, name, *fd, &status);
    if (errnum && *fd >= 0)
        close(*fd);
    if (errnum)
        *fd = -1;
    return errnum == EISDIR ? ENXIO : errnum;
}

int file_open(int directory, const char *path, const char *name, int flags, int *fd)
{
    int errnum = open_regular(directory, name, flags, fd);
    if (!errnum)
        return EVLOG_OK;
    if (errnum == ENXIO)
        return error_set(EVLOG_UNSUPPORTED, "%s/%s: is not a regular file", path, name);
    return error_prefix(error_errno(errnum, "opening", name), "%s", path);
}

int file_open_path(const char *path, int flags, int *fd)
{
    int errnum = open_regular(AT_FDCWD, path, flags, fd);
    if (!errnum)
        return EVLOG_OK;
    if (errnum == ENXIO)
        return error_set(EVLOG_UNSUPPORTED, "%s: is not a regular file", path);
    return error_errno(errnum, "opening", path);
}

uint64_t file_size_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

int file_write(int fd, const void *bytes, size_t size, uint64_t at)
{
    const char *from = bytes;
    if (at + size > file_size_limit())
        return EFBIG;
    while (size > 0) {
        ssize_t count = pwrite(fd, from, size, (off_t)at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? errno : ENOSPC;
        from += count;
        at += (uint64_t)count;
        size -= (size_t)count;
    }
    return 0;
}

int file_write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const char zeros[64 << 10];
    int errnum = 0;
    for (size_t size; from < to && !errnum; from += size) {
        size = to - from < sizeof zeros ? to - from : sizeof zeros;
        errnum = file_write(fd, zeros, size, from);
    }
    return errnum;
}

static bool is_zero(const char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

int file_clear(int fd, uint64_t from, uint64_t to, bool is_again)
{
    char piece[16 << 10];
    size_t size, count;
    int errnum = 0;
    for (; from < to && !errnum; from += count) {
        size = to - from < sizeof piece ? to - from : sizeof piece;
        errnum = file_read(fd, piece, size, from, &count);
        if (!errnum && count == 0)
            break;
        if (!errnum && (is_again || !is_zero(piece, count)))
            errnum = file_write_zeros(fd, from, from + count);
    }
    return errnum;
}

int file_flush(int fd)
{
    while (fdatasync(fd))
        if (errno != EINTR)
            return errno;
    return 0;
}

int file_read(int fd, void *bytes, size_t size, uint64_t at, size_t *count)
{
    *count = 0;
    while (*count < size) {
        ssize_t more = pread(fd, (char *)bytes + *count, size - *count, (off_t)(at + *count));
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return more < 0 ? errno : 0;
        *count += (size_t)more;
    }
    return 0;
}

int file_read_all(int fd, const char *name, void *bytes, size_t size, uint64_t at)
{
    size_t count;
    int errnum = file_read(fd, bytes, size, at, &count);
    if (errnum)
        return error_errno(errnum, "reading it", name);
    if (count < size)
        return error_set(EVLOG_DAMAGED, "%s: ends before byte %" PRIu64, name, at + size);
    return EVLOG_OK;
}

/* Returns an errno. */
static int allocate(int fd, int mode, uint64_t from, uint64_t to)
{
    int errnum;
    if (to > file_size_limit())
        return EFBIG;
    do
        errnum = fallocate(fd, mode, (off_t)from, (off_t)(to - from)) ? errno : 0;
    while (errnum == EINTR);
    return errnum;
}

int file_allocate(int fd, uint64_t from, uint64_t to)
{
    return allocate(fd, FALLOC_FL_KEEP_SIZE, from, to);
}

int file_reserve(int fd, uint64_t from, uint64_t to)
{
    int errnum = allocate(fd, 0, from, to);
    return errnum == EOPNOTSUPP ? file_write_zeros(fd, from, to) : errnum;
}
