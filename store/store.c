/*
 * An open log's directory.
 *
 *   LOG/format             what this is: text, see format.c; makes the directory a log
 *   LOG/events.mdb         the records: unnamed database, key = seq (record.c)
 *   LOG/state.mdb          types (types.c), sources (sources.c), consumers and what is theirs (consumers.c)
 *   LOG/journal            of a durable log: events before they are in events.mdb (journal.c)
 *   LOG/edge               the last flushed state of events.mdb (edge.c)
 *   LOG/....mdb-lock       liblmdb's two, with its readers and its writer's mutex
 *   LOG/shared             how the processes communicate (shared.c)
 *   LOG/lock               ours: held (flock) while the environments open and close
 *
 * While a log is open for writing its files are watched (watch.c).
 *
 * Two environments, so that recording a type or a checkpoint never blocks a sender, nor the
 * reverse.
 *
 * A log is made in this order: the directory, the environments, and last `format`, by rename (making.c). Where there
 * is a `format`, the two data files must exist: they are made with it and never after.
 *
 * events.mdb is not flushed with each commit. A durable log writes each group of events to `journal`
 * first (append.c); and both kinds are flushed now and then in the background (flusher.c), which
 * leaves in `edge` what recover.c needs after a power cut.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "be64.h"
#include "belongs.h"
#include "clock.h"
#include "error.h"
#include "file.h"
#include "flusher.h"
#include "held.h"
#include "making.h"
#include "meta.h"
#include "note.h"
#include "proof.h"
#include "retain.h"

#define POLL_NS 1000000

/* ------------------------------------------------------- the directory ---- */

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

/*
 * Whether a store into a block that a file has never needs another block, for which there may be no room:
 * not where blocks are copied when they are written to (btrfs, zfs, and xfs after cp --reflink).
 */
