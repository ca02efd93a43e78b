/* Writing to a file all that is asked for: a write that is interrupted or short is continued. */
#include "file.h"

#include <errno.h>
#include <unistd.h>

int file_write(int fd, const void *bytes, size_t size, uint64_t at)
{
    const char *from = bytes;
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
