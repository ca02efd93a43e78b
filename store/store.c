/*
 * An open log's directory.
 *
 *   LOG/format             what this is: text, see format.c; makes the directory a log
 *   LOG/events.mdb         the records: unnamed database, key = seq (record.c)
 *   LOG/state.mdb          types and sources (names.c), consumers and theirs (replay/)
 *   LOG/....mdb-lock       liblmdb's two, with its readers and its writer's mutex
 *   LOG/shared             what the processes tell each other (shared.c)
 *   LOG/lock               ours: held (flock) while the environments open and close
 *
 * Two environments, so that who writes down a type or a position does not wait for a
 * sender, nor a sender for him.
 *
 * Making a log: the directory, the environments, and last `format`, by rename. What
 * a crash leaves without a `format` is begun again, unless there is more in it than a
 * log that was never finished can have: then that file was lost, and nothing is touched.
 * Nor is a directory of something else, and where there is a `format`, the two data
 * files must be there: they are made with it and never after.
 *
 * EVLOG_FAST: commits are not flushed (MDB_NOSYNC); a thread flushes the file every
 * flush_every_ms when there was a commit, in this process or another. Between two
 * flushes the system may write pages and meta page in any order, so a power cut can lose
 * more than the events since the last one: it can leave a tree whose newest pages are
 * missing, damaged at its right edge. What that costs is found by evlog verify.
 */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "be64.h"
#include "clock.h"
#include "error.h"
#include "flusher.h"
#include "reader.h"
#include "uuid.h"

#define EVENTS_FILE "events.mdb"
#define STATE_FILE "state.mdb"
#define LOCK_FILE "lock"
#define SHARED_FILE "shared"

/* ---------------------------------------------------------- the ground ---- */