static bool overwrites_in_place(int fd)
{
    enum { EXT4 = 0xEF53, TMPFS = 0x01021994 };
    struct statfs status;
    return fstatfs(fd, &status) == 0 && (status.f_type == EXT4 || status.f_type == TMPFS);
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

/* The process that is named in the file `lock` has it, or else one that could not write there. */
static int fail_locked(const struct store *store, int fd)
{
    char line[PRESENCE_LINE_SIZE + 1] = "", text[PRESENCE_TEXT_SIZE];
    if (pread(fd, line, PRESENCE_LINE_SIZE, 0) < 0)
        *line = '\0';
    return error_set(EVLOG_BUSY,
                     "%s: %s has been opening or closing the log for %u ms: is it stopped?",
                     store->path, presence_text(presence_parse(line), text), store->wait_ms);
}

/* Waits for a lock for wait_ms. The file has the pid of the last process that got it. */
static int lock_file(const struct store *store, int fd)
{
    char line[PRESENCE_LINE_SIZE + 1];
    int64_t until_us = clock_monotonic_us() + (int64_t)store->wait_ms * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_errno(errno, "locking the file " LOCK_FILE, store->path);
        if (clock_monotonic_us() >= until_us)
            return fail_locked(store, fd);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    presence_format(line);
    file_write(fd, line, PRESENCE_LINE_SIZE, 0); /* not by a reader that may not write */
    return EVLOG_OK;
}

/*
 * Takes the lock of the directory. `*fd` is -1 where a reader finds no lock file: then no process
 * can be opening the log for writing, unless it has more privileges. EVLOG_NOTFOUND: there is
 * none and `create` is false.
 */
static int lock_directory(const struct store *store, bool create, int *fd)
{
    int flags = store->is_offline ? O_RDONLY : O_RDWR | (create ? O_CREAT : 0);
    int result = held_open(store->directory, store->path, LOCK_FILE, flags, fd);
    if (result && result != EVLOG_UNSUPPORTED && store->read_only)
        result = held_open(store->directory, store->path, LOCK_FILE, O_RDONLY, fd);
    if (result)
        return store->read_only && result != EVLOG_UNSUPPORTED ? EVLOG_OK : result;
    result = lock_file(store, *fd);
    if (result) {
        held_close(*fd);
        *fd = HELD_NONE;
    }
    return result;
}

static void unlock_directory(int fd)
{
    held_close(fd); /* which releases it */
}

/* ----------------------------------------------------- opening, closing ---- */

static int read_format(struct store *store, const evlog_options *options, bool *is_new)
{
    int result = format_read(store->directory, store->path, &store->format);
    *is_new = result == EVLOG_NOTFOUND;
    if (*is_new)
        return making_begin(store, options);
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

static int open_envs(struct store *store, const evlog_options *options, bool is_new)
{
    char path[PATH_MAX];
    struct env_options env_options = {
        .create = is_new,
        .read_only = store->read_only,
        .is_offline = store->is_offline,
        .is_unflushed = true,
        .is_mapped =
            store->format.durability == EVLOG_FAST && overwrites_in_place(store->events_fd),
        .wait_ms = store->wait_ms,
        .readers_max = options->readers_max ? options->readers_max : EVLOG_READERS_DEFAULT,
        .file_size_max = options->log_size_max,
        .watch = &store->watch,
        .presence = store->read_only ? NULL : &store->presence,
        .lock = SHARED_LOCK_EVENTS,
        .images = store->view.base.images.count ? &store->view.base.images : NULL,
        .seed = record_origin(store->format.origin),
    };
    path_of(store, EVENTS_FILE, path);
    int result = env_open(path, &env_options, &store->events);
    if (result)
        return result;
    env_options.is_unflushed = false; /* an event must not name a type that a power cut removed */
    env_options.file_size_max = 0;
    env_options.lock = SHARED_LOCK_STATE;
    env_options.images = NULL;
    env_options.may_be_gone = true; /* its events can still be read */
    path_of(store, STATE_FILE, path);
    return env_open(path, &env_options, &store->state);
}

/* `edge`, and a durable log's journal. A process that only reads can do without. */
static int open_beside(struct store *store, bool is_new)
{
    const uint8_t *uuid = store->format.uuid;
    int flags = store->read_only ? O_RDONLY : O_RDWR | (is_new ? O_CREAT : 0);
    bool is_durable = store->format.durability == EVLOG_DURABLE;
    int result = edge_open(store->directory, store->path, flags, uuid, &store->edge);
    if (result == EVLOG_NOTFOUND && !store->read_only)
        result = edge_open(store->directory, store->path, flags | O_CREAT, uuid, &store->edge);
    bool has_edge = result == EVLOG_OK;
    if (has_edge && is_durable)
        result = journal_open(store->directory, store->path, flags, uuid, &store->journal);
    if (store->read_only && (result == EVLOG_NOTFOUND || result == EVLOG_IO))
        return EVLOG_OK; /* a reader goes without what it has not, or may not read */
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_DAMAGED,
                         "%s/" JOURNAL_FILE
                         ": is gone, and the newest events may be only there: put it "
                         "back, or make an empty file of that name to go on without",
                         store->path);
    return result;
}

/*
 * Where other processes have the log open for writing, the files by which they exclude each other
 * must be there: new ones would exclude no other process. (That they are the same files, each process checks
 * for itself, see watch.c.)
 */
static int check_not_fresh(const struct store *store)
{
    static const char *const names[] = {SHARED_FILE, EVENTS_FILE "-lock", STATE_FILE "-lock"};
    bool is_any;
    int result = presence_is_any(store->events_fd, &is_any);
    if (result || !is_any)
        return result;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (i == 0 ? !shared_is_whole(store->directory, SHARED_FILE)
                   : faccessat(store->directory, names[i], F_OK, 0) != 0)
            return error_set(
                EVLOG_IO,
                "%s/%s: was deleted or cut short while another process has the log open; "
                "close it there, and open it again",
                store->path, names[i]);
    return EVLOG_OK;
}

/* The last commit of state.mdb that is known of, in this run of the machine; else 0. */
static uint64_t last_of_state(const struct store *store, int fd)
{
    struct stat state;
    if (fstat(fd, &state) ||
        !shared_is_same_boot(store->directory, SHARED_FILE, store->events_fd))
        return 0;
    return shared_committed(store->shared, SHARED_LOCK_STATE, state.st_ino);
}

/* Whether liblmdb may write to state.mdb. No other process has it open for writing. */
static int prove_state(const struct store *store)
{
    struct page_snapshot newest;
    int fd;
    int result = file_open(store->directory, store->path, STATE_FILE, O_RDONLY, &fd);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_DAMAGED, "%s/" STATE_FILE ": is gone", store->path);
    if (result)
        return result;
    bool is_proved = false;
    uint64_t committed_txnid = last_of_state(store, fd);
    result = meta_read(fd, STATE_FILE, &newest);
    if (result == EVLOG_OK)
        result = proof_succession(&newest, committed_txnid);
    if (result == EVLOG_OK)
        result = proof_is_noted(
            &newest, shared_noted(store->shared, SHARED_LOCK_STATE, newest.txnid), &is_proved);
    if (result == EVLOG_OK && !is_proved)
        result = proof_whole(&newest, committed_txnid, 0);
    close(fd);
    return result ? error_prefix(result, "%s", store->path) : EVLOG_OK;
}

