/* One LMDB environment: writing, growing, and reading a snapshot, see env.c. */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page.h"
#include "presence.h"
#include "watch.h"

struct env;

struct env_options {
    bool create; /* a new file; else it must exist */
    bool read_only;
    bool is_offline;   /* with read_only: no lock file is made, and no process knows of it */
    bool is_unflushed; /* commits are not flushed; env_flush does it */
    bool
        is_mapped; /* ... and are stored into the map; when the file system overwrites in place */
    uint32_t readers_max;
    uint64_t file_size_max;    /* 0: no limit */
    uint32_t wait_ms;          /* to open it, for a process that has locked its lock file */
    struct watch *watch;       /* looked at before a commit is reported as done */
    struct presence *presence; /* NULL: no other process writes */
    enum shared_lock lock;     /* the one that writing takes */
    bool
        may_be_gone; /* one that is only read may be gone or damaged as a whole: then it is empty */
    const struct page_images *images; /* read in place of the file's newest state; or NULL */
    uint64_t seed;                    /* see env_seed */
};

/*
 * Opens `path` (its lock file is path-lock), or makes it. The caller holds the log's own lock:
 * LMDB 0.9.26 to 0.9.31 destroy a shared mutex when one process closes while another opens.
 * EVLOG_DAMAGED (also when it is missing), EVLOG_IO, EVLOG_NOMEM.
 */
int env_open(const char *path, const struct env_options *options, struct env **env);
void env_close(struct env *env);

/* How a commit of an environment that is not `fast` reaches the disk. */
enum env_flush {
    ENV_FLUSH_ALL,      /* it survives a power cut */
    ENV_FLUSH_BUT_LAST, /* a power cut may undo this commit, whole, if none came after it; faster */
};

/* What a transaction will put. */
struct env_size {
    size_t sum;       /* about how many bytes; 0: as size_hint of env_write */
    size_t value_max; /* of them, in the longest value; 0: not known */
};

/*
 * Runs `fill` in a write transaction and commits. When the map is full it is grown and `fill` runs
 * again, so it must allow being called more than once. An error of `fill` ends the transaction
 * and is the result. `size_hint`: about how many bytes will be put; 0: by what gives room, or must be
 * done, and may use the reserve of 64 KiB that all others leave, of the disk and of file_size_max. Callers wait for
 * each other.
 *
 * EVLOG_FULL: the disk or file_size_max; nothing has changed, and a later call may succeed.
 * EVLOG_IO: a flush failed; nothing has changed as far as any process can see, and this env
 * writes no more (a kernel that lost a page reports it once); or a file of the log was deleted,
 * moved or replaced (watch.c), and this env writes no more. EVLOG_READONLY.
 */
int env_write(struct env *env, enum env_flush flush, size_t size_hint,
              int (*fill)(struct env *env, void *ctx), void *ctx);

/* The same; where another thread or process writes, EVLOG_BUSY at once. */
int env_write_if_free(struct env *env, enum env_flush flush, size_t size_hint,
                      int (*fill)(struct env *env, void *ctx), void *ctx);

/*
 * The lock that env_write takes, over threads and processes; for a caller that has more to do under it:
 * then env_write_locked. EVLOG_BUSY: another process has it for too long; the sentence names it.
 * EVLOG_IO: an earlier write or flush failed. EVLOG_READONLY.
 */
int env_lock(struct env *env);
void env_unlock(struct env *env);

/* Whether another thread or process had the lock when its holder asked for it. */
bool env_has_waited(const struct env *env);

int env_write_locked(struct env *env, enum env_flush flush, struct env_size size,
                     int (*fill)(struct env *env, void *ctx), void *ctx);

/* For use in `fill` only. */

/* Reserves `size` bytes for a key greater than all others; written before the next call. */
int env_append(struct env *env, const void *key, size_t key_size, size_t size, void **bytes);

/* Sets a key. `*is_new` (or NULL): it was not there. */
int env_put(struct env *env, const void *key, size_t key_size, const void *data, size_t size,
            bool *is_new);

/* Deletes a key. EVLOG_NOTFOUND: it was not there. */
int env_delete(struct env *env, const void *key, size_t key_size);

/*
 * ENV_BASE, valid until the transaction ends. EVLOG_DAMAGED: liblmdb must not
 * write to a file with such meta pages, or one that was cut short. EVLOG_IO.
 */
int env_base(struct env *env, const struct page_snapshot **snapshot);

/* The number the transaction will have when it is committed. */
uint64_t env_txnid(struct env *env);

/* The time of day, from a `fill` that has asked for it: the clock need not be asked again. */
void env_note_time(struct env *env, int64_t now_us);

/* Flushes all that was written to the file, by other processes too. EVLOG_IO: as for env_write. */
int env_flush(struct env *env);

/* Pages in the middle of the file will be written to again and again, since events are deleted: see room.c. */
void env_will_reuse(struct env *env);

/* Which state of the file to read. */
enum env_state {
    ENV_NEWEST,
    ENV_CHECKED, /* the same; `read` is EVLOG_OK only if all that it delivers is proved by checksums */
    ENV_LOCKED, /* the same, by the holder of env_lock */
    ENV_BASE,   /* in the `fill` of env_write: the one that its transaction began with */
};

typedef int env_reader(const struct page_snapshot *snapshot, void *ctx);

/*
 * Calls `read` with a snapshot, whose pages stay as they are meanwhile, and returns what it
 * returned. A process that can have no reader's slot, since another one of its pid has it or no lock
 * file can be written, calls it again when the pages may have changed; but not when it is EVLOG_OK
 * of ENV_CHECKED. In the end it does so with the writer's lock. EVLOG_BUSY: all reader slots are taken (the sentence
 * names the process of the oldest reader), or a process has that lock for too long, or this one cannot take it.
 * EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int env_read(struct env *env, enum env_state state, env_reader *read, void *ctx);

/*
 * Calls `visit` for each process that holds a snapshot, in liblmdb's table of readers, until it returns other
 * than 0, and returns that. None where there is no lock file. EVLOG_IO, EVLOG_DAMAGED.
 */
struct env_reader_info {
    int32_t pid;
    uint64_t behind_count; /* commits since it began */
    uint64_t held_size; /* of pages that were freed since; 0 also where their list is not sound */
    uint64_t last_seq;  /* the last key of what it reads; 0: not known, see older.c */
};
int env_each_reader(struct env *env,
                    int (*visit)(const struct env_reader_info *reader, void *ctx), void *ctx);

/* Why it is empty, see may_be_gone; NULL: it is not. */
const char *env_gone(const struct env *env);

/* What seeds the checksums of the values kept here, see entries.c. */
uint64_t env_seed(const struct env *env);

/* The inode of the file. */
uint64_t env_inode(const struct env *env);

/* The newest snapshot, to be looked at; its pages are not held. EVLOG_DAMAGED, EVLOG_IO. */
int env_snapshot(struct env *env, struct page_snapshot *snapshot);

#endif
