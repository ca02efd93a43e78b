/*
 * One LMDB environment. The only file that includes lmdb.h.
 *
 * Writing goes through liblmdb: one write transaction at a time over all processes, begun, filled
 * and committed by env_write. Reading goes through page.c with a descriptor of its own; what a
 * reader uses of liblmdb is its slot in the lock file (a read transaction that touches no page),
 * held for one call of env_read. A process that can have none reads without: what it reads is checked
 * afterwards, and read again under the writer's lock where that fails too often. The events are read as the newest
 * meta page has them, the state as of the last commit that has ended (read_ended). An offline reader has neither
 * liblmdb nor its lock file.
 *
 * The map. liblmdb maps the file; only the writer reads through it. How long the map is, and which room the
 * file has, is said in room.c. The map grows when a commit finds it full; when another process has grown
 * the file, a transaction does not begin (MDB_MAP_RESIZED) until the map here is as large. Resizing it requires
 * `write_lock`, so no write transaction of this process is open, and `map_lock`, so no read
 * transaction is just beginning. liblmdb unmaps the old map first: if it then gets no new one it
 * would follow pointers into nothing, so it is not called again (`unmapped`).
 *
 * A mapped file (MDB_WRITEMAP, of a fast log) is written to by stores into the map: a commit then makes no
 * system call. liblmdb sets the file's size to the map's whenever it maps it: so the map is never
 * made smaller than the file, and opening and resizing take the writer's lock, since another process may
 * be growing the file. A reader does not wait for that: where its map is too small it reads without a slot.
 * A snapshot's pages are not stored into, as they are not written in the other mode. In a meta page the
 * number is stored last.
 *
 * Failures. A page that could not be written fails the commit before the meta page is written:
 * nothing has changed, and a full disk or a lack of memory may pass. A meta page that could not
 * be written is taken back (meta.c), and liblmdb begins no more transactions: so this does not
 * either. After a failed flush the kernel may have dropped what it could not write and report the
 * next flush as good (fsync(2)), so `failed` is set for good; reopening reads the file anew.
 *
 * Invariants: lock order write_lock, map_lock. `failed` is never reset.
 */
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "file.h"
#include "freelist.h"
#include "lmdb_lock.h"
#include "meta.h"
#include "older.h"
#include "page_cache.h"
#include "room.h"

#define FULL_BELOW ((uint64_t)64 << 10)
#define READER_CHECK_EVERY 1024 /* commits */
#define RESERVE_PAGES 16
#define PATH_PAGES 12 /* beside the values': the way to them, and where it is split */
#define LIST_PAGES 20 /* of the list of free pages */
#define NODE_ROOM 64  /* of a value in a leaf: its key, and what is around it */
#define POLL_NS 1000000
#define READERS_WAIT_US \
    100000             /* for those that hold free pages; a call reads for some milliseconds */
#define COUNTED_MAX 64 /* free pages are counted for so many commits at once */
#define UNHELD_TRIES 3 /* of reading a snapshot that nothing holds, before it is locked */
#define UNHELD_TRIES_MAX 1000 /* ... by a process that cannot lock it */

/*
 * Three things here hold for 0.9 and not by its documentation: a snapshot's pages are reused as
 * look_whether_whole says; the map is changed while read transactions of this process are open, which
 * lmdb.h forbids: ours are only slots, and never look through the map; and page.c reads the file.
 */
_Static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9, "liblmdb is 0.9");

/* Free pages that are there for the transaction `txnid`, if it is the next one. */
struct counted {
    uint64_t txnid;
    uint64_t run_max;
    struct freelist_capacity capacity;
};

struct env {
    MDB_env *lmdb; /* NULL: read only, and without locks */
    int fd;
    struct env_options options;
    pthread_mutex_t write_lock, map_lock;
    atomic_int failed;
    bool unmapped;    /* liblmdb must not be called any more; under map_lock */
    bool is_slotless; /* this process reads without a slot; under map_lock */
    bool has_waited;  /* see env_has_waited */
    uint64_t commit_count;
    uint64_t inode;
    struct room room;
    struct counted counted;
    char gone[256];           /* see env_gone; empty: it is not */
    struct page_cache *cache; /* for ENV_CHECKED */

    /* The write transaction of env_write. */
    MDB_txn *txn;
    uint64_t txnid;
    MDB_dbi dbi; /* 0: no transaction that opened it has been committed */
    uint32_t page_size;
    MDB_cursor *cursor; /* NULL: not needed yet */
    bool is_changed;    /* something was put or deleted */
    int rc;             /* what liblmdb returned last in it */
    int64_t now_us;     /* the time of day, if `fill` has noted it */
    bool has_base;
    struct page_snapshot base; /* the state it began with, once that is asked for */
    struct page_cursor path_to_key;
    uint64_t
        deletable_leaf; /* the leaf of that state that was checked last for deleting; 0: none */
    char path[];
};

static bool is_mapped(const struct env *env)
{
    return env->room.kind == ROOM_MAPPED;
}

/* A write or flush failed: nothing more is written; in the environment of the events, by no process. */
static void note_failure(struct env *env)
{
    atomic_store(&env->failed, 1);
    if (env->options.presence && env->options.lock == SHARED_LOCK_EVENTS)
        shared_fail(env->options.presence->shared);
}

/* ------------------------------------------------------------ readers ---- */

/* The reader with the oldest snapshot. */
struct oldest {
    uint64_t txnid;
    int32_t pid; /* 0: none is older than `txnid` was at first */
};