/* events.mdb itself: its locks say which processes have the log open. */
static int open_held(struct store *store, bool is_new)
{
    int flags = store->read_only ? O_RDONLY : O_RDWR | (is_new ? O_CREAT : 0);
    int result = held_open(store->directory, store->path, EVENTS_FILE, flags, &store->events_fd);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_DAMAGED, "%s/" EVENTS_FILE ": is gone", store->path);
    return result || store->read_only ? result : check_not_fresh(store);
}

/* What requires that events.mdb is whole: a writer makes it so, a reader finds what to read. */
static int open_events(struct store *store, bool is_new)
{
    bool is_first;
    int result = EVLOG_OK;
    if (store->read_only) {
        result = presence_read(store->shared, store->events_fd);
        return result ? error_prefix(result, "%s", store->path)
                      : recover_view(store->directory, store->events_fd, store->edge,
                                     store->journal, &store->view);
    }
    result = presence_begin(&store->presence, store->shared, store->events_fd, store->wait_ms,
                            &is_first);
    if (result == EVLOG_OK && store->use.is_alone)
        result = presence_alone(&store->presence);
    if (result)
        return error_prefix(result, "%s", store->path);
    if (!is_first)
        return EVLOG_OK;
    if (!is_new)
        result = format_settle(store->directory, store->path);
    if (result == EVLOG_OK && !is_new)
        result = prove_state(store); /* before events.mdb is changed */
    return result ? result
                  : recover_begin(&store->recovery, store->directory, store->events_fd,
                                  store->shared, store->edge);
}

static int make_flusher(struct store *store, const evlog_options *options)
{
    bool is_fast = store->format.durability == EVLOG_FAST;
    uint32_t every_ms = options->flush_every_ms ? options->flush_every_ms : FLUSH_EVERY_MS;
    struct flusher_parts parts = {
        .events = store->events,
        .edge = store->edge,
        .presence = &store->presence,
        .origin = record_origin(store->format.origin),
    };
    if (store->read_only)
        return EVLOG_OK;
    int result = flusher_open(&parts, is_fast ? every_ms : 0, &store->flusher);
    if (result == EVLOG_OK)
        result = recover_finish(&store->recovery, store->events_fd, store->events, store->journal,
                                store->flusher, store->shared, parts.origin);
    return result;
}

static int open_locked(struct store *store, const evlog_options *options)
{
    bool is_new;
    char shared[PATH_MAX];
    path_of(store, SHARED_FILE, shared);
    int result = read_format(store, options, &is_new);
    if (result == EVLOG_OK)
        result = open_held(store, is_new);
    if (result == EVLOG_OK) /* the process that creates it zero-fills it: so under the lock */
        result =
            store->is_offline ? EVLOG_OK : shared_open(shared, store->read_only, &store->shared);
    if (result == EVLOG_OK)
        result = open_beside(store, is_new);
    if (result == EVLOG_OK)
        result = open_events(store, is_new);
    if (result == EVLOG_OK)
        result = open_envs(store, options, is_new);
    if (result == EVLOG_OK)
        result = make_flusher(store, options);
    if (result == EVLOG_OK && is_new)
        result = env_flush(store->state);
    if (result == EVLOG_OK && is_new)
        result = format_write(store->directory, store->path, &store->format);
    store->watch.is_rare = store->format.durability == EVLOG_FAST;
    if (result == EVLOG_OK && !store->read_only) /* else nothing is acknowledged */
        result = watch_begin(&store->watch, store->path, store->directory, making_files,
                             making_file_count);
    if (result == EVLOG_OK && !store->read_only && !store->use.is_alone)
        presence_share(&store->presence);
    return result;
}

/*
 * Puts on record that events may have been lost, or damage was mended. (A durable log loses nothing by a
 * power cut.) Where there is no room for it the log can be used all the same.
 */
static int note_recovery(struct store *store)
{
    const struct recovery *recovery = &store->recovery;
    unsigned char map[] = "\x82\xa6mended\xc2\xa7kept_to\xcf\0\0\0\0\0\0\0";
    bool is_lossy = store->format.durability == EVLOG_FAST || recovery->is_mending;
    if (!recovery->was_restored || !is_lossy ||
        store->use.copied) /* nothing is added to a copy */
        return EVLOG_OK;
    map[8] = recovery->is_mending ? 0xc3 : 0xc2;
    be64_store(map + sizeof map - 8, recovery->base.seq + recovery->replayed_count);
    int result = note_append(store, "evlog.recovered.v1", map, sizeof map);
    return result == EVLOG_FULL ? EVLOG_OK : result;
}

static int open_appender(struct store *store)
{
    struct appender_parts parts = {
        .events = store->events,
        .shared = store->shared,
        .journal = store->journal,
        .flusher = store->flusher,
        .edge = store->edge,
        .types = store->types,
        .floor = store->floor,
        .origin = record_origin(store->format.origin),
    };
    return appender_open(&parts, &store->appender);
}

