/*
 * The system's calls as the library, liblmdb and msgpack make them, and one of them failing; and
 * the ways to fail that each test of this kind tries.
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
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

static const struct fault faults[] = {
    {"no memory", MEMORY, REFUSED, ENOMEM, 0},
    {"no memory any more", MEMORY, REFUSED, ENOMEM, 1},
    {"the disk is full", WRITING | ROOM, REFUSED, ENOSPC, 0},
    {"the disk stays full", WRITING | ROOM, REFUSED, ENOSPC, 1},
    {"a call fails", ANY & ~MEMORY, REFUSED, EIO, 0},
    {"every call fails", ANY & ~MEMORY, REFUSED, EIO, 1},
    {"done, but said to have failed", WRITING | ROOM | FLUSHING, DONE_NEVERTHELESS, EIO, 0},
    {"all done, but said to have failed", WRITING | ROOM | FLUSHING, DONE_NEVERTHELESS, EIO, 1},
    {"a flush fails", FLUSHING, REFUSED, EIO, 0},
    {"interrupted", WRITING | ROOM | READING, REFUSED, EINTR, 0},
    {"interrupted where none is", FLUSHING | LOCKS, REFUSED, EINTR, 0},
    {"half done", WRITING | READING, SHORT, 0, 0},
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

/* No call fails from here on. How many calls have failed. */
static inline unsigned fault_end(void)
{
    armed = 0;
    return fault_hits;
}

/*
 * Of an operation's `call_count` calls each `step`-th fails in turn, from the call `*first` on; over the
 * tries (which number this one has among them is `number`) it is each of them. With the environment
 * variable FAULTS=all, `make check-long`, it is each of them at once.
 */
static inline unsigned fault_step(unsigned call_count, unsigned tries_max, unsigned number,
                                  unsigned *first)
{
    bool is_all = getenv("FAULTS") && strcmp(getenv("FAULTS"), "all") == 0;
    unsigned step = is_all ? 1 : (call_count + tries_max - 1) / tries_max;
    *first = 1 + (step ? number % step : 0);
    return step ? step : 1;
}

/* Which codes a call may fail with that has met it. */
static inline bool fault_explains(const struct fault *what, int result)
{
    switch (what->errnum) {
    case ENOMEM:
        return result == EVLOG_NOMEM || result == EVLOG_IO;
    case ENOSPC:
        return result == EVLOG_FULL || result == EVLOG_IO;
    case EIO:
    case EINTR:
        return result == EVLOG_IO;
    default:
        return result == EVLOG_IO || result == EVLOG_FULL || result == EVLOG_DAMAGED;
    }
}

/* Whether the sentence names a file of a log (or the log itself, `path`), where the failure is about one. */
static inline bool fault_is_named(const char *path, int result)
{
    static const char *const names[] = {"events.mdb", "state.mdb", "journal", "edge",
                                        "format",     "shared",    "lock"};
    const char *sentence = evlog_errmsg();
    if (result == EVLOG_NOMEM || strstr(sentence, path))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(sentence, names[i]))
            return true;
    return false;
}

/* As fault_begin; fault_is_right looks at what the operation says. */
static inline void fault_arm(const struct fault *what, unsigned at)
{
    evlog_fail("nothing was said");
    fault_begin(what, at);
}

/*
 * After an operation: one that failed has met the fault (`fault_hits`), and its code and its sentence say so; what
 * they are about is in the directory `path`.
 */
static inline bool fault_is_right(const struct fault *what, int result, const char *path)
{
    bool is_hit = fault_end() > 0;
    bool is_silent = strcmp(evlog_errmsg(), "nothing was said") == 0;
    return !result ||
           (is_hit && !is_silent && fault_explains(what, result) && fault_is_named(path, result));
}

/*
 * Runs each operation with each of the faults `first` to `last`; `run` returns how many of its calls have failed,
 * each by itself, and gets a number that tells the tries apart. Each fault was met by some.
 */
static inline void fault_run_all(void *home, size_t first, size_t last, size_t operation_count,
                                 unsigned (*run)(void *home, size_t operation,
                                                 const struct fault *what, unsigned number))
{
    for (size_t i = first; i <= last; i++) {
        unsigned count = 0;
        for (size_t j = 0; j < operation_count; j++)
            count += run(home, j, &faults[i], (unsigned)(i + j));
        printf("%s: %u times\n", faults[i].name, count);
        assert_true(count > 0);
    }
}

/* No flush is real here: where the tests run need not be a disk. */
static inline void fault_choose_directory(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
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

EVLOG_API int msync(void *at, size_t size, int flags)
{
    (void)at, (void)size, (void)flags;
    flush_count++;
    PLAIN(FLUSHING, 0);
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

EVLOG_API ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    NEXT(getrandom);
    SIZED(READING, next(bytes, size, flags), next(bytes, (size + 1) / 2, flags));
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

EVLOG_API int openat(int directory, const char *path, int flags, ...)
{
    NEXT(openat);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fails(NAMES))
        return -1;
    return next(directory, path, flags, mode);
}

EVLOG_API int faccessat(int directory, const char *path, int mode, int flags)
{
    NEXT(faccessat);
    PLAIN(NAMES, next(directory, path, mode, flags));
}

EVLOG_API int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    NEXT(renameat);
    PLAIN(NAMES, next(from_directory, from, to_directory, to));
}

EVLOG_API int unlinkat(int directory, const char *path, int flags)
{
    NEXT(unlinkat);
    PLAIN(NAMES, next(directory, path, flags));
}

EVLOG_API int linkat(int from_directory, const char *from, int to_directory, const char *to,
                     int flags)
{
    NEXT(linkat);
    PLAIN(NAMES, next(from_directory, from, to_directory, to, flags));
}

EVLOG_API int fchmod(int fd, mode_t mode)
{
    NEXT(fchmod);
    PLAIN(NAMES, next(fd, mode));
}

EVLOG_API int chown(const char *path, uid_t user, gid_t group)
{
    NEXT(chown);
    PLAIN(NAMES, next(path, user, group));
}

EVLOG_API int chmod(const char *path, mode_t mode)
{
    NEXT(chmod);
    PLAIN(NAMES, next(path, mode));
}

EVLOG_API int rmdir(const char *path)
{
    NEXT(rmdir);
    PLAIN(NAMES, next(path));
}

EVLOG_API int fstatat(int directory, const char *path, struct stat *status, int flags)
{
    NEXT(fstatat);
    PLAIN(NAMES, next(directory, path, status, flags));
}

EVLOG_API int statx(int directory, const char *path, int flags, unsigned mask,
                    struct statx *status)
{
    NEXT(statx);
    PLAIN(NAMES, next(directory, path, flags, mask, status));
}

EVLOG_API int fstatvfs(int fd, struct statvfs *status)
{
    NEXT(fstatvfs);
    PLAIN(NAMES, next(fd, status));
}

EVLOG_API char *realpath(const char *path, char *resolved)
{
    NEXT(realpath);
    return fails(NAMES) ? NULL : next(path, resolved);
}

EVLOG_API struct dirent *readdir(DIR *directory)
{
    NEXT(readdir);
    return fails(NAMES) ? NULL : next(directory);
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

/* What a liblmdb calls that was built with glibc before 2.33. */
EVLOG_API int __fxstat(int version, int fd, struct stat *status);

EVLOG_API int __fxstat(int version, int fd, struct stat *status)
{
    (void)version;
    return fstat(fd, status);
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