/* A line of mdb_reader_list: pid, thread, and transaction, which is - when it reads nothing now. */
static int look_for_oldest(const char *line, void *ctx)
{
    struct oldest *oldest = ctx, reader;
    if (sscanf(line, "%" SCNd32 " %*x %" SCNu64, &reader.pid, &reader.txnid) == 2 &&
        reader.txnid < oldest->txnid)
        *oldest = reader;
    return 0;
}

static int fail_slots(struct env *env)
{
    char who[64] = "";
    unsigned count = 0; /* the first opener has said it */
    struct oldest oldest = {.txnid = UINT64_MAX};
    mdb_env_get_maxreaders(env->lmdb, &count);
    mdb_reader_list(env->lmdb, look_for_oldest, &oldest);
    if (oldest.pid) /* else some are free again */
        snprintf(who, sizeof who, ", the oldest by process %" PRId32, oldest.pid);
    return error_set(EVLOG_BUSY, "%s: all %u reader slots are taken%s; end some readers",
                     env->path, count, who);
}

/* ------------------------------------------------------ codes of LMDB ---- */

static int fail(struct env *env, int rc, const char *what)
{
    switch (rc) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_BAD_TXN:
    case MDB_CURSOR_FULL:
        return error_set(EVLOG_DAMAGED, "%s: %s: %s", env->path, what, mdb_strerror(rc));
    case MDB_VERSION_MISMATCH:
        return error_set(EVLOG_UNSUPPORTED, "%s: %s: another LMDB's file", env->path, what);
    case MDB_READERS_FULL:
        return fail_slots(env);
    case MDB_PANIC:
        note_failure(env);
        return error_set(EVLOG_IO, "%s: %s: an earlier write failed; close the log and open it",
                         env->path, what);
    }
    if (rc < 0)
        return error_set(EVLOG_IO, "%s: %s: %s", env->path, what, mdb_strerror(rc));
    return error_errno(rc, what, env->path);
}

/* liblmdb reports a short write as EIO, which on a full file system means that it is full. */
static bool is_full(struct env *env, int rc)
{
    struct statvfs room;
    if (rc == ENOSPC || rc == EDQUOT || rc == EFBIG)
        return true;
    return rc == EIO && fstatvfs(env->fd, &room) == 0 &&
           (uint64_t)room.f_bavail * room.f_frsize < FULL_BELOW;
}

/* After it could not write a meta page, liblmdb begins no more transactions. */
static bool is_unusable(struct env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->lmdb, NULL, 0, &txn);
    if (rc == MDB_SUCCESS)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

static int fail_commit(struct env *env, int rc)
{
    bool is_usable = !is_unusable(env);
    if (is_usable && is_full(env, rc))
        return error_errno(ENOSPC, "writing", env->path);
    if (is_usable && rc == ENOMEM)
        return error_errno(rc, "writing", env->path);
    note_failure(env);
    if (rc < 0)
        return fail(env, rc, "committing");
    return error_set(EVLOG_IO, "%s: committing: %s; close the log and open it", env->path,
                     mdb_strerror(rc));
}

static int check_failed(struct env *env)
{
    if (env->options.presence && shared_has_failed(env->options.presence->shared))
        return error_set(
            EVLOG_IO,
            "%s: a write or flush has failed, here or in another process; close the log "
            "and open it",
            env->path);
    if (atomic_load(&env->failed))
        return error_set(EVLOG_IO,
                         "%s: an earlier write or flush failed; close the log and open it",
                         env->path);
    return EVLOG_OK;
}

/* ------------------------------------------------------------ opening ---- */

static bool is_cut_short(const struct page_snapshot *snapshot)
{
    return (snapshot->last_page + 1) * snapshot->page_size > snapshot->file_size;
}

/* Whether liblmdb may be given a file with these meta pages to write to. */
static int check_whole(const struct page_snapshot *snapshot)
{
    if (snapshot->one_meta)
        return error_set(EVLOG_DAMAGED, "%s: one of its two meta pages is not sound",
                         snapshot->name);
    if (is_cut_short(snapshot))
        return error_set(EVLOG_DAMAGED, "%s: was cut short", snapshot->name);
    return EVLOG_OK;
}

/*
 * To append, liblmdb goes down the right edge of the tree: it must be sound. (liblmdb's list of
 * free pages is not checked; evlog verify looks at the rest.)
 */
static int check_right_edge(const struct page_snapshot *snapshot)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    int result = check_whole(snapshot);
    if (result == EVLOG_OK)
        result = page_seek(&cursor, NULL, 0);
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int open_once(struct env *env)
{
    const struct env_options *options = &env->options;
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0) |
                     (is_mapped(env) ? MDB_WRITEMAP : 0) |
                     (options->is_unflushed ? MDB_NOSYNC : 0);
    size_t map_size;
    env->room.fd = env->fd;
    int result = room_first_map(&env->room, &map_size);
    if (result)
        return result;
    int rc = mdb_env_create(&env->lmdb);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_maxreaders(env->lmdb, options->readers_max);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_mapsize(env->lmdb, map_size);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_open(env->lmdb, env->path, flags, 0600);
    if (rc != MDB_SUCCESS) {
        mdb_env_close(env->lmdb);
        env->lmdb = NULL;
        return fail(env, rc, "opening");
    }
    mdb_env_get_fd(env->lmdb, &env->room.fd);
    fcntl(env->room.fd, F_SETFD, FD_CLOEXEC); /* which 0.9.24 does not */
    return EVLOG_OK;
}

