/*
 * Compacting: the data files are written anew, without what is free in them.
 *
 * With the log open alone (store_use):
 *
 *   1. it is flushed, and the journal is cleared: what is there of an event that was not committed could name a type
 *      that goes
 *   2. events.mdb.new and state.mdb.new are made: the records and the names they need (rewrite.c), and all else that
 *      state.mdb has; both are flushed
 *   3. `edge` is cleared, whose images are of the old events.mdb
 *   4. the old events.mdb gets the name events.mdb.old, too; then the new files take the names of the old ones
 *   5. the log is closed and opened anew, which fills `edge`, and it is put on record
 *   6. events.mdb.old is overwritten and removed
 *
 * The names are changed with the log's directory locked, and the directory is flushed after that. A log whose
 * `edge` is empty is one whose newest state is proved in full when it is opened (recover.c); both the old events.mdb
 * and the new one are flushed whole. And each goes with both state.mdb: the new one only lacks names that no record
 * has. So a cut or a death at any point leaves a log that opens, and files that the next compacting removes.
 *
 * What was erased is in no record, but the old file has it in free pages and in the slack of others: that is why it is
 * overwritten, and only after that no erased event waits any more (erase.c). On file systems that do not write in
 * place, and on disks that move blocks, this reaches only what they let it.
 */
#include "compact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "be64.h"
#include "entries.h"
#include "error.h"
#include "file.h"
#include "flusher.h"
#include "journal.h"
#include "making.h"
#include "note.h"
#include "rewrite.h"
#include "store.h"

#define NEW_EVENTS_FILE EVENTS_FILE ".new"
#define NEW_STATE_FILE STATE_FILE ".new"
#define OLD_EVENTS_FILE EVENTS_FILE ".old"

struct compacting {
    struct store *store;
    const evlog_compact_options *options;
    struct env *events, *state; /* the new ones */
};

/* ---------------------------------------------------------- the directory ---- */

static int fail(const struct store *store, int errnum, const char *what)
{
    return error_errno(errnum, what, store->path);
}

static int remove_file(const struct store *store, const char *name)
{
    if (unlinkat(store->directory, name, 0) && errno != ENOENT)
        return fail(store, errno, "removing a file");
    return EVLOG_OK;
}

static int rename_file(const struct store *store, const char *from, const char *to)
{
    if (renameat(store->directory, from, store->directory, to))
        return fail(store, errno, "renaming a new data file");
    return EVLOG_OK;
}

static int flush_directory(const struct store *store)
{
    int failed;
    while ((failed = fsync(store->directory)) && errno == EINTR)
        ;
    return failed && errno != EINVAL ? fail(store, errno, "flushing the directory") : EVLOG_OK;
}

/* What an earlier compacting has left. */
static int remove_new(const struct store *store)
{
    static const char *const names[] = {NEW_EVENTS_FILE, NEW_EVENTS_FILE "-lock", NEW_STATE_FILE,
                                        NEW_STATE_FILE "-lock"};
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < sizeof names / sizeof *names; i++)
        result = remove_file(store, names[i]);
    return result;
}

/*
 * Whether this user can replace a file: it is this user's, or its group's, in a directory where each may remove the
 * files of others.
 */
static int check_owner(const struct store *store, const char *name)
{
    struct stat file, directory;
    uid_t user = geteuid();
    if (fstat(store->directory, &directory) || fstatat(store->directory, name, &file, 0))
        return fail(store, errno, "looking at a data file");
    bool is_kept = (directory.st_mode & S_ISVTX) && directory.st_uid != user;
    bool is_shared = (file.st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP);
    if (user == 0 || file.st_uid == user || (is_shared && !is_kept))
        return EVLOG_OK;
    return error_set(EVLOG_IO, "%s: %s belongs to user %u, who can compact the log, as root can",
                     store->path, name, (unsigned)file.st_uid);
}

/* What a file takes on the disk. */
static int add_size(const struct store *store, const char *name, uint64_t *size)
{
    struct stat status;
    if (fstatat(store->directory, name, &status, 0))
        return fail(store, errno, "looking at a data file");
    *size += (uint64_t)status.st_blocks * 512;
    return EVLOG_OK;
}

static int measure(const struct store *store, const char *events, const char *state,
                   uint64_t *size)
{
    *size = 0;
    int result = add_size(store, events, size);
    return result ? result : add_size(store, state, size);
}

