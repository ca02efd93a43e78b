/*
 * The processes that have a log open for writing, the writer's locks, and claims on consumers.
 *
 * liblmdb's own lock of its writer cannot be waited for with a limit, ends inside mdb_txn_commit,
 * and knows its holder by a thread id, which means nothing in another pid namespace. So one of
 * ours comes before it: a word in the file `shared` for each environment.
 *
 *   0                           free
 *   slot + 1 | generation << 16 the process of that slot has it
 *   bit 15                      when it is released it is kept for those that have slept
 *   bit 31                      a process waits, in futex(2)
 *
 * A process that releases the lock and wants it again is faster than one that has to be woken. That keeps the lock
 * busy, and could let the other one wait for ever. So a process that has waited for PATIENCE_US sets bit 15: then the
 * lock, once released, is taken only by a process that has slept, and one that has just come sleeps first.
 *
 * Each process keeps a slot of the table in `shared` alive by a lock on a byte of events.mdb far past
 * its end (held.c), for as long as it has the log open. Which process has the word is so known in
 * any pid namespace, and that it died: its byte is free, or has another generation by now. Then
 * the word is taken from it. What it left undone is found by the next holder: a commit of
 * liblmdb is there or not; the journal's end is compared with the log's (append.c).
 *
 * A second byte is locked by all of them together; a process that opens the log while no
 * other has it open locks it alone, and may recover (recover.c).
 *
 * Claims. A consumer's slot is claimed by a lock on one more byte of events.mdb, which the kernel
 * releases when the process ends. Nothing depends on the file `shared` but the holder's name: the
 * holder writes its word there, and a process that finds the byte locked looks up the pid there. A log that
 * a process has open twice is one descriptor, so its claims do not exclude each other.
 *
 * A process that only reads locks a byte of the readers, together with all others. A process that is to be alone
 * (compact.c, copy.c) locks both, alone.
 *
 * The bytes, from ANY_AT on: 1 that all lock, 1,024 of processes, 1,024 of consumers' slots.
 *
 * 1. A waiter sleeps for CHECK_EVERY_US at most before it asks whether the holder lives. So it does not matter when the
 *    one that a lock is kept for has died.
 * 2. Generations have 15 bits. A word would be taken for a living process's when its slot had been
 *    used 32,768 times since its holder died and no process had wanted the lock meanwhile; it would then
 *    be waited for until that process closes the log.
 *
 * Cost: taking and releasing a free lock are two atomic operations.
 */
#include "presence.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "held.h"
#include "opener.h"

#define ANY_AT (INT64_C(1) << 60) /* the byte that all lock */
#define READERS_AT (ANY_AT - 2)   /* ... that only read */
#define SLOTS_AT (ANY_AT + 1)
#define CLAIMS_AT (SLOTS_AT + SHARED_PROCESSES)
#define WAITING 0x80000000u
#define KEPT 0x8000u
#define SLOT_MASK 0x7fffu
#define GENERATION_MAX 0x7fffu
#define CHECK_EVERY_US 10000
#define PATIENCE_US 1000

/* ------------------------------------------------------------- coming ---- */

static uint32_t word_of(unsigned slot, uint32_t generation)
{
    return (slot + 1) | (generation & GENERATION_MAX) << 16;
}

static uint64_t pid_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) ? 0 : status.st_ino;
}

static void enter(struct presence *presence, unsigned slot)
{
    struct shared_process *process = shared_process(presence->shared, slot);
    presence->slot = slot;
    presence->word = word_of(slot, atomic_fetch_add(&process->generation, 1) + 1);
    presence->is_there = true;
    atomic_store(&process->namespace, pid_namespace());
    atomic_store(&process->pid, getpid());
}

/* A process that has the log open for writing. */
static struct presence_process any_writer(struct shared *shared, int fd)
{
    for (unsigned i = 0; shared && i < SHARED_PROCESSES; i++)
        if (held_by_other(fd, SLOTS_AT + i))
            return presence_process(
                shared, word_of(i, atomic_load(&shared_process(shared, i)->generation)));
    return (struct presence_process){.is_there = true};
}

static int fail_kept_out(struct shared *shared, int fd)
{
    char text[PRESENCE_TEXT_SIZE];
    return error_set(EVLOG_BUSY, "%s has the log for itself, to compact it or to copy to it",
                     presence_text(any_writer(shared, fd), text));
}