/*
 * liblmdb knows readers by pid, and a lock of fcntl(2) keeps two of the same from being there at once: a
 * second process of that pid, in another pid namespace, gets EAGAIN. It goes without slots
 * then for as long as it has the environment open: with one, it could not tell its own from those that
 * the other one left when it was killed.
 */
static int begin_read(struct env *env, MDB_txn **txn)
{
    int rc = MDB_PANIC;
    pthread_mutex_lock(&env->map_lock);
    if (env->is_slotless)
        rc = EAGAIN;
    else if (!env->unmapped)
        rc = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, txn);
    if (rc == EACCES) /* for which fcntl(2) may say this */
        rc = EAGAIN;
    env->is_slotless = rc == EAGAIN;
    pthread_mutex_unlock(&env->map_lock);
    return rc;
}

/* A line of mdb_reader_list. */
static int look_for_namesake(const char *line, void *ctx)
{
    *(bool *)ctx |= strtol(line, NULL, 10) == (long)getpid();
    return 0;
}

/*
 * A dead reader's slot keeps pages for ever. liblmdb clears those of dead processes, but none of its own
 * pid, which in containers may be that of the process that died. One that does not live any more has no
 * lock, so this process can begin to read; and its own slots liblmdb clears when it closes.
 */
static int clear_dead_readers(struct env *env)
{
    bool has_namesake = false;
    MDB_txn *txn;
    int dead;
    mdb_reader_check(env->lmdb, &dead);
    mdb_reader_list(env->lmdb, look_for_namesake, &has_namesake);
    if (!has_namesake || begin_read(env, &txn) != MDB_SUCCESS)
        return EVLOG_OK;
    mdb_txn_abort(txn);
    mdb_env_close(env->lmdb);
    env->lmdb = NULL;
    return open_once(env);
}

static int open_lmdb(struct env *env)
{
    bool is_locked = is_mapped(env) && env->options.presence;
    int result = lmdb_lock_prepare(env->path, env->options.readers_max, env->options.wait_ms);
    if (result == EVLOG_OK && is_locked)
        result = presence_lock(env->options.presence, env->options.lock, env->path);
    if (result)
        return result;
    result = open_once(env);
    if (result == EVLOG_OK)
        result = clear_dead_readers(env);
    if (is_locked)
        presence_unlock(env->options.presence, env->options.lock);
    return result;
}

/*
 * Whether the file can be opened, and whether with liblmdb, which believes what a meta page says
 * (a page size of 0 ends the process): it is given a file only when both meta pages are sound and
 * all pages are there, and writes only when the right edge is sound too. Nothing holds the pages
 * yet, so while others write, a page may be another state's by the time it is read: it is damage
 * when the same state is found damaged twice.
 */
static int check_file(struct env *env, bool *for_liblmdb)
{
    struct stat status;
    struct page_snapshot snapshot;
    *for_liblmdb = true;
    if (fstat(env->fd, &status))
        return error_errno(errno, "looking at its size", env->path);
    if (status.st_size == 0 && env->options.create)
        return EVLOG_OK;
    uint64_t damaged_txnid = UINT64_MAX;
    for (;;) {
        snapshot.txnid = 0;
        int result = meta_read(env->fd, env->path, &snapshot);
        *for_liblmdb = result == EVLOG_OK && !snapshot.one_meta && !is_cut_short(&snapshot);
        if (result == EVLOG_OK && !env->options.read_only)
            result = check_right_edge(&snapshot);
        bool is_damaged = result == EVLOG_OK ? !*for_liblmdb : result == EVLOG_DAMAGED;
        if (!is_damaged || snapshot.txnid == damaged_txnid)
            return result;
        damaged_txnid = snapshot.txnid;
    }
}

static int open_file(struct env *env)
{
    struct stat status;
    int flags = O_RDONLY | (env->options.create ? O_CREAT : 0);
    int result = file_open_path(env->path, flags, &env->fd);
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_DAMAGED, "%s: is gone", env->path);
    if (result)
        return result;
    if (fstat(env->fd, &status))
        return error_errno(errno, "looking at", env->path);
    env->inode = status.st_ino;
    return EVLOG_OK;
}

int env_open(const char *path, const struct env_options *options, struct env **opened)
{
    struct env *env = calloc(1, sizeof *env + strlen(path) + 1);
    bool for_liblmdb = false;
    if (!env)
        return error_nomem();
    env->options = *options;
    env->room.name = env->path;
    env->room.size_max = options->file_size_max;
    if (!options->read_only && options->is_unflushed)
        env->room.kind = options->is_mapped ? ROOM_MAPPED : ROOM_BLOCKS;
    strcpy(env->path, path);
    pthread_mutex_init(&env->write_lock, NULL);
    pthread_mutex_init(&env->map_lock, NULL);
    env->fd = -1;
    env->cache = page_cache_new();
    int result = env->cache ? open_file(env) : error_nomem();
    if (result == EVLOG_OK && !options->images)
        result = check_file(env, &for_liblmdb);
    if (result == EVLOG_DAMAGED && options->may_be_gone && options->read_only) {
        snprintf(env->gone, sizeof env->gone, "%s", evlog_errmsg());
        result = EVLOG_OK;
    }
    if (result == EVLOG_OK && for_liblmdb && !*env->gone && !options->is_offline) {
        result = open_lmdb(env);
        if (result && options->read_only)
            result = EVLOG_OK; /* it reads without liblmdb, also where no lock can be taken */
    }
    if (result)
        env_close(env);
    else
        *opened = env;
    return result;
}