/* LMDB's locks and its shared mapping do not hold over a network (lmdb.h, Caveats). */
static int check_file_system(const char *path)
{
    static const struct {
        unsigned long type;
        const char *name;
    } network[] = {
        {0x6969, "NFS"},        {0x517B, "SMB"},      {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB2"},
        {0x01021997, "9p"},     {0x5346414F, "AFS"},  {0x73757245, "Coda"},  {0x00C36400, "Ceph"},
        {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"}, {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"},
    };
    struct statfs status;
    int result;
    while ((result = statfs(path, &status)) && errno == EINTR)
        ;
    if (result)
        return error_errno(errno, "looking at its file system", path);
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        if ((unsigned long)status.f_type == network[i].type)
            return error_set(
                EVLOG_UNSUPPORTED,
                "%s: is on a network file system (%s); a log must be on a local disk", path,
                network[i].name);
    return EVLOG_OK;
}

static int make_directory(const char *path, const evlog_options *options)
{
    struct stat status;
    if (stat(path, &status) == 0) {
        if (!S_ISDIR(status.st_mode))
            return error_set(EVLOG_INVALID, "%s: is a file; a log is a directory", path);
        return EVLOG_OK;
    }
    if (errno != ENOENT)
        return error_errno(errno, "opening", path);
    if (options->read_only || options->no_create)
        return error_set(EVLOG_NOTFOUND, "%s: no log there", path);
    if (mkdir(path, 0700) && errno != EEXIST)
        return error_errno(errno, "making the directory", path);
    return EVLOG_OK;
}

static void path_of(const struct store *store, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", store->path, name); /* store_open checked the length */
}

/*
 * Takes the lock; `*fd` is -1 where a reader finds none and cannot make one: then
 * nobody else can be opening the log for writing either, or he has more rights.
 */
static int lock_directory(const struct store *store, int *fd)
{
    char path[PATH_MAX];
    path_of(store, LOCK_FILE, path);
    *fd = open(path, O_RDWR | O_CLOEXEC | (store->read_only ? 0 : O_CREAT), 0600);
    if (*fd < 0 && store->read_only)
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return store->read_only ? EVLOG_OK : error_errno(errno, "opening", path);
    while (flock(*fd, LOCK_EX))
        if (errno != EINTR) {
            int result = error_errno(errno, "locking", path);
            close(*fd);
            return result;
        }
    return EVLOG_OK;
}

/* A child that was forked meanwhile has a copy of `fd`, so closing it is not enough. */
static void unlock_directory(int fd)
{
    if (fd < 0)
        return;
    flock(fd, LOCK_UN);
    close(fd);
}

/* ------------------------------------------------------- a log is made ---- */

/* 1 for what this file makes on the way to a log. */
static int is_ours(const char *name)
{
    static const char *const names[] = {".",
                                        "..",
                                        LOCK_FILE,
                                        EVENTS_FILE,
                                        EVENTS_FILE "-lock",
                                        STATE_FILE,
                                        STATE_FILE "-lock",
                                        SHARED_FILE,
                                        FORMAT_FILE,
                                        FORMAT_FILE ".new"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return 0;
}

/* A directory without a `format` can become a log when it has nothing else in it. */
static int check_only_ours(const struct store *store)
{
    char format[PATH_MAX];
    const char *path = store->path;
    path_of(store, FORMAT_FILE, format);
    if (access(format, F_OK) == 0)
        return EVLOG_OK;
    DIR *directory = opendir(path);
    if (!directory)
        return error_errno(errno, "reading the directory", path);
    int result = EVLOG_OK;
    for (struct dirent *entry; result == EVLOG_OK && (entry = readdir(directory));)
        if (!is_ours(entry->d_name))
            result = error_set(EVLOG_UNSUPPORTED,
                               "%s: not an evlog log: it has no file %s, but has %s", path,
                               FORMAT_FILE, entry->d_name);
    closedir(directory);
    return result;
}

/*
 * EVLOG_OK when a data file, if there is one, is no more than the beginning of a new
 * one: two meta pages, or as much of them as a crash has left, and no entry.
 */
static int check_begun(const char *path)
{
    struct page_snapshot snapshot;
    struct stat status;
    uint64_t head = 0;
    int result = EVLOG_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? EVLOG_OK : error_errno(errno, "opening", path);
    if (fstat(fd, &status) || pread(fd, &head, sizeof head, 0) < 0)
        result = error_errno(errno, "reading", path);
    int begun = head == 0;
    if (result == EVLOG_OK && begun && status.st_size > 2 * sysconf(_SC_PAGESIZE)) {
        result = page_snapshot_read(fd, path, &snapshot);
        begun = result == EVLOG_OK && !snapshot.one_meta && snapshot.entries == 0;
    }
    close(fd);
    if (!begun && (result == EVLOG_OK || result == EVLOG_DAMAGED))
        result = error_set(EVLOG_DAMAGED, "%s: has data, but the file %s beside it is gone", path,
                           FORMAT_FILE);
    return result;
}

static int check_both_begun(const struct store *store)
{
    char path[PATH_MAX];
    path_of(store, EVENTS_FILE, path);
    int result = check_begun(path);
    path_of(store, STATE_FILE, path);
    return result ? result : check_begun(path);
}

/* Takes away what an interrupted attempt has left. */
static int clear_ground(const struct store *store)
{
    static const char *const names[] = {EVENTS_FILE, EVENTS_FILE "-lock", STATE_FILE,
                                        STATE_FILE "-lock"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(store, names[i], path);
        if (unlink(path) && errno != ENOENT)
            return error_errno(errno, "removing", path);
    }
    return EVLOG_OK;
}

static void describe_new(struct store *store, const evlog_options *options)
{
    store->format = (struct format){
        .version = FORMAT_VERSION,
        .durability = options->durability ? options->durability : EVLOG_DURABLE,
        .created_us = clock_wall_us(),
    };
    uuid_make(store->format.uuid);
}

/* ----------------------------------------------------- opening, closing ---- */

static int read_format(struct store *store, const evlog_options *options, int *is_new)
{
    int result = format_read(store->path, &store->format);
    *is_new = 0;
    if (result == EVLOG_NOTFOUND) {
        result = check_both_begun(store);
        if (result == EVLOG_OK && (store->read_only || options->no_create))
            return error_set(EVLOG_NOTFOUND, "%s: no log there", store->path);
        if (result == EVLOG_OK)
            result = clear_ground(store);
        if (result == EVLOG_OK)
            describe_new(store, options);
        *is_new = 1;
        return result;
    }
    if (result)
        return result;
    if (store->format.read_only && !store->read_only)
        return error_set(
            EVLOG_UNSUPPORTED,
            "%s: made by a newer evlog, which is needed to write to it; open it read only",
            store->path);
    if (options->durability && options->durability != store->format.durability)
        return error_set(
            EVLOG_CONFLICT, "%s: its durability is %s, and is not changed by opening it",
            store->path, store->format.durability == EVLOG_FAST ? "fast" : "durable");
    return EVLOG_OK;
}

static int open_envs(struct store *store, const evlog_options *options, int is_new)
{
    char path[PATH_MAX];
    struct env_options env_options = {
        .create = is_new,
        .read_only = store->read_only,
        .fast = store->format.durability == EVLOG_FAST,
        .readers_max = options->readers_max ? options->readers_max : EVLOG_READERS_DEFAULT,
        .file_size_max = options->log_size_max,
    };
    path_of(store, EVENTS_FILE, path);
    int result = env_open(path, &env_options, &store->events);
    if (result)
        return result;
    env_options.fast = 0; /* an event must not name a type that a power cut took away */
    env_options.file_size_max = 0;
    path_of(store, STATE_FILE, path);
    return env_open(path, &env_options, &store->state);
}

/* With the lock: who makes the file fills it, over what others may have written there. */
static int open_shared(struct store *store)
{
    char path[PATH_MAX];
    path_of(store, SHARED_FILE, path);
    return shared_open(path, store->read_only, &store->shared);
}

static int open_locked(struct store *store, const evlog_options *options)
{
    int is_new;
    int result = read_format(store, options, &is_new);
    if (result == EVLOG_OK)
        result = open_envs(store, options, is_new);
    if (result == EVLOG_OK)
        result = open_shared(store);
    if (result == EVLOG_OK && is_new)
        result = env_flush(store->events);
    if (result == EVLOG_OK && is_new)
        result = env_flush(store->state);
    if (result == EVLOG_OK && is_new)
        result = format_write(store->path, &store->format);
    return result;
}

/* What needs no lock: in memory, and by transactions. */
static int open_parts(struct store *store, const evlog_options *options)
{
    int result = names_open(store->state, NAMES_TYPE, store->read_only, &store->types);
    if (result == EVLOG_OK)
        result = names_open(store->state, NAMES_SOURCE, store->read_only, &store->sources);
    if (result == EVLOG_OK && !store->read_only)
        result = appender_open(store->events, store->shared, record_origin(store->format.uuid),
                               &store->appender);
    if (result == EVLOG_OK && !store->read_only && store->format.durability == EVLOG_FAST)
        result = flusher_open(store->events, options->flush_every_ms, &store->flusher);
    return result;
}

int store_close(struct store *store)
{
    int fd;
    int result = flusher_close(store->flusher);
    appender_close(store->appender);
    names_close(store->types);
    names_close(store->sources);
    shared_close(store->shared);
    if (lock_directory(store, &fd))
        fd = -1; /* the races it guards against are rarer than a log that cannot be closed */
    env_close(store->events);
    env_close(store->state);
    unlock_directory(fd);
    free(store);
    return result;
}

int store_open(const char *path, const evlog_options *options, struct store **opened)
{
    if (strlen(path) + sizeof STATE_FILE + sizeof "/-lock" > PATH_MAX)
        return error_set(EVLOG_INVALID, "a path of %zu bytes is too long", strlen(path));
    int result = make_directory(path, options);
    if (result == EVLOG_OK)
        result = check_file_system(path);
    if (result)
        return result;
    struct store *store = calloc(1, sizeof *store + strlen(path) + 1);
    if (!store)
        return error_nomem();
    strcpy(store->path, path);
    store->read_only = options->read_only;
    int fd;
    result = check_only_ours(store);
    if (result == EVLOG_OK)
        result = lock_directory(store, &fd);
    if (result) {
        free(store);
        return result;
    }
    result = open_locked(store, options);
    unlock_directory(fd);
    if (result == EVLOG_OK)
        result = open_parts(store, options);
    if (result) {
        store_close(store);
        return result;
    }
    *opened = store;
    return EVLOG_OK;
}

/* --------------------------------------------------------- looking at it ---- */

/* The key of a leaf's node as a seq; 0: no seq a log could have. */
static uint64_t seq_of(const unsigned char *leaf, unsigned index)
{
    struct page_node node;
    page_node_at(leaf, index, &node);
    uint64_t seq = node.key_size == sizeof seq ? be64_load(node.key) : 0;
    return seq <= INT64_MAX ? seq : 0;
}

/*
 * The seq at one end of a snapshot: 0 when the way there is damaged. `key` NULL: the
 * last, else the first.
 */
static int end_of(const struct page_snapshot *snapshot, const void *key, size_t key_size,
                  uint64_t *seq)
{
    struct page_cursor cursor;
    unsigned index;
    unsigned char *leaf = malloc(snapshot->page_size);
    int result = leaf ? page_cursor_open(&cursor, snapshot) : error_nomem();
    if (result == EVLOG_OK) {
        result = page_seek(&cursor, key, key_size, leaf, &index);
        page_cursor_free(&cursor);
    }
    *seq = 0;
    if (result == EVLOG_OK && index < page_node_count(leaf))
        *seq = seq_of(leaf, index);
    free(leaf);
    return result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

/* 1 when the record under this key is sound: its checksum covers the key. */
static int is_record(const struct page_snapshot *snapshot, uint64_t seq)
{
    unsigned char key[sizeof seq];
    void *value;
    size_t size;
    struct record record;
    be64_store(key, seq);
    if (page_get(snapshot, key, sizeof key, RECORD_SIZE_MAX, &value, &size))
        return 0;
    int result = record_decode(seq, value, size, &record);
    free(value);
    return result == EVLOG_OK;
}

/* `seq` - `count` + 1, but not before 1. */
static uint64_t back_from(uint64_t seq, uint64_t count)
{
    return seq > count ? seq - count + 1 : 1;
}

/*
 * Seqs are dense: the first, the last and the count of entries must agree. Where they do
 * not, or an end cannot be reached, an end is believed when its record is sound, and
 * the count unless the file has no room for so many. The range is then rather too long
 * than too short: an event too many is reported as missing, one too few would not be.
 */
static void settle_bounds(const struct page_snapshot *snapshot, uint64_t *first, uint64_t *last)
{
    uint64_t most = snapshot->file_size / RECORD_HEAD_SIZE;
    uint64_t count = snapshot->entries <= most ? snapshot->entries : 0;
    uint64_t low = *first && is_record(snapshot, *first) ? *first : 0;
    uint64_t high = *last && is_record(snapshot, *last) ? *last : 0;
    if (low && high && (high < low || high - low >= most))
        high = 0;
    if (!low && !high)
        low = 1;
    *first = low;
    *last = high;
    if (!low)
        *first = back_from(high, count ? count : most);
    else if (!high)
        *last = low + (count ? count - 1 : 0);
    else if (count > high - low + 1) {
        *first = back_from(high, count);
        *last = low + count - 1;
    }
}

static int bounds_of(const struct page_snapshot *snapshot, uint64_t *first, uint64_t *last)
{
    uint64_t low = 0, high = 0, entries = snapshot->entries;
    int result = EVLOG_OK;
    if (snapshot->depth > 0) {
        result = end_of(snapshot, "\0", 1, &low);
        if (result == EVLOG_OK)
            result = end_of(snapshot, NULL, 0, &high);
        if (result)
            return result;
        if (low == 0 || high < low || high - low + 1 != entries ||
            entries > snapshot->file_size / RECORD_HEAD_SIZE)
            settle_bounds(snapshot, &low, &high);
    }
    *first = low;
    *last = high;
    return result;
}

int store_bounds(struct store *store, uint64_t *first, uint64_t *last)
{
    struct env_pin pin;
    int result;
    do {
        result = env_pin(store->events, &pin);
        if (result)
            return result;
        result = bounds_of(&pin.snapshot, first, last);
    } while (!env_unpin(store->events, &pin));
    return result;
}

static int64_t time_of(struct store *store, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    int64_t time_us = 0;
    if (seq && reader_read(&reader, store, seq, seq, 1) == EVLOG_OK)
        time_us = reader.events[0].record.log_time_us;
    reader_free(&reader);
    return time_us;
}

int store_inspect(struct store *store, evlog_info *info)
{
    struct env_pin pin;
    uint64_t first, last;
    int result = store_bounds(store, &first, &last);
    if (result == EVLOG_OK)
        result = names_refresh(store->types);
    if (result == EVLOG_OK)
        result = names_refresh(store->sources);
    if (result == EVLOG_OK)
        result = env_pin(store->events, &pin);
    if (result)
        return result;
    env_unpin(store->events, &pin);
    *info = (evlog_info){
        .format = store->format.version,
        .durability = store->format.durability,
        .read_only = store->read_only,
        .created_us = store->format.created_us,
        .first_seq = first,
        .last_seq = last,
        .first_log_time_us = time_of(store, first),
        .last_log_time_us = time_of(store, last),
        .file_size = pin.snapshot.file_size,
        .used_size = (pin.snapshot.last_page + 1) * pin.snapshot.page_size,
        .page_count = pin.snapshot.last_page + 1,
        .page_size = pin.snapshot.page_size,
        .type_count = names_count(store->types),
        .source_count = names_count(store->sources),
    };
    memcpy(info->uuid, store->format.uuid, sizeof info->uuid);
    return EVLOG_OK;
}