int presence_begin(struct presence *presence, struct shared *shared, int fd, uint32_t wait_ms,
                   bool *is_first)
{
    *presence = (struct presence){.shared = shared, .fd = fd, .wait_ms = wait_ms};
    int errnum = held_lock(fd, ANY_AT, HELD_ALONE);
    *is_first = errnum == 0;
    if (errnum == EAGAIN)
        errnum = held_lock(fd, ANY_AT, HELD_SHARED);
    if (errnum == EAGAIN)
        return fail_kept_out(shared, fd);
    for (unsigned i = 0; errnum == 0 && i < SHARED_PROCESSES; i++) {
        errnum = held_lock(fd, SLOTS_AT + i, HELD_ALONE);
        if (errnum == 0) {
            enter(presence, i);
            return EVLOG_OK;
        }
        if (errnum == EAGAIN)
            errnum = 0;
    }
    held_unlock(fd, ANY_AT);
    if (errnum)
        return error_errno(errnum, "locking a byte of it", "events.mdb");
    return error_set(EVLOG_LIMIT,
                     "%d processes have the log open for writing, the most there can be",
                     SHARED_PROCESSES);
}

int presence_read(struct shared *shared, int fd)
{
    return held_lock(fd, READERS_AT, HELD_SHARED) == EAGAIN ? fail_kept_out(shared, fd)
                                                            : EVLOG_OK;
}

int presence_alone(struct presence *presence)
{
    char text[PRESENCE_TEXT_SIZE];
    int fd = presence->fd;
    struct presence_process other = {.is_there = true};
    int errnum = held_lock(fd, ANY_AT, HELD_ALONE);
    if (errnum == EAGAIN)
        other = any_writer(presence->shared, fd);
    else if (!errnum && (errnum = held_lock(fd, READERS_AT, HELD_ALONE)) == EAGAIN)
        other.pid = opener_pid(fd);
    if (errnum == EAGAIN)
        return error_set(EVLOG_BUSY, "%s has the log open, and this needs it alone: end it first",
                         presence_text(other, text));
    return errnum ? error_errno(errnum, "locking a byte of it", "events.mdb") : EVLOG_OK;
}

int presence_is_any(int fd, bool *is_any)
{
    int errnum = held_find(fd, ANY_AT, is_any);
    return errnum ? error_errno(errnum, "looking at its locks", "events.mdb") : EVLOG_OK;
}

void presence_share(struct presence *presence)
{
    held_lock(presence->fd, ANY_AT, HELD_SHARED); /* from its own: this cannot fail */
}

void presence_end(struct presence *presence)
{
    if (!presence->is_there)
        return;
    presence->is_there = false;
    held_unlock(presence->fd, SLOTS_AT + presence->slot);
    held_unlock(presence->fd, ANY_AT);
    held_unlock(presence->fd, READERS_AT);
}

/* ------------------------------------------------------- other processes ---- */

struct presence_process presence_process(struct shared *shared, uint32_t word)
{
    struct presence_process found = {.is_there = true};
    unsigned slot = (word & SLOT_MASK) - 1;
    if (!shared || slot >= SHARED_PROCESSES)
        return found;
    struct shared_process *process = shared_process(shared, slot);
    if (word_of(slot, atomic_load(&process->generation)) != word)
        return found;
    found.pid = atomic_load(&process->pid);
    found.is_elsewhere = atomic_load(&process->namespace) != pid_namespace();
    return found;
}

void presence_format(char line[PRESENCE_LINE_SIZE + 1])
{
    snprintf(line, PRESENCE_LINE_SIZE + 1, "%10d %20" PRIu64 "\n", (int)getpid(),
             pid_namespace());
}

struct presence_process presence_parse(const char *line)
{
    struct presence_process found = {.is_there = true};
    uint64_t namespace;
    if (sscanf(line, "%" SCNd32 " %" SCNu64, &found.pid, &namespace) == 2)
        found.is_elsewhere = namespace != pid_namespace();
    else
        found.pid = 0;
    return found;
}

const char *presence_text(struct presence_process process, char text[PRESENCE_TEXT_SIZE])
{
    if (process.pid > 0)
        snprintf(text, PRESENCE_TEXT_SIZE, "process %d%s", (int)process.pid,
                 process.is_elsewhere ? " (of another pid namespace)" : "");
    else
        snprintf(text, PRESENCE_TEXT_SIZE, "another process");
    return text;
}