void env_close(struct env *env)
{
    if (!env)
        return;
    mdb_env_close(env->lmdb);
    page_cache_free(env->cache);
    if (env->fd >= 0)
        close(env->fd);
    pthread_mutex_destroy(&env->write_lock);
    pthread_mutex_destroy(&env->map_lock);
    free(env);
}

/* ------------------------------------------------------------ writing ---- */

/* What a write transaction may need. */
struct need {
    uint64_t used;      /* where the pages in use end */
    uint64_t pages;     /* in all */
    uint64_t run_max;   /* side by side, for one value */
    uint64_t run_pages; /* for all values, and what is taken before */
    uint64_t
        merged_pages; /* the same, with what is left of runs that are merged, see freelist.c */
    uint64_t kept;    /* pages that it leaves, for those that give room */
    uint32_t page_size;
};

/* Side by side, in pages; a value that is short is in a leaf. */
static uint64_t run_of(size_t value_size, uint32_t page_size)
{
    bool is_long = 2 * value_size + NODE_ROOM > page_size;
    return is_long ? (PAGE_HEADER_SIZE + value_size) / page_size + 1 : 1;
}

/*
 * A record of just over half a page takes a page of its own. The rest is for the way to it and then for the list of
 * free pages. What gives room puts nothing. `is_strict`: also pages side by side must be there for certain.
 */
static struct need need_of(uint64_t used, uint32_t page_size, struct env_size size,
                           bool is_strict)
{
    struct need need = {.used = used, .page_size = page_size, .run_max = 1};
    if (size.sum == 0) {
        need.pages = RESERVE_PAGES;
        return need;
    }
    need.kept = RESERVE_PAGES;
    need.run_max = run_of(size.value_max ? size.value_max : size.sum, page_size);
    bool is_single = size.value_max == size.sum;
    uint64_t pages = is_single ? need.run_max : size.sum / page_size * 17 / 8;
    need.pages = pages + PATH_PAGES + LIST_PAGES;
    if (need.run_max == 1 || !is_strict)
        return need;
    uint64_t piece_count = is_single ? 1 : pages; /* at most, of each kind */
    uint64_t single_count = PATH_PAGES + (is_single ? 0 : pages);
    need.run_pages = pages + PATH_PAGES;
    need.merged_pages =
        single_count * need.run_max + (piece_count - 1) * (2 * need.run_max - 1) + 1;
    return need;
}

static uint64_t less_by(uint64_t count, uint64_t less)
{
    return count > less ? count - less : 0;
}

static bool is_enough(const struct freelist_capacity *capacity, uint64_t behind,
                      const struct need *need)
{
    return capacity->page_count + behind >= need->pages &&
           capacity->run_page_count + behind >= need->run_pages;
}

/* Takes what a transaction may need from what was counted, and notes the next one. */
static void take_counted(struct counted *counted, const struct need *need)
{
    struct freelist_capacity *left = &counted->capacity;
    left->page_count = less_by(left->page_count, need->pages);
    left->run_page_count = less_by(left->run_page_count, need->pages);
    counted->txnid++;
}

/* Whether free pages that were counted for the transaction before, which was ours too, are enough. */
static bool has_counted(struct env *env, const struct need *need)
{
    struct counted *counted = &env->counted;
    bool is_known = counted->txnid == env->txnid && counted->run_max >= need->run_max;
    if (!is_known || !is_enough(&counted->capacity, 0, need))
        return false;
    take_counted(counted, need);
    return true;
}

/* Counts the free pages that a transaction may use; `*oldest_txnid`: up to those that this one has freed. */
static int count_free_pages(struct env *env, const struct need *need, uint64_t *oldest_txnid,
                            struct freelist_capacity *capacity)
{
    const struct page_snapshot *base;
    struct oldest oldest = {.txnid = env->txnid - 1};
    mdb_reader_list(env->lmdb, look_for_oldest, &oldest);
    *oldest_txnid = oldest.txnid;
    struct freelist_need wanted = {.oldest_txnid = *oldest_txnid,
                                   .page_count = COUNTED_MAX * need->pages,
                                   .run_max = need->run_max,
                                   .run_page_count = need->run_pages,
                                   .merged_page_count = need->merged_pages};
    int result = env_base(env, &base);
    return result ? result : freelist_capacity(base, &wanted, capacity);
}

/*
 * Whether free pages, with what room there is behind the last page in use, are enough; see room.c. Those that
 * readers hold at this moment are waited for. `full` is the failure to make room, and the result when they are not.
 */