/* What requires no lock: it is in memory, or done by transactions. */
static int open_parts(struct store *store)
{
    uint64_t origin = record_origin(store->format.origin);
    struct flusher *flusher = store->format.durability == EVLOG_FAST ? store->flusher : NULL;
    int result = store->read_only ? EVLOG_OK : belongs_check_state(store);
    if (result == EVLOG_OK)
        result = types_open(store->state, store->read_only, &store->types);
    if (result == EVLOG_OK)
        result = sources_open(store->state, &store->sources);
    if (result == EVLOG_OK)
        result = floor_open(store->state, flusher, origin, store->read_only, &store->floor);
    if (result == EVLOG_OK && floor_get(store->floor).first_seq > 1)
        env_will_reuse(store->events);
    if (result == EVLOG_OK && !store->read_only)
        result = belongs_check_events(store);
    if (result == EVLOG_OK && !store->read_only)
        result = open_appender(store);
    if (result == EVLOG_OK && !store->read_only && !store->use.copied)
        retain_begin(store);
    if (result == EVLOG_OK && store->flusher && (result = flusher_start(store->flusher)))
        result = error_prefix(result, "%s", store->path);
    if (result == EVLOG_OK && !store->read_only) /* a commit, which would start the thread */
        result = note_recovery(store);
    return result;
}

struct note {
    struct shared *shared;
    enum shared_lock which;
};

static int note(const struct page_snapshot *snapshot, void *ctx)
{
    const struct note *note = ctx;
    uint64_t checksum;
    if (edge_checksum(snapshot, &checksum) == EVLOG_OK)
        shared_note(note->shared, note->which, snapshot->txnid, checksum);
    return EVLOG_OK;
}

/* What liblmdb will believe at the next opening is not to be proved again, if it is still the same. */
static void note_checksums(struct store *store)
{
    struct note events = {store->shared, SHARED_LOCK_EVENTS};
    struct note state = {store->shared, SHARED_LOCK_STATE};
    if (store->read_only || !store->events || !store->state)
        return;
    env_read(store->events, ENV_NEWEST, note, &events);
    env_read(store->state, ENV_NEWEST, note, &state);
}

int store_lock(struct store *store)
{
    return lock_directory(store, !store->read_only, &store->lock);
}

int store_close(struct store *store)
{
    int result = shared_check(store->shared, false); /* what follows touches it */
    int flushed = flusher_close(store->flusher);
    note_checksums(store);
    appender_close(store->appender);
    types_close(store->types);
    sources_close(store->sources);
    floor_close(store->floor);
    if (store->events && store->lock == HELD_NONE)
        store_lock(
            store); /* the races it guards against are rarer than a log that cannot be closed */
    env_close(store->events);
    env_close(store->state);
    journal_close(store->journal);
    edge_close(store->edge);
    presence_end(&store->presence);
    shared_close(store->shared);
    held_close(store->events_fd);
    unlock_directory(store->lock);
    recover_free(&store->recovery);
    recover_view_free(&store->view);
    watch_end(&store->watch);
    if (store->directory >= 0)
        close(store->directory);
    pthread_mutex_destroy(&store->retaining);
    pthread_mutex_destroy(&store->seals.lock);
    free(store);
    return result ? result : flushed;
}

/* Where there is no log and none is to be made, no lock file is made either. */
static int open_directory(struct store *store, const evlog_options *options)
{
    int fd;
    int result = making_check(store);
    if (result)
        return result;
    bool may_make = !store->read_only && (!options->no_create || making_is_made(store));
    result = lock_directory(store, may_make, &fd);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_NOTFOUND, "%s: no log there", store->path);
    if (result)
        return result;
    result = open_locked(store, options);
    unlock_directory(fd);
    return result;
}

/* It could not be opened; the sentence is why, and not what closing it may add. */
static int give_up(struct store *store, int result)
{
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    store_close(store);
    return error_set(result, "%s", why);
}

int store_open(const char *path, const evlog_options *options, const struct store_use *use,
               struct store **opened)
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
    store->is_offline = options->offline;
    store->wait_ms = options->wait_ms ? options->wait_ms : EVLOG_WAIT_MS_DEFAULT;
    store->events_fd = store->lock = HELD_NONE;
    if (use)
        store->use = *use;
    store->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0)
        result = error_errno(errno, "opening", path);
    if (result == EVLOG_OK)
        result = open_directory(store, options);
    if (result == EVLOG_OK)
        result = open_parts(store);
    if (result)
        return give_up(store, result);
    *opened = store;
    return EVLOG_OK;
}
