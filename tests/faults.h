/*
 * The system's calls as the library, liblmdb and msgpack make them, and one of them failing.
 *
 * The functions are defined here, in the program: the dynamic linker finds them before
 * libc's, also for the calls inside liblmdb.so, and they go on to the next definition (of
 * a sanitizer or of libc). Only calls of the thread that called fault_begin fail.
 *
 * Flushes do nothing here even when they do not fail: nobody cuts the power, and so
 * thousands of commits take seconds.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "test.h"

/* What is asked of the system. */
enum {
    MEMORY = 1,
    WRITING = 2,
    FLUSHING = 4,
    READING = 8,
    NAMES = 16,
    LOCKS = 32,
    ROOM = 64,
    ANY = 127
};

/* How a call fails: with errnum; having done its work nevertheless; or half of it. */
enum how { REFUSED, DONE_NEVERTHELESS, SHORT };

struct fault {
    const char *name;
    unsigned calls; /* which it can meet */
    enum how how;
    int errnum;
    int for_good; /* all later ones fail too */
};

static struct fault fault;
static unsigned fault_at, fault_count, fault_hits;
static unsigned flush_count;
static _Thread_local int armed;

/* From here on the `at`-th of the calls that `what` can meet fails. */
static inline void fault_begin(const struct fault *what, unsigned at)
{
    fault = *what;
    fault_at = at;
    fault_count = fault_hits = 0;
    armed = 1;
}

/* How many calls have failed. */
static inline unsigned fault_end(void)
{
    armed = 0;
    return fault_hits;
}

/* 1 when this call fails now; errno is set. */
static int fails(unsigned kind)
{
    if (!armed || !(fault.calls & kind))
        return 0;
    fault_count++;
    if (fault_count != fault_at && !(fault.for_good && fault_count > fault_at))
        return 0;
    fault_hits++;
    errno = fault.errnum;
    return 1;
}

/* The next definition of a function; looking for it may allocate. */
static void *next_of(const char *name)
{
    int was = armed;
    armed = 0;
    void *next = dlsym(RTLD_NEXT, name);
    armed = was;
    if (!next)
        abort();
    return next;
}

#define NEXT(name)                 \
    static __typeof__(&name) next; \
    if (!next)                     \
    next = (__typeof__(&name))next_of(#name)

/* A call that works or does not. */
#define PLAIN(kind, call)                     \
    do {                                      \
        if (!fails(kind))                     \
            return call;                      \
        if (fault.how == DONE_NEVERTHELESS) { \
            (void)!call;                      \
            errno = fault.errnum;             \
        }                                     \
        return -1;                            \
    } while (0)

/* A call for so many bytes. */
#define SIZED(kind, call, half)               \
    do {                                      \
        if (!fails(kind))                     \
            return call;                      \
        if (fault.how == SHORT)               \
            return half;                      \
        if (fault.how == DONE_NEVERTHELESS) { \
            (void)!call;                      \
            errno = fault.errnum;             \
        }                                     \
        return -1;                            \
    } while (0)

/* ------------------------------------------------------------- memory ---- */

/* The sanitizer's own, under names that are there before dlsym can be called. */
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *old, size_t size);
char *__interceptor_strdup(const char *text);

EVLOG_API void *malloc(size_t size)
{
    return fails(MEMORY) ? NULL : __interceptor_malloc(size);
}

EVLOG_API void *calloc(size_t count, size_t size)
{
    return fails(MEMORY) ? NULL : __interceptor_calloc(count, size);
}

EVLOG_API void *realloc(void *old, size_t size)
{
    return fails(MEMORY) ? NULL : __interceptor_realloc(old, size);
}

EVLOG_API char *strdup(const char *text)
{
    return fails(MEMORY) ? NULL : __interceptor_strdup(text);
}

EVLOG_API int posix_memalign(void **bytes, size_t alignment, size_t size)
{
    NEXT(posix_memalign);
    return fails(MEMORY) ? ENOMEM : next(bytes, alignment, size);
}

EVLOG_API void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap);
    return fails(MEMORY) ? MAP_FAILED : next(at, size, protection, flags, fd, offset);
}

EVLOG_API int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                             void *(*run)(void *), void *ctx)
{
    NEXT(pthread_create);
    return fails(MEMORY) ? EAGAIN : next(thread, attributes, run, ctx);
}

/* ------------------------------------------------------------ writing ---- */

EVLOG_API ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    NEXT(pwrite);
    SIZED(WRITING, next(fd, bytes, size, offset), next(fd, bytes, size / 2, offset));
}

EVLOG_API ssize_t write(int fd, const void *bytes, size_t size)
{
    NEXT(write);
    SIZED(WRITING, next(fd, bytes, size), next(fd, bytes, size / 2));
}

EVLOG_API ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev);
    SIZED(WRITING, next(fd, parts, count), next(fd, parts, count / 2));
}

EVLOG_API int fallocate(int fd, int mode, off_t offset, off_t size)
{
    NEXT(fallocate);
    PLAIN(ROOM, next(fd, mode, offset, size));
}

EVLOG_API int ftruncate(int fd, off_t size)
{
    NEXT(ftruncate);
    PLAIN(ROOM, next(fd, size));
}

EVLOG_API int fdatasync(int fd)
{
    (void)fd;
    flush_count++;
    PLAIN(FLUSHING, 0);
}

EVLOG_API int fsync(int fd)
{
    (void)fd;
    flush_count++;
    PLAIN(FLUSHING, 0);
}

/* ------------------------------------------------------------ reading ---- */

EVLOG_API ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    NEXT(pread);
    SIZED(READING, next(fd, bytes, size, offset), next(fd, bytes, size / 2, offset));
}

EVLOG_API ssize_t read(int fd, void *bytes, size_t size)
{
    NEXT(read);
    SIZED(READING, next(fd, bytes, size), next(fd, bytes, (size + 1) / 2));
}

/* -------------------------------------------------------------- names ---- */

EVLOG_API int open(const char *path, int flags, ...)
{
    NEXT(open);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fails(NAMES))
        return -1;
    return next(path, flags, mode);
}

EVLOG_API int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    PLAIN(NAMES, next(path, mode));
}

EVLOG_API int rename(const char *from, const char *to)
{
    NEXT(rename);
    PLAIN(NAMES, next(from, to));
}

EVLOG_API int unlink(const char *path)
{
    NEXT(unlink);
    PLAIN(NAMES, next(path));
}

EVLOG_API int fstat(int fd, struct stat *status)
{
    NEXT(fstat);
    PLAIN(NAMES, next(fd, status));
}

EVLOG_API int stat(const char *path, struct stat *status)
{
    NEXT(stat);
    PLAIN(NAMES, next(path, status));
}

EVLOG_API int statfs(const char *path, struct statfs *status)
{
    NEXT(statfs);
    PLAIN(NAMES, next(path, status));
}

EVLOG_API DIR *opendir(const char *path)
{
    NEXT(opendir);
    return fails(NAMES) ? NULL : next(path);
}

EVLOG_API int flock(int fd, int operation)
{
    NEXT(flock);
    PLAIN(LOCKS, next(fd, operation));
}

EVLOG_API int fcntl(int fd, int command, ...)
{
    NEXT(fcntl);
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    PLAIN(LOCKS, next(fd, command, argument));
}

#endif