static int use_free_pages(struct env *env, const struct need *need, int full)
{
    uint64_t behind, oldest_txnid;
    struct counted counted = {.txnid = env->txnid, .run_max = need->run_max};
    int64_t until_us = clock_monotonic_us() + READERS_WAIT_US;
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    int result = room_behind(&env->room, need->used, &behind);
    if (result)
        return result;
    behind = less_by(behind / need->page_size, need->kept);
    for (;;) {
        result = count_free_pages(env, need, &oldest_txnid, &counted.capacity);
        if (result)
            return result;
        if (is_enough(&counted.capacity, behind, need))
            break;
        if (oldest_txnid + 1 == env->txnid || clock_monotonic_us() >= until_us)
            return error_set(full, "%s", why);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    take_counted(&counted, need);
    env->counted = counted;
    return EVLOG_OK;
}

/* Sees to it that there is room for what a write transaction will put. */
static int make_room(struct env *env, struct env_size size)
{
    MDB_envinfo info;
    mdb_env_info(env->lmdb, &info);
    struct need need =
        need_of((info.me_last_pgno + 1) * env->page_size, env->page_size, size, is_mapped(env));
    if (has_counted(env, &need))
        return EVLOG_OK;
    int result = room_make(&env->room, info.me_mapsize, need.used,
                           (need.pages + need.kept) * need.page_size, need.kept == 0);
    return result == EVLOG_FULL ? use_free_pages(env, &need, result) : result;
}

/*
 * Doubles the map, or makes it as large as another process has. With write_lock held, and the writer's
 * lock when it is mapped.
 */
static int resize_map(struct env *env, bool grow)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (env->unmapped)
        return fail(env, MDB_PANIC, "growing the map");
    mdb_env_info(env->lmdb, &info);
    mdb_env_stat(env->lmdb, &stat);
    size_t size = info.me_mapsize;
    int result = grow ? room_larger_map(&env->room, &size)
                      : room_other_map(&env->room, info.me_last_pgno, stat.ms_psize, &size);
    if (result)
        return result;
    pthread_mutex_lock(&env->map_lock);
    int rc = mdb_env_set_mapsize(env->lmdb, size);
    if (rc != MDB_SUCCESS) {
        env->unmapped = true;
        atomic_store(&env->failed, 1); /* of this process only */
    }
    pthread_mutex_unlock(&env->map_lock);
    if (rc != MDB_SUCCESS)
        return error_set(EVLOG_IO, "%s: growing the map: %s; close the log and open it",
                         env->path, mdb_strerror(rc));
    return EVLOG_OK;
}

/* What all transactions use: it is there from the first one on that is committed. */
static int open_database(struct env *env)
{
    MDB_stat stat;
    if (env->dbi)
        return MDB_SUCCESS;
    mdb_env_stat(env->lmdb, &stat);
    env->page_size = stat.ms_psize;
    int rc = mdb_dbi_open(env->txn, NULL, 0, &env->dbi);
    if (rc != MDB_SUCCESS)
        mdb_txn_abort(env->txn);
    return rc;
}

static int begin(struct env *env, enum env_flush flush)
{
    int rc;
    mdb_env_set_flags(env->lmdb, MDB_NOMETASYNC, flush == ENV_FLUSH_BUT_LAST);
    while ((rc = mdb_txn_begin(env->lmdb, NULL, 0, &env->txn)) == MDB_MAP_RESIZED) {
        int result = resize_map(env, false);
        if (result)
            return result;
    }
    if (rc == MDB_SUCCESS)
        rc = open_database(env);
    if (rc != MDB_SUCCESS)
        return fail(env, rc, "beginning to write");
    env->txnid = mdb_txn_id(env->txn);
    return EVLOG_OK;
}

/* A transaction that only appends one value needs none, which saves the memory. */
static int open_cursor(struct env *env)
{
    int rc = env->cursor ? MDB_SUCCESS : mdb_cursor_open(env->txn, env->dbi, &env->cursor);
    return rc == MDB_SUCCESS ? EVLOG_OK : fail(env, rc, "beginning to write");
}

/* Whether what was committed may be reported as done. */
static int check_files(struct env *env)
{
    int result = watch_check(env->options.watch, env->now_us ? env->now_us : clock_wall_us());
    if (result)
        atomic_store(&env->failed, 1); /* of this process only: others may have the right files */
    return result;
}

/* liblmdb writes nothing for a transaction that has changed nothing: then the last one is that before it. */
static void note_commit(struct env *env)
{
    const struct env_options *options = &env->options;
    if (options->presence)
        shared_set_committed(options->presence->shared, options->lock, env->inode,
                             env->is_changed ? env->txnid : env->txnid - 1);
}

/* What was kept for the transaction. */
static void end(struct env *env)
{
    if (env->cursor)
        mdb_cursor_close(env->cursor);
    if (env->has_base)
        page_cursor_free(&env->path_to_key);
    env->cursor = NULL;
    env->has_base = false;
    env->deletable_leaf = 0;
}

/* One attempt. `env->rc` is MDB_MAP_FULL when the map must grow first. */
static int write_once(struct env *env, enum env_flush flush, struct env_size size,
                      int (*fill)(struct env *, void *), void *ctx)
{
    env->rc = MDB_SUCCESS;
    env->now_us = 0;
    env->is_changed = false;
    int result = begin(env, flush);
    if (result)
        return result;
    result = make_room(env, size);
    if (result == EVLOG_OK)
        result = fill(env, ctx);
    end(env);
    if (result) {
        mdb_txn_abort(env->txn);
        env->dbi = 0; /* which it may have opened */
        return result;
    }
    env->rc = mdb_txn_commit(env->txn); /* frees it also when it fails */
    if (env->rc == MDB_SUCCESS) {
        note_commit(env);
        return check_files(env);
    }
    return env->rc == MDB_MAP_FULL ? EVLOG_OK : fail_commit(env, env->rc);
}

/* Whether the locks that exclude other processes still are; in a fast log, every 10 ms. */
static int check_shared(struct env *env)
{
    if (!env->options.presence)
        return EVLOG_OK;
    bool is_rare = env->options.watch && env->options.watch->is_rare;
    return shared_check(env->options.presence->shared, is_rare);
}