/* --------------------------------------------------------------- locks ---- */

static void wait_for_change(_Atomic uint32_t *word, uint32_t seen)
{
    struct timespec time = {.tv_nsec = CHECK_EVERY_US * 1000};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &time, NULL, 0);
}

/* Whether the process that a word names has ended. Its own word is one it did not release. */
static bool is_dead(const struct presence *presence, uint32_t word)
{
    unsigned slot = (word & SLOT_MASK) - 1;
    if (slot >= SHARED_PROCESSES || slot == presence->slot)
        return true;
    uint32_t generation = atomic_load(&shared_process(presence->shared, slot)->generation);
    return word_of(slot, generation) != word || !held_by_other(presence->fd, SLOTS_AT + slot);
}

static int fail_busy(const struct presence *presence, uint32_t word, const char *path)
{
    char text[PRESENCE_TEXT_SIZE];
    return error_set(EVLOG_BUSY, "%s: %s has been writing to it for %u ms: is it stopped?", path,
                     presence_text(presence_process(presence->shared, word), text),
                     presence->wait_ms);
}

/* The lock is not free. */
static int wait_for(struct presence *presence, _Atomic uint32_t *word, const char *path)
{
    int64_t began_us = clock_monotonic_us();
    for (bool has_slept = false;; has_slept = true) {
        uint32_t seen = atomic_load(word);
        uint32_t holder = seen & ~(WAITING | KEPT);
        bool is_free =
            holder == 0 ? has_slept || !(seen & KEPT) : has_slept && is_dead(presence, holder);
        if (is_free && atomic_compare_exchange_strong(word, &seen, presence->word | WAITING))
            return EVLOG_OK;
        if (is_free)
            continue;
        int64_t waited_us = clock_monotonic_us() - began_us;
        if (has_slept && waited_us >= (int64_t)presence->wait_ms * 1000)
            return fail_busy(presence, holder, path);
        uint32_t marked = seen | WAITING | (waited_us >= PATIENCE_US ? KEPT : 0);
        if (seen == marked || atomic_compare_exchange_strong(word, &seen, marked))
            wait_for_change(word, marked);
    }
}

bool presence_try_lock(struct presence *presence, enum shared_lock which)
{
    uint32_t free = 0;
    return atomic_compare_exchange_strong(shared_lock_word(presence->shared, which), &free,
                                          presence->word);
}

int presence_lock(struct presence *presence, enum shared_lock which, const char *path)
{
    if (presence_try_lock(presence, which))
        return EVLOG_OK;
    return wait_for(presence, shared_lock_word(presence->shared, which), path);
}

void presence_unlock(struct presence *presence, enum shared_lock which)
{
    _Atomic uint32_t *word = shared_lock_word(presence->shared, which);
    uint32_t seen = presence->word;
    while (!atomic_compare_exchange_weak(word, &seen, seen & KEPT))
        ;
    if (seen & WAITING)
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* -------------------------------------------------------------- claims ---- */

int presence_claim(struct presence *presence, unsigned slot, struct presence_process *holder)
{
    char text[PRESENCE_TEXT_SIZE];
    int errnum = held_lock(presence->fd, CLAIMS_AT + slot, HELD_ALONE);
    if (errnum == EAGAIN) {
        *holder = presence_process(presence->shared,
                                   atomic_load(shared_claimer(presence->shared, slot)));
        return error_set(EVLOG_BUSY, "%s has it", presence_text(*holder, text));
    }
    if (errnum)
        return error_errno(errnum, "claiming a consumer", "events.mdb");
    atomic_store(shared_claimer(presence->shared, slot), presence->word);
    return EVLOG_OK;
}

void presence_release(struct presence *presence, unsigned slot)
{
    atomic_store(shared_claimer(presence->shared, slot), 0);
    held_unlock(presence->fd, CLAIMS_AT + slot);
}

struct presence_process presence_holder(struct shared *shared, int fd, unsigned slot)
{
    if (!held_by_other(fd, CLAIMS_AT + slot))
        return (struct presence_process){.is_there = false};
    return presence_process(shared, shared ? atomic_load(shared_claimer(shared, slot)) : 0);
}
