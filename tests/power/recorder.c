/*
 * A library for LD_PRELOAD that writes down what a program does to the files below a directory.
 *
 *   EVLOG_RECORD           the directory, which exists
 *   EVLOG_RECORD_TRACE     the trace, which is appended to (trace.h); beside it TRACE.control and
 *                          TRACE.shadow.INODE
 *   EVLOG_RECORD_DELAY_US  flushes take up to so long; 0: no longer than they do
 *   EVLOG_RECORD_SLOW      the name of a file whose flushes take longer, between half of
 *   EVLOG_RECORD_SLOW_US   and this
 *
 * The functions of libc that change a file's bytes, size or name, or flush it, are defined here and
 * call libc's. One lock over all processes (in TRACE.control) is held over each operation and its
 * entry, so the entries are in the order in which things were done. A flush is two entries, and the
 * lock is free while it runs.
 *
 * Stores through a map are found by comparison: TRACE.shadow.INODE has a mapped file's bytes as they
 * are in the trace, for all processes. Pages without data (SEEK_DATA) are passed over, so a map may
 * be much larger than what is in it. The descriptor for that is opened anew and never closed: closing it
 * would drop the program's fcntl locks, and a duplicate would keep its others.
 *
 * Whatever goes wrong here ends the program with a message: a trace with a hole is worse than none.
 * Absent: what README.md says is not recorded; stores to a file that is mapped before it is opened
 * below the directory; more than FILES_MAX descriptors.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "trace.h"

#define EXPORT __attribute__((visibility("default")))
#define FILES_MAX 4096
#define MAPS_MAX 256
#define PAGE 4096
#define RUN_MAX ((size_t)64 << 10)
#define FRAMES_MAX 24

/* libc's own, found when first called. */
#define REAL(result, name, ...)                                \
    static result (*name##_found)(__VA_ARGS__);                \
    static result (*real_##name(void))(__VA_ARGS__)            \
    {                                                          \
        if (!name##_found)                                     \
            *(void **)&name##_found = dlsym(RTLD_NEXT, #name); \
        return name##_found;                                   \
    }

REAL(int, open, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(int, close, int)
REAL(int, dup, int)
REAL(int, dup2, int, int)
REAL(int, dup3, int, int, int)
REAL(int, fcntl, int, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)
REAL(int, ftruncate, int, off_t)
REAL(int, fallocate, int, int, off_t, off_t)
REAL(int, posix_fallocate, int, off_t, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, msync, void *, size_t, int)
REAL(int, renameat, int, const char *, int, const char *)
REAL(int, unlinkat, int, const char *, int)
REAL(int, linkat, int, const char *, int, const char *, int)
REAL(int, mkdirat, int, const char *, mode_t)
REAL(void *, mmap, void *, size_t, int, int, int, off_t)
REAL(int, munmap, void *, size_t)
REAL(int, mdb_txn_commit, MDB_txn *)

/* What all processes share. */
struct control {
    pthread_mutex_t lock;
    uint64_t entry_count;
};

/* A descriptor of the program, of a file below the directory. */
struct opened {
    bool is_tracked, is_sync;
    uint64_t inode;
};

struct map {
    char *at; /* NULL: free */
    size_t size;
    uint64_t inode, offset;
    int file, shadow;
};

static struct recorder {
    char root[PATH_MAX];
    size_t root_size; /* 0: nothing is recorded */
    char trace_path[PATH_MAX];
    int trace;
    unsigned delay_us, slow_us;
    char slow[PATH_MAX]; /* the file's name, or "" */
    uint64_t lives;      /* entries until the process is killed; 0: it is not */
    struct control *control;
    uintptr_t program_from, program_to;
    struct opened opened[FILES_MAX];
    struct map maps[MAPS_MAX];
} recorder;

static void die(const char *what)
{
    fprintf(stderr, "recorder: %s: %s\n", what, strerror(errno));
    _exit(125);
}

/* ---------------------------------------------------------- the trace ---- */

static void take_lock(void)
{
    if (pthread_mutex_lock(&recorder.control->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&recorder.control->lock);
}

static void free_lock(void)
{
    pthread_mutex_unlock(&recorder.control->lock);
}

/* Kills the process when its time has come: with the lock, which the next one takes over. */
static void die_if_due(void)
{
    if (recorder.lives > 0 && --recorder.lives == 0)
        kill(getpid(), SIGKILL);
}

/* Appends an entry and returns its number. With the lock held. */
static uint64_t append(struct trace_entry entry, const char *names, const void *payload)
{
    static const char padding[8];
    uint64_t size = sizeof entry + entry.name_size + entry.payload_size;
    entry.process = (uint32_t)getpid();
    struct iovec parts[] = {{&entry, sizeof entry},
                            {(void *)names, entry.name_size},
                            {(void *)payload, entry.payload_size},
                            {(void *)padding, trace_padded(size) - size}};
    if (real_writev()(recorder.trace, parts, 4) != (ssize_t)trace_padded(size))
        die("writing the trace");
    uint64_t number = recorder.control->entry_count++;
    die_if_due();
    return number;
}

static void append_name(enum trace_kind kind, uint64_t inode, const char *name)
{
    append((struct trace_entry){.kind = kind, .file = inode, .name_size = strlen(name) + 1}, name,
           NULL);
}

static void append_names(enum trace_kind kind, uint64_t inode, const char *from, const char *to)
{
    char names[2 * PATH_MAX];
    size_t from_size = strlen(from) + 1, to_size = strlen(to) + 1;
    memcpy(names, from, from_size);
    memcpy(names + from_size, to, to_size);
    append((struct trace_entry){.kind = kind,
                                .file = inode,
                                .name_size = (uint32_t)(from_size + to_size)},
           names, NULL);
}

/* ------------------------------------------------------ stores in maps ---- */

static void compare_run(const struct map *map, off_t at, size_t size)
{
    static char now[RUN_MAX], before[RUN_MAX]; /* under the lock */
    ssize_t count = pread(map->file, now, size, at);
    if (count < 0)
        die("reading a mapped file");
    ssize_t known = pread(map->shadow, before, (size_t)count, at);
    memset(before + (known > 0 ? known : 0), 0, (size_t)count - (size_t)(known > 0 ? known : 0));
    for (ssize_t page = 0; page < count; page += PAGE) {
        size_t left = (size_t)(count - page), part = left < PAGE ? left : PAGE;
        if (memcmp(now + page, before + page, part) == 0)
            continue;
        append((struct trace_entry){.kind = TRACE_STORE,
                                    .file = map->inode,
                                    .at = (uint64_t)(at + page),
                                    .size = part,
                                    .payload_size = (uint32_t)part},
               NULL, now + page);
        if (real_pwrite()(map->shadow, now + page, part, at + page) != (ssize_t)part)
            die("writing a shadow");
    }
}

/* The stores through a map since the last look. With the lock held. */
static void look_at_map(const struct map *map)
{
    off_t at = (off_t)map->offset, end = at + (off_t)map->size;
    while (at < end && (at = lseek(map->file, at, SEEK_DATA)) >= 0 && at < end) {
        off_t hole = lseek(map->file, at, SEEK_HOLE);
        for (hole = hole < end ? hole : end; at < hole; at += (off_t)RUN_MAX)
            compare_run(map, at, hole - at < (off_t)RUN_MAX ? (size_t)(hole - at) : RUN_MAX);
        at = hole;
    }
}

static void look_at_maps(void)
{
    for (size_t i = 0; i < MAPS_MAX; i++)
        if (recorder.maps[i].at)
            look_at_map(&recorder.maps[i]);
}

static void look_now(void)
{
    if (!recorder.root_size)
        return;
    int errnum = errno;
    take_lock();
    look_at_maps();
    free_lock();
    errno = errnum;
}

/* For a descriptor: the file and its shadow, of descriptors of their own. */
static void add_map(char *at, size_t size, int fd, off_t offset)
{
    struct map *map = recorder.maps;
    char path[PATH_MAX + 32];
    while (map->at && map < recorder.maps + MAPS_MAX - 1)
        map++;
    if (map->at)
        die("too many maps");
    *map = (struct map){at, size, recorder.opened[fd].inode, (uint64_t)offset, -1, -1};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    map->file = real_open()(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s.shadow.%lu", recorder.trace_path, (unsigned long)map->inode);
    map->shadow = real_open()(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (map->file < 0 || map->shadow < 0)
        die("opening a mapped file");
}

/* -------------------------------------------------------------- names ---- */

static bool below_root(const char *path, char name[PATH_MAX])
{
    size_t size = recorder.root_size;
    if (strncmp(path, recorder.root, size) != 0 || (path[size] && path[size] != '/'))
        return false;
    snprintf(name, PATH_MAX, "%s", path + size + (path[size] == '/'));
    return true;
}

/* The name of an open file, as it is now. */
static bool name_of_fd(int fd, char name[PATH_MAX])
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return below_root(path, name);
}

/* The name of something that may not exist: that of its directory, and its last part. */
static bool name_of_path(int directory, const char *path, char name[PATH_MAX])
{
    char full[2 * PATH_MAX], link[64], base[PATH_MAX] = "", real[PATH_MAX + NAME_MAX + 2];
    if (!recorder.root_size || !path)
        return false;
    if (path[0] != '/' && directory == AT_FDCWD && !getcwd(base, sizeof base))
        return false;
    if (path[0] != '/' && directory != AT_FDCWD) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t size = readlink(link, base, sizeof base - 1);
        base[size > 0 ? size : 0] = '\0';
    }
    snprintf(full, sizeof full, "%s%s%s", base, path[0] == '/' ? "" : "/", path);
    for (size_t end = strlen(full); end > 1 && full[end - 1] == '/'; end--)
        full[end - 1] = '\0';
    char *last = strrchr(full, '/');
    if (strcmp(last, "/..") == 0 || strcmp(last, "/.") == 0)
        return realpath(full, real) && below_root(real, name);
    *last = '\0';
    if (!realpath(*full ? full : "/", real))
        return false;
    snprintf(real + strlen(real), NAME_MAX + 2, "/%s", last + 1);
    return below_root(real, name);
}

static uint64_t inode_at(int directory, const char *path)
{
    struct stat status;
    return fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) ? 0 : status.st_ino;
}

/* ------------------------------------------------------------ opening ---- */

static struct opened *tracked(int fd)
{
    bool is_tracked =
        recorder.root_size && fd >= 0 && fd < FILES_MAX && recorder.opened[fd].is_tracked;
    return is_tracked ? &recorder.opened[fd] : NULL;
}

/* With the lock held. */
static void note_open(int fd, int flags, bool is_new)
{
    char name[PATH_MAX];
    struct stat status;
    if (fd >= FILES_MAX)
        die("too many descriptors");
    recorder.opened[fd].is_tracked = false;
    if (!name_of_fd(fd, name) || fstat(fd, &status))
        return;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return;
    bool is_sync = (flags & O_DSYNC) && (flags & O_ACCMODE) != O_RDONLY;
    recorder.opened[fd] = (struct opened){true, is_sync, status.st_ino};
    append_name(is_new ? TRACE_CREATE : TRACE_OPEN, status.st_ino, name);
    if (!is_new && (flags & O_TRUNC))
        append((struct trace_entry){.kind = TRACE_SIZE, .file = status.st_ino}, NULL, NULL);
}

static int open_recorded(int directory, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    if (!recorder.root_size || !name_of_path(directory, path, name)) {
        int fd = real_openat()(directory, path, flags, mode);
        if (recorder.root_size && fd >= 0 && fd < FILES_MAX)
            recorder.opened[fd].is_tracked = false;
        return fd;
    }
    take_lock();
    bool existed = faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = real_openat()(directory, path, flags, mode);
    int errnum = errno;
    if (fd >= 0)
        note_open(fd, flags, !existed && (flags & O_CREAT));
    free_lock();
    errno = errnum;
    return fd;
}

static mode_t mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                  \
    EXPORT int name(const char *path, int flags, ...)      \
    {                                                      \
        va_list list;                                      \
        va_start(list, flags);                             \
        mode_t mode = mode_of(flags, list);                \
        va_end(list);                                      \
        return open_recorded(AT_FDCWD, path, flags, mode); \
    }
#define DEFINE_OPENAT(name)                                          \
    EXPORT int name(int directory, const char *path, int flags, ...) \
    {                                                                \
        va_list list;                                                \
        va_start(list, flags);                                       \
        mode_t mode = mode_of(flags, list);                          \
        va_end(list);                                                \
        return open_recorded(directory, path, flags, mode);          \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

/* What _FORTIFY_SOURCE makes of the two. */
int __open_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);

EXPORT int __open_2(const char *path, int flags)
{
    return open_recorded(AT_FDCWD, path, flags, 0);
}

EXPORT int __openat_2(int directory, const char *path, int flags)
{
    return open_recorded(directory, path, flags, 0);
}

EXPORT int creat(const char *path, mode_t mode)
{
    return open_recorded(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

EXPORT int close(int fd)
{
    if (tracked(fd))
        recorder.opened[fd].is_tracked = false;
    return real_close()(fd);
}

static int copy_fd(int from, int to)
{
    if (recorder.root_size && to >= FILES_MAX)
        die("too many descriptors");
    if (recorder.root_size && to >= 0)
        recorder.opened[to] = tracked(from) ? recorder.opened[from] : (struct opened){0};
    return to;
}

EXPORT int dup(int fd)
{
    return copy_fd(fd, real_dup()(fd));
}

EXPORT int dup2(int fd, int to)
{
    return copy_fd(fd, real_dup2()(fd, to));
}

EXPORT int dup3(int fd, int to, int flags)
{
    return copy_fd(fd, real_dup3()(fd, to, flags));
}

#define DEFINE_FCNTL(name)                                               \
    EXPORT int name(int fd, int command, ...)                            \
    {                                                                    \
        va_list list;                                                    \
        va_start(list, command);                                         \
        void *argument = va_arg(list, void *);                           \
        va_end(list);                                                    \
        int result = real_fcntl()(fd, command, argument);                \
        bool is_copy = command == F_DUPFD || command == F_DUPFD_CLOEXEC; \
        return is_copy ? copy_fd(fd, result) : result;                   \
    }
DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)

/* ------------------------------------------------------------ writing ---- */

/* Waits for `least_us` and up to `more_us` more. */
static void delay(unsigned least_us, unsigned more_us)
{
    static _Thread_local unsigned state;
    if (!state)
        state = (unsigned)syscall(SYS_gettid);
    if (more_us)
        usleep(least_us + (useconds_t)rand_r(&state) % more_us);
}

static void delay_flush(int fd)
{
    char name[PATH_MAX];
    if (recorder.slow[0] && name_of_fd(fd, name) && strcmp(name, recorder.slow) == 0)
        delay(recorder.slow_us / 2, recorder.slow_us / 2);
    else
        delay(0, recorder.delay_us);
}

static void append_ended(uint64_t ref)
{
    take_lock();
    append((struct trace_entry){.kind = TRACE_ENDED, .ref = ref}, NULL, NULL);
    free_lock();
}

/* The parts in one piece, for the payload; to be freed. */
static char *joined(const struct iovec *parts, int count, size_t size)
{
    char *bytes = malloc(size ? size : 1);
    size_t at = 0;
    if (!bytes)
        die("writing");
    for (int i = 0; i < count && at < size; i++) {
        size_t part = size - at < parts[i].iov_len ? size - at : parts[i].iov_len;
        memcpy(bytes + at, parts[i].iov_base, part);
        at += part;
    }
    return bytes;
}

/* A write of any kind; `at` -1: at the file's position. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at)
{
    struct opened *opened = tracked(fd);
    struct stat status;
    take_lock();
    off_t begin = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
    if (at < 0 && (real_fcntl()(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0)
        begin = status.st_size;
    ssize_t written =
        at >= 0 ? real_pwritev()(fd, parts, count, at) : real_writev()(fd, parts, count);
    int errnum = errno;
    uint64_t ref = 0;
    if (written > 0) {
        char *bytes = joined(parts, count, (size_t)written);
        ref =
            append((struct trace_entry){.kind = opened->is_sync ? TRACE_WRITE_SYNC : TRACE_WRITE,
                                        .file = opened->inode,
                                        .at = (uint64_t)begin,
                                        .size = (uint64_t)written,
                                        .payload_size = (uint32_t)written},
                   NULL, bytes);
        free(bytes);
    }
    free_lock();
    if (written > 0 && opened->is_sync) {
        delay_flush(fd);
        append_ended(ref);
    }
    errno = errnum;
    return written;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
    struct iovec part = {(void *)bytes, size};
    return tracked(fd) ? write_parts(fd, &part, 1, -1) : real_write()(fd, bytes, size);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    struct iovec part = {(void *)bytes, size};
    return tracked(fd) ? write_parts(fd, &part, 1, at) : real_pwrite()(fd, bytes, size, at);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    return pwrite(fd, bytes, size, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return tracked(fd) ? write_parts(fd, parts, count, -1) : real_writev()(fd, parts, count);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return tracked(fd) ? write_parts(fd, parts, count, at) : real_pwritev()(fd, parts, count, at);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev(fd, parts, count, at);
}

/* --------------------------------------------------------------- sizes ---- */

static void append_size(uint64_t inode, uint64_t size)
{
    append((struct trace_entry){.kind = TRACE_SIZE, .file = inode, .size = size}, NULL, NULL);
}

EXPORT int ftruncate(int fd, off_t size)
{
    struct opened *opened = tracked(fd);
    if (!opened)
        return real_ftruncate()(fd, size);
    take_lock();
    int result = real_ftruncate()(fd, size);
    int errnum = errno;
    if (result == 0)
        append_size(opened->inode, (uint64_t)size);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* What fallocate(2) has done. With the lock held. */
static void note_fallocate(int fd, int mode, off_t at, off_t size)
{
    struct stat status;
    uint64_t inode = recorder.opened[fd].inode;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        die("a mode of fallocate that is not recorded");
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        append(
            (struct trace_entry){
                .kind = TRACE_ZERO, .file = inode, .at = (uint64_t)at, .size = (uint64_t)size},
            NULL, NULL);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && fstat(fd, &status) == 0)
        append_size(inode, (uint64_t)status.st_size);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t size)
{
    if (!tracked(fd))
        return real_fallocate()(fd, mode, at, size);
    take_lock();
    int result = real_fallocate()(fd, mode, at, size);
    int errnum = errno;
    if (result == 0)
        note_fallocate(fd, mode, at, size);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int fallocate64(int fd, int mode, off_t at, off_t size)
{
    return fallocate(fd, mode, at, size);
}

EXPORT int posix_fallocate(int fd, off_t at, off_t size)
{
    if (!tracked(fd))
        return real_posix_fallocate()(fd, at, size);
    return fallocate(fd, 0, at, size) ? errno : 0;
}

EXPORT int posix_fallocate64(int fd, off_t at, off_t size)
{
    return posix_fallocate(fd, at, size);
}

/* ------------------------------------------------------------ flushing ---- */

/* The callers inside the program, from the innermost. */
static uint32_t find_callers(uint64_t callers[TRACE_CALLERS_MAX])
{
    void *frames[FRAMES_MAX];
    uint32_t found = 0;
    int count = backtrace(frames, FRAMES_MAX);
    for (int i = 0; i < count && found < TRACE_CALLERS_MAX; i++) {
        uintptr_t at = (uintptr_t)frames[i];
        if (at >= recorder.program_from && at < recorder.program_to)
            callers[found++] = at - recorder.program_from;
    }
    return found;
}

/* `size` 0: the whole file. */
static int flush(int fd, uint64_t inode, uint64_t at, uint64_t size, int (*call)(int))
{
    uint64_t callers[TRACE_CALLERS_MAX];
    uint32_t count = find_callers(callers);
    take_lock();
    look_at_maps();
    uint64_t ref = append((struct trace_entry){.kind = TRACE_FLUSH,
                                               .file = inode,
                                               .at = at,
                                               .size = size,
                                               .payload_size = count * sizeof *callers},
                          NULL, callers);
    free_lock();
    int result = call ? call(fd) : 0, errnum = errno;
    delay_flush(fd);
    if (result == 0)
        append_ended(ref);
    errno = errnum;
    return result;
}

EXPORT int fsync(int fd)
{
    return tracked(fd) ? flush(fd, recorder.opened[fd].inode, 0, 0, real_fsync())
                       : real_fsync()(fd);
}

EXPORT int fdatasync(int fd)
{
    return tracked(fd) ? flush(fd, recorder.opened[fd].inode, 0, 0, real_fdatasync())
                       : real_fdatasync()(fd);
}

EXPORT int msync(void *at, size_t size, int flags)
{
    int result = real_msync()(at, size, flags);
    if (!recorder.root_size || result || !(flags & MS_SYNC))
        return result;
    for (size_t i = 0; i < MAPS_MAX; i++) {
        const struct map *map = &recorder.maps[i];
        if (map->at && (char *)at >= map->at && (char *)at < map->at + map->size)
            return flush(-1, map->inode, map->offset + (uint64_t)((char *)at - map->at), size,
                         NULL);
    }
    return 0;
}

/* --------------------------------------------------------------- names ---- */

EXPORT int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    char from_name[PATH_MAX], to_name[PATH_MAX];
    if (!name_of_path(from_directory, from, from_name) ||
        !name_of_path(to_directory, to, to_name))
        return real_renameat()(from_directory, from, to_directory, to);
    take_lock();
    uint64_t inode = inode_at(from_directory, from);
    int result = real_renameat()(from_directory, from, to_directory, to);
    int errnum = errno;
    if (result == 0)
        append_names(TRACE_RENAME, inode, from_name, to_name);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int linkat(int from_directory, const char *from, int to_directory, const char *to,
                  int flags)
{
    char from_name[PATH_MAX], to_name[PATH_MAX];
    if (!name_of_path(from_directory, from, from_name) ||
        !name_of_path(to_directory, to, to_name))
        return real_linkat()(from_directory, from, to_directory, to, flags);
    take_lock();
    int result = real_linkat()(from_directory, from, to_directory, to, flags);
    int errnum = errno;
    if (result == 0)
        append_names(TRACE_LINK, inode_at(to_directory, to), from_name, to_name);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int unlinkat(int directory, const char *path, int flags)
{
    char name[PATH_MAX];
    if (!name_of_path(directory, path, name))
        return real_unlinkat()(directory, path, flags);
    take_lock();
    uint64_t inode = inode_at(directory, path);
    int result = real_unlinkat()(directory, path, flags);
    int errnum = errno;
    if (result == 0)
        append_name(TRACE_UNLINK, inode, name);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int remove(const char *path)
{
    int result = unlinkat(AT_FDCWD, path, 0);
    return result && errno == EISDIR ? rmdir(path) : result;
}

EXPORT int mkdirat(int directory, const char *path, mode_t mode)
{
    char name[PATH_MAX];
    if (!name_of_path(directory, path, name))
        return real_mkdirat()(directory, path, mode);
    take_lock();
    int result = real_mkdirat()(directory, path, mode);
    int errnum = errno;
    if (result == 0)
        append_name(TRACE_MKDIR, inode_at(directory, path), name);
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* ---------------------------------------------------------------- maps ---- */

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    bool is_recorded = (flags & MAP_SHARED) && (protection & PROT_WRITE) && tracked(fd);
    if (!is_recorded)
        return real_mmap()(at, size, protection, flags, fd, offset);
    take_lock();
    char *map = real_mmap()(at, size, protection, flags, fd, offset);
    int errnum = errno;
    if (map != MAP_FAILED)
        add_map(map, size, fd, offset);
    free_lock();
    errno = errnum;
    return map;
}

EXPORT void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return mmap(at, size, protection, flags, fd, offset);
}

EXPORT int munmap(void *at, size_t size)
{
    if (!recorder.root_size)
        return real_munmap()(at, size);
    take_lock();
    for (size_t i = 0; i < MAPS_MAX; i++)
        if (recorder.maps[i].at == at) {
            look_at_map(&recorder.maps[i]);
            recorder.maps[i].at = NULL;
        }
    int result = real_munmap()(at, size), errnum = errno;
    free_lock();
    errno = errnum;
    return result;
}

EXPORT int mdb_txn_commit(MDB_txn *txn)
{
    look_now();
    int result = real_mdb_txn_commit()(txn);
    look_now();
    return result;
}

/* ------------------------------------------------ promises, begin, end ---- */

void recorder_promise(const void *bytes, size_t size);

EXPORT void recorder_promise(const void *bytes, size_t size)
{
    take_lock();
    look_at_maps();
    append((struct trace_entry){.kind = TRACE_PROMISE, .payload_size = (uint32_t)size}, NULL,
           bytes);
    free_lock();
}

void recorder_die_after(uint64_t count);

/* Kills this process right after its `count`th entry from now. */
EXPORT void recorder_die_after(uint64_t count)
{
    take_lock();
    recorder.lives = count;
    free_lock();
}

/* Made by the first process, which the others wait for. */
static void open_control(void)
{
    char path[PATH_MAX + 16];
    struct stat status;
    pthread_mutexattr_t shared;
    snprintf(path, sizeof path, "%s.control", recorder.trace_path);
    int fd = real_open()(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &status))
        die(path);
    bool is_new = status.st_size == 0;
    if (is_new && real_ftruncate()(fd, sizeof(struct control)))
        die(path);
    recorder.control =
        real_mmap()(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (recorder.control == MAP_FAILED)
        die(path);
    if (is_new) {
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&recorder.control->lock, &shared);
    }
    flock(fd, LOCK_UN); /* closing does not: the map holds the file */
    real_close()(fd);
}

static int find_program(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    recorder.program_from = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            recorder.program_to =
                info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    return 1; /* the program is the first */
}

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("EVLOG_RECORD"), *trace = getenv("EVLOG_RECORD_TRACE");
    const char *delay_us = getenv("EVLOG_RECORD_DELAY_US");
    const char *slow = getenv("EVLOG_RECORD_SLOW"), *slow_us = getenv("EVLOG_RECORD_SLOW_US");
    void *frames[1];
    if (!root || !trace || !realpath(root, recorder.root))
        return;
    backtrace(frames, 1); /* which allocates when first called */
    dl_iterate_phdr(find_program, NULL);
    recorder.delay_us = delay_us ? (unsigned)atoi(delay_us) : 0;
    recorder.slow_us = slow_us ? (unsigned)atoi(slow_us) : 0;
    snprintf(recorder.slow, sizeof recorder.slow, "%s", slow ? slow : "");
    snprintf(recorder.trace_path, sizeof recorder.trace_path, "%s", trace);
    open_control();
    recorder.trace = real_open()(trace, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (recorder.trace < 0)
        die(trace);
    recorder.root_size = strlen(recorder.root);
}

__attribute__((destructor)) static void end(void)
{
    look_now();
}