static bool try_lock(struct env *env)
{
    const struct env_options *options = &env->options;
    if (pthread_mutex_trylock(&env->write_lock))
        return false;
    env->has_waited = false;
    if (!options->presence || presence_try_lock(options->presence, options->lock))
        return true;
    pthread_mutex_unlock(&env->write_lock);
    return false;
}

static int take_lock(struct env *env)
{
    int result = EVLOG_OK;
    if (try_lock(env))
        return EVLOG_OK;
    pthread_mutex_lock(&env->write_lock);
    env->has_waited = true;
    if (env->options.presence)
        result = presence_lock(env->options.presence, env->options.lock, env->path);
    if (result)
        pthread_mutex_unlock(&env->write_lock);
    return result;
}

bool env_has_waited(const struct env *env)
{
    return env->has_waited;
}

int env_lock(struct env *env)
{
    if (env->options.read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", env->path);
    int result = check_shared(env);
    if (result == EVLOG_OK)
        result = check_failed(env);
    if (result == EVLOG_OK)
        result = take_lock(env);
    if (result)
        return result;
    result = check_failed(env); /* while it waited */
    if (result)
        env_unlock(env);
    return result;
}

void env_unlock(struct env *env)
{
    if (env->options.presence)
        presence_unlock(env->options.presence, env->options.lock);
    pthread_mutex_unlock(&env->write_lock);
}

int env_write_locked(struct env *env, enum env_flush flush, struct env_size size,
                     int (*fill)(struct env *, void *), void *ctx)
{
    int dead;
    int result = write_once(env, flush, size, fill, ctx);
    while (env->rc == MDB_MAP_FULL && (result = resize_map(env, true)) == EVLOG_OK)
        result = write_once(env, flush, size, fill, ctx);
    if (++env->commit_count % READER_CHECK_EVERY == 0)
        mdb_reader_check(env->lmdb, &dead);
    return result;
}

int env_write(struct env *env, enum env_flush flush, size_t size_hint,
              int (*fill)(struct env *, void *), void *ctx)
{
    int result = env_lock(env);
    if (result)
        return result;
    result = env_write_locked(env, flush, (struct env_size){.sum = size_hint}, fill, ctx);
    env_unlock(env);
    return result;
}

int env_write_if_free(struct env *env, enum env_flush flush, size_t size_hint,
                      int (*fill)(struct env *, void *), void *ctx)
{
    if (env->options.read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", env->path);
    int result = check_shared(env);
    if (result)
        return result;
    if (!try_lock(env))
        return error_set(EVLOG_BUSY, "%s: it is being written to", env->path);
    result = check_failed(env);
    if (result == EVLOG_OK)
        result = env_write_locked(env, flush, (struct env_size){.sum = size_hint}, fill, ctx);
    env_unlock(env);
    return result;
}

/* The first append goes without a cursor. */
static int put(struct env *env, const void *key, size_t key_size, MDB_val *data, unsigned flags)
{
    MDB_val name = {.mv_size = key_size, .mv_data = (void *)key};
    bool is_first = !env->is_changed && !env->cursor;
    int result = is_first ? EVLOG_OK : open_cursor(env);
    if (result)
        return result;
    env->rc = is_first ? mdb_put(env->txn, env->dbi, &name, data, flags)
                       : mdb_cursor_put(env->cursor, &name, data, flags);
    env->is_changed = true;
    if (env->rc == MDB_SUCCESS)
        return EVLOG_OK;
    if (env->rc == MDB_MAP_FULL)
        return EVLOG_FULL; /* env_write grows it and runs `fill` again */
    if (env->rc == MDB_KEYEXIST)
        return error_set(EVLOG_DAMAGED, "%s: its keys are not in order", env->path);
    return fail(env, env->rc, "writing");
}

int env_append(struct env *env, const void *key, size_t key_size, size_t size, void **bytes)
{
    MDB_val data = {.mv_size = size};
    int result = put(env, key, key_size, &data, MDB_APPEND | MDB_RESERVE);
    if (result == EVLOG_OK)
        *bytes = data.mv_data;
    return result;
}

int env_base(struct env *env, const struct page_snapshot **snapshot)
{
    if (!env->has_base) {
        int result = meta_read(env->fd, env->path, &env->base);
        if (result == EVLOG_OK)
            result = check_whole(&env->base);
        if (result)
            return result;
        env->path_to_key.snapshot = &env->base;
        env->has_base = true;
    }
    *snapshot = &env->base;
    return EVLOG_OK;
}

/*
 * liblmdb follows the pages down to a key as it finds them, and frees those of its value: they
 * must be sound in the state that the transaction began with. (What it has changed since is in
 * its own memory.)
 */
static int check_path(struct env *env, const void *key, size_t key_size,
                      int (*check)(struct env *, const struct page_cursor *))
{
    const struct page_snapshot *base;
    int result = env_base(env, &base);
    if (result == EVLOG_OK)
        result = page_seek_near(&env->path_to_key, key, key_size);
    if (result == EVLOG_OK)
        result = check(env, &env->path_to_key);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result; /* it is empty */
}

/* Goes to a key; MDB_NOTFOUND is not a failure. */
static int find(struct env *env, const void *key, size_t key_size,
                int (*check)(struct env *, const struct page_cursor *))
{
    MDB_val name = {.mv_size = key_size, .mv_data = (void *)key}, old;
    int result = check_path(env, key, key_size, check);
    if (result == EVLOG_OK)
        result = open_cursor(env);
    if (result)
        return result;
    env->rc = mdb_cursor_get(env->cursor, &name, &old, MDB_SET);
    if (env->rc == MDB_SUCCESS || env->rc == MDB_NOTFOUND)
        return EVLOG_OK;
    return fail(env, env->rc, "looking for a key");
}

static int check_writable(struct env *env, const struct page_cursor *place)
{
    (void)env;
    return page_check_writable(place);
}

/* All but the node itself is the same for each place in a leaf. */
static int check_deletable(struct env *env, const struct page_cursor *place)
{
    uint64_t leaf = page_number(place->leaf);
    if (leaf == env->deletable_leaf)
        return page_check_node(place);
    int result = page_check_deletable(place);
    env->deletable_leaf = result ? 0 : leaf;
    return result;
}

int env_put(struct env *env, const void *key, size_t key_size, const void *bytes, size_t size,
            bool *is_new)
{
    MDB_val data = {.mv_size = size, .mv_data = (void *)bytes};
    int result = find(env, key, key_size, check_writable);
    if (result)
        return result;
    if (is_new)
        *is_new = env->rc == MDB_NOTFOUND;
    return put(env, key, key_size, &data, 0);
}

int env_delete(struct env *env, const void *key, size_t key_size)
{
    int result = find(env, key, key_size, check_deletable);
    if (result)
        return result;
    if (env->rc == MDB_NOTFOUND) {
        env->rc = MDB_SUCCESS;
        return error_set(EVLOG_NOTFOUND, "%s: no such key", env->path);
    }
    env->is_changed = true;
    env->rc = mdb_cursor_del(env->cursor, 0);
    if (env->rc == MDB_SUCCESS)
        return EVLOG_OK;
    return env->rc == MDB_MAP_FULL ? EVLOG_FULL : fail(env, env->rc, "deleting");
}

void env_note_time(struct env *env, int64_t now_us)
{
    env->now_us = now_us;
}

uint64_t env_txnid(struct env *env)
{
    return env->txnid;
}

int env_flush(struct env *env)
{
    int result = check_failed(env);
    if (result)
        return result;
    int errnum = file_flush(env->fd);
    if (!errnum)
        return EVLOG_OK;
    note_failure(env);
    return error_errno(errnum, "flushing", env->path);
}

/* ------------------------------------------------------------ reading ---- */

/*
 * A reader's slot keeps the pages of the snapshot it began with and of all later ones. `*txn` is NULL
 * where there can be none.
 */
static int take_slot(struct env *env, MDB_txn **txn)
{
    int rc = begin_read(env, txn);
    if (rc == MDB_READERS_FULL) {
        int dead;
        mdb_reader_check(env->lmdb, &dead);
        rc = begin_read(env, txn);
    }
    while (rc == MDB_MAP_RESIZED && !is_mapped(env)) {
        pthread_mutex_lock(&env->write_lock);
        int result = resize_map(env, false);
        pthread_mutex_unlock(&env->write_lock);
        if (result)
            return result;
        rc = begin_read(env, txn);
    }
    if (rc == MDB_SUCCESS)
        return EVLOG_OK;
    *txn = NULL;
    return rc == EAGAIN || rc == MDB_MAP_RESIZED ? EVLOG_OK : fail(env, rc, "beginning to read");
}

/*
 * Whether the pages of a snapshot that no slot keeps are still its own: transaction T takes only
 * pages that were freed by T - 2 or before, so those of snapshot S are whole until S + 2 is
 * committed and S + 3 begins. Errors of reading the file.
 */
static int look_whether_whole(struct env *env, const struct page_snapshot *snapshot,
                              bool *is_whole)
{
    struct page_snapshot now;
    *is_whole = *env->gone != '\0';
    if (*is_whole)
        return EVLOG_OK;
    int result = meta_read(env->fd, env->path, &now);
    *is_whole = result == EVLOG_OK && now.txnid <= snapshot->txnid + 1;
    return result == EVLOG_DAMAGED ? EVLOG_OK : result; /* while it is being written */
}

/* The newest state; or, where the log waits to be recovered, its last sound one. */
static int read_snapshot(struct env *env, struct page_snapshot *snapshot)
{
    const struct page_images *images = env->options.images;
    if (*env->gone) {
        *snapshot = (struct page_snapshot){
            .fd = env->fd, .name = env->path, .page_size = 4096, .one_meta = true};
        return EVLOG_OK;
    }
    return images ? meta_of_images(env->fd, env->path, images, snapshot)
                  : meta_read(env->fd, env->path, snapshot);
}

/* Of what is proved by checksums, with a slot: the newest state, as far as possible from memory. */
static int read_held(struct env *env, env_reader *read, void *ctx)
{
    struct page_snapshot snapshot;
    int result = meta_read_cached(env->fd, env->path, env->cache, &snapshot);
    return result ? result : read(&snapshot, ctx);
}

/*
 * In the state a meta page that is being flushed can be read already, but nothing of it may be used yet: an event that
 * names a source of it would be on disk before that source. liblmdb shows a commit to others when it has ended, so what
 * is newer than the slot is not looked at, but the one before, which has ended then. (An event is in the journal,
 * flushed, before its commit begins.) Without a slot it is asked which commit was noted last, a moment later.
 */
static uint64_t ended_txnid(const struct env *env, MDB_txn *slot)
{
    const struct env_options *options = &env->options;
    uint64_t noted = 0;
    if (slot)
        return mdb_txn_id(slot);
    if (options->presence)
        noted = shared_committed(options->presence->shared, options->lock, env->inode);
    return noted ? noted : UINT64_MAX; /* none was made since the machine was started */
}

static int read_ended(struct env *env, MDB_txn *slot, struct page_snapshot *snapshot)
{
    int result = read_snapshot(env, snapshot);
    bool is_state = env->options.lock == SHARED_LOCK_STATE && !env->options.images && !*env->gone;
    if (result == EVLOG_OK && is_state && snapshot->txnid > ended_txnid(env, slot))
        meta_step_back(snapshot);
    return result;
}

static int read_once(struct env *env, MDB_txn *slot, env_reader *read, void *ctx,
                     struct page_snapshot *snapshot)
{
    snapshot->txnid = 0;
    int result = read_ended(env, slot, snapshot);
    return result ? result : read(snapshot, ctx);
}

/*
 * Whether this process can take the writer's lock in order to read. It takes that of the state before that
 * of the events, and reads the state while it reads the events: so it doesn't for the state, which
 * is flushed with each commit and so stands still for long enough.
 */
static bool can_lock_to_read(const struct env *env)
{
    return !env->options.read_only && env->options.lock == SHARED_LOCK_EVENTS;
}

/*
 * Nothing keeps the pages: what was read is good when they were still the snapshot's afterwards, or when
 * the caller has checked it. Where others commit too fast for that, they wait for it.
 */
static int read_unheld(struct env *env, bool is_checked, env_reader *read, void *ctx)
{
    struct page_snapshot snapshot;
    int result, tries = can_lock_to_read(env) ? UNHELD_TRIES : UNHELD_TRIES_MAX;
    while (tries-- > 0) {
        bool is_whole;
        result = read_once(env, NULL, read, ctx, &snapshot);
        if ((is_checked && result == EVLOG_OK) || env->options.images)
            return result;
        int looked = look_whether_whole(env, &snapshot, &is_whole);
        if (looked || is_whole)
            return looked ? looked : result;
    }
    if (!can_lock_to_read(env))
        return error_set(
            EVLOG_BUSY,
            "%s: it changes too fast to be read without a reader's slot, and this process "
            "has none: open the log for writing, or give the process another pid",
            env->path);
    result = take_lock(env);
    if (result)
        return result;
    result = is_mapped(env) ? resize_map(env, false) : EVLOG_OK; /* then there can be a slot */
    if (result == EVLOG_OK)
        result = read_once(env, NULL, read, ctx, &snapshot);
    env_unlock(env);
    return result;
}

int env_read(struct env *env, enum env_state state, env_reader *read, void *ctx)
{
    const struct page_snapshot *base;
    struct page_snapshot snapshot;
    MDB_txn *slot = NULL;
    int result = EVLOG_OK;
    if (state == ENV_BASE) {
        result = env_base(env, &base);
        return result ? result : read(base, ctx);
    }
    if (state == ENV_LOCKED)
        return read_once(env, NULL, read, ctx, &snapshot);
    if (env->lmdb)
        result = take_slot(env, &slot);
    if (result && result != EVLOG_DAMAGED) /* of the map: it is read without a slot */
        return result;
    if (!slot)
        return read_unheld(env, state == ENV_CHECKED, read, ctx);
    bool is_cached = state == ENV_CHECKED && !env->options.images && !*env->gone;
    result = is_cached ? read_held(env, read, ctx) : read_once(env, slot, read, ctx, &snapshot);
    mdb_txn_abort(slot);
    return result;
}

struct reader_list {
    int (*visit)(const struct env_reader_info *reader, void *ctx);
    void *ctx;
    const struct page_snapshot *newest;
    int result;
};

/* A line of mdb_reader_list: pid, thread, and transaction, which is - when it reads nothing now. */
static int visit_reader(const char *line, void *ctx)
{
    struct reader_list *list = ctx;
    struct env_reader_info reader = {.pid = 0};
    uint64_t txnid, held_count = 0;
    if (sscanf(line, "%" SCNd32 " %*x %" SCNu64, &reader.pid, &txnid) != 2)
        return 0;
    reader.behind_count = less_by(list->newest->txnid, txnid);
    if (reader.behind_count > 0 && freelist_count(list->newest, txnid, &held_count) == EVLOG_OK)
        reader.held_size = held_count * list->newest->page_size;
    if (reader.behind_count > 0)
        reader.last_seq = older_last_seq(list->newest, txnid);
    list->result = list->visit(&reader, list->ctx);
    return list->result ? -1 : 0;
}

int env_each_reader(struct env *env,
                    int (*visit)(const struct env_reader_info *reader, void *ctx), void *ctx)
{
    struct page_snapshot newest;
    int dead;
    if (!env->lmdb)
        return EVLOG_OK;
    mdb_reader_check(env->lmdb, &dead);
    int result = meta_read(env->fd, env->path, &newest);
    if (result)
        return result;
    struct reader_list list = {.visit = visit, .ctx = ctx, .newest = &newest};
    mdb_reader_list(env->lmdb, visit_reader, &list);
    return list.result;
}

void env_will_reuse(struct env *env)
{
    atomic_store_explicit(&env->room.is_reused, true, memory_order_relaxed);
}

const char *env_gone(const struct env *env)
{
    return *env->gone ? env->gone : NULL;
}

uint64_t env_seed(const struct env *env)
{
    return env->options.seed;
}

uint64_t env_inode(const struct env *env)
{
    return env->inode;
}

int env_snapshot(struct env *env, struct page_snapshot *snapshot)
{
    return read_snapshot(env, snapshot);
}
