/*
 * Whether the files that a process has open are still the log's.
 *
 * A process goes on writing to a file that was deleted, moved or replaced, and would acknowledge
 * events that no process can read. Writers that have different lock files do not exclude each other,
 * and destroy each other's events. So before anything is acknowledged each name is looked up
 * again: it must be the file (device and inode) that it was when the log was opened. The log's
 * directory is looked up in its parent, so neither a relative path nor a changed root matters.
 *
 * It is done after the commit and before its result is given: what was committed before a file
 * went away and is checked after may be refused although it is in a file somewhere. Once it fails,
 * env.c writes no more.
 *
 * Cost: a directory has a new ctime when it is moved or a name in it changes, so one fstat is enough
 * while it has not. File systems keep such times by a clock that ticks every 10 ms or faster, a few
 * by whole seconds: a ctime is relied on when no later change can have the same, at the look that
 * found all well. This for each commit that is flushed; for
 * others, every CHECK_EVERY_US at most, so a fast log's events of that time may be acknowledged and
 * gone. Absent: moving a directory above the log's parent, which is not noticed
 * and does no harm; and a name that is put back before it is looked at.
 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

#define CHECK_EVERY_US 10000
#define TICK_NS INT64_C(50000000)
#define SECONDS_NS INT64_C(3000000000)

static struct watch_file file_of(const char *name, const struct stat *status)
{
    return (struct watch_file){name, status->st_dev, status->st_ino};
}

static const char *last_part(const char *path)
{
    return *path ? strrchr(path, '/') + 1 : "."; /* it is absolute, or was the root */
}

/* When the directory last changed, or 0. */
static int64_t changed_ns(const struct watch *watch)
{
    struct stat status;
    if (fstat(watch->directory, &status) || status.st_nlink == 0)
        return 0;
    return (int64_t)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec;
}

/* Relies on a ctime from now on, if it is old enough. */
static void settle(struct watch *watch, int64_t ns, int64_t now_us)
{
    int64_t age_ns = ns % 1000000000 ? TICK_NS : SECONDS_NS;
    if ((ns + age_ns) / 1000 < now_us)
        atomic_store(&watch->settled_ns, ns);
}

int watch_begin(struct watch *watch, const char *path, int directory, const char *const *names,
                size_t count)
{
    struct stat status;
    watch->parent = -1;
    watch->path = realpath(path, NULL);
    if (!watch->path)
        return error_errno(errno, "finding its directory", path);
    if (strcmp(watch->path, "/") == 0)
        watch->path[0] = '\0';
    watch->directory = directory;
    watch->parent = openat(directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (watch->parent < 0 || fstat(directory, &status))
        return error_errno(errno, "looking at its directory", path);
    int64_t ns = changed_ns(watch);
    watch->itself = file_of(last_part(watch->path), &status);
    for (size_t i = 0; i < count && i < WATCH_FILES_MAX; i++) {
        if (fstatat(directory, names[i], &status, 0) == 0)
            watch->files[watch->count++] = file_of(names[i], &status);
        else if (errno != ENOENT)
            return error_errno(errno, "looking at its files", path);
    }
    settle(watch, ns, clock_wall_us());
    watch->is_begun = true;
    return EVLOG_OK;
}

void watch_end(struct watch *watch)
{
    if (watch->path && watch->parent >= 0)
        close(watch->parent);
    free(watch->path);
    watch->path = NULL;
}

/* What became of a file, or NULL: it is what it was, or cannot be seen. */
static const char *change_of(int directory, const struct watch_file *before)
{
    struct stat status;
    if (fstatat(directory, before->name, &status, 0))
        return errno == ENOENT || errno == ENOTDIR ? "was deleted or moved" : NULL;
    return status.st_ino == before->inode && status.st_dev == before->device ? NULL
                                                                             : "was replaced";
}

static int lost(const struct watch *watch, const char *name, const char *what)
{
    return error_set(EVLOG_IO,
                     "%s%s%s: %s while the log is open; what is sent now would be lost: close "
                     "the log, see to its files, and open it",
                     watch->path, *name ? "/" : "", name, what);
}

/* Also when the clock was set back. */
static bool is_due(struct watch *watch, int64_t now_us)
{
    if (!watch || !watch->is_begun)
        return false;
    if (!watch->is_rare)
        return true;
    int64_t since_us = now_us - atomic_load_explicit(&watch->checked_us, memory_order_relaxed);
    if (since_us >= 0 && since_us < CHECK_EVERY_US)
        return false;
    atomic_store_explicit(&watch->checked_us, now_us, memory_order_relaxed);
    return true;
}

/* Looks up every name. */
static int look(const struct watch *watch)
{
    const char *change = change_of(watch->parent, &watch->itself);
    if (change)
        return lost(watch, "", change);
    for (size_t i = 0; i < watch->count; i++)
        if ((change = change_of(watch->directory, &watch->files[i])))
            return lost(watch, watch->files[i].name, change);
    return EVLOG_OK;
}

int watch_check(struct watch *watch, int64_t now_us)
{
    if (!is_due(watch, now_us))
        return EVLOG_OK;
    int64_t ns = changed_ns(watch);
    if (ns && ns == atomic_load(&watch->settled_ns))
        return EVLOG_OK;
    int result = look(watch);
    if (result == EVLOG_OK)
        settle(watch, ns, now_us);
    return result;
}
