/*
 * Making a log: what a directory has to be for that, and what goes before.
 *
 * `format` is written last (store.c), by rename. What a crash leaves without it is made anew, unless it contains more
 * than an unfinished log can: then `format` was lost, and nothing is changed. Nor is a directory of
 * something else.
 */
#include "making.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "file.h"
#include "meta.h"
#include "store.h"
#include "uuid.h"

#define NEW_SIZE_MAX (UINT64_C(2) << 20) /* of a file without an entry */

/* The first are made anew with a log. */
#define MADE_ANEW 7
const char *const making_files[] = {
    EVENTS_FILE, EVENTS_FILE "-lock", STATE_FILE, STATE_FILE "-lock", JOURNAL_FILE,
    EDGE_FILE,   SHARED_FILE,         LOCK_FILE,  FORMAT_FILE,        FORMAT_FILE ".new",
};

const unsigned making_file_count = sizeof making_files / sizeof *making_files;

_Static_assert(sizeof making_files / sizeof *making_files <= WATCH_FILES_MAX, "all are watched");

/* Whether a file is one of a log's, finished or not. */
static bool is_ours(const char *name)
{
    for (size_t i = 0; i < making_file_count; i++)
        if (strcmp(name, making_files[i]) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool making_is_made(const struct store *store)
{
    return faccessat(store->directory, FORMAT_FILE, F_OK, 0) == 0;
}

int making_check(const struct store *store)
{
    const char *path = store->path;
    if (making_is_made(store))
        return EVLOG_OK;
    if (errno != ENOENT)
        return error_errno(errno, "looking for its file " FORMAT_FILE, path);
    DIR *directory = opendir(path);
    if (!directory)
        return error_errno(errno, "reading the directory", path);
    int result = EVLOG_OK;
    errno = 0; /* by which readdir reports that it has failed */
    for (struct dirent *entry; result == EVLOG_OK && (entry = readdir(directory));)
        if (!is_ours(entry->d_name))
            result = error_set(EVLOG_UNSUPPORTED,
                               "%s: not an evlog log: it has no file %s, but has %s", path,
                               FORMAT_FILE, entry->d_name);
    if (result == EVLOG_OK && errno)
        result = error_errno(errno, "reading the directory", path);
    closedir(directory);
    return result;
}

/* Whether a file has nothing but zeros from `from` on, and is no longer than a new one may be. */
static bool is_empty_after(int fd, uint64_t from, uint64_t size)
{
    static const char zeros[4096];
    char bytes[sizeof zeros];
    size_t count = 0;
    if (size > NEW_SIZE_MAX)
        return false;
    for (; from < size; from += count)
        if (file_read(fd, bytes, sizeof bytes, from, &count) || count == 0 ||
            memcmp(bytes, zeros, count) != 0)
            return false;
    return true;
}

/*
 * Whether a data file, if it exists, is at most the beginning of a new one: two meta pages, or as
 * much of them as a crash has left, and no entry.
 */
static int check_begun(const struct store *store, const char *name)
{
    uint64_t metas_size = 2 * (uint64_t)sysconf(_SC_PAGESIZE);
    struct page_snapshot snapshot;
    struct stat status;
    uint64_t head = 0;
    int fd, result = file_open(store->directory, store->path, name, O_RDONLY, &fd);
    if (result)
        return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
    if (fstat(fd, &status) || pread(fd, &head, sizeof head, 0) < 0)
        result = error_errno(errno, "reading a data file", store->path);
    bool is_begun = head == 0;
    if (result == EVLOG_OK && is_begun &&
        !is_empty_after(fd, metas_size, (uint64_t)status.st_size)) {
        result = meta_read(fd, name, &snapshot);
        is_begun = result == EVLOG_OK && !snapshot.one_meta && snapshot.entries == 0;
    }
    close(fd);
    if (!is_begun && (result == EVLOG_OK || result == EVLOG_DAMAGED))
        return error_set(EVLOG_DAMAGED, "%s/%s: has data, but the file %s beside it is gone",
                         store->path, name, FORMAT_FILE);
    return result;
}

/* Removes what an interrupted attempt has left. */
static int remove_begun(const struct store *store)
{
    for (size_t i = 0; i < MADE_ANEW; i++)
        if (unlinkat(store->directory, making_files[i], 0) && errno != ENOENT)
            return error_errno(errno, "removing an unfinished data file", store->path);
    return EVLOG_OK;
}

int making_begin(struct store *store, const evlog_options *options)
{
    int result = check_begun(store, EVENTS_FILE);
    if (result == EVLOG_OK)
        result = check_begun(store, STATE_FILE);
    if (result == EVLOG_OK && (store->read_only || options->no_create))
        result = error_set(EVLOG_NOTFOUND, "%s: no log there", store->path);
    if (result == EVLOG_OK)
        result = remove_begun(store);
    if (result)
        return result;
    store->format = (struct format){
        .version = FORMAT_VERSION,
        .durability = options->durability ? options->durability : EVLOG_DURABLE,
        .created_us = clock_wall_us(),
    };
    uuid_make(store->format.uuid);
    const uint8_t *origin = store->use.copied ? store->use.copied->origin : store->format.uuid;
    memcpy(store->format.origin, origin, sizeof store->format.origin);
    return EVLOG_OK;
}