/* --------------------------------------------------------- the new files ---- */

static int make_env(const struct store *store, const char *name, struct env **env)
{
    static struct watch no_watch;
    char path[PATH_MAX];
    struct env_options options = {.create = true,
                                  .is_unflushed = true,
                                  .readers_max = 1,
                                  .wait_ms = store->wait_ms,
                                  .watch = &no_watch,
                                  .seed = record_origin(store->format.origin)};
    snprintf(path, sizeof path, "%s/%s", store->path, name);
    return env_open(path, &options, env);
}

/*
 * The new one gets the owner, group and rights of the old one. A user who may not give files away stays the owner of
 * what this user made: check_owner has found that the group may write it.
 */
static int give_owner(const struct store *store, const char *old, int fd)
{
    struct stat ours, theirs;
    if (fstatat(store->directory, old, &theirs, 0) || fstat(fd, &ours))
        return errno;
    if (ours.st_gid != theirs.st_gid && fchown(fd, (uid_t)-1, theirs.st_gid))
        return errno;
    if (ours.st_uid != theirs.st_uid && fchown(fd, theirs.st_uid, (gid_t)-1) && errno != EPERM)
        return errno;
    return fchmod(fd, theirs.st_mode & 07777) ? errno : 0;
}

/* Closes a new file, which is to replace `old`, and gives back the room ahead. */
static int end_env(const struct store *store, const char *name, const char *old, struct env *env)
{
    struct page_snapshot snapshot;
    int fd;
    int result = env_snapshot(env, &snapshot);
    env_close(env);
    if (result == EVLOG_OK)
        result = file_open(store->directory, store->path, name, O_RDWR, &fd);
    if (result)
        return result;
    int errnum = give_owner(store, old, fd);
    if (!errnum && ftruncate(fd, (off_t)((snapshot.last_page + 1) * snapshot.page_size)))
        errnum = errno;
    if (!errnum)
        errnum = file_flush(fd);
    close(fd);
    return errnum ? fail(store, errnum, "flushing a new data file") : EVLOG_OK;
}

static int visit(const struct raw_batch *batch, void *ctx)
{
    const evlog_compact_options *options = ((struct compacting *)ctx)->options;
    return options->visit ? options->visit(batch->records[batch->count - 1].seq, options->ctx)
                          : EVLOG_OK;
}

/* The names were brought along by the records. */
static bool is_copied(const unsigned char *key, size_t key_size)
{
    (void)key_size;
    return key[0] != ENTRY_TYPE && key[0] != ENTRY_SOURCE;
}

static int fill_files(struct compacting *compacting)
{
    struct store *store = compacting->store;
    struct floor_place floor = floor_get(store->floor);
    uint64_t first, last;
    int result = store_bounds(store, &first, &last);
    struct rewrite rewrite = {.events = store->events,
                              .state = store->state,
                              .to_events = compacting->events,
                              .to_state = compacting->state,
                              .visit = visit,
                              .ctx = compacting,
                              .chain = floor.chain};
    if (result == EVLOG_OK && last)
        result = rewrite_records(&rewrite, first, last);
    if (result == EVLOG_OK)
        result = rewrite_entries(&rewrite, is_copied);
    rewrite_free(&rewrite);
    return result;
}

static int make_files(struct compacting *compacting)
{
    struct store *store = compacting->store;
    int result = remove_new(store);
    if (result == EVLOG_OK)
        result = make_env(store, NEW_EVENTS_FILE, &compacting->events);
    if (result == EVLOG_OK)
        result = make_env(store, NEW_STATE_FILE, &compacting->state);
    if (result == EVLOG_OK)
        result = fill_files(compacting);
    if (result) {
        env_close(compacting->events);
        env_close(compacting->state);
        return result;
    }
    result = end_env(store, NEW_EVENTS_FILE, EVENTS_FILE, compacting->events);
    int ended = end_env(store, NEW_STATE_FILE, STATE_FILE, compacting->state);
    return result ? result : ended;
}

/* ------------------------------------------------------- changing the names ---- */

/* Liblmdb's readers of other programs, which hold no lock of ours. */
static int check_reader(const struct env_reader_info *reader, void *ctx)
{
    const struct store *store = ctx;
    if (reader->pid == (int32_t)getpid())
        return EVLOG_OK;
    return error_set(EVLOG_BUSY, "%s: process %d reads its files: end it first", store->path,
                     (int)reader->pid);
}

static int change_names(struct store *store)
{
    int result = store_lock(store);
    if (result == EVLOG_OK)
        result = edge_clear(store->edge);
    if (result == EVLOG_OK &&
        linkat(store->directory, EVENTS_FILE, store->directory, OLD_EVENTS_FILE, 0))
        result = fail(store, errno, "giving events.mdb a second name");
    if (result == EVLOG_OK)
        result = rename_file(store, NEW_EVENTS_FILE, EVENTS_FILE);
    if (result == EVLOG_OK)
        result = rename_file(store, NEW_STATE_FILE, STATE_FILE);
    if (result == EVLOG_OK)
        result = flush_directory(store);
    return result;
}

int compact_files(struct store *store, const evlog_compact_options *options,
                  evlog_compacted *compacted)
{
    struct compacting compacting = {.store = store, .options = options};
    char why[ERROR_SIZE];
    int result = check_owner(store, EVENTS_FILE);
    if (result == EVLOG_OK)
        result = check_owner(store, STATE_FILE);
    if (result == EVLOG_OK)
        result = env_each_reader(store->events, check_reader, store);
    if (result == EVLOG_OK)
        result = flusher_restart(store->flusher);
    if (result == EVLOG_OK && store->journal)
        result = journal_clear(store->journal, false);
    if (result == EVLOG_OK)
        result = measure(store, EVENTS_FILE, STATE_FILE, &compacted->before_size);
    if (result == EVLOG_OK)
        result = make_files(&compacting);
    if (result == EVLOG_OK)
        result = measure(store, NEW_EVENTS_FILE, NEW_STATE_FILE, &compacted->after_size);
    if (result == EVLOG_OK)
        result = change_names(store);
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    remove_new(store);
    return result ? error_set(result, "%s", why) : EVLOG_OK;
}

/* ------------------------------------------------------------ afterwards ---- */

int compact_scrub(struct store *store)
{
    struct stat status;
    int fd;
    int result = file_open(store->directory, store->path, OLD_EVENTS_FILE, O_WRONLY, &fd);
    if (result)
        return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
    int errnum = fstat(fd, &status) ? errno : 0;
    if (!errnum && status.st_nlink == 1) /* else it is events.mdb: the names were not changed */
        errnum = file_write_zeros(fd, 0, (uint64_t)status.st_size);
    if (!errnum)
        errnum = file_flush(fd);
    close(fd);
    if (errnum)
        return fail(store, errnum, "overwriting " OLD_EVENTS_FILE);
    result = remove_file(store, OLD_EVENTS_FILE);
    return result ? result : flush_directory(store);
}

int compact_note(struct store *store, const evlog_compacted *compacted)
{
    unsigned char map[] = "\x82\xab"
                          "before_size\xcf\0\0\0\0\0\0\0\0\xaa"
                          "after_size\xcf\0\0\0\0\0\0\0";
    be64_store(map + 14, compacted->before_size);
    be64_store(map + sizeof map - 8, compacted->after_size);
    int result = note_append(store, "evlog.compacted.v1", map, sizeof map);
    return result == EVLOG_FULL ? EVLOG_OK : result;
}

/* ------------------------------------------------------------ the preview ---- */

static int count_page(uint64_t pgno, const unsigned char *page, void *ctx)
{
    (void)pgno;
    (void)page;
    ++*(uint64_t *)ctx;
    return EVLOG_OK;
}

/* What the pages of the tree take, and the two meta pages. */
static int measure_tree(const struct page_snapshot *snapshot, void *ctx)
{
    uint64_t page_count = 2;
    int result = snapshot->depth ? page_each(snapshot, false, count_page, &page_count) : EVLOG_OK;
    *(uint64_t *)ctx = page_count * snapshot->page_size;
    return result;
}

int compact_preview(struct store *store, evlog_compacted *compacted)
{
    uint64_t events_size, state_size;
    int result = measure(store, EVENTS_FILE, STATE_FILE, &compacted->before_size);
    if (result == EVLOG_OK)
        result = env_read(store->events, ENV_NEWEST, measure_tree, &events_size);
    if (result == EVLOG_OK)
        result = env_read(store->state, ENV_NEWEST, measure_tree, &state_size);
    if (result == EVLOG_OK)
        compacted->after_size = events_size + state_size;
    return result;
}
